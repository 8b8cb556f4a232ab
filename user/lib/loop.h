/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The event loop: one thread waits here and runs, in this order, file descriptors, timers and
 * bottom halves. It lives on io_uring; where that is disabled it says so, naming
 * kernel.io_uring_disabled, and uses epoll. SHUNT_LOOP=epoll in the environment asks for epoll.
 *
 * Context: every function is called on the loop's thread, except loop_bh_schedule() and
 * loop_stop(), which any thread may call. Callbacks never block and may add or delete any source,
 * themselves included. There is no nesting: loop_run() is not called from a callback.
 * Ownership: the caller embeds struct loop_fd, loop_timer and loop_bh in its own objects, and takes
 * them out before it frees those.
 */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/** loop_new() - Return: a loop, or NULL with errno set; its reason was logged */
struct loop *loop_new(void);
/** loop_free() - waits for offloaded work, and runs what is to be done after it */
void loop_free(struct loop *l);

/** loop_run() - run until loop_stop(), which may have come before. Return: 0 or -errno */
int loop_run(struct loop *l);

/** loop_stop() - end loop_run() after the current round; any thread, and signal-safe */
void loop_stop(struct loop *l);

/** loop_backend() - Return: "io_uring" or "epoll" */
const char *loop_backend(const struct loop *l);

/**
 * struct loop_fd - a watched file descriptor
 * @fd: caller sets
 * @events: POLLIN, POLLOUT; caller sets, change by loop_fd_mod(). Level-triggered. 0: not watched,
 *	errors and hang-up included
 * @fn: called with the ready events (POLLHUP and POLLERR included)
 */
struct loop_fd {
	int fd;
	short events;
	void (*fn)(struct loop_fd *w, short revents);
	/* private */
	struct loop_fd *next, **pprev;
	unsigned int id;
	short armed;
};

/**
 * loop_fd_add() - watch; one watcher for a descriptor, which stays open until loop_fd_del()
 * Return: 0 or -errno
 */
int loop_fd_add(struct loop *l, struct loop_fd *w);
int loop_fd_mod(struct loop *l, struct loop_fd *w, short events);
void loop_fd_del(struct loop *l, struct loop_fd *w);

/**
 * struct loop_timer - fires once at a CLOCK_MONOTONIC time
 * @fn: caller sets; may set the timer again
 */
struct loop_timer {
	void (*fn)(struct loop_timer *t);
	/* private */
	uint64_t deadline_ns;
	int slot;
};

uint64_t loop_now_ns(void);
/** loop_timer_set() - arm, or move, a timer. The struct was zeroed before its first use. */
int loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t deadline_ns);
void loop_timer_del(struct loop *l, struct loop_timer *t);

/**
 * struct loop_bh - a bottom half: deferred work, coalesced until it has run
 * @fn: runs on the loop's thread
 */
struct loop_bh {
	void (*fn)(struct loop_bh *bh);
	/* private */
	struct loop_bh *next;
	int scheduled;
};

/**
 * loop_bh_schedule() - any thread, lock-free; writes the wake-up eventfd only if the loop sleeps
 */
void loop_bh_schedule(struct loop *l, struct loop_bh *bh);
/** loop_bh_cancel() - loop's thread; after it returns @bh will not run unless scheduled again */
void loop_bh_cancel(struct loop *l, struct loop_bh *bh);

/**
 * loop_offload() - run blocking work on a helper thread
 * @work: runs there
 * @done: then runs on the loop's thread; may be NULL
 * @arg: for both
 * Return: 0 or -errno
 */
int loop_offload(struct loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the event loop share; nobody else includes this. */
#ifndef LIB_LOOP_PRIV_H
#define LIB_LOOP_PRIV_H

#include <liburing.h>
#include <pthread.h>
#include "loop.h"

/* Control-plane traffic only: a small ring keeps the resident size down. */
#define LOOP_URING_ENTRIES	32
#define LOOP_BATCH		32

/**
 * struct loop_slot - a registered loop_fd
 * @w: NULL while the slot is free
 * @gen: part of the kernel's tag for an armed poll; changed whenever that poll is no longer
 *	wanted, so that an event which was already under way is recognised as stale
 * @next_free: index of the next free slot, or -1
 */
struct loop_slot {
	struct loop_fd *w;
	uint32_t gen;
	int next_free;
};

/**
 * struct loop_ops - how to wait
 * @init: Return: 0 or -errno
 * @add: @w is in its slot. Return: 0 or -errno
 * @update: w->events changed. Return: 0 or -errno
 * @del: @w is still in its slot
 * @wait: wait at most @timeout_ns (-1: for ever), loop_awake(), run the callbacks of what is ready
 */
struct loop_ops {
	const char *name;
	int (*init)(struct loop *l);
	void (*exit)(struct loop *l);
	int (*add)(struct loop *l, struct loop_fd *w);
	int (*update)(struct loop *l, struct loop_fd *w);
	void (*del)(struct loop *l, struct loop_fd *w);
	int (*wait)(struct loop *l, int64_t timeout_ns);
};

extern const struct loop_ops loop_uring_ops, loop_epoll_ops;

/** struct offload - helper threads; @lock protects the lists and the counts */
struct offload {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct offload_item *todo, **todo_tail;
	struct offload_item *done, **done_tail;
	unsigned int nr_threads, nr_idle, nr_todo;
	bool quit;
	pthread_t thread[4];
	struct loop_bh bh;
};

struct loop {
	const struct loop_ops *ops;

	/* file descriptors; loop's thread */
	struct loop_slot *slot;
	unsigned int nr_slots;
	int free_slot;
	struct loop_fd *pending;	/* io_uring: to be armed; epoll: always ready */
	struct io_uring ring;
	int epfd;

	/* timers, a binary heap from index 1; loop's thread */
	struct loop_timer **heap;
	unsigned int nr_timers, cap_timers;

	/* bottom halves: any thread pushes to @bh_new, newest first; @bh_run is in order */
	struct loop_bh *bh_new;
	struct loop_bh *bh_run, **bh_run_tail;

	/* wake-up */
	int sleeping;			/* pairs with the stores before loop_wake() */
	int stop;
	struct loop_fd wake;

	struct offload off;
};

static inline uint64_t loop_tag(struct loop *l, const struct loop_fd *w)
{
	return (uint64_t)l->slot[w->id].gen << 32 | w->id;
}

/* 0 is the tag of nobody, so no generation is 0 */
static inline void loop_retag(struct loop *l, const struct loop_fd *w)
{
	if (!++l->slot[w->id].gen)
		l->slot[w->id].gen = 1;
}

static inline void loop_pending_add(struct loop *l, struct loop_fd *w)
{
	if (w->pprev)
		return;
	w->next = l->pending;
	if (w->next)
		w->next->pprev = &w->next;
	w->pprev = &l->pending;
	l->pending = w;
}

static inline void loop_pending_del(struct loop_fd *w)
{
	if (!w->pprev)
		return;
	*w->pprev = w->next;
	if (w->next)
		w->next->pprev = w->pprev;
	w->pprev = NULL;
	w->next = NULL;
}

/** loop_lookup() - Return: the watcher that @tag was made for, or NULL if it has gone since */
static inline struct loop_fd *loop_lookup(struct loop *l, uint64_t tag)
{
	uint32_t id = (uint32_t)tag;

	if (id >= l->nr_slots || l->slot[id].gen != tag >> 32)
		return NULL;
	return l->slot[id].w;
}

/* Callbacks follow: what they schedule is looked for before the next wait, without a wake-up. */
static inline void loop_awake(struct loop *l)
{
	__atomic_store_n(&l->sleeping, 0, __ATOMIC_SEQ_CST);
}

int loop_timer_init(struct loop *l);
void loop_timer_exit(struct loop *l);
void loop_timer_run(struct loop *l);
/**
 * loop_timer_wait() - Return: nanoseconds to the first deadline, 0 if it passed, -1 without timers
 */
int64_t loop_timer_wait(struct loop *l);

int loop_offload_init(struct loop *l);
void loop_offload_exit(struct loop *l);

#endif

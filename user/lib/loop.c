// SPDX-License-Identifier: GPL-2.0
/*
 * The event loop: registration of file descriptors, bottom halves, and the round that waits and
 * runs them. How it waits is in loop_uring.c and loop_epoll.c.
 */
#include "loop_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "log.h"

/* ---- wake-up ---- */

/*
 * The caller stored what the loop shall see (a bottom half, the stop flag) with a sequentially
 * consistent operation before; loop_round() stores @sleeping, then looks for it. One of the two
 * sees the other's store, so no wake-up is lost and an awake loop costs no system call.
 */
static void loop_wake(struct loop *l)
{
	uint64_t one = 1;
	int saved = errno;
	ssize_t n;

	if (__atomic_exchange_n(&l->sleeping, 0, __ATOMIC_SEQ_CST)) {
		/* fails when the counter is full: then a wake-up is under way already */
		n = write(l->wake.fd, &one, sizeof(one));
		(void)n;
	}
	/* signal handlers call loop_stop() */
	errno = saved;
}

static void loop_woken(struct loop_fd *w, short revents)
{
	uint64_t count;

	(void)revents;
	/* reset the counter; what woke us is looked for in any case */
	if (read(w->fd, &count, sizeof(count)) < 0)
		return;
}

void loop_stop(struct loop *l)
{
	__atomic_store_n(&l->stop, 1, __ATOMIC_SEQ_CST);
	loop_wake(l);
}

/* ---- bottom halves ---- */

void loop_bh_schedule(struct loop *l, struct loop_bh *bh)
{
	struct loop_bh *head;

	if (__atomic_exchange_n(&bh->scheduled, 1, __ATOMIC_SEQ_CST))
		return;
	head = __atomic_load_n(&l->bh_new, __ATOMIC_RELAXED);
	do {
		bh->next = head;
	} while (!__atomic_compare_exchange_n(&l->bh_new, &head, bh, true, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	loop_wake(l);
}

/* Move what other threads pushed to the end of the loop's own list, oldest first. */
static void bh_collect(struct loop *l)
{
	struct loop_bh *bh = __atomic_exchange_n(&l->bh_new, NULL, __ATOMIC_SEQ_CST);
	struct loop_bh *first = NULL, *last = bh, *next;

	for (; bh; bh = next) {
		next = bh->next;
		bh->next = first;
		first = bh;
	}
	if (!first)
		return;
	*l->bh_run_tail = first;
	l->bh_run_tail = &last->next;
}

void loop_bh_cancel(struct loop *l, struct loop_bh *bh)
{
	struct loop_bh **p;

	bh_collect(l);
	for (p = &l->bh_run; *p; p = &(*p)->next) {
		if (*p != bh)
			continue;
		*p = bh->next;
		if (!*p)
			l->bh_run_tail = p;
		__atomic_store_n(&bh->scheduled, 0, __ATOMIC_SEQ_CST);
		return;
	}
}

/* One round's worth: what is scheduled while these run waits for the next round. */
static void bh_run(struct loop *l)
{
	struct loop_bh *bh;
	unsigned int n = 0;

	bh_collect(l);
	for (bh = l->bh_run; bh; bh = bh->next)
		n++;
	while (n-- && l->bh_run) {
		bh = l->bh_run;
		l->bh_run = bh->next;
		if (!l->bh_run)
			l->bh_run_tail = &l->bh_run;
		/* from here on bh->next belongs to whoever schedules it again */
		__atomic_store_n(&bh->scheduled, 0, __ATOMIC_SEQ_CST);
		bh->fn(bh);
	}
}

/* ---- file descriptors ---- */

static int slot_get(struct loop *l)
{
	unsigned int nr = l->nr_slots ? l->nr_slots * 2 : 16, i;
	struct loop_slot *s;
	int id;

	if (l->free_slot < 0) {
		s = realloc(l->slot, nr * sizeof(*s));
		if (!s)
			return -ENOMEM;
		l->slot = s;
		for (i = l->nr_slots; i < nr; i++)
			s[i] = (struct loop_slot){ .gen = 1, .next_free = (int)i + 1 };
		s[nr - 1].next_free = -1;
		l->free_slot = (int)l->nr_slots;
		l->nr_slots = nr;
	}
	id = l->free_slot;
	l->free_slot = l->slot[id].next_free;
	return id;
}

static void slot_put(struct loop *l, struct loop_fd *w)
{
	loop_retag(l, w);
	l->slot[w->id].w = NULL;
	l->slot[w->id].next_free = l->free_slot;
	l->free_slot = (int)w->id;
}

int loop_fd_add(struct loop *l, struct loop_fd *w)
{
	int id, ret;

	/* io_uring would tell only later */
	if (fcntl(w->fd, F_GETFD) < 0)
		return -errno;
	id = slot_get(l);
	if (id < 0)
		return id;
	w->id = (unsigned int)id;
	w->next = NULL;
	w->pprev = NULL;
	w->armed = 0;
	l->slot[id].w = w;
	ret = l->ops->add(l, w);
	if (ret)
		slot_put(l, w);
	return ret;
}

int loop_fd_mod(struct loop *l, struct loop_fd *w, short events)
{
	if (w->events == events)
		return 0;
	w->events = events;
	return l->ops->update(l, w);
}

void loop_fd_del(struct loop *l, struct loop_fd *w)
{
	l->ops->del(l, w);
	slot_put(l, w);
}

/* ---- rounds ---- */

static bool loop_has_work(struct loop *l)
{
	return l->bh_run || __atomic_load_n(&l->bh_new, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&l->stop, __ATOMIC_SEQ_CST);
}

static int loop_round(struct loop *l)
{
	int64_t timeout_ns;
	int ret;

	__atomic_store_n(&l->sleeping, 1, __ATOMIC_SEQ_CST);
	timeout_ns = loop_has_work(l) ? 0 : loop_timer_wait(l);
	ret = l->ops->wait(l, timeout_ns);
	if (ret < 0)
		return ret;
	loop_timer_run(l);
	bh_run(l);
	return 0;
}

int loop_run(struct loop *l)
{
	int ret;

	while (!__atomic_load_n(&l->stop, __ATOMIC_SEQ_CST)) {
		ret = loop_round(l);
		if (ret < 0) {
			log_err("event loop: %s", strerror(-ret));
			return ret;
		}
	}
	__atomic_store_n(&l->stop, 0, __ATOMIC_SEQ_CST);
	return 0;
}

/* ---- life ---- */

/* The reason why io_uring cannot be used, in one line that names the switch which disables it. */
static void loop_explain(int err)
{
	char val[16] = "";
	int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd >= 0) {
		n = read(fd, val, sizeof(val) - 1);
		val[n > 0 ? n : 0] = 0;
		val[strcspn(val, "\n")] = 0;
		close(fd);
	}
	log_info("io_uring: %s (kernel.io_uring_disabled is %s): using epoll", strerror(err),
		 *val ? val : "not readable");
}

static int loop_backend_init(struct loop *l)
{
	const char *want = getenv("SHUNT_LOOP");
	int ret;

	if (want && *want && strcmp(want, "epoll") && strcmp(want, "io_uring")) {
		log_err("SHUNT_LOOP=%s: takes io_uring or epoll", want);
		return -EINVAL;
	}
	if (!want || strcmp(want, "epoll")) {
		l->ops = &loop_uring_ops;
		ret = l->ops->init(l);
		if (!ret)
			return 0;
		loop_explain(-ret);
	}
	l->ops = &loop_epoll_ops;
	ret = l->ops->init(l);
	if (ret)
		log_err("epoll: %s", strerror(-ret));
	return ret;
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	int ret = -ENOMEM;

	if (!l)
		goto out;
	l->free_slot = -1;
	l->bh_run_tail = &l->bh_run;
	ret = loop_timer_init(l);
	if (ret)
		goto out_free;
	ret = loop_offload_init(l);
	if (ret)
		goto out_timer;
	ret = loop_backend_init(l);
	if (ret)
		goto out_said;
	l->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->wake.fd < 0) {
		ret = -errno;
		goto out_backend;
	}
	l->wake.events = POLLIN;
	l->wake.fn = loop_woken;
	ret = loop_fd_add(l, &l->wake);
	if (ret)
		goto out_wake;
	return l;

out_wake:
	close(l->wake.fd);
out_backend:
	log_err("event loop: %s", strerror(-ret));
	l->ops->exit(l);
out_said:
	loop_offload_exit(l);
	loop_timer_exit(l);
	free(l->slot);
	free(l);
	errno = -ret;
	return NULL;

out_timer:
	loop_timer_exit(l);
out_free:
	free(l);
out:
	log_err("event loop: %s", strerror(-ret));
	errno = -ret;
	return NULL;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	loop_offload_exit(l);
	loop_fd_del(l, &l->wake);
	close(l->wake.fd);
	l->ops->exit(l);
	loop_timer_exit(l);
	free(l->slot);
	free(l);
}

const char *loop_backend(const struct loop *l)
{
	return l->ops->name;
}

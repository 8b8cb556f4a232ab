// SPDX-License-Identifier: GPL-2.0
/*
 * The event loop on io_uring.
 *
 * Every watched descriptor has one single-shot poll request under way. A request looks at the
 * descriptor when it is submitted, and it is submitted again after each callback: that makes it
 * level-triggered, which a multishot poll (woken by changes only) is not. Requests that became due
 * are collected in loop->pending and go to the kernel in the same system call that waits.
 */
#include "loop_priv.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static int uring_init(struct loop *l)
{
	int ret;

	/* one thread submits and reaps: completions need not interrupt it (5.19) */
	ret = io_uring_queue_init(LOOP_URING_ENTRIES, &l->ring, IORING_SETUP_COOP_TASKRUN);
	if (ret == -EINVAL)
		ret = io_uring_queue_init(LOOP_URING_ENTRIES, &l->ring, 0);
	if (ret)
		return ret;
	/* a timeout for the wait without a request of its own (5.11) */
	if (l->ring.features & IORING_FEAT_EXT_ARG)
		return 0;
	io_uring_queue_exit(&l->ring);
	return -EOPNOTSUPP;
}

static void uring_exit(struct loop *l)
{
	io_uring_queue_exit(&l->ring);
}

static struct io_uring_sqe *uring_sqe(struct loop *l)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->ring);

	if (sqe)
		return sqe;
	io_uring_submit(&l->ring);
	return io_uring_get_sqe(&l->ring);
}

/*
 * Give up @w's poll request. It goes to the kernel at once: until then the request holds the file,
 * and the peer of a socket that the caller closes next would not hear of it.
 */
static void uring_disarm(struct loop *l, struct loop_fd *w)
{
	struct io_uring_sqe *sqe;

	if (!w->armed)
		return;
	sqe = uring_sqe(l);
	if (sqe) {
		io_uring_prep_poll_remove(sqe, loop_tag(l, w));
		io_uring_sqe_set_data64(sqe, 0);
		io_uring_submit(&l->ring);
	}
	/* without an entry (the kernel is out of memory) the request ends as a stale event */
	loop_retag(l, w);
	w->armed = 0;
}

static int uring_add(struct loop *l, struct loop_fd *w)
{
	if (w->events)
		loop_pending_add(l, w);
	return 0;
}

static int uring_update(struct loop *l, struct loop_fd *w)
{
	if (w->armed != w->events)
		uring_disarm(l, w);
	if (!w->events)
		loop_pending_del(w);
	else if (!w->armed)
		loop_pending_add(l, w);
	return 0;
}

static void uring_del(struct loop *l, struct loop_fd *w)
{
	loop_pending_del(w);
	uring_disarm(l, w);
}

static int uring_arm_pending(struct loop *l)
{
	struct io_uring_sqe *sqe;
	struct loop_fd *w;

	while ((w = l->pending)) {
		sqe = uring_sqe(l);
		if (!sqe)
			return -EAGAIN;
		loop_pending_del(w);
		io_uring_prep_poll_add(sqe, w->fd, (unsigned int)w->events);
		io_uring_sqe_set_data64(sqe, loop_tag(l, w));
		w->armed = w->events;
	}
	return 0;
}

static void uring_dispatch(struct loop *l, uint64_t tag, int res)
{
	struct loop_fd *w = loop_lookup(l, tag);

	if (!w)
		return;
	w->armed = 0;
	if (res < 0) {
		/* not a descriptor that can be watched: say so once */
		w->fn(w, POLLERR);
		return;
	}
	/* before the callback, which may free @w */
	loop_pending_add(l, w);
	w->fn(w, (short)res);
}

static int uring_wait(struct loop *l, int64_t timeout_ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = timeout_ns / 1000000000,
		.tv_nsec = timeout_ns % 1000000000,
	};
	struct io_uring_cqe *cqe[LOOP_BATCH];
	struct {
		uint64_t tag;
		int res;
	} ev[LOOP_BATCH];
	unsigned int n, i;
	int ret;

	/* no room for requests: reap what there is and come back */
	if (uring_arm_pending(l)) {
		ts = (struct __kernel_timespec){ 0 };
		timeout_ns = 0;
	}
	ret = io_uring_submit_and_wait_timeout(&l->ring, cqe, 1, timeout_ns < 0 ? NULL : &ts, NULL);
	loop_awake(l);
	if (ret < 0 && ret != -ETIME && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
		return ret;

	/* callbacks submit: take the batch out of the ring before they run */
	n = io_uring_peek_batch_cqe(&l->ring, cqe, LOOP_BATCH);
	for (i = 0; i < n; i++) {
		ev[i].tag = io_uring_cqe_get_data64(cqe[i]);
		ev[i].res = cqe[i]->res;
	}
	io_uring_cq_advance(&l->ring, n);
	for (i = 0; i < n; i++)
		uring_dispatch(l, ev[i].tag, ev[i].res);
	return 0;
}

const struct loop_ops loop_uring_ops = {
	.name = "io_uring",
	.init = uring_init,
	.exit = uring_exit,
	.add = uring_add,
	.update = uring_update,
	.del = uring_del,
	.wait = uring_wait,
};

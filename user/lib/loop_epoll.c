// SPDX-License-Identifier: GPL-2.0
/*
 * The event loop on epoll, for machines where io_uring is disabled.
 *
 * Regular files and some devices cannot be polled (EPERM) but are always ready; loop->pending lists
 * those, and while it is not empty the loop does not sleep.
 */
#include "loop_priv.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
	       EPOLLHUP == POLLHUP && EPOLLPRI == POLLPRI, "poll and epoll bits differ");

static int epoll_init(struct loop *l)
{
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	return l->epfd < 0 ? -errno : 0;
}

static void epoll_exit(struct loop *l)
{
	close(l->epfd);
}

static int epoll_update(struct loop *l, struct loop_fd *w)
{
	struct epoll_event ev = { .events = (uint16_t)w->events };
	int op;

	if (w->armed && !w->events)
		op = EPOLL_CTL_DEL;
	else if (!w->armed && w->events)
		op = EPOLL_CTL_ADD;
	else
		op = EPOLL_CTL_MOD;
	loop_retag(l, w);
	ev.data.u64 = loop_tag(l, w);
	if (w->pprev) {
		if (!w->events)
			loop_pending_del(w);
		return 0;
	}
	if (!w->armed && !w->events)
		return 0;
	if (epoll_ctl(l->epfd, op, w->fd, &ev) < 0) {
		if (op != EPOLL_CTL_ADD || errno != EPERM)
			return -errno;
		loop_pending_add(l, w);
		return 0;
	}
	w->armed = w->events;
	return 0;
}

static void epoll_del(struct loop *l, struct loop_fd *w)
{
	loop_pending_del(w);
	if (w->armed)
		epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	w->armed = 0;
}

/* Callbacks may change the list: work on tags. */
static void epoll_dispatch_always(struct loop *l)
{
	uint64_t tag[LOOP_BATCH];
	unsigned int n = 0, i;
	struct loop_fd *w;

	for (w = l->pending; w && n < LOOP_BATCH; w = w->next)
		tag[n++] = loop_tag(l, w);
	for (i = 0; i < n; i++) {
		w = loop_lookup(l, tag[i]);
		if (w && w->pprev)
			w->fn(w, w->events & (POLLIN | POLLOUT));
	}
}

static int epoll_wait_ns(struct loop *l, int64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = timeout_ns / 1000000000,
		.tv_nsec = timeout_ns % 1000000000,
	};
	struct epoll_event ev[LOOP_BATCH];
	struct loop_fd *w;
	int n, i;

	if (l->pending)
		ts = (struct timespec){ 0 };
	n = epoll_pwait2(l->epfd, ev, LOOP_BATCH, timeout_ns < 0 && !l->pending ? NULL : &ts, NULL);
	loop_awake(l);
	if (n < 0 && errno != EINTR)
		return -errno;
	for (i = 0; i < n; i++) {
		w = loop_lookup(l, ev[i].data.u64);
		if (w)
			w->fn(w, (short)ev[i].events);
	}
	epoll_dispatch_always(l);
	return 0;
}

const struct loop_ops loop_epoll_ops = {
	.name = "epoll",
	.init = epoll_init,
	.exit = epoll_exit,
	.add = epoll_update,
	.update = epoll_update,
	.del = epoll_del,
	.wait = epoll_wait_ns,
};

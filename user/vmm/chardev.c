// SPDX-License-Identifier: GPL-2.0
/*
 * Character devices: the data path that all kinds share.
 *
 * Output is written at once where it fits, from whichever thread; the rest is queued and the main
 * thread waits for room. Only the main thread touches the loop: others ask it by a bottom half.
 */
#define _GNU_SOURCE
#include "chardev_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/log.h"

#define FLUSH_MS	1000
#define READ_MAX	1024

#define of_rd(_w)	((struct chardev *)(void *)((char *)(_w) - offsetof(struct chardev, rd)))
#define of_wr(_w)	((struct chardev *)(void *)((char *)(_w) - offsetof(struct chardev, wr)))
#define of_bh(_b)	((struct chardev *)(void *)((char *)(_b) - offsetof(struct chardev, bh)))

/* ---- what is watched ---- */

static size_t input_room(struct chardev *c)
{
	struct chardev_client *cl = &c->in[0].client;

	if (!c->nr_clients || c->eof)
		return 0;
	if (c->o.mux)
		return mux_room(c);
	return cl->room(cl->arg);
}

static void set_events(struct chardev *c, struct loop_fd *w, short events)
{
	int ret = loop_fd_mod(c->loop, w, events);

	if (ret)
		log_warn("%s %s: cannot watch: %s", c->opt, c->id, strerror(-ret));
}

/* Main thread, device lock held. */
static void update_events(struct chardev *c)
{
	if (c->rd_added)
		set_events(c, &c->rd, input_room(c) ? POLLIN : 0);
	if (c->wr_added)
		set_events(c, &c->wr, c->queue_len ? POLLOUT : 0);
}

static void update_bh(struct loop_bh *bh)
{
	struct chardev *c = of_bh(bh);

	vm_lock(c->vm);
	if (c->o.mux)
		mux_deliver(c);
	update_events(c);
	vm_unlock(c->vm);
}

/* ---- output ---- */

static ssize_t write_some(struct chardev *c, const void *buf, size_t len)
{
	if (c->is_socket)
		return send(c->wr.fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(c->wr.fd, buf, len);
}

static void queue_add(struct chardev *c, const uint8_t *buf, size_t len)
{
	size_t room = CHARDEV_QUEUE - c->queue_len;

	if (!c->queue)
		c->queue = malloc(CHARDEV_QUEUE);
	if (!c->queue)
		room = 0;
	if (len > room) {
		c->dropped += len - room;
		len = room;
	}
	if (!len)
		return;
	if (c->queue_off + c->queue_len + len > CHARDEV_QUEUE) {
		memmove(c->queue, c->queue + c->queue_off, c->queue_len);
		c->queue_off = 0;
	}
	memcpy(c->queue + c->queue_off + c->queue_len, buf, len);
	c->queue_len += len;
}

void chardev_write(struct chardev *c, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	ssize_t n = 0;

	if (c->wr.fd < 0)
		return;
	if (!c->queue_len) {
		n = write_some(c, p, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;		/* a peer that has gone; reading notices */
		if (n < 0)
			n = 0;
	}
	if ((size_t)n == len)
		return;
	queue_add(c, p + n, len - (size_t)n);
	loop_bh_schedule(c->loop, &c->bh);
}

static void queue_write(struct chardev *c)
{
	ssize_t n = write_some(c, c->queue + c->queue_off, c->queue_len);

	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		n = (ssize_t)c->queue_len;
	}
	c->queue_off += (size_t)n;
	c->queue_len -= (size_t)n;
	if (!c->queue_len)
		c->queue_off = 0;
}

static void wr_ready(struct loop_fd *w, short revents)
{
	struct chardev *c = of_wr(w);

	vm_lock(c->vm);
	if (revents & POLLOUT)
		queue_write(c);
	else
		c->queue_len = 0;	/* nobody will read it */
	update_events(c);
	vm_unlock(c->vm);
}

/* The last words of a guest: wait for a slow reader, but not for one that has stopped reading. */
static void flush(struct chardev *c)
{
	struct pollfd pfd = { .fd = c->wr.fd, .events = POLLOUT };

	while (c->wr.fd >= 0 && c->queue_len && poll(&pfd, 1, FLUSH_MS) > 0)
		queue_write(c);
}

/* ---- input ---- */

static void rd_ready(struct loop_fd *w, short revents)
{
	struct chardev *c = of_rd(w);
	struct chardev_client *cl = &c->in[0].client;
	uint8_t buf[READ_MAX];
	size_t room;
	ssize_t n;

	(void)revents;
	vm_lock(c->vm);
	room = input_room(c);
	if (!room)
		goto out;
	n = read(w->fd, buf, room < sizeof(buf) ? room : sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		goto out;
	if (n > 0) {
		if (c->o.mux)
			mux_input(c, buf, (size_t)n);
		else
			cl->input(cl->arg, buf, (size_t)n);
	} else if (c->is_socket) {
		chardev_disconnect(c, false);
	} else {
		c->eof = true;
	}
out:
	update_events(c);
	vm_unlock(c->vm);
}

size_t chardev_pending(const struct chardev *c)
{
	return c->queue_len;
}

void chardev_kick(struct chardev *c)
{
	loop_bh_schedule(c->loop, &c->bh);
}

/* Clients of a mux hear of it when they get the focus. */
static void tell_opened(struct chardev *c)
{
	const struct chardev_client *cl = &c->in[0].client;

	if (!c->o.mux && c->nr_clients && c->wr.fd >= 0 && cl->opened)
		cl->opened(cl->arg);
}

int chardev_attach(struct chardev *c, const struct chardev_client *client)
{
	if (c->lent || c->nr_clients == (c->o.mux ? CHARDEV_CLIENTS : 1) || c->taker.connected)
		return -EBUSY;
	c->focus = c->nr_clients++;
	c->in[c->focus].client = *client;
	tell_opened(c);
	chardev_kick(c);
	return 0;
}

/* ---- peers ---- */

void chardev_setup(struct chardev *c)
{
	c->rd.fd = -1;
	c->wr.fd = -1;
	c->bh.fn = update_bh;
}

/* Its taker gets the socket. */
static void hand_over(struct chardev *c, int fd)
{
	fcntl(fd, F_SETFL, 0);
	c->taken = true;
	c->waiting = false;
	c->taker.connected(c->taker.arg, fd);
	chardev_arrived(c->loop);
}

int chardev_connect(struct chardev *c, int in, int out, bool is_socket)
{
	int ret;

	if (c->taker.connected) {
		hand_over(c, in);
		return 0;
	}
	/* a descriptor has one watcher */
	if (in >= 0 && in == out) {
		out = dup(in);
		if (out < 0) {
			ret = -errno;
			close(in);
			return ret;
		}
	}
	c->rd = (struct loop_fd){ .fd = in, .fn = rd_ready };
	c->wr = (struct loop_fd){ .fd = out, .fn = wr_ready };
	c->is_socket = is_socket;
	c->eof = false;
	c->waiting = false;
	if (in >= 0) {
		ret = loop_fd_add(c->loop, &c->rd);
		if (ret)
			goto fail;
		c->rd_added = true;
	}
	if (out >= 0) {
		ret = loop_fd_add(c->loop, &c->wr);
		if (ret)
			goto fail;
		c->wr_added = true;
	}
	tell_opened(c);
	chardev_kick(c);
	chardev_arrived(c->loop);
	return 0;

fail:
	/* not the end of the kind's own part, which the caller still uses */
	chardev_disconnect(c, false);
	return ret;
}

/* A socket that is closed with something unread tells its peer of an error, which may have been a line's end only. */
static void forget_input(struct chardev *c)
{
	char some[READ_MAX];
	unsigned int most = 64;

	while (c->is_socket && most-- && recv(c->rd.fd, some, sizeof(some), MSG_DONTWAIT) > 0)
		;
}

/* Close both descriptors; the kind is not told. */
static void unwatch(struct chardev *c)
{
	if (c->rd_added)
		loop_fd_del(c->loop, &c->rd);
	if (c->wr_added)
		loop_fd_del(c->loop, &c->wr);
	if (c->rd.fd >= 0) {
		forget_input(c);
		close(c->rd.fd);
	}
	if (c->wr.fd >= 0)
		close(c->wr.fd);
	c->rd_added = false;
	c->wr_added = false;
	c->rd.fd = -1;
	c->wr.fd = -1;
	c->queue_len = 0;
	c->queue_off = 0;
}

void chardev_disconnect(struct chardev *c, bool final)
{
	if (final)
		flush(c);
	unwatch(c);
	if (c->kind->closed)
		c->kind->closed(c, final);
}

/* ---- peers that somebody takes ---- */

int chardev_take(struct chardev *c, const struct chardev_taker *taker)
{
	int fd = -1;

	if (c->kind != &chardev_socket || c->o.port || c->o.mux)
		return -EINVAL;
	if (c->lent || c->nr_clients || c->taker.connected)
		return -EBUSY;
	if (c->rd.fd >= 0) {
		fd = fcntl(c->rd.fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
		unwatch(c);
	}
	c->taker = *taker;
	if (fd >= 0)
		hand_over(c, fd);
	else
		c->waiting = true;
	return 0;
}

bool chardev_peer_gone(struct chardev *c)
{
	c->taken = false;
	c->kind->closed(c, false);
	return c->o.server || c->o.reconnect_s;
}

void chardev_untake(struct chardev *c)
{
	c->taker = (struct chardev_taker){ 0 };
	c->taken = false;
	c->waiting = false;
}

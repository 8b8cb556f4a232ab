// SPDX-License-Identifier: GPL-2.0
/* Unix and TCP sockets as character devices, one peer at a time, as server or as client. */
#define _GNU_SOURCE
#include "chardev_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../lib/log.h"

#define ACCEPT_RETRY_NS	1000000000ull

static const struct prop socket_props[] = {
	PROP("path", PROP_STR, struct chardev_opts, path, .help = "of a Unix socket"),
	PROP("host", PROP_STR, struct chardev_opts, host, .help = "TCP: name or address"),
	PROP("port", PROP_STR, struct chardev_opts, port, .help = "TCP: number or service"),
	PROP("fd", PROP_STR, struct chardev_opts, fd,
	     .help = "descriptor of an opened socket, inherited; with server=on a listening one"),
	PROP("server", PROP_BOOL, struct chardev_opts, server, .help = "listen", .def = "off"),
	PROP("wait", PROP_ONOFFAUTO, struct chardev_opts, wait,
	     .help = "server: the guest starts when a client is here; auto is on"),
	PROP("reconnect", PROP_U32, struct chardev_opts, reconnect_s, .def = "0", .max = 86400,
	     .help = "client: seconds between attempts, 0 for one attempt"),
	PROP("nodelay", PROP_BOOL, struct chardev_opts, nodelay, .help = "TCP_NODELAY",
	     .def = "off"),
	PROP("mux", PROP_BOOL, struct chardev_opts, mux,
	     .help = "several readers, Ctrl-A commands"),
	{ .type = PROP_END },
};

/**
 * struct sock - the kind's part
 * @listen: fd -1 for a client
 * @retry: client with reconnect=; server after a failure to accept, and while a second client waits
 * @bound: we made the path, and remove it
 */
struct sock {
	struct chardev *c;
	struct loop_fd listen;
	struct loop_timer retry;
	bool listen_added, bound;
	dev_t dev;
	ino_t ino;
};

#define of_listen(_w)	((struct sock *)(void *)((char *)(_w) - offsetof(struct sock, listen)))
#define of_retry(_t)	((struct sock *)(void *)((char *)(_t) - offsetof(struct sock, retry)))

static int socket_check(const char *opt, const struct chardev_opts *o)
{
	struct sockaddr_un sun;
	int fd;

	if (!!o->path + !!o->fd + !!(o->host || o->port) != 1)
		return log_err("%s: takes one of path=, fd= and host= with port=", opt);
	if (!o->path && !o->fd && !o->port)
		return log_err("%s: port= is missing", opt);
	if (o->path && (!*o->path || strlen(o->path) >= sizeof(sun.sun_path)))
		return log_err("%s: path=%s: takes 1 to %zu characters", opt, o->path,
			       sizeof(sun.sun_path) - 1);
	if (o->fd && parse_fd(o->fd, &fd))
		return log_err("%s: fd=%s: takes the number of an inherited descriptor", opt,
			       o->fd);
	if (!o->server && o->wait == PROP_ON)
		return log_err("%s: wait=on goes with server=on", opt);
	if (o->server && o->reconnect_s)
		return log_err("%s: reconnect= goes with server=off", opt);
	if (o->reconnect_s && !o->path)
		return log_err("%s: reconnect= takes a Unix socket, path=", opt);
	return 0;
}

static void no_delay(struct chardev *c, int fd)
{
	int one = 1;

	/* a Unix socket refuses, and needs it not */
	if (c->o.nodelay && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		return;
}

/* ---- server ---- */

/* A peer that has gone is noticed when its input ends, which a guest that reads nothing never sees. */
static bool hung_up(const struct chardev *c)
{
	struct pollfd pfd = { .fd = c->rd.fd };

	return c->rd.fd >= 0 && poll(&pfd, 1, 0) == 1 && pfd.revents & POLLHUP;
}

static void on_client(struct loop_fd *w, short revents)
{
	struct sock *s = of_listen(w);
	struct chardev *c = s->c;
	int fd;

	(void)revents;
	/* one at a time; the next waits in the kernel, and after a while we look whether the first is there */
	if (c->rd.fd >= 0 || c->taken) {
		loop_fd_mod(c->loop, w, 0);
		loop_timer_set(c->loop, &s->retry, loop_now_ns() + ACCEPT_RETRY_NS);
		return;
	}
	fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		/* out of descriptors, say: the client stays queued and must not keep us busy */
		if (errno != EAGAIN && errno != ECONNABORTED) {
			loop_fd_mod(c->loop, w, 0);
			loop_timer_set(c->loop, &s->retry, loop_now_ns() + ACCEPT_RETRY_NS);
		}
		return;
	}
	vm_lock(c->vm);
	no_delay(c, fd);
	chardev_connect(c, fd, fd, true);
	vm_unlock(c->vm);
}

static int unix_bind(struct sock *s, int fd)
{
	const char *path = s->c->o.path;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;

	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	/* a socket that a killed process left behind, or QEMU's way with one that is alive */
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return -errno;
	s->bound = true;
	if (!lstat(path, &st)) {
		s->dev = st.st_dev;
		s->ino = st.st_ino;
	}
	return 0;
}

/*
 * Resolves and connects or binds. Before the guest runs, so that it may block. Return: fd or -errno
 */
static int tcp_socket(struct chardev *c)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = c->o.server ? AI_PASSIVE : 0 };
	struct addrinfo *list, *ai;
	const struct timeval patience = { .tv_sec = 10 };
	int fd = -1, err = EADDRNOTAVAIL, one = 1, ret;
	const char *host = c->o.host && *c->o.host ? c->o.host : NULL;

	ret = getaddrinfo(host, c->o.port, &hints, &list);
	if (ret) {
		log_err("%s: %s:%s: %s", c->opt, host ? host : "", c->o.port, gai_strerror(ret));
		return -ENXIO;
	}
	for (ai = list; ai; ai = ai->ai_next) {
		fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
		if (fd < 0) {
			err = errno;
			continue;
		}
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (c->o.server)
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		ret = c->o.server ? bind(fd, ai->ai_addr, ai->ai_addrlen) :
				    connect(fd, ai->ai_addr, ai->ai_addrlen);
		if (!ret)
			break;
		err = errno == EINPROGRESS ? ETIMEDOUT : errno;
		close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	if (fd < 0) {
		log_err("%s: %s:%s: %s", c->opt, host ? host : "", c->o.port, strerror(err));
		return -ENXIO;
	}
	return fd;
}

static int server_open(struct sock *s)
{
	struct chardev *c = s->c;
	int fd, ret = 0;

	if (c->o.fd) {
		parse_fd(c->o.fd, &fd);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	} else if (c->o.path) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0)
			ret = unix_bind(s, fd);
	} else {
		fd = tcp_socket(c);
		if (fd < 0)
			return -1;
	}
	s->listen.fd = fd;
	if (fd < 0 || ret || listen(fd, 1) || fcntl(fd, F_SETFL, O_NONBLOCK)) {
		ret = ret ? -ret : errno;
		return log_err("%s: %s: %s", c->opt, c->o.path ? c->o.path : "socket",
			       strerror(ret));
	}
	s->listen.events = POLLIN;
	s->listen.fn = on_client;
	ret = loop_fd_add(c->loop, &s->listen);
	if (ret)
		return log_err("%s: socket: %s", c->opt, strerror(-ret));
	s->listen_added = true;
	c->waiting = c->o.wait != PROP_OFF;
	return 0;
}

/* ---- client ---- */

static int unix_connect(struct chardev *c)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	strncpy(sun.sun_path, c->o.path, sizeof(sun.sun_path) - 1);
	/* never waits: a full backlog is EAGAIN */
	if (!connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

static void retry_later(struct sock *s)
{
	loop_timer_set(s->c->loop, &s->retry, loop_now_ns() + s->c->o.reconnect_s * 1000000000ull);
}

static void on_retry(struct loop_timer *t)
{
	struct sock *s = of_retry(t);
	struct chardev *c = s->c;
	int fd;

	if (s->listen_added) {
		vm_lock(c->vm);
		if (hung_up(c))
			chardev_disconnect(c, false);
		vm_unlock(c->vm);
		loop_fd_mod(c->loop, &s->listen, POLLIN);
		return;
	}
	fd = unix_connect(c);
	if (fd < 0) {
		retry_later(s);
		return;
	}
	vm_lock(c->vm);
	if (chardev_connect(c, fd, fd, true))
		retry_later(s);
	vm_unlock(c->vm);
}

static int client_open(struct sock *s)
{
	struct chardev *c = s->c;
	int fd, ret;

	if (c->o.fd) {
		parse_fd(c->o.fd, &fd);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	} else if (c->o.path) {
		fd = unix_connect(c);
		if (fd < 0 && c->o.reconnect_s) {
			retry_later(s);
			return 0;
		}
		if (fd < 0)
			return log_err("%s: %s: %s", c->opt, c->o.path, strerror(-fd));
	} else {
		fd = tcp_socket(c);
		if (fd < 0)
			return -1;
	}
	no_delay(c, fd);
	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		return log_err("%s: fd=%d: %s", c->opt, fd, strerror(errno));
	ret = chardev_connect(c, fd, fd, true);
	return ret ? log_err("%s: socket: %s", c->opt, strerror(-ret)) : 0;
}

static int socket_open(struct chardev *c)
{
	struct sock *s;

	if (c->lent)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return log_err("%s: out of memory", c->opt);
	s->c = c;
	s->listen.fd = -1;
	s->retry.fn = on_retry;
	c->priv = s;
	return c->o.server ? server_open(s) : client_open(s);
}

static void socket_closed(struct chardev *c, bool final)
{
	struct sock *s = c->priv;
	struct stat st;

	if (!s)
		return;
	if (!final) {
		if (s->listen_added)
			loop_fd_mod(c->loop, &s->listen, POLLIN);
		else if (c->o.reconnect_s)
			retry_later(s);
		return;
	}
	loop_timer_del(c->loop, &s->retry);
	if (s->listen_added)
		loop_fd_del(c->loop, &s->listen);
	if (s->listen.fd >= 0)
		close(s->listen.fd);
	/* unless somebody else's socket took its place */
	if (s->bound && !lstat(c->o.path, &st) && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(c->o.path);
	free(s);
	c->priv = NULL;
}

static void socket_info(const struct chardev *c, FILE *out)
{
	if (c->o.path)
		fprintf(out, " %s", c->o.path);
	else if (c->o.fd)
		fprintf(out, " fd %s", c->o.fd);
	else
		fprintf(out, " %s:%s", c->o.host ? c->o.host : "", c->o.port);
	fprintf(out, "%s%s", c->o.server ? ", server" : "",
		c->wr.fd < 0 && !c->taken && !c->lent ? ", not connected" : "");
}

const struct chardev_kind chardev_socket = {
	.name = "socket",
	.desc = "Unix or TCP socket",
	.props = socket_props,
	.check = socket_check,
	.open = socket_open,
	.closed = socket_closed,
	.info = socket_info,
};

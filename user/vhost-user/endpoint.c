// SPDX-License-Identifier: GPL-2.0
/* Sockets for front-ends, see endpoint.h. */
#define _GNU_SOURCE
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "guard.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/sandbox.h"

/* How long a front-end waits until it is tried again, when there are no descriptors */
#define ACCEPT_MS	100
/* How long somebody at the same socket may take to go, and when it is looked again */
#define NS_PER_MS	1000000
#define TAKEN_NS	(1500ull * NS_PER_MS)
#define TAKEN_AGAIN_US	10000

/* Sockets that we made; by their directories, since the root may be another one by then */
static struct {
	int dir;
	const char *name;
} made[VU_LISTEN_MAX];
static unsigned int nr_made;

static void unlink_made(void)
{
	unsigned int i;

	for (i = 0; i < nr_made; i++)
		unlinkat(made[i].dir, made[i].name, 0);
}

static void remember(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = strndup(path, slash ? (size_t)(slash + 1 - path) : 0);

	made[nr_made].dir = open(dir && *dir ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	made[nr_made++].name = slash ? slash + 1 : path;
	free(dir);
}

static void end(int sig)
{
	(void)sig;
	unlink_made();
	/* What queues have under way may never end; what it has not written yet it has not acknowledged. */
	_exit(0);
}

static void handle_signals(void)
{
	struct sigaction sa = { .sa_handler = end };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int no_socket(const char *opt, const char *path, int fd, int err)
{
	if (fd >= 0)
		close(fd);
	return log_err("%s=%s: %s", opt, path, strerror(err));
}

/*
 * Whether somebody listens there. Of a process that was killed the kernel ends a ring's operations, which hold its
 * socket, a while later, and then hangs up on who is in its queue.
 */
static bool is_taken(const struct sockaddr_un *addr)
{
	uint64_t end = clock_ns() + TAKEN_NS, now;
	struct pollfd p = { .events = 0 };
	bool there;

	while ((now = clock_ns()) < end) {
		p.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		there = p.fd >= 0 && (!connect(p.fd, (struct sockaddr *)addr, sizeof(*addr)) || errno == EAGAIN);
		if (there)
			poll(&p, 1, (int)((end - now) / NS_PER_MS));
		if (p.fd >= 0)
			close(p.fd);
		if (!there)
			return false;
		usleep(TAKEN_AGAIN_US);
	}
	return true;
}

/*
 * The socket gets its name when it listens, so that whoever sees it can connect. One that was left
 * behind and that nobody listens at is replaced; anything else of that name is not.
 */
int vu_listen(const char *opt, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX }, tmp = addr;
	int n = snprintf(tmp.sun_path, sizeof(tmp.sun_path), "%s.%d", path, (int)getpid());
	struct stat st;
	int fd;

	if ((size_t)n >= sizeof(tmp.sun_path) || nr_made == VU_LISTEN_MAX)
		return no_socket(opt, path, -1, ENAMETOOLONG);
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return no_socket(opt, path, fd, errno);
	if (is_taken(&addr) || (!lstat(path, &st) && !S_ISSOCK(st.st_mode)))
		return no_socket(opt, path, fd, EADDRINUSE);
	if (bind(fd, (struct sockaddr *)&tmp, sizeof(tmp)))
		return no_socket(opt, path, fd, errno);
	if (listen(fd, 1) || rename(tmp.sun_path, path)) {
		no_socket(opt, path, fd, errno);
		unlink(tmp.sun_path);
		return -1;
	}
	if (!nr_made)
		atexit(unlink_made);
	remember(path);
	return fd;
}

int vu_is_listening(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) ? -errno : on;
}

int vu_endpoint_open(struct vu_endpoint *e)
{
	handle_signals();
	vu_guard_signals();
	if (e->path) {
		e->fd = vu_listen("--socket-path", e->path);
		return e->fd < 0 ? -1 : 0;
	}
	if (vu_is_listening(e->fd) < 0)
		return log_err("--fd=%d: %s", e->fd, strerror(errno));
	return 0;
}

/* What may pass by itself */
static bool is_shortage(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

static int accept_all(int listener, const struct vu_device *d)
{
	static const struct timespec a_while = { .tv_nsec = ACCEPT_MS * 1000000 };
	bool short_of = false;
	int sock;

	for (;;) {
		sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (sock < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (sock < 0 && is_shortage(errno)) {
			if (!short_of)
				log_warn("accept: %s; the front-end waits", strerror(errno));
			short_of = true;
			ppoll(NULL, 0, &a_while, NULL);
			continue;
		}
		if (sock < 0)
			return log_err("accept: %s", strerror(errno));
		short_of = false;
		vu_session_run(d, sock);
		close(sock);
	}
}

static int make_queues(struct vu_device *d)
{
	unsigned int i;

	for (i = 0; i < d->num_queues; i++) {
		int file = -1;
		const struct vu_queue_ops *ops = d->queue_ops(d->dev, i, &file);

		d->queue[i] = vu_queue_new(ops, d->dev, i, file, d->poll_us, d->fixes);
		if (!d->queue[i])
			return -1;
	}
	return 0;
}

int vu_endpoint_serve(struct vu_endpoint *e, struct vu_device *d)
{
	bool listening = vu_is_listening(e->fd);
	unsigned int i;
	int ret;

	vu_backend_signals(d);
	if (d->fixes)
		vu_queue_fixed_limit();
	if (d->no_files)
		sandbox_files();
	ret = sandbox_rights() || make_queues(d) || (d->start && d->start(d->dev)) || sandbox_calls(d->calls) ? -1 : 0;
	if (!ret) {
		ret = listening ? accept_all(e->fd, d) : vu_session_run(d, e->fd);
		if (d->finish)
			d->finish(d->dev);
	}
	for (i = 0; i < d->num_queues; i++)
		vu_queue_free(d->queue[i]);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0
/* Control sockets, see control.h. */
#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/prop.h"
#include "program.h"
#include "thread.h"

#define CLIENTS_MAX	16
#define LINE_MAX	512

/* struct client - @fd: its socket. @given: a descriptor that has come, or -1; @line: what has come of the next line */
struct client {
	int fd;
	int given;
	unsigned int len;
	char line[LINE_MAX];
};

static void close_given(struct client *c)
{
	if (c->given >= 0)
		close(c->given);
	c->given = -1;
}

json_t *vu_control_error(const char *fmt, ...)
{
	va_list ap;
	json_t *text;

	va_start(ap, fmt);
	text = json_vsprintf(fmt, ap);
	va_end(ap);
	return json_pack("{s:o}", "error", text ?: json_string("no UTF-8"));
}

/* Return: 0, or -1: who asked does not listen */
static int answer(struct client *c, json_t *a)
{
	char *text = a ? json_dumps(a, 0) : NULL;
	size_t len = text ? strlen(text) : 0;
	int ret = -1;

	if (text) {
		text[len++] = '\n';
		ret = write(c->fd, text, len) == (ssize_t)len ? 0 : -1;
	}
	free(text);
	json_decref(a);
	return ret;
}

/* Return: 0; -1 it is gone, or makes no sense */
static int client_lines(const struct vu_control *ctl, struct client *c)
{
	json_t *a;
	char *end;

	while ((end = memchr(c->line, '\n', c->len))) {
		*end++ = '\0';
		a = ctl->command(ctl->dev, c->line, &c->given);
		c->len -= (unsigned int)(end - c->line);
		memmove(c->line, end, c->len);
		if (!c->len)
			close_given(c);
		if (answer(c, a))
			return -1;
	}
	return c->len == sizeof(c->line) ? -1 : 0;
}

/* One at a time; the kernel closes what there is no room for. What comes by one message ends with its descriptor. */
static void take_fd(struct client *c, struct msghdr *m)
{
	struct cmsghdr *h = CMSG_FIRSTHDR(m);

	if (!h || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS || h->cmsg_len != CMSG_LEN(sizeof(int)))
		return;
	close_given(c);
	memcpy(&c->given, CMSG_DATA(h), sizeof(int));
}

static int client_read(const struct vu_control *ctl, struct client *c)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} u;
	struct iovec iov = { c->line + c->len, sizeof(c->line) - c->len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return -1;
	take_fd(c, &m);
	if (!n)
		return -1;
	c->len += (unsigned int)n;
	return client_lines(ctl, c);
}

static void client_close(struct client *c)
{
	close_given(c);
	close(c->fd);
}

static void *control_thread(void *arg)
{
	struct vu_control *ctl = arg;
	struct client client[CLIENTS_MAX] = { { .fd = ctl->connected, .given = -1 } };
	struct pollfd p[CLIENTS_MAX + 2];
	unsigned int nr = ctl->connected >= 0, i;

	for (;;) {
		p[0] = (struct pollfd){ .fd = ctl->ending, .events = POLLIN };
		/* Those that are too many wait. */
		p[1] = (struct pollfd){ .fd = nr < CLIENTS_MAX ? ctl->listening : -1, .events = POLLIN };
		for (i = 0; i < nr; i++)
			p[i + 2] = (struct pollfd){ .fd = client[i].fd, .events = POLLIN };
		if (poll(p, nr + 2, -1) < 0)
			continue;
		if (p[0].revents)
			break;
		for (i = nr; i--; ) {
			if (!p[i + 2].revents || !client_read(ctl, &client[i]))
				continue;
			client_close(&client[i]);
			client[i] = client[--nr];
		}
		if (!p[1].revents)
			continue;
		client[nr].len = 0;
		client[nr].given = -1;
		client[nr].fd = accept4(ctl->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		nr += client[nr].fd >= 0;
	}
	while (nr--)
		client_close(&client[nr]);
	return NULL;
}

int vu_control_option(struct vu_control *c, const char *name, const char *arg)
{
	if (parse_fd(arg, &c->connected) || vu_is_listening(c->connected))
		return vu_option_bad(name, arg, "the number of a connected socket");
	return 0;
}

int vu_control_open(struct vu_control *c)
{
	c->listening = c->path ? vu_listen("--control", c->path) : -1;
	if (c->path && c->listening < 0)
		return -1;
	if (c->connected >= 0 && fcntl(c->connected, F_SETFL, O_NONBLOCK))
		return log_err("--control-fd=%d: %s", c->connected, strerror(errno));
	return 0;
}

int vu_control_start(struct vu_control *c)
{
	int ret;

	if (!vu_control_there(c))
		return 0;
	c->ending = eventfd(0, EFD_CLOEXEC);
	if (c->ending < 0)
		return log_err("--control: %s", strerror(errno));
	/* Later there are no files to take it from. */
	json_object_seed(0);
	ret = vu_thread_start(&c->thread, "control", control_thread, c);
	return ret ? log_err("--control: %s", strerror(ret)) : 0;
}

void vu_control_finish(struct vu_control *c)
{
	if (!vu_control_there(c))
		return;
	eventfd_write(c->ending, 1);
	pthread_join(c->thread, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The control socket: a line asks, and a line of JSON answers.
 *
 *	target SIZE	ask the guest for so much memory
 *	query		what it was asked for, and what it has given
 *	stats		the same, and its statistics, as of now
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "balloon.h"
#include "lib/log.h"
#include "lib/prop.h"

#define CLIENTS_MAX	16
#define LINE_MAX	128
/* How long a guest has to tell its statistics */
#define STATS_MS	1000

struct client {
	int fd;
	unsigned int len;
	char line[LINE_MAX];
};

struct answer {
	char text[1024];
	int len;
};

int balloon_set_target(struct balloon *b, const char *size)
{
	uint64_t bytes;

	if (parse_size(size, 1, &bytes) || bytes % BALLOON_PAGE || bytes > BALLOON_TARGET_MAX)
		return -1;
	__atomic_store_n(&b->target, (uint32_t)(bytes / BALLOON_PAGE), __ATOMIC_RELAXED);
	return 0;
}

/* --- answers --- */

static void add(struct answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	a->len += vsnprintf(a->text + a->len, sizeof(a->text) - (size_t)a->len, fmt, ap);
	va_end(ap);
}

static void refuse(struct answer *a, const char *why)
{
	add(a, "{\"error\": \"%s\"}\n", why);
}

static void add_sizes(struct balloon *b, struct answer *a)
{
	add(a, "{\"target\": %llu, \"actual\": %llu",
	    (unsigned long long)__atomic_load_n(&b->target, __ATOMIC_RELAXED) * BALLOON_PAGE,
	    (unsigned long long)__atomic_load_n(&b->actual, __ATOMIC_RELAXED) * BALLOON_PAGE);
}

static void query(struct balloon *b, struct answer *a)
{
	add_sizes(b, a);
	add(a, "}\n");
}

/* Return: 0, or -1: the guest has not answered */
static int stats_renew(struct balloon *b)
{
	struct pollfd p = { .fd = b->updated, .events = POLLIN };
	eventfd_t before;

	eventfd_read(b->updated, &before);
	__atomic_store_n(&b->wanted, true, __ATOMIC_SEQ_CST);
	vu_queue_wake(b->d->queue[BALLOON_Q_STATS]);
	if (poll(&p, 1, STATS_MS) == 1)
		return 0;
	__atomic_store_n(&b->wanted, false, __ATOMIC_SEQ_CST);
	return -1;
}

static void stats(struct balloon *b, struct answer *a)
{
	static const char *const name[VIRTIO_BALLOON_S_NR] = VIRTIO_BALLOON_S_NAMES_WITH_PREFIX("stat-");
	unsigned int i;

	if (!__atomic_load_n(&b->stats, __ATOMIC_RELAXED)) {
		refuse(a, "the guest has no statistics");
		return;
	}
	if (stats_renew(b)) {
		refuse(a, "the guest has not told its statistics");
		return;
	}
	add_sizes(b, a);
	for (i = 0; i < VIRTIO_BALLOON_S_NR; i++) {
		uint64_t value = __atomic_load_n(&b->stat[i], __ATOMIC_RELAXED);

		if (value != BALLOON_UNKNOWN)
			add(a, ", \"%s\": %llu", name[i], (unsigned long long)value);
	}
	add(a, "}\n");
}

static void command(struct balloon *b, const char *line, struct answer *a)
{
	a->len = 0;
	if (!strcmp(line, "query"))
		query(b, a);
	else if (!strcmp(line, "stats"))
		stats(b, a);
	else if (strncmp(line, "target ", 7))
		refuse(a, "commands are: target SIZE, query, stats");
	else if (balloon_set_target(b, line + 7))
		refuse(a, "target: it takes a size in pages of 4k, such as 256M");
	else
		query(b, a);
}

/* --- clients --- */

/* Return: 0; -1 it is gone, or makes no sense */
static int client_lines(struct balloon *b, struct client *c)
{
	struct answer a;
	char *end;

	while ((end = memchr(c->line, '\n', c->len))) {
		*end++ = '\0';
		command(b, c->line, &a);
		if (write(c->fd, a.text, (size_t)a.len) != a.len)
			return -1;
		c->len -= (unsigned int)(end - c->line);
		memmove(c->line, end, c->len);
	}
	return c->len == sizeof(c->line) ? -1 : 0;
}

static int client_read(struct balloon *b, struct client *c)
{
	ssize_t n = read(c->fd, c->line + c->len, sizeof(c->line) - c->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -1;
	c->len += (unsigned int)n;
	return client_lines(b, c);
}

static void *control_thread(void *arg)
{
	struct balloon *b = arg;
	struct client client[CLIENTS_MAX] = { { .fd = b->connected } };
	struct pollfd p[CLIENTS_MAX + 2];
	unsigned int nr = b->connected >= 0, i;

	pthread_setname_np(pthread_self(), "control");
	sem_post(&b->started);
	for (;;) {
		p[0] = (struct pollfd){ .fd = b->ending, .events = POLLIN };
		/* Those that are too many wait. */
		p[1] = (struct pollfd){ .fd = nr < CLIENTS_MAX ? b->control : -1, .events = POLLIN };
		for (i = 0; i < nr; i++)
			p[i + 2] = (struct pollfd){ .fd = client[i].fd, .events = POLLIN };
		if (poll(p, nr + 2, -1) < 0)
			continue;
		if (p[0].revents)
			break;
		for (i = nr; i--; ) {
			if (!p[i + 2].revents || !client_read(b, &client[i]))
				continue;
			close(client[i].fd);
			client[i] = client[--nr];
		}
		if (!p[1].revents)
			continue;
		client[nr].len = 0;
		client[nr].fd = accept4(b->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		nr += client[nr].fd >= 0;
	}
	while (nr--)
		close(client[nr].fd);
	return NULL;
}

void balloon_finish(void *dev)
{
	struct balloon *b = dev;

	if (!balloon_controlled(b))
		return;
	eventfd_write(b->ending, 1);
	pthread_join(b->thread, NULL);
}

int balloon_start(void *dev)
{
	struct balloon *b = dev;
	sigset_t all, old;
	int ret;

	if (!balloon_controlled(b))
		return 0;
	b->ending = eventfd(0, EFD_CLOEXEC);
	b->updated = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->ending < 0 || b->updated < 0)
		return log_err("--control: %s", strerror(errno));
	sem_init(&b->started, 0, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&b->thread, NULL, control_thread, b);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return log_err("--control: %s", strerror(ret));
	/* A thread that begins makes system calls that it may not make later. */
	while (sem_wait(&b->started))
		;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Commands of the control socket.
 *
 *	target SIZE	ask the guest for so much memory
 *	query		what it was asked for, and what it has given
 *	stats		the same, and its statistics, as of now
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "balloon.h"
#include "lib/log.h"
#include "lib/prop.h"

/* How long a guest has to tell its statistics */
#define STATS_MS	1000

int balloon_set_target(struct balloon *b, const char *size)
{
	uint64_t bytes;

	if (parse_size(size, 1, &bytes) || bytes % BALLOON_PAGE || bytes > BALLOON_TARGET_MAX)
		return -1;
	__atomic_store_n(&b->target, (uint32_t)(bytes / BALLOON_PAGE), __ATOMIC_RELAXED);
	return 0;
}

static json_t *query(struct balloon *b)
{
	return json_pack("{s:I,s:I}",
			 "target", (json_int_t)__atomic_load_n(&b->target, __ATOMIC_RELAXED) * BALLOON_PAGE,
			 "actual", (json_int_t)__atomic_load_n(&b->actual, __ATOMIC_RELAXED) * BALLOON_PAGE);
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

static json_t *stats(struct balloon *b)
{
	static const char *const name[VIRTIO_BALLOON_S_NR] = VIRTIO_BALLOON_S_NAMES_WITH_PREFIX("stat-");
	json_t *a;
	unsigned int i;

	if (!__atomic_load_n(&b->stats, __ATOMIC_RELAXED))
		return vu_control_error("the guest has no statistics");
	if (stats_renew(b))
		return vu_control_error("the guest has not told its statistics");
	a = query(b);
	for (i = 0; i < VIRTIO_BALLOON_S_NR; i++) {
		uint64_t value = __atomic_load_n(&b->stat[i], __ATOMIC_RELAXED);

		if (value != BALLOON_UNKNOWN)
			json_object_set_new(a, name[i], json_integer((json_int_t)value));
	}
	return a;
}

json_t *balloon_command(void *dev, char *line, int *fd)
{
	struct balloon *b = dev;

	(void)fd;
	if (!strcmp(line, "query"))
		return query(b);
	if (!strcmp(line, "stats"))
		return stats(b);
	if (strncmp(line, "target ", 7))
		return vu_control_error("commands are: target SIZE, query, stats");
	if (balloon_set_target(b, line + 7))
		return vu_control_error("target: it takes a size in pages of 4k, such as 256M");
	return query(b);
}

int balloon_start(void *dev)
{
	struct balloon *b = dev;

	b->updated = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return b->updated < 0 ? log_err("--control: %s", strerror(errno)) : vu_control_start(&b->control);
}

void balloon_finish(void *dev)
{
	vu_control_finish(&((struct balloon *)dev)->control);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory as buffers that are registered with a queue's ring: its pages are found and pinned once, and not for each
 * operation. They are from the start of a ring to its stop, and the memory table stays as it is meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/log.h"
#include "queue_priv.h"

/* The most that io_uring takes as one buffer, and the most buffers */
#define BUFFER_MAX	(1UL << 30)
#define BUFFERS_MAX	16384UL

void vu_queue_fixed_limit(void)
{
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

	if (!setrlimit(RLIMIT_MEMLOCK, &r) || getrlimit(RLIMIT_MEMLOCK, &r))
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &r);
}

static size_t buffers_of(const struct vring_mem *mem)
{
	size_t n = 0;
	uint32_t i;

	for (i = 0; i < mem->nr; i++)
		n += (mem->region[i].size + BUFFER_MAX - 1) / BUFFER_MAX;
	return n;
}

static void fill(struct iovec *buf, const struct vring_mem *mem)
{
	uint64_t done, left;
	uint32_t i;

	for (i = 0; i < mem->nr; i++) {
		for (done = 0; done < mem->region[i].size; done += BUFFER_MAX) {
			left = mem->region[i].size - done;
			*buf++ = (struct iovec){ (void *)(uintptr_t)(mem->region[i].uaddr + done),
						 left < BUFFER_MAX ? left : BUFFER_MAX };
		}
	}
}

/* Once for all queues: it is the same for each of them, and for each start. */
static void complain(int error)
{
	static bool said;

	if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		log_warn("guest memory cannot be registered, and is not: %s%s", strerror(error),
			 error == ENOMEM ? " (see RLIMIT_MEMLOCK)" : "");
}

void vu_queue_fix(struct vu_queue *q)
{
	size_t n = buffers_of(q->ring.mem);
	int ret = n > BUFFERS_MAX ? -E2BIG : -ENOMEM;

	q->nr_fixed = 0;
	q->fixed = n && n <= BUFFERS_MAX ? calloc(n, sizeof(*q->fixed)) : NULL;
	if (!n)
		return;
	if (q->fixed) {
		fill(q->fixed, q->ring.mem);
		ret = io_uring_register_buffers(&q->uring, q->fixed, (unsigned int)n);
	}
	if (ret)
		complain(-ret);
	else
		q->nr_fixed = (unsigned int)n;
}

void vu_queue_unfix(struct vu_queue *q)
{
	if (q->nr_fixed)
		io_uring_unregister_buffers(&q->uring);
	q->nr_fixed = 0;
	free(q->fixed);
	q->fixed = NULL;
}

int vu_queue_fixed(const struct vu_queue *q, const void *addr, size_t len)
{
	unsigned int i;

	for (i = 0; i < q->nr_fixed; i++) {
		uintptr_t off = (uintptr_t)addr - (uintptr_t)q->fixed[i].iov_base;

		if (off < q->fixed[i].iov_len)
			return len <= q->fixed[i].iov_len - off ? (int)i : -1;
	}
	return -1;
}

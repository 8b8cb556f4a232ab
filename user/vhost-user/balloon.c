// SPDX-License-Identifier: GPL-2.0
/*
 * The queues of a balloon. Pages come as numbers, or as the buffers themselves, and are cut out of the files
 * that guest memory is: whoever has these mapped gets new pages, of zeroes, when the guest uses them again.
 */
#define _GNU_SOURCE
#include "balloon.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "iov.h"
#include "lib/log.h"

/* Pages in one buffer, and of these how many are read at a time */
#define LIST_MAX	1024
#define LIST_PART	256

/* Statistics in one buffer */
#define STATS_MAX	64

/* The pages that are whole */
static void discard(struct balloon *b, void *va, uint64_t len)
{
	uintptr_t from = ((uintptr_t)va + BALLOON_PAGE - 1) & ~(uintptr_t)(BALLOON_PAGE - 1);
	uintptr_t to = ((uintptr_t)va + len) & ~(uintptr_t)(BALLOON_PAGE - 1);

	if (from >= to || !madvise((void *)from, to - from, MADV_REMOVE))
		return;
	if (!__atomic_exchange_n(&b->failed, true, __ATOMIC_RELAXED))
		log_warn("memory cannot be given back: %s", strerror(errno));
}

/* --- pages by number --- */

/* Return: NULL, or what is wrong */
static const char *discard_range(struct vu_queue *q, uint64_t gpa, uint64_t len)
{
	while (len) {
		uint64_t n = len;
		void *va = vu_queue_va(q, gpa, &n);

		if (!va)
			return "a page that is not memory";
		discard(q->dev, va, n);
		gpa += n;
		len -= n;
	}
	return NULL;
}

/* Pages next to each other, upwards or downwards, go at once. */
static const char *discard_pages(struct vu_queue *q, const uint32_t *pfn, unsigned int nr)
{
	uint64_t from = 0, to = 0;
	const char *why = NULL;
	unsigned int i;

	for (i = 0; i < nr && !why; i++) {
		uint64_t page = le32toh(pfn[i]);

		if (to && page == to) {
			to++;
		} else if (to && page + 1 == from) {
			from--;
		} else {
			why = discard_range(q, from * BALLOON_PAGE, (to - from) * BALLOON_PAGE);
			from = page;
			to = page + 1;
		}
	}
	return why ?: discard_range(q, from * BALLOON_PAGE, (to - from) * BALLOON_PAGE);
}

static const char *list_wrong(const struct vring_elem *e)
{
	if (e->nr_in)
		return "a list of pages that is to be written";
	if (e->out_len % sizeof(uint32_t) || e->out_len > LIST_MAX * sizeof(uint32_t))
		return "a list of pages that is too long, or no whole number of them";
	return NULL;
}

static const char *inflate(struct vu_queue *q, struct vu_req *req, struct iovec *iov)
{
	const char *why = list_wrong(&req->elem);
	uint32_t pfn[LIST_PART];
	size_t at = 0, n;

	while (!why && (n = iov_read(iov, req->elem.nr_out, at, pfn, sizeof(pfn)))) {
		why = discard_pages(q, pfn, (unsigned int)(n / sizeof(pfn[0])));
		at += n;
	}
	if (!why)
		vu_req_end(q, req, 0);
	return why;
}

/* The pages come back by themselves. */
static const char *deflate(struct vu_queue *q, struct vu_req *req, struct iovec *iov)
{
	const char *why = list_wrong(&req->elem);

	(void)iov;
	if (!why)
		vu_req_end(q, req, 0);
	return why;
}

/* --- free pages --- */

static const char *report(struct vu_queue *q, struct vu_req *req, struct iovec *iov)
{
	struct balloon *b = q->dev;
	unsigned int i;

	if (!b->reporting)
		return "a buffer in a queue that was not negotiated";
	if (req->elem.nr_out)
		return "free pages that are to be read";
	for (i = 0; i < req->elem.nr_in; i++)
		discard(b, iov[i].iov_base, iov[i].iov_len);
	vu_req_end(q, req, 0);
	return NULL;
}

/* --- statistics --- */

static const char *stats_take(struct vu_queue *q, struct vu_req *req, const struct iovec *iov)
{
	struct virtio_balloon_stat stat[STATS_MAX];
	struct balloon *b = q->dev;
	size_t n, i;

	if (req->elem.nr_in)
		return "statistics that are to be written";
	n = iov_read(iov, req->elem.nr_out, 0, stat, sizeof(stat)) / sizeof(stat[0]);
	for (i = 0; i < n; i++)
		if (le16toh(stat[i].tag) < VIRTIO_BALLOON_S_NR)
			__atomic_store_n(&b->stat[le16toh(stat[i].tag)], le64toh(stat[i].val), __ATOMIC_RELAXED);
	b->held = req;
	if (b->asked)
		eventfd_write(b->updated, 1);
	b->asked = false;
	return NULL;
}

/* The guest tells them anew when it gets the buffer back. */
static bool stats_run(struct vu_queue *q)
{
	struct balloon *b = q->dev;
	struct vu_req *req = b->held;
	struct iovec *iov;
	const char *why;

	if (req && !__atomic_exchange_n(&b->wanted, false, __ATOMIC_SEQ_CST))
		return false;
	if (req) {
		b->held = NULL;
		b->asked = true;
		vu_req_end(q, req, 0);
		return true;
	}
	req = vu_queue_pull(q, &iov);
	if (!req)
		return false;
	why = b->stats ? stats_take(q, req, iov) : report(q, req, iov);
	if (why) {
		vu_req_refuse(q, req, why);
	}
	return true;
}

static void stats_stop(struct vu_queue *q)
{
	struct balloon *b = q->dev;

	if (b->held)
		vu_req_back(q, b->held);
	b->held = NULL;
}

static const uint8_t opcodes[] = { IORING_OP_NOP };

static const struct vu_queue_ops inflate_ops = {
	.opcodes = opcodes,
	.req_size = sizeof(struct vu_req),
	.request = inflate,
};

static const struct vu_queue_ops deflate_ops = {
	.opcodes = opcodes,
	.req_size = sizeof(struct vu_req),
	.request = deflate,
};

static const struct vu_queue_ops stats_ops = {
	.opcodes = opcodes,
	.req_size = sizeof(struct vu_req),
	.run = stats_run,
	.stop = stats_stop,
};

static const struct vu_queue_ops report_ops = {
	.opcodes = opcodes,
	.req_size = sizeof(struct vu_req),
	.request = report,
};

const struct vu_queue_ops *balloon_queue_ops(void *dev, unsigned int index, int *file)
{
	static const struct vu_queue_ops *const ops[] = {
		[BALLOON_Q_INFLATE] = &inflate_ops,
		[BALLOON_Q_DEFLATE] = &deflate_ops,
		[BALLOON_Q_STATS] = &stats_ops,
		[BALLOON_Q_REPORT] = &report_ops,
		[BALLOON_Q_REPORT_SPEC] = &report_ops,
	};

	(void)dev;
	(void)file;
	return ops[index];
}

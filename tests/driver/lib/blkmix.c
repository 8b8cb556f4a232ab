// SPDX-License-Identifier: GPL-2.0
/* Random reads and writes against a shadow, see blkmix.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/driver/lib/blkmix.h"
#include "tests/driver/lib/fuzz.h"

struct mix_req {
	struct blk_req r;
	struct shape shape;
	uint64_t at;
	bool out;
};

static int bad(struct blkmix *m, const char *why, int ret)
{
	m->b->q.why = why;
	return ret;
}

static void random_cuts(struct blkmix *m, uint32_t *cuts, uint32_t len)
{
	unsigned int i, n = fuzz_below(&m->seed, 6);

	for (i = 0; i < n; i++)
		cuts[i] = fuzz_one_in(&m->seed, 2) ? 1 + fuzz_below(&m->seed, 40) :
			  1 + fuzz_below(&m->seed, len);
	cuts[n] = 0;
}

static void random_shape(struct blkmix *m, struct mix_req *q)
{
	static const uint32_t offsets[] = { 0, 0, 0, 512, 16, 4, 1, 511, 4095 };
	static const uint32_t aligns[] = { 4096, 4096, 512, 1 };
	struct shape *s = &q->shape;

	*s = blk_plain;
	q->r.shape = s;
	if (m->plain || fuzz_one_in(&m->seed, 3))
		return;
	s->align = aligns[fuzz_below(&m->seed, ARRAY_SIZE(aligns))];
	s->offset = offsets[fuzz_below(&m->seed, ARRAY_SIZE(offsets))];
	s->tail = !fuzz_one_in(&m->seed, 3);
	if (fuzz_one_in(&m->seed, 2)) {
		random_cuts(m, s->out, q->r.len + BLK_HDR);
		random_cuts(m, s->in, q->r.len + 1);
	}
	if (fuzz_one_in(&m->seed, 4))
		s->cut = q->r.len / 8 + fuzz_below(&m->seed, q->r.len);
}

/* A place that nobody else is about; false if there was none soon */
static bool random_place(struct blkmix *m, struct mix_req *q)
{
	uint64_t units = m->size / m->unit, from;
	uint32_t n, max = m->max / m->unit, step = m->plain ? m->max / m->unit : 1, tries = 20;

	while (tries--) {
		n = m->plain || fuzz_one_in(&m->seed, 4) ? max : 1 + fuzz_below(&m->seed, max);
		from = fuzz_below(&m->seed, (units - n) / step + 1) * step;
		if (memchr(m->busy + from, 1, n))
			continue;
		memset(m->busy + from, 1, n);
		q->at = from * m->unit;
		q->r.sector = q->at / BLK_SECTOR;
		q->r.len = n * m->unit;
		return true;
	}
	return false;
}

static int done(struct blkmix *m, struct mix_req *q)
{
	unsigned char *shadow = m->shadow + q->at;

	q->out = false;
	m->out--;
	memset(m->busy + q->at / m->unit, 0, q->r.len / m->unit);
	if (q->r.status == VIRTIO_BLK_S_OK) {
		if (q->r.type == VIRTIO_BLK_T_OUT)
			memcpy(shadow, q->r.data, q->r.len);
		else if (memcmp(shadow, q->r.data, q->r.len))
			return bad(m, "contents differ", -EBADMSG);
		return 0;
	}
	m->errors++;
	if (!m->may_fail || q->r.status != VIRTIO_BLK_S_IOERR)
		return bad(m, "a request failed", -EIO);
	/* It may have been written or not: what it is now counts. */
	return q->r.type == VIRTIO_BLK_T_OUT ?
		blk_file_read(m->path, shadow, q->r.len, q->at) : 0;
}

static int reap(struct blkmix *m)
{
	unsigned int i, q;
	int ret;

	for (q = 0; q < m->b->q.queues; q++) {
		ret = reqs_reap(&m->b->q, q);
		if (ret < 0)
			return ret;
	}
	for (i = 0; i < m->depth; i++) {
		if (!m->req[i].out || !m->req[i].r.done)
			continue;
		ret = done(m, &m->req[i]);
		if (ret)
			return ret;
	}
	return 0;
}

static int add(struct blkmix *m, struct mix_req *q, unsigned int queue)
{
	int ret;

	if (!random_place(m, q))
		return -ENOSPC;
	q->r.type = fuzz_below(&m->seed, 100) < m->reads ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;
	if (q->r.type == VIRTIO_BLK_T_OUT)
		blk_fill(q->r.data, q->r.len, fuzz_rnd(&m->seed));
	random_shape(m, q);
	ret = blk_submit(m->b, queue, &q->r);
	if (ret == -E2BIG) {	/* scattered too far for its slot */
		q->r.shape = NULL;
		ret = blk_submit(m->b, queue, &q->r);
	}
	if (ret) {
		memset(m->busy + q->at / m->unit, 0, q->r.len / m->unit);
		return ret;
	}
	q->out = true;
	m->out++;
	return 0;
}

static int some_wait(struct blkmix *m)
{
	unsigned int q = 0;

	while (q < m->b->q.queues && !m->b->q.pending[q])
		q++;
	return q < m->b->q.queues ? reqs_wait(&m->b->q, q, REQS_TIMEOUT_MS) : 0;
}

int blkmix_feed(struct blkmix *m, unsigned int count)
{
	unsigned int i, q;
	int ret;

	while (count) {
		for (i = 0, q = 0; i < m->depth && count; i++) {
			if (m->req[i].out)
				continue;
			q = fuzz_below(&m->seed, m->b->q.queues);
			ret = add(m, &m->req[i], q);
			if (ret == -ENOSPC)
				break;
			if (ret)
				return ret;
			count--;
			if (fuzz_one_in(&m->seed, 4) && reqs_kick(&m->b->q, q))
				return -EIO;
		}
		for (q = 0; q < m->b->q.queues; q++)
			if (reqs_kick(&m->b->q, q))
				return -EIO;
		ret = count ? some_wait(m) : 0;
		if (!ret)
			ret = reap(m);
		if (ret)
			return ret;
	}
	return 0;
}

int blkmix_drain(struct blkmix *m)
{
	int ret = 0;

	while (!ret && m->out) {
		ret = some_wait(m);
		if (!ret)
			ret = reap(m);
	}
	return ret;
}

int blkmix_run(struct blkmix *m, unsigned int count)
{
	return blkmix_feed(m, count) ?: blkmix_drain(m);
}

int blkmix_open(struct blkmix *m)
{
	unsigned int i;
	int fd;

	m->unit = m->unit ? m->unit : BLK_SECTOR;
	m->max = m->max ? m->max : 16 << 10;
	m->depth = m->depth ? m->depth : 32;
	m->seed = m->seed ? m->seed : 1;
	if (!m->size) {
		fd = blk_file(m->path, O_RDONLY, false);
		m->size = blk_file_size(fd) & ~4095ULL;
		close(fd);
	}
	m->out = 0;
	m->shadow = blk_buf(m->size);
	m->busy = calloc(1, m->size / m->unit);
	m->req = calloc(m->depth, sizeof(*m->req));
	if (!m->busy || !m->req)
		return bad(m, "memory", -ENOMEM);
	for (i = 0; i < m->depth; i++)
		m->req[i].r.data = blk_buf(m->max);
	blk_fill(m->shadow, m->size, m->seed);
	return blk_file_write(m->path, m->shadow, m->size, 0) ?
		bad(m, "writing the back end by itself", -EIO) : 0;
}

void blkmix_close(struct blkmix *m)
{
	unsigned int i;

	for (i = 0; m->req && i < m->depth; i++)
		free(m->req[i].r.data);
	free(m->req);
	free(m->busy);
	free(m->shadow);
	m->req = NULL;
	m->busy = NULL;
	m->shadow = NULL;
}

int blkmix_compare(struct blkmix *m)
{
	void *now = blk_buf(m->size);
	int ret;

	ret = blk_file_read(m->path, now, m->size, 0);
	if (ret)
		bad(m, "reading the back end by itself", ret);
	else if (memcmp(now, m->shadow, m->size))
		ret = bad(m, "the back end holds something else", -EBADMSG);
	free(now);
	return ret;
}

void blkmix_test(struct blkmix *m, unsigned int count, const char *fmt, ...)
{
	char name[160];
	va_list ap;
	int ret;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	ret = blkmix_open(m) ?: blkmix_run(m, count) ?: blkmix_compare(m);
	t_ok(!ret, "%s: %s %s", name, t_err(ret), ret ? m->b->q.why : "");
	blkmix_close(m);
}

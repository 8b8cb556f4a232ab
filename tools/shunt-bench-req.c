// SPDX-License-Identifier: GPL-2.0
/*
 * shunt-bench: requests for data to a vhost device.
 *
 * One thread is the driver of all queues. A slot is a request's header, data and response; it is used
 * again as soon as the device is done with it, so that there are always --depth of them on their way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "shunt-bench-req.h"

#define CACHE_LINE	64u

static void req_close(struct req_bench *b)
{
	unsigned int q;

	vdrv_dev_close(&b->dev);
	for (q = 0; q < b->kind->others; q++)
		vdrv_vq_close(&b->other[q]);
	for (q = 0; q < b->o->queues; q++) {
		vdrv_vq_close(&b->vq[q]);
		free(b->free_slot[q]);
	}
	vdrv_mem_close(&b->mem);
	free(b->slot);
	bench_io_close(&b->io);
}

static int open_memory(struct req_bench *b)
{
	const struct bench_opt *o = b->o;
	const struct req_kind *k = b->kind;
	unsigned int nslots = o->queues * o->depth, i;
	uint32_t stride = (k->hdr_len + k->resp_len + CACHE_LINE - 1) & ~(CACHE_LINE - 1);
	uint64_t small, data;
	size_t room;
	int ret;

	b->what = "guest memory";
	room = (o->queues + k->others) * ((size_t)o->ring * (64 + 16 * 4) + (64 << 10));
	room += nslots * ((size_t)o->block + stride) + (64 << 10);
	ret = vdrv_mem_open(&b->mem, room, VDRV_GPA);
	if (ret)
		return ret;
	data = vdrv_mem_take(&b->mem, (size_t)nslots * o->block, 4096);
	/* Header and response of a request share cache lines with nobody. */
	small = vdrv_mem_take(&b->mem, (size_t)nslots * stride, CACHE_LINE);
	b->slot = calloc(nslots, sizeof(*b->slot));
	if (!data || !small || !b->slot)
		return -ENOMEM;
	memset(vdrv_mem_va(&b->mem, data), 0x5a, (size_t)nslots * o->block);
	for (i = 0; i < nslots; i++) {
		b->slot[i].hdr_gpa = small + i * stride;
		b->slot[i].resp_gpa = small + i * stride + k->hdr_len;
		b->slot[i].data_gpa = data + (uint64_t)i * o->block;
		k->prepare(o, vdrv_mem_va(&b->mem, b->slot[i].hdr_gpa));
	}
	return 0;
}

static int open_queue(struct req_bench *b, unsigned int q)
{
	const struct bench_opt *o = b->o;
	unsigned int index = q + b->kind->others, i;
	int ret;

	b->what = "vhost device set-up";
	b->free_slot[q] = calloc(o->depth, sizeof(*b->free_slot[q]));
	if (!b->free_slot[q])
		return -ENOMEM;
	for (i = 0; i < o->depth; i++)
		b->free_slot[q][i] = q * o->depth + i;
	b->nfree[q] = o->depth;
	ret = vdrv_vq_open(&b->vq[q], &b->mem, index, o->ring, o->features, o->indirect ? 4 : 0);
	if (!ret)
		ret = vdrv_vq_attach(&b->vq[q], &b->dev);
	if (!ret && o->poll_us)
		ret = bench_poll_us(&b->dev, index, o->poll_us);
	if (ret)
		return ret;
	if (o->wait != BENCH_WAIT_CALL)
		vdrv_vq_disable_call(&b->vq[q]);
	if (q && o->own_worker) {
		b->what = "a worker of its own";
		ret = bench_own_worker(&b->dev, index);
	}
	return ret;
}

static int open_other(struct req_bench *b, unsigned int q)
{
	const struct bench_opt *o = b->o;
	int ret = vdrv_vq_open(&b->other[q], &b->mem, q, o->ring, o->features, 0);

	return ret ?: vdrv_vq_attach(&b->other[q], &b->dev);
}

static int req_open(struct req_bench *b)
{
	const struct bench_opt *o = b->o;
	unsigned int q;
	int ret;

	b->mem.fd = -1;
	for (q = 0; q < REQ_QUEUES; q++)
		b->vq[q] = (struct vdrv_vq){ .kick = -1, .call = -1, .err = -1 };
	for (q = 0; q < REQ_OTHERS; q++)
		b->other[q] = b->vq[0];
	b->what = o->device;
	ret = vdrv_dev_open(&b->dev, o->device);
	if (ret)
		return ret;
	b->what = "features not offered by the device";
	if (o->features & ~b->dev.offered)
		return -EOPNOTSUPP;
	ret = open_memory(b);
	if (!ret) {
		b->what = "vhost device set-up";
		ret = vdrv_dev_start(&b->dev, &b->mem,
				     o->features | (b->kind->features & b->dev.offered));
	}
	for (q = 0; q < b->kind->others && !ret; q++)
		ret = open_other(b, q);
	for (q = 0; q < o->queues && !ret; q++)
		ret = open_queue(b, q);
	for (q = 1; q < o->queues && !ret; q++)
		ret = vdrv_vq_set_fd(&b->vq[q], &b->dev, VHOST_SET_VRING_CALL, b->vq[0].call);
	return ret ?: b->kind->backend(b);
}

/* Return: how many were done; -EPROTO */
static int reap(struct req_bench *b, unsigned int q, uint64_t *now)
{
	struct vdrv_vq *vq = &b->vq[q];
	struct req_slot *s;
	uint32_t i;
	int ret, n = 0;

	while ((ret = vdrv_vq_get(vq, &i, NULL)) == 1) {
		if (!*now)
			*now = bench_clock_ns(CLOCK_MONOTONIC);
		s = &b->slot[i];
		bench_io_done(&b->io, *now, s->then,
			      b->kind->good(vdrv_mem_va(&b->mem, s->resp_gpa)));
		b->free_slot[q][b->nfree[q]++] = i;
		n++;
	}
	b->what = "used ring";
	return ret ? ret : n;
}

static int start(struct req_bench *b, unsigned int q, uint64_t now)
{
	const struct bench_opt *o = b->o;
	const struct req_kind *k = b->kind;
	unsigned int data = k->resp_first && !o->write ? 2 : 1;
	int ret;

	while (b->nfree[q] && b->io.started < b->io.total) {
		uint32_t i = b->free_slot[q][b->nfree[q] - 1];
		struct req_slot *s = &b->slot[i];
		struct vdrv_buf buf[3];

		buf[0] = (struct vdrv_buf){ s->hdr_gpa, k->hdr_len, false };
		buf[data] = (struct vdrv_buf){ s->data_gpa, o->block, !o->write };
		buf[3 - data] = (struct vdrv_buf){ s->resp_gpa, k->resp_len, true };
		if (vdrv_vq_add(&b->vq[q], buf, 3, i))
			break;
		k->place(vdrv_mem_va(&b->mem, s->hdr_gpa), bench_io_next(&b->io));
		memset(vdrv_mem_va(&b->mem, s->resp_gpa), 0xff, k->resp_len);
		s->then = now;
		b->nfree[q]--;
	}
	b->what = "kick";
	ret = vdrv_vq_kick(&b->vq[q]);
	b->io.r->kicks += ret == 1;
	return ret < 0 ? ret : 0;
}

/* Nothing was done in this turn. */
static int idle(struct req_bench *b)
{
	bool more = false;
	unsigned int q;

	b->what = "no progress for 5 s";
	switch (b->o->wait) {
	case BENCH_WAIT_YIELD:
		sched_yield();
		break;
	case BENCH_WAIT_CALL:
		/* All queues call by the eventfd of the first. */
		for (q = 0; q < b->o->queues && !more; q++)
			more = vdrv_vq_enable_call(&b->vq[q]);
		if (!more)
			b->io.r->calls += vdrv_event_wait(b->vq[0].call, 100);
		while (q--)
			vdrv_vq_disable_call(&b->vq[q]);
		break;
	case BENCH_WAIT_SPIN:
		break;
	}
	return bench_io_stalled(&b->io, bench_clock_ns(CLOCK_MONOTONIC));
}

static int run(struct req_bench *b)
{
	uint64_t now = bench_clock_ns(CLOCK_MONOTONIC);
	unsigned int q;
	int ret, n;

	while (bench_io_more(&b->io, now)) {
		for (q = 0; q < b->o->queues; q++) {
			ret = start(b, q, now);
			if (ret)
				return ret;
		}
		now = 0;
		for (q = 0, n = 0; q < b->o->queues; q++, n += ret) {
			ret = reap(b, q, &now);
			if (ret < 0)
				return ret;
		}
		if (!n) {
			ret = idle(b);
			if (ret)
				return ret;
		}
		if (!now)
			now = bench_clock_ns(CLOCK_MONOTONIC);
	}
	bench_io_end(&b->io);
	return 0;
}

int bench_requests(const struct bench_opt *o, const struct req_kind *kind, struct bench_result *r,
		   const char **what)
{
	static struct req_bench b;
	int ret;

	b = (struct req_bench){ .o = o, .kind = kind, .dev.fd = -1, .mem.fd = -1 };
	ret = bench_io_open(&b.io, o, r, what);
	if (ret)
		return ret;
	ret = req_open(&b);
	if (!ret)
		ret = run(&b);
	req_close(&b);
	*what = b.what;
	return ret;
}

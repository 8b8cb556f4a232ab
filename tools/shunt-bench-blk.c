// SPDX-License-Identifier: GPL-2.0
/*
 * shunt-bench: block requests through /dev/vhost-blk.
 *
 * One thread is the driver of all queues. A slot is a request's header, data and status; it is used
 * again as soon as the device is done with it, so that there are always --depth of them on their way.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <linux/vhost_blk.h>
#include <linux/virtio_blk.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "shunt-bench.h"

struct blk_slot {
	uint64_t hdr_gpa;
	uint64_t data_gpa;
	uint64_t status_gpa;
	uint64_t then;
};

struct blk_bench {
	const struct bench_opt *o;
	struct bench_io io;
	struct vdrv_mem mem;
	struct vdrv_dev dev;
	struct vdrv_vq vq[VHOST_BLK_MAX_QUEUES];
	struct blk_slot *slot;
	uint32_t *free_slot[VHOST_BLK_MAX_QUEUES];
	unsigned int nfree[VHOST_BLK_MAX_QUEUES];
	const char *what;
};

static void blk_close(struct blk_bench *b)
{
	unsigned int q;

	vdrv_dev_close(&b->dev);
	for (q = 0; q < b->o->queues; q++) {
		vdrv_vq_close(&b->vq[q]);
		free(b->free_slot[q]);
	}
	vdrv_mem_close(&b->mem);
	free(b->slot);
	bench_io_close(&b->io);
}

static int open_memory(struct blk_bench *b)
{
	const struct bench_opt *o = b->o;
	unsigned int nslots = o->queues * o->depth, i;
	uint64_t small, data;
	size_t room;
	int ret;

	b->what = "guest memory";
	room = o->queues * ((size_t)o->ring * (64 + 16 * 4) + (64 << 10));
	room += nslots * ((size_t)o->block + 64) + (64 << 10);
	ret = vdrv_mem_open(&b->mem, room, VDRV_GPA);
	if (ret)
		return ret;
	data = vdrv_mem_take(&b->mem, (size_t)nslots * o->block, 4096);
	/* Header and status of a request share a cache line with nobody. */
	small = vdrv_mem_take(&b->mem, (size_t)nslots * 64, 64);
	b->slot = calloc(nslots, sizeof(*b->slot));
	if (!data || !small || !b->slot)
		return -ENOMEM;
	memset(vdrv_mem_va(&b->mem, data), 0x5a, (size_t)nslots * o->block);
	for (i = 0; i < nslots; i++) {
		struct virtio_blk_outhdr hdr = {
			.type = htole32(o->write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN),
		};

		b->slot[i].hdr_gpa = small + i * 64;
		b->slot[i].status_gpa = small + i * 64 + sizeof(hdr);
		b->slot[i].data_gpa = data + (uint64_t)i * o->block;
		memcpy(vdrv_mem_va(&b->mem, b->slot[i].hdr_gpa), &hdr, sizeof(hdr));
	}
	return 0;
}

static int open_queue(struct blk_bench *b, unsigned int q)
{
	struct vhost_blk_backend be = { .index = q, .fd = b->io.fd };
	const struct bench_opt *o = b->o;
	unsigned int i;
	int ret;

	b->what = "vhost device set-up";
	b->free_slot[q] = calloc(o->depth, sizeof(*b->free_slot[q]));
	if (!b->free_slot[q])
		return -ENOMEM;
	for (i = 0; i < o->depth; i++)
		b->free_slot[q][i] = q * o->depth + i;
	b->nfree[q] = o->depth;
	ret = vdrv_vq_open(&b->vq[q], &b->mem, q, o->ring, o->features, o->indirect ? 4 : 0);
	if (!ret)
		ret = vdrv_vq_attach(&b->vq[q], &b->dev);
	if (!ret && o->poll_us)
		ret = bench_poll_us(&b->dev, q, o->poll_us);
	if (ret)
		return ret;
	if (o->wait != BENCH_WAIT_CALL)
		vdrv_vq_disable_call(&b->vq[q]);
	if (q && o->own_worker) {
		b->what = "a worker of its own";
		ret = bench_own_worker(&b->dev, q);
	}
	b->what = "back end";
	return ret ?: ioctl(b->dev.fd, VHOST_BLK_SET_BACKEND, &be) ? -errno : 0;
}

static int blk_open(struct blk_bench *b)
{
	const struct bench_opt *o = b->o;
	unsigned int q;
	int ret;

	b->mem.fd = -1;
	for (q = 0; q < VHOST_BLK_MAX_QUEUES; q++)
		b->vq[q] = (struct vdrv_vq){ .kick = -1, .call = -1, .err = -1 };
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
		ret = vdrv_dev_start(&b->dev, &b->mem, o->features);
	}
	for (q = 0; q < o->queues && !ret; q++)
		ret = open_queue(b, q);
	return ret;
}

/* Return: how many were done; -EPROTO */
static int reap(struct blk_bench *b, unsigned int q, uint64_t *now)
{
	struct vdrv_vq *vq = &b->vq[q];
	struct blk_slot *s;
	uint32_t i;
	int ret, n = 0;

	while ((ret = vdrv_vq_get(vq, &i, NULL)) == 1) {
		if (!*now)
			*now = bench_clock_ns(CLOCK_MONOTONIC);
		s = &b->slot[i];
		bench_io_done(&b->io, *now, s->then,
			      *(unsigned char *)vdrv_mem_va(&b->mem, s->status_gpa) ==
			      VIRTIO_BLK_S_OK);
		b->free_slot[q][b->nfree[q]++] = i;
		n++;
	}
	b->what = "used ring";
	return ret ? ret : n;
}

static int start(struct blk_bench *b, unsigned int q, uint64_t now)
{
	const struct bench_opt *o = b->o;
	struct virtio_blk_outhdr *hdr;
	struct blk_slot *s;
	int ret;

	while (b->nfree[q] && b->io.started < b->io.total) {
		uint32_t i = b->free_slot[q][b->nfree[q] - 1];
		struct vdrv_buf buf[3];

		s = &b->slot[i];
		buf[0] = (struct vdrv_buf){ s->hdr_gpa, sizeof(*hdr), false };
		buf[1] = (struct vdrv_buf){ s->data_gpa, o->block, !o->write };
		buf[2] = (struct vdrv_buf){ s->status_gpa, 1, true };
		if (vdrv_vq_add(&b->vq[q], buf, 3, i))
			break;
		hdr = vdrv_mem_va(&b->mem, s->hdr_gpa);
		hdr->sector = htole64(bench_io_next(&b->io) / 512);
		*(unsigned char *)vdrv_mem_va(&b->mem, s->status_gpa) = 0xff;
		s->then = now;
		b->nfree[q]--;
	}
	b->what = "kick";
	ret = vdrv_vq_kick(&b->vq[q]);
	b->io.r->kicks += ret == 1;
	return ret < 0 ? ret : 0;
}

/* Nothing was done in this turn. */
static int idle(struct blk_bench *b)
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

static int run(struct blk_bench *b)
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

int bench_blk(const struct bench_opt *o, struct bench_result *r, const char **what)
{
	struct blk_bench b = { .o = o, .dev.fd = -1, .mem.fd = -1 };
	unsigned int q;
	int ret;

	ret = bench_io_open(&b.io, o, r, what);
	if (ret)
		return ret;
	ret = blk_open(&b);
	for (q = 1; q < o->queues && !ret; q++)
		ret = vdrv_vq_set_fd(&b.vq[q], &b.dev, VHOST_SET_VRING_CALL, b.vq[0].call);
	if (!ret)
		ret = run(&b);
	blk_close(&b);
	*what = b.what;
	return ret;
}

// SPDX-License-Identifier: GPL-2.0
/* Requests in rings, see reqs.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/driver/lib/reqs.h"

static struct placed placed;

int reqs_bad(struct reqs *q, const char *why, int ret)
{
	q->why = why;
	return ret;
}

static uint32_t total(const struct iovec part[2])
{
	return part[0].iov_len + part[1].iov_len;
}

static int place(const struct reqs *q, const struct reqs_req *r)
{
	return shape_place(r->shape, total(r->out), total(r->in),
			   q->pool + (uint64_t)r->slot * q->slot_size, q->slot_size, &placed);
}

int reqs_submit(struct reqs *q, unsigned int i, struct reqs_req *r)
{
	int ret;

	if (!q->nfree)
		return reqs_bad(q, "all slots are in use", -ENOSPC);
	r->slot = q->free_slot[q->nfree - 1];
	r->done = false;
	if (place(q, r))
		return reqs_bad(q, "the request is too large", -E2BIG);
	shape_write(&placed, &q->mem, r->out);
	ret = vdrv_vq_add(&q->vq[i], placed.piece, placed.n, r->slot);
	if (ret)
		return reqs_bad(q, "ring is full", ret);
	q->nfree--;
	q->req[r->slot] = r;
	q->pending[i]++;
	return 0;
}

int reqs_kick(struct reqs *q, unsigned int i)
{
	return vdrv_vq_kick(&q->vq[i]) < 0 ? reqs_bad(q, "kick", -EIO) : 0;
}

int reqs_reap(struct reqs *q, unsigned int i)
{
	uint32_t slot, used;
	struct reqs_req *r;
	int ret, n = 0;

	while ((ret = vdrv_vq_get(&q->vq[i], &slot, &used)) == 1) {
		r = q->req[slot];
		r->used = used;
		r->done = true;
		q->free_slot[q->nfree++] = slot;
		q->pending[i]--;
		n++;
		place(q, r);
		if (shape_read(&placed, &q->mem, r->in))
			return reqs_bad(q, "the device wrote outside of its buffers", -EBADMSG);
		ret = q->complete ? q->complete(q, r) : 0;
		if (ret)
			return ret;
	}
	return ret < 0 ? reqs_bad(q, "used ring", ret) : n;
}

/*
 * A completion that is there but was not announced within two more seconds is a lost interrupt: a
 * guest would hang on it.
 */
int reqs_wait(struct reqs *q, unsigned int i, unsigned int timeout_ms)
{
	struct vdrv_vq *vq = &q->vq[i];
	int ret = 0;

	if (!vdrv_vq_enable_call(vq)) {
		if (vdrv_event_wait(vq->call, q->no_call ? 1 : timeout_ms))
			q->calls++;
		else if (q->no_call)
			ret = 0;
		else if (!vdrv_vq_pending(vq))
			ret = reqs_bad(q, "requests do not complete", -ETIMEDOUT);
		else if (!vdrv_event_wait(vq->call, 2000))
			ret = reqs_bad(q, "an interrupt was lost", -EPROTO);
	}
	vdrv_vq_disable_call(vq);
	return ret;
}

static unsigned int first_pending(const struct reqs *q)
{
	unsigned int i = 0;

	while (i < q->queues && (!q->pending[i] || (i < 64 && q->forever >> i & 1)))
		i++;
	return i;
}

int reqs_finish(struct reqs *q, unsigned int timeout_ms)
{
	uint64_t end = t_now_ms() + timeout_ms, now;
	unsigned int i;
	int ret;

	while ((i = first_pending(q)) < q->queues) {
		ret = reqs_reap(q, i);
		if (ret < 0)
			return ret;
		if (ret)
			continue;
		now = t_now_ms();
		if (now >= end)
			return reqs_bad(q, "requests do not complete", -ETIMEDOUT);
		ret = reqs_wait(q, i, end - now);
		if (ret)
			return ret;
	}
	return 0;
}

int reqs_run(struct reqs *q, unsigned int i, struct reqs_req *r)
{
	int ret = reqs_submit(q, i, r);

	if (!ret)
		ret = reqs_kick(q, i);
	return ret ? ret : reqs_finish(q, REQS_TIMEOUT_MS);
}

static int open_queues(struct reqs *q, const struct reqs_opt *o, uint64_t features, unsigned int num)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < q->queues && !ret; i++) {
		ret = vdrv_vq_open(&q->vq[i], &q->mem, i, num, features, o->indirect_max);
		if (ret)
			break;
		vdrv_vq_set_base(&q->vq[i], o->base);
		ret = vdrv_vq_attach(&q->vq[i], &q->dev);
	}
	return ret;
}

/* The device has an owner and a history. */
static int take_over(struct reqs *q, uint64_t features)
{
	struct vhost_memory_region region = { q->mem.gpa, q->mem.size, (uintptr_t)q->mem.va, 0 };
	int ret = vdrv_dev_call(&q->dev, VHOST_SET_FEATURES, &features);

	q->dev.features = features;
	return ret ?: vdrv_dev_set_regions(&q->dev, &region, 1);
}

int reqs_open(struct reqs *q, const char *device, const struct reqs_opt *o)
{
	uint64_t features = (o->features ? o->features : REQS_FEATURES) | t_layout();
	unsigned int num = o->num ? o->num : 256, nslots, i;
	uint32_t max = o->max_data ? o->max_data : 64 << 10;
	size_t rings, slots;
	int ret;

	*q = (struct reqs){ .mem.fd = -1, .dev.fd = -1, .queues = o->queues ? o->queues : 1, .why = "",
			    .depth = o->depth ? o->depth : 32 };
	for (i = 0; i < REQS_QUEUES; i++)
		q->vq[i] = (struct vdrv_vq){ .kick = -1, .call = -1, .err = -1 };
	nslots = q->queues * q->depth;
	/* Data in pieces that each begin on another page need twice the room. */
	q->slot_size = (2 * max + (64 << 10) + 4095) & ~4095u;
	slots = (size_t)nslots * q->slot_size;
	rings = (size_t)q->queues * num * (64 + 16 * o->indirect_max) + (q->queues + 1) * (64 << 10);
	if (o->fd) {
		q->dev.fd = dup(o->fd);
		ret = q->dev.fd < 0 ? -errno : vdrv_dev_call(&q->dev, VHOST_GET_FEATURES, &q->dev.offered);
	} else {
		ret = vdrv_dev_open(&q->dev, device);
	}
	if (!ret && features & ~q->dev.offered)
		ret = -EOPNOTSUPP;
	if (!ret)
		ret = vdrv_mem_open(&q->mem, (rings + slots + 4095) & ~4095UL, VDRV_GPA);
	if (!ret)
		ret = o->fd ? take_over(q, features) : vdrv_dev_start(&q->dev, &q->mem, features);
	if (!ret)
		ret = open_queues(q, o, features, num);
	if (!ret)
		q->pool = vdrv_mem_take(&q->mem, slots, 4096);
	q->req = calloc(nslots, sizeof(*q->req));
	q->free_slot = calloc(nslots, sizeof(*q->free_slot));
	if (!ret && (!q->pool || !q->req || !q->free_slot))
		ret = -ENOMEM;
	if (ret) {
		reqs_close(q);
		return reqs_bad(q, "set-up", ret);
	}
	for (i = 0; i < nslots; i++)
		q->free_slot[i] = nslots - 1 - i;
	q->nfree = nslots;
	for (i = 0; i < q->queues; i++)
		vdrv_vq_disable_call(&q->vq[i]);
	return 0;
}

void reqs_close(struct reqs *q)
{
	unsigned int i;

	vdrv_dev_close(&q->dev);
	for (i = 0; i < q->queues; i++)
		vdrv_vq_close(&q->vq[i]);
	vdrv_mem_close(&q->mem);
	free(q->req);
	free(q->free_slot);
	q->req = NULL;
	q->free_slot = NULL;
}

// SPDX-License-Identifier: GPL-2.0
/* A virtio-blk driver in user space, see blk.h. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/driver/lib/blk.h"

#define PIECES_MAX	4200
#define FREE_BYTE	0xa5
/* Behind the last piece, to see who writes too far */
#define TAIL		64

const struct blk_shape blk_plain = { .name = "plain", .out = { BLK_HDR } };

static struct vdrv_buf pieces[PIECES_MAX];

static int bad(struct blk *b, const char *why, int ret)
{
	b->why = why;
	return ret;
}

static bool is_in(const struct blk_req *r)
{
	return r->type == VIRTIO_BLK_T_IN || r->type == VIRTIO_BLK_T_GET_ID;
}

/* Descriptors of a stream of @len bytes, from piece @n on; how many there are then, 0 for too many */
static unsigned int cut_stream(const struct blk_shape *s, const uint32_t *cuts, uint32_t len,
			       bool device_writes, uint64_t *at, unsigned int n)
{
	uint32_t align = s->align ? s->align : 4096, part;

	while (len) {
		part = *cuts ? *cuts++ : s->cut ? s->cut : len;
		part = part < len ? part : len;
		if (n == PIECES_MAX)
			return 0;
		*at = (*at + align - 1) / align * align + s->offset;
		pieces[n++] = (struct vdrv_buf){ *at, part, device_writes };
		*at += part;
		len -= part;
	}
	return n;
}

/* The request's pieces, the same each time; how many */
static unsigned int place(const struct blk *b, const struct blk_req *r)
{
	const struct blk_shape *s = r->shape ? r->shape : &blk_plain, status = { .offset = s->offset,
		.align = s->align };
	uint64_t start = b->pool + (uint64_t)r->slot * b->slot_size, at = start;
	uint32_t in = is_in(r) ? r->len : 0, out = BLK_HDR + r->len - in;
	unsigned int n;

	n = cut_stream(s, s->out, out, false, &at, 0);
	if (n)
		n = cut_stream(s, s->in, in + s->joined, true, &at, n);
	if (n && !s->joined)
		n = cut_stream(&status, status.in, 1, true, &at, n);
	return at + TAIL <= start + b->slot_size ? n : 0;
}

/* Between two of a request's pieces, and behind the last one */
static bool gap(const struct blk *b, const struct blk_req *r, unsigned int i, unsigned int n,
		unsigned char **va, size_t *len)
{
	uint64_t from = i ? pieces[i - 1].gpa + pieces[i - 1].len :
			    b->pool + (uint64_t)r->slot * b->slot_size;

	*va = vdrv_mem_va(&b->mem, from);
	*len = i < n ? pieces[i].gpa - from : TAIL;
	return i <= n;
}

int blk_submit(struct blk *b, unsigned int q, struct blk_req *r)
{
	struct virtio_blk_outhdr hdr = { .type = htole32(r->type), .sector = htole64(r->sector) };
	unsigned char *data = r->data, *va;
	unsigned int n, i, part, head = 0;
	size_t len;
	int ret;

	if (!b->nfree)
		return bad(b, "all slots are in use", -ENOSPC);
	r->slot = b->free_slot[b->nfree - 1];
	r->done = false;
	r->status = BLK_NO_STATUS;
	n = place(b, r);
	if (!n)
		return bad(b, "the request is too large", -E2BIG);
	for (i = 0; gap(b, r, i, n, &va, &len); i++)
		memset(va, FREE_BYTE, len);
	for (i = 0; i < n; i++) {
		va = vdrv_mem_va(&b->mem, pieces[i].gpa);
		len = pieces[i].len;
		if (pieces[i].device_writes) {
			memset(va, BLK_NO_STATUS, len);
			continue;
		}
		part = BLK_HDR - head < len ? BLK_HDR - head : len;
		memcpy(va, (unsigned char *)&hdr + head, part);
		head += part;
		if (len > part)
			memcpy(va + part, data, len - part);
		data += len - part;
	}
	ret = vdrv_vq_add(&b->vq[q], pieces, n, r->slot);
	if (ret)
		return bad(b, "ring is full", ret);
	b->nfree--;
	b->req[r->slot] = r;
	b->pending[q]++;
	return 0;
}

int blk_kick(struct blk *b, unsigned int q)
{
	return vdrv_vq_kick(&b->vq[q]) < 0 ? bad(b, "kick", -EIO) : 0;
}

static int complete(struct blk *b, struct blk_req *r)
{
	unsigned char *data = r->data, *va;
	unsigned int n = place(b, r), i;
	uint32_t want;
	size_t len;

	for (i = 0; i < n; i++) {
		if (!pieces[i].device_writes)
			continue;
		va = vdrv_mem_va(&b->mem, pieces[i].gpa);
		len = pieces[i].len;
		if (i + 1 == n)
			r->status = va[--len];
		memcpy(data, va, len);
		data += len;
	}
	for (i = 0; gap(b, r, i, n, &va, &len); i++)
		while (len--)
			if (va[len] != FREE_BYTE)
				return bad(b, "the device wrote outside of its buffers", -EBADMSG);
	r->done = true;
	if (r->status == BLK_NO_STATUS)
		return bad(b, "no status", -EBADMSG);
	want = is_in(r) && r->status == VIRTIO_BLK_S_OK ? r->len + 1 : 1;
	if (!r->any_used && r->used != want)
		return bad(b, "used length", -EBADMSG);
	return 0;
}

int blk_reap(struct blk *b, unsigned int q)
{
	uint32_t slot, used;
	struct blk_req *r;
	int ret, n = 0;

	while ((ret = vdrv_vq_get(&b->vq[q], &slot, &used)) == 1) {
		r = b->req[slot];
		r->used = used;
		b->free_slot[b->nfree++] = slot;
		b->pending[q]--;
		n++;
		ret = complete(b, r);
		if (ret)
			return ret;
	}
	return ret < 0 ? bad(b, "used ring", ret) : n;
}

/*
 * A completion that is there but was not announced within two more seconds is a lost interrupt: a
 * guest would hang on it.
 */
int blk_wait(struct blk *b, unsigned int q, unsigned int timeout_ms)
{
	struct vdrv_vq *vq = &b->vq[q];
	int ret = 0;

	if (!vdrv_vq_enable_call(vq)) {
		if (vdrv_event_wait(vq->call, b->no_call ? 1 : timeout_ms))
			b->calls++;
		else if (b->no_call)
			ret = 0;
		else if (!vdrv_vq_pending(vq))
			ret = bad(b, "requests do not complete", -ETIMEDOUT);
		else if (!vdrv_event_wait(vq->call, 2000))
			ret = bad(b, "an interrupt was lost", -EPROTO);
	}
	vdrv_vq_disable_call(vq);
	return ret;
}

static unsigned int first_pending(const struct blk *b)
{
	unsigned int q = 0;

	while (q < b->queues && !b->pending[q])
		q++;
	return q;
}

int blk_finish(struct blk *b, unsigned int timeout_ms)
{
	uint64_t end = t_now_ms() + timeout_ms, now;
	unsigned int q;
	int ret;

	while ((q = first_pending(b)) < b->queues) {
		ret = blk_reap(b, q);
		if (ret < 0)
			return ret;
		if (ret)
			continue;
		now = t_now_ms();
		if (now >= end)
			return bad(b, "requests do not complete", -ETIMEDOUT);
		ret = blk_wait(b, q, end - now);
		if (ret)
			return ret;
	}
	return 0;
}

int blk_run(struct blk *b, unsigned int q, struct blk_req *r)
{
	int ret = blk_submit(b, q, r);

	if (!ret)
		ret = blk_kick(b, q);
	return ret ? ret : blk_finish(b, BLK_TIMEOUT_MS);
}

int blk_io(struct blk *b, uint32_t type, uint64_t sector, void *data, uint32_t len)
{
	struct blk_req r = { .type = type, .sector = sector, .data = data, .len = len };
	int ret = blk_run(b, 0, &r);

	return ret ? ret : r.status;
}

int blk_range(struct blk *b, uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes d = { htole64(sector), htole32(sectors),
						     htole32(flags) };

	return blk_io(b, type, 0, &d, sizeof(d));
}

const char *blk_status(int ret)
{
	static const char *const names[] = { "OK", "IOERR", "UNSUPP" };

	return ret < 0 || ret > VIRTIO_BLK_S_UNSUPP ? t_err(ret) : names[ret];
}

static int open_queues(struct blk *b, const struct blk_opt *o, uint64_t features, unsigned int num)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < b->queues && !ret; i++) {
		ret = vdrv_vq_open(&b->vq[i], &b->mem, i, num, features, o->indirect_max);
		if (ret)
			break;
		vdrv_vq_set_base(&b->vq[i], o->base);
		ret = vdrv_vq_attach(&b->vq[i], &b->dev);
	}
	return ret;
}

int blk_open(struct blk *b, const struct blk_opt *o)
{
	uint64_t features = (o->features ? o->features : BLK_FEATURES) | t_layout();
	unsigned int num = o->num ? o->num : 256, nslots, i;
	uint32_t max = o->max_data ? o->max_data : 64 << 10;
	size_t size;
	int ret;

	*b = (struct blk){ .mem.fd = -1, .dev.fd = -1, .queues = o->queues ? o->queues : 1, .why = "",
			   .depth = o->depth ? o->depth : 32 };
	for (i = 0; i < VHOST_BLK_MAX_QUEUES; i++)
		b->vq[i] = (struct vdrv_vq){ .kick = -1, .call = -1, .err = -1 };
	nslots = b->queues * b->depth;
	/* Data in pieces that each begin on another page need twice the room. */
	b->slot_size = (2 * max + (64 << 10) + 4095) & ~4095u;
	size = (size_t)b->queues * num * (64 + 16 * o->indirect_max) + (b->queues + 1) * (64 << 10);
	ret = vdrv_dev_open(&b->dev, BLK_DEVICE);
	if (!ret && features & ~b->dev.offered)
		ret = -EOPNOTSUPP;
	if (!ret)
		ret = vdrv_mem_open(&b->mem, (size + (size_t)nslots * b->slot_size + 4095) & ~4095UL,
				    VDRV_GPA);
	if (!ret)
		ret = vdrv_dev_start(&b->dev, &b->mem, features);
	if (!ret)
		ret = open_queues(b, o, features, num);
	b->pool = vdrv_mem_take(&b->mem, (size_t)nslots * b->slot_size, 4096);
	b->req = calloc(nslots, sizeof(*b->req));
	b->free_slot = calloc(nslots, sizeof(*b->free_slot));
	if (!ret && (!b->pool || !b->req || !b->free_slot))
		ret = -ENOMEM;
	if (ret) {
		blk_close(b);
		return bad(b, "set-up", ret);
	}
	for (i = 0; i < nslots; i++)
		b->free_slot[i] = nslots - 1 - i;
	b->nfree = nslots;
	for (i = 0; i < b->queues; i++)
		vdrv_vq_disable_call(&b->vq[i]);
	return 0;
}

void blk_close(struct blk *b)
{
	unsigned int i;

	vdrv_dev_close(&b->dev);
	for (i = 0; i < b->queues; i++)
		vdrv_vq_close(&b->vq[i]);
	vdrv_mem_close(&b->mem);
	free(b->req);
	free(b->free_slot);
	b->req = NULL;
	b->free_slot = NULL;
}

int blk_backend(struct blk *b, unsigned int q, int fd, uint32_t flags)
{
	struct vhost_blk_backend be = { .index = q, .fd = fd, .flags = flags };

	return ioctl(b->dev.fd, VHOST_BLK_SET_BACKEND, &be) ? bad(b, "back end", -errno) : 0;
}

int blk_backends(struct blk *b, int fd, uint32_t flags)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < b->queues && !ret; i++)
		ret = blk_backend(b, i, fd, flags);
	return ret;
}

int blk_start(struct blk *b, const struct blk_opt *o, int fd)
{
	return blk_open(b, o) ?: blk_backends(b, fd, 0);
}

int blk_info(struct blk *b, int fd, struct vhost_blk_info *info)
{
	*info = (struct vhost_blk_info){ .size = sizeof(*info), .fd = fd };
	return ioctl(b->dev.fd, VHOST_BLK_GET_INFO, info) ? bad(b, "info", -errno) : 0;
}

int blk_stats(struct blk *b, unsigned int q, struct vhost_blk_stats *st)
{
	*st = (struct vhost_blk_stats){ .size = sizeof(*st), .index = q };
	return ioctl(b->dev.fd, VHOST_BLK_GET_STATS, st) ? bad(b, "statistics", -errno) : 0;
}

int blk_writeback(struct blk *b, uint32_t on)
{
	return ioctl(b->dev.fd, VHOST_BLK_SET_WRITEBACK, &on) ? bad(b, "writeback", -errno) : 0;
}

// SPDX-License-Identifier: GPL-2.0
/* A virtio-blk driver in user space, see blk.h. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "tests/driver/lib/blk.h"

const struct shape blk_plain = { .name = "plain", .out = { BLK_HDR }, .tail = 1 };

static bool is_in(const struct blk_req *r)
{
	return r->type == VIRTIO_BLK_T_IN || r->type == VIRTIO_BLK_T_GET_ID;
}

static int complete(struct reqs *q, struct reqs_req *inner)
{
	struct blk_req *r = container_of(inner, struct blk_req, r);
	uint32_t want;

	r->done = true;
	r->used = inner->used;
	if (r->status == BLK_NO_STATUS)
		return reqs_bad(q, "no status", -EBADMSG);
	want = is_in(r) && r->status == VIRTIO_BLK_S_OK ? r->len + 1 : 1;
	return r->any_used || r->used == want ? 0 : reqs_bad(q, "used length", -EBADMSG);
}

int blk_submit(struct blk *b, unsigned int q, struct blk_req *r)
{
	const struct iovec data = { r->data, r->len }, none = { 0 };

	r->hdr = (struct virtio_blk_outhdr){ .type = htole32(r->type), .sector = htole64(r->sector) };
	r->done = false;
	r->status = BLK_NO_STATUS;
	r->r = (struct reqs_req){
		.out = { { &r->hdr, sizeof(r->hdr) }, is_in(r) ? none : data },
		.in = { is_in(r) ? data : none, { &r->status, 1 } },
		.shape = r->shape ? r->shape : &blk_plain,
	};
	return reqs_submit(&b->q, q, &r->r);
}

int blk_run(struct blk *b, unsigned int q, struct blk_req *r)
{
	int ret = blk_submit(b, q, r);

	if (!ret)
		ret = reqs_kick(&b->q, q);
	return ret ? ret : reqs_finish(&b->q, REQS_TIMEOUT_MS);
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

const char *blk_device(void)
{
	return getenv("BLK_SOCKET") ?: BLK_DEVICE;
}

int blk_open(struct blk *b, const struct reqs_opt *o)
{
	struct reqs_opt opt = *o;
	int ret;

	/* What the VMM settles with the driver, where that is not the module's matter */
	if (getenv("BLK_SOCKET"))
		opt.features = (o->features ?: BLK_FEATURES) | VDRV_BIT(VIRTIO_BLK_F_FLUSH) |
			       VDRV_BIT(VIRTIO_BLK_F_CONFIG_WCE);
	ret = reqs_open(&b->q, blk_device(), &opt);
	b->q.complete = complete;
	return ret;
}

void blk_close(struct blk *b)
{
	reqs_close(&b->q);
}

int blk_backend(struct blk *b, unsigned int q, int fd, uint32_t flags)
{
	struct vhost_blk_backend be = { .index = q, .fd = fd, .flags = flags };

	if (b->q.dev.user)
		return 0;
	return ioctl(b->q.dev.fd, VHOST_BLK_SET_BACKEND, &be) ? reqs_bad(&b->q, "back end", -errno) : 0;
}

int blk_backends(struct blk *b, int fd, uint32_t flags)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < b->q.queues && !ret; i++)
		ret = blk_backend(b, i, fd, flags);
	return ret;
}

int blk_start(struct blk *b, const struct reqs_opt *o, int fd)
{
	return blk_open(b, o) ?: blk_backends(b, fd, 0);
}

static int user_info(struct blk *b, struct vhost_blk_info *info)
{
	struct virtio_blk_config c;
	int ret = vdrv_user_get_config(b->q.dev.fd, &c, sizeof(c));

	if (ret)
		return reqs_bad(&b->q, "configuration", ret);
	*info = (struct vhost_blk_info){
		.size = sizeof(*info),
		.capacity = le64toh(c.capacity),
		.logical_block_size = le32toh(c.blk_size),
		.max_discard_sectors = le32toh(c.max_discard_sectors),
		.max_discard_seg = le32toh(c.max_discard_seg),
		.max_write_zeroes_sectors = le32toh(c.max_write_zeroes_sectors),
		.max_write_zeroes_seg = le32toh(c.max_write_zeroes_seg),
	};
	return 0;
}

int blk_info(struct blk *b, int fd, struct vhost_blk_info *info)
{
	if (b->q.dev.user)
		return user_info(b, info);
	*info = (struct vhost_blk_info){ .size = sizeof(*info), .fd = fd };
	return ioctl(b->q.dev.fd, VHOST_BLK_GET_INFO, info) ? reqs_bad(&b->q, "info", -errno) : 0;
}

int blk_stats(struct blk *b, unsigned int q, struct vhost_blk_stats *st)
{
	*st = (struct vhost_blk_stats){ .size = sizeof(*st), .index = q };
	return ioctl(b->q.dev.fd, VHOST_BLK_GET_STATS, st) ? reqs_bad(&b->q, "statistics", -errno) : 0;
}

int blk_writeback(struct blk *b, uint32_t on)
{
	const uint8_t wce = (uint8_t)on;

	if (b->q.dev.user)
		return vdrv_user_set_config(b->q.dev.fd, offsetof(struct virtio_blk_config, wce), &wce, 1);
	return ioctl(b->q.dev.fd, VHOST_BLK_SET_WRITEBACK, &on) ? reqs_bad(&b->q, "writeback", -errno) : 0;
}

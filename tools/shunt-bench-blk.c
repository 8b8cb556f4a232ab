// SPDX-License-Identifier: GPL-2.0
/* shunt-bench: block requests through /dev/vhost-blk, or to a vhost-user-blk back end. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <linux/vhost_blk.h>
#include <linux/virtio_blk.h>
#include <sys/ioctl.h>

#include "shunt-bench-req.h"

static void prepare(const struct bench_opt *o, void *hdr)
{
	*(struct virtio_blk_outhdr *)hdr = (struct virtio_blk_outhdr){
		.type = htole32(o->write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN),
	};
}

static void place(void *hdr, uint64_t at)
{
	((struct virtio_blk_outhdr *)hdr)->sector = htole64(at / 512);
}

static bool good(const void *resp)
{
	return *(const unsigned char *)resp == VIRTIO_BLK_S_OK;
}

static int backend(struct req_bench *b)
{
	struct vhost_blk_backend be = { .fd = b->io.fd };

	b->what = "back end";
	/* A vhost-user back end brings its own. */
	if (b->dev.user)
		return 0;
	for (be.index = 0; be.index < b->o->queues; be.index++)
		if (ioctl(b->dev.fd, VHOST_BLK_SET_BACKEND, &be))
			return -errno;
	return 0;
}

int bench_blk(const struct bench_opt *o, struct bench_result *r, const char **what)
{
	static const struct req_kind blk = {
		/* Who knows of no cache gets none. */
		.features = VDRV_BIT(VIRTIO_BLK_F_FLUSH),
		.hdr_len = sizeof(struct virtio_blk_outhdr),
		.resp_len = 1,
		.prepare = prepare,
		.place = place,
		.good = good,
		.backend = backend,
	};

	return bench_requests(o, &blk, r, what);
}

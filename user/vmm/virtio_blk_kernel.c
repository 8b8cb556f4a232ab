// SPDX-License-Identifier: GPL-2.0
/* A disk on the kernel's vhost_blk: the drive's file is the back end of every queue. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "virtio_blk.h"
#include "../lib/log.h"

static int blk_attach(struct vhost_kernel *vk, unsigned int n, bool on)
{
	struct virtio_blk *blk = (void *)((char *)vk - offsetof(struct virtio_blk, vk));
	struct vhost_blk_backend backend = {
		.index = n,
		.fd = on ? blk->bd->fd : -1,
		.flags = (blk->bd->readonly ? VHOST_BLK_BACKEND_RDONLY : 0) |
			 (blk->unmap ? 0 : VHOST_BLK_BACKEND_NO_UNMAP),
	};
	int ret;

	do {
		ret = ioctl(vk->fd, VHOST_BLK_SET_BACKEND, &backend);
	} while (ret && errno == EINTR);
	return ret ? -errno : 0;
}

static const struct vhost_kernel_ops blk_kernel_ops = { .attach = blk_attach };

static int get_info(struct virtio_blk *blk, struct vhost_blk_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->fd = blk->bd->fd;
	return ioctl(blk->vk.fd, VHOST_BLK_GET_INFO, info) ? -errno : 0;
}

static void kernel_resized(struct virtio_blk *blk)
{
	struct vhost_blk_info info;
	int err = get_info(blk, &info);

	if (err)
		log_warn("%s: asking for the size of %s: %s", blk->name, blk->bd->file, strerror(-err));
	else
		blk_resize(blk, &info);
}

static void kernel_stats(struct virtio_blk *blk, FILE *out)
{
	struct vhost_blk_stats sum = { 0 }, q;
	unsigned int n;

	for (n = 0; n < blk->vd.nr_queues; n++) {
		memset(&q, 0, sizeof(q));
		q.size = sizeof(q);
		q.index = n;
		if (ioctl(blk->vk.fd, VHOST_BLK_GET_STATS, &q))
			continue;
		sum.read_bytes += q.read_bytes;
		sum.write_bytes += q.write_bytes;
		sum.reads += q.reads;
		sum.writes += q.writes;
		sum.flushes += q.flushes;
		sum.discards += q.discards;
		sum.write_zeroes += q.write_zeroes;
		sum.errors += q.errors;
		if (q.last_errno) {
			sum.last_errno = q.last_errno;
			sum.last_error_sector = q.last_error_sector;
		}
	}
	fprintf(out, " rd_bytes=%llu wr_bytes=%llu rd_operations=%llu wr_operations=%llu flush_operations=%llu",
		(unsigned long long)sum.read_bytes, (unsigned long long)sum.write_bytes,
		(unsigned long long)sum.reads, (unsigned long long)sum.writes,
		(unsigned long long)sum.flushes);
	fprintf(out, " unmap_operations=%llu zero_operations=%llu failed_operations=%llu",
		(unsigned long long)sum.discards, (unsigned long long)sum.write_zeroes,
		(unsigned long long)sum.errors);
	if (sum.last_errno)
		fprintf(out, " last_error=\"%s\" last_error_sector=%llu", strerror((int)sum.last_errno),
			(unsigned long long)sum.last_error_sector);
}

static int kernel_writeback(struct virtio_blk *blk)
{
	uint32_t on = blk->config.wce;

	return ioctl(blk->vk.fd, VHOST_BLK_SET_WRITEBACK, &on) ? -errno : 0;
}

static void kernel_destroy(struct virtio_blk *blk)
{
	close(blk->vk.fd);
}

static const struct blk_backend kernel_backend = {
	.resized = kernel_resized,
	.stats = kernel_stats,
	.writeback = kernel_writeback,
	.destroy = kernel_destroy,
};

int blk_kernel_open(struct virtio_blk *blk, struct vm *vm, const struct blk_props *p,
		    struct vhost_blk_info *info, const char *instead)
{
	char opt[80], serial[VHOST_BLK_SERIAL_LEN] = "";
	int fd, err;

	snprintf(opt, sizeof(opt), "-device %s", blk->name);
	fd = vhost_kernel_open(opt, "blk", p->vhostfd, instead);
	if (fd < 0)
		return instead ? 1 : -1;
	blk->vk.fd = fd;
	blk->backend = &kernel_backend;
	blk->vd.vhost = &blk->vk.vhost;
	blk->has = UINT64_MAX;
	err = get_info(blk, info);
	/* what vhost-blk answers to a drive it cannot serve; anything else comes from something else */
	if (p->vhostfd && err && err != -EOPNOTSUPP && err != -EINVAL) {
		log_err("%s: vhostfd=%d is not a vhost-blk device", opt, fd);
		goto out;
	}
	if (err) {
		log_err("%s: drive=%s: %s: %s", opt, blk->bd->id, blk->bd->file,
			err == -EOPNOTSUPP ? "vhost_blk cannot serve such a file" : strerror(-err));
		goto out;
	}
	if (vhost_kernel_init(&blk->vk, vm, blk->name, fd, &blk_kernel_ops))
		goto out;
	if (p->serial)
		memcpy(serial, p->serial, strnlen(p->serial, sizeof(serial)));
	err = ioctl(fd, VHOST_BLK_SET_SERIAL, serial) ? -errno : 0;
	if (!err)
		err = vhost_kernel_workers(&blk->vk, 0, p->num_queues, p->workers);
	if (!err)
		return 0;
	log_err("%s: setting up the vhost device: %s", opt, strerror(-err));
out:
	close(fd);
	return -1;
}

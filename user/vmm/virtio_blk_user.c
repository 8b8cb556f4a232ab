// SPDX-License-Identifier: GPL-2.0
/*
 * A disk on a process, which locks the drive's file itself and says in its configuration what the device is: ours,
 * which gets the file opened, or, for formats other than raw, qemu-storage-daemon. What vhost_blk tells of a drive
 * stands for all kinds of back end.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "config.h"
#include "virtio_blk.h"
#include "vm.h"
#include "../lib/bits.h"
#include "../lib/log.h"

/* The device's own; those of transport and rings come with struct vhost */
#define TYPE_FEATURES	(BIT64(24) - 1)

static struct virtio_blk *of_user(struct vhost_user *vu)
{
	return (void *)((char *)vu - offsetof(struct virtio_blk, vu));
}

/* Return: 0; -EPROTO for what no disk can be */
static int user_info(struct virtio_blk *blk, struct vhost_blk_info *info)
{
	struct virtio_blk_config c;

	memcpy(&c, blk->vu.config, sizeof(c));
	if (c.blk_size < BLK_SECTOR || c.blk_size & (c.blk_size - 1) || c.physical_block_exp > 8 ||
	    c.blk_size > 1u << 20)
		return -EPROTO;
	*info = (struct vhost_blk_info){
		.size = sizeof(*info),
		.flags = blk->has & BIT64(VIRTIO_BLK_F_RO) ? VHOST_BLK_INFO_RDONLY : 0,
		.capacity = c.capacity,
		.logical_block_size = c.blk_size,
		.physical_block_size = c.blk_size << c.physical_block_exp,
		.alignment_offset = c.alignment_offset * c.blk_size,
		.io_min = c.min_io_size * c.blk_size,
		.io_opt = c.opt_io_size * c.blk_size,
		.seg_max = c.seg_max,
		.size_max = blk->has & BIT64(VIRTIO_BLK_F_SIZE_MAX) ? c.size_max : 0,
	};
	if (blk->has & BIT64(VIRTIO_BLK_F_DISCARD)) {
		info->max_discard_sectors = c.max_discard_sectors;
		info->max_discard_seg = c.max_discard_seg;
		info->discard_sector_alignment = c.discard_sector_alignment;
	}
	if (blk->has & BIT64(VIRTIO_BLK_F_WRITE_ZEROES)) {
		info->max_write_zeroes_sectors = c.max_write_zeroes_sectors;
		info->max_write_zeroes_seg = c.max_write_zeroes_seg;
		info->write_zeroes_may_unmap = c.write_zeroes_may_unmap;
	}
	return 0;
}

/* Asked again; it need not say so by itself. */
static void user_resized(struct virtio_blk *blk)
{
	vhost_user_fetch_config(&blk->vu);
}

static void user_config_changed(struct vhost_user *vu)
{
	struct virtio_blk *blk = of_user(vu);
	struct vhost_blk_info info;

	if (!user_info(blk, &info))
		blk_resize(blk, &info);
}

static void user_stats(struct virtio_blk *blk, FILE *out)
{
	fprintf(out, " %s=%d", blk->vu.proc.name, (int)blk->vu.proc.pid);
}

static int user_writeback(struct virtio_blk *blk)
{
	uint8_t on = blk->config.wce;

	if (!(blk->has & BIT64(VIRTIO_BLK_F_CONFIG_WCE)))
		return 0;
	return vhost_user_set_config(&blk->vu, offsetof(struct virtio_blk_config, wce), &on, 1);
}

static bool user_settled(struct vhost_user *vu)
{
	return blockdev_settled(of_user(vu)->bd);
}

/* Each process has a description of its own: that of one that was killed is locked until its io_uring is gone. */
static int user_starting(struct vhost_user *vu)
{
	int fd = blockdev_reopen(of_user(vu)->bd);

	if (fd >= 0)
		vu->proc.extra[vu->proc.nr_extra++] = fd;
	return fd < 0 ? fd : 0;
}

/* This one opens its file by name, and what others that file names; it has to be the same one still. */
static int image_starting(struct vhost_user *vu)
{
	return blockdev_named(of_user(vu)->bd);
}

static const struct blk_backend user_backend = {
	.resized = user_resized,
	.stats = user_stats,
	.writeback = user_writeback,
};

static int user_args(struct process *proc, const struct virtio_blk *blk, const struct blk_props *p)
{
	int err = process_init(proc, BLK_PROGRAM);

	err = err ?: process_arg(proc, "--blk-fd=%d", PROCESS_EXTRA);
	err = err ?: process_arg(proc, "--num-queues=%u", p->num_queues);
	err = err ?: process_arg(proc, "--cache=%s", blk->bd->direct ? "none" : "writeback");
	if (blk->bd->readonly)
		err = err ?: process_arg(proc, "--read-only");
	if (!p->discard || !blk->bd->discard)
		err = err ?: process_arg(proc, "--discard=ignore");
	if (p->serial)
		err = err ?: process_arg(proc, "--serial=%s", p->serial);
	return err;
}

/* Return: 0 or -errno */
static int image_arg(struct process *proc, const struct blockdev *bd, bool unmap)
{
	FILE *out = process_arg_open(proc);

	if (!out)
		return -ENOMEM;
	fprintf(out, "driver=%s,node-name=disk,read-only=%s,cache.direct=%s,discard=%s,file.driver=%s", bd->format,
		bd->readonly ? "on" : "off", bd->direct ? "on" : "off", unmap ? "unmap" : "ignore",
		bd->rdev ? "host_device" : "file");
	keyvals_put(out, ",file.filename=", bd->file);
	return process_arg_close(proc, out);
}

/* Of qemu-storage-daemon */
static int image_args(struct process *proc, const struct virtio_blk *blk, const struct blk_props *p)
{
	const struct blockdev *bd = blk->bd;
	int err = process_init_foreign(proc, BLK_IMAGE_PROGRAM, BLK_IMAGE_FROM);

	err = err ?: process_arg(proc, "--blockdev");
	err = err ?: image_arg(proc, bd, p->discard && bd->discard);
	err = err ?: process_arg(proc, "--export");
	return err ?: process_arg(proc, "type=vhost-user-blk,id=disk,node-name=disk,addr.type=fd,addr.str=%d,writable=%s,num-queues=%u",
				  PROCESS_SOCKET, bd->readonly ? "off" : "on", p->num_queues);
}

int blk_user_open(struct virtio_blk *blk, struct vm *vm, const struct blk_props *p,
		  struct vhost_blk_info *info)
{
	struct vhost_user *vu = &blk->vu;
	bool raw = blockdev_is_raw(blk->bd);
	int err = (raw ? user_args : image_args)(&vu->proc, blk, p);

	if (err) {
		process_free(&vu->proc);
		return log_err("-device %s: %s", blk->name, strerror(-err));
	}
	vu->nr_rings = p->num_queues;
	/* What neither program has comes behind. */
	vu->config_len = offsetof(struct virtio_blk_config, max_secure_erase_sectors);
	vu->config_changed = user_config_changed;
	vu->settled = user_settled;
	vu->starting = raw ? user_starting : image_starting;
	/* It is for the process to lock from now on. */
	blockdev_unlock(blk->bd);
	if (vhost_user_open(vu, vm, blk->name))
		return -1;
	blk->backend = &user_backend;
	blk->vd.vhost = &vu->vhost;
	blk->has = vu->features & TYPE_FEATURES;
	if (vu->config_len && !user_info(blk, info))
		return 0;
	vhost_user_close(vu);
	return log_err("-device %s: %s tells of no disk", blk->name,
		       raw ? BLK_PROGRAM : BLK_IMAGE_PROGRAM);
}

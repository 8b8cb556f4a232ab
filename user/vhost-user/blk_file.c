// SPDX-License-Identifier: GPL-2.0
/* The file behind a disk: opened, locked, and what it can do. */
#define _GNU_SOURCE
#include "blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/bits.h"
#include "lib/log.h"

/* How long a lock is waited for */
#define LOCK_MS		1000

static int refuse(const char *path, const char *why)
{
	return log_err("--blk-file=%s: %s", path, why);
}

/*
 * One writer, or many readers: whoever else locks the file, QEMU among them, sees it. Locks are taken
 * before anything of the file is read.
 *
 * A process that was killed keeps its lock until its io_uring is gone, and with it all that it had
 * under way; for whoever takes its place it is worth waiting.
 */
static int lock_file(const struct blk *b, const char *path)
{
	struct flock l = { .l_type = b->rdonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
	unsigned int tries = LOCK_MS / 10;

	while (fcntl(b->fd, F_OFD_SETLK, &l)) {
		if (errno != EAGAIN && errno != EACCES)
			return refuse(path, strerror(errno));
		if (!tries--)
			return refuse(path, "it is locked: another process has it in use");
		usleep(10000);
	}
	return 0;
}

/* Does the file take this? Behind its end, where nothing changes. */
static bool can_fallocate(const struct blk *b, int mode)
{
	return !fallocate(b->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)(b->capacity << SECTOR_SHIFT), 4096);
}

static int file_limits(struct blk *b, const struct stat *st)
{
	uint32_t block = 512;

	b->capacity = (uint64_t)st->st_size >> SECTOR_SHIFT;
	if (fcntl(b->fd, F_GETFL) & O_DIRECT) {
		struct statx x;

		/* What is not told is safe. */
		block = 4096;
		b->mem_mask = 4095;
		if (!statx(b->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) && x.stx_mask & STATX_DIOALIGN &&
		    x.stx_dio_offset_align) {
			block = x.stx_dio_offset_align < 512 ? 512 : x.stx_dio_offset_align;
			b->mem_mask = x.stx_dio_mem_align - 1;
		}
	}
	b->config.blk_size = block;
	if (b->rdonly)
		return 0;
	if (can_fallocate(b, FALLOC_FL_PUNCH_HOLE))
		b->features |= BIT64(VIRTIO_BLK_F_DISCARD);
	if (can_fallocate(b, FALLOC_FL_ZERO_RANGE))
		b->features |= BIT64(VIRTIO_BLK_F_WRITE_ZEROES);
	return 0;
}

/* Of the queue limits in sysfs; 0 when there is no such */
static uint64_t bdev_limit(const struct stat *st, const char *what)
{
	unsigned long long value = 0;
	char path[128];
	FILE *f;

	/* A partition has them in its disk. */
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/queue/%s", major(st->st_rdev), minor(st->st_rdev), what);
	f = fopen(path, "re");
	if (!f) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../queue/%s", major(st->st_rdev),
			 minor(st->st_rdev), what);
		f = fopen(path, "re");
	}
	if (f && fscanf(f, "%llu", &value) != 1)
		value = 0;
	if (f)
		fclose(f);
	return value;
}

static int bdev_limits(struct blk *b, const struct stat *st)
{
	unsigned int physical, io_min, io_opt;
	int logical, ro;
	uint64_t size;

	if (ioctl(b->fd, BLKGETSIZE64, &size) || ioctl(b->fd, BLKSSZGET, &logical) || ioctl(b->fd, BLKROGET, &ro) ||
	    ioctl(b->fd, BLKPBSZGET, &physical) || ioctl(b->fd, BLKIOMIN, &io_min) || ioctl(b->fd, BLKIOOPT, &io_opt))
		return -errno;
	b->capacity = size >> SECTOR_SHIFT;
	b->rdonly = b->rdonly || ro;
	b->mem_mask = fcntl(b->fd, F_GETFL) & O_DIRECT ? 511 : 0;
	b->config.blk_size = (uint32_t)logical;
	b->config.physical_block_exp = (uint8_t)__builtin_ctz(physical / (unsigned int)logical);
	b->config.min_io_size = (uint16_t)(io_min / (unsigned int)logical);
	b->config.opt_io_size = io_opt / (unsigned int)logical;
	if (b->rdonly)
		return 0;
	if (bdev_limit(st, "discard_max_bytes"))
		b->features |= BIT64(VIRTIO_BLK_F_DISCARD);
	b->config.discard_sector_alignment = (uint32_t)(bdev_limit(st, "discard_granularity") >> SECTOR_SHIFT);
	/* The block layer writes them where the device has no command. */
	b->features |= BIT64(VIRTIO_BLK_F_WRITE_ZEROES);
	return 0;
}

static int blk_limits(struct blk *b, const struct blk_opts *o)
{
	const char *path = o->path;
	struct virtio_blk_config *c = &b->config;
	struct stat st;
	int ret;

	if (fstat(b->fd, &st))
		return refuse(path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return refuse(path, "neither a regular file nor a block device");
	ret = S_ISBLK(st.st_mode) ? bdev_limits(b, &st) : file_limits(b, &st);
	if (ret)
		return refuse(path, strerror(-ret));
	b->block_mask = c->blk_size - 1;
	/* Older kernels take whole blocks in each segment. */
	b->len_mask = o->direct ? b->block_mask : 0;
	b->capacity &= ~(uint64_t)(b->block_mask >> SECTOR_SHIFT);
	c->capacity = b->capacity;
	c->seg_max = BLK_SEG_MAX;
	if (b->features & BIT64(VIRTIO_BLK_F_DISCARD)) {
		c->max_discard_sectors = BLK_RANGE_MAX >> SECTOR_SHIFT;
		c->max_discard_seg = BLK_RANGES_MAX;
		if (!c->discard_sector_alignment)
			c->discard_sector_alignment = c->blk_size >> SECTOR_SHIFT;
	}
	if (b->features & BIT64(VIRTIO_BLK_F_WRITE_ZEROES)) {
		c->max_write_zeroes_sectors = BLK_RANGE_MAX >> SECTOR_SHIFT;
		c->max_write_zeroes_seg = BLK_RANGES_MAX;
		/* A block device refuses a hole that it cannot make, instead of writing zeroes. */
		c->write_zeroes_may_unmap = S_ISREG(st.st_mode) && b->features & BIT64(VIRTIO_BLK_F_DISCARD);
	}
	return 0;
}

int blk_open(struct blk *b, const struct blk_opts *o)
{
	int flags = O_CLOEXEC | (o->direct ? O_DIRECT : 0);

	*b = (struct blk){ .rdonly = o->rdonly };
	b->fd = open(o->path, flags | (o->rdonly ? O_RDONLY : O_RDWR));
	if (b->fd < 0)
		return refuse(o->path, o->direct && errno == EINVAL ?
			      "--cache=none: its file system has no O_DIRECT" : strerror(errno));
	if (lock_file(b, o->path) || blk_limits(b, o)) {
		close(b->fd);
		return -1;
	}
	if (o->serial)
		memcpy(b->serial, o->serial, strnlen(o->serial, sizeof(b->serial)));
	b->config.num_queues = (uint16_t)o->num_queues;
	b->config.wce = 1;
	b->features |= BIT64(VIRTIO_BLK_F_SEG_MAX) | BIT64(VIRTIO_BLK_F_BLK_SIZE) | BIT64(VIRTIO_BLK_F_TOPOLOGY) |
		       BIT64(VIRTIO_BLK_F_FLUSH) | BIT64(VIRTIO_BLK_F_CONFIG_WCE);
	if (b->rdonly)
		b->features |= BIT64(VIRTIO_BLK_F_RO);
	if (o->num_queues > 1)
		b->features |= BIT64(VIRTIO_BLK_F_MQ);
	return 0;
}

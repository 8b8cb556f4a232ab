// SPDX-License-Identifier: GPL-2.0
/* The file behind a disk: opened, locked, and what it can do. */
#define _GNU_SOURCE
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/log.h"

/* How long a lock is waited for */
#define LOCK_MS		1000

int disk_refuse(const struct disk_opts *o, const char *why)
{
	char link[32], name[PATH_MAX];
	ssize_t n;

	if (o->path || o->name)
		return log_err("%s=%s: %s", o->option, o->path ?: o->name, why);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", o->fd);
	n = readlink(link, name, sizeof(name) - 1);
	name[n < 0 ? 0 : n] = 0;
	return n < 0 ? log_err("%s=%d: %s", o->option, o->fd, why) :
		       log_err("%s=%d (%s): %s", o->option, o->fd, name, why);
}

/*
 * One writer, or many readers: whoever else locks the file, QEMU among them, sees it. Locks are taken
 * before anything of the file is read.
 *
 * A process that was killed keeps its lock until its io_uring is gone, and with it all that it had
 * under way; for whoever takes its place it is worth waiting.
 */
static int lock_file(const struct disk *d, const struct disk_opts *o)
{
	struct flock l = { .l_type = d->rdonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
	unsigned int tries = LOCK_MS / 10;

	while (fcntl(d->fd, F_OFD_SETLK, &l)) {
		if (errno != EAGAIN && errno != EACCES)
			return disk_refuse(o, strerror(errno));
		if (!tries--)
			return disk_refuse(o, "it is locked: another process has it in use");
		usleep(10000);
	}
	return 0;
}

/* Does the file take this? Behind its end, where nothing changes. */
static bool can_fallocate(const struct disk *d, int mode)
{
	return !fallocate(d->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)d->size, 4096);
}

static int file_limits(struct disk *d, const struct stat *st)
{
	d->size = (uint64_t)st->st_size;
	d->block = 512;
	if (fcntl(d->fd, F_GETFL) & O_DIRECT) {
		struct statx x;

		/* What is not told is safe. */
		d->block = 4096;
		d->mem_mask = 4095;
		if (!statx(d->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) && x.stx_mask & STATX_DIOALIGN &&
		    x.stx_dio_offset_align) {
			d->block = x.stx_dio_offset_align < 512 ? 512 : x.stx_dio_offset_align;
			d->mem_mask = x.stx_dio_mem_align - 1;
		}
	}
	d->physical = d->block;
	if (d->rdonly)
		return 0;
	d->discards = can_fallocate(d, FALLOC_FL_PUNCH_HOLE);
	d->zeroes = can_fallocate(d, FALLOC_FL_ZERO_RANGE);
	/* A block device refuses a hole that it cannot make, instead of writing zeroes. */
	d->hole_zero = d->discards;
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

static int bdev_limits(struct disk *d, const struct stat *st, bool late)
{
	int logical, ro;

	if (ioctl(d->fd, BLKGETSIZE64, &d->size) || ioctl(d->fd, BLKSSZGET, &logical) ||
	    ioctl(d->fd, BLKROGET, &ro) || ioctl(d->fd, BLKPBSZGET, &d->physical) ||
	    ioctl(d->fd, BLKIOMIN, &d->io_min) || ioctl(d->fd, BLKIOOPT, &d->io_opt))
		return -errno;
	d->rdonly = d->rdonly || ro;
	d->mem_mask = fcntl(d->fd, F_GETFL) & O_DIRECT ? 511 : 0;
	d->block = (uint32_t)logical;
	if (d->rdonly)
		return 0;
	/* The block layer writes them where the device has no command. */
	d->zeroes = true;
	if (late)
		return 0;
	/* What takes discards but not zeroes refuses holes, which is how it would be asked. */
	d->discards = bdev_limit(st, "discard_max_bytes") && bdev_limit(st, "write_zeroes_max_bytes");
	d->discard_align = (uint32_t)bdev_limit(st, "discard_granularity");
	return 0;
}

static int disk_limits(struct disk *d, const struct disk_opts *o)
{
	struct stat st;
	int ret;

	if (fstat(d->fd, &st))
		return disk_refuse(o, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return disk_refuse(o, "neither a regular file nor a block device");
	ret = S_ISBLK(st.st_mode) ? bdev_limits(d, &st, o->late) : file_limits(d, &st);
	if (ret)
		return disk_refuse(o, strerror(-ret));
	if (o->keep)
		d->discards = d->hole_zero = false;
	/* Older kernels take whole blocks in each segment. */
	d->len_mask = o->direct ? d->block - 1 : 0;
	d->size &= ~(uint64_t)(d->block - 1);
	if (d->discard_align < d->block)
		d->discard_align = d->block;
	return 0;
}

bool disk_refresh(struct disk *d)
{
	off_t end = lseek(d->fd, 0, SEEK_END);
	uint64_t size = (uint64_t)end & ~(uint64_t)(d->block - 1);

	if (end < 0 || size == d->size)
		return false;
	__atomic_store_n(&d->size, size, __ATOMIC_RELAXED);
	return true;
}

static int no_direct(const struct disk_opts *o)
{
	return disk_refuse(o, errno == EINVAL ? "cache=none: its file system has no O_DIRECT" : strerror(errno));
}

/* Return: the descriptor, or -1 after one logged line */
static int open_path(const struct disk_opts *o)
{
	int fd = open(o->path, O_CLOEXEC | (o->direct ? O_DIRECT : 0) | (o->rdonly ? O_RDONLY : O_RDWR));

	if (fd < 0)
		return o->direct ? no_direct(o) : disk_refuse(o, strerror(errno));
	return fd;
}

/* Return: 0, or -1 after one logged line. What else the description does, such as appending, is not what a disk does. */
static int take_fd(const struct disk_opts *o)
{
	int flags = fcntl(o->fd, F_GETFL), mode = flags & O_ACCMODE;

	if (flags < 0 || fcntl(o->fd, F_SETFD, FD_CLOEXEC))
		return disk_refuse(o, strerror(errno));
	if (mode == O_WRONLY)
		return disk_refuse(o, "it is not open for reading");
	if (mode == O_RDONLY && !o->rdonly)
		return disk_refuse(o, "it is not open for writing, which takes --read-only");
	if (fcntl(o->fd, F_SETFL, o->direct ? O_DIRECT : 0))
		return o->direct ? no_direct(o) : disk_refuse(o, strerror(errno));
	return 0;
}

int disk_open(struct disk *d, const struct disk_opts *o)
{
	*d = (struct disk){ .rdonly = o->rdonly };
	d->fd = o->path ? open_path(o) : o->fd;
	if (d->fd < 0)
		return -1;
	if ((o->path || !take_fd(o)) && !lock_file(d, o) && !disk_limits(d, o))
		return 0;
	close(d->fd);
	return -1;
}

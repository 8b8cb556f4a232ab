// SPDX-License-Identifier: GPL-2.0
/*
 * Requests of /dev/vhost-blk that are not plain reads and writes, or are wrong ones; what a VMM asks
 * and sets. TAP on stdout.
 *
 *	blk-req [-d] BACKEND		-d: open the file with O_DIRECT
 *
 * A mistake of earlier attempts that this would catch: fget result tested with IS_ERR (test_ioctl).
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/blk.h"

#define IOERR	VIRTIO_BLK_S_IOERR
#define UNSUPP	VIRTIO_BLK_S_UNSUPP
#define PIECE	(64u << 10)

static const char *path;
static bool direct, is_bdev;
static struct vhost_blk_info info;
static unsigned char *buf, *was, *now;

static void is_status(int got, int want, const char *what)
{
	t_ok(got == want, "%s: %s", what, blk_status(got));
}

static void test_get_id(struct blk *b)
{
	static const uint32_t lens[] = { 20, 1, 19, 21, 64, 512 };
	const char serial[VHOST_BLK_SERIAL_LEN] = "a serial of twenty..";
	unsigned char id[512];
	struct blk_req r;
	unsigned int i, n;
	int ret;

	/* A process is told by its command line. */
	if (!b->q.dev.user)
		t_ok(!ioctl(b->q.dev.fd, VHOST_BLK_SET_SERIAL, serial), "a serial number is set");
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		static const struct shape odd = { .out = { 5 }, .in = { 3, 9 }, .align = 1,
						      .offset = 1 };

		r = (struct blk_req){ .type = VIRTIO_BLK_T_GET_ID, .data = id, .len = lens[i],
				      .any_used = true, .shape = i % 2 ? &odd : NULL };
		n = lens[i] < 20 ? lens[i] : 20;
		ret = blk_run(b, 0, &r);
		t_ok(!ret && !r.status && !memcmp(id, serial, n) && r.used == n + 1 &&
		     (lens[i] <= 20 || id[20] == BLK_NO_STATUS),
		     "GET_ID of %u bytes: %s, used %u", lens[i], blk_status(ret ?: r.status), r.used);
	}
	if (b->q.dev.user)
		return;
	memset(id, 0, sizeof(id));
	ioctl(b->q.dev.fd, VHOST_BLK_SET_SERIAL, id);
	r.shape = NULL;
	ret = blk_run(b, 0, &r);
	memset(was, 0, 20);
	t_ok(!ret && !memcmp(id, was, 20), "it can be taken back");
}

static void test_bounds(struct blk *b)
{
	uint64_t end = info.capacity, step = info.logical_block_size / BLK_SECTOR;
	uint32_t block = info.logical_block_size;
	static const uint64_t wild[] = { ~0ULL, ~0ULL >> 9, 1ULL << 55, (1ULL << 55) - 8 };
	unsigned int i, t;

	for (t = VIRTIO_BLK_T_IN; t <= VIRTIO_BLK_T_OUT; t++) {
		const char *what = t == VIRTIO_BLK_T_IN ? "read" : "write";

		t_note("%s", what);
		is_status(blk_io(b, t, end - step, buf, block), 0, "the last block");
		is_status(blk_io(b, t, end, buf, block), IOERR, "the one behind it");
		is_status(blk_io(b, t, end - step, buf, 2 * block), IOERR, "half behind the end");
		for (i = 0; i < ARRAY_SIZE(wild); i++)
			is_status(blk_io(b, t, wild[i], buf, block), IOERR, "far behind the end");
		is_status(blk_io(b, t, 0, buf, 511), IOERR, "511 bytes");
		is_status(blk_io(b, t, 0, buf, 513), IOERR, "513 bytes");
		is_status(blk_io(b, t, 0, buf, PIECE - 1), IOERR, "64 KiB - 1");
		if (block > BLK_SECTOR) {
			is_status(blk_io(b, t, 0, buf, BLK_SECTOR), IOERR, "less than a block");
			is_status(blk_io(b, t, 1, buf, block), IOERR, "not on a block");
		}
	}
	/* Not what a driver does, and no reason to fail or to hang either way */
	t_ok(blk_io(b, VIRTIO_BLK_T_IN, 0, buf, 0) >= 0 &&
	     blk_io(b, VIRTIO_BLK_T_OUT, 0, buf, 0) >= 0, "no data at all");
}

static void test_unknown(struct blk *b)
{
	static const uint32_t types[] = { 2, 3, 5, 9, 10, 12, 16, 100, 0x80000000, 0xffffffff };
	unsigned int i;
	int ret = UNSUPP;

	for (i = 0; i < ARRAY_SIZE(types) && ret == UNSUPP; i++)
		ret = blk_io(b, types[i], 0, buf, 512);
	t_ok(ret == UNSUPP, "unknown types, up to %u: %s", i, blk_status(ret));
}

/* Is the piece what it was but for @len bytes of zeroes at @at? @any: or anything, there */
static bool cleared(uint32_t at, uint32_t len, bool any)
{
	if (blk_file_read(path, now, PIECE, PIECE))
		return false;
	if (any)
		memcpy(was + at, now + at, len);
	else
		memset(was + at, 0, len);
	return !memcmp(was, now, PIECE);
}

static void fill_piece(void)
{
	blk_fill(was, PIECE, 99);
	t_need(blk_file_write(path, was, PIECE, PIECE), "filling the back end");
}

/* DISCARD or WRITE_ZEROES of what the piece at PIECE has at @at */
static int clear(struct blk *b, uint32_t type, uint32_t at, uint32_t len, uint32_t flags)
{
	return blk_range(b, type, (PIECE + at) / BLK_SECTOR, len / BLK_SECTOR, flags);
}

static void test_zeroes(struct blk *b)
{
	const uint32_t t = VIRTIO_BLK_T_WRITE_ZEROES, unmap = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	struct virtio_blk_discard_write_zeroes d[4];
	unsigned int i;
	int ret;

	fill_piece();
	if (!info.max_write_zeroes_sectors) {
		is_status(clear(b, t, 0, 4096, 0), UNSUPP, "WRITE_ZEROES is not for this back end");
		return;
	}
	is_status(clear(b, t, 4096, 8192, 0), 0, "WRITE_ZEROES");
	t_ok(cleared(4096, 8192, false), "there are zeroes, and only there");
	is_status(clear(b, t, 16384, 4096, unmap), 0, "WRITE_ZEROES, unmap");
	t_ok(cleared(16384, 4096, false), "there are zeroes, and only there");
	is_status(clear(b, t, 0, info.logical_block_size, 0), 0, "WRITE_ZEROES of a block");
	t_ok(cleared(0, info.logical_block_size, false), "there are zeroes, and only there");
	is_status(clear(b, t, 0, 4096, 2), UNSUPP, "WRITE_ZEROES, a flag that is not one");
	is_status(clear(b, t, 0, 4096, 0x80000001), UNSUPP, "WRITE_ZEROES, another one");
	is_status(blk_range(b, t, info.capacity - 8, 9, 0), IOERR, "WRITE_ZEROES over the end");
	is_status(blk_range(b, t, ~0ULL, 8, 0), IOERR, "WRITE_ZEROES far behind it");
	is_status(blk_range(b, t, 8, ~0u, 0), IOERR, "WRITE_ZEROES of 2 TiB");
	t_ok(cleared(0, 0, false), "and nothing changed");

	for (i = 0; i < 4; i++)
		d[i] = (struct virtio_blk_discard_write_zeroes){
			htole64((PIECE + 32768 + 8192 * i) / BLK_SECTOR), htole32(8), 0 };
	ret = blk_io(b, t, 0, d, sizeof(d));
	is_status(ret, 0, "WRITE_ZEROES of four ranges");
	for (i = 0; i < 4; i++)
		memset(was + 32768 + 8192 * i, 0, 4096);
	t_ok(cleared(0, 0, false), "all of them, and no more");
	d[2].flags = htole32(4);
	is_status(blk_io(b, t, 0, d, sizeof(d)), UNSUPP, "a wrong flag in the third range");
	is_status(blk_io(b, t, 0, d, sizeof(d) - 1), IOERR, "less than four ranges");
	is_status(blk_io(b, t, 0, d, 0), IOERR, "no range");
}

static void test_discard(struct blk *b)
{
	const uint32_t t = VIRTIO_BLK_T_DISCARD;
	struct virtio_blk_discard_write_zeroes d[2] = {
		{ htole64((PIECE + 16384) / BLK_SECTOR), htole32(8), 0 },
		{ htole64((PIECE + 32768) / BLK_SECTOR), htole32(16), 0 },
	};

	fill_piece();
	if (!info.max_discard_sectors) {
		is_status(clear(b, t, 0, 4096, 0), UNSUPP, "DISCARD is not for this back end");
		t_ok(cleared(0, 0, false), "and nothing changed");
		return;
	}
	is_status(clear(b, t, 4096, 8192, 0), 0, "DISCARD");
	t_ok(cleared(4096, 8192, true), "nothing else changed");
	is_status(clear(b, t, 0, 4096, 1), UNSUPP, "DISCARD with the unmap flag");
	is_status(clear(b, t, 0, 4096, 4), UNSUPP, "DISCARD with another flag");
	is_status(blk_range(b, t, info.capacity, 8, 0), IOERR, "DISCARD behind the end");
	t_ok(cleared(0, 0, false), "and nothing changed");
	if (info.max_discard_seg > 1) {
		is_status(blk_io(b, t, 0, d, sizeof(d)), 0, "DISCARD of two ranges");
		t_need(blk_file_read(path, now, PIECE, PIECE), "read");
		memcpy(was + 16384, now + 16384, 4096);
		t_ok(cleared(32768, 8192, true), "nothing else changed");
	}
	if (!info.max_secure_erase_sectors)
		is_status(clear(b, VIRTIO_BLK_T_SECURE_ERASE, 0, 4096, 0), UNSUPP,
			  "SECURE_ERASE is not for this back end");
}

static void test_flush(struct blk *b)
{
	is_status(blk_io(b, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), 0, "FLUSH");
	is_status(blk_io(b, VIRTIO_BLK_T_FLUSH, ~0ULL, NULL, 0), 0, "FLUSH with a sector, which is none");
}

/* A chain of requests that fail must be complete, each, and in order where that was promised. */
static void test_failures_mixed(struct blk *b)
{
	struct blk_req r[24] = { 0 };
	int ret = 0, i;

	for (i = 0; i < 24 && !ret; i++) {
		r[i] = (struct blk_req){ .type = i % 4 == 3 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
					 .sector = i % 3 == 1 ? ~0ULL : 0, .data = was, .len = 4096 };
		ret = blk_submit(b, 0, &r[i]);
	}
	ret = ret ?: reqs_kick(&b->q, 0) ?: reqs_finish(&b->q, REQS_TIMEOUT_MS);
	for (i = 0; i < 24 && !ret; i++)
		ret = r[i].status == (i % 3 == 1 ? IOERR : 0) ? 0 : -EBADMSG;
	t_ok(!ret, "good and bad requests in one batch: %s %s", t_err(ret), ret ? b->q.why : "");
}

static void test_rdonly(struct blk *b, int fd, uint32_t flags, const char *how)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_DISCARD,
					  VIRTIO_BLK_T_WRITE_ZEROES };
	unsigned int n;
	int ret;

	fill_piece();
	ret = blk_backend(b, 0, fd, flags);
	if (!t_ok(!ret, "read-only by %s: %s", how, t_err(ret)))
		return;
	memset(buf, 1, PIECE);
	is_status(blk_io(b, types[0], PIECE / BLK_SECTOR, buf, 4096), IOERR, "a write");
	for (n = 1; n < 3; n++) {
		ret = clear(b, types[n], 0, 4096, 0);
		t_ok(ret == IOERR || ret == UNSUPP, "DISCARD or WRITE_ZEROES: %s", blk_status(ret));
	}
	t_ok(cleared(0, 0, false), "nothing was written");
	is_status(blk_io(b, VIRTIO_BLK_T_IN, PIECE / BLK_SECTOR, buf, PIECE), 0, "a read");
	t_ok(!memcmp(buf, was, PIECE), "delivers");
	is_status(blk_io(b, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), 0, "FLUSH is no harm");
}

static void test_no_unmap(struct blk *b, int fd)
{
	struct stat before, after;

	fill_piece();
	t_ok(!blk_backend(b, 0, fd, VHOST_BLK_BACKEND_NO_UNMAP), "VHOST_BLK_BACKEND_NO_UNMAP");
	is_status(clear(b, VIRTIO_BLK_T_DISCARD, 0, 4096, 0), UNSUPP, "no DISCARD then");
	fstat(fd, &before);
	is_status(clear(b, VIRTIO_BLK_T_WRITE_ZEROES, 4096, 8192, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
		  info.max_write_zeroes_sectors ? 0 : UNSUPP, "WRITE_ZEROES, unmap");
	if (info.max_write_zeroes_sectors)
		t_ok(cleared(4096, 8192, false), "there are zeroes, and only there");
	fstat(fd, &after);
	t_ok(after.st_blocks >= before.st_blocks, "nothing was deallocated: %lld blocks, now %lld",
	     (long long)before.st_blocks, (long long)after.st_blocks);
	blk_backend(b, 0, fd, 0);
}

static void test_rdonly_all(struct blk *b, int fd)
{
	int ro = blk_file(path, O_RDONLY, direct);
	struct vhost_blk_info i;

	t_ok(!blk_info(b, ro, &i) && i.flags & VHOST_BLK_INFO_RDONLY, "info: a file open for reading");
	test_rdonly(b, ro, 0, "the file's mode");
	test_rdonly(b, fd, VHOST_BLK_BACKEND_RDONLY, "VHOST_BLK_BACKEND_RDONLY");
	/* The queue runs, and the device turns read-only below it: each request counts. */
	blk_backend(b, 0, fd, 0);
	if (is_bdev) {
		fill_piece();
		t_need(blk_sh("blockdev --setro %s", path), "blockdev");
		t_ok(!blk_info(b, fd, &i) && i.flags & VHOST_BLK_INFO_RDONLY,
		     "info: blockdev --setro");
		memset(buf, 1, 4096);
		is_status(blk_io(b, VIRTIO_BLK_T_OUT, PIECE / BLK_SECTOR, buf, 4096), IOERR,
			  "a write after blockdev --setro");
		is_status(clear(b, VIRTIO_BLK_T_WRITE_ZEROES, 0, 4096, 0),
			  info.max_write_zeroes_sectors ? IOERR : UNSUPP, "WRITE_ZEROES after it");
		blk_sh("blockdev --setrw %s", path);
		t_ok(cleared(0, 0, false), "nothing was written");
		is_status(blk_io(b, VIRTIO_BLK_T_OUT, PIECE / BLK_SECTOR, buf, 4096), 0,
			  "and --setrw is heard as well");
	}
	close(ro);
}

static uint64_t sysfs(const char *what)
{
	char name[200], text[64];
	struct stat st;

	stat(path, &st);
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/%s", major(st.st_rdev), minor(st.st_rdev),
		 what);
	return t_read_file(name, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : ~0ULL;
}

static void is_number(const char *what, uint64_t got, uint64_t want)
{
	t_ok(got == want, "info: %s is %llu, the kernel says %llu", what, (unsigned long long)got,
	     (unsigned long long)want);
}

static void test_info(struct blk *b, int fd)
{
	struct vhost_blk_info small = { .size = VHOST_BLK_INFO_SIZE_V1, .fd = fd }, i;
	struct { struct vhost_blk_info i; unsigned char more[64]; } big;
	struct stat st;
	int ret;

	t_need(blk_info(b, fd, &i), "info");
	fstat(fd, &st);
	t_ok(!!(i.flags & VHOST_BLK_INFO_BLOCK_DEVICE) == is_bdev &&
	     !(i.flags & VHOST_BLK_INFO_RDONLY), "info: flags %#x", i.flags);
	t_ok(i.size == sizeof(i) && i.seg_max && i.logical_block_size >= 512 &&
	     i.physical_block_size >= i.logical_block_size, "info: seg_max %u, blocks of %u and %u",
	     i.seg_max, i.logical_block_size, i.physical_block_size);
	if (is_bdev) {
		is_number("capacity", i.capacity, sysfs("size"));
		is_number("logical_block_size", i.logical_block_size,
			  sysfs("queue/logical_block_size"));
		is_number("physical_block_size", i.physical_block_size,
			  sysfs("queue/physical_block_size"));
		is_number("alignment_offset", i.alignment_offset, sysfs("alignment_offset"));
		is_number("io_min", i.io_min, sysfs("queue/minimum_io_size"));
		is_number("io_opt", i.io_opt, sysfs("queue/optimal_io_size"));
		is_number("max_sectors", i.max_sectors / 2, sysfs("queue/max_sectors_kb"));
		is_number("rotational", !!(i.flags & VHOST_BLK_INFO_ROTATIONAL),
			  sysfs("queue/rotational"));
		t_ok(i.seg_max <= sysfs("queue/max_segments"), "info: seg_max is %u of %llu", i.seg_max,
		     (unsigned long long)sysfs("queue/max_segments"));
		t_ok(!i.max_discard_sectors == !sysfs("queue/discard_max_bytes"),
		     "info: max_discard_sectors is %u, discard_max_bytes is %llu",
		     i.max_discard_sectors, (unsigned long long)sysfs("queue/discard_max_bytes"));
	} else {
		is_number("capacity", i.capacity, st.st_size / 512);
	}
	t_ok(!ioctl(b->q.dev.fd, VHOST_BLK_GET_INFO, &small) && small.capacity == i.capacity,
	     "info: the first version's size");
	memset(&big, 0x5a, sizeof(big));
	big.i.size = sizeof(big);
	big.i.fd = fd;
	big.i.flags = 0;
	ret = ioctl(b->q.dev.fd, VHOST_BLK_GET_INFO, &big) ? -errno : 0;
	t_ok(!ret && big.i.capacity == i.capacity && big.i.size == sizeof(i) && big.more[0] == 0x5a,
	     "info: more than the kernel knows: %s", t_err(ret));
	small.size--;
	small.fd = fd;
	small.flags = 0;
	t_ok(ioctl(b->q.dev.fd, VHOST_BLK_GET_INFO, &small) && errno == EINVAL, "info: too small");
	t_ok(blk_info(b, 9999, &i) == -EBADF, "info: no such fd");
}

static int backend(int dev, struct vhost_blk_backend be)
{
	return ioctl(dev, VHOST_BLK_SET_BACKEND, &be) ? -errno : 0;
}

/* What cannot be a back end, and who cannot set one */
static void test_ioctl(struct blk *b, int fd)
{
	int dev = b->q.dev.fd, p[2], null = open("/dev/null", O_RDWR), dir = open("/tmp", O_RDONLY);
	int wr = open(path, O_WRONLY), other = open(BLK_DEVICE, O_RDWR), st, opath, ret;
	uint32_t two = 2;
	pid_t pid;

	t_need(pipe(p) ? -errno : 0, "pipe");
	opath = open(path, O_PATH);
	ret = backend(dev, (struct vhost_blk_backend){ .fd = 9999 });
	t_ok(ret == -EBADF, "no such fd: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = -2 });
	t_ok(ret == -EBADF || ret == -EINVAL, "fd -2: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = opath });
	t_ok(ret == -EBADF, "O_PATH: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = wr });
	t_ok(ret == -EBADF, "not open for reading: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = null });
	t_ok(ret == -EINVAL, "a character device: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = dir });
	t_ok(ret == -EINVAL, "a folder: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = p[0] });
	t_ok(ret == -EINVAL, "a pipe: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = dev });
	t_ok(ret == -EINVAL, "the vhost device itself: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = fd, .flags = 4 });
	t_ok(ret == -EINVAL, "a flag that is none: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = fd, .reserved = 1 });
	t_ok(ret == -EINVAL, "reserved: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = fd, .index = 64 });
	t_ok(ret == -ENOBUFS, "queue 64: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = fd, .index = ~0u });
	t_ok(ret == -ENOBUFS, "queue -1: %s", t_err(ret));
	ret = backend(dev, (struct vhost_blk_backend){ .fd = fd, .index = 63 });
	t_ok(ret == -EFAULT, "a queue without ring: %s", t_err(ret));
	ret = backend(other, (struct vhost_blk_backend){ .fd = fd });
	t_ok(ret == -EPERM, "a device without owner: %s", t_err(ret));
	t_need(ioctl(other, VHOST_SET_OWNER) ? -errno : 0, "owner");
	ret = backend(other, (struct vhost_blk_backend){ .fd = fd });
	t_ok(ret == -EFAULT, "a device without memory: %s", t_err(ret));
	t_ok(ioctl(dev, VHOST_BLK_SET_WRITEBACK, &two) && errno == EINVAL, "writeback: 2");
	t_ok(ioctl(dev, VHOST_BLK_SET_SERIAL, 16) && errno == EFAULT, "serial: no memory");
	t_ok(ioctl(dev, VHOST_BLK_SET_BACKEND, 16) && errno == EFAULT, "back end: no memory");
	t_ok(ioctl(dev, VHOST_BLK_GET_STATS, 16) && errno == EFAULT, "statistics: no memory");
	t_ok(ioctl(dev, VHOST_BLK_GET_INFO, 16) && errno == EFAULT, "info: no memory");
	t_ok(ioctl(dev, VHOST_NET_SET_BACKEND, 16) && errno == ENOTTY,
	     "vhost-net's back end: %s", t_err(-errno));
	pid = fork();
	if (!pid)
		_exit(backend(dev, (struct vhost_blk_backend){ .fd = -1 }) == -EPERM ? 0 : 1);
	waitpid(pid, &st, 0);
	t_ok(!st, "another process may not");
	is_status(blk_io(b, VIRTIO_BLK_T_IN, 0, buf, 4096), 0, "none of that did harm");
	close(p[0]);
	close(p[1]);
	close(null);
	close(dir);
	close(wr);
	close(other);
	close(opath);
}

static void test_stats(int fd)
{
	struct vhost_blk_stats s, small = { .size = VHOST_BLK_STATS_SIZE_V1 };
	static const struct shape odd = { .out = { 16 }, .align = 1, .offset = 1, .tail = 1 };
	struct reqs_opt o = { 0 };
	struct blk b;
	struct blk_req r = { .type = VIRTIO_BLK_T_OUT, .data = buf, .len = 8192, .shape = &odd };
	bool flushes = true;

	t_need(blk_start(&b, &o, fd), "device");
	blk_io(&b, VIRTIO_BLK_T_IN, 0, buf, 4096);
	blk_io(&b, VIRTIO_BLK_T_IN, 0, buf, 512 * (info.logical_block_size / 512));
	blk_run(&b, 0, &r);
	blk_io(&b, VIRTIO_BLK_T_FLUSH, 0, NULL, 0);
	blk_io(&b, VIRTIO_BLK_T_GET_ID, 0, buf, 20);
	blk_io(&b, 77, 0, buf, 20);
	blk_io(&b, VIRTIO_BLK_T_OUT, info.capacity, buf, 4096);
	t_need(blk_stats(&b, 0, &s), "statistics");
	t_ok(s.reads == 2 && s.writes == 2 && s.others == 2 && s.flushes == flushes,
	     "counted: %llu reads, %llu writes, %llu flushes, %llu others",
	     (unsigned long long)s.reads, (unsigned long long)s.writes,
	     (unsigned long long)s.flushes, (unsigned long long)s.others);
	t_ok(s.read_bytes == 4096 + info.logical_block_size && s.write_bytes == 8192,
	     "counted: %llu and %llu bytes", (unsigned long long)s.read_bytes,
	     (unsigned long long)s.write_bytes);
	t_ok(s.errors == 1 && s.unsupported == 1 && s.inflight == 0 &&
	     s.last_error_sector == info.capacity && s.last_errno,
	     "counted: %llu errors, the last (%u) at %llu", (unsigned long long)s.errors,
	     s.last_errno, (unsigned long long)s.last_error_sector);
	t_ok(s.bounced == (is_bdev || direct), "counted: %llu were copied: odd addresses",
	     (unsigned long long)s.bounced);
	t_ok(!ioctl(b.q.dev.fd, VHOST_BLK_GET_STATS, &small) && small.reads == 2,
	     "statistics: the first version's size");
	small = (struct vhost_blk_stats){ .size = VHOST_BLK_STATS_SIZE_V1 - 8 };
	t_ok(ioctl(b.q.dev.fd, VHOST_BLK_GET_STATS, &small) && errno == EINVAL,
	     "statistics: too small");
	small = (struct vhost_blk_stats){ .size = sizeof(small), .index = 64 };
	t_ok(ioctl(b.q.dev.fd, VHOST_BLK_GET_STATS, &small) && errno == ENOBUFS,
	     "statistics: no such queue");
	blk_close(&b);
}

/* The file that a loop device is of, or the file itself; false: its size is fixed */
static bool backing(char *file, size_t size)
{
	char name[200], *end;
	struct stat st;

	if (!is_bdev)
		return snprintf(file, size, "%s", path) > 0;
	stat(path, &st);
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/loop/backing_file", major(st.st_rdev),
		 minor(st.st_rdev));
	if (t_read_file(name, file, size) <= 0)
		return false;
	end = strchr(file, '\n');
	if (end)
		*end = 0;
	return true;
}

static int resize(const char *file, uint64_t size)
{
	return truncate(file, size) ? -errno : is_bdev ? blk_sh("losetup -c %s", path) : 0;
}

static void test_resize(struct blk *b, int fd)
{
	uint64_t size = info.capacity * BLK_SECTOR, end = info.capacity;
	struct vhost_blk_info i;
	char file[200];

	if (!backing(file, sizeof(file)))
		return;
	t_need(resize(file, size + (1 << 20)), "resize");
	t_ok(!blk_info(b, fd, &i) && i.capacity == end + 2048, "it grew by 1 MiB: info knows");
	is_status(blk_io(b, VIRTIO_BLK_T_OUT, end + 2040, buf, 4096), 0, "a write at the new end");
	is_status(blk_io(b, VIRTIO_BLK_T_IN, end, buf, PIECE), 0, "a read beyond the old end");
	is_status(blk_io(b, VIRTIO_BLK_T_IN, end + 2048, buf, 512), IOERR, "but not beyond the new");
	t_need(resize(file, size), "resize");
	t_ok(!blk_info(b, fd, &i) && i.capacity == end, "it shrinks: info knows");
	is_status(blk_io(b, VIRTIO_BLK_T_IN, end, buf, 4096), IOERR, "no read beyond the end");
	is_status(blk_io(b, VIRTIO_BLK_T_OUT, end, buf, 4096), IOERR, "no write either");
	is_status(blk_io(b, VIRTIO_BLK_T_IN, end - 8, buf, 4096), 0, "a read up to it");
}

/* Flushes that the device below has seen, its 16th counter; ~0 when there is none */
static uint64_t flushes(void)
{
	char name[80], text[400], *p = text;
	unsigned int i;
	struct stat st;
	dev_t dev;

	stat(path, &st);
	dev = is_bdev ? st.st_rdev : st.st_dev;
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/stat", major(dev), minor(dev));
	if (t_read_file(name, text, sizeof(text)) <= 0)
		return ~0ULL;
	for (i = 0; i < 15; i++)
		strtoull(p, &p, 10);
	return strtoull(p, NULL, 10);
}

static uint64_t flushes_of_writes(struct blk *b)
{
	uint64_t n = flushes();
	int i;

	for (i = 0; i < 8; i++)
		if (blk_io(b, VIRTIO_BLK_T_OUT, 8 * i, buf, 4096))
			return ~0ULL;
	return flushes() - n;
}

/*
 * Writethrough: each write is stable when it completes. On a device with a cache and without FUA, a
 * loop device say, each costs a flush, which can be counted.
 */
static void test_writeback(struct blk *b)
{
	char name[80], text[64] = "";
	struct stat st;
	uint64_t n;
	dev_t dev;

	stat(path, &st);
	dev = is_bdev ? st.st_rdev : st.st_dev;
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/queue/fua", major(dev), minor(dev));
	if (t_read_file(name, text, sizeof(text)) <= 0 || atoi(text) || flushes() == ~0ULL)
		return;
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/queue/write_cache", major(dev), minor(dev));
	if (t_read_file(name, text, sizeof(text)) <= 0 || strcmp(text, "write back\n"))
		return;
	/* device-mapper counts none of its own. */
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/dm", major(dev), minor(dev));
	if (!access(name, F_OK))
		return;
	t_ok(!is_bdev || b->q.dev.user || info.flags & VHOST_BLK_INFO_VOLATILE, "info: there is a volatile cache");
	n = flushes_of_writes(b);
	t_ok(!n, "writeback: 8 writes, %llu flushes", (unsigned long long)n);
	blk_io(b, VIRTIO_BLK_T_OUT, 0, buf, 4096);
	n = flushes();
	blk_io(b, VIRTIO_BLK_T_FLUSH, 0, NULL, 0);
	t_ok(flushes() > n, "FLUSH is one");
	t_need(blk_writeback(b, 0), "writeback");
	n = flushes_of_writes(b);
	t_ok(n >= 8 && n != ~0ULL, "writethrough: 8 writes, %llu flushes", (unsigned long long)n);
	t_need(blk_writeback(b, 1), "writeback");
	n = flushes_of_writes(b);
	t_ok(!n, "writeback again: %llu flushes", (unsigned long long)n);
}

/* The page cache of whoever reads the device must not keep what was there before. */
static void test_cache(struct blk *b)
{
	int fd = blk_file(path, O_RDONLY, false);

	fill_piece();
	t_need(pread(fd, now, PIECE, PIECE) == PIECE ? 0 : -errno, "read");
	blk_fill(buf, PIECE, 1234);
	is_status(blk_io(b, VIRTIO_BLK_T_OUT, PIECE / BLK_SECTOR, buf, PIECE), 0, "a write");
	t_ok(pread(fd, now, PIECE, PIECE) == PIECE && !memcmp(now, buf, PIECE),
	     "a reader through the page cache sees it");
	if (info.max_write_zeroes_sectors) {
		is_status(clear(b, VIRTIO_BLK_T_WRITE_ZEROES, 0, PIECE, 0), 0, "WRITE_ZEROES");
		memset(buf, 0, PIECE);
		t_ok(pread(fd, now, PIECE, PIECE) == PIECE && !memcmp(now, buf, PIECE),
		     "a reader through the page cache sees it");
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct reqs_opt o = { .indirect_max = 16, .max_data = 2 * PIECE };
	struct stat st;
	struct blk b;
	int fd;

	if (argc == 3 && !strcmp(argv[1], "-d"))
		direct = true;
	t_need(argc == 2 + direct ? 0 : -EINVAL, "usage: blk-req [-d] BACKEND");
	path = argv[1 + direct];
	t_need(stat(path, &st) ? -errno : 0, path);
	is_bdev = S_ISBLK(st.st_mode);
	fd = blk_file(path, O_RDWR, direct);
	buf = blk_buf(2 * PIECE);
	was = blk_buf(2 * PIECE);
	now = blk_buf(2 * PIECE);
	t_need(blk_start(&b, &o, fd), blk_device());
	t_need(blk_info(&b, fd, &info), "info");

	test_get_id(&b);
	test_flush(&b);
	test_bounds(&b);
	test_unknown(&b);
	test_failures_mixed(&b);
	test_zeroes(&b);
	test_discard(&b);
	test_cache(&b);
	test_writeback(&b);
	if (b.q.dev.user) {
		blk_close(&b);
		return t_done();
	}
	test_info(&b, fd);
	test_no_unmap(&b, fd);
	test_rdonly_all(&b, fd);
	test_resize(&b, fd);
	test_ioctl(&b, fd);
	blk_close(&b);
	test_stats(fd);
	return t_done();
}

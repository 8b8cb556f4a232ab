// SPDX-License-Identifier: GPL-2.0
/*
 * Errors of the back end reach the driver, at the place where they are, and nothing else does. TAP on
 * stdout.
 *
 *	blk-error BACKEND	a block device of 8 MiB or more; device-mapper targets are put onto it
 *	blk-error -f FILE	on a file system with 4 to 12 MiB left; the file is made
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/blk.h"

#define DM		"vblk-error"
#define DM_PATH		"/dev/mapper/" DM
#define SECTORS		8192
#define BAD		4001
#define IOERR		VIRTIO_BLK_S_IOERR

static const char *path;
static unsigned char *buf, *was;

static void dm_create(const char *table)
{
	t_need(blk_sh("dmsetup create " DM " --table '%s'", table), "dmsetup");
}

static void dm_remove(void)
{
	blk_sh("for i in 1 2 3 4 5 6 7 8 9 10; do dmsetup remove " DM " 2>/dev/null && exit; "
	       "sleep 0.2; done; exit 1");
}

static void is_status(int got, int want, const char *what)
{
	t_ok(got == want, "%s: %s", what, blk_status(got));
}

static void is_last(struct blk *b, unsigned int err, uint64_t sector)
{
	struct vhost_blk_stats st;

	t_need(blk_stats(b, 0, &st), "statistics");
	t_ok(st.last_errno == err && st.last_error_sector == sector,
	     "statistics: error %u of the request at %llu", st.last_errno,
	     (unsigned long long)st.last_error_sector);
}

static void test_bad_sector(void)
{
	static const struct { uint32_t from, sectors; } around[] = {
		{ BAD - 1, 1 }, { BAD + 1, 1 }, { BAD - 128, 128 }, { BAD + 1, 127 },
	};
	struct reqs_opt o = { .max_data = 128 << 10 };
	char table[300];
	unsigned int i, t, k;
	struct blk b;
	int fd, ret;

	fd = blk_file(path, O_RDWR, false);
	blk_fill(was, SECTORS * 512, 8);
	t_need(blk_file_write(path, was, SECTORS * 512, 0), "write");
	close(fd);
	snprintf(table, sizeof(table), "0 %u linear %s 0\n%u 1 error\n%u %u linear %s %u", BAD, path,
		 BAD, BAD + 1, SECTORS - BAD - 1, path, BAD + 1);
	dm_create(table);
	fd = blk_file(DM_PATH, O_RDWR, false);
	t_need(blk_start(&b, &o, fd), "device");
	for (t = 0; t < 2; t++) {
		const char *what = t ? "write" : "read";
		unsigned int bad = 0, good = 0;

		is_status(blk_io(&b, t, BAD, buf, 512), IOERR, t ? "a write of the bad sector" :
			  "a read of the bad sector");
		is_last(&b, EIO, BAD);
		is_status(blk_io(&b, t, BAD - 100, buf, 128 << 9), IOERR, "a large one around it");
		is_last(&b, EIO, BAD - 100);
		for (i = 0; i < ARRAY_SIZE(around); i++) {
			memcpy(buf, was + around[i].from * 512, around[i].sectors * 512);
			ret = blk_io(&b, t, around[i].from, buf, around[i].sectors * 512);
			t_ok(!ret && !memcmp(buf, was + around[i].from * 512,
					     around[i].sectors * 512),
			     "a %s of %u sectors from %u, next to it: %s", what, around[i].sectors,
			     around[i].from, blk_status(ret));
		}
		/* One by one: exactly that sector fails. */
		for (k = BAD - 20; k < BAD + 20; k++) {
			memcpy(buf, was + k * 512, 512);
			ret = blk_io(&b, t, k, buf, 512);
			good += !ret;
			bad += ret == IOERR && k == BAD;
		}
		t_ok(good == 39 && bad == 1, "%ss sector by sector: %u good, the bad one fails", what,
		     good);
	}
	blk_close(&b);
	close(fd);
	dm_remove();
	ret = blk_file_read(path, buf, SECTORS * 512, 0);
	/* What the large write had around the bad sector may have been written or not. */
	memcpy(buf + (BAD - 100) * 512, was + (BAD - 100) * 512, 128 * 512);
	t_ok(!ret && !memcmp(buf, was, SECTORS * 512), "nothing was written elsewhere");
}

static void test_flakey(void)
{
	struct reqs_opt o = { 0 };
	char table[200];
	struct blk b;
	int fd, ret;

	snprintf(table, sizeof(table), "0 %u flakey %s 0 0 1000 1 error_writes", SECTORS, path);
	if (blk_sh("dmsetup create " DM " --table '%s' 2>/dev/null", table)) {
		t_skip("no dm-flakey");
		return;
	}
	memcpy(was, buf, 4096);
	t_need(blk_file_write(path, was, 4096, 0), "write");
	fd = blk_file(DM_PATH, O_RDWR, false);
	t_need(blk_start(&b, &o, fd), "device");
	memset(buf, 3, 4096);
	ret = blk_io(&b, VIRTIO_BLK_T_OUT, 0, buf, 4096);
	is_status(ret, IOERR, "a device that takes no writes: a write");
	ret = blk_io(&b, VIRTIO_BLK_T_IN, 0, buf, 4096);
	t_ok(!ret && !memcmp(buf, was, 4096), "a read delivers: %s", blk_status(ret));
	blk_close(&b);
	close(fd);
	dm_remove();
}

/* What cannot be allocated is an error of the write; what is there can still be read and written. */
static void test_full(bool direct)
{
	struct reqs_opt o = { .depth = 8 };
	struct vhost_blk_stats st;
	uint32_t len = 64 << 10;
	uint64_t at = 0;
	struct blk b;
	int fd, ret;

	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | (direct ? O_DIRECT : 0), 0600);
	if (fd < 0 && errno == EINVAL) {
		t_skip("no O_DIRECT here");
		return;
	}
	t_need(fd < 0 ? -errno : 0, path);
	t_need(ftruncate(fd, 16 << 20) ? -errno : 0, path);
	t_need(blk_start(&b, &o, fd), "device");
	blk_fill(buf, len, 1);
	while ((ret = blk_io(&b, VIRTIO_BLK_T_OUT, at / 512, buf, len)) == 0 && at < 16 << 20)
		at += len;
	t_ok(ret == IOERR && at, "the file system is full after %llu KiB: %s",
	     (unsigned long long)at >> 10, blk_status(ret));
	blk_stats(&b, 0, &st);
	t_ok(st.last_errno == ENOSPC && st.last_error_sector == at / 512, "statistics: error %u at %llu",
	     st.last_errno, (unsigned long long)st.last_error_sector);
	is_status(blk_io(&b, VIRTIO_BLK_T_OUT, 0, buf, len), 0, "a write to what is allocated");
	ret = blk_io(&b, VIRTIO_BLK_T_IN, 0, was, len);
	t_ok(!ret && !memcmp(was, buf, len), "a read: %s", blk_status(ret));
	is_status(blk_io(&b, VIRTIO_BLK_T_IN, (15 << 20) / 512, was, len), 0, "a read of a hole");
	is_status(blk_io(&b, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), 0, "FLUSH");
	blk_close(&b);
	close(fd);
	unlink(path);
}

int main(int argc, char **argv)
{
	bool file = argc == 3 && !strcmp(argv[1], "-f");

	t_need(argc == 2 + file ? 0 : -EINVAL, "usage: blk-error BACKEND | -f FILE");
	path = argv[1 + file];
	buf = blk_buf(SECTORS * 512);
	was = blk_buf(SECTORS * 512);
	if (file) {
		test_full(false);
		test_full(true);
		return t_done();
	}
	test_bad_sector();
	test_flakey();
	return t_done();
}

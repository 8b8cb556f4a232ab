// SPDX-License-Identifier: GPL-2.0
/*
 * Reads and writes through /dev/vhost-blk, in every shape a request can have over descriptors, seen
 * from both sides. TAP on stdout.
 *
 *	blk-data [-d] [-q] BACKEND
 *
 *	-d	open the file with O_DIRECT
 *	-q	quick: fewer shapes and less at random
 *
 * Mistakes of earlier attempts at a vhost-blk that this would catch: one iovec assumed for the header
 * (test_shapes); used.len without the status byte (each request, lib/blk.c); single worker per device
 * (test_workers).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost_shunt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/blkmix.h"

#define MAX	(64u << 10)

static const char *path;
static bool direct, quick;
static uint32_t unit;
static unsigned char *data, *got, *before;

static const struct shape shapes[] = {
	{ .name = "plain", .out = { 16 }, .tail = 1 },
	{ .name = "header 1 + 15", .out = { 1, 15 }, .tail = 1 },
	{ .name = "header 15 + 1", .out = { 15, 1 }, .tail = 1 },
	{ .name = "header 8 + 8", .out = { 8, 8 }, .tail = 1 },
	{ .name = "header in 16 descriptors",
	  .out = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, .tail = 1 },
	{ .name = "data behind the header, status behind the data" },
	{ .name = "header and a part of the data", .out = { 16 + 100 }, .tail = 1 },
	{ .name = "header cut, its end with data", .out = { 7, 200 }, .tail = 1 },
	{ .name = "status in the descriptor of the data", .out = { 16 } },
	{ .name = "status with the end of split data", .out = { 16 }, .in = { 300 } },
	{ .name = "status alone after split data", .out = { 16 }, .in = { 300, 7, 5 }, .tail = 1 },
	{ .name = "odd addresses", .out = { 16 }, .align = 1, .offset = 3, .tail = 1 },
	{ .name = "odd addresses, no gap", .align = 1, .offset = 1 },
	{ .name = "sectors, but not pages", .out = { 16 }, .offset = 512, .tail = 1 },
	{ .name = "one sector a descriptor", .out = { 16 }, .cut = 512, .align = 512, .tail = 1 },
	{ .name = "pages and a half", .out = { 16 }, .cut = 6144, .align = 512, .tail = 1 },
	{ .name = "a page, not at its beginning", .out = { 16 }, .cut = 4096, .offset = 2048, .tail = 1 },
	{ .name = "a hole in the middle", .out = { 16, 511, 1, 512 }, .in = { 511, 1, 512 }, .tail = 1 },
	{ .name = "511 bytes a descriptor", .out = { 16 }, .cut = 511, .align = 1, .offset = 1, .tail = 1 },
	{ .name = "7 bytes a descriptor", .out = { 16 }, .cut = 7, .align = 16, .tail = 1 },
	{ .name = "1 byte a descriptor", .out = { 16 }, .cut = 1, .align = 4, .offset = 1, .tail = 1 },
};

/* What the other side sees, for a file without O_DIRECT as for a device below its page cache */
static int far_read(void *buf, uint32_t len, uint64_t at)
{
	return blk_file_read(path, buf, len, at);
}

/* Write, look from the other side, write from the other side, read. Where neighbours must not change */
static int both_ways(struct blk *b, unsigned int q, const struct shape *s, uint64_t at,
		     uint32_t len)
{
	struct blk_req r = { .type = VIRTIO_BLK_T_OUT, .sector = at / BLK_SECTOR, .data = data,
			     .len = len, .shape = s };
	uint32_t room = unit > 4096 ? unit : 4096;
	int ret;

	blk_fill(data, len, at + len);
	ret = far_read(before, len + 2 * room, at - room) ?: blk_run(b, q, &r);
	if (ret || r.status)
		return ret ?: -EIO;
	memcpy(before + room, data, len);
	ret = far_read(got, len + 2 * room, at - room);
	if (ret || memcmp(got, before, len + 2 * room)) {
		b->q.why = "write";
		return ret ?: -EBADMSG;
	}
	blk_fill(got, len, at + len + 1);
	ret = blk_file_write(path, got, len, at);
	r.type = VIRTIO_BLK_T_IN;
	ret = ret ?: blk_run(b, q, &r);
	if (ret || r.status)
		return ret ?: -EIO;
	b->q.why = "read";
	return memcmp(got, data, len) ? -EBADMSG : 0;
}

/* How many descriptors the data need at least; a chain has no more than the ring. */
static bool fits(const struct shape *s, uint32_t len, unsigned int num)
{
	return !s->cut || len / s->cut + 8 <= num;
}

static void test_shapes(int fd, unsigned int indirect_max)
{
	static const uint32_t lens[] = { 512, 4096, 5 * 512, 12 << 10, MAX - 512, MAX };
	struct reqs_opt o = { .num = 1024, .indirect_max = indirect_max, .max_data = 2 * MAX,
			     .depth = 2 };
	unsigned int i, j, n;
	struct blk b;
	int ret;

	t_need(blk_start(&b, &o, fd), "device");
	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		for (ret = 0, j = 0, n = 0; j < ARRAY_SIZE(lens) && !ret; j++) {
			if (lens[j] % unit || !fits(&shapes[i], lens[j], 1024) ||
			    (quick && j % 3))
				continue;
			ret = both_ways(&b, 0, &shapes[i], (64 << 10) + 4096 * i, lens[j]);
			n++;
		}
		if (n)
			t_ok(!ret, "%s%s, %u sizes: %s %s", shapes[i].name,
			     indirect_max ? ", indirect" : "", n, t_err(ret), ret ? b.q.why : "");
	}
	blk_close(&b);
}

/* One request of up to 1 MiB, at the beginning and at the very end */
static void test_large(int fd)
{
	uint32_t len = 1 << 20;
	struct shape pages = { .out = { 16 }, .cut = 4096, .tail = 1 };
	struct reqs_opt o = { .num = 512, .max_data = len, .depth = 1, .indirect_max = 300 };
	struct blk_req r = { .type = VIRTIO_BLK_T_OUT, .len = len };
	unsigned char *out = blk_buf(len), *in = blk_buf(len);
	uint64_t end = blk_file_size(fd) & ~(uint64_t)(unit - 1);
	struct blk b;
	int ret, i;

	t_need(blk_start(&b, &o, fd), "device");
	for (i = 0; i < 3; i++) {
		blk_fill(out, len, i);
		r = (struct blk_req){ .type = VIRTIO_BLK_T_OUT, .len = len, .data = out,
				      .sector = i == 1 ? (end - len) / BLK_SECTOR : 0,
				      .shape = i == 2 ? &pages : &blk_plain };
		ret = blk_run(&b, 0, &r) ?: r.status ? -EIO : 0;
		ret = ret ?: far_read(in, len, r.sector * BLK_SECTOR);
		t_ok(!ret && !memcmp(in, out, len), "a write of 1 MiB%s%s: %s", i == 1 ? " at the end" : "",
		     i == 2 ? " in pages" : "", t_err(ret));
		memset(in, 0, len);
		r.type = VIRTIO_BLK_T_IN;
		r.data = in;
		ret = blk_run(&b, 0, &r) ?: r.status ? -EIO : 0;
		t_ok(!ret && !memcmp(in, out, len), "and a read: %s", t_err(ret));
	}
	blk_close(&b);
	free(out);
	free(in);
}

static void test_mix(int fd)
{
	static const struct {
		unsigned int queues, depth, num, indirect_max;
		uint16_t base;
		bool plain;
	} m[] = {
		{ 1, 1, 256, 0, 0, false },
		{ 1, 32, 256, 32, 0, true },
		{ 1, 128, 1024, 0, 65000, false },
		{ 4, 64, 256, 64, 0, false },
	};
	unsigned int i;

	for (i = quick ? 3 : 0; i < ARRAY_SIZE(m); i++) {
		struct reqs_opt o = { .num = m[i].num, .queues = m[i].queues, .depth = m[i].depth,
				     .indirect_max = m[i].indirect_max, .base = m[i].base };
		struct blk b;
		struct blkmix mix = { .b = &b, .path = path, .size = 4 << 20, .unit = unit,
				      .depth = m[i].depth, .reads = 50, .plain = m[i].plain,
				      .seed = i + 1 };

		t_need(blk_start(&b, &o, fd), "device");
		blkmix_test(&mix, quick ? 300 : 600, "%u queues, %u requests deep, ring of %u from %u%s",
			    m[i].queues, m[i].depth, m[i].num, m[i].base,
			    m[i].plain ? ", whole pages" : "");
		blk_close(&b);
	}
}

/* Each queue may have its own worker, and there are 64 of them. */
static void test_workers(int fd)
{
	struct reqs_opt o = { .queues = VHOST_BLK_MAX_QUEUES, .num = 64, .depth = 4, .max_data = 8192 };
	struct vhost_vring_worker vw = { 0 };
	struct vhost_worker_state w;
	struct vhost_blk_stats st;
	unsigned int i, idle = 0;
	struct blk b;
	struct blkmix mix = { .b = &b, .path = path, .size = 4 << 20, .unit = unit, .depth = 128,
			      .reads = 50, .max = 8192 };
	pid_t tid[8];
	int ret = 0;

	t_need(blk_start(&b, &o, fd), "device");
	for (i = 1; i < 4 && !ret; i++) {
		ret = ioctl(b.q.dev.fd, VHOST_NEW_WORKER, &w) ? -errno : 0;
		vw = (struct vhost_vring_worker){ .index = i, .worker_id = w.worker_id };
		if (!ret && ioctl(b.q.dev.fd, VHOST_ATTACH_VRING_WORKER, &vw))
			ret = -errno;
	}
	t_ok(!ret && vdrv_worker_find(getpid(), tid, 8) == 4, "queues have workers of their own: %s",
	     t_err(ret));
	blkmix_test(&mix, 800, "%u queues, 4 workers", b.q.queues);
	for (i = 0; i < b.q.queues; i++)
		idle += blk_stats(&b, i, &st) || !(st.reads + st.writes);
	t_ok(!idle, "each of them was at work: %u were not", idle);
	blk_close(&b);
}

int main(int argc, char **argv)
{
	struct vhost_blk_info info;
	struct reqs_opt o = { 0 };
	struct blk b;
	int fd, c, ret;

	while ((c = getopt(argc, argv, "dq")) != -1) {
		direct |= c == 'd';
		quick |= c == 'q';
	}
	t_need(optind + 1 == argc ? 0 : -EINVAL, "usage: blk-data [-d] [-q] BACKEND");
	path = argv[optind];
	fd = blk_file(path, O_RDWR, direct);
	ret = blk_open(&b, &o);
	t_need(ret, blk_device());
	t_need(blk_info(&b, fd, &info), "info");
	unit = info.logical_block_size;
	blk_close(&b);
	data = blk_buf(4 * MAX);
	got = blk_buf(4 * MAX);
	before = blk_buf(4 * MAX);

	test_shapes(fd, 0);
	if (!quick) {
		test_shapes(fd, 256);
		test_large(fd);
		if (!b.q.dev.user)
			test_workers(fd);
	}
	test_mix(fd);
	return t_done();
}

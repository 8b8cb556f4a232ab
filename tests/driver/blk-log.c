// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log of /dev/vhost-blk: every page that the device wrote is marked, be it data, the status
 * byte or the ring, and no other. TAP on stdout.
 *
 *	blk-log BACKEND
 *
 * A mistake of earlier attempts that this would catch: data written by the device not in the dirty log.
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

#define PAGE	4096ULL
#define LOG	VDRV_BIT(VHOST_F_LOG_ALL)

static unsigned char *bitmap, *was, *buf;
static size_t bitmap_size;

static bool marked(uint64_t gpa)
{
	return bitmap[gpa / PAGE / 8] & 1 << gpa / PAGE % 8;
}

static unsigned int marks(void)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < bitmap_size; i++)
		n += __builtin_popcount(bitmap[i]);
	return n;
}

static int log_on(struct blk *b)
{
	uint64_t base, features = b->dev.features | LOG;
	unsigned int q;

	bitmap_size = ((VDRV_GPA + b->mem.size) / PAGE / 8 + 2 * PAGE - 1) & ~(PAGE - 1);
	free(bitmap);
	bitmap = blk_buf(bitmap_size);
	base = (uintptr_t)bitmap;
	if (ioctl(b->dev.fd, VHOST_SET_LOG_BASE, &base))
		return -errno;
	for (q = 0; q < b->queues; q++) {
		struct vdrv_vq *vq = &b->vq[q];
		struct vhost_vring_addr a = {
			.index = q,
			.flags = 1 << VHOST_VRING_F_LOG,
			.desc_user_addr = (uintptr_t)vq->desc,
			.avail_user_addr = (uintptr_t)vq->avail,
			.used_user_addr = (uintptr_t)vq->used,
			.log_guest_addr = VDRV_GPA + ((unsigned char *)vq->used - b->mem.va),
		};

		if (ioctl(b->dev.fd, VHOST_SET_VRING_ADDR, &a))
			return -errno;
	}
	return ioctl(b->dev.fd, VHOST_SET_FEATURES, &features) ? -errno : 0;
}

/*
 * A request that the device completes: what differs afterwards is marked, and no more than that and
 * what lies in pages the device may write: @in of them for data and status, the ring's.
 */
static void exact(struct blk *b, struct blk_req *r, unsigned int in, const char *what)
{
	unsigned int missing = 0, n = 0, other = 0;
	uint64_t slots = b->pool - VDRV_GPA, at;
	int ret;

	ret = blk_submit(b, 0, r);
	memset(bitmap, 0, bitmap_size);
	memcpy(was, b->mem.va, b->mem.size);
	/* Not by blk_run(): it looks at the data before we do. */
	ret = ret ?: blk_kick(b, 0) ?: blk_wait(b, 0, BLK_TIMEOUT_MS);
	for (at = 0; at < b->mem.size; at += PAGE) {
		bool m = marked(VDRV_GPA + at), d = memcmp(was + at, b->mem.va + at, PAGE);

		/* Pages of the driver's areas are its own: the device's is checked by what differs. */
		missing += d && !m && (at >= slots ||
				       at >= (uint64_t)((unsigned char *)b->vq[0].used - b->mem.va));
		n += m && at >= slots;
		other += m;
	}
	other = marks() - other;
	ret = ret ?: blk_finish(b, BLK_TIMEOUT_MS);
	t_ok(!ret && !missing && n == in && !other,
	     "%s: %u pages marked of %u, %u missing, %u outside of memory, %s %s", what, n, in, missing,
	     other, t_err(ret), ret ? b->why : "");
}

static void test_exact(int fd)
{
	static const struct blk_shape odd = { .out = { 16 }, .align = 4096, .offset = 4091, .cut = 9000 };
	static const struct blk_shape joined = { .out = { 16 }, .joined = true };
	struct blk_opt o = { .depth = 2 };
	struct blk_req r;
	struct blk b;

	t_need(blk_open(&b, &o), "device");
	was = blk_buf(b.mem.size);
	t_need(log_on(&b), "log");
	t_need(blk_backend(&b, 0, fd, 0), "back end");

	r = (struct blk_req){ .type = VIRTIO_BLK_T_IN, .data = buf, .len = 16384 };
	exact(&b, &r, 5, "a read of four pages");
	r.shape = &joined;
	exact(&b, &r, 5, "the status behind them");
	r.shape = &odd;
	/* 9000 bytes from 5 before a page's end on: 4 pages; the rest of 7384: 3; the status: 1 */
	exact(&b, &r, 8, "a read to odd addresses");
	r = (struct blk_req){ .type = VIRTIO_BLK_T_OUT, .data = buf, .len = 16384 };
	exact(&b, &r, 1, "a write");
	r.shape = &odd;
	exact(&b, &r, 1, "a write from odd addresses");
	r = (struct blk_req){ .type = VIRTIO_BLK_T_IN, .sector = 1ULL << 40, .data = buf, .len = 8192 };
	exact(&b, &r, 1, "a read that fails");
	r = (struct blk_req){ .type = VIRTIO_BLK_T_FLUSH };
	exact(&b, &r, 1, "FLUSH");
	r = (struct blk_req){ .type = VIRTIO_BLK_T_GET_ID, .data = buf, .len = 20 };
	exact(&b, &r, 2, "GET_ID");
	r = (struct blk_req){ .type = 1234, .data = buf, .len = 100 };
	exact(&b, &r, 1, "an unknown type");
	blk_close(&b);
	free(was);
}

/* Many requests at a time, in shapes of all kinds: whatever differs afterwards is marked. */
static void test_random(int fd)
{
	static const struct blk_shape shapes[] = {
		{ .out = { 16 } },
		{ .out = { 16 }, .joined = true },
		{ .out = { 7, 200 }, .in = { 100, 4095, 1 }, .align = 1, .offset = 3 },
		{ .out = { 16 }, .cut = 512, .align = 512 },
		{ .out = { 16 }, .cut = 6000, .offset = 4000 },
	};
	struct blk_opt o = { .depth = 20, .num = 1024 };
	unsigned int missing = 0, round, i;
	uint64_t slots, at, end;
	struct blk_req r[20];
	struct blk b;
	int ret = 0;

	t_need(blk_open(&b, &o), "device");
	was = blk_buf(b.mem.size);
	slots = b.pool - VDRV_GPA;
	t_need(log_on(&b), "log");
	t_need(blk_backend(&b, 0, fd, 0), "back end");
	for (round = 0; round < 10 && !ret; round++) {
		for (i = 0; i < 20 && !ret; i++) {
			r[i] = (struct blk_req){ .type = i % 7 == 6, .sector = i, .data = buf,
						 .len = 512 << i % 6,
						 .shape = &shapes[(i + round) % ARRAY_SIZE(shapes)] };
			ret = blk_submit(&b, 0, &r[i]);
		}
		memset(bitmap, 0, bitmap_size);
		memcpy(was, b.mem.va, b.mem.size);
		ret = ret ?: blk_kick(&b, 0);
		for (end = t_now_ms() + 5000; !vdrv_vq_all_used(&b.vq[0]) && t_now_ms() < end;)
			t_sleep_ms(1);
		for (at = slots; at < b.mem.size; at += PAGE)
			missing += memcmp(was + at, b.mem.va + at, PAGE) && !marked(VDRV_GPA + at);
		ret = ret ?: blk_finish(&b, BLK_TIMEOUT_MS);
	}
	t_ok(!ret && !missing, "20 at a time: %u pages changed and not marked: %s %s", missing,
	     t_err(ret), ret ? b.why : "");
	blk_close(&b);
	free(was);
}

int main(int argc, char **argv)
{
	int fd;

	t_need(argc == 2 ? 0 : -EINVAL, "usage: blk-log BACKEND");
	fd = blk_file(argv[1], O_RDWR, false);
	buf = blk_buf(65536);
	blk_fill(buf, 65536, 3);
	t_need(blk_file_write(argv[1], buf, 65536, 0), "write");
	test_exact(fd);
	test_random(fd);
	return t_done();
}

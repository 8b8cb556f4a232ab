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
#include <string.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/blk.h"
#include "lib/dirty.h"

static struct dirty d;
static unsigned char *buf;

static int log_on(struct blk *b)
{
	return dirty_on(&d, &b->q.dev, &b->q.mem, b->q.vq, b->q.queues, b->q.pool);
}

/*
 * A request that the device completes: what differs afterwards is marked, and no more than that and
 * what lies in pages the device may write: @in of them for data and status, the ring's.
 */
static void exact(struct blk *b, struct blk_req *r, unsigned int in, const char *what)
{
	int ret;

	dirty_settle(&b->q.dev, 0);
	ret = blk_submit(b, 0, r);
	ret = ret ?: dirty_run(&d, &b->q, 0);
	t_ok(!ret && !d.missing && d.marked == in && !d.outside,
	     "%s: %u pages marked of %u, %u missing, %u outside of memory, %s %s", what, d.marked, in,
	     d.missing, d.outside, t_err(ret), ret ? b->q.why : "");
}

static void test_exact(int fd)
{
	static const struct shape odd = { .out = { 16 }, .align = 4096, .offset = 4091, .cut = 9000, .tail = 1 };
	static const struct shape joined = { .out = { 16 } };
	struct reqs_opt o = { .depth = 2 };
	struct blk_req r;
	struct blk b;

	t_need(blk_open(&b, &o), "device");
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
}

/* Many requests at a time, in shapes of all kinds: whatever differs afterwards is marked. */
static void test_random(int fd)
{
	static const struct shape shapes[] = {
		{ .out = { 16 }, .tail = 1 },
		{ .out = { 16 } },
		{ .out = { 7, 200 }, .in = { 100, 4095, 1 }, .align = 1, .offset = 3, .tail = 1 },
		{ .out = { 16 }, .cut = 512, .align = 512, .tail = 1 },
		{ .out = { 16 }, .cut = 6000, .offset = 4000, .tail = 1 },
	};
	struct reqs_opt o = { .depth = 20, .num = 1024 };
	unsigned int missing = 0, round, i;
	struct blk_req r[20];
	struct blk b;
	int ret = 0;

	t_need(blk_open(&b, &o), "device");
	t_need(log_on(&b), "log");
	t_need(blk_backend(&b, 0, fd, 0), "back end");
	for (round = 0; round < 10 && !ret; round++) {
		dirty_settle(&b.q.dev, 0);
		for (i = 0; i < 20 && !ret; i++) {
			r[i] = (struct blk_req){ .type = i % 7 == 6, .sector = i, .data = buf,
						 .len = 512 << i % 6,
						 .shape = &shapes[(i + round) % ARRAY_SIZE(shapes)] };
			ret = blk_submit(&b, 0, &r[i]);
		}
		ret = ret ?: dirty_run(&d, &b.q, 0);
		missing += d.missing;
	}
	t_ok(!ret && !missing, "20 at a time: %u pages changed and not marked: %s %s", missing,
	     t_err(ret), ret ? b.q.why : "");
	blk_close(&b);
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

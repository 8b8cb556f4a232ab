// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log of /dev/vhost-scsi: every page that the device wrote is marked, be it data, response,
 * event or ring, and no other. TAP on stdout. The stock module marks the ring alone.
 *
 *	scsi-log WWPN	lun 0 of 8 MiB
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "dtest.h"
#include "lib/blk.h"
#include "lib/dirty.h"
#include "lib/scsi.h"

#define LEN	65536

static const char *wwpn;
static struct scsi s;
static struct dirty d;
static unsigned char *buf;

static void start(const struct reqs_opt *o)
{
	t_need(scsi_open(&s, o), "device");
	t_need(dirty_on(&d, &s.q.dev, &s.q.mem, s.q.vq, s.q.queues, s.q.pool), "log");
	t_need(scsi_endpoint(&s, wwpn, 1) ?: scsi_settle(&s, 0), "endpoint");
}

/*
 * A request that the device completes: what differs is marked, and @in pages of requests, or up to @may
 * where it cannot be known what LIO has written.
 */
static void exact(unsigned int q, struct scsi_req *r, unsigned int in, unsigned int may, const char *what)
{
	int ret;

	dirty_settle(&s.q.dev, q);
	ret = scsi_submit(&s, q, r);
	ret = ret ?: dirty_run(&d, &s.q, q);
	t_ok(!ret && (t_stock() || (!d.missing && d.marked >= in && d.marked <= may)) && !d.outside,
	     "%s: %u pages marked of %u, %u missing, %u outside of memory, %s %s", what, d.marked, in,
	     d.missing, d.outside, t_err(ret), ret ? s.q.why : "");
}

static void io(bool write, uint32_t len, const struct shape *shape, unsigned int in, const char *what)
{
	struct scsi_cmd c = { .req = { .shape = shape } };

	c.req.out = write ? buf : NULL;
	c.req.out_len = write ? len : 0;
	c.req.in = write ? NULL : buf;
	c.req.in_len = write ? 0 : len;
	scsi_cmd(&s, &c, 0, "%02x 00 00000000 00 %04x 00", write ? 0x2a : 0x28, len / SCSI_BLOCK);
	exact(SCSI_REQUEST, &c.req, in, in, what);
	t_ok(!scsi_result(&c), "it is good: %s", scsi_text(&c));
}

static void command(const char *cdb, uint32_t in_len, unsigned int in, const char *what)
{
	struct scsi_cmd c = { .req = { .in = buf, .in_len = in_len } };

	scsi_cmd(&s, &c, 0, "%s", cdb);
	exact(SCSI_REQUEST, &c.req, in, in + (in_len + DIRTY_PAGE - 1) / DIRTY_PAGE, what);
}

static void test_exact(void)
{
	static const struct shape odd = { .out = { SCSI_HDR }, .in = { SCSI_RESP }, .offset = 4091, .cut = 9000 };
	static const struct shape joined = { .out = { SCSI_HDR } };
	struct virtio_scsi_ctrl_tmf_req tmf = { .subtype = VIRTIO_SCSI_T_TMF_CLEAR_ACA };
	struct virtio_scsi_ctrl_tmf_resp resp;
	struct scsi_req t = { .hdr = &tmf, .hdr_len = sizeof(tmf), .resp = &resp, .resp_len = 1 };
	struct reqs_opt o = { .depth = 2 };

	start(&o);
	io(false, 16384, NULL, 5, "a read of four pages");
	/* 108 bytes of response, then 16384: into a fifth page */
	io(false, 16384, &joined, 5, "response and data in one");
	/* The response over 2 pages; 9000 bytes from 5 before a page's end on: 4 pages; the rest of 7384: 3 */
	io(false, 16384, &odd, 9, "a read to odd addresses");
	io(true, 16384, NULL, 1, "a write");
	io(true, 16384, &odd, 2, "a write from odd addresses");
	command("ff 00 00 00 00 00", 0, 1, "an unknown command: sense data");
	command("88 00 ffffffffffffffff 00000010 00 00", 8192, 1, "a read far behind the end");
	command("12 00 00 00 24 00", 8192, 2, "INQUIRY into two pages");
	command("00 00 00 00 00 00", 0, 1, "TEST UNIT READY");
	scsi_lun(tmf.lun, SCSI_TARGET, 0);
	exact(SCSI_CTRL, &t, 1, 1, "a task management function");
	scsi_close(&s);
}

/* Many at a time, in shapes of all kinds: whatever differs afterwards is marked. */
static void test_random(void)
{
	static const struct shape shapes[] = {
		{ .out = { SCSI_HDR }, .in = { SCSI_RESP } },
		{ .out = { SCSI_HDR } },
		{ .out = { 7, 200 }, .in = { 100, 4095, 1 }, .align = 1, .offset = 3 },
		{ .out = { SCSI_HDR }, .cut = 512, .align = 512 },
		{ .out = { SCSI_HDR }, .cut = 6000, .offset = 4000 },
	};
	struct reqs_opt o = { .depth = 20, .num = 1024 };
	unsigned int missing = 0, round, i;
	struct scsi_cmd c[20];
	int ret = 0;

	start(&o);
	for (round = 0; round < 10 && !ret; round++) {
		dirty_settle(&s.q.dev, SCSI_REQUEST);
		for (i = 0; i < 20 && !ret; i++) {
			uint32_t len = 512 << i % 6;
			bool write = i % 7 == 6;

			c[i] = (struct scsi_cmd){ .req = { .shape = &shapes[(i + round) % ARRAY_SIZE(shapes)] } };
			c[i].req.out = write ? buf : NULL;
			c[i].req.out_len = write ? len : 0;
			c[i].req.in = write ? NULL : buf;
			c[i].req.in_len = write ? 0 : len;
			scsi_cmd(&s, &c[i], 0, "%02x 00 %08x 00 %04x 00", write ? 0x2a : 0x28, i,
				 len / SCSI_BLOCK);
			ret = scsi_submit(&s, SCSI_REQUEST, &c[i].req);
		}
		ret = ret ?: dirty_run(&d, &s.q, SCSI_REQUEST);
		missing += d.missing;
	}
	t_ok(!ret && (t_stock() || !missing), "20 at a time: %u pages changed and not marked: %s %s", missing,
	     t_err(ret), ret ? s.q.why : "");
	scsi_close(&s);
}

int main(int argc, char **argv)
{
	t_need(argc == 2 ? 0 : -EINVAL, "usage: scsi-log WWPN");
	wwpn = argv[1];
	buf = blk_buf(LEN);
	blk_fill(buf, LEN, 3);
	test_exact();
	test_random();
	return t_done();
}

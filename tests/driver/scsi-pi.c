// SPDX-License-Identifier: GPL-2.0
/*
 * Protection information (VIRTIO_SCSI_F_T10_PI): tuples go with data both ways, and wrong ones are refused.
 * TAP on stdout.
 *
 *	scsi-pi WWPN	lun 0 with pi_prot_type=1
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "dtest.h"
#include "lib/blk.h"
#include "lib/scsi.h"

#define BLOCKS	8u
#define LEN	(BLOCKS * SCSI_BLOCK)
#define PI_LEN	((uint32_t)(BLOCKS * sizeof(struct tuple)))

/* SBC-4, 4.21.3 */
struct tuple {
	uint16_t guard;
	uint16_t app;
	uint32_t ref;
};

static struct scsi s;

/* What goes after the header or the response: tuples, then data */
struct both {
	struct tuple pi[BLOCKS];
	unsigned char data[LEN];
};

/* The polynomial of T10 DIF, 0x8bb7 */
static uint16_t crc(const unsigned char *p, size_t len)
{
	unsigned int c = 0, i;

	while (len--) {
		c ^= *p++ << 8;
		for (i = 0; i < 8; i++)
			c = c << 1 ^ (c & 0x8000 ? 0x8bb7 : 0);
		c &= 0xffff;
	}
	return c;
}

static void protect(struct both *b, uint32_t lba)
{
	unsigned int i;

	for (i = 0; i < BLOCKS; i++)
		b->pi[i] = (struct tuple){ htobe16(crc(b->data + i * SCSI_BLOCK, SCSI_BLOCK)),
					   htobe16(0x1234), htobe32(lba + i) };
}

static int io(struct scsi_cmd *c, bool write, uint32_t lba, struct both *b, const struct shape *shape)
{
	int ret;

	*c = (struct scsi_cmd){ .req = { .shape = shape } };
	c->req.out = write ? b : NULL;
	c->req.out_len = write ? sizeof(*b) : 0;
	c->req.in = write ? NULL : b;
	c->req.in_len = write ? 0 : sizeof(*b);
	/* RDPROTECT or WRPROTECT 1: check all of it. */
	scsi_cmd(&s, c, 0, "%02x 20 %08x 00 %04x 00", write ? 0x2a : 0x28, lba, BLOCKS);
	c->hdr_pi.pi_bytesout = htole32(write ? PI_LEN : 0);
	c->hdr_pi.pi_bytesin = htole32(write ? 0 : PI_LEN);
	ret = scsi_run(&s, SCSI_REQUEST, &c->req);
	return ret ?: scsi_result(c);
}

int main(int argc, char **argv)
{
	static const struct shape shapes[] = {
		{ .name = "plain", .out = { SCSI_HDR_PI }, .in = { SCSI_RESP } },
		{ .name = "all in one" },
		{ .name = "tuples apart", .out = { SCSI_HDR_PI, PI_LEN }, .in = { SCSI_RESP, PI_LEN } },
		{ .name = "tuples cut", .out = { SCSI_HDR_PI, 13, 9 }, .in = { SCSI_RESP, 13, 9 } },
	};
	struct reqs_opt o = { .features = SCSI_FEATURES | VDRV_BIT(VIRTIO_SCSI_F_T10_PI) };
	static struct both b, got;
	struct scsi_cmd c;
	unsigned int i;
	int ret;

	t_need(argc == 2 ? 0 : -EINVAL, "usage: scsi-pi WWPN");
	t_need(scsi_start(&s, &o, argv[1]), SCSI_DEVICE);
	t_need(scsi_settle(&s, 0), "settle");
	/* Stock and LIO take tuples for whole in a descriptor. */
	for (i = 0; i < ARRAY_SIZE(shapes) - t_stock(); i++) {
		blk_fill(b.data, LEN, i);
		protect(&b, 64);
		ret = io(&c, true, 64, &b, &shapes[i]);
		t_ok(!ret, "%s: WRITE with tuples: %s", shapes[i].name, ret < 0 ? s.q.why : scsi_text(&c));
		ret = io(&c, false, 64, &got, &shapes[i]);
		t_ok(!ret && !memcmp(&got, &b, sizeof(b)), "READ delivers them: %s",
		     ret < 0 ? s.q.why : scsi_text(&c));
	}
	b.pi[3].guard ^= 1;
	ret = io(&c, true, 64, &b, NULL);
	t_ok(ret == SAM_CHECK_CONDITION && scsi_sense(&c) == SENSE(0xb, 0x10, 1), "a wrong guard: %s",
	     ret < 0 ? s.q.why : scsi_text(&c));
	protect(&b, 65);
	ret = io(&c, true, 64, &b, NULL);
	t_ok(ret == SAM_CHECK_CONDITION && scsi_sense(&c) == SENSE(0xb, 0x10, 3), "a wrong reference: %s",
	     ret < 0 ? s.q.why : scsi_text(&c));
	scsi_cmd(&s, &c, 0, "28 20 %08x 00 %04x 00", 64, BLOCKS);
	c.hdr_pi.pi_bytesin = htole32(1 << 20);
	ret = scsi_run(&s, SCSI_REQUEST, &c.req) ?: scsi_result(&c);
	t_ok(ret > 0, "more tuples than there is data: %s", ret < 0 ? s.q.why : scsi_text(&c));
	/* Of no blocks; the stock module has LIO allocate no protection information for that, which oopses. */
	for (i = 0; i < 4 && !t_stock(); i++) {
		c = (struct scsi_cmd){ .req.in = i & 2 ? got.data : NULL, .req.in_len = i & 2 ? LEN : 0 };
		ret = scsi_do(&s, &c, 0, "%02x 00 00000040 00 0000 00", i & 1 ? 0x28 : 0x2f);
		t_ok(ret >= 0, "%s of no blocks%s: %s", i & 1 ? "READ" : "VERIFY", i & 2 ? ", with data" : "",
		     ret < 0 ? s.q.why : scsi_text(&c));
	}
	scsi_close(&s);
	return t_done();
}

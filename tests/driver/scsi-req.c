// SPDX-License-Identifier: GPL-2.0
/*
 * Commands of /dev/vhost-scsi or of shunt-scsi (SCSI_SOCKET), good ones and wrong ones, and what the driver is told of them. TAP on
 * stdout; DRIVER_MODULE=stock knows what the stock module lacks.
 *
 *	scsi-req WWPN FILE	portal group 1: lun 0 on FILE with emulate_tpu and emulate_tpws, lun 1 memory
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost_shunt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/blk.h"
#include "lib/scsi.h"

#define LEN	(64u << 10)

static const char *wwpn, *path;
static uint64_t blocks;
static unsigned char *buf, *got;

/* A command without data */
static void is_good(struct scsi *s, unsigned int lun, const char *cdb, const char *what)
{
	struct scsi_cmd c = { 0 };
	int ret = scsi_do(s, &c, lun, "%s", cdb);

	t_ok(!ret, "%s: %s", what, ret < 0 ? t_err(ret) : scsi_text(&c));
}

static void is_sense(struct scsi *s, unsigned int lun, const char *cdb, uint32_t sense, const char *what)
{
	struct scsi_cmd c = { .req = { .in = got, .in_len = 512 } };
	int ret = scsi_do(s, &c, lun, "%s", cdb);

	t_ok(ret == SAM_CHECK_CONDITION && scsi_sense(&c) == sense, "%s: %s", what,
	     ret < 0 ? t_err(ret) : scsi_text(&c));
}

/* Data in, of which the device has @want bytes: the rest is the residual. */
static bool data_in(struct scsi *s, struct scsi_cmd *c, uint32_t want, const char *what)
{
	uint32_t resid = le32toh(c->resp.resid), used = t_stock() ? 0 : SCSI_RESP + want, i;
	int ret = scsi_result(c);

	/* LIO clears it for commands that are no reads. */
	for (i = want; i < c->req.in_len && (got[i] == SHAPE_UNWRITTEN || !got[i]);)
		i++;
	return t_ok(!ret && resid == c->req.in_len - want && i == c->req.in_len && c->req.used == used &&
		    !le32toh(c->resp.sense_len), "%s: %s, residual %u of %u, used %u %s", what,
		    ret < 0 ? t_err(ret) : scsi_text(c), resid, c->req.in_len, c->req.used, s->q.why);
}

static void test_inquiry(struct scsi *s)
{
	static const unsigned int pages[] = { 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2 };
	struct scsi_cmd c = { .req = { .in = got, .in_len = 512 } };
	unsigned int i, len;

	scsi_do(s, &c, 0, "12 00 00 00 24 00");
	data_in(s, &c, 36, "INQUIRY");
	t_ok(!got[0] && got[2] >= 5 && !memcmp(got + 8, scsi_user() ? "SHUNT   " : "LIO-ORG ", 8),
	     "a disk of the right vendor");
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		c = (struct scsi_cmd){ .req = { .in = got, .in_len = 512 } };
		scsi_do(s, &c, 0, "12 01 %02x 02 00 00", pages[i]);
		len = 4 + (got[2] << 8 | got[3]);
		t_ok(!scsi_result(&c) && got[1] == pages[i] && len > 4 && len <= 512,
		     "VPD page %02x: %u bytes, %s", pages[i], len, scsi_text(&c));
	}
	is_sense(s, 0, "12 01 77 02 00 00", SENSE(5, 0x24, 0), "a VPD page that is none");
}

static void test_capacity(struct scsi *s)
{
	struct scsi_cmd c = { .req = { .in = got, .in_len = 32 } };
	uint32_t last32, size;
	uint64_t last;

	scsi_do(s, &c, 0, "9e 10 0000000000000000 00000020 00 00");
	memcpy(&last, got, 8);
	memcpy(&size, got + 8, 4);
	data_in(s, &c, 32, "READ CAPACITY (16)");
	t_ok(be64toh(last) == blocks - 1 && be32toh(size) == SCSI_BLOCK, "is the file's: %llu blocks of %u",
	     (unsigned long long)be64toh(last) + 1, be32toh(size));
	c = (struct scsi_cmd){ .req = { .in = got, .in_len = 8 } };
	scsi_do(s, &c, 0, "25 00 00000000 00 0000 00");
	memcpy(&last32, got, 4);
	data_in(s, &c, 8, "READ CAPACITY (10)");
	t_ok(be32toh(last32) == blocks - 1, "the same");
}

static void test_luns(struct scsi *s)
{
	struct scsi_cmd c = { .req = { .in = got, .in_len = 64 } };
	uint32_t len;

	scsi_do(s, &c, 0, "a0 00 00 000000 00000040 00 00");
	memcpy(&len, got, 4);
	data_in(s, &c, 24, "REPORT LUNS");
	t_ok(be32toh(len) == 16 && got[8 + 1] + got[16 + 1] == 1, "two: 0 and 1");
}

/* READ or WRITE with a CDB of so many bytes */
static const char *rw_cdb(char cdb[64], unsigned int form, bool write, uint32_t lba, uint32_t len)
{
	uint32_t n = len / SCSI_BLOCK;

	switch (form) {
	case 6:
		snprintf(cdb, 64, "%02x %06x %02x 00", write ? 0x0a : 0x08, lba, n);
		break;
	case 10:
		snprintf(cdb, 64, "%02x 00 %08x 00 %04x 00", write ? 0x2a : 0x28, lba, n);
		break;
	case 12:
		snprintf(cdb, 64, "%02x 00 %08x %08x 00 00", write ? 0xaa : 0xa8, lba, n);
		break;
	default:
		snprintf(cdb, 64, "%02x 00 00000000%08x %08x 00 00", write ? 0x8a : 0x88, lba, n);
	}
	return cdb;
}

/* Each form of READ and WRITE, with what lies on the other side */
static void test_rw(struct scsi *s)
{
	static const unsigned int forms[] = { 6, 10, 12, 16 };
	static const uint32_t lens[] = { 512, 4096, 3 * 512, LEN };
	unsigned int f, i;

	for (f = 0; f < ARRAY_SIZE(forms); f++) {
		for (i = 0; i < ARRAY_SIZE(lens); i++) {
			struct scsi_cmd w = { .req = { .out = buf, .out_len = lens[i] } };
			struct scsi_cmd r = { .req = { .in = got, .in_len = lens[i] } };
			char cdb[64];
			int ret;

			blk_fill(buf, lens[i], 7 * f + i);
			ret = scsi_do(s, &w, 0, "%s", rw_cdb(cdb, forms[f], true, 2, lens[i]));
			t_ok(!ret && !w.resp.resid && w.req.used == (t_stock() ? 0 : SCSI_RESP) &&
			     !blk_file_read(path, got, lens[i], 1024) && !memcmp(buf, got, lens[i]),
			     "WRITE (%u) of %u bytes is in the file: %s", forms[f], lens[i],
			     scsi_text(&w));
			scsi_do(s, &r, 0, "%s", rw_cdb(cdb, forms[f], false, 2, lens[i]));
			data_in(s, &r, lens[i], "READ");
			t_ok(!memcmp(buf, got, lens[i]), "delivers it");
		}
	}
	is_good(s, 0, "35 00 00000000 00 0000 00", "SYNCHRONIZE CACHE");
	is_good(s, 0, "00 00 00 00 00 00", "TEST UNIT READY");
}

/* Header, response and data in descriptors of any kind */
static void test_shapes(struct scsi *s)
{
	static const struct shape shapes[] = {
		{ .name = "one descriptor each way" },
		{ .name = "header and data in one", .in = { SCSI_RESP } },
		{ .name = "header in pieces", .out = { 1, 7, 20, SCSI_HDR - 28 }, .in = { SCSI_RESP } },
		{ .name = "header with some data", .out = { SCSI_HDR + 100 }, .in = { SCSI_RESP + 1 } },
		{ .name = "response in pieces", .out = { SCSI_HDR }, .in = { 3, 9, 95, SCSI_RESP - 107 } },
		{ .name = "all in bytes and more", .out = { 1, 1, 1, 1, 60 }, .in = { 1, 1, 1, 1, 120 } },
		{ .name = "data in pages", .out = { SCSI_HDR }, .in = { SCSI_RESP }, .cut = 4096 },
		{ .name = "data in pages of odd offset", .out = { SCSI_HDR }, .in = { SCSI_RESP },
		  .cut = 4096, .offset = 77 },
		{ .name = "data in pieces of 100", .out = { SCSI_HDR }, .in = { SCSI_RESP }, .cut = 100,
		  .align = 4, .offset = 3 },
		{ .name = "data in pieces of 512", .out = { SCSI_HDR }, .in = { SCSI_RESP }, .cut = 512,
		  .align = 512 },
		{ .name = "header over two pages", .offset = 4096 - 20 },
	};
	const uint32_t len = 12288;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct scsi_cmd w = { .req = { .out = buf, .out_len = len, .shape = &shapes[i] } };
		struct scsi_cmd r = { .req = { .in = got, .in_len = len, .shape = &shapes[i] } };

		blk_fill(buf, len, 100 + i);
		memset(got, 0, len);
		scsi_do(s, &w, 0, "2a 00 00000080 00 %04x 00", len / SCSI_BLOCK);
		if (!scsi_result(&w))
			t_need(blk_file_read(path, got, len, 0x80 * SCSI_BLOCK), "file");
		t_ok(!scsi_result(&w) && !memcmp(buf, got, len), "%s: WRITE: %s %s", shapes[i].name,
		     scsi_text(&w), s->q.why);
		memset(got, 0, len);
		scsi_do(s, &r, 0, "28 00 00000080 00 %04x 00", len / SCSI_BLOCK);
		t_ok(!scsi_result(&r) && !memcmp(buf, got, len), "%s: READ: %s %s", shapes[i].name,
		     scsi_text(&r), s->q.why);
	}
}

static void test_errors(struct scsi *s)
{
	char cdb[64];
	struct scsi_cmd c = { .req = { .out = buf, .out_len = 4096 } };
	int ret;

	is_sense(s, 0, "ff 00 00 00 00 00", SENSE(5, 0x20, 0), "an opcode that is none");
	snprintf(cdb, sizeof(cdb), "28 00 %08x 00 0001 00", (uint32_t)blocks);
	is_sense(s, 0, cdb, SENSE(5, 0x21, 0), "READ behind the end");
	is_sense(s, 0, "88 00 ffffffffffffffff 00000001 00 00", SENSE(5, 0x21, 0), "READ far behind it");
	ret = scsi_do(s, &c, 0, "2a 00 %08x 00 0008 00", (uint32_t)blocks - 7);
	t_ok(ret == SAM_CHECK_CONDITION && scsi_sense(&c) == SENSE(5, 0x21, 0), "WRITE over the end: %s",
	     scsi_text(&c));
	is_sense(s, 5, "28 00 00000000 00 0001 00", SENSE(5, 0x25, 0), "READ from a LUN that is not there");
	is_good(s, 0, "28 00 00000000 00 0000 00", "READ of no blocks");
}

/* Who is addressed is in the header: the first byte is 1, then the target, then a LUN of one level. */
static void test_address(struct scsi *s)
{
	static const struct { uint8_t lun[8]; uint8_t response; const char *name; } c[] = {
		{ { 0, 1, 0x40, 0 }, VIRTIO_SCSI_S_BAD_TARGET, "first byte 0" },
		{ { 2, 1, 0x40, 0 }, VIRTIO_SCSI_S_BAD_TARGET, "first byte 2" },
		{ { 1, 0, 0x40, 0 }, VIRTIO_SCSI_S_BAD_TARGET, "target 0" },
		{ { 1, 2, 0x40, 0 }, VIRTIO_SCSI_S_BAD_TARGET, "target 2" },
		{ { 1, 255, 0x40, 0 }, VIRTIO_SCSI_S_BAD_TARGET, "target 255" },
		{ { 1, 1, 0x00, 0 }, VIRTIO_SCSI_S_OK, "peripheral addressing" },
		{ { 1, 1, 0x40, 1 }, VIRTIO_SCSI_S_OK, "lun 1" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		struct scsi_cmd r = { .req = { .in = got, .in_len = 36 } };
		int ret;

		scsi_cmd(s, &r, 0, "12 00 00 00 24 00");
		memcpy(r.hdr.lun, c[i].lun, 8);
		ret = scsi_run(s, SCSI_REQUEST, &r.req);
		t_ok(!ret && r.resp.response == c[i].response, "%s: %s, response %u", c[i].name, t_err(ret),
		     r.resp.response);
	}
}

static void test_residual(struct scsi *s)
{
	static const uint32_t lens[] = { 36, 37, 255, 4096 };
	struct scsi_cmd c;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		c = (struct scsi_cmd){ .req = { .in = got, .in_len = lens[i] } };
		scsi_do(s, &c, 0, "12 00 00 00 24 00");
		data_in(s, &c, 36, "INQUIRY of 36 bytes");
	}
	c = (struct scsi_cmd){ .req = { .in = got, .in_len = 8192 } };
	/* Of memory: LIO's fileio wants buffer and length to agree. */
	scsi_do(s, &c, 1, "28 00 00000000 00 0008 00");
	data_in(s, &c, 4096, "READ of half the buffer");
	c = (struct scsi_cmd){ .req = { .in = got, .in_len = 512 } };
	scsi_do(s, &c, 0, "00 00 00 00 00 00");
	data_in(s, &c, 0, "TEST UNIT READY with a buffer");
}

/* UNMAP, WRITE SAME, COMPARE AND WRITE, VERIFY */
static void test_more(struct scsi *s)
{
	struct { uint16_t len, desc_len; uint32_t zero; uint64_t lba; uint32_t n, zero2; } __attribute__((packed))
		unmap = { htobe16(22), htobe16(16), 0, htobe64(256), htobe32(16), 0 };
	struct scsi_cmd c = { .req = { .out = &unmap, .out_len = sizeof(unmap) } };
	static unsigned char zero[8192];

	blk_fill(buf, LEN, 4);
	t_need(scsi_io(s, true, 0, 256, buf, LEN), "write");
	scsi_do(s, &c, 0, "42 00 00000000 00 0018 00");
	t_ok(!scsi_result(&c) && !scsi_io(s, false, 0, 256, got, LEN) && !memcmp(got, zero, 8192) &&
	     !memcmp(got + 8192, buf + 8192, LEN - 8192), "UNMAP of 16 blocks: %s", scsi_text(&c));

	c = (struct scsi_cmd){ .req = { .out = buf, .out_len = 512 } };
	scsi_do(s, &c, 0, "93 00 0000000000000100 00000010 00 00");
	t_ok(!scsi_result(&c) && !scsi_io(s, false, 0, 256, got, LEN) && !memcmp(got, buf, 512) &&
	     !memcmp(got, got + 512, 8192 - 512) && !memcmp(got + 8192, buf + 8192, LEN - 8192),
	     "WRITE SAME (16): %s", scsi_text(&c));

	is_good(s, 0, "2f 00 00000000 00 0008 00", "VERIFY (10)");
	is_good(s, 0, "8f 00 0000000000000000 00000008 00 00", "VERIFY (16)");
	if (scsi_user())
		return;
	/* What is there, and what shall be there */
	blk_fill(got, 1024, 9);
	memcpy(got, buf, 512);
	c = (struct scsi_cmd){ .req = { .out = got, .out_len = 1024 } };
	scsi_do(s, &c, 0, "89 00 0000000000000100 000000 01 00 00");
	t_ok(!scsi_result(&c) && !scsi_io(s, false, 0, 256, got + 1024, 512) &&
	     !memcmp(got + 1024, got + 512, 512), "COMPARE AND WRITE: %s", scsi_text(&c));
	scsi_do(s, &c, 0, "89 00 0000000000000100 000000 01 00 00");
	t_ok(scsi_sense(&c) == SENSE(0xe, 0x1d, 0), "and if there is something else: %s", scsi_text(&c));
}

static int reserve(struct scsi *s, unsigned int action, uint64_t key, uint64_t new_key)
{
	struct { uint64_t key, new_key; unsigned char zero[8]; } p = { htobe64(key), htobe64(new_key), { 0 } };
	struct scsi_cmd c = { .req = { .out = &p, .out_len = sizeof(p) } };

	int ret;

	/* Type 3: exclusive access */
	ret = scsi_do(s, &c, 0, "5f %02x %02x 0000 00000018 00", action, action ? 3 : 0);
	if (ret == SAM_CHECK_CONDITION)
		t_note("PERSISTENT RESERVE OUT: %s", scsi_text(&c));
	return ret;
}

static void test_reservations(struct scsi *s)
{
	struct scsi_cmd c = { .req = { .in = got, .in_len = 64 } };
	uint64_t key;
	int ret;

	ret = reserve(s, 0, 0, 0x1234);
	t_ok(!ret, "PERSISTENT RESERVE OUT, REGISTER: %d", ret);
	scsi_do(s, &c, 0, "5e 00 0000000000 0040 00");
	memcpy(&key, got + 8, 8);
	t_ok(!scsi_result(&c) && got[7] == 8 && be64toh(key) == 0x1234, "IN, READ KEYS: %s", scsi_text(&c));
	t_ok(!reserve(s, 1, 0x1234, 0), "RESERVE");
	scsi_do(s, &c, 0, "5e 01 0000000000 0040 00");
	memcpy(&key, got + 8, 8);
	t_ok(!scsi_result(&c) && got[7] == 16 && be64toh(key) == 0x1234 && (got[21] & 15) == 3,
	     "IN, READ RESERVATION: %s", scsi_text(&c));
	t_ok(!scsi_io(s, true, 0, 0, buf, 512), "its holder writes");
	t_ok(reserve(s, 2, 0x999, 0) == SAM_RESERVATION_CONFLICT, "RELEASE with a wrong key: conflict");
	t_ok(!reserve(s, 2, 0x1234, 0), "RELEASE");
	t_ok(!reserve(s, 3, 0x1234, 0), "CLEAR");
	scsi_do(s, &c, 0, "5e 00 0000000000 0040 00");
	t_ok(!scsi_result(&c) && got[7] == 0, "no key is left");
}

/* Data both ways: no command that a disk knows has that, and the device need not either. */
static void test_both_ways(struct scsi *s)
{
	struct scsi_cmd c = { .req = { .out = buf, .out_len = 512, .in = got, .in_len = 512 } };
	int ret = scsi_do(s, &c, 1, "2a 00 00000000 00 0001 00");

	if (t_stock())
		t_ok(!ret, "data both ways: stock takes it for data out: %s", scsi_text(&c));
	else
		t_ok(ret > 0, "data both ways are refused: %s", ret < 0 ? t_err(ret) : scsi_text(&c));
	t_ok(!scsi_io(s, false, 1, 0, got, 512), "others go on");
}

static void test_control(struct scsi *s)
{
	static const struct { const char *name; uint32_t subtype; } tmf[] = {
		{ "ABORT TASK", VIRTIO_SCSI_T_TMF_ABORT_TASK },
		{ "ABORT TASK SET", VIRTIO_SCSI_T_TMF_ABORT_TASK_SET },
		{ "CLEAR ACA", VIRTIO_SCSI_T_TMF_CLEAR_ACA },
		{ "CLEAR TASK SET", VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET },
		{ "I_T NEXUS RESET", VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET },
		{ "QUERY TASK", VIRTIO_SCSI_T_TMF_QUERY_TASK },
		{ "QUERY TASK SET", VIRTIO_SCSI_T_TMF_QUERY_TASK_SET },
		{ "one that is none", 77 },
	};
	uint32_t actual;
	unsigned int i;
	int ret;

	/* Drivers take both for success. */
	ret = scsi_tmf(s, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, SCSI_TARGET, 0, 0);
	t_ok(ret == VIRTIO_SCSI_S_FUNCTION_SUCCEEDED || (!t_stock() && ret == VIRTIO_SCSI_S_OK),
	     "LOGICAL UNIT RESET: %d", ret);
	ret = scsi_tmf(s, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, SCSI_TARGET, 9, 0);
	t_ok(ret == (t_stock() ? VIRTIO_SCSI_S_FUNCTION_REJECTED : VIRTIO_SCSI_S_INCORRECT_LUN),
	     "of a LUN that is not there: %d", ret);
	ret = scsi_tmf(s, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 7, 0, 0);
	/* Stock answers in the form of a command in 6.1, beyond the buffer that it has. */
	t_ok(ret == VIRTIO_SCSI_S_BAD_TARGET || (t_stock() && ret == -EBADMSG),
	     "of a target that is not there: %d", ret);
	for (i = 0; i < ARRAY_SIZE(tmf); i++) {
		ret = scsi_tmf(s, tmf[i].subtype, SCSI_TARGET, 0, 12345);
		t_ok(ret == VIRTIO_SCSI_S_FUNCTION_REJECTED || (!t_stock() && i < ARRAY_SIZE(tmf) - 1 &&
		     (ret == VIRTIO_SCSI_S_OK || ret == VIRTIO_SCSI_S_FUNCTION_SUCCEEDED)),
		     "%s: %d", tmf[i].name, ret);
	}
	ret = scsi_an(s, VIRTIO_SCSI_T_AN_QUERY, 0, 2, &actual);
	t_ok(!ret && !actual, "AN QUERY: %d, events %#x", ret, actual);
	ret = scsi_an(s, VIRTIO_SCSI_T_AN_SUBSCRIBE, 0, 2, &actual);
	t_ok(!ret && !actual, "AN SUBSCRIBE: %d, events %#x", ret, actual);
	/* A unit attention tells of the reset (SAM-5); after it all is well. */
	ret = scsi_settle(s, 0) ?: scsi_io(s, false, 0, 0, got, 512);
	t_ok(!ret, "commands go on after that: %s", t_err(ret));
}

/* A worker for each queue of requests: 0 or a negative errno */
static int own_workers(struct scsi *s, unsigned int queues)
{
	struct vhost_vring_worker vw = { .index = SCSI_REQUEST };
	struct vhost_worker_state w;

	for (; queues--; vw.index++) {
		if (ioctl(s->q.dev.fd, VHOST_NEW_WORKER, &w))
			return -errno;
		vw.worker_id = w.worker_id;
		if (ioctl(s->q.dev.fd, VHOST_ATTACH_VRING_WORKER, &vw))
			return -errno;
	}
	return 0;
}

/* Many at a time in several queues, each to its own place */
static void test_many(unsigned int queues, bool workers)
{
	enum { DEPTH = 32 };
	struct reqs_opt o = { .queues = queues, .depth = DEPTH, .max_data = 4096, .indirect_max = 8 };
	unsigned int n = queues * DEPTH, i, round;
	struct scsi_cmd *c = calloc(n, sizeof(*c));
	unsigned char *data = blk_buf(n * 4096), *back = blk_buf(n * 4096);
	static struct scsi s;
	int ret;

	t_need(scsi_open(&s, &o), "device");
	ret = workers ? own_workers(&s, queues) : 0;
	if (ret == -ENOTTY && t_stock()) {
		t_skip("stock has no workers to make before 6.5");
		goto out;
	}
	ret = ret ?: scsi_endpoint(&s, wwpn, 1) ?: scsi_settle(&s, 1);
	blk_fill(data, n * 4096, queues);
	for (round = 0; round < 6 && !ret; round++) {
		for (i = 0; i < n && !ret; i++) {
			bool write = !(round & 1);

			c[i] = (struct scsi_cmd){ 0 };
			c[i].req.out = write ? data + i * 4096 : NULL;
			c[i].req.out_len = write ? 4096 : 0;
			c[i].req.in = write ? NULL : back + i * 4096;
			c[i].req.in_len = write ? 0 : 4096;
			scsi_cmd(&s, &c[i], 1, "%02x 00 %08x 00 0008 00", write ? 0x2a : 0x28,
				 i % 512 * 8);
			ret = scsi_submit(&s, SCSI_REQUEST + i % queues, &c[i].req);
		}
		for (i = 0; i < queues && !ret; i++)
			ret = reqs_kick(&s.q, SCSI_REQUEST + i);
		ret = ret ?: reqs_finish(&s.q, REQS_TIMEOUT_MS);
		for (i = 0; i < n && !ret; i++)
			ret = scsi_result(&c[i]);
		/* Of two writes to one place at a time either may be the last. */
		for (i = 0; i < n && i < 512 && n <= 512 && !ret && round & 1; i++)
			ret = memcmp(data + i * 4096, back + i * 4096, 4096) ? -EBADMSG : 0;
	}
	t_ok(!ret, "%u queues%s, %u commands at a time: %s %s", queues, workers ? " with workers" : "", n,
	     t_err(ret), ret ? s.q.why : "");
out:
	scsi_close(&s);
	free(c);
	free(data);
	free(back);
}

int main(int argc, char **argv)
{
	struct reqs_opt o = { .indirect_max = 64, .max_data = LEN, .num = 256 };
	static struct scsi s;
	int fd;

	t_need(argc == 3 ? 0 : -EINVAL, "usage: scsi-req WWPN FILE");
	wwpn = argv[1];
	path = argv[2];
	fd = blk_file(path, O_RDONLY, false);
	blocks = blk_file_size(fd) / SCSI_BLOCK;
	close(fd);
	buf = blk_buf(2 * LEN);
	got = blk_buf(2 * LEN);
	t_need(scsi_start(&s, &o, wwpn), SCSI_DEVICE);
	t_need(scsi_settle(&s, 0) ?: scsi_settle(&s, 1), "settle");

	test_inquiry(&s);
	test_capacity(&s);
	test_luns(&s);
	test_rw(&s);
	test_errors(&s);
	test_address(&s);
	test_residual(&s);
	test_more(&s);
	if (!scsi_user())
		test_reservations(&s);
	test_both_ways(&s);
	test_control(&s);
	scsi_close(&s);

	/* Without tables of descriptors as well */
	test_many(1, false);
	test_many(2, false);
	test_many(16, false);
	if (!scsi_user())
		test_many(4, true);
	o = (struct reqs_opt){ .num = 512 };
	t_need(scsi_start(&s, &o, wwpn) ?: scsi_settle(&s, 0), "device");
	test_shapes(&s);
	scsi_close(&s);
	return t_done();
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Rings and requests of /dev/vhost-scsi, or of shunt-scsi (SCSI_SOCKET), that no driver would write. Either the ring is broken, which
 * its err eventfd tells, or the request fails; other queues go on, and the device works again when it is
 * set up anew. TAP on stdout.
 *
 *	scsi-hostile WWPN	lun 0 of 8 MiB
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "dtest.h"
#include "lib/blk.h"
#include "lib/scsi.h"

#define NUM	64
#define OUTSIDE	0x123456789000ULL

/* Fates beside VIRTIO_SCSI_S_*: anything that is not one of the first two counts as done */
enum { BROKEN = 256, LOST, DONE };

static const char *wwpn;
static unsigned char *buf;

/* Request queue 0, or the control queue, is ill; request queue 1 must stay well. */
static struct ill {
	struct scsi s;
	unsigned int q;
	uint64_t hdr, resp, data;
} h;

static void ill_open(unsigned int q)
{
	struct reqs_opt o = { .queues = 2, .num = NUM, .indirect_max = 8 };

	t_need(scsi_start(&h.s, &o, wwpn), "device");
	h.q = q;
	/* The last slots: the others are taken first. */
	h.hdr = h.s.q.pool + 20ULL * h.s.q.slot_size;
	h.resp = h.hdr + 4096;
	h.data = h.hdr + 8192;
	memset(vdrv_mem_va(&h.s.q.mem, h.hdr), 0, 4096);
	memset(vdrv_mem_va(&h.s.q.mem, h.resp), SHAPE_UNWRITTEN, 4096);
}

static struct virtio_scsi_cmd_req *ill_cmd(const char *cdb)
{
	struct scsi_cmd c = { 0 };

	scsi_cmd(&h.s, &c, 0, "%s", cdb);
	return memcpy(vdrv_mem_va(&h.s.q.mem, h.hdr), &c.hdr, SCSI_HDR);
}

static int ill_fate(void)
{
	struct vdrv_vq *vq = &h.s.q.vq[h.q];
	uint64_t end = t_now_ms() + 10000;
	struct virtio_scsi_cmd_resp *r = vdrv_mem_va(&h.s.q.mem, h.resp);
	uint32_t cookie, len;
	int ret;

	while (t_now_ms() < end) {
		if (vdrv_event_wait(vq->err, 0))
			return BROKEN;
		ret = vdrv_vq_get(vq, &cookie, &len);
		if (ret < 0)
			return LOST;
		if (ret)
			return h.q == SCSI_CTRL ? *(unsigned char *)r : r->response;
		t_sleep_ms(1);
	}
	return LOST;
}

/* By the other queue; a process has a unit attention for each driver. */
static int other_read(void)
{
	struct scsi_cmd c;
	int ret, i = 0;

	do {
		c = (struct scsi_cmd){ .req = { .in = buf, .in_len = 4096 } };
		scsi_cmd(&h.s, &c, 0, "28 00 00000000 00 0008 00");
		ret = scsi_run(&h.s, SCSI_REQUEST + 1, &c.req) ?: scsi_result(&c);
	} while (ret == SAM_CHECK_CONDITION && scsi_sense(&c) >> 16 == 6 && !i++);
	return ret;
}

/* The other queue works; the ill one does after it was set up anew. */
static void ill_close(int want, const char *what)
{
	struct reqs_opt o = { 0 };
	int got = ill_fate(), ret, ret2;
	char text[16];

	ret = other_read();
	ret2 = scsi_clear(&h.s, wwpn, 1);
	scsi_close(&h.s);
	if (!ret && !ret2) {
		ret = scsi_start(&h.s, &o, wwpn) ?: scsi_settle(&h.s, 0) ?: scsi_io(&h.s, false, 0, 0, buf, 4096);
		scsi_close(&h.s);
	}
	snprintf(text, sizeof(text), "response %d", got);
	t_ok((got == want || (want == DONE && got < BROKEN)) && !ret && !ret2, "%s: %s; others go on: %s %s",
	     what, got == BROKEN ? "ring broken" : got == LOST ? "nothing" : text, t_err(ret), t_err(ret2));
}

static void ill_chain(const struct vdrv_buf *b, unsigned int n)
{
	t_need(vdrv_vq_add(&h.s.q.vq[h.q], b, n, 0), "chain");
	vdrv_vq_kick_always(&h.s.q.vq[h.q]);
}

#define READ	"28 00 00000000 00 0008 00"
#define WRITE	"2a 00 00000000 00 0008 00"

static void test_chains(void)
{
	static const struct {
		const char *name;
		int want;
		const char *cdb;
		/* Letters: h header, r response, d data out, D data in, x outside of memory, X outside, in */
		const char *what;
		uint32_t len[6];
	} c[] = {
		{ "header of 50 bytes", BROKEN, READ, "hr", { 50, 108 } },
		{ "no header", BROKEN, READ, "rD", { 108, 4096 } },
		{ "response of 107 bytes", BROKEN, READ, "hr", { 51, 107 } },
		{ "no response", BROKEN, WRITE, "hd", { 51, 4096 } },
		{ "only a header", BROKEN, WRITE, "h", { 51 } },
		{ "header nowhere", BROKEN, READ, "xrD", { 51, 108, 4096 } },
		{ "response nowhere", BROKEN, READ, "hXD", { 51, 108, 4096 } },
		{ "a read to nowhere", BROKEN, READ, "hrX", { 51, 108, 4096 } },
		{ "a write from nowhere", BROKEN, WRITE, "hxr", { 51, 4096, 108 } },
		{ "4 GiB - 1 of data", BROKEN, READ, "hrD", { 51, 108, 0xffffffff } },
		{ "2 GiB of data out", BROKEN, WRITE, "hdr", { 51, 0x80000000, 108 } },
		{ "data both ways", VIRTIO_SCSI_S_FAILURE, WRITE, "hdrD", { 51, 4096, 108, 4096 } },
		{ "less data than the command wants", DONE, READ, "hrD", { 51, 108, 512 } },
		{ "less data than the command writes", DONE, WRITE, "hdr", { 51, 512, 108 } },
		{ "no data for a write", DONE, WRITE, "hr", { 51, 108 } },
		{ "data the wrong way", DONE, READ, "hdr", { 51, 4096, 108 } },
		{ "data of a byte", DONE, READ, "hrD", { 51, 108, 1 } },
		{ "MODE SELECT of a byte", DONE, "55 10 00 00 00 00 00 0001 00", "hdr", { 51, 1, 108 } },
		{ "UNMAP of a byte", DONE, "42 00 00000000 00 ffff 00", "hdr", { 51, 1, 108 } },
		{ "PERSISTENT RESERVE OUT of a byte", DONE, "5f 00 00 0000 ffffffff 00", "hdr", { 51, 1, 108 } },
		{ "REPORT LUNS into 3 bytes", DONE, "a0 00 00 000000 ffffffff 00 00", "hrD", { 51, 108, 3 } },
		{ "a CDB of 260 bytes", DONE, "7f 00 00 00 00 00 00 fc 00 09", "hrD", { 51, 108, 512 } },
		{ "EXTENDED COPY of nothing", DONE, "83 00 0000000000000000 ffffffff 00 00", "hdr",
		  { 51, 4, 108 } },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		struct vdrv_buf b[6];

		ill_open(SCSI_REQUEST);
		ill_cmd(c[i].cdb);
		for (j = 0; c[i].what[j]; j++) {
			char w = c[i].what[j];

			b[j] = (struct vdrv_buf){
				w == 'h' ? h.hdr : w == 'r' ? h.resp : w == 'x' || w == 'X' ? OUTSIDE : h.data,
				c[i].len[j], w == 'D' || w == 'r' || w == 'X' };
		}
		ill_chain(b, j);
		ill_close(c[i].want, c[i].name);
	}
}

/* As much as guest memory has, many times over: more than any command may have */
static void test_enormous(void)
{
	enum { N = 60 };
	struct vdrv_buf b[N + 2];
	unsigned int i;

	ill_open(SCSI_REQUEST);
	ill_cmd("8a 00 0000000000000000 00000008 00 00");
	b[0] = (struct vdrv_buf){ h.hdr, SCSI_HDR, false };
	for (i = 1; i <= N; i++)
		b[i] = (struct vdrv_buf){ h.s.q.mem.gpa, h.s.q.mem.size & ~511UL, false };
	b[N + 1] = (struct vdrv_buf){ h.resp, SCSI_RESP, true };
	ill_chain(b, N + 2);
	ill_close(VIRTIO_SCSI_S_FAILURE, "a write of all memory, 60 times over");
}

static void test_control(void)
{
	static const struct {
		const char *name;
		int want;
		uint32_t type;
		uint32_t out, in;
	} c[] = {
		{ "a control request of 3 bytes", BROKEN, VIRTIO_SCSI_T_TMF, 3, 1 },
		{ "a TMF of 23 bytes", BROKEN, VIRTIO_SCSI_T_TMF, 23, 1 },
		{ "an AN query of 15 bytes", BROKEN, VIRTIO_SCSI_T_AN_QUERY, 15, 5 },
		{ "an AN query with room for 4 bytes", BROKEN, VIRTIO_SCSI_T_AN_QUERY, 16, 4 },
		{ "a control request of an unknown type", BROKEN, 77, 64, 64 },
		{ "a TMF to nobody", VIRTIO_SCSI_S_BAD_TARGET, VIRTIO_SCSI_T_TMF, 24, 1 },
		{ "a TMF with more", VIRTIO_SCSI_S_BAD_TARGET, VIRTIO_SCSI_T_TMF, 4096, 4096 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		struct vdrv_buf b[2];

		ill_open(SCSI_CTRL);
		*(uint32_t *)vdrv_mem_va(&h.s.q.mem, h.hdr) = htole32(c[i].type);
		b[0] = (struct vdrv_buf){ h.hdr, c[i].out, false };
		b[1] = (struct vdrv_buf){ h.resp, c[i].in, true };
		ill_chain(b, 2);
		ill_close(c[i].want, c[i].name);
	}
}

/* Split rings: a head that is none, too much available, a chain that never ends */
static void test_heads(unsigned int q)
{
	static const char *const names[] = {
		"head = ring size", "65535 available", "a chain that is a loop", "next outside of the ring",
		"an indirect table in a table", "an indirect table of 15 bytes", "an indirect table nowhere",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct vring_desc *d, *t;
		struct vdrv_vq *vq;

		ill_open(q);
		ill_cmd(READ);
		vq = &h.s.q.vq[q];
		d = vq->desc;
		t = vdrv_mem_va(&h.s.q.mem, h.data);
		d[0] = (struct vring_desc){ htole64(h.hdr), htole32(SCSI_HDR), htole16(VRING_DESC_F_NEXT),
					    htole16(1) };
		d[1] = (struct vring_desc){ htole64(h.resp), htole32(SCSI_RESP),
					    htole16(VRING_DESC_F_WRITE), 0 };
		vq->avail->ring[0] = 0;
		vq->avail_idx = 1;
		switch (i) {
		case 0:
			vq->avail->ring[0] = htole16(NUM);
			break;
		case 1:
			vq->avail_idx = 0xffff;
			break;
		case 2:
			d[1].flags = htole16(VRING_DESC_F_NEXT | VRING_DESC_F_WRITE);
			break;
		case 3:
			d[0].next = htole16(NUM);
			break;
		default:
			t[0] = d[0];
			t[0].flags |= htole16(i == 4 ? VRING_DESC_F_INDIRECT : 0);
			t[1] = d[1];
			d[0] = (struct vring_desc){ htole64(i == 6 ? OUTSIDE : h.data),
						    htole32(i == 5 ? 15 : 32),
						    htole16(VRING_DESC_F_INDIRECT), 0 };
		}
		vdrv_vq_kick_always(vq);
		ill_close(BROKEN, names[i]);
	}
}

/* A completion, within five seconds */
static int take(void)
{
	uint64_t end = t_now_ms() + 5000;
	uint32_t cookie, len;
	int ret;

	while (!(ret = vdrv_vq_get(&h.s.q.vq[h.q], &cookie, &len)) && t_now_ms() < end)
		t_sleep_ms(1);
	return ret;
}

/* The response's page is not there: the loss is the driver's, but the command is over, and a drain ends. */
static void test_response_lost(void)
{
	struct vdrv_buf b[3];
	unsigned int i;
	int ret = 1;

	ill_open(SCSI_REQUEST);
	ill_cmd(READ);
	b[0] = (struct vdrv_buf){ h.hdr, SCSI_HDR, false };
	b[1] = (struct vdrv_buf){ h.resp, SCSI_RESP, true };
	b[2] = (struct vdrv_buf){ h.data, 4096, true };
	t_need(munmap(vdrv_mem_va(&h.s.q.mem, h.resp), 4096) ? -errno : 0, "munmap");
	for (i = 0; i < 3 * NUM && ret == 1; i++) {
		ill_chain(b, 3);
		ret = take();
	}
	t_ok(ret == 1, "responses that cannot be written: all %u commands come back", i);
	/* Data that cannot be reached is a failure, and as well over. */
	b[1].gpa = h.hdr + 512;
	b[2].gpa = h.resp;
	ill_chain(b, 3);
	ret = take();
	t_ok(ret == 1 && ((struct virtio_scsi_cmd_resp *)vdrv_mem_va(&h.s.q.mem, b[1].gpa))->response ==
	     VIRTIO_SCSI_S_FAILURE, "data that cannot be reached: failure");
	ret = scsi_clear(&h.s, wwpn, 1);
	t_ok(!ret, "nor does a drain wait for them: %s", t_err(ret));
	scsi_close(&h.s);
}

/* Header and data are read once: what changes afterwards changes nothing, and no bound is left. */
static void test_scribble(void)
{
	struct scsi_cmd c[16];
	unsigned int i, j;
	int ret = 0;

	ill_open(SCSI_REQUEST);
	for (j = 0; j < 100 && !ret; j++) {
		for (i = 0; i < 16 && !ret; i++) {
			c[i] = (struct scsi_cmd){ .req = { .in = buf, .in_len = 4096 } };
			scsi_cmd(&h.s, &c[i], 0, "28 00 %08x 00 0008 00", i * 8);
			ret = scsi_submit(&h.s, SCSI_REQUEST, &c[i].req);
		}
		ret = ret ?: reqs_kick(&h.s.q, SCSI_REQUEST);
		for (i = 0; i < 16; i++)
			memset(vdrv_mem_va(&h.s.q.mem, h.s.q.pool + (uint64_t)c[i].req.r.slot * h.s.q.slot_size) + 1,
			       j + i, SCSI_HDR - 1);
		while (!ret && h.s.q.pending[SCSI_REQUEST]) {
			ret = reqs_wait(&h.s.q, SCSI_REQUEST, 5000);
			ret = ret ?: reqs_reap(&h.s.q, SCSI_REQUEST) < 0 ? -EPROTO : 0;
		}
	}
	t_ok(!ret, "headers that change while they are read: %s %s", t_err(ret), ret ? h.s.q.why : "");
	scsi_close(&h.s);
}

int main(int argc, char **argv)
{
	t_need(argc == 2 ? 0 : -EINVAL, "usage: scsi-hostile WWPN");
	wwpn = argv[1];
	buf = blk_buf(65536);

	ill_open(SCSI_REQUEST);
	t_need(scsi_settle(&h.s, 0), "settle");
	scsi_close(&h.s);
	test_chains();
	test_enormous();
	test_control();
	/* A process maps the memory itself. */
	if (!scsi_user())
		test_response_lost();
	test_scribble();
	if (!t_packed()) {
		test_heads(SCSI_REQUEST);
		test_heads(SCSI_CTRL);
	}
	return t_done();
}

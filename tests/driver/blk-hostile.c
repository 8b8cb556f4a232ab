// SPDX-License-Identifier: GPL-2.0
/*
 * Rings and requests of /dev/vhost-blk that no driver would write. Either the ring is broken, which
 * its err eventfd tells, or the request fails; other queues go on, and the device works again
 * when it is set up anew. TAP on stdout.
 *
 *	blk-hostile BACKEND
 *
 * Mistakes of earlier attempts that this would catch: u16 head < 0 (test_heads: a ring that is refused
 * must not be looked at for ever); a failed status write that leaks the request so that flush hangs
 * (test_status_lost).
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/blk.h"

#define NUM	64
#define OUTSIDE	0x123456789000ULL

enum fate { BROKEN, IOERR, UNSUPP, OK, DONE, ANY };
static const char *const fates[] = { "ring broken", "IOERR", "UNSUPP", "OK", "done", "anything" };

static const char *path;
static int fd;
static unsigned char *buf;

/* Queue 0 is ill, queue 1 must stay well. */
struct ill {
	struct blk b;
	uint64_t hdr, data, status;
};

static void ill_open(struct ill *h)
{
	struct reqs_opt o = { .queues = 2, .num = NUM, .indirect_max = 8 };

	t_need(blk_start(&h->b, &o, fd), "device");
	/* The last slots: the others are taken first. */
	h->hdr = h->b.q.pool + 10ULL * h->b.q.slot_size;
	h->data = h->hdr + 4096;
	h->status = h->data + 32768;
	memset(vdrv_mem_va(&h->b.q.mem, h->hdr), 0, 16);
	*(unsigned char *)vdrv_mem_va(&h->b.q.mem, h->status) = BLK_NO_STATUS;
}

static struct virtio_blk_outhdr *ill_hdr(struct ill *h)
{
	return vdrv_mem_va(&h->b.q.mem, h->hdr);
}

static enum fate ill_fate(struct ill *h)
{
	struct vdrv_vq *vq = &h->b.q.vq[0];
	uint64_t end = t_now_ms() + 10000;
	uint32_t cookie, len;
	unsigned char st;
	int ret;

	while (t_now_ms() < end) {
		if (vdrv_event_wait(vq->err, 0))
			return BROKEN;
		ret = vdrv_vq_get(vq, &cookie, &len);
		if (ret < 0)
			return ANY;
		if (ret) {
			st = *(unsigned char *)vdrv_mem_va(&h->b.q.mem, h->status);
			return st == VIRTIO_BLK_S_OK ? OK : st == VIRTIO_BLK_S_IOERR ? IOERR :
			       st == VIRTIO_BLK_S_UNSUPP ? UNSUPP : DONE;
		}
		t_sleep_ms(1);
	}
	return ANY;
}

/* The other queue works; the ill one does after it was set up anew. */
static void ill_close(struct ill *h, enum fate want, const char *what)
{
	struct blk_req r = { .type = VIRTIO_BLK_T_IN, .data = buf, .len = 4096 };
	enum fate got = want == ANY ? ANY : ill_fate(h);
	struct reqs_opt o = { 0 };
	const char *why = "";
	int ret, ret2;

	if (want == ANY)
		t_sleep_ms(20);
	ret = blk_run(&h->b, 1, &r) ?: r.status;
	ret2 = blk_backend(&h->b, 0, -1, 0);
	if (ret || ret2)
		why = h->b.q.why;
	blk_close(&h->b);
	if (!ret && !ret2) {
		ret = blk_start(&h->b, &o, fd) ?: blk_run(&h->b, 0, &r) ?: r.status;
		why = ret ? h->b.q.why : "";
		blk_close(&h->b);
	}
	t_ok(got == want && !ret && !ret2, "%s: %s; others go on: %s %s %s", what, fates[got],
	     t_err(ret), t_err(ret2), why);
}

static void ill_chain(struct ill *h, const struct vdrv_buf *b, unsigned int n)
{
	t_need(vdrv_vq_add(&h->b.q.vq[0], b, n, 0), "chain");
	vdrv_vq_kick_always(&h->b.q.vq[0]);
}

static void test_chains(void)
{
	static const struct {
		const char *name;
		enum fate want;
		uint32_t type;
		unsigned int n;
		/* Letters: h header, d data out, D data in, s status, x outside of memory, X outside, in */
		const char *what;
		uint32_t len[6];
	} c[] = {
		{ "header of 15 bytes", BROKEN, 0, 2, "hs", { 15, 1 } },
		{ "header of 8 bytes", BROKEN, 0, 3, "hDs", { 8, 512, 1 } },
		{ "no header", BROKEN, 0, 2, "Ds", { 512, 1 } },
		{ "only a status", BROKEN, 0, 1, "s", { 1 } },
		{ "no status", BROKEN, 1, 2, "hd", { 16, 512 } },
		{ "only a header", BROKEN, 4, 1, "h", { 16 } },
		{ "data out of a read", IOERR, 0, 4, "hdDs", { 16, 512, 511, 1 } },
		{ "a read to nowhere", BROKEN, 0, 3, "hXs", { 16, 512, 1 } },
		{ "a write from nowhere", BROKEN, 1, 3, "hxs", { 16, 512, 1 } },
		{ "header nowhere", BROKEN, 0, 2, "xs", { 16, 1 } },
		{ "status nowhere", BROKEN, 4, 2, "hX", { 16, 1 } },
		{ "4 GiB - 1 of data", BROKEN, 0, 3, "hDs", { 16, 0xffffffff, 1 } },
		{ "2 GiB of data out", BROKEN, 1, 3, "hds", { 16, 0x80000000, 1 } },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		struct vdrv_buf b[6];
		struct ill h;

		ill_open(&h);
		ill_hdr(&h)->type = htole32(c[i].type);
		for (j = 0; j < c[i].n; j++) {
			char w = c[i].what[j];

			b[j] = (struct vdrv_buf){
				w == 'h' ? h.hdr : w == 's' ? h.status :
				w == 'x' || w == 'X' ? OUTSIDE : h.data,
				c[i].len[j], w == 'D' || w == 's' || w == 'X' };
		}
		ill_chain(&h, b, c[i].n);
		ill_close(&h, c[i].want, c[i].name);
	}
}

/* As much as guest memory has, many times over: more than any request may be */
static void test_enormous(void)
{
	enum { N = 60 };
	struct vdrv_buf b[N + 2];
	unsigned int i;
	struct ill h;

	ill_open(&h);
	b[0] = (struct vdrv_buf){ h.hdr, 16, false };
	for (i = 1; i <= N; i++)
		b[i] = (struct vdrv_buf){ h.b.q.mem.gpa, h.b.q.mem.size & ~511UL, false };
	b[N + 1] = (struct vdrv_buf){ h.status, 1, true };
	ill_hdr(&h)->type = htole32(VIRTIO_BLK_T_OUT);
	ill_chain(&h, b, N + 2);
	ill_close(&h, IOERR, "a write of all memory, 60 times over");
}

/* More ranges than anybody needs, and a range that overflows */
static void test_ranges(void)
{
	struct virtio_blk_discard_write_zeroes *d;
	static const struct { uint32_t n; uint64_t sector; uint32_t sectors; enum fate want; } c[] = {
		{ 1, ~0ULL, ~0u, IOERR }, { 1, ~0ULL - 7, 8, IOERR }, { 1, 1ULL << 55, 8, IOERR },
		{ 2000, 0, 1, IOERR }, { 1, 0, 0, ANY },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		struct vdrv_buf b[3];
		struct ill h;

		ill_open(&h);
		ill_hdr(&h)->type = htole32(VIRTIO_BLK_T_WRITE_ZEROES);
		d = vdrv_mem_va(&h.b.q.mem, h.data);
		for (j = 0; j < c[i].n; j++) {
			d[j].sector = htole64(c[i].sector);
			d[j].num_sectors = htole32(c[i].sectors);
			d[j].flags = 0;
		}
		b[0] = (struct vdrv_buf){ h.hdr, 16, false };
		b[1] = (struct vdrv_buf){ h.data, c[i].n * sizeof(*d), false };
		b[2] = (struct vdrv_buf){ h.status, 1, true };
		ill_chain(&h, b, 3);
		ill_close(&h, c[i].want, "WRITE_ZEROES with impossible ranges");
	}
}

/* Split rings: a head that is none, too much available, a chain that never ends */
static void test_heads(void)
{
	static const char *const names[] = {
		"head = ring size", "head 0xffff", "head 0x8000", "65535 available",
		"a chain that is a loop", "next outside of the ring", "an indirect table in a table",
		"an indirect table of 15 bytes", "an indirect table nowhere",
	};
	uint64_t before, after, slices;
	pid_t tid[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct vdrv_vq *vq;
		struct vring_desc *d;
		struct ill h;

		ill_open(&h);
		vq = &h.b.q.vq[0];
		d = vq->desc;
		d[0] = (struct vring_desc){ htole64(h.hdr), htole32(16), htole16(VRING_DESC_F_NEXT),
					    htole16(1) };
		d[1] = (struct vring_desc){ htole64(h.status), htole32(1),
					    htole16(VRING_DESC_F_WRITE), 0 };
		vq->avail->ring[0] = 0;
		vq->avail_idx = 1;
		if (i < 3)
			vq->avail->ring[0] = htole16(i == 0 ? NUM : i == 1 ? 0xffff : 0x8000);
		else if (i == 3)
			vq->avail_idx = 0xffff;
		else if (i == 4)
			d[1].flags = htole16(VRING_DESC_F_NEXT | VRING_DESC_F_WRITE);
		else if (i == 5)
			d[0].next = htole16(NUM);
		else {
			struct vring_desc *t = vdrv_mem_va(&h.b.q.mem, h.data);

			t[0] = d[0];
			t[0].flags |= htole16(i == 6 ? VRING_DESC_F_INDIRECT : 0);
			t[1] = d[1];
			d[0] = (struct vring_desc){ htole64(i == 8 ? OUTSIDE : h.data),
						    htole32(i == 7 ? 15 : 32),
						    htole16(VRING_DESC_F_INDIRECT), 0 };
		}
		vdrv_vq_kick_always(vq);
		if (vdrv_worker_find(getpid(), tid, 4) == 1 && i == 1) {
			t_sleep_ms(50);
			vdrv_worker_runtime(tid[0], &before, &slices);
			t_sleep_ms(300);
			vdrv_worker_runtime(tid[0], &after, &slices);
			t_ok(after - before < 150000000, "its worker rests: %llu ms of 300",
			     (unsigned long long)(after - before) / 1000000);
		}
		ill_close(&h, BROKEN, names[i]);
	}
}

/* A completion, within five seconds */
static int take(struct ill *h)
{
	uint64_t end = t_now_ms() + 5000;
	uint32_t cookie, len;
	int ret;

	while (!(ret = vdrv_vq_get(&h->b.q.vq[0], &cookie, &len)) && t_now_ms() < end)
		t_sleep_ms(1);
	return ret;
}

/*
 * The status byte's page is taken away while the request is at work, or was never there: its loss is the
 * driver's, but the request is over, and FLUSH and drain do not wait for it.
 */
static void test_status_lost(void)
{
	struct blk_req flush = { .type = VIRTIO_BLK_T_FLUSH };
	struct vdrv_buf b[3];
	unsigned int i;
	struct ill h;
	int ret = 1;

	ill_open(&h);
	b[0] = (struct vdrv_buf){ h.hdr, 16, false };
	b[1] = (struct vdrv_buf){ h.data, 4096, true };
	b[2] = (struct vdrv_buf){ h.status, 1, true };
	t_need(munmap(vdrv_mem_va(&h.b.q.mem, h.status & ~4095ULL), 4096) ? -errno : 0, "munmap");
	for (i = 0; i < 3 * NUM && ret == 1; i++) {
		ill_chain(&h, b, 3);
		ret = take(&h);
	}
	t_ok(ret == 1, "status bytes that cannot be written: all %u requests come back", i);
	ret = blk_run(&h.b, 0, &flush) ?: flush.status;
	t_ok(!ret, "FLUSH does not wait for them: %s %s", t_err(ret), ret ? h.b.q.why : "");
	/* Data that cannot be reached is an error, and as well over. */
	b[1].gpa = h.status & ~4095ULL;
	b[2].gpa = h.hdr + 64;
	ill_chain(&h, b, 3);
	ret = take(&h);
	t_ok(ret == 1 && *(unsigned char *)vdrv_mem_va(&h.b.q.mem, b[2].gpa) == VIRTIO_BLK_S_IOERR,
	     "data that cannot be reached: IOERR");
	ret = blk_backend(&h.b, 0, -1, 0);
	t_ok(!ret, "nor does a drain: %s", t_err(ret));
	blk_close(&h.b);
}

/* The header is read once: what changes afterwards changes nothing. The device below is never left. */
static void test_scribble(void)
{
	struct blk_req r[16];
	struct ill h;
	unsigned int i, j;
	int ret = 0;

	ill_open(&h);
	for (j = 0; j < 100 && !ret; j++) {
		for (i = 0; i < 16 && !ret; i++) {
			r[i] = (struct blk_req){ .type = VIRTIO_BLK_T_IN, .sector = i * 8, .data = buf,
						 .len = 4096 };
			ret = blk_submit(&h.b, 0, &r[i]);
		}
		ret = ret ?: reqs_kick(&h.b.q, 0);
		for (i = 0; i < 16; i++)
			((struct virtio_blk_outhdr *)vdrv_mem_va(&h.b.q.mem, h.b.q.pool + (uint64_t)
				r[i].r.slot * h.b.q.slot_size))->sector = htole64(~0ULL - i);
		while (!ret && h.b.q.pending[0]) {
			ret = reqs_wait(&h.b.q, 0, 5000);
			ret = ret ?: reqs_reap(&h.b.q, 0) < 0 ? -EPROTO : 0;
		}
	}
	t_ok(!ret, "headers that change while they are read: %s %s", t_err(ret), ret ? h.b.q.why : "");
	blk_close(&h.b);
}

int main(int argc, char **argv)
{
	t_need(argc == 2 ? 0 : -EINVAL, "usage: blk-hostile BACKEND");
	path = argv[1];
	fd = blk_file(path, O_RDWR, false);
	buf = blk_buf(65536);

	test_chains();
	test_enormous();
	test_ranges();
	test_status_lost();
	test_scribble();
	if (!t_packed())
		test_heads();
	return t_done();
}

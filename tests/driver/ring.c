// SPDX-License-Identifier: GPL-2.0
/*
 * What the device makes of rings that a driver may write and of rings that it may not: prints for
 * each case what was used, whether the ring was called broken, and which frames arrived. The stock
 * module's output is the reference (tests/lab/t/driver-ring.sh). Cases: ring_tx.h, ring_rx.h.
 *
 *	ring [NAME...]		only the cases whose names begin so
 *	ring --packed		with DRIVER_LAYOUT: rings that have no split counterpart, and TAP
 *
 * With DRIVER_LAYOUT the same chains lie in that kind of ring and must have the same fate; results are
 * printed as those of a split ring. Cases that only a split ring can have are left out.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dtest.h"
#include "tools/vdrv_layout.h"

/*
 * Guest memory: 8 MiB, and next to it in the guest but not here 64 KiB more, so that a buffer can
 * lie across two regions. Nothing follows.
 */
#define BOUNDARY	(VDRV_GPA + (8 << 20))
#define END		(BOUNDARY + 0x10000)
#define FAR		(10 << 20)
#define BUF(i)		(VDRV_GPA + 0x100000 + (i) * 0x1000ULL)
#define TABLE		(VDRV_GPA + 0x400000)
#define SHADOW		(VDRV_GPA + 0x500000)
#define NUM		8u
#define HDR		12u
#define FRAME		60u
#define NEXT		VRING_DESC_F_NEXT
#define WRITE		VRING_DESC_F_WRITE
#define INDIRECT	VRING_DESC_F_INDIRECT

struct ring_case {
	const char *name;
	void (*fill)(struct rig *r, struct vdrv_vq *vq);
	uint64_t features;	/* besides or without (see below) the usual ones */
	uint64_t without;
	unsigned int num;
	unsigned int frames;	/* net-rx: how many to send, and of which length */
	unsigned int frame_len;
	bool split;		/* about indices, heads or next, which a packed ring has not */
	bool once;		/* one head at two places: IN_ORDER cannot tell them apart */
	bool recover;		/* then put a good buffer in its place and kick again */
	bool quiet;		/* no kick */
};

static struct vdrv_inject inject;

static void *at(struct rig *r, uint64_t gpa)
{
	return gpa < BOUNDARY ? r->mem.va + (gpa - VDRV_GPA) : r->mem.va + FAR + (gpa - BOUNDARY);
}

static bool is_memory(uint64_t gpa, uint64_t len)
{
	return gpa >= VDRV_GPA && gpa < END && len <= END - gpa;
}

static void poke(struct rig *r, uint64_t gpa, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		*(unsigned char *)at(r, gpa++) = *p++;
}

/* A header of zeroes and a frame behind it */
static void packet(struct rig *r, uint64_t gpa, uint32_t seq, unsigned int len)
{
	static unsigned char buf[HDR + 70000];

	memset(buf, 0, HDR);
	vdrv_frame_fill(buf + HDR, len, seq);
	poke(r, gpa, buf, HDR + len);
}

static void put_desc(struct rig *r, uint64_t table, unsigned int i, uint64_t gpa, uint32_t len,
		     uint16_t flags, uint16_t next)
{
	struct vring_desc d = { htole64(gpa), htole32(len), htole16(flags), htole16(next) };

	poke(r, table + i * sizeof(d), &d, sizeof(d));
}

#define desc(i, gpa, len, flags, next)	put_desc(r, desc_gpa(vq), i, gpa, len, flags, next)
#define table(i, gpa, len, flags, next)	put_entry(r, vq, TABLE, i, gpa, len, flags, next)

#include "ring_layout.h"

/* A good packet in one descriptor */
static void good(struct rig *r, struct vdrv_vq *vq, unsigned int i)
{
	if (vq->index == VDRV_TX) {
		packet(r, BUF(i), i, FRAME);
		desc(i, BUF(i), HDR + FRAME, 0, 0);
	} else {
		desc(i, BUF(i), 0x1000, WRITE, 0);
	}
	avail(vq, i);
}

#include "ring_tx.h"
#include "ring_rx.h"

/*
 * Has the worker had its turn? On a busy machine it may not even have begun. It sleeps, or it has
 * spun for a while: the stock module does that on frames it can never send.
 */
static bool worker_had_turn(uint64_t ran_before)
{
	uint64_t ran, slices;
	pid_t tid;
	char path[64], stat[256], *state;

	if (vdrv_worker_find(getpid(), &tid, 1) < 1)
		return true;
	if (!vdrv_worker_runtime(tid, &ran, &slices) && ran - ran_before > 20000000)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	if (t_read_file(path, stat, sizeof(stat)) < 0)
		return true;
	state = strrchr(stat, ')');
	return state && (state[2] == 'S' || state[2] == 'I');
}

static uint64_t worker_ran(void)
{
	uint64_t ran = 0, slices;
	pid_t tid;

	if (vdrv_worker_find(getpid(), &tid, 1) == 1)
		vdrv_worker_runtime(tid, &ran, &slices);
	return ran;
}

/* Until the device has done something and then rests; false when it called the ring broken. */
static bool settle(struct rig *r, struct vdrv_vq *vq)
{
	uint64_t start = t_now_ms(), since = 0, now;
	uint64_t ran = worker_ran();
	unsigned int before = used_count(r, vq), idx;
	bool err;

	for (;;) {
		struct pollfd p = { .fd = vq->err, .events = POLLIN };

		err = poll(&p, 1, 1) == 1;
		idx = used_count(r, vq);
		now = t_now_ms();
		if (idx != before || (err && !since)) {
			since = now;
			before = idx;
		}
		if ((since ? now - since >= 15 : now - start >= 200) && worker_had_turn(ran)) {
			/* What it did between our look and its sleep counts, too. */
			if (idx == used_count(r, vq))
				return poll(&p, 1, 0) != 1;
		}
		if (err)
			t_sleep_ms(1);
	}
}

static void print_used(char *s, size_t size, const struct used_list *u)
{
	unsigned int i;
	size_t n = 0;

	s[0] = 0;
	if (u->nonsense)
		snprintf(s, size, " nonsense");
	for (i = 0; i < u->n; i++)
		n += snprintf(s + n, n < size ? size - n : 0, " %u:%u", u->e[i].id, u->e[i].len);
}

static void print_frame(char *s, size_t size, const unsigned char *frame, unsigned int len)
{
	uint32_t seq;

	if (vdrv_frame_check(frame, len, &seq))
		snprintf(s + strlen(s), size - strlen(s), " other/%u", len);
	else
		snprintf(s + strlen(s), size - strlen(s), " %u/%u", seq, len);
}

static void print_tx(char *s, size_t size, struct rig *r)
{
	static unsigned char frame[80000];
	ssize_t n;

	while ((n = recv(r->sock, frame, sizeof(frame), MSG_TRUNC)) >= 0)
		print_frame(s, size, frame, n);
}

/* By the file, as some cases take the mapping away. */
static void peek(struct rig *r, uint64_t gpa, unsigned char *to, unsigned int len)
{
	for (; len; len--, gpa++, to++) {
		off_t off = gpa < BOUNDARY ? gpa - VDRV_GPA : FAR + (gpa - BOUNDARY);

		if (pread(r->mem.fd, to, 1, off) != 1)
			t_need(-errno, "guest memory");
	}
}

/* Bytes that the device says it wrote into the chain at @head */
static unsigned int gather(struct rig *r, struct vdrv_vq *vq, unsigned int head, uint32_t len,
			   unsigned char *to, unsigned int room)
{
	struct chain_walk w;
	unsigned int got = 0, n;

	for (walk_begin(&w, r, vq, head); got < len && walk_next(&w); ) {
		n = w.len < len - got ? w.len : len - got;
		if (!(w.flags & WRITE) || !is_memory(w.gpa, n) || n > room - got)
			return got;
		peek(r, w.gpa, to + got, n);
		got += n;
	}
	return got;
}

static void print_rx(char *s, size_t size, struct rig *r, struct vdrv_vq *vq,
		     const struct used_list *u)
{
	static unsigned char buf[80000];
	bool mrg = r->dev.features & VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF);
	struct virtio_net_hdr_mrg_rxbuf hdr;
	unsigned int len, nbuf, i, at = 0;

	while (at < u->n) {
		nbuf = 1;
		len = 0;
		for (i = 0; i < nbuf && at < u->n; i++, at++) {
			if (u->e[at].id >= vq->num)
				return;
			len += gather(r, vq, u->e[at].id, u->e[at].len, buf + len,
				      sizeof(buf) - len);
			if (i || !mrg)
				continue;
			memcpy(&hdr, buf, sizeof(hdr));
			nbuf = le16toh(hdr.num_buffers);
		}
		if (len >= r->hdr_len)
			print_frame(s, size, buf + r->hdr_len, len - r->hdr_len);
		else
			snprintf(s + strlen(s), size - strlen(s), " short");
		if (nbuf != 1)
			snprintf(s + strlen(s), size - strlen(s), "*%u", nbuf);
	}
}

/* Sets @from to how many buffers have been used up to now. */
static bool collect(struct rig *r, struct vdrv_vq *vq, unsigned int *from, char *out, size_t size)
{
	struct vhost_vring_state base = { .index = vq->index };
	char used[200], frames[400] = "", where[32];
	struct used_list u;
	bool ok = settle(r, vq);

	ioctl(r->dev.fd, VHOST_GET_VRING_BASE, &base);
	used_since(r, vq, *from, &u);
	*from += u.n;
	print_used(used, sizeof(used), &u);
	if (vq->index == VDRV_TX)
		print_tx(frames, sizeof(frames), r);
	else
		print_rx(frames, sizeof(frames), r, vq, &u);
	base_print(where, sizeof(where), vq, base.num);
	snprintf(out, size, "used[%s ] base=%s err=%d call=%d frames[%s ]", used, where, !ok,
		 vdrv_event_wait(vq->call, 0) != 0, frames);
	vdrv_event_wait(vq->err, 0);
	return ok;
}

static void send_frames(const struct ring_case *c)
{
	unsigned int i, len = c->frame_len ? c->frame_len : 100;

	for (i = 0; i < c->frames; i++) {
		vdrv_frame_fill(vdrv_inject_slot(&inject), len, 100 + i);
		vdrv_inject_put(&inject, len);
		vdrv_inject_flush(&inject);
	}
}

/*
 * Let the device do what the last step asked for, so that each case has one run of the worker.
 * The stock module waits for it in SET_LOG_FD; the sleep is for modules that need not.
 */
static void rest(struct rig *r)
{
	int none = -1;

	ioctl(r->dev.fd, VHOST_SET_LOG_FD, &none);
	t_sleep_ms(2);
}

static void run(const struct ring_case *c, unsigned int index, const char *prefix)
{
	struct rig_opt o = { .features = (RIG_FEATURES | c->features) & ~c->without,
			     .num = c->num ? c->num : NUM, .mtu = 60000 };
	struct vhost_memory_region mr[2];
	char name[80], out[900], then[900];
	struct vdrv_vq *vq;
	struct rig r;
	unsigned int from = 0;
	bool err;
	int ret;

	snprintf(name, sizeof(name), "%s/%s", prefix, c->name);
	ret = rig_open(&r, &o);
	t_need(ret, "rig");
	vq = &r.vq[index];
	mr[0] = (struct vhost_memory_region){ VDRV_GPA, 8 << 20, (uintptr_t)r.mem.va, 0 };
	mr[1] = (struct vhost_memory_region){ BOUNDARY, 0x10000, (uintptr_t)r.mem.va + FAR, 0 };
	t_need(vdrv_dev_set_regions(&r.dev, mr, 2), "SET_MEM_TABLE");
	t_need(vdrv_inject_open(&inject, r.tap.ifindex, 65535, 4, false), "packet socket");
	given_none();
	c->fill(&r, vq);
	lay(&r, vq);
	if (c->quiet)
		vdrv_vq_publish(vq);
	ret = rig_start(&r);
	if (ret) {
		t_case(name, "backend refused: %s", t_err(ret));
		goto out;
	}
	rest(&r);
	if (!c->quiet) {
		vdrv_vq_kick_always(vq);
		if (c->frames)
			rest(&r);
	}
	send_frames(c);
	err = !collect(&r, vq, &from, out, sizeof(out));
	then[0] = 0;
	if (c->recover) {
		struct vhost_vring_state s = { .index = index };

		ioctl(r.dev.fd, VHOST_GET_VRING_BASE, &s);
		if (err)
			go_back(vq, s.num);
		good(&r, vq, 7);
		lay(&r, vq);
		vdrv_vq_kick_always(vq);
		strcpy(then, " then ");
		collect(&r, vq, &from, then + 6, sizeof(then) - 6);
	}
	t_case(name, "%s%s", out, then);
	rig_stop(&r);
out:
	vdrv_inject_close(&inject);
	rig_close(&r);
}

#include "ring_packed.h"

static bool wanted(const struct ring_case *c, const char *prefix, int argc, char **argv)
{
	char full[80];
	int i;

	if (c->split && t_packed())
		return false;
	if (c->once && t_layout() & VDRV_BIT(VIRTIO_F_IN_ORDER))
		return false;
	snprintf(full, sizeof(full), "%s/%s", prefix, c->name);
	for (i = 1; i < argc; i++)
		if (!strncmp(full, argv[i], strlen(argv[i])))
			return true;
	return argc == 1;
}

/* Most of a case is waiting: for the device to rest, for the tap to go. */
#define CHILDREN 4

static void run_share(unsigned int share, int argc, char **argv)
{
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(tx_cases); i++)
		if (wanted(&tx_cases[i], "tx", argc, argv) && n++ % CHILDREN == share)
			run(&tx_cases[i], VDRV_TX, "tx");
	for (i = 0; i < ARRAY_SIZE(rx_cases); i++)
		if (wanted(&rx_cases[i], "rx", argc, argv) && n++ % CHILDREN == share)
			run(&rx_cases[i], VDRV_RX, "rx");
}

int main(int argc, char **argv)
{
	int status, failed = 0;
	unsigned int i;

	if (argc == 2 && !strcmp(argv[1], "--packed")) {
		for (i = 0; i < ARRAY_SIZE(packed_cases); i++)
			run_packed(&packed_cases[i]);
		return t_done();
	}
	for (i = 0; i < CHILDREN; i++) {
		pid_t child = fork();

		t_need(child < 0 ? -errno : 0, "fork");
		if (!child) {
			run_share(i, argc, argv);
			return 0;
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	t_case("end", failed ? "a child failed" : "0");
	return !!failed;
}

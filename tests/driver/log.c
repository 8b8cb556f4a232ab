// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log: every page the device wrote is marked and no other, whatever the rings look like;
 * a copy kept up to date by the log alone ends up equal; switched on, off and away under load.
 * TAP on stdout; the stock module must pass as well.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/flow.h"

#define EVENT		VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)
#define VHDR		VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR)
#define LOG		VDRV_BIT(VHOST_F_LOG_ALL)

#define PAGE		4096ULL
#define MEM_SIZE	(16ULL << 20)
/* A bit a page up to the end of guest memory, and something behind it that must stay empty */
#define BITMAP_SIZE	(((VDRV_GPA + MEM_SIZE) / PAGE / 8 + 2 * PAGE - 1) & ~(PAGE - 1))
#define FRAMES		20

static unsigned char *bitmap;
static unsigned char before[MEM_SIZE], after[MEM_SIZE];
/* What the test knows of each page */
static enum { MUST_NOT, MAY, MUST } expect[MEM_SIZE / PAGE];

static bool marked(uint64_t gpa)
{
	uint64_t nr = gpa / PAGE;

	return __atomic_load_n(&bitmap[nr / 8], __ATOMIC_ACQUIRE) & 1 << nr % 8;
}

static unsigned int marks(void)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < BITMAP_SIZE; i++)
		n += __builtin_popcount(bitmap[i]);
	return n;
}

static int set_base(struct rig *r, const void *base)
{
	uint64_t addr = (uintptr_t)base;

	return ioctl(r->dev.fd, VHOST_SET_LOG_BASE, &addr) ? -errno : 0;
}

static uint64_t used_gpa(struct rig *r, unsigned int q)
{
	return VDRV_GPA + ((unsigned char *)r->vq[q].used - r->mem.va);
}

/* @at: guest address that stands for the used ring in the log */
static int set_ring_log_at(struct rig *r, unsigned int q, bool on, uint64_t at)
{
	struct vdrv_vq *vq = &r->vq[q];
	struct vhost_vring_addr a = {
		.index = q,
		.flags = on ? 1 << VHOST_VRING_F_LOG : 0,
		.desc_user_addr = (uintptr_t)vq->desc,
		.avail_user_addr = (uintptr_t)vq->avail,
		.used_user_addr = (uintptr_t)vq->used,
		.log_guest_addr = at,
	};

	return ioctl(r->dev.fd, VHOST_SET_VRING_ADDR, &a) ? -errno : 0;
}

static int set_ring_log(struct rig *r, bool on)
{
	int ret = set_ring_log_at(r, VDRV_RX, on, used_gpa(r, VDRV_RX));

	return ret ? ret : set_ring_log_at(r, VDRV_TX, on, used_gpa(r, VDRV_TX));
}

static int set_data_log(struct rig *r, bool on)
{
	uint64_t features = on ? r->dev.features | LOG : r->dev.features & ~LOG;

	return ioctl(r->dev.fd, VHOST_SET_FEATURES, &features) ? -errno : 0;
}

static int log_on(struct rig *r)
{
	int ret;

	memset(bitmap, 0, BITMAP_SIZE);
	ret = set_base(r, bitmap);
	if (!ret)
		ret = set_ring_log(r, true);
	return ret ? ret : set_data_log(r, true);
}

static void expect_write(uint64_t gpa, uint64_t len, int what)
{
	uint64_t p;

	for (p = gpa & ~(PAGE - 1); len && p < gpa + len; p += PAGE)
		expect[(p - VDRV_GPA) / PAGE] = what;
}

/* struct exact - one configuration for exact() */
struct exact {
	const char *name;
	struct rig_opt o;
	unsigned int segments;
	unsigned int buf;
	unsigned int frame;
	uint64_t log_at;
};

/* Where the pieces of a buffer lie: across pages that belong to nothing else */
static uint64_t piece(const struct exact *e, uint64_t gpa, unsigned int i)
{
	return gpa + i * ((e->buf + 2 * PAGE) & ~(PAGE - 1)) + PAGE - 50;
}

static const char *exact_queue(struct rig *r, const struct exact *e, uint64_t *rx_gpa,
			       unsigned int nbuf)
{
	unsigned int i, j;
	uint64_t gpa;

	for (i = 0; i < FRAMES; i++) {
		struct vdrv_buf b = { .len = r->hdr_len + e->frame };

		/* Far apart: each on pages of its own */
		b.gpa = vdrv_mem_take(&r->mem, b.len + 2 * PAGE, PAGE);
		if (!b.gpa)
			return "memory";
		b.gpa += PAGE - 100;
		memset(vdrv_mem_va(&r->mem, b.gpa), 0, r->hdr_len);
		vdrv_frame_fill(vdrv_mem_va(&r->mem, b.gpa + r->hdr_len), e->frame, i);
		if (vdrv_vq_add(&r->vq[VDRV_TX], &b, 1, i))
			return "transmit ring";
	}
	for (i = 0; i < nbuf; i++) {
		struct vdrv_buf b[8];

		gpa = vdrv_mem_take(&r->mem, e->segments * (e->buf + 2 * PAGE), PAGE);
		if (!gpa)
			return "memory";
		memset(vdrv_mem_va(&r->mem, gpa), 0xa5, e->segments * (e->buf + 2 * PAGE));
		rx_gpa[i] = gpa;
		for (j = 0; j < e->segments; j++)
			b[j] = (struct vdrv_buf){ piece(e, gpa, j), e->buf, true };
		if (vdrv_vq_add(&r->vq[VDRV_RX], b, e->segments, i))
			return "receive ring";
	}
	vdrv_vq_publish(&r->vq[VDRV_TX]);
	vdrv_vq_publish(&r->vq[VDRV_RX]);
	return NULL;
}

/* What the used ring says the device wrote */
static const char *exact_written(struct rig *r, const struct exact *e, const uint64_t *rx_gpa)
{
	uint32_t cookie, len, j;
	int ret;

	while ((ret = vdrv_vq_get(&r->vq[VDRV_RX], &cookie, &len)) == 1) {
		for (j = 0; j < e->segments && len; j++) {
			uint32_t n = len < e->buf ? len : e->buf;

			expect_write(piece(e, rx_gpa[cookie], j), n, MUST);
			len -= n;
		}
	}
	return ret ? "used ring" : NULL;
}

static const char *exact_compare(void)
{
	static char why[100];
	unsigned int changed = 0, all = marks(), n = 0;
	unsigned long long p;

	for (p = 0; p < MEM_SIZE; p += PAGE) {
		bool differs = memcmp(before + p, after + p, PAGE), m = marked(VDRV_GPA + p);

		changed += differs;
		n += m;
		if (differs && !m)
			snprintf(why, sizeof(why), "page 0x%llx changed, not marked", p);
		else if (m && expect[p / PAGE] == MUST_NOT)
			snprintf(why, sizeof(why), "page 0x%llx marked, not written", p);
		else if (!m && expect[p / PAGE] == MUST)
			snprintf(why, sizeof(why), "page 0x%llx written, not marked", p);
		else
			continue;
		return why;
	}
	if (n != all)
		return "pages outside of guest memory are marked";
	return changed ? NULL : "nothing changed";
}

/* Both queues are filled before the device starts, and left alone until it has stopped. */
static const char *exact_run(struct rig *r, const struct exact *e)
{
	unsigned int per = (r->hdr_len + e->frame + e->segments * e->buf - 1) /
			   (e->segments * e->buf), nbuf = per * FRAMES, i, q;
	struct vdrv_inject in = { .fd = -1 };
	uint64_t rx_gpa[FRAMES * 8];
	unsigned char *frame;
	const char *why;
	size_t ring;

	if (nbuf > ARRAY_SIZE(rx_gpa) || log_on(r))
		return "set-up";
	if (e->log_at && set_ring_log_at(r, VDRV_RX, true, e->log_at))
		return "log address";
	why = exact_queue(r, e, rx_gpa, nbuf);
	if (why)
		return why;
	memset(expect, 0, sizeof(expect));
	for (q = 0; q < 2; q++)
		expect_write(used_gpa(r, q), rig_used_size(&r->vq[q]), MAY);
	/* The device writes there as well, the driver does not while we look. */
	for (q = 0; q < 2 && t_packed(); q++)
		expect_write(r->vq[q].desc_gpa, r->vq[q].num * sizeof(*r->vq[q].pdesc), MAY);
	if (e->log_at)
		expect_write(e->log_at, rig_used_size(&r->vq[VDRV_RX]), MUST);
	memcpy(before, r->mem.va, MEM_SIZE);

	if (vdrv_inject_open(&in, r->tap.ifindex, e->frame, 2 * FRAMES, false) || rig_start(r))
		return "start";
	for (i = 0; i < FRAMES; i++) {
		frame = vdrv_inject_slot(&in);
		if (!frame)
			return "packet socket";
		vdrv_frame_fill(frame, e->frame, i);
		vdrv_inject_put(&in, e->frame);
	}
	if (vdrv_inject_flush(&in) || vdrv_vq_kick_always(&r->vq[VDRV_TX]) ||
	    vdrv_vq_kick_always(&r->vq[VDRV_RX]))
		why = "kick";
	else if (rig_wait_used(&r->vq[VDRV_TX]))
		why = "transmit does not complete";
	else if (rig_wait_used(&r->vq[VDRV_RX]))
		why = "receive does not complete";
	rig_stop(r);
	vdrv_inject_close(&in);
	memcpy(after, r->mem.va, MEM_SIZE);
	if (!why)
		why = exact_written(r, e, rx_gpa);
	if (why)
		return why;
	if (e->log_at) {
		ring = (unsigned char *)r->vq[VDRV_RX].used - r->mem.va;
		if (marked(VDRV_GPA + ring))
			return "the used ring is marked";
		memcpy(after + ring, before + ring, rig_used_size(&r->vq[VDRV_RX]));
	}
	return exact_compare();
}

static void test_exact(void)
{
	static const struct exact cases[] = {
		{ .name = "one buffer a frame", .segments = 1, .buf = 2048, .frame = 1000 },
		{ .name = "EVENT_IDX", .o.features = EVENT, .segments = 1, .buf = 2048,
		  .frame = 1000 },
		{ .name = "header of the device", .o.features = VHDR, .segments = 1, .buf = 2048,
		  .frame = 1000 },
		{ .name = "several buffers a frame", .o.features = EVENT, .segments = 1,
		  .buf = 300, .frame = 1500 },
		{ .name = "frames over pages", .o.mtu = 9000, .segments = 1, .buf = 10000,
		  .frame = 9000 },
		{ .name = "chains", .segments = 4, .buf = 128, .frame = 400 },
		{ .name = "indirect", .o.indirect_max = 8, .segments = 8, .buf = 12, .frame = 60 },
		{ .name = "used ring of several pages", .o.num = 1024, .o.base = 500,
		  .segments = 1, .buf = 300, .frame = 1500 },
		{ .name = "ring and index wrap", .o.num = 1024, .o.features = EVENT,
		  .o.base = 65526, .segments = 1, .buf = 300, .frame = 1500 },
		{ .name = "509 regions", .o.regions = 509, .o.mtu = 9000, .segments = 1,
		  .buf = 10000, .frame = 9000 },
		{ .name = "used ring noted elsewhere", .o.num = 128, .segments = 1, .buf = 2048,
		  .frame = 1000, .log_at = VDRV_GPA + MEM_SIZE - PAGE },
	};
	const char *why;
	struct rig r;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exact e = cases[i];

		/* There is no address for the log but that of the device's event structure. */
		if (e.log_at && t_packed())
			continue;
		e.o.num = e.o.num ? e.o.num : 256;
		e.o.features |= RIG_FEATURES;
		ret = rig_open(&r, &e.o);
		why = ret ? "rig" : exact_run(&r, &e);
		t_ok(!why, "written pages are marked, no others: %s%s%s", e.name,
		     why ? ": " : "", why ? why : "");
		rig_stop(&r);
		rig_close(&r);
	}
}

/* All but the back end, with the log on */
static int logged_open(struct both *b, uint64_t features)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES | features };

	*b = (struct both){ .tx.max = 1514, .rx = { .max = 1514, .buf_size = 700 } };
	return both_open(b, &o) ?: log_on(&b->r);
}

/* struct side - what a second thread does to the rig under load */
struct side {
	struct rig *r;
	bool stop;
	unsigned int turns;
	int err;
};

/* Clear marks and copy what they stand for, as a migration does: @after follows the guest. */
static unsigned int harvest(struct rig *r)
{
	unsigned long *words = (unsigned long *)bitmap, w;
	unsigned int n = 0;
	uint64_t gpa;
	size_t i;

	for (i = 0; i < BITMAP_SIZE / sizeof(w); i++) {
		if (!words[i])
			continue;
		w = __atomic_exchange_n(&words[i], 0, __ATOMIC_SEQ_CST);
		for (; w; w &= w - 1, n++) {
			gpa = (i * 64 + __builtin_ctzl(w)) * PAGE;
			if (gpa < VDRV_GPA || gpa >= VDRV_GPA + MEM_SIZE)
				continue;
			memcpy(after + (gpa - VDRV_GPA), vdrv_mem_va(&r->mem, gpa), PAGE);
		}
	}
	return n;
}

static void *harvester(void *arg)
{
	struct side *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		s->turns += harvest(s->r) > 0;
		usleep(200);
	}
	return NULL;
}

static bool same(struct both *b, uint64_t gpa, size_t len)
{
	return !memcmp(after + (gpa - VDRV_GPA), vdrv_mem_va(&b->r.mem, gpa), len);
}

static void test_copy(uint64_t features)
{
	pthread_t thread;
	struct both b;
	struct side s = { .r = &b.r };
	int ret, q;

	ret = logged_open(&b, features);
	memcpy(after, b.r.mem.va, MEM_SIZE);
	if (!ret)
		ret = rig_start(&b.r);
	t_need(-pthread_create(&thread, NULL, harvester, &s), "thread");
	if (!ret)
		ret = both_run(&b, 3000);
	rig_stop(&b.r);
	__atomic_store_n(&s.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	s.turns += harvest(&b.r) > 0;
	t_ok(!ret && s.turns, "traffic while the log is read and cleared%s: %s %s",
	     features ? ", EVENT_IDX" : "", t_err(ret), both_why(&b));
	for (q = 0; q < 2 && !ret; q++)
		if (!same(&b, used_gpa(&b.r, q), rig_used_size(&b.r.vq[q])))
			ret = -EBADMSG;
	if (!ret && !same(&b, b.rx.pool, (size_t)b.rx.nslots * b.rx.slot_size))
		ret = -EBADMSG;
	t_ok(!ret, "a copy that follows the log is equal%s: %s", features ? ", EVENT_IDX" : "",
	     t_err(ret));
	both_close(&b);
}

static void *toggler(void *arg)
{
	struct side *s = arg;
	int ret = 0;

	for (; !ret && (!s->turns || !__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)); s->turns++) {
		ret = set_data_log(s->r, s->turns & 1);
		if (!ret)
			ret = set_ring_log(s->r, s->turns & 2);
		if (!ret && !(s->turns & 4))
			ret = set_base(s->r, bitmap);
		usleep(100);
	}
	s->err = ret;
	return NULL;
}

static void test_toggle(void)
{
	uint64_t rx_used, tx_used;
	pthread_t thread;
	struct both b;
	struct side s = { .r = &b.r };
	int ret, fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), off = -1;

	ret = logged_open(&b, EVENT);
	if (!ret)
		ret = rig_start(&b.r);
	t_need(-pthread_create(&thread, NULL, toggler, &s), "thread");
	if (!ret)
		ret = both_run(&b, 3000);
	__atomic_store_n(&s.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	t_ok(!ret && !s.err && s.turns, "on and off under load: %s %s, %s", t_err(ret), both_why(&b),
	     t_err(s.err));

	ret = ret ? ret : set_data_log(&b.r, false);
	if (!ret)
		ret = set_ring_log(&b.r, false);
	if (!ret)
		ret = ioctl(b.r.dev.fd, VHOST_SET_LOG_FD, &fd) ? -errno : 0;
	memset(bitmap, 0, BITMAP_SIZE);
	if (!ret)
		ret = both_run(&b, 200);
	t_ok(!ret && !marks() && !vdrv_event_wait(fd, 0), "nothing is marked while it is off: %s, %u",
	     t_err(ret), marks());

	/* A packed ring is its own used ring; the event structure need not be written. */
	rx_used = t_packed() ? b.r.vq[VDRV_RX].desc_gpa : used_gpa(&b.r, VDRV_RX);
	tx_used = t_packed() ? b.r.vq[VDRV_TX].desc_gpa : used_gpa(&b.r, VDRV_TX);
	ret = ret ? ret : set_ring_log(&b.r, true);
	if (!ret)
		ret = both_run(&b, 200);
	t_ok(!ret && marked(rx_used) && marked(tx_used) && !marked(b.rx.pool + 8192),
	     "only the rings are marked without LOG_ALL: %s", t_err(ret));
	t_ok(vdrv_event_wait(fd, 1000), "the log's eventfd is signalled");

	ret = ret ? ret : set_ring_log(&b.r, false);
	if (!ret)
		ret = set_data_log(&b.r, true);
	memset(bitmap, 0, BITMAP_SIZE);
	if (!ret)
		ret = both_run(&b, 1000);
	t_ok(!ret && !marked(rx_used) && !marked(tx_used) && marked(b.rx.pool + 8192),
	     "only buffers are marked without VRING_F_LOG: %s", t_err(ret));
	t_ok(vdrv_event_wait(fd, 1000), "the log's eventfd is signalled again");
	ret = ioctl(b.r.dev.fd, VHOST_SET_LOG_FD, &off) ? -errno : 0;
	if (!ret)
		ret = both_run(&b, 100);
	t_ok(!ret && !vdrv_event_wait(fd, 0), "and not when it was taken away: %s", t_err(ret));
	both_close(&b);
	close(fd);
}

/*
 * Guest memory twice: all of it at its place, and every other page of where frames are received at
 * another guest address too. What is written is noted in both places.
 */
static void test_alias(void)
{
	const uint64_t low = VDRV_GPA - MEM_SIZE;
	struct vhost_memory_region r[64];
	unsigned int n = 1, i, seen = 0, wrong = 0;
	struct both b;
	uint64_t page;
	int ret;

	if (t_stock()) {
		t_skip("memory at two guest addresses: stock notes the one that the driver used");
		return;
	}
	ret = logged_open(&b, 0);
	r[0] = (struct vhost_memory_region){ VDRV_GPA, MEM_SIZE, (uintptr_t)b.r.mem.va, 0 };
	for (page = (b.rx.pool - VDRV_GPA) / PAGE & ~1ULL; n < ARRAY_SIZE(r); page += 2)
		r[n++] = (struct vhost_memory_region){ low + page * PAGE, PAGE,
						       (uintptr_t)b.r.mem.va + page * PAGE, 0 };
	if (!ret)
		ret = vdrv_dev_set_regions(&b.r.dev, r, n);
	if (!ret)
		ret = rig_start(&b.r);
	if (!ret)
		ret = both_run(&b, 300);
	rig_stop(&b.r);
	for (i = 1; i < n && !ret; i++) {
		page = r[i].guest_phys_addr - low;
		seen += marked(VDRV_GPA + page) && marked(VDRV_GPA + page + PAGE);
		wrong += marked(low + page) != marked(VDRV_GPA + page) || marked(low + page + PAGE);
	}
	t_ok(!ret && seen && !wrong, "memory at two guest addresses: %s %s, %u marked, %u wrongly",
	     t_err(ret), both_why(&b), seen, wrong);
	both_close(&b);
}

/* The owner takes the log away under load: its loss, traffic goes on. */
static void test_unmapped(void)
{
	struct both b;
	void *again;
	int ret;

	ret = logged_open(&b, 0);
	if (!ret)
		ret = rig_start(&b.r);
	if (!ret)
		ret = both_run(&b, 200);
	munmap(bitmap, BITMAP_SIZE);
	if (!ret)
		ret = both_run(&b, 200);
	both_report(&b, ret, "traffic with the log unmapped");
	again = mmap(bitmap, BITMAP_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	t_need(again != bitmap ? -ENOMEM : 0, "mmap");
	if (!ret)
		ret = both_run(&b, 200);
	t_ok(!ret && !marks(), "traffic with a log that is read-only: %s %s", t_err(ret),
	     both_why(&b));
	/* All of guest memory lies beyond. */
	t_need(mprotect(bitmap, PAGE, PROT_READ | PROT_WRITE) ? -errno : 0, "mprotect");
	munmap(bitmap + PAGE, BITMAP_SIZE - PAGE);
	if (!ret)
		ret = both_run(&b, 200);
	both_report(&b, ret, "traffic with a log that is too small");
	again = mmap(bitmap, BITMAP_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	t_need(again != bitmap ? -ENOMEM : 0, "mmap");
	if (!ret)
		ret = both_run(&b, 200);
	t_ok(!ret && marked(used_gpa(&b.r, VDRV_RX)) && marked(b.rx.pool),
	     "marks are back with the log: %s %s", t_err(ret), both_why(&b));
	both_close(&b);
}

int main(void)
{
	bitmap = mmap(NULL, BITMAP_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	t_need(bitmap == MAP_FAILED ? -errno : 0, "mmap");
	test_exact();
	test_copy(0);
	test_copy(EVENT);
	test_toggle();
	test_alias();
	test_unmapped();
	return t_done();
}

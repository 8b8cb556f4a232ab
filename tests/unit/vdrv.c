// SPDX-License-Identifier: GPL-2.0
/*
 * The user-space driver of tools/vdrv.h against a device of a few lines, which is here: both layouts,
 * with and without IN_ORDER, indirect tables and EVENT_IDX, random chains, random completion. Kernel and
 * ring/ play no part: when this passes and tests/driver does not, they are wrong, or both of these.
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/vdrv.h"

#define PACKED	VDRV_BIT(VIRTIO_F_RING_PACKED)
#define ORDER	VDRV_BIT(VIRTIO_F_IN_ORDER)
#define EVENT	VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)
#define IND	VDRV_BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define MAX	300
#define CHAIN	6

/* A chain as the driver knows it, or as the device saw it */
struct chain {
	struct vdrv_buf buf[CHAIN];
	unsigned int n;
	unsigned int ndesc;	/* descriptors in the ring */
	uint32_t id;
	uint32_t in_len;
	uint32_t used_len;
	bool done;
};

static struct state {
	struct vdrv_mem mem;
	struct vdrv_vq vq;
	uint64_t features;
	unsigned int seed;
	/* the device */
	unsigned int at, used_at;
	bool wrap, used_wrap;
	struct chain seen[MAX];		/* taken and not completed, oldest first */
	unsigned int nseen;
	/* the driver: by cookie */
	struct chain sent[65536];
	uint16_t next;
	uint16_t expect;		/* with IN_ORDER: whose completion comes next */
	unsigned int out;
	uint64_t calls;
} s;

static unsigned int below(unsigned int n)
{
	return rand_r(&s.seed) % n;
}

static bool packed(void) { return s.features & PACKED; }

/* ---- the device: what is available ---- */

static void seen_buf(struct chain *c, uint64_t gpa, uint32_t len, uint16_t flags)
{
	assert_true(c->n < CHAIN);
	c->buf[c->n++] = (struct vdrv_buf){ gpa, len, flags & 2 };
	c->in_len += flags & 2 ? len : 0;
}

static void seen_table(struct chain *c, uint64_t gpa, uint32_t len)
{
	unsigned int i;

	assert_true(s.features & IND);
	assert_int_equal(len % 16, 0);
	assert_true(len >= 16 && len / 16 <= CHAIN);
	for (i = 0; i < len / 16; i++) {
		struct { uint64_t addr; uint32_t len; uint16_t a, b; } *t =
			vdrv_mem_va(&s.mem, gpa + 16 * i);

		/* split: flags, next; packed: id, flags */
		seen_buf(c, le64toh(t->addr), le32toh(t->len), le16toh(packed() ? t->b : t->a));
		if (packed()) {
			assert_int_equal(le16toh(t->b) & ~2, 0);
		} else {
			assert_int_equal(le16toh(t->a) & ~3, 0);
			assert_int_equal(le16toh(t->a) & 1, i + 1 < len / 16);
			if (le16toh(t->a) & 1)
				assert_int_equal(le16toh(t->b), i + 1);
		}
	}
}

static bool device_pop_split(struct chain *c)
{
	struct vring_desc *d;
	unsigned int i;

	if (le16toh(s.vq.avail->idx) == (uint16_t)s.at)
		return false;
	i = le16toh(s.vq.avail->ring[s.at++ % s.vq.num]);
	c->id = i;
	for (;;) {
		assert_true(i < s.vq.num);
		d = &s.vq.desc[i];
		c->ndesc++;
		if (le16toh(d->flags) & 4) {
			seen_table(c, le64toh(d->addr), le32toh(d->len));
			assert_int_equal(le16toh(d->flags), 4);
			return true;
		}
		seen_buf(c, le64toh(d->addr), le32toh(d->len), le16toh(d->flags));
		if (!(le16toh(d->flags) & 1))
			return true;
		/* 2.7.17: ring order, the last one is followed by the first */
		if (s.features & ORDER)
			assert_int_equal(le16toh(d->next), (i + 1) % s.vq.num);
		i = le16toh(d->next);
	}
}

static bool device_pop_packed(struct chain *c)
{
	struct vring_packed_desc *d;
	unsigned int flags;

	for (;;) {
		d = &s.vq.pdesc[s.at];
		flags = le16toh(d->flags);
		if (!!(flags & 0x80) != s.wrap || !!(flags & 0x8000) == s.wrap) {
			/* A chain is shown as a whole. */
			assert_int_equal(c->ndesc, 0);
			return false;
		}
		c->ndesc++;
		c->id = le16toh(d->id);
		if (++s.at == s.vq.num) {
			s.at = 0;
			s.wrap = !s.wrap;
		}
		if (flags & 4) {
			seen_table(c, le64toh(d->addr), le32toh(d->len));
			assert_int_equal(flags & ~0x8080, 4);
			return true;
		}
		seen_buf(c, le64toh(d->addr), le32toh(d->len), flags);
		if (!(flags & 1))
			return true;
	}
}

static unsigned int device_pop(void)
{
	struct chain *c = &s.seen[s.nseen];

	*c = (struct chain){ 0 };
	if (!(packed() ? device_pop_packed(c) : device_pop_split(c)))
		return 0;
	s.nseen++;
	assert_true(s.nseen < MAX);
	return 1;
}

/* ---- the device: completion ---- */

static unsigned int clock_at(unsigned int at, bool wrap) { return at + (wrap ? 0 : s.vq.num); }

/* Used entries from @from on, @n in all, have been written: call, as the driver wishes? */
static void device_call(unsigned int from, unsigned int n)
{
	unsigned int event, i, flags;
	bool call = false;

	if (!packed()) {
		event = le16toh(s.vq.avail->ring[s.vq.num]);
		for (i = 0; i < n; i++)
			call |= (uint16_t)(from + i) == event;
		if (!(s.features & EVENT))
			call = !(le16toh(s.vq.avail->flags) & 1);
	} else {
		event = le16toh(s.vq.driver_event->off_wrap);
		event = clock_at(event & 0x7fff, event & 0x8000);
		for (i = 0; i < n; i++)
			call |= (from + i) % (2 * s.vq.num) == event;
		flags = le16toh(s.vq.driver_event->flags) & 3;
		if (!(s.features & EVENT))
			assert_int_not_equal(flags, 2);
		if (flags != 2)
			call = flags == 0;
	}
	s.calls += call;
}

/* Write one used entry for @n chains that lie before each other, the last of them @c */
static void device_used(const struct chain *c, unsigned int n, unsigned int ndesc)
{
	unsigned int from;

	if (!packed()) {
		from = s.used_at;
		s.vq.used->ring[from % s.vq.num] = (struct vring_used_elem){ htole32(c->id),
									     htole32(c->used_len) };
		s.used_at = (uint16_t)(from + n);
		s.vq.used->idx = htole16(s.used_at);
		device_call(from, n);
		return;
	}
	from = clock_at(s.used_at, s.used_wrap);
	s.vq.pdesc[s.used_at].id = htole16(c->id);
	s.vq.pdesc[s.used_at].len = htole32(c->used_len);
	s.vq.pdesc[s.used_at].flags = htole16(s.used_wrap ? 0x8080 : 0);
	s.used_at += ndesc;
	if (s.used_at >= s.vq.num) {
		s.used_at -= s.vq.num;
		s.used_wrap = !s.used_wrap;
	}
	device_call(from, ndesc);
}

static void device_complete(void)
{
	unsigned int n = 1, first = 0, i, ndesc = 0;

	if (s.features & ORDER)
		n += below(s.nseen);
	else
		first = below(s.nseen);
	for (i = first; i < first + n; i++) {
		ndesc += s.seen[i].ndesc;
		/* What was skipped is full. */
		s.seen[i].used_len = s.seen[i].in_len;
	}
	if (s.seen[i - 1].in_len)
		s.seen[i - 1].used_len = below(s.seen[i - 1].in_len + 1);
	/* The driver's record of it */
	for (i = first; i < first + n; i++) {
		uint16_t cookie = s.seen[i].buf[0].gpa;

		assert_false(s.sent[cookie].done);
		assert_int_equal(s.sent[cookie].n, s.seen[i].n);
		assert_memory_equal(s.sent[cookie].buf, s.seen[i].buf,
				    s.seen[i].n * sizeof(struct vdrv_buf));
		s.sent[cookie].done = true;
		s.sent[cookie].used_len = s.seen[i].used_len;
	}
	device_used(&s.seen[first + n - 1], n, ndesc);
	s.nseen -= n;
	memmove(&s.seen[first], &s.seen[first + n], (s.nseen - first) * sizeof(s.seen[0]));
}

/* ---- the driver ---- */

static bool driver_add(void)
{
	struct chain *c = &s.sent[s.next];
	unsigned int n = 1 + below(CHAIN), i;

	*c = (struct chain){ .n = n };
	for (i = 0; i < n; i++) {
		c->buf[i].device_writes = i && below(2);
		c->buf[i].len = 1 + below(1000);
		/* No memory is touched: the address says which buffer it is. */
		c->buf[i].gpa = s.next | (uint64_t)(i + 1) << 32;
	}
	if (vdrv_vq_add(&s.vq, c->buf, n, s.next))
		return false;
	s.next++;
	s.out++;
	return true;
}

static bool driver_get(void)
{
	uint32_t cookie, len;
	int ret = vdrv_vq_get(&s.vq, &cookie, &len);

	assert_true(ret == 0 || ret == 1);
	if (!ret)
		return false;
	assert_true(s.sent[cookie].done);
	assert_int_equal(len, s.sent[cookie].used_len);
	if (s.features & ORDER)
		assert_int_equal(cookie, s.expect);
	s.expect++;
	s.sent[cookie].done = false;
	s.out--;
	return true;
}

static uint32_t device_position(void)
{
	uint16_t at = s.used_at | (s.used_wrap ? 0x8000 : 0);

	return packed() ? at | (uint32_t)at << 16 : s.used_at;
}

static void open_with(uint64_t features, unsigned int num, uint16_t base)
{
	unsigned int seed = s.seed;

	memset(&s, 0, sizeof(s));
	s.seed = seed;
	s.features = features;
	assert_int_equal(vdrv_mem_open(&s.mem, 4 << 20, VDRV_GPA), 0);
	assert_int_equal(vdrv_vq_open(&s.vq, &s.mem, 0, num, features, 4), 0);
	vdrv_vq_set_base(&s.vq, base);
	if (packed()) {
		uint32_t b = vdrv_vq_device_base(&s.vq);

		assert_int_equal(b & 0xffff, b >> 16);
		assert_int_equal(b & 0x7fff, base % num);
		s.at = s.used_at = b & 0x7fff;
		s.wrap = s.used_wrap = b & 0x8000;
	} else {
		s.at = s.used_at = base;
	}
}

static void close_all(void)
{
	vdrv_vq_close(&s.vq);
	vdrv_mem_close(&s.mem);
}

static void traffic(uint64_t features, unsigned int num, uint16_t base)
{
	unsigned int round, i;

	open_with(features, num, base);
	for (round = 0; round < 3000; round++) {
		for (i = below(8); i && driver_add(); i--)
			;
		if (below(2))
			vdrv_vq_publish(&s.vq);
		for (i = below(8); i && device_pop(); i--)
			;
		for (i = below(4); i && s.nseen; i--)
			device_complete();
		assert_int_equal(vdrv_vq_device_base(&s.vq), device_position());
		if (s.nseen)
			assert_false(vdrv_vq_all_used(&s.vq));
		for (i = below(6); i && driver_get(); i--)
			;
		assert_int_equal(vdrv_vq_device_base(&s.vq), device_position());
	}
	vdrv_vq_publish(&s.vq);
	while (device_pop())
		;
	while (s.nseen)
		device_complete();
	while (driver_get())
		;
	assert_int_equal(s.out, 0);
	assert_true(vdrv_vq_all_used(&s.vq));
	assert_int_equal(s.vq.nfree, num);
	assert_true(s.next > 1000 || num < CHAIN);
	close_all();
}

static void test_traffic(void **state)
{
	static const unsigned int nums[] = { 1, 2, 8, 256, 3, 7, 100, 257 };
	static const uint16_t bases[] = { 0, 5, 65530 };
	unsigned int f, n, b;

	(void)state;
	for (f = 0; f < 8; f++) {
		for (n = 0; n < 8; n++) {
			/* Only a packed ring may have any size. */
			if (!(f & 1) && n > 3)
				continue;
			for (b = 0; b < 3; b++)
				traffic((f & 1 ? PACKED : 0) | (f & 2 ? ORDER : 0) |
					(f & 4 ? IND : 0), nums[n], bases[b]);
		}
	}
}

/* One buffer of one descriptor more */
static void one(void)
{
	struct vdrv_buf b = { .gpa = 1ull << 32 | s.next, .len = 64 };

	s.sent[s.next] = (struct chain){ .buf = { b }, .n = 1 };
	assert_int_equal(vdrv_vq_add(&s.vq, &b, 1, s.next++), 0);
}

/* Kick only if one of the entries added is the one that the device waits for. */
static void test_kick(void **state)
{
	unsigned int layout, batch, event, i, next, clock, num = 8;
	bool wanted;

	(void)state;
	for (layout = 0; layout < 2; layout++) {
		open_with((layout ? PACKED : 0) | EVENT, num, layout ? 0 : 65500);
		clock = layout ? 2 * num : 65536;
		for (i = 0; i < 4000; i++) {
			batch = 1 + below(num);
			next = s.vq.avail_idx + (layout && !s.vq.avail_wrap ? num : 0);
			/* from 3 before the next entry to some after the last one */
			event = (next + clock - 3 + below(num + 5)) % clock;
			if (layout) {
				s.vq.device_event->off_wrap =
					htole16(event % num | (event < num ? 0x8000 : 0));
				s.vq.device_event->flags = htole16(2);
			} else {
				*(uint16_t *)&s.vq.used->ring[num] = htole16(event);
			}
			wanted = false;
			while (batch--) {
				wanted |= next++ % clock == event;
				one();
			}
			assert_int_equal(vdrv_vq_kick(&s.vq), wanted);
			assert_int_equal(vdrv_vq_kick(&s.vq), 0);
			while (device_pop())
				;
			while (s.nseen)
				device_complete();
			while (vdrv_vq_get(&s.vq, NULL, NULL) == 1)
				;
		}
		/* With neither kind of wish */
		if (layout)
			s.vq.device_event->flags = htole16(1);
		s.vq.event_idx = false;
		if (!layout)
			s.vq.used->flags = htole16(1);
		one();
		assert_int_equal(vdrv_vq_kick(&s.vq), 0);
		if (layout)
			s.vq.device_event->flags = 0;
		else
			s.vq.used->flags = 0;
		one();
		assert_int_equal(vdrv_vq_kick(&s.vq), 1);
		close_all();
	}
}

/* The device calls for the next completion after enable_call(), and never after disable_call(). */
static void test_call(void **state)
{
	unsigned int f, i, n;

	(void)state;
	for (f = 0; f < 8; f++) {
		open_with((f & 1 ? PACKED : 0) | (f & 2 ? EVENT : 0) | (f & 4 ? ORDER : 0), 8, 0);
		for (i = 0; i < 1000; i++) {
			for (n = 1 + below(8); n; n--)
				one();
			vdrv_vq_publish(&s.vq);
			vdrv_vq_disable_call(&s.vq);
			s.calls = 0;
			if (i % 2)
				assert_false(vdrv_vq_enable_call(&s.vq));
			while (device_pop())
				;
			while (s.nseen)
				device_complete();
			if (i % 2)
				assert_true(s.calls);
			else
				assert_int_equal(s.calls, 0);
			assert_true(vdrv_vq_enable_call(&s.vq));
			while (vdrv_vq_get(&s.vq, NULL, NULL) == 1)
				;
			assert_false(vdrv_vq_enable_call(&s.vq));
		}
		close_all();
	}
}

/* Completions of buffers that the device does not have */
static void test_bad_completion(void **state)
{
	unsigned int f;
	uint32_t cookie;

	(void)state;
	for (f = 0; f < 4; f++) {
		struct chain c = { .id = 8 };

		open_with((f & 1 ? PACKED : 0) | (f & 2 ? ORDER : 0), 8, 0);
		one();
		one();
		vdrv_vq_publish(&s.vq);
		device_used(&c, 1, 1);
		assert_int_equal(vdrv_vq_get(&s.vq, &cookie, NULL), -EPROTO);
		close_all();

		/* An id that is not out, and with IN_ORDER an index that moved too little */
		open_with((f & 1 ? PACKED : 0) | (f & 2 ? ORDER : 0), 8, 0);
		one();
		one();
		vdrv_vq_publish(&s.vq);
		c.id = 7;
		device_used(&c, 1, 1);
		assert_int_equal(vdrv_vq_get(&s.vq, &cookie, NULL), -EPROTO);
		close_all();
		if (f != 2)
			continue;
		open_with(ORDER, 8, 0);
		one();
		one();
		vdrv_vq_publish(&s.vq);
		c.id = 1;
		device_used(&c, 1, 1);
		assert_int_equal(vdrv_vq_get(&s.vq, &cookie, NULL), -EPROTO);
		close_all();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_kick),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_bad_completion),
	};

	s.seed = 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

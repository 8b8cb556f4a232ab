/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the ring tests start from: guest memory, a driver, and an engine on the same ring.
 */
#ifndef TESTS_RING_FIXTURE_H
#define TESTS_RING_FIXTURE_H

#define _GNU_SOURCE		/* memfd_create() */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ring_engine.h"
#include "ring_driver.h"
#include "ring_driver_packed.h"

#define MAX_ELEM 256
#define MAX_IOV 1024
#define MAX_OFFERED 1024

struct fixture {
	struct guest g;
	struct driver d;
	struct vring_engine vr;
	struct vring_pages pages;
	struct vring_batch b;
	struct vring_elem elem[MAX_ELEM];
	struct iovec iov[MAX_IOV];

	/* buffers with the driver's ids, in the order in which they were offered */
	u32 nr_offered, nr_reaped;
	u32 at_desc;			/* split: next free descriptor */
	struct {
		u16 id;
		u16 count;
		u16 pos;
	} offered[MAX_OFFERED];
	bool batch;			/* IN_ORDER: reaping a batch that ends with this one */
	u32 batch_id, batch_len;
};

/* How rings are made from now on. */
static struct fix_mode {
	bool packed;
	bool paged;
	bool in_order;
} fix;

static inline void fix_engine(struct fixture *t)
{
	struct vring_area *to[] = { &t->pages.desc, &t->pages.avail, &t->pages.used };
	u32 i;

	t->vr.num = t->d.num;
	t->vr.packed = fix.packed;
	t->vr.in_order = fix.in_order;
	for (i = 0; fix.paged && i < 3; i++) {
		to[i]->page = t->d.area[i].page;
		to[i]->offset = t->d.area[i].offset;
		t->vr.pages = &t->pages;
	}
	if (!fix.paged) {
		t->vr.desc = (struct vring_desc *)t->d.desc;
		t->vr.avail = (struct vring_avail *)t->d.avail;
		t->vr.used = (struct vring_used *)t->d.used;
	}
	t->b.elem = t->elem;
	t->b.iov = t->iov;
	t->b.max_elem = MAX_ELEM;
	t->b.max_iov = MAX_IOV;
}

/* Where the driver will offer next. */
static inline u16 fix_pos(const struct fixture *t)
{
	return t->d.packed ? packed_pos(&t->d, t->d.avail_lin) : t->d.avail_idx;
}

/* @start: avail index to begin with; packed: descriptors made available before */
static inline struct fixture *fix_new(u32 num, u32 start)
{
	struct fixture *t = calloc(1, sizeof(*t));

	memset(&hook, 0, sizeof(hook));
	guest_init(&t->g);
	if (fix.packed)
		packed_driver_init(&t->d, num, start, fix.paged);
	else
		driver_init(&t->d, num, start, fix.paged);
	fix_engine(t);
	assert_int_equal(vring_start(&t->vr, (struct vring_cursor){ fix_pos(t), fix_pos(t) }), 0);
	hook_reset();
	return t;
}

static inline void fix_free(struct fixture *t)
{
	driver_free(&t->d);
	guest_free(&t->g);
	free(t);
}

/* Every field of an element is filled in, whatever was there before. */
static inline int fix_pop(struct fixture *t)
{
	int i, n;

	memset(t->elem, 0xa5, sizeof(t->elem));
	n = vring_pop_batch(&t->vr, t->g.mem, &t->b);
	for (i = 0; i < n; i++)
		assert_int_equal(t->elem[i].len, 0);
	return n;
}

/* The usual buffer: descriptor @i, alone, 64 bytes at its own place in the big region. */
static inline void fix_simple(struct fixture *t, u16 i, bool write)
{
	driver_desc(&t->d, i, BIG_GPA + 64ULL * i, 64, write ? D_WRITE : 0, 0);
}

static inline void fix_offer(struct fixture *t, u16 head)
{
	driver_offer(&t->d, head);
	driver_publish(&t->d);
}

/* A chain of @n descriptors is offered, whatever the layout. Returns the id it will come back with. */
static inline u16 fix_chain(struct fixture *t, const struct packed_desc *p, u32 n)
{
	u32 nr = t->nr_offered++ % MAX_OFFERED, i;
	u16 id;

	t->offered[nr].count = n;
	t->offered[nr].pos = fix_pos(t);
	if (t->d.packed) {
		id = 0xf000 ^ t->nr_offered;
		packed_offer(&t->d, p, n, id);
	} else {
		id = t->at_desc % t->d.num;
		for (i = 0; i < n; i++, t->at_desc++)
			driver_desc(&t->d, t->at_desc % t->d.num, p[i].addr, p[i].len,
				    p[i].flags | (i + 1 < n ? D_NEXT : 0),
				    (t->at_desc + 1) % t->d.num);
		driver_offer(&t->d, id);
		driver_publish(&t->d);
	}
	t->offered[nr].id = id;
	return id;
}

#define SKIPPED 0xfffffffeU

/*
 * The next buffer that came back. With IN_ORDER buffers come back in the order in which they were
 * offered, and those that the device did not mention with the length SKIPPED.
 */
static inline bool fix_reap(struct fixture *t, u32 *id, u32 *len)
{
	bool split = !t->d.packed;
	u32 i = t->nr_reaped % MAX_OFFERED, n;

	if (!t->batch) {
		if (split && driver_used_idx(&t->d) == t->d.used_idx)
			return false;
		if (split) {
			const u8 *e = t->d.used + 4 + 8 * (t->d.used_idx % t->d.num);

			t->batch_id = ld_le(e, 4);
			t->batch_len = ld_le(e + 4, 4);
		} else if (!packed_used_desc(&t->d, &t->batch_id, &t->batch_len)) {
			return false;
		}
		t->batch = true;
	}
	assert_true(t->nr_reaped < t->nr_offered);
	for (n = 0; !t->vr.in_order && t->offered[i].id != t->batch_id; n++) {
		i = (i + 1) % MAX_OFFERED;
		assert_true(n < MAX_OFFERED);
	}
	*id = t->offered[i].id;
	*len = *id == t->batch_id ? t->batch_len : SKIPPED;
	if (*id == t->batch_id)
		t->batch = false;
	t->d.used_idx += split;
	t->d.used_lin += t->offered[i].count;
	t->nr_reaped++;
	return true;
}

/* Refused: this errno, this reason, nothing popped, the cursor still before it. */
#define assert_refused(t, ret, why)						\
do {										\
	u16 avail_before_ = (t)->vr.pos.avail;					\
	(t)->vr.err.code = VRING_OK;						\
	assert_int_equal(fix_pop(t), ret);					\
	assert_int_equal((t)->vr.err.code, why);				\
	assert_int_equal((t)->vr.pos.avail, avail_before_);			\
	assert_int_equal((t)->b.nr_elem, 0);					\
	assert_int_equal((t)->b.nr_iov, 0);					\
} while (0)

#endif

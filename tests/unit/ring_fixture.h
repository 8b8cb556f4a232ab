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

#define MAX_ELEM 256
#define MAX_IOV 1024

struct fixture {
	struct guest g;
	struct driver d;
	struct vring_engine vr;
	struct vring_pages pages;
	struct vring_batch b;
	struct vring_elem elem[MAX_ELEM];
	struct iovec iov[MAX_IOV];
};

/* Rings lie in pages from now on. */
static bool fix_paged;

static inline void fix_engine(struct fixture *t, u16 start)
{
	struct vring_area *to[] = { &t->pages.desc, &t->pages.avail, &t->pages.used };
	u32 i;

	t->vr.num = t->d.num;
	for (i = 0; fix_paged && i < 3; i++) {
		to[i]->page = t->d.area[i].page;
		to[i]->offset = t->d.area[i].offset;
		t->vr.pages = &t->pages;
	}
	if (!fix_paged) {
		t->vr.desc = (struct vring_desc *)t->d.desc;
		t->vr.avail = (struct vring_avail *)t->d.avail;
		t->vr.used = (struct vring_used *)t->d.used;
	}
	t->b.elem = t->elem;
	t->b.iov = t->iov;
	t->b.max_elem = MAX_ELEM;
	t->b.max_iov = MAX_IOV;
	assert_int_equal(vring_start(&t->vr, (struct vring_cursor){ start, start }), 0);
}

static inline struct fixture *fix_new(u32 num, u16 start)
{
	struct fixture *t = calloc(1, sizeof(*t));

	memset(&hook, 0, sizeof(hook));
	guest_init(&t->g);
	driver_init(&t->d, num, start, fix_paged);
	fix_engine(t, start);
	hook_reset();
	return t;
}

static inline void fix_free(struct fixture *t)
{
	driver_free(&t->d);
	guest_free(&t->g);
	free(t);
}

static inline int fix_pop(struct fixture *t)
{
	return vring_pop_batch(&t->vr, t->g.mem, &t->b);
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

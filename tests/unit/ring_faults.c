// SPDX-License-Identifier: GPL-2.0
/*
 * Any access to guest memory may fail. Here every one does, in turn.
 *
 * A worker's whole round (kicks off, pop, complete, notify, kicks on) is run once without faults
 * and then again and again, failing another access each time: once, or all from there on until the
 * worker has met it three times. Whatever fails, the cursor stays, nothing is published by halves,
 * and going on yields each buffer exactly once, as if nothing had happened.
 */
#include "ring_fixture.h"
#include "ring_vectors.h"

#define START 0xfffb			/* indices wrap on the way */

struct scenario {
	const char *name;
	const struct vector *vector[8];
	bool event_idx;
	u16 used_event;			/* counted from START */
	u16 max_elem;
};

static const struct vector lone_out = {
	.item = { { V_BUFFER, 0x100, 60, 0 } }, .nr_out = 1, .iov = { { 0x100, 60 } } };
static const struct vector lone_in = {
	.item = { { V_BUFFER, BIG_GPA, 1500, D_WRITE } }, .nr_in = 1,
	.iov = { { BIG_GPA, 1500 } } };
static const struct vector two_regions = {
	.item = { { V_BUFFER, 0xff0, 0x20, 0 } }, .nr_out = 2,
	.iov = { { 0xff0, 0x10 }, { MID_GPA, 0x10 } } };
static const struct vector chain = {
	.item = { { V_BUFFER, 0x10, 12, 0 }, { V_BUFFER, 0x20, 1, 0 },
		  { V_BUFFER, 0x40, 1, D_WRITE } },
	.nr_out = 2, .nr_in = 1, .iov = { { 0x10, 12 }, { 0x20, 1 }, { 0x40, 1 } } };
static const struct vector table = {
	.item = { { V_TABLE, TAB, 48, D_INDIRECT }, { V_ENTRY, 0x10, 12, 0 },
		  { V_ENTRY, 0x20, 1, 0 }, { V_ENTRY, 0x40, 1, D_WRITE } },
	.nr_out = 2, .nr_in = 1, .iov = { { 0x10, 12 }, { 0x20, 1 }, { 0x40, 1 } } };
static const struct vector two_tables = {
	.item = { { V_TABLE, TAB2, 32, D_INDIRECT }, { V_ENTRY, 0x10, 12, 0 },
		  { V_ENTRY, 0x20, 1, 0 },
		  { V_TABLE, ODD_GPA - 24, 48, D_INDIRECT }, { V_ENTRY, 0x50, 1, 0 },
		  { V_ENTRY, 0x60, 2, 0 }, { V_ENTRY, 0x40, 1, D_WRITE } },
	.nr_out = 4, .nr_in = 1,
	.iov = { { 0x10, 12 }, { 0x20, 1 }, { 0x50, 1 }, { 0x60, 2 }, { 0x40, 1 } } };

static const struct scenario scenarios[] = {
	{ "faults: lone descriptors", { &lone_out, &lone_in, &lone_out, &lone_in, &lone_in },
	  .max_elem = 64 },
	{ "faults: lone descriptors, EVENT_IDX", { &lone_out, &lone_in, &lone_out, &lone_in },
	  .event_idx = true, .used_event = 3, .max_elem = 64 },
	{ "faults: one at a time", { &lone_out, &chain, &table, &lone_in },
	  .event_idx = true, .used_event = 1, .max_elem = 1 },
	{ "faults: chains", { &chain, &two_regions, &chain, &lone_in }, .max_elem = 64 },
	{ "faults: tables", { &lone_out, &table, &two_tables, &table, &lone_in }, .max_elem = 3 },
	{ "faults: tables, EVENT_IDX", { &two_tables, &lone_out, &table },
	  .event_idx = true, .used_event = 9, .max_elem = 64 },
};

static u16 id_of[8], pos_of[8];

static void offer(struct fixture *t, const struct scenario *s, u32 from, u32 to)
{
	u32 i;

	for (i = from; i < to && s->vector[i]; i++) {
		pos_of[i] = fix_pos(t);
		id_of[i] = vector_offer(t, s->vector[i]);
	}
}

static int call_off(struct fixture *t)
{
	return vring_kicks_off(&t->vr);
}

static int call_complete(struct fixture *t)
{
	struct vring_elem done[MAX_ELEM];
	u32 i;

	for (i = 0; i < t->b.nr_elem; i++)
		done[i] = elem_done(&t->elem[i], t->elem[i].nr_in ? 1000 + t->elem[i].head : 0);
	return vring_complete_batch(&t->vr, done, t->b.nr_elem);
}

static int call_notify(struct fixture *t)
{
	return vring_need_notify(&t->vr);
}

static int call_on(struct fixture *t)
{
	return vring_kicks_on(&t->vr);
}

static int call_has_work(struct fixture *t)
{
	return vring_has_work(&t->vr);
}

static int call_start(struct fixture *t)
{
	return vring_start(&t->vr, t->vr.pos);
}

static int call_load_used(struct fixture *t)
{
	u16 used = 0xaaaa;
	int ret = vring_load_used(&t->vr, &used);

	assert_int_equal(used, ret ? 0xaaaa : t->vr.pos.used);
	return ret;
}

/* How far the device says it is; the packed layout shows only whether the next one is used. */
static u16 used_seen(const struct fixture *t)
{
	u32 id, len;

	return t->d.packed ? packed_used_desc(&t->d, &id, &len) : driver_used_idx(&t->d);
}

static bool kicks_are_off(const struct fixture *t)
{
	return t->d.packed ? packed_device_flags(&t->d) == P_DISABLE : driver_used_flags(&t->d);
}

/* Again until it works; every failure leaves the ring and the engine as they were. */
static int persist(struct fixture *t, int (*call)(struct fixture *))
{
	const struct vring_engine was = t->vr;
	const u16 used_idx = used_seen(t);
	u32 tries = 0;
	int ret;

	for (;;) {
		ret = call(t);
		assert_false(hook.open);
		if (ret >= 0)
			return ret;
		assert_int_equal(ret, -EFAULT);
		assert_true(t->vr.err.code == VRING_E_FAULT_RING ||
			    t->vr.err.code == VRING_E_FAULT_TABLE);
		assert_int_equal(t->vr.pos.avail, was.pos.avail);
		assert_int_equal(t->vr.pos.used, was.pos.used);
		assert_int_equal(used_seen(t), used_idx);
		if (call != call_start) {
			assert_int_equal(t->vr.signalled, was.signalled);
			assert_int_equal(t->vr.signalled_valid, was.signalled_valid);
		}
		/* what the driver was told and what the engine believes stay the same */
		if (!t->vr.event_idx && call != call_start)
			assert_int_equal(kicks_are_off(t), t->vr.kicks_off);
		if (call == fix_pop) {
			assert_int_equal(t->b.nr_elem, 0);
			assert_int_equal(t->b.nr_iov, 0);
		}
		if (++tries == 3)
			hook.fail_at = 0;
	}
}

/* What came back so far is right. */
static void reap(struct fixture *t, const struct scenario *s, u32 *reaped)
{
	u32 id, len;

	for (; fix_reap(t, &id, &len); ++*reaped) {
		bool writable = s->vector[*reaped]->nr_in;

		assert_int_equal(id, id_of[*reaped]);
		if (len != SKIPPED)
			assert_int_equal(len, writable ? 1000 + id : 0);
		else
			assert_true(fix.in_order && !writable);
	}
}

/* Returns how many accesses the round took. */
static unsigned long run(const struct scenario *s, unsigned long fail_at, bool fail_on)
{
	struct fixture *t = fix_new(fix.packed ? 13 : 32, fix.packed ? 21 : START);
	u32 i, total, popped = 0, irqs = 0, reaped = 0;
	unsigned long count;
	bool late = true;

	t->vr.event_idx = s->event_idx;
	t->b.max_elem = s->max_elem;
	if (fix.packed)
		packed_driver_event(&t->d, t->d.used_lin + s->used_event,
				    s->event_idx ? P_DESC : P_ENABLE);
	else
		driver_used_event(&t->d, START + s->used_event);
	for (total = 0; s->vector[total];)
		total++;
	offer(t, s, 0, 2);

	hook_reset();
	hook.fail_at = fail_at;
	hook.fail_on = fail_on;
	persist(t, call_start);
	t->vr.signalled_valid = true;
	persist(t, call_load_used);
	persist(t, call_has_work);
	persist(t, call_off);
	do {
		while (persist(t, fix_pop)) {
			for (i = 0; i < t->b.nr_elem; i++, popped++) {
				assert_true(popped < total);
				assert_int_equal(t->elem[i].at, pos_of[popped]);
				vector_check(t, s->vector[popped], i, id_of[popped]);
			}
			assert_int_equal(persist(t, call_complete), 0);
			irqs += persist(t, call_notify);
			reap(t, s, &reaped);
		}
		/* the second half comes just before the device wants to sleep */
		if (late)
			offer(t, s, 2, 8);
		late = false;
	} while (persist(t, call_on));
	assert_int_equal(persist(t, call_has_work), 0);
	count = hook.count;
	assert_true(fail_at == 0 || hook.failed >= 1);
	hook_reset();

	assert_int_equal(popped, total);
	assert_int_equal(reaped, total);
	assert_false(kicks_are_off(t));
	assert_int_equal(t->vr.signalled, t->vr.pos.used);
	if (s->event_idx)
		assert_int_equal(irqs, s->used_event < (fix.packed ? 7 : total));
	else
		assert_true(irqs >= 1);
	if (s->event_idx && fix.packed)
		assert_true(packed_would_kick(&t->d, t->d.avail_lin, t->d.avail_lin + 1));
	else if (s->event_idx)
		assert_int_equal(driver_avail_event(&t->d), t->d.avail_idx);
	fix_free(t);
	return count;
}

static void test_scenario(void **state)
{
	const struct scenario *s = *state;
	unsigned long total, i;
	u32 mode;

	for (mode = 0; mode < 8; mode++) {
		fix = (struct fix_mode){ .packed = mode & 1, .paged = mode & 2,
					 .in_order = mode & 4 };
		total = run(s, 0, false);
		assert_true(total > 20);
		for (i = 1; i <= total; i++) {
			run(s, i, false);
			run(s, i, true);
		}
	}
	memset(&fix, 0, sizeof(fix));
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(scenarios)];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(scenarios); i++)
		tests[i] = (struct CMUnitTest){ scenarios[i].name, test_scenario, NULL, NULL,
						(void *)&scenarios[i] };
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Batches: how far one call goes, what is given back, and what the driver sees of completions.
 */
#include "ring_fixture.h"

static void fill(struct fixture *t, bool write)
{
	u32 i;

	for (i = 0; i < t->d.num; i++)
		fix_simple(t, i, write);
}

/* Heads in another order than descriptors, so that neither is taken for the other. */
static u16 head_of(const struct fixture *t, u16 n)
{
	return (n * 5 + 3) % t->d.num;
}

/* 200000 buffers in batches of all sizes: indices wrap three times, and nothing is lost. */
static void test_wrap(void **state)
{
	struct fixture *t = fix_new(64, 0xff00);
	u32 in = 0, popped = 0, done_total = 0, reaped = 0, id, len;
	struct vring_elem done[64];
	int n, i;

	(void)state;
	fill(t, true);
	t->d.used_idx = 0xff00;
	while (reaped < 200000) {
		u32 room = 64 - (in - reaped), offer = room ? 1 + in * 7 % room : 0;

		while (offer--)
			driver_offer(&t->d, head_of(t, in++));
		driver_publish(&t->d);

		t->b.max_elem = 1 + in % 50;
		n = fix_pop(t);
		assert_in_range(n, 0, t->b.max_elem);
		assert_true(n > 0 || popped == in);
		for (i = 0; i < n; i++) {
			const struct vring_elem *e = &t->elem[i];

			assert_int_equal(e->at, (u16)(0xff00 + popped));
			assert_int_equal(e->head, head_of(t, popped++));
			assert_int_equal(e->iov, i);
			assert_int_equal(e->nr_in, 1);
			assert_int_equal(e->nr_out, 0);
			assert_int_equal(e->in_len, 64);
			assert_int_equal(e->out_len, 0);
			assert_ptr_equal(t->iov[i].iov_base,
					 guest_at(&t->g, BIG_GPA + 64 * e->head));
			done[i] = elem_done(e, done_total + i);
		}
		assert_int_equal(vring_complete_batch(&t->vr, done, n), 0);
		done_total += n;
		assert_int_equal(t->vr.pos.used, (u16)(0xff00 + done_total));
		assert_int_equal(driver_used_idx(&t->d), (u16)(0xff00 + done_total));
		while (driver_reap(&t->d, &id, &len)) {
			assert_int_equal(id, head_of(t, reaped));
			assert_int_equal(len, reaped++);
		}
	}
	fix_free(t);
}

/* Completions in another order, and fewer at a time, than they were popped. */
static void test_out_of_order(void **state)
{
	struct fixture *t = fix_new(16, 7);
	u32 i, id, len;

	(void)state;
	fill(t, false);
	for (i = 0; i < 16; i++)
		driver_offer(&t->d, i);
	driver_publish(&t->d);
	assert_int_equal(fix_pop(t), 16);
	t->d.used_idx = 7;
	for (i = 0; i < 16; i += 4) {
		struct vring_elem done[4] = {
			{ .head = 15 - i }, { .head = i, .len = 1 },
			{ .head = 0xffff, .len = 0xffffffff }, { .head = 3, .len = 0x12345678 },
		};

		assert_int_equal(vring_complete_batch(&t->vr, done, 4), 0);
		assert_true(driver_reap(&t->d, &id, &len) && id == 15 - i && len == 0);
		assert_true(driver_reap(&t->d, &id, &len) && id == i && len == 1);
		assert_true(driver_reap(&t->d, &id, &len) && id == 0xffff && len == 0xffffffff);
		assert_true(driver_reap(&t->d, &id, &len) && id == 3 && len == 0x12345678);
	}
	assert_false(driver_reap(&t->d, &id, &len));
	fix_free(t);
}

/* A ring that is completed in one go, across the end of the used ring. */
static void test_full_ring(void **state)
{
	static const u32 sizes[] = { 1, 2, 64, 32768 };
	u32 s, i, id, len;

	(void)state;
	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		u32 num = sizes[s], got = 0;
		struct fixture *t = fix_new(num, 0x7fff);
		struct vring_elem *done = calloc(num, sizeof(*done));
		int n;

		fill(t, true);
		for (i = 0; i < num; i++)
			driver_offer(&t->d, num - 1 - i);
		driver_publish(&t->d);
		while ((n = fix_pop(t)) > 0)
			for (i = 0; i < (u32)n; i++, got++)
				done[got] = elem_done(&t->elem[i], got);
		assert_int_equal(n, 0);
		assert_int_equal(got, num);
		assert_int_equal(vring_complete_batch(&t->vr, done, num), 0);
		t->d.used_idx = 0x7fff;
		for (i = 0; i < num; i++)
			assert_true(driver_reap(&t->d, &id, &len) && id == num - 1 - i);
		assert_false(driver_reap(&t->d, &id, &len));
		free(done);
		fix_free(t);
	}
}

/* The same in pages that are apart. */
static void test_paged(void **state)
{
	fix.paged = true;
	test_wrap(state);
	test_full_ring(state);
	fix.paged = false;
}

static void test_complete_nothing(void **state)
{
	struct fixture *t = fix_new(4, 3);

	(void)state;
	hook_reset();
	assert_int_equal(vring_complete_batch(&t->vr, NULL, 0), 0);
	assert_int_equal(hook.count, 0);
	assert_int_equal(t->vr.pos.used, 3);
	fix_free(t);
}

/* A batch stops before an element that does not fit, and goes on with it. */
static void test_no_room(void **state)
{
	struct fixture *t = fix_new(16, 0);
	u32 i;

	(void)state;
	for (i = 0; i < 16; i++)
		driver_desc(&t->d, i, 0x10 * i, 1, i % 4 < 3 ? D_NEXT : 0, i + 1);
	for (i = 0; i < 16; i += 4)
		driver_offer(&t->d, i);
	driver_publish(&t->d);
	t->b.max_iov = 10;
	assert_int_equal(fix_pop(t), 2);
	assert_int_equal(t->b.nr_iov, 8);
	assert_int_equal(t->elem[1].iov, 4);
	assert_int_equal(t->vr.err.code, VRING_OK);
	t->b.max_iov = 4;
	assert_int_equal(fix_pop(t), 1);
	assert_int_equal(t->elem[0].head, 8);
	assert_int_equal(fix_pop(t), 1);
	assert_int_equal(t->elem[0].head, 12);
	assert_int_equal(fix_pop(t), 0);

	/* lone descriptors, too */
	fill(t, true);
	for (i = 0; i < 16; i++)
		driver_offer(&t->d, i);
	driver_publish(&t->d);
	t->b.max_iov = 3;
	for (i = 0; i < 15; i += 3) {
		assert_int_equal(fix_pop(t), 3);
		assert_int_equal(t->b.nr_iov, 3);
		assert_int_equal(t->elem[2].head, i + 2);
	}
	assert_int_equal(fix_pop(t), 1);
	t->b.max_elem = 0;
	assert_int_equal(fix_pop(t), 0);
	fix_free(t);
}

/* Long chains end a batch early, never with nothing. */
static void test_bounded_work(void **state)
{
	struct fixture *t = fix_new(1024, 0);
	u32 i, calls = 0, got = 0;
	int n;

	(void)state;
	for (i = 0; i < 1024; i++)
		driver_desc(&t->d, i, 0, 0, i < 1023 ? D_NEXT : 0, i + 1);
	for (i = 0; i < 100; i++)
		driver_offer(&t->d, 0);
	driver_publish(&t->d);
	do {
		hook_reset();
		n = fix_pop(t);
		assert_true(n >= 0);
		assert_true(hook.count < 2 * (4096 + 1024 + 100));
		got += n;
		calls++;
	} while (n);
	assert_int_equal(got, 100);
	assert_in_range(calls, 20, 40);
	fix_free(t);
}

/* The index is read again only when what is known does not fill the batch. */
static void test_looks_once(void **state)
{
	struct fixture *t = fix_new(16, 0);
	u32 i;

	(void)state;
	fill(t, true);
	for (i = 0; i < 8; i++)
		driver_offer(&t->d, i);
	driver_publish(&t->d);
	t->b.max_elem = 4;
	assert_int_equal(fix_pop(t), 4);
	hook_reset();
	st_le(t->d.avail + 2, 0x4000, 2);		/* nobody looks */
	assert_int_equal(fix_pop(t), 4);
	assert_int_equal(hook.count, 1 + 4 * 3);	/* the window; entry and two halves */
	assert_int_equal(fix_pop(t), -EINVAL);
	driver_publish(&t->d);
	driver_offer(&t->d, 8);
	driver_offer(&t->d, 9);
	driver_publish(&t->d);
	hook_reset();
	assert_int_equal(vring_has_work(&t->vr), 1);
	assert_int_equal(hook.count, 2);
	assert_int_equal(vring_has_work(&t->vr), 1);
	assert_int_equal(hook.count, 2);
	assert_int_equal(fix_pop(t), 2);
	assert_int_equal(vring_has_work(&t->vr), 0);

	/* one is known, more are there: a batch that can be full is full */
	fix_offer(t, 10);
	assert_int_equal(vring_has_work(&t->vr), 1);
	for (i = 11; i < 16; i++)
		fix_offer(t, i);
	assert_int_equal(fix_pop(t), 4);
	fix_free(t);
}

static void test_rewind(void **state)
{
	struct fixture *t = fix_new(16, 0xfffa);
	struct vring_elem done = { .head = 0, .len = 10 };
	u32 i;

	(void)state;
	fill(t, true);
	for (i = 0; i < 12; i++)
		driver_offer(&t->d, i);
	driver_publish(&t->d);
	t->b.max_elem = 8;
	assert_int_equal(fix_pop(t), 8);
	/* the first is completed, the second and third are kept, the others go back */
	assert_int_equal(vring_complete_batch(&t->vr, &done, 1), 0);
	vring_rewind(&t->vr, &t->elem[3]);
	assert_int_equal(t->vr.pos.avail, (u16)(0xfffa + 3));
	assert_int_equal(t->vr.pos.used, 0xfffb);
	assert_int_equal(driver_used_idx(&t->d), 0xfffb);
	t->b.max_elem = MAX_ELEM;
	assert_int_equal(fix_pop(t), 9);
	for (i = 0; i < 9; i++) {
		assert_int_equal(t->elem[i].head, 3 + i);
		assert_int_equal(t->elem[i].at, (u16)(0xfffa + 3 + i));
	}
	vring_rewind(&t->vr, &t->elem[0]);
	assert_int_equal(vring_has_work(&t->vr), 1);
	assert_int_equal(fix_pop(t), 9);
	assert_int_equal(t->elem[8].head, 11);
	assert_int_equal(fix_pop(t), 0);
	fix_free(t);
}

/* A cursor that was saved goes on in another engine, as after a backend is exchanged. */
static void test_restore(void **state)
{
	struct fixture *t = fix_new(16, 0x8000);
	struct vring_elem done[3] = {
		{ .head = 0, .len = 1 }, { .head = 1, .len = 2 }, { .head = 2, .len = 3 },
	};
	struct vring_cursor saved;
	struct vring_engine vr;
	u32 i, id, len;
	u16 used;

	(void)state;
	fill(t, true);
	for (i = 0; i < 6; i++)
		driver_offer(&t->d, i);
	driver_publish(&t->d);
	t->b.max_elem = 3;
	assert_int_equal(fix_pop(t), 3);
	assert_int_equal(vring_complete_batch(&t->vr, done, 3), 0);
	saved = t->vr.pos;
	vr = t->vr;
	memset(&t->vr, 0xaa, sizeof(t->vr));
	t->vr.num = vr.num;
	t->vr.packed = false;
	t->vr.in_order = false;
	t->vr.event_idx = false;
	t->vr.notify_on_empty = false;
	t->vr.desc = vr.desc;
	t->vr.avail = vr.avail;
	t->vr.used = vr.used;
	t->vr.pages = NULL;
	assert_int_equal(vring_load_used(&t->vr, &used), 0);
	assert_int_equal(used, saved.used);
	assert_int_equal(vring_start(&t->vr, saved), 0);
	assert_int_equal(t->vr.pos.avail, 0x8003);
	assert_int_equal(t->vr.pos.used, 0x8003);
	assert_int_equal(fix_pop(t), 3);
	assert_int_equal(t->elem[0].head, 3);
	done[0].head = 5;
	assert_int_equal(vring_complete_batch(&t->vr, done, 1), 0);
	t->d.used_idx = 0x8000;
	for (i = 0; i < 3; i++)
		assert_true(driver_reap(&t->d, &id, &len) && id == i);
	assert_true(driver_reap(&t->d, &id, &len) && id == 5);
	assert_false(driver_reap(&t->d, &id, &len));
	fix_free(t);
}

static u8 *poked, poke_value;

static void poke(void)
{
	if (hook.count == 4)		/* window, index, entry; then the first half */
		*poked = poke_value;
}

/* What was read is read once: a driver that changes its mind afterwards changes nothing. */
static void test_read_once(void **state)
{
	struct fixture *t = fix_new(8, 0);

	(void)state;
	fill(t, true);
	fix_offer(t, 2);
	poked = t->d.avail + 4;
	poke_value = 5;
	hook_reset();
	hook.before = poke;
	assert_int_equal(fix_pop(t), 1);
	hook.before = NULL;
	assert_int_equal(t->elem[0].head, 2);
	assert_ptr_equal(t->iov[0].iov_base, guest_at(&t->g, BIG_GPA + 64 * 2));
	assert_int_equal(hook.count, 5);
	fix_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_paged),
		cmocka_unit_test(test_complete_nothing),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_bounded_work),
		cmocka_unit_test(test_looks_once),
		cmocka_unit_test(test_rewind),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_read_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

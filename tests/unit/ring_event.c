// SPDX-License-Identifier: GPL-2.0
/*
 * Who wakes whom: interrupts towards the driver, kicks towards the device.
 */
#include "ring_fixture.h"

static void complete(struct fixture *t, u32 n)
{
	static const struct vring_elem done[256];

	while (n) {
		u32 part = n < t->d.num ? n : t->d.num;

		if (part > 256)
			part = 256;
		assert_int_equal(vring_complete_batch(&t->vr, done, part), 0);
		n -= part;
	}
}

/* By counting: is the entry the driver waits for among the @n after @old? */
static int waits_for(u16 old, u32 n, u16 event)
{
	u32 i;

	for (i = 0; i < n; i++)
		if ((u16)(old + i) == event)
			return 1;
	return 0;
}

/* Every used_event around the window of what was completed, for windows that wrap and do not. */
static void test_event_window(void **state)
{
	static const u16 starts[] = { 0, 1, 0x7ffe, 0x8000, 0xfff0, 0xffff };
	struct fixture *t = fix_new(256, 0);
	u32 s, n;
	int off;

	(void)state;
	t->vr.event_idx = true;
	for (s = 0; s < ARRAY_SIZE(starts); s++) {
		for (n = 0; n <= 256; n += n < 8 ? 1 : 62) {
			for (off = -6; off < (int)n + 6; off++) {
				u16 event = starts[s] + off;

				assert_int_equal(vring_start(&t->vr, (struct vring_cursor){
						.used = starts[s] }), 0);
				assert_int_equal(vring_need_notify(&t->vr), 1);
				driver_used_event(&t->d, event);
				complete(t, n / 2);
				complete(t, n - n / 2);
				assert_int_equal(vring_need_notify(&t->vr),
						 waits_for(starts[s], n, event));
				/* decided: the same completions do not count twice */
				assert_int_equal(vring_need_notify(&t->vr), 0);
			}
		}
	}
	fix_free(t);
}

/* All 65536 values of used_event for one window that wraps. */
static void test_event_all_values(void **state)
{
	struct fixture *t = fix_new(64, 0);
	u32 event;

	(void)state;
	t->vr.event_idx = true;
	for (event = 0; event < 65536; event++) {
		assert_int_equal(vring_start(&t->vr, (struct vring_cursor){ .used = 0xffe8 }), 0);
		assert_int_equal(vring_need_notify(&t->vr), 1);
		driver_used_event(&t->d, event);
		complete(t, 48);
		assert_int_equal(vring_need_notify(&t->vr), waits_for(0xffe8, 48, event));
	}
	fix_free(t);
}

/* The first decision after a start is always yes: who knows what was completed before. */
static void test_first_notify(void **state)
{
	struct fixture *t = fix_new(16, 100);
	u32 i;

	(void)state;
	for (i = 0; i < 2; i++) {
		t->vr.event_idx = true;
		driver_used_event(&t->d, 5000);
		complete(t, i);
		assert_int_equal(vring_need_notify(&t->vr), 1);
		assert_int_equal(vring_need_notify(&t->vr), 0);
		complete(t, 1);
		assert_int_equal(vring_need_notify(&t->vr), 0);
		assert_int_equal(vring_start(&t->vr, t->vr.pos), 0);
	}
	fix_free(t);
}

/* No decision for so long that the index came round: yes, rather than a guess. */
static void test_signalled_wraps(void **state)
{
	static const u32 counts[] = { 65535, 65536, 65537, 65600, 3 * 65536, 3 * 65536 - 1 };
	struct fixture *t = fix_new(256, 0);
	u32 i, batch;

	(void)state;
	t->vr.event_idx = true;
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		for (batch = 1; batch <= 256; batch *= 16) {
			u32 n;

			assert_int_equal(vring_start(&t->vr, (struct vring_cursor){
					.used = 9 }), 0);
			assert_int_equal(vring_need_notify(&t->vr), 1);
			for (n = counts[i]; n >= batch; n -= batch)
				complete(t, batch);
			complete(t, n);
			/* the one entry that is not among the first 65535 */
			driver_used_event(&t->d, (u16)(9 + 65535));
			assert_int_equal(vring_need_notify(&t->vr), counts[i] > 65535);
		}
	}

	/* in flags mode such a lap must not look like "nothing happened" */
	t->vr.event_idx = false;
	assert_int_equal(vring_need_notify(&t->vr), 0);
	complete(t, 65536);
	assert_int_equal(vring_need_notify(&t->vr), 1);
	fix_free(t);
}

static void test_flags_notify(void **state)
{
	struct fixture *t = fix_new(16, 0);

	(void)state;
	driver_used_event(&t->d, 0);		/* means nothing here */
	driver_avail_flags(&t->d, 1);
	assert_int_equal(vring_need_notify(&t->vr), 0);
	complete(t, 1);
	assert_int_equal(vring_need_notify(&t->vr), 0);
	driver_avail_flags(&t->d, 0xfffe);	/* only the lowest bit counts */
	complete(t, 3);
	assert_int_equal(vring_need_notify(&t->vr), 1);
	hook_reset();
	assert_int_equal(vring_need_notify(&t->vr), 0);
	assert_int_equal(hook.count, 0);
	complete(t, 1);
	assert_int_equal(vring_need_notify(&t->vr), 1);
	/* with EVENT_IDX the flag is ignored */
	t->vr.event_idx = true;
	driver_avail_flags(&t->d, 1);
	driver_used_event(&t->d, t->vr.pos.used);
	complete(t, 1);
	assert_int_equal(vring_need_notify(&t->vr), 1);
	fix_free(t);
}

/* Legacy drivers may ask to be told when all they offered was taken, whatever else they said. */
static void test_notify_on_empty(void **state)
{
	struct fixture *t = fix_new(16, 0);
	u32 mode;

	(void)state;
	t->b.max_elem = 1;
	fix_simple(t, 0, false);
	driver_avail_flags(&t->d, 1);
	for (mode = 0; mode < 2; mode++) {
		t->vr.event_idx = mode;
		vring_need_notify(&t->vr);
		driver_used_event(&t->d, 0x7000);

		t->vr.notify_on_empty = true;
		driver_offer(&t->d, 0);
		fix_offer(t, 0);
		assert_int_equal(fix_pop(t), 1);
		complete(t, 1);
		assert_int_equal(vring_need_notify(&t->vr), 0);	/* one is left */
		assert_int_equal(fix_pop(t), 1);
		complete(t, 1);
		assert_int_equal(vring_need_notify(&t->vr), 1);
		assert_int_equal(vring_need_notify(&t->vr), 0);

		t->vr.notify_on_empty = false;
		fix_offer(t, 0);
		assert_int_equal(fix_pop(t), 1);
		complete(t, 1);
		assert_int_equal(vring_need_notify(&t->vr), 0);
	}
	fix_free(t);
}

static void test_flags_kicks(void **state)
{
	struct fixture *t = fix_new(4, 0);
	u16 old;

	(void)state;
	st_le(t->d.used, 0xffff, 2);
	assert_int_equal(vring_start(&t->vr, t->vr.pos), 0);
	assert_int_equal(driver_used_flags(&t->d), 0);
	assert_int_equal(vring_kicks_off(&t->vr), 0);
	assert_int_equal(driver_used_flags(&t->d), 1);
	assert_false(driver_would_kick(&t->d, 0, 1, false));
	hook_reset();
	assert_int_equal(vring_kicks_off(&t->vr), 0);
	assert_int_equal(hook.count, 0);		/* told once is enough */
	assert_int_equal(vring_kicks_on(&t->vr), 0);
	assert_int_equal(driver_used_flags(&t->d), 0);
	assert_true(driver_would_kick(&t->d, 0, 1, false));
	hook_reset();
	assert_int_equal(vring_kicks_on(&t->vr), 0);
	assert_int_equal(hook.count, 2);		/* only a look */
	assert_int_equal(vring_kicks_off(&t->vr), 0);
	fix_simple(t, 0, false);
	old = t->d.avail_idx;
	fix_offer(t, 0);
	assert_false(driver_would_kick(&t->d, old, t->d.avail_idx, false));
	assert_int_equal(vring_kicks_on(&t->vr), 1);	/* came while kicks were off */
	assert_int_equal(fix_pop(t), 1);
	assert_int_equal(vring_kicks_on(&t->vr), 0);
	fix_free(t);
}

static void test_event_kicks(void **state)
{
	struct fixture *t = fix_new(4, 0xfffe);
	u16 old;
	u32 i;

	(void)state;
	t->vr.event_idx = true;
	for (i = 0; i < 4; i++)
		fix_simple(t, i, false);
	hook_reset();
	assert_int_equal(vring_kicks_off(&t->vr), 0);
	assert_int_equal(hook.count, 0);
	assert_int_equal(vring_kicks_on(&t->vr), 0);
	assert_int_equal(driver_avail_event(&t->d), 0xfffe);
	assert_int_equal(driver_used_flags(&t->d), 0);
	for (i = 0; i < 9; i++) {
		old = t->d.avail_idx;
		fix_offer(t, i % 4);
		assert_true(driver_would_kick(&t->d, old, t->d.avail_idx, true));
		/* awake: what comes now comes without a kick, and is seen before sleeping */
		old = t->d.avail_idx;
		fix_offer(t, (i + 1) % 4);
		assert_false(driver_would_kick(&t->d, old, t->d.avail_idx, true));
		assert_int_equal(fix_pop(t), 2);
		old = t->d.avail_idx;
		fix_offer(t, (i + 2) % 4);
		assert_false(driver_would_kick(&t->d, old, t->d.avail_idx, true));
		assert_int_equal(vring_kicks_on(&t->vr), 1);
		assert_int_equal(fix_pop(t), 1);
		assert_int_equal(vring_kicks_on(&t->vr), 0);
		assert_int_equal(driver_avail_event(&t->d), t->d.avail_idx);
	}
	fix_free(t);
}

/*
 * Too few buffers for a frame: they are given back, and the device sleeps until there is one more.
 * Were it told "there is work" for what it has seen already, it would never sleep.
 */
static void test_sleep_on_too_few(void **state)
{
	u32 mode, i;

	(void)state;
	for (mode = 0; mode < 2; mode++) {
		struct fixture *t = fix_new(8, 0);

		t->vr.event_idx = mode;
		for (i = 0; i < 8; i++)
			fix_simple(t, i, true);
		driver_offer(&t->d, 0);
		fix_offer(t, 1);
		assert_int_equal(vring_kicks_off(&t->vr), 0);
		assert_int_equal(fix_pop(t), 2);
		vring_rewind(&t->vr, &t->elem[0]);
		assert_int_equal(vring_kicks_on(&t->vr), 0);
		assert_true(driver_would_kick(&t->d, 2, 3, mode));
		assert_int_equal(vring_kicks_off(&t->vr), 0);
		fix_offer(t, 2);
		assert_int_equal(vring_kicks_on(&t->vr), 1);
		assert_int_equal(fix_pop(t), 3);
		fix_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event_window),
		cmocka_unit_test(test_event_all_values),
		cmocka_unit_test(test_first_notify),
		cmocka_unit_test(test_signalled_wraps),
		cmocka_unit_test(test_flags_notify),
		cmocka_unit_test(test_notify_on_empty),
		cmocka_unit_test(test_flags_kicks),
		cmocka_unit_test(test_event_kicks),
		cmocka_unit_test(test_sleep_on_too_few),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

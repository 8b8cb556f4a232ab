// SPDX-License-Identifier: GPL-2.0
/*
 * What is peculiar to packed rings: laps, places, limits, and who wakes whom.
 */
#include "ring_fixture.h"

static bool paged;

static struct fixture *new_ring(u32 num, u32 start)
{
	fix = (struct fix_mode){ .packed = true, .paged = paged };
	return fix_new(num, start);
}

static u16 lone(struct fixture *t, u32 len, u16 flags)
{
	return fix_chain(t, &(struct packed_desc){ BIG_GPA + 64, len, flags }, 1);
}

/* Offers one chain of @n buffers of a byte each. */
static u16 chain(struct fixture *t, u32 n)
{
	struct packed_desc *p = calloc(n, sizeof(*p));
	u32 i;
	u16 id;

	for (i = 0; i < n; i++)
		p[i] = (struct packed_desc){ BIG_GPA + i, 1, i ? D_WRITE : 0 };
	id = fix_chain(t, p, n);
	free(p);
	return id;
}

/* Completes the first @n of the last batch. */
static void complete(struct fixture *t, u32 n)
{
	struct vring_elem done[MAX_ELEM];
	u32 i;

	for (i = 0; i < n; i++)
		done[i] = elem_done(&t->elem[i], i);
	assert_int_equal(vring_complete_batch(&t->vr, done, n), 0);
}

/* As long as the ring is, longer, and longer than what is not in flight. */
static void test_chain_limit(void **state)
{
	static const u32 sizes[] = { 1, 2, 7, 300 };
	u32 s, start, i;

	(void)state;
	for (s = 0; s < ARRAY_SIZE(sizes) * 3; s++) {
		u32 num = sizes[s / 3];
		struct fixture *t;

		start = s % 3 ? num * (s % 3) + num / 2 : 0;
		t = new_ring(num, start);
		chain(t, num);
		assert_int_equal(fix_pop(t), 1);
		assert_int_equal(t->elem[0].count, num);
		assert_int_equal(t->elem[0].nr_in, num - 1);
		assert_int_equal(t->vr.pos.avail, packed_pos(&t->d, start + num));
		/* a driver that goes on all the same: nothing more can be there */
		for (i = 0; i < num; i++)
			lone(t, 1, 0);
		assert_int_equal(fix_pop(t), 0);
		assert_int_equal(vring_has_work(&t->vr), 0);
		assert_int_equal(vring_kicks_on(&t->vr), 0);
		fix_free(t);

		/* the last one points on */
		t = new_ring(num, start);
		chain(t, num);
		i = (start + num - 1) % num;
		st_le(t->d.desc + 16 * i + 14, ld_le(t->d.desc + 16 * i + 14, 2) | D_NEXT, 2);
		assert_refused(t, -EINVAL, VRING_E_LOOP);
		assert_int_equal(vring_has_work(&t->vr), 1);
		fix_free(t);

		if (num < 3)
			continue;
		t = new_ring(num, start);
		lone(t, 1, 0);
		assert_int_equal(fix_pop(t), 1);
		chain(t, num - 1);
		assert_int_equal(fix_pop(t), 1);
		vring_rewind(&t->vr, &t->elem[0]);
		i = (start + num - 1) % num;
		st_le(t->d.desc + 16 * i + 14, ld_le(t->d.desc + 16 * i + 14, 2) | D_NEXT, 2);
		assert_refused(t, -EINVAL, VRING_E_LOOP);
		fix_free(t);
	}
}

static struct fixture *turning;

/* A driver that makes each descriptor available again as soon as it was read. */
static void turn_over(void)
{
	u32 i;

	for (i = 0; i < turning->d.num; i++)
		if (hook.count == (paged ? 2 : 1) + 2 * (i + 1))
			st_le(turning->d.desc + 16 * i + 14, P_USED, 2);
}

/* One batch, too, takes no more than there can be. */
static void test_overrun(void **state)
{
	struct fixture *t = new_ring(5, 0);
	u32 i;

	(void)state;
	for (i = 0; i < 5; i++)
		fix_chain(t, &(struct packed_desc){ BIG_GPA, 1, 0 }, 1);
	turning = t;
	hook_reset();
	hook.before = turn_over;
	assert_int_equal(fix_pop(t), 5);
	hook.before = NULL;
	fix_free(t);
}

static void test_in_pages(void **state)
{
	paged = true;
	test_chain_limit(state);
	test_overrun(state);
	paged = false;
}

/* What a batch stops at: room for segments, and work. Then there is more, and it is not lost. */
static void test_stops(void **state)
{
	struct fixture *t = new_ring(9000, 1000);
	u32 i, got = 0, calls = 0;
	int n;

	(void)state;
	t->b.max_iov = 10;
	for (i = 0; i < 3; i++)
		chain(t, 4);
	assert_int_equal(fix_pop(t), 2);
	assert_int_equal(t->b.nr_iov, 8);
	assert_int_not_equal(t->vr.avail_seen, t->vr.pos.avail);
	complete(t, 2);
	t->b.max_iov = 3;
	assert_refused(t, -ENOBUFS, VRING_E_SEGMENTS);
	t->b.max_iov = MAX_IOV;
	t->b.max_elem = 0;
	assert_int_equal(fix_pop(t), 0);
	t->b.max_elem = MAX_ELEM;
	assert_int_equal(fix_pop(t), 1);
	complete(t, 1);

	/* lone descriptors */
	t->b.max_iov = 3;
	for (i = 0; i < 7; i++)
		lone(t, 5, D_WRITE);
	for (i = 0; i < 6; i += 3) {
		assert_int_equal(fix_pop(t), 3);
		assert_int_not_equal(t->vr.avail_seen, t->vr.pos.avail);
		complete(t, 3);
	}
	assert_int_equal(fix_pop(t), 1);
	complete(t, 1);
	t->b.max_iov = MAX_IOV;

	/* chains of empty buffers: the work of one call is bounded, and the ring not empty */
	for (;;) {
		struct packed_desc p[300] = { 0 };

		for (i = 0; i < 29; i++)
			fix_chain(t, p, 300);
		hook_reset();
		do {
			n = fix_pop(t);
			assert_in_range(n, 0, 14);
			complete(t, n);
			got += n;
			calls++;
		} while (n);
		if (got > 100)
			break;
	}
	assert_true(calls < 40);
	fix_free(t);
}

/* Many long chains, with tables in them: every call ends, and says that there is more. */
static void test_bounded_work(void **state)
{
	struct fixture *t = new_ring(64, 5);
	struct packed_desc p[64];
	u32 i;

	(void)state;
	for (i = 0; i < 64; i++)
		p[i] = (struct packed_desc){ BIG_GPA, 65536 * 16, D_INDIRECT };
	fix_chain(t, p, 64);
	hook_reset();
	assert_refused(t, -EINVAL, VRING_E_LOOP);
	assert_in_range(hook.count, 2 * 2 * 65536, 2 * 3 * 65536);
	fix_free(t);

	t = new_ring(64, 5);
	for (i = 0; i < 64; i++)
		p[i].len = 1000 * 16;
	for (i = 0; i < 30; i++)
		fix_chain(t, p, 2);
	assert_int_equal(fix_pop(t), 3);
	assert_int_not_equal(t->vr.avail_seen, t->vr.pos.avail);
	assert_int_equal(vring_has_work(&t->vr), 1);
	assert_int_equal(fix_pop(t), 3);
	fix_free(t);
}

/* Bounds of a table that is taken entry by entry, without links. */
static void test_tables(void **state)
{
	struct fixture *t = new_ring(4, 0);
	u8 raw[16];
	u32 i;

	(void)state;
	for (i = 0; i < 65536; i++) {
		desc_bytes(raw, 0x100, !(i % 128), 0x1111, 0);
		guest_write(&t->g, BIG_GPA + 16 * i, raw, 16);
	}
	fix_chain(t, &(struct packed_desc){ BIG_GPA, 65536 * 16, D_INDIRECT }, 1);
	assert_int_equal(fix_pop(t), 1);
	assert_int_equal(t->elem[0].nr_out, 512);
	assert_int_equal(t->elem[0].count, 1);
	fix_free(t);
}

static void test_start(void **state)
{
	struct fixture *t = new_ring(100, 0);
	static const struct { u16 avail, used; int ret; } c[] = {
		{ 0x8000, 0x8000, 0 }, { 0, 0, 0 }, { 99, 99, 0 }, { 100, 99, -EINVAL },
		{ 99, 100, -EINVAL }, { 0x8064, 0x8064, -EINVAL }, { 0x7fff, 0x7fff, -EINVAL },
		{ 5, 3, 0 }, { 3, 5, -EINVAL }, { 3, 0x8005, 0 }, { 0x8005, 3, -EINVAL },
		{ 5, 0x8005, 0 }, { 6, 0x8005, -EINVAL }, { 0, 0x8064, -EINVAL }, { 0x8063, 0x8000, 0 }, { 0, 0x8000, 0 },
	};
	u16 used = 0;
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		struct vring_cursor pos = { c[i].avail, c[i].used };

		st_le(t->d.used, 0xffffffff, 4);
		assert_int_equal(vring_start(&t->vr, pos), c[i].ret);
		assert_int_equal(t->vr.err.code, c[i].ret ? VRING_E_CURSOR : VRING_OK);
		assert_int_equal(ld_le(t->d.used, 4), c[i].ret ? 0xffffffff : 0);
		assert_int_equal(vring_load_used(&t->vr, &used), 0);
		assert_int_equal(used, c[i].used);
	}
	fix_free(t);
}

/* Places are counted from 0 in laps of @num; every event place around every window. */
static void test_event_window(void **state)
{
	u32 num, start, n, event, i;

	(void)state;
	for (num = 1; num <= 9; num += 4) {
		for (start = 0; start < 2 * num; start++) {
			for (n = 1; n <= num; n++) {
				/* one lap back to one ahead: others look the same */
				for (event = start; event < start + 2 * num; event++) {
					struct fixture *t = new_ring(num, start);

					t->vr.event_idx = true;
					packed_driver_event(&t->d, event, P_DESC);
					assert_int_equal(vring_need_notify(&t->vr), 1);
					for (i = 0; i < n; i++)
						lone(t, 1, 0);
					assert_int_equal(fix_pop(t), n);
					complete(t, n);
					assert_int_equal(vring_need_notify(&t->vr),
							 event < start + n);
					assert_int_equal(vring_need_notify(&t->vr), 0);
					fix_free(t);
				}
			}
		}
	}
}

/* No decision for two laps and more: yes, rather than a guess. */
static void test_signalled_wraps(void **state)
{
	u32 total, event, i;

	(void)state;
	for (total = 1; total < 35; total++) {
		for (event = 0; event < 10; event++) {
			struct fixture *t = new_ring(5, 3);

			t->vr.event_idx = true;
			packed_driver_event(&t->d, 3 + event, P_DESC);
			assert_int_equal(vring_need_notify(&t->vr), 1);
			for (i = 0; i < total; i++) {
				lone(t, 1, 0);
				assert_int_equal(fix_pop(t), 1);
				complete(t, 1);
			}
			assert_int_equal(vring_need_notify(&t->vr), total > event);
			fix_free(t);
		}
	}
}

static void test_flags_notify(void **state)
{
	static const struct { u16 flags; bool event_idx; int valid; int want; } c[] = {
		{ P_ENABLE, false, 1, 1 }, { P_DISABLE, false, 1, 0 }, { P_DESC, false, 1, 1 },
		{ 3, false, 1, 1 }, { P_ENABLE, true, 1, 1 }, { P_DISABLE, true, 1, 0 },
		{ P_DESC, true, 1, 0 }, { P_DESC, true, 0, 1 }, { 3, true, 1, 1 },
		{ 0xfffc | P_DISABLE, false, 1, 0 }, { 0xfffc, false, 1, 1 },
	};
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		struct fixture *t = new_ring(4, 2);

		t->vr.event_idx = c[i].event_idx;
		t->vr.notify_on_empty = true;	/* a legacy feature: means nothing here */
		packed_driver_event(&t->d, 100, c[i].flags);
		if (c[i].valid)
			vring_need_notify(&t->vr);
		lone(t, 1, 0);
		assert_int_equal(fix_pop(t), 1);
		complete(t, 1);
		assert_int_equal(vring_need_notify(&t->vr), c[i].want);
		hook_reset();
		assert_int_equal(vring_need_notify(&t->vr), 0);
		assert_int_equal(hook.count, 0);
		fix_free(t);
	}
}

static void test_kicks(void **state)
{
	u32 mode, i;

	(void)state;
	for (mode = 0; mode < 2; mode++) {
		struct fixture *t = new_ring(7, 4);
		u32 old;

		t->vr.event_idx = mode;
		for (i = 0; i < 30; i++) {
			assert_int_equal(vring_kicks_off(&t->vr), 0);
			assert_int_equal(packed_device_flags(&t->d) == P_DISABLE, !mode);
			hook_reset();
			assert_int_equal(vring_kicks_off(&t->vr), 0);
			assert_int_equal(hook.count, 0);	/* told once is enough */
			assert_int_equal(vring_kicks_on(&t->vr), 0);
			assert_int_equal(packed_device_flags(&t->d), mode ? P_DESC : P_ENABLE);
			old = t->d.avail_lin;
			chain(t, 1 + i % 3);
			assert_true(packed_would_kick(&t->d, old, t->d.avail_lin));
			/* awake: what comes now comes without a kick, and is seen before sleeping */
			assert_int_equal(vring_kicks_off(&t->vr), 0);
			old = t->d.avail_lin;
			chain(t, 2);
			assert_false(packed_would_kick(&t->d, old, t->d.avail_lin));
			t->b.max_elem = 1;
			assert_int_equal(fix_pop(t), 1);
			assert_int_equal(vring_kicks_on(&t->vr), 1);
			complete(t, 1);
			assert_int_equal(vring_has_work(&t->vr), 1);
			t->b.max_elem = 9;
			assert_int_equal(fix_pop(t), 1);
			complete(t, 1);
		}
		fix_free(t);
	}
}

/* Too few buffers: given back, and the device sleeps until there is one more (see ring_event.c). */
static void test_sleep_on_too_few(void **state)
{
	u32 mode, start;

	(void)state;
	for (mode = 0; mode < 2; mode++) {
		for (start = 0; start < 20; start++) {
			struct fixture *t = new_ring(10, start);

			t->vr.event_idx = mode;
			chain(t, 3);
			lone(t, 1, 0);
			chain(t, 2);
			assert_int_equal(fix_pop(t), 3);
			vring_rewind(&t->vr, &t->elem[0]);
			assert_int_equal(vring_has_work(&t->vr), 1);
			assert_int_equal(vring_kicks_on(&t->vr), 0);
			/* nor does it help to look at a part of them */
			t->b.max_elem = 1;
			assert_int_equal(fix_pop(t), 1);
			vring_rewind(&t->vr, &t->elem[0]);
			t->b.max_elem = MAX_ELEM;
			assert_int_equal(vring_kicks_on(&t->vr), 0);
			assert_true(packed_would_kick(&t->d, t->d.avail_lin, t->d.avail_lin + 1));
			assert_int_equal(vring_kicks_off(&t->vr), 0);
			/* two more come unheard: a look each, and then it may sleep */
			chain(t, 2);
			lone(t, 1, 0);
			assert_int_equal(vring_kicks_on(&t->vr), 1);
			assert_int_equal(vring_kicks_on(&t->vr), 1);
			assert_int_equal(vring_kicks_on(&t->vr), 0);
			assert_true(packed_would_kick(&t->d, t->d.avail_lin, t->d.avail_lin + 1));
			assert_int_equal(fix_pop(t), 5);
			assert_int_equal(t->vr.pos.avail, fix_pos(t));
			fix_free(t);
		}
	}
}

/* A chain that never ends keeps nobody walking. */
static void test_look_again_bounded(void **state)
{
	struct fixture *t = new_ring(50, 0);
	u32 i;

	(void)state;
	chain(t, 50);
	for (i = 0; i < 50; i++)
		st_le(t->d.desc + 16 * i + 14, P_AVAIL | D_NEXT, 2);
	hook_reset();
	assert_int_equal(vring_has_work(&t->vr), 1);
	assert_int_equal(hook.count, 1 + 50);
	assert_int_equal(vring_kicks_on(&t->vr), 0);
	fix_free(t);
}

/* A driver that takes back what it showed: there is no work then, however often it is asked for. */
static void test_taken_back(void **state)
{
	struct fixture *t = new_ring(8, 3);

	(void)state;
	lone(t, 1, 0);
	assert_int_equal(vring_has_work(&t->vr), 1);
	st_le(t->d.desc + 16 * 3 + 14, 0, 2);
	assert_int_equal(fix_pop(t), 0);
	assert_int_equal(vring_has_work(&t->vr), 0);
	assert_int_equal(vring_kicks_on(&t->vr), 0);
	st_le(t->d.desc + 16 * 3 + 14, P_AVAIL, 2);
	assert_int_equal(vring_has_work(&t->vr), 1);
	assert_int_equal(fix_pop(t), 1);
	fix_free(t);
}

static u8 *poked;

static void poke(void)
{
	if (hook.count == 2)		/* window, length and flags; then the address */
		memset(poked + 8, 0x24, 8);
}

/* Length, id and flags are read once, and before the address. */
static void test_read_once(void **state)
{
	struct fixture *t = new_ring(8, 0);
	u16 id = lone(t, 64, 0);

	(void)state;
	poked = t->d.desc;
	hook_reset();
	hook.before = poke;
	assert_int_equal(fix_pop(t), 1);
	hook.before = NULL;
	assert_int_equal(t->elem[0].head, id);
	assert_int_equal(t->elem[0].out_len, 64);
	assert_int_equal(hook.count, 4);	/* and the next one, which is not there */
	fix_free(t);
}

static u32 first_at;

static void first_is_last(void)
{
	static const u8 *p;
	u16 flags;

	p = poked + 16 * first_at;
	flags = ld_le(p + 14, 2) & (P_AVAIL | P_USED);
	assert_true(flags == P_AVAIL || flags == P_USED);	/* not used yet */
}

/* Nothing is seen before the first descriptor, which is written by the last access. */
static void test_published_at_once(void **state)
{
	u32 start, i, id, len;

	(void)state;
	for (start = 0; start < 14; start++) {
		struct fixture *t = new_ring(7, start);

		for (i = 0; i < 7; i++)
			lone(t, 4, D_WRITE);
		assert_int_equal(fix_pop(t), 7);
		poked = t->d.desc;
		first_at = start % 7;
		hook.before = first_is_last;
		complete(t, 7);
		hook.before = NULL;
		for (i = 0; i < 7; i++) {
			assert_true(fix_reap(t, &id, &len));
			assert_int_equal(len, i);
		}
		assert_false(fix_reap(t, &id, &len));
		fix_free(t);
	}
}

/* The largest ring there is: its last place and the wrap counter share sixteen bits. */
static void test_largest(void **state)
{
	struct fixture *t = new_ring(32768, 32768 - 3);
	u32 i, id, len;

	(void)state;
	for (i = 0; i < 5; i++)
		lone(t, 4, D_WRITE);
	chain(t, 3);
	assert_int_equal(fix_pop(t), 6);
	assert_int_equal(t->elem[2].at, 0x8000 | 32767);
	assert_int_equal(t->elem[3].at, 0);
	assert_int_equal(t->vr.pos.avail, 5);
	complete(t, 6);
	assert_int_equal(t->vr.pos.used, 5);
	for (i = 0; i < 6; i++)
		assert_true(fix_reap(t, &id, &len) && len == i);
	fix_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain_limit),
		cmocka_unit_test(test_overrun),
		cmocka_unit_test(test_in_pages),
		cmocka_unit_test(test_stops),
		cmocka_unit_test(test_bounded_work),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_event_window),
		cmocka_unit_test(test_signalled_wraps),
		cmocka_unit_test(test_flags_notify),
		cmocka_unit_test(test_kicks),
		cmocka_unit_test(test_sleep_on_too_few),
		cmocka_unit_test(test_look_again_bounded),
		cmocka_unit_test(test_taken_back),
		cmocka_unit_test(test_read_once),
		cmocka_unit_test(test_published_at_once),
		cmocka_unit_test(test_largest),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

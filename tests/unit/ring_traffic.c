// SPDX-License-Identifier: GPL-2.0
/*
 * The same traffic through every layout: buffers of all shapes, batches of all sizes, some given
 * back, completed in parts, in order or not. And what IN_ORDER asks.
 */
#include "ring_fixture.h"
#include "ring_vectors.h"

#define TURNS 2000

static u32 dice(u32 sides)
{
	static u32 x = 0x9d2c5681;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x % sides;
}

static const struct vector *const shapes[] = {
	&(const struct vector){ .item = { { V_BUFFER, 0x100, 60, 0 } } },
	&(const struct vector){ .item = { { V_BUFFER, BIG_GPA, 90, D_WRITE } } },
	&(const struct vector){ .item = { { V_BUFFER, 0x100, 0, 0 } } },
	&(const struct vector){ .item = { { V_BUFFER, 0xff0, 0x20, 0 } } },
	&(const struct vector){ .item = { { V_BUFFER, 0x100, 60, 0 }, { V_BUFFER, 0, 1, D_WRITE } } },
	&(const struct vector){ .item = { { V_BUFFER, 0, 1, D_WRITE }, { V_BUFFER, 0, 2, D_WRITE },
					  { V_BUFFER, 0, 3, D_WRITE } } },
	&(const struct vector){ .item = { { V_TABLE, TAB, 16, D_INDIRECT }, { V_ENTRY, 0, 7, 0 } } },
};

struct expected {
	u32 id;
	u32 len;
	bool read_only;
};

/* Completes all of @held, in a row or shuffled, in parts; what must come back goes to @to. */
static void complete(struct fixture *t, struct vring_elem *held, u32 n, struct expected *to)
{
	struct vring_elem done[64];
	u32 i, part, from = 0;

	for (i = n; i > 1 && !t->vr.in_order; i--) {
		u32 j = dice(i);
		struct vring_elem e = held[j];

		held[j] = held[i - 1];
		held[i - 1] = e;
	}
	for (i = 0; i < n; i++) {
		u32 len = held[i].nr_in ? 1 + dice(1000) : 0;

		done[i] = elem_done(&held[i], len);
		to[i] = (struct expected){ held[i].head, len, !held[i].nr_in };
	}
	while (from < n) {
		part = 1 + dice(n - from);
		assert_int_equal(vring_complete_batch(&t->vr, done + from, part), 0);
		from += part;
	}
}

static void traffic(u32 num, u32 start, bool event_idx)
{
	struct fixture *t = fix_new(num, start);
	struct expected exp[128];
	struct vring_elem held[64];
	u32 in_ring = 0, nr_held = 0, nr_exp = 0, popped = 0, turn, i, n, id, len;
	int ret;

	t->vr.event_idx = event_idx;
	t->d.used_idx = start;
	for (turn = 0; turn < TURNS || nr_held; turn++) {
		/* the driver */
		for (i = turn < TURNS ? dice(6) : 0; i; i--) {
			const struct vector *v = shapes[dice(ARRAY_SIZE(shapes))];

			for (n = 0; v->item[n].kind;)
				n++;
			if (in_ring + n > num || t->nr_offered - t->nr_reaped == 60)
				break;
			vector_offer(t, v);
			in_ring += t->offered[(t->nr_offered - 1) % MAX_OFFERED].count;
		}

		/* the device takes some, and gives some back */
		t->b.max_elem = 1 + dice(9);
		ret = fix_pop(t);
		assert_in_range(ret, popped == t->nr_offered ? 0 : 1, t->b.max_elem);
		for (i = 0; (int)i < ret; i++) {
			u32 nr = (popped + i) % MAX_OFFERED;

			assert_int_equal(t->elem[i].head, t->offered[nr].id);
			assert_int_equal(t->elem[i].at, t->offered[nr].pos);
		}
		n = ret && !dice(3) ? dice(ret) : (u32)ret;
		if (n < (u32)ret)
			vring_rewind(&t->vr, &t->elem[n]);
		memcpy(held + nr_held, t->elem, n * sizeof(held[0]));
		nr_held += n;
		popped += n;

		/* it completes them all, or waits */
		if (nr_held < 30 && dice(3) && turn < TURNS)
			continue;
		complete(t, held, nr_held, exp);
		nr_exp = nr_held;
		nr_held = 0;
		for (i = 0; fix_reap(t, &id, &len); i++) {
			assert_true(i < nr_exp);
			assert_int_equal(id, exp[i].id);
			if (len == SKIPPED)
				assert_true(t->vr.in_order && exp[i].read_only);
			else
				assert_int_equal(len, exp[i].len);
		}
		assert_int_equal(i, nr_exp);
		/* All that was popped is back. */
		for (in_ring = 0, i = popped; i < t->nr_offered; i++)
			in_ring += t->offered[i % MAX_OFFERED].count;
	}
	assert_true(t->nr_reaped > TURNS / 2);
	fix_free(t);
}

static void test_traffic(void **state)
{
	u32 mode;

	(void)state;
	for (mode = 0; mode < 16; mode++) {
		fix = (struct fix_mode){ .packed = mode & 1, .paged = mode & 2,
					 .in_order = mode & 4 };
		traffic(16, 0xfff0 & (mode & 1 ? 31 : 0xffff), mode & 8);
		traffic(128, 5, mode & 8);
		if (fix.packed) {
			traffic(3, 4, mode & 8);
			traffic(37, 36, mode & 8);
		}
	}
	memset(&fix, 0, sizeof(fix));
}

/* How many accesses it takes to complete @n buffers, the last @writable of which are written to. */
static unsigned long accesses(u32 n, u32 writable)
{
	struct fixture *t = fix_new(64, 0);
	struct vring_elem done[64];
	unsigned long count;
	u32 i, id, len;

	for (i = 0; i < n; i++)
		fix_chain(t, &(struct packed_desc){ BIG_GPA, 8, i < n - writable ? 0 : D_WRITE }, 1);
	assert_int_equal(fix_pop(t), n);
	for (i = 0; i < n; i++)
		done[i] = elem_done(&t->elem[i], i < n - writable ? 0 : 5);
	hook_reset();
	assert_int_equal(vring_complete_batch(&t->vr, done, n), 0);
	count = hook.count;
	for (i = 0; i < n; i++) {
		assert_true(fix_reap(t, &id, &len));
		assert_int_equal(id, done[i].head);
		if (i >= n - writable)
			assert_int_equal(len, 5);
	}
	assert_false(fix_reap(t, &id, &len));
	fix_free(t);
	return count;
}

/* A run of buffers that are only read has one entry; what is written to is told one by one. */
static void test_runs(void **state)
{
	u32 packed;

	(void)state;
	for (packed = 0; packed < 2; packed++) {
		unsigned long entry = packed ? 1 : 2, rest = packed ? 1 : 2;

		fix = (struct fix_mode){ .packed = packed };
		assert_int_equal(accesses(20, 0), rest + 20 * entry);
		fix.in_order = true;
		assert_int_equal(accesses(20, 0), rest + entry);
		assert_int_equal(accesses(1, 0), rest + entry);
		assert_int_equal(accesses(20, 1), rest + entry);
		assert_int_equal(accesses(20, 7), rest + 7 * entry);
		assert_int_equal(accesses(20, 20), rest + 20 * entry);
	}
	memset(&fix, 0, sizeof(fix));
}

/* Nothing but the next buffers in a row is accepted, and nothing else is published. */
static void test_unordered(void **state)
{
	static const u8 wrong[][3] = {
		{ 1, 2, 3 }, { 0, 2, 3 }, { 0, 1, 1 }, { 2, 1, 0 }, { 0, 1, 3 }, { 3, 0, 1 },
	};
	u32 packed, i, k, id, len;

	(void)state;
	for (packed = 0; packed < 2; packed++) {
		for (i = 0; i < ARRAY_SIZE(wrong); i++) {
			struct vring_elem done[3], all[4];
			struct fixture *t;

			fix = (struct fix_mode){ .packed = packed, .in_order = true };
			t = fix_new(8, 6);
			t->d.used_idx = 6;
			for (k = 0; k < 4; k++)
				fix_chain(t, &(struct packed_desc){ BIG_GPA, 8, D_WRITE }, 1);
			assert_int_equal(fix_pop(t), 4);
			for (k = 0; k < 4; k++)
				all[k] = elem_done(&t->elem[k], k);
			for (k = 0; k < 3; k++)
				done[k] = all[wrong[i][k]];
			assert_int_equal(vring_complete_batch(&t->vr, done, 3), -EINVAL);
			assert_int_equal(t->vr.err.code, VRING_E_UNORDERED);
			assert_false(fix_reap(t, &id, &len));
			assert_int_equal(vring_complete_batch(&t->vr, all, 4), 0);
			for (k = 0; k < 4; k++)
				assert_true(fix_reap(t, &id, &len) && len == k);
			fix_free(t);
		}
	}
	memset(&fix, 0, sizeof(fix));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_unordered),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

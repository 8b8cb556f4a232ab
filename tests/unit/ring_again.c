// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that are popped again: whatever the usual pop makes of one, this makes the same of it. And what is peculiar
 * to it: where the cursor goes, how many there can be, and that accesses may fail.
 */
#include "ring_fixture.h"
#include "ring_vectors.h"

/* What a device keeps of a packed ring's buffer number @nr. */
static const struct vring_packed_desc *kept(const struct fixture *t, u32 nr)
{
	static struct vring_packed_desc d[16];
	u32 i, at = t->offered[nr].pos & 0x7fff;

	for (i = 0; i < t->offered[nr].count; i++)
		memcpy(&d[i], t->d.desc + 16 * ((at + i) % t->d.num), 16);
	return d;
}

static int again(struct fixture *t, u32 nr)
{
	memset(t->elem, 0xa5, sizeof(t->elem));
	return vring_pop_again(&t->vr, t->g.mem, &t->b, t->offered[nr].id, fix.packed ? kept(t, nr) : NULL,
			       t->offered[nr].count);
}

static void run_vector(const struct vector *v, u32 num, u32 start)
{
	struct fixture *t = fix_new(num, start);
	u16 first = fix_pos(t), id = vector_offer(t, v), end = fix_pos(t);
	int ret = again(t, 0);

	assert_int_equal(ret, v->ret);
	if (ret > 0) {
		vector_check(t, v, 0, id);
		assert_int_equal(t->elem[0].len, 0);
		assert_int_equal(t->elem[0].at, first);
		assert_int_equal(t->elem[0].iov, 0);
		assert_int_equal(t->elem[0].count, fix.packed ? t->offered[0].count : 1);
		assert_int_equal(t->b.nr_elem, 1);
		assert_int_equal(t->b.nr_iov, v->nr_out + v->nr_in);
		assert_int_equal(t->vr.pos.avail, end);
		assert_int_equal(t->vr.avail_seen, end);
		assert_int_equal(vring_has_work(&t->vr), 0);
	} else {
		assert_int_equal(t->vr.err.code, v->code);
		assert_int_equal(t->vr.err.head, id);
		assert_int_equal(t->vr.pos.avail, first);
		assert_int_equal(t->b.nr_elem, 0);
		assert_int_equal(t->b.nr_iov, 0);
		if (v->bad) {
			assert_int_equal(t->vr.err.value, v->bad);
			assert_int_equal(t->vr.err.write, v->bad_write);
		}
	}
	fix_free(t);
}

static void test_vector(void **state)
{
	static const struct {
		bool packed;
		u32 num, start;
	} rings[] = {
		{ false, 8, 0xfffe }, { false, 256, 5 }, { true, 8, 0 }, { true, 8, 7 }, { true, 11, 20 },
	};
	const struct vector *v = *state;
	u32 i, paged;

	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		for (paged = 0; paged < 2 && !(rings[i].packed && v->split_only); paged++) {
			fix = (struct fix_mode){ .packed = rings[i].packed, .paged = paged };
			run_vector(v, rings[i].num, rings[i].start);
		}
	}
}

static const struct packed_desc two[] = { { BIG_GPA, 7, 0 }, { BIG_GPA + 64, 9, D_WRITE } };

/* As many as there can be, then others the usual way, and all of them back; with IN_ORDER, too */
static void test_full(void **state)
{
	const u32 num = 8, starts[] = { 0, 5, 14, 0xfffb };
	u32 i, n, how, id, len;
	struct fixture *t;

	(void)state;
	for (how = 0; how < 8; how++) {
		for (n = 0; n < ARRAY_SIZE(starts); n++) {
			struct vring_elem e[4];

			fix = (struct fix_mode){ .packed = how & 1, .paged = how & 2, .in_order = how & 4 };
			t = fix_new(num, starts[n]);
			for (i = 0; i < 4; i++)
				fix_chain(t, two, 2);
			for (i = 0; i < 3; i++) {
				assert_int_equal(again(t, i), 1);
				e[i] = elem_done(&t->elem[0], 9);
			}
			assert_int_equal(vring_has_work(&t->vr), 1);
			assert_int_equal(fix_pop(t), 1);
			e[3] = elem_done(&t->elem[0], 9);
			assert_int_equal(e[3].head, t->offered[3].id);
			assert_int_equal(vring_complete_batch(&t->vr, e, 4), 0);
			for (i = 0; i < 4; i++)
				assert_true(fix_reap(t, &id, &len) && id == t->offered[i].id && len == 9);
			fix_free(t);
		}
	}
}

/* One that is given back is popped again as if for the first time, and what was seen stays seen. */
static void test_rewind(void **state)
{
	u32 packed;

	(void)state;
	for (packed = 0; packed < 2; packed++) {
		struct fixture *t;
		u16 first, seen;

		fix = (struct fix_mode){ .packed = packed };
		t = fix_new(8, 6);
		first = fix_pos(t);
		fix_chain(t, two, 2);
		fix_chain(t, two, 2);
		assert_int_equal(again(t, 0), 1);
		assert_int_equal(again(t, 1), 1);
		seen = t->vr.avail_seen;
		vring_rewind(&t->vr, &(struct vring_elem){ .at = first });
		assert_int_equal(vring_has_work(&t->vr), 1);
		assert_int_equal(again(t, 0), 1);
		assert_int_equal(t->vr.avail_seen, seen);
		assert_int_equal(again(t, 1), 1);
		assert_int_equal(vring_has_work(&t->vr), 0);
		fix_free(t);
	}
}

static void refused(struct fixture *t, u16 head, const struct vring_packed_desc *d, u32 count, enum vring_errno why)
{
	u16 before = t->vr.pos.avail;

	t->vr.err.code = VRING_OK;
	assert_int_equal(vring_pop_again(&t->vr, t->g.mem, &t->b, head, d, count), -EINVAL);
	assert_int_equal(t->vr.err.code, why);
	assert_int_equal(t->vr.pos.avail, before);
	assert_int_equal(t->b.nr_elem, 0);
}

static void test_limits(void **state)
{
	struct vring_packed_desc d[9] = { 0 };
	struct fixture *t;
	u32 i;

	(void)state;
	fix = (struct fix_mode){ 0 };
	t = fix_new(8, 3);
	refused(t, 8, NULL, 0, VRING_E_HEAD);
	refused(t, 0xffff, NULL, 0, VRING_E_HEAD);
	for (i = 0; i < 8; i++)
		assert_int_equal(vring_pop_again(&t->vr, t->g.mem, &t->b, i, NULL, 0), 1);
	refused(t, 7, NULL, 0, VRING_E_CURSOR);
	fix_free(t);

	fix.packed = true;
	t = fix_new(8, 3);
	refused(t, 1, d, 0, VRING_E_CURSOR);
	refused(t, 1, d, 9, VRING_E_CURSOR);
	assert_int_equal(vring_pop_again(&t->vr, t->g.mem, &t->b, 1, d, 8), 1);
	refused(t, 2, d, 1, VRING_E_CURSOR);
	fix_free(t);

	t = fix_new(8, 3);
	assert_int_equal(vring_pop_again(&t->vr, t->g.mem, &t->b, 0xffff, d, 7), 1);
	refused(t, 1, d, 2, VRING_E_CURSOR);
	assert_int_equal(vring_pop_again(&t->vr, t->g.mem, &t->b, 0xffff, d, 1), 1);
	fix_free(t);
	memset(&fix, 0, sizeof(fix));
}

/* Each access fails in turn: nothing has happened. */
static void test_faults(void **state)
{
	const struct vector v = {
		.item = { { V_TABLE, ODD_GPA - 24, 48, D_INDIRECT }, { V_ENTRY, 0x50, 1, 0 },
			  { V_ENTRY, 0x60, 2, 0 }, { V_ENTRY, 0x40, 1, D_WRITE } },
		.nr_out = 2, .nr_in = 1, .iov = { { 0x50, 1 }, { 0x60, 2 }, { 0x40, 1 } } };
	u32 packed;
	u16 id;

	(void)state;
	for (packed = 0; packed < 2; packed++) {
		struct fixture *t;
		unsigned long n;

		fix = (struct fix_mode){ .packed = packed };
		t = fix_new(8, 6);
		id = vector_offer(t, &v);
		for (n = 1;; n++) {
			u16 before = t->vr.pos.avail;

			t->vr.err.code = VRING_OK;
			hook_reset();
			hook.fail_at = n;
			if (again(t, 0) == 1)
				break;
			assert_int_equal(hook.failed, 1);
			assert_true(t->vr.err.code == VRING_E_FAULT_RING ||
				    t->vr.err.code == VRING_E_FAULT_TABLE);
			assert_int_equal(t->vr.pos.avail, before);
			assert_int_equal(t->b.nr_elem, 0);
		}
		assert_true(n > 10);
		vector_check(t, &v, 0, id);
		fix_free(t);
	}
	memset(&fix, 0, sizeof(fix));
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_rewind),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_faults),
	};
	struct CMUnitTest tests[ARRAY_SIZE(vectors) + ARRAY_SIZE(others)];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(vectors); i++)
		tests[i] = (struct CMUnitTest){ vectors[i].name, test_vector, NULL, NULL, (void *)&vectors[i] };
	memcpy(tests + i, others, sizeof(others));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What the engine takes and what it refuses: vectors for every layout, then what is peculiar to
 * split rings.
 */
#include "ring_fixture.h"
#include "ring_vectors.h"

/* What comes before the vector in the batch decides which path of the engine meets it. */
enum before { NOTHING, A_SIMPLE_ONE, A_CHAIN };

static void run_vector(const struct vector *v, enum before before, u32 num, u32 start)
{
	struct fixture *t = fix_new(num, start);
	const struct vector chain = {
		.item = { { V_BUFFER, BIG_GPA, 4, 0 }, { V_BUFFER, BIG_GPA, 5, D_WRITE } },
		.nr_out = 1, .nr_in = 1, .iov = { { BIG_GPA, 4 }, { BIG_GPA, 5 } },
	};
	const struct vector simple = {
		.item = { { V_BUFFER, BIG_GPA + 64, 7, D_WRITE } },
		.nr_in = 1, .iov = { { BIG_GPA + 64, 7 } },
	};
	const struct vector *first = before == A_CHAIN ? &chain : &simple;
	u16 first_id = 0, pos, id;
	u32 n = 0;

	if (before != NOTHING) {
		first_id = vector_offer(t, first);
		n = 1;
	}
	pos = fix_pos(t);
	id = vector_offer(t, v);

	if (v->ret > 0) {
		assert_int_equal(fix_pop(t), n + 1);
		vector_check(t, v, n, id);
		assert_int_equal(t->elem[n].at, pos);
		assert_int_equal(t->elem[n].count, fix.packed ? t->offered[n].count : 1);
		assert_int_equal(t->vr.pos.avail, fix_pos(t));
		assert_int_equal(t->b.nr_iov, t->elem[n].iov + v->nr_out + v->nr_in);
		assert_int_equal(t->vr.err.code, VRING_OK);
	} else if (n) {
		/* the good one first, without a word about the bad one */
		assert_int_equal(fix_pop(t), 1);
		assert_int_equal(t->b.nr_elem, 1);
		assert_int_equal(t->b.nr_iov, first->nr_out + first->nr_in);
		assert_int_equal(t->vr.err.code, VRING_OK);
		/* but it was seen: this is not the end of the ring */
		assert_int_not_equal(t->vr.avail_seen, t->vr.pos.avail);
	}
	if (n)
		vector_check(t, first, 0, first_id);
	if (v->ret < 0) {
		assert_refused(t, v->ret, v->code);
		assert_int_equal(t->vr.err.head, fix.packed ? pos & 0x7fff : id);
		if (v->bad) {
			assert_int_equal(t->vr.err.value, v->bad);
			assert_int_equal(t->vr.err.write, v->bad_write);
		}
		assert_refused(t, v->ret, v->code);
		assert_int_equal(vring_has_work(&t->vr), 1);
	} else {
		assert_int_equal(fix_pop(t), 0);
		assert_int_equal(vring_has_work(&t->vr), 0);
	}
	fix_free(t);
}

/* Sizes, and what the ring has seen before: chains that wrap, in even laps and odd ones */
static void test_vector(void **state)
{
	static const struct {
		bool packed;
		u32 num, start;
	} rings[] = {
		{ false, 8, 0xfffe }, { false, 256, 0xfffe },
		{ true, 8, 0 }, { true, 8, 7 }, { true, 8, 14 }, { true, 11, 9 }, { true, 11, 20 },
		{ true, 257, 256 },
	};
	const struct vector *v = *state;
	enum before before;
	u32 i, paged;

	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		if (rings[i].packed && v->split_only)
			continue;
		for (paged = 0; paged < 2; paged++) {
			fix = (struct fix_mode){ .packed = rings[i].packed, .paged = paged };
			for (before = NOTHING; before <= A_CHAIN; before++)
				run_vector(v, before, rings[i].num, rings[i].start);
		}
	}
	memset(&fix, 0, sizeof(fix));
}

/* What is refused for want of a mapping is served once there is one, and nothing is lost. */
static void test_mended(void **state)
{
	u32 i, mended;

	(void)state;
	for (mended = 0; mended < 3; mended++) {
		struct fixture *t = fix_new(8, 0xfffe);
		struct vring_region *r = t->g.mem->region;

		for (i = 0; i < GUEST_REGIONS; i++)
			if (r[i].gpa == BIG_GPA)
				break;
		if (mended < 2)
			r[i].perm = mended ? VRING_PERM_READ : 0;
		else
			r[i].gpa += 1 << 20;
		driver_desc(&t->d, 0, 0x10, 4, 0, 0);
		driver_desc(&t->d, 1, 0x20, 4, D_NEXT, 2);
		driver_desc(&t->d, 2, BIG_GPA + 8, 4, D_WRITE, 0);
		driver_desc(&t->d, 3, 0x30, 4, D_WRITE, 0);
		driver_offer(&t->d, 0);
		driver_offer(&t->d, 1);
		fix_offer(t, 3);
		assert_int_equal(fix_pop(t), 1);
		assert_refused(t, -EFAULT, VRING_E_ADDR);
		assert_int_equal(t->vr.err.value, BIG_GPA + 8);
		assert_true(t->vr.err.write);
		assert_int_equal(vring_has_work(&t->vr), 1);
		driver_desc(&t->d, 2, HOLE, 4, 0, 0);
		assert_int_equal(fix_pop(t), -EFAULT);	/* the first error stays on record */
		assert_true(t->vr.err.write);
		driver_desc(&t->d, 2, BIG_GPA + 8, 4, D_WRITE, 0);
		t->vr.err.code = VRING_OK;
		r[i].perm = VRING_PERM_RW;
		r[i].gpa = BIG_GPA;
		assert_int_equal(fix_pop(t), 2);
		assert_int_equal(t->elem[0].head, 1);
		assert_ptr_equal(t->iov[1].iov_base, guest_at(&t->g, BIG_GPA + 8));
		assert_int_equal(t->elem[1].head, 3);
		assert_int_equal(t->vr.err.code, VRING_OK);
		fix_free(t);
	}
}

static void test_no_memory(void **state)
{
	struct fixture *t = fix_new(4, 0);
	struct vring_mem none = { .nr = 0 };

	(void)state;
	fix_simple(t, 1, false);
	fix_offer(t, 1);
	assert_int_equal(vring_pop_batch(&t->vr, &none, &t->b), -EFAULT);
	assert_int_equal(t->vr.err.code, VRING_E_ADDR);
	assert_int_equal(t->vr.err.value, BIG_GPA + 64);
	driver_desc(&t->d, 1, HOLE, 0, 0, 0);
	assert_int_equal(vring_pop_batch(&t->vr, &none, &t->b), 1);
	assert_int_equal(t->b.nr_iov, 0);
	fix_free(t);
}

/* Every number of regions, every region, both ends and just outside. */
static void test_many_regions(void **state)
{
	static u8 block[32];
	struct fixture *t = fix_new(2, 0);
	struct vring_mem *mem = calloc(1, sizeof(*mem) + 509 * sizeof(mem->region[0]));
	u32 n, i;

	(void)state;
	for (n = 1; n <= 509; n += n < 20 ? 1 : 163) {
		mem->nr = n;
		for (i = 0; i < n; i++)
			mem->region[i] = (struct vring_region){
				.gpa = 0x100000ULL + 0x1000 * i, .size = 0x800 + i,
				.uaddr = (uintptr_t)block + i, .perm = VRING_PERM_RW };
		for (i = 0; i < n; i++) {
			u64 gpa = mem->region[i].gpa, last = gpa + mem->region[i].size - 1;

			driver_desc(&t->d, 0, gpa, 1, 0, 0);
			driver_desc(&t->d, 1, last, 1, D_WRITE, 0);
			driver_offer(&t->d, 0);
			fix_offer(t, 1);
			assert_int_equal(vring_pop_batch(&t->vr, mem, &t->b), 2);
			assert_int_equal((uintptr_t)t->iov[0].iov_base, mem->region[i].uaddr);
			assert_int_equal((uintptr_t)t->iov[1].iov_base,
					 mem->region[i].uaddr + mem->region[i].size - 1);
			driver_desc(&t->d, 0, gpa - 1, 1, 0, 0);
			fix_offer(t, 0);
			assert_int_equal(vring_pop_batch(&t->vr, mem, &t->b), -EFAULT);
			driver_desc(&t->d, 0, last + 1, 1, 0, 0);
			assert_int_equal(vring_pop_batch(&t->vr, mem, &t->b), -EFAULT);
			driver_desc(&t->d, 0, 0, 0, 0, 0);
			assert_int_equal(vring_pop_batch(&t->vr, mem, &t->b), 1);
		}
	}
	free(mem);
	fix_free(t);
}

static void test_head(void **state)
{
	struct fixture *t = fix_new(8, 0);

	(void)state;
	fix_simple(t, 7, true);
	fix_offer(t, 7);
	fix_offer(t, 8);
	assert_int_equal(fix_pop(t), 1);
	assert_int_equal(t->elem[0].head, 7);
	assert_refused(t, -EINVAL, VRING_E_HEAD);
	assert_int_equal(t->vr.err.head, 8);
	assert_int_equal(t->vr.err.value, 8);

	/* the first thing found wrong stays on record until the ring is started again */
	st_le(t->d.avail + 4 + 2, 0xffff, 2);
	assert_int_equal(fix_pop(t), -EINVAL);
	assert_int_equal(t->vr.err.value, 8);
	st_le(t->d.avail + 4 + 2, 7, 2);
	assert_int_equal(fix_pop(t), 1);
	assert_int_equal(t->vr.err.code, VRING_E_HEAD);
	assert_int_equal(vring_start(&t->vr, t->vr.pos), 0);
	assert_int_equal(t->vr.err.code, VRING_OK);
	assert_refused(t, 0, VRING_OK);
	fix_free(t);
}

static void test_avail_jump(void **state)
{
	struct fixture *t = fix_new(4, 0xfffd);
	u32 i;

	(void)state;
	for (i = 0; i < 4; i++) {
		fix_simple(t, i, false);
		driver_offer(&t->d, i);
	}
	st_le(t->d.avail + 2, 0xfffd + 5, 2);
	assert_refused(t, -EINVAL, VRING_E_AVAIL_JUMP);
	assert_int_equal(t->vr.err.head, 0xfffd);
	assert_int_equal(t->vr.err.value, 2);
	st_le(t->d.avail + 2, 0xfffc, 2);		/* backwards */
	assert_refused(t, -EINVAL, VRING_E_AVAIL_JUMP);
	assert_int_equal(vring_has_work(&t->vr), -EINVAL);
	assert_int_equal(vring_kicks_on(&t->vr), -EINVAL);
	assert_int_equal(t->vr.avail_seen, 0xfffd);
	st_le(t->d.avail + 2, 0xfffd + 4, 2);
	assert_int_equal(fix_pop(t), 4);
	fix_free(t);
}

/* A ring descriptor chain: as long as the ring is, longer, out of the ring, in circles. */
static void test_ring_chain(void **state)
{
	static const u32 sizes[] = { 1, 2, 8, 256, 1024 };
	u32 s, i;

	(void)state;
	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		u32 num = sizes[s];
		struct fixture *t = fix_new(num, 5);

		for (i = 0; i < num; i++)
			driver_desc(&t->d, i, i, 1, i + 1 < num ? D_NEXT : 0, i + 1);
		fix_offer(t, 0);
		assert_int_equal(fix_pop(t), 1);
		assert_int_equal(t->elem[0].nr_out, num);
		assert_ptr_equal(t->iov[num - 1].iov_base, guest_at(&t->g, num - 1));

		/* one back to the start */
		driver_desc(&t->d, num - 1, num - 1, 0, D_NEXT, 0);
		fix_offer(t, 0);
		assert_refused(t, -EINVAL, VRING_E_LOOP);
		/* out of the ring */
		driver_desc(&t->d, num - 1, num - 1, 1, D_NEXT, num);
		assert_refused(t, -EINVAL, VRING_E_NEXT);
		assert_int_equal(t->vr.err.value, num);
		driver_desc(&t->d, num - 1, num - 1, 1, D_NEXT, 0xffff);
		assert_refused(t, -EINVAL, VRING_E_NEXT);
		/* onto itself, empty, so that only the bound ends it */
		driver_desc(&t->d, 0, 0, 0, D_NEXT, 0);
		assert_refused(t, -EINVAL, VRING_E_LOOP);
		/* next is not looked at without NEXT */
		driver_desc(&t->d, 0, 0, 1, 0, 0xffff);
		assert_int_equal(fix_pop(t), 1);
		fix_free(t);
	}
}

static void test_table_chain(void **state)
{
	static const u32 sizes[] = { 1, 2, 7, 300 };
	u32 s, i;

	(void)state;
	for (s = 0; s < ARRAY_SIZE(sizes) * 2; s++) {
		u32 n = sizes[s / 2];
		u64 tab = s % 2 ? TAB + 4 : TAB;	/* read in halves, and byte by byte */
		struct fixture *t = fix_new(4, 5);

		driver_desc(&t->d, 2, tab, n * 16, D_INDIRECT, 0);
		fix_offer(t, 2);
		for (i = 0; i < n; i++)
			guest_desc(&t->g, tab, i, i, 1, i + 1 < n ? D_NEXT : 0, i + 1);
		assert_int_equal(fix_pop(t), 1);
		assert_int_equal(t->elem[0].nr_out, n);

		/* from the last to the first but one: links count, not places */
		fix_offer(t, 2);
		if (n > 2) {
			guest_desc(&t->g, tab, 0, 0x100, 1, D_NEXT, n - 1);
			guest_desc(&t->g, tab, n - 1, 0x200, 2, D_NEXT | D_WRITE, 1);
			guest_desc(&t->g, tab, 1, 0x300, 3, D_WRITE, 0xffff);
			assert_int_equal(fix_pop(t), 1);
			assert_int_equal(t->elem[0].nr_out, 1);
			assert_int_equal(t->elem[0].nr_in, 2);
			assert_ptr_equal(t->iov[2].iov_base, guest_at(&t->g, 0x300));
			fix_offer(t, 2);
		}
		guest_desc(&t->g, tab, 0, 0, 1, n > 1 ? D_NEXT : 0, n - 1);
		guest_desc(&t->g, tab, n - 1, 0, 0, D_NEXT, n);
		assert_refused(t, -EINVAL, VRING_E_NEXT);
		guest_desc(&t->g, tab, n - 1, 0, 0, D_NEXT, 0);
		assert_refused(t, -EINVAL, VRING_E_LOOP);
		guest_desc(&t->g, tab, 0, 0, 0, D_NEXT, 0);
		assert_refused(t, -EINVAL, VRING_E_LOOP);
		fix_free(t);
	}
}

/* 65536 entries, each linked: the longest table there can be. */
static void test_table_full(void **state)
{
	struct fixture *t = fix_new(2, 0);
	u32 i;

	(void)state;
	for (i = 0; i < 65536; i++)
		guest_desc(&t->g, BIG_GPA, i, 0x100, !(i % 128), i < 65535 ? D_NEXT : 0, i + 1);
	driver_desc(&t->d, 0, BIG_GPA, 65536 * 16, D_INDIRECT, 0);
	fix_offer(t, 0);
	assert_int_equal(fix_pop(t), 1);
	assert_int_equal(t->elem[0].nr_out, 512);
	fix_free(t);
}

/* Full tables in a chain: legal link by link, but somebody must stop (VRING_WORK_MAX). */
static void test_endless_tables(void **state)
{
	struct fixture *t = fix_new(64, 0);
	u32 i;

	(void)state;
	for (i = 0; i < 65536; i++)
		guest_desc(&t->g, BIG_GPA, i, 0, 0, i < 65535 ? D_NEXT : 0, i + 1);
	for (i = 0; i < 64; i++)
		driver_desc(&t->d, i, BIG_GPA, 65536 * 16,
			    D_INDIRECT | (i < 63 ? D_NEXT : 0), i + 1);
	fix_offer(t, 0);
	hook_reset();
	assert_refused(t, -EINVAL, VRING_E_LOOP);
	assert_in_range(hook.count, 2 * 2 * 65536, 2 * 3 * 65536);
	/* two of them pass, whatever came before in the batch */
	driver_desc(&t->d, 1, BIG_GPA, 65536 * 16, D_INDIRECT, 0);
	assert_int_equal(fix_pop(t), 1);
	fix_free(t);
}

static void test_segments(void **state)
{
	struct fixture *t = fix_new(16, 0);
	u32 i;

	(void)state;
	t->b.max_iov = 4;
	for (i = 0; i < 5; i++)
		driver_desc(&t->d, i, 0x10 * i, 1, i < 4 ? D_NEXT : 0, i + 1);
	driver_desc(&t->d, 8, 0xfff, 0x2001, D_WRITE, 0);	/* four segments */
	driver_desc(&t->d, 9, 0x10, 1, D_NEXT, 8);		/* and one before */
	fix_offer(t, 1);
	assert_int_equal(fix_pop(t), 1);
	assert_int_equal(t->b.nr_iov, 4);
	fix_offer(t, 0);
	assert_refused(t, -ENOBUFS, VRING_E_SEGMENTS);
	st_le(t->d.avail + 4 + 2, 9, 2);
	assert_refused(t, -ENOBUFS, VRING_E_SEGMENTS);
	st_le(t->d.avail + 4 + 2, 8, 2);
	assert_int_equal(fix_pop(t), 1);
	assert_int_equal(t->b.nr_iov, 4);

	/* room for none: still not "empty" */
	fix_offer(t, 4);
	t->b.max_iov = 0;
	assert_refused(t, -ENOBUFS, VRING_E_SEGMENTS);
	driver_desc(&t->d, 4, 0, 0, 0, 0);
	assert_int_equal(fix_pop(t), 1);
	assert_int_equal(t->b.nr_iov, 0);
	fix_free(t);
}

/* nr_out and nr_in have 16 bits; more room than that must not let them wrap. */
static void test_segments_16_bits(void **state)
{
	struct fixture *t = fix_new(4, 0);
	u32 i;

	(void)state;
	for (i = 0; i < 65536; i++)
		guest_desc(&t->g, BIG_GPA, i, 0x100, 1, i < 65535 ? D_NEXT : 0, i + 1);
	t->b.max_iov = 70000;
	t->b.iov = calloc(t->b.max_iov, sizeof(*t->b.iov));
	driver_desc(&t->d, 0, BIG_GPA, 65536 * 16, D_INDIRECT, 0);
	fix_offer(t, 0);
	assert_refused(t, -ENOBUFS, VRING_E_SEGMENTS);
	driver_desc(&t->d, 0, BIG_GPA + 16, 65535 * 16, D_INDIRECT, 0);
	for (i = 0; i < 65535; i++)
		guest_desc(&t->g, BIG_GPA + 16, i, 0x100, 1, i < 65534 ? D_NEXT : 0, i + 1);
	assert_int_equal(fix_pop(t), 1);
	assert_int_equal(t->elem[0].nr_out, 65535);
	free(t->b.iov);
	fix_free(t);
}

static void test_strerror(void **state)
{
	u32 i, j;

	(void)state;
	for (i = VRING_OK; i <= VRING_E_UNORDERED; i++) {
		const char *text = vring_strerror(i);

		assert_non_null(text);
		assert_true(strlen(text) > 4 && strlen(text) < 80 && !strchr(text, '\n'));
		for (j = VRING_OK; j < i; j++)
			assert_string_not_equal(text, vring_strerror(j));
	}
	assert_string_equal(vring_strerror(VRING_E_UNORDERED + 1), "unknown error");
	assert_string_equal(vring_strerror(-1), "unknown error");
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(test_mended),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_many_regions),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_avail_jump),
		cmocka_unit_test(test_ring_chain),
		cmocka_unit_test(test_table_chain),
		cmocka_unit_test(test_table_full),
		cmocka_unit_test(test_endless_tables),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_segments_16_bits),
		cmocka_unit_test(test_strerror),
	};

	struct CMUnitTest tests[ARRAY_SIZE(vectors) + ARRAY_SIZE(others)];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(vectors); i++)
		tests[i] = (struct CMUnitTest){ vectors[i].name, test_vector, NULL, NULL,
						(void *)&vectors[i] };
	memcpy(tests + i, others, sizeof(others));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

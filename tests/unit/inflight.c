// SPDX-License-Identifier: GPL-2.0
/*
 * What a process leaves behind that dies: after each single store to the ring and to the inflight region, and, of those
 * that come after it, after each store of their recovery. Whatever the point, each buffer was used, is to be done
 * again, or has never been taken: one of the three, and none is missing.
 */
static void may_die(void);

/* Each store of the engine and of the region's keeper; a macro does not expand itself. */
#define __atomic_store_n(p, v, order) (may_die(), __atomic_store_n(p, v, order))

#include "ring_fixture.h"
#include "../../user/vhost-user/inflight.c"

#define NUM	16
#define SIZE	20	/* of the region: rings may be smaller */
#define BUFFERS	8
#define REGION	4096

static jmp_buf dead;
static unsigned int left;	/* stores before death; 0: lives for ever */

static void may_die(void)
{
	if (!left || --left)
		return;
	hook.open = false;
	longjmp(dead, 1);
}

static _Alignas(64) unsigned char region[REGION];
static struct vu_inflight track;

/* All that outlives the process */
struct left_behind {
	unsigned char region[REGION];
	unsigned char area[3][NUM * 16 + 64];
};

static void save(struct left_behind *l, const struct fixture *t)
{
	unsigned int i;

	memcpy(l->region, region, sizeof(region));
	for (i = 0; i < 3; i++)
		memcpy(l->area[i], t->d.area[i].flat, t->d.area[i].size);
}

static void restore(const struct left_behind *l, struct fixture *t)
{
	unsigned int i;

	memcpy(region, l->region, sizeof(region));
	for (i = 0; i < 3; i++)
		memcpy(t->d.area[i].flat, l->area[i], t->d.area[i].size);
}

/* A process begins: out come what is to be done again, and the ring from there on. */
static const char *start(struct fixture *t, struct vring_cursor base)
{
	bool recovered;
	const char *why;

	vu_inflight_stop(&track);
	if (!t->d.packed)
		assert_int_equal(vring_load_used(&t->vr, &base.used), 0);
	why = vu_inflight_start(&track, region, SIZE, &t->vr, &base, &recovered);
	assert_int_equal(vring_start(&t->vr, base), 0);
	return why;
}

struct held {
	struct vring_elem elem;
	uint16_t slot;
};

static struct held held[NUM];
static unsigned int nr_held;

static void publish(struct fixture *t, unsigned int seed)
{
	struct vring_elem e[NUM];
	uint16_t slot[NUM];
	unsigned int n = 0, max = 1 + seed % nr_held;

	while (n < max) {
		struct held *h = &held[seed * 7 % nr_held];

		e[n] = elem_done(&h->elem, h->elem.nr_in ? 5 : 0);
		slot[n++] = h->slot;
		*h = held[--nr_held];
	}
	vu_inflight_ending(&track, e, slot, n, t->vr.pos.used);
	assert_int_equal(vring_complete_batch(&t->vr, e, n), 0);
	vu_inflight_ended(&track, slot, n, t->vr.pos.used);
}

/* Take buffers a few at a time, give one back now and then, and publish some of them, until there are no more. */
static void serve(struct fixture *t, unsigned int seed)
{
	const struct vu_saved *s;
	int i, n;

	nr_held = 0;
	while ((s = vu_inflight_next(&track))) {
		assert_int_equal(vring_pop_again(&t->vr, t->g.mem, &t->b, s->head, s->desc, s->count), 1);
		held[nr_held++] = (struct held){ t->elem[0], s->slot };
	}
	for (;; seed = seed * 1103515245 + 12345) {
		t->b.max_elem = 1 + seed / 16 % 3;
		n = vring_pop_batch(&t->vr, t->g.mem, &t->b);
		assert_true(n >= 0);
		for (i = 0; i < n; i++)
			held[nr_held++] = (struct held){ t->elem[i], vu_inflight_mark(&track, &t->elem[i]) };
		if (n && seed / 64 % 4 == 0) {
			vring_rewind(&t->vr, &held[nr_held - 1].elem);
			vu_inflight_unmark(&track, held[--nr_held].slot);
		}
		if (!n && !nr_held)
			return;
		if (nr_held && seed / 256 % 2)
			publish(t, seed / 512);
	}
}

static unsigned int offered_as(const struct fixture *t, u32 id)
{
	unsigned int i;

	for (i = 0; i < BUFFERS && t->offered[i].id != id; i++)
		;
	assert_true(i < BUFFERS);
	return i;
}

/* A process that does not die finds all that the driver is owed. */
static void check(struct fixture *t, struct vring_cursor base)
{
	struct fixture driver = *t;
	unsigned int seen[BUFFERS] = { 0 }, i, last = 0;
	const struct vu_saved *s;
	u32 id, len;
	int n;

	assert_null(start(t, base));
	while (fix_reap(&driver, &id, &len))
		seen[offered_as(t, id)]++;
	while ((s = vu_inflight_next(&track))) {
		assert_int_equal(vring_pop_again(&t->vr, t->g.mem, &t->b, s->head, s->desc, s->count), 1);
		i = offered_as(t, t->elem[0].head);
		assert_int_equal(t->elem[0].nr_out + t->elem[0].nr_in, 1 + i % 3);
		assert_int_equal(t->elem[0].out_len, 10 + i);
		assert_int_equal(t->elem[0].count, t->d.packed ? 1 + i % 3 : 1);
		assert_true(i >= last);
		last = i;
		seen[i]++;
	}
	t->b.max_elem = MAX_ELEM;
	n = vring_pop_batch(&t->vr, t->g.mem, &t->b);
	assert_true(n >= 0);
	for (i = 0; i < (unsigned int)n; i++)
		seen[offered_as(t, t->elem[i].head)]++;
	for (i = 0; i < BUFFERS; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(t->vr.pos.avail, fix_pos(t));
}

/* Buffers of 1 to 3 descriptors, the first of which the device reads */
static struct fixture *offer_all(bool packed, u32 at)
{
	struct packed_desc p[3];
	struct fixture *t;
	unsigned int i, k;

	fix = (struct fix_mode){ .packed = packed };
	t = fix_new(NUM, at);
	for (i = 0; i < BUFFERS; i++) {
		for (k = 0; k < 3; k++)
			p[k] = (struct packed_desc){ BIG_GPA + 64 * i, k ? 20 : 10 + i, k ? D_WRITE : 0 };
		fix_chain(t, p, 1 + i % 3);
	}
	return t;
}

/* Die after @first stores, then the next one after @second of its recovery, if it comes to that. Return: died */
static bool run(struct fixture *t, const struct left_behind *l, struct vring_cursor base, unsigned int seed,
		unsigned int first)
{
	struct left_behind after;
	volatile unsigned int second = 0;
	volatile bool died = true;

	restore(l, t);
	left = first;
	if (!setjmp(dead)) {
		assert_null(start(t, base));
		serve(t, seed);
		died = false;
	}
	left = 0;
	save(&after, t);
	do {
		restore(&after, t);
		left = ++second;
		if (!setjmp(dead)) {
			assert_null(start(t, base));
			second = 0;
		}
		left = 0;
		check(t, base);
	} while (second);
	/* It can go on, too. */
	restore(&after, t);
	assert_null(start(t, base));
	serve(t, seed + 1);
	check(t, base);
	return died;
}

static void test_deaths(void **state)
{
	static const u32 starts[] = { 0, 7, 16, 25, 0xfffc };
	const bool *packed = *state;
	unsigned int seed, i, n, total = 0;
	struct left_behind l;

	for (i = 0; i < ARRAY_SIZE(starts); i++) {
		for (seed = 1; seed < 200; seed += 40) {
			struct fixture *t = offer_all(*packed, starts[i]);
			struct vring_cursor base = t->vr.pos;

			memset(region, 0, sizeof(region));
			save(&l, t);
			for (n = 1; run(t, &l, base, seed, n); n++)
				;
			total += n;
			vu_inflight_stop(&track);
			fix_free(t);
		}
	}
	assert_true(total > 1000);
}

static void test_sizes(void **state)
{
	(void)state;
	assert_int_equal(vu_inflight_size(false, 128), 16 * 129 + 48);
	assert_int_equal(vu_inflight_size(true, 128), 32 * 129 + 32);
	assert_int_equal(vu_inflight_size(true, 1), 64);
}

int main(void)
{
	static bool split = false, packed = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		{ "split: a death after each store", test_deaths, NULL, NULL, &split },
		{ "packed: a death after each store", test_deaths, NULL, NULL, &packed },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

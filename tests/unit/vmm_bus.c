// SPDX-License-Identifier: GPL-2.0
/* The bus finds what covers an access as a whole, and nothing else, whatever was asked before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/bus.h"

struct probe {
	struct bus_range range;
	unsigned int reads, writes, last_len;
	uint64_t last_off, last_val;
};

static uint64_t probe_read(void *dev, uint64_t off, unsigned int len)
{
	struct probe *p = dev;

	assert_true(len == 1 || len == 2 || len == 4 || len == 8);
	assert_true(off + len <= p->range.size);
	p->reads++;
	p->last_off = off;
	p->last_len = len;
	return 0x8877665544332211ull >> 8 * (off & 7);
}

static void probe_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct probe *p = dev;

	assert_true(len == 1 || len == 2 || len == 4 || len == 8);
	assert_true(off + len <= p->range.size);
	p->writes++;
	p->last_off = off;
	p->last_len = len;
	p->last_val = val;
}

static const struct bus_ops ops = { probe_read, probe_write };

static struct probe probe(uint64_t base, uint64_t size)
{
	return (struct probe){ .range = { .base = base, .size = size, .ops = &ops } };
}

static int add(struct bus *bus, struct probe *p)
{
	p->range.dev = p;
	return bus_add(bus, &p->range);
}

static void test_overlap(void **state)
{
	struct probe a = probe(0x100, 0x10), same = probe(0x100, 0x10), over = probe(0xf8, 0x20);
	struct probe in = probe(0x104, 1), tail = probe(0x10f, 4), head = probe(0xff, 2);
	struct probe before = probe(0xf0, 0x10), after = probe(0x110, 0x10), none = probe(0x200, 0);
	struct bus bus = { 0 };

	(void)state;
	assert_int_equal(add(&bus, &a), 0);
	assert_int_equal(add(&bus, &same), -EEXIST);
	assert_int_equal(add(&bus, &over), -EEXIST);
	assert_int_equal(add(&bus, &in), -EEXIST);
	assert_int_equal(add(&bus, &tail), -EEXIST);
	assert_int_equal(add(&bus, &head), -EEXIST);
	assert_int_equal(add(&bus, &none), -EINVAL);
	assert_int_equal(add(&bus, &before), 0);
	assert_int_equal(add(&bus, &after), 0);
	assert_int_equal(bus.nr, 3);
	free(bus.range);
}

static void test_edges(void **state)
{
	struct probe a = probe(0x100, 4), b = probe(0x104, 4);
	struct bus bus = { 0 };
	uint32_t v = 0;

	(void)state;
	assert_int_equal(add(&bus, &a), 0);
	assert_int_equal(add(&bus, &b), 0);
	assert_true(bus_read(&bus, 0x100, &v, 4));
	assert_int_equal(v, 0x44332211);
	/* neither holds all of it */
	assert_false(bus_read(&bus, 0x102, &v, 4));
	assert_int_equal(v, 0xffffffff);
	assert_false(bus_read(&bus, 0x107, &v, 2));
	assert_false(bus_write(&bus, 0x106, &v, 4));
	assert_false(bus_read(&bus, 0xff, &v, 1));
	assert_false(bus_read(&bus, 0x108, &v, 1));
	assert_int_equal(a.reads, 1);
	assert_int_equal(b.reads + b.writes, 0);
	v = 0x1234;
	assert_true(bus_write(&bus, 0x106, &v, 2));
	assert_int_equal(b.last_off, 2);
	assert_int_equal(b.last_val, 0x1234);
	free(bus.range);
}

/* Pieces of accesses that crossed a page: three, five, six, seven bytes */
static void test_odd_lengths(void **state)
{
	struct probe a = probe(0x1000, 8);
	struct bus bus = { 0 };
	uint8_t buf[8];

	(void)state;
	assert_int_equal(add(&bus, &a), 0);
	for (unsigned int len = 1; len <= 8; len++) {
		memset(buf, 0, sizeof(buf));
		assert_true(bus_read(&bus, 0x1000, buf, len));
		for (unsigned int i = 0; i < 8; i++)
			assert_int_equal(buf[i], i < len ? 0x11 * (i + 1) : 0);
		assert_true(bus_write(&bus, 0x1000, buf, len));
	}
	free(bus.range);
}

static void test_top(void **state)
{
	struct probe top = probe(UINT64_MAX - 0xfff, 0x1000), wrap = probe(UINT64_MAX, 2);
	struct probe low = probe(0, 0x10);
	struct bus bus = { 0 };
	uint64_t v;

	(void)state;
	assert_int_equal(add(&bus, &top), 0);
	assert_int_equal(add(&bus, &wrap), -EINVAL);
	assert_int_equal(add(&bus, &low), 0);
	assert_true(bus_read(&bus, UINT64_MAX - 7, &v, 8));
	assert_false(bus_read(&bus, UINT64_MAX - 3, &v, 8));
	assert_true(bus_read(&bus, 0, &v, 8));
	free(bus.range);
}

/* The range that answered last must not answer once it is gone or has moved. */
static void test_removed(void **state)
{
	struct probe a = probe(0x100, 4), b = probe(0x100, 4);
	struct bus bus = { 0 };
	uint32_t v;

	(void)state;
	assert_int_equal(add(&bus, &a), 0);
	assert_true(bus_read(&bus, 0x100, &v, 4));
	bus_del(&bus, &a.range);
	assert_false(bus_read(&bus, 0x100, &v, 4));
	bus_del(&bus, &a.range);
	assert_int_equal(add(&bus, &b), 0);
	assert_true(bus_read(&bus, 0x100, &v, 4));
	assert_int_equal(a.reads, 1);
	assert_int_equal(b.reads, 1);
	free(bus.range);
}

#define MANY	200
#define SPACE	4096

static struct probe *owner(struct probe *p, const bool *on, uint64_t addr, unsigned int len)
{
	for (unsigned int i = 0; i < MANY; i++)
		if (on[i] && addr >= p[i].range.base &&
		    addr + len <= p[i].range.base + p[i].range.size)
			return &p[i];
	return NULL;
}

/* Against a linear search, while ranges come and go */
static void test_random(void **state)
{
	static struct probe p[MANY];
	struct bus bus = { 0 };
	bool on[MANY] = { false };
	unsigned int hits = 0, refused = 0;

	(void)state;
	srand(1);
	for (unsigned int n = 0; n < 100000; n++) {
		unsigned int i = (unsigned int)rand() % MANY, len = 1u << rand() % 4;
		uint64_t addr = (uint64_t)rand() % SPACE, v;
		struct probe *want;

		if (rand() % 8 == 0) {
			if (on[i]) {
				bus_del(&bus, &p[i].range);
				on[i] = false;
			} else {
				p[i] = probe(addr, (uint64_t)rand() % 64 + 1);
				on[i] = !add(&bus, &p[i]);
				refused += !on[i];
			}
			continue;
		}
		want = owner(p, on, addr, len);
		if (want)
			want->reads = 0;
		assert_int_equal(bus_read(&bus, addr, &v, len), want != NULL);
		if (want) {
			hits++;
			assert_int_equal(want->reads, 1);
			assert_int_equal(want->last_off, addr - want->range.base);
		}
	}
	assert_true(hits > 10000);
	assert_true(refused > 100);
	free(bus.range);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overlap), cmocka_unit_test(test_edges),
		cmocka_unit_test(test_odd_lengths), cmocka_unit_test(test_top),
		cmocka_unit_test(test_removed), cmocka_unit_test(test_random),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

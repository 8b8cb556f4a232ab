// SPDX-License-Identifier: GPL-2.0
/*
 * Every port of the machine under random accesses, as a hostile guest makes them: nothing may be read
 * or written out of bounds, overflow or hang (the sanitizers watch), and afterwards a reset brings back
 * devices that work. Uses KVM for interrupt lines; no guest code runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "vmm/chardev.h"
#include "vmm/config.h"
#include "vmm/machine.h"

#define ROUNDS	400000

static struct vm vm;
static struct loop *loop;

static uint64_t in(uint16_t port, unsigned int len)
{
	uint64_t v = 0;

	bus_read(&vm.pio, port, &v, len);
	return v;
}

static void out(uint16_t port, uint64_t v, unsigned int len)
{
	bus_write(&vm.pio, port, &v, len);
}

static uint8_t cmos(uint8_t index)
{
	out(0x70, index, 1);
	return (uint8_t)in(0x71, 1);
}

static void cmos_set(uint8_t index, uint8_t v)
{
	out(0x70, index, 1);
	out(0x71, v, 1);
}

static void end_loop(struct loop_timer *t)
{
	(void)t;
	loop_stop(loop);
}

/* Timers and bottom halves that the devices asked for */
static void run_loop(unsigned int ms)
{
	struct loop_timer t = { .fn = end_loop };

	vm_unlock(&vm);
	loop_timer_set(loop, &t, loop_now_ns() + ms * 1000000ull);
	loop_run(loop);
	vm_lock(&vm);
}

static void test_random_ports(void **state)
{
	(void)state;
	srand(2);
	for (unsigned int n = 0; n < ROUNDS; n++) {
		struct bus_range *r = vm.pio.range[(unsigned int)rand() % vm.pio.nr];
		uint16_t port = (uint16_t)(r->base + (unsigned int)rand() % r->size);
		unsigned int len = 1u << rand() % 3;

		if (rand() % 2)
			out(port, (uint64_t)rand() << 16 ^ (uint64_t)rand(), len);
		else
			in(port, len);
	}
}

/* The clock takes any nonsense for a time, in every format, and keeps ticking. */
static void test_random_clock(void **state)
{
	static const uint8_t reg[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x32 };

	(void)state;
	srand(3);
	for (unsigned int n = 0; n < ROUNDS; n++) {
		uint8_t index = reg[(unsigned int)rand() % sizeof(reg)];

		if (rand() % 2)
			cmos_set(index, (uint8_t)rand());
		else
			cmos(index);
		/* the timer and its interrupt */
		if (n % (ROUNDS / 20) == 0)
			run_loop(1);
	}
}

/* The years at which times in nanoseconds end, and those before the epoch */
static void test_far_years(void **state)
{
	static const struct {
		uint8_t century, year;
	} when[] = { { 0x99, 0x99 }, { 0x22, 0x63 }, { 0x19, 0x00 }, { 0x00, 0x00 }, { 0x00, 0x50 } };

	(void)state;
	cmos_set(0x0a, 0x26);
	for (unsigned int i = 0; i < sizeof(when) / sizeof(when[0]); i++) {
		cmos_set(0x0b, 0x82);
		cmos_set(0x00, 0x10);
		cmos_set(0x02, 0x20);
		cmos_set(0x04, 0x13);
		cmos_set(0x07, 0x15);
		cmos_set(0x08, 0x06);
		cmos_set(0x09, when[i].year);
		cmos_set(0x32, when[i].century);
		cmos_set(0x0b, 0x02);
		assert_int_equal(cmos(0x09), when[i].year);
		assert_int_equal(cmos(0x32), when[i].century);
		assert_int_equal(cmos(0x04), 0x13);
		assert_int_equal(cmos(0x08), 0x06);
		/* and the alarm of that minute rings */
		cmos_set(0x01, 0xff);
		cmos_set(0x03, cmos(0x02));
		cmos_set(0x05, 0x13);
		cmos(0x0c);
		cmos_set(0x0b, 0x22);
		run_loop(1100);
		assert_int_equal(cmos(0x0c) & 0xa0, 0xa0);
	}
}

static void test_works_after_reset(void **state)
{
	time_t now;
	struct tm tm;

	(void)state;
	vm_unlock(&vm);
	/* There is no kernel to load: that is said, after devices were reset. */
	assert_int_equal(vm_reset(&vm), -1);
	vm_lock(&vm);
	assert_int_equal(in(0x3f8 + 5, 1), 0x60);
	assert_int_equal(in(0x3f8 + 2, 1), 0x01);
	out(0x3f8 + 4, 0x10, 1);
	out(0x3f8, 0x5a, 1);
	assert_int_equal(in(0x3f8, 1), 0x5a);
	out(0x64, 0xaa, 1);
	assert_int_equal(in(0x64, 1) & 1, 1);
	assert_int_equal(in(0x60, 1), 0x55);
	assert_int_equal(in(PM_BASE, 4), 0);
	assert_int_equal(in(PM_CNT, 2), 1);
	cmos_set(0x0b, 0x82);
	now = time(NULL);
	gmtime_r(&now, &tm);
	cmos_set(0x09, 0x26);
	cmos_set(0x32, 0x20);
	cmos_set(0x0a, 0x26);
	cmos_set(0x0b, 0x02);
	assert_int_equal(cmos(0x09), 0x26);
}

int main(void)
{
	static const struct vm_config cfg = {
		.mem_size = 16 << 20,
		.cpus = 1, .cores = 1, .threads = 1,
		.rtc_base = -1,
		.kernel = "/nonexistent",
		.serial = { "null" },
		.nr_serial = 1,
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_ports), cmocka_unit_test(test_random_clock),
		cmocka_unit_test(test_far_years), cmocka_unit_test(test_works_after_reset),
	};
	int fd, ret;

	if (access("/dev/kvm", R_OK | W_OK)) {
		printf("1..0 # SKIP no access to /dev/kvm\n");
		return 0;
	}
	/* Guests that ask for sleep states that do not exist are reported each time. */
	fd = open(getenv("V") ? "/dev/stderr" : "/dev/null", O_WRONLY);
	dup2(fd, STDERR_FILENO);
	close(fd);
	loop = loop_new();
	if (!loop || chardev_open_all(&vm, loop) || vm_create(&vm, &cfg, loop))
		return 1;
	vm_lock(&vm);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	vm_unlock(&vm);
	vm_destroy(&vm);
	chardev_close_all();
	loop_free(loop);
	return ret;
}

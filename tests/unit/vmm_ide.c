// SPDX-License-Identifier: GPL-2.0
/*
 * IDE through its ports, as a driver uses it and as nobody should: a disk and a CD-ROM, by the data register and by the bus
 * master, with tables of memory that lead nowhere. Uses KVM for interrupt lines; no guest code runs.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "vmm/blockdev.h"
#include "vmm/chardev.h"
#include "vmm/cmdline.h"
#include "vmm/device.h"
#include "vmm/machine.h"

#define RAM		(16u << 20)
#define DISK		(4u << 20)
#define CD		(1u << 20)
#define TABLE		0x10000
#define DATA		0x100000
#define BM		0xc000
#define ROUNDS		300000

#define ST_ERR		0x01
#define ST_DRQ		0x08
#define ST_BSY		0x80

static struct vm_config cfg;
static struct vm vm;
static struct loop *loop;
static uint8_t disk[DISK], cd[CD];
static char disk_path[] = "/tmp/disk.XXXXXX", cd_path[] = "/tmp/cd.XXXXXX";

static uint64_t in(unsigned int port, unsigned int len)
{
	uint64_t v = 0;

	bus_read(&vm.pio, port, &v, len);
	return v;
}

static void out(unsigned int port, uint64_t v, unsigned int len)
{
	bus_write(&vm.pio, port, &v, len);
}

static void stop(struct loop_timer *t)
{
	(void)t;
	loop_stop(loop);
}

/* The main thread's turn */
static void turn(void)
{
	struct loop_timer t = { .fn = stop };

	vm_unlock(&vm);
	loop_timer_set(loop, &t, loop_now_ns() + 1000000);
	loop_run(loop);
	loop_timer_del(loop, &t);
	vm_lock(&vm);
}

/* Channel @ch is no longer busy. Return: its status */
static uint8_t ready(unsigned int ch)
{
	unsigned int i;

	for (i = 0; i < 5000 && in(0x3f6 - 0x80 * ch, 1) & ST_BSY; i++)
		turn();
	return (uint8_t)in(0x1f7 - 0x80 * ch, 1);
}

static void command(unsigned int ch, uint64_t lba, unsigned int count, uint8_t cmd)
{
	unsigned int base = 0x1f0 - 0x80 * ch, i;

	out(base + 6, 0xe0, 1);
	out(base + 2, count >> 8, 1);
	for (i = 0; i < 3; i++)
		out(base + 3 + i, lba >> (24 + 8 * i), 1);
	out(base + 2, count, 1);
	for (i = 0; i < 3; i++)
		out(base + 3 + i, lba >> 8 * i, 1);
	out(base + 7, cmd, 1);
}

static void words_in(unsigned int ch, void *to, size_t len)
{
	uint8_t *p = to;
	uint16_t w;

	for (; len; len -= 2, p += 2) {
		w = (uint16_t)in(0x1f0 - 0x80 * ch, 2);
		memcpy(p, &w, 2);
	}
}

static void words_out(unsigned int ch, const void *from, size_t len)
{
	const uint8_t *p = from;
	uint16_t w;

	for (; len; len -= 2, p += 2) {
		memcpy(&w, p, 2);
		out(0x1f0 - 0x80 * ch, w, 2);
	}
}

/* Sectors by the data register, one at a time */
static void sectors(bool write, uint64_t lba, unsigned int count, uint8_t *data)
{
	command(0, lba, count, write ? 0x34 : 0x24);
	for (; count; count--, data += 512) {
		assert_int_equal(ready(0) & (ST_ERR | ST_DRQ), ST_DRQ);
		if (write)
			words_out(0, data, 512);
		else
			words_in(0, data, 512);
	}
	assert_int_equal(ready(0) & (ST_ERR | ST_DRQ), 0);
}

static void prd(unsigned int n, uint32_t addr, uint32_t len, bool last)
{
	uint32_t e[2] = { htole32(addr), htole32((len & 0xffff) | (last ? 0x80000000u : 0)) };

	memcpy(vm_ram(&vm, TABLE + 8 * n, 8), e, 8);
}

static void dma_begin(unsigned int ch, bool to_memory)
{
	out(BM + 8 * ch, 0, 1);
	out(BM + 8 * ch + 4, TABLE, 4);
	out(BM + 8 * ch + 2, 6, 1);
	out(BM + 8 * ch, to_memory ? 9 : 1, 1);
}

static uint8_t dma_end(unsigned int ch)
{
	uint8_t bm = (uint8_t)in(BM + 8 * ch + 2, 1);

	out(BM + 8 * ch, 0, 1);
	return bm & 7;
}

static void noise(uint8_t *p, size_t len)
{
	while (len--)
		*p++ = (uint8_t)rand();
}

static void test_identify(void **state)
{
	uint8_t id[512], sum = 0;
	unsigned int i;

	(void)state;
	out(0x3f6, 4, 1);
	out(0x3f6, 0, 1);
	assert_int_equal(ready(0), 0x50);
	assert_int_equal(in(0x1f2, 1) << 16 | in(0x1f4, 1) << 8 | in(0x1f5, 1), 0x010000);
	out(0x376, 4, 1);
	out(0x376, 0, 1);
	assert_int_equal(in(0x174, 1) << 8 | in(0x175, 1), 0x14eb);
	command(0, 0, 0, 0xec);
	assert_int_equal(ready(0), 0x58);
	words_in(0, id, 512);
	assert_int_equal(ready(0), 0x50);
	for (i = 0; i < 512; i++)
		sum = (uint8_t)(sum + id[i]);
	assert_int_equal(sum, 0);
	assert_memory_equal(id + 54, "HSNU TAHDRIDKS", 14);
	assert_int_equal(id[120] | id[121] << 8, DISK / 512);
	/* a second drive is not there: not ready, and deaf */
	out(0x1f6, 0xb0, 1);
	assert_int_equal(in(0x1f7, 1), 0);
	out(0x1f7, 0xec, 1);
	assert_int_equal(in(0x1f7, 1), 0);
	out(0x1f6, 0xa0, 1);
}

static void test_pio(void **state)
{
	static uint8_t data[600 * 512], back[600 * 512];

	(void)state;
	noise(data, sizeof(data));
	sectors(true, 100, 600, data);
	sectors(false, 100, 600, back);
	assert_memory_equal(data, back, sizeof(data));
	command(0, 0, 0, 0xe7);
	assert_int_equal(ready(0), 0x50);
	/* what the file holds, and an address by cylinder, head and sector: 100 is 0/1/38 */
	assert_int_equal(pread(blockdev_find("ide0-hd0")->fd, back, sizeof(data), 100 * 512), sizeof(data));
	assert_memory_equal(data, back, sizeof(data));
	command(0, 0x26, 1, 0x90);
	out(0x1f6, 0xa1, 1);
	out(0x1f2, 1, 1);
	out(0x1f3, 38, 1);
	out(0x1f4, 0, 1);
	out(0x1f5, 0, 1);
	out(0x1f7, 0x20, 1);
	assert_int_equal(ready(0), 0x58);
	words_in(0, back, 512);
	assert_memory_equal(data, back, 512);
	/* several sectors a block */
	command(0, 0, 8, 0xc6);
	assert_int_equal(ready(0), 0x50);
	command(0, 100, 10, 0x29);
	assert_int_equal(ready(0), 0x58);
	words_in(0, back, 8 * 512);
	assert_int_equal(ready(0), 0x58);
	words_in(0, back + 8 * 512, 2 * 512);
	assert_int_equal(ready(0), 0x50);
	assert_memory_equal(data, back, 10 * 512);
	/* beyond the end */
	command(0, DISK / 512 - 1, 2, 0x24);
	assert_int_equal(ready(0), 0x51);
	assert_int_equal(in(0x1f1, 1), 0x10);
	command(0, 1ull << 47, 1, 0x24);
	assert_int_equal(ready(0), 0x51);
}

static void test_dma(void **state)
{
	uint8_t *ram = vm_ram(&vm, DATA, 600 * 512);
	static uint8_t data[600 * 512];
	unsigned int i;

	(void)state;
	noise(ram, sizeof(data));
	memcpy(data, ram, sizeof(data));
	/* pieces of odd sizes, and one of 64 KiB, which is written as 0 */
	prd(0, DATA, 2, false);
	prd(1, DATA + 2, 0x10000, false);
	for (i = 0; i < 3; i++)
		prd(2 + i, DATA + 0x10002 + i * 0xf000, 0xf000, false);
	prd(5, DATA + 0x10002 + 3 * 0xf000, 600 * 512 - 0x10002 - 3 * 0xf000, true);
	command(0, 2000, 600, 0x35);
	dma_begin(0, false);
	assert_int_equal(ready(0), 0x50);
	assert_int_equal(dma_end(0), 4);
	memset(ram, 0, sizeof(data));
	command(0, 2000, 600, 0x25);
	dma_begin(0, true);
	assert_int_equal(ready(0), 0x50);
	assert_int_equal(dma_end(0), 4);
	assert_memory_equal(ram, data, sizeof(data));
	/* a table with room left: the bus master stays active */
	prd(0, DATA, 0x8000, true);
	command(0, 2000, 1, 0x25);
	dma_begin(0, true);
	assert_int_equal(ready(0), 0x50);
	assert_int_equal(dma_end(0), 5);
}

static void read_fails(uint8_t status)
{
	command(0, 0, 200, 0x25);
	dma_begin(0, true);
	assert_int_equal(ready(0), 0x51);
	assert_int_equal(dma_end(0), status);
}

static void test_bad_tables(void **state)
{
	uint8_t *ram = vm_ram(&vm, DATA, 512);
	unsigned int i;

	(void)state;
	prd(0, DATA, 512, true);		/* too short */
	read_fails(6);
	prd(0, 0xfec00000, 0, true);		/* no memory */
	read_fails(6);
	prd(0, RAM - 256, 0, true);		/* half of it none */
	read_fails(6);
	for (i = 0; i < 8192; i++)		/* without an end */
		prd(i, DATA, 2, false);
	read_fails(6);
	command(0, 0, 200, 0x25);		/* a table that is not in memory */
	out(BM + 4, 0xfffffff0, 4);
	out(BM, 9, 1);
	assert_int_equal(ready(0), 0x51);
	dma_end(0);
	/* stopped in the middle, and the wrong way round */
	prd(0, DATA, 0, true);
	command(0, 0, 128, 0x25);
	dma_begin(0, true);
	out(BM, 0, 1);
	command(0, 0, 0, 0xe5);
	ready(0);
	out(0x3f6, 4, 1);
	out(0x3f6, 0, 1);
	command(0, 0, 1, 0x25);
	dma_begin(0, false);
	assert_int_equal(ready(0) & ST_DRQ, ST_DRQ);
	out(0x3f6, 4, 1);
	out(0x3f6, 0, 1);
	dma_end(0);
	prd(0, DATA, 512, true);
	command(0, 2000, 1, 0x25);
	dma_begin(0, true);
	assert_int_equal(ready(0), 0x50);
	assert_int_equal(dma_end(0), 4);
	assert_int_equal(pread(blockdev_find("ide0-hd0")->fd, disk, 512, 2000 * 512), 512);
	assert_memory_equal(ram, disk, 512);
}

static void test_reset_meanwhile(void **state)
{
	uint8_t a[512], b[512];
	unsigned int i;

	(void)state;
	noise(a, sizeof(a));
	sectors(true, 7, 1, a);
	for (i = 0; i < 50; i++) {
		command(0, i * 8, 256, 0x24);
		if (i & 1)
			turn();
		out(0x3f6, 4, 1);
		out(0x3f6, 0, 1);
		sectors(false, 7, 1, b);
		assert_memory_equal(a, b, 512);
	}
}

/* Return: status after a packet was sent; data is waiting, or not */
static uint8_t packet(const uint8_t p[12], unsigned int limit, bool dma)
{
	out(0x176, 0xa0, 1);
	out(0x171, dma, 1);
	out(0x174, limit, 1);
	out(0x175, limit >> 8, 1);
	out(0x177, 0xa0, 1);
	assert_int_equal(ready(1) & (ST_DRQ | ST_ERR), ST_DRQ);
	assert_int_equal(in(0x172, 1), 1);
	words_out(1, p, 12);
	return ready(1);
}

static unsigned int sense(void)
{
	static const uint8_t p[12] = { 0x03, 0, 0, 0, 18 };
	uint8_t b[18];

	assert_int_equal(packet(p, 18, false), 0x58);
	words_in(1, b, 18);
	return b[2] << 16 | b[12] << 8 | b[13];
}

static void test_cdrom(void **state)
{
	static const uint8_t inquiry[12] = { 0x12, 0, 0, 0, 36 }, capacity[12] = { 0x25 };
	static const uint8_t read[12] = { 0x28, 0, 0, 0, 0, 9, 0, 0, 100 }, far[12] = { 0x28, 0, 0, 0, 2, 0, 0, 0, 1 };
	static const uint8_t toc[12] = { 0x43, 2, 0, 0, 0, 0, 0, 0, 20 }, nothing[12] = { 0xff };
	static uint8_t b[100 * 2048];
	unsigned int at, n;

	(void)state;
	assert_int_equal(packet(inquiry, 36, false), 0x58);
	words_in(1, b, 36);
	assert_memory_equal(b + 8, "SHUNT   CD-ROM", 14);
	assert_int_equal(packet(capacity, 8, false), 0x58);
	words_in(1, b, 8);
	assert_int_equal(b[2] << 8 | b[3], CD / 2048 - 1);
	assert_int_equal(packet(toc, 20, false), 0x58);
	words_in(1, b, 20);
	assert_int_equal(b[1] << 16 | b[9] << 8 | b[10], 18 << 16 | 0 << 8 | 2);
	/* the guest says how much it takes at a time */
	assert_int_equal(packet(read, 6144, false) & ~0u, 0x58);
	for (at = 0; at < sizeof(b); at += n) {
		n = (unsigned int)(in(0x174, 1) | in(0x175, 1) << 8);
		assert_in_range(n, 1, 6144);
		assert_int_equal(in(0x172, 1), 2);
		words_in(1, b + at, n);
		ready(1);
	}
	assert_int_equal(in(0x172, 1), 3);
	assert_memory_equal(b, cd + 9 * 2048, sizeof(b));
	for (n = 0; n < 4; n++)
		prd(n, DATA + n * 0x10000, 0, n == 3);
	dma_begin(1, true);
	assert_int_equal(packet(read, 0, true), 0x50);
	assert_int_equal(dma_end(1) & 6, 4);
	assert_memory_equal(vm_ram(&vm, DATA, sizeof(b)), b, sizeof(b));
	assert_int_equal(packet(far, 2048, false), 0x51);
	assert_int_equal(sense(), 0x052100);
	assert_int_equal(packet(nothing, 2048, false), 0x51);
	assert_int_equal(sense(), 0x052000);
}

static void change(const char *file, bool force, const char *want)
{
	char *said = NULL;
	size_t size;
	FILE *f = open_memstream(&said, &size);

	vm_unlock(&vm);
	blockdev_change("ide1-cd0", file, force, f);
	vm_lock(&vm);
	fclose(f);
	if (want)
		assert_non_null(strstr(said, want));
	else
		assert_string_equal(said, "");
	free(said);
}

static void test_media(void **state)
{
	static const uint8_t test[12] = { 0 }, lock[12] = { 0x1e, 0, 0, 0, 1 }, eject[12] = { 0x1b, 0, 0, 0, 2 };
	static const uint8_t load[12] = { 0x1b, 0, 0, 0, 3 }, event[12] = { 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8 };
	uint8_t b[8];

	(void)state;
	assert_int_equal(packet(lock, 0, false), 0x50);
	assert_int_equal(packet(eject, 0, false), 0x51);
	assert_int_equal(sense(), 0x025302);
	change(NULL, false, "locked");
	change(NULL, true, NULL);
	assert_int_equal(packet(test, 0, false), 0x51);
	assert_int_equal(sense(), 0x023a00);
	assert_int_equal(packet(event, 8, false), 0x58);
	words_in(1, b, 8);
	assert_int_equal(b[4], 3);
	change("/nonexistent", false, "No such file");
	change(cd_path, false, NULL);
	assert_int_equal(packet(test, 0, false), 0x51);
	assert_int_equal(sense(), 0x062800);
	assert_int_equal(packet(test, 0, false), 0x50);
	assert_int_equal(packet(event, 8, false), 0x58);
	words_in(1, b, 8);
	assert_int_equal(b[4], 2);
	assert_int_equal(packet(eject, 0, false), 0x50);
	assert_int_equal(packet(test, 0, false), 0x51);
	assert_int_equal(packet(load, 0, false), 0x50);
	assert_int_equal(packet(test, 0, false), 0x51);
	assert_int_equal(packet(test, 0, false), 0x50);
}

/* The medium goes when a read of it has been asked for and no helper has begun: what gets its descriptor is not read. */
static void test_change_meanwhile(void **state)
{
	static const uint8_t read[12] = { 0x28, 0, 0, 0, 0, 9, 0, 0, 1 }, test[12] = { 0 };
	unsigned int i, n = 0;
	int fd[32];

	(void)state;
	packet(test, 0, false);
	assert_int_equal(packet(test, 0, false), 0x50);
	out(0x177, 0xa0, 1);
	assert_int_equal(ready(1) & ST_DRQ, ST_DRQ);
	words_out(1, read, 12);
	assert_int_equal(in(0x376, 1) & ST_BSY, ST_BSY);
	change(NULL, true, NULL);
	while (n < 32)
		fd[n++] = open(disk_path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(ready(1), 0x51);
	for (i = 0; i < n; i++)
		close(fd[i]);
	assert_int_equal(sense(), 0x031100);
	change(cd_path, false, NULL);
	assert_int_equal(packet(test, 0, false), 0x51);
	assert_int_equal(packet(test, 0, false), 0x50);
}

/* A driver that has lost its mind; both channels, the bus master, tables that are noise. */
static void test_random(void **state)
{
	static const uint8_t cmds[] = { 0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x90, 0x91, 0xa0, 0xa1, 0xc6, 0xc8, 0xca, 0xec,
					0xef, 0xe7, 0x08 };
	uint8_t a[512], b[512];
	unsigned int i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		unsigned int ch = rand() & 1, r = rand() % 32, len = 1u << rand() % 3;

		if (r < 10)
			out(0x1f0 - 0x80 * ch + r % 7, (uint64_t)rand(), len);
		else if (r < 14)
			out(0x1f7 - 0x80 * ch, rand() & 1 ? cmds[(unsigned int)rand() % sizeof(cmds)] : (unsigned int)rand(), 1);
		else if (r < 18)
			in(0x1f0 - 0x80 * ch + (unsigned int)rand() % 8, len);
		else if (r < 26)
			out(0x1f0 - 0x80 * ch, (uint64_t)rand(), 4);
		else if (r == 26)
			out(0x3f6 - 0x80 * ch, (uint64_t)rand(), 1);
		else if (r < 30)
			out(BM + (unsigned int)rand() % 16, rand() & 1 ? (uint64_t)rand() : 9, len);
		else if (r == 30)
			prd((unsigned int)rand() % 8, (uint32_t)rand(), (uint32_t)rand(), rand() & 1);
		else if (!(rand() & 15))
			turn();
	}
	vm_unlock(&vm);
	vm_reset(&vm);
	vm_lock(&vm);
	/* the bus master's ports are where they were */
	out(0xcf8, 0x80000904, 4);
	out(0xcfc, 5, 2);
	test_identify(NULL);
	noise(a, sizeof(a));
	sectors(true, 9, 1, a);
	sectors(false, 9, 1, b);
	assert_memory_equal(a, b, 512);
}

static int file_make(char *path, uint8_t *data, size_t len)
{
	int fd = mkstemp(path);

	noise(data, len);
	return fd < 0 || write(fd, data, len) != (ssize_t)len || close(fd);
}

static int machine_make(void)
{
	char *argv[] = { "shunt", "-nodefaults", "-display", "none", "-m", "16", "-kernel", "/nonexistent", "-hda", disk_path,
			 "-cdrom", cd_path, NULL };
	unsigned int i;

	loop = loop_new();
	if (!loop || cmdline_parse(&cfg, 12, argv) != CMDLINE_RUN || blockdev_open_all() || chardev_open_all(&vm, loop) ||
	    vm_create(&vm, &cfg, loop))
		return 1;
	for (i = 0; i < cfg.nr_devices; i++)
		if (cfg.device[i].type->create(cfg.device[i].type, &vm, cfg.device[i].id, cfg.device[i].props))
			return 1;
	vm_ready(&vm);	/* there is no kernel; BARs have their places */
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identify), cmocka_unit_test(test_pio), cmocka_unit_test(test_dma),
		cmocka_unit_test(test_bad_tables), cmocka_unit_test(test_reset_meanwhile), cmocka_unit_test(test_cdrom),
		cmocka_unit_test(test_media), cmocka_unit_test(test_change_meanwhile), cmocka_unit_test(test_random),
	};
	int fd, ret;

	if (access("/dev/kvm", R_OK | W_OK)) {
		printf("1..0 # SKIP no access to /dev/kvm\n");
		return 0;
	}
	fd = open(getenv("V") ? "/dev/stderr" : "/dev/null", O_WRONLY);
	dup2(fd, STDERR_FILENO);
	close(fd);
	if (file_make(disk_path, disk, DISK) || file_make(cd_path, cd, CD) || machine_make())
		return 1;
	vm_lock(&vm);
	out(0xcf8, 0x80000904, 4);
	out(0xcfc, 5, 2);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	vm_unlock(&vm);
	vm_destroy(&vm);
	blockdev_close_all();
	chardev_close_all();
	loop_free(loop);
	cmdline_free(&cfg);
	unlink(disk_path);
	unlink(cd_path);
	return ret;
}

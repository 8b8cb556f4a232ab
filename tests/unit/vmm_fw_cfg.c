// SPDX-License-Identifier: GPL-2.0
/*
 * fw_cfg as firmware uses it, and as nobody should: items, files, DMA; and the ACPI tables put together as its script says.
 * Uses KVM; no guest code runs.
 */
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

#include "lib/loop.h"
#include "vmm/chardev.h"
#include "vmm/config.h"
#include "vmm/machine.h"

#define RAM		(16u << 20)
#define DESC		0x1000
#define BUF		0x2000
#define BIOS		0x20000

#define ERROR		1u
#define READ		2u
#define SKIP		4u
#define SELECT		8u
#define WRITE		16u

static struct vm vm;
static uint8_t bios[BIOS];

static void out(uint16_t port, uint64_t v, unsigned int len)
{
	bus_write(&vm.pio, port, &v, len);
}

static uint64_t in(uint16_t port, unsigned int len)
{
	uint64_t v = 0;

	bus_read(&vm.pio, port, &v, len);
	return v;
}

/* By the ports: item @key, from its beginning */
static void item(uint16_t key, void *to, size_t len)
{
	uint8_t *p = to;

	out(0x510, key, 2);
	while (len--)
		*p++ = (uint8_t)in(0x511, 1);
}

/* Return: the control word that is left, of one by DMA */
static uint32_t dma(uint32_t control, uint32_t len, uint64_t addr)
{
	uint32_t desc[4] = { htobe32(control), htobe32(len), htobe32((uint32_t)(addr >> 32)), htobe32((uint32_t)addr) };

	memcpy(vm_ram(&vm, DESC, sizeof(desc)), desc, sizeof(desc));
	out(0x514, 0, 4);
	out(0x518, htobe32(DESC), 4);
	memcpy(desc, vm_ram(&vm, DESC, sizeof(desc)), sizeof(desc));
	return be32toh(desc[0]);
}

struct entry {
	uint32_t size;
	uint16_t key, reserved;
	char name[56];
};

/* Return: the file, of *@len bytes, for free() */
static uint8_t *file(const char *name, size_t *len)
{
	struct {
		uint32_t nr;
		struct entry e[64];
	} dir;
	uint8_t *data;

	item(0x19, &dir, sizeof(dir));
	for (uint32_t i = 0; i < be32toh(dir.nr); i++) {
		if (strcmp(dir.e[i].name, name))
			continue;
		*len = be32toh(dir.e[i].size);
		data = malloc(*len + 1);
		assert_int_equal(dma(be16toh(dir.e[i].key) << 16 | SELECT | READ, (uint32_t)*len, BUF), 0);
		memcpy(data, vm_ram(&vm, BUF, *len), *len);
		return data;
	}
	fail_msg("no file %s", name);
	return NULL;
}

static void test_ports(void **state)
{
	uint8_t is[8];

	(void)state;
	item(0, is, 8);
	assert_memory_equal(is, "QEMU\0\0\0\0", 8);
	item(1, is, 4);
	assert_memory_equal(is, "\3\0\0\0", 4);
	item(5, is, 2);
	assert_memory_equal(is, "\2\0", 2);
	/* There is none */
	item(0x77, is, 8);
	assert_memory_equal(is, "\0\0\0\0\0\0\0\0", 8);
	assert_int_equal(in(0x514, 4), htobe32(0x51454d55));
	assert_int_equal(in(0x518, 4), htobe32(0x20434647));
}

static void test_dma(void **state)
{
	uint8_t *to = vm_ram(&vm, BUF, 64);

	(void)state;
	memset(to, 0xa5, 64);
	/* Two at a time, and zeroes behind the end */
	assert_int_equal(dma(SELECT | READ, 2, BUF), 0);
	assert_int_equal(dma(READ, 6, BUF + 2), 0);
	assert_memory_equal(to, "QEMU\0\0\0\0\xa5", 9);
	assert_int_equal(dma(SELECT | SKIP, 2, 0), 0);
	assert_int_equal(dma(READ, 2, BUF), 0);
	assert_memory_equal(to, "MU", 2);
	assert_int_equal(dma(SELECT | SKIP, UINT32_MAX, 0), 0);
	assert_int_equal(dma(READ, 4, BUF), 0);
	assert_memory_equal(to, "\0\0\0\0", 4);
	/* Nothing can be written. */
	assert_int_equal(dma(SELECT | WRITE, 4, BUF), ERROR);
	item(0, to, 4);
	assert_memory_equal(to, "QEMU", 4);
}

static void test_hostile(void **state)
{
	static const uint64_t outside[] = { RAM, RAM - 1, UINT64_MAX, UINT64_MAX - 1, 0xfffffff0, 1ull << 63 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		assert_int_equal(dma(SELECT | READ, 2, outside[i]), ERROR);
	assert_int_equal(dma(SELECT | READ, UINT32_MAX, 0), ERROR);
	/* Descriptors where there is no memory, or not enough */
	for (unsigned int i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		out(0x514, htobe32((uint32_t)(outside[i] >> 32)), 4);
		out(0x518, htobe32((uint32_t)outside[i]), 4);
	}
	/* A descriptor that is overwritten by what it asks for */
	dma(SELECT | READ, 16, DESC);
	/* Accesses of every size everywhere */
	srand(5);
	for (unsigned int n = 0; n < 200000; n++) {
		uint16_t port = (uint16_t)(0x510 + rand() % 12);
		unsigned int len = 1u << rand() % 4;

		if (rand() % 2)
			out(port, (uint64_t)rand() << 32 ^ (uint64_t)rand(), len);
		else
			in(port, len);
	}
	test_ports(state);
}

static void test_e820(void **state)
{
	size_t len;
	uint8_t *map = file("etc/e820", &len);
	uint64_t addr, size, ram = 0;
	uint32_t type;

	(void)state;
	assert_int_equal(len % 20, 0);
	for (size_t i = 0; i < len; i += 20) {
		memcpy(&addr, map + i, 8);
		memcpy(&size, map + i + 8, 8);
		memcpy(&type, map + i + 16, 4);
		if (type == 1)
			ram += size;
	}
	assert_int_equal(ram, RAM);
	free(map);
}

/* --- what firmware does with tables --- */

struct command {
	uint32_t command;
	union {
		struct {
			char file[56];
			uint32_t align;
			uint8_t zone;
		} __attribute__((packed)) allocate;
		struct {
			char file[56], to[56];
			uint32_t at;
			uint8_t size;
		} __attribute__((packed)) pointer;
		struct {
			char file[56];
			uint32_t at, start, len;
		} __attribute__((packed)) sum;
		uint8_t pad[124];
	};
} __attribute__((packed));

static struct loaded {
	char name[56];
	uint8_t *data;
	size_t len;
	uint64_t at;
} loaded[4];
static unsigned int nr_loaded;

static struct loaded *find(const char *name)
{
	for (unsigned int i = 0; i < nr_loaded; i++)
		if (!strcmp(loaded[i].name, name))
			return &loaded[i];
	fail_msg("%s was not allocated", name);
	return NULL;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

static void obey(const struct command *c)
{
	struct loaded *f;
	uint64_t v = 0;

	switch (c->command) {
	case 1:
		f = &loaded[nr_loaded];
		strcpy(f->name, c->allocate.file);
		f->data = file(f->name, &f->len);
		f->at = 0x700000 + 0x100000 * nr_loaded++;
		assert_int_equal(c->allocate.align & (c->allocate.align - 1), 0);
		break;
	case 2:
		f = find(c->pointer.file);
		assert_true(c->pointer.at + c->pointer.size <= f->len);
		memcpy(&v, f->data + c->pointer.at, c->pointer.size);
		assert_true(v < find(c->pointer.to)->len);
		v += find(c->pointer.to)->at;
		memcpy(f->data + c->pointer.at, &v, c->pointer.size);
		break;
	case 3:
		f = find(c->sum.file);
		assert_true(c->sum.start + (uint64_t)c->sum.len <= f->len && c->sum.at < f->len);
		f->data[c->sum.at] = (uint8_t)-sum(f->data + c->sum.start, c->sum.len);
		break;
	default:
		fail_msg("command %u", c->command);
	}
}

static const uint8_t *table(const struct loaded *t, uint64_t addr, const char *signature)
{
	uint32_t len;

	assert_true(addr >= t->at && addr + 36 <= t->at + t->len);
	memcpy(&len, t->data + (addr - t->at) + 4, 4);
	assert_true(addr + len <= t->at + t->len);
	assert_memory_equal(t->data + (addr - t->at), signature, 4);
	if (strcmp(signature, "FACS"))
		assert_int_equal(sum(t->data + (addr - t->at), len), 0);
	return t->data + (addr - t->at);
}

static void test_acpi(void **state)
{
	const uint8_t *rsdp, *xsdt, *fadt;
	const struct loaded *t;
	struct command c;
	uint32_t addr;
	uint64_t at;
	size_t len;
	uint8_t *script = file("etc/table-loader", &len);

	(void)state;
	assert_int_equal(len % sizeof(c), 0);
	for (size_t i = 0; i < len; i += sizeof(c)) {
		memcpy(&c, script + i, sizeof(c));
		obey(&c);
	}
	free(script);
	rsdp = find("etc/acpi/rsdp")->data;
	t = find("etc/acpi/tables");
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	memcpy(&at, rsdp + 24, 8);
	xsdt = table(t, at, "XSDT");
	memcpy(&at, xsdt + 36, 8);
	fadt = table(t, at, "FACP");
	memcpy(&addr, fadt + 40, 4);
	table(t, addr, "DSDT");
	memcpy(&at, fadt + 140, 8);
	assert_int_equal(at, addr);
	memcpy(&addr, fadt + 36, 4);
	table(t, addr, "FACS");
	assert_int_equal(addr % 64, 0);
	memcpy(&at, xsdt + 44, 8);
	table(t, at, "APIC");
	for (unsigned int i = 0; i < nr_loaded; i++)
		free(loaded[i].data);
	nr_loaded = 0;
}

/* Below 1 MiB is what is below 4 GiB, again after each reset. */
static void test_shadow(void **state)
{
	uint8_t *low = vm_ram(&vm, 0xe0000, BIOS);

	assert_memory_equal(low, bios, BIOS);
	memset(low, 0, BIOS);
	vm_unlock(&vm);
	assert_int_equal(vm_reset(&vm), 0);
	vm_lock(&vm);
	assert_memory_equal(low, bios, BIOS);
	test_ports(state);
	test_acpi(state);
}

int main(void)
{
	static struct vm_config cfg = { .mem_size = RAM, .cpus = 2, .cores = 2, .threads = 1, .rtc_base = -1 };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports), cmocka_unit_test(test_dma), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_e820), cmocka_unit_test(test_acpi), cmocka_unit_test(test_shadow),
	};
	char path[] = "/tmp/bios.XXXXXX";
	struct loop *loop;
	int fd, ret;

	if (access("/dev/kvm", R_OK | W_OK)) {
		printf("1..0 # SKIP no access to /dev/kvm\n");
		return 0;
	}
	fd = mkstemp(path);
	for (unsigned int i = 0; i < BIOS; i++)
		bios[i] = (uint8_t)rand();
	if (fd < 0 || write(fd, bios, BIOS) != BIOS)
		return 1;
	close(fd);
	cfg.bios = path;
	loop = loop_new();
	ret = !loop || chardev_open_all(&vm, loop) || vm_create(&vm, &cfg, loop) || vm_ready(&vm);
	unlink(path);
	if (ret)
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

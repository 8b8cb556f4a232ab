// SPDX-License-Identifier: GPL-2.0
/*
 * ACPI tables as a guest finds them: sums, pointers, entries, and AML that iasl takes apart and puts
 * together again. Needs no KVM: guest RAM is a buffer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/aml.h"
#include "vmm/machine.h"

#define RAM	(2u << 20)

static uint8_t *ram;
static struct vm_config cfg;
static struct vm vm = { .cfg = &cfg };

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

static const uint8_t *build(unsigned int cpus)
{
	uint64_t rsdp;

	memset(ram, 0xa5, RAM);
	vm.nr_vcpus = cpus;
	cfg.cores = cpus;
	cfg.threads = 1;
	vm.slot[0] = (struct vm_mem_slot){ .size = RAM, .host = ram };
	vm.nr_slots = 1;
	vm.ram_size = RAM;
	rsdp = acpi_build(&vm);
	assert_true(rsdp >= 0xe0000 && rsdp < 0x100000);
	return ram + rsdp;
}

static const uint8_t *table(const uint8_t *rsdp, const char *signature)
{
	const uint8_t *xsdt = ram + le64(rsdp + 24);

	for (uint32_t off = 36; off < le32(xsdt + 4); off += 8) {
		const uint8_t *t = ram + le64(xsdt + off);

		assert_true(t < ram + 0x100000);
		assert_int_equal(sum(t, le32(t + 4)), 0);
		if (!memcmp(t, signature, 4))
			return t;
	}
	return NULL;
}

static void test_pointers(void **state)
{
	const uint8_t *rsdp = build(2), *fadt, *dsdt, *facs, *xsdt;

	(void)state;
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal((rsdp - ram) % 16, 0);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	xsdt = ram + le64(rsdp + 24);
	assert_memory_equal(xsdt, "XSDT", 4);
	assert_int_equal(sum(xsdt, le32(xsdt + 4)), 0);
	fadt = table(rsdp, "FACP");
	assert_non_null(fadt);
	assert_int_equal(le32(fadt + 4), 276);
	dsdt = ram + le32(fadt + 40);
	assert_int_equal(le64(fadt + 140), le32(fadt + 40));
	assert_memory_equal(dsdt, "DSDT", 4);
	assert_int_equal(sum(dsdt, le32(dsdt + 4)), 0);
	facs = ram + le32(fadt + 36);
	assert_memory_equal(facs, "FACS", 4);
	assert_int_equal((facs - ram) % 64, 0);
	/* where a BIOS guest looks first */
	assert_int_equal(ram[0x40e] | ram[0x40f] << 8, 0x9fc0);
}

static void madt_is_right(unsigned int cpus)
{
	const uint8_t *madt = table(build(cpus), "APIC"), *p, *end;
	unsigned int lapics = 0, ioapics = 0, overrides = 0;

	assert_non_null(madt);
	end = madt + le32(madt + 4);
	for (p = madt + 44; p < end; p += p[1]) {
		assert_true(p[1] >= 2 && p + p[1] <= end);
		if (p[0] == 0) {
			assert_int_equal(p[3], lapics);
			assert_int_equal(le32(p + 4), 1);
			lapics++;
		} else if (p[0] == 1) {
			assert_int_equal(le32(p + 4), 0xfec00000);
			ioapics++;
		} else if (p[0] == 2) {
			if (p[3] == 0)
				assert_int_equal(le32(p + 4), 2);
			overrides++;
		}
	}
	assert_ptr_equal(p, end);
	assert_int_equal(lapics, cpus);
	assert_int_equal(ioapics, 1);
	assert_int_equal(overrides, 2);
}

static void test_madt(void **state)
{
	(void)state;
	madt_is_right(1);
	madt_is_right(64);
}

/* A guest owns the memory: what it wrote there does not shine through. */
static void test_same_twice(void **state)
{
	static uint8_t first[0x20000];
	const uint8_t *rsdp = build(4);
	size_t len = (size_t)(le64(rsdp + 24) + le32(ram + le64(rsdp + 24) + 4) - 0xe0000);

	(void)state;
	memcpy(first, ram + 0xe0000, len);
	memset(ram, 0, RAM);
	assert_int_equal(acpi_build(&vm), 0xe0000);
	assert_memory_equal(first, ram + 0xe0000, len);
}

static void test_aml_lengths(void **state)
{
	/* around the limits of the three forms of a package length */
	static const unsigned int fill[] = { 0, 55, 56, 57, 58, 59, 4080, 4087, 4088, 4089, 4090, 5000 };
	static uint8_t buf[8192];

	(void)state;
	for (unsigned int i = 0; i < sizeof(fill) / sizeof(fill[0]); i++) {
		struct aml a = { .buf = buf, .cap = sizeof(buf) };
		size_t mark = aml_scope(&a, "\\_SB_"), len, n;

		for (unsigned int k = 0; k < fill[i]; k++)
			aml_byte(&a, 0xa3);
		aml_end(&a, mark);
		assert_false(a.full);
		n = buf[1] >> 6;
		len = n ? buf[1] & 0xf : buf[1] & 0x3f;
		for (size_t k = 1; k <= n; k++)
			len |= (size_t)buf[1 + k] << (8 * k - 4);
		assert_int_equal(len + 1, a.len);
		assert_int_equal(len, 1 + n + 5 + fill[i]);
		assert_memory_equal(buf + 2 + n, "\\_SB_", 5);
	}
}

static void test_aml_full(void **state)
{
	uint8_t buf[32];
	struct aml a = { .buf = buf, .cap = 16 };
	size_t mark;

	(void)state;
	memset(buf, 0x5a, sizeof(buf));
	mark = aml_device(&a, "PCI0");
	aml_name_int(&a, "_UID", 0x12345678);
	aml_name_int(&a, "_BBN", 0x12345678);
	aml_end(&a, mark);
	assert_true(a.full);
	for (unsigned int i = 16; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0x5a);
}

static bool file_has(const char *path, const char *want)
{
	char line[512];
	bool found = false;
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, want) != NULL;
	fclose(f);
	return found;
}

/* Disassemble and compile again: iasl knows the language better than we do. */
static void test_iasl(void **state)
{
	char dir[] = "/tmp/vmm_acpi.XXXXXX", cmd[256];
	const uint8_t *fadt, *dsdt;
	FILE *f;

	(void)state;
	if (system("command -v iasl >/dev/null"))
		skip();
	cfg.mem_slots = VM_MAX_DIMMS;
	fadt = table(build(2), "FACP");
	cfg.mem_slots = 0;
	dsdt = ram + le32(fadt + 40);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	f = fopen("dsdt.aml", "w");
	assert_non_null(f);
	assert_int_equal(fwrite(dsdt, 1, le32(dsdt + 4), f), le32(dsdt + 4));
	fclose(f);
	f = fopen("facp.aml", "w");
	assert_non_null(f);
	fwrite(fadt, 1, le32(fadt + 4), f);
	fclose(f);
	assert_int_equal(system("iasl -d dsdt.aml >d.log 2>&1"), 0);
	assert_int_equal(system("iasl -d facp.aml >f.log 2>&1"), 0);
	assert_int_equal(system("iasl -p again dsdt.dsl >c.log 2>&1"), 0);
	assert_true(file_has("c.log", " 0 Errors"));
	assert_true(file_has("dsdt.dsl", "Device (PCI0)"));
	assert_true(file_has("dsdt.dsl", "Device (MP05)"));
	assert_true(file_has("dsdt.dsl", "Notify (\\_SB.MP05, One)"));
	assert_true(file_has("dsdt.dsl", "RES,    384"));
	assert_true(file_has("dsdt.dsl", "Name (\\_S5, Package (0x04)"));
	assert_false(file_has("facp.dsl", "**** "));
	assert_int_equal(chdir("/"), 0);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pointers), cmocka_unit_test(test_madt),
		cmocka_unit_test(test_same_twice), cmocka_unit_test(test_aml_lengths),
		cmocka_unit_test(test_aml_full), cmocka_unit_test(test_iasl),
	};

	ram = malloc(RAM);
	if (!ram)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

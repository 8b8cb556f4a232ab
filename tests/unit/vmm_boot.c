// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel images with random damage to their headers: each is refused, or loaded so that the entry lies
 * in RAM and nothing outside RAM was touched (the sanitizers watch its edges). Needs no KVM.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/machine.h"

#define RAM	(20ull << 20)
#define ROUNDS	20000

static struct vm vm;
static struct vm_config cfg;
static char path[64];
static int fd;

static void put(uint8_t *image, size_t at, uint64_t v, size_t n)
{
	memcpy(image + at, &v, n);
}

static size_t make_bzimage(uint8_t *image)
{
	const size_t body = 4 * 512, size = body + 0x4000;

	memset(image, 0, size);
	put(image, 0x1f1, 3, 1);
	put(image, 0x1f4, 0x4000 / 16, 4);
	put(image, 0x1fe, 0xaa55, 2);
	put(image, 0x200, 0x6aeb, 2);
	memcpy(image + 0x202, "HdrS", 4);
	put(image, 0x206, 0x20f, 2);
	put(image, 0x211, 1, 1);
	put(image, 0x22c, 0x7fffffff, 4);
	put(image, 0x230, 0x200000, 4);
	put(image, 0x236, 1, 2);
	put(image, 0x238, 255, 4);
	put(image, 0x248, 0x1000, 4);
	put(image, 0x24c, 0x1000, 4);
	put(image, 0x258, 0x1000000, 8);
	put(image, 0x260, 0x10000, 4);
	memcpy(image + body + 0x1000, "\x1f\x8b", 2);
	return size;
}

static size_t make_elf(uint8_t *image)
{
	static const uint32_t note[] = { 4, 4, 18, 0x006e6558, 0x100000 };
	Elf64_Ehdr eh = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_phoff = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 3,
	};
	Elf64_Phdr ph[3] = {
		{ .p_type = PT_LOAD, .p_offset = 0x400, .p_paddr = 0x100000, .p_filesz = 0x400,
		  .p_memsz = 0x2000 },
		{ .p_type = PT_NOTE, .p_offset = 0x300, .p_filesz = sizeof(note), .p_align = 4 },
		{ .p_type = PT_LOAD, .p_offset = 0x400, .p_paddr = 0x200000, .p_filesz = 0x400,
		  .p_memsz = 0x400 },
	};

	memset(image, 0, 0x800);
	memcpy(image, &eh, sizeof(eh));
	memcpy(image + sizeof(eh), ph, sizeof(ph));
	memcpy(image + 0x300, note, sizeof(note));
	return 0x800;
}

static int load(const uint8_t *image, size_t size, struct boot_regs *regs)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, image, size, 0), (ssize_t)size);
	memset(regs, 0, sizeof(*regs));
	return boot_load(&vm, regs);
}

/* Numbers that are worth trying, beside any */
static uint64_t nasty(void)
{
	static const uint64_t edge[] = {
		0, 1, 0x7f, 0xff, 0x100, 0xfff, 0x1000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
		0x100000000, RAM - 1, RAM, RAM + 1, INT64_MAX, UINT64_MAX, UINT64_MAX - 0xfff,
	};

	if (rand() % 2)
		return edge[(unsigned int)rand() % (sizeof(edge) / sizeof(edge[0]))];
	return (uint64_t)rand() << 40 ^ (uint64_t)rand() << 16 ^ (uint64_t)rand();
}

static void damage(size_t (*make)(uint8_t *), size_t from, size_t to)
{
	static uint8_t image[0x8000];
	unsigned int loaded = 0, refused = 0;
	struct boot_regs regs;

	for (unsigned int n = 0; n < ROUNDS; n++) {
		size_t size = make(image);

		for (unsigned int k = (unsigned int)rand() % 3 + 1; k; k--) {
			size_t at = from + (size_t)rand() % (to - from);

			put(image, at & ~(size_t)(rand() % 8), nasty(), 1u << rand() % 4);
		}
		if (rand() % 8 == 0)
			size = (size_t)rand() % size + 1;
		if (load(image, size, &regs)) {
			refused++;
			continue;
		}
		loaded++;
		assert_non_null(vm_ram(&vm, regs.rip, 1));
	}
	assert_true(refused > ROUNDS / 20);
	assert_true(loaded > ROUNDS / 20);
}

static void test_whole(void **state)
{
	static uint8_t image[0x8000];
	struct boot_regs regs;

	(void)state;
	assert_int_equal(load(image, make_bzimage(image), &regs), 0);
	assert_true(regs.long64);
	assert_int_equal(regs.rip, 0x1000200);
	assert_int_equal(load(image, make_elf(image), &regs), 0);
	assert_false(regs.long64);
	assert_int_equal(regs.rip, 0x100000);
}

static void test_bzimage(void **state)
{
	(void)state;
	srand(4);
	damage(make_bzimage, 0x1f0, 0x270);
}

static void test_elf(void **state)
{
	(void)state;
	srand(5);
	damage(make_elf, 4, sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr));
}

static void test_notes(void **state)
{
	(void)state;
	srand(6);
	damage(make_elf, 0x2f8, 0x318);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole), cmocka_unit_test(test_bzimage),
		cmocka_unit_test(test_elf), cmocka_unit_test(test_notes),
	};
	int null = open("/dev/null", O_WRONLY);

	dup2(null, STDERR_FILENO);	/* a line for each refusal */
	close(null);
	fd = memfd_create("image", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	cfg.kernel = path;
	cfg.cores = cfg.threads = 1;
	vm.cfg = &cfg;
	vm.ram_fd = -1;
	vm.nr_vcpus = 1;
	vm.slot[0] = (struct vm_mem_slot){ .size = RAM, .host = malloc(RAM) };
	vm.nr_slots = 1;
	vm.ram_size = RAM;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

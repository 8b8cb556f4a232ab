/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a loaded kernel finds things, and what its formats share. There is no firmware: this is the
 * memory that firmware and a boot loader would have filled.
 */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include "machine.h"

#define BOOT_GDT	0x500
#define BOOT_START_INFO	0x6000		/* PVH: start info, module list and memory map */
#define BOOT_PARAMS	0x7000		/* Linux: "zero page" */
#define BOOT_SETUP_DATA	0x8000
#define BOOT_PGTABLE	0x9000		/* PML4, PDPT, four page directories */
#define BOOT_CMDLINE	0x20000
#define BOOT_CMDLINE_MAX 0x10000
#define BOOT_LOW_END	0x30000		/* end of the above */
#define BOOT_EBDA	0x9fc00
#define BOOT_ACPI	0xe0000		/* RSDP and tables, up to there: */
#define BOOT_SMBIOS	0xf0000		/* entry point and tables up to 1 MiB */
#define BOOT_HIGH	0x100000

/**
 * struct boot_file - an opened -kernel or -initrd
 * @opt: the option that named it, for messages
 */
struct boot_file {
	const char *opt, *path;
	int fd;
	uint64_t size;
};

/** boot_open() - Return: 0 or -1, logged. boot_close() is safe in both cases */
int boot_open(struct boot_file *f, const char *opt, const char *path);
void boot_close(struct boot_file *f);
/** boot_pread() - Return: 0, or -1 when the file has not all of it (not logged) */
int boot_pread(const struct boot_file *f, uint64_t off, void *buf, size_t len);
/** boot_copy() - ram_load() with a message. Return: 0 or -1 */
int boot_copy(struct vm *vm, const struct boot_file *f, uint64_t off, uint64_t gpa, uint64_t len,
	      const char *what);
/** boot_err() - log "OPTION PATH: message". Return: -1 */
int boot_err(const struct boot_file *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** struct boot_initrd - where the initrd went; @size 0: there is none */
struct boot_initrd {
	uint64_t addr, size;
};

/**
 * boot_initrd() - load -initrd as high as it may lie
 * @floor: first free address after the kernel
 * @max: last address it may occupy
 */
int boot_initrd(struct vm *vm, uint64_t floor, uint64_t max, struct boot_initrd *out);

/** boot_cmdline() - put -append at BOOT_CMDLINE. Return: its length, or -1 after logging */
int boot_cmdline(struct vm *vm, uint64_t max);

/** struct boot_range - a stretch of guest physical memory; @type as in E820 */
struct boot_range {
	uint64_t addr, size;
	uint32_t type;
};

#define BOOT_RANGES_MAX	8
#define E820_RAM	1
#define E820_RESERVED	2

/** boot_memmap() - Return: how many entries of @map were filled */
unsigned int boot_memmap(struct vm *vm, struct boot_range map[BOOT_RANGES_MAX]);

/** The formats: @head holds the file's first @len bytes. Return: 0 or -1, logged */
bool boot_is_linux(const uint8_t *head, size_t len);
int boot_linux(struct vm *vm, struct boot_file *f, uint64_t rsdp, struct boot_regs *regs);
bool boot_is_elf(const uint8_t *head, size_t len);
int boot_pvh(struct vm *vm, struct boot_file *f, uint64_t rsdp, struct boot_regs *regs);

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * What is below 4 GiB, where processors start: firmware, or a page with a reset vector. A kernel that was loaded is entered
 * directly; a processor comes to that page by an INIT, where firmware would start the machine afresh, and its code asks the
 * chipset for a reset.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../lib/log.h"
#include "boot.h"

#define ROM_SLOT	VM_MAX_SLOTS	/* after those of RAM */
#define ROM_UNIT	0x10000u	/* firmware has a multiple of it */
#define VECTOR		0xff0
#define END		0x100000000ull
#define SHADOW		0x20000u

/* 16-bit code: mov dx, 0xcf9; mov al, 6; out dx, al; hlt; jmp to the hlt */
static const uint8_t code[] = { 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4, 0xeb, 0xfd };

static uint8_t *rom;
static size_t rom_size;

static int rom_map(size_t size)
{
	rom = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (rom == MAP_FAILED) {
		rom = NULL;
		return log_err("out of memory");
	}
	rom_size = size;
	return 0;
}

static int rom_read(const char *path)
{
	struct boot_file f;
	int ret = -1;

	if (boot_open(&f, "-bios", path))
		goto out;
	if (f.size % ROM_UNIT || f.size > ROM_MAX)
		boot_err(&f, "firmware has a multiple of 64 KiB, up to 16 MiB; this file has %llu bytes", (unsigned long long)f.size);
	else
		ret = rom_map(f.size);
	if (!ret && boot_pread(&f, 0, rom, f.size))
		ret = boot_err(&f, "cannot be read: %s", strerror(errno));
out:
	boot_close(&f);
	return ret;
}

int rom_create(struct vm *vm)
{
	struct kvm_userspace_memory_region region = { .slot = ROM_SLOT };

	if (vm->cfg->bios ? rom_read(vm->cfg->bios) : rom_map(END - ROM_PAGE))
		return -1;
	if (!vm->cfg->bios)
		memcpy(rom + VECTOR, code, sizeof(code));
	region.guest_phys_addr = END - rom_size;
	region.memory_size = rom_size;
	region.userspace_addr = (uintptr_t)rom;
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) > 0)
		region.flags = KVM_MEM_READONLY;
	if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		return log_err("KVM takes no memory at %#llx: %s", region.guest_phys_addr, strerror(errno));
	return 0;
}

int rom_shadow(struct vm *vm)
{
	size_t len = rom_size < SHADOW ? rom_size : SHADOW;
	void *to = vm_ram(vm, BOOT_HIGH - len, len);

	if (!to)
		return log_err("-m: no room for firmware");
	memcpy(to, rom + rom_size - len, len);
	return 0;
}

void rom_destroy(void)
{
	if (rom)
		munmap(rom, rom_size);
	rom = NULL;
}

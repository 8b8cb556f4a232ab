// SPDX-License-Identifier: GPL-2.0
/*
 * The page with the reset vector. Kernels are entered directly, so only a processor that got an INIT
 * comes here, where firmware would start the machine afresh: this code asks the chipset for a reset.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../lib/log.h"

#define ROM_SLOT	2		/* after those of RAM */
#define VECTOR		0xff0

/* 16-bit code: mov dx, 0xcf9; mov al, 6; out dx, al; hlt; jmp to the hlt */
static const uint8_t code[] = { 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4, 0xeb, 0xfd };

static uint8_t *rom;

int rom_create(struct vm *vm)
{
	struct kvm_userspace_memory_region region = {
		.slot = ROM_SLOT,
		.guest_phys_addr = ROM_BASE,
		.memory_size = ROM_SIZE,
	};

	rom = mmap(NULL, ROM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (rom == MAP_FAILED) {
		rom = NULL;
		return log_err("out of memory");
	}
	memcpy(rom + VECTOR, code, sizeof(code));
	region.userspace_addr = (uintptr_t)rom;
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) > 0)
		region.flags = KVM_MEM_READONLY;
	if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		return log_err("KVM takes no memory at 0x%llx: %s", ROM_BASE, strerror(errno));
	return 0;
}

void rom_destroy(void)
{
	if (rom)
		munmap(rom, ROM_SIZE);
	rom = NULL;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pc-dimm: memory besides that of -m, there from the start or plugged while the guest runs. It stays until the
 * process ends. All of this on the main thread, device lock not held, unless it says otherwise.
 */
#ifndef VMM_DIMM_H
#define VMM_DIMM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct vm;
struct aml;

/** struct memory_backend - an -object that is memory, and what its options are called in struct vm_config */
struct memory_backend {
	const char *id, *mem_path;
	uint64_t size, hugetlb_size;
	bool prealloc;
};

/** memory_backend_find() - (cmdline_object.c) Return: 0; -1: there is no such -object, or it is guest RAM already */
int memory_backend_find(const char *id, struct memory_backend *m);

/** dimm_init() - there are slots: the ports that are about them. Return: 0, or -1 after one logged line */
int dimm_init(struct vm *vm);
/** dimm_device_add() - @arg as for -device, while the machine is there. Return: 0, or -1 after one logged line */
int dimm_device_add(struct vm *vm, const char *arg);
void dimm_info(FILE *out);
/** dimm_aml() - the devices, and the method that finds a new one, for the DSDT */
void dimm_aml(const struct vm *vm, struct aml *a);

#endif

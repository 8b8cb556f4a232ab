/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fw_cfg: where firmware reads what the machine is made of (QEMU's docs/specs/fw_cfg.rst): items by number, and files by
 * name, through a selector and a data port, or by DMA.
 *
 * Context: what is there is put there before vCPUs run, or at a reset.
 */
#ifndef VMM_FW_CFG_H
#define VMM_FW_CFG_H

#include <stddef.h>
#include <stdint.h>

struct vm;

#define FW_CFG_UUID		0x02
#define FW_CFG_RAM_SIZE		0x03
#define FW_CFG_NOGRAPHIC	0x04
#define FW_CFG_NB_CPUS		0x05
#define FW_CFG_BOOT_MENU	0x0e
#define FW_CFG_MAX_CPUS		0x0f
#define FW_CFG_IRQ0_OVERRIDE	0x8002

/** fw_cfg_create() - the ports, and an empty directory. Return: 0 or -1 after one logged line */
int fw_cfg_create(struct vm *vm);

/**
 * fw_cfg_item() - item @key holds a copy of @len bytes of @data, in place of what it held
 *
 * Return: 0 or -1 after one logged line
 */
int fw_cfg_item(struct vm *vm, uint16_t key, const void *data, size_t len);
/** fw_cfg_int() - the same: a number of @len bytes, little-endian */
int fw_cfg_int(struct vm *vm, uint16_t key, uint64_t value, size_t len);
/** fw_cfg_file() - the same for a file; @name has at most 55 characters */
int fw_cfg_file(struct vm *vm, const char *name, const void *data, size_t len);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Device types: what -device accepts. One const struct per type, listed in device_types[]
 * (device.c) or virtio_user_types[] (virtio_user.c); the table parses the command line and prints the help.
 */
#ifndef VMM_DEVICE_H
#define VMM_DEVICE_H

#include "../lib/prop.h"

struct vm;
struct vm_config;

/**
 * struct device_type
 * @name: after -device
 * @alias: second name or NULL
 * @desc: a few words for -device help
 * @bus: "PCI", "ISA" or "System", for help
 * @props: keys besides id; a PCI device includes DEVICE_PCI_PROPS
 * @props_size: bytes of the struct that @props fill
 * @check: the command line is complete: what @cfg->device[@n] has to do with other options. May be NULL. Return:
 *	0, or -1 after one logged line
 * @create: makes the device and plugs it into @vm; @type is this one; @props stay valid until the process ends.
 *	NULL: it comes with the bus that it is on. Main thread, vCPUs not yet running. Return: 0, or -1 after one
 *	logged line that names the device and property
 */
struct device_type {
	const char *name, *alias, *desc, *bus;
	const struct prop *props;
	size_t props_size;
	int (*check)(const struct vm_config *cfg, unsigned int n);
	int (*create)(const struct device_type *type, struct vm *vm, const char *id, void *props);
};

extern const struct device_type virtio_net_pci_type, ide_hd_type, ide_cd_type, ide_drive_type;
extern const struct device_type *const virtio_user_types[];	/* NULL-terminated */

/**
 * device_bus() - which device @cfg->device[@n] is behind: the last one of @type before it, or that of @bus, "ID.0"
 * Return: its index, or -1
 */
int device_bus(const struct vm_config *cfg, unsigned int n, const struct device_type *type, const char *bus);
/** device_bus_check() - Return: 0; -1 after one logged line: there is none */
int device_bus_check(const struct vm_config *cfg, unsigned int n, const struct device_type *type, const char *bus);
const struct device_type *device_type_find(const char *name);
void device_types_help(void);

#endif

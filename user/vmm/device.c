// SPDX-License-Identifier: GPL-2.0
/* Every -device there is. The command line, its help and its checks all read this table. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "config.h"
#include "device.h"
#include "../lib/log.h"

extern const struct device_type virtio_blk_pci_type, vhost_blk_pci_type;
extern const struct device_type vhost_scsi_pci_type;
extern const struct device_type virtconsole_type, virtserialport_type, scsi_hd_type, scsi_cd_type;
extern const struct device_type pc_dimm_type, testdev_type, isa_debug_exit_type, isa_debugcon_type, isa_serial_type;

static const struct device_type *const device_types[] = {
	&virtio_net_pci_type,
	&virtio_blk_pci_type,
	&vhost_blk_pci_type,
	&vhost_scsi_pci_type,
	&virtconsole_type,
	&virtserialport_type,
	&scsi_hd_type,
	&scsi_cd_type,
	&ide_hd_type,
	&ide_cd_type,
	&ide_drive_type,
	&pc_dimm_type,
	&isa_debug_exit_type,
	&isa_debugcon_type,
	&isa_serial_type,
	&testdev_type,
};

/* From *@i, which becomes the one after; NULL at the end */
static const struct device_type *next_type(unsigned int *i)
{
	const unsigned int nr = sizeof(device_types) / sizeof(device_types[0]);

	++*i;
	return *i <= nr ? device_types[*i - 1] : virtio_user_types[*i - 1 - nr];
}

const struct device_type *device_type_find(const char *name)
{
	const struct device_type *t;
	unsigned int i = 0;

	while ((t = next_type(&i)))
		if (!strcmp(name, t->name) || (t->alias && !strcmp(name, t->alias)))
			return t;
	return NULL;
}

/* Whether @bus is the name of what is behind device @id */
static bool is_behind(const char *bus, const char *id)
{
	size_t len = id ? strlen(id) : 0;

	return len && !strncmp(bus, id, len) && !strcmp(bus + len, ".0");
}

int device_bus(const struct vm_config *cfg, unsigned int n, const struct device_type *type, const char *bus)
{
	while (n--)
		if (cfg->device[n].type == type && (!bus || is_behind(bus, cfg->device[n].id)))
			return (int)n;
	return -1;
}

int device_bus_check(const struct vm_config *cfg, unsigned int n, const struct device_type *type, const char *bus)
{
	const char *name = cfg->device[n].type->name;

	if (device_bus(cfg, n, type, bus) >= 0)
		return 0;
	if (!bus)
		return log_err("-device %s: there is no -device %s before it", name, type->name);
	return log_err("-device %s: bus=%s: takes ID.0 of a -device %s,id=ID before it", name, bus, type->name);
}

void device_types_help(void)
{
	const struct device_type *t;
	unsigned int i = 0;

	/* The wording is QEMU's, because programs look for it. */
	while ((t = next_type(&i))) {
		printf("name \"%s\", bus %s", t->name, t->bus);
		if (t->alias)
			printf(", alias \"%s\"", t->alias);
		if (t->desc)
			printf(", desc \"%s\"", t->desc);
		putchar('\n');
	}
}

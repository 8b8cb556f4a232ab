// SPDX-License-Identifier: GPL-2.0
/* Every -device there is. The command line, its help and its checks all read this table. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "device.h"

extern const struct device_type virtio_net_pci_type, virtio_blk_pci_type, vhost_blk_pci_type;
extern const struct device_type vhost_scsi_pci_type;
extern const struct device_type testdev_type, isa_debug_exit_type, isa_serial_type;

const struct device_type *const device_types[] = {
	&virtio_net_pci_type,
	&virtio_blk_pci_type,
	&vhost_blk_pci_type,
	&vhost_scsi_pci_type,
	&isa_debug_exit_type,
	&isa_serial_type,
	&testdev_type,
	NULL,
};

const struct device_type *device_type_find(const char *name)
{
	unsigned int i;

	for (i = 0; device_types[i]; i++) {
		const struct device_type *t = device_types[i];

		if (!strcmp(name, t->name) || (t->alias && !strcmp(name, t->alias)))
			return t;
	}
	return NULL;
}

void device_types_help(void)
{
	unsigned int i;

	/* The wording is QEMU's, because programs look for it. */
	for (i = 0; device_types[i]; i++) {
		const struct device_type *t = device_types[i];

		printf("name \"%s\", bus %s", t->name, t->bus);
		if (t->alias)
			printf(", alias \"%s\"", t->alias);
		if (t->desc)
			printf(", desc \"%s\"", t->desc);
		putchar('\n');
	}
}

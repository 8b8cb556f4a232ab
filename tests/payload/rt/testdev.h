/* SPDX-License-Identifier: GPL-2.0 */
/* shunt-testdev's registers; user/vmm/testdev.c describes them. */
#ifndef PAYLOAD_TESTDEV_H
#define PAYLOAD_TESTDEV_H

#include "pci.h"

#define TD_VENDOR	0x1af4
#define TD_DEVICE	0x10f0
#define TD_MAGIC	0x44544853
#define TD_R_MAGIC	0x00
#define TD_R_BELLS	0x04
#define TD_R_INTX	0x08
#define TD_R_EXITS	0x0c
#define TD_R_PENDING	0x10
#define TD_R_RAISE	0x14
#define TD_R_SCRATCH	0x18
#define TD_R_SIGNALS	0x1c
#define TD_R_BELL(n)	(0x100 + 4 * (n))
#define TD_IO_BELL	0x00
#define TD_IO_SCRATCH	0x04

struct testdev {
	u8 devfn;
	u64 mem;
	u16 io;
	u32 bells;
	struct msix msix;
};

static inline void testdev_find(struct testdev *t)
{
	int devfn = pci_find(TD_VENDOR, TD_DEVICE, 0);
	u64 size;

	if (devfn < 0)
		rt_die("no shunt-testdev");
	t->devfn = devfn;
	pci_enable(devfn);
	t->mem = pci_bar(devfn, 0, &size);
	t->io = pci_bar(devfn, 2, &size);
	t->bells = mmio_r32(t->mem + TD_R_BELLS);
	if (mmio_r32(t->mem) != TD_MAGIC || !t->bells || t->bells > 32 || !msix_find(&t->msix, devfn))
		rt_die("shunt-testdev's registers make no sense");
}

#endif

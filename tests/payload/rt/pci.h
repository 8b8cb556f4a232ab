/* SPDX-License-Identifier: GPL-2.0 */
/* PCI by configuration mechanism #1, bus 0; MSI-X. */
#ifndef PAYLOAD_PCI_H
#define PAYLOAD_PCI_H

#include "rt.h"

#define PCI_COMMAND	0x04
#define PCI_CMD_IO	0x001
#define PCI_CMD_MEM	0x002
#define PCI_CMD_MASTER	0x004
#define PCI_CMD_NOINTX	0x400
#define PCI_STATUS	0x06
#define PCI_STATUS_INTX	0x08
#define PCI_STATUS_CAPS	0x10
#define PCI_BAR0	0x10
#define PCI_CAPS	0x34
#define PCI_INTLINE	0x3c
#define PCI_INTPIN	0x3d
#define PCI_CAP_VENDOR	0x09
#define PCI_CAP_MSIX	0x11

u32 pci_read(u8 devfn, u8 off, unsigned int len);
void pci_write(u8 devfn, u8 off, unsigned int len, u32 val);
/* The @nth device with these ids (a wildcard: 0xffff); -1: none. */
int pci_find(u16 vendor, u16 device, unsigned int nth);
/* Address of a BAR, memory or I/O; its size in *@size, zero when absent. */
u64 pci_bar(u8 devfn, unsigned int bar, u64 *size);
bool pci_bar_is_io(u8 devfn, unsigned int bar);
/* Next capability @id after @after (0: from the start); 0: none. */
u8 pci_cap(u8 devfn, u8 id, u8 after);
void pci_enable(u8 devfn);

/* INTx: IOAPIC pins 16 to 23, by slot, as the _PRT says; under QEMU's pc, which has PIIX, what the
 * firmware wrote. */
u8 pci_intx_pin(u8 devfn);

struct msix {
	u8 devfn, cap;
	u16 n;
	u64 table, pba;
};
bool msix_find(struct msix *m, u8 devfn);
void msix_enable(struct msix *m, bool on);
bool msix_enabled(struct msix *m);
void msix_fmask(struct msix *m, bool on);
/* Message to this processor's @vector; the entry ends up unmasked. */
void msix_set(struct msix *m, unsigned int i, u8 vector);
void msix_mask(struct msix *m, unsigned int i, bool on);
bool msix_pending(struct msix *m, unsigned int i);
/* A random place in the table and a value that do no harm when sent; returns more random bits. */
u32 msix_garbage(struct msix *m, u64 *at, u32 *v);

#endif

// SPDX-License-Identifier: GPL-2.0
/* PCI by configuration mechanism #1, bus 0; MSI-X. */
#include "pci.h"

u32 pci_read(u8 devfn, u8 off, unsigned int len)
{
	outl(0xcf8, 0x80000000 | devfn << 8 | (off & ~3));
	switch (len) {
	case 1: return inb(0xcfc + (off & 3));
	case 2: return inw(0xcfc + (off & 3));
	default: return inl(0xcfc + (off & 3));
	}
}

void pci_write(u8 devfn, u8 off, unsigned int len, u32 val)
{
	outl(0xcf8, 0x80000000 | devfn << 8 | (off & ~3));
	switch (len) {
	case 1: outb(0xcfc + (off & 3), val); break;
	case 2: outw(0xcfc + (off & 3), val); break;
	default: outl(0xcfc + (off & 3), val);
	}
}

int pci_find(u16 vendor, u16 device, unsigned int nth)
{
	unsigned int devfn;

	for (devfn = 0; devfn < 256; devfn += 8) {
		u32 id = pci_read(devfn, 0, 4);

		if ((id & 0xffff) == 0xffff)
			continue;
		if (vendor != 0xffff && (id & 0xffff) != vendor)
			continue;
		if (device != 0xffff && id >> 16 != device)
			continue;
		if (!nth--)
			return devfn;
	}
	return -1;
}

bool pci_bar_is_io(u8 devfn, unsigned int bar)
{
	return pci_read(devfn, PCI_BAR0 + 4 * bar, 4) & 1;
}

u64 pci_bar(u8 devfn, unsigned int bar, u64 *size)
{
	u8 off = PCI_BAR0 + 4 * bar;
	u32 lo = pci_read(devfn, off, 4), cmd = pci_read(devfn, PCI_COMMAND, 2), mask;
	u64 addr, hi = 0;

	/* Sized with decoding off, so that the BAR answers nowhere meanwhile. */
	pci_write(devfn, PCI_COMMAND, 2, cmd & ~3);
	pci_write(devfn, off, 4, 0xffffffff);
	mask = pci_read(devfn, off, 4);
	pci_write(devfn, off, 4, lo);
	pci_write(devfn, PCI_COMMAND, 2, cmd);
	if (lo & 1) {
		*size = mask & ~3u ? -(mask & ~3u) & 0xffff : 0;
		return lo & ~3u;
	}
	if ((lo & 6) == 4)
		hi = pci_read(devfn, off + 4, 4);
	addr = hi << 32 | (lo & ~15u);
	*size = mask & ~15u ? (u32)-(mask & ~15u) : 0;
	return addr;
}

u8 pci_cap(u8 devfn, u8 id, u8 after)
{
	unsigned int hops;
	u8 at;

	if (!(pci_read(devfn, PCI_STATUS, 2) & PCI_STATUS_CAPS))
		return 0;
	at = pci_read(devfn, after ? after + 1 : PCI_CAPS, 1) & ~3;
	for (hops = 0; at && hops < 48; hops++) {
		if (pci_read(devfn, at, 1) == id)
			return at;
		at = pci_read(devfn, at + 1, 1) & ~3;
	}
	return 0;
}

void pci_enable(u8 devfn)
{
	pci_write(devfn, PCI_COMMAND, 2, pci_read(devfn, PCI_COMMAND, 2) | PCI_CMD_IO | PCI_CMD_MEM |
		  PCI_CMD_MASTER);
}

u8 pci_intx_pin(u8 devfn)
{
	if (cmdline_has("vmm=qemu"))
		return pci_read(devfn, PCI_INTLINE, 1);
	return 16 + (((devfn >> 3) + pci_read(devfn, PCI_INTPIN, 1) - 1) & 7);
}

bool msix_find(struct msix *m, u8 devfn)
{
	u32 t, p;
	u64 size;

	m->devfn = devfn;
	m->cap = pci_cap(devfn, PCI_CAP_MSIX, 0);
	if (!m->cap)
		return false;
	m->n = (pci_read(devfn, m->cap + 2, 2) & 0x7ff) + 1;
	t = pci_read(devfn, m->cap + 4, 4);
	p = pci_read(devfn, m->cap + 8, 4);
	m->table = pci_bar(devfn, t & 7, &size) + (t & ~7u);
	m->pba = pci_bar(devfn, p & 7, &size) + (p & ~7u);
	return true;
}

static void control(struct msix *m, u16 bit, bool on)
{
	u16 c = pci_read(m->devfn, m->cap + 2, 2);

	pci_write(m->devfn, m->cap + 2, 2, on ? c | bit : c & ~bit);
}

void msix_enable(struct msix *m, bool on)
{
	control(m, 0x8000, on);
}

bool msix_enabled(struct msix *m)
{
	return pci_read(m->devfn, m->cap + 2, 2) >> 15;
}

void msix_fmask(struct msix *m, bool on)
{
	control(m, 0x4000, on);
}

void msix_set(struct msix *m, unsigned int i, u8 vector)
{
	u64 e = m->table + 16 * i;

	mmio_w32(e + 12, 1);
	mmio_w32(e, 0xfee00000 | (apic_id() & 0xff) << 12);
	mmio_w32(e + 4, 0);
	mmio_w32(e + 8, vector);
	mmio_w32(e + 12, 0);
}

void msix_mask(struct msix *m, unsigned int i, bool on)
{
	mmio_w32(m->table + 16 * i + 12, on);
}

bool msix_pending(struct msix *m, unsigned int i)
{
	return mmio_r32(m->pba + i / 32 * 4) >> (i & 31) & 1;
}

u32 msix_garbage(struct msix *m, u64 *at, u32 *v)
{
	u32 r = rt_random();

	*v = rt_random();
	*at = m->table + (r >> 8) % (16 * m->n);
	/*
	 * A message is a write to memory: not where it reaches the APIC, whose vectors are the
	 * program's, and not below 16 MiB, where the program is.
	 */
	if ((*at & 15) < 4) {
		*at &= ~15ull;
		*v = (*v & 0x0fffffff) | 16 << 20;
	}
	/* KVM delivers a message wherever it is addressed: fixed mode, a vector nobody uses. */
	if ((*at & 12) == 8) {
		*at &= ~3ull;
		*v = (*v & 0xffff0000) | 0x80 | (*v & 0x3f);
	}
	return r;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Doorbell -> ioeventfd: a write reaches the eventfd without an exit to user space, at any width, by
 * memory and by port, where the BAR is and nowhere else. The interrupt it causes is the witness.
 */
#include "rt/testdev.h"

#define VEC(i)	(0x50 + (i))
#define FAR_MEM	0xd0000000u
#define FAR_IO	0x7000

static struct testdev td;

static void nothing(struct regs *r)
{
	(void)r;
}

static bool rings(u64 addr, unsigned int width, unsigned int i)
{
	u32 before = irq_count[VEC(i)];

	switch (width) {
	case 1: mmio_w8(addr, 0xff); break;
	case 2: mmio_w16(addr, 0xabcd); break;
	case 4: mmio_w32(addr, 0); break;
	case 8: mmio_w64(addr, 1ull << 63); break;
	}
	return wait_until(irq_count[VEC(i)] == before + 1, 500);
}

static bool rings_io(u16 port, unsigned int width)
{
	u32 before = irq_count[VEC(0)];

	switch (width) {
	case 1: outb(port, 0xff); break;
	case 2: outw(port, 0xabcd); break;
	case 4: outl(port, 0); break;
	}
	return wait_until(irq_count[VEC(0)] == before + 1, 500);
}

static bool silent(u64 addr, u16 port)
{
	u32 i, before = 0, after = 0;

	for (i = 0; i < 4; i++)
		before += irq_count[VEC(i)];
	if (addr)
		mmio_w32(addr, 0);
	if (port)
		outl(port, 0);
	let_irqs(3);
	for (i = 0; i < 4; i++)
		after += irq_count[VEC(i)];
	return after == before;
}

static void bar(unsigned int n, u32 v)
{
	pci_write(td.devfn, PCI_BAR0 + 4 * n, 4, v);
}

int main(void)
{
	u32 i, good, n = cmdline_num("n", 500), w;
	u64 bell0;

	testdev_find(&td);
	bell0 = td.mem + TD_R_BELL(0);
	for (i = 0; i < td.bells && i < 4; i++) {
		irq_set(VEC(i), nothing);
		msix_set(&td.msix, i, VEC(i));
	}
	msix_enable(&td.msix, true);

	for (w = 1, good = 0; w <= 8; w *= 2)
		good += rings(bell0, w, 0);
	report(good == 4, "memory doorbell at 1, 2, 4 and 8 bytes (%u)", good);
	for (w = 1, good = 0; w <= 4; w *= 2)
		good += rings_io(td.io + TD_IO_BELL, w);
	report(good == 3, "port doorbell at 1, 2 and 4 bytes (%u)", good);
	for (i = 0, good = 0; i < td.bells && i < 4; i++)
		good += rings(td.mem + TD_R_BELL(i), 2, i);
	report(good == i, "each doorbell rings its own vector (%u of %u)", good, i);
	for (i = 0, good = 0; i < n; i++)
		good += rings(td.mem + TD_R_BELL(i & 3), 2, i & 3);
	report(good == n, "%u of %u doorbells became interrupts", good, n);
	report(mmio_r32(td.mem + TD_R_EXITS) == 0, "none of them reached user space (%u)",
	       mmio_r32(td.mem + TD_R_EXITS));
	report(silent(td.mem + TD_R_BELL(td.bells), 0), "there is no doorbell past the last");

	bar(0, FAR_MEM);
	report(rings(FAR_MEM + TD_R_BELL(2), 4, 2), "a moved BAR takes its doorbells along");
	report(silent(td.mem + TD_R_BELL(2), 0), "and none stays behind");
	bar(0, td.mem);
	report(rings(td.mem + TD_R_BELL(2), 4, 2), "it comes back");
	bar(2, FAR_IO);
	report(rings_io(FAR_IO, 2) && silent(0, td.io), "the port doorbell moves");
	bar(2, td.io);
	report(rings_io(td.io, 2) && silent(0, FAR_IO), "and comes back");

	pci_write(td.devfn, PCI_COMMAND, 2, 0);
	report(silent(bell0, td.io), "decoding off: no doorbell");
	pci_write(td.devfn, PCI_COMMAND, 2, 7);
	report(rings(bell0, 4, 0) && rings_io(td.io, 4), "decoding on: both again");
	for (i = 0, good = 0; i < 50; i++) {
		pci_write(td.devfn, PCI_COMMAND, 2, 4);
		pci_write(td.devfn, PCI_COMMAND, 2, 7);
		good += rings(bell0, 4, 0);
	}
	report(good == 50, "%u of 50 times of switching off and on", good);
	report(mmio_r32(td.mem + TD_R_EXITS) == 0, "still none reached user space");

	msix_enable(&td.msix, false);
	pci_write(td.devfn, PCI_COMMAND, 2, 7 | PCI_CMD_NOINTX);
	mmio_w32(td.mem + TD_R_SIGNALS, 0);
	mmio_w32(td.mem + TD_R_BELL(1), 0);
	mmio_w32(td.mem + TD_R_BELL(3), 0);
	report(wait_until(mmio_r32(td.mem + TD_R_SIGNALS) == 2, 500),
	       "MSI-X off: user space gets the signals (%u)", mmio_r32(td.mem + TD_R_SIGNALS));
	report(mmio_r32(td.mem + TD_R_PENDING) == 0x0a, "and knows which they were");
	report(mmio_r32(td.mem + TD_R_PENDING) == 0, "reading cleared them");
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Each way to reset the machine. A marker in RAM outside the image counts the passes; the second
 * pass checks that devices and processors are as after power-on and that the image was loaded again.
 *
 * how=cf9|i8042|port92|triple|acpi, passes=n, cpus=n (the last processor resets)
 */
#include "rt/testdev.h"

#define MARKER		0x1800000ull
#define MARKER_MAGIC	0x6f6f626572ull
#define MSR_LSTAR	0xc0000082
#define MSR_STAR	0xc0000081
#define CMOS_INDEX	0x73
#define CMOS_VALUE	0x3c

struct marker {
	u64 magic;
	u32 pass, sum;
};

static volatile u32 loaded = 1;		/* .data: the loader's value, not the last pass's */
static volatile u32 cleared;		/* .bss */
static volatile u32 *const mark = (u32 *)MARKER;

static u32 pci_cfg(u32 a)
{
	outl(0xcf8, 0x80000000 | a);
	return inl(0xcfc);
}

static void by_triple_fault(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) none = { 0, 0 };

	/* A page fault with no table: not every KVM emulates int3 here. */
	asm volatile("lidt %0" :: "m"(none));
	mmio_r8(5ull << 30);
}

static void by_acpi(void)
{
	struct acpi_hdr *fadt = acpi_find("FACP");
	const u8 *p = (u8 *)fadt;
	u64 at;
	u32 flags;

	if (!fadt || fadt->len < 129)
		rt_die("no FADT with a reset register");
	memcpy(&flags, p + 112, 4);
	memcpy(&at, p + 120, 8);
	if (!(flags & 1 << 10))
		rt_die("the FADT says there is no reset register");
	if (p[116] == 1)
		outb(at, p[128]);
	else if (p[116] == 0)
		mmio_w8(at, p[128]);
	else
		rt_die("reset register in address space %u", p[116]);
}

static void reset(void *arg)
{
	(void)arg;
	if (cmdline_has("how=cf9")) {
		outb(0xcf9, 0x02);
		outb(0xcf9, 0x06);
	} else if (cmdline_has("how=i8042")) {
		while (inb(0x64) & 2)
			pause();
		outb(0x64, 0xfe);
	} else if (cmdline_has("how=port92")) {
		outb(0x92, inb(0x92) & ~1);
		outb(0x92, inb(0x92) | 1);
	} else if (cmdline_has("how=triple")) {
		by_triple_fault();
	} else if (cmdline_has("how=acpi")) {
		by_acpi();
	}
	delay_us(500000);
	rt_die("the reset did nothing");
}

static void check_power_on(void)
{
	u32 i, masked = 0, dev, decoding = 0;

	report(loaded == 1 && cleared == 0, "the image was loaded again");
	for (i = 0; i < 24; i++)
		masked += ioapic_read(0x10 + 2 * i) >> 16 & 1;
	report(masked == 24, "the IOAPIC's pins are masked");
	report(rdmsr(MSR_LSTAR) == 0 && rdmsr(MSR_STAR) == 0, "MSRs have their power-on values");
	for (dev = 1; dev < 32; dev++)
		if (pci_cfg(dev << 11) != 0xffffffff)
			decoding += pci_cfg(dev << 11 | 4) >> 2 & 1;
	report(decoding == 0, "no PCI device is a bus master");
	dev = pci_find(TD_VENDOR, TD_DEVICE, 0);
	if (dev != ~0u) {
		struct testdev td;

		report(!(pci_read(dev, pci_cap(dev, PCI_CAP_MSIX, 0) + 2, 2) & 0xc000), "MSI-X is off");
		report(pci_read(dev, PCI_BAR0, 4) == *(u32 *)(MARKER + 16), "BAR 0 is where it was at first");
		testdev_find(&td);
		report(mmio_r32(td.mem + TD_R_SCRATCH) == 0 && mmio_r32(td.mem + TD_R_PENDING) == 0,
		       "the test device is reset");
		for (i = 0, masked = 0; i < td.msix.n; i++)
			masked += mmio_r32(td.msix.table + 16 * i + 12) & 1 && !mmio_r32(td.msix.table + 16 * i);
		report(masked == td.msix.n, "so is its MSI-X table");
	}
	outb(0x70, CMOS_INDEX);
	report(inb(0x71) == CMOS_VALUE, "CMOS memory survived");
}

static void read_tsc(void *arg)
{
	__atomic_store_n((u64 *)arg, rdtsc(), __ATOMIC_RELEASE);
}

/* A second apart is more than any emulator's processors are: then a timer of one never comes. */
static void check_clocks(u32 cpus)
{
	u64 slack = 1000 * tsc_per_ms();
	u32 i, good = 0;

	for (i = 1; i < cpus; i++) {
		u64 before = rdtsc(), there = 0, after;

		smp_call(i, read_tsc, &there);
		after = rdtsc();
		good += there + slack >= before && there <= after + slack;
	}
	report(good == cpus - 1, "the processors' time-stamp counters agree");
}

/* Leave what a running system leaves: the reset must undo it. */
static void dirty_state(void)
{
	u32 dev;

	loaded = 2;
	cleared = 2;
	wrmsr(MSR_LSTAR, 0x1234);
	wrmsr(MSR_STAR, 0x0010000800000000);
	ioapic_route(9, 0x50, true, false, false);
	ioapic_route(20, 0x51, true, false, false);
	for (dev = 1; dev < 32; dev++)
		if (pci_cfg(dev << 11) != 0xffffffff) {
			outl(0xcf8, 0x80000000 | dev << 11 | 4);
			outw(0xcfc, inw(0xcfc) | 4);
		}
	dev = pci_find(TD_VENDOR, TD_DEVICE, 0);
	if (dev != ~0u) {
		struct testdev td;

		testdev_find(&td);
		*(u32 *)(MARKER + 16) = td.mem;
		mmio_w32(td.mem + TD_R_SCRATCH, 0x12345678);
		mmio_w32(td.mem + TD_R_BELL(1), 0);	/* pending for INTx */
		msix_set(&td.msix, 0, 0x55);
		msix_enable(&td.msix, true);
		msix_mask(&td.msix, 0, true);
		mmio_w32(td.mem + TD_R_BELL(0), 0);	/* pending for MSI-X */
		pci_write(dev, PCI_BAR0, 4, 0xd0000000);
	}
	outb(0x70, CMOS_INDEX);
	outb(0x71, CMOS_VALUE);
	/* a running timer */
	outb(0x43, 0x34);
	outb(0x40, 0x00);
	outb(0x40, 0x10);
	apic_write(0x320, 0x20052);
	apic_write(0x380, 100000);
}

int main(void)
{
	u32 passes = cmdline_num("passes", 2), cpus = cmdline_num("cpus", 1), pass = 1;
	u64 *magic = (u64 *)MARKER;

	if (*magic == MARKER_MAGIC)
		pass = mark[2] + 1;
	report(pass >= 1 && pass <= passes, "pass %u of %u", pass, passes);
	if (pass > 1)
		check_power_on();
	if (cpus > 1) {
		smp_start();
		report(smp_cpus == cpus, "%u processors came up", smp_cpus);
		check_clocks(cpus);
	}
	if (pass >= passes)
		return 0;
	*magic = MARKER_MAGIC;
	mark[2] = pass;
	dirty_state();
	if (cpus > 1)
		smp_call(cpus - 1, reset, NULL);
	else
		reset(NULL);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * PCI enumeration by 0xcf8/0xcfc: ids, BAR sizing, moving and switching BARs, odd sizes and offsets,
 * garbage. The device that is moved about is shunt-testdev, or QEMU's pci-testdev.
 */
#include "rt/testdev.h"

#define QEMU_VENDOR	0x1b36
#define QEMU_TESTDEV	0x0005
#define FAR_MEM		0xd0000000u
#define FAR_IO		0x7000
#define RAM_MEM		0x01800000u

static u8 devfn;
static bool qemu;
static unsigned int membar, iobar;
static u64 mem, io;

/* Is the device's memory BAR here? */
static bool at_mem(u64 a)
{
	u8 c;

	if (!qemu)
		return mmio_r32(a) == TD_MAGIC;
	mmio_w8(a, 0);
	c = mmio_r8(a + 0x10);
	return c >= 'a' && c <= 'z';
}

static bool at_io(u16 a)
{
	u8 c;

	if (!qemu) {
		outl(a + TD_IO_SCRATCH, 0x5aa5f00d);
		return inl(a + TD_IO_SCRATCH) == 0x5aa5f00d;
	}
	outb(a, 1);
	c = inb(a + 0x10);
	return c >= 'a' && c <= 'z';
}

static void decode(u32 bits)
{
	pci_write(devfn, PCI_COMMAND, 2, bits);
}

static void address_register(void)
{
	u32 want = 0x80000000 | devfn << 8 | 0x10;
	bool ok;

	outl(0xcf8, want);
	report(inl(0xcf8) == want, "the address register reads back");
	outl(0xcf8, 0x80000000);
	outb(0xcf8, 0x3c);
	outw(0xcf8, 0x1234);
	report(inl(0xcf8) == 0x80000000, "narrow writes do not reach the address register");
	outl(0xcf8, 0);
	report(inl(0xcfc) == 0xffffffff, "without the enable bit nothing answers");
	outl(0xcf8, 0x80050000 | devfn << 8);
	report(inl(0xcfc) == 0xffffffff, "no device on bus 5");
	report(pci_read(31 << 3, 0, 4) == 0xffffffff && pci_read(31 << 3, 0x3c, 1) == 0xff,
	       "an empty slot reads all ones");
	pci_write(31 << 3, 4, 4, 0x12345678);
	ok = pci_read(31 << 3, 4, 4) == 0xffffffff;
	report(ok, "and takes no writes");
	if (qemu) {
		report_skip("accesses past 0xcff belong to another device here");
		return;
	}
	outl(0xcf8, 0x80000000 | devfn << 8);
	report(inw(0xcff) == 0xffff && inl(0xcfd) == 0xffffffff, "an access past 0xcff reads all ones");
}

static void enumerate(void)
{
	unsigned int d, off, n = 0;
	bool widths = true, header = true;

	for (d = 0; d < 256; d += 8) {
		u32 id = pci_read(d, 0, 4);

		if (id == 0xffffffff)
			continue;
		n++;
		rt_printf("# %02x.0: %04x:%04x class %06x\n", d >> 3, id & 0xffff, id >> 16,
			  pci_read(d, 8, 4) >> 8);
		if ((pci_read(d, 0x0e, 1) & 0x7f) > 1)
			header = false;
		for (off = 0; off < 256; off += 4) {
			u32 v = pci_read(d, off, 4);

			if (pci_read(d, off, 2) != (v & 0xffff) || pci_read(d, off + 2, 2) != v >> 16 ||
			    pci_read(d, off, 1) != (v & 0xff) || pci_read(d, off + 1, 1) != (v >> 8 & 0xff) ||
			    pci_read(d, off + 2, 1) != (v >> 16 & 0xff) || pci_read(d, off + 3, 1) != v >> 24 ||
			    (!qemu && pci_read(d, off + 1, 2) != (v >> 8 & 0xffff))) {
				rt_printf("# %02x.0 at 0x%x: 0x%x, in parts 0x%x 0x%x\n", d >> 3, off, v,
					  pci_read(d, off, 2), pci_read(d, off + 1, 2));
				widths = false;
			}
		}
	}
	report(n >= 2, "%u devices", n);
	report(pci_read(0, 0x0b, 1) == 6 && pci_read(0, 0x0a, 1) == 0, "00.0 is a host bridge");
	report(header, "header types are known ones");
	report(widths, "bytes and words are parts of the doublewords");
}

static void ids_are_fixed(void)
{
	u32 id = pci_read(devfn, 0, 4), class = pci_read(devfn, 8, 4), sub = pci_read(devfn, 0x2c, 4);

	pci_write(devfn, 0, 4, ~id);
	pci_write(devfn, 8, 4, ~class);
	pci_write(devfn, 0x2c, 4, ~sub);
	report(pci_read(devfn, 0, 4) == id && pci_read(devfn, 8, 4) == class &&
	       pci_read(devfn, 0x2c, 4) == sub, "ids and class cannot be written");
}

static void sizing(void)
{
	unsigned int i;
	bool pow2 = true, back = true, flags = true;

	for (i = 0; i < 6; i++) {
		u8 off = PCI_BAR0 + 4 * i;
		u32 old = pci_read(devfn, off, 4), mask;
		u64 size;

		pci_bar(devfn, i, &size);
		if (pci_read(devfn, off, 4) != old)
			back = false;
		if (!size)
			continue;
		rt_printf("# BAR %u: 0x%x, %lu bytes of %s\n", i, old, size, old & 1 ? "I/O" : "memory");
		if (size & (size - 1))
			pow2 = false;
		decode(0);
		pci_write(devfn, off, 4, 0);
		mask = pci_read(devfn, off, 4);
		if (mask != (old & (old & 1 ? 3 : 15)))
			flags = false;
		pci_write(devfn, off, 4, old);
		decode(7);
	}
	report(pow2, "BAR sizes are powers of two");
	report(back, "sizing leaves the addresses alone");
	report(flags, "a BAR's type bits cannot be written");
}

static void set_bar(unsigned int bar, u32 v)
{
	pci_write(devfn, PCI_BAR0 + 4 * bar, 4, v);
}

static void moving(void)
{
	volatile u32 *ram = (u32 *)(u64)RAM_MEM;

	report(at_mem(mem) && at_io(io), "memory and I/O BARs answer");
	decode(PCI_CMD_IO);
	report(!at_mem(mem) && at_io(io), "memory decoding off");
	if (!qemu)
		report(mmio_r32(mem) == 0xffffffff && mmio_r8(mem + 3) == 0xff, "reads all ones then");
	decode(PCI_CMD_MEM);
	report(at_mem(mem) && !at_io(io), "I/O decoding off");
	decode(7);
	report(at_mem(mem) && at_io(io), "both on again");

	decode(0);
	set_bar(membar, FAR_MEM);
	set_bar(iobar, FAR_IO);
	decode(7);
	report(at_mem(FAR_MEM) && !at_mem(mem), "the memory BAR moved");
	report(at_io(FAR_IO) && !at_io(io), "the I/O BAR moved");
	set_bar(membar, mem);
	set_bar(iobar, io);
	report(at_mem(mem) && !at_mem(FAR_MEM), "it moves back while decoding");
	report(at_io(io) && !at_io(FAR_IO), "so does the I/O BAR");

	pci_write(devfn, PCI_BAR0 + 4 * membar + 2, 2, FAR_MEM >> 16);
	pci_write(devfn, PCI_BAR0 + 4 * membar + 1, 1, 0x10);
	report(at_mem(FAR_MEM + 0x1000), "a BAR moves by word and byte writes");
	set_bar(membar, mem);

	ram[0] = 0x600dda7a;
	set_bar(membar, RAM_MEM);
	report(ram[0] == 0x600dda7a, "RAM wins over a BAR");
	set_bar(membar, 0xfec00000);
	report((ioapic_read(1) >> 16 & 0xff) == 23, "the IOAPIC wins over a BAR");
	set_bar(membar, 0xfee00000);
	apic_id();
	set_bar(membar, 0xfffff000);
	set_bar(membar, 0);
	set_bar(iobar, 0x3f8);
	set_bar(iobar, 0xfffc);
	set_bar(iobar, 0);
	set_bar(membar, mem);
	set_bar(iobar, io);
	report(at_mem(mem) && at_io(io), "after impossible addresses they answer where they were");
}

static void registers(void)
{
	bool ok;

	if (qemu) {
		report_skip("shunt-testdev's registers");
		return;
	}
	report(mmio_r8(mem + 1) == (TD_MAGIC >> 8 & 0xff) && mmio_r16(mem + 2) == TD_MAGIC >> 16 &&
	       (u32)mmio_r64(mem) == TD_MAGIC, "memory: all widths");
	mmio_w32(mem + TD_R_SCRATCH, 0x11223344);
	mmio_w8(mem + TD_R_SCRATCH + 2, 0xaa);
	mmio_w16(mem + TD_R_SCRATCH, 0xbbcc);
	report(mmio_r32(mem + TD_R_SCRATCH) == 0x11aabbcc, "memory: narrow writes change their part");
	report(inl(io + TD_IO_SCRATCH) == 0x11aabbcc && inb(io + TD_IO_SCRATCH + 3) == 0x11 &&
	       inw(io + TD_IO_SCRATCH + 1) == 0xaabb, "I/O: all widths");
	ok = true;
	mmio_r64(mem + 0xffc);
	mmio_w64(mem + 0xffc, ~0ull);
	mmio_r32(mem + 0xffd);
	mmio_r16(mem + 0xfff);
	mmio_w16(mem + 0xfff, 0xffff);
	ok = at_mem(mem);
	report(ok, "accesses over the end are survived");
	mmio_w32(mem + TD_R_MAGIC, 0);
	mmio_w32(mem + TD_R_BELLS, 0);
	report(at_mem(mem) && mmio_r32(mem + TD_R_BELLS), "read-only registers stay");
}

static void garbage(void)
{
	u32 saved[16], i, id = pci_read(devfn, 0, 4), n = cmdline_num("garbage", 3000);
	u8 caps = pci_read(devfn, PCI_CAPS, 1);

	for (i = 0; i < 16; i++)
		saved[i] = pci_read(devfn, 4 * i, 4);
	/* Anything a program can do to 0xcfc, at any offset and width. */
	for (i = 0; i < n; i++) {
		u32 r = rt_random(), v = rt_random();
		u16 port = 0xcfc + (r & 3);

		outl(0xcf8, 0x80000000 | devfn << 8 | (r >> 8 & 0xff));
		switch (r >> 4 & 7) {
		case 0: outb(port, v); break;
		case 1: outw(port & ~1, v); break;
		case 2: outw(qemu ? port & ~1 : port, v); break;
		case 3: inl(port & ~3); break;
		case 4: inb(port); break;
		default: outl(qemu ? port & ~3 : port, v);
		}
	}
	decode(0);
	for (i = 4; i < 16; i++)
		pci_write(devfn, 4 * i, 4, saved[i]);
	decode(7);
	report(pci_read(devfn, 0, 4) == id && pci_read(devfn, PCI_CAPS, 1) == caps,
	       "%u garbage accesses left the fixed fields alone", n);
	report(at_mem(mem) && at_io(io), "the device answers again");
	outl(0xcf8, 0xffffffff);
	for (i = 0; i < 64; i++) {
		outl(0xcf8, rt_random() | 1u << 31);
		if (i & 1)
			inl(0xcfc);
	}
	report(pci_read(devfn, 0, 4) == id, "random addresses read are survived");
}

int main(void)
{
	int d = pci_find(TD_VENDOR, TD_DEVICE, 0);
	u64 size;

	if (d < 0) {
		d = pci_find(QEMU_VENDOR, QEMU_TESTDEV, 0);
		qemu = true;
	}
	if (d < 0)
		rt_die("no test device");
	devfn = d;
	membar = 0;
	iobar = qemu ? 1 : 2;
	pci_enable(devfn);
	mem = pci_bar(devfn, membar, &size);
	io = pci_bar(devfn, iobar, &size);
	address_register();
	enumerate();
	ids_are_fixed();
	sizing();
	moving();
	registers();
	garbage();
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}

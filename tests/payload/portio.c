// SPDX-License-Identifier: GPL-2.0
/*
 * String I/O, which KVM hands over many at a time, and garbage on every port and in every hole of the
 * address space: the VMM survives, and the devices still work.
 */
#include "rt/testdev.h"

#define COM1	0x3f8

static void outsb(u16 port, const void *p, u64 n)
{
	asm volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(port) : "memory");
}

static void insb(u16 port, void *p, u64 n)
{
	asm volatile("rep insb" : "+D"(p), "+c"(n) : "d"(port) : "memory");
}

static void insl(u16 port, void *p, u64 n)
{
	asm volatile("rep insl" : "+D"(p), "+c"(n) : "d"(port) : "memory");
}

static void outsl(u16 port, const void *p, u64 n)
{
	asm volatile("rep outsl" : "+S"(p), "+c"(n) : "d"(port) : "memory");
}

static void string_io(void)
{
	static const char line[] = "# by rep outsb: 0123456789 the quick brown fox\n";
	static const u32 addr[3] = { 0x80000000, 0x80000004, 0x80000008 };
	static u8 bytes[600];
	static u32 words[8];
	u32 i, same = 0;

	outsb(COM1, line, sizeof(line) - 1);
	outb(COM1 + 7, 0x6b);
	memset(bytes, 0, sizeof(bytes));
	insb(COM1 + 7, bytes, 500);
	for (i = 0; i < 500; i++)
		same += bytes[i] == 0x6b;
	report(same == 500 && !bytes[500], "rep insb: %u of 500 bytes", same);
	outsl(0xcf8, addr, 3);
	report(inl(0xcf8) == 0x80000008, "rep outsl: the last of them stays");
	outl(0xcf8, 0x80000000);
	insl(0xcfc, words, 4);
	report(words[0] != 0xffffffff && words[0] == words[3] && words[4] == 0, "rep insl");
	asm volatile("std" ::: "memory");
	for (i = 0; i < 8; i++)
		bytes[i] = 0;
	insb(COM1 + 7, bytes + 7, 4);
	asm volatile("cld" ::: "memory");
	report(!bytes[3] && bytes[4] == 0x6b && bytes[7] == 0x6b, "rep insb backwards");
}

/* What would end the guest, or takes the console away. */
static bool dangerous(u16 p)
{
	return (p >= 0x3f8 - 3 && p <= 0x3ff) || (p >= 0x501 - 3 && p <= 0x504) || (p >= 0x61 && p <= 0x64) ||
	       (p >= 0x92 - 3 && p <= 0x92) || (p >= 0xcf8 - 3 && p <= 0xcff) ||
	       (p >= 0x600 - 3 && p <= 0x60f) || (p >= 0xb2 - 3 && p <= 0xb3) || (p >= 0x3d && p <= 0x43) ||
	       (p >= 0xae00 && p <= 0xafff) || (p >= 0x1d && p <= 0x21) || (p >= 0x9d && p <= 0xa1) ||
	       (p >= 0x4cd && p <= 0x4d1) || (p >= 0x50d && p <= 0x51b);
}

static void ports(void)
{
	u32 i, n = cmdline_num("n", 6000), open = 0;

	for (i = 0; i < n; i++) {
		u32 r = rt_random(), v = rt_random();
		/* Half of them where PCs have their devices. */
		u16 p = r & 1 ? r >> 16 : (r >> 16) & 0x3ff;

		if (dangerous(p))
			continue;
		switch (r >> 1 & 7) {
		case 0: outb(p, v); break;
		case 1: outw(p, v); break;
		case 2: outl(p, v); break;
		case 3: open += inb(p) == 0xff; break;
		case 4: open += inw(p) == 0xffff; break;
		case 5: open += inl(p) == 0xffffffff; break;
		case 6: outsb(p, &v, 4); break;
		case 7: insb(p, &v, 4); break;
		}
	}
	report(open > 0, "garbage on ports is survived (%u reads were open bus)", open);
	if (!cmdline_has("vmm=qemu"))
		report(inl(0x2345) == 0xffffffff && inb(0x7777) == 0xff && inw(0xfff0) == 0xffff,
		       "ports that nobody has read all ones");
	inl(0xffff);
	inw(0xffff);
	outl(0xfffe, 0);
	report(true, "accesses past the last port");
}

static void holes(void)
{
	u32 i;
	bool ones = true;

	for (i = 0; i < 300; i++) {
		u64 a = 0xe0000000ull + (rt_random() & 0x0fffffff);

		mmio_w8(a, i);
		mmio_w16(a, i);
		mmio_w32(a, i);
		mmio_w64(a, i);
		ones &= mmio_r8(a) == 0xff && mmio_r64(a & ~7ull) == ~0ull;
	}
	report(ones || cmdline_has("vmm=qemu"), "memory that nobody has reads all ones");
	asm volatile("lock; incl (%0)" :: "r"(0xe1000000ull) : "memory");
	asm volatile("xchg %%eax, (%0)" :: "r"(0xe1000000ull), "a"(0) : "memory");
	memset((void *)0xe1000ff0, 0x5a, 32);
	report(true, "locked and string accesses to it");
	i = mmio_r32(0x100000000ull - 16);
	report(true, "the last bytes below 4 GiB (0x%x)", i);
}

int main(void)
{
	string_io();
	ports();
	holes();
	outb(COM1 + 7, 0x11);
	report(inb(COM1 + 7) == 0x11, "the serial port still works");
	report(pci_read(0, 0, 4) != 0xffffffff, "so does PCI");
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * RAM: the memory map of the boot protocol adds up to -m, its first and last pages are there, what is
 * not in it is no memory; an initrd lies in RAM and is whole.
 *
 * ram=MiB, initrd=bytes (each byte is its offset times 7)
 */
#include "rt/rt.h"

#define E820_RAM	1

static bool is_ram(u64 a)
{
	volatile u64 *p = rt_window(a & ~7ull);
	u64 old = *p, v = 0x5a5a0123456789abull ^ a;
	bool ok;

	*p = v;
	ok = *p == v;
	*p = old;
	return ok;
}

int main(void)
{
	u64 want = cmdline_num("ram", 32) << 20, total = 0, top = 0, initrd = cmdline_num("initrd", 0);
	bool sorted = true, edges = true, image = false, low = false;
	u32 i, j;

	for (i = 0; i < rt_map_n; i++) {
		struct rt_region *r = &rt_map[i];

		rt_printf("# 0x%lx + 0x%lx type %u\n", r->addr, r->size, r->type);
		for (j = 0; j < i; j++)
			if (r->addr < rt_map[j].addr + rt_map[j].size && rt_map[j].addr < r->addr + r->size)
				sorted = false;
		if (r->type != E820_RAM)
			continue;
		total += r->size;
		if (r->addr + r->size > top)
			top = r->addr + r->size;
		/* Not the page that holds the tables this runs on: only the ends are tried. */
		edges &= is_ram(r->addr + r->size - 8);
		if (r->addr)
			edges &= is_ram(r->addr);
		low |= r->addr == 0;
		image |= r->addr <= 0x100000 && r->addr + r->size > 0x200000;
		if (r->addr < 0xfec01000 && r->addr + r->size > 0xfec00000)
			edges = false;
	}
	report(rt_map_n > 0, "there is a memory map of %u entries", rt_map_n);
	report(sorted, "its entries do not overlap");
	/* The hole below 1 MiB, tables, and what a firmware keeps. */
	report(total <= want && total + (2u << 20) >= want, "RAM adds up to %lu KiB of %lu", total >> 10,
	       want >> 10);
	report(edges, "the first and last words of each region are memory");
	report(low && image, "low memory and this program lie in RAM");
	if (!cmdline_has("vmm=qemu") && want < 0xc0000000)
		report(!is_ram(want + 0x100000) && !is_ram(0xb0000000), "there is none past the end");
	if (want > 0xc0000000)
		report(top == 0x100000000ull + want - 0xc0000000 || cmdline_has("vmm=qemu"),
		       "it ends at 0x%lx, above 4 GiB", top);
	if (initrd) {
		u64 bad = 0, at;

		report(rt_module_size == initrd, "the module has %lu bytes of %lu", rt_module_size, initrd);
		for (at = 0; at < rt_module_size && at < initrd; at++)
			bad += mmio_r8(rt_module + at) != (u8)(at * 7);
		report(rt_module && !bad, "at 0x%lx, %lu of its bytes are wrong", rt_module, bad);
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/* A time base: PIT channel 2 (gate and output in port 0x61) calibrates the TSC on first use. */
#include "rt.h"

#define PIT_HZ		1193182
#define PIT_CAL_MS	2

static u64 measure(void)
{
	u32 ticks = PIT_HZ * PIT_CAL_MS / 1000;
	u64 t0, spin = 0;

	outb(0x61, (inb(0x61) & ~2) | 1);
	outb(0x43, 0xb0);		/* channel 2, both bytes, mode 0 */
	outb(0x42, ticks);
	outb(0x42, ticks >> 8);
	t0 = rdtsc();
	while (!(inb(0x61) & 0x20))
		if (++spin > 10000000)
			rt_die("PIT channel 2 never ends its count");
	return (rdtsc() - t0) / PIT_CAL_MS;
}

u64 tsc_per_ms(void)
{
	static u64 per_ms;
	unsigned int i;

	if (per_ms)
		return per_ms;
	/* The host takes the processor away at times, which only ever makes it longer. */
	for (i = 0; i < 3; i++) {
		u64 t = measure();

		if (!per_ms || t < per_ms)
			per_ms = t;
	}
	if (!per_ms)
		rt_die("the TSC stands still");
	return per_ms;
}

void delay_us(u64 us)
{
	u64 end = rdtsc() + us * tsc_per_ms() / 1000;

	while (rdtsc() < end)
		pause();
}

void let_irqs(u64 ms)
{
	sti();
	delay_us(ms * 1000);
	cli();
}

// SPDX-License-Identifier: GPL-2.0
/* A time base: PIT channel 2 (gate and output in port 0x61) calibrates the TSC on first use. */
#include "rt.h"

#define PIT_HZ		1193182
#define PIT_CAL_TICKS	(PIT_HZ / 200)

struct sample {
	u64 tsc;
	u16 count;
};

/*
 * The host takes the processor away at any time. Of several latches the one with the shortest time
 * around it tells both clocks at the same moment.
 */
static struct sample take(void)
{
	struct sample s = { 0, 0 };
	u64 best = ~0ull;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		u64 t1 = rdtsc(), t2;
		u16 c;

		outb(0x43, 0x80);
		t2 = rdtsc();
		c = inb(0x42);
		c |= inb(0x42) << 8;
		if (t2 - t1 < best) {
			best = t2 - t1;
			s.tsc = t1 + (t2 - t1) / 2;
			s.count = c;
		}
	}
	return s;
}

u64 tsc_per_ms(void)
{
	static u64 per_ms;
	struct sample a, b;
	unsigned int tries;
	u64 spin;

	for (tries = 0; !per_ms && tries < 50; tries++) {
		outb(0x61, (inb(0x61) & ~2) | 1);
		outb(0x43, 0xb0);		/* channel 2, both bytes, mode 0 */
		outb(0x42, 0xff);
		outb(0x42, 0xff);
		a = take();
		spin = 0;
		do {
			b = take();
			if (++spin > 1000000)
				rt_die("PIT channel 2 does not count");
		} while ((u16)(a.count - b.count) < PIT_CAL_TICKS && !(inb(0x61) & 0x20));
		/* Past zero it starts over: longer than it can tell. */
		if (inb(0x61) & 0x20)
			continue;
		per_ms = (b.tsc - a.tsc) * PIT_HZ / 1000 / (u16)(a.count - b.count);
	}
	if (!per_ms)
		rt_die("the TSC stands still, or the PIT runs away");
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

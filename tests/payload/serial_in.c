// SPDX-License-Identifier: GPL-2.0
/* What the host sends to the serial port arrives whole and in order, also past the FIFO's 16 bytes. */
#include "rt/rt.h"

#define COM1	0x3f8
#define VEC	0x44

static const char expect[] = "shunt-serial-input-0123456789-abcdefghijklmnopqrstuvwxyz.";
static volatile u32 n;
static char got[128];

static void on_irq(struct regs *r)
{
	(void)r;
	inb(COM1 + 2);
	while (inb(COM1 + 5) & 1) {
		char c = inb(COM1);

		if (n < sizeof(got) - 1)
			got[n++] = c;
	}
}

int main(void)
{
	const u32 len = sizeof(expect) - 1;

	tsc_per_ms();
	rt_printf("# ready\n");
	irq_set(VEC, on_irq);
	ioapic_route(4, VEC, false, false, false);
	outb(COM1 + 4, 0x0b);
	outb(COM1 + 1, 0x01);
	on_irq(NULL);			/* what came before the interrupt was enabled */
	/* Long enough for the host to fill the FIFO and be refused. */
	(void)wait_until(n >= len, 5000);
	let_irqs(2);
	outb(COM1 + 1, 0);
	report(n == len, "%u of %u bytes arrived", n, len);
	report(!memcmp(got, expect, len), "in order: %s", got);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/* Timers that a kernel boots on: PIT by way of the IOAPIC, APIC timer, TSC deadline. */
#include "rt/rt.h"

#define VEC_PIT	0x60
#define VEC_APIC 0x61
#define VEC_SELF 0x62
#define MSR_TSC_DEADLINE 0x6e0
#define PIT_HZ	1193182

static void nothing(struct regs *r)
{
	(void)r;
}

static bool between(u64 v, u64 lo, u64 hi)
{
	return v >= lo && v <= hi;
}

int main(void)
{
	u32 r[4], i, n, got = 0;
	u64 t0, ms;

	tsc_per_ms();
	irq_set(VEC_PIT, nothing);
	irq_set(VEC_APIC, nothing);
	irq_set(VEC_SELF, nothing);

	/* The MADT says that interrupt 0 is pin 2. */
	outb(0x43, 0x34);
	outb(0x40, (u8)(PIT_HZ / 500));
	outb(0x40, PIT_HZ / 500 >> 8);
	ioapic_route(2, VEC_PIT, false, false, false);
	t0 = rdtsc();
	(void)wait_until(irq_count[VEC_PIT] >= 20, 1000);
	ms = (rdtsc() - t0) / tsc_per_ms();
	ioapic_route(2, VEC_PIT, false, false, true);
	report(irq_count[VEC_PIT] >= 20 && between(ms, 20, 500), "PIT: 20 ticks of 2 ms in %lu ms", ms);
	let_irqs(3);
	n = irq_count[VEC_PIT];
	let_irqs(10);
	report(irq_count[VEC_PIT] == n, "a masked pin is silent");
	outb(0x43, 0x00);
	i = inb(0x40);
	i |= inb(0x40) << 8;
	delay_us(200);
	outb(0x43, 0x00);
	n = inb(0x40);
	n |= inb(0x40) << 8;
	report(i != n, "the counter counts (%u, %u)", i, n);

	apic_write(APIC_TIMER_DIV, 0x0b);
	apic_write(APIC_TIMER, VEC_APIC);
	apic_write(APIC_TIMER_COUNT, 2000000);
	report(wait_until(irq_count[VEC_APIC] == 1, 1000), "APIC timer: one shot");
	let_irqs(10);
	report(irq_count[VEC_APIC] == 1, "and no more");
	apic_write(APIC_TIMER, VEC_APIC | 1 << 17);
	apic_write(APIC_TIMER_COUNT, 2000000);
	report(wait_until(irq_count[VEC_APIC] >= 6, 2000), "APIC timer: periodic");
	apic_write(APIC_TIMER, VEC_APIC | 1 << 16);
	apic_write(APIC_TIMER_COUNT, 0);
	let_irqs(3);

	cpuid(1, 0, r);
	if (r[2] >> 24 & 1) {
		n = irq_count[VEC_APIC];
		apic_write(APIC_TIMER, VEC_APIC | 2 << 17);
		for (i = 0; i < 10; i++) {
			u32 before = irq_count[VEC_APIC];

			t0 = rdtsc() + tsc_per_ms();
			wrmsr(MSR_TSC_DEADLINE, t0);
			got += wait_until(irq_count[VEC_APIC] != before, 1000) && rdtsc() >= t0;
		}
		report(got == 10, "TSC deadline: %u of 10, none early", got);
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + 5 * tsc_per_ms());
		wrmsr(MSR_TSC_DEADLINE, 0);
		n = irq_count[VEC_APIC];
		let_irqs(10);
		report(irq_count[VEC_APIC] == n, "a deadline of zero disarms it");
	} else {
		report_skip("no TSC deadline timer");
	}

	apic_icr(apic_id(), ICR_FIXED | VEC_SELF);
	report(wait_until(irq_count[VEC_SELF] == 1, 500), "an interrupt to oneself");
	apic_write(APIC_TPR, 0xf0);
	apic_icr(apic_id(), ICR_FIXED | VEC_SELF);
	let_irqs(2);
	n = irq_count[VEC_SELF];
	apic_write(APIC_TPR, 0);
	report(n == 1 && wait_until(irq_count[VEC_SELF] == 2, 500), "the task priority holds it back");

	t0 = rdtsc();
	for (i = 0, got = 0; i < 1000; i++) {
		u64 t = rdtsc();

		got += t >= t0;
		t0 = t;
	}
	report(got == 1000, "the TSC never goes back");
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}

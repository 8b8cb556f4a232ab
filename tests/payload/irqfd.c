// SPDX-License-Identifier: GPL-2.0
/*
 * irqfd -> interrupt: every signal arrives, with the processor running or halted, on the processor the
 * message names.
 */
#include "rt/testdev.h"

#define VEC(i)	(0x50 + (i))
#define VEC_TIMER 0x60

static struct testdev td;
static volatile u32 where[MAX_CPUS];

static void note(struct regs *r)
{
	u32 id = apic_id();

	(void)r;
	if (id < MAX_CPUS)
		where[id]++;
}

/* Until *@count is not @before; the timer ends a halt that nothing else ends. */
static bool halt_until(volatile u32 *count, u32 before)
{
	u32 timeouts = irq_count[VEC_TIMER];

	apic_write(APIC_TIMER_COUNT, 1000000000);
	while (*count == before && irq_count[VEC_TIMER] == timeouts)
		sti_hlt_cli();
	apic_write(APIC_TIMER_COUNT, 0);
	return *count != before;
}

int main(void)
{
	u32 n = cmdline_num("n", 2000), cpus = cmdline_num("cpus", 1), i, good, total, lost;
	u64 t0;

	testdev_find(&td);
	for (i = 0; i < 4; i++)
		irq_set(VEC(i), note);
	for (i = 0; i < td.bells; i++)
		msix_set(&td.msix, i, VEC(i & 3));
	msix_enable(&td.msix, true);
	irq_set(VEC_TIMER, note);
	apic_write(APIC_TIMER_DIV, 0x0b);
	apic_write(APIC_TIMER, VEC_TIMER);
	tsc_per_ms();

	/* Most of them halted, which leaves the host's processor to those who deliver; some spinning. */
	t0 = rdtsc();
	for (i = 0, lost = 0; i < n && lost < 3; i++) {
		volatile u32 *count = &irq_count[VEC(i & 3)];
		u32 before = *count;

		mmio_w16(td.mem + TD_R_BELL(i & 3), i);
		lost += i % 16 ? !halt_until(count, before) : !wait_until(*count != before, 1000);
	}
	for (i = 0, total = 0; i < 4; i++)
		total += irq_count[VEC(i)];
	report(total == n, "%u of %u arrived", total, n);
	rt_printf("# %lu us a round trip\n", (rdtsc() - t0) * 1000 / tsc_per_ms() / n);

	/* Halted: with interrupts off until the hlt, so that only the interrupt can end it. */
	for (i = 0, good = 0; i < 200; i++) {
		u32 before = irq_count[VEC(0)];

		mmio_w16(td.mem + TD_R_BELL(0), i);
		while (irq_count[VEC(0)] == before)
			sti_hlt_cli();
		good += irq_count[VEC(0)] == before + 1;
	}
	report(good == 200, "%u of 200 woke a halted processor", good);

	/* Signals that are not waited for may merge, but the last may not be lost. */
	for (i = 0, good = 0; i < 100; i++) {
		u32 before = irq_count[VEC(1)], j;

		for (j = 0; j < 5; j++)
			mmio_w16(td.mem + TD_R_BELL(1), i);
		good += wait_until(irq_count[VEC(1)] != before, 500) && irq_count[VEC(1)] - before <= 5;
		let_irqs(0);
	}
	report(good == 100, "%u of 100 bursts arrived", good);

	if (cpus > 1) {
		u32 self = apic_id(), sum = 0, before[MAX_CPUS];

		report(smp_start() == cpus, "%u processors", smp_cpus);
		for (i = 0; i < MAX_CPUS; i++)
			before[i] = where[i];
		for (i = 1, good = 0; i < smp_cpus; i++) {
			u32 id = smp_apic_id(i), j;

			msix_mask(&td.msix, 2, true);
			mmio_w32(td.msix.table + 32, 0xfee00000 | id << 12);
			msix_mask(&td.msix, 2, false);
			for (j = 0; j < 50; j++) {
				u32 was = where[id];

				mmio_w16(td.mem + TD_R_BELL(2), 0);
				good += wait_until(where[id] == was + 1, 500);
			}
		}
		for (i = 0; i < MAX_CPUS; i++)
			sum += where[i] - before[i];
		report(good == 50 * (cpus - 1) && sum == good && where[self] == before[self],
		       "%u of %u arrived at the processor that the message names", good, 50 * (cpus - 1));
	}
	report(mmio_r32(td.mem + TD_R_EXITS) == 0, "no doorbell reached user space");
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}

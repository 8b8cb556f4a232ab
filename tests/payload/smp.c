// SPDX-License-Identifier: GPL-2.0
/* SMP start-up: every processor of the MADT comes up, has its own id, takes IPIs and works at once. */
#include "rt/rt.h"

static volatile u32 shared, here[MAX_CPUS];

static void work(void *arg)
{
	u64 n = (u64)arg;
	int i;

	here[n] = apic_id() + 1;
	for (i = 0; i < 100; i++)
		__atomic_fetch_add(&shared, 1, __ATOMIC_SEQ_CST);
}

static void ipi(struct regs *r)
{
	(void)r;
}

static void poke_first(void *arg)
{
	(void)arg;
	apic_icr(smp_apic_id(0), ICR_FIXED | 0x60);
}

/* What leaf 0xb says of threads and cores, and APIC ids made of these in fields of a power of two. */
static void topology(u32 cpus)
{
	u32 threads = cmdline_num("threads", 1), cores = cmdline_num("cores", cpus), r[4], s[4], i, j, id;
	bool good = true;

	cpuid(0xb, 0, r);
	cpuid(0xb, 1, s);
	report((r[1] & 0xffff) == threads && (s[1] & 0xffff) == threads * cores && 1u << r[0] >= threads &&
	       1u << s[0] >= threads * cores, "leaf 0xb: %u threads, %u in a socket", r[1] & 0xffff, s[1] & 0xffff);
	for (i = 0; i < cpus; i++) {
		id = i / (cores * threads) << s[0] | i / threads % cores << r[0] | i % threads;
		/* they have come up in any order */
		for (j = 0; j < cpus && smp_apic_id(j) != id; j++)
			;
		good &= j < cpus;
	}
	report(good, "APIC ids say which thread, core and socket");
}

int main(void)
{
	u32 want = cmdline_num("cpus", 1), r[4];
	unsigned int i, j, n;
	bool ids = true, ran = true, unique = true;

	n = smp_start();
	report(smp_madt_cpus == want, "the MADT lists %u processors of %u", smp_madt_cpus, want);
	report(n == want, "%u of %u processors came up", n, want);
	cpuid(1, 0, r);
	report(r[1] >> 24 == (apic_id() & 0xff), "CPUID's initial APIC id is the APIC's");

	topology(n);

	for (i = 1; i < n; i++)
		smp_call_async(i, work, (void *)(u64)i);
	work((void *)0);
	if (!wait_until(shared == n * 100, 5000))
		ran = false;
	for (i = 0; i < n; i++) {
		if (here[i] != smp_apic_id(i) + 1)
			ids = false;
		for (j = 0; j < i; j++)
			if (here[i] == here[j])
				unique = false;
	}
	report(ran, "all ran and no atomic add was lost: %u of %u", shared, n * 100);
	report(ids, "each ran on the processor that was asked");
	report(unique, "APIC ids are unique");

	irq_set(0x60, ipi);
	for (i = 1; i < n; i++)
		if (!smp_call(i, poke_first, NULL) || !wait_until(irq_count[0x60] == i, 1000))
			break;
	report(i == n, "an IPI from each arrived: %u of %u", irq_count[0x60], n - 1);
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}

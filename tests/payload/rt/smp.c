// SPDX-License-Identifier: GPL-2.0
/* The other processors: INIT, start-up IPI, then each waits for work. */
#include "rt.h"

struct cpu {
	u32 apic_id;
	volatile bool up;
	void (*volatile fn)(void *);
	void *arg;
};

extern char ap_trampoline[], ap_trampoline_end[];
extern u64 ap_stacks;
extern volatile u32 ap_next;
void ap_start(u32 n);

static struct cpu cpu[MAX_CPUS];
static volatile u32 ap_up;
unsigned int smp_cpus = 1, smp_madt_cpus;

#define WAKE_VECTOR	0xf0

static void wake(struct regs *r)
{
	(void)r;
}

/* On an application processor; numbers in order of arrival, from 1. */
void ap_start(u32 n)
{
	struct cpu *c;

	irq_load_idt();
	apic_enable();
	if (++n >= MAX_CPUS)
		return;
	c = &cpu[n];
	c->apic_id = apic_id();
	__atomic_store_n(&c->up, true, __ATOMIC_RELEASE);
	__atomic_fetch_add(&ap_up, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		void (*fn)(void *);

		cli();
		fn = __atomic_load_n(&c->fn, __ATOMIC_ACQUIRE);
		if (fn) {
			fn(c->arg);
			__atomic_store_n(&c->fn, NULL, __ATOMIC_RELEASE);
		} else {
			sti_hlt_cli();
		}
	}
}

unsigned int smp_start(void)
{
	struct acpi_hdr *madt = acpi_find("APIC");
	u32 id[MAX_CPUS], me = apic_id(), n = 0, i;
	u8 *p, *end;

	if (!madt)
		rt_die("no MADT");
	end = (u8 *)madt + madt->len;
	for (p = (u8 *)madt + 44; p + 2 <= end && p[1] >= 2; p += p[1]) {
		u32 apic, flags;

		if (p[0] == 0) {
			apic = p[3];
			memcpy(&flags, p + 4, 4);
		} else if (p[0] == 9) {
			memcpy(&apic, p + 4, 4);
			memcpy(&flags, p + 8, 4);
		} else {
			continue;
		}
		if (!(flags & 1))
			continue;
		smp_madt_cpus++;
		if (apic != me && n < MAX_CPUS - 1)
			id[n++] = apic;
	}
	cpu[0].apic_id = me;
	irq_set(WAKE_VECTOR, wake);
	ap_stacks = (u64)alloc_pages(MAX_CPUS);
	memcpy((void *)AP_TRAMPOLINE, ap_trampoline, ap_trampoline_end - ap_trampoline);
	for (i = 0; i < n; i++)
		apic_icr(id[i], ICR_INIT);
	delay_us(200);
	for (i = 0; i < n; i++)
		apic_icr(id[i], ICR_SIPI | AP_TRAMPOLINE >> 12);
	if (!wait_until(ap_up == n, 1000)) {
		/* The second one, that real hardware may need; ignored by those that run. */
		for (i = 0; i < n; i++)
			apic_icr(id[i], ICR_SIPI | AP_TRAMPOLINE >> 12);
		(void)wait_until(ap_up == n, 4000);
	}
	smp_cpus = ap_up + 1;
	return smp_cpus;
}

void smp_call_async(unsigned int n, void (*fn)(void *), void *arg)
{
	cpu[n].arg = arg;
	__atomic_store_n(&cpu[n].fn, fn, __ATOMIC_RELEASE);
	apic_icr(cpu[n].apic_id, ICR_FIXED | WAKE_VECTOR);
}

bool smp_call(unsigned int n, void (*fn)(void *), void *arg)
{
	smp_call_async(n, fn, arg);
	return wait_until(!__atomic_load_n(&cpu[n].fn, __ATOMIC_ACQUIRE), 5000);
}

u32 smp_apic_id(unsigned int n)
{
	return cpu[n].apic_id;
}

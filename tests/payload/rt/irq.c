// SPDX-License-Identifier: GPL-2.0
/* IDT, exceptions, local APIC (x2APIC where the processor has it), IOAPIC. */
#include "rt.h"

#define IOAPIC_BASE	0xfec00000ull
#define LAPIC_BASE	0xfee00000ull
#define MSR_APICBASE	0x1b

struct gate {
	u16 off0, sel;
	u8 ist, type;
	u16 off1;
	u32 off2, zero;
};

struct idt_ptr {
	u16 limit;
	u64 base;
} __attribute__((packed));

extern char isr_stubs[];
void irq_dispatch(struct regs *r);

static struct gate idt[256] __attribute__((aligned(16)));
static irq_fn handler[256];
volatile u32 irq_count[256];
volatile u32 irq_unexpected;
bool apic_x2;

void irq_dispatch(struct regs *r)
{
	u8 v = r->vector;

	__atomic_fetch_add(&irq_count[v], 1, __ATOMIC_SEQ_CST);
	if (handler[v])
		handler[v](r);
	else if (v < 32) {
		u64 cr2;

		asm volatile("mov %%cr2, %0" : "=r"(cr2));
		rt_die("exception %u error 0x%lx at 0x%lx cr2 0x%lx apic %u", v, r->err, r->rip,
		       cr2, apic_id());
	} else {
		__atomic_fetch_add(&irq_unexpected, 1, __ATOMIC_SEQ_CST);
	}
	if (v >= 32 && v != 0xff)
		apic_eoi();
}

void irq_set(u8 vector, irq_fn fn)
{
	handler[vector] = fn;
}

void irq_load_idt(void)
{
	struct idt_ptr p = { sizeof(idt) - 1, (u64)idt };

	asm volatile("lidt %0" :: "m"(p));
}

void irq_init(void)
{
	u32 r[4];
	unsigned int i;

	for (i = 0; i < 256; i++) {
		u64 a = (u64)isr_stubs + i * 16;

		idt[i].off0 = a;
		idt[i].sel = 0x08;
		idt[i].type = 0x8e;
		idt[i].off1 = a >> 16;
	}
	irq_load_idt();

	/* PICs: vectors out of the exceptions' way, all masked */
	outb(0x20, 0x11);
	outb(0xa0, 0x11);
	outb(0x21, 0xe0);
	outb(0xa1, 0xe8);
	outb(0x21, 4);
	outb(0xa1, 2);
	outb(0x21, 1);
	outb(0xa1, 1);
	outb(0x21, 0xff);
	outb(0xa1, 0xff);

	cpuid(1, 0, r);
	apic_x2 = r[2] >> 21 & 1;
	apic_enable();
}

void apic_enable(void)
{
	wrmsr(MSR_APICBASE, rdmsr(MSR_APICBASE) | 0x800);
	if (apic_x2)
		wrmsr(MSR_APICBASE, rdmsr(MSR_APICBASE) | 0xc00);
	apic_write(APIC_SVR, 0x1ff);
	apic_write(APIC_TPR, 0);
}

u32 apic_read(u32 reg)
{
	return apic_x2 ? rdmsr(0x800 + (reg >> 4)) : mmio_r32(LAPIC_BASE + reg);
}

void apic_write(u32 reg, u32 val)
{
	if (apic_x2)
		wrmsr(0x800 + (reg >> 4), val);
	else
		mmio_w32(LAPIC_BASE + reg, val);
}

void apic_icr(u32 dest, u32 cmd)
{
	if (apic_x2) {
		wrmsr(0x830, (u64)dest << 32 | cmd);
		return;
	}
	mmio_w32(LAPIC_BASE + APIC_ICR + 0x10, dest << 24);
	mmio_w32(LAPIC_BASE + APIC_ICR, cmd);
}

u32 apic_id(void)
{
	return apic_x2 ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

u32 ioapic_read(u8 reg)
{
	mmio_w32(IOAPIC_BASE, reg);
	return mmio_r32(IOAPIC_BASE + 0x10);
}

void ioapic_write(u8 reg, u32 val)
{
	mmio_w32(IOAPIC_BASE, reg);
	mmio_w32(IOAPIC_BASE + 0x10, val);
}

void ioapic_route(u8 pin, u8 vector, bool level, bool low, bool masked)
{
	ioapic_write(0x11 + 2 * pin, apic_id() << 24);
	ioapic_write(0x10 + 2 * pin, vector | low << 13 | level << 15 | masked << 16);
}

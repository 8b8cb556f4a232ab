/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a payload may use: a 64-bit machine without an operating system.
 *
 * main() runs on the boot processor in long mode, identity-mapped up to 4 GiB, interrupts off, own
 * IDT, local APIC enabled, PICs masked. It calls report() for each check; when it returns,
 * "1..N" is printed and the debug-exit port gets 0 (all passed: process status 1) or 1 (status 3).
 * An exception that nobody caught ends with 0x7f (status 255).
 */
#ifndef PAYLOAD_RT_H
#define PAYLOAD_RT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define barrier()	asm volatile("" ::: "memory")
#define mb()		asm volatile("mfence" ::: "memory")
#define __printf(f, a)	__attribute__((format(printf, f, a)))
#define __noreturn	__attribute__((noreturn))

#define DEBUG_EXIT_PORT	0x501

static inline u8 inb(u16 p) { u8 v; asm volatile("inb %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline u16 inw(u16 p) { u16 v; asm volatile("inw %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline u32 inl(u16 p) { u32 v; asm volatile("inl %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline void outb(u16 p, u8 v) { asm volatile("outb %0, %1" :: "a"(v), "Nd"(p) : "memory"); }
static inline void outw(u16 p, u16 v) { asm volatile("outw %0, %1" :: "a"(v), "Nd"(p) : "memory"); }
static inline void outl(u16 p, u32 v) { asm volatile("outl %0, %1" :: "a"(v), "Nd"(p) : "memory"); }

/* Device memory: each is exactly one access of its size. */
#define RT_MMIO(n, type, suffix)							\
static inline type mmio_r##n(u64 a)							\
{											\
	type v;										\
	asm volatile("mov" suffix " %1, %0" : "=r"(v) : "m"(*(volatile type *)a) : "memory"); \
	return v;									\
}											\
static inline void mmio_w##n(u64 a, type v)						\
{											\
	asm volatile("mov" suffix " %1, %0" : "=m"(*(volatile type *)a) : "r"(v) : "memory"); \
}
RT_MMIO(8, u8, "b")
RT_MMIO(16, u16, "w")
RT_MMIO(32, u32, "l")
RT_MMIO(64, u64, "q")

static inline u64 rdmsr(u32 r)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(r));
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 r, u64 v)
{
	asm volatile("wrmsr" :: "c"(r), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
		     : "a"(leaf), "c"(sub));
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
	return (u64)hi << 32 | lo;
}

static inline void sti(void) { asm volatile("sti" ::: "memory"); }
static inline void cli(void) { asm volatile("cli" ::: "memory"); }
static inline void pause(void) { asm volatile("pause" ::: "memory"); }
/* Wait for one interrupt; the shadow of sti keeps it from slipping in between. */
static inline void sti_hlt_cli(void) { asm volatile("sti; hlt; cli" ::: "memory"); }

/* ---- rt.c ---- */
int main(void);

void *memcpy(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strncmp(const char *a, const char *b, size_t n);

void rt_printf(const char *fmt, ...) __printf(1, 2);
/* One TAP line; returns @pass. */
bool report(bool pass, const char *fmt, ...) __printf(2, 3);
void report_skip(const char *fmt, ...) __printf(1, 2);
/* Print the plan and leave. */
void __noreturn report_done(void);
void __noreturn rt_exit(u8 code);
void __noreturn rt_die(const char *fmt, ...) __printf(1, 2);
/* RAM as the loader tells it. */
struct rt_region {
	u64 addr, size;
	u32 type, reserved;
};
extern struct rt_region rt_map[32];
extern u32 rt_map_n;
/* First module (initrd): where it is and its size; zero without one. */
extern u64 rt_module, rt_module_size;
/* A window of 2 MiB onto any physical address; the next call moves it. */
void *rt_window(u64 phys);
/* Pages that nothing has cleared, never given back. */
void *alloc_pages(unsigned int n);
void *alloc_zeroed(size_t bytes);
/* The number after "key=" on the command line, or @dflt. */
u64 cmdline_num(const char *key, u64 dflt);
bool cmdline_has(const char *word);
extern char cmdline[512];
extern u64 rsdp_paddr;
u32 rt_random(void);

/* ---- time.c: PIT channel 2 against the TSC ---- */
u64 tsc_per_ms(void);
void delay_us(u64 us);
/* Until @cond holds, at most @ms; interrupts on while waiting. Evaluates to @cond. */
#define wait_until(cond, ms)						\
({									\
	u64 wu_end = rdtsc() + (u64)(ms) * tsc_per_ms();		\
	bool wu_ok;							\
	sti();								\
	while (!(wu_ok = (cond)) && rdtsc() < wu_end)			\
		pause();						\
	cli();								\
	wu_ok || (cond);						\
})
/* Let interrupts in for @ms: for what must NOT arrive. */
void let_irqs(u64 ms);

/* ---- irq.c ---- */
struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, err, rip, cs, rflags, rsp, ss;
};
typedef void (*irq_fn)(struct regs *r);
void irq_init(void);
void irq_load_idt(void);
/* Vectors 32 and up are acknowledged after @fn. */
void irq_set(u8 vector, irq_fn fn);
extern volatile u32 irq_count[256];
extern volatile u32 irq_unexpected;

void apic_enable(void);
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 val);
void apic_icr(u32 dest, u32 cmd);
u32 apic_id(void);
void apic_eoi(void);
extern bool apic_x2;
#define APIC_ID		0x20
#define APIC_VER	0x30
#define APIC_TPR	0x80
#define APIC_EOI	0xb0
#define APIC_SVR	0xf0
#define APIC_ISR	0x100
#define APIC_IRR	0x200
#define APIC_ICR	0x300
#define APIC_TIMER	0x320
#define APIC_TIMER_COUNT 0x380
#define APIC_TIMER_NOW	0x390
#define APIC_TIMER_DIV	0x3e0
#define ICR_INIT	0x4500
#define ICR_SIPI	0x4600
#define ICR_FIXED	0x4000

u32 ioapic_read(u8 reg);
void ioapic_write(u8 reg, u32 val);
void ioapic_route(u8 pin, u8 vector, bool level, bool low, bool masked);

/* ---- smp.c ---- */
#define MAX_CPUS	64
#define AP_TRAMPOLINE	0x8000
/* Start every processor of the MADT; returns how many run, this one included. */
unsigned int smp_start(void);
/* Run @fn on processor @cpu (1..); waits until it returned. */
bool smp_call(unsigned int cpu, void (*fn)(void *), void *arg);
/* Likewise without waiting. */
void smp_call_async(unsigned int cpu, void (*fn)(void *), void *arg);
u32 smp_apic_id(unsigned int cpu);
extern unsigned int smp_cpus, smp_madt_cpus;

/* ---- acpi.c ---- */
struct acpi_hdr {
	char sig[4];
	u32 len;
	u8 rev, sum;
	char oem[6], oem_table[8];
	u32 oem_rev, creator, creator_rev;
} __attribute__((packed));
struct acpi_hdr *acpi_find(const char *sig);
bool acpi_sum_ok(const void *p, u32 len);
/* i-th table of the XSDT or RSDT, NULL past the end. */
struct acpi_hdr *acpi_nth(unsigned int i);

#endif

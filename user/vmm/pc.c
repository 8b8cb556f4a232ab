// SPDX-License-Identifier: GPL-2.0
/*
 * The chipset's own ports: ACPI power management (PM1 and its timer), reset at 0xcf9 and 0x92, the
 * delay port 0x80; and the rest of a PC put together. PIC, IOAPIC, PIT and port 0x61 are KVM's.
 */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/log.h"
#include "chardev.h"
#include "dimm.h"
#include "serial.h"

#define PM_TIMER_HZ	3579545ull

#define PM1_TMR		(1u << 0)	/* timer carry: never raised, TMR_EN stays clear */
#define PM1_GBL		(1u << 5)
#define PM1_PWRBTN	(1u << 8)
#define PM1_WAK		(1u << 15)
#define PM1_STS_BITS	(PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_WAK)
#define PM1_RTC		(1u << 10)	/* may be enabled, as ACPICA insists; never raised */
#define PM1_EN_BITS	(PM1_GBL | PM1_PWRBTN | PM1_RTC)
#define CNT_SCI_EN	(1u << 0)
#define CNT_SLP_EN	(1u << 13)
#define CNT_SLP_TYP(v)	((v) >> 10 & 7)

#define CF9_RESET	0x04

struct pc {
	struct vm *vm;
	struct bus_range pm, delay, fast, gpe;
	struct vm_hook hook;
	uint16_t sts, en, cnt;
	uint8_t cf9, port92, gpe_sts, gpe_en;
	unsigned int warned;
};

/* ---- ACPI fixed hardware ---- */

static void sci_update(struct pc *pc)
{
	vm_irq_line(pc->vm, PC_SCI_IRQ, pc->sts & pc->en || pc->gpe_sts & pc->gpe_en);
}

static uint32_t pm_timer(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint32_t)((uint64_t)ts.tv_sec * PM_TIMER_HZ +
			  (uint64_t)ts.tv_nsec * PM_TIMER_HZ / 1000000000);
}

/* The block as little-endian bytes: STS, EN, CNT, pad, TMR; any access size works. */
static uint64_t pm_read(void *dev, uint64_t off, unsigned int len)
{
	struct pc *pc = dev;
	uint8_t bytes[PM_SIZE + 8] = { 0 };
	uint32_t timer = off + len > PM_TMR - PM_BASE ? pm_timer() : 0;
	uint16_t cnt = pc->cnt | CNT_SCI_EN;
	uint64_t v = 0;

	memcpy(bytes, &pc->sts, 2);
	memcpy(bytes + 2, &pc->en, 2);
	memcpy(bytes + 4, &cnt, 2);
	memcpy(bytes + 8, &timer, 4);
	memcpy(&v, bytes + off, len);
	return v;
}

static void write_cnt(struct pc *pc, uint16_t v)
{
	pc->cnt = v & 0x1c07;
	if (!(v & CNT_SLP_EN))
		return;
	if (CNT_SLP_TYP(v) == PM_S5_TYPE)
		vm_request(pc->vm, VM_POWEROFF, 0);
	else if (!pc->warned++)
		log_warn("the guest asks for sleep type %u, which does not exist", CNT_SLP_TYP(v));
}

static void pm_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct pc *pc = dev;

	for (unsigned int i = 0; i < len; i++, off++, val >>= 8) {
		unsigned int shift = off & 1 ? 8 : 0;
		uint16_t v = (uint16_t)((val & 0xff) << shift), mask = (uint16_t)(0xff << shift);

		switch (off & ~1ull) {
		case 0:
			pc->sts &= (uint16_t)~(v & PM1_STS_BITS);	/* write one to clear */
			break;
		case 2:
			pc->en = (uint16_t)((pc->en & ~mask) | (v & PM1_EN_BITS));
			break;
		case 4:
			/* SLP_TYP and SLP_EN are both in the high byte. */
			write_cnt(pc, (uint16_t)((pc->cnt & ~mask) | v));
			break;
		}
	}
	sci_update(pc);
}

static const struct bus_ops pm_ops = { .read = pm_read, .write = pm_write };

void vm_powerdown(struct vm *vm)
{
	vm->pc->sts |= PM1_PWRBTN;
	sci_update(vm->pc);
}

/* ---- general purpose events: a byte of status, a byte of enable ---- */

static uint64_t gpe_read(void *dev, uint64_t off, unsigned int len)
{
	struct pc *pc = dev;
	unsigned int both = pc->gpe_sts | pc->gpe_en << 8;

	return both >> 8 * off & (len > 1 ? 0xffff : 0xff);
}

static void gpe_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct pc *pc = dev;

	if (!off)
		pc->gpe_sts &= (uint8_t)~val;	/* write one to clear */
	if (off || len > 1)
		pc->gpe_en = (uint8_t)(off ? val : val >> 8);
	sci_update(pc);
}

static const struct bus_ops gpe_ops = { .read = gpe_read, .write = gpe_write };

void pc_gpe(struct vm *vm, unsigned int n)
{
	vm->pc->gpe_sts |= (uint8_t)(1u << n);
	sci_update(vm->pc);
}

/* ---- resets and delays ---- */

uint8_t vm_cf9_read(struct vm *vm)
{
	return vm->pc->cf9;
}

void vm_cf9_write(struct vm *vm, uint8_t val)
{
	/* Bit 1 chooses hard or soft, bit 3 a power cycle: all the same here. */
	if (val & CF9_RESET && !(vm->pc->cf9 & CF9_RESET))
		vm_request(vm, VM_RESET, 0);
	vm->pc->cf9 = val & 0x0a;
}

static uint64_t fast_read(void *dev, uint64_t off, unsigned int len)
{
	struct pc *pc = dev;

	(void)off;
	(void)len;
	return pc->port92;
}

static void fast_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct pc *pc = dev;

	(void)off;
	(void)len;
	if (val & 1)
		vm_request(pc->vm, VM_RESET, 0);
	/* Bit 1, the A20 gate, is remembered; the line itself is always open. */
	pc->port92 = val & 2;
}

static uint64_t delay_read(void *dev, uint64_t off, unsigned int len)
{
	(void)dev;
	(void)off;
	(void)len;
	return 0xff;
}

static void delay_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	(void)dev;
	(void)off;
	(void)val;
	(void)len;
}

static const struct bus_ops fast_ops = { .read = fast_read, .write = fast_write };
static const struct bus_ops delay_ops = { .read = delay_read, .write = delay_write };

static void pc_reset(void *dev)
{
	struct pc *pc = dev;

	pc->sts = 0;
	pc->en = 0;
	pc->cnt = 0;
	pc->gpe_sts = 0;
	pc->gpe_en = 0;
	pc->cf9 = 0;
	pc->port92 = 2;
	sci_update(pc);
}

static int serials_create(struct vm *vm)
{
	const struct vm_config *cfg = vm->cfg;

	for (unsigned int i = 0; i < cfg->nr_serial && i < SERIAL_MAX; i++) {
		struct chardev *chr;
		unsigned int irq;
		uint16_t iobase;

		if (!cfg->serial[i] || !strcmp(cfg->serial[i], "none"))
			continue;
		chr = chardev_from_spec(vm, "-serial", cfg->serial[i]);
		if (!chr)
			return -1;
		serial_port(i, &iobase, &irq);
		if (serial_add(vm, "-serial", iobase, irq, chr))
			return -1;
	}
	return 0;
}

int pc_create(struct vm *vm)
{
	struct pc *pc = calloc(1, sizeof(*pc));

	if (!pc)
		return log_err("out of memory");
	vm->pc = pc;
	pc->vm = vm;
	pc->pm = (struct bus_range){ PM_BASE, PM_SIZE, &pm_ops, pc, "pm" };
	pc->delay = (struct bus_range){ 0x80, 1, &delay_ops, pc, "delay" };
	pc->fast = (struct bus_range){ 0x92, 1, &fast_ops, pc, "port 92" };
	pc->gpe = (struct bus_range){ GPE_BASE, GPE_SIZE, &gpe_ops, pc, "gpe" };
	pc->hook = (struct vm_hook){ .reset = pc_reset, .dev = pc };
	vm_hook(vm, &pc->hook);
	pc_reset(pc);
	if (bus_add(&vm->pio, &pc->pm) || bus_add(&vm->pio, &pc->delay) ||
	    bus_add(&vm->pio, &pc->fast) || (vm->cfg->mem_slots && bus_add(&vm->pio, &pc->gpe)))
		return log_err("the chipset's ports are taken");
	if (vm->cfg->mem_slots && dimm_init(vm))
		return -1;
	if (rtc_create(vm) || i8042_create(vm))
		return -1;
	return serials_create(vm);
}

void pc_destroy(struct vm *vm)
{
	free(vm->pc);
	vm->pc = NULL;
}

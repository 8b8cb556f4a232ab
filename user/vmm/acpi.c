// SPDX-License-Identifier: GPL-2.0
/*
 * ACPI tables, written to guest memory at every reset: RSDP, XSDT, FADT with FACS, MADT, DSDT.
 *
 * What they say must hold: ports as in pc.c, interrupt wiring as in irq.c and pci_intx_gsi(), windows
 * as in vm.h. There is no SMI: the machine is in ACPI mode from the start.
 */
#include "boot.h"

#include <string.h>

#include "../lib/log.h"
#include "aml.h"
#include "dimm.h"
#include "pci.h"
#include "serial.h"

#define IOAPIC_ADDR	0xfec00000u
#define LAPIC_ADDR	0xfee00000u
#define SLEEP_TYPE_S5	PM_S5_TYPE
#define PCI_SLOTS	32

struct sdt {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct gas {
	uint8_t space, bits, offset, access;
	uint64_t addr;
} __attribute__((packed));

/* Generic addresses of the ports: space 1 is system I/O, access size 1 byte, 2 word, 3 dword */
#define GAS_IO(_addr, _bits, _access) { 1, (_bits), 0, (_access), (_addr) }

struct fadt {
	struct sdt sdt;
	uint32_t facs, dsdt;
	uint8_t reserved0, profile;
	uint16_t sci_irq;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base;
	uint8_t cst_cnt;
	uint16_t p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr, x_gpe0,
		   x_gpe1, sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));

_Static_assert(sizeof(struct fadt) == 276, "ACPI 6 FADT");

#define FADT_WBINVD		(1u << 0)
#define FADT_PROC_C1		(1u << 2)
#define FADT_SLP_BUTTON		(1u << 5)	/* there is no fixed sleep button */
#define FADT_FIX_RTC		(1u << 6)	/* the RTC wakes nothing */
#define FADT_TMR_VAL_EXT	(1u << 8)
#define FADT_RESET_REG		(1u << 10)
#define BOOT_LEGACY_DEVICES	(1u << 0)
#define BOOT_NO_VGA		(1u << 2)
#define BOOT_NO_ASPM		(1u << 4)
/* Bit 1, a keyboard controller, stays clear: port 0x64 resets, but no keyboard is behind it. */

struct madt {
	struct sdt sdt;
	uint32_t lapic_addr, flags;
} __attribute__((packed));

struct madt_lapic {
	uint8_t type, length, uid, id;
	uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t addr, gsi_base;
} __attribute__((packed));

struct madt_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;
} __attribute__((packed));

struct madt_nmi {
	uint8_t type, length, uid;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));

struct facs {
	char signature[4];
	uint32_t length;
	uint8_t rest[56];
} __attribute__((packed));

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t ext_checksum, reserved[3];
} __attribute__((packed));

static uint8_t checksum(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *b++);
	return (uint8_t)-sum;
}

/* ---- an appending writer, as for AML; each address is counted from the beginning ---- */

static struct acpi_tables *tables_of(struct aml *a)
{
	return (struct acpi_tables *)((char *)a - offsetof(struct acpi_tables, aml));
}

/* Firmware makes an address of @size bytes at @off right. */
static void has_pointer(struct aml *a, size_t off, unsigned int size)
{
	struct acpi_tables *t = tables_of(a);

	if (t->nr_pointers == ACPI_FIXES)
		a->full = true;
	else
		t->pointer[t->nr_pointers++] = (struct acpi_pointer){ off, size };
}

/* And the byte at @at such that @len from @start add up to zero. */
static void has_sum(struct aml *a, size_t at, size_t start, size_t len)
{
	struct acpi_tables *t = tables_of(a);

	if (t->nr_sums == ACPI_FIXES)
		a->full = true;
	else
		t->sum[t->nr_sums++] = (struct acpi_sum){ at, start, len };
}

static void area_align(struct aml *a, size_t align)
{
	while (a->len % align && !a->full)
		aml_byte(a, 0);
}

static size_t table_begin(struct aml *a, const char *signature, uint8_t revision)
{
	struct sdt sdt = {
		.revision = revision,
		.oem_id = { 'S', 'H', 'U', 'N', 'T', ' ' },
		.oem_table_id = { 'S', 'H', 'U', 'N', 'T', ' ', ' ', ' ' },
		.oem_revision = 1,
		.creator_id = { 'S', 'H', 'N', 'T' },
		.creator_revision = 1,
	};
	size_t mark;

	area_align(a, 16);
	mark = a->len;
	memcpy(sdt.signature, signature, 4);
	aml_raw(a, &sdt, sizeof(sdt));
	return mark;
}

static uint64_t table_end(struct aml *a, size_t mark)
{
	struct sdt *sdt = (struct sdt *)(a->buf + mark);

	if (a->full)
		return 0;
	sdt->length = (uint32_t)(a->len - mark);
	has_sum(a, mark + offsetof(struct sdt, checksum), mark, sdt->length);
	return mark;
}

/* ---- tables ---- */

/* Firmware places BARs from here on. */
static uint64_t mmio32_base(const struct vm *vm)
{
	return vm->slot[0].size <= VM_MMIO32_BASE_2G ? VM_MMIO32_BASE_2G : VM_MMIO32_BASE;
}

static void dsdt_pci(const struct vm *vm, struct aml *a)
{
	size_t dev = aml_device(a, "PCI0"), res, prt, entry;

	aml_name(a, "_HID");
	aml_eisaid(a, "PNP0A03");
	aml_name_int(a, "_UID", 0);
	aml_name_int(a, "_BBN", 0);
	res = aml_res(a);
	aml_res_bus(a, 0, 0);
	aml_res_io(a, 0xcf8, 8);
	aml_res_io_window(a, 0, 0xcf7);
	aml_res_io_window(a, 0xd00, 0xffff);
	aml_res_mem_window(a, (uint32_t)mmio32_base(vm), (uint32_t)(VM_MMIO32_END - 1));
	aml_res_end(a, res);

	aml_name(a, "_PRT");
	prt = aml_package(a, (PCI_SLOTS - 1) * 4);
	for (unsigned int slot = 1; slot < PCI_SLOTS; slot++) {
		for (unsigned int pin = 0; pin < 4; pin++) {
			entry = aml_package(a, 4);
			aml_int(a, slot << 16 | 0xffff);
			aml_int(a, pin);
			aml_int(a, 0);		/* no link device: the GSI itself */
			aml_int(a, pci_intx_gsi(slot, pin));
			aml_end(a, entry);
		}
	}
	aml_end(a, prt);
	aml_end(a, dev);
}

static void dsdt_board(struct aml *a)
{
	size_t dev = aml_device(a, "MBRD"), res;

	aml_name(a, "_HID");
	aml_eisaid(a, "PNP0C02");
	res = aml_res(a);
	aml_res_io(a, PM_BASE, PM_SIZE);
	aml_res_io(a, 0x80, 1);
	aml_res_io(a, 0x92, 1);
	aml_res_end(a, res);
	aml_end(a, dev);
}

static void dsdt_rtc(struct aml *a)
{
	size_t dev = aml_device(a, "RTC0"), res;

	aml_name(a, "_HID");
	aml_eisaid(a, "PNP0B00");
	res = aml_res(a);
	aml_res_io(a, 0x70, 2);
	aml_res_irq(a, 8);
	aml_res_end(a, res);
	aml_end(a, dev);
}

static void dsdt_serial(struct aml *a, unsigned int index)
{
	char name[5] = "COM1";
	unsigned int irq;
	uint16_t iobase;
	size_t dev, res;

	name[3] = (char)(name[3] + index);
	serial_port(index, &iobase, &irq);
	dev = aml_device(a, name);
	aml_name(a, "_HID");
	aml_eisaid(a, "PNP0501");
	aml_name_int(a, "_UID", index + 1);
	aml_name_int(a, "_STA", 0xf);
	res = aml_res(a);
	aml_res_io(a, iobase, 8);
	aml_res_irq(a, irq);
	aml_res_end(a, res);
	aml_end(a, dev);
}

static uint64_t build_dsdt(struct vm *vm, struct aml *a)
{
	size_t mark = table_begin(a, "DSDT", 2), scope, pkg;
	unsigned int serial = serial_ports(vm);

	scope = aml_scope(a, "\\_SB_");
	dsdt_pci(vm, a);
	dsdt_board(a);
	dsdt_rtc(a);
	for (unsigned int i = 0; i < SERIAL_MAX; i++)
		if (serial & 1u << i)
			dsdt_serial(a, i);
	aml_end(a, scope);

	if (vm->cfg->mem_slots)
		dimm_aml(vm, a);

	aml_name(a, "\\_S5_");
	pkg = aml_package(a, 4);
	aml_int(a, SLEEP_TYPE_S5);
	aml_int(a, SLEEP_TYPE_S5);
	aml_int(a, 0);
	aml_int(a, 0);
	aml_end(a, pkg);
	return table_end(a, mark);
}

static uint64_t build_facs(struct aml *a)
{
	struct facs facs = { .signature = { 'F', 'A', 'C', 'S' }, .length = sizeof(facs) };
	uint64_t addr;

	facs.rest[24] = 2;		/* version */
	area_align(a, 64);
	addr = a->len;
	aml_raw(a, &facs, sizeof(facs));
	return addr;
}

static uint64_t build_fadt(const struct vm *vm, struct aml *a, uint64_t dsdt, uint64_t facs)
{
	size_t mark = table_begin(a, "FACP", 6);
	struct fadt f = {
		.facs = (uint32_t)facs,
		.dsdt = (uint32_t)dsdt,
		.sci_irq = PC_SCI_IRQ,
		.pm1a_evt = PM_BASE,
		.pm1a_cnt = PM_CNT,
		.pm_tmr = PM_TMR,
		.pm1_evt_len = 4,
		.pm1_cnt_len = 2,
		.pm_tmr_len = 4,
		.p_lvl2_lat = 0xfff,	/* no C2, no C3 */
		.p_lvl3_lat = 0xfff,
		.century = 0x32,
		.boot_arch = BOOT_LEGACY_DEVICES | BOOT_NO_VGA | BOOT_NO_ASPM,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC |
			 FADT_TMR_VAL_EXT | FADT_RESET_REG,
		.reset_reg = GAS_IO(0xcf9, 8, 1),
		.reset_value = 6,
		.x_facs = 0,		/* the 32-bit field holds it; never both */
		.x_dsdt = dsdt,
		.x_pm1a_evt = GAS_IO(PM_BASE, 32, 2),
		.x_pm1a_cnt = GAS_IO(PM_CNT, 16, 2),
		.x_pm_tmr = GAS_IO(PM_TMR, 32, 3),
	};

	if (vm->cfg->mem_slots) {
		f.gpe0 = GPE_BASE;
		f.gpe0_len = GPE_SIZE;
		f.x_gpe0 = (struct gas)GAS_IO(GPE_BASE, 8 * GPE_SIZE, 1);
	}
	aml_raw(a, (const uint8_t *)&f + sizeof(f.sdt), sizeof(f) - sizeof(f.sdt));
	has_pointer(a, mark + offsetof(struct fadt, facs), sizeof(f.facs));
	has_pointer(a, mark + offsetof(struct fadt, dsdt), sizeof(f.dsdt));
	has_pointer(a, mark + offsetof(struct fadt, x_dsdt), sizeof(f.x_dsdt));
	return table_end(a, mark);
}

static uint64_t build_madt(struct vm *vm, struct aml *a)
{
	size_t mark = table_begin(a, "APIC", 4);
	struct madt_ioapic ioapic = { 1, sizeof(ioapic), 0, 0, IOAPIC_ADDR, 0 };
	/* Timer: edge, high, at pin 2. SCI: level, high, where it always is. */
	struct madt_override timer = { 2, sizeof(timer), 0, 0, 2, 0 };
	struct madt_override sci = { 2, sizeof(sci), 0, PC_SCI_IRQ, PC_SCI_IRQ, 0xd };
	struct madt_nmi nmi = { 4, sizeof(nmi), 0xff, 0, 1 };
	uint32_t head[2] = { LAPIC_ADDR, 1 };	/* flags: there are 8259s as well */

	aml_raw(a, head, sizeof(head));
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct madt_lapic lapic = { 0, sizeof(lapic), (uint8_t)i, (uint8_t)cpu_apic_id(vm->cfg, i), 1 };

		aml_raw(a, &lapic, sizeof(lapic));
	}
	aml_raw(a, &ioapic, sizeof(ioapic));
	aml_raw(a, &timer, sizeof(timer));
	aml_raw(a, &sci, sizeof(sci));
	aml_raw(a, &nmi, sizeof(nmi));
	return table_end(a, mark);
}

static void build_xsdt(struct aml *a, const uint64_t *tables, unsigned int nr)
{
	size_t mark = table_begin(a, "XSDT", 1), rsdp = 0;
	uint64_t xsdt;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		has_pointer(a, a->len, sizeof(tables[i]));
		aml_raw(a, &tables[i], sizeof(tables[i]));
	}
	xsdt = table_end(a, mark);
	memcpy(a->buf + rsdp + offsetof(struct rsdp, xsdt), &xsdt, sizeof(xsdt));
	has_pointer(a, rsdp + offsetof(struct rsdp, xsdt), sizeof(xsdt));
	has_sum(a, rsdp + offsetof(struct rsdp, checksum), rsdp, ACPI_RSDP_V1_LEN);
	has_sum(a, rsdp + offsetof(struct rsdp, ext_checksum), rsdp, sizeof(struct rsdp));
}

int acpi_tables(struct vm *vm, struct acpi_tables *t, void *buf, size_t size)
{
	static const struct rsdp rsdp = {
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.oem_id = { 'S', 'H', 'U', 'N', 'T', ' ' },
		.revision = 2,
		.length = sizeof(rsdp),
	};
	struct aml *a = &t->aml;
	uint64_t dsdt, facs, tables[2];

	_Static_assert(sizeof(rsdp) == ACPI_RSDP_LEN, "the RSDP comes first");
	*t = (struct acpi_tables){ .aml = { .buf = buf, .cap = size } };
	aml_raw(a, &rsdp, sizeof(rsdp));
	area_align(a, ACPI_TABLES_AT);
	dsdt = build_dsdt(vm, a);
	facs = build_facs(a);
	tables[0] = build_fadt(vm, a, dsdt, facs);
	tables[1] = build_madt(vm, a);
	build_xsdt(a, tables, 2);
	return a->full ? log_err("ACPI tables outgrew their %zu bytes", size) : 0;
}

/* As firmware would do it */
static void tables_fix(struct acpi_tables *t, uint64_t base)
{
	uint8_t *buf = t->aml.buf;
	unsigned int i;

	for (i = 0; i < t->nr_pointers; i++) {
		uint64_t v = 0;

		memcpy(&v, buf + t->pointer[i].at, t->pointer[i].size);
		v += base;
		memcpy(buf + t->pointer[i].at, &v, t->pointer[i].size);
	}
	for (i = 0; i < t->nr_sums; i++)
		buf[t->sum[i].at] = checksum(buf + t->sum[i].start, t->sum[i].len);
}

uint64_t acpi_build(struct vm *vm)
{
	uint16_t *ebda = vm_ram(vm, 0x40e, sizeof(*ebda));
	void *area = vm_ram(vm, BOOT_ACPI, BOOT_SMBIOS - BOOT_ACPI);
	struct acpi_tables t;

	if (!area || !ebda) {
		log_err("-m: no room for ACPI tables");
		return 0;
	}
	*ebda = BOOT_EBDA >> 4;
	if (acpi_tables(vm, &t, area, BOOT_SMBIOS - BOOT_ACPI))
		return 0;
	tables_fix(&t, BOOT_ACPI);
	return BOOT_ACPI;
}

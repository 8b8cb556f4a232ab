// SPDX-License-Identifier: GPL-2.0
/* What firmware is told about the machine, by fw_cfg; SeaBIOS is what it is made for. */
#include "machine.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "boot.h"
#include "boot_order.h"
#include "fw_cfg.h"
#include "serial.h"
#include "smbios.h"

/* --- memory --- */

struct e820 {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

/* What is below 1 MiB, and its own code, firmware knows better. */
static int tell_memory(struct vm *vm)
{
	struct e820 map[] = {
		{ KVM_IDENTITY_MAP, 0x4000, E820_RESERVED },
		{ vm->slot[0].gpa, vm->slot[0].size, E820_RAM },
		{ vm->slot[1].gpa, vm->slot[1].size, E820_RAM },
	};
	unsigned int nr = vm->nr_slots > 1 && !vm->slot[1].hot ? 3 : 2;

	return fw_cfg_int(vm, FW_CFG_RAM_SIZE, vm->ram_size, 8) ?:
	       fw_cfg_file(vm, "etc/e820", map, nr * sizeof(map[0]));
}

/* --- ACPI tables: a script says where they go, and what is then to be made right in them --- */

#define RSDP_FILE	"etc/acpi/rsdp"
#define TABLES_FILE	"etc/acpi/tables"
#define TABLES_MAX	0x10000

#define NAME_SIZE	56

enum { CMD_ALLOCATE = 1, CMD_POINTER = 2, CMD_SUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };

/* Numbers are little-endian */
struct command {
	uint32_t command;
	union {
		struct {
			char file[NAME_SIZE];
			uint32_t align;
			uint8_t zone;
		} __attribute__((packed)) allocate;
		struct {
			char file[NAME_SIZE];
			char to[NAME_SIZE];
			uint32_t at;
			uint8_t size;
		} __attribute__((packed)) pointer;
		struct {
			char file[NAME_SIZE];
			uint32_t at, start, len;
		} __attribute__((packed)) sum;
		uint8_t pad[124];
	};
} __attribute__((packed));

_Static_assert(sizeof(struct command) == 128, "as firmware reads it");

struct script {
	struct command cmd[2 + 2 * ACPI_FIXES];
	unsigned int nr;
};

static void add_file(struct script *s, const char *name, uint32_t align, uint8_t zone)
{
	struct command *c = &s->cmd[s->nr++];

	c->command = htole32(CMD_ALLOCATE);
	strcpy(c->allocate.file, name);
	c->allocate.align = htole32(align);
	c->allocate.zone = zone;
}

static const char *file_of(size_t at, uint32_t *off)
{
	*off = htole32((uint32_t)(at < ACPI_TABLES_AT ? at : at - ACPI_TABLES_AT));
	return at < ACPI_TABLES_AT ? RSDP_FILE : TABLES_FILE;
}

/* All addresses are of tables. */
static void add_pointer(struct script *s, struct acpi_tables *t, const struct acpi_pointer *p)
{
	struct command *c = &s->cmd[s->nr++];
	uint64_t v = 0;
	uint32_t at;

	memcpy(&v, t->aml.buf + p->at, p->size);
	v -= ACPI_TABLES_AT;
	memcpy(t->aml.buf + p->at, &v, p->size);
	c->command = htole32(CMD_POINTER);
	strcpy(c->pointer.file, file_of(p->at, &at));
	strcpy(c->pointer.to, TABLES_FILE);
	c->pointer.at = at;
	c->pointer.size = (uint8_t)p->size;
}

static void add_sum(struct script *s, const struct acpi_sum *sum)
{
	struct command *c = &s->cmd[s->nr++];
	uint32_t at, start;

	c->command = htole32(CMD_SUM);
	strcpy(c->sum.file, file_of(sum->at, &at));
	file_of(sum->start, &start);
	c->sum.at = at;
	c->sum.start = start;
	c->sum.len = htole32((uint32_t)sum->len);
}

static int tell_tables(struct vm *vm, struct acpi_tables *t, struct script *s, uint8_t *buf)
{
	unsigned int i;

	if (acpi_tables(vm, t, buf, TABLES_MAX))
		return -1;
	add_file(s, RSDP_FILE, 16, ZONE_FSEG);
	add_file(s, TABLES_FILE, 64, ZONE_HIGH);
	for (i = 0; i < t->nr_pointers; i++)
		add_pointer(s, t, &t->pointer[i]);
	for (i = 0; i < t->nr_sums; i++)
		add_sum(s, &t->sum[i]);
	return fw_cfg_file(vm, RSDP_FILE, buf, ACPI_RSDP_LEN) ?:
	       fw_cfg_file(vm, TABLES_FILE, buf + ACPI_TABLES_AT, t->aml.len - ACPI_TABLES_AT) ?:
	       fw_cfg_file(vm, "etc/table-loader", s->cmd, s->nr * sizeof(s->cmd[0]));
}

static int tell_acpi(struct vm *vm)
{
	struct acpi_tables t;
	struct script *s = calloc(1, sizeof(*s));
	uint8_t *buf = malloc(TABLES_MAX);
	int ret = s && buf ? tell_tables(vm, &t, s, buf) : log_err("out of memory");

	free(buf);
	free(s);
	return ret;
}

/* --- what to boot --- */

static int tell_order(struct vm *vm)
{
	char *order = boot_order_text(vm->cfg->boot_strict);
	int ret = fw_cfg_int(vm, FW_CFG_BOOT_MENU, vm->cfg->boot_menu, 2);

	/* with its zero */
	if (!ret && order)
		ret = fw_cfg_file(vm, "bootorder", order, strlen(order) + 1);
	free(order);
	return ret;
}

/* --- all of it --- */

/* There is no screen: what firmware and boot loaders have to say, they say to the first serial port. */
int firmware_begin(struct vm *vm)
{
	return fw_cfg_int(vm, FW_CFG_NOGRAPHIC, serial_ports(vm) & 1, 2) ?:
	       fw_cfg_int(vm, FW_CFG_NB_CPUS, vm->nr_vcpus, 2) ?:
	       fw_cfg_int(vm, FW_CFG_MAX_CPUS, cpu_apic_id(vm->cfg, vm->nr_vcpus - 1) + 1, 2) ?:
	       fw_cfg_int(vm, FW_CFG_IRQ0_OVERRIDE, 1, 1) ?:
	       tell_memory(vm) ?: tell_acpi(vm) ?: smbios_tell(vm) ?: tell_order(vm) ?: rom_shadow(vm);
}

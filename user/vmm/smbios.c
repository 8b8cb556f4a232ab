// SPDX-License-Identifier: GPL-2.0
/* SMBIOS 2.8: what the machine is called and made of, for firmware to place, or placed here where a kernel is entered directly. */
#define _GNU_SOURCE
#include "smbios.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "boot.h"
#include "cmdline.h"
#include "fw_cfg.h"

#define MAKER		"Shunt"
#define UNKNOWN		0xfffe		/* handle of error information: there is none */
#define ARRAY		0x1000		/* handle of the memory array */
#define MEMORY		0x1100		/* and of what is in it */
#define CPU		0x0400
#define LATER		0x7fff		/* the size is in a field behind */
#define TABLES_MAX	0x8000

struct entry_point {
	char anchor[4];
	uint8_t sum, len, major, minor;
	uint16_t most;
	uint8_t revision, formatted[5];
	char dmi[5];
	uint8_t dmi_sum;
	uint16_t tables_len;
	uint32_t tables;
	uint16_t nr;
	uint8_t bcd;
} __attribute__((packed));

_Static_assert(sizeof(struct entry_point) == 31, "as SMBIOS has it");

/* @most: bytes of the longest structure */
struct smbios {
	uint8_t buf[TABLES_MAX];
	size_t len, most;
	uint16_t nr;
};

/* One structure: @fields is its formatted part, of which the header's four bytes are filled in; NULL ends the strings. */
static void add(struct smbios *s, uint8_t type, uint16_t handle, void *fields, size_t len, const char *const *strings)
{
	uint8_t *f = fields, *p = s->buf + s->len, *end = s->buf + TABLES_MAX;
	size_t n;

	f[0] = type;
	f[1] = (uint8_t)len;
	f[2] = (uint8_t)handle;
	f[3] = (uint8_t)(handle >> 8);
	n = len + 2;
	for (unsigned int i = 0; strings && strings[i]; i++)
		n += strlen(strings[i]) + 1;
	/* 64 sockets and names of a reasonable length fit; what does not is left out rather than cut */
	if (n > (size_t)(end - p))
		return;
	memcpy(p, f, len);
	p += len;
	for (unsigned int i = 0; strings && strings[i]; i++)
		p = (uint8_t *)stpcpy((char *)p, strings[i]) + 1;
	*p++ = 0;
	if (!strings || !strings[0])
		*p++ = 0;
	n = (size_t)(p - s->buf) - s->len;
	s->most = n > s->most ? n : s->most;
	s->len += n;
	s->nr++;
}

static void put(uint8_t *f, unsigned int at, uint64_t v, unsigned int len)
{
	for (; len--; v >>= 8)
		f[at++] = (uint8_t)v;
}

static void add_bios(struct smbios *s)
{
	uint8_t f[24] = { [4] = 1, [5] = 2, [8] = 3, [10] = 8, [19] = 0x14, [22] = 0xff, [23] = 0xff };

	put(f, 6, 0xf000, 2);
	add(s, 0, 0, f, sizeof(f), (const char *const[]){ MAKER, SHUNT_VERSION, "01/01/2011", NULL });
}

/* The first three fields of a UUID are numbers, in little-endian order. */
static void put_uuid(uint8_t *to, const char *uuid)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	unsigned int i, byte;

	for (i = 0; i < 16 && sscanf(uuid, "%2x", &byte) == 1; i++) {
		to[order[i]] = (uint8_t)byte;
		uuid += 2 + (uuid[2] == '-');
	}
}

static void add_system(struct smbios *s, const struct vm_config *cfg)
{
	uint8_t f[27] = { [4] = 1, [5] = 2, [6] = 3, [24] = 6, [26] = 4 };
	const char *const strings[] = { MAKER, "Standard PC", "pc", "Virtual Machine", cfg->name, NULL };

	if (cfg->name && *cfg->name)
		f[7] = 5;
	if (cfg->uuid)
		put_uuid(f + 8, cfg->uuid);
	add(s, 1, 0x100, f, sizeof(f), strings);
}

static void add_chassis(struct smbios *s)
{
	uint8_t f[22] = { [4] = 1, [5] = 1, [9] = 3, [10] = 3, [11] = 3, [12] = 2 };

	add(s, 3, 0x300, f, sizeof(f), (const char *const[]){ MAKER, NULL });
}

static void add_cpus(struct smbios *s, const struct vm_config *cfg)
{
	unsigned int i;

	for (i = 0; i < cfg->cpus / (cfg->cores * cfg->threads); i++) {
		uint8_t f[42] = { [4] = 1, [5] = 3, [6] = 1, [7] = 2, [24] = 0x41, [25] = 1 };
		char name[16];

		snprintf(name, sizeof(name), "CPU %u", i);
		memset(f + 26, 0xff, 6);	/* no caches */
		f[35] = f[36] = (uint8_t)cfg->cores;
		f[37] = (uint8_t)(cfg->cores * cfg->threads);
		put(f, 38, 2, 2);
		put(f, 40, 1, 2);
		add(s, 4, (uint16_t)(CPU + i), f, sizeof(f), (const char *const[]){ name, MAKER, NULL });
	}
}

static void add_range(struct smbios *s, const struct vm_mem_slot *slot, unsigned int n)
{
	uint64_t first = slot->gpa >> 10, last = ((slot->gpa + slot->size) >> 10) - 1;
	uint8_t f[31] = { [14] = 1 };

	/* where 32 bits of KiB do not reach: all ones, and bytes behind */
	put(f, 4, last < UINT32_MAX ? first : UINT32_MAX, 4);
	put(f, 8, last < UINT32_MAX ? last : UINT32_MAX, 4);
	put(f, 12, ARRAY, 2);
	if (last >= UINT32_MAX) {
		put(f, 15, slot->gpa, 8);
		put(f, 23, slot->gpa + slot->size - 1, 8);
	}
	add(s, 19, (uint16_t)(0x1300 + n), f, sizeof(f), NULL);
}

static void add_memory(struct smbios *s, struct vm *vm)
{
	uint64_t kib = vm->ram_size >> 10, mib = vm->ram_size >> 20;
	uint8_t array[23] = { [4] = 1, [5] = 3, [6] = 3 }, device[34] = { [14] = 9, [16] = 1, [18] = 7, [19] = 2, [23] = 2 };
	unsigned int i;

	put(array, 7, kib < 0x80000000u ? kib : 0x80000000u, 4);
	put(array, 11, UNKNOWN, 2);
	put(array, 13, 1, 2);
	put(array, 15, kib < 0x80000000u ? 0 : vm->ram_size, 8);
	add(s, 16, ARRAY, array, sizeof(array), NULL);
	put(device, 4, ARRAY, 2);
	put(device, 6, UNKNOWN, 2);
	memset(device + 8, 0xff, 4);
	put(device, 12, mib < LATER ? mib : LATER, 2);
	put(device, 28, mib < LATER ? 0 : mib, 4);
	add(s, 17, MEMORY, device, sizeof(device), (const char *const[]){ "DIMM 0", MAKER, NULL });
	for (i = 0; i < vm->nr_slots && i < 2 && !vm->slot[i].hot; i++)
		add_range(s, &vm->slot[i], i);
}

static uint8_t sum_of(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

/* @bios: and what is usually said by firmware */
static struct smbios *tables_make(struct vm *vm, struct entry_point *ep, uint32_t at, bool bios)
{
	struct smbios *s = calloc(1, sizeof(*s));
	uint8_t boot[11] = { 0 }, end[4] = { 0 };

	if (!s) {
		log_err("out of memory");
		return NULL;
	}
	if (bios)
		add_bios(s);
	add_system(s, vm->cfg);
	add_chassis(s);
	add_cpus(s, vm->cfg);
	add_memory(s, vm);
	add(s, 32, 0x2000, boot, sizeof(boot), NULL);
	add(s, 127, 0x7f00, end, sizeof(end), NULL);
	*ep = (struct entry_point){
		.anchor = "_SM_", .len = sizeof(*ep), .major = 2, .minor = 8, .most = htole16((uint16_t)s->most), .dmi = "_DMI_",
		.tables_len = htole16((uint16_t)s->len), .tables = htole32(at), .nr = htole16(s->nr), .bcd = 0x28,
	};
	ep->dmi_sum = sum_of(ep->dmi, sizeof(*ep) - offsetof(struct entry_point, dmi));
	ep->sum = sum_of(ep, sizeof(*ep));
	return s;
}

int smbios_tell(struct vm *vm)
{
	struct entry_point ep;
	struct smbios *s = tables_make(vm, &ep, 0, false);
	int ret = s ? fw_cfg_file(vm, "etc/smbios/smbios-tables", s->buf, s->len) ?:
		  fw_cfg_file(vm, "etc/smbios/smbios-anchor", &ep, sizeof(ep)) : -1;

	free(s);
	return ret;
}

int smbios_build(struct vm *vm)
{
	struct entry_point ep;
	uint8_t *area = vm_ram(vm, BOOT_SMBIOS, BOOT_HIGH - BOOT_SMBIOS);
	struct smbios *s = tables_make(vm, &ep, BOOT_SMBIOS + 32, true);

	if (!s || !area) {
		free(s);
		return s ? log_err("-m: no room for SMBIOS tables") : -1;
	}
	memcpy(area, &ep, sizeof(ep));
	memcpy(area + 32, s->buf, s->len);
	free(s);
	return 0;
}

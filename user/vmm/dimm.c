// SPDX-License-Identifier: GPL-2.0
/*
 * pc-dimm. For each slot the DSDT has a device, whose status and resources are in ports: so the guest reads where the
 * memory is as the descriptor that _CRS returns. A general purpose event says that there is a new one, after all
 * back ends have been told of it: by then the guest may have any of them read or write there.
 */
#define _GNU_SOURCE
#include "dimm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "aml.h"
#include "cmdline.h"
#include "device.h"
#include "machine.h"
#include "virtio_pci.h"

#define MIB		(1ull << 20)
/* What Linux takes at a time, and where the first one is at the earliest, behind the memory of -m */
#define DIMM_UNIT	(128 * MIB)
#define DIMM_ALIGN	(1024 * MIB)

/* Ports: so many for each slot */
#define PORTS_BASE	0xa00
#define PORTS_SLOT	64
#define PORT_STATUS	0
#define PORT_EVENT	1		/* reading it clears it */
#define PORT_RESOURCES	2
#define STATUS_THERE	0xf

/* QWord address space descriptor and end tag: ACPI 6, 6.4.3.5.1 and 6.4.2.9 */
struct resources {
	uint8_t tag;
	uint16_t length;
	uint8_t type, flags, type_flags;
	uint64_t granularity, min, max, translation, size;
	uint8_t end, sum;
} __attribute__((packed));

_Static_assert(PORT_RESOURCES + sizeof(struct resources) <= PORTS_SLOT, "fits");

/**
 * struct dimm
 * @there: the guest may see it; @event: it has not asked since; device lock
 */
struct dimm {
	char *id, *memdev;
	struct ram_area area;
	uint64_t gpa;
	bool there, event, hot;
};

static struct {
	struct vm *vm;
	struct dimm dimm[VM_MAX_DIMMS];
	unsigned int nr;
	struct bus_range ports;
	struct vm_hook hook;
} dimms;

struct dimm_props {
	char *memdev;
};

/* ---- what the guest sees ---- */

static void resources_fill(struct resources *r, const struct dimm *d)
{
	*r = (struct resources){
		.tag = 0x8a, .length = offsetof(struct resources, end) - 3,
		.flags = 0x0c,		/* both ends are fixed */
		.type_flags = 3,	/* cacheable, may be written */
		.min = d->gpa, .max = d->gpa + d->area.size - 1, .size = d->area.size,
		.end = 0x79,
	};
}

static uint8_t port_read(struct dimm *d, unsigned int port)
{
	struct resources r;
	bool event = d->event;

	if (!d->there)
		return 0;
	switch (port) {
	case PORT_STATUS:
		return STATUS_THERE;
	case PORT_EVENT:
		d->event = false;
		return event;
	}
	resources_fill(&r, d);
	port -= PORT_RESOURCES;
	return port < sizeof(r) ? ((const uint8_t *)&r)[port] : 0;
}

static uint64_t ports_read(void *dev, uint64_t off, unsigned int len)
{
	uint64_t v = 0;

	(void)dev;
	for (unsigned int i = 0; i < len; i++, off++)
		v |= (uint64_t)port_read(&dimms.dimm[off / PORTS_SLOT], off % PORTS_SLOT) << 8 * i;
	return v;
}

static void ports_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	(void)dev;
	(void)off;
	(void)val;
	(void)len;
}

static const struct bus_ops ports_ops = { .read = ports_read, .write = ports_write };

void dimm_aml(const struct vm *vm, struct aml *a)
{
	unsigned int n = vm->cfg->mem_slots, i;
	char mem[] = "MP00", event[] = "EV00", path[] = "\\._SB_MP00";
	size_t scope, inner, method;

	scope = aml_scope(a, "\\_SB_");
	for (i = 0; i < n; i++) {
		mem[3] = (char)('0' + i);
		inner = aml_device(a, mem);
		aml_name(a, "_HID");
		aml_eisaid(a, "PNP0C80");
		aml_name_int(a, "_UID", i);
		aml_region_io(a, "PORT", (uint16_t)(PORTS_BASE + i * PORTS_SLOT), PORTS_SLOT);
		method = aml_field(a, "PORT");
		aml_field_bits(a, "STAT", 8);
		aml_field_bits(a, NULL, 8 * (PORT_RESOURCES - 1));
		aml_field_bits(a, "RES_", 8 * sizeof(struct resources));
		aml_end(a, method);
		aml_method_returns(a, "_STA", "STAT");
		aml_method_returns(a, "_CRS", "RES_");
		aml_end(a, inner);
	}
	aml_end(a, scope);

	scope = aml_scope(a, "\\_GPE");
	aml_region_io(a, "PORT", PORTS_BASE, (uint16_t)(n * PORTS_SLOT));
	inner = aml_field(a, "PORT");
	aml_field_bits(a, NULL, 8 * PORT_EVENT);
	for (i = 0; i < n; i++) {
		event[3] = (char)('0' + i);
		aml_field_bits(a, event, 8);
		aml_field_bits(a, NULL, 8 * (PORTS_SLOT - 1));
	}
	aml_end(a, inner);
	method = aml_method(a, "_E03");
	for (i = 0; i < n; i++) {
		event[3] = (char)('0' + i);
		path[sizeof(path) - 2] = (char)('0' + i);
		inner = aml_if(a, event);
		aml_notify(a, path, 1);		/* device check */
		aml_end(a, inner);
	}
	aml_end(a, method);
	aml_end(a, scope);
}

/* Every back end knows; device lock held. */
static void dimms_told(void)
{
	bool event = false;

	for (unsigned int i = 0; i < dimms.nr; i++) {
		struct dimm *d = &dimms.dimm[i];

		event |= !d->there;
		d->event |= !d->there;
		d->there = true;
	}
	if (event)
		pc_gpe(dimms.vm, GPE_MEMORY);
}

/* The next system looks at all slots when it starts. Back ends were stopped before. */
static void dimms_reset(void *dev)
{
	(void)dev;
	for (unsigned int i = 0; i < dimms.nr; i++) {
		dimms.dimm[i].there = true;
		dimms.dimm[i].event = false;
	}
}

static void dimms_destroy(void *dev)
{
	(void)dev;
	for (unsigned int i = 0; i < dimms.nr; i++) {
		free(dimms.dimm[i].id);
		free(dimms.dimm[i].memdev);
	}
	/* The memory itself: KVM has it until the process ends. */
	dimms.nr = 0;
}

/* ---- plugging ---- */

int dimm_init(struct vm *vm)
{
	dimms.ports = (struct bus_range){ PORTS_BASE, VM_MAX_DIMMS * PORTS_SLOT, &ports_ops, NULL, "pc-dimm" };
	if (bus_add(&vm->pio, &dimms.ports))
		return log_err("pc-dimm: its ports are taken");
	dimms.vm = vm;
	dimms.hook = (struct vm_hook){ .reset = dimms_reset, .destroy = dimms_destroy };
	vm_hook(vm, &dimms.hook);
	return 0;
}

static int dimm_check(const struct vm *vm, const char *id, const struct memory_backend *m)
{
	unsigned int i;

	if (dimms.nr == vm->cfg->mem_slots)
		return log_err("-device pc-dimm: no slot is free; -m slots= says how many there are");
	for (i = 0; i < dimms.nr; i++) {
		if (id && dimms.dimm[i].id && !strcmp(id, dimms.dimm[i].id))
			return log_err("-device pc-dimm: id %s given twice", id);
		if (!strcmp(m->id, dimms.dimm[i].memdev))
			return log_err("-device pc-dimm: memdev=%s is in use", m->id);
	}
	if (m->size % DIMM_UNIT)
		return log_err("-device pc-dimm: memdev=%s: its size is not a multiple of 128M", m->id);
	if (m->size > vm->cfg->mem_max - vm_mem_total(vm))
		return log_err("-device pc-dimm: memdev=%s: more than -m maxmem= leaves, %lluM", m->id,
			       (unsigned long long)(vm->cfg->mem_max - vm_mem_total(vm)) / MIB);
	return 0;
}

/* Behind the last one, or behind the memory of -m */
static uint64_t dimm_place(const struct vm *vm)
{
	const struct vm_mem_slot *last = &vm->slot[vm->nr_slots - 1];
	uint64_t end = last->gpa + last->size;

	if (last->hot)
		return end;
	return end < VM_HIGH_RAM ? VM_HIGH_RAM : (end + DIMM_ALIGN - 1) / DIMM_ALIGN * DIMM_ALIGN;
}

static int dimm_make(struct vm *vm, struct dimm *d, const struct memory_backend *m)
{
	struct vm_mem_slot slot = { .gpa = dimm_place(vm), .size = m->size, .hot = true };

	d->area = (struct ram_area){
		.opt = "pc-dimm", .path = m->mem_path, .size = m->size, .hugetlb_size = m->hugetlb_size,
		.prealloc = m->prealloc,
	};
	if (ram_area_make(&d->area))
		return -1;
	slot.fd = d->area.fd;
	slot.host = d->area.base;
	d->gpa = slot.gpa;
	if (!ram_slot_add(vm, &slot))
		return 0;
	ram_area_free(&d->area);
	return -1;
}

/* Return: the new one, which nobody knows of yet; NULL after one logged line */
static struct dimm *dimm_plug(struct vm *vm, const char *id, const char *memdev)
{
	struct dimm *d = &dimms.dimm[dimms.nr];
	struct memory_backend m;

	if (!vm->cfg->mem_slots) {
		log_err("-device pc-dimm: there are no slots for it; pass -m SIZE,slots=N,maxmem=SIZE");
		return NULL;
	}
	if (memory_backend_find(memdev, &m)) {
		log_err("-device pc-dimm: memdev=%s: no such -object, or it is guest RAM", memdev);
		return NULL;
	}
	if (dimm_check(vm, id, &m))
		return NULL;
	*d = (struct dimm){ .id = id ? strdup(id) : NULL, .memdev = strdup(memdev) };
	if (!d->memdev || (id && !d->id) || dimm_make(vm, d, &m)) {
		free(d->id);
		free(d->memdev);
		return NULL;
	}
	dimms.nr++;
	return d;
}

static int dimm_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	const struct dimm_props *p = props;
	struct dimm *d = dimm_plug(vm, id, p->memdev);

	(void)type;
	if (!d)
		return -1;
	d->there = true;
	return 0;
}

static const struct prop dimm_props[] = {
	PROP("memdev", PROP_STR, struct dimm_props, memdev, .required = true,
	     .help = "id of an -object memory-backend-*, whose memory it is"),
	{ .type = PROP_END },
};

const struct device_type pc_dimm_type = {
	.name = "pc-dimm", .desc = "memory, which may come while the guest runs", .bus = "System",
	.props = dimm_props, .props_size = sizeof(struct dimm_props), .create = dimm_create,
};

static int hot_add(struct vm *vm, const char *id, const struct dimm_props *p)
{
	struct dimm *d;

	if (id && cmdline_check_id("device_add", id, true))
		return -1;
	vm_lock(vm);
	d = dimm_plug(vm, id, p->memdev);
	if (d) {
		d->hot = true;
		virtio_memory_added(vm, dimms_told);
	}
	vm_unlock(vm);
	return d ? 0 : -1;
}

int dimm_device_add(struct vm *vm, const char *arg)
{
	struct dimm_props p = { 0 };
	struct keyvals kvs;
	const char *driver, *id;
	int ret = -1;

	if (keyvals_parse(&kvs, "device_add", "driver", arg))
		return -1;
	driver = keyvals_take(&kvs, "driver");
	id = keyvals_take(&kvs, "id");
	if (!driver || strcmp(driver, pc_dimm_type.name))
		log_err("device_add %s: only pc-dimm can be added while the machine is there", driver ? driver : "");
	else if (!props_apply(dimm_props, &p, "device_add pc-dimm", &kvs))
		ret = hot_add(vm, id, &p);
	keyvals_free(&kvs);
	props_free(dimm_props, &p);
	return ret;
}

void dimm_info(FILE *out)
{
	for (unsigned int i = 0; i < dimms.nr; i++) {
		const struct dimm *d = &dimms.dimm[i];

		fprintf(out, "Memory device [dimm]: \"%s\"\n  addr: 0x%llx\n  slot: %u\n  memdev: %s\n  size: %llu\n"
			"  hotplugged: %s\n", d->id ? d->id : "", (unsigned long long)d->gpa, i, d->memdev,
			(unsigned long long)d->area.size, d->hot ? "true" : "false");
	}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * One PCI bus behind a host bridge: configuration mechanism #1, configuration space, BARs, INTx.
 *
 * Context: device lock held (bus_ops), except for creation and destruction. The guest owns every value
 * that arrives here: it may move BARs anywhere, over each other or over RAM, and toggle decoding at any
 * time. A BAR that does not fit where the guest wants it is just not decoded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/pci_regs.h>
#include "pci.h"
#include "msix.h"
#include "../lib/log.h"

#define CONFIG_ADDRESS		0xcf8
#define CONFIG_ENABLE		0x80000000u
#define RESET_PORT_OFF		1	/* 0xcf9, inside CONFIG_ADDRESS, byte accesses only */

#define NR_INTX_GSI		8
#define HEADER_MULTIFUNCTION	0x80

struct pci_bus {
	struct vm *vm;
	struct bus_range ports;
	uint32_t config_address;
	struct pci_dev *dev[256];		/* by devfn */
	unsigned int asserted[NR_INTX_GSI];	/* devices that pull each line */
	struct pci_dev host;
};

static uint16_t get16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v;
	p[1] = v >> 8;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v);
	put16(p + 2, v >> 16);
}

static unsigned int bar_reg(unsigned int bar)
{
	return PCI_BASE_ADDRESS_0 + 4 * bar;
}

const char *const pci_buses[] = { "pci.0", "pci", NULL };

/* ---- BARs ---- */

static void bar_unmap(struct pci_dev *d, unsigned int n)
{
	struct pci_bar *b = &d->bar[n];

	if (!b->mapped)
		return;
	b->mapped = false;
	bus_del(b->pio ? &d->vm->pio : &d->vm->mmio, &b->range);
	if (d->ops->bar_moved)
		d->ops->bar_moved(d, n, PCI_UNMAPPED);
}

static void bar_map(struct pci_dev *d, unsigned int n, uint64_t addr)
{
	struct pci_bar *b = &d->bar[n];

	b->range.base = addr;
	b->range.size = b->size;
	if (bus_add(b->pio ? &d->vm->pio : &d->vm->mmio, &b->range)) {
		if (!b->overlap_logged)
			log_warn("%s: BAR %u at %#llx overlaps another device, not mapped", d->name, n,
				 (unsigned long long)addr);
		b->overlap_logged = true;
		return;
	}
	b->mapped = true;
	if (d->ops->bar_moved)
		d->ops->bar_moved(d, n, addr);
}

/* Where the guest's register says the BAR is; sizing writes and zero decode nowhere. */
static uint64_t bar_wanted(const struct pci_dev *d, unsigned int n)
{
	const struct pci_bar *b = &d->bar[n];
	uint16_t cmd = get16(d->cfg + PCI_COMMAND);
	uint64_t addr = get32(d->cfg + bar_reg(n)), end = b->pio ? 0x10000 : 0xffffffff;

	addr &= ~(b->size - 1);
	if (!(cmd & (b->pio ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
		return PCI_UNMAPPED;
	if (!addr || addr + b->size > end)
		return PCI_UNMAPPED;
	return addr;
}

static void bars_map(struct pci_dev *d)
{
	unsigned int n;

	for (n = 0; n < 6; n++) {
		uint64_t want;

		if (!d->bar[n].size || d->bar[n].mapped)
			continue;
		want = bar_wanted(d, n);
		if (want != PCI_UNMAPPED)
			bar_map(d, n, want);
	}
}

/*
 * First everything that left its place goes, then everything that wants one and has none is placed: two
 * BARs of a device can change places in one write, and a BAR that another had kept out gets in.
 */
static void bars_update(struct pci_dev *d)
{
	unsigned int i, n;

	for (n = 0; n < 6; n++)
		if (d->bar[n].mapped && bar_wanted(d, n) != pci_bar_addr(d, n))
			bar_unmap(d, n);
	bars_map(d);
	for (i = 0; i < 256; i++)
		if (d->vm->pci->dev[i])
			bars_map(d->vm->pci->dev[i]);
}

void pci_bar_init(struct pci_dev *d, unsigned int bar, bool pio, uint64_t size,
		  const struct bus_ops *ops, void *dev)
{
	struct pci_bar *b = &d->bar[bar];

	b->pio = pio;
	b->size = size;
	b->range.ops = ops;
	b->range.dev = dev;
	b->range.size = size;
	put32(d->cfg + bar_reg(bar), pio ? PCI_BASE_ADDRESS_SPACE_IO : PCI_BASE_ADDRESS_SPACE_MEMORY);
	put32(d->wmask + bar_reg(bar), -(uint32_t)size);
}

static uint64_t align_up(uint64_t v, uint64_t size)
{
	return (v + size - 1) & ~(size - 1);
}

void pci_bus_assign(struct vm *vm)
{
	uint64_t mem = VM_MMIO32_BASE, io = VM_PIO_BAR_BASE;
	unsigned int i, n;

	for (i = 0; i < 256; i++) {
		struct pci_dev *d = vm->pci->dev[i];

		for (n = 0; d && n < 6; n++) {
			struct pci_bar *b = &d->bar[n];
			uint64_t *next = b->pio ? &io : &mem;
			uint64_t end = b->pio ? VM_PIO_BAR_END : VM_MMIO32_END, addr;

			if (!b->size)
				continue;
			/* Never two BARs in one page: a guest may want to map them apart. */
			addr = align_up(*next, b->pio || b->size > 4096 ? b->size : 4096);
			if (addr + b->size > end) {
				log_warn("%s: no room for BAR %u", d->name, n);
				continue;
			}
			*next = addr + b->size;
			b->assigned = addr;
			put32(d->cfg + bar_reg(n), addr | (b->pio ? PCI_BASE_ADDRESS_SPACE_IO : 0));
			memcpy(d->cfg_init + bar_reg(n), d->cfg + bar_reg(n), 4);
		}
	}
}

/* ---- INTx ---- */

static bool intx_driven(const struct pci_dev *d)
{
	return d->intx_level && !(get16(d->cfg + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);
}

/* The line is the OR of its devices; @was and @is are what this one contributes. */
static void intx_line(struct pci_dev *d, bool was, bool is)
{
	struct pci_bus *bus = d->vm->pci;
	unsigned int gsi = pci_intx_gsi(d->devfn >> 3, 0), i = gsi - VM_GSI_PCI;

	if (was == is)
		return;
	bus->asserted[i] += is ? 1 : -1;
	if (bus->asserted[i] == (is ? 1 : 0))
		vm_irq_line(d->vm, gsi, is);
}

void pci_intx(struct pci_dev *d, int level)
{
	bool was = intx_driven(d);

	d->intx_level = !!level;
	if (level)
		d->cfg[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	else
		d->cfg[PCI_STATUS] &= ~PCI_STATUS_INTERRUPT;
	intx_line(d, was, intx_driven(d));
}

/* ---- configuration space ---- */

void pci_cfg_store(struct pci_dev *d, unsigned int off, unsigned int len, uint32_t val)
{
	unsigned int i;

	for (i = 0; i < len; i++, val >>= 8) {
		uint8_t m = d->wmask[off + i];

		d->cfg[off + i] = (d->cfg[off + i] & ~m) | (val & m);
	}
}

static uint32_t cfg_read(struct pci_dev *d, unsigned int off, unsigned int len)
{
	uint32_t val = 0;

	if (d->ops->cfg_read && d->ops->cfg_read(d, off, len, &val))
		return val;
	memcpy(&val, d->cfg + off, len);
	return val;
}

static bool overlaps(unsigned int off, unsigned int len, unsigned int start, unsigned int size)
{
	return off < start + size && start < off + len;
}

static void cfg_write(struct pci_dev *d, unsigned int off, unsigned int len, uint32_t val)
{
	bool driven = intx_driven(d);

	if (d->ops->cfg_write && d->ops->cfg_write(d, off, len, val))
		return;
	pci_cfg_store(d, off, len, val);
	intx_line(d, driven, intx_driven(d));
	if (overlaps(off, len, PCI_COMMAND, 2) || overlaps(off, len, PCI_BASE_ADDRESS_0, 24))
		bars_update(d);
	if (d->msix && overlaps(off, len, msix_cap(d->msix), MSIX_CAP_LEN))
		msix_update(d->msix);
}

/* The device that the address register selects; only bus 0 exists. */
static struct pci_dev *selected(struct pci_bus *bus)
{
	if (!(bus->config_address & CONFIG_ENABLE) || (bus->config_address >> 16 & 0xff))
		return NULL;
	return bus->dev[bus->config_address >> 8 & 0xff];
}

static uint64_t ports_read(void *dev, uint64_t off, unsigned int len)
{
	struct pci_bus *bus = dev;
	struct pci_dev *d;

	if (off == 0 && len == 4)
		return bus->config_address;
	if (off == RESET_PORT_OFF && len == 1)
		return vm_cf9_read(bus->vm);
	if (off < 4 || len > 4)
		return -1ull;
	d = selected(bus);
	return d ? cfg_read(d, (bus->config_address & 0xfc) + (off - 4), len) : -1ull;
}

static void ports_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct pci_bus *bus = dev;
	struct pci_dev *d;

	if (off == 0 && len == 4) {
		bus->config_address = val;
		return;
	}
	if (off == RESET_PORT_OFF && len == 1) {
		vm_cf9_write(bus->vm, val);
		return;
	}
	if (off < 4 || len > 4)
		return;
	d = selected(bus);
	if (d)
		cfg_write(d, (bus->config_address & 0xfc) + (off - 4), len, val);
}

static const struct bus_ops ports_ops = { .read = ports_read, .write = ports_write };

/* ---- devices ---- */

void pci_set_ids(struct pci_dev *d, uint16_t vendor, uint16_t device, uint16_t subvendor,
		 uint16_t subdevice, uint32_t class_rev)
{
	put16(d->cfg + PCI_VENDOR_ID, vendor);
	put16(d->cfg + PCI_DEVICE_ID, device);
	put16(d->cfg + PCI_SUBSYSTEM_VENDOR_ID, subvendor);
	put16(d->cfg + PCI_SUBSYSTEM_ID, subdevice);
	put32(d->cfg + PCI_CLASS_REVISION, class_rev);
}

unsigned int pci_cap_add(struct pci_dev *d, uint8_t id, unsigned int len)
{
	unsigned int off = d->cap_end ? d->cap_end : PCI_STD_HEADER_SIZEOF, p = PCI_CAPABILITY_LIST;

	if (off + len > PCI_CFG_SIZE)
		abort();	/* a device type's own list is too long: no input leads here */
	while (d->cfg[p])
		p = d->cfg[p] + 1;
	d->cfg[p] = off;
	d->cfg[off] = id;
	d->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	d->cap_end = align_up(off + len, 4);
	return off;
}

/* The header bits that every device shares. */
static void header_init(struct pci_dev *d)
{
	put16(d->wmask + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
	      PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	d->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
	d->wmask[PCI_INTERRUPT_LINE] = 0xff;
}

int pci_add(struct vm *vm, struct pci_dev *d, struct prop_pciaddr addr)
{
	struct pci_bus *bus = vm->pci;
	unsigned int devfn, n;

	if (addr.set) {
		devfn = addr.slot << 3 | addr.fn;
		if (addr.slot > 31 || addr.fn > 7)
			return log_err("%s: addr: there is no slot %x.%x", d->name, addr.slot, addr.fn);
		if (bus->dev[devfn])
			return log_err("%s: addr: slot %x.%x is taken by %s", d->name, addr.slot, addr.fn,
				       bus->dev[devfn]->name);
		if (addr.fn && !bus->dev[addr.slot << 3])
			return log_err("%s: addr: function %x needs a device at %x.0 before it", d->name,
				       addr.fn, addr.slot);
	} else {
		for (devfn = 0; devfn < 256 && bus->dev[devfn]; devfn += 8)
			;
		if (devfn >= 256)
			return log_err("%s: no PCI slot is free", d->name);
	}
	d->vm = vm;
	d->devfn = devfn;
	header_init(d);
	if (d != &bus->host) {
		d->cfg[PCI_INTERRUPT_PIN] = 1;
		d->cfg[PCI_INTERRUPT_LINE] = pci_intx_gsi(devfn >> 3, 0);
	}
	if (devfn & 7) {
		struct pci_dev *f0 = bus->dev[devfn & ~7u];

		d->cfg[PCI_HEADER_TYPE] |= HEADER_MULTIFUNCTION;
		f0->cfg[PCI_HEADER_TYPE] |= HEADER_MULTIFUNCTION;
		f0->cfg_init[PCI_HEADER_TYPE] |= HEADER_MULTIFUNCTION;
	}
	for (n = 0; n < 6; n++)
		d->bar[n].range.name = d->name;
	memcpy(d->cfg_init, d->cfg, sizeof(d->cfg));
	bus->dev[devfn] = d;
	return 0;
}

static void dev_reset(struct pci_dev *d)
{
	unsigned int n;

	for (n = 0; n < 6; n++)
		bar_unmap(d, n);
	if (d->ops->reset)
		d->ops->reset(d);
	pci_intx(d, 0);
	memcpy(d->cfg, d->cfg_init, sizeof(d->cfg));
	if (d->msix)
		msix_reset(d->msix);
}

static void dev_info(const struct pci_dev *d, FILE *out)
{
	unsigned int n;

	fprintf(out, "  Bus  0, device %3u, function %u: %s\n", d->devfn >> 3, d->devfn & 7u, d->name);
	fprintf(out, "    class %02x%02x, PCI device %04x:%04x\n", d->cfg[PCI_CLASS_DEVICE + 1], d->cfg[PCI_CLASS_DEVICE],
		get16(d->cfg + PCI_VENDOR_ID), get16(d->cfg + PCI_DEVICE_ID));
	if (d->cfg[PCI_INTERRUPT_PIN])
		fprintf(out, "      IRQ %u, pin %c\n", d->cfg[PCI_INTERRUPT_LINE], 'A' + d->cfg[PCI_INTERRUPT_PIN] - 1);
	for (n = 0; n < 6; n++) {
		if (!d->bar[n].size)
			continue;
		fprintf(out, "      BAR%u: %s, %#llx bytes, ", n, d->bar[n].pio ? "I/O" : "32-bit memory",
			(unsigned long long)d->bar[n].size);
		if (d->bar[n].mapped)
			fprintf(out, "at %#llx\n", (unsigned long long)d->bar[n].range.base);
		else
			fprintf(out, "not mapped\n");
	}
}

void pci_bus_info(struct vm *vm, FILE *out)
{
	unsigned int i;

	for (i = 0; i < 256; i++)
		if (vm->pci->dev[i])
			dev_info(vm->pci->dev[i], out);
}

void pci_bus_reset(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < 256; i++)
		if (vm->pci->dev[i])
			dev_reset(vm->pci->dev[i]);
	vm->pci->config_address = 0;
}

static const struct pci_dev_ops host_ops = { 0 };

int pci_bus_create(struct vm *vm)
{
	struct pci_bus *bus = calloc(1, sizeof(*bus));
	struct prop_pciaddr at = { .set = true };

	if (!bus)
		return log_err("out of memory");
	bus->vm = vm;
	bus->ports = (struct bus_range){ .base = CONFIG_ADDRESS, .size = 8, .ops = &ports_ops,
					 .dev = bus, .name = "pci" };
	if (bus_add(&vm->pio, &bus->ports)) {
		free(bus);
		return log_err("pci: ports %#x..%#x are taken", CONFIG_ADDRESS, CONFIG_ADDRESS + 7);
	}
	vm->pci = bus;
	bus->host.name = "pci-host";
	bus->host.ops = &host_ops;
	pci_set_ids(&bus->host, 0x8086, 0x1237, 0x1af4, 0x1100, 0x06000002);
	return pci_add(vm, &bus->host, at);
}

void pci_bus_destroy(struct vm *vm)
{
	struct pci_bus *bus = vm->pci;
	unsigned int i;

	if (!bus)
		return;
	pci_bus_reset(vm);
	for (i = 0; i < 256; i++) {
		struct pci_dev *d = bus->dev[i];

		bus->dev[i] = NULL;
		if (!d)
			continue;
		if (d->msix)
			msix_destroy(d->msix);
		d->msix = NULL;
		if (d->ops->destroy)
			d->ops->destroy(d);
	}
	bus_del(&vm->pio, &bus->ports);
	vm->pci = NULL;
	free(bus);
}

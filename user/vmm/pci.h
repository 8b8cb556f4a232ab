/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PCI: host bridge (configuration mechanism #1 at 0xcf8), devices, BARs, INTx and MSI-X.
 *
 * Context: device lock held, except for creation, which happens before vCPUs run.
 * There is no firmware: pci_bus_assign() gives every BAR an address and enables decoding is left to
 * the guest; a BAR answers only while the command register says so.
 */
#ifndef VMM_PCI_H
#define VMM_PCI_H

#include "vm.h"
#include "../lib/prop.h"

struct pci_dev;

/**
 * struct pci_dev_ops
 * A device's own state comes back to power-on by @reset; pci.c restores configuration space, BARs and
 * MSI-X.
 *
 * @cfg_read: @cfg_write: before the generic handling, for capabilities with side effects (virtio
 *	PCI_CFG); return true when handled. NULL: none
 * @bar_moved: BAR @bar now decodes at @addr, or nowhere (PCI_UNMAPPED); ioeventfds follow. May be NULL
 * @reset: function-level or system reset; must leave power-on state
 * @destroy: process ends or device is unplugged; reset was called
 */
struct pci_dev_ops {
	bool (*cfg_read)(struct pci_dev *d, unsigned int off, unsigned int len, uint32_t *val);
	bool (*cfg_write)(struct pci_dev *d, unsigned int off, unsigned int len, uint32_t val);
	void (*bar_moved)(struct pci_dev *d, unsigned int bar, uint64_t addr);
	void (*reset)(struct pci_dev *d);
	void (*destroy)(struct pci_dev *d);
};

#define PCI_UNMAPPED	UINT64_MAX
#define PCI_CFG_SIZE	256

struct pci_bar {
	struct bus_range range;		/* range.base valid while mapped */
	bool pio, mapped;
	bool overlap_logged;
	uint64_t size;			/* power of two; 0: absent */
	uint32_t assigned;		/* by pci_bus_assign(); what a reset restores */
};

/**
 * struct pci_dev - embedded in a device
 * @cfg: configuration space; @wmask: bits the guest may write; @cfg_init: @cfg at power-on
 */
struct pci_dev {
	struct vm *vm;
	const char *name;		/* for messages: "virtio-net-pci.n0" */
	const struct pci_dev_ops *ops;
	uint8_t devfn;
	uint8_t cfg[PCI_CFG_SIZE], wmask[PCI_CFG_SIZE], cfg_init[PCI_CFG_SIZE];
	struct pci_bar bar[6];
	unsigned int cap_end;		/* next free byte for capabilities */
	int intx_level;
	struct msix *msix;
};

/** pci_bus_create() - host bridge at 00.0. Return: 0 or -1 after logging */
int pci_bus_create(struct vm *vm);
void pci_bus_reset(struct vm *vm);
/** pci_bus_info() - what is on it, for the monitor */
void pci_bus_info(struct vm *vm, FILE *out);
void pci_bus_destroy(struct vm *vm);

/**
 * pci_add() - plug a device whose ids, class and BARs are set up
 * @addr: wanted place, or !set for the first free slot
 * Return: 0, or -1 after logging (slot taken)
 */
int pci_add(struct vm *vm, struct pci_dev *d, struct prop_pciaddr addr);

void pci_set_ids(struct pci_dev *d, uint16_t vendor, uint16_t device, uint16_t subvendor,
		 uint16_t subdevice, uint32_t class_rev);
/** pci_bar_init() - before pci_add(); @size a power of two, >= 16 for memory */
void pci_bar_init(struct pci_dev *d, unsigned int bar, bool pio, uint64_t size,
		  const struct bus_ops *ops, void *dev);
/** pci_bar_addr() - Return: where BAR @bar decodes now, or PCI_UNMAPPED */
static inline uint64_t pci_bar_addr(const struct pci_dev *d, unsigned int bar)
{
	return d->bar[bar].mapped ? d->bar[bar].range.base : PCI_UNMAPPED;
}
/** pci_cfg_store() - write configuration bytes through the write mask, without side effects */
void pci_cfg_store(struct pci_dev *d, unsigned int off, unsigned int len, uint32_t val);
/** pci_cap_add() - Return: offset of a new capability of @len bytes, id set, rest zero */
unsigned int pci_cap_add(struct pci_dev *d, uint8_t id, unsigned int len);
/** pci_bus_assign() - give every BAR an address (power-on state after pci_bus_reset()) */
void pci_bus_assign(struct vm *vm);

/** pci_intx_gsi() - IOAPIC input of a slot's pin (0 = INTA); ACPI's _PRT says the same */
static inline unsigned int pci_intx_gsi(unsigned int slot, unsigned int pin)
{
	return VM_GSI_PCI + ((slot + pin) & 7);
}
/** pci_intx() - drive INTA; respects the command register's disable bit */
void pci_intx(struct pci_dev *d, int level);

extern const char *const pci_buses[];	/* NULL-terminated */

#define DEVICE_PCI_PROPS(_struct, _addr) \
	PROP("addr", PROP_PCIADDR, _struct, _addr, .help = "slot[.function]"), \
	PROP("bus", PROP_ENUM, _struct, _addr.bus, .names = pci_buses, .help = "the one there is")

#endif

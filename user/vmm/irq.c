// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts: KVM's own PIC, IOAPIC and PIT, the routing table behind GSIs, and the eventfd couplings.
 *
 * GSIs 0..15 go to the PIC and the IOAPIC, 16..23 to the IOAPIC alone, 24 and up are MSI messages. The
 * timer's GSI 0 is wired to IOAPIC pin 2, as on a PC; the MADT tells the guest so.
 */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../lib/log.h"

#define GSI_MSI_BASE	24
#define GSI_MAX		1024

struct vm_irq {
	struct kvm_irqchip chip[3];	/* power-on state */
	struct kvm_pit_state2 pit;
	unsigned int nr_gsi;
	uint32_t lines;			/* levels of GSIs 0..23, to skip what KVM knows */
	bool used[GSI_MAX];
	int entry[GSI_MAX];		/* index into the table, or -1 */
	struct kvm_irq_routing *table;
};

static void route_chip(struct vm_irq *irq, unsigned int gsi, unsigned int chip, unsigned int pin)
{
	struct kvm_irq_routing_entry *e = &irq->table->entries[irq->table->nr++];

	e->gsi = gsi;
	e->type = KVM_IRQ_ROUTING_IRQCHIP;
	e->u.irqchip.irqchip = chip;
	e->u.irqchip.pin = pin;
}

static int chips_create(struct vm *vm, struct vm_irq *irq)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(vm->vm_fd, KVM_CREATE_IRQCHIP, 0))
		return log_err("KVM cannot make the interrupt controllers: %s", strerror(errno));
	if (ioctl(vm->vm_fd, KVM_CREATE_PIT2, &pit))
		return log_err("KVM cannot make the interval timer: %s", strerror(errno));
	for (unsigned int i = 0; i < 3; i++) {
		irq->chip[i].chip_id = i;
		if (ioctl(vm->vm_fd, KVM_GET_IRQCHIP, &irq->chip[i]))
			return log_err("KVM_GET_IRQCHIP: %s", strerror(errno));
	}
	if (ioctl(vm->vm_fd, KVM_GET_PIT2, &irq->pit))
		return log_err("KVM_GET_PIT2: %s", strerror(errno));
	return 0;
}

int irq_create(struct vm *vm)
{
	struct vm_irq *irq = calloc(1, sizeof(*irq));
	int max = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING);

	if (!irq)
		return log_err("out of memory");
	vm->irq = irq;
	irq->nr_gsi = max < GSI_MAX ? (unsigned int)max : GSI_MAX;
	irq->table = calloc(1, sizeof(*irq->table) +
			    (GSI_MAX + 16) * sizeof(irq->table->entries[0]));
	if (!irq->table)
		return log_err("out of memory");
	if (chips_create(vm, irq))
		return -1;

	for (unsigned int i = 0; i < GSI_MAX; i++)
		irq->entry[i] = -1;
	for (unsigned int i = 0; i < 16; i++)
		if (i != 2)
			route_chip(irq, i, i < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
				   i & 7);
	for (unsigned int i = 0; i < GSI_MSI_BASE; i++)
		if (i != 2)
			route_chip(irq, i, KVM_IRQCHIP_IOAPIC, i ? i : 2);
	if (ioctl(vm->vm_fd, KVM_SET_GSI_ROUTING, irq->table))
		return log_err("KVM_SET_GSI_ROUTING: %s", strerror(errno));
	return 0;
}

int irq_reset(struct vm *vm)
{
	struct vm_irq *irq = vm->irq;

	for (unsigned int i = 0; i < 3; i++) {
		struct kvm_irqchip chip = irq->chip[i];

		if (ioctl(vm->vm_fd, KVM_SET_IRQCHIP, &chip))
			return -errno;
	}
	return ioctl(vm->vm_fd, KVM_SET_PIT2, &irq->pit) ? -errno : 0;
}

void irq_destroy(struct vm *vm)
{
	if (!vm->irq)
		return;
	free(vm->irq->table);
	free(vm->irq);
	vm->irq = NULL;
}

void vm_irq_line(struct vm *vm, unsigned int gsi, int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = !!level };
	uint32_t bit = 1u << gsi;

	if (!!(vm->irq->lines & bit) == !!level)
		return;
	vm->irq->lines ^= bit;
	if (ioctl(vm->vm_fd, KVM_IRQ_LINE, &line))
		log_warn("KVM_IRQ_LINE %u: %s", gsi, strerror(errno));
}

int vm_msi_alloc(struct vm *vm)
{
	struct vm_irq *irq = vm->irq;

	for (unsigned int i = GSI_MSI_BASE; i < irq->nr_gsi; i++) {
		if (irq->used[i])
			continue;
		irq->used[i] = true;
		return (int)i;
	}
	return -ENOSPC;
}

static bool gsi_is_msi(const struct vm_irq *irq, int gsi)
{
	return gsi >= GSI_MSI_BASE && (unsigned int)gsi < irq->nr_gsi && irq->used[gsi];
}

void vm_msi_free(struct vm *vm, int gsi)
{
	struct vm_irq *irq = vm->irq;
	struct kvm_irq_routing *t = irq->table;
	int e;

	if (!gsi_is_msi(irq, gsi))
		return;
	irq->used[gsi] = false;
	e = irq->entry[gsi];
	if (e < 0)
		return;
	/* KVM learns of it at the next update: nothing raises a GSI that nobody owns. */
	t->nr--;
	if ((unsigned int)e != t->nr) {
		t->entries[e] = t->entries[t->nr];
		irq->entry[t->entries[e].gsi] = e;
	}
	irq->entry[gsi] = -1;
}

int vm_msi_update(struct vm *vm, int gsi, uint64_t addr, uint32_t data)
{
	struct vm_irq *irq = vm->irq;
	struct kvm_irq_routing_entry *e;

	if (!gsi_is_msi(irq, gsi))
		return -EINVAL;
	if (irq->entry[gsi] < 0) {
		irq->entry[gsi] = (int)irq->table->nr++;
	} else {
		e = &irq->table->entries[irq->entry[gsi]];
		if (e->u.msi.address_lo == (uint32_t)addr && e->u.msi.data == data &&
		    e->u.msi.address_hi == (uint32_t)(addr >> 32))
			return 0;
	}
	e = &irq->table->entries[irq->entry[gsi]];
	memset(e, 0, sizeof(*e));
	e->gsi = (uint32_t)gsi;
	e->type = KVM_IRQ_ROUTING_MSI;
	e->u.msi.address_lo = (uint32_t)addr;
	e->u.msi.address_hi = (uint32_t)(addr >> 32);
	e->u.msi.data = data;
	return ioctl(vm->vm_fd, KVM_SET_GSI_ROUTING, irq->table) ? -errno : 0;
}

int vm_msi_send(struct vm *vm, uint64_t addr, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = (uint32_t)addr,
		.address_hi = (uint32_t)(addr >> 32),
		.data = data,
	};

	/* 0: the guest's APIC would not take it; that is the guest's affair. */
	return ioctl(vm->vm_fd, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}

int vm_irqfd(struct vm *vm, int fd, int gsi, bool assign)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)fd,
		.gsi = (uint32_t)gsi,
		.flags = assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return ioctl(vm->vm_fd, KVM_IRQFD, &irqfd) ? -errno : 0;
}

int vm_ioeventfd(struct vm *vm, int fd, uint64_t addr, unsigned int len, bool pio, bool match,
		 uint64_t data, bool assign)
{
	struct kvm_ioeventfd ioev = {
		.fd = fd,
		.addr = addr,
		.len = len,
		.datamatch = match ? data : 0,
		.flags = (pio ? KVM_IOEVENTFD_FLAG_PIO : 0) |
			 (match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
			 (assign ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	return ioctl(vm->vm_fd, KVM_IOEVENTFD, &ioev) ? -errno : 0;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * MSI-X, and what a device does without it: every interrupt of a device is either an *interrupt source*,
 * an eventfd that somebody else writes (vhost, an ioeventfd), or raised by msix_notify().
 *
 * A source is coupled by irqfd while MSI-X is on and its vector is unmasked, so that no user-space
 * instruction runs. Masked, the eventfd keeps the count: the pending bit array polls it, and unmasking
 * injects it. While MSI-X is off the main loop watches the eventfd and calls @intx.
 *
 * Context: device lock held; any thread. @intx: main thread, device lock held. Creation and
 * msix_destroy(): main thread.
 */
#ifndef VMM_MSIX_H
#define VMM_MSIX_H

#include <stdint.h>
#include <stdbool.h>
#include "pci.h"
#include "../lib/loop.h"

#define MSIX_NO_VECTOR	0xffff
#define MSIX_MAX	2048
#define MSIX_CAP_LEN	12

struct msix;

/**
 * struct irq_src - an eventfd that interrupts the guest; embedded in a device
 * @fd: non-blocking eventfd, owned by the device
 * @intx: @fd was signalled (and has been read) while MSI-X is off
 */
struct irq_src {
	int fd;
	void (*intx)(struct irq_src *src);
	/* private */
	struct msix *msix;
	struct irq_src *next;
	uint16_t vector;
	bool wired, watched, failed;
	struct loop_fd watch;
};

/**
 * msix_create() - before pci_add(): capability, table and pending bits in BAR @bar
 * @nr: vectors; 0: no capability, sources always lead to INTx
 * Return: 0 or -1 after logging
 */
int msix_create(struct vm *vm, struct pci_dev *d, unsigned int nr, unsigned int bar);
/** msix_destroy() - uncouple every source; called by the PCI bus */
void msix_destroy(struct msix *m);

/** msix_add_source() - @src->fd and @src->intx are set; no vector yet */
void msix_add_source(struct msix *m, struct irq_src *src);
/** msix_bind() - @src interrupts by @vector from now on, MSIX_NO_VECTOR: by none */
void msix_bind(struct irq_src *src, uint16_t vector);
/** msix_drain() - forget what @src has signalled and nobody has seen */
void msix_drain(struct irq_src *src);
/** msix_notify() - raise @vector from user space; masked: it gets pending. No effect with MSI-X off */
void msix_notify(struct msix *m, uint16_t vector);

bool msix_enabled(const struct msix *m);
unsigned int msix_vectors(const struct msix *m);

/* ---- for pci.c ---- */

/** msix_cap() - Return: offset of the capability; past configuration space when there is none */
unsigned int msix_cap(const struct msix *m);
/** msix_update() - the control word may have changed */
void msix_update(struct msix *m);
/** msix_reset() - configuration space is back at power-on; so is the table */
void msix_reset(struct msix *m);

#endif

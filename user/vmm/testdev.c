// SPDX-License-Identifier: GPL-2.0
/*
 * shunt-testdev: a PCI device for payload tests. Doorbell -> ioeventfd -> irqfd -> MSI-X, all of it
 * inside KVM and with no vhost behind it; the same eventfds become INTx when MSI-X is off.
 *
 *   -device shunt-testdev[,vectors=1..32 (default 4)][,addr=slot]
 *
 * Vendor 1af4, device 10f0 (experimental range), class ff0000, INTA.
 *
 * BAR 0, 4 KiB of memory. Registers are 32 bits wide; other widths read and write parts of them.
 *   0x000 RO  magic 0x44544853 ("SHTD")
 *   0x004 RO  number of doorbells = number of MSI-X vectors
 *   0x008 RW  INTx: bit 0 drives INTA (ORed with pending bits below)
 *   0x00c RW  doorbell writes that reached user space, should stay 0; any write clears it
 *   0x010 RC  pending: bit n = doorbell n rang while MSI-X was off. INTA is high while non-zero;
 *             reading returns the bits and clears them, which lowers INTA
 *   0x014 WO  n: user space raises MSI-X vector n (masked: its pending bit is set); nothing while
 *             MSI-X is off
 *   0x018 RW  scratch
 *   0x01c RW  doorbell signals that user space turned into pending bits; any write clears it
 *   0x100 + 4 * n  WO  doorbell n, any width and value: interrupt by vector n
 * BAR 1: MSI-X table at 0, PBA at 0x800.
 * BAR 2, 32 bytes of I/O ports.
 *   0x00 WO  doorbell 0, any width and value
 *   0x04 RW  scratch, the same as in BAR 0
 *
 * Reset clears every register, and what the doorbells had pending.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "device.h"
#include "msix.h"
#include "pci.h"
#include "../lib/log.h"

#define MAGIC		0x44544853
#define MAX_DOORBELLS	32

enum {
	REG_MAGIC = 0x00,
	REG_NR = 0x04,
	REG_INTX = 0x08,
	REG_USER_DOORBELLS = 0x0c,
	REG_PENDING = 0x10,
	REG_RAISE = 0x14,
	REG_SCRATCH = 0x18,
	REG_INTX_SIGNALS = 0x1c,
	DOORBELLS = 0x100,
};

struct testdev_props {
	struct prop_pciaddr addr;
	uint32_t vectors;
};

struct testdev;

struct doorbell {
	struct irq_src src;
	struct testdev *dev;
	unsigned int n;
	bool in_kernel, pio_in_kernel;
};

struct testdev {
	struct pci_dev pci;
	char name[64];
	unsigned int nr;
	uint32_t scratch, intx, pending, user_doorbells, intx_signals;
	uint64_t mem_addr, pio_addr;
	struct doorbell bell[MAX_DOORBELLS];
};

#define to_testdev(_pci) ((struct testdev *)((char *)(_pci) - offsetof(struct testdev, pci)))

static void intx_update(struct testdev *t)
{
	pci_intx(&t->pci, (t->intx & 1) || t->pending);
}

static void bell_intx(struct irq_src *src)
{
	struct doorbell *b = (void *)((char *)src - offsetof(struct doorbell, src));

	b->dev->pending |= 1u << b->n;
	b->dev->intx_signals++;
	intx_update(b->dev);
}

/* A doorbell that KVM did not take: count it, then behave as if it had. */
static void bell_from_user(struct testdev *t, unsigned int n)
{
	uint64_t one = 1;

	t->user_doorbells++;
	if (write(t->bell[n].src.fd, &one, sizeof(one)) != sizeof(one))
		log_warn("%s: doorbell %u: %s", t->name, n, strerror(errno));
}

static uint32_t reg_read(struct testdev *t, unsigned int reg)
{
	uint32_t val;

	switch (reg) {
	case REG_MAGIC:
		return MAGIC;
	case REG_NR:
		return t->nr;
	case REG_INTX:
		return t->intx;
	case REG_USER_DOORBELLS:
		return t->user_doorbells;
	case REG_PENDING:
		val = t->pending;
		t->pending = 0;
		intx_update(t);
		return val;
	case REG_SCRATCH:
		return t->scratch;
	case REG_INTX_SIGNALS:
		return t->intx_signals;
	default:
		return 0;
	}
}

static void reg_write(struct testdev *t, unsigned int reg, uint32_t val)
{
	switch (reg) {
	case REG_INTX:
		t->intx = val & 1;
		intx_update(t);
		break;
	case REG_USER_DOORBELLS:
		t->user_doorbells = 0;
		break;
	case REG_RAISE:
		if (val < t->nr)
			msix_notify(t->pci.msix, val);
		break;
	case REG_SCRATCH:
		t->scratch = val;
		break;
	case REG_INTX_SIGNALS:
		t->intx_signals = 0;
		break;
	}
}

static uint64_t mem_read(void *dev, uint64_t off, unsigned int len)
{
	struct testdev *t = dev;
	uint64_t val = 0;
	unsigned int i;

	/* Each register is read once, whatever the width: reading one has an effect. */
	for (i = 0; i < len;) {
		unsigned int in = (off + i) & 3, n = 4 - in < len - i ? 4 - in : len - i;
		uint32_t reg = reg_read(t, (off + i) & ~3u);

		memcpy((char *)&val + i, (char *)&reg + in, n);
		i += n;
	}
	return val;
}

static void mem_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct testdev *t = dev;
	unsigned int i;

	if (off >= DOORBELLS) {
		if ((off - DOORBELLS) / 4 < t->nr)
			bell_from_user(t, (off - DOORBELLS) / 4);
		return;
	}
	for (i = 0; i < len;) {
		unsigned int in = (off + i) & 3, n = 4 - in < len - i ? 4 - in : len - i;
		unsigned int at = (off + i) & ~3u;
		uint32_t reg = n == 4 || at != REG_SCRATCH ? 0 : t->scratch;

		memcpy((char *)&reg + in, (char *)&val + i, n);
		reg_write(t, at, reg);
		i += n;
	}
}

static uint64_t pio_read(void *dev, uint64_t off, unsigned int len)
{
	struct testdev *t = dev;
	uint32_t val = 0;

	if (off >= 4 && off + len <= 8)
		memcpy(&val, (char *)&t->scratch + (off - 4), len);
	return val;
}

static void pio_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct testdev *t = dev;

	if (off < 4)
		bell_from_user(t, 0);
	else if (off + len <= 8)
		memcpy((char *)&t->scratch + (off - 4), &val, len);
}

static const struct bus_ops mem_ops = { .read = mem_read, .write = mem_write };
static const struct bus_ops pio_ops = { .read = pio_read, .write = pio_write };

static bool ioeventfd(struct testdev *t, struct doorbell *b, uint64_t addr, bool pio, bool assign)
{
	int err = vm_ioeventfd(t->pci.vm, b->src.fd, addr, 0, pio, false, 0, assign);

	if (err)
		log_warn("%s: doorbell %u: ioeventfd: %s", t->name, b->n, strerror(-err));
	return !err;
}

static void testdev_bar_moved(struct pci_dev *d, unsigned int bar, uint64_t addr)
{
	struct testdev *t = to_testdev(d);
	unsigned int i;

	if (bar == 0) {
		for (i = 0; i < t->nr; i++) {
			struct doorbell *b = &t->bell[i];

			if (b->in_kernel)
				ioeventfd(t, b, t->mem_addr + DOORBELLS + 4 * i, false, false);
			b->in_kernel = addr != PCI_UNMAPPED &&
				ioeventfd(t, b, addr + DOORBELLS + 4 * i, false, true);
		}
		t->mem_addr = addr;
	} else if (bar == 2) {
		struct doorbell *b = &t->bell[0];

		if (b->pio_in_kernel)
			ioeventfd(t, b, t->pio_addr, true, false);
		b->pio_in_kernel = addr != PCI_UNMAPPED && ioeventfd(t, b, addr, true, true);
		t->pio_addr = addr;
	}
}

static void testdev_reset(struct pci_dev *d)
{
	struct testdev *t = to_testdev(d);
	unsigned int i;

	t->scratch = 0;
	t->intx = 0;
	t->pending = 0;
	t->user_doorbells = 0;
	t->intx_signals = 0;
	for (i = 0; i < t->nr; i++)
		msix_drain(&t->bell[i].src);
}

static void testdev_destroy(struct pci_dev *d)
{
	struct testdev *t = to_testdev(d);
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (t->bell[i].src.fd >= 0)
			close(t->bell[i].src.fd);
	free(t);
}

static const struct pci_dev_ops testdev_ops = {
	.bar_moved = testdev_bar_moved,
	.reset = testdev_reset,
	.destroy = testdev_destroy,
};

static int testdev_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	const struct testdev_props *p = props;
	struct testdev *t = calloc(1, sizeof(*t));
	unsigned int i;

	if (!t)
		return log_err("out of memory");
	snprintf(t->name, sizeof(t->name), "%s%s%s", type->name, id ? "." : "", id ? id : "");
	t->pci.name = t->name;
	t->pci.ops = &testdev_ops;
	t->nr = p->vectors;
	for (i = 0; i < t->nr; i++)
		t->bell[i].src.fd = -1;
	for (i = 0; i < t->nr; i++) {
		t->bell[i].dev = t;
		t->bell[i].n = i;
		t->bell[i].src.intx = bell_intx;
		t->bell[i].src.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (t->bell[i].src.fd < 0) {
			log_err("%s: eventfd: %s", t->name, strerror(errno));
			goto out;
		}
	}
	pci_set_ids(&t->pci, 0x1af4, 0x10f0, 0x1af4, 0x1100, 0xff000000);
	pci_bar_init(&t->pci, 0, false, 4096, &mem_ops, t);
	pci_bar_init(&t->pci, 2, true, 32, &pio_ops, t);
	if (msix_create(vm, &t->pci, t->nr, 1))
		goto out;
	if (pci_add(vm, &t->pci, p->addr))
		goto out_msix;
	for (i = 0; i < t->nr; i++) {
		msix_add_source(t->pci.msix, &t->bell[i].src);
		msix_bind(&t->bell[i].src, i);
	}
	return 0;
out_msix:
	msix_destroy(t->pci.msix);
out:
	testdev_destroy(&t->pci);
	return -1;
}

static const struct prop testdev_props[] = {
	DEVICE_PCI_PROPS(struct testdev_props, addr),
	PROP("vectors", PROP_U32, struct testdev_props, vectors, .def = "4", .min = 1,
	     .max = MAX_DOORBELLS, .help = "MSI-X vectors and doorbells"),
	{ 0 },
};

const struct device_type testdev_type = {
	.name = "shunt-testdev",
	.desc = "doorbells and interrupts for payload tests",
	.bus = "PCI",
	.props = testdev_props,
	.props_size = sizeof(struct testdev_props),
	.create = testdev_create,
};

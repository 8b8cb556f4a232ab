// SPDX-License-Identifier: GPL-2.0
/*
 * MSI-X table and pending bits, and the coupling of eventfds with them; see msix.h for who calls what.
 *
 * GSIs are taken when a vector is first coupled and given back when MSI-X is switched off: the routing
 * table holds what is in use.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include "msix.h"
#include "../lib/event.h"
#include "../lib/log.h"

#define ENTRY_BYTES	PCI_MSIX_ENTRY_SIZE

/**
 * struct msix_vector - what KVM knows of a vector
 * @gsi: route, or -1
 * @addr: @data: the message that @gsi has
 * @pending: raised from user space while it was masked
 */
struct msix_vector {
	int gsi;
	uint64_t addr;
	uint32_t data;
	bool pending;
};

struct msix {
	struct vm *vm;
	struct pci_dev *dev;
	unsigned int nr, bar, cap;
	uint32_t pba_off;
	uint8_t *table;			/* nr entries, as the guest sees them */
	struct msix_vector *vec;
	struct irq_src *src;
	bool enabled;
	bool route_logged;
	struct loop_bh watch_bh;	/* sources are (un)watched on the loop's thread only */
};

static uint16_t control(const struct msix *m)
{
	uint16_t v = 0;

	if (m->nr)
		memcpy(&v, m->dev->cfg + m->cap + PCI_MSIX_FLAGS, 2);
	return v;
}

bool msix_enabled(const struct msix *m)
{
	return m->enabled;
}

unsigned int msix_vectors(const struct msix *m)
{
	return m->nr;
}

unsigned int msix_cap(const struct msix *m)
{
	return m->nr ? m->cap : PCI_CFG_SIZE;
}

static uint32_t entry32(const struct msix *m, unsigned int v, unsigned int off)
{
	uint32_t x;

	memcpy(&x, m->table + v * ENTRY_BYTES + off, 4);
	return x;
}

static uint64_t entry_addr(const struct msix *m, unsigned int v)
{
	return entry32(m, v, PCI_MSIX_ENTRY_LOWER_ADDR) |
	       (uint64_t)entry32(m, v, PCI_MSIX_ENTRY_UPPER_ADDR) << 32;
}

/* Whether a message of @v goes out now. */
static bool deliverable(const struct msix *m, unsigned int v)
{
	return m->enabled && v < m->nr && !(control(m) & PCI_MSIX_FLAGS_MASKALL) &&
	       !(entry32(m, v, PCI_MSIX_ENTRY_VECTOR_CTRL) & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static void route_fail(struct msix *m, unsigned int v, int err)
{
	if (!m->route_logged)
		log_warn("%s: interrupt of MSI-X vector %u refused: %s", m->dev->name, v, strerror(-err));
	m->route_logged = true;
}

static void vec_send(struct msix *m, unsigned int v)
{
	int err = vm_msi_send(m->vm, entry_addr(m, v), entry32(m, v, PCI_MSIX_ENTRY_DATA));

	if (err < 0)
		route_fail(m, v, err);
}

/* Give @v a GSI whose message is the table's. */
static int vec_route(struct msix *m, unsigned int v)
{
	struct msix_vector *vec = &m->vec[v];
	uint64_t addr = entry_addr(m, v);
	uint32_t data = entry32(m, v, PCI_MSIX_ENTRY_DATA);
	bool fresh = vec->gsi < 0;
	int err;

	if (fresh) {
		err = vm_msi_alloc(m->vm);
		if (err < 0)
			return err;
		vec->gsi = err;
	} else if (vec->addr == addr && vec->data == data) {
		return 0;
	}
	err = vm_msi_update(m->vm, vec->gsi, addr, data);
	if (err) {
		vm_msi_free(m->vm, vec->gsi);
		vec->gsi = -1;
		return err;
	}
	vec->addr = addr;
	vec->data = data;
	return 0;
}

static uint64_t src_read(struct irq_src *s)
{
	uint64_t n;

	return event_take(s->fd, &n) == sizeof(n) ? n : 0;
}

static void src_unwire(struct irq_src *s)
{
	int err;

	if (!s->wired)
		return;
	s->wired = false;
	err = vm_irqfd(s->msix->vm, s->fd, s->msix->vec[s->vector].gsi, false);
	if (err)
		route_fail(s->msix, s->vector, err);
}

/*
 * Couple, and inject what the eventfd kept. KVM injects once where it finds the eventfd readable, but
 * leaves the count: so the count is taken before, and what arrived between the two is taken after.
 */
static void src_wire(struct irq_src *s)
{
	struct msix *m = s->msix;
	bool had;
	int err;

	err = vec_route(m, s->vector);
	if (err)
		goto fail;
	had = src_read(s);
	err = vm_irqfd(m->vm, s->fd, m->vec[s->vector].gsi, true);
	if (!err) {
		s->wired = true;
		had |= !!src_read(s);
	}
	if (had)
		vec_send(m, s->vector);
	if (!err)
		return;
fail:
	route_fail(m, s->vector, err);
	s->failed = true;	/* until the guest changes something */
}

static void src_update(struct irq_src *s)
{
	bool want = deliverable(s->msix, s->vector);

	if (want == s->wired)
		return;
	if (want && !s->failed)
		src_wire(s);
	else
		src_unwire(s);
}

/* Vector @v, or its mask, has changed. */
static void vec_update(struct msix *m, unsigned int v)
{
	struct msix_vector *vec = &m->vec[v];
	bool on = deliverable(m, v);
	struct irq_src *s;
	int err;

	if (on && vec->gsi >= 0) {
		err = vec->addr == entry_addr(m, v) && vec->data == entry32(m, v, PCI_MSIX_ENTRY_DATA) ? 0 :
		      vm_msi_update(m->vm, vec->gsi, entry_addr(m, v),
				    entry32(m, v, PCI_MSIX_ENTRY_DATA));
		if (err) {
			route_fail(m, v, err);
			on = false;
		} else {
			vec->addr = entry_addr(m, v);
			vec->data = entry32(m, v, PCI_MSIX_ENTRY_DATA);
		}
	}
	for (s = m->src; s; s = s->next) {
		if (s->vector != v)
			continue;
		s->failed = false;
		src_update(s);
	}
	if (on && vec->pending) {
		vec->pending = false;
		vec_send(m, v);
	}
}

static void watch_sync(struct msix *m)
{
	loop_bh_schedule(m->vm->loop, &m->watch_bh);
}

void msix_update(struct msix *m)
{
	bool was = m->enabled;
	unsigned int v;
	struct irq_src *s;

	m->enabled = control(m) & PCI_MSIX_FLAGS_ENABLE;
	for (v = 0; v < m->nr; v++)
		vec_update(m, v);
	if (was == m->enabled)
		return;
	if (m->enabled) {
		pci_intx(m->dev, 0);
	} else {
		for (v = 0; v < m->nr; v++) {
			m->vec[v].pending = false;
			if (m->vec[v].gsi >= 0)
				vm_msi_free(m->vm, m->vec[v].gsi);
			m->vec[v].gsi = -1;
		}
		for (s = m->src; s; s = s->next)
			s->failed = false;
	}
	watch_sync(m);
}

void msix_notify(struct msix *m, uint16_t vector)
{
	if (!m->enabled || vector >= m->nr)
		return;
	if (deliverable(m, vector))
		vec_send(m, vector);
	else
		m->vec[vector].pending = true;
}

void msix_bind(struct irq_src *s, uint16_t vector)
{
	struct msix *m = s->msix;

	if (s->vector == vector)
		return;
	src_unwire(s);
	if (m->enabled && s->vector == MSIX_NO_VECTOR)
		src_read(s);	/* signals that had no vector are lost, not late */
	s->vector = vector;
	s->failed = false;
	src_update(s);
}

void msix_drain(struct irq_src *s)
{
	src_read(s);
}

/* ---- sources on the main loop, while MSI-X is off ---- */

static void src_ready(struct loop_fd *w, short revents)
{
	struct irq_src *s = (void *)((char *)w - offsetof(struct irq_src, watch));
	struct vm *vm = s->msix->vm;

	(void)revents;
	vm_lock(vm);
	/* With MSI-X on the count belongs to the irqfd; the watch is about to go. */
	if (!s->msix->enabled && src_read(s))
		s->intx(s);
	vm_unlock(vm);
}

static void watch_fn(struct loop_bh *bh)
{
	struct msix *m = (void *)((char *)bh - offsetof(struct msix, watch_bh));
	struct irq_src *s;

	vm_lock(m->vm);
	for (s = m->src; s; s = s->next) {
		if (s->watched == !m->enabled)
			continue;
		if (s->watched) {
			loop_fd_del(m->vm->loop, &s->watch);
			s->watched = false;
		} else if (!loop_fd_add(m->vm->loop, &s->watch)) {
			s->watched = true;
		} else {
			log_warn("%s: cannot watch an interrupt source", m->dev->name);
		}
	}
	vm_unlock(m->vm);
}

void msix_add_source(struct msix *m, struct irq_src *src)
{
	src->msix = m;
	src->vector = MSIX_NO_VECTOR;
	src->wired = false;
	src->watched = false;
	src->failed = false;
	src->watch = (struct loop_fd){ .fd = src->fd, .events = POLLIN, .fn = src_ready };
	src->next = m->src;
	m->src = src;
	watch_sync(m);
}

/* ---- the BAR ---- */

static bool pending(const struct msix *m, unsigned int v)
{
	struct irq_src *s;

	/* While MSI-X is off, what eventfds hold is INTx's. */
	if (v >= m->nr || !m->enabled)
		return false;
	if (m->vec[v].pending)
		return true;
	for (s = m->src; s; s = s->next) {
		struct pollfd p = { .fd = s->fd, .events = POLLIN };

		if (s->vector == v && !s->wired && poll(&p, 1, 0) == 1)
			return true;
	}
	return false;
}

static uint8_t pba_byte(const struct msix *m, unsigned int n)
{
	uint8_t b = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		b |= pending(m, n * 8 + i) << i;
	return b;
}

static uint64_t bar_read(void *dev, uint64_t off, unsigned int len)
{
	struct msix *m = dev;
	uint8_t out[8] = { 0 };
	uint64_t val;
	unsigned int i;

	for (i = 0; i < len; i++, off++) {
		if (off < m->nr * ENTRY_BYTES)
			out[i] = m->table[off];
		else if (off >= m->pba_off && off < m->pba_off + (m->nr + 7) / 8)
			out[i] = pba_byte(m, off - m->pba_off);
	}
	memcpy(&val, out, sizeof(val));
	return val;
}

static void bar_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct msix *m = dev;
	unsigned int i, first, last;

	if (off >= m->nr * ENTRY_BYTES)
		return;
	first = off / ENTRY_BYTES;
	last = (off + len - 1) / ENTRY_BYTES;
	for (i = 0; i < len && off + i < m->nr * ENTRY_BYTES; i++, val >>= 8) {
		unsigned int at = (off + i) % ENTRY_BYTES;

		/* Only the mask bit of the control word exists. */
		if (at >= PCI_MSIX_ENTRY_VECTOR_CTRL)
			m->table[off + i] = at == PCI_MSIX_ENTRY_VECTOR_CTRL ? val & 1 : 0;
		else
			m->table[off + i] = val;
	}
	for (i = first; i <= last && i < m->nr; i++)
		vec_update(m, i);
}

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

static void table_init(struct msix *m)
{
	unsigned int v;

	memset(m->table, 0, m->nr * ENTRY_BYTES);
	for (v = 0; v < m->nr; v++)
		m->table[v * ENTRY_BYTES + PCI_MSIX_ENTRY_VECTOR_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

int msix_create(struct vm *vm, struct pci_dev *d, unsigned int nr, unsigned int bar)
{
	struct msix *m = calloc(1, sizeof(*m));
	uint32_t size = 4096, v32;
	unsigned int v;

	if (!m)
		return log_err("out of memory");
	m->vm = vm;
	m->dev = d;
	m->nr = nr;
	m->bar = bar;
	m->watch_bh.fn = watch_fn;
	d->msix = m;
	if (!nr)
		return 0;
	m->table = calloc(nr, ENTRY_BYTES);
	m->vec = calloc(nr, sizeof(*m->vec));
	if (!m->table || !m->vec) {
		msix_destroy(m);
		d->msix = NULL;
		return log_err("out of memory");
	}
	for (v = 0; v < nr; v++)
		m->vec[v].gsi = -1;
	table_init(m);
	m->pba_off = nr <= 128 ? 0x800 : nr * ENTRY_BYTES;
	m->pba_off = (m->pba_off + 7) & ~7u;
	while (size < m->pba_off + (nr + 63) / 64 * 8)
		size *= 2;
	pci_bar_init(d, bar, false, size, &bar_ops, m);
	m->cap = pci_cap_add(d, PCI_CAP_ID_MSIX, MSIX_CAP_LEN);
	d->cfg[m->cap + PCI_MSIX_FLAGS] = (nr - 1) & 0xff;
	d->cfg[m->cap + PCI_MSIX_FLAGS + 1] = (nr - 1) >> 8;
	d->wmask[m->cap + PCI_MSIX_FLAGS + 1] = (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	v32 = bar;
	memcpy(d->cfg + m->cap + PCI_MSIX_TABLE, &v32, 4);
	v32 = m->pba_off | bar;
	memcpy(d->cfg + m->cap + PCI_MSIX_PBA, &v32, 4);
	return 0;
}

void msix_reset(struct msix *m)
{
	unsigned int v;

	msix_update(m);		/* the control word is zero: everything is uncoupled */
	table_init(m);
	for (v = 0; v < m->nr; v++)
		m->vec[v].pending = false;
}

void msix_destroy(struct msix *m)
{
	struct irq_src *s;

	for (s = m->src; s; s = s->next) {
		src_unwire(s);
		if (s->watched)
			loop_fd_del(m->vm->loop, &s->watch);
		s->watched = false;
	}
	loop_bh_cancel(m->vm->loop, &m->watch_bh);
	free(m->table);
	free(m->vec);
	free(m);
}

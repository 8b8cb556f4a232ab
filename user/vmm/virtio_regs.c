// SPDX-License-Identifier: GPL-2.0
/*
 * Registers of a modern virtio-pci device: common configuration, notification, ISR, device
 * configuration, in one BAR; and what the legacy interface (virtio_legacy.c) has the same. See virtio_pci.h for threads.
 *
 * The driver may write anything anywhere at any time. Every register is found by offset and width in one
 * table; what a value is worth is decided where it is used: queue addresses by the back end, which
 * refuses those that are not RAM.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include "virtio_pci.h"
#include "../lib/event.h"
#include "../lib/log.h"

/* Every register of the common configuration structure. */
static const struct {
	uint8_t off, width;
} common_reg[] = {
	{ VIRTIO_PCI_COMMON_DFSELECT, 4 }, { VIRTIO_PCI_COMMON_DF, 4 },
	{ VIRTIO_PCI_COMMON_GFSELECT, 4 }, { VIRTIO_PCI_COMMON_GF, 4 },
	{ VIRTIO_PCI_COMMON_MSIX, 2 }, { VIRTIO_PCI_COMMON_NUMQ, 2 },
	{ VIRTIO_PCI_COMMON_STATUS, 1 }, { VIRTIO_PCI_COMMON_CFGGENERATION, 1 },
	{ VIRTIO_PCI_COMMON_Q_SELECT, 2 }, { VIRTIO_PCI_COMMON_Q_SIZE, 2 },
	{ VIRTIO_PCI_COMMON_Q_MSIX, 2 }, { VIRTIO_PCI_COMMON_Q_ENABLE, 2 },
	{ VIRTIO_PCI_COMMON_Q_NOFF, 2 },
	{ VIRTIO_PCI_COMMON_Q_DESCLO, 4 }, { VIRTIO_PCI_COMMON_Q_DESCHI, 4 },
	{ VIRTIO_PCI_COMMON_Q_AVAILLO, 4 }, { VIRTIO_PCI_COMMON_Q_AVAILHI, 4 },
	{ VIRTIO_PCI_COMMON_Q_USEDLO, 4 }, { VIRTIO_PCI_COMMON_Q_USEDHI, 4 },
	{ VIRTIO_PCI_COMMON_Q_NDATA, 2 }, { VIRTIO_PCI_COMMON_Q_RESET, 2 },
};

struct common_cfg {
	struct virtio_pci_common_cfg cfg;
	uint16_t queue_notify_data, queue_reset;
};

_Static_assert(sizeof(struct common_cfg) == VIRTIO_COMMON_BYTES, "no register is left out");

struct virtio_queue *virtio_selected(struct virtio_dev *vd)
{
	return vd->queue_select < vd->nr_queues ? &vd->queue[vd->queue_select] : NULL;
}

/* ---- interrupts ---- */

static void isr_raise(struct virtio_dev *vd, uint8_t bit)
{
	vd->isr |= bit;
	pci_intx(&vd->pci, 1);
}

void virtio_queue_intx(struct irq_src *src)
{
	struct virtio_queue *q = (void *)((char *)src - offsetof(struct virtio_queue, src));

	isr_raise(q->vd, 1);
}

static void config_interrupt(struct virtio_dev *vd)
{
	if (msix_enabled(vd->pci.msix))
		msix_notify(vd->pci.msix, vd->config_vector);
	else
		isr_raise(vd, VIRTIO_PCI_ISR_CONFIG);
}

void virtio_config_changed(struct virtio_dev *vd)
{
	vd->generation++;
	if (vd->status & VIRTIO_CONFIG_S_DRIVER_OK)
		config_interrupt(vd);
}

void virtio_broken(struct virtio_dev *vd, const char *why)
{
	if (!vd->logged)
		log_warn("%s: %s: the device needs a reset", vd->name, why);
	vd->logged = true;
	if (vd->status & VIRTIO_CONFIG_S_NEEDS_RESET || vd->want_reset)
		return;
	vd->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (vd->status & VIRTIO_CONFIG_S_DRIVER_OK)
		config_interrupt(vd);
}

static uint16_t vector_valid(const struct virtio_dev *vd, uint16_t v)
{
	return v < msix_vectors(vd->pci.msix) ? v : MSIX_NO_VECTOR;
}

void virtio_config_vector_write(struct virtio_dev *vd, uint16_t vector)
{
	vd->config_vector = vector_valid(vd, vector);
}

void virtio_queue_vector_write(struct virtio_queue *q, uint16_t vector)
{
	q->vector = vector_valid(q->vd, vector);
	msix_bind(&q->src, q->vector);
}

/* ---- common configuration ---- */

void virtio_queue_reset(struct virtio_queue *q)
{
	uint64_t val;

	q->want = VIRTIO_QUEUE_AS_IS;
	virtio_legacy_wire(q, false);
	q->vector = MSIX_NO_VECTOR;
	msix_bind(&q->src, MSIX_NO_VECTOR);
	msix_drain(&q->src);
	q->ring.enabled = false;
	q->ring.size = q->max;
	q->ring.desc = 0;
	q->ring.avail = 0;
	q->ring.used = 0;
	/* A notification for the life that ended must not reach the next. */
	if (event_take(q->ring.kick, &val) < 0 && errno != EAGAIN)
		log_warn("%s: queue %u: kick: %s", q->vd->name, q->n, strerror(errno));
	if (event_take(q->ring.err, &val) < 0 && errno != EAGAIN)
		log_warn("%s: queue %u: err: %s", q->vd->name, q->n, strerror(errno));
}

void virtio_registers_reset(struct virtio_dev *vd)
{
	unsigned int n;

	vd->status = 0;
	vd->isr = 0;
	pci_intx(&vd->pci, 0);
	vd->driver_features = 0;
	vd->legacy = false;
	vd->device_select = 0;
	vd->driver_select = 0;
	vd->queue_select = 0;
	vd->config_vector = MSIX_NO_VECTOR;
	for (n = 0; n < vd->nr_queues; n++)
		virtio_queue_reset(&vd->queue[n]);
}

static bool features_fit(struct virtio_dev *vd)
{
	if (vd->legacy || vd->driver_features & ~vd->features)
		return false;
	if (!(vd->driver_features & 1ull << VIRTIO_F_VERSION_1))
		return false;
	return !vd->ops->check || vd->ops->check(vd, vd->driver_features);
}

void virtio_reset_write(struct virtio_dev *vd)
{
	if (virtio_backend_busy(vd)) {
		vd->want_reset = true;
		virtio_backend_kick(vd);
	} else {
		virtio_registers_reset(vd);
	}
}

void virtio_started(struct virtio_dev *vd)
{
	/* Broken before it began: now the driver may be told. */
	if (vd->status & VIRTIO_CONFIG_S_NEEDS_RESET) {
		config_interrupt(vd);
		return;
	}
	vd->want_start = true;
	virtio_backend_kick(vd);
}

static void status_write(struct virtio_dev *vd, uint8_t val)
{
	uint8_t set = val & ~vd->status;

	if (!val) {
		virtio_reset_write(vd);
		return;
	}
	/* Bits are only ever added: virtio 1.2, 2.1.1 */
	vd->status |= set & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			     VIRTIO_CONFIG_S_FAILED);
	if (set & VIRTIO_CONFIG_S_FEATURES_OK && features_fit(vd)) {
		vd->status |= VIRTIO_CONFIG_S_FEATURES_OK;
		if (vd->ops->features_ok)
			vd->ops->features_ok(vd, vd->driver_features);
	}
	if (set & VIRTIO_CONFIG_S_DRIVER_OK && vd->status & VIRTIO_CONFIG_S_FEATURES_OK) {
		vd->status |= VIRTIO_CONFIG_S_DRIVER_OK;
		virtio_started(vd);
	}
}

bool virtio_negotiated(const struct virtio_dev *vd, unsigned int bit)
{
	return (vd->legacy || vd->status & VIRTIO_CONFIG_S_FEATURES_OK) && vd->driver_features & 1ull << bit;
}

/* Whether the driver may still, or again, set the selected queue up. */
static struct virtio_queue *selected_open(struct virtio_dev *vd)
{
	struct virtio_queue *q = virtio_selected(vd);
	bool open = !(vd->status & VIRTIO_CONFIG_S_DRIVER_OK) || virtio_negotiated(vd, VIRTIO_F_RING_RESET);

	return q && !q->ring.enabled && open ? q : NULL;
}

static bool size_valid(const struct virtio_queue *q, uint32_t size)
{
	if (!size || size > q->max)
		return false;
	return !(size & (size - 1)) || virtio_negotiated(q->vd, VIRTIO_F_RING_PACKED);
}

static void queue_enable(struct virtio_queue *q)
{
	q->ring.enabled = true;
	if (q->vd->status & VIRTIO_CONFIG_S_DRIVER_OK) {
		q->want = VIRTIO_QUEUE_START;
		virtio_backend_kick(q->vd);
	}
}

static void queue_reset_write(struct virtio_queue *q, uint32_t val)
{
	if (val != 1 || !q->ring.enabled || !virtio_negotiated(q->vd, VIRTIO_F_RING_RESET))
		return;
	if (virtio_backend_busy(q->vd)) {
		q->want = VIRTIO_QUEUE_RESET;
		virtio_backend_kick(q->vd);
	} else {
		virtio_queue_reset(q);
	}
}

static void addr_half(uint64_t *addr, unsigned int hi, uint32_t val)
{
	*addr = hi ? (uint32_t)*addr | (uint64_t)val << 32 : (*addr & ~0xffffffffull) | val;
}

static void queue_write(struct virtio_dev *vd, unsigned int off, uint32_t val)
{
	struct virtio_queue *q = virtio_selected(vd);

	if (off == VIRTIO_PCI_COMMON_Q_MSIX && q) {
		virtio_queue_vector_write(q, val);
		return;
	}
	if (off == VIRTIO_PCI_COMMON_Q_RESET && q) {
		queue_reset_write(q, val);
		return;
	}
	q = selected_open(vd);
	if (!q)
		return;
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (size_valid(q, val))
			q->ring.size = val;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (val == 1)
			queue_enable(q);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		addr_half(&q->ring.desc, off & 4, val);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		addr_half(&q->ring.avail, off & 4, val);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		addr_half(&q->ring.used, off & 4, val);
		break;
	}
}

static void common_write(struct virtio_dev *vd, unsigned int off, uint32_t val)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		vd->device_select = val;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		vd->driver_select = val;
		break;
	case VIRTIO_PCI_COMMON_GF:
		if (vd->driver_select < 2 && !vd->legacy && !(vd->status & VIRTIO_CONFIG_S_FEATURES_OK))
			addr_half(&vd->driver_features, vd->driver_select, val);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		virtio_config_vector_write(vd, val);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		status_write(vd, val);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		vd->queue_select = val;
		break;
	default:
		queue_write(vd, off, val);
		break;
	}
}

/* All registers as they read now; none has a side effect. */
static void common_snapshot(struct virtio_dev *vd, struct common_cfg *common)
{
	struct virtio_pci_common_cfg *c = &common->cfg;
	struct virtio_queue *q = virtio_selected(vd);

	memset(common, 0, sizeof(*common));
	c->device_feature_select = vd->device_select;
	c->device_feature = vd->device_select < 2 ? vd->features >> 32 * vd->device_select : 0;
	c->guest_feature_select = vd->driver_select;
	c->guest_feature = vd->driver_select < 2 ? vd->driver_features >> 32 * vd->driver_select : 0;
	c->msix_config = vd->config_vector;
	c->num_queues = vd->nr_queues;
	c->device_status = vd->status;
	c->config_generation = vd->generation;
	c->queue_select = vd->queue_select;
	if (!q) {
		c->queue_msix_vector = MSIX_NO_VECTOR;
		return;
	}
	c->queue_size = q->ring.size;
	c->queue_msix_vector = q->vector;
	c->queue_enable = q->ring.enabled;
	c->queue_notify_off = q->n;
	c->queue_desc_lo = q->ring.desc;
	c->queue_desc_hi = q->ring.desc >> 32;
	c->queue_avail_lo = q->ring.avail;
	c->queue_avail_hi = q->ring.avail >> 32;
	c->queue_used_lo = q->ring.used;
	c->queue_used_hi = q->ring.used >> 32;
	common->queue_reset = q->want == VIRTIO_QUEUE_RESET;
}

static uint64_t common_read(struct virtio_dev *vd, unsigned int off, unsigned int len)
{
	uint8_t bytes[VIRTIO_COMMON_BYTES + 8] = { 0 };
	struct common_cfg c;
	uint64_t val = 0;

	if (off >= VIRTIO_COMMON_BYTES)
		return 0;
	common_snapshot(vd, &c);
	memcpy(bytes, &c, sizeof(c));
	memcpy(&val, bytes + off, len);
	return val;
}

/* A write of any width: each register it touches, in order, with the bytes it left as they were. */
static void common_write_bytes(struct virtio_dev *vd, unsigned int off, uint64_t val, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < sizeof(common_reg) / sizeof(common_reg[0]); i++) {
		unsigned int at = common_reg[i].off, width = common_reg[i].width, b;
		uint32_t reg;

		if (at + width <= off || off + len <= at)
			continue;
		/* A reset that is not over swallows writes, those of this very access included. */
		if (vd->want_reset)
			return;
		reg = common_read(vd, at, width);
		for (b = 0; b < width; b++) {
			unsigned int pos = at + b;

			if (pos < off || pos >= off + len)
				continue;
			reg &= ~(0xffu << 8 * b);
			reg |= (uint32_t)(val >> 8 * (pos - off) & 0xff) << 8 * b;
		}
		common_write(vd, at, reg);
	}
}

/* ---- the other structures ---- */

uint8_t virtio_isr_read(struct virtio_dev *vd)
{
	uint8_t isr = vd->isr;

	vd->isr = 0;
	pci_intx(&vd->pci, 0);
	return isr;
}

uint64_t virtio_config_read(struct virtio_dev *vd, unsigned int off, unsigned int len)
{
	uint64_t val = 0;

	if (off >= vd->config_len)
		return 0;
	if (len > vd->config_len - off)
		len = vd->config_len - off;
	if (vd->ops->config_read)
		vd->ops->config_read(vd, off, len);
	memcpy(&val, (const char *)vd->config + off, len);
	return val;
}

void virtio_config_write(struct virtio_dev *vd, unsigned int off, uint64_t val, unsigned int len)
{
	if (vd->ops->config_write && !vd->want_reset && off < vd->config_len)
		vd->ops->config_write(vd, off, val, len);
}

/* The configuration window, or no ioeventfd */
void virtio_notify(struct virtio_dev *vd, unsigned int n)
{
	uint64_t one = 1;

	/* EAGAIN: the count is full, so the back end has been told often enough. */
	if (n < vd->nr_queues && write(vd->queue[n].ring.kick, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_warn("%s: queue %u: kick: %s", vd->name, n, strerror(errno));
}

static uint64_t bar_read(void *dev, uint64_t off, unsigned int len)
{
	struct virtio_dev *vd = dev;
	unsigned int in = off % VIRTIO_PART_BYTES;

	switch (off / VIRTIO_PART_BYTES) {
	case VIRTIO_PART_COMMON:
		return common_read(vd, in, len);
	case VIRTIO_PART_ISR:
		return in ? 0 : virtio_isr_read(vd);
	case VIRTIO_PART_DEVICE:
		return virtio_config_read(vd, in, len);
	default:
		return 0;
	}
}

static void bar_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct virtio_dev *vd = dev;
	unsigned int in = off % VIRTIO_PART_BYTES;

	switch (off / VIRTIO_PART_BYTES) {
	case VIRTIO_PART_COMMON:
		common_write_bytes(vd, in, val, len);
		break;
	case VIRTIO_PART_DEVICE:
		virtio_config_write(vd, in, val, len);
		break;
	case VIRTIO_PART_NOTIFY:
		virtio_notify(vd, in / VIRTIO_NOTIFY_STRIDE);
		break;
	}
}

const struct bus_ops virtio_bar_ops = { .read = bar_read, .write = bar_write };

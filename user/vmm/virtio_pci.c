// SPDX-License-Identifier: GPL-2.0
/*
 * Registers of a modern virtio-pci device: common configuration, notification, ISR, device
 * configuration, and the window to them in configuration space. See virtio_pci.h for threads.
 *
 * The driver may write anything anywhere at any time. Every register is found by offset and width in one
 * table; what a value is worth is decided where it is used: queue addresses by the back end, which
 * refuses those that are not RAM.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include "virtio_pci.h"
#include "../lib/log.h"

#define to_virtio(_pci)	((struct virtio_dev *)((char *)(_pci) - offsetof(struct virtio_dev, pci)))

#define BAR_MSIX	1
#define BAR_MODERN	4
#define BAR_BYTES	0x4000
#define PART_BYTES	0x1000

enum { PART_COMMON = 0, PART_ISR = 1, PART_DEVICE = 2, PART_NOTIFY = 3 };

#define NOTIFY_STRIDE	4

#define COMMON_BYTES	sizeof(struct virtio_pci_common_cfg)

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
};

static struct virtio_queue *selected(struct virtio_dev *vd)
{
	return vd->queue_select < vd->nr_queues ? &vd->queue[vd->queue_select] : NULL;
}

/* ---- interrupts ---- */

static void isr_raise(struct virtio_dev *vd, uint8_t bit)
{
	vd->isr |= bit;
	pci_intx(&vd->pci, 1);
}

static void queue_intx(struct irq_src *src)
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

/* ---- common configuration ---- */

void virtio_registers_reset(struct virtio_dev *vd)
{
	unsigned int n;
	uint64_t val;

	vd->status = 0;
	vd->isr = 0;
	pci_intx(&vd->pci, 0);
	vd->driver_features = 0;
	vd->device_select = 0;
	vd->driver_select = 0;
	vd->queue_select = 0;
	vd->config_vector = MSIX_NO_VECTOR;
	for (n = 0; n < vd->nr_queues; n++) {
		struct virtio_queue *q = &vd->queue[n];

		q->vector = MSIX_NO_VECTOR;
		msix_bind(&q->src, MSIX_NO_VECTOR);
		msix_drain(&q->src);
		q->ring.enabled = false;
		q->ring.size = q->max;
		q->ring.desc = 0;
		q->ring.avail = 0;
		q->ring.used = 0;
		/* A notification for the life that ended must not reach the next. */
		if (read(q->ring.kick, &val, sizeof(val)) < 0 && errno != EAGAIN)
			log_warn("%s: queue %u: kick: %s", vd->name, n, strerror(errno));
		if (read(q->ring.err, &val, sizeof(val)) < 0 && errno != EAGAIN)
			log_warn("%s: queue %u: err: %s", vd->name, n, strerror(errno));
	}
}

static bool features_fit(struct virtio_dev *vd)
{
	if (vd->driver_features & ~vd->features)
		return false;
	if (!(vd->driver_features & 1ull << VIRTIO_F_VERSION_1))
		return false;
	return !vd->ops->check || vd->ops->check(vd, vd->driver_features);
}

static void status_write(struct virtio_dev *vd, uint8_t val)
{
	uint8_t set = val & ~vd->status;

	if (!val) {
		if (virtio_backend_busy(vd)) {
			vd->want_reset = true;
			virtio_backend_kick(vd);
		} else {
			virtio_registers_reset(vd);
		}
		return;
	}
	/* Bits are only ever added: virtio 1.2, 2.1.1 */
	vd->status |= set & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			     VIRTIO_CONFIG_S_FAILED);
	if (set & VIRTIO_CONFIG_S_FEATURES_OK && features_fit(vd))
		vd->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	if (set & VIRTIO_CONFIG_S_DRIVER_OK && vd->status & VIRTIO_CONFIG_S_FEATURES_OK) {
		vd->status |= VIRTIO_CONFIG_S_DRIVER_OK;
		vd->want_start = true;
		virtio_backend_kick(vd);
	}
}

/* Whether the driver may still set the selected queue up. */
static struct virtio_queue *selected_open(struct virtio_dev *vd)
{
	struct virtio_queue *q = selected(vd);

	return q && !q->ring.enabled && !(vd->status & VIRTIO_CONFIG_S_DRIVER_OK) ? q : NULL;
}

static void addr_half(uint64_t *addr, unsigned int hi, uint32_t val)
{
	*addr = hi ? (uint32_t)*addr | (uint64_t)val << 32 : (*addr & ~0xffffffffull) | val;
}

static void queue_write(struct virtio_dev *vd, unsigned int off, uint32_t val)
{
	struct virtio_queue *q = selected(vd);

	if (off == VIRTIO_PCI_COMMON_Q_MSIX && q) {
		q->vector = vector_valid(vd, val);
		msix_bind(&q->src, q->vector);
		return;
	}
	q = selected_open(vd);
	if (!q)
		return;
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (val && val <= q->max && !(val & (val - 1)))
			q->ring.size = val;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		q->ring.enabled = val == 1;
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
		if (vd->driver_select < 2 && !(vd->status & VIRTIO_CONFIG_S_FEATURES_OK))
			addr_half(&vd->driver_features, vd->driver_select, val);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		vd->config_vector = vector_valid(vd, val);
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
static void common_snapshot(struct virtio_dev *vd, struct virtio_pci_common_cfg *c)
{
	struct virtio_queue *q = selected(vd);

	memset(c, 0, sizeof(*c));
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
}

static uint64_t common_read(struct virtio_dev *vd, unsigned int off, unsigned int len)
{
	uint8_t bytes[COMMON_BYTES + 8] = { 0 };
	uint64_t val = 0;

	if (off >= COMMON_BYTES)
		return 0;
	common_snapshot(vd, (struct virtio_pci_common_cfg *)bytes);
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

static uint64_t isr_read(struct virtio_dev *vd, unsigned int off)
{
	uint8_t isr = vd->isr;

	if (off)
		return 0;
	vd->isr = 0;
	pci_intx(&vd->pci, 0);
	return isr;
}

static uint64_t config_read(struct virtio_dev *vd, unsigned int off, unsigned int len)
{
	uint64_t val = 0;

	if (off < vd->config_len)
		memcpy(&val, (const char *)vd->config + off,
		       len < vd->config_len - off ? len : vd->config_len - off);
	return val;
}

/* A notification that KVM did not take: the configuration window, or no ioeventfd. */
static void notify_write(struct virtio_dev *vd, unsigned int off)
{
	uint64_t one = 1;
	unsigned int n = off / NOTIFY_STRIDE;

	/* EAGAIN: the count is full, so the back end has been told often enough. */
	if (n < vd->nr_queues && write(vd->queue[n].ring.kick, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_warn("%s: queue %u: kick: %s", vd->name, n, strerror(errno));
}

static uint64_t bar_read(void *dev, uint64_t off, unsigned int len)
{
	struct virtio_dev *vd = dev;
	unsigned int in = off % PART_BYTES;

	switch (off / PART_BYTES) {
	case PART_COMMON:
		return common_read(vd, in, len);
	case PART_ISR:
		return isr_read(vd, in);
	case PART_DEVICE:
		return config_read(vd, in, len);
	default:
		return 0;
	}
}

static void bar_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct virtio_dev *vd = dev;
	unsigned int in = off % PART_BYTES;

	switch (off / PART_BYTES) {
	case PART_COMMON:
		common_write_bytes(vd, in, val, len);
		break;
	case PART_NOTIFY:
		notify_write(vd, in);
		break;
	}
}

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

/* ---- doorbells ---- */

static void notify_wire(struct virtio_dev *vd, struct virtio_queue *q, uint64_t base, bool assign)
{
	uint64_t addr = base + PART_NOTIFY * PART_BYTES + NOTIFY_STRIDE * q->n;
	int err = vm_ioeventfd(vd->pci.vm, q->ring.kick, addr, 0, false, false, 0, assign);

	if (!err) {
		q->notify_wired = assign;
		return;
	}
	if (!vd->ioeventfd_logged)
		log_warn("%s: queue %u: ioeventfd: %s", vd->name, q->n, strerror(-err));
	vd->ioeventfd_logged = true;
	if (!assign)
		q->notify_wired = false;
}

static void virtio_bar_moved(struct pci_dev *d, unsigned int bar, uint64_t addr)
{
	struct virtio_dev *vd = to_virtio(d);
	unsigned int n;

	if (bar != BAR_MODERN || !vd->ioeventfd)
		return;
	for (n = 0; n < vd->nr_queues; n++) {
		if (vd->queue[n].notify_wired)
			notify_wire(vd, &vd->queue[n], vd->notify_addr, false);
		if (addr != PCI_UNMAPPED)
			notify_wire(vd, &vd->queue[n], addr, true);
	}
	vd->notify_addr = addr;
}

/* ---- VIRTIO_PCI_CAP_PCI_CFG: the structures through configuration space, 4.1.4.9 ---- */

#define PCI_CFG_DATA	offsetof(struct virtio_pci_cfg_cap, pci_cfg_data)

/* Return: the length of the access the capability describes; 0 if it describes none */
static unsigned int window(struct virtio_dev *vd, struct pci_bar **bar, uint32_t *off)
{
	const uint8_t *cap = vd->pci.cfg + vd->pci_cfg_cap;
	unsigned int n = cap[VIRTIO_PCI_CAP_BAR];
	uint32_t len;

	memcpy(off, cap + VIRTIO_PCI_CAP_OFFSET, 4);
	memcpy(&len, cap + VIRTIO_PCI_CAP_LENGTH, 4);
	if (n >= 6 || !vd->pci.bar[n].size || (len != 1 && len != 2 && len != 4) || *off % len)
		return 0;
	*bar = &vd->pci.bar[n];
	return *off < (*bar)->size && len <= (*bar)->size - *off ? len : 0;
}

static bool window_hit(struct virtio_dev *vd, unsigned int off, unsigned int len)
{
	unsigned int data = vd->pci_cfg_cap + PCI_CFG_DATA;

	return off < data + 4 && data < off + len;
}

static bool virtio_cfg_read(struct pci_dev *d, unsigned int off, unsigned int len, uint32_t *val)
{
	struct virtio_dev *vd = to_virtio(d);
	struct pci_bar *bar;
	uint32_t at, data;
	unsigned int n;

	(void)val;
	if (!window_hit(vd, off, len))
		return false;
	n = window(vd, &bar, &at);
	if (n) {
		data = bar->range.ops->read(bar->range.dev, at, n);
		memcpy(d->cfg + vd->pci_cfg_cap + PCI_CFG_DATA, &data, n);
	}
	return false;	/* the generic part reads what was just put there */
}

static bool virtio_cfg_write(struct pci_dev *d, unsigned int off, unsigned int len, uint32_t val)
{
	struct virtio_dev *vd = to_virtio(d);
	struct pci_bar *bar;
	uint32_t at, data = 0;
	unsigned int n;

	if (!window_hit(vd, off, len))
		return false;
	pci_cfg_store(d, off, len, val);
	n = window(vd, &bar, &at);
	if (n) {
		memcpy(&data, d->cfg + vd->pci_cfg_cap + PCI_CFG_DATA, n);
		bar->range.ops->write(bar->range.dev, at, data, n);
	}
	return true;
}

/* ---- making and unmaking ---- */

static void virtio_reset(struct pci_dev *d)
{
	struct virtio_dev *vd = to_virtio(d);

	virtio_backend_quiesce(vd);
	virtio_registers_reset(vd);
}

static void queues_free(struct virtio_dev *vd)
{
	unsigned int n;

	for (n = 0; n < vd->nr_queues; n++) {
		struct vhost_ring *r = &vd->queue[n].ring;

		if (r->kick >= 0)
			close(r->kick);
		if (r->call >= 0)
			close(r->call);
		if (r->err >= 0)
			close(r->err);
	}
	free(vd->queue);
	vd->queue = NULL;
}

static void virtio_destroy(struct pci_dev *d)
{
	struct virtio_dev *vd = to_virtio(d);

	virtio_backend_exit(vd);
	queues_free(vd);
	if (vd->ops->destroy)
		vd->ops->destroy(vd);
}

static const struct pci_dev_ops virtio_pci_ops = {
	.cfg_read = virtio_cfg_read,
	.cfg_write = virtio_cfg_write,
	.bar_moved = virtio_bar_moved,
	.reset = virtio_reset,
	.destroy = virtio_destroy,
};

static int queues_create(struct virtio_dev *vd, const struct virtio_pci_init *init)
{
	unsigned int n;

	vd->queue = calloc(init->nr_queues, sizeof(*vd->queue));
	if (!vd->queue)
		return log_err("out of memory");
	for (n = 0; n < init->nr_queues; n++) {
		struct virtio_queue *q = &vd->queue[n];

		q->vd = vd;
		q->n = n;
		q->max = init->queue_max[n];
		q->vector = MSIX_NO_VECTOR;
		q->ring.size = q->max;
		q->ring.kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		q->ring.call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		q->ring.err = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		vd->nr_queues = n + 1;
		if (q->ring.kick < 0 || q->ring.call < 0 || q->ring.err < 0)
			return log_err("%s: eventfd: %s", vd->name, strerror(errno));
		q->src.fd = q->ring.call;
		q->src.intx = queue_intx;
	}
	return 0;
}

static unsigned int cap_add(struct virtio_dev *vd, uint8_t type, unsigned int part, uint32_t bytes,
			    unsigned int cap_len)
{
	unsigned int off = pci_cap_add(&vd->pci, PCI_CAP_ID_VNDR, cap_len);
	uint8_t *cap = vd->pci.cfg + off;
	uint32_t at = part * PART_BYTES;

	cap[VIRTIO_PCI_CAP_LEN] = cap_len;
	cap[VIRTIO_PCI_CAP_CFG_TYPE] = type;
	cap[VIRTIO_PCI_CAP_BAR] = BAR_MODERN;
	memcpy(cap + VIRTIO_PCI_CAP_OFFSET, &at, 4);
	memcpy(cap + VIRTIO_PCI_CAP_LENGTH, &bytes, 4);
	return off;
}

static void caps_create(struct virtio_dev *vd)
{
	const unsigned int plain = sizeof(struct virtio_pci_cap);
	uint32_t stride = NOTIFY_STRIDE;
	unsigned int off;

	cap_add(vd, VIRTIO_PCI_CAP_COMMON_CFG, PART_COMMON, COMMON_BYTES, plain);
	cap_add(vd, VIRTIO_PCI_CAP_ISR_CFG, PART_ISR, 1, plain);
	if (vd->config_len)
		cap_add(vd, VIRTIO_PCI_CAP_DEVICE_CFG, PART_DEVICE, vd->config_len, plain);
	off = cap_add(vd, VIRTIO_PCI_CAP_NOTIFY_CFG, PART_NOTIFY, vd->nr_queues * NOTIFY_STRIDE,
		      sizeof(struct virtio_pci_notify_cap));
	memcpy(vd->pci.cfg + off + VIRTIO_PCI_NOTIFY_CAP_MULT, &stride, 4);

	off = cap_add(vd, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, sizeof(struct virtio_pci_cfg_cap));
	vd->pci.cfg[off + VIRTIO_PCI_CAP_BAR] = 0;
	vd->pci.wmask[off + VIRTIO_PCI_CAP_BAR] = 0xff;
	memset(vd->pci.wmask + off + VIRTIO_PCI_CAP_OFFSET, 0xff, 4);
	memset(vd->pci.wmask + off + VIRTIO_PCI_CAP_LENGTH, 0xff, 4);
	memset(vd->pci.wmask + off + PCI_CFG_DATA, 0xff, 4);
	vd->pci_cfg_cap = off;
}

int virtio_pci_create(struct vm *vm, struct virtio_dev *vd, const struct virtio_pci_init *init)
{
	struct pci_dev *d = &vd->pci;
	unsigned int n;

	d->name = vd->name;
	d->ops = &virtio_pci_ops;
	vd->config_vector = MSIX_NO_VECTOR;
	vd->notify_addr = PCI_UNMAPPED;
	if (queues_create(vd, init))
		goto out_queues;
	pci_set_ids(d, 0x1af4, 0x1040 + init->device_id, 0x1af4, 0x1100, init->class_code << 8 | 1);
	pci_bar_init(d, BAR_MODERN, false, BAR_BYTES, &bar_ops, vd);
	if (msix_create(vm, d, init->vectors, BAR_MSIX))
		goto out_queues;
	caps_create(vd);
	if (pci_add(vm, d, init->addr))
		goto out_msix;
	for (n = 0; n < vd->nr_queues; n++)
		msix_add_source(d->msix, &vd->queue[n].src);
	virtio_backend_init(vd);
	return 0;
out_msix:
	msix_destroy(d->msix);
	d->msix = NULL;
out_queues:
	queues_free(vd);
	return -1;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * A virtio device as a PCI function: which interfaces it has, capabilities, doorbells, and the window to the registers in
 * configuration space. The registers themselves are in virtio_regs.c and virtio_legacy.c. See virtio_pci.h for threads.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include "virtio_pci.h"
#include "../lib/log.h"

#define to_virtio(_pci)	((struct virtio_dev *)((char *)(_pci) - offsetof(struct virtio_dev, pci)))

#define BAR_LEGACY	0
#define BAR_MSIX	1
#define BAR_MODERN	4

/* ---- properties ---- */

int virtio_pci_props_check(const char *name, const struct virtio_pci_props *p)
{
	if (p->disable_modern && p->disable_legacy == PROP_ON)
		return log_err("-device %s: disable-modern=on and disable-legacy=on: one of the interfaces has to be there", name);
	if (p->disable_modern && (p->packed || p->in_order))
		return log_err("-device %s: %s=on: not with disable-modern=on, it takes the modern interface", name,
			       p->packed ? "packed" : "in_order");
	if (p->iommu_platform && (p->disable_modern || p->disable_legacy == PROP_OFF))
		return log_err("-device %s: iommu_platform=on: takes disable-legacy=on, a legacy driver has no such addresses", name);
	if (p->vectors != VIRTIO_VECTORS_AUTO && p->vectors > MSIX_MAX)
		return log_err("-device %s: vectors=%u: takes a number from 0 to %d", name, p->vectors,
			       MSIX_MAX);
	return 0;
}

uint64_t virtio_pci_features(const struct virtio_pci_props *p, uint64_t has)
{
	const struct {
		bool on;
		uint8_t bit;
	} ring[] = {
		{ true, VIRTIO_F_VERSION_1 },
		{ p->event_idx, VIRTIO_RING_F_EVENT_IDX },
		{ p->indirect_desc, VIRTIO_RING_F_INDIRECT_DESC },
		{ p->packed, VIRTIO_F_RING_PACKED },
		{ p->in_order, VIRTIO_F_IN_ORDER },
		{ p->queue_reset, VIRTIO_F_RING_RESET },
	};
	uint64_t features = 0;
	unsigned int i;

	/* The legacy interface has 32 of them. */
	if (p->disable_modern)
		has &= UINT32_MAX;
	for (i = 0; i < sizeof(ring) / sizeof(ring[0]); i++)
		features |= ring[i].on ? 1ull << ring[i].bit : 0;
	/* There is no IOMMU: what the guest's DMA layer hands out is guest physical. */
	return (features & has) | (p->iommu_platform ? 1ull << VIRTIO_F_ACCESS_PLATFORM : 0);
}

int virtio_pci_features_check(const char *name, const struct virtio_pci_props *p, uint64_t features)
{
	if (p->disable_modern || features & 1ull << VIRTIO_F_VERSION_1)
		return 0;
	return log_err("-device %s: the back end does not know VIRTIO_F_VERSION_1, see disable-modern", name);
}

/* ---- which interfaces there are ---- */

/* The PCI device ID with which drivers from before virtio 1.0 know a device; 0: there was none */
static uint16_t transitional_id(uint16_t device_id)
{
	static const uint16_t ids[] = {
		[VIRTIO_ID_NET] = 0x1000, [VIRTIO_ID_BLOCK] = 0x1001, [VIRTIO_ID_BALLOON] = 0x1002,
		[VIRTIO_ID_CONSOLE] = 0x1003, [VIRTIO_ID_SCSI] = 0x1004, [VIRTIO_ID_RNG] = 0x1005, [VIRTIO_ID_9P] = 0x1009,
	};

	return device_id < sizeof(ids) / sizeof(ids[0]) ? ids[device_id] : 0;
}

/* Return: 0, or -1 after one logged line */
static int interfaces(const char *name, const struct virtio_pci_init *init, bool *legacy, bool *modern)
{
	const struct virtio_pci_props *p = init->props;

	*modern = !p || !p->disable_modern;
	*legacy = p && (p->disable_legacy == PROP_OFF || !*modern);
	if (!*legacy || transitional_id(init->device_id))
		return 0;
	return log_err("-device %s: %s: there never was a legacy interface to such a device", name,
		       *modern ? "disable-legacy=off" : "disable-modern=on");
}

/* ---- doorbells ---- */

static void notify_wire(struct virtio_dev *vd, struct virtio_queue *q, uint64_t base, bool assign)
{
	uint64_t addr = base + VIRTIO_PART_NOTIFY * VIRTIO_PART_BYTES + VIRTIO_NOTIFY_STRIDE * q->n;
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

/* All queues have one port there, and are told apart by what is written. */
static int legacy_ioeventfd(struct virtio_queue *q, bool assign)
{
	return vm_ioeventfd(q->vd->pci.vm, q->ring.kick, q->vd->legacy_addr + VIRTIO_PCI_QUEUE_NOTIFY, 2, true, true, q->n,
			    assign);
}

void virtio_legacy_wire(struct virtio_queue *q, bool on)
{
	struct virtio_dev *vd = q->vd;
	int err;

	if (q->legacy_wired == on || (on && (!vd->ioeventfd || vd->legacy_addr == PCI_UNMAPPED)))
		return;
	err = legacy_ioeventfd(q, on);
	q->legacy_wired = on && !err;
	if (err && !vd->ioeventfd_logged)
		log_warn("%s: queue %u: ioeventfd: %s", vd->name, q->n, strerror(-err));
	vd->ioeventfd_logged |= err;
}

static void legacy_moved(struct virtio_dev *vd, uint64_t addr)
{
	unsigned int n;

	for (n = 0; n < vd->nr_queues; n++)
		virtio_legacy_wire(&vd->queue[n], false);
	vd->legacy_addr = addr;
	for (n = 0; n < vd->nr_queues && vd->legacy && virtio_backend_busy(vd); n++)
		virtio_legacy_wire(&vd->queue[n], vd->queue[n].ring.enabled);
}

static void virtio_bar_moved(struct pci_dev *d, unsigned int bar, uint64_t addr)
{
	struct virtio_dev *vd = to_virtio(d);
	unsigned int n;

	if (bar == BAR_LEGACY)
		legacy_moved(vd, addr);
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

	return vd->pci_cfg_cap && off < data + 4 && data < off + len;
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
		q->src.intx = virtio_queue_intx;
	}
	return 0;
}

static unsigned int cap_add(struct virtio_dev *vd, uint8_t type, unsigned int part, uint32_t bytes,
			    unsigned int cap_len)
{
	unsigned int off = pci_cap_add(&vd->pci, PCI_CAP_ID_VNDR, cap_len);
	uint8_t *cap = vd->pci.cfg + off;
	uint32_t at = part * VIRTIO_PART_BYTES;

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
	uint32_t stride = VIRTIO_NOTIFY_STRIDE;
	unsigned int off;

	cap_add(vd, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PART_COMMON, VIRTIO_COMMON_BYTES, plain);
	cap_add(vd, VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PART_ISR, 1, plain);
	if (vd->config_len)
		cap_add(vd, VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_PART_DEVICE, vd->config_len, plain);
	off = cap_add(vd, VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_PART_NOTIFY, vd->nr_queues * VIRTIO_NOTIFY_STRIDE,
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

static void modern_create(struct virtio_dev *vd, const struct virtio_pci_init *init)
{
	pci_set_ids(&vd->pci, 0x1af4, 0x1040 + init->device_id, 0x1af4, 0x1100, init->class_code << 8 | 1);
	pci_bar_init(&vd->pci, BAR_MODERN, false, VIRTIO_BAR_BYTES, &virtio_bar_ops, vd);
}

static void legacy_create(struct virtio_dev *vd, const struct virtio_pci_init *init)
{
	unsigned int config = vd->config_len < VIRTIO_LEGACY_CONFIG ? vd->config_len : VIRTIO_LEGACY_CONFIG, size = 32;

	while (size < VIRTIO_LEGACY_HEADER + config)
		size *= 2;
	pci_set_ids(&vd->pci, 0x1af4, transitional_id(init->device_id), 0x1af4, init->device_id, init->class_code << 8);
	pci_bar_init(&vd->pci, BAR_LEGACY, true, size, &virtio_legacy_ops, vd);
	vd->legacy_features = vd->features;
	/* Of virtio 1 a part, which these drivers have to be told */
	if (vd->vhost->features & (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ANY_LAYOUT))
		vd->legacy_features |= 1u << VIRTIO_F_ANY_LAYOUT;
}

int virtio_pci_create(struct vm *vm, struct virtio_dev *vd, const struct virtio_pci_init *init)
{
	struct pci_dev *d = &vd->pci;
	bool legacy, modern;
	unsigned int n;

	if (interfaces(vd->name, init, &legacy, &modern))
		return -1;
	d->name = vd->name;
	d->ops = &virtio_pci_ops;
	vd->config_vector = MSIX_NO_VECTOR;
	vd->notify_addr = PCI_UNMAPPED;
	vd->legacy_addr = PCI_UNMAPPED;
	if (queues_create(vd, init))
		goto out_queues;
	if (modern)
		modern_create(vd, init);
	if (legacy)
		legacy_create(vd, init);
	if (msix_create(vm, d, init->vectors, BAR_MSIX))
		goto out_queues;
	if (modern)
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

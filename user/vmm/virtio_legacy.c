// SPDX-License-Identifier: GPL-2.0
/*
 * Registers of the legacy interface (virtio 1.2, 4.1.4.10 and the sections on legacy interfaces): I/O ports, the device
 * configuration behind them. See virtio_pci.h for threads.
 *
 * Each register is accessed where it begins; what is wider than it is cut. The driver has 32 features, which hold as
 * soon as they are written, and a queue is the number of a page, with all parts of it in one piece. Old drivers use queues before
 * they set DRIVER_OK: the first notification starts the back end, too.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include "virtio_pci.h"

static unsigned int config_off(const struct virtio_dev *vd)
{
	return msix_enabled(vd->pci.msix) ? VIRTIO_LEGACY_HEADER : VIRTIO_LEGACY_HEADER - 4;
}

/* ---- features and life ---- */

static void features_write(struct virtio_dev *vd, uint32_t features)
{
	if (vd->status & VIRTIO_CONFIG_S_FEATURES_OK || virtio_backend_busy(vd))
		return;
	vd->legacy = true;
	vd->driver_features = features & vd->legacy_features;
	if (vd->ops->features_ok)
		vd->ops->features_ok(vd, vd->driver_features);
}

static void start(struct virtio_dev *vd)
{
	unsigned int n;

	if (virtio_backend_busy(vd))
		return;
	if (!vd->legacy)
		features_write(vd, 0);
	if (vd->ops->check && !vd->ops->check(vd, vd->driver_features))
		virtio_broken(vd, "the driver's features do not fit together");
	virtio_started(vd);
	for (n = 0; n < vd->nr_queues && vd->want_start; n++)
		virtio_legacy_wire(&vd->queue[n], vd->queue[n].ring.enabled);
}

/* It takes until it is done: the driver goes on with memory that must not be written any more. */
static void reset(struct virtio_dev *vd)
{
	virtio_reset_write(vd);
	if (vd->want_reset)
		vm_hold(&vd->want_reset);
}

static void status_write(struct virtio_dev *vd, uint8_t val)
{
	uint8_t set = val & ~vd->status;

	if (!val) {
		reset(vd);
		return;
	}
	if (vd->want_reset)
		return;
	vd->status |= set & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |
			     VIRTIO_CONFIG_S_FAILED);
	if (set & VIRTIO_CONFIG_S_DRIVER_OK)
		start(vd);
}

/* ---- queues ---- */

static void queue_place(struct virtio_queue *q, uint32_t pfn)
{
	struct virtio_dev *vd = q->vd;
	struct vhost_ring *r = &q->ring;

	/* One more for a back end that runs, if it can */
	if (r->enabled || (virtio_backend_busy(vd) && !vd->vhost->ops->ring_start))
		return;
	r->size = q->max;
	r->desc = (uint64_t)pfn << VIRTIO_PCI_QUEUE_ADDR_SHIFT;
	r->avail = r->desc + 16ull * r->size;
	r->used = (r->avail + 6 + 2ull * r->size + VIRTIO_PCI_VRING_ALIGN - 1) & ~(VIRTIO_PCI_VRING_ALIGN - 1ull);
	r->enabled = true;
	if (!virtio_backend_busy(vd))
		return;
	q->want = VIRTIO_QUEUE_START;
	virtio_legacy_wire(q, true);
	virtio_backend_kick(vd);
}

/* Page 0 takes a queue away; one that runs takes the device with it. */
static void pfn_write(struct virtio_dev *vd, uint32_t pfn)
{
	struct virtio_queue *q = virtio_selected(vd);

	if (!q || vd->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	if (pfn)
		queue_place(q, pfn);
	else if (virtio_backend_busy(vd))
		reset(vd);
	else
		virtio_queue_reset(q);
}

static uint32_t pfn_read(const struct virtio_queue *q)
{
	return q && q->ring.enabled ? (uint32_t)(q->ring.desc >> VIRTIO_PCI_QUEUE_ADDR_SHIFT) : 0;
}

static void notify_write(struct virtio_dev *vd, uint16_t n)
{
	const uint8_t no = VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET;

	if (n < vd->nr_queues && vd->queue[n].ring.enabled && !(vd->status & no))
		start(vd);
	virtio_notify(vd, n);
}

/* ---- the ports ---- */

static uint64_t legacy_read(void *dev, uint64_t off, unsigned int len)
{
	struct virtio_dev *vd = dev;
	struct virtio_queue *q = virtio_selected(vd);

	if (off >= config_off(vd))
		return virtio_config_read(vd, off - config_off(vd), len);
	switch (off) {
	case VIRTIO_PCI_HOST_FEATURES:
		return vd->legacy_features;
	case VIRTIO_PCI_GUEST_FEATURES:
		return (uint32_t)vd->driver_features;
	case VIRTIO_PCI_QUEUE_PFN:
		return pfn_read(q);
	case VIRTIO_PCI_QUEUE_NUM:
		return q ? q->max : 0;
	case VIRTIO_PCI_QUEUE_SEL:
		return vd->queue_select;
	case VIRTIO_PCI_STATUS:
		return vd->status;
	case VIRTIO_PCI_ISR:
		return virtio_isr_read(vd);
	case VIRTIO_MSI_CONFIG_VECTOR:
		return vd->config_vector;
	case VIRTIO_MSI_QUEUE_VECTOR:
		return q ? q->vector : VIRTIO_MSI_NO_VECTOR;
	}
	return 0;
}

static void header_write(struct virtio_dev *vd, unsigned int off, uint32_t val)
{
	struct virtio_queue *q = virtio_selected(vd);

	switch (off) {
	case VIRTIO_PCI_GUEST_FEATURES:
		features_write(vd, val);
		break;
	case VIRTIO_PCI_QUEUE_PFN:
		pfn_write(vd, val);
		break;
	case VIRTIO_PCI_QUEUE_SEL:
		vd->queue_select = (uint16_t)val;
		break;
	case VIRTIO_PCI_QUEUE_NOTIFY:
		notify_write(vd, (uint16_t)val);
		break;
	case VIRTIO_MSI_CONFIG_VECTOR:
		virtio_config_vector_write(vd, (uint16_t)val);
		break;
	case VIRTIO_MSI_QUEUE_VECTOR:
		if (q)
			virtio_queue_vector_write(q, (uint16_t)val);
		break;
	}
}

static void legacy_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct virtio_dev *vd = dev;

	if (off == VIRTIO_PCI_STATUS)
		status_write(vd, (uint8_t)val);
	else if (vd->want_reset)
		return;		/* it swallows what comes meanwhile */
	else if (off >= config_off(vd))
		virtio_config_write(vd, off - config_off(vd), val, len);
	else
		header_write(vd, off, (uint32_t)val);
}

const struct bus_ops virtio_legacy_ops = { .read = legacy_read, .write = legacy_write };

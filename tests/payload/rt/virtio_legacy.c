// SPDX-License-Identifier: GPL-2.0
/* The legacy interface of virtio PCI devices. See virtio.h. */
#include "virtio.h"

bool legacy_find(struct virtio *v)
{
	u64 size;

	if (pci_read(v->devfn, 0x08, 1) || !pci_bar_is_io(v->devfn, 0))
		return false;
	v->port = pci_bar(v->devfn, 0, &size);
	return v->port && size >= VL_MSIX;
}

/* It is done when the write has returned: there is nothing that a driver could wait for. */
void legacy_reset(struct virtio *v)
{
	outb(v->port + VL_STATUS, 0);
	if (virtio_status(v))
		rt_die("the status is 0x%x after a reset", virtio_status(v));
}

bool legacy_negotiate(struct virtio *v, u64 want)
{
	v->features = v->offered & (want | VF_ANY_LAYOUT);
	outl(v->port + VL_GF, v->features);
	return inl(v->port + VL_GF) == v->features;
}

/* Which is not for the driver to choose */
u16 legacy_size(struct virtio *v, u16 index)
{
	u16 size;

	outw(v->port + VL_QSEL, index);
	size = inw(v->port + VL_QSIZE);
	return size <= VQ_MAX && !inl(v->port + VL_QPFN) ? size : 0;
}

/* One piece of memory: the descriptors, what is available behind them, what is used on a page of its own. */
bool legacy_place(struct vq *q, u8 *mem, u16 msix)
{
	u16 port = q->v->port;
	u64 used = ((u64)mem + 16 * q->size + 6 + 2 * q->size + 4095) & ~4095ull;

	q->avail = (void *)(mem + 16 * q->size);
	q->used = (void *)used;
	q->used_ring = (void *)(used + 4);
	q->avail_event = (void *)(used + 4 + 8 * q->size);
	if (q->v->has_msix && msix_enabled(&q->v->msix)) {
		outw(port + VL_QMSIX, msix);
		if (inw(port + VL_QMSIX) != msix)
			return false;
	}
	outl(port + VL_QPFN, (u64)mem >> 12);
	return inl(port + VL_QPFN) == (u64)mem >> 12;
}

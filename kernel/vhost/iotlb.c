// SPDX-License-Identifier: GPL-2.0
/*
 * The device IOTLB: I/O translations that the owner hands us (VIRTIO_F_ACCESS_PLATFORM).
 *
 * A table is sorted as the engine wants it and never changes: each message makes a new one, which
 * the queues get one after the other under their mutex. So nothing that runs finds a translation
 * changed, nothing that runs later finds an old one, and serving a queue costs what it costs with a
 * memory table. The table is a cache: it forgets the oldest when it is full.
 *
 * A queue that meets an address without translation is parked: the address goes to the owner (see
 * iotlb_msg.c), whose answer queues the queue again, and the cursor still stands where it stood.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "internal.h"

static int max_iotlb_entries = 2048;
module_param(max_iotlb_entries, int, 0444);
MODULE_PARM_DESC(max_iotlb_entries, "Most translations in a device's IOTLB (default 2048)");

/**
 * struct vhc_iotlb - I/O translations
 * @clock: counts translations added
 * @born: value of @clock when each region of @map was added
 * @map: what the engine reads; gpa is an I/O address
 */
struct vhc_iotlb {
	u64 clock;
	u64 *born;
	struct vring_mem map;
};

static struct vhc_iotlb *iotlb_alloc(size_t nr)
{
	size_t regions = struct_size_t(struct vhc_iotlb, map.region, nr);
	struct vhc_iotlb *tlb = kvmalloc(size_add(regions, array_size(nr, sizeof(*tlb->born))),
					 GFP_KERNEL_ACCOUNT);

	if (!tlb)
		return NULL;
	tlb->clock = 0;
	tlb->born = (u64 *)&tlb->map.region[nr];
	tlb->map.nr = 0;
	return tlb;
}

/* Append the part of a region from @start to @last. */
static void iotlb_push(struct vhc_iotlb *tlb, const struct vring_region *r, u64 start, u64 last,
		       u64 born)
{
	u32 i = tlb->map.nr++;

	tlb->map.region[i] = (struct vring_region){
		.gpa = start,
		.size = last - start + 1,
		.uaddr = r->uaddr + (start - r->gpa),
		.perm = r->perm,
	};
	tlb->born[i] = born;
}

static void iotlb_forget_oldest(struct vhc_iotlb *tlb)
{
	struct vring_region *r = tlb->map.region;
	u32 i, at = 0, behind;

	for (i = 1; i < tlb->map.nr; i++)
		if (tlb->born[i] < tlb->born[at])
			at = i;
	behind = --tlb->map.nr - at;
	memmove(&r[at], &r[at + 1], behind * sizeof(*r));
	memmove(&tlb->born[at], &tlb->born[at + 1], behind * sizeof(*tlb->born));
}

/*
 * A table with @add, or nothing, in place of whatever led from @start to @last. What old regions
 * hold beside that stays.
 */
static struct vhc_iotlb *iotlb_with(const struct vhc_iotlb *old, u64 start, u64 last,
				    const struct vring_region *add)
{
	const struct vring_region *r = old->map.region, *end = r + old->map.nr;
	/* One may be cut in two, and one is new. */
	struct vhc_iotlb *tlb = iotlb_alloc((size_t)old->map.nr + 2);

	if (!tlb)
		return NULL;
	tlb->clock = old->clock + 1;
	for (; r < end && r->gpa < start; r++)
		iotlb_push(tlb, r, r->gpa, min(r->gpa + r->size, start) - 1,
			   old->born[r - old->map.region]);
	if (add)
		iotlb_push(tlb, add, start, last, tlb->clock);
	for (r = old->map.region; r < end; r++)
		if (r->gpa + r->size - 1 > last)
			iotlb_push(tlb, r, max(r->gpa, last + 1), r->gpa + r->size - 1,
				   old->born[r - old->map.region]);
	while (tlb->map.nr > max_iotlb_entries)
		iotlb_forget_oldest(tlb);
	return tlb;
}

/* The region that holds @iova, or NULL */
static const struct vring_region *iotlb_find(const struct vhc_iotlb *tlb, u64 iova)
{
	const struct vring_region *r = tlb->map.region;
	u32 n = tlb->map.nr;

	while (n > 1) {
		u32 half = n / 2;

		r += r[half].gpa <= iova ? half : 0;
		n -= half;
	}
	return n && iova - r->gpa < r->size ? r : NULL;
}

/* What SET_VRING_ADDR said were addresses of another kind: others are needed. */
static void vq_forget_addr(struct vhc_vq *vq)
{
	memset(&vq->addr, 0, sizeof(vq->addr));
	vq->ring.desc = NULL;
	vq->ring.avail = NULL;
	vq->ring.used = NULL;
	vq->ring.pages = NULL;
	vq->log.ring = false;
}

/* Have all queues use this table, NULL for none; dev->mutex is held. */
static void iotlb_use(struct vhc_dev *dev, struct vhc_iotlb *tlb)
{
	struct vhc_iotlb *old = dev->iotlb;
	u32 i;

	WRITE_ONCE(dev->iotlb, tlb);
	for (i = 0; i < dev->nvqs; i++) {
		struct vhc_vq *vq = dev->vqs[i];

		mutex_lock(&vq->mutex);
		if (!tlb != !vq->iotlb)
			vq_forget_addr(vq);
		vq->iotlb = tlb;
		vq->ring_mapped = false;
		vhc_vq_set_map(vq);
		mutex_unlock(&vq->mutex);
	}
	kvfree(old);
}

/**
 * vhc_iotlb_enable() - begin with an empty table
 * @dev: dev->mutex is held
 *
 * Return: 0 or -ENOMEM
 */
int vhc_iotlb_enable(struct vhc_dev *dev)
{
	struct vhc_iotlb *tlb = max_iotlb_entries > 0 ? iotlb_alloc(0) : NULL;

	if (!tlb)
		return -ENOMEM;
	iotlb_use(dev, tlb);
	return 0;
}

/**
 * vhc_iotlb_disable() - addresses are guest addresses from now on
 * @dev: dev->mutex is held
 */
void vhc_iotlb_disable(struct vhc_dev *dev)
{
	if (!dev->iotlb)
		return;
	iotlb_use(dev, NULL);
	wake_up_interruptible_poll(&dev->miss_wait, EPOLLIN | EPOLLRDNORM);
}

/**
 * vhc_iotlb_set() - replace translations
 * @dev: dev->mutex is held; has an IOTLB
 * @start: first I/O address
 * @last: last I/O address
 * @add: leads there from now on, its uaddr and size lie in user space; NULL: nothing does
 *
 * Nothing uses the old translations any more on return.
 * Return: 0 or -ENOMEM
 */
int vhc_iotlb_set(struct vhc_dev *dev, u64 start, u64 last, const struct vring_region *add)
{
	struct vhc_iotlb *tlb = iotlb_with(dev->iotlb, start, last, add);

	if (!tlb)
		return -ENOMEM;
	iotlb_use(dev, tlb);
	return 0;
}

const struct vring_mem *vhc_iotlb_map(const struct vhc_iotlb *tlb)
{
	return &tlb->map;
}

/* --- rings --- */

/*
 * Where a piece of a ring lies that must be contiguous: it may span translations.
 * Return: 0; -EAGAIN after a miss; -EFAULT
 */
static int map_piece(struct vhc_vq *vq, u64 iova, u64 len, u32 perm, u64 *uaddr)
{
	u64 at = iova, end = iova + len, expect = 0;

	while (at < end) {
		const struct vring_region *r = iotlb_find(vq->iotlb, at);
		u64 to;

		if (!r) {
			vhc_iotlb_miss(vq, at, perm);
			return -EAGAIN;
		}
		to = r->uaddr + (at - r->gpa);
		if ((r->perm & perm) != perm || (at != iova && to != expect))
			return -EFAULT;
		if (at == iova)
			*uaddr = to;
		len = r->size - (at - r->gpa);
		at += len;
		expect = to + len;
	}
	return 0;
}

/* One area of a ring, page by page. Return: as map_piece() */
static int map_area(struct vhc_vq *vq, struct vring_area *area, void __user **page, u64 iova,
		    u64 len, u32 perm)
{
	u64 end = iova + len, uaddr = 0;

	/* One that wraps has no translation. */
	if (end < iova)
		return -EFAULT;
	area->page = page;
	area->offset = iova % VRING_PAGE_SIZE;
	while (iova < end) {
		u64 stop = min(end, round_down(iova, (u64)VRING_PAGE_SIZE) + VRING_PAGE_SIZE);
		int err = map_piece(vq, iova, stop - iova, perm, &uaddr);

		if (err)
			return err;
		*page++ = (void __user *)(unsigned long)(uaddr - iova % VRING_PAGE_SIZE);
		iova = stop;
	}
	return 0;
}

static u32 area_pages(u64 iova, size_t len)
{
	return DIV_ROUND_UP(iova % VRING_PAGE_SIZE + len, VRING_PAGE_SIZE);
}

/* The area's address if its pages follow each other in user space as well, else NULL */
static void __user *area_flat(const struct vring_area *area, u32 nr)
{
	u32 i;

	for (i = 1; i < nr; i++)
		if (area->page[i] != area->page[i - 1] + VRING_PAGE_SIZE)
			return NULL;
	return area->page[0] + area->offset;
}

/* Room for the addresses of all pages of a ring */
static int ring_room(struct vhc_vq *vq, u32 nr)
{
	if (nr <= vq->ring_room)
		return 0;
	kvfree(vq->ring_page);
	vq->ring_room = 0;
	vq->ring_page = kvmalloc_array(nr, sizeof(*vq->ring_page), GFP_KERNEL_ACCOUNT);
	if (!vq->ring_page)
		return -ENOMEM;
	vq->ring_room = nr;
	return 0;
}

/**
 * vhc_iotlb_map_ring() - find the ring by its I/O addresses
 * @vq: mutex held; has an IOTLB
 *
 * Return: 0; -EAGAIN after a miss; -EFAULT when translations forbid what the device must do, or
 * cut a page of the ring in pieces; -ENOMEM
 */
int vhc_iotlb_map_ring(struct vhc_vq *vq)
{
	const struct vhc_ring_addr *a = &vq->addr;
	struct vring_pages *p = &vq->ring_pages;
	struct vhc_ring_size size = vhc_vq_ring_size(vq);
	u32 nr_desc = area_pages(a->desc, size.desc), nr_avail = area_pages(a->avail, size.avail);
	u32 nr_used = area_pages(a->used, size.used);
	void __user *desc, *avail, *used;
	u32 perm = VRING_PERM_READ;
	int err;

	/* The device writes to a packed ring what it used. */
	if (vhc_vq_has_feature(vq, VIRTIO_F_RING_PACKED))
		perm = VRING_PERM_RW;

	err = ring_room(vq, nr_desc + nr_avail + nr_used);
	if (err)
		return err;
	err = map_area(vq, &p->desc, vq->ring_page, a->desc, size.desc, perm);
	if (!err)
		err = map_area(vq, &p->avail, vq->ring_page + nr_desc, a->avail, size.avail,
			       VRING_PERM_READ);
	if (!err)
		err = map_area(vq, &p->used, vq->ring_page + nr_desc + nr_avail, a->used,
			       size.used, VRING_PERM_WRITE);
	if (err)
		return err;

	desc = area_flat(&p->desc, nr_desc);
	avail = area_flat(&p->avail, nr_avail);
	used = area_flat(&p->used, nr_used);
	vq->ring.desc = desc;
	vq->ring.avail = avail;
	vq->ring.used = used;
	vq->ring.pages = desc && avail && used ? NULL : p;
	/* A descriptor must not lie in two pages. */
	if (vq->ring.pages && a->desc % sizeof(struct vring_desc))
		return -EFAULT;
	vq->ring_mapped = true;
	return 0;
}

/**
 * vhc_iotlb_map_start() - find what vring_start() needs of the ring
 * @vq: mutex held; has an IOTLB
 *
 * Return: as vhc_iotlb_map_ring()
 */
int vhc_iotlb_map_start(struct vhc_vq *vq)
{
	struct vring_pages *p = &vq->ring_pages;
	int err;

	vq->ring_mapped = false;
	err = ring_room(vq, 1);
	if (err)
		return err;
	err = map_area(vq, &p->used, vq->ring_page, vq->addr.used,
		       offsetof(struct vring_used, ring), VRING_PERM_WRITE);
	if (!err)
		vq->ring.pages = p;
	return err;
}

/**
 * vhc_iotlb_park() - is a translation all that the engine lacks?
 * @vq: mutex held, worker context; vq->ring.err says what stopped the engine
 *
 * Return: true when the queue waits for the owner's answer, false when the ring is malformed
 */
bool vhc_iotlb_park(struct vhc_vq *vq)
{
	struct vring_error *err = &vq->ring.err;

	if (!vq->iotlb || err->code != VRING_E_ADDR || iotlb_find(vq->iotlb, err->value))
		return false;
	vhc_iotlb_miss(vq, err->value, err->write ? VRING_PERM_WRITE : VRING_PERM_READ);
	err->code = VRING_OK;
	return true;
}

// SPDX-License-Identifier: GPL-2.0
/* vdrv: the driver's side of a split virtqueue (virtio 1.2, 2.7). */
#include <endian.h>

#include "vdrv_layout.h"

static uint16_t *used_event(struct vdrv_vq *vq)
{
	return (uint16_t *)&vq->avail->ring[vq->num];
}

static uint16_t *avail_event(struct vdrv_vq *vq)
{
	return (uint16_t *)&vq->used->ring[vq->num];
}

static void split_sizes(unsigned int num, size_t *driver, size_t *device)
{
	*driver = sizeof(uint16_t) * (3 + num);
	*device = sizeof(uint16_t) * 3 + sizeof(struct vring_used_elem) * num;
}

/*
 * The free list runs through desc.next, which the device only reads. With IN_ORDER it is a circle that
 * never changes, so that descriptors are used in the order of the table.
 */
static void split_open(struct vdrv_vq *vq)
{
	unsigned int i;

	for (i = 0; i < vq->num; i++)
		vq->desc[i].next = htole16(i + 1 < vq->num ? i + 1 : 0);
}

static void split_set_base(struct vdrv_vq *vq, uint16_t base)
{
	vq->avail_idx = base;
	vq->last_used = base;
	vq->avail->idx = htole16(base);
	vq->used->idx = htole16(base);
}

static void desc_write(struct vring_desc *desc, const struct vdrv_buf *buf, bool more)
{
	desc->addr = htole64(buf->gpa);
	desc->len = htole32(buf->len);
	desc->flags = htole16((buf->device_writes ? VRING_DESC_F_WRITE : 0) |
			      (more ? VRING_DESC_F_NEXT : 0));
}

static uint16_t split_add(struct vdrv_vq *vq, const struct vdrv_buf *buf, unsigned int n,
			  uint64_t table)
{
	uint16_t head = vq->free_head, last = head;
	unsigned int i;

	if (table) {
		struct vring_desc *t = vdrv_mem_va(vq->mem, table);

		for (i = 0; i < n; i++) {
			desc_write(&t[i], &buf[i], i + 1 < n);
			t[i].next = htole16(i + 1);
		}
		vq->desc[head].addr = htole64(table);
		vq->desc[head].len = htole32(n * sizeof(*t));
		vq->desc[head].flags = htole16(VRING_DESC_F_INDIRECT);
	} else {
		for (i = 0; i < n; i++) {
			if (i)
				last = le16toh(vq->desc[last].next);
			desc_write(&vq->desc[last], &buf[i], i + 1 < n);
		}
	}
	vq->free_head = le16toh(vq->desc[last].next);
	vq->slot[head].last = last;
	vq->avail->ring[vq->avail_idx & (vq->num - 1)] = htole16(head);
	vq->avail_idx++;
	vq->unkicked++;
	return head;
}

static void split_publish(struct vdrv_vq *vq)
{
	/* Pairs with the device's read barrier between avail->idx and the ring. */
	__atomic_store_n(&vq->avail->idx, htole16(vq->avail_idx), __ATOMIC_RELEASE);
}

static bool split_wants_kick(struct vdrv_vq *vq)
{
	uint16_t event;

	if (!vq->event_idx)
		return !(le16toh(__atomic_load_n(&vq->used->flags, __ATOMIC_RELAXED)) &
			 VRING_USED_F_NO_NOTIFY);
	event = le16toh(__atomic_load_n(avail_event(vq), __ATOMIC_RELAXED));
	return (uint16_t)(vq->avail_idx - event - 1) < vq->unkicked;
}

static unsigned int split_pending(const struct vdrv_vq *vq)
{
	return (uint16_t)(le16toh(__atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE)) -
			  vq->last_used);
}

static void split_peek(const struct vdrv_vq *vq, uint32_t *id, uint32_t *len)
{
	const struct vring_used_elem *e = &vq->used->ring[vq->last_used & (vq->num - 1)];

	*id = le32toh(e->id);
	*len = le32toh(e->len);
}

static void split_take(struct vdrv_vq *vq, uint16_t id)
{
	if (!vq->in_order) {
		vq->desc[vq->slot[id].last].next = htole16(vq->free_head);
		vq->free_head = id;
	}
	vq->last_used++;
}

static void split_disable_call(struct vdrv_vq *vq)
{
	if (vq->event_idx)	/* farthest from what the device writes next */
		__atomic_store_n(used_event(vq), htole16(vq->last_used + 0x8000),
				 __ATOMIC_RELAXED);
	else
		__atomic_store_n(&vq->avail->flags, htole16(VRING_AVAIL_F_NO_INTERRUPT),
				 __ATOMIC_RELAXED);
}

static void split_enable_call(struct vdrv_vq *vq)
{
	if (vq->event_idx)
		__atomic_store_n(used_event(vq), htole16(vq->last_used), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&vq->avail->flags, 0, __ATOMIC_RELAXED);
}

static uint32_t split_device_base(const struct vdrv_vq *vq)
{
	return le16toh(__atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE));
}

static bool split_all_used(const struct vdrv_vq *vq)
{
	return split_device_base(vq) == vq->avail_idx;
}

const struct vdrv_layout vdrv_split = {
	.sizes = split_sizes,
	.open = split_open,
	.set_base = split_set_base,
	.add = split_add,
	.publish = split_publish,
	.wants_kick = split_wants_kick,
	.pending = split_pending,
	.peek = split_peek,
	.take = split_take,
	.disable_call = split_disable_call,
	.enable_call = split_enable_call,
	.device_base = split_device_base,
	.all_used = split_all_used,
};

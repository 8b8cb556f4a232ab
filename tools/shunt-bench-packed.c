// SPDX-License-Identifier: GPL-2.0
/*
 * vdrv: the driver's side of a packed virtqueue (virtio 1.2, 2.8).
 *
 * A position and a wrap counter, true in the first round, say where each side is. Together they are a
 * clock of two rounds: position in the rounds with true, position + num in those with false.
 */
#include <endian.h>

#include "vdrv_layout.h"

#define AVAIL		VDRV_BIT(VRING_PACKED_DESC_F_AVAIL)
#define USED		VDRV_BIT(VRING_PACKED_DESC_F_USED)
#define WRAP		VDRV_BIT(VRING_PACKED_EVENT_F_WRAP_CTR)
#define NOTHING_HIDDEN	0x10000u

static void packed_sizes(unsigned int num, size_t *driver, size_t *device)
{
	(void)num;
	*driver = sizeof(struct vring_packed_desc_event);
	*device = sizeof(struct vring_packed_desc_event);
}

static void packed_open(struct vdrv_vq *vq)
{
	unsigned int i;

	vq->avail_wrap = true;
	vq->used_wrap = true;
	vq->hidden = NOTHING_HIDDEN;
	/* Free ids are a list through slot.last. */
	for (i = 0; i < vq->num; i++)
		vq->slot[i].last = i + 1;
}

/* What earlier rounds left: used descriptors, of this round before the position, of the last behind. */
static void packed_set_base(struct vdrv_vq *vq, uint16_t base)
{
	bool wrap = !(base / vq->num & 1);
	unsigned int at = base % vq->num, i;

	for (i = 0; i < vq->num; i++)
		vq->pdesc[i].flags = htole16((i < at) == wrap ? AVAIL | USED : 0);
	vq->avail_idx = at;
	vq->last_used = at;
	vq->avail_wrap = wrap;
	vq->used_wrap = wrap;
}

static void step(const struct vdrv_vq *vq, uint16_t *at, bool *wrap, unsigned int n)
{
	unsigned int to = *at + n;

	if (to >= vq->num) {
		to -= vq->num;
		*wrap = !*wrap;
	}
	*at = to;
}

/* Descriptor at the next position; the first since publish() keeps its old flags for now. */
static void next_write(struct vdrv_vq *vq, uint64_t gpa, uint32_t len, uint16_t id, uint16_t flags)
{
	struct vring_packed_desc *d = &vq->pdesc[vq->avail_idx];

	flags |= vq->avail_wrap ? AVAIL : USED;
	d->addr = htole64(gpa);
	d->len = htole32(len);
	d->id = htole16(id);
	if (vq->hidden == NOTHING_HIDDEN) {
		vq->hidden = vq->avail_idx;
		vq->hidden_flags = flags;
	} else {
		__atomic_store_n(&d->flags, htole16(flags), __ATOMIC_RELAXED);
	}
	step(vq, &vq->avail_idx, &vq->avail_wrap, 1);
	vq->unkicked++;
}

static uint16_t write_flag(const struct vdrv_buf *buf)
{
	return buf->device_writes ? VRING_DESC_F_WRITE : 0;
}

static uint16_t packed_add(struct vdrv_vq *vq, const struct vdrv_buf *buf, unsigned int n,
			   uint64_t table)
{
	uint16_t id = vq->free_head;
	unsigned int i;

	vq->free_head = vq->slot[id].last;
	if (table) {
		struct vring_packed_desc *t = vdrv_mem_va(vq->mem, table);

		for (i = 0; i < n; i++)
			t[i] = (struct vring_packed_desc){ .addr = htole64(buf[i].gpa),
							   .len = htole32(buf[i].len),
							   .flags = htole16(write_flag(&buf[i])) };
		next_write(vq, table, n * sizeof(*t), id, VRING_DESC_F_INDIRECT);
		return id;
	}
	for (i = 0; i < n; i++)
		next_write(vq, buf[i].gpa, buf[i].len, id,
			   write_flag(&buf[i]) | (i + 1 < n ? VRING_DESC_F_NEXT : 0));
	return id;
}

/* The device stops at the first descriptor that is not available: that one comes last. */
static void packed_publish(struct vdrv_vq *vq)
{
	if (vq->hidden == NOTHING_HIDDEN)
		return;
	__atomic_store_n(&vq->pdesc[vq->hidden].flags, htole16(vq->hidden_flags), __ATOMIC_RELEASE);
	vq->hidden = NOTHING_HIDDEN;
}

static unsigned int clock_of(const struct vdrv_vq *vq, unsigned int at, bool wrap)
{
	return wrap ? at : at + vq->num;
}

static bool packed_wants_kick(struct vdrv_vq *vq)
{
	uint16_t flags = le16toh(__atomic_load_n(&vq->device_event->flags, __ATOMIC_ACQUIRE));
	uint16_t off_wrap = le16toh(__atomic_load_n(&vq->device_event->off_wrap, __ATOMIC_RELAXED));
	unsigned int two = 2 * vq->num, from, event;

	flags &= 3;
	if (!vq->event_idx || flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	event = clock_of(vq, off_wrap & (WRAP - 1), off_wrap & WRAP);
	from = clock_of(vq, vq->avail_idx, vq->avail_wrap) + two - vq->unkicked;
	return (event + two - from % two) % two < vq->unkicked;
}

static bool is_used(const struct vdrv_vq *vq, unsigned int at, bool wrap)
{
	uint16_t flags = le16toh(__atomic_load_n(&vq->pdesc[at].flags, __ATOMIC_ACQUIRE));

	return !(flags & AVAIL) == !wrap && !(flags & USED) == !wrap;
}

static unsigned int packed_pending(const struct vdrv_vq *vq)
{
	return is_used(vq, vq->last_used, vq->used_wrap) ? vq->num : 0;
}

static void packed_peek(const struct vdrv_vq *vq, uint32_t *id, uint32_t *len)
{
	*id = le16toh(vq->pdesc[vq->last_used].id);
	*len = le32toh(vq->pdesc[vq->last_used].len);
}

static void packed_take(struct vdrv_vq *vq, uint16_t id)
{
	step(vq, &vq->last_used, &vq->used_wrap, vq->slot[id].ndesc);
	vq->slot[id].last = vq->free_head;
	vq->free_head = id;
}

static void packed_disable_call(struct vdrv_vq *vq)
{
	__atomic_store_n(&vq->driver_event->flags, htole16(VRING_PACKED_EVENT_FLAG_DISABLE),
			 __ATOMIC_RELAXED);
}

static void packed_enable_call(struct vdrv_vq *vq)
{
	uint16_t flags = VRING_PACKED_EVENT_FLAG_ENABLE;

	if (vq->event_idx) {
		__atomic_store_n(&vq->driver_event->off_wrap,
				 htole16(vq->last_used | (vq->used_wrap ? WRAP : 0)),
				 __ATOMIC_RELAXED);
		flags = VRING_PACKED_EVENT_FLAG_DESC;
	}
	__atomic_store_n(&vq->driver_event->flags, htole16(flags), __ATOMIC_RELEASE);
}

/* Used entries stand where a buffer's first descriptor was, or that of a whole batch. */
static uint32_t packed_device_base(const struct vdrv_vq *vq)
{
	uint16_t at = vq->last_used;
	bool wrap = vq->used_wrap;
	unsigned int left = vq->num - vq->nfree, seen = 0, n = vq->batch_left, ndesc;
	uint16_t id;

	while (n || (left && is_used(vq, at, wrap))) {
		id = le16toh(vq->pdesc[at].id) % vq->num;
		if (vq->in_order) {
			n = n ? n : vdrv_batch(vq, seen, id);
			if (!n)
				break;
			id = vq->order[(vq->order_head + seen++) % vq->num];
			n--;
		}
		ndesc = vq->slot[id].ndesc ? vq->slot[id].ndesc : 1;
		left -= ndesc < left ? ndesc : left;
		step(vq, &at, &wrap, ndesc);
	}
	at |= wrap ? WRAP : 0;
	return at | (uint32_t)at << 16;
}

static bool packed_all_used(const struct vdrv_vq *vq)
{
	return packed_device_base(vq) >> 16 == (vq->avail_idx | (vq->avail_wrap ? WRAP : 0));
}

const struct vdrv_layout vdrv_packed = {
	.sizes = packed_sizes,
	.open = packed_open,
	.set_base = packed_set_base,
	.add = packed_add,
	.publish = packed_publish,
	.wants_kick = packed_wants_kick,
	.pending = packed_pending,
	.peek = packed_peek,
	.take = packed_take,
	.disable_call = packed_disable_call,
	.enable_call = packed_enable_call,
	.device_base = packed_device_base,
	.all_used = packed_all_used,
};

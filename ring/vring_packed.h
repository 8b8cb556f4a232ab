/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packed layout: one ring of descriptors, which both sides write (virtio 1.2, 2.8). Private to
 * the engine: vring.c calls it.
 */
#ifndef RING_VRING_PACKED_H
#define RING_VRING_PACKED_H

#include "vring_engine.h"

int packed_start(struct vring_engine *vr);
int packed_pop(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b);
int packed_pop_again(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b,
		     u16 head, const struct vring_packed_desc *desc, u32 count);
int packed_complete(struct vring_engine *vr, const struct vring_elem *e, u32 n);
int packed_is_awaited(struct vring_engine *vr);
int packed_tell_kicks(struct vring_engine *vr, bool wanted);
int packed_look_again(struct vring_engine *vr);

/* The two flags that say whose turn a descriptor is. */
#define PACKED_AVAIL 0x0080U	/* bit VRING_PACKED_DESC_F_AVAIL */
#define PACKED_USED 0x8000U	/* bit VRING_PACKED_DESC_F_USED */
#define PACKED_TURN (PACKED_AVAIL | PACKED_USED)

/* The index in a place of the ring; the rest of it is the wrap counter. */
static __always_inline u32 packed_index(u16 pos)
{
	return pos & ~VRING_WRAP;
}

/* What both flags are in a descriptor that was made available in this lap: unequal (2.8.1). */
static __always_inline u16 packed_avail_turn(u16 pos)
{
	return pos & VRING_WRAP ? PACKED_AVAIL : PACKED_USED;
}

/* Both as they are in one that was used in this lap. */
static __always_inline u16 packed_used_turn(u16 pos)
{
	return pos & VRING_WRAP ? PACKED_TURN : 0;
}

/* @n places on, at most a lap of @num */
static __always_inline u16 packed_forward(u16 pos, u32 n, u32 num)
{
	u32 next = pos + n;

	if (unlikely(next >= (pos & VRING_WRAP) + num))
		next = (next - num) ^ VRING_WRAP;
	return next;
}

/*
 * How many places it is from @from on to @to: the wrap counters tell two laps apart. A way back is
 * more than any number of laps.
 */
static __always_inline u32 packed_distance(const struct vring_engine *vr, u16 from, u16 to)
{
	u32 way = packed_index(to) - packed_index(from);

	if ((from ^ to) & VRING_WRAP)
		way += vr->num;
	return way;
}

/* Descriptors that the driver may have made available at or after @pos: those we do not hold. */
static __always_inline u32 packed_left(const struct vring_engine *vr, u16 pos)
{
	return vr->num - packed_distance(vr, vr->pos.used, pos);
}

/* The half @half of descriptor @index; the second one holds length, id and flags. */
static __always_inline __le64 __user *
packed_half(const struct vring_engine *vr, u32 index, u32 half)
{
	u32 off = index * sizeof(struct vring_packed_desc) + half * sizeof(__le64);

	if (unlikely(vr->pages))
		return vring_area_at(&vr->pages->desc, off);
	return (__le64 __user *)((u8 __user *)vr->desc + off);
}

#endif

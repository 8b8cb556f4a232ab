/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The split layout. Private to the engine: vring.c calls it.
 */
#ifndef RING_VRING_SPLIT_H
#define RING_VRING_SPLIT_H

#include "vring_engine.h"

int split_start(struct vring_engine *vr);
int split_load_used(struct vring_engine *vr, u16 *used);
int split_pop(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b);
int split_pop_again(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b,
		    u16 head);
int split_complete(struct vring_engine *vr, const struct vring_elem *e, u32 n);
int split_is_awaited(struct vring_engine *vr);
int split_tell_kicks(struct vring_engine *vr, bool wanted);
int split_look_again(struct vring_engine *vr);

/**
 * split_pop_chains() - go on with a batch, whatever the buffers look like
 * @vr: the ring; there is at least one buffer more, which avail_seen covers
 * @mem: where guest addresses lead
 * @b: partly filled
 *
 * Context: outside an access window
 * Return: as vring_pop_batch()
 */
int split_pop_chains(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b);

static __always_inline u16 vring16_to_cpu(__virtio16 v)
{
	return le16_to_cpu((__force __le16)v);
}

static __always_inline __virtio16 cpu_to_vring16(u16 v)
{
	return (__force __virtio16)cpu_to_le16(v);
}

static __always_inline __virtio32 cpu_to_vring32(u32 v)
{
	return (__force __virtio32)cpu_to_le32(v);
}

/* The word @word of the avail ring: flags, index, entries, used_event */
static __always_inline const __virtio16 __user *
split_avail_word(const struct vring_engine *vr, u32 word)
{
	if (unlikely(vr->pages))
		return vring_area_at(&vr->pages->avail, word * sizeof(__virtio16));
	return (const __virtio16 __user *)vr->avail + word;
}

#define SPLIT_AVAIL_FLAGS 0
#define SPLIT_AVAIL_IDX 1
#define SPLIT_AVAIL_RING 2

/* Byte @off of the used ring. An entry's two fields may lie in two pages. */
static __always_inline void __user *split_used_at(const struct vring_engine *vr, u32 off)
{
	if (unlikely(vr->pages))
		return vring_area_at(&vr->pages->used, off);
	return (u8 __user *)vr->used + off;
}

#define SPLIT_USED_FLAGS 0
#define SPLIT_USED_IDX offsetof(struct vring_used, idx)
#define SPLIT_USED_RING sizeof(struct vring_used)

/*
 * Read avail->idx, inside a window. *@idx is set also when it makes no sense, for the error; it
 * must not be used then.
 */
static __always_inline enum vring_errno split_look(const struct vring_engine *vr, u16 *idx)
{
	__virtio16 raw;

	env_get(raw, split_avail_word(vr, SPLIT_AVAIL_IDX), fault);
	*idx = vring16_to_cpu(raw);
	if (unlikely((u16)(*idx - vr->pos.avail) > vr->num))
		return VRING_E_AVAIL_JUMP;

	/*
	 * Entries and descriptors are read after the index that made them ours; pairs with the
	 * driver's write barrier before it moves avail->idx (2.7.13.3).
	 */
	env_rmb();
	return VRING_OK;
fault:
	*idx = 0;
	return VRING_E_FAULT_RING;
}

#endif

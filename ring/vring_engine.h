/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the layouts share, besides descriptors. Private to the engine.
 */
#ifndef RING_VRING_ENGINE_H
#define RING_VRING_ENGINE_H

#include "vring.h"

/**
 * vring_fail() - record what is wrong, unless something was before
 * @vr: the ring
 * @code: what
 * @head: see &struct vring_error
 * @value: see &struct vring_error
 *
 * Context: outside an access window
 * Return: the negative errno that belongs to @code
 */
int vring_fail(struct vring_engine *vr, enum vring_errno code, u16 head, u64 value);

struct vring_map;

/**
 * vring_fail_map() - vring_fail() for what the collection of an element met
 * @vr: the ring
 * @code: what
 * @head: see &struct vring_error
 * @m: the rest
 *
 * Context: outside an access window
 * Return: the negative errno that belongs to @code
 */
int vring_fail_map(struct vring_engine *vr, enum vring_errno code, u16 head,
		   const struct vring_map *m);

/* Byte @off of an area. What is aligned to its own size lies in one page. */
static __always_inline void __user *vring_area_at(const struct vring_area *a, u32 off)
{
	off += a->offset;
	return (u8 __user *)a->page[off >> VRING_PAGE_SHIFT] + off % VRING_PAGE_SIZE;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest addresses to iovecs. Private to the engine, and inline because it runs inside an open
 * access window (see env.h). It touches no guest memory itself.
 */
#ifndef RING_VRING_MEM_H
#define RING_VRING_MEM_H

#include "vring.h"

/**
 * struct vring_map - translation state of one batch, in registers or on the stack
 * @region: the memory map
 * @nr_region: its regions
 * @hit: copy of the last translation's region; neighbouring buffers mostly share it
 * @iov: where the next segment goes
 * @end: where there is no more room
 * @bad: what was wrong, for &vring_error.value
 * @bad_write: for &vring_error.write
 */
struct vring_map {
	const struct vring_region *region;
	u32 nr_region;
	struct vring_region hit;
	struct iovec *iov;
	const struct iovec *end;
	u64 bad;
	bool bad_write;
};

/* No memory at all is a valid map: then every address is refused. */
static const struct vring_region vring_nowhere;

/* @at: segments of the batch that are filled already */
static __always_inline struct vring_map vring_map_of(const struct vring_mem *mem,
						     const struct vring_batch *b, u32 at)
{
	const struct vring_region *region = mem->nr ? mem->region : &vring_nowhere;
	u32 max = b->max_iov < VRING_IOV_MAX ? b->max_iov : VRING_IOV_MAX;

	return (struct vring_map){
		.region = region,
		.nr_region = mem->nr,
		.hit = *region,
		.iov = b->iov + at,
		.end = b->iov + max,
	};
}

/*
 * The last region that begins at or below @addr, if any does. The loop's only branch is its end,
 * which depends on the number of regions alone.
 */
static __always_inline const struct vring_region *
vring_map_floor(const struct vring_map *m, u64 addr)
{
	const struct vring_region *r = m->region;
	u32 n = m->nr_region;

	while (n > 1) {
		u32 half = n / 2;

		r += r[half].gpa <= addr ? half : 0;
		n -= half;
	}
	return r;
}

/* Does m->hit hold @addr? Regions do not wrap: one comparison covers both ends. */
static __always_inline bool vring_map_hit(const struct vring_map *m, u64 addr, u64 *off)
{
	*off = addr - m->hit.gpa;
	return likely(*off < m->hit.size);
}

/* The offset of @addr in the region that holds it, which is then m->hit; false when none does. */
static __always_inline bool vring_map_at(struct vring_map *m, u64 addr, u64 *off)
{
	if (likely(vring_map_hit(m, addr, off)))
		return true;
	m->hit = *vring_map_floor(m, addr);
	return vring_map_hit(m, addr, off);
}

/* As vring_map_at(), and the region grants @perm; if not, m->bad says so. */
static __always_inline bool vring_map_find(struct vring_map *m, u64 addr, u32 perm, u64 *off)
{
	if (likely(vring_map_at(m, addr, off)) && likely(m->hit.perm & perm))
		return true;
	m->bad = addr;
	m->bad_write = perm & VRING_PERM_WRITE;
	return false;
}

/*
 * Append the segments of one buffer: several when it spans regions, none when it is empty. An
 * address that wraps runs off the end of the last region.
 */
static __always_inline enum vring_errno
vring_map_add(struct vring_map *m, u64 addr, u64 len, u32 perm)
{
	struct iovec *iov = m->iov;

	for (; len; iov++) {
		u64 off, room;

		if (unlikely(iov == m->end)) {
			m->bad = len;
			return VRING_E_SEGMENTS;
		}
		if (unlikely(!vring_map_find(m, addr, perm, &off)))
			return VRING_E_ADDR;
		iov->iov_base = (void __user *)(unsigned long)(m->hit.uaddr + off);
		room = m->hit.size - off;
		if (unlikely(len > room)) {
			iov->iov_len = room;
			addr += room;
			len -= room;
			continue;
		}
		iov->iov_len = len;
		len = 0;
	}
	m->iov = iov;
	return VRING_OK;
}

/* May the device read all of it? */
static __always_inline bool vring_map_readable(struct vring_map *m, u64 addr, u64 len)
{
	u64 off, room;

	for (;;) {
		if (!vring_map_find(m, addr, VRING_PERM_READ, &off))
			return false;
		room = m->hit.size - off;
		if (len <= room)
			return true;
		addr += room;
		len -= room;
	}
}

#endif

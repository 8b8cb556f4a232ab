/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Descriptors of both layouts, and indirect tables of them. Private to the engine; inline because
 * all of it runs inside an open access window (see env.h), and because each layout gets a copy of
 * its own: @packed is known at compile time.
 */
#ifndef RING_VRING_DESC_H
#define RING_VRING_DESC_H

#include "vring_mem.h"

/* A chain names descriptors by 16 bits, so a table can have no more than this many. */
#define VRING_TABLE_MAX 65536U

/*
 * Descriptors that one call may follow besides the head of each element, and how many of them are
 * enough to end a batch. Tables are not counted against the ring's size, so without a bound one
 * chain of a hostile driver could keep a worker busy for 2^31 descriptors. The bound leaves room
 * for the longest ring and a table of full length whatever came before in the batch.
 */
#define VRING_WORK_ENOUGH 4096U
#define VRING_WORK_MAX (VRING_WORK_ENOUGH + 2 * VRING_TABLE_MAX)

/**
 * struct vring_chain - the element that is being collected
 * @map: where its segments go
 * @work: descriptors followed so far in this call, besides heads
 * @in: first segment the device writes; means something once @in_len is not zero
 * @out_len: bytes the device reads
 * @in_len: bytes the device writes
 */
struct vring_chain {
	struct vring_map map;
	u32 work;
	struct iovec *in;
	u64 out_len;
	u64 in_len;
};

/* A descriptor as it was when it was read. Split has a link, packed an id. */
struct vring_seen_desc {
	u64 addr;
	u32 len;
	u16 flags;
	union {
		u16 next;
		u16 id;
	};
};

static __always_inline void
vring_unpack_desc(struct vring_seen_desc *d, u64 lo, u64 hi, bool packed)
{
	u16 a = (u16)(hi >> 32), b = (u16)(hi >> 48);

	d->addr = lo;
	d->len = (u32)hi;
	d->flags = packed ? b : a;
	d->next = packed ? a : b;
}

/* Two loads take all four fields, each once. */
static __always_inline bool
vring_read_desc(struct vring_seen_desc *d, const void __user *from, bool packed)
{
	const __le64 __user *half = from;
	__le64 lo, hi;

	env_get(lo, half, fault);
	env_get(hi, half + 1, fault);
	vring_unpack_desc(d, le64_to_cpu(lo), le64_to_cpu(hi), packed);
	return true;
fault:
	return false;
}

/* Eight bytes of guest memory, one by one. */
static __always_inline enum vring_errno
vring_read_split(struct vring_map *m, u64 addr, u64 *value)
{
	u32 shift;

	*value = 0;
	for (shift = 0; shift < 64; shift += 8, addr++) {
		const u8 __user *p;
		u64 off;
		u8 byte;

		/* The caller has seen that all of the table is mapped; ask again all the same. */
		if (unlikely(!vring_map_find(m, addr, VRING_PERM_READ, &off)))
			return VRING_E_ADDR;
		off = env_index_nospec(off, m->hit.size);
		p = (const u8 __user *)(unsigned long)(m->hit.uaddr + off);
		env_get(byte, p, fault);
		*value |= (u64)byte << shift;
	}
	return VRING_OK;
fault:
	m->bad = addr;
	return VRING_E_FAULT_TABLE;
}

/* For a descriptor that is misaligned or lies in two regions. */
static __always_inline enum vring_errno
vring_read_desc_split(struct vring_seen_desc *d, struct vring_map *m, u64 addr, bool packed)
{
	enum vring_errno code;
	u64 lo, hi;

	code = vring_read_split(m, addr, &lo);
	if (unlikely(code))
		return code;
	code = vring_read_split(m, addr + sizeof(lo), &hi);
	if (unlikely(code))
		return code;
	vring_unpack_desc(d, lo, hi, packed);
	return VRING_OK;
}

static __always_inline u32 vring_desc_perm(u16 flags)
{
	return flags & VRING_DESC_F_WRITE ? VRING_PERM_WRITE : VRING_PERM_READ;
}

/*
 * The usual buffer, a lone descriptor within one region, as element @e whose segment is @iov.
 * False when it is of another kind, or wrong.
 */
static __always_inline bool
vring_lone_buf(struct vring_map *m, u64 addr, u32 len, bool write, struct vring_elem *e,
	       struct iovec *iov)
{
	u64 off;

	if (unlikely(!vring_map_at(m, addr, &off)))
		return false;
	/* Neither beyond the region nor empty: that makes the largest number of 0 - 1. */
	if (unlikely((u64)len - 1 >= m->hit.size - off))
		return false;

	if (write) {
		if (unlikely(!(m->hit.perm & VRING_PERM_WRITE)))
			return false;
		e->count = 1;
		e->nr_in = 1;
		e->nr_out = 0;
		e->out_len = 0;
		e->in_len = len;
	} else {
		if (unlikely(!(m->hit.perm & VRING_PERM_READ)))
			return false;
		e->count = 1;
		e->nr_in = 0;
		e->nr_out = 1;
		e->out_len = len;
		e->in_len = 0;
	}
	e->len = 0;
	iov->iov_base = (void __user *)(unsigned long)(m->hit.uaddr + off);
	iov->iov_len = len;
	return true;
}

/* One buffer. An empty writable one has no segment, and may precede a readable one. */
static __always_inline enum vring_errno
vring_chain_add(struct vring_chain *c, const struct vring_seen_desc *d)
{
	struct iovec *first = c->map.iov;
	enum vring_errno code;

	code = vring_map_add(&c->map, d->addr, d->len, vring_desc_perm(d->flags));
	if (unlikely(code))
		return code;
	if (d->flags & VRING_DESC_F_WRITE) {
		if (!c->in_len)
			c->in = first;
		c->in_len += d->len;
		return VRING_OK;
	}
	if (unlikely(c->in_len)) {
		c->map.bad = d->addr;
		return VRING_E_ORDER;
	}
	c->out_len += d->len;
	return VRING_OK;
}

/* How many links may be followed among @count descriptors: fewer, and no more than bearable. */
static __always_inline u32 vring_chain_links(const struct vring_chain *c, u32 count)
{
	return count - 1 < VRING_WORK_MAX - c->work ? count - 1 : VRING_WORK_MAX - c->work;
}

/**
 * vring_chain_add_table() - all buffers of an indirect table
 * @c: the element
 * @addr: guest address of the table
 * @len: its bytes
 * @packed: layout; packed tables have no links, every entry is a buffer (2.8.7)
 *
 * The whole table must be mapped, though perhaps not all of it is used. It may lie in several
 * regions and may be longer than the ring.
 */
static __always_inline enum vring_errno
vring_chain_add_table(struct vring_chain *c, u64 addr, u32 len, bool packed)
{
	const struct vring_desc __user *table = NULL;
	u32 count = len / sizeof(*table), i = 0, links;
	struct vring_seen_desc d;
	enum vring_errno code;
	u64 off;

	c->map.bad = len;
	if (unlikely(!len || len % sizeof(*table)))
		return VRING_E_TABLE_LEN;
	if (unlikely(!vring_map_find(&c->map, addr, VRING_PERM_READ, &off)))
		return VRING_E_ADDR;
	if (likely(len <= c->map.hit.size - off)) {
		off = env_index_nospec(off, c->map.hit.size) + c->map.hit.uaddr;
		if (likely(!(off % sizeof(u64))))
			table = (const struct vring_desc __user *)(unsigned long)off;
	} else if (unlikely(!vring_map_readable(&c->map, addr, len))) {
		return VRING_E_ADDR;
	}
	if (unlikely(count > VRING_TABLE_MAX))
		return VRING_E_TABLE_BIG;

	for (links = vring_chain_links(c, count);;) {
		i = env_index_nospec(i, count);
		if (likely(table)) {
			if (unlikely(!vring_read_desc(&d, table + i, packed))) {
				c->map.bad = addr + i * sizeof(*table);
				return VRING_E_FAULT_TABLE;
			}
		} else {
			code = vring_read_desc_split(&d, &c->map, addr + i * sizeof(*table),
						     packed);
			if (unlikely(code))
				return code;
		}
		if (unlikely(d.flags & VRING_DESC_F_INDIRECT)) {
			c->map.bad = i;
			return VRING_E_NESTED;
		}
		code = vring_chain_add(c, &d);
		if (unlikely(code))
			return code;
		if (packed ? i + 1 == count : !(d.flags & VRING_DESC_F_NEXT))
			break;
		i = packed ? i + 1 : d.next;
		if (unlikely(i >= count)) {
			c->map.bad = i;
			return VRING_E_NEXT;
		}
		if (unlikely(!links--)) {
			c->map.bad = i;
			return VRING_E_LOOP;
		}
	}
	c->work += vring_chain_links(c, count) - links;
	return VRING_OK;
}

/* One descriptor of a chain: a buffer, or a table of them. */
static __always_inline enum vring_errno
vring_chain_add_desc(struct vring_chain *c, const struct vring_seen_desc *d, bool packed)
{
	if (d->flags & VRING_DESC_F_INDIRECT)
		return vring_chain_add_table(c, d->addr, d->len, packed);
	return vring_chain_add(c, d);
}

/* What was collected, its segments from @first on, is element @e of @b. */
static __always_inline void
vring_chain_finish(const struct vring_chain *c, const struct iovec *first,
		   const struct vring_batch *b, struct vring_elem *e)
{
	e->len = 0;
	e->nr_in = c->in_len ? c->map.iov - c->in : 0;
	e->nr_out = c->map.iov - first - e->nr_in;
	e->iov = first - b->iov;
	e->out_len = c->out_len;
	e->in_len = c->in_len;
}

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * Packed virtqueues, device side: taking buffers and giving them back (virtio 1.2, 2.8).
 *
 * As in vring_split.c, one access window covers a whole batch, and results stay in local variables
 * until it is closed. Length, id and flags of a descriptor are one load and one store, which the
 * other side sees whole. So the flags cannot be newer than what they vouch for, except the address,
 * which is read after them.
 */
#include "vring_desc.h"
#include "vring_packed.h"

/* Buffers were taken as far as @pos; with what lies behind it, that much is known to be there. */
static __always_inline void packed_saw(struct vring_engine *vr, u16 pos)
{
	if (packed_left(vr, pos) < packed_left(vr, vr->avail_seen))
		vr->avail_seen = pos;
}

/*
 * One element, whose first descriptor @d stands at @at and of whose @left at most are the driver's
 * to make available. Only the first one's flags say that it is available: they are written last.
 */
static __always_inline enum vring_errno
packed_collect(const struct vring_engine *vr, struct vring_chain *c, struct vring_seen_desc *d,
	       u16 at, u32 left, u32 *count)
{
	enum vring_errno code;

	c->out_len = 0;
	c->in_len = 0;
	for (*count = 1;; ++*count) {
		code = vring_chain_add_desc(c, d, true);
		if (unlikely(code))
			return code;
		if (!(d->flags & VRING_DESC_F_NEXT))
			return VRING_OK;
		at = packed_forward(vr, at, 1);
		c->map.bad = packed_index(at);
		if (unlikely(*count == left || ++c->work > VRING_WORK_MAX))
			return VRING_E_LOOP;
		if (unlikely(!vring_read_desc(d, packed_half(vr, packed_index(at), 0), true)))
			return VRING_E_FAULT_RING;
	}
}

/* Go on with a batch, whatever the buffers look like. */
static int packed_pop_chains(struct vring_engine *vr, const struct vring_mem *mem,
			     struct vring_batch *b)
{
	struct vring_chain c = { .map = vring_map_of(mem, b, b->nr_iov) };
	enum vring_errno code = VRING_E_FAULT_RING;
	u16 pos = vr->pos.avail, seen = pos;
	u32 n = b->nr_elem, left = packed_left(vr, pos), count;
	struct iovec *first = c.map.iov;

	c.map.bad = packed_index(pos);
	if (unlikely(!env_access_begin(vr->desc, sizeof(*vr->desc))))
		goto closed;

	for (; n < b->max_elem && left; n++, left -= count) {
		struct vring_elem *e = &b->elem[n];
		struct vring_seen_desc d;
		__le64 lo, hi;

		code = VRING_E_FAULT_RING;
		c.map.bad = packed_index(pos);
		env_get(hi, packed_half(vr, packed_index(pos), 1), out);
		vring_unpack_desc(&d, 0, le64_to_cpu(hi), true);
		if ((d.flags & PACKED_TURN) != packed_avail_turn(pos))
			break;
		seen = packed_forward(vr, pos, 1);
		if (c.work >= VRING_WORK_ENOUGH)
			break;
		/* All else after the flags; pairs with the driver's write barrier. */
		env_rmb();
		env_get(lo, packed_half(vr, packed_index(pos), 0), out);
		d.addr = le64_to_cpu(lo);
		code = packed_collect(vr, &c, &d, pos, left, &count);
		if (unlikely(code))
			goto out;
		e->at.avail = pos;
		e->at.used = vr->pos.used;
		e->head = d.id;
		e->count = count;
		vring_chain_finish(&c, first, b, e);
		first = c.map.iov;
		pos = packed_forward(vr, pos, count);
		seen = pos;
	}
	code = VRING_OK;
out:
	env_access_end();
closed:
	vr->pos.avail = pos;
	packed_saw(vr, seen);
	b->nr_elem = n;
	b->nr_iov = first - b->iov;
	/* What stopped a batch that is not empty is met again, and told, when it comes first. */
	if (n || !code)
		return n;
	return vring_fail_map(vr, code, packed_index(pos), &c.map);
}

/*
 * As in the split layout, lone descriptors within one region have a path of their own. Whatever
 * else comes, also a ring in pages, is left to packed_pop_chains().
 */
int packed_pop(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b)
{
	const __le64 __user *half = (const __le64 __user *)vr->desc;
	u32 num = vr->num, max = packed_left(vr, vr->pos.avail), n = 0;
	u16 pos = vr->pos.avail, turn = packed_avail_turn(pos);
	struct vring_map map = vring_map_of(mem, b, 0);
	u32 index = packed_index(pos);
	struct vring_elem *e = b->elem;
	enum vring_errno code = VRING_E_FAULT_RING;
	bool other = vr->pages;

	if (max > b->max_elem)
		max = b->max_elem;
	if (unlikely(!env_access_begin(vr->desc, sizeof(*vr->desc))))
		goto closed;

	for (; n < max && !other; n++, e++) {
		struct vring_seen_desc d;
		__le64 lo, hi;

		env_get(hi, &half[2 * index + 1], out);
		vring_unpack_desc(&d, 0, le64_to_cpu(hi), true);
		if ((d.flags & PACKED_TURN) != turn)
			break;
		/* The address after the flags; pairs with the driver's write barrier. */
		env_rmb();
		env_get(lo, &half[2 * index], out);
		d.addr = le64_to_cpu(lo);
		if (unlikely(!vring_lone_desc(&map, &d, e, &b->iov[n], n))) {
			other = true;
			break;
		}
		e->at.avail = pos;
		e->at.used = vr->pos.used;
		e->head = d.id;
		pos++;
		if (unlikely(++index == num)) {
			index = 0;
			turn ^= PACKED_TURN;
			pos = turn & PACKED_AVAIL ? VRING_WRAP : 0;
		}
	}
	code = VRING_OK;
out:
	env_access_end();
closed:
	vr->pos.avail = pos;
	packed_saw(vr, pos);
	b->nr_elem = n;
	b->nr_iov = n;
	if (likely(!code))
		return unlikely(other) ? packed_pop_chains(vr, mem, b) : (int)n;
	return n ? (int)n : vring_fail(vr, code, index, index);
}

/* A used descriptor: no address; WRITE when something was written (2.8.3). */
static __always_inline __le64 packed_used(const struct vring_done *done, u16 pos)
{
	u16 flags = packed_used_turn(pos) | (done->len ? VRING_DESC_F_WRITE : 0);

	return cpu_to_le64(done->len | (u64)done->head << 32 | (u64)flags << 48);
}

/*
 * Writes all used descriptors, the first one last: until then the driver sees none. IN_ORDER: one,
 * in the place of the first buffer of a run and with the id of the last, serves for all of it.
 * Return: the place after the last, or -1 when an access failed, or -2 for another order
 */
static __always_inline int packed_put_used(const struct vring_engine *vr,
					   const struct vring_done *done, u32 n, bool in_order)
{
	u16 pos = vr->pos.used, at = pos;
	__le64 first = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		__le64 used;

		if (in_order && unlikely(done[i].at != pos))
			return -2;
		pos = packed_forward(vr, pos, done[i].count);
		if (in_order && done[i].read_only && i + 1 < n)
			continue;
		used = packed_used(&done[i], at);
		if (at == vr->pos.used)
			first = used;
		else
			env_put(used, packed_half(vr, packed_index(at), 1), fault);
		at = pos;
	}
	/*
	 * Data and later descriptors before the one that hands them over; pairs with the driver's
	 * read barrier after it reads the flags.
	 */
	env_wmb();
	env_put(first, packed_half(vr, packed_index(vr->pos.used), 1), fault);
	return pos;
fault:
	return -1;
}

int packed_complete(struct vring_engine *vr, const struct vring_done *done, u32 n)
{
	u16 was = vr->pos.used;
	int pos = -1;

	if (likely(env_access_begin(vr->desc, sizeof(*vr->desc)))) {
		pos = vr->in_order ? packed_put_used(vr, done, n, true) :
				     packed_put_used(vr, done, n, false);
		env_access_end();
	}
	if (unlikely(pos < 0))
		return vring_fail(vr, pos == -1 ? VRING_E_FAULT_RING : VRING_E_UNORDERED,
				  done->head, was);

	/* Two laps since the last decision: how much happened since is no longer known. */
	if (unlikely(packed_distance(vr, vr->signalled, pos) <
		     packed_distance(vr, vr->signalled, was)))
		vr->signalled_valid = false;
	vr->pos.used = pos;
	return 0;
}

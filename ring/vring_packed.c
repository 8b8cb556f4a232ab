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
		at = packed_forward(at, 1, vr->num);
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
		seen = packed_forward(pos, 1, vr->num);
		if (c.work >= VRING_WORK_ENOUGH)
			break;
		/* All else after the flags; pairs with the driver's write barrier. */
		env_rmb();
		env_get(lo, packed_half(vr, packed_index(pos), 0), out);
		d.addr = le64_to_cpu(lo);
		code = packed_collect(vr, &c, &d, pos, left, &count);
		if (unlikely(code))
			goto out;
		e->at = pos;
		e->head = d.id;
		e->count = count;
		vring_chain_finish(&c, first, b, e);
		first = c.map.iov;
		pos = packed_forward(pos, count, vr->num);
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
	const u16 other_kind = VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT;
	const __le64 __user *half, *ring_end;
	u16 pos = vr->pos.avail, turn = packed_avail_turn(pos);
	u32 max = packed_left(vr, pos), n = 0;
	struct vring_map map = vring_map_of(mem, b, 0);
	enum vring_errno code = VRING_E_FAULT_RING;
	struct vring_elem *e = b->elem;
	struct iovec *iov = b->iov;
	bool other = false;

	if (max > b->max_elem)
		max = b->max_elem;
	b->nr_elem = 0;
	b->nr_iov = 0;
	if (unlikely(vr->pages || b->max_iov < max))
		return packed_pop_chains(vr, mem, b);
	half = (const __le64 __user *)vr->desc + 2 * packed_index(pos);
	ring_end = (const __le64 __user *)vr->desc + 2 * vr->num;
	if (unlikely(!env_access_begin(vr->desc, sizeof(*vr->desc))))
		goto closed;

	for (; n < max; n++, e++, iov++) {
		struct vring_seen_desc d;
		__le64 lo, hi;

		env_get(hi, half + 1, out);
		vring_unpack_desc(&d, 0, le64_to_cpu(hi), true);
		if (unlikely((d.flags & (PACKED_TURN | other_kind)) != turn)) {
			other = (d.flags & PACKED_TURN) == turn;
			break;
		}
		/* The address after the flags; pairs with the driver's write barrier. */
		env_rmb();
		env_get(lo, half, out);
		if (unlikely(!vring_lone_buf(&map, le64_to_cpu(lo), d.len,
					     d.flags & VRING_DESC_F_WRITE, e, iov))) {
			other = true;
			break;
		}
		e->at = pos;
		e->head = d.id;
		e->iov = n;
		half += 2;
		pos++;
		if (unlikely(half == ring_end)) {
			half = (const __le64 __user *)vr->desc;
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
	return n ? (int)n : vring_fail(vr, code, packed_index(pos), packed_index(pos));
}

int packed_pop_again(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b,
		     u16 head, const struct vring_packed_desc *desc, u32 count)
{
	struct vring_chain c = { .map = vring_map_of(mem, b, 0) };
	enum vring_errno code = VRING_E_CURSOR;
	struct vring_elem *e = b->elem;
	u32 i;

	c.map.bad = count;
	if (unlikely(!count || count > packed_left(vr, vr->pos.avail)))
		goto closed;
	code = VRING_E_FAULT_RING;
	if (unlikely(!env_access_begin(vr->desc, sizeof(*vr->desc))))
		goto closed;
	for (i = 0; i < count; i++) {
		struct vring_seen_desc d = {
			.addr = le64_to_cpu(desc[i].addr),
			.len = le32_to_cpu(desc[i].len),
			.flags = le16_to_cpu(desc[i].flags),
		};

		code = vring_chain_add_desc(&c, &d, true);
		if (unlikely(code))
			break;
	}
	env_access_end();
closed:
	if (unlikely(code))
		return vring_fail_map(vr, code, head, &c.map);
	e->at = vr->pos.avail;
	e->head = head;
	e->count = count;
	vring_chain_finish(&c, b->iov, b, e);
	vr->pos.avail = packed_forward(e->at, count, vr->num);
	packed_saw(vr, vr->pos.avail);
	b->nr_elem = 1;
	b->nr_iov = c.map.iov - b->iov;
	return 1;
}

/* Length, id and flags of a used descriptor; WRITE when something was written (2.8.3). */
static __always_inline u64 packed_used(const struct vring_elem *e, u64 turn)
{
	u64 used = e->len | (u64)e->head << 32 | turn;

	return e->len ? used | (u64)VRING_DESC_F_WRITE << 48 : used;
}

static __always_inline bool
packed_put(const struct vring_engine *vr, u32 index, u64 used, bool paged)
{
	__le64 __user *half;

	if (paged)
		half = packed_half(vr, index, 1);
	else
		half = (__le64 __user *)vr->desc + 2 * index + 1;
	env_put(cpu_to_le64(used), half, fault);
	return true;
fault:
	return false;
}

/*
 * Writes all used descriptors but the first one, which comes back in @first: until it is written,
 * the driver sees none. @end is set to the place after the last.
 */
static __always_inline enum vring_errno
packed_put_used(const struct vring_engine *vr, const struct vring_elem *e, u32 n, bool paged,
		u64 *first, u16 *end)
{
	u32 num = vr->num, index = packed_index(vr->pos.used);
	u64 turn = (u64)packed_used_turn(vr->pos.used) << 48;
	const struct vring_elem *last = e + n - 1;

	for (*first = packed_used(e, turn); ; ) {
		index += e->count;
		if (unlikely(index >= num)) {
			index -= num;
			turn ^= (u64)PACKED_TURN << 48;
		}
		if (e++ == last)
			break;
		if (unlikely(!packed_put(vr, index, packed_used(e, turn), paged)))
			return VRING_E_FAULT_RING;
	}
	*end = (turn >> 48 & VRING_WRAP) | index;
	return VRING_OK;
}

/*
 * The same with IN_ORDER: one descriptor, in the place of the first buffer of a run and with the id
 * of the last, serves for all of it.
 */
static __always_inline enum vring_errno
packed_put_runs(const struct vring_engine *vr, const struct vring_elem *e, u32 n, bool paged,
		u64 *first, u16 *end)
{
	u32 num = vr->num, was = vr->pos.used, limit = (was & VRING_WRAP) + num;
	u32 pos = was, at = was;
	u64 turn = (u64)packed_used_turn(was) << 48, next = turn;
	const struct vring_elem *last = e + n - 1;

	for (*first = 0; ; e++) {
		u64 used;

		if (unlikely(e->at != pos))
			return VRING_E_UNORDERED;
		/* packed_forward(), and what goes with the wrap counter */
		pos += e->count;
		if (unlikely(pos >= limit)) {
			pos = (pos - num) ^ VRING_WRAP;
			limit = (pos & VRING_WRAP) + num;
			next ^= (u64)PACKED_TURN << 48;
		}
		if (!e->nr_in && e != last)
			continue;
		used = packed_used(e, turn);
		if (at == was)
			*first = used;
		else if (unlikely(!packed_put(vr, packed_index(at), used, paged)))
			return VRING_E_FAULT_RING;
		if (e == last)
			break;
		at = pos;
		turn = next;
	}
	*end = pos;
	return VRING_OK;
}

int packed_complete(struct vring_engine *vr, const struct vring_elem *e, u32 n)
{
	enum vring_errno code = VRING_E_FAULT_RING;
	u16 was = vr->pos.used, pos;
	u64 first;

	if (unlikely(!env_access_begin(vr->desc, sizeof(*vr->desc))))
		goto closed;
	/* A copy for each: the short ones do not ask again for every descriptor. */
	if (unlikely(vr->pages))
		code = vr->in_order ? packed_put_runs(vr, e, n, true, &first, &pos) :
				      packed_put_used(vr, e, n, true, &first, &pos);
	else if (vr->in_order)
		code = packed_put_runs(vr, e, n, false, &first, &pos);
	else
		code = packed_put_used(vr, e, n, false, &first, &pos);
	if (unlikely(code))
		goto out;
	/*
	 * Data and later descriptors before the one that hands them over; pairs with the driver's
	 * read barrier after it reads the flags.
	 */
	env_wmb();
	if (unlikely(!packed_put(vr, packed_index(was), first, vr->pages)))
		code = VRING_E_FAULT_RING;
out:
	env_access_end();
closed:
	if (unlikely(code))
		return vring_fail(vr, code, e->head, was);

	/* Two laps since the last decision: how much happened since is no longer known. */
	if (unlikely(packed_distance(vr, vr->signalled, pos) <
		     packed_distance(vr, vr->signalled, was)))
		vr->signalled_valid = false;
	vr->pos.used = pos;
	return 0;
}

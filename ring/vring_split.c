// SPDX-License-Identifier: GPL-2.0
/*
 * Split virtqueues, device side: taking buffers and giving them back (virtio 1.2, 2.7).
 *
 * One access window covers a whole batch; inside it nothing is called (see env.h). Results live in
 * local variables until the window is closed, so that a fault at any access leaves the cursor after
 * the last whole element.
 */
#include "vring_desc.h"
#include "vring_split.h"

/*
 * The usual buffer is a lone descriptor within one region. It has a path of its own, short and with
 * nothing else in it; the first buffer of another kind hands the rest of the batch to
 * split_pop_chains(), which also finds out what is wrong with it, if so. So does a ring in pages,
 * and a batch with less room for segments than for elements.
 */
int split_pop(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b)
{
	const __virtio16 __user *ring = split_avail_word(vr, SPLIT_AVAIL_RING);
	const struct vring_desc __user *desc = vr->desc;
	u16 avail = vr->pos.avail, seen = vr->avail_seen, idx = 0;
	enum vring_errno code = VRING_E_FAULT_RING;
	struct vring_map map = vring_map_of(mem, b, 0);
	struct vring_elem *e = b->elem;
	struct iovec *iov = b->iov;
	u32 num = vr->num, n = 0, max;

	if (unlikely(!env_access_begin(vr->avail, sizeof(*vr->avail))))
		goto closed;

	/* What was seen earlier may be enough for a full batch. */
	if ((u16)(seen - avail) < b->max_elem) {
		code = split_look(vr, &idx);
		if (unlikely(code))
			goto out;
		seen = idx;
	}
	max = (u16)(seen - avail);
	if (max > b->max_elem)
		max = b->max_elem;

	code = VRING_E_FAULT_RING;
	if (unlikely(vr->pages || b->max_iov < max))
		goto done;
	for (; n < max; n++, e++, iov++) {
		u16 at = avail + n;
		struct vring_seen_desc d;
		__virtio16 raw;
		u32 head;

		env_get(raw, &ring[at & (num - 1)], out);
		head = vring16_to_cpu(raw);
		if (unlikely(head >= num))
			break;
		head = env_index_nospec(head, num);
		if (unlikely(!vring_read_desc(&d, &desc[head], false)))
			goto out;
		if (unlikely(d.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)) ||
		    unlikely(!vring_lone_buf(&map, d.addr, d.len, d.flags & VRING_DESC_F_WRITE, e,
					     iov)))
			break;
		e->at = at;
		e->head = head;
		e->iov = n;
	}
done:
	code = VRING_OK;
out:
	env_access_end();
closed:
	avail += n;
	vr->pos.avail = avail;
	vr->avail_seen = seen;
	b->nr_elem = n;
	b->nr_iov = n;
	if (likely(!code)) {
		if (n < b->max_elem && avail != seen)
			return split_pop_chains(vr, mem, b);
		return n;
	}
	/* What stopped a batch that is not empty is met again, and told, when it comes first. */
	return n ? (int)n : vring_fail(vr, code, avail, idx);
}

/* One used entry. Its two fields may lie in two pages; without @paged it is known that none do. */
static __always_inline bool
split_put_entry(const struct vring_engine *vr, u32 at, const struct vring_elem *e, bool paged)
{
	u32 off = SPLIT_USED_RING + at * sizeof(vring_used_elem_t);
	__virtio32 __user *id, *len;

	if (paged) {
		id = vring_area_at(&vr->pages->used, off);
		len = vring_area_at(&vr->pages->used, off + sizeof(*id));
	} else {
		id = (__virtio32 __user *)((u8 __user *)vr->used + off);
		len = id + 1;
	}
	env_put(cpu_to_vring32(e->head), id, fault);
	env_put(cpu_to_vring32(e->len), len, fault);
	return true;
fault:
	return false;
}

/*
 * IN_ORDER: one entry, at the place of the first buffer of a run and with the id of the last,
 * serves for all of it. Return: VRING_OK, or why not; nothing is published yet
 */
static __always_inline enum vring_errno
split_put_used(const struct vring_engine *vr, const struct vring_elem *e, u32 n, bool in_order,
	       bool paged)
{
	u16 used = vr->pos.used, at = used, mask = vr->num - 1;
	const struct vring_elem *end = e + n;

	for (; e != end; e++) {
		if (in_order && unlikely(e->at != used))
			return VRING_E_UNORDERED;
		used++;
		if (in_order && !e->nr_in && e + 1 != end)
			continue;
		if (unlikely(!split_put_entry(vr, at & mask, e, paged)))
			return VRING_E_FAULT_RING;
		at = used;
	}
	return VRING_OK;
}

int split_complete(struct vring_engine *vr, const struct vring_elem *e, u32 n)
{
	enum vring_errno code = VRING_E_FAULT_RING;
	u16 used = vr->pos.used + n;

	if (unlikely(!env_access_begin(vr->used, sizeof(*vr->used))))
		goto closed;
	/* A copy for each: the short ones do not ask again for every entry. */
	if (unlikely(vr->pages))
		code = split_put_used(vr, e, n, vr->in_order, true);
	else if (vr->in_order)
		code = split_put_used(vr, e, n, true, false);
	else
		code = split_put_used(vr, e, n, false, false);
	if (unlikely(code))
		goto out;
	code = VRING_E_FAULT_RING;
	/*
	 * Data and entries before the index that hands them over; pairs with the driver's read
	 * barrier after it reads used->idx (2.7.14).
	 */
	env_wmb();
	env_put(cpu_to_vring16(used), (__virtio16 __user *)split_used_at(vr, SPLIT_USED_IDX),
		out);
	env_access_end();

	/* The index came round to the last decision: how much happened since is no longer known. */
	if (unlikely((u16)(used - vr->signalled) < n))
		vr->signalled_valid = false;
	vr->pos.used = used;
	return 0;
out:
	env_access_end();
closed:
	return vring_fail(vr, code, e->head, vr->pos.used);
}

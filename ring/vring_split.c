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
 * split_pop_chains(), which also finds out what is wrong with it, if so. So does a ring in pages.
 */
int split_pop(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b)
{
	const struct vring_desc __user *desc = vr->desc;
	u16 avail = vr->pos.avail, seen = vr->avail_seen, idx = 0;
	enum vring_errno code = VRING_E_FAULT_RING;
	struct vring_map map = vring_map_of(mem, b, 0);
	struct vring_elem *e = b->elem;
	struct iovec *iov = b->iov;
	u32 num = vr->num, n = 0;

	if (unlikely(!env_access_begin(vr->avail, sizeof(*vr->avail))))
		goto closed;

	/* What was seen earlier may be enough for a full batch. */
	if ((u16)(seen - avail) < b->max_elem) {
		code = split_look(vr, &idx);
		if (unlikely(code))
			goto out;
		seen = idx;
	}

	code = VRING_E_FAULT_RING;
	if (unlikely(vr->pages))
		goto done;
	for (; n < b->max_elem && avail != seen; n++, avail++, e++, iov++) {
		struct vring_seen_desc d;
		__virtio16 raw;
		u32 head;

		env_get(raw, &vr->avail->ring[avail & (num - 1)], out);
		head = vring16_to_cpu(raw);
		if (unlikely(head >= num))
			break;
		head = env_index_nospec(head, num);
		if (unlikely(!vring_read_desc(&d, &desc[head], false)))
			goto out;
		if (unlikely(!vring_lone_desc(&map, &d, e, iov, n)))
			break;
		e->at.avail = avail;
		e->at.used = vr->pos.used;
		e->head = head;
	}
done:
	code = VRING_OK;
out:
	env_access_end();
closed:
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

/* A ring in pages has a copy of its own: the other one looks for pages but once. */
static __always_inline bool split_put_used(const struct vring_engine *vr,
					   const struct vring_done *done, u32 n, bool paged)
{
	u16 used = vr->pos.used, mask = vr->num - 1;
	u32 i;

	for (i = 0; i < n; i++, used++) {
		u32 off = SPLIT_USED_RING + (used & mask) * sizeof(vring_used_elem_t);
		__virtio32 __user *id, *len;

		if (paged) {
			id = vring_area_at(&vr->pages->used, off);
			len = vring_area_at(&vr->pages->used, off + sizeof(*id));
		} else {
			id = (__virtio32 __user *)((u8 __user *)vr->used + off);
			len = id + 1;
		}
		env_put(cpu_to_vring32(done[i].head), id, fault);
		env_put(cpu_to_vring32(done[i].len), len, fault);
	}
	return true;
fault:
	return false;
}

/*
 * IN_ORDER: one entry, at the place of the first buffer of a run and with the id of the last,
 * serves for all of it.
 */
static __always_inline bool split_put_runs(const struct vring_engine *vr,
					   const struct vring_done *done, u32 n)
{
	u16 used = vr->pos.used, mask = vr->num - 1;
	u32 i, at = used & mask;

	for (i = 0; i < n; i++) {
		u32 off = SPLIT_USED_RING + at * sizeof(vring_used_elem_t);

		used++;
		if (done[i].read_only && i + 1 < n)
			continue;
		env_put(cpu_to_vring32(done[i].head), (__virtio32 __user *)split_used_at(vr, off),
			fault);
		off += sizeof(__virtio32);
		env_put(cpu_to_vring32(done[i].len), (__virtio32 __user *)split_used_at(vr, off),
			fault);
		at = used & mask;
	}
	return true;
fault:
	return false;
}

/* IN_ORDER: are these the next buffers, in the order of the avail ring? */
static bool split_in_order(const struct vring_engine *vr, const struct vring_done *done, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (done[i].at != (u16)(vr->pos.used + i))
			return false;
	return true;
}

int split_complete(struct vring_engine *vr, const struct vring_done *done, u32 n)
{
	u16 used = vr->pos.used + n;
	bool good;

	if (vr->in_order && unlikely(!split_in_order(vr, done, n)))
		return vring_fail(vr, VRING_E_UNORDERED, done->head, vr->pos.used);
	if (unlikely(!env_access_begin(vr->used, sizeof(*vr->used))))
		goto closed;
	if (vr->in_order)
		good = split_put_runs(vr, done, n);
	else if (unlikely(vr->pages))
		good = split_put_used(vr, done, n, true);
	else
		good = split_put_used(vr, done, n, false);
	if (unlikely(!good))
		goto fault;
	/*
	 * Data and entries before the index that hands them over; pairs with the driver's read
	 * barrier after it reads used->idx (2.7.14).
	 */
	env_wmb();
	env_put(cpu_to_vring16(used), (__virtio16 __user *)split_used_at(vr, SPLIT_USED_IDX),
		fault);
	env_access_end();

	/* The index came round to the last decision: how much happened since is no longer known. */
	if (unlikely((u16)(used - vr->signalled) < n))
		vr->signalled_valid = false;
	vr->pos.used = used;
	return 0;
fault:
	env_access_end();
closed:
	return vring_fail(vr, VRING_E_FAULT_RING, done->head, vr->pos.used);
}

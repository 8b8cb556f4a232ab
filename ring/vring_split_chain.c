// SPDX-License-Identifier: GPL-2.0
/*
 * Split virtqueues, device side: buffers of any shape (virtio 1.2, 2.7.5 and 2.7.6).
 *
 * As in vring_split.c, one access window covers all, and results stay in local variables until it
 * is closed.
 */
#include "vring_desc.h"
#include "vring_split.h"

static __always_inline const struct vring_desc __user *
split_desc(const struct vring_engine *vr, u32 i)
{
	if (unlikely(vr->pages))
		return vring_area_at(&vr->pages->desc, i * sizeof(struct vring_desc));
	return &vr->desc[i];
}

/* One element, starting at @head, which is below vr->num. */
static __always_inline enum vring_errno
split_collect(const struct vring_engine *vr, struct vring_chain *c, u32 head)
{
	struct vring_seen_desc d;
	u32 i = head, links = vr->num - 1;
	enum vring_errno code;

	c->out_len = 0;
	c->in_len = 0;
	for (;;) {
		i = env_index_nospec(i, vr->num);
		if (unlikely(!vring_read_desc(&d, split_desc(vr, i), false))) {
			c->map.bad = i;
			return VRING_E_FAULT_RING;
		}
		code = vring_chain_add_desc(c, &d, false);
		if (unlikely(code))
			return code;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return VRING_OK;
		i = d.next;
		if (unlikely(i >= vr->num)) {
			c->map.bad = i;
			return VRING_E_NEXT;
		}
		if (unlikely(!links-- || ++c->work > VRING_WORK_MAX)) {
			c->map.bad = i;
			return VRING_E_LOOP;
		}
	}
}

int split_pop_chains(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b)
{
	u16 avail = vr->pos.avail, seen = vr->avail_seen, head = avail;
	struct vring_chain c = { .map = vring_map_of(mem, b, b->nr_iov) };
	enum vring_errno code = VRING_E_FAULT_RING;
	struct iovec *first = c.map.iov;
	u32 n = b->nr_elem;

	if (unlikely(!env_access_begin(vr->avail, sizeof(*vr->avail))))
		goto closed;

	while (n < b->max_elem && avail != seen && c.work < VRING_WORK_ENOUGH) {
		struct vring_elem *e = &b->elem[n];
		__virtio16 raw;

		code = VRING_E_FAULT_RING;
		c.map.bad = avail;
		env_get(raw, split_avail_word(vr, SPLIT_AVAIL_RING + (avail & (vr->num - 1))), out);
		head = vring16_to_cpu(raw);
		if (unlikely(head >= vr->num)) {
			code = VRING_E_HEAD;
			c.map.bad = head;
			goto out;
		}
		code = split_collect(vr, &c, head);
		if (unlikely(code))
			goto out;
		e->at = avail++;
		e->head = head;
		e->count = 1;
		vring_chain_finish(&c, first, b, e);
		first = c.map.iov;
		n++;
	}
	code = VRING_OK;
out:
	env_access_end();
closed:
	vr->pos.avail = avail;
	b->nr_elem = n;
	b->nr_iov = first - b->iov;
	/* What stopped a batch that is not empty is met again, and told, when it comes first. */
	return n ? (int)n : vring_fail_map(vr, code, head, &c.map);
}

int split_pop_again(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b,
		    u16 head)
{
	struct vring_chain c = { .map = vring_map_of(mem, b, 0) };
	u16 avail = vr->pos.avail, taken = avail - vr->pos.used;
	enum vring_errno code = VRING_E_HEAD;
	struct vring_elem *e = b->elem;

	c.map.bad = head;
	if (unlikely(head >= vr->num))
		goto closed;
	code = VRING_E_CURSOR;
	c.map.bad = avail;
	if (unlikely(taken >= vr->num))
		goto closed;
	code = VRING_E_FAULT_RING;
	if (unlikely(!env_access_begin(vr->desc, sizeof(*vr->desc))))
		goto closed;
	code = split_collect(vr, &c, head);
	env_access_end();
closed:
	if (unlikely(code))
		return vring_fail_map(vr, code, head, &c.map);
	e->at = avail;
	e->head = head;
	e->count = 1;
	vring_chain_finish(&c, b->iov, b, e);
	vr->pos.avail = avail + 1;
	if ((u16)(vr->avail_seen - vr->pos.used) <= taken)
		vr->avail_seen = vr->pos.avail;
	b->nr_elem = 1;
	b->nr_iov = c.map.iov - b->iov;
	return 1;
}

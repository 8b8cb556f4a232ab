// SPDX-License-Identifier: GPL-2.0
/*
 * Split virtqueues, device side: taking buffers and giving them back (virtio 1.2, 2.7).
 *
 * One access window covers a whole batch; inside it nothing is called (see env.h). Results live in
 * local variables until the window is closed, so that a fault at any access leaves the cursor after
 * the last whole element.
 */
#include "vring_split.h"

/* No memory at all is a valid map: every address is then refused. */
static const struct vring_region nowhere;

/* One element, starting at @head, which is below vr->num. */
static __always_inline enum vring_errno
split_collect(const struct vring_engine *vr, struct vring_chain *c, u32 head)
{
	struct vring_seen_desc d;
	u32 i = head, found = 0;
	enum vring_errno code;

	c->nr_out = 0;
	c->nr_in = 0;
	c->out_len = 0;
	c->in_len = 0;
	for (;;) {
		i = env_index_nospec(i, vr->num);
		if (unlikely(!vring_read_desc(&d, &vr->desc[i]))) {
			c->map.bad = i;
			return VRING_E_FAULT_RING;
		}
		if (d.flags & VRING_DESC_F_INDIRECT)
			code = vring_chain_add_table(c, d.addr, d.len);
		else
			code = vring_chain_add(c, &d);
		if (unlikely(code))
			return code;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return VRING_OK;
		i = d.next;
		c->map.bad = i;
		if (unlikely(i >= vr->num))
			return VRING_E_NEXT;
		if (unlikely(++found >= vr->num || ++c->work > VRING_WORK_MAX))
			return VRING_E_LOOP;
	}
}

int vring_pop_batch(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b)
{
	u16 avail = vr->pos.avail, seen = vr->avail_seen, mask = vr->num - 1;
	enum vring_errno code;
	u32 n = 0, nr_iov = 0;
	u16 head = avail;
	struct vring_chain c = {
		.map = {
			.region = mem->nr ? mem->region : &nowhere,
			.nr_region = mem->nr,
			.iov = b->iov,
			.max = b->max_iov < VRING_IOV_MAX ? b->max_iov : VRING_IOV_MAX,
		},
	};

	c.map.hit = c.map.region;
	b->nr_elem = 0;
	b->nr_iov = 0;
	if (unlikely(!env_access_begin(vr->avail, sizeof(*vr->avail))))
		return vring_fail(vr, VRING_E_FAULT_RING, head, 0);

	/* What was seen earlier may be enough for a full batch. */
	if ((u16)(seen - avail) < b->max_elem) {
		code = split_look(vr, &seen);
		if (unlikely(code)) {
			c.map.bad = seen;
			seen = vr->avail_seen;
			goto out;
		}
	}

	while (n < b->max_elem && avail != seen && c.work < VRING_WORK_ENOUGH) {
		struct vring_elem *e = &b->elem[n];
		__virtio16 raw;

		env_get(raw, &vr->avail->ring[avail & mask], fault);
		head = vring16_to_cpu(raw);
		if (unlikely(head >= vr->num)) {
			code = VRING_E_HEAD;
			c.map.bad = head;
			goto out;
		}
		code = split_collect(vr, &c, head);
		if (unlikely(code))
			goto out;
		e->at.avail = avail++;
		e->at.used = vr->pos.used;
		e->head = head;
		e->nr_out = c.nr_out;
		e->nr_in = c.nr_in;
		e->iov = nr_iov;
		e->out_len = c.out_len;
		e->in_len = c.in_len;
		nr_iov = c.map.nr;
		n++;
	}
	code = VRING_OK;
	goto out;
fault:
	code = VRING_E_FAULT_RING;
	c.map.bad = avail;
out:
	env_access_end();
	vr->pos.avail = avail;
	vr->avail_seen = seen;
	b->nr_elem = n;
	b->nr_iov = nr_iov;
	/* What stopped a batch that is not empty is met again, and told, when it comes first. */
	if (n || likely(!code))
		return n;
	return vring_fail(vr, code, head, c.map.bad);
}
ENV_EXPORT(vring_pop_batch);

void vring_rewind(struct vring_engine *vr, const struct vring_elem *e)
{
	vr->pos.avail = e->at.avail;
}
ENV_EXPORT(vring_rewind);

int vring_complete_batch(struct vring_engine *vr, const struct vring_done *done, u32 n)
{
	u16 used = vr->pos.used, mask = vr->num - 1;
	u32 i;

	if (!n)
		return 0;
	if (unlikely(!env_access_begin(vr->used, sizeof(*vr->used))))
		return vring_fail(vr, VRING_E_FAULT_RING, done->head, used);

	for (i = 0; i < n; i++, used++) {
		vring_used_elem_t __user *e = &vr->used->ring[used & mask];

		env_put(cpu_to_vring32(done[i].head), &e->id, fault);
		env_put(cpu_to_vring32(done[i].len), &e->len, fault);
	}
	/*
	 * Data and entries before the index that hands them over; pairs with the driver's read
	 * barrier after it reads used->idx (2.7.14).
	 */
	env_wmb();
	env_put(cpu_to_vring16(used), &vr->used->idx, fault);
	env_access_end();

	/* The index came round to the last decision: how much happened since is no longer known. */
	if (unlikely((u16)(used - vr->signalled) < n))
		vr->signalled_valid = false;
	vr->pos.used = used;
	return 0;
fault:
	env_access_end();
	return vring_fail(vr, VRING_E_FAULT_RING, done->head, used);
}
ENV_EXPORT(vring_complete_batch);

// SPDX-License-Identifier: GPL-2.0
/* Packed rings (virtio 1.2, 2.8) for virtio.c. Wrap counters are true in the first round. */
#include "virtio.h"

#define PD_AVAIL	0x80
#define PD_USED		0x8000
#define EV_ENABLE	0
#define EV_DISABLE	1
#define EV_DESC		2

void packed_setup(struct vq *q)
{
	q->avail_wrap = q->used_wrap = true;
	q->hidden = -1;
	q->added = 0;
}

static void put(struct vq *q, u64 addr, u32 len, u16 id, u16 flags)
{
	volatile struct pdesc *d = &q->pdesc[q->next_avail];

	flags |= q->avail_wrap ? PD_AVAIL : PD_USED;
	d->addr = addr;
	d->len = len;
	d->id = id;
	if (q->hidden < 0) {
		q->hidden = q->next_avail;
		q->shown_flags = flags;
	} else {
		d->flags = flags;
	}
	q->added++;
	if (++q->next_avail == q->size) {
		q->next_avail = 0;
		q->avail_wrap = !q->avail_wrap;
	}
}

void packed_add(struct vq *q, const struct vbuf *b, unsigned int out, unsigned int in, u16 id)
{
	unsigned int n = out + in, i;

	if (q->chain[id] == n) {
		for (i = 0; i < n; i++)
			put(q, (u64)b[i].p, b[i].len, id,
			    (i >= out ? VD_WRITE : 0) | (i + 1 < n ? VD_NEXT : 0));
		return;
	}
	if (!q->table[id])
		q->table[id] = alloc_pages(1);
	for (i = 0; i < n; i++) {
		struct pdesc *t = (struct pdesc *)q->table[id] + i;

		t->addr = (u64)b[i].p;
		t->len = b[i].len;
		t->id = 0;
		t->flags = i >= out ? VD_WRITE : 0;
	}
	put(q, (u64)q->table[id], n * 16, id, VD_INDIRECT);
}

/* The first descriptor that was added since then makes all of them available. */
void packed_publish(struct vq *q)
{
	if (q->hidden < 0)
		return;
	q->pdesc[q->hidden].flags = q->shown_flags;
	q->hidden = -1;
}

bool packed_wants_kick(struct vq *q)
{
	u16 at = q->used[0], flags = q->used[1] & 3;
	u32 i, pos = q->next_avail;
	bool wrap = q->avail_wrap;

	if (flags != EV_DESC)
		return flags == EV_ENABLE;
	/* Back over what was added: is the one it waits for among them? */
	for (i = 0; i < q->added; i++) {
		if (!pos) {
			pos = q->size;
			wrap = !wrap;
		}
		pos--;
		if (at == (pos | (wrap ? 0x8000 : 0)))
			return true;
	}
	return false;
}

bool packed_used(struct vq *q)
{
	u16 flags = q->pdesc[q->last_used].flags;

	return !(flags & PD_AVAIL) == !q->used_wrap && !(flags & PD_USED) == !q->used_wrap;
}

/* Which interrupts are wanted now */
void packed_event(struct vq *q)
{
	u16 flags = EV_ENABLE;

	if (q->event_idx) {
		q->avail[0] = q->last_used | (q->used_wrap ? 0x8000 : 0);
		barrier();
		flags = EV_DESC;
	}
	q->avail[1] = q->no_irq ? EV_DISABLE : flags;
}

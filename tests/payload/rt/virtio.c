// SPDX-License-Identifier: GPL-2.0
/* A virtio 1.x PCI driver: the device, and split rings. See virtio.h. */
#include "virtio.h"

int virtio_find_transitional(u16 type, unsigned int nth)
{
	static const u16 ids[] = { 0, 0x1000, 0x1001, 0x1003, 0x1005, 0x1002, 0, 0, 0x1004, 0x1009 };

	return type < sizeof(ids) / sizeof(ids[0]) && ids[type] ? pci_find(VIRTIO_VENDOR, ids[type], nth) : -1;
}

bool virtio_find(struct virtio *v, u16 type, unsigned int nth)
{
	int devfn = pci_find(VIRTIO_VENDOR, 0x1040 + type, nth);
	u64 size;
	u8 cap = 0;

	memset(v, 0, sizeof(*v));
	if (devfn < 0)
		devfn = virtio_find_transitional(type, nth);
	if (devfn < 0)
		return false;
	v->devfn = devfn;
	pci_enable(devfn);
	while ((cap = pci_cap(devfn, PCI_CAP_VENDOR, cap))) {
		u8 kind = pci_read(devfn, cap + 3, 1), bar = pci_read(devfn, cap + 4, 1);
		u32 off = pci_read(devfn, cap + 8, 4), len = pci_read(devfn, cap + 12, 4);
		u64 at;

		if (kind == 5) {
			v->cap_pci_cfg = cap;
			continue;
		}
		if (bar > 5)
			continue;
		at = pci_bar(devfn, bar, &size) + off;
		if (off + (u64)len > size)
			rt_die("capability %u: 0x%x + 0x%x in a BAR of 0x%lx", kind, off, len, size);
		if (kind == 1) {
			v->common = at;
		} else if (kind == 2) {
			v->notify = at;
			v->notify_len = len;
			v->notify_mult = pci_read(devfn, cap + 16, 4);
		} else if (kind == 3) {
			v->isr = at;
		} else if (kind == 4) {
			v->dev = at;
			v->dev_len = len;
		}
	}
	v->has_msix = msix_find(&v->msix, devfn);
	if (cmdline_has("legacy"))
		return legacy_find(v);
	return v->common && v->notify && v->isr;
}

u8 virtio_status(struct virtio *v)
{
	return v->port ? inb(v->port + VL_STATUS) : mmio_r8(v->common + VC_STATUS);
}

void virtio_set_status(struct virtio *v, u8 bits)
{
	bits |= virtio_status(v);
	if (v->port)
		outb(v->port + VL_STATUS, bits);
	else
		mmio_w8(v->common + VC_STATUS, bits);
}

u8 virtio_isr(struct virtio *v)
{
	return v->port ? inb(v->port + VL_ISR) : mmio_r8(v->isr);
}

u32 virtio_config(struct virtio *v, u32 off, u32 len)
{
	u16 at = v->port + VL_MSIX + (v->has_msix && msix_enabled(&v->msix) ? 4 : 0) + off;

	if (v->port)
		return len == 1 ? inb(at) : len == 2 ? inw(at) : inl(at);
	return len == 1 ? mmio_r8(v->dev + off) : len == 2 ? mmio_r16(v->dev + off) : mmio_r32(v->dev + off);
}

void virtio_config_vector(struct virtio *v, u16 vector)
{
	if (!v->port)
		mmio_w16(v->common + VC_MSIX, vector);
	else if (v->has_msix && msix_enabled(&v->msix))
		outw(v->port + VL_MSIX, vector);
}

u32 virtio_reset(struct virtio *v)
{
	u64 end = rdtsc() + 5000 * tsc_per_ms();
	u32 reads = 0;

	if (v->port) {
		legacy_reset(v);
		return 0;
	}
	mmio_w8(v->common + VC_STATUS, 0);
	while (virtio_status(v)) {
		reads++;
		if (rdtsc() > end)
			rt_die("device_status stays 0x%x after a reset", virtio_status(v));
		pause();
	}
	return reads;
}

u64 virtio_offered(struct virtio *v)
{
	u64 f;

	if (v->port)
		return inl(v->port + VL_DF);
	mmio_w32(v->common + VC_DFSELECT, 0);
	f = mmio_r32(v->common + VC_DF);
	mmio_w32(v->common + VC_DFSELECT, 1);
	return f | (u64)mmio_r32(v->common + VC_DF) << 32;
}

bool virtio_negotiate(struct virtio *v, u64 want)
{
	virtio_reset(v);
	virtio_set_status(v, VS_ACK);
	virtio_set_status(v, VS_DRIVER);
	v->offered = virtio_offered(v);
	if (v->port)
		return legacy_negotiate(v, want);
	v->features = v->offered & (want | VF_VERSION_1);
	mmio_w32(v->common + VC_GFSELECT, 0);
	mmio_w32(v->common + VC_GF, v->features);
	mmio_w32(v->common + VC_GFSELECT, 1);
	mmio_w32(v->common + VC_GF, v->features >> 32);
	virtio_set_status(v, VS_FEATURES_OK);
	return virtio_status(v) & VS_FEATURES_OK;
}

/* Selects it, too; 0: it cannot be had */
static u16 choose_size(struct virtio *v, u16 index, u16 max_size)
{
	u16 size;

	if (v->port)
		return legacy_size(v, index);
	mmio_w16(v->common + VC_QSEL, index);
	size = mmio_r16(v->common + VC_QSIZE);
	if (!size || mmio_r16(v->common + VC_QENABLE))
		return 0;
	if (size > max_size)
		size = max_size;
	mmio_w16(v->common + VC_QSIZE, size);
	return mmio_r16(v->common + VC_QSIZE) == size ? size : 0;
}

bool vq_setup(struct vq *q, struct virtio *v, u16 index, u16 max_size, u16 msix)
{
	bool reuse = q->desc && q->size >= max_size;
	u8 *mem = (u8 *)q->desc;
	u16 size = choose_size(v, index, max_size);
	u32 i;

	if (!size)
		return false;

	/* 16 bytes a descriptor, 2 an avail entry, 8 a used entry; each part on its own page */
	if (!reuse) {
		mem = alloc_pages(3);
		memset(q, 0, sizeof(*q));
	}
	memset(mem, 0, 3 * 4096);
	q->v = v;
	q->index = index;
	q->size = size;
	q->desc = (void *)mem;
	q->pdesc = (void *)mem;
	q->avail = (void *)(mem + 4096);
	q->used = (void *)(mem + 8192);
	q->used_ring = (void *)(mem + 8192 + 4);
	q->avail_event = (void *)(mem + 8192 + 4 + 8 * size);
	q->next_avail = q->last_used = q->kicked = 0;
	q->kicks = q->kicks_saved = 0;
	q->free = 0;
	memset(q->chain, 0, sizeof(q->chain));
	q->nr_free = size;
	q->no_irq = false;
	q->event_idx = v->features & VF_EVENT_IDX;
	q->indirect = v->features & VF_INDIRECT;
	q->packed = v->features & VF_PACKED;
	q->in_order = v->features & VF_IN_ORDER;
	q->order_head = q->order_tail = q->batch_left = 0;
	packed_setup(q);
	/* IN_ORDER: the table is used from front to back, again and again. */
	for (i = 0; i < size; i++)
		q->next[i] = i + 1 < size ? i + 1 : 0;

	if (v->port)
		return legacy_place(q, mem, msix);
	mmio_w16(v->common + VC_QMSIX, msix);
	if (mmio_r16(v->common + VC_QMSIX) != msix)
		return false;
	mmio_w32(v->common + VC_QDESC, (u64)q->desc);
	mmio_w32(v->common + VC_QDESC + 4, (u64)q->desc >> 32);
	mmio_w32(v->common + VC_QDRIVER, (u64)q->avail);
	mmio_w32(v->common + VC_QDRIVER + 4, (u64)q->avail >> 32);
	mmio_w32(v->common + VC_QDEVICE, (u64)q->used);
	mmio_w32(v->common + VC_QDEVICE + 4, (u64)q->used >> 32);
	q->bell = v->notify + mmio_r16(v->common + VC_QNOFF) * v->notify_mult;
	mmio_w16(v->common + VC_QENABLE, 1);
	return true;
}

void virtio_driver_ok(struct virtio *v)
{
	virtio_set_status(v, VS_DRIVER_OK);
}

static void fill(volatile struct vdesc *d, const struct vbuf *b, bool write, bool more, u16 next)
{
	d->addr = (u64)b->p;
	d->len = b->len;
	d->flags = (write ? VD_WRITE : 0) | (more ? VD_NEXT : 0);
	d->next = more ? next : 0;
}

bool vq_add(struct vq *q, const struct vbuf *b, unsigned int out, unsigned int in, void *token)
{
	unsigned int n = out + in, need = q->indirect && n > 1 ? 1 : n, i;
	u16 head = q->free, at = head;

	if (q->nr_free < need || (need < n && n > 16))
		return false;
	q->in_len[head] = 0;
	for (i = out; i < n; i++)
		q->in_len[head] += b[i].len;
	q->nr_free -= need;
	q->chain[head] = need;
	q->token[head] = token;
	q->order[q->order_tail++ % VQ_MAX] = head;
	if (q->packed) {
		q->free = q->next[head];
		packed_add(q, b, out, in, head);
		return true;
	}
	if (need < n) {
		struct vdesc *t = q->table[head];

		if (!t)
			t = q->table[head] = alloc_pages(1);
		for (i = 0; i < n; i++)
			fill(&t[i], &b[i], i >= out, i + 1 < n, i + 1);
		q->desc[head].addr = (u64)t;
		q->desc[head].len = n * 16;
		q->desc[head].flags = VD_INDIRECT;
		q->free = q->next[head];
	} else {
		for (i = 0; i < n; i++) {
			u16 nx = q->next[at];

			fill(&q->desc[at], &b[i], i >= out, i + 1 < n, nx);
			at = nx;
		}
		q->free = at;
	}
	q->avail[2 + q->next_avail++ % q->size] = head;
	return true;
}

void vq_publish(struct vq *q)
{
	barrier();
	if (q->packed)
		packed_publish(q);
	else
		q->avail[1] = q->next_avail;
	mb();
}

void vq_notify(struct vq *q)
{
	if (q->v->port)
		outw(q->v->port + VL_NOTIFY, q->index);
	else
		mmio_w16(q->bell, q->index);
	q->kicks++;
}

void vq_kick(struct vq *q)
{
	u16 old = q->kicked, new = q->next_avail;
	bool want;

	vq_publish(q);
	if (q->packed ? !q->added : old == new)
		return;
	q->kicked = new;
	if (q->packed)
		want = packed_wants_kick(q);
	else if (q->event_idx)
		want = (u16)(new - *q->avail_event - 1) < (u16)(new - old);
	else
		want = !(q->used[0] & 1);
	q->added = 0;
	if (want)
		vq_notify(q);
	else
		q->kicks_saved++;
}

bool vq_used(struct vq *q)
{
	if (q->batch_left)
		return true;
	return q->packed ? packed_used(q) : q->used[1] != q->last_used;
}

/* The buffer that the next completion is about, and how many the device has skipped before it */
static u32 used_id(struct vq *q, u32 *len)
{
	volatile struct vused_elem *e = &q->used_ring[q->last_used % q->size];
	volatile struct pdesc *d = &q->pdesc[q->last_used];
	u32 id, i;

	if (!q->batch_left) {
		barrier();
		id = q->packed ? d->id : e->id;
		q->batch_len = q->packed ? d->len : e->len;
		if (id >= q->size || !q->chain[id])
			rt_die("queue %u: used element %u is not in flight (index %u)", q->index, id,
			       q->last_used);
		*len = q->batch_len;
		if (!q->in_order)
			return id;
		for (i = q->order_head; q->order[i % VQ_MAX] != id; i++)
			if (i == q->order_tail)
				rt_die("queue %u: used element %u is not in order", q->index, id);
		q->batch_left = i - q->order_head + 1;
	}
	/* What was skipped is full. */
	id = q->order[q->order_head++ % VQ_MAX];
	*len = --q->batch_left ? q->in_len[id] : q->batch_len;
	return id;
}

void *vq_pop(struct vq *q, u32 *len)
{
	u16 last, n;
	u32 id, l;

	if (!vq_used(q))
		return NULL;
	id = used_id(q, &l);
	if (len)
		*len = l;
	n = q->chain[id];
	q->chain[id] = 0;
	q->nr_free += n;
	if (q->packed) {
		q->next[id] = q->free;
		q->free = id;
		q->last_used += n;
		if (q->last_used >= q->size) {
			q->last_used -= q->size;
			q->used_wrap = !q->used_wrap;
		}
		packed_event(q);
	} else {
		for (last = id; --n; )
			last = q->next[last];
		if (!q->in_order) {
			q->next[last] = q->free;
			q->free = id;
		}
		q->last_used++;
		if (q->event_idx && !q->no_irq)
			q->avail[2 + q->size] = q->last_used;
	}
	mb();
	return q->token[id];
}

void vq_irq(struct vq *q, bool on)
{
	q->no_irq = !on;
	if (q->packed)
		packed_event(q);
	else if (q->event_idx)
		q->avail[2 + q->size] = q->last_used - !on;
	else
		q->avail[0] = !on;
	mb();
}

u32 vq_reset(struct vq *q)
{
	u64 common = q->v->common, end = rdtsc() + 5000 * tsc_per_ms();
	u32 reads = 0;

	mmio_w16(common + VC_QSEL, q->index);
	mmio_w16(common + VC_QRESET, 1);
	while (mmio_r16(common + VC_QRESET)) {
		reads++;
		if (rdtsc() > end)
			rt_die("queue_reset of queue %u stays 1", q->index);
		pause();
	}
	return reads;
}

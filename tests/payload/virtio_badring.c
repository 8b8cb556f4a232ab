// SPDX-License-Identifier: GPL-2.0
/*
 * Malformed rings: the back end stops the queue, the device says DEVICE_NEEDS_RESET with a config
 * interrupt, nothing else happens; after a reset it works.
 */
#include "rt/net.h"

#define OUTSIDE	0x7f000000ull		/* neither RAM nor a BAR */

static struct net n;
static u8 *page;

static void desc(struct vq *q, u16 i, u64 addr, u32 len, u16 flags, u16 next)
{
	q->desc[i].addr = addr;
	q->desc[i].len = len;
	q->desc[i].flags = flags;
	q->desc[i].next = next;
}

/* What a driver would never do; each puts one chain of its own at the next place. */
static u16 head_out_of_range(struct vq *q)
{
	return q->size;
}

static u16 head_far_out(struct vq *q)
{
	(void)q;
	return 0xffff;
}

static u16 next_out_of_range(struct vq *q)
{
	desc(q, 0, (u64)page, 64, VD_NEXT, q->size);
	return 0;
}

static u16 loop_of_one(struct vq *q)
{
	desc(q, 0, (u64)page, 64, VD_NEXT, 0);
	return 0;
}

static u16 loop_of_three(struct vq *q)
{
	desc(q, 0, (u64)page, 64, VD_NEXT, 1);
	desc(q, 1, (u64)page, 64, VD_NEXT, 2);
	desc(q, 2, (u64)page, 64, VD_NEXT, 0);
	return 0;
}

static u16 outside_ram(struct vq *q)
{
	desc(q, 0, OUTSIDE, 128, q->index ? 0 : VD_WRITE, 0);
	return 0;
}

static u16 over_the_end(struct vq *q)
{
	u64 end = cmdline_num("mem", 32) << 20;

	desc(q, 0, end - 16, 0x10000, q->index ? 0 : VD_WRITE, 0);
	return 0;
}

static u16 wraps(struct vq *q)
{
	desc(q, 0, ~0ull - 15, 64, q->index ? 0 : VD_WRITE, 0);
	return 0;
}

static u16 wrong_direction(struct vq *q)
{
	desc(q, 0, (u64)page, 256, q->index ? VD_WRITE : 0, 0);
	return 0;
}

static u16 indirect_odd_length(struct vq *q)
{
	desc(q, 0, (u64)page, 24, VD_INDIRECT, 0);
	return 0;
}

static u16 indirect_nested(struct vq *q)
{
	struct vdesc *t = (void *)page;

	t->addr = (u64)page + 2048;
	t->len = 16;
	t->flags = VD_INDIRECT;
	t->next = 0;
	desc(q, 0, (u64)page, 16, VD_INDIRECT, 0);
	return 0;
}

static u16 indirect_outside(struct vq *q)
{
	desc(q, 0, OUTSIDE, 32, VD_INDIRECT, 0);
	return 0;
}

static u16 indirect_loop(struct vq *q)
{
	struct vdesc *t = (void *)page;

	t[0].addr = (u64)page + 2048;
	t[0].len = 16;
	t[0].flags = VD_NEXT;
	t[0].next = 1;
	/* A loop whether or not the device follows next inside a table. */
	t[1] = t[0];
	t[1].next = 0;
	desc(q, 0, (u64)page, 32, VD_INDIRECT, 0);
	return 0;
}

static const struct bad {
	const char *what;
	u16 (*make)(struct vq *q);
	u16 jump;		/* how far the avail index goes */
	bool indirect, tx, rx;
} bads[] = {
	{ "a head of the queue's size", head_out_of_range, 1, false, true, true },
	{ "a head of 0xffff", head_far_out, 1, false, true, true },
	{ "next out of range", next_out_of_range, 1, false, true, true },
	{ "a descriptor that is its own next", loop_of_one, 1, false, true, true },
	{ "a loop of three", loop_of_three, 1, false, true, true },
	{ "a buffer outside memory", outside_ram, 1, false, true, false },
	{ "a buffer over the end of memory", over_the_end, 1, false, true, false },
	{ "address and length that overflow", wraps, 1, false, true, false },
	{ "a buffer of the wrong direction", wrong_direction, 1, false, true, true },
	{ "an avail index that jumps", loop_of_one, 0x4000, false, true, true },
	{ "an indirect table of 24 bytes", indirect_odd_length, 1, true, true, true },
	{ "an indirect table in an indirect table", indirect_nested, 1, true, true, true },
	{ "an indirect table outside memory", indirect_outside, 1, true, true, true },
	{ "an indirect table with a loop", indirect_loop, 1, true, true, true },
};

static bool broken(void)
{
	return virtio_status(&n.v) & VS_NEEDS_RESET;
}

/* QEMU logs a vhost back end's error and tells the guest nothing. */
static bool quiet_vmm(void)
{
	return cmdline_has("vmm=qemu") && cmdline_has("vhost");
}

/* A fresh device whose ring @index holds nothing; a receive ring without buffers. */
static void fresh(bool indirect)
{
	if (!virtio_negotiate(&n.v, NF_MAC | (indirect ? VF_INDIRECT : 0)))
		rt_die("negotiation failed");
	msix_fmask(&n.v.msix, true);
	msix_enable(&n.v.msix, true);
	msix_set(&n.v.msix, 0, VEC_CONFIG);
	msix_set(&n.v.msix, 1, VEC_RX);
	msix_set(&n.v.msix, 2, VEC_TX);
	msix_fmask(&n.v.msix, false);
	mmio_w16(n.v.common + VC_MSIX, 0);
	if (!vq_setup(&n.rx, &n.v, 0, n.want_qsize, 1) || !vq_setup(&n.tx, &n.v, 1, n.want_qsize, 2))
		rt_die("queue set-up failed");
}

static void one(const struct bad *b, unsigned int index)
{
	struct vq *q = index ? &n.tx : &n.rx;
	u32 config, used;
	bool seen;

	fresh(b->indirect);
	virtio_driver_ok(&n.v);
	config = irq_count[VEC_CONFIG];
	q->avail[2] = b->make(q);
	barrier();
	q->avail[1] = b->jump;
	mb();
	vq_notify(q);
	if (!index) {
		/* A receive ring is looked at when a frame is there: have one sent by the peer. */
		net_send(&n, 'E', 0, 0, 60, true);
	}
	(void)wait_until(broken() || q->used[1], quiet_vmm() ? 20 : 10000);
	seen = wait_until(broken(), 20);
	used = q->used[1];
	if (quiet_vmm()) {
		report(used == 0, "%s: %s: not served", index ? "tx" : "rx", b->what);
		virtio_reset(&n.v);
		return;
	}
	if (!seen && used == 1 && cmdline_has("vmm=qemu")) {
		report_skip("QEMU accepts %s", b->what);
		virtio_reset(&n.v);
		return;
	}
	report(seen && wait_until(irq_count[VEC_CONFIG] != config, 5000) && used == 0,
	       "%s: %s: status %02x, %u config interrupts, used %u", index ? "tx" : "rx", b->what,
	       virtio_status(&n.v), irq_count[VEC_CONFIG] - config, used);
	virtio_reset(&n.v);
}

/* Rings themselves in places where there is no memory: refused or broken, never more than that. */
static void bad_places(void)
{
	static const struct { const char *what; u64 desc, driver, device; } at[] = {
		{ "descriptors outside memory", OUTSIDE, 0, 0 },
		{ "avail ring outside memory", 0, OUTSIDE, 0 },
		{ "used ring outside memory", 0, 0, OUTSIDE },
		{ "everything at the top of the address space", ~0xfffull, ~0xfffull, ~0xfffull },
		{ "descriptors over the end of memory", 1, 0, 0 },
	};
	u64 end = cmdline_num("mem", 32) << 20;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		u64 d, a, u;
		bool bad;

		fresh(false);
		mmio_w16(n.v.common + VC_QSEL, 1);
		d = at[i].desc == 1 ? end - 16 : at[i].desc ? at[i].desc : (u64)n.tx.desc;
		a = at[i].driver ? at[i].driver : (u64)n.tx.avail;
		u = at[i].device ? at[i].device : (u64)n.tx.used;
		/* Addresses may be changed only before the queue is enabled: once more from the start. */
		virtio_reset(&n.v);
		fresh(false);
		virtio_reset(&n.v);
		if (!virtio_negotiate(&n.v, NF_MAC))
			rt_die("negotiation failed");
		mmio_w16(n.v.common + VC_QSEL, 1);
		mmio_w16(n.v.common + VC_QSIZE, n.want_qsize);
		mmio_w32(n.v.common + VC_QDESC, d);
		mmio_w32(n.v.common + VC_QDESC + 4, d >> 32);
		mmio_w32(n.v.common + VC_QDRIVER, a);
		mmio_w32(n.v.common + VC_QDRIVER + 4, a >> 32);
		mmio_w32(n.v.common + VC_QDEVICE, u);
		mmio_w32(n.v.common + VC_QDEVICE + 4, u >> 32);
		mmio_w16(n.v.common + VC_QENABLE, 1);
		virtio_driver_ok(&n.v);
		mmio_w16(n.v.notify + n.v.notify_mult, 1);
		let_irqs(5);
		if (cmdline_has("vmm=qemu")) {
			report(true, "%s: survived (status %02x)", at[i].what, virtio_status(&n.v));
		} else {
			bad = wait_until(broken(), 10000);
			report(bad, "%s: status %02x", at[i].what, virtio_status(&n.v));
		}
		virtio_reset(&n.v);
	}
}

int main(void)
{
	unsigned int i, index;

	net_find(&n);
	if (!n.v.has_msix)
		rt_die("no MSI-X");
	page = alloc_zeroed(4096);
	report(net_start(&n, 0) && net_echo(&n, 3, 100, 1) == 3, "it works at first");
	for (i = 0; i < ARRAY_SIZE(bads); i++)
		for (index = 0; index < 2; index++)
			if (index ? bads[i].tx : bads[i].rx)
				one(&bads[i], index);
	bad_places();
	report(net_start(&n, VF_INDIRECT | VF_EVENT_IDX) && net_echo(&n, 50, 300, 8) == 50,
	       "after all that it works");
	report(!(virtio_status(&n.v) & VS_NEEDS_RESET), "and needs no reset");
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}

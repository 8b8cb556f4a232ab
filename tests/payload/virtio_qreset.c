// SPDX-License-Identifier: GPL-2.0
/*
 * VIRTIO_F_RING_RESET: one queue stops, and starts with another size in fresh memory, while the other one
 * goes on. What the stopped queue had is left alone.
 *
 * packed: with packed rings; rounds=n; idle: further queues, which this driver has no use for, are reset, too
 */
#include "rt/net.h"

static struct net n;

/* Set queue @q up again; the receive queue gets its buffers. */
static bool again(struct vq *q, u16 size)
{
	u32 i;

	if (!vq_setup(q, &n.v, q->index, size, n.use_msix ? q->index + 1 : NO_VECTOR))
		return false;
	if (q == &n.tx) {
		n.tx_sent = n.tx_done = 0;
		return true;
	}
	for (i = 0; i < q->size; i++) {
		struct vbuf b = { n.rxbuf[i], n.rx_size };

		if (!vq_add(q, &b, 0, 1, n.rxbuf[i]))
			return false;
	}
	vq_kick(q);
	return true;
}

static u32 sum(const volatile void *p, u32 bytes)
{
	const volatile u32 *w = p;
	u32 s = 0;

	for (; bytes; bytes -= 4)
		s = (s << 1 | s >> 31) ^ *w++;
	return s;
}

int main(void)
{
	u32 rounds = cmdline_num("rounds", 30), i, l, good = 0, quiet = 0, other = 0, slow = 0, before;
	u64 want = VF_RING_RESET | VF_EVENT_IDX | VF_INDIRECT | NF_MRG_RXBUF;
	u64 common;

	want |= cmdline_has("packed") ? VF_PACKED : 0;
	net_find(&n);
	if (!report(net_start(&n, want), "it starts"))
		return 0;
	if (!(n.v.features & VF_RING_RESET)) {
		report_skip("VIRTIO_F_RING_RESET is not offered");
		return 0;
	}
	common = n.v.common;
	report(net_echo(&n, 20, 300, 4) == 20, "it works before that");
	for (i = 0; i < rounds; i++) {
		struct vq *q = i & 1 ? &n.tx : &n.rx;
		u16 size = n.want_qsize >> i % 3;

		/* In the midst of traffic both ways */
		net_send(&n, 'B', 0, 20u << 16 | 1000, 60, true);
		for (l = 0; l < 10; l++)
			net_send(&n, 'C', l, 0, 200 + rt_random() % 1200, true);
		delay_us(rt_random() % 1000);
		slow += vq_reset(q) > 0;
		if (mmio_r16(common + VC_QENABLE) || mmio_r16(common + VC_QMSIX) != NO_VECTOR ||
		    mmio_r32(common + VC_QDESC))
			break;
		before = sum(q->desc, 3 * 4096);
		if (q == &n.rx) {
			/* The transmit queue goes on. */
			u32 sent = n.tx_sent + 5;

			for (l = 0; l < 5; l++)
				net_send(&n, 'C', l, 0, 300, true);
			other += wait_until((net_reap(&n), n.tx_done >= sent), 5000);
		} else {
			/* So does the receive queue: let it take the rest of the burst. */
			other++;
			while (net_recv(&n, 'b', &l))
				;
		}
		quiet += sum(q->desc, 3 * 4096) == before;
		if (!again(q, size))
			break;
		good += net_echo(&n, 10, 400, 4) == 10;
	}
	report(i == rounds, "%u queue resets of %u", i, rounds);
	report(quiet == rounds, "memory was left alone after %u", quiet);
	report(other == rounds, "the other queue went on in %u", other);
	report(good == rounds, "both worked after %u", good);
	rt_printf("# queue_reset read 1 at first in %u\n", slow);
	report(n.rx_bad == 0, "no frame was damaged");
	report(!(virtio_status(&n.v) & (VS_NEEDS_RESET | VS_FAILED)), "the device is well");

	for (i = 2; i < mmio_r16(common + VC_NUMQ) && cmdline_has("idle"); i++) {
		struct vq q;

		if (!vq_setup(&q, &n.v, (u16)i, 16, NO_VECTOR) || (vq_reset(&q), !vq_setup(&q, &n.v, (u16)i, 16, NO_VECTOR)))
			break;
		vq_reset(&q);
	}
	report(net_echo(&n, 20, 300, 4) == 20, "after further queues came and went, up to %u, it works", i);

	/* A reset of the device with one queue stopped */
	vq_reset(&n.tx);
	report(net_start(&n, want) && net_echo(&n, 20, 300, 4) == 20, "after a reset of the device it works");
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}

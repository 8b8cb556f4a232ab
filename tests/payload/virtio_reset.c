// SPDX-License-Identifier: GPL-2.0
/*
 * Reset while traffic flows, again and again. device_status stays non-zero until the back end has
 * stopped; once it reads zero nothing touches the rings or the buffers any more.
 */
#include "rt/net.h"

static struct net n;

static u32 checksum(const void *p, u32 bytes)
{
	const u32 *w = p;
	u32 s = 0;

	for (; bytes; bytes -= 4)
		s = (s << 1 | s >> 31) ^ *w++;
	return s;
}

/* Rings and the start of each receive buffer. */
static u32 memory(void)
{
	u32 i, s = 0;

	/* All three parts of each ring lie together. */
	s ^= checksum((void *)n.rx.desc, 3 * 4096);
	s = s * 31 + checksum((void *)n.tx.desc, 3 * 4096);
	for (i = 0; i < n.rx.size; i++)
		s = s * 31 + checksum(n.rxbuf[i], 32);
	return s;
}

int main(void)
{
	u32 rounds = cmdline_num("rounds", 200), i, j, waits = 0, slow = 0, quiet = 0, flowed = 0, started = 0;
	u64 want = cmdline_has("plain") ? 0 : VF_EVENT_IDX | VF_INDIRECT | NF_MRG_RXBUF;

	want |= cmdline_has("packed") ? VF_PACKED : 0;
	net_find(&n);
	for (i = 0; i < rounds; i++) {
		u32 before, l;

		if (!net_start(&n, want))
			break;
		started++;
		/* Frames in both directions, and more on the way than the guest has room for. */
		net_send(&n, 'B', 0, 12u << 16 | 1000, 60, true);
		for (j = 0; j < 20; j++)
			net_send(&n, 'C', j, 0, 200 + rt_random() % 1200, rt_random() & 1);
		/* Reset at any moment: before anything moved, and in the midst of it. */
		if (i & 3)
			(void)wait_until(vq_used(&n.rx) && (n.tx_done || vq_used(&n.tx)), 50);
		delay_us(rt_random() % 2000);
		net_recv(&n, 'b', &l);
		if (n.rx_frames || vq_used(&n.rx) || n.tx_done || vq_used(&n.tx))
			flowed++;
		vq_kick(&n.tx);
		j = virtio_reset(&n.v);
		waits += j;
		slow += j > 0;
		before = memory();
		delay_us(500);
		quiet += memory() == before;
	}
	report(started == rounds, "%u of %u rounds started", started, rounds);
	report(flowed >= rounds / 2, "traffic flowed in %u", flowed);
	report(quiet == rounds, "memory was left alone after %u resets of %u", quiet, rounds);
	rt_printf("# status was non-zero at first in %u, %u reads in all\n", slow, waits);

	/* Reset twice in a row, in every state on the way up. */
	for (i = 0; i < 8; i++) {
		virtio_reset(&n.v);
		if (i > 0)
			virtio_set_status(&n.v, VS_ACK);
		if (i > 1)
			virtio_set_status(&n.v, VS_DRIVER);
		if (i > 2)
			virtio_negotiate(&n.v, want);
		if (i > 3)
			vq_setup(&n.tx, &n.v, 1, n.want_qsize, 2);
		if (i > 4)
			virtio_driver_ok(&n.v);
		mmio_w8(n.v.common + VC_STATUS, 0);
		mmio_w8(n.v.common + VC_STATUS, 0);
		if (i > 5)
			mmio_w8(n.v.common + VC_STATUS, 0);
	}
	virtio_reset(&n.v);
	report(mmio_r16(n.v.common + VC_MSIX) == NO_VECTOR, "a reset forgets the config vector");
	for (i = 0, j = 0; i < 2; i++) {
		mmio_w16(n.v.common + VC_QSEL, i);
		j += mmio_r16(n.v.common + VC_QENABLE) || mmio_r32(n.v.common + VC_QDESC) ||
		     mmio_r16(n.v.common + VC_QMSIX) != NO_VECTOR;
	}
	report(j == 0, "and the queues");
	delay_us(20000);
	report(net_start(&n, want) && net_echo(&n, 50, 500, 8) == 50, "after all that it works");
	report(n.rx_bad == 0, "no frame was damaged");
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}

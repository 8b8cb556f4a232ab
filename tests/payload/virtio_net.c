// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-net with its data queues in a vhost back end: negotiation, sending, receiving, EVENT_IDX,
 * indirect descriptors, mergeable buffers, interrupts and their suppression.
 *
 * legacy: by that interface; event, indirect, mrg, packed, in_order, intx: switch these on; qsize=n, rxbuf=bytes
 */
#include "rt/net.h"

static struct net n;

static u32 rx_irqs(void)
{
	return n.use_msix ? irq_count[VEC_RX] : irq_count[VEC_NET_INTX];
}

/* A buffer found by looking needs no interrupt; here nobody looks before it came. */
static u32 echo_by_irq(u32 count)
{
	u32 i, l, before;

	for (i = 0; i < count; i++) {
		before = rx_irqs();
		if (!net_send(&n, 'E', i, 0, 300, true) ||
		    !wait_until(rx_irqs() != before, 15000) ||
		    !wait_until(net_recv(&n, 'e', &l), 15000))
			break;
	}
	return i;
}

static u32 tx_count(u32 count, u32 len)
{
	u64 end;
	u32 i, l;
	struct frame *f;

	for (i = 0; i < count; i++)
		if (!net_send(&n, 'C', i, 0, len, (i & 7) == 7))
			return 0;
	if (!net_send(&n, 'Q', i, 0, 60, true))
		return 0;
	end = rdtsc() + 15000 * tsc_per_ms();
	while (!(f = net_recv(&n, 'q', &l)) && rdtsc() < end)
		pause();
	return f ? be32(f->arg) : 0;
}

static void negotiation(void)
{
	struct virtio *v = &n.v;
	u64 f;
	u16 nq, max, i;

	virtio_reset(v);
	report(virtio_status(v) == 0, "status is zero after a reset");
	f = virtio_offered(v);
	rt_printf("# offers 0x%lx\n", f);
	report(f & VF_VERSION_1, "VERSION_1 is offered");
	report(f & NF_MAC, "MAC is offered");
	mmio_w32(v->common + VC_DFSELECT, 2);
	report(mmio_r32(v->common + VC_DF) == 0, "there are no features above 63");
	nq = mmio_r16(v->common + VC_NUMQ);
	report(nq >= 2, "%u queues", nq);
	for (i = 0, max = 0; i < 2; i++) {
		mmio_w16(v->common + VC_QSEL, i);
		max = mmio_r16(v->common + VC_QSIZE);
		if (!max || (max & (max - 1)))
			break;
	}
	report(i == 2, "queue sizes are powers of two (%u)", max);
	mmio_w16(v->common + VC_QSEL, nq);
	report(mmio_r16(v->common + VC_QSIZE) == 0, "a queue that is not there has size 0");

	/* A device may refuse, and a feature that was not offered is never accepted. */
	virtio_set_status(v, VS_ACK | VS_DRIVER);
	mmio_w32(v->common + VC_GFSELECT, 0);
	mmio_w32(v->common + VC_GF, 0xffffffff);
	mmio_w32(v->common + VC_GFSELECT, 1);
	mmio_w32(v->common + VC_GF, 0xffffffff);
	virtio_set_status(v, VS_FEATURES_OK);
	mmio_w32(v->common + VC_GFSELECT, 0);
	f = mmio_r32(v->common + VC_GF);
	if (cmdline_has("vmm=qemu"))
		report_skip("QEMU drops unknown features without a word");
	else
		report(!(virtio_status(v) & VS_FEATURES_OK) || !(f & ~virtio_offered(v) & 0xffffffff),
		       "features that were not offered are refused or dropped");
	virtio_reset(v);
}

int main(void)
{
	u32 rounds = cmdline_num("rounds", 200), len, good, sent, before, l;
	static const u16 sizes[] = { 60, 61, 128, 500, 512, 1000, 1500, 1514 };
	u64 want = 0, end;
	unsigned int i;

	net_find(&n);
	if (!n.v.port)
		negotiation();
	want |= cmdline_has("event") ? VF_EVENT_IDX : 0;
	want |= cmdline_has("indirect") ? VF_INDIRECT : 0;
	want |= cmdline_has("mrg") ? NF_MRG_RXBUF : 0;
	want |= cmdline_has("packed") ? VF_PACKED : 0;
	want |= cmdline_has("in_order") ? VF_IN_ORDER : 0;
	if (want & (VF_PACKED | VF_IN_ORDER) & ~virtio_offered(&n.v)) {
		report_skip("this layout of rings is not offered");
		return 0;
	}
	if (!report(net_start(&n, want), "it starts"))
		return 0;
	report((n.v.features & want) == want, "with all features wanted (0x%lx)", n.v.features);
	report(!(n.mac[0] & 1) && (n.mac[0] | n.mac[1] | n.mac[2] | n.mac[3]),
	       "MAC %02x:%02x:%02x:%02x:%02x:%02x", n.mac[0], n.mac[1], n.mac[2], n.mac[3], n.mac[4], n.mac[5]);
	report(n.rx.size == n.want_qsize, "the queue size is the driver's (%u)", n.rx.size);

	for (i = 0, good = 0; i < ARRAY_SIZE(sizes); i++)
		good += net_echo(&n, 1, sizes[i], 1);
	report(good == i, "echo of %u lengths: %u", i, good);
	good = net_echo(&n, rounds, 300, 1);
	report(good == rounds, "%u of %u echoes, one by one", good, rounds);
	good = echo_by_irq(rounds);
	report(good == rounds, "%u of %u echoes, each looked for after an interrupt", good, rounds);
	good = net_echo(&n, rounds, 1400, 16);
	report(good == rounds, "%u of %u echoes, 16 in flight", good, rounds);
	if (n.v.features & NF_MRG_RXBUF && n.rx_size < 1400)
		report(n.rx_max_bufs == (1400 + 12 + 114 + n.rx_size - 1) / n.rx_size ||
		       n.rx_max_bufs > 1, "a frame took up to %u buffers", n.rx_max_bufs);
	len = 1200;
	good = net_burst(&n, 300, len, 30000);
	report(good == 300, "%u of 300 frames of a burst", good);
	good = tx_count(300, 900);
	report(good == 300, "%u of 300 frames left the tap", good);

	/* Interrupts that nobody wants. */
	vq_irq(&n.rx, false);
	if (!n.use_msix)
		vq_irq(&n.tx, false);
	before = rx_irqs();
	good = net_echo(&n, 100, 200, 4);
	let_irqs(2);
	report(good == 100 && rx_irqs() - before <= 2, "suppressed interrupts: %u of 100", rx_irqs() - before);
	/* Ask again, and for what came meanwhile nothing more is owed. */
	vq_irq(&n.rx, true);
	before = rx_irqs();
	net_send(&n, 'E', 0, 0, 60, true);
	report(wait_until(rx_irqs() != before, 10000), "they come again when they are wanted");
	end = rdtsc() + 5000 * tsc_per_ms();
	while (!net_recv(&n, 'e', &l) && rdtsc() < end)
		pause();

	sent = n.tx_sent;
	report(wait_until((net_reap(&n), n.tx_done == sent), 10000), "all %u sent buffers came back", sent);
	report(n.rx_bad == 0, "%u frames received, none damaged", n.rx_frames);
	if (n.tx.event_idx || n.tx.kicks_saved)
		rt_printf("# notifications: tx %u sent, %u saved; rx %u, %u\n", n.tx.kicks,
			  n.tx.kicks_saved, n.rx.kicks, n.rx.kicks_saved);
	report(!(virtio_status(&n.v) & (VS_NEEDS_RESET | VS_FAILED)), "the device is well");

	virtio_reset(&n.v);
	report(net_start(&n, want) && net_echo(&n, 20, 200, 4) == 20, "after a reset it works again");
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}

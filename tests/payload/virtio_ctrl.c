// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-net's control queue, where somebody answers ARP at 10.0.2.2, or net_peer.py everything: what commands say,
 * what they change, and whether that stays, as it has to when the process that was told is killed meanwhile.
 *
 * packed: rings of that layout; pairs=n: there are so many; rounds=n, pause=ms: look again and again; kernel: that has
 * the data queues, and filters less, but its queues can be reset; announce: somebody asks for that, twice, pause= between what is
 * asked and what the driver says to it; rss: with pairs=, of which packets go where the driver says
 */
#include "rt/net.h"

enum { RX, MAC, VLAN, ANNOUNCE, MQ };

#define GATEWAY	2

static struct net n;
static const u8 other[6] = { 2, 0, 0, 0, 0, 9 };
static bool kernel;

static bool same(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, 6);
}

/* Ask the gateway from an address; what has been sent to a process that is killed is asked again. */
static bool asked(const u8 *mac, u32 tries, u32 ms)
{
	static u8 *buf;

	if (!buf)
		buf = alloc_pages(1);
	for (; tries; tries--) {
		if (!wait_until((net_reap(&n), n.tx_done == n.tx_sent), 15000))
			return false;
		net_arp_ask(&n, buf, mac, GATEWAY);
		if (wait_until(net_arp_answered(&n, mac, GATEWAY), ms))
			return true;
	}
	return false;
}

static u8 rx_mode(u8 cmd, u8 on)
{
	return net_command(&n, RX, cmd, &on, 1);
}

/* Commands that are done, and those that are refused */
static void commands(void)
{
	u8 empty[8] = { 0 }, group[6] = { 1, 0, 0x5e };
	u16 vlan = 5;

	report(!rx_mode(0, 0) && rx_mode(2, 0) == kernel, "neither promiscuous nor all unicast");
	report(!net_command(&n, MAC, 0, empty, 8), "empty tables");
	report(net_command(&n, VLAN, 0, &vlan, 2) == kernel, "a VLAN");
	report(rx_mode(0, 2) == 1, "neither on nor off is refused");
	report(net_command(&n, MAC, 1, group, 6) == 1, "a group's address is refused");
	report(net_command(&n, 77, 0, empty, 1) == 1, "no such class is refused");
}

/* What has been set stays when the queue comes and goes. */
static void reset_queue(void)
{
	u8 empty[8] = { 0 };
	u32 i, good = 0;

	for (i = 0; i < 3; i++) {
		vq_reset(&n.ctrl);
		good += vq_setup(&n.ctrl, &n.v, n.ctrl.index, 16, NO_VECTOR) && !net_command(&n, MAC, 0, empty, 8);
	}
	report(good == i, "the control queue was reset %u times, and works", good);
}

static u16 status(void)
{
	return mmio_r16(n.v.dev + 6);
}

/* As a driver does it: at an interrupt it looks, and says when it has told the network. */
static void announce(void)
{
	u32 before, i, good = 0;

	for (i = 0; i < 2; i++) {
		before = irq_count[VEC_CONFIG];
		rt_printf("# announce\n");
		if (!wait_until(irq_count[VEC_CONFIG] != before, 15000) || status() != 3)
			break;
		let_irqs(cmdline_num("pause", 0));
		good += status() == 3 && !net_command(&n, ANNOUNCE, 0, "", 0) && status() == 1;
	}
	report(good == 2, "it was asked to announce itself, and has: %u times", good);
	report(net_command(&n, ANNOUNCE, 1, "", 0) == 1 && net_command(&n, ANNOUNCE, 0, "", 1) == 1, "nothing else is acknowledged");
}

static void address(u32 rounds)
{
	u8 mac[6];
	u32 i, good = 0;

	report(asked(n.mac, 8, 1000), "the gateway answers to the first address");
	report(!net_command(&n, MAC, 1, other, 6), "another address");
	net_mac(&n, mac);
	report(same(mac, other), "is in the configuration space");
	if (kernel)
		reset_queue();
	rt_printf("# ready\n");
	for (i = 0; i < rounds; i++) {
		net_mac(&n, mac);
		good += same(mac, other) && asked(other, 8, 1000) && !asked(n.mac, 1, 30);
		let_irqs(cmdline_num("pause", 0));
	}
	report(good == rounds, "the gateway answers to it, and not to the first: %u times of %u", good, rounds);
}

static void pairs(u16 nr)
{
	u16 few = nr, many = nr + 1, one = 1, none = 0, i;
	struct vq tx;
	u32 good = 0, l;

	report(n.pairs == nr, "%u pairs", n.pairs);
	report(!net_command(&n, MQ, 0, &few, 2), "the driver uses all of them");
	report(net_command(&n, MQ, 0, &many, 2) == 1 && net_command(&n, MQ, 0, &none, 2) == 1, "one more, or none, is refused");
	for (i = 1; i < nr; i++) {
		tx = n.tx;
		n.tx = n.more[2 * i + 1];
		n.tx_sent = n.tx_done = 0;
		good += net_send(&n, 'C', i, 0, 60, true) && wait_until((net_reap(&n), n.tx_done == 1), 15000);
		n.more[2 * i + 1] = n.tx;
		n.tx = tx;
		n.tx_sent = n.tx_done = 0;
	}
	report(good == nr - 1u, "%u of them send", good + 1);
	report(!net_command(&n, MQ, 0, &one, 2), "one again");
	net_send(&n, 'Q', 0, 0, 60, true);
	report(wait_until(net_recv(&n, 'q', &l), 15000) && be32(((struct frame *)n.whole)->arg) == nr - 1u,
	       "what they sent has come to the tap");
}

#define RSS_TABLE	128
#define RSS_KEY		40

/* RSS_CONFIG: frames of net_peer.py are no IP. @spoil: a byte of it to change */
static u8 rss_config(u16 unclassified, u16 tx, u32 spoil, u8 with)
{
	struct {
		u32 types;
		u16 mask, unclassified, queue[RSS_TABLE], tx;
		u8 key_len, key[RSS_KEY];
	} __attribute__((packed)) c = {
		.types = 0x3f, .mask = RSS_TABLE - 1, .unclassified = unclassified, .tx = tx, .key_len = RSS_KEY,
	};
	u32 i;

	for (i = 0; i < RSS_TABLE; i++)
		c.queue[i] = i % n.pairs;
	if (spoil < sizeof(c))
		((u8 *)&c)[spoil] = with;
	return net_command(&n, MQ, 1, &c, sizeof(c));
}

/* Whether the answer to a question comes by pair @nr */
static bool answered_by(u16 nr)
{
	static u8 *buf;
	struct vq *rx = &n.more[2 * nr];
	struct vbuf b;
	u32 l;

	buf = buf ?: alloc_pages(1);
	b = (struct vbuf){ buf, 2048 };
	if (nr && !vq_add(rx, &b, 0, 1, buf))
		return false;
	if (nr)
		vq_kick(rx);
	net_send(&n, 'Q', 0, 0, 60, true);
	return nr ? wait_until(vq_pop(rx, NULL), 15000) : wait_until(net_recv(&n, 'q', &l), 15000);
}

static void rss(u64 want)
{
	u16 one = 1;

	report(mmio_r8(n.v.dev + 17) == RSS_KEY && mmio_r16(n.v.dev + 18) == RSS_TABLE && mmio_r32(n.v.dev + 20) == 0x3f,
	       "what the device can do is in the configuration space");
	report(!rss_config(2, 3, ~0u, 0) && answered_by(2), "packets that are not hashed come by the third pair");
	report(!rss_config(1, 1, ~0u, 0) && answered_by(1), "and by the second, where one sends");
	report(rss_config(3, 1, ~0u, 0) == 1 && rss_config(0, 4, ~0u, 0) == 1 && rss_config(0, 0, ~0u, 0) == 1,
	       "pairs that there are not are refused");
	report(rss_config(0, 1, 1, 1) == 1 && rss_config(0, 1, 4, 0x7e) == 1 && rss_config(0, 1, 5, 1) == 1 &&
	       rss_config(0, 1, 8 + 5 * 2, 3) == 1 && rss_config(0, 1, 8 + 2 * RSS_TABLE + 2, RSS_KEY + 1) == 1,
	       "and types, masks, table entries and keys that there are not");
	report(answered_by(1), "it is as before");
	report(!net_command(&n, MQ, 0, &one, 2) && answered_by(0), "a number of pairs turns it off");
	virtio_reset(&n.v);
	report(net_start(&n, want & ~NF_MQ) && answered_by(0), "it starts anew, without MQ, and packets come by the first");
	report(net_command(&n, MQ, 0, &one, 2) == 1 && !rss_config(2, 3, ~0u, 0) && answered_by(2), "it has the command still");
}

int main(void)
{
	u64 want = NF_CTRL_VQ | NF_CTRL_RX | NF_CTRL_MAC | NF_STATUS | NF_GUEST_ANNOUNCE;
	u32 nr = cmdline_num("pairs", 1);
	u8 mac[6];

	kernel = cmdline_has("kernel");
	net_find(&n);
	want |= kernel ? VF_RING_RESET : NF_CTRL_RX_EXTRA | NF_CTRL_VLAN;
	want |= cmdline_has("packed") ? VF_PACKED : VF_EVENT_IDX;
	want |= nr > 1 ? NF_MQ : 0;
	want |= cmdline_has("rss") ? NF_RSS : 0;
	if (!report((virtio_offered(&n.v) & want) == want, "the control queue is offered"))
		return 0;
	if (!report(net_start(&n, want), "it starts"))
		return 0;
	report(mmio_r16(n.v.common + VC_NUMQ) == 2 * nr + 1, "%u queues", mmio_r16(n.v.common + VC_NUMQ));
	commands();
	if (cmdline_has("announce"))
		announce();
	if (nr > 1) {
		pairs(nr);
		if (cmdline_has("rss"))
			rss(want);
	} else {
		address(cmdline_num("rounds", 3));
		virtio_reset(&n.v);
		report(net_start(&n, want & ~(NF_CTRL_RX | NF_CTRL_RX_EXTRA)), "it starts anew");
		net_mac(&n, mac);
		report(!same(mac, other) && rx_mode(0, 0) == 1, "with its first address, and without what is not negotiated");
		report(asked(other, 8, 1000), "everything comes again");
	}
	report(!(virtio_status(&n.v) & VS_NEEDS_RESET), "the device needs no reset");
	return 0;
}

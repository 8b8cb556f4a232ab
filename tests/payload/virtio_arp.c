// SPDX-License-Identifier: GPL-2.0
/*
 * A network that has a gateway: it is asked for its hardware address, again where the answer does not come, as it
 * does not from a process that was killed meanwhile. gateway=n: 10.0.2.n; rounds=n
 */
#include "rt/net.h"

struct arp {
	u8 dst[6], src[6];
	u16 type, hw, proto;
	u8 hw_len, proto_len;
	u16 op;
	u8 from_mac[6], from_ip[4], to_mac[6], to_ip[4];
} __attribute__((packed));

static struct net n;

static void ask(u8 *buf, u8 gateway)
{
	struct net_hdr *h = (void *)buf;
	struct arp *a = (void *)(buf + sizeof(*h));
	struct vbuf b[2] = { { h, sizeof(*h) }, { a, 60 } };

	memset(buf, 0, sizeof(*h) + 60);
	memset(a->dst, 0xff, 6);
	memcpy(a->src, n.mac, 6);
	a->type = __builtin_bswap16(0x0806);
	a->hw = __builtin_bswap16(1);
	a->proto = __builtin_bswap16(0x0800);
	a->hw_len = 6;
	a->proto_len = 4;
	a->op = __builtin_bswap16(1);
	memcpy(a->from_mac, n.mac, 6);
	memcpy(a->from_ip, (u8[]){ 10, 0, 2, 15 }, 4);
	memcpy(a->to_ip, (u8[]){ 10, 0, 2, gateway }, 4);
	if (vq_add(&n.tx, b, 2, 0, buf))
		vq_kick(&n.tx);
}

/* Whether a frame that came is the answer; anything else is let go. */
static bool answered(u8 gateway)
{
	struct vbuf b = { NULL, n.rx_size };
	bool good = false;
	struct arp *a;
	u32 len;

	net_reap(&n);
	while ((b.p = vq_pop(&n.rx, &len))) {
		a = (void *)((u8 *)b.p + sizeof(struct net_hdr));
		if (len >= sizeof(struct net_hdr) + sizeof(*a) && a->type == __builtin_bswap16(0x0806) &&
		    a->op == __builtin_bswap16(2) && a->from_ip[3] == gateway && !memcmp(a->dst, n.mac, 6))
			good = true;
		vq_add(&n.rx, &b, 0, 1, b.p);
	}
	vq_kick(&n.rx);
	return good;
}

static bool round(u32 i, u8 gateway)
{
	u32 before, tries;

	for (tries = 0; tries < 8; tries++) {
		before = irq_count[VEC_RX];
		ask(n.txbuf[i % 16], gateway);
		if (wait_until(irq_count[VEC_RX] != before && answered(gateway), 2000))
			return true;
	}
	return false;
}

int main(void)
{
	u32 gateway = cmdline_num("gateway", 2), rounds = cmdline_num("rounds", 5), good = 0, i;

	net_find(&n);
	if (!report(net_start(&n, cmdline_has("packed") ? VF_PACKED : VF_EVENT_IDX), "it starts"))
		return 0;
	report(n.v.features & NF_MAC, "it has an address");
	rt_printf("# ready\n");
	for (i = 0; i < rounds; i++) {
		good += round(i, gateway);
		let_irqs(cmdline_num("pause", 0));
	}
	report(good == rounds, "the gateway answers %u times of %u", good, rounds);
	report(!(virtio_status(&n.v) & VS_NEEDS_RESET), "the device needs no reset");
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * A network that has a gateway: it is asked for its hardware address, again where the answer does not come, as it
 * does not from a process that was killed meanwhile. gateway=n: 10.0.2.n; rounds=n
 */
#include "rt/net.h"

static struct net n;

static bool round(u32 i, u8 gateway)
{
	u32 before, tries;

	for (tries = 0; tries < 8; tries++) {
		before = irq_count[VEC_RX];
		net_arp_ask(&n, n.txbuf[i % 16], n.mac, gateway);
		if (wait_until(irq_count[VEC_RX] != before && net_arp_answered(&n, n.mac, gateway), 2000))
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

// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic without end, both ways, until somebody kills the VMM. Prints "# ready" once frames flow.
 * seconds=n: ends by itself, with a verdict.
 */
#include "rt/net.h"

#define NOBODYS_TYPE	0x88b6		/* leaves the tap and is dropped: the peer must not be the brake */

static struct net n;

static bool send_away(u32 seq, u32 len)
{
	u32 slot = n.tx_sent % n.tx.size;
	struct frame *f = (void *)(n.txbuf[slot] + sizeof(struct net_hdr));

	if (!net_send(&n, 'C', seq, 0, len, false))
		return false;
	f->type = __builtin_bswap16(NOBODYS_TYPE);
	if ((seq & 3) == 3)
		vq_kick(&n.tx);
	return true;
}

int main(void)
{
	u32 seq = 0, l, seconds = cmdline_num("seconds", 0);
	u64 end;

	net_find(&n);
	if (!report(net_start(&n, VF_EVENT_IDX | VF_INDIRECT | NF_MRG_RXBUF), "it starts"))
		return 0;
	report(net_echo(&n, 5, 200, 2) == 5, "frames flow");
	rt_printf("# ready\n");
	end = rdtsc() + seconds * 1000ull * tsc_per_ms();
	while (!seconds || rdtsc() < end) {
		if (!(seq & 0x7f))
			net_send(&n, 'B', 0, 40u << 16 | 1000, 60, true);
		if (!send_away(seq, 64 + (seq & 0x3ff)))
			break;
		seq++;
		while (net_recv(&n, 'x', &l))
			;
		let_irqs(0);
	}
	report(seconds && rdtsc() >= end, "%u frames sent, %u received", seq, n.rx_frames);
	report(n.rx_bad == 0, "none damaged");
	return 0;
}

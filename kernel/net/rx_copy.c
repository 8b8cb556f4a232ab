// SPDX-License-Identifier: GPL-2.0
/*
 * What a batch still has to write once its packets have their buffers: headers, and the data of
 * small packets.
 *
 * The way through the tap's recvmsg is made for packets of any shape. A small packet in one piece
 * costs more on it than in the copy itself, so a batch's small packets are copied here, all in one
 * user access window, with the header the tap would have given them and counted where it counts.
 *
 * How long the tap's header is and what else it puts in front is known to the tap alone. So the
 * first packet of each back end goes by recvmsg: had it another length than expected, all would
 * have, and would be dropped, as the stock module does.
 */
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/unaligned.h>

#include "net.h"

#define RX_STEP(off)								\
do {										\
	const size_t rx_off = (off);						\
	u64 rx_v = get_unaligned((const u64 *)(from + rx_off));			\
										\
	unsafe_put_user(rx_v, (u64 __user *)(to + rx_off), fault);		\
} while (0)

/*
 * All writes of a batch. Every address lies in the memory table, which was passed through
 * access_ok(); what is read are packets in one piece, as long as they say.
 */
static int rx_write_all(const struct net_vq *nvq, const struct net_rx *rx)
{
	u32 hlen = nvq->vhost_hlen + nvq->sock_hlen;
	bool numbered = hlen == sizeof(struct virtio_net_hdr_mrg_rxbuf);
	/* By pointer: UBSAN would call out of the window for an array's index. */
	const struct rx_write *w = rx->write, *end = w + rx->nr_write;

	if (!user_access_begin(w->base, 1))
		return -EFAULT;
	for (; w < end; w++) {
		u8 __user *to = w->base;
		const u8 *from;
		u32 len, off;
		u64 v64;

		if (w->skb || nvq->vhost_hlen) {
			v64 = get_unaligned((const u64 *)&w->hdr);
			unsafe_put_user(v64, (u64 __user *)to, fault);
			unsafe_put_user(w->hdr.csum_offset, (__virtio16 __user *)(to + 8), fault);
		}
		if (numbered)
			unsafe_put_user(cpu_to_le16(w->num_buffers), (__le16 __user *)(to + 10),
					fault);
		if (!w->skb)
			continue;
		to += hlen;
		from = w->skb->data;
		len = w->skb->len;
		for (off = 0; off + 32 <= len; off += 32) {
			RX_STEP(off);
			RX_STEP(off + 8);
			RX_STEP(off + 16);
			RX_STEP(off + 24);
		}
		for (; off + 8 <= len; off += 8)
			RX_STEP(off);
		/* The rest along with what precedes it: no packet here is shorter than that. */
		RX_STEP(len - 8);
	}
	user_access_end();
	return 0;

fault:
	user_access_end();
	return -EFAULT;
}

/**
 * net_rx_finish() - write what a batch still lacks
 * @nvq: RX, vq mutex held
 * @rx: its rx->write is empty afterwards
 *
 * Return: 0, or -EFAULT: the packets of the batch are lost
 */
int net_rx_finish(struct net_vq *nvq, struct net_rx *rx)
{
	u32 i, pkts = 0, bytes = 0;
	int err;

	if (!rx->nr_write)
		return 0;
	err = rx_write_all(nvq, rx);
	for (i = 0; i < rx->nr_write; i++) {
		struct sk_buff *skb = rx->write[i].skb;

		if (!skb)
			continue;
		pkts++;
		bytes += skb->len;
		consume_skb(skb);
	}
	rx->nr_write = 0;
	if (rx->dev && pkts) {
		preempt_disable();
		dev_sw_netstats_tx_add(rx->dev, pkts, bytes);
		preempt_enable();
	}
	return err;
}

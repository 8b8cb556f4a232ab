// SPDX-License-Identifier: GPL-2.0
/*
 * Guest to tap.
 *
 * A batch of buffers is popped. Packets that fit a page are copied into buffers of our own, all in
 * one user access window, and handed to the tap by one sendmsg; larger ones (GSO) go one by one as
 * an iov_iter. The order of packets is kept: a large one first sends what was collected. Then the
 * batch is published and the guest notified, once.
 *
 * A malformed ring breaks the queue. A malformed packet, or one whose memory cannot be read, is
 * dropped: that is what networks do.
 */
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/sizes.h>
#include <linux/skbuff.h>
#include <linux/unaligned.h>
#include <linux/virtio_net.h>
#include <net/sock.h>
#include <net/xdp.h>

#include "net.h"

/* Longer packets are worth a call of the architecture's copy routine. */
#define TX_WINDOW_LEN 256

/*
 * No driver sends longer packets. The tap allocates what it is given in one piece, would try for
 * ever where none is that large, and counts bytes in an int: a chain may hold 2^42.
 */
#define TX_LEN_MAX SZ_2M

/* struct tx_pos - a place in a packet in guest memory */
struct tx_pos {
	const struct iovec *iov;
	size_t off;
};

/* struct tx_run - what is the same for all packets of a batch */
struct tx_run {
	struct vhost_net *net;
	struct net_vq *nvq;
	struct socket *sock;
	u32 pad;
	bool batching;
};

/* Does pos->iov hold more? The packet is known to be long enough: skip what is empty. */
static __always_inline size_t tx_chunk(struct tx_pos *pos, size_t len)
{
	while (pos->off == pos->iov->iov_len) {
		pos->iov++;
		pos->off = 0;
	}
	return min(len, pos->iov->iov_len - pos->off);
}

#define TX_STEP(type, off)							\
do {										\
	const size_t tx_off = (off);						\
	type tx_v;								\
										\
	unsafe_get_user(tx_v, (const type __user *)(src + tx_off), fault);	\
	put_unaligned(tx_v, (type *)(dst + tx_off));				\
} while (0)

/* Inside a user access window, where nothing can be called: packets here are short. */
static __always_inline int tx_get(void *dst, struct tx_pos *pos, size_t len)
{
	while (len) {
		size_t n = tx_chunk(pos, len);
		const u8 __user *src = pos->iov->iov_base + pos->off;

		pos->off += n;
		len -= n;
		for (; n >= 32; n -= 32, src += 32, dst += 32) {
			TX_STEP(u64, 0);
			TX_STEP(u64, 8);
			TX_STEP(u64, 16);
			TX_STEP(u64, 24);
		}
		for (; n >= 4; n -= 4, src += 4, dst += 4)
			TX_STEP(u32, 0);
		for (; n; n--, src++, dst++)
			TX_STEP(u8, 0);
	}
	return 0;

fault:
	return -EFAULT;
}

static int tx_copy(void *dst, struct tx_pos *pos, size_t len)
{
	while (len) {
		size_t n = tx_chunk(pos, len);

		if (copy_from_user(dst, pos->iov->iov_base + pos->off, n))
			return -EFAULT;
		pos->off += n;
		dst += n;
		len -= n;
	}
	return 0;
}

/* Where the tap's part of a packet begins */
static __always_inline struct tx_pos tx_begin(const struct tx_run *run, const struct vring_elem *e)
{
	struct tx_pos pos = { .iov = &run->nvq->vq.batch.iov[e->iov] };
	size_t skip = run->nvq->vhost_hlen;

	while (skip) {
		size_t n = tx_chunk(&pos, skip);

		pos.off += n;
		skip -= n;
	}
	return pos;
}

static void tx_mark_bad(struct xdp_buff *xdp)
{
	xdp->data_end = xdp->data;
}

static __always_inline bool tx_is_long(const struct xdp_buff *xdp)
{
	return xdp->data_end - xdp->data > TX_WINDOW_LEN;
}

static __always_inline struct virtio_net_hdr *tx_hdr(const struct xdp_buff *xdp)
{
	return tun_buf_hdr(xdp->data_hard_start);
}

/*
 * Copy the short packets from number @i on.
 * Return: the number of the one that failed, or tx->nr
 */
static u32 tx_gather_short(const struct tx_run *run, u32 i)
{
	const struct net_tx *tx = &run->net->tx;
	const struct iovec *iov = run->nvq->vq.batch.iov;
	/* By pointer: UBSAN would call out of the window for an array's index. */
	const struct vring_elem *const *src = tx->src;
	const struct xdp_buff *xdp = tx->xdp;
	u32 sock_hlen = run->nvq->sock_hlen;

	/*
	 * Every address in the batch lies in the memory table, which was passed through
	 * access_ok().
	 */
	if (!user_access_begin((void __user *)iov[src[i]->iov].iov_base, 1))
		return i;
	for (; i < tx->nr; i++) {
		struct tx_pos pos;

		if (tx_is_long(xdp + i))
			continue;
		pos = tx_begin(run, src[i]);
		if (tx_get(tx_hdr(xdp + i), &pos, sock_hlen) ||
		    tx_get(xdp[i].data, &pos, xdp[i].data_end - xdp[i].data))
			break;
	}
	user_access_end();
	return i;
}

static int tx_gather_long(const struct tx_run *run, u32 i)
{
	const struct xdp_buff *xdp = &run->net->tx.xdp[i];
	struct tx_pos pos = tx_begin(run, run->net->tx.src[i]);
	int err;

	err = tx_copy(tx_hdr(xdp), &pos, run->nvq->sock_hlen);
	return err ?: tx_copy(xdp->data, &pos, xdp->data_end - xdp->data);
}

/*
 * The tap trusts hdr_len to cover the checksum field; drivers are known to leave it short.
 */
static bool tx_hdr_fix(const struct tx_run *run, struct xdp_buff *xdp)
{
	struct virtio_net_hdr *hdr = tx_hdr(xdp);
	u32 need;

	if (!run->nvq->sock_hlen) {
		memset(hdr, 0, sizeof(*hdr));
		return true;
	}
	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	need = le16_to_cpu((__force __le16)hdr->csum_start) +
	       le16_to_cpu((__force __le16)hdr->csum_offset) + sizeof(__sum16);
	if (need <= le16_to_cpu((__force __le16)hdr->hdr_len))
		return true;
	hdr->hdr_len = (__force __virtio16)cpu_to_le16(need);
	return need <= xdp->data_end - xdp->data;
}

/* Throw out what is bad; what stays is contiguous. */
static void tx_check(const struct tx_run *run)
{
	struct net_tx *tx = &run->net->tx;
	u32 i, good = 0;

	for (i = 0; i < tx->nr; i++) {
		struct xdp_buff *xdp = &tx->xdp[i];

		if (unlikely(xdp->data_end - xdp->data < ETH_HLEN || !tx_hdr_fix(run, xdp))) {
			frag_free(xdp->data_hard_start);
			continue;
		}
		if (unlikely(good != i))
			tx->xdp[good] = *xdp;
		good++;
	}
	tx->nr = good;
}

/* Send what was collected. Packets the tap does not take are lost. */
static void tx_flush(const struct tx_run *run)
{
	struct net_tx *tx = &run->net->tx;
	struct tun_msg_ctl ctl = { .type = TUN_MSG_PTR, .ptr = tx->xdp };
	struct msghdr msg = {
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl),
		.msg_flags = MSG_DONTWAIT,
	};
	u32 i;

	if (!tx->nr)
		return;
	for (i = 0; i < tx->nr; i++) {
		i = tx_gather_short(run, i);
		if (i < tx->nr)
			tx_mark_bad(&tx->xdp[i]);
	}
	for (i = 0; i < tx->nr; i++)
		if (tx_is_long(&tx->xdp[i]) && tx_gather_long(run, i))
			tx_mark_bad(&tx->xdp[i]);
	tx_check(run);

	ctl.num = tx->nr;
	if (tx->nr && run->sock->ops->sendmsg(run->sock, &msg, 0) < 0)
		for (i = 0; i < tx->nr; i++)
			frag_free(tx->xdp[i].data_hard_start);
	tx->nr = 0;
}

/*
 * Collect a packet of @len bytes, header included.
 * Return: 0; -EMSGSIZE when it does not fit a page; -ENOMEM
 */
static int tx_collect(const struct tx_run *run, const struct vring_elem *e, size_t len)
{
	struct net_tx *tx = &run->net->tx;
	struct xdp_buff *xdp = &tx->xdp[tx->nr];
	u32 buflen;
	void *buf;

	if (len > PAGE_SIZE)
		return -EMSGSIZE;
	len -= run->nvq->sock_hlen;
	buflen = SKB_DATA_ALIGN(run->pad + len) + SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	if (buflen > PAGE_SIZE)
		return -EMSGSIZE;
	buf = frag_alloc(&tx->frags, buflen);
	if (!buf)
		return -ENOMEM;
	tun_buf_init(buf, buflen);
	xdp_init_buff(xdp, buflen, NULL);
	xdp_prepare_buff(xdp, buf, run->pad, len, true);
	tx->src[tx->nr++] = e;
	return 0;
}

/* Send a packet by itself. Return: 0 sent or dropped, -EAGAIN the tap has no room now */
static int tx_send_one(const struct tx_run *run, const struct vring_elem *e, size_t len, bool more)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | (more ? MSG_MORE : 0) };
	int ret;

	iov_iter_init(&msg.msg_iter, ITER_SOURCE, &run->nvq->vq.batch.iov[e->iov], e->nr_out,
		      e->out_len);
	iov_iter_advance(&msg.msg_iter, run->nvq->vhost_hlen);
	ret = run->sock->ops->sendmsg(run->sock, &msg, len);
	/* The interface behind a packet socket dropped it. Waiting for room would not end. */
	if (ret == -ENOBUFS && net_is_packet(run->sock))
		return 0;
	return ret == -EAGAIN || ret == -ENOMEM || ret == -ENOBUFS ? -EAGAIN : 0;
}

/*
 * Send one packet, or collect it.
 * Return: 0 done with it; -EAGAIN try again when the tap has room; -EINVAL no packet at all
 */
static int tx_elem(const struct tx_run *run, const struct vring_elem *e, bool more)
{
	size_t len;
	int err;

	if (unlikely(e->nr_in || e->out_len <= run->nvq->vhost_hlen))
		return -EINVAL;
	len = e->out_len - run->nvq->vhost_hlen;
	if (unlikely(len < run->nvq->sock_hlen || len > TX_LEN_MAX))
		return 0;
	if (!run->batching)
		return tx_send_one(run, e, len, more);
	err = tx_collect(run, e, len);
	if (!err)
		return 0;
	tx_flush(run);
	/* What follows may go another way, which does not push what the tap held back for more. */
	return err == -EMSGSIZE ? tx_send_one(run, e, len, false) : -EAGAIN;
}

/*
 * Send a popped batch and complete it.
 * Return: 0; or a negative errno: the rest of the batch was given back and the handler returns
 */
static int tx_batch(const struct tx_run *run, u32 nr, size_t *bytes)
{
	struct vhc_vq *vq = &run->nvq->vq;
	const struct vring_elem *elem = vq->batch.elem;
	size_t before = *bytes;
	int ret = 0, err;
	u32 i;

	for (i = 0; i < nr; i++) {
		ret = tx_elem(run, &elem[i], i + 1 < nr);
		if (unlikely(ret))
			break;
		*bytes += elem[i].out_len;
	}
	tx_flush(run);
	if (i < nr)
		vhc_vq_rewind(vq, &elem[i]);
	vhc_vq_count(vq, i, *bytes - before);
	err = vhc_vq_complete(vq, elem, i);
	if (err)
		return err;
	if (ret == -EINVAL)
		vhc_vq_break(vq, "not a packet to send");
	else if (ret == -EAGAIN)
		net_wait_sock(run->nvq, run->sock);
	return ret;
}

static void net_tx_handle(struct vhc_vq *vq)
{
	struct socket *sock = vq->backend;
	struct tx_run run = {
		.net = to_net(vq),
		.nvq = to_net_vq(vq),
		.sock = sock,
		/* A limited send buffer is accounted by the tap, packet by packet. */
		.batching = sock->sk->sk_sndbuf == INT_MAX && !net_is_packet(sock),
	};
	size_t bytes = 0;
	u32 pkts = 0;
	int ret;

	run.pad = SKB_DATA_ALIGN(NET_IP_ALIGN + NET_SKB_PAD + run.nvq->sock_hlen +
				 (sock_flag(sock->sk, SOCK_XDP) ? XDP_PACKET_HEADROOM : 0));
	vhc_poll_stop(&run.nvq->sock_poll);
	/* That the interface went down before is no error of these packets. */
	sock_error(sock->sk);
	if (vhc_vq_kicks_off(vq))
		return;
	while (pkts < NET_WEIGHT_PKTS && bytes < NET_WEIGHT_BYTES) {
		ret = vhc_vq_pop(vq, NET_BATCH);
		if (ret < 0)
			return;
		if (!ret && (vhc_vq_idle(vq) <= 0 || vhc_vq_kicks_off(vq)))
			return;
		if (ret && tx_batch(&run, ret, &bytes))
			return;
		/* A turn counts even if it found nothing: the driver can make us look for ever. */
		pkts += ret + !ret;
	}
	vhc_vq_queue(vq);
}

const struct vhc_vq_ops net_tx_ops = {
	.handle = net_tx_handle,
	.max_elem = NET_BATCH,
	.name = "tx",
};

// SPDX-License-Identifier: GPL-2.0
/*
 * Tap to guest.
 *
 * Packets are taken from the tap's queue in batches, and buffers popped for as many. A packet goes
 * through the tap's recvmsg, which writes the header and the data; small ones are copied by
 * ourselves (rx_copy.c), and headers finished, for the whole batch in one user access window. Then
 * the batch is published and the guest notified, once. Buffers that were not needed are given back
 * to the ring. Packets that found no buffers stay with us until the guest kicks, or return to the
 * tap when the back end is cleared.
 *
 * A packet that cannot fit into as many buffers as the ring has places is dropped; waiting would
 * block all others. In chains, fewer buffers fill the ring: then it is the driver's turn, as with
 * the stock module.
 */
#include <linux/minmax.h>
#include <linux/skb_array.h>
#include <linux/virtio_net.h>
#include <net/sock.h>
#include <net/xdp.h>

#include "net.h"

#define RX_MAX_ELEM UIO_MAXIOV

/* What stopped a batch */
enum rx_stop {
	RX_NO_PKT,	/* all packets are delivered */
	RX_NO_BUF,	/* a packet needs more buffers than were popped */
	RX_BROKEN,	/* the ring is */
};

static void rx_put_dev(struct net_rx *rx)
{
	dev_put(rx->dev);
	rx->dev = NULL;
}

/*
 * Packets that never reached the guest are the tap's again. They may stay there when their
 * interface goes, so they do not name it any more.
 */
void net_rx_release(struct net_rx *rx)
{
	u16 i;

	for (i = rx->head; i < rx->tail; i++)
		if (rx->pkt[i] && !tun_is_xdp_frame(rx->pkt[i]))
			((struct sk_buff *)rx->pkt[i])->dev = NULL;
	if (rx->ring && rx->head != rx->tail)
		ptr_ring_unconsume(rx->ring, rx->pkt + rx->head, rx->tail - rx->head, tun_ptr_free);
	rx->ring = NULL;
	rx->head = 0;
	rx->tail = 0;
	rx->want = 1;
	rx->trusted = false;
}

static u32 rx_pkt_len(void *ptr)
{
	if (tun_is_xdp_frame(ptr))
		return tun_ptr_to_xdp(ptr)->len;
	return __skb_array_len_with_tag(ptr);
}

/*
 * Look at the packets in a packet socket's queue; receiving takes them out. Should somebody else
 * receive from the socket, lengths will not match and packets are dropped.
 */
static u16 rx_peek(struct net_rx *rx, struct sk_buff_head *queue)
{
	struct sk_buff *skb;
	unsigned long flags;
	u16 n = 0;

	spin_lock_irqsave(&queue->lock, flags);
	skb_queue_walk(queue, skb) {
		rx->pkt[n] = NULL;
		rx->len[n] = rx_pkt_len(skb);
		if (++n == NET_BATCH)
			break;
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	return n;
}

/*
 * Take packets out of a tap's ring, and hold the interface that they came from. A packet in the
 * ring of a tun tap was put there by an interface that is still there, or lost its name in
 * net_rx_release(): a tap that is detached empties its ring, and after that waits for RCU.
 */
static u16 rx_consume(struct net_rx *rx, struct file *tap)
{
	int n;

	rcu_read_lock();
	spin_lock(&rx->ring->consumer_lock);
	n = __ptr_ring_consume_batched(rx->ring, rx->pkt, NET_BATCH);
	/* There may be room for senders that wait. */
	if (n)
		tun_wake_queue(tap, n);
	spin_unlock(&rx->ring->consumer_lock);
	if (n && rx->tun && rx->trusted && !tun_is_xdp_frame(rx->pkt[0])) {
		rx->dev = ((struct sk_buff *)rx->pkt[0])->dev;
		dev_hold(rx->dev);
	}
	rcu_read_unlock();
	return n;
}

/* Are there packets to take? */
static bool rx_ready(struct vhc_vq *vq)
{
	struct socket *sock = vq->backend;
	struct ptr_ring *ring = to_net(vq)->rx.ring;

	return ring ? !ptr_ring_empty(ring) :
	       !skb_queue_empty_lockless(&sock->sk->sk_receive_queue);
}

/*
 * Take packets from the tap. Return: false when it has none and will wake us for the next
 *
 * The poller stays in the tap's wait queue between short runs, for entering it costs as much as a
 * packet. When a backlog builds up, or the worker polls instead, it leaves, so that senders do not
 * pay for wake-ups nobody needs.
 */
static bool rx_refill(struct net_rx *rx, struct net_vq *nvq)
{
	struct socket *sock = nvq->vq.backend;
	struct vhc_poll *poll = &nvq->sock_poll;
	u16 i;

	if (rx->head != rx->tail)
		return true;
	if (poll->wqh)
		vhc_poll_arm(poll);
	rx_put_dev(rx);
	rx->head = 0;
	if (likely(rx->ring))
		rx->tail = rx_consume(rx, sock->file);
	else
		rx->tail = rx_peek(rx, &sock->sk->sk_receive_queue);
	if (!rx->tail) {
		if (vhc_vq_poll(&nvq->vq, rx_ready))
			vhc_poll_stop(poll);
		else
			net_wait_sock(nvq, sock);
		return false;
	}
	if (rx->tail == NET_BATCH)
		vhc_poll_stop(poll);
	else
		vhc_poll_disarm(poll);
	for (i = 0; i < rx->tail && rx->ring; i++)
		rx->len[i] = rx_pkt_len(rx->pkt[i]);
	return true;
}

/* The most buffers one packet may take */
static u32 rx_limit(const struct vhc_vq *vq)
{
	return min_t(u32, RX_MAX_ELEM, vq->ring.num);
}

/* How many buffers will the packets at hand take? A guess: too many are given back. */
static u16 rx_want(const struct net_rx *rx, const struct net_vq *nvq, bool mergeable)
{
	u32 hlen = nvq->vhost_hlen + nvq->sock_hlen, n = 0;
	u16 i;

	if (!mergeable || !rx->buf_len)
		return max_t(u32, rx->want, rx->tail - rx->head);
	for (i = rx->head; i < rx->tail; i++) {
		u32 len = rx->len[i] + hlen;

		n += len <= rx->buf_len ? 1 : DIV_ROUND_UP(len, rx->buf_len);
	}
	return clamp_t(u32, n, rx->want, rx_limit(&nvq->vq));
}

/* A header that is not in one piece, or whose place the tap left empty */
static int rx_hdr_slow(const struct iovec *iov, u32 nr_iov, size_t total, u32 vhost_hlen, u16 num)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {
		.num_buffers = (__force __virtio16)cpu_to_le16(num),
	};
	struct iov_iter to;

	iov_iter_init(&to, ITER_DEST, iov, nr_iov, total);
	if (vhost_hlen)
		return copy_to_iter(&hdr, vhost_hlen, &to) == vhost_hlen ? 0 : -EFAULT;
	iov_iter_advance(&to, sizeof(hdr.hdr));
	return copy_to_iter(&hdr.num_buffers, sizeof(hdr.num_buffers), &to) ==
	       sizeof(hdr.num_buffers) ? 0 : -EFAULT;
}

/*
 * Move one packet into guest memory.
 * @total: header and data, the iovecs hold at least that
 * Return: 0, or a negative errno: the packet is lost, the buffers are not used
 */
static int rx_recv(struct net_vq *nvq, struct net_rx *rx, void *pkt, const struct iovec *iov,
		   u32 nr_iov, size_t total, u16 num_buffers)
{
	struct socket *sock = nvq->vq.backend;
	struct msghdr msg = { .msg_control = pkt, .msg_flags = MSG_DONTWAIT };
	u32 hlen = nvq->vhost_hlen + nvq->sock_hlen;
	size_t len = total - nvq->vhost_hlen;

	if (likely(nr_iov == 1)) {
		iov_iter_ubuf(&msg.msg_iter, ITER_DEST, iov->iov_base + nvq->vhost_hlen, len);
	} else {
		iov_iter_init(&msg.msg_iter, ITER_DEST, iov, nr_iov, total);
		iov_iter_advance(&msg.msg_iter, nvq->vhost_hlen);
	}
	if (unlikely(sock->ops->recvmsg(sock, &msg, len, MSG_DONTWAIT | MSG_TRUNC) != len)) {
		/* In a packet socket's queue the others may not be where they were: look again. */
		if (!rx->ring)
			rx->tail = rx->head;
		return -EIO;
	}
	rx->trusted = rx->ring && hlen;

	/* The tap wrote all of a plain header; a longer one ends with the number of buffers. */
	if (nvq->sock_hlen == hlen && hlen < sizeof(struct virtio_net_hdr_mrg_rxbuf))
		return 0;
	if (unlikely(iov->iov_len < hlen))
		return rx_hdr_slow(iov, nr_iov, total, nvq->vhost_hlen, num_buffers);
	rx->write[rx->nr_write++] = (struct rx_write){
		.base = iov->iov_base,
		.num_buffers = num_buffers,
	};
	return 0;
}

/* May we copy this packet ourselves? */
static bool rx_may_copy(const struct net_rx *rx, const void *pkt, u32 len)
{
	const struct sk_buff *skb = pkt;

	return rx->trusted && len >= RX_COPY_MIN && len <= RX_COPY_MAX &&
	       !tun_is_xdp_frame((void *)pkt) && (rx->dev ? skb->dev == rx->dev : !rx->tun) &&
	       !skb_is_nonlinear(skb) && !skb_is_gso(skb) && !skb_vlan_tag_present(skb);
}

/* Have net_rx_finish() copy it. Its header cannot fail: there is no segmentation in it. */
static void rx_copy_later(const struct net_vq *nvq, struct net_rx *rx, struct sk_buff *skb,
			  void __user *base, u16 num_buffers)
{
	struct rx_write *w = &rx->write[rx->nr_write++];

	w->base = base;
	w->skb = skb;
	w->num_buffers = num_buffers;
	if (nvq->vhost_hlen)
		memset(&w->hdr, 0, sizeof(w->hdr));
	else
		virtio_net_hdr_from_skb(skb, &w->hdr, true, true, 0);
}

/* The packet will not fit whatever comes. */
static void rx_drop(struct net_vq *nvq, struct net_rx *rx)
{
	struct socket *sock = nvq->vq.backend;
	struct msghdr msg = {};

	if (rx->ring)
		tun_ptr_free(rx->pkt[rx->head]);
	else
		sock->ops->recvmsg(sock, &msg, 0, MSG_DONTWAIT | MSG_TRUNC);
	rx->head++;
	rx->taken++;
}

/* Deliver packets into the popped buffers; the first *@nr_done of them are used. */
static enum rx_stop rx_deliver(struct net_vq *nvq, struct net_rx *rx, bool mergeable, u32 *nr_done)
{
	struct vhc_vq *vq = &nvq->vq;
	const struct vring_batch *b = &vq->batch;
	u32 first = 0;

	while (rx->head != rx->tail) {
		const struct iovec *iov;
		size_t total = rx->len[rx->head] + nvq->vhost_hlen + nvq->sock_hlen;
		size_t room = 0;
		u32 n = first, nr_iov = 0, i;

		*nr_done = first;
		do {
			const struct vring_elem *e = &b->elem[n];

			if (n == b->nr_elem)
				return RX_NO_BUF;
			if (unlikely(e->nr_out || !e->nr_in))
				return RX_BROKEN;
			room += e->in_len;
			nr_iov += e->nr_in;
			n++;
		} while (room < total && mergeable);
		rx->buf_len = min_t(u64, b->elem[n - 1].in_len, U32_MAX);
		rx->want = 1;
		if (unlikely(room < total)) {
			rx_drop(nvq, rx);
			continue;
		}
		rx->taken++;
		iov = &b->iov[b->elem[first].iov];
		if (nr_iov == 1 && rx_may_copy(rx, rx->pkt[rx->head], rx->len[rx->head])) {
			rx_copy_later(nvq, rx, rx->pkt[rx->head++], iov->iov_base, n - first);
		} else if (rx_recv(nvq, rx, rx->pkt[rx->head++], iov, nr_iov, total, n - first)) {
			vhc_vq_log_data(vq, iov, nr_iov, total);
			continue;
		}
		rx->bytes += total;
		rx->delivered++;
		for (i = first; i < n; i++)
			b->elem[i].len = b->elem[i].in_len;
		b->elem[n - 1].len -= room - total;
		first = n;
	}
	*nr_done = first;
	return RX_NO_PKT;
}

/*
 * A packet needs more than the @nr buffers it was offered, of which none is used. The caller gives
 * them back; vq->batch is lost.
 * Return: true to go on at once, false to wait for a kick, or because the ring is broken
 */
static bool rx_more_bufs(struct net_vq *nvq, struct net_rx *rx, u32 asked, u32 nr)
{
	struct vhc_vq *vq = &nvq->vq;
	u32 limit = rx_limit(vq);

	if (nr == asked && nr < limit) {
		rx->want = min(2 * asked, limit);
		return true;
	}
	/* The ring is drained. Asked for before the buffers return, so that only new ones count. */
	if (nr < limit && vhc_vq_drained(vq))
		return vhc_vq_kicks_on(vq) > 0 && !vhc_vq_kicks_off(vq);
	/* There is more: what kept the engine from taking it? */
	if (nr < limit && vhc_vq_pop(vq, 1) < 0)
		return false;
	/* All that one packet can have, by number or by segments */
	rx_drop(nvq, rx);
	rx->want = 1;
	return true;
}

/*
 * Pop, deliver, complete once.
 * Return: true to go on, false to wait for a kick, or because the ring is broken
 */
static bool rx_batch(struct net_vq *nvq, struct net_rx *rx, bool mergeable)
{
	struct vhc_vq *vq = &nvq->vq;
	u16 want = rx_want(rx, nvq, mergeable);
	int nr = vhc_vq_pop(vq, want);
	u32 delivered = rx->delivered, done = 0;
	size_t bytes = rx->bytes;
	bool go_on = true, lost;
	enum rx_stop stop;

	if (nr < 0)
		return false;
	if (!nr)
		return vhc_vq_idle(vq) > 0 && !vhc_vq_kicks_off(vq);

	stop = rx_deliver(nvq, rx, mergeable, &done);
	lost = net_rx_finish(nvq, rx);
	vhc_vq_log_batch(vq, done);
	if (lost) {
		/* These packets are lost; it was no lack of buffers. */
		done = 0;
		stop = RX_NO_PKT;
	}
	if (stop == RX_NO_BUF && !done) {
		struct vring_elem first = vq->batch.elem[0];

		go_on = rx_more_bufs(nvq, rx, want, nr);
		vhc_vq_rewind(vq, &first);
	} else if (done < nr) {
		vhc_vq_rewind(vq, &vq->batch.elem[done]);
	}
	if (done)
		vhc_vq_count(vq, rx->delivered - delivered, rx->bytes - bytes);
	if (vhc_vq_complete(vq, vq->batch.elem, done))
		return false;
	if (stop == RX_BROKEN) {
		vhc_vq_break(vq, "not a buffer to receive into");
		return false;
	}
	return go_on && !vq->broken;
}

static void rx_run(struct net_vq *nvq, struct net_rx *rx)
{
	struct vhc_vq *vq = &nvq->vq;
	bool mergeable = vhc_vq_has_feature(vq, VIRTIO_NET_F_MRG_RXBUF);

	rx->taken = 0;
	rx->bytes = 0;
	rx->delivered = 0;
	while (rx->taken < NET_WEIGHT_PKTS && rx->bytes < NET_WEIGHT_BYTES) {
		u32 before = rx->taken;

		if (!rx_refill(rx, nvq) || !rx_batch(nvq, rx, mergeable))
			return;
		/* A turn counts even if it took nothing: the driver can make us look for ever. */
		rx->taken += rx->taken == before;
	}
	vhc_vq_queue(vq);
}

static void net_rx_handle(struct vhc_vq *vq)
{
	struct net_rx *rx = &to_net(vq)->rx;

	if (vhc_vq_kicks_off(vq))
		return;
	rx_run(to_net_vq(vq), rx);
	/* An interface cannot be removed while it is held: not longer than somebody works. */
	rx_put_dev(rx);
}

const struct vhc_vq_ops net_rx_ops = {
	.handle = net_rx_handle,
	.max_elem = RX_MAX_ELEM,
	.name = "rx",
};

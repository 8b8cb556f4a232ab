/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vhost_net.ko: the two directions of a tap, a macvtap or a packet socket, one queue each. "The
 * tap" stands for all three where they do not differ.
 */
#ifndef VHOST_NET_NET_H
#define VHOST_NET_NET_H

#include <linux/if_tun.h>
#include <linux/net.h>
#include <linux/ptr_ring.h>
#include <linux/virtio_net.h>
#include <net/sock.h>
#include <net/xdp.h>
#include <vhost/core.h>

/* Order fixed by the vhost interface. */
enum {
	NET_VQ_RX,
	NET_VQ_TX,
	NET_NR_VQS,
};

/* Packets moved between tap and ring at once */
#define NET_BATCH 64

/* After this much the worker turns to its other work. */
#define NET_WEIGHT_PKTS 256
#define NET_WEIGHT_BYTES 0x80000

#define FRAG_SLOTS 4

/**
 * struct frag_page - a page that packet buffers are cut from
 * @page: may be of higher order; NULL while the slot is empty
 * @offset: first byte not given away yet
 * @size: bytes
 * @bias: references to @page that are ours; the others belong to buffers given away
 */
struct frag_page {
	struct page *page;
	u32 offset;
	u32 size;
	u32 bias;
};

/**
 * struct frag_pool - pages that packet buffers are cut from, used again when they came back
 * @slot: pages
 * @cur: the one in use
 */
struct frag_pool {
	struct frag_page slot[FRAG_SLOTS];
	u32 cur;
};

void *frag_alloc(struct frag_pool *pool, u32 size);
void frag_free(void *buf);
void frag_drain(struct frag_pool *pool);

/**
 * struct net_vq - one direction
 * @vq: backend is the tap's struct socket
 * @vhost_hlen: bytes of virtio_net_hdr that the tap does not see
 * @sock_hlen: bytes of virtio_net_hdr that the tap reads and writes
 * @sock_poll: waits for the tap: packets to receive, room to send
 */
struct net_vq {
	struct vhc_vq vq;
	u32 vhost_hlen;
	u32 sock_hlen;
	struct vhc_poll sock_poll;
} ____cacheline_aligned_in_smp;

/**
 * struct net_tx - packets on their way to the tap; protected by the TX vq mutex
 * @nr: collected
 * @xdp: their buffers, as the tap takes them
 * @src: where their data still is
 * @frags: buffers come from here
 */
struct net_tx {
	u32 nr;
	struct xdp_buff xdp[NET_BATCH];
	const struct vring_elem *src[NET_BATCH];
	struct frag_pool frags;
} ____cacheline_aligned_in_smp;

/* Packets of these lengths may be copied by ourselves, see rx_copy.c. */
#define RX_COPY_MIN sizeof(u64)
#define RX_COPY_MAX 256

/**
 * struct rx_write - what is still to write of a packet
 * @base: where its virtio_net_hdr begins in guest memory, in one piece
 * @skb: to be written behind it; NULL when the tap has done that
 * @hdr: its header, unless the tap has written that
 * @num_buffers: that the packet took
 */
struct rx_write {
	u8 __user *base;
	struct sk_buff *skb;
	struct virtio_net_hdr hdr;
	u16 num_buffers;
};

/**
 * struct net_rx - packets on their way to the guest; protected by the RX vq mutex
 * @ring: the tap's queue; NULL for a packet socket, whose receive queue is looked at instead
 * @head: next in @pkt
 * @tail: end of @pkt
 * @want: buffers to ask for at least
 * @buf_len: size of the last buffer seen, to guess how many a packet takes
 * @nr_write: filled in @write
 * @tun: the tap is one of tun.c, which counts what it delivers
 * @trusted: the tap's header is as long as we think
 * @dev: the tap's interface, held while the packets in @pkt came from it just now: they name it,
 *	and it counts them
 * @taken: packets delivered or dropped, and turns without any, in this run
 * @delivered: packets delivered in this run
 * @bytes: in these
 * @pkt: taken from @ring; they go back when the back end is cleared. NULL where they are still in
 *	the queue of a packet socket.
 * @len: bytes of each, without header
 * @write: what is still to write of this batch
 */
struct net_rx {
	struct ptr_ring *ring;
	u16 head;
	u16 tail;
	u16 want;
	u16 nr_write;
	bool tun;
	bool trusted;
	struct net_device *dev;
	u32 buf_len;
	u32 taken;
	u32 delivered;
	size_t bytes;
	void *pkt[NET_BATCH];
	u32 len[NET_BATCH];
	struct rx_write write[NET_BATCH];
} ____cacheline_aligned_in_smp;

/* The queues may have workers of their own: no cache line is written by both. */
struct vhost_net {
	struct vhc_dev dev;
	struct vhc_vq *vqs[NET_NR_VQS];
	struct net_vq nvqs[NET_NR_VQS];
	struct net_tx tx;
	struct net_rx rx;
};

static inline struct net_vq *to_net_vq(struct vhc_vq *vq)
{
	return container_of(vq, struct net_vq, vq);
}

static inline struct vhost_net *to_net(struct vhc_vq *vq)
{
	return container_of(vq->dev, struct vhost_net, dev);
}

static inline bool net_is_packet(const struct socket *sock)
{
	return sock->sk->sk_family == AF_PACKET;
}

/*
 * Have the queue served when the tap is ready. A packet socket's error (its interface went down)
 * would keep it from being polled; whoever sends or receives next meets what is behind it.
 */
static inline void net_wait_sock(struct net_vq *nvq, struct socket *sock)
{
	sock_error(sock->sk);
	vhc_poll_start(&nvq->sock_poll, sock->file);
}

extern const struct vhc_vq_ops net_tx_ops;
extern const struct vhc_vq_ops net_rx_ops;

void net_rx_release(struct net_rx *rx);
int net_rx_finish(struct net_vq *nvq, struct net_rx *rx);

#endif

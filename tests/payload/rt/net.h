/* SPDX-License-Identifier: GPL-2.0 */
/* virtio-net on rt/virtio.h, and the frames that tests/payload/net_peer.py answers. */
#ifndef PAYLOAD_NET_H
#define PAYLOAD_NET_H

#include "virtio.h"

#define NF_CSUM		(1ull << 0)
#define NF_GUEST_CSUM	(1ull << 1)
#define NF_MTU		(1ull << 3)
#define NF_MAC		(1ull << 5)
#define NF_MRG_RXBUF	(1ull << 15)
#define NF_STATUS	(1ull << 16)
#define NF_CTRL_VQ	(1ull << 17)
#define NF_CTRL_RX	(1ull << 18)
#define NF_CTRL_VLAN	(1ull << 19)
#define NF_CTRL_RX_EXTRA (1ull << 20)
#define NF_GUEST_ANNOUNCE (1ull << 21)
#define NF_MQ		(1ull << 22)
#define NF_CTRL_MAC	(1ull << 23)
#define NF_RSS		(1ull << 60)

#define NET_MAX_RX	256
#define NET_MAX_PAIRS	4
#define NET_TYPE	0x88b5
#define VEC_CONFIG	0x50
#define VEC_RX		0x51
#define VEC_TX		0x52
#define VEC_NET_INTX	0x53

struct net_hdr {
	u8 flags, gso_type;
	u16 hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

struct frame {
	u8 dst[6], src[6];
	u16 type;
	u8 op, pad;
	u32 seq, arg;		/* big endian */
	u8 data[];
} __attribute__((packed));

struct net {
	struct virtio v;
	struct vq rx, tx;
	u16 pairs;		/* that the device has, with MQ or RSS */
	struct vq more[2 * NET_MAX_PAIRS];	/* from [2] on, with those */
	struct vq ctrl;
	u8 mac[6];
	u32 rx_size;		/* bytes of a receive buffer */
	u16 want_qsize;
	bool use_msix;
	u8 *rxbuf[NET_MAX_RX];
	u8 *txbuf[NET_MAX_RX];
	u8 *whole;		/* a received frame, put together */
	u32 tx_sent, tx_done, rx_frames, rx_bad;
	u16 rx_max_bufs;
};

/* The device, its MAC; dies when there is none. */
void net_find(struct net *n);
/* Negotiate and start with @want features; false when something was refused. */
bool net_start(struct net *n, u64 want);
/* The address in the configuration space. */
void net_mac(struct net *n, u8 *mac);
/* A command of the control queue; 0 is OK, 1 ERR, anything else: no answer came. */
u8 net_command(struct net *n, u8 class, u8 cmd, const void *data, u32 len);
/* Queue one frame; waits for a free descriptor. @kick: notify now. */
bool net_send(struct net *n, u8 op, u32 seq, u32 arg, u32 len, bool kick);
/* A frame of ours with @op, or NULL at once; its length without header in *@len. Valid until the next. */
struct frame *net_recv(struct net *n, u8 op, u32 *len);
/* Ask 10.0.2.@gateway for its address, from @mac; @buf is the device's until it was sent. */
void net_arp_ask(struct net *n, u8 *buf, const u8 *mac, u8 gateway);
/* Frames that came, which are let go: whether one of them answers that. */
bool net_arp_answered(struct net *n, const u8 *mac, u8 gateway);
/* Reclaim what was sent. */
void net_reap(struct net *n);
/* Until nothing that was asked for earlier is still on its way. */
void net_drain(struct net *n);
/* @count echoes of @len bytes, @window in flight; how many came back whole. */
u32 net_echo(struct net *n, u32 count, u32 len, u32 window);
/* Ask for @count frames of @len; how many came, within @ms. */
u32 net_burst(struct net *n, u32 count, u32 len, u32 ms);
bool net_data_ok(const struct frame *f, u32 len);
static inline u32 be32(u32 v) { return __builtin_bswap32(v); }

#endif

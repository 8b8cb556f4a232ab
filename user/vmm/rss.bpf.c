// SPDX-License-Identifier: GPL-2.0
/*
 * Which queue of a tap a packet for the guest goes to: receive-side scaling as the driver has set it up (virtio 1.2, 5.1.6.4.3
 * and 5.1.6.5.7). tun runs this for each packet (TUNSETSTEERINGEBPF), and takes what it returns modulo its queues.
 *
 * It looks at nothing of the kernel's but the packet, so that one object does for all kernels.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "rss.h"

/* Tags in a row, and extension headers, that are looked behind */
#define TAGS		2
#define EXTENSIONS	8

#define HASH(_type)	(VIRTIO_NET_RSS_HASH_TYPE_##_type)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rss_map);
} config SEC(".maps");

/* From byte @off of the frame. Return: whether it has them */
static __always_inline bool load(struct __sk_buff *skb, __u32 off, void *to, __u32 len)
{
	return !bpf_skb_load_bytes_relative(skb, off, to, len, BPF_HDR_START_MAC);
}

/* Behind @addresses bytes of them go ports, which are at @off, if that is wanted. Return: bytes to hash, 0: none */
static __always_inline __u32 ports(struct __sk_buff *skb, __u8 *tuple, __u32 addresses, __u32 off, bool wanted, bool else_addresses)
{
	if (wanted && load(skb, off, tuple + addresses, 4))
		return addresses + 4;
	return else_addresses ? addresses : 0;
}

static __always_inline bool transport(__u8 proto, __u32 types, __u32 tcp, __u32 udp)
{
	return (proto == IPPROTO_TCP && types & tcp) || (proto == IPPROTO_UDP && types & udp);
}

/* Ports are in the first fragment only: all go by their addresses. */
static __always_inline __u32 ipv4(struct __sk_buff *skb, __u32 off, __u32 types, __u8 *tuple)
{
	__u8 h[20];
	bool l4;

	if (!load(skb, off, h, sizeof(h)))
		return 0;
	__builtin_memcpy(tuple, h + 12, 8);
	l4 = !(h[6] & 0x3f) && !h[7] && transport(h[9], types, HASH(TCPv4), HASH(UDPv4));
	return ports(skb, tuple, 8, off + 4 * (h[0] & 15), l4, types & HASH(IPv4));
}

/* Without the types for them, extension headers are skipped: 5.1.6.4.3.4. Return: the protocol behind them, at *@off */
static __always_inline __u8 ipv6_skip(struct __sk_buff *skb, __u32 *off, __u8 next)
{
	__u8 h[4];
	int i;

	for (i = 0; i < EXTENSIONS; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT &&
		    next != IPPROTO_AH)
			return next;
		if (!load(skb, *off, h, sizeof(h)))
			return IPPROTO_NONE;
		if (next == IPPROTO_FRAGMENT && (h[2] || h[3] & 0xf9))
			return IPPROTO_NONE;
		*off += next == IPPROTO_FRAGMENT ? 8 : next == IPPROTO_AH ? 4 * (h[1] + 2) : 8 * (h[1] + 1);
		next = h[0];
	}
	return IPPROTO_NONE;
}

static __always_inline __u32 ipv6(struct __sk_buff *skb, __u32 off, __u32 types, __u8 *tuple)
{
	__u8 next;

	if (!load(skb, off + 6, &next, 1) || !load(skb, off + 8, tuple, 32))
		return 0;
	off += 40;
	next = ipv6_skip(skb, &off, next);
	return ports(skb, tuple, 32, off, transport(next, types, HASH(TCPv6), HASH(UDPv6)), types & HASH(IPv6));
}

/* Return: bytes of @tuple to hash; 0: it is no such packet */
static __always_inline __u32 classify(struct __sk_buff *skb, __u32 types, __u8 *tuple)
{
	__u32 off = 2 * ETH_ALEN;
	__be16 kind;
	int i;

	for (i = 0; i <= TAGS; i++) {
		if (!load(skb, off, &kind, sizeof(kind)))
			return 0;
		if (kind != bpf_htons(ETH_P_8021Q) && kind != bpf_htons(ETH_P_8021AD))
			break;
		off += 4;
	}
	if (kind == bpf_htons(ETH_P_IP))
		return ipv4(skb, off + 2, types, tuple);
	return kind == bpf_htons(ETH_P_IPV6) ? ipv6(skb, off + 2, types, tuple) : 0;
}

SEC("socket")
int steer(struct __sk_buff *skb)
{
	__u32 zero = 0, hash = 0, len, i;
	__u8 tuple[RSS_TUPLE] = { 0 };
	struct rss_map *c = bpf_map_lookup_elem(&config, &zero);

	if (!c)
		return 0;
	len = classify(skb, c->hash_types, tuple);
	if (!len)
		return c->unclassified;
	for (i = 0; i < RSS_TUPLE && i < len; i++)
		hash ^= c->toeplitz[2 * i][tuple[i] >> 4] ^ c->toeplitz[2 * i + 1][tuple[i] & 15];
	return c->queue[hash & c->mask & (RSS_TABLE - 1)];
}

const char gpl[] SEC("license") = "GPL";

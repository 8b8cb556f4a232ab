// SPDX-License-Identifier: GPL-2.0
/*
 * Offloads: large TCP and UDP segments and partial checksums, out to the tap and in from it. What leaves
 * the tap must carry the driver's header; what the driver gets depends on what it lets the tap
 * leave undone. TAP on stdout.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dtest.h"

#define HDRS	(ETH_HLEN + sizeof(struct iphdr) + \
		 (udp ? sizeof(struct udphdr) : sizeof(struct tcphdr)))
/* Since 6.2 */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4	5
#endif
#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif
#define MSS	1448
#define BUF	2048u

/* Two bytes in, as the kernel has it, so that the IP header is aligned */
static unsigned char pkt_store[70002] __attribute__((aligned(4))), got[80000];
static unsigned char *const pkt = pkt_store + 2;

/* What is sent: datagrams instead of TCP */
static bool udp;

static uint32_t sum(const void *data, size_t len, uint32_t s)
{
	const unsigned char *p = data;

	for (; len > 1; len -= 2, p += 2)
		s += p[0] << 8 | p[1];
	if (len)
		s += p[0] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* Checksum over pseudo header, TCP or UDP header and payload, or over the first alone */
static uint16_t l4_sum(const unsigned char *frame, size_t len, bool pseudo_only)
{
	const unsigned char *ip = frame + ETH_HLEN;
	size_t l4_len = len - ETH_HLEN - sizeof(struct iphdr);
	uint32_t s = sum(ip + offsetof(struct iphdr, saddr), 8, (udp ? IPPROTO_UDP : IPPROTO_TCP) + l4_len);

	if (!pseudo_only)
		s = sum(ip + sizeof(struct iphdr), l4_len, s);
	return s;
}

static unsigned char payload_at(size_t i)
{
	return i * 31 + (i >> 8);
}

/* A TCP or UDP over IPv4 frame whose checksum is partial, as a driver leaves it to the device */
static size_t build(size_t payload)
{
	struct iphdr *ip = (void *)(pkt + ETH_HLEN);
	struct tcphdr *tcp = (void *)(ip + 1);
	size_t i, len = HDRS + payload;

	memset(pkt, 0, HDRS);
	memcpy(pkt, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0", ETH_HLEN);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = udp ? IPPROTO_UDP : IPPROTO_TCP;
	ip->saddr = htonl(0xc6336401);	/* TEST-NET-2 */
	ip->daddr = htonl(0xc6336402);
	ip->tot_len = htons(len - ETH_HLEN);
	ip->check = htons(~sum(ip, sizeof(*ip), 0));
	if (udp) {
		struct udphdr *u = (void *)(ip + 1);

		u->source = htons(1000);
		u->dest = htons(2000);
		u->len = htons(len - ETH_HLEN - sizeof(*ip));
		u->check = htons(l4_sum(pkt, len, true));
	} else {
		tcp->source = htons(1000);
		tcp->dest = htons(2000);
		tcp->seq = htonl(1);
		tcp->doff = 5;
		tcp->ack = 1;
		tcp->window = htons(1000);
		tcp->check = htons(l4_sum(pkt, len, true));
	}
	for (i = 0; i < payload; i++)
		pkt[HDRS + i] = payload_at(i);
	return len;
}

static struct virtio_net_hdr gso_hdr(bool gso)
{
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = ETH_HLEN + sizeof(struct iphdr),
		.csum_offset = udp ? offsetof(struct udphdr, check) :
			       offsetof(struct tcphdr, check),
	};

	if (gso) {
		h.gso_type = udp ? VIRTIO_NET_HDR_GSO_UDP_L4 : VIRTIO_NET_HDR_GSO_TCPV4;
		h.gso_size = MSS;
		h.hdr_len = HDRS;
	}
	return h;
}

static bool payload_ok(const unsigned char *p, size_t len, size_t from)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != payload_at(from + i))
			return false;
	return true;
}

/* Driver to tap: one frame, several buffers; the packet socket shows the header it left with. */
static void test_out(uint64_t features, unsigned int indirect, size_t payload, bool gso)
{
	struct rig_opt o = { .num = 64, .features = features, .indirect_max = indirect };
	struct virtio_net_hdr h = gso_hdr(gso), seen;
	struct vdrv_buf b[40];
	struct rig r;
	size_t len = build(payload), part, at;
	unsigned int n = 0;
	ssize_t have = -1;
	uint64_t gpa;
	int ret, sock = -1, i;

	ret = rig_open(&r, &o);
	t_need(ret, "rig");
	sock = vdrv_packet_open(r.tap.ifindex, ETH_P_IP, true);
	t_need(sock, "packet socket");
	gpa = vdrv_mem_take(&r.mem, 80000, 4096);
	memset(vdrv_mem_va(&r.mem, gpa), 0, r.hdr_len);
	memcpy(vdrv_mem_va(&r.mem, gpa), &h, sizeof(h));
	memcpy((unsigned char *)vdrv_mem_va(&r.mem, gpa) + r.hdr_len, pkt, len);
	b[n++] = (struct vdrv_buf){ gpa, r.hdr_len, false };
	for (at = 0; at < len; at += part) {
		part = len - at < 4096 ? len - at : 4096;
		b[n++] = (struct vdrv_buf){ gpa + r.hdr_len + at, part, false };
	}
	ret = rig_start(&r);
	if (!ret)
		ret = vdrv_vq_add(&r.vq[VDRV_TX], b, n, 0);
	if (!ret)
		ret = vdrv_vq_kick_always(&r.vq[VDRV_TX]);
	for (i = 0; i < 200 && have < 0 && !ret; i++) {
		have = recv(sock, got, sizeof(got), MSG_TRUNC);
		if (have < 0)
			t_sleep_ms(5);
	}
	memset(&seen, 0xff, sizeof(seen));
	if (have > 0)
		memcpy(&seen, got, sizeof(seen));
	t_ok(!ret && have == (ssize_t)(len + sizeof(seen)) &&
	     !memcmp(got + sizeof(seen), pkt, len) && seen.gso_type == h.gso_type &&
	     seen.gso_size == h.gso_size && seen.flags == h.flags &&
	     seen.csum_start == h.csum_start && seen.csum_offset == h.csum_offset,
	     "out, %s of %zu bytes, header of %zu%s: ret %d, %zd bytes, gso %u/%u, flags %u, "
	     "csum %u+%u", gso ? udp ? "datagrams" : "segment" : "partial checksum", payload, r.hdr_len,
	     indirect ? ", indirect" : "", ret, have, seen.gso_type, seen.gso_size, seen.flags, seen.csum_start,
	     seen.csum_offset);
	close(sock);
	rig_close(&r);
}

struct in_result {
	unsigned int frames;
	size_t payload;
	struct virtio_net_hdr first;
	bool contents;
	bool sums;
};

/* All that arrives in the receive ring until it rests */
static void receive(struct rig *r, uint64_t pool, struct in_result *res)
{
	struct vdrv_vq *vq = &r->vq[VDRV_RX];
	uint64_t end = t_now_ms() + 2000, last = 0;
	struct virtio_net_hdr_mrg_rxbuf hdr;
	unsigned int nbuf = 0, have = 0;
	uint32_t slot, len;

	*res = (struct in_result){ .contents = true, .sums = true };
	while (t_now_ms() < end) {
		if (vdrv_vq_get(vq, &slot, &len) != 1) {
			if (last && t_now_ms() - last > 60)
				break;
			t_sleep_ms(1);
			continue;
		}
		last = t_now_ms();
		if (have + len > sizeof(got))
			break;
		memcpy(got + have, vdrv_mem_va(&r->mem, pool + slot * BUF), len);
		have += len;
		memcpy(&hdr, got, sizeof(hdr));
		if (++nbuf < hdr.num_buffers)
			continue;
		if (have > r->hdr_len + HDRS) {
			unsigned char *frame = got + r->hdr_len;
			size_t flen = have - r->hdr_len, plen = flen - HDRS;

			if (!res->frames)
				res->first = hdr.hdr;
			res->contents &= payload_ok(frame + HDRS, plen, res->payload);
			if (!(hdr.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
				res->sums &= l4_sum(frame, flen, false) == 0xffff;
			res->payload += plen;
			res->frames++;
		}
		nbuf = 0;
		have = 0;
	}
}

/* Tap to driver: a large segment comes whole or cut up, by what the driver offers to do. */
static void test_in(unsigned int offload, size_t payload, bool gso, unsigned int frames,
		    bool whole, bool partial)
{
	struct rig_opt o = { .num = 64, .features = RIG_FEATURES, .offload = offload };
	struct virtio_net_hdr h = gso_hdr(gso);
	struct in_result res;
	struct rig r;
	size_t len = build(payload);
	uint64_t pool;
	int ret, sock, i;

	ret = rig_open(&r, &o);
	t_need(ret, "rig");
	sock = vdrv_packet_open(r.tap.ifindex, ETH_P_IP, true);
	t_need(sock, "packet socket");
	pool = vdrv_mem_take(&r.mem, 64 * BUF, 4096);
	for (i = 0; i < 64; i++) {
		struct vdrv_buf b = { pool + i * BUF, BUF, true };

		vdrv_vq_add(&r.vq[VDRV_RX], &b, 1, i);
	}
	ret = rig_start(&r);
	if (!ret)
		ret = vdrv_vq_kick_always(&r.vq[VDRV_RX]);
	memcpy(got, &h, sizeof(h));
	memcpy(got + sizeof(h), pkt, len);
	if (!ret && send(sock, got, sizeof(h) + len, 0) != (ssize_t)(sizeof(h) + len))
		ret = -errno;
	receive(&r, pool, &res);
	t_ok(!ret && res.frames == frames && res.payload == payload && res.contents && res.sums &&
	     res.first.gso_type == (whole ? h.gso_type : 0) &&
	     (!whole || res.first.gso_size == MSS) &&
	     !!(res.first.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == partial,
	     "in, %s of %zu bytes, TUN_F %#x: ret %d, %u frames, %zu bytes, gso %u/%u, flags %u"
	     "%s%s",
	     gso ? udp ? "datagrams" : "segment" : "partial checksum", payload, offload, ret, res.frames, res.payload,
	     res.first.gso_type, res.first.gso_size, res.first.flags,
	     res.contents ? "" : ", contents differ", res.sums ? "" : ", checksum wrong");
	close(sock);
	rig_close(&r);
}

static bool tap_has(unsigned int offload)
{
	struct vdrv_tap_opt o = { .hdr_len = 12, .offload = offload };
	struct vdrv_tap t;

	if (vdrv_tap_open(&t, &o))
		return false;
	vdrv_tap_close(&t);
	return true;
}

/* Segmentation of datagrams: the kernel's tap has it, or the driver is not offered it. */
static void test_uso(void)
{
	unsigned int uso = TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6;

	if (!tap_has(uso)) {
		t_skip("this kernel's tap does not segment datagrams");
		return;
	}
	udp = true;
	test_out(RIG_FEATURES, 0, 20000, true);
	test_out(RIG_FEATURES, 32, 60000, true);
	test_in(uso, 20000, true, 1, true, true);
	test_in(0, 20000, true, (20000 + MSS - 1) / MSS, false, false);
	udp = false;
}

int main(void)
{
	uint64_t v1 = VDRV_BIT(VIRTIO_F_VERSION_1), mrg = VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF);
	uint64_t ind = VDRV_BIT(VIRTIO_RING_F_INDIRECT_DESC);
	unsigned int both = TUN_F_CSUM | TUN_F_TSO4;

	test_out(v1 | mrg | ind, 0, 1000, false);
	test_out(v1 | mrg | ind, 0, 3000, true);
	test_out(v1 | mrg | ind, 32, 30000, true);
	test_out(v1 | mrg | ind, 0, 65535 - 40, true);
	test_out(v1, 0, 20000, true);
	test_out(0, 0, 20000, true);
	test_out(0, 0, 800, false);
	test_in(both, 20000, true, 1, true, true);
	test_in(both, 60000, true, 1, true, true);
	test_in(both, 1000, false, 1, false, true);
	test_in(both, 100, false, 1, false, true);
	test_in(0, 100, false, 1, false, false);
	test_in(TUN_F_CSUM, 20000, true, (20000 + MSS - 1) / MSS, false, true);
	test_in(0, 20000, true, (20000 + MSS - 1) / MSS, false, false);
	test_in(0, 1000, false, 1, false, false);
	test_uso();
	return t_done();
}

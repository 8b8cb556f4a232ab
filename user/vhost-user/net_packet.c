// SPDX-License-Identifier: GPL-2.0
/*
 * The back end packet: a packet socket on an interface, which sees all that comes there, and sends past the host.
 *
 * Its packets have virtio's header of 10 bytes (PACKET_VNET_HDR). What senders have left undone, checksums and
 * segmentation, is the kernel's choice, and not the driver's: a checksum that the driver cannot do is done here,
 * and what it cannot take whole is dropped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iov.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "net_file.h"

/* Bytes that may wait in the socket, if the host has no lower limit */
#define RCVBUF	(4 << 20)

/* Of VIRTIO_NET_F_GUEST_*, what is in force; atomic */
static uint64_t in_force;

static int packet_offload(struct net *n, uint64_t features)
{
	(void)n;
	__atomic_store_n(&in_force, features, __ATOMIC_RELAXED);
	return 0;
}

/* --- what the driver cannot take --- */

/* Which feature says that the driver takes such a packet; or -1 */
static int gso_feature(uint8_t type)
{
	switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return VIRTIO_NET_F_GUEST_TSO4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return VIRTIO_NET_F_GUEST_TSO6;
	case VIRTIO_NET_HDR_GSO_UDP:
		return VIRTIO_NET_F_GUEST_UFO;
	default:
		return -1;
	}
}

static bool gso_ok(uint8_t type, uint64_t features)
{
	int need = gso_feature(type);

	if (type == VIRTIO_NET_HDR_GSO_NONE)
		return true;
	if (type & VIRTIO_NET_HDR_GSO_ECN && !(features & BIT64(VIRTIO_NET_F_GUEST_ECN)))
		return false;
	return need >= 0 && features & BIT64((unsigned int)need);
}

/* The Internet checksum (RFC 1071) of @len bytes of a packet from byte @off on */
static uint16_t checksum(const struct iovec *iov, unsigned int nr, size_t off, size_t len)
{
	unsigned char chunk[512];
	uint32_t sum = 0;
	size_t n, i;

	for (; len; off += n, len -= n) {
		n = iov_read(iov, nr, off, chunk, len < sizeof(chunk) ? len : sizeof(chunk));
		if (!n)
			break;
		for (i = 0; i < n; i++)
			sum += i % 2 ? chunk[i] : (uint32_t)chunk[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* @iov: header and packet, as the kernel has written them; the driver may have written since. Return: false: drop it */
static bool packet_fit(const struct iovec *iov, unsigned int nr, size_t len)
{
	static const struct virtio_net_hdr none;
	uint64_t features = __atomic_load_n(&in_force, __ATOMIC_RELAXED);
	struct virtio_net_hdr h;
	size_t start, at;
	uint16_t sum;

	iov_read(iov, nr, 0, &h, sizeof(h));
	if (!gso_ok(h.gso_type, features))
		return false;
	if (features & BIT64(VIRTIO_NET_F_GUEST_CSUM))
		return true;
	iov_write(iov, nr, 0, &none, sizeof(none));
	if (!(h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	start = sizeof(h) + le16toh(h.csum_start);
	at = start + le16toh(h.csum_offset);
	if (at + sizeof(sum) > len)
		return false;
	sum = checksum(iov, nr, start, len - start);
	/* 0 is for UDP without one, and is as good as this. */
	sum = htobe16(sum ?: 0xffff);
	iov_write(iov, nr, at, &sum, sizeof(sum));
	return true;
}

/* --- opening --- */

/* The tag of a VLAN does not come with a packet: without it, it would be another network's. */
static const struct sock_filter untagged[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, ~0U),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static int set(int fd, int level, int option, const void *value, socklen_t len)
{
	return setsockopt(fd, level, option, value, len) ? -errno : 0;
}

/* Bound last: before, it gets nothing. The guest's address is not the interface's, so all have to come. */
static int packet_bind(int fd, unsigned int index)
{
	const struct sock_fprog filter = { ARRAY_SIZE(untagged), (struct sock_filter *)untagged };
	const struct packet_mreq promisc = { .mr_ifindex = (int)index, .mr_type = PACKET_MR_PROMISC };
	const struct sockaddr_ll addr = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)index,
	};
	const int on = 1, rcvbuf = RCVBUF;
	int ret;

	set(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	ret = set(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on));
	ret = ret ?: set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	ret = ret ?: set(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
	ret = ret ?: set(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc));
	if (!ret && bind(fd, (const struct sockaddr *)&addr, sizeof(addr)))
		ret = -errno;
	return ret;
}

static int packet_open(struct net *n, const struct net_opts *o)
{
	unsigned int index;
	int fd, ret;

	if (!o->ifname || o->nr_tap_fds)
		return log_err("--backend=packet: --ifname=NAME is needed, and not --tap-fd");
	if (n->pairs > 1)
		return log_err("--queue-pairs=%u: --backend=packet has one", n->pairs);
	index = if_nametoindex(o->ifname);
	if (!index)
		return log_err("--ifname=%s: %s", o->ifname, strerror(errno));
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ret = fd < 0 ? -errno : packet_bind(fd, index);
	if (ret)
		return log_err("--ifname=%s: packet socket: %s", o->ifname, strerror(-ret));
	n->link = fd;
	snprintf(n->link_name, sizeof(n->link_name), "%s", o->ifname);
	return net_file_open(n, 0, fd);
}

static const struct sandbox_call calls[] = {
	{ "readv", 0, 0, 0 },
	{ "ioctl", 1, ~0U, SIOCGIFMTU },
	{ NULL, 0, 0, 0 },
};

const struct net_backend net_packet = {
	.name = "packet",
	.kind = NET_FILE,
	.open = packet_open,
	.calls = calls,
	.offload = packet_offload,
	.mtu = net_file_mtu,
	.announce = net_file_announce,
	.file_hdr = sizeof(struct virtio_net_hdr),
	.file_fit = packet_fit,
	.offloads = BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_HOST_TSO4) | BIT64(VIRTIO_NET_F_HOST_TSO6) |
		    BIT64(VIRTIO_NET_F_HOST_ECN) | BIT64(VIRTIO_NET_F_HOST_UFO) | NET_GUEST_OFFLOADS,
	.rx = { .run = net_file_rx, .stop = net_file_rx_stop, .done = net_file_rx_done },
	.tx = { .run = net_file_tx, .stop = net_file_tx_stop, .done = net_file_tx_done },
};

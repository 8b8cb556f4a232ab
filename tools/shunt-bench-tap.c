// SPDX-License-Identifier: GPL-2.0
/* vdrv: the tap at the other end, packet sockets on it, and test frames. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vdrv.h"

static const unsigned char frame_dst[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 1 };
static const unsigned char frame_src[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 2 };

/* Neighbour discovery and the like would mix with what is counted; best effort, as IPv6 may be
 * absent.
 */
static void keep_quiet(const char *ifname)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = write(fd, "1", 1);
	(void)n;
	close(fd);
}

static int if_up(struct vdrv_tap *t, unsigned int mtu)
{
	struct ifreq ifr = { 0 };
	int fd, ret = 0;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, t->name, IFNAMSIZ);
	if (mtu) {
		ifr.ifr_mtu = mtu;
		if (ioctl(fd, SIOCSIFMTU, &ifr))
			goto out_errno;
	}
	if (ioctl(fd, SIOCGIFFLAGS, &ifr))
		goto out_errno;
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		goto out_errno;
	if (ioctl(fd, SIOCGIFINDEX, &ifr))
		goto out_errno;
	t->ifindex = ifr.ifr_ifindex;
	goto out;

out_errno:
	ret = -errno;
out:
	close(fd);
	return ret;
}

int vdrv_tap_open(struct vdrv_tap *t, const struct vdrv_tap_opt *opt)
{
	struct ifreq ifr = { 0 };
	int hdr_len = opt->hdr_len;
	int ret;

	*t = (struct vdrv_tap){ .fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK) };
	if (t->fd < 0)
		return -errno;
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | (hdr_len ? IFF_VNET_HDR : 0);
	strncpy(ifr.ifr_name, opt->name ? opt->name : "vdrv%d", IFNAMSIZ - 1);
	if (ioctl(t->fd, TUNSETIFF, &ifr))
		goto out_errno;
	memcpy(t->name, ifr.ifr_name, IFNAMSIZ);
	if (hdr_len && ioctl(t->fd, TUNSETVNETHDRSZ, &hdr_len))
		goto out_errno;
	if (ioctl(t->fd, TUNSETOFFLOAD, (unsigned long)opt->offload))
		goto out_errno;
	keep_quiet(t->name);
	ret = if_up(t, opt->mtu);
	if (ret)
		goto out_close;
	return 0;

out_errno:
	ret = -errno;
out_close:
	vdrv_tap_close(t);
	return ret;
}

void vdrv_tap_close(struct vdrv_tap *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

int vdrv_if_stats(const char *ifname, struct vdrv_if_stats *st)
{
	unsigned long long v[16];
	char line[512], *p;
	int ret = -ENODEV;
	FILE *f;

	f = fopen("/proc/net/dev", "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		p = strchr(line, ':');
		if (!p)
			continue;
		*p = 0;
		if (strcmp(line + strspn(line, " "), ifname))
			continue;
		if (sscanf(p + 1, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu",
			   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9],
			   &v[10], &v[11]) != 12)
			break;
		*st = (struct vdrv_if_stats){ .rx_packets = v[1], .rx_errors = v[2],
					      .rx_dropped = v[3], .tx_packets = v[9],
					      .tx_dropped = v[11] };
		ret = 0;
		break;
	}
	fclose(f);
	return ret;
}

int vdrv_packet_open(int ifindex, uint16_t ethertype, bool vnet_hdr)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ethertype),
		.sll_ifindex = ifindex,
	};
	int fd, ret, on = 1, size = 16 << 20;

	/* No protocol until it is bound, or frames of other interfaces slip in. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	/* Frames that we send out of the interface are the driver's to see, not this socket's. */
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	if (vnet_hdr && setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)))
		goto out_errno;
	if (bind(fd, (struct sockaddr *)&sll, sizeof(sll)))
		goto out_errno;
	return fd;

out_errno:
	ret = -errno;
	close(fd);
	return ret;
}

static int inject_map(struct vdrv_inject *in)
{
	struct tpacket_req req = { 0 };
	int on = 1, version = TPACKET_V2;

	if (setsockopt(in->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(in->fd, SOL_PACKET, PACKET_LOSS, &on, sizeof(on)))
		return -errno;
	req.tp_frame_size = in->frame_size;
	req.tp_block_size = in->frame_size > 4096 ? in->frame_size : 4096;
	req.tp_frame_nr = in->nframes;
	req.tp_block_nr = in->nframes / (req.tp_block_size / req.tp_frame_size);
	if (!req.tp_block_nr)
		return -EINVAL;
	if (setsockopt(in->fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)))
		return -errno;
	in->ring_size = (size_t)req.tp_block_size * req.tp_block_nr;
	in->ring = mmap(NULL, in->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, in->fd, 0);
	if (in->ring == MAP_FAILED) {
		in->ring = NULL;
		return -errno;
	}
	return 0;
}

int vdrv_inject_open(struct vdrv_inject *in, int ifindex, unsigned int frame_max,
		     unsigned int nframes, bool mapped)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
	int ret, on = 1, size = 32 << 20;

	*in = (struct vdrv_inject){ .fd = -1, .nframes = nframes, .mapped = mapped };
	in->frame_size = 256;
	while (in->frame_size < frame_max + TPACKET2_HDRLEN)
		in->frame_size *= 2;
	in->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (in->fd < 0)
		return -errno;
	setsockopt(in->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (setsockopt(in->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on))) {
		ret = -errno;
		goto out_close;
	}
	if (mapped) {
		ret = inject_map(in);
		if (ret)
			goto out_close;
	} else {
		in->ring = malloc((size_t)in->frame_size * nframes);
		in->lens = calloc(nframes, sizeof(*in->lens));
		ret = -ENOMEM;
		if (!in->ring || !in->lens)
			goto out_close;
	}
	if (bind(in->fd, (struct sockaddr *)&sll, sizeof(sll))) {
		ret = -errno;
		goto out_close;
	}
	return 0;

out_close:
	vdrv_inject_close(in);
	return ret;
}

void vdrv_inject_close(struct vdrv_inject *in)
{
	if (in->mapped && in->ring)
		munmap(in->ring, in->ring_size);
	else
		free(in->ring);
	free(in->lens);
	if (in->fd >= 0)
		close(in->fd);
	in->ring = NULL;
	in->lens = NULL;
	in->fd = -1;
}

static struct tpacket2_hdr *inject_hdr(struct vdrv_inject *in)
{
	return (struct tpacket2_hdr *)(in->ring + (size_t)in->next * in->frame_size);
}

void *vdrv_inject_slot(struct vdrv_inject *in)
{
	struct tpacket2_hdr *h = inject_hdr(in);

	if (!in->mapped)
		return in->pending < in->nframes ? (void *)h : NULL;
	if (__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) != TP_STATUS_AVAILABLE)
		return NULL;
	return (unsigned char *)h + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll);
}

void vdrv_inject_put(struct vdrv_inject *in, unsigned int len)
{
	struct tpacket2_hdr *h = inject_hdr(in);

	if (in->mapped) {
		h->tp_len = len;
		__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	} else {
		in->lens[in->next] = len;
	}
	in->pending++;
	in->next = in->next + 1 == in->nframes ? 0 : in->next + 1;
}

/* A full tap queue is the caller's to see, by what did not arrive. */
static int inject_errno(void)
{
	return errno == ENOBUFS || errno == EAGAIN ? 0 : -errno;
}

static int inject_send_copies(struct vdrv_inject *in)
{
	struct mmsghdr msg[64];
	struct iovec iov[64];
	unsigned int first, i, n;
	int sent, ret;

	while (in->pending) {
		n = in->pending < 64 ? in->pending : 64;
		first = (in->next + in->nframes - in->pending) % in->nframes;
		memset(msg, 0, sizeof(msg[0]) * n);
		for (i = 0; i < n; i++) {
			unsigned int at = (first + i) % in->nframes;

			iov[i].iov_base = in->ring + (size_t)at * in->frame_size;
			iov[i].iov_len = in->lens[at];
			msg[i].msg_hdr.msg_iov = &iov[i];
			msg[i].msg_hdr.msg_iovlen = 1;
		}
		sent = sendmmsg(in->fd, msg, n, MSG_DONTWAIT);
		if (sent < 0) {
			ret = inject_errno();
			if (ret)
				return ret;
			sent = 1;	/* the first one was dropped */
		}
		in->pending -= sent;
	}
	return 0;
}

int vdrv_inject_flush(struct vdrv_inject *in)
{
	if (!in->pending)
		return 0;
	if (!in->mapped)
		return inject_send_copies(in);
	in->pending = 0;
	return send(in->fd, NULL, 0, MSG_DONTWAIT) >= 0 ? 0 : inject_errno();
}

static unsigned char pattern(uint32_t seq, unsigned int i)
{
	return seq * 7 + i + (i >> 8) * 13;
}

void vdrv_frame_seq(unsigned char *frame, uint32_t seq)
{
	seq = htonl(seq);
	memcpy(frame + VDRV_ETH_HLEN, &seq, sizeof(seq));
}

void vdrv_frame_fill(unsigned char *frame, unsigned int len, uint32_t seq)
{
	uint16_t type = htons(VDRV_ETHERTYPE);
	unsigned int i;

	memcpy(frame, frame_dst, ETH_ALEN);
	memcpy(frame + ETH_ALEN, frame_src, ETH_ALEN);
	memcpy(frame + 2 * ETH_ALEN, &type, sizeof(type));
	vdrv_frame_seq(frame, seq);
	for (i = VDRV_FRAME_MIN; i < len; i++)
		frame[i] = pattern(seq, i);
}

bool vdrv_frame_ours(const unsigned char *frame, unsigned int len)
{
	return len >= VDRV_FRAME_MIN && !memcmp(frame, frame_dst, ETH_ALEN) &&
	       !memcmp(frame + ETH_ALEN, frame_src, ETH_ALEN) &&
	       frame[12] == VDRV_ETHERTYPE >> 8 && frame[13] == (VDRV_ETHERTYPE & 0xff);
}

int vdrv_frame_check(const unsigned char *frame, unsigned int len, uint32_t *seq)
{
	unsigned int i;
	uint32_t s;

	if (!vdrv_frame_ours(frame, len))
		return -EBADMSG;
	memcpy(&s, frame + VDRV_ETH_HLEN, sizeof(s));
	s = ntohl(s);
	for (i = VDRV_FRAME_MIN; i < len; i++)
		if (frame[i] != pattern(s, i))
			return -EBADMSG;
	*seq = s;
	return 0;
}

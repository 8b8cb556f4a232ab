// SPDX-License-Identifier: GPL-2.0
/* The back ends tap and macvtap: their queues, and what the kernel does with packets. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/bits.h"
#include "lib/log.h"
#include "net_file.h"

/* What a driver can take, and what the tap then leaves undone */
static const struct {
	unsigned int feature;
	unsigned int tun;
} offloads[] = {
	{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
	{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
	{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
	{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
	{ VIRTIO_NET_F_GUEST_UFO, TUN_F_UFO },
};

/* Nothing else makes sense without the checksum. */
static unsigned int tun_offloads(uint64_t features)
{
	unsigned int i, tun = 0;

	if (!(features & BIT64(VIRTIO_NET_F_GUEST_CSUM)))
		return 0;
	for (i = 0; i < ARRAY_SIZE(offloads); i++)
		if (features & BIT64(offloads[i].feature))
			tun |= offloads[i].tun;
	/* Of no use without the others, and refused */
	if (!(tun & (TUN_F_TSO4 | TUN_F_TSO6)))
		tun &= ~(unsigned int)TUN_F_TSO_ECN;
	return tun;
}

static int tap_offload(struct net *n, uint64_t features)
{
	int hdr_len = (int)n->hdr_len;
	unsigned int i;

	for (i = 0; i < n->pairs; i++)
		if (ioctl(n->file[2 * i], TUNSETVNETHDRSZ, &hdr_len) && !i)
			return log_err("tap: header of %d bytes: %s", hdr_len, strerror(errno));
	if (ioctl(n->file[0], TUNSETOFFLOAD, tun_offloads(features)))
		return log_err("tap: offloads: %s", strerror(errno));
	return 0;
}

/* A queue that nobody reads is to get no packets. The first one always does. */
static void tap_attach(const struct net *n, unsigned int pair, bool on)
{
	struct ifreq ifr = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	if (pair && ioctl(n->file[2 * pair], TUNSETQUEUE, &ifr))
		log_warn("tap: queue %u: %s", pair, strerror(errno));
}

/* --- opening --- */

/* A macvtap has a device of its own. Return: a queue, or a negative errno */
static int tap_queue(const struct net *n, const char *ifname, unsigned int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags) };
	char path[32] = "/dev/net/tun";
	int fd, err;

	if (n->backend == &net_macvtap)
		snprintf(path, sizeof(path), "/dev/tap%u", if_nametoindex(ifname));
	fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	strcpy(ifr.ifr_name, ifname);
	if (!ioctl(fd, TUNSETIFF, &ifr))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

/* A tap that was made before has several queues or has not, and has to be asked for as it is. */
static int tap_by_name(const struct net *n, const char *ifname)
{
	int fd;

	if (strlen(ifname) >= IFNAMSIZ || !*ifname)
		return log_err("--ifname=%s: it takes a name of at most %d bytes", ifname, IFNAMSIZ - 1);
	if (n->backend == &net_macvtap && !if_nametoindex(ifname))
		return log_err("--ifname=%s: %s", ifname, strerror(errno));
	fd = tap_queue(n, ifname, n->pairs > 1 ? IFF_MULTI_QUEUE : 0);
	if (fd == -EINVAL && n->pairs == 1)
		fd = tap_queue(n, ifname, IFF_MULTI_QUEUE);
	return fd >= 0 ? fd : log_err("--ifname=%s: %s", ifname, strerror(-fd));
}

static int tap_given(int fd)
{
	const int wanted = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	struct ifreq ifr = { .ifr_flags = IFF_ATTACH_QUEUE };

	/* One that a process before has detached tells nothing of itself. */
	if (ioctl(fd, TUNGETIFF, &ifr) && (errno != EBADFD || ioctl(fd, TUNSETQUEUE, &ifr) || ioctl(fd, TUNGETIFF, &ifr)))
		return log_err("--tap-fd=%d: %s", fd, strerror(errno));
	if ((ifr.ifr_flags & wanted) != wanted)
		return log_err("--tap-fd=%d: it takes a tap with IFF_NO_PI and IFF_VNET_HDR", fd);
	return fd;
}

/* The interface, which one that was given may have in another network namespace: there it is not to be asked for. */
static void tap_link(struct net *n)
{
	struct ifreq ifr = { 0 }, its = { 0 }, ours;

	n->link = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(n->file[0], TUNGETIFF, &ifr) || ioctl(n->file[0], SIOCGIFHWADDR, &its))
		ifr.ifr_name[0] = '\0';
	ours = ifr;
	memcpy(n->link_name, ifr.ifr_name, sizeof(n->link_name));
	if (n->link < 0 || (!ioctl(n->link, SIOCGIFHWADDR, &ours) &&
			    !memcmp(ours.ifr_hwaddr.sa_data, its.ifr_hwaddr.sa_data, ETH_ALEN)))
		return;
	close(n->link);
	n->link = -1;
}

static int tap_open(struct net *n, const struct net_opts *o)
{
	unsigned int i;
	int fd;

	if (!o->ifname == !o->nr_tap_fds)
		return log_err("--backend=%s: one of --ifname=NAME and --tap-fd=N is needed", n->backend->name);
	if (o->nr_tap_fds && o->nr_tap_fds != n->pairs)
		return log_err("--queue-pairs=%u: --tap-fd is needed as often", n->pairs);
	for (i = 0; i < n->pairs; i++) {
		fd = o->ifname ? tap_by_name(n, o->ifname) : tap_given(o->tap_fd[i]);
		if (fd < 0)
			return -1;
		if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK))
			return log_err("tap: %s", strerror(errno));
		if (net_file_open(n, i, fd))
			return -1;
		tap_attach(n, i, false);
	}
	tap_link(n);
	n->hdr_len = sizeof(struct virtio_net_hdr);
	return tap_offload(n, 0);
}

/* --- queues --- */

/* Of each pair; its receive queue's */
static struct {
	bool running;
	bool attached;
} state[NET_PAIRS_MAX];

static void tap_pair(struct vu_queue *q)
{
	unsigned int pair = q->index / 2;
	bool on = state[pair].running && net_pair_used(q->dev, pair);

	if (state[pair].attached != on)
		tap_attach(q->dev, pair, on);
	state[pair].attached = on;
}

static void tap_run(struct vu_queue *q, bool running)
{
	unsigned int pair = q->index / 2;

	if (state[pair].running == running)
		return;
	state[pair].running = running;
	tap_pair(q);
}

static bool tap_rx(struct vu_queue *q)
{
	tap_run(q, true);
	return state[q->index / 2].attached && net_file_rx(q);
}

static void tap_rx_stop(struct vu_queue *q)
{
	tap_run(q, false);
	net_file_rx_stop(q);
}

static const struct sandbox_call calls[] = {
	{ "readv", 0, 0, 0 },
	{ "ioctl", 1, ~0U, TUNSETVNETHDRSZ },
	{ "ioctl", 1, ~0U, TUNSETOFFLOAD },
	{ "ioctl", 1, ~0U, TUNSETQUEUE },
	{ "ioctl", 1, ~0U, SIOCGIFMTU },
	{ NULL, 0, 0, 0 },
};

#define OFFLOADS (BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_HOST_TSO4) | BIT64(VIRTIO_NET_F_HOST_TSO6) | \
		  BIT64(VIRTIO_NET_F_HOST_ECN) | BIT64(VIRTIO_NET_F_HOST_UFO) | BIT64(VIRTIO_NET_F_GUEST_CSUM) | \
		  BIT64(VIRTIO_NET_F_GUEST_TSO4) | BIT64(VIRTIO_NET_F_GUEST_TSO6) | \
		  BIT64(VIRTIO_NET_F_GUEST_ECN) | BIT64(VIRTIO_NET_F_GUEST_UFO))

#define TAP_OPS \
	.kind = NET_FILE, \
	.open = tap_open, \
	.calls = calls, \
	.offload = tap_offload, \
	.mtu = net_file_mtu, \
	.announce = net_file_announce, \
	.pair = tap_pair, \
	.offloads = OFFLOADS, \
	.rx = { .run = tap_rx, .stop = tap_rx_stop, .done = net_file_rx_done }, \
	.tx = { .run = net_file_tx, .stop = net_file_tx_stop, .done = net_file_tx_done }

const struct net_backend net_tap = { .name = "tap", TAP_OPS };
const struct net_backend net_macvtap = { .name = "macvtap", TAP_OPS };

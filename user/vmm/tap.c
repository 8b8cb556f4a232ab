// SPDX-License-Identifier: GPL-2.0
/* The tun driver's side of a netdev: opening, checking, offloads, scripts. */
#define _GNU_SOURCE
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netdev.h"
#include "../lib/bits.h"
#include "../lib/log.h"
#include "../lib/rarp.h"

#define TUN_DEV		"/dev/net/tun"

/* Linux 6.2: UDP segmentation; older headers lack it */
#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4	54
#define VIRTIO_NET_F_GUEST_USO6	55
#define VIRTIO_NET_F_HOST_USO	56
#endif

extern char **environ;

static int tun_explain(const char *id, const char *want, bool multi, int err)
{
	const char *name = want ? want : "a new tap";

	switch (err) {
	case EBUSY:
		return log_err("-netdev %s: %s is busy: another process holds it", id, name);
	case EPERM:
		return log_err(
			"-netdev %s: %s: not permitted: needs CAP_NET_ADMIN, or a tap made for this user (ip tuntap add mode tap user)",
			id, name);
	case EINVAL:
		return log_err(
			"-netdev %s: %s is not a %s-queue tap (ip tuntap add mode tap%s multi_queue)",
			id, name, multi ? "multi" : "single", multi ? "" : ", without");
	default:
		return log_err("-netdev %s: %s: %s", id, name, strerror(err));
	}
}

int tap_open(const char *id, const char *want, bool multi, char *ifname)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multi ? IFF_MULTI_QUEUE : 0) };
	unsigned int features;
	int fd, err;

	fd = open(TUN_DEV, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
			return log_err("-netdev %s: no " TUN_DEV
				       ": load the module tun (modprobe tun)",
				       id);
		return log_err("-netdev %s: " TUN_DEV ": %s", id, strerror(errno));
	}
	if (ioctl(fd, TUNGETFEATURES, &features) || !(features & IFF_VNET_HDR)) {
		log_err("-netdev %s: " TUN_DEV " does not know IFF_VNET_HDR", id);
		goto fail;
	}
	strncpy(ifr.ifr_name, want ? want : "tap%d", IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		err = errno;
		tun_explain(id, want, multi, err);
		goto fail;
	}
	memcpy(ifname, ifr.ifr_name, IFNAMSIZ);
	ifname[IFNAMSIZ - 1] = 0;
	return fd;

fail:
	close(fd);
	return -1;
}

int tap_adopt(const char *id, int fd, char *ifname)
{
	struct ifreq ifr = { 0 };
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return log_err("-netdev %s: fd=%d: %s", id, fd, strerror(errno));
	if (ioctl(fd, TUNGETIFF, &ifr)) {
		if (errno == EBADFD)
			return log_err(
				"-netdev %s: fd=%d: no interface attached (TUNSETIFF comes first)",
				id, fd);
		return log_err("-netdev %s: fd=%d is not a tap", id, fd);
	}
	if (!(ifr.ifr_flags & IFF_TAP))
		return log_err("-netdev %s: fd=%d is a tun, not a tap", id, fd);
	if (!(ifr.ifr_flags & IFF_VNET_HDR))
		return log_err("-netdev %s: fd=%d was opened without IFF_VNET_HDR", id, fd);
	if (!(ifr.ifr_flags & IFF_NO_PI))
		return log_err("-netdev %s: fd=%d was opened without IFF_NO_PI", id, fd);
	if (fcntl(fd, F_SETFD, flags | FD_CLOEXEC) ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		return log_err("-netdev %s: fd=%d: %s", id, fd, strerror(errno));
	memcpy(ifname, ifr.ifr_name, IFNAMSIZ);
	ifname[IFNAMSIZ - 1] = 0;
	return fd;
}

int tap_run_script(const char *id, const char *script, const char *ifname)
{
	char *argv[] = { (char *)script, (char *)ifname, NULL };
	posix_spawnattr_t attr;
	sigset_t none, dfl;
	int status, ret;
	pid_t pid;

	/* the main thread blocks signals and ignores SIGPIPE; a script expects neither */
	sigemptyset(&none);
	sigemptyset(&dfl);
	sigaddset(&dfl, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &dfl);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	ret = posix_spawn(&pid, script, NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	if (ret)
		return log_err("-netdev %s: %s: %s", id, script, strerror(ret));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return log_err("-netdev %s: %s: %s", id, script, strerror(errno));
	if (WIFSIGNALED(status))
		return log_err("-netdev %s: %s %s: killed by signal %d", id, script, ifname,
			       WTERMSIG(status));
	if (WEXITSTATUS(status))
		return log_err("-netdev %s: %s %s: exit status %d", id, script, ifname,
			       WEXITSTATUS(status));
	return 0;
}

uint32_t tap_mtu(const char *ifname)
{
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };
	uint32_t mtu = 0;

	if (s < 0)
		return 0;
	strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
	if (!ioctl(s, SIOCGIFMTU, &ifr) && ifr.ifr_mtu > 0)
		mtu = (uint32_t)ifr.ifr_mtu;
	close(s);
	return mtu;
}

/* ---- offloads: what the guest can receive is what the tap may hand over unfinished ---- */

static const struct {
	unsigned int feature, flag;
} guest_offload[] = {
	{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
	{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
	{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
	{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
	{ VIRTIO_NET_F_GUEST_UFO, TUN_F_UFO },
	{ VIRTIO_NET_F_GUEST_USO4, TUN_F_USO4 },
	{ VIRTIO_NET_F_GUEST_USO6, TUN_F_USO6 },
};

int tap_set_offload(int fd, uint64_t virtio_features)
{
	bool v1 = virtio_features & BIT64(VIRTIO_F_VERSION_1);
	int len = v1 || virtio_features & BIT64(VIRTIO_NET_F_MRG_RXBUF) ?
		  (int)sizeof(struct virtio_net_hdr_mrg_rxbuf) : (int)sizeof(struct virtio_net_hdr);
	unsigned long flags = 0;
	size_t i;

	for (i = 0; i < sizeof(guest_offload) / sizeof(guest_offload[0]); i++)
		if (virtio_features & BIT64(guest_offload[i].feature))
			flags |= guest_offload[i].flag;
	/* segmentation leaves the checksum to do; the driver may not have taken that part */
	if (!(flags & TUN_F_CSUM))
		flags = 0;
	/* the kernel wants USO for both protocols or none */
	if ((flags & (TUN_F_USO4 | TUN_F_USO6)) != (TUN_F_USO4 | TUN_F_USO6))
		flags &= ~(unsigned long)(TUN_F_USO4 | TUN_F_USO6);
	if (ioctl(fd, TUNSETVNETHDRSZ, &len) || ioctl(fd, TUNSETOFFLOAD, flags))
		return -errno;
	return 0;
}

uint64_t tap_offloads(int fd)
{
	/* tun takes these from the guest in the packet header whatever is set */
	uint64_t f = BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_HOST_TSO4) |
		     BIT64(VIRTIO_NET_F_HOST_TSO6) | BIT64(VIRTIO_NET_F_HOST_ECN);
	unsigned long base = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (!ioctl(fd, TUNSETOFFLOAD, base))
		f |= BIT64(VIRTIO_NET_F_GUEST_CSUM) | BIT64(VIRTIO_NET_F_GUEST_TSO4) |
		     BIT64(VIRTIO_NET_F_GUEST_TSO6) | BIT64(VIRTIO_NET_F_GUEST_ECN);
	if (!ioctl(fd, TUNSETOFFLOAD, base | TUN_F_UFO))
		f |= BIT64(VIRTIO_NET_F_GUEST_UFO) | BIT64(VIRTIO_NET_F_HOST_UFO);
	if (!ioctl(fd, TUNSETOFFLOAD, base | TUN_F_USO4 | TUN_F_USO6))
		f |= BIT64(VIRTIO_NET_F_GUEST_USO4) | BIT64(VIRTIO_NET_F_GUEST_USO6) |
		     BIT64(VIRTIO_NET_F_HOST_USO);
	/* until the driver has chosen */
	ioctl(fd, TUNSETOFFLOAD, 0ul);
	return f;
}

int tap_set_filter(int fd, const uint8_t (*mac)[6], unsigned int nr, bool allmulti)
{
	union {
		struct tun_filter f;
		uint8_t bytes[sizeof(struct tun_filter) + NETDEV_FILTER * 6];
	} u = { .f = { .flags = allmulti ? TUN_FLT_ALLMULTI : 0, .count = (uint16_t)nr } };

	if (nr > NETDEV_FILTER)
		return -E2BIG;
	if (nr)
		memcpy(u.bytes + sizeof(u.f), mac, nr * sizeof(*mac));
	return ioctl(fd, TUNSETTXFILTER, &u) < 0 ? -errno : 0;
}

int tap_announce(int fd, const uint8_t *mac)
{
	uint8_t packet[sizeof(struct virtio_net_hdr_mrg_rxbuf) + RARP_BYTES] = { 0 };
	int hdr;

	if (ioctl(fd, TUNGETVNETHDRSZ, &hdr))
		return -errno;
	if (hdr < 0 || (size_t)hdr > sizeof(packet) - RARP_BYTES)
		return -EINVAL;
	rarp_frame(packet + hdr, mac);
	return write(fd, packet, (size_t)hdr + RARP_BYTES) < 0 ? -errno : 0;
}

int tap_use_queue(int fd, bool on)
{
	struct ifreq ifr = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	/* EINVAL: it is so already, for tun has no other complaint */
	return ioctl(fd, TUNSETQUEUE, &ifr) && errno != EINVAL ? -errno : 0;
}

bool vhost_fd_is_net(int fd)
{
	uint64_t features;

	/* only vhost-net among the vhost devices offers mergeable receive buffers */
	return !ioctl(fd, VHOST_GET_FEATURES, &features) &&
	       features & BIT64(VIRTIO_NET_F_MRG_RXBUF);
}

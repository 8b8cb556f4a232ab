// SPDX-License-Identifier: GPL-2.0
/* Back ends on a veth pair, see backend.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/driver/lib/backend.h"

/* One pair and one macvtap for all tests of a program: making them takes longer than using them. */
#define NEAR	"vdrvb0"
#define FAR	"vdrvb1"
#define MACVTAP	"vdrvb2"

const char *const backend_names[BACKEND_NR] = { "tap", "macvtap", "packet socket" };

static int ip(const char *args)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "ip %s", args);
	return system(cmd) ? -EIO : 0;
}

/*
 * Until an interface lets frames through: its queue is attached some time after its link came up, and
 * drops everything until then. The second ip waits for whoever is about to do that.
 */
static int wait_up(const char *name)
{
	char cmd[64], path[64], state[16] = "";

	snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", name);
	for (int i = 0; i < 1000 && strcmp(state, "up\n"); i++) {
		usleep(i ? 5000 : 0);
		if (t_read_file(path, state, sizeof(state)) < 0)
			state[0] = 0;
	}
	snprintf(cmd, sizeof(cmd), "link set %s up", name);
	return ip(cmd) || strcmp(state, "up\n") ? -EIO : 0;
}

static void pair_close(void)
{
	ip("link del " NEAR);
}

static int pair_open(void)
{
	if (if_nametoindex(NEAR))
		return 0;
	if (ip("link add " NEAR " mtu 65535 type veth peer name " FAR " mtu 65535"))
		return -EIO;
	atexit(pair_close);
	/* No frames but ours: not the ones that greet a link, either. Without IPv6 there are none. */
	t_write_file("/proc/sys/net/ipv6/conf/" NEAR "/disable_ipv6", "1");
	t_write_file("/proc/sys/net/ipv6/conf/" FAR "/disable_ipv6", "1");
	return ip("link set " NEAR " up") || ip("link set " FAR " up") || wait_up(NEAR) ||
	       wait_up(FAR) ? -EIO : 0;
}

static int macvtap_open(struct vdrv_tap *t, unsigned int hdr_len)
{
	struct ifreq ifr = { .ifr_name = MACVTAP };
	char path[32];

	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | (hdr_len ? IFF_VNET_HDR : 0);
	if (!if_nametoindex(MACVTAP) &&
	    (ip("link add link " NEAR " name " MACVTAP " type macvtap mode passthru") ||
	     ip("link set " MACVTAP " up") || wait_up(MACVTAP)))
		return -EIO;
	snprintf(path, sizeof(path), "/dev/tap%u", if_nametoindex(MACVTAP));
	t->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (t->fd < 0 || ioctl(t->fd, TUNSETIFF, &ifr) ||
	    (hdr_len && ioctl(t->fd, TUNSETVNETHDRSZ, &hdr_len)))
		return -errno;
	return 0;
}

int backend_open(struct vdrv_tap *t, enum backend_kind kind, unsigned int hdr_len)
{
	struct vdrv_tap_opt topt = { .hdr_len = hdr_len };
	int ret;

	if (kind == BACKEND_TAP)
		return vdrv_tap_open(t, &topt);
	*t = (struct vdrv_tap){ .fd = -1, .name = FAR };
	ret = pair_open();
	if (ret)
		return ret;
	t->ifindex = if_nametoindex(FAR);
	if (kind == BACKEND_MACVTAP)
		ret = macvtap_open(t, hdr_len);
	else
		ret = t->fd = vdrv_packet_open(if_nametoindex(NEAR), ETH_P_ALL, hdr_len);
	if (ret < 0)
		vdrv_tap_close(t);
	return ret < 0 ? ret : 0;
}

int backend_link(bool up)
{
	int ret = ip(up ? "link set " NEAR " up" : "link set " NEAR " down");

	if (up && !ret)
		ret = wait_up(NEAR) ?: wait_up(FAR);
	/* Its own state follows that of the interface below. */
	if (up && !ret && if_nametoindex(MACVTAP))
		ret = wait_up(MACVTAP);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0
/* shunt-net: the command line. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bits.h"
#include "lib/log.h"
#include "lib/prop.h"
#include "net.h"
#include "program.h"

static const char usage[] =
	"Usage: shunt-net (--socket-path=PATH | --fd=N) --backend=NAME [option...]\n"
	"Serves a virtio-net device over vhost-user.\n"
	"\n"
	VU_HELP_SOCKET
	"  --backend=null|tap|macvtap|packet|user|control|af-xdp\n"
	"                        null: drops what is sent; packet: an interface, past the host; user: a network\n"
	"                        of its own in this process, with the host's sockets below; control: the control\n"
	"                        queue alone, for a NIC whose other queues the kernel serves\n"
	"  --queue-pairs=1..31   pairs of queues, each queue with a thread of its own (1)\n"
	"  --mac=ADDRESS         the driver's address\n"
	"  --mtu=68..65535       what the driver may send at most\n"
	VU_HELP_COMMON
	"\n"
	"null:\n"
	"  --generate=14..65535  make packets of so many bytes, as fast as the driver takes them\n"
	"tap, macvtap, packet:\n"
	"  --ifname=NAME         the interface; a tap is made if it is not there\n"
	"  --tap-fd=N            tap, macvtap: an open queue of a tap with IFF_VNET_HDR; once for each pair\n"
	"user:\n"
	"  --net=ADDRESS/BITS    of the network (10.0.2.0/24)\n"
	"  --host=ADDRESS        of the host in it (the second)\n"
	"  --dhcpstart=ADDRESS   the first that DHCP gives away (the 15th)\n"
	"  --dns=ADDRESS         of the name server (the third)\n"
	"  --hostname=NAME       that DHCP tells the guest\n"
	"  --ipv6=on|off         IPv6, too (on)\n"
	"  --restrict            the guest reaches nothing outside of its network\n"
	"  --hostfwd=tcp|udp:[HOSTADDRESS]:HOSTPORT-[GUESTADDRESS]:GUESTPORT\n"
	"                        pass connections to a port of the host on; may be repeated\n"
	"af-xdp:\n"
	"  --ifname=NAME         the interface; each pair has a queue of it\n"
	"  --start-queue=N       the first of them (0)\n"
	"  --mode=native|skb     where the XDP program runs: in the driver, or behind it (native, else skb)\n"
	"  --zero-copy=on|off    the driver's packets are in our memory, or the kernel copies (on, else off)\n"
	"  --map-path=PATH       put the sockets into this pinned map, whose program is somebody else's\n";

#ifdef HAVE_LIBXDP
#define CAP_XDP "\"af-xdp\", "
#else
#define CAP_XDP
#endif

static const char capabilities[] =
	"{\n"
	"  \"type\": \"net\",\n"
	"  \"features\": [ \"null\", \"tap\", \"macvtap\", \"packet\", \"user\", \"control\", " CAP_XDP "\"queue-pairs\" ]\n"
	"}\n";

enum {
	OPT_BACKEND = 1, OPT_PAIRS, OPT_MAC, OPT_MTU, OPT_GENERATE, OPT_IFNAME, OPT_TAP_FD, OPT_NET, OPT_HOST,
	OPT_DHCPSTART, OPT_DNS, OPT_HOSTNAME, OPT_IPV6, OPT_RESTRICT, OPT_HOSTFWD,
	OPT_START_QUEUE, OPT_MODE, OPT_ZERO_COPY, OPT_MAP_PATH, NR_OPTS
};

static const struct option options[] = {
	{ "backend", required_argument, NULL, OPT_BACKEND },
	{ "queue-pairs", required_argument, NULL, OPT_PAIRS },
	{ "mac", required_argument, NULL, OPT_MAC },
	{ "mtu", required_argument, NULL, OPT_MTU },
	{ "generate", required_argument, NULL, OPT_GENERATE },
	{ "ifname", required_argument, NULL, OPT_IFNAME },
	{ "tap-fd", required_argument, NULL, OPT_TAP_FD },
	{ "net", required_argument, NULL, OPT_NET },
	{ "host", required_argument, NULL, OPT_HOST },
	{ "dhcpstart", required_argument, NULL, OPT_DHCPSTART },
	{ "dns", required_argument, NULL, OPT_DNS },
	{ "hostname", required_argument, NULL, OPT_HOSTNAME },
	{ "ipv6", required_argument, NULL, OPT_IPV6 },
	{ "restrict", no_argument, NULL, OPT_RESTRICT },
	{ "hostfwd", required_argument, NULL, OPT_HOSTFWD },
	{ "start-queue", required_argument, NULL, OPT_START_QUEUE },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "zero-copy", required_argument, NULL, OPT_ZERO_COPY },
	{ "map-path", required_argument, NULL, OPT_MAP_PATH },
	{ NULL, 0, NULL, 0 },
};

/* Back ends that an option is for, by their kinds; none: all of them */
static const unsigned int kinds[NR_OPTS] = {
	[OPT_GENERATE] = 1 << NET_NULL,
	[OPT_IFNAME] = 1 << NET_FILE | 1 << NET_XDP,
	[OPT_TAP_FD] = 1 << NET_FILE,
	[OPT_NET ... OPT_HOSTFWD] = 1 << NET_USER,
	[OPT_START_QUEUE ... OPT_MAP_PATH] = 1 << NET_XDP,
};

/* Options that were given */
static const char *given[NR_OPTS];

static const struct net_backend *const backends[] = { &net_null, &net_tap, &net_macvtap, &net_packet, &net_user,
	&net_control,
#ifdef HAVE_LIBXDP
	&net_xdp,
#endif
};

static int option_backend(struct net_opts *o, const char *name, const char *arg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backends); i++)
		if (!strcmp(arg, backends[i]->name))
			o->backend = backends[i];
	if (!o->backend && !strcmp(arg, "af-xdp"))
		return log_err("--%s=%s: this shunt-net was built without libxdp", name, arg);
	return o->backend ? 0 : vu_option_bad(name, arg, "null, tap, macvtap, packet, user, control or af-xdp");
}

static int option_mac(struct net_opts *o, const char *name, const char *arg)
{
	unsigned char *m = o->mac;
	int end = 0;

	if (sscanf(arg, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &end) != 6 ||
	    end != 17 || arg[end] || m[0] & 1)
		return vu_option_bad(name, arg, "a unicast address, like 52:54:00:12:34:56");
	o->has_mac = true;
	return 0;
}

static int option_tap_fd(struct net_opts *o, const char *name, const char *arg)
{
	if (o->nr_tap_fds == NET_PAIRS_MAX)
		return log_err("--%s: no more than %u", name, (unsigned int)NET_PAIRS_MAX);
	if (parse_fd(arg, &o->tap_fd[o->nr_tap_fds++]))
		return vu_option_bad(name, arg, "the number of an open tap");
	return 0;
}

static int option_hostfwd(struct net_user_opts *u, const char *name, const char *arg)
{
	if (u->nr_hostfwd == ARRAY_SIZE(u->hostfwd))
		return log_err("--%s: no more than %u", name, u->nr_hostfwd);
	u->hostfwd[u->nr_hostfwd++] = arg;
	return 0;
}

static int option_user(struct net_user_opts *u, int val, const char *name, char *arg)
{
	switch (val) {
	case OPT_NET:
		u->net = arg;
		return 0;
	case OPT_HOST:
		u->host = arg;
		return 0;
	case OPT_DHCPSTART:
		u->dhcpstart = arg;
		return 0;
	case OPT_DNS:
		u->dns = arg;
		return 0;
	case OPT_HOSTNAME:
		u->hostname = arg;
		return 0;
	case OPT_IPV6:
		u->no_ipv6 = !strcmp(arg, "off");
		return u->no_ipv6 || !strcmp(arg, "on") ? 0 : vu_option_bad(name, arg, "on or off");
	case OPT_RESTRICT:
		u->restricted = true;
		return 0;
	default:
		return option_hostfwd(u, name, arg);
	}
}

static int option_word(const char *name, const char *arg, const char *one, const char *other, const char **out)
{
	*out = arg;
	if (!strcmp(arg, one) || !strcmp(arg, other))
		return 0;
	return log_err("--%s=%s: it takes %s or %s", name, arg, one, other);
}

static int option_xdp(struct net_xdp_opts *x, int val, const char *name, const char *arg)
{
	switch (val) {
	case OPT_START_QUEUE:
		return vu_option_uint(name, arg, 0, 65535, &x->start_queue);
	case OPT_MODE:
		return option_word(name, arg, "native", "skb", &x->mode);
	case OPT_ZERO_COPY:
		return option_word(name, arg, "on", "off", &x->zero_copy);
	default:
		x->map_path = arg;
		return 0;
	}
}

static int option(void *opts, int val, const char *name, char *arg)
{
	struct net_opts *o = opts;

	given[val] = name;
	switch (val) {
	case OPT_BACKEND:
		return option_backend(o, name, arg);
	case OPT_PAIRS:
		return vu_option_uint(name, arg, 1, NET_PAIRS_MAX, &o->pairs);
	case OPT_MAC:
		return option_mac(o, name, arg);
	case OPT_MTU:
		return vu_option_uint(name, arg, ETH_MIN_MTU, ETH_MAX_MTU, &o->mtu);
	case OPT_GENERATE:
		return vu_option_uint(name, arg, ETH_HLEN, 65535, &o->generate);
	case OPT_IFNAME:
		o->ifname = arg;
		return 0;
	case OPT_TAP_FD:
		return option_tap_fd(o, name, arg);
	default:
		return val < OPT_START_QUEUE ? option_user(&o->user, val, name, arg) : option_xdp(&o->xdp, val, name, arg);
	}
}

static const struct vu_program program = {
	.usage = usage,
	.capabilities = capabilities,
	.options = options,
	.option = option,
};

/* Return: 0; -1 after one logged line */
static int check(const struct net_opts *o)
{
	unsigned int i;

	if (!o->backend)
		return log_err("--backend=NAME is needed; see --help");
	for (i = 0; i < NR_OPTS; i++)
		if (given[i] && kinds[i] && !(kinds[i] >> o->backend->kind & 1))
			return log_err("--%s: --backend=%s has no such option", given[i], o->backend->name);
	return 0;
}

int main(int argc, char **argv)
{
	static struct net_opts o;
	static struct net n;
	struct vu_endpoint end = { .fd = -1 };
	struct vu_device d = { .name = "shunt-net" };
	int ret;

	log_init(d.name);
	ret = vu_program_parse(&program, &o, &end, &d.poll_us, argc, argv);
	if (ret)
		return ret < 0;
	if (check(&o) || net_open(&n, &o) || vu_endpoint_open(&end))
		return 1;
	net_device(&n, &d);
	return vu_endpoint_serve(&end, &d) ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0
/* -netdev user: a network of its own, in the process that serves the NIC. */
#include <string.h>
#include "netdev_priv.h"

static const char *const only_on[] = { "on", NULL };

static const struct prop user_props[] = {
	PROP("net", PROP_STR, struct netdev_opts, net, .help = "address/bits of the network (10.0.2.0/24)"),
	PROP("host", PROP_STR, struct netdev_opts, host, .help = "address of the gateway, which is the host"),
	PROP("dns", PROP_STR, struct netdev_opts, dns, .help = "address of the name server"),
	PROP("dhcpstart", PROP_STR, struct netdev_opts, dhcpstart, .help = "first address that DHCP gives away"),
	PROP("hostname", PROP_STR, struct netdev_opts, hostname, .help = "name that DHCP tells the guest"),
	PROP("ipv4", PROP_ENUM, struct netdev_opts, ipv4, .names = only_on, .help = "there always is"),
	PROP("ipv6", PROP_ONOFFAUTO, struct netdev_opts, ipv6, .help = "IPv6, too; auto is on"),
	PROP("restrict", PROP_BOOL, struct netdev_opts, restricted,
	     .help = "the guest reaches nothing outside, but hostfwd works"),
	{ .type = PROP_END },
};

static int text_arg(struct process *p, const char *name, const char *val)
{
	return val ? process_arg(p, "--%s=%s", name, val) : 0;
}

/* QEMU's rules may leave the protocol out. */
static int hostfwd_args(struct process *p, char *const *rule)
{
	int err = 0;

	for (; *rule && !err; rule++)
		err = process_arg(p, "--hostfwd=%s%s", **rule == ':' ? "tcp" : "", *rule);
	return err;
}

/* What an address is and what a rule, the process knows, and says. */
static int user_process(const struct netdev_entry *e, struct process *p)
{
	const struct netdev_opts *o = &e->o;
	int err = process_arg(p, "--backend=user");

	err = err ?: text_arg(p, "net", o->net);
	err = err ?: text_arg(p, "host", o->host);
	err = err ?: text_arg(p, "dns", o->dns);
	err = err ?: text_arg(p, "dhcpstart", o->dhcpstart);
	err = err ?: text_arg(p, "hostname", o->hostname);
	err = err ?: text_arg(p, "ipv6", o->ipv6 == PROP_OFF ? "off" : NULL);
	if (o->restricted)
		err = err ?: process_arg(p, "--restrict");
	return err ?: hostfwd_args(p, o->hostfwd);
}

static void user_info(const struct netdev_entry *e, FILE *out)
{
	fprintf(out, "user, net=%s, restrict=%s", e->o.net ? e->o.net : "10.0.2.0/24",
		e->o.restricted ? "on" : "off");
}

const struct netdev_kind netdev_slirp = {
	.name = "user",
	.props = user_props,
	.hostfwd = true,
	.process = user_process,
	.info = user_info,
};

// SPDX-License-Identifier: GPL-2.0
/* -netdev af-xdp: AF_XDP sockets on the queues of an interface, in the process that serves the NIC. */
#define _GNU_SOURCE
#include <string.h>
#include "netdev_priv.h"
#include "tap.h"
#include "../lib/log.h"

enum { MODE_AUTO, MODE_NATIVE, MODE_SKB };

static const char *const modes[] = { "auto", "native", "skb", NULL };

static const struct prop xdp_props[] = {
	PROP("ifname", PROP_STR, struct netdev_opts, ifname, .required = true, .help = "the interface"),
	PROP("mode", PROP_ENUM, struct netdev_opts, mode, .names = modes, .def = "auto",
	     .help = "where the XDP program runs: in the driver, or behind it; auto: native, if the driver can"),
	PROP("force-copy", PROP_BOOL, struct netdev_opts, force_copy, .help = "on: the kernel copies, whatever the driver can"),
	PROP("queues", PROP_U32, struct netdev_opts, queues, .def = "1", .min = 1, .max = NETDEV_QUEUES,
	     .help = "pairs of queues for a device with mq=on, each with a queue of the interface"),
	PROP("start-queue", PROP_U32, struct netdev_opts, start_queue, .max = UINT16_MAX,
	     .help = "the interface's queue of the first of them"),
	PROP("inhibit", PROP_BOOL, struct netdev_opts, inhibit, .help = "on: no XDP program is attached; with map-path="),
	PROP("map-path", PROP_STR, struct netdev_opts, map_path,
	     .help = "pinned map of sockets, of an XDP program that is there; with inhibit=on"),
	{ .type = PROP_END },
};

static int xdp_check(struct netdev_entry *e)
{
	const struct netdev_opts *o = &e->o;

	if (!*o->ifname || strlen(o->ifname) >= sizeof(e->nd.ifname))
		return log_err("-netdev %s: ifname=%s: takes an interface name of 1 to %zu characters", e->id, o->ifname,
			       sizeof(e->nd.ifname) - 1);
	if (o->inhibit != !!o->map_path)
		return log_err("-netdev %s: inhibit=on and map-path= go together", e->id);
	if (o->inhibit && o->mode != MODE_AUTO)
		return log_err("-netdev %s: mode=%s: with inhibit=on no program is attached", e->id, modes[o->mode]);
	strcpy(e->nd.ifname, o->ifname);
	e->nd.queues = o->queues;
	return 0;
}

static int xdp_up(struct netdev_entry *e)
{
	e->nd.mtu = tap_mtu(e->nd.ifname);
	return e->nd.mtu ? 0 : log_err("-netdev %s: ifname=%s: no such interface", e->id, e->o.ifname);
}

static int xdp_process(const struct netdev_entry *e, struct process *p)
{
	const struct netdev_opts *o = &e->o;
	int err = process_arg(p, "--backend=af-xdp");

	err = err ?: process_arg(p, "--ifname=%s", o->ifname);
	err = err ?: process_arg(p, "--queue-pairs=%u", o->queues);
	err = err ?: process_arg(p, "--start-queue=%u", o->start_queue);
	if (o->mode != MODE_AUTO)
		err = err ?: process_arg(p, "--mode=%s", modes[o->mode]);
	if (o->force_copy)
		err = err ?: process_arg(p, "--zero-copy=off");
	if (o->inhibit)
		err = err ?: process_arg(p, "--map-path=%s", o->map_path);
	return err;
}

static void xdp_info(const struct netdev_entry *e, FILE *out)
{
	fprintf(out, "af-xdp, ifname=%s, mtu=%u, queues=%u, start-queue=%u", e->nd.ifname, e->nd.mtu, e->nd.queues,
		e->o.start_queue);
}

const struct netdev_kind netdev_xdp = {
	.name = "af-xdp",
	.props = xdp_props,
	.check = xdp_check,
	.up = xdp_up,
	.process = xdp_process,
	.info = xdp_info,
};

// SPDX-License-Identifier: GPL-2.0
/* -netdev vhost-user: whoever is at the other end of a chardev serves the NIC. */
#include "netdev_priv.h"

static const struct prop vhost_user_props[] = {
	PROP("chardev", PROP_STR, struct netdev_opts, chardev, .required = true,
	     .help = "id of a -chardev socket, where the process is"),
	PROP("queues", PROP_U32, struct netdev_opts, queues, .def = "1", .min = 1, .max = NETDEV_QUEUES,
	     .help = "pairs of queues for a device with mq=on, if the process serves a control queue"),
	PROP("vhostforce", PROP_BOOL, struct netdev_opts, vhostforce, .help = "no effect: there is nothing else"),
	{ .type = PROP_END },
};

static int vhost_user_check(struct netdev_entry *e)
{
	e->nd.chardev = e->o.chardev;
	e->nd.queues = e->o.queues;
	return 0;
}

static void vhost_user_info(const struct netdev_entry *e, FILE *out)
{
	fprintf(out, "vhost-user, chardev=%s, queues=%u", e->o.chardev, e->nd.queues);
}

const struct netdev_kind netdev_vhost_user = {
	.name = "vhost-user",
	.props = vhost_user_props,
	.check = vhost_user_check,
	.info = vhost_user_info,
};

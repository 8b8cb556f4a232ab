// SPDX-License-Identifier: GPL-2.0
/*
 * The back end control: a control queue whose data queues somebody else serves, a kernel. The front-end has that in its
 * hands, so each command is checked here, and then the front-end is asked (VHOST_USER_PROTOCOL_F_NET_CTRL_ONLY).
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "net.h"

/* A question has its answer by then; the driver waits for it. */
#define ANSWER_NS	5000000000ULL

/* Return: 0; 1 refused; or a negative errno */
static int ask(int fd, const struct vhost_user_net_ctrl *what)
{
	struct vhost_user_msg m = {
		.hdr = {
			.request = VHOST_USER_BACKEND_NET_CTRL,
			.flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY,
			.size = sizeof(*what),
		},
		.net_ctrl = *what,
	};
	int ret = fd < 0 ? -ENOTCONN : vhost_user_send(fd, &m);

	if (ret)
		return ret;
	ret = vhost_user_recv_until(fd, &m, clock_ns() + ANSWER_NS);
	if (ret <= 0)
		return ret ?: -EPIPE;
	vhost_user_close_fds(&m);
	if (m.hdr.request != VHOST_USER_BACKEND_NET_CTRL || !(m.hdr.flags & VHOST_USER_REPLY) || m.hdr.size != sizeof(m.u64))
		return -EPROTO;
	return m.u64 ? 1 : 0;
}

/* After a question without an answer, an answer may be of any question: there are no others. */
static int control_ask(struct net *n, const struct vhost_user_net_ctrl *what)
{
	int ret = ask(n->channel, what);

	if (ret >= 0)
		return -ret;
	/* Whoever stops the queue need not answer. */
	if (n->channel >= 0 && ret != -EPIPE)
		log_warn("asking the front-end: %s", strerror(-ret));
	n->channel = -1;
	return -1;
}

/* It is asked. */
static int control_offload(struct net *n, uint64_t features)
{
	(void)n;
	(void)features;
	return 0;
}

const struct net_backend net_control = {
	.name = "control",
	.kind = NET_CONTROL,
	.offload = control_offload,
	.ask = control_ask,
	.offloads = NET_GUEST_OFFLOADS | BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_HOST_TSO4) |
		    BIT64(VIRTIO_NET_F_HOST_TSO6) | BIT64(VIRTIO_NET_F_HOST_ECN) | BIT64(VIRTIO_NET_F_HOST_UFO) |
		    BIT64(VIRTIO_F_IN_ORDER),
};

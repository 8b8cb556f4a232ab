/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A NIC's back end in the kernel: a vhost_net for each pair of queues, with a queue of the tap behind it, and a process
 * for the control queue. The process knows what the driver says, and asks; what is done about it, is done here: queues
 * of the tap come and go, and it has the offloads and the filter.
 *
 * Context: main thread; what is behind @vhost as vhost.h has it.
 */
#ifndef VMM_VIRTIO_NET_KERNEL_H
#define VMM_VIRTIO_NET_KERNEL_H

#include <linux/virtio_net.h>
#include "netdev.h"
#include "tap_rss.h"
#include "vhost_kernel.h"
#include "vhost_user.h"

/** struct net_filter - what the driver wants to receive; numbers of addresses as struct vhost_user_net_ctrl has them */
struct net_filter {
	bool promisc, allmulti;
	uint16_t unicast, multicast;
	uint8_t mac[VHOST_USER_NET_MACS][6];
};

/** struct net_pair - two queues: a vhost device, and what is behind it */
struct net_pair {
	struct vhost_kernel vk;
	int tap_fd;
};

/**
 * struct net_kernel
 * @vhost: the back end; of its features, the offloads are not the tap's
 * @config: what the driver reads; device lock
 */
struct net_kernel {
	struct vhost vhost;
	struct virtio_net_config *config;

	/* private: @pair: @pairs of them. @ctrl: there is @vu. @filter: @active: pairs that receive: device lock. @rss: or NULL */
	struct netdev *nd;
	unsigned int pairs;
	struct net_pair *pair;
	bool ctrl;
	struct vhost_user vu;
	struct net_filter filter;
	unsigned int active;
	struct tap_rss *rss;
};

/**
 * net_kernel_open() - take over the vhost devices of @nd, and start the process if there is to be a control queue
 * @name: begins messages, and is kept
 * @config: with the address, and is kept
 * @ctrl: @rss: there is to be a control queue, and receive-side scaling by its commands
 *
 * Return: 0; -1 after one logged line
 */
int net_kernel_open(struct net_kernel *nk, struct vm *vm, const char *name, struct netdev *nd,
		    struct virtio_net_config *config, bool ctrl, bool rss);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* A network of its own: libslirp in a thread. */
#ifndef VHOST_USER_NET_SLIRP_H
#define VHOST_USER_NET_SLIRP_H

#include <pthread.h>

#include "net.h"
#include "net_pipe.h"

struct Slirp;
struct pollfd;

/**
 * struct net_slirp - private, but for the pipes
 * @rx: frames to the driver; those that find no room are dropped
 * @tx: frames of the driver's
 */
struct net_slirp {
	struct net_pipe rx;
	struct net_pipe tx;
	struct Slirp *slirp;
	struct pollfd *fds;
	unsigned int nr_fds;
	unsigned int max_fds;
	int64_t ra_at;
	pthread_t thread;
};

/**
 * net_slirp_open() - make the network, with the host's ports
 * @s: its pipes are open
 * @mtu: or 0
 *
 * Return: 0, or -1 after one logged line
 */
int net_slirp_open(struct net_slirp *s, const struct net_user_opts *o, unsigned int mtu);
/** net_slirp_start() - Return: 0, or -1 after one logged line */
int net_slirp_start(struct net_slirp *s);

/* The system calls of its thread */
extern const struct sandbox_call net_slirp_calls[];

#endif

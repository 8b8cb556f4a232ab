/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of -netdev share. Main thread. */
#ifndef VMM_NETDEV_PRIV_H
#define VMM_NETDEV_PRIV_H

#include "../lib/prop.h"
#include "netdev.h"
#include "process.h"

#define NETDEV_HOSTFWD	16

/** struct netdev_opts - what the command line said; which fields count depends on the kind */
struct netdev_opts {
	/* tap, af-xdp, vhost-user */
	uint32_t queues;
	bool vhostforce;
	/* tap, af-xdp */
	char *ifname;
	/* tap */
	char *fd, *fds, *script, *downscript, *vhostfd, *vhostfds;
	enum prop_onoffauto vhost;
	/* af-xdp */
	int mode;
	uint32_t start_queue;
	char *map_path;
	bool force_copy, inhibit;
	/* vhost-user */
	char *chardev;
	/* user; @hostfwd: any number of them */
	char *net, *host, *dns, *dhcpstart, *hostname;
	char *hostfwd[NETDEV_HOSTFWD + 1];
	enum prop_onoffauto ipv6;
	int ipv4;
	bool restricted;
};

struct netdev_entry;

/**
 * struct netdev_kind
 * @hostfwd: may be given, again and again
 * @check: what the words alone can tell; may be NULL. Return: 0, or -1 after one logged line
 * @up: open it; may be NULL. Return: the same
 * @down: also after a failed @up; may be NULL
 * @process: arguments of the process that serves it; NULL: netdev.chardev. Return: 0 or -errno
 * @info: goes on with a line that was begun
 */
struct netdev_kind {
	const char *name;
	const struct prop *props;
	bool hostfwd;
	int (*check)(struct netdev_entry *e);
	int (*up)(struct netdev_entry *e);
	void (*down)(struct netdev_entry *e);
	int (*process)(const struct netdev_entry *e, struct process *p);
	void (*info)(const struct netdev_entry *e, FILE *out);
};

/** struct netdev_fds - inherited descriptors, @nr of them, one for each pair */
struct netdev_fds {
	unsigned int nr;
	int fd[NETDEV_QUEUES];
};

/** struct netdev_entry - @up: a downscript is owed. @taps: @vhosts: tap's own */
struct netdev_entry {
	struct netdev nd;	/* first: netdev_find() gives it out */
	const struct netdev_kind *kind;
	struct netdev_opts o;
	char *id;
	bool up;
	struct netdev_fds taps, vhosts;
};

extern const struct netdev_kind netdev_tap, netdev_slirp, netdev_vhost_user, netdev_xdp;

#endif

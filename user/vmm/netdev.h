/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Host network back ends: -netdev. Opened when the command line has been checked and the process has
 * forked; closed, and the downscript of a tap run, at exit.
 */
#ifndef VMM_NETDEV_H
#define VMM_NETDEV_H

#include <stdint.h>
#include <stdio.h>
#include <stdbool.h>

struct process;

#define NETDEV_PROGRAM "shunt-net"
/* Addresses of a filter */
#define NETDEV_FILTER	64
/* As many pairs as that has, and as many taps as a process is given */
#define NETDEV_QUEUES	31

/**
 * struct netdev - one -netdev
 * @id: unique among netdevs
 * @ifname: of the tap, or of the interface of af-xdp
 * @queues: pairs of queues
 * @tap_fd: one for each of them, open, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, non-blocking; -1: there is no tap
 * @vhost_fd: one /dev/vhost-net for each of them, open (or vhostfd=), owner not yet set; -1: a process serves them
 * @chardev: id of the chardev whose peers serve it; NULL: a process of ours does
 * @mtu: of the interface at opening; 0 without one
 * @opened: it can be used
 * @user: name of the device that uses it; NULL until then
 */
struct netdev {
	const char *id;
	char ifname[16];
	unsigned int queues;
	int tap_fd[NETDEV_QUEUES];
	int vhost_fd[NETDEV_QUEUES];
	const char *chardev;
	uint32_t mtu;
	bool opened;
	const char *user;
};

/** netdev_find() - Return: an opened netdev, or NULL */
struct netdev *netdev_find(const char *id);
/** netdev_process() - what the process that serves it is told. Return: 0 or -errno */
int netdev_process(const struct netdev *nd, struct process *p);
/** netdev_set_offload() - TUNSETVNETHDRSZ and TUNSETOFFLOAD for negotiated virtio-net features
 * Return: 0 or -errno */
int netdev_set_offload(struct netdev *nd, uint64_t virtio_features);
/** netdev_offloads() - virtio-net host and guest offload bits that the tap supports */
uint64_t netdev_offloads(struct netdev *nd);

/** netdev_set_pairs() - packets come by the first @nr taps. Return: 0 or -errno */
int netdev_set_pairs(struct netdev *nd, unsigned int nr);
/**
 * netdev_set_filter() - packets for these @nr addresses come, and for groups if @allmulti; 0: all do
 *
 * Of several groups others may come, too; of more than 8 addresses that are none, all.
 * Return: 0 or -errno
 */
int netdev_set_filter(struct netdev *nd, const uint8_t (*mac)[6], unsigned int nr, bool allmulti);

/** netdev_announce() - tell the network that @mac is here now, by the tap. Return: 0 or -errno */
int netdev_announce(struct netdev *nd, const uint8_t *mac);

/* ---- main.c and cmdline.c: command line, opening, end ---- */

/** netdev_add() - one -netdev argument, checked. Return: 0, or -1 after one logged line */
int netdev_add(const char *arg);
/** netdev_help() - what -netdev takes, to stdout */
void netdev_help(void);
/** netdev_open_all() - make taps, run scripts, open vhost. Return: 0 or -1 after logging */
int netdev_open_all(void);
/** netdev_close_all() - downscripts, close, forget; also after a failed netdev_open_all() */
void netdev_close_all(void);
/** netdev_info() - one line each, for the monitor */
void netdev_info(FILE *out);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which packets the driver wants to receive.
 *
 * The control queue changes it, receive queues look at it, and neither waits: each field is whole by itself. Tables of
 * addresses are kept as hashes, so that a packet may come that was not asked for, which the specification allows.
 */
#ifndef VHOST_USER_NET_FILTER_H
#define VHOST_USER_NET_FILTER_H

#include <linux/if_ether.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_VLANS	4096

/* Bytes of a frame that are looked at */
#define NET_FILTER_LEN	(ETH_HLEN + 2)

/**
 * struct net_filter - what is wanted
 * @on: there is one
 * @modes: bits, by number of the command VIRTIO_NET_CTRL_RX_*
 * @mac: the driver's address
 * @unicast: @multicast: hashes of the others
 * @by_vlan: only untagged packets, and those of @vlan
 */
struct net_filter {
	bool on;
	bool by_vlan;
	uint8_t modes;
	uint64_t mac;
	uint64_t unicast;
	uint64_t multicast;
	uint64_t vlan[NET_VLANS / 64];
};

/** net_mac() - Return: an address as a number */
uint64_t net_mac(const unsigned char *mac);
/** net_mac_hash() - Return: the bit of an address in a hash */
uint64_t net_mac_hash(uint64_t mac);

/** net_filter_reset() - everything is wanted. Context: control, or the control queue */
void net_filter_reset(struct net_filter *f, bool on, bool by_vlan, uint64_t mac);
/** net_filter_mode() - switch a mode. Context: the control queue */
void net_filter_mode(struct net_filter *f, unsigned int mode, bool on);
/** net_filter_vlan() - Context: the control queue */
void net_filter_vlan(struct net_filter *f, unsigned int vlan, bool on);
/** net_filter_pass() - Return: whether a frame that begins with @len bytes is wanted. Context: any */
bool net_filter_pass(const struct net_filter *f, const unsigned char *frame, size_t len);

#endif

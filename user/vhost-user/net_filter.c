// SPDX-License-Identifier: GPL-2.0
/* Which packets the driver wants, see net_filter.h. */
#include "net_filter.h"

#include <endian.h>
#include <linux/virtio_net.h>
#include <string.h>

#define BROADCAST	0xffffffffffffULL
#define load(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define store(p, v)	__atomic_store_n(p, v, __ATOMIC_RELAXED)

uint64_t net_mac(const unsigned char *mac)
{
	uint64_t n = 0;

	memcpy(&n, mac, ETH_ALEN);
	return n;
}

/* Fibonacci hashing */
uint64_t net_mac_hash(uint64_t mac)
{
	return 1ULL << (mac * 0x9e3779b97f4a7c15ULL >> 58);
}

void net_filter_reset(struct net_filter *f, bool on, bool by_vlan, uint64_t mac)
{
	unsigned int i;

	store(&f->modes, 1 << VIRTIO_NET_CTRL_RX_PROMISC);
	store(&f->mac, mac);
	store(&f->unicast, 0);
	store(&f->multicast, 0);
	for (i = 0; i < NET_VLANS / 64; i++)
		store(&f->vlan[i], 0);
	store(&f->by_vlan, by_vlan);
	store(&f->on, on);
}

void net_filter_mode(struct net_filter *f, unsigned int mode, bool on)
{
	uint8_t bit = (uint8_t)(1 << mode);

	store(&f->modes, (uint8_t)(on ? f->modes | bit : f->modes & ~bit));
}

void net_filter_vlan(struct net_filter *f, unsigned int vlan, bool on)
{
	uint64_t bit = 1ULL << vlan % 64;

	store(&f->vlan[vlan / 64], on ? f->vlan[vlan / 64] | bit : f->vlan[vlan / 64] & ~bit);
}

static bool vlan_pass(const struct net_filter *f, const unsigned char *frame, size_t len)
{
	uint16_t type, tag;

	if (!load(&f->by_vlan) || len < NET_FILTER_LEN)
		return true;
	memcpy(&type, frame + 2 * ETH_ALEN, sizeof(type));
	memcpy(&tag, frame + ETH_HLEN, sizeof(tag));
	if (type != htobe16(ETH_P_8021Q))
		return true;
	tag = be16toh(tag) % NET_VLANS;
	return load(&f->vlan[tag / 64]) >> tag % 64 & 1;
}

bool net_filter_pass(const struct net_filter *f, const unsigned char *frame, size_t len)
{
	unsigned int modes = load(&f->modes);
	uint64_t to;

#define mode(m) (modes >> VIRTIO_NET_CTRL_RX_##m & 1)
	if (!load(&f->on))
		return true;
	if (!vlan_pass(f, frame, len))
		return false;
	if (mode(PROMISC))
		return true;
	to = net_mac(frame);
	if (to == BROADCAST)
		return !mode(NOBCAST);
	if (frame[0] & 1)
		return !mode(NOMULTI) && (mode(ALLMULTI) || load(&f->multicast) & net_mac_hash(to));
	if (mode(NOUNI))
		return false;
	return mode(ALLUNI) || to == load(&f->mac) || load(&f->unicast) & net_mac_hash(to);
#undef mode
}

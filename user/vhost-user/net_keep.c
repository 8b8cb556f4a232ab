// SPDX-License-Identifier: GPL-2.0
/*
 * What a driver has set by commands, kept in memory that outlives the process, see vu_device.keep.
 *
 * A process that is killed has done all its stores up to some point, and none after it. So there are two copies: the
 * one that is not in force is written, and then a word says that it is, in one store. It does before the driver hears
 * that its command was done; if it does not hear, the next process does the command once more.
 */
#include <linux/vhost.h>
#include <string.h>

#include "guard.h"
#include "lib/log.h"
#include "net.h"

#define MODES	(BIT64(VIRTIO_NET_CTRL_RX_NOBCAST + 1) - 1)

/**
 * struct state - all of it
 * @features: that were negotiated: with others, it means nothing
 */
struct state {
	uint64_t features;
	uint64_t offloads;
	uint64_t mac;
	uint64_t unicast;
	uint64_t multicast;
	uint64_t modes;
	uint64_t active;
	uint64_t vlan[NET_VLANS / 64];
};

/** struct net_kept - @good: 0: nothing is kept; 1, 2: that copy is in force */
struct net_kept {
	uint64_t good;
	struct state copy[2];
};

/* What was stored before is stored before what comes after, as a process that reads it later sees it. */
#define then()	__atomic_signal_fence(__ATOMIC_SEQ_CST)

/* A migration is nothing to the driver. */
static uint64_t features_of(const struct net *n)
{
	return n->features & ~BIT64(VHOST_F_LOG_ALL);
}

size_t net_kept_size(void)
{
	return (sizeof(struct net_kept) + 63) / 64 * 64;
}

void net_kept_save(struct net *n)
{
	struct state s = {
		.features = features_of(n),
		.offloads = n->offloads,
		.mac = n->filter.mac,
		.unicast = n->filter.unicast,
		.multicast = n->filter.multicast,
		.modes = n->filter.modes,
		.active = n->active,
	};
	unsigned int next = n->kept_in == 1 ? 2 : 1;

	if (!n->kept)
		return;
	memcpy(s.vlan, n->filter.vlan, sizeof(s.vlan));
	memcpy(&n->kept->copy[next - 1], &s, sizeof(s));
	then();
	__atomic_store_n(&n->kept->good, next, __ATOMIC_RELAXED);
	n->kept_in = next;
}

static bool state_ok(const struct net *n, const struct state *s)
{
	unsigned int most = net_has(n, VIRTIO_NET_F_MQ) ? n->shown : 1;

	return !(s->offloads & ~(n->features & NET_GUEST_OFFLOADS)) && !(s->mac & 1) && !(s->mac >> 8 * ETH_ALEN) &&
	       !(s->modes & ~MODES) && s->active && s->active <= most;
}

/* No queue runs: nobody looks. */
static void state_take(struct net *n, const struct state *s)
{
	n->filter.mac = s->mac;
	n->filter.unicast = s->unicast;
	n->filter.multicast = s->multicast;
	n->filter.modes = (uint8_t)s->modes;
	memcpy(n->filter.vlan, s->vlan, sizeof(s->vlan));
	n->active = (unsigned int)s->active;
	n->offloads = s->offloads;
	if (n->backend->offload && net_has(n, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
		n->backend->offload(n, s->offloads);
}

void net_keep(void *net, void *kept)
{
	struct net *n = net;
	struct state s;
	uint64_t good;

	n->kept = kept;
	n->kept_in = 0;
	if (!kept || !net_has(n, VIRTIO_NET_F_CTRL_VQ))
		return;
	good = __atomic_load_n(&n->kept->good, __ATOMIC_RELAXED);
	if (!good)
		return;
	if (good <= 2) {
		n->kept_in = (unsigned int)good;
		memcpy(&s, &n->kept->copy[good - 1], sizeof(s));
		then();
	}
	vu_guard_torn();
	/* Of another negotiation, it is not for this one. */
	if (good <= 2 && s.features != features_of(n))
		return;
	if (good <= 2 && state_ok(n, &s))
		state_take(n, &s);
	else
		log_warn("inflight memory: what commands had set makes no sense");
}

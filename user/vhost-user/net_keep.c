// SPDX-License-Identifier: GPL-2.0
/*
 * What a driver has set by commands, kept in memory that outlives the process, see vu_device.keep; or carried to
 * another one in a migration, see vu_device.save.
 *
 * A process that is killed has done all its stores up to some point, and none after it. So there are two copies: the
 * one that is not in force is written, and then a word says that it is, in one store. It does before the driver hears
 * that its command was done; if it does not hear, the next process does the command once more.
 */
#include <endian.h>
#include <errno.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "lib/log.h"
#include "net.h"

#define MODES	(BIT64(VIRTIO_NET_CTRL_RX_NOBCAST + 1) - 1)

/**
 * struct net_state - all of it
 * @features: that were negotiated: with others, it means nothing
 */
struct net_state {
	uint64_t features;
	uint64_t offloads;
	uint64_t mac;
	uint64_t unicast;
	uint64_t multicast;
	uint64_t modes;
	uint64_t active;
	uint64_t announce;
	uint64_t vlan[NET_VLANS / 64];
};

/** struct net_kept - @good: 0: nothing is kept; 1, 2: that copy is in force */
struct net_kept {
	uint64_t good;
	struct net_state copy[2];
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

static struct net_state state_of(const struct net *n)
{
	struct net_state s = {
		.features = features_of(n),
		.offloads = n->offloads,
		.mac = n->filter.mac,
		.unicast = n->filter.unicast,
		.multicast = n->filter.multicast,
		.modes = n->filter.modes,
		.active = n->active,
		.announce = n->announce,
	};

	memcpy(s.vlan, n->filter.vlan, sizeof(s.vlan));
	return s;
}

static void keep_state(struct net *n)
{
	unsigned int next = n->kept_in == 1 ? 2 : 1;
	struct net_state s = state_of(n);

	if (!n->kept)
		return;
	memcpy(&n->kept->copy[next - 1], &s, sizeof(s));
	then();
	__atomic_store_n(&n->kept->good, next, __ATOMIC_RELAXED);
	n->kept_in = next;
}

void net_kept_save(struct net *n)
{
	net_state_drop(n);
	keep_state(n);
}

static bool state_ok(const struct net *n, const struct net_state *s)
{
	unsigned int most = s->features & BIT64(VIRTIO_NET_F_MQ) ? n->shown : 1;

	return !(s->offloads & ~(s->features & NET_GUEST_OFFLOADS)) && !(s->mac & 1) && !(s->mac >> 8 * ETH_ALEN) &&
	       !(s->modes & ~MODES) && s->active && s->active <= most &&
	       s->announce <= (s->features >> VIRTIO_NET_F_GUEST_ANNOUNCE & 1);
}

/* No queue runs: nobody looks. */
static void state_take(struct net *n, const struct net_state *s)
{
	n->filter.mac = s->mac;
	n->filter.unicast = s->unicast;
	n->filter.multicast = s->multicast;
	n->filter.modes = (uint8_t)s->modes;
	memcpy(n->filter.vlan, s->vlan, sizeof(s->vlan));
	n->active = (unsigned int)s->active;
	net_set_announce(n, s->announce);
	n->offloads = s->offloads;
	if (n->backend->offload && net_has(n, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
		n->backend->offload(n, s->offloads);
}

/* --- in a migration --- */

/* A state as it is sent: a header, and the fields of struct net_state; all little-endian */
#define WIRE_MAGIC	0x53746e65U
#define WIRE_VERSION	1U
#define WIRE_FIELDS	(sizeof(struct net_state) / sizeof(uint64_t))

struct wire {
	uint32_t magic;
	uint32_t version;
	uint64_t field[WIRE_FIELDS];
};

/* Features that belong to rings, and not to NICs (virtio 1.3, 2.2) */
#define RING_FEATURES	(BIT64(50) - BIT64(24))

/* Is what another process has sent in force, or will be when nothing has changed by then? */
static bool is_loaded(const struct net *n)
{
	return n->loaded && n->loaded->features == features_of(n) && state_ok(n, n->loaded);
}

size_t net_state_size(void)
{
	return sizeof(struct wire);
}

size_t net_state_save(void *net, void *to)
{
	struct wire w = { htole32(WIRE_MAGIC), htole32(WIRE_VERSION), { 0 } };
	struct net_state s = state_of(net);
	unsigned int i;

	memcpy(w.field, &s, sizeof(s));
	for (i = 0; i < WIRE_FIELDS; i++)
		w.field[i] = htole64(w.field[i]);
	memcpy(to, &w, sizeof(w));
	return sizeof(w);
}

int net_state_load(void *net, const void *from, size_t len)
{
	struct net_state s, *loaded;
	struct net *n = net;
	struct wire w;
	unsigned int i;

	if (len != sizeof(w))
		return -EINVAL;
	memcpy(&w, from, sizeof(w));
	for (i = 0; i < WIRE_FIELDS; i++)
		w.field[i] = le64toh(w.field[i]);
	memcpy(&s, w.field, sizeof(s));
	if (w.magic != htole32(WIRE_MAGIC) || w.version != htole32(WIRE_VERSION) ||
	    s.features & ~(n->offered | RING_FEATURES) || !state_ok(n, &s))
		return -EINVAL;
	loaded = malloc(sizeof(*loaded));
	if (!loaded)
		return -ENOMEM;
	*loaded = s;
	net_state_drop(n);
	n->loaded = loaded;
	net_state_apply(n);
	return 0;
}

void net_state_apply(struct net *n)
{
	if (!is_loaded(n))
		return;
	state_take(n, n->loaded);
	keep_state(n);
}

void net_state_drop(struct net *n)
{
	free(n->loaded);
	n->loaded = NULL;
}

/* --- when a process has died --- */

void net_keep(void *net, void *kept)
{
	struct net *n = net;
	struct net_state s;
	uint64_t good;

	n->kept = kept;
	n->kept_in = 0;
	if (!kept || !net_has(n, VIRTIO_NET_F_CTRL_VQ))
		return;
	good = __atomic_load_n(&n->kept->good, __ATOMIC_RELAXED);
	if (!good) {
		if (is_loaded(n))
			keep_state(n);
		return;
	}
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

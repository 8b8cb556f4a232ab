// SPDX-License-Identifier: GPL-2.0
/* A NIC's data queues in the kernel, and its control queue in a process, see virtio_net_kernel.h. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "virtio_net_kernel.h"
#include "virtio_pci.h"
#include "../lib/bits.h"
#include "../lib/log.h"

#define of(_type, _member, _p) ((_type *)(void *)((char *)(_p) - offsetof(_type, _member)))

/* What all rings of a device have to have */
#define RING_FEATURES (BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_INDIRECT_DESC) | \
		       BIT64(VIRTIO_RING_F_EVENT_IDX) | BIT64(VIRTIO_F_RING_PACKED) | BIT64(VIRTIO_F_IN_ORDER))
/* What only a control queue makes of use */
#define CTRL_FEATURES (BIT64(VIRTIO_NET_F_CTRL_VQ) | BIT64(VIRTIO_NET_F_CTRL_RX) | BIT64(VIRTIO_NET_F_CTRL_MAC_ADDR) | \
		       BIT64(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | BIT64(VIRTIO_NET_F_MQ) | BIT64(VIRTIO_NET_F_GUEST_ANNOUNCE) | \
		       BIT64(VIRTIO_NET_F_RSS))
#define GUEST_OFFLOADS (BIT64(VIRTIO_NET_F_GUEST_CSUM) | BIT64(VIRTIO_NET_F_GUEST_TSO4) | \
			BIT64(VIRTIO_NET_F_GUEST_TSO6) | BIT64(VIRTIO_NET_F_GUEST_ECN) | BIT64(VIRTIO_NET_F_GUEST_UFO))

/* ---- what the driver wants of the tap ---- */

/* A filter that the tap cannot be told lets more pass. */
static int filter_apply(const struct net_kernel *nk)
{
	const struct net_filter *f = &nk->filter;
	uint8_t mac[NETDEV_FILTER][6];
	unsigned int nr = 2, asked;

	_Static_assert(VHOST_USER_NET_MACS + 2 <= NETDEV_FILTER, "room for all, the own one, and broadcast");
	if (f->promisc || f->unicast == VHOST_USER_NET_MANY)
		return netdev_set_filter(nk->nd, NULL, 0, false);
	memcpy(mac[0], nk->config->mac, sizeof(mac[0]));
	memset(mac[1], 0xff, sizeof(mac[1]));
	asked = f->unicast + (f->multicast == VHOST_USER_NET_MANY ? 0U : f->multicast);
	memcpy(mac[nr], f->mac, asked * sizeof(mac[0]));
	return netdev_set_filter(nk->nd, mac, nr + asked, f->allmulti || f->multicast == VHOST_USER_NET_MANY);
}

/* @to is what is wanted now; if the tap refuses, it was never. */
static int filter_change(struct net_kernel *nk, const struct net_filter *to)
{
	struct net_filter before = nk->filter;
	int err;

	nk->filter = *to;
	err = filter_apply(nk);
	if (err)
		nk->filter = before;
	return err;
}

static int want_rx(struct net_kernel *nk, const struct vhost_user_net_ctrl *what)
{
	struct net_filter f = nk->filter;

	if (what->value > 1)
		return -EINVAL;
	if (what->cmd == VIRTIO_NET_CTRL_RX_PROMISC)
		f.promisc = what->value;
	else
		f.allmulti = what->value;
	return filter_change(nk, &f);
}

static int want_table(struct net_kernel *nk, const struct vhost_user_net_ctrl *what)
{
	struct net_filter f = nk->filter;
	unsigned int nr = 0;

	if (what->unicast != VHOST_USER_NET_MANY)
		nr += what->unicast;
	if (what->multicast != VHOST_USER_NET_MANY)
		nr += what->multicast;
	if (nr > VHOST_USER_NET_MACS)
		return -EINVAL;
	f.unicast = what->unicast;
	f.multicast = what->multicast;
	memcpy(f.mac, what->mac, nr * sizeof(f.mac[0]));
	return filter_change(nk, &f);
}

static int want_mac(struct net_kernel *nk, const struct vhost_user_net_ctrl *what)
{
	uint8_t before[6];
	int err;

	if (what->value & 1 || what->value >> 8 * sizeof(before))
		return -EINVAL;
	memcpy(before, nk->config->mac, sizeof(before));
	memcpy(nk->config->mac, &what->value, sizeof(before));
	err = filter_apply(nk);
	if (err)
		memcpy(nk->config->mac, before, sizeof(before));
	return err;
}

/* How packets find their pair is up to the tap, from now on. */
static int pairs_set(struct net_kernel *nk, unsigned int nr)
{
	nk->active = nr;
	/* also what a process that was killed has left there */
	if (nk->pairs > 1)
		tap_rss_off(nk->nd->tap_fd[0]);
	return netdev_set_pairs(nk->nd, nr);
}

static int want_pairs(struct net_kernel *nk, const struct vhost_user_net_ctrl *what)
{
	if (!what->value || what->value > nk->pairs)
		return -EINVAL;
	return pairs_set(nk, (unsigned int)what->value);
}

/* Pairs that are to receive or to send: as many as the highest of them. 0: it makes no sense */
static unsigned int rss_pairs(const struct net_kernel *nk, const struct vhost_user_net_rss *c)
{
	unsigned int most = c->unclassified + 1U, i;

	if (c->hash_types & ~VHOST_USER_NET_RSS_TYPES || !c->pairs || c->mask & (c->mask + 1U) || c->mask >= VHOST_USER_NET_RSS_TABLE)
		return 0;
	for (i = 0; i <= c->mask; i++)
		if (c->queue[i] >= most)
			most = c->queue[i] + 1U;
	if (c->pairs > most)
		most = c->pairs;
	return most <= nk->pairs ? most : 0;
}

static int want_rss(struct net_kernel *nk, const struct vhost_user_net_ctrl *what)
{
	unsigned int nr = rss_pairs(nk, &what->rss);
	int err;

	if (!nr || !nk->rss)
		return -EINVAL;
	err = netdev_set_pairs(nk->nd, nr) ?: tap_rss_set(nk->rss, nk->nd->tap_fd[0], &what->rss);
	if (err)
		netdev_set_pairs(nk->nd, nk->active);
	else
		nk->active = nr;
	return err;
}

static int want_offloads(struct net_kernel *nk, const struct vhost_user_net_ctrl *what)
{
	uint64_t features = nk->vhost.vd->driver_features;

	if (what->value & ~(features & GUEST_OFFLOADS))
		return -EINVAL;
	return netdev_set_offload(nk->nd, (features & ~GUEST_OFFLOADS) | what->value);
}

static int announced(struct net_kernel *nk, const struct vhost_user_net_ctrl *what)
{
	(void)what;
	nk->config->status &= (uint16_t)~VIRTIO_NET_S_ANNOUNCE;
	return 0;
}

/* @feature: that it needs */
static const struct {
	uint8_t class, cmd, feature;
	int (*run)(struct net_kernel *nk, const struct vhost_user_net_ctrl *what);
} wants[] = {
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, VIRTIO_NET_F_CTRL_RX, want_rx },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, VIRTIO_NET_F_CTRL_RX, want_rx },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, VIRTIO_NET_F_CTRL_RX, want_table },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_F_CTRL_MAC_ADDR, want_mac },
	{ VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, VIRTIO_NET_F_GUEST_ANNOUNCE, announced },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_F_MQ, want_pairs },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, VIRTIO_NET_F_RSS, want_rss },
	{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
	  want_offloads },
};

/* A reset may have overtaken the question. */
static int ctrl_asked(struct vhost_user *vu, const struct vhost_user_net_ctrl *what)
{
	struct net_kernel *nk = of(struct net_kernel, vu, vu);
	const struct virtio_dev *vd = nk->vhost.vd;
	unsigned int i;

	if (!(vd->status & VIRTIO_CONFIG_S_DRIVER_OK) || vd->want_reset)
		return -EPERM;
	for (i = 0; i < sizeof(wants) / sizeof(wants[0]); i++)
		if (wants[i].class == what->class && wants[i].cmd == what->cmd)
			return virtio_negotiated(vd, wants[i].feature) ? wants[i].run(nk, what) : -EPERM;
	return -EOPNOTSUPP;
}

/* ---- the back end ---- */

/* vhost_net numbers its rings as virtio-net does: 0 receives, 1 transmits. */
static int net_attach(struct vhost_kernel *vk, unsigned int n, bool on)
{
	int fd = of(struct net_pair, vk, vk)->tap_fd;
	struct vhost_vring_file file = { .index = n, .fd = on ? fd : VHOST_FILE_UNBIND };

	return ioctl(vk->fd, VHOST_NET_SET_BACKEND, &file) ? -errno : 0;
}

static const struct vhost_kernel_ops net_kernel_ops = { .attach = net_attach };

static struct vhost *pair_vhost(const struct net_kernel *nk, unsigned int i)
{
	return &nk->pair[i].vk.vhost;
}

/* Pairs that this driver may use, and where the control queue is behind them */
static unsigned int pairs_of(const struct net_kernel *nk, uint64_t features)
{
	return features & (BIT64(VIRTIO_NET_F_MQ) | BIT64(VIRTIO_NET_F_RSS)) ? nk->pairs : 1;
}

static int ctrl_done(struct net_kernel *nk, int err)
{
	nk->vhost.why = nk->vu.vhost.why;
	return err;
}

/* A device as new: one pair, all offloads that were negotiated, and everything comes. */
static int tap_begin(struct net_kernel *nk, uint64_t features)
{
	int err = netdev_set_offload(nk->nd, features);

	nk->filter = (struct net_filter){ .promisc = true };
	if (!err && nk->vhost.features & BIT64(VIRTIO_NET_F_CTRL_RX))
		err = filter_apply(nk);
	return err ?: pairs_set(nk, 1);
}

static int net_start(struct vhost *vh, uint64_t features, struct vhost_ring *ring, unsigned int nr)
{
	struct net_kernel *nk = of(struct net_kernel, vhost, vh);
	unsigned int i, pairs = pairs_of(nk, features);
	int err = tap_begin(nk, features);

	(void)nr;
	vh->why = NULL;
	for (i = 0; i < pairs && !err; i++)
		err = pair_vhost(nk, i)->ops->start(pair_vhost(nk, i), features, ring + 2 * i, 2);
	/* The last: if its process has gone, it is made up for by itself. */
	if (!err && features & BIT64(VIRTIO_NET_F_CTRL_VQ))
		err = ctrl_done(nk, vhost_user_ops.start(&nk->vu.vhost, features, ring + 2 * pairs, 1));
	return err;
}

static void net_stop(struct vhost *vh)
{
	struct net_kernel *nk = of(struct net_kernel, vhost, vh);
	unsigned int i;

	if (nk->ctrl)
		vhost_user_ops.stop(&nk->vu.vhost);
	for (i = 0; i < nk->pairs; i++)
		pair_vhost(nk, i)->ops->stop(pair_vhost(nk, i));
	/* Whoever has the tap next need not have such. */
	if (nk->vhost.features & BIT64(VIRTIO_NET_F_CTRL_RX))
		netdev_set_filter(nk->nd, NULL, 0, false);
	if (nk->rss)
		tap_rss_off(nk->nd->tap_fd[0]);
}

/* Who has ring @n: a pair, or the process; NULL: nobody, it is one that a driver without MQ has no use for */
static struct vhost *ring_owner(struct net_kernel *nk, unsigned int n)
{
	uint64_t features = nk->vhost.vd->driver_features;
	unsigned int pairs = pairs_of(nk, features);

	if (n < 2 * pairs)
		return pair_vhost(nk, n / 2);
	return n == 2 * pairs && features & BIT64(VIRTIO_NET_F_CTRL_VQ) ? &nk->vu.vhost : NULL;
}

static int net_ring_start(struct vhost *vh, unsigned int n, const struct vhost_ring *ring)
{
	struct net_kernel *nk = of(struct net_kernel, vhost, vh);
	struct vhost *owner = ring_owner(nk, n);
	struct vhost_ring one = *ring;

	if (!owner)
		return 0;
	if (owner != &nk->vu.vhost)
		return owner->ops->ring_start(owner, n % 2, ring);
	return ctrl_done(nk, owner->ops->start(owner, vh->vd->driver_features, &one, 1) ?: one.error);
}

/* The process has no other ring. */
static void net_ring_stop(struct vhost *vh, unsigned int n)
{
	struct net_kernel *nk = of(struct net_kernel, vhost, vh);
	struct vhost *owner = ring_owner(nk, n);

	if (owner == &nk->vu.vhost)
		owner->ops->stop(owner);
	else if (owner)
		owner->ops->ring_stop(owner, n % 2);
}

static int net_memory(struct vhost *vh)
{
	struct net_kernel *nk = of(struct net_kernel, vhost, vh);
	unsigned int i, pairs = pairs_of(nk, vh->vd->driver_features);
	int err = 0;

	vh->why = NULL;
	for (i = 0; i < pairs && !err; i++)
		err = pair_vhost(nk, i)->ops->memory(pair_vhost(nk, i));
	if (!err && vh->vd->driver_features & BIT64(VIRTIO_NET_F_CTRL_VQ))
		err = ctrl_done(nk, vhost_user_ops.memory(&nk->vu.vhost));
	return err;
}

static int net_ready(struct vhost *vh)
{
	struct net_kernel *nk = of(struct net_kernel, vhost, vh);

	return nk->ctrl ? ctrl_done(nk, vhost_user_ops.ready(&nk->vu.vhost)) : 0;
}

/* The kernel has gone on meanwhile. */
static int net_recover(struct vhost *vh, uint64_t features, struct vhost_ring *ring, unsigned int nr)
{
	struct net_kernel *nk = of(struct net_kernel, vhost, vh);
	unsigned int n = 2 * pairs_of(nk, features);

	(void)nr;
	vh->why = NULL;
	if (!(features & BIT64(VIRTIO_NET_F_CTRL_VQ)))
		return 0;
	return ctrl_done(nk, vhost_user_ops.recover(&nk->vu.vhost, features, ring + n, 1));
}

static void net_close(struct vhost *vh)
{
	struct net_kernel *nk = of(struct net_kernel, vhost, vh);
	unsigned int i;

	if (nk->ctrl)
		vhost_user_ops.close(&nk->vu.vhost);
	for (i = 0; i < nk->pairs; i++)
		pair_vhost(nk, i)->ops->close(pair_vhost(nk, i));
	tap_rss_close(nk->rss);
	free(nk->pair);
}

static const struct vhost_ops net_ops = {
	.start = net_start,
	.stop = net_stop,
	.ring_start = net_ring_start,
	.ring_stop = net_ring_stop,
	.memory = net_memory,
	.ready = net_ready,
	.recover = net_recover,
	.close = net_close,
};

/* ---- opening ---- */

static void ctrl_lost(struct vhost *vh)
{
	struct net_kernel *nk = of(struct net_kernel, vu.vhost, vh);

	if (nk->vhost.lost)
		nk->vhost.lost(&nk->vhost);
}

/* Return: 0 or -1 after one logged line */
static int ctrl_open(struct net_kernel *nk, struct vm *vm)
{
	struct vhost_user *vu = &nk->vu;
	int err = process_init(&vu->proc, NETDEV_PROGRAM);

	err = err ?: process_arg(&vu->proc, "--backend=control");
	err = err ?: process_arg(&vu->proc, "--queue-pairs=%u", nk->pairs);
	if (err) {
		process_free(&vu->proc);
		return log_err("-device %s: %s", nk->vhost.name, strerror(-err));
	}
	vu->nic = true;
	vu->nr_rings = 1;
	vu->asked = ctrl_asked;
	vu->vhost.lost = ctrl_lost;
	if (vhost_user_open(vu, vm, nk->vhost.name))
		return -1;
	if (vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_NET_CTRL_ONLY))
		return 0;
	vhost_user_close(vu);
	return log_err("-device %s: %s does not know VHOST_USER_PROTOCOL_F_NET_CTRL_ONLY", nk->vhost.name, NETDEV_PROGRAM);
}

/* What both have; the process has no say in what only data queues need. */
static void features_join(struct net_kernel *nk)
{
	nk->vhost.features = pair_vhost(nk, 0)->features;
	if (!nk->ctrl)
		return;
	nk->vhost.features &= ~RING_FEATURES | nk->vu.vhost.features;
	nk->vhost.features |= CTRL_FEATURES & nk->vu.vhost.features;
	if (netdev_set_filter(nk->nd, NULL, 0, false))
		nk->vhost.features &= ~BIT64(VIRTIO_NET_F_CTRL_RX);
	if (!nk->rss)
		nk->vhost.features &= ~BIT64(VIRTIO_NET_F_RSS);
}

int net_kernel_open(struct net_kernel *nk, struct vm *vm, const char *name, struct netdev *nd,
		    struct virtio_net_config *config, bool ctrl, bool rss)
{
	nk->vhost.ops = &net_ops;
	nk->vhost.name = name;
	nk->nd = nd;
	nk->config = config;
	nk->pair = calloc(nd->queues, sizeof(*nk->pair));
	if (!nk->pair)
		return log_err("-device %s: out of memory", name);
	for (; nk->pairs < nd->queues; nk->pairs++) {
		nk->pair[nk->pairs].tap_fd = nd->tap_fd[nk->pairs];
		if (vhost_kernel_init(&nk->pair[nk->pairs].vk, vm, name, nd->vhost_fd[nk->pairs], &net_kernel_ops))
			goto fail;
	}
	nk->rss = rss ? tap_rss_open(name) : NULL;
	if (rss && !nk->rss)
		goto fail;
	if (ctrl && ctrl_open(nk, vm))
		goto fail;
	nk->ctrl = ctrl;
	features_join(nk);
	return 0;
fail:
	net_close(&nk->vhost);
	return -1;
}

// SPDX-License-Identifier: GPL-2.0
/* What a NIC is, see net.h: features, configuration, and which queue is what. */
#define _GNU_SOURCE
#include "net.h"

#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bits.h"
#include "lib/log.h"
#include "lib/vhost_user.h"

#define NO_QUEUE	(~0U)
/* Bytes of the configuration that a front-end may write: address, status, pairs */
#define CONFIG_TOLD	offsetof(struct virtio_net_config, mtu)
/* What the status may be */
#define STATUS		(VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE)

/* --- queues: which is what, is up to what was negotiated --- */

static bool is_rx(const struct vu_queue *q)
{
	return !(q->index % 2);
}

static const struct vu_queue_ops *ops_of(const struct vu_queue *q)
{
	const struct net *n = q->dev;

	if (q->index == n->ctrl)
		return &net_ctrl_ops;
	if (q->index >= 2 * n->pairs || n->backend->ask)
		return NULL;
	return is_rx(q) ? &n->backend->rx : &n->backend->tx;
}

static bool net_run(struct vu_queue *q)
{
	const struct vu_queue_ops *ops = ops_of(q);

	return ops && ops->run(q);
}

static void net_stop(struct vu_queue *q)
{
	const struct vu_queue_ops *ops = ops_of(q);

	if (ops && ops->stop)
		ops->stop(q);
}

static void net_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe)
{
	const struct vu_queue_ops *ops = ops_of(q);

	if (ops && ops->done)
		ops->done(q, data, cqe);
}

static const uint8_t opcodes[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_TIMEOUT, IORING_OP_NOP };

static const struct vu_queue_ops net_queue_ops = {
	.req_size = sizeof(struct net_req),
	.opcodes = opcodes,
	.run = net_run,
	.stop = net_stop,
	.done = net_done,
};

static const struct vu_queue_ops *queue_ops(void *dev, unsigned int index, int *file)
{
	*file = ((struct net *)dev)->file[index];
	return &net_queue_ops;
}

void net_poll(struct vu_queue *q, unsigned int events, bool *polling)
{
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	io_uring_prep_poll_add(sqe, 0, events);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, polling);
	*polling = true;
	vu_queue_get(q);
}

void net_poll_cancel(struct vu_queue *q, bool *polling)
{
	struct io_uring_sqe *sqe;

	if (!*polling)
		return;
	sqe = vu_queue_sqe(q);
	io_uring_prep_poll_remove(sqe, (uintptr_t)polling);
	io_uring_sqe_set_data64(sqe, 0);
}

void net_poll_end(struct vu_queue *q, bool *polling)
{
	*polling = false;
	vu_queue_put(q);
}

/* --- the device --- */

static void get_config(void *dev, void *config)
{
	const struct net *n = dev;

	struct virtio_net_config c = n->config;
	uint64_t mac = __atomic_load_n(&n->filter.mac, __ATOMIC_RELAXED);

	memcpy(c.mac, &mac, sizeof(c.mac));
	if (__atomic_load_n(&n->announce, __ATOMIC_RELAXED))
		c.status |= htole16(VIRTIO_NET_S_ANNOUNCE);
	memcpy(config, &c, sizeof(c));
}

/* As new, with what was negotiated */
static void begin(struct net *n)
{
	n->mergeable = net_has(n, VIRTIO_NET_F_MRG_RXBUF);
	n->hdr_len = n->mergeable || net_has(n, VIRTIO_F_VERSION_1) ? sizeof(struct virtio_net_hdr_mrg_rxbuf) :
								       sizeof(struct virtio_net_hdr);
	n->ctrl = !net_has(n, VIRTIO_NET_F_CTRL_VQ) ? NO_QUEUE : n->backend->ask ? 0 :
		  2 * (net_has(n, VIRTIO_NET_F_MQ) ? n->shown : 1);
	/* Whoever has commands begins with one pair. Others have as many as run. */
	n->active = net_has(n, VIRTIO_NET_F_MQ) && n->ctrl == NO_QUEUE ? n->shown : 1;
	net_filter_reset(&n->filter, net_has(n, VIRTIO_NET_F_CTRL_RX), net_has(n, VIRTIO_NET_F_CTRL_VLAN),
			 net_mac(n->config.mac));
	n->offloads = n->features & NET_GUEST_OFFLOADS;
	net_set_announce(n, false);
	if (n->backend->offload)
		n->backend->offload(n, n->features);
	net_state_apply(n);
}

/* That a migration begins is no reason to forget what commands have set. */
static void set_features(void *dev, uint64_t features)
{
	struct net *n = dev;
	uint64_t changed = (n->features ^ features) & ~BIT64(VHOST_F_LOG_ALL);

	n->features = features;
	if (changed || n->fresh)
		begin(n);
	n->fresh = false;
}

/* From the front-end, while the rings run but for this moment: the driver has to announce itself, until it says that it has. */
static int set_status(struct net *n, const uint8_t *data)
{
	uint16_t status;

	memcpy(&status, data, sizeof(status));
	status = le16toh(status);
	if (status & ~STATUS || (status & VIRTIO_NET_S_ANNOUNCE && !net_has(n, VIRTIO_NET_F_GUEST_ANNOUNCE)))
		return -EINVAL;
	n->config.status = htole16(status & VIRTIO_NET_S_LINK_UP);
	net_set_announce(n, status & VIRTIO_NET_S_ANNOUNCE);
	net_kept_save(n);
	return 0;
}

/* From the front-end, what the driver is shown (VHOST_USER_PROTOCOL_F_NET_CTRL_VQ); the driver itself has nothing to write. */
static int set_config(void *dev, uint32_t offset, const uint8_t *data, uint32_t size)
{
	struct virtio_net_config c = { 0 };
	struct net *n = dev;
	unsigned int pairs;

	if (offset == offsetof(struct virtio_net_config, status) && size == sizeof(c.status))
		return set_status(n, data);
	if (offset || size != CONFIG_TOLD)
		return -EINVAL;
	memcpy(&c, data, size);
	pairs = le16toh(c.max_virtqueue_pairs);
	if (c.mac[0] & 1 || !pairs || pairs > n->pairs || le16toh(c.status) & ~VIRTIO_NET_S_LINK_UP)
		return -EINVAL;
	memcpy(&n->config, &c, size);
	n->shown = pairs;
	begin(n);
	return 0;
}

static void reset(void *dev)
{
	struct net *n = dev;

	net_state_drop(n);
	n->fresh = true;
	n->shown = n->pairs;
	memcpy(n->config.mac, n->opts->mac, ETH_ALEN);
	n->config.status = htole16(VIRTIO_NET_S_LINK_UP);
	n->config.max_virtqueue_pairs = htole16((uint16_t)n->pairs);
	n->config.mtu = htole16((uint16_t)n->opts->mtu);
}

static void set_channel(void *dev, int fd)
{
	((struct net *)dev)->channel = fd;
}

/* From the front-end, up to a reset. What has been said on the command line is as much as there is. */
static int set_mtu(void *dev, uint64_t mtu)
{
	struct net *n = dev;
	unsigned int most = n->backend->mtu ? n->backend->mtu(n) : 0;

	if (mtu < ETH_MIN_MTU || mtu > (n->opts->mtu ?: ETH_MAX_MTU) || (most && mtu > most))
		return -EINVAL;
	n->config.mtu = htole16((uint16_t)mtu);
	return 0;
}

static void announce(void *dev, const uint8_t *mac)
{
	struct net *n = dev;

	n->backend->announce(n, mac);
}

static int start(void *dev)
{
	struct net *n = dev;

	return n->backend->start ? n->backend->start(n) : 0;
}

int net_open(struct net *n, const struct net_opts *o)
{
	unsigned int i;

	n->opts = o;
	n->backend = o->backend;
	n->pairs = o->pairs ?: o->nr_tap_fds ?: 1;
	n->ctrl = NO_QUEUE;
	n->channel = -1;
	n->link = -1;
	n->offered = n->backend->offloads | BIT64(VIRTIO_NET_F_STATUS) | BIT64(VIRTIO_NET_F_MRG_RXBUF) |
		     BIT64(VIRTIO_NET_F_CTRL_VQ) | BIT64(VIRTIO_NET_F_CTRL_RX) | BIT64(VIRTIO_NET_F_CTRL_MAC_ADDR) |
		     BIT64(VIRTIO_NET_F_GUEST_ANNOUNCE);
	/* Kernels have no such filters. */
	if (!n->backend->ask)
		n->offered |= BIT64(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT64(VIRTIO_NET_F_CTRL_VLAN);
	else
		n->offered |= BIT64(VIRTIO_NET_F_RSS);
	if (n->backend->offload)
		n->offered |= BIT64(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	reset(n);
	if (n->pairs > 1)
		n->offered |= BIT64(VIRTIO_NET_F_MQ);
	if (o->has_mac)
		n->offered |= BIT64(VIRTIO_NET_F_MAC);
	if (o->mtu)
		n->offered |= BIT64(VIRTIO_NET_F_MTU);
	for (i = 0; i < ARRAY_SIZE(n->file); i++)
		n->file[i] = -1;
	for (i = 0; i < n->pairs; i++) {
		n->rx[i] = calloc(1, sizeof(*n->rx[i]));
		if (!n->rx[i])
			return log_err("%s", strerror(ENOMEM));
	}
	return n->backend->open ? n->backend->open(n, o) : 0;
}

void net_device(struct net *n, struct vu_device *d)
{
	d->dev = n;
	d->num_queues = n->backend->ask ? 1 : 2 * n->pairs + 1;
	/* Pairs are what front-ends of a NIC ask for. */
	d->queue_num = n->pairs;
	d->queue_ops = queue_ops;
	n->queue = d->queue;
	d->start = start;
	d->calls = n->backend->calls;
	/* A name server's address is looked up again and again. */
	d->no_files = n->backend->kind != NET_USER;
	d->features = n->offered;
	d->config_size = sizeof(n->config);
	d->get_config = get_config;
	d->set_config = set_config;
	d->config_halts = true;
	d->protocol = BIT64(VHOST_USER_PROTOCOL_F_NET_CTRL_VQ);
	if (n->backend->ask) {
		d->protocol |= BIT64(VHOST_USER_PROTOCOL_F_NET_CTRL_ONLY);
		d->channel = set_channel;
	} else {
		/* What the front-end has heard of, it keeps. */
		d->kept_size = net_kept_size();
		d->keep = net_keep;
		d->state_size = net_state_size();
		d->save = net_state_save;
		d->load = net_state_load;
		d->protocol |= BIT64(VHOST_USER_PROTOCOL_F_NET_MTU) | BIT64(VHOST_USER_PROTOCOL_F_DEVICE_STATE);
		d->set_mtu = set_mtu;
	}
	if (n->backend->announce) {
		d->protocol |= BIT64(VHOST_USER_PROTOCOL_F_RARP);
		d->announce = announce;
	}
	d->reset = reset;
	d->set_features = set_features;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-net-pci (virtio 1.2, section 5.1): pairs of queues, served by the kernel's vhost_net with a tap behind
 * it, or by a process, and behind them the control queue, which a process serves in both cases.
 * What is offered is what the properties and the back end, tap and module or process, have.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include "chardev.h"
#include "config.h"
#include "device.h"
#include "netdev.h"
#include "nic.h"
#include "vhost_user.h"
#include "virtio_net_kernel.h"
#include "virtio_pci.h"
#include "vm.h"
#include "../lib/bits.h"
#include "../lib/log.h"

#define MTU_MIN		68
#define MTU_DEFAULT	1500
#define NET_QUEUES	(2 * NETDEV_QUEUES + 1)
/* of the control queue, as QEMU has it */
#define CTRL_SIZE	64
/* What a process is told: address, status, pairs */
#define NET_TOLD	offsetof(struct virtio_net_config, mtu)
/* What commands change of that */
#define NET_COMMANDED	offsetof(struct virtio_net_config, max_virtqueue_pairs)

struct net_props {
	struct virtio_pci_props pci;
	char *netdev;
	struct prop_mac mac;
	bool csum, gso, guest_csum, mrg_rxbuf, status;
	bool guest_tso4, guest_tso6, guest_ecn, guest_ufo;
	bool host_tso4, host_tso6, host_ecn, host_ufo;
	bool mq, ctrl_vq, ctrl_rx, ctrl_rx_extra, ctrl_vlan, ctrl_mac_addr, ctrl_guest_offloads, guest_announce, rss;
	uint32_t host_mtu, rx_queue_size, tx_queue_size;
};

/**
 * struct virtio_net
 * @nk: @vu: the one that serves it
 * @config: what the driver reads
 * @told: the same at reset, as a process is told
 * @plugged: its address at reset; @mac: what a legacy driver has made of it
 * @next: of all there are
 */
struct virtio_net {
	struct virtio_net *next;
	struct virtio_dev vd;
	struct net_kernel nk;
	struct vhost_user vu;
	struct netdev *nd;
	struct virtio_net_config config, told;
	uint8_t plugged[6], mac[6];
	char name[64];
};

static struct virtio_net *nics;

#define to_net(_vd)	((struct virtio_net *)((char *)(_vd) - offsetof(struct virtio_net, vd)))

/* A feature is no use, and must not be negotiated, without the one it builds on: 5.1.3.1 */
static const struct {
	uint8_t bit, needs;
} depends[] = {
	{ VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_CSUM },
	{ VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_CSUM },
	{ VIRTIO_NET_F_HOST_UFO, VIRTIO_NET_F_CSUM },
	{ VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_CTRL_RX_EXTRA, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_CTRL_VLAN, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_MQ, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_RSS, VIRTIO_NET_F_CTRL_VQ },
};

#define GUEST_TSO	(BIT64(VIRTIO_NET_F_GUEST_TSO4) | BIT64(VIRTIO_NET_F_GUEST_TSO6))
#define HOST_TSO	(BIT64(VIRTIO_NET_F_HOST_TSO4) | BIT64(VIRTIO_NET_F_HOST_TSO6))

/* The part of @features whose needs are met. */
static uint64_t features_closed(uint64_t features)
{
	unsigned int i;

	for (i = 0; i < sizeof(depends) / sizeof(depends[0]); i++)
		if (!(features & BIT64(depends[i].needs)))
			features &= ~BIT64(depends[i].bit);
	if (!(features & GUEST_TSO))
		features &= ~BIT64(VIRTIO_NET_F_GUEST_ECN);
	if (!(features & HOST_TSO))
		features &= ~BIT64(VIRTIO_NET_F_HOST_ECN);
	return features;
}

static bool net_check(struct virtio_dev *vd, uint64_t features)
{
	(void)vd;
	return features_closed(features) == features;
}

static bool in_kernel(const struct virtio_net *net)
{
	return net->nd->vhost_fd[0] >= 0;
}

/* The driver runs, and has settled on this. */
static bool in_use(const struct virtio_dev *vd, unsigned int feature)
{
	return vd->status & VIRTIO_CONFIG_S_DRIVER_OK && virtio_negotiated(vd, feature);
}

/* The address and the status are what the driver has made of them by commands: where a process has the tap, it alone knows. */
static void net_config_read(struct virtio_dev *vd, unsigned int off, unsigned int len)
{
	struct virtio_net *net = to_net(vd);
	bool mac = in_use(vd, VIRTIO_NET_F_CTRL_MAC_ADDR), status = in_use(vd, VIRTIO_NET_F_GUEST_ANNOUNCE);
	struct virtio_net_config now = net->config;

	(void)len;
	if (off >= NET_COMMANDED)
		return;
	if (!in_kernel(net) && (mac || status))
		vhost_user_config_now(&net->vu, &now, NET_COMMANDED);
	memcpy(net->config.mac, mac ? now.mac : net->mac, sizeof(now.mac));
	net->config.status = status ? now.status : net->told.status;
}

static void net_features_ok(struct virtio_dev *vd, uint64_t features)
{
	struct virtio_net *net = to_net(vd);

	(void)features;
	memcpy(net->mac, net->plugged, sizeof(net->mac));
	memcpy(net->told.mac, net->plugged, sizeof(net->mac));
}

/*
 * A legacy driver without the command sets its address here: 5.1.4.3. A process that serves it already hears of it when it
 * is started anew; it needs it for a filter that there is not without commands.
 */
static void net_config_write(struct virtio_dev *vd, unsigned int off, uint64_t val, unsigned int len)
{
	struct virtio_net *net = to_net(vd);
	unsigned int i;

	if (!vd->legacy || virtio_negotiated(vd, VIRTIO_NET_F_CTRL_MAC_ADDR))
		return;
	for (i = 0; i < len && off + i < sizeof(net->mac); i++)
		net->mac[off + i] = (uint8_t)(val >> 8 * i);
	/* The helper reads it when it starts the process. */
	if (!virtio_backend_busy(vd))
		memcpy(net->told.mac, net->mac, sizeof(net->mac));
}

static void net_destroy(struct virtio_dev *vd)
{
	struct virtio_net *net = to_net(vd);

	struct virtio_net **at = &nics;

	while (*at != net)
		at = &(*at)->next;
	*at = net->next;
	net->nd->user = NULL;
	free(net);
}

static const struct virtio_ops net_ops = {
	.check = net_check,
	.features_ok = net_features_ok,
	.config_write = net_config_write,
	.config_read = net_config_read,
	.destroy = net_destroy,
};

/* Only a process that says so has the queue: a bit of a feature may be for a front end to serve. */
static uint64_t ctrl_features(const struct virtio_net *net, const struct net_props *p)
{
	const struct {
		bool on;
		uint8_t bit;
	} ctrl[] = {
		{ p->ctrl_vq, VIRTIO_NET_F_CTRL_VQ },
		{ p->ctrl_rx, VIRTIO_NET_F_CTRL_RX },
		{ p->ctrl_rx_extra, VIRTIO_NET_F_CTRL_RX_EXTRA },
		{ p->ctrl_vlan, VIRTIO_NET_F_CTRL_VLAN },
		{ p->ctrl_mac_addr, VIRTIO_NET_F_CTRL_MAC_ADDR },
		{ p->ctrl_guest_offloads, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS },
		{ p->guest_announce && p->status, VIRTIO_NET_F_GUEST_ANNOUNCE },
		{ p->mq && net->nd->queues > 1, VIRTIO_NET_F_MQ },
		{ p->rss, VIRTIO_NET_F_RSS },
	};
	uint64_t features = 0;
	unsigned int i;

	for (i = 0; i < sizeof(ctrl) / sizeof(ctrl[0]); i++)
		features |= ctrl[i].on ? BIT64(ctrl[i].bit) : 0;
	return in_kernel(net) || net->vu.told_len ? features : 0;
}

static uint64_t net_features(const struct virtio_net *net, const struct net_props *p)
{
	const struct {
		bool on;
		uint8_t bit;
	} tap[] = {
		{ p->csum, VIRTIO_NET_F_CSUM },
		{ p->gso && p->host_tso4, VIRTIO_NET_F_HOST_TSO4 },
		{ p->gso && p->host_tso6, VIRTIO_NET_F_HOST_TSO6 },
		{ p->gso && p->host_ecn, VIRTIO_NET_F_HOST_ECN },
		{ p->gso && p->host_ufo, VIRTIO_NET_F_HOST_UFO },
		{ p->guest_csum, VIRTIO_NET_F_GUEST_CSUM },
		{ p->guest_tso4, VIRTIO_NET_F_GUEST_TSO4 },
		{ p->guest_tso6, VIRTIO_NET_F_GUEST_TSO6 },
		{ p->guest_ecn, VIRTIO_NET_F_GUEST_ECN },
		{ p->guest_ufo, VIRTIO_NET_F_GUEST_UFO },
	};
	uint64_t has = net->vd.vhost->features, from_vhost = virtio_pci_features(&p->pci, has);
	uint64_t offloads = in_kernel(net) ? netdev_offloads(net->nd) : has;
	uint64_t from_tap = 0, own = BIT64(VIRTIO_NET_F_MAC);
	unsigned int i;

	for (i = 0; i < sizeof(tap) / sizeof(tap[0]); i++)
		from_tap |= tap[i].on ? BIT64(tap[i].bit) : 0;
	if (p->mrg_rxbuf)
		from_vhost |= BIT64(VIRTIO_NET_F_MRG_RXBUF) & has;
	if (p->status)
		own |= BIT64(VIRTIO_NET_F_STATUS);
	if (net->config.mtu)
		own |= BIT64(VIRTIO_NET_F_MTU);
	return features_closed((from_tap & offloads) | (ctrl_features(net, p) & has) | from_vhost | own);
}

/* 52:54:00:12:34:56 and up, one for each device without mac=, as QEMU counts. */
static void mac_default(uint8_t *mac)
{
	static unsigned int n;
	static const uint8_t first[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

	memcpy(mac, first, 6);
	mac[5] += n++;
}

static int size_check(const char *name, const char *prop, uint32_t size)
{
	if (size & (size - 1))
		return log_err("-device %s: %s=%u: takes a power of two from 256 to 1024", name, prop, size);
	return 0;
}

static int props_check(struct virtio_net *net, const struct net_props *p)
{
	const char *name = net->name;
	struct netdev *nd;

	if (virtio_pci_props_check(name, &p->pci))
		return -1;
	if (p->rss && p->pci.disable_modern)
		return log_err("-device %s: rss=on: not with disable-modern=on, it takes the modern interface", name);
	if (size_check(name, "rx_queue_size", p->rx_queue_size) ||
	    size_check(name, "tx_queue_size", p->tx_queue_size))
		return -1;
	if (p->host_mtu && p->host_mtu < MTU_MIN)
		return log_err("-device %s: host_mtu=%u: takes %d to 65535", name, p->host_mtu, MTU_MIN);
	if (p->mac.set && p->mac.b[0] & 1)
		return log_err("-device %s: mac: a group address", name);
	nd = netdev_find(p->netdev);
	if (!nd)
		return log_err("-device %s: netdev=%s: no such -netdev", name, p->netdev);
	if (nd->user)
		return log_err("-device %s: netdev=%s: in use by %s", name, p->netdev, nd->user);
	if (p->host_mtu && nd->mtu && p->host_mtu > nd->mtu)
		log_warn("-device %s: host_mtu=%u is more than the %u of %s", name, p->host_mtu, nd->mtu,
			 nd->ifname);
	net->nd = nd;
	if (p->rss && (!in_kernel(net) || nd->queues < 2 || !p->mq || !p->ctrl_vq))
		return log_err("-device %s: rss=on: takes mq=on, ctrl_vq=on, and a -netdev tap with queues= and vhost=on that is in force",
			       name);
	return 0;
}

/* Return: 0 or -1 after one logged line */
static int process_make(struct virtio_net *net)
{
	struct vhost_user *vu = &net->vu;
	const uint8_t *m = net->config.mac;
	int err = process_init(&vu->proc, NETDEV_PROGRAM);

	err = err ?: netdev_process(net->nd, &vu->proc);
	err = err ?: process_arg(&vu->proc, "--mac=%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	if (err) {
		process_free(&vu->proc);
		return log_err("-device %s: %s", net->name, strerror(-err));
	}
	return 0;
}

static int process_open(struct virtio_net *net, struct vm *vm)
{
	struct vhost_user *vu = &net->vu;
	const char *chardev = net->nd->chardev;

	if (chardev) {
		vu->chardev = chardev_find(chardev);
		if (!vu->chardev)
			return log_err("-netdev %s: chardev=%s: no such -chardev", net->nd->id, chardev);
	} else if (process_make(net)) {
		return -1;
	}
	vu->nic = true;
	vu->nr_rings = net->nd->queues;
	if (vhost_user_open(vu, vm, net->name))
		return -1;
	if (vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_NET_CTRL_VQ)) {
		vu->told = &net->told;
		vu->told_len = NET_TOLD;
	}
	return 0;
}

/* Return: 0 or -1 after one logged line */
static int backend_open(struct virtio_net *net, struct vm *vm, const struct net_props *p)
{
	if (in_kernel(net)) {
		net->vd.vhost = &net->nk.vhost;
		return net_kernel_open(&net->nk, vm, net->name, net->nd, &net->config, p->ctrl_vq, p->rss);
	}
	net->vd.vhost = &net->vu.vhost;
	return process_open(net, vm);
}

static void config_init(struct virtio_net *net, const struct net_props *p)
{
	const struct netdev *nd = net->nd;

	if (p->mac.set)
		memcpy(net->config.mac, p->mac.b, 6);
	else
		mac_default(net->config.mac);
	net->config.status = VIRTIO_NET_S_LINK_UP;
	net->config.max_virtqueue_pairs = 1;
	net->config.mtu = p->host_mtu;
	if (!p->host_mtu && nd->mtu != MTU_DEFAULT && nd->mtu >= MTU_MIN && nd->mtu <= UINT16_MAX)
		net->config.mtu = nd->mtu;
	net->config.speed = (uint32_t)SPEED_UNKNOWN;
	net->config.duplex = DUPLEX_UNKNOWN;
	net->config.rss_max_key_size = VHOST_USER_NET_RSS_KEY;
	net->config.rss_max_indirection_table_length = VHOST_USER_NET_RSS_TABLE;
	net->config.supported_hash_types = VHOST_USER_NET_RSS_TYPES;
}

/* The back end has been asked. Return: 0 or -1 after one logged line */
static int net_setup(struct virtio_net *net, const struct net_props *p)
{
	net->vd.features = net_features(net, p);
	if (virtio_pci_features_check(net->name, &p->pci, net->vd.features))
		return -1;
	if (p->mq && net->nd->queues > 1) {
		if (!(net->vd.features & BIT64(VIRTIO_NET_F_MQ)))
			return log_err("-device %s: mq=on: several pairs need ctrl_vq=on, and a process that serves the control queue",
				       net->name);
		net->config.max_virtqueue_pairs = (uint16_t)net->nd->queues;
	}
	net->told = net->config;
	memcpy(net->mac, net->config.mac, sizeof(net->mac));
	memcpy(net->plugged, net->config.mac, sizeof(net->plugged));
	return 0;
}

/* Return: 0 or -1 after one logged line */
static int net_plug(struct virtio_net *net, struct vm *vm, const struct net_props *p)
{
	unsigned int n, data = 2u * net->config.max_virtqueue_pairs;
	bool ctrl = net->vd.features & BIT64(VIRTIO_NET_F_CTRL_VQ);
	uint16_t sizes[NET_QUEUES];
	struct virtio_pci_init init = {
		.device_id = VIRTIO_ID_NET,
		.class_code = 0x020000,
		.addr = p->pci.addr,
		.props = &p->pci,
		.vectors = p->pci.vectors,
		.nr_queues = data + ctrl,
		.queue_max = sizes,
	};

	if (init.vectors == VIRTIO_VECTORS_AUTO)
		init.vectors = init.nr_queues + 1;
	for (n = 0; n < data; n++)
		sizes[n] = (uint16_t)(n % 2 ? p->tx_queue_size : p->rx_queue_size);
	sizes[data] = CTRL_SIZE;
	net->vd.ops = &net_ops;
	net->vd.name = net->name;
	net->vd.ioeventfd = p->pci.ioeventfd;
	net->vd.config = &net->config;
	net->vd.config_len = net->vd.features & BIT64(VIRTIO_NET_F_RSS) ? sizeof(net->config) :
			     offsetof(struct virtio_net_config, speed);
	return virtio_pci_create(vm, &net->vd, &init);
}

static int net_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	const struct net_props *p = props;
	struct virtio_net *net = calloc(1, sizeof(*net));

	if (!net)
		return log_err("out of memory");
	snprintf(net->name, sizeof(net->name), "%s%s%s", type->name, id ? "." : "", id ? id : "");
	if (props_check(net, p))
		goto out;
	config_init(net, p);
	if (backend_open(net, vm, p))
		goto out;
	if (!net_setup(net, p) && !net_plug(net, vm, p)) {
		net->nd->user = net->name;
		net->next = nics;
		nics = net;
		return 0;
	}
	net->vd.vhost->ops->close(net->vd.vhost);
out:
	free(net);
	return -1;
}

/* ---- announce_self; device lock ---- */

/* By the driver, which says when it has. Return: 0 or -errno */
static int announce_by_guest(struct virtio_net *net)
{
	uint16_t status = net->config.status | VIRTIO_NET_S_ANNOUNCE;
	int err = 0;

	if (!in_kernel(net))
		err = vhost_user_set_config_now(&net->vu, offsetof(struct virtio_net_config, status), &status, sizeof(status));
	if (err)
		return err;
	net->config.status = status;
	virtio_config_changed(&net->vd);
	return 0;
}

/* Return: 0 or -errno */
static int announce(struct virtio_net *net)
{
	net_config_read(&net->vd, 0, 0);
	if (in_use(&net->vd, VIRTIO_NET_F_GUEST_ANNOUNCE) && virtio_negotiated(&net->vd, VIRTIO_NET_F_STATUS))
		return announce_by_guest(net);
	return in_kernel(net) ? netdev_announce(net->nd, net->config.mac) : vhost_user_rarp(&net->vu, net->config.mac);
}

void nic_announce_all(struct vm *vm, FILE *out)
{
	struct virtio_net *net;
	int err;

	vm_lock(vm);
	for (net = nics; net; net = net->next) {
		err = announce(net);
		if (err)
			fprintf(out, "%s: %s\n", net->name, err == -ENOTSUP ? "neither its driver nor its back end does that" :
				err == -EPIPE ? "its process is not there" : strerror(-err));
	}
	vm_unlock(vm);
}

#define NET_BOOL(_name, _field, _def, _help) \
	PROP(_name, PROP_BOOL, struct net_props, _field, .def = _def, .help = _help)

static const struct prop net_props[] = {
	PROP("netdev", PROP_STR, struct net_props, netdev, .required = true, .help = "id of a -netdev"),
	PROP("mac", PROP_MAC, struct net_props, mac, .help = "52:54:00:12:34:56 and up"),
	PROP("host_mtu", PROP_U32, struct net_props, host_mtu, .max = 65535,
	     .help = "MTU told to the guest; 0: the tap's, if that is not 1500"),
	PROP("rx_queue_size", PROP_U32, struct net_props, rx_queue_size, .def = "256", .min = 256,
	     .max = 1024, .help = "power of two, 256 to 1024"),
	PROP("tx_queue_size", PROP_U32, struct net_props, tx_queue_size, .def = "256", .min = 256,
	     .max = 1024, .help = "power of two, 256 to 1024"),
	PROP("vectors", PROP_U32, struct net_props, pci.vectors, .def = "4294967295",
	     .help = "MSI-X vectors, 0: interrupts by INTx; the default means one for each queue and one more"),
	NET_BOOL("csum", csum, "on", "host completes checksums"),
	NET_BOOL("gso", gso, "on", "host segments: off turns all host_* off"),
	NET_BOOL("host_tso4", host_tso4, "on", NULL),
	NET_BOOL("host_tso6", host_tso6, "on", NULL),
	NET_BOOL("host_ecn", host_ecn, "on", NULL),
	NET_BOOL("host_ufo", host_ufo, "on", NULL),
	NET_BOOL("guest_csum", guest_csum, "on", "guest takes partial checksums"),
	NET_BOOL("guest_tso4", guest_tso4, "on", NULL),
	NET_BOOL("guest_tso6", guest_tso6, "on", NULL),
	NET_BOOL("guest_ecn", guest_ecn, "on", NULL),
	NET_BOOL("guest_ufo", guest_ufo, "on", NULL),
	NET_BOOL("mrg_rxbuf", mrg_rxbuf, "on", "mergeable receive buffers"),
	NET_BOOL("status", status, "on", "link status"),
	NET_BOOL("ctrl_vq", ctrl_vq, "on", "control queue, if a process serves it; off turns all ctrl_* and mq off"),
	NET_BOOL("ctrl_rx", ctrl_rx, "on", "the guest says what it wants to receive"),
	NET_BOOL("ctrl_rx_extra", ctrl_rx_extra, "on", NULL),
	NET_BOOL("ctrl_vlan", ctrl_vlan, "on", NULL),
	NET_BOOL("ctrl_mac_addr", ctrl_mac_addr, "on", "the guest may change its address"),
	NET_BOOL("ctrl_guest_offloads", ctrl_guest_offloads, "on", "the guest may change guest_* while it runs"),
	NET_BOOL("guest_announce", guest_announce, "on", "the guest tells the network where it is, when asked"),
	NET_BOOL("mq", mq, "off", "the guest may use all queues= of the -netdev"),
	NET_BOOL("rss", rss, "off", "the guest says which packets go to which queue; takes mq=on, a tap with vhost=on, and CAP_BPF"),
	VIRTIO_PCI_PROPS(struct net_props, pci),
	{ 0 },
};

const struct device_type virtio_net_pci_type = {
	.name = "virtio-net-pci",
	.alias = "virtio-net",
	.desc = "virtio network device, served by a process, or by vhost_net",
	.bus = "PCI",
	.props = net_props,
	.props_size = sizeof(struct net_props),
	.create = net_create,
};

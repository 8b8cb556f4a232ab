// SPDX-License-Identifier: GPL-2.0
/* The control queue: one row a command. A command that makes no sense is refused, and changes nothing. */
#include <string.h>

#include "iov.h"
#include "lib/bits.h"
#include "net.h"

/* Commands of a round, and bytes of one */
#define ROUND		64
#define COMMAND_MAX	(128U << 10)

/**
 * struct command - a command of the driver's
 * @ask: what the front-end is asked, where that has the last word
 * @hdr: class and command
 * @iov: what follows the header in these @nr_iov segments is its data, of @len bytes
 */
struct command {
	struct net *n;
	struct vhost_user_net_ctrl ask;
	struct virtio_net_ctrl_hdr hdr;
	const struct iovec *iov;
	unsigned int nr_iov;
	size_t len;
};

/* @len bytes of its data, from byte @off; it has them */
static void data_of(const struct command *c, size_t off, void *to, size_t len)
{
	iov_read(c->iov, c->nr_iov, sizeof(c->hdr) + off, to, len);
}

/* --- commands. Return: 0; -1: refused; or LATER: it ends by itself --- */

#define LATER	1

static int rx_mode(struct command *c)
{
	uint8_t on;

	data_of(c, 0, &on, sizeof(on));
	if (on > 1)
		return -1;
	net_filter_mode(&c->n->filter, c->hdr.cmd, on);
	c->ask.value = on;
	return 0;
}

/*
 * A table at @off; @hash: of its addresses. They are in the question behind @before others, @nr_asked of them. Return: where
 * it ends, or 0: it is longer than the command
 */
static size_t mac_table(struct command *c, size_t off, uint64_t *hash, uint16_t before, uint16_t *nr_asked)
{
	unsigned char mac[ETH_ALEN];
	unsigned int n = 0;
	uint32_t nr;

	*hash = 0;
	if (c->len < off + sizeof(nr))
		return 0;
	data_of(c, off, &nr, sizeof(nr));
	nr = le32toh(nr);
	off += sizeof(nr);
	if (nr > (c->len - off) / ETH_ALEN)
		return 0;
	*nr_asked = nr + before <= VHOST_USER_NET_MACS ? (uint16_t)nr : VHOST_USER_NET_MANY;
	for (; nr; nr--, off += ETH_ALEN) {
		data_of(c, off, mac, sizeof(mac));
		*hash |= net_mac_hash(net_mac(mac));
		if (*nr_asked != VHOST_USER_NET_MANY)
			memcpy(c->ask.mac[before + n++], mac, sizeof(mac));
	}
	return off;
}

/* Two tables, and nothing else */
static int mac_tables(struct command *c)
{
	uint16_t *nr = &c->ask.unicast;
	uint64_t unicast, multicast;
	size_t end = mac_table(c, 0, &unicast, 0, nr);

	if (end)
		end = mac_table(c, end, &multicast, *nr == VHOST_USER_NET_MANY ? 0 : *nr, &c->ask.multicast);
	if (!end || end != c->len)
		return -1;
	__atomic_store_n(&c->n->filter.unicast, unicast, __ATOMIC_RELAXED);
	__atomic_store_n(&c->n->filter.multicast, multicast, __ATOMIC_RELAXED);
	return 0;
}

static int mac_addr(struct command *c)
{
	unsigned char mac[ETH_ALEN];

	data_of(c, 0, mac, sizeof(mac));
	if (mac[0] & 1)
		return -1;
	c->ask.value = net_mac(mac);
	__atomic_store_n(&c->n->filter.mac, c->ask.value, __ATOMIC_RELAXED);
	return 0;
}

static int vlan(struct command *c)
{
	uint16_t id;

	data_of(c, 0, &id, sizeof(id));
	id = le16toh(id);
	if (id >= NET_VLANS)
		return -1;
	net_filter_vlan(&c->n->filter, id, c->hdr.cmd == VIRTIO_NET_CTRL_VLAN_ADD);
	return 0;
}

/* The driver has told the network where it is. */
static int announced(struct command *c)
{
	net_set_announce(c->n, false);
	return 0;
}

/* One less that has not heard of it; the last one lets the driver know. */
static void mq_heard(struct vu_queue *q, struct vu_mail *mail)
{
	struct net *n = q->dev;

	(void)mail;
	if (--n->mq.left)
		return;
	*n->mq.ack = VIRTIO_NET_OK;
	vu_req_end(q, n->mq.req, sizeof(*n->mq.ack));
}

static void mq_hear(struct vu_queue *q, struct vu_mail *mail)
{
	struct net *n = q->dev;

	if (n->backend->pair)
		n->backend->pair(q);
	mail->run = mq_heard;
	vu_queue_post(n->queue[n->ctrl], mail);
}

static int mq_pairs(struct command *c)
{
	unsigned int i;
	uint16_t nr;

	data_of(c, 0, &nr, sizeof(nr));
	nr = le16toh(nr);
	if (!nr || nr > c->n->shown)
		return -1;
	c->ask.value = nr;
	__atomic_store_n(&c->n->active, nr, __ATOMIC_RELAXED);
	if (c->n->backend->ask)
		return 0;
	c->n->mq.left = c->n->shown;
	for (i = 0; i < c->n->shown; i++) {
		c->n->mq.mail[i].run = mq_hear;
		vu_queue_post(c->n->queue[2 * i], &c->n->mq.mail[i]);
	}
	return LATER;
}

/* A table of pairs at @off, @nr of them. Return: whether there are such pairs */
static bool rss_table(struct command *c, size_t off, unsigned int nr)
{
	uint16_t *queue = c->ask.rss.queue;
	unsigned int i;

	data_of(c, off, queue, nr * sizeof(*queue));
	for (i = 0; i < nr; i++) {
		queue[i] = le16toh(queue[i]);
		if (queue[i] >= c->n->shown)
			return false;
	}
	return true;
}

/* What is hashed, a table, how many pairs send, and a key: 5.1.6.5.7.1. Kernels have it, by a program of the front-end's. */
static int rss(struct command *c)
{
	struct vhost_user_net_rss *r = &c->ask.rss;
	struct virtio_net_rss_config head;
	struct __attribute__((packed)) {
		uint16_t pairs;
		uint8_t key_len;
	} tail;
	const size_t table = offsetof(struct virtio_net_rss_config, indirection_table);
	unsigned int nr;

	data_of(c, 0, &head, table);
	r->hash_types = le32toh(head.hash_types);
	r->mask = le16toh(head.indirection_table_mask);
	r->unclassified = le16toh(head.unclassified_queue);
	nr = r->mask + 1U;
	if (r->hash_types & ~VHOST_USER_NET_RSS_TYPES || r->unclassified >= c->n->shown || nr & r->mask ||
	    nr > VHOST_USER_NET_RSS_TABLE || c->len < table + nr * sizeof(uint16_t) + sizeof(tail))
		return -1;
	data_of(c, table + nr * sizeof(uint16_t), &tail, sizeof(tail));
	r->pairs = le16toh(tail.pairs);
	if (!r->pairs || r->pairs > c->n->shown || tail.key_len > sizeof(r->key) ||
	    c->len != table + nr * sizeof(uint16_t) + sizeof(tail) + tail.key_len)
		return -1;
	data_of(c, c->len - tail.key_len, r->key, tail.key_len);
	return rss_table(c, table, nr) ? 0 : -1;
}

/* Offloads of those that were negotiated */
static int guest_offloads(struct command *c)
{
	uint64_t on;

	data_of(c, 0, &on, sizeof(on));
	on = le64toh(on);
	if (on & ~(c->n->features & NET_GUEST_OFFLOADS) || c->n->backend->offload(c->n, on))
		return -1;
	c->ask.value = on;
	c->n->offloads = on;
	return 0;
}

/* --- the table --- */

/* @feature: that it needs. @min: @max: bytes of data */
static const struct {
	int (*run)(struct command *c);
	uint8_t class;
	uint8_t cmd;
	uint8_t feature;
	uint32_t min, max;
} commands[] = {
#define CMD(_class, _cmd, _feature, _min, _max, _run) \
	{ _run, VIRTIO_NET_CTRL_##_class, VIRTIO_NET_CTRL_##_class##_##_cmd, VIRTIO_NET_F_##_feature, _min, _max }
	CMD(RX, PROMISC, CTRL_RX, 1, 1, rx_mode),
	CMD(RX, ALLMULTI, CTRL_RX, 1, 1, rx_mode),
	CMD(RX, ALLUNI, CTRL_RX_EXTRA, 1, 1, rx_mode),
	CMD(RX, NOMULTI, CTRL_RX_EXTRA, 1, 1, rx_mode),
	CMD(RX, NOUNI, CTRL_RX_EXTRA, 1, 1, rx_mode),
	CMD(RX, NOBCAST, CTRL_RX_EXTRA, 1, 1, rx_mode),
	CMD(MAC, TABLE_SET, CTRL_RX, 8, COMMAND_MAX, mac_tables),
	CMD(MAC, ADDR_SET, CTRL_MAC_ADDR, ETH_ALEN, ETH_ALEN, mac_addr),
	CMD(VLAN, ADD, CTRL_VLAN, 2, 2, vlan),
	CMD(VLAN, DEL, CTRL_VLAN, 2, 2, vlan),
	CMD(ANNOUNCE, ACK, GUEST_ANNOUNCE, 0, 0, announced),
	CMD(MQ, VQ_PAIRS_SET, MQ, 2, 2, mq_pairs),
	CMD(MQ, RSS_CONFIG, RSS, 13, COMMAND_MAX, rss),
	CMD(GUEST_OFFLOADS, SET, CTRL_GUEST_OFFLOADS, 8, 8, guest_offloads),
#undef CMD
};

/* Where the front-end has the last word, what was stored here is nobody's concern if it refuses. */
static int command_ask(struct command *c)
{
	c->ask.class = c->hdr.class;
	c->ask.cmd = c->hdr.cmd;
	return c->n->backend->ask(c->n, &c->ask);
}

static int command_run(struct command *c)
{
	unsigned int i;
	int ret;

	iov_read(c->iov, c->nr_iov, 0, &c->hdr, sizeof(c->hdr));
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (commands[i].class != c->hdr.class || commands[i].cmd != c->hdr.cmd)
			continue;
		if (!net_has(c->n, commands[i].feature) || c->len < commands[i].min || c->len > commands[i].max)
			return -1;
		ret = commands[i].run(c);
		return !ret && c->n->backend->ask ? command_ask(c) : ret;
	}
	return -1;
}

/* Where the first byte that the device writes goes; there is one. */
static virtio_net_ctrl_ack *ack_of(const struct vu_req *r, const struct iovec *iov)
{
	for (iov += r->elem.nr_out; !iov->iov_len; iov++)
		;
	return iov->iov_base;
}

/* Return: whether it was a command */
static bool command_take(struct vu_queue *q, struct vu_req *r, struct iovec *iov)
{
	struct command c = { .n = q->dev, .iov = iov, .nr_iov = r->elem.nr_out };
	virtio_net_ctrl_ack *ack;
	int ret;

	if (r->elem.out_len < sizeof(c.hdr) || r->elem.in_len < sizeof(*ack)) {
		vu_req_refuse(q, r, "a command without header or room for an answer");
		return false;
	}
	c.len = r->elem.out_len - sizeof(c.hdr);
	ack = ack_of(r, iov);
	ret = command_run(&c);
	if (ret >= 0)
		net_kept_save(c.n);
	if (ret == LATER) {
		c.n->mq.req = r;
		c.n->mq.ack = ack;
		return true;
	}
	*ack = ret ? VIRTIO_NET_ERR : VIRTIO_NET_OK;
	vu_req_end(q, r, sizeof(*ack));
	return true;
}

/* One after the other: a command may rely on those before. */
static bool ctrl_run(struct vu_queue *q)
{
	const struct net *n = q->dev;
	struct iovec *iov;
	struct vu_req *r;
	unsigned int i;

	for (i = 0; i < ROUND && !n->mq.left && (r = vu_queue_pull(q, &iov)); i++)
		if (!command_take(q, r, iov))
			break;
	return i;
}

const struct vu_queue_ops net_ctrl_ops = { .run = ctrl_run };

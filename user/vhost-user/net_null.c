// SPDX-License-Identifier: GPL-2.0
/* The back end null: what is sent is dropped, and packets are made as fast as there are buffers for them. */
#include <stdlib.h>
#include <string.h>

#include "net.h"

/* Packets of a round: the driver hears of them meanwhile */
#define ROUND	64
/* An ethertype for experiments (IEEE 802) */
#define ETH_P_EXPERIMENT	0x88b5

static unsigned char *packet;

static int null_open(struct net *n, const struct net_opts *o)
{
	struct ethhdr *eth;

	if (!o->generate)
		return 0;
	packet = calloc(1, o->generate);
	if (!packet)
		return -1;
	eth = (struct ethhdr *)packet;
	memset(eth->h_dest, 0xff, ETH_ALEN);
	if (o->has_mac)
		memcpy(eth->h_dest, n->config.mac, ETH_ALEN);
	/* Administered locally */
	eth->h_source[0] = 2;
	eth->h_proto = htobe16(ETH_P_EXPERIMENT);
	return 0;
}

static bool null_tx(struct vu_queue *q)
{
	struct net_req *req;
	unsigned int i;

	for (i = 0; i < ROUND && (req = net_tx_pull(q)); i++)
		net_req_end(q, req, 0);
	return i;
}

static bool null_rx(struct vu_queue *q)
{
	const struct net *n = q->dev;
	unsigned int i;

	if (!packet || !net_pair_used(n, q->index / 2))
		return false;
	for (i = 0; i < ROUND && net_rx_packet(q, packet, n->opts->generate) > 0; i++)
		;
	return i;
}

const struct net_backend net_null = {
	.name = "null",
	.kind = NET_NULL,
	.open = null_open,
	.rx = { .run = null_rx, .stop = net_rx_release },
	.tx = { .run = null_tx },
};

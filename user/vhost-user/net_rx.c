// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of the driver's, see net.h.
 *
 * Receive buffers are pulled ahead of packets, and used about in the order in which they were pulled. One
 * that turns out not to be needed is held for the next packet.
 */
#include "net.h"

#include <stdlib.h>

#include "iov.h"
#include "lib/bits.h"

/* Return: 0, or -1: there is no memory */
static int req_segments(struct net_req *req, const struct iovec *iov, unsigned int nr)
{
	unsigned int i;

	if (nr > NET_IOV_MAX - 1)
		nr = NET_IOV_MAX - 1;
	req->iov = nr > NET_REQ_IOV ? calloc(nr + 1, sizeof(*iov)) : req->inner;
	if (!req->iov)
		return -1;
	req->nr_iov = nr;
	req->len = 0;
	for (i = 0; i < nr; i++) {
		req->iov[i] = iov[i];
		req->len += iov[i].iov_len;
	}
	return 0;
}

static void req_forget(struct net_req *req)
{
	if (req->iov != req->inner)
		free(req->iov);
	req->iov = req->inner;
}

void net_req_end(struct vu_queue *q, struct net_req *req, uint32_t len)
{
	req_forget(req);
	vu_req_end(q, &req->r, len);
}

static struct net_req *refuse(struct vu_queue *q, struct vu_req *r, const char *why)
{
	vu_req_refuse(q, r, why);
	return NULL;
}

/* A packet of more segments than an operation takes is not sent. */
struct net_req *net_tx_pull(struct vu_queue *q)
{
	const struct net *n = q->dev;
	struct iovec *iov;
	struct vu_req *r;

	while ((r = vu_queue_pull(q, &iov))) {
		if (r->elem.out_len < n->hdr_len + ETH_HLEN)
			return refuse(q, r, "a packet without header");
		if (r->elem.nr_out < NET_IOV_MAX && !req_segments((struct net_req *)r, iov, r->elem.nr_out))
			return (struct net_req *)r;
		vu_req_end(q, r, 0);
	}
	return NULL;
}

/* --- receive buffers --- */

struct net_req *net_rx_take(struct vu_queue *q)
{
	const struct net *n = q->dev;
	struct net_rx *rx = net_rx_of(q);
	struct net_req *req;
	struct iovec *iov;
	struct vu_req *r;

	if (rx->nr_held) {
		req = rx->held[rx->first++ % ARRAY_SIZE(rx->held)];
		rx->nr_held--;
		return req;
	}
	r = vu_queue_pull(q, &iov);
	if (!r)
		return NULL;
	if (r->elem.in_len < n->hdr_len + ETH_HLEN)
		return refuse(q, r, "a receive buffer without room for a header");
	req = (struct net_req *)r;
	if (req_segments(req, iov + r->elem.nr_out, r->elem.nr_in)) {
		vu_req_back(q, r);
		return NULL;
	}
	req->seq = ++rx->pulled;
	return req;
}

void net_rx_put(struct vu_queue *q, struct net_req *req)
{
	struct net_rx *rx = net_rx_of(q);

	rx->held[--rx->first % ARRAY_SIZE(rx->held)] = req;
	rx->nr_held++;
}

void net_rx_add(struct vu_queue *q, struct net_req *req)
{
	struct net_rx *rx = net_rx_of(q);

	rx->got[rx->nr_got++] = req;
	rx->got_len += req->len;
}

void net_rx_scatter(struct vu_queue *q)
{
	struct net_rx *rx = net_rx_of(q);

	while (rx->nr_got)
		net_rx_put(q, rx->got[--rx->nr_got]);
	rx->got_len = 0;
}

int net_rx_gather(struct vu_queue *q, size_t len)
{
	const struct net *n = q->dev;
	struct net_rx *rx = net_rx_of(q);
	struct net_req *req;

	while (rx->got_len < len) {
		req = rx->nr_got && !n->mergeable ? NULL : net_rx_take(q);
		if (req) {
			net_rx_add(q, req);
			continue;
		}
		if (!(rx->nr_got && !n->mergeable) && !vu_queue_full(q))
			return 0;
		net_rx_scatter(q);
		return -1;
	}
	return 1;
}

void net_rx_copy(struct vu_queue *q, size_t off, const void *from, size_t len)
{
	struct net_rx *rx = net_rx_of(q);
	unsigned int i;
	size_t n;

	for (i = 0; i < rx->nr_got && len; i++) {
		struct net_req *req = rx->got[i];

		if (off >= req->len) {
			off -= req->len;
			continue;
		}
		n = iov_write(req->iov, req->nr_iov, off, from, len);
		from = (const char *)from + n;
		len -= n;
		off = 0;
	}
}

void net_rx_finish(struct vu_queue *q, size_t len)
{
	const struct net *n = q->dev;
	struct net_rx *rx = net_rx_of(q);
	unsigned int nr, i;
	uint16_t le;
	size_t sum = 0;

	for (nr = 0; nr < rx->nr_got && sum < len; nr++)
		sum += rx->got[nr]->len;
	while (rx->nr_got > nr)
		net_rx_put(q, rx->got[--rx->nr_got]);
	le = htole16((uint16_t)nr);
	if (n->hdr_len == sizeof(struct virtio_net_hdr_mrg_rxbuf))
		net_rx_copy(q, offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers), &le, sizeof(le));
	for (i = 0; i < nr; i++) {
		struct net_req *req = rx->got[i];
		size_t part = req->len < len ? req->len : len;

		len -= part;
		if (req->seq > rx->used)
			rx->used = req->seq;
		net_req_end(q, req, (uint32_t)part);
	}
	rx->nr_got = 0;
	rx->got_len = 0;
}

int net_rx_packet(struct vu_queue *q, const void *frame, size_t len)
{
	static const struct virtio_net_hdr_mrg_rxbuf none;
	const struct net *n = q->dev;
	int ret = net_rx_gather(q, n->hdr_len + len);

	if (ret <= 0)
		return ret;
	net_rx_copy(q, 0, &none, n->hdr_len);
	net_rx_copy(q, n->hdr_len, frame, len);
	net_rx_finish(q, n->hdr_len + len);
	return 1;
}

static int newest_first(const void *a, const void *b)
{
	const struct net_req *const *x = a, *const *y = b;

	return (*x)->seq < (*y)->seq ? 1 : -1;
}

/* One that was pulled before another that is used cannot go back: it is used, and empty. */
void net_rx_release(struct vu_queue *q)
{
	struct net_rx *rx = net_rx_of(q);
	unsigned int i;

	while (rx->nr_held)
		net_rx_add(q, net_rx_take(q));
	qsort(rx->got, rx->nr_got, sizeof(rx->got[0]), newest_first);
	for (i = 0; i < rx->nr_got; i++) {
		struct net_req *req = rx->got[i];

		if (req->seq < rx->used) {
			net_req_end(q, req, 0);
			continue;
		}
		req_forget(req);
		vu_req_back(q, &req->r);
	}
	rx->nr_got = 0;
	rx->got_len = 0;
}

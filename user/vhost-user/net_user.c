// SPDX-License-Identifier: GPL-2.0
/*
 * The back end user: queues. The network stack, libslirp, has a thread of its own; packets go
 * there and come from there by two pipes.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "iov.h"
#include "lib/log.h"
#include "net_slirp.h"

/* Packets of a round */
#define ROUND	64

/**
 * struct waiter - a queue that may wait for the stack
 * @side: its side of its pipe
 * @polling: for that
 */
struct waiter {
	struct net_pipe_side *side;
	bool polling;
};

static struct net_slirp stack;
static struct waiter rx = { .side = &stack.rx.out }, tx = { .side = &stack.tx.in };

static void user_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe)
{
	(void)cqe;
	net_poll_end(q, data);
	net_pipe_woken(data == &rx.polling ? rx.side : tx.side);
}

/* --- receiving --- */

/* The next packet; if there is none, the stack is going to say when there is. */
static const void *rx_peek(struct vu_queue *q, size_t *len)
{
	const void *frame = net_pipe_peek(&stack.rx, len);

	if (frame || rx.polling)
		return frame;
	net_pipe_sleepy(rx.side);
	frame = net_pipe_peek(&stack.rx, len);
	if (!frame)
		net_poll(q, POLLIN, &rx.polling);
	return frame;
}

static bool user_rx(struct vu_queue *q)
{
	const struct net *n = q->dev;
	const void *frame;
	unsigned int i;
	size_t len;

	for (i = 0; i < ROUND && (frame = rx_peek(q, &len)); i++) {
		if (net_filter_pass(&n->filter, frame, len) && !net_rx_packet(q, frame, len))
			break;
		net_pipe_pop(&stack.rx, len);
	}
	return i;
}

static void user_rx_stop(struct vu_queue *q)
{
	net_poll_cancel(q, &rx.polling);
	net_rx_release(q);
}

/* --- sending --- */

static void *tx_room(struct vu_queue *q)
{
	void *room = net_pipe_room(&stack.tx, NET_PACKET_MAX);

	if (room || tx.polling)
		return room;
	net_pipe_sleepy(tx.side);
	room = net_pipe_room(&stack.tx, NET_PACKET_MAX);
	if (!room)
		net_poll(q, POLLIN, &tx.polling);
	return room;
}

static bool user_tx(struct vu_queue *q)
{
	const struct net *n = q->dev;
	struct net_req *req;
	unsigned int i;
	void *room;
	size_t len;

	for (i = 0; i < ROUND && (room = tx_room(q)) && (req = net_tx_pull(q)); i++) {
		len = iov_read(req->iov, req->nr_iov, n->hdr_len, room, NET_PACKET_MAX);
		net_pipe_push(&stack.tx, len);
		net_req_end(q, req, 0);
	}
	if (i)
		net_pipe_flush(&stack.tx);
	return i;
}

static void user_tx_stop(struct vu_queue *q)
{
	net_poll_cancel(q, &tx.polling);
}

/* --- control --- */

static int user_open(struct net *n, const struct net_opts *o)
{
	if (n->pairs > 1)
		return log_err("--queue-pairs=%u: --backend=user has one", n->pairs);
	if (net_pipe_open(&stack.rx) || net_pipe_open(&stack.tx))
		return log_err("user: %s", strerror(ENOMEM));
	n->file[0] = rx.side->fd;
	n->file[1] = tx.side->fd;
	return net_slirp_open(&stack, &o->user, o->mtu);
}

static int user_start(void *net)
{
	(void)net;
	return net_slirp_start(&stack);
}

const struct net_backend net_user = {
	.name = "user",
	.kind = NET_USER,
	.open = user_open,
	.start = user_start,
	.calls = net_slirp_calls,
	.rx = { .run = user_rx, .stop = user_rx_stop, .done = user_done },
	.tx = { .run = user_tx, .stop = user_tx_stop, .done = user_done },
};

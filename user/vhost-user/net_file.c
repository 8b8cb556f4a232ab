// SPDX-License-Identifier: GPL-2.0
/*
 * Packets of a file: a queue of a tap, or a packet socket, which takes and gives one packet with its header at a time.
 *
 * A batch of writes, or of reads, is submitted at once, on guest memory. A read that finds nothing ends a
 * batch, and the file is polled. Behind the receive buffer each read has a spill of its own: what a packet is
 * too long for goes there, and is copied to further buffers. While packets are that long, one read at a
 * time gets many buffers instead.
 *
 * Where the file has a header shorter than the driver's, a packet is read to so far behind the start of its buffer that what
 * follows the header is where it belongs, and then the header is moved.
 */
#define _GNU_SOURCE
#include "net_file.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "iov.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/rarp.h"

#define FIRST_DEPTH	8

/**
 * struct slot - a read
 * @first: @nr: its buffers in file_rx.taken, nr is 0 when they were put back
 * @len: bytes in them
 * @iov: of the read: @nr_iov in file_rx.iov
 * @res: what came of it
 */
struct slot {
	unsigned int first;
	unsigned int nr;
	size_t len;
	unsigned int iov;
	unsigned int nr_iov;
	int res;
};

/**
 * struct file_rx - reads of a queue
 * @nr: slots of this batch
 * @pending: of them under way
 * @next: the next to be delivered
 * @at_hand: some of its buffers are with the packet at hand
 * @depth: slots of the next batch
 * @big: packets are longer than a buffer
 * @drained: a read has found nothing
 * @polling: the poll is under way
 * @dead: reading fails
 * @stopping: the queue is about to stop
 * @rw_flags: of each read
 * @spill: NET_PACKET_MAX bytes for each slot
 * @iov: of the reads, @nr_iov of them
 */
struct file_rx {
	unsigned int nr;
	unsigned int pending;
	unsigned int next;
	bool at_hand;
	unsigned int depth;
	bool big;
	bool drained;
	bool polling;
	bool dead;
	bool stopping;
	int rw_flags;
	struct slot slot[NET_BATCH];
	struct net_req *taken[NET_IOV_MAX];
	unsigned int nr_taken;
	char *spill;
	unsigned int nr_iov;
	struct iovec iov[NET_BATCH * (NET_REQ_IOV + 1)];
};

/**
 * struct file_tx - writes of a queue
 * @stalled: packets that the file does not take now, oldest first; @last: the last of them
 * @polling: for the file to take more
 * @stopping: the queue is about to stop
 * @rw_flags: of each write
 */
struct file_tx {
	struct vu_req *stalled;
	struct vu_req **last;
	bool polling;
	bool stopping;
	int rw_flags;
};

/* Bytes at the end of the driver's header that a packet of the file has not */
static size_t hdr_gap(const struct net *n)
{
	return n->backend->file_hdr ? n->hdr_len - n->backend->file_hdr : 0;
}

static struct file_rx *rx_of(const struct vu_queue *q)
{
	return ((struct net *)q->dev)->priv[q->index];
}

static struct file_tx *tx_of(const struct vu_queue *q)
{
	return ((struct net *)q->dev)->priv[q->index];
}

/* --- receiving --- */

/* The buffers of a slot, or of those that follow, were not used; newest first. */
static void slots_put(struct vu_queue *q, unsigned int from, bool all)
{
	struct file_rx *f = rx_of(q);
	unsigned int i;

	for (i = f->nr; i-- > from; ) {
		struct slot *s = &f->slot[i];

		while (s->nr && (all || s->res <= 0))
			net_rx_put(q, f->taken[s->first + --s->nr]);
	}
}

/* Return: whether it is done with: what came is in the driver's hands, or dropped */
static bool slot_deliver(struct vu_queue *q, struct slot *s)
{
	struct file_rx *f = rx_of(q);
	struct net_rx *rx = net_rx_of(q);
	size_t len = (size_t)s->res;
	unsigned int i;
	int ret;

	if (f->big)
		f->big = rx->nr_got || len > f->taken[s->first]->len;
	else
		f->big = ((struct net *)q->dev)->mergeable && len > s->len;
	if (!f->at_hand)
		for (i = 0; i < s->nr; i++)
			net_rx_add(q, f->taken[s->first + i]);
	f->at_hand = true;
	s->nr = 0;
	ret = net_rx_gather(q, len);
	if (!ret)
		return false;
	f->at_hand = false;
	if (ret < 0)
		return true;
	if (len > s->len)
		net_rx_copy(q, s->len, f->spill + (s - f->slot) * NET_PACKET_MAX, len - s->len);
	net_rx_finish(q, len);
	return true;
}

static void batch_new(struct file_rx *f)
{
	f->nr = 0;
	f->next = 0;
	f->nr_taken = 0;
	f->nr_iov = 0;
}

/* Return: whether anything was delivered */
static bool batch_deliver(struct vu_queue *q)
{
	struct file_rx *f = rx_of(q);
	bool any = false;

	for (; f->next < f->nr; f->next++) {
		struct slot *s = &f->slot[f->next];

		if (s->res <= 0)
			continue;
		if (!slot_deliver(q, s))
			return any;
		any = true;
	}
	batch_new(f);
	return any;
}

static void batch_release(struct vu_queue *q)
{
	struct file_rx *f = rx_of(q);

	slots_put(q, f->next, true);
	batch_new(f);
	f->at_hand = false;
	f->dead = false;
	net_rx_release(q);
}

/* Does the driver want what came? What it has changed since then may mislead nobody but itself. */
static bool slot_wanted(const struct vu_queue *q, const struct slot *s)
{
	const struct net *n = q->dev;
	const struct net_req *req = rx_of(q)->taken[s->first];
	unsigned char head[NET_FILTER_LEN];
	size_t len = (size_t)s->res - n->hdr_len;

	if (!n->filter.on)
		return true;
	len = iov_read(req->iov, req->nr_iov, n->hdr_len, head, len < sizeof(head) ? len : sizeof(head));
	return net_filter_pass(&n->filter, head, len);
}

/* Make what came what the driver takes. Return: its bytes with the driver's header; 0: it is dropped */
static int slot_fit(const struct vu_queue *q, const struct slot *s)
{
	const struct net *n = q->dev;
	const struct net_req *req = rx_of(q)->taken[s->first];
	const struct iovec *iov = rx_of(q)->iov + s->iov;
	struct virtio_net_hdr hdr;
	int res = s->res;

	/* A packet socket says so of a packet that its header cannot describe. */
	if (res == -EINVAL && n->backend->file_hdr)
		return 0;
	if (res > 0 && n->backend->file_fit && !n->backend->file_fit(iov, s->nr_iov, (size_t)res))
		return 0;
	if (res > 0 && hdr_gap(n)) {
		iov_read(iov, s->nr_iov, 0, &hdr, sizeof(hdr));
		iov_write(req->iov, req->nr_iov, 0, &hdr, sizeof(hdr));
		res += (int)hdr_gap(n);
	}
	return res;
}

static void batch_end(struct vu_queue *q)
{
	const struct net *n = q->dev;
	struct file_rx *f = rx_of(q);
	unsigned int i, got = 0;

	for (i = 0; i < f->nr; i++) {
		int res = slot_fit(q, &f->slot[i]);

		f->slot[i].res = res;
		if (res > 0 && ((unsigned int)res < n->hdr_len + ETH_HLEN || !slot_wanted(q, &f->slot[i])))
			f->slot[i].res = 0;
		/* One that was not wanted was one, too. */
		got += res > 0;
		f->drained |= res == -EAGAIN || res == -ENETDOWN;
		if (res >= 0 || res == -EAGAIN || res == -ENETDOWN || f->dead)
			continue;
		f->dead = true;
		log_warn("queue %u: receiving: %s", q->index, strerror(-res));
	}
	f->depth = got == f->nr ? 2 * got : got + 1;
	if (f->depth > NET_BATCH)
		f->depth = NET_BATCH;
	slots_put(q, 0, false);
	batch_deliver(q);
	if (f->stopping)
		batch_release(q);
}

/* An older kernel's io_uring cannot be kept from waiting, see nowait(). Return: whether there may be more to read */
static bool slot_read(struct vu_queue *q, struct slot *s)
{
	const struct net *n = q->dev;
	struct file_rx *f = rx_of(q);
	const struct iovec *iov = f->iov + s->iov;
	struct io_uring_sqe *sqe;
	ssize_t len;

	f->iov[f->nr_iov++] = (struct iovec){ f->spill + (s - f->slot) * NET_PACKET_MAX, NET_PACKET_MAX };
	s->nr_iov++;
	if (!f->rw_flags) {
		len = readv(n->file[q->index], iov, (int)s->nr_iov);
		s->res = len < 0 ? -errno : (int)len;
		return len > 0;
	}
	sqe = vu_queue_sqe(q);
	io_uring_prep_readv2(sqe, 0, iov, s->nr_iov, (uint64_t)-1, f->rw_flags);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, s);
	f->pending++;
	return true;
}

/* Another buffer for the last slot. Return: whether there is one, and room for its segments */
static bool slot_add(struct vu_queue *q, struct slot *s)
{
	struct file_rx *f = rx_of(q);
	struct net_req *req = net_rx_take(q);
	unsigned int nr;

	if (!req)
		return false;
	/* One of the read, and one of all, is for the spill. */
	if (s->nr_iov + req->nr_iov >= NET_IOV_MAX || f->nr_iov + req->nr_iov >= ARRAY_SIZE(f->iov)) {
		net_rx_put(q, req);
		return false;
	}
	nr = iov_window(req->iov, req->nr_iov, s->nr ? 0 : hdr_gap(q->dev), req->len, f->iov + f->nr_iov, req->nr_iov);
	f->nr_iov += nr;
	s->nr_iov += nr;
	f->taken[f->nr_taken++] = req;
	s->nr++;
	s->len += req->len;
	return true;
}

/* Return: another slot, with a buffer, or NULL */
static struct slot *slot_new(struct vu_queue *q)
{
	struct file_rx *f = rx_of(q);
	struct slot *s = &f->slot[f->nr];

	*s = (struct slot){ .first = f->nr_taken, .iov = f->nr_iov };
	if (!slot_add(q, s))
		return NULL;
	f->nr++;
	return s;
}

/* A read with as many buffers as a packet may need */
static void batch_read_big(struct vu_queue *q)
{
	struct slot *s = slot_new(q);

	if (!s)
		return;
	while (s->len < NET_PACKET_MAX && slot_add(q, s))
		;
	slot_read(q, s);
}

static void batch_read(struct vu_queue *q)
{
	struct file_rx *f = rx_of(q);
	struct slot *s;

	while (f->nr < f->depth && (s = slot_new(q)) && slot_read(q, s))
		;
}

bool net_file_rx(struct vu_queue *q)
{
	struct file_rx *f = rx_of(q);
	bool any = false;

	f->stopping = false;
	if (f->pending)
		return false;
	if (f->nr)
		any = batch_deliver(q);
	if (any || f->nr || f->polling || f->dead)
		return any;
	if (f->drained) {
		f->drained = false;
		net_poll(q, POLLIN, &f->polling);
		return false;
	}
	if (f->big)
		batch_read_big(q);
	else
		batch_read(q);
	if (!f->nr)
		return false;
	if (!f->pending)
		batch_end(q);
	return true;
}

void net_file_rx_stop(struct vu_queue *q)
{
	struct file_rx *f = rx_of(q);

	f->stopping = true;
	f->drained = false;
	net_poll_cancel(q, &f->polling);
	if (!f->pending)
		batch_release(q);
}

void net_file_rx_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe)
{
	struct file_rx *f = rx_of(q);

	if (data == &f->polling) {
		net_poll_end(q, data);
		return;
	}
	((struct slot *)data)->res = cqe->res;
	if (!--f->pending)
		batch_end(q);
}

/* --- sending --- */

/* The file's header in place of the driver's, with its first bytes */
static void req_behead(const struct net *n, struct net_req *req)
{
	iov_read(req->iov, req->nr_iov, 0, &req->hdr, sizeof(req->hdr));
	memmove(req->iov + 1, req->iov, req->nr_iov * sizeof(*req->iov));
	req->nr_iov = 1 + iov_window(req->iov + 1, req->nr_iov, n->hdr_len, req->len, req->iov + 1, req->nr_iov);
	req->iov[0] = (struct iovec){ &req->hdr, sizeof(req->hdr) };
}

static void req_write(struct vu_queue *q, struct net_req *req)
{
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	io_uring_prep_writev2(sqe, 0, req->iov, req->nr_iov, (uint64_t)-1, tx_of(q)->rw_flags);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, req);
}

bool net_file_tx(struct vu_queue *q)
{
	const struct net *n = q->dev;
	struct file_tx *f = tx_of(q);
	struct net_req *req;
	unsigned int i;

	f->stopping = false;
	if (f->polling)
		return false;
	for (i = 0; i < NET_BATCH && (req = net_tx_pull(q)); i++) {
		if (hdr_gap(n))
			req_behead(n, req);
		req_write(q, req);
	}
	return i;
}

static void stalled_add(struct vu_queue *q, struct net_req *req)
{
	struct file_tx *f = tx_of(q);

	if (!f->stalled)
		f->last = &f->stalled;
	req->r.next = NULL;
	*f->last = &req->r;
	f->last = &req->r.next;
	if (!f->polling)
		net_poll(q, POLLOUT, &f->polling);
}

/* What had to wait is written, or dropped. */
static void stalled_go(struct vu_queue *q)
{
	struct file_tx *f = tx_of(q);
	struct vu_req *r = f->stalled, *next;

	f->stalled = NULL;
	for (; r; r = next) {
		next = r->next;
		if (f->stopping)
			net_req_end(q, (struct net_req *)r, 0);
		else
			req_write(q, (struct net_req *)r);
	}
}

void net_file_tx_stop(struct vu_queue *q)
{
	struct file_tx *f = tx_of(q);

	f->stopping = true;
	stalled_go(q);
	net_poll_cancel(q, &f->polling);
}

/* A packet that cannot be sent is dropped, as by any network. */
void net_file_tx_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe)
{
	struct file_tx *f = tx_of(q);

	if (data == &f->polling) {
		net_poll_end(q, data);
		stalled_go(q);
	} else if (cqe->res == -EAGAIN && !f->stopping) {
		stalled_add(q, data);
	} else {
		net_req_end(q, data, 0);
	}
}

/* --- control --- */

/*
 * io_uring waits in spite of O_NONBLOCK, for all of a batch in no order, unless each is a request that does not
 * wait. Taps know of those since 6.4; before, they are read by system calls.
 */
static int nowait(int fd)
{
	char c;
	struct iovec iov = { &c, 1 };

	return preadv2(fd, &iov, 1, -1, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP ? 0 : RWF_NOWAIT;
}

int net_file_open(struct net *n, unsigned int pair, int fd)
{
	struct file_rx *rx = calloc(1, sizeof(*rx));
	struct file_tx *tx = calloc(1, sizeof(*tx));

	n->file[2 * pair] = fd;
	n->file[2 * pair + 1] = fd;
	n->priv[2 * pair] = rx;
	n->priv[2 * pair + 1] = tx;
	if (rx)
		rx->spill = calloc(NET_BATCH, NET_PACKET_MAX);
	if (!rx || !tx || !rx->spill)
		return log_err("%s", strerror(ENOMEM));
	rx->depth = FIRST_DEPTH;
	rx->rw_flags = nowait(fd);
	tx->rw_flags = rx->rw_flags;
	return 0;
}

unsigned int net_file_mtu(const struct net *n)
{
	struct ifreq ifr;

	memcpy(ifr.ifr_name, n->link_name, sizeof(ifr.ifr_name));
	return n->link < 0 || ioctl(n->link, SIOCGIFMTU, &ifr) ? 0 : (unsigned int)ifr.ifr_mtu;
}

void net_file_announce(const struct net *n, const uint8_t *mac)
{
	size_t hdr = n->hdr_len - hdr_gap(n);
	uint8_t packet[sizeof(struct virtio_net_hdr_mrg_rxbuf) + RARP_BYTES] = { 0 };

	rarp_frame(packet + hdr, mac);
	if (write(n->file[0], packet, hdr + RARP_BYTES) < 0)
		log_warn("announcing the driver's address: %s", strerror(errno));
}

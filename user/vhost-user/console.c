// SPDX-License-Identifier: GPL-2.0
/*
 * Data of ports: what the host's side sends goes to the guest as it has room for it, and the other way round.
 *
 * A queue has one operation on the host's side under way. What does not go on, for want of a buffer or of a
 * reader, waits where it is: in the host's socket, or in the guest's ring.
 */
#define _GNU_SOURCE
#include "console.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iov.h"
#include "lib/log.h"

static void cancel(struct vu_queue *q, void *what)
{
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	io_uring_prep_cancel(sqe, what, 0);
	io_uring_sqe_set_data(sqe, NULL);
}

/* --- the host's side comes and goes; context: the receive queue --- */

static struct vu_queue *tx_of(const struct vu_queue *q)
{
	const struct console *c = q->dev;

	return c->d->queue[q->index + 1];
}

static void hand_out(struct vu_queue *q, struct console_port *p, int fd)
{
	int old = __atomic_exchange_n(&p->handed, fd, __ATOMIC_SEQ_CST);

	if (old >= 0)
		close(old);
	vu_queue_wake(tx_of(q));
}

static void turn(struct vu_queue *q, struct console_port *p)
{
	__atomic_fetch_add(&p->turns, 1, __ATOMIC_SEQ_CST);
	console_tell(q->dev, p, 0);
}

static void connected(struct vu_queue *q, struct console_port *p, int fd)
{
	int out = dup(fd);

	if (out < 0) {
		log_warn("port %s: %s", p->name ?: "", strerror(errno));
		close(fd);
		return;
	}
	p->in = fd;
	p->in_is_socket = p->pty < 0;
	p->ending = false;
	hand_out(q, p, out);
	turn(q, p);
}

/* A terminal, a pipe or a file that ends can be written to still. */
static void disconnected(struct vu_queue *q, struct console_port *p)
{
	if (p->in_is_socket)
		shutdown(p->in, SHUT_RDWR);
	close(p->in);
	p->in = -1;
	p->ending = false;
	if (!p->in_is_socket && p->pty < 0)
		return;
	hand_out(q, p, HANDED_NONE);
	turn(q, p);
}

/* Wait for the host's side. A pseudo-terminal has one when somebody opens it. */
static bool connect_next(struct vu_queue *q, struct console_port *p)
{
	static char events[4096];
	struct io_uring_sqe *sqe;

	if (p->connecting || (p->listener < 0 && p->pty < 0))
		return false;
	sqe = vu_queue_sqe(q);
	if (p->listener >= 0)
		io_uring_prep_accept(sqe, p->listener, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_read(sqe, p->pty_opened, events, sizeof(events), 0);
	io_uring_sqe_set_data(sqe, &p->connecting);
	p->connecting = true;
	return true;
}

/* Where it fails, for want of descriptors above all, it is tried again a second later. */
static void connect_done(struct vu_queue *q, struct console_port *p, int res)
{
	static struct __kernel_timespec pause = { .tv_sec = 1 };
	int fd = res < 0 || p->listener >= 0 ? res : dup(p->pty);
	struct io_uring_sqe *sqe;

	p->connecting = false;
	if (fd >= 0) {
		connected(q, p, fd);
	} else if (res != -ETIME && res != -ECONNABORTED) {
		log_warn("port %s: no connection: %s", p->name ?: "", strerror(res < 0 ? -res : errno));
		p->connecting = true;
		sqe = vu_queue_sqe(q);
		io_uring_prep_timeout(sqe, &pause, 0, 0);
		io_uring_sqe_set_data(sqe, &p->connecting);
	}
}

/* Has a socket's peer left, with nothing of it left to read? */
static bool has_left(struct console_port *p)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (!p->ending)
		return false;
	n = recvmsg(p->in, &m, MSG_PEEK | MSG_DONTWAIT);
	/* What ended was the connection before this one. */
	if (n < 0 && errno == EAGAIN)
		p->ending = false;
	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* That a peer leaves is of interest while nothing is read from it, too. */
static bool watch(struct vu_queue *q, struct console_port *p)
{
	struct io_uring_sqe *sqe;

	if (!p->in_is_socket || p->watching || p->ending)
		return false;
	sqe = vu_queue_sqe(q);
	io_uring_prep_poll_add(sqe, p->in, POLLRDHUP);
	io_uring_sqe_set_data(sqe, &p->watching);
	p->watching = true;
	return true;
}

/* --- to the guest --- */

static bool rx_read(struct vu_queue *q, struct console_port *p)
{
	const struct console *c = q->dev;
	struct io_uring_sqe *sqe;
	struct vu_req *req;
	struct iovec *iov;

	if (c->multiport && !__atomic_load_n(&p->guest_open, __ATOMIC_SEQ_CST))
		return false;
	req = vu_queue_pull(q, &iov);
	if (!req)
		return false;
	if (req->elem.nr_out || !req->elem.in_len) {
		vu_req_refuse(q, req, "a buffer to receive that is to be read, or has no room");
		return false;
	}
	sqe = vu_queue_sqe(q);
	io_uring_prep_readv(sqe, p->in, p->in_iov, iov_window(iov, req->elem.nr_in, 0, CONSOLE_IO_MAX, p->in_iov, CONSOLE_IOV),
			    (uint64_t)-1);
	io_uring_sqe_set_data(sqe, req);
	p->reading = req;
	return true;
}

static bool rx_run(struct vu_queue *q)
{
	struct console_port *p = console_queue_port(q);
	bool did;

	if (p->in < 0)
		return connect_next(q, p);
	did = watch(q, p);
	if (!p->reading && rx_read(q, p))
		return true;
	if (p->reading || !has_left(p))
		return did;
	disconnected(q, p);
	return true;
}

static void read_done(struct vu_queue *q, struct console_port *p, int res)
{
	struct vu_req *req = p->reading;

	p->reading = NULL;
	if (res > 0) {
		vu_req_end(q, req, (uint32_t)res);
		return;
	}
	vu_req_back(q, req);
	if (res != -ECANCELED && res != -EINTR && res != -EAGAIN)
		disconnected(q, p);
}

static void rx_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe)
{
	struct console_port *p = console_queue_port(q);

	if (data == &p->connecting) {
		connect_done(q, p, cqe->res);
	} else if (data == &p->watching) {
		p->watching = false;
		p->ending = true;
	} else {
		read_done(q, p, cqe->res);
	}
}

/* Connections stay, and may come. */
static void rx_stop(struct vu_queue *q)
{
	struct console_port *p = console_queue_port(q);

	if (p->reading)
		cancel(q, p->reading);
}

static const uint8_t rx_opcodes[] = {
	IORING_OP_READV, IORING_OP_READ, IORING_OP_ACCEPT, IORING_OP_TIMEOUT, IORING_OP_ASYNC_CANCEL, IORING_OP_NOP,
};

const struct vu_queue_ops console_rx_ops = {
	.opcodes = rx_opcodes,
	.req_size = sizeof(struct vu_req),
	.run = rx_run,
	.stop = rx_stop,
	.done = rx_done,
};

/* --- from the guest --- */

/* The descriptor that the receive queue has handed over, if it has */
static void tx_take_handed(struct console_port *p)
{
	int fd = __atomic_exchange_n(&p->handed, HANDED_NOTHING, __ATOMIC_SEQ_CST);

	if (fd == HANDED_NOTHING)
		return;
	/* A write that is under way has the file still. */
	if (p->out >= 0)
		close(p->out);
	p->out = fd;
	p->failed = false;
}

static void tx_write(struct vu_queue *q, struct console_port *p)
{
	struct vu_req *req = p->writing;
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	io_uring_prep_writev(sqe, p->out, p->out_iov,
			     iov_window(p->segs, req->elem.nr_out, p->moved, CONSOLE_IO_MAX, p->out_iov, CONSOLE_IOV),
			     (uint64_t)-1);
	io_uring_sqe_set_data(sqe, req);
}

static void tx_end(struct vu_queue *q, struct console_port *p)
{
	struct vu_req *req = p->writing;

	p->writing = NULL;
	vu_req_end(q, req, 0);
}

/* It begins where a stop has cut it off. */
static void tx_begin(struct console_port *p, struct vu_req *req, struct iovec *iov)
{
	bool same = p->moved && req->elem.at == p->part.at && req->elem.head == p->part.head &&
		    req->elem.out_len == p->part.out_len;

	p->writing = req;
	p->segs = iov;
	p->moved = same ? p->moved : 0;
	p->part = (struct vring_elem){ 0 };
}

static bool tx_run(struct vu_queue *q)
{
	struct console_port *p = console_queue_port(q);
	struct vu_req *req;
	struct iovec *iov;
	bool did = false;

	if (p->writing)
		return false;
	tx_take_handed(p);
	while ((req = vu_queue_pull(q, &iov))) {
		if (req->elem.nr_in) {
			vu_req_refuse(q, req, "a buffer to transmit that is to be written");
			return did;
		}
		did = true;
		tx_begin(p, req, iov);
		if (p->out >= 0 && req->elem.out_len) {
			tx_write(q, p);
			return true;
		}
		tx_end(q, p);
	}
	return did;
}

/* The rest of the buffer is for the next start. */
static void tx_back(struct vu_queue *q, struct console_port *p)
{
	struct vu_req *req = p->writing;

	p->writing = NULL;
	p->part = req->elem;
	vu_req_back(q, req);
}

static void tx_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe)
{
	struct console_port *p = console_queue_port(q);
	int res = cqe->res;

	(void)data;
	if (res > 0)
		p->moved += (uint32_t)res;
	if (p->moved == p->writing->elem.out_len) {
		p->moved = 0;
		tx_end(q, p);
	} else if (!vu_queue_running(q) && (res > 0 || res == -ECANCELED || res == -EINTR)) {
		tx_back(q, p);
	} else if (res > 0 || res == -EINTR || res == -EAGAIN) {
		tx_write(q, p);
	} else {
		/* Of a connection's end the receive queue hears. */
		if (!p->failed && res != -EPIPE && res != -ECONNRESET && p->pty < 0)
			log_warn("port %s: what the guest sends is lost: %s", p->name ?: "", strerror(-res));
		p->failed = true;
		p->moved = 0;
		tx_end(q, p);
	}
}

static void tx_stop(struct vu_queue *q)
{
	struct console_port *p = console_queue_port(q);

	if (p->writing)
		cancel(q, p->writing);
}

static const uint8_t tx_opcodes[] = { IORING_OP_WRITEV, IORING_OP_ASYNC_CANCEL, IORING_OP_NOP };

const struct vu_queue_ops console_tx_ops = {
	.opcodes = tx_opcodes,
	.req_size = sizeof(struct vu_req),
	.run = tx_run,
	.stop = tx_stop,
	.done = tx_done,
};

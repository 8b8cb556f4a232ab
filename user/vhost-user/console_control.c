// SPDX-License-Identifier: GPL-2.0
/*
 * The control queues: what the guest is told of ports, and what it tells.
 *
 * There is no list of messages to send. What is yet to be told is part of each port's state, and becomes
 * a message when the guest has a buffer for it.
 */
#define _GNU_SOURCE
#include "console.h"

#include <endian.h>
#include <string.h>

#include "iov.h"
#include "lib/bits.h"

/* After those of TELL_*: that the host's side has come or gone */
#define TELL_TURN	(TELL_AGAIN + 1)

struct message {
	struct virtio_console_control c;
	union {
		struct {
			uint16_t cols, rows;
		} size;
		char name[CONSOLE_NAME_MAX];
	};
};

/* --- to the guest --- */

static uint32_t turns_of(const struct console_port *p)
{
	return __atomic_load_n(&p->turns, __ATOMIC_SEQ_CST);
}

/* Return: what to tell next, or -1 */
static int tell_next(struct console_port *p)
{
	uint32_t bits = __atomic_load_n(&p->tell, __ATOMIC_SEQ_CST);

	if (bits)
		return __builtin_ctz(bits);
	return p->ready && p->told != turns_of(p) ? TELL_TURN : -1;
}

/* Return: bytes of the message */
static size_t message_of(struct console *c, struct console_port *p, int what, struct message *m)
{
	static const uint16_t events[] = {
		[TELL_ADD] = VIRTIO_CONSOLE_PORT_ADD,
		[TELL_CONSOLE] = VIRTIO_CONSOLE_CONSOLE_PORT,
		[TELL_SIZE] = VIRTIO_CONSOLE_RESIZE,
		[TELL_NAME] = VIRTIO_CONSOLE_PORT_NAME,
		[TELL_TURN] = VIRTIO_CONSOLE_PORT_OPEN,
	};
	size_t len = 0;

	m->c.id = htole32((uint32_t)(p - c->port));
	m->c.event = htole16(events[what]);
	m->c.value = htole16(1);
	if (what == TELL_TURN) {
		m->c.value = htole16(++p->told & 1);
	} else if (what == TELL_SIZE) {
		console_size(p, &m->size.cols, &m->size.rows);
		m->size.cols = htole16(m->size.cols);
		m->size.rows = htole16(m->size.rows);
		len = sizeof(m->size);
	} else if (what == TELL_NAME) {
		len = strlen(p->name);
		memcpy(m->name, p->name, len);
	}
	return sizeof(m->c) + len;
}

/* Is there a message to it? */
static bool tell_has_message(const struct console *c, const struct console_port *p, int what)
{
	uint16_t cols, rows;

	if (what == TELL_SIZE)
		return c->size && console_size(p, &cols, &rows);
	return what != TELL_READY && what != TELL_AGAIN;
}

/* Return: false when there is no buffer for it */
static bool tell(struct vu_queue *q, struct console_port *p, int what)
{
	bool message = tell_has_message(q->dev, p, what);
	struct vu_req *req = NULL;
	struct message m = { 0 };
	struct iovec *iov;
	size_t len;

	if (message) {
		req = vu_queue_pull(q, &iov);
		if (!req)
			return false;
	}
	/* What comes up from here on is told once more. */
	if (what != TELL_TURN)
		__atomic_fetch_and(&p->tell, ~(1U << what), __ATOMIC_SEQ_CST);
	if (what == TELL_ADD)
		p->ready = false;
	if (what == TELL_READY || what == TELL_AGAIN)
		p->ready = true;
	/* Nobody is connected, as far as it knows; or it is told which it is. */
	if (what == TELL_READY)
		p->told = turns_of(p) & ~1U;
	else if (what == TELL_AGAIN)
		p->told = turns_of(p) - 1;
	if (!message)
		return true;
	len = message_of(q->dev, p, what, &m);
	if (req->elem.nr_out || req->elem.in_len < len) {
		vu_req_refuse(q, req, "a buffer for a control message that is to be read, or is too small");
		return false;
	}
	iov_write(iov, req->elem.nr_in, 0, &m, len);
	vu_req_end(q, req, (uint32_t)len);
	return true;
}

static bool control_rx_run(struct vu_queue *q)
{
	struct console *c = q->dev;
	bool did = false;
	unsigned int i;
	int what;

	for (i = 0; i < c->nr; i++) {
		while ((what = tell_next(&c->port[i])) >= 0) {
			if (!tell(q, &c->port[i], what))
				return did;
			did = true;
		}
	}
	return did;
}

/* --- from the guest --- */

static void device_ready(struct console *c)
{
	unsigned int i;

	c->met = true;
	for (i = 0; i < c->nr; i++) {
		struct console_port *p = &c->port[i];

		if (!p->exists)
			continue;
		__atomic_store_n(&p->guest_open, false, __ATOMIC_SEQ_CST);
		__atomic_store_n(&p->tell, 0, __ATOMIC_SEQ_CST);
		console_tell(c, p, 1U << TELL_ADD);
	}
}

/*
 * The driver has met another process, of which this one takes the place. Which ports the guest has open is not
 * known; what comes for one that is closed it will drop.
 */
static void meet_again(struct console *c)
{
	unsigned int i;

	c->met = true;
	for (i = 0; i < c->nr; i++) {
		if (!c->port[i].exists)
			continue;
		__atomic_store_n(&c->port[i].guest_open, true, __ATOMIC_SEQ_CST);
		vu_queue_wake(console_port_queue(c, i));
		console_tell(c, &c->port[i], 1U << TELL_AGAIN);
	}
}

/* Return: what is wrong, or NULL. What is unknown is for later versions. */
static const char *control(struct console *c, const struct virtio_console_control *m)
{
	uint16_t event = le16toh(m->event), value = le16toh(m->value);
	uint32_t id = le32toh(m->id);
	struct console_port *p;

	if (event == VIRTIO_CONSOLE_DEVICE_READY) {
		if (value)
			device_ready(c);
		return NULL;
	}
	if (id >= c->nr || !c->port[id].exists)
		return "a control message about a port that there is not";
	p = &c->port[id];
	if (event == VIRTIO_CONSOLE_PORT_READY && value) {
		console_tell(c, p, (p->console ? 1U << TELL_CONSOLE | 1U << TELL_SIZE : 0) | (p->name ? 1U << TELL_NAME : 0) |
			     1U << TELL_READY);
	} else if (event == VIRTIO_CONSOLE_PORT_OPEN) {
		__atomic_store_n(&p->guest_open, value, __ATOMIC_SEQ_CST);
		vu_queue_wake(console_port_queue(c, id));
	}
	return NULL;
}

static bool control_tx_run(struct vu_queue *q)
{
	struct virtio_console_control m;
	struct vu_req *req;
	struct iovec *iov;
	const char *why;
	bool did = false;

	if (!((struct console *)q->dev)->met && vu_queue_resumed(q))
		meet_again(q->dev);
	while ((req = vu_queue_pull(q, &iov))) {
		if (req->elem.nr_in || req->elem.out_len < sizeof(m)) {
			why = "a control message that is to be written, or too short";
		} else {
			iov_read(iov, req->elem.nr_out, 0, &m, sizeof(m));
			why = control(q->dev, &m);
		}
		if (why) {
			vu_req_refuse(q, req, why);
			break;
		}
		vu_req_end(q, req, 0);
		did = true;
	}
	return did;
}

static const uint8_t opcodes[] = { IORING_OP_NOP };

const struct vu_queue_ops console_control_rx_ops = {
	.opcodes = opcodes,
	.req_size = sizeof(struct vu_req),
	.run = control_rx_run,
};

const struct vu_queue_ops console_control_tx_ops = {
	.opcodes = opcodes,
	.req_size = sizeof(struct vu_req),
	.run = control_tx_run,
};

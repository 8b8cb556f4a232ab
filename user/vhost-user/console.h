/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shunt-console: a virtio-console device with ports on sockets, terminals and files of the host.
 *
 * console_port.c opens the host's side of ports, console.c moves data, console_control.c tells the guest of
 * ports and hears of them.
 *
 * A port's two data queues and the two control queues are four threads. Each field here has one of them that
 * writes it; what another one reads is atomic, and that one is woken (vu_queue_wake()) to look. The writer
 * to the host, whose descriptor comes and goes with the reader's connection, has one of its own.
 */
#ifndef VHOST_USER_CONSOLE_H
#define VHOST_USER_CONSOLE_H

#include <linux/virtio_console.h>
#include <stdbool.h>

#include "session.h"

/* Two queues each, and two to control them */
#define CONSOLE_PORTS_MAX	(VU_QUEUES_MAX / 2 - 1)
#define CONSOLE_NAME_MAX	64

/* Queues: those of port 0, control, those of the others */
#define CONSOLE_Q_CONTROL_RX	2
#define CONSOLE_Q_CONTROL_TX	3

/* What the guest is yet to be told of a port, in this order */
enum { TELL_ADD, TELL_CONSOLE, TELL_SIZE, TELL_NAME, TELL_READY, TELL_AGAIN };

/* &console_port.handed: nothing new; there is no connection any more */
enum { HANDED_NOTHING = -2, HANDED_NONE = -1 };

/* Segments of one read or write, and bytes */
#define CONSOLE_IOV		64
#define CONSOLE_IO_MAX		(1U << 20)

/**
 * struct console_port - a port; the index is its number
 * @name: at most CONSOLE_NAME_MAX bytes, or NULL
 * @number: that it is to have, or 0: any
 * @exists: port 0 does not where no port is a console, nor do those between numbers that were given
 * @console: the guest may have a console at it
 * @listener: a socket at which the host's side connects, or -1
 * @pty: the main side of a pseudo-terminal, or -1
 * @pty_opened: for @pty: an inotify descriptor
 * @terminal: a descriptor that has a size, or -1
 *
 * The host's side, by the thread of the receive queue:
 * @in: read from, or -1
 * @in_is_socket: its end is the end of the connection
 * @reading: into which a read is under way, or NULL
 * @connecting: the next connection is waited for
 * @watching: that the connection ends is waited for
 * @ending: it has ended, but for what is yet to be read
 * @turns: how many times it was connected and disconnected; odd: it is. Atomic
 * @handed: for the transmit queue: a descriptor to write to from now on, or HANDED_*. Atomic
 *
 * By the thread of the transmit queue:
 * @out: written to, or -1: what the guest sends is dropped
 * @writing: of which a write is under way, or NULL
 * @moved: bytes of it that have been written
 * @part: a buffer that was given back when @moved bytes of it had been written
 * @failed: writing has failed, and it was told
 *
 * By those of the control queues:
 * @guest_open: a program in the guest has it open: by the transmitting one. Atomic
 * @tell: bits of TELL_*: set by others, cleared by the receiving one. Atomic
 * @ready: the guest knows of it: by the receiving one
 * @told: of @turns
 */
struct console_port {
	char *name;
	unsigned int number;
	bool exists;
	bool console;
	int listener;
	int pty;
	int pty_opened;
	int terminal;

	int in;
	bool in_is_socket;
	struct vu_req *reading;
	bool connecting;
	bool watching;
	bool ending;
	uint32_t turns;
	int handed;
	struct iovec in_iov[CONSOLE_IOV];

	int out;
	struct vu_req *writing;
	struct iovec *segs;
	uint64_t moved;
	struct vring_elem part;
	bool failed;
	struct iovec out_iov[CONSOLE_IOV];

	bool guest_open;
	uint32_t tell;
	bool ready;
	uint32_t told;
};

/**
 * struct console - the device
 * @d: for its queues
 * @nr: ports, at least 1; among them those that do not exist
 * @multiport: @size: features that were negotiated
 * @cols: @rows: that the front-end knows of: by control
 * @met: the driver has said that it is there: by the transmitting control queue
 */
struct console {
	struct vu_device *d;
	unsigned int nr;
	bool multiport;
	bool size;
	uint16_t cols;
	uint16_t rows;
	bool met;
	struct console_port port[CONSOLE_PORTS_MAX];
};

/* --- console_port.c; context: before there are threads --- */

/**
 * console_add() - open a port
 * @arg: of --port
 *
 * Return: 0, or -1 after one logged line
 */
int console_add(struct console *c, const char *arg);
/** console_number() - give ports their numbers: a console is 0. Return: 0, or -1 after one logged line */
int console_number(struct console *c);
/** console_terminal() - the modes of the terminal that is standard input, until the process ends, by a signal, too */
void console_terminal(struct console *c);
/** console_config() - the configuration space. Context: any */
void console_config(const struct console *c, struct virtio_console_config *config);
/** console_size() - of the port's terminal. Return: whether it has one that is known. Context: any */
bool console_size(const struct console_port *p, uint16_t *cols, uint16_t *rows);

/* --- queues: vu_queue.dev is a struct console --- */

extern const struct vu_queue_ops console_rx_ops, console_tx_ops, console_control_rx_ops, console_control_tx_ops;

/** console_port_queue() - Return: the receive queue of port @i; the next one transmits */
static inline struct vu_queue *console_port_queue(const struct console *c, unsigned int i)
{
	return c->d->queue[i ? 2 * i + 2 : 0];
}

/** console_queue_port() - Return: whose data queue it is */
static inline struct console_port *console_queue_port(const struct vu_queue *q)
{
	struct console *c = q->dev;

	return &c->port[q->index < CONSOLE_Q_CONTROL_RX ? 0 : q->index / 2 - 1];
}

/** console_tell() - have the guest told of something (TELL_*, or of turns: 0). Context: any */
static inline void console_tell(struct console *c, struct console_port *p, uint32_t bits)
{
	__atomic_fetch_or(&p->tell, bits, __ATOMIC_SEQ_CST);
	vu_queue_wake(c->d->queue[CONSOLE_Q_CONTROL_RX]);
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the character devices share.
 *
 * A kind (stdio, socket, …) opens descriptors and hands them to chardev_connect(); reading,
 * queueing and multiplexing are the same for all.
 */
#ifndef VMM_CHARDEV_PRIV_H
#define VMM_CHARDEV_PRIV_H

#include "../lib/loop.h"
#include "../lib/prop.h"
#include "chardev.h"
#include "vm.h"

#define CHARDEV_CLIENTS	4
#define CHARDEV_PEND	64		/* typed ahead, for each client of a mux */
#define CHARDEV_QUEUE	(64u << 10)	/* output kept for a slow reader */

/** struct chardev_opts - what the command line said; which fields count depends on the kind */
struct chardev_opts {
	char *path, *host, *port, *fd;
	bool server, nodelay, append, mux;
	enum prop_onoffauto wait, signal;
	uint32_t reconnect_s;
};

/**
 * struct chardev_kind
 * @name: in -chardev
 * @check: looks at the options. May be NULL. Return: 0 or -1 after logging
 * @open: Return: 0 or -1 after logging; of one that is lent, only what is not the process's to do
 * @closed: the descriptors of chardev_connect() are to be closed: what else there is to do; the
 *	peer has gone (@final false) or the process ends
 */
struct chardev_kind {
	const char *name, *desc;
	const struct prop *props;
	int (*check)(const char *opt, const struct chardev_opts *o);
	int (*open)(struct chardev *c);
	void (*closed)(struct chardev *c, bool final);
	void (*info)(const struct chardev *c, FILE *out);
};

extern const struct chardev_kind chardev_stdio, chardev_pty, chardev_file, chardev_pipe,
	chardev_null, chardev_socket;

struct chardev_input {
	struct chardev_client client;
	unsigned int nr_pend;
	uint8_t pend[CHARDEV_PEND];
};

/**
 * struct chardev
 * @id: from -chardev, or a label such as "serial0"; @opt: option for messages
 * @rd: @wr: watched descriptors, -1 while there is no peer; the two differ
 * @is_socket: write with send()
 * @queue: output that did not fit, @queue_len bytes from @queue_off; allocated when first needed
 * @waiting: wait=on or taken, and no peer was here yet
 * @lent: a process opens what it leads to
 * @taker: has the descriptors of peers; @taken: it has one now
 */
struct chardev {
	struct chardev *next;
	char *id;
	const char *opt;
	const struct chardev_kind *kind;
	struct chardev_opts o;
	struct vm *vm;
	struct loop *loop;
	void *priv;			/* the kind's */

	struct loop_fd rd, wr;
	bool is_socket, eof, waiting, taken, lent, rd_added, wr_added;
	struct loop_bh bh;		/* asks the main thread to look at what shall be watched */

	struct chardev_input in[CHARDEV_CLIENTS];
	unsigned int nr_clients, focus;
	struct chardev_taker taker;
	bool escape;			/* mux: Ctrl-A came */

	uint8_t *queue;
	size_t queue_off, queue_len;
	uint64_t dropped;
};

/**
 * chardev_connect() - there is a peer; main thread
 * @in: @out: descriptors (may be equal, may be -1), owned from now on; neither blocks
 * Return: 0 or -errno (descriptors closed)
 */
int chardev_connect(struct chardev *c, int in, int out, bool is_socket);
/** chardev_disconnect() - close both descriptors; main thread */
void chardev_disconnect(struct chardev *c, bool final);

/** chardev_arrived() - a peer connected: chardev_wait() may go on; main thread */
void chardev_arrived(struct loop *loop);
/** chardev_setup() - a new struct chardev's data path */
void chardev_setup(struct chardev *c);

/* chardev_mux.c; device lock held */

/** mux_input() - @len typed bytes: escapes are obeyed, the rest goes to the focused client */
void mux_input(struct chardev *c, const uint8_t *buf, size_t len);
/** mux_room() - bytes that can be read now */
size_t mux_room(struct chardev *c);
/** mux_deliver() - hand over what was typed ahead */
void mux_deliver(struct chardev *c);

/* terminal (chardev_stdio.c) */
void tty_restore(void);

#endif

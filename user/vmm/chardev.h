/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Character devices: where serial ports and the monitor lead (stdio, pty, socket, file, null,
 * pipe).
 *
 * Context: main thread under the device lock, except chardev_write(), which any thread may call
 * under the device lock. Output never blocks the caller: what does not fit at once is queued up to
 * a bound, then dropped. The terminal's settings are restored at exit.
 */
#ifndef VMM_CHARDEV_H
#define VMM_CHARDEV_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdbool.h>

struct loop;
struct vm;
struct chardev;

/**
 * struct chardev_client - who reads from a chardev
 * @room: how many bytes @input takes now; input stays in the kernel until there is room
 * @input: @len <= room
 * @opened: somebody began to look: a peer connected, or Ctrl-A C chose this client. May be NULL
 */
struct chardev_client {
	size_t (*room)(void *arg);
	void (*input)(void *arg, const uint8_t *buf, size_t len);
	void (*opened)(void *arg);
	void *arg;
};

/**
 * chardev_find() - by id from -chardev
 * chardev_from_spec() - from a -serial or -monitor word: stdio, mon:stdio, null, none, pty,
 *	file:P, unix:P[,server=on][,wait=off], tcp:H:P[,server=on], chardev:ID
 * Return: the chardev; NULL after one logged line beginning with @opt
 */
struct chardev *chardev_find(const char *id);
struct chardev *chardev_from_spec(struct vm *vm, const char *opt, const char *spec);
/**
 * chardev_attach() - main thread; a chardev with mux=on takes several clients, and Ctrl-A C moves
 * the input from one to the next, beginning with the last attached
 * Return: 0; -EBUSY when something else reads it
 */
int chardev_attach(struct chardev *c, const struct chardev_client *client);
/**
 * struct chardev_taker - who takes the connections of a Unix socket instead of what comes by them
 * @connected: main thread, device lock held: a peer has come; @fd blocks, and is the taker's
 */
struct chardev_taker {
	void (*connected)(void *arg, int fd);
	void *arg;
};

/**
 * chardev_take() - main thread; @taker hears of every peer, one at a time; of one that is here, at once. The machine
 * waits for the first (chardev_wait())
 * Return: 0; -EBUSY when something else reads it; -EINVAL: it is no Unix socket, or has mux=on
 */
int chardev_take(struct chardev *c, const struct chardev_taker *taker);
/**
 * chardev_peer_gone() - the taken peer has gone, and its descriptor is closed; main thread, device lock held
 * Return: whether another may come
 */
bool chardev_peer_gone(struct chardev *c);
/** chardev_untake() - the taker ends, its descriptor is closed; main thread */
void chardev_untake(struct chardev *c);
/**
 * chardev_lend() - a process is to open what it leads to, and nobody else; before chardev_open_all()
 * Return: 0, or -1 after one logged line beginning with @opt
 */
int chardev_lend(const char *opt, const char *id);
/** chardev_lent() - write what that is, in the words of shunt-console's --port. Return: whether it is standard input and output */
bool chardev_lent(const char *id, FILE *out);
/** chardev_write() - any thread under the device lock; never blocks */
void chardev_write(struct chardev *c, const void *buf, size_t len);
/** chardev_pending() - bytes that wait for a slow reader; device lock. When they have gone, the client's room is asked for again */
size_t chardev_pending(const struct chardev *c);
/** chardev_kick() - the client has room again */
void chardev_kick(struct chardev *c);

/* ---- main.c and cmdline.c: command line, opening, end ---- */

/** chardev_add() - one -chardev argument, checked. Return: 0, or -1 after one logged line */
int chardev_add(const char *arg);
/**
 * chardev_check_spec() - whether chardev_from_spec() could take it. Return: 0 or -1 after logging
 */
int chardev_check_spec(const char *opt, const char *spec);
void chardev_help(void);
/** chardev_on_stdio() - whether a -chardev leads to standard input and output */
bool chardev_on_stdio(void);
/** chardev_open_all() - before vm_create(); @vm is only kept. Return: 0 or -1 after logging */
int chardev_open_all(struct vm *vm, struct loop *loop);
/**
 * chardev_wait() - run the loop until every server=on,wait=on socket has its client, and every taken one its peer
 * Return: whether all have; false when loop_stop() was called
 */
bool chardev_wait(void);
/** chardev_close_all() - flush, restore the terminal, unlink sockets; vm_destroy() came before */
void chardev_close_all(void);
/** chardev_info() - one line each, for the monitor */
void chardev_info(FILE *out);
/** chardev_resume() - the process was stopped and continues: set the terminal up again */
void chardev_resume(void);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Character devices: where serial ports and the monitor lead (stdio, pty, socket, file, null, pipe).
 *
 * Context: main thread under the device lock, except chardev_write(), which any thread may call under
 * the device lock. Output never blocks the caller: what does not fit at once is queued up to a bound,
 * then dropped. The terminal's settings are restored at exit.
 */
#ifndef VMM_CHARDEV_H
#define VMM_CHARDEV_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

struct vm;
struct chardev;

/**
 * struct chardev_client - who reads from a chardev
 * @room: how many bytes @input takes now; input stays in the kernel until there is room
 * @input: @len <= room
 */
struct chardev_client {
	size_t (*room)(void *arg);
	void (*input)(void *arg, const uint8_t *buf, size_t len);
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
/** chardev_attach() - Return: 0; -EBUSY when something else reads it */
int chardev_attach(struct chardev *c, const struct chardev_client *client);
/** chardev_write() - any thread under the device lock; never blocks */
void chardev_write(struct chardev *c, const void *buf, size_t len);
/** chardev_kick() - the client has room again */
void chardev_kick(struct chardev *c);

#endif

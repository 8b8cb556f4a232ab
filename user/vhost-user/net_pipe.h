/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets from one thread to another: a ring of bytes, which each reads and writes without a lock, and an
 * eventfd for either side to sleep on.
 *
 * A side that wants to sleep says so, looks again, and then waits for its eventfd to become readable; the
 * other side writes it if it was asked to.
 */
#ifndef VHOST_USER_NET_PIPE_H
#define VHOST_USER_NET_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_PIPE_SIZE	(512U << 10)

/**
 * struct net_pipe_side - private, but for @fd
 * @fd: readable when this side was woken
 * @pos: bytes that it has written, or read, ever
 * @sleepy: it wants to be woken
 */
struct net_pipe_side {
	_Alignas(64) uint32_t pos;
	bool sleepy;
	int fd;
};

struct net_pipe {
	struct net_pipe_side in;
	struct net_pipe_side out;
	unsigned char *buf;
};

/** net_pipe_open() - Return: 0 or a negative errno */
int net_pipe_open(struct net_pipe *p);

/* --- the side that writes --- */

/** net_pipe_room() - Return: where a packet of up to @len bytes, less than half of the pipe, goes; or NULL */
void *net_pipe_room(struct net_pipe *p, size_t len);
/** net_pipe_push() - a packet of @len bytes is there */
void net_pipe_push(struct net_pipe *p, size_t len);
/** net_pipe_flush() - wake the other side, if it sleeps */
void net_pipe_flush(struct net_pipe *p);

/* --- the side that reads --- */

/** net_pipe_peek() - Return: the oldest packet and its @len, or NULL */
const void *net_pipe_peek(struct net_pipe *p, size_t *len);
/** net_pipe_pop() - it is not needed any more */
void net_pipe_pop(struct net_pipe *p, size_t len);
/** net_pipe_popped() - wake the other side, if it sleeps */
void net_pipe_popped(struct net_pipe *p);

/* --- both --- */

/** net_pipe_sleepy() - @s wants to be woken: what it waits for may be there already, so it looks again */
void net_pipe_sleepy(struct net_pipe_side *s);
/** net_pipe_woken() - @s is awake: its eventfd is not readable any more */
void net_pipe_woken(struct net_pipe_side *s);

#endif

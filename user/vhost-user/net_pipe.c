// SPDX-License-Identifier: GPL-2.0
/* Packets between threads, see net_pipe.h. Each begins with its length, and is not split at the end of the ring. */
#define _GNU_SOURCE
#include "net_pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define ALIGN	8U
/* In place of a length: the next packet is at the start */
#define WRAP	(~0U)

static uint32_t record(size_t len)
{
	return (uint32_t)(sizeof(uint32_t) + len + ALIGN - 1) & ~(ALIGN - 1);
}

static unsigned char *at(const struct net_pipe *p, uint32_t pos)
{
	return p->buf + pos % NET_PIPE_SIZE;
}

int net_pipe_open(struct net_pipe *p)
{
	p->buf = malloc(NET_PIPE_SIZE);
	p->in.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->out.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return p->buf && p->in.fd >= 0 && p->out.fd >= 0 ? 0 : -ENOMEM;
}

void *net_pipe_room(struct net_pipe *p, size_t len)
{
	uint32_t used = p->in.pos - __atomic_load_n(&p->out.pos, __ATOMIC_ACQUIRE);
	uint32_t left = NET_PIPE_SIZE - p->in.pos % NET_PIPE_SIZE, need = record(len), wrap = WRAP;

	if (left < need) {
		if (NET_PIPE_SIZE - used < left + need)
			return NULL;
		memcpy(at(p, p->in.pos), &wrap, sizeof(wrap));
		__atomic_store_n(&p->in.pos, p->in.pos + left, __ATOMIC_RELEASE);
	} else if (NET_PIPE_SIZE - used < need) {
		return NULL;
	}
	return at(p, p->in.pos) + sizeof(uint32_t);
}

void net_pipe_push(struct net_pipe *p, size_t len)
{
	uint32_t n = (uint32_t)len;

	memcpy(at(p, p->in.pos), &n, sizeof(n));
	__atomic_store_n(&p->in.pos, p->in.pos + record(len), __ATOMIC_RELEASE);
}

const void *net_pipe_peek(struct net_pipe *p, size_t *len)
{
	uint32_t n;

	for (;;) {
		if (p->out.pos == __atomic_load_n(&p->in.pos, __ATOMIC_ACQUIRE))
			return NULL;
		memcpy(&n, at(p, p->out.pos), sizeof(n));
		if (n != WRAP)
			break;
		__atomic_store_n(&p->out.pos, p->out.pos + NET_PIPE_SIZE - p->out.pos % NET_PIPE_SIZE, __ATOMIC_RELEASE);
	}
	*len = n;
	return at(p, p->out.pos) + sizeof(uint32_t);
}

void net_pipe_pop(struct net_pipe *p, size_t len)
{
	__atomic_store_n(&p->out.pos, p->out.pos + record(len), __ATOMIC_RELEASE);
}

/* Pairs with net_pipe_sleepy(): either the sleeper sees what was done, or its wish is seen here. */
static void wake(struct net_pipe_side *s)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&s->sleepy, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&s->sleepy, false, __ATOMIC_RELAXED);
	eventfd_write(s->fd, 1);
}

void net_pipe_flush(struct net_pipe *p)
{
	wake(&p->out);
}

void net_pipe_popped(struct net_pipe *p)
{
	wake(&p->in);
}

void net_pipe_sleepy(struct net_pipe_side *s)
{
	__atomic_store_n(&s->sleepy, true, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void net_pipe_woken(struct net_pipe_side *s)
{
	eventfd_t n;

	__atomic_store_n(&s->sleepy, false, __ATOMIC_RELAXED);
	eventfd_read(s->fd, &n);
}

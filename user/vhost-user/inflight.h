/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a queue has under way, kept in memory that outlives the process: the front-end holds it, and gives it
 * to the process that comes after (vhost-user, "Inflight I/O tracking").
 *
 * The structures are the specification's; queues follow each other at multiples of 64 bytes, as with
 * libvhost-user and DPDK. A region is as much the front-end's as ours: it is read when a ring starts, each
 * value once, and bounded; from then on it is only written, and what is needed of it is kept here.
 *
 * A process that is killed has done all its stores up to some point, and none after it. So stores are
 * kept in the order of the program, and that is enough; at each point between two of them the region and the
 * ring together say what the driver is still owed.
 *
 * Context: queue.
 */
#ifndef VHOST_USER_INFLIGHT_H
#define VHOST_USER_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/vring.h"

/**
 * struct vu_saved - a buffer that the process before had under way
 * @counter: its place in the order of popping
 * @slot: its entry in the region
 * @head: its id
 * @count: packed: its descriptors, from @desc on
 */
struct vu_saved {
	uint64_t counter;
	uint16_t slot;
	uint16_t head;
	uint16_t count;
	const struct vring_packed_desc *desc;
};

/**
 * struct vu_inflight - private, but for @region: NULL when nothing is tracked
 */
struct vu_inflight {
	void *region;
	bool packed;
	uint16_t size;
	uint32_t num;
	const struct vring_packed_desc *ring;
	uint64_t counter;
	uint16_t free;
	struct vu_inflight_link *link;
	struct vring_packed_desc *desc;
	struct vu_saved *saved;
	unsigned int nr_saved;
	unsigned int again;
};

/** vu_inflight_size() - Return: bytes of a queue's region, for rings of up to @queue_size descriptors */
size_t vu_inflight_size(bool packed, unsigned int queue_size);

/** vu_inflight_clear() - nothing is under way in a ring that does not run */
void vu_inflight_clear(void *region);

/**
 * vu_inflight_start() - begin to track what a ring has under way, or go on with what a process before had
 * @region: aligned to 8 bytes; all zeroes at first
 * @size: of its entries
 * @vr: the ring: num, packed, desc
 * @pos: where it begins; split: used is used->idx. Out: where it begins indeed, before what vu_inflight_next() has
 * @recovered: out: the region had been in use
 *
 * Return: NULL; or what cannot be. Nothing is tracked, then.
 */
const char *vu_inflight_start(struct vu_inflight *f, void *region, uint16_t size, const struct vring_engine *vr,
			      struct vring_cursor *pos, bool *recovered);
/** vu_inflight_stop() - track no more; the region stays as it is */
void vu_inflight_stop(struct vu_inflight *f);

/** vu_inflight_next() - Return: the next buffer to pop again, for vring_pop_again(); NULL when there are no more */
static inline const struct vu_saved *vu_inflight_next(struct vu_inflight *f)
{
	return f->again < f->nr_saved ? &f->saved[f->again++] : NULL;
}

/** vu_inflight_unnext() - the last one that vu_inflight_next() returned is next again */
static inline void vu_inflight_unnext(struct vu_inflight *f)
{
	f->again--;
}

/** vu_inflight_mark() - a buffer was popped, of which nothing has been done yet. Return: its slot */
uint16_t vu_inflight_mark(struct vu_inflight *f, const struct vring_elem *e);
/** vu_inflight_unmark() - it was given back to the ring */
void vu_inflight_unmark(struct vu_inflight *f, uint16_t slot);
/** vu_inflight_ending() - the @n buffers @e with slots @slot are about to be published, from @used on */
void vu_inflight_ending(struct vu_inflight *f, const struct vring_elem *e, const uint16_t *slot, unsigned int n,
			uint16_t used);
/** vu_inflight_ended() - they have been published; @used: behind the last */
void vu_inflight_ended(struct vu_inflight *f, const uint16_t *slot, unsigned int n, uint16_t used);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside a queue: queue.c is its thread, queue_buf.c the way of its buffers, queue_fixed.c has memory that is registered.
 * Context of all here: queue.
 */
#ifndef VHOST_USER_QUEUE_PRIV_H
#define VHOST_USER_QUEUE_PRIV_H

#include "queue.h"

/* Most buffers that are popped at once */
#define VU_BATCH 64

/* What a completion is of, where it is not of a request: addresses that no request has */
enum { TAG_NONE, TAG_WAKE, TAG_KICK };

/** vu_queue_pop() - give the device what there is. Return: buffers taken */
int vu_queue_pop(struct vu_queue *q);
/** vu_queue_pop_again() - give it what a process before had under way */
void vu_queue_pop_again(struct vu_queue *q);
/** vu_queue_pulled_last() - what was popped and not pulled is popped again, if at all; and @last, if not NULL */
void vu_queue_pulled_last(struct vu_queue *q, const struct vring_elem *last);
/** vu_queue_publish() - give the driver what has ended; of a broken ring it hears nothing more */
void vu_queue_publish(struct vu_queue *q);
/** vu_queue_signal() - interrupt the driver */
void vu_queue_signal(struct vu_queue *q);
/** vu_queue_take_call() - the eventfd for that from now on, or -1 */
void vu_queue_take_call(struct vu_queue *q, int fd);
/** vu_queue_check_memory() - break the ring if this thread met memory that is gone */
void vu_queue_check_memory(struct vu_queue *q);
/** vu_queue_log_ring() - the ring may have been written to */
void vu_queue_log_ring(struct vu_queue *q);
/** vu_queue_fix() - register guest memory; or go without, after one logged line */
void vu_queue_fix(struct vu_queue *q);
/** vu_queue_unfix() - nothing is registered any more; no operation is under way */
void vu_queue_unfix(struct vu_queue *q);

#endif

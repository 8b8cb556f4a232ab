/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queues whose requests are still at work when the handler has returned.
 *
 * The worker pops requests and gives them to a back end. Whoever finishes one, in any context, puts
 * it into a list without a lock and wakes the worker, which completes it. Such a queue's back end
 * is a &struct vhc_async, embedded in what ties queue and back end; that outlives the queue while
 * the back end is at work.
 */
#ifndef VHOST_ASYNC_H
#define VHOST_ASYNC_H

#include <linux/llist.h>
#include <linux/wait.h>

#include "core.h"

struct vhc_async;

/**
 * struct vhc_async_ops - what makes the requests the driver's
 * @reap: complete the requests in &vhc_async.done, and take them off &vhc_async.inflight. The vq
 *	mutex is held, current lives in the owner's address space; the ring may be broken.
 * @pop: pop requests and start them. The vq mutex is held, worker context. Return: how many; 0 the
 *	ring is empty; negative, the handler returns
 * @full: nothing is popped until one more is done. As @pop.
 * @wake: a request was put into an empty &vhc_async.done, and the worker may be asleep. Any
 *	context. NULL: it is woken.
 * @orphan: a request is finished that no queue waits for. Any context.
 */
struct vhc_async_ops {
	void (*reap)(struct vhc_async *a, struct vhc_vq *vq);
	int (*pop)(struct vhc_async *a, struct vhc_vq *vq);
	bool (*full)(const struct vhc_async *a);
	void (*wake)(struct vhc_async *a, struct vhc_vq *vq);
	void (*orphan)(struct vhc_async *a, struct llist_node *node);
};

/**
 * struct vhc_async - a queue and its requests
 * @ops: the driver's
 * @inflight: requests popped, not completed; vq mutex
 * @vq: the queue; RCU, NULL once cut off
 * @done: requests that the back end is done with; any context adds, who holds the vq mutex takes
 * @busy: the worker is at it and will look at @done again
 * @draining: the worker pops nothing more; somebody waits for @inflight to become 0
 * @wait: there
 *
 * Freed an RCU grace period after vhc_async_cut(): who ended a request may still look.
 */
struct vhc_async {
	const struct vhc_async_ops *ops;
	u32 inflight;
	struct vhc_vq __rcu *vq ____cacheline_aligned_in_smp;
	struct llist_head done;
	bool busy;
	bool draining;
	wait_queue_head_t wait;
};

/**
 * vhc_async_init() - prepare
 * @a: zeroed
 * @ops: the driver's
 */
void vhc_async_init(struct vhc_async *a, const struct vhc_async_ops *ops);

/**
 * vhc_async_start() - run a queue
 * @a: prepared, without a queue
 * @vq: as for vhc_vq_start()
 *
 * Return: as vhc_vq_start()
 */
int vhc_async_start(struct vhc_async *a, struct vhc_vq *vq);

/**
 * vhc_async_end() - the back end is done with a request
 * @a: whose
 * @node: the request's; the request may be gone on return
 *
 * Any context.
 */
void vhc_async_end(struct vhc_async *a, struct llist_node *node);

/* vhc_async_handle() - &vhc_vq_ops.handle of such queues; vq->backend is a &struct vhc_async */
void vhc_async_handle(struct vhc_vq *vq);

/* vhc_async_handle_broken() - &vhc_vq_ops.reap of such queues */
void vhc_async_handle_broken(struct vhc_vq *vq);

/* vhc_async_hold() - pop nothing more. Any context. */
void vhc_async_hold(struct vhc_async *a);

/**
 * vhc_async_drain() - pop nothing more, and wait until all that was popped is completed
 * @a: its queue's mutex is not held; the caller lives in the owner's address space
 * @vq: the queue
 *
 * The worker may be dead, so the caller completes as well.
 * Return: 0; or -EINTR, and the queue runs on
 */
int vhc_async_drain(struct vhc_async *a, struct vhc_vq *vq);

/* vhc_async_resume() - pop again. Any context, @vq is there. */
void vhc_async_resume(struct vhc_async *a, struct vhc_vq *vq);

/**
 * vhc_async_get_vring_base() - VHOST_GET_VRING_BASE of devices with such queues
 * @dev: dev->mutex is not held
 * @arg: user address
 *
 * What the queue has popped is completed first, so that the answer is where it stands.
 * Return: as vhc_ioctl(); -EINTR, and the queue runs on
 */
long vhc_async_get_vring_base(struct vhc_dev *dev, unsigned long arg);

/**
 * vhc_async_take() - wait for requests to end whose queue has stopped
 * @a: no queue has it as its back end any more; no more than one caller
 * @deadline: in jiffies
 *
 * Return: the requests that ended, NULL when time is up
 */
struct llist_node *vhc_async_take(struct vhc_async *a, unsigned long deadline);

/**
 * vhc_async_cut() - requests that end are orphans, after an RCU grace period all of them
 * @a: as for vhc_async_take()
 *
 * Those that ended before are in &vhc_async.done then.
 */
void vhc_async_cut(struct vhc_async *a);

#endif

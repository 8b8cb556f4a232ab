// SPDX-License-Identifier: GPL-2.0
/*
 * Queues whose requests outlive the handler: served, drained, cut off.
 */
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/uaccess.h>

#include "async.h"
#include "internal.h"

/* After so many batches the worker turns to its other work. */
#define ASYNC_TURNS 16

void vhc_async_init(struct vhc_async *a, const struct vhc_async_ops *ops)
{
	a->ops = ops;
	init_llist_head(&a->done);
	init_waitqueue_head(&a->wait);
}
EXPORT_SYMBOL_GPL(vhc_async_init);

int vhc_async_start(struct vhc_async *a, struct vhc_vq *vq)
{
	rcu_assign_pointer(a->vq, vq);
	return vhc_vq_start(vq, a);
}
EXPORT_SYMBOL_GPL(vhc_async_start);

void vhc_async_end(struct vhc_async *a, struct llist_node *node)
{
	struct vhc_vq *vq;

	rcu_read_lock();
	vq = rcu_dereference(a->vq);
	if (unlikely(!vq)) {
		a->ops->orphan(a, node);
	} else if (llist_add(node, &a->done)) {
		/* Pairs with vhc_async_handle(): the worker sees it, or we see the worker leave. */
		if (!READ_ONCE(a->busy)) {
			if (a->ops->wake)
				a->ops->wake(a, vq);
			else
				vhc_vq_queue(vq);
		}
		if (unlikely(READ_ONCE(a->draining)))
			wake_up(&a->wait);
	}
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(vhc_async_end);

static void async_reap(struct vhc_async *a, struct vhc_vq *vq)
{
	if (llist_empty(&a->done))
		return;
	a->ops->reap(a, vq);
	if (vq->hold.published && !vhc_hold_keep(vq, a->inflight))
		vhc_vq_signal(vq);
	if (unlikely(READ_ONCE(a->draining)) && !a->inflight)
		wake_up(&a->wait);
}

static bool async_ready(struct vhc_vq *vq)
{
	struct vhc_async *a = vq->backend;

	return !llist_empty(&a->done) || vhc_vq_has_work(vq);
}

/* Return: the ring is worth another look, now */
static bool async_serve(struct vhc_async *a, struct vhc_vq *vq)
{
	int n;

	/* Whoever completes one of them calls us. */
	if (READ_ONCE(a->draining) || a->ops->full(a)) {
		vhc_vq_signal(vq);
		return false;
	}
	n = a->ops->pop(a, vq);
	if (n > 0) {
		vhc_hold_arrived(vq, n, a->inflight > n);
		return true;
	}
	if (!n && vhc_hold_wait(vq, async_ready))
		return false;
	vhc_vq_signal(vq);
	if (n || vhc_vq_poll(vq, async_ready))
		return false;
	return vhc_vq_kicks_on(vq) > 0 && !vhc_vq_kicks_off(vq);
}

void vhc_async_handle(struct vhc_vq *vq)
{
	struct vhc_async *a = vq->backend;
	u32 turns = 0;
	bool more, off;

	/* On failure the ring is broken; what has ended must be let go of all the same. */
	off = !vhc_vq_kicks_off(vq);
	WRITE_ONCE(a->busy, true);
	do {
		async_reap(a, vq);
		more = off && !vq->broken && async_serve(a, vq);
		if (!more) {
			/* Whoever polls looks at a->done, too; whoever dozes is woken. */
			if (vq->busy.polled && !(vq->busy.holds && a->inflight))
				return;
			WRITE_ONCE(a->busy, false);
			smp_mb(); /* pairs with llist_add() in vhc_async_end() */
			if (llist_empty(&a->done))
				return;
			WRITE_ONCE(a->busy, true);
			vq->busy.polled = false;
		}
	} while (++turns < ASYNC_TURNS);
	WRITE_ONCE(a->busy, false);
	vhc_vq_queue(vq);
}
EXPORT_SYMBOL_GPL(vhc_async_handle);

void vhc_async_handle_broken(struct vhc_vq *vq)
{
	async_reap(vq->backend, vq);
}
EXPORT_SYMBOL_GPL(vhc_async_handle_broken);

void vhc_async_hold(struct vhc_async *a)
{
	WRITE_ONCE(a->draining, true);
}
EXPORT_SYMBOL_GPL(vhc_async_hold);

int vhc_async_drain(struct vhc_async *a, struct vhc_vq *vq)
{
	u32 inflight;

	vhc_async_hold(a);
	for (;;) {
		mutex_lock(&vq->mutex);
		async_reap(a, vq);
		inflight = a->inflight;
		mutex_unlock(&vq->mutex);
		if (!inflight)
			return 0;
		if (wait_event_interruptible(a->wait, !llist_empty(&a->done) ||
					     !READ_ONCE(a->inflight))) {
			vhc_async_resume(a, vq);
			return -EINTR;
		}
	}
}
EXPORT_SYMBOL_GPL(vhc_async_drain);

void vhc_async_resume(struct vhc_async *a, struct vhc_vq *vq)
{
	WRITE_ONCE(a->draining, false);
	vhc_vq_queue(vq);
}
EXPORT_SYMBOL_GPL(vhc_async_resume);

long vhc_async_get_vring_base(struct vhc_dev *dev, unsigned long arg)
{
	const struct vhost_vring_state __user *argp = (const void __user *)arg;
	struct vhc_async *a = NULL;
	struct vhc_vq *vq = NULL;
	u32 index;
	long ret;

	if (get_user(index, &argp->index))
		return -EFAULT;
	mutex_lock(&dev->mutex);
	ret = vhc_dev_check_owner(dev);
	if (!ret && index < dev->nvqs) {
		vq = dev->vqs[array_index_nospec(index, dev->nvqs)];
		if (vq->ops->handle == vhc_async_handle)
			a = vq->backend;
	}
	if (a)
		ret = vhc_async_drain(a, vq);
	if (!ret)
		ret = vhc_ioctl_locked(dev, VHOST_GET_VRING_BASE, arg);
	if (a)
		vhc_async_resume(a, vq);
	mutex_unlock(&dev->mutex);
	return ret;
}
EXPORT_SYMBOL_GPL(vhc_async_get_vring_base);

struct llist_node *vhc_async_take(struct vhc_async *a, unsigned long deadline)
{
	long left = max_t(long, deadline - jiffies, 0);

	vhc_async_hold(a);
	wait_event_timeout(a->wait, !llist_empty(&a->done), left);
	return llist_del_all(&a->done);
}
EXPORT_SYMBOL_GPL(vhc_async_take);

void vhc_async_cut(struct vhc_async *a)
{
	RCU_INIT_POINTER(a->vq, NULL);
}
EXPORT_SYMBOL_GPL(vhc_async_cut);

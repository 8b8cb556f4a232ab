// SPDX-License-Identifier: GPL-2.0
/*
 * Busy polling: an idle queue's worker looks for work for some time before it sleeps.
 *
 * A handler that has nothing to do leaves notifications off and returns. When its list is empty the
 * worker looks at all its queues in this state, in turn, until one has work, its time is up, or
 * somebody else wants the processor; then the handler runs again, in the latter cases to ask for
 * notifications and sleep. Between two looks no mutex is held, nor is preemption ever off:
 * configuration need not wait for the end.
 *
 * How long: the ioctl sets the most. A queue that was idle for no longer than that would have been
 * found at work, so the time for the next poll doubles; after a longer one it is halved, down to
 * nothing below an eighth, so that a queue without traffic costs nothing.
 *
 * Lingering is the same for a queue that nobody asked to poll: short, and only while no other task
 * could run on the worker's processor. It spares whoever brings more in that moment a wake-up,
 * which costs him more than a packet does.
 */
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/timekeeping.h>

#include "internal.h"

static void busy_update(struct vhc_busy *b)
{
	b->most_ns = (u64)(b->timeout_us ?: b->linger_us) * NSEC_PER_USEC;
	b->budget_ns = b->most_ns;
	b->idle_since = 0;
}

void vhc_vq_linger(struct vhc_vq *vq, u32 us)
{
	vq->busy.linger_us = us;
	busy_update(&vq->busy);
}
EXPORT_SYMBOL_GPL(vhc_vq_linger);

void vhc_busy_set(struct vhc_vq *vq, u32 timeout_us)
{
	vq->busy.timeout_us = timeout_us;
	busy_update(&vq->busy);
	/* A queue that is being polled thinks again. */
	vhc_vq_queue(vq);
}

/* Polling that somebody asked for, or that ends soon, shares the processor; lingering does not. */
static bool busy_yields(const struct vhc_busy *b)
{
	return !b->holds && !b->timeout_us && !single_task_running();
}

static void busy_begin(struct vhc_vq *vq, bool (*ready)(struct vhc_vq *vq), u64 until)
{
	struct vhc_busy *b = &vq->busy;
	struct vhc_worker *worker;

	b->until = until;
	b->ready = ready;
	b->polled = true;
	worker = rcu_dereference_protected(vq->worker, lockdep_is_held(&vq->mutex));
	worker->polling = true;
}

bool vhc_vq_begin_poll(struct vhc_vq *vq, bool (*ready)(struct vhc_vq *vq))
{
	struct vhc_busy *b = &vq->busy;
	u64 now;

	b->holds = false;
	if (b->spent || busy_yields(b))
		return false;
	now = ktime_get_ns();
	b->idle_since = now;
	if (!b->budget_ns)
		return false;
	busy_begin(vq, ready, now + b->budget_ns);
	return true;
}
EXPORT_SYMBOL_GPL(vhc_vq_begin_poll);

/**
 * vhc_busy_hold() - poll for the sake of &struct vhc_hold
 * @vq: mutex held, worker context
 * @ready: as for vhc_vq_poll()
 * @until: ktime
 *
 * Return: as vhc_vq_poll(); what follows here may be a poll that somebody asked for
 */
bool vhc_busy_hold(struct vhc_vq *vq, bool (*ready)(struct vhc_vq *vq), u64 until)
{
	if (vq->busy.spent)
		return false;
	vq->busy.holds = true;
	busy_begin(vq, ready, until);
	return true;
}

bool vhc_vq_has_work(struct vhc_vq *vq)
{
	int ret = vring_has_work(&vq->ring);

	/* An error is for the handler to find, and gone if the driver mends it before. */
	if (unlikely(ret < 0))
		vq->ring.err.code = VRING_OK;
	return ret;
}
EXPORT_SYMBOL_GPL(vhc_vq_has_work);

/**
 * vhc_busy_end_idle() - the queue may have work again: was it worth waiting for?
 * @vq: mutex held, worker context, was idle
 */
void vhc_busy_end_idle(struct vhc_vq *vq)
{
	struct vhc_busy *b = &vq->busy;
	u64 most = b->most_ns;

	if (ktime_get_ns() - b->idle_since <= most)
		b->budget_ns = clamp(2 * b->budget_ns, most / 8, most);
	else
		b->budget_ns = b->budget_ns / 2 < most / 8 ? 0 : b->budget_ns / 2;
	b->idle_since = 0;
}

/* Look once. Return: true if the queue is to be looked at again */
static bool poll_vq(struct vhc_vq *vq, struct vhc_worker *worker, bool give_way)
{
	struct vhc_busy *b = &vq->busy;
	bool again = false;

	/* Another worker's queue: neither its mutex nor what its worker writes is for us. */
	if (rcu_access_pointer(vq->worker) != worker || !READ_ONCE(b->polled))
		return false;
	/* Configuration has it. The work waits for its end, asleep. */
	if (!mutex_trylock(&vq->mutex)) {
		vhc_vq_queue(vq);
		return false;
	}
	if (!b->polled || !vhc_vq_runs_on(vq, worker))
		goto out;
	/* Translations changed: the ring is looked for as after any wake-up. */
	if (vq->iotlb && !vq->ring_mapped) {
		b->polled = false;
		vhc_vq_queue(vq);
		goto out;
	}
	if (b->ready(vq)) {
		b->polled = false;
		vhc_count(&vq->stats.poll_hits, 1);
		if (b->idle_since)
			vhc_busy_end_idle(vq);
		vq->ops->handle(vq);
		again = b->polled;
	} else if ((give_way && !b->holds) || busy_yields(b) || ktime_get_ns() >= b->until) {
		b->polled = false;
		/* Other polling may follow if it is only a signal's time that has come. */
		b->spent = !b->holds || give_way;
		vhc_count(&vq->stats.poll_misses, 1);
		vq->ops->handle(vq);
		b->spent = false;
		again = b->polled;
	} else {
		again = true;
	}
out:
	mutex_unlock(&vq->mutex);
	return again;
}

/*
 * Others want the processor, and perhaps one of them is the driver that we wait for. Until it is
 * time for a signal, sleep for half of what is left, unless there is work.
 */
static void busy_doze(const struct vhc_worker *worker)
{
	const struct vhc_dev *dev = worker->dev;
	u64 until = U64_MAX;
	ktime_t left;
	u32 i;

	for (i = 0; i < dev->nvqs; i++) {
		const struct vhc_vq *vq = dev->vqs[i];

		if (rcu_access_pointer(vq->worker) != worker || !READ_ONCE(vq->busy.polled))
			continue;
		if (!READ_ONCE(vq->busy.holds))
			return;
		until = min(until, READ_ONCE(vq->busy.until));
	}
	left = (s64)(until - ktime_get_ns()) / 2;
	set_current_state(TASK_INTERRUPTIBLE);
	if (left > 0 && llist_empty(&worker->list))
		schedule_hrtimeout_range(&left, left / 4, HRTIMER_MODE_REL);
	__set_current_state(TASK_RUNNING);
}

/**
 * vhc_busy_poll() - poll instead of sleeping, if a queue wants that
 * @worker: current, with worker->polling set
 *
 * On return there is work in the list, or no queue is polled any more, or somebody else wants the
 * processor; queues that find work all the time are polled on then, after a turn of the worker.
 */
void vhc_busy_poll(struct vhc_worker *worker)
{
	struct vhc_dev *dev = worker->dev;
	bool again, give_way;
	u32 i;

	do {
		give_way = need_resched() || signal_pending(current);

		again = false;
		for (i = 0; i < dev->nvqs; i++)
			again |= poll_vq(dev->vqs[i], worker, give_way);
		if (again && !give_way && !single_task_running())
			busy_doze(worker);
		cpu_relax();
	} while (again && !give_way && llist_empty(&worker->list));
	worker->polling = again;
}

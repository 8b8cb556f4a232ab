// SPDX-License-Identifier: GPL-2.0
/*
 * The threads that serve a device's queues. There is one from SET_OWNER on; more come by
 * VHOST_NEW_WORKER, and each queue is served by one of them.
 *
 * Where the kernel can, it is a thread of the owner (vhost_task): it lives in the owner's mm,
 * cgroups and limits, and dies with the owner's SIGKILL even if somebody else keeps the device
 * open. Otherwise it is a kernel thread that borrows the owner's mm and joins its cgroups.
 */
#include <linux/cgroup.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/vhost_task.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

static bool fork_from_owner_default = true;
module_param(fork_from_owner_default, bool, 0444);
MODULE_PARM_DESC(fork_from_owner_default,
		 "Workers are threads of the owner, not of the kernel, where possible (default Y)");

enum {
	WORK_QUEUED,	/* bit of vhc_work.flags */
};

/* A kind of thread */
struct vhc_worker_ops {
	int (*start)(struct vhc_worker *worker, const char *name);
	void (*stop)(struct vhc_worker *worker);
	void (*wake)(struct vhc_worker *worker);
};

struct flush_work {
	struct vhc_work work;
	struct completion done;
};

void vhc_work_init(struct vhc_work *work,
		   void (*fn)(struct vhc_work *work, struct vhc_worker *worker))
{
	work->flags = 0;
	work->fn = fn;
}

/* Any context. Whoever finds the list empty wakes the thread for all that follow. */
static void worker_queue(struct vhc_worker *worker, struct vhc_work *work)
{
	if (!test_and_set_bit(WORK_QUEUED, &work->flags) && llist_add(&work->node, &worker->list))
		worker->ops->wake(worker);
}

/* Worker context, or its last breath. */
static bool worker_run(struct vhc_worker *worker)
{
	struct llist_node *node = llist_del_all(&worker->list);
	struct vhc_work *work, *next;

	if (!node)
		return false;
	__set_current_state(TASK_RUNNING);
	llist_for_each_entry_safe(work, next, llist_reverse_order(node), node) {
		clear_bit(WORK_QUEUED, &work->flags);
		/*
		 * Pairs with test_and_set_bit() in worker_queue(): what was done before a queueing
		 * that found the bit set is seen by fn().
		 */
		smp_mb__after_atomic();
		work->fn(work, worker);
		cond_resched();
	}
	return true;
}

/* Return: false to sleep. The state says that already, so that no wake-up is lost. */
static bool worker_turn(struct vhc_worker *worker)
{
	if (worker->asleep) {
		worker->asleep = false;
		vhc_count(&worker->wakes, 1);
		trace_vhost_worker_wake(worker);
	}
	if (worker_run(worker))
		return true;
	if (unlikely(worker->polling)) {
		__set_current_state(TASK_RUNNING);
		vhc_busy_poll(worker);
		cond_resched();
		return true;
	}
	worker->asleep = true;
	WRITE_ONCE(worker->tid, current->pid);
	/* In this order: who reads the counter finds the event. */
	trace_vhost_worker_sleep(worker);
	vhc_count(&worker->sleeps, 1);
	return false;
}

/* --- a thread of the kernel --- */

static int kthread_fn(void *data)
{
	struct vhc_worker *worker = data;

	kthread_use_mm(worker->mm);
	for (;;) {
		/* Before both checks: a wake-up in between makes schedule() return. */
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (!worker_turn(worker))
			schedule();
	}
	__set_current_state(TASK_RUNNING);
	kthread_unuse_mm(worker->mm);
	return 0;
}

static int kthread_start(struct vhc_worker *worker, const char *name)
{
	struct task_struct *task;
	int err;

	worker->mm = get_task_mm(current);
	if (!worker->mm)
		return -ESRCH;
	task = kthread_create(kthread_fn, worker, "%s", name);
	if (IS_ERR(task)) {
		err = PTR_ERR(task);
		goto err_mm;
	}
	err = cgroup_attach_task_all(current, task);
	if (err)
		goto err_task;
	worker->task = task;
	wake_up_process(task);
	return 0;

err_task:
	kthread_stop(task);
err_mm:
	mmput(worker->mm);
	return err;
}

static void kthread_end(struct vhc_worker *worker)
{
	kthread_stop(worker->task);
	mmput(worker->mm);
}

static void kthread_wake(struct vhc_worker *worker)
{
	wake_up_process(worker->task);
}

static const struct vhc_worker_ops kthread_ops = {
	.start = kthread_start,
	.stop = kthread_end,
	.wake = kthread_wake,
};

/* --- a thread of the owner --- */

static bool vtask_fn(void *data)
{
	return worker_turn(data);
}

/*
 * The thread is ending, the device file may live on. Nothing may queue to it after this: the queues
 * forget it, wake-ups under way are waited for, and what they queued, flushes above all, runs now.
 */
static void vtask_killed(void *data)
{
	struct vhc_worker *worker = data;
	struct vhc_dev *dev = worker->dev;
	u32 i;

	mutex_lock(&worker->mutex);
	worker->killed = true;
	for (i = 0; i < dev->nvqs; i++) {
		struct vhc_vq *vq = dev->vqs[i];

		mutex_lock(&vq->mutex);
		if (rcu_access_pointer(vq->worker) == worker)
			RCU_INIT_POINTER(vq->worker, NULL);
		mutex_unlock(&vq->mutex);
	}
	synchronize_rcu();
	worker_run(worker);
	mutex_unlock(&worker->mutex);
}

static int vtask_start(struct vhc_worker *worker, const char *name)
{
	struct vhost_task *vtsk = vhost_task_create(vtask_fn, vtask_killed, worker, name);

	if (IS_ERR_OR_NULL(vtsk))
		return vtsk ? PTR_ERR(vtsk) : -ENOMEM;
	worker->vtsk = vtsk;
	vhost_task_start(vtsk);
	return 0;
}

static void vtask_stop(struct vhc_worker *worker)
{
	vhost_task_stop(worker->vtsk);
}

static void vtask_wake(struct vhc_worker *worker)
{
	vhost_task_wake(worker->vtsk);
}

static const struct vhc_worker_ops vtask_ops = {
	.start = vtask_start,
	.stop = vtask_stop,
	.wake = vtask_wake,
};

/* --- what the core sees --- */

/* Does a new device ask for threads of its owner? */
bool vhc_fork_owner_default(void)
{
	return fork_from_owner_default && vhost_task_possible();
}

/**
 * vhc_worker_create() - start a worker named after current, who owns it
 * @dev: dev->mutex is held
 *
 * Return: the worker, which serves no queue yet, or ERR_PTR
 */
struct vhc_worker *vhc_worker_create(struct vhc_dev *dev)
{
	struct vhc_worker *worker;
	char name[TASK_COMM_LEN];
	int err;

	worker = kzalloc(sizeof(*worker), GFP_KERNEL_ACCOUNT);
	if (!worker)
		return ERR_PTR(-ENOMEM);
	worker->dev = dev;
	worker->ops = dev->fork_owner ? &vtask_ops : &kthread_ops;
	init_llist_head(&worker->list);
	mutex_init(&worker->mutex);
	snprintf(name, sizeof(name), "vhost-%d", current->pid);

	err = xa_alloc(&dev->workers, &worker->id, worker, xa_limit_32b, GFP_KERNEL_ACCOUNT);
	if (err)
		goto err_free;
	err = worker->ops->start(worker, name);
	if (err)
		goto err_id;
	return worker;

err_id:
	xa_erase(&dev->workers, worker->id);
err_free:
	kfree(worker);
	return ERR_PTR(err);
}

/**
 * vhc_worker_destroy() - stop a worker
 * @worker: no queue refers to it, and what they had queued has run
 */
void vhc_worker_destroy(struct vhc_worker *worker)
{
	WARN_ON(!llist_empty(&worker->list));
	xa_erase(&worker->dev->workers, worker->id);
	worker->ops->stop(worker);
	kfree_rcu(worker, rcu);
}

/**
 * vhc_workers_destroy() - stop all workers of a device
 * @dev: dev->mutex is held; pollers are stopped, queues have no back end and were flushed
 */
void vhc_workers_destroy(struct vhc_dev *dev)
{
	struct vhc_worker *worker;
	unsigned long id;
	u32 i;

	for (i = 0; i < dev->nvqs; i++)
		RCU_INIT_POINTER(dev->vqs[i]->worker, NULL);
	xa_for_each(&dev->workers, id, worker)
		vhc_worker_destroy(worker);
}

/**
 * vhc_worker_attach() - have a worker serve a queue from now on
 * @worker: of the same device, whose mutex is held
 * @vq: may be running; what its old worker has begun is finished on return, and nothing is lost
 */
void vhc_worker_attach(struct vhc_worker *worker, struct vhc_vq *vq)
{
	struct vhc_worker *old;
	bool changed, active;

	mutex_lock(&worker->mutex);
	mutex_lock(&vq->mutex);
	old = rcu_dereference_protected(vq->worker, lockdep_is_held(&vq->mutex));
	changed = !worker->killed && old != worker;
	if (changed) {
		rcu_assign_pointer(vq->worker, worker);
		worker->nr_vqs++;
	}
	/* Nothing else queues work. */
	active = vq->backend || vq->kick_file;
	mutex_unlock(&vq->mutex);
	mutex_unlock(&worker->mutex);
	if (!changed)
		return;

	/* A worker that was killed has left its queues, and their work undone. */
	if (old) {
		/* Wake-ups that still saw it have queued when the flush begins. */
		if (active)
			synchronize_rcu();
		vhc_worker_flush(old);
		old->nr_vqs--;
	}
	if (active)
		vhc_vq_queue(vq);
}

static void flush_fn(struct vhc_work *work, struct vhc_worker *worker)
{
	complete(&container_of(work, struct flush_work, work)->done);
}

/**
 * vhc_worker_flush() - wait for all that is queued now
 * @worker: its device's mutex is held, no vq mutex is
 */
void vhc_worker_flush(struct vhc_worker *worker)
{
	struct flush_work flush;

	/* Nobody else queues. */
	if (!worker->nr_vqs)
		return;
	mutex_lock(&worker->mutex);
	if (worker->killed) {
		mutex_unlock(&worker->mutex);
		return;
	}
	init_completion(&flush.done);
	vhc_work_init(&flush.work, flush_fn);
	worker_queue(worker, &flush.work);
	/* Not held while waiting: a killed worker needs it to run the flush. */
	mutex_unlock(&worker->mutex);
	wait_for_completion(&flush.done);
}

void vhc_vq_queue(struct vhc_vq *vq)
{
	struct vhc_worker *worker;

	rcu_read_lock();
	worker = rcu_dereference(vq->worker);
	if (worker)
		worker_queue(worker, &vq->work);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(vhc_vq_queue);

// SPDX-License-Identifier: GPL-2.0
/*
 * Counters: by an ioctl to whoever has the device file, and in debugfs, a folder for each device
 * that has an owner.
 *
 * Each counter has one writer at a time, under a lock that is held anyway, and readers take none:
 * what they see is not older than the moment they began.
 */
#include <linux/debugfs.h>
#include <linux/idr.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static DEFINE_IDA(stats_ida);
static struct dentry *stats_root;

static void stats_fill(struct vhost_shunt_vq_stats *to, const struct vhc_vq *vq)
{
	const struct vhc_vq_stats *s = &vq->stats;
	const struct vhc_worker *worker;

	*to = (struct vhost_shunt_vq_stats){
		.size = sizeof(*to),
		.index = vq->index,
		.worker_id = VHOST_SHUNT_NO_WORKER,
		.kicks = READ_ONCE(vq->kicks),
		.signals = READ_ONCE(s->signals),
		.suppressed = READ_ONCE(s->suppressed),
		.batches = READ_ONCE(s->batches),
		.elements = READ_ONCE(s->elements),
		.packets = READ_ONCE(s->packets),
		.bytes = READ_ONCE(s->bytes),
		.poll_hits = READ_ONCE(s->poll_hits),
		.poll_misses = READ_ONCE(s->poll_misses),
		.errors = READ_ONCE(s->errors),
	};
	rcu_read_lock();
	worker = rcu_dereference(vq->worker);
	if (worker) {
		to->worker_id = worker->id;
		to->worker_tid = READ_ONCE(worker->tid);
		to->worker_wakes = READ_ONCE(worker->wakes);
		to->worker_sleeps = READ_ONCE(worker->sleeps);
	}
	rcu_read_unlock();
}

/**
 * vhc_stats_ioctl() - VHOST_SHUNT_GET_VQ_STATS
 * @dev: dev->mutex is held
 * @argp: user address of a struct vhost_shunt_vq_stats, of which size and index are read
 *
 * Return: 0; -EFAULT; -EINVAL: size is less than the first version's; -ENOBUFS: no such queue
 */
long vhc_stats_ioctl(struct vhc_dev *dev, struct vhost_shunt_vq_stats __user *argp)
{
	struct vhost_shunt_vq_stats s;
	struct vhc_vq *vq;
	u32 size;

	if (get_user(size, &argp->size))
		return -EFAULT;
	if (size < VHOST_SHUNT_VQ_STATS_SIZE_V1)
		return -EINVAL;
	vq = vhc_vq_from_user(dev, &argp->index);
	if (IS_ERR(vq))
		return PTR_ERR(vq);
	stats_fill(&s, vq);
	/* What a newer caller knows and we do not is left alone; s.size says so. */
	return copy_to_user(argp, &s, min_t(u32, size, sizeof(s))) ? -EFAULT : 0;
}

/* A line a queue, a "name=value" each counter; more may come at the end of a line. */
static int stats_show(struct seq_file *m, void *v)
{
	const struct vhc_dev *dev = m->private;
	struct vhost_shunt_vq_stats s;
	u32 i;

	for (i = 0; i < dev->nvqs; i++) {
		stats_fill(&s, dev->vqs[i]);
		seq_printf(m, "vq=%u name=%s worker=%d tid=%u kicks=%llu signals=%llu suppressed=%llu ",
			   s.index, dev->vqs[i]->ops->name, (int)s.worker_id, s.worker_tid, s.kicks,
			   s.signals, s.suppressed);
		seq_printf(m, "batches=%llu elements=%llu packets=%llu bytes=%llu poll_hits=%llu ",
			   s.batches, s.elements, s.packets, s.bytes, s.poll_hits);
		seq_printf(m, "poll_misses=%llu errors=%llu worker_wakes=%llu worker_sleeps=%llu\n",
			   s.poll_misses, s.errors, s.worker_wakes, s.worker_sleeps);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/**
 * vhc_stats_add() - the device has an owner: current
 * @dev: dev->mutex is held
 *
 * Without debugfs, or without memory for it, there is nothing to see there; that is no error.
 */
void vhc_stats_add(struct vhc_dev *dev)
{
	char name[32];

	dev->owner = task_tgid_nr(current);
	dev->id = ida_alloc(&stats_ida, GFP_KERNEL);
	if (dev->id < 0)
		return;
	snprintf(name, sizeof(name), "%d-%d", dev->owner, dev->id);
	dev->debugfs = debugfs_create_dir(name, stats_root);
	debugfs_create_file("stats", 0400, dev->debugfs, dev, &stats_fops);
}

/**
 * vhc_stats_remove() - the device loses its owner
 * @dev: dev->mutex is held. Readers of the file, who take no lock, are waited for.
 */
void vhc_stats_remove(struct vhc_dev *dev)
{
	if (dev->id < 0)
		return;
	debugfs_remove_recursive(dev->debugfs);
	ida_free(&stats_ida, dev->id);
	dev->debugfs = NULL;
	dev->id = -1;
}

static int __init stats_init(void)
{
	stats_root = debugfs_create_dir("vhost-shunt", NULL);
	return 0;
}
module_init(stats_init);

static void __exit stats_exit(void)
{
	debugfs_remove_recursive(stats_root);
	ida_destroy(&stats_ida);
}
module_exit(stats_exit);

// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls about workers: which kind, how many, and which queue is whose. dev->mutex is held.
 */
#include <linux/err.h>
#include <linux/sched/vhost_task.h>
#include <linux/uaccess.h>

#include "internal.h"

/* Return: may there be one more? */
static bool worker_room(struct vhc_dev *dev)
{
	struct vhc_worker *worker;
	unsigned long id;
	u32 n = 0;

	/* The owner's limit on processes counts its own threads. */
	if (dev->fork_owner)
		return true;
	/* One for each queue, the first one, and one to move to. */
	xa_for_each(&dev->workers, id, worker)
		n++;
	return n < dev->nvqs + 2;
}

static long worker_new(struct vhc_dev *dev, void __user *argp)
{
	struct vhost_worker_state s;
	struct vhc_worker *worker;

	if (!worker_room(dev))
		return -ENOMEM;
	worker = vhc_worker_create(dev);
	if (IS_ERR(worker))
		return -ENOMEM;
	s.worker_id = worker->id;
	if (!copy_to_user(argp, &s, sizeof(s)))
		return 0;
	vhc_worker_destroy(worker);
	return -EFAULT;
}

static long worker_free(struct vhc_dev *dev, void __user *argp)
{
	struct vhost_worker_state s;
	struct vhc_worker *worker;

	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	worker = xa_load(&dev->workers, s.worker_id);
	if (!worker)
		return -ENODEV;
	if (worker->nr_vqs)
		return -EBUSY;
	vhc_worker_destroy(worker);
	return 0;
}

static long worker_attach(struct vhc_dev *dev, void __user *argp)
{
	struct vhc_vq *vq = vhc_vq_from_user(dev, argp);
	struct vhost_vring_worker s;
	struct vhc_worker *worker;

	if (IS_ERR(vq))
		return PTR_ERR(vq);
	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	worker = xa_load(&dev->workers, s.worker_id);
	if (!worker)
		return -ENODEV;
	vhc_worker_attach(worker, vq);
	return 0;
}

static long worker_get(struct vhc_dev *dev, void __user *argp)
{
	struct vhc_vq *vq = vhc_vq_from_user(dev, argp);
	struct vhost_vring_worker s;
	struct vhc_worker *worker;

	if (IS_ERR(vq))
		return PTR_ERR(vq);
	/* Killed workers are not freed before the device is reset. */
	worker = rcu_dereference_protected(vq->worker, lockdep_is_held(&dev->mutex));
	if (!worker)
		return -EINVAL;
	s.index = vq->index;
	s.worker_id = worker->id;
	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

static long fork_owner_set(struct vhc_dev *dev, u8 __user *argp)
{
	u8 mode;

	if (dev->mm)
		return -EBUSY;
	if (get_user(mode, argp))
		return -EFAULT;
	switch (mode) {
	case VHOST_FORK_OWNER_TASK:
		if (!vhost_task_possible())
			return -EOPNOTSUPP;
		break;
	case VHOST_FORK_OWNER_KTHREAD:
		break;
	default:
		return -EINVAL;
	}
	dev->fork_owner = mode == VHOST_FORK_OWNER_TASK;
	return 0;
}

static long fork_owner_get(struct vhc_dev *dev, u8 __user *argp)
{
	return put_user(dev->fork_owner ? VHOST_FORK_OWNER_TASK : VHOST_FORK_OWNER_KTHREAD, argp);
}

static const struct {
	unsigned int cmd;
	long (*fn)(struct vhc_dev *dev, void __user *argp);
} worker_ioctls[] = {
	{ VHOST_NEW_WORKER, worker_new },
	{ VHOST_FREE_WORKER, worker_free },
	{ VHOST_ATTACH_VRING_WORKER, worker_attach },
	{ VHOST_GET_VRING_WORKER, worker_get },
};

/**
 * vhc_worker_ioctl() - an ioctl about workers
 * @dev: dev->mutex is held
 * @cmd: VHOST_*
 * @argp: user address
 *
 * Return: as the stock module for drivers that let their queues have workers, except that kernel
 * threads may be several too; -ENOIOCTLCMD for an unknown @cmd
 */
long vhc_worker_ioctl(struct vhc_dev *dev, unsigned int cmd, void __user *argp)
{
	long ret;
	u32 i;

	switch (cmd) {
	case VHOST_SET_FORK_FROM_OWNER:
		return fork_owner_set(dev, argp);
	case VHOST_GET_FORK_FROM_OWNER:
		return fork_owner_get(dev, argp);
	}

	for (i = 0; i < ARRAY_SIZE(worker_ioctls); i++)
		if (worker_ioctls[i].cmd == cmd)
			break;
	if (i == ARRAY_SIZE(worker_ioctls))
		return -ENOIOCTLCMD;
	if (!dev->mm)
		return -EINVAL;
	ret = vhc_dev_check_owner(dev);
	return ret ?: worker_ioctls[i].fn(dev, argp);
}

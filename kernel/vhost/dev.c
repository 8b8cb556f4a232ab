// SPDX-License-Identifier: GPL-2.0
/*
 * A device: owner, memory table, features, life and end.
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "internal.h"

void vhc_dev_init(struct vhc_dev *dev, const struct vhc_dev_ops *ops, struct vhc_vq **vqs, u32 nvqs)
{
	u32 i;

	dev->ops = ops;
	dev->vqs = vqs;
	dev->nvqs = nvqs;
	mutex_init(&dev->mutex);
	spin_lock_init(&dev->miss_lock);
	init_waitqueue_head(&dev->miss_wait);
	xa_init_flags(&dev->workers, XA_FLAGS_ALLOC);
	dev->fork_owner = vhc_fork_owner_default();
	dev->id = -1;
	for (i = 0; i < nvqs; i++)
		vhc_vq_init(vqs[i], dev, i);
}
EXPORT_SYMBOL_GPL(vhc_dev_init);

void vhc_dev_flush(struct vhc_dev *dev)
{
	struct vhc_worker *worker;
	unsigned long id;

	xa_for_each(&dev->workers, id, worker)
		vhc_worker_flush(worker);
}
EXPORT_SYMBOL_GPL(vhc_dev_flush);

int vhc_dev_check_owner(struct vhc_dev *dev)
{
	return dev->mm && dev->mm == current->mm ? 0 : -EPERM;
}
EXPORT_SYMBOL_GPL(vhc_dev_check_owner);

static long dev_set_owner(struct vhc_dev *dev)
{
	struct vhc_worker *worker;
	u32 i;

	if (dev->mm)
		return -EBUSY;
	/* Before the worker, whose first events name the device. */
	vhc_stats_add(dev);
	worker = vhc_worker_create(dev);
	if (IS_ERR(worker)) {
		vhc_stats_remove(dev);
		return PTR_ERR(worker);
	}
	for (i = 0; i < dev->nvqs; i++)
		vhc_worker_attach(worker, dev->vqs[i]);
	dev->mm = current->mm;
	mmgrab(dev->mm);
	return 0;
}

/* Back to where open() left the device. Nothing of the owner's memory is touched. */
static void dev_reset(struct vhc_dev *dev)
{
	u32 i;

	vhc_stats_remove(dev);
	dev->ops->stop(dev);
	for (i = 0; i < dev->nvqs; i++) {
		mutex_lock(&dev->vqs[i]->mutex);
		vhc_poll_stop(&dev->vqs[i]->kick);
		mutex_unlock(&dev->vqs[i]->mutex);
	}
	vhc_dev_flush(dev);
	vhc_workers_destroy(dev);
	dev->fork_owner = vhc_fork_owner_default();
	for (i = 0; i < dev->nvqs; i++)
		vhc_vq_reset(dev->vqs[i]);
	if (dev->log_ctx)
		eventfd_ctx_put(dev->log_ctx);
	dev->log_ctx = NULL;
	vhc_iotlb_disable(dev);
	dev->iotlb_batch = false;
	WRITE_ONCE(dev->backend_features, 0);
	vhc_mem_free(dev->mem);
	dev->mem = NULL;
	if (dev->mm)
		mmdrop(dev->mm);
	dev->mm = NULL;
}

void vhc_dev_release(struct vhc_dev *dev)
{
	mutex_lock(&dev->mutex);
	dev_reset(dev);
	mutex_unlock(&dev->mutex);
}
EXPORT_SYMBOL_GPL(vhc_dev_release);

/* Can the queue go on with this memory table? One that does not run is asked when it starts. */
static bool dev_vq_takes(struct vhc_vq *vq, const struct vhc_mem *mem)
{
	bool ok;

	mutex_lock(&vq->mutex);
	ok = !vq->backend ||
	     (mem->access_ok && (!vq->log.data || vhc_log_mem_ok(vq->log.base, mem)));
	mutex_unlock(&vq->mutex);
	return ok;
}

static long dev_set_mem_table(struct vhc_dev *dev, void __user *argp)
{
	struct vhc_mem *mem, *old = dev->mem;
	u32 i;

	mem = vhc_mem_create(argp);
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	for (i = 0; i < dev->nvqs; i++) {
		if (!dev_vq_takes(dev->vqs[i], mem)) {
			vhc_mem_free(mem);
			return -EFAULT;
		}
	}
	/* The worker reads the table under the vq mutex only: after this it has forgotten @old. */
	for (i = 0; i < dev->nvqs; i++) {
		mutex_lock(&dev->vqs[i]->mutex);
		dev->vqs[i]->mem = mem;
		dev->vqs[i]->mem_seq++;
		vhc_vq_set_map(dev->vqs[i]);
		mutex_unlock(&dev->vqs[i]->mutex);
	}
	dev->mem = mem;
	vhc_mem_free(old);
	return 0;
}

/* Can the queues that run note what they write? */
static bool dev_log_ok(struct vhc_dev *dev)
{
	bool ok = true;
	u32 i;

	for (i = 0; i < dev->nvqs && ok; i++) {
		struct vhc_vq *vq = dev->vqs[i];

		mutex_lock(&vq->mutex);
		ok = !vq->backend || vhc_log_mem_ok(vq->log.base, vq->mem);
		mutex_unlock(&vq->mutex);
	}
	return ok;
}

/* Only dev->mutex is needed: whoever sets a back end holds it. */
static bool dev_may_have_layout(const struct vhc_dev *dev, u64 features)
{
	u32 i;

	for (i = 0; i < dev->nvqs; i++)
		if (dev->vqs[i]->backend &&
		    (dev->vqs[i]->features ^ features) & VHC_LAYOUT_FEATURES)
			return false;
	return true;
}

static long dev_set_features(struct vhc_dev *dev, u64 features)
{
	u32 i;
	int err;

	if (features & ~dev->ops->features)
		return -EOPNOTSUPP;
	err = dev->ops->check_features ? dev->ops->check_features(dev, features) : 0;
	if (err)
		return err;
	if (!dev_may_have_layout(dev, features))
		return -EBUSY;
	if (features & BIT_ULL(VHOST_F_LOG_ALL) && !dev_log_ok(dev))
		return -EFAULT;
	if (!(features & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)))
		vhc_iotlb_disable(dev);
	else if (vhc_iotlb_enable(dev))
		return -EFAULT;
	for (i = 0; i < dev->nvqs; i++) {
		struct vhc_vq *vq = dev->vqs[i];

		mutex_lock(&vq->mutex);
		vhc_vq_set_features(vq, features);
		if (dev->ops->set_features)
			dev->ops->set_features(vq);
		mutex_unlock(&vq->mutex);
	}
	return 0;
}

static long dev_get_features_array(struct vhc_dev *dev, struct vhost_features_array __user *argp)
{
	u64 count, i;

	if (copy_from_user(&count, &argp->count, sizeof(count)))
		return -EFAULT;
	for (i = 0; i < count; i++) {
		u64 word = i ? 0 : dev->ops->features;

		/* Whoever maps that much may wait for it. */
		if (fatal_signal_pending(current))
			return -EINTR;
		if (copy_to_user(&argp->features[i], &word, sizeof(word)))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

static long dev_set_features_array(struct vhc_dev *dev, struct vhost_features_array __user *argp)
{
	u64 count, word, i, features = 0;

	if (copy_from_user(&count, &argp->count, sizeof(count)))
		return -EFAULT;
	for (i = 0; i < count; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (copy_from_user(&word, &argp->features[i], sizeof(word)))
			return -EFAULT;
		if (!i)
			features = word;
		else if (word)
			return -EOPNOTSUPP;
		cond_resched();
	}
	return dev_set_features(dev, features);
}

/* Formats of messages: there are none without an IOTLB. */
static u64 dev_backend_features(const struct vhc_dev *dev)
{
	return dev->ops->features & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) ? VHC_BACKEND_FEATURES : 0;
}

static long dev_set_backend_features(struct vhc_dev *dev, u64 features)
{
	if (features & ~dev_backend_features(dev))
		return -EOPNOTSUPP;
	WRITE_ONCE(dev->backend_features, features);
	return 0;
}

static long dev_ioctl(struct vhc_dev *dev, unsigned int cmd, void __user *argp)
{
	u64 features;
	long ret;

	/* What anybody who has the file may do */
	switch (cmd) {
	case VHOST_GET_FEATURES:
		return copy_to_user(argp, &dev->ops->features, sizeof(u64)) ? -EFAULT : 0;
	case VHOST_SET_FEATURES:
		if (copy_from_user(&features, argp, sizeof(features)))
			return -EFAULT;
		return dev_set_features(dev, features);
	case VHOST_GET_BACKEND_FEATURES:
		features = dev_backend_features(dev);
		return copy_to_user(argp, &features, sizeof(features)) ? -EFAULT : 0;
	case VHOST_SET_BACKEND_FEATURES:
		if (copy_from_user(&features, argp, sizeof(features)))
			return -EFAULT;
		return dev_set_backend_features(dev, features);
	case VHOST_GET_FEATURES_ARRAY:
		return dev_get_features_array(dev, argp);
	case VHOST_SET_FEATURES_ARRAY:
		return dev_set_features_array(dev, argp);
	case VHOST_SHUNT_GET_VQ_STATS:
		return vhc_stats_ioctl(dev, argp);
	case VHOST_SET_OWNER:
		return dev_set_owner(dev);
	}
	ret = vhc_worker_ioctl(dev, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;

	ret = vhc_dev_check_owner(dev);
	if (ret)
		return ret;

	switch (cmd) {
	case VHOST_RESET_OWNER:
		dev_reset(dev);
		return 0;
	case VHOST_SET_MEM_TABLE:
		return dev_set_mem_table(dev, argp);
	case VHOST_SET_LOG_BASE:
		return vhc_log_set_base(dev, argp);
	case VHOST_SET_LOG_FD:
		return vhc_log_set_fd(dev, argp);
	}
	return vhc_vring_ioctl(dev, cmd, argp);
}

long vhc_ioctl_locked(struct vhc_dev *dev, unsigned int cmd, unsigned long arg)
{
	return dev_ioctl(dev, cmd, (void __user *)arg);
}
EXPORT_SYMBOL_GPL(vhc_ioctl_locked);

long vhc_ioctl(struct vhc_dev *dev, unsigned int cmd, unsigned long arg)
{
	long ret;

	mutex_lock(&dev->mutex);
	ret = dev_ioctl(dev, cmd, (void __user *)arg);
	mutex_unlock(&dev->mutex);
	return ret;
}
EXPORT_SYMBOL_GPL(vhc_ioctl);

MODULE_DESCRIPTION("Core of the Shunt vhost drivers");
MODULE_LICENSE("GPL");

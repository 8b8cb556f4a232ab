// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vhost-blk: the device file and its ioctls.
 */
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "blk.h"

static unsigned int linger_us = 10;
module_param(linger_us, uint, 0644);
MODULE_PARM_DESC(linger_us,
		 "A worker waits so many microseconds at most for more before it sleeps, 0 off (default 10)");

static void blk_stop(struct vhc_dev *dev)
{
	struct blk_chan *chan[VHOST_BLK_MAX_QUEUES];
	struct vhc_async *a;
	u32 i, n = 0;

	for (i = 0; i < dev->nvqs; i++) {
		struct vhc_vq *vq = dev->vqs[i];

		mutex_lock(&vq->mutex);
		a = vhc_vq_stop(vq);
		mutex_unlock(&vq->mutex);
		if (a)
			chan[n++] = to_chan(a);
	}
	/* Who had their mutex has left the handler. */
	blk_chan_close(chan, n);
}

static const struct vhc_dev_ops blk_dev_ops = {
	.features = VHC_FEATURES | BIT_ULL(VIRTIO_F_RING_RESET) | BIT_ULL(VIRTIO_F_IN_ORDER),
	.stop = blk_stop,
};

static struct blk_vq *blk_get_vq(struct vhost_blk *blk, u32 index)
{
	if (index >= VHOST_BLK_MAX_QUEUES)
		return NULL;
	return blk->bq[array_index_nospec(index, VHOST_BLK_MAX_QUEUES)];
}

/*
 * Tie the queue to @new, or to nothing. dev->mutex is held, the vq mutex is not: a drain lets the
 * worker work.
 * Return: 0, or a negative errno and the queue is as it was; either way *@old is to be closed, if
 * there is one
 */
static long blk_vq_set_chan(struct blk_vq *bq, struct blk_chan *new, struct blk_chan **old)
{
	struct vhc_async *was = bq->vq.backend;
	struct vhc_vq *vq = &bq->vq;
	long err = 0;

	*old = new;
	if (was)
		err = vhc_async_drain(was, vq);
	if (err)
		return err;
	mutex_lock(&vq->mutex);
	if (new) {
		err = vhc_async_start(&new->async, vq);
		vhc_vq_linger(vq, READ_ONCE(linger_us));
	} else {
		vhc_vq_stop(vq);
	}
	mutex_unlock(&vq->mutex);
	if (!err)
		*old = was ? to_chan(was) : NULL;
	else if (was)
		vhc_async_resume(was, vq);
	return err;
}

/* dev->mutex is held. @file: NULL to stop the queue */
static long blk_vq_set_backend(struct blk_vq *bq, struct file *file, u32 flags)
{
	struct blk_chan *new = NULL, *old;
	struct vhc_vq *vq = &bq->vq;
	bool ready;
	long err;

	mutex_lock(&vq->mutex);
	ready = vhc_vq_ready(vq);
	mutex_unlock(&vq->mutex);
	if (!ready)
		return -EFAULT;
	if (file) {
		new = blk_chan_open(file, flags, vq->ring.num);
		if (IS_ERR(new))
			return PTR_ERR(new);
	}
	err = blk_vq_set_chan(bq, new, &old);
	if (old)
		blk_chan_close(&old, 1);
	return err;
}

/* A back end for the taking; or ERR_PTR */
static struct file *blk_get_file(int fd)
{
	struct file *file = fget(fd);
	int err;

	if (!file)
		return ERR_PTR(-EBADF);
	err = blk_file_check(file);
	/* What was written through the page cache, so far, is what the queue reads. */
	if (!err && blk_file_bdev(file))
		err = sync_blockdev(blk_file_bdev(file));
	if (!err)
		err = blk_chan_wait_orphans(file);
	if (!err)
		return file;
	fput(file);
	return ERR_PTR(err);
}

static long blk_set_backend(struct vhost_blk *blk, const void __user *argp)
{
	struct vhost_blk_backend b;
	struct file *file = NULL;
	struct blk_vq *bq;
	long ret;

	if (copy_from_user(&b, argp, sizeof(b)))
		return -EFAULT;
	bq = blk_get_vq(blk, b.index);
	if (!bq)
		return -ENOBUFS;
	if (b.flags & ~BLK_FLAGS || b.reserved || b.fd < -1)
		return -EINVAL;
	if (b.fd >= 0) {
		/* May wait for a device, so before the mutex. */
		file = blk_get_file(b.fd);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}
	mutex_lock(&blk->dev.mutex);
	ret = vhc_dev_check_owner(&blk->dev) ?:
		blk_vq_set_backend(bq, file, b.flags);
	mutex_unlock(&blk->dev.mutex);
	if (file)
		fput(file);
	return ret;
}

static long blk_set_serial(struct vhost_blk *blk, const void __user *argp)
{
	u8 serial[VHOST_BLK_SERIAL_LEN];
	long ret;

	if (copy_from_user(serial, argp, sizeof(serial)))
		return -EFAULT;
	mutex_lock(&blk->dev.mutex);
	ret = vhc_dev_check_owner(&blk->dev);
	if (!ret)
		memcpy(blk->serial, serial, sizeof(serial));
	mutex_unlock(&blk->dev.mutex);
	return ret;
}

/* Without dev->mutex: a VMM's vCPU must not wait here for a queue that drains. */
static long blk_set_writeback(struct vhost_blk *blk, const u32 __user *argp)
{
	int err = vhc_dev_check_owner(&blk->dev);
	u32 on;

	if (err)
		return err;
	if (get_user(on, argp))
		return -EFAULT;
	if (on > 1)
		return -EINVAL;
	WRITE_ONCE(blk->writeback, on);
	return 0;
}

static long blk_get_stats(struct vhost_blk *blk, struct vhost_blk_stats __user *argp)
{
	struct vhost_blk_stats s;
	const struct vhc_async *a;
	struct blk_vq *bq;
	u32 size, index;

	if (get_user(size, &argp->size) || get_user(index, &argp->index))
		return -EFAULT;
	if (size < VHOST_BLK_STATS_SIZE_V1)
		return -EINVAL;
	bq = blk_get_vq(blk, index);
	if (!bq)
		return -ENOBUFS;
	mutex_lock(&bq->vq.mutex);
	s = bq->stats;
	a = bq->vq.backend;
	s.inflight = a ? a->inflight : 0;
	mutex_unlock(&bq->vq.mutex);
	s.size = sizeof(s);
	s.index = index;
	s.offloaded = atomic64_read(&bq->offloaded);
	return copy_to_user(argp, &s, min_t(u32, size, sizeof(s))) ? -EFAULT : 0;
}

static long blk_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vhost_blk *blk = file->private_data;
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case VHOST_BLK_SET_BACKEND:
		return blk_set_backend(blk, argp);
	case VHOST_BLK_SET_SERIAL:
		return blk_set_serial(blk, argp);
	case VHOST_BLK_SET_WRITEBACK:
		return blk_set_writeback(blk, argp);
	case VHOST_BLK_GET_INFO:
		return blk_get_info(argp);
	case VHOST_BLK_GET_STATS:
		return blk_get_stats(blk, argp);
	case VHOST_GET_VRING_BASE:
		return vhc_async_get_vring_base(&blk->dev, arg);
	default:
		return vhc_ioctl(&blk->dev, cmd, arg);
	}
}

static void blk_free(struct vhost_blk *blk)
{
	u32 i;

	for (i = 0; i < VHOST_BLK_MAX_QUEUES; i++)
		kfree(blk->bq[i]);
	kfree(blk);
}

static int blk_open(struct inode *inode, struct file *file)
{
	struct vhost_blk *blk = kzalloc(sizeof(*blk), GFP_KERNEL_ACCOUNT);
	u32 i;

	if (!blk)
		return -ENOMEM;
	blk->writeback = true;
	for (i = 0; i < VHOST_BLK_MAX_QUEUES; i++) {
		blk->bq[i] = kzalloc(sizeof(*blk->bq[i]), GFP_KERNEL_ACCOUNT);
		if (!blk->bq[i]) {
			blk_free(blk);
			return -ENOMEM;
		}
		blk->bq[i]->vq.ops = &blk_vq_ops;
		blk->vqs[i] = &blk->bq[i]->vq;
	}
	vhc_dev_init(&blk->dev, &blk_dev_ops, blk->vqs, VHOST_BLK_MAX_QUEUES);
	file->private_data = blk;
	return 0;
}

static int blk_release(struct inode *inode, struct file *file)
{
	struct vhost_blk *blk = file->private_data;

	vhc_dev_release(&blk->dev);
	blk_free(blk);
	return 0;
}

static const struct file_operations blk_fops = {
	.owner = THIS_MODULE,
	.open = blk_open,
	.release = blk_release,
	.unlocked_ioctl = blk_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice blk_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vhost-blk",
	.fops = &blk_fops,
};

static int __init blk_init(void)
{
	int err = blk_bdev_init();

	if (err)
		return err;
	err = misc_register(&blk_misc);
	if (err)
		blk_bdev_exit();
	return err;
}
module_init(blk_init);

static void __exit blk_exit(void)
{
	misc_deregister(&blk_misc);
	blk_chan_exit();
	blk_bdev_exit();
}
module_exit(blk_exit);

MODULE_DESCRIPTION("virtio-blk request queues on a block device or a file");
MODULE_LICENSE("GPL");

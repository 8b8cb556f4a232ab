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

static void blk_stop(struct vhc_dev *dev)
{
	struct blk_chan *chan[VHOST_BLK_MAX_QUEUES];
	u32 i, n = 0;

	for (i = 0; i < dev->nvqs; i++) {
		struct vhc_vq *vq = dev->vqs[i];

		mutex_lock(&vq->mutex);
		chan[n] = vhc_vq_stop(vq);
		mutex_unlock(&vq->mutex);
		n += !!chan[n];
	}
	vhc_dev_flush(dev);
	blk_chan_close(chan, n);
}

static const struct vhc_dev_ops blk_dev_ops = {
	.features = VHC_FEATURES | BIT_ULL(VIRTIO_F_RING_RESET) | BIT_ULL(VIRTIO_F_IN_ORDER),
	.stop = blk_stop,
};

/* A new back end for a ring, as described by user space; or ERR_PTR */
static struct blk_chan *blk_get_chan(const struct vhost_blk_backend *b, u32 num)
{
	struct file *file = fget(b->fd);
	struct blk_chan *chan;
	int err;

	if (!file)
		return ERR_PTR(-EBADF);
	err = blk_file_check(file);
	/* What was written through the page cache, so far, is what the queue reads. */
	if (!err && blk_file_bdev(file))
		err = sync_blockdev(blk_file_bdev(file));
	chan = err ? ERR_PTR(err) :
		blk_chan_open(file, b->flags & VHOST_BLK_BACKEND_RDONLY, num);
	fput(file);
	return chan;
}

/*
 * dev->mutex is held, the vq mutex is not: a drain lets the worker work.
 * Return: 0; or a negative errno, and the queue is as it was
 */
static long blk_vq_set_backend(struct blk_vq *bq, const struct vhost_blk_backend *b)
{
	struct blk_chan *old = bq->vq.backend, *new = NULL;
	struct vhc_vq *vq = &bq->vq;
	long err = 0;

	mutex_lock(&vq->mutex);
	if (!vhc_vq_ready(vq))
		err = -EFAULT;
	mutex_unlock(&vq->mutex);
	if (err)
		return err;
	if (b->fd >= 0) {
		new = blk_get_chan(b, vq->ring.num);
		if (IS_ERR(new))
			return PTR_ERR(new);
	}
	if (old) {
		err = blk_chan_drain(bq, old);
		if (err)
			goto out;
	}

	mutex_lock(&vq->mutex);
	if (new) {
		rcu_assign_pointer(new->bq, bq);
		err = vhc_vq_start(vq, new);
	} else {
		vhc_vq_stop(vq);
	}
	mutex_unlock(&vq->mutex);
	if (err) {
		if (old)
			blk_chan_resume(bq, old);
		goto out;
	}
	new = old;
	if (old)
		vhc_dev_flush(vq->dev);
out:
	/* The one that is not in use */
	if (new)
		blk_chan_close(&new, 1);
	return err;
}

static struct blk_vq *blk_get_vq(struct vhost_blk *blk, u32 index)
{
	if (index >= VHOST_BLK_MAX_QUEUES)
		return NULL;
	return blk->bq[array_index_nospec(index, VHOST_BLK_MAX_QUEUES)];
}

static long blk_set_backend(struct vhost_blk *blk, const void __user *argp)
{
	struct vhost_blk_backend b;
	struct blk_vq *bq;

	if (copy_from_user(&b, argp, sizeof(b)))
		return -EFAULT;
	bq = blk_get_vq(blk, b.index);
	if (!bq)
		return -ENOBUFS;
	if (b.flags & ~VHOST_BLK_BACKEND_RDONLY || b.reserved || b.fd < -1)
		return -EINVAL;
	return blk_vq_set_backend(bq, &b);
}

static long blk_set_serial(struct vhost_blk *blk, const void __user *argp)
{
	u8 serial[VHOST_BLK_SERIAL_LEN];

	if (copy_from_user(serial, argp, sizeof(serial)))
		return -EFAULT;
	memcpy(blk->serial, serial, sizeof(serial));
	return 0;
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

static long blk_owner_ioctl(struct vhost_blk *blk, unsigned int cmd, void __user *argp)
{
	long ret;

	mutex_lock(&blk->dev.mutex);
	ret = vhc_dev_check_owner(&blk->dev);
	if (ret)
		goto out;
	switch (cmd) {
	case VHOST_BLK_SET_BACKEND:
		ret = blk_set_backend(blk, argp);
		break;
	case VHOST_BLK_SET_SERIAL:
		ret = blk_set_serial(blk, argp);
		break;
	}
out:
	mutex_unlock(&blk->dev.mutex);
	return ret;
}

static long blk_get_stats(struct vhost_blk *blk, struct vhost_blk_stats __user *argp)
{
	struct vhost_blk_stats s;
	struct blk_chan *chan;
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
	chan = bq->vq.backend;
	s.inflight = chan ? chan->inflight : 0;
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
	case VHOST_BLK_SET_SERIAL:
		return blk_owner_ioctl(blk, cmd, argp);
	case VHOST_BLK_SET_WRITEBACK:
		return blk_set_writeback(blk, argp);
	case VHOST_BLK_GET_INFO:
		return blk_get_info(argp);
	case VHOST_BLK_GET_STATS:
		return blk_get_stats(blk, argp);
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

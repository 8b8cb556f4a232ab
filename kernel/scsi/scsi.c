// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vhost-scsi: the device file and its ioctls.
 */
#include <linux/err.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "scsi.h"

static unsigned int max_io_vqs = 128;
module_param(max_io_vqs, uint, 0444);
MODULE_PARM_DESC(max_io_vqs, "most request queues of a device, 1 to 1024 (128)");

struct workqueue_struct *scsi_wq;

static const struct vhc_vq_ops scsi_async_vq_ops = {
	.handle = vhc_async_handle,
	.reap = vhc_async_handle_broken,
	.max_elem = SCSI_BATCH,
	.name = "request",
};

/* The back end of the event queue */
static int evt_backend;

/* Stop the queues, and give back what they were tied to. dev.mutex is held. */
static void vs_stop_queues(struct vhost_scsi *vs)
{
	LIST_HEAD(chans);
	void *backend;
	u32 i;

	for (i = 0; i < vs->dev.nvqs; i++) {
		struct vhc_vq *vq = &vs->vq[i];

		mutex_lock(&vq->mutex);
		backend = vhc_vq_stop(vq);
		mutex_unlock(&vq->mutex);
		/* Who had the mutex has left the handler. */
		if (backend && i != SCSI_VQ_EVT)
			list_add(&to_chan(backend)->node_close, &chans);
	}
	scsi_chan_close(&chans);
}

/* dev.mutex is held. */
static void vs_drop_ep(struct vhost_scsi *vs)
{
	if (!vs->ep)
		return;
	cancel_delayed_work_sync(&vs->watch);
	scsi_ep_detach(vs->ep);
	vs_stop_queues(vs);
	scsi_event_drop(vs);
	scsi_ep_put(vs->ep);
	vs->ep = NULL;
}

static void vs_stop(struct vhc_dev *dev)
{
	struct vhost_scsi *vs = container_of(dev, struct vhost_scsi, dev);

	vs_drop_ep(vs);
	WRITE_ONCE(vs->missed, false);
}

/* What requests look like does not change while there are targets. */
static int vs_check_features(struct vhc_dev *dev, u64 features)
{
	struct vhost_scsi *vs = container_of(dev, struct vhost_scsi, dev);
	u64 changed = (vs->vq->features ^ features) & ~BIT_ULL(VHOST_F_LOG_ALL);

	return vs->ep && changed ? -EBUSY : 0;
}

static const struct vhc_dev_ops scsi_dev_ops = {
	.features = VHC_FEATURES | BIT_ULL(VIRTIO_SCSI_F_HOTPLUG) | BIT_ULL(VIRTIO_SCSI_F_CHANGE) |
		    BIT_ULL(VIRTIO_SCSI_F_T10_PI),
	.check_features = vs_check_features,
	.stop = vs_stop,
};

/* --- the endpoint --- */

/* Was the ring set up? Some queues never are. */
static bool vq_is_set_up(const struct vhc_vq *vq)
{
	return vq->addr.desc && vq->addr.avail && vq->addr.used;
}

static bool vs_ready(struct vhost_scsi *vs)
{
	bool ready = vs->dev.mem;
	u32 i;

	for (i = 0; i < vs->dev.nvqs && ready; i++) {
		struct vhc_vq *vq = &vs->vq[i];

		mutex_lock(&vq->mutex);
		ready = !vq_is_set_up(vq) || vhc_vq_ready(vq);
		mutex_unlock(&vq->mutex);
	}
	return ready;
}

static int vs_start_queue(struct vhost_scsi *vs, struct scsi_ep *ep, u32 i)
{
	struct vhc_vq *vq = &vs->vq[i];
	struct scsi_chan *chan;
	LIST_HEAD(chans);
	int err;

	if (!vq_is_set_up(vq))
		return 0;
	if (i == SCSI_VQ_EVT) {
		mutex_lock(&vq->mutex);
		err = vhc_vq_start(vq, &evt_backend);
		mutex_unlock(&vq->mutex);
		return err;
	}
	chan = scsi_chan_open(ep, i == SCSI_VQ_CTL ? &scsi_ctl_ops : &scsi_cmd_ops, vq->ring.num);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	mutex_lock(&vq->mutex);
	err = vhc_async_start(&chan->async, vq);
	mutex_unlock(&vq->mutex);
	if (err) {
		list_add(&chan->node_close, &chans);
		scsi_chan_close(&chans);
	}
	return err;
}

static long vs_set_endpoint(struct vhost_scsi *vs, const char *wwpn)
{
	struct scsi_ep *ep;
	u32 i;
	int err;

	if (!vs_ready(vs))
		return -EFAULT;
	if (vs->ep)
		return -EEXIST;
	ep = scsi_ep_open(vs, wwpn);
	if (IS_ERR(ep))
		return PTR_ERR(ep);
	vs->ep = ep;
	scsi_watch_start(vs);
	for (i = 0; i < vs->dev.nvqs; i++) {
		err = vs_start_queue(vs, ep, i);
		if (err) {
			vs_drop_ep(vs);
			return err;
		}
	}
	return 0;
}

/*
 * What was popped is completed first, so that VHOST_GET_VRING_BASE says where the next device
 * begins. A signal ends the wait, and the queues run on.
 */
static long vs_drain(struct vhost_scsi *vs)
{
	long err = 0;
	u32 i, n;

	for (i = 0; i < vs->dev.nvqs; i++)
		if (i != SCSI_VQ_EVT && vs->vq[i].backend)
			vhc_async_hold(vs->vq[i].backend);
	for (n = 0; n < vs->dev.nvqs && !err; n++)
		if (n != SCSI_VQ_EVT && vs->vq[n].backend)
			err = vhc_async_drain(vs->vq[n].backend, &vs->vq[n]);
	for (i = 0; err && i < vs->dev.nvqs; i++)
		if (i != SCSI_VQ_EVT && vs->vq[i].backend)
			vhc_async_resume(vs->vq[i].backend, &vs->vq[i]);
	return err;
}

static long vs_clear_endpoint(struct vhost_scsi *vs, const char *wwpn)
{
	long err;

	if (!vs_ready(vs))
		return -EFAULT;
	if (!vs->ep)
		return 0;
	if (strcmp(vs->ep->wwpn, wwpn))
		return -EINVAL;
	err = vs_drain(vs);
	if (!err)
		vs_drop_ep(vs);
	return err;
}

static long vs_endpoint(struct vhost_scsi *vs, unsigned int cmd, const void __user *argp)
{
	struct vhost_scsi_target t;
	long ret;

	if (copy_from_user(&t, argp, sizeof(t)))
		return -EFAULT;
	if (t.reserved)
		return -EOPNOTSUPP;
	t.vhost_wwpn[sizeof(t.vhost_wwpn) - 1] = 0;
	mutex_lock(&vs->dev.mutex);
	ret = vhc_dev_check_owner(&vs->dev);
	if (!ret)
		ret = cmd == VHOST_SCSI_SET_ENDPOINT ? vs_set_endpoint(vs, t.vhost_wwpn) :
			vs_clear_endpoint(vs, t.vhost_wwpn);
	mutex_unlock(&vs->dev.mutex);
	return ret;
}

/* --- the other ioctls --- */

static long vs_set_missed(struct vhost_scsi *vs, const u32 __user *argp)
{
	u32 missed;

	if (get_user(missed, argp))
		return -EFAULT;
	WRITE_ONCE(vs->missed, missed);
	return 0;
}

static long scsi_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vhost_scsi *vs = file->private_data;
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case VHOST_SCSI_SET_ENDPOINT:
	case VHOST_SCSI_CLEAR_ENDPOINT:
		return vs_endpoint(vs, cmd, argp);
	case VHOST_SCSI_GET_ABI_VERSION:
		return put_user(VHOST_SCSI_ABI_VERSION, (int __user *)argp);
	case VHOST_SCSI_SET_EVENTS_MISSED:
		return vs_set_missed(vs, argp);
	case VHOST_SCSI_GET_EVENTS_MISSED:
		return put_user((u32)READ_ONCE(vs->missed), (u32 __user *)argp);
	case VHOST_GET_VRING_BASE:
		return vhc_async_get_vring_base(&vs->dev, arg);
	default:
		return vhc_ioctl(&vs->dev, cmd, arg);
	}
}

/* --- the file --- */

static void vs_free(struct vhost_scsi *vs)
{
	kvfree(vs->vqs);
	kvfree(vs->vq);
	kfree(vs);
}

static int scsi_open(struct inode *inode, struct file *file)
{
	struct vhost_scsi *vs = kzalloc(sizeof(*vs), GFP_KERNEL_ACCOUNT);
	u32 nvqs = SCSI_VQ_REQ + max_io_vqs;
	u32 i;

	if (!vs)
		return -ENOMEM;
	vs->vq = kvcalloc(nvqs, sizeof(*vs->vq), GFP_KERNEL_ACCOUNT);
	vs->vqs = kvcalloc(nvqs, sizeof(*vs->vqs), GFP_KERNEL_ACCOUNT);
	if (!vs->vq || !vs->vqs) {
		vs_free(vs);
		return -ENOMEM;
	}
	for (i = 0; i < nvqs; i++) {
		vs->vqs[i] = &vs->vq[i];
		vs->vq[i].ops = i == SCSI_VQ_EVT ? &scsi_evt_vq_ops : &scsi_async_vq_ops;
	}
	init_llist_head(&vs->events);
	INIT_DELAYED_WORK(&vs->watch, scsi_watch);
	vhc_dev_init(&vs->dev, &scsi_dev_ops, vs->vqs, nvqs);
	file->private_data = vs;
	return 0;
}

static int scsi_release(struct inode *inode, struct file *file)
{
	struct vhost_scsi *vs = file->private_data;

	vhc_dev_release(&vs->dev);
	vs_free(vs);
	return 0;
}

static const struct file_operations scsi_fops = {
	.owner = THIS_MODULE,
	.open = scsi_open,
	.release = scsi_release,
	.unlocked_ioctl = scsi_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice scsi_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vhost-scsi",
	.fops = &scsi_fops,
};

static int __init scsi_init(void)
{
	int err;

	if (!max_io_vqs || max_io_vqs > 1024) {
		pr_err("vhost_scsi: max_io_vqs=%u: 1 to 1024\n", max_io_vqs);
		return -EINVAL;
	}
	/* On the processors where LIO's are: see scsi_chan_wake(). */
	scsi_wq = alloc_workqueue("vhost_scsi", WQ_MEM_RECLAIM, 0);
	if (!scsi_wq)
		return -ENOMEM;
	err = scsi_tpg_init();
	if (err)
		goto err_wq;
	err = misc_register(&scsi_misc);
	if (err)
		goto err_tpg;
	return 0;

err_tpg:
	scsi_tpg_exit();
err_wq:
	destroy_workqueue(scsi_wq);
	return err;
}
module_init(scsi_init);

static void __exit scsi_exit(void)
{
	misc_deregister(&scsi_misc);
	scsi_tpg_exit();
	destroy_workqueue(scsi_wq);
}
module_exit(scsi_exit);

MODULE_DESCRIPTION("virtio-scsi devices with targets of LIO");
MODULE_LICENSE("GPL");
MODULE_ALIAS("tcm_vhost");

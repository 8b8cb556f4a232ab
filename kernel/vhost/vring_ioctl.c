// SPDX-License-Identifier: GPL-2.0
/*
 * The VHOST_*_VRING_* ioctls: one queue each.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "internal.h"

/* A ring that runs neither changes its size nor its position. */
static long set_num(struct vhc_vq *vq, void __user *argp, struct file **drop)
{
	struct vhost_vring_state s;

	if (vq->backend)
		return -EBUSY;
	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	if (vq->ring.packed ? !s.num || s.num > VRING_WRAP :
			      s.num > 0xffff || !is_power_of_2(s.num))
		return -EINVAL;
	vq->ring.num = s.num;
	return 0;
}

/*
 * The avail position in the low half, the used one in the high half. Some, such as DPDK's
 * virtio-user, leave the high half empty; then nothing is in flight. Whether the ring has such
 * places is seen when it starts: its size may still change.
 */
static long set_packed_base(struct vhc_vq *vq, u32 base)
{
	vq->ring.pos.avail = base & 0xffff;
	vq->ring.pos.used = base >> 16 ?: base;
	return 0;
}

static long set_base(struct vhc_vq *vq, void __user *argp, struct file **drop)
{
	struct vhost_vring_state s;

	if (vq->backend)
		return -EBUSY;
	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	if (vq->ring.packed)
		return set_packed_base(vq, s.num);
	if (s.num > 0xffff)
		return -EINVAL;
	vq->ring.pos.avail = s.num;
	return 0;
}

static long get_base(struct vhc_vq *vq, void __user *argp, struct file **drop)
{
	struct vhost_vring_state s = {
		.index = vq->index,
		.num = vq->ring.pos.avail,
	};

	if (vq->ring.packed)
		s.num |= (u32)vq->ring.pos.used << 16;
	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

static long set_addr(struct vhc_vq *vq, void __user *argp, struct file **drop)
{
	struct vhc_ring_addr addr;
	struct vhost_vring_addr a;
	bool log;

	if (copy_from_user(&a, argp, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~BIT(VHOST_VRING_F_LOG))
		return -EOPNOTSUPP;
	if (a.desc_user_addr > ULONG_MAX || a.avail_user_addr > ULONG_MAX ||
	    a.used_user_addr > ULONG_MAX)
		return -EFAULT;
	if (a.avail_user_addr % VRING_AVAIL_ALIGN_SIZE ||
	    a.used_user_addr % VRING_USED_ALIGN_SIZE ||
	    a.log_guest_addr % VRING_USED_ALIGN_SIZE)
		return -EINVAL;
	addr = (struct vhc_ring_addr){
		.desc = a.desc_user_addr,
		.avail = a.avail_user_addr,
		.used = a.used_user_addr,
	};
	log = a.flags & BIT(VHOST_VRING_F_LOG);
	/* A ring that does not run yet is checked when it starts: its size may still change. */
	if (vq->backend && !vhc_vq_ring_ok(vq, &addr))
		return -EINVAL;
	if (vq->backend && log && !vq->iotlb && !vq->ring.packed &&
	    !vhc_log_used_ok(vq->log.base, a.log_guest_addr, vq->ring.num))
		return -EINVAL;
	vhc_vq_set_addr(vq, &addr);
	vq->log.ring = log;
	vq->log.used_gpa = a.log_guest_addr;
	return 0;
}

static long set_kick(struct vhc_vq *vq, void __user *argp, struct file **drop)
{
	struct vhost_vring_file f;
	struct file *file = NULL;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	if (f.fd != VHOST_FILE_UNBIND) {
		file = eventfd_fget(f.fd);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}
	*drop = vq->kick_file;
	vhc_poll_stop(&vq->kick);
	vq->kick_file = file;
	if (!file)
		return 0;
	/* For buffers made available before anybody could hear the kick. */
	vhc_vq_queue(vq);
	return vhc_poll_start(&vq->kick, file);
}

static long set_eventfd(struct eventfd_ctx **slot, void __user *argp)
{
	struct eventfd_ctx *ctx = NULL;
	struct vhost_vring_file f;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	if (f.fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(f.fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	swap(*slot, ctx);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

static long set_call(struct vhc_vq *vq, void __user *argp, struct file **drop)
{
	return set_eventfd(&vq->call, argp);
}

static long set_err(struct vhc_vq *vq, void __user *argp, struct file **drop)
{
	return set_eventfd(&vq->err, argp);
}

static long set_busyloop(struct vhc_vq *vq, void __user *argp, struct file **drop)
{
	struct vhost_vring_state s;

	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	vhc_busy_set(vq, s.num);
	return 0;
}

static long get_busyloop(struct vhc_vq *vq, void __user *argp, struct file **drop)
{
	struct vhost_vring_state s = {
		.index = vq->index,
		.num = vq->busy.timeout_us,
	};

	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

/*
 * Called with the vq mutex. A file left in *@drop is let go after a flush: what it asked for has
 * been served when the ioctl returns.
 */
static const struct {
	unsigned int cmd;
	long (*fn)(struct vhc_vq *vq, void __user *argp, struct file **drop);
} vring_ioctls[] = {
	{ VHOST_SET_VRING_NUM, set_num },
	{ VHOST_SET_VRING_ADDR, set_addr },
	{ VHOST_SET_VRING_BASE, set_base },
	{ VHOST_GET_VRING_BASE, get_base },
	{ VHOST_SET_VRING_KICK, set_kick },
	{ VHOST_SET_VRING_CALL, set_call },
	{ VHOST_SET_VRING_ERR, set_err },
	{ VHOST_SET_VRING_BUSYLOOP_TIMEOUT, set_busyloop },
	{ VHOST_GET_VRING_BUSYLOOP_TIMEOUT, get_busyloop },
};

/**
 * vhc_vq_from_user() - the queue that an ioctl is about
 * @dev: its device
 * @argp: user address of the queue's index
 *
 * Return: the queue, or ERR_PTR: -EFAULT, -ENOBUFS for a queue that is not there
 */
struct vhc_vq *vhc_vq_from_user(struct vhc_dev *dev, const void __user *argp)
{
	u32 index;

	if (get_user(index, (const u32 __user *)argp))
		return ERR_PTR(-EFAULT);
	if (index >= dev->nvqs)
		return ERR_PTR(-ENOBUFS);
	return dev->vqs[array_index_nospec(index, dev->nvqs)];
}

/**
 * vhc_vring_ioctl() - an ioctl whose argument begins with a queue's index
 * @dev: dev->mutex is held, current is the owner
 * @cmd: VHOST_*
 * @argp: user address
 *
 * Return: as the stock module, -ENOIOCTLCMD for an unknown @cmd
 */
long vhc_vring_ioctl(struct vhc_dev *dev, unsigned int cmd, void __user *argp)
{
	struct file *drop = NULL;
	struct vhc_vq *vq;
	u32 i;
	long ret;

	for (i = 0; i < ARRAY_SIZE(vring_ioctls); i++)
		if (vring_ioctls[i].cmd == cmd)
			break;
	if (i == ARRAY_SIZE(vring_ioctls))
		return -ENOIOCTLCMD;

	vq = vhc_vq_from_user(dev, argp);
	if (IS_ERR(vq))
		return PTR_ERR(vq);

	mutex_lock(&vq->mutex);
	ret = vring_ioctls[i].fn(vq, argp, &drop);
	mutex_unlock(&vq->mutex);
	if (drop) {
		vhc_dev_flush(dev);
		fput(drop);
	}
	return ret;
}

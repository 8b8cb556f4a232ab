// SPDX-License-Identifier: GPL-2.0
/*
 * Messages about the device IOTLB: the owner writes translations to the device file and reads from
 * it which are missing.
 *
 * A queue misses one address at a time, so there is nothing to allocate and nothing that grows.
 */
#include <linux/export.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "internal.h"

/* Both formats end with the same message. */
#define MSG_SIZE sizeof(struct vhost_msg_v2)
static_assert(sizeof(struct vhost_msg) == MSG_SIZE);
static_assert(offsetof(struct vhost_msg, iotlb) == offsetof(struct vhost_msg_v2, iotlb));
static_assert(VHOST_ACCESS_RO == VRING_PERM_READ && VHOST_ACCESS_WO == VRING_PERM_WRITE);

enum miss_state {
	MISS_NONE,
	MISS_NEW,	/* to be read */
	MISS_READ,	/* to be answered */
	MISS_ANSWERED,	/* in a batch that has not ended */
};

/**
 * vhc_iotlb_miss() - ask the owner for a translation
 * @vq: mutex held; its caller waits
 * @iova: I/O address
 * @perm: VRING_PERM_* that it must grant
 *
 * What was asked before is asked again: the owner may have had no answer then.
 */
void vhc_iotlb_miss(struct vhc_vq *vq, u64 iova, u32 perm)
{
	struct vhc_dev *dev = vq->dev;

	spin_lock(&dev->miss_lock);
	vq->miss = (struct vhc_miss){ .iova = iova, .perm = perm, .state = MISS_NEW };
	spin_unlock(&dev->miss_lock);
	wake_up_interruptible_poll(&dev->miss_wait, EPOLLIN | EPOLLRDNORM);
}

/**
 * vhc_iotlb_miss_drop() - nobody waits for a translation any more
 * @vq: mutex held
 */
void vhc_iotlb_miss_drop(struct vhc_vq *vq)
{
	spin_lock(&vq->dev->miss_lock);
	vq->miss.state = MISS_NONE;
	spin_unlock(&vq->dev->miss_lock);
}

/* A queue with a miss to be read, or NULL; dev->miss_lock is held. */
static struct vhc_vq *miss_next(struct vhc_dev *dev)
{
	u32 i;

	for (i = 0; i < dev->nvqs; i++)
		if (dev->vqs[i]->miss.state == MISS_NEW)
			return dev->vqs[i];
	return NULL;
}

static bool miss_take(struct vhc_dev *dev, struct vhost_iotlb_msg *msg)
{
	struct vhc_vq *vq;

	spin_lock(&dev->miss_lock);
	vq = miss_next(dev);
	if (vq) {
		msg->iova = vq->miss.iova;
		msg->perm = vq->miss.perm;
		vq->miss.state = MISS_READ;
	}
	spin_unlock(&dev->miss_lock);
	return vq;
}

/* For a reader that waits: a miss, or nothing that could be missed */
static bool miss_take_or_end(struct vhc_dev *dev, struct vhost_iotlb_msg *msg, bool *taken)
{
	*taken = miss_take(dev, msg);
	return *taken || !READ_ONCE(dev->iotlb);
}

ssize_t vhc_iotlb_read(struct vhc_dev *dev, struct iov_iter *to, bool noblock)
{
	struct vhost_msg_v2 msg;
	bool taken;

	if (iov_iter_count(to) < MSG_SIZE)
		return 0;
	memset(&msg, 0, sizeof(msg));
	msg.iotlb.type = VHOST_IOTLB_MISS;
	taken = miss_take(dev, &msg.iotlb);
	if (!taken && noblock)
		return -EAGAIN;
	if (!taken && wait_event_interruptible(dev->miss_wait,
					       miss_take_or_end(dev, &msg.iotlb, &taken)))
		return -ERESTARTSYS;
	if (!taken)
		return -EBADFD;

	msg.type = READ_ONCE(dev->backend_features) & BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2) ?
		   VHOST_IOTLB_MSG_V2 : VHOST_IOTLB_MSG;
	return copy_to_iter(&msg, MSG_SIZE, to) == MSG_SIZE ? MSG_SIZE : -EFAULT;
}
EXPORT_SYMBOL_GPL(vhc_iotlb_read);

__poll_t vhc_iotlb_poll(struct vhc_dev *dev, struct file *file, poll_table *pt)
{
	bool ready;

	poll_wait(file, &dev->miss_wait, pt);
	spin_lock(&dev->miss_lock);
	ready = miss_next(dev);
	spin_unlock(&dev->miss_lock);
	return ready ? EPOLLIN | EPOLLRDNORM : 0;
}
EXPORT_SYMBOL_GPL(vhc_iotlb_poll);

/* Let queues go on that wait for one of these translations; in a batch, when it ends. */
static void iotlb_answer(struct vhc_dev *dev, u64 start, u64 last)
{
	u32 i;

	for (i = 0; i < dev->nvqs; i++) {
		struct vhc_miss *miss = &dev->vqs[i]->miss;
		bool go;

		spin_lock(&dev->miss_lock);
		if (miss->state != MISS_NONE && miss->iova >= start && miss->iova <= last)
			miss->state = MISS_ANSWERED;
		go = miss->state == MISS_ANSWERED && !dev->iotlb_batch;
		if (go)
			miss->state = MISS_NONE;
		spin_unlock(&dev->miss_lock);
		if (go)
			vhc_vq_queue(dev->vqs[i]);
	}
}

static int iotlb_update(struct vhc_dev *dev, const struct vhost_iotlb_msg *msg)
{
	struct vring_region add = {
		.gpa = msg->iova,
		.size = msg->size,
		.uaddr = msg->uaddr,
		.perm = msg->perm & VHOST_ACCESS_RW,
	};
	u64 last = msg->iova + msg->size - 1;
	int err;

	if (msg->iova + msg->size < msg->iova || !vhc_region_ok(&add))
		return -EFAULT;
	err = vhc_iotlb_set(dev, msg->iova, last, &add);
	if (!err)
		iotlb_answer(dev, msg->iova, last);
	return err;
}

/* What reaches to the end of all addresses, or beyond, ends there. */
static int iotlb_invalidate(struct vhc_dev *dev, const struct vhost_iotlb_msg *msg)
{
	u64 last = msg->iova + msg->size - 1;

	return vhc_iotlb_set(dev, msg->iova, last < msg->iova ? U64_MAX : last, NULL);
}

/* dev->mutex is held. */
static int iotlb_message(struct vhc_dev *dev, const struct vhost_iotlb_msg *msg)
{
	if (!dev->iotlb)
		return -EFAULT;
	switch (msg->type) {
	case VHOST_IOTLB_UPDATE:
		return iotlb_update(dev, msg);
	case VHOST_IOTLB_INVALIDATE:
		return iotlb_invalidate(dev, msg);
	case VHOST_IOTLB_BATCH_BEGIN:
	case VHOST_IOTLB_BATCH_END:
		if (!(dev->backend_features & BIT_ULL(VHOST_BACKEND_F_IOTLB_BATCH)))
			return -EINVAL;
		dev->iotlb_batch = msg->type == VHOST_IOTLB_BATCH_BEGIN;
		iotlb_answer(dev, 1, 0);
		return 0;
	}
	return -EINVAL;
}

ssize_t vhc_iotlb_write(struct vhc_dev *dev, struct iov_iter *from)
{
	size_t len = min(iov_iter_count(from), MSG_SIZE);
	struct vhost_iotlb_msg msg;
	u32 type;
	int err;

	if (copy_from_iter(&type, sizeof(type), from) != sizeof(type) ||
	    (type != VHOST_IOTLB_MSG && type != VHOST_IOTLB_MSG_V2))
		return -EINVAL;
	iov_iter_advance(from, offsetof(struct vhost_msg_v2, iotlb) - sizeof(type));
	if (copy_from_iter(&msg, sizeof(msg), from) != sizeof(msg))
		return -EINVAL;
	/* No address at all: a mistake that must not be taken for all of them. */
	if (!msg.size && (msg.type == VHOST_IOTLB_UPDATE || msg.type == VHOST_IOTLB_INVALIDATE))
		return -EINVAL;

	mutex_lock(&dev->mutex);
	err = vhc_dev_check_owner(dev) ? -EPERM : iotlb_message(dev, &msg) ? -EFAULT : 0;
	mutex_unlock(&dev->mutex);
	return err ?: len;
}
EXPORT_SYMBOL_GPL(vhc_iotlb_write);

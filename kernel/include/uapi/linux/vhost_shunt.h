/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What <linux/vhost.h> lacks: requests that newer kernels' headers have, with the same numbers; and
 * our own.
 */
#ifndef _UAPI_LINUX_VHOST_SHUNT_H
#define _UAPI_LINUX_VHOST_SHUNT_H

#include <linux/types.h>
#include <linux/vhost.h>

/* Since 6.5 */
#ifndef VHOST_NEW_WORKER
/**
 * struct vhost_worker_state - names a worker
 * @worker_id: set by VHOST_NEW_WORKER, read by VHOST_FREE_WORKER
 */
struct vhost_worker_state {
	unsigned int worker_id;
};

/**
 * struct vhost_vring_worker - who serves a queue
 * @index: queue
 * @worker_id: read by VHOST_ATTACH_VRING_WORKER, set by VHOST_GET_VRING_WORKER
 */
struct vhost_vring_worker {
	unsigned int index;
	unsigned int worker_id;
};

#define VHOST_NEW_WORKER _IOR(VHOST_VIRTIO, 0x8, struct vhost_worker_state)
#define VHOST_FREE_WORKER _IOW(VHOST_VIRTIO, 0x9, struct vhost_worker_state)
#define VHOST_ATTACH_VRING_WORKER _IOW(VHOST_VIRTIO, 0x15, struct vhost_vring_worker)
#define VHOST_GET_VRING_WORKER _IOWR(VHOST_VIRTIO, 0x16, struct vhost_vring_worker)
#endif

/* Since 6.17 */
#ifndef VHOST_GET_FEATURES_ARRAY
/**
 * struct vhost_features_array - feature bits beyond the first 64
 * @count: words that follow
 * @features: bit n is bit n % 64 of word n / 64
 */
struct vhost_features_array {
	__u64 count;
	__u64 features[];
};

#define VHOST_GET_FEATURES_ARRAY _IOR(VHOST_VIRTIO, 0x83, struct vhost_features_array)
#define VHOST_SET_FEATURES_ARRAY _IOW(VHOST_VIRTIO, 0x83, struct vhost_features_array)
#endif

/* Since 6.18, and in some older kernels */
#ifndef VHOST_SET_FORK_FROM_OWNER
#define VHOST_FORK_OWNER_KTHREAD 0
#define VHOST_FORK_OWNER_TASK 1
#define VHOST_SET_FORK_FROM_OWNER _IOW(VHOST_VIRTIO, 0x84, __u8)
#define VHOST_GET_FORK_FROM_OWNER _IOR(VHOST_VIRTIO, 0x85, __u8)
#endif

/* --- ours --- */

/**
 * struct vhost_shunt_vq_stats - what a queue has done since SET_OWNER
 * @size: in: bytes that the caller knows of this structure; out: that the kernel knows. The smaller
 *	of both is written. New members come at the end.
 * @index: in: queue
 * @worker_id: who serves it, %VHOST_SHUNT_NO_WORKER if nobody does
 * @worker_tid: its thread, once it has slept
 * @kicks: signals of the kick eventfd
 * @signals: of the call eventfd, by us
 * @suppressed: batches for which the driver wanted no signal
 * @batches: times that buffers were handed back
 * @elements: buffers handed back
 * @packets: that were in there (net)
 * @bytes: in the buffers, virtio headers included (net)
 * @poll_hits: busy polls that found work
 * @poll_misses: that did not
 * @errors: times that the ring broke
 * @worker_wakes: times that the worker woke up, for any of its queues
 * @worker_sleeps: that it went to sleep
 */
struct vhost_shunt_vq_stats {
	__u32 size;
	__u32 index;
	__u32 worker_id;
	__u32 worker_tid;
	__u64 kicks;
	__u64 signals;
	__u64 suppressed;
	__u64 batches;
	__u64 elements;
	__u64 packets;
	__u64 bytes;
	__u64 poll_hits;
	__u64 poll_misses;
	__u64 errors;
	__u64 worker_wakes;
	__u64 worker_sleeps;
};

#define VHOST_SHUNT_NO_WORKER 0xffffffffu
/* The least @size */
#define VHOST_SHUNT_VQ_STATS_SIZE_V1 112

/*
 * Counters of a queue, for whoever has the device file. The number holds no size, as the structure
 * may grow. EFAULT; EINVAL: size is too small; ENOBUFS: no such queue.
 */
#define VHOST_SHUNT_GET_VQ_STATS _IO(VHOST_VIRTIO, 0xf0)

#endif /* _UAPI_LINUX_VHOST_SHUNT_H */

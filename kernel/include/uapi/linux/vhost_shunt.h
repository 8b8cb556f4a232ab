/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What <linux/vhost.h> lacks: requests that newer kernels' headers have, with the same numbers.
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

#endif /* _UAPI_LINUX_VHOST_SHUNT_H */

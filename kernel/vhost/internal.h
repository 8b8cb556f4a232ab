/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of vhost_core.ko tell each other.
 */
#ifndef VHOST_INTERNAL_H
#define VHOST_INTERNAL_H

#include "core.h"

/**
 * struct vhc_mem - a memory table
 * @access_ok: all of it lies in user space
 * @map: what the engine reads
 */
struct vhc_mem {
	bool access_ok;
	struct vring_mem map;
};

/* mem.c: configuration context */
struct vhc_mem *vhc_mem_create(const struct vhost_memory __user *table);
void vhc_mem_free(struct vhc_mem *mem);

/* worker.c: configuration context; the owner of a new worker is current */
struct vhc_worker *vhc_worker_create(struct vhc_dev *dev);
void vhc_worker_destroy(struct vhc_worker *worker);
void vhc_worker_attach(struct vhc_worker *worker, struct vhc_vq *vq);
void vhc_worker_flush(struct vhc_worker *worker);
void vhc_work_init(struct vhc_work *work, void (*fn)(struct vhc_work *work));

/* vq.c: configuration context; vq->mutex is held where the queue may run */
void vhc_vq_init(struct vhc_vq *vq, struct vhc_dev *dev, u32 index);
int vhc_vq_alloc(struct vhc_vq *vq);
void vhc_vq_free(struct vhc_vq *vq);
void vhc_vq_reset(struct vhc_vq *vq);
bool vhc_vq_ring_ok(const struct vhc_vq *vq, const struct vhost_vring_addr *a);
void vhc_vq_set_features(struct vhc_vq *vq, u64 features);

/* vring_ioctl.c: dev->mutex is held, current is the owner */
long vhc_vring_ioctl(struct vhc_dev *dev, unsigned int cmd, void __user *argp);

#endif

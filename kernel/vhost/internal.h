/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of vhost_core.ko tell each other.
 */
#ifndef VHOST_INTERNAL_H
#define VHOST_INTERNAL_H

#include "core.h"

/**
 * struct vhc_mem_place - a region, where it lies in user space
 * @region: that
 * @reach: how far it and those before it reach
 */
struct vhc_mem_place {
	const struct vring_region *region;
	u64 reach;
};

/**
 * struct vhc_mem - a memory table
 * @access_ok: all of it lies in user space
 * @place: its regions by their addresses there, where they may overlap
 * @map: what the engine reads
 */
struct vhc_mem {
	bool access_ok;
	struct vhc_mem_place *place;
	struct vring_mem map;
};

struct vhc_worker_ops;

/**
 * struct vhc_worker - one thread
 * @list: queued work, latest first
 * @ops: which kind of thread
 * @dev: whose
 * @id: number in dev->workers
 * @nr_vqs: queues it serves; protected by dev->mutex
 * @polling: some queue may be polled; this and what follows up to @sleeps is the thread's own
 * @asleep: it is, or has just woken up
 * @tid: its number
 * @wakes: how often it woke up
 * @sleeps: how often it went to sleep
 * @mutex: protects @killed; flushes queue under it so that none comes after the last run
 * @killed: the owner's SIGKILL ended the thread; no work runs any more
 * @mm: the owner's, kept alive for a kernel thread
 * @task: kernel thread
 * @vtsk: thread of the owner
 * @rcu: a wake-up may still look at it
 *
 * Wake-ups write @list: workers share no cache line with each other.
 */
struct vhc_worker {
	struct llist_head list;
	const struct vhc_worker_ops *ops;
	struct vhc_dev *dev;
	u32 id;
	u32 nr_vqs;
	bool polling;
	bool asleep;
	pid_t tid;
	u64 wakes;
	u64 sleeps;
	struct mutex mutex; /* flushes against the end of the thread */
	bool killed;
	struct mm_struct *mm;
	union {
		struct task_struct *task;
		struct vhost_task *vtsk;
	};
	struct rcu_head rcu;
} ____cacheline_aligned_in_smp;

/* struct vhc_ring_size - bytes of a ring's areas */
struct vhc_ring_size {
	size_t desc;
	size_t avail;
	size_t used;
};

/* mem.c: configuration context */
bool vhc_region_ok(const struct vring_region *r);
struct vhc_mem *vhc_mem_create(const struct vhost_memory __user *table);
void vhc_mem_free(struct vhc_mem *mem);
/* and worker context */
u32 vhc_mem_below(const struct vhc_mem *mem, u64 uaddr);
const struct vring_region *vhc_mem_back(const struct vhc_mem *mem, u64 uaddr, u32 *at);

/* iotlb.c: dev->mutex is held, or vq->mutex by who serves the queue */
int vhc_iotlb_enable(struct vhc_dev *dev);
void vhc_iotlb_disable(struct vhc_dev *dev);
int vhc_iotlb_set(struct vhc_dev *dev, u64 start, u64 last, const struct vring_region *add);
const struct vring_mem *vhc_iotlb_map(const struct vhc_iotlb *tlb);
int vhc_iotlb_map_ring(struct vhc_vq *vq);
int vhc_iotlb_map_start(struct vhc_vq *vq);
bool vhc_iotlb_park(struct vhc_vq *vq);

/* iotlb_msg.c */
void vhc_iotlb_miss(struct vhc_vq *vq, u64 iova, u32 perm);
void vhc_iotlb_miss_drop(struct vhc_vq *vq);

/* log.c */
void vhc_log_complete(const struct vhc_vq *vq, u16 first, u32 n);
void vhc_log_start(const struct vhc_vq *vq);
void vhc_log_kicks(const struct vhc_vq *vq);
bool vhc_log_mem_ok(const void __user *base, const struct vhc_mem *mem);
bool vhc_log_used_ok(const void __user *base, u64 used_gpa, u32 num);
long vhc_log_set_base(struct vhc_dev *dev, void __user *argp);
long vhc_log_set_fd(struct vhc_dev *dev, void __user *argp);

/* worker.c: configuration context; the owner of a new worker is current */
struct vhc_worker *vhc_worker_create(struct vhc_dev *dev);
void vhc_worker_destroy(struct vhc_worker *worker);
void vhc_workers_destroy(struct vhc_dev *dev);
void vhc_worker_attach(struct vhc_worker *worker, struct vhc_vq *vq);
void vhc_worker_flush(struct vhc_worker *worker);
void vhc_work_init(struct vhc_work *work,
		   void (*fn)(struct vhc_work *work, struct vhc_worker *worker));
bool vhc_fork_owner_default(void);

/* stats.c: dev->mutex is held */
long vhc_stats_ioctl(struct vhc_dev *dev, struct vhost_shunt_vq_stats __user *argp);
void vhc_stats_add(struct vhc_dev *dev);
void vhc_stats_remove(struct vhc_dev *dev);

/* busy.c: vq->mutex is held; the latter three in worker context, the last one without the mutex */
void vhc_busy_set(struct vhc_vq *vq, u32 timeout_us);
bool vhc_busy_hold(struct vhc_vq *vq, bool (*ready)(struct vhc_vq *vq), u64 until);
void vhc_busy_end_idle(struct vhc_vq *vq);
void vhc_busy_poll(struct vhc_worker *worker);

/* hold.c: vq->mutex is held, worker context */
void vhc_hold_arrived(struct vhc_vq *vq, u32 n, bool others);
bool vhc_hold_keep(struct vhc_vq *vq, bool others);
bool vhc_hold_wait(struct vhc_vq *vq, bool (*ready)(struct vhc_vq *vq));

/* worker_ioctl.c: dev->mutex is held */
long vhc_worker_ioctl(struct vhc_dev *dev, unsigned int cmd, void __user *argp);

/* vq.c: configuration context; vq->mutex is held where the queue may run */
void vhc_vq_init(struct vhc_vq *vq, struct vhc_dev *dev, u32 index);
void vhc_vq_reset(struct vhc_vq *vq);
struct vhc_ring_size vhc_vq_ring_size(const struct vhc_vq *vq);
bool vhc_vq_ring_ok(const struct vhc_vq *vq, const struct vhc_ring_addr *a);
void vhc_vq_set_addr(struct vhc_vq *vq, const struct vhc_ring_addr *a);
void vhc_vq_set_map(struct vhc_vq *vq);
bool vhc_vq_log_ok(const struct vhc_vq *vq, const void __user *base);
void vhc_vq_set_features(struct vhc_vq *vq, u64 features);

/**
 * vhc_vq_runs_on() - is it up to this worker to call the handler?
 * @vq: mutex held
 * @worker: current. A killed one, whose memory is going away, has no queues.
 */
static inline bool vhc_vq_runs_on(const struct vhc_vq *vq, const struct vhc_worker *worker)
{
	return vq->backend && !vq->broken && rcu_access_pointer(vq->worker) == worker;
}

/* vring_ioctl.c: dev->mutex is held, current is the owner */
long vhc_vring_ioctl(struct vhc_dev *dev, unsigned int cmd, void __user *argp);
struct vhc_vq *vhc_vq_from_user(struct vhc_dev *dev, const void __user *argp);

#endif

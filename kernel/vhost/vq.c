// SPDX-License-Identifier: GPL-2.0
/*
 * A queue: the ring engine, its back end and its eventfds.
 */
#include <linux/eventfd.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/printk.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"
#include "trace.h"

/* Find the ring by its I/O addresses. Return: false when it waits for a translation, or broke */
static bool vq_map_ring(struct vhc_vq *vq)
{
	int err = vhc_iotlb_map_ring(vq);

	if (err && err != -EAGAIN)
		vhc_vq_break(vq, "no I/O translation that the ring can use");
	return !err;
}

/* Worker context. */
static void vq_run(struct vhc_work *work, struct vhc_worker *worker)
{
	struct vhc_vq *vq = container_of(work, struct vhc_vq, work);

	mutex_lock(&vq->mutex);
	if (unlikely(vq->broken && vq->backend && vq->ops->reap &&
		     rcu_access_pointer(vq->worker) == worker))
		vq->ops->reap(vq);
	if (likely(vhc_vq_runs_on(vq, worker)) &&
	    (!vq->iotlb || vq->ring_mapped || vq_map_ring(vq))) {
		vq->busy.polled = false;
		if (unlikely(vq->busy.idle_since))
			vhc_busy_end_idle(vq);
		vq->ops->handle(vq);
	}
	mutex_unlock(&vq->mutex);
}

void vhc_vq_init(struct vhc_vq *vq, struct vhc_dev *dev, u32 index)
{
	vq->dev = dev;
	vq->index = index;
	mutex_init(&vq->mutex);
	vhc_work_init(&vq->work, vq_run);
	vhc_poll_init(&vq->kick, vq, EPOLLIN);
	vhc_vq_reset(vq);
}

/*
 * Make room for batches, once there is a back end: a device may have queues that are never used.
 * One buffer may have as many segments as the stock module allows, UIO_MAXIOV; a full batch of
 * buffers of one or two segments fits as well.
 */
static int vq_alloc(struct vhc_vq *vq)
{
	struct vring_batch *b = &vq->batch;

	b->max_iov = UIO_MAXIOV;
	if (!b->elem)
		b->elem = kvmalloc_array(vq->ops->max_elem, sizeof(*b->elem), GFP_KERNEL_ACCOUNT);
	if (!b->iov)
		b->iov = kvmalloc_array(b->max_iov, sizeof(*b->iov), GFP_KERNEL_ACCOUNT);
	return b->elem && b->iov ? 0 : -ENOMEM;
}

/**
 * vhc_vq_reset() - forget all that an owner set up
 * @vq: not running, not polling, flushed
 */
void vhc_vq_reset(struct vhc_vq *vq)
{
	if (vq->kick_file)
		fput(vq->kick_file);
	if (vq->call)
		eventfd_ctx_put(vq->call);
	if (vq->err)
		eventfd_ctx_put(vq->err);
	vq->kick_file = NULL;
	vq->call = NULL;
	vq->err = NULL;

	kvfree(vq->batch.elem);
	kvfree(vq->batch.iov);
	memset(&vq->batch, 0, sizeof(vq->batch));
	kvfree(vq->ring_page);
	vq->ring_page = NULL;
	vq->ring_room = 0;
	vq->ring_mapped = false;
	vq->iotlb = NULL;
	vq->map = NULL;
	memset(&vq->addr, 0, sizeof(vq->addr));
	memset(&vq->miss, 0, sizeof(vq->miss));
	memset(&vq->ring, 0, sizeof(vq->ring));
	vq->ring.num = 1;
	vq->mem = NULL;
	memset(&vq->log, 0, sizeof(vq->log));
	vq->features = 0;
	vq->broken = false;
	memset(&vq->busy, 0, sizeof(vq->busy));
	memset(&vq->hold, 0, sizeof(vq->hold));
	memset(&vq->stats, 0, sizeof(vq->stats));
	vq->kicks = 0;
}

/**
 * vhc_vq_set_features() - take over what was acknowledged
 * @vq: does not run, or keeps its layout
 * @features: offered
 *
 * A ring of another layout begins afresh, until SET_VRING_BASE says otherwise.
 */
void vhc_vq_set_features(struct vhc_vq *vq, u64 features)
{
	bool packed = features & BIT_ULL(VIRTIO_F_RING_PACKED);

	if (packed != vq->ring.packed) {
		vq->ring.pos.avail = packed ? VRING_WRAP : 0;
		vq->ring.pos.used = packed ? VRING_WRAP : 0;
	}
	vq->features = features;
	vq->ring.packed = packed;
	vq->ring.in_order = vhc_vq_has_feature(vq, VIRTIO_F_IN_ORDER);
	vq->ring.event_idx = vhc_vq_has_feature(vq, VIRTIO_RING_F_EVENT_IDX);
	vq->ring.notify_on_empty = vhc_vq_has_feature(vq, VIRTIO_F_NOTIFY_ON_EMPTY);
	vq->log.data = vhc_vq_has_feature(vq, VHOST_F_LOG_ALL);
}

/**
 * vhc_vq_ring_size() - how large are the areas of a ring?
 * @vq: for its size and layout
 *
 * The event words are counted in whether EVENT_IDX was acknowledged or not: that may change while
 * the ring runs. A packed ring is the descriptors; the other areas are the event structures.
 */
struct vhc_ring_size vhc_vq_ring_size(const struct vhc_vq *vq)
{
	size_t event = sizeof(__virtio16);
	size_t num = vq->ring.num;

	if (vq->ring.packed)
		return (struct vhc_ring_size){
			.desc = num * sizeof(struct vring_packed_desc),
			.avail = sizeof(struct vring_packed_desc_event),
			.used = sizeof(struct vring_packed_desc_event),
		};
	return (struct vhc_ring_size){
		.desc = num * sizeof(struct vring_desc),
		.avail = sizeof(struct vring_avail) + num * sizeof(__virtio16) + event,
		.used = sizeof(struct vring_used) + num * sizeof(struct vring_used_elem) + event,
	};
}

static bool area_ok(u64 addr, size_t size)
{
	return access_ok((void __user *)(unsigned long)addr, size);
}

/**
 * vhc_vq_ring_ok() - can a ring be there?
 * @vq: for its size and layout
 * @a: addresses; I/O addresses are looked at when the ring is served
 */
bool vhc_vq_ring_ok(const struct vhc_vq *vq, const struct vhc_ring_addr *a)
{
	struct vhc_ring_size size = vhc_vq_ring_size(vq);
	bool suits = is_power_of_2(vq->ring.num);

	if (vq->ring.packed)
		suits = !(a->desc % VRING_DESC_ALIGN_SIZE || a->avail % size.avail ||
			  a->used % size.used);
	if (!suits)
		return false;
	return vq->iotlb || (area_ok(a->desc, size.desc) && area_ok(a->avail, size.avail) &&
			     area_ok(a->used, size.used));
}

/* Take over where the ring is. */
void vhc_vq_set_addr(struct vhc_vq *vq, const struct vhc_ring_addr *a)
{
	vq->addr = *a;
	vq->ring_mapped = false;
	if (vq->iotlb)
		return;
	vq->ring.desc = (void __user *)(unsigned long)a->desc;
	vq->ring.avail = (void __user *)(unsigned long)a->avail;
	vq->ring.used = (void __user *)(unsigned long)a->used;
}

/* The engine translates by the IOTLB if there is one. */
void vhc_vq_set_map(struct vhc_vq *vq)
{
	if (vq->iotlb)
		vq->map = vhc_iotlb_map(vq->iotlb);
	else
		vq->map = vq->mem ? &vq->mem->map : NULL;
}

/**
 * vhc_vq_log_ok() - can all that the queue may write be noted there?
 * @vq: has a memory table
 * @base: of the dirty log
 */
bool vhc_vq_log_ok(const struct vhc_vq *vq, const void __user *base)
{
	if (vq->log.data && !vhc_log_mem_ok(base, vq->mem))
		return false;
	if (vq->ring.packed)
		return !vq->log.ring || vhc_log_mem_ok(base, vq->mem);
	return !vq->log.ring || vq->iotlb || vhc_log_used_ok(base, vq->log.used_gpa, vq->ring.num);
}

bool vhc_vq_ready(const struct vhc_vq *vq)
{
	return vq->mem && vq->mem->access_ok && vhc_vq_log_ok(vq, vq->log.base) &&
	       vhc_vq_ring_ok(vq, &vq->addr);
}
EXPORT_SYMBOL_GPL(vhc_vq_ready);

int vhc_vq_start(struct vhc_vq *vq, void *backend)
{
	struct vring_cursor pos = { .avail = vq->ring.pos.avail };
	struct vring_engine was;
	int err;

	if (vq_alloc(vq))
		return -ENOMEM;
	if (vq->iotlb && vhc_iotlb_map_start(vq))
		return -EFAULT;
	was = vq->ring;
	err = vring_load_used(&vq->ring, &pos.used) ?: vring_start(&vq->ring, pos);
	if (err) {
		vq->ring = was;
		return err;
	}
	if (vq->log.ring)
		vhc_log_start(vq);
	vq->broken = false;
	vq->backend = backend;
	vhc_vq_queue(vq);
	return 0;
}
EXPORT_SYMBOL_GPL(vhc_vq_start);

/* Whether the driver wants it or not: the ring is no longer ours to look at. */
static void vq_signal_held(struct vhc_vq *vq)
{
	if (vq->hold.published && vq->call)
		eventfd_signal(vq->call);
	vq->hold.published = 0;
}

void *vhc_vq_stop(struct vhc_vq *vq)
{
	void *backend = vq->backend;

	vq_signal_held(vq);
	vq->backend = NULL;
	vhc_iotlb_miss_drop(vq);
	return backend;
}
EXPORT_SYMBOL_GPL(vhc_vq_stop);

void vhc_vq_break(struct vhc_vq *vq, const char *why)
{
	if (vq->broken)
		return;
	vq->broken = true;
	vhc_count(&vq->stats.errors, 1);
	vq_signal_held(vq);
	/* A dying worker's page faults fail: that says nothing about the ring. */
	if (fatal_signal_pending(current))
		return;
	pr_warn_ratelimited("%s: queue %u broken: %s (avail %u, used %u, head %u, value 0x%llx)\n",
			    current->comm, vq->index, why, vq->ring.pos.avail, vq->ring.pos.used,
			    vq->ring.err.head, vq->ring.err.value);
	if (vq->err)
		eventfd_signal(vq->err);
}
EXPORT_SYMBOL_GPL(vhc_vq_break);

static int vq_check(struct vhc_vq *vq, int ret)
{
	if (unlikely(ret < 0) && !vhc_iotlb_park(vq))
		vhc_vq_break(vq, vring_strerror(vq->ring.err.code));
	return ret;
}

int vhc_vq_pop(struct vhc_vq *vq, u16 max_elem)
{
	vq->batch.max_elem = max_elem;
	return vq_check(vq, vring_pop_batch(&vq->ring, vq->map, &vq->batch));
}
EXPORT_SYMBOL_GPL(vhc_vq_pop);

void vhc_vq_rewind(struct vhc_vq *vq, const struct vring_elem *e)
{
	vring_rewind(&vq->ring, e);
}
EXPORT_SYMBOL_GPL(vhc_vq_rewind);

int vhc_vq_publish(struct vhc_vq *vq, const struct vring_elem *e, u32 n)
{
	u16 first = vq->ring.pos.used;
	int ret;

	if (!n)
		return 0;
	/* Before the driver sees the buffers, so that it finds them counted. */
	vhc_count(&vq->stats.batches, 1);
	vhc_count(&vq->stats.elements, n);
	trace_vhost_batch(vq, n);
	ret = vq_check(vq, vring_complete_batch(&vq->ring, e, n));
	if (unlikely(vq->log.ring))
		vhc_log_complete(vq, first, n);
	if (likely(ret >= 0))
		vq->hold.published += n;
	return ret;
}
EXPORT_SYMBOL_GPL(vhc_vq_publish);

int vhc_vq_signal(struct vhc_vq *vq)
{
	u32 n = vq->hold.published;
	int ret;

	vq->hold.published = 0;
	/* A decision is lost if nobody can hear it: leave it open until there is an eventfd. */
	if (!n || !vq->call)
		return 0;
	ret = vq_check(vq, vring_need_notify(&vq->ring));
	if (ret > 0) {
		vhc_count(&vq->stats.signals, 1);
		trace_vhost_signal(vq, n);
		eventfd_signal(vq->call);
	} else if (!ret) {
		vhc_count(&vq->stats.suppressed, 1);
	}
	return ret < 0 ? ret : 0;
}
EXPORT_SYMBOL_GPL(vhc_vq_signal);

int vhc_vq_complete(struct vhc_vq *vq, const struct vring_elem *e, u32 n)
{
	return vhc_vq_publish(vq, e, n) ?: vhc_vq_signal(vq);
}
EXPORT_SYMBOL_GPL(vhc_vq_complete);

int vhc_vq_write_kicks_off(struct vhc_vq *vq)
{
	int ret = vq_check(vq, vring_kicks_off(&vq->ring));

	if (unlikely(vq->log.ring))
		vhc_log_kicks(vq);
	return ret;
}
EXPORT_SYMBOL_GPL(vhc_vq_write_kicks_off);

int vhc_vq_kicks_on(struct vhc_vq *vq)
{
	int ret = vq_check(vq, vring_kicks_on(&vq->ring));

	if (unlikely(vq->log.ring))
		vhc_log_kicks(vq);
	return ret;
}
EXPORT_SYMBOL_GPL(vhc_vq_kicks_on);

// SPDX-License-Identifier: GPL-2.0
/*
 * The event queue: LUNs that come and go, and capacities that change.
 */
#include <linux/slab.h>
#include <target/target_core_backend.h>
#include <target/target_core_base.h>

#include "scsi.h"

/* How often capacities are looked at: LIO tells nobody. */
#define WATCH_TIME (2 * HZ)

/**
 * struct scsi_event - waits for the worker
 * @node: place in vhost_scsi.events
 * @ev: as the driver will see it, but for the flag of missed ones
 */
struct scsi_event {
	struct llist_node node;
	struct virtio_scsi_event ev;
};

static __virtio32 to_driver(u32 v)
{
	return (__force __virtio32)cpu_to_le32(v);
}

static u32 from_event(__virtio32 v)
{
	return le32_to_cpu((__force __le32)v);
}

/**
 * scsi_event_lun() - tell a guest of a LUN
 * @tpg: mutex held
 * @lun: of it
 * @event: VIRTIO_SCSI_T_*
 * @reason: what goes with that
 *
 * May sleep. Lost when there is no memory, or too many wait: the driver is told of that instead.
 */
void scsi_event_lun(struct scsi_tpg *tpg, const struct se_lun *lun, u32 event, u32 reason)
{
	struct vhost_scsi *vs = tpg->vs;
	struct scsi_event *e = NULL;
	u32 number = lun->unpacked_lun;

	if (!vs)
		return;
	if (atomic_inc_return(&vs->nr_events) <= SCSI_MAX_EVENTS)
		e = kzalloc(sizeof(*e), GFP_KERNEL);
	if (e) {
		e->ev.event = to_driver(event);
		e->ev.reason = to_driver(reason);
		e->ev.lun[0] = 1;
		e->ev.lun[1] = tpg->tpgt;
		/* Numbers from 256 on have the flat form (SAM). */
		e->ev.lun[2] = number >> 8 | (number >= 256 ? 0x40 : 0);
		e->ev.lun[3] = number;
		llist_add(&e->node, &vs->events);
	} else {
		atomic_dec(&vs->nr_events);
		WRITE_ONCE(vs->missed, true);
	}
	vhc_vq_queue(&vs->vq[SCSI_VQ_EVT]);
}

/**
 * scsi_event_drop() - forget events that were not told
 * @vs: has no targets that add any, and its event queue does not run
 */
void scsi_event_drop(struct vhost_scsi *vs)
{
	struct scsi_event *e, *next;

	llist_for_each_entry_safe(e, next, llist_del_all(&vs->events), node) {
		kfree(e);
		vs->missed = true;
	}
	atomic_set(&vs->nr_events, 0);
}

/* Return: a buffer; NULL when the driver has made none available, or the ring is broken */
static struct vring_elem *evt_pop(struct vhc_vq *vq)
{
	int n = vhc_vq_pop(vq, 1);

	if (!n && vhc_vq_kicks_on(vq) > 0)
		n = vhc_vq_pop(vq, 1);
	return n > 0 ? vq->batch.elem : NULL;
}

/* Return: false when the driver has no buffer for it */
static bool evt_send(struct vhost_scsi *vs, struct vhc_vq *vq, struct virtio_scsi_event *ev)
{
	struct vring_elem *e = evt_pop(vq);

	if (!e)
		return false;
	if (e->in_len < sizeof(*ev)) {
		vhc_vq_rewind(vq, e);
		vhc_vq_break(vq, "a buffer that an event does not fit into");
		return false;
	}
	if (READ_ONCE(vs->missed)) {
		WRITE_ONCE(vs->missed, false);
		ev->event = to_driver(from_event(ev->event) | VIRTIO_SCSI_T_EVENTS_MISSED);
	}
	if (!vhc_vq_write(vq, &vq->batch.iov[e->iov + e->nr_out], e->nr_in, ev, sizeof(*ev)))
		e->len = sizeof(*ev);
	vhc_vq_complete(vq, e, 1);
	return true;
}

static bool evt_wanted(const struct vhc_vq *vq, const struct virtio_scsi_event *ev)
{
	return vhc_vq_has_feature(vq, from_event(ev->event) == VIRTIO_SCSI_T_PARAM_CHANGE ?
				  VIRTIO_SCSI_F_CHANGE : VIRTIO_SCSI_F_HOTPLUG);
}

/* What finds no buffer is lost, which the driver learns as soon as it has one (spec 5.6.6.3). */
static void evt_handle(struct vhc_vq *vq)
{
	struct vhost_scsi *vs = to_vs(vq);
	struct virtio_scsi_event none = { .event = to_driver(VIRTIO_SCSI_T_NO_EVENT) };
	struct scsi_event *e, *next;

	llist_for_each_entry_safe(e, next, llist_reverse_order(llist_del_all(&vs->events)), node) {
		atomic_dec(&vs->nr_events);
		if (evt_wanted(vq, &e->ev) && !vq->broken && !evt_send(vs, vq, &e->ev))
			WRITE_ONCE(vs->missed, true);
		kfree(e);
	}
	if (READ_ONCE(vs->missed) && !vq->broken &&
	    (vhc_vq_has_feature(vq, VIRTIO_SCSI_F_HOTPLUG) ||
	     vhc_vq_has_feature(vq, VIRTIO_SCSI_F_CHANGE)))
		evt_send(vs, vq, &none);
}

const struct vhc_vq_ops scsi_evt_vq_ops = {
	.handle = evt_handle,
	.max_elem = 1,
	.name = "event",
};

/* --- capacities --- */

/* The LUN stays: it is being linked, or its group's mutex is held and it is still in the list. */
sector_t scsi_lun_blocks(const struct se_lun *lun)
{
	struct se_device *dev = rcu_dereference_raw(lun->lun_se_dev);

	return dev->transport->get_blocks(dev);
}

static void watch_tpg(struct scsi_tpg *tpg)
{
	struct scsi_tpg_lun *l;

	mutex_lock(&tpg->mutex);
	list_for_each_entry(l, &tpg->luns, node) {
		sector_t blocks = scsi_lun_blocks(l->lun);

		if (blocks == l->blocks)
			continue;
		l->blocks = blocks;
		/* CAPACITY DATA HAS CHANGED: the additional sense code, and its qualifier */
		scsi_event_lun(tpg, l->lun, VIRTIO_SCSI_T_PARAM_CHANGE, 0x2a | 0x09 << 8);
	}
	mutex_unlock(&tpg->mutex);
}

/* scsi_watch() - look for capacities that have changed; stopped before vs->ep goes */
void scsi_watch(struct work_struct *work)
{
	struct vhost_scsi *vs = container_of(work, struct vhost_scsi, watch.work);
	u32 i;

	for (i = 0; i < SCSI_MAX_TARGETS; i++)
		if (vs->ep->tpg[i])
			watch_tpg(vs->ep->tpg[i]);
	scsi_watch_start(vs);
}

void scsi_watch_start(struct vhost_scsi *vs)
{
	queue_delayed_work(system_power_efficient_wq, &vs->watch, WATCH_TIME);
}

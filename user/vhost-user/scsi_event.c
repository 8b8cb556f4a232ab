// SPDX-License-Identifier: GPL-2.0
/*
 * Events, and the queue that tells of them (virtio 1.2, 5.6.6.3). They wait for buffers, one after the other, but that
 * several changes of a unit are one. When there is no room for more, all are missed: the driver, which then looks for
 * itself, is not to hear afterwards of what has been.
 */
#include <endian.h>
#include <string.h>

#include "scsi_cmd.h"

void scsi_event(struct scsi *s, const struct scsi_lun *l, uint32_t event, uint32_t reason)
{
	struct virtio_scsi_event e = { .event = htole32(event), .lun = { 1, (uint8_t)l->target }, .reason = htole32(reason) };
	bool change = event == VIRTIO_SCSI_T_PARAM_CHANGE;
	struct scsi_events *all = &s->events;
	unsigned int i = change ? 0 : all->nr;

	if (!(s->features >> (change ? VIRTIO_SCSI_F_CHANGE : VIRTIO_SCSI_F_HOTPLUG) & 1))
		return;
	put_be16(e.lun + 2, scsi_lun_code(l));
	while (i < all->nr && memcmp(&all->event[i], &e, sizeof(e)))
		i++;
	if (i == SCSI_EVENTS_MAX) {
		all->nr = 0;
		all->missed = true;
	} else {
		all->event[i] = e;
		all->nr += i == all->nr;
	}
	vu_queue_wake(s->queue[SCSI_QUEUE_EVENT]);
}

static struct virtio_scsi_event event_take(struct scsi_events *all)
{
	struct virtio_scsi_event e = { .event = htole32(VIRTIO_SCSI_T_NO_EVENT | VIRTIO_SCSI_T_EVENTS_MISSED) };

	if (!all->missed) {
		e = all->event[0];
		memmove(all->event, all->event + 1, --all->nr * sizeof(e));
	}
	all->missed = false;
	return e;
}

/* What a process before this one has not told, nobody knows. */
static void event_meet(struct vu_queue *q)
{
	struct scsi *s = q->dev;

	if (!s->events.met && vu_queue_resumed(q) && s->features & SCSI_EVENT_FEATURES)
		s->events.missed = true;
	s->events.met = true;
}

static bool event_run(struct vu_queue *q)
{
	struct scsi *s = q->dev;
	struct virtio_scsi_event e;
	struct iovec *iov;
	struct vu_req *r;
	bool any = false;

	pthread_mutex_lock(&s->lock);
	event_meet(q);
	while ((s->events.nr || s->events.missed) && (r = vu_queue_pull(q, &iov))) {
		if (r->elem.in_len < sizeof(e)) {
			vu_req_refuse(q, r, "a buffer that is too short for an event");
			break;
		}
		e = event_take(&s->events);
		iov_write(iov + r->elem.nr_out, r->elem.nr_in, 0, &e, sizeof(e));
		vu_req_end(q, r, sizeof(e));
		any = true;
	}
	pthread_mutex_unlock(&s->lock);
	return any;
}

static const uint8_t opcodes[] = { IORING_OP_NOP };

const struct vu_queue_ops scsi_event_ops = {
	.req_size = sizeof(struct vu_req),
	.opcodes = opcodes,
	.run = event_run,
};

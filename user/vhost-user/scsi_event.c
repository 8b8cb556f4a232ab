// SPDX-License-Identifier: GPL-2.0
/*
 * Events, and the queue that tells of them (virtio 1.2, 5.6.6.3). An event waits for a buffer, and is told once however
 * often it comes meanwhile. What there is no room for is missed, and the driver hears of that with the next one.
 */
#include <endian.h>
#include <string.h>

#include "scsi_cmd.h"

void scsi_event(struct scsi *s, const struct scsi_lun *l, uint32_t event, uint32_t reason)
{
	struct virtio_scsi_event e = { .event = htole32(event), .lun = { 1, (uint8_t)l->target }, .reason = htole32(reason) };
	unsigned int bit = event == VIRTIO_SCSI_T_PARAM_CHANGE ? VIRTIO_SCSI_F_CHANGE : VIRTIO_SCSI_F_HOTPLUG;
	struct scsi_events *all = &s->events;
	unsigned int i;

	if (!(s->features >> bit & 1))
		return;
	put_be16(e.lun + 2, scsi_lun_code(l));
	for (i = 0; i < all->nr && memcmp(&all->event[i], &e, sizeof(e)); i++)
		;
	if (i == SCSI_EVENTS_MAX)
		all->missed = true;
	else
		all->event[i] = e;
	if (i == all->nr && i < SCSI_EVENTS_MAX)
		all->nr++;
	vu_queue_wake(s->queue[SCSI_QUEUE_EVENT]);
}

/* The next one; several that wait are told one after the other. */
static void event_take(struct scsi_events *all, struct virtio_scsi_event *e)
{
	*e = (struct virtio_scsi_event){ .event = htole32(VIRTIO_SCSI_T_NO_EVENT) };
	if (all->nr) {
		*e = all->event[0];
		memmove(all->event, all->event + 1, --all->nr * sizeof(*e));
	}
	if (all->missed)
		e->event |= htole32(VIRTIO_SCSI_T_EVENTS_MISSED);
	all->missed = false;
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
		event_take(&s->events, &e);
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

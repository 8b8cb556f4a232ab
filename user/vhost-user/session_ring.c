// SPDX-License-Identifier: GPL-2.0
/* The life of a session's rings, see session_priv.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "session_priv.h"

void vu_put_fd(int *fd, int new)
{
	if (*fd >= 0)
		close(*fd);
	*fd = new;
}

/* Where the ring is in our memory. Return: 0; -EINVAL, -EFAULT */
static int ring_locate(const struct vu_session *s, const struct vu_vring *v, struct vu_ring *r)
{
	bool packed = vu_has_feature(s, VIRTIO_F_RING_PACKED);
	uint64_t num = v->num, event = sizeof(struct vring_packed_desc_event);

	if (!num || (!packed && num & (num - 1)))
		return -EINVAL;
	r->desc = vu_mem_va(s->mem, v->addr.desc_user_addr, num * sizeof(struct vring_desc));
	r->avail = vu_mem_va(s->mem, v->addr.avail_user_addr,
			     packed ? event : sizeof(struct vring_avail) + (num + 1) * sizeof(uint16_t));
	r->used = vu_mem_va(s->mem, v->addr.used_user_addr,
			    packed ? event : sizeof(struct vring_used) + num * sizeof(struct vring_used_elem) +
			    sizeof(uint16_t));
	if (!r->desc || !r->avail || !r->used)
		return -EFAULT;
	if ((uintptr_t)r->desc % 16 || (uintptr_t)r->avail % (packed ? 4 : 2) || (uintptr_t)r->used % 4)
		return -EINVAL;
	return 0;
}

/* What the device writes to a ring, too, if the front-end wants to hear of that */
static void log_ring(struct vu_session *s, const struct vu_vring *v, struct vu_ring *r)
{
	bool packed = vu_has_feature(s, VIRTIO_F_RING_PACKED);

	r->log = &s->log;
	if (!(v->addr.flags & 1U << VHOST_VRING_F_LOG))
		return;
	r->log_used = v->addr.log_guest_addr;
	r->log_used_len = sizeof(struct vring_packed_desc_event);
	if (!packed)
		r->log_used_len = sizeof(struct vring_used) + v->num * sizeof(struct vring_used_elem) + sizeof(uint16_t);
}

static int vring_run(struct vu_session *s, struct vu_vring *v)
{
	struct vu_ring r = {
		.num = v->num,
		.features = s->features,
		.base = v->base,
		.kick = v->kick,
		.call = v->call,
		.err = v->err,
		.mem = s->mem->map,
	};
	unsigned int index = (unsigned int)(v - s->vring);
	int ret = ring_locate(s, v, &r), error;

	if (vu_has_feature(s, VHOST_F_LOG_ALL) && s->log.map)
		log_ring(s, v, &r);
	r.inflight = vu_inflight_region(s, index, &error);
	r.inflight_size = s->inflight.queue_size;
	ret = ret ?: error;
	if (!ret)
		ret = vu_queue_start(s->d->queue[index], &r);
	v->running = !ret;
	if (ret)
		log_warn("queue %u cannot run: %u descriptors at %#llx: %s", index, v->num,
			 (unsigned long long)v->addr.desc_user_addr, strerror(-ret));
	return ret;
}

void vu_vring_halt(struct vu_session *s, struct vu_vring *v)
{
	if (v->running)
		v->base = vu_queue_stop(vu_vring_queue(s, v));
	v->running = false;
}

/* Without protocol features there is no message that enables. */
static bool vring_wanted(const struct vu_session *s, const struct vu_vring *v)
{
	return v->started && (v->enabled || !vu_has_feature(s, VHOST_USER_F_PROTOCOL_FEATURES));
}

int vu_vring_update(struct vu_session *s, struct vu_vring *v)
{
	if (!vring_wanted(s, v))
		vu_vring_halt(s, v);
	else if (!v->running)
		return vring_run(s, v);
	return 0;
}

void vu_vring_reset(struct vu_session *s, struct vu_vring *v)
{
	vu_vring_halt(s, v);
	vu_put_fd(&v->kick, -1);
	vu_put_fd(&v->call, -1);
	vu_put_fd(&v->err, -1);
	*v = (struct vu_vring){ .kick = -1, .call = -1, .err = -1 };
}

void vu_stop_all(struct vu_session *s)
{
	unsigned int i;

	for (i = 0; i < s->d->num_queues; i++)
		vu_vring_halt(s, &s->vring[i]);
}

int vu_start_all(struct vu_session *s)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < s->d->num_queues; i++)
		ret = ret ?: vu_vring_update(s, &s->vring[i]);
	return ret;
}

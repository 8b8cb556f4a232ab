// SPDX-License-Identifier: GPL-2.0
/* vdrv: the driver's side of a virtqueue, as far as the layout does not matter (virtio 1.2, 2.6). */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vdrv_layout.h"

int vdrv_vq_open(struct vdrv_vq *vq, struct vdrv_mem *m, unsigned int index, unsigned int num,
		 uint64_t features, unsigned int indirect_max)
{
	uint64_t driver_gpa, device_gpa;
	size_t driver_size, device_size;

	*vq = (struct vdrv_vq){ .mem = m, .index = index, .num = num, .nfree = num,
				.kick = -1, .call = -1, .err = -1 };
	vq->layout = features & VDRV_BIT(VIRTIO_F_RING_PACKED) ? &vdrv_packed : &vdrv_split;
	vq->event_idx = features & VDRV_BIT(VIRTIO_RING_F_EVENT_IDX);
	vq->in_order = features & VDRV_BIT(VIRTIO_F_IN_ORDER);
	if (features & VDRV_BIT(VIRTIO_RING_F_INDIRECT_DESC))
		vq->indirect_max = indirect_max;

	vq->layout->sizes(num, &driver_size, &device_size);
	vq->desc_gpa = vdrv_mem_take(m, sizeof(struct vring_desc) * num, 4096);
	driver_gpa = vdrv_mem_take(m, driver_size, 4096);
	device_gpa = vdrv_mem_take(m, device_size, 4096);
	if (!vq->desc_gpa || !driver_gpa || !device_gpa)
		return -ENOMEM;
	if (vq->indirect_max) {
		vq->tables_gpa = vdrv_mem_take(m, sizeof(struct vring_desc) * num *
					       vq->indirect_max, 4096);
		if (!vq->tables_gpa)
			return -ENOMEM;
	}
	vq->desc = vdrv_mem_va(m, vq->desc_gpa);
	vq->avail = vdrv_mem_va(m, driver_gpa);
	vq->used = vdrv_mem_va(m, device_gpa);

	vq->slot = calloc(num, sizeof(*vq->slot));
	vq->order = calloc(num, sizeof(*vq->order));
	vq->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vq->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vq->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!vq->slot || !vq->order || vq->kick < 0 || vq->call < 0 || vq->err < 0) {
		vdrv_vq_close(vq);
		return -ENOMEM;
	}
	vq->layout->open(vq);
	return 0;
}

void vdrv_vq_close(struct vdrv_vq *vq)
{
	if (vq->kick >= 0)
		close(vq->kick);
	if (vq->call >= 0)
		close(vq->call);
	if (vq->err >= 0)
		close(vq->err);
	vq->kick = -1;
	vq->call = -1;
	vq->err = -1;
	free(vq->slot);
	free(vq->order);
	vq->slot = NULL;
	vq->order = NULL;
}

void vdrv_vq_set_base(struct vdrv_vq *vq, uint16_t base)
{
	vq->layout->set_base(vq, base);
}

uint32_t vdrv_vq_device_base(const struct vdrv_vq *vq)
{
	return vq->layout->device_base(vq);
}

int vdrv_vq_set_num(struct vdrv_vq *vq, struct vdrv_dev *d)
{
	struct vhost_vring_state s = { .index = vq->index, .num = vq->num };

	int ret = vdrv_dev_call(d, VHOST_SET_VRING_NUM, &s);

	s.num = vdrv_vq_device_base(vq);
	return ret ?: vdrv_dev_call(d, VHOST_SET_VRING_BASE, &s);
}

int vdrv_vq_set_addr(struct vdrv_vq *vq, struct vdrv_dev *d)
{
	struct vhost_vring_addr a = {
		.index = vq->index,
		.desc_user_addr = (uintptr_t)vq->desc,
		.avail_user_addr = (uintptr_t)vq->avail,
		.used_user_addr = (uintptr_t)vq->used,
	};

	return vdrv_dev_call(d, VHOST_SET_VRING_ADDR, &a);
}

int vdrv_vq_set_fd(struct vdrv_vq *vq, struct vdrv_dev *d, unsigned long request, int fd)
{
	struct vhost_vring_file f = { .index = vq->index, .fd = fd };

	return vdrv_dev_call(d, request, &f);
}

int vdrv_vq_attach(struct vdrv_vq *vq, struct vdrv_dev *d)
{
	int ret;

	ret = vdrv_vq_set_num(vq, d);
	if (!ret)
		ret = vdrv_vq_set_addr(vq, d);
	if (!ret)
		ret = vdrv_vq_set_fd(vq, d, VHOST_SET_VRING_CALL, vq->call);
	if (!ret)
		ret = vdrv_vq_set_fd(vq, d, VHOST_SET_VRING_ERR, vq->err);
	if (!ret)
		ret = vdrv_vq_set_fd(vq, d, VHOST_SET_VRING_KICK, vq->kick);
	return ret;
}

int vdrv_vq_add(struct vdrv_vq *vq, const struct vdrv_buf *buf, unsigned int n, uint32_t cookie)
{
	bool table = vq->indirect_max && n > 1 && n <= vq->indirect_max;
	unsigned int need = table ? 1 : n, i;
	uint32_t in_len = 0;
	uint16_t id;

	if (!n)
		return -EINVAL;
	if (vq->nfree < need)
		return -ENOSPC;
	for (i = 0; i < n; i++)
		in_len += buf[i].device_writes ? buf[i].len : 0;
	/* As many tables as ids: the next free id has its own. */
	id = vq->layout->add(vq, buf, n, !table ? 0 : vq->tables_gpa + (uint64_t)vq->free_head *
			     vq->indirect_max * sizeof(struct vring_desc));
	vq->nfree -= need;
	vq->slot[id].ndesc = need;
	vq->slot[id].in_len = in_len;
	vq->slot[id].cookie = cookie;
	vq->slot[id].busy = true;
	if (vq->in_order)
		vq->order[vq->order_tail++ % vq->num] = id;
	return 0;
}

void vdrv_vq_publish(struct vdrv_vq *vq)
{
	vq->layout->publish(vq);
}

int vdrv_vq_kick_always(struct vdrv_vq *vq)
{
	uint64_t one = 1;

	vdrv_vq_publish(vq);
	vq->unkicked = 0;
	vq->kicks++;
	return write(vq->kick, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
}

int vdrv_vq_kick(struct vdrv_vq *vq)
{
	bool wanted;
	int ret;

	if (!vq->unkicked)
		return 0;
	vdrv_vq_publish(vq);
	/* What is there must be out before the device's wish is read (2.7.13.4.1, 2.8.21.3.1). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = vq->layout->wants_kick(vq);
	vq->unkicked = 0;
	if (!wanted)
		return 0;
	ret = vdrv_vq_kick_always(vq);
	return ret ? ret : 1;
}

unsigned int vdrv_batch(const struct vdrv_vq *vq, unsigned int skip, uint32_t id)
{
	unsigned int i, out = vq->order_tail - vq->order_head;

	for (i = skip; i < out; i++)
		if (vq->order[(vq->order_head + i) % vq->num] == id)
			return i - skip + 1;
	return 0;
}

int vdrv_vq_get(struct vdrv_vq *vq, uint32_t *cookie, uint32_t *len)
{
	unsigned int pending;
	struct vdrv_slot *slot;
	uint32_t id = 0, l = 0;

	if (!vq->batch_left) {
		pending = vq->layout->pending(vq);
		if (!pending)
			return 0;
		vq->layout->peek(vq, &id, &l);
		if (id >= vq->num || !vq->slot[id].busy)
			return -EPROTO;
		if (vq->in_order) {
			vq->batch_left = vdrv_batch(vq, 0, id);
			vq->batch_len = l;
			if (!vq->batch_left || vq->batch_left > pending)
				return -EPROTO;
		}
	}
	if (vq->in_order) {
		id = vq->order[vq->order_head++ % vq->num];
		l = --vq->batch_left ? vq->slot[id].in_len : vq->batch_len;
	}
	slot = &vq->slot[id];
	slot->busy = false;
	if (cookie)
		*cookie = slot->cookie;
	if (len)
		*len = l;
	vq->nfree += slot->ndesc;
	vq->layout->take(vq, id);
	return 1;
}

bool vdrv_vq_all_used(const struct vdrv_vq *vq)
{
	return vq->layout->all_used(vq);
}

bool vdrv_vq_pending(const struct vdrv_vq *vq)
{
	return vq->batch_left || vq->layout->pending(vq);
}

void vdrv_vq_disable_call(struct vdrv_vq *vq)
{
	vq->layout->disable_call(vq);
}

bool vdrv_vq_enable_call(struct vdrv_vq *vq)
{
	vq->layout->enable_call(vq);
	/* Ours must be out before we look again, or a completion between the two is lost. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vdrv_vq_pending(vq);
}

uint64_t vdrv_event_wait(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	if (poll(&p, 1, timeout_ms) <= 0)
		return 0;
	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

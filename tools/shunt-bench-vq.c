// SPDX-License-Identifier: GPL-2.0
/* vdrv: the driver's side of a split virtqueue (virtio 1.2, 2.7). */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vdrv.h"

#define NO_DESC	0xffff

static uint16_t *used_event(struct vdrv_vq *vq)
{
	return (uint16_t *)&vq->avail->ring[vq->num];
}

static uint16_t *avail_event(struct vdrv_vq *vq)
{
	return (uint16_t *)&vq->used->ring[vq->num];
}

int vdrv_vq_open(struct vdrv_vq *vq, struct vdrv_mem *m, unsigned int index, unsigned int num,
		 uint64_t features, unsigned int indirect_max)
{
	uint64_t avail_gpa, used_gpa;
	unsigned int i;

	*vq = (struct vdrv_vq){ .mem = m, .index = index, .num = num, .nfree = num,
				.kick = -1, .call = -1, .err = -1 };
	vq->event_idx = features & VDRV_BIT(VIRTIO_RING_F_EVENT_IDX);
	if (features & VDRV_BIT(VIRTIO_RING_F_INDIRECT_DESC))
		vq->indirect_max = indirect_max;

	vq->desc_gpa = vdrv_mem_take(m, sizeof(struct vring_desc) * num, 4096);
	avail_gpa = vdrv_mem_take(m, sizeof(uint16_t) * (3 + num), 4096);
	used_gpa = vdrv_mem_take(m, sizeof(uint16_t) * 3 + sizeof(struct vring_used_elem) * num,
				 4096);
	if (!vq->desc_gpa || !avail_gpa || !used_gpa)
		return -ENOMEM;
	if (vq->indirect_max) {
		vq->tables_gpa = vdrv_mem_take(m, sizeof(struct vring_desc) * num *
					       vq->indirect_max, 4096);
		if (!vq->tables_gpa)
			return -ENOMEM;
	}
	vq->desc = vdrv_mem_va(m, vq->desc_gpa);
	vq->avail = vdrv_mem_va(m, avail_gpa);
	vq->used = vdrv_mem_va(m, used_gpa);
	for (i = 0; i < num; i++)
		vq->desc[i].next = htole16(i + 1 < num ? i + 1 : NO_DESC);

	vq->slot = calloc(num, sizeof(*vq->slot));
	vq->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vq->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vq->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!vq->slot || vq->kick < 0 || vq->call < 0 || vq->err < 0) {
		vdrv_vq_close(vq);
		return -ENOMEM;
	}
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
	vq->slot = NULL;
}

void vdrv_vq_set_base(struct vdrv_vq *vq, uint16_t base)
{
	vq->avail_idx = base;
	vq->published = base;
	vq->last_used = base;
	vq->avail->idx = htole16(base);
	vq->used->idx = htole16(base);
}

int vdrv_vq_set_num(struct vdrv_vq *vq, struct vdrv_dev *d)
{
	struct vhost_vring_state s = { .index = vq->index, .num = vq->num };

	if (ioctl(d->fd, VHOST_SET_VRING_NUM, &s))
		return -errno;
	s.num = vq->published;
	return ioctl(d->fd, VHOST_SET_VRING_BASE, &s) ? -errno : 0;
}

int vdrv_vq_set_addr(struct vdrv_vq *vq, struct vdrv_dev *d)
{
	struct vhost_vring_addr a = {
		.index = vq->index,
		.desc_user_addr = (uintptr_t)vq->desc,
		.avail_user_addr = (uintptr_t)vq->avail,
		.used_user_addr = (uintptr_t)vq->used,
	};

	return ioctl(d->fd, VHOST_SET_VRING_ADDR, &a) ? -errno : 0;
}

int vdrv_vq_set_fd(struct vdrv_vq *vq, struct vdrv_dev *d, unsigned long request, int fd)
{
	struct vhost_vring_file f = { .index = vq->index, .fd = fd };

	return ioctl(d->fd, request, &f) ? -errno : 0;
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

static void desc_write(struct vring_desc *desc, const struct vdrv_buf *buf, bool more)
{
	desc->addr = htole64(buf->gpa);
	desc->len = htole32(buf->len);
	desc->flags = htole16((buf->device_writes ? VRING_DESC_F_WRITE : 0) |
			      (more ? VRING_DESC_F_NEXT : 0));
}

int vdrv_vq_add(struct vdrv_vq *vq, const struct vdrv_buf *buf, unsigned int n, uint32_t cookie)
{
	bool table = vq->indirect_max && n > 1 && n <= vq->indirect_max;
	unsigned int need = table ? 1 : n, i;
	uint16_t head = vq->free_head, last = head;

	if (!n)
		return -EINVAL;
	if (vq->nfree < need)
		return -ENOSPC;

	if (table) {
		uint64_t gpa = vq->tables_gpa + (uint64_t)head * vq->indirect_max *
			       sizeof(struct vring_desc);
		struct vring_desc *t = vdrv_mem_va(vq->mem, gpa);

		for (i = 0; i < n; i++) {
			desc_write(&t[i], &buf[i], i + 1 < n);
			t[i].next = htole16(i + 1);
		}
		vq->desc[head].addr = htole64(gpa);
		vq->desc[head].len = htole32(n * sizeof(*t));
		vq->desc[head].flags = htole16(VRING_DESC_F_INDIRECT);
	} else {
		for (i = 0; i < n; i++) {
			if (i)
				last = le16toh(vq->desc[last].next);
			desc_write(&vq->desc[last], &buf[i], i + 1 < n);
		}
	}
	/* The free list runs through desc.next, which the device only reads. */
	vq->free_head = le16toh(vq->desc[last].next);
	vq->nfree -= need;
	vq->slot[head] = (struct vdrv_slot){ .ndesc = need, .last = last, .cookie = cookie,
					     .busy = true };
	vq->avail->ring[vq->avail_idx & (vq->num - 1)] = htole16(head);
	vq->avail_idx++;
	return 0;
}

void vdrv_vq_publish(struct vdrv_vq *vq)
{
	/* Pairs with the device's read barrier between avail->idx and the ring. */
	__atomic_store_n(&vq->avail->idx, htole16(vq->avail_idx), __ATOMIC_RELEASE);
}

int vdrv_vq_kick_always(struct vdrv_vq *vq)
{
	uint64_t one = 1;

	vdrv_vq_publish(vq);
	vq->published = vq->avail_idx;
	vq->kicks++;
	return write(vq->kick, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
}

int vdrv_vq_kick(struct vdrv_vq *vq)
{
	uint16_t old = vq->published, new = vq->avail_idx, event;
	int ret;

	if (old == new)
		return 0;
	vdrv_vq_publish(vq);
	vq->published = new;
	/* avail->idx must be out before the device's wish is read (2.7.13.4.1). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vq->event_idx) {
		event = le16toh(__atomic_load_n(avail_event(vq), __ATOMIC_RELAXED));
		if ((uint16_t)(new - event - 1) >= (uint16_t)(new - old))
			return 0;
	} else if (le16toh(__atomic_load_n(&vq->used->flags, __ATOMIC_RELAXED)) &
		   VRING_USED_F_NO_NOTIFY) {
		return 0;
	}
	ret = vdrv_vq_kick_always(vq);
	return ret ? ret : 1;
}

int vdrv_vq_get(struct vdrv_vq *vq, uint32_t *cookie, uint32_t *len)
{
	struct vring_used_elem *e;
	struct vdrv_slot *slot;
	uint32_t id;

	if (le16toh(__atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE)) == vq->last_used)
		return 0;
	e = &vq->used->ring[vq->last_used & (vq->num - 1)];
	id = le32toh(e->id);
	if (id >= vq->num || !vq->slot[id].busy)
		return -EPROTO;
	slot = &vq->slot[id];
	slot->busy = false;
	if (cookie)
		*cookie = slot->cookie;
	if (len)
		*len = le32toh(e->len);
	vq->desc[slot->last].next = htole16(vq->free_head);
	vq->free_head = id;
	vq->nfree += slot->ndesc;
	vq->last_used++;
	return 1;
}

void vdrv_vq_disable_call(struct vdrv_vq *vq)
{
	if (vq->event_idx)	/* farthest from what the device writes next */
		__atomic_store_n(used_event(vq), htole16(vq->last_used + 0x8000),
				 __ATOMIC_RELAXED);
	else
		__atomic_store_n(&vq->avail->flags, htole16(VRING_AVAIL_F_NO_INTERRUPT),
				 __ATOMIC_RELAXED);
}

bool vdrv_vq_enable_call(struct vdrv_vq *vq)
{
	if (vq->event_idx)
		__atomic_store_n(used_event(vq), htole16(vq->last_used), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&vq->avail->flags, 0, __ATOMIC_RELAXED);
	/* Ours must be out before we look again, or a completion between the two is lost. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return le16toh(__atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE)) != vq->last_used;
}

uint64_t vdrv_event_wait(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	if (poll(&p, 1, timeout_ms) <= 0)
		return 0;
	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

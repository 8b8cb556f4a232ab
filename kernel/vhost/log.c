// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log: a bitmap of the owner's, one bit a page of guest memory, in which every write is
 * noted after it was done. Whoever migrates a guest clears a bit before it copies the page.
 *
 * The ring engine knows nothing of this: what it writes is known around its calls. Nothing here
 * runs while no log is wanted.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/uaccess.h>

#include "internal.h"

/*
 * Note a write to guest addresses. Worker or configuration context of the owner's mm; may sleep.
 * Return: 0, or -EFAULT when the log cannot be written
 */
static int log_gpa(const struct vhc_log *log, u64 gpa, u64 len)
{
	u64 nr = gpa / VHOST_PAGE_SIZE, last = (gpa + len - 1) / VHOST_PAGE_SIZE;

	/* The write is seen by whoever sees the bit. */
	smp_wmb();
	while (nr <= last) {
		u64 at = (unsigned long)log->base + nr / 8;
		unsigned long bit = offset_in_page(at) * 8 + nr % 8;
		struct page *page;
		void *words;

		if (at > ULONG_MAX || pin_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1)
			return -EFAULT;
		words = kmap_local_page(page);
		for (; nr <= last && bit < PAGE_SIZE * 8; nr++, bit++)
			set_bit(bit, words);
		kunmap_local(words);
		unpin_user_pages_dirty_lock(&page, 1, true);
	}
	return 0;
}

/* One place in user space may be several guest addresses: all of them are noted. */
static int log_uaddr(const struct vhc_vq *vq, u64 uaddr, u64 len)
{
	u32 at = vhc_mem_below(vq->mem, uaddr + len);
	const struct vring_region *r;
	int err = -EFAULT;

	while ((r = vhc_mem_back(vq->mem, uaddr, &at))) {
		u64 start = max(uaddr, r->uaddr);
		u64 end = min(uaddr + len, r->uaddr + r->size);

		err = log_gpa(&vq->log, r->gpa + (start - r->uaddr), end - start);
		if (err)
			break;
	}
	return err;
}

/* As with the stock module a queue lives on when the log is gone: it is the owner's loss alone. */
static void log_finish(const struct vhc_vq *vq, int err)
{
	if (unlikely(err))
		pr_warn_ratelimited("%s: queue %u: a write is missing in the dirty log\n",
				    current->comm, vq->index);
	if (vq->log.ctx)
		eventfd_signal(vq->log.ctx);
}

static int log_iov(const struct vhc_vq *vq, const struct iovec *iov, u32 nr, size_t len)
{
	int err = 0;

	for (; nr && len; nr--, iov++) {
		size_t n = min(len, iov->iov_len);

		if (n)
			err = log_uaddr(vq, (unsigned long)iov->iov_base, n) ?: err;
		len -= n;
	}
	return err;
}

void vhc_log_data(const struct vhc_vq *vq, const struct iovec *iov, u32 nr, size_t len)
{
	log_finish(vq, log_iov(vq, iov, nr, len));
}
EXPORT_SYMBOL_GPL(vhc_log_data);

void vhc_log_batch(const struct vhc_vq *vq, u32 n)
{
	const struct vring_batch *b = &vq->batch;
	int err = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		const struct vring_elem *e = &b->elem[i];

		err = log_iov(vq, &b->iov[e->iov + e->nr_out], e->nr_in, e->len) ?: err;
	}
	log_finish(vq, err);
}
EXPORT_SYMBOL_GPL(vhc_log_batch);

/* A write to an area of the ring, found by where it lies */
static int log_area(const struct vhc_vq *vq, const struct vring_area *pages,
		    const void __user *flat, size_t offset, size_t len)
{
	int err = 0;

	if (!vq->ring.pages)
		return log_uaddr(vq, (unsigned long)flat + offset, len);
	for (offset += pages->offset; len;) {
		size_t in = offset % VRING_PAGE_SIZE, n = min(len, VRING_PAGE_SIZE - in);

		err = log_uaddr(vq, (unsigned long)(pages->page[offset / VRING_PAGE_SIZE] + in),
				n) ?: err;
		offset += n;
		len -= n;
	}
	return err;
}

/*
 * A write to the used ring, or the device's event structure. The address for the log that came with
 * the ring's is a guest address in the one case that needs it.
 */
static int log_used(const struct vhc_vq *vq, size_t offset, size_t len)
{
	if (vq->iotlb || vhc_vq_has_feature(vq, VIRTIO_F_RING_PACKED))
		return log_area(vq, &vq->ring_pages.used, vq->ring.used, offset, len);
	return log_gpa(&vq->log, vq->log.used_gpa + offset, len);
}

static int log_complete_split(const struct vhc_vq *vq, u16 first, u32 n)
{
	const size_t size = sizeof(struct vring_used_elem);
	const size_t ring = offsetof(struct vring_used, ring);
	u32 start = first & (vq->ring.num - 1), head = min(n, vq->ring.num - start);
	int err;

	err = log_used(vq, ring + start * size, head * size);
	if (n > head)
		err = log_used(vq, ring, (n - head) * size) ?: err;
	return log_used(vq, offsetof(struct vring_used, idx), sizeof(__virtio16)) ?: err;
}

/* Positions have the wrap counter on top. No step at all is a whole round, or a failure. */
static int log_complete_packed(const struct vhc_vq *vq, u16 first)
{
	const u16 wrap = BIT(VRING_PACKED_EVENT_F_WRAP_CTR);
	const size_t size = sizeof(struct vring_packed_desc);
	u32 start = first & ~wrap, end = vq->ring.pos.used & ~wrap;
	int err;

	if (start < end)
		return log_area(vq, &vq->ring_pages.desc, vq->ring.desc, start * size,
				(end - start) * size);
	err = log_area(vq, &vq->ring_pages.desc, vq->ring.desc, start * size,
		       (vq->ring.num - start) * size);
	return log_area(vq, &vq->ring_pages.desc, vq->ring.desc, 0, end * size) ?: err;
}

/**
 * vhc_log_complete() - note that buffers were given back
 * @vq: mutex held, log.ring is set
 * @first: used position before
 * @n: buffers, as many as the ring has at most
 */
void vhc_log_complete(const struct vhc_vq *vq, u16 first, u32 n)
{
	log_finish(vq, vhc_vq_has_feature(vq, VIRTIO_F_RING_PACKED) ?
		       log_complete_packed(vq, first) : log_complete_split(vq, first, n));
}

/**
 * vhc_log_start() - note that vring_start() cleared the used ring's flags
 * @vq: mutex held, log.ring is set
 *
 * That is all of the ring that a device IOTLB needs to have translated by then.
 */
void vhc_log_start(const struct vhc_vq *vq)
{
	log_finish(vq, log_used(vq, offsetof(struct vring_used, flags), sizeof(__virtio16)));
}

/**
 * vhc_log_kicks() - note that the driver was told when to kick
 * @vq: mutex held, log.ring is set
 */
void vhc_log_kicks(const struct vhc_vq *vq)
{
	size_t at = offsetof(struct vring_used, flags), len = sizeof(__virtio16);

	if (vhc_vq_has_feature(vq, VIRTIO_F_RING_PACKED))
		len = sizeof(struct vring_packed_desc_event);
	else if (vq->ring.event_idx)
		at = sizeof(struct vring_used) + vq->ring.num * sizeof(struct vring_used_elem);
	log_finish(vq, log_used(vq, at, len));
}

/* Does the part of the bitmap that stands for these guest addresses lie in user space? */
static bool log_access_ok(const void __user *base, u64 gpa, u64 size)
{
	u64 first = gpa / VHOST_PAGE_SIZE / 8, last = (gpa + size - 1) / VHOST_PAGE_SIZE / 8;

	if (last < first || last > ULONG_MAX - (unsigned long)base)
		return false;
	return access_ok(base + first, last - first + 1);
}

/**
 * vhc_log_mem_ok() - can writes to all of guest memory be noted?
 * @base: the bitmap
 * @mem: guest memory
 */
bool vhc_log_mem_ok(const void __user *base, const struct vhc_mem *mem)
{
	u32 i;

	for (i = 0; i < mem->map.nr; i++)
		if (!log_access_ok(base, mem->map.region[i].gpa, mem->map.region[i].size))
			return false;
	return true;
}

/**
 * vhc_log_used_ok() - can writes to the used ring be noted?
 * @base: the bitmap
 * @used_gpa: guest address of the used ring
 * @num: size of the ring
 */
bool vhc_log_used_ok(const void __user *base, u64 used_gpa, u32 num)
{
	return log_access_ok(base, used_gpa, sizeof(struct vring_used) + sizeof(__virtio16) +
			     num * sizeof(struct vring_used_elem));
}

/**
 * vhc_log_set_base() - VHOST_SET_LOG_BASE
 * @dev: dev->mutex is held, current is the owner
 * @argp: user address of a user address
 *
 * Return: 0, or -EFAULT with everything as it was: not readable, or no place for what the queues
 * that run may write
 */
long vhc_log_set_base(struct vhc_dev *dev, void __user *argp)
{
	void __user *base;
	u64 addr;
	u32 i;

	if (copy_from_user(&addr, argp, sizeof(addr)) || addr > ULONG_MAX)
		return -EFAULT;
	base = (void __user *)(unsigned long)addr;
	for (i = 0; i < dev->nvqs; i++) {
		struct vhc_vq *vq = dev->vqs[i];
		bool ok;

		mutex_lock(&vq->mutex);
		ok = !vq->backend || vhc_vq_log_ok(vq, base);
		mutex_unlock(&vq->mutex);
		if (!ok)
			return -EFAULT;
	}
	for (i = 0; i < dev->nvqs; i++) {
		mutex_lock(&dev->vqs[i]->mutex);
		dev->vqs[i]->log.base = base;
		mutex_unlock(&dev->vqs[i]->mutex);
	}
	return 0;
}

/**
 * vhc_log_set_fd() - VHOST_SET_LOG_FD
 * @dev: dev->mutex is held, current is the owner
 * @argp: user address of the number of an eventfd, or -1
 */
long vhc_log_set_fd(struct vhc_dev *dev, void __user *argp)
{
	struct eventfd_ctx *ctx = NULL;
	int fd;
	u32 i;

	if (get_user(fd, (int __user *)argp))
		return -EFAULT;
	if (fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	swap(ctx, dev->log_ctx);
	for (i = 0; i < dev->nvqs; i++) {
		mutex_lock(&dev->vqs[i]->mutex);
		dev->vqs[i]->log.ctx = dev->log_ctx;
		mutex_unlock(&dev->vqs[i]->mutex);
	}
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

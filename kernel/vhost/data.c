// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of a request: pinned, or copied.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "core.h"
#include "data.h"

#define PIN_BATCH 32

int vhc_segs_copy(struct vhc_segs *s, void *to, size_t len)
{
	s->len -= len;
	while (len) {
		size_t n = min(len, s->iov->iov_len);

		if (copy_from_user(to, s->iov->iov_base, n))
			return -EFAULT;
		to += n;
		len -= n;
		s->iov->iov_base += n;
		s->iov->iov_len -= n;
		if (!s->iov->iov_len) {
			s->iov++;
			s->nr--;
		}
	}
	return 0;
}
EXPORT_SYMBOL_GPL(vhc_segs_copy);

u32 vhc_segs_cut(struct vhc_segs *s, struct iovec *to, size_t len)
{
	u32 nr = 0;

	s->len -= len;
	while (len) {
		size_t n = min(len, s->iov->iov_len);

		to[nr++] = (struct iovec){ .iov_base = s->iov->iov_base, .iov_len = n };
		len -= n;
		s->iov->iov_base += n;
		s->iov->iov_len -= n;
		if (!s->iov->iov_len) {
			s->iov++;
			s->nr--;
		}
	}
	return nr;
}
EXPORT_SYMBOL_GPL(vhc_segs_cut);

int vhc_vq_write(struct vhc_vq *vq, const struct iovec *iov, u32 nr, const void *from, size_t len)
{
	for (; nr && len; iov++, nr--) {
		size_t n = min(len, iov->iov_len);

		if (copy_to_user(iov->iov_base, from, n))
			return -EFAULT;
		vhc_vq_log_data(vq, iov, 1, n);
		from += n;
		len -= n;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(vhc_vq_write);

static u32 data_pages(const struct iovec *iov, u32 nr)
{
	u32 i, n = 0;

	for (i = 0; i < nr; i++)
		n += DIV_ROUND_UP(offset_in_page(iov[i].iov_base) + iov[i].iov_len, PAGE_SIZE);
	return n;
}

static void data_add(struct vhc_data *d, struct page *page, u32 off, u32 len)
{
	struct bio_vec *last = d->bv + d->nr_bv - 1;
	u32 end;

	if (d->nr_bv && !off) {
		end = last->bv_offset + last->bv_len;
		if (!offset_in_page(end) &&
		    page_to_pfn(page) == page_to_pfn(last->bv_page) + (end >> PAGE_SHIFT)) {
			last->bv_len += len;
			return;
		}
	}
	d->bv[d->nr_bv++] = (struct bio_vec){
		.bv_page = page,
		.bv_offset = off,
		.bv_len = len,
	};
}

/* The rule. On its own because an array on the stack is zeroed each time (INIT_STACK_ALL_ZERO). */
static int data_pin_page(struct vhc_data *d, const struct iovec *iov, unsigned int flags)
{
	unsigned long addr = (unsigned long)iov->iov_base;
	struct page *page;

	if (!iov->iov_len)
		return 0;
	if (pin_user_pages_fast(addr & PAGE_MASK, 1, flags, &page) != 1)
		return -EFAULT;
	data_add(d, page, offset_in_page(addr), iov->iov_len);
	return 0;
}

static noinline int data_pin_pages(struct vhc_data *d, struct iovec iov, unsigned int flags)
{
	unsigned long addr = (unsigned long)iov.iov_base;
	struct page *page[PIN_BATCH];
	size_t left = iov.iov_len;
	int i, n;

	while (left) {
		n = min_t(size_t, DIV_ROUND_UP(offset_in_page(addr) + left, PAGE_SIZE), PIN_BATCH);
		n = pin_user_pages_fast(addr & PAGE_MASK, n, flags, page);
		if (n <= 0)
			return -EFAULT;
		for (i = 0; i < n; i++) {
			u32 off = offset_in_page(addr);
			u32 len = min_t(size_t, left, PAGE_SIZE - off);

			data_add(d, page[i], off, len);
			addr += len;
			left -= len;
		}
	}
	return 0;
}

static int data_pin(struct vhc_data *d, const struct vhc_segs *s)
{
	unsigned int flags = d->write ? FOLL_WRITE : 0;
	u32 i;
	int err;

	for (i = 0; i < s->nr; i++) {
		const struct iovec *iov = &s->iov[i];

		if (offset_in_page(iov->iov_base) + iov->iov_len <= PAGE_SIZE)
			err = data_pin_page(d, iov, flags);
		else
			err = data_pin_pages(d, *iov, flags);
		if (err)
			return err;
	}
	return 0;
}

static void *bv_addr(const struct bio_vec *bv)
{
	return page_address(bv->bv_page) + bv->bv_offset;
}

/* Copy between the pages of a bounced request and the driver's memory. */
static int data_copy(struct vhc_data *d, const struct iovec *iov, u32 nr, bool to_user)
{
	const struct bio_vec *bv = d->bv;
	u32 i, at = 0;

	for (i = 0; i < nr; i++) {
		u8 __user *user = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left) {
			u32 n;

			if (at == bv->bv_len) {
				bv++;
				at = 0;
			}
			n = min_t(size_t, left, bv->bv_len - at);
			if (to_user ? copy_to_user(user, bv_addr(bv) + at, n) :
				      copy_from_user(bv_addr(bv) + at, user, n))
				return -EFAULT;
			user += n;
			left -= n;
			at += n;
		}
	}
	return 0;
}

static int data_bounce(struct vhc_data *d, const struct vhc_segs *s)
{
	size_t left = s->len;
	struct page *page;
	u32 n;

	d->bounced = true;
	for (; left; left -= n) {
		n = min_t(size_t, left, PAGE_SIZE);
		/* Zeroed: what the back end did not fill must not tell the guest anything. */
		page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!page)
			return -ENOMEM;
		/* Never merged: they are freed one by one. */
		d->bv[d->nr_bv++] = (struct bio_vec){ .bv_page = page, .bv_len = n };
	}
	return d->write ? 0 : data_copy(d, s->iov, s->nr, false);
}

/* Remember where the device writes. */
static int data_keep_iov(struct vhc_data *d, const struct vhc_segs *s)
{
	d->iov = d->inline_iov;
	if (s->nr > ARRAY_SIZE(d->inline_iov)) {
		d->iov = kvmalloc_array(s->nr, sizeof(*d->iov), GFP_KERNEL_ACCOUNT);
		if (!d->iov)
			return -ENOMEM;
	}
	memcpy(d->iov, s->iov, s->nr * sizeof(*d->iov));
	d->nr_iov = s->nr;
	return 0;
}

int vhc_data_get(struct vhc_data *d, const struct vhc_segs *s, bool write, bool bounce)
{
	u32 pages = bounce ? DIV_ROUND_UP(s->len, PAGE_SIZE) : data_pages(s->iov, s->nr);

	d->write = write;
	if (write && data_keep_iov(d, s))
		return -ENOMEM;
	d->bv = d->inline_bv;
	if (pages > ARRAY_SIZE(d->inline_bv)) {
		d->bv = kvmalloc_array(pages, sizeof(*d->bv), GFP_KERNEL_ACCOUNT);
		if (!d->bv)
			return -ENOMEM;
	}
	return bounce ? data_bounce(d, s) : data_pin(d, s);
}
EXPORT_SYMBOL_GPL(vhc_data_get);

int vhc_data_copy_back(struct vhc_data *d)
{
	return d->bounced ? data_copy(d, d->iov, d->nr_iov, true) : 0;
}
EXPORT_SYMBOL_GPL(vhc_data_copy_back);

void vhc_data_put(struct vhc_data *d)
{
	u32 i;

	for (i = 0; i < d->nr_bv; i++) {
		struct bio_vec *bv = &d->bv[i];

		if (d->bounced)
			__free_page(bv->bv_page);
		else
			unpin_user_page_range_dirty_lock(bv->bv_page,
							 DIV_ROUND_UP(bv->bv_offset + bv->bv_len,
								      PAGE_SIZE),
							 d->write);
	}
	if (d->bv != d->inline_bv)
		kvfree(d->bv);
	if (d->iov != d->inline_iov)
		kvfree(d->iov);
	vhc_data_init(d);
}
EXPORT_SYMBOL_GPL(vhc_data_put);

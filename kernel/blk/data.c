// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of a request: the driver's own, pinned while the back end is at work on them; or, where
 * those do not suit it, ours.
 *
 * Pages are pinned for one request only, and only so long: a balloon or a hole punched in guest
 * memory takes effect.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "blk.h"

#define PIN_BATCH 32

/* Can the back end take these segments as they are? */
bool blk_data_suits(const struct blk_chan *chan, const struct iovec *iov, u32 nr)
{
	unsigned long addr = 0;
	size_t len = 0;
	u32 i;

	for (i = 0; i < nr; i++) {
		addr |= (unsigned long)iov[i].iov_base;
		len |= iov[i].iov_len;
	}
	return !(addr & chan->addr_mask) && !(len & chan->len_mask);
}

static u32 data_pages(const struct iovec *iov, u32 nr)
{
	u32 i, n = 0;

	for (i = 0; i < nr; i++)
		n += DIV_ROUND_UP(offset_in_page(iov[i].iov_base) + iov[i].iov_len, PAGE_SIZE);
	return n;
}

static void data_add(struct blk_data *d, struct page *page, u32 off, u32 len)
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

static int data_pin_segment(struct blk_data *d, struct iovec iov, unsigned int flags)
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

static int data_pin(struct blk_data *d, const struct iovec *iov, u32 nr, bool write)
{
	u32 i;
	int err;

	for (i = 0; i < nr; i++) {
		err = data_pin_segment(d, iov[i], write ? FOLL_WRITE : 0);
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
static int data_copy(struct blk_data *d, const struct iovec *iov, u32 nr, bool to_user)
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

static int data_bounce(struct blk_data *d, const struct iovec *iov, u32 nr, u32 len, bool write)
{
	struct page *page;
	u32 n;

	d->bounced = true;
	for (; len; len -= n) {
		n = min_t(u32, len, PAGE_SIZE);
		/* Zeroed: what the back end did not fill must not tell the guest anything. */
		page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!page)
			return -ENOMEM;
		/* Never merged: they are freed one by one. */
		d->bv[d->nr_bv++] = (struct bio_vec){ .bv_page = page, .bv_len = n };
	}
	return write ? 0 : data_copy(d, iov, nr, false);
}

/* Remember where the device writes. */
static int data_keep_iov(struct blk_data *d, const struct iovec *iov, u32 nr)
{
	d->iov = d->inline_iov;
	if (nr > ARRAY_SIZE(d->inline_iov)) {
		d->iov = kvmalloc_array(nr, sizeof(*iov), GFP_KERNEL_ACCOUNT);
		if (!d->iov)
			return -ENOMEM;
	}
	memcpy(d->iov, iov, nr * sizeof(*iov));
	d->nr_iov = nr;
	return 0;
}

/**
 * blk_data_get() - get hold of the pages of a request
 * @req: op and len are set
 * @iov: where the data is
 * @nr: how many
 * @bounce: they do not suit the back end
 *
 * Context: the owner's address space; may sleep.
 * Return: 0, -EFAULT, -ENOMEM; blk_data_put() follows in each case
 */
int blk_data_get(struct blk_req *req, const struct iovec *iov, u32 nr, bool bounce)
{
	struct blk_data *d = &req->data;
	u32 pages = bounce ? DIV_ROUND_UP(req->len, PAGE_SIZE) : data_pages(iov, nr);
	bool write = req->op == BLK_IN;

	if (write && data_keep_iov(d, iov, nr))
		return -ENOMEM;
	d->bv = d->inline_bv;
	if (pages > ARRAY_SIZE(d->inline_bv)) {
		d->bv = kvmalloc_array(pages, sizeof(*d->bv), GFP_KERNEL_ACCOUNT);
		if (!d->bv)
			return -ENOMEM;
	}
	return bounce ? data_bounce(d, iov, nr, req->len, write) : data_pin(d, iov, nr, write);
}

/**
 * blk_data_copy_back() - give the driver what was read into our pages
 * @req: a good one of type IN
 *
 * Context: the owner's address space; may sleep.
 * Return: 0, -EFAULT
 */
int blk_data_copy_back(struct blk_req *req)
{
	return req->data.bounced ? data_copy(&req->data, req->data.iov, req->data.nr_iov, true) : 0;
}

/**
 * blk_data_put() - let go of the pages
 * @req: the back end is done with it
 *
 * Context: may sleep; any address space.
 */
void blk_data_put(struct blk_req *req)
{
	struct blk_data *d = &req->data;
	u32 i;

	for (i = 0; i < d->nr_bv; i++) {
		struct bio_vec *bv = &d->bv[i];

		if (d->bounced)
			__free_page(bv->bv_page);
		else
			unpin_user_page_range_dirty_lock(bv->bv_page,
							 DIV_ROUND_UP(bv->bv_offset + bv->bv_len,
								      PAGE_SIZE),
							 req->op == BLK_IN);
	}
	if (d->bv != d->inline_bv)
		kvfree(d->bv);
	if (d->iov != d->inline_iov)
		kvfree(d->iov);
	d->bv = NULL;
	d->iov = NULL;
	d->nr_bv = 0;
	d->nr_iov = 0;
	d->bounced = false;
}

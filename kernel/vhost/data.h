/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The data of a request that is at work for longer than the handler: its pages.
 *
 * The pages are the driver's own, pinned while the back end is at work on them; or, where those do
 * not suit it, ours. Pages are pinned for one request only, and only so long: a balloon or a hole
 * punched in guest memory takes effect.
 */
#ifndef VHOST_DATA_H
#define VHOST_DATA_H

#include <linux/bvec.h>
#include <linux/types.h>
#include <linux/uio.h>

struct vhc_vq;

/* Segments that need no allocation */
#define VHC_INLINE_BV 8
#define VHC_INLINE_IOV 2

/**
 * struct vhc_segs - what is left of a buffer's segments, all for reading or all for writing
 * @iov: of vhc_vq.batch; taken apart
 * @nr: how many
 * @len: bytes
 */
struct vhc_segs {
	struct iovec *iov;
	u32 nr;
	size_t len;
};

/**
 * vhc_segs_copy() - copy from the front of what the driver wrote, and step over it
 * @s: has @len bytes
 * @to: where to
 * @len: bytes
 *
 * Context: the owner's address space; may sleep.
 * Return: 0, -EFAULT
 */
int vhc_segs_copy(struct vhc_segs *s, void *to, size_t len);

/**
 * vhc_segs_cut() - take the front off
 * @s: has @len bytes
 * @to: room for as many segments as @s has
 * @len: bytes
 *
 * Return: how many segments @to has now
 */
u32 vhc_segs_cut(struct vhc_segs *s, struct iovec *to, size_t len);

/**
 * vhc_vq_write() - write to the driver's memory, and note it in the dirty log
 * @vq: mutex held, the owner's address space; may sleep
 * @iov: where to
 * @nr: how many
 * @from: what
 * @len: bytes; what does not fit is left out
 *
 * Return: 0, -EFAULT
 */
int vhc_vq_write(struct vhc_vq *vq, const struct iovec *iov, u32 nr, const void *from, size_t len);

/**
 * struct vhc_data - the pages of a request
 * @bv: segments, in @inline_bv if they fit
 * @nr_bv: how many
 * @bounced: the pages are ours: the driver's do not suit the back end
 * @write: the device writes them
 * @iov: where they are in the owner's address space, in @inline_iov if they fit; kept for what the
 *	device writes
 * @nr_iov: how many
 * @inline_bv: room
 * @inline_iov: room
 */
struct vhc_data {
	struct bio_vec *bv;
	u32 nr_bv;
	bool bounced;
	bool write;
	u32 nr_iov;
	struct iovec *iov;
	struct bio_vec inline_bv[VHC_INLINE_BV];
	struct iovec inline_iov[VHC_INLINE_IOV];
};

/* vhc_data_init() - no pages */
static inline void vhc_data_init(struct vhc_data *d)
{
	d->bv = NULL;
	d->nr_bv = 0;
	d->bounced = false;
	d->write = false;
	d->nr_iov = 0;
	d->iov = NULL;
}

/**
 * vhc_data_get() - get hold of the pages of a request
 * @d: has none
 * @s: where the data is; not empty, left as it is
 * @write: the device writes it
 * @bounce: the driver's pages do not suit the back end. Ours are whole pages, but for the last.
 *
 * Context: the owner's address space; may sleep.
 * Return: 0, -EFAULT, -ENOMEM; vhc_data_put() follows in each case
 */
int vhc_data_get(struct vhc_data *d, const struct vhc_segs *s, bool write, bool bounce);

/**
 * vhc_data_copy_back() - give the driver what was written into our pages, if they are ours
 * @d: of a request that went well
 *
 * Context: the owner's address space; may sleep.
 * Return: 0, -EFAULT
 */
int vhc_data_copy_back(struct vhc_data *d);

/**
 * vhc_data_put() - let go of the pages
 * @d: the back end is done with them; has none afterwards
 *
 * Context: may sleep; any address space.
 */
void vhc_data_put(struct vhc_data *d);

#endif

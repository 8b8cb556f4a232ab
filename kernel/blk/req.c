// SPDX-License-Identifier: GPL-2.0
/*
 * Requests: taken from the ring, understood, handed to the back end, completed.
 */
#include <linux/blkdev.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/virtio_blk.h>

#include "blk.h"

/**
 * blk_req_end() - the back end is done with a request
 * @req: not touched afterwards
 * @error: 0, or a negative errno
 *
 * Any context.
 */
void blk_req_end(struct blk_req *req, int error)
{
	req->error = error;
	vhc_async_end(&req->chan->async, &req->done);
}

/**
 * blk_req_offload() - have a helper thread go on with a request
 * @req: not touched afterwards. Any context.
 */
void blk_req_offload(struct blk_req *req)
{
	struct vhc_vq *vq;

	rcu_read_lock();
	vq = rcu_dereference(req->chan->async.vq);
	if (vq)
		atomic64_inc(&to_blk_vq(vq)->offloaded);
	rcu_read_unlock();
	queue_work(req->chan->helpers, &req->work);
}

/* --- from the ring to the back end --- */

/* Cut the last byte off what the device writes. */
static u8 __user *segs_cut_status(struct vhc_segs *s)
{
	struct iovec *last = &s->iov[s->nr - 1];

	while (!last->iov_len) {
		last--;
		s->nr--;
	}
	s->len--;
	last->iov_len--;
	if (!last->iov_len)
		s->nr--;
	return (u8 __user *)last->iov_base + last->iov_len;
}

static bool range_ok(const struct blk_chan *chan, u64 sector, u64 nr)
{
	u64 capacity = blk_file_capacity(chan->file);

	return sector <= capacity && nr <= capacity - sector &&
	       !((sector | nr) << SECTOR_SHIFT & chan->block_mask);
}

/* Can the back end take these segments as they are? */
static bool chan_takes(const struct blk_chan *chan, const struct vhc_segs *s)
{
	unsigned long addr = 0;
	size_t len = 0;
	u32 i;

	for (i = 0; i < s->nr; i++) {
		addr |= (unsigned long)s->iov[i].iov_base;
		len |= s->iov[i].iov_len;
	}
	return !(addr & chan->addr_mask) && !(len & chan->len_mask);
}

/* IN, OUT. Return: 0 the back end has it; or how it ended */
static int req_rw(struct blk_req *req, struct vhc_segs *s, struct blk_vq *bq)
{
	struct blk_chan *chan = req->chan;
	bool bounce;
	int err;

	if (s->len & (SECTOR_SIZE - 1) || s->len > BLK_LEN_MAX ||
	    !range_ok(chan, req->sector, s->len >> SECTOR_SHIFT))
		return -EIO;
	if (req->op == BLK_OUT && blk_is_rdonly(chan->file, chan->rdonly))
		return -EROFS;
	if (!s->len) {
		blk_req_end(req, 0);
		return 0;
	}
	req->len = s->len;
	bounce = !chan_takes(chan, s);
	if (bounce)
		vhc_count(&bq->stats.bounced, 1);
	err = vhc_data_get(&req->data, s, req->op == BLK_IN, bounce);
	if (err)
		return err;
	if (chan->bdev)
		blk_bdev_rw(req);
	else
		blk_file_rw(req);
	return 0;
}

static int req_get_ranges(struct blk_req *req, const struct virtio_blk_discard_write_zeroes *from)
{
	u32 i;

	for (i = 0; i < req->nr_ranges; i++) {
		struct blk_range *r = &req->ranges[i];
		u32 flags = le32_to_cpu(from[i].flags);

		/* Only the zeroes of a WRITE_ZEROES may be a hole or not. */
		if (flags & ~(req->op == BLK_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0))
			return -EOPNOTSUPP;
		r->sector = le64_to_cpu(from[i].sector);
		r->nr = le32_to_cpu(from[i].num_sectors);
		r->unmap = flags && !req->chan->no_unmap;
		if (r->nr > BLK_RANGE_MAX || !range_ok(req->chan, r->sector, r->nr))
			return -EIO;
	}
	return 0;
}

/* DISCARD, SECURE_ERASE, WRITE_ZEROES */
static int req_ranges(struct blk_req *req, struct vhc_segs *s)
{
	struct virtio_blk_discard_write_zeroes *from;
	int err;

	if (req->chan->no_unmap && req->op != BLK_WRITE_ZEROES)
		return -EOPNOTSUPP;
	if (blk_is_rdonly(req->chan->file, req->chan->rdonly))
		return -EROFS;
	if (!s->len || s->len % sizeof(*from) || s->len > BLK_RANGES_MAX * sizeof(*from))
		return -EIO;
	req->nr_ranges = s->len / sizeof(*from);
	req->ranges = kvcalloc(req->nr_ranges, sizeof(*req->ranges), GFP_KERNEL_ACCOUNT);
	from = kvmalloc(s->len, GFP_KERNEL_ACCOUNT);
	err = -ENOMEM;
	if (req->ranges && from)
		err = vhc_segs_copy(s, from, s->len) ?: req_get_ranges(req, from);
	kvfree(from);
	if (err)
		req->nr_ranges = 0;
	else
		blk_req_offload(req);
	return err;
}

static int req_flush(struct blk_req *req)
{
	if (req->chan->bdev)
		blk_bdev_rw(req);
	else
		blk_req_offload(req);
	return 0;
}

/* The serial number; what does not fit is cut off. */
static int req_get_id(struct blk_req *req, struct vhc_segs *s, struct blk_vq *bq)
{
	if (vhc_vq_write(&bq->vq, s->iov, s->nr, to_blk(bq)->serial, VHOST_BLK_SERIAL_LEN))
		return -EFAULT;
	req->len = min_t(size_t, s->len, VHOST_BLK_SERIAL_LEN);
	blk_req_end(req, 0);
	return 0;
}

static int req_dispatch(struct blk_req *req, struct vhc_segs *out, struct vhc_segs *in,
			struct blk_vq *bq, u32 type)
{
	switch (type) {
	case VIRTIO_BLK_T_IN:
		req->op = BLK_IN;
		return req_rw(req, in, bq);
	case VIRTIO_BLK_T_OUT:
		req->op = BLK_OUT;
		return req_rw(req, out, bq);
	case VIRTIO_BLK_T_FLUSH:
		req->op = BLK_FLUSH;
		return req_flush(req);
	case VIRTIO_BLK_T_DISCARD:
		req->op = BLK_DISCARD;
		return req_ranges(req, out);
	case VIRTIO_BLK_T_SECURE_ERASE:
		req->op = BLK_SECURE_ERASE;
		return req->chan->bdev ? req_ranges(req, out) : -EOPNOTSUPP;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		req->op = BLK_WRITE_ZEROES;
		return req_ranges(req, out);
	case VIRTIO_BLK_T_GET_ID:
		return req_get_id(req, in, bq);
	default:
		return -EOPNOTSUPP;
	}
}

/* Return: 0; or -EINVAL, when it is no request at all */
static int req_start(struct blk_vq *bq, struct blk_chan *chan, const struct vring_elem *e)
{
	struct iovec *iov = &bq->vq.batch.iov[e->iov];
	struct vhc_segs out = { .iov = iov, .nr = e->nr_out, .len = e->out_len };
	struct vhc_segs in = { .iov = iov + e->nr_out, .nr = e->nr_in, .len = e->in_len };
	struct virtio_blk_outhdr hdr;
	struct blk_req *req;
	int err;

	if (out.len < sizeof(hdr) || !in.len)
		return -EINVAL;
	req = llist_entry(chan->free, struct blk_req, done);
	chan->free = req->done.next;
	req->ordered = bq->vq.ring.in_order;
	if (req->ordered)
		list_add_tail(&req->node, &chan->popped);
	WRITE_ONCE(chan->async.inflight, chan->async.inflight + 1);
	chan->bytes += e->out_len + e->in_len;
	req->elem = *e;
	req->op = BLK_OTHER;
	req->published = false;
	req->settle = 0;
	req->stable = !READ_ONCE(to_blk(bq)->writeback);
	req->len = 0;
	req->moved = 0;
	req->sector = 0;
	req->ranges = NULL;
	req->nr_ranges = 0;
	vhc_data_init(&req->data);
	req->mem_seq = bq->vq.mem_seq;
	req->status = segs_cut_status(&in);
	err = vhc_segs_copy(&out, &hdr, sizeof(hdr));
	if (!err) {
		req->sector = le64_to_cpu((__force __le64)hdr.sector);
		err = req_dispatch(req, &out, &in, bq, le32_to_cpu((__force __le32)hdr.type));
	}
	if (err)
		blk_req_end(req, err);
	return 0;
}

/* --- from the back end to the ring --- */

static void req_count(struct blk_vq *bq, const struct blk_req *req)
{
	struct vhost_blk_stats *s = &bq->stats;

	switch (req->op) {
	case BLK_IN:
		vhc_count(&s->reads, 1);
		break;
	case BLK_OUT:
		vhc_count(&s->writes, 1);
		break;
	case BLK_FLUSH:
		vhc_count(&s->flushes, 1);
		break;
	case BLK_DISCARD:
	case BLK_SECURE_ERASE:
		vhc_count(&s->discards, 1);
		break;
	case BLK_WRITE_ZEROES:
		vhc_count(&s->write_zeroes, 1);
		break;
	default:
		vhc_count(&s->others, 1);
	}
	if (unlikely(req->error == -EOPNOTSUPP)) {
		vhc_count(&s->unsupported, 1);
	} else if (unlikely(req->error)) {
		vhc_count(&s->errors, 1);
		WRITE_ONCE(s->last_error_sector, req->sector);
		WRITE_ONCE(s->last_errno, -req->error);
	} else if (req->op == BLK_IN) {
		vhc_count(&s->read_bytes, req->len);
	} else if (req->op == BLK_OUT) {
		vhc_count(&s->write_bytes, req->len);
	}
}

/**
 * blk_req_unsettled() - is something left for a helper thread before the request may be completed?
 * @req: the back end is done with it
 * @stable: completed writes must be stable, now
 *
 * Readers of a disk's page cache may still see what was there before: dropping a page may wait for
 * one who has it locked. And a write may have been begun when it need not be stable yet.
 */
bool blk_req_unsettled(struct blk_req *req, bool stable)
{
	const struct blk_chan *chan = req->chan;

	if (req->settle || req->error || !(req->op == BLK_OUT || req->nr_ranges))
		return false;
	if (unlikely(stable && !req->stable))
		req->settle |= BLK_SETTLE_SYNC;
	if (chan->bdev && unlikely(chan->file->f_mapping->nrpages))
		req->settle |= BLK_SETTLE_PAGES;
	return req->settle;
}

static u8 req_status(const struct blk_req *req)
{
	if (likely(!req->error))
		return VIRTIO_BLK_S_OK;
	return req->error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

/* Does all that we are about to write still belong to the guest? */
static bool req_is_guest(const struct vhc_vq *vq, const struct blk_req *req)
{
	const struct vhc_data *d = &req->data;
	u32 i;

	if (likely(req->mem_seq == vq->mem_seq))
		return true;
	for (i = 0; d->bounced && i < d->nr_iov; i++)
		if (!vhc_vq_is_guest(vq, d->iov[i].iov_base, d->iov[i].iov_len))
			return false;
	return vhc_vq_is_guest(vq, req->status, 1);
}

/*
 * The owner's address space. Afterwards the request holds nothing, and its elem is complete. A
 * status that cannot be written is the driver's loss; the buffer goes back in any case.
 */
static void req_finish(struct blk_vq *bq, struct blk_req *req)
{
	struct vhc_vq *vq = &bq->vq;
	struct iovec status = { .iov_base = req->status, .iov_len = 1 };
	bool guest = req_is_guest(vq, req);

	if (req->op == BLK_IN && !req->error && (!guest || vhc_data_copy_back(&req->data)))
		req->error = -EFAULT;
	/* A failed read may have written some. */
	if (req->op == BLK_IN)
		vhc_vq_log_data(vq, req->data.iov, req->data.nr_iov, req->len);
	vhc_data_put(&req->data);
	if (unlikely(req->ranges))
		kvfree(req->ranges);
	req_count(bq, req);
	if (guest && !put_user(req_status(req), req->status))
		vhc_vq_log_data(vq, &status, 1, 1);
	req->elem.len = 1;
	if (!req->error && (req->op == BLK_IN || req->op == BLK_OTHER))
		req->elem.len += req->len;
}

/* A broken ring is told nothing more. */
static void req_complete(struct blk_vq *bq, struct blk_chan *chan, u32 nr)
{
	if (likely(!bq->vq.broken))
		vhc_vq_publish(&bq->vq, chan->out, nr);
}

static void req_publish(struct blk_vq *bq, struct blk_chan *chan, struct blk_req *req, u32 *nr)
{
	chan->out[(*nr)++] = req->elem;
	chan->bytes -= req->elem.out_len + req->elem.in_len;
	if (req->ordered)
		list_del(&req->node);
	req->done.next = chan->free;
	chan->free = &req->done;
	WRITE_ONCE(chan->async.inflight, chan->async.inflight - 1);
	if (*nr == BLK_BATCH) {
		req_complete(bq, chan, *nr);
		*nr = 0;
	}
}

/* IN_ORDER: the oldest, while they are finished */
static void req_publish_ordered(struct blk_vq *bq, struct blk_chan *chan, u32 *nr)
{
	struct blk_req *req, *next;

	list_for_each_entry_safe(req, next, &chan->popped, node) {
		if (!req->published)
			break;
		req_publish(bq, chan, req, nr);
	}
}

static void blk_reap(struct vhc_async *a, struct vhc_vq *vq)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&a->done));
	struct blk_chan *chan = to_chan(a);
	struct blk_vq *bq = to_blk_vq(vq);
	bool stable = !READ_ONCE(to_blk(bq)->writeback);
	struct blk_req *req, *next;
	u32 nr = 0;

	llist_for_each_entry_safe(req, next, list, done) {
		if (unlikely(blk_req_unsettled(req, stable))) {
			blk_req_offload(req);
			continue;
		}
		req_finish(bq, req);
		if (req->ordered)
			req->published = true;
		else
			req_publish(bq, chan, req, &nr);
	}
	req_publish_ordered(bq, chan, &nr);
	req_complete(bq, chan, nr);
}

/* --- the worker --- */

static int blk_pop(struct vhc_async *a, struct vhc_vq *vq)
{
	struct blk_chan *chan = to_chan(a);
	struct blk_vq *bq = to_blk_vq(vq);
	struct blk_plug plug;
	int i, n;

	n = vhc_vq_pop(vq, min_t(u32, BLK_POP, chan->nr_req - a->inflight));
	if (n <= 0)
		return n;
	blk_start_plug(&plug);
	for (i = 0; i < n; i++) {
		const struct vring_elem *e = &vq->batch.elem[i];

		/* Memory that others pay for: the rest when some of it is done. */
		if (unlikely(i && chan->bytes > BLK_LEN_MAX)) {
			vhc_vq_rewind(vq, e);
			n = i;
			break;
		}
		if (unlikely(req_start(bq, chan, e))) {
			vhc_vq_rewind(vq, e);
			vhc_vq_break(vq, "a request without header or status");
			break;
		}
	}
	blk_finish_plug(&plug);
	return i < n ? -EINVAL : n;
}

static bool blk_full(const struct vhc_async *a)
{
	const struct blk_chan *chan = container_of(a, struct blk_chan, async);

	return a->inflight == chan->nr_req || (a->inflight && chan->bytes > BLK_LEN_MAX);
}

const struct vhc_async_ops blk_async_ops = {
	.reap = blk_reap,
	.pop = blk_pop,
	.full = blk_full,
	.orphan = blk_chan_orphan,
};

const struct vhc_vq_ops blk_vq_ops = {
	.handle = vhc_async_handle,
	.reap = vhc_async_handle_broken,
	.max_elem = BLK_BATCH,
	.name = "request",
};

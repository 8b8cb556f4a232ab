// SPDX-License-Identifier: GPL-2.0
/*
 * Requests of a disk: understood, turned into operations of io_uring, ended.
 *
 * Everything here runs on the queue's thread.
 */
#define _GNU_SOURCE
#include "blk.h"

#include <errno.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR_SIZE	512U
#define BOUNCE_ALIGN	4096U
/* Segments that a request has room for by itself */
#define REQ_IOV		4

/**
 * struct blk_req - a request under way
 * @r: the buffer
 * @status: where its status goes
 * @type: VIRTIO_BLK_T_*
 * @sync: a write that is stable when it is done
 * @sector: where it begins
 * @len: bytes of data
 * @moved: of them done
 * @pending: @error: DISCARD, WRITE_ZEROES: operations under way, and what went wrong with one
 * @iov: segments of data, @nr_iov of them; in @inner if there is room
 * @first: the first of them that is not done
 * @bounce: NULL, or what is read and written instead, aligned, @len bytes
 */
struct blk_req {
	struct vu_req r;
	uint8_t *status;
	uint32_t type;
	bool sync;
	uint64_t sector;
	uint32_t len;
	uint32_t moved;
	uint32_t pending;
	int error;
	struct iovec *iov;
	uint32_t nr_iov;
	uint32_t first;
	char *bounce;
	struct iovec inner[REQ_IOV];
};

/* --- segments --- */

struct segs {
	struct iovec *iov;
	uint32_t nr;
	uint64_t len;
};

/* Copy from the front and cut it off; @s has as much. */
static void segs_take(struct segs *s, void *to, size_t len)
{
	s->len -= len;
	while (len) {
		size_t n = s->iov->iov_len < len ? s->iov->iov_len : len;

		memcpy(to, s->iov->iov_base, n);
		to = (char *)to + n;
		len -= n;
		s->iov->iov_base = (char *)s->iov->iov_base + n;
		s->iov->iov_len -= n;
		if (!s->iov->iov_len) {
			s->iov++;
			s->nr--;
		}
	}
}

/* Cut the last byte off; there is one. */
static uint8_t *segs_cut_last(struct segs *s)
{
	struct iovec *last = &s->iov[s->nr - 1];

	while (!last->iov_len) {
		last--;
		s->nr--;
	}
	last->iov_len--;
	s->len--;
	return (uint8_t *)last->iov_base + last->iov_len;
}

static void copy_iov(const struct iovec *iov, uint32_t nr, char *buf, size_t len, bool to_guest)
{
	uint32_t i;

	for (i = 0; i < nr && len; i++) {
		size_t n = iov[i].iov_len < len ? iov[i].iov_len : len;

		if (to_guest)
			memcpy(iov[i].iov_base, buf, n);
		else
			memcpy(buf, iov[i].iov_base, n);
		buf += n;
		len -= n;
	}
}

/* --- the end --- */

static uint8_t status_of(int error)
{
	if (!error)
		return VIRTIO_BLK_S_OK;
	return error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

static void req_end(struct vu_queue *q, struct blk_req *req, int error)
{
	bool in = req->type == VIRTIO_BLK_T_IN || req->type == VIRTIO_BLK_T_GET_ID;

	if (!error && req->bounce && req->type == VIRTIO_BLK_T_IN)
		copy_iov(req->iov, req->nr_iov, req->bounce, req->len, true);
	__atomic_store_n(req->status, status_of(error), __ATOMIC_RELAXED);
	if (req->iov != req->inner)
		free(req->iov);
	free(req->bounce);
	vu_req_end(q, &req->r, !error && in ? req->len + 1 : 1);
}

/* --- data --- */

static void rw_prep(const struct blk_req *req, struct io_uring_sqe *sqe)
{
	uint64_t at = (req->sector << SECTOR_SHIFT) + req->moved;
	bool write = req->type == VIRTIO_BLK_T_OUT;
	struct iovec *iov = &req->iov[req->first], one = *iov;
	uint32_t nr = req->nr_iov - req->first;

	if (req->bounce) {
		one = (struct iovec){ req->bounce + req->moved, req->len - req->moved };
		nr = 1;
	}
	if (nr == 1 && write)
		io_uring_prep_write(sqe, 0, one.iov_base, (unsigned int)one.iov_len, at);
	else if (nr == 1)
		io_uring_prep_read(sqe, 0, one.iov_base, (unsigned int)one.iov_len, at);
	else if (write)
		io_uring_prep_writev(sqe, 0, iov, nr, at);
	else
		io_uring_prep_readv(sqe, 0, iov, nr, at);
}

/* An operation on the file, by its fixed number */
static void req_submit(struct io_uring_sqe *sqe, struct blk_req *req)
{
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, req);
}

static void rw_submit(struct vu_queue *q, struct blk_req *req)
{
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	rw_prep(req, sqe);
	if (req->sync)
		sqe->rw_flags = RWF_DSYNC;
	req_submit(sqe, req);
}

/* Less than all was moved. */
static void rw_advance(struct blk_req *req, uint32_t moved)
{
	struct iovec *iov;

	req->moved += moved;
	if (req->bounce)
		return;
	for (iov = &req->iov[req->first]; moved >= iov->iov_len; iov++) {
		moved -= iov->iov_len;
		req->first++;
	}
	iov->iov_base = (char *)iov->iov_base + moved;
	iov->iov_len -= moved;
}

/* Keep the segments, but empty ones, and bounce what the file does not take as it is. */
static int rw_segments(const struct blk *b, struct blk_req *req, const struct segs *s)
{
	uintptr_t addr = 0;
	size_t len = 0;
	uint32_t i;

	if (s->nr > REQ_IOV)
		req->iov = calloc(s->nr, sizeof(*req->iov));
	if (!req->iov)
		return -ENOMEM;
	for (i = 0; i < s->nr; i++) {
		if (!s->iov[i].iov_len)
			continue;
		addr |= (uintptr_t)s->iov[i].iov_base;
		len |= s->iov[i].iov_len;
		req->iov[req->nr_iov++] = s->iov[i];
	}
	if (!(addr & b->mem_mask) && !(len & b->len_mask) && req->nr_iov <= IOV_MAX)
		return 0;
	req->bounce = aligned_alloc(BOUNCE_ALIGN, (req->len + BOUNCE_ALIGN - 1) & ~(BOUNCE_ALIGN - 1));
	if (!req->bounce)
		return -ENOMEM;
	if (req->type == VIRTIO_BLK_T_OUT)
		copy_iov(req->iov, req->nr_iov, req->bounce, req->len, false);
	return 0;
}

/* Does it begin and end on blocks of the disk? */
static bool range_ok(const struct blk *b, uint64_t sector, uint64_t nr)
{
	return sector <= b->capacity && nr <= b->capacity - sector && !((sector | nr) << SECTOR_SHIFT & b->block_mask);
}

static int req_rw(struct vu_queue *q, struct blk_req *req, struct segs *s)
{
	const struct blk *b = q->dev;
	bool write = req->type == VIRTIO_BLK_T_OUT;
	int ret;

	if (s->len & (SECTOR_SIZE - 1) || s->len > BLK_LEN_MAX || !range_ok(b, req->sector, s->len >> SECTOR_SHIFT))
		return -EIO;
	if (write && b->rdonly)
		return -EROFS;
	req->len = (uint32_t)s->len;
	req->sync = write && (b->always_sync || !__atomic_load_n(&b->config.wce, __ATOMIC_RELAXED));
	ret = rw_segments(b, req, s);
	if (!ret && req->len)
		rw_submit(q, req);
	else if (!ret)
		req_end(q, req, 0);
	return ret;
}

/* --- the others --- */

static int req_flush(struct vu_queue *q, struct blk_req *req)
{
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC);
	req_submit(sqe, req);
	return 0;
}

/* How a range is treated. Return: a mode of fallocate(), or a negative errno */
static int range_mode(const struct blk *b, const struct blk_req *req,
		      const struct virtio_blk_discard_write_zeroes *r)
{
	bool discard = req->type == VIRTIO_BLK_T_DISCARD;
	uint32_t flags = le32toh(r->flags);
	uint64_t nr = le32toh(r->num_sectors);

	if (flags & ~(discard ? 0U : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP))
		return -EOPNOTSUPP;
	if (nr > BLK_RANGE_MAX >> SECTOR_SHIFT || !range_ok(b, le64toh(r->sector), nr))
		return -EIO;
	if (discard || (flags && b->config.write_zeroes_may_unmap))
		return FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	return FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
}

/* DISCARD, WRITE_ZEROES: all ranges are good, or nothing is done. */
static int req_ranges(struct vu_queue *q, struct blk_req *req, struct segs *s)
{
	bool discard = req->type == VIRTIO_BLK_T_DISCARD;
	struct virtio_blk_discard_write_zeroes r[BLK_RANGES_MAX];
	const struct blk *b = q->dev;
	struct io_uring_sqe *sqe;
	uint32_t i, n = (uint32_t)(s->len / sizeof(r[0]));
	int mode[BLK_RANGES_MAX];

	if (!(b->features >> (discard ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES) & 1))
		return b->rdonly ? -EROFS : -EOPNOTSUPP;
	if (!s->len || s->len % sizeof(r[0]) || s->len > sizeof(r))
		return -EIO;
	segs_take(s, r, s->len);
	for (i = 0; i < n; i++) {
		mode[i] = range_mode(b, req, &r[i]);
		if (mode[i] < 0)
			return mode[i];
	}
	for (i = 0; i < n; i++) {
		if (!r[i].num_sectors)
			continue;
		sqe = vu_queue_sqe(q);
		io_uring_prep_fallocate(sqe, 0, mode[i], (off_t)(le64toh(r[i].sector) << SECTOR_SHIFT),
					(off_t)le32toh(r[i].num_sectors) << SECTOR_SHIFT);
		req_submit(sqe, req);
		req->pending++;
	}
	if (!req->pending)
		req_end(q, req, 0);
	return 0;
}

static int req_get_id(struct vu_queue *q, struct blk_req *req, const struct segs *s)
{
	struct blk *b = q->dev;

	req->len = s->len < sizeof(b->serial) ? (uint32_t)s->len : sizeof(b->serial);
	copy_iov(s->iov, s->nr, b->serial, req->len, true);
	req_end(q, req, 0);
	return 0;
}

static int req_dispatch(struct vu_queue *q, struct blk_req *req, struct segs *out, struct segs *in)
{
	switch (req->type) {
	case VIRTIO_BLK_T_IN:
		return req_rw(q, req, in);
	case VIRTIO_BLK_T_OUT:
		return req_rw(q, req, out);
	case VIRTIO_BLK_T_FLUSH:
		return req_flush(q, req);
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return req_ranges(q, req, out);
	case VIRTIO_BLK_T_GET_ID:
		return req_get_id(q, req, in);
	default:
		return -EOPNOTSUPP;
	}
}

static const char *blk_request(struct vu_queue *q, struct vu_req *r, struct iovec *iov)
{
	struct blk_req *req = (struct blk_req *)r;
	struct segs out = { .iov = iov, .nr = r->elem.nr_out, .len = r->elem.out_len };
	struct segs in = { .iov = iov + r->elem.nr_out, .nr = r->elem.nr_in, .len = r->elem.in_len };
	struct virtio_blk_outhdr hdr;
	int ret;

	if (out.len < sizeof(hdr) || !in.len)
		return "a request without header or status";
	segs_take(&out, &hdr, sizeof(hdr));
	req->status = segs_cut_last(&in);
	req->type = le32toh(hdr.type);
	req->sector = le64toh(hdr.sector);
	req->len = 0;
	req->moved = 0;
	req->pending = 0;
	req->error = 0;
	req->iov = req->inner;
	req->nr_iov = 0;
	req->first = 0;
	req->bounce = NULL;
	ret = req_dispatch(q, req, &out, &in);
	if (ret)
		req_end(q, req, ret);
	return NULL;
}

static void rw_done(struct vu_queue *q, struct blk_req *req, int res)
{
	uint32_t left = req->len - req->moved;

	if (res == -EAGAIN || res == -EINTR) {
		rw_submit(q, req);
	} else if (res > 0 && (uint32_t)res < left) {
		rw_advance(req, (uint32_t)res);
		rw_submit(q, req);
	} else {
		/* Nothing: the file has become shorter. */
		req_end(q, req, res > 0 ? 0 : -EIO);
	}
}

/* A discard is a hint, which a device behind partitions or mappings may not take. */
static void ranges_done(struct vu_queue *q, struct blk_req *req, int res)
{
	if (res < 0 && !(req->type == VIRTIO_BLK_T_DISCARD && res == -EOPNOTSUPP))
		req->error = res;
	if (!--req->pending)
		req_end(q, req, req->error);
}

static void blk_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe)
{
	struct blk_req *req = data;
	int res = cqe->res;

	if (req->type == VIRTIO_BLK_T_FLUSH)
		req_end(q, req, res < 0 ? -EIO : 0);
	else if (req->type == VIRTIO_BLK_T_IN || req->type == VIRTIO_BLK_T_OUT)
		rw_done(q, req, res);
	else
		ranges_done(q, req, res);
}

static const uint8_t opcodes[] = {
	IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE,
	IORING_OP_NOP,
};

const struct vu_queue_ops blk_queue_ops = {
	.opcodes = opcodes,
	.req_size = sizeof(struct blk_req),
	.request = blk_request,
	.done = blk_done,
};

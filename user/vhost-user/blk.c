// SPDX-License-Identifier: GPL-2.0
/*
 * Requests of a disk: understood, turned into operations of io_uring, ended.
 *
 * Everything here runs on the queue's thread.
 */
#define _GNU_SOURCE
#include "blk.h"

#include <errno.h>
#include <linux/falloc.h>

#define SECTOR_SIZE	512U

/**
 * struct blk_req - a request under way
 * @r: the buffer
 * @status: where its status goes
 * @type: VIRTIO_BLK_T_*
 * @sector: where it begins
 * @len: bytes for the driver
 * @pending: @error: DISCARD, WRITE_ZEROES: operations under way, and what went wrong with one
 * @io: the data of IN and OUT, where there are any
 */
struct blk_req {
	struct vu_req r;
	uint8_t *status;
	uint32_t type;
	uint64_t sector;
	uint32_t len;
	uint32_t pending;
	int error;
	struct disk_io io;
};

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

/* --- the end --- */

static uint8_t status_of(int error)
{
	if (!error)
		return VIRTIO_BLK_S_OK;
	return error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

static void req_end(struct vu_queue *q, struct blk_req *req, int error)
{
	if (req->io.len)
		disk_io_end(&req->io);
	__atomic_store_n(req->status, status_of(error), __ATOMIC_RELAXED);
	vu_req_end(q, &req->r, error ? 1 : req->len + 1);
}

/* --- data --- */

/* Does it begin and end on blocks of the disk? */
static bool range_ok(const struct blk *b, uint64_t sector, uint64_t nr)
{
	uint64_t capacity = disk_size(&b->disk) >> SECTOR_SHIFT;

	return sector <= capacity && nr <= capacity - sector &&
	       !((sector | nr) << SECTOR_SHIFT & (b->disk.block - 1));
}

static int req_rw(struct vu_queue *q, struct blk_req *req, struct segs *s)
{
	const struct blk *b = q->dev;
	bool write = req->type == VIRTIO_BLK_T_OUT;
	struct disk_io *io = &req->io;
	int ret;

	if (s->len & (SECTOR_SIZE - 1) || s->len > DISK_LEN_MAX || !range_ok(b, req->sector, s->len >> SECTOR_SHIFT))
		return -EIO;
	if (write && b->disk.rdonly)
		return -EROFS;
	if (!s->len) {
		req_end(q, req, 0);
		return 0;
	}
	io->disk = &b->disk;
	io->data = req;
	io->write = write;
	io->sync = b->always_sync || !__atomic_load_n(&b->config.wce, __ATOMIC_RELAXED);
	io->at = req->sector << SECTOR_SHIFT;
	io->len = (uint32_t)s->len;
	ret = disk_io_start(q, io, s);
	if (ret)
		io->len = 0;
	else
		req->len = write ? 0 : io->len;
	return ret;
}

/* --- the others --- */

static int req_flush(struct vu_queue *q, struct blk_req *req)
{
	const struct blk *b = q->dev;

	disk_flush(q, &b->disk, req);
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
	if (nr > DISK_RANGE_MAX >> SECTOR_SHIFT || !range_ok(b, le64toh(r->sector), nr))
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
	uint32_t i, n = (uint32_t)(s->len / sizeof(r[0]));
	int mode[BLK_RANGES_MAX];

	if (!(b->features >> (discard ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES) & 1))
		return b->disk.rdonly ? -EROFS : -EOPNOTSUPP;
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
		disk_range(q, &b->disk, mode[i], le64toh(r[i].sector) << SECTOR_SHIFT,
			   (uint64_t)le32toh(r[i].num_sectors) << SECTOR_SHIFT, req);
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
	iov_write(s->iov, s->nr, 0, b->serial, req->len);
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
	req->pending = 0;
	req->error = 0;
	req->io.len = 0;
	ret = req_dispatch(q, req, &out, &in);
	if (ret)
		req_end(q, req, ret);
	return NULL;
}

static void rw_done(struct vu_queue *q, struct blk_req *req, int res)
{
	int ret = disk_io_done(q, &req->io, res);

	if (ret <= 0)
		req_end(q, req, ret ? -EIO : 0);
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

static const uint8_t opcodes[] = { DISK_OPCODES, IORING_OP_NOP };

const struct vu_queue_ops blk_queue_ops = {
	.opcodes = opcodes,
	.req_size = sizeof(struct blk_req),
	.request = blk_request,
	.done = blk_done,
};

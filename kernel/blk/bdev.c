// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to a block device: bios of our own, below its page cache.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/pagemap.h>

#include "blk.h"

static void bdev_end_io(struct bio *bio)
{
	struct blk_req *req = container_of(bio, struct blk_req, bio);
	blk_status_t status = bio->bi_status;

	bio_uninit(bio);
	if (unlikely(status == BLK_STS_AGAIN))
		blk_req_offload(req);
	else
		blk_req_end(req, blk_status_to_errno(status));
}

static void bdev_submit(struct blk_req *req, blk_opf_t opf)
{
	struct bio *bio = &req->bio;

	bio_init(bio, req->chan->bdev, req->data.bv, req->data.nr_bv, opf);
	bio->bi_vcnt = req->data.nr_bv;
	bio->bi_iter.bi_size = req->len;
	bio->bi_iter.bi_sector = req->sector;
	bio->bi_end_io = bdev_end_io;
	submit_bio(bio);
}

static blk_opf_t bdev_opf(const struct blk_req *req)
{
	switch (req->op) {
	case BLK_IN:
		return REQ_OP_READ;
	case BLK_OUT:
		/* Not idle: more may follow, but nobody can tell. */
		return REQ_OP_WRITE | REQ_SYNC | REQ_IDLE | (req->stable ? REQ_FUA : 0);
	default:
		return REQ_OP_WRITE | REQ_PREFLUSH;
	}
}

/* IN, OUT, FLUSH. A flush covers what completed before it, which is what the driver may ask for. */
void blk_bdev_rw(struct blk_req *req)
{
	bdev_submit(req, bdev_opf(req) | (req->chan->nowait ? REQ_NOWAIT : 0));
}

static int bdev_range(struct block_device *bdev, const struct blk_req *req,
		      const struct blk_range *r)
{
	switch (req->op) {
	case BLK_DISCARD:
		return blkdev_issue_discard(bdev, r->sector, r->nr, GFP_KERNEL);
	case BLK_SECURE_ERASE:
		return blkdev_issue_secure_erase(bdev, r->sector, r->nr, GFP_KERNEL);
	default:
		return blkdev_issue_zeroout(bdev, r->sector, r->nr, GFP_KERNEL,
					    r->unmap ? 0 : BLKDEV_ZERO_NOUNMAP);
	}
}

/* In a helper thread: what would block, and what takes long. */
void blk_bdev_help(struct blk_req *req)
{
	int err = 0;
	u32 i;

	if (!req->nr_ranges) {
		bdev_submit(req, bdev_opf(req));
		return;
	}
	for (i = 0; i < req->nr_ranges && !err; i++)
		err = bdev_range(req->chan->bdev, req, &req->ranges[i]);
	if (!err && req->stable)
		err = blkdev_issue_flush(req->chan->bdev);
	blk_req_end(req, err);
}

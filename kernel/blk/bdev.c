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

static struct bio_set bdev_pieces;

/* What goes in one piece, or the block layer would have to split it, which may block. */
static u32 bdev_max_sectors(struct block_device *bdev)
{
	return min(queue_max_sectors(bdev_get_queue(bdev)),
		   bdev_max_segments(bdev) << PAGE_SECTORS_SHIFT);
}

static void bdev_submit(struct blk_req *req, blk_opf_t opf)
{
	struct bio *bio = &req->bio;
	struct bio *piece;

	bio_init(bio, req->chan->bdev, req->data.bv, req->data.nr_bv, opf);
	bio->bi_vcnt = req->data.nr_bv;
	bio->bi_iter.bi_size = req->len;
	bio->bi_iter.bi_sector = req->sector;
	bio->bi_end_io = bdev_end_io;
	if (opf & REQ_NOWAIT && req->len) {
		u32 max = round_down(bdev_max_sectors(bio->bi_bdev),
				     (req->chan->block_mask + 1) >> SECTOR_SHIFT);

		while (bio_sectors(bio) > max) {
			piece = bio_split(bio, max, GFP_KERNEL, &bdev_pieces);
			bio_chain(piece, bio);
			submit_bio(piece);
		}
	}
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
		if (!bdev_max_discard_sectors(bdev))
			return -EOPNOTSUPP;
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

int blk_bdev_init(void)
{
	return bioset_init(&bdev_pieces, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
}

void blk_bdev_exit(void)
{
	bioset_exit(&bdev_pieces);
}

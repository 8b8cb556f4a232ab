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

	/* It would block; or it has just become a device that does not know whether it would. */
	if (unlikely(bio->bi_opf & REQ_NOWAIT &&
		     (status == BLK_STS_AGAIN || status == BLK_STS_NOTSUPP)))
		blk_req_offload(req);
	else
		blk_req_end(req, blk_status_to_errno(status));
}

static struct bio_set bdev_pieces;

/* What goes in one piece: the block layer does not split a bio that must not block. */
static u32 bdev_piece(struct block_device *bdev)
{
	u32 segments = max_t(u32, bdev_max_segments(bdev), 2) - 1;
	u32 sectors = min_t(u32, queue_max_sectors(bdev_get_queue(bdev)),
			    segments << PAGE_SECTORS_SHIFT);

	return max_t(u32, round_down(sectors, bdev_logical_block_size(bdev) >> SECTOR_SHIFT),
		     PAGE_SECTORS);
}

/* Cut it, and submit all but the last piece. Return: false when it has ended */
static bool bdev_cut(struct bio *bio)
{
	u32 max = bdev_piece(bio->bi_bdev);

	while (bio_sectors(bio) > max) {
		struct bio *piece = bio_split(bio, max, GFP_NOWAIT, &bdev_pieces);

		if (IS_ERR_OR_NULL(piece))
			bio->bi_status = BLK_STS_AGAIN;
		if (bio->bi_status) {
			bio_endio(bio);
			return false;
		}
		bio_chain(piece, bio);
		submit_bio(piece);
	}
	return true;
}

static void bdev_submit(struct blk_req *req, blk_opf_t opf)
{
	struct bio *bio = &req->bio;

	bio_init(bio, req->chan->bdev, req->data.bv, req->data.nr_bv, opf);
	bio->bi_vcnt = req->data.nr_bv;
	bio->bi_iter.bi_size = req->len;
	/* A flush has no place, whatever its header says. */
	bio->bi_iter.bi_sector = req->len ? req->sector : 0;
	bio->bi_end_io = bdev_end_io;
	if (!(opf & REQ_NOWAIT) || bdev_cut(bio))
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
	if (bdev_nowait(req->chan->bdev))
		bdev_submit(req, bdev_opf(req) | REQ_NOWAIT);
	else
		blk_req_offload(req);
}

static int bdev_range(struct block_device *bdev, const struct blk_req *req,
		      const struct blk_range *r)
{
	if (!r->nr)
		return 0;
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
		err = blk_chan_is_orphan(req->chan) ? -ECANCELED :
			bdev_range(req->chan->bdev, req, &req->ranges[i]);
	if (!err && req->stable)
		err = blkdev_issue_flush(req->chan->bdev);
	blk_req_end(req, err);
}

static void invalidate(struct address_space *mapping, u64 sector, u64 nr)
{
	if (nr)
		invalidate_inode_pages2_range(mapping, sector >> PAGE_SECTORS_SHIFT,
					      (sector + nr - 1) >> PAGE_SECTORS_SHIFT);
}

/* Others read the device through its page cache: drop what is old now. A helper thread. */
void blk_bdev_invalidate(const struct blk_req *req)
{
	struct address_space *mapping = req->chan->file->f_mapping;
	u32 i;

	invalidate(mapping, req->sector, req->len >> SECTOR_SHIFT);
	for (i = 0; i < req->nr_ranges; i++)
		invalidate(mapping, req->ranges[i].sector, req->ranges[i].nr);
}

int blk_bdev_init(void)
{
	return bioset_init(&bdev_pieces, BIO_POOL_SIZE, 0, 0);
}

void blk_bdev_exit(void)
{
	bioset_exit(&bdev_pieces);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to a regular file. The worker tries without blocking; what would block, is cut short or
 * is never quick (fsync, fallocate) goes on in a helper thread.
 */
#include <linux/blkdev.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/uio.h>

#include "blk.h"

static loff_t req_pos(const struct blk_req *req)
{
	return (req->sector << SECTOR_SHIFT) + req->moved;
}

static void req_iter(const struct blk_req *req, struct iov_iter *iter)
{
	iov_iter_bvec(iter, req->op == BLK_IN ? ITER_DEST : ITER_SOURCE, req->data.bv,
		      req->data.nr_bv, req->len);
	iov_iter_advance(iter, req->moved);
}

static void req_iocb(struct blk_req *req)
{
	struct kiocb *iocb = &req->iocb;

	init_sync_kiocb(iocb, req->chan->file);
	iocb->ki_pos = req_pos(req);
	/* Who has the file open may have set O_APPEND since. */
	iocb->ki_flags &= ~IOCB_APPEND;
	if (req->op != BLK_IN)
		iocb->ki_flags |= IOCB_WRITE | (req->stable ? IOCB_DSYNC : 0);
}

static void file_done(struct blk_req *req, long ret)
{
	if (ret > 0)
		req->moved += ret;
	/* Some file systems have no way not to block. */
	if (ret < 0 && ret != -EAGAIN && ret != -EOPNOTSUPP)
		blk_req_end(req, ret);
	else if (req->moved < req->len)
		blk_req_offload(req);
	else
		blk_req_end(req, 0);
}

/* Any context. */
static void file_complete(struct kiocb *iocb, long ret)
{
	struct blk_req *req = container_of(iocb, struct blk_req, iocb);

	if (req->op == BLK_OUT)
		kiocb_end_write(iocb);
	file_done(req, ret);
}

/* IN, OUT. The worker. */
void blk_file_rw(struct blk_req *req)
{
	const struct blk_chan *chan = req->chan;
	struct super_block *sb = file_inode(chan->file)->i_sb;
	struct kiocb *iocb = &req->iocb;
	struct iov_iter iter;
	ssize_t ret;

	req_iocb(req);
	/* A write that has to be stable waits for the disk, a frozen file system for its thaw. */
	if (!(chan->file->f_mode & FMODE_NOWAIT) ||
	    (req->op == BLK_OUT && (iocb_is_dsync(iocb) || !sb_start_write_trylock(sb)))) {
		blk_req_offload(req);
		return;
	}
	iocb->ki_flags |= IOCB_NOWAIT;
	iocb->ki_complete = file_complete;
	req_iter(req, &iter);
	if (req->op == BLK_IN) {
		/* No read-ahead either: it may have to read where to read. */
		iocb->ki_flags |= chan->direct ? 0 : IOCB_NOIO;
		ret = chan->file->f_op->read_iter(iocb, &iter);
	} else {
		/* It may end in another thread. */
		__sb_writers_release(sb, SB_FREEZE_WRITE);
		ret = chan->file->f_op->write_iter(iocb, &iter);
	}
	if (ret != -EIOCBQUEUED)
		file_complete(iocb, ret);
}

/* Wait for it. Return: bytes, or a negative errno */
static ssize_t file_rw_some(struct blk_req *req, struct iov_iter *iter)
{
	struct file *file = req->chan->file;
	ssize_t ret;

	req_iocb(req);
	if (req->op == BLK_IN)
		return file->f_op->read_iter(&req->iocb, iter);
	file_start_write(file);
	ret = file->f_op->write_iter(&req->iocb, iter);
	file_end_write(file);
	return ret;
}

/* The rest of an IN or OUT. */
static int file_rw_rest(struct blk_req *req)
{
	while (req->moved < req->len) {
		struct iov_iter iter;
		ssize_t ret;

		req_iter(req, &iter);
		ret = file_rw_some(req, &iter);
		if (ret < 0)
			return ret;
		/* The file has become shorter. */
		if (!ret)
			return -EIO;
		req->moved += ret;
	}
	return 0;
}

/* For file systems that cannot make zeroes by themselves */
static int file_write_zeroes(struct blk_req *req, const struct blk_range *r)
{
	struct bio_vec bv[16];
	u64 end = r->sector + r->nr;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bv); i++)
		bv[i] = (struct bio_vec){ .bv_page = ZERO_PAGE(0), .bv_len = PAGE_SIZE };
	req->sector = r->sector;
	req->moved = 0;
	while (req->sector < end) {
		struct iov_iter iter;
		ssize_t ret;

		if (blk_chan_is_orphan(req->chan))
			return -ECANCELED;
		iov_iter_bvec(&iter, ITER_SOURCE, bv, ARRAY_SIZE(bv),
			      min_t(u64, sizeof(bv) / sizeof(*bv) * PAGE_SIZE,
				    (end - req->sector) << SECTOR_SHIFT));
		ret = file_rw_some(req, &iter);
		/* A disk that is full may end it within a sector. */
		if (ret < SECTOR_SIZE)
			return ret < 0 ? ret : -EIO;
		req->sector += ret >> SECTOR_SHIFT;
	}
	return 0;
}

static int file_range(struct blk_req *req, const struct blk_range *r)
{
	loff_t pos = r->sector << SECTOR_SHIFT;
	u64 len = (u64)r->nr << SECTOR_SHIFT;
	int mode = FALLOC_FL_PUNCH_HOLE;
	int err;

	if (!len)
		return 0;
	if (req->op == BLK_WRITE_ZEROES && !r->unmap)
		mode = FALLOC_FL_ZERO_RANGE;
	err = vfs_fallocate(req->chan->file, mode | FALLOC_FL_KEEP_SIZE, pos, len);
	if (err == -EOPNOTSUPP && req->op == BLK_WRITE_ZEROES)
		err = file_write_zeroes(req, r);
	return err;
}

/* A helper thread. */
void blk_file_help(struct blk_req *req)
{
	struct file *file = req->chan->file;
	int err = 0;
	u32 i;

	if (req->op == BLK_FLUSH) {
		err = vfs_fsync(file, 1);
	} else if (!req->nr_ranges) {
		err = file_rw_rest(req);
	} else {
		for (i = 0; i < req->nr_ranges && !err; i++)
			err = blk_chan_is_orphan(req->chan) ? -ECANCELED :
				file_range(req, &req->ranges[i]);
		if (!err && req->stable)
			err = vfs_fsync(file, 1);
	}
	blk_req_end(req, err);
}

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
	struct blk_chan *chan = req->chan;
	struct super_block *sb = file_inode(chan->file)->i_sb;
	struct kiocb *iocb = &req->iocb;
	struct iov_iter iter;
	ssize_t ret;

	/* A buffered write that has to be stable waits for the disk. */
	if (!(chan->file->f_mode & FMODE_NOWAIT) || (req->stable && !chan->direct)) {
		blk_req_offload(req);
		return;
	}
	init_sync_kiocb(iocb, chan->file);
	iocb->ki_pos = req_pos(req);
	iocb->ki_flags |= IOCB_NOWAIT | (req->stable ? IOCB_DSYNC : 0);
	iocb->ki_complete = file_complete;
	req_iter(req, &iter);
	if (req->op == BLK_IN) {
		ret = vfs_iocb_iter_read(chan->file, iocb, &iter);
	} else {
		/* A frozen file system: wait elsewhere. */
		if (!sb_start_write_trylock(sb)) {
			blk_req_offload(req);
			return;
		}
		/* The write may end in another thread. */
		__sb_writers_release(sb, SB_FREEZE_WRITE);
		iocb->ki_flags |= IOCB_WRITE;
		ret = vfs_iocb_iter_write(chan->file, iocb, &iter);
	}
	if (ret != -EIOCBQUEUED)
		file_complete(iocb, ret);
}

/* The rest of an IN or OUT. */
static int file_rw_rest(struct blk_req *req)
{
	struct file *file = req->chan->file;
	struct iov_iter iter;
	ssize_t ret;

	req_iter(req, &iter);
	while (req->moved < req->len) {
		loff_t pos = req_pos(req);

		if (req->op == BLK_IN) {
			ret = vfs_iter_read(file, &iter, &pos, 0);
		} else {
			file_start_write(file);
			ret = vfs_iter_write(file, &iter, &pos, req->stable ? RWF_DSYNC : 0);
			file_end_write(file);
		}
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
static int file_write_zeroes(struct file *file, loff_t pos, u64 len)
{
	struct bio_vec bv = { .bv_page = ZERO_PAGE(0) };
	struct iov_iter iter;
	ssize_t ret;

	while (len) {
		bv.bv_len = min_t(u64, len, PAGE_SIZE);
		iov_iter_bvec(&iter, ITER_SOURCE, &bv, 1, bv.bv_len);
		file_start_write(file);
		ret = vfs_iter_write(file, &iter, &pos, 0);
		file_end_write(file);
		if (ret <= 0)
			return ret ?: -EIO;
		len -= ret;
	}
	return 0;
}

static int file_range(struct file *file, const struct blk_req *req, const struct blk_range *r)
{
	loff_t pos = r->sector << SECTOR_SHIFT;
	u64 len = (u64)r->nr << SECTOR_SHIFT;
	int mode = FALLOC_FL_PUNCH_HOLE;
	int err;

	if (!len)
		return 0;
	if (req->op == BLK_WRITE_ZEROES && !r->unmap)
		mode = FALLOC_FL_ZERO_RANGE;
	err = vfs_fallocate(file, mode | FALLOC_FL_KEEP_SIZE, pos, len);
	if (err == -EOPNOTSUPP && req->op == BLK_WRITE_ZEROES)
		err = file_write_zeroes(file, pos, len);
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
			err = file_range(file, req, &req->ranges[i]);
		if (!err && req->stable)
			err = vfs_fsync(file, 1);
	}
	blk_req_end(req, err);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What a back end is and can do.
 */
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/uaccess.h>

#include "blk.h"

/**
 * blk_file_check() - can this be a back end?
 * @file: anything
 *
 * Return: 0; -EINVAL neither a block device nor a regular file, or open with O_APPEND; -EBADF not
 * open for reading; -EOPNOTSUPP a zoned device, whose writes have an order that virtio-blk does not
 * promise to keep; or a file that is not read and written by iterators
 */
int blk_file_check(struct file *file)
{
	struct block_device *bdev = blk_file_bdev(file);

	if ((!bdev && !S_ISREG(file_inode(file)->i_mode)) || file->f_flags & O_APPEND)
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	if (bdev)
		return bdev_is_zoned(bdev) ? -EOPNOTSUPP : 0;
	if (!(file->f_mode & FMODE_CAN_READ) || !file->f_op->read_iter ||
	    (file->f_mode & FMODE_WRITE && !file->f_op->write_iter))
		return -EOPNOTSUPP;
	return 0;
}

/* Sectors, now: it may be resized under us. */
u64 blk_file_capacity(const struct file *file)
{
	struct block_device *bdev = blk_file_bdev(file);

	return bdev ? bdev_nr_sectors(bdev) : i_size_read(file_inode(file)) >> SECTOR_SHIFT;
}

/* What requests must be a multiple of */
u32 blk_file_block_size(const struct file *file)
{
	struct block_device *bdev = blk_file_bdev(file);

	if (!bdev && file->f_flags & O_DIRECT)
		bdev = file_inode(file)->i_sb->s_bdev;
	return bdev ? bdev_logical_block_size(bdev) : SECTOR_SIZE;
}

/* A bio asks neither the file nor the device whether it may write. */
bool blk_is_rdonly(const struct file *file, bool rdonly)
{
	struct block_device *bdev = blk_file_bdev(file);

	return rdonly || !(file->f_mode & FMODE_WRITE) || (bdev && bdev_read_only(bdev));
}

static void info_bdev(struct vhost_blk_info *info, struct block_device *bdev)
{
	info->flags |= VHOST_BLK_INFO_BLOCK_DEVICE;
	if (bdev_write_cache(bdev))
		info->flags |= VHOST_BLK_INFO_VOLATILE;
	if (bdev_rot(bdev))
		info->flags |= VHOST_BLK_INFO_ROTATIONAL;
	info->physical_block_size = bdev_physical_block_size(bdev);
	info->alignment_offset = max(bdev_alignment_offset(bdev), 0);
	info->io_min = bdev_io_min(bdev);
	info->io_opt = bdev_io_opt(bdev);
	info->seg_max = min_t(u32, bdev_max_segments(bdev), BLK_SEG_MAX);
	info->size_max = min(queue_max_segment_size(bdev_get_queue(bdev)), BLK_LEN_MAX);
	info->max_sectors = queue_max_sectors(bdev_get_queue(bdev));
	info->max_discard_sectors = min_t(u64, bdev_max_discard_sectors(bdev), BLK_RANGE_MAX);
	info->discard_sector_alignment = bdev_discard_granularity(bdev) >> SECTOR_SHIFT;
	info->write_zeroes_may_unmap = !!bdev_write_zeroes_sectors(bdev);
	info->max_secure_erase_sectors = min_t(u64, bdev_max_secure_erase_sectors(bdev),
					       BLK_RANGE_MAX);
	info->secure_erase_sector_alignment = info->logical_block_size >> SECTOR_SHIFT;
}

static void info_file(struct vhost_blk_info *info, const struct file *file)
{
	u32 block = i_blocksize(file_inode(file));

	info->flags |= VHOST_BLK_INFO_VOLATILE;
	info->physical_block_size = max(block, info->logical_block_size);
	info->io_min = info->physical_block_size;
	info->seg_max = BLK_SEG_MAX;
	info->max_sectors = BLK_LEN_MAX >> SECTOR_SHIFT;
	if (file->f_op->fallocate) {
		info->max_discard_sectors = BLK_RANGE_MAX;
		info->write_zeroes_may_unmap = 1;
	}
	info->discard_sector_alignment = block >> SECTOR_SHIFT;
}

static void info_fill(struct vhost_blk_info *info, struct file *file, int fd)
{
	struct block_device *bdev = blk_file_bdev(file);

	*info = (struct vhost_blk_info){
		.size = sizeof(*info),
		.fd = fd,
		.capacity = blk_file_capacity(file),
		.flags = blk_is_rdonly(file, false) ? VHOST_BLK_INFO_RDONLY : 0,
		.logical_block_size = blk_file_block_size(file),
		.max_write_zeroes_sectors = BLK_RANGE_MAX,
		.max_write_zeroes_seg = BLK_RANGES_MAX,
	};
	if (bdev)
		info_bdev(info, bdev);
	else
		info_file(info, file);
	info->max_discard_seg = info->max_discard_sectors ? BLK_RANGES_MAX : 0;
	info->max_secure_erase_seg = info->max_secure_erase_sectors ? BLK_RANGES_MAX : 0;
}

/**
 * blk_get_info() - VHOST_BLK_GET_INFO
 * @argp: of which size and fd are read
 *
 * Return: 0, or as the uapi header says
 */
long blk_get_info(struct vhost_blk_info __user *argp)
{
	struct vhost_blk_info info;
	struct file *file;
	u32 size;
	int fd;
	int err;

	if (get_user(size, &argp->size) || get_user(fd, &argp->fd))
		return -EFAULT;
	if (size < VHOST_BLK_INFO_SIZE_V1)
		return -EINVAL;
	file = fget(fd);
	if (!file)
		return -EBADF;
	err = blk_file_check(file);
	if (!err)
		info_fill(&info, file, fd);
	fput(file);
	if (err)
		return err;
	return copy_to_user(argp, &info, min_t(u32, size, sizeof(info))) ? -EFAULT : 0;
}

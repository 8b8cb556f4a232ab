/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COMPAT_LINUX_BLKDEV_H
#define COMPAT_LINUX_BLKDEV_H

#include_next <linux/blkdev.h>

/* Newer kernels have it and no bdev_nonrot(), older ones the other way round. */
#ifdef BLK_FEAT_ROTATIONAL
#define bdev_rot(bdev) (!!(bdev_get_queue(bdev)->limits.features & BLK_FEAT_ROTATIONAL))
#else
#define bdev_rot(bdev) (!bdev_nonrot(bdev))
#endif

#endif

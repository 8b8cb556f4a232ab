// SPDX-License-Identifier: GPL-2.0
/* What a disk tells its driver: features, and the configuration space. */
#include "blk.h"

#include <string.h>

#include "lib/bits.h"

static void set_limits(struct blk *b)
{
	const struct disk *d = &b->disk;
	struct virtio_blk_config *c = &b->config;

	c->capacity = d->size >> SECTOR_SHIFT;
	c->seg_max = BLK_SEG_MAX;
	c->blk_size = d->block;
	c->physical_block_exp = (uint8_t)__builtin_ctz(d->physical / d->block);
	c->min_io_size = (uint16_t)(d->io_min / d->block);
	c->opt_io_size = d->io_opt / d->block;
	if (d->discards) {
		b->features |= BIT64(VIRTIO_BLK_F_DISCARD);
		c->max_discard_sectors = DISK_RANGE_MAX >> SECTOR_SHIFT;
		c->max_discard_seg = BLK_RANGES_MAX;
		c->discard_sector_alignment = d->discard_align >> SECTOR_SHIFT;
	}
	if (d->zeroes) {
		b->features |= BIT64(VIRTIO_BLK_F_WRITE_ZEROES);
		c->max_write_zeroes_sectors = DISK_RANGE_MAX >> SECTOR_SHIFT;
		c->max_write_zeroes_seg = BLK_RANGES_MAX;
		c->write_zeroes_may_unmap = d->hole_zero;
	}
}

int blk_open(struct blk *b, const struct blk_opts *o)
{
	*b = (struct blk){ 0 };
	if (disk_open(&b->disk, &o->disk))
		return -1;
	set_limits(b);
	if (o->serial)
		memcpy(b->serial, o->serial, strnlen(o->serial, sizeof(b->serial)));
	b->config.num_queues = (uint16_t)o->num_queues;
	b->config.wce = 1;
	b->features |= BIT64(VIRTIO_BLK_F_SEG_MAX) | BIT64(VIRTIO_BLK_F_BLK_SIZE) | BIT64(VIRTIO_BLK_F_TOPOLOGY) |
		       BIT64(VIRTIO_BLK_F_FLUSH) | BIT64(VIRTIO_BLK_F_CONFIG_WCE);
	if (b->disk.rdonly)
		b->features |= BIT64(VIRTIO_BLK_F_RO);
	if (o->num_queues > 1)
		b->features |= BIT64(VIRTIO_BLK_F_MQ);
	return 0;
}

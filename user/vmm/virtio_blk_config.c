// SPDX-License-Identifier: GPL-2.0
/* The configuration space and the features of a virtio-blk device, from what the back end says of the drive. */
#include "virtio_blk.h"
#include "../lib/bits.h"
#include "../lib/log.h"

/* header and status of a request that fills the queue */
#define SEG_EXTRA	2

uint64_t blk_sectors(const struct virtio_blk *blk, const struct vhost_blk_info *info)
{
	return info->capacity - info->capacity % (blk->config.blk_size / BLK_SECTOR);
}

static int block_size(const struct virtio_blk *blk, const char *prop, uint64_t size, uint32_t least,
		      uint32_t *out)
{
	if (!size) {
		*out = least;
		return 0;
	}
	if (size & (size - 1))
		return log_err("-device %s: %s=%llu: takes a power of two", blk->name, prop,
			       (unsigned long long)size);
	if (size < least)
		return log_err("-device %s: %s=%llu: the drive needs %u", blk->name, prop,
			       (unsigned long long)size, least);
	*out = (uint32_t)size;
	return 0;
}

static uint32_t at_most(uint64_t val, uint32_t max)
{
	return val < max ? val : max;
}

static int blk_geometry(struct virtio_blk *blk, const struct blk_props *p,
			const struct vhost_blk_info *info)
{
	struct virtio_blk_config *c = &blk->config;
	uint64_t min_io, opt_io;
	uint32_t logical, physical;

	if (block_size(blk, "logical_block_size", p->logical_block_size, info->logical_block_size,
		       &logical))
		return -1;
	physical = p->physical_block_size || info->physical_block_size < logical ?
		   logical : info->physical_block_size;
	if (block_size(blk, "physical_block_size", p->physical_block_size, physical, &physical))
		return -1;
	min_io = p->min_io_size ? p->min_io_size : info->io_min;
	opt_io = p->opt_io_size ? p->opt_io_size : info->io_opt;
	if (p->min_io_size % logical || p->opt_io_size % logical)
		return log_err("-device %s: min_io_size and opt_io_size take multiples of the logical block size, %u",
			       blk->name, logical);
	c->blk_size = logical;
	c->physical_block_exp = (uint8_t)__builtin_ctz(physical / logical);
	if (!p->physical_block_size)
		c->alignment_offset = (uint8_t)at_most(info->alignment_offset / logical, UINT8_MAX);
	c->min_io_size = (uint16_t)at_most(min_io / logical, UINT16_MAX);
	c->opt_io_size = at_most(opt_io / logical, UINT32_MAX);
	c->capacity = blk_sectors(blk, info);
	c->seg_max = at_most(info->seg_max, p->queue_size - SEG_EXTRA);
	c->size_max = info->size_max;
	return 0;
}

static void blk_ranges(struct virtio_blk *blk, const struct blk_props *p, const struct vhost_blk_info *info)
{
	struct virtio_blk_config *c = &blk->config;

	blk->unmap = p->discard && blk->bd->discard;
	if (blk->unmap) {
		c->max_discard_sectors = info->max_discard_sectors;
		c->max_discard_seg = info->max_discard_seg;
		c->discard_sector_alignment = info->discard_sector_alignment;
		c->max_secure_erase_sectors = info->max_secure_erase_sectors;
		c->max_secure_erase_seg = info->max_secure_erase_seg;
		c->secure_erase_sector_alignment = info->secure_erase_sector_alignment;
	}
	if (p->write_zeroes) {
		c->max_write_zeroes_sectors = info->max_write_zeroes_sectors;
		c->max_write_zeroes_seg = info->max_write_zeroes_seg;
		c->write_zeroes_may_unmap = blk->unmap && info->write_zeroes_may_unmap;
	}
}

int blk_config_fill(struct virtio_blk *blk, const struct blk_props *p, const struct vhost_blk_info *info)
{
	if (blk_geometry(blk, p, info))
		return -1;
	blk_ranges(blk, p, info);
	blk->config.num_queues = (uint16_t)p->num_queues;
	blk->config.wce = blk->writeback;
	return 0;
}

uint64_t blk_features(const struct virtio_blk *blk, const struct blk_props *p,
		      const struct vhost_blk_info *info)
{
	const struct virtio_blk_config *c = &blk->config;
	bool rdonly = blk->bd->readonly || info->flags & VHOST_BLK_INFO_RDONLY;
	const struct {
		bool on;
		uint8_t bit;
	} own[] = {
		{ true, VIRTIO_BLK_F_SEG_MAX },
		{ c->size_max, VIRTIO_BLK_F_SIZE_MAX },
		{ true, VIRTIO_BLK_F_BLK_SIZE },
		{ true, VIRTIO_BLK_F_TOPOLOGY },
		{ rdonly, VIRTIO_BLK_F_RO },
		{ blk->writeback || p->config_wce, VIRTIO_BLK_F_FLUSH },
		{ p->config_wce, VIRTIO_BLK_F_CONFIG_WCE },
		{ c->num_queues > 1, VIRTIO_BLK_F_MQ },
		{ !rdonly && c->max_discard_sectors, VIRTIO_BLK_F_DISCARD },
		{ !rdonly && c->max_write_zeroes_sectors, VIRTIO_BLK_F_WRITE_ZEROES },
		{ !rdonly && c->max_secure_erase_sectors, VIRTIO_BLK_F_SECURE_ERASE },
	};
	uint64_t features = virtio_pci_features(&p->pci, blk->vd.vhost->features);
	unsigned int i;

	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		features |= own[i].on ? BIT64(own[i].bit) & blk->has : 0;
	return features;
}

/* SPDX-License-Identifier: GPL-2.0 */
/* What virtio_blk.c and virtio_blk_config.c share. */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/vhost_blk.h>
#include <linux/virtio_blk.h>
#include "blockdev.h"
#include "vhost_kernel.h"
#include "virtio_pci.h"
#include "../lib/prop.h"

struct sync_job;

#define BLK_SECTOR	512

/** struct blk_props - -device virtio-blk-pci; numbers that depend on the machine are filled in */
struct blk_props {
	struct virtio_pci_props pci;
	char *drive, *serial, *vhostfd;
	enum prop_onoffauto vhost, write_cache;
	uint32_t num_queues, queue_size, workers, bootindex;
	uint64_t logical_block_size, physical_block_size, min_io_size, opt_io_size;
	bool discard, write_zeroes, config_wce;
};

/**
 * struct virtio_blk
 * @writeback: what the driver finds in the configuration if it can flush
 * @unmap: the guest may deallocate
 * @wce_lock: @config.wce and what the module was told are the same
 * @sync: on the loop: what was written so far becomes stable, on a helper thread
 * @sync_job: doing so, or NULL
 * @sync_again: once more afterwards
 */
struct virtio_blk {
	struct virtio_dev vd;
	struct vhost_kernel vk;
	struct blockdev_user user;
	struct blockdev *bd;
	struct virtio_blk_config config;
	pthread_mutex_t wce_lock;
	bool writeback, unmap;
	struct loop_bh sync;
	struct sync_job *sync_job;
	bool sync_again;
	char name[64];
};

/**
 * blk_config_fill() - the configuration space: what the module says of the drive, narrowed by @p
 * Return: 0, or -1 after one logged line
 */
int blk_config_fill(struct virtio_blk *blk, const struct blk_props *p, const struct vhost_blk_info *info);
/** blk_features() - what is offered; the configuration is filled, the back end's features are known */
uint64_t blk_features(const struct virtio_blk *blk, const struct blk_props *p,
		      const struct vhost_blk_info *info);
/** blk_sectors() - the capacity: whole blocks of the size that the guest sees */
uint64_t blk_sectors(const struct virtio_blk *blk, const struct vhost_blk_info *info);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of virtio-blk share. */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/vhost_blk.h>
#include <linux/virtio_blk.h>
#include "blockdev.h"
#include "vhost_kernel.h"
#include "vhost_user.h"
#include "virtio_pci.h"
#include "../lib/prop.h"

struct sync_job;

#define BLK_SECTOR	512
#define BLK_PROGRAM	"shunt-blk"
#define BLK_IMAGE_PROGRAM	"qemu-storage-daemon"
#define BLK_IMAGE_FROM	"Debian: package qemu-system-common"

/** struct blk_props - -device virtio-blk-pci; numbers that depend on the machine are filled in */
struct blk_props {
	struct virtio_pci_props pci;
	char *drive, *serial, *vhostfd;
	enum prop_onoffauto vhost, write_cache;
	uint32_t num_queues, queue_size, workers, bootindex;
	uint64_t logical_block_size, physical_block_size, min_io_size, opt_io_size;
	bool discard, write_zeroes, config_wce, vhostforce;
};

struct virtio_blk;

/**
 * struct blk_backend - what the two kinds have different, besides struct vhost
 * @resized: device lock: the size of the drive may have changed: blk_resize() now or later
 * @stats: see struct blockdev_user
 * @writeback: any thread, wce_lock held: config.wce has been set. Return: 0; -EPIPE: it is not there, and is
 *	told when it is; or another -errno
 * @destroy: struct vhost is closed: what else there is. May be NULL
 */
struct blk_backend {
	void (*resized)(struct virtio_blk *blk);
	void (*stats)(struct virtio_blk *blk, FILE *out);
	int (*writeback)(struct virtio_blk *blk);
	void (*destroy)(struct virtio_blk *blk);
};

/**
 * struct virtio_blk
 * @backend: of which kind it is: @vk or @vu
 * @has: features of the device's type that it has
 * @writeback: what the driver finds in the configuration if it can flush
 * @unmap: the guest may deallocate
 * @wce_lock: @config.wce and what the back end was told are the same
 * @sync: on the loop: what was written so far becomes stable, on a helper thread
 * @sync_job: doing so, or NULL
 * @sync_again: once more afterwards
 */
struct virtio_blk {
	struct virtio_dev vd;
	const struct blk_backend *backend;
	struct vhost_kernel vk;
	struct vhost_user vu;
	uint64_t has;
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
 * blk_kernel_open() - blk_user_open() - set the back end up; @info: gets what it says of the drive
 * @instead: see vhost_kernel_open()
 * Return: 0; 1 with @instead: there is none, which was said; -1 after one logged line
 */
int blk_kernel_open(struct virtio_blk *blk, struct vm *vm, const struct blk_props *p,
		    struct vhost_blk_info *info, const char *instead);
int blk_user_open(struct virtio_blk *blk, struct vm *vm, const struct blk_props *p,
		  struct vhost_blk_info *info);
/** blk_resize() - device lock held: this is what the back end says now */
void blk_resize(struct virtio_blk *blk, const struct vhost_blk_info *info);

/**
 * blk_config_fill() - the configuration space: what the back end says of the drive, narrowed by @p
 * Return: 0, or -1 after one logged line
 */
int blk_config_fill(struct virtio_blk *blk, const struct blk_props *p, const struct vhost_blk_info *info);
/** blk_features() - what is offered; the configuration is filled, the back end's features are known */
uint64_t blk_features(const struct virtio_blk *blk, const struct blk_props *p,
		      const struct vhost_blk_info *info);
/** blk_sectors() - the capacity: whole blocks of the size that the guest sees */
uint64_t blk_sectors(const struct virtio_blk *blk, const struct vhost_blk_info *info);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* shunt-blk: a virtio-blk device on a disk. blk_config.c tells the driver what it is, blk.c serves requests. */
#ifndef VHOST_USER_BLK_H
#define VHOST_USER_BLK_H

#include <linux/virtio_blk.h>

#include "disk.h"

/* Segments of data in a request, as many as fit beside header and status in 128 descriptors */
#define BLK_SEG_MAX	126
/* Ranges in a request */
#define BLK_RANGES_MAX	32

/**
 * struct blk_opts - what the command line says
 * @disk: the file
 * @has_fd: which is open already
 * @fixes: guest memory is registered with the queues' rings
 * @num_queues: 1..VU_QUEUES_MAX
 * @serial: at most VIRTIO_BLK_ID_BYTES bytes, or NULL
 */
struct blk_opts {
	struct disk_opts disk;
	bool has_fd;
	bool fixes;
	unsigned int num_queues;
	const char *serial;
};

/**
 * struct blk - a disk
 * @disk: its data
 * @features: of virtio-blk
 * @config: the configuration space; wce is written by control and read by queues
 * @always_sync: the driver knows of no cache: writes are stable when they are done
 * @serial: padded with zeroes
 */
struct blk {
	struct disk disk;
	uint64_t features;
	struct virtio_blk_config config;
	bool always_sync;
	char serial[VIRTIO_BLK_ID_BYTES];
};

/** blk_open() - Return: 0, or -1 after one logged line */
int blk_open(struct blk *b, const struct blk_opts *o);

/* The requests of a disk; vu_queue.dev is a struct blk */
extern const struct vu_queue_ops blk_queue_ops;

#endif

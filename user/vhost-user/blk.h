/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shunt-blk: a virtio-blk device on a file or block device.
 *
 * blk_file.c opens the file and finds out what it can do, blk.c serves requests.
 */
#ifndef VHOST_USER_BLK_H
#define VHOST_USER_BLK_H

#include <linux/virtio_blk.h>
#include <stdbool.h>

#include "queue.h"

#define SECTOR_SHIFT	9

/* Segments of data in a request, as many as fit beside header and status in 128 descriptors */
#define BLK_SEG_MAX	126
/* Bytes of data in a request, and of a range to discard or to fill with zeroes */
#define BLK_LEN_MAX	(64U << 20)
#define BLK_RANGE_MAX	(1U << 30)
/* Ranges in a request */
#define BLK_RANGES_MAX	32

/**
 * struct blk_opts - what the command line says
 * @path: the file
 * @rdonly: no request may change it
 * @direct: around the page cache
 * @num_queues: 1..VU_QUEUES_MAX
 * @serial: at most VIRTIO_BLK_ID_BYTES bytes, or NULL
 */
struct blk_opts {
	const char *path;
	bool rdonly;
	bool direct;
	unsigned int num_queues;
	const char *serial;
};

/**
 * struct blk - a disk
 * @fd: the file
 * @rdonly: it is, by the option or by itself
 * @capacity: in sectors
 * @block_mask: logical block size - 1: requests begin and end on a multiple
 * @mem_mask: @len_mask: alignment of data in memory, and of the length of each segment, - 1
 * @features: of virtio-blk
 * @config: the configuration space; wce is written by control and read by queues
 * @always_sync: the driver knows of no cache: writes are stable when they are done
 * @serial: padded with zeroes
 */
struct blk {
	int fd;
	bool rdonly;
	uint64_t capacity;
	uint32_t block_mask;
	uint32_t mem_mask;
	uint32_t len_mask;
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

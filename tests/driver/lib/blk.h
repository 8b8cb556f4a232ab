/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio-blk driver for /dev/vhost-blk: requests in any shape over descriptors, several queues, any
 * depth. Data lie in the caller's buffers and are copied to and from guest memory; what lies there
 * between the pieces of a request must be left alone by the device, and is checked.
 *
 * Functions return 0 or a negative errno, and then say in blk.why what was wrong.
 */
#ifndef TESTS_DRIVER_LIB_BLK_H
#define TESTS_DRIVER_LIB_BLK_H

#include <linux/vhost_blk.h>
#include <linux/virtio_blk.h>

#include "tests/driver/dtest.h"

#define BLK_DEVICE	"/dev/vhost-blk"
#define BLK_SECTOR	512u
#define BLK_HDR		16u
#define BLK_SHAPE_CUTS	17
#define BLK_NO_STATUS	0xff
#define BLK_FEATURES	(VDRV_BIT(VIRTIO_F_VERSION_1) | VDRV_BIT(VIRTIO_RING_F_INDIRECT_DESC) | \
			 VDRV_BIT(VIRTIO_RING_F_EVENT_IDX))
#define BLK_TIMEOUT_MS	20000

/**
 * struct blk_shape - how a request lies in guest memory
 *
 * What the device reads is one stream: header, data. What it writes is another: data, status byte.
 *
 * @out: lengths of the descriptors of the first stream, ended by 0; the rest is one more
 * @in: the same for the second, but the last byte, the status, has a descriptor of its own unless
 *	@joined
 * @joined: the status byte lies in the descriptor of what comes before it
 * @cut: the rest is not one descriptor but several, of so many bytes, 0 for one
 * @align: each descriptor begins @offset bytes behind a multiple, 0 for 4096
 * @offset: see @align
 */
struct blk_shape {
	const char *name;
	uint32_t out[BLK_SHAPE_CUTS];
	uint32_t in[BLK_SHAPE_CUTS];
	bool joined;
	uint32_t cut;
	uint32_t align;
	uint32_t offset;
};

/* Header, data, status: each in a descriptor and on a page of its own */
extern const struct blk_shape blk_plain;

/**
 * struct blk_req - a request
 * @type: VIRTIO_BLK_T_*
 * @sector: of the header
 * @data: that go out or come in, as the type says; read and written until it is done
 * @len: bytes of @data
 * @shape: NULL for &blk_plain
 * @any_used: the used length is not what the rules of read and write say
 * @done: completed
 * @status: VIRTIO_BLK_S_*, or %BLK_NO_STATUS
 * @used: length in the used ring
 */
struct blk_req {
	uint32_t type;
	uint64_t sector;
	void *data;
	uint32_t len;
	const struct blk_shape *shape;
	bool any_used;
	bool done;
	uint8_t status;
	uint32_t used;
	/* inner */
	uint32_t slot;
};

/**
 * struct blk_opt - what a case wants
 * @features: together with t_layout(); 0 for %BLK_FEATURES
 * @num: ring size, 0 for 256
 * @queues: 0 for one
 * @indirect_max: descriptors a table, 0 for no tables
 * @max_data: bytes of the largest request, 0 for 64 KiB
 * @depth: requests of a queue at most, 0 for 32
 * @base: first index of the rings
 */
struct blk_opt {
	uint64_t features;
	unsigned int num;
	unsigned int queues;
	unsigned int indirect_max;
	uint32_t max_data;
	unsigned int depth;
	uint16_t base;
};

/**
 * struct blk - the device
 * @pending: requests of each queue that are not done
 * @calls: wake-ups by call eventfds
 * @no_call: the device has none
 */
struct blk {
	struct vdrv_mem mem;
	struct vdrv_dev dev;
	struct vdrv_vq vq[VHOST_BLK_MAX_QUEUES];
	unsigned int queues;
	unsigned int depth;
	unsigned int pending[VHOST_BLK_MAX_QUEUES];
	uint64_t calls;
	bool no_call;
	const char *why;
	/* inner: slots of guest memory, one a request */
	uint64_t pool;
	uint32_t slot_size;
	struct blk_req **req;
	uint32_t *free_slot;
	unsigned int nfree;
};

/* Device, memory, rings: all but back ends. -EOPNOTSUPP: features that are not offered */
int blk_open(struct blk *b, const struct blk_opt *o);
void blk_close(struct blk *b);
/* VHOST_BLK_SET_BACKEND for one queue, or for all */
int blk_backend(struct blk *b, unsigned int q, int fd, uint32_t flags);
int blk_backends(struct blk *b, int fd, uint32_t flags);
/* blk_open() and blk_backends() */
int blk_start(struct blk *b, const struct blk_opt *o, int fd);

int blk_info(struct blk *b, int fd, struct vhost_blk_info *info);
int blk_stats(struct blk *b, unsigned int q, struct vhost_blk_stats *st);
int blk_writeback(struct blk *b, uint32_t on);

/* Put a request into a ring; blk_kick() shows it. -ENOSPC: no room */
int blk_submit(struct blk *b, unsigned int q, struct blk_req *r);
int blk_kick(struct blk *b, unsigned int q);
/* Take what is done; a count */
int blk_reap(struct blk *b, unsigned int q);
/* Wait for a completion, by interrupt: 0, or -ETIMEDOUT */
int blk_wait(struct blk *b, unsigned int q, unsigned int timeout_ms);
/* Until nothing is pending in any queue */
int blk_finish(struct blk *b, unsigned int timeout_ms);
/* All of that for one request of queue @q */
int blk_run(struct blk *b, unsigned int q, struct blk_req *r);
/* A plain request in queue 0: its status, or a negative errno */
int blk_io(struct blk *b, uint32_t type, uint64_t sector, void *data, uint32_t len);
/* DISCARD, WRITE_ZEROES or SECURE_ERASE of one range: status, or a negative errno */
int blk_range(struct blk *b, uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags);
/* "OK", "IOERR", "UNSUPP", or an errno */
const char *blk_status(int ret);

/* Back ends: open for both, O_DIRECT if @direct; ends the program if it cannot */
int blk_file(const char *path, int flags, bool direct);
uint64_t blk_file_size(int fd);
/* The whole of @len bytes at @at, past any page cache; 0 or a negative errno */
int blk_file_read(const char *path, void *buf, size_t len, uint64_t at);
int blk_file_write(const char *path, const void *buf, size_t len, uint64_t at);
/* Aligned memory for O_DIRECT; ends the program if there is none */
void *blk_buf(size_t size);
/* Contents that differ for each @seed and place */
void blk_fill(void *buf, size_t len, uint64_t seed);
/* Run a command of the shell: 0 or -EIO */
int blk_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* TESTS_DRIVER_LIB_BLK_H */

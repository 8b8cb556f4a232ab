/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio-blk driver for /dev/vhost-blk, or for the vhost-user process that listens at BLK_SOCKET, if that
 * is set: requests in any shape over descriptors, several queues, any depth. What the device reads of a request is header and data, what it writes data and the status byte.
 *
 * Functions return 0 or a negative errno, and then say in reqs.why what was wrong.
 */
#ifndef TESTS_DRIVER_LIB_BLK_H
#define TESTS_DRIVER_LIB_BLK_H

#include <linux/vhost_blk.h>
#include <linux/virtio_blk.h>

#include "tests/driver/lib/reqs.h"

#define BLK_DEVICE	"/dev/vhost-blk"
#define BLK_SECTOR	512u
#define BLK_HDR		16u
#define BLK_NO_STATUS	SHAPE_UNWRITTEN
#define BLK_FEATURES	REQS_FEATURES

/* Header, data, status: each in a descriptor and on a page of its own */
extern const struct shape blk_plain;

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
	const struct shape *shape;
	bool any_used;
	bool done;
	uint8_t status;
	uint32_t used;
	/* inner */
	struct reqs_req r;
	struct virtio_blk_outhdr hdr;
};

/* The device: queues are as numbered, see reqs.h */
struct blk {
	struct reqs q;
};

/* Device, memory, rings: all but back ends. -EOPNOTSUPP: features that are not offered */
int blk_open(struct blk *b, const struct reqs_opt *o);
void blk_close(struct blk *b);
/* VHOST_BLK_SET_BACKEND for one queue, or for all; a process has its file */
int blk_backend(struct blk *b, unsigned int q, int fd, uint32_t flags);
int blk_backends(struct blk *b, int fd, uint32_t flags);
/* blk_open() and blk_backends() */
int blk_start(struct blk *b, const struct reqs_opt *o, int fd);

/* The device's name, for messages */
const char *blk_device(void);
int blk_info(struct blk *b, int fd, struct vhost_blk_info *info);
int blk_stats(struct blk *b, unsigned int q, struct vhost_blk_stats *st);
int blk_writeback(struct blk *b, uint32_t on);

/* As reqs_submit() and reqs_run() */
int blk_submit(struct blk *b, unsigned int q, struct blk_req *r);
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

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads and writes at random, of any size and shape, many at a time, each checked against what the
 * back end must hold by then. Requests that are on their way never overlap: order is the driver's affair.
 */
#ifndef TESTS_DRIVER_LIB_BLKMIX_H
#define TESTS_DRIVER_LIB_BLKMIX_H

#include "tests/driver/lib/blk.h"

/**
 * struct blkmix - what to do, and the state
 * @b: device with back ends
 * @path: the back end's, for the other side's view of it
 * @size: bytes of it that are used, 0 for all
 * @unit: logical block size, 0 for 512
 * @max: bytes of a request at most, 0 for 16 KiB
 * @depth: requests on their way, of all queues, 0 for 32
 * @reads: in a hundred
 * @plain: only whole pages in one descriptor, at page boundaries
 * @errors: requests that failed (VIRTIO_BLK_S_IOERR) and may; what they wrote is not known
 * @may_fail: they may
 * @shadow: what the back end must hold
 */
struct blkmix {
	struct blk *b;
	const char *path;
	uint64_t size;
	uint32_t unit;
	uint32_t max;
	unsigned int depth;
	unsigned int reads;
	bool plain;
	bool may_fail;
	uint64_t errors;
	uint64_t seed;
	unsigned char *shadow;
	/* inner */
	struct mix_req *req;
	unsigned char *busy;
	unsigned int out;
};

/* Fill the back end from the other side. */
int blkmix_open(struct blkmix *m);
void blkmix_close(struct blkmix *m);
/* @count requests, submitted and completed */
int blkmix_run(struct blkmix *m, unsigned int count);
/* Its halves: keep @depth on their way until @count were added; wait for the rest */
int blkmix_feed(struct blkmix *m, unsigned int count);
int blkmix_drain(struct blkmix *m);
/* Does the other side see what was written? 0 or -EBADMSG */
int blkmix_compare(struct blkmix *m);
/* blkmix_open(), run, compare, close; a line of TAP named so */
void blkmix_test(struct blkmix *m, unsigned int count, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* TESTS_DRIVER_LIB_BLKMIX_H */

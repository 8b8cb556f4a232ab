/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a request lies in guest memory: what the device reads is one stream of bytes, what it writes is
 * another, and the descriptors may cut both anywhere. What lies between the pieces of a request must be
 * left alone by the device, and is checked.
 */
#ifndef TESTS_DRIVER_LIB_SHAPE_H
#define TESTS_DRIVER_LIB_SHAPE_H

#include <sys/uio.h>

#include "tools/vdrv.h"

#define SHAPE_CUTS	17
#define SHAPE_PIECES	4200
/* What is in memory before the device writes there */
#define SHAPE_UNWRITTEN	0xee

/**
 * struct shape - where the descriptors cut the streams
 * @out: lengths of the descriptors of the first stream, ended by 0; the rest is one more
 * @in: the same for the second
 * @tail: so many bytes at the end of the second have a descriptor of their own
 * @cut: the rest is not one descriptor but several, of so many bytes, 0 for one
 * @align: each descriptor begins @offset bytes behind a multiple, 0 for 4096
 * @offset: see @align
 */
struct shape {
	const char *name;
	uint32_t out[SHAPE_CUTS];
	uint32_t in[SHAPE_CUTS];
	uint32_t tail;
	uint32_t cut;
	uint32_t align;
	uint32_t offset;
};

/**
 * struct placed - a request in memory
 * @piece: its descriptors
 * @n: how many
 * @gpa: where its memory begins
 */
struct placed {
	struct vdrv_buf piece[SHAPE_PIECES];
	unsigned int n;
	uint64_t gpa;
};

/* Streams of so many bytes into @room bytes from @gpa on: the same each time. 0 or -E2BIG */
int shape_place(const struct shape *s, uint32_t out, uint32_t in, uint64_t gpa, uint32_t room,
		struct placed *p);
/* The first stream is what @out holds. */
void shape_write(const struct placed *p, const struct vdrv_mem *m, const struct iovec *out);
/* The second one into @in; -EBADMSG when something else was written as well */
int shape_read(const struct placed *p, const struct vdrv_mem *m, const struct iovec *in);

#endif /* TESTS_DRIVER_LIB_SHAPE_H */

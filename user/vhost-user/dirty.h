/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The dirty log of a migration: a bit for each page of guest memory, in memory that the front-end gave. A bit is set
 * after what it tells of was written, and before the driver is told.
 */
#ifndef VHOST_USER_DIRTY_H
#define VHOST_USER_DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ring/vring.h"

/**
 * struct vu_dirty - a log
 * @map: NULL when there is none
 * @len: bytes
 */
struct vu_dirty {
	unsigned char *map;
	size_t len;
};

/** vu_dirty_range() - @len bytes at guest address @gpa were written. Return: false when they are outside of the log */
bool vu_dirty_range(const struct vu_dirty *d, uint64_t gpa, uint64_t len);
/** vu_dirty_iov() - segments of @mem were written. Return: as vu_dirty_range() */
bool vu_dirty_iov(const struct vu_dirty *d, const struct vring_mem *mem, const struct iovec *iov, unsigned int n);

#endif

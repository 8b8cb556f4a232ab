/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files of a front-end, mapped here: it may make them shorter at any time, and what was mapped is gone then.
 *
 * A thread that touches such a page finds zeroes in its place, and hears of it by vu_guard_torn(). The kernel, on
 * behalf of io_uring, gets -EFAULT. Maps are made and let go of by the control thread, while no queue uses them.
 */
#ifndef VHOST_USER_GUARD_H
#define VHOST_USER_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most maps at a time: two memory tables, and what else a session has */
#define VU_MAPS_MAX 1024

extern __thread volatile bool vu_guard_hit;

/** vu_guard_signals() - handle SIGBUS; threads must not block it */
void vu_guard_signals(void);

/**
 * vu_map() - map a file, shared, to be read and written
 * @len: bytes; @offset: of the first
 * @page: bytes of the file's pages, a power of two
 *
 * Return: the address; NULL, with errno
 */
void *vu_map(int fd, uint64_t offset, size_t len, size_t page);
/** vu_unmap() - NULL is fine */
void vu_unmap(void *map, size_t len);

/** vu_guard_torn() - Return: whether this thread has met memory that was gone, since the last call */
static inline bool vu_guard_torn(void)
{
	bool hit = vu_guard_hit;

	if (__builtin_expect(hit, 0))
		vu_guard_hit = false;
	return hit;
}

#endif

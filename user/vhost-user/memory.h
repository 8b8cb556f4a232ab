/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory as the front-end gives it: files, mapped here.
 *
 * The control thread alone changes a table. Queues read the map that was made of it, and are stopped
 * before a region goes.
 */
#ifndef VHOST_USER_MEMORY_H
#define VHOST_USER_MEMORY_H

#include "lib/vhost_user.h"
#include "ring/vring.h"

/* Regions in a table. The specification lets this number only grow. */
#define VU_MEM_SLOTS 509

/**
 * struct vu_region - a mapped region
 * @r: as the front-end gave it
 * @va: where its first byte is here
 * @map: what was mapped: the file from its start
 * @map_len: bytes
 */
struct vu_region {
	struct vhost_user_region r;
	unsigned char *va;
	void *map;
	size_t map_len;
};

/**
 * struct vu_mem - a memory table
 * @nr: regions
 * @region: sorted by guest address
 * @map: the same for the ring engine; its addresses are ours
 */
struct vu_mem {
	unsigned int nr;
	struct vu_region region[VU_MEM_SLOTS];
	struct vring_mem *map;
};

/** vu_mem_new() - Return: an empty table, or NULL */
struct vu_mem *vu_mem_new(void);
/** vu_mem_free() - unmap all; NULL is fine */
void vu_mem_free(struct vu_mem *m);

/**
 * vu_mem_add() - map a region, unless the very same is there
 * @fd: the file; stays the caller's
 *
 * Return: 0; -EINVAL for a region that is empty, wraps, overlaps another (in guest or front-end
 * addresses) or does not lie in its file; -ENOSPC when the table is full; or mmap()'s errno. The
 * table is as it was, then.
 */
int vu_mem_add(struct vu_mem *m, const struct vhost_user_region *r, int fd);
/** vu_mem_del() - unmap the region, if there is one, with this guest address, size and front-end address */
void vu_mem_del(struct vu_mem *m, const struct vhost_user_region *r);

/** vu_mem_va() - Return: our address of [@uaddr, @uaddr + @len) of the front-end, in one region; or NULL */
void *vu_mem_va(const struct vu_mem *m, uint64_t uaddr, uint64_t len);

#endif

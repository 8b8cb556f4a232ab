// SPDX-License-Identifier: GPL-2.0
/* Guest memory, see memory.h. */
#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "guard.h"

struct vu_mem *vu_mem_new(void)
{
	struct vu_mem *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->map = calloc(1, sizeof(*m->map) + VU_MEM_SLOTS * sizeof(m->map->region[0]));
	if (m->map)
		return m;
	free(m);
	return NULL;
}

void vu_mem_free(struct vu_mem *m)
{
	unsigned int i;

	if (!m)
		return;
	for (i = 0; i < m->nr; i++)
		vu_unmap(m->region[i].map, m->region[i].map_len);
	free(m->map);
	free(m);
}

/* The map says what the table says. */
static void update_map(struct vu_mem *m)
{
	unsigned int i;

	m->map->nr = m->nr;
	for (i = 0; i < m->nr; i++)
		m->map->region[i] = (struct vring_region){
			.gpa = m->region[i].r.gpa,
			.size = m->region[i].r.size,
			.uaddr = (uintptr_t)m->region[i].va,
			.perm = VRING_PERM_RW,
		};
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* QEMU up to 7.2 sends each message about a region once for each pair of a NIC's queues. */
static bool region_is_there(const struct vu_mem *m, const struct vhost_user_region *r)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		if (!memcmp(&m->region[i].r, r, sizeof(*r)))
			return true;
	return false;
}

static bool region_ok(const struct vu_mem *m, const struct vhost_user_region *r)
{
	unsigned int i;

	if (!r->size || r->gpa + r->size < r->size || r->uaddr + r->size < r->size ||
	    r->offset + r->size < r->size)
		return false;
	for (i = 0; i < m->nr; i++) {
		const struct vhost_user_region *o = &m->region[i].r;

		if (overlap(r->gpa, r->size, o->gpa, o->size) || overlap(r->uaddr, r->size, o->uaddr, o->size))
			return false;
	}
	return true;
}

int vu_mem_add(struct vu_mem *m, const struct vhost_user_region *r, int fd)
{
	struct vu_region new = { .r = *r };
	struct stat st;
	unsigned int i;

	if (region_is_there(m, r))
		return 0;
	if (!region_ok(m, r) || fstat(fd, &st))
		return -EINVAL;
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < r->offset + r->size)
		return -EINVAL;
	if (m->nr == VU_MEM_SLOTS)
		return -ENOSPC;
	/* From the start, and whole: an offset need not be a multiple of the file's (huge) pages, nor the size. */
	new.map_len = (r->offset + r->size + (uint64_t)st.st_blksize - 1) & ~((uint64_t)st.st_blksize - 1);
	new.map = vu_map(fd, 0, new.map_len, (size_t)st.st_blksize);
	if (!new.map)
		return -errno;
	new.va = (unsigned char *)new.map + r->offset;
	for (i = m->nr; i && m->region[i - 1].r.gpa > r->gpa; i--)
		m->region[i] = m->region[i - 1];
	m->region[i] = new;
	m->nr++;
	update_map(m);
	return 0;
}

void vu_mem_del(struct vu_mem *m, const struct vhost_user_region *r)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++) {
		struct vu_region *o = &m->region[i];

		if (o->r.gpa != r->gpa || o->r.size != r->size || o->r.uaddr != r->uaddr)
			continue;
		vu_unmap(o->map, o->map_len);
		memmove(o, o + 1, (m->nr - i - 1) * sizeof(*o));
		m->nr--;
		update_map(m);
		return;
	}
}

void *vu_mem_va(const struct vu_mem *m, uint64_t uaddr, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++) {
		const struct vu_region *o = &m->region[i];
		uint64_t at = uaddr - o->r.uaddr;

		if (at < o->r.size)
			return len <= o->r.size - at ? o->va + at : NULL;
	}
	return NULL;
}

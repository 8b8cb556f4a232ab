/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A tiny virtio driver for split rings, and guest memory for it to live in.
 *
 * Written from the specification alone: it shares no structure, constant or helper with the engine
 * it tests, so a misreading in one is not repeated in the other.
 */
#ifndef TESTS_RING_DRIVER_H
#define TESTS_RING_DRIVER_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { D_NEXT = 1, D_WRITE = 2, D_INDIRECT = 4 };

/* Guest physical memory: regions that touch, an odd one, a hole, a large one, one near the top. */
#define LOW_GPA		0x0ULL			/* two pages that touch, apart in host memory */
#define MID_GPA		0x1000ULL
#define ODD_GPA		0x2800ULL		/* eight bytes, half a descriptor */
#define END_GPA		0x2808ULL		/* to 0x3000, then a hole */
#define BIG_GPA		0x10000ULL
#define RO_GPA		0x301000ULL		/* the device may only read; touches the next */
#define WO_GPA		0x302000ULL		/* the device may only write; touches the next */
#define RW_GPA		0x303000ULL
#define TOP_GPA		0xffffffffffff0000ULL	/* one page short of the very end */

static const struct {
	u64 gpa;
	u64 size;
	u32 perm;
} guest_layout[] = {
	{ LOW_GPA, 0x1000, VRING_PERM_RW },
	{ MID_GPA, 0x1800, VRING_PERM_RW },
	{ ODD_GPA, 0x8, VRING_PERM_RW },
	{ END_GPA, 0x7f8, VRING_PERM_RW },
	{ BIG_GPA, 0x200000, VRING_PERM_RW },
	{ RO_GPA, 0x1000, VRING_PERM_READ },
	{ WO_GPA, 0x1000, VRING_PERM_WRITE },
	{ RW_GPA, 0x1000, VRING_PERM_RW },
	{ TOP_GPA, 0xf000, VRING_PERM_RW },
};

#define GUEST_REGIONS (sizeof(guest_layout) / sizeof(guest_layout[0]))

struct guest {
	u8 *host[GUEST_REGIONS];
	struct vring_mem *mem;
};

/*
 * A ring area as its driver sees it. The device may see the same bytes in pages that are apart, and
 * nothing around them.
 */
#define AREA_PAGE 4096U
#define AREA_PAGES 140

struct area {
	u8 *flat;
	size_t size;
	bool paged;
	u32 offset;		/* in the first page, if in pages */
	u32 nr;
	void *page[AREA_PAGES];
};

struct driver {
	u32 num;
	struct area area[3];
	u8 *desc;		/* 16 * num */
	u8 *avail;		/* 4 + 2 * num + 2 */
	u8 *used;		/* 4 + 8 * num + 2 */
	u16 avail_idx;
	u16 used_idx;
	bool packed;		/* see ring_driver_packed.h */
	u32 avail_lin;
	u32 used_lin;
};

static inline void st_le(u8 *p, u64 v, int bytes)
{
	for (; bytes--; v >>= 8)
		*p++ = v & 0xff;
}

static inline u64 ld_le(const u8 *p, int bytes)
{
	u64 v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static inline void guest_init(struct guest *g)
{
	u32 i;

	g->mem = calloc(1, sizeof(*g->mem) + GUEST_REGIONS * sizeof(g->mem->region[0]));
	g->mem->nr = GUEST_REGIONS;
	for (i = 0; i < GUEST_REGIONS; i++) {
		g->host[i] = calloc(1, guest_layout[i].size);
		g->mem->region[i].gpa = guest_layout[i].gpa;
		g->mem->region[i].size = guest_layout[i].size;
		g->mem->region[i].uaddr = (uintptr_t)g->host[i];
		g->mem->region[i].perm = guest_layout[i].perm;
		hook_allow(g->host[i], guest_layout[i].size, false);
	}
}

static inline void guest_free(struct guest *g)
{
	u32 i;

	for (i = 0; i < GUEST_REGIONS; i++)
		free(g->host[i]);
	free(g->mem);
}

/* Where a guest address lies in host memory, or NULL. The engine's search is not used. */
static inline u8 *guest_at(const struct guest *g, u64 gpa)
{
	u32 i;

	for (i = 0; i < GUEST_REGIONS; i++)
		if (gpa >= guest_layout[i].gpa && gpa < guest_layout[i].gpa + guest_layout[i].size)
			return g->host[i] + (gpa - guest_layout[i].gpa);
	return NULL;
}

static inline void guest_write(struct guest *g, u64 gpa, const u8 *from, u32 len)
{
	while (len--) {
		u8 *to = guest_at(g, gpa++);

		if (to)
			*to = *from;
		from++;
	}
}

static inline void desc_bytes(u8 out[16], u64 addr, u32 len, u16 flags, u16 next)
{
	st_le(out, addr, 8);
	st_le(out + 8, len, 4);
	st_le(out + 12, flags, 2);
	st_le(out + 14, next, 2);
}

/* An entry of an indirect table. */
static inline void guest_desc(struct guest *g, u64 table, u32 i, u64 addr, u32 len, u16 flags,
			      u16 next)
{
	u8 raw[16];

	desc_bytes(raw, addr, len, flags, next);
	guest_write(g, table + 16ULL * i, raw, 16);
}

/* @before: bytes of the area in its first page, if it is to lie in pages; else 0 */
static inline u8 *area_init(struct area *a, size_t size, u32 before, bool writable)
{
	u32 i;
	int fd;

	memset(a, 0, sizeof(*a));
	a->size = size;
	if (!before) {
		a->flat = aligned_alloc(16, (size + 15) / 16 * 16);
		memset(a->flat, 0, size);
		hook_allow(a->flat, size, writable);
		return a->flat;
	}
	a->paged = true;
	a->offset = AREA_PAGE - before;
	a->nr = (a->offset + size + AREA_PAGE - 1) / AREA_PAGE;
	fd = memfd_create("area", 0);
	if (fd < 0 || a->nr > AREA_PAGES || ftruncate(fd, a->nr * AREA_PAGE))
		abort();
	a->flat = mmap(NULL, a->nr * AREA_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	a->flat += a->offset;
	for (i = 0; i < a->nr; i++) {
		u32 from = i ? 0 : a->offset;
		u32 to = i + 1 < a->nr ? AREA_PAGE : a->offset + size - i * AREA_PAGE;

		/* with a hole behind each page */
		a->page[i] = mmap(NULL, 2 * AREA_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				  0);
		mmap(a->page[i], AREA_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		     i * AREA_PAGE);
		hook_allow((u8 *)a->page[i] + from, to - from, writable);
	}
	close(fd);
	return a->flat;
}

static inline void area_free(struct area *a)
{
	u32 i;

	if (!a->paged) {
		free(a->flat);
		return;
	}
	munmap(a->flat - a->offset, a->nr * AREA_PAGE);
	for (i = 0; i < a->nr; i++)
		munmap(a->page[i], 2 * AREA_PAGE);
}

static inline void driver_init(struct driver *d, u32 num, u16 start, bool paged)
{
	d->num = num;
	/* Pages end after two descriptors, before the first avail entry, within a used entry. */
	d->desc = area_init(&d->area[0], 16 * num, paged ? 32 : 0, false);
	d->avail = area_init(&d->area[1], 6 + 2 * num, paged ? 4 : 0, false);
	d->used = area_init(&d->area[2], 6 + 8 * num, paged ? 8 : 0, true);
	d->avail_idx = start;
	d->used_idx = start;
	st_le(d->avail + 2, start, 2);
	st_le(d->used + 2, start, 2);
}

static inline void driver_free(struct driver *d)
{
	u32 i;

	for (i = 0; i < 3; i++)
		area_free(&d->area[i]);
}

static inline void driver_desc(struct driver *d, u32 i, u64 addr, u32 len, u16 flags, u16 next)
{
	desc_bytes(d->desc + 16 * i, addr, len, flags, next);
}

/* Writes an avail entry; driver_publish() shows it. */
static inline void driver_offer(struct driver *d, u16 head)
{
	st_le(d->avail + 4 + 2 * (d->avail_idx % d->num), head, 2);
	d->avail_idx++;
}

static inline void driver_publish(struct driver *d)
{
	st_le(d->avail + 2, d->avail_idx, 2);
}

static inline u16 driver_used_idx(const struct driver *d)
{
	return ld_le(d->used + 2, 2);
}

static inline bool driver_reap(struct driver *d, u32 *id, u32 *len)
{
	const u8 *e = d->used + 4 + 8 * (d->used_idx % d->num);

	if (driver_used_idx(d) == d->used_idx)
		return false;
	*id = ld_le(e, 4);
	*len = ld_le(e + 4, 4);
	d->used_idx++;
	return true;
}

static inline void driver_avail_flags(struct driver *d, u16 v)
{
	st_le(d->avail, v, 2);
}

static inline void driver_used_event(struct driver *d, u16 v)
{
	st_le(d->avail + 4 + 2 * d->num, v, 2);
}

static inline u16 driver_used_flags(const struct driver *d)
{
	return ld_le(d->used, 2);
}

static inline u16 driver_avail_event(const struct driver *d)
{
	return ld_le(d->used + 4 + 8 * d->num, 2);
}

/* Whether a driver kicks after moving avail->idx from @old to @now (2.7.10.1, by counting). */
static inline bool driver_would_kick(const struct driver *d, u16 old, u16 now, bool event_idx)
{
	u16 i;

	if (!event_idx)
		return !(driver_used_flags(d) & 1);
	for (i = old; i != now; i++)
		if (i == driver_avail_event(d))
			return true;
	return false;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver's side of a packed ring. Like ring_driver.h, from the specification alone.
 *
 * Descriptors are counted from the first one ever made available, @lin: that is place lin % num in lap
 * lin / num, and the wrap counter is 1 in even laps.
 */
#ifndef TESTS_RING_DRIVER_PACKED_H
#define TESTS_RING_DRIVER_PACKED_H

enum { P_AVAIL = 1 << 7, P_USED = 1 << 15, P_ENABLE = 0, P_DISABLE = 1, P_DESC = 2 };

struct packed_desc {
	u64 addr;
	u32 len;
	u16 flags;
};

static inline u16 packed_pos(const struct driver *d, u32 lin)
{
	return lin % d->num | (lin / d->num % 2 ? 0 : 0x8000);
}

static inline void packed_driver_init(struct driver *d, u32 num, u32 lin, bool paged)
{
	u32 i;

	d->num = num;
	d->packed = true;
	d->desc = area_init(&d->area[0], 16 * num, paged ? 32 : 0, true);
	d->avail = area_init(&d->area[1], 4, paged ? 4 : 0, false);
	d->used = area_init(&d->area[2], 4, paged ? 4 : 0, true);
	d->avail_lin = lin;
	d->used_lin = lin;
	/* as the laps before left them: used by the device */
	for (i = 0; i < num; i++) {
		bool earlier = i < lin % num, odd = lin / num % 2;

		st_le(d->desc + 16 * i + 14, earlier != odd ? P_AVAIL | P_USED : 0, 2);
	}
}

/* A chain of @n, made available by the first one's flags, which are written last. */
static inline void packed_offer(struct driver *d, const struct packed_desc *p, u32 n, u16 id)
{
	u32 i;

	for (i = n; i--;) {
		u32 lin = d->avail_lin + i;
		u16 turn = lin / d->num % 2 ? P_USED : P_AVAIL;
		u8 *to = d->desc + 16 * (lin % d->num);

		st_le(to, p[i].addr, 8);
		st_le(to + 8, p[i].len, 4);
		st_le(to + 12, i + 1 < n ? 0xdead : id, 2);	/* only the last one's counts */
		st_le(to + 14, p[i].flags | turn | (i + 1 < n ? D_NEXT : 0), 2);
	}
	d->avail_lin += n;
}

/* What the device wrote in the place where the next used buffer is looked for, if it did. */
static inline bool packed_used_desc(const struct driver *d, u32 *id, u32 *len)
{
	const u8 *p = d->desc + 16 * (d->used_lin % d->num);
	u16 flags = ld_le(p + 14, 2), turn = d->used_lin / d->num % 2 ? 0 : P_AVAIL | P_USED;

	if ((flags & (P_AVAIL | P_USED)) != turn)
		return false;
	*id = ld_le(p + 12, 2);
	*len = ld_le(p + 8, 4);
	assert_int_equal(flags & ~(P_AVAIL | P_USED), *len ? D_WRITE : 0);
	return true;
}

static inline void packed_driver_event(struct driver *d, u32 lin, u16 flags)
{
	st_le(d->avail, packed_pos(d, lin), 2);
	st_le(d->avail + 2, flags, 2);
}

static inline u16 packed_device_flags(const struct driver *d)
{
	return ld_le(d->used + 2, 2);
}

/* Whether a driver kicks after making the descriptors from @old to @now available (by counting). */
static inline bool packed_would_kick(const struct driver *d, u32 old, u32 now)
{
	u16 flags = packed_device_flags(d), pos = ld_le(d->used, 2);

	if (flags != P_DESC)
		return flags == P_ENABLE;
	for (; old != now; old++)
		if (packed_pos(d, old) == pos)
			return true;
	return false;
}

#endif

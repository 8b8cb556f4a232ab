// SPDX-License-Identifier: GPL-2.0
/* The dirty log, see dirty.h. */
#include <errno.h>
#include <linux/vhost_shunt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/driver/lib/blk.h"
#include "tests/driver/lib/dirty.h"

int dirty_on(struct dirty *d, struct vdrv_dev *dev, const struct vdrv_mem *mem,
	     const struct vdrv_vq *vq, unsigned int n, uint64_t pool)
{
	uint64_t base, features = dev->features | VDRV_BIT(VHOST_F_LOG_ALL);
	unsigned int q;

	free(d->bitmap);
	free(d->was);
	*d = (struct dirty){ .mem = mem, .last = &vq[n - 1], .pool = pool };
	d->size = ((mem->gpa + mem->size) / DIRTY_PAGE / 8 + 2 * DIRTY_PAGE - 1) & ~(DIRTY_PAGE - 1);
	d->bitmap = blk_buf(d->size);
	d->was = blk_buf(mem->size);
	base = (uintptr_t)d->bitmap;
	if (ioctl(dev->fd, VHOST_SET_LOG_BASE, &base))
		return -errno;
	for (q = 0; q < n; q++) {
		struct vhost_vring_addr a = {
			.index = q,
			.flags = 1 << VHOST_VRING_F_LOG,
			.desc_user_addr = (uintptr_t)vq[q].desc,
			.avail_user_addr = (uintptr_t)vq[q].avail,
			.used_user_addr = (uintptr_t)vq[q].used,
			.log_guest_addr = mem->gpa + ((unsigned char *)vq[q].used - mem->va),
		};

		if (ioctl(dev->fd, VHOST_SET_VRING_ADDR, &a))
			return -errno;
	}
	return ioctl(dev->fd, VHOST_SET_FEATURES, &features) ? -errno : 0;
}

void dirty_settle(const struct vdrv_dev *dev, unsigned int q)
{
	struct vhost_shunt_vq_stats st = { .size = sizeof(st), .index = q };
	uint64_t end = t_now_ms() + 5000;

	while (!ioctl(dev->fd, VHOST_SHUNT_GET_VQ_STATS, &st) && st.worker_sleeps == st.worker_wakes &&
	       t_now_ms() < end)
		t_sleep_ms(1);
}

static void start(struct dirty *d)
{
	memset(d->bitmap, 0, d->size);
	memcpy(d->was, d->mem->va, d->mem->size);
}

static void compare(struct dirty *d)
{
	uint64_t pool = d->pool - d->mem->gpa, used = (unsigned char *)d->last->used - d->mem->va, at;
	unsigned int inside = 0;
	size_t i;

	d->missing = d->marked = d->outside = 0;
	for (at = 0; at < d->mem->size; at += DIRTY_PAGE) {
		uint64_t page = (d->mem->gpa + at) / DIRTY_PAGE;
		bool marked = d->bitmap[page / 8] & 1 << page % 8;

		/* Pages of the driver's areas are its own: the device's is checked by what differs. */
		if (at >= pool || at >= used)
			d->missing += !marked && memcmp(d->was + at, d->mem->va + at, DIRTY_PAGE);
		d->marked += marked && at >= pool;
		inside += marked;
	}
	for (i = 0; i < d->size; i++)
		d->outside += __builtin_popcount(d->bitmap[i]);
	d->outside -= inside;
}

int dirty_run(struct dirty *d, struct reqs *q, unsigned int i)
{
	uint64_t end = t_now_ms() + REQS_TIMEOUT_MS;
	int ret;

	start(d);
	ret = reqs_kick(q, i);
	/* Not by interrupt: one may be late, of a request before. */
	while (!ret && !vdrv_vq_all_used(&q->vq[i]) && t_now_ms() < end)
		t_sleep_ms(1);
	/* What the ring shows is in the log a little later. */
	dirty_settle(&q->dev, i);
	compare(d);
	return ret ?: reqs_finish(q, REQS_TIMEOUT_MS);
}

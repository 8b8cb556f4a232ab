// SPDX-License-Identifier: GPL-2.0
/* What a hostile driver of /dev/vhost-blk asks for, see hostile.h. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/driver/lib/blk.h"
#include "tests/driver/lib/hostile.h"

int hblk_open(struct hostile *h, const char *backend)
{
	h->backend[0] = open(backend, O_RDWR | O_CLOEXEC);
	h->backend[1] = open(backend, O_RDWR | O_DIRECT | O_CLOEXEC);
	/* tmpfs has no O_DIRECT everywhere. */
	if (h->backend[1] < 0)
		h->backend[1] = h->backend[0];
	return h->backend[0] < 0 ? -errno : 0;
}

int hblk_backend(struct hostile *h, const struct hring *r, int fd)
{
	struct vhost_blk_backend be = { .index = r->index, .fd = fd };

	return ioctl(h->fd, VHOST_BLK_SET_BACKEND, &be) ? -errno : 0;
}

void hblk_count(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct vhost_blk_stats st = { .size = sizeof(st), .index = i };

		if (ioctl(h->fd, VHOST_BLK_GET_STATS, &st))
			continue;
		h->tally->sent += st.write_bytes / 512;
		h->tally->received += st.read_bytes / 512;
	}
}

static uint32_t some_type(uint64_t *s)
{
	static const uint32_t types[] = {
		VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH,
		VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES,
		VIRTIO_BLK_T_SECURE_ERASE,
	};

	return fuzz_one_in(s, 20) ? fuzz_number(s) : types[fuzz_below(s, ARRAY_SIZE(types))];
}

/* Most of them in a disk of 16 MiB */
static uint64_t some_sector(uint64_t *s)
{
	return fuzz_one_in(s, 12) ? fuzz_number(s) : fuzz_below(s, 32768);
}

static void some_ranges(uint64_t *s, void *to, uint32_t len)
{
	struct virtio_blk_discard_write_zeroes r;

	for (; len >= sizeof(r); to += sizeof(r), len -= sizeof(r)) {
		r.sector = htole64(some_sector(s));
		r.num_sectors = htole32(fuzz_one_in(s, 12) ? fuzz_number(s) : fuzz_below(s, 256));
		r.flags = htole32(fuzz_one_in(s, 12) ? fuzz_rnd(s) : fuzz_below(s, 2));
		memcpy(to, &r, sizeof(r));
	}
}

unsigned int hblk_table(struct hostile *h, uint64_t *s, struct vring_desc *table, unsigned int max)
{
	uint32_t type = some_type(s);
	struct virtio_blk_outhdr hdr = { .type = htole32(type), .sector = htole64(some_sector(s)) };
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	unsigned int n = 0, data = type == VIRTIO_BLK_T_FLUSH ? 0 : 1 + fuzz_below(s, 8), i;
	uint32_t len;

	table[n] = hostile_piece(h, s, sizeof(hdr), false);
	memcpy(hostile_at(h, &table[n]), &hdr, sizeof(hdr));
	/* In two pieces, or with something behind it */
	if (fuzz_one_in(s, 8)) {
		len = fuzz_below(s, sizeof(hdr));
		table[n + 1] = table[n];
		table[n + 1].addr = htole64(le64toh(table[n].addr) + len);
		table[n + 1].len = htole32(sizeof(hdr) - len + (fuzz_one_in(s, 4) ? 512 : 0));
		table[n++].len = htole32(len);
	}
	for (n++, i = 0; i < data && n + 1 < max; i++, n++) {
		len = (type >= VIRTIO_BLK_T_DISCARD ? 16u : 512u) << fuzz_below(s, 8);
		if (fuzz_one_in(s, 8))
			len = fuzz_below(s, 70000);
		table[n] = hostile_piece(h, s, len, in);
		if (type >= VIRTIO_BLK_T_DISCARD)
			some_ranges(s, hostile_at(h, &table[n]), len);
	}
	if (!fuzz_one_in(s, 400))
		table[n++] = hostile_piece(h, s, fuzz_one_in(s, 8) ? fuzz_below(s, 600) : 1, true);
	for (i = 0; i < n; i++)
		table[i].next = htole16(i + 1);
	table[n - 1].flags &= htole16(~VRING_DESC_F_NEXT);
	return n;
}

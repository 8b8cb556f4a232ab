// SPDX-License-Identifier: GPL-2.0
/* Rings full of nonsense, see hostile.h. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/driver/lib/blk.h"
#include "tests/driver/lib/fault.h"
#include "tests/driver/lib/hostile.h"
#include "tests/driver/lib/scsi.h"

/* A packed descriptor (virtio 1.2, 2.8.13) */
struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

#define PACKED_AVAIL	(1 << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED	(1 << VRING_PACKED_DESC_F_USED)
/* <linux/virtio_config.h> of the build machine may lack it. */
#define IN_ORDER	VDRV_BIT(35)

static uint64_t some_gpa(uint64_t *s)
{
	switch (fuzz_below(s, 16)) {
	case 0:		return VDRV_GPA + HOSTILE_MEM - fuzz_below(s, 100);
	case 1:		return VDRV_GPA - fuzz_below(s, 100);
	case 2:		return fuzz_number(s);
	case 3:		return ~0ULL - fuzz_below(s, 5000);
	case 4:		return VDRV_GPA + fuzz_below(s, HOSTILE_DATA);	/* the rings themselves */
	case 5:		return VDRV_GPA + HOSTILE_MEM / 2 - fuzz_below(s, 64);
	case 6:		return VDRV_GPA + HOSTILE_MEM - fuzz_below(s, FUZZ_CUT);
	default:	return VDRV_GPA + HOSTILE_DATA + fuzz_below(s, HOSTILE_DATA_SIZE);
	}
}

static uint32_t some_len(uint64_t *s)
{
	static const uint32_t lens[] = {
		0, 1, 9, 10, 11, 12, 13, 26, 72, 1526, 4096, 65535, 65536,
		0x7fffffff, 0x80000000, 0xffffffff,
	};

	switch (fuzz_below(s, 4)) {
	case 0:		return lens[fuzz_below(s, ARRAY_SIZE(lens))];
	case 1:		return fuzz_below(s, 70000);
	default:	return 12 + fuzz_below(s, 1600);
	}
}

/*
 * A split descriptor in a ring or table of @num; its next field is a packed one's id.
 * @wild: nonsense in any field, else something that may well work
 */
static struct vring_desc some_desc(struct hostile *h, uint64_t *s, unsigned int num, bool write,
				   bool wild)
{
	uint64_t good = VDRV_GPA + HOSTILE_DATA + fuzz_below(s, HOSTILE_DATA_SIZE - 4096);
	uint16_t flags = write ? VRING_DESC_F_WRITE : 0;

	if (fuzz_one_in(s, 3))
		flags |= VRING_DESC_F_NEXT;
	if (fuzz_one_in(s, wild ? 4 : 12))
		flags |= VRING_DESC_F_INDIRECT;
	if (wild && fuzz_one_in(s, 4))
		flags = fuzz_rnd(s);
	h->tally->descs++;
	h->tally->wild += wild;
	return (struct vring_desc){
		.addr = htole64(wild ? some_gpa(s) : good),
		.len = htole32(wild ? some_len(s) : 12 + fuzz_below(s, 1600)),
		.flags = htole16(flags),
		.next = htole16(wild && fuzz_one_in(s, 8) ? fuzz_rnd(s) : fuzz_below(s, num)),
	};
}

/* Headers decide what the kernel behind the tap does with a frame: make them of interest. */
static void some_header(struct hostile *h, uint64_t *s, uint64_t gpa)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = { 0 };
	unsigned char *at = h->mem.alias + (gpa - VDRV_GPA);

	if (gpa < VDRV_GPA + HOSTILE_DATA || gpa > VDRV_GPA + HOSTILE_MEM - FUZZ_CUT - 64)
		return;
	if (fuzz_one_in(s, 2)) {
		hdr.hdr.flags = fuzz_below(s, 8);
		hdr.hdr.gso_type = fuzz_one_in(s, 4) ? fuzz_rnd(s) : fuzz_below(s, 6);
		hdr.hdr.hdr_len = fuzz_one_in(s, 3) ? fuzz_rnd(s) : fuzz_below(s, 100);
		hdr.hdr.gso_size = fuzz_one_in(s, 3) ? fuzz_rnd(s) : 100 + fuzz_below(s, 1500);
		hdr.hdr.csum_start = fuzz_one_in(s, 3) ? fuzz_rnd(s) : fuzz_below(s, 60);
		hdr.hdr.csum_offset = fuzz_one_in(s, 3) ? fuzz_rnd(s) : fuzz_below(s, 20);
	}
	memcpy(at, &hdr, sizeof(hdr));
	/* Sometimes an IPv4 or IPv6 frame, that the stack will look into */
	memcpy(at + sizeof(hdr), fuzz_one_in(s, 2) ?
	       "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\2\x08\0\x45" :
	       "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\2\x86\xdd\x60", 15);
}

/* Fill a table somewhere in the data and have @d point to it. */
static void some_table(struct hostile *h, uint64_t *s, struct vring_desc *d, bool write, bool wild)
{
	unsigned int n = 1 + fuzz_below(s, 40), i;
	uint64_t at = HOSTILE_DATA + fuzz_below(s, HOSTILE_DATA_SIZE - n * sizeof(*d));

	for (i = 0; i < n; i++) {
		struct vring_desc e = some_desc(h, s, n, write, wild && fuzz_one_in(s, 10));

		if (!fuzz_one_in(s, 10))
			e.flags &= htole16(~VRING_DESC_F_INDIRECT);
		if (!wild || !fuzz_one_in(s, 10))
			e.next = htole16(i + 1);
		memcpy(h->mem.alias + at + i * sizeof(e), &e, sizeof(e));
	}
	if (!wild || !fuzz_one_in(s, 4))
		d->addr = htole64(VDRV_GPA + at);
	if (!wild || !fuzz_one_in(s, 4))
		d->len = htole32(n * sizeof(*d));
}

struct vring_desc hostile_piece(struct hostile *h, uint64_t *s, uint32_t len, bool write)
{
	uint64_t room = HOSTILE_DATA_SIZE - len;

	h->tally->descs++;
	return (struct vring_desc){
		.addr = htole64(VDRV_GPA + HOSTILE_DATA +
				(fuzz_below(s, room) & (fuzz_one_in(s, 4) ? ~0ULL : ~511ULL))),
		.len = htole32(len),
		.flags = htole16(VRING_DESC_F_NEXT | (write ? VRING_DESC_F_WRITE : 0)),
	};
}

void *hostile_at(const struct hostile *h, const struct vring_desc *d)
{
	return h->mem.alias + (le64toh(d->addr) - VDRV_GPA);
}

/* The same, for a device of blocks or of SCSI, with a request; seldom as it should be */
static void some_request(struct hostile *h, uint64_t *s, const struct hring *r, struct vring_desc *d)
{
	struct vring_desc table[HOSTILE_TABLE];
	unsigned int n = h->kind == FUZZ_BLK ? hblk_table(h, s, table, HOSTILE_TABLE) :
					       hscsi_table(h, s, r, table, HOSTILE_TABLE);
	uint64_t at = HOSTILE_DATA + fuzz_below(s, HOSTILE_DATA_SIZE - sizeof(table));

	if (n && fuzz_one_in(s, 200))
		table[fuzz_below(s, n)] = some_desc(h, s, n, fuzz_one_in(s, 2), true);
	memcpy(h->mem.alias + at, table, n * sizeof(*table));
	*d = (struct vring_desc){
		.addr = htole64(VDRV_GPA + at),
		.len = htole32(n * sizeof(*table)),
		.flags = htole16(VRING_DESC_F_INDIRECT),
		.next = d->next,
	};
}

static void put_split(struct hring *r, uint64_t *s, const struct vring_desc *d)
{
	struct vring_avail *avail = (void *)r->driver;
	unsigned int head = fuzz_below(s, r->num);

	memcpy(r->desc + head * sizeof(*d), d, sizeof(*d));
	avail->ring[r->next & (r->num - 1)] = htole16(fuzz_one_in(s, 300) ? fuzz_rnd(s) : head);
	r->next++;
	if (fuzz_one_in(s, 800))
		r->next = fuzz_rnd(s);
}

static void put_packed(struct hring *r, uint64_t *s, const struct vring_desc *d)
{
	struct packed_desc *p = (struct packed_desc *)r->desc + r->next;
	uint16_t flags = le16toh(d->flags) & ~(PACKED_AVAIL | PACKED_USED);

	flags |= r->wrap ? PACKED_AVAIL : PACKED_USED;
	if (fuzz_one_in(s, 500))
		flags = fuzz_rnd(s);
	p->addr = d->addr;
	p->len = d->len;
	p->id = d->next;
	__atomic_store_n(&p->flags, htole16(flags), __ATOMIC_RELEASE);
	if (++r->next >= r->num) {
		r->next = 0;
		r->wrap = !r->wrap;
	}
	if (fuzz_one_in(s, 2000))
		r->next = fuzz_below(s, r->num);
}

/* What says when the device is to call: any thread of the driver writes it at any time. */
static void put_events(struct hring *r, uint64_t *s)
{
	if (fuzz_one_in(s, 20))
		r->driver[0] = htole16(fuzz_one_in(s, 2) ? fuzz_below(s, 4) : fuzz_rnd(s));
	if (r->packed && fuzz_one_in(s, 20))
		r->driver[1] = htole16(fuzz_one_in(s, 2) ? fuzz_below(s, 4) : fuzz_rnd(s));
	if (!r->packed && fuzz_one_in(s, 20))
		r->driver[2 + r->num] = htole16(fuzz_rnd(s));
}

static uint16_t used_idx(const struct hring *r)
{
	return le16toh(__atomic_load_n(&r->device[1], __ATOMIC_ACQUIRE));
}

/* Is there room for another chain? A device that finds more than fits stops at once. */
static bool has_room(const struct hring *r)
{
	const struct packed_desc *p = (struct packed_desc *)r->desc + r->next;
	uint16_t flags;

	if (!r->packed)
		return (uint16_t)(r->next - used_idx(r)) < r->num;
	flags = le16toh(__atomic_load_n(&p->flags, __ATOMIC_ACQUIRE));
	return !(flags & PACKED_AVAIL) == !(flags & PACKED_USED);
}

void hostile_write(struct hostile *h, uint64_t *s)
{
	struct hring *r = &h->ring[fuzz_below(s, 2)];
	bool wild = fuzz_one_in(s, 12), flood = fuzz_one_in(s, 200);
	unsigned int n = 1 + fuzz_below(s, 32);
	uint64_t one = 1;

	while (n-- && (flood || has_room(r))) {
		bool in = (r == &h->ring[VDRV_RX]) != fuzz_one_in(s, 100);
		struct vring_desc d = some_desc(h, s, r->num, in, wild);

		/* Nearly all else breaks the ring, and to begin anew takes a disk long. */
		if (h->kind != FUZZ_NET && !fuzz_one_in(s, 400))
			some_request(h, s, r, &d);
		else if (d.flags & htole16(VRING_DESC_F_INDIRECT))
			some_table(h, s, &d, in, wild);
		else if (!in)
			some_header(h, s, le64toh(d.addr));
		if (r->packed)
			put_packed(r, s, &d);
		else
			put_split(r, s, &d);
	}
	put_events(r, s);
	if (!r->packed) {
		/* Sometimes catch up with a device that refused a jump. */
		if (fuzz_one_in(s, 50))
			r->next = used_idx(r) + 1;
		__atomic_store_n(&r->driver[1], htole16(r->next), __ATOMIC_RELEASE);
	}
	if (fuzz_one_in(s, 4) || write(r->kick, &one, sizeof(one)) < 0)
		return;
	if (vdrv_event_wait(r->err, 0)) {
		h->tally->errors++;
		hring_restart(h, r, s);
	}
}

static int ring_state(struct hostile *h, const struct hring *r, unsigned long cmd, uint32_t v)
{
	struct vhost_vring_state st = { .index = r->index, .num = v };

	return ioctl(h->fd, cmd, &st) ? -errno : 0;
}

static int ring_file(struct hostile *h, const struct hring *r, unsigned long cmd, int fd)
{
	struct vhost_vring_file f = { .index = r->index, .fd = fd };

	return ioctl(h->fd, cmd, &f) ? -errno : 0;
}

int hring_backend(struct hostile *h, const struct hring *r, int fd)
{
	switch (h->kind) {
	case FUZZ_BLK:
		return hblk_backend(h, r, fd);
	case FUZZ_SCSI:
		return hscsi_backend(h, fd >= 0);
	default:
		return ring_file(h, r, VHOST_NET_SET_BACKEND, fd);
	}
}

static int ring_set_base(struct hostile *h, const struct hring *r)
{
	uint32_t at = r->next | r->wrap << 15;

	return ring_state(h, r, VHOST_SET_VRING_BASE, r->packed ? at | at << 16 : r->next);
}

int hring_set_addr(struct hostile *h, const struct hring *r)
{
	struct vhost_vring_addr a = { .index = r->index };
	uint64_t at = r->index * HOSTILE_RING;

	if (h->features & VDRV_BIT(VHOST_F_LOG_ALL)) {
		a.flags = 1 << VHOST_VRING_F_LOG;
		a.log_guest_addr = VDRV_GPA + at + HOSTILE_DEVICE;
	}
	/* With a device IOTLB rings are addressed as the guest does. */
	at += h->features & VDRV_BIT(VIRTIO_F_ACCESS_PLATFORM) ? VDRV_GPA : (uintptr_t)h->mem.va;
	a.desc_user_addr = at;
	a.avail_user_addr = at + HOSTILE_DRIVER;
	a.used_user_addr = at + HOSTILE_DEVICE;
	return ioctl(h->fd, VHOST_SET_VRING_ADDR, &a) ? -errno : 0;
}

int hring_restart(struct hostile *h, struct hring *r, uint64_t *s)
{
	int ret;

	hring_backend(h, r, -1);
	if (!r->packed) {
		if (fuzz_one_in(s, 4))
			r->next = fuzz_rnd(s);
		if (fuzz_one_in(s, 2))
			r->device[1] = htole16(r->next);
	}
	ret = ring_set_base(h, r);
	if (!ret)
		ret = hring_set_addr(h, r);
	if (!ret)
		ret = hring_backend(h, r, h->backend[0]);
	return ret;
}

int hostile_set_mem(struct hostile *h)
{
	struct vdrv_dev dev = { .fd = h->fd };
	struct vhost_memory_region region = { VDRV_GPA, HOSTILE_MEM, (uintptr_t)h->mem.va, 0 };

	return vdrv_dev_set_regions(&dev, &region, 1);
}

/* All of memory where it is. A ring starts only when its translation is there; later ones are missed. */
static int translate(struct hostile *h)
{
	struct vhost_msg m = {
		.type = VHOST_IOTLB_MSG,
		.iotlb = { .type = VHOST_IOTLB_UPDATE, .iova = VDRV_GPA, .size = HOSTILE_MEM,
			   .uaddr = (uintptr_t)h->mem.va, .perm = VHOST_ACCESS_RW },
	};

	if (!(h->features & VDRV_BIT(VIRTIO_F_ACCESS_PLATFORM)))
		return 0;
	return write(h->fd, &m, sizeof(m)) == sizeof(m) ? 0 : -errno;
}

int hostile_setup(struct hostile *h)
{
	uint64_t log = (uintptr_t)h->mem.va + HOSTILE_MEM / 2;
	int ret, i;

	ret = ioctl(h->fd, VHOST_SET_OWNER) && errno != EBUSY ? -errno : 0;
	/* Into the middle of the data: the device may write there anyway. */
	if (!ret && h->features & VDRV_BIT(VHOST_F_LOG_ALL))
		ret = ioctl(h->fd, VHOST_SET_LOG_BASE, &log) ? -errno : 0;
	if (!ret)
		ret = ioctl(h->fd, VHOST_SET_FEATURES, &h->features) ? -errno : 0;
	if (!ret)
		ret = hostile_set_mem(h);
	if (!ret)
		ret = translate(h);
	/* All of them first: an endpoint comes and goes only while they can be reached. */
	for (i = 0; i < 2 && !ret; i++)
		ret = hring_set_addr(h, &h->ring[i]);
	for (i = 0; i < 2 && !ret; i++) {
		struct hring *r = &h->ring[i];

		/* A ring that runs keeps its size, one out of reach its back end. */
		ret = hring_backend(h, r, -1);
		if (!ret)
			ret = ring_state(h, r, VHOST_SET_VRING_NUM, r->num);
		if (!ret)
			ret = ring_set_base(h, r);
		if (!ret)
			ret = ring_file(h, r, VHOST_SET_VRING_KICK, r->kick);
		if (!ret)
			ret = ring_file(h, r, VHOST_SET_VRING_CALL, r->call);
		if (!ret)
			ret = ring_file(h, r, VHOST_SET_VRING_ERR, r->err);
		if (!ret)
			ret = hring_backend(h, r, h->backend[0]);
	}
	return ret;
}

int hostile_setup_faulty(struct hostile *h, bool faults)
{
	unsigned int tries = faults ? 1000 : 1;
	int ret;

	if (faults)
		fault_me(true);
	do
		ret = hostile_setup(h);
	while (ret && --tries);
	if (faults)
		fault_me(false);
	return ret;
}

uint64_t hostile_features(struct hostile *h, uint64_t *s)
{
	uint64_t f = h->offered & (RIG_FEATURES | VDRV_BIT(VIRTIO_RING_F_EVENT_IDX));

	if (fuzz_one_in(s, 3))
		f &= ~VDRV_BIT(VIRTIO_RING_F_EVENT_IDX);
	if (fuzz_one_in(s, 4))
		f &= ~VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF);
	if (fuzz_one_in(s, 8))
		f |= h->offered & VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR);
	if (fuzz_one_in(s, 2))
		f |= h->offered & VDRV_BIT(VIRTIO_F_RING_PACKED);
	if (fuzz_one_in(s, 3))
		f |= h->offered & IN_ORDER;
	if (fuzz_one_in(s, 6))
		f |= h->offered & VDRV_BIT(VHOST_F_LOG_ALL);
	if (fuzz_one_in(s, 8))
		f |= h->offered & VDRV_BIT(VIRTIO_F_ACCESS_PLATFORM);
	if (h->kind == FUZZ_SCSI && fuzz_one_in(s, 3))
		f |= h->offered & VDRV_BIT(VIRTIO_SCSI_F_T10_PI);
	return f;
}

static int open_taps(struct hostile *h, uint64_t *s)
{
	struct vdrv_tap_opt opt = { .mtu = fuzz_one_in(s, 2) ? 61000 : 0 };
	int ret = 0, i;

	if (!(h->features & VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR)))
		opt.hdr_len = vdrv_net_hdr_len(h->features);
	for (i = 0; i < 2 && !ret; i++) {
		ret = vdrv_tap_open(&h->tap[i], &opt);
		h->backend[i] = h->tap[i].fd;
	}
	if (ret)
		return ret;
	h->sock = vdrv_packet_open(h->tap[0].ifindex, VDRV_ETHERTYPE, false);
	return h->sock < 0 ? h->sock : 0;
}

static const char *const devices[] = { DTEST_DEVICE, BLK_DEVICE, SCSI_DEVICE };

int hostile_open(struct hostile *h, struct tally *tally, const char *backend, uint64_t *s)
{
	int ret, i;

	*h = (struct hostile){ .tally = tally, .kind = fuzz_device(backend), .sock = -1, .ring[1].index = 1 };
	h->fd = open(devices[h->kind], O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (h->fd < 0 || ioctl(h->fd, VHOST_GET_FEATURES, &h->offered))
		return -errno;
	h->features = hostile_features(h, s);
	if (h->kind == FUZZ_SCSI)
		hscsi_open(h, backend, s);
	ret = h->kind == FUZZ_BLK ? hblk_open(h, backend) : h->kind == FUZZ_NET ? open_taps(h, s) : 0;
	if (ret)
		return ret;
	for (i = 0; i < 2; i++) {
		struct hring *r = &h->ring[i];

		r->packed = h->features & VDRV_BIT(VIRTIO_F_RING_PACKED);
		r->num = r->packed ? 1 + fuzz_below(s, HOSTILE_NUM) : 1u << fuzz_below(s, 11);
		r->wrap = r->packed;
		r->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		r->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		r->err = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	ret = fuzz_mem_open(&h->mem, HOSTILE_MEM);
	for (i = 0; i < 2; i++) {
		h->ring[i].desc = h->mem.alias + h->ring[i].index * HOSTILE_RING;
		h->ring[i].driver = h->ring[i].desc + HOSTILE_DRIVER;
		h->ring[i].device = h->ring[i].desc + HOSTILE_DEVICE;
	}
	return ret;
}

void hostile_send(struct hostile *h, uint64_t *s)
{
	/* Of a type that nobody handles */
	static const unsigned char frame[61000] = "\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb6";
	unsigned int n = h->kind != FUZZ_NET ? 0 : 1 + fuzz_below(s, 16);

	while (n--) {
		size_t len = fuzz_one_in(s, 16) ? 60 + fuzz_below(s, sizeof(frame) - 60) :
			     60 + fuzz_below(s, 1455);

		if (send(h->sock, frame, len, MSG_DONTWAIT) < 0 && errno != EMSGSIZE)
			break;
	}
}

void hostile_count(struct hostile *h)
{
	struct vdrv_if_stats st;
	unsigned int i;

	if (h->kind == FUZZ_BLK)
		hblk_count(h);
	else if (h->kind == FUZZ_SCSI)
		hscsi_count(h);
	for (i = 0; i < 2 && h->kind == FUZZ_NET; i++)
		if (!vdrv_if_stats(h->tap[i].name, &st)) {
			h->tally->sent += st.rx_packets;
			h->tally->received += st.tx_packets;
		}
}

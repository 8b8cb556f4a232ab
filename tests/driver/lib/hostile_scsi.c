// SPDX-License-Identifier: GPL-2.0
/* What a hostile driver of /dev/vhost-scsi asks for, see hostile.h. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <linux/vhost_shunt.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/driver/lib/hostile.h"
#include "tests/driver/lib/scsi.h"

static int endpoint(struct hostile *h, unsigned long request)
{
	struct vhost_scsi_target t = { .vhost_tpgt = 1 };

	snprintf(t.vhost_wwpn, sizeof(t.vhost_wwpn), "%s", h->target);
	return ioctl(h->fd, request, &t) ? -errno : 0;
}

/* One for all queues. Its second ring is set up when the first one has it: that goes away once more then. */
int hscsi_backend(struct hostile *h, bool on)
{
	int ret = endpoint(h, on ? VHOST_SCSI_SET_ENDPOINT : VHOST_SCSI_CLEAR_ENDPOINT);

	return on && ret == -EEXIST ? 0 : ret;
}

void hscsi_open(struct hostile *h, const char *target, uint64_t *s)
{
	h->target = target;
	/* Two queues of requests, or another one and one of them */
	h->ring[0].index = fuzz_one_in(s, 3) ? fuzz_below(s, SCSI_REQUEST) : SCSI_REQUEST + 1;
	h->ring[1].index = SCSI_REQUEST;
}

void hscsi_count(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct vhost_shunt_vq_stats st = { .size = sizeof(st), .index = h->ring[i].index };

		if (ioctl(h->fd, VHOST_SHUNT_GET_VQ_STATS, &st))
			continue;
		h->tally->sent += st.kicks;
		h->tally->received += st.elements;
	}
}

/* Up to 32 bytes of a command: most of those that LIO's disks know, most of the time well formed */
static void some_cdb(uint64_t *s, uint8_t *cdb, uint32_t blocks)
{
	static const uint8_t ops[] = {
		0x28, 0x2a, 0x88, 0x8a, 0x28, 0x2a, 0x88, 0x8a, 0x08, 0x0a, 0xa8, 0xaa, /* READ, WRITE */
		0x00, 0x03, 0x12, 0x1a, 0x5a, 0x25, 0x9e, 0xa0, 0xa3, /* what a LUN says of itself */
		0x2f, 0x35, 0x91, 0x41, 0x93, 0x42, 0x89, 0x53, 0x7f, 0x2e, 0x8e, 0x3b, 0x15, 0x55,
	};
	uint32_t lba = fuzz_one_in(s, 12) ? fuzz_number(s) : fuzz_below(s, 16384);
	unsigned int i;

	for (i = 0; i < 32; i++)
		cdb[i] = fuzz_one_in(s, 20) ? fuzz_rnd(s) : 0;
	cdb[0] = fuzz_one_in(s, 20) ? fuzz_rnd(s) : ops[fuzz_below(s, ARRAY_SIZE(ops))];
	lba = htobe32(lba);
	blocks = htobe32(fuzz_one_in(s, 12) ? fuzz_number(s) : blocks);
	switch (cdb[0] >> 5) {
	case 4:		/* 16 bytes */
		memcpy(cdb + 6, &lba, 4);
		memcpy(cdb + 10, &blocks, 4);
		break;
	case 5:		/* 12 */
		memcpy(cdb + 2, &lba, 4);
		memcpy(cdb + 6, &blocks, 4);
		break;
	case 0:		/* 6 */
		memcpy(cdb + 2, (char *)&lba + 2, 2);
		cdb[4] = be32toh(blocks);
		break;
	default:
		memcpy(cdb + 2, &lba, 4);
		memcpy(cdb + 7, (char *)&blocks + 2, 2);
	}
}

static void some_lun(uint64_t *s, uint8_t *lun)
{
	scsi_lun(lun, fuzz_one_in(s, 20) ? fuzz_rnd(s) : SCSI_TARGET, fuzz_one_in(s, 20) ? fuzz_rnd(s) : 0);
	if (fuzz_one_in(s, 40))
		lun[fuzz_below(s, 8)] = fuzz_rnd(s);
}

/* A request of any of the control queue's kinds; its length */
static uint32_t some_control(uint64_t *s, void *to)
{
	static const uint32_t types[] = { VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_AN_QUERY,
					  VIRTIO_SCSI_T_AN_SUBSCRIBE };
	uint32_t type = fuzz_one_in(s, 12) ? fuzz_number(s) : types[fuzz_below(s, ARRAY_SIZE(types))];
	struct virtio_scsi_ctrl_tmf_req tmf = { .type = htole32(type) };
	struct virtio_scsi_ctrl_an_req an = { .type = htole32(type), .event_requested = fuzz_rnd(s) };

	tmf.subtype = htole32(fuzz_one_in(s, 12) ? fuzz_number(s) : fuzz_below(s, 9));
	tmf.tag = fuzz_below(s, 64);
	some_lun(s, tmf.lun);
	some_lun(s, an.lun);
	if (type == VIRTIO_SCSI_T_TMF)
		memcpy(to, &tmf, sizeof(tmf));
	else
		memcpy(to, &an, sizeof(an));
	return type == VIRTIO_SCSI_T_TMF ? sizeof(tmf) : sizeof(an);
}

/* A command and what it says of its data; its length */
static uint32_t some_command(struct hostile *h, uint64_t *s, void *to, uint32_t out, uint32_t in)
{
	bool pi = h->features & VDRV_BIT(VIRTIO_SCSI_F_T10_PI);
	struct virtio_scsi_cmd_req_pi c = { .tag = fuzz_below(s, 64), .task_attr = fuzz_below(s, 5) };

	some_lun(s, c.lun);
	some_cdb(s, c.cdb, (out + in) / SCSI_BLOCK);
	if (pi) {
		c.pi_bytesout = htole32(fuzz_one_in(s, 4) ? fuzz_number(s) : fuzz_below(s, out + 1));
		c.pi_bytesin = htole32(fuzz_one_in(s, 4) ? fuzz_number(s) : fuzz_below(s, in + 1));
		memcpy(to, &c, sizeof(c));
		return sizeof(c);
	}
	memcpy(to, &c, offsetof(struct virtio_scsi_cmd_req_pi, pi_bytesout));
	memcpy(to + offsetof(struct virtio_scsi_cmd_req, cdb), c.cdb, sizeof(c.cdb));
	return sizeof(struct virtio_scsi_cmd_req);
}

unsigned int hscsi_table(struct hostile *h, uint64_t *s, const struct hring *r, struct vring_desc *table,
			 unsigned int max)
{
	unsigned int n = 0, pieces = 1 + fuzz_below(s, 8), i;
	bool in = fuzz_one_in(s, 2), event = r->index == SCSI_EVENT;
	uint32_t len[HOSTILE_TABLE], total = 0, hdr;
	struct vring_desc resp;

	if (r->index != SCSI_REQUEST && r->index != SCSI_REQUEST + 1)
		pieces = 0;
	for (i = 0; i < pieces && i + 3 < max; i++) {
		len[i] = fuzz_one_in(s, 8) ? fuzz_below(s, 70000) : 512u << fuzz_below(s, 6);
		total += len[i];
	}
	pieces = i;
	if (!event || fuzz_one_in(s, 200)) {
		table[n] = hostile_piece(h, s, 256, false);
		hdr = r->index == SCSI_CTRL ? some_control(s, hostile_at(h, &table[n])) :
			some_command(h, s, hostile_at(h, &table[n]), in ? 0 : total, in ? total : 0);
		/* What is too short breaks the ring, as in many other cases. */
		table[n++].len = htole32(fuzz_one_in(s, 200) ? fuzz_below(s, 200) : hdr);
	}
	resp = hostile_piece(h, s, fuzz_one_in(s, 200) ? fuzz_below(s, 300) :
			     r->index == SCSI_CTRL ? 5 : event ? 16 : SCSI_RESP, true);
	for (i = 0; i < pieces && !in; i++)
		table[n++] = hostile_piece(h, s, len[i], false);
	if (!fuzz_one_in(s, 400))
		table[n++] = resp;
	for (i = 0; i < pieces && in; i++)
		table[n++] = hostile_piece(h, s, len[i], true);
	for (i = 0; i < n; i++)
		table[i].next = htole16(i + 1);
	if (n)
		table[n - 1].flags &= htole16(~VRING_DESC_F_NEXT);
	return n;
}

// SPDX-License-Identifier: GPL-2.0
/* shunt-bench: reads and writes of a LUN, through /dev/vhost-scsi or of a vhost-user back end. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_scsi.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "shunt-bench-req.h"

/* All LUNs have these. */
#define BLOCK	512

static void cdb_init(struct virtio_scsi_cmd_req *req, const struct bench_opt *o, uint8_t opcode)
{
	*req = (struct virtio_scsi_cmd_req){ .cdb[0] = opcode };
	/* A portal group is a target. */
	req->lun[0] = 1;
	req->lun[1] = o->tpgt;
	req->lun[2] = 0x40 | o->lun >> 8;
	req->lun[3] = o->lun;
}

/* READ (16) and WRITE (16) */
static void prepare(const struct bench_opt *o, void *hdr)
{
	struct virtio_scsi_cmd_req *req = hdr;
	uint32_t n = htobe32(o->block / BLOCK);

	cdb_init(req, o, o->write ? 0x8a : 0x88);
	memcpy(&req->cdb[10], &n, sizeof(n));
}

static void place(void *hdr, uint64_t at)
{
	struct virtio_scsi_cmd_req *req = hdr;
	uint64_t lba = htobe64(at / BLOCK);

	memcpy(&req->cdb[2], &lba, sizeof(lba));
	req->tag++;
}

static bool good(const void *resp)
{
	const struct virtio_scsi_cmd_resp *r = resp;

	return r->response == VIRTIO_SCSI_S_OK && !r->status;
}

/* READ CAPACITY (16), in the place of the first slot's request. Return: 0; -EAGAIN for another status than good */
static int read_capacity(struct req_bench *b)
{
	struct virtio_scsi_cmd_req *req = vdrv_mem_va(&b->mem, b->slot[0].hdr_gpa);
	const struct vdrv_buf buf[] = {
		{ b->slot[0].hdr_gpa, sizeof(*req), false },
		{ b->slot[0].resp_gpa, sizeof(struct virtio_scsi_cmd_resp), true },
		{ b->slot[0].data_gpa, 32, true },
	};
	uint64_t end = bench_clock_ns(CLOCK_MONOTONIC) + 5000000000ULL, last;
	void *answer = vdrv_mem_va(&b->mem, b->slot[0].data_gpa);
	char written[32];
	uint32_t size;
	int ret;

	cdb_init(req, b->o, 0x9e);
	req->cdb[1] = 0x10;
	req->cdb[13] = 32;
	/* It comes to where the data are that are to be written later. */
	memcpy(written, answer, sizeof(written));
	ret = vdrv_vq_add(&b->vq[0], buf, 3, 0);
	if (ret)
		return ret;
	vdrv_vq_kick_always(&b->vq[0]);
	while (!(ret = vdrv_vq_get(&b->vq[0], &size, NULL)))
		if (bench_clock_ns(CLOCK_MONOTONIC) > end)
			return -ETIMEDOUT;
		else
			sched_yield();
	if (ret < 0)
		return ret;
	if (!good(vdrv_mem_va(&b->mem, b->slot[0].resp_gpa)))
		return -EAGAIN;
	memcpy(&last, answer, sizeof(last));
	memcpy(&size, answer + 8, sizeof(size));
	memcpy(answer, written, sizeof(written));
	b->io.blocks = be32toh(size) == BLOCK ? (be64toh(last) + 1) * BLOCK / b->o->block : 0;
	prepare(b->o, req);
	return b->io.blocks ? 0 : -EINVAL;
}

/* A new initiator hears once of a unit attention. */
static int capacity(struct req_bench *b)
{
	int ret = read_capacity(b);

	if (ret == -EAGAIN)
		ret = read_capacity(b);
	b->what = "capacity of the LUN, with blocks of 512 bytes";
	return ret == -EAGAIN ? -ENXIO : ret;
}

static int backend(struct req_bench *b)
{
	struct vhost_scsi_target t = { .vhost_tpgt = b->o->tpgt };

	if (b->dev.user)
		return capacity(b);
	b->what = b->o->wwpn;
	snprintf(t.vhost_wwpn, sizeof(t.vhost_wwpn), "%s", b->o->wwpn);
	if (ioctl(b->dev.fd, VHOST_SCSI_SET_ENDPOINT, &t))
		return -errno;
	return capacity(b);
}

int bench_scsi(const struct bench_opt *o, struct bench_result *r, const char **what)
{
	static const struct req_kind scsi = {
		.others = 2,
		.hdr_len = sizeof(struct virtio_scsi_cmd_req),
		.resp_len = sizeof(struct virtio_scsi_cmd_resp),
		.resp_first = true,
		.prepare = prepare,
		.place = place,
		.good = good,
		.backend = backend,
	};

	return bench_requests(o, &scsi, r, what);
}

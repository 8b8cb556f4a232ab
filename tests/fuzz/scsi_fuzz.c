// SPDX-License-Identifier: GPL-2.0
/*
 * Commands of shunt-scsi (libFuzzer), without a queue: any CDB, with any parameter list and any room for an answer, to
 * any address. A command is refused, answered within its memory and the driver's, or leaves an operation within
 * the disk.
 *
 * The input is a list of commands: an address, lengths, a CDB, a list.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vhost-user/scsi_cmd.h"

#define PATH	"/dev/shm/scsi-fuzz"

static struct scsi scsi;
static struct vu_queue *device_queues[1];

static void add(unsigned int lun, bool cd, bool rdonly, uint32_t block)
{
	struct scsi_lun_opts o = {
		.disk = { .option = "--lun", .path = PATH, .rdonly = true },
		.target = 1, .lun = lun, .cd = cd, .block = block,
	};
	struct scsi_lun *l;

	if (scsi_lun_add(&scsi, &o))
		abort();
	l = scsi_find(&scsi, 1, lun);
	/* As if it could all be written to */
	l->rdonly = cd || rdonly;
	l->disk.discards = !l->rdonly;
	l->disk.hole_zero = block == 512;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	(void)argc;
	(void)argv;
	if (fd < 0 || ftruncate(fd, 1 << 20))
		abort();
	close(fd);
	if (scsi_open(&scsi, 0, device_queues))
		abort();
	add(0, false, false, 512);
	add(1, false, true, 512);
	add(2, true, true, 0);
	add(300, false, false, 4096);
	unlink(PATH);
	return 0;
}

static bool within(const struct scsi_lun *l, uint64_t at, uint64_t len)
{
	uint64_t size = l->blocks * l->block;

	return len && at <= size && len <= size - at && !((at | len) % l->block);
}

static bool is_sane(const struct scsi_cmd *c)
{
	const struct scsi_lun *l = c->addr.lun;
	uint32_t i;

	switch (c->op) {
	case SCSI_NONE:
		return c->len <= SCSI_IN_MAX && c->len <= c->in_len;
	case SCSI_READ:
		return within(l, c->at, c->len) && c->len <= c->in_len && c->len <= DISK_LEN_MAX;
	case SCSI_WRITE:
		return within(l, c->at, c->len) && c->len <= c->out_len && c->len <= DISK_LEN_MAX && !l->rdonly;
	case SCSI_COMPARE:
		return within(l, c->at, c->len) && c->len <= c->out_len && c->len <= DISK_LEN_MAX;
	case SCSI_VERIFY:
		return within(l, c->at, c->len);
	case SCSI_SAME:
		return within(l, c->at, c->len) && (!c->out_len || c->out_len >= l->block) && !l->rdonly;
	case SCSI_RANGES:
		for (i = 0; i < c->nr_ranges; i++)
			if (!within(l, c->room->range[i].at, c->room->range[i].len))
				return false;
		return c->nr_ranges && c->nr_ranges <= SCSI_RANGES_MAX && !l->rdonly;
	default:
		return c->op == SCSI_FLUSH && l;
	}
}

/* Heap, for ASan to see each byte too many; a list that is shorter than it says ends with what there is. */
static void run(const uint8_t lun[8], uint32_t out_len, uint32_t in_len, const uint8_t *cdb, const uint8_t *list,
		size_t list_len)
{
	static struct scsi_room room;
	struct scsi_cmd c = { .s = &scsi, .cdb_len = SCSI_CDB_LEN, .out_len = out_len, .in_len = in_len, .room = &room };
	uint8_t *copy = malloc(SCSI_CDB_LEN);
	size_t n;

	if (!copy)
		abort();
	c.cdb = memcpy(copy, cdb, SCSI_CDB_LEN);
	n = scsi_cmd_param(&c);
	memset(room.param, 0, sizeof(room.param));
	n = n < list_len ? n : list_len;
	memcpy(room.param, list, n < SCSI_PARAM_MAX ? n : SCSI_PARAM_MAX);
	if (scsi_address(&scsi, lun, &c.addr)) {
		scsi_cmd_run(&c);
		if (!c.sense && !c.overrun && !is_sane(&c))
			abort();
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Address and what may lie in its bytes; lengths in units of 16 */
	struct {
		uint8_t lun, odd, out, in, list;
		uint8_t cdb[SCSI_CDB_LEN];
	} h;

	scsi_reset(&scsi);
	while (size >= sizeof(h)) {
		static const uint8_t luns[4][2] = { { 0x40, 0 }, { 0, 1 }, { 0x40, 2 }, { 0x41, 0x2c } };
		uint8_t lun[8] = { 1, 1 };
		size_t n;

		memcpy(&h, data, sizeof(h));
		data += sizeof(h);
		size -= sizeof(h);
		memcpy(lun + 2, luns[h.lun % 4], 2);
		if (h.odd & 0x80)
			lun[h.odd % 8] ^= h.lun;
		n = h.list * 4U < size ? h.list * 4U : size;
		run(lun, h.out * (h.odd & 0x40 ? 4096U : 4), h.in * (h.odd & 0x20 ? 4096U : 4), h.cdb, data, n);
		data += n;
		size -= n;
	}
	return 0;
}

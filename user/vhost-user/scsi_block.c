// SPDX-License-Identifier: GPL-2.0
/* Commands on blocks (SBC-3, 5). */
#define _GNU_SOURCE
#include "scsi_cmd.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>

uint32_t scsi_read_capacity(struct scsi_cmd *c)
{
	const struct scsi_lun *l = c->addr.lun;
	uint64_t last = scsi_blocks(l) - 1;

	/* Without PMI, no block is asked about. */
	if (get_be32(c->cdb + 2) || c->cdb[8] & 1)
		return SENSE_CDB;
	put_be32(c->room->in, last < UINT32_MAX ? (uint32_t)last : UINT32_MAX);
	put_be32(c->room->in + 4, l->block);
	return scsi_answer(c, 8, 8);
}

/* Of those there are, we have READ CAPACITY (16). */
uint32_t scsi_service_action_in(struct scsi_cmd *c)
{
	const struct scsi_lun *l = c->addr.lun;
	uint8_t *in = c->room->in;

	if ((c->cdb[1] & 0x1f) != 0x10 || l->cd)
		return SENSE_CDB;
	if (get_be64(c->cdb + 2) || c->cdb[14] & 1)
		return SENSE_CDB;
	memset(in, 0, 32);
	put_be64(in, scsi_blocks(l) - 1);
	put_be32(in + 8, l->block);
	if (l->disk.physical > l->block)
		in[13] = (uint8_t)__builtin_ctz(l->disk.physical / l->block);
	if (l->disk.discards)
		in[14] = 0x80 | (l->disk.hole_zero ? 0x40 : 0);
	return scsi_answer(c, 32, get_be32(c->cdb + 10));
}

/* Where blocks and their number stand in a CDB depends on how long it is, which its first three bits say. */
static void cdb_range(const uint8_t *cdb, uint64_t *lba, uint32_t *nr)
{
	switch (cdb[0] >> 5) {
	case 0:
		*lba = get_be24(cdb + 1) & 0x1fffff;
		*nr = cdb[4] ?: 256;
		break;
	case 4:
		*lba = get_be64(cdb + 2);
		*nr = get_be32(cdb + 10);
		break;
	case 5:
		*lba = get_be32(cdb + 2);
		*nr = get_be32(cdb + 6);
		break;
	default:
		*lba = get_be32(cdb + 2);
		*nr = get_be16(cdb + 7);
	}
}

/* Blocks that the disk has, as bytes of it. Return: 0 or SENSE() */
static uint32_t range_of(const struct scsi_lun *l, uint64_t lba, uint64_t nr, struct scsi_range *r)
{
	uint64_t blocks = scsi_blocks(l);

	if (lba > blocks || nr > blocks - lba)
		return SENSE_LBA;
	r->at = lba * l->block;
	r->len = nr * l->block;
	return 0;
}

/* The range of the CDB, which is to be at most @max bytes */
static uint32_t cmd_range(struct scsi_cmd *c, uint32_t max)
{
	struct scsi_range r;
	uint64_t lba;
	uint32_t nr, sense;

	cdb_range(c->cdb, &lba, &nr);
	sense = range_of(c->addr.lun, lba, nr, &r);
	if (!sense && r.len > max)
		sense = SENSE_CDB;
	if (sense)
		return sense;
	c->at = r.at;
	c->len = (uint32_t)r.len;
	return 0;
}

/* Protection information is not kept: but for the shortest CDBs, three bits ask for it. */
static bool wants_protection(const struct scsi_cmd *c)
{
	return c->cdb[0] >> 5 && c->cdb[1] & 0xe0;
}

uint32_t scsi_read(struct scsi_cmd *c)
{
	uint32_t sense = wants_protection(c) ? SENSE_CDB : cmd_range(c, DISK_LEN_MAX);

	if (!sense && c->len)
		c->op = SCSI_READ;
	return sense;
}

uint32_t scsi_write(struct scsi_cmd *c)
{
	uint32_t sense = wants_protection(c) ? SENSE_CDB : cmd_range(c, DISK_LEN_MAX);
	bool fua = c->cdb[0] >> 5 && c->cdb[1] & 8;

	if (sense || !c->len)
		return sense;
	c->op = SCSI_WRITE;
	c->sync = fua || !__atomic_load_n(&c->addr.lun->wce, __ATOMIC_RELAXED);
	return 0;
}

uint32_t scsi_verify(struct scsi_cmd *c)
{
	unsigned int check = c->cdb[1] >> 1 & 3;
	uint32_t sense = wants_protection(c) || check > 1 ? SENSE_CDB : cmd_range(c, DISK_RANGE_MAX);

	if (!sense && check && c->len > SCSI_COMPARE_MAX)
		sense = SENSE_CDB;
	if (!sense && c->len)
		c->op = check ? SCSI_COMPARE : SCSI_VERIFY;
	return sense;
}

uint32_t scsi_synchronize_cache(struct scsi_cmd *c)
{
	struct scsi_range r;
	uint64_t lba;
	uint32_t nr, sense;

	cdb_range(c->cdb, &lba, &nr);
	sense = range_of(c->addr.lun, lba, nr, &r);
	/* All of it, whatever range: there is no operation for less. */
	if (!sense)
		c->op = SCSI_FLUSH;
	return sense;
}

static int discard_mode(const struct scsi_lun *l, bool zeroes)
{
	return FALLOC_FL_KEEP_SIZE | (!zeroes || l->disk.hole_zero ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
}

/*
 * Zeroes are a range to be filled, where the file can do that; then, with UNMAP, a hole if that reads as zeroes.
 * Other blocks are written one after the other.
 */
uint32_t scsi_write_same(struct scsi_cmd *c)
{
	const struct scsi_lun *l = c->addr.lun;
	bool unmap = c->cdb[1] & 8, none = c->cdb[0] == 0x93 && c->cdb[1] & 1;
	uint32_t sense;

	/* ANCHOR is not for what has no anchors. */
	if (wants_protection(c) || c->cdb[1] & 0x10 || (unmap && !l->disk.discards))
		return SENSE_CDB;
	sense = cmd_range(c, DISK_RANGE_MAX);
	if (sense)
		return sense;
	/* See page B0h. */
	if (!c->len)
		return SENSE_CDB;
	if (!none && c->out_len < l->block) {
		c->overrun = true;
		return 0;
	}
	c->op = SCSI_SAME;
	c->sync = !__atomic_load_n(&l->wce, __ATOMIC_RELAXED);
	c->mode = unmap ? discard_mode(l, true) : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
	if (none)
		c->out_len = 0;
	return 0;
}

/* All ranges are good, or nothing is done. */
uint32_t scsi_unmap(struct scsi_cmd *c)
{
	const struct scsi_lun *l = c->addr.lun;
	const uint8_t *p = c->room->param;
	uint32_t list = scsi_cmd_param(c), i, n, sense;

	if (!l->disk.discards)
		return SENSE_OPCODE;
	if (c->cdb[1] & 1)
		return SENSE_CDB;
	if (!list)
		return 0;
	if (list < 8)
		return SENSE_LIST_LENGTH;
	n = get_be16(p + 2) < list - 8 ? get_be16(p + 2) / 16 : (list - 8) / 16;
	if (n > SCSI_RANGES_MAX)
		return SENSE_LIST;
	for (i = 0; i < n; i++) {
		struct scsi_range *r = &c->room->range[c->nr_ranges];

		sense = range_of(l, get_be64(p + 8 + 16 * i), get_be32(p + 16 + 16 * i), r);
		if (!sense && r->len > DISK_RANGE_MAX)
			sense = SENSE_LIST;
		if (sense)
			return sense;
		c->nr_ranges += !!r->len;
	}
	c->mode = discard_mode(l, false);
	if (c->nr_ranges)
		c->op = SCSI_RANGES;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/* Commands: the table, and those that say something of all logical units, see scsi_cmd.h. */
#include "scsi_cmd.h"

#include <string.h>

uint32_t scsi_answer(struct scsi_cmd *c, uint32_t len, uint32_t alloc)
{
	c->len = len < alloc ? len : alloc;
	return 0;
}

void scsi_sense(uint8_t buf[SCSI_SENSE_LEN], uint32_t sense)
{
	memset(buf, 0, SCSI_SENSE_LEN);
	buf[0] = 0x70;
	buf[2] = (uint8_t)(sense >> 16);
	buf[7] = SCSI_SENSE_LEN - 8;
	put_be16(buf + 12, sense);
}

static uint32_t test_unit_ready(struct scsi_cmd *c)
{
	(void)c;
	return 0;
}

/* What there is to hear of is told, and forgotten. */
static uint32_t request_sense(struct scsi_cmd *c)
{
	struct scsi_lun *l = c->addr.lun;
	uint32_t sense = 0, attention;

	if (c->cdb[1] & 1)
		return SENSE_CDB;
	if (!l) {
		sense = c->addr.well_known ? 0 : SENSE_NO_LUN;
	} else {
		attention = __atomic_exchange_n(&l->attention, 0, __ATOMIC_RELAXED);
		if (attention)
			sense = 6 << 16 | attention;
		else if (__atomic_load_n(&l->ejected, __ATOMIC_RELAXED))
			sense = SENSE_NO_MEDIUM;
	}
	scsi_sense(c->room->in, sense);
	return scsi_answer(c, SCSI_SENSE_LEN, c->cdb[4]);
}

/*
 * Logical units of the target. That which the whole device has tells of those of all targets, in the way in which
 * requests address them.
 */
static uint32_t report_luns(struct scsi_cmd *c)
{
	const struct scsi_luns *luns = scsi_luns(c->s);
	uint8_t *in = c->room->in, *p = in + 8;
	unsigned int what = c->cdb[2], i;
	int target = c->addr.target;

	if (what > 2)
		return SENSE_CDB;
	memset(in, 0, 8 + 8 * (SCSI_LUNS_MAX + 1));
	for (i = 0; i < luns->nr && what != 1; i++) {
		const struct scsi_lun *l = luns->lun[i];

		if (target >= 0 && l->target != (unsigned int)target)
			continue;
		if (target < 0) {
			scsi_address_of(l, p);
		} else {
			put_be16(p, scsi_lun_code(l));
		}
		p += 8;
	}
	if (what) {
		put_be16(p, 0xc101);
		p += 8;
	}
	put_be32(in, (uint32_t)(p - in - 8));
	return scsi_answer(c, (uint32_t)(p - in), get_be32(c->cdb + 6));
}

enum {
	/* Which logical units have it; ANY: even where there is none */
	DISK = 1, CD = 2, BOTH = DISK | CD, ANY = 4 | BOTH,
	/* It is served though there is a unit attention to tell; or though the medium is out */
	CALM = 8, EMPTY = 16,
	/* It changes what is on the disk. */
	WRITES = 32,
};

/*
 * @len: bytes of its CDB
 * @flags: of those above
 * @run: what it does; NULL: there is no such command
 * @param: where its CDB says how long its parameter list is: an offset, and the bytes there
 */
static const struct command {
	uint8_t len;
	uint8_t flags;
	uint32_t (*run)(struct scsi_cmd *c);
	struct {
		uint8_t at, len;
	} param;
} commands[256] = {
#define CMD(_opcode, _len, _flags, _run, ...) \
	[_opcode] = { .len = _len, .flags = _flags, .run = _run, __VA_ARGS__ }
	CMD(0x00, 6, BOTH, test_unit_ready),
	CMD(0x03, 6, ANY | CALM | EMPTY, request_sense),
	CMD(0x08, 6, DISK, scsi_read),
	CMD(0x0a, 6, DISK | WRITES, scsi_write),
	CMD(0x12, 6, ANY | CALM | EMPTY, scsi_inquiry),
	CMD(0x15, 6, BOTH | EMPTY, scsi_mode_select, .param = { 4, 1 }),
	CMD(0x1a, 6, BOTH | EMPTY, scsi_mode_sense),
	CMD(0x1b, 6, BOTH | EMPTY, scsi_start_stop),
	CMD(0x1e, 6, CD | EMPTY, scsi_prevent_allow),
	CMD(0x25, 10, BOTH, scsi_read_capacity),
	CMD(0x28, 10, BOTH, scsi_read),
	CMD(0x2a, 10, DISK | WRITES, scsi_write),
	CMD(0x2f, 10, BOTH, scsi_verify),
	CMD(0x35, 10, DISK, scsi_synchronize_cache),
	CMD(0x41, 10, DISK | WRITES, scsi_write_same),
	CMD(0x42, 10, DISK | WRITES, scsi_unmap, .param = { 7, 2 }),
	CMD(0x43, 10, CD, scsi_read_toc),
	CMD(0x46, 10, CD | CALM | EMPTY, scsi_get_configuration),
	CMD(0x4a, 10, CD | CALM | EMPTY, scsi_get_event_status),
	CMD(0x51, 10, CD, scsi_read_disc_information),
	CMD(0x55, 10, BOTH | EMPTY, scsi_mode_select, .param = { 7, 2 }),
	CMD(0x5a, 10, BOTH | EMPTY, scsi_mode_sense),
	CMD(0x88, 16, BOTH, scsi_read),
	CMD(0x8a, 16, DISK | WRITES, scsi_write),
	CMD(0x8f, 16, BOTH, scsi_verify),
	CMD(0x91, 16, DISK, scsi_synchronize_cache),
	CMD(0x93, 16, DISK | WRITES, scsi_write_same),
	CMD(0x9e, 16, BOTH, scsi_service_action_in),
	CMD(0xa0, 12, ANY | CALM | EMPTY, report_luns),
	CMD(0xa8, 12, BOTH, scsi_read),
	CMD(0xaa, 12, DISK | WRITES, scsi_write),
	CMD(0xaf, 12, BOTH, scsi_verify),
	CMD(0xbd, 12, CD | EMPTY, scsi_mechanism_status),
#undef CMD
};

uint32_t scsi_cmd_param(const struct scsi_cmd *c)
{
	const struct command *t = &commands[c->cdb[0]];
	const uint8_t *at = c->cdb + t->param.at;

	return t->param.len < 2 ? t->param.len * *at : get_be16(at);
}

/* What keeps this command from this logical unit, before what it says is looked at. */
static uint32_t refusal(const struct scsi_cmd *c, const struct command *t)
{
	struct scsi_lun *l = c->addr.lun;
	uint32_t attention = 0;

	/* Of the others, the well known one has TEST UNIT READY. */
	if (!l)
		return t->flags & 4 || (c->addr.well_known && t->run == test_unit_ready) ? 0 :
		       c->addr.well_known ? SENSE_OPCODE : SENSE_NO_LUN;
	if (!(t->flags & CALM) && __atomic_load_n(&l->attention, __ATOMIC_RELAXED))
		attention = __atomic_exchange_n(&l->attention, 0, __ATOMIC_RELAXED);
	if (attention)
		return 6 << 16 | attention;
	if (!(t->flags & (l->cd ? CD : DISK)))
		return SENSE_OPCODE;
	if (!(t->flags & EMPTY) && __atomic_load_n(&l->ejected, __ATOMIC_RELAXED))
		return SENSE_NO_MEDIUM;
	return t->flags & WRITES && l->rdonly ? SENSE_PROTECTED : 0;
}

/* What the driver has to have for it */
static bool is_overrun(const struct scsi_cmd *c)
{
	switch (c->op) {
	case SCSI_WRITE:
	case SCSI_COMPARE:
		return c->len > c->out_len;
	case SCSI_NONE:
	case SCSI_READ:
		return c->len > c->in_len;
	default:
		return c->overrun;
	}
}

void scsi_cmd_run(struct scsi_cmd *c)
{
	const struct command *t = &commands[c->cdb[0]];

	c->sense = t->run ? refusal(c, t) : c->addr.lun || c->addr.well_known ? SENSE_OPCODE : SENSE_NO_LUN;
	if (c->sense)
		return;
	/* NACA, in the last byte, asks for what we do not have. */
	if (t->len > c->cdb_len || c->cdb[t->len - 1] & 4) {
		c->sense = SENSE_CDB;
		return;
	}
	if (scsi_cmd_param(c) > c->out_len) {
		c->overrun = true;
		return;
	}
	c->sense = t->run(c);
	if (!c->sense)
		c->overrun = c->overrun || is_overrun(c);
}

/* --- addresses --- */

static bool has_target(const struct scsi *s, unsigned int target)
{
	const struct scsi_luns *luns = scsi_luns(s);
	unsigned int i;

	for (i = 0; i < luns->nr; i++)
		if (luns->lun[i]->target == target)
			return true;
	return false;
}

struct scsi_lun *scsi_find(const struct scsi *s, unsigned int target, unsigned int lun)
{
	const struct scsi_luns *luns = scsi_luns(s);
	unsigned int from = 0, to = luns->nr;

	while (from < to) {
		unsigned int at = (from + to) / 2;
		struct scsi_lun *l = luns->lun[at];

		if (l->target == target && l->lun == lun)
			return l;
		if (l->target < target || (l->target == target && l->lun < lun))
			from = at + 1;
		else
			to = at;
	}
	return NULL;
}

/* virtio 1.2, 5.6.6.1 */
bool scsi_address(struct scsi *s, const uint8_t lun[8], struct scsi_addr *a)
{
	static const uint8_t none[4];
	uint32_t n = get_be16(lun + 2);

	*a = (struct scsi_addr){ .target = -1 };
	if (lun[0] == 0xc1 && lun[1] == 1) {
		a->well_known = true;
		return true;
	}
	if (lun[0] != 1)
		return false;
	a->target = lun[1];
	a->well_known = n == 0xc101;
	/* Flat, or a peripheral device's */
	if (!memcmp(lun + 4, none, sizeof(none)) && (n < 256 || n >> 14 == 1))
		a->lun = scsi_find(s, lun[1], n & SCSI_LUN_MAX);
	return a->lun || has_target(s, lun[1]);
}

void scsi_address_of(const struct scsi_lun *l, uint8_t lun[8])
{
	memset(lun, 0, 8);
	lun[0] = 1;
	lun[1] = (uint8_t)l->target;
	put_be16(lun + 2, 0x4000 | l->lun);
}

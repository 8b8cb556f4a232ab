// SPDX-License-Identifier: GPL-2.0
/* Media that come and go, and CD-ROMs (MMC-6): one session, one track of data. */
#include "scsi_cmd.h"

#include <string.h>

#define LEAD_OUT	0xaa
/* Frames of a second; before the first of data, two seconds */
#define FRAMES		75
#define PREGAP		(2 * FRAMES)
/* What fits no CD is a DVD. */
#define CD_BLOCKS	(80 * 60 * FRAMES)

enum { PROFILE_CD = 0x08, PROFILE_DVD = 0x10 };
enum { EVENT_NONE, EVENT_ASKED, EVENT_NEW, EVENT_REMOVED };

static bool is_ejected(const struct scsi_lun *l)
{
	return __atomic_load_n(&l->ejected, __ATOMIC_RELAXED);
}

void scsi_medium(struct scsi_lun *l, bool there)
{
	if (__atomic_exchange_n(&l->ejected, !there, __ATOMIC_RELAXED) == !there)
		return;
	__atomic_store_n(&l->event, there ? EVENT_NEW : EVENT_REMOVED, __ATOMIC_RELAXED);
	if (there)
		__atomic_store_n(&l->attention, ATTENTION_MEDIUM, __ATOMIC_RELAXED);
}

bool scsi_medium_asked(struct scsi_lun *l)
{
	if (is_ejected(l) || !__atomic_load_n(&l->locked, __ATOMIC_RELAXED))
		return true;
	__atomic_store_n(&l->event, EVENT_ASKED, __ATOMIC_RELAXED);
	return false;
}

/* A disk that is to stop is there all the same, when all is written. */
uint32_t scsi_start_stop(struct scsi_cmd *c)
{
	struct scsi_lun *l = c->addr.lun;
	bool start = c->cdb[4] & 1, eject = c->cdb[4] & 2;

	if (c->cdb[4] >> 4 || (eject && !l->cd))
		return SENSE_CDB;
	if (eject && !start && __atomic_load_n(&l->locked, __ATOMIC_RELAXED))
		return SENSE_LOCKED;
	/* What is not there cannot be loaded. */
	if (eject && start && l->disk.fd < 0)
		return SENSE_NO_MEDIUM;
	if (eject)
		scsi_medium(l, start);
	if (!start && !l->rdonly)
		c->op = SCSI_FLUSH;
	return 0;
}

uint32_t scsi_prevent_allow(struct scsi_cmd *c)
{
	__atomic_store_n(&c->addr.lun->locked, c->cdb[4] & 1, __ATOMIC_RELAXED);
	return 0;
}

static void put_address(uint8_t *p, uint64_t lba, bool msf)
{
	uint64_t frames = lba + PREGAP;

	if (!msf) {
		put_be32(p, (uint32_t)lba);
		return;
	}
	p[0] = 0;
	p[1] = (uint8_t)(frames / FRAMES / 60);
	p[2] = (uint8_t)(frames / FRAMES % 60);
	p[3] = frames % FRAMES;
}

static void put_track(uint8_t *p, uint8_t track, uint64_t lba, bool msf)
{
	memset(p, 0, 8);
	/* Data, copying is not allowed for */
	p[1] = 0x14;
	p[2] = track;
	put_address(p + 4, lba, msf);
}

uint32_t scsi_read_toc(struct scsi_cmd *c)
{
	const struct scsi_lun *l = c->addr.lun;
	unsigned int format = c->cdb[2] & 15, track = c->cdb[6];
	uint8_t *in = c->room->in;
	bool msf = c->cdb[1] & 2;
	uint32_t len = 4;

	/* Older drivers have it in the last byte. */
	if (!format)
		format = c->cdb[9] >> 6;
	if (format > 1 || (!format && track > 1 && track != LEAD_OUT))
		return SENSE_CDB;
	in[2] = 1;
	in[3] = 1;
	if (format || track <= 1) {
		put_track(in + len, 1, 0, msf);
		len += 8;
	}
	if (!format) {
		put_track(in + len, LEAD_OUT, scsi_blocks(l), msf);
		len += 8;
	}
	put_be16(in, len - 2);
	return scsi_answer(c, len, get_be16(c->cdb + 7));
}

/* @flags: always there (2), there now (1), version (<< 2) */
static const struct feature {
	uint16_t code;
	uint8_t flags;
	uint8_t len;
	uint8_t data[8];
} features[] = {
	/* Profiles */
	{ 0x0000, 3, 8, { 0, PROFILE_DVD, 0, 0, 0, PROFILE_CD, 0, 0 } },
	/* Core: SCSI */
	{ 0x0001, 3 | 2 << 2, 8, { 0, 0, 0, 1, 1 } },
	/* Morphing: events are polled for */
	{ 0x0002, 3 | 1 << 2, 4, { 2 } },
	/* Removable: it locks, ejects, loads; a tray */
	{ 0x0003, 3 | 2 << 2, 4, { 0x39 } },
	/* Random reads, of 2048 bytes, one block at a time */
	{ 0x0010, 1, 8, { 0, 0, 8, 0, 0, 1, 0, 0 } },
	{ 0x001e, 1 | 2 << 2, 4, { 0 } },
	{ 0x001f, 1, 4, { 0 } },
};

static uint8_t profile(const struct scsi_lun *l)
{
	if (is_ejected(l))
		return 0;
	return scsi_blocks(l) > CD_BLOCKS ? PROFILE_DVD : PROFILE_CD;
}

static bool is_current(const struct feature *f, uint8_t now)
{
	if (f->flags & 2)
		return true;
	return f->code == 0x001e ? now == PROFILE_CD : f->code == 0x001f ? now == PROFILE_DVD : now;
}

uint32_t scsi_get_configuration(struct scsi_cmd *c)
{
	unsigned int which = c->cdb[1] & 3, from = get_be16(c->cdb + 2), i;
	uint8_t *in = c->room->in, *p = in + 8, now = profile(c->addr.lun);

	if (which == 3)
		return SENSE_CDB;
	memset(in, 0, 8);
	in[7] = now;
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];
		bool current = is_current(f, now);

		if (f->code < from || (which == 1 && !current) || (which == 2 && f->code != from))
			continue;
		put_be16(p, f->code);
		p[2] = (uint8_t)((f->flags & ~1) | current);
		p[3] = f->len;
		memcpy(p + 4, f->data, f->len);
		if (!f->code) {
			p[6] = now == PROFILE_DVD;
			p[10] = now == PROFILE_CD;
		}
		p += 4 + f->len;
	}
	put_be32(in, (uint32_t)(p - in - 4));
	return scsi_answer(c, (uint32_t)(p - in), get_be16(c->cdb + 7));
}

uint32_t scsi_get_event_status(struct scsi_cmd *c)
{
	struct scsi_lun *l = c->addr.lun;
	uint8_t *in = c->room->in;
	uint32_t len = 8;

	/* We have none but the medium's, and tell of them when asked. */
	if (!(c->cdb[1] & 1))
		return SENSE_CDB;
	memset(in, 0, 8);
	in[2] = 4;
	in[3] = 1 << 4;
	if (c->cdb[4] & 1 << 4) {
		in[4] = __atomic_exchange_n(&l->event, EVENT_NONE, __ATOMIC_RELAXED);
		in[5] = is_ejected(l) ? 1 : 2;
	} else {
		in[2] = 0x80;
		len = 4;
	}
	put_be16(in, len - 2);
	return scsi_answer(c, len, get_be16(c->cdb + 7));
}

uint32_t scsi_read_disc_information(struct scsi_cmd *c)
{
	uint8_t *in = c->room->in;

	if (c->cdb[1] & 7)
		return SENSE_CDB;
	memset(in, 0, 34);
	put_be16(in, 32);
	/* Complete, as is its session; from track 1 to 1; for any use */
	in[2] = 0x0e;
	in[3] = 1;
	in[4] = 1;
	in[5] = 1;
	in[6] = 1;
	in[7] = 0x20;
	return scsi_answer(c, 34, get_be16(c->cdb + 7));
}

uint32_t scsi_mechanism_status(struct scsi_cmd *c)
{
	uint8_t *in = c->room->in;

	memset(in, 0, 8);
	in[1] = is_ejected(c->addr.lun) ? 0x10 : 0;
	return scsi_answer(c, 8, get_be16(c->cdb + 8));
}

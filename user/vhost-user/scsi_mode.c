// SPDX-License-Identifier: GPL-2.0
/*
 * Mode pages (SPC-4, 7.5; SBC-3, 6.4; MMC-6, 7). What a driver can change is whether there is a cache.
 */
#include "scsi_cmd.h"

#include <string.h>

enum { CURRENT, CHANGEABLE, DEFAULTS, SAVED };

#define PAGE_ALL	0x3f
#define WCE		4

/* Bytes behind the two of the header; only CHANGEABLE are bits that can be changed. */
static const struct page {
	uint8_t code;
	uint8_t len;
	bool disk, cd;
	uint8_t data[20];
} pages[] = {
	/* Read-write error recovery */
	{ 0x01, 10, true, true, { 0 } },
	/* Caching */
	{ 0x08, 18, true, false, { WCE } },
	/* Control: commands are reordered as it suits; sense data for all to see are none. */
	{ 0x0a, 10, true, true, { 0x02, 0x10 } },
	/* CD capabilities: it locks, ejects, and has a tray */
	{ 0x2a, 20, false, true, { 0x00, 0x00, 0x00, 0x00, 0x29 } },
};

static bool has_page(const struct scsi_lun *l, const struct page *p)
{
	return l->cd ? p->cd : p->disk;
}

static bool is_cached(const struct scsi_lun *l)
{
	return __atomic_load_n(&l->wce, __ATOMIC_RELAXED);
}

/* The page as it is. Return: bytes */
static uint32_t fill(const struct scsi_lun *l, const struct page *p, unsigned int which, uint8_t *to)
{
	to[0] = p->code;
	to[1] = p->len;
	if (which == CHANGEABLE) {
		memset(to + 2, 0, p->len);
		if (p->code == 0x08)
			to[2] = WCE;
		return 2U + p->len;
	}
	memcpy(to + 2, p->data, p->len);
	if (p->code == 0x08 && which == CURRENT && !is_cached(l))
		to[2] &= (uint8_t)~WCE;
	if (p->code == 0x2a && __atomic_load_n(&l->locked, __ATOMIC_RELAXED))
		to[6] |= 2;
	return 2U + p->len;
}

static uint32_t block_descriptor(const struct scsi_lun *l, uint8_t *to)
{
	uint64_t blocks = scsi_blocks(l);

	memset(to, 0, 8);
	put_be32(to, blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX);
	/* A byte of density, or of nothing, and three of length */
	put_be32(to + 4, l->block);
	return 8;
}

uint32_t scsi_mode_sense(struct scsi_cmd *c)
{
	bool ten = c->cdb[0] == 0x5a;
	const struct scsi_lun *l = c->addr.lun;
	unsigned int which = c->cdb[2] >> 6, code = c->cdb[2] & PAGE_ALL, i;
	uint8_t *in = c->room->in, flags;
	uint32_t hdr = ten ? 8 : 4, len = hdr, descriptor = 0, found = 0;

	if (which == SAVED)
		return SENSE_NOT_SAVED;
	if (c->cdb[3] && c->cdb[3] != 0xff)
		return SENSE_CDB;
	memset(in, 0, hdr);
	if (!(c->cdb[1] & 8) && !l->cd)
		descriptor = block_descriptor(l, in + hdr);
	len += descriptor;
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		if (!has_page(l, &pages[i]) || (code != PAGE_ALL && code != pages[i].code))
			continue;
		len += fill(l, &pages[i], which, in + len);
		found++;
	}
	if (!found)
		return SENSE_CDB;
	/* Write protected; FUA and DPO */
	flags = l->cd ? 0 : (uint8_t)(l->rdonly << 7 | 0x10);
	if (ten) {
		put_be16(in, len - 2);
		in[3] = flags;
		put_be16(in + 6, descriptor);
		return scsi_answer(c, len, get_be16(c->cdb + 7));
	}
	in[0] = (uint8_t)(len - 1);
	in[2] = flags;
	in[3] = (uint8_t)descriptor;
	return scsi_answer(c, len, c->cdb[4]);
}

/* A page as the driver wants it. Return: 0 or SENSE() */
static uint32_t select_page(const struct scsi_lun *l, const uint8_t *p, uint32_t left, bool *wce, uint32_t *len)
{
	uint8_t now[2 + sizeof(pages[0].data)], mask[sizeof(now)];
	unsigned int i, k;

	if (left < 2)
		return SENSE_LIST_LENGTH;
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		if (p[0] != pages[i].code || !has_page(l, &pages[i]))
			continue;
		*len = fill(l, &pages[i], CURRENT, now);
		fill(l, &pages[i], CHANGEABLE, mask);
		if (left < *len)
			return SENSE_LIST_LENGTH;
		if (p[1] != now[1])
			return SENSE_LIST;
		for (k = 2; k < *len; k++)
			if ((p[k] ^ now[k]) & ~mask[k])
				return SENSE_LIST;
		if (p[0] == 0x08)
			*wce = p[2] & WCE;
		return 0;
	}
	return SENSE_LIST;
}

/* All pages are good, or nothing changes. */
uint32_t scsi_mode_select(struct scsi_cmd *c)
{
	bool ten = c->cdb[0] == 0x55, wce;
	uint32_t list = scsi_cmd_param(c), hdr = ten ? 8 : 4, at, descriptor, len, sense;
	const uint8_t *p = c->room->param;
	struct scsi_lun *l = c->addr.lun;
	uint8_t want[8];

	/* Pages are as in the standard, and not saved. */
	if ((c->cdb[1] & 0x11) != 0x10)
		return SENSE_CDB;
	if (!list)
		return 0;
	if (list < hdr || list > SCSI_PARAM_MAX)
		return SENSE_LIST_LENGTH;
	descriptor = ten ? get_be16(p + 6) : p[3];
	if (descriptor && (descriptor != 8 || l->cd || (ten && p[4] & 1)))
		return SENSE_LIST;
	at = hdr + descriptor;
	if (list < at)
		return SENSE_LIST_LENGTH;
	block_descriptor(l, want);
	/* No number of blocks means all of them. */
	if (descriptor && (get_be24(p + hdr + 5) != l->block ||
			   (get_be32(p + hdr) && get_be32(p + hdr) != get_be32(want))))
		return SENSE_LIST;
	wce = is_cached(l);
	for (; at < list; at += len) {
		sense = select_page(l, p + at, list - at, &wce, &len);
		if (sense)
			return sense;
	}
	/* What is written from now on is stable; what was is not, yet. */
	if (is_cached(l) && !wce)
		c->op = SCSI_FLUSH;
	__atomic_store_n(&l->wce, wce, __ATOMIC_RELAXED);
	return 0;
}

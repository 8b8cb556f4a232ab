// SPDX-License-Identifier: GPL-2.0
/* INQUIRY: what a logical unit is (SPC-4, 6.6 and 7.8; SBC-3, 6.6). */
#include "scsi_cmd.h"

#include <string.h>

#define VENDOR		"SHUNT   "
#define REVISION	"0.1 "
/* Additional length, of pages with limits */
#define PAGE_LIMITS	0x3c

enum { TYPE_DISK = 0, TYPE_CD = 5, TYPE_WELL_KNOWN = 0x1e, TYPE_NONE = 0x7f };

static uint8_t type_of(const struct scsi_cmd *c)
{
	if (c->addr.lun)
		return c->addr.lun->cd ? TYPE_CD : TYPE_DISK;
	return c->addr.well_known ? TYPE_WELL_KNOWN : TYPE_NONE;
}

static uint32_t standard(struct scsi_cmd *c)
{
	const struct scsi_lun *l = c->addr.lun;
	uint8_t *in = c->room->in;

	memset(in, 0, 36);
	in[0] = type_of(c);
	in[1] = l && l->cd ? 0x80 : 0;
	/* SPC-4; LUNs are as in SAM, and numbered hierarchically */
	in[2] = 6;
	in[3] = 0x12;
	in[4] = 36 - 5;
	/* Several commands at a time */
	in[7] = 2;
	memcpy(in + 8, VENDOR, 8);
	memcpy(in + 16, l ? l->product : "none            ", SCSI_PRODUCT_LEN);
	memcpy(in + 32, REVISION, 4);
	return scsi_answer(c, 36, get_be16(c->cdb + 3));
}

/* --- vital product data. Each fills what is behind the header. Return: bytes --- */

static uint32_t page_serial(const struct scsi_cmd *c, uint8_t *p)
{
	size_t n = strlen(c->addr.lun->serial);

	memcpy(p, c->addr.lun->serial, n);
	return (uint32_t)n;
}

static uint32_t page_identification(const struct scsi_cmd *c, uint8_t *p)
{
	const struct scsi_lun *l = c->addr.lun;
	uint32_t n = (uint32_t)strlen(l->serial);

	/* The vendor's, in ASCII */
	p[0] = 2;
	p[1] = 1;
	p[3] = (uint8_t)(8 + SCSI_PRODUCT_LEN + n);
	memcpy(p + 4, VENDOR, 8);
	memcpy(p + 12, l->product, SCSI_PRODUCT_LEN);
	memcpy(p + 12 + SCSI_PRODUCT_LEN, l->serial, n);
	p += 4 + p[3];
	/* NAA */
	p[0] = 1;
	p[1] = 3;
	p[3] = 8;
	put_be64(p + 4, l->naa);
	return 4 + 8 + SCSI_PRODUCT_LEN + n + 4 + 8;
}

/* Task attributes: all are taken as simple ones. */
static uint32_t page_extended(const struct scsi_cmd *c, uint8_t *p)
{
	(void)c;
	p[1] = 1;
	return PAGE_LIMITS;
}

static uint32_t page_block_limits(const struct scsi_cmd *c, uint8_t *p)
{
	const struct scsi_lun *l = c->addr.lun;
	const struct disk *d = &l->disk;
	uint32_t granularity = d->io_min > d->physical ? d->io_min : d->physical;

	/* WRITE SAME of no blocks is none of all blocks. */
	p[0] = 1;
	put_be16(p + 2, granularity / l->block);
	put_be32(p + 4, DISK_LEN_MAX / l->block);
	put_be32(p + 8, d->io_opt / l->block);
	if (l->rdonly)
		return PAGE_LIMITS;
	put_be64(p + 32, DISK_RANGE_MAX / l->block);
	if (!d->discards)
		return PAGE_LIMITS;
	put_be32(p + 16, DISK_RANGE_MAX / l->block);
	put_be32(p + 20, SCSI_RANGES_MAX);
	put_be32(p + 24, d->discard_align / l->block);
	/* From block 0 */
	p[28] = 0x80;
	return PAGE_LIMITS;
}

static uint32_t page_characteristics(const struct scsi_cmd *c, uint8_t *p)
{
	(void)c;
	/* It does not rotate. */
	put_be16(p, 1);
	return PAGE_LIMITS;
}

static uint32_t page_provisioning(const struct scsi_cmd *c, uint8_t *p)
{
	const struct scsi_lun *l = c->addr.lun;

	if (!l->disk.discards)
		return 4;
	/* UNMAP, WRITE SAME (16) and (10) with UNMAP; thin */
	p[1] = 0x80 | 0x40 | 0x20;
	if (l->disk.hole_zero)
		p[1] |= 4;
	p[2] = 2;
	return 4;
}

/* Of @page, in the order of their numbers */
static const struct {
	uint8_t page;
	bool disk_only;
	uint32_t (*fill)(const struct scsi_cmd *c, uint8_t *p);
} pages[] = {
	{ 0x80, false, page_serial },
	{ 0x83, false, page_identification },
	{ 0x86, false, page_extended },
	{ 0xb0, true, page_block_limits },
	{ 0xb1, true, page_characteristics },
	{ 0xb2, true, page_provisioning },
};

static uint32_t vital(struct scsi_cmd *c)
{
	const struct scsi_lun *l = c->addr.lun;
	uint8_t *in = c->room->in, page = c->cdb[2];
	uint32_t len = 0;
	unsigned int i;

	memset(in, 0, 256);
	if (!page)
		in[4 + len++] = 0;
	for (i = 0; i < ARRAY_SIZE(pages) && l; i++) {
		if (pages[i].disk_only && l->cd)
			continue;
		if (!page)
			in[4 + len++] = pages[i].page;
		else if (page == pages[i].page)
			len = pages[i].fill(c, in + 4);
	}
	if (!len)
		return SENSE_CDB;
	in[0] = type_of(c);
	in[1] = page;
	put_be16(in + 2, len);
	return scsi_answer(c, 4 + len, get_be16(c->cdb + 3));
}

uint32_t scsi_inquiry(struct scsi_cmd *c)
{
	/* Of the two, only with EVPD there are pages. */
	if (c->cdb[1] & ~1 || (!c->cdb[1] && c->cdb[2]))
		return SENSE_CDB;
	return c->cdb[1] ? vital(c) : standard(c);
}

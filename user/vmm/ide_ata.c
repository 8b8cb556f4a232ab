// SPDX-License-Identifier: GPL-2.0
/* The commands of an ATA disk (ATA/ATAPI-7), and what a CD-ROM drive has of them. */
#include "ide.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define MULTIPLE_MAX	16
#define LBA28_MAX	0x0fffffffull
#define DEV_LBA		0x40
#define UDMA_MODES	0x3f
#define MDMA_MODES	0x07

/* How a command names its sectors and moves them */
#define F_EXT		1	/* 48 bits */
#define F_DMA		2
#define F_MULTIPLE	4	/* blocks of several */
#define F_OUT		8
#define F_VERIFY	16	/* no data */

static const struct {
	uint8_t cmd, flags;
} moves[] = {
	{ 0x20, 0 }, { 0x21, 0 }, { 0x24, F_EXT }, { 0x25, F_EXT | F_DMA }, { 0x29, F_EXT | F_MULTIPLE },
	{ 0x30, F_OUT }, { 0x31, F_OUT }, { 0x34, F_OUT | F_EXT }, { 0x35, F_OUT | F_EXT | F_DMA },
	{ 0x39, F_OUT | F_EXT | F_MULTIPLE }, { 0x40, F_VERIFY }, { 0x41, F_VERIFY }, { 0x42, F_VERIFY | F_EXT },
	{ 0xc4, F_MULTIPLE }, { 0xc5, F_OUT | F_MULTIPLE }, { 0xc8, F_DMA }, { 0xc9, F_DMA },
	{ 0xca, F_OUT | F_DMA }, { 0xcb, F_OUT | F_DMA },
};

static uint64_t lba28(const struct ide_drive *d)
{
	const struct ide_regs *r = &d->regs;
	uint32_t head = r->device & 0xf, cyl = r->lba[1][0] | r->lba[2][0] << 8;

	if (r->device & DEV_LBA)
		return head << 24 | cyl << 8 | r->lba[0][0];
	/* sectors count from 1: 0 is nowhere */
	if (!r->lba[0][0] || r->lba[0][0] > d->secs || head >= d->heads)
		return UINT64_MAX;
	return ((uint64_t)cyl * d->heads + head) * d->secs + r->lba[0][0] - 1;
}

static uint64_t lba48(const struct ide_drive *d)
{
	uint64_t lba = 0;
	unsigned int i;

	for (i = 0; i < 3; i++)
		lba |= (uint64_t)d->regs.lba[i][0] << 8 * i | (uint64_t)d->regs.lba[i][1] << (24 + 8 * i);
	return lba;
}

static void ata_done(struct ide_drive *d, int err)
{
	ide_end(d, !err ? 0 : err == EFAULT ? ERR_ABRT : ERR_UNC);
}

/* The last block has been read: nothing more to say. */
static void sent(struct ide_drive *d, int err)
{
	if (err)
		ata_done(d, err);
	else
		d->status = ST_DRDY | ST_DSC;
}

static void sectors_move(struct ide_drive *d, uint8_t flags)
{
	struct ide_channel *ch = d->ch;
	const uint8_t *n = d->regs.nsector;
	uint64_t lba = flags & F_EXT ? lba48(d) : lba28(d), sectors = d->size / IDE_SECTOR;
	uint32_t count = flags & F_EXT ? (n[0] | n[1] << 8 ?: 0x10000) : (n[0] ?: 0x100);

	if (lba >= sectors || count > sectors - lba) {
		ide_end(d, ERR_IDNF);
		return;
	}
	if ((flags & F_OUT && d->bd->readonly) || (flags & F_MULTIPLE && !d->multiple)) {
		ide_end(d, ERR_ABRT);
		return;
	}
	if (flags & F_VERIFY) {
		ide_end(d, 0);
		return;
	}
	*(flags & F_OUT ? &d->writes : &d->reads) += 1;
	*(flags & F_OUT ? &d->bytes_written : &d->bytes_read) += (uint64_t)count * IDE_SECTOR;
	ch->x = (struct ide_xfer){
		.way = flags & F_DMA ? (flags & F_OUT ? IDE_DMA_OUT : IDE_DMA_IN) : flags & F_OUT ? IDE_PIO_OUT : IDE_PIO_IN,
		.d = d,
		.off = lba * IDE_SECTOR,
		.left = (uint64_t)count * IDE_SECTOR,
		.block = IDE_SECTOR * (flags & F_MULTIPLE ? d->multiple : 1),
		.done = flags & (F_DMA | F_OUT) ? ata_done : sent,
		.quiet = flags & F_OUT,
	};
	ide_xfer(ch);
}

/* ---- what the drive is ---- */

void ide_string(uint16_t *to, unsigned int words, const char *s)
{
	unsigned int i;
	char pair[2];

	while (words--) {
		for (i = 0; i < 2; i++)
			pair[i] = *s ? *s++ : ' ';
		*to++ = htole16((uint16_t)(pair[0] << 8 | pair[1]));
	}
}

static void put(uint16_t *w, unsigned int at, uint64_t v, unsigned int words)
{
	for (; words--; v >>= 16)
		w[at++] = htole16((uint16_t)v);
}

void ata_identify(struct ide_drive *d, uint16_t *w)
{
	memset(w, 0, IDE_SECTOR);
	ide_string(w + 10, 10, d->serial);
	ide_string(w + 23, 4, "1.0");
	ide_string(w + 27, 20, d->model);
	put(w, 48, 1, 1);			/* 32-bit data register */
	put(w, 49, 0x0b00, 1);			/* IORDY, LBA, DMA */
	put(w, 53, 6, 1);			/* words 64 to 70 and 88 are valid */
	put(w, 63, MDMA_MODES | d->mdma << 8, 1);
	put(w, 64, 3, 1);			/* PIO modes 3 and 4 */
	put(w, 65, 120 | 120ull << 16 | 120ull << 32 | 120ull << 48, 4);	/* ns a cycle */
	put(w, 80, 0xf0, 1);			/* ATA/ATAPI-4 to 7 */
	put(w, 88, UDMA_MODES | d->udma << 8, 1);
	put(w, 93, d->unit ? 0x6b00 : 0x600b, 1);	/* an 80-wire cable, this drive found by jumper */
}

static void disk_identify(struct ide_drive *d, uint16_t *w)
{
	uint64_t sectors = d->size / IDE_SECTOR, cyls = sectors / (16 * 63), now = sectors / (d->heads * d->secs);
	uint8_t sum = 0, *bytes = (uint8_t *)w;
	unsigned int i;

	ata_identify(d, w);
	cyls = cyls > 16383 ? 16383 : cyls;
	now = now > 65535 ? 65535 : now;
	put(w, 0, 0x0040, 1);
	put(w, 1, cyls, 1);
	put(w, 3, 16, 1);
	put(w, 6, 63, 1);
	put(w, 47, 0x8000 | MULTIPLE_MAX, 1);
	put(w, 53, 7, 1);
	put(w, 54, now, 1);
	put(w, 55, d->heads, 1);
	put(w, 56, d->secs, 1);
	put(w, 57, now * d->heads * d->secs, 2);
	put(w, 59, d->multiple ? 0x100 | d->multiple : 0, 1);
	put(w, 60, sectors > LBA28_MAX ? LBA28_MAX : sectors, 2);
	put(w, 82, 0x4020, 1);			/* write cache */
	put(w, 83, 0x7400, 1);			/* LBA48, FLUSH CACHE (EXT) */
	put(w, 84, 0x4000, 1);
	put(w, 85, 0x4000 | d->wcache << 5, 1);
	put(w, 86, 0x3400, 1);
	put(w, 87, 0x4000, 1);
	put(w, 100, sectors, 4);
	bytes[510] = 0xa5;
	for (i = 0; i < 511; i++)
		sum = (uint8_t)(sum + bytes[i]);
	bytes[511] = (uint8_t)-sum;
}

void ata_send(struct ide_drive *d)
{
	d->ch->x = (struct ide_xfer){
		.way = IDE_PIO_IN, .d = d, .len = IDE_SECTOR, .block = IDE_SECTOR, .done = sent,
	};
	ide_xfer(d->ch);
}

/* ---- settings ---- */

static bool set_mode(struct ide_drive *d, uint8_t mode)
{
	uint8_t bit = (uint8_t)(1u << (mode & 7));

	switch (mode >> 3) {
	case 0:		/* PIO as it comes */
	case 1:		/* PIO, mode 0 to 4 */
		d->mdma = d->udma = 0;
		return (mode & 7) <= 4;
	case 4:
		if (!(bit & MDMA_MODES))
			return false;
		d->mdma = bit;
		d->udma = 0;
		return true;
	case 8:
		if (!(bit & UDMA_MODES))
			return false;
		d->udma = bit;
		d->mdma = 0;
		return true;
	}
	return false;
}

bool ata_set_features(struct ide_drive *d)
{
	switch (d->regs.feature[0]) {
	case 0x03:
		return set_mode(d, d->regs.nsector[0]);
	case 0x66:	/* settings stay over a reset; they do in any case, or not */
	case 0xcc:
		return true;
	case 0x02:
		d->wcache = true;
		return !d->cd;
	}
	return false;
}

static void wcache_off(struct ide_drive *d, int err)
{
	if (!err)
		d->wcache = false;
	ata_done(d, err);
}

static void flush(struct ide_drive *d, void (*done)(struct ide_drive *d, int err))
{
	d->flushes++;
	d->ch->x = (struct ide_xfer){ .d = d, .done = done };
	ide_flush(d->ch);
}

static uint8_t set_multiple(struct ide_drive *d)
{
	uint8_t n = d->regs.nsector[0];

	if (n > MULTIPLE_MAX || n & (n - 1))
		return ERR_ABRT;
	d->multiple = n;
	return 0;
}

static uint8_t set_geometry(struct ide_drive *d)
{
	if (!d->regs.nsector[0])
		return ERR_ABRT;
	d->secs = d->regs.nsector[0];
	d->heads = (d->regs.device & 0xfu) + 1;
	return 0;
}

void ata_reset(struct ide_drive *d)
{
	d->heads = 16;
	d->secs = 63;
	d->multiple = 0;
}

void ata_command(struct ide_drive *d, uint8_t cmd)
{
	unsigned int i;

	for (i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		if (moves[i].cmd == cmd) {
			sectors_move(d, moves[i].flags);
			return;
		}
	}
	switch (cmd) {
	case 0xec:
		disk_identify(d, (void *)d->ch->buf);
		ata_send(d);
		return;
	case 0xe7:	/* FLUSH CACHE */
	case 0xea:
		flush(d, ata_done);
		return;
	case 0xef:	/* SET FEATURES */
		if (d->regs.feature[0] == 0x82)
			flush(d, wcache_off);
		else
			ide_end(d, ata_set_features(d) ? 0 : ERR_ABRT);
		return;
	case 0x91:	/* INITIALIZE DEVICE PARAMETERS */
		ide_end(d, set_geometry(d));
		return;
	case 0xc6:
		ide_end(d, set_multiple(d));
		return;
	case 0xe5:	/* CHECK POWER MODE: active */
		d->regs.nsector[0] = 0xff;
		ide_end(d, 0);
		return;
	case 0x10 ... 0x1f:	/* RECALIBRATE */
	case 0x70 ... 0x7f:	/* SEEK */
	case 0xe0 ... 0xe3:	/* STANDBY, IDLE, at once or later */
	case 0xe6:		/* SLEEP */
		ide_end(d, 0);
		return;
	}
	ide_end(d, ERR_ABRT);
}

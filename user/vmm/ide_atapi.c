// SPDX-License-Identifier: GPL-2.0
/* A CD-ROM drive: SCSI commands (MMC) in ATA's PACKET command. */
#define _GNU_SOURCE
#include "ide.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PACKET_LEN	12
#define CD_MAX_BLOCKS	(80u * 60 * 75)	/* more must be a DVD */

/* Interrupt reason, in the sector count register */
#define REASON_COMMAND	1
#define REASON_TO_HOST	2

#define NOT_READY	2
#define MEDIUM_ERROR	3
#define ILLEGAL_REQUEST	5
#define UNIT_ATTENTION	6

#define ASC_INVALID_OPCODE	0x2000
#define ASC_OUT_OF_RANGE	0x2100
#define ASC_INVALID_FIELD	0x2400
#define ASC_CHANGED		0x2800
#define ASC_NO_MEDIUM		0x3a00
#define ASC_READ_ERROR		0x1100
#define ASC_PREVENTED		0x5302

static uint32_t be(const uint8_t *p, unsigned int len)
{
	uint32_t v = 0;

	while (len--)
		v = v << 8 | *p++;
	return v;
}

static void put_be(uint8_t *p, uint32_t v, unsigned int len)
{
	while (len--) {
		p[len] = (uint8_t)v;
		v >>= 8;
	}
}

static bool has_medium(const struct ide_drive *d)
{
	return d->fd >= 0 && !d->open;
}

static uint32_t blocks(const struct ide_drive *d)
{
	uint64_t n = has_medium(d) ? d->size / CD_BLOCK : 0;

	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* ---- ends ---- */

static void good(struct ide_drive *d)
{
	d->sense = 0;
	d->asc = 0;
	d->regs.nsector[0] = REASON_COMMAND | REASON_TO_HOST;
	ide_end(d, 0);
}

static void bad(struct ide_drive *d, uint8_t sense, uint16_t asc)
{
	d->sense = sense;
	d->asc = asc;
	d->regs.nsector[0] = REASON_COMMAND | REASON_TO_HOST;
	ide_end(d, (uint8_t)(sense << 4 | ERR_ABRT));
}

static void moved(struct ide_drive *d, int err)
{
	if (!err)
		good(d);
	else
		bad(d, MEDIUM_ERROR, ASC_READ_ERROR);
}

/* ---- data to the guest ---- */

static void offer_in(struct ide_drive *d, uint32_t bytes)
{
	d->regs.nsector[0] = REASON_TO_HOST;
	d->regs.lba[1][0] = (uint8_t)bytes;
	d->regs.lba[2][0] = (uint8_t)(bytes >> 8);
}

/* What the guest takes at a time: even, but for the end */
static uint32_t byte_limit(const struct ide_drive *d)
{
	uint32_t n = d->regs.lba[1][0] | d->regs.lba[2][0] << 8;

	if (!n || n == 0xffff)
		return 0xfffe;
	return n > 1 ? n & ~1u : 2;
}

static void send(struct ide_drive *d, uint64_t off, uint64_t left, uint32_t len)
{
	bool dma = d->regs.feature[0] & 1;

	if (!left && !len) {
		good(d);
		return;
	}
	d->ch->x = (struct ide_xfer){
		.way = dma ? IDE_DMA_IN : IDE_PIO_IN, .d = d, .off = off, .left = left, .len = len,
		.block = byte_limit(d), .offer = dma ? NULL : offer_in, .done = moved,
	};
	ide_xfer(d->ch);
}

/* @len bytes that are in the buffer, or as much as the command has room for */
static void answer(struct ide_drive *d, uint32_t len, uint32_t room)
{
	send(d, 0, 0, len < room ? len : room);
}

/* ---- commands; @p is the packet, @b the buffer for the answer, zeroed ---- */

static void test_unit_ready(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	(void)p;
	(void)b;
	good(d);
}

static void request_sense(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	b[0] = 0x70;
	b[2] = d->sense;
	b[7] = 10;
	put_be(b + 12, d->asc, 2);
	answer(d, 18, p[4]);
}

static void inquiry(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	if (p[1] & 1) {
		bad(d, ILLEGAL_REQUEST, ASC_INVALID_FIELD);
		return;
	}
	b[0] = 5;
	b[1] = 0x80;	/* removable */
	b[3] = 0x21;
	b[4] = 31;
	memcpy(b + 8, "SHUNT   CD-ROM          1.0 ", 28);
	answer(d, 36, be(p + 3, 2));
}

static void start_stop(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	(void)b;
	if (p[4] & 2) {
		if (!(p[4] & 1) && d->locked && has_medium(d)) {
			bad(d, NOT_READY, ASC_PREVENTED);
			return;
		}
		if (d->open != !(p[4] & 1)) {
			d->open = !(p[4] & 1);
			d->changed = d->event = !d->open && d->fd >= 0;
		}
	}
	good(d);
}

static void prevent(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	(void)b;
	d->locked = p[4] & 1;
	good(d);
}

static void read_capacity(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	(void)p;
	put_be(b, blocks(d) - 1, 4);
	put_be(b + 4, CD_BLOCK, 4);
	answer(d, 8, 8);
}

static void read_blocks(struct ide_drive *d, uint32_t lba, uint32_t nr)
{
	if (lba > blocks(d) || nr > blocks(d) - lba) {
		bad(d, ILLEGAL_REQUEST, ASC_OUT_OF_RANGE);
		return;
	}
	d->reads++;
	d->bytes_read += (uint64_t)nr * CD_BLOCK;
	send(d, (uint64_t)lba * CD_BLOCK, (uint64_t)nr * CD_BLOCK, 0);
}

static void read10(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	(void)b;
	read_blocks(d, be(p + 2, 4), be(p + 7, 2));
}

static void read12(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	(void)b;
	read_blocks(d, be(p + 2, 4), be(p + 6, 4));
}

/* READ CD: of a block there is its user data, and nothing around it. */
static void read_cd(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	uint8_t what = p[9] & 0xf8;

	(void)b;
	if ((what && what != 0x10) || p[10] & 7)
		bad(d, ILLEGAL_REQUEST, ASC_INVALID_FIELD);
	else
		read_blocks(d, be(p + 2, 4), what ? be(p + 6, 3) : 0);
}

static void seek(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	(void)b;
	if (be(p + 2, 4) >= blocks(d))
		bad(d, ILLEGAL_REQUEST, ASC_OUT_OF_RANGE);
	else
		good(d);
}

/* Address of a block as a player counts: minutes, seconds, frames, after a lead-in of 2 seconds */
static void put_address(uint8_t *p, uint32_t lba, bool msf)
{
	if (!msf) {
		put_be(p, lba, 4);
		return;
	}
	lba += 150;
	p[1] = (uint8_t)(lba / 75 / 60);
	p[2] = (uint8_t)(lba / 75 % 60);
	p[3] = (uint8_t)(lba % 75);
}

/* One session with one track of data */
static void read_toc(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	bool msf = p[1] & 2;
	uint8_t format = p[2] & 0xf ?: p[9] >> 6;
	uint32_t len = 12;

	if (format > 1 || (!format && p[6] > 1 && p[6] != 0xaa)) {
		bad(d, ILLEGAL_REQUEST, ASC_INVALID_FIELD);
		return;
	}
	b[2] = b[3] = 1;
	if (format || p[6] != 0xaa) {
		b[5] = 0x14;
		b[6] = 1;
		put_address(b + 8, 0, msf);
	}
	if (!format) {
		uint8_t *end = p[6] == 0xaa ? b + 4 : b + 12;

		end[1] = 0x14;
		end[2] = 0xaa;
		put_address(end + 4, blocks(d), msf);
		len = (uint32_t)(end - b) + 8;
	}
	put_be(b, len - 2, 2);
	answer(d, len, be(p + 7, 2));
}

static uint32_t page_errors(uint8_t *b)
{
	b[0] = 0x01;
	b[1] = 6;
	return 8;
}

static uint32_t page_mechanism(const struct ide_drive *d, uint8_t *b)
{
	b[0] = 0x2a;
	b[1] = 18;
	b[4] = 0x71;
	b[6] = (uint8_t)(0x29 | d->locked << 1);	/* a tray, which can be locked */
	put_be(b + 8, 706, 2);		/* kB/s: 4 times */
	put_be(b + 12, 512, 2);
	put_be(b + 14, 706, 2);
	return 20;
}

static void mode_sense(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	uint8_t page = p[2] & 0x3f;
	uint32_t len = 8;

	if (p[2] >> 6 == 3 || (page != 0x01 && page != 0x2a && page != 0x3f)) {
		bad(d, ILLEGAL_REQUEST, ASC_INVALID_FIELD);
		return;
	}
	b[2] = has_medium(d) ? 0x01 : 0x70;
	if (page != 0x2a)
		len += page_errors(b + len);
	if (page != 0x01)
		len += page_mechanism(d, b + len);
	put_be(b, len - 2, 2);
	answer(d, len, be(p + 7, 2));
}

static uint32_t feature(uint8_t *b, uint16_t code, uint8_t flags, uint8_t extra)
{
	put_be(b, code, 2);
	b[2] = flags;
	b[3] = extra;
	return 4u + extra;
}

static void get_configuration(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	uint32_t len = 8, from = be(p + 2, 2);
	bool dvd = blocks(d) > CD_MAX_BLOCKS, one = (p[1] & 3) == 2;

	if (has_medium(d))
		put_be(b + 6, dvd ? 0x10 : 0x08, 2);
	if (!from) {	/* profiles */
		put_be(b + len + 4, 0x10, 2);
		b[len + 6] = dvd;
		put_be(b + len + 8, 0x08, 2);
		b[len + 10] = has_medium(d) && !dvd;
		len += feature(b + len, 0, 3, 8);
	}
	if (from == 1 || (from < 1 && !one)) {	/* core: ATAPI */
		put_be(b + len + 4, 2, 4);
		len += feature(b + len, 1, 0x0b, 8);
	}
	if (from == 3 || (from < 3 && !one)) {	/* a tray that can be locked */
		b[len + 4] = 0x39;
		len += feature(b + len, 3, 3, 4);
	}
	put_be(b, len - 4, 4);
	answer(d, len, be(p + 7, 2));
}

static void get_event(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	if (!(p[1] & 1)) {	/* asynchronous */
		bad(d, ILLEGAL_REQUEST, ASC_INVALID_FIELD);
		return;
	}
	b[3] = 0x10;	/* there are media events */
	if (!(p[4] & 0x10)) {
		b[1] = 2;
		b[2] = 0x80;
		answer(d, 4, be(p + 7, 2));
		return;
	}
	b[1] = 6;
	b[2] = 4;
	b[4] = !d->event ? 0 : has_medium(d) ? 2 : 3;
	b[5] = (uint8_t)(has_medium(d) << 1 | d->open);
	d->event = false;
	answer(d, 8, be(p + 7, 2));
}

static void mechanism_status(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	b[1] = (uint8_t)(d->open << 4);
	b[5] = 1;
	answer(d, 8, be(p + 8, 2));
}

static void read_disc_information(struct ide_drive *d, const uint8_t *p, uint8_t *b)
{
	put_be(b, 32, 2);
	b[2] = 0x0e;	/* complete, and so is its last session */
	b[3] = b[4] = b[5] = b[6] = 1;
	b[7] = 0x20;
	memset(b + 16, 0xff, 8);
	answer(d, 34, be(p + 7, 2));
}

#define P_MEDIUM	1	/* needs one */
#define P_ALWAYS	2	/* also where the guest has not heard yet that it has changed */

static const struct {
	uint8_t op, flags;
	void (*run)(struct ide_drive *d, const uint8_t *p, uint8_t *b);
} packets[] = {
	{ 0x00, P_MEDIUM, test_unit_ready },
	{ 0x03, P_ALWAYS, request_sense },
	{ 0x12, P_ALWAYS, inquiry },
	{ 0x1b, 0, start_stop },
	{ 0x1e, 0, prevent },
	{ 0x25, P_MEDIUM, read_capacity },
	{ 0x28, P_MEDIUM, read10 },
	{ 0x2b, P_MEDIUM, seek },
	{ 0x43, P_MEDIUM, read_toc },
	{ 0x46, P_ALWAYS, get_configuration },
	{ 0x4a, P_ALWAYS, get_event },
	{ 0x51, P_MEDIUM, read_disc_information },
	{ 0x5a, 0, mode_sense },
	{ 0xa8, P_MEDIUM, read12 },
	{ 0xbb, 0, test_unit_ready },	/* SET CD SPEED: it has one */
	{ 0xbd, 0, mechanism_status },
	{ 0xbe, P_MEDIUM, read_cd },
};

static void packet(struct ide_drive *d, int err)
{
	uint8_t p[PACKET_LEN], *b = d->ch->buf;
	unsigned int i;

	(void)err;
	memcpy(p, b, sizeof(p));
	memset(b, 0, 256);
	d->status = ST_BSY;
	for (i = 0; i < sizeof(packets) / sizeof(packets[0]) && packets[i].op != p[0]; i++)
		;
	if (i == sizeof(packets) / sizeof(packets[0])) {
		bad(d, ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	} else if (d->changed && !(packets[i].flags & P_ALWAYS)) {
		d->changed = false;
		bad(d, UNIT_ATTENTION, ASC_CHANGED);
	} else if (packets[i].flags & P_MEDIUM && !has_medium(d)) {
		bad(d, NOT_READY, ASC_NO_MEDIUM);
	} else {
		packets[i].run(d, p, b);
	}
}

static void packet_begin(struct ide_drive *d)
{
	d->regs.nsector[0] = REASON_COMMAND;
	d->ch->x = (struct ide_xfer){
		.way = IDE_PIO_OUT, .d = d, .len = PACKET_LEN, .block = PACKET_LEN, .done = packet, .quiet = true,
	};
	ide_xfer(d->ch);
}

static void identify(struct ide_drive *d)
{
	uint16_t *w = (void *)d->ch->buf;

	ata_identify(d, w);
	w[0] = 0x85c0;	/* ATAPI, CD-ROM, removable, packets of 12 bytes, wanted at once */
	ata_send(d);
}

void atapi_command(struct ide_drive *d, uint8_t cmd)
{
	switch (cmd) {
	case 0xa0:
		packet_begin(d);
		return;
	case 0xa1:
		identify(d);
		return;
	case 0xef:
		ide_end(d, ata_set_features(d) ? 0 : ERR_ABRT);
		return;
	case 0xe5:
		d->regs.nsector[0] = 0xff;
		ide_end(d, 0);
		return;
	case 0xe0 ... 0xe3:
	case 0xe6:
		ide_end(d, 0);
		return;
	}
	/* IDENTIFY DEVICE and READ SECTORS among them: their signature says what it is */
	if (cmd == 0xec || cmd == 0x20) {
		d->regs.nsector[0] = d->regs.lba[0][0] = 1;
		d->regs.lba[1][0] = 0x14;
		d->regs.lba[2][0] = 0xeb;
	}
	ide_end(d, ERR_ABRT);
}

int atapi_change(struct blockdev_user *user, const struct blockdev *bd, const struct blockdev *new, bool force, FILE *out)
{
	struct ide_drive *d = (void *)((char *)user - offsetof(struct ide_drive, user));
	int fd = new ? fcntl(new->fd, F_DUPFD_CLOEXEC, 0) : -1, ret = -1;
	int64_t size = new ? blockdev_size(new) : 0;
	struct vm *vm = ide_vm(d->ch);

	(void)bd;
	vm_lock(vm);
	if (new && (fd < 0 || size < 0)) {
		fprintf(out, "Error: %s: %s\n", new->file, strerror(errno));
	} else if (d->locked && !d->open && d->fd >= 0 && !force) {
		fprintf(out, "Error: the guest has locked the tray of '%s'\n", d->bd->id);
	} else {
		ide_close(d->ch, d->fd);
		d->fd = fd;
		d->size = (uint64_t)size;
		d->open = false;
		d->locked &= fd >= 0;
		d->changed = fd >= 0;
		d->event = true;
		fd = -1;
		ret = 0;
	}
	vm_unlock(vm);
	if (fd >= 0)
		close(fd);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of IDE share: PIIX3's two channels with two drives each. ide.c has the registers, ide_io.c moves data,
 * ide_ata.c and ide_atapi.c know the commands of disks and of CD-ROM drives.
 *
 * Context: device lock held. Files are read and written on the loop's helper threads.
 */
#ifndef VMM_IDE_H
#define VMM_IDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "blockdev.h"
#include "pci.h"

#define IDE_BUF		(128u * 1024)
#define IDE_SECTOR	512u
#define CD_BLOCK	2048u

/* Status, and what may be in the error register beside it */
#define ST_ERR		0x01
#define ST_DRQ		0x08
#define ST_DSC		0x10
#define ST_DF		0x20
#define ST_DRDY		0x40
#define ST_BSY		0x80
#define ERR_ABRT	0x04
#define ERR_IDNF	0x10
#define ERR_UNC		0x40

/* Bus master: command and status */
#define BM_START	0x01
#define BM_TO_MEMORY	0x08
#define BM_ACTIVE	0x01
#define BM_ERROR	0x02
#define BM_IRQ		0x04
#define BM_CAPABLE	0x60

struct ide;
struct ide_bell;
struct ide_channel;

/** struct ide_regs - the command block, each register with what it held before: LBA48 uses both */
struct ide_regs {
	uint8_t feature[2], nsector[2], lba[3][2], device;
};

/**
 * struct ide_drive
 * @fd: a descriptor of its own for the medium; -1: none
 * @size: bytes of it that the guest may use
 * @heads: @secs: the geometry that addresses without LBA are about
 * @multiple: sectors a block of READ and WRITE MULTIPLE; 0: not set
 * @wcache: writes may rest in a cache until a flush
 * @mdma: @udma: modes chosen, 0 or 1 << mode
 * @sense: @asc: what went wrong last, for REQUEST SENSE
 * @locked: the guest prevents removal. @open: its tray is out. @changed: to be told by the next command, and as an event
 */
struct ide_drive {
	struct ide_channel *ch;
	unsigned int unit;
	char name[64], serial[21], model[41];
	struct blockdev *bd;
	struct blockdev_user user;
	int fd;
	uint64_t size;
	bool cd, wcache;
	struct ide_regs regs;
	uint8_t status, error;
	uint32_t heads, secs;
	uint8_t multiple, mdma, udma;
	uint8_t sense;
	uint16_t asc;
	bool locked, open, changed, event;
	uint64_t reads, writes, flushes, bytes_read, bytes_written;
};

enum ide_way { IDE_IDLE, IDE_PIO_IN, IDE_PIO_OUT, IDE_DMA_IN, IDE_DMA_OUT };

/**
 * struct ide_xfer - what a command moves
 * @d: whose; valid unless @way is IDE_IDLE
 * @fd: the medium as the command found it; -1: gone since, which is an error to what is left
 * @off: @left: of the file, what @buf has not held yet; @left is 0 where the data is made here
 * @len: @pos: bytes in @buf, and those that have been to or from the guest
 * @block: bytes that the guest is asked for, or told of, at a time; @end: where in @buf this block ends
 * @offer: PIO: a block is ready; may be NULL. @done: all is moved, or @err is an errno
 * @prd: @prd_left: entry of the table that comes next, bytes left of the one before, at @prd_addr; @prd_end: it is the last
 */
struct ide_xfer {
	enum ide_way way;
	struct ide_drive *d;
	int fd;
	uint64_t off, left;
	uint32_t len, pos, block, end;
	void (*offer)(struct ide_drive *d, uint32_t bytes);
	void (*done)(struct ide_drive *d, int err);
	bool quiet;	/* the first block of PIO out has no interrupt */
	uint32_t prd, prd_addr, prd_left;
	bool prd_end;
};

enum ide_op { IDE_READ, IDE_WRITE, IDE_FLUSH };

struct ide_job {
	enum ide_op op;
	int fd;
	uint64_t off;
	uint32_t len;
	bool sync;
};

/**
 * struct ide_io - a job on a helper thread
 * @ch: whose; NULL: that is gone, and this goes when the helper is back
 * @stale: nobody waits for it any more. @close: nor for its file
 */
struct ide_io {
	struct ide_channel *ch;
	struct ide_job job;
	int err;
	bool running, stale, close;
	uint8_t *buf;
};

struct ide_channel {
	struct ide *ide;
	unsigned int nr, selected;
	struct ide_drive *drive[2];
	uint8_t control;
	bool irq;
	uint8_t bm_cmd, bm_status;
	uint32_t prdt;
	struct ide_xfer x;
	struct ide_io *io;
	struct ide_job next;	/* to run when the helper is back, if @wanted */
	bool wanted;
	struct ide_bell *bell;
	uint8_t *buf;
};

/* ---- ide.c ---- */

/** ide_irq() - raise the channel's interrupt, or take it back */
void ide_irq(struct ide_channel *ch, bool on);
struct vm *ide_vm(const struct ide_channel *ch);
/** ide_end() - a command is over: @error is 0 or bits of the error register */
void ide_end(struct ide_drive *d, uint8_t error);

/* ---- ide_io.c ---- */

/** ide_io_init() - Return: 0 or -1 after one logged line */
int ide_io_init(struct ide_channel *ch);
void ide_io_free(struct ide_channel *ch);
/**
 * ide_xfer() - begin; @ch->x has been filled in. PIO out without a file begins with @len bytes wanted
 */
void ide_xfer(struct ide_channel *ch);
/** ide_flush() - what was written becomes stable, then x.done */
void ide_flush(struct ide_channel *ch);
/** ide_data() - the data register: @len bytes at @data; @out: from the guest. Beyond a block reads 0 */
void ide_data(struct ide_channel *ch, void *data, unsigned int len, bool out);
/** ide_dma_start() - the bus master may run, or must stop */
void ide_dma_start(struct ide_channel *ch);
void ide_dma_stop(struct ide_channel *ch);
/** ide_cancel() - forget what is under way; what a helper does meanwhile has no effect on the guest */
void ide_cancel(struct ide_channel *ch);
/** ide_close() - no more I/O on @fd: closed now, or when a helper is through with it */
void ide_close(struct ide_channel *ch, int fd);

/* ---- ide_ata.c, ide_atapi.c ---- */

void ata_command(struct ide_drive *d, uint8_t cmd);
void ata_reset(struct ide_drive *d);
void atapi_command(struct ide_drive *d, uint8_t cmd);
/** ide_string() - ATA's way to have text: pairs of bytes exchanged, blanks at the end */
void ide_string(uint16_t *to, unsigned int words, const char *s);
/** ata_identify() - the 512 bytes that either kind of drive says of itself, at @w */
void ata_identify(struct ide_drive *d, uint16_t *w);
/** ata_send() - a sector that was made in ch->buf goes to the guest */
void ata_send(struct ide_drive *d);
bool ata_set_features(struct ide_drive *d);
/** atapi_change() - @user's medium becomes @new */
int atapi_change(struct blockdev_user *user, const struct blockdev *bd, const struct blockdev *new, bool force, FILE *out);

#endif

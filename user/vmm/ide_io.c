// SPDX-License-Identifier: GPL-2.0
/*
 * IDE: data on its way between a file, a buffer and the guest: by its data register, or by the bus master's table of
 * memory regions, which the guest wrote and of which nothing is believed.
 */
#define _GNU_SOURCE
#include "ide.h"

#include <errno.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/log.h"
#include "../lib/loop.h"

#define PRD_MAX		8192	/* a table is within 64 KiB */
#define PRD_LAST	0x80000000u

struct ide_bell {
	struct loop_bh bh;
	struct ide_channel *ch;
};

/* ---- a file, on a helper thread ---- */

static int read_all(const struct ide_job *io, uint8_t *buf)
{
	uint32_t at = 0;
	ssize_t n;

	while (at < io->len) {
		n = pread(io->fd, buf + at, io->len - at, (off_t)(io->off + at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (!n)
			break;
		at += (uint32_t)n;
	}
	/* a file that has become shorter */
	memset(buf + at, 0, io->len - at);
	return 0;
}

static int write_all(const struct ide_job *io, const uint8_t *buf)
{
	uint32_t at = 0;
	ssize_t n;

	while (at < io->len) {
		n = pwrite(io->fd, buf + at, io->len - at, (off_t)(io->off + at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? errno : ENOSPC;
		at += (uint32_t)n;
	}
	return io->sync && fdatasync(io->fd) ? errno : 0;
}

static void io_work(void *arg)
{
	struct ide_io *io = arg;

	if (io->job.op == IDE_READ)
		io->err = read_all(&io->job, io->buf);
	else if (io->job.op == IDE_WRITE)
		io->err = write_all(&io->job, io->buf);
	else
		io->err = fdatasync(io->job.fd) ? errno : 0;
}

static void io_done(void *arg);
static void xfer_step(struct ide_channel *ch, enum ide_op op, int err);

/* Loop's thread, device lock held: what is wanted, unless a helper has the buffer still. */
static void io_next(struct ide_channel *ch)
{
	struct ide_io *io = ch->io;
	int err;

	if (io->running || !ch->wanted)
		return;
	ch->wanted = false;
	io->job = ch->next;
	io->running = true;
	io->stale = io->close = false;
	if (io->job.op == IDE_WRITE)
		memcpy(io->buf, ch->buf, io->job.len);
	err = loop_offload(ide_vm(ch)->loop, io_work, io_done, io);
	if (!err)
		return;
	io->running = false;
	xfer_step(ch, io->job.op, -err);
}

static void io_free(struct ide_io *io)
{
	free(io->buf);
	free(io);
}

static void io_done(void *arg)
{
	struct ide_io *io = arg;
	struct ide_channel *ch = io->ch;

	if (io->close)
		close(io->job.fd);
	if (!ch) {
		io_free(io);
		return;
	}
	vm_lock(ide_vm(ch));
	io->running = false;
	if (!io->stale) {
		if (io->job.op == IDE_READ && !io->err)
			memcpy(ch->buf, io->buf, io->job.len);
		xfer_step(ch, io->job.op, io->err);
	}
	io_next(ch);
	vm_unlock(ide_vm(ch));
}

static void on_bell(struct loop_bh *bh)
{
	struct ide_channel *ch = ((struct ide_bell *)(void *)bh)->ch;

	vm_lock(ide_vm(ch));
	io_next(ch);
	vm_unlock(ide_vm(ch));
}

/* Any thread. */
static void io_want(struct ide_channel *ch, enum ide_op op)
{
	const struct ide_xfer *x = &ch->x;

	ch->next = (struct ide_job){ .op = op, .fd = x->fd, .off = x->off, .len = x->len, .sync = !x->d->wcache };
	ch->wanted = true;
	x->d->status = ST_BSY | (x->d->status & (ST_DRDY | ST_DSC));
	loop_bh_schedule(ide_vm(ch)->loop, &ch->bell->bh);
}

int ide_io_init(struct ide_channel *ch)
{
	_Static_assert(offsetof(struct ide_bell, bh) == 0, "on_bell() finds one by the other");
	ch->bell = calloc(1, sizeof(*ch->bell));
	ch->io = calloc(1, sizeof(*ch->io));
	ch->buf = malloc(IDE_BUF);
	if (!ch->bell || !ch->io || !ch->buf)
		return log_err("ide: out of memory");
	ch->bell->ch = ch;
	ch->bell->bh.fn = on_bell;
	ch->io->ch = ch;
	/* as O_DIRECT wants it */
	ch->io->buf = aligned_alloc(4096, IDE_BUF);
	return ch->io->buf ? 0 : log_err("ide: out of memory");
}

void ide_io_free(struct ide_channel *ch)
{
	if (ch->bell)
		loop_bh_cancel(ide_vm(ch)->loop, &ch->bell->bh);
	free(ch->bell);
	free(ch->buf);
	if (ch->io && ch->io->running)
		ch->io->ch = NULL;
	else if (ch->io)
		io_free(ch->io);
}

void ide_close(struct ide_channel *ch, int fd)
{
	if (fd < 0)
		return;
	/* its number may be another file's soon */
	if (ch->x.fd == fd)
		ch->x.fd = ch->next.fd = -1;
	if (ch->io->running && ch->io->job.fd == fd)
		ch->io->close = true;
	else
		close(fd);
}

/* ---- the guest's table of memory regions ---- */

/* The next entry. Return: 0; -1: there is none, or it is not in memory */
static int prd_next(struct ide_channel *ch)
{
	struct ide_xfer *x = &ch->x;
	uint32_t entry[2];
	void *at;

	if (x->prd_end || x->prd == PRD_MAX)
		return -1;
	at = vm_ram(ide_vm(ch), (ch->prdt & ~3u) + 8ull * x->prd, 8);
	if (!at)
		return -1;
	memcpy(entry, at, 8);
	x->prd++;
	x->prd_addr = le32toh(entry[0]) & ~1u;
	x->prd_left = (le32toh(entry[1]) & 0xfffe) ?: 0x10000;
	x->prd_end = le32toh(entry[1]) & PRD_LAST;
	return 0;
}

/* ch->buf to the guest's memory, or from there. Return: 0; -1: the table is too short, or not of memory */
static int dma_copy(struct ide_channel *ch, bool to_memory)
{
	struct ide_xfer *x = &ch->x;
	uint32_t n;
	uint8_t *mem;

	while (x->pos < x->len) {
		if (!x->prd_left && prd_next(ch))
			return -1;
		n = x->len - x->pos < x->prd_left ? x->len - x->pos : x->prd_left;
		mem = vm_ram(ide_vm(ch), x->prd_addr, n);
		if (!mem)
			return -1;
		memcpy(to_memory ? mem : ch->buf + x->pos, to_memory ? ch->buf + x->pos : mem, n);
		x->pos += n;
		x->prd_addr += n;
		x->prd_left -= n;
	}
	return 0;
}

/* ---- a command's data ---- */

static void xfer_end(struct ide_channel *ch, int err)
{
	struct ide_xfer *x = &ch->x;
	struct ide_drive *d = x->d;
	bool dma = x->way == IDE_DMA_IN || x->way == IDE_DMA_OUT;

	/* with memory left in the table the bus master stays active, as the guest may want to see */
	if (dma && (err || (x->prd_end && !x->prd_left)))
		ch->bm_status &= (uint8_t)~BM_ACTIVE;
	x->way = IDE_IDLE;
	x->done(d, err);
}

/* As much as fits is what buffer and helper are about next. */
static void take_chunk(struct ide_xfer *x)
{
	x->len = x->left < IDE_BUF ? (uint32_t)x->left : IDE_BUF;
	x->pos = 0;
	x->end = 0;
}

/* The next block for the guest's data register */
static void offer(struct ide_channel *ch)
{
	struct ide_xfer *x = &ch->x;
	uint32_t n = x->len - x->pos < x->block ? x->len - x->pos : x->block;

	x->end = x->pos + n;
	x->d->status = ST_DRDY | ST_DSC | ST_DRQ;
	if (x->offer)
		x->offer(x->d, n);
	if (!x->quiet)
		ide_irq(ch, true);
	x->quiet = false;
}

static void dma_run(struct ide_channel *ch)
{
	struct ide_xfer *x = &ch->x;
	bool in = x->way == IDE_DMA_IN;

	if (!(ch->bm_cmd & BM_START) || !!(ch->bm_cmd & BM_TO_MEMORY) != in) {
		x->d->status = ST_DRDY | ST_DSC | ST_DRQ;
		return;
	}
	if (in && x->pos == x->len && x->left) {
		take_chunk(x);
		io_want(ch, IDE_READ);
		return;
	}
	if (!in && x->pos == x->len && x->left)
		take_chunk(x);
	if (dma_copy(ch, in)) {
		ch->bm_status |= BM_ERROR;
		xfer_end(ch, EFAULT);
	} else if (!in) {
		io_want(ch, IDE_WRITE);
	} else if (x->left) {
		dma_run(ch);
	} else {
		xfer_end(ch, 0);
	}
}

/* A helper is back. */
static void xfer_step(struct ide_channel *ch, enum ide_op op, int err)
{
	struct ide_xfer *x = &ch->x;
	bool out = x->way == IDE_PIO_OUT || x->way == IDE_DMA_OUT;

	if (err || op == IDE_FLUSH) {
		xfer_end(ch, err);
		return;
	}
	x->off += x->len;
	x->left -= x->len;
	if (x->way == IDE_DMA_IN) {
		dma_run(ch);
	} else if (out && !x->left) {
		xfer_end(ch, 0);
	} else if (x->way == IDE_DMA_OUT) {
		dma_run(ch);
	} else {
		if (out)
			take_chunk(x);
		offer(ch);
	}
}

void ide_xfer(struct ide_channel *ch)
{
	struct ide_xfer *x = &ch->x;

	x->fd = x->d->fd;
	x->prd = x->prd_left = 0;
	x->prd_end = false;
	x->d->status = ST_BSY;
	switch (x->way) {
	case IDE_PIO_IN:
		if (x->left) {
			take_chunk(x);
			io_want(ch, IDE_READ);
			break;
		}
		offer(ch);
		break;
	case IDE_PIO_OUT:
		if (x->left)
			take_chunk(x);
		offer(ch);
		break;
	case IDE_DMA_IN:
	case IDE_DMA_OUT:
		dma_run(ch);
		break;
	case IDE_IDLE:
		break;
	}
}

void ide_flush(struct ide_channel *ch)
{
	ch->x.fd = ch->x.d->fd;
	io_want(ch, IDE_FLUSH);
}

/* The guest has been through a block. */
static void block_done(struct ide_channel *ch)
{
	struct ide_xfer *x = &ch->x;

	if (x->pos < x->len) {
		offer(ch);
	} else if (x->left && x->way == IDE_PIO_IN) {
		take_chunk(x);
		io_want(ch, IDE_READ);
	} else if (x->left) {
		io_want(ch, IDE_WRITE);
	} else {
		xfer_end(ch, 0);
	}
}

void ide_data(struct ide_channel *ch, void *data, unsigned int len, bool out)
{
	struct ide_xfer *x = &ch->x;
	uint32_t n = 0;

	if (x->way == (out ? IDE_PIO_OUT : IDE_PIO_IN) && x->d == ch->drive[ch->selected] && x->d->status & ST_DRQ)
		n = len < x->end - x->pos ? len : x->end - x->pos;
	memcpy(out ? ch->buf + x->pos : data, out ? data : ch->buf + x->pos, n);
	if (!n)
		return;
	x->pos += n;
	if (x->pos == x->end)
		block_done(ch);
}

void ide_dma_start(struct ide_channel *ch)
{
	ch->bm_status |= BM_ACTIVE;
	if ((ch->x.way == IDE_DMA_IN || ch->x.way == IDE_DMA_OUT) && ch->x.d->status & ST_DRQ)
		dma_run(ch);
}

void ide_dma_stop(struct ide_channel *ch)
{
	bool dma = ch->x.way == IDE_DMA_IN || ch->x.way == IDE_DMA_OUT;

	ch->bm_status &= (uint8_t)~BM_ACTIVE;
	/* in the middle: what is left never comes */
	if (dma && ch->x.prd) {
		struct ide_drive *d = ch->x.d;

		ide_cancel(ch);
		d->status = ST_DRDY | ST_DSC | ST_ERR;
		d->error = ERR_ABRT;
	}
}

void ide_cancel(struct ide_channel *ch)
{
	ch->x.way = IDE_IDLE;
	ch->wanted = false;
	if (ch->io->running)
		ch->io->stale = true;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Operations of io_uring on a disk's file, see disk.h.
 *
 * Everything here runs on the queue's thread.
 */
#define _GNU_SOURCE
#include "disk.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#define BOUNCE_ALIGN	4096U
/* Bytes bounced at a time: a guest may have a thousand requests under way. Whole blocks of any disk. */
#define BOUNCE_MAX	(256U << 10)

/* --- segments --- */

void segs_take(struct segs *s, void *to, size_t len)
{
	s->len -= len;
	while (len) {
		size_t n = s->iov->iov_len < len ? s->iov->iov_len : len;

		memcpy(to, s->iov->iov_base, n);
		to = (char *)to + n;
		len -= n;
		s->iov->iov_base = (char *)s->iov->iov_base + n;
		s->iov->iov_len -= n;
		if (!s->iov->iov_len) {
			s->iov++;
			s->nr--;
		}
	}
}

/* --- data --- */

/* An operation on the file, by its fixed number */
static void file_submit(struct io_uring_sqe *sqe, void *data)
{
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, data);
}

/* One segment, which may be in a registered buffer */
static void io_prep_one(const struct vu_queue *q, const struct disk_io *io, struct io_uring_sqe *sqe, const struct iovec *v,
			uint64_t at)
{
	int file = io->disk->file, buf = vu_queue_fixed(q, v->iov_base, v->iov_len);
	unsigned int len = (unsigned int)v->iov_len;

	if (buf >= 0 && io->write)
		io_uring_prep_write_fixed(sqe, file, v->iov_base, len, at, buf);
	else if (buf >= 0)
		io_uring_prep_read_fixed(sqe, file, v->iov_base, len, at, buf);
	else if (io->write)
		io_uring_prep_write(sqe, file, v->iov_base, len, at);
	else
		io_uring_prep_read(sqe, file, v->iov_base, len, at);
}

static void io_prep(const struct vu_queue *q, const struct disk_io *io, struct io_uring_sqe *sqe)
{
	int file = io->disk->file;
	uint64_t at = io->at + io->moved;
	struct iovec *iov = &io->iov[io->first], one = *iov;
	uint32_t nr = io->nr_iov - io->first;

	if (io->bounce) {
		one = (struct iovec){ io->bounce, io->len - io->moved < BOUNCE_MAX ? io->len - io->moved : BOUNCE_MAX };
		nr = 1;
	}
	if (io->bounce && io->write)
		iov_read(io->iov, io->nr_iov, io->moved, io->bounce, one.iov_len);
	if (nr == 1)
		io_prep_one(q, io, sqe, &one, at);
	else if (io->write)
		io_uring_prep_writev(sqe, file, iov, nr, at);
	else
		io_uring_prep_readv(sqe, file, iov, nr, at);
}

static void io_submit(struct vu_queue *q, struct disk_io *io)
{
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	io_prep(q, io, sqe);
	if (io->write && io->sync)
		sqe->rw_flags = RWF_DSYNC;
	file_submit(sqe, io->data);
}

/* Less than all was moved. */
static void io_advance(struct disk_io *io, uint32_t moved)
{
	struct iovec *iov;

	io->moved += moved;
	if (io->bounce)
		return;
	for (iov = &io->iov[io->first]; moved >= iov->iov_len; iov++) {
		moved -= iov->iov_len;
		io->first++;
	}
	iov->iov_base = (char *)iov->iov_base + moved;
	iov->iov_len -= moved;
}

static void io_free(struct disk_io *io)
{
	if (io->iov != io->inner)
		free(io->iov);
	free(io->bounce);
}

/* Keep the segments, but empty ones and what lies behind the data, and bounce what the file does not take as it is. */
static int io_segments(struct disk_io *io, const struct segs *s)
{
	size_t align = 0, left = io->len, n;
	uintptr_t addr = 0;
	uint32_t i;

	io->iov = s->nr > DISK_IOV ? calloc(s->nr, sizeof(*io->iov)) : io->inner;
	if (!io->iov)
		return -ENOMEM;
	for (i = 0; i < s->nr && left; i++) {
		n = s->iov[i].iov_len < left ? s->iov[i].iov_len : left;
		if (!n)
			continue;
		addr |= (uintptr_t)s->iov[i].iov_base;
		align |= n;
		left -= n;
		io->iov[io->nr_iov++] = (struct iovec){ s->iov[i].iov_base, n };
	}
	if (!(addr & io->disk->mem_mask) && !(align & io->disk->len_mask) && io->nr_iov <= IOV_MAX)
		return 0;
	n = io->len < BOUNCE_MAX ? io->len : BOUNCE_MAX;
	io->bounce = aligned_alloc(BOUNCE_ALIGN, (n + BOUNCE_ALIGN - 1) & ~(size_t)(BOUNCE_ALIGN - 1));
	if (io->bounce)
		return 0;
	io_free(io);
	return -ENOMEM;
}

int disk_io_start(struct vu_queue *q, struct disk_io *io, const struct segs *s)
{
	int ret;

	io->moved = 0;
	io->nr_iov = 0;
	io->first = 0;
	io->bounce = NULL;
	ret = io_segments(io, s);
	if (!ret)
		io_submit(q, io);
	return ret;
}

int disk_io_done(struct vu_queue *q, struct disk_io *io, int res)
{
	bool again = res == -EAGAIN || res == -EINTR;
	bool less = res > 0 && (uint32_t)res < io->len - io->moved;

	if (res > 0 && io->bounce && !io->write)
		iov_write(io->iov, io->nr_iov, io->moved, io->bounce, (size_t)res);
	/* Nothing: the file has become shorter. */
	if (!again && !less)
		return res > 0 ? 0 : res ?: -EIO;
	if (less)
		io_advance(io, (uint32_t)res);
	io_submit(q, io);
	return 1;
}

void disk_io_end(struct disk_io *io)
{
	io_free(io);
}

/* --- the others --- */

void disk_flush(struct vu_queue *q, const struct disk *d, void *data)
{
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	io_uring_prep_fsync(sqe, d->file, IORING_FSYNC_DATASYNC);
	file_submit(sqe, data);
}

void disk_range(struct vu_queue *q, const struct disk *d, int mode, uint64_t at, uint64_t len, void *data)
{
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	io_uring_prep_fallocate(sqe, d->file, mode, (off_t)at, (off_t)len);
	file_submit(sqe, data);
}

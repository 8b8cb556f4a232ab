/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk: a file or block device, and what is read from it and written to it by io_uring.
 *
 * disk_file.c opens the file and finds out what it can do, disk_io.c reads and writes.
 */
#ifndef VHOST_USER_DISK_H
#define VHOST_USER_DISK_H

#include <stdbool.h>
#include "iov.h"
#include "queue.h"

#define SECTOR_SHIFT	9

/* Bytes of data in a request, and of a range to discard or to fill with zeroes */
#define DISK_LEN_MAX	(64U << 20)
#define DISK_RANGE_MAX	(1U << 30)

/**
 * struct disk_opts - what the command line says
 * @option: by which the file was given, for messages: "--blk-file"
 * @path: the file; or NULL, and
 * @fd: it is open already, and ours from now on with all that belongs to its open file description: flags and locks
 * @name: for messages, in place of that of the open file; or NULL
 * @late: the process is in its sandbox, where sysfs cannot be asked
 * @rdonly: nothing may change it
 * @direct: around the page cache
 * @keep: what the file has is not deallocated
 */
struct disk_opts {
	const char *option;
	const char *path;
	int fd;
	const char *name;
	bool late;
	bool rdonly;
	bool direct;
	bool keep;
};

/**
 * struct disk - an open file
 * @fd: the file
 * @file: its number among the registered files of a queue
 * @rdonly: it is, by the option or by itself
 * @size: bytes, whole blocks
 * @block: bytes of a block: what is read and written begins and ends on a multiple
 * @physical: @io_min: @io_opt: bytes that it likes better; 0 for no wish
 * @mem_mask: @len_mask: alignment of data in memory, and of the length of each segment, - 1
 * @discards: @zeroes: ranges can be discarded, and be filled with zeroes
 * @hole_zero: what was discarded reads as zeroes
 * @discard_align: bytes, of ranges that are discarded
 */
struct disk {
	int fd;
	int file;
	bool rdonly;
	uint64_t size;
	uint32_t block;
	uint32_t physical;
	uint32_t io_min;
	uint32_t io_opt;
	uint32_t mem_mask;
	uint32_t len_mask;
	bool discards;
	bool zeroes;
	bool hole_zero;
	uint32_t discard_align;
};

/** disk_open() - Return: 0, or -1 after one logged line */
int disk_open(struct disk *d, const struct disk_opts *o);

/** disk_refresh() - look for a new size. Return: whether there is one. Context: control */
bool disk_refresh(struct disk *d);

/** disk_size() - Return: @size, which may change while queues run */
static inline uint64_t disk_size(const struct disk *d)
{
	return __atomic_load_n(&d->size, __ATOMIC_RELAXED);
}

/** disk_refuse() - log "option=path: why". Return: -1 */
int disk_refuse(const struct disk_opts *o, const char *why);

/** struct segs - segments that are used up from the front */
struct segs {
	struct iovec *iov;
	uint32_t nr;
	uint64_t len;
};

/** segs_take() - copy from the front and cut it off; @s has as much */
void segs_take(struct segs *s, void *to, size_t len);

/* Segments that a transfer has room for by itself */
#define DISK_IOV 4

/**
 * struct disk_io - data on their way, private but for these; context: queue
 * @disk: @data: of the request: what io_uring's completion brings back
 * @write: @sync: a write; one that is stable when it is done
 * @at: where it begins in the file
 * @len: bytes
 */
struct disk_io {
	const struct disk *disk;
	void *data;
	bool write;
	bool sync;
	uint64_t at;
	uint32_t len;

	uint32_t moved;
	struct iovec *iov;
	uint32_t nr_iov;
	uint32_t first;
	char *bounce;
	struct iovec inner[DISK_IOV];
};

/**
 * disk_io_start() - move @io->len bytes, more than none, between the file and the front of @s. What the file
 * does not take as it is, is bounced
 *
 * Return: 0; or -ENOMEM, with nothing to be ended
 */
int disk_io_start(struct vu_queue *q, struct disk_io *io, const struct segs *s);
/**
 * disk_io_done() - an operation has ended with @res
 *
 * Return: 1 another one is under way; 0 all is moved; or a negative errno: disk_io_end() is due
 */
int disk_io_done(struct vu_queue *q, struct disk_io *io, int res);
/** disk_io_end() - let go of what it has */
void disk_io_end(struct disk_io *io);

/** disk_flush() - an operation that makes what was written stable; @data comes back */
void disk_flush(struct vu_queue *q, const struct disk *d, void *data);
/** disk_range() - an operation on a range of the file, @mode as of fallocate(); @data comes back */
void disk_range(struct vu_queue *q, const struct disk *d, int mode, uint64_t at, uint64_t len, void *data);

/* The operations of all these */
#define DISK_OPCODES \
	IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE

#endif

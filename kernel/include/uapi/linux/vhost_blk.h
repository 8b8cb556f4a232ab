/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/vhost-blk: the request queues of a virtio-blk device, on a block device or a file.
 *
 * What <linux/vhost.h> says of owner, memory table, rings and eventfds holds here. A queue runs
 * while it has a back end. The features offered are those of the ring; those of virtio-blk follow
 * from struct vhost_blk_info, and what has no place there (number of queues, say) is the VMM's.
 */
#ifndef _UAPI_LINUX_VHOST_BLK_H
#define _UAPI_LINUX_VHOST_BLK_H

#include <linux/types.h>
#include <linux/vhost.h>

/* Queues of a device: numbers 0..63 */
#define VHOST_BLK_MAX_QUEUES 64

/* Bytes of a serial number, padded with zeroes; a full one has no zero (VIRTIO_BLK_ID_BYTES) */
#define VHOST_BLK_SERIAL_LEN 20

/* No request may change the back end, whatever its file allows. */
#define VHOST_BLK_BACKEND_RDONLY 0x1
/* What is allocated stays so: DISCARD is not supported, and WRITE_ZEROES writes zeroes. */
#define VHOST_BLK_BACKEND_NO_UNMAP 0x2

/**
 * struct vhost_blk_backend - where a queue's requests go
 * @index: queue
 * @fd: of a block device or a regular file, open for reading; -1 stops the queue
 * @flags: VHOST_BLK_BACKEND_*
 * @reserved: zero
 *
 * A block device is reached below its page cache. A file is read and written as its O_DIRECT says.
 * The queue holds a reference to the open file.
 */
struct vhost_blk_backend {
	__u32 index;
	__s32 fd;
	__u32 flags;
	__u32 reserved;
};

/* A request that changes the back end fails: the file or the device is read-only. */
#define VHOST_BLK_INFO_RDONLY 0x1
/* Writes may be lost in a power cut until they were flushed. */
#define VHOST_BLK_INFO_VOLATILE 0x2
/* A block device, not a file */
#define VHOST_BLK_INFO_BLOCK_DEVICE 0x4
#define VHOST_BLK_INFO_ROTATIONAL 0x8

/**
 * struct vhost_blk_info - what a VMM fills the virtio configuration space from
 * @size: in: bytes that the caller knows of this structure; out: that the kernel knows. The smaller
 *	of both is written. New members come at the end.
 * @fd: in: as in &struct vhost_blk_backend; it need not be in use
 * @capacity: in sectors of 512 bytes, now
 * @flags: VHOST_BLK_INFO_*
 * @logical_block_size: bytes; each request begins and ends on a multiple
 * @physical_block_size: bytes
 * @alignment_offset: bytes to the first aligned logical block
 * @io_min: bytes, the smallest request that is not inefficient
 * @io_opt: bytes, the best size, 0 unknown
 * @seg_max: segments of a request that go in one piece, data only
 * @size_max: bytes of a segment, 0 unlimited
 * @max_sectors: sectors of a request that go in one piece; larger ones are split
 * @max_discard_sectors: of one range, 0: DISCARD is not supported
 * @max_discard_seg: ranges in one request
 * @discard_sector_alignment: sectors
 * @max_write_zeroes_sectors: of one range, 0: WRITE_ZEROES is not supported
 * @max_write_zeroes_seg: ranges in one request
 * @write_zeroes_may_unmap: 1 if the unmap flag deallocates
 * @max_secure_erase_sectors: of one range, 0: SECURE_ERASE is not supported
 * @max_secure_erase_seg: ranges in one request
 * @secure_erase_sector_alignment: sectors
 */
struct vhost_blk_info {
	__u32 size;
	__s32 fd;
	__u64 capacity;
	__u32 flags;
	__u32 logical_block_size;
	__u32 physical_block_size;
	__u32 alignment_offset;
	__u32 io_min;
	__u32 io_opt;
	__u32 seg_max;
	__u32 size_max;
	__u32 max_sectors;
	__u32 max_discard_sectors;
	__u32 max_discard_seg;
	__u32 discard_sector_alignment;
	__u32 max_write_zeroes_sectors;
	__u32 max_write_zeroes_seg;
	__u32 write_zeroes_may_unmap;
	__u32 max_secure_erase_sectors;
	__u32 max_secure_erase_seg;
	__u32 secure_erase_sector_alignment;
};

/* The least @size */
#define VHOST_BLK_INFO_SIZE_V1 88

/**
 * struct vhost_blk_stats - what a queue has done since it was first given a back end
 * @size: as in &struct vhost_blk_info
 * @index: in: queue
 * @inflight: requests popped and not yet completed
 * @last_errno: of the back end, positive; 0 none so far
 * @last_error_sector: where the request began that failed with it
 * @reads: requests completed, good and bad, of type IN
 * @writes: OUT
 * @flushes: FLUSH
 * @discards: DISCARD and SECURE_ERASE
 * @write_zeroes: WRITE_ZEROES
 * @others: GET_ID, and types that are unknown
 * @read_bytes: that requests of type IN delivered
 * @write_bytes: that requests of type OUT wrote
 * @errors: requests that failed (VIRTIO_BLK_S_IOERR)
 * @unsupported: requests that were refused (VIRTIO_BLK_S_UNSUPP)
 * @bounced: requests whose data had to be copied: alignment
 * @offloaded: requests that were handed to a helper thread: they would have blocked
 */
struct vhost_blk_stats {
	__u32 size;
	__u32 index;
	__u32 inflight;
	__u32 last_errno;
	__u64 last_error_sector;
	__u64 reads;
	__u64 writes;
	__u64 flushes;
	__u64 discards;
	__u64 write_zeroes;
	__u64 others;
	__u64 read_bytes;
	__u64 write_bytes;
	__u64 errors;
	__u64 unsupported;
	__u64 bounced;
	__u64 offloaded;
};

/* The least @size */
#define VHOST_BLK_STATS_SIZE_V1 120

/*
 * Give a queue a back end, another one, or none. An old one is drained first: what was popped is
 * completed, nothing more is popped; so that VHOST_GET_VRING_BASE says where the next device has to
 * begin. A driver's reset and a queue's reset come here too. VHOST_GET_VRING_BASE of a queue that
 * runs waits for what was popped, too. A new back end waits until requests of an owner who was
 * killed have ended there.
 * EPERM: not the owner; ENOBUFS: no such queue; EINVAL: flags, or neither a block device nor a
 * file, or O_APPEND; EBADF: no such fd, or not readable; EOPNOTSUPP: a zoned device, or a file that
 * cannot be read and written by iterators; EFAULT: no memory table or no ring; EINTR: a signal came
 * while it waited; the queue runs on; ENOMEM.
 */
#define VHOST_BLK_SET_BACKEND _IOW(VHOST_VIRTIO, 0xe0, struct vhost_blk_backend)

/* What GET_ID answers, zeroes to begin with; before queues run. EPERM: not the owner. */
#define VHOST_BLK_SET_SERIAL _IOW(VHOST_VIRTIO, 0xe1, __u8[VHOST_BLK_SERIAL_LEN])

/*
 * 1 (to begin with): writes may rest in a volatile cache until FLUSH. 0: each is stable when it
 * completes. For the writeback field of the configuration space; any time; it does not wait for
 * a queue that drains. Holds for requests that complete afterwards: those before become stable by
 * an fsync() of the back end. EPERM; EINVAL; EFAULT.
 */
#define VHOST_BLK_SET_WRITEBACK _IOW(VHOST_VIRTIO, 0xe2, __u32)

/*
 * Ask about a back end; again after it was resized: the bounds that requests are held to are those
 * of the moment. EFAULT; EINVAL, EBADF, EOPNOTSUPP as for VHOST_BLK_SET_BACKEND, EINVAL also: size
 * is too small.
 */
#define VHOST_BLK_GET_INFO _IO(VHOST_VIRTIO, 0xe3)

/* Counters of a queue, for whoever has the device file. EFAULT; EINVAL: size; ENOBUFS. */
#define VHOST_BLK_GET_STATS _IO(VHOST_VIRTIO, 0xe4)

#endif /* _UAPI_LINUX_VHOST_BLK_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vhost_blk.ko: request queues on a block device or a file.
 *
 * The worker of a queue pops requests, pins the pages of their data and hands them to the back end:
 * a bio for a block device, a kiocb for a file. When it is done, the worker unpins, writes the
 * status and publishes (see vhost/async.h). The worker waits for no back end: what would block goes
 * to a helper thread.
 *
 * A queue and its back end are tied by a struct blk_chan, which owns the requests. It outlives the
 * queue while the back end is still at work on one: nobody waits for a device that hangs, but an
 * owner who asks for a drain.
 */
#ifndef VHOST_BLK_BLK_H
#define VHOST_BLK_BLK_H

#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/sizes.h>
#include <linux/vhost_blk.h>
#include <linux/workqueue.h>
#include <vhost/async.h>
#include <vhost/core.h>
#include <vhost/data.h>

#define BLK_FLAGS (VHOST_BLK_BACKEND_RDONLY | VHOST_BLK_BACKEND_NO_UNMAP)

/* Requests completed at once */
#define BLK_BATCH 64
/* And popped: the driver hears of those while the worker is at the next. */
#define BLK_POP 16

/* No driver that heeds the limits comes near. */
#define BLK_LEN_MAX SZ_64M

/* Sectors of a range: 4 GiB */
#define BLK_RANGE_MAX (SZ_4G >> SECTOR_SHIFT)

/* Ranges of a DISCARD or WRITE_ZEROES request */
#define BLK_RANGES_MAX 256

/* Segments of a request, at most, that a ring can take with all that comes before and behind */
#define BLK_SEG_MAX 1000

/* Requests of one queue that may wait in helper threads at a time */
#define BLK_HELPERS 8

enum blk_op {
	BLK_IN,
	BLK_OUT,
	BLK_FLUSH,
	BLK_DISCARD,
	BLK_SECURE_ERASE,
	BLK_WRITE_ZEROES,
	BLK_OTHER,
};

/* struct blk_range - of a DISCARD, SECURE_ERASE or WRITE_ZEROES, in sectors */
struct blk_range {
	u64 sector;
	u32 nr;
	bool unmap;
};

enum {
	BLK_SETTLE_PAGES = 1,	/* drop pages of the page cache */
	BLK_SETTLE_SYNC = 2,	/* make it stable */
};

/**
 * struct blk_req - one request
 * @bio: as the block device sees it
 * @iocb: as the file does
 * @chan: owns it
 * @done: place in vhc_async.done, or in blk_chan.free
 * @node: place in blk_chan.popped
 * @elem: the buffer, to be completed
 * @op: what is asked for
 * @ordered: IN_ORDER: completed after those popped before it
 * @published: of such: finished, but an older one is not
 * @settle: BLK_SETTLE_*, what was left to do when the back end was done with it
 * @stable: must not rest in a volatile cache when it completes
 * @error: how it ended: 0, or a negative errno; EOPNOTSUPP is VIRTIO_BLK_S_UNSUPP
 * @len: bytes of data
 * @moved: bytes of them that the file took or gave so far
 * @sector: where
 * @status: the driver's status byte
 * @mem_seq: vhc_vq.mem_seq at the time it was popped
 * @data: what is read or written
 * @ranges: of sectors
 * @nr_ranges: how many
 * @work: runs in a helper thread what would block
 */
struct blk_req {
	union {
		struct bio bio;
		struct kiocb iocb;
	};
	struct blk_chan *chan;
	struct llist_node done;
	struct list_head node;
	struct vring_elem elem;
	u8 op;
	bool ordered;
	bool published;
	u8 settle;
	bool stable;
	int error;
	u32 len;
	u32 moved;
	u64 sector;
	u8 __user *status;
	u32 mem_seq;
	struct vhc_data data;
	struct blk_range *ranges;
	u32 nr_ranges;
	struct work_struct work;
};

/**
 * struct blk_chan - a queue on its back end
 * @async: the core's part
 * @file: the back end, referenced
 * @bdev: the block device that it is, NULL for a regular file
 * @rdonly: no request may change it, whatever the device allows
 * @no_unmap: none may deallocate
 * @direct: the file is open with O_DIRECT
 * @addr_mask: bits that are zero in the address of a segment that suits the back end
 * @len_mask: the same for its length
 * @block_mask: the same for the place and length of a request
 * @helpers: threads for what blocks
 * @cred: the owner's, in whose name they work
 * @memcg: his, for what they allocate
 * @blkcg: his, for what they submit
 * @req: all requests
 * @nr_req: how many
 * @bytes: in the buffers of requests in flight; the count of these is the reaper's, once orphaned
 * @orphan: place among the orphans, once it is one
 * @free: requests that are not in flight
 * @popped: those that are and have to keep their order, in that order
 * @out: requests about to be completed
 */
struct blk_chan {
	struct vhc_async async;
	struct file *file;
	struct block_device *bdev;
	bool rdonly;
	bool no_unmap;
	bool direct;
	u32 addr_mask;
	u32 len_mask;
	u32 block_mask;
	struct workqueue_struct *helpers;
	const struct cred *cred;
	struct mem_cgroup *memcg;
	struct cgroup_subsys_state *blkcg;
	struct blk_req *req;
	u32 nr_req;
	u64 bytes;
	struct list_head orphan;
	struct llist_node *free;
	struct list_head popped;
	struct vring_elem out[BLK_BATCH];
};

/**
 * struct blk_vq - one queue
 * @vq: backend is the async part of a struct blk_chan
 * @stats: see struct vhost_blk_stats; written under the vq mutex
 * @offloaded: belongs to @stats, but is counted in any context
 */
struct blk_vq {
	struct vhc_vq vq;
	struct vhost_blk_stats stats;
	atomic64_t offloaded;
};

/**
 * struct vhost_blk - an open device
 * @dev: the core's part
 * @vqs: for it
 * @serial: what GET_ID answers; dev.mutex, read without
 * @writeback: see VHOST_BLK_SET_WRITEBACK; no lock
 * @bq: queues
 */
struct vhost_blk {
	struct vhc_dev dev;
	struct vhc_vq *vqs[VHOST_BLK_MAX_QUEUES];
	u8 serial[VHOST_BLK_SERIAL_LEN];
	bool writeback;
	struct blk_vq *bq[VHOST_BLK_MAX_QUEUES];
};

static inline struct blk_vq *to_blk_vq(struct vhc_vq *vq)
{
	return container_of(vq, struct blk_vq, vq);
}

static inline struct blk_chan *to_chan(struct vhc_async *a)
{
	return container_of(a, struct blk_chan, async);
}

static inline struct vhost_blk *to_blk(const struct blk_vq *bq)
{
	return container_of(bq->vq.dev, struct vhost_blk, dev);
}

/* req.c: what the worker does */
extern const struct vhc_vq_ops blk_vq_ops;
extern const struct vhc_async_ops blk_async_ops;
void blk_req_end(struct blk_req *req, int error);
void blk_req_offload(struct blk_req *req);
bool blk_req_unsettled(struct blk_req *req, bool stable);

/* chan.c: tie and untie */
struct blk_chan *blk_chan_open(struct file *file, u32 flags, u32 nr_req);
void blk_chan_close(struct blk_chan **chan, u32 nr);
int blk_chan_wait_orphans(const struct file *file);
bool blk_chan_is_orphan(const struct blk_chan *chan);
void blk_chan_orphan(struct vhc_async *a, struct llist_node *node);
void blk_chan_exit(void);

/* bdev.c, file.c: back ends. rw: the worker; help: a helper thread. All end in blk_req_end(). */
void blk_bdev_rw(struct blk_req *req);
void blk_bdev_help(struct blk_req *req);
void blk_bdev_invalidate(const struct blk_req *req);
int blk_bdev_init(void);
void blk_bdev_exit(void);
void blk_file_rw(struct blk_req *req);
void blk_file_help(struct blk_req *req);

/* info.c */
int blk_file_check(struct file *file);
u64 blk_file_capacity(const struct file *file);
u32 blk_file_block_size(const struct file *file);
bool blk_is_rdonly(const struct file *file, bool rdonly);
long blk_get_info(struct vhost_blk_info __user *argp);

static inline struct block_device *blk_file_bdev(const struct file *file)
{
	return S_ISBLK(file_inode(file)->i_mode) ? I_BDEV(file->f_mapping->host) : NULL;
}

#endif

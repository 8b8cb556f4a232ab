/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a vhost driver builds on: devices, queues, their worker, and the ring.
 *
 * A driver embeds struct vhc_dev and its struct vhc_vq in its own state, fills struct vhc_dev_ops
 * and adds the one ioctl that attaches its back end. Everything else about the life of a device
 * (owner, memory table, eventfds, ring set-up) is vhc_ioctl(). Kernel names begin with vhc_, so
 * that this core and the stock vhost.ko can be loaded side by side.
 *
 * Contexts
 *   configuration	process context, vhc_dev.mutex held; takes vhc_vq.mutex of one queue at a
 *			time
 *   worker		vhc_vq_ops.handle, vhc_vq.mutex held, in the owner's address space; may
 *			sleep
 *   wake-up		wait-queue callbacks of eventfds and sockets: any context, interrupts off,
 *			wait queue locked. They queue work and do nothing else; in particular they
 *			never signal an eventfd.
 * Lock order: vhc_dev.mutex, worker mutex, vhc_vq.mutex, wait queues.
 */
#ifndef VHOST_CORE_H
#define VHOST_CORE_H

#include <linux/bits.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/types.h>
#include <linux/uio.h>
#include <linux/vhost_shunt.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include <ring/vring.h>

struct dentry;
struct eventfd_ctx;
struct file;
struct mm_struct;
struct iov_iter;
struct vhc_dev;
struct vhc_iotlb;
struct vhc_mem;
struct vhc_vq;
struct vhc_worker;

/* What every driver on this core offers. */
#define VHC_FEATURES (BIT_ULL(VIRTIO_F_NOTIFY_ON_EMPTY) |	\
		      BIT_ULL(VHOST_F_LOG_ALL) |		\
		      BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |	\
		      BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |	\
		      BIT_ULL(VIRTIO_F_ANY_LAYOUT) |		\
		      BIT_ULL(VIRTIO_F_VERSION_1) |		\
		      BIT_ULL(VIRTIO_F_RING_PACKED))

/* What the layout of a ring follows from. Neither changes while any queue runs. */
#define VHC_LAYOUT_FEATURES (BIT_ULL(VIRTIO_F_RING_PACKED) | BIT_ULL(VIRTIO_F_IN_ORDER))

/* Messages about the IOTLB, for drivers that offer VIRTIO_F_ACCESS_PLATFORM. */
#define VHC_BACKEND_FEATURES (BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2) |	\
			      BIT_ULL(VHOST_BACKEND_F_IOTLB_BATCH))

/**
 * struct vhc_work - something a worker is to run once
 * @node: place in the worker's list
 * @flags: bit 0 is set while queued
 * @fn: called by @worker; the work may be queued again from then on
 */
struct vhc_work {
	struct llist_node node;
	unsigned long flags;
	void (*fn)(struct vhc_work *work, struct vhc_worker *worker);
};

/**
 * struct vhc_poll - queues a queue's work whenever a file becomes ready
 * @pt: hands us the file's wait queue
 * @wait: our entry there
 * @wqh: the wait queue, NULL while not polling; protected by the vq mutex
 * @armed: wake-ups queue the work; written under the vq mutex, read by wake-ups
 * @mask: EPOLL events of interest
 * @vq: whose work to queue
 *
 * The file must outlive the polling: the caller of vhc_poll_start() holds a reference until after
 * vhc_poll_stop().
 */
struct vhc_poll {
	poll_table pt;
	wait_queue_entry_t wait;
	wait_queue_head_t *wqh;
	bool armed;
	__poll_t mask;
	struct vhc_vq *vq;
};

/**
 * struct vhc_busy - busy polling of a queue; protected by the vq mutex
 * @timeout_us: poll for at most so long, as the ioctl said; 0 when it did not
 * @linger_us: otherwise for so long, while the worker has its processor for itself; 0 never
 * @most_ns: the one of the two that counts
 * @budget_ns: how long the next time, adapted
 * @idle_since: when the queue had nothing to do, 0 if it has
 * @until: when this poll ends
 * @ready: is there work?
 * @polled: the worker calls @ready
 * @holds: that is for the sake of &struct vhc_hold alone
 * @spent: the handler runs once more before the worker sleeps
 */
struct vhc_busy {
	u32 timeout_us;
	u32 linger_us;
	bool polled;
	bool holds;
	bool spent;
	u64 most_ns;
	u64 budget_ns;
	u64 idle_since;
	u64 until;
	bool (*ready)(struct vhc_vq *vq);
};

/**
 * struct vhc_hold - signals that wait for more to say; protected by the vq mutex
 * @published: buffers that the driver was not told of
 * @aim: tell it of so many, in 64ths
 * @limit: more than these did not come once, 0 unknown
 * @several: since the last signal, more than one buffer was seen at work at a time
 * @idle: how often the back end had nothing to do when buffers came
 * @batch: how many came the last time
 * @arrived: when the last buffers came
 * @gap_ns: mean time from one to the next while the driver does not wait for us
 */
struct vhc_hold {
	u32 published;
	u32 aim;
	u32 limit;
	bool several;
	u8 idle;
	u32 batch;
	u64 arrived;
	u64 gap_ns;
};

/**
 * struct vhc_vq_ops - what makes a queue the driver's
 * @handle: serve the queue. Worker context; the vq mutex is held, a back end is set and the ring
 *	is not broken. Runs after a kick, after a poller fired, after vhc_vq_queue().
 * @reap: let go of what is finished in a queue whose ring is broken. As @handle, and runs for the
 *	same reasons. NULL for drivers that keep nothing when @handle has returned.
 * @max_elem: buffers taken from the ring at once, 1..1024
 * @name: for people
 */
struct vhc_vq_ops {
	void (*handle)(struct vhc_vq *vq);
	void (*reap)(struct vhc_vq *vq);
	u16 max_elem;
	const char *name;
};

/**
 * struct vhc_ring_addr - a ring's addresses as SET_VRING_ADDR gave them
 * @desc: descriptor table
 * @avail: avail ring
 * @used: used ring
 *
 * User addresses, or I/O addresses with VIRTIO_F_ACCESS_PLATFORM.
 */
struct vhc_ring_addr {
	u64 desc;
	u64 avail;
	u64 used;
};

/**
 * struct vhc_miss - the translation that a queue waits for; protected by vhc_dev.miss_lock
 * @iova: I/O address
 * @perm: VRING_PERM_* wanted
 * @state: how far the question got
 */
struct vhc_miss {
	u64 iova;
	u8 perm;
	u8 state;
};

/**
 * struct vhc_log - where writes to guest memory are noted
 * @base: bitmap in the owner's address space, a bit for each %VHOST_PAGE_SIZE bytes
 * @used_gpa: guest address of the used ring
 * @ctx: eventfd to signal after bits were set, may be NULL; referenced by the device
 * @data: writes to buffers are noted (%VHOST_F_LOG_ALL)
 * @ring: writes to the ring are (%VHOST_VRING_F_LOG)
 */
struct vhc_log {
	void __user *base;
	u64 used_gpa;
	struct eventfd_ctx *ctx;
	bool data;
	bool ring;
};

/**
 * struct vhc_vq_stats - see struct vhost_shunt_vq_stats; written under the vq mutex, by vhc_count()
 */
struct vhc_vq_stats {
	u64 signals;
	u64 suppressed;
	u64 batches;
	u64 elements;
	u64 packets;
	u64 bytes;
	u64 poll_hits;
	u64 poll_misses;
	u64 errors;
};

/* One writer at a time; readers take no lock. */
static inline void vhc_count(u64 *counter, u64 n)
{
	WRITE_ONCE(*counter, *counter + n);
}

/**
 * struct vhc_vq - one queue
 * @dev: the device it belongs to
 * @ops: the driver's half
 * @index: place in vhc_dev.vqs
 * @mutex: serializes the worker and configuration, and protects all that follows, unless said
 *	otherwise
 * @ring: the engine; @ring.num, addresses and cursor are set by ioctls
 * @mem: guest memory, NULL before SET_MEM_TABLE; owned by the device
 * @mem_seq: changes with @mem
 * @iotlb: I/O translations, NULL without VIRTIO_F_ACCESS_PLATFORM; owned by the device
 * @map: what the engine translates by: @iotlb or @mem
 * @addr: where the ring is
 * @ring_mapped: @ring leads where @iotlb says that @addr is
 * @ring_pages: where the pages of the ring are, if @ring uses that
 * @ring_page: room for @ring_pages
 * @ring_room: its size
 * @miss: the I/O address that the queue waits for
 * @features: as acknowledged by SET_FEATURES
 * @backend: the driver's; the queue runs while it is not NULL, see vhc_vq_start()
 * @broken: the ring is malformed; nothing runs until the next vhc_vq_start()
 * @batch: buffers popped by vhc_vq_pop(); room is there since the first vhc_vq_start()
 * @log: the dirty log
 * @kick_file: eventfd that the driver of the ring writes, referenced
 * @kick: polls @kick_file
 * @call: eventfd to signal for used buffers, may be NULL
 * @err: eventfd to signal once when the ring breaks, may be NULL
 * @busy: busy polling
 * @hold: signals held back
 * @stats: counters
 * @work: runs ops->handle
 * @worker: who runs @work; RCU, changed under dev->mutex or when the worker is killed
 * @kicks: counted by wake-ups, which hold the lock of the wait queue
 *
 * What wake-ups write is not in the cache lines that the worker writes.
 */
struct vhc_vq {
	struct vhc_dev *dev;
	const struct vhc_vq_ops *ops;
	u32 index;

	struct mutex mutex; /* worker against configuration */
	struct vring_engine ring;
	const struct vhc_mem *mem;
	u32 mem_seq;
	const struct vhc_iotlb *iotlb;
	const struct vring_mem *map;
	struct vhc_ring_addr addr;
	bool ring_mapped;
	struct vring_pages ring_pages;
	void __user **ring_page;
	u32 ring_room;
	struct vhc_miss miss;
	u64 features;
	void *backend;
	bool broken;
	struct vring_batch batch;
	struct vhc_log log;

	struct file *kick_file;
	struct vhc_poll kick;
	struct eventfd_ctx *call;
	struct eventfd_ctx *err;
	struct vhc_busy busy;
	struct vhc_hold hold;
	struct vhc_vq_stats stats;

	struct vhc_work work ____cacheline_aligned_in_smp;
	struct vhc_worker __rcu *worker;
	u64 kicks;
} ____cacheline_aligned_in_smp;

/**
 * struct vhc_dev_ops - what makes a device the driver's; called in configuration context
 * @features: bits offered, %VHC_FEATURES and the driver's own
 * @check_features: may the device have these, of those offered, now? Return: 0, or a negative
 *	errno. May be NULL.
 * @set_features: the vq mutex is held; @vq->features is new. May be NULL.
 * @stop: stop every queue, vhc_dev_flush(), drop the back ends and forget what @set_features
 *	derived: the device is about to lose its owner, if it had one
 */
struct vhc_dev_ops {
	u64 features;
	int (*check_features)(struct vhc_dev *dev, u64 features);
	void (*set_features)(struct vhc_vq *vq);
	void (*stop)(struct vhc_dev *dev);
};

/**
 * struct vhc_dev - one open device file
 * @ops: the driver's half
 * @vqs: its queues
 * @nvqs: how many
 * @mutex: serializes configuration, protects all below
 * @mm: address space of the owner; NULL without one. Only its identity is held (mmgrab), not its
 *	pages: those are kept by the worker where it is not a thread of the owner.
 * @mem: guest memory, shared by all queues
 * @log_ctx: eventfd of the dirty log, may be NULL
 * @iotlb: I/O translations, NULL without VIRTIO_F_ACCESS_PLATFORM
 * @iotlb_batch: between VHOST_IOTLB_BATCH_BEGIN and _END
 * @backend_features: as set by SET_BACKEND_FEATURES
 * @miss_lock: protects the misses of all queues; nothing else is locked inside
 * @miss_wait: readers of the device file
 * @workers: by number; they run the work of the queues
 * @fork_owner: workers are threads of the owner, not of the kernel
 * @owner: process that owns the device
 * @id: number among the devices with an owner, -1 without one
 * @debugfs: its folder
 */
struct vhc_dev {
	const struct vhc_dev_ops *ops;
	struct vhc_vq **vqs;
	u32 nvqs;

	struct mutex mutex; /* configuration against configuration */
	struct mm_struct *mm;
	struct vhc_mem *mem;
	struct eventfd_ctx *log_ctx;
	struct vhc_iotlb *iotlb;
	bool iotlb_batch;
	u64 backend_features;
	spinlock_t miss_lock; /* misses: workers against readers and writers */
	wait_queue_head_t miss_wait;
	struct xarray workers;
	bool fork_owner;
	pid_t owner;
	int id;
	struct dentry *debugfs;
};

/**
 * vhc_dev_init() - prepare a device, in its open()
 * @dev: zeroed
 * @ops: lives as long as the driver's module
 * @vqs: zeroed queues, ops set; the array lives until vhc_dev_release()
 * @nvqs: how many
 */
void vhc_dev_init(struct vhc_dev *dev, const struct vhc_dev_ops *ops, struct vhc_vq **vqs,
		  u32 nvqs);

/**
 * vhc_dev_release() - end a device, in its release()
 * @dev: initialized; afterwards nothing runs and nothing refers to it
 *
 * Takes dev->mutex. Waits for the worker to finish what it runs, never for a peer.
 */
void vhc_dev_release(struct vhc_dev *dev);

/**
 * vhc_dev_flush() - wait until the workers have run all that is queued now
 * @dev: dev->mutex is held, no vq mutex is
 *
 * Returns at once when they were killed: then nothing runs any more.
 */
void vhc_dev_flush(struct vhc_dev *dev);

/**
 * vhc_dev_check_owner() - may current configure this device?
 * @dev: dev->mutex is held
 *
 * Return: 0, or -EPERM
 */
int vhc_dev_check_owner(struct vhc_dev *dev);

/**
 * vhc_ioctl() - all of the vhost ioctls that are not the driver's own
 * @dev: dev->mutex is not held
 * @cmd: VHOST_*
 * @arg: user address
 *
 * Return: as the stock module; -ENOIOCTLCMD for an unknown @cmd
 */
long vhc_ioctl(struct vhc_dev *dev, unsigned int cmd, unsigned long arg);

/* vhc_ioctl_locked() - vhc_ioctl() for who holds dev->mutex */
long vhc_ioctl_locked(struct vhc_dev *dev, unsigned int cmd, unsigned long arg);

/**
 * vhc_iotlb_read() - a driver's read(): which I/O addresses lack a translation
 * @dev: nothing is held
 * @to: user memory
 * @noblock: O_NONBLOCK
 *
 * Return: bytes, 0 when @to has no room for a message, -EAGAIN, -ERESTARTSYS, -EFAULT, -EBADFD when
 * there is no IOTLB
 */
ssize_t vhc_iotlb_read(struct vhc_dev *dev, struct iov_iter *to, bool noblock);

/**
 * vhc_iotlb_write() - a driver's write(): one message about translations
 * @dev: nothing is held
 * @from: user memory
 *
 * Return: bytes; -EINVAL no message, or one that names no address; -EPERM; -EFAULT anything else
 */
ssize_t vhc_iotlb_write(struct vhc_dev *dev, struct iov_iter *from);

/**
 * vhc_iotlb_poll() - a driver's poll(): is there something to read?
 * @dev: nothing is held
 * @file: the device file
 * @pt: from poll()
 */
__poll_t vhc_iotlb_poll(struct vhc_dev *dev, struct file *file, poll_table *pt);

/**
 * vhc_vq_has_feature() - was this feature acknowledged?
 * @vq: mutex held
 * @bit: number
 */
static inline bool vhc_vq_has_feature(const struct vhc_vq *vq, unsigned int bit)
{
	return vq->features & BIT_ULL(bit);
}

/**
 * vhc_vq_ready() - can this ring be started?
 * @vq: mutex held
 *
 * Return: true when there is a memory table, and it, the ring and what the dirty log needs are
 * addresses of user space
 */
bool vhc_vq_ready(const struct vhc_vq *vq);

/**
 * vhc_vq_start() - run a queue on a back end
 * @vq: mutex held, vhc_vq_ready(), in the owner's address space
 * @backend: not NULL
 *
 * Takes up the used ring where its index stands, forgets an earlier error and queues the work
 * once, for buffers whose kick was not seen.
 * Return: 0; or -ENOMEM, -EFAULT, or -EINVAL for a place that a packed ring does not have: the
 * queue is as it was, and runs on if it did
 */
int vhc_vq_start(struct vhc_vq *vq, void *backend);

/**
 * vhc_vq_stop() - stop a queue
 * @vq: mutex held. A handler that runs has finished before the caller got the mutex.
 *
 * What was published is signalled.
 * Return: the back end it had, which is the caller's to drop
 */
void *vhc_vq_stop(struct vhc_vq *vq);

/**
 * vhc_vq_queue() - have the worker serve a queue
 * @vq: any context; does nothing without a worker
 */
void vhc_vq_queue(struct vhc_vq *vq);

/**
 * vhc_vq_pop() - take a batch of buffers into vq->batch
 * @vq: mutex held, worker context
 * @max_elem: at most this many, 1..ops->max_elem
 *
 * Return: how many, 0 when the ring is empty, negative when it is broken or waits for an I/O
 * translation: the handler returns
 */
int vhc_vq_pop(struct vhc_vq *vq, u16 max_elem);

/**
 * vhc_vq_drained() - was every buffer popped that was there when the ring was last looked at?
 * @vq: mutex held, worker context
 */
static inline bool vhc_vq_drained(const struct vhc_vq *vq)
{
	return vq->ring.pos.avail == vq->ring.avail_seen;
}

/**
 * vhc_vq_rewind() - give back popped buffers
 * @vq: mutex held, worker context
 * @e: the first one of vq->batch to give back; those after it go too
 */
void vhc_vq_rewind(struct vhc_vq *vq, const struct vring_elem *e);

/**
 * vhc_vq_count() - what was moved, before vhc_vq_complete()
 * @vq: mutex held, worker context
 * @packets: how many
 * @bytes: in the buffers, headers included
 */
static inline void vhc_vq_count(struct vhc_vq *vq, u32 packets, u64 bytes)
{
	vhc_count(&vq->stats.packets, packets);
	vhc_count(&vq->stats.bytes, bytes);
}

/**
 * vhc_vq_complete() - publish buffers, and signal the call eventfd if the driver wants it
 * @vq: mutex held, worker context
 * @e: the buffers, as popped but for the length that was written
 * @n: how many, 0 is fine
 *
 * Return: 0, negative when the ring is broken
 */
int vhc_vq_complete(struct vhc_vq *vq, const struct vring_elem *e, u32 n);

/**
 * vhc_vq_publish() - vhc_vq_complete() without the signal
 * @vq: mutex held, worker context
 * @e: as there
 * @n: as there
 *
 * vhc_vq_signal(), vhc_vq_stop() or vhc_vq_break() follows.
 * Return: 0, negative when the ring is broken
 */
int vhc_vq_publish(struct vhc_vq *vq, const struct vring_elem *e, u32 n);

/**
 * vhc_vq_signal() - signal the call eventfd if the driver wants it
 * @vq: mutex held, worker context; does nothing when it was told of all
 *
 * Return: 0, negative when the ring is broken
 */
int vhc_vq_signal(struct vhc_vq *vq);

/**
 * vhc_vq_is_guest() - is this still memory of the guest?
 * @vq: mutex held; has a memory table
 * @addr: in the owner's address space, from a buffer that was popped
 * @len: bytes
 *
 * For drivers that keep buffers after the handler has returned: the owner may use the memory for
 * something else when it has taken it out of the table, and vhc_vq.mem_seq has changed.
 */
bool vhc_vq_is_guest(const struct vhc_vq *vq, const void __user *addr, size_t len);

void vhc_log_data(const struct vhc_vq *vq, const struct iovec *iov, u32 nr, size_t len);
void vhc_log_batch(const struct vhc_vq *vq, u32 n);

/**
 * vhc_vq_log_data() - note in the dirty log what was written to guest memory
 * @vq: mutex held, worker context
 * @iov: iovecs of vq->batch that were written
 * @nr: how many
 * @len: bytes that were written into them, or may have been
 */
static inline void vhc_vq_log_data(const struct vhc_vq *vq, const struct iovec *iov, u32 nr,
				   size_t len)
{
	if (unlikely(vq->log.data))
		vhc_log_data(vq, iov, nr, len);
}

/**
 * vhc_vq_log_batch() - note in the dirty log what was written into a batch
 * @vq: mutex held, worker context; the length that was written stands in each of vq->batch.elem
 * @n: how many elements
 */
static inline void vhc_vq_log_batch(const struct vhc_vq *vq, u32 n)
{
	if (unlikely(vq->log.data) && n)
		vhc_log_batch(vq, n);
}

int vhc_vq_write_kicks_off(struct vhc_vq *vq);

/**
 * vhc_vq_kicks_off() - no kicks are wanted while the handler runs
 * @vq: mutex held, worker context
 *
 * Return: 0, negative when the ring is broken
 */
static inline int vhc_vq_kicks_off(struct vhc_vq *vq)
{
	/* With EVENT_IDX there is nothing to write. */
	return vq->ring.event_idx ? 0 : vhc_vq_write_kicks_off(vq);
}

/**
 * vhc_vq_kicks_on() - a kick is wanted for the next buffer
 * @vq: mutex held, worker context, every buffer seen was popped
 *
 * Return: 1 when buffers came meanwhile and the handler must go on, 0 when it may return,
 * negative when the ring is broken
 */
int vhc_vq_kicks_on(struct vhc_vq *vq);

bool vhc_vq_begin_poll(struct vhc_vq *vq, bool (*ready)(struct vhc_vq *vq));

/**
 * vhc_vq_poll() - nothing to do: shall the worker look for work instead of sleeping?
 * @vq: mutex held, worker context
 * @ready: is there work now? Worker context; the vq mutex is held. May fault, must not wait.
 *
 * Return: true when the handler returns and leaves notifications off; it is called again when
 * @ready said yes, or no for too long
 */
static inline bool vhc_vq_poll(struct vhc_vq *vq, bool (*ready)(struct vhc_vq *vq))
{
	return vq->busy.most_ns && vhc_vq_begin_poll(vq, ready);
}

/**
 * vhc_vq_linger() - the worker waits a moment for more before it sleeps
 * @vq: mutex held
 * @us: at most; 0 to leave it
 *
 * That is busy polling for whoever did not ask for any. It uses only time that nobody else wants.
 */
void vhc_vq_linger(struct vhc_vq *vq, u32 us);

bool vhc_vq_has_work(struct vhc_vq *vq);

/**
 * vhc_vq_idle() - the ring is empty
 * @vq: mutex held, worker context, every buffer was popped, and none given back
 *
 * Return: as vhc_vq_kicks_on(); but kicks may stay off while the worker polls the ring
 */
static inline int vhc_vq_idle(struct vhc_vq *vq)
{
	return vhc_vq_poll(vq, vhc_vq_has_work) ? 0 : vhc_vq_kicks_on(vq);
}

/**
 * vhc_vq_break() - the ring is malformed: stop it, say so once
 * @vq: mutex held, worker context
 * @why: one line for the log
 *
 * Signals the err eventfd. The queue stays stopped until the next vhc_vq_start().
 */
void vhc_vq_break(struct vhc_vq *vq, const char *why);

/**
 * vhc_poll_init() - prepare a poller
 * @poll: zeroed
 * @vq: whose work to queue
 * @mask: EPOLLIN, EPOLLOUT
 */
void vhc_poll_init(struct vhc_poll *poll, struct vhc_vq *vq, __poll_t mask);

/**
 * vhc_poll_start() - queue the work when the file is ready, now if it already is
 * @poll: vq mutex held; nothing happens when it is polling already
 * @file: to poll
 *
 * Return: 0, or -EINVAL when the file cannot be polled
 */
int vhc_poll_start(struct vhc_poll *poll, struct file *file);

/**
 * vhc_poll_stop() - stop polling
 * @poll: vq mutex held; no callback runs any more on return, queued work may
 */
void vhc_poll_stop(struct vhc_poll *poll);

/**
 * vhc_poll_disarm() - stay in the wait queue, but leave the work alone
 * @poll: vq mutex held
 *
 * Cheaper than vhc_poll_stop() for short runs of a handler; in long ones whoever makes the file
 * ready pays for it.
 */
static inline void vhc_poll_disarm(struct vhc_poll *poll)
{
	WRITE_ONCE(poll->armed, false);
}

/**
 * vhc_poll_arm() - queue the work at wake-ups again
 * @poll: vq mutex held; polling
 *
 * Look at the file once more after this: what made it ready before woke nobody. The barrier pairs
 * with that of whoever makes the file ready and then looks for waiters.
 */
static inline void vhc_poll_arm(struct vhc_poll *poll)
{
	WRITE_ONCE(poll->armed, true);
	smp_mb(); /* before the caller looks at the file */
}

#endif

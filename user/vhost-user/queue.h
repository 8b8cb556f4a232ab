/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtqueue and the thread that serves it.
 *
 * Each queue has a thread and an io_uring of its own. The thread pops what the driver made
 * available, gives it to the device, submits what the device prepared, reaps what has ended,
 * publishes it once and signals at most once; it sleeps in the system call that submits.
 *
 * Contexts: *control* is the thread that owns the session; it configures a queue by having a function
 * run on the queue's thread while it waits, so nothing is shared and nothing is locked. *queue* is
 * the queue's thread; the device's operations run there.
 */
#ifndef VHOST_USER_QUEUE_H
#define VHOST_USER_QUEUE_H

#include <liburing.h>
#include <pthread.h>
#include <semaphore.h>

#include "dirty.h"
#include "inflight.h"
#include "ring/vring.h"

struct vu_queue;

/* Largest ring, and so the most requests that a queue has under way */
#define VU_QUEUE_NUM_MAX 1024
/* Most files that are registered with a ring: those of 256 units, and one that is to take another's place */
#define VU_FILES_MAX 257

/**
 * struct vu_req - a buffer of the driver's, from the pop to its end
 *
 * The device's own requests begin with it.
 */
struct vu_req {
	struct vring_elem elem;
	struct vu_req *next;
	struct iovec *written;
	uint16_t slot;
	bool again;
};

/**
 * struct vu_mail - a function for a queue's thread to run; begins what else the sender has to say
 *
 * The sender keeps it as it is until @run has been called.
 */
struct vu_mail {
	struct vu_mail *next;
	void (*run)(struct vu_queue *q, struct vu_mail *mail);
};

/**
 * struct vu_queue_ops - what a device does with its queues; context: queue
 * @req_size: bytes of its requests
 * @opcodes: operations of io_uring that it uses, up to IORING_OP_NOP: the ring takes no others
 * @files: fill @fds, of VU_FILES_MAX, with files to be registered with the ring, or -1, in place of the one that
 *	queue_ops of session.h gives. May be NULL. Context: control. Return: how many
 * @request: a buffer has come; @iov holds its segments (elem.nr_out to read, then elem.nr_in to
 *	write) and is gone when the function returns. Its memory stays until vu_req_end(), which
 *	may come at once. Return: NULL; or what is wrong, when it is no request at all: then it has
 *	not been taken, and the ring is broken
 * @run: in place of @request, where buffers wait for the device and not the device for buffers:
 *	the ring has started, a buffer may have come or an operation have ended: take what there is use
 *	for, by vu_queue_pull(). Return: whether anything was done
 * @stop: the ring is about to stop: end or cancel what is under way, of which vu_req_back() and
 *	vu_queue_put() tell. May be NULL: all ends by itself
 * @done: an operation has ended; @data is that of io_uring_sqe_set_data()
 */
struct vu_queue_ops {
	size_t req_size;
	const uint8_t *opcodes;
	unsigned int (*files)(void *dev, int *fds);
	const char *(*request)(struct vu_queue *q, struct vu_req *req, struct iovec *iov);
	bool (*run)(struct vu_queue *q);
	void (*stop)(struct vu_queue *q);
	void (*done)(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe);
};

/**
 * struct vu_ring - how to run a queue
 * @num: size of the ring, at most VU_QUEUE_NUM_MAX
 * @features: that were negotiated
 * @desc: @avail: @used: our addresses, aligned as the layout asks
 * @base: as in SET_VRING_BASE: where the driver's next buffer is; packed: where the next used one
 *	goes, too, in the upper half
 * @kick: an eventfd, or -1: the queue polls. @call: an eventfd or -1. @err: an eventfd or -1. They
 *	stay the caller's, and open while the queue runs.
 * @mem: guest memory, which stays as it is while the queue runs
 * @inflight: NULL; or where the queue keeps what is under way, see inflight.h. What it says comes before
 *	@base, and what a process before had under way is done again.
 * @inflight_size: of its entries
 * @log: NULL, or where to tell what was written; @log_used: there, the used ring (packed: the device's event structure)
 *	of @log_used_len bytes; 0: nobody wants to hear of the ring
 */
struct vu_ring {
	uint32_t num;
	uint64_t features;
	void *desc;
	void *avail;
	void *used;
	uint32_t base;
	int kick;
	int call;
	int err;
	const struct vring_mem *mem;
	void *inflight;
	uint16_t inflight_size;
	const struct vu_dirty *log;
	uint64_t log_used;
	uint32_t log_used_len;
};

/**
 * struct vu_queue - private, but for @dev and @index
 * @dev: the device's
 * @index: number of the queue
 */
struct vu_queue {
	void *dev;
	unsigned int index;

	const struct vu_queue_ops *ops;
	int file;
	unsigned int poll_ns;
	bool fixes;
	pthread_t thread;
	int wake;
	sem_t worked;
	void (*work)(struct vu_queue *q, void *arg);
	void *work_arg;
	struct vu_mail *mail;

	struct io_uring uring;
	int error;
	bool running;
	bool broken;
	bool ended;
	struct vu_ring ring;
	bool call_by_ring;
	struct vring_engine vr;
	struct vring_batch batch;
	unsigned int next;
	bool starved;
	unsigned int held;
	struct vring_elem *done;
	uint16_t *done_slot;
	unsigned int nr_done;
	struct vu_inflight track;
	char *reqs;
	struct vu_req *free;
	unsigned int inflight;
	unsigned int window_ns;
	struct iovec *fixed;
	unsigned int nr_fixed;
};

/**
 * vu_queue_new() - make a thread and its ring. Context: control
 * @dev: for vu_queue.dev
 * @file: registered with the ring as file 0; or -1
 * @poll_us: longest time to poll before sleeping, 0 never
 * @fixes: guest memory is registered with the ring while it runs, if that can be had, for vu_queue_fixed()
 *
 * Return: the queue, not running; or NULL after one logged line
 */
struct vu_queue *vu_queue_new(const struct vu_queue_ops *ops, void *dev, unsigned int index, int file,
			      unsigned int poll_us, bool fixes);
/** vu_queue_free() - ends the thread of a queue that is stopped; NULL is fine. Context: control */
void vu_queue_free(struct vu_queue *q);

/**
 * vu_queue_start() - serve a ring. Context: control
 *
 * What cannot be in @ring->inflight is logged, and breaks the ring, as what cannot be in the ring does.
 *
 * Return: 0; -EINVAL for a base that is not in the ring, -EFAULT, -ENOMEM. The queue does not run, then.
 */
int vu_queue_start(struct vu_queue *q, const struct vu_ring *ring);
/**
 * vu_queue_stop() - end what is under way, and serve no more. Context: control
 *
 * Return: the base to go on from
 */
uint32_t vu_queue_stop(struct vu_queue *q);
/** vu_queue_broken() - Return: whether the ring makes no sense. Context: any */
static inline bool vu_queue_broken(const struct vu_queue *q)
{
	return __atomic_load_n(&q->broken, __ATOMIC_RELAXED);
}
/** vu_queue_set_call() - another eventfd for a queue that runs. Signals it once. Context: control */
void vu_queue_set_call(struct vu_queue *q, int fd);

/** vu_queue_sqe() - Return: an entry to fill in, never NULL. Context: queue */
struct io_uring_sqe *vu_queue_sqe(struct vu_queue *q);
/** vu_req_end() - the device is done with a request, and wrote @len bytes. Context: queue */
void vu_req_end(struct vu_queue *q, struct vu_req *req, uint32_t len);

/**
 * vu_queue_pull() - take the driver's next buffer, in a queue whose device has @run. Context: queue
 * @iov: its segments, up to the next call
 *
 * Return: a request, for vu_req_end() or vu_req_back(); NULL when there is none: @run is called when there
 * may be one
 */
struct vu_req *vu_queue_pull(struct vu_queue *q, struct iovec **iov);
/**
 * vu_req_back() - the device has no use for a request: the driver's next buffer is this one again; for a
 * process that comes after, too, it was never under way
 * @req: of those that have neither ended nor been given back the last that was pulled. Context: queue
 */
void vu_req_back(struct vu_queue *q, struct vu_req *req);
/** vu_queue_break() - @why the driver's ring makes no sense: nothing more is taken from it. Context: queue */
void vu_queue_break(struct vu_queue *q, const char *why);
/** vu_req_refuse() - the last request that was pulled is none: @why. Its ring is given up. Context: queue */
void vu_req_refuse(struct vu_queue *q, struct vu_req *req, const char *why);

/**
 * vu_queue_post() - have @mail->run called on the thread of @q, and don't wait. Context: any
 *
 * By then the device has been given what the driver made available before, and the driver what had ended; also
 * when the queue stops meanwhile, or does not run. Mails come in no order.
 */
void vu_queue_post(struct vu_queue *q, struct vu_mail *mail);

/** vu_queue_full() - Return: whether the device has all the buffers that the ring can hold. Context: queue */
static inline bool vu_queue_full(const struct vu_queue *q)
{
	return q->inflight == q->ring.num;
}

/**
 * vu_queue_va() - where guest memory is. Context: queue
 * @gpa: a guest address
 * @len: bytes from there on; made less where they go beyond a region
 *
 * Return: our address of them, up to the end of the function that asks; or NULL
 */
void *vu_queue_va(const struct vu_queue *q, uint64_t gpa, uint64_t *len);

/**
 * vu_queue_fixed() - where our address is among the buffers that are registered. Context: queue
 *
 * Return: the number of the one that has all of [@addr, @addr + @len), for READ_FIXED or WRITE_FIXED; or -1
 */
int vu_queue_fixed(const struct vu_queue *q, const void *addr, size_t len);
/** vu_queue_fixed_limit() - allow as much to be registered as may be allowed. Context: control, with the rights of the start */
void vu_queue_fixed_limit(void);

/** vu_queue_wake() - have @run called if the ring runs. Context: any */
void vu_queue_wake(struct vu_queue *q);

/** vu_queue_running() - is it served? Not while it stops, or is broken. Context: queue */
static inline bool vu_queue_running(const struct vu_queue *q)
{
	return q->running;
}

/** vu_queue_resumed() - has the ring been served before, by another process perhaps? Context: queue */
static inline bool vu_queue_resumed(const struct vu_queue *q)
{
	return (uint16_t)q->ring.base != (q->vr.packed ? VRING_WRAP : 0);
}

/** vu_queue_get() - an operation is under way that is no request's: the ring does not stop before it has ended */
static inline void vu_queue_get(struct vu_queue *q)
{
	q->held++;
}

/** vu_queue_put() - it has ended */
static inline void vu_queue_put(struct vu_queue *q)
{
	q->held--;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What drivers of devices that serve requests have in common (blk.h, scsi.h): rings, and guest memory in
 * slots, one a request. A request's data are copied there and back; what lies between its pieces must be left
 * alone by the device, and is checked.
 *
 * Functions return 0 or a negative errno, and then say in reqs.why what was wrong.
 */
#ifndef TESTS_DRIVER_LIB_REQS_H
#define TESTS_DRIVER_LIB_REQS_H

#include <stddef.h>

#include "tests/driver/dtest.h"
#include "tests/driver/lib/shape.h"

#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

#define REQS_QUEUES	130
#define REQS_TIMEOUT_MS	20000
#define REQS_FEATURES	(VDRV_BIT(VIRTIO_F_VERSION_1) | VDRV_BIT(VIRTIO_RING_F_INDIRECT_DESC) | \
			 VDRV_BIT(VIRTIO_RING_F_EVENT_IDX))

/**
 * struct reqs_req - what a queue takes, and what became of it
 * @out: the parts of what the device reads
 * @in: of what it writes; read into when it is done
 * @shape: how it lies in memory
 * @done: completed
 * @used: length in the used ring
 */
struct reqs_req {
	struct iovec out[2];
	struct iovec in[2];
	const struct shape *shape;
	bool done;
	uint32_t used;
	/* inner */
	uint32_t slot;
};

/**
 * struct reqs_opt - what a case wants
 * @features: together with t_layout(); 0 for %REQS_FEATURES
 * @num: ring size, 0 for 256
 * @queues: 0 for one
 * @indirect_max: descriptors a table, 0 for no tables
 * @max_data: bytes of the largest request, 0 for 64 KiB
 * @depth: requests of a queue at most, 0 for 32
 * @base: first index of the rings
 * @fd: a device whose owner we are and whose back ends are off, 0 for a new one
 */
struct reqs_opt {
	uint64_t features;
	unsigned int num;
	unsigned int queues;
	unsigned int indirect_max;
	uint32_t max_data;
	unsigned int depth;
	uint16_t base;
	int fd;
};

/**
 * struct reqs - the device
 * @queues: of @vq
 * @depth: requests of a queue at most
 * @pending: requests of each queue that are not done
 * @calls: wake-ups by call eventfds
 * @no_call: the device has none
 * @forever: queues whose requests are not waited for, a bit each
 * @complete: what else is to be done with, or wrong about, a request that is done; may be NULL
 */
struct reqs {
	struct vdrv_mem mem;
	struct vdrv_dev dev;
	struct vdrv_vq vq[REQS_QUEUES];
	unsigned int queues;
	unsigned int depth;
	unsigned int pending[REQS_QUEUES];
	uint64_t calls;
	bool no_call;
	uint64_t forever;
	int (*complete)(struct reqs *q, struct reqs_req *r);
	const char *why;
	/* inner */
	uint64_t pool;
	uint32_t slot_size;
	struct reqs_req **req;
	uint32_t *free_slot;
	unsigned int nfree;
};

/* @device, memory, rings: all but back ends. -EOPNOTSUPP: features that are not offered */
int reqs_open(struct reqs *q, const char *device, const struct reqs_opt *o);
void reqs_close(struct reqs *q);
/* For return: @ret, and why */
int reqs_bad(struct reqs *q, const char *why, int ret);

/* Put a request into ring @i; reqs_kick() shows it. -ENOSPC: no room */
int reqs_submit(struct reqs *q, unsigned int i, struct reqs_req *r);
int reqs_kick(struct reqs *q, unsigned int i);
/* Take what is done; a count */
int reqs_reap(struct reqs *q, unsigned int i);
/* Wait for a completion, by interrupt: 0, or -ETIMEDOUT */
int reqs_wait(struct reqs *q, unsigned int i, unsigned int timeout_ms);
/* Until nothing is pending in any queue */
int reqs_finish(struct reqs *q, unsigned int timeout_ms);
/* All of that for one request of ring @i */
int reqs_run(struct reqs *q, unsigned int i, struct reqs_req *r);

#endif /* TESTS_DRIVER_LIB_REQS_H */

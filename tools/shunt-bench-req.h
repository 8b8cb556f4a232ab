/* SPDX-License-Identifier: GPL-2.0 */
/* shunt-bench: devices that take requests, for shunt-bench-{req,blk,scsi}.c alone. */
#ifndef TOOLS_SHUNT_BENCH_REQ_H
#define TOOLS_SHUNT_BENCH_REQ_H

#include "shunt-bench.h"

#define REQ_QUEUES	64
/* Queues before those of requests */
#define REQ_OTHERS	2

struct req_slot {
	uint64_t hdr_gpa;
	uint64_t data_gpa;
	uint64_t resp_gpa;
	uint64_t then;
};

struct req_bench {
	const struct bench_opt *o;
	const struct req_kind *kind;
	struct bench_io io;
	struct vdrv_mem mem;
	struct vdrv_dev dev;
	struct vdrv_vq other[REQ_OTHERS];
	struct vdrv_vq vq[REQ_QUEUES];
	struct req_slot *slot;
	uint32_t *free_slot[REQ_QUEUES];
	unsigned int nfree[REQ_QUEUES];
	const char *what;
};

/**
 * struct req_kind - a kind of device
 * @others: queues before those of requests, which have rings and nothing else
 * @features: of the kind, acknowledged where they are offered
 * @hdr_len: what the device reads first
 * @resp_len: what it writes beside data
 * @resp_first: in front of data, not behind
 * @prepare: a header, but for the place
 * @place: complete it: bytes from the beginning
 * @good: does the response say so?
 * @backend: all queues are set up: 0 or a negative errno, with b->what
 */
struct req_kind {
	unsigned int others;
	uint64_t features;
	uint32_t hdr_len;
	uint32_t resp_len;
	bool resp_first;
	void (*prepare)(const struct bench_opt *o, void *hdr);
	void (*place)(void *hdr, uint64_t at);
	bool (*good)(const void *resp);
	int (*backend)(struct req_bench *b);
};

int bench_requests(const struct bench_opt *o, const struct req_kind *kind, struct bench_result *r,
		   const char **what);

#endif /* TOOLS_SHUNT_BENCH_REQ_H */

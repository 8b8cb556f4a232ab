/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of shunt-bench share: options, results, and the modes. */
#ifndef TOOLS_SHUNT_BENCH_H
#define TOOLS_SHUNT_BENCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "vdrv.h"

enum bench_wait {
	BENCH_WAIT_YIELD,	/* give the CPU away, so that one CPU is enough */
	BENCH_WAIT_SPIN,
	BENCH_WAIT_CALL,	/* sleep on the call eventfd: interrupts are on */
};

struct bench_opt {
	const char *mode;
	const char *device;
	const char *tap;
	uint64_t features;
	unsigned int ring;
	unsigned int batch;
	unsigned int window;
	unsigned int size;
	unsigned int rx_buf;
	unsigned int segments;
	uint64_t count;
	uint64_t warmup;
	unsigned int timeout_s;
	unsigned int poll_us;
	unsigned int regions;
	enum bench_wait wait;
	bool indirect;
	bool verify;
	bool inject_copy;
	bool trickle;
	bool backlog;
	bool own_worker;
	bool json;
	const char *file;
	const char *wwpn;
	unsigned int tpgt;
	unsigned int lun;
	bool random;
	bool write;
	unsigned int block;
	unsigned int depth;
	unsigned int queues;
};

/**
 * struct bench_result - what one run gave
 * @packets: completed by the device and, for net-rx, recognised as ours
 * @lost: missing on the other side (tap statistics for net-tx, sequence for net-rx)
 * @bad: contents or lengths that differ
 * @elapsed_ns: wall time, without what it took to fill the tap with a backlog
 * @worker_ns: run time of the worker; instructions where the machine counts them
 * @worker_runs: how often the worker was put on a processor
 * @p50_ns: @p99_ns: block modes: from start to completion, half and 99 in a hundred were faster
 */
struct bench_result {
	uint64_t packets;
	uint64_t lost;
	uint64_t bad;
	uint64_t kicks;
	uint64_t calls;
	uint64_t elapsed_ns;
	uint64_t worker_ns;
	uint64_t worker_runs;
	uint64_t driver_ns;
	uint64_t p50_ns;
	uint64_t p99_ns;
	pid_t worker;
};

extern volatile sig_atomic_t bench_stop;

/* All return 0 or a negative errno, and then say what failed in @what. */
int bench_net_tx(const struct bench_opt *o, struct bench_result *r, const char **what);
int bench_net_rx(const struct bench_opt *o, struct bench_result *r, const char **what);
int bench_blk(const struct bench_opt *o, struct bench_result *r, const char **what);
int bench_scsi(const struct bench_opt *o, struct bench_result *r, const char **what);
int bench_uring(const struct bench_opt *o, struct bench_result *r, const char **what);

uint64_t bench_clock_ns(clockid_t id);
/* The workers' own time since they started; 0 and no worker where none can be found */
pid_t bench_worker_time(uint64_t *ns, uint64_t *runs);
/* A worker of its own for a queue */
int bench_own_worker(const struct vdrv_dev *dev, unsigned int index);
/* Busy polling of a queue at most so long */
int bench_poll_us(const struct vdrv_dev *dev, unsigned int index, unsigned int us);

/**
 * struct bench_io - requests of a block mode, and what became of them
 * @o: options
 * @r: the result, filled by bench_io_end()
 * @fd: the device or file, with O_DIRECT where it can; -1 without o->file
 * @blocks: of o->block bytes in it; without, the caller's to set
 * @total: requests to start, less if time is up
 * @started: so far
 * @done: so far
 */
struct bench_io {
	const struct bench_opt *o;
	struct bench_result *r;
	int fd;
	uint64_t blocks;
	uint64_t total;
	uint64_t started;
	uint64_t done;
	/* inner */
	uint64_t seed;
	uint64_t deadline_ns;
	uint64_t progress_ns;
	bool measuring;
	uint64_t first;
	struct bench_result start;
	uint64_t *latency;
};

int bench_io_open(struct bench_io *io, const struct bench_opt *o, struct bench_result *r,
		  const char **what);
void bench_io_close(struct bench_io *io);
/* Where the next request goes, in bytes; counts it as started */
uint64_t bench_io_next(struct bench_io *io);
/* One is done at @now that was started at @then. */
void bench_io_done(struct bench_io *io, uint64_t now, uint64_t then, bool good);
/* Once a turn: is there more to do? */
bool bench_io_more(struct bench_io *io, uint64_t now);
/* No request was done in this turn: -ETIMEDOUT after five seconds of that */
int bench_io_stalled(struct bench_io *io, uint64_t now);
void bench_io_end(struct bench_io *io);

#endif /* TOOLS_SHUNT_BENCH_H */

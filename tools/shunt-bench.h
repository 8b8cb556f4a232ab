/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of shunt-bench share: options, results, and the modes. */
#ifndef TOOLS_SHUNT_BENCH_H
#define TOOLS_SHUNT_BENCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

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
	enum bench_wait wait;
	bool indirect;
	bool verify;
	bool inject_copy;
	bool trickle;
	bool backlog;
	bool own_worker;
	bool json;
};

/**
 * struct bench_result - what one run gave
 * @packets: completed by the device and, for net-rx, recognised as ours
 * @lost: missing on the other side (tap statistics for net-tx, sequence for net-rx)
 * @bad: contents or lengths that differ
 * @elapsed_ns: wall time, without what it took to fill the tap with a backlog
 * @worker_ns: run time of the worker; instructions where the machine counts them
 * @worker_runs: how often the worker was put on a processor
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
	pid_t worker;
};

extern volatile sig_atomic_t bench_stop;

/* Both return 0 or a negative errno, and then say what failed in @what. */
int bench_net_tx(const struct bench_opt *o, struct bench_result *r, const char **what);
int bench_net_rx(const struct bench_opt *o, struct bench_result *r, const char **what);

#endif /* TOOLS_SHUNT_BENCH_H */

// SPDX-License-Identifier: GPL-2.0
/* shunt-bench: where requests of the block modes go, how many, and how long they took. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shunt-bench.h"

#define STALL_NS	5000000000ULL
/* Latencies by octave, each in as many steps: 3 % */
#define STEPS_SHIFT	5
#define BUCKETS		(64 << STEPS_SHIFT)

static unsigned int bucket(uint64_t ns)
{
	unsigned int octave;

	if (ns < 1 << STEPS_SHIFT)
		return ns;
	octave = 63 - __builtin_clzll(ns) - STEPS_SHIFT;
	return (octave << STEPS_SHIFT) + (ns >> octave);
}

static uint64_t bucket_ns(unsigned int i)
{
	unsigned int octave = i >> STEPS_SHIFT;

	if (octave < 2)
		return i;
	return ((uint64_t)(i - ((octave - 1) << STEPS_SHIFT)) << (octave - 1)) +
	       (1ULL << (octave - 1)) / 2;
}

/* Below which @percent of the latencies are */
static uint64_t percentile(const struct bench_io *io, unsigned int percent)
{
	uint64_t n = 0, want = ((io->done - io->first) * percent + 99) / 100;
	unsigned int i;

	for (i = 0; i + 1 < BUCKETS; i++) {
		n += io->latency[i];
		if (n >= want)
			break;
	}
	return want ? bucket_ns(i) : 0;
}

static int size_of(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	*size = st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, size))
		return -errno;
	return 0;
}

static int open_file(struct bench_io *io, const char **what)
{
	int flags = (io->o->write ? O_RDWR : O_RDONLY) | O_CLOEXEC, ret;
	uint64_t size;

	*what = io->o->file;
	io->fd = open(io->o->file, flags | O_DIRECT);
	if (io->fd < 0 && errno == EINVAL)
		io->fd = open(io->o->file, flags);
	if (io->fd < 0)
		return -errno;
	ret = size_of(io->fd, &size);
	io->blocks = ret ? 0 : size / io->o->block;
	if (!ret && !io->blocks) {
		*what = "the file is smaller than a block";
		ret = -EINVAL;
	}
	if (ret)
		bench_io_close(io);
	return ret;
}

int bench_io_open(struct bench_io *io, const struct bench_opt *o, struct bench_result *r,
		  const char **what)
{
	int ret = 0;

	*io = (struct bench_io){ .o = o, .r = r, .fd = -1, .total = o->warmup + o->count,
				 .seed = 0x2545f4914f6cdd1dULL };
	if (o->file) {
		ret = open_file(io, what);
		if (ret)
			return ret;
	}
	io->latency = calloc(BUCKETS, sizeof(*io->latency));
	if (!io->latency) {
		bench_io_close(io);
		ret = -ENOMEM;
	}
	return ret;
}

void bench_io_close(struct bench_io *io)
{
	if (io->fd >= 0)
		close(io->fd);
	free(io->latency);
}

uint64_t bench_io_next(struct bench_io *io)
{
	uint64_t n = io->started++;

	if (io->o->random) {
		io->seed ^= io->seed << 13;
		io->seed ^= io->seed >> 7;
		io->seed ^= io->seed << 17;
		n = io->seed;
	}
	return n % io->blocks * io->o->block;
}

void bench_io_done(struct bench_io *io, uint64_t now, uint64_t then, bool good)
{
	io->done++;
	io->r->bad += !good;
	io->progress_ns = now;
	if (io->measuring)
		io->latency[bucket(now - then)]++;
}

bool bench_io_more(struct bench_io *io, uint64_t now)
{
	struct bench_result *s = &io->start;

	if (!io->measuring && io->done >= io->o->warmup) {
		io->measuring = true;
		io->first = io->done;
		bench_worker_time(&s->worker_ns, &s->worker_runs);
		s->driver_ns = bench_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		s->kicks = io->r->kicks;
		s->calls = io->r->calls;
		s->elapsed_ns = bench_clock_ns(CLOCK_MONOTONIC);
		if (io->o->timeout_s)
			io->deadline_ns = s->elapsed_ns + io->o->timeout_s * 1000000000ULL;
	}
	if (bench_stop || (io->deadline_ns && now >= io->deadline_ns))
		io->total = io->started;
	return io->done < io->total;
}

int bench_io_stalled(struct bench_io *io, uint64_t now)
{
	if (!io->progress_ns)
		io->progress_ns = now;
	return now - io->progress_ns > STALL_NS ? -ETIMEDOUT : 0;
}

void bench_io_end(struct bench_io *io)
{
	const struct bench_result *s = &io->start;
	struct bench_result *r = io->r;

	r->elapsed_ns = bench_clock_ns(CLOCK_MONOTONIC) - s->elapsed_ns;
	r->worker = bench_worker_time(&r->worker_ns, &r->worker_runs);
	r->worker_ns -= s->worker_ns;
	r->worker_runs -= s->worker_runs;
	r->driver_ns = bench_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - s->driver_ns;
	r->kicks -= s->kicks;
	r->calls -= s->calls;
	r->packets = io->done - io->first;
	r->p50_ns = percentile(io, 50);
	r->p99_ns = percentile(io, 99);
}

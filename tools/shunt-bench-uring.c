// SPDX-License-Identifier: GPL-2.0
/*
 * shunt-bench: the same requests without vhost, by the shortest program that can make them: an io_uring
 * with fixed buffers and a fixed file, no system call but the one that submits and waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "shunt-bench.h"

struct uring_bench {
	struct bench_io io;
	struct io_uring ring;
	unsigned int depth;
	struct iovec *iov;
	uint64_t *then;
};

static int open_buffers(struct uring_bench *b, const struct bench_opt *o)
{
	unsigned int i;
	void *mem;

	b->iov = calloc(b->depth, sizeof(*b->iov));
	b->then = calloc(b->depth, sizeof(*b->then));
	if (!b->iov || !b->then || posix_memalign(&mem, 4096, (size_t)b->depth * o->block))
		return -ENOMEM;
	for (i = 0; i < b->depth; i++)
		b->iov[i] = (struct iovec){ mem + (size_t)i * o->block, o->block };
	return io_uring_register_buffers(&b->ring, b->iov, b->depth) ?:
	       io_uring_register_files(&b->ring, &b->io.fd, 1);
}

static void start(struct uring_bench *b, const struct bench_opt *o, unsigned int i, uint64_t now)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
	uint64_t at = bench_io_next(&b->io);

	if (o->write)
		io_uring_prep_write_fixed(sqe, 0, b->iov[i].iov_base, o->block, at, i);
	else
		io_uring_prep_read_fixed(sqe, 0, b->iov[i].iov_base, o->block, at, i);
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = i;
	b->then[i] = now;
}

static int run(struct uring_bench *b, const struct bench_opt *o)
{
	uint64_t now = bench_clock_ns(CLOCK_MONOTONIC);
	struct io_uring_cqe *cqe;
	unsigned int head, n, i;
	int ret;

	for (i = 0; i < b->depth && b->io.started < b->io.total; i++)
		start(b, o, i, now);
	while (bench_io_more(&b->io, now)) {
		ret = io_uring_submit_and_wait(&b->ring, 1);
		if (ret < 0 && ret != -EINTR)
			return ret;
		now = bench_clock_ns(CLOCK_MONOTONIC);
		n = 0;
		io_uring_for_each_cqe(&b->ring, head, cqe) {
			i = cqe->user_data;
			bench_io_done(&b->io, now, b->then[i], cqe->res == (int)o->block);
			if (b->io.started < b->io.total)
				start(b, o, i, now);
			n++;
		}
		io_uring_cq_advance(&b->ring, n);
	}
	bench_io_end(&b->io);
	return 0;
}

int bench_uring(const struct bench_opt *o, struct bench_result *r, const char **what)
{
	struct uring_bench b = { .depth = o->depth * o->queues };
	int ret;

	ret = bench_io_open(&b.io, o, r, what);
	if (ret)
		return ret;
	*what = "io_uring";
	ret = io_uring_queue_init(b.depth, &b.ring, 0);
	if (!ret) {
		ret = open_buffers(&b, o) ?: run(&b, o);
		io_uring_queue_exit(&b.ring);
	}
	if (b.iov)
		free(b.iov[0].iov_base);
	free(b.iov);
	free(b.then);
	bench_io_close(&b.io);
	return ret;
}

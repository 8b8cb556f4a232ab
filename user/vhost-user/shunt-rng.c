// SPDX-License-Identifier: GPL-2.0
/*
 * shunt-rng: a virtio-entropy device, filled from a character device of the host.
 *
 * One read at a time, straight into the driver's oldest buffer: the one that a stop may cancel is then the one
 * that was pulled last. What a read brings is what the driver gets, however short.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/virtio_config.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "iov.h"
#include "lib/bits.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "program.h"

/* Of one read: a longer one would hold up whoever wants to stop the ring. */
#define READ_MAX	(64U << 10)
/* A source that fails is tried again after this time. */
#define RETRY_NS	NS_PER_S
#define NS_PER_MS	1000000ULL
#define NS_PER_S	1000000000ULL
/* QEMU's, that of virtio-rng's "period" */
#define PERIOD_MS	65536

/**
 * struct rng - the device; all but the options is the queue's thread's
 * @source: @fd: where entropy comes from
 * @max_bytes: so many in a period, or 0: no limit
 * @period_ms: length of a period
 * @left: bytes that the period has left
 * @period_end: when the next one may begin
 * @resume: nothing is read before
 * @timeout: the same, for io_uring
 * @timer: the timeout is under way
 * @reading: into which a read is under way, or NULL
 * @failed: the last read has, and it was told
 */
struct rng {
	const char *source;
	int fd;
	uint64_t max_bytes;
	unsigned int period_ms;
	uint64_t left;
	uint64_t period_end;
	uint64_t resume;
	struct __kernel_timespec timeout;
	bool timer;
	struct vu_req *reading;
	bool failed;
};

static void wait_to_resume(struct vu_queue *q)
{
	struct rng *r = q->dev;
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	r->timeout.tv_sec = (long long)(r->resume / NS_PER_S);
	r->timeout.tv_nsec = (long long)(r->resume % NS_PER_S);
	r->timer = true;
	vu_queue_get(q);
	io_uring_prep_timeout(sqe, &r->timeout, 0, IORING_TIMEOUT_ABS);
	io_uring_sqe_set_data(sqe, &r->timer);
}

/* Return: bytes that may be read at this time, not 0 */
static uint64_t allowance(struct rng *r, uint64_t now)
{
	if (!r->max_bytes)
		return READ_MAX;
	if (now >= r->period_end) {
		r->left = r->max_bytes;
		r->period_end = now + r->period_ms * NS_PER_MS;
	}
	return r->left < READ_MAX ? r->left : READ_MAX;
}

static bool rng_run(struct vu_queue *q)
{
	struct rng *r = q->dev;
	struct io_uring_sqe *sqe;
	struct vu_req *req;
	struct iovec *iov;
	uint64_t now;

	if (r->reading || r->timer)
		return false;
	req = vu_queue_pull(q, &iov);
	if (!req)
		return false;
	if (req->elem.nr_out || !req->elem.in_len) {
		vu_req_refuse(q, req, "a buffer that is to be read, or has no room");
		return false;
	}
	now = clock_ns();
	if (now < r->resume) {
		vu_req_back(q, req);
		wait_to_resume(q);
		return true;
	}
	sqe = vu_queue_sqe(q);
	io_uring_prep_readv(sqe, 0, iov, iov_window(iov, req->elem.nr_in, 0, allowance(r, now), iov, IOV_MAX), 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, req);
	r->reading = req;
	return true;
}

/* Of random bytes, what a cancelled read had is no loss. */
static void read_done(struct vu_queue *q, int res)
{
	struct rng *r = q->dev;
	struct vu_req *req = r->reading;

	r->reading = NULL;
	if (res > 0) {
		r->failed = false;
		r->left -= r->max_bytes ? (uint32_t)res : 0;
		if (r->max_bytes && !r->left)
			r->resume = r->period_end;
		vu_req_end(q, req, (uint32_t)res);
		return;
	}
	vu_req_back(q, req);
	if (res == -ECANCELED || res == -EINTR)
		return;
	if (!r->failed)
		log_warn("--source=%s: %s; it is tried again each second", r->source,
			 res ? strerror(-res) : "it has ended");
	r->failed = true;
	r->resume = clock_ns() + RETRY_NS;
}

static void rng_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe)
{
	struct rng *r = q->dev;

	if (data != &r->timer) {
		read_done(q, cqe->res);
	} else {
		r->timer = false;
		vu_queue_put(q);
	}
}

static void cancel(struct vu_queue *q, void *what)
{
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	io_uring_prep_cancel(sqe, what, 0);
	io_uring_sqe_set_data(sqe, NULL);
}

static void rng_stop(struct vu_queue *q)
{
	struct rng *r = q->dev;

	if (r->reading)
		cancel(q, r->reading);
	if (r->timer)
		cancel(q, &r->timer);
}

static const uint8_t opcodes[] = { IORING_OP_READV, IORING_OP_TIMEOUT, IORING_OP_ASYNC_CANCEL, IORING_OP_NOP };

static const struct vu_queue_ops rng_queue_ops = {
	.opcodes = opcodes,
	.req_size = sizeof(struct vu_req),
	.run = rng_run,
	.stop = rng_stop,
	.done = rng_done,
};

static const struct vu_queue_ops *queue_ops(void *dev, unsigned int index, int *file)
{
	(void)index;
	*file = ((struct rng *)dev)->fd;
	return &rng_queue_ops;
}

/* --- the command line --- */

static const char usage[] =
	"Usage: shunt-rng (--socket-path=PATH | --fd=N) [option...]\n"
	"Serves a virtio-entropy device over vhost-user, from a source of the host.\n"
	"\n"
	VU_HELP_SOCKET
	"  --source=FILE         a character device (/dev/urandom)\n"
	"  --max-bytes=SIZE      no more than this in a period (no limit)\n"
	"  --period=MS           its length in milliseconds (65536)\n"
	VU_HELP_COMMON;

static const char capabilities[] =
	"{\n"
	"  \"type\": \"rng\"\n"
	"}\n";

enum { OPT_SOURCE = 1, OPT_MAX, OPT_PERIOD };

static const struct option options[] = {
	{ "source", required_argument, NULL, OPT_SOURCE },
	{ "max-bytes", required_argument, NULL, OPT_MAX },
	{ "period", required_argument, NULL, OPT_PERIOD },
	{ NULL, 0, NULL, 0 },
};

static int option(void *opts, int val, const char *name, char *arg)
{
	struct rng *r = opts;

	switch (val) {
	case OPT_SOURCE:
		r->source = arg;
		return 0;
	case OPT_MAX:
		return vu_option_size(name, arg, 1, &r->max_bytes);
	default:
		return vu_option_uint(name, arg, 1, UINT_MAX, &r->period_ms);
	}
}

static const struct vu_program program = {
	.usage = usage,
	.capabilities = capabilities,
	.options = options,
	.option = option,
};

static int rng_open(struct rng *r)
{
	struct stat st;

	/* A terminal is not to become ours. */
	r->fd = open(r->source, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (r->fd < 0 || fstat(r->fd, &st))
		return log_err("--source=%s: %s", r->source, strerror(errno));
	if (!S_ISCHR(st.st_mode))
		return log_err("--source=%s: it is not a character device", r->source);
	return 0;
}

int main(int argc, char **argv)
{
	struct rng r = { .source = "/dev/urandom", .period_ms = PERIOD_MS };
	struct vu_endpoint end = { .fd = -1 };
	struct vu_device d = {
		.name = "shunt-rng",
		.dev = &r,
		.num_queues = 1,
		.queue_ops = queue_ops,
		.no_files = true,
		/* One buffer at a time is filled. */
		.features = BIT64(VIRTIO_F_IN_ORDER),
	};
	int ret;

	log_init(d.name);
	ret = vu_program_parse(&program, &r, &end, &d.poll_us, argc, argv);
	if (ret)
		return ret < 0;
	if (rng_open(&r) || vu_endpoint_open(&end))
		return 1;
	return vu_endpoint_serve(&end, &d) ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0
/* A virtqueue's thread, see queue.h. */
#define _GNU_SOURCE
#include "queue_priv.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "thread.h"

#define SQ_ENTRIES	256
/* Room for the end of every request, and what else there is: an overflow is possible, and no loss. */
#define CQ_ENTRIES	(2 * VU_QUEUE_NUM_MAX)
/* Segments of a batch. One buffer may have all of them. */
#define BATCH_IOV	4096
/* The kick has been seen to be on its way within this time, or polling is of no use. */
#define WINDOW_MIN_NS	1000

static uint64_t feature(const struct vu_queue *q, unsigned int bit)
{
	return q->ring.features >> bit & 1;
}

/* --- what has ended --- */

static void arm_poll(struct vu_queue *q, int fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = vu_queue_sqe(q);

	/* Nobody reads the eventfd: each write to it is an event, and several at once are one. */
	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, tag);
}

static void queue_event(struct vu_queue *q, uint64_t tag, const struct io_uring_cqe *cqe)
{
	/* A multishot poll ends when completions overflow. */
	if (tag == TAG_NONE || cqe->flags & IORING_CQE_F_MORE || cqe->res == -ECANCELED)
		return;
	if (tag == TAG_WAKE)
		arm_poll(q, q->wake, TAG_WAKE);
	else if (q->running && cqe->res < 0)
		vu_queue_break(q, "the kick cannot be polled");
	else if (q->running)
		arm_poll(q, q->ring.kick, TAG_KICK);
}

static void queue_reap(struct vu_queue *q)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;

	io_uring_for_each_cqe(&q->uring, head, cqe) {
		n++;
		if (cqe->user_data <= TAG_KICK)
			queue_event(q, cqe->user_data, cqe);
		else
			q->ops->done(q, io_uring_cqe_get_data(cqe), cqe);
	}
	io_uring_cq_advance(&q->uring, n);
}

/* --- the thread --- */

/* Return: whether anything was done */
static bool queue_work(struct vu_queue *q)
{
	if (!q->ops->run)
		return vu_queue_pop(q);
	/* What has ended, if only by being refused, makes room. */
	return q->running && (q->ops->run(q) || q->nr_done);
}

/* Does the device wait for the driver? */
static bool queue_hungry(const struct vu_queue *q)
{
	return q->running && (q->ops->run ? q->starved : q->inflight < q->ring.num);
}

/* Is there something that would end the wait at once? */
static bool queue_ready(struct vu_queue *q)
{
	if (io_uring_cq_ready(&q->uring) || *q->uring.sq.kflags & IORING_SQ_TASKRUN)
		return true;
	return queue_hungry(q) && vring_has_work(&q->vr);
}

/*
 * Poll for as long as that was of use lately. The window grows while it is met, and shrinks to
 * nothing but a try while it is not.
 */
static bool queue_poll(struct vu_queue *q)
{
	uint64_t end;

	if (q->running && q->ring.kick < 0)
		return true;
	if (!q->poll_ns || !q->running)
		return false;
	for (end = clock_ns() + q->window_ns; clock_ns() < end; ) {
		if (!queue_ready(q))
			continue;
		q->window_ns = q->window_ns * 2 < q->poll_ns ? q->window_ns * 2 : q->poll_ns;
		return true;
	}
	q->window_ns = q->window_ns / 2 > WINDOW_MIN_NS ? q->window_ns / 2 : WINDOW_MIN_NS;
	return false;
}

/* May the thread sleep? Then the driver is asked for a kick. */
static bool queue_may_sleep(struct vu_queue *q)
{
	int ret;

	if (!queue_hungry(q))
		return true;
	ret = vring_kicks_on(&q->vr);
	vu_queue_check_memory(q);
	vu_queue_log_ring(q);
	if (ret < 0)
		vu_queue_break(q, vring_strerror(q->vr.err.code));
	return ret <= 0;
}

/* What other threads have for this one */
static void queue_mail(struct vu_queue *q)
{
	struct vu_mail *m, *next;

	if (!__atomic_load_n(&q->mail, __ATOMIC_RELAXED))
		return;
	m = __atomic_exchange_n(&q->mail, NULL, __ATOMIC_ACQUIRE);
	queue_work(q);
	vu_queue_publish(q);
	for (; m; m = next) {
		next = m->next;
		m->run(q, m);
	}
}

static void queue_round(struct vu_queue *q)
{
	unsigned int wait = 0;

	vu_queue_publish(q);
	if (!queue_work(q)) {
		if (q->poll_ns && io_uring_sq_ready(&q->uring))
			io_uring_submit(&q->uring);
		wait = !queue_poll(q) && queue_may_sleep(q);
	}
	/* Some may have ended at once. */
	vu_queue_publish(q);
	if (wait)
		io_uring_submit_and_wait(&q->uring, 1);
	else
		io_uring_submit_and_get_events(&q->uring);
	queue_reap(q);
	if (!wait || !q->running)
		return;
	if (vring_kicks_off(&q->vr) < 0)
		vu_queue_break(q, vring_strerror(q->vr.err.code));
	vu_queue_log_ring(q);
}

/* liburing 2.3 declares functions for some of these, and lacks them. */
static int uring_register(struct vu_queue *q, unsigned int what, const void *arg, unsigned int n)
{
	return syscall(__NR_io_uring_register, q->uring.ring_fd, what, arg, n) < 0 ? -errno : 0;
}

/* What seccomp cannot see: the ring takes the device's operations and our own, and is not configured further. */
static int uring_restrict(struct vu_queue *q)
{
	static const uint8_t own[] = { IORING_OP_POLL_ADD, IORING_OP_POLL_REMOVE, IORING_OP_ASYNC_CANCEL, IORING_OP_WRITE };
	struct io_uring_restriction r[32] = {
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS },
		{ .opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_ENABLE_RINGS },
	};
	static const struct io_uring_restriction fixed[] = {
		{ .opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_BUFFERS },
		{ .opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_UNREGISTER_BUFFERS },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ_FIXED },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE_FIXED },
	};
	const uint8_t *op;
	unsigned int n = 2, i;

	for (i = 0; q->fixes && i < ARRAY_SIZE(fixed); i++)
		r[n++] = fixed[i];
	for (i = 0; i < ARRAY_SIZE(own); i++)
		r[n++] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = own[i] };
	for (op = q->ops->opcodes; *op != IORING_OP_NOP && n < ARRAY_SIZE(r); op++)
		r[n++] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = *op };
	return uring_register(q, IORING_REGISTER_RESTRICTIONS, r, n);
}

static int uring_files(struct vu_queue *q)
{
	int fds[VU_FILES_MAX] = { q->file };
	unsigned int n = q->file >= 0;

	if (q->ops->files)
		n = q->ops->files(q->dev, fds);
	return n ? io_uring_register_files(&q->uring, fds, n) : 0;
}

static int uring_init(struct vu_queue *q)
{
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		0,
	};
	struct io_uring_params p;
	unsigned int i;
	int ret = -EINVAL;

	for (i = 0; i < ARRAY_SIZE(flags) && ret == -EINVAL; i++) {
		memset(&p, 0, sizeof(p));
		p.flags = flags[i] | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
		p.cq_entries = CQ_ENTRIES;
		ret = io_uring_queue_init_params(SQ_ENTRIES, &q->uring, &p);
	}
	if (ret)
		return ret;
	ret = uring_files(q);
	ret = ret ?: uring_restrict(q) ?: uring_register(q, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (ret)
		io_uring_queue_exit(&q->uring);
	return ret;
}

static void *queue_thread(void *arg)
{
	struct vu_queue *q = arg;
	void (*work)(struct vu_queue *q, void *arg);

	q->error = uring_init(q);
	sem_post(&q->worked);
	if (q->error)
		return NULL;
	arm_poll(q, q->wake, TAG_WAKE);
	while (!q->ended) {
		queue_round(q);
		queue_mail(q);
		work = __atomic_load_n(&q->work, __ATOMIC_ACQUIRE);
		if (!work)
			continue;
		work(q, q->work_arg);
		__atomic_store_n(&q->work, NULL, __ATOMIC_RELAXED);
		sem_post(&q->worked);
	}
	io_uring_queue_exit(&q->uring);
	return NULL;
}

/* --- control --- */

static void wait_worked(struct vu_queue *q)
{
	while (sem_wait(&q->worked))
		;
}

static void queue_call(struct vu_queue *q, void (*work)(struct vu_queue *q, void *arg), void *arg)
{
	q->work_arg = arg;
	__atomic_store_n(&q->work, work, __ATOMIC_RELEASE);
	vu_queue_wake(q);
	wait_worked(q);
}

/* Its thread is not there any more, or was never. */
static void queue_release(struct vu_queue *q)
{
	if (q->wake >= 0)
		close(q->wake);
	sem_destroy(&q->worked);
	free(q->batch.elem);
	free(q->batch.iov);
	free(q);
}

struct vu_queue *vu_queue_new(const struct vu_queue_ops *ops, void *dev, unsigned int index, int file,
			      unsigned int poll_us, bool fixes)
{
	struct vu_queue *q = calloc(1, sizeof(*q));
	int ret = ENOMEM;
	char name[16];

	if (!q)
		goto fail;
	q->ops = ops;
	q->dev = dev;
	q->index = index;
	q->file = file;
	q->poll_ns = poll_us * 1000;
	q->window_ns = q->poll_ns;
	q->fixes = fixes;
	q->batch.elem = calloc(VU_BATCH, sizeof(*q->batch.elem));
	q->batch.iov = calloc(BATCH_IOV, sizeof(*q->batch.iov));
	q->batch.max_iov = BATCH_IOV;
	q->wake = eventfd(0, EFD_CLOEXEC);
	sem_init(&q->worked, 0, 0);
	if (!q->batch.elem || !q->batch.iov || q->wake < 0)
		goto release;
	snprintf(name, sizeof(name), "queue-%u", index);
	ret = vu_thread_start(&q->thread, name, queue_thread, q);
	if (ret)
		goto release;
	wait_worked(q);
	if (!q->error)
		return q;
	pthread_join(q->thread, NULL);
	ret = -q->error;
	if (ret == EPERM)
		log_err("io_uring is not allowed here: see kernel.io_uring_disabled");
release:
	queue_release(q);
fail:
	log_err("queue %u: %s", index, strerror(ret));
	return NULL;
}

static void do_end(struct vu_queue *q, void *arg)
{
	(void)arg;
	q->ended = true;
}

void vu_queue_free(struct vu_queue *q)
{
	if (!q)
		return;
	queue_call(q, do_end, NULL);
	pthread_join(q->thread, NULL);
	queue_release(q);
}

static void free_reqs(struct vu_queue *q)
{
	free(q->reqs);
	free(q->done);
	free(q->done_slot);
	q->reqs = NULL;
	q->done = NULL;
	q->done_slot = NULL;
}

static int alloc_reqs(struct vu_queue *q)
{
	unsigned int i;

	q->reqs = calloc(q->ring.num, q->ops->req_size);
	q->done = calloc(q->ring.num, sizeof(*q->done));
	q->done_slot = calloc(q->ring.num, sizeof(*q->done_slot));
	if (!q->reqs || !q->done || !q->done_slot) {
		free_reqs(q);
		return -ENOMEM;
	}
	q->free = NULL;
	for (i = q->ring.num; i--; ) {
		struct vu_req *req = (struct vu_req *)(q->reqs + i * q->ops->req_size);

		req->next = q->free;
		q->free = req;
	}
	return 0;
}

/*
 * What split rings have of the device's position is in guest memory. Out: @why: what cannot be in the inflight
 * region, or NULL; @recovered: whether a process may have used this ring before
 */
static int ring_start(struct vu_queue *q, const char **why, bool *recovered)
{
	struct vring_cursor pos = { .avail = (uint16_t)q->ring.base, .used = (uint16_t)(q->ring.base >> 16) };

	q->vr = (struct vring_engine){
		.num = q->ring.num,
		.packed = feature(q, VIRTIO_F_RING_PACKED),
		.in_order = feature(q, VIRTIO_F_IN_ORDER),
		.event_idx = feature(q, VIRTIO_RING_F_EVENT_IDX),
		.desc = q->ring.desc,
		.avail = q->ring.avail,
		.used = q->ring.used,
	};
	if (!q->vr.packed && vring_load_used(&q->vr, &pos.used))
		return -EFAULT;
	if (q->ring.inflight)
		*why = vu_inflight_start(&q->track, q->ring.inflight, q->ring.inflight_size, &q->vr, &pos, recovered);
	q->ring.base = pos.avail | (uint32_t)pos.used << 16;
	return vring_start(&q->vr, pos);
}

struct start {
	const struct vu_ring *ring;
	int ret;
};

static void do_start(struct vu_queue *q, void *arg)
{
	struct start *s = arg;
	const char *why = NULL;
	bool recovered = false;

	q->ring = *s->ring;
	s->ret = alloc_reqs(q);
	if (!s->ret)
		s->ret = ring_start(q, &why, &recovered);
	if (s->ret) {
		q->ring.err = -1;
		q->ring.call = -1;
		vu_inflight_stop(&q->track);
		free_reqs(q);
		return;
	}
	q->nr_done = 0;
	q->inflight = 0;
	q->next = 0;
	q->batch.nr_elem = 0;
	q->starved = false;
	__atomic_store_n(&q->broken, false, __ATOMIC_RELAXED);
	q->window_ns = q->poll_ns;
	q->running = true;
	if (q->fixes)
		vu_queue_fix(q);
	vu_queue_take_call(q, q->ring.call);
	if (q->ring.kick >= 0)
		arm_poll(q, q->ring.kick, TAG_KICK);
	if (why)
		vu_queue_break(q, why);
	/* The process before may have published, and not come to call. */
	if (recovered && !why)
		vu_queue_signal(q);
	vu_queue_log_ring(q);
	if (!q->ops->run)
		vu_queue_pop_again(q);
}

int vu_queue_start(struct vu_queue *q, const struct vu_ring *ring)
{
	struct start s = { .ring = ring };

	queue_call(q, do_start, &s);
	return s.ret;
}

static void do_stop(struct vu_queue *q, void *arg)
{
	struct io_uring_sqe *sqe;
	uint32_t *base = arg;

	q->running = false;
	if (q->ring.kick >= 0) {
		sqe = vu_queue_sqe(q);
		/* POLL_REMOVE leaves one that is just being woken. */
		io_uring_prep_cancel64(sqe, TAG_KICK, 0);
		io_uring_sqe_set_data64(sqe, TAG_NONE);
	}
	if (q->ops->stop)
		q->ops->stop(q);
	while (q->inflight || q->held) {
		io_uring_submit_and_wait(&q->uring, 1);
		queue_reap(q);
		queue_mail(q);
	}
	if (q->ops->run)
		vu_queue_pulled_last(q, NULL);
	vu_queue_publish(q);
	/* The interrupt, and that the kick is not polled any more, before the caller closes the two */
	io_uring_submit(&q->uring);
	/* While the caller still has the error eventfd */
	vu_queue_check_memory(q);
	q->ring.err = -1;
	q->ring.call = -1;
	*base = q->vr.pos.avail;
	if (q->vr.packed)
		*base |= (uint32_t)q->vr.pos.used << 16;
	vu_inflight_stop(&q->track);
	vu_queue_unfix(q);
	free_reqs(q);
}

uint32_t vu_queue_stop(struct vu_queue *q)
{
	uint32_t base;

	queue_call(q, do_stop, &base);
	return base;
}

static void do_set_call(struct vu_queue *q, void *arg)
{
	/* Interrupts by the old one, before the caller closes it */
	io_uring_submit(&q->uring);
	vu_queue_take_call(q, *(int *)arg);
	/* What was published while there was none */
	vu_queue_signal(q);
}

void vu_queue_set_call(struct vu_queue *q, int fd)
{
	queue_call(q, do_set_call, &fd);
}

void vu_queue_post(struct vu_queue *q, struct vu_mail *mail)
{
	mail->next = __atomic_load_n(&q->mail, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&q->mail, &mail->next, mail, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	vu_queue_wake(q);
}

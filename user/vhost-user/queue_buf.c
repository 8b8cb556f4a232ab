// SPDX-License-Identifier: GPL-2.0
/* A virtqueue's buffers, on their way to the device and back; see queue.h. All of it runs on the queue's thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guard.h"
#include "lib/log.h"
#include "queue_priv.h"

/* Where the eventfd is full, the front-end has been told, and is not waited for. */
static void event_signal(const struct vu_queue *q, int fd)
{
	const struct timespec none = { 0 };
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	uint64_t one = 1;

	if (ppoll(&p, 1, &none, NULL) == 1 && p.revents & POLLOUT && write(fd, &one, sizeof(one)) < 0)
		log_warn("queue %u: event: %s", q->index, strerror(errno));
}

void vu_queue_break(struct vu_queue *q, const char *why)
{
	if (q->vr.err.code == VRING_OK)
		log_warn("queue %u: %s", q->index, why);
	else
		log_warn("queue %u: %s: descriptor %u, %#llx", q->index, why, q->vr.err.head,
			 (unsigned long long)q->vr.err.value);
	q->running = false;
	__atomic_store_n(&q->broken, true, __ATOMIC_RELAXED);
	if (q->ring.err >= 0)
		event_signal(q, q->ring.err);
}

/* --- what the device calls --- */

struct io_uring_sqe *vu_queue_sqe(struct vu_queue *q)
{
	struct io_uring_sqe *sqe;

	/* A full ring empties by being submitted. The kernel may be short of memory for a moment. */
	while (!(sqe = io_uring_get_sqe(&q->uring)))
		if (io_uring_submit(&q->uring) < 0)
			io_uring_get_events(&q->uring);
	return sqe;
}

void *vu_queue_va(const struct vu_queue *q, uint64_t gpa, uint64_t *len)
{
	const struct vring_mem *mem = q->ring.mem;
	uint32_t low = 0, high = mem->nr;

	/* The last region that does not begin behind it */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (mem->region[mid].gpa <= gpa)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || gpa - mem->region[low - 1].gpa >= mem->region[low - 1].size)
		return NULL;
	gpa -= mem->region[low - 1].gpa;
	if (*len > mem->region[low - 1].size - gpa)
		*len = mem->region[low - 1].size - gpa;
	return (void *)(uintptr_t)(mem->region[low - 1].uaddr + gpa);
}

void vu_queue_wake(struct vu_queue *q)
{
	eventfd_write(q->wake, 1);
}

/* --- the dirty log --- */

static void log_result(struct vu_queue *q, bool good)
{
	if (!good && !q->broken)
		vu_queue_break(q, "memory that is written lies outside of the dirty log");
}

/* The segments are gone when they have been written; this happens in a migration only. */
static void log_later(struct vu_queue *q, struct vu_req *req)
{
	const struct vring_elem *e = &req->elem;

	if (!e->nr_in)
		return;
	req->written = calloc(e->nr_in, sizeof(*req->written));
	if (req->written)
		memcpy(req->written, &q->batch.iov[e->iov + e->nr_out], e->nr_in * sizeof(*req->written));
	else
		vu_queue_break(q, "no memory for the dirty log");
}

/* All of a ring that the device writes: a few pages. */
void vu_queue_log_ring(struct vu_queue *q)
{
	const struct vu_ring *r = &q->ring;
	struct iovec desc = { r->desc, r->num * sizeof(struct vring_packed_desc) };
	bool good;

	if (!r->log || !r->log_used_len)
		return;
	good = vu_dirty_range(r->log, r->log_used, r->log_used_len);
	if (q->vr.packed)
		good &= vu_dirty_iov(r->log, r->mem, &desc, 1);
	log_result(q, good);
}

/* @s: what a process before had under way, or NULL */
static struct vu_req *req_new(struct vu_queue *q, const struct vring_elem *e, const struct vu_saved *s)
{
	struct vu_req *req = q->free;

	q->free = req->next;
	q->inflight++;
	req->elem = *e;
	req->again = s;
	req->written = NULL;
	if (q->ring.log)
		log_later(q, req);
	if (s)
		req->slot = s->slot;
	else if (q->track.region)
		req->slot = vu_inflight_mark(&q->track, e);
	return req;
}

static void req_free(struct vu_queue *q, struct vu_req *req)
{
	free(req->written);
	req->next = q->free;
	q->free = req;
	q->inflight--;
}

void vu_req_end(struct vu_queue *q, struct vu_req *req, uint32_t len)
{
	if (req->written)
		log_result(q, vu_dirty_iov(q->ring.log, q->ring.mem, req->written, req->elem.nr_in));
	req->elem.len = len;
	q->done_slot[q->nr_done] = req->slot;
	q->done[q->nr_done++] = req->elem;
	req_free(q, req);
}

/* A request that was not begun is not under way. */
static void req_untake(struct vu_queue *q, struct vu_req *req)
{
	if (req->again)
		vu_inflight_unnext(&q->track);
	else if (q->track.region)
		vu_inflight_unmark(&q->track, req->slot);
	req_free(q, req);
}

/* What was popped and not pulled is popped again, if at all. */
void vu_queue_pulled_last(struct vu_queue *q, const struct vring_elem *last)
{
	if (last)
		vring_rewind(&q->vr, last);
	else if (q->next < q->batch.nr_elem)
		vring_rewind(&q->vr, &q->batch.elem[q->next]);
	q->batch.nr_elem = 0;
	q->next = 0;
}

void vu_req_back(struct vu_queue *q, struct vu_req *req)
{
	vu_queue_pulled_last(q, &req->elem);
	req_untake(q, req);
}

void vu_req_refuse(struct vu_queue *q, struct vu_req *req, const char *why)
{
	vu_req_back(q, req);
	vu_queue_break(q, why);
}

/* Return: what a process before had under way, now the one element of the batch; or NULL */
static const struct vu_saved *pop_again(struct vu_queue *q)
{
	const struct vu_saved *s = vu_inflight_next(&q->track);

	if (s && vring_pop_again(&q->vr, q->ring.mem, &q->batch, s->head, s->desc, s->count) < 0) {
		vu_inflight_unnext(&q->track);
		vu_queue_break(q, vring_strerror(q->vr.err.code));
		return NULL;
	}
	return s;
}

/* Buffers that may be taken: a driver has no more than the ring holds before it hears of some. */
static unsigned int queue_room(const struct vu_queue *q)
{
	return q->ring.num - q->inflight - q->nr_done;
}

struct vu_req *vu_queue_pull(struct vu_queue *q, struct iovec **iov)
{
	unsigned int room = queue_room(q);
	const struct vu_saved *again = NULL;
	const struct vring_elem *e;
	int n;

	q->starved = false;
	if (!q->running || !room)
		return NULL;
	if (q->next == q->batch.nr_elem) {
		q->next = 0;
		q->batch.nr_elem = 0;
		again = pop_again(q);
	}
	if (q->next == q->batch.nr_elem && q->running) {
		q->batch.max_elem = room < VU_BATCH ? (uint16_t)room : VU_BATCH;
		n = vring_pop_batch(&q->vr, q->ring.mem, &q->batch);
		q->starved = !n;
		if (n < 0)
			vu_queue_break(q, vring_strerror(q->vr.err.code));
		if (n <= 0)
			return NULL;
	}
	if (!q->running)
		return NULL;
	e = &q->batch.elem[q->next++];
	*iov = &q->batch.iov[e->iov];
	return req_new(q, e, again);
}

/*
 * Interrupt the driver. Where the eventfd cannot block, it is written by the next submission, which
 * saves a system call.
 */
void vu_queue_signal(struct vu_queue *q)
{
	static const uint64_t one = 1;
	struct io_uring_sqe *sqe;

	if (q->ring.call < 0)
		return;
	if (!q->call_by_ring) {
		event_signal(q, q->ring.call);
		return;
	}
	sqe = vu_queue_sqe(q);
	io_uring_prep_write(sqe, q->ring.call, &one, sizeof(one), 0);
	/* One that is full tells enough. */
	sqe->rw_flags = RWF_NOWAIT;
	io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
	io_uring_sqe_set_data64(sqe, TAG_NONE);
}

/* What was done with memory that is gone was not done. */
void vu_queue_check_memory(struct vu_queue *q)
{
	if (vu_guard_torn() && !q->broken)
		vu_queue_break(q, "the memory it uses is gone: the front-end has made its file shorter");
}

/* A broken ring is told nothing more. */
void vu_queue_publish(struct vu_queue *q)
{
	unsigned int n = q->nr_done;
	int ret;

	vu_queue_check_memory(q);
	q->nr_done = 0;
	if (!n || q->broken)
		return;
	if (q->track.region)
		vu_inflight_ending(&q->track, q->done, q->done_slot, n, q->vr.pos.used);
	ret = vring_complete_batch(&q->vr, q->done, n);
	if (!ret && q->track.region)
		vu_inflight_ended(&q->track, q->done_slot, n, q->vr.pos.used);
	vu_queue_log_ring(q);
	if (!ret)
		ret = vring_need_notify(&q->vr);
	if (ret < 0)
		vu_queue_break(q, vring_strerror(q->vr.err.code));
	else if (ret)
		vu_queue_signal(q);
}

void vu_queue_take_call(struct vu_queue *q, int fd)
{
	int flags = fd < 0 ? 0 : fcntl(fd, F_GETFL);

	q->ring.call = fd;
	q->call_by_ring = flags > 0 && flags & O_NONBLOCK && q->uring.features & IORING_FEAT_CQE_SKIP;
}

/* --- from the driver --- */

/* Give the device one buffer of the batch. */
static const char *queue_take(struct vu_queue *q, const struct vring_elem *e, const struct vu_saved *s)
{
	struct vu_req *req = req_new(q, e, s);
	const char *why = q->ops->request(q, req, &q->batch.iov[e->iov]);

	if (why)
		req_untake(q, req);
	return why;
}

/* Do again what a process before had under way. */
void vu_queue_pop_again(struct vu_queue *q)
{
	const struct vu_saved *s;
	const char *why;

	while (q->running && (s = pop_again(q))) {
		why = queue_take(q, q->batch.elem, s);
		if (!why)
			continue;
		vring_rewind(&q->vr, q->batch.elem);
		vu_queue_break(q, why);
	}
}

/* Return: buffers taken */
int vu_queue_pop(struct vu_queue *q)
{
	const char *why = NULL;
	int n, i, total = 0;

	while (q->running && queue_room(q)) {
		unsigned int room = queue_room(q);

		q->batch.max_elem = room < VU_BATCH ? (uint16_t)room : VU_BATCH;
		n = vring_pop_batch(&q->vr, q->ring.mem, &q->batch);
		for (i = 0; i < n && !why; i++)
			why = queue_take(q, &q->batch.elem[i], NULL);
		if (why)
			vring_rewind(&q->vr, &q->batch.elem[--i]);
		if (n < 0 || why)
			vu_queue_break(q, why ?: vring_strerror(q->vr.err.code));
		if (n <= 0)
			break;
		total += i;
	}
	return total;
}

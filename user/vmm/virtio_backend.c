// SPDX-License-Identifier: GPL-2.0
/*
 * Starting and stopping the vhost back end of a virtio device, away from vCPUs.
 *
 * A vCPU only says what it wants (want_start, want_reset, want of a queue) and schedules a bottom half.
 * step() runs on the main thread and moves the back end one job at a time towards the wish: a job is a
 * start or a stop on a helper thread, without the device lock; nothing else touches the back end, and
 * nothing changes the set-up of the queues that it is about, while one is under way. A back end whose other
 * side has gone is started again, where it stopped.
 */
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include "virtio_pci.h"
#include "../lib/event.h"
#include "../lib/log.h"

enum job_kind { JOB_START, JOB_RECOVER, JOB_STOP, JOB_RING_START, JOB_RING_STOP, JOB_MEMORY };

/**
 * struct virtio_job - one start or stop under way, of all rings or of ring @n
 * @vd: NULL when the device no longer cares; main thread only
 * @worked: posted when the helper is through
 */
struct virtio_job {
	struct virtio_dev *vd;
	struct vm *vm;
	enum job_kind kind;
	unsigned int n;
	uint64_t features;
	struct vhost_ring *ring;
	unsigned int nr;
	int err;
	sem_t worked;
	/* what the helper needs, fixed at the beginning */
	struct virtio_dev *target;
};

static void step(struct virtio_dev *vd);

/* ---- guest memory grows: all that there are, how many of them are to be told, and who wants to hear of it ---- */

static struct virtio_dev *devs;
static unsigned int memory_due;
static void (*memory_told)(void);

static void memory_done(struct virtio_dev *vd)
{
	if (!vd->memory_due)
		return;
	vd->memory_due = false;
	if (!--memory_due)
		memory_told();
}

void virtio_memory_added(struct vm *vm, void (*told)(void))
{
	struct virtio_dev *vd;

	memory_told = told;
	for (vd = devs; vd; vd = vd->next) {
		if (vd->pci.vm != vm || !vd->vhost->ops->memory)
			continue;
		memory_due += !vd->memory_due;
		vd->memory_due = true;
		vd->want_memory = true;
		virtio_backend_kick(vd);
	}
	if (!memory_due)
		told();
}

/* ---- jobs ---- */

static void job_work(void *arg)
{
	struct virtio_job *job = arg;
	struct virtio_dev *vd = job->target;
	const struct vhost_ops *ops = vd->vhost->ops;

	switch (job->kind) {
	case JOB_START:
	case JOB_RECOVER:
		job->err = vd->ops->prepare ? vd->ops->prepare(vd, job->features) : 0;
		if (!job->err)
			job->err = (job->kind == JOB_START ? ops->start : ops->recover)(
				vd->vhost, job->features, job->ring, job->nr);
		break;
	case JOB_STOP:
		ops->stop(vd->vhost);
		break;
	case JOB_RING_START:
		job->err = ops->ring_start(vd->vhost, job->n, &job->ring[job->n]);
		break;
	case JOB_RING_STOP:
		ops->ring_stop(vd->vhost, job->n);
		break;
	case JOB_MEMORY:
		job->err = ops->memory(vd->vhost);
		break;
	}
	sem_post(&job->worked);
}

/* The back end is what the job made it; device lock held. */
static void job_finish(struct virtio_dev *vd, struct virtio_job *job)
{
	unsigned int n;

	vd->job = NULL;
	job->vd = NULL;
	if (job->kind == JOB_STOP) {
		vd->backend = VIRTIO_IDLE;
		return;
	}
	if (job->kind == JOB_RING_STOP) {
		virtio_queue_reset(&vd->queue[job->n]);
		return;
	}
	if (job->kind == JOB_MEMORY && !vd->want_memory)
		memory_done(vd);
	vd->backend = VIRTIO_RUNNING;
	/* It is said why as soon as it is known, or begun anew. */
	if (job->err == -EPIPE && vd->vhost->ops->ready)
		return;
	if (job->err) {
		virtio_broken(vd, vd->vhost->why ? vd->vhost->why : strerror(-job->err));
		return;
	}
	for (n = 0; n < job->nr; n++)
		if (job->ring[n].error)
			virtio_broken(vd, strerror(-job->ring[n].error));
}

static void job_free(struct virtio_job *job)
{
	sem_destroy(&job->worked);
	free(job->ring);
	free(job);
}

static void job_done(void *arg)
{
	struct virtio_job *job = arg;
	struct vm *vm = job->vm;
	struct virtio_dev *vd;

	vm_lock(vm);
	vd = job->vd;
	if (vd) {
		job_finish(vd, job);
		step(vd);
	}
	vm_unlock(vm);
	job_free(job);
}

static struct virtio_job *job_new(struct virtio_dev *vd, enum job_kind kind, unsigned int n)
{
	struct virtio_job *job = calloc(1, sizeof(*job));
	unsigned int i;

	if (!job)
		return NULL;
	job->ring = calloc(vd->nr_queues, sizeof(*job->ring));
	if (!job->ring) {
		free(job);
		return NULL;
	}
	sem_init(&job->worked, 0, 0);
	job->vd = vd;
	job->target = vd;
	job->vm = vd->pci.vm;
	job->kind = kind;
	job->n = n;
	/* Vhost has another use for this bit, and what it says is a promise to the driver alone. */
	job->features = vd->driver_features & ~(1ull << VIRTIO_F_ANY_LAYOUT);
	job->nr = vd->nr_queues;
	for (i = 0; i < job->nr; i++)
		job->ring[i] = vd->queue[i].ring;
	return job;
}

/* Return: whether a job is under way */
static bool job_begin(struct virtio_dev *vd, enum job_kind kind, unsigned int n)
{
	struct virtio_job *job = job_new(vd, kind, n);

	if (!job) {
		log_warn("%s: out of memory", vd->name);
		return false;
	}
	vd->job = job;
	if (!loop_offload(vd->pci.vm->loop, job_work, job_done, job))
		return true;
	/* No helper to be had: better late here than never. */
	job_work(job);
	job_finish(vd, job);
	job_free(job);
	return false;
}

/* Return: whether there was a wish and a job could be made of it */
static bool ring_step(struct virtio_dev *vd)
{
	unsigned int n;

	for (n = 0; n < vd->nr_queues; n++) {
		struct virtio_queue *q = &vd->queue[n];

		if (q->want == VIRTIO_QUEUE_START) {
			/* A reset that comes while this one is under way is a new wish. */
			q->want = VIRTIO_QUEUE_AS_IS;
			job_begin(vd, JOB_RING_START, n);
			return true;
		}
		if (q->want == VIRTIO_QUEUE_RESET) {
			job_begin(vd, JOB_RING_STOP, n);
			return vd->job || q->want == VIRTIO_QUEUE_AS_IS;
		}
	}
	return false;
}

/* A queue that was enabled just after DRIVER_OK starts with the others. */
static void rings_join(struct virtio_dev *vd)
{
	unsigned int n;

	for (n = 0; n < vd->nr_queues; n++)
		if (vd->queue[n].want == VIRTIO_QUEUE_START)
			vd->queue[n].want = VIRTIO_QUEUE_AS_IS;
}

static int backend_ready(struct virtio_dev *vd)
{
	int err = vd->vhost->ops->ready ? vd->vhost->ops->ready(vd->vhost) : 0;

	if (err && err != -EINPROGRESS && (vd->backend == VIRTIO_RUNNING || vd->want_start))
		virtio_broken(vd, vd->vhost->why ? vd->vhost->why : strerror(-err));
	return err;
}

/* Return: whether a job is under way, or could not be made */
static bool lost_step(struct virtio_dev *vd)
{
	vd->lost = false;
	if (backend_ready(vd) || vd->backend == VIRTIO_IDLE || vd->want_reset ||
	    vd->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return false;
	return job_begin(vd, JOB_RECOVER, 0);
}

/* One that is started later is told of all there is. Return: whether a job is under way */
static bool memory_step(struct virtio_dev *vd)
{
	vd->want_memory = false;
	if (vd->backend == VIRTIO_RUNNING && !vd->want_reset && !vd->lost && job_begin(vd, JOB_MEMORY, 0))
		return true;
	memory_done(vd);
	return false;
}

static void step(struct virtio_dev *vd)
{
	while (!vd->job) {
		if (vd->want_memory) {
			if (memory_step(vd))
				return;
		} else if (vd->lost) {
			if (lost_step(vd))
				return;
		} else if (vd->backend == VIRTIO_RUNNING && !vd->want_reset) {
			if (!ring_step(vd))
				return;
		} else if (vd->backend == VIRTIO_RUNNING) {
			if (job_begin(vd, JOB_STOP, 0) || vd->backend == VIRTIO_RUNNING)
				return;
		} else if (vd->want_reset) {
			vd->want_reset = false;
			vd->want_start = false;
			virtio_registers_reset(vd);
			vm_unhold(vd->pci.vm);
			return;
		} else if (vd->want_start) {
			backend_ready(vd);
			vd->want_start = false;
			rings_join(vd);
			if (job_begin(vd, JOB_START, 0) || vd->backend == VIRTIO_IDLE)
				return;
		} else {
			return;
		}
	}
}

static void backend_bh(struct loop_bh *bh)
{
	struct virtio_dev *vd = (void *)((char *)bh - offsetof(struct virtio_dev, bh));

	vm_lock(vd->pci.vm);
	step(vd);
	vm_unlock(vd->pci.vm);
}

void virtio_backend_kick(struct virtio_dev *vd)
{
	loop_bh_schedule(vd->pci.vm->loop, &vd->bh);
}

static void backend_lost(struct vhost *vh)
{
	vh->vd->lost = true;
	step(vh->vd);
}

bool virtio_backend_busy(const struct virtio_dev *vd)
{
	return vd->job || vd->want_start || vd->backend == VIRTIO_RUNNING;
}

void virtio_backend_quiesce(struct virtio_dev *vd)
{
	struct virtio_job *job = vd->job;

	vd->want_start = false;
	vd->want_reset = false;
	vm_unhold(vd->pci.vm);
	if (job) {
		/* The helper takes no lock of ours; job_done() comes later and finds nobody. */
		while (sem_wait(&job->worked) && errno == EINTR)
			;
		job_finish(vd, job);
	}
	if (vd->backend == VIRTIO_RUNNING) {
		vd->vhost->ops->stop(vd->vhost);
		vd->backend = VIRTIO_IDLE;
	}
	vd->want_memory = false;
	memory_done(vd);
}

/* The only word from a back end that a ring is beyond repair. */
static void err_ready(struct loop_fd *w, short revents)
{
	struct virtio_queue *q = (void *)((char *)w - offsetof(struct virtio_queue, err_watch));
	struct virtio_dev *vd = q->vd;
	uint64_t n;

	(void)revents;
	vm_lock(vd->pci.vm);
	/* An error that a reset has overtaken is history. */
	if (event_take(w->fd, &n) == sizeof(n) && virtio_backend_busy(vd) && !vd->want_reset)
		virtio_broken(vd, "the back end gave the ring up");
	vm_unlock(vd->pci.vm);
}

void virtio_backend_init(struct virtio_dev *vd)
{
	unsigned int n;

	vd->bh.fn = backend_bh;
	vd->vhost->vd = vd;
	vd->vhost->lost = backend_lost;
	vd->next = devs;
	devs = vd;
	for (n = 0; n < vd->nr_queues; n++) {
		struct virtio_queue *q = &vd->queue[n];

		q->err_watch = (struct loop_fd){ .fd = q->ring.err, .events = POLLIN, .fn = err_ready };
		if (loop_fd_add(vd->pci.vm->loop, &q->err_watch)) {
			log_warn("%s: cannot watch for ring errors", vd->name);
			q->err_watch.fd = -1;
		}
	}
}

void virtio_backend_exit(struct virtio_dev *vd)
{
	struct virtio_dev **p = &devs;
	unsigned int n;

	while (*p && *p != vd)
		p = &(*p)->next;
	if (*p)
		*p = vd->next;
	for (n = 0; n < vd->nr_queues; n++)
		if (vd->queue[n].err_watch.fd >= 0)
			loop_fd_del(vd->pci.vm->loop, &vd->queue[n].err_watch);
	loop_bh_cancel(vd->pci.vm->loop, &vd->bh);
	vd->vhost->ops->close(vd->vhost);
}

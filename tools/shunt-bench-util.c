// SPDX-License-Identifier: GPL-2.0
/* shunt-bench: what its modes share. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "shunt-bench.h"
#include "linux/vhost_shunt.h"

#define WORKERS_MAX	64

uint64_t bench_clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

pid_t bench_worker_time(uint64_t *ns, uint64_t *runs)
{
	pid_t tid[WORKERS_MAX];
	uint64_t t, slices;
	int n, i;

	*ns = 0;
	*runs = 0;
	n = vdrv_worker_find(getpid(), tid, WORKERS_MAX);
	for (i = 0; i < n && i < WORKERS_MAX; i++) {
		if (vdrv_worker_runtime(tid[i], &t, &slices))
			continue;
		*ns += t;
		*runs += slices;
	}
	return n ? tid[0] : 0;
}

int bench_own_worker(const struct vdrv_dev *dev, unsigned int index)
{
	struct vhost_worker_state s = { 0 };
	struct vhost_vring_worker w = { .index = index };

	if (ioctl(dev->fd, VHOST_NEW_WORKER, &s))
		return -errno;
	w.worker_id = s.worker_id;
	return ioctl(dev->fd, VHOST_ATTACH_VRING_WORKER, &w) ? -errno : 0;
}

int bench_poll_us(const struct vdrv_dev *dev, unsigned int index, unsigned int us)
{
	struct vhost_vring_state s = { .index = index, .num = us };

	return ioctl(dev->fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &s) ? -errno : 0;
}

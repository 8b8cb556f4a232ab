// SPDX-License-Identifier: GPL-2.0
/*
 * Each step of a device's life, with each chance to fail failing once: allocations, copies from and
 * to user space. What fails says so, leaves nothing behind, and works when it is tried again. TAP on
 * stdout; needs a kernel with fault injection.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost_shunt.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/fault.h"
#include "lib/hostile.h"

#define NTH_MAX		2000

static int step_open(struct hostile *h)
{
	int fd = open(DTEST_DEVICE, O_RDWR | O_CLOEXEC);

	(void)h;
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int step_owner(struct hostile *h)
{
	if (ioctl(h->fd, VHOST_SET_OWNER))
		return -errno;
	return ioctl(h->fd, VHOST_RESET_OWNER) ? -EBUSY : 0;
}

static int step_memory(struct hostile *h)
{
	struct vdrv_dev dev = { .fd = h->fd };
	struct vhost_memory_region r[300];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(r); i++)
		r[i] = (struct vhost_memory_region){ VDRV_GPA + i * 8192, 4096,
						     (uintptr_t)h->mem.va + i * 4096, 0 };
	return vdrv_dev_set_regions(&dev, r, ARRAY_SIZE(r));
}

/* Taking away cannot fail; giving may. */
static int step_backend(struct hostile *h)
{
	int ret;

	ret = hring_backend(h, &h->ring[VDRV_RX], h->tap[1].fd);
	if (!ret)
		ret = hring_backend(h, &h->ring[VDRV_TX], h->tap[1].fd);
	return ret;
}

static int step_worker(struct hostile *h)
{
	struct vhost_worker_state w;
	int ret;

	if (ioctl(h->fd, VHOST_NEW_WORKER, &w))
		return errno == ENOTTY ? 0 : -errno;
	ret = ioctl(h->fd, VHOST_FREE_WORKER, &w) ? -errno : 0;
	return ret;
}

static int step_queries(struct hostile *h)
{
	struct vhost_vring_state st = { 0 };
	uint64_t f;

	if (ioctl(h->fd, VHOST_GET_FEATURES, &f))
		return -errno;
	return ioctl(h->fd, VHOST_GET_VRING_BASE, &st) ? -errno : 0;
}

static const struct step {
	const char *name;
	int (*fn)(struct hostile *h);
} steps[] = {
	{ "open and close", step_open },
	{ "take it and let it go", step_owner },
	{ "set it up", hostile_setup },
	{ "300 regions", step_memory },
	{ "other back ends", step_backend },
	{ "a worker more and less", step_worker },
	{ "queries", step_queries },
	{ "set it up once more", hostile_setup },
};

/* Return: how many faults the step met */
static unsigned int test(struct hostile *h, const struct step *step)
{
	unsigned int nth, faults = 0, noticed = 0, odd = 0;
	int ret = 0;

	for (nth = 1; nth < NTH_MAX; nth++) {
		fault_nth(nth);
		ret = step->fn(h);
		if (!fault_nth_end())
			break;
		faults++;
		noticed += ret < 0;
		if (ret && ret != -ENOMEM && ret != -EFAULT && ret != -EAGAIN) {
			odd++;
			t_note("fault %u: %s", nth, t_err(ret));
		}
	}
	t_ok(!odd && !ret && nth < NTH_MAX, "%s: %u faults, %u reported, then %s", step->name,
	     faults, noticed, t_err(ret));
	return faults;
}

int main(void)
{
	uint64_t seed = 1;
	struct tally tally = { 0 };
	struct hostile h;
	const char *why = "";
	unsigned int faults = 0, i;
	int ret;

	if (!fault_open()) {
		t_skip("no fault injection in this kernel");
		return t_done();
	}
	t_need(hostile_open(&h, &tally, NULL, &seed), "set-up");
	h.features = RIG_FEATURES;
	for (i = 0; i < 2; i++) {
		h.ring[i].packed = false;
		h.ring[i].wrap = false;
		h.ring[i].num = 256;
	}
	for (i = 0; i < ARRAY_SIZE(steps); i++)
		faults += test(&h, &steps[i]);
	t_ok(faults > 50, "%u faults in all", faults);
	for (i = 0; i < 2; i++)
		hring_backend(&h, &h.ring[i], -1);
	ret = fuzz_revive(h.fd, NULL, RIG_FEATURES, 500, &why);
	t_ok(!ret, "and then it carries frames: %s %s", t_err(ret), why);
	return t_done();
}

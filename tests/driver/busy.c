// SPDX-License-Identifier: GPL-2.0
/*
 * Busy polling: traffic with it is the traffic without, kicks become fewer, an idle queue lets the
 * processor go, and configuration does not wait for a poll to end. TAP on stdout.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/vhost_shunt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/flow.h"

#define EVENT	VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)
/* Longer than any test: what ends before was ended by something else. */
#define LONG_US	600000000U

static int busy_set(struct rig *r, unsigned int us)
{
	struct vhost_vring_state s = { .num = us };
	int ret = 0;

	for (s.index = 0; s.index < 2 && !ret; s.index++)
		ret = ioctl(r->dev.fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &s) ? -errno : 0;
	return ret;
}

/* A rig with a flow out that is polled for @us; all but the back end */
static int busy_open(struct rig *r, struct flow *tx, const struct rig_opt *o, unsigned int us)
{
	return rig_open(r, o) ?: flow_open_tx(tx, r) ?: busy_set(r, us);
}

/* Each queue a worker of its own */
static int split_workers(struct rig *r)
{
	struct vhost_vring_worker a = { .index = 1 };
	struct vhost_worker_state s;

	if (ioctl(r->dev.fd, VHOST_NEW_WORKER, &s))
		return -errno;
	a.worker_id = s.worker_id;
	return ioctl(r->dev.fd, VHOST_ATTACH_VRING_WORKER, &a) ? -errno : 0;
}

static void test_traffic(uint64_t features, unsigned int us, bool split)
{
	struct rig_opt o = { .num = 256, .features = features };
	struct both b = { .tx.max = 1514, .rx.max = 1514 };
	int ret, i;

	ret = both_open(&b, &o);
	if (!ret && split)
		ret = split_workers(&b.r);
	if (!ret)
		ret = busy_set(&b.r, us);
	if (!ret)
		ret = rig_start(&b.r);
	for (i = 0; i < 60 && !ret; i++) {
		ret = both_send(&b, 1 + i, 1 + i) ?: both_finish(&b, 5000);
		/* On and off while the queues run, with pauses short and long */
		if (!ret && i % 8 == 7)
			ret = busy_set(&b.r, i % 16 == 7 ? 0 : us);
		if (i % 4 == 3)
			usleep(i * 20);
	}
	both_report(&b, ret, "polling for %u us%s%s", us, features & EVENT ? ", EVENT_IDX" : "",
		    split ? ", two workers" : "");
	both_close(&b);
}

/* While the worker polls, it wants no kicks, and finds what comes without. */
static void test_no_kick(bool event)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES | (event ? EVENT : 0) };
	struct flow tx = { .max = 200 };
	struct vdrv_vq *vq;
	uint64_t kicks = 0;
	struct rig r;
	int ret, i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		t_skip("a worker that polls wants no kicks: there is one processor");
		return;
	}
	ret = busy_open(&r, &tx, &o, LONG_US);
	vq = &r.vq[VDRV_TX];
	if (!ret)
		ret = rig_start(&r);
	/* The worker gives way when others want its processor: sooner or later nobody does. */
	for (i = 0; i < 1000 && !ret && kicks == (uint64_t)i; i++) {
		ret = flow_tx_queue(&tx, 3);
		vdrv_vq_kick(vq);
		if (!ret)
			ret = flow_tx_finish(&tx, 10000);
		kicks = vq->kicks;
	}
	t_ok(!ret && kicks < (uint64_t)i, "a worker that polls wants no kicks%s: %llu in %d rounds, %s %s",
	     event ? ", EVENT_IDX" : "", (unsigned long long)kicks, i, t_err(ret), tx.why ?: "");
	flow_close(&tx);
	rig_close(&r);
}

/* Everything that configuration may do to a queue that is being polled for minutes */
static void test_config(void)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES | EVENT };
	struct flow tx = { .max = 200 };
	struct vhost_vring_state s = { .index = VDRV_TX };
	struct vhost_vring_worker a = { .index = 0 };
	struct vhost_worker_state w;
	uint64_t start = t_now_ms();
	struct rig r;
	int ret, i;

	ret = busy_open(&r, &tx, &o, LONG_US);
	for (i = 0; i < 10 && !ret; i++) {
		ret = rig_start(&r);
		if (!ret)
			ret = flow_tx(&tx, 20);
		if (!ret)
			ret = ioctl(r.dev.fd, VHOST_GET_VRING_BASE, &s) ? -errno : 0;
		if (!ret)
			ret = vdrv_vq_set_fd(&r.vq[0], &r.dev, VHOST_SET_VRING_KICK, r.vq[0].kick);
		if (!ret)
			ret = vdrv_vq_set_fd(&r.vq[1], &r.dev, VHOST_SET_VRING_CALL, r.vq[1].call);
		/* To a worker of their own, whose number is free again next time */
		if (!ret)
			ret = ioctl(r.dev.fd, VHOST_NEW_WORKER, &w) ? -errno : 0;
		a.worker_id = w.worker_id;
		for (a.index = 0; a.index < 2 && !ret; a.index++)
			ret = ioctl(r.dev.fd, VHOST_ATTACH_VRING_WORKER, &a) ? -errno : 0;
		if (!ret)
			ret = flow_tx(&tx, 20);
		w.worker_id = i & 1;
		if (!ret)
			ret = ioctl(r.dev.fd, VHOST_FREE_WORKER, &w) ? -errno : 0;
		rig_stop(&r);
	}
	t_ok(!ret, "a polled queue is set up anew, moved and stopped: %s %s", t_err(ret),
	     tx.why ?: "");
	flow_close(&tx);
	rig_close(&r);
	t_ok(t_now_ms() - start < LONG_US / 2000, "and the poll's end was not awaited");
}

/* Run time of all workers */
static uint64_t workers_ns(void)
{
	uint64_t sum = 0, ns, slices;
	pid_t tid[4];
	int n = vdrv_worker_find(getpid(), tid, ARRAY_SIZE(tid));

	while (n-- > 0)
		if (!vdrv_worker_runtime(tid[n], &ns, &slices))
			sum += ns;
	return sum;
}

/* The time that a queue without traffic is polled comes to an end: nobody kicks it for a while. */
static void test_idle(bool split)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES };
	struct flow tx = { .max = 200 };
	uint64_t before, after;
	struct rig r;
	int ret;

	ret = busy_open(&r, &tx, &o, 1000);
	if (!ret && split)
		ret = split_workers(&r);
	if (!ret)
		ret = rig_start(&r);
	if (!ret)
		ret = flow_tx(&tx, 10);
	t_need(ret, "rig");
	t_sleep_ms(200);
	before = workers_ns();
	t_sleep_ms(300);
	after = workers_ns();
	t_ok(after == before, "idle queues are polled no more%s: %llu ns in 300 ms",
	     split ? ", two workers" : "", (unsigned long long)(after - before));
	ret = flow_tx(&tx, 10);
	t_ok(!ret, "and wakes up by a kick: %s %s", t_err(ret), tx.why ?: "");
	flow_close(&tx);
	rig_close(&r);
}

int main(void)
{
	static const unsigned int us[] = { 1, 50, 5000 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(us); i++)
		for (j = 0; j < 4; j++)
			test_traffic(RIG_FEATURES | (j & 1 ? EVENT : 0), us[i], j & 2);
	test_no_kick(false);
	test_no_kick(true);
	test_config();
	test_idle(false);
	test_idle(true);
	return t_done();
}

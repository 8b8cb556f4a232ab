// SPDX-License-Identifier: GPL-2.0
/*
 * Signals that are held back while the driver has more to ask for: fewer of them then, one for each
 * request where the driver waits for each, and none is lost. The driver here does as a guest's: it
 * always wants to be interrupted. TAP on stdout.
 *
 *	blk-hold BACKEND
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost_shunt.h>
#include <sys/ioctl.h>

#include "dtest.h"
#include "lib/blk.h"

#define HOLD_US		"/sys/module/vhost_core/parameters/hold_us"
#define REQUESTS	2000
#define PAIRS		100
#define DEPTH		32	/* 16 may be held back */

static struct blk b;
static struct blk_req req[DEPTH];
static unsigned char *buf;

static uint64_t signals(void)
{
	struct vhost_shunt_vq_stats st = { .index = 0, .size = sizeof(st) };

	t_need(ioctl(b.q.dev.fd, VHOST_SHUNT_GET_VQ_STATS, &st) ? -errno : 0, "statistics");
	return st.signals;
}

/* Take what is done, and ask to be told of the next: as an interrupt handler does. */
static int take(void)
{
	int ret;

	do
		ret = reqs_reap(&b.q, 0);
	while (ret >= 0 && vdrv_vq_enable_call(&b.q.vq[0]));
	return ret < 0 ? ret : 0;
}

/* Until nothing is pending */
static int await(void)
{
	struct vdrv_vq *vq = &b.q.vq[0];
	int ret = 0;

	while (!ret && b.q.pending[0]) {
		if (!vdrv_event_wait(vq->call, 2000))
			return vdrv_vq_pending(vq) ? -EPROTO : -ETIMEDOUT;
		ret = take();
	}
	return ret;
}

/* One request more, that the device may not see yet */
static int add(void)
{
	struct blk_req *r = req;

	while (r->data && !r->done)
		r++;
	*r = (struct blk_req){ .type = VIRTIO_BLK_T_IN, .data = buf, .len = 512 };
	return blk_submit(&b, 0, r);
}

/* Requests one after the other */
static int run_one(unsigned int n)
{
	int ret = take();

	while (!ret && n--)
		ret = add() ?: reqs_kick(&b.q, 0) ?: await();
	return ret;
}

/* Two at a time, whether those before have ended or not, and a pause that is longer than they take */
static int run_pairs(unsigned int n, unsigned int pause_ms)
{
	int ret = take();

	while (!ret && n--) {
		if (vdrv_event_wait(b.q.vq[0].call, 0))
			ret = take();
		ret = ret ?: add() ?: add() ?: reqs_kick(&b.q, 0);
		t_sleep_ms(pause_ms);
	}
	return ret ?: await();
}

static uint64_t count(bool pairs, const char *what)
{
	uint64_t before = signals(), n;
	int ret = pairs ? run_pairs(PAIRS, 5) : run_one(REQUESTS);

	n = signals() - before;
	t_ok(!ret, "%s: %u requests, %llu signals %s %s", what, pairs ? 2 * PAIRS : REQUESTS,
	     (unsigned long long)n, t_err(ret), ret == -EPROTO ? "an interrupt was lost" : b.q.why);
	return n;
}

static void test_counts(void)
{
	uint64_t one, told, held;

	one = count(false, "one at a time");
	t_ok(one == REQUESTS, "a signal for each");
	t_need(t_write_file(HOLD_US, "0"), HOLD_US);
	told = count(true, "pairs, hold_us=0");
	t_need(t_write_file(HOLD_US, "1000000"), HOLD_US);
	held = count(true, "pairs");
	t_ok(held < told, "fewer signals");
	one = count(false, "and then one at a time again");
	t_ok(one == REQUESTS, "a signal for each");
}

/*
 * After pairs, one alone is waited for.
 * Return: the completion is there, and the driver was not told
 */
static bool hold_one(void)
{
	struct vdrv_vq *vq = &b.q.vq[0];
	int ret = run_pairs(24, 20);

	/* What was told of the last ones */
	t_sleep_ms(200);
	vdrv_event_wait(vq->call, 0);
	ret = ret ?: take() ?: add() ?: reqs_kick(&b.q, 0);
	for (unsigned int i = 0; i < 100 && !ret && !vdrv_vq_pending(vq); i++)
		t_sleep_ms(1);
	t_need(ret, "pairs");
	return vdrv_vq_pending(vq) && !vdrv_event_wait(vq->call, 0);
}

/* What ends a queue that holds a signal back tells the driver. */
static void test_end(int fd, int (*end)(void), const char *what)
{
	bool held = false;
	unsigned int i;

	for (i = 0; i < 10 && !held; i++) {
		t_need(blk_backend(&b, 0, fd, 0), "back end");
		held = hold_one();
	}
	t_ok(held, "%s: a signal is held", what);
	t_need(end(), what);
	t_ok(vdrv_event_wait(b.q.vq[0].call, 2000), "it comes when the queue ends");
}

static int end_stop(void)
{
	return blk_backend(&b, 0, -1, 0);
}

static int end_broken(void)
{
	struct vdrv_buf no_request = { .gpa = b.q.pool, .len = 1, .device_writes = true };

	return vdrv_vq_add(&b.q.vq[0], &no_request, 1, 0) ?: reqs_kick(&b.q, 0);
}

int main(int argc, char **argv)
{
	struct reqs_opt o = { .depth = DEPTH };
	int fd;

	t_need(argc == 2 ? 0 : -EINVAL, "usage: blk-hold BACKEND");
	fd = blk_file(argv[1], O_RDWR, false);
	buf = blk_buf(512);
	t_need(blk_start(&b, &o, fd), "device");
	test_counts();
	test_end(fd, end_stop, "back end taken away");
	test_end(fd, end_broken, "no request");
	t_need(t_write_file(HOLD_US, "1000"), HOLD_US);
	blk_close(&b);
	return t_done();
}

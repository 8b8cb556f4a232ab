// SPDX-License-Identifier: GPL-2.0
/*
 * Counters and tracepoints say what was sent, exactly. TAP on stdout.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/vhost_shunt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/flow.h"

#define EVENT	VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)
#define DEBUGFS	"/sys/kernel/debug/vhost-shunt"
#define TRACEFS	"/sys/kernel/tracing"
#define FRAME	100
#define HDR	12

static int get(int fd, unsigned int index, struct vhost_shunt_vq_stats *s)
{
	memset(s, 0, sizeof(*s));
	s->size = sizeof(*s);
	s->index = index;
	return ioctl(fd, VHOST_SHUNT_GET_VQ_STATS, s) ? -errno : 0;
}

/* Our devices' folders; the last one's path in @path */
static int folders(char *path, size_t size)
{
	char want[24];
	struct dirent *e;
	DIR *d = opendir(DEBUGFS);
	int n = 0;

	snprintf(want, sizeof(want), "%d-", getpid());
	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, want, strlen(want)))
			continue;
		snprintf(path, size, "%s/%s/stats", DEBUGFS, e->d_name);
		n++;
	}
	if (d)
		closedir(d);
	return n;
}

/* A value in the line of a queue; ~0 when it is not there */
static unsigned long long value(const char *path, unsigned int index, const char *name)
{
	char line[1000], want[40], *p;
	unsigned long long v = ~0ULL;
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f)) {
		snprintf(want, sizeof(want), "vq=%u ", index);
		if (strncmp(line, want, strlen(want)))
			continue;
		snprintf(want, sizeof(want), " %s=", name);
		p = strstr(line, want);
		if (p)
			v = strtoull(p + strlen(want), NULL, 10);
	}
	if (f)
		fclose(f);
	return v;
}

/* Lines of one event in the trace, and the sum of their elements */
static unsigned int traced(const char *event, pid_t owner, unsigned int vq, uint64_t *elements)
{
	char line[600], want[60], *p;
	unsigned int n = 0;
	FILE *f = fopen(TRACEFS "/trace", "re");

	*elements = 0;
	while (f && fgets(line, sizeof(line), f)) {
		snprintf(want, sizeof(want), " %s: owner=%d ", event, owner);
		if (line[0] == '#' || !strstr(line, want))
			continue;
		snprintf(want, sizeof(want), " vq=%u", vq);
		p = strstr(line, " vq=");
		if (p && (strncmp(p, want, strlen(want)) || (p[strlen(want)] >= '0' &&
							     p[strlen(want)] <= '9')))
			continue;
		n++;
		p = strstr(line, " elements=");
		if (p)
			*elements += strtoull(p + 10, NULL, 10);
	}
	if (f)
		fclose(f);
	return n;
}

/* A queue's total as shunt-stat prints it; ~0 when it does not */
static unsigned long long stat_total(unsigned int index, const char *name)
{
	const char *top = getenv("SHUNT_TOP") ?: ".";
	char cmd[300], line[4000] = "", want[40], *p;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "%s/build/bin/shunt-stat --json -i 0.05 -n 1 -p %d", top, getpid());
	f = popen(cmd, "re");
	if (!f || !fgets(line, sizeof(line), f))
		line[0] = 0;
	if (f)
		pclose(f);
	snprintf(want, sizeof(want), "\"vq\":%u,", index);
	p = strstr(line, want);
	p = p ? strstr(p, "\"total\":") : NULL;
	snprintf(want, sizeof(want), "\"%s\":", name);
	p = p ? strstr(p, want) : NULL;
	return p ? strtoull(p + strlen(want), NULL, 10) : ~0ULL;
}

/* One queue's counters, after @packets of FRAME bytes in @elements buffers */
static void check(const char *what, struct rig *r, unsigned int q, uint64_t packets,
		  uint64_t elements, int call, bool tracing)
{
	struct vhost_shunt_vq_stats s;
	char path[300];
	uint64_t n;
	int ret;

	ret = get(r->dev.fd, q, &s);
	t_ok(!ret && s.packets == packets && s.elements == elements &&
	     s.bytes == packets * (FRAME + HDR),
	     "%s: %llu packets, %llu buffers, %llu bytes", what, (unsigned long long)s.packets,
	     (unsigned long long)s.elements, (unsigned long long)s.bytes);
	t_ok(s.kicks == r->vq[q].kicks, "%s: %llu kicks", what, (unsigned long long)s.kicks);
	n = vdrv_event_wait(call, 0);
	t_ok(s.signals == n && s.signals + s.suppressed == s.batches && s.batches &&
	     s.batches <= elements, "%s: %llu batches, %llu signals, %llu suppressed", what,
	     (unsigned long long)s.batches, (unsigned long long)s.signals,
	     (unsigned long long)s.suppressed);
	/* What is received may be lingered for. */
	t_ok(!s.errors && (q == VDRV_RX || (!s.poll_hits && !s.poll_misses)) && !s.worker_id &&
	     s.worker_tid,
	     "%s: no errors, no polls of what is sent, served by worker %u", what, s.worker_id);
	t_ok(folders(path, sizeof(path)) == 1 && value(path, q, "packets") == s.packets &&
	     value(path, q, "bytes") == s.bytes && value(path, q, "kicks") == s.kicks &&
	     value(path, q, "signals") == s.signals && value(path, q, "batches") == s.batches &&
	     value(path, q, "elements") == s.elements, "%s: the same in debugfs", what);
	t_ok(stat_total(q, "packets") == s.packets && stat_total(q, "bytes") == s.bytes,
	     "%s: and by shunt-stat", what);
	if (!tracing)
		return;
	t_ok(traced("vhost_kick", getpid(), q, &n) == s.kicks, "%s: as many vhost_kick", what);
	t_ok(traced("vhost_signal", getpid(), q, &n) == s.signals, "%s: as many vhost_signal",
	     what);
	t_ok(traced("vhost_batch", getpid(), q, &n) == s.batches && n == s.elements,
	     "%s: as many vhost_batch, with as many buffers", what);
}

static void test_exact(bool tracing)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES | EVENT };
	struct flow tx = { .min = FRAME, .max = FRAME, .no_call = true };
	/* Two buffers a frame */
	struct flow rx = { .min = FRAME, .max = FRAME, .buf_size = 70, .no_call = true };
	int ret, q, call[2] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
	struct vhost_shunt_vq_stats s;
	uint64_t n, wakes, sleeps;
	struct rig r;
	char path[300];

	if (tracing) {
		t_need(t_write_file(TRACEFS "/trace", ""), TRACEFS "/trace");
		t_need(t_write_file(TRACEFS "/events/vhost_shunt/enable", "1"), "events/vhost_shunt");
		t_need(t_write_file(TRACEFS "/tracing_on", "1"), "tracing_on");
	}
	ret = rig_open(&r, &o);
	if (!ret)
		ret = flow_open_tx(&tx, &r);
	for (q = 0; q < 2 && !ret; q++)
		ret = vdrv_vq_set_fd(&r.vq[q], &r.dev, VHOST_SET_VRING_CALL, call[q]);
	if (!ret)
		ret = rig_start(&r);
	/* Buffers to receive into come with a kick that must be heard. */
	if (!ret)
		ret = flow_open_rx(&rx, &r);
	if (!ret)
		ret = flow_tx(&tx, 1000);
	if (!ret)
		ret = flow_rx(&rx, 300);
	t_ok(!ret, "traffic%s: %s %s%s", tracing ? ", traced" : "", t_err(ret), tx.why ?: "",
	     rx.why ?: "");

	/* Nothing more happens, but that the worker goes to sleep. */
	rig_stop(&r);
	for (q = 0; q < 5000; q++) {
		get(r.dev.fd, 0, &s);
		if (s.worker_sleeps > s.worker_wakes)
			break;
		t_sleep_ms(1);
	}
	t_ok(s.worker_sleeps == s.worker_wakes + 1 && s.worker_wakes,
	     "the worker woke up %llu times, and sleeps", (unsigned long long)s.worker_wakes);
	check("tx", &r, VDRV_TX, 1000, 1000, call[VDRV_TX], tracing);
	check("rx", &r, VDRV_RX, 300, 600, call[VDRV_RX], tracing);
	if (tracing) {
		t_write_file(TRACEFS "/events/vhost_shunt/enable", "0");
		wakes = traced("vhost_worker_wake", getpid(), 0, &n);
		sleeps = traced("vhost_worker_sleep", getpid(), 0, &n);
		t_ok(wakes == s.worker_wakes && sleeps == s.worker_sleeps,
		     "as many vhost_worker_wake and vhost_worker_sleep: %llu, %llu",
		     (unsigned long long)wakes, (unsigned long long)sleeps);
	}
	flow_close(&tx);
	flow_close(&rx);
	ret = ioctl(r.dev.fd, VHOST_RESET_OWNER) ? -errno : 0;
	ret = ret ?: get(r.dev.fd, VDRV_TX, &s);
	t_ok(!ret && !s.packets && !s.kicks && s.worker_id == VHOST_SHUNT_NO_WORKER,
	     "RESET_OWNER forgets them: %s", t_err(ret));
	t_ok(!folders(path, sizeof(path)), "and removes the folder");
	rig_close(&r);
	close(call[0]);
	close(call[1]);
}

static void test_ioctl(void)
{
	struct {
		struct vhost_shunt_vq_stats s;
		uint64_t more[2];
	} big = { .s = { .size = sizeof(big) }, .more = { 7, 7 } };
	struct vhost_shunt_vq_stats s;
	struct vdrv_dev d, other;
	char path[300];
	int ret, st;
	pid_t pid;

	t_need(vdrv_dev_open(&d, DTEST_DEVICE), DTEST_DEVICE);
	t_need(vdrv_dev_open(&other, DTEST_DEVICE), DTEST_DEVICE);
	t_ok(!get(d.fd, 0, &s) && s.worker_id == VHOST_SHUNT_NO_WORKER, "without an owner");
	t_need(ioctl(d.fd, VHOST_SET_OWNER) ? -errno : 0, "SET_OWNER");
	ret = get(d.fd, 2, &s);
	t_ok(ret == -ENOBUFS, "queue 2: %s", t_err(ret));
	ret = ioctl(d.fd, VHOST_SHUNT_GET_VQ_STATS, NULL) ? -errno : 0;
	t_ok(ret == -EFAULT, "to nowhere: %s", t_err(ret));
	s.size = VHOST_SHUNT_VQ_STATS_SIZE_V1 - 1;
	s.index = 0;
	ret = ioctl(d.fd, VHOST_SHUNT_GET_VQ_STATS, &s) ? -errno : 0;
	t_ok(ret == -EINVAL, "too small: %s", t_err(ret));
	ret = ioctl(d.fd, VHOST_SHUNT_GET_VQ_STATS, &big) ? -errno : 0;
	t_ok(!ret && big.s.size == sizeof(s) && big.more[0] == 7 && big.more[1] == 7,
	     "larger than the kernel's: %s, %u", t_err(ret), big.s.size);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		/* The file is inherited, so it may be asked; another file tells nothing of ours. */
		ret = get(d.fd, 0, &s) || s.worker_id;
		_exit(ret || get(other.fd, 0, &s) || s.worker_id != VHOST_SHUNT_NO_WORKER);
	}
	waitpid(pid, &st, 0);
	t_ok(!st, "whoever has the file, and nobody else");
	t_ok(folders(path, sizeof(path)) == 1, "one folder");
	vdrv_dev_close(&d);
	vdrv_dev_close(&other);
	t_ok(!folders(path, sizeof(path)), "none after close");
}

static void test_polled(void)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES };
	struct vhost_vring_state b = { .index = VDRV_TX, .num = 2000000 };
	struct flow tx = { .min = FRAME, .max = FRAME };
	struct vhost_shunt_vq_stats s;
	struct rig r;
	int ret, i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		t_skip("busy polls that pay are counted: there is one processor");
		return;
	}
	ret = rig_open(&r, &o);
	if (!ret)
		ret = flow_open_tx(&tx, &r);
	if (!ret)
		ret = ioctl(r.dev.fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &b) ? -errno : 0;
	if (!ret)
		ret = rig_start(&r);
	/* Sooner or later the worker is there before the kick. */
	for (i = 0; i < 1000 && !ret; i++) {
		ret = flow_tx(&tx, 1) ?: get(r.dev.fd, VDRV_TX, &s);
		if (s.poll_hits)
			break;
	}
	t_ok(!ret && s.poll_hits, "busy polls that pay are counted: %llu after %d packets, %s",
	     (unsigned long long)s.poll_hits, i + 1, t_err(ret));
	t_ok(s.kicks == r.vq[VDRV_TX].kicks, "and these packets came without a kick: %llu",
	     (unsigned long long)s.kicks);
	flow_close(&tx);
	rig_close(&r);
}

static int set_linger(unsigned int us)
{
	FILE *f = fopen("/sys/module/vhost_net/parameters/rx_linger_us", "we");

	if (!f)
		return -errno;
	fprintf(f, "%u\n", us);
	return fclose(f) ? -errno : 0;
}

/* A worker that has its processor for itself waits for more to receive: polls nobody asked for */
static void test_lingers(void)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES };
	struct flow rx = { .min = FRAME, .max = FRAME };
	struct vhost_shunt_vq_stats s = { 0 };
	struct rig r;
	int ret, i;

	ret = rig_open(&r, &o) ?: flow_open_rx(&rx, &r) ?: set_linger(0) ?: rig_start(&r);
	for (i = 0; i < 100 && !ret; i++)
		ret = flow_rx(&rx, 1);
	ret = ret ?: get(r.dev.fd, VDRV_RX, &s);
	t_ok(!ret && !s.poll_hits && !s.poll_misses, "no lingering: no polls, %s %s", t_err(ret),
	     rx.why ?: "");
	rig_stop(&r);
	ret = set_linger(2000000) ?: rig_start(&r);
	for (i = 0; i < 1000 && !ret && !s.poll_hits; i++)
		ret = flow_rx(&rx, 1) ?: get(r.dev.fd, VDRV_RX, &s);
	if (!ret && sysconf(_SC_NPROCESSORS_ONLN) < 2)
		t_skip("lingering that pays is counted: there is one processor");
	else
		t_ok(!ret && s.poll_hits, "lingering that pays is counted: %llu after %d packets, %s %s",
		     (unsigned long long)s.poll_hits, i, t_err(ret), rx.why ?: "");
	t_ok(!set_linger(10), "the default again");
	flow_close(&rx);
	rig_close(&r);
}

int main(void)
{
	test_ioctl();
	test_exact(false);
	test_exact(true);
	test_polled();
	test_lingers();
	return t_done();
}

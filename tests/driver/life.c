// SPDX-License-Identifier: GPL-2.0
/*
 * Life and death of a device: who serves it, under which name, where it may run, and what is left
 * when its owner closes it or is killed in the middle of traffic. TAP on stdout.
 *
 *	LOOPS	kills under load (50)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/flow.h"

#define EVENT	VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)

static struct rig_opt usual = { .num = 256, .features = RIG_FEATURES | EVENT };

/* All threads vhost-*, of any process */
static int count_workers(void)
{
	char path[300], comm[64];
	struct dirent *e, *t;
	int n = 0;
	DIR *d, *td;

	d = opendir("/proc");
	while (d && (e = readdir(d))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", e->d_name);
		td = opendir(path);
		while (td && (t = readdir(td))) {
			char name[600];

			if (t->d_name[0] == '.')
				continue;
			snprintf(name, sizeof(name), "%s/%s/comm", path, t->d_name);
			if (t_read_file(name, comm, sizeof(comm)) > 0 && !strncmp(comm, "vhost-", 6))
				n++;
		}
		if (td)
			closedir(td);
	}
	if (d)
		closedir(d);
	return n;
}

static int count_interfaces(void)
{
	char line[300];
	int n = 0;
	FILE *f = fopen("/proc/net/dev", "re");

	while (f && fgets(line, sizeof(line), f))
		n += !!strstr(line, "vdrv");
	if (f)
		fclose(f);
	return n;
}

/* Users of the module, as rmmod would see them */
static int refcount(void)
{
	char buf[32];

	return t_read_file("/sys/module/vhost_net/refcnt", buf, sizeof(buf)) > 0 ? atoi(buf) : -1;
}

static bool wait_clean(int workers, int interfaces)
{
	uint64_t end = t_now_ms() + 5000;

	while (t_now_ms() < end) {
		if (count_workers() == workers && count_interfaces() == interfaces && !refcount())
			return true;
		t_sleep_ms(10);
	}
	t_note("workers %d, interfaces %d, module users %d", count_workers(), count_interfaces(),
	       refcount());
	return false;
}

/* Traffic both ways without end; checks nothing, as its end comes from outside */
static void churn(struct both *b)
{
	for (;;) {
		flow_rx_send(&b->rx, 30);
		flow_tx_queue(&b->tx, 100);
		vdrv_vq_kick_always(&b->r.vq[VDRV_TX]);
		flow_tx_finish(&b->tx, 20);
		flow_rx_finish(&b->rx, 20);
		b->rx.expect = b->rx.next;
	}
}

/* In the child: a device under load; says so by one byte. */
static void child_load(int ready)
{
	struct both b = { .tx.max = 1514, .rx.max = 1514 };

	if (both_start(&b, &usual) || write(ready, "", 1) != 1)
		_exit(1);
	churn(&b);
}

static void test_kill(unsigned int loops)
{
	int workers = count_workers(), interfaces = count_interfaces(), p[2], st;
	unsigned int i, started = 0, killed = 0;
	uint64_t slowest = 0, t;
	char c;
	pid_t pid;

	for (i = 0; i < loops; i++) {
		t_need(pipe(p) ? -errno : 0, "pipe");
		pid = fork();
		if (!pid)
			child_load(p[1]);
		close(p[1]);
		started += read(p[0], &c, 1) == 1;
		usleep(rand() % 20000);
		kill(pid, SIGKILL);
		t = t_now_ms();
		killed += waitpid(pid, &st, 0) == pid && WIFSIGNALED(st);
		t = t_now_ms() - t;
		if (t > slowest)
			slowest = t;
		close(p[0]);
	}
	t_ok(started == loops && killed == loops,
	     "SIGKILL under load: %u of %u started, %u killed, slowest death %llu ms", started,
	     loops, killed, (unsigned long long)slowest);
	t_ok(slowest < 10000, "death does not wait");
	t_ok(wait_clean(workers, interfaces), "no worker, tap or module user is left");
}

static void test_close(void)
{
	int workers = count_workers(), interfaces = count_interfaces(), ret = 0, i;
	uint64_t slowest = 0, t;

	for (i = 0; i < 20 && !ret; i++) {
		struct both b = { .tx.max = 1514, .rx.max = 1514 };

		ret = both_start(&b, &usual) ?: flow_tx_queue(&b.tx, 200);
		vdrv_vq_kick_always(&b.r.vq[VDRV_TX]);
		flow_rx_send(&b.rx, 100);
		/* Now the device, then the tap below it, then both at once */
		t = t_now_ms();
		if (i % 3 == 1)
			vdrv_tap_close(&b.r.tap);
		vdrv_dev_close(&b.r.dev);
		t = t_now_ms() - t;
		if (t > slowest)
			slowest = t;
		both_close(&b);
	}
	t_ok(!ret, "close under load, 20 times: %s", t_err(ret));
	t_ok(slowest < 10000, "close does not wait: %llu ms", (unsigned long long)slowest);
	t_ok(wait_clean(workers, interfaces), "no worker, tap or module user is left");
}

/* An owner that ends while another process keeps the device open */
static void test_orphan(void)
{
	int workers = count_workers(), interfaces = count_interfaces(), p[2], st, fd;
	struct both b = { .tx.max = 1514, .rx.max = 1514 };
	struct rig *r = &b.r;
	pid_t pid;
	char c;
	int ret;

	t_need(pipe(p) ? -errno : 0, "pipe");
	fd = open(DTEST_DEVICE, O_RDWR | O_CLOEXEC);
	t_need(fd < 0 ? -errno : 0, DTEST_DEVICE);
	pid = fork();
	if (!pid) {
		/* The child's rig runs on the descriptor that the parent holds too. */
		ret = rig_open(r, &usual);
		if (!ret) {
			vdrv_dev_close(&r->dev);
			r->dev.fd = fd;
			ret = vdrv_dev_start(&r->dev, &r->mem, usual.features | t_layout());
		}
		if (!ret)
			ret = vdrv_vq_attach(&r->vq[0], &r->dev);
		if (!ret)
			ret = vdrv_vq_attach(&r->vq[1], &r->dev);
		if (ret || both_open_flows(&b) || rig_start(r) || write(p[1], "", 1) != 1)
			_exit(1);
		churn(&b);
	}
	close(p[1]);
	ret = read(p[0], &c, 1);
	usleep(20000);
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	t_ok(ret == 1, "a device whose owner was killed stays open elsewhere");
	usleep(20000);
	ret = ioctl(fd, VHOST_SET_OWNER) ? -errno : 0;
	t_ok(ret == -EBUSY, "it is nobody else's: %s", t_err(ret));
	close(fd);
	close(p[0]);
	t_ok(wait_clean(workers, interfaces), "no worker, tap or module user is left");
}

static void test_worker(void)
{
	char want[32], path[80], buf[400], *p;
	bool is_task, one_shot;
	pid_t tid[4] = { 0 };
	struct rig r;
	int n;

	t_need(rig_open(&r, &usual), "rig");
	t_need(rig_start(&r), "backend");
	n = vdrv_worker_find(getpid(), tid, 4);
	snprintf(want, sizeof(want), "vhost-%d", getpid());
	t_ok(n == 1, "one thread is named %s: found %d", want, n);

	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid[0]);
	is_task = !access(path, F_OK);
	/* Kernels that have vhost tasks have PF_USER_WORKER; the name of the symbol says so. */
	one_shot = !system("grep -qw vhost_task_create /proc/kallsyms");
	t_ok(is_task == one_shot, "it is %s", one_shot ? "a task of its owner (ps -T)" :
	     "a kernel thread");

	snprintf(path, sizeof(path), "/proc/%d/status", tid[0]);
	n = t_read_file(path, buf, sizeof(buf));
	p = n > 0 ? strstr(buf, "State:") : NULL;
	t_ok(p && strchr("SI", p[7]), "idle, it sleeps and does not count as load: state %c",
	     p ? p[7] : '?');
	rig_close(&r);
}

/* The worker must be where its owner is, and go with it where the kernel can. */
static void test_cgroup(void)
{
	const char *root = "/sys/fs/cgroup", *dir = "/sys/fs/cgroup/vdrv-test";
	char path[120], text[32], own[200], its[200];
	pid_t tid[4], pid;
	struct rig r;
	int st;

	if (access("/sys/fs/cgroup/cgroup.procs", F_OK) || (mkdir(dir, 0755) && errno != EEXIST)) {
		t_skip("no cgroup2 at %s", root);
		return;
	}
	pid = fork();
	if (!pid) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
		snprintf(text, sizeof(text), "%d", getpid());
		if (t_write_file(path, text))
			_exit(2);
		if (rig_open(&r, &usual) || rig_start(&r) ||
		    vdrv_worker_find(getpid(), tid, 4) != 1)
			_exit(3);
		t_read_file("/proc/self/cgroup", own, sizeof(own));
		snprintf(path, sizeof(path), "/proc/%d/cgroup", tid[0]);
		if (t_read_file(path, its, sizeof(its)) <= 0)
			_exit(4);
		_exit(strcmp(own, its) ? 5 : strstr(own, "vdrv-test") ? 0 : 6);
	}
	waitpid(pid, &st, 0);
	t_ok(WIFEXITED(st) && !WEXITSTATUS(st), "the worker is in its owner's cgroup: %d",
	     WEXITSTATUS(st));
	for (st = 0; st < 100 && rmdir(dir); st++)
		t_sleep_ms(10);
	t_ok(st < 100, "and leaves it at the end");
}

static void *in_thread(void *arg)
{
	pid_t tid[4];
	char name[40];
	struct rig *r = arg;
	int ret = rig_open(r, &usual);

	snprintf(name, sizeof(name), "%d", (int)syscall(SYS_gettid));
	if (ret)
		return (void *)1;
	return (void *)(long)(vdrv_worker_find(getpid(), tid, 4) +
			      vdrv_worker_find(syscall(SYS_gettid), tid, 4) < 1);
}

/* The owner is the process: a thread may set up and end, another may go on. */
static void test_threads(void)
{
	struct flow tx = { .max = 1514 };
	struct rig r;
	pthread_t t;
	void *res;
	int ret;

	t_need(pthread_create(&t, NULL, in_thread, &r), "thread");
	pthread_join(t, &res);
	ret = flow_open_tx(&tx, &r);
	if (!ret)
		ret = rig_start(&r);
	if (!ret)
		ret = flow_tx(&tx, 500);
	t_ok(!res && !ret, "set up by a thread that ended: %s %s", t_err(ret), tx.why);
	flow_close(&tx);
	rig_close(&r);
}

/* Several devices of one process at once */
static void test_many(void)
{
	enum { N = 8 };
	struct flow tx[N];
	struct rig r[N];
	int ret = 0, i, round;
	pid_t tid[N + 1];

	memset(tx, 0, sizeof(tx));
	for (i = 0; i < N && !ret; i++) {
		ret = rig_open(&r[i], &usual);
		if (!ret)
			ret = flow_open_tx(&tx[i], &r[i]);
		if (!ret)
			ret = rig_start(&r[i]);
	}
	t_ok(!ret && vdrv_worker_find(getpid(), tid, N + 1) == N, "%d devices, %d workers", N, N);
	for (round = 0; round < 20 && !ret; round++) {
		for (i = 0; i < N && !ret; i++) {
			ret = flow_tx_queue(&tx[i], 50);
			vdrv_vq_kick_always(&r[i].vq[VDRV_TX]);
		}
		for (i = 0; i < N && !ret; i++)
			ret = flow_tx_finish(&tx[i], 5000);
	}
	t_ok(!ret, "traffic on all of them: %s", t_err(ret));
	for (i = 0; i < N; i++) {
		flow_close(&tx[i]);
		rig_close(&r[i]);
	}
}

int main(void)
{
	const char *loops = getenv("LOOPS");

	srand(1);
	test_worker();
	test_cgroup();
	test_threads();
	test_many();
	test_close();
	test_orphan();
	test_kill(loops ? atoi(loops) : 50);
	return t_done();
}

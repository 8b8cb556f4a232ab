// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that the stock module knows in newer kernels only, or for other drivers only: workers,
 * the kind of thread, feature arrays; and callers of 32 bits. TAP on stdout.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/vhost_shunt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/flow.h"

#define EVENT	VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)

static struct rig_opt usual = { .num = 256, .features = RIG_FEATURES | EVENT };

static int io(int fd, unsigned long req, void *arg)
{
	return ioctl(fd, req, arg) ? -errno : 0;
}

/* Return: the new worker's number, or a negative errno */
static int worker_new(int fd)
{
	struct vhost_worker_state s = { .worker_id = 77 };
	int ret = io(fd, VHOST_NEW_WORKER, &s);

	return ret ?: (int)s.worker_id;
}

static int worker_free(int fd, unsigned int id)
{
	struct vhost_worker_state s = { .worker_id = id };

	return io(fd, VHOST_FREE_WORKER, &s);
}

static int worker_attach(int fd, unsigned int index, unsigned int id)
{
	struct vhost_vring_worker s = { .index = index, .worker_id = id };

	return io(fd, VHOST_ATTACH_VRING_WORKER, &s);
}

static int worker_of(int fd, unsigned int index)
{
	struct vhost_vring_worker s = { .index = index, .worker_id = 77 };
	int ret = io(fd, VHOST_GET_VRING_WORKER, &s);

	return ret ?: (int)s.worker_id;
}

/* How many there are. One that has just ended or begun may be counted late: wait for @want. */
static int threads_now(int want)
{
	pid_t tid[64];
	int n, i;

	for (i = 0; i < 200; i++) {
		n = vdrv_worker_find(getpid(), tid, 64);
		if (n == want)
			break;
		t_sleep_ms(10);
	}
	return n;
}

static void is(int got, int want, const char *what)
{
	char text[24];

	snprintf(text, sizeof(text), "%s", t_err(want));
	t_ok(got == want, "%s: %s%s%s", what, text, got == want ? "" : ", not ",
	     got == want ? "" : t_err(got));
}

static void threads(int want, const char *what)
{
	is(threads_now(want), want, what);
}

static void test_errnos(void)
{
	struct vdrv_dev d, other;
	int st;
	pid_t pid;

	t_need(vdrv_dev_open(&d, DTEST_DEVICE), DTEST_DEVICE);
	t_need(vdrv_dev_open(&other, DTEST_DEVICE), DTEST_DEVICE);
	is(worker_new(d.fd), -EINVAL, "NEW_WORKER without owner");
	is(worker_free(d.fd, 0), -EINVAL, "FREE_WORKER without owner");
	is(worker_attach(d.fd, 0, 0), -EINVAL, "ATTACH_VRING_WORKER without owner");
	is(worker_of(d.fd, 0), -EINVAL, "GET_VRING_WORKER without owner");
	t_need(io(d.fd, VHOST_SET_OWNER, NULL), "SET_OWNER");
	t_need(io(other.fd, VHOST_SET_OWNER, NULL), "SET_OWNER");
	threads(2, "one worker each");
	is(worker_of(d.fd, 0), 0, "the first worker");
	is(worker_of(d.fd, 1), 0, "serves both queues");
	is(worker_new(other.fd), 1, "NEW_WORKER");
	threads(3, "it has a thread of the usual name");
	is(worker_attach(d.fd, 0, 1), -ENODEV, "ATTACH_VRING_WORKER of another device's worker");
	is(worker_free(d.fd, 1), -ENODEV, "FREE_WORKER of another device's worker");
	is(worker_attach(d.fd, 0, -1), -ENODEV, "ATTACH_VRING_WORKER -1");
	is(worker_attach(d.fd, 2, 0), -ENOBUFS, "ATTACH_VRING_WORKER to no queue");
	is(worker_of(d.fd, 2), -ENOBUFS, "GET_VRING_WORKER of no queue");
	is(worker_free(d.fd, 0), -EBUSY, "FREE_WORKER of an attached worker");
	is(io(d.fd, VHOST_NEW_WORKER, NULL), -EFAULT, "NEW_WORKER to nowhere");
	is(io(d.fd, VHOST_FREE_WORKER, NULL), -EFAULT, "FREE_WORKER from nowhere");
	is(io(d.fd, VHOST_ATTACH_VRING_WORKER, NULL), -EFAULT, "ATTACH_VRING_WORKER from nowhere");
	is(io(d.fd, VHOST_GET_VRING_WORKER, NULL), -EFAULT, "GET_VRING_WORKER to nowhere");
	threads(3, "no thread came of that");
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(worker_new(d.fd) != -EPERM || worker_free(d.fd, 0) != -EPERM ||
		      worker_attach(d.fd, 0, 0) != -EPERM || worker_of(d.fd, 0) != -EPERM);
	waitpid(pid, &st, 0);
	t_ok(!st, "another process may do nothing of it");

	is(worker_new(d.fd), 1, "NEW_WORKER");
	is(worker_attach(d.fd, 0, 1), 0, "queue 0 moves");
	is(worker_attach(d.fd, 0, 1), 0, "and may do so again");
	is(worker_of(d.fd, 0), 1, "queue 0 has it");
	is(worker_of(d.fd, 1), 0, "queue 1 has not");
	is(worker_free(d.fd, 0), -EBUSY, "the first worker is still attached");
	is(worker_attach(d.fd, 1, 1), 0, "queue 1 moves too");
	is(worker_free(d.fd, 0), 0, "then the first worker can go");
	is(worker_free(d.fd, 0), -ENODEV, "once");
	is(worker_free(d.fd, 1), -EBUSY, "the other one cannot");
	threads(3, "two workers here, one there");
	is(io(d.fd, VHOST_RESET_OWNER, NULL), 0, "RESET_OWNER");
	threads(2, "ends a worker made by NEW_WORKER");
	vdrv_dev_close(&d);
	vdrv_dev_close(&other);
	threads(0, "as close does");
}

struct mover {
	int fd;
	volatile bool stop;
	unsigned int moves;
	int ret;
};

/* All the time: queues to new workers, the old ones freed */
static void *move(void *arg)
{
	struct mover *m = arg;
	int id, q, old;

	while (!m->stop && !m->ret) {
		for (q = 0; q < 2 && !m->ret; q++) {
			old = worker_of(m->fd, q);
			id = worker_new(m->fd);
			m->ret = id < 0 ? id : worker_attach(m->fd, q, id);
			/* Both queues had the first one. */
			if (!m->ret && (m->moves || q))
				m->ret = worker_free(m->fd, old);
		}
		/* To each other's worker, and together */
		if (!m->ret)
			m->ret = worker_attach(m->fd, 0, worker_of(m->fd, 1));
		m->moves++;
		if (!m->ret) {
			id = worker_new(m->fd);
			m->ret = id < 0 ? id : worker_attach(m->fd, 0, id);
		}
		for (id = 0; id < 10 && !m->ret; id++) {
			old = worker_free(m->fd, id);
			if (old && old != -EBUSY && old != -ENODEV)
				m->ret = old;
		}
	}
	return NULL;
}

static void test_load(bool kthread)
{
	struct both b = { .tx.max = 1514, .rx.max = 1514 };
	struct rig *r = &b.r;
	struct mover m = { .stop = false };
	uint8_t mode = VHOST_FORK_OWNER_KTHREAD;
	int ret, i, q;
	pthread_t t;

	ret = rig_open(r, &usual);
	if (!ret && kthread) {
		ret = io(r->dev.fd, VHOST_RESET_OWNER, NULL);
		if (!ret)
			ret = io(r->dev.fd, VHOST_SET_FORK_FROM_OWNER, &mode);
		if (!ret)
			ret = vdrv_dev_start(&r->dev, &r->mem, usual.features);
		for (q = 0; q < 2 && !ret; q++)
			ret = vdrv_vq_attach(&r->vq[q], &r->dev);
	}
	if (!ret)
		ret = both_open_flows(&b) ?: rig_start(r);
	m.fd = r->dev.fd;
	t_need(ret ?: -pthread_create(&t, NULL, move, &m), "rig");
	for (i = 0; i < 100 && !ret; i++)
		ret = both_send(&b, 100, 100) ?: both_finish(&b, 10000);
	/* The machine may be slow, but it has moved them once. */
	while (!m.moves && !m.ret)
		t_sleep_ms(1);
	m.stop = true;
	pthread_join(t, NULL);
	t_ok(!ret && !m.ret, "%s change under load, nothing is lost: %s %s, moves: %s",
	     kthread ? "kernel threads" : "workers", t_err(ret), both_why(&b), t_err(m.ret));
	both_close(&b);
	threads(0, "all workers have gone");
}

static bool is_task(void)
{
	char path[80];
	pid_t tid[4];

	if (vdrv_worker_find(getpid(), tid, 4) != 1)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d", tid[0]);
	return !access(path, F_OK);
}

static void test_fork(void)
{
	bool possible = !system("grep -qw vhost_task_create /proc/kallsyms");
	uint8_t first = 77, mode;
	struct vdrv_dev d;
	int i, n;

	t_need(vdrv_dev_open(&d, DTEST_DEVICE), DTEST_DEVICE);
	is(io(d.fd, VHOST_GET_FORK_FROM_OWNER, &first), 0, "GET_FORK_FROM_OWNER");
	t_ok(first == possible, "a thread of the owner where the kernel can: %u", first);
	mode = 2;
	is(io(d.fd, VHOST_SET_FORK_FROM_OWNER, &mode), -EINVAL, "SET_FORK_FROM_OWNER 2");
	is(io(d.fd, VHOST_SET_FORK_FROM_OWNER, NULL), -EFAULT, "SET_FORK_FROM_OWNER from nowhere");
	is(io(d.fd, VHOST_GET_FORK_FROM_OWNER, NULL), -EFAULT, "GET_FORK_FROM_OWNER to nowhere");
	mode = VHOST_FORK_OWNER_TASK;
	is(io(d.fd, VHOST_SET_FORK_FROM_OWNER, &mode), possible ? 0 : -EOPNOTSUPP,
	   "a thread of the owner");
	if (possible) {
		t_need(io(d.fd, VHOST_SET_OWNER, NULL), "SET_OWNER");
		t_ok(is_task(), "it is one");
		is(io(d.fd, VHOST_SET_FORK_FROM_OWNER, &mode), -EBUSY, "too late to change it");
		t_need(io(d.fd, VHOST_RESET_OWNER, NULL), "RESET_OWNER");
	}
	mode = VHOST_FORK_OWNER_KTHREAD;
	is(io(d.fd, VHOST_SET_FORK_FROM_OWNER, &mode), 0, "a kernel thread");
	t_need(io(d.fd, VHOST_SET_OWNER, NULL), "SET_OWNER");
	t_ok(threads_now(1) == 1 && !is_task(), "it is one");
	for (i = 0; i < 64; i++) {
		n = worker_new(d.fd);
		if (n < 0)
			break;
	}
	t_ok(n == -ENOMEM && i == 3, "kernel threads are few: %d more, %s", i, t_err(n));
	is(io(d.fd, VHOST_RESET_OWNER, NULL), 0, "RESET_OWNER");
	mode = 77;
	is(io(d.fd, VHOST_GET_FORK_FROM_OWNER, &mode), 0, "GET_FORK_FROM_OWNER");
	t_ok(mode == first, "RESET_OWNER forgets the choice: %u", mode);
	vdrv_dev_close(&d);
}

static void test_features_array(void)
{
	struct {
		uint64_t count;
		uint64_t f[4];
	} a = { .count = 3, .f = { 7, 7, 7, 7 } };
	unsigned char *edge;
	struct vdrv_dev d;

	t_need(vdrv_dev_open(&d, DTEST_DEVICE), DTEST_DEVICE);
	is(io(d.fd, VHOST_GET_FEATURES_ARRAY, &a), 0, "GET_FEATURES_ARRAY of 3");
	t_ok(a.f[0] == d.offered && !a.f[1] && !a.f[2] && a.f[3] == 7, "the features, then zeroes");
	a.count = 0;
	a.f[0] = 7;
	is(io(d.fd, VHOST_GET_FEATURES_ARRAY, &a), 0, "GET_FEATURES_ARRAY of none");
	t_ok(a.f[0] == 7, "writes nothing");
	is(io(d.fd, VHOST_GET_FEATURES_ARRAY, NULL), -EFAULT, "GET_FEATURES_ARRAY to nowhere");
	a.f[0] = RIG_FEATURES;
	a.count = 1;
	is(io(d.fd, VHOST_SET_FEATURES_ARRAY, &a), 0, "SET_FEATURES_ARRAY of 1");
	a.count = 4;
	a.f[1] = 0;
	a.f[2] = 0;
	a.f[3] = 0;
	is(io(d.fd, VHOST_SET_FEATURES_ARRAY, &a), 0, "SET_FEATURES_ARRAY of 4");
	a.f[3] = 1;
	is(io(d.fd, VHOST_SET_FEATURES_ARRAY, &a), -EOPNOTSUPP, "with bit 192");
	a.count = 3;
	is(io(d.fd, VHOST_SET_FEATURES_ARRAY, &a), 0, "behind the end it does not count");
	a.f[0] = VDRV_BIT(63);
	is(io(d.fd, VHOST_SET_FEATURES_ARRAY, &a), -EOPNOTSUPP, "with bit 63");
	a.count = 0;
	is(io(d.fd, VHOST_SET_FEATURES_ARRAY, &a), 0, "SET_FEATURES_ARRAY of none");
	is(io(d.fd, VHOST_SET_FEATURES_ARRAY, NULL), -EFAULT, "SET_FEATURES_ARRAY from nowhere");

	edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	t_need(edge == MAP_FAILED ? -errno : 0, "mmap");
	munmap(edge + 4096, 4096);
	a.count = ~0ULL;
	memcpy(edge + 4080, &a.count, 8);
	is(io(d.fd, VHOST_GET_FEATURES_ARRAY, edge + 4080), -EFAULT, "an array without end");
	memset(edge + 4088, 0, 8);
	is(io(d.fd, VHOST_SET_FEATURES_ARRAY, edge + 4080), -EFAULT, "and one to read");
	munmap(edge, 4096);
	vdrv_dev_close(&d);
}

#ifdef __x86_64__
/* The same requests by the 32-bit system call */
static int io32(int fd, unsigned int req, void *arg)
{
	int ret;

	asm volatile("int $0x80" : "=a" (ret)
		     : "0" (54), "b" (fd), "c" (req), "d" ((unsigned int)(uintptr_t)arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

/* Not by trying: where there is none the call kills, and the kernel logs that. */
static bool has_io32(void)
{
	return !system("grep -qw __ia32_compat_sys_ioctl /proc/kallsyms");
}

static void test_compat(void)
{
	uint64_t *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct vhost_vring_state *s = (void *)low;
	struct vdrv_dev d;

	t_need(low == MAP_FAILED ? -errno : 0, "mmap");
	t_need(vdrv_dev_open(&d, DTEST_DEVICE), DTEST_DEVICE);
	if (!has_io32()) {
		t_skip("no 32-bit system calls");
	} else {
		io32(d.fd, VHOST_GET_FEATURES, low);
		t_ok(*low == d.offered, "32 bit: GET_FEATURES");
		is(io32(d.fd, VHOST_SET_OWNER, NULL), 0, "32 bit: SET_OWNER");
		*s = (struct vhost_vring_state){ .index = 1, .num = 128 };
		is(io32(d.fd, VHOST_SET_VRING_NUM, s), 0, "32 bit: SET_VRING_NUM");
		s->num = 7;
		is(io32(d.fd, VHOST_GET_VRING_BASE, s), 0, "32 bit: GET_VRING_BASE");
		t_ok(!s->num, "32 bit: which is 0");
		is(io32(d.fd, VHOST_NEW_WORKER, low), 0, "32 bit: NEW_WORKER");
		is(io32(d.fd, _IO(VHOST_VIRTIO, 0xee), low), -ENOTTY, "32 bit: an unknown one");
	}
	vdrv_dev_close(&d);
	munmap(low, 4096);
}
#endif

int main(void)
{
	test_errnos();
	test_fork();
	test_load(false);
	test_load(true);
	test_features_array();
#ifdef __x86_64__
	test_compat();
#endif
	return t_done();
}

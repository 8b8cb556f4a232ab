// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of requests on their way when the back end is taken from a queue, exchanged, hangs or
 * fails, and when the owner closes the device or is killed. TAP on stdout.
 *
 *	blk-life BACKEND	a block device of 16 MiB or more; device-mapper targets are put onto it
 *
 * Mistakes of earlier attempts that this would catch: a lock shared by all requests for flush
 * (test_flush_alone); pages got but not pinned (test_fork); single worker per device (test_hung_queue).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost_shunt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/blkmix.h"

#define DM	"vblk-life"
#define DM_PATH	"/dev/mapper/" DM
#define SECTORS	8192		/* of the device-mapper device */
#define SIZE	(SECTORS * 512ULL)
#define MODULE	"/sys/module/vhost_blk/refcnt"

static const char *path;
static unsigned char *buf;

static int dm_create(const char *table)
{
	return blk_sh("dmsetup create " DM " --table '%s'", table);
}

static void dm_linear(void)
{
	char table[200];

	snprintf(table, sizeof(table), "0 %u linear %s 0", SECTORS, path);
	t_need(dm_create(table), "dmsetup");
}

/* Reads and writes take so long; FLUSH as well. */
static void dm_delay(unsigned int ms)
{
	char table[300];

	snprintf(table, sizeof(table), "0 %u delay %s 0 %u %s 0 %u", SECTORS, path, ms, path, ms);
	t_need(dm_create(table), "dmsetup");
}

static void dm_remove(void)
{
	/* Whoever was killed may take a moment to let go. */
	blk_sh("for i in 1 2 3 4 5 6 7 8 9 10; do dmsetup remove " DM " 2>/dev/null && exit; "
	       "sleep 0.2; done; exit 1");
}

static void dm_suspend(void)
{
	t_need(blk_sh("dmsetup suspend --nolockfs --noflush " DM), "dmsetup suspend");
}

static void dm_resume(void)
{
	t_need(blk_sh("dmsetup resume " DM), "dmsetup resume");
}

static int module_users(void)
{
	char text[32];

	return t_read_file(MODULE, text, sizeof(text)) > 0 ? atoi(text) : -1;
}

static bool wait_unused(void)
{
	uint64_t end = t_now_ms() + 10000;

	while (module_users() && t_now_ms() < end)
		t_sleep_ms(10);
	return !module_users();
}

static uint32_t vring_base(struct blk *b, unsigned int q)
{
	struct vhost_vring_state s = { .index = q };

	t_need(ioctl(b->q.dev.fd, VHOST_GET_VRING_BASE, &s) ? -errno : 0, "vring base");
	return s.num;
}

static bool wait_inflight(struct blk *b, unsigned int q, unsigned int n)
{
	uint64_t end = t_now_ms() + 5000;
	struct vhost_blk_stats st;

	while (!blk_stats(b, q, &st) && st.inflight != n && t_now_ms() < end)
		t_sleep_ms(5);
	return st.inflight == n;
}

/* @n writes of 4 KiB, one behind the other from sector @at on */
static int submit(struct blk *b, unsigned int q, struct blk_req *r, unsigned int n, uint64_t at)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < n && !ret; i++) {
		r[i] = (struct blk_req){ .type = VIRTIO_BLK_T_OUT, .sector = at + i * 8,
					 .data = buf + i * 4096, .len = 4096 };
		ret = blk_submit(b, q, &r[i]);
	}
	return ret ?: reqs_kick(&b->q, q);
}

static int all_status(const struct blk_req *r, unsigned int n, int want)
{
	while (n--)
		if (!r[n].done || r[n].status != want)
			return -EBADMSG;
	return 0;
}

/* What was popped is complete when the back end is gone, and the base says what is next. */
static void test_drain(void)
{
	struct reqs_opt o = { .num = 64 };
	struct blk_req r[32];
	struct blk b;
	int fd, ret, n;

	dm_delay(200);
	fd = blk_file(DM_PATH, O_RDWR, false);
	t_need(blk_start(&b, &o, fd), "device");
	blk_fill(buf, 32 * 4096, 5);
	ret = submit(&b, 0, r, 16, 0);
	t_ok(!ret && wait_inflight(&b, 0, 16), "16 writes are on their way");
	ret = blk_backend(&b, 0, -1, 0);
	t_ok(!ret, "the back end is taken away: %s", t_err(ret));
	t_ok(vring_base(&b, 0) == vdrv_vq_device_base(&b.q.vq[0]), "the base is where it stopped");
	n = reqs_reap(&b.q, 0);
	t_ok(n == 16 && !all_status(r, 16, 0), "16 were complete by then: %d %s", n, b.q.why);
	/* A queue without back end leaves everything where it is. */
	ret = submit(&b, 0, r, 16, 128);
	t_sleep_ms(50);
	t_ok(!ret && !reqs_reap(&b.q, 0), "nothing is taken without a back end");
	ret = blk_backend(&b, 0, fd, 0) ?: reqs_finish(&b.q, REQS_TIMEOUT_MS);
	t_ok(!ret && !all_status(r, 16, 0), "and all of it with one: %s %s", t_err(ret), ret ? b.q.why : "");
	ret = blk_file_read(path, buf + 32 * 4096, 16 * 4096, 128 * 512);
	t_ok(!ret && !memcmp(buf, buf + 32 * 4096, 16 * 4096), "it was written");
	blk_close(&b);
	close(fd);
	dm_remove();
}

/* The same device by two files, exchanged under load; then truly another one */
static void test_swap(void)
{
	struct reqs_opt o = { .queues = 2, .num = 64, .depth = 32 };
	struct blk b;
	struct blkmix m = { .b = &b, .path = path, .size = SIZE, .reads = 50, .depth = 48 };
	int fd[2], ret, i;
	char table[200];

	fd[0] = blk_file(path, O_RDWR, false);
	fd[1] = blk_file(path, O_RDWR, false);
	t_need(blk_start(&b, &o, fd[0]), "device");
	ret = blkmix_open(&m);
	for (i = 0; i < 40 && !ret; i++) {
		ret = blkmix_feed(&m, 30);
		if (!ret && i % 4 == 3)
			ret = blk_backend(&b, i / 4 % 2, -1, 0);
		if (!ret)
			ret = blk_backends(&b, fd[i & 1], 0);
	}
	ret = ret ?: blkmix_drain(&m) ?: blkmix_compare(&m);
	t_ok(!ret, "back ends exchanged 40 times under load: %s %s", t_err(ret), ret ? b.q.why : "");
	blkmix_close(&m);

	/* The device-mapper device begins where the other sides' use of the first one ended. */
	snprintf(table, sizeof(table), "0 %u linear %s %u", SECTORS, path, SECTORS);
	t_need(dm_create(table), "dmsetup");
	close(fd[1]);
	fd[1] = blk_file(DM_PATH, O_RDWR, false);
	memset(buf, 1, 4096);
	t_need(blk_file_write(DM_PATH, buf, 4096, 0), "write");
	memset(buf, 2, 4096);
	ret = blk_backends(&b, fd[1], 0) ?: blk_io(&b, VIRTIO_BLK_T_IN, 0, buf, 4096);
	t_ok(!ret && buf[0] == 1 && !memcmp(buf, buf + 1, 4095), "another back end is another device");
	blk_close(&b);
	close(fd[0]);
	close(fd[1]);
	dm_remove();
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A signal ends the wait for a hung device, and nothing else */
static void test_eintr(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct reqs_opt o = { 0 };
	struct blk_req r[16];
	struct blk b;
	int fd, ret;

	dm_linear();
	fd = blk_file(DM_PATH, O_RDWR, false);
	t_need(blk_start(&b, &o, fd), "device");
	dm_suspend();
	ret = submit(&b, 0, r, 8, 0);
	t_ok(!ret && wait_inflight(&b, 0, 8), "8 writes hang");
	sigaction(SIGALRM, &sa, NULL);
	ualarm(200000, 200000);
	ret = blk_backend(&b, 0, -1, 0);
	ualarm(0, 0);
	t_ok(ret == -EINTR, "a drain ends with a signal: %s", t_err(ret));
	t_ok(!reqs_reap(&b.q, 0), "nothing is done");
	ret = submit(&b, 0, r + 8, 8, 64);
	t_ok(!ret && wait_inflight(&b, 0, 16), "the queue runs on");
	dm_resume();
	ret = reqs_finish(&b.q, REQS_TIMEOUT_MS);
	t_ok(!ret && !all_status(r, 16, 0), "all is done when the device is back: %s %s", t_err(ret), ret ? b.q.why : "");
	ret = blk_backend(&b, 0, -1, 0);
	t_ok(!ret, "and the drain comes to its end: %s", t_err(ret));
	blk_close(&b);
	close(fd);
	dm_remove();
}

/* A hung back end of one queue, on the same worker or on another, is nothing to the others. */
static void test_hung_queue(bool workers)
{
	struct reqs_opt o = { .queues = 2 };
	struct vhost_vring_worker vw = { .index = 1 };
	struct vhost_worker_state w;
	struct blk_req r[8];
	int fd[2], ret;
	struct blk b;

	dm_linear();
	fd[0] = blk_file(DM_PATH, O_RDWR, false);
	fd[1] = blk_file(path, O_RDWR, false);
	t_need(blk_open(&b, &o), "device");
	if (workers) {
		t_need(ioctl(b.q.dev.fd, VHOST_NEW_WORKER, &w) ? -errno : 0, "worker");
		vw.worker_id = w.worker_id;
		t_need(ioctl(b.q.dev.fd, VHOST_ATTACH_VRING_WORKER, &vw) ? -errno : 0, "worker");
	}
	t_need(blk_backend(&b, 0, fd[0], 0) ?: blk_backend(&b, 1, fd[1], 0), "back ends");
	dm_suspend();
	ret = submit(&b, 0, r, 4, 0);
	t_ok(!ret && wait_inflight(&b, 0, 4), "one queue hangs");
	ret = submit(&b, 1, r + 4, 4, 1024);
	while (!ret && b.q.pending[1]) {
		ret = reqs_wait(&b.q, 1, 5000);
		if (!ret && reqs_reap(&b.q, 1) < 0)
			ret = -EPROTO;
	}
	t_ok(!ret && !all_status(r + 4, 4, 0), "the other writes%s: %s",
	     workers ? ", by its own worker" : "", t_err(ret));
	dm_resume();
	ret = reqs_finish(&b.q, REQS_TIMEOUT_MS);
	t_ok(!ret && !all_status(r, 4, 0), "the first does, later: %s", t_err(ret));
	blk_close(&b);
	close(fd[0]);
	close(fd[1]);
	dm_remove();
}

/* FLUSH waits for no request of another queue, however long that takes. */
static void test_flush_alone(void)
{
	struct blk_req r[4], flush = { .type = VIRTIO_BLK_T_FLUSH };
	struct reqs_opt o = { .queues = 2 };
	int fd[2], ret;
	struct blk b;

	dm_linear();
	fd[0] = blk_file(DM_PATH, O_RDWR, false);
	fd[1] = blk_file(path, O_RDWR, false);
	t_need(blk_open(&b, &o), "device");
	t_need(blk_backend(&b, 0, fd[0], 0) ?: blk_backend(&b, 1, fd[1], 0), "back ends");
	dm_suspend();
	ret = submit(&b, 0, r, 4, 0);
	t_ok(!ret && wait_inflight(&b, 0, 4), "four writes hang");
	ret = blk_submit(&b, 1, &flush) ?: reqs_kick(&b.q, 1) ?: reqs_wait(&b.q, 1, 5000);
	t_ok(!ret && reqs_reap(&b.q, 1) == 1 && !flush.status, "FLUSH in the other queue is done");
	dm_resume();
	ret = reqs_finish(&b.q, REQS_TIMEOUT_MS);
	flush.done = false;
	ret = ret ?: blk_run(&b, 0, &flush);
	t_ok(!ret && !flush.status, "and in the first one, afterwards: %s", t_err(ret));
	blk_close(&b);
	close(fd[0]);
	close(fd[1]);
	dm_remove();
}

static void hang(int fd, int ready, bool closes)
{
	struct reqs_opt o = { .queues = 2 };
	struct blk_req r[32];
	struct blk b;

	if (blk_start(&b, &o, fd))
		_exit(2);
	if (submit(&b, 0, r, 16, 0) || submit(&b, 1, r + 16, 16, 512) ||
	    !wait_inflight(&b, 0, 16) || !wait_inflight(&b, 1, 16) || write(ready, "", 1) != 1)
		_exit(3);
	if (closes) {
		blk_close(&b);
		_exit(0);
	}
	pause();
}

/*
 * The owner ends while the device below hangs. Its end waits for nothing; the module stays until the
 * requests have come back.
 */
static void test_end(bool killed)
{
	const char *how = killed ? "SIGKILL" : "close";
	uint64_t t;
	int fd, p[2], ret, st = -1;
	pid_t pid;
	char c;

	dm_linear();
	fd = blk_file(DM_PATH, O_RDWR, false);
	t_need(pipe(p) ? -errno : 0, "pipe");
	dm_suspend();
	pid = fork();
	if (!pid)
		hang(fd, p[1], !killed);
	close(p[1]);
	ret = read(p[0], &c, 1);
	t_ok(ret == 1, "%s: 32 requests hang", how);
	if (killed)
		kill(pid, SIGKILL);
	t = t_now_ms();
	while ((ret = waitpid(pid, &st, WNOHANG)) != pid && t_now_ms() - t < 10000)
		t_sleep_ms(5);
	t_ok(ret == pid && (killed ? WIFSIGNALED(st) : !st), "%s: the process ends at once: %#x", how,
	     st);
	t_ok(module_users() > 0, "%s: the module is in use", how);
	ret = syscall(SYS_delete_module, "vhost_blk", O_NONBLOCK) ? -errno : 0;
	t_ok(ret == -EWOULDBLOCK || ret == -EBUSY, "%s: rmmod is refused: %s", how, t_err(ret));
	close(fd);
	dm_resume();
	if (ret != pid)
		waitpid(pid, &st, 0);
	t_ok(wait_unused(), "%s: the module is free when the device is back", how);
	close(p[0]);
	dm_remove();
}

static void test_kill_load(void)
{
	struct reqs_opt o = { 0 };
	struct blk b;
	int fd, st;
	pid_t pid;

	fd = blk_file(path, O_RDWR, false);
	pid = fork();
	if (!pid) {
		struct blkmix m = { .b = &b, .path = path, .size = SIZE, .reads = 50 };

		if (blk_start(&b, &o, fd) || blkmix_open(&m))
			_exit(1);
		blkmix_feed(&m, 1 << 30);
		_exit(1);
	}
	t_sleep_ms(300);
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	close(fd);
	t_ok(WIFSIGNALED(st) && wait_unused(), "killed under load, the module is free");
}

/* The device is replaced by errors while requests are on their way: errors, never a hang. */
static void test_gone(void)
{
	struct reqs_opt o = { 0 };
	struct blk_req r[16];
	struct vhost_blk_stats st;
	struct blk b;
	int fd, ret;

	dm_linear();
	fd = blk_file(DM_PATH, O_RDWR, false);
	t_need(blk_start(&b, &o, fd), "device");
	dm_suspend();
	ret = submit(&b, 0, r, 16, 0);
	t_ok(!ret && wait_inflight(&b, 0, 16), "16 writes are on their way");
	t_need(blk_sh("dmsetup wipe_table --noflush --nolockfs " DM " 2>/dev/null || "
		      "dmsetup wipe_table " DM), "dmsetup");
	ret = reqs_finish(&b.q, REQS_TIMEOUT_MS);
	t_ok(!ret && !all_status(r, 16, VIRTIO_BLK_S_IOERR), "they fail: %s %s", t_err(ret), ret ? b.q.why : "");
	ret = blk_io(&b, VIRTIO_BLK_T_IN, 0, buf, 4096);
	t_ok(ret == VIRTIO_BLK_S_IOERR, "so does what comes later: %s", blk_status(ret));
	blk_stats(&b, 0, &st);
	t_ok(st.errors == 17 && st.last_errno == EIO && !st.inflight, "statistics: %llu errors, %u",
	     (unsigned long long)st.errors, st.last_errno);
	ret = blk_backend(&b, 0, -1, 0);
	t_ok(!ret, "the back end can be taken away: %s", t_err(ret));
	blk_close(&b);
	close(fd);
	dm_remove();
}

/* SCSI: the device is pulled while requests are on their way. */
static void test_pulled(void)
{
	char dev[100] = "";
	struct reqs_opt o = { 0 };
	struct blkmix m = { .size = 4 << 20, .reads = 50, .may_fail = true };
	struct blk b;
	FILE *f;
	int fd, ret, i;

	if (blk_sh("modprobe -q scsi_debug dev_size_mb=8 delay=0 2>/dev/null && modprobe -q sd_mod")) {
		t_skip("no scsi_debug");
		return;
	}
	for (i = 0; i < 100 && !dev[0]; i++) {
		f = popen("ls /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*:*/block 2>/dev/null",
			  "re");
		if (!f || fscanf(f, "%90s", dev + 5) != 1)
			t_sleep_ms(50);
		else
			memcpy(dev, "/dev/", 5);
		if (f)
			pclose(f);
	}
	t_need(dev[0] ? 0 : -ENODEV, "scsi_debug");
	for (i = 0; i < 100 && (fd = open(dev, O_RDWR | O_CLOEXEC)) < 0; i++)
		t_sleep_ms(50);
	t_need(fd < 0 ? -errno : 0, dev);
	t_need(blk_start(&b, &o, fd), "device");
	m.b = &b;
	m.path = dev;
	ret = blkmix_open(&m) ?: blkmix_run(&m, 100);
	t_ok(!ret && !m.errors, "traffic on a SCSI disk: %s %s", t_err(ret), ret ? b.q.why : "");
	ret = ret ?: blkmix_feed(&m, 40);
	t_need(blk_sh("echo 1 >/sys/block/%s/device/delete", dev + 5), "delete");
	ret = ret ?: reqs_finish(&b.q, REQS_TIMEOUT_MS);
	t_ok(!ret, "pulled under load: every request is done: %s %s", t_err(ret), ret ? b.q.why : "");
	ret = blk_io(&b, VIRTIO_BLK_T_OUT, 0, buf, 4096);
	t_ok(ret == VIRTIO_BLK_S_IOERR, "later ones fail: %s", blk_status(ret));
	blk_close(&b);
	blkmix_close(&m);
	close(fd);
	blk_sh("for i in 1 2 3 4 5 6 7 8 9 10; do modprobe -q -r scsi_debug && exit; sleep 0.2; done; exit 1");
}

/*
 * Private memory, and a child in between: a page that the device only got, and did not pin, is a copy
 * of nobody's as soon as its owner writes to it.
 */
static void test_fork(void)
{
	struct reqs_opt o = { 0 };
	struct blk_req r = { .type = VIRTIO_BLK_T_IN, .data = buf, .len = 16384 };
	unsigned char *was = blk_buf(16384), *copy;
	size_t size, i;
	struct blk b;
	int fd, ret;
	pid_t pid;

	dm_delay(600);
	fd = blk_file(DM_PATH, O_RDWR, false);
	blk_fill(was, 16384, 42);
	t_need(blk_file_write(path, was, 16384, 0), "write");
	t_need(blk_open(&b, &o), "device");
	size = b.q.mem.size;
	copy = malloc(size);
	memcpy(copy, b.q.mem.va, size);
	t_need(mmap(b.q.mem.va, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		    -1, 0) == MAP_FAILED ? -errno : 0, "mmap");
	memcpy(b.q.mem.va, copy, size);
	t_need(blk_backend(&b, 0, fd, 0), "back end");
	ret = blk_submit(&b, 0, &r) ?: reqs_kick(&b.q, 0);
	t_ok(!ret && wait_inflight(&b, 0, 1), "a read is on its way");
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	/* Into the buffers and nowhere else: they are all as they were set. */
	for (i = 0; i < b.q.slot_size; i++) {
		unsigned char *va = vdrv_mem_va(&b.q.mem, b.q.pool) + (size_t)r.r.slot * b.q.slot_size + i;

		if (*va == BLK_NO_STATUS)
			*(volatile unsigned char *)va = BLK_NO_STATUS;
	}
	ret = reqs_finish(&b.q, REQS_TIMEOUT_MS);
	t_ok(!ret && !r.status && !memcmp(buf, was, 16384),
	     "a process that forks meanwhile gets what it reads: %s %s", t_err(ret), ret ? b.q.why : "");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	blk_close(&b);
	close(fd);
	dm_remove();
	free(was);
	free(copy);
}

/* Pins last as long as a request: holes can be punched, and what is there then counts. */
static void test_punch(void)
{
	struct reqs_opt o = { 0 };
	struct blk_req r = { .type = VIRTIO_BLK_T_OUT, .data = buf, .len = 4096 };
	unsigned char *got = blk_buf(4096);
	uint64_t free_from, blocks;
	struct blk b;
	int fd, ret;

	fd = blk_file(path, O_RDWR, false);
	t_need(blk_start(&b, &o, fd), "device");
	ret = blk_run(&b, 0, &r);
	free_from = b.q.pool - b.q.mem.gpa;
	ret = ret ?: fallocate(b.q.mem.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, free_from,
			       b.q.mem.size - free_from) ? -errno : 0;
	blocks = lseek(b.q.mem.fd, free_from, SEEK_DATA);
	t_ok(!ret && blocks == ~0ULL, "after its requests memory can be given back");
	blk_fill(buf, 4096, 77);
	ret = blk_run(&b, 0, &r) ?: blk_file_read(path, got, 4096, 0);
	t_ok(!ret && !memcmp(got, buf, 4096), "and new pages in its place are what the device reads");
	blk_close(&b);
	close(fd);
	free(got);
}

int main(int argc, char **argv)
{
	t_need(argc == 2 ? 0 : -EINVAL, "usage: blk-life BACKEND");
	path = argv[1];
	buf = blk_buf(64 * 4096);

	test_drain();
	test_swap();
	test_eintr();
	test_hung_queue(false);
	test_hung_queue(true);
	test_flush_alone();
	test_fork();
	test_punch();
	test_end(false);
	test_end(true);
	test_kill_load();
	test_gone();
	test_pulled();
	return t_done();
}

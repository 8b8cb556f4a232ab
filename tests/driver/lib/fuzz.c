// SPDX-License-Identifier: GPL-2.0
/* What the fuzzers share, see fuzz.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/driver/lib/blk.h"
#include "tests/driver/lib/fault.h"
#include "tests/driver/lib/flow.h"
#include "tests/driver/lib/fuzz.h"
#include "tests/driver/lib/scsi.h"

/* Far below where the kernel puts mappings by itself */
#define SPACE		((unsigned char *)0x1000000000UL)
#define WHY_SIZE	256
/* A child that has not come to its end by then hangs */
#define HANG_MS		60000
/* However slow the machine is: fewer prove nothing */
#define CHILDREN_MIN	8
#define FAULT_PERCENT	2

uint64_t fuzz_number(uint64_t *s)
{
	static const uint64_t limits[] = {
		0, 1, 2, 16, 64, 256, 512, 1024, 4096, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffff, 0x800000000000,
		0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
	};

	switch (fuzz_below(s, 4)) {
	case 0:
		return limits[fuzz_below(s, ARRAY_SIZE(limits))] + fuzz_below(s, 3) - 1;
	case 1:
		return fuzz_below(s, 16);
	default:
		return fuzz_rnd(s) >> fuzz_below(s, 64);
	}
}

static int map(struct fuzz_mem *m, unsigned char *at, int flags)
{
	if (mmap(at, m->size - FUZZ_CUT, PROT_READ | PROT_WRITE, MAP_SHARED | flags, m->fd, 0) !=
	    at ||
	    mmap(at + m->size - FUZZ_CUT, FUZZ_CUT, PROT_READ | PROT_WRITE, MAP_SHARED | flags,
		 m->cut_fd, 0) == MAP_FAILED)
		return -ENOMEM;
	return 0;
}

int fuzz_mem_open(struct fuzz_mem *m, size_t size)
{
	*m = (struct fuzz_mem){ .va = SPACE, .alias = SPACE + 4 * size, .size = size };
	m->fd = memfd_create("fuzz", MFD_CLOEXEC);
	m->cut_fd = memfd_create("fuzz-cut", MFD_CLOEXEC);
	if (m->fd < 0 || m->cut_fd < 0)
		return -errno;
	if (ftruncate(m->fd, size) || ftruncate(m->cut_fd, FUZZ_CUT))
		return -errno;
	if (map(m, m->va, MAP_FIXED_NOREPLACE) || map(m, m->alias, MAP_FIXED_NOREPLACE))
		return -ENOMEM;
	return 0;
}

int fuzz_mem_restore(struct fuzz_mem *m)
{
	return ftruncate(m->cut_fd, FUZZ_CUT) ? -errno : map(m, m->va, MAP_FIXED);
}

void fuzz_mem_disturb(struct fuzz_mem *m, uint64_t *s)
{
	size_t at = fuzz_below(s, m->size) & ~4095UL;
	size_t len = 4096 << fuzz_below(s, 6);

	if (len > m->size - at)
		len = m->size - at;
	/* Failure is fine: a hole cannot be protected, a file too short cannot be punched. */
	switch (fuzz_below(s, 8)) {
	case 0:
		munmap(m->va + at, len);
		break;
	case 1:
		mprotect(m->va + at, len, fuzz_one_in(s, 2) ? PROT_NONE : PROT_READ);
		break;
	case 2:
		if (madvise(m->va + at, len, MADV_REMOVE))
			break;
		break;
	case 3:
		if (ftruncate(m->cut_fd, fuzz_below(s, FUZZ_CUT)))
			break;
		break;
	case 4:
		madvise(m->va + at, len, MADV_DONTNEED);
		madvise(m->va + at, len, MADV_PAGEOUT);
		break;
	case 5:
		/* Private pages in place of the shared ones: what we write is not what it reads. */
		mmap(m->va + at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		     MAP_FIXED, -1, 0);
		break;
	default:
		if (fuzz_mem_restore(m))
			break;
	}
}

uint64_t fuzz_uva(const struct fuzz_mem *m, uint64_t *s)
{
	uint64_t at = (uintptr_t)m->va;

	switch (fuzz_below(s, 24)) {
	case 0:		return fuzz_below(s, 4096);
	case 1:		return at - fuzz_below(s, 8192);
	case 2:		return at + m->size - fuzz_below(s, 8192);
	case 3:		return 0x7ffffffff000 - fuzz_below(s, 16);
	case 4:		return 0x800000000000 + fuzz_number(s) % 8192;
	case 5:		return 0xffff800000000000 + (fuzz_rnd(s) >> 20);
	case 6:		return ~0ULL - fuzz_below(s, 8192);
	default:	return at + fuzz_below(s, m->size);
	}
}

void fuzz_open(struct fuzz_run *f, int argc, char **argv, size_t shared_size)
{
	const char *e = getenv("SECONDS_LONG");
	unsigned char *p;
	int c;

	*f = (struct fuzz_run){ .seed = time(NULL), .seconds = e ? atoi(e) : 5, .max = ~0u,
				.slow = 1 };
	e = getenv("MILLIONS");
	f->min_descs = e ? strtoull(e, NULL, 0) * 1000000 : 0;
	e = getenv("SLOW");
	if (e && atoi(e) > 0)
		f->slow = atoi(e);
	while ((c = getopt(argc, argv, "s:n:t:d:b:f")) != -1) {
		if (c == 's')
			f->seed = strtoull(optarg, NULL, 0);
		else if (c == 'n')
			f->max = strtoul(optarg, NULL, 0);
		else if (c == 't')
			f->seconds = strtoul(optarg, NULL, 0);
		else if (c == 'd')
			f->min_descs = strtoull(optarg, NULL, 0) * 1000000;
		else if (c == 'b')
			f->backend = optarg;
		else if (c == 'f')
			f->faults = true;
		else
			t_need(-EINVAL, "usage: [-s SEED] [-n CHILDREN] [-t SECONDS] [-d MILLIONS] [-b BACKEND] [-f]");
	}
	if (f->faults && !fault_open())
		t_need(-EOPNOTSUPP, "fault injection");
	p = mmap(NULL, WHY_SIZE + shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		 -1, 0);
	t_need(p == MAP_FAILED ? -errno : 0, "mmap");
	f->why = (char *)p;
	f->shared = p + WHY_SIZE;
	t_note("first seed: -s %llu", (unsigned long long)f->seed);
}

void fuzz_fail(struct fuzz_run *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->why, WHY_SIZE, fmt, ap);
	va_end(ap);
	_exit(1);
}

/* Return: false when time is up and the child has not ended */
static bool wait_for(pid_t pid, int *st, uint64_t ms)
{
	uint64_t end = t_now_ms() + ms;

	while (waitpid(pid, st, WNOHANG) != pid) {
		if (t_now_ms() >= end)
			return false;
		usleep(2000);
	}
	return true;
}

/* Where its threads are, and, into the kernel's log, what the processors do */
static void show(pid_t pid)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "for t in /proc/%d/task/*; do echo \"$t $(cat $t/comm) $(grep State $t/status)\"; "
		 "cat $t/stack; done | sed 's/^/# /'; echo l >/proc/sysrq-trigger", pid);
	fflush(stdout);
	if (system(cmd))
		t_note("no stacks");
}

static void one_child(struct fuzz_run *f, void (*child)(struct fuzz_run *f, uint64_t seed),
		      unsigned int life_ms)
{
	uint64_t s = f->seed, t;
	bool killed;
	int st = 0;
	pid_t pid;

	f->why[0] = 0;
	if (f->faults)
		fault_rate(FAULT_PERCENT);
	pid = fork();
	if (!pid) {
		child(f, f->seed);
		_exit(0);
	}
	t_need(pid < 0 ? -errno : 0, "fork");
	f->children++;
	killed = fuzz_one_in(&s, 3);
	if (killed) {
		usleep(fuzz_below(&s, life_ms) * 1000ULL * f->slow);
	} else if (!wait_for(pid, &st, HANG_MS * f->slow)) {
		killed = true;
		f->failed++;
		t_note("seed %llu: hangs", (unsigned long long)f->seed);
		show(pid);
	}
	if (killed) {
		kill(pid, SIGKILL);
		t = t_now_ms();
		if (!wait_for(pid, &st, HANG_MS * f->slow)) {
			f->stuck++;
			t_note("seed %llu: cannot be killed", (unsigned long long)f->seed);
			show(pid);
			return;
		}
		t = t_now_ms() - t;
		f->slowest_ms = t > f->slowest_ms ? t : f->slowest_ms;
	}
	if (WIFEXITED(st) && WEXITSTATUS(st)) {
		f->failed++;
		t_note("seed %llu: %s", (unsigned long long)f->seed, f->why);
	} else if (WIFSIGNALED(st) && (WTERMSIG(st) != SIGKILL || !killed)) {
		f->crashed++;
		t_note("seed %llu: killed by signal %d", (unsigned long long)f->seed, WTERMSIG(st));
	}
}

void fuzz_children(struct fuzz_run *f, void (*child)(struct fuzz_run *f, uint64_t seed),
		   unsigned int life_ms)
{
	uint64_t end = t_now_ms() + f->seconds * 1000ULL, last = end + 20000ULL * f->seconds;

	for (; f->children < f->max && !f->stuck; f->seed++) {
		if (f->children >= CHILDREN_MIN && t_now_ms() >= end &&
		    (!f->descs || *f->descs >= f->min_descs) &&
		    (!f->enough || f->enough() || t_now_ms() >= last))
			break;
		one_child(f, child, life_ms);
	}
	if (f->faults)
		fault_rate(0);
	t_note("%u children, at most %llu ms from SIGKILL to the end", f->children,
	       (unsigned long long)f->slowest_ms);
	t_ok(f->children && !f->failed, "every child found all well: %u did not", f->failed);
	t_ok(!f->crashed, "none crashed: %u did", f->crashed);
	t_ok(!f->stuck, "all came to an end");
}

/* The rig is open. */
static int traffic(struct both *b, unsigned int count, const char **why)
{
	int ret;

	b->tx.max = b->rx.max = 1514;
	*why = "set-up";
	ret = both_open_flows(b) ?: rig_start(&b->r);
	if (!ret) {
		ret = both_run(b, count);
		*why = both_why(b);
	}
	rig_stop(&b->r);
	return ret;
}

enum fuzz_device fuzz_device(const char *backend)
{
	return !backend ? FUZZ_NET : strncmp(backend, "naa.", 4) ? FUZZ_BLK : FUZZ_SCSI;
}

/* Write, and read it again, and so on. */
static int blk_blocks(struct blk *b, unsigned int count)
{
	unsigned char out[4096], in[4096];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < count && !ret; i++) {
		blk_fill(out, sizeof(out), i);
		ret = blk_io(b, VIRTIO_BLK_T_OUT, i * 8, out, sizeof(out));
		ret = ret ?: blk_io(b, VIRTIO_BLK_T_IN, i * 8, in, sizeof(in));
		if (!ret && memcmp(in, out, sizeof(in)))
			ret = -EBADMSG;
	}
	return ret;
}

static int scsi_blocks(struct scsi *s, unsigned int count)
{
	unsigned char out[4096], in[4096];
	unsigned int i;
	int ret;

	ret = scsi_settle(s, 0);
	for (i = 0; i < count && !ret; i++) {
		blk_fill(out, sizeof(out), i);
		ret = scsi_io(s, true, 0, i * 8, out, sizeof(out));
		ret = ret ?: scsi_io(s, false, 0, i * 8, in, sizeof(in));
		if (!ret && memcmp(in, out, sizeof(in)))
			ret = -EBADMSG;
	}
	return ret;
}

/* The device, or a new one, is set up, used and closed. */
static int blocks(const struct reqs_opt *o, const char *backend, unsigned int count, const char **why)
{
	struct scsi s;
	struct blk b;
	int fd, ret;

	if (fuzz_device(backend) == FUZZ_SCSI) {
		ret = scsi_start(&s, o, backend) ?: scsi_blocks(&s, count);
		*why = s.q.why;
		scsi_close(&s);
		return ret > 0 ? -EIO : ret;
	}
	fd = open(backend, O_RDWR | O_CLOEXEC);
	*why = backend;
	if (fd < 0)
		return -errno;
	ret = blk_start(&b, o, fd) ?: blk_blocks(&b, count);
	*why = b.q.why;
	blk_close(&b);
	close(fd);
	return ret > 0 ? -EIO : ret;
}

static int honest_net(unsigned int count, const char **why)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES };
	struct both b = { 0 };
	int ret;

	*why = "open";
	ret = rig_open(&b.r, &o) ?: traffic(&b, count, why);
	both_close(&b);
	return ret;
}

void fuzz_honest(const char *backend, unsigned int count)
{
	const struct reqs_opt o = { 0 };
	const char *why;
	int ret;

	ret = backend ? blocks(&o, backend, count, &why) : honest_net(count, &why);
	t_ok(!ret, "an honest device works afterwards: %s %s", t_err(ret), why);
}

static int revive_net(int fd, uint64_t features, unsigned int count, const char **why)
{
	struct both b = { .r = { .mem.fd = -1, .dev.fd = fd, .dev.features = features, .sock = -1,
				 .hdr_len = vdrv_net_hdr_len(features) } };
	struct rig *r = &b.r;
	struct vdrv_tap_opt topt = { .hdr_len = r->hdr_len };
	struct vhost_memory_region region;
	int ret, i;

	for (i = 0; i < 2; i++)
		r->vq[i] = (struct vdrv_vq){ .kick = -1, .call = -1, .err = -1 };
	*why = "a tap";
	ret = vdrv_tap_open(&r->tap, &topt);
	if (ret)
		return ret;
	ret = vdrv_packet_open(r->tap.ifindex, VDRV_ETHERTYPE, false);
	if (ret >= 0) {
		r->sock = ret;
		ret = vdrv_mem_open(&r->mem, 8 << 20, VDRV_GPA);
	}
	if (!ret) {
		*why = "features";
		ret = ioctl(fd, VHOST_SET_FEATURES, &features) ? -errno : 0;
	}
	if (!ret) {
		*why = "memory table";
		region = (struct vhost_memory_region){ VDRV_GPA, r->mem.size, (uintptr_t)r->mem.va, 0 };
		ret = vdrv_dev_set_regions(&r->dev, &region, 1);
	}
	for (i = 0; i < 2 && !ret; i++) {
		*why = "rings";
		ret = vdrv_vq_open(&r->vq[i], &r->mem, i, 256, features, 0);
		if (!ret)
			ret = vdrv_vq_attach(&r->vq[i], &r->dev);
	}
	if (!ret)
		ret = traffic(&b, count, why);
	r->dev.fd = -1;
	both_close(&b);
	return ret;
}

int fuzz_revive(int fd, const char *backend, uint64_t features, unsigned int count, const char **why)
{
	const struct reqs_opt o = { .features = features, .fd = fd };

	return backend ? blocks(&o, backend, count, why) : revive_net(fd, features, count, why);
}

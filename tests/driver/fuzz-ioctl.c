// SPDX-License-Identifier: GPL-2.0
/*
 * Requests in any order: children whose threads send every vhost ioctl, with sensible and senseless
 * arguments, and IOTLB messages to a few device files at once, while rings run, memory comes and
 * goes, files are closed, and processes fork and are killed. The machine must live, every child
 * must be able to die, and a device must work when it is set up by the book afterwards. TAP on
 * stdout; options as in lib/fuzz.h. Whoever runs this reads the kernel's log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost_shunt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/fault.h"
#include "lib/fuzz.h"
#include "lib/hostile.h"

#define LIFE_MS		300
#define FILES		3
#define THREADS		4

struct ctx {
	struct hostile h;
	int file[FILES];	/* of the device: h.fd, others, copies */
	int other;		/* a file that is no tap and no eventfd */
};

#define ROOM		(64u << 10)

/* An argument, in a buffer of zeroes that is larger than any */
union arg {
	uint64_t u64[64];
	unsigned char byte[8192];
	struct vhost_vring_state state;
	struct vhost_vring_file file;
	struct vhost_vring_addr addr;
	struct vhost_vring_worker worker;
	struct vhost_msg msg;
	struct vhost_msg_v2 msg_v2;
	struct {
		uint32_t nregions;
		uint32_t padding;
		struct vhost_memory_region region[200];
	} mem;
};

static uint32_t some_index(uint64_t *s)
{
	return fuzz_one_in(s, 30) ? fuzz_number(s) : fuzz_below(s, 2);
}

static void fill_none(struct ctx *c, union arg *a, uint64_t *s)
{
	(void)c;
	(void)a;
	(void)s;
}

static void fill_number(struct ctx *c, union arg *a, uint64_t *s)
{
	(void)c;
	a->u64[0] = fuzz_number(s);
}

static void fill_features(struct ctx *c, union arg *a, uint64_t *s)
{
	a->u64[0] = hostile_features(&c->h, s);
	if (fuzz_one_in(s, 3))
		a->u64[0] = fuzz_rnd(s) & c->h.offered;
	if (fuzz_one_in(s, 20))
		a->u64[0] |= 1ULL << fuzz_below(s, 64);
}

static void fill_features_array(struct ctx *c, union arg *a, uint64_t *s)
{
	fill_features(c, (void *)&a->u64[1], s);
	a->u64[0] = fuzz_one_in(s, 8) ? fuzz_number(s) : fuzz_below(s, 4);
	if (fuzz_one_in(s, 8))
		a->u64[2] = fuzz_number(s);
}

/*
 * Bit n of the dirty log stands for page n. Where a device is told to log without having been told
 * where to, the log is at 0: with these addresses it ends before anything of ours, or outside of
 * user space.
 */
static uint64_t some_gpa(uint64_t *s)
{
	switch (fuzz_below(s, 4)) {
	case 0:		return fuzz_number(s) >> 16;
	case 1:		return fuzz_number(s) | 1ULL << 63;
	default:	return VDRV_GPA + fuzz_below(s, HOSTILE_MEM);
	}
}

static void fill_mem(struct ctx *c, union arg *a, uint64_t *s)
{
	unsigned int i;

	a->mem.nregions = fuzz_below(s, fuzz_one_in(s, 8) ? 200 : 5);
	for (i = 0; i < a->mem.nregions; i++)
		a->mem.region[i] = (struct vhost_memory_region){
			some_gpa(s), fuzz_number(s) % (2 * HOSTILE_MEM), fuzz_uva(&c->h.mem, s), 0 };
	if (fuzz_one_in(s, 2)) {
		a->mem.nregions = 1;
		a->mem.region[0] = (struct vhost_memory_region){
			VDRV_GPA, HOSTILE_MEM, (uintptr_t)c->h.mem.va, 0 };
	}
	if (fuzz_one_in(s, 20))
		a->mem.nregions = fuzz_number(s);
	if (fuzz_one_in(s, 30))
		a->mem.padding = fuzz_rnd(s);
}

static void fill_num(struct ctx *c, union arg *a, uint64_t *s)
{
	(void)c;
	a->state.index = some_index(s);
	a->state.num = fuzz_one_in(s, 4) ? fuzz_number(s) : 1u << fuzz_below(s, 11);
}

static void fill_state(struct ctx *c, union arg *a, uint64_t *s)
{
	(void)c;
	a->state.index = some_index(s);
	a->state.num = fuzz_number(s);
}

static void fill_flag(struct ctx *c, union arg *a, uint64_t *s)
{
	(void)c;
	a->state.index = some_index(s);
	a->state.num = fuzz_below(s, 3);
}

static void fill_addr(struct ctx *c, union arg *a, uint64_t *s)
{
	uint64_t at = (uintptr_t)c->h.mem.va;

	a->addr.index = some_index(s);
	if (fuzz_one_in(s, 3)) {
		a->addr.desc_user_addr = fuzz_uva(&c->h.mem, s);
		a->addr.avail_user_addr = fuzz_uva(&c->h.mem, s);
		a->addr.used_user_addr = fuzz_uva(&c->h.mem, s);
	} else {
		at += a->addr.index % 2 * HOSTILE_RING;
		a->addr.desc_user_addr = at;
		a->addr.avail_user_addr = at + HOSTILE_DRIVER;
		a->addr.used_user_addr = at + HOSTILE_DEVICE;
	}
	a->addr.log_guest_addr = some_gpa(s) & (fuzz_one_in(s, 8) ? ~0ULL : ~3ULL);
	a->addr.flags = fuzz_one_in(s, 20) ? fuzz_number(s) : fuzz_below(s, 2);
}

/* An eventfd, or what might be taken for one */
static int some_file(struct ctx *c, uint64_t *s, int good)
{
	switch (fuzz_below(s, 16)) {
	case 0:		return fuzz_number(s);
	case 1:		return c->other;
	case 2:		return c->h.tap[0].fd;
	case 3:		return c->file[fuzz_below(s, FILES)];
	case 4:		return c->h.ring[fuzz_below(s, 2)].kick;
	case 5:
	case 6:		return -1;
	default:	return good;
	}
}

static void fill_event(struct ctx *c, union arg *a, uint64_t *s)
{
	const struct hring *r = &c->h.ring[fuzz_below(s, 2)];

	a->file.index = some_index(s);
	a->file.fd = some_file(c, s, fuzz_one_in(s, 2) ? r->kick : r->call);
}

static void fill_backend(struct ctx *c, union arg *a, uint64_t *s)
{
	a->file.index = some_index(s);
	a->file.fd = some_file(c, s, fuzz_one_in(s, 4) ? c->h.sock :
			       c->h.tap[fuzz_below(s, 2)].fd);
}

static void fill_uva(struct ctx *c, union arg *a, uint64_t *s)
{
	a->u64[0] = fuzz_uva(&c->h.mem, s);
}

static void fill_fd(struct ctx *c, union arg *a, uint64_t *s)
{
	a->file.index = some_file(c, s, c->h.ring[0].call);
}

static void fill_worker(struct ctx *c, union arg *a, uint64_t *s)
{
	(void)c;
	a->worker.index = fuzz_one_in(s, 8) ? fuzz_number(s) : fuzz_below(s, 8);
}

static void fill_vring_worker(struct ctx *c, union arg *a, uint64_t *s)
{
	(void)c;
	a->worker.index = some_index(s);
	a->worker.worker_id = fuzz_one_in(s, 8) ? fuzz_number(s) : fuzz_below(s, 8);
}

static const struct request {
	const char *name;
	unsigned long cmd;
	void (*fill)(struct ctx *c, union arg *a, uint64_t *s);
} requests[] = {
#define R(name, fill)	{ #name, VHOST_##name, fill }
	R(GET_FEATURES, fill_none),
	R(SET_FEATURES, fill_features),
	R(SET_OWNER, fill_none),
	R(RESET_OWNER, fill_none),
	R(SET_MEM_TABLE, fill_mem),
	R(SET_LOG_BASE, fill_uva),
	R(SET_LOG_FD, fill_fd),
	R(SET_VRING_NUM, fill_num),
	R(SET_VRING_ADDR, fill_addr),
	R(SET_VRING_BASE, fill_state),
	R(GET_VRING_BASE, fill_state),
	R(SET_VRING_ENDIAN, fill_flag),
	R(GET_VRING_ENDIAN, fill_flag),
	R(SET_VRING_KICK, fill_event),
	R(SET_VRING_CALL, fill_event),
	R(SET_VRING_ERR, fill_event),
	R(SET_VRING_BUSYLOOP_TIMEOUT, fill_state),
	R(GET_VRING_BUSYLOOP_TIMEOUT, fill_state),
	R(SET_BACKEND_FEATURES, fill_number),
	R(GET_BACKEND_FEATURES, fill_none),
	R(NET_SET_BACKEND, fill_backend),
	R(NEW_WORKER, fill_worker),
	R(FREE_WORKER, fill_worker),
	R(ATTACH_VRING_WORKER, fill_vring_worker),
	R(GET_VRING_WORKER, fill_vring_worker),
	R(GET_FEATURES_ARRAY, fill_features_array),
	R(SET_FEATURES_ARRAY, fill_features_array),
	R(GET_FORK_FROM_OWNER, fill_none),
	R(SET_FORK_FROM_OWNER, fill_flag),
#undef R
};

/* What the children got done, for the parent */
struct counts {
	struct tally tally;
	uint64_t sent[ARRAY_SIZE(requests)];
	uint64_t good[ARRAY_SIZE(requests)];
	uint64_t messages[2];
	uint64_t calls;
	uint64_t forks;
	uint64_t revived;
};

static struct counts *counts;

static int some_device(struct ctx *c, uint64_t *s)
{
	return fuzz_one_in(s, 2) ? c->h.fd : c->file[fuzz_below(s, FILES)];
}

/*
 * Room for an argument, of each thread: where a length is the fuzzer's, the device may write up to
 * the end of it and finds nothing behind.
 */
static union arg *room(void)
{
	static __thread unsigned char *p;

	/* Where faults are injected this is one more try. */
	while (!p) {
		p = mmap(NULL, 2 * ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
		if (p == MAP_FAILED || mprotect(p + ROOM, ROOM, PROT_NONE))
			p = NULL;
	}
	memset(p, 0, sizeof(union arg));
	return (union arg *)p;
}

static void request(struct ctx *c, uint64_t *s)
{
	unsigned int n = fuzz_below(s, ARRAY_SIZE(requests)), size;
	const struct request *r = &requests[n];
	unsigned long cmd = r->cmd;
	union arg *a = room();
	void *at = a;

	/* A device without an owner is soon seen through. */
	if ((cmd == VHOST_RESET_OWNER) && !fuzz_one_in(s, 8))
		return;
	r->fill(c, a, s);
	if (fuzz_one_in(s, 30))
		a->byte[fuzz_below(s, 64)] ^= 1 << fuzz_below(s, 8);
	switch (fuzz_below(s, 60)) {
	case 0:
		at = (void *)fuzz_uva(&c->h.mem, s);
		break;
	case 1:		/* the end of it is not there */
		size = fuzz_below(s, 128);
		at = (unsigned char *)a + ROOM - size;
		memcpy(at, a, size);
		break;
	case 2:
		cmd = _IOC(fuzz_below(s, 4), fuzz_one_in(s, 8) ? fuzz_rnd(s) & 0xff : VHOST_VIRTIO,
			   fuzz_rnd(s) & 0xff, fuzz_one_in(s, 2) ? 8 : fuzz_below(s, 1 << 14));
	}
	counts->sent[n]++;
	if (ioctl(some_device(c, s), cmd, at) >= 0 && cmd == r->cmd)
		counts->good[n]++;
}

/* Through the device file itself: what a device IOTLB would say and be told */
static void message(struct ctx *c, uint64_t *s)
{
	int fd = some_device(c, s);
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	bool v2 = fuzz_one_in(s, 2);
	union arg a = { 0 };
	struct vhost_iotlb_msg *m = v2 ? &a.msg_v2.iotlb : &a.msg.iotlb;
	size_t size = v2 ? sizeof(a.msg_v2) : sizeof(a.msg);

	poll(&p, 1, 0);
	if (fuzz_one_in(s, 3)) {
		if (read(fd, &a, fuzz_one_in(s, 8) ? fuzz_below(s, 200) : size) > 0)
			counts->messages[0]++;
		return;
	}
	a.msg.type = v2 ? VHOST_IOTLB_MSG_V2 : VHOST_IOTLB_MSG;
	*m = (struct vhost_iotlb_msg){
		.iova = some_gpa(s),
		.size = fuzz_one_in(s, 3) ? fuzz_number(s) : 4096ULL << fuzz_below(s, 8),
		.uaddr = fuzz_uva(&c->h.mem, s),
		.perm = fuzz_below(s, 5),
		.type = fuzz_below(s, 8),
	};
	if (fuzz_one_in(s, 30))
		a.byte[fuzz_below(s, 72)] = fuzz_rnd(s);
	if (fuzz_one_in(s, 30))
		size = fuzz_below(s, 200);
	if (write(fd, &a, size) > 0)
		counts->messages[1]++;
}

static void files(struct ctx *c, uint64_t *s)
{
	unsigned int n = fuzz_below(s, FILES);
	int fd;

	/* Replaced at one blow, so that the number never is another thread's file. */
	fd = open(DTEST_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	if (fuzz_one_in(s, 3))
		dup2(c->h.fd, c->file[n]);
	else if (fuzz_one_in(s, 3))
		dup2(fd, c->h.fd);
	else
		dup2(fd, c->file[n]);
	close(fd);
}

/* Another process with the same files: it is not the owner of what we own, and keeps it open. */
static void in_fork(struct ctx *c, uint64_t *s)
{
	int n = fuzz_below(s, 20);
	pid_t pid = fork();

	if (pid)
		return;
	while (n--) {
		request(c, s);
		message(c, s);
	}
	usleep(fuzz_below(s, 20000));
	_exit(0);
}

static void act(struct ctx *c, uint64_t *s, unsigned int thread)
{
	switch (fuzz_below(s, 48)) {
	case 0:
	case 1:
		fuzz_mem_restore(&c->h.mem);
		hostile_setup(&c->h);
		break;
	case 2:
		fuzz_mem_disturb(&c->h.mem, s);
		break;
	case 3:
		if (fuzz_one_in(s, 4))
			files(c, s);
		break;
	case 4:
		if (fuzz_one_in(s, 16)) {
			counts->forks++;
			in_fork(c, s);
		}
		break;
	case 5:
	case 6:
		hostile_send(&c->h, s);
		break;
	case 7:
	case 8:
	case 9:
		/* One thread writes rings; the others listen. */
		if (!thread)
			hostile_write(&c->h, s);
		else
			counts->calls += !!vdrv_event_wait(c->h.ring[fuzz_below(s, 2)].call, 0);
		break;
	case 10 ... 13:
		message(c, s);
		break;
	default:
		request(c, s);
	}
}

struct thread {
	const struct fuzz_run *f;
	struct ctx *c;
	uint64_t s;
	unsigned int n;
	pthread_t id;
};

static void *thread_run(void *arg)
{
	struct thread *t = arg;

	if (t->f->faults)
		fault_me(true);
	while (!__atomic_load_n(&t->c->h.stop, __ATOMIC_RELAXED))
		act(t->c, &t->s, t->n);
	return NULL;
}

/* The device by the book again, unless a process we forked has become its owner */
static void revive(struct fuzz_run *f, struct ctx *c)
{
	uint64_t features = RIG_FEATURES;
	const char *why;
	int ret, i;

	if (ioctl(c->h.fd, VHOST_SET_OWNER) && errno != EBUSY)
		fuzz_fail(f, "owner: %s", strerror(errno));
	for (i = 0; i < 2; i++) {
		ret = hring_backend(&c->h, &c->h.ring[i], -1);
		if (ret == -EPERM)
			return;
		/* Rings outside of user space are refused whatever is asked for. */
		if (ret && ret != -EFAULT)
			fuzz_fail(f, "taking back end %d away: %s", i, strerror(-ret));
	}
	ret = fuzz_revive(c->h.fd, NULL, features, 50, &why);
	if (ret)
		fuzz_fail(f, "afterwards: %s %s", strerror(-ret), why);
	counts->revived++;
}

static void child(struct fuzz_run *f, uint64_t seed)
{
	struct thread thread[THREADS];
	struct ctx c = { 0 };
	uint64_t s = seed;
	unsigned int n, i;
	int ret;

	signal(SIGCHLD, SIG_IGN);
	ret = hostile_open(&c.h, &counts->tally, NULL, &s);
	if (ret)
		fuzz_fail(f, "set-up: %s", strerror(-ret));
	c.other = memfd_create("other", MFD_CLOEXEC);
	for (i = 0; i < FILES; i++)
		c.file[i] = open(DTEST_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (!fuzz_one_in(&s, 3))
		hostile_setup_faulty(&c.h, f->faults);
	n = 1 + fuzz_below(&s, THREADS);
	for (i = 0; i < n; i++) {
		thread[i] = (struct thread){ .f = f, .c = &c, .s = fuzz_rnd(&s), .n = i };
		if (pthread_create(&thread[i].id, NULL, thread_run, &thread[i]))
			fuzz_fail(f, "thread: %s", strerror(errno));
	}
	usleep((LIFE_MS / 4 + fuzz_below(&s, LIFE_MS)) * 1000ULL * f->slow);
	__atomic_store_n(&c.h.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < n; i++)
		pthread_join(thread[i].id, NULL);
	if (f->faults)
		fault_rate(0);
	if (fuzz_mem_restore(&c.h.mem))
		fuzz_fail(f, "memory cannot be restored");
	if (!fuzz_one_in(&s, 3))
		revive(f, &c);
	_exit(0);
}

/* Requests that every device can do and that have not succeeded yet */
static unsigned int missing(void)
{
	static const unsigned long needed[] = {
		VHOST_SET_OWNER, VHOST_RESET_OWNER, VHOST_SET_FEATURES, VHOST_SET_MEM_TABLE,
		VHOST_SET_VRING_NUM, VHOST_SET_VRING_ADDR, VHOST_SET_VRING_BASE,
		VHOST_GET_VRING_BASE, VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
		VHOST_SET_VRING_ERR, VHOST_NET_SET_BACKEND,
	};
	unsigned int i, j, n = 0;

	for (i = 0; i < ARRAY_SIZE(requests); i++)
		for (j = 0; j < ARRAY_SIZE(needed) && !counts->good[i]; j++)
			n += needed[j] == requests[i].cmd;
	return n;
}

static bool enough(void)
{
	return counts->calls && counts->revived && !missing();
}

int main(int argc, char **argv)
{
	unsigned int i;
	uint64_t sent = 0, good = 0;
	struct fuzz_run f;

	fuzz_open(&f, argc, argv, sizeof(*counts));
	counts = f.shared;
	f.enough = enough;
	fuzz_children(&f, child, LIFE_MS);
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		sent += counts->sent[i];
		good += counts->good[i];
		if (counts->good[i])
			continue;
		t_note("%s: %llu sent, none successful", requests[i].name,
		       (unsigned long long)counts->sent[i]);
	}
	t_note("%llu requests, %llu successful; %llu messages read, %llu written; %llu forks",
	       (unsigned long long)sent, (unsigned long long)good,
	       (unsigned long long)counts->messages[0], (unsigned long long)counts->messages[1],
	       (unsigned long long)counts->forks);
	t_note("%llu descriptors, %llu calls, %llu devices revived",
	       (unsigned long long)counts->tally.descs, (unsigned long long)counts->calls,
	       (unsigned long long)counts->revived);
	t_ok(!missing(), "what every device can do succeeded now and then");
	t_ok(counts->calls && counts->revived, "rings ran, and devices were revived");
	fuzz_honest(NULL, 500);
	return t_done();
}

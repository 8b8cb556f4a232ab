// SPDX-License-Identifier: GPL-2.0
/*
 * A hostile driver with a clock: children that write nonsense into rings of a running device while
 * a second thread changes memory tables, addresses, eventfds, features and backends below it. The
 * machine must live, every child must be able to die, and an honest device must work afterwards.
 * TAP on stdout; the runner reads the kernel's log.
 *
 *	SECONDS_LONG	how long (8)
 *	SEED		first seed (from the clock); it is printed
 *	SLOW		children live so many times longer (1): for kernels full of checks
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/flow.h"

#define MEM_SIZE	(8u << 20)
#define DATA		(VDRV_GPA + (1 << 20))
#define DATA_SIZE	(6u << 20)

/* What the children got done, shared with the parent */
struct tally {
	uint64_t chains;
	uint64_t kicks;
	uint64_t ioctls;
	uint64_t errors;
	uint64_t used;
};

static unsigned int slow = 1;

struct hostile {
	struct rig r;
	uint64_t state;		/* of the ring thread's generator */
	uint64_t control_state;
	struct tally *tally;
	struct vdrv_tap other_tap;
	uint64_t features;
};

/* splitmix64 */
static uint64_t rnd(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static bool one_in(uint64_t *s, unsigned int n)
{
	return rnd(s) % n == 0;
}

static uint64_t some_gpa(uint64_t *s)
{
	switch (rnd(s) % 16) {
	case 0:		return VDRV_GPA + MEM_SIZE - rnd(s) % 100;
	case 1:		return VDRV_GPA - rnd(s) % 100;
	case 2:		return rnd(s);
	case 3:		return ~0ULL - rnd(s) % 5000;
	case 4:		return VDRV_GPA + rnd(s) % (1 << 20);	/* the rings themselves */
	case 5:		return 0;
	case 6:		return VDRV_GPA + MEM_SIZE / 2 - rnd(s) % 64;
	default:	return DATA + rnd(s) % DATA_SIZE;
	}
}

static uint32_t some_len(uint64_t *s)
{
	static const uint32_t lens[] = {
		0, 1, 9, 10, 11, 12, 13, 26, 72, 1526, 4096, 65535, 65536,
		0x7fffffff, 0x80000000, 0xffffffff,
	};

	switch (rnd(s) % 4) {
	case 0:		return lens[rnd(s) % ARRAY_SIZE(lens)];
	case 1:		return rnd(s) % 70000;
	default:	return 12 + rnd(s) % 1600;
	}
}

static struct vring_desc some_desc(uint64_t *s, unsigned int num, bool write, bool nonsense)
{
	struct vring_desc d;

	d.addr = htole64(nonsense ? some_gpa(s) : DATA + rnd(s) % (DATA_SIZE - 4096));
	d.len = htole32(nonsense ? some_len(s) : 12 + rnd(s) % 1500);
	d.flags = htole16(write ? VRING_DESC_F_WRITE : 0);
	if (one_in(s, 3))
		d.flags |= htole16(VRING_DESC_F_NEXT);
	if (one_in(s, nonsense ? 4 : 12))
		d.flags |= htole16(VRING_DESC_F_INDIRECT);
	if (nonsense && one_in(s, 4))
		d.flags = htole16(rnd(s));
	d.next = htole16(nonsense && one_in(s, 8) ? rnd(s) : rnd(s) % num);
	if (d.flags & htole16(VRING_DESC_F_INDIRECT) && !one_in(s, 6))
		d.len = htole32(16 * (1 + rnd(s) % 40));
	return d;
}

/* Headers decide what the kernel behind the tap does with a frame: make them of interest. */
static void some_header(struct hostile *h, uint64_t gpa)
{
	uint64_t *s = &h->state;
	struct virtio_net_hdr_mrg_rxbuf hdr = { 0 };

	/* Beyond the data are pages that the other thread takes away: only the device goes there. */
	if (gpa < VDRV_GPA || gpa > DATA + DATA_SIZE - 64)
		return;
	if (one_in(s, 2)) {
		hdr.hdr.flags = rnd(s) % 8;
		hdr.hdr.gso_type = one_in(s, 4) ? rnd(s) : rnd(s) % 6;
		hdr.hdr.hdr_len = one_in(s, 3) ? rnd(s) : rnd(s) % 100;
		hdr.hdr.gso_size = one_in(s, 3) ? rnd(s) : 100 + rnd(s) % 1500;
		hdr.hdr.csum_start = one_in(s, 3) ? rnd(s) : rnd(s) % 60;
		hdr.hdr.csum_offset = one_in(s, 3) ? rnd(s) : rnd(s) % 20;
	}
	memcpy(vdrv_mem_va(&h->r.mem, gpa), &hdr, sizeof(hdr));
	/* Sometimes an IPv4 or IPv6 frame, that the stack will look into */
	memcpy((char *)vdrv_mem_va(&h->r.mem, gpa) + 12,
	       one_in(s, 2) ? "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\2\x08\0\x45" :
	       "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\2\x86\xdd\x60", 15);
}

static void write_ring(struct hostile *h)
{
	uint64_t *s = &h->state;
	struct vdrv_vq *vq = &h->r.vq[rnd(s) % 2];
	bool nonsense = one_in(s, 12), write = vq->index == VDRV_RX;
	unsigned int n = 1 + rnd(s) % 16, i, j, head;
	struct vring_desc d, *t;

	for (i = 0; i < n; i++) {
		head = rnd(s) % vq->num;
		d = some_desc(s, vq->num, one_in(s, 30) ? !write : write, nonsense);
		if (d.flags & htole16(VRING_DESC_F_INDIRECT)) {
			t = vdrv_mem_va(&h->r.mem, DATA + rnd(s) % (DATA_SIZE - 1024));
			for (j = 0; j < 40; j++) {
				t[j] = some_desc(s, 40, write, nonsense && one_in(s, 10));
				if (!one_in(s, 10))
					t[j].flags &= htole16(~VRING_DESC_F_INDIRECT);
				t[j].next = htole16(j + 1);
			}
			if (!nonsense)
				d.addr = htole64(VDRV_GPA + ((unsigned char *)t - h->r.mem.va));
		} else if (!write) {
			some_header(h, le64toh(d.addr));
		}
		vq->desc[head] = d;
		vq->avail->ring[vq->avail_idx & (vq->num - 1)] =
			htole16(one_in(s, 200) ? rnd(s) : head);
		vq->avail_idx++;
		h->tally->chains++;
	}
	if (one_in(s, 100))
		vq->avail_idx = rnd(s);
	if (one_in(s, 20))	/* catch up with a device that refused a jump */
		vq->avail_idx = le16toh(vq->used->idx) + 1;
	if (one_in(s, 50))
		vq->used->idx = htole16(rnd(s));
	if (one_in(s, 20))
		vq->avail->ring[vq->num] = htole16(rnd(s));
	if (one_in(s, 20))
		vq->avail->flags = htole16(rnd(s));
	h->tally->used += le16toh(vq->used->idx) != vq->last_used;
	vq->last_used = le16toh(vq->used->idx);
	if (one_in(s, 3))
		vdrv_vq_publish(vq);
	else
		vdrv_vq_kick_always(vq);
	h->tally->kicks++;
	h->tally->errors += vdrv_event_wait(vq->err, 0) != 0;
}

static void set_memory(struct hostile *h, uint64_t *s)
{
	struct vhost_memory_region r[8];
	unsigned int n = 1 + rnd(s) % 8, i;
	uint64_t at = 0, size;

	if (one_in(s, 2)) {	/* the whole, in pieces */
		for (i = 0; i < n; i++, at += size) {
			size = i + 1 < n ? (MEM_SIZE - at) / (n - i) : MEM_SIZE - at;
			size -= i + 1 < n ? rnd(s) % 16 : 0;
			r[i] = (struct vhost_memory_region){ VDRV_GPA + at, size,
							     (uintptr_t)h->r.mem.va + at, 0 };
		}
	} else {
		for (i = 0; i < n; i++)
			r[i] = (struct vhost_memory_region){ some_gpa(s), some_len(s),
				one_in(s, 4) ? rnd(s) : (uintptr_t)h->r.mem.va + rnd(s) % MEM_SIZE,
				0 };
	}
	vdrv_dev_set_regions(&h->r.dev, r, one_in(s, 20) ? 0 : n);
}

static void restart(struct hostile *h)
{
	struct vhost_vring_state st;
	int i;

	rig_stop(&h->r);
	for (i = 0; i < 2; i++) {
		vdrv_vq_set_addr(&h->r.vq[i], &h->r.dev);
		st = (struct vhost_vring_state){ .index = i,
						 .num = le16toh(h->r.vq[i].used->idx) };
		ioctl(h->r.dev.fd, VHOST_SET_VRING_BASE, &st);
	}
	rig_start(&h->r);
}

static void control(struct hostile *h)
{
	uint64_t *s = &h->control_state, f, va;
	struct vdrv_vq *vq = &h->r.vq[rnd(s) % 2];
	unsigned char frame[1514];
	int fd;

	h->tally->ioctls++;
	switch (rnd(s) % 16) {
	case 0:
	case 1:
		set_memory(h, s);
		break;
	case 2: {
		struct vhost_vring_addr a = {
			.index = vq->index,
			.desc_user_addr = (uintptr_t)h->r.mem.va + rnd(s) % MEM_SIZE,
			.avail_user_addr = ((uintptr_t)h->r.mem.va + rnd(s) % MEM_SIZE) & ~1ULL,
			.used_user_addr = ((uintptr_t)h->r.mem.va + rnd(s) % MEM_SIZE) & ~3ULL,
		};
		ioctl(h->r.dev.fd, VHOST_SET_VRING_ADDR, &a);
		break;
	}
	case 3:
		f = one_in(s, 2) ? h->features : rnd(s) & h->r.dev.offered;
		/* LOG_ALL without a log is an invitation to write at address 0. */
		f &= ~(VDRV_BIT(VHOST_F_LOG_ALL) | VDRV_BIT(VIRTIO_F_ACCESS_PLATFORM));
		ioctl(h->r.dev.fd, VHOST_SET_FEATURES, &f);
		break;
	case 4:
		fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		vdrv_vq_set_fd(vq, &h->r.dev, one_in(s, 2) ? VHOST_SET_VRING_CALL :
			       VHOST_SET_VRING_ERR, fd);
		close(fd);
		break;
	case 5:
		vdrv_vq_set_fd(vq, &h->r.dev, VHOST_SET_VRING_KICK, one_in(s, 4) ? -1 : vq->kick);
		/* The device's call rings its own bell. */
		if (one_in(s, 4))
			vdrv_vq_set_fd(vq, &h->r.dev, VHOST_SET_VRING_CALL, vq->kick);
		break;
	case 6:
		vdrv_dev_set_backend(&h->r.dev, vq->index, one_in(s, 2) ? h->other_tap.fd :
				     h->r.tap.fd);
		break;
	case 7:
		va = rnd(s) % (MEM_SIZE - 65536) & ~4095ULL;
		madvise(h->r.mem.va + va, 65536, MADV_DONTNEED);
		break;
	case 8:
		/* Only data: the ring thread itself must not fault. */
		va = (DATA - VDRV_GPA) + DATA_SIZE + (rnd(s) % 200) * 4096;
		mprotect(h->r.mem.va + va, 4096, one_in(s, 2) ? PROT_NONE : PROT_READ | PROT_WRITE);
		break;
	case 9:
		if (one_in(s, 4) && !ioctl(h->r.dev.fd, VHOST_RESET_OWNER)) {
			vdrv_dev_start(&h->r.dev, &h->r.mem, h->features);
			vdrv_vq_attach(&h->r.vq[0], &h->r.dev);
			vdrv_vq_attach(&h->r.vq[1], &h->r.dev);
		}
		restart(h);
		break;
	case 10:
	case 11:
		restart(h);
		break;
	default:
		vdrv_frame_fill(frame, sizeof(frame), rnd(s));
		for (int i = 0; i < 8; i++)
			if (write(h->r.sock, frame, 60 + rnd(s) % 1400) < 0)
				break;
	}
}

static void *control_thread(void *arg)
{
	for (;;)
		control(arg);
	return NULL;
}

static void child(uint64_t seed, struct tally *tally)
{
	struct hostile h = { .state = seed, .control_state = ~seed, .tally = tally };
	struct rig_opt o = { .mem_size = MEM_SIZE };
	struct vdrv_tap_opt topt = { .hdr_len = 12 };
	uint64_t *s = &h.state;
	uint64_t end;
	pthread_t t;

	o.num = 1u << rnd(s) % 10;
	o.features = one_in(s, 3) ? RIG_FEATURES : RIG_FEATURES | VDRV_BIT(VIRTIO_RING_F_EVENT_IDX);
	if (one_in(s, 4))
		o.features &= ~VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF);
	if (one_in(s, 8))
		o.features |= VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR);
	h.features = o.features;
	if (rig_open(&h.r, &o) || vdrv_tap_open(&h.other_tap, &topt) || rig_start(&h.r))
		_exit(1);
	if (!one_in(s, 4) && pthread_create(&t, NULL, control_thread, &h))
		_exit(1);
	/* Some end by themselves in the middle of it all, the others wait to be killed. */
	end = t_now_ms() + (one_in(s, 2) ? (100 + rnd(s) % 200) * slow : 100000);
	while (t_now_ms() < end) {
		write_ring(&h);
		if (one_in(s, 8))
			usleep(rnd(s) % 300);
	}
	_exit(0);
}

int main(void)
{
	const char *e = getenv("SECONDS_LONG");
	uint64_t end = t_now_ms() + (e ? atoi(e) : 8) * 1000ULL, seed, slowest = 0, t;
	struct flow tx = { .max = 1514 }, rx = { .max = 1514 };
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES };
	unsigned int children = 0, failed = 0, crashed = 0;
	struct tally *tally;
	struct rig r;
	int st, ret;
	pid_t pid;

	e = getenv("SEED");
	seed = e ? strtoull(e, NULL, 0) : (uint64_t)time(NULL);
	e = getenv("SLOW");
	if (e && atoi(e) > 0)
		slow = atoi(e);
	t_note("SEED=%llu", (unsigned long long)seed);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	t_need(tally == MAP_FAILED ? -errno : 0, "mmap");
	while (t_now_ms() < end) {
		pid = fork();
		if (!pid)
			child(seed, tally);
		t_need(pid < 0 ? -errno : 0, "fork");
		children++;
		usleep((150000 + seed % 7 * 30000) * slow);
		kill(pid, SIGKILL);
		t = t_now_ms();
		waitpid(pid, &st, 0);
		t = t_now_ms() - t;
		slowest = t > slowest ? t : slowest;
		failed += WIFEXITED(st) && WEXITSTATUS(st);
		if (WIFSIGNALED(st) && WTERMSIG(st) != SIGKILL) {
			crashed++;
			t_note("seed %llu: killed by signal %d", (unsigned long long)seed,
			       WTERMSIG(st));
		}
		seed++;
	}
	t_note("%llu chains, %llu kicks, %llu errors reported, %llu times used moved, %llu ioctls",
	       (unsigned long long)tally->chains, (unsigned long long)tally->kicks,
	       (unsigned long long)tally->errors, (unsigned long long)tally->used,
	       (unsigned long long)tally->ioctls);
	t_ok(children && !failed && !crashed, "%u hostile drivers: %u did not start, %u crashed",
	     children, failed, crashed);
	t_ok(tally->errors && tally->used, "the device worked on them and refused some");
	t_ok(slowest < 10000, "each could be killed: %llu ms at most", (unsigned long long)slowest);

	ret = rig_open(&r, &o);
	if (!ret)
		ret = flow_open_tx(&tx, &r);
	if (!ret)
		ret = flow_open_rx(&rx, &r);
	if (!ret)
		ret = rig_start(&r);
	if (!ret)
		ret = flow_tx(&tx, 1000);
	if (!ret)
		ret = flow_rx(&rx, 1000);
	t_ok(!ret, "an honest device works afterwards: %s %s%s", t_err(ret), tx.why, rx.why);
	rig_close(&r);
	return t_done();
}

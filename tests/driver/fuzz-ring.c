// SPDX-License-Identifier: GPL-2.0
/*
 * Hostile rings: children that write mutated descriptors, tables, indices and event words, split or
 * packed, into the rings of a running device, scribble over them while they are read, and change
 * memory tables, mappings, ring addresses, eventfds, features, workers and back ends below it. The
 * machine must live, every child must be able to die, and the device that a child leaves must work
 * when it is set up by the book again. TAP on stdout; options as in lib/fuzz.h. Whoever runs this
 * reads the kernel's log.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <linux/vhost_shunt.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/fault.h"
#include "lib/fuzz.h"
#include "lib/hostile.h"

#define LIFE_MS		400

/* A thread with a generator of its own */
struct actor {
	const struct fuzz_run *f;
	struct hostile *h;
	void (*act)(struct hostile *h, uint64_t *s);
	uint64_t s;
	unsigned int pause_us;
	pthread_t thread;
};

static struct hring *any_ring(struct hostile *h, uint64_t *s)
{
	return &h->ring[fuzz_below(s, 2)];
}

/* What the device is reading, or has just written, becomes something else. */
static void act_scribble(struct hostile *h, uint64_t *s)
{
	struct hring *r = any_ring(h, s);
	unsigned int n = 1 + fuzz_below(s, 8), at;
	uint16_t *words;

	while (n--) {
		switch (fuzz_below(s, 4)) {
		case 0:
			words = r->driver;
			at = fuzz_below(s, r->num + 3);
			break;
		case 1:
			words = r->device;
			at = fuzz_below(s, 4 * r->num + 3);
			break;
		default:
			words = r->desc;
			at = fuzz_below(s, 8 * r->num);
		}
		words[at] ^= fuzz_one_in(s, 2) ? fuzz_rnd(s) : 1ULL << fuzz_below(s, 16);
		h->tally->scribbles++;
	}
}

static void set_memory(struct hostile *h, uint64_t *s)
{
	struct vdrv_dev dev = { .fd = h->fd };
	struct vhost_memory_region r[600];
	unsigned int n = 1 + fuzz_below(s, fuzz_one_in(s, 8) ? 600 : 8), i;
	uint64_t at = 0, size;

	if (fuzz_one_in(s, 3)) {
		hostile_set_mem(h);
		return;
	}
	if (fuzz_one_in(s, 2)) {	/* the whole, in pieces */
		for (i = 0; i < n; i++, at += size) {
			size = i + 1 < n ? (HOSTILE_MEM - at) / (n - i) : HOSTILE_MEM - at;
			size -= i + 1 < n ? fuzz_below(s, 16) : 0;
			r[i] = (struct vhost_memory_region){ VDRV_GPA + at, size,
							     (uintptr_t)h->mem.va + at, 0 };
		}
	} else {
		for (i = 0; i < n; i++)
			r[i] = (struct vhost_memory_region){
				VDRV_GPA + fuzz_below(s, HOSTILE_MEM), fuzz_number(s) % HOSTILE_MEM,
				fuzz_uva(&h->mem, s), 0 };
	}
	vdrv_dev_set_regions(&dev, r, fuzz_one_in(s, 20) ? 0 : n);
}

/* Where the device may log to must be ours before it is told to log. */
static void set_features(struct hostile *h, uint64_t *s)
{
	uint64_t f = fuzz_one_in(s, 2) ? h->features : hostile_features(h, s);

	if (fuzz_one_in(s, 4))
		f = fuzz_rnd(s) & h->offered;
	if (!(h->features & VDRV_BIT(VHOST_F_LOG_ALL)))
		f &= ~VDRV_BIT(VHOST_F_LOG_ALL);
	ioctl(h->fd, VHOST_SET_FEATURES, &f);
}

static void set_eventfd(struct hostile *h, uint64_t *s)
{
	static const unsigned long cmds[] = { VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR,
					      VHOST_SET_VRING_KICK };
	unsigned int which = fuzz_below(s, 3);
	struct hring *r = any_ring(h, s);
	struct vhost_vring_file f = { .index = r->index, .fd = -1 };
	int fd = -1;

	switch (fuzz_below(s, 4)) {
	case 0:
		break;
	case 1:		/* the device's call rings its own bell */
		f.fd = r->kick;
		break;
	case 2:
		fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		f.fd = fd;
		break;
	default:
		f.fd = which == 0 ? r->call : which == 1 ? r->err : r->kick;
	}
	ioctl(h->fd, cmds[which], &f);
	if (fd >= 0)
		close(fd);
}

static void set_addr(struct hostile *h, uint64_t *s)
{
	struct vhost_vring_addr a = {
		.index = any_ring(h, s)->index,
		.desc_user_addr = fuzz_uva(&h->mem, s) & ~15ULL,
		.avail_user_addr = fuzz_uva(&h->mem, s) & ~3ULL,
		.used_user_addr = fuzz_uva(&h->mem, s) & ~3ULL,
	};

	if (fuzz_one_in(s, 4))
		hring_set_addr(h, any_ring(h, s));
	else
		ioctl(h->fd, VHOST_SET_VRING_ADDR, &a);
}

/* A worker of its own for a queue, or an end to it, where there is such a thing */
static void set_worker(struct hostile *h, uint64_t *s)
{
	struct vhost_worker_state w = { .worker_id = fuzz_below(s, 8) };
	struct vhost_vring_worker vw = { .index = any_ring(h, s)->index };

	switch (fuzz_below(s, 3)) {
	case 0:
		if (!ioctl(h->fd, VHOST_NEW_WORKER, &w)) {
			vw.worker_id = w.worker_id;
			ioctl(h->fd, VHOST_ATTACH_VRING_WORKER, &vw);
		}
		break;
	case 1:
		vw.worker_id = fuzz_below(s, 8);
		ioctl(h->fd, VHOST_ATTACH_VRING_WORKER, &vw);
		break;
	default:
		ioctl(h->fd, VHOST_FREE_WORKER, &w);
	}
}

/* The device asks for translations and gets some, true, false or late. */
static void answer_iotlb(struct hostile *h, uint64_t *s)
{
	struct vhost_msg m = { 0 };
	int i;

	for (i = 0; i < 16 && read(h->fd, &m, sizeof(m)) == sizeof(m); i++) {
		uint64_t iova = m.iotlb.iova & ~4095ULL;

		m.type = VHOST_IOTLB_MSG;
		m.iotlb.type = fuzz_one_in(s, 12) ? VHOST_IOTLB_INVALIDATE : VHOST_IOTLB_UPDATE;
		m.iotlb.iova = iova;
		m.iotlb.size = fuzz_one_in(s, 12) ? fuzz_number(s) : 4096ULL << fuzz_below(s, 5);
		m.iotlb.uaddr = fuzz_one_in(s, 12) ? fuzz_uva(&h->mem, s) :
				(uintptr_t)h->mem.va + (iova - VDRV_GPA) % HOSTILE_MEM;
		m.iotlb.perm = fuzz_one_in(s, 12) ? fuzz_below(s, 4) : VHOST_ACCESS_RW;
		if (write(h->fd, &m, sizeof(m)) < 0)
			break;
	}
	m = (struct vhost_msg){
		.type = VHOST_IOTLB_MSG,
		.iotlb = { .type = VHOST_IOTLB_INVALIDATE, .iova = VDRV_GPA + fuzz_number(s),
			   .size = fuzz_number(s) },
	};
	if (fuzz_one_in(s, 4) && write(h->fd, &m, sizeof(m)) < 0)
		return;
}

static void act_control(struct hostile *h, uint64_t *s)
{
	struct hring *r = any_ring(h, s);
	struct vhost_vring_state st = { .index = r->index };

	h->tally->ioctls++;
	switch (fuzz_below(s, 16)) {
	case 0:
	case 1:
		set_memory(h, s);
		break;
	case 2:
		set_addr(h, s);
		break;
	case 3:
		set_features(h, s);
		break;
	case 4:
		set_eventfd(h, s);
		break;
	case 5:
		hring_backend(h, r, fuzz_one_in(s, 4) ? -1 : h->backend[fuzz_below(s, 2)]);
		break;
	case 6:
	case 7:
		fuzz_mem_disturb(&h->mem, s);
		break;
	case 8:
		ioctl(h->fd, VHOST_GET_VRING_BASE, &st);
		break;
	case 9:
		st.num = fuzz_number(s);
		ioctl(h->fd, fuzz_one_in(s, 2) ? VHOST_SET_VRING_BUSYLOOP_TIMEOUT :
		      VHOST_SET_VRING_BASE, &st);
		break;
	case 10:
		set_worker(h, s);
		break;
	case 11:
		if (fuzz_one_in(s, 4) && !ioctl(h->fd, VHOST_RESET_OWNER))
			hostile_setup(h);
		break;
	case 12:
		answer_iotlb(h, s);
		break;
	default:
		/* Most of the time the rings should run. */
		fuzz_mem_restore(&h->mem);
		hostile_set_mem(h);
		ioctl(h->fd, VHOST_SET_FEATURES, &h->features);
		hring_restart(h, r, s);
	}
	if (h->features & VDRV_BIT(VIRTIO_F_ACCESS_PLATFORM))
		answer_iotlb(h, s);
}

static void act_write(struct hostile *h, uint64_t *s)
{
	hostile_write(h, s);
}

static void act_send(struct hostile *h, uint64_t *s)
{
	hostile_send(h, s);
}

static void *actor_run(void *arg)
{
	struct actor *a = arg;

	if (a->f->faults)
		fault_me(true);
	while (!__atomic_load_n(&a->h->stop, __ATOMIC_RELAXED)) {
		a->act(a->h, &a->s);
		if (a->pause_us && fuzz_one_in(&a->s, 8))
			usleep(fuzz_below(&a->s, a->pause_us));
	}
	return NULL;
}

static void child(struct fuzz_run *f, uint64_t seed)
{
	struct actor actors[] = {
		{ .act = act_write, .pause_us = 300 },
		{ .act = act_send, .pause_us = 3000 },
		{ .act = act_scribble, .pause_us = 3000 },
		{ .act = act_control, .pause_us = 1000 },
	};
	uint64_t s = seed, features;
	unsigned int n, i;
	struct hostile h;
	const char *why;
	int ret;

	ret = hostile_open(&h, f->shared, f->backend, &s);
	if (!ret)
		ret = hostile_setup_faulty(&h, f->faults);
	if (ret)
		fuzz_fail(f, "features %#llx, %u and %u descriptors: %s",
			  (unsigned long long)h.features, h.ring[0].num, h.ring[1].num,
			  strerror(-ret));
	/* Some leave control alone, some scribbling as well: then rings live longer. */
	n = ARRAY_SIZE(actors) - fuzz_below(&s, 3);
	for (i = 0; i < n; i++) {
		actors[i].f = f;
		actors[i].h = &h;
		actors[i].s = fuzz_rnd(&s);
		if (pthread_create(&actors[i].thread, NULL, actor_run, &actors[i]))
			fuzz_fail(f, "thread: %s", strerror(errno));
	}
	usleep((LIFE_MS / 4 + fuzz_below(&s, LIFE_MS)) * 1000ULL * f->slow);
	__atomic_store_n(&h.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < n; i++)
		pthread_join(actors[i].thread, NULL);
	hostile_count(&h);
	if (fuzz_one_in(&s, 3))
		_exit(0);
	if (f->faults)
		fault_rate(0);
	ret = fuzz_mem_restore(&h.mem);
	if (ret)
		fuzz_fail(f, "memory: %s", strerror(-ret));
	/* An endpoint goes only while all rings can be reached. */
	if (h.kind == FUZZ_SCSI && ioctl(h.fd, VHOST_RESET_OWNER) && errno != EPERM)
		fuzz_fail(f, "reset: %s", strerror(errno));
	/* With faults it may have lost its owner. */
	if (ioctl(h.fd, VHOST_SET_OWNER) && errno != EBUSY)
		fuzz_fail(f, "owner: %s", strerror(errno));
	/* A ring out of reach keeps its back end, as does one without a memory table: EFAULT, as stock's. */
	for (i = 0; i < 2 && h.kind != FUZZ_SCSI; i++) {
		hostile_set_mem(&h);
		hring_set_addr(&h, &h.ring[i]);
		ret = hring_backend(&h, &h.ring[i], -1);
		if (ret == -EFAULT && !ioctl(h.fd, VHOST_RESET_OWNER))
			ret = ioctl(h.fd, VHOST_SET_OWNER) ? -errno : 0;
		if (ret && !(f->faults && ret == -EFAULT))
			fuzz_fail(f, "taking back end %u away: %s", i, strerror(-ret));
	}
	/* The rest of vdrv knows neither a log nor a device IOTLB. */
	features = h.features & (RIG_FEATURES | VDRV_BIT(VIRTIO_RING_F_EVENT_IDX));
	ret = fuzz_revive(h.fd, f->backend, features, 200, &why);
	if (ret)
		fuzz_fail(f, "features %#llx, afterwards: %s %s", (unsigned long long)h.features,
			  strerror(-ret), why);
	h.tally->revived++;
	_exit(0);
}

static struct tally *t;

static bool enough(void)
{
	return t->errors && t->sent && t->received;
}

int main(int argc, char **argv)
{
	struct fuzz_run f;

	fuzz_open(&f, argc, argv, sizeof(*t));
	t = f.shared;
	f.enough = enough;
	f.descs = &t->descs;
	fuzz_children(&f, child, LIFE_MS);
	t_note("%llu descriptors, %llu of them wild, %llu words scribbled over, %llu changes",
	       (unsigned long long)t->descs, (unsigned long long)t->wild,
	       (unsigned long long)t->scribbles, (unsigned long long)t->ioctls);
	t_note("%llu rings refused, %llu frames, sectors or requests sent, %llu received, %llu devices revived",
	       (unsigned long long)t->errors, (unsigned long long)t->sent,
	       (unsigned long long)t->received, (unsigned long long)t->revived);
	t_ok(enough(), "the device worked on them and refused some");
	fuzz_honest(f.backend, 500);
	return t_done();
}

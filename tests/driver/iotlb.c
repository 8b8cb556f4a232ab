// SPDX-License-Identifier: GPL-2.0
/*
 * A device behind an IOMMU: every page of guest memory lies somewhere else for the device than for
 * us, and it learns where only when it asks. TAP on stdout; the stock module must pass as well,
 * where it is not known to fail.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/flow.h"

#define PLATFORM	VDRV_BIT(VIRTIO_F_ACCESS_PLATFORM)
#define EVENT		VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)
#define LOG		VDRV_BIT(VHOST_F_LOG_ALL)

#define PAGE		4096ULL
/* More pages than the table has entries (2048) */
#define PAGES		2500
#define MEM_SIZE	(PAGES * PAGE)
/* Where the memory table says that guest memory is; I/O addresses are VDRV_GPA and so on. */
#define TABLE_GPA	0x80000000ULL

/**
 * struct world - a rig behind an IOMMU
 * @b: the rig, with a flow each way
 * @dev_va: guest memory as the device sees it: page i is at place[i]
 * @server: answers what the device asks for
 * @perm: what it grants
 * @asked: how many times the device asked
 */
struct world {
	struct both b;
	unsigned char *dev_va;
	unsigned int place[PAGES];
	bool v2;
	pthread_t server;
	bool serving;
	bool stop;
	uint8_t perm;
	unsigned int asked;
	int err;
};

static int msg_write(struct world *w, uint8_t type, uint64_t iova, uint64_t size, uint64_t uaddr,
		     uint8_t perm)
{
	struct vhost_iotlb_msg m = {
		.iova = iova, .size = size, .uaddr = uaddr, .perm = perm, .type = type,
	};
	struct vhost_msg_v2 v2 = { .type = VHOST_IOTLB_MSG_V2, .iotlb = m };
	struct vhost_msg v1 = { .type = VHOST_IOTLB_MSG, .iotlb = m };
	ssize_t n;

	n = w->v2 ? write(w->b.r.dev.fd, &v2, sizeof(v2)) : write(w->b.r.dev.fd, &v1, sizeof(v1));
	return n == sizeof(v2) ? 0 : n < 0 ? -errno : -EIO;
}

static int msg_read(struct world *w, struct vhost_iotlb_msg *m)
{
	union {
		struct vhost_msg v1;
		struct vhost_msg_v2 v2;
	} u;
	ssize_t n = read(w->b.r.dev.fd, &u, sizeof(u));

	if (n < 0)
		return -errno;
	if (n != sizeof(u) || u.v2.type != (w->v2 ? VHOST_IOTLB_MSG_V2 : VHOST_IOTLB_MSG))
		return -EPROTO;
	*m = w->v2 ? u.v2.iotlb : u.v1.iotlb;
	return m->type == VHOST_IOTLB_MISS ? 0 : -EPROTO;
}

static int map_page(struct world *w, uint64_t iova, uint8_t perm)
{
	uint64_t page = (iova - VDRV_GPA) / PAGE;

	if (iova < VDRV_GPA || page >= PAGES)
		return -ERANGE;
	return msg_write(w, VHOST_IOTLB_UPDATE, VDRV_GPA + page * PAGE, PAGE,
			 (uintptr_t)w->dev_va + w->place[page] * PAGE, perm);
}

static int map_range(struct world *w, uint64_t iova, uint64_t len, uint8_t perm)
{
	uint64_t at;
	int ret = 0;

	for (at = iova & ~(PAGE - 1); at < iova + len && !ret; at += PAGE)
		ret = map_page(w, at, perm);
	return ret;
}

static int unmap(struct world *w, uint64_t iova, uint64_t len)
{
	return msg_write(w, VHOST_IOTLB_INVALIDATE, iova, len, 0, 0);
}

static void *serve(void *arg)
{
	struct world *w = arg;
	struct pollfd p = { .fd = w->b.r.dev.fd, .events = POLLIN };
	struct vhost_iotlb_msg m;
	int ret;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		if (poll(&p, 1, 20) <= 0)
			continue;
		ret = msg_read(w, &m);
		if (ret == -EAGAIN)
			continue;
		if (!ret)
			ret = map_page(w, m.iova, w->perm);
		w->asked++;
		if (ret)
			w->err = ret;
	}
	return NULL;
}

static void serve_start(struct world *w)
{
	w->stop = false;
	w->serving = true;
	t_need(-pthread_create(&w->server, NULL, serve, w), "thread");
}

static void serve_stop(struct world *w)
{
	if (!w->serving)
		return;
	__atomic_store_n(&w->stop, true, __ATOMIC_RELEASE);
	pthread_join(w->server, NULL);
	w->serving = false;
}

static uint64_t ring_iova(struct world *w, const void *p)
{
	return VDRV_GPA + ((const unsigned char *)p - w->b.r.mem.va);
}

static int set_addr(struct world *w, unsigned int q, uint64_t used, bool log)
{
	struct vdrv_vq *vq = &w->b.r.vq[q];
	struct vhost_vring_addr a = {
		.index = q,
		.flags = log ? 1 << VHOST_VRING_F_LOG : 0,
		.desc_user_addr = ring_iova(w, vq->desc),
		.avail_user_addr = ring_iova(w, vq->avail),
		.used_user_addr = used,
		/* No address of the guest's: whoever believes in it fails. */
		.log_guest_addr = used,
	};

	return ioctl(w->b.r.dev.fd, VHOST_SET_VRING_ADDR, &a) ? -errno : 0;
}

static int world_map(struct world *w)
{
	struct vhost_memory_region region = {
		.guest_phys_addr = TABLE_GPA, .memory_size = MEM_SIZE,
	};
	unsigned int i, j, swap;

	w->dev_va = mmap(NULL, MEM_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->dev_va == MAP_FAILED)
		return -errno;
	for (i = 0; i < PAGES; i++)
		w->place[i] = i;
	for (i = PAGES - 1; i; i--) {
		j = rand() % (i + 1);
		swap = w->place[i];
		w->place[i] = w->place[j];
		w->place[j] = swap;
	}
	for (i = 0; i < PAGES; i++)
		if (mmap(w->dev_va + w->place[i] * PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, w->b.r.mem.fd, i * PAGE) == MAP_FAILED)
			return -errno;
	region.userspace_addr = (uintptr_t)w->dev_va;
	return vdrv_dev_set_regions(&w->b.r.dev, &region, 1);
}

/* All but the translations and the back end */
static int world_open(struct world *w, uint64_t features, unsigned int num, bool v2)
{
	struct rig_opt o = {
		.num = num, .features = RIG_FEATURES | PLATFORM | features, .mem_size = MEM_SIZE,
		.indirect_max = 8,
	};
	uint64_t backend = 1ULL << VHOST_BACKEND_F_IOTLB_MSG_V2;
	int ret;

	memset(w, 0, sizeof(*w));
	w->v2 = v2;
	w->perm = VHOST_ACCESS_RW;
	w->b.tx.max = w->b.rx.max = 1514;
	w->b.tx.segments = 3;
	w->b.rx.buf_size = 700;
	ret = rig_open(&w->b.r, &o);
	if (!ret && v2)
		ret = ioctl(w->b.r.dev.fd, VHOST_SET_BACKEND_FEATURES, &backend) ? -errno : 0;
	if (!ret)
		ret = fcntl(w->b.r.dev.fd, F_SETFL, O_NONBLOCK) ? -errno : 0;
	if (!ret)
		ret = world_map(w);
	if (!ret)
		ret = set_addr(w, VDRV_RX, ring_iova(w, w->b.r.vq[VDRV_RX].used), false);
	if (!ret)
		ret = set_addr(w, VDRV_TX, ring_iova(w, w->b.r.vq[VDRV_TX].used), false);
	return ret ?: both_open_flows(&w->b);
}

/* The used ring must be there when the back end comes, as with QEMU. */
static int world_start(struct world *w)
{
	int ret = map_page(w, ring_iova(w, w->b.r.vq[VDRV_RX].used), VHOST_ACCESS_RW);

	if (!ret)
		ret = map_page(w, ring_iova(w, w->b.r.vq[VDRV_TX].used), VHOST_ACCESS_RW);
	if (!ret)
		ret = rig_start(&w->b.r);
	return ret;
}

static void world_close(struct world *w)
{
	serve_stop(w);
	rig_stop(&w->b.r);
	both_close(&w->b);
	if (w->dev_va && w->dev_va != MAP_FAILED)
		munmap(w->dev_va, MEM_SIZE);
}

static int world_run(struct world *w, unsigned int count)
{
	return both_run(&w->b, count) ?: w->err;
}

static bool signalled(int fd)
{
	return vdrv_event_wait(fd, 3000);
}

/* Start the device and give it a frame to send: it must ask where that is. */
static int world_asks(struct world *w)
{
	struct pollfd p = { .fd = w->b.r.dev.fd, .events = POLLIN };
	struct vhost_iotlb_msg m;
	int ret = world_start(w);

	if (!ret)
		ret = flow_tx_queue(&w->b.tx, 1);
	if (!ret)
		ret = vdrv_vq_kick_always(&w->b.r.vq[VDRV_TX]);
	return ret ?: poll(&p, 1, 3000) == 1 ? msg_read(w, &m) : -ETIMEDOUT;
}

static void test_start(bool v2)
{
	struct vhost_iotlb_msg m = { 0 };
	struct pollfd p = { .events = POLLIN | POLLOUT };
	struct world w;
	uint64_t used;
	bool asked;
	int ret, start;

	ret = world_open(&w, 0, 256, v2);
	used = ring_iova(&w, w.b.r.vq[VDRV_RX].used);
	p.fd = w.b.r.dev.fd;
	t_ok(!ret && !poll(&p, 1, 0) && msg_read(&w, &m) == -EAGAIN, "v%d: nothing to read: %s",
	     v2 + 1, t_err(ret));
	start = vdrv_dev_set_backend(&w.b.r.dev, VDRV_RX, w.b.r.tap.fd);
	asked = poll(&p, 1, 0) == 1 && p.revents == POLLIN && !msg_read(&w, &m);
	t_ok(start == -EFAULT && asked && m.iova == used,
	     "v%d: no start without a used ring, which is asked for: %s", v2 + 1, t_err(start));
	ret = world_start(&w);
	serve_start(&w);
	if (!ret)
		ret = world_run(&w, 500);
	t_ok(!ret && w.asked > 20, "v%d: all is found by asking, %u times: %s %s", v2 + 1, w.asked,
	     t_err(ret), both_why(&w.b));
	world_close(&w);
}

static void test_traffic(uint64_t features, unsigned int num, const char *name)
{
	struct world w;
	int ret;

	ret = world_open(&w, features, num, true);
	if (!ret)
		ret = world_start(&w);
	serve_start(&w);
	if (!ret)
		ret = world_run(&w, 1000);
	t_ok(!ret, "traffic, %s: %s %s", name, t_err(ret), both_why(&w.b));
	world_close(&w);
}

/* More translations than there is room: what was forgotten is asked for again. */
static void test_many(void)
{
	struct world w;
	int ret;

	ret = world_open(&w, EVENT, 256, true);
	if (!ret)
		ret = world_start(&w);
	if (!ret)
		ret = map_range(&w, VDRV_GPA, MEM_SIZE, VHOST_ACCESS_RW);
	serve_start(&w);
	if (!ret)
		ret = world_run(&w, 500);
	t_ok(!ret && w.asked, "more translations than fit, %u are asked for: %s %s", w.asked,
	     t_err(ret), both_why(&w.b));
	world_close(&w);
}

static void *invalidator(void *arg)
{
	struct world *w = arg;
	unsigned int seed = 1, n;
	int ret;

	for (n = 0; !n || !__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE); n++) {
		uint64_t iova = n % 3 ? VDRV_GPA + rand_r(&seed) % PAGES * PAGE :
				ring_iova(w, w->b.r.vq[n / 3 % 2].used) & ~(PAGE - 1);

		ret = unmap(w, iova, PAGE);
		if (ret)
			w->err = ret;
		usleep(100);
	}
	return NULL;
}

static void test_invalidates(void)
{
	pthread_t thread;
	struct world w;
	int ret;

	ret = world_open(&w, EVENT, 256, true);
	if (!ret)
		ret = world_start(&w);
	serve_start(&w);
	t_need(-pthread_create(&thread, NULL, invalidator, &w), "thread");
	if (!ret)
		ret = world_run(&w, 3000);
	/* Both threads stop; then the device must still be able to go on. */
	__atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	serve_stop(&w);
	t_ok(!ret, "traffic while translations go: %s %s", t_err(ret), both_why(&w.b));
	serve_start(&w);
	if (!ret)
		ret = unmap(&w, VDRV_GPA, MEM_SIZE);
	if (!ret)
		ret = world_run(&w, 300);
	t_ok(!ret, "traffic after all were taken away: %s %s", t_err(ret), both_why(&w.b));
	world_close(&w);
}

/* One frame to send, already kicked; does the used index that the device sees move to @idx? */
static bool sends_one(struct world *w, const volatile uint16_t *idx, uint16_t want)
{
	uint64_t end = t_now_ms() + 3000;

	if (flow_tx_queue(&w->b.tx, 1) || vdrv_vq_kick_always(&w->b.r.vq[VDRV_TX]))
		return false;
	while (*idx != want && t_now_ms() < end)
		t_sleep_ms(1);
	return *idx == want;
}

/*
 * Addresses of the ring are kept for long; they must not outlive the translation, nor the address
 * that the ring was said to have.
 */
static void test_stale(void)
{
	struct vring_used *other, *real;
	struct vdrv_vq *vq;
	uint16_t at, seen;
	struct world w;
	uint64_t used;
	bool ok;
	int ret;

	if (t_packed()) {
		t_skip("rings that move: the packed ring is both sides'");
		return;
	}
	ret = world_open(&w, 0, 128, true);
	vq = &w.b.r.vq[VDRV_TX];
	real = vq->used;
	used = ring_iova(&w, real);
	other = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	t_need(other == MAP_FAILED ? -errno : 0, "mmap");
	if (!ret)
		ret = map_range(&w, VDRV_GPA, 1500 * PAGE, VHOST_ACCESS_RW);
	if (!ret)
		ret = rig_start(&w.b.r);
	if (!ret)
		ret = flow_tx(&w.b.tx, 50);
	at = real->idx;
	/* The page of the used ring goes elsewhere: it has all of it, with 128 entries. */
	memcpy(other, (void *)((uintptr_t)real & ~(PAGE - 1)), PAGE);
	if (!ret)
		ret = unmap(&w, used & ~(PAGE - 1), PAGE);
	if (!ret)
		ret = msg_write(&w, VHOST_IOTLB_UPDATE, used & ~(PAGE - 1), PAGE, (uintptr_t)other,
				VHOST_ACCESS_RW);
	other = (void *)((uintptr_t)other + used % PAGE);
	ok = !ret && sends_one(&w, &other->idx, at + 1);
	t_ok(ok && real->idx == at, "a ring whose translation changed is used in its new place: %s",
	     t_err(ret));

	/* Back by another I/O address that leads to the real one. */
	real->idx = other->idx;
	real->flags = other->flags;
	seen = other->idx;
	if (!ret)
		ret = msg_write(&w, VHOST_IOTLB_UPDATE, 0x10000000, 2 * PAGE,
				(uintptr_t)real & ~(PAGE - 1), VHOST_ACCESS_RW);
	if (!ret)
		ret = set_addr(&w, VDRV_TX, 0x10000000 + used % PAGE, false);
	ok = !ret && sends_one(&w, &real->idx, at + 2);
	t_ok(ok && other->idx == seen, "a ring whose address changed is used in its new place: %s",
	     t_err(ret));
	munmap((void *)((uintptr_t)other & ~(PAGE - 1)), PAGE);
	world_close(&w);
}

/* Who may only read must not write, and the other way round. */
static void test_perm(void)
{
	static const char *const names[] = {
		"buffers to receive into that may only be read",
		"buffers to send that may only be written",
		"a used ring that may only be read",
	};
	struct vdrv_vq *vq;
	struct world w;
	uint64_t used;
	bool err;
	int ret, i, start;

	for (i = 0; i < 3; i++) {
		ret = world_open(&w, 0, 128, true);
		vq = &w.b.r.vq[i ? VDRV_TX : VDRV_RX];
		used = ring_iova(&w, vq->used);
		if (!ret)
			ret = map_range(&w, VDRV_GPA, 1500 * PAGE, VHOST_ACCESS_RW);
		if (!ret && i == 1)
			ret = unmap(&w, w.b.tx.pool, (size_t)w.b.tx.nslots * w.b.tx.slot_size);
		if (!ret && i == 1)
			ret = map_range(&w, w.b.tx.pool, (size_t)w.b.tx.nslots * w.b.tx.slot_size,
					VHOST_ACCESS_WO);
		if (!ret && i == 2)
			ret = unmap(&w, used & ~(PAGE - 1), PAGE);
		if (!ret && i == 2)
			ret = map_page(&w, used, VHOST_ACCESS_RO);
		if (i == 2 && t_stock()) {
			t_skip("%s: stock writes there", names[i]);
			world_close(&w);
			continue;
		}
		if (i == 2) {
			start = vdrv_dev_set_backend(&w.b.r.dev, VDRV_TX, w.b.r.tap.fd);
			t_ok(!ret && start == -EFAULT, "%s: %s, start %s", names[i], t_err(ret),
			     t_err(start));
			world_close(&w);
			continue;
		}
		if (!ret && i == 0)
			ret = unmap(&w, w.b.rx.pool, (size_t)w.b.rx.nslots * w.b.rx.slot_size);
		if (!ret && i == 0)
			ret = map_range(&w, w.b.rx.pool, (size_t)w.b.rx.nslots * w.b.rx.slot_size,
					VHOST_ACCESS_RO);
		if (!ret)
			ret = rig_start(&w.b.r);
		if (!ret)
			ret = i ? flow_tx_queue(&w.b.tx, 1) : flow_rx_send(&w.b.rx, 1);
		if (!ret)
			ret = vdrv_vq_kick_always(vq);
		err = signalled(vq->err);
		t_ok(!ret && err && !vdrv_vq_get(vq, NULL, NULL), "%s: %s, error %s", names[i],
		     t_err(ret), err ? "signalled" : "not signalled");
		world_close(&w);
	}
}

/* Mistakes of the owner's: refused, and what was there stays. */
static void test_refused(void)
{
	struct vhost_iotlb_msg m;
	struct world w;
	int ret, zero;

	if (t_stock()) {
		t_skip("a range of no size takes nothing away: stock takes everything");
		return;
	}
	ret = world_open(&w, 0, 128, true);
	if (!ret)
		ret = map_range(&w, VDRV_GPA, 1500 * PAGE, VHOST_ACCESS_RW);
	if (!ret)
		ret = rig_start(&w.b.r);
	zero = unmap(&w, 0, 0);
	if (!ret)
		ret = world_run(&w, 100);
	t_ok(!ret && zero == -EINVAL && msg_read(&w, &m) == -EAGAIN,
	     "a range of no size takes nothing away: %s, %s", t_err(zero), t_err(ret));
	/* A large one in pieces: what it covers beside a hole is still there. */
	ret = ret ? ret : msg_write(&w, VHOST_IOTLB_UPDATE, 1ULL << 40, 64 * PAGE,
				    (uintptr_t)w.dev_va, VHOST_ACCESS_RW);
	if (!ret)
		ret = unmap(&w, (1ULL << 40) + 7 * PAGE, PAGE);
	if (!ret)
		ret = unmap(&w, 1ULL << 39, ~0ULL);
	t_ok(!ret, "holes, and ranges that end beyond everything: %s", t_err(ret));
	world_close(&w);
}

static void test_batch(void)
{
	uint64_t offered = 0, want = VDRV_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2) |
				     VDRV_BIT(VHOST_BACKEND_F_IOTLB_BATCH);
	struct world w;
	int ret, early;

	ret = world_open(&w, 0, 128, true);
	if (!ret && ioctl(w.b.r.dev.fd, VHOST_GET_BACKEND_FEATURES, &offered))
		ret = -errno;
	if (!ret && !(offered & VDRV_BIT(VHOST_BACKEND_F_IOTLB_BATCH))) {
		t_skip("no batches of messages here");
		world_close(&w);
		return;
	}
	early = msg_write(&w, VHOST_IOTLB_BATCH_BEGIN, 0, 0, 0, 0);
	if (!ret)
		ret = ioctl(w.b.r.dev.fd, VHOST_SET_BACKEND_FEATURES, &want) ? -errno : 0;
	if (!ret)
		ret = world_asks(&w);
	if (!ret)
		ret = msg_write(&w, VHOST_IOTLB_BATCH_BEGIN, 0, 0, 0, 0);
	if (!ret)
		ret = map_range(&w, VDRV_GPA, 1500 * PAGE, VHOST_ACCESS_RW);
	if (!ret)
		ret = msg_write(&w, VHOST_IOTLB_BATCH_END, 0, 0, 0, 0);
	if (!ret)
		ret = flow_tx_finish(&w.b.tx, 5000);
	if (!ret)
		ret = world_run(&w, 100);
	t_ok(!ret && early == -EFAULT, "a batch of translations: %s %s, unasked %s",
	     t_err(ret), both_why(&w.b), t_err(early));
	world_close(&w);
}

static void nothing(int sig)
{
	(void)sig;
}

static void *blocked_reader(void *arg)
{
	struct world *w = arg;
	struct vhost_iotlb_msg m;

	w->err = msg_read(w, &m);
	return NULL;
}

/* The device goes while somebody waits for it, or it for somebody. */
static void test_end(void)
{
	struct sigaction sa = { .sa_handler = nothing };
	pthread_t thread;
	struct world w;
	int ret;

	ret = world_open(&w, 0, 128, true) ?: world_asks(&w);
	t_ok(!ret, "a queue waits for a translation: %s", t_err(ret));
	world_close(&w);

	sigaction(SIGUSR1, &sa, NULL);
	ret = world_open(&w, 0, 128, true);
	if (!ret)
		ret = fcntl(w.b.r.dev.fd, F_SETFL, 0) ? -errno : 0;
	t_need(-pthread_create(&thread, NULL, blocked_reader, &w), "thread");
	t_sleep_ms(50);
	if (!ret)
		ret = ioctl(w.b.r.dev.fd, VHOST_RESET_OWNER) ? -errno : 0;
	pthread_join(thread, NULL);
	t_ok(!ret && w.err == -EBADFD, "RESET_OWNER ends a read that waits: %s, %s", t_err(ret),
	     t_err(w.err));
	world_close(&w);

	ret = world_open(&w, 0, 128, true);
	if (!ret)
		ret = fcntl(w.b.r.dev.fd, F_SETFL, 0) ? -errno : 0;
	t_need(-pthread_create(&thread, NULL, blocked_reader, &w), "thread");
	t_sleep_ms(50);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	t_ok(!ret && w.err == -EINTR, "a signal ends a read that waits: %s, %s", t_err(ret),
	     t_err(w.err));
	world_close(&w);
}

/* Count pages with a part of what only the device writes that changed, and those without a mark. */
static void unmarked(const struct world *w, const unsigned char *bitmap, const unsigned char *before,
		     uint64_t iova, size_t len, unsigned int *changed, unsigned int *missing)
{
	while (len) {
		size_t at = iova - VDRV_GPA, n = PAGE - at % PAGE;
		uint64_t bit = TABLE_GPA / PAGE + w->place[at / PAGE];

		if (n > len)
			n = len;
		if (memcmp(before + at, w->b.r.mem.va + at, n)) {
			++*changed;
			*missing += !(bitmap[bit / 8] & 1 << bit % 8);
		}
		iova += n;
		len -= n;
	}
}

/* The log is about guest memory: what the device wrote by I/O addresses leads back to it. */
static void test_log(void)
{
	size_t size = (TABLE_GPA + MEM_SIZE) / PAGE / 8 + PAGE, i;
	unsigned int missing = 0, changed = 0, marks = 0;
	unsigned char *bitmap, *before;
	struct world w;
	uint64_t base;
	int ret, q;

	if (t_stock()) {
		t_skip("dirty log: of a write to several pages of the ring stock notes the first");
		return;
	}
	bitmap = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	before = malloc(MEM_SIZE);
	t_need(bitmap == MAP_FAILED || !before ? -ENOMEM : 0, "memory");
	base = (uintptr_t)bitmap;
	ret = world_open(&w, EVENT | LOG, 512, true);
	if (!ret)
		ret = ioctl(w.b.r.dev.fd, VHOST_SET_LOG_BASE, &base) ? -errno : 0;
	for (q = 0; q < 2 && !ret; q++)
		ret = set_addr(&w, q, ring_iova(&w, w.b.r.vq[q].used), true);
	if (!ret)
		ret = world_start(&w);
	memcpy(before, w.b.r.mem.va, MEM_SIZE);
	serve_start(&w);
	if (!ret)
		ret = world_run(&w, 500);
	rig_stop(&w.b.r);
	unmarked(&w, bitmap, before, w.b.rx.pool, (size_t)w.b.rx.nslots * w.b.rx.slot_size, &changed,
		 &missing);
	for (q = 0; q < 2; q++)
		unmarked(&w, bitmap, before, ring_iova(&w, w.b.r.vq[q].used),
			 rig_used_size(&w.b.r.vq[q]), &changed, &missing);
	for (i = 0; i < size; i++)
		if (i < TABLE_GPA / PAGE / 8 || i > (TABLE_GPA + MEM_SIZE) / PAGE / 8)
			marks += !!bitmap[i];
	t_ok(!ret && changed && !missing && !marks,
	     "dirty log: %u pages changed, %u of them unmarked, %u marks elsewhere: %s %s", changed,
	     missing, marks, t_err(ret), both_why(&w.b));
	world_close(&w);
	munmap(bitmap, size);
	free(before);
}

int main(void)
{
	test_start(false);
	test_start(true);
	test_traffic(EVENT, 256, "EVENT_IDX");
	test_traffic(0, 1024, "rings of many pages");
	test_traffic(VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR), 64, "header of the device");
	test_many();
	test_invalidates();
	test_stale();
	test_perm();
	test_refused();
	test_batch();
	test_end();
	test_log();
	return t_done();
}

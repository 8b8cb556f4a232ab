// SPDX-License-Identifier: GPL-2.0
/*
 * A driver and a device on two threads, each of which sleeps when it has nothing to do.
 *
 * Both decide "nobody needs waking" and "I may sleep" from words the other writes at that moment: a
 * barrier too few, and sooner or later both sleep. Buffers carry numbers, so that one which is
 * lost, doubled or seen before its content is found, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define VRING_ENV_FAULTS
#include "ring/vring.c"
#include "ring/vring_err.c"
#include "ring/vring_packed.c"
#include "ring/vring_packed_event.c"
#include "ring/vring_split.c"
#include "ring/vring_split_chain.c"
#include "ring/vring_split_event.c"

#define NUM 4
#define BUFFERS 100000U
#define LOST_MS 20000

static struct {
	/* the ring, little endian as this machine must be for this test */
	union {
		struct { u64 addr; u32 len; u16 flags, next; } desc[NUM];
		struct { u64 addr; u32 len; u16 id, flags; } packed[NUM];
	} __attribute__((aligned(16)));
	struct { u16 flags, idx, ring[NUM], used_event; } avail;
	struct { u16 flags, idx; struct { u32 id, len; } ring[NUM]; u16 avail_event; } used;
	u32 driver_event, device_event;	/* packed: place, and flags in the upper half */
	u32 data[NUM];

	bool is_packed;
	bool event_idx;
	int kick, call;
	const char *failure;
} s;

#define rd(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define wr(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELAXED)

static void give_up(const char *why)
{
	__atomic_store_n(&s.failure, why, __ATOMIC_SEQ_CST);
}

static bool failed(void)
{
	return __atomic_load_n(&s.failure, __ATOMIC_SEQ_CST);
}

/* The other thread may run between any two accesses of the engine, and often does. */
static void stumble(void)
{
	static __thread u32 dice = 1;

	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	if (dice % 8 == 0)
		sched_yield();
}

bool vring_env_access(const void *ptr, size_t len, bool write)
{
	(void)ptr;
	(void)len;
	(void)write;
	stumble();
	return false;
}

bool vring_env_begin(const void *ptr, size_t len)
{
	return !vring_env_access(ptr, len, false);
}

void vring_env_end(void)
{
	stumble();
}

static void wake(int fd)
{
	u64 one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		give_up("eventfd");
}

static void sleep_on(int fd, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	u64 count;

	if (poll(&p, 1, LOST_MS) != 1 || read(fd, &count, sizeof(count)) != sizeof(count))
		give_up(what);
}

static void *device(void *arg)
{
	struct vring_engine vr = {
		.num = NUM,
		.packed = s.is_packed,
		.event_idx = s.event_idx,
		.desc = (void *)s.desc,
		.avail = s.is_packed ? (void *)&s.driver_event : (void *)&s.avail,
		.used = s.is_packed ? (void *)&s.device_event : (void *)&s.used,
	};
	u16 start = s.is_packed ? VRING_WRAP : 0;
	struct { u32 nr; struct vring_region region[1]; } mem = {
		1, { { 0, sizeof(s.data), (uintptr_t)s.data, VRING_PERM_RW } }
	};
	struct vring_elem elem[NUM];
	struct iovec iov[NUM];
	struct vring_batch b = { .elem = elem, .iov = iov, .max_iov = NUM };
	struct vring_elem done[NUM];
	u32 seen = 0;
	int n, i;

	(void)arg;
	if (vring_start(&vr, (struct vring_cursor){ start, start }))
		give_up("start");
	while (seen < BUFFERS && !failed()) {
		vring_kicks_off(&vr);
		b.max_elem = 1 + seen % NUM;
		while ((n = vring_pop_batch(&vr, (void *)&mem, &b)) > 0) {
			for (i = 0; i < n; i++) {
				u32 *p = iov[elem[i].iov].iov_base;

				if (*p != seen++)
					give_up("a buffer is lost, doubled or not written yet");
				*p = ~*p;
				done[i] = elem[i];
				done[i].len = sizeof(*p);
			}
			vring_complete_batch(&vr, done, n);
			if (vring_need_notify(&vr))
				wake(s.call);
		}
		if (n < 0)
			give_up("the engine refuses the ring");
		if (seen < BUFFERS && !vring_kicks_on(&vr))
			sleep_on(s.kick, "the device waits for a lost kick");
	}
	return NULL;
}

/* The driver's half of a layout. Buffer number n has id n % NUM. */
struct layout {
	void (*prepare)(void);
	/* Make buffer @n available; the device may see it, or only after publish(). */
	void (*offer)(u32 n);
	/* Buffers from @old to @n are available. Return: does the device want a kick? */
	bool (*publish)(u32 old, u32 n);
	/* Is @n used? Then its id. */
	bool (*is_used)(u32 n, u32 *id);
	/* Shall the device interrupt when @n is used? */
	void (*await)(u32 n, bool on);
};

static void split_prepare(void)
{
	u32 i;

	for (i = 0; i < NUM; i++) {
		s.desc[i].addr = i * sizeof(s.data[0]);
		s.desc[i].len = sizeof(s.data[0]);
		s.desc[i].flags = 2;
	}
}

static void split_offer(u32 n)
{
	wr(s.avail.ring[n % NUM], n % NUM);
}

static bool split_publish(u32 old, u32 n)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
	stumble();
	wr(s.avail.idx, n);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (s.event_idx)
		return (u16)(n - rd(s.used.avail_event) - 1) < (u16)(n - old);
	return old != n && !(rd(s.used.flags) & 1);
}

static bool split_is_used(u32 n, u32 *id)
{
	if ((u16)n == rd(s.used.idx))
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	*id = rd(s.used.ring[n % NUM].id);
	return true;
}

static void split_await(u32 n, bool on)
{
	wr(s.avail.flags, !on);
	wr(s.avail.used_event, n);
}

static const struct layout split = {
	split_prepare, split_offer, split_publish, split_is_used, split_await
};

/* The wrap counter in the lap of buffer @n */
static u32 lap(u32 n)
{
	return !(n / NUM % 2);
}

static void packed_prepare(void)
{
}

static void packed_offer(u32 n)
{
	u32 i = n % NUM;

	s.packed[i].addr = i * sizeof(s.data[0]);
	s.packed[i].len = sizeof(s.data[0]);
	s.packed[i].id = i;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	stumble();
	wr(s.packed[i].flags, (lap(n) ? 0x80 : 0x8000) | 2);
}

static bool packed_publish(u32 old, u32 n)
{
	u32 event, place;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = rd(s.device_event);
	if (old == n || event >> 16 != 2)
		return old != n && event >> 16 == 0;
	/* Within the last two laps, counted as buffers are */
	place = n - n % NUM + (event & 0x7fff);
	if ((event >> 15 & 1) != lap(n))
		place -= NUM;
	return n - place - 1 < n - old;
}

static bool packed_is_used(u32 n, u32 *id)
{
	u16 flags = rd(s.packed[n % NUM].flags);

	if ((flags & 0x8080) != (lap(n) ? 0x8080 : 0))
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	*id = rd(s.packed[n % NUM].id);
	return true;
}

static void packed_await(u32 n, bool on)
{
	u32 flags = on ? s.event_idx ? 2 : 0 : 1;

	wr(s.driver_event, flags << 16 | lap(n) << 15 | n % NUM);
}

static const struct layout packed = {
	packed_prepare, packed_offer, packed_publish, packed_is_used, packed_await
};

static void *driver(void *arg)
{
	const struct layout *l = arg;
	u32 offered = 0, taken = 0, old, i;

	l->prepare();
	while (taken < BUFFERS && !failed()) {
		old = offered;
		for (i = offered % 5; offered < BUFFERS && offered - taken < NUM; i--) {
			s.data[offered % NUM] = offered;
			l->offer(offered++);
			if (!i)
				break;
		}
		if (l->publish(old, offered))
			wake(s.kick);

		for (;;) {
			while (taken != offered && l->is_used(taken, &i)) {
				if (i != taken % NUM || s.data[i] != ~taken)
					give_up("a completion is lost, doubled or not written yet");
				taken++;
			}
			if (offered - taken < NUM && offered < BUFFERS)
				break;
			if (taken == BUFFERS || failed())
				break;
			/* full: sleep until the next completion */
			l->await(taken, true);
			stumble();
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			if (!l->is_used(taken, &i))
				sleep_on(s.call, "the driver waits for a lost interrupt");
			l->await(taken, false);
		}
	}
	return NULL;
}

static void run(bool is_packed, bool event_idx)
{
	const struct layout *l = is_packed ? &packed : &split;
	pthread_t a, b;

	memset(&s, 0, sizeof(s));
	s.is_packed = is_packed;
	s.event_idx = event_idx;
	s.kick = eventfd(0, 0);
	s.call = eventfd(0, 0);
	assert_int_equal(pthread_create(&a, NULL, device, NULL), 0);
	assert_int_equal(pthread_create(&b, NULL, driver, (void *)l), 0);
	pthread_join(b, NULL);
	pthread_join(a, NULL);
	close(s.kick);
	close(s.call);
	if (s.failure)
		fail_msg("%s", s.failure);
}

static void test_flags(void **state)
{
	(void)state;
	run(false, false);
}

static void test_event_idx(void **state)
{
	(void)state;
	run(false, true);
}

static void test_packed_flags(void **state)
{
	(void)state;
	run(true, false);
}

static void test_packed_event_idx(void **state)
{
	(void)state;
	run(true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_event_idx),
		cmocka_unit_test(test_packed_flags),
		cmocka_unit_test(test_packed_event_idx),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

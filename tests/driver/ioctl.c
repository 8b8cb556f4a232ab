// SPDX-License-Identifier: GPL-2.0
/*
 * Every vhost-net ioctl in the right and the wrong order, with good and bad arguments: prints the
 * errno of each. The stock module's output is the reference (tests/lab/t/driver-ioctl.sh).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/vhost_shunt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dtest.h"

#define KERNEL_ADDR	0xffff888000000000ULL
#define NONCANONICAL	0x0000800000000000ULL

static struct vdrv_mem mem;
static struct vdrv_tap tap, tap2;
static int dev;
static int evt, evt2;

static int io(unsigned long req, const void *arg)
{
	return ioctl(dev, req, arg) ? -errno : 0;
}

static void show(const char *group, const char *what, int ret)
{
	char name[160];

	snprintf(name, sizeof(name), "%s/%s", group, what);
	t_case(name, "%s", t_err(ret));
}

static void reopen(void)
{
	if (dev >= 0)
		close(dev);
	dev = open(DTEST_DEVICE, O_RDWR | O_CLOEXEC);
	t_need(dev < 0 ? -errno : 0, DTEST_DEVICE);
}

static int set_owner(void)
{
	return io(VHOST_SET_OWNER, NULL);
}

static int state(unsigned long req, unsigned int index, unsigned int num)
{
	struct vhost_vring_state s = { .index = index, .num = num };

	return io(req, &s);
}

static int file(unsigned long req, unsigned int index, int fd)
{
	struct vhost_vring_file f = { .index = index, .fd = fd };

	return io(req, &f);
}

static int addr(unsigned int index, unsigned int flags, uint64_t desc, uint64_t avail,
		uint64_t used, uint64_t log)
{
	struct vhost_vring_addr a = {
		.index = index, .flags = flags, .desc_user_addr = desc,
		.avail_user_addr = avail, .used_user_addr = used, .log_guest_addr = log,
	};

	return io(VHOST_SET_VRING_ADDR, &a);
}

static int features(uint64_t f)
{
	return io(VHOST_SET_FEATURES, &f);
}

static uint64_t ring_va(unsigned int index)
{
	return (uintptr_t)mem.va + index * 0x10000;
}

static int addr_good(unsigned int index)
{
	uint64_t va = ring_va(index);

	return addr(index, 0, va, va + 0x4000, va + 0x8000, 0);
}

static int regions(const struct vhost_memory_region *r, unsigned int n)
{
	struct vdrv_dev d = { .fd = dev };

	return vdrv_dev_set_regions(&d, r, n);
}

static int mem_good(void)
{
	struct vhost_memory_region r = {
		.guest_phys_addr = mem.gpa, .memory_size = mem.size,
		.userspace_addr = (uintptr_t)mem.va,
	};

	return regions(&r, 1);
}

/* A device with owner, memory and rings; the caller adds the backend. */
static void ready(void)
{
	int i, ret;

	reopen();
	memset(mem.va, 0, 0x20000);
	ret = set_owner();
	if (!ret)
		ret = features(RIG_FEATURES);
	if (!ret)
		ret = mem_good();
	for (i = 0; i < 2 && !ret; i++) {
		ret = state(VHOST_SET_VRING_NUM, i, 256);
		if (!ret)
			ret = addr_good(i);
		if (!ret)
			ret = file(VHOST_SET_VRING_KICK, i, evt);
		if (!ret)
			ret = file(VHOST_SET_VRING_CALL, i, evt2);
	}
	t_need(ret, "set-up of a device");
}

static const struct {
	const char *name;
	unsigned long req;
	bool vring;
} requests[] = {
	{ "GET_FEATURES", VHOST_GET_FEATURES, false },
	{ "SET_FEATURES", VHOST_SET_FEATURES, false },
	{ "RESET_OWNER", VHOST_RESET_OWNER, false },
	{ "SET_MEM_TABLE", VHOST_SET_MEM_TABLE, false },
	{ "SET_LOG_BASE", VHOST_SET_LOG_BASE, false },
	{ "SET_LOG_FD", VHOST_SET_LOG_FD, false },
	{ "SET_VRING_NUM", VHOST_SET_VRING_NUM, true },
	{ "SET_VRING_ADDR", VHOST_SET_VRING_ADDR, true },
	{ "SET_VRING_BASE", VHOST_SET_VRING_BASE, true },
	{ "GET_VRING_BASE", VHOST_GET_VRING_BASE, true },
	{ "SET_VRING_ENDIAN", VHOST_SET_VRING_ENDIAN, true },
	{ "GET_VRING_ENDIAN", VHOST_GET_VRING_ENDIAN, true },
	{ "SET_VRING_KICK", VHOST_SET_VRING_KICK, true },
	{ "SET_VRING_CALL", VHOST_SET_VRING_CALL, true },
	{ "SET_VRING_ERR", VHOST_SET_VRING_ERR, true },
	{ "SET_VRING_BUSYLOOP_TIMEOUT", VHOST_SET_VRING_BUSYLOOP_TIMEOUT, true },
	{ "GET_VRING_BUSYLOOP_TIMEOUT", VHOST_GET_VRING_BUSYLOOP_TIMEOUT, true },
	{ "SET_BACKEND_FEATURES", VHOST_SET_BACKEND_FEATURES, false },
	{ "GET_BACKEND_FEATURES", VHOST_GET_BACKEND_FEATURES, false },
	{ "NET_SET_BACKEND", VHOST_NET_SET_BACKEND, true },
	{ "NEW_WORKER", VHOST_NEW_WORKER, false },
	{ "FREE_WORKER", VHOST_FREE_WORKER, false },
	{ "ATTACH_VRING_WORKER", VHOST_ATTACH_VRING_WORKER, true },
	{ "GET_VRING_WORKER", VHOST_GET_VRING_WORKER, true },
	{ "SET_FORK_FROM_OWNER", VHOST_SET_FORK_FROM_OWNER, false },
	{ "GET_FORK_FROM_OWNER", VHOST_GET_FORK_FROM_OWNER, false },
	{ "GET_FEATURES_ARRAY", VHOST_GET_FEATURES_ARRAY, false },
	{ "SET_FEATURES_ARRAY", VHOST_SET_FEATURES_ARRAY, false },
	{ "SCSI_SET_ENDPOINT", VHOST_SCSI_SET_ENDPOINT, false },
	{ "VSOCK_SET_GUEST_CID", VHOST_VSOCK_SET_GUEST_CID, false },
	{ "unknown", _IOW(VHOST_VIRTIO, 0xee, int), false },
	{ "other_type", _IOW('x', 0x10, int), true },
};

/* Bit by bit, as each bit that is missing or new wants its own reason. */
static void test_features(void)
{
	char name[40];
	uint64_t f = 0, b = 0;
	unsigned int i;

	reopen();
	t_need(io(VHOST_GET_FEATURES, &f), "GET_FEATURES");
	for (i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "feature/%u", i);
		t_case(name, "%d", !!(f & VDRV_BIT(i)));
	}
	show("backend_features", "get", io(VHOST_GET_BACKEND_FEATURES, &b));
	t_case("backend_features/bits", "%#llx", (unsigned long long)b);
	for (i = 0; i < 64; i++) {
		if (f & VDRV_BIT(i))
			continue;
		snprintf(name, sizeof(name), "refuse_%u", i);
		show("feature", name, features(VDRV_BIT(i)));
	}
	show("set_features", "none", features(0));
	show("set_features", "usual", features(RIG_FEATURES));
	show("set_features", "all_ones", features(~0ULL));
	b = 0;
	show("backend_features", "set_none", io(VHOST_SET_BACKEND_FEATURES, &b));
	b = VDRV_BIT(1);
	show("backend_features", "set_1", io(VHOST_SET_BACKEND_FEATURES, &b));
	b = VDRV_BIT(63);
	show("backend_features", "set_63", io(VHOST_SET_BACKEND_FEATURES, &b));
}

/* Requests whose argument is all zeroes, on a device without an owner and on one with. */
static void test_order(void)
{
	unsigned char arg[256];
	unsigned int i;

	reopen();
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		memset(arg, 0, sizeof(arg));
		show("no_owner", requests[i].name, io(requests[i].req, arg));
	}
	reopen();
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		set_owner();	/* again after RESET_OWNER */
		memset(arg, 0, sizeof(arg));
		show("owner_zero", requests[i].name, io(requests[i].req, arg));
	}
}

static void test_pointers(void)
{
	unsigned char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int i;
	char name[80];

	t_need(edge == MAP_FAILED ? -errno : 0, "mmap");
	munmap(edge + 4096, 4096);
	reopen();
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		set_owner();	/* again after RESET_OWNER */
		show("null", requests[i].name, io(requests[i].req, NULL));
		snprintf(name, sizeof(name), "%s", requests[i].name);
		show("kernel_address", name, io(requests[i].req, (void *)KERNEL_ADDR));
		/* Two bytes are there: less than any argument but the one-byte ones. */
		if (_IOC_SIZE(requests[i].req) > 2)
			show("half_mapped", name, io(requests[i].req, edge + 4094));
	}
	munmap(edge, 4096);
}

static void test_owner(void)
{
	uint64_t f = 0;
	pid_t pid;
	int st;

	reopen();
	show("owner", "set", set_owner());
	show("owner", "set_twice", set_owner());
	show("owner", "reset", io(VHOST_RESET_OWNER, NULL));
	show("owner", "reset_twice", io(VHOST_RESET_OWNER, NULL));
	show("owner", "after_reset", mem_good());
	show("owner", "set_again", set_owner());
	show("owner", "mem_again", mem_good());

	fflush(stdout);
	pid = fork();
	if (!pid) {
		show("other_process", "GET_FEATURES", io(VHOST_GET_FEATURES, &f));
		show("other_process", "SET_FEATURES", features(0));
		show("other_process", "SET_OWNER", set_owner());
		show("other_process", "RESET_OWNER", io(VHOST_RESET_OWNER, NULL));
		show("other_process", "SET_MEM_TABLE", mem_good());
		show("other_process", "SET_VRING_NUM", state(VHOST_SET_VRING_NUM, 0, 256));
		show("other_process", "GET_VRING_BASE", state(VHOST_GET_VRING_BASE, 0, 0));
		show("other_process", "SET_VRING_KICK", file(VHOST_SET_VRING_KICK, 0, evt));
		show("other_process", "NET_SET_BACKEND", file(VHOST_NET_SET_BACKEND, 0, -1));
		_exit(0);
	}
	waitpid(pid, &st, 0);

	/* A device opened here and owned by a child that ends: still the child's. */
	reopen();
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(set_owner() != 0);
	waitpid(pid, &st, 0);
	t_case("owner_gone/child", "%d", WEXITSTATUS(st));
	show("owner_gone", "SET_OWNER", set_owner());
	show("owner_gone", "SET_MEM_TABLE", mem_good());
	show("owner_gone", "RESET_OWNER", io(VHOST_RESET_OWNER, NULL));
}

static void test_index(void)
{
	static const unsigned int bad[] = { 2, 3, 255, 0x7fffffff, 0xffffffff };
	unsigned char arg[256];
	unsigned int i, j;
	char name[80];

	reopen();
	t_need(set_owner(), "SET_OWNER");
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		if (!requests[i].vring)
			continue;
		for (j = 0; j < ARRAY_SIZE(bad); j++) {
			memset(arg, 0, sizeof(arg));
			memcpy(arg, &bad[j], sizeof(bad[j]));
			snprintf(name, sizeof(name), "%s_%u", requests[i].name, bad[j]);
			show("index", name, io(requests[i].req, arg));
		}
	}
}

static void show_base(const char *name, unsigned int index)
{
	struct vhost_vring_state s = { .index = index, .num = 77777 };
	int ret = io(VHOST_GET_VRING_BASE, &s);

	t_case(name, "%s %u", t_err(ret), s.num);
}

static void test_num_base(void)
{
	static const unsigned int nums[] = { 0, 1, 2, 3, 256, 257, 1000, 1024, 32768, 65535, 65536,
					     0x80000000, 0xffffffff };
	static const unsigned int bases[] = { 0, 1, 255, 65535, 65536, 0x80000000, 0xffffffff };
	unsigned int i;
	char name[40];

	reopen();
	t_need(set_owner(), "SET_OWNER");
	for (i = 0; i < ARRAY_SIZE(nums); i++) {
		snprintf(name, sizeof(name), "%u", nums[i]);
		show("num", name, state(VHOST_SET_VRING_NUM, 0, nums[i]));
	}
	show_base("base/fresh", 0);
	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		snprintf(name, sizeof(name), "set_%u", bases[i]);
		show("base", name, state(VHOST_SET_VRING_BASE, 1, bases[i]));
		snprintf(name, sizeof(name), "base/get_after_%u", bases[i]);
		show_base(name, 1);
	}
	show("base", "other_queue", state(VHOST_SET_VRING_BASE, 0, 7));
	show("base", "reset", io(VHOST_RESET_OWNER, NULL));
	t_need(set_owner(), "SET_OWNER");
	show_base("base/after_reset", 0);
}

static void test_addr(void)
{
	uint64_t va = ring_va(0), a = va + 0x4000, u = va + 0x8000;

	reopen();
	t_need(set_owner(), "SET_OWNER");
	show("addr", "good", addr(0, 0, va, a, u, 0));
	show("addr", "no_memory_table_needed", addr(1, 0, va, a, u, 0));
	show("addr", "desc_plus_1", addr(0, 0, va + 1, a, u, 0));
	show("addr", "desc_plus_8", addr(0, 0, va + 8, a, u, 0));
	show("addr", "avail_plus_1", addr(0, 0, va, a + 1, u, 0));
	show("addr", "avail_plus_2", addr(0, 0, va, a + 2, u, 0));
	show("addr", "used_plus_1", addr(0, 0, va, a, u + 1, 0));
	show("addr", "used_plus_2", addr(0, 0, va, a, u + 2, 0));
	show("addr", "used_plus_4", addr(0, 0, va, a, u + 4, 0));
	show("addr", "log_plus_2", addr(0, 1, va, a, u, 2));
	show("addr", "log_plus_4", addr(0, 1, va, a, u, 4));
	show("addr", "log_flag", addr(0, 1, va, a, u, 0));
	show("addr", "flag_2", addr(0, 2, va, a, u, 0));
	show("addr", "flags_all", addr(0, ~0u, va, a, u, 0));
	show("addr", "zero", addr(0, 0, 0, 0, 0, 0));
	show("addr", "kernel_desc", addr(0, 0, KERNEL_ADDR, a, u, 0));
	show("addr", "kernel_avail", addr(0, 0, va, KERNEL_ADDR, u, 0));
	show("addr", "kernel_used", addr(0, 0, va, a, KERNEL_ADDR, 0));
	show("addr", "noncanonical", addr(0, 0, NONCANONICAL, a, u, 0));
	show("addr", "top", addr(0, 0, ~0ULL & ~15, ~1ULL, ~3ULL, 0));
	show("addr", "same", addr(0, 0, va, va, va, 0));
}

static void test_fds(void)
{
	static const struct {
		const char *name;
		unsigned long req;
	} fds[] = {
		{ "kick", VHOST_SET_VRING_KICK },
		{ "call", VHOST_SET_VRING_CALL },
		{ "err", VHOST_SET_VRING_ERR },
	};
	int sem = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC), p[2], gone;
	unsigned int i;

	t_need(pipe(p) ? -errno : 0, "pipe");
	gone = dup(p[0]);
	close(gone);
	reopen();
	t_need(set_owner(), "SET_OWNER");
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		show(fds[i].name, "none_yet", file(fds[i].req, 0, -1));
		show(fds[i].name, "eventfd", file(fds[i].req, 0, evt));
		show(fds[i].name, "same_again", file(fds[i].req, 0, evt));
		show(fds[i].name, "another", file(fds[i].req, 0, evt2));
		show(fds[i].name, "semaphore", file(fds[i].req, 0, sem));
		show(fds[i].name, "closed", file(fds[i].req, 0, gone));
		show(fds[i].name, "huge", file(fds[i].req, 0, 1 << 30));
		show(fds[i].name, "minus_2", file(fds[i].req, 0, -2));
		show(fds[i].name, "pipe", file(fds[i].req, 0, p[0]));
		show(fds[i].name, "tap", file(fds[i].req, 0, tap.fd));
		show(fds[i].name, "device_itself", file(fds[i].req, 0, dev));
		show(fds[i].name, "unbind", file(fds[i].req, 0, -1));
		show(fds[i].name, "unbind_twice", file(fds[i].req, 0, -1));
		show(fds[i].name, "both_queues", file(fds[i].req, 1, evt));
	}
	show("log_fd", "eventfd", io(VHOST_SET_LOG_FD, &evt));
	show("log_fd", "pipe", io(VHOST_SET_LOG_FD, &p[0]));
	show("log_fd", "closed", io(VHOST_SET_LOG_FD, &gone));
	i = -1;
	show("log_fd", "unbind", io(VHOST_SET_LOG_FD, &i));
	close(sem);
	close(p[0]);
	close(p[1]);
}

static void test_memory(void)
{
	uint64_t va = (uintptr_t)mem.va, page = 0x1000;
	struct vhost_memory_region r[70];
	struct vhost_memory *t;
	unsigned char *edge;
	unsigned int i;

	reopen();
	t_need(set_owner(), "SET_OWNER");
	show("mem", "good", mem_good());
	show("mem", "none", regions(r, 0));
	for (i = 0; i < ARRAY_SIZE(r); i++)
		r[i] = (struct vhost_memory_region){ .guest_phys_addr = i * page,
			.memory_size = page, .userspace_addr = va + i * page };
	show("mem", "regions_64", regions(r, 64));
	show("mem", "regions_65", regions(r, 65));
	show("mem", "regions_70", regions(r, 70));

	t = calloc(1, sizeof(*t) + sizeof(r));
	t_need(t ? 0 : -ENOMEM, "memory");
	t->nregions = 0xffffffff;
	show("mem", "regions_max", io(VHOST_SET_MEM_TABLE, t));
	t->nregions = 1;
	t->padding = 1;
	memcpy(t->regions, r, sizeof(r[0]));
	show("mem", "padding", io(VHOST_SET_MEM_TABLE, t));
	t->padding = 0;
	t->regions[0].flags_padding = ~0ULL;
	show("mem", "region_padding", io(VHOST_SET_MEM_TABLE, t));
	free(t);

	edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	t_need(edge == MAP_FAILED ? -errno : 0, "mmap");
	munmap(edge + 4096, 4096);
	t = (void *)(edge + 4096 - sizeof(*t));
	memset(t, 0, sizeof(*t));
	t->nregions = 1;
	show("mem", "table_cut", io(VHOST_SET_MEM_TABLE, t));
	munmap(edge, 4096);

	/* One region each, base: one good page. */
#define ONE(name, gpa, size, uaddr) do {						\
		struct vhost_memory_region one = { gpa, size, uaddr, 0 };		\
		show("mem", name, regions(&one, 1));					\
	} while (0)
	ONE("one_page", 0, page, va);
	ONE("one_byte", 5, 1, va + 3);
	ONE("size_0", page, 0, va);
	ONE("size_0_at_0", 0, 0, va);
	ONE("gpa_wraps", ~0ULL - page + 2, page, va);
	ONE("gpa_to_the_end", ~0ULL - page + 1, page, va);
	ONE("size_max", 0, ~0ULL, va);
	ONE("size_max_at_1", 1, ~0ULL, va);
	ONE("uaddr_0", 0, page, 0);
	ONE("uaddr_wraps", 0, page, ~0ULL - 10);
	ONE("uaddr_kernel", 0, page, KERNEL_ADDR);
	ONE("uaddr_noncanonical", 0, page, NONCANONICAL);
	ONE("uaddr_into_kernel", 0, NONCANONICAL, va);
	ONE("uaddr_unmapped", 0, page, 0x1000);
#undef ONE
	r[0] = (struct vhost_memory_region){ 0, 2 * page, va, 0 };
	r[1] = (struct vhost_memory_region){ page, 2 * page, va, 0 };
	show("mem", "overlap", regions(r, 2));
	r[1] = r[0];
	show("mem", "twice_the_same", regions(r, 2));
	r[1].guest_phys_addr = 10 * page;
	show("mem", "same_uaddr_twice", regions(r, 2));
	r[0].guest_phys_addr = 20 * page;
	show("mem", "not_sorted", regions(r, 2));
	show("mem", "good_again", mem_good());
}

static void backend(const char *name, int index, int fd)
{
	show("backend", name, file(VHOST_NET_SET_BACKEND, index, fd));
}

/* What a backend may be. */
static void test_backend_fds(void)
{
	int udp = socket(AF_INET, SOCK_DGRAM, 0), raw = socket(AF_PACKET, SOCK_RAW, 0);
	int cooked = socket(AF_PACKET, SOCK_DGRAM, 0), bare = open("/dev/net/tun", O_RDWR);
	int p[2], closed;

	t_need(pipe(p) ? -errno : 0, "pipe");
	closed = dup(p[0]);
	close(closed);
	ready();
	backend("none_to_clear", 0, -1);
	backend("closed", 0, closed);
	backend("minus_2", 0, -2);
	backend("pipe", 0, p[0]);
	backend("eventfd", 0, evt);
	backend("device_itself", 0, dev);
	backend("memfd", 0, mem.fd);
	backend("udp", 0, udp);
	backend("packet_dgram", 0, cooked);
	backend("packet_raw", 0, raw);
	backend("tap", 0, tap.fd);
	backend("tap_again", 0, tap.fd);
	backend("other_tap", 0, tap2.fd);
	backend("bad_keeps_old", 0, evt);
	backend("clear", 0, -1);
	backend("clear_twice", 0, -1);
	backend("tx_tap", 1, tap.fd);
	backend("rx_other_tap", 0, tap2.fd);
	backend("tun_without_interface", 0, bare);
	close(udp);
	close(raw);
	close(cooked);
	close(bare);
	close(p[0]);
	close(p[1]);
}

/* What a backend needs to be there already. */
static void test_backend_needs(void)
{
	struct vhost_memory_region bad = { 0, 0x1000, KERNEL_ADDR, 0 };
	uint64_t va = ring_va(0);

	reopen();
	backend("no_owner", 0, tap.fd);
	t_need(set_owner(), "SET_OWNER");
	backend("nothing", 0, tap.fd);
	t_need(mem_good(), "SET_MEM_TABLE");
	backend("no_ring", 0, tap.fd);
	t_need(state(VHOST_SET_VRING_NUM, 0, 256), "SET_VRING_NUM");
	backend("no_addr", 0, tap.fd);
	t_need(addr_good(0), "SET_VRING_ADDR");
	backend("no_kick", 0, tap.fd);
	backend("no_kick_clear", 0, -1);

	ready();
	show("backend_needs", "kernel_used_addr", addr(0, 0, va, va + 0x4000, KERNEL_ADDR, 0));
	backend("kernel_used", 0, tap.fd);
	addr(0, 0, KERNEL_ADDR, va + 0x4000, va + 0x8000, 0);
	backend("kernel_desc", 0, tap.fd);
	addr(0, 0, va, KERNEL_ADDR, va + 0x8000, 0);
	backend("kernel_avail", 0, tap.fd);
	addr(0, 0, va, va + 0x4000, 0x1000, 0);
	backend("unmapped_used", 0, tap.fd);
	addr(0, 0, va, 0x1000, va + 0x8000, 0);
	backend("unmapped_avail", 0, tap.fd);
	file(VHOST_NET_SET_BACKEND, 0, -1);
	addr_good(0);
	backend("good_after_bad", 0, tap.fd);

	ready();
	regions(&bad, 1);
	backend("kernel_memory", 0, tap.fd);
	reopen();
	set_owner();
	features(RIG_FEATURES);
	state(VHOST_SET_VRING_NUM, 0, 256);
	addr_good(0);
	backend("no_memory_table", 0, tap.fd);
}

/* What may change while a backend is there. */
static void test_running(void)
{
	struct vhost_memory_region bad = { 0, 0x1000, KERNEL_ADDR, 0 };
	struct vhost_memory_region half = { mem.gpa, 0x1000, (uintptr_t)mem.va, 0 };
	struct vhost_vring_state s = { .index = 1 };
	uint64_t va = ring_va(1);

	ready();
	t_need(file(VHOST_NET_SET_BACKEND, 0, tap.fd), "SET_BACKEND");
	t_need(file(VHOST_NET_SET_BACKEND, 1, tap.fd), "SET_BACKEND");
	show("running", "num", state(VHOST_SET_VRING_NUM, 1, 128));
	show("running", "num_same", state(VHOST_SET_VRING_NUM, 1, 256));
	show("running", "num_bad", state(VHOST_SET_VRING_NUM, 1, 3));
	show("running", "base", state(VHOST_SET_VRING_BASE, 1, 0));
	show("running", "get_base", io(VHOST_GET_VRING_BASE, &s));
	show("running", "addr", addr_good(1));
	show("running", "addr_kernel_desc", addr(1, 0, KERNEL_ADDR, va + 0x4000, va + 0x8000, 0));
	show("running", "addr_kernel_avail", addr(1, 0, va, KERNEL_ADDR, va + 0x8000, 0));
	show("running", "addr_kernel_used", addr(1, 0, va, va + 0x4000, KERNEL_ADDR, 0));
	show("running", "addr_misaligned", addr(1, 0, va, va + 0x4001, va + 0x8000, 0));
	show("running", "features", features(RIG_FEATURES));
	show("running", "features_less", features(VDRV_BIT(VIRTIO_F_VERSION_1)));
	show("running", "features_unknown", features(VDRV_BIT(63)));
	show("running", "mem", mem_good());
	show("running", "mem_smaller", regions(&half, 1));
	show("running", "mem_none", regions(&half, 0));
	show("running", "mem_kernel", regions(&bad, 1));
	show("running", "kick_same", file(VHOST_SET_VRING_KICK, 1, evt));
	show("running", "kick_other", file(VHOST_SET_VRING_KICK, 1, evt2));
	show("running", "kick_none", file(VHOST_SET_VRING_KICK, 1, -1));
	show("running", "call_none", file(VHOST_SET_VRING_CALL, 1, -1));
	show("running", "err", file(VHOST_SET_VRING_ERR, 1, evt));
	show("running", "busyloop", state(VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 1, 10));
	show("running", "set_owner", set_owner());
	show("running", "reset_owner", io(VHOST_RESET_OWNER, NULL));
	show("running", "after_reset_clear", file(VHOST_NET_SET_BACKEND, 1, -1));
	show("running", "owner_again", set_owner());
	show("running", "num_after_reset", state(VHOST_SET_VRING_NUM, 1, 128));
}

static int log_base(uint64_t base)
{
	return io(VHOST_SET_LOG_BASE, &base);
}

/* Where the log would leave user space decides whether a queue may run. */
static void test_log(void)
{
	uint64_t log = RIG_FEATURES | VDRV_BIT(VHOST_F_LOG_ALL), top = ~0ULL << 13;
	uint64_t va = ring_va(1), good = (uintptr_t)mem.va + (512 << 10), far = 1ULL << 62;

	ready();
	show("log", "base_kernel", log_base(KERNEL_ADDR));
	show("log", "features", features(log));
	show("log", "start_kernel", file(VHOST_NET_SET_BACKEND, 1, tap.fd));
	show("log", "base_top", log_base(top));
	show("log", "start_top", file(VHOST_NET_SET_BACKEND, 1, tap.fd));
	show("log", "base_zero", log_base(0));
	show("log", "start_zero", file(VHOST_NET_SET_BACKEND, 1, tap.fd));
	show("log", "running_base", log_base(good));
	show("log", "running_base_kernel", log_base(KERNEL_ADDR));
	show("log", "running_base_top", log_base(top));
	show("log", "running_features", features(log));
	show("log", "running_features_off", features(RIG_FEATURES));
	show("log", "running_off_base_kernel", log_base(KERNEL_ADDR));
	show("log", "running_features_on", features(log));
	show("log", "running_off_base", log_base(good));
	show("log", "running_features_on_again", features(log));
	show("log", "running_addr", addr(1, 1, va, va + 0x4000, va + 0x8000, mem.gpa));
	show("log", "running_addr_far", addr(1, 1, va, va + 0x4000, va + 0x8000, far));
	show("log", "running_addr_far_off", addr(1, 0, va, va + 0x4000, va + 0x8000, far));
	show("log", "running_mem", mem_good());
	show("log", "clear", file(VHOST_NET_SET_BACKEND, 1, -1));

	ready();
	show("log", "addr_far", addr(1, 1, va, va + 0x4000, va + 0x8000, far));
	show("log", "start_addr_far", file(VHOST_NET_SET_BACKEND, 1, tap.fd));
	ready();
	show("log", "addr_end", addr(1, 1, va, va + 0x4000, va + 0x8000, ~3ULL));
	show("log", "start_addr_end", file(VHOST_NET_SET_BACKEND, 1, tap.fd));
	reopen();
	show("log", "no_owner_base", log_base(good));
	show("log", "features_no_memory", features(log));
}

static int put(const void *buf, size_t len)
{
	ssize_t n = write(dev, buf, len);

	return n < 0 ? -errno : (int)n;
}

static int get(void *buf, size_t len)
{
	ssize_t n = read(dev, buf, len);

	return n < 0 ? -errno : (int)n;
}

static int iotlb(uint32_t format, uint8_t type, uint64_t iova, uint64_t size, uint64_t uaddr)
{
	struct vhost_msg_v2 m = { .type = format };

	m.iotlb = (struct vhost_iotlb_msg){
		.iova = iova, .size = size, .uaddr = uaddr, .type = type, .perm = VHOST_ACCESS_RW,
	};
	return put(&m, sizeof(m));
}

static int backend_features(uint64_t f)
{
	return io(VHOST_SET_BACKEND_FEATURES, &f);
}

/* Messages about I/O translations; what they do is in iotlb.c. */
static void test_iotlb(void)
{
	static const size_t lens[] = { 0, 3, 4, 8, 39, 40, 71, 72, 73, 128 };
	uint64_t va = (uintptr_t)mem.va, page = 0x1000;
	union {
		struct vhost_msg_v2 m;
		unsigned char bytes[128];
	} u = { .m = { .type = VHOST_IOTLB_MSG_V2 } };
	unsigned int i;
	char name[40];

	reopen();
	fcntl(dev, F_SETFL, O_NONBLOCK);
	show("iotlb", "no_owner_features", features(RIG_FEATURES));
	show("iotlb", "no_owner_backend_features", backend_features(2));
	show("iotlb", "no_owner_update", iotlb(2, VHOST_IOTLB_UPDATE, 0, page, va));
	ready();
	fcntl(dev, F_SETFL, O_NONBLOCK);
	show("iotlb", "none_update", iotlb(1, VHOST_IOTLB_UPDATE, 0, page, va));
	show("iotlb", "none_invalidate", iotlb(1, VHOST_IOTLB_INVALIDATE, 0, page, 0));
	show("iotlb", "none_size_0", iotlb(1, VHOST_IOTLB_UPDATE, 0, 0, va));
	show("iotlb", "on", features(RIG_FEATURES | VDRV_BIT(VIRTIO_F_ACCESS_PLATFORM)));
	for (i = 0; i <= 3; i++) {
		snprintf(name, sizeof(name), "format_%u", i);
		show("iotlb", name, iotlb(i, VHOST_IOTLB_UPDATE, 0, page, va));
	}
	show("iotlb", "format_max", iotlb(~0u, VHOST_IOTLB_UPDATE, 0, page, va));
	for (i = 0; i <= 8; i++) {
		snprintf(name, sizeof(name), "type_%u", i);
		show("iotlb", name, iotlb(2, i, 0, page, va));
	}
	show("iotlb", "type_255", iotlb(2, 255, 0, page, va));
	u.m.iotlb = (struct vhost_iotlb_msg){ .size = page, .uaddr = va, .type = VHOST_IOTLB_UPDATE };
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		snprintf(name, sizeof(name), "write_%zu", lens[i]);
		show("iotlb", name, put(&u, lens[i]));
	}
	show("iotlb", "write_pointer", put((void *)KERNEL_ADDR, sizeof(u.m)));
	for (i = 0; i < 2; i++) {
		const char *what = i ? "invalidate" : "update";
		uint8_t type = i ? VHOST_IOTLB_INVALIDATE : VHOST_IOTLB_UPDATE;

#define SHOW(how, iova, size, uaddr) do {						\
		snprintf(name, sizeof(name), "%s_%s", what, how);			\
		show("iotlb", name, iotlb(2, type, iova, size, uaddr));			\
	} while (0)
		SHOW("byte", 5, 1, va + 3);
		SHOW("size_0", 0, 0, va);
		SHOW("size_0_at_1", page, 0, va);
		SHOW("same_again", 0, page, va);
		SHOW("overlap", page / 2, page, va);
		SHOW("within", 16, 16, va);
		SHOW("to_the_end", -page, page, va);
		SHOW("wraps", -page, page + 1, va);
		SHOW("size_max", 0, ~0ULL, 0);
		SHOW("uaddr_kernel", 0, page, KERNEL_ADDR);
		SHOW("uaddr_wraps", 0, page, ~0ULL);
		SHOW("unmapped", 1ULL << 40, page, 0x1000);
#undef SHOW
	}
	show("iotlb", "backend_features_none", backend_features(0));
	show("iotlb", "batch_unasked", iotlb(2, VHOST_IOTLB_BATCH_BEGIN, 0, 0, 0));
	show("iotlb", "start", file(VHOST_NET_SET_BACKEND, 1, tap.fd));
	show("iotlb", "addr", addr_good(1));
	show("iotlb", "start_unmapped", file(VHOST_NET_SET_BACKEND, 1, tap.fd));
	show("iotlb", "read", get(u.bytes, sizeof(u.bytes)));
	show("iotlb", "on_again", features(RIG_FEATURES | VDRV_BIT(VIRTIO_F_ACCESS_PLATFORM)));
	show("iotlb", "map_all", iotlb(2, VHOST_IOTLB_UPDATE, va, mem.size, va));
	show("iotlb", "start_mapped", file(VHOST_NET_SET_BACKEND, 1, tap.fd));
	show("iotlb", "running_addr_kernel", addr(1, 1, KERNEL_ADDR, KERNEL_ADDR, KERNEL_ADDR, 0));
	show("iotlb", "running_addr", addr_good(1));
	show("iotlb", "clear", file(VHOST_NET_SET_BACKEND, 1, -1));
	show("iotlb", "read_0", get(u.bytes, 0));
	show("iotlb", "read_71", get(u.bytes, 71));
	show("iotlb", "reset", io(VHOST_RESET_OWNER, NULL));
	show("iotlb", "reset_update", iotlb(2, VHOST_IOTLB_UPDATE, 0, page, va));
	show("iotlb", "off_then_owner", set_owner());
	show("iotlb", "off", features(RIG_FEATURES));
	show("iotlb", "off_update", iotlb(2, VHOST_IOTLB_UPDATE, 0, page, va));
}

static void test_file(void)
{
	struct pollfd p = { .events = POLLIN | POLLOUT };
	char buf[128] = { 0 };
	ssize_t n;
	int fd;

	reopen();
	fcntl(dev, F_SETFL, O_NONBLOCK);
	p.fd = dev;
	t_need(set_owner(), "SET_OWNER");
	n = poll(&p, 1, 0);
	t_case("file/poll", "%d %#x", (int)n, p.revents);
	n = read(dev, buf, sizeof(buf));
	show("file", "read", n < 0 ? -errno : (int)n);
	n = write(dev, buf, 1);
	show("file", "write_1", n < 0 ? -errno : (int)n);
	n = write(dev, buf, sizeof(struct vhost_msg));
	show("file", "write_msg", n < 0 ? -errno : (int)n);
	n = lseek(dev, 10, SEEK_SET);
	show("file", "seek", n < 0 ? -errno : 0);
	show("file", "mmap", mmap(NULL, 4096, PROT_READ, MAP_SHARED, dev, 0) == MAP_FAILED ?
	     -errno : 0);
	fd = open(DTEST_DEVICE, O_RDWR | O_CLOEXEC);
	show("file", "open_twice", fd < 0 ? -errno : 0);
	if (fd >= 0)
		close(fd);
	fd = open(DTEST_DEVICE, O_RDONLY | O_CLOEXEC);
	show("file", "open_read_only", fd < 0 ? -errno : 0);
	if (fd >= 0) {
		show("file", "ioctl_read_only", ioctl(fd, VHOST_SET_OWNER) ? -errno : 0);
		close(fd);
	}
}

int main(void)
{
	struct vdrv_tap_opt topt = { .hdr_len = 12 };

	dev = -1;
	t_need(vdrv_mem_open(&mem, 1 << 20, VDRV_GPA), "guest memory");
	t_need(vdrv_tap_open(&tap, &topt), "tap");
	t_need(vdrv_tap_open(&tap2, &topt), "tap");
	evt = eventfd(0, EFD_CLOEXEC);
	evt2 = eventfd(0, EFD_CLOEXEC);
	t_need(evt < 0 || evt2 < 0 ? -errno : 0, "eventfd");
	test_features();
	test_order();
	test_pointers();
	test_owner();
	test_index();
	test_num_base();
	test_addr();
	test_fds();
	test_memory();
	test_backend_fds();
	test_backend_needs();
	test_running();
	test_log();
	test_iotlb();
	test_file();
	close(dev);
	t_case("end", "0");
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The virtio-pci transport against a back end that can stall, refuse and break, with a driver that may
 * write anything. Uses KVM for interrupts and doorbells; no guest code runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include "lib/loop.h"
#include "vmm/config.h"
#include "vmm/pci.h"
#include "vmm/virtio_pci.h"
#include "vmm/vm.h"

#define NQ		3
#define FEATURES	(1ull << VIRTIO_F_VERSION_1 | 1ull << 3 | 1ull << 5)
#define RING_RESET	(1ull << VIRTIO_F_RING_RESET)
#define PACKED		(1ull << VIRTIO_F_RING_PACKED)
#define BAD_FEATURE	(1ull << 5)	/* offered, and refused by check() without bit 3 */
#define S_OK		(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

struct fake {
	struct virtio_dev vd;
	struct vhost vh;
	sem_t gate;
	bool stall_start, stall_stop, stall_memory;
	bool config_breaks;
	int memory_error, memories, told;
	int start_error, ring_error[NQ], ring_starts[NQ], ring_stops[NQ];
	/* what the back end saw */
	int starts, stops, running;
	uint64_t features;
	struct vhost_ring ring[NQ];
	/* and the device */
	int oks, config_writes;
	uint64_t ok_features, config_val;
	unsigned int config_off, config_len;
};

static struct vm vm;
static struct loop *loop;
static struct fake *fake;
static const uint8_t fake_config[6] = { 1, 2, 3, 4, 5, 6 };

/* ---- the back end ---- */

static int fake_start(struct vhost *vh, uint64_t features, struct vhost_ring *ring, unsigned int nr)
{
	struct fake *f = (void *)((char *)vh - offsetof(struct fake, vh));
	unsigned int n;

	if (f->stall_start)
		sem_wait(&f->gate);
	assert_int_equal(nr, NQ);
	f->features = features;
	memcpy(f->ring, ring, sizeof(f->ring));
	for (n = 0; n < nr; n++)
		ring[n].error = ring[n].enabled ? f->ring_error[n] : 0;
	__atomic_add_fetch(&f->starts, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&f->running, 1, __ATOMIC_SEQ_CST);
	return f->start_error;
}

static void fake_stop(struct vhost *vh)
{
	struct fake *f = (void *)((char *)vh - offsetof(struct fake, vh));

	if (f->stall_stop)
		sem_wait(&f->gate);
	__atomic_add_fetch(&f->stops, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(__atomic_sub_fetch(&f->running, 1, __ATOMIC_SEQ_CST), 0);
}

static void fake_close(struct vhost *vh)
{
	struct fake *f = (void *)((char *)vh - offsetof(struct fake, vh));

	assert_int_equal(f->running, 0);
}

static int fake_ring_start(struct vhost *vh, unsigned int n, const struct vhost_ring *ring)
{
	struct fake *f = (void *)((char *)vh - offsetof(struct fake, vh));

	if (f->stall_start)
		sem_wait(&f->gate);
	assert_int_equal(f->running, 1);
	f->ring[n] = *ring;
	__atomic_add_fetch(&f->ring_starts[n], 1, __ATOMIC_SEQ_CST);
	return f->ring_error[n];
}

static void fake_ring_stop(struct vhost *vh, unsigned int n)
{
	struct fake *f = (void *)((char *)vh - offsetof(struct fake, vh));

	if (f->stall_stop)
		sem_wait(&f->gate);
	assert_int_equal(f->running, 1);
	__atomic_add_fetch(&f->ring_stops[n], 1, __ATOMIC_SEQ_CST);
}

static int fake_memory(struct vhost *vh)
{
	struct fake *f = (void *)((char *)vh - offsetof(struct fake, vh));

	if (f->stall_memory)
		sem_wait(&f->gate);
	assert_int_equal(f->running, 1);
	__atomic_add_fetch(&f->memories, 1, __ATOMIC_SEQ_CST);
	return f->memory_error;
}

static void fake_told(void)
{
	fake->told++;
}

static const struct vhost_ops fake_ops = {
	.memory = fake_memory,
	.start = fake_start,
	.stop = fake_stop,
	.ring_start = fake_ring_start,
	.ring_stop = fake_ring_stop,
	.close = fake_close,
};

static bool fake_check(struct virtio_dev *vd, uint64_t features)
{
	(void)vd;
	return !(features & BAD_FEATURE) || features & 1ull << 3;
}

static void fake_destroy(struct virtio_dev *vd)
{
	(void)vd;
	free(fake);
	fake = NULL;
}

static void fake_features_ok(struct virtio_dev *vd, uint64_t features)
{
	(void)vd;
	fake->oks++;
	fake->ok_features = features;
}

static void fake_config_write(struct virtio_dev *vd, unsigned int off, uint64_t val, unsigned int len)
{
	(void)vd;
	fake->config_writes++;
	fake->config_off = off;
	fake->config_val = val;
	fake->config_len = len;
	if (fake->config_breaks)
		virtio_broken(vd, "a test");
}

static const struct virtio_ops dev_ops = {
	.check = fake_check,
	.features_ok = fake_features_ok,
	.config_write = fake_config_write,
	.destroy = fake_destroy,
};

/* ---- the driver ---- */

static uint32_t cfg_addr(unsigned int off)
{
	return 0x80000000u | (uint32_t)fake->vd.pci.devfn << 8 | (off & 0xfc);
}

static uint32_t cfg_r(unsigned int off, unsigned int len)
{
	uint32_t addr = cfg_addr(off), val = 0;

	vm_lock(&vm);
	bus_write(&vm.pio, 0xcf8, &addr, 4);
	bus_read(&vm.pio, 0xcfc + (off & 3), &val, len);
	vm_unlock(&vm);
	return val;
}

static void cfg_w(unsigned int off, uint32_t val, unsigned int len)
{
	uint32_t addr = cfg_addr(off);

	vm_lock(&vm);
	bus_write(&vm.pio, 0xcf8, &addr, 4);
	bus_write(&vm.pio, 0xcfc + (off & 3), &val, len);
	vm_unlock(&vm);
}

static uint64_t bar_addr(unsigned int bar)
{
	return cfg_r(PCI_BASE_ADDRESS_0 + 4 * bar, 4) & ~15u;
}

static uint64_t mem_r(uint64_t addr, unsigned int len)
{
	uint64_t val = 0;

	vm_lock(&vm);
	bus_read(&vm.mmio, addr, &val, len);
	vm_unlock(&vm);
	return val;
}

static void mem_w(uint64_t addr, uint64_t val, unsigned int len)
{
	vm_lock(&vm);
	bus_write(&vm.mmio, addr, &val, len);
	vm_unlock(&vm);
}

static unsigned int find_cap(uint8_t type)
{
	unsigned int off;

	for (off = cfg_r(PCI_CAPABILITY_LIST, 1); off; off = cfg_r(off + 1, 1))
		if (cfg_r(off, 1) == PCI_CAP_ID_VNDR && cfg_r(off + VIRTIO_PCI_CAP_CFG_TYPE, 1) == type)
			return off;
	return 0;
}

static unsigned int find_msix(void)
{
	unsigned int off;

	for (off = cfg_r(PCI_CAPABILITY_LIST, 1); off; off = cfg_r(off + 1, 1))
		if (cfg_r(off, 1) == PCI_CAP_ID_MSIX)
			return off;
	return 0;
}

static uint64_t structure(uint8_t type)
{
	unsigned int cap = find_cap(type);

	assert_true(cap);
	return bar_addr(cfg_r(cap + VIRTIO_PCI_CAP_BAR, 1)) + cfg_r(cap + VIRTIO_PCI_CAP_OFFSET, 4);
}

static uint64_t common_r(unsigned int off, unsigned int len)
{
	return mem_r(structure(VIRTIO_PCI_CAP_COMMON_CFG) + off, len);
}

static void common_w(unsigned int off, uint64_t val, unsigned int len)
{
	mem_w(structure(VIRTIO_PCI_CAP_COMMON_CFG) + off, val, len);
}

static uint8_t status(void)
{
	return common_r(VIRTIO_PCI_COMMON_STATUS, 1);
}

static void set_status(uint8_t v)
{
	common_w(VIRTIO_PCI_COMMON_STATUS, v, 1);
}

static uint8_t isr(void)
{
	return mem_r(structure(VIRTIO_PCI_CAP_ISR_CFG), 1);
}

static bool intx_high(void)
{
	return cfg_r(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT;
}

static void set_features(uint64_t f)
{
	common_w(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	common_w(VIRTIO_PCI_COMMON_GF, (uint32_t)f, 4);
	common_w(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	common_w(VIRTIO_PCI_COMMON_GF, f >> 32, 4);
}

static void set_queue(unsigned int n, unsigned int size, uint64_t base)
{
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, n, 2);
	common_w(VIRTIO_PCI_COMMON_Q_SIZE, size, 2);
	common_w(VIRTIO_PCI_COMMON_Q_DESCLO, base, 8);
	common_w(VIRTIO_PCI_COMMON_Q_AVAILLO, base + 0x1000, 8);
	common_w(VIRTIO_PCI_COMMON_Q_USEDLO, base + 0x2000, 8);
	common_w(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

static void bring_up_with(uint64_t features)
{
	set_status(0);
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	set_features(features);
	set_status(S_OK);
	set_queue(0, 64, 0x10000);
	set_queue(1, 128, 0x20000);
	set_status(S_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void bring_up_blindly(void)
{
	bring_up_with(FEATURES);
}

static void bring_up(void)
{
	bring_up_blindly();
	assert_int_equal(status(), S_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* ---- time ---- */

static struct {
	struct loop_timer timer;
	bool (*cond)(void);
	uint64_t end;
	bool met;
} waiting;

static void wait_tick(struct loop_timer *t)
{
	waiting.met = waiting.cond && waiting.cond();
	if (waiting.met || loop_now_ns() >= waiting.end)
		loop_stop(loop);
	else
		loop_timer_set(loop, t, loop_now_ns() + 200000);
}

/* Run the main loop until @cond; at most @ms. */
static bool run_until(bool (*cond)(void), unsigned int ms)
{
	waiting.timer.fn = wait_tick;
	waiting.cond = cond;
	waiting.end = loop_now_ns() + ms * 1000000ull;
	loop_timer_set(loop, &waiting.timer, loop_now_ns());
	assert_int_equal(loop_run(loop), 0);
	loop_timer_del(loop, &waiting.timer);
	return waiting.met;
}

static bool is_running(void) { return __atomic_load_n(&fake->running, __ATOMIC_SEQ_CST); }
static bool is_reset(void) { return status() == 0; }
static bool is_broken(void) { return status() & VIRTIO_CONFIG_S_NEEDS_RESET; }
static bool is_high(void) { return intx_high(); }

static int setup(void **state)
{
	static const struct vm_config cfg = { .mem_size = 16 << 20, .cpus = 1, .cores = 1, .threads = 1, .cpu_model = "host",
					      .nodefaults = true };
	static const uint16_t sizes[NQ] = { 256, 256, 64 };
	struct virtio_pci_init init = { .device_id = 42, .class_code = 0xff0000, .vectors = 3,
					.nr_queues = NQ, .queue_max = sizes };

	(void)state;
	loop = loop_new();
	assert_non_null(loop);
	assert_int_equal(vm_create(&vm, &cfg, loop), 0);
	fake = calloc(1, sizeof(*fake));
	sem_init(&fake->gate, 0, 0);
	fake->vh.ops = &fake_ops;
	fake->vh.name = "fake";
	fake->vd.name = "fake";
	fake->vd.ops = &dev_ops;
	fake->vd.vhost = &fake->vh;
	fake->vd.features = FEATURES | RING_RESET | PACKED;
	fake->vd.config = fake_config;
	fake->vd.config_len = sizeof(fake_config);
	fake->vd.ioeventfd = true;
	assert_int_equal(virtio_pci_create(&vm, &fake->vd, &init), 0);
	vm_lock(&vm);
	pci_bus_assign(&vm);
	vm_unlock(&vm);
	cfg_w(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sem_post(&fake->gate);
	sem_post(&fake->gate);
	vm_destroy(&vm);
	assert_null(fake);
	free(vm.life);	/* kept for the exit status */
	loop_free(loop);
	return 0;
}

/* ---- tests ---- */

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(cfg_r(PCI_VENDOR_ID, 4), (0x1040u + 42) << 16 | 0x1af4);
	assert_int_equal(cfg_r(PCI_REVISION_ID, 1), 1);
	assert_int_equal(cfg_r(PCI_SUBSYSTEM_VENDOR_ID, 4), 0x11001af4);
	assert_int_equal(cfg_r(PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_NUMQ, 2), NQ);
	assert_int_equal(mem_r(structure(VIRTIO_PCI_CAP_DEVICE_CFG), 4), 0x04030201);
	/* past the structure: zeroes, not the VMM's memory */
	assert_int_equal(mem_r(structure(VIRTIO_PCI_CAP_DEVICE_CFG) + 4, 4), 0x0605);
	assert_int_equal(mem_r(structure(VIRTIO_PCI_CAP_DEVICE_CFG) + 6, 2), 0);
}

static void test_features(void **state)
{
	static const struct {
		uint64_t f;
		bool ok;
	} cases[] = {
		{ FEATURES, true },
		{ 1ull << VIRTIO_F_VERSION_1, true },
		{ 0, false },				/* no VERSION_1 */
		{ 1ull << VIRTIO_F_VERSION_1 | 1, false },	/* not offered */
		{ 1ull << VIRTIO_F_VERSION_1 | BAD_FEATURE, false },
		{ ~0ull, false },
	};
	unsigned int i;

	(void)state;
	common_w(VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_DF, 4), (FEATURES | RING_RESET | PACKED) >> 32);
	common_w(VIRTIO_PCI_COMMON_DFSELECT, 2, 4);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_DF, 4), 0);
	common_w(VIRTIO_PCI_COMMON_DFSELECT, 0xffffffff, 4);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_DF, 4), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_status(0);
		set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
		set_features(cases[i].f);
		set_status(S_OK);
		assert_int_equal(!!(status() & VIRTIO_CONFIG_S_FEATURES_OK), cases[i].ok);
		/* DRIVER_OK without FEATURES_OK is nothing */
		if (!cases[i].ok) {
			set_status(S_OK | VIRTIO_CONFIG_S_DRIVER_OK);
			assert_false(run_until(is_running, 5));
			assert_false(status() & VIRTIO_CONFIG_S_DRIVER_OK);
			continue;
		}
		/* frozen */
		set_features(0);
		common_w(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
		assert_int_equal(common_r(VIRTIO_PCI_COMMON_GF, 4), cases[i].f >> 32);
	}
}

static void config_w(unsigned int off, uint64_t val, unsigned int len)
{
	mem_w(structure(VIRTIO_PCI_CAP_DEVICE_CFG) + off, val, len);
}

/* The device hears of each write to its configuration once, of none past it or during a reset. */
static void test_config_write(void **state)
{
	(void)state;
	config_w(5, 0x12, 1);
	assert_int_equal(fake->config_writes, 1);
	assert_int_equal(fake->config_off, 5);
	assert_int_equal(fake->config_val, 0x12);
	assert_int_equal(fake->config_len, 1);
	config_w(4, 0x12345678, 4);
	assert_int_equal(fake->config_writes, 2);
	assert_int_equal(fake->config_len, 4);
	config_w(6, 1, 1);
	config_w(0xff8, 1, 8);
	assert_int_equal(fake->config_writes, 2);
	/* and hears what was negotiated once for each time that it is, never if it does not fit */
	assert_int_equal(fake->oks, 0);
	set_features(BAD_FEATURE);
	set_status(S_OK);
	assert_int_equal(fake->oks, 0);
	assert_false(virtio_negotiated(&fake->vd, 5));
	bring_up();
	assert_int_equal(fake->oks, 1);
	assert_true(fake->ok_features == FEATURES);
	assert_true(virtio_negotiated(&fake->vd, 5));
	assert_false(virtio_negotiated(&fake->vd, VIRTIO_F_RING_RESET));
	set_status(S_OK);
	assert_int_equal(fake->oks, 1);
	assert_true(run_until(is_running, 1000));
	fake->stall_stop = true;
	set_status(0);
	run_until(NULL, 5);
	config_w(5, 1, 1);
	assert_int_equal(fake->config_writes, 2);
	sem_post(&fake->gate);
	assert_true(run_until(is_reset, 1000));
	assert_false(virtio_negotiated(&fake->vd, 5));
	config_w(5, 1, 1);
	assert_int_equal(fake->config_writes, 3);
}

static void test_start(void **state)
{
	(void)state;
	bring_up();
	assert_int_equal(status(), S_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_true(run_until(is_running, 1000));
	assert_true(fake->features == FEATURES);
	assert_true(fake->ring[0].enabled && fake->ring[1].enabled && !fake->ring[2].enabled);
	assert_int_equal(fake->ring[0].size, 64);
	assert_int_equal(fake->ring[1].size, 128);
	assert_int_equal(fake->ring[1].desc, 0x20000);
	assert_int_equal(fake->ring[1].avail, 0x21000);
	assert_int_equal(fake->ring[1].used, 0x22000);
	/* a second DRIVER_OK starts nothing */
	set_status(S_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	run_until(NULL, 5);
	assert_int_equal(fake->starts, 1);
	/* the set-up is frozen */
	set_queue(0, 32, 0x30000);
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0x10000);
	set_queue(2, 32, 0x30000);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	set_status(0);
	assert_true(run_until(is_reset, 1000));
	assert_int_equal(fake->stops, 1);
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

static void test_queue_size(void **state)
{
	static const struct {
		uint16_t write, read;
	} cases[] = { { 128, 128 }, { 0, 128 }, { 100, 128 }, { 512, 128 }, { 1, 1 }, { 256, 256 } };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		common_w(VIRTIO_PCI_COMMON_Q_SIZE, cases[i].write, 2);
		assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_SIZE, 2), cases[i].read);
	}
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, NQ, 2);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	common_w(VIRTIO_PCI_COMMON_Q_SIZE, 4, 2);
	common_w(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
}

/* Any size does for a packed ring. */
static void test_queue_size_packed(void **state)
{
	static const struct {
		uint16_t write, read;
	} cases[] = { { 100, 100 }, { 0, 100 }, { 257, 100 }, { 255, 255 }, { 3, 3 } };
	unsigned int i;

	(void)state;
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	set_features(FEATURES | PACKED);
	set_status(S_OK);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		common_w(VIRTIO_PCI_COMMON_Q_SIZE, cases[i].write, 2);
		assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_SIZE, 2), cases[i].read);
	}
}

static bool is_queue_reset(void) { return !common_r(VIRTIO_PCI_COMMON_Q_RESET, 2); }
static bool is_ring_started(void) { return __atomic_load_n(&fake->ring_starts[1], __ATOMIC_SEQ_CST); }
static bool is_ring_stopped(void) { return __atomic_load_n(&fake->ring_stops[1], __ATOMIC_SEQ_CST); }

/* One queue stops and starts with another set-up while the others run on. */
static void test_queue_reset(void **state)
{
	uint64_t one = 1;

	(void)state;
	bring_up_with(FEATURES | RING_RESET);
	assert_true(run_until(is_running, 1000));
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	common_w(VIRTIO_PCI_COMMON_Q_RESET, 2, 2);
	common_w(VIRTIO_PCI_COMMON_Q_RESET, 0, 2);
	assert_false(run_until(is_ring_stopped, 5));

	fake->stall_stop = true;
	common_w(VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	assert_false(run_until(is_queue_reset, 20));
	/* until it has stopped it is enabled, and its set-up stays as it is */
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	set_queue(1, 32, 0x30000);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_SIZE, 2), 128);
	assert_int_equal(write(fake->vd.queue[1].ring.kick, &one, 8), 8);
	sem_post(&fake->gate);
	assert_true(run_until(is_queue_reset, 1000));
	fake->stall_stop = false;
	assert_int_equal(fake->ring_stops[1], 1);
	assert_int_equal(fake->ring_stops[0] + fake->stops, 0);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
	assert_int_equal(read(fake->vd.queue[1].ring.kick, &one, 8), -1);
	/* what is not enabled has nothing to reset */
	common_w(VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	assert_true(is_queue_reset());

	set_queue(1, 32, 0x30000);
	assert_true(run_until(is_ring_started, 1000));
	assert_int_equal(fake->ring[1].size, 32);
	assert_int_equal(fake->ring[1].avail, 0x31000);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	/* a queue that was left out may come late */
	set_queue(2, 64, 0x40000);
	run_until(NULL, 20);
	assert_int_equal(fake->ring_starts[2], 1);
	assert_int_equal(fake->starts, 1);

	/* one that the back end refuses */
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	common_w(VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	assert_true(run_until(is_queue_reset, 1000));
	fake->ring_error[1] = -EFAULT;
	set_queue(1, 32, 0x30000);
	assert_true(run_until(is_broken, 1000));
	set_status(0);
	assert_true(run_until(is_reset, 1000));
	assert_int_equal(fake->stops, 1);
}

/* Wishes of a driver that does not wait for anything */
static void test_queue_reset_early(void **state)
{
	(void)state;
	/* not negotiated */
	bring_up();
	common_w(VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	assert_true(is_queue_reset());
	assert_true(run_until(is_running, 1000));
	assert_false(run_until(is_ring_stopped, 5));
	set_status(0);
	assert_true(run_until(is_reset, 1000));

	/* while the whole device starts: after that it stops, and starts again */
	fake->stall_start = true;
	bring_up_with(FEATURES | RING_RESET);
	run_until(NULL, 5);
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	common_w(VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	set_queue(2, 64, 0x40000);
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	assert_false(run_until(is_queue_reset, 10));
	fake->stall_start = false;
	sem_post(&fake->gate);
	assert_true(run_until(is_queue_reset, 1000));
	run_until(NULL, 20);
	assert_int_equal(fake->ring_stops[1], 1);
	assert_int_equal(fake->ring_starts[2], 1);

	/* just after DRIVER_OK: it is one of those that start together */
	set_status(0);
	assert_true(run_until(is_reset, 1000));
	bring_up_with(FEATURES | RING_RESET);
	set_queue(2, 64, 0x40000);
	run_until(NULL, 20);
	assert_true(fake->ring[2].enabled);
	assert_int_equal(fake->ring_starts[2], 1);

	/* a reset of the device overtakes that of a queue */
	common_w(VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	set_status(0);
	assert_true(run_until(is_reset, 1000));
	assert_true(is_queue_reset());
	assert_false(is_running());
	run_until(NULL, 5);
	assert_int_equal(fake->ring_stops[2], 0);
}

/* One 64-bit address written by every width there is reads back by every width. */
static void test_widths(void **state)
{
	const uint64_t val = 0x1122334455667788ull;
	unsigned int w, r, i;

	(void)state;
	for (w = 1; w <= 8; w *= 2) {
		set_status(0);
		for (i = 0; i < 8; i += w)
			common_w(VIRTIO_PCI_COMMON_Q_AVAILLO + i, val >> 8 * i, w);
		for (r = 1; r <= 8; r *= 2) {
			uint64_t got = 0;

			for (i = 0; i < 8; i += r)
				got |= common_r(VIRTIO_PCI_COMMON_Q_AVAILLO + i, r) << 8 * i;
			assert_true(got == val);
		}
	}
	/* one access over several registers writes each of them */
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, 1 | 64 << 16, 4);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_SELECT, 2), 1);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	/* the end of the structure */
	assert_int_equal(common_r(VIRTIO_COMMON_BYTES, 8), 0);
	common_w(VIRTIO_COMMON_BYTES - 1, 0xff, 8);
}

static void test_stalled_stop(void **state)
{
	(void)state;
	bring_up();
	assert_true(run_until(is_running, 1000));
	fake->stall_stop = true;
	set_status(0);
	/* neither this thread nor the main loop is held up, and the driver is made to wait */
	assert_false(run_until(is_reset, 30));
	assert_int_equal(status(), S_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	/* everything written meanwhile is lost */
	set_status(VIRTIO_CONFIG_S_FAILED);
	set_features(0);
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	set_status(0);
	assert_int_equal(status(), S_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	sem_post(&fake->gate);
	assert_true(run_until(is_reset, 1000));
	assert_int_equal(fake->stops, 1);
	fake->stall_stop = false;
	bring_up();
	assert_true(run_until(is_running, 1000));
	assert_int_equal(fake->starts, 2);
}

static void test_reset_during_start(void **state)
{
	(void)state;
	fake->stall_start = true;
	bring_up();
	assert_false(run_until(is_running, 20));
	set_status(0);
	assert_false(run_until(is_reset, 20));
	sem_post(&fake->gate);
	assert_true(run_until(is_reset, 1000));
	assert_int_equal(fake->starts, 1);
	assert_int_equal(fake->stops, 1);
	/* and before the main loop has even seen DRIVER_OK */
	fake->stall_start = false;
	bring_up();
	set_status(0);
	assert_true(run_until(is_reset, 1000));
	assert_int_equal(fake->running, 0);
	assert_int_equal(fake->starts, fake->stops);
}

static void memory_added(void)
{
	vm_lock(&vm);
	virtio_memory_added(&vm, fake_told);
	vm_unlock(&vm);
}

static bool is_told(void)
{
	return fake->told;
}

static void test_memory(void **state)
{
	(void)state;
	/* one that does not run has nothing to be told */
	memory_added();
	assert_true(run_until(is_told, 1000));
	assert_int_equal(fake->memories, 0);

	/* while it starts: afterwards; and more of it meanwhile is told, too, before the end is */
	fake->told = 0;
	fake->stall_start = true;
	fake->stall_memory = true;
	bring_up();
	run_until(NULL, 5);
	memory_added();
	assert_false(run_until(is_told, 10));
	sem_post(&fake->gate);
	assert_true(run_until(is_running, 1000));
	assert_false(run_until(is_told, 10));
	memory_added();
	sem_post(&fake->gate);
	assert_false(run_until(is_told, 10));
	assert_int_equal(fake->memories, 1);
	sem_post(&fake->gate);
	assert_true(run_until(is_told, 1000));
	assert_int_equal(fake->memories, 2);
	assert_int_equal(fake->told, 1);
	fake->stall_start = false;

	/* a reset of the system waits for it */
	fake->told = 0;
	memory_added();
	run_until(NULL, 5);
	sem_post(&fake->gate);
	vm_lock(&vm);
	pci_bus_reset(&vm);
	vm_unlock(&vm);
	assert_int_equal(fake->told, 1);
	cfg_w(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);

	/* one that refuses needs a reset, and the others go on */
	fake->told = 0;
	fake->stall_memory = false;
	fake->memory_error = -EINVAL;
	bring_up();
	assert_true(run_until(is_running, 1000));
	memory_added();
	assert_true(run_until(is_told, 1000));
	assert_true(is_broken());
}

static void test_system_reset(void **state)
{
	(void)state;
	bring_up();
	assert_true(run_until(is_running, 1000));
	vm_lock(&vm);
	pci_bus_reset(&vm);
	vm_unlock(&vm);
	assert_int_equal(fake->running, 0);
	assert_int_equal(cfg_r(PCI_COMMAND, 2), 0);
	cfg_w(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(status(), 0);
	/* with a start under way: waits for it, then stops it */
	fake->stall_start = true;
	bring_up();
	run_until(NULL, 5);
	sem_post(&fake->gate);
	vm_lock(&vm);
	pci_bus_reset(&vm);
	vm_unlock(&vm);
	assert_int_equal(fake->running, 0);
	assert_int_equal(fake->starts, 2);
	cfg_w(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	fake->stall_start = false;
	/* the job's late report disturbs nobody */
	bring_up();
	assert_true(run_until(is_running, 1000));
	assert_int_equal(fake->starts, 3);
	run_until(NULL, 5);
	assert_int_equal(fake->running, 1);
}

static void test_refused(void **state)
{
	(void)state;
	fake->ring_error[1] = -EFAULT;
	bring_up();
	assert_true(run_until(is_broken, 1000));
	assert_true(intx_high());
	assert_int_equal(isr(), VIRTIO_PCI_ISR_CONFIG);
	assert_false(intx_high());
	set_status(0);
	assert_true(run_until(is_reset, 1000));
	fake->ring_error[1] = 0;
	fake->start_error = -ENOMEM;
	bring_up();
	assert_true(run_until(is_broken, 1000));
	set_status(0);
	assert_true(run_until(is_reset, 1000));
	assert_int_equal(fake->stops, 2);
}

/* What cannot work is not started; the driver is told as soon as it may be. */
static void test_broken_early(void **state)
{
	(void)state;
	fake->config_breaks = true;
	config_w(0, 1, 1);
	assert_true(is_broken());
	assert_int_equal(isr(), 0);
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	set_features(FEATURES);
	set_status(S_OK);
	set_queue(0, 64, 0x10000);
	set_status(S_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(isr(), VIRTIO_PCI_ISR_CONFIG);
	run_until(NULL, 10);
	assert_int_equal(fake->starts, 0);
	set_status(0);
	assert_int_equal(status(), 0);
	bring_up();
	assert_true(run_until(is_running, 1000));
}

static void test_vring_err(void **state)
{
	uint64_t one = 1;

	(void)state;
	bring_up();
	assert_true(run_until(is_running, 1000));
	assert_int_equal(write(fake->ring[0].err, &one, 8), 8);
	assert_true(run_until(is_broken, 1000));
	assert_int_equal(isr(), VIRTIO_PCI_ISR_CONFIG);
	/* said once: a back end that repeats itself does not make an interrupt storm */
	assert_int_equal(write(fake->ring[0].err, &one, 8), 8);
	run_until(NULL, 10);
	assert_int_equal(isr(), 0);
	set_status(0);
	assert_true(run_until(is_reset, 1000));
	/* an error of the life before */
	assert_int_equal(write(fake->ring[0].err, &one, 8), 8);
	run_until(NULL, 10);
	assert_int_equal(status(), 0);
}

static void test_intx(void **state)
{
	uint64_t one = 1;

	(void)state;
	bring_up();
	assert_true(run_until(is_running, 1000));
	assert_int_equal(write(fake->ring[0].call, &one, 8), 8);
	assert_true(run_until(is_high, 1000));
	assert_int_equal(isr(), 1);
	assert_false(intx_high());
	assert_int_equal(isr(), 0);
	/* disabled: the status bit still tells, the line does not (nobody to ask: just no crash) */
	cfg_w(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE, 2);
	assert_int_equal(write(fake->ring[1].call, &one, 8), 8);
	assert_true(run_until(is_high, 1000));
	cfg_w(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(isr(), 1);
}

static bool pba(unsigned int v)
{
	return mem_r(bar_addr(1) + 0x800, 8) >> v & 1;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static bool call_taken(void) { return !readable(fake->ring[0].call); }

static void test_msix(void **state)
{
	unsigned int cap = find_msix();
	uint64_t one = 1, table;

	(void)state;
	assert_int_equal(cfg_r(cap + PCI_MSIX_FLAGS, 2), 2);
	table = bar_addr(1);
	assert_int_equal(mem_r(table + 12, 4), 1);
	cfg_w(cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	bring_up();
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	common_w(VIRTIO_PCI_COMMON_Q_MSIX, 3, 2);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
	common_w(VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_Q_MSIX, 2), 1);
	assert_true(run_until(is_running, 1000));
	/* masked: the eventfd keeps it */
	assert_int_equal(write(fake->ring[0].call, &one, 8), 8);
	run_until(NULL, 5);
	assert_true(readable(fake->ring[0].call));
	assert_true(pba(1));
	assert_false(pba(0) || pba(2));
	assert_false(intx_high());
	/* unmasked: injected and no longer pending, also after the next mask */
	mem_w(table + 16, 0xfee00000, 8);
	mem_w(table + 24, 0x41, 8);
	assert_false(pba(1));
	assert_false(readable(fake->ring[0].call));
	assert_int_equal(write(fake->ring[0].call, &one, 8), 8);
	assert_true(run_until(call_taken, 1000));
	mem_w(table + 28, 1, 4);
	assert_false(pba(1));
	/* function mask */
	mem_w(table + 28, 0, 4);
	cfg_w(cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
	assert_int_equal(write(fake->ring[0].call, &one, 8), 8);
	assert_true(pba(1));
	/* MSI-X off: what was pending comes by INTx */
	cfg_w(cap + PCI_MSIX_FLAGS, 0, 2);
	assert_true(run_until(is_high, 1000));
	assert_false(pba(1));
	assert_int_equal(isr(), 1);
	/* two queues on one vector; the configuration interrupt gets pending in the table */
	cfg_w(cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	common_w(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	common_w(VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
	common_w(VIRTIO_PCI_COMMON_MSIX, 2, 2);
	assert_int_equal(write(fake->ring[1].call, &one, 8), 8);
	assert_int_equal(write(fake->ring[1].err, &one, 8), 8);
	assert_true(run_until(is_broken, 1000));
	assert_true(pba(2));
	mem_w(table + 32, 0xfee00000, 8);
	mem_w(table + 40, 0x42, 8);
	assert_false(pba(2));
	set_status(0);
	assert_true(run_until(is_reset, 1000));
	assert_int_equal(common_r(VIRTIO_PCI_COMMON_MSIX, 2), 0xffff);
}

static void window(unsigned int cap, unsigned int bar, uint32_t off, uint32_t len)
{
	cfg_w(cap + VIRTIO_PCI_CAP_BAR, bar, 1);
	cfg_w(cap + VIRTIO_PCI_CAP_OFFSET, off, 4);
	cfg_w(cap + VIRTIO_PCI_CAP_LENGTH, len, 4);
}

static bool kicked(unsigned int n)
{
	uint64_t val;

	return read(fake->vd.queue[n].ring.kick, &val, 8) == 8;
}

static void test_window(void **state)
{
	unsigned int cap = find_cap(VIRTIO_PCI_CAP_PCI_CFG), data = cap + 16;
	unsigned int common = find_cap(VIRTIO_PCI_CAP_COMMON_CFG), notify, bar;
	uint32_t off;

	(void)state;
	bar = cfg_r(common + VIRTIO_PCI_CAP_BAR, 1);
	off = cfg_r(common + VIRTIO_PCI_CAP_OFFSET, 4);
	/* works with decoding off */
	cfg_w(PCI_COMMAND, 0, 2);
	window(cap, bar, off + VIRTIO_PCI_COMMON_NUMQ, 2);
	assert_int_equal(cfg_r(data, 4) & 0xffff, NQ);
	window(cap, bar, off + VIRTIO_PCI_COMMON_STATUS, 1);
	cfg_w(data, VIRTIO_CONFIG_S_ACKNOWLEDGE, 4);
	assert_int_equal(cfg_r(data, 1), VIRTIO_CONFIG_S_ACKNOWLEDGE);
	window(cap, bar, off + VIRTIO_PCI_COMMON_Q_DESCLO, 4);
	cfg_w(data, 0x12345678, 4);
	assert_int_equal(cfg_r(data, 4), 0x12345678);
	notify = find_cap(VIRTIO_PCI_CAP_NOTIFY_CFG);
	assert_int_equal(cfg_r(notify + VIRTIO_PCI_NOTIFY_CAP_MULT, 4), 4);
	window(cap, bar, cfg_r(notify + VIRTIO_PCI_CAP_OFFSET, 4) + 4, 2);
	cfg_w(data, 1, 2);
	assert_true(kicked(1));
	assert_false(kicked(0));
	/* what describes no access does none */
	window(cap, bar, off + VIRTIO_PCI_COMMON_STATUS, 3);
	cfg_w(data, 0xff, 4);
	window(cap, 6, off + VIRTIO_PCI_COMMON_STATUS, 1);
	cfg_w(data, 0xff, 4);
	window(cap, 255, off + VIRTIO_PCI_COMMON_STATUS, 1);
	cfg_w(data, 0xff, 4);
	window(cap, bar, 0xfffffffc, 4);
	cfg_w(data, 0xff, 4);
	cfg_r(data, 4);
	window(cap, bar, 0x4000, 4);
	cfg_w(data, 0xff, 4);
	window(cap, bar, off + VIRTIO_PCI_COMMON_STATUS + 1, 4);
	cfg_w(data, 0xff, 4);
	window(cap, bar, off + VIRTIO_PCI_COMMON_STATUS, 0);
	cfg_w(data, 0xff, 4);
	cfg_w(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(status(), VIRTIO_CONFIG_S_ACKNOWLEDGE);
}

static void test_bars(void **state)
{
	uint64_t modern = bar_addr(4), msix = bar_addr(1);
	static struct bus_range other = { .size = 0x1000, .name = "other" };
	static const struct bus_ops none = { 0 };

	(void)state;
	/* sizing */
	cfg_w(PCI_BASE_ADDRESS_0 + 16, 0xffffffff, 4);
	assert_int_equal(cfg_r(PCI_BASE_ADDRESS_0 + 16, 4), 0xffffc000);
	assert_int_equal(mem_r(modern, 4), 0xffffffff);
	cfg_w(PCI_BASE_ADDRESS_0, 0xffffffff, 4);
	assert_int_equal(cfg_r(PCI_BASE_ADDRESS_0, 4), 0);
	/* moved */
	cfg_w(PCI_BASE_ADDRESS_0 + 16, 0xd0000000, 4);
	assert_int_equal(mem_r(0xd0000000 + VIRTIO_PCI_COMMON_NUMQ, 2), NQ);
	/* over its sibling: the one that was there stays; then it leaves */
	cfg_w(PCI_BASE_ADDRESS_0 + 16, msix & ~0x3fffull, 4);
	assert_int_equal(mem_r(msix + 12, 4), 1);
	cfg_w(PCI_BASE_ADDRESS_0 + 4, 0xd1000000, 4);
	assert_int_equal(mem_r((msix & ~0x3fffull) + VIRTIO_PCI_COMMON_NUMQ, 2), NQ);
	assert_int_equal(mem_r(0xd1000000 + 12, 4), 1);
	/* over another device, over the end, at zero */
	other.base = 0xd2002000;
	other.ops = &none;
	vm_lock(&vm);
	assert_int_equal(bus_add(&vm.mmio, &other), 0);
	vm_unlock(&vm);
	cfg_w(PCI_BASE_ADDRESS_0 + 16, 0xd2000000, 4);
	assert_int_equal(mem_r(0xd2000000 + VIRTIO_PCI_COMMON_NUMQ, 2), 0xffff);
	vm_lock(&vm);
	bus_del(&vm.mmio, &other);
	vm_unlock(&vm);
	cfg_w(PCI_BASE_ADDRESS_0 + 16, 0xffffc000, 4);
	cfg_w(PCI_BASE_ADDRESS_0 + 16, 0, 4);
	assert_int_equal(mem_r(VIRTIO_PCI_COMMON_NUMQ, 2), 0xffff);
	/* a reset brings the first places back */
	vm_lock(&vm);
	pci_bus_reset(&vm);
	vm_unlock(&vm);
	assert_int_equal(bar_addr(4), modern);
	assert_int_equal(bar_addr(1), msix);
	assert_int_equal(mem_r(modern + VIRTIO_PCI_COMMON_NUMQ, 2), 0xffff);
	cfg_w(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(mem_r(modern + VIRTIO_PCI_COMMON_NUMQ, 2), NQ);
}

/* The guest's worst: anything anywhere, while the back end starts, stops, signals and breaks. */
static void test_garbage(void **state)
{
	unsigned int i, seed = 1;
	uint64_t one = 1;

	(void)state;
	for (i = 0; i < 20000; i++) {
		uint32_t r = rand_r(&seed), v = rand_r(&seed) ^ (uint32_t)rand_r(&seed) << 16;
		unsigned int len = 1u << (r & 3), off = r >> 4 & 0x3fff;

		switch (r >> 20 & 15) {
		case 0: case 1:
			if (len == 8)
				len = 4;
			off = (off & 0xff) & ~(len - 1);
			cfg_w(off, v, len);
			break;
		case 2:
			cfg_w(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
			break;
		case 3:
			cfg_r(off & 0xfc, 4);
			break;
		case 4:
			mem_w(bar_addr(1) + (off & 0xfff & ~(len - 1)), v, len);
			break;
		case 5:
			if (write(fake->vd.queue[v % NQ].ring.call, &one, 8) != 8)
				fail();
			break;
		case 6:
			if (!(v & 3) && write(fake->vd.queue[v % NQ].ring.err, &one, 8) != 8)
				fail();
			break;
		case 7:
			if (!(v & 31))
				run_until(NULL, 0);
			break;
		case 8:
			if (!(v & 63))
				bring_up_blindly();
			break;
		default:
			off = r & 16 ? off : off & 0x3f;
			if (v & 1)
				mem_w(bar_addr(4) + (off & ~(len - 1)), v, len);
			else
				mem_r(bar_addr(4) + (off & ~(len - 1)), len);
			break;
		}
	}
	vm_lock(&vm);
	pci_bus_reset(&vm);
	vm_unlock(&vm);
	assert_int_equal(fake->running, 0);
	cfg_w(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	bring_up();
	assert_true(run_until(is_running, 1000));
	assert_int_equal(write(fake->ring[0].call, &one, 8), 8);
	assert_true(run_until(is_high, 1000));
}

#define TEST(_name)	cmocka_unit_test_setup_teardown(test_##_name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity), TEST(features), TEST(config_write), TEST(start), TEST(queue_size),
		TEST(queue_size_packed), TEST(queue_reset), TEST(queue_reset_early), TEST(widths),
		TEST(stalled_stop), TEST(reset_during_start), TEST(memory), TEST(system_reset),
		TEST(refused),
		TEST(broken_early), TEST(vring_err), TEST(intx), TEST(msix), TEST(window), TEST(bars), TEST(garbage),
	};

	if (access("/dev/kvm", R_OK | W_OK)) {
		printf("1..0 # SKIP no /dev/kvm\n");
		return 0;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

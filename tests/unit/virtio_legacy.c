// SPDX-License-Identifier: GPL-2.0
/*
 * The legacy interface of virtio-pci against a back end that can stall, with a driver that may write anything.
 * Uses KVM for doorbells; no guest code runs, so that nobody waits for a reset (tests/payload/virtio_legacy.c does).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include "lib/loop.h"
#include "vmm/config.h"
#include "vmm/pci.h"
#include "vmm/virtio_pci.h"
#include "vmm/vm.h"

#define NQ		2
#define V1		(1ull << VIRTIO_F_VERSION_1)
#define ANY_LAYOUT	(1u << VIRTIO_F_ANY_LAYOUT)
#define FEATURES	(V1 | 1ull << 40 | 1ull << 3 | 1ull << 5)
#define S_UP		(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define S_OK		(S_UP | VIRTIO_CONFIG_S_DRIVER_OK)

struct fake {
	struct virtio_dev vd;
	struct vhost vh;
	sem_t gate;
	bool stall_stop, odd;
	int starts, stops, running, ring_starts;
	uint64_t features, ok_features;
	struct vhost_ring ring[NQ];
	unsigned int config_off, config_len;
	uint64_t config_val;
};

static struct vm vm;
static struct loop *loop;
static struct fake *fake;
static const uint8_t fake_config[6] = { 1, 2, 3, 4, 5, 6 };

/* ---- the back end ---- */

/* What a page number makes of a ring: in one piece, in order, whatever the number. */
static void ring_look(struct fake *f, const struct vhost_ring *r)
{
	if (!r->enabled)
		return;
	f->odd |= r->desc & 0xfff || r->desc >> 44 || r->avail != r->desc + 16ull * r->size || r->used & 0xfff ||
		  r->used < r->avail + 6 + 2ull * r->size || r->used > r->avail + 6 + 2ull * r->size + 4095;
}

static int fake_start(struct vhost *vh, uint64_t features, struct vhost_ring *ring, unsigned int nr)
{
	struct fake *f = (void *)((char *)vh - offsetof(struct fake, vh));
	unsigned int n;

	f->features = features;
	memcpy(f->ring, ring, sizeof(f->ring));
	for (n = 0; n < nr; n++)
		ring_look(f, &ring[n]);
	__atomic_add_fetch(&f->starts, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&f->running, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static void fake_stop(struct vhost *vh)
{
	struct fake *f = (void *)((char *)vh - offsetof(struct fake, vh));

	if (f->stall_stop)
		sem_wait(&f->gate);
	__atomic_add_fetch(&f->stops, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(__atomic_sub_fetch(&f->running, 1, __ATOMIC_SEQ_CST), 0);
}

static int fake_ring_start(struct vhost *vh, unsigned int n, const struct vhost_ring *ring)
{
	struct fake *f = (void *)((char *)vh - offsetof(struct fake, vh));

	(void)n;
	ring_look(f, ring);
	__atomic_add_fetch(&f->ring_starts, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static void fake_ring_stop(struct vhost *vh, unsigned int n)
{
	(void)vh;
	(void)n;
}

static void fake_close(struct vhost *vh)
{
	(void)vh;
}

static const struct vhost_ops fake_ops = {
	.start = fake_start, .stop = fake_stop, .ring_start = fake_ring_start, .ring_stop = fake_ring_stop, .close = fake_close,
};

static bool fake_check(struct virtio_dev *vd, uint64_t features)
{
	(void)vd;
	return !(features & 1ull << 5) || features & 1ull << 3;
}

static void fake_features_ok(struct virtio_dev *vd, uint64_t features)
{
	(void)vd;
	fake->ok_features = features;
}

static void fake_config_write(struct virtio_dev *vd, unsigned int off, uint64_t val, unsigned int len)
{
	(void)vd;
	fake->config_off = off;
	fake->config_val = val;
	fake->config_len = len;
}

static void fake_destroy(struct virtio_dev *vd)
{
	(void)vd;
	free(fake);
	fake = NULL;
}

static const struct virtio_ops dev_ops = {
	.check = fake_check, .features_ok = fake_features_ok, .config_write = fake_config_write, .destroy = fake_destroy,
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

static uint32_t reg_r(unsigned int off, unsigned int len)
{
	uint32_t val = 0;

	vm_lock(&vm);
	bus_read(&vm.pio, fake->vd.pci.bar[0].range.base + off, &val, len);
	vm_unlock(&vm);
	return val;
}

static void reg_w(unsigned int off, uint32_t val, unsigned int len)
{
	vm_lock(&vm);
	bus_write(&vm.pio, fake->vd.pci.bar[0].range.base + off, &val, len);
	vm_unlock(&vm);
}

static uint8_t status(void)
{
	return reg_r(VIRTIO_PCI_STATUS, 1);
}

static void set_status(uint8_t val)
{
	reg_w(VIRTIO_PCI_STATUS, val, 1);
}

static void set_queue(unsigned int n, uint32_t pfn)
{
	reg_w(VIRTIO_PCI_QUEUE_SEL, n, 2);
	reg_w(VIRTIO_PCI_QUEUE_PFN, pfn, 4);
}

static void begin(uint32_t features)
{
	set_status(0);
	set_status(S_UP);
	reg_w(VIRTIO_PCI_GUEST_FEATURES, features, 4);
	set_queue(0, 0x10);
}

static void bring_up(uint32_t features)
{
	begin(features);
	set_status(S_OK);
}

static unsigned int find_cap(uint8_t id)
{
	unsigned int off;

	for (off = cfg_r(PCI_CAPABILITY_LIST, 1); off && cfg_r(off, 1) != id; off = cfg_r(off + 1, 1))
		;
	return off;
}

static bool kicked(unsigned int n)
{
	uint64_t val;

	return read(fake->vd.queue[n].ring.kick, &val, 8) == 8;
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
static bool is_reset(void) { return !status(); }
static bool has_joined(void) { return __atomic_load_n(&fake->ring_starts, __ATOMIC_SEQ_CST); }

/* ---- making ---- */

static int make(uint16_t id, const struct virtio_pci_props *props)
{
	static const uint16_t sizes[NQ] = { 256, 64 };
	struct virtio_pci_init init = { .device_id = id, .class_code = 0x010000, .vectors = 3, .nr_queues = NQ,
					.queue_max = sizes, .props = props };
	int ret;

	fake = calloc(1, sizeof(*fake));
	sem_init(&fake->gate, 0, 0);
	fake->vh = (struct vhost){ .ops = &fake_ops, .name = "fake", .features = FEATURES | ANY_LAYOUT };
	fake->vd.name = "fake";
	fake->vd.ops = &dev_ops;
	fake->vd.vhost = &fake->vh;
	fake->vd.features = props && props->disable_modern ? FEATURES & UINT32_MAX : FEATURES;
	fake->vd.config = fake_config;
	fake->vd.config_len = sizeof(fake_config);
	fake->vd.ioeventfd = true;
	ret = virtio_pci_create(&vm, &fake->vd, &init);
	if (ret) {
		free(fake);
		fake = NULL;
		return ret;
	}
	vm_lock(&vm);
	pci_bus_assign(&vm);
	vm_unlock(&vm);
	cfg_w(PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	return 0;
}

static int setup(void **state)
{
	static const struct vm_config cfg = { .mem_size = 16 << 20, .cpus = 1, .cores = 1, .threads = 1, .cpu_model = "host",
					      .nodefaults = true };
	static const struct virtio_pci_props transitional = { .disable_legacy = PROP_OFF };

	loop = loop_new();
	assert_non_null(loop);
	assert_int_equal(vm_create(&vm, &cfg, loop), 0);
	if (!*state)
		assert_int_equal(make(VIRTIO_ID_BLOCK, &transitional), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (fake) {
		sem_post(&fake->gate);
		sem_post(&fake->gate);
	}
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
	assert_int_equal(cfg_r(PCI_VENDOR_ID, 4), 0x10011af4);
	assert_int_equal(cfg_r(PCI_REVISION_ID, 1), 0);
	assert_int_equal(cfg_r(PCI_SUBSYSTEM_VENDOR_ID, 4), VIRTIO_ID_BLOCK << 16 | 0x1af4);
	assert_int_equal(cfg_r(PCI_BASE_ADDRESS_0, 4) & 3, PCI_BASE_ADDRESS_SPACE_IO);
	assert_true(find_cap(PCI_CAP_ID_VNDR));
	assert_int_equal(fake->vd.pci.bar[0].size, 32);
}

static void test_interfaces(void **state)
{
	static const struct virtio_pci_props legacy = { .disable_modern = true }, modern = { .disable_legacy = PROP_ON },
		automatic = { .disable_legacy = PROP_AUTO }, iommu = { .iommu_platform = true },
		off = { .disable_legacy = PROP_OFF };
	static const struct {
		uint16_t id;
		const struct virtio_pci_props *props;
		uint32_t ids;
		bool ports, caps;
	} cases[] = {
		{ VIRTIO_ID_NET, &legacy, 0x10001af4, true, false },
		{ VIRTIO_ID_SCSI, &automatic, 0x10481af4, false, true },
		{ VIRTIO_ID_RNG, &off, 0x10051af4, true, true },
		{ VIRTIO_ID_BALLOON, &modern, 0x10451af4, false, true },
		{ VIRTIO_ID_CONSOLE, &iommu, 0x10431af4, false, true },
		{ VIRTIO_ID_FS, &automatic, 0x105a1af4, false, true },
		{ VIRTIO_ID_NET, NULL, 0x10411af4, false, true },
		{ VIRTIO_ID_FS, &legacy, 0, false, false },
		{ VIRTIO_ID_INPUT, &off, 0, false, false },
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup((void **)&cases);
		assert_int_equal(make(cases[i].id, cases[i].props), cases[i].ids ? 0 : -1);
		if (cases[i].ids) {
			assert_int_equal(cfg_r(PCI_VENDOR_ID, 4), cases[i].ids);
			assert_int_equal(cfg_r(PCI_REVISION_ID, 1), !cases[i].ports);
			assert_int_equal(!!cfg_r(PCI_BASE_ADDRESS_0, 4), cases[i].ports);
			assert_int_equal(!!cfg_r(PCI_BASE_ADDRESS_4, 4), cases[i].caps);
			assert_int_equal(!!find_cap(PCI_CAP_ID_VNDR), cases[i].caps);
		}
		teardown(state);
	}
}

static void test_features(void **state)
{
	(void)state;
	assert_int_equal(reg_r(VIRTIO_PCI_HOST_FEATURES, 4), (uint32_t)FEATURES | ANY_LAYOUT);
	bring_up(UINT32_MAX);
	assert_int_equal(reg_r(VIRTIO_PCI_GUEST_FEATURES, 4), (uint32_t)FEATURES | ANY_LAYOUT);
	assert_true(run_until(is_running, 1000));
	/* of which the back end hears what is its own, and the device all */
	assert_int_equal(fake->features, (uint32_t)FEATURES);
	assert_int_equal(fake->ok_features, (uint32_t)FEATURES | ANY_LAYOUT);
	/* settled */
	reg_w(VIRTIO_PCI_GUEST_FEATURES, 0, 4);
	assert_int_equal(reg_r(VIRTIO_PCI_GUEST_FEATURES, 4), (uint32_t)FEATURES | ANY_LAYOUT);
	assert_true(virtio_negotiated(&fake->vd, 3));
	/* those that do not fit together */
	set_status(0);
	assert_true(run_until(is_reset, 1000));
	assert_false(virtio_negotiated(&fake->vd, 3));
	bring_up(1u << 5);
	assert_int_equal(status(), S_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_false(run_until(is_running, 50));
}

static void test_layout(void **state)
{
	(void)state;
	begin(0);
	assert_int_equal(reg_r(VIRTIO_PCI_QUEUE_NUM, 2), 256);
	set_queue(1, 0xffffffff);
	assert_int_equal(reg_r(VIRTIO_PCI_QUEUE_NUM, 2), 64);
	assert_int_equal(reg_r(VIRTIO_PCI_QUEUE_PFN, 4), 0xffffffff);
	set_queue(2, 1);
	assert_int_equal(reg_r(VIRTIO_PCI_QUEUE_NUM, 2), 0);
	assert_int_equal(reg_r(VIRTIO_PCI_QUEUE_PFN, 4), 0);
	set_status(S_OK);
	assert_true(run_until(is_running, 1000));
	assert_int_equal(fake->ring[0].desc, 0x10000);
	assert_int_equal(fake->ring[0].avail, 0x11000);
	assert_int_equal(fake->ring[0].used, 0x12000);
	assert_int_equal(fake->ring[0].size, 256);
	assert_int_equal(fake->ring[1].desc, 0xffffffff000ull);
	assert_int_equal(fake->ring[1].avail, 0xffffffff400ull);
	assert_int_equal(fake->ring[1].used, 0x100000000000ull);
	/* no place but the first, while it has one */
	set_queue(0, 0x20);
	assert_int_equal(reg_r(VIRTIO_PCI_QUEUE_PFN, 4), 0x10);
}

static void test_reset(void **state)
{
	(void)state;
	fake->stall_stop = true;
	bring_up(0);
	assert_true(run_until(is_running, 1000));
	set_status(0);
	assert_false(run_until(is_reset, 50));
	/* nothing is taken meanwhile */
	set_status(S_UP);
	reg_w(VIRTIO_PCI_QUEUE_SEL, 1, 2);
	sem_post(&fake->gate);
	assert_true(run_until(is_reset, 1000));
	assert_int_equal(reg_r(VIRTIO_PCI_QUEUE_SEL, 2), 0);
	assert_int_equal(reg_r(VIRTIO_PCI_QUEUE_PFN, 4), 0);
	/* page 0 of a queue is as much where the device runs, and no more than that where it does not */
	begin(0);
	set_queue(0, 0);
	assert_int_equal(status(), S_UP);
	set_queue(0, 0x30);
	set_status(S_OK);
	assert_true(run_until(is_running, 1000));
	set_queue(0, 0);
	sem_post(&fake->gate);
	assert_true(run_until(is_reset, 1000));
	assert_int_equal(fake->stops, 2);
}

static void test_early(void **state)
{
	(void)state;
	begin(0);
	/* not by a queue that is nowhere */
	reg_w(VIRTIO_PCI_QUEUE_NOTIFY, 1, 2);
	reg_w(VIRTIO_PCI_QUEUE_NOTIFY, 77, 2);
	assert_false(run_until(is_running, 50));
	reg_w(VIRTIO_PCI_QUEUE_NOTIFY, 0, 2);
	assert_true(run_until(is_running, 1000));
	assert_true(kicked(0) && kicked(1));
	assert_true(fake->vd.queue[0].legacy_wired);
	/* one more comes later */
	set_queue(1, 0x20);
	assert_true(run_until(has_joined, 1000));
	assert_true(fake->vd.queue[1].legacy_wired);
	set_status(S_OK);
	run_until(NULL, 20);
	assert_int_equal(status(), S_OK);
	assert_int_equal(fake->starts, 1);
	set_status(0);
	assert_true(run_until(is_reset, 1000));
	assert_false(fake->vd.queue[0].legacy_wired || fake->vd.queue[1].legacy_wired);
}

static void test_ports_move(void **state)
{
	uint32_t bar = cfg_r(PCI_BASE_ADDRESS_0, 4);

	(void)state;
	bring_up(0);
	assert_true(fake->vd.queue[0].legacy_wired);
	cfg_w(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_false(fake->vd.queue[0].legacy_wired);
	cfg_w(PCI_BASE_ADDRESS_0, 0xd000, 4);
	cfg_w(PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
	assert_true(fake->vd.queue[0].legacy_wired);
	assert_int_equal(status(), S_OK);
	cfg_w(PCI_BASE_ADDRESS_0, bar, 4);
	assert_true(fake->vd.queue[0].legacy_wired);
}

static void test_config(void **state)
{
	unsigned int msix = find_cap(PCI_CAP_ID_MSIX);

	(void)state;
	assert_int_equal(reg_r(20, 4), 0x04030201);
	assert_int_equal(reg_r(24, 4), 0x0605);
	reg_w(24, 0x77, 1);
	assert_int_equal(fake->config_off, 4);
	cfg_w(msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	assert_int_equal(reg_r(24, 4), 0x04030201);
	reg_w(24, 0x1234, 2);
	assert_int_equal(fake->config_off, 0);
	assert_int_equal(fake->config_len, 2);
	assert_int_equal(fake->config_val, 0x1234);
	reg_w(VIRTIO_MSI_CONFIG_VECTOR, 2, 2);
	assert_int_equal(reg_r(VIRTIO_MSI_CONFIG_VECTOR, 2), 2);
	reg_w(VIRTIO_MSI_CONFIG_VECTOR, 3, 2);
	assert_int_equal(reg_r(VIRTIO_MSI_CONFIG_VECTOR, 2), VIRTIO_MSI_NO_VECTOR);
	reg_w(VIRTIO_MSI_QUEUE_VECTOR, 1, 2);
	assert_int_equal(fake->vd.queue[0].vector, 1);
	reg_w(VIRTIO_PCI_QUEUE_SEL, NQ, 2);
	reg_w(VIRTIO_MSI_QUEUE_VECTOR, 1, 2);
	assert_int_equal(reg_r(VIRTIO_MSI_QUEUE_VECTOR, 2), VIRTIO_MSI_NO_VECTOR);
}

static void common_w(unsigned int off, uint64_t val, unsigned int len)
{
	vm_lock(&vm);
	bus_write(&vm.mmio, fake->vd.pci.bar[4].range.base + off, &val, len);
	vm_unlock(&vm);
}

/* One interface at a time */
static void test_both(void **state)
{
	(void)state;
	begin(1u << 3);
	common_w(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	common_w(VIRTIO_PCI_COMMON_GF, 1, 4);
	common_w(VIRTIO_PCI_COMMON_STATUS, S_UP | VIRTIO_CONFIG_S_FEATURES_OK, 1);
	assert_int_equal(status(), S_UP);
	set_status(0);
	common_w(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	common_w(VIRTIO_PCI_COMMON_GF, 1, 4);
	common_w(VIRTIO_PCI_COMMON_STATUS, S_UP | VIRTIO_CONFIG_S_FEATURES_OK, 1);
	assert_int_equal(status(), S_UP | VIRTIO_CONFIG_S_FEATURES_OK);
	reg_w(VIRTIO_PCI_GUEST_FEATURES, 8, 4);
	set_queue(0, 0x10);
	assert_int_equal(reg_r(VIRTIO_PCI_QUEUE_PFN, 4), 0);
	assert_true(virtio_negotiated(&fake->vd, VIRTIO_F_VERSION_1));
}

/* Anything in all ports, and in configuration space and the other interface, while the back end comes and goes */
static void test_garbage(void **state)
{
	unsigned int i, seed = 2;
	uint64_t one = 1;

	(void)state;
	for (i = 0; i < 30000; i++) {
		uint32_t r = rand_r(&seed), v = rand_r(&seed) ^ (uint32_t)rand_r(&seed) << 16;
		unsigned int len = 1u << (r % 3), off = r >> 4 & 31 & ~(len - 1);

		switch (r >> 20 & 15) {
		case 0:
			cfg_w((r >> 4 & 0xff) & ~(len - 1), v, len);
			break;
		case 1:
			cfg_w(PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
			break;
		case 2:
			common_w((r >> 4 & 63) & ~(len - 1), v, len);
			break;
		case 3:
			if (write(fake->vd.queue[v % NQ].ring.call, &one, 8) != 8)
				fail();
			break;
		case 4:
			if (!(v & 7))
				run_until(NULL, 1);
			break;
		case 5:
			if (v & 31)
				break;
			cfg_w(PCI_BASE_ADDRESS_0, 0xc000, 4);
			cfg_w(PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
			bring_up(v & ~(1u << 5));
			break;
		case 6:
			set_queue(v & 1, v >> 1);
			break;
		case 7:
			reg_w(VIRTIO_PCI_QUEUE_NOTIFY, v & 3, 2);
			break;
		case 8: case 9:
			reg_r(off, len);
			break;
		default:
			reg_w(off, v, len);
			break;
		}
	}
	assert_in_range(fake->starts, 10, INT32_MAX);
	assert_false(fake->odd);
	vm_lock(&vm);
	pci_bus_reset(&vm);
	vm_unlock(&vm);
	assert_int_equal(fake->running, 0);
	cfg_w(PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
	bring_up(8);
	assert_true(run_until(is_running, 1000));
	assert_int_equal(status(), S_OK);
}

#define TEST(_name)	cmocka_unit_test_setup_teardown(test_##_name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity), cmocka_unit_test(test_interfaces), TEST(features), TEST(layout), TEST(reset), TEST(early),
		TEST(ports_move), TEST(config), TEST(both), TEST(garbage),
	};

	if (access("/dev/kvm", R_OK | W_OK)) {
		printf("1..0 # SKIP no /dev/kvm\n");
		return 0;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What a disk's configuration space and features say, by what vhost_blk tells of the drive and what the
 * properties ask for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "lib/log.h"
#include "vmm/virtio_blk.h"
#include "said.h"

#define BIT64(_n)	(1ull << (_n))
#define RING		(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_EVENT_IDX) | \
			 BIT64(VIRTIO_RING_F_INDIRECT_DESC) | BIT64(VIRTIO_F_RING_PACKED) | \
			 BIT64(VIRTIO_F_IN_ORDER) | BIT64(VIRTIO_F_RING_RESET))

static struct virtio_blk blk;
static struct blockdev bd;
static struct blk_props p;
static struct vhost_blk_info info;

/* A disk that can do everything, with blocks of 512 in 4096, asked for everything */
static int setup(void **state)
{
	(void)state;
	memset(&blk, 0, sizeof(blk));
	bd = (struct blockdev){ .id = "d", .file = "x", .fd = -1, .discard = true, .writeback = true };
	blk.bd = &bd;
	blk.writeback = true;
	blk.vk.vhost.features = RING | BIT64(26);
	blk.vd.vhost = &blk.vk.vhost;
	blk.has = UINT64_MAX;
	snprintf(blk.name, sizeof(blk.name), "b");
	p = (struct blk_props){
		.num_queues = 4, .queue_size = 256, .discard = true, .write_zeroes = true, .config_wce = true,
		.pci = { .event_idx = true, .indirect_desc = true, .packed = true, .in_order = true,
			 .queue_reset = true },
	};
	info = (struct vhost_blk_info){
		.capacity = 0x1000003, .logical_block_size = 512, .physical_block_size = 4096,
		.alignment_offset = 1024, .io_min = 4096, .io_opt = 65536, .seg_max = 128, .size_max = 65536,
		.max_discard_sectors = 1000, .max_discard_seg = 8, .discard_sector_alignment = 4,
		.max_write_zeroes_sectors = 2000, .max_write_zeroes_seg = 9, .write_zeroes_may_unmap = 1,
		.max_secure_erase_sectors = 3000, .max_secure_erase_seg = 10, .secure_erase_sector_alignment = 16,
	};
	return 0;
}

static const struct virtio_blk_config *filled(void)
{
	assert_int_equal(blk_config_fill(&blk, &p, &info), 0);
	return &blk.config;
}

static bool offers(unsigned int bit)
{
	filled();
	return blk_features(&blk, &p, &info) & BIT64(bit);
}

static void test_as_it_is(void **state)
{
	const struct virtio_blk_config *c = filled();

	(void)state;
	assert_int_equal(c->capacity, 0x1000003);
	assert_int_equal(c->blk_size, 512);
	assert_int_equal(c->physical_block_exp, 3);
	assert_int_equal(c->alignment_offset, 2);
	assert_int_equal(c->min_io_size, 8);
	assert_int_equal(c->opt_io_size, 128);
	assert_int_equal(c->seg_max, 128);
	assert_int_equal(c->size_max, 65536);
	assert_int_equal(c->num_queues, 4);
	assert_int_equal(c->wce, 1);
	assert_int_equal(c->max_discard_sectors, 1000);
	assert_int_equal(c->max_discard_seg, 8);
	assert_int_equal(c->discard_sector_alignment, 4);
	assert_int_equal(c->max_write_zeroes_sectors, 2000);
	assert_int_equal(c->max_write_zeroes_seg, 9);
	assert_int_equal(c->write_zeroes_may_unmap, 1);
	assert_int_equal(c->max_secure_erase_sectors, 3000);
	assert_int_equal(c->max_secure_erase_seg, 10);
	assert_int_equal(c->secure_erase_sector_alignment, 16);
	/* what the module has and nobody negotiates is not passed on */
	assert_true(blk_features(&blk, &p, &info) ==
		    (RING | BIT64(VIRTIO_BLK_F_SIZE_MAX) | BIT64(VIRTIO_BLK_F_SEG_MAX) |
		     BIT64(VIRTIO_BLK_F_BLK_SIZE) | BIT64(VIRTIO_BLK_F_FLUSH) | BIT64(VIRTIO_BLK_F_TOPOLOGY) |
		     BIT64(VIRTIO_BLK_F_CONFIG_WCE) | BIT64(VIRTIO_BLK_F_MQ) | BIT64(VIRTIO_BLK_F_DISCARD) |
		     BIT64(VIRTIO_BLK_F_WRITE_ZEROES) | BIT64(VIRTIO_BLK_F_SECURE_ERASE)));
}

static void test_block_sizes(void **state)
{
	static const struct {
		uint64_t logical, physical;
		uint32_t blk_size;
		uint8_t exp, offset;
		uint64_t capacity;
		uint16_t min_io;
	} ok[] = {
		{ 512, 0, 512, 3, 2, 0x1000003, 8 },
		{ 4096, 0, 4096, 0, 0, 0x1000000, 1 },
		{ 8192, 0, 8192, 0, 0, 0x1000000, 0 },
		{ 0, 512, 512, 0, 0, 0x1000003, 8 },
		{ 0, 65536, 512, 7, 0, 0x1000003, 8 },
		{ 1024, 2048, 1024, 1, 0, 0x1000002, 4 },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(ok) / sizeof(ok[0]); i++) {
		const struct virtio_blk_config *c;

		memset(&blk.config, 0, sizeof(blk.config));
		p.logical_block_size = ok[i].logical;
		p.physical_block_size = ok[i].physical;
		c = filled();
		assert_int_equal(c->blk_size, ok[i].blk_size);
		assert_int_equal(c->physical_block_exp, ok[i].exp);
		assert_int_equal(c->alignment_offset, ok[i].offset);
		assert_int_equal(c->capacity, ok[i].capacity);
		assert_int_equal(c->min_io_size, ok[i].min_io);
		/* and so does a new size */
		info.capacity += 16;
		assert_int_equal(blk_sectors(&blk, &info), ok[i].capacity + 16);
		info.capacity -= 16;
	}
}

static void refused(const char *words)
{
	listen_begin();
	assert_int_equal(blk_config_fill(&blk, &p, &info), -1);
	listen_end();
	assert_non_null(strstr(said, words));
}

static void test_block_sizes_refused(void **state)
{
	(void)state;
	p.logical_block_size = 1536;
	refused("logical_block_size=1536: takes a power of two");
	info.logical_block_size = 4096;
	p.logical_block_size = 512;
	refused("logical_block_size=512: the drive needs 4096");
	p.logical_block_size = 0;
	p.physical_block_size = 2048;
	refused("physical_block_size=2048: the drive needs 4096");
	p.physical_block_size = 0;
	p.min_io_size = 1024;
	refused("multiples of the logical block size, 4096");
	p.min_io_size = 0;
	p.opt_io_size = 6144;
	refused("multiples of the logical block size, 4096");
}

static void test_limits(void **state)
{
	(void)state;
	/* header and status fit into the queue with the data */
	p.queue_size = 64;
	assert_int_equal(filled()->seg_max, 62);
	p.queue_size = 4;
	assert_int_equal(filled()->seg_max, 2);
	/* larger than their fields */
	info.alignment_offset = 512 * 300;
	assert_int_equal(filled()->alignment_offset, 255);
	info.io_min = 512 * 70000;
	assert_int_equal(filled()->min_io_size, 65535);
	info.size_max = 0;
	assert_false(offers(VIRTIO_BLK_F_SIZE_MAX));
	p.num_queues = 1;
	assert_false(offers(VIRTIO_BLK_F_MQ));
}

static void test_cache(void **state)
{
	(void)state;
	p.config_wce = false;
	assert_true(offers(VIRTIO_BLK_F_FLUSH));
	assert_false(offers(VIRTIO_BLK_F_CONFIG_WCE));
	blk.writeback = false;
	assert_false(offers(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(filled()->wce, 0);
	/* CONFIG_WCE does not come without FLUSH: 5.2.5.2 */
	p.config_wce = true;
	assert_true(offers(VIRTIO_BLK_F_FLUSH));
	assert_true(offers(VIRTIO_BLK_F_CONFIG_WCE));
	assert_int_equal(filled()->wce, 0);
}

static void changes(bool may)
{
	assert_int_equal(offers(VIRTIO_BLK_F_RO), !may);
	assert_int_equal(offers(VIRTIO_BLK_F_DISCARD), may);
	assert_int_equal(offers(VIRTIO_BLK_F_WRITE_ZEROES), may);
	assert_int_equal(offers(VIRTIO_BLK_F_SECURE_ERASE), may);
}

static void test_readonly(void **state)
{
	(void)state;
	changes(true);
	bd.readonly = true;
	changes(false);
	bd.readonly = false;
	info.flags = VHOST_BLK_INFO_RDONLY;
	changes(false);
}

static void test_discard(void **state)
{
	(void)state;
	/* the drive forbids it, or the device; zeroes are written then */
	bd.discard = false;
	assert_false(offers(VIRTIO_BLK_F_DISCARD));
	assert_false(offers(VIRTIO_BLK_F_SECURE_ERASE));
	assert_true(offers(VIRTIO_BLK_F_WRITE_ZEROES));
	assert_int_equal(filled()->write_zeroes_may_unmap, 0);
	setup(NULL);
	p.discard = false;
	assert_false(offers(VIRTIO_BLK_F_DISCARD));
	assert_false(offers(VIRTIO_BLK_F_SECURE_ERASE));
	assert_int_equal(filled()->write_zeroes_may_unmap, 0);
	setup(NULL);
	p.write_zeroes = false;
	assert_false(offers(VIRTIO_BLK_F_WRITE_ZEROES));
	assert_true(offers(VIRTIO_BLK_F_DISCARD));
	/* or the back end cannot */
	setup(NULL);
	info.max_discard_sectors = 0;
	info.max_secure_erase_sectors = 0;
	info.max_write_zeroes_sectors = 0;
	assert_false(offers(VIRTIO_BLK_F_DISCARD));
	assert_false(offers(VIRTIO_BLK_F_SECURE_ERASE));
	assert_false(offers(VIRTIO_BLK_F_WRITE_ZEROES));
}

static void test_rings(void **state)
{
	static const unsigned int bits[] = { VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC,
					     VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER, VIRTIO_F_RING_RESET };
	bool *const props[] = { &p.pci.event_idx, &p.pci.indirect_desc, &p.pci.packed, &p.pci.in_order, &p.pci.queue_reset };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		setup(NULL);
		assert_true(offers(bits[i]));
		*props[i] = false;
		assert_false(offers(bits[i]));
		setup(NULL);
		blk.vk.vhost.features &= ~BIT64(bits[i]);
		assert_false(offers(bits[i]));
	}
	assert_false(offers(VIRTIO_F_ACCESS_PLATFORM));
	p.pci.iommu_platform = true;
	assert_true(offers(VIRTIO_F_ACCESS_PLATFORM));
}

#define TEST(_name)	cmocka_unit_test_setup(test_##_name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(as_it_is), TEST(block_sizes), TEST(block_sizes_refused), TEST(limits), TEST(cache),
		TEST(readonly), TEST(discard), TEST(rings),
	};

	log_init("vmm_blk");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

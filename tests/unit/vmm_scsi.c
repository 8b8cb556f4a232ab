// SPDX-License-Identifier: GPL-2.0
/*
 * What a SCSI adapter's configuration space and features say, by the properties and what vhost_scsi offers;
 * which of a driver's writes ask for what is not there; and which targets are known not to be there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "lib/log.h"
#include "vmm/virtio_scsi.h"
#include "said.h"

#define BIT64(_n)	(1ull << (_n))
#define RING		(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_EVENT_IDX) | \
			 BIT64(VIRTIO_RING_F_INDIRECT_DESC) | BIT64(VIRTIO_F_RING_PACKED) | \
			 BIT64(VIRTIO_F_IN_ORDER))
#define SCSI		(BIT64(VIRTIO_SCSI_F_HOTPLUG) | BIT64(VIRTIO_SCSI_F_CHANGE) | \
			 BIT64(VIRTIO_SCSI_F_T10_PI))

static struct virtio_scsi scsi;
static struct scsi_props p;

/* A module that can do everything, asked for everything */
static int setup(void **state)
{
	(void)state;
	memset(&scsi, 0, sizeof(scsi));
	scsi.vk.vhost.features = RING | SCSI | BIT64(26) | BIT64(VIRTIO_F_RING_RESET);
	p = (struct scsi_props){
		.num_queues = 4, .virtqueue_size = 256, .max_sectors = 1000, .cmd_per_lun = 20,
		.hotplug = true, .param_change = true, .t10_pi = true,
		.pci = { .event_idx = true, .indirect_desc = true, .packed = true, .in_order = true,
			 .queue_reset = true },
	};
	return 0;
}

static void test_config(void **state)
{
	const struct virtio_scsi_config *c = &scsi.config;

	(void)state;
	scsi_config_fill(&scsi.config, &p);
	assert_int_equal(c->num_queues, 4);
	/* header and response fit into the queue with the data */
	assert_int_equal(c->seg_max, 254);
	assert_int_equal(c->max_sectors, 1000);
	assert_int_equal(c->cmd_per_lun, 20);
	assert_int_equal(c->event_info_size, 16);
	assert_int_equal(c->sense_size, 96);
	assert_int_equal(c->cdb_size, 32);
	assert_int_equal(c->max_channel, 0);
	assert_int_equal(c->max_target, 255);
	assert_int_equal(c->max_lun, 16383);
	assert_int_equal(sizeof(*c), 36);
}

static void test_features(void **state)
{
	static const unsigned int bits[] = { VIRTIO_SCSI_F_HOTPLUG, VIRTIO_SCSI_F_CHANGE, VIRTIO_SCSI_F_T10_PI,
					     VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER };
	bool *const props[] = { &p.hotplug, &p.param_change, &p.t10_pi, &p.pci.packed, &p.pci.in_order };
	unsigned int i;

	(void)state;
	/* what the module has and nobody negotiates, or cannot be kept, is not passed on */
	assert_true(scsi_features(&scsi, &p) == (RING | SCSI));
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		setup(NULL);
		*props[i] = false;
		assert_true(scsi_features(&scsi, &p) == ((RING | SCSI) & ~BIT64(bits[i])));
		setup(NULL);
		scsi.vk.vhost.features &= ~BIT64(bits[i]);
		assert_true(scsi_features(&scsi, &p) == ((RING | SCSI) & ~BIT64(bits[i])));
	}
}

static void test_writes(void **state)
{
	static const struct {
		unsigned int off;
		uint64_t val;
		unsigned int len;
		bool refused;
	} w[] = {
		/* what Linux does: the sizes that are there */
		{ 20, 96, 4, false }, { 24, 32, 4, false }, { 20, 96 | 32ull << 32, 8, false },
		{ 20, 96, 1, false }, { 21, 0, 1, false }, { 22, 0, 2, false },
		{ 20, 252, 4, true }, { 24, 16, 4, true }, { 24, 260, 4, true }, { 20, 95, 1, true },
		{ 21, 1, 1, true }, { 27, 1, 1, true }, { 16, 16 | 97ull << 32, 8, true },
		/* only these two are the driver's to write */
		{ 0, 77, 4, false }, { 16, 77, 4, false }, { 16, 77 | 96ull << 32, 8, false },
		{ 28, 77, 2, false }, { 32, 77, 4, false },
	};
	unsigned int i;

	(void)state;
	scsi_config_fill(&scsi.config, &p);
	for (i = 0; i < sizeof(w) / sizeof(w[0]); i++)
		assert_int_equal(scsi_config_refused(&scsi.config, w[i].off, w[i].val, w[i].len), w[i].refused);
}

static void nexus(const char *tpgt, const char *text)
{
	FILE *f;

	assert_int_equal(mkdir(tpgt, 0755), 0);
	assert_int_equal(chdir(tpgt), 0);
	f = fopen("nexus", "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chdir(".."), 0);
}

static void check(int ret, const char *words)
{
	listen_begin();
	assert_int_equal(scsi_target_check("b", "naa.1", "target"), ret);
	listen_end();
	if (words)
		assert_non_null(strstr(said, words));
	else
		assert_string_equal(said, "");
}

static void test_target(void **state)
{
	char dir[] = "/tmp/vmm_scsi.XXXXXX", cmd[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	/* configfs is not to be seen: nothing is known */
	check(0, NULL);
	assert_int_equal(mkdir("target", 0755), 0);
	check(-1, "-device b: wwpn=naa.1: there is no such target in target/vhost");
	assert_int_equal(mkdir("target/vhost", 0755), 0);
	check(-1, "there is no such target");
	assert_int_equal(mkdir("target/vhost/naa.1", 0755), 0);
	check(-1, "has no tpgt_* with a nexus");
	assert_int_equal(chdir("target/vhost/naa.1"), 0);
	nexus("tpgt_1", "");
	assert_int_equal(chdir(dir), 0);
	check(-1, "has no tpgt_* with a nexus");
	assert_int_equal(chdir("target/vhost/naa.1"), 0);
	nexus("tpgt_2", "naa.1\n");
	assert_int_equal(chdir(dir), 0);
	check(0, NULL);
	assert_int_equal(chdir("/"), 0);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
}

#define TEST(_name)	cmocka_unit_test_setup(test_##_name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(config), TEST(features), TEST(writes), TEST(target) };

	log_init("vmm_scsi");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

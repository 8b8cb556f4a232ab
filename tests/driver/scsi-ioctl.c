// SPDX-License-Identifier: GPL-2.0
/*
 * What /dev/vhost-scsi and its configfs answer a VMM and an administrator: "case: result" lines, to be
 * compared with the stock module's.
 *
 *	scsi-ioctl WWPN OTHER	two targets: the first with portal groups 1 and 2, the other with 1
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/scsi.h"

#define CONFIG	"/sys/kernel/config/target/vhost/"

static const char *wwpn, *other;
static struct scsi s;

static void show(const char *name, int ret)
{
	t_case(name, "%s", t_err(ret));
}

static void reopen(uint64_t features)
{
	struct reqs_opt o = { .features = features };

	scsi_close(&s);
	t_need(scsi_open(&s, &o), "device");
}

static int call(unsigned long request, void *arg)
{
	return ioctl(s.q.dev.fd, request, arg) ? -errno : 0;
}

static int features(uint64_t f)
{
	return call(VHOST_SET_FEATURES, &f);
}

static int command(void)
{
	struct scsi_cmd c = { 0 };
	int ret = scsi_do(&s, &c, 0, "00 00 00 00 00 00");

	return ret > 0 ? -EIO : ret;
}

static void test_features(void)
{
	static const struct { const char *name; unsigned int bit; } f[] = {
		{ "notify_on_empty", VIRTIO_F_NOTIFY_ON_EMPTY }, { "log_all", VHOST_F_LOG_ALL },
		{ "any_layout", VIRTIO_F_ANY_LAYOUT }, { "indirect", VIRTIO_RING_F_INDIRECT_DESC },
		{ "event_idx", VIRTIO_RING_F_EVENT_IDX }, { "version_1", VIRTIO_F_VERSION_1 },
		{ "access_platform", VIRTIO_F_ACCESS_PLATFORM }, { "inout", VIRTIO_SCSI_F_INOUT },
		{ "hotplug", VIRTIO_SCSI_F_HOTPLUG }, { "change", VIRTIO_SCSI_F_CHANGE },
		{ "t10_pi", VIRTIO_SCSI_F_T10_PI }, { "packed", VIRTIO_F_RING_PACKED },
		{ "in_order", VIRTIO_F_IN_ORDER }, { "ring_reset", VIRTIO_F_RING_RESET },
	};
	unsigned int i;
	char name[64];

	reopen(0);
	for (i = 0; i < ARRAY_SIZE(f); i++) {
		snprintf(name, sizeof(name), "feature/%s", f[i].name);
		t_case(name, "%d", !!(s.q.dev.offered & VDRV_BIT(f[i].bit)));
		if (s.q.dev.offered & VDRV_BIT(f[i].bit))
			continue;
		snprintf(name, sizeof(name), "feature/refuse_%s", f[i].name);
		show(name, features(VDRV_BIT(f[i].bit)));
	}
}

static void test_endpoint(void)
{
	struct vhost_scsi_target t = { .abi_version = 7, .vhost_tpgt = 1 };
	struct reqs_opt o = { 0 };
	static struct scsi s2;
	char name[224];
	int ret, abi = -1;
	pid_t pid;

	reopen(0);
	show("abi/get", call(VHOST_SCSI_GET_ABI_VERSION, &abi));
	t_case("abi/version", "%d", abi);
	show("abi/no_memory", ioctl(s.q.dev.fd, VHOST_SCSI_GET_ABI_VERSION, 16) ? -errno : 0);
	show("endpoint/no_memory", ioctl(s.q.dev.fd, VHOST_SCSI_SET_ENDPOINT, 16) ? -errno : 0);
	show("endpoint/clear_without", scsi_clear(&s, wwpn, 1));
	show("endpoint/no_such", scsi_endpoint(&s, "naa.5001405000000001", 1));
	show("endpoint/empty_name", scsi_endpoint(&s, "", 1));
	snprintf(t.vhost_wwpn, sizeof(t.vhost_wwpn), "%s", wwpn);
	t.reserved = 1;
	show("endpoint/reserved", call(VHOST_SCSI_SET_ENDPOINT, &t));
	t.reserved = 0;
	show("endpoint/set", scsi_endpoint(&s, wwpn, 1));
	scsi_settle(&s, 0);
	show("endpoint/command", command());
	show("endpoint/twice", scsi_endpoint(&s, wwpn, 1));
	show("endpoint/another", scsi_endpoint(&s, other, 1));
	t_need(scsi_open(&s2, &o), "device");
	show("endpoint/of_somebody", scsi_endpoint(&s2, wwpn, 1));
	show("endpoint/clear_of_somebody", scsi_clear(&s2, wwpn, 1));
	show("endpoint/two_devices", scsi_endpoint(&s2, other, 1));
	scsi_close(&s2);
	show("endpoint/clear_other", scsi_clear(&s, other, 1));
	show("endpoint/clear_no_such", scsi_clear(&s, "naa.5001405000000001", 1));
	show("endpoint/command_still", command());
	pid = fork();
	if (!pid)
		_exit(-scsi_clear(&s, wwpn, 1));
	waitpid(pid, &ret, 0);
	show("endpoint/clear_by_a_child", -WEXITSTATUS(ret));
	show("endpoint/set_again", scsi_endpoint(&s, wwpn, 1));
	show("endpoint/clear", scsi_clear(&s, wwpn, 1));
	show("endpoint/clear_twice", scsi_clear(&s, wwpn, 1));
	show("endpoint/other_then", scsi_endpoint(&s, other, 1));
	scsi_settle(&s, 0);
	show("endpoint/other_command", command());

	/* The number is for nothing: all portal groups are targets. */
	reopen(0);
	show("endpoint/no_such_group", scsi_endpoint(&s, wwpn, 9));
	show("endpoint/no_such_group_command", command());

	reopen(0);
	memset(name, 'x', sizeof(name));
	memcpy(t.vhost_wwpn, name, sizeof(t.vhost_wwpn));
	show("endpoint/name_without_end", call(VHOST_SCSI_SET_ENDPOINT, &t));
}

/* What a VMM may still change when the endpoint is set */
static void test_set(void)
{
	struct vhost_vring_state st = { .index = SCSI_REQUEST, .num = 64 };
	uint32_t missed = 7;

	reopen(0);
	t_need(scsi_endpoint(&s, wwpn, 1), "endpoint");
	show("set/features_same", features(s.q.dev.features));
	show("set/features_log", features(s.q.dev.features | VDRV_BIT(VHOST_F_LOG_ALL)));
	show("set/features_hotplug", features(s.q.dev.features | VDRV_BIT(VIRTIO_SCSI_F_HOTPLUG)));
	show("set/features_t10_pi", features(s.q.dev.features | VDRV_BIT(VIRTIO_SCSI_F_T10_PI)));
	show("set/features_less", features(s.q.dev.features & ~VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)));
	show("set/num", call(VHOST_SET_VRING_NUM, &st));
	show("set/base", call(VHOST_SET_VRING_BASE, &st));
	st.index = 1000;
	show("set/no_such_queue", call(VHOST_GET_VRING_BASE, &st));
	show("set/net_backend", call(VHOST_NET_SET_BACKEND, &st));
	show("events/get", call(VHOST_SCSI_GET_EVENTS_MISSED, &missed));
	t_case("events/missed", "%u", missed);
	missed = 1;
	show("events/set", call(VHOST_SCSI_SET_EVENTS_MISSED, &missed));
	missed = 7;
	call(VHOST_SCSI_GET_EVENTS_MISSED, &missed);
	t_case("events/missed_then", "%u", missed);
	show("events/no_memory", ioctl(s.q.dev.fd, VHOST_SCSI_SET_EVENTS_MISSED, 16) ? -errno : 0);

	/* A reset takes all away. */
	show("reset/with_endpoint", call(VHOST_RESET_OWNER, NULL));
	show("reset/clear_after", scsi_clear(&s, wwpn, 1));
}

static int config_write(const char *what, const char *text)
{
	char path[400];

	snprintf(path, sizeof(path), CONFIG "%s/%s", wwpn, what);
	return t_write_file(path, text);
}

static int config_rmdir(const char *what)
{
	char path[400];

	snprintf(path, sizeof(path), CONFIG "%s/%s", wwpn, what);
	return rmdir(path) ? -errno : 0;
}

/* What an administrator may not take away meanwhile */
static void test_config(void)
{
	char nexus[64];

	reopen(0);
	snprintf(nexus, sizeof(nexus), "%s\n", wwpn);
	show("config/nexus_twice", config_write("tpgt_1/nexus", nexus));
	show("config/nexus_with_luns", config_write("tpgt_1/nexus", "NULL"));
	t_need(scsi_endpoint(&s, wwpn, 1), "endpoint");
	show("config/nexus_in_use", config_write("tpgt_1/nexus", "NULL"));
	show("config/empty_group_nexus_in_use", config_write("tpgt_2/nexus", "NULL"));
	show("config/group_in_use", config_rmdir("tpgt_1"));
	show("config/empty_group_in_use", config_rmdir("tpgt_2"));
	show("config/target_in_use", config_rmdir("."));
	show("config/command", command());
	show("config/clear", scsi_clear(&s, wwpn, 1));
	show("config/empty_group_nexus", config_write("tpgt_2/nexus", "NULL"));
	show("config/endpoint_without_nexus", scsi_endpoint(&s, wwpn, 1));
	show("config/without_nexus_command", command());
	show("config/nexus_under_way", config_write("tpgt_2/nexus", nexus));
	scsi_clear(&s, wwpn, 1);
	show("config/wrong_nexus", config_write("tpgt_2/nexus", "iqn.2001-01.x:y"));
	show("config/nexus_back", config_write("tpgt_2/nexus", nexus));
	show("config/empty_group", config_rmdir("tpgt_2"));
}

int main(int argc, char **argv)
{
	t_need(argc == 3 ? 0 : -EINVAL, "usage: scsi-ioctl WWPN OTHER");
	wwpn = argv[1];
	other = argv[2];
	s = (struct scsi){ .q = { .mem.fd = -1, .dev.fd = -1 } };
	test_features();
	test_endpoint();
	test_set();
	test_config();
	scsi_close(&s);
	t_case("end", "%d", 0);
	return 0;
}

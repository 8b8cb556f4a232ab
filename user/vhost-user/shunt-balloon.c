// SPDX-License-Identifier: GPL-2.0
/* shunt-balloon: the command line. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "balloon.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "program.h"

static const char usage[] =
	"Usage: shunt-balloon (--socket-path=PATH | --fd=N) [option...]\n"
	"Serves a virtio-balloon device over vhost-user, which gives the guest's memory back to the host.\n"
	"\n"
	VU_HELP_SOCKET
	"  --target=SIZE         how much the guest is asked for (0)\n"
	VU_HELP_CONTROL("\"target SIZE\", \"query\" and \"stats\"")
	"  --deflate-on-oom      the guest may take it back when it runs out of memory\n"
	"  --free-page-reporting the guest tells of pages that it has no use for at the moment\n"
	VU_HELP_COMMON;

static const char capabilities[] =
	"{\n"
	"  \"type\": \"balloon\"\n"
	"}\n";

enum { OPT_TARGET = 1, OPT_CONTROL, OPT_CONTROL_FD, OPT_OOM, OPT_REPORTING };

static const struct option options[] = {
	{ "target", required_argument, NULL, OPT_TARGET },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "control-fd", required_argument, NULL, OPT_CONTROL_FD },
	{ "deflate-on-oom", no_argument, NULL, OPT_OOM },
	{ "free-page-reporting", no_argument, NULL, OPT_REPORTING },
	{ NULL, 0, NULL, 0 },
};

struct opts {
	struct balloon *b;
	uint64_t features;
};

static int option(void *opts, int val, const char *name, char *arg)
{
	struct opts *o = opts;

	switch (val) {
	case OPT_TARGET:
		return balloon_set_target(o->b, arg) ? vu_option_bad(name, arg, "a size in pages of 4k, such as 256M") : 0;
	case OPT_CONTROL:
		o->b->control.path = arg;
		return 0;
	case OPT_CONTROL_FD:
		return vu_control_option(&o->b->control, name, arg);
	case OPT_OOM:
		o->features |= BIT64(VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
		return 0;
	default:
		o->features |= BIT64(VIRTIO_BALLOON_F_REPORTING);
		return 0;
	}
}

static const struct vu_program program = {
	.usage = usage,
	.capabilities = capabilities,
	.options = options,
	.option = option,
};

/* Hints and poison are not offered: the configuration ends before them. */
#define CONFIG_SIZE offsetof(struct virtio_balloon_config, free_page_hint_cmd_id)

static void get_config(void *dev, void *config)
{
	struct balloon *b = dev;
	struct virtio_balloon_config c = {
		.num_pages = htole32(__atomic_load_n(&b->target, __ATOMIC_RELAXED)),
		.actual = htole32(__atomic_load_n(&b->actual, __ATOMIC_RELAXED)),
	};

	memcpy(config, &c, CONFIG_SIZE);
}

static int set_config(void *dev, uint32_t offset, const uint8_t *data, uint32_t size)
{
	struct balloon *b = dev;
	uint32_t actual, at = offsetof(struct virtio_balloon_config, actual);

	/* Some front-ends write all of it whenever the driver writes a part. */
	if (offset > at || size < sizeof(actual) || at - offset > size - sizeof(actual))
		return -EINVAL;
	memcpy(&actual, data + (at - offset), sizeof(actual));
	__atomic_store_n(&b->actual, le32toh(actual), __ATOMIC_RELAXED);
	return 0;
}

/* Has the control socket set another target? */
static bool refresh(void *dev)
{
	struct balloon *b = dev;
	uint32_t target = __atomic_load_n(&b->target, __ATOMIC_RELAXED);
	bool changed = target != b->told;

	b->told = target;
	return changed;
}

static void set_features(void *dev, uint64_t features)
{
	struct balloon *b = dev;

	__atomic_store_n(&b->stats, features >> VIRTIO_BALLOON_F_STATS_VQ & 1, __ATOMIC_RELAXED);
	b->reporting = features & BIT64(VIRTIO_BALLOON_F_REPORTING);
}

static void reset(void *dev)
{
	struct balloon *b = dev;
	unsigned int i;

	__atomic_store_n(&b->actual, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&b->stats, false, __ATOMIC_RELAXED);
	for (i = 0; i < VIRTIO_BALLOON_S_NR; i++)
		__atomic_store_n(&b->stat[i], BALLOON_UNKNOWN, __ATOMIC_RELAXED);
}

static const struct sandbox_call calls[] = {
	VU_CONTROL_CALLS,
	{ 0 }
};

int main(int argc, char **argv)
{
	struct balloon b = { .control = { .connected = -1, .dev = &b, .command = balloon_command } };
	struct opts o = { .b = &b, .features = BIT64(VIRTIO_BALLOON_F_STATS_VQ) };
	struct vu_endpoint end = { .fd = -1 };
	struct vu_device d = {
		.name = "shunt-balloon",
		.dev = &b,
		.num_queues = BALLOON_QUEUES,
		.queue_ops = balloon_queue_ops,
		.no_files = true,
		.start = balloon_start,
		.finish = balloon_finish,
		.calls = calls,
		.config_size = CONFIG_SIZE,
		.get_config = get_config,
		.set_config = set_config,
		.set_features = set_features,
		.reset = reset,
	};
	int ret;

	log_init(d.name);
	ret = vu_program_parse(&program, &o, &end, &d.poll_us, argc, argv);
	if (ret)
		return ret < 0;
	b.d = &d;
	d.features = o.features;
	if (vu_control_open(&b.control))
		return 1;
	if (vu_control_there(&b.control))
		d.refresh = refresh;
	if (vu_endpoint_open(&end))
		return 1;
	return vu_endpoint_serve(&end, &d) ? 1 : 0;
}

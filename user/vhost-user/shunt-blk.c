// SPDX-License-Identifier: GPL-2.0
/* shunt-blk: the command line. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "blk.h"
#include "lib/log.h"
#include "lib/prop.h"
#include "program.h"

static const char usage[] =
	"Usage: shunt-blk (--socket-path=PATH | --fd=N) (--blk-file=FILE | --blk-fd=N) [option...]\n"
	"Serves a virtio-blk device over vhost-user, from a file or block device.\n"
	"\n"
	VU_HELP_SOCKET
	"  --blk-file=FILE       the disk: raw contents, whatever they look like\n"
	"  --blk-fd=N            the same, open already: this descriptor, with its locks\n"
	"  --read-only           no request may change it\n"
	"  --cache=none|writeback\n"
	"                        around the host's page cache, or through it (writeback)\n"
	"  --discard=unmap|ignore\n"
	"                        what a guest discards is deallocated (unmap), or kept\n"
	"  --fixed-buffers       pin guest memory once, and not for each request; not with a balloon\n"
	"  --num-queues=1..64    request queues, each with a thread of its own (1)\n"
	"  --serial=TEXT         serial number, at most 20 bytes\n"
	VU_HELP_COMMON;

static const char capabilities[] =
	"{\n"
	"  \"type\": \"block\",\n"
	"  \"features\": [ \"read-only\", \"blk-file\" ]\n"
	"}\n";

enum { OPT_FILE = 1, OPT_FILE_FD, OPT_RDONLY, OPT_CACHE, OPT_DISCARD, OPT_QUEUES, OPT_SERIAL, OPT_FIXED };

static const struct option options[] = {
	{ "blk-file", required_argument, NULL, OPT_FILE },
	{ "blk-fd", required_argument, NULL, OPT_FILE_FD },
	{ "read-only", no_argument, NULL, OPT_RDONLY },
	{ "cache", required_argument, NULL, OPT_CACHE },
	{ "discard", required_argument, NULL, OPT_DISCARD },
	{ "fixed-buffers", no_argument, NULL, OPT_FIXED },
	{ "num-queues", required_argument, NULL, OPT_QUEUES },
	{ "serial", required_argument, NULL, OPT_SERIAL },
	{ NULL, 0, NULL, 0 },
};

static int option(void *opts, int val, const char *name, char *arg)
{
	struct blk_opts *o = opts;

	switch (val) {
	case OPT_FILE:
		o->disk.path = arg;
		return 0;
	case OPT_FILE_FD:
		o->has_fd = true;
		return parse_fd(arg, &o->disk.fd) ? vu_option_bad(name, arg, "the number of an open file") : 0;
	case OPT_RDONLY:
		o->disk.rdonly = true;
		return 0;
	case OPT_CACHE:
		o->disk.direct = !strcmp(arg, "none");
		return o->disk.direct || !strcmp(arg, "writeback") ? 0 : vu_option_bad(name, arg, "none or writeback");
	case OPT_DISCARD:
		o->disk.keep = !strcmp(arg, "ignore");
		return o->disk.keep || !strcmp(arg, "unmap") ? 0 : vu_option_bad(name, arg, "unmap or ignore");
	case OPT_FIXED:
		o->fixes = true;
		return 0;
	case OPT_QUEUES:
		return vu_option_uint(name, arg, 1, VU_QUEUES_MAX, &o->num_queues);
	default:
		o->serial = arg;
		return strlen(arg) <= VIRTIO_BLK_ID_BYTES ? 0 : vu_option_bad(name, arg, "at most 20 bytes");
	}
}

static const struct vu_program program = {
	.usage = usage,
	.capabilities = capabilities,
	.options = options,
	.option = option,
};

static void get_config(void *dev, void *config)
{
	const struct blk *b = dev;

	memcpy(config, &b->config, sizeof(b->config));
}

/* What a driver may write is whether there is a cache. */
static int set_config(void *dev, uint32_t offset, const uint8_t *data, uint32_t size)
{
	struct blk *b = dev;

	if (offset != offsetof(struct virtio_blk_config, wce) || size != 1 || data[0] > 1)
		return -EINVAL;
	__atomic_store_n(&b->config.wce, data[0], __ATOMIC_RELAXED);
	return 0;
}

/* The capacity is that of the file, whoever changed it. */
static bool refresh(void *dev)
{
	struct blk *b = dev;

	if (!disk_refresh(&b->disk))
		return false;
	b->config.capacity = b->disk.size >> SECTOR_SHIFT;
	return true;
}

static void set_features(void *dev, uint64_t features)
{
	struct blk *b = dev;

	b->always_sync = !(features & (1ULL << VIRTIO_BLK_F_FLUSH | 1ULL << VIRTIO_BLK_F_CONFIG_WCE));
}

static const struct vu_queue_ops *queue_ops(void *dev, unsigned int index, int *file)
{
	(void)index;
	*file = ((struct blk *)dev)->disk.fd;
	return &blk_queue_ops;
}

/* Buffers are registered and unregistered while rings run: 0 and 1. */
static const struct sandbox_call fixed_calls[] = {
	{ "io_uring_register", 1, UINT32_MAX & ~1U, IORING_REGISTER_BUFFERS },
	{ 0 },
};

int main(int argc, char **argv)
{
	struct blk_opts o = { .disk.option = "--blk-file", .num_queues = 1 };
	struct vu_endpoint end = { .fd = -1 };
	struct blk b;
	struct vu_device d = {
		.name = "shunt-blk",
		.dev = &b,
		.queue_ops = queue_ops,
		.config_size = sizeof(struct virtio_blk_config),
		.get_config = get_config,
		.set_config = set_config,
		.set_features = set_features,
		.refresh = refresh,
		.no_files = true,
	};
	int ret;

	log_init(d.name);
	ret = vu_program_parse(&program, &o, &end, &d.poll_us, argc, argv);
	if (ret)
		return ret < 0;
	if (!o.disk.path == !o.has_fd)
		return log_err("one of --blk-file=FILE and --blk-fd=N is needed; see --help") < 0;
	if (o.has_fd)
		o.disk.option = "--blk-fd";
	if (blk_open(&b, &o) || vu_endpoint_open(&end))
		return 1;
	d.features = b.features;
	d.num_queues = o.num_queues;
	d.fixes = o.fixes;
	d.calls = o.fixes ? fixed_calls : NULL;
	return vu_endpoint_serve(&end, &d) ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0
/* shunt-blk: the command line. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "blk.h"
#include "endpoint.h"
#include "lib/log.h"
#include "lib/prop.h"

#define POLL_US_MAX 10000

static const char usage[] =
	"Usage: shunt-blk (--socket-path=PATH | --fd=N) --blk-file=FILE [option...]\n"
	"Serves a virtio-blk device over vhost-user, from a file or block device.\n"
	"\n"
	"  --socket-path=PATH    listen at a unix socket\n"
	"  --fd=N                use this socket, listening or connected\n"
	"  --blk-file=FILE       the disk: raw contents, whatever they look like\n"
	"  --read-only           no request may change it\n"
	"  --cache=none|writeback\n"
	"                        around the host's page cache, or through it (writeback)\n"
	"  --num-queues=1..64    request queues, each with a thread of its own (1)\n"
	"  --serial=TEXT         serial number, at most 20 bytes\n"
	"  --poll-us=0..10000    poll at most so many microseconds before sleeping, if that pays (0)\n"
	"  --print-capabilities  print what this program can do, as JSON, and exit\n"
	"  -h, --help            print this and exit\n";

static const char capabilities[] =
	"{\n"
	"  \"type\": \"block\",\n"
	"  \"features\": [ \"read-only\", \"blk-file\" ]\n"
	"}\n";

struct opts {
	struct blk_opts blk;
	struct vu_endpoint end;
	unsigned int poll_us;
};

static int bad(const char *opt, const char *arg, const char *takes)
{
	return log_err("--%s=%s: it takes %s", opt, arg, takes);
}

static int parse_uint(const char *opt, const char *arg, unsigned int min, unsigned int max, unsigned int *out)
{
	char takes[64];
	uint64_t n;

	if (!parse_u64(arg, &n) && n >= min && n <= max) {
		*out = (unsigned int)n;
		return 0;
	}
	snprintf(takes, sizeof(takes), "a number from %u to %u", min, max);
	return bad(opt, arg, takes);
}

enum { OPT_SOCKET = 256, OPT_FD, OPT_FILE, OPT_RDONLY, OPT_CACHE, OPT_QUEUES, OPT_SERIAL, OPT_POLL, OPT_CAPS };

static const struct option long_opts[] = {
	{ "socket-path", required_argument, NULL, OPT_SOCKET },
	{ "fd", required_argument, NULL, OPT_FD },
	{ "blk-file", required_argument, NULL, OPT_FILE },
	{ "read-only", no_argument, NULL, OPT_RDONLY },
	{ "cache", required_argument, NULL, OPT_CACHE },
	{ "num-queues", required_argument, NULL, OPT_QUEUES },
	{ "serial", required_argument, NULL, OPT_SERIAL },
	{ "poll-us", required_argument, NULL, OPT_POLL },
	{ "print-capabilities", no_argument, NULL, OPT_CAPS },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* Return: 0; -1 after one logged line */
static int parse_opt(struct opts *o, int c, const char *name, char *arg)
{
	switch (c) {
	case OPT_SOCKET:
		o->end.path = arg;
		return 0;
	case OPT_FD:
		return parse_fd(arg, &o->end.fd) ? bad(name, arg, "the number of an open socket") : 0;
	case OPT_FILE:
		o->blk.path = arg;
		return 0;
	case OPT_RDONLY:
		o->blk.rdonly = true;
		return 0;
	case OPT_CACHE:
		o->blk.direct = !strcmp(arg, "none");
		return o->blk.direct || !strcmp(arg, "writeback") ? 0 : bad(name, arg, "none or writeback");
	case OPT_QUEUES:
		return parse_uint(name, arg, 1, VU_QUEUES_MAX, &o->blk.num_queues);
	case OPT_SERIAL:
		o->blk.serial = arg;
		return strlen(arg) <= VIRTIO_BLK_ID_BYTES ? 0 : bad(name, arg, "at most 20 bytes");
	default:
		return parse_uint(name, arg, 0, POLL_US_MAX, &o->poll_us);
	}
}

/* Return: 0 go on; 1 all is done; -1 after one logged line */
static int parse(struct opts *o, int argc, char **argv)
{
	int c, i = 0;

	opterr = 0;
	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--print-capabilities")) {
			fputs(capabilities, stdout);
			return 1;
		}
	while ((c = getopt_long(argc, argv, ":h", long_opts, &i)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 1;
		}
		if (c == ':')
			return log_err("%s: it takes a value; see --help", argv[optind - 1]);
		if (c == '?')
			return log_err("%s: unknown option; see --help", argv[optind - 1]);
		if (parse_opt(o, c, long_opts[i].name, optarg))
			return -1;
	}
	if (optind < argc)
		return log_err("%s: not an option; see --help", argv[optind]);
	if (!o->end.path == (o->end.fd < 0))
		return log_err("one of --socket-path=PATH and --fd=N is needed; see --help");
	if (!o->blk.path)
		return log_err("--blk-file=FILE is needed; see --help");
	return 0;
}

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

static void set_features(void *dev, uint64_t features)
{
	struct blk *b = dev;

	b->always_sync = !(features & (1ULL << VIRTIO_BLK_F_FLUSH | 1ULL << VIRTIO_BLK_F_CONFIG_WCE));
}

int main(int argc, char **argv)
{
	struct opts o = { .end = { .fd = -1 }, .blk = { .num_queues = 1 } };
	struct vu_device d = {
		.name = "shunt-blk",
		.queue_ops = &blk_queue_ops,
		.config_size = sizeof(struct virtio_blk_config),
		.get_config = get_config,
		.set_config = set_config,
		.set_features = set_features,
	};
	struct blk b;
	int ret;

	log_init(d.name);
	ret = parse(&o, argc, argv);
	if (ret)
		return ret < 0;
	if (blk_open(&b, &o.blk) || vu_endpoint_open(&o.end))
		return 1;
	d.dev = &b;
	d.file = b.fd;
	d.features = b.features;
	d.num_queues = o.blk.num_queues;
	d.poll_us = o.poll_us;
	return vu_endpoint_serve(&o.end, &d) ? 1 : 0;
}

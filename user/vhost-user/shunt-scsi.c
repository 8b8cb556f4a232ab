// SPDX-License-Identifier: GPL-2.0
/* shunt-scsi: the command line. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/bits.h"
#include "lib/log.h"
#include "lib/prop.h"
#include "program.h"
#include "scsi.h"

static const char usage[] =
	"Usage: shunt-scsi (--socket-path=PATH | --fd=N) --lun=FILE[,key=value...]... [option...]\n"
	"Serves a virtio-scsi device over vhost-user: disks and CD-ROMs, from files or block devices.\n"
	"\n"
	VU_HELP_SOCKET
	"  --lun=FILE[,lun=0..16383][,target=0..255][,cd=on][,read-only=on][,cache=none|writeback]\n"
	"       [,block-size=512|4096][,discard=unmap|ignore][,serial=TEXT][,product=TEXT]\n"
	"                        a disk, or with cd=on a CD-ROM: raw contents, whatever they look like; lun: one\n"
	"                        more than that of the --lun before, or 0; may be given up to 256 times\n"
	"  --num-queues=1..62    request queues, each with a thread of its own (1)\n"
	VU_HELP_COMMON;

static const char capabilities[] =
	"{\n"
	"  \"type\": \"scsi\",\n"
	"  \"features\": [ \"lun\", \"cd\", \"read-only\" ]\n"
	"}\n";

enum { OPT_LUN = 1, OPT_QUEUES };

static const struct option options[] = {
	{ "lun", required_argument, NULL, OPT_LUN },
	{ "num-queues", required_argument, NULL, OPT_QUEUES },
	{ NULL, 0, NULL, 0 },
};

/* --lun, as it is written */
struct lun_props {
	char *file;
	uint32_t lun;
	uint32_t target;
	bool cd;
	bool rdonly;
	int cache;
	int block;
	int discard;
	char *serial;
	char *product;
};

enum { WRITEBACK, NONE };
static const char *const caches[] = { "writeback", "none", NULL };
enum { UNMAP, IGNORE };
static const char *const discards[] = { "unmap", "ignore", NULL };
static const char *const blocks[] = { "auto", "512", "4096", NULL };

static const struct prop lun_table[] = {
	PROP("file", PROP_STR, struct lun_props, file, .required = true),
	PROP("lun", PROP_U32, struct lun_props, lun, .max = SCSI_LUN_MAX),
	PROP("target", PROP_U32, struct lun_props, target, .max = 255),
	PROP("cd", PROP_BOOL, struct lun_props, cd),
	PROP("read-only", PROP_BOOL, struct lun_props, rdonly),
	PROP("cache", PROP_ENUM, struct lun_props, cache, .names = caches),
	PROP("block-size", PROP_ENUM, struct lun_props, block, .names = blocks),
	PROP("discard", PROP_ENUM, struct lun_props, discard, .names = discards),
	PROP("serial", PROP_STR, struct lun_props, serial),
	PROP("product", PROP_STR, struct lun_props, product),
	{ 0 },
};

struct opts {
	unsigned int num_queues;
	unsigned int nr_luns;
	struct lun_props lun[SCSI_LUNS_MAX];
};

static bool is_printable(const char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

static int check_text(const char *key, const char *text, size_t max)
{
	if (!text || (*text && strlen(text) <= max && is_printable(text)))
		return 0;
	return log_err("--lun: %s=%s: it takes 1 to %zu printable characters", key, text, max);
}

static int add_lun(struct opts *o, const char *arg)
{
	struct lun_props *l = &o->lun[o->nr_luns];
	const struct lun_props *before = o->nr_luns ? l - 1 : NULL;
	struct keyvals kvs;
	bool given = false;
	unsigned int i;
	int ret;

	if (o->nr_luns == SCSI_LUNS_MAX)
		return log_err("--lun=%s: more than %u", arg, SCSI_LUNS_MAX);
	if (keyvals_parse(&kvs, "--lun", "file", arg))
		return -1;
	for (i = 0; i < kvs.nr; i++)
		given = given || !strcmp(kvs.kv[i].key, "lun");
	ret = props_apply(lun_table, l, "--lun", &kvs);
	keyvals_free(&kvs);
	if (ret)
		return ret;
	o->nr_luns++;
	if (!given && before && before->target == l->target)
		l->lun = before->lun + 1;
	if (l->cd && l->block)
		return log_err("--lun: block-size: a CD-ROM has blocks of 2048 bytes");
	return check_text("serial", l->serial, SCSI_SERIAL_LEN) ?: check_text("product", l->product, SCSI_PRODUCT_LEN);
}

static int option(void *opts, int val, const char *name, char *arg)
{
	struct opts *o = opts;

	if (val == OPT_LUN)
		return add_lun(o, arg);
	return vu_option_uint(name, arg, 1, SCSI_QUEUES_MAX, &o->num_queues);
}

static const struct vu_program program = {
	.usage = usage,
	.capabilities = capabilities,
	.options = options,
	.option = option,
};

static void get_config(void *dev, void *config)
{
	scsi_config(dev, config);
}

static int set_size(uint32_t *size, const uint8_t *data, uint32_t min, uint32_t max)
{
	uint32_t n;

	memcpy(&n, data, sizeof(n));
	n = le32toh(n);
	if (n < min || n > max)
		return -EINVAL;
	__atomic_store_n(size, n, __ATOMIC_RELAXED);
	return 0;
}

/* What a driver may write are two sizes. */
static int set_config(void *dev, uint32_t offset, const uint8_t *data, uint32_t size)
{
	struct scsi *s = dev;

	if (size != sizeof(uint32_t))
		return -EINVAL;
	if (offset == offsetof(struct virtio_scsi_config, sense_size))
		return set_size(&s->sense_size, data, 0, SCSI_SENSE_MAX);
	if (offset == offsetof(struct virtio_scsi_config, cdb_size))
		return set_size(&s->cdb_size, data, 6, SCSI_CDB_MAX);
	return -EINVAL;
}

static void set_features(void *dev, uint64_t features)
{
	struct scsi *s = dev;

	s->tells_changes = features & BIT64(VIRTIO_SCSI_F_CHANGE);
}

/* What changes is no part of the configuration. */
static bool refresh(void *dev)
{
	scsi_refresh(dev);
	return false;
}

static void reset(void *dev)
{
	scsi_reset(dev);
}

static const struct vu_queue_ops *queue_ops(void *dev, unsigned int index, int *file)
{
	(void)dev;
	(void)file;
	return !index ? &scsi_ctl_ops : index == 1 ? &scsi_event_ops : &scsi_req_ops;
}

static int open_luns(struct scsi *s, struct opts *o)
{
	static const uint32_t size[] = { 0, 512, 4096 };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < o->nr_luns; i++) {
		struct lun_props *l = &o->lun[i];
		struct scsi_lun_opts lo = {
			.disk = { .option = "--lun", .path = l->file, .rdonly = l->cd || l->rdonly,
				  .direct = l->cache == NONE },
			.target = l->target,
			.lun = l->lun,
			.cd = l->cd,
			.keep = l->discard == IGNORE,
			.block = size[l->block],
			.product = l->product,
			.serial = l->serial,
		};

		ret = ret ?: scsi_lun_add(s, &lo);
		props_free(lun_table, l);
	}
	return ret;
}

int main(int argc, char **argv)
{
	static struct opts o = { .num_queues = 1 };
	static struct scsi s;
	static struct vu_device d = {
		.name = "shunt-scsi",
		.dev = &s,
		.queue_ops = queue_ops,
		.no_files = true,
		.features = BIT64(VIRTIO_SCSI_F_CHANGE),
		.config_size = sizeof(struct virtio_scsi_config),
		.get_config = get_config,
		.set_config = set_config,
		.set_features = set_features,
		.reset = reset,
		.refresh = refresh,
	};
	struct vu_endpoint end = { .fd = -1 };
	int ret;

	log_init(d.name);
	ret = vu_program_parse(&program, &o, &end, &d.poll_us, argc, argv);
	if (ret)
		return ret < 0;
	if (!o.nr_luns)
		return log_err("--lun=FILE is needed; see --help") < 0;
	ret = open_luns(&s, &o) || scsi_open(&s, o.num_queues, d.queue) || vu_endpoint_open(&end);
	d.num_queues = SCSI_QUEUE_REQ + o.num_queues;
	if (!ret)
		ret = vu_endpoint_serve(&end, &d);
	scsi_close(&s);
	return ret ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0
/* shunt-scsi: the command line. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/bits.h"
#include "lib/log.h"
#include "control.h"
#include "program.h"
#include "scsi_opts.h"

static const char usage[] =
	"Usage: shunt-scsi (--socket-path=PATH | --fd=N) [--lun=[FILE][,key=value...]]... [option...]\n"
	"Serves a virtio-scsi device over vhost-user: disks and CD-ROMs, from files or block devices.\n"
	"\n"
	VU_HELP_SOCKET
	"  --lun=[FILE][,fd=N][,lun=0..16383][,target=0..255][,cd=on][,read-only=on][,cache=none|writeback]\n"
	"       [,block-size=512|4096][,discard=unmap|ignore][,serial=TEXT][,product=TEXT]\n"
	"                        a disk, or with cd=on a CD-ROM: raw contents, whatever they look like; lun: one\n"
	"                        more than that of the --lun before, or 0; may be given up to 256 times; fd: the file\n"
	"                        is open already; without one or the other: a CD-ROM without a medium\n"
	"  --num-queues=1..62    request queues, each with a thread of its own (1)\n"
	VU_HELP_CONTROL("\"list\", \"add\", \"remove\", \"change\", \"eject\", \"resize\"")
	VU_HELP_COMMON;

static const char capabilities[] =
	"{\n"
	"  \"type\": \"scsi\",\n"
	"  \"features\": [ \"lun\", \"cd\", \"read-only\" ]\n"
	"}\n";

enum { OPT_LUN = 1, OPT_QUEUES, OPT_CONTROL, OPT_CONTROL_FD };

static const struct option options[] = {
	{ "lun", required_argument, NULL, OPT_LUN },
	{ "num-queues", required_argument, NULL, OPT_QUEUES },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "control-fd", required_argument, NULL, OPT_CONTROL_FD },
	{ NULL, 0, NULL, 0 },
};

struct opts {
	unsigned int num_queues;
	unsigned int nr_luns;
	struct scsi_props lun[SCSI_LUNS_MAX];
	struct vu_control control;
};

static int add_lun(struct opts *o, const char *arg)
{
	struct scsi_props *p = &o->lun[o->nr_luns];

	if (o->nr_luns == SCSI_LUNS_MAX)
		return log_err("--lun=%s: more than %u", arg, SCSI_LUNS_MAX);
	return scsi_props_lun(p, o->nr_luns++ ? p - 1 : NULL, arg);
}

static int option(void *opts, int val, const char *name, char *arg)
{
	struct opts *o = opts;

	switch (val) {
	case OPT_LUN:
		return add_lun(o, arg);
	case OPT_CONTROL:
		o->control.path = arg;
		return 0;
	case OPT_CONTROL_FD:
		return vu_control_option(&o->control, name, arg);
	default:
		return vu_option_uint(name, arg, 1, SCSI_QUEUES_MAX, &o->num_queues);
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

	pthread_mutex_lock(&s->lock);
	s->features = features;
	pthread_mutex_unlock(&s->lock);
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

static struct opts o = { .num_queues = 1, .control.connected = -1 };

static int start(void *dev)
{
	(void)dev;
	return vu_control_start(&o.control);
}

static void finish(void *dev)
{
	(void)dev;
	vu_control_finish(&o.control);
}

static int add_luns(struct scsi *s)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < o.nr_luns; i++) {
		const struct scsi_lun_opts lo = scsi_props_opts(&o.lun[i], "--lun");

		ret = ret ?: scsi_lun_add(s, &lo);
		scsi_props_free(&o.lun[i]);
	}
	return ret;
}

int main(int argc, char **argv)
{
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
		.start = start,
		.finish = finish,
	};
	struct vu_endpoint end = { .fd = -1 };
	int ret;

	log_init(d.name);
	ret = vu_program_parse(&program, &o, &end, &d.poll_us, argc, argv);
	if (ret)
		return ret < 0;
	s.hotplug = vu_control_there(&o.control);
	if (!o.nr_luns && !s.hotplug)
		return log_err("--lun=FILE is needed; see --help") < 0;
	if (s.hotplug) {
		d.features |= BIT64(VIRTIO_SCSI_F_HOTPLUG);
		d.calls = scsi_calls;
		o.control.dev = &s;
		o.control.command = scsi_command;
	}
	ret = scsi_open(&s, o.num_queues, d.queue) || add_luns(&s) || vu_control_open(&o.control) || vu_endpoint_open(&end);
	d.num_queues = SCSI_QUEUE_REQ + o.num_queues;
	if (!ret)
		ret = vu_endpoint_serve(&end, &d);
	scsi_close(&s);
	return ret ? 1 : 0;
}

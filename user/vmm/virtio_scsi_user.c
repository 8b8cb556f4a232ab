// SPDX-License-Identifier: GPL-2.0
/*
 * SCSI adapters on processes: vhost-user-scsi-pci on one of the user's, and virtio-scsi-pci on one of ours. The disks and
 * CD-ROMs of the latter are devices of their own on the command line, and arguments of the process.
 */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_ids.h>
#include "blockdev.h"
#include "boot_order.h"
#include "config.h"
#include "virtio_scsi.h"
#include "virtio_user.h"
#include "vm.h"
#include "../lib/bits.h"
#include "../lib/hash.h"
#include "../lib/log.h"

#define LUNS_MAX	(PROCESS_EXTRAS - 8)
#define QUEUES_MAX	62
#define ID_MAX		255
#define SERIAL_MAX	36
#define LUN_MAX		16383
#define ANY		UINT32_MAX

static void scsi_fill(struct virtio_user *d)
{
	const struct scsi_props p = {
		.num_queues = d->nr_requests, .virtqueue_size = d->p->queue_size,
		.max_sectors = d->p->max_sectors, .cmd_per_lun = d->p->cmd_per_lun,
	};

	scsi_config_fill((void *)d->config, &p);
}

static const char *scsi_refusal(const void *config, unsigned int off, uint64_t val, unsigned int len)
{
	return scsi_config_refused(config, off, val, len) ? SCSI_CONFIG_REFUSED : NULL;
}

static uint64_t scsi_own(const struct user_props *p)
{
	return (p->hotplug ? BIT64(VIRTIO_SCSI_F_HOTPLUG) : 0) | (p->param_change ? BIT64(VIRTIO_SCSI_F_CHANGE) : 0) |
	       (p->t10_pi ? BIT64(VIRTIO_SCSI_F_T10_PI) : 0);
}

/* ---- the units behind an adapter of ours ---- */

struct unit_props {
	char *drive, *bus, *serial, *product;
	uint32_t id, lun, bootindex;
	int channel;
};

/**
 * struct unit - a disk or CD-ROM
 * @p: of the command line
 * @id: @lun: its address
 * @serial: that of the command line; or one that stays the same though the file gets another name, or the medium is another
 */
struct unit {
	struct blockdev *bd;
	const struct unit_props *p;
	bool cd;
	uint32_t id, lun;
	char serial[SERIAL_MAX + 1];
};

/**
 * struct scsi_user - virtio-scsi-pci
 * @nr_args: arguments of the process that stay the same
 * @control: our end of the process's control socket, -1: there is none
 */
struct scsi_user {
	struct virtio_user user;
	struct blockdev_user bu;
	int control;
	unsigned int nr, nr_args;
	struct unit unit[LUNS_MAX];
};

extern const struct device_type scsi_hd_type, scsi_cd_type;

static int text_check(const char *opt, const char *key, const char *text, size_t max)
{
	const char *c;

	for (c = text; c && *c >= ' ' && *c <= '~'; c++)
		;
	if (!c || (c > text && !*c && strlen(text) <= max))
		return 0;
	return log_err("%s: %s=%s: takes 1 to %zu printable characters", opt, key, text, max);
}

static int unit_check(const struct vm_config *cfg, unsigned int n)
{
	const struct device_spec *d = &cfg->device[n];
	const struct unit_props *p = d->props;
	char opt[32];

	snprintf(opt, sizeof(opt), "-device %s", d->type->name);
	if (device_bus_check(cfg, n, &virtio_scsi_kind.type, p->bus))
		return -1;
	if (p->id != ANY && p->id > ID_MAX)
		return log_err("%s: scsi-id=%u: takes 0 to %d", opt, p->id, ID_MAX);
	if (p->lun != ANY && p->lun > LUN_MAX)
		return log_err("%s: lun=%u: takes 0 to %d", opt, p->lun, LUN_MAX);
	return text_check(opt, "serial", p->serial, SERIAL_MAX) ?: text_check(opt, "product", p->product, 16);
}

static bool is_taken(const struct scsi_user *s, uint32_t id, uint32_t lun)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (s->unit[i].id == id && s->unit[i].lun == lun)
			return true;
	return false;
}

/* What is not given is the first that is free: the ID, or the LUN if that one is given. Return: 0, or -1 after one line */
static int unit_place(struct scsi_user *s, const char *opt, const struct unit_props *p)
{
	uint32_t id = p->id == ANY ? 0 : p->id, lun = p->lun == ANY ? 0 : p->lun;

	while (p->id == ANY && id < ID_MAX && is_taken(s, id, lun))
		id++;
	while (p->id != ANY && p->lun == ANY && is_taken(s, id, lun))
		lun++;
	if (is_taken(s, id, lun))
		return log_err("%s: scsi-id=%u,lun=%u: there is a unit already", opt, id, lun);
	s->unit[s->nr].id = id;
	s->unit[s->nr].lun = lun;
	return 0;
}

/* Return: the drive, or NULL after one logged line */
static struct blockdev *unit_drive(const char *opt, const struct unit_props *p, bool cd)
{
	struct blockdev *bd = blockdev_find(p->drive);

	if (!bd)
		log_err("%s: drive=%s: no such -drive", opt, p->drive);
	else if (bd->user)
		log_err("%s: drive=%s: in use by %s", opt, p->drive, bd->user->name);
	else if (!blockdev_is_raw(bd))
		log_err("%s: drive=%s: format=%s: a SCSI disk takes raw; virtio-blk-pci takes others", opt, p->drive, bd->format);
	else if (!cd && !bd->writeback)
		log_err("%s: drive=%s: a SCSI disk takes cache=writeback, none or unsafe", opt, p->drive);
	else
		return bd;
	return NULL;
}

/* Return: 0, -errno, or 1 after one logged line */
static int unit_add(struct scsi_user *s, const struct device_spec *d)
{
	bool cd = d->type == &scsi_cd_type;
	struct unit *u = &s->unit[s->nr];
	char opt[32], *path;

	snprintf(opt, sizeof(opt), "-device %s", d->type->name);
	if (s->nr == LUNS_MAX)
		return -E2BIG;
	u->p = d->props;
	u->cd = cd;
	u->bd = unit_drive(opt, u->p, cd);
	if (!u->bd || unit_place(s, opt, u->p))
		return 1;
	path = realpath(u->bd->file, NULL);
	snprintf(u->serial, sizeof(u->serial), "%016llx", (unsigned long long)hash_text(HASH_BASIS, path ?: u->bd->file));
	free(path);
	if (u->p->serial)
		snprintf(u->serial, sizeof(u->serial), "%s", u->p->serial);
	u->bd->user = &s->bu;
	s->nr++;
	/* it is for the process to lock from now on */
	blockdev_unlock(u->bd);
	return 0;
}

/* The argument for a unit, and its file: an open file description with locks of its own. Return: 0; -errno after one logged line */
static int unit_arg(struct process *proc, const struct unit *u)
{
	const struct blockdev *bd = u->bd;
	int fd = bd->fd < 0 ? -1 : blockdev_reopen(bd);
	FILE *out;

	if (bd->fd >= 0 && fd < 0)
		return fd;
	out = process_arg_open(proc);
	if (out) {
		fprintf(out, "--lun=lun=%u,target=%u%s", u->lun, u->id, u->cd ? ",cd=on" : "");
		fputs(bd->readonly && !u->cd ? ",read-only=on" : "", out);
		fputs(bd->direct ? ",cache=none" : "", out);
		fputs(bd->discard ? "" : ",discard=ignore", out);
		keyvals_put(out, ",serial=", u->serial);
		keyvals_put(out, ",product=", u->p->product);
	}
	if (out && fd >= 0) {
		keyvals_put(out, ",file=", bd->file);
		fprintf(out, ",fd=%u", PROCESS_EXTRA + proc->nr_extra);
	}
	if (fd >= 0)
		proc->extra[proc->nr_extra++] = fd;
	if (out && !process_arg_close(proc, out))
		return 0;
	log_err("-device scsi-%s: out of memory", u->cd ? "cd" : "hd");
	return -ENOMEM;
}

/* ---- the adapter ---- */

static struct scsi_user *of_bu(struct blockdev_user *bu)
{
	return (void *)((char *)bu - offsetof(struct scsi_user, bu));
}

static struct scsi_user *of_vu(struct vhost_user *vu)
{
	return (void *)((char *)vu - offsetof(struct scsi_user, user.vu));
}

static void scsi_stats(struct blockdev_user *bu, FILE *out)
{
	const struct scsi_user *s = of_bu(bu);

	fprintf(out, " %s=%d", s->user.kind->program, (int)s->user.vu.proc.pid);
}

static bool scsi_settled(struct vhost_user *vu)
{
	const struct scsi_user *s = of_vu(vu);
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (!blockdev_settled(s->unit[i].bd))
			return false;
	return true;
}

/* ---- what changes while the guest runs ---- */

static void control_close(struct scsi_user *s)
{
	if (s->control >= 0)
		close(s->control);
	s->control = -1;
}

/* What a process was told to change, the next one is told by its arguments. */
static int scsi_starting(struct vhost_user *vu)
{
	struct scsi_user *s = of_vu(vu);
	unsigned int i;
	int err = 0;

	process_args_cut(&vu->proc, s->nr_args);
	for (i = 0; i < s->nr && !err; i++)
		err = unit_arg(&vu->proc, &s->unit[i]);
	if (err)
		return err;
	control_close(s);
	err = process_arg(&vu->proc, "--control-fd=%u", PROCESS_EXTRA + vu->proc.nr_extra);
	if (!err)
		s->control = process_control(&vu->proc);
	if (!err && s->control < 0)
		err = s->control;
	if (err)
		log_err("-device %s: %s", s->user.name, strerror(-err));
	return err;
}

/*
 * What the process refuses is refused. Where it has gone meanwhile, or does not get to it for long, nothing keeps the
 * medium from being changed: that is what the next one is started with.
 */
static int unit_change(const struct scsi_user *s, const struct unit *u, const struct blockdev *new, int fd, bool force, FILE *out)
{
	char line[512], *text;
	json_t *a, *why;

	snprintf(line, sizeof(line), "%s lun=%u,target=%u,force=%s%s\n", new ? "change" : "eject", u->lun, u->id,
		 force ? "on" : "off", new && new->direct ? ",cache=none" : "");
	text = process_tell(s->control, line, fd) ? NULL : process_answer(s->control, line, sizeof(line));
	a = text ? json_loads(text, 0, NULL) : NULL;
	why = json_object_get(a, "error");
	if (why)
		fprintf(out, "Error: %s\n", json_string_value(why));
	json_decref(a);
	return why ? -1 : 0;
}

static int scsi_change(struct blockdev_user *bu, const struct blockdev *bd, const struct blockdev *new, bool force, FILE *out)
{
	const struct scsi_user *s = of_bu(bu);
	const struct unit *u = s->unit;
	int fd = -1, ret;

	while (u->bd != bd)
		u++;
	if (new && u->cd)
		fd = blockdev_reopen(new);
	if (!u->cd || (new && fd < 0)) {
		fprintf(out, "Error: %s\n", u->cd ? "the file cannot be opened once more" : "it is no scsi-cd");
		return -1;
	}
	ret = unit_change(s, u, new, fd, force, out);
	if (fd >= 0)
		close(fd);
	return ret;
}

/* The process looks itself, from time to time: but now. */
static void scsi_resized(struct blockdev_user *bu)
{
	const struct scsi_user *s = of_bu(bu);
	char line[64];
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		snprintf(line, sizeof(line), "resize lun=%u,target=%u\n", s->unit[i].lun, s->unit[i].id);
		process_tell(s->control, line, -1);
	}
}

static int scsi_args(struct virtio_user *d, struct vm *vm)
{
	struct scsi_user *s = (void *)d;
	const struct vm_config *cfg = vm->cfg;
	unsigned int i, most = vm->nr_vcpus < QUEUES_MAX ? vm->nr_vcpus : QUEUES_MAX;
	int err;

	s->bu = (struct blockdev_user){ .name = d->name, .resized = scsi_resized, .stats = scsi_stats,
					.change = scsi_change };
	s->control = -1;
	d->vu.settled = scsi_settled;
	d->vu.starting = scsi_starting;
	err = process_arg(&d->vu.proc, "--num-queues=%u", d->p->num_queues ? d->p->num_queues : most);
	s->nr_args = process_args(&d->vu.proc);
	for (i = 0; i < cfg->nr_devices && !err; i++) {
		const struct device_spec *unit = &cfg->device[i];
		const struct unit_props *p = unit->props;

		if (unit->type != &scsi_hd_type && unit->type != &scsi_cd_type)
			continue;
		if (cfg->device[device_bus(cfg, i, &d->kind->type, p->bus)].props == d->p)
			err = unit_add(s, unit);
	}
	if (s->nr || err)
		return err;
	log_err("-device %s: no scsi-hd or scsi-cd belongs to it", d->name);
	return 1;
}

static int scsi_plugged(struct virtio_user *d)
{
	struct scsi_user *s = (void *)d;
	char path[40];
	unsigned int i;
	int err = 0;

	for (i = 0; i < s->nr && !err; i++) {
		const struct unit *u = &s->unit[i];

		snprintf(path, sizeof(path), "/channel@0/disk@%x,%x", u->id, u->lun);
		err = boot_order_add(d->name, u->p->bootindex == BOOT_NONE && u->bd->boot ? 0 : u->p->bootindex, &d->vd.pci, "scsi",
				     path);
	}
	return err;
}

static void scsi_release(struct virtio_user *d)
{
	struct scsi_user *s = (void *)d;

	while (s->nr)
		s->unit[--s->nr].bd->user = NULL;
	control_close(s);
}

/* ---- the types ---- */

#define SCSI_PROPS(_most) \
	USER_U32("num_queues", num_queues, .min = 1, .max = _most, \
		 .help = "request queues; without it one for each CPU, if the process has them"), \
	USER_SIZE("virtqueue_size", "128"), \
	USER_U32("max_sectors", max_sectors, .def = "65535", .min = 1, .max = UINT32_MAX, \
		 .help = "sectors of 512 bytes that the guest puts into one request"), \
	USER_U32("cmd_per_lun", cmd_per_lun, .def = "128", .min = 1, .max = UINT32_MAX, \
		 .help = "requests that the guest sends to one LUN at a time"), \
	USER_BOOL("hotplug", hotplug, "on", "the guest learns of LUNs that come and go, if the process tells"), \
	USER_BOOL("param_change", param_change, "on", "and of LUNs that change, if the process tells")

static const struct prop peer_props[] = {
	SCSI_PROPS(SCSI_MAX_QUEUES),
	USER_BOOL("t10_pi", t10_pi, "off", "protection information travels with the data, if the process can"),
	USER_U32("bootindex", bootindex, .help = "no effect"),
	USER_PEER
};

static const struct prop own_props[] = { SCSI_PROPS(QUEUES_MAX), USER_COMMON };

const struct user_kind vhost_user_scsi_kind = {
	USER_PEER_TYPE("vhost-user-scsi-pci", peer_props, "virtio SCSI adapter, served by a process of yours"),
	.id = VIRTIO_ID_SCSI, .class = 0x010000, .queues = SCSI_FIXED_QUEUES, .need = SCSI_FIXED_QUEUES, .requests = true,
	.config_len = sizeof(struct virtio_scsi_config), .fill = scsi_fill, .refusal = scsi_refusal, .features = scsi_own,
};

const struct user_kind virtio_scsi_kind = {
	USER_TYPE(struct user_props, "virtio-scsi-pci", "virtio-scsi", own_props, "virtio SCSI adapter: scsi-hd, scsi-cd"),
	.size = sizeof(struct scsi_user),
	.id = VIRTIO_ID_SCSI, .class = 0x010000, .queues = SCSI_FIXED_QUEUES, .need = SCSI_FIXED_QUEUES, .requests = true,
	.config_len = sizeof(struct virtio_scsi_config), .fill = scsi_fill, .refusal = scsi_refusal, .features = scsi_own,
	.program = "shunt-scsi", .args = scsi_args, .plugged = scsi_plugged, .release = scsi_release,
};

static const char *const only_0[] = { "0", NULL };

static const struct prop unit_props[] = {
	PROP("drive", PROP_STR, struct unit_props, drive, .required = true, .help = "id of a -drive"),
	PROP("bus", PROP_STR, struct unit_props, bus, .help = "ID.0 of a virtio-scsi-pci before it; without it the last one"),
	PROP("channel", PROP_ENUM, struct unit_props, channel, .names = only_0, .help = "there is one"),
	PROP("scsi-id", PROP_U32, struct unit_props, id, .def = "4294967295",
	     .help = "its target, 0 to 255; the default means the first that is free"),
	PROP("lun", PROP_U32, struct unit_props, lun, .def = "4294967295",
	     .help = "0 to 16383; the default means 0, or with scsi-id= the first that is free"),
	PROP("serial", PROP_STR, struct unit_props, serial, .help = "serial number, up to 36 characters"),
	PROP("product", PROP_STR, struct unit_props, product, .help = "up to 16 characters"),
	BOOT_PROP(struct unit_props, bootindex),
	{ 0 }
};

const struct device_type scsi_hd_type = {
	.name = "scsi-hd", .bus = "SCSI", .desc = "SCSI disk",
	.props = unit_props, .props_size = sizeof(struct unit_props), .check = unit_check,
};

const struct device_type scsi_cd_type = {
	.name = "scsi-cd", .bus = "SCSI", .desc = "SCSI CD-ROM",
	.props = unit_props, .props_size = sizeof(struct unit_props), .check = unit_check,
};

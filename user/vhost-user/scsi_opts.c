// SPDX-License-Identifier: GPL-2.0
/* Logical units as people write them, on the command line and at the control socket. */
#define _GNU_SOURCE
#include "scsi_opts.h"

#include <string.h>

#include "lib/log.h"

enum { WRITEBACK, NONE };
static const char *const caches[] = { "writeback", "none", NULL };
enum { UNMAP, IGNORE };
static const char *const discards[] = { "unmap", "ignore", NULL };
static const char *const blocks[] = { "auto", "512", "4096", NULL };

#define LUN(_name, _type, ...) PROP(_name, _type, struct scsi_props, __VA_ARGS__)

static const struct prop lun_table[] = {
	LUN("file", PROP_STR, file),
	LUN("fd", PROP_STR, fd),
	LUN("lun", PROP_U32, lun, .max = SCSI_LUN_MAX),
	LUN("target", PROP_U32, target, .max = SCSI_TARGET_MAX),
	LUN("cd", PROP_BOOL, cd),
	LUN("read-only", PROP_BOOL, rdonly),
	LUN("cache", PROP_ENUM, cache, .names = caches),
	LUN("block-size", PROP_ENUM, block, .names = blocks),
	LUN("discard", PROP_ENUM, discard, .names = discards),
	LUN("serial", PROP_STR, serial),
	LUN("product", PROP_STR, product),
	{ 0 },
};

/* Of a unit that is there */
#define UNIT \
	LUN("lun", PROP_U32, lun, .max = SCSI_LUN_MAX, .required = true), \
	LUN("target", PROP_U32, target, .max = SCSI_TARGET_MAX)
#define FORCE LUN("force", PROP_BOOL, force)

static const struct prop unit_table[] = { UNIT, { 0 } };
static const struct prop eject_table[] = { UNIT, FORCE, { 0 } };
static const struct prop change_table[] = {
	UNIT, FORCE, LUN("file", PROP_STR, file), LUN("cache", PROP_ENUM, cache, .names = caches), { 0 }
};

static bool is_printable(const char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

static int check_text(const char *opt, const char *key, const char *text, size_t max)
{
	if (!text || (*text && strlen(text) <= max && is_printable(text)))
		return 0;
	return log_err("%s: %s=%s: it takes 1 to %zu printable characters", opt, key, text, max);
}

static int check(const char *opt, const struct scsi_props *p)
{
	if (p->cd && p->block)
		return log_err("%s: block-size: a CD-ROM has blocks of 2048 bytes", opt);
	return check_text(opt, "serial", p->serial, SCSI_SERIAL_LEN) ?:
	       check_text(opt, "product", p->product, SCSI_PRODUCT_LEN);
}

/* The file's place, by name or by number; none is for an empty tray. */
static int check_file(const char *opt, struct scsi_props *p)
{
	if (p->fd && parse_fd(p->fd, &p->opened))
		return log_err("%s: fd=%s: it takes the number of an open file", opt, p->fd);
	if (!p->file && !p->fd && !p->cd)
		return log_err("%s: file= is missing: only a CD-ROM may be without", opt);
	return 0;
}

int scsi_props_lun(struct scsi_props *p, const struct scsi_props *before, const char *arg)
{
	static const char opt[] = "--lun";
	struct keyvals kvs;
	bool given = false;
	unsigned int i;
	int ret;

	p->opened = -1;
	if (keyvals_parse(&kvs, opt, "file", arg))
		return -1;
	for (i = 0; i < kvs.nr; i++)
		given = given || !strcmp(kvs.kv[i].key, "lun");
	ret = props_apply(lun_table, p, opt, &kvs);
	keyvals_free(&kvs);
	if (!ret && !given && before && before->target == p->target)
		p->lun = before->lun + 1;
	return ret ?: check_file(opt, p) ?: check(opt, p);
}

int scsi_props_command(struct scsi_props *p, const char *command, const char *arg)
{
	const struct prop *table = !strcmp(command, "add") ? lun_table : !strcmp(command, "change") ? change_table :
				   !strcmp(command, "eject") ? eject_table : unit_table;
	struct keyvals kvs;
	int ret;

	*p = (struct scsi_props){ .opened = -1 };
	if (keyvals_parse(&kvs, command, NULL, arg))
		return -1;
	ret = props_apply(table, p, command, &kvs);
	keyvals_free(&kvs);
	if (!ret && p->fd)
		ret = log_err("%s: fd=%s: the descriptor itself comes with the line", command, p->fd);
	return ret ?: check(command, p);
}

void scsi_props_free(struct scsi_props *p)
{
	props_free(lun_table, p);
}

struct scsi_lun_opts scsi_props_opts(const struct scsi_props *p, const char *opt)
{
	static const uint32_t size[] = { 0, 512, 4096 };

	return (struct scsi_lun_opts){
		.disk = { .option = opt, .path = p->opened < 0 ? p->file : NULL, .fd = p->opened, .name = p->file,
			  .rdonly = p->cd || p->rdonly, .direct = p->cache == NONE, .keep = p->discard == IGNORE },
		.empty = p->opened < 0 && !p->file,
		.target = p->target,
		.lun = p->lun,
		.cd = p->cd,
		.block = size[p->block],
		.product = p->product,
		.serial = p->serial,
	};
}

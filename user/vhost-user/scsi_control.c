// SPDX-License-Identifier: GPL-2.0
/*
 * Commands of the control socket: of these, add and change take a descriptor of the file along.
 *
 *	list		the units
 *	add KEYS	one more, as --lun has it
 *	remove UNIT	it goes when what is under way has ended
 *	change UNIT	another medium for a CD-ROM
 *	eject UNIT	none
 *	resize UNIT	its file has another size
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "control.h"
#include "lib/log.h"
#include "scsi_opts.h"

/* What opening a file takes that comes open: its flags, locks, limits, and what it can do */
#define CALL(_name, _arg, _value) { .name = _name, .arg = _arg, .mask = 0xffffffff, .value = (unsigned int)(_value) }

const struct sandbox_call scsi_calls[] = {
	VU_CONTROL_CALLS,
	CALL("fcntl", 1, F_SETFD),
	CALL("fcntl", 1, F_SETFL),
	CALL("fcntl", 1, F_OFD_SETLK),
	CALL("ioctl", 1, BLKGETSIZE64),
	CALL("ioctl", 1, BLKSSZGET),
	CALL("ioctl", 1, BLKROGET),
	CALL("ioctl", 1, BLKPBSZGET),
	CALL("ioctl", 1, BLKIOMIN),
	CALL("ioctl", 1, BLKIOOPT),
	{ .name = "statx" },
	{ .name = "fallocate" },
	{ .name = "clock_nanosleep" },
	{ 0 }
};

static json_t *describe(const struct scsi_lun *l)
{
	bool ejected = __atomic_load_n(&l->ejected, __ATOMIC_RELAXED), locked = __atomic_load_n(&l->locked, __ATOMIC_RELAXED);
	json_t *a = json_pack("{s:i,s:i,s:s,s:I,s:i,s:b}", "target", (int)l->target, "lun", (int)l->lun,
			      "type", l->cd ? "cd" : "disk", "size", (json_int_t)(scsi_blocks(l) * l->block),
			      "block-size", (int)l->block, "read-only", (int)l->rdonly);

	if (*l->name)
		json_object_set_new(a, "file", json_string(l->name));
	if (l->cd)
		json_object_update_new(a, json_pack("{s:b,s:b,s:b}", "medium", l->disk.fd >= 0, "tray-open", ejected,
						    "locked", locked));
	return a;
}

static json_t *list(const struct scsi *s)
{
	json_t *all = json_array();
	unsigned int i;

	for (i = 0; i < s->luns->nr; i++)
		json_array_append_new(all, describe(s->luns->lun[i]));
	return json_pack("{s:o}", "luns", all);
}

/* The descriptor is the unit's. Return: 0, or -1 after one logged line */
static int take_fd(struct scsi_props *p, const char *command, int *fd)
{
	p->opened = *fd;
	*fd = -1;
	return p->opened < 0 ? log_err("%s: no descriptor of the file has come with the line", command) : 0;
}

/* Without a name, a file is called by its number. */
static struct scsi_lun_opts opts_of(struct scsi_props *p, const char *command)
{
	struct scsi_lun_opts o = scsi_props_opts(p, command);
	struct stat st = { 0 };

	o.disk.late = true;
	if (o.disk.name)
		return o;
	if (!o.empty)
		fstat(o.disk.fd, &st);
	snprintf(p->number, sizeof(p->number), "file %llx:%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	o.disk.name = p->number;
	return o;
}

static int add(struct scsi *s, struct scsi_props *p, int *fd)
{
	struct scsi_lun_opts o;

	/* A tray may be empty. */
	if (!(p->cd && !p->file && *fd < 0) && take_fd(p, "add", fd))
		return -1;
	o = opts_of(p, "add");
	return scsi_lun_add(s, &o);
}

static int change(struct scsi *s, struct scsi_lun *l, struct scsi_props *p, int *fd)
{
	struct scsi_lun_opts o;

	if (take_fd(p, "change", fd))
		return -1;
	p->cd = true;
	o = opts_of(p, "change");
	return scsi_lun_change(s, l, &o.disk);
}

static int medium(struct scsi *s, const char *command, struct scsi_lun *l, struct scsi_props *p, int *fd)
{
	if (!l->cd)
		return log_err("%s: lun=%u: it is no CD-ROM", command, p->lun);
	if (!p->force && !scsi_medium_asked(l))
		return log_err("%s: lun=%u: the guest has locked it, and is asked to let it go; force=on does not ask", command,
			       p->lun);
	return !strcmp(command, "eject") ? scsi_lun_change(s, l, NULL) : change(s, l, p, fd);
}

static int resize(struct scsi *s, struct scsi_lun *l)
{
	pthread_mutex_lock(&s->lock);
	scsi_lun_refresh(s, l);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* Return: 0, or -1 after one logged line */
static int run(struct scsi *s, const char *command, struct scsi_props *p, int *fd)
{
	struct scsi_lun *l = scsi_find(s, p->target, p->lun);

	if (!strcmp(command, "add"))
		return add(s, p, fd);
	if (!l)
		return log_err("%s: lun=%u: target %u has none", command, p->lun, p->target);
	if (!strcmp(command, "remove"))
		return scsi_lun_remove(s, l);
	return !strcmp(command, "resize") ? resize(s, l) : medium(s, command, l, p, fd);
}

json_t *scsi_command(void *dev, char *line, int *fd)
{
	static const char *const commands[] = { "add", "remove", "change", "eject", "resize" };
	const char *arg = line + strcspn(line, " ");
	struct scsi *s = dev;
	struct scsi_props p;
	char why[256];
	unsigned int i;
	int ret;

	if (!strcmp(line, "list"))
		return list(s);
	if (*arg)
		line[arg++ - line] = '\0';
	for (i = 0; i < ARRAY_SIZE(commands) && strcmp(line, commands[i]); i++)
		;
	if (i == ARRAY_SIZE(commands))
		return vu_control_error("commands are: list, add, remove, change, eject, resize");
	log_catch(why, sizeof(why));
	ret = scsi_props_command(&p, line, arg) ?: run(s, line, &p, fd);
	log_catch(NULL, 0);
	scsi_props_free(&p);
	if (ret)
		return vu_control_error("%s", why);
	return scsi_find(s, p.target, p.lun) ? describe(scsi_find(s, p.target, p.lun)) : json_object();
}

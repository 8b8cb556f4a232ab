// SPDX-License-Identifier: GPL-2.0
/*
 * -drive: the option, the file behind it, and what the monitor says of it.
 *
 * blockdev_add() only looks at the words; everything that touches the host happens in
 * blockdev_open_all(), after the process has forked.
 */
#define _GNU_SOURCE
#include "blockdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/blkzoned.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/log.h"
#include "../lib/prop.h"
#include "cmdline.h"
#include "vm.h"

#define DRIVE_MAX	64
/* The kernel ends a ring's operations, which hold the file, a while after a process that was killed. */
#define LOCK_MS		2000

enum { IF_NONE, IF_VIRTIO, IF_IDE };
static const char *const ifs[] = { "none", "virtio", "ide", "scsi", "floppy", "pflash", "mtd", "sd", "xen",
				   NULL };

enum { CACHE_WRITEBACK, CACHE_NONE, CACHE_WRITETHROUGH, CACHE_DIRECTSYNC, CACHE_UNSAFE };
static const char *const caches[] = { "writeback", "none", "writethrough", "directsync", "unsafe", NULL };

enum { DISCARD_IGNORE, DISCARD_OFF, DISCARD_UNMAP, DISCARD_ON };
static const char *const discards[] = { "ignore", "off", "unmap", "on", NULL };

static const char *const aios[] = { "threads", "native", "io_uring", NULL };
enum { MEDIA_DISK, MEDIA_CDROM };
static const char *const medias[] = { "disk", "cdrom", NULL };
static const char *const only_off[] = { "off", NULL };
static const char *const only_report[] = { "report", NULL };

/* Formats of disks in a file that qemu-storage-daemon reads without being told more; many of them not to be written. */
static const char *const formats[] = { "raw", "qcow2", "vmdk", "vdi", "vhdx", "vpc", "qed", "qcow", "parallels", "dmg",
				       "bochs", "cloop", NULL };

struct drive_props {
	char *file, *format;
	int interface, media, cache, aio, discard, off, report;
	uint32_t index, bus, unit;
	bool readonly, read_only, boot;
};

static const struct prop drive_props[] = {
	PROP("file", PROP_STR, struct drive_props, file, .def = "",
	     .help = "a file or a block device; a CD-ROM drive can do without"),
	PROP("if", PROP_ENUM, struct drive_props, interface, .names = ifs, .def = "ide",
	     .help = "none, for a -device; virtio: a virtio-blk-pci; ide: an ide-hd or ide-cd"),
	PROP("format", PROP_STR, struct drive_props, format, .help = "raw; qcow2, vmdk, vdi, vhdx, vpc, qed, qcow, parallels, dmg, bochs, cloop: served by qemu-storage-daemon"),
	PROP("readonly", PROP_BOOL, struct drive_props, readonly, .help = "the guest cannot write"),
	PROP("read-only", PROP_BOOL, struct drive_props, read_only, .help = "the same"),
	PROP("cache", PROP_ENUM, struct drive_props, cache, .names = caches, .def = "writeback",
	     .help = "none, directsync: O_DIRECT; writethrough, directsync: no flush is needed; "
		     "unsafe is writeback: flushes count"),
	PROP("discard", PROP_ENUM, struct drive_props, discard, .names = discards, .def = "ignore",
	     .help = "unmap, on: the guest may deallocate"),
	PROP("aio", PROP_ENUM, struct drive_props, aio, .names = aios, .def = "threads",
	     .help = "no effect"),
	PROP("index", PROP_U32, struct drive_props, index, .max = DRIVE_MAX - 1,
	     .help = "number in the id that is made up where id= is missing; if=ide: place, two on a channel"),
	PROP("bus", PROP_U32, struct drive_props, bus, .max = 1, .help = "if=ide: channel"),
	PROP("unit", PROP_U32, struct drive_props, unit, .max = 1, .help = "if=ide: place on it"),
	PROP("boot", PROP_BOOL, struct drive_props, boot, .help = "on: firmware tries its disk first"),
	PROP("media", PROP_ENUM, struct drive_props, media, .names = medias, .def = "disk",
	     .help = "cdrom: the guest cannot write"),
	PROP("snapshot", PROP_ENUM, struct drive_props, off, .names = only_off),
	PROP("copy-on-read", PROP_ENUM, struct drive_props, off, .names = only_off),
	PROP("detect-zeroes", PROP_ENUM, struct drive_props, off, .names = only_off),
	PROP("rerror", PROP_ENUM, struct drive_props, report, .names = only_report),
	PROP("werror", PROP_ENUM, struct drive_props, report, .names = only_report,
	     .help = "the guest gets to know"),
	{ .type = PROP_END },
};

struct drive {
	struct blockdev bd;	/* first: blockdev_find() gives it out */
	struct drive_props p;
	char *id;
};

static struct drive *drives[DRIVE_MAX];
static unsigned int nr_drives;

static void drive_free(struct drive *d)
{
	if (d->bd.fd >= 0)
		close(d->bd.fd);
	free(d->id);
	props_free(drive_props, &d->p);
	free(d);
}

static struct drive *drive_find(const char *id)
{
	unsigned int i;

	for (i = 0; i < nr_drives; i++)
		if (!strcmp(drives[i]->id, id))
			return drives[i];
	return NULL;
}

static const char *format_find(const char *name)
{
	const char *const *f;

	for (f = formats; *f && strcmp(*f, name); f++)
		;
	return *f;
}

/* What the words alone can tell. */
static int drive_check(struct drive *d)
{
	const struct drive_props *p = &d->p;

	if (p->interface > IF_IDE)
		return log_err(
			"-drive file=%s: if=%s is not there; takes none, virtio or ide",
			p->file, ifs[p->interface]);
	if (!*p->file && p->media != MEDIA_CDROM)
		return log_err("-drive: file= is missing");
	d->bd.format = format_find(p->format ?: "raw");
	if (!d->bd.format)
		return log_err("-drive file=%s: format=%s: takes raw, qcow2 or others that -drive help has", p->file,
			       p->format);
	d->bd.file = p->file;
	d->bd.fd = -1;
	d->bd.readonly = p->readonly || p->read_only || p->media == MEDIA_CDROM;
	d->bd.boot = p->boot;
	d->bd.direct = p->cache == CACHE_NONE || p->cache == CACHE_DIRECTSYNC;
	d->bd.writeback = p->cache != CACHE_WRITETHROUGH && p->cache != CACHE_DIRECTSYNC;
	d->bd.discard = p->discard == DISCARD_UNMAP || p->discard == DISCARD_ON;
	return 0;
}

static bool has_key(const struct keyvals *kvs, const char *key)
{
	unsigned int i;

	for (i = 0; i < kvs->nr; i++)
		if (!strcmp(kvs->kv[i].key, key))
			return true;
	return false;
}

static bool ide_taken(uint32_t index)
{
	unsigned int i;

	for (i = 0; i < nr_drives; i++)
		if (drives[i]->p.interface == IF_IDE && drives[i]->p.index == index)
			return true;
	return false;
}

/* index=, or bus= and unit=, or the first place that is free. Return: 0 or -1 after one logged line */
static int ide_place(struct drive *d, const struct keyvals *kvs)
{
	struct drive_props *p = &d->p;

	if (p->interface != IF_IDE)
		return 0;
	if (has_key(kvs, "bus") || has_key(kvs, "unit"))
		p->index = 2 * p->bus + p->unit;
	else if (!has_key(kvs, "index"))
		while (ide_taken(p->index))
			p->index++;
	if (p->index > 3)
		return log_err("-drive file=%s: if=ide: index takes 0 to 3", p->file);
	if (ide_taken(p->index))
		return log_err("-drive file=%s: another drive is at index=%u, which is bus=%u,unit=%u", p->file, p->index,
			       p->index / 2, p->index % 2);
	return 0;
}

/* QEMU's names for those without: interface and number. */
static int drive_name(struct drive *d, const char *id, bool numbered)
{
	uint32_t n = numbered ? d->p.index : 0;
	char name[32];

	do {
		if (d->p.interface == IF_IDE)
			snprintf(name, sizeof(name), "ide%u-%s%u", d->p.index / 2,
				 d->p.media == MEDIA_CDROM ? "cd" : "hd", d->p.index % 2);
		else
			snprintf(name, sizeof(name), "%s%u", ifs[d->p.interface], n);
	} while (!numbered && d->p.interface != IF_IDE && drive_find(name) && ++n);
	d->id = strdup(id ? id : name);
	if (!d->id)
		return log_err("-drive: out of memory");
	if (drive_find(d->id))
		return log_err("-drive: id %s given twice", d->id);
	d->bd.id = d->id;
	return 0;
}

int blockdev_add(const char *arg)
{
	struct keyvals kvs;
	struct drive *d = NULL;
	const char *id;
	bool numbered;
	int ret = -1;

	if (keyvals_parse(&kvs, "-drive", NULL, arg))
		return -1;
	id = keyvals_take(&kvs, "id");
	if (cmdline_check_id("-drive", id, false))
		goto out;
	if (nr_drives == DRIVE_MAX) {
		log_err("-drive: more than %d", DRIVE_MAX);
		goto out;
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		log_err("-drive: out of memory");
		goto out;
	}
	d->bd.fd = -1;
	numbered = has_key(&kvs, "index");
	if (props_apply(drive_props, &d->p, "-drive", &kvs) || drive_check(d) ||
	    ide_place(d, &kvs) || drive_name(d, id, numbered)) {
		drive_free(d);
		goto out;
	}
	drives[nr_drives++] = d;
	ret = 0;
out:
	keyvals_free(&kvs);
	return ret;
}

void blockdev_help(void)
{
	printf("-drive takes, besides id=<str>:\n");
	props_help(drive_props);
}

bool blockdev_device(unsigned int n, char *arg, size_t size)
{
	const struct drive *d = n < nr_drives ? drives[n] : NULL;

	if (!d)
		return false;
	*arg = 0;
	if (d->p.interface == IF_VIRTIO)
		snprintf(arg, size, "virtio-blk-pci,drive=%s", d->id);
	else if (d->p.interface == IF_IDE)
		snprintf(arg, size, "%s,drive=%s,bus=ide.%u,unit=%u", d->p.media == MEDIA_CDROM ? "ide-cd" : "ide-hd", d->id,
			 d->p.index / 2, d->p.index % 2);
	return true;
}

/* ---- opening ---- */

static int open_explain(const struct blockdev *bd, int err)
{
	switch (err) {
	case EINVAL:
		if (bd->direct)
			return log_err(
				"-drive %s: %s: this file system has no O_DIRECT: cache=none and cache=directsync do not work",
				bd->id, bd->file);
		break;
	case EACCES:
	case EPERM:
	case EROFS:
		if (!bd->readonly && !access(bd->file, R_OK))
			return log_err("-drive %s: %s: %s: it can be read; pass readonly=on",
				       bd->id, bd->file, strerror(err));
		break;
	}
	return log_err("-drive %s: %s: %s", bd->id, bd->file, strerror(err));
}

/* Whole file, so that it excludes those that lock parts of it, QEMU for one. */
static int drive_lock(const struct blockdev *bd)
{
	struct flock lock = { .l_type = bd->readonly ? F_RDLCK : F_WRLCK };
	unsigned int tries = LOCK_MS / 10;

	while (fcntl(bd->fd, F_OFD_SETLK, &lock)) {
		/* a file system without locks: nothing to be had */
		if (errno != EAGAIN && errno != EACCES)
			return 0;
		if (!tries--)
			return log_err("-drive %s: %s is in use by another process, or twice by this one",
				       bd->id, bd->file);
		usleep(10000);
	}
	return 0;
}

static int open_flags(const struct blockdev *bd)
{
	return (bd->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | (bd->direct ? O_DIRECT : 0);
}

static int drive_open(struct blockdev *bd)
{
	int flags = open_flags(bd);
	struct stat st;
	uint32_t zones;
	int ro;

	/* before it is opened: that can have effects on a terminal or a tape */
	if (!stat(bd->file, &st) && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return log_err("-drive %s: %s: neither a regular file nor a block device", bd->id,
			       bd->file);
	/* O_NONBLOCK: what turns out to be a FIFO must not wait for a peer */
	bd->fd = open(bd->file, flags | O_NONBLOCK);
	if (bd->fd < 0)
		return open_explain(bd, errno);
	if (fstat(bd->fd, &st) || fcntl(bd->fd, F_SETFL, flags))
		return log_err("-drive %s: %s: %s", bd->id, bd->file, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return log_err("-drive %s: %s: neither a regular file nor a block device", bd->id,
			       bd->file);
	if (S_ISBLK(st.st_mode)) {
		bd->rdev = st.st_rdev;
		/* opening it for writing went well, writing would not */
		if (!bd->readonly && !ioctl(bd->fd, BLKROGET, &ro) && ro)
			return open_explain(bd, EACCES);
		if (!ioctl(bd->fd, BLKGETNRZONES, &zones) && zones)
			return log_err("-drive %s: %s: a zoned device: those are not there yet", bd->id,
				       bd->file);
	}
	return drive_lock(bd);
}

int blockdev_open_all(void)
{
	unsigned int i;

	for (i = 0; i < nr_drives; i++) {
		if (!*drives[i]->bd.file)
			continue;
		if (!drives[i]->p.format)
			log_warn("-drive %s: format= is missing: %s is taken as raw", drives[i]->id,
				 drives[i]->bd.file);
		if (drive_open(&drives[i]->bd))
			return -1;
	}
	return 0;
}

void blockdev_watch(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < nr_drives; i++) {
		if (drives[i]->bd.rdev) {
			blockdev_uevents(vm);
			return;
		}
	}
}

void blockdev_close_all(void)
{
	blockdev_unwatch();
	while (nr_drives)
		drive_free(drives[--nr_drives]);
}

/* ---- for devices and the monitor ---- */

struct blockdev *blockdev_find_tray(const char *id)
{
	struct drive *d = drive_find(id);

	return d && (d->bd.fd >= 0 || !*d->bd.file) ? &d->bd : NULL;
}

struct blockdev *blockdev_find(const char *id)
{
	struct blockdev *bd = blockdev_find_tray(id);

	return bd && bd->fd >= 0 ? bd : NULL;
}

const struct blockdev *blockdev_nth(unsigned int n)
{
	return n < nr_drives ? &drives[n]->bd : NULL;
}

bool blockdev_is_cdrom(const char *id)
{
	const struct drive *d = drive_find(id);

	return d && d->p.media == MEDIA_CDROM;
}

void blockdev_unlock(const struct blockdev *bd)
{
	struct flock none = { .l_type = F_UNLCK };

	if (fcntl(bd->fd, F_OFD_SETLK, &none))
		log_warn("-drive %s: %s: unlocking: %s", bd->id, bd->file, strerror(errno));
}

int blockdev_reopen(const struct blockdev *bd)
{
	char path[32];
	int fd, err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", bd->fd);
	fd = open(path, open_flags(bd));
	if (fd >= 0)
		return fd;
	err = -errno;
	log_err("-drive %s: opening %s once more, by %s: %s", bd->id, bd->file, path, strerror(-err));
	return err;
}

bool blockdev_settled(const struct blockdev *bd)
{
	struct flock lock = { .l_type = F_WRLCK };

	return bd->readonly || fcntl(bd->fd, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK;
}

int blockdev_named(const struct blockdev *bd)
{
	struct stat st, now;

	if (!fstat(bd->fd, &st) && !stat(bd->file, &now) && st.st_dev == now.st_dev && st.st_ino == now.st_ino)
		return 0;
	log_err("-drive %s: %s is another file by now, or none", bd->id, bd->file);
	return -ESTALE;
}

bool blockdev_is_raw(const struct blockdev *bd)
{
	return bd->format == formats[0];
}

int64_t blockdev_size(const struct blockdev *bd)
{
	struct stat st;
	uint64_t bytes;

	if (bd->rdev ? ioctl(bd->fd, BLKGETSIZE64, &bytes) : fstat(bd->fd, &st))
		return -errno;
	return bd->rdev ? (int64_t)bytes : st.st_size;
}

void blockdev_resized(struct vm *vm, dev_t rdev)
{
	unsigned int i;

	vm_lock(vm);
	for (i = 0; i < nr_drives; i++) {
		struct blockdev *bd = &drives[i]->bd;

		if (bd->user && (!rdev || bd->rdev == rdev))
			bd->user->resized(bd->user);
	}
	vm_unlock(vm);
}

/* Opened and checked, and for somebody else to lock. Return: 0, or -1 after one line on @out */
static int medium_open(struct blockdev *new, const char *file, FILE *out)
{
	char why[256];
	int ret;

	new->fd = -1;
	new->rdev = 0;
	new->file = strdup(file);
	if (!new->file) {
		fprintf(out, "Error: out of memory\n");
		return -1;
	}
	log_catch(why, sizeof(why));
	ret = drive_open(new);
	log_catch(NULL, 0);
	if (ret)
		fprintf(out, "Error: %s\n", why);
	else
		blockdev_unlock(new);
	return ret;
}

/* Of what @bd has no more, or has not got */
static void medium_close(struct blockdev *bd)
{
	if (bd->fd >= 0)
		close(bd->fd);
	free((char *)bd->file);
}

void blockdev_change(const char *id, const char *file, bool force, FILE *out)
{
	struct drive *d = drive_find(id);
	struct blockdev new, old;

	if (!d || !d->bd.user || !d->bd.user->change) {
		fprintf(out, "Error: no drive '%s' with a medium that can be changed (info block lists them)\n", id);
		return;
	}
	old = d->bd;
	new = old;
	if (file && medium_open(&new, file, out)) {
		medium_close(&new);
		return;
	}
	if (old.user->change(old.user, &d->bd, file ? &new : NULL, force, out)) {
		if (file)
			medium_close(&new);
		return;
	}
	if (!file) {
		new.fd = -1;
		new.file = strdup("");
	}
	medium_close(&old);
	d->bd = new;
	d->p.file = (char *)new.file;
}

void blockdev_info(FILE *out)
{
	unsigned int i;

	for (i = 0; i < nr_drives; i++) {
		const struct blockdev *bd = &drives[i]->bd;

		if (bd->fd < 0)
			fprintf(out, "%s: [not inserted]\n", bd->id);
		else
			fprintf(out, "%s: %s (%s%s)\n", bd->id, bd->file, bd->format, bd->readonly ? ", read-only" : "");
		fprintf(out, "    Attached to:      %s\n", bd->user ? bd->user->name : "none");
		if (bd->fd < 0)
			continue;
		fprintf(out, "    Cache mode:       %s%s\n", bd->writeback ? "writeback" : "writethrough",
			bd->direct ? ", direct" : "");
		fprintf(out, "    Size:             %lld bytes%s\n", (long long)blockdev_size(bd),
			blockdev_is_raw(bd) ? "" : ", of the file");
	}
	if (!nr_drives)
		fprintf(out, "no drive\n");
}

void blockdev_stats(FILE *out)
{
	unsigned int i;

	for (i = 0; i < nr_drives; i++) {
		const struct blockdev *bd = &drives[i]->bd;

		fprintf(out, "%s:", bd->id);
		if (bd->user)
			bd->user->stats(bd->user, out);
		fputc('\n', out);
	}
	if (!nr_drives)
		fprintf(out, "no drive\n");
}

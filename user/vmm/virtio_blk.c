// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-blk-pci (virtio 1.2, section 5.2) on the kernel's vhost_blk or on a process: every queue is a request
 * queue. What the configuration space says comes from the back end, which knows the limits of the drive; the
 * properties can only narrow it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include "blockdev.h"
#include "boot_order.h"
#include "device.h"
#include "virtio_blk.h"
#include "../lib/log.h"

#define to_blk(_vd)	((struct virtio_blk *)((char *)(_vd) - offsetof(struct virtio_blk, vd)))
#define user_blk(_user)	((struct virtio_blk *)((char *)(_user) - offsetof(struct virtio_blk, user)))

/* ---- the drive ---- */

void blk_resize(struct virtio_blk *blk, const struct vhost_blk_info *info)
{
	if (blk->config.capacity == blk_sectors(blk, info))
		return;
	blk->config.capacity = blk_sectors(blk, info);
	virtio_config_changed(&blk->vd);
}

static void blk_resized(struct blockdev_user *user)
{
	user_blk(user)->backend->resized(user_blk(user));
}

static void blk_stats(struct blockdev_user *user, FILE *out)
{
	user_blk(user)->backend->stats(user_blk(user), out);
}

/* ---- the cache mode: virtio 1.2, 5.2.5 and 5.2.6.2 ---- */

/* A driver that cannot flush must not need to. */
static void blk_features_ok(struct virtio_dev *vd, uint64_t features)
{
	struct virtio_blk *blk = to_blk(vd);

	pthread_mutex_lock(&blk->wce_lock);
	blk->config.wce = features & 1ull << VIRTIO_BLK_F_FLUSH ? blk->writeback : 0;
	pthread_mutex_unlock(&blk->wce_lock);
}

static int blk_prepare(struct virtio_dev *vd, uint64_t features)
{
	struct virtio_blk *blk = to_blk(vd);
	int err;

	(void)features;
	pthread_mutex_lock(&blk->wce_lock);
	err = blk->backend->writeback(blk);
	pthread_mutex_unlock(&blk->wce_lock);
	return err;
}

/* struct sync_job - survives its device: @blk is NULL then. @fd: its own, as the drive may be closed */
struct sync_job {
	struct virtio_blk *blk;
	int fd;
};

static void sync_work(void *arg)
{
	struct sync_job *job = arg;

	if (fdatasync(job->fd))
		log_warn("a drive whose write cache the guest turned off: %s", strerror(errno));
}

static void sync_done(void *arg)
{
	struct sync_job *job = arg;
	struct virtio_blk *blk = job->blk;

	close(job->fd);
	free(job);
	if (!blk)
		return;
	blk->sync_job = NULL;
	if (blk->sync_again)
		loop_bh_schedule(blk->vd.pci.vm->loop, &blk->sync);
}

/* The back end sees to requests in flight and later ones; this is for those before. */
static void sync_bh(struct loop_bh *bh)
{
	struct virtio_blk *blk = (void *)((char *)bh - offsetof(struct virtio_blk, sync));
	struct sync_job *job;

	blk->sync_again = blk->sync_job;
	if (blk->sync_job)
		return;
	job = malloc(sizeof(*job));
	if (!job)
		return;
	*job = (struct sync_job){ .blk = blk, .fd = fcntl(blk->bd->fd, F_DUPFD_CLOEXEC, 0) };
	blk->sync_job = job;
	if (job->fd < 0 || loop_offload(blk->vd.pci.vm->loop, sync_work, sync_done, job))
		sync_done(job);
}

/*
 * Here and now, on the vCPU: once its write has returned, the driver counts on it for what it submits
 * next. The back end sets a flag, it waits for no request.
 */
static void blk_config_write(struct virtio_dev *vd, unsigned int off, uint64_t val, unsigned int len)
{
	const unsigned int at = offsetof(struct virtio_blk_config, wce);
	struct virtio_blk *blk = to_blk(vd);
	uint8_t was;
	int err;

	if (at < off || at >= off + len || !virtio_negotiated(vd, VIRTIO_BLK_F_CONFIG_WCE))
		return;
	pthread_mutex_lock(&blk->wce_lock);
	was = blk->config.wce;
	blk->config.wce = !!(val >> 8 * (at - off) & 0xff);
	err = blk->backend->writeback(blk);
	if (was && !blk->config.wce)
		loop_bh_schedule(vd->pci.vm->loop, &blk->sync);
	pthread_mutex_unlock(&blk->wce_lock);
	/* A back end that is not there is told when it is. */
	if (err && err != -EPIPE)
		virtio_broken(vd, strerror(-err));
}

static void blk_destroy(struct virtio_dev *vd)
{
	struct virtio_blk *blk = to_blk(vd);

	loop_bh_cancel(vd->pci.vm->loop, &blk->sync);
	if (blk->sync_job)
		blk->sync_job->blk = NULL;
	blk->bd->user = NULL;
	if (blk->backend->destroy)
		blk->backend->destroy(blk);
	pthread_mutex_destroy(&blk->wce_lock);
	free(blk);
}

static const struct virtio_ops blk_ops = {
	.features_ok = blk_features_ok,
	.prepare = blk_prepare,
	.config_write = blk_config_write,
	.destroy = blk_destroy,
};

/* ---- making ---- */

/* What needs no back end. */
static int props_check(struct virtio_blk *blk, const struct blk_props *p)
{
	const char *name = blk->name;
	struct blockdev *bd;
	int fd;

	if (virtio_pci_props_check(name, &p->pci))
		return -1;
	if (p->vhost == PROP_OFF && (p->vhostforce || p->vhostfd))
		return log_err("-device %s: vhost=off contradicts vhostforce= and vhostfd=", name);
	if (p->queue_size & (p->queue_size - 1))
		return log_err("-device %s: queue-size=%u: takes a power of two", name, p->queue_size);
	if (p->workers > p->num_queues)
		return log_err("-device %s: workers=%u: more than the %u queues", name, p->workers,
			       p->num_queues);
	if (p->serial && strlen(p->serial) > VHOST_BLK_SERIAL_LEN)
		return log_err("-device %s: serial=%s: takes %d characters at most", name, p->serial,
			       VHOST_BLK_SERIAL_LEN);
	if (p->vhostfd && parse_fd(p->vhostfd, &fd))
		return log_err("-device %s: vhostfd=%s: takes the number of an inherited descriptor",
			       name, p->vhostfd);
	bd = blockdev_find(p->drive);
	if (!bd)
		return log_err("-device %s: drive=%s: no such -drive", name, p->drive);
	if (bd->user)
		return log_err("-device %s: drive=%s: in use by %s", name, p->drive, bd->user->name);
	if (!blockdev_is_raw(bd) && (p->vhost == PROP_ON || p->vhostforce || p->vhostfd))
		return log_err("-device %s: drive=%s: format=%s: vhost_blk takes raw; without vhost=on, " BLK_IMAGE_PROGRAM " serves it",
			       name, p->drive, bd->format);
	if (!blockdev_is_raw(bd) && p->serial)
		return log_err("-device %s: serial=%s: " BLK_IMAGE_PROGRAM ", which serves format=%s, has none", name,
			       p->serial, bd->format);
	blk->bd = bd;
	blk->writeback = p->write_cache == PROP_AUTO ? bd->writeback : p->write_cache == PROP_ON;
	return 0;
}

static void blk_close(struct virtio_blk *blk)
{
	blk->vd.vhost->ops->close(blk->vd.vhost);
	if (blk->backend->destroy)
		blk->backend->destroy(blk);
}

/* In the kernel if that is wanted and possible, else in a process. Return: 0; -1 after one logged line */
static int blk_open(struct virtio_blk *blk, struct vm *vm, const struct blk_props *p)
{
	bool kernel = p->vhost == PROP_ON || p->vhostforce || p->vhostfd;
	bool only = p->vhostforce || p->vhostfd;
	struct vhost_blk_info info = { 0 };
	int ret = kernel ? blk_kernel_open(blk, vm, p, &info, only ? NULL : BLK_PROGRAM) : 1;

	if (ret > 0)
		ret = blk_user_open(blk, vm, p, &info);
	if (ret)
		return -1;
	if (!blk_config_fill(blk, p, &info)) {
		blk->vd.features = blk_features(blk, p, &info);
		if (!virtio_pci_features_check(blk->name, &p->pci, blk->vd.features))
			return 0;
	}
	blk_close(blk);
	return -1;
}

static int virtio_blk_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	struct blk_props *p = props;
	struct virtio_blk *blk = calloc(1, sizeof(*blk));
	uint16_t sizes[VHOST_BLK_MAX_QUEUES];
	struct virtio_pci_init init = {
		.device_id = VIRTIO_ID_BLOCK,
		.class_code = 0x010000,
		.addr = p->pci.addr,
		.props = &p->pci,
		.queue_max = sizes,
	};
	unsigned int n;

	if (!blk)
		return log_err("out of memory");
	snprintf(blk->name, sizeof(blk->name), "%s%s%s", type->name, id ? "." : "", id ? id : "");
	if (!p->num_queues)
		p->num_queues = vm->nr_vcpus < VHOST_BLK_MAX_QUEUES ? vm->nr_vcpus : VHOST_BLK_MAX_QUEUES;
	if (props_check(blk, p))
		goto out;
	if (!p->workers)
		p->workers = p->num_queues < vm->nr_vcpus ? p->num_queues : vm->nr_vcpus;
	for (n = 0; n < p->num_queues; n++)
		sizes[n] = (uint16_t)p->queue_size;
	init.nr_queues = p->num_queues;
	init.vectors = p->pci.vectors == VIRTIO_VECTORS_AUTO ? p->num_queues + 1 : p->pci.vectors;
	if (blk_open(blk, vm, p))
		goto out;
	blk->user = (struct blockdev_user){ .name = blk->name, .resized = blk_resized, .stats = blk_stats };
	blk->sync.fn = sync_bh;
	blk->vd.ops = &blk_ops;
	blk->vd.name = blk->name;
	blk->vd.ioeventfd = p->pci.ioeventfd;
	blk->vd.config = &blk->config;
	blk->vd.config_len = offsetof(struct virtio_blk_config, secure_erase_sector_alignment) +
			     sizeof(blk->config.secure_erase_sector_alignment);
	pthread_mutex_init(&blk->wce_lock, NULL);
	if (virtio_pci_create(vm, &blk->vd, &init)) {
		blk_close(blk);
		goto out;
	}
	blk->bd->user = &blk->user;
	return boot_order_add(blk->name, p->bootindex == BOOT_NONE && blk->bd->boot ? 0 : p->bootindex, &blk->vd.pci, "scsi",
			      "/disk@0,0");
out:
	free(blk);
	return -1;
}

static int vhost_blk_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	struct blk_props *p = props;

	p->vhostforce = true;
	return virtio_blk_create(type, vm, id, p);
}

#define BLK_BOOL(_name, _field, _def, _help) \
	PROP(_name, PROP_BOOL, struct blk_props, _field, .def = _def, .help = _help)
#define BLK_U32(_name, _field, ...) PROP(_name, PROP_U32, struct blk_props, _field, __VA_ARGS__)
#define BLK_SIZE(_name, _field, ...) PROP(_name, PROP_SIZE, struct blk_props, _field, __VA_ARGS__)

static const struct prop blk_props[] = {
	PROP("drive", PROP_STR, struct blk_props, drive, .required = true, .help = "id of a -drive"),
	PROP("vhost", PROP_ONOFFAUTO, struct blk_props, vhost,
	     .help = "on: served by the kernel's vhost_blk, if it is loaded; else by a process, " BLK_PROGRAM),
	BLK_BOOL("vhostforce", vhostforce, "off", "on: by vhost_blk, or not at all"),
	PROP("vhostfd", PROP_STR, struct blk_props, vhostfd,
	     .help = "descriptor of an opened /dev/vhost-blk, inherited"),
	BLK_U32("num-queues", num_queues, .min = 1, .max = VHOST_BLK_MAX_QUEUES,
		.help = "request queues; without it one for each CPU"),
	BLK_U32("queue-size", queue_size, .def = "256", .min = 4, .max = 1024,
		.help = "power of two, 4 to 1024"),
	BLK_U32("workers", workers, .min = 1, .max = VHOST_BLK_MAX_QUEUES,
		.help = "kernel threads that serve them, with vhost=on; without it one for each queue, no more than CPUs"),
	BLK_U32("vectors", pci.vectors, .def = "4294967295",
		.help = "MSI-X vectors, 0: interrupts by INTx; the default means one for each queue and one more"),
	PROP("serial", PROP_STR, struct blk_props, serial, .help = "20 characters at most"),
	BOOT_PROP(struct blk_props, bootindex),
	BLK_SIZE("logical_block_size", logical_block_size, .min = BLK_SECTOR, .max = 2 << 20,
		 .help = "without it the drive's"),
	BLK_SIZE("physical_block_size", physical_block_size, .min = BLK_SECTOR, .max = 2 << 20,
		 .help = "without it the drive's"),
	BLK_SIZE("min_io_size", min_io_size, .max = UINT32_MAX, .help = "without it the drive's"),
	BLK_SIZE("opt_io_size", opt_io_size, .max = UINT32_MAX, .help = "without it the drive's"),
	BLK_BOOL("discard", discard, "on", "the guest may discard, if the drive has discard=unmap"),
	BLK_BOOL("write-zeroes", write_zeroes, "on", "the guest may have ranges zeroed"),
	BLK_BOOL("config-wce", config_wce, "on", "the guest may change the cache mode"),
	PROP("write-cache", PROP_ONOFFAUTO, struct blk_props, write_cache, .def = "auto",
	     .help = "cache mode at first; auto: as the drive's cache= says"),
	VIRTIO_PCI_PROPS(struct blk_props, pci),
	{ 0 },
};

const struct device_type virtio_blk_pci_type = {
	.name = "virtio-blk-pci",
	.alias = "virtio-blk",
	.desc = "virtio disk, served by a process, or by vhost_blk",
	.bus = "PCI",
	.props = blk_props,
	.props_size = sizeof(struct blk_props),
	.create = virtio_blk_create,
};

const struct device_type vhost_blk_pci_type = {
	.name = "vhost-blk-pci",
	.desc = "the same, with vhostforce=on",
	.bus = "PCI",
	.props = blk_props,
	.props_size = sizeof(struct blk_props),
	.create = vhost_blk_create,
};

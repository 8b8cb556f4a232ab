// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that a process serves whole: vhost-user-*-pci, on whoever is at the other end of a chardev, and
 * what all of them and virtio-*-pci on processes of ours share. What a device can do, and mostly its configuration
 * too, is the process's to say; of each kind there is only a row of a table.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_input.h>
#include <linux/virtio_vsock.h>
#include "boot_order.h"
#include "chardev.h"
#include "config.h"
#include "device.h"
#include "vhost_user.h"
#include "virtio_pci.h"
#include "virtio_user.h"
#include "vm.h"
#include "../lib/bits.h"
#include "../lib/log.h"

#define ALL_FEATURES	(BIT64(24) - 1)		/* the device's own */
/* Header and status of a request that fills the queue */
#define SEG_EXTRA	2

#define of_vd(_vd) ((struct virtio_user *)((char *)(_vd) - offsetof(struct virtio_user, vd)))
#define of_vu(_vu) ((struct virtio_user *)((char *)(_vu) - offsetof(struct virtio_user, vu)))

/* ---- configuration ---- */

static void config_take(struct virtio_user *d)
{
	uint8_t kept[sizeof(d->config)];

	memcpy(kept, d->config, sizeof(kept));
	memcpy(d->config, d->vu.config, d->vd.config_len);
	if (d->kept)
		memcpy(d->config + d->kind->keep, kept + d->kind->keep, d->kind->keep_len);
	if (d->kind->amend)
		d->kind->amend(d);
}

static void config_changed(struct vhost_user *vu)
{
	struct virtio_user *d = of_vu(vu);

	config_take(d);
	virtio_config_changed(&d->vd);
}

/*
 * As QEMU does it: processes of such devices look at what the driver chooses from, whatever has been written of it. What
 * nobody can answer is not there.
 */
static void config_choose(struct virtio_user *d, unsigned int off, const uint8_t *bytes, unsigned int len)
{
	unsigned int end = d->kind->keep_len;

	if (off >= end)
		return;
	memcpy(d->config + off, bytes, len < end - off ? len : end - off);
	d->kept = true;
	if (!vhost_user_set_config(&d->vu, 0, d->config, d->vd.config_len) &&
	    !vhost_user_get_config(&d->vu, d->vu.config))
		config_take(d);
	else
		memset(d->config + end, 0, d->vd.config_len - end);
}

/* The process may refuse, or not be there; virtio has no word for either. */
static void user_config_write(struct virtio_dev *vd, unsigned int off, uint64_t val, unsigned int len)
{
	struct virtio_user *d = of_vd(vd);
	uint8_t bytes[sizeof(val)] = { 0 };
	const char *why;
	unsigned int i;
	int err;

	if (d->kind->fill) {
		why = d->kind->refusal ? d->kind->refusal(d->config, off, val, len) : NULL;
		if (why)
			virtio_broken(vd, why);
		return;
	}
	if (len > vd->config_len - off)
		len = vd->config_len - off;
	for (i = 0; i < len; i++)
		bytes[i] = (uint8_t)(val >> 8 * i);
	if (d->kind->choice) {
		config_choose(d, off, bytes, len);
		return;
	}
	err = vhost_user_set_config(&d->vu, off, bytes, len);
	if (d->kind->keep_len && off == d->kind->keep && len == d->kind->keep_len && (!err || err == -EPIPE)) {
		memcpy(d->config + off, bytes, len);
		d->kept = true;
	}
	if (d->kind->live && !err && !vhost_user_get_config(&d->vu, d->vu.config))
		config_take(d);
}

static int user_prepare(struct virtio_dev *vd, uint64_t features)
{
	struct virtio_user *d = of_vd(vd);
	uint8_t *kept = d->config + d->kind->keep;
	int err;

	(void)features;
	if (d->kind->choice)
		return 0;
	err = d->kept ? vhost_user_set_config(&d->vu, d->kind->keep, kept, d->kind->keep_len) : 0;
	return err == -EINVAL ? 0 : err;
}

static void user_features_ok(struct virtio_dev *vd, uint64_t features)
{
	(void)features;
	of_vd(vd)->kept = false;
}

static void user_free(struct virtio_user *d)
{
	if (d->kind->release)
		d->kind->release(d);
	free(d);
}

static void user_destroy(struct virtio_dev *vd)
{
	user_free(of_vd(vd));
}

static const struct virtio_ops user_ops = {
	.features_ok = user_features_ok,
	.config_write = user_config_write,
	.prepare = user_prepare,
	.destroy = user_destroy,
};

/* ---- making ---- */

/* As many as there are CPUs, if the process has them, or as many as were asked for. */
static int requests_count(struct virtio_user *d, const struct vm *vm)
{
	unsigned int most = d->vu.queues - d->kind->queues;

	if (!d->kind->requests)
		return 0;
	d->nr_requests = d->p->num_queues ?: vm->nr_vcpus < most ? vm->nr_vcpus : most;
	if (d->nr_requests <= most)
		return 0;
	return log_err("-device %s: %u request queues: the process has %u", d->name, d->nr_requests, most);
}

/* A process of ours. Return: 0, or -1 after one logged line */
static int process_init_own(struct virtio_user *d, struct vm *vm)
{
	struct process *proc = &d->vu.proc;
	int err = process_init(proc, d->kind->program);

	err = err ?: d->kind->args(d, vm);
	if (!err)
		return 0;
	process_free(proc);
	return err > 0 ? -1 : log_err("-device %s: %s", d->name, strerror(-err));
}

/* Return: 0, or -1 after one logged line */
static int process_open(struct virtio_user *d, struct vm *vm)
{
	struct vhost_user *vu = &d->vu;

	if (d->kind->program) {
		if (process_init_own(d, vm))
			return -1;
	} else {
		vu->chardev = chardev_find(d->p->chardev);
		if (!vu->chardev)
			return log_err("-device %s: chardev=%s: no such -chardev", d->name, d->p->chardev);
	}
	vu->nr_rings = d->kind->need + d->kind->requests;
	vu->config_len = d->kind->fill ? 0 : d->kind->id ? d->kind->config_len : d->p->config_size;
	vu->config_changed = config_changed;
	return vhost_user_open(vu, vm, d->name);
}

static int features_set(struct virtio_user *d)
{
	uint64_t has = d->vu.vhost.features, own = ALL_FEATURES;

	if (d->kind->features)
		own &= d->kind->features(d->p);
	d->vd.features = virtio_pci_features(&d->p->pci, has) | (has & own);
	return virtio_pci_features_check(d->name, &d->p->pci, d->vd.features);
}

/* The process has been asked what it is. Return: 0, or -1 after one logged line */
static int user_setup(struct virtio_user *d, struct vm *vm)
{
	const struct user_kind *kind = d->kind;

	if (requests_count(d, vm) || features_set(d))
		return -1;
	if (kind->fill) {
		d->vd.config_len = kind->config_len;
		kind->fill(d);
		return 0;
	}
	if (kind->config_len && !d->vu.config_len)
		return log_err("-device %s: the process has no configuration", d->name);
	d->vd.config_len = d->vu.config_len;
	config_take(d);
	return 0;
}

static int user_plug(struct virtio_user *d, struct vm *vm, unsigned int queues)
{
	const struct user_kind *kind = d->kind;
	const struct user_props *p = d->p;
	uint16_t sizes[USER_MAX_QUEUES];
	struct virtio_pci_init init = {
		.device_id = kind->id ? kind->id : (uint16_t)p->virtio_id,
		.class_code = kind->class,
		.addr = p->pci.addr,
		.props = &p->pci,
		.nr_queues = queues,
		.queue_max = sizes,
		.vectors = p->pci.vectors,
	};
	unsigned int n;

	if (init.vectors == VIRTIO_VECTORS_AUTO)
		init.vectors = queues < MSIX_MAX ? queues + 1 : MSIX_MAX;
	for (n = 0; n < queues; n++)
		sizes[n] = kind->queue_size ? kind->queue_size : (uint16_t)p->queue_size;
	d->vu.nr_rings = queues < d->vu.queues ? queues : d->vu.queues;
	d->vu.most_rings = d->vu.nr_rings;
	d->vd.ops = &user_ops;
	d->vd.name = d->name;
	d->vd.ioeventfd = p->pci.ioeventfd;
	d->vd.config = d->config;
	return virtio_pci_create(vm, &d->vd, &init);
}

static unsigned int queues_count(const struct virtio_user *d)
{
	const struct virtio_console_config *c = (const void *)d->config;

	if (!d->kind->id)
		return d->p->num_queues;
	if (d->kind->id == VIRTIO_ID_CONSOLE && d->vd.features & BIT64(VIRTIO_CONSOLE_F_MULTIPORT))
		return c->max_nr_ports ? 2 * c->max_nr_ports + 2 : 2;
	return d->kind->queues + d->nr_requests;
}

static int props_check(const struct virtio_user *d)
{
	const struct user_props *p = d->p;

	if (virtio_pci_props_check(d->name, &p->pci))
		return -1;
	if (p->queue_size & (p->queue_size - 1))
		return log_err("-device %s: queue size %u: takes a power of two", d->name, p->queue_size);
	if (p->tag && (!*p->tag || strlen(p->tag) > sizeof(((struct virtio_fs_config *)NULL)->tag)))
		return log_err("-device %s: tag=%s: takes 1 to 36 bytes", d->name, p->tag);
	return 0;
}

int virtio_user_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	const struct user_kind *kind = (const void *)((const char *)type - offsetof(struct user_kind, type));
	struct virtio_user *d = calloc(1, kind->size ? kind->size : sizeof(*d));
	unsigned int queues;

	if (!d)
		return log_err("out of memory");
	d->kind = kind;
	d->p = props;
	snprintf(d->name, sizeof(d->name), "%s%s%s", type->name, id ? "." : "", id ? id : "");
	d->vd.vhost = &d->vu.vhost;
	if (props_check(d) || process_open(d, vm))
		goto out;
	if (user_setup(d, vm))
		goto out_close;
	queues = queues_count(d);
	if (queues > USER_MAX_QUEUES) {
		log_err("-device %s: the process wants %u queues; %u are possible", d->name, queues, USER_MAX_QUEUES);
		goto out_close;
	}
	/* from now on the bus has it */
	if (!user_plug(d, vm, queues))
		return kind->plugged ? kind->plugged(d) : 0;
out_close:
	vhost_user_close(&d->vu);
out:
	user_free(d);
	return -1;
}

/* ---- the kinds ---- */

static uint64_t blk_features(const struct user_props *p)
{
	return p->config_wce ? UINT64_MAX : ~BIT64(VIRTIO_BLK_F_CONFIG_WCE);
}

static void blk_amend(struct virtio_user *d)
{
	struct virtio_blk_config *c = (void *)d->config;

	c->num_queues = (uint16_t)d->nr_requests;
	/* Two of the descriptors are not data. */
	if (c->seg_max > d->p->queue_size - SEG_EXTRA)
		c->seg_max = d->p->queue_size - SEG_EXTRA;
}

static int blk_plugged(struct virtio_user *d)
{
	return boot_order_add(d->name, d->p->bootindex, &d->vd.pci, "scsi", "/disk@0,0");
}

static void fs_fill(struct virtio_user *d)
{
	struct virtio_fs_config *c = (void *)d->config;

	memcpy(c->tag, d->p->tag, strnlen(d->p->tag, sizeof(c->tag)));
	c->num_request_queues = d->nr_requests;
}

/* Its notifications need a queue more. */
static uint64_t fs_features(const struct user_props *p)
{
	(void)p;
	return 0;
}

static const struct prop blk_props[] = {
	USER_U32("num-queues", num_queues, .min = 1, .max = USER_MAX_QUEUES,
		 .help = "request queues; without it one for each CPU, if the process has them"),
	USER_SIZE("queue-size", "128"),
	USER_BOOL("config-wce", config_wce, "on", "the guest may change the cache mode"),
	BOOT_PROP(struct user_props, bootindex),
	USER_PEER
};

static const struct prop fs_props[] = {
	PROP("tag", PROP_STR, struct user_props, tag, .required = true, .help = "the name to mount it by"),
	USER_U32("num-request-queues", num_queues, .def = "1", .min = 1, .max = USER_MAX_QUEUES - 1, .help = NULL),
	USER_SIZE("queue-size", "128"),
	USER_U32("bootindex", bootindex, .help = "no effect: firmware cannot boot from it"),
	USER_PEER
};

static const struct prop plain_props[] = { USER_SIZE("queue-size", "128"), USER_PEER };

static const struct prop any_props[] = {
	USER_U32("virtio-id", virtio_id, .required = true, .min = 1, .max = 0xfbf, .help = "device ID, virtio 1.2, 5"),
	USER_U32("num_vqs", num_queues, .def = "1", .min = 1, .max = USER_MAX_QUEUES, .help = "queues"),
	USER_U32("config_size", config_size, .def = "0", .max = VHOST_USER_CONFIG_SIZE,
		 .help = "bytes of configuration"),
	USER_SIZE("vq_size", "64"),
	USER_PEER
};

static const struct user_kind blk_kind = {
	USER_PEER_TYPE("vhost-user-blk-pci", blk_props, "virtio disk, served by a process of yours"),
	.id = VIRTIO_ID_BLOCK, .class = 0x010000, .requests = true,
	.config_len = offsetof(struct virtio_blk_config, max_secure_erase_sectors),
	.keep = offsetof(struct virtio_blk_config, wce), .keep_len = 1,
	.features = blk_features, .plugged = blk_plugged, .amend = blk_amend,
};

static const struct user_kind fs_kind = {
	USER_PEER_TYPE("vhost-user-fs-pci", fs_props, "virtio file system, served by a process of yours"),
	.id = VIRTIO_ID_FS, .class = 0x018000, .queues = 1, .need = 1, .requests = true,
	.config_len = offsetof(struct virtio_fs_config, num_request_queues) + 4,
	.fill = fs_fill, .features = fs_features,
};

static const struct user_kind console_kind = {
	USER_PEER_TYPE("vhost-user-console-pci", plain_props, "virtio console, served by a process of yours"),
	.id = VIRTIO_ID_CONSOLE, .class = 0x078000, .queues = 2, .need = 2,
	.config_len = sizeof(struct virtio_console_config),
};

static const struct user_kind rng_kind = {
	USER_PEER_TYPE("vhost-user-rng-pci", plain_props, "virtio entropy source, served by a process of yours"),
	.id = VIRTIO_ID_RNG, .class = 0x00ff00, .queues = 1, .need = 1,
};

/* Hints and poison have more of the configuration than all processes have. */
static uint64_t balloon_features(const struct user_props *p)
{
	(void)p;
	return ~(BIT64(VIRTIO_BALLOON_F_FREE_PAGE_HINT) | BIT64(VIRTIO_BALLOON_F_PAGE_POISON));
}

static const struct user_kind balloon_kind = {
	USER_PEER_TYPE("vhost-user-balloon-pci", plain_props, "virtio memory balloon, served by a process of yours"),
	.id = VIRTIO_ID_BALLOON, .class = 0x00ff00, .queues = 5, .need = 2,
	.config_len = offsetof(struct virtio_balloon_config, free_page_hint_cmd_id), .features = balloon_features,
	.keep = offsetof(struct virtio_balloon_config, actual), .keep_len = 4,
};

/* Its third queue brings events of migration, and processes that have no use for it do not have it. */
static const struct user_kind vsock_kind = {
	USER_PEER_TYPE("vhost-user-vsock-pci", plain_props, "virtio sockets, served by a process of yours"),
	.id = VIRTIO_ID_VSOCK, .class = 0x078000, .queues = 3, .need = 2,
	.config_len = sizeof(struct virtio_vsock_config),
};

static const struct user_kind input_kind = {
	USER_PEER_TYPE("vhost-user-input-pci", plain_props, "virtio input device, served by a process of yours"),
	.id = VIRTIO_ID_INPUT, .class = 0x098000, .queues = 2, .need = 2,
	.config_len = sizeof(struct virtio_input_config), .choice = true,
	.keep_len = offsetof(struct virtio_input_config, size),
};

static const struct user_kind any_kind = {
	USER_PEER_TYPE("vhost-user-device-pci", any_props, "virtio device of any kind, served by a process of yours"),
	.class = 0x00ff00, .need = 1, .live = true,
};

const struct device_type *const virtio_user_types[] = {
	&blk_kind.type, &vhost_user_scsi_kind.type, &fs_kind.type, &console_kind.type, &rng_kind.type, &balloon_kind.type,
	&vsock_kind.type, &input_kind.type, &any_kind.type, &virtio_rng_kind.type, &virtio_balloon_kind.type,
	&virtio_serial_kind.type, &virtio_scsi_kind.type, NULL,
};

// SPDX-License-Identifier: GPL-2.0
/*
 * vhost-scsi-pci: a virtio-scsi host bus adapter (virtio 1.2, section 5.6) whose queues, control and event
 * queue included, are all served by the kernel's vhost_scsi, a fabric of its SCSI target. What LUNs there
 * are is between configfs and the guest: they come and go without a word to the VMM.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include "device.h"
#include "virtio_scsi.h"
#include "vm.h"
#include "../lib/bits.h"
#include "../lib/log.h"

#define CONFIGFS_TARGETS	"/sys/kernel/config/target"

/* Header and response of a request that fills the queue */
#define SEG_EXTRA		2
/* How a LUN is addressed: 5.6.6.1 */
#define MAX_TARGET		255
#define MAX_LUN			16383

#define to_scsi(_vd)	((struct virtio_scsi *)((char *)(_vd) - offsetof(struct virtio_scsi, vd)))

/* ---- the back end ---- */

static int scsi_endpoint(struct vhost_kernel *vk, bool on)
{
	struct virtio_scsi *scsi = (void *)((char *)vk - offsetof(struct virtio_scsi, vk));
	struct vhost_scsi_target target = { .abi_version = VHOST_SCSI_ABI_VERSION };
	int ret, err;

	snprintf(target.vhost_wwpn, sizeof(target.vhost_wwpn), "%s", scsi->wwpn);
	do {
		ret = ioctl(vk->fd, on ? VHOST_SCSI_SET_ENDPOINT : VHOST_SCSI_CLEAR_ENDPOINT, &target);
	} while (ret && errno == EINTR);
	err = ret ? -errno : 0;
	/* Modules differ in the word for it. */
	if (on && (err == -ENODEV || err == -EEXIST || err == -ENOENT || err == -EBUSY)) {
		snprintf(scsi->why, sizeof(scsi->why),
			 "wwpn=%s: no such target, or somebody else has it (%s)", scsi->wwpn, strerror(-err));
		vk->vhost.why = scsi->why;
	}
	return err;
}

static const struct vhost_kernel_ops scsi_kernel_ops = { .endpoint = scsi_endpoint };

/* ---- configuration and features ---- */

void scsi_config_fill(struct virtio_scsi_config *c, const struct scsi_props *p)
{
	*c = (struct virtio_scsi_config){
		.num_queues = p->num_queues,
		.seg_max = p->virtqueue_size - SEG_EXTRA,
		.max_sectors = p->max_sectors,
		.cmd_per_lun = p->cmd_per_lun,
		.event_info_size = sizeof(struct virtio_scsi_event),
		.sense_size = VIRTIO_SCSI_SENSE_DEFAULT_SIZE,
		.cdb_size = VIRTIO_SCSI_CDB_DEFAULT_SIZE,
		.max_channel = 0,
		.max_target = MAX_TARGET,
		.max_lun = MAX_LUN,
	};
}

uint64_t scsi_features(const struct virtio_scsi *scsi, const struct scsi_props *p)
{
	/* There is one endpoint for all rings: none can be reset alone. */
	uint64_t has = scsi->vk.vhost.features & ~BIT64(VIRTIO_F_RING_RESET);

	return virtio_pci_features(&p->pci, has) |
	       (p->hotplug ? has & BIT64(VIRTIO_SCSI_F_HOTPLUG) : 0) |
	       (p->param_change ? has & BIT64(VIRTIO_SCSI_F_CHANGE) : 0) |
	       (p->t10_pi ? has & BIT64(VIRTIO_SCSI_F_T10_PI) : 0);
}

bool scsi_config_refused(const struct virtio_scsi_config *c, unsigned int off, uint64_t val, unsigned int len)
{
	const unsigned int first = offsetof(struct virtio_scsi_config, sense_size);
	const unsigned int end = offsetof(struct virtio_scsi_config, max_channel);
	unsigned int at;

	for (at = off; at < off + len; at++, val >>= 8)
		if (at >= first && at < end && ((const uint8_t *)c)[at] != (uint8_t)val)
			return true;
	return false;
}

static void scsi_config_write(struct virtio_dev *vd, unsigned int off, uint64_t val, unsigned int len)
{
	if (scsi_config_refused(&to_scsi(vd)->config, off, val, len))
		virtio_broken(vd, SCSI_CONFIG_REFUSED);
}

static void scsi_destroy(struct virtio_dev *vd)
{
	struct virtio_scsi *scsi = to_scsi(vd);

	close(scsi->vk.fd);
	free(scsi);
}

static const struct virtio_ops scsi_ops = {
	.config_write = scsi_config_write,
	.destroy = scsi_destroy,
};

/* ---- making ---- */

static bool has_nexus(const char *wwpn, const char *configfs)
{
	char pattern[PATH_MAX], byte;
	bool found = false;
	glob_t nexus;
	size_t i;

	snprintf(pattern, sizeof(pattern), "%s/vhost/%s/tpgt_*/nexus", configfs, wwpn);
	if (glob(pattern, GLOB_NOSORT, NULL, &nexus))
		return false;
	for (i = 0; i < nexus.gl_pathc && !found; i++) {
		int fd = open(nexus.gl_pathv[i], O_RDONLY | O_CLOEXEC);

		/* One that this process may not read is given the benefit of the doubt. */
		found = fd < 0 ? errno == EACCES : read(fd, &byte, 1) == 1;
		if (fd >= 0)
			close(fd);
	}
	globfree(&nexus);
	return found;
}

int scsi_target_check(const char *name, const char *wwpn, const char *configfs)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/vhost/%s", configfs, wwpn);
	if (stat(configfs, &st) || (stat(path, &st) && errno != ENOENT))
		return 0;
	if (stat(path, &st))
		return log_err("-device %s: wwpn=%s: there is no such target in %s/vhost", name, wwpn, configfs);
	if (!has_nexus(wwpn, configfs))
		return log_err("-device %s: wwpn=%s: this target has no tpgt_* with a nexus", name, wwpn);
	return 0;
}

/* What needs no module. */
static int props_check(const char *name, const struct scsi_props *p)
{
	int fd;

	if (virtio_pci_props_check(name, &p->pci))
		return -1;
	/* It becomes a part of a path. */
	if ((strncmp(p->wwpn, "naa.", 4) && strncmp(p->wwpn, "fc.", 3) && strncmp(p->wwpn, "iqn.", 4)) ||
	    strpbrk(p->wwpn, "/*?[\\"))
		return log_err("-device %s: wwpn=%s: takes naa.…, fc.… or iqn.…, the name of a target", name,
			       p->wwpn);
	if (strlen(p->wwpn) >= sizeof(((struct vhost_scsi_target *)NULL)->vhost_wwpn))
		return log_err("-device %s: wwpn=%s: takes 223 characters at most", name, p->wwpn);
	if (p->virtqueue_size & (p->virtqueue_size - 1))
		return log_err("-device %s: virtqueue_size=%u: takes a power of two", name,
			       p->virtqueue_size);
	if (p->vhostfd && parse_fd(p->vhostfd, &fd))
		return log_err("-device %s: vhostfd=%s: takes the number of an inherited descriptor",
			       name, p->vhostfd);
	return 0;
}

/* Workers of their own for the request queues. Return: 0, or -1 after one logged line */
static int scsi_workers(struct virtio_scsi *scsi, const struct scsi_props *p)
{
	int err;

	if (p->worker_per_virtqueue == PROP_OFF)
		return 0;
	err = vhost_kernel_workers(&scsi->vk, SCSI_FIXED_QUEUES, p->num_queues, p->num_queues);
	if (!err || p->worker_per_virtqueue == PROP_AUTO)
		return 0;
	return log_err("-device %s: worker_per_virtqueue=on: the vhost_scsi module cannot: %s", scsi->name,
		       strerror(-err));
}

/* Return: 0, or -1 after one logged line */
static int queues_check(struct virtio_scsi *scsi, const struct scsi_props *p)
{
	struct vhost_vring_state last = { .index = SCSI_FIXED_QUEUES + p->num_queues - 1 };

	if (!ioctl(scsi->vk.fd, VHOST_GET_VRING_BASE, &last))
		return 0;
	if (errno == ENOBUFS)
		return log_err("-device %s: num_queues=%u: more than the module's parameter max_io_vqs",
			       scsi->name, p->num_queues);
	return log_err("-device %s: setting up the vhost device: %s", scsi->name, strerror(errno));
}

static int scsi_open(struct virtio_scsi *scsi, struct vm *vm, const struct scsi_props *p)
{
	char opt[80];
	int fd, abi;

	snprintf(opt, sizeof(opt), "-device %s", scsi->name);
	fd = vhost_kernel_open(opt, "scsi", p->vhostfd, NULL);
	if (fd < 0)
		return -1;
	if (ioctl(fd, VHOST_SCSI_GET_ABI_VERSION, &abi)) {
		log_err("%s: %s is not a vhost-scsi device", opt, p->vhostfd ? "vhostfd" : "/dev/vhost-scsi");
		goto out;
	}
	if (abi > VHOST_SCSI_ABI_VERSION) {
		log_err("%s: the vhost_scsi module has ABI version %d, this is %d", opt, abi,
			VHOST_SCSI_ABI_VERSION);
		goto out;
	}
	if (vhost_kernel_init(&scsi->vk, vm, scsi->name, fd, &scsi_kernel_ops) ||
	    queues_check(scsi, p) || scsi_target_check(scsi->name, p->wwpn, CONFIGFS_TARGETS) ||
	    scsi_workers(scsi, p))
		goto out;
	scsi_config_fill(&scsi->config, p);
	scsi->vd.features = scsi_features(scsi, p);
	if (!virtio_pci_features_check(scsi->name, &p->pci, scsi->vd.features))
		return 0;
out:
	close(fd);
	return -1;
}

static int vhost_scsi_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	uint16_t sizes[SCSI_FIXED_QUEUES + SCSI_MAX_QUEUES];
	struct scsi_props *p = props;
	struct virtio_scsi *scsi = calloc(1, sizeof(*scsi));
	struct virtio_pci_init init = {
		.device_id = VIRTIO_ID_SCSI,
		.class_code = 0x010000,
		.addr = p->pci.addr,
		.props = &p->pci,
		.queue_max = sizes,
	};
	unsigned int n;

	if (!scsi)
		return log_err("out of memory");
	snprintf(scsi->name, sizeof(scsi->name), "%s%s%s", type->name, id ? "." : "", id ? id : "");
	scsi->wwpn = p->wwpn;
	if (!p->num_queues)
		p->num_queues = vm->nr_vcpus < SCSI_MAX_QUEUES ? vm->nr_vcpus : SCSI_MAX_QUEUES;
	if (props_check(scsi->name, p))
		goto out;
	init.nr_queues = SCSI_FIXED_QUEUES + p->num_queues;
	for (n = 0; n < init.nr_queues; n++)
		sizes[n] = (uint16_t)p->virtqueue_size;
	init.vectors = p->pci.vectors == VIRTIO_VECTORS_AUTO ? init.nr_queues + 1 : p->pci.vectors;
	if (scsi_open(scsi, vm, p))
		goto out;
	scsi->vd.ops = &scsi_ops;
	scsi->vd.name = scsi->name;
	scsi->vd.vhost = &scsi->vk.vhost;
	scsi->vd.ioeventfd = p->pci.ioeventfd;
	scsi->vd.config = &scsi->config;
	scsi->vd.config_len = sizeof(scsi->config);
	if (virtio_pci_create(vm, &scsi->vd, &init)) {
		close(scsi->vk.fd);
		goto out;
	}
	return 0;
out:
	free(scsi);
	return -1;
}

#define SCSI_BOOL(_name, _def, _help) \
	PROP(#_name, PROP_BOOL, struct scsi_props, _name, .def = _def, .help = _help)
#define SCSI_U32(_name, ...) PROP(#_name, PROP_U32, struct scsi_props, _name, __VA_ARGS__)

static const struct prop scsi_props[] = {
	PROP("wwpn", PROP_STR, struct scsi_props, wwpn, .required = true,
	     .help = "name of a target in configfs, naa.…"),
	PROP("vhostfd", PROP_STR, struct scsi_props, vhostfd,
	     .help = "descriptor of an opened /dev/vhost-scsi, inherited"),
	SCSI_U32(num_queues, .min = 1, .max = SCSI_MAX_QUEUES,
		 .help = "request queues; without it one for each CPU"),
	SCSI_U32(virtqueue_size, .def = "128", .min = 4, .max = 1024, .help = "power of two, 4 to 1024"),
	PROP("worker_per_virtqueue", PROP_ONOFFAUTO, struct scsi_props, worker_per_virtqueue,
	     .help = "a kernel thread for each request queue; auto: if the module can"),
	PROP("vectors", PROP_U32, struct scsi_props, pci.vectors, .def = "4294967295",
	     .help = "MSI-X vectors, 0: interrupts by INTx; the default means one for each queue and one more"),
	SCSI_U32(max_sectors, .def = "65535", .min = 1, .max = UINT32_MAX,
		 .help = "sectors of 512 bytes that the guest puts into one request"),
	SCSI_U32(cmd_per_lun, .def = "128", .min = 1, .max = UINT32_MAX,
		 .help = "requests that the guest sends to one LUN at a time"),
	SCSI_U32(boot_tpgt, .help = "no effect: only -kernel can be booted"),
	SCSI_BOOL(hotplug, "on", "the guest learns of LUNs that come and go, if the module tells"),
	SCSI_BOOL(param_change, "on", "and of LUNs that change, if the module tells"),
	SCSI_BOOL(t10_pi, "off", "protection information travels with the data, if the module can"),
	VIRTIO_PCI_PROPS(struct scsi_props, pci),
	{ 0 },
};

const struct device_type vhost_scsi_pci_type = {
	.name = "vhost-scsi-pci",
	.desc = "virtio SCSI adapter, a target that vhost_scsi serves",
	.bus = "PCI",
	.props = scsi_props,
	.props_size = sizeof(struct scsi_props),
	.create = vhost_scsi_create,
};

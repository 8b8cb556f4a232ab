/* SPDX-License-Identifier: GPL-2.0 */
/* What virtio_scsi.c shows to its unit test and to virtio_user.c. */
#ifndef VMM_VIRTIO_SCSI_H
#define VMM_VIRTIO_SCSI_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_scsi.h>
#include "vhost_kernel.h"
#include "virtio_pci.h"
#include "../lib/prop.h"

/* Request queues; the control and the event queue come before them: virtio 1.2, 5.6.2 */
#define SCSI_MAX_QUEUES		128
#define SCSI_FIXED_QUEUES	2

#define SCSI_CONFIG_REFUSED	"the driver wants a sense_size other than 96 or a cdb_size other than 32"

/** struct scsi_props - -device vhost-scsi-pci; numbers that depend on the machine are filled in */
struct scsi_props {
	struct virtio_pci_props pci;
	char *wwpn, *vhostfd;
	enum prop_onoffauto worker_per_virtqueue;
	uint32_t num_queues, virtqueue_size, max_sectors, cmd_per_lun, boot_tpgt;
	bool hotplug, param_change, t10_pi;
};

/**
 * struct virtio_scsi
 * @wwpn: of the target
 * @why: text for the guest's failed start
 */
struct virtio_scsi {
	struct virtio_dev vd;
	struct vhost_kernel vk;
	struct virtio_scsi_config config;
	const char *wwpn;
	char name[64], why[320];
};

/** scsi_config_fill() - the configuration space, by the properties */
void scsi_config_fill(struct virtio_scsi_config *c, const struct scsi_props *p);
/** scsi_features() - what is offered; the back end's features are known */
uint64_t scsi_features(const struct virtio_scsi *scsi, const struct scsi_props *p);
/**
 * scsi_config_refused() - whether the driver's write of the @len bytes of @val at @off asks for what is not there
 *
 * The back end lays requests out by the default sizes of sense data and CDB.
 */
bool scsi_config_refused(const struct virtio_scsi_config *c, unsigned int off, uint64_t val, unsigned int len);
/**
 * scsi_target_check() - whether the target can be there, as far as @configfs, the folder of all targets, tells
 *
 * Where the folder is not visible to this process, nothing is known, and only VHOST_SCSI_SET_ENDPOINT tells.
 * Return: 0, or -1 after one logged line about device @name
 */
int scsi_target_check(const char *name, const char *wwpn, const char *configfs);

#endif

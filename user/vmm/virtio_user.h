/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices that a process serves whole. virtio_user.c has what they share, and those on processes of the user's;
 * virtio_rng.c and its like have each a kind that is served by a process of ours.
 */
#ifndef VMM_VIRTIO_USER_H
#define VMM_VIRTIO_USER_H

#include <stddef.h>
#include <stdint.h>
#include "device.h"
#include "vhost_user.h"
#include "virtio_pci.h"

#define USER_MAX_QUEUES	VHOST_USER_RINGS

/** struct user_props - those of all kinds; a kind with more of them has this at the beginning */
struct user_props {
	struct virtio_pci_props pci;
	char *chardev, *tag;
	uint32_t num_queues, queue_size, virtio_id, config_size, max_sectors, cmd_per_lun, bootindex;
	bool config_wce, hotplug, param_change, t10_pi;
};

struct virtio_user;

/**
 * struct user_kind - a kind of device
 * @size: of what has a struct virtio_user at the beginning; 0: of that
 * @id: @class: of the PCI function
 * @program: a process of ours; NULL: the chardev's peer
 * @args: its arguments, after process_init(). Return: 0, -errno, or 1 after one logged line
 * @release: the device ends, or is not made: give back what @args took, if it did. May be NULL
 * @queue_size: of each queue; 0: a property says
 * @queues: that it has besides those of requests
 * @need: so many of them the process has to have
 * @requests: it has num_queues more
 * @config_len: of the configuration
 * @fill: make the configuration here; NULL: the process has it
 * @refusal: with @fill: why the device cannot go on once the driver has written that. May be NULL. Return: NULL: it can
 * @live: each write changes what is to be read next
 * @choice: what the driver writes at @keep, the beginning, is told with all of the configuration, and chooses what the rest is
 * @keep: @keep_len: what the driver writes there is told to the next process, too
 * @features: of the device's own, those that may be offered. NULL: all
 * @plugged: it has its place on the bus. May be NULL. Return: 0, or -1 after one logged line
 * @amend: where @config is to say something else than the process does. May be NULL
 */
struct user_kind {
	struct device_type type;
	size_t size;
	uint16_t id;
	uint32_t class;
	const char *program;
	int (*args)(struct virtio_user *d, struct vm *vm);
	void (*release)(struct virtio_user *d);
	uint16_t queue_size;
	unsigned int queues, need;
	bool requests, live, choice;
	unsigned int config_len;
	unsigned int keep, keep_len;
	void (*fill)(struct virtio_user *d);
	const char *(*refusal)(const void *config, unsigned int off, uint64_t val, unsigned int len);
	uint64_t (*features)(const struct user_props *p);
	int (*plugged)(struct virtio_user *d);
	void (*amend)(struct virtio_user *d);
};

/**
 * struct virtio_user
 * @nr_requests: queues for requests
 * @kept: the driver has written what is to be kept
 * @config: what the driver reads
 */
struct virtio_user {
	struct virtio_dev vd;
	struct vhost_user vu;
	const struct user_kind *kind;
	const struct user_props *p;
	unsigned int nr_requests;
	bool kept;
	uint8_t config[VHOST_USER_CONFIG_SIZE];
	char name[64];
};

/** virtio_user_create() - device_type.create of all kinds */
int virtio_user_create(const struct device_type *type, struct vm *vm, const char *id, void *props);

extern const struct user_kind virtio_rng_kind, virtio_balloon_kind, virtio_serial_kind, virtio_scsi_kind,
	vhost_user_scsi_kind;

#define USER_COMMON \
	PROP("vectors", PROP_U32, struct user_props, pci.vectors, .def = "4294967295", \
	     .help = "MSI-X vectors, 0: interrupts by INTx; the default means one for each queue and one more"), \
	VIRTIO_PCI_PROPS(struct user_props, pci), \
	{ 0 }
#define USER_SIZE(_name, _def) \
	PROP(_name, PROP_U32, struct user_props, queue_size, .def = _def, .min = 4, .max = 1024, \
	     .help = "of each queue, a power of two")
#define USER_U32(_name, _field, ...) PROP(_name, PROP_U32, struct user_props, _field, __VA_ARGS__)
#define USER_BOOL(_name, _field, _def, _help) \
	PROP(_name, PROP_BOOL, struct user_props, _field, .def = _def, .help = _help)

#define USER_TYPE(_struct, _name, _alias, _props, _desc) \
	.type = { .name = _name, .alias = _alias, .desc = _desc, .bus = "PCI", .props = _props, \
		  .props_size = sizeof(_struct), .create = virtio_user_create }

/* Those of the user's processes */
#define USER_PEER \
	PROP("chardev", PROP_STR, struct user_props, chardev, .required = true, \
	     .help = "id of a -chardev socket, where the process is"), \
	USER_COMMON
#define USER_PEER_TYPE(_name, _props, _desc)	\
	USER_TYPE(struct user_props, _name, NULL, _props, _desc)

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Virtio over PCI (virtio 1.2, section 4.1), for devices whose rings a vhost back end serves. There
 * is no ring code here: a queue is three guest addresses and three eventfds. A device has the modern interface,
 * the legacy one, or both (transitional), and the driver uses one of them between two resets.
 *
 * Context: registers on any thread under the device lock. The back end is started and stopped on a
 * helper thread (loop_offload), because both can block; meanwhile the registers say what virtio wants
 * them to: DRIVER_OK is set at once, and after a write of 0 the status stays non-zero until the back end
 * has stopped. A legacy driver does not look: the vCPU that wrote waits instead (vm_hold()).
 */
#ifndef VMM_VIRTIO_PCI_H
#define VMM_VIRTIO_PCI_H

#include "msix.h"
#include "pci.h"
#include "vhost.h"
#include "../lib/loop.h"

struct virtio_dev;
struct virtio_job;

#define VIRTIO_VECTORS_AUTO	UINT32_MAX

/** struct virtio_pci_props - properties that every virtio device has */
struct virtio_pci_props {
	struct prop_pciaddr addr;
	uint32_t vectors;
	enum prop_onoffauto disable_legacy;
	bool event_idx, indirect_desc, packed, in_order, queue_reset, iommu_platform;
	bool disable_modern, ioeventfd;
};

#define VIRTIO_PCI_BOOL(_s, _p, _name, _def, _help) \
	PROP(#_name, PROP_BOOL, _s, _p._name, .def = _def, .help = _help)

#define VIRTIO_PCI_BOOL_NAMED(_s, _field, _name, _def, _help) \
	PROP(_name, PROP_BOOL, _s, _field, .def = _def, .help = _help)

/* VIRTIO_PCI_PROPS() - their part of a table; "vectors" is not in it: each device has its own default */
#define VIRTIO_PCI_PROPS(_s, _p) \
	DEVICE_PCI_PROPS(_s, _p.addr), \
	VIRTIO_PCI_BOOL(_s, _p, event_idx, "on", NULL), \
	VIRTIO_PCI_BOOL(_s, _p, indirect_desc, "on", NULL), \
	VIRTIO_PCI_BOOL(_s, _p, packed, "off", "packed rings, if the back end has them"), \
	VIRTIO_PCI_BOOL(_s, _p, in_order, "off", "buffers are used in order, if the back end does that"), \
	VIRTIO_PCI_BOOL(_s, _p, queue_reset, "on", "the guest may reset one queue, if the back end can"), \
	VIRTIO_PCI_BOOL(_s, _p, iommu_platform, "off", "the guest's DMA layer chooses the addresses"), \
	VIRTIO_PCI_BOOL(_s, _p, ioeventfd, "on", "notifications stay in the kernel"), \
	PROP("disable-legacy", PROP_ONOFFAUTO, _s, _p.disable_legacy, \
	     .help = "off: drivers from before virtio 1.0 may use it, too; auto: on, with disable-modern=on off"), \
	VIRTIO_PCI_BOOL_NAMED(_s, _p.disable_modern, "disable-modern", "off", "only they may")

/** virtio_pci_props_check() - Return: 0, or -1 after one logged line about device @name */
int virtio_pci_props_check(const char *name, const struct virtio_pci_props *p);
/** virtio_pci_features_check() - whether @features are what a modern driver needs. Return: 0, or -1 after one logged line */
int virtio_pci_features_check(const char *name, const struct virtio_pci_props *p, uint64_t features);
/** virtio_pci_features() - features of transport and rings to offer, of those the back end @has */
uint64_t virtio_pci_features(const struct virtio_pci_props *p, uint64_t has);

/**
 * struct virtio_ops - what a device type adds
 * @check: whether @features, a subset of the offered ones, fit together. NULL: all do
 * @features_ok: device lock: @features are negotiated; some of the configuration may depend on them.
 *	May be NULL
 * @config_read: device lock, any thread: the driver is about to read @len bytes at @off of the configuration, all of
 *	them there. May be NULL
 * @config_write: device lock, any thread: the driver wrote @len bytes, those of @val, at @off of the
 *	configuration. May be NULL: it is read-only
 * @prepare: helper thread, no lock held: set the host side up for @features, the back end is started
 *	next. May be NULL. Return: 0 or -errno
 * @destroy: the back end was closed; free what embeds @vd
 */
struct virtio_ops {
	bool (*check)(struct virtio_dev *vd, uint64_t features);
	void (*features_ok)(struct virtio_dev *vd, uint64_t features);
	void (*config_read)(struct virtio_dev *vd, unsigned int off, unsigned int len);
	void (*config_write)(struct virtio_dev *vd, unsigned int off, uint64_t val, unsigned int len);
	int (*prepare)(struct virtio_dev *vd, uint64_t features);
	void (*destroy)(struct virtio_dev *vd);
};

/* What the driver wants of one queue while the others run: virtio 1.2, 2.6.1 */
enum virtio_queue_want { VIRTIO_QUEUE_AS_IS, VIRTIO_QUEUE_RESET, VIRTIO_QUEUE_START };

/**
 * struct virtio_queue
 * @max: size at reset; @size: as the driver wants it
 * @notify_wired: @legacy_wired: KVM signals @ring.kick itself, for that interface
 */
struct virtio_queue {
	struct virtio_dev *vd;
	unsigned int n;
	uint16_t max;
	uint16_t vector;
	struct vhost_ring ring;
	struct irq_src src;
	struct loop_fd err_watch;
	bool notify_wired, legacy_wired;
	enum virtio_queue_want want;
};

enum virtio_backend { VIRTIO_IDLE, VIRTIO_RUNNING };

/**
 * struct virtio_dev - embedded in a device type's struct
 *
 * Set before virtio_pci_create():
 * @name: for messages
 * @vhost: the back end
 * @features: offered; VERSION_1 among them, unless there is no modern interface
 * @config: @config_len: device configuration
 * @ioeventfd: false: notifications go through user space
 */
struct virtio_dev {
	struct pci_dev pci;
	const struct virtio_ops *ops;
	const char *name;
	struct vhost *vhost;
	uint64_t features;
	const void *config;
	unsigned int config_len;
	bool ioeventfd;

	/* private: registers. @legacy: the driver has chosen its features there */
	uint64_t driver_features;
	uint32_t legacy_features;
	bool legacy;
	uint32_t device_select, driver_select;
	uint16_t config_vector, queue_select;
	uint8_t status, isr, generation;
	unsigned int pci_cfg_cap;
	unsigned int nr_queues;
	struct virtio_queue *queue;

	/* private: the back end's life */
	enum virtio_backend backend;
	bool want_start, want_reset, lost, logged;
	bool want_memory, memory_due;
	struct virtio_dev *next;
	struct virtio_job *job;
	struct loop_bh bh;
	uint64_t notify_addr, legacy_addr;
	bool ioeventfd_logged;
};

/** struct virtio_pci_init - the rest of what virtio_pci_create() must know */
struct virtio_pci_init {
	uint16_t device_id;		/* virtio's: 1 = net */
	uint32_t class_code;		/* 24 bits */
	struct prop_pciaddr addr;
	unsigned int vectors;		/* 0: no MSI-X */
	unsigned int nr_queues;
	const uint16_t *queue_max;	/* sizes, powers of two */
	const struct virtio_pci_props *props;	/* NULL: modern only */
};

/** virtio_pci_create() - plug it in. Return: 0; or -1 after logging, @vd as it was before */
int virtio_pci_create(struct vm *vm, struct virtio_dev *vd, const struct virtio_pci_init *init);
/** virtio_config_changed() - @vd->config has new content: tell the driver. Device lock held */
void virtio_config_changed(struct virtio_dev *vd);
/** virtio_negotiated() - whether the driver's features are settled, with feature @bit among them */
bool virtio_negotiated(const struct virtio_dev *vd, unsigned int bit);

/* ---- virtio_pci.c: for the others ---- */

/** virtio_legacy_wire() - notifications of @q by the legacy interface, if it is mapped: KVM signals its kick, or not */
void virtio_legacy_wire(struct virtio_queue *q, bool on);

/* ---- virtio_legacy.c ---- */

#define VIRTIO_LEGACY_HEADER	24	/* with its two vectors, which are there while MSI-X is on */
#define VIRTIO_LEGACY_CONFIG	(256 - VIRTIO_LEGACY_HEADER)	/* no more of the configuration fits into I/O ports */

extern const struct bus_ops virtio_legacy_ops;

/* ---- virtio_regs.c: for virtio_pci.c and virtio_legacy.c ---- */

/* Where the structures are in the BAR */
#define VIRTIO_BAR_BYTES	0x4000
#define VIRTIO_PART_BYTES	0x1000
enum { VIRTIO_PART_COMMON, VIRTIO_PART_ISR, VIRTIO_PART_DEVICE, VIRTIO_PART_NOTIFY };
#define VIRTIO_NOTIFY_STRIDE	4
#define VIRTIO_COMMON_BYTES	60	/* struct virtio_pci_common_cfg, queue_notify_data, queue_reset */

extern const struct bus_ops virtio_bar_ops;
/** virtio_queue_intx() - irq_src.intx of every queue */
void virtio_queue_intx(struct irq_src *src);
/** virtio_registers_reset() - the back end is idle: power-on state */
void virtio_registers_reset(struct virtio_dev *vd);
/** virtio_reset_write() - the driver wants a reset: done, or want_reset until it is */
void virtio_reset_write(struct virtio_dev *vd);
/** virtio_started() - DRIVER_OK is set: start the back end, or tell the driver that it is broken */
void virtio_started(struct virtio_dev *vd);
/** virtio_selected() - the queue that the driver has selected, or NULL */
struct virtio_queue *virtio_selected(struct virtio_dev *vd);
/** virtio_isr_read() - and what a driver that reads it does to it */
uint8_t virtio_isr_read(struct virtio_dev *vd);
uint64_t virtio_config_read(struct virtio_dev *vd, unsigned int off, unsigned int len);
void virtio_config_write(struct virtio_dev *vd, unsigned int off, uint64_t val, unsigned int len);
void virtio_config_vector_write(struct virtio_dev *vd, uint16_t vector);
void virtio_queue_vector_write(struct virtio_queue *q, uint16_t vector);
/** virtio_notify() - a notification of queue @n that KVM did not take */
void virtio_notify(struct virtio_dev *vd, unsigned int n);
/** virtio_queue_reset() - the back end has let go of @q: power-on state of this queue */
void virtio_queue_reset(struct virtio_queue *q);
/** virtio_broken() - DEVICE_NEEDS_RESET and a configuration interrupt */
void virtio_broken(struct virtio_dev *vd, const char *why);

/**
 * virtio_memory_added() - there is more guest memory: tell the back ends that run; main thread, device lock held
 * @told: all have been told, or stopped; main thread, device lock held. May be called at once
 */
void virtio_memory_added(struct vm *vm, void (*told)(void));

/* ---- virtio_backend.c: for the other two ---- */

/** virtio_backend_kick() - want_start, want_reset or a queue's want changed; any thread, device lock held */
void virtio_backend_kick(struct virtio_dev *vd);
/** virtio_backend_busy() - whether a reset has to wait for the back end */
bool virtio_backend_busy(const struct virtio_dev *vd);
/** virtio_backend_quiesce() - stop the back end now and forget pending wishes; main thread */
void virtio_backend_quiesce(struct virtio_dev *vd);
/** virtio_backend_init() - virtio_backend_exit() - main thread; quiesced before */
void virtio_backend_init(struct virtio_dev *vd);
void virtio_backend_exit(struct virtio_dev *vd);

#endif

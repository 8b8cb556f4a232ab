/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio PCI driver with split and packed rings, for the interface of virtio 1.x, or with "legacy" on the payload's command
 * line for the one from before that, in I/O ports; written from the specification and from nothing in this
 * repository: it has to disagree when the rest misreads.
 */
#ifndef PAYLOAD_VIRTIO_H
#define PAYLOAD_VIRTIO_H

#include "pci.h"

#define VIRTIO_VENDOR	0x1af4
#define VIRTIO_NET	1
#define VIRTIO_RNG	4

#define VS_ACK		1
#define VS_DRIVER	2
#define VS_DRIVER_OK	4
#define VS_FEATURES_OK	8
#define VS_NEEDS_RESET	0x40
#define VS_FAILED	0x80

#define VF_ANY_LAYOUT	(1ull << 27)
#define VF_INDIRECT	(1ull << 28)
#define VF_EVENT_IDX	(1ull << 29)
#define VF_VERSION_1	(1ull << 32)
#define VF_PACKED	(1ull << 34)
#define VF_IN_ORDER	(1ull << 35)
#define VF_RING_RESET	(1ull << 40)

/* virtio_pci_common_cfg */
#define VC_DFSELECT	0x00
#define VC_DF		0x04
#define VC_GFSELECT	0x08
#define VC_GF		0x0c
#define VC_MSIX		0x10
#define VC_NUMQ		0x12
#define VC_STATUS	0x14
#define VC_GEN		0x15
#define VC_QSEL		0x16
#define VC_QSIZE	0x18
#define VC_QMSIX	0x1a
#define VC_QENABLE	0x1c
#define VC_QNOFF	0x1e
#define VC_QDESC	0x20
#define VC_QDRIVER	0x28
#define VC_QDEVICE	0x30
#define VC_SIZE		0x38
#define VC_QRESET	0x3a
#define NO_VECTOR	0xffff

/* Ports of the legacy interface; the vectors are there while MSI-X is on, and the configuration behind them */
#define VL_DF		0
#define VL_GF		4
#define VL_QPFN		8
#define VL_QSIZE	12
#define VL_QSEL		14
#define VL_NOTIFY	16
#define VL_STATUS	18
#define VL_ISR		19
#define VL_MSIX		20
#define VL_QMSIX	22

#define VQ_MAX		256
#define VD_NEXT		1
#define VD_WRITE	2
#define VD_INDIRECT	4

struct vdesc {
	u64 addr;
	u32 len;
	u16 flags, next;
};

struct vused_elem {
	u32 id, len;
};

struct pdesc {
	u64 addr;
	u32 len;
	u16 id, flags;
};

struct virtio {
	u8 devfn;
	u16 port;			/* of the legacy interface, if that is used; else 0 */
	u64 common, notify, isr, dev;
	u32 notify_mult, notify_len, dev_len;
	u8 cap_pci_cfg;
	bool has_msix;
	struct msix msix;
	u64 offered, features;
};

/*
 * @chain: the driver's own note of what it gave, not read back from shared memory
 * @avail, @used: of a packed ring the two event suppression structures: off_wrap, flags
 * @next_avail, @last_used: of a packed ring positions, with @avail_wrap and @used_wrap
 * @order: ids in the order they were given, for IN_ORDER
 */
struct vq {
	struct virtio *v;
	u16 index, size;
	volatile struct vdesc *desc;
	volatile struct pdesc *pdesc;
	volatile u16 *avail;		/* flags, idx, ring[], used_event */
	volatile u16 *used;		/* flags, idx */
	volatile struct vused_elem *used_ring;
	volatile u16 *avail_event;
	u64 bell;
	u16 next_avail, last_used, kicked, free, nr_free;
	u16 next[VQ_MAX], chain[VQ_MAX];
	void *token[VQ_MAX];
	struct vdesc *table[VQ_MAX];	/* indirect tables, made at need */
	bool event_idx, indirect, no_irq, packed, in_order, avail_wrap, used_wrap;
	u16 order[VQ_MAX];
	u32 order_head, order_tail, batch_left, batch_len, in_len[VQ_MAX];
	u16 added, shown_flags;
	int hidden;			/* packed: the descriptor that vq_publish() shows last, or -1 */
	u32 kicks, kicks_saved;
};

struct vbuf {
	void *p;
	u32 len;
};

/* Device and function, or -1: of one that drivers from before virtio 1.0 know, too */
int virtio_find_transitional(u16 type, unsigned int nth);
bool virtio_find(struct virtio *v, u16 type, unsigned int nth);
/* Write 0, wait until (legacy: nobody waits) it reads 0; how many reads did not. */
u32 virtio_reset(struct virtio *v);
u8 virtio_status(struct virtio *v);
u8 virtio_isr(struct virtio *v);
u32 virtio_config(struct virtio *v, u32 off, u32 len);
void virtio_config_vector(struct virtio *v, u16 vector);
void virtio_set_status(struct virtio *v, u8 bits);
u64 virtio_offered(struct virtio *v);
/* Reset, ACK, DRIVER, features, FEATURES_OK. */
bool virtio_negotiate(struct virtio *v, u64 want);
/* Fresh memory for the ring at every call unless @q has some of at least this size. */
bool vq_setup(struct vq *q, struct virtio *v, u16 index, u16 max_size, u16 msix);
void virtio_driver_ok(struct virtio *v);
/* @out readable buffers, then @in writable ones; false when the ring is full. */
bool vq_add(struct vq *q, const struct vbuf *b, unsigned int out, unsigned int in, void *token);
/* Publish and notify, if the device wants it. */
void vq_kick(struct vq *q);
void vq_publish(struct vq *q);
void vq_notify(struct vq *q);
/* Token of the next used chain; NULL: none. */
void *vq_pop(struct vq *q, u32 *len);
bool vq_used(struct vq *q);
/* Whether the device is to interrupt; asked for, it does so for the next used buffer. */
void vq_irq(struct vq *q, bool on);
/* Reset this queue alone; how many reads said that it was not done yet. VF_RING_RESET */
u32 vq_reset(struct vq *q);

/* ---- virtio_legacy.c, for virtio.c ---- */
bool legacy_find(struct virtio *v);
void legacy_reset(struct virtio *v);
bool legacy_negotiate(struct virtio *v, u64 want);
u16 legacy_size(struct virtio *v, u16 index);
bool legacy_place(struct vq *q, u8 *mem, u16 msix);

/* ---- virtio_packed.c, for virtio.c ---- */
void packed_setup(struct vq *q);
void packed_add(struct vq *q, const struct vbuf *b, unsigned int out, unsigned int in, u16 id);
void packed_publish(struct vq *q);
bool packed_wants_kick(struct vq *q);
bool packed_used(struct vq *q);
void packed_event(struct vq *q);

#endif

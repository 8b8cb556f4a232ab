/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A vhost back end as the virtio-pci transport sees it: something that takes rings. Kernel modules are
 * behind vhost_kernel.c, processes behind vhost_user.c.
 *
 * Context: all but @ready and @close run on a helper thread, or on the main thread while vCPUs are paused,
 * one at a time, without the device lock; they may block. @ready and @close: main thread, while none of the
 * others runs; @close: stopped before.
 */
#ifndef VMM_VHOST_H
#define VMM_VHOST_H

#include <stdint.h>
#include <stdbool.h>

struct vhost;
struct virtio_dev;

/**
 * struct vhost_ring - one virtqueue, as the guest set it up
 * @enabled: false: the guest left it out, the back end never sees it
 * @size: elements, a power of two in a split ring
 * @desc: @avail: @used: descriptors, driver area and device area: guest physical, unchecked
 * @kick: @call: @err: eventfds
 * @error: out, 0 or the -errno with which the back end refused it
 */
struct vhost_ring {
	bool enabled;
	uint16_t size;
	uint64_t desc, avail, used;
	int kick, call, err;
	int error;
};

/**
 * struct vhost_ops
 * @start: serve @nr rings with the negotiated virtio features. A ring that is refused has @error set and
 *	the others run. @stop follows in every case. Return: 0; -EPIPE: the other side has gone, @lost follows;
 *	or another -errno
 * @stop: once it returns, guest memory and eventfds are no longer touched
 * @ring_start: @ring_stop: the same for one ring while the others run; both NULL: VIRTIO_F_RING_RESET is
 *	not possible. Stopping one that does not run is nothing
 * @memory: @start's guest has more memory since then (vm_mem_slot); it may not know of it yet. Return: 0; -EPIPE as @start;
 *	or another -errno
 * @ready: see to it that there is another side; NULL: there always is. Return: 0; -EINPROGRESS: @lost is
 *	called when there is one; else -errno, @why says more
 * @recover: instead of @start when the other side has changed meanwhile: rings go on from where they are, and
 *	what the one that has gone had under way is done again. Goes with @ready
 * @close: release everything
 */
struct vhost_ops {
	int (*start)(struct vhost *vh, uint64_t features, struct vhost_ring *ring, unsigned int nr);
	void (*stop)(struct vhost *vh);
	int (*ring_start)(struct vhost *vh, unsigned int n, const struct vhost_ring *ring);
	void (*ring_stop)(struct vhost *vh, unsigned int n);
	int (*memory)(struct vhost *vh);
	int (*ready)(struct vhost *vh);
	int (*recover)(struct vhost *vh, uint64_t features, struct vhost_ring *ring, unsigned int nr);
	void (*close)(struct vhost *vh);
};

/**
 * struct vhost - embedded in a front end
 * @features: virtio feature bits the back end implements
 * @name: of the device, for messages
 * @why: the error of a failed operation in words, if the back end knows better than its errno; else NULL
 * @lost: set by the transport: the other side has gone, or has come; main thread, device lock held
 * @vd: whose it is
 */
struct vhost {
	const struct vhost_ops *ops;
	uint64_t features;
	const char *name;
	const char *why;
	void (*lost)(struct vhost *vh);
	struct virtio_dev *vd;
};

#endif

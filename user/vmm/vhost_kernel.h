/* SPDX-License-Identifier: GPL-2.0 */
/* Vhost front end for kernel modules, by ioctl on /dev/vhost-*. Any module with the stock interface. */
#ifndef VMM_VHOST_KERNEL_H
#define VMM_VHOST_KERNEL_H

#include "vhost.h"

struct vm;

#define VHOST_KERNEL_RINGS	256

struct vhost_kernel;

/**
 * struct vhost_kernel_ops - how rings get their back end: one by one or all together, the other is NULL
 * @attach: give ring @n its back end (VHOST_NET_SET_BACKEND, ...), or take it away and wait until it is
 *	idle. Return: 0 or -errno
 * @endpoint: the same for all rings that are set up at that time (VHOST_SCSI_SET_ENDPOINT); no ring stops
 *	alone then: VIRTIO_F_RING_RESET must not be offered
 */
struct vhost_kernel_ops {
	int (*attach)(struct vhost_kernel *vk, unsigned int n, bool on);
	int (*endpoint)(struct vhost_kernel *vk, bool on);
};

/**
 * struct vhost_kernel
 * @fd: the device, not owned
 * @packed: VIRTIO_F_RING_PACKED was negotiated
 * @running: the rings have their common back end
 * @ring: @attached: it has a back end of its own; @armed: it has eventfds; @kick: that one
 */
struct vhost_kernel {
	struct vhost vhost;
	struct vm *vm;
	int fd;
	const struct vhost_kernel_ops *ops;
	bool packed, running;
	struct {
		bool attached, armed;
		int kick;
	} ring[VHOST_KERNEL_RINGS];
};

/**
 * vhost_kernel_open() - /dev/vhost-@kind, or what was inherited
 * @opt: begins messages
 * @kind: "net", "blk", ...
 * @vhostfd: number of an inherited descriptor, which parse_fd() takes; NULL: open the device
 *
 * @instead: who serves the device if there is no kernel for it: then that is a warning; NULL: it is an error
 *
 * What an inherited descriptor is, the caller has to find out.
 * Return: descriptor, or -1 after one logged line
 */
int vhost_kernel_open(const char *opt, const char *kind, const char *vhostfd, const char *instead);

/** vhost_kernel_adopt() - the same of an inherited one. Return: @fd, or -1 after one logged line */
int vhost_kernel_adopt(const char *opt, int fd);

/**
 * vhost_kernel_workers() - spread @nr rings, @first and up, over @workers threads; others stay with the
 * first of these. Once, after vhost_kernel_init(). Return: 0 or -errno
 */
int vhost_kernel_workers(struct vhost_kernel *vk, unsigned int first, unsigned int nr, unsigned int workers);

/**
 * vhost_kernel_ending() - the process ends: rings are no longer stopped one by one
 *
 * Stopping a ring waits for what it has begun; closing the device does not, if that hangs.
 */
void vhost_kernel_ending(void);

/**
 * vhost_kernel_init() - become the owner of @fd and ask for its features
 *
 * Comes after the process has forked for the last time: the worker joins the mm of the caller.
 * Return: 0, or -1 after one logged line that begins with @name
 */
int vhost_kernel_init(struct vhost_kernel *vk, struct vm *vm, const char *name, int fd,
		      const struct vhost_kernel_ops *ops);

#endif

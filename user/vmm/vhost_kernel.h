/* SPDX-License-Identifier: GPL-2.0 */
/* Vhost front end for kernel modules, by ioctl on /dev/vhost-*. Any module with the stock interface. */
#ifndef VMM_VHOST_KERNEL_H
#define VMM_VHOST_KERNEL_H

#include "vhost.h"

struct vm;

#define VHOST_KERNEL_RINGS	64

/**
 * struct vhost_kernel
 * @fd: the device, not owned
 * @attach: give ring @n its back end (VHOST_NET_SET_BACKEND, ...), or take it away and wait until it is
 *	idle. Return: 0 or -errno
 * @packed: VIRTIO_F_RING_PACKED was negotiated
 * @attached: @armed: rings that have a back end, and eventfds
 */
struct vhost_kernel {
	struct vhost vhost;
	struct vm *vm;
	int fd;
	int (*attach)(struct vhost_kernel *vk, unsigned int n, bool on);
	bool packed;
	uint64_t attached, armed;
};

/**
 * vhost_kernel_open() - /dev/vhost-@kind, or what was inherited
 * @opt: begins messages
 * @kind: "net", "blk", ...
 * @vhostfd: number of an inherited descriptor, which parse_fd() takes; NULL: open the device
 *
 * What an inherited descriptor is, the caller has to find out.
 * Return: descriptor, or -1 after one logged line
 */
int vhost_kernel_open(const char *opt, const char *kind, const char *vhostfd);

/**
 * vhost_kernel_workers() - spread @nr_rings rings over @workers threads of their own. Once, after
 * vhost_kernel_init(). Return: 0 or -errno
 */
int vhost_kernel_workers(struct vhost_kernel *vk, unsigned int nr_rings, unsigned int workers);

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
		      int (*attach)(struct vhost_kernel *vk, unsigned int n, bool on));

#endif

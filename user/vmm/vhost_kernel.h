/* SPDX-License-Identifier: GPL-2.0 */
/* Vhost front end for kernel modules, by ioctl on /dev/vhost-*. Any module with the stock interface. */
#ifndef VMM_VHOST_KERNEL_H
#define VMM_VHOST_KERNEL_H

#include "vhost.h"

struct vm;

#define VHOST_KERNEL_RINGS	32

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
	uint32_t attached, armed;
};

/**
 * vhost_kernel_init() - become the owner of @fd and ask for its features
 *
 * Comes after the process has forked for the last time: the worker joins the mm of the caller.
 * Return: 0, or -1 after one logged line that begins with @name
 */
int vhost_kernel_init(struct vhost_kernel *vk, struct vm *vm, const char *name, int fd,
		      int (*attach)(struct vhost_kernel *vk, unsigned int n, bool on));

#endif

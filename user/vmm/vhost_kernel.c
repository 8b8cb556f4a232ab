// SPDX-License-Identifier: GPL-2.0
/*
 * Vhost front end for kernel modules. The order of ioctls is the one that every module accepts: features
 * and memory first, then each ring's geometry, then its eventfds, its back end last.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <linux/vhost.h>
#include <linux/vhost_shunt.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "vhost_kernel.h"
#include "vm.h"
#include "../lib/log.h"
#include "../lib/prop.h"

#define to_kernel(_vh) ((struct vhost_kernel *)((char *)(_vh) - offsetof(struct vhost_kernel, vhost)))

static int do_ioctl(struct vhost_kernel *vk, unsigned long req, void *arg)
{
	return ioctl(vk->fd, req, arg) < 0 ? -errno : 0;
}

static int set_fd(struct vhost_kernel *vk, unsigned long req, unsigned int n, int fd)
{
	struct vhost_vring_file file = { .index = n, .fd = fd };

	return do_ioctl(vk, req, &file);
}

static int set_state(struct vhost_kernel *vk, unsigned long req, unsigned int n, unsigned int num)
{
	struct vhost_vring_state state = { .index = n, .num = num };

	return do_ioctl(vk, req, &state);
}

static int set_mem(struct vhost_kernel *vk)
{
	union {
		struct vhost_memory mem;
		uint8_t bytes[sizeof(struct vhost_memory) +
			      sizeof(vk->vm->slot) / sizeof(vk->vm->slot[0]) *
			      sizeof(struct vhost_memory_region)];
	} u;
	unsigned int i;

	memset(&u, 0, sizeof(u));
	u.mem.nregions = vm_slots(vk->vm);
	for (i = 0; i < u.mem.nregions; i++) {
		const struct vm_mem_slot *s = &vk->vm->slot[i];

		u.mem.regions[i].guest_phys_addr = s->gpa;
		u.mem.regions[i].memory_size = s->size;
		u.mem.regions[i].userspace_addr = (uintptr_t)s->host;
	}
	return do_ioctl(vk, VHOST_SET_MEM_TABLE, &u.mem);
}

/* Sizes of the three parts of a ring: virtio 1.2, 2.7 and 2.8 */
static int set_addr(struct vhost_kernel *vk, unsigned int n, const struct vhost_ring *r)
{
	size_t event = sizeof(struct vring_packed_desc_event);
	void *desc = vm_ram(vk->vm, r->desc, 16ull * r->size);
	void *avail = vm_ram(vk->vm, r->avail, vk->packed ? event : 6 + 2ull * r->size);
	void *used = vm_ram(vk->vm, r->used, vk->packed ? event : 6 + 8ull * r->size);
	struct vhost_vring_addr addr = {
		.index = n,
		.desc_user_addr = (uintptr_t)desc,
		.avail_user_addr = (uintptr_t)avail,
		.used_user_addr = (uintptr_t)used,
		.log_guest_addr = r->used,
	};

	if (!desc || !avail || !used)
		return -EFAULT;
	return do_ioctl(vk, VHOST_SET_VRING_ADDR, &addr);
}

/*
 * Where both sides of a new ring stand. Packed: available in the low half, used in the high half, each
 * position 0 with its wrap counter set.
 */
static unsigned int first_base(const struct vhost_kernel *vk)
{
	return vk->packed ? 0x80008000 : 0;
}

static int ring_start(struct vhost_kernel *vk, unsigned int n, const struct vhost_ring *r)
{
	int err;

	err = set_state(vk, VHOST_SET_VRING_NUM, n, r->size);
	if (!err)
		err = set_state(vk, VHOST_SET_VRING_BASE, n, first_base(vk));
	if (!err)
		err = set_addr(vk, n, r);
	if (err)
		return err;
	vk->ring[n].armed = true;
	vk->ring[n].kick = r->kick;
	err = set_fd(vk, VHOST_SET_VRING_ERR, n, r->err);
	if (!err)
		err = set_fd(vk, VHOST_SET_VRING_CALL, n, r->call);
	if (!err)
		err = set_fd(vk, VHOST_SET_VRING_KICK, n, r->kick);
	if (err || !vk->ops->attach)
		return err;
	err = vk->ops->attach(vk, n, true);
	vk->ring[n].attached = !err;
	return err;
}

static int endpoint_set(struct vhost_kernel *vk)
{
	unsigned int n;
	int err;

	if (!vk->ops->endpoint)
		return 0;
	err = vk->ops->endpoint(vk, true);
	if (err)
		return err;
	vk->running = true;
	/* A kick that came without a back end was answered by nobody. */
	for (n = 0; n < VHOST_KERNEL_RINGS; n++)
		if (vk->ring[n].armed && eventfd_write(vk->ring[n].kick, 1) && errno != EAGAIN)
			err = -errno;
	return err;
}

static void endpoint_clear(struct vhost_kernel *vk)
{
	int err = vk->running ? vk->ops->endpoint(vk, false) : 0;

	if (err)
		log_warn("%s: taking the back end from the vhost device: %s", vk->vhost.name, strerror(-err));
	vk->running = false;
}

static int kernel_start(struct vhost *vh, uint64_t features, struct vhost_ring *ring, unsigned int nr)
{
	struct vhost_kernel *vk = to_kernel(vh);
	uint64_t ours = features & vh->features;
	unsigned int n;
	int err;

	vh->why = NULL;
	vk->packed = ours & 1ull << VIRTIO_F_RING_PACKED;
	/* The module refuses bits that are none of its business, such as VIRTIO_NET_F_MAC. */
	err = do_ioctl(vk, VHOST_SET_FEATURES, &ours);
	if (!err)
		err = set_mem(vk);
	for (n = 0; n < nr && n < VHOST_KERNEL_RINGS && !err; n++)
		ring[n].error = ring[n].enabled ? ring_start(vk, n, &ring[n]) : 0;
	return err ? err : endpoint_set(vk);
}

static bool ending;

void vhost_kernel_ending(void)
{
	ending = true;
}

static void ring_stop(struct vhost_kernel *vk, unsigned int n)
{
	static const unsigned long fds[] = {
		VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR,
	};
	struct vhost_vring_addr nowhere = { .index = n };
	unsigned int i;
	int err = 0, e;

	if (vk->ring[n].attached) {
		err = vk->ops->attach(vk, n, false);
		e = set_state(vk, VHOST_GET_VRING_BASE, n, 0);
		err = err ? err : e;
	}
	for (i = 0; i < 3 && vk->ring[n].armed; i++) {
		e = set_fd(vk, fds[i], n, VHOST_FILE_UNBIND);
		err = err ? err : e;
	}
	/* The next endpoint is for all rings that have addresses, and writes to them. */
	if (vk->ring[n].armed && vk->ops->endpoint) {
		e = do_ioctl(vk, VHOST_SET_VRING_ADDR, &nowhere);
		err = err ? err : e;
	}
	vk->ring[n].attached = false;
	vk->ring[n].armed = false;
	if (err)
		log_warn("%s: stopping ring %u of the vhost device: %s", vk->vhost.name, n, strerror(-err));
}

static void kernel_ring_stop(struct vhost *vh, unsigned int n)
{
	if (!ending)
		ring_stop(to_kernel(vh), n);
}

static int kernel_ring_start(struct vhost *vh, unsigned int n, const struct vhost_ring *ring)
{
	return ring_start(to_kernel(vh), n, ring);
}

static void kernel_stop(struct vhost *vh)
{
	struct vhost_kernel *vk = to_kernel(vh);
	unsigned int n;

	if (ending)
		return;
	endpoint_clear(vk);
	for (n = 0; n < VHOST_KERNEL_RINGS; n++)
		ring_stop(vk, n);
}

static int kernel_memory(struct vhost *vh)
{
	return set_mem(to_kernel(vh));
}

static const struct vhost_ops kernel_ops = {
	.start = kernel_start,
	.memory = kernel_memory,
	.stop = kernel_stop,
	.ring_start = kernel_ring_start,
	.ring_stop = kernel_ring_stop,
	.close = kernel_stop,
};

int vhost_kernel_adopt(const char *opt, int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC))
		return log_err("%s: vhostfd=%d: %s", opt, fd, strerror(errno));
	return fd;
}

int vhost_kernel_open(const char *opt, const char *kind, const char *vhostfd, const char *instead)
{
	char dev[32], why[160];
	int fd;

	if (vhostfd && parse_fd(vhostfd, &fd))
		return log_err("%s: vhostfd=%s: takes the number of an inherited descriptor", opt, vhostfd);
	if (vhostfd)
		return vhost_kernel_adopt(opt, fd);
	snprintf(dev, sizeof(dev), "/dev/vhost-%s", kind);
	fd = open(dev, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		snprintf(why, sizeof(why), "no %s: load the module vhost_%s (make load, modprobe or insmod vhost_%s.ko)",
			 dev, kind, kind);
	else
		snprintf(why, sizeof(why), "%s: %s", dev, strerror(errno));
	if (!instead)
		return log_err("%s: %s", opt, why);
	log_warn("%s: %s; until then %s serves it", opt, why, instead);
	return -1;
}

int vhost_kernel_workers(struct vhost_kernel *vk, unsigned int first, unsigned int nr, unsigned int workers)
{
	struct vhost_worker_state worker = { 0 };
	struct vhost_vring_worker vring = { 0 };
	unsigned int w, n;
	int err = 0;

	/* the first came with the owner, and has all rings so far */
	for (w = 1; w < workers && !err; w++) {
		err = do_ioctl(vk, VHOST_NEW_WORKER, &worker);
		vring.worker_id = worker.worker_id;
		for (n = w; n < nr && !err; n += workers) {
			vring.index = first + n;
			err = do_ioctl(vk, VHOST_ATTACH_VRING_WORKER, &vring);
		}
	}
	return err;
}

int vhost_kernel_init(struct vhost_kernel *vk, struct vm *vm, const char *name, int fd,
		      const struct vhost_kernel_ops *ops)
{
	int err;

	memset(vk, 0, sizeof(*vk));
	vk->vhost.ops = &kernel_ops;
	vk->vhost.name = name;
	vk->vm = vm;
	vk->fd = fd;
	vk->ops = ops;
	err = do_ioctl(vk, VHOST_SET_OWNER, NULL);
	if (err == -EBUSY)
		return log_err("%s: the vhost device is in use by another process", name);
	if (!err)
		err = do_ioctl(vk, VHOST_GET_FEATURES, &vk->vhost.features);
	if (err)
		return log_err("%s: setting up the vhost device: %s", name, strerror(-err));
	/* Nobody here answers an IOTLB miss; without one a back end sees guest physical addresses. */
	vk->vhost.features &= ~(1ull << VIRTIO_F_ACCESS_PLATFORM);
	return 0;
}

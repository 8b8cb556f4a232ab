// SPDX-License-Identifier: GPL-2.0
/*
 * Drives that change their size while a guest runs: by the monitor's word, and, for block devices, by
 * the kernel's, which announces such changes to whoever listens for uevents.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../lib/log.h"
#include "../lib/loop.h"
#include "blockdev.h"
#include "vm.h"

#define SECTOR		512
#define UEVENT_BYTES	8192	/* the kernel's messages have at most 2 KiB and a header */

void blockdev_resize(struct vm *vm, const char *id, uint64_t bytes, FILE *out)
{
	struct blockdev *bd = blockdev_find(id);
	int64_t have;

	if (!bd) {
		fprintf(out, "Error: no drive '%s' (info block lists them)\n", id);
		return;
	}
	if (bytes % SECTOR || bytes > INT64_MAX) {
		fprintf(out, "Error: a size is a multiple of %d bytes\n", SECTOR);
		return;
	}
	if (!blockdev_is_raw(bd)) {
		fprintf(out, "Error: %s is an image, not raw: qemu-img resizes it while nobody uses it\n", bd->file);
		return;
	}
	/* a read-only file may have been made larger by its owner */
	if (!bd->rdev && blockdev_size(bd) != (int64_t)bytes && ftruncate(bd->fd, (off_t)bytes)) {
		fprintf(out, "Error: %s: %s\n", bd->file,
			bd->readonly ? "the drive is read-only" : strerror(errno));
		return;
	}
	have = blockdev_size(bd);
	if (have < 0)
		fprintf(out, "Error: %s: %s\n", bd->file, strerror((int)-have));
	else if ((uint64_t)have != bytes)
		fprintf(out, "Error: %s has %lld bytes%s\n", bd->file, (long long)have,
			bd->user ? ", of which the guest is told" : "");
	vm_lock(vm);
	if (bd->user)
		bd->user->resized(bd->user);
	vm_unlock(vm);
}

/* ---- what the kernel says ---- */

static struct loop_fd watch = { .fd = -1 };
static struct vm *watch_vm;

/* "change@/devices/...", then KEY=VALUE strings. Return: whether it is about a block device, *rdev */
static bool uevent_parse(const char *s, const char *end, dev_t *rdev)
{
	unsigned int major = 0, minor = 0;
	bool block = false;

	for (; s < end; s += strlen(s) + 1) {
		if (!strncmp(s, "MAJOR=", 6))
			major = (unsigned int)strtoul(s + 6, NULL, 10);
		else if (!strncmp(s, "MINOR=", 6))
			minor = (unsigned int)strtoul(s + 6, NULL, 10);
		else if (!strcmp(s, "SUBSYSTEM=block"))
			block = true;
	}
	*rdev = makedev(major, minor);
	return block && *rdev;
}

/* Not every kernel and driver says RESIZE=1: whatever happened to the device, its size is asked for. */
static void uevent_ready(struct loop_fd *w, short revents)
{
	char buf[UEVENT_BYTES + 1];
	struct sockaddr_nl from;
	struct iovec iov = { buf, UEVENT_BYTES };
	struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	dev_t rdev;

	(void)revents;
	while ((n = recvmsg(w->fd, &msg, MSG_DONTWAIT)) >= 0 || errno == ENOBUFS) {
		/* some were lost: any device may have been meant */
		if (n < 0) {
			blockdev_resized(watch_vm, 0);
			continue;
		}
		buf[n] = 0;
		/* other processes may write here too */
		if (!from.nl_pid && uevent_parse(buf, buf + n, &rdev))
			blockdev_resized(watch_vm, rdev);
	}
}

void blockdev_uevents(struct vm *vm)
{
	struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	int err;

	watch_vm = vm;
	watch = (struct loop_fd){ .fd = fd, .events = POLLIN, .fn = uevent_ready };
	err = fd < 0 || bind(fd, (struct sockaddr *)&all, sizeof(all)) ? -errno : loop_fd_add(vm->loop, &watch);
	if (!err) {
		/* what came before anybody listened */
		blockdev_resized(vm, 0);
		return;
	}
	log_warn("drives: cannot hear of new sizes (block_resize tells): %s", strerror(-err));
	if (fd >= 0)
		close(fd);
	watch.fd = -1;
}

void blockdev_unwatch(void)
{
	if (watch.fd < 0)
		return;
	loop_fd_del(watch_vm->loop, &watch);
	close(watch.fd);
	watch.fd = -1;
}

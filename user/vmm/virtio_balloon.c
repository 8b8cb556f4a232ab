// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-balloon-pci: memory that the guest gives back (virtio 1.2, section 5.5). A process of ours takes it; the
 * monitor's target goes to the process by a socket, and to one that is started anew as an argument.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include "balloon.h"
#include "config.h"
#include "virtio_user.h"
#include "vm.h"
#include "../lib/log.h"

#define PAGE	(1ull << VIRTIO_BALLOON_PFN_SHIFT)

struct balloon_props {
	struct user_props user;
	bool oom, reporting;
};

/**
 * struct virtio_balloon
 * @control: our end of the process's control socket, -1: there is none
 * @target: bytes that the guest is asked for
 */
struct virtio_balloon {
	struct virtio_user user;
	int control;
	uint64_t target;
};

static struct virtio_balloon *the_balloon;

static void control_close(struct virtio_balloon *b)
{
	if (b->control >= 0)
		close(b->control);
	b->control = -1;
}

/* Each process has a socket of its own: what the one before has not read is no matter. */
static int balloon_starting(struct vhost_user *vu)
{
	struct virtio_balloon *b = (void *)((char *)vu - offsetof(struct virtio_balloon, user.vu));
	int err;

	control_close(b);
	b->control = process_control(&vu->proc);
	err = b->control < 0 ? b->control :
			       process_arg_again(&vu->proc, "--target=%llu", (unsigned long long)b->target);
	if (err)
		log_err("%s: %s", b->user.name, strerror(-err));
	return err;
}

static int balloon_args(struct virtio_user *d, struct vm *vm)
{
	struct virtio_balloon *b = (void *)d;
	const struct balloon_props *p = (const void *)d->p;
	struct process *proc = &d->vu.proc;
	int err = 0;

	(void)vm;
	if (the_balloon) {
		log_err("-device %s: there is a balloon already, %s", d->name, the_balloon->user.name);
		return 1;
	}
	the_balloon = b;
	b->control = -1;
	d->vu.starting = balloon_starting;
	if (p->oom)
		err = process_arg(proc, "--deflate-on-oom");
	if (p->reporting)
		err = err ?: process_arg(proc, "--free-page-reporting");
	err = err ?: process_arg(proc, "--control-fd=%d", PROCESS_EXTRA);
	return err ?: process_arg(proc, "--target=0");
}

static void balloon_release(struct virtio_user *d)
{
	if (the_balloon != (void *)d)
		return;
	control_close(the_balloon);
	the_balloon = NULL;
}

int balloon_set(uint64_t bytes)
{
	struct virtio_balloon *b = the_balloon;
	char line[64];
	uint64_t all;
	int err;

	if (!b)
		return -1;
	all = vm_mem_total(b->user.vu.vm);
	b->target = bytes < all ? (all - bytes) / PAGE * PAGE : 0;
	snprintf(line, sizeof(line), "target %llu\n", (unsigned long long)b->target);
	err = process_tell(b->control, line, -1);
	/* One that has gone has a successor, which is started with it. */
	if (err && err != -EPIPE)
		log_warn("%s: control socket: %s", b->user.name, strerror(-err));
	return 0;
}

int balloon_get(uint64_t *bytes)
{
	struct virtio_balloon *b = the_balloon;
	struct virtio_balloon_config c;
	struct vm *vm;
	uint64_t given;

	if (!b)
		return -1;
	vm = b->user.vu.vm;
	vm_lock(vm);
	memcpy(&c, b->user.config, sizeof(c));
	/* the driver may say anything */
	given = b->user.kept ? le32toh(c.actual) * PAGE : 0;
	vm_unlock(vm);
	*bytes = given < vm_mem_total(vm) ? vm_mem_total(vm) - given : 0;
	return 0;
}

static const struct prop balloon_props[] = {
	PROP("deflate-on-oom", PROP_BOOL, struct balloon_props, oom, .def = "off",
	     .help = "the guest may take memory back when it runs out of it"),
	PROP("free-page-reporting", PROP_BOOL, struct balloon_props, reporting, .def = "off",
	     .help = "the guest tells of pages that it has no use for at the moment"),
	USER_COMMON
};

const struct user_kind virtio_balloon_kind = {
	USER_TYPE(struct balloon_props, "virtio-balloon-pci", "virtio-balloon", balloon_props, "virtio memory balloon"),
	.size = sizeof(struct virtio_balloon),
	.id = VIRTIO_ID_BALLOON, .class = 0x00ff00, .queues = 5, .need = 2, .queue_size = 128,
	.config_len = offsetof(struct virtio_balloon_config, free_page_hint_cmd_id),
	.keep = offsetof(struct virtio_balloon_config, actual), .keep_len = 4,
	.program = "shunt-balloon", .args = balloon_args, .release = balloon_release,
};

// SPDX-License-Identifier: GPL-2.0
/*
 * Life of a virtual machine: making it, starting, pausing and resetting it, and how it ends.
 *
 * Locks: life->mutex guards the run state and is taken inside the device lock, never around it.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../lib/log.h"
#include "../lib/loop.h"
#include "fw_cfg.h"
#include "pci.h"
#include "qmp.h"

/**
 * struct vm_life - run state
 * @pausing: vCPU threads park as soon as they see it; written under @mutex
 * @unparked: how many vCPU threads are not parked
 * @why: the first request since the last start, until the main thread has served it; VM_QUIT, which
 *	comes from the main thread, takes a reset's place
 */
struct vm_life {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool pausing, ending;
	unsigned int unparked;
	bool running, ready, spawned, clock_ctrl;
	struct vm *vm;
	struct loop_bh bh;
	enum vm_why why;
	int status, exit_status;
	struct vm_hook *hooks;
};

#define life_of(_bh) \
	((struct vm_life *)((char *)(_bh) - offsetof(struct vm_life, bh)))

/* ---- pausing ---- */

bool vm_pausing(struct vm *vm)
{
	return __atomic_load_n(&vm->life->pausing, __ATOMIC_ACQUIRE);
}

/* life->mutex held */
static void pause_begin(struct vm *vm)
{
	struct vm_life *life = vm->life;

	if (life->pausing)
		return;
	__atomic_store_n(&life->pausing, true, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vcpu_kick(&vm->vcpu[i]);
}

void vm_pause_soon(struct vm *vm)
{
	pthread_mutex_lock(&vm->life->mutex);
	pause_begin(vm);
	pthread_mutex_unlock(&vm->life->mutex);
}

bool vcpu_wait(struct vcpu *v)
{
	struct vm_life *life = v->vm->life;
	bool go;

	pthread_mutex_lock(&life->mutex);
	if (v->counted)
		life->unparked--;
	pthread_cond_broadcast(&life->cond);
	while ((life->pausing || v->dead || v->frozen) && !life->ending)
		pthread_cond_wait(&life->cond, &life->mutex);
	life->unparked++;
	v->counted = true;
	v->run->immediate_exit = 0;
	go = !life->ending;
	pthread_mutex_unlock(&life->mutex);
	return go;
}

void vm_pause(struct vm *vm)
{
	struct vm_life *life = vm->life;

	pthread_mutex_lock(&life->mutex);
	life->running = false;
	pause_begin(vm);
	pthread_mutex_unlock(&life->mutex);
	/* Who is in vm_hold() looks again. */
	vm_lock(vm);
	vm_unhold(vm);
	vm_unlock(vm);
	pthread_mutex_lock(&life->mutex);
	while (life->unparked)
		pthread_cond_wait(&life->cond, &life->mutex);
	pthread_mutex_unlock(&life->mutex);
}

int vm_start(struct vm *vm)
{
	struct vm_life *life = vm->life;

	if (!life->ready && vm_ready(vm))
		return -1;
	if (!life->spawned) {
		life->spawned = true;
		if (vcpus_spawn(vm))
			return -1;
	}
	/* The guest's watchdogs shall not take the pause for a hang; without kvmclock it has none. */
	for (unsigned int i = 0; life->clock_ctrl && i < vm->nr_vcpus; i++)
		ioctl(vm->vcpu[i].fd, KVM_KVMCLOCK_CTRL, 0);
	pthread_mutex_lock(&life->mutex);
	life->running = true;
	if (life->why == VM_RUN)
		__atomic_store_n(&life->pausing, false, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&life->cond);
	pthread_mutex_unlock(&life->mutex);
	return 0;
}

bool vm_running(const struct vm *vm)
{
	return vm->life->running;
}

bool vm_began(const struct vm *vm)
{
	return vm->life->spawned;
}

/* ---- requests ---- */

void vm_request(struct vm *vm, enum vm_why why, int status)
{
	struct vm_life *life = vm->life;
	bool first;

	pthread_mutex_lock(&life->mutex);
	first = life->why == VM_RUN;
	/* A guest that resets itself without end leaves no other moment for a person. */
	if (first || (why == VM_QUIT && life->why == VM_RESET)) {
		life->why = why;
		life->status = status;
	}
	/* No guest instruction after the one that asked. */
	pause_begin(vm);
	pthread_mutex_unlock(&life->mutex);
	if (first)
		loop_bh_schedule(vm->loop, &life->bh);
}

static void end_loop(struct vm *vm, int status, const char *reason)
{
	vm_pause(vm);
	qmp_send_event(QMP_SHUTDOWN, json_pack("{s:b, s:s}", "guest", !strncmp(reason, "guest", 5), "reason", reason));
	vm->life->exit_status = status;
	loop_stop(vm->loop);
}

static void serve_reset(struct vm *vm)
{
	struct vm_life *life = vm->life;
	bool running = life->running;

	if (vm->cfg->no_reboot) {
		end_loop(vm, 0, life->status ? "host-qmp-system-reset" : "guest-reset");
		return;
	}
	vm_pause(vm);
	if (vm_reset(vm)) {
		end_loop(vm, 1, "host-error");
		return;
	}
	qmp_send_event(QMP_RESET, json_pack("{s:b}", "guest", !life->status));
	pthread_mutex_lock(&life->mutex);
	life->why = VM_RUN;
	pthread_mutex_unlock(&life->mutex);
	if (running)
		vm_start(vm);
}

static void serve_request(struct loop_bh *bh)
{
	struct vm_life *life = life_of(bh);
	struct vm *vm = life->vm;

	switch (life->why) {
	case VM_RUN:
		break;
	case VM_RESET:
		serve_reset(vm);
		break;
	case VM_POWEROFF:
		end_loop(vm, 0, "guest-shutdown");
		break;
	case VM_QUIT:
		end_loop(vm, 0, "host-qmp-quit");
		break;
	case VM_DEBUG_EXIT:
		end_loop(vm, life->status, "guest-shutdown");
		break;
	case VM_ERROR:
		end_loop(vm, 1, "host-error");
		break;
	}
}

int vm_exit_status(const struct vm *vm)
{
	return vm->life ? vm->life->exit_status : 1;
}

void vm_hook(struct vm *vm, struct vm_hook *hook)
{
	hook->next = vm->life->hooks;
	vm->life->hooks = hook;
}

/* ---- making it ---- */

static const struct {
	int cap;
	const char *name;
} required[] = {
	{ KVM_CAP_USER_MEMORY, "USER_MEMORY" },
	{ KVM_CAP_IRQCHIP, "IRQCHIP" },
	{ KVM_CAP_PIT2, "PIT2" },
	{ KVM_CAP_IRQ_ROUTING, "IRQ_ROUTING" },
	{ KVM_CAP_SIGNAL_MSI, "SIGNAL_MSI" },
	{ KVM_CAP_IRQFD, "IRQFD" },
	{ KVM_CAP_IOEVENTFD, "IOEVENTFD" },
	{ KVM_CAP_EXT_CPUID, "EXT_CPUID" },
	{ KVM_CAP_MP_STATE, "MP_STATE" },
	{ KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT" },
};

static int kvm_open(struct vm *vm)
{
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0) {
		if (errno == ENOENT || errno == ENODEV)
			return log_err("no /dev/kvm: hardware virtualization is off in the firmware, "
				       "or kvm_intel or kvm_amd is not loaded");
		return log_err("/dev/kvm: %s%s", strerror(errno),
			       errno == EACCES ? " (join the group that owns it)" : "");
	}
	if (ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return log_err("/dev/kvm: not API version %d", KVM_API_VERSION);
	for (unsigned int i = 0; i < sizeof(required) / sizeof(required[0]); i++)
		if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, required[i].cap) <= 0)
			return log_err("/dev/kvm lacks KVM_CAP_%s", required[i].name);
	do {
		vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	} while (vm->vm_fd < 0 && errno == EINTR);
	if (vm->vm_fd < 0)
		return log_err("KVM_CREATE_VM: %s", strerror(errno));
	return 0;
}

static int kvm_pages(struct vm *vm)
{
	uint64_t map = KVM_IDENTITY_MAP;

	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_IDENTITY_MAP_ADDR) > 0 &&
	    ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &map))
		return log_err("KVM_SET_IDENTITY_MAP_ADDR: %s", strerror(errno));
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_TSS_ADDR) > 0 &&
	    ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, (unsigned long)KVM_TSS))
		return log_err("KVM_SET_TSS_ADDR: %s", strerror(errno));
	return 0;
}

int vm_create(struct vm *vm, const struct vm_config *cfg, struct loop *loop)
{
	memset(vm, 0, sizeof(*vm));
	vm->cfg = cfg;
	vm->loop = loop;
	vm->kvm_fd = -1;
	vm->vm_fd = -1;
	vm->ram_fd = -1;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->unheld, NULL);
	vm->life = calloc(1, sizeof(*vm->life));
	if (!vm->life)
		return log_err("out of memory");
	pthread_mutex_init(&vm->life->mutex, NULL);
	pthread_cond_init(&vm->life->cond, NULL);
	vm->life->vm = vm;
	vm->life->bh.fn = serve_request;
	vm->life->pausing = true;

	if (cfg->cpus < 1 || cfg->cpus > VM_MAX_VCPUS)
		return log_err("-smp %u: a machine has 1 to %d CPUs", cfg->cpus, VM_MAX_VCPUS);
	if (kvm_open(vm))
		return -1;
	vm->life->clock_ctrl = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_KVMCLOCK_CTRL) > 0;
	if (kvm_pages(vm) || irq_create(vm) || ram_create(vm) ||
	    rom_create(vm) || vcpus_create(vm) || pci_bus_create(vm) || ide_create(vm) || pc_create(vm) ||
	    (cfg->bios && fw_cfg_create(vm)))
		return -1;
	return 0;
}

/* Device lock held: everything but vCPUs that a power-on sets up. */
static int load(struct vm *vm)
{
	struct boot_regs regs = { 0 };

	if (vm->fw_cfg)
		return firmware_begin(vm) ?: vcpus_reset(vm, NULL);
	pci_bus_assign(vm);
	if (boot_load(vm, &regs))
		return -1;
	return vcpus_reset(vm, &regs);
}

int vm_ready(struct vm *vm)
{
	int ret;

	vm_lock(vm);
	ret = load(vm);
	vm_unlock(vm);
	if (!ret)
		vm->life->ready = true;
	return ret;
}

int vm_reset(struct vm *vm)
{
	int ret;

	vm_lock(vm);
	pci_bus_reset(vm);
	for (struct vm_hook *h = vm->life->hooks; h; h = h->next)
		if (h->reset)
			h->reset(h->dev);
	ret = irq_reset(vm);
	if (ret)
		log_err("resetting the interrupt controllers: %s", strerror(-ret));
	else
		ret = load(vm);
	vm_unlock(vm);
	return ret ? -1 : 0;
}

static void threads_end(struct vm *vm)
{
	struct vm_life *life = vm->life;

	if (life->spawned)
		vm_pause(vm);
	pthread_mutex_lock(&life->mutex);
	life->ending = true;
	pthread_cond_broadcast(&life->cond);
	pthread_mutex_unlock(&life->mutex);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpu[i].started)
			pthread_join(vm->vcpu[i].thread, NULL);
}

void vm_destroy(struct vm *vm)
{
	if (!vm->life)
		return;
	threads_end(vm);
	loop_bh_cancel(vm->loop, &vm->life->bh);
	vm_lock(vm);
	if (vm->pci)
		pci_bus_destroy(vm);
	for (struct vm_hook *h = vm->life->hooks, *next; h; h = next) {
		next = h->next;
		if (h->destroy)
			h->destroy(h->dev);
	}
	pc_destroy(vm);
	vm_unlock(vm);
	vcpus_destroy(vm);
	ram_destroy(vm);
	rom_destroy();
	irq_destroy(vm);
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	free(vm->pio.range);
	free(vm->mmio.range);
	/* The exit status stays readable: life is freed by the end of the process. */
	vm->vm_fd = -1;
	vm->kvm_fd = -1;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The virtual machine: what every part of the VMM shares.
 *
 * Threads: one main (control) thread runs the event loop; one thread per vCPU runs KVM_RUN. Device
 * models run on either, always under the device lock. vCPU threads take it around an exit, the main
 * thread around every callback that touches a device; data paths (ioeventfd, irqfd) never take it.
 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <pthread.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <linux/kvm.h>
#include "bus.h"

struct loop;
struct pci_bus;
struct vcpu;
struct vm_life;
struct vm_irq;
struct pc;
struct fw_cfg;

/* Guest physical address map */
#define VM_LOW_RAM_END	0xc0000000ull	/* RAM above it continues at 4 GiB */
#define VM_MMIO32_BASE	0xc0000000ull	/* PCI memory BARs */
#define VM_MMIO32_BASE_2G 0x80000000ull	/* the same where RAM does not reach that far, if firmware places them */
#define VM_MMIO32_END	0xfebf0000ull
#define VM_HIGH_RAM	0x100000000ull
#define VM_PIO_BAR_BASE	0xc000		/* PCI I/O BARs */
#define VM_PIO_BAR_END	0x10000
#define VM_GSI_PCI	16		/* IOAPIC pins 16..23: PCI INTx, see pci_intx_gsi() */
#define VM_MAX_VCPUS	64
#define VM_MAX_DIMMS	6
#define VM_MAX_SLOTS	(2 + VM_MAX_DIMMS)	/* so many regions fit into one table of vhost-user */

/**
 * struct vm_mem_slot - one KVM memory slot of guest RAM
 * @gpa: @size: guest physical range
 * @host: where it is mapped
 * @fd: @fd_off: its file, and its offset there
 * @hot: a pc-dimm, and not of the memory that -m is about
 */
struct vm_mem_slot {
	uint64_t gpa, size;
	uint8_t *host;
	int fd;
	bool hot;
	uint64_t fd_off;
};

/** enum vm_why - why the guest ended, see vm_request() */
enum vm_why {
	VM_RUN,		/* nothing requested */
	VM_RESET,	/* reset, or end with status 0 under -no-reboot */
	VM_POWEROFF,	/* guest powered off: status 0 */
	VM_QUIT,	/* a person asked: status 0 */
	VM_DEBUG_EXIT,	/* isa-debug-exit: status (v << 1) | 1 */
	VM_ERROR,	/* something failed, the reason was logged: status 1 */
};

struct vm {
	struct loop *loop;
	const struct vm_config *cfg;
	int kvm_fd, vm_fd;
	pthread_mutex_t lock;		/* device lock */
	pthread_cond_t unheld;		/* see vm_hold() */
	struct bus pio, mmio;

	int ram_fd;
	uint64_t ram_size;
	uint8_t *ram_base;
	struct vm_mem_slot slot[VM_MAX_SLOTS];	/* grows, and stays */
	unsigned int nr_slots;

	unsigned int nr_vcpus;
	struct vcpu *vcpu;
	struct pci_bus *pci;
	struct vm_life *life;	/* vm.c: threads' run state, requests, reset hooks */
	struct vm_irq *irq;	/* irq.c: GSI routes */
	struct pc *pc;		/* pc.c: the chipset's ports */
	struct fw_cfg *fw_cfg;	/* fw_cfg.c; NULL: there is no firmware */
};

static inline void vm_lock(struct vm *vm) { pthread_mutex_lock(&vm->lock); }
static inline void vm_unlock(struct vm *vm) { pthread_mutex_unlock(&vm->lock); }

/**
 * vm_request() - ask the main thread to end, reset or stop the machine; any thread
 * @status: for VM_DEBUG_EXIT, the process's exit status; for VM_RESET, whether a person asked
 *
 * The first one wins, except that VM_QUIT, main thread only, wins over a reset.
 */
void vm_request(struct vm *vm, enum vm_why why, int status);

/**
 * vm_exit_status() - what main() returns once loop_run() came back
 *
 * Resets are served inside the loop: it ends only when the process should.
 */
int vm_exit_status(const struct vm *vm);

/**
 * struct vm_hook - called at every system reset, and once at the end; embedded in a device
 * @reset: back to the power-on state; vCPUs paused, device lock held. May be NULL
 * @destroy: the process ends: close what is open. May be NULL. Hooks run in reverse order of vm_hook()
 *
 * PCI devices have this from the PCI bus and need no hook.
 */
struct vm_hook {
	void (*reset)(void *dev);
	void (*destroy)(void *dev);
	void *dev;
	/* private */
	struct vm_hook *next;
};

void vm_hook(struct vm *vm, struct vm_hook *hook);

/** vm_powerdown() - press the power button; device lock held */
void vm_powerdown(struct vm *vm);

/**
 * vm_hold() - the access to the bus that this is called from takes until *@flag is false; device lock held
 *
 * The vCPU executes nothing before that; the lock is not held meanwhile, and a pause need not wait for it. On other
 * threads it has no effect.
 */
void vm_hold(const bool *flag);
/** vm_unhold() - such a flag has become false; device lock held */
static inline void vm_unhold(struct vm *vm) { pthread_cond_broadcast(&vm->unheld); }

/** vcpus_info() - a line for each CPU, for the monitor */
void vcpus_info(const struct vm *vm, FILE *out);

/* ---- memory (memory.c) ---- */

/** vm_slots() - @vm->nr_slots, any thread: further ones may come meanwhile */
static inline unsigned int vm_slots(const struct vm *vm) { return __atomic_load_n(&vm->nr_slots, __ATOMIC_ACQUIRE); }
/** vm_mem_total() - bytes that the guest has, pc-dimms among them */
uint64_t vm_mem_total(const struct vm *vm);

/** vm_mem_info() - what backs guest RAM, and the huge pages that were obtained */
void vm_mem_info(struct vm *vm, FILE *out);

/**
 * vm_ram() - the one checked way from a guest address to a pointer
 * Return: pointer to [gpa, gpa + len), or NULL unless one slot holds all of it
 */
void *vm_ram(struct vm *vm, uint64_t gpa, uint64_t len);

/* ---- interrupts (irq.c) ---- */

/** vm_irq_line() - set the level of an IOAPIC/PIC input; device lock held */
void vm_irq_line(struct vm *vm, unsigned int gsi, int level);

/**
 * vm_msi_alloc() - reserve a GSI for one MSI message
 * Return: GSI >= 24; -ENOSPC
 */
int vm_msi_alloc(struct vm *vm);
void vm_msi_free(struct vm *vm, int gsi);
/** vm_msi_update() - program the message of @gsi (KVM_SET_GSI_ROUTING). Return: 0 or -errno */
int vm_msi_update(struct vm *vm, int gsi, uint64_t addr, uint32_t data);
/** vm_msi_send() - inject one message now. Return: 0 or -errno */
int vm_msi_send(struct vm *vm, uint64_t addr, uint32_t data);
/** vm_irqfd() - couple or uncouple an eventfd and a GSI. Return: 0 or -errno */
int vm_irqfd(struct vm *vm, int fd, int gsi, bool assign);
/**
 * vm_ioeventfd() - signal @fd at a guest write to @addr, without an exit to user space
 * @len: 0 (any length), 1, 2, 4, 8
 * @data: with @match, only when this value is written
 * Return: 0 or -errno
 */
int vm_ioeventfd(struct vm *vm, int fd, uint64_t addr, unsigned int len, bool pio, bool match,
		 uint64_t data, bool assign);

/* ---- reset port (pc.c) ---- */

/**
 * vm_cf9_read() - vm_cf9_write() - the chipset's reset register at port 0xcf9
 *
 * The port lies inside PCI's configuration address register: pci.c passes byte accesses on.
 */
uint8_t vm_cf9_read(struct vm *vm);
void vm_cf9_write(struct vm *vm, uint8_t val);

/* ---- life cycle (vm.c); each returns 0, or -1 after logging; main thread, device lock not held ---- */

/**
 * vm_create() - KVM, guest RAM, interrupt controllers, vCPUs, the PCI bus, the chipset and the -serial
 * ports; the caller then makes the -device list
 */
int vm_create(struct vm *vm, const struct vm_config *cfg, struct loop *loop);
/** vm_ready() - every device is there: place BARs, build ACPI tables, load the kernel. Once */
int vm_ready(struct vm *vm);
/** vm_start() - start, or after vm_pause() resume, the vCPU threads */
int vm_start(struct vm *vm);
/** vm_pause() - kick every vCPU out of KVM_RUN and wait until none runs guest code */
void vm_pause(struct vm *vm);
/** vm_running() - Return: whether vm_start() came after the last vm_pause() */
bool vm_running(const struct vm *vm);
/** vm_began() - Return: whether vm_start() was ever called */
bool vm_began(const struct vm *vm);
/** vm_reset() - paused: reset devices and vCPUs, load the kernel again */
int vm_reset(struct vm *vm);
/** vm_destroy() - pauses first; safe after a failed vm_create() */
void vm_destroy(struct vm *vm);

#endif

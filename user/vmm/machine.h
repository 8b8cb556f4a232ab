/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the machine's own parts (vm.c, memory.c, vcpu.c, boot*.c, acpi.c, pc.c …) share with each
 * other and with nobody else. Device models see vm.h only.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <stddef.h>
#include "aml.h"
#include "vm.h"
#include "config.h"

struct boot_regs;

/* ---- guest RAM (memory.c) ---- */

/** ram_create() - map guest RAM as @vm->cfg wants it and give it to KVM. Return: 0 or -1, logged */
int ram_create(struct vm *vm);
void ram_destroy(struct vm *vm);

/**
 * struct ram_area - memory of a guest in a file of its own
 * @opt: who wants it, for messages
 * @path: file or folder; NULL: a sealed memfd, of huge pages if @hugetlb_size is not 0
 * @fd: @base: the file, and where it is mapped
 */
struct ram_area {
	const char *opt, *path;
	uint64_t size, hugetlb_size;
	bool prealloc;
	int fd;
	uint8_t *base;
};

/** ram_area_make() - Return: 0, or -1, logged: ram_area_free() is nothing then */
int ram_area_make(struct ram_area *a);
void ram_area_free(struct ram_area *a);
/** ram_slot_add() - give memory to KVM; there is room for it in @vm->slot. Return: 0 or -1, logged */
int ram_slot_add(struct vm *vm, const struct vm_mem_slot *slot);

/**
 * ram_load() - copy @len bytes of a file from @off to guest address @gpa
 * Return: 0; -ENODATA if the file ends before; -EFAULT outside RAM; other -errno
 */
int ram_load(struct vm *vm, int fd, uint64_t off, uint64_t gpa, uint64_t len);

/* Guest pages outside RAM: KVM's own, a page table and three pages of TSS */
#define KVM_IDENTITY_MAP	0xfeffc000ull
#define KVM_TSS			0xfeffd000ull
/* Below 4 GiB, whatever a processor finds that starts at the reset vector; without firmware one page */
#define ROM_PAGE		0xfffff000ull
#define ROM_MAX			(16ull << 20)

/** rom_create() - -bios, or a page with a reset vector. Return: 0 or -1 after one logged line */
int rom_create(struct vm *vm);
/** rom_shadow() - the end of -bios below 1 MiB, where it begins to run; as often as the machine does. Return: 0 or -1 */
int rom_shadow(struct vm *vm);
void rom_destroy(void);

/* ---- firmware (firmware.c) ---- */

/** firmware_begin() - the machine is complete: what firmware will read about it, and its code. Return: 0 or -1, logged */
int firmware_begin(struct vm *vm);

/* ---- vCPUs (vcpu.c, cpuid.c) ---- */

/**
 * struct vcpu - one virtual CPU and the thread that runs it
 * @run: shared with KVM; written by the thread, immediate_exit by who pauses it under life->mutex
 * @counted: the thread is among life->unparked
 * @held: see vm_hold(); NULL: it is not
 * @tid: of the thread; 0 until it runs
 * @dead: met a triple fault or an error; does not run until the next reset
 * @frozen: does not run though the machine does; written while that is paused
 * @init: state at power-on, which a reset brings back
 */
struct vcpu {
	struct vm *vm;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	int tid;
	bool started, counted, dead, frozen;
	const bool *held;
	struct vcpu_state *init;
};

int vcpus_create(struct vm *vm);
void vcpus_destroy(struct vm *vm);
/** vcpus_reset() - paused: power-on state everywhere, CPU 0 at the kernel's entry; @boot NULL: as well. Return: 0 or -1 */
int vcpus_reset(struct vm *vm, const struct boot_regs *boot);
/** vcpus_spawn() - one thread each, parked until vm_start(). Return: 0 or -1 */
int vcpus_spawn(struct vm *vm);
/** vcpu_tid() - any thread. Return: number of its thread; 0: it has none yet */
static inline int vcpu_tid(const struct vcpu *v) { return __atomic_load_n(&v->tid, __ATOMIC_RELAXED); }
/** vcpu_wait() - vCPU thread: park while the VM is paused. Return: false when the process ends */
bool vcpu_wait(struct vcpu *v);
bool vm_pausing(struct vm *vm);
/** vm_pause_soon() - any thread: no CPU goes on; the main thread is to vm_pause() */
void vm_pause_soon(struct vm *vm);
/** vcpu_kick_setup() - the signal that gets a vCPU out of KVM_RUN; and the sending side */
int vcpu_kick_setup(void);
void vcpu_kick(struct vcpu *v);

/** cpuid_prepare() - read -cpu, make the table all vCPUs share. Return: 0 or -1 */
int cpuid_prepare(struct vm *vm);
/** cpu_apic_id() - of the @n-th CPU: its thread, core and socket in fields as wide as these are many */
uint32_t cpu_apic_id(const struct vm_config *cfg, unsigned int n);
/** cpuid_set() - program vCPU @id. Return: 0 or -1 */
int cpuid_set(struct vm *vm, unsigned int id, int vcpu_fd);
void cpuid_free(void);

/* ---- interrupts (irq.c) ---- */

int irq_create(struct vm *vm);
/** irq_reset() - interrupt controllers and timer back to power-on. Return: 0 or -errno */
int irq_reset(struct vm *vm);
void irq_destroy(struct vm *vm);

/* ---- loading a kernel (boot.c, boot_linux.c, boot_pvh.c) ---- */

/**
 * struct boot_regs - how CPU 0 starts
 * @long64: 64-bit mode with identity page tables at @cr3; else 32-bit protected mode, paging off
 * @rip: @rsi: @rbx: first instruction and what its protocol passes
 */
struct boot_regs {
	bool long64;
	uint64_t cr3, rip, rsi, rbx;
};

/** boot_load() - put kernel, initrd, command line and ACPI tables into RAM. Return: 0 or -1 */
int boot_load(struct vm *vm, struct boot_regs *regs);

/* ---- ACPI (acpi.c) ---- */

#define ACPI_FIXES	24
#define ACPI_RSDP_V1_LEN	20
#define ACPI_RSDP_LEN	36
#define ACPI_TABLES_AT	64

/**
 * struct acpi_tables - the tables as one piece, the RSDP first and the others from ACPI_TABLES_AT on, in which each address is counted from the beginning
 * @pointer: the addresses in it: @size bytes at @at
 * @sum: sums to be made, in this order, when the addresses are right: the byte at @at, which is 0, such that @len bytes
 *	from @start add up to 0
 */
struct acpi_tables {
	struct aml aml;
	struct acpi_pointer {
		size_t at;
		unsigned int size;
	} pointer[ACPI_FIXES];
	struct acpi_sum {
		size_t at, start, len;
	} sum[ACPI_FIXES];
	unsigned int nr_pointers, nr_sums;
};

/** acpi_tables() - make them, in @size bytes at @buf. Return: 0 or -1 after one logged line */
int acpi_tables(struct vm *vm, struct acpi_tables *t, void *buf, size_t size);
/** acpi_build() - write all tables to guest memory. Return: address of the RSDP; 0 on failure */
uint64_t acpi_build(struct vm *vm);

/* ---- the chipset (pc.c, serial.c, rtc.c, i8042.c) ---- */

#define PM_BASE		0x600		/* PM1 event, PM1 control and PM timer blocks */
#define PM_CNT		(PM_BASE + 4)
#define PM_TMR		(PM_BASE + 8)
#define PM_SIZE		16
#define PM_S5_TYPE	5
#define GPE_BASE	0xafe0		/* general purpose events 0 to 7: status, enable */
#define GPE_SIZE	2
#define GPE_MEMORY	3
#define PC_SCI_IRQ	9

int pc_create(struct vm *vm);
/** pc_gpe() - event @n has happened; device lock held */
void pc_gpe(struct vm *vm, unsigned int n);
void pc_destroy(struct vm *vm);
int rtc_create(struct vm *vm);
int i8042_create(struct vm *vm);
/** ide_create() - the controller, if a -device needs it, before others have its slot. Return: 0 or -1, logged */
int ide_create(struct vm *vm);

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * vCPU state: making vCPUs, remembering how KVM made them, bringing that back at a reset, and setting
 * CPU 0 up for the kernel's entry.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../lib/log.h"

#define MSR_IA32_TSC		0x10
#define MSR_IA32_APICBASE	0x1b
#define MSR_IA32_TSC_ADJUST	0x3b
#define MSR_IA32_MISC_ENABLE	0x1a0
#define MSR_MTRR_DEF_TYPE	0x2ff

#define CR0_PE			(1u << 0)
#define CR0_ET			(1u << 4)
#define CR0_NE			(1u << 5)
#define CR0_PG			(1u << 31)
#define CR4_PAE			(1u << 5)
#define EFER_LME		(1u << 8)
#define EFER_LMA		(1u << 10)

#define APIC_LVT0		0x350
#define APIC_LVT1		0x360
#define APIC_EXTINT		0x700
#define APIC_NMI		0x400

/**
 * struct vcpu_state - power-on state
 * @msrs: CPU 0 alone: all vCPUs start with the same model-specific registers
 */
struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
	struct kvm_xcrs xcrs;
	bool has_events, has_debug, has_xcrs;
	struct kvm_msrs *msrs;
};

static bool has_cap(struct vm *vm, int cap)
{
	return ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, cap) > 0;
}

/* What comes with the special registers, and the time-stamp counter, see tsc_reset(). */
static bool msr_is_reset(uint32_t index)
{
	return index != MSR_IA32_TSC && index != MSR_IA32_APICBASE && index != MSR_IA32_TSC_ADJUST;
}

/* Best effort: an MSR that cannot be read is not brought back. */
static struct kvm_msrs *msrs_read(struct vm *vm, int fd)
{
	struct kvm_msr_list probe = { 0 }, *list;
	struct kvm_msrs *all, *one;
	unsigned int n = 0;

	ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, &probe);
	list = calloc(1, sizeof(*list) + (probe.nmsrs + 1) * sizeof(list->indices[0]));
	all = calloc(1, sizeof(*all) + (probe.nmsrs + 1) * sizeof(all->entries[0]));
	one = calloc(1, sizeof(*one) + sizeof(one->entries[0]));
	if (!list || !all || !one)
		goto out;
	list->nmsrs = probe.nmsrs;
	if (ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, list))
		goto out;
	for (unsigned int i = 0; i < list->nmsrs; i++)
		if (msr_is_reset(list->indices[i]))
			all->entries[n++].index = list->indices[i];
	/* KVM stops at the first one it does not know: drop that one, and go on. */
	all->nmsrs = n;
	for (unsigned int from = 0; from < all->nmsrs;) {
		struct kvm_msrs *part = one;
		int got;

		if (!from) {
			part = all;
		} else {
			one->nmsrs = 1;
			one->entries[0] = all->entries[from];
		}
		got = ioctl(fd, KVM_GET_MSRS, part);
		if (got < 0)
			got = 0;
		if (part == one && got)
			all->entries[from] = one->entries[0];
		from += (unsigned int)got;
		if (from < all->nmsrs && (part == all || !got)) {
			memmove(&all->entries[from], &all->entries[from + 1],
				(all->nmsrs - from - 1) * sizeof(all->entries[0]));
			all->nmsrs--;
		}
	}
out:
	free(list);
	free(one);
	return all;
}

/*
 * Only what the guest changed: KVM logs writes that it cannot take, and most are the same. Everything
 * that is written was read before, so a refusal means read-only, and nothing to bring back.
 */
static void msrs_write(int fd, const struct kvm_msrs *msrs)
{
	size_t size = sizeof(*msrs) + msrs->nmsrs * sizeof(msrs->entries[0]);
	struct kvm_msrs *now = malloc(size), *one = calloc(1, sizeof(*one) +
								sizeof(one->entries[0]));
	int got;

	if (!now || !one)
		goto out;
	memcpy(now, msrs, size);
	got = ioctl(fd, KVM_GET_MSRS, now);
	one->nmsrs = 1;
	for (int i = 0; i < got; i++) {
		if (now->entries[i].data == msrs->entries[i].data)
			continue;
		one->entries[0] = msrs->entries[i];
		if (ioctl(fd, KVM_SET_MSRS, one) != 1)
			continue;
	}
out:
	free(now);
	free(one);
}

/* What firmware would have done: caches on, fast strings on. */
static void msrs_firmware(int fd)
{
	static const struct kvm_msr_entry set[] = {
		{ .index = MSR_MTRR_DEF_TYPE, .data = 6 | 1 << 11 },
		{ .index = MSR_IA32_MISC_ENABLE, .data = 1 },
	};
	struct kvm_msrs *one = calloc(1, sizeof(*one) + sizeof(one->entries[0]));

	if (!one)
		return;
	for (unsigned int i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
		one->nmsrs = 1;
		one->entries[0] = (struct kvm_msr_entry){ .index = set[i].index };
		/* An old KVM or another vendor's processor may lack it, and a guest then does too. */
		if (ioctl(fd, KVM_GET_MSRS, one) != 1)
			continue;
		one->entries[0].data |= set[i].data;
		if (ioctl(fd, KVM_SET_MSRS, one) != 1)
			continue;
	}
	free(one);
}

/*
 * A zero written to the counter joins the vCPUs' clocks again, whatever the guest adjusted. KVM on
 * AMD needs it after a triple fault: until then that vCPU counts without its offset, and timers and
 * kvmclock are off by the host's uptime.
 */
static void tsc_reset(int fd)
{
	static const uint32_t set[] = { MSR_IA32_TSC, MSR_IA32_TSC_ADJUST };
	struct kvm_msrs *one = calloc(1, sizeof(*one) + sizeof(one->entries[0]));

	if (!one)
		return;
	for (unsigned int i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
		one->nmsrs = 1;
		one->entries[0] = (struct kvm_msr_entry){ .index = set[i] };
		/* Not every processor has TSC_ADJUST. */
		if (ioctl(fd, KVM_SET_MSRS, one) != 1)
			continue;
	}
	free(one);
}

static int state_read(struct vcpu *v)
{
	struct vcpu_state *s = calloc(1, sizeof(*s));
	uint32_t lvt;

	if (!s)
		return log_err("out of memory");
	v->init = s;
	if (ioctl(v->fd, KVM_GET_REGS, &s->regs) || ioctl(v->fd, KVM_GET_SREGS, &s->sregs) ||
	    ioctl(v->fd, KVM_GET_FPU, &s->fpu) || ioctl(v->fd, KVM_GET_LAPIC, &s->lapic) ||
	    ioctl(v->fd, KVM_GET_MP_STATE, &s->mp))
		return log_err("CPU %u: cannot read its state: %s", v->id, strerror(errno));
	s->has_events = has_cap(v->vm, KVM_CAP_VCPU_EVENTS) &&
			!ioctl(v->fd, KVM_GET_VCPU_EVENTS, &s->events);
	s->has_debug = has_cap(v->vm, KVM_CAP_DEBUGREGS) &&
		       !ioctl(v->fd, KVM_GET_DEBUGREGS, &s->debug);
	s->has_xcrs = has_cap(v->vm, KVM_CAP_XCRS) && !ioctl(v->fd, KVM_GET_XCRS, &s->xcrs);
	if (!v->id)
		s->msrs = msrs_read(v->vm, v->fd);

	/* Firmware's virtual wire mode: the PIC reaches CPU 0 through LINT0, NMI all through LINT1. */
	if (!v->id) {
		lvt = APIC_EXTINT;
		memcpy(s->lapic.regs + APIC_LVT0, &lvt, sizeof(lvt));
	}
	lvt = APIC_NMI;
	memcpy(s->lapic.regs + APIC_LVT1, &lvt, sizeof(lvt));
	return 0;
}

static int vcpu_create(struct vm *vm, struct vcpu *v, unsigned int id, size_t run_size)
{
	v->vm = vm;
	v->id = id;
	v->fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, cpu_apic_id(vm->cfg, id));
	if (v->fd < 0)
		return log_err("KVM cannot make CPU %u: %s", id, strerror(errno));
	v->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return log_err("cannot map CPU %u: %s", id, strerror(errno));
	}
	v->run_size = run_size;
	if (cpuid_set(vm, id, v->fd))
		return -1;
	return state_read(v);
}

int vcpus_create(struct vm *vm)
{
	int size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int max = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);

	if (size < (int)sizeof(struct kvm_run))
		return log_err("KVM_GET_VCPU_MMAP_SIZE: %s", strerror(errno));
	if (max > 0 && vm->cfg->cpus > (unsigned int)max)
		return log_err("-smp %u: KVM here takes up to %d CPUs", vm->cfg->cpus, max);
	if (cpuid_prepare(vm))
		return -1;
	vm->vcpu = calloc(vm->cfg->cpus, sizeof(*vm->vcpu));
	if (!vm->vcpu)
		return log_err("out of memory");
	for (unsigned int i = 0; i < vm->cfg->cpus; i++)
		vm->vcpu[i].fd = -1;
	for (unsigned int i = 0; i < vm->cfg->cpus; i++) {
		int ret = vcpu_create(vm, &vm->vcpu[i], i, (size_t)size);

		/* Counted even when half made: vcpus_destroy() takes it down. */
		vm->nr_vcpus++;
		if (ret)
			return -1;
	}
	return 0;
}

void vcpus_destroy(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpu[i];

		if (v->run)
			munmap(v->run, v->run_size);
		if (v->fd >= 0)
			close(v->fd);
		if (v->init)
			free(v->init->msrs);
		free(v->init);
	}
	free(vm->vcpu);
	vm->vcpu = NULL;
	vm->nr_vcpus = 0;
	cpuid_free();
}

static int power_on(struct vcpu *v)
{
	const struct vcpu_state *s = v->init;
	struct vcpu *boot = &v->vm->vcpu[0];

	/* MP state and APIC base first: what the local APIC takes depends on them. */
	if (ioctl(v->fd, KVM_SET_SREGS, &s->sregs) || ioctl(v->fd, KVM_SET_MP_STATE, &s->mp) ||
	    ioctl(v->fd, KVM_SET_REGS, &s->regs) || ioctl(v->fd, KVM_SET_FPU, &s->fpu) ||
	    ioctl(v->fd, KVM_SET_LAPIC, &s->lapic))
		return log_err("CPU %u: cannot reset it: %s", v->id, strerror(errno));
	if ((s->has_events && ioctl(v->fd, KVM_SET_VCPU_EVENTS, &s->events)) ||
	    (s->has_debug && ioctl(v->fd, KVM_SET_DEBUGREGS, &s->debug)) ||
	    (s->has_xcrs && ioctl(v->fd, KVM_SET_XCRS, &s->xcrs)))
		return log_err("CPU %u: cannot reset it: %s", v->id, strerror(errno));
	if (boot->init->msrs)
		msrs_write(v->fd, boot->init->msrs);
	msrs_firmware(v->fd);
	tsc_reset(v->fd);
	v->dead = false;
	return 0;
}

static struct kvm_segment segment(unsigned int selector, unsigned int type, bool long64)
{
	bool code = type & 8;

	return (struct kvm_segment){
		.base = 0,
		.limit = 0xffffffff,
		.selector = (uint16_t)selector,
		.type = (uint8_t)type,
		.present = 1,
		.db = !(code && long64),
		.s = 1,
		.l = code && long64,
		.g = 1,
	};
}

static int boot_cpu(struct vcpu *v, const struct boot_regs *boot)
{
	struct kvm_segment data = segment(0x18, 0x3, boot->long64);
	struct kvm_sregs sregs = v->init->sregs;
	struct kvm_regs regs = { .rflags = 2 };

	sregs.cs = segment(0x10, 0xb, boot->long64);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.tr = (struct kvm_segment){ .limit = 0x67, .selector = 0x20, .type = 0xb, .present = 1 };
	sregs.ldt = (struct kvm_segment){ .unusable = 1, .type = 2 };
	sregs.gdt = (struct kvm_dtable){ .base = 0x500, .limit = 5 * 8 - 1 };
	sregs.idt = (struct kvm_dtable){ 0 };
	sregs.cr0 = CR0_PE | CR0_ET | CR0_NE;
	sregs.cr4 = 0;
	sregs.efer = 0;
	if (boot->long64) {
		sregs.cr0 |= CR0_PG;
		sregs.cr3 = boot->cr3;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
	}
	regs.rip = boot->rip;
	regs.rsi = boot->rsi;
	regs.rbx = boot->rbx;
	if (ioctl(v->fd, KVM_SET_SREGS, &sregs) || ioctl(v->fd, KVM_SET_REGS, &regs))
		return log_err("CPU 0: cannot set it up for the kernel: %s", strerror(errno));
	return 0;
}

int vcpus_reset(struct vm *vm, const struct boot_regs *boot)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		if (power_on(&vm->vcpu[i]))
			return -1;
	return boot ? boot_cpu(&vm->vcpu[0], boot) : 0;
}

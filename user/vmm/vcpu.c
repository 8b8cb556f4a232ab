// SPDX-License-Identifier: GPL-2.0
/* vCPU threads: KVM_RUN, the exits that reach user space, and getting a vCPU out of the guest. */
#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "../lib/log.h"
#include "gdb.h"

#define KICK_SIGNAL	SIGUSR1

static void on_kick(int sig)
{
	(void)sig;		/* its delivery ends KVM_RUN with EINTR */
}

int vcpu_kick_setup(void)
{
	struct sigaction sa = { .sa_handler = on_kick };

	sigemptyset(&sa.sa_mask);
	if (sigaction(KICK_SIGNAL, &sa, NULL))
		return log_err("sigaction: %s", strerror(errno));
	return 0;
}

/* life->mutex held. immediate_exit closes the gap between the thread's last look and KVM_RUN. */
void vcpu_kick(struct vcpu *v)
{
	__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_RELEASE);
	if (v->started)
		pthread_kill(v->thread, KICK_SIGNAL);
}

static void log_state(struct vcpu *v)
{
	struct kvm_regs r;
	struct kvm_sregs s;
	const uint8_t *code;
	char bytes[3 * 16 + 1] = "";

	if (ioctl(v->fd, KVM_GET_REGS, &r) || ioctl(v->fd, KVM_GET_SREGS, &s))
		return;
	log_info("CPU %u: rip %04x:%016llx rsp %016llx rflags %08llx cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx",
		 v->id, s.cs.selector, r.rip, r.rsp, r.rflags, s.cr0, s.cr2, s.cr3, s.cr4, s.efer);
	log_info("CPU %u: rax %016llx rbx %016llx rcx %016llx rdx %016llx rsi %016llx rdi %016llx",
		 v->id, r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi);
	/* The code, where its address is also the physical one: payloads and early boot. */
	code = vm_ram(v->vm, s.cs.base + r.rip, 16);
	if (!code)
		return;
	for (unsigned int i = 0; i < 16; i++)
		snprintf(bytes + 3 * i, 4, " %02x", code[i]);
	log_info("CPU %u: at rip:%s", v->id, bytes);
}

static void vcpu_die(struct vcpu *v, enum vm_why why)
{
	v->dead = true;
	vm_request(v->vm, why, 1);
}

static void exit_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	struct vm *vm = v->vm;

	vm_lock(vm);
	for (uint32_t i = 0; i < run->io.count; i++) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(&vm->pio, run->io.port, data, run->io.size);
		else
			bus_read(&vm->pio, run->io.port, data, run->io.size);
		data += run->io.size;
	}
	vm_unlock(vm);
}

static void exit_mmio(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	struct vm *vm = v->vm;

	vm_lock(vm);
	if (run->mmio.is_write)
		bus_write(&vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(&vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	vm_unlock(vm);
}

static void exit_internal_error(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	const char *what = "internal error";

	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && gdb_unknown_instruction(v))
		return;
	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
		what = "KVM cannot emulate an instruction";
	else if (run->internal.suberror == KVM_INTERNAL_ERROR_DELIVERY_EV)
		what = "KVM met an unexpected exit while it delivered an event";
	log_err("CPU %u: %s (suberror %u)", v->id, what, run->internal.suberror);
	for (uint32_t i = 0; i < run->internal.ndata && i < 16; i++)
		log_info("CPU %u: data[%u] 0x%llx", v->id, i, run->internal.data[i]);
	log_state(v);
	vcpu_die(v, VM_ERROR);
}

static void exit_system_event(struct vcpu *v)
{
	switch (v->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vcpu_die(v, VM_POWEROFF);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vcpu_die(v, VM_RESET);
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		log_err("CPU %u: the guest reports a crash", v->id);
		log_state(v);
		vcpu_die(v, VM_ERROR);
		break;
	default:
		log_warn("CPU %u: unknown system event %u", v->id, v->run->system_event.type);
	}
}

/* A guest that falls over in a loop says so once a second. */
static void log_triple_fault(struct vcpu *v)
{
	static time_t last;
	time_t now = time(NULL);

	if (__atomic_exchange_n(&last, now, __ATOMIC_RELAXED) != now)
		log_info("CPU %u: triple fault", v->id);
}

static void handle_exit(struct vcpu *v)
{
	struct kvm_run *run = v->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		exit_io(v);
		break;
	case KVM_EXIT_MMIO:
		exit_mmio(v);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_HLT:
		break;
	case KVM_EXIT_DEBUG:
		gdb_debug_exit(v);
		break;
	case KVM_EXIT_SHUTDOWN:
		log_triple_fault(v);
		vcpu_die(v, VM_RESET);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		exit_system_event(v);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		log_err("CPU %u: the processor refuses the guest's state, reason 0x%llx", v->id,
			run->fail_entry.hardware_entry_failure_reason);
		log_state(v);
		vcpu_die(v, VM_ERROR);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		exit_internal_error(v);
		break;
	default:
		log_err("CPU %u: unexpected exit %u from KVM", v->id, run->exit_reason);
		log_state(v);
		vcpu_die(v, VM_ERROR);
	}
}

static __thread struct vcpu *self;

void vm_hold(const bool *flag)
{
	if (self)
		self->held = flag;
}

/* A pause ends the wait, and it goes on after that. */
static void held_wait(struct vcpu *v)
{
	struct vm *vm = v->vm;

	vm_lock(vm);
	while (*v->held && !vm_pausing(vm))
		pthread_cond_wait(&vm->unheld, &vm->lock);
	if (!*v->held)
		v->held = NULL;
	vm_unlock(vm);
}

/*
 * Until the VM pauses. A pause is obeyed only when KVM_RUN said EINTR: then the instruction that
 * caused the last exit is complete, and registers may be read or replaced.
 */
static void vcpu_run(struct vcpu *v)
{
	for (;;) {
		if (v->held)
			held_wait(v);
		if (ioctl(v->fd, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN) {
				if (vm_pausing(v->vm))
					return;
				continue;
			}
			log_err("CPU %u: KVM_RUN: %s", v->id, strerror(errno));
			log_state(v);
			vcpu_die(v, VM_ERROR);
			return;
		}
		handle_exit(v);
		if (v->dead)
			return;
	}
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;

	self = v;
	__atomic_store_n(&v->tid, gettid(), __ATOMIC_RELAXED);
	while (vcpu_wait(v))
		vcpu_run(v);
	return NULL;
}

/* A default stack of 8 MiB may be given a transparent huge page: 2 MiB resident for each vCPU. */
#define VCPU_STACK	(256 * 1024)

int vcpus_spawn(struct vm *vm)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err = 0;

	if (vcpu_kick_setup())
		return -1;
	err = pthread_attr_init(&attr);
	if (err)
		return log_err("cannot start a vCPU thread: %s", strerror(err));
	pthread_attr_setstacksize(&attr, VCPU_STACK);
	/* Every other signal belongs to the main thread. */
	sigfillset(&all);
	sigdelset(&all, KICK_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned int i = 0; i < vm->nr_vcpus && !err; i++) {
		struct vcpu *v = &vm->vcpu[i];
		char name[32];

		err = pthread_create(&v->thread, &attr, vcpu_thread, v);
		if (err)
			break;
		v->started = true;
		/* from now on all have a number, for who asks */
		while (!vcpu_tid(v))
			sched_yield();
		snprintf(name, sizeof(name), "CPU %u/KVM", i);
		pthread_setname_np(v->thread, name);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		return log_err("cannot start a vCPU thread: %s", strerror(err));
	return 0;
}

void vcpus_info(const struct vm *vm, FILE *out)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		fprintf(out, "  CPU #%u: thread_id=%d\n", i, vcpu_tid(&vm->vcpu[i]));
}

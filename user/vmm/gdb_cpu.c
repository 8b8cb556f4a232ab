// SPDX-License-Identifier: GPL-2.0
/* Registers, memory and breakpoints as a debugger sees them. */
#define _GNU_SOURCE
#include "gdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../lib/log.h"
#include "machine.h"

#define BREAKS_MAX	64
#define HW_MAX		4
#define INT3		0xcc

/* ---- registers ---- */

struct cpu_regs {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	uint64_t zero;
};

#define R(_name, _field, _len, _type, _feature) { _name, offsetof(struct cpu_regs, _field), _len, _type, _feature }

enum { CORE, SSE, SEGMENTS, FEATURES };

/* In the order that GDB has for x86-64 */
static const struct reg {
	const char *name;
	size_t at;
	uint8_t len;
	const char *type;
	uint8_t feature;
} regs[GDB_REGS] = {
	R("rax", regs.rax, 8, "int64", CORE), R("rbx", regs.rbx, 8, "int64", CORE), R("rcx", regs.rcx, 8, "int64", CORE),
	R("rdx", regs.rdx, 8, "int64", CORE), R("rsi", regs.rsi, 8, "int64", CORE), R("rdi", regs.rdi, 8, "int64", CORE),
	R("rbp", regs.rbp, 8, "data_ptr", CORE), R("rsp", regs.rsp, 8, "data_ptr", CORE), R("r8", regs.r8, 8, "int64", CORE),
	R("r9", regs.r9, 8, "int64", CORE), R("r10", regs.r10, 8, "int64", CORE), R("r11", regs.r11, 8, "int64", CORE),
	R("r12", regs.r12, 8, "int64", CORE), R("r13", regs.r13, 8, "int64", CORE), R("r14", regs.r14, 8, "int64", CORE),
	R("r15", regs.r15, 8, "int64", CORE), R("rip", regs.rip, 8, "code_ptr", CORE), R("eflags", regs.rflags, 4, "int32", CORE),
	R("cs", sregs.cs.selector, 4, "int32", CORE), R("ss", sregs.ss.selector, 4, "int32", CORE),
	R("ds", sregs.ds.selector, 4, "int32", CORE), R("es", sregs.es.selector, 4, "int32", CORE),
	R("fs", sregs.fs.selector, 4, "int32", CORE), R("gs", sregs.gs.selector, 4, "int32", CORE),
	R("st0", fpu.fpr[0], 10, "i387_ext", CORE), R("st1", fpu.fpr[1], 10, "i387_ext", CORE),
	R("st2", fpu.fpr[2], 10, "i387_ext", CORE), R("st3", fpu.fpr[3], 10, "i387_ext", CORE),
	R("st4", fpu.fpr[4], 10, "i387_ext", CORE), R("st5", fpu.fpr[5], 10, "i387_ext", CORE),
	R("st6", fpu.fpr[6], 10, "i387_ext", CORE), R("st7", fpu.fpr[7], 10, "i387_ext", CORE),
	R("fctrl", fpu.fcw, 4, "int", CORE), R("fstat", fpu.fsw, 4, "int", CORE), R("ftag", fpu.ftwx, 4, "int", CORE),
	R("fiseg", zero, 4, "int", CORE), R("fioff", fpu.last_ip, 4, "int", CORE), R("foseg", zero, 4, "int", CORE),
	R("fooff", fpu.last_dp, 4, "int", CORE), R("fop", fpu.last_opcode, 4, "int", CORE),
	R("xmm0", fpu.xmm[0], 16, "uint128", SSE), R("xmm1", fpu.xmm[1], 16, "uint128", SSE), R("xmm2", fpu.xmm[2], 16, "uint128", SSE),
	R("xmm3", fpu.xmm[3], 16, "uint128", SSE), R("xmm4", fpu.xmm[4], 16, "uint128", SSE), R("xmm5", fpu.xmm[5], 16, "uint128", SSE),
	R("xmm6", fpu.xmm[6], 16, "uint128", SSE), R("xmm7", fpu.xmm[7], 16, "uint128", SSE), R("xmm8", fpu.xmm[8], 16, "uint128", SSE),
	R("xmm9", fpu.xmm[9], 16, "uint128", SSE), R("xmm10", fpu.xmm[10], 16, "uint128", SSE),
	R("xmm11", fpu.xmm[11], 16, "uint128", SSE), R("xmm12", fpu.xmm[12], 16, "uint128", SSE),
	R("xmm13", fpu.xmm[13], 16, "uint128", SSE), R("xmm14", fpu.xmm[14], 16, "uint128", SSE),
	R("xmm15", fpu.xmm[15], 16, "uint128", SSE), R("mxcsr", fpu.mxcsr, 4, "int", SSE),
	R("fs_base", sregs.fs.base, 8, "int64", SEGMENTS), R("gs_base", sregs.gs.base, 8, "int64", SEGMENTS),
};

/* Registers of two bytes, or one, that GDB has with four: only so many are the CPU's. */
static size_t real_len(const struct reg *r)
{
	if (r->at >= offsetof(struct cpu_regs, sregs) && r->len == 4)
		return r->at < offsetof(struct cpu_regs, fpu) ? sizeof(uint16_t) :
		       r->at == offsetof(struct cpu_regs, fpu.ftwx) ? 1 :
		       r->at == offsetof(struct cpu_regs, fpu.fcw) || r->at == offsetof(struct cpu_regs, fpu.fsw) ||
		       r->at == offsetof(struct cpu_regs, fpu.last_opcode) ? 2 : 4;
	return r->len;
}

char *gdb_target_xml(void)
{
	static const char *const features[FEATURES] = { "core", "sse", "segments" };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	unsigned int i, feature;

	if (!f)
		return NULL;
	fprintf(f, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
		   "<target><architecture>i386:x86-64</architecture>");
	for (feature = 0; feature < FEATURES; feature++) {
		fprintf(f, "<feature name=\"org.gnu.gdb.i386.%s\">", features[feature]);
		for (i = 0; i < GDB_REGS; i++)
			if (regs[i].feature == feature)
				fprintf(f, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"/>", regs[i].name,
					regs[i].len * 8u, regs[i].type, i);
		fprintf(f, "</feature>");
	}
	fprintf(f, "</target>");
	fclose(f);
	return text;
}

static int load(struct vcpu *v, struct cpu_regs *c)
{
	memset(c, 0, sizeof(*c));
	return ioctl(v->fd, KVM_GET_REGS, &c->regs) || ioctl(v->fd, KVM_GET_SREGS, &c->sregs) || ioctl(v->fd, KVM_GET_FPU, &c->fpu);
}

size_t gdb_reg_place(unsigned int n, size_t *at)
{
	unsigned int i;

	if (n >= GDB_REGS)
		return 0;
	for (*at = 0, i = 0; i < n; i++)
		*at += regs[i].len;
	return regs[n].len;
}

size_t gdb_regs_read(struct vcpu *v, uint8_t *buf)
{
	struct cpu_regs c;
	unsigned int i;
	size_t at = 0;

	if (load(v, &c))
		return 0;
	for (i = 0; i < GDB_REGS; i++) {
		memset(buf + at, 0, regs[i].len);
		memcpy(buf + at, (uint8_t *)&c + regs[i].at, real_len(&regs[i]));
		at += regs[i].len;
	}
	return at;
}

int gdb_regs_write(struct vcpu *v, const uint8_t *buf, size_t len)
{
	struct cpu_regs c, was;
	unsigned int i;
	size_t at = 0;

	if (load(v, &c))
		return -1;
	was = c;
	for (i = 0; i < GDB_REGS && at + regs[i].len <= len; i++) {
		memcpy((uint8_t *)&c + regs[i].at, buf + at, real_len(&regs[i]));
		at += regs[i].len;
	}
	/* a selector alone would not be what is loaded: sregs only where something of them was changed */
	if (memcmp(&c.sregs, &was.sregs, sizeof(c.sregs)) && ioctl(v->fd, KVM_SET_SREGS, &c.sregs))
		return -1;
	return ioctl(v->fd, KVM_SET_REGS, &c.regs) || ioctl(v->fd, KVM_SET_FPU, &c.fpu) ? -1 : 0;
}

/* ---- memory ---- */

static uint8_t *page_of(struct vcpu *v, uint64_t addr, size_t *left)
{
	struct kvm_translation t = { .linear_address = addr & ~0xfffull };

	*left = 0x1000 - (addr & 0xfff);
	if (ioctl(v->fd, KVM_TRANSLATE, &t) || !t.valid)
		return NULL;
	return vm_ram(v->vm, t.physical_address + (addr & 0xfff), *left);
}

size_t gdb_memory(struct vcpu *v, uint64_t addr, uint8_t *buf, size_t len, bool write)
{
	size_t done = 0, n;
	uint8_t *mem;

	while (done < len) {
		mem = page_of(v, addr + done, &n);
		if (!mem)
			break;
		n = n < len - done ? n : len - done;
		memcpy(write ? mem : buf + done, write ? buf + done : mem, n);
		done += n;
	}
	return done;
}

/* ---- breakpoints ---- */

static struct {
	uint64_t addr;
	uint8_t was;
} breaks[BREAKS_MAX];

static struct {
	uint64_t addr;
	unsigned int type, len;	/* @len 0: free */
} hw[HW_MAX];

static unsigned int nr_breaks;

static int soft_find(uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < nr_breaks && breaks[i].addr != addr; i++)
		;
	return i < nr_breaks ? (int)i : -1;
}

bool gdb_break_at(uint64_t addr)
{
	return soft_find(addr) >= 0;
}

static int soft_set(struct vcpu *v, uint64_t addr)
{
	uint8_t int3 = INT3;

	if (gdb_break_at(addr))
		return 0;
	if (nr_breaks == BREAKS_MAX || gdb_memory(v, addr, &breaks[nr_breaks].was, 1, false) != 1 ||
	    gdb_memory(v, addr, &int3, 1, true) != 1)
		return -1;
	breaks[nr_breaks++].addr = addr;
	return 0;
}

/* What a guest, or a reset, has written there meanwhile stays. */
static int soft_clear(struct vcpu *v, uint64_t addr)
{
	int i = soft_find(addr);
	uint8_t now;

	if (i < 0)
		return -1;
	if (gdb_memory(v, addr, &now, 1, false) == 1 && now == INT3)
		gdb_memory(v, addr, &breaks[i].was, 1, true);
	breaks[i] = breaks[--nr_breaks];
	return 0;
}

static int hw_set(unsigned int type, uint64_t addr, unsigned int len)
{
	unsigned int i;

	if (type == 1)
		len = 1;
	if ((len != 1 && len != 2 && len != 4 && len != 8) || addr & (len - 1))
		return -1;
	for (i = 0; i < HW_MAX && hw[i].len; i++)
		;
	if (i == HW_MAX)
		return -1;
	hw[i].addr = addr;
	hw[i].type = type;
	hw[i].len = len;
	return 0;
}

static int hw_clear(unsigned int type, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < HW_MAX; i++) {
		if (!hw[i].len || hw[i].type != type || hw[i].addr != addr)
			continue;
		hw[i].len = 0;
		return 0;
	}
	return -1;
}

int gdb_break(struct vm *vm, struct vcpu *v, unsigned int type, uint64_t addr, unsigned int len, bool set)
{
	(void)vm;
	/* 3, reads only, is nothing that the processor has: reads and writes are 4 */
	if (type > 4 || type == 3)
		return 1;
	if (!type)
		return set ? soft_set(v, addr) : soft_clear(v, addr);
	return set ? hw_set(type, addr, len) : hw_clear(type, addr);
}

void gdb_break_clear(struct vm *vm, struct vcpu *v)
{
	(void)vm;
	while (nr_breaks)
		soft_clear(v, breaks[0].addr);
	memset(hw, 0, sizeof(hw));
}

unsigned int gdb_watched(uint64_t dr6, uint64_t *addr)
{
	unsigned int i;

	for (i = 0; i < HW_MAX; i++) {
		if (!(dr6 & 1u << i) || !hw[i].len || hw[i].type == 1)
			continue;
		*addr = hw[i].addr;
		return hw[i].type;
	}
	return 0;
}

static void debug_of(struct kvm_guest_debug *d, bool step)
{
	static const uint8_t lens[9] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	unsigned int i, rw;

	memset(d, 0, sizeof(*d));
	if (step)
		d->control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	if (nr_breaks)
		d->control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
	for (i = 0; i < HW_MAX; i++) {
		if (!hw[i].len)
			continue;
		rw = hw[i].type == 1 ? 0 : hw[i].type == 2 ? 1 : 3;
		d->control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
		d->arch.debugreg[i] = hw[i].addr;
		d->arch.debugreg[7] |= 2ull << 2 * i | (uint64_t)(lens[hw[i].len] << 2 | rw) << (16 + 4 * i);
	}
	if (d->control & KVM_GUESTDBG_USE_HW_BP)
		d->arch.debugreg[7] |= 0x600;
}

int gdb_arm(struct vm *vm, const struct vcpu *step)
{
	struct kvm_guest_debug d;
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		debug_of(&d, step == &vm->vcpu[i]);
		if (ioctl(vm->vcpu[i].fd, KVM_SET_GUEST_DEBUG, &d))
			return log_err("-gdb: CPU %u: KVM_SET_GUEST_DEBUG: %s", i, strerror(errno));
	}
	return 0;
}

void gdb_reinject(struct vcpu *v)
{
	struct kvm_guest_debug d;

	debug_of(&d, false);
	d.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP;
	if (ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d))
		log_warn("-gdb: CPU %u: the guest's own breakpoint is lost: %s", v->id, strerror(errno));
}

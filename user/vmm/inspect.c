// SPDX-License-Identifier: GPL-2.0
/* What the monitor shows of memory and registers. */
#define _GNU_SOURCE
#include "inspect.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "gdb.h"
#include "machine.h"

#define COUNT_MAX	4096
#define SAVE_CHUNK	4096u

/* Registers of a CPU that runs are its thread's. Return: whether it ran */
static bool freeze(struct vm *vm)
{
	bool ran = vm_running(vm);

	if (ran)
		vm_pause(vm);
	return ran;
}

static void thaw(struct vm *vm, bool ran, FILE *out)
{
	if (ran && vm_start(vm))
		fprintf(out, "Error: cannot go on\n");
}

/* Return: bytes that are there */
static size_t get(struct vm *vm, uint64_t addr, uint8_t *buf, size_t len, bool physical)
{
	const uint8_t *mem;
	size_t n;

	if (!physical)
		return gdb_memory(&vm->vcpu[0], addr, buf, len, false);
	for (n = 0; n < len; n++) {
		mem = vm_ram(vm, addr + n, 1);
		if (!mem)
			break;
		buf[n] = *mem;
	}
	return n;
}

struct format {
	unsigned int count, size;
	char as;
};

/* "/4xw": in any order after the number. Return: what follows; NULL: it is nothing like that */
static const char *format_parse(const char *s, struct format *f)
{
	char *end;

	*f = (struct format){ 1, 4, 'x' };
	if (*s != '/')
		return s;
	if (isdigit((unsigned char)*++s)) {
		f->count = (unsigned int)strtoul(s, &end, 10);
		s = end;
	}
	for (; isalpha((unsigned char)*s); s++) {
		const char *sizes = "bhwg", *at = strchr(sizes, *s);

		if (at)
			f->size = 1u << (at - sizes);
		else if (strchr("xduoc", *s))
			f->as = *s;
		else
			return NULL;
	}
	if (!f->count || f->count > COUNT_MAX)
		return NULL;
	return s + strspn(s, " \t");
}

static void show(const struct format *f, uint64_t v, FILE *out)
{
	int64_t sign = (int64_t)(v << (64 - 8 * f->size)) >> (64 - 8 * f->size);

	switch (f->as) {
	case 'd':
		fprintf(out, " %lld", (long long)sign);
		break;
	case 'u':
		fprintf(out, " %llu", (unsigned long long)v);
		break;
	case 'o':
		fprintf(out, " %#llo", (unsigned long long)v);
		break;
	case 'c':
		if (v < 0x80 && isprint((int)v))
			fprintf(out, " '%c'", (int)v);
		else
			fprintf(out, " '\\x%02llx'", (unsigned long long)v);
		break;
	default:
		fprintf(out, " 0x%0*llx", (int)f->size * 2, (unsigned long long)v);
	}
}

void inspect_dump(struct vm *vm, const char *arg, bool physical, FILE *out)
{
	struct format f;
	const char *s = format_parse(arg, &f);
	uint64_t addr, v, i;
	char *end = NULL;
	bool ran;

	addr = s ? strtoull(s, &end, 0) : 0;
	if (!s || end == s || *end) {
		fprintf(out, "Error: takes /COUNT, format x d u o or c and size b h w or g in one word, and an address, such as /8xg 0x1000\n");
		return;
	}
	ran = freeze(vm);
	for (i = 0; i < f.count; i++, addr += f.size) {
		v = 0;
		if (i % (16 / f.size) == 0)
			fprintf(out, "%s%016llx:", i ? "\n" : "", (unsigned long long)addr);
		if (get(vm, addr, (uint8_t *)&v, f.size, physical) != f.size) {
			fprintf(out, " Cannot access memory");
			break;
		}
		show(&f, v, out);
	}
	fprintf(out, "\n");
	thaw(vm, ran, out);
}

/* Return: 0 or an errno; EFAULT: not all of it is memory */
static int save(struct vm *vm, int fd, uint64_t addr, uint64_t size, bool physical)
{
	uint8_t buf[SAVE_CHUNK];
	size_t n;
	ssize_t done;

	for (; size; addr += n, size -= n) {
		n = size < sizeof(buf) ? size : sizeof(buf);
		if (get(vm, addr, buf, n, physical) != n)
			return EFAULT;
		done = write(fd, buf, n);
		if (done != (ssize_t)n)
			return done < 0 ? errno : ENOSPC;
	}
	return 0;
}

void inspect_save(struct vm *vm, uint64_t addr, uint64_t size, const char *path, bool physical, FILE *out)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), err;
	bool ran;

	if (fd < 0) {
		fprintf(out, "Error: %s: %s\n", path, strerror(errno));
		return;
	}
	ran = freeze(vm);
	err = save(vm, fd, addr, size, physical);
	thaw(vm, ran, out);
	if (close(fd) && !err)
		err = errno;
	if (err)
		fprintf(out, "Error: %s: %s\n", path, err == EFAULT ? "not all of it is memory" : strerror(err));
}

static void segment(const char *name, const struct kvm_segment *s, FILE *out)
{
	fprintf(out, "%-3s=%04x %016llx %08x type %x%s%s\n", name, s->selector, (unsigned long long)s->base, s->limit, s->type,
		s->l ? " 64-bit" : s->db ? " 32-bit" : "", s->present ? "" : " not present");
}

static void registers(struct vcpu *v, FILE *out)
{
	static const char names[16][4] = { "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RSP", "RBP", "R8", "R9", "R10", "R11", "R12",
					   "R13", "R14", "R15" };
	struct kvm_sregs s;
	struct kvm_regs r;
	unsigned int i;

	if (ioctl(v->fd, KVM_GET_REGS, &r) || ioctl(v->fd, KVM_GET_SREGS, &s)) {
		fprintf(out, "Error: CPU %u: %s\n", v->id, strerror(errno));
		return;
	}
	fprintf(out, "CPU#%u\n", v->id);
	/* struct kvm_regs has them in this order, one behind the other */
	for (i = 0; i < 16; i++)
		fprintf(out, "%-3s=%016llx%c", names[i], (unsigned long long)(&r.rax)[i], i % 4 == 3 ? '\n' : ' ');
	fprintf(out, "RIP=%016llx RFL=%08llx\n", (unsigned long long)r.rip, (unsigned long long)r.rflags);
	segment("ES", &s.es, out);
	segment("CS", &s.cs, out);
	segment("SS", &s.ss, out);
	segment("DS", &s.ds, out);
	segment("FS", &s.fs, out);
	segment("GS", &s.gs, out);
	segment("LDT", &s.ldt, out);
	segment("TR", &s.tr, out);
	fprintf(out, "GDT= %016llx %08x\nIDT= %016llx %08x\n", (unsigned long long)s.gdt.base, s.gdt.limit,
		(unsigned long long)s.idt.base, s.idt.limit);
	fprintf(out, "CR0=%08llx CR2=%016llx CR3=%016llx CR4=%08llx\nEFER=%016llx\n", (unsigned long long)s.cr0,
		(unsigned long long)s.cr2, (unsigned long long)s.cr3, (unsigned long long)s.cr4, (unsigned long long)s.efer);
}

void inspect_registers(struct vm *vm, FILE *out)
{
	bool ran = freeze(vm);
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++)
		registers(&vm->vcpu[i], out);
	thaw(vm, ran, out);
}

void inspect_nmi(struct vm *vm, FILE *out)
{
	bool ran = freeze(vm);
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++)
		if (ioctl(vm->vcpu[i].fd, KVM_NMI))
			fprintf(out, "Error: CPU %u: KVM_NMI: %s\n", i, strerror(errno));
	thaw(vm, ran, out);
}

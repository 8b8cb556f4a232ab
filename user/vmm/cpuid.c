// SPDX-License-Identifier: GPL-2.0
/*
 * CPUID: what KVM supports here, cut down by -cpu, with each vCPU's own topology filled in.
 *
 * Topology: one package, one thread a core, APIC id = CPU number.
 */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../lib/log.h"

#define MAX_ENTRIES	256
#define KVM_LEAF	0x40000000u
#define KVM_LEAF_END	0x400000ffu

enum reg { EAX, EBX, ECX, EDX };

struct feature {
	const char *name;
	uint32_t fn, index;
	enum reg reg;
	unsigned int bit;
};

/* Names as in QEMU's -cpu and, mostly, /proc/cpuinfo. */
static const struct feature features[] = {
	{ "pni", 1, 0, ECX, 0 }, { "sse3", 1, 0, ECX, 0 }, { "pclmulqdq", 1, 0, ECX, 1 },
	{ "ssse3", 1, 0, ECX, 9 }, { "fma", 1, 0, ECX, 12 }, { "cx16", 1, 0, ECX, 13 },
	{ "pcid", 1, 0, ECX, 17 }, { "sse4.1", 1, 0, ECX, 19 }, { "sse4_1", 1, 0, ECX, 19 },
	{ "sse4.2", 1, 0, ECX, 20 }, { "sse4_2", 1, 0, ECX, 20 }, { "x2apic", 1, 0, ECX, 21 },
	{ "movbe", 1, 0, ECX, 22 }, { "popcnt", 1, 0, ECX, 23 }, { "tsc-deadline", 1, 0, ECX, 24 },
	{ "aes", 1, 0, ECX, 25 }, { "xsave", 1, 0, ECX, 26 }, { "avx", 1, 0, ECX, 28 },
	{ "f16c", 1, 0, ECX, 29 }, { "rdrand", 1, 0, ECX, 30 }, { "hypervisor", 1, 0, ECX, 31 },
	{ "vmx", 1, 0, ECX, 5 },
	{ "tsc", 1, 0, EDX, 4 }, { "apic", 1, 0, EDX, 9 }, { "mtrr", 1, 0, EDX, 12 },
	{ "pge", 1, 0, EDX, 13 }, { "pat", 1, 0, EDX, 16 }, { "clflush", 1, 0, EDX, 19 },
	{ "mmx", 1, 0, EDX, 23 }, { "sse", 1, 0, EDX, 25 }, { "sse2", 1, 0, EDX, 26 },
	{ "arat", 6, 0, EAX, 2 },
	{ "fsgsbase", 7, 0, EBX, 0 }, { "tsc-adjust", 7, 0, EBX, 1 }, { "bmi1", 7, 0, EBX, 3 },
	{ "avx2", 7, 0, EBX, 5 }, { "smep", 7, 0, EBX, 7 }, { "bmi2", 7, 0, EBX, 8 },
	{ "erms", 7, 0, EBX, 9 }, { "invpcid", 7, 0, EBX, 10 }, { "avx512f", 7, 0, EBX, 16 },
	{ "rdseed", 7, 0, EBX, 18 }, { "adx", 7, 0, EBX, 19 }, { "smap", 7, 0, EBX, 20 },
	{ "clflushopt", 7, 0, EBX, 23 }, { "clwb", 7, 0, EBX, 24 }, { "sha-ni", 7, 0, EBX, 29 },
	{ "umip", 7, 0, ECX, 2 }, { "pku", 7, 0, ECX, 3 }, { "vaes", 7, 0, ECX, 9 },
	{ "la57", 7, 0, ECX, 16 }, { "rdpid", 7, 0, ECX, 22 }, { "fsrm", 7, 0, EDX, 4 },
	{ "spec-ctrl", 7, 0, EDX, 26 }, { "stibp", 7, 0, EDX, 27 },
	{ "arch-capabilities", 7, 0, EDX, 29 }, { "ssbd", 7, 0, EDX, 31 },
	{ "xsaveopt", 0xd, 1, EAX, 0 }, { "xsavec", 0xd, 1, EAX, 1 }, { "xsaves", 0xd, 1, EAX, 3 },
	{ "lahf-lm", 0x80000001, 0, ECX, 0 }, { "svm", 0x80000001, 0, ECX, 2 },
	{ "abm", 0x80000001, 0, ECX, 5 }, { "sse4a", 0x80000001, 0, ECX, 6 },
	{ "topoext", 0x80000001, 0, ECX, 22 },
	{ "syscall", 0x80000001, 0, EDX, 11 }, { "nx", 0x80000001, 0, EDX, 20 },
	{ "pdpe1gb", 0x80000001, 0, EDX, 26 }, { "rdtscp", 0x80000001, 0, EDX, 27 },
	{ "lm", 0x80000001, 0, EDX, 29 }, { "invtsc", 0x80000007, 0, EDX, 8 },
	{ "kvmclock", KVM_LEAF + 1, 0, EAX, 3 }, { "kvm-asyncpf", KVM_LEAF + 1, 0, EAX, 4 },
	{ "kvm-steal-time", KVM_LEAF + 1, 0, EAX, 5 }, { "kvm-pv-eoi", KVM_LEAF + 1, 0, EAX, 6 },
	{ "kvm-pv-unhalt", KVM_LEAF + 1, 0, EAX, 7 },
};

/* A leaf that a model limits; others not listed and above max_leaf are dropped. */
struct leaf_mask {
	uint32_t fn, mask[4];
};

#define ANY 0xffffffffu

/* The first 64-bit processors: SSE3, CMPXCHG16B, no-execute, and KVM's own additions */
static const struct leaf_mask baseline[] = {
	{ 1, { ANY, ANY, 1 << 0 | 1 << 13 | 1 << 21 | 1 << 24 | 1u << 31, 0x178bfbff } },
	{ 0x80000001, { ANY, ANY, 1 << 0, 0x2193fbff } },
	{ 0x80000008, { ANY, 0, ANY, 0 } },
};

static const struct cpu_model {
	const char *name, *brand;
	const struct leaf_mask *mask;
	unsigned int nr_mask;
	uint32_t max_leaf, signature;
} models[] = {
	{ .name = "host" },
	{ .name = "max" },
	{ .name = "qemu64", .brand = "QEMU Virtual CPU", .mask = baseline,
	  .nr_mask = 3, .max_leaf = 0xb, .signature = 0x00060fb1 },
	{ .name = "kvm64", .brand = "Common KVM processor", .mask = baseline,
	  .nr_mask = 3, .max_leaf = 0xb, .signature = 0x00000f61 },
};

static struct {
	struct kvm_cpuid2 *table;
	bool hide_kvm, no_pmu;
} cpuid;

static struct kvm_cpuid_entry2 *entry_find(uint32_t fn, uint32_t index)
{
	for (unsigned int i = 0; i < cpuid.table->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid.table->entries[i];

		if (e->function != fn)
			continue;
		if (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index)
			return e;
	}
	return NULL;
}

static uint32_t *entry_reg(struct kvm_cpuid_entry2 *e, enum reg reg)
{
	switch (reg) {
	case EAX:
		return &e->eax;
	case EBX:
		return &e->ebx;
	case ECX:
		return &e->ecx;
	default:
		return &e->edx;
	}
}

static void entries_drop(uint32_t first, uint32_t last)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < cpuid.table->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid.table->entries[i];

		if (e->function < first || e->function > last)
			cpuid.table->entries[n++] = *e;
	}
	cpuid.table->nent = n;
}

static struct kvm_cpuid_entry2 *entry_add(uint32_t fn, uint32_t index, uint32_t flags)
{
	struct kvm_cpuid_entry2 *e;

	if (cpuid.table->nent == MAX_ENTRIES)
		return NULL;
	e = &cpuid.table->entries[cpuid.table->nent++];
	*e = (struct kvm_cpuid_entry2){ .function = fn, .index = index, .flags = flags };
	return e;
}

/* ---- -cpu ---- */

static int feature_apply(const char *name, bool on)
{
	bool known = false;

	for (unsigned int i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		const struct feature *f = &features[i];
		struct kvm_cpuid_entry2 *e;
		uint32_t *reg;

		if (strcmp(f->name, name))
			continue;
		known = true;
		e = entry_find(f->fn, f->index);
		reg = e ? entry_reg(e, f->reg) : NULL;
		if (!on && reg)
			*reg &= ~(1u << f->bit);
		else if (on && !(reg && *reg & 1u << f->bit))
			log_warn("-cpu: the host or the model has no %s", name);
	}
	if (!known && !strcmp(name, "kvm"))
		cpuid.hide_kvm = !on;
	else if (!known && !strcmp(name, "pmu"))
		cpuid.no_pmu = !on;
	else if (!known)
		return log_err("-cpu: no feature '%s' is known", name);
	return 0;
}

/* "+x", "-x", "x=on", "x=off", "x" */
static int feature_parse(char *word)
{
	char *eq = strchr(word, '=');
	bool on = true;

	if (*word == '+' || *word == '-') {
		on = *word == '+';
		word++;
	} else if (eq) {
		*eq = 0;
		if (!strcmp(eq + 1, "off"))
			on = false;
		else if (strcmp(eq + 1, "on"))
			return log_err("-cpu: %s=%s: on or off", word, eq + 1);
	}
	for (char *p = word; *p; p++)
		if (*p == '_' && strncmp(word, "sse4", 4))
			*p = '-';
	return feature_apply(word, on);
}

static void model_apply(const struct cpu_model *m)
{
	struct kvm_cpuid_entry2 *e;

	if (!m->nr_mask)
		return;
	entries_drop(m->max_leaf + 1, KVM_LEAF - 1);
	entries_drop(0x80000009, 0xffffffff);
	entries_drop(4, 7);
	for (unsigned int i = 0; i < m->nr_mask; i++) {
		e = entry_find(m->mask[i].fn, 0);
		for (unsigned int r = EAX; e && r <= EDX; r++)
			*entry_reg(e, r) &= m->mask[i].mask[r];
	}
	e = entry_find(0, 0);
	if (e && e->eax > m->max_leaf)
		e->eax = m->max_leaf;
	e = entry_find(0x80000000, 0);
	if (e && e->eax > 0x80000008)
		e->eax = 0x80000008;
	e = entry_find(1, 0);
	if (e)
		e->eax = m->signature;
	for (unsigned int i = 0; i < 3; i++) {
		char brand[48] = "";

		strcpy(brand, m->brand);
		e = entry_find(0x80000002 + i, 0);
		if (e)
			memcpy(&e->eax, brand + 16 * i, 16);
	}
}

static int options_apply(const char *spec)
{
	char *copy = strdup(spec ? spec : "host"), *save = NULL, *word;
	const struct cpu_model *m = NULL;
	int ret = -1;

	if (!copy)
		return log_err("out of memory");
	word = strtok_r(copy, ",", &save);
	for (unsigned int i = 0; word && i < sizeof(models) / sizeof(models[0]); i++)
		if (!strcmp(models[i].name, word))
			m = &models[i];
	if (!m) {
		log_err("-cpu: no model '%s'; there are host, max, qemu64 and kvm64",
			word ? word : "");
		goto out;
	}
	model_apply(m);
	while ((word = strtok_r(NULL, ",", &save)))
		if (feature_parse(word))
			goto out;
	ret = 0;
out:
	free(copy);
	return ret;
}

/* ---- the shared table ---- */

static bool feature_on(uint32_t fn, uint32_t index, enum reg reg, unsigned int bit)
{
	struct kvm_cpuid_entry2 *e = entry_find(fn, index);

	return e && *entry_reg(e, reg) & 1u << bit;
}

static void defaults_apply(struct vm *vm)
{
	struct kvm_cpuid_entry2 *e = entry_find(1, 0);

	if (e) {
		e->ecx |= 1u << 31;			/* hypervisor */
		e->ecx &= ~(1u << 3);			/* MONITOR */
		if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
			e->ecx |= 1u << 24;
	}
	e = entry_find(5, 0);
	if (e)
		e->eax = e->ebx = e->ecx = e->edx = 0;	/* MONITOR's parameters */
	/* One package without threads: leaf 0xb says it all. */
	entries_drop(0x1f, 0x1f);
	entries_drop(0xb, 0xb);
	entry_add(0xb, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	entry_add(0xb, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	entry_add(0xb, 2, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
}

/* What hangs together with a feature that was switched off. */
static void dependents_apply(void)
{
	struct kvm_cpuid_entry2 *e = entry_find(0xd, 0);
	bool avx = feature_on(1, 0, ECX, 28), xsave = feature_on(1, 0, ECX, 26);

	if (e && !xsave) {
		e->eax = e->ebx = e->ecx = e->edx = 0;
		entries_drop(0xd, 0xd);
	} else if (e) {
		if (!avx)
			e->eax &= ~(1u << 2);
		if (!avx || !feature_on(7, 0, EBX, 16))
			e->eax &= ~(7u << 5);
		if (!feature_on(7, 0, ECX, 3))
			e->eax &= ~(1u << 9);
	}
	if (cpuid.hide_kvm)
		entries_drop(KVM_LEAF, KVM_LEAF_END);
	e = entry_find(0xa, 0);
	if (e && cpuid.no_pmu)
		e->eax = e->ebx = e->ecx = e->edx = 0;
}

int cpuid_prepare(struct vm *vm)
{
	cpuid.table = calloc(1, sizeof(*cpuid.table) +
			     MAX_ENTRIES * sizeof(cpuid.table->entries[0]));
	if (!cpuid.table)
		return log_err("out of memory");
	/* Leave room for what entry_add() puts in. */
	cpuid.table->nent = MAX_ENTRIES - 4;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid.table))
		return log_err("KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	defaults_apply(vm);
	if (options_apply(vm->cfg->cpu_model))
		return -1;
	dependents_apply();
	return 0;
}

void cpuid_free(void)
{
	free(cpuid.table);
	cpuid.table = NULL;
}

/* ---- per vCPU ---- */

static unsigned int id_bits(unsigned int cpus)
{
	unsigned int bits = 0;

	while (1u << bits < cpus)
		bits++;
	return bits;
}

uint32_t cpu_apic_id(const struct vm_config *cfg, unsigned int n)
{
	unsigned int thread = id_bits(cfg->threads), core = id_bits(cfg->cores);
	unsigned int socket = n / (cfg->cores * cfg->threads);

	return socket << (thread + core) | n / cfg->threads % cfg->cores << thread | n % cfg->threads;
}

/* Cache levels 1 and 2 belong to one core, the third to a socket. */
static uint32_t cache_sharing(uint32_t eax, unsigned int threads, unsigned int bits)
{
	unsigned int level = eax >> 5 & 7;

	eax &= ~(0xfffu << 14);
	return eax | ((1u << (level >= 3 ? bits : threads)) - 1) << 14;
}

/* Leaf 0xb: level 0 are threads of a core, 1 CPUs of a socket, 2 ends the list. */
static void levels_apply(struct kvm_cpuid_entry2 *e, const struct vm_config *cfg, unsigned int bits, uint32_t id)
{
	e->eax = e->index == 2 ? 0 : e->index ? bits : id_bits(cfg->threads);
	e->ebx = e->index == 2 ? 0 : e->index ? cfg->cores * cfg->threads : cfg->threads;
	e->ecx = e->index == 2 ? 2 : e->index | (e->index + 1) << 8;
	e->edx = id;
}

static void topology_apply(struct kvm_cpuid_entry2 *e, const struct vm_config *cfg, uint32_t id)
{
	unsigned int cpus = cfg->cores * cfg->threads;	/* of a socket */
	unsigned int threads = id_bits(cfg->threads), bits = id_bits(cfg->cores) + threads;

	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0xff00) | id << 24 | (1u << bits) << 16;
		e->edx &= ~(1u << 28);
		if (cpus > 1)
			e->edx |= 1u << 28;
		break;
	case 4:
		if (!(e->eax & 0x1f))
			break;
		e->eax = cache_sharing(e->eax, threads, bits) & 0x03ffffff;
		e->eax |= ((1u << (bits - threads)) - 1) << 26;
		break;
	case 0xb:
		levels_apply(e, cfg, bits, id);
		break;
	case 0x80000001:
		/* CMP_LEGACY: leaf 1's count is of cores, not of threads; AMD's only. */
		if (cpus == 1)
			e->ecx &= ~(1u << 1);
		break;
	case 0x80000008:
		e->ecx &= ~0xf0ffu;
		if (cpus > 1)
			e->ecx |= bits << 12 | (cpus - 1);
		break;
	case 0x8000001d:
		if (e->eax & 0x1f)
			e->eax = cache_sharing(e->eax, threads, bits);
		break;
	case 0x8000001e:
		e->eax = id;
		e->ebx = (id >> threads & ((1u << (bits - threads)) - 1)) | (cfg->threads - 1) << 8;
		e->ecx = id >> bits;
		e->edx = 0;
		break;
	}
}

int cpuid_set(struct vm *vm, unsigned int id, int vcpu_fd)
{
	size_t size = sizeof(*cpuid.table) + cpuid.table->nent * sizeof(cpuid.table->entries[0]);
	struct kvm_cpuid2 *mine = malloc(size);
	int ret = 0;

	if (!mine)
		return log_err("out of memory");
	memcpy(mine, cpuid.table, size);
	for (unsigned int i = 0; i < mine->nent; i++)
		topology_apply(&mine->entries[i], vm->cfg, cpu_apic_id(vm->cfg, id));
	if (ioctl(vcpu_fd, KVM_SET_CPUID2, mine))
		ret = log_err("CPU %u: KVM_SET_CPUID2: %s", id, strerror(errno));
	free(mine);
	return ret;
}

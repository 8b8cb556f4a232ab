// SPDX-License-Identifier: GPL-2.0
/* Options that describe the machine: type, CPUs, memory, kernel, clock, names. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../lib/log.h"
#include "cmdline.h"
#include "cmdline_priv.h"
#include "vm.h"

#define MIB (1ull << 20)

static bool wants_help(const char *s)
{
	return !strcmp(s, "help") || !strcmp(s, "?");
}

/* ---- -machine, -accel ---- */

static const char *const only_on[] = { "on", NULL };
static const char *const only_off[] = { "off", NULL };

struct machine_props {
	int on, off;
	char *type, *accel, *memory_backend;
};

static const struct prop machine_props[] = {
	PROP("type", PROP_STR, struct machine_props, type, .def = "pc", .help = "machine"),
	PROP("accel", PROP_STR, struct machine_props, accel, .help = "kvm"),
	PROP("memory-backend", PROP_STR, struct machine_props, memory_backend,
	     .help = "id of the -object that is guest RAM"),
	PROP("kernel-irqchip", PROP_ENUM, struct machine_props, on, .names = only_on,
	     .help = "interrupt controllers are KVM's"),
	PROP("acpi", PROP_ENUM, struct machine_props, on, .names = only_on, .help = "ACPI tables"),
	PROP("usb", PROP_ENUM, struct machine_props, off, .names = only_off, .help = "not there"),
	PROP("graphics", PROP_ENUM, struct machine_props, off, .names = only_off,
	     .help = "not there"),
	PROP("vmport", PROP_ENUM, struct machine_props, off, .names = only_off,
	     .help = "not there"),
	PROP("smm", PROP_ENUM, struct machine_props, off, .names = only_off, .help = "not there"),
	PROP("hpet", PROP_ENUM, struct machine_props, off, .names = only_off, .help = "not there"),
	PROP("mem-merge", PROP_ENUM, struct machine_props, off, .names = only_off,
	     .help = "shared memory is never merged"),
	{ .type = PROP_END },
};

/* QEMU's names of the same machine in its versions, pc-0.13 and pc-i440fx-7.2 for instance */
static int check_machine(const char *type)
{
	if (!strcmp(type, "pc") || !strncmp(type, "pc-0.", 5) || !strncmp(type, "pc-1.", 5) || !strncmp(type, "pc-i440fx-", 10))
		return 0;
	return log_err("-machine type=%s: takes pc, or an older name of it: pc-i440fx-*, pc-0.*, pc-1.*", type);
}

/* "kvm:tcg" says: the first that works. */
static int check_accel(const char *opt, const char *list)
{
	if (!strncmp(list, "kvm", 3) && (!list[3] || list[3] == ':'))
		return 0;
	return log_err("%s %s: takes kvm", opt, list);
}

int opt_machine(struct vm_config *cfg, const char *arg)
{
	struct machine_props p;
	struct keyvals kvs;
	int ret = -1;

	(void)cfg;
	if (wants_help(arg)) {
		printf("Supported machines are:\n"
		       "pc                   PC that boots by firmware, or -kernel without (default)\n"
		       "pc-i440fx-*, pc-0.*, pc-1.*   the same\n");
		return 1;
	}
	if (!strcmp(arg, "pc,help")) {
		printf("pc options:\n");
		props_help(machine_props);
		return 1;
	}
	if (keyvals_parse(&kvs, "-machine", "type", arg))
		return -1;
	if (props_apply(machine_props, &p, "-machine", &kvs))
		goto out;
	if (check_machine(p.type))
		goto out_props;
	if (p.accel && check_accel("-machine accel", p.accel))
		goto out_props;
	if (p.memory_backend) {
		cmdline.memory_backend = cmdline_keep(p.memory_backend);
		if (!cmdline.memory_backend)
			goto out_props;
	}
	ret = 0;
out_props:
	props_free(machine_props, &p);
out:
	keyvals_free(&kvs);
	return ret;
}

int opt_accel(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	if (wants_help(arg)) {
		printf("Accelerators supported:\nkvm\n");
		return 1;
	}
	if (strchr(arg, ','))
		return log_err("-accel %s: kvm takes no properties", arg);
	return check_accel("-accel", arg);
}

/* ---- -cpu, -smp ---- */

int opt_cpu(struct vm_config *cfg, const char *arg)
{
	if (wants_help(arg)) {
		printf("Available CPUs:\n"
		       "  host     all that this processor and KVM have (default)\n"
		       "  max      the same\n"
		       "  qemu64   a plain 64-bit processor\n"
		       "  kvm64    a plain 64-bit processor\n"
		       "A name may be followed by ,+FEATURE ,-FEATURE or ,FEATURE=on|off\n");
		return 1;
	}
	cfg->cpu_model = arg;
	return 0;
}

struct smp_props {
	uint32_t cpus, maxcpus, sockets, dies, cores, threads;
};

static const struct prop smp_props[] = {
	PROP("cpus", PROP_U32, struct smp_props, cpus, .min = 1, .max = VM_MAX_VCPUS),
	PROP("maxcpus", PROP_U32, struct smp_props, maxcpus, .min = 1, .max = VM_MAX_VCPUS),
	PROP("sockets", PROP_U32, struct smp_props, sockets, .min = 1, .max = VM_MAX_VCPUS),
	PROP("dies", PROP_U32, struct smp_props, dies, .min = 1, .max = VM_MAX_VCPUS),
	PROP("cores", PROP_U32, struct smp_props, cores, .min = 1, .max = VM_MAX_VCPUS),
	PROP("threads", PROP_U32, struct smp_props, threads, .min = 1, .max = VM_MAX_VCPUS),
	{ .type = PROP_END },
};

/* What is missing follows from the rest: cores first, then sockets, as QEMU has it since 6.2. */
static int smp_fill(struct vm_config *cfg, const struct smp_props *p, const char *arg)
{
	uint32_t cpus = p->cpus ?: p->maxcpus, sockets = p->sockets ?: 1, cores = p->cores, threads = p->threads ?: 1;
	uint64_t product;

	if (p->dies > 1)
		return log_err("-smp %s: dies takes 1", arg);
	if (!cores)
		cores = cpus / (sockets * threads) ?: 1;
	else if (!p->sockets)
		sockets = cpus / (cores * threads) ?: 1;
	product = (uint64_t)sockets * cores * threads;
	if (!cpus)
		cpus = product > VM_MAX_VCPUS ? 0 : (uint32_t)product;
	if (product != cpus || (p->maxcpus && p->maxcpus != cpus))
		return log_err("-smp %s: takes up to %d cpus, as many as sockets * cores * threads and as maxcpus: none is plugged later",
			       arg, VM_MAX_VCPUS);
	cfg->cpus = cpus;
	cfg->cores = cores;
	cfg->threads = threads;
	return 0;
}

int opt_smp(struct vm_config *cfg, const char *arg)
{
	struct smp_props p;
	struct keyvals kvs;
	int ret;

	if (keyvals_parse(&kvs, "-smp", "cpus", arg))
		return -1;
	ret = props_apply(smp_props, &p, "-smp", &kvs);
	keyvals_free(&kvs);
	if (ret)
		return -1;
	return smp_fill(cfg, &p, arg);
}

/* ---- memory ---- */

struct m_props {
	char *size, *maxmem;
	uint32_t slots;
};

static const struct prop m_props[] = {
	PROP("size", PROP_STR, struct m_props, size, .required = true),
	PROP("slots", PROP_U32, struct m_props, slots, .max = VM_MAX_DIMMS),
	PROP("maxmem", PROP_STR, struct m_props, maxmem),
	{ .type = PROP_END },
};

int opt_m(struct vm_config *cfg, const char *arg)
{
	struct m_props p;
	struct keyvals kvs;
	uint64_t size, most = 0;
	int ret;

	if (keyvals_parse(&kvs, "-m", "size", arg))
		return -1;
	ret = props_apply(m_props, &p, "-m", &kvs);
	keyvals_free(&kvs);
	if (ret)
		return -1;
	if (parse_size(p.size, MIB, &size) || !size || size % MIB)
		ret = log_err("-m %s: takes a size in whole MiB, such as 512, 512M or 4G", arg);
	else if (!p.slots != !p.maxmem || (p.maxmem && (parse_size(p.maxmem, MIB, &most) || most <= size || most >> 46)))
		ret = log_err("-m %s: slots= goes with maxmem=, which is more than size", arg);
	else
		cfg->mem_size = size;
	cfg->mem_slots = p.slots;
	cfg->mem_max = most;
	props_free(m_props, &p);
	cmdline.m_given = true;
	return ret;
}

int opt_mem_path(struct vm_config *cfg, const char *arg)
{
	cfg->mem_path = arg;
	return *arg ? 0 : log_err("-mem-path: takes a path");
}

int opt_mem_prealloc(struct vm_config *cfg, const char *arg)
{
	(void)arg;
	cfg->mem_prealloc = true;
	return 0;
}

uint64_t cmdline_meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib, found = 0;
	size_t len = strlen(key);
	char line[128];

	if (!f)
		return 0;
	while (!found && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && line[len] == ':' &&
		    sscanf(line + len + 1, "%llu", &kib) == 1)
			found = kib << 10;
	fclose(f);
	return found;
}

/* ---- what is booted ---- */

int opt_kernel(struct vm_config *cfg, const char *arg)
{
	cfg->kernel = arg;
	return 0;
}

int opt_initrd(struct vm_config *cfg, const char *arg)
{
	cfg->initrd = arg;
	return 0;
}

int opt_append(struct vm_config *cfg, const char *arg)
{
	cfg->append = arg;
	return 0;
}

struct boot_props {
	char *order, *once;
	bool strict, menu;
};

static const struct prop boot_props[] = {
	PROP("order", PROP_STR, struct boot_props, order),
	PROP("once", PROP_STR, struct boot_props, once),
	PROP("strict", PROP_BOOL, struct boot_props, strict),
	PROP("menu", PROP_BOOL, struct boot_props, menu),
	{ .type = PROP_END },
};

/* Return: @order kept, or @was if that is NULL; NULL with *@err after one logged line */
static const char *boot_letters(const char *key, const char *order, const char *was, int *err)
{
	size_t n = order ? strlen(order) : 0;

	if (!order)
		return was;
	if (!n || n > 3 || strspn(order, "acdn") != n || (n > 1 && strchr(order + 1, *order)) || (n > 2 && order[1] == order[2]))
		*err = log_err("-boot %s=%s: takes up to 3 letters of a (floppy), c (disks), d (CD-ROMs) and n (networks)", key,
			       order);
	else
		was = cmdline_keep(order);
	return was;
}

int opt_boot(struct vm_config *cfg, const char *arg)
{
	struct boot_props p;
	struct keyvals kvs;
	int ret;

	if (keyvals_parse(&kvs, "-boot", "order", arg))
		return -1;
	ret = props_apply(boot_props, &p, "-boot", &kvs);
	keyvals_free(&kvs);
	if (ret)
		return -1;
	cfg->boot_order = boot_letters("order", p.order, cfg->boot_order, &ret);
	if (!ret)
		cfg->boot_once = boot_letters("once", p.once, cfg->boot_once, &ret);
	cfg->boot_menu = p.menu;
	cfg->boot_strict = p.strict;
	props_free(boot_props, &p);
	return ret;
}

int opt_parallel(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	return strcmp(arg, "none") ? log_err("-parallel %s: takes none", arg) : 0;
}

/* ---- clock and names ---- */

static const char *const only_host[] = { "host", NULL };
static const char *const only_none[] = { "none", NULL };

struct rtc_props {
	char *base;
	int clock, driftfix;
};

static const struct prop rtc_props[] = {
	PROP("base", PROP_STR, struct rtc_props, base, .def = "utc"),
	PROP("clock", PROP_ENUM, struct rtc_props, clock, .names = only_host),
	PROP("driftfix", PROP_ENUM, struct rtc_props, driftfix, .names = only_none),
	{ .type = PROP_END },
};

static int rtc_base(struct vm_config *cfg, const char *base)
{
	struct tm tm = { 0 };
	const char *end;

	if (!strcmp(base, "utc"))
		return 0;
	if (!strcmp(base, "localtime")) {
		cfg->rtc_localtime = true;
		return 0;
	}
	end = strptime(base, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end)
		end = strptime(base, "%Y-%m-%d", &tm);
	if (!end || *end)
		return log_err(
			"-rtc base=%s: takes utc, localtime, 2006-06-17T16:01:21 or 2006-06-17",
			base);
	cfg->rtc_base = timegm(&tm);
	return 0;
}

int opt_rtc(struct vm_config *cfg, const char *arg)
{
	struct rtc_props p;
	struct keyvals kvs;
	int ret;

	if (keyvals_parse(&kvs, "-rtc", NULL, arg))
		return -1;
	ret = props_apply(rtc_props, &p, "-rtc", &kvs);
	keyvals_free(&kvs);
	if (ret)
		return -1;
	ret = rtc_base(cfg, p.base);
	props_free(rtc_props, &p);
	return ret;
}

struct name_props {
	char *guest, *process;
	int debug_threads;
};

static const struct prop name_props[] = {
	PROP("guest", PROP_STR, struct name_props, guest),
	PROP("process", PROP_STR, struct name_props, process),
	PROP("debug-threads", PROP_ENUM, struct name_props, debug_threads, .names = only_on),
	{ .type = PROP_END },
};

int opt_name(struct vm_config *cfg, const char *arg)
{
	struct name_props p;
	struct keyvals kvs;
	int ret;

	if (keyvals_parse(&kvs, "-name", "guest", arg))
		return -1;
	ret = props_apply(name_props, &p, "-name", &kvs);
	keyvals_free(&kvs);
	if (ret)
		return -1;
	if (p.guest && strlen(p.guest) > 255) {
		props_free(name_props, &p);
		return log_err("-name: takes up to 255 characters");
	}
	if (p.guest)
		cfg->name = cmdline_keep(p.guest);
	if (p.process)
		cfg->process_name = cmdline_keep(p.process);
	ret = (p.guest && !cfg->name) || (p.process && !cfg->process_name) ? -1 : 0;
	props_free(name_props, &p);
	return ret;
}

int opt_uuid(struct vm_config *cfg, const char *arg)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i;

	for (i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)arg[i]) : arg[i] != '-')
			break;
	if (i < sizeof(form) - 1 || arg[i])
		return log_err(
			"-uuid %s: takes a UUID such as 550e8400-e29b-41d4-a716-446655440000", arg);
	cfg->uuid = arg;
	return 0;
}

/* ---- all together ---- */

void cmdline_machine_defaults(struct vm_config *cfg)
{
	cfg->mem_size = 128 * MIB;
	cfg->cpus = cfg->cores = cfg->threads = 1;
	cfg->rtc_base = -1;
}

int opt_bios(struct vm_config *cfg, const char *arg)
{
	cfg->bios = arg;
	return 0;
}

/* Where distributions have it */
static const char *bios_default(void)
{
	static const char *const paths[] = { "/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin" };
	unsigned int i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!access(paths[i], R_OK))
			return paths[i];
	return NULL;
}

int cmdline_machine_finish(struct vm_config *cfg)
{
	uint64_t total = cmdline_meminfo("MemTotal");

	if (cmdline_object_finish(cfg))
		return -1;
	if (cfg->mem_slots && cfg->mem_max <= cfg->mem_size)
		return log_err("-m: maxmem=%lluM is not more than guest RAM, %lluM", (unsigned long long)(cfg->mem_max / MIB),
			       (unsigned long long)(cfg->mem_size / MIB));
	if (total && cfg->mem_size > total)
		return log_err("-m: %lluM is more than this host has, %lluM",
			       (unsigned long long)(cfg->mem_size / MIB),
			       (unsigned long long)(total / MIB));
	if (!cfg->kernel && cfg->initrd)
		return log_err("-initrd: goes with -kernel");
	if (!cfg->kernel && cfg->append)
		return log_err("-append: goes with -kernel");
	if (cfg->kernel && cfg->bios)
		return log_err("-bios: not with -kernel, which is entered directly");
	if (!cfg->kernel && !cfg->bios)
		cfg->bios = bios_default();
	if (!cfg->kernel && !cfg->bios)
		return log_err("nothing to boot: pass -kernel FILE, or install SeaBIOS (package seabios), or pass -bios FILE");
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The command line: one table of options, which parses and makes the help text. The options that
 * describe the machine itself are in cmdline_machine.c.
 */
#define _GNU_SOURCE
#include "cmdline.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "blockdev.h"
#include "chardev.h"
#include "cmdline_priv.h"
#include "device.h"
#include "netdev.h"

/* Strings that were made here; what came from argv needs no care. */
static char **kept;
static unsigned int nr_kept;

const char *cmdline_keep(const char *s)
{
	char **list = realloc(kept, (nr_kept + 1) * sizeof(*list)), *copy;

	if (list)
		kept = list;
	copy = list ? strdup(s) : NULL;
	if (copy)
		kept[nr_kept++] = copy;
	else
		log_err("out of memory");
	return copy;
}

int cmdline_check_id(const char *opt, const char *id, bool required)
{
	const char *p;

	if (!id)
		return required ? log_err("%s: id= is missing", opt) : 0;
	for (p = id; isalnum((unsigned char)*p) || (p > id && *p && strchr("-._", *p)); p++)
		;
	if (!isalpha((unsigned char)*id) || *p || p - id > 63)
		return log_err(
			"%s: id=%s: takes a letter, then letters, digits, '-', '.' and '_', 63 at most",
			opt, id);
	return 0;
}

/* "help" or "?" where a name is expected. */
static bool wants_help(const char *s)
{
	return s && (!strcmp(s, "help") || !strcmp(s, "?"));
}

/* ---- what people type and is not there ---- */

/* By how an option, or a device's name, begins */
static const struct absent {
	const char *name, *what;
} absent_options[] = {
	{ "usb", "USB" }, { "vnc", "a screen" }, { "spice", "a screen" }, { "sdl", "a screen" }, { "curses", "a screen" },
	{ "soundhw", "sound" }, { "audio", "sound" }, { "fda", "a floppy drive" }, { "fdb", "a floppy drive" }, { 0 },
}, absent_devices[] = {
	{ "usb-", "USB" }, { "AC97", "sound" }, { "ES1370", "sound" }, { "intel-hda", "sound" }, { "hda-", "sound" },
	{ "VGA", "a screen" }, { "cirrus-vga", "a screen" }, { "qxl", "a screen" }, { "e1000", "a NIC other than virtio-net-pci" },
	{ "rtl8139", "a NIC other than virtio-net-pci" }, { 0 },
};

/* Return: -1 after one logged line, which says what is not there, or else @other */
static int no_such(const char *opt, const char *name, const struct absent *a, const char *other)
{
	for (; a->name; a++)
		if (!strncmp(name, a->name, strlen(a->name)))
			return log_err("%s%s: %s is not there yet", opt, name, a->what);
	return log_err("%s%s: %s", opt, name, other);
}

/* ---- -device ---- */

static int device_help(const char *arg)
{
	char name[64];
	const char *comma = strchr(arg, ',');
	const struct device_type *type;

	if (wants_help(arg)) {
		device_types_help();
		return 1;
	}
	if (!comma || !wants_help(comma + 1) || (size_t)(comma - arg) >= sizeof(name))
		return 0;
	memcpy(name, arg, (size_t)(comma - arg));
	name[comma - arg] = 0;
	type = device_type_find(name);
	if (!type)
		return log_err("-device %s: no such device (-device help lists all)", name);
	printf("%s options, besides id=<str>:\n", type->name);
	props_help(type->props);
	return 1;
}

static int device_make(struct vm_config *cfg, const struct device_type *type, const char *id,
		       struct keyvals *kvs)
{
	struct device_spec *d = &cfg->device[cfg->nr_devices];
	char opt[80];
	unsigned int i;

	snprintf(opt, sizeof(opt), "-device %s", type->name);
	if (cmdline_check_id(opt, id, false))
		return -1;
	for (i = 0; id && i < cfg->nr_devices; i++)
		if (cfg->device[i].id && !strcmp(cfg->device[i].id, id))
			return log_err("%s: id %s given twice", opt, id);
	if (cfg->nr_devices == sizeof(cfg->device) / sizeof(cfg->device[0]))
		return log_err("%s: more than %u devices", opt, cfg->nr_devices);
	d->type = type;
	d->id = id ? strdup(id) : NULL;
	d->props = calloc(1, type->props_size ? type->props_size : 1);
	if ((id && !d->id) || !d->props) {
		log_err("%s: out of memory", opt);
		goto fail;
	}
	if (props_apply(type->props, d->props, opt, kvs))
		goto fail;
	cfg->nr_devices++;
	return 0;

fail:
	free(d->id);
	free(d->props);
	return -1;
}

int opt_device(struct vm_config *cfg, const char *arg)
{
	int ret = device_help(arg);
	const struct device_type *type;
	struct keyvals kvs;
	const char *name;

	if (ret)
		return ret;
	if (keyvals_parse(&kvs, "-device", "driver", arg))
		return -1;
	name = keyvals_take(&kvs, "driver");
	type = name ? device_type_find(name) : NULL;
	if (!name)
		ret = log_err("-device: driver= is missing");
	else if (!type)
		ret = no_such("-device ", name, absent_devices, "no such device (-device help lists all)");
	else if (type == &virtio_net_pci_type && cmdline_net_join(&kvs, "-device virtio-net-pci"))
		ret = -1;
	else
		ret = device_make(cfg, type, keyvals_take(&kvs, "id"), &kvs);
	keyvals_free(&kvs);
	return ret;
}

/* ---- back ends and where things lead ---- */

static int opt_netdev(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	if (wants_help(arg) || !strcmp(arg, "tap,help") || !strcmp(arg, "user,help")) {
		netdev_help();
		return 1;
	}
	return netdev_add(arg);
}

static int opt_drive(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	if (wants_help(arg)) {
		blockdev_help();
		return 1;
	}
	return blockdev_add(arg);
}

/* A file with a place on the IDE channels */
static int file_drive(const char *file, unsigned int index, const char *media)
{
	char *arg = NULL;
	size_t size;
	FILE *out = open_memstream(&arg, &size);
	int ret;

	if (!out)
		return log_err("out of memory");
	fprintf(out, "if=ide,index=%u,media=%s", index, media);
	keyvals_put(out, *file ? ",format=raw,file=" : "", file);
	ret = fclose(out) ? log_err("out of memory") : blockdev_add(arg);
	free(arg);
	return ret;
}

static int opt_hda(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	return file_drive(arg, 0, "disk");
}

static int opt_hdb(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	return file_drive(arg, 1, "disk");
}

static int opt_hdc(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	return file_drive(arg, 2, "disk");
}

static int opt_hdd(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	return file_drive(arg, 3, "disk");
}

static int opt_cdrom(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	return file_drive(arg, 2, "cdrom");
}

static int opt_chardev(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	if (wants_help(arg)) {
		chardev_help();
		return 1;
	}
	return chardev_add(arg);
}

static int opt_serial(struct vm_config *cfg, const char *arg)
{
	if (cfg->nr_serial == sizeof(cfg->serial) / sizeof(cfg->serial[0]))
		return log_err("-serial: more than %u", cfg->nr_serial);
	cfg->serial[cfg->nr_serial++] = arg;
	return 0;
}

static int opt_monitor(struct vm_config *cfg, const char *arg)
{
	if (cmdline.monitor)
		return log_err("-monitor: given twice");
	cmdline.monitor = true;
	cfg->monitor = strcmp(arg, "none") ? arg : NULL;
	return 0;
}

static int opt_qmp(struct vm_config *cfg, const char *arg)
{
	if (cfg->nr_qmp == VM_MAX_QMP)
		return log_err("-qmp: more than %d", VM_MAX_QMP);
	if (strcmp(arg, "none"))
		cfg->qmp[cfg->nr_qmp++] = arg;
	return 0;
}

/* As QEMU has it, a socket listens and nothing waits for it. */
static int opt_gdb(struct vm_config *cfg, const char *arg)
{
	char spec[256];
	bool socket = !strncmp(arg, "tcp:", 4) || !strncmp(arg, "unix:", 5);

	if (cfg->gdb)
		return log_err("-gdb: given twice");
	snprintf(spec, sizeof(spec), "%s%s", arg, socket && !strstr(arg, ",server") ? ",server=on,wait=off" : "");
	if (!strcmp(arg, "none"))
		return 0;
	if (strlen(arg) > 200)
		return log_err("-gdb: takes up to 200 characters");
	cfg->gdb = cmdline_keep(spec);
	return cfg->gdb ? 0 : -1;
}

static int opt_s(struct vm_config *cfg, const char *arg)
{
	(void)arg;
	return opt_gdb(cfg, "tcp::1234");
}

enum { MON_READLINE, MON_CONTROL };
static const char *const mon_modes[] = { "readline", "control", NULL };

struct mon_props {
	char *chardev;
	int mode;
};

static const struct prop mon_props[] = {
	PROP("chardev", PROP_STR, struct mon_props, chardev, .required = true),
	PROP("mode", PROP_ENUM, struct mon_props, mode, .names = mon_modes, .def = "readline"),
	{ .type = PROP_END },
};

static int opt_mon(struct vm_config *cfg, const char *arg)
{
	struct mon_props p;
	struct keyvals kvs;
	char spec[96];
	int ret;

	if (keyvals_parse(&kvs, "-mon", "chardev", arg))
		return -1;
	ret = props_apply(mon_props, &p, "-mon", &kvs);
	keyvals_free(&kvs);
	if (ret)
		return -1;
	snprintf(spec, sizeof(spec), "chardev:%s", p.chardev);
	props_free(mon_props, &p);
	arg = cmdline_keep(spec);
	if (!arg)
		return -1;
	return p.mode == MON_CONTROL ? opt_qmp(cfg, arg) : opt_monitor(cfg, arg);
}

static int opt_display(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	if (strcmp(arg, "none"))
		return log_err("-display %s: takes none", arg);
	cmdline.no_display = true;
	return 0;
}

static int opt_vga(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	return strcmp(arg, "none") ? log_err("-vga %s: takes none: a screen is not there yet", arg) : 0;
}

static int opt_nographic(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	(void)arg;
	cmdline.nographic = true;
	return 0;
}

/* ---- the process ---- */

static int opt_paused(struct vm_config *cfg, const char *arg)
{
	(void)arg;
	cfg->start_paused = true;
	return 0;
}

static int opt_no_reboot(struct vm_config *cfg, const char *arg)
{
	(void)arg;
	cfg->no_reboot = true;
	return 0;
}

static int opt_nodefaults(struct vm_config *cfg, const char *arg)
{
	(void)arg;
	cfg->nodefaults = true;
	return 0;
}

static int opt_nothing(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	(void)arg;
	return 0;
}

static int opt_pidfile(struct vm_config *cfg, const char *arg)
{
	cfg->pidfile = arg;
	return *arg ? 0 : log_err("-pidfile: takes a path");
}

static int opt_daemonize(struct vm_config *cfg, const char *arg)
{
	(void)arg;
	cfg->daemonize = true;
	return 0;
}

static int opt_version(struct vm_config *cfg, const char *arg)
{
	(void)cfg;
	(void)arg;
	/* what programs look for: "version" and a number */
	printf("shunt version %s\n", SHUNT_VERSION);
	return 1;
}

static int opt_help(struct vm_config *cfg, const char *arg);

/* ---- the table ---- */

static const struct option {
	const char *name;
	const char *arg;	/* NULL: takes none */
	const char *help;
	/* Return: 0; 1 when help was printed; -1 after one logged line */
	int (*fn)(struct vm_config *cfg, const char *arg);
} options[] = {
	{ "accel", "kvm", "what runs the guest", opt_accel },
	{ "append", "STRING", "command line of the kernel", opt_append },
	{ "bios", "FILE", "firmware (default: SeaBIOS, if there is no -kernel)", opt_bios },
	{ "boot", "[order=]LETTERS[,once=LETTERS][,menu=on|off][,strict=on|off]",
	  "what firmware tries in which order: c disks, d CD-ROMs, n networks", opt_boot },
	{ "cdrom", "FILE", "a CD-ROM in an IDE drive, the first of the second channel", opt_cdrom },
	{ "chardev", "TYPE,id=ID[,KEY=VALUE...]", "a character device (-chardev help)",
	  opt_chardev },
	{ "cpu", "MODEL[,FEATURE=on|off...]", "CPU model (-cpu help)", opt_cpu },
	{ "daemonize", NULL, "go to the background once the machine is there", opt_daemonize },
	{ "device", "TYPE[,id=ID][,KEY=VALUE...]", "a device (-device help, -device TYPE,help)",
	  opt_device },
	{ "display", "none", "there is no display", opt_display },
	{ "drive", "file=FILE[,KEY=VALUE...]", "a file or block device for a disk (-drive help)",
	  opt_drive },
	{ "enable-kvm", NULL, "as -accel kvm", opt_nothing },
	{ "gdb", "CHARDEV", "a debugger may come by it, GDB for one: tcp::1234 for instance", opt_gdb },
	{ "h", NULL, "this list", opt_help },
	{ "hda", "FILE", "an IDE disk, the first of the first channel", opt_hda },
	{ "hdb", "FILE", "the second of it", opt_hdb },
	{ "hdc", "FILE", "the first of the second channel", opt_hdc },
	{ "hdd", "FILE", "the second of it", opt_hdd },
	{ "help", NULL, "this list", opt_help },
	{ "initrd", "FILE", "initial RAM disk of the kernel", opt_initrd },
	{ "kernel", "FILE", "bzImage, or an ELF with a PVH entry", opt_kernel },
	{ "M", "TYPE[,KEY=VALUE...]", "as -machine", opt_machine },
	{ "m", "[size=]SIZE[,slots=N,maxmem=SIZE]", "guest RAM, MiB without suffix (default 128)", opt_m },
	{ "machine", "TYPE[,KEY=VALUE...]", "the machine (-machine help)", opt_machine },
	{ "mem-path", "PATH", "guest RAM in a file, or in a folder, hugetlbfs for instance",
	  opt_mem_path },
	{ "mem-prealloc", NULL, "allocate guest RAM before the start", opt_mem_prealloc },
	{ "mon", "chardev=ID[,mode=readline|control]", "human monitor, or QMP, on a -chardev", opt_mon },
	{ "monitor", "CHARDEV", "human monitor: words as for -serial", opt_monitor },
	{ "name", "[guest=]NAME[,process=NAME]", "name of the guest", opt_name },
	{ "net", "nic|tap|user|none[,vlan=N][,KEY=VALUE...]", "a NIC, or what it leads to (older form of -netdev)", opt_net },
	{ "netdev", "TYPE,id=ID[,KEY=VALUE...]", "a network back end (-netdev help)", opt_netdev },
	{ "no-reboot", NULL, "end where the guest resets", opt_no_reboot },
	{ "no-user-config", NULL, "there are no configuration files anyway", opt_nothing },
	{ "nodefconfig", NULL, "the same, as it was called before", opt_nothing },
	{ "nodefaults", NULL, "no serial port or monitor that was not asked for", opt_nodefaults },
	{ "nographic", NULL, "serial port and monitor on standard input and output",
	  opt_nographic },
	{ "object", "TYPE,id=ID[,KEY=VALUE...]", "guest RAM or a source of entropy (-object help)",
	  opt_object },
	{ "parallel", "none", "there is no parallel port", opt_parallel },
	{ "pidfile", "FILE", "write the process's number there, remove it at the end",
	  opt_pidfile },
	{ "qmp", "CHARDEV", "QMP, a monitor for programs: words as for -serial", opt_qmp },
	{ "rtc", "[base=utc|localtime|DATE]", "start of the real-time clock", opt_rtc },
	{ "S", NULL, "do not run before the monitor's cont", opt_paused },
	{ "s", NULL, "as -gdb tcp::1234", opt_s },
	{ "serial", "CHARDEV",
	  "a serial port: stdio, mon:stdio, pty, null, none, file:P, unix:P, tcp:H:P, chardev:ID",
	  opt_serial },
	{ "smp", "[cpus=]N[,cores=N]", "CPUs, 1 to 64", opt_smp },
	{ "uuid", "UUID", "of the guest", opt_uuid },
	{ "version", NULL, "print the version", opt_version },
	{ "vga", "none", "there is no display", opt_vga },
};

#define NR_OPTIONS (sizeof(options) / sizeof(options[0]))

static int opt_help(struct vm_config *cfg, const char *arg)
{
	char left[64];
	size_t i;

	(void)cfg;
	(void)arg;
	printf("usage: shunt [options] [-kernel FILE]\n"
	       "Runs a virtual machine; options are QEMU's, with one dash or two.\n\n");
	for (i = 0; i < NR_OPTIONS; i++) {
		snprintf(left, sizeof(left), "-%s%s%s", options[i].name, options[i].arg ? " " : "",
			 options[i].arg ? options[i].arg : "");
		printf("  %-38s %s\n", left, options[i].help);
	}
	return 1;
}

struct cmdline_state cmdline;

/* -serial and -monitor name chardevs that may come later on the line: look at the end. */
static int check_chardevs(struct vm_config *cfg)
{
	bool stdio = chardev_on_stdio();
	unsigned int i;

	for (i = 0; i < cfg->nr_serial; i++) {
		if (chardev_check_spec("-serial", cfg->serial[i]))
			return -1;
		stdio |= !strcmp(cfg->serial[i], "stdio") || !strcmp(cfg->serial[i], "mon:stdio");
	}
	if (cfg->monitor && chardev_check_spec("-monitor", cfg->monitor))
		return -1;
	for (i = 0; i < cfg->nr_qmp; i++) {
		if (chardev_check_spec("-qmp", cfg->qmp[i]))
			return -1;
		stdio |= !strcmp(cfg->qmp[i], "stdio");
	}
	if (cfg->gdb && chardev_check_spec("-gdb", cfg->gdb))
		return -1;
	stdio |= cfg->gdb && !strcmp(cfg->gdb, "stdio");
	stdio |= cfg->monitor && !strcmp(cfg->monitor, "stdio");
	if (cfg->daemonize && stdio)
		return log_err(
			"-daemonize: standard input and output are gone: send -serial and -monitor elsewhere");
	return 0;
}

/* As QEMU with -nographic; a background process has no terminal. */
static void defaults(struct vm_config *cfg)
{
	bool mon_stdio = cfg->monitor && !strcmp(cfg->monitor, "stdio");

	if (cfg->nr_serial || cfg->nodefaults)
		return;
	if (cfg->daemonize && !cmdline.nographic)
		cfg->serial[0] = "null";
	else if (mon_stdio || (cmdline.no_display && !cmdline.nographic))
		cfg->serial[0] = "null";
	else
		cfg->serial[0] = cmdline.monitor ? "stdio" : "mon:stdio";
	cfg->nr_serial = 1;
}

/* -drive if=virtio and if=ide: the disk comes with it, after those that were asked for. */
static int drive_devices(struct vm_config *cfg)
{
	char arg[160];
	unsigned int n;

	for (n = 0; blockdev_device(n, arg, sizeof(arg)); n++)
		if (*arg && opt_device(cfg, arg))
			return -1;
	return 0;
}

static int check_devices(const struct vm_config *cfg)
{
	unsigned int i;

	for (i = 0; i < cfg->nr_devices; i++)
		if (cfg->device[i].type->check && cfg->device[i].type->check(cfg, i))
			return -1;
	return 0;
}

static enum cmdline_verdict finish(struct vm_config *cfg)
{
	defaults(cfg);
	cmdline_net_finish();
	if (drive_devices(cfg) || check_devices(cfg) || check_chardevs(cfg) || cmdline_machine_finish(cfg))
		return CMDLINE_BAD;
	return CMDLINE_RUN;
}

/* -net for itself, then all others: -device looks at what it made. */
static enum cmdline_verdict parse_pass(struct vm_config *cfg, int argc, char **argv, bool net)
{
	const char *name, *arg;
	size_t o;
	int i, ret;

	for (i = 1; i < argc; i++) {
		name = argv[i];
		if (*name != '-') {
			log_err("%s: not an option", name);
			return CMDLINE_BAD;
		}
		name += name[1] == '-' ? 2 : 1;
		for (o = 0; o < NR_OPTIONS && strcmp(options[o].name, name); o++)
			;
		if (o == NR_OPTIONS) {
			no_such("-", name, absent_options, "no such option (-help lists all)");
			return CMDLINE_BAD;
		}
		arg = NULL;
		if (options[o].arg) {
			if (i + 1 == argc) {
				log_err("-%s: takes an argument: %s", name, options[o].arg);
				return CMDLINE_BAD;
			}
			arg = argv[++i];
		}
		ret = net == (options[o].fn == opt_net) ? options[o].fn(cfg, arg) : 0;
		if (ret)
			return ret < 0 ? CMDLINE_BAD : CMDLINE_DONE;
	}
	return CMDLINE_RUN;
}

enum cmdline_verdict cmdline_parse(struct vm_config *cfg, int argc, char **argv)
{
	enum cmdline_verdict v;

	memset(cfg, 0, sizeof(*cfg));
	cmdline = (struct cmdline_state){ 0 };
	cmdline_machine_defaults(cfg);
	v = parse_pass(cfg, argc, argv, true);
	if (v == CMDLINE_RUN && cmdline_net_nics(cfg))
		v = CMDLINE_BAD;
	if (v == CMDLINE_RUN)
		v = parse_pass(cfg, argc, argv, false);
	return v == CMDLINE_RUN ? finish(cfg) : v;
}

void cmdline_free(struct vm_config *cfg)
{
	unsigned int i;

	for (i = 0; i < cfg->nr_devices; i++) {
		struct device_spec *d = &cfg->device[i];

		props_free(d->type->props, d->props);
		free(d->props);
		free(d->id);
	}
	cfg->nr_devices = 0;
	cmdline_object_free();
	while (nr_kept)
		free(kept[--nr_kept]);
	free(kept);
	kept = NULL;
}

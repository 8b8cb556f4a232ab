// SPDX-License-Identifier: GPL-2.0
/* The table of commands, and how people get at it. What programs are answered is in query.c. */
#define _GNU_SOURCE
#include "command.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "../lib/loop.h"
#include "../lib/prop.h"
#include "balloon.h"
#include "blockdev.h"
#include "chardev.h"
#include "cmdline.h"
#include "config.h"
#include "dimm.h"
#include "inspect.h"
#include "monitor.h"
#include "netdev.h"
#include "nic.h"
#include "pci.h"
#include "qmp.h"
#include "query.h"
#include "vm.h"

/* ---- for people; @arg is the rest of the line, without leading space ---- */

static const struct command *command_find(const struct command *table, const char *name, size_t len)
{
	for (; table->name || table->qmp; table++)
		if (table->name && strlen(table->name) == len && !memcmp(table->name, name, len))
			return table;
	return NULL;
}

static void table_print(const struct command *table, const char *prefix, FILE *out)
{
	char left[64];

	for (; table->name || table->qmp; table++) {
		if (!table->name)
			continue;
		snprintf(left, sizeof(left), "%s%s%s%s", prefix, table->name,
			 table->args ? " " : "", table->args ? table->args : "");
		fprintf(out, "%-22s %s\n", left, table->help);
	}
}

static void do_help(struct vm *vm, const char *arg, FILE *out)
{
	const struct command *cmd = *arg ? command_find(commands, arg, strlen(arg)) : NULL;

	(void)vm;
	if (cmd) {
		fprintf(out, "%s%s%s -- %s\n", cmd->name, cmd->args ? " " : "", cmd->args ? cmd->args : "", cmd->help);
		return;
	}
	if (*arg && strcmp(arg, "info")) {
		fprintf(out, "unknown command: '%s' (try help)\n", arg);
		return;
	}
	table_print(commands, "", out);
	table_print(infos, "info ", out);
}

static void do_info(struct vm *vm, const char *arg, FILE *out)
{
	const struct command *cmd = command_find(infos, arg, strlen(arg));

	if (cmd)
		cmd->text(vm, "", out);
	else
		table_print(infos, "info ", out);
}

static void do_quit(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	(void)out;
	vm_request(vm, VM_QUIT, 0);
}

static void do_reset(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	(void)out;
	vm_request(vm, VM_RESET, 1);
}

static void do_powerdown(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	(void)out;
	vm_lock(vm);
	vm_powerdown(vm);
	vm_unlock(vm);
	qmp_send_event(QMP_POWERDOWN, NULL);
}

static void do_stop(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	(void)out;
	if (!vm_running(vm))
		return;
	vm_pause(vm);
	qmp_send_event(QMP_STOP, NULL);
}

static void do_cont(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	if (vm_running(vm))
		return;
	if (vm_start(vm))
		fprintf(out, "cannot start\n");
	else
		qmp_send_event(QMP_RESUME, NULL);
}

static bool word_take(const char **arg, char *word, size_t size)
{
	size_t len = strcspn(*arg, " \t");

	if (!len || len >= size)
		return false;
	memcpy(word, *arg, len);
	word[len] = 0;
	*arg += len + strspn(*arg + len, " \t");
	return true;
}

static void do_block_resize(struct vm *vm, const char *arg, FILE *out)
{
	char id[64];
	uint64_t bytes;

	/* a number alone is MiB, as QEMU has it */
	if (!word_take(&arg, id, sizeof(id)) || parse_size(arg, 1 << 20, &bytes)) {
		fprintf(out, "Error: takes the id of a drive and a size such as 512M or 4G\n");
		return;
	}
	blockdev_resize(vm, id, bytes, out);
}

/* "[-f] ID", and what follows */
static bool medium_take(const char **arg, char *id, size_t size, bool *force)
{
	*force = !strncmp(*arg, "-f ", 3);
	if (*force)
		*arg += 3 + strspn(*arg + 3, " \t");
	return word_take(arg, id, size);
}

static void do_change(struct vm *vm, const char *arg, FILE *out)
{
	char id[64];
	bool force;

	(void)vm;
	if (medium_take(&arg, id, sizeof(id), &force) && *arg)
		blockdev_change(id, arg, force, out);
	else
		fprintf(out, "Error: takes the id of a drive and a file\n");
}

static void do_eject(struct vm *vm, const char *arg, FILE *out)
{
	char id[64];
	bool force;

	(void)vm;
	if (medium_take(&arg, id, sizeof(id), &force) && !*arg)
		blockdev_change(id, NULL, force, out);
	else
		fprintf(out, "Error: takes the id of a drive\n");
}

/* What an option says on standard error is the answer here. */
static void option_run(struct vm *vm, const char *arg, FILE *out, int (*fn)(struct vm *vm, const char *arg))
{
	char why[256] = "";
	int err;

	log_catch(why, sizeof(why));
	err = fn(vm, arg);
	log_catch(NULL, 0);
	if (err)
		fprintf(out, "Error: %s\n", why);
}

static int object_add(struct vm *vm, const char *arg)
{
	(void)vm;
	return cmdline_object_add(arg);
}

static void do_object_add(struct vm *vm, const char *arg, FILE *out)
{
	option_run(vm, arg, out, object_add);
}

static void do_device_add(struct vm *vm, const char *arg, FILE *out)
{
	option_run(vm, arg, out, dimm_device_add);
}

static void do_announce_self(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	nic_announce_all(vm, out);
}

#define NO_BALLOON "Error: there is no -device virtio-balloon-pci\n"

/* As QEMU has it, the number is what the guest is left with. */
static void do_balloon(struct vm *vm, const char *arg, FILE *out)
{
	uint64_t bytes;

	(void)vm;
	if (parse_size(arg, 1 << 20, &bytes) || !bytes)
		fprintf(out, "Error: takes the memory that the guest is to have, such as 512 (MiB) or 4G\n");
	else if (balloon_set(bytes))
		fprintf(out, NO_BALLOON);
}

static void info_balloon(struct vm *vm, const char *arg, FILE *out)
{
	uint64_t bytes;

	(void)vm;
	(void)arg;
	if (balloon_get(&bytes))
		fprintf(out, NO_BALLOON);
	else
		fprintf(out, "balloon: actual=%llu\n", (unsigned long long)bytes >> 20);
}

static void info_version(struct vm *vm, const char *arg, FILE *out)
{
	(void)vm;
	(void)arg;
	fprintf(out, "shunt %s\n", SHUNT_VERSION);
}

static void info_status(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	fprintf(out, "VM status: %s\n", vm_running(vm) ? "running" : "paused");
}

static void info_name(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	if (vm->cfg->name)
		fprintf(out, "%s\n", vm->cfg->name);
}

static void info_uuid(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	fprintf(out, "%s\n",
		vm->cfg->uuid ? vm->cfg->uuid : "00000000-0000-0000-0000-000000000000");
}

static void info_memory(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	vm_mem_info(vm, out);
}

static void info_cpus(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	vcpus_info(vm, out);
}

static void info_memory_devices(struct vm *vm, const char *arg, FILE *out)
{
	(void)vm;
	(void)arg;
	dimm_info(out);
}

static void info_network(struct vm *vm, const char *arg, FILE *out)
{
	(void)vm;
	(void)arg;
	netdev_info(out);
}

static void info_block(struct vm *vm, const char *arg, FILE *out)
{
	(void)vm;
	(void)arg;
	blockdev_info(out);
}

static void info_blockstats(struct vm *vm, const char *arg, FILE *out)
{
	(void)vm;
	(void)arg;
	blockdev_stats(out);
}

static void info_chardev(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	/* vCPU threads count what was dropped */
	vm_lock(vm);
	chardev_info(out);
	vm_unlock(vm);
}

static void info_loop(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	fprintf(out, "event loop: %s\n", loop_backend(vm->loop));
}

static void do_x(struct vm *vm, const char *arg, FILE *out)
{
	inspect_dump(vm, arg, false, out);
}

static void do_xp(struct vm *vm, const char *arg, FILE *out)
{
	inspect_dump(vm, arg, true, out);
}

static void do_save(struct vm *vm, const char *arg, FILE *out, bool physical)
{
	char word[2][32];
	uint64_t addr, size;

	if (!word_take(&arg, word[0], sizeof(word[0])) || parse_u64(word[0], &addr) || !word_take(&arg, word[1], sizeof(word[1])) ||
	    parse_u64(word[1], &size) || !*arg)
		fprintf(out, "Error: takes an address, a number of bytes and a file\n");
	else
		inspect_save(vm, addr, size, arg, physical, out);
}

static void do_memsave(struct vm *vm, const char *arg, FILE *out)
{
	do_save(vm, arg, out, false);
}

static void do_pmemsave(struct vm *vm, const char *arg, FILE *out)
{
	do_save(vm, arg, out, true);
}

static void do_nmi(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	inspect_nmi(vm, out);
}

static void info_registers(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	inspect_registers(vm, out);
}

static void info_kvm(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	fprintf(out, "kvm support: %s\n", vm->vm_fd >= 0 ? "enabled" : "disabled");
}

static void info_pci(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	vm_lock(vm);
	pci_bus_info(vm, out);
	vm_unlock(vm);
}

/* ---- the table ---- */

static const struct member m_balloon[] = { { "value", "int", false }, { 0 } };
static const struct member m_resize[] = { { "device", "str", false }, { "size", "int", false }, { 0 } };
static const struct member m_eject[] = { { "device", "str", true }, { "id", "str", true }, { "force", "bool", true }, { 0 } };
static const struct member m_medium[] = { { "device", "str", true }, { "id", "str", true }, { "filename", "str", false },
					  { "force", "bool", true }, { 0 } };
static const struct member m_object[] = { { "qom-type", "str", false }, { "id", "str", false }, { 0 } };
static const struct member m_device[] = { { "driver", "str", false }, { "id", "str", true }, { 0 } };
static const struct member m_memsave[] = { { "val", "int", false }, { "size", "int", false }, { "filename", "str", false }, { 0 } };
static const struct member m_line[] = { { "command-line", "str", false }, { 0 } };

const struct command commands[] = {
	{ "announce_self", NULL, "tell networks where the guest's addresses are", .text = do_announce_self, .qmp = "announce-self" },
	{ "balloon", "SIZE", "memory that the guest is to have, in MiB", .text = do_balloon,
	  .qmp = "balloon", .members = m_balloon, .run = qmp_balloon },
	{ "block_resize", "ID SIZE", "give a drive another size", .text = do_block_resize,
	  .qmp = "block_resize", .members = m_resize, .run = qmp_block_resize },
	{ "change", "[-f] ID FILE", "another medium for a CD-ROM drive; -f: though the guest has locked it", .text = do_change,
	  .qmp = "blockdev-change-medium", .members = m_medium, .run = qmp_change },
	{ "cont", NULL, "let a stopped machine run", .text = do_cont, .qmp = "cont" },
	{ "device_add", "pc-dimm,memdev=ID", "give the guest more memory", .text = do_device_add,
	  .qmp = "device_add", .members = m_device, .any = true, .run = qmp_device_add },
	{ "eject", "[-f] ID", "take the medium out", .text = do_eject, .qmp = "eject", .members = m_eject, .run = qmp_eject },
	{ "help", "[COMMAND]", "this list, or a line of it", .text = do_help },
	{ "info", "WHAT", "show something", .text = do_info },
	{ "memsave", "ADDR SIZE FILE", "memory into a file, by the first CPU's addresses", .text = do_memsave,
	  .qmp = "memsave", .members = m_memsave, .run = qmp_memsave },
	{ "nmi", NULL, "a non-maskable interrupt for each CPU", .text = do_nmi, .qmp = "inject-nmi" },
	{ "object_add", "TYPE,id=ID,...", "memory for a pc-dimm, as -object has it", .text = do_object_add,
	  .qmp = "object-add", .members = m_object, .any = true, .run = qmp_object_add },
	{ "pmemsave", "ADDR SIZE FILE", "the same, by physical addresses", .text = do_pmemsave,
	  .qmp = "pmemsave", .members = m_memsave, .run = qmp_pmemsave },
	{ "quit", NULL, "end the process", .text = do_quit, .qmp = "quit" },
	{ "stop", NULL, "pause the machine", .text = do_stop, .qmp = "stop" },
	{ "system_powerdown", NULL, "press the power button", .text = do_powerdown, .qmp = "system_powerdown" },
	{ "system_reset", NULL, "reset the machine", .text = do_reset, .qmp = "system_reset" },
	{ "x", "/FMT ADDR", "show memory, by the first CPU's addresses: /8xg, /20xb, /4dw, /16cb", .text = do_x },
	{ "xp", "/FMT ADDR", "the same, by physical addresses", .text = do_xp },
	{ .qmp = "human-monitor-command", .members = m_line, .returns = "str", .run = qmp_human },
	{ .qmp = "qmp_capabilities", .run = qmp_capabilities },
	{ .qmp = "query-commands", .returns = "[CommandInfo]", .run = query_commands },
	{ .qmp = "query-qmp-schema", .returns = "[SchemaInfo]", .run = query_schema },
	{ 0 },
};

const struct command infos[] = {
	{ "balloon", NULL, "memory that the guest has", .text = info_balloon,
	  .qmp = "query-balloon", .returns = "BalloonInfo", .run = query_balloon },
	{ "block", NULL, "drives", .text = info_block, .qmp = "query-block", .returns = "[BlockInfo]", .run = query_block },
	{ "blockstats", NULL, "what drives have done", .text = info_blockstats },
	{ "chardev", NULL, "character devices", .text = info_chardev,
	  .qmp = "query-chardev", .returns = "[ChardevInfo]", .run = query_chardev },
	{ "cpus", NULL, "CPUs, and their threads", .text = info_cpus,
	  .qmp = "query-cpus-fast", .returns = "[CpuInfoFast]", .run = query_cpus },
	{ "kvm", NULL, "whether KVM runs the guest", .text = info_kvm, .qmp = "query-kvm", .returns = "KvmInfo", .run = query_kvm },
	{ "loop", NULL, "what the event loop waits with", .text = info_loop },
	{ "memory", NULL, "what backs guest RAM, and in pages of which size", .text = info_memory },
	{ "memory-devices", NULL, "memory besides that of -m", .text = info_memory_devices },
	{ "name", NULL, "the guest's name", .text = info_name, .qmp = "query-name", .returns = "NameInfo", .run = query_name },
	{ "network", NULL, "network back ends", .text = info_network },
	{ "pci", NULL, "functions on the bus, and where they are", .text = info_pci },
	{ "registers", NULL, "of each CPU", .text = info_registers },
	{ "status", NULL, "whether the machine runs", .text = info_status,
	  .qmp = "query-status", .returns = "StatusInfo", .run = query_status },
	{ "uuid", NULL, "the guest's UUID", .text = info_uuid, .qmp = "query-uuid", .returns = "UuidInfo", .run = query_uuid },
	{ "version", NULL, "of this program", .text = info_version,
	  .qmp = "query-version", .returns = "VersionInfo", .run = query_version },
	{ 0 },
};

const struct command *qmp_command(const char *name)
{
	const struct command *tables[] = { commands, infos }, *c;
	unsigned int i;

	for (i = 0; i < 2; i++)
		for (c = tables[i]; c->name || c->qmp; c++)
			if (c->qmp && !strcmp(c->qmp, name))
				return c;
	return NULL;
}

void hmp_run(struct vm *vm, const char *typed, FILE *out)
{
	char copy[HMP_LINE], *line = copy;
	const struct command *cmd;
	size_t len;

	if (strlen(typed) >= sizeof(copy)) {
		fprintf(out, "a line has up to %d characters\n", HMP_LINE - 1);
		return;
	}
	strcpy(copy, typed);

	line += strspn(line, " \t");
	line[strcspn(line, "\r\n")] = 0;
	len = strlen(line);
	while (len && isspace((unsigned char)line[len - 1]))
		line[--len] = 0;
	if (!len)
		return;
	len = strcspn(line, " \t");
	/* QEMU's short names of the two that people type most */
	if (len == 1 && (*line == 'q' || *line == 'c'))
		cmd = command_find(commands, *line == 'q' ? "quit" : "cont", 4);
	else
		cmd = command_find(commands, line, len);
	if (!cmd) {
		fprintf(out, "unknown command: '%.*s' (try help)\n", (int)len, line);
		return;
	}
	line += len;
	cmd->text(vm, line + strspn(line, " \t"), out);
}

unsigned int hmp_complete(const char *line, char *out, size_t size)
{
	const struct command *c = commands;
	size_t at = 0, len;
	unsigned int n = 0;

	line += strspn(line, " \t");
	if (!strncmp(line, "info ", 5)) {
		c = infos;
		line += 5 + strspn(line + 5, " \t");
	} else if (!strncmp(line, "help ", 5)) {
		line += 5 + strspn(line + 5, " \t");
	}
	len = strlen(line);
	*out = 0;
	for (; c->name || c->qmp; c++) {
		if (!c->name || strncmp(c->name, line, len))
			continue;
		n++;
		if (at < size)
			at += (size_t)snprintf(out + at, size - at, "%s%s", at ? " " : "", c->name);
	}
	return n;
}

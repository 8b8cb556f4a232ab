// SPDX-License-Identifier: GPL-2.0
/* The human monitor: line editing as far as a raw terminal needs it, and the table of commands. */
#define _GNU_SOURCE
#include "monitor.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "../lib/loop.h"
#include "../lib/prop.h"
#include "balloon.h"
#include "blockdev.h"
#include "chardev.h"
#include "cmdline.h"
#include "dimm.h"
#include "netdev.h"
#include "nic.h"
#include "vm.h"

#define LINE_MAX_BYTES	256
#define PROMPT		"(shunt) "

/**
 * struct monitor - @line is being typed; once @ready, it waits for the bottom half and no input is
 *	taken. Device lock.
 */
struct monitor {
	struct monitor *next;
	struct vm *vm;
	struct loop *loop;
	struct chardev *chr;
	struct loop_bh bh;
	char line[LINE_MAX_BYTES];
	size_t len;
	bool ready, last_cr;
};

static struct monitor *monitors;

/* ---- commands; @arg is the rest of the line, without leading space ---- */

struct command {
	const char *name, *args, *help;
	void (*run)(struct vm *vm, const char *arg, FILE *out);
};

static const struct command commands[], infos[];

static const struct command *command_find(const struct command *table, const char *name, size_t len)
{
	for (; table->name; table++)
		if (strlen(table->name) == len && !memcmp(table->name, name, len))
			return table;
	return NULL;
}

static void table_print(const struct command *table, const char *prefix, FILE *out)
{
	char left[64];

	for (; table->name; table++) {
		snprintf(left, sizeof(left), "%s%s%s%s", prefix, table->name,
			 table->args ? " " : "", table->args ? table->args : "");
		fprintf(out, "%-22s %s\n", left, table->help);
	}
}

static void do_help(struct vm *vm, const char *arg, FILE *out)
{
	(void)vm;
	(void)arg;
	table_print(commands, "", out);
	table_print(infos, "info ", out);
}

static void do_info(struct vm *vm, const char *arg, FILE *out)
{
	const struct command *cmd = command_find(infos, arg, strlen(arg));

	if (cmd)
		cmd->run(vm, "", out);
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
	vm_request(vm, VM_RESET, 0);
}

static void do_powerdown(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	(void)out;
	vm_lock(vm);
	vm_powerdown(vm);
	vm_unlock(vm);
}

static void do_stop(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	(void)out;
	vm_pause(vm);
}

static void do_cont(struct vm *vm, const char *arg, FILE *out)
{
	(void)arg;
	if (!vm_running(vm) && vm_start(vm))
		fprintf(out, "cannot start\n");
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
	fprintf(out, "%u CPUs\n", vm->nr_vcpus);
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

static const struct command commands[] = {
	{ "announce_self", NULL, "tell networks where the guest's addresses are", do_announce_self },
	{ "balloon", "SIZE", "memory that the guest is to have, in MiB", do_balloon },
	{ "block_resize", "ID SIZE", "give a drive another size", do_block_resize },
	{ "change", "[-f] ID FILE", "another medium for a scsi-cd; -f: though the guest has locked it", do_change },
	{ "cont", NULL, "let a stopped machine run", do_cont },
	{ "device_add", "pc-dimm,memdev=ID", "give the guest more memory", do_device_add },
	{ "eject", "[-f] ID", "take the medium out", do_eject },
	{ "help", NULL, "this list", do_help },
	{ "info", "WHAT", "show something", do_info },
	{ "object_add", "TYPE,id=ID,...", "memory for a pc-dimm, as -object has it", do_object_add },
	{ "quit", NULL, "end the process", do_quit },
	{ "stop", NULL, "pause the machine", do_stop },
	{ "system_powerdown", NULL, "press the power button", do_powerdown },
	{ "system_reset", NULL, "reset the machine", do_reset },
	{ 0 },
};

static const struct command infos[] = {
	{ "balloon", NULL, "memory that the guest has", info_balloon },
	{ "block", NULL, "drives", info_block },
	{ "blockstats", NULL, "what drives have done", info_blockstats },
	{ "chardev", NULL, "character devices", info_chardev },
	{ "cpus", NULL, "how many CPUs", info_cpus },
	{ "loop", NULL, "what the event loop waits with", info_loop },
	{ "memory", NULL, "what backs guest RAM, and in pages of which size", info_memory },
	{ "memory-devices", NULL, "memory besides that of -m", info_memory_devices },
	{ "name", NULL, "the guest's name", info_name },
	{ "network", NULL, "network back ends", info_network },
	{ "status", NULL, "whether the machine runs", info_status },
	{ "uuid", NULL, "the guest's UUID", info_uuid },
	{ "version", NULL, "of this program", info_version },
	{ 0 },
};

static void execute(struct vm *vm, char *line, FILE *out)
{
	const struct command *cmd;
	size_t len;

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
	cmd->run(vm, line + strspn(line, " \t"), out);
}

/* ---- the line ---- */

static void say(struct monitor *m, const char *s)
{
	chardev_write(m->chr, s, strlen(s));
}

/* A terminal in raw mode wants "\r\n". */
static void say_lines(struct monitor *m, const char *s)
{
	size_t n;

	while (*s) {
		n = strcspn(s, "\n");
		chardev_write(m->chr, s, n);
		s += n;
		if (*s) {
			say(m, "\r\n");
			s++;
		}
	}
}

static void run_line(struct loop_bh *bh)
{
	struct monitor *m = (struct monitor *)(void *)((char *)bh - offsetof(struct monitor, bh));
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	/* input is not taken while @ready: the line is ours */
	if (out) {
		execute(m->vm, m->line, out);
		fclose(out);
	}
	vm_lock(m->vm);
	if (text)
		say_lines(m, text);
	say(m, PROMPT);
	m->len = 0;
	m->ready = false;
	chardev_kick(m->chr);
	vm_unlock(m->vm);
	free(text);
}

/* One byte at a time: a line that is complete stays until it has been run. */
static size_t monitor_room(void *arg)
{
	struct monitor *m = arg;

	return m->ready ? 0 : 1;
}

static void erase(struct monitor *m)
{
	if (!m->len)
		return;
	m->len--;
	say(m, "\b \b");
}

static void monitor_byte(struct monitor *m, char b)
{
	bool cr = m->last_cr;

	m->last_cr = b == '\r';
	switch (b) {
	case '\n':
		if (cr)
			return;
		/* fall through */
	case '\r':
		say(m, "\r\n");
		m->line[m->len] = 0;
		m->ready = true;
		loop_bh_schedule(m->loop, &m->bh);
		return;
	case '\b':
	case 0x7f:
		erase(m);
		return;
	case 'U' - '@':
		while (m->len)
			erase(m);
		return;
	default:
		if (!isprint((unsigned char)b) || m->len == sizeof(m->line) - 1)
			return;
		m->line[m->len++] = b;
		chardev_write(m->chr, &b, 1);
	}
}

static void monitor_opened(void *arg)
{
	struct monitor *m = arg;

	say(m, "\r\nshunt " SHUNT_VERSION " monitor - type 'help' for a list\r\n" PROMPT);
}

static void monitor_input(void *arg, const uint8_t *buf, size_t len)
{
	struct monitor *m = arg;

	while (len-- && !m->ready)
		monitor_byte(m, (char)*buf++);
}

int monitor_add(struct vm *vm, struct loop *loop, struct chardev *c)
{
	struct monitor *m = calloc(1, sizeof(*m));
	struct chardev_client client = {
		.room = monitor_room,
		.input = monitor_input,
		.opened = monitor_opened,
		.arg = m,
	};

	if (!m)
		return log_err("monitor: out of memory");
	m->vm = vm;
	m->loop = loop;
	m->chr = c;
	m->bh.fn = run_line;
	if (chardev_attach(c, &client)) {
		free(m);
		return log_err("-monitor: something else reads this chardev");
	}
	m->next = monitors;
	monitors = m;
	return 0;
}

void monitor_free_all(void)
{
	struct monitor *m;

	while ((m = monitors)) {
		monitors = m->next;
		loop_bh_cancel(m->loop, &m->bh);
		free(m);
	}
}

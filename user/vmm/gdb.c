// SPDX-License-Identifier: GPL-2.0
/* GDB's remote serial protocol: packets of up to PACKET bytes, CPUs as threads 1 and up, all of which stop together. */
#define _GNU_SOURCE
#include "gdb.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../lib/log.h"
#include "../lib/loop.h"
#include "chardev.h"
#include "machine.h"
#include "qmp.h"

#define PACKET		0x2000
#define SIGINT_GDB	2
#define SIGTRAP_GDB	5

enum where { OUTSIDE, INSIDE, SUM1, SUM2 };

/**
 * struct gdb
 * @where: @in: @len: @sum: the packet that comes in
 * @ready: it is whole, or @interrupt, or a CPU has stopped: the bottom half is to run. Device lock
 * @out: @out_len: what was sent last, for who did not get it
 * @no_ack: neither side confirms packets
 * @cpu: whom registers and memory are about; @step: whom 's' is about
 * @opened: a debugger has come, and has not been served yet
 * @stopped: the machine was stopped for it, and it was told, or will be
 * @hit: CPU that met something, number + 1, with @dr6; written by its thread
 */
static struct gdb {
	struct vm *vm;
	struct loop *loop;
	struct chardev *chr;
	struct loop_bh bh;
	enum where where;
	char in[PACKET + 1];
	size_t len;
	uint8_t sum, want;
	bool ready, interrupt, opened, no_ack, stopped;
	char out[2 * PACKET + 8];
	size_t out_len;
	unsigned int cpu, step;
	unsigned int hit;
	uint64_t dr6;
} *gdb;

/* ---- packets out ---- */

static void send_out(struct gdb *g)
{
	vm_lock(g->vm);
	chardev_write(g->chr, g->out, g->out_len);
	vm_unlock(g->vm);
}

static void reply(struct gdb *g, const char *text)
{
	uint8_t sum = 0;
	const char *p;

	for (p = text; *p; p++)
		sum = (uint8_t)(sum + *p);
	g->out_len = (size_t)snprintf(g->out, sizeof(g->out), "$%s#%02x", text, sum);
	send_out(g);
}

__attribute__((format(printf, 2, 3))) static void replyf(struct gdb *g, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	reply(g, text);
}

static void reply_hex(struct gdb *g, const uint8_t *data, size_t len)
{
	static char text[2 * PACKET + 1];
	size_t i;

	for (i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	text[2 * i] = 0;
	reply(g, text);
}

/* @len bytes from hex. Return: 0; -1: it is not that */
static int from_hex(const char *s, uint8_t *to, size_t len)
{
	unsigned int byte;

	while (len--) {
		if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]) || sscanf(s, "%2x", &byte) != 1)
			return -1;
		*to++ = (uint8_t)byte;
		s += 2;
	}
	return 0;
}

/* A number in hex, which *@s goes behind. Return: 0; -1: there is none */
static int number(const char **s, uint64_t *n)
{
	char *end;

	if (!isxdigit((unsigned char)**s))
		return -1;
	*n = strtoull(*s, &end, 16);
	*s = end;
	return 0;
}

static bool skip(const char **s, char c)
{
	if (**s != c)
		return false;
	++*s;
	return true;
}

/* ---- stopping and going on ---- */

static struct vcpu *cpu_of(struct gdb *g)
{
	return &g->vm->vcpu[g->cpu];
}

static void tell_stopped(struct gdb *g, unsigned int signal)
{
	uint64_t addr;
	unsigned int type = g->hit ? gdb_watched(g->dr6, &addr) : 0;

	if (g->hit)
		g->cpu = g->hit - 1;
	g->hit = 0;
	if (type)
		replyf(g, "T%02x%s:%llx;thread:%x;", signal, type == 2 ? "watch" : "awatch", (unsigned long long)addr, g->cpu + 1);
	else
		replyf(g, "T%02xthread:%x;", signal, g->cpu + 1);
}

static void stop(struct gdb *g)
{
	unsigned int i;

	if (vm_running(g->vm))
		qmp_send_event(QMP_STOP, NULL);
	vm_pause(g->vm);
	g->stopped = true;
	/* who else lets it run lets all run */
	for (i = 0; i < g->vm->nr_vcpus; i++)
		g->vm->vcpu[i].frozen = false;
}

/* @step: only this CPU, for one instruction; NULL: all */
static void go(struct gdb *g, struct vcpu *step)
{
	unsigned int i;

	for (i = 0; i < g->vm->nr_vcpus; i++)
		g->vm->vcpu[i].frozen = step && step != &g->vm->vcpu[i];
	if (gdb_arm(g->vm, step) || vm_start(g->vm)) {
		reply(g, "E01");
		return;
	}
	g->stopped = false;
	qmp_send_event(QMP_RESUME, NULL);
}

/* @v's thread: it has met something, and no CPU goes on. */
static void hit(struct gdb *g, const struct vcpu *v, uint64_t dr6)
{
	vm_lock(g->vm);
	if (!g->hit) {
		g->hit = v->id + 1;
		g->dr6 = dr6;
	}
	vm_pause_soon(g->vm);
	loop_bh_schedule(g->loop, &g->bh);
	vm_unlock(g->vm);
}

void gdb_debug_exit(struct vcpu *v)
{
	const struct kvm_debug_exit_arch *a = &v->run->debug.arch;
	struct gdb *g = gdb;

	if (!g || (a->exception == 3 && !gdb_break_at(a->pc))) {
		gdb_reinject(v);
		return;
	}
	hit(g, v, a->dr6);
}

bool gdb_unknown_instruction(struct vcpu *v)
{
	struct kvm_regs regs;

	if (!gdb || ioctl(v->fd, KVM_GET_REGS, &regs) || !gdb_break_at(regs.rip))
		return false;
	hit(gdb, v, 0);
	return true;
}

/* ---- commands ---- */

static void do_memory(struct gdb *g, const char *s, bool write)
{
	static uint8_t buf[PACKET];
	uint64_t addr, len;
	size_t n;

	if (number(&s, &addr) || !skip(&s, ',') || number(&s, &len) || (write && !skip(&s, ':')) || len > PACKET / 2) {
		reply(g, "E22");
		return;
	}
	if (write && from_hex(s, buf, len)) {
		reply(g, "E22");
		return;
	}
	n = gdb_memory(cpu_of(g), addr, buf, len, write);
	if (write)
		reply(g, n == len ? "OK" : "E14");
	else if (!n && len)
		reply(g, "E14");
	else
		reply_hex(g, buf, n);
}

static void do_regs(struct gdb *g, const char *s, bool write)
{
	uint8_t buf[GDB_REGS * GDB_REG_MAX];
	size_t len = gdb_regs_read(cpu_of(g), buf), given = strlen(s) / 2;

	if (!len)
		reply(g, "E01");
	else if (!write)
		reply_hex(g, buf, len);
	else if (given > len || from_hex(s, buf, given) || gdb_regs_write(cpu_of(g), buf, len))
		reply(g, "E01");
	else
		reply(g, "OK");
}

static void do_reg(struct gdb *g, const char *s, bool write)
{
	uint8_t buf[GDB_REGS * GDB_REG_MAX];
	size_t len = gdb_regs_read(cpu_of(g), buf), at = 0, n;
	uint64_t reg;

	if (!len || number(&s, &reg) || reg >= GDB_REGS) {
		reply(g, "E01");
		return;
	}
	n = gdb_reg_place((unsigned int)reg, &at);
	if (!write)
		reply_hex(g, buf + at, n);
	else
		reply(g, skip(&s, '=') && !from_hex(s, buf + at, n) && !gdb_regs_write(cpu_of(g), buf, len) ? "OK" : "E01");
}

static void do_break(struct gdb *g, const char *s, bool set)
{
	uint64_t type, addr, len;
	int err;

	if (number(&s, &type) || !skip(&s, ',') || number(&s, &addr) || !skip(&s, ',') || number(&s, &len)) {
		reply(g, "E22");
		return;
	}
	err = gdb_break(g->vm, cpu_of(g), type > 4 ? 5 : (unsigned int)type, addr, len > 8 ? 0 : (unsigned int)len, set);
	reply(g, !err ? "OK" : err > 0 ? "" : "E14");
}

/* A thread's number, -1 and 0 for any. Return: of the CPU; -1: there is no such thread */
static int thread(struct gdb *g, const char *s)
{
	uint64_t n = 0;

	if (!strncmp(s, "-1", 2) || (!number(&s, &n) && !n))
		return (int)g->cpu;
	return n && n <= g->vm->nr_vcpus ? (int)n - 1 : -1;
}

static void do_thread(struct gdb *g, const char *s)
{
	char op = *s;
	int cpu = op ? thread(g, s + 1) : -1;

	if (cpu < 0) {
		reply(g, "E22");
		return;
	}
	if (op == 'g')
		g->cpu = (unsigned int)cpu;
	else
		g->step = (unsigned int)cpu;
	reply(g, "OK");
}

/* "c", "s" or with a thread; the first step counts, as only one CPU can do one. */
static void do_cont(struct gdb *g, const char *s)
{
	const char *p;
	int cpu;

	for (p = s; p && *p == ';'; p = strchr(p + 1, ';')) {
		if (p[1] != 's' && p[1] != 'S')
			continue;
		p = p + 1 + strcspn(p + 1, ":;");
		cpu = *p == ':' ? thread(g, p + 1) : (int)g->cpu;
		if (cpu < 0)
			reply(g, "E22");
		else
			go(g, &g->vm->vcpu[cpu]);
		return;
	}
	go(g, NULL);
}

static void do_threads(struct gdb *g)
{
	char text[4 * VM_MAX_VCPUS + 2] = "m";
	size_t at = 1;
	unsigned int i;

	for (i = 0; i < g->vm->nr_vcpus; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%x", i ? "," : "", i + 1);
	reply(g, text);
}

static void do_features(struct gdb *g, const char *s)
{
	char *xml = gdb_target_xml(), text[PACKET / 2];
	uint64_t off, len;
	size_t all = xml ? strlen(xml) : 0;

	if (number(&s, &off) || !skip(&s, ',') || number(&s, &len) || off > all) {
		reply(g, "E00");
	} else {
		if (len > sizeof(text) - 2)
			len = sizeof(text) - 2;
		/* nothing in it needs to be escaped */
		snprintf(text, sizeof(text), "%c%.*s", off + len < all ? 'm' : 'l', (int)len, xml ? xml + off : "");
		reply(g, text);
	}
	free(xml);
}

static void do_query(struct gdb *g, const char *s)
{
	static const char features[] = "qXfer:features:read:target.xml:";
	char name[32];
	int cpu;

	if (!strncmp(s, "qSupported", 10)) {
		replyf(g, "PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;vContSupported+", PACKET);
	} else if (!strcmp(s, "QStartNoAckMode")) {
		reply(g, "OK");
		g->no_ack = true;
	} else if (!strncmp(s, features, sizeof(features) - 1)) {
		do_features(g, s + sizeof(features) - 1);
	} else if (!strcmp(s, "qC")) {
		replyf(g, "QC%x", g->cpu + 1);
	} else if (!strcmp(s, "qfThreadInfo")) {
		do_threads(g);
	} else if (!strcmp(s, "qsThreadInfo")) {
		reply(g, "l");
	} else if (!strncmp(s, "qAttached", 9)) {
		reply(g, "1");
	} else if (!strncmp(s, "qThreadExtraInfo,", 17)) {
		cpu = thread(g, s + 17);
		snprintf(name, sizeof(name), "CPU#%d", cpu);
		reply_hex(g, (uint8_t *)name, strlen(name));
	} else {
		reply(g, "");
	}
}

static void do_detach(struct gdb *g)
{
	gdb_break_clear(g->vm, cpu_of(g));
	reply(g, "OK");
	go(g, NULL);
}

static void command(struct gdb *g, const char *s)
{
	switch (*s) {
	case '?':
		tell_stopped(g, SIGTRAP_GDB);
		break;
	case 'g':
	case 'G':
		do_regs(g, s + 1, *s == 'G');
		break;
	case 'p':
	case 'P':
		do_reg(g, s + 1, *s == 'P');
		break;
	case 'm':
	case 'M':
		do_memory(g, s + 1, *s == 'M');
		break;
	case 'z':
	case 'Z':
		do_break(g, s + 1, *s == 'Z');
		break;
	case 'H':
		do_thread(g, s + 1);
		break;
	case 'T':
		reply(g, thread(g, s + 1) < 0 ? "E22" : "OK");
		break;
	case 'c':
		go(g, NULL);
		break;
	case 's':
		go(g, &g->vm->vcpu[g->step]);
		break;
	case 'v':
		if (!strcmp(s, "vCont?"))
			reply(g, "vCont;c;C;s;S");
		else if (!strncmp(s, "vCont;", 6))
			do_cont(g, s + 5);
		else
			reply(g, "");
		break;
	case 'D':
		do_detach(g);
		break;
	case 'k':
		vm_request(g->vm, VM_QUIT, 0);
		break;
	case 'q':
	case 'Q':
		do_query(g, s);
		break;
	default:
		reply(g, "");
	}
}

/* ---- the main thread's turn ---- */

static void begin(struct gdb *g)
{
	stop(g);
	g->no_ack = false;
	g->cpu = g->step = 0;
	g->hit = 0;
	gdb_break_clear(g->vm, cpu_of(g));
}

static void serve(struct loop_bh *bh)
{
	struct gdb *g = gdb;
	bool opened, interrupt, ready, met;

	(void)bh;
	vm_lock(g->vm);
	opened = g->opened;
	interrupt = g->interrupt;
	ready = g->ready;
	met = g->hit;
	g->opened = g->interrupt = false;
	vm_unlock(g->vm);
	if (opened)
		begin(g);
	else if ((met || interrupt) && !g->stopped) {
		stop(g);
		tell_stopped(g, met ? SIGTRAP_GDB : SIGINT_GDB);
	}
	if (ready) {
		/* a person may have let it run meanwhile */
		if (vm_running(g->vm) || !g->stopped)
			reply(g, "E01");
		else
			command(g, g->in);
	}
	vm_lock(g->vm);
	if (ready) {
		g->ready = false;
		g->len = 0;
	}
	chardev_kick(g->chr);
	vm_unlock(g->vm);
}

/* ---- packets in; device lock ---- */

static void packet_end(struct gdb *g)
{
	bool good = g->sum == g->want;

	if (!g->no_ack)
		chardev_write(g->chr, good ? "+" : "-", 1);
	if (!good && !g->no_ack) {
		g->len = 0;
		return;
	}
	g->in[g->len] = 0;
	g->ready = true;
	loop_bh_schedule(g->loop, &g->bh);
}

static uint8_t digit(char b)
{
	return (uint8_t)(isdigit((unsigned char)b) ? b - '0' : isxdigit((unsigned char)b) ? tolower(b) - 'a' + 10 : 0);
}

static void outside(struct gdb *g, char b)
{
	if (b == '$') {
		g->where = INSIDE;
		g->len = 0;
		g->sum = 0;
	} else if (b == 3) {
		g->interrupt = true;
		loop_bh_schedule(g->loop, &g->bh);
	} else if (b == '-' && !g->no_ack && g->out_len) {
		chardev_write(g->chr, g->out, g->out_len);
	}
}

static void gdb_byte(struct gdb *g, char b)
{
	switch (g->where) {
	case OUTSIDE:
		outside(g, b);
		return;
	case INSIDE:
		if (b == '#') {
			g->where = SUM1;
		} else if (g->len == PACKET) {
			g->where = OUTSIDE;	/* longer than was said */
		} else {
			g->sum = (uint8_t)(g->sum + b);
			g->in[g->len++] = b;
		}
		return;
	case SUM1:
		g->want = (uint8_t)(digit(b) << 4);
		g->where = SUM2;
		return;
	case SUM2:
		g->want |= digit(b);
		g->where = OUTSIDE;
		packet_end(g);
	}
}

static size_t gdb_room(void *arg)
{
	const struct gdb *g = arg;

	return g->ready || g->opened ? 0 : 1;
}

static void gdb_input(void *arg, const uint8_t *buf, size_t len)
{
	struct gdb *g = arg;

	while (len-- && !g->ready)
		gdb_byte(g, (char)*buf++);
}

static void gdb_opened(void *arg)
{
	struct gdb *g = arg;

	g->where = OUTSIDE;
	g->out_len = 0;
	g->opened = true;
	loop_bh_schedule(g->loop, &g->bh);
}

int gdb_add(struct vm *vm, struct loop *loop, struct chardev *c)
{
	struct chardev_client client = { .room = gdb_room, .input = gdb_input, .opened = gdb_opened };

	gdb = calloc(1, sizeof(*gdb));
	if (!gdb)
		return log_err("-gdb: out of memory");
	client.arg = gdb;
	gdb->vm = vm;
	gdb->loop = loop;
	gdb->chr = c;
	gdb->bh.fn = serve;
	if (!chardev_attach(c, &client))
		return 0;
	free(gdb);
	gdb = NULL;
	return log_err("-gdb: something else reads this chardev");
}

void gdb_free(void)
{
	if (gdb)
		loop_bh_cancel(gdb->loop, &gdb->bh);
	free(gdb);
	gdb = NULL;
}

// SPDX-License-Identifier: GPL-2.0
/* Monitors on character devices: the line that a person types, or JSON that a program sends (qmp.c). */
#define _GNU_SOURCE
#include "monitor.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "../lib/loop.h"
#include "chardev.h"
#include "cmdline.h"
#include "command.h"
#include "qmp.h"
#include "vm.h"

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
	char line[HMP_LINE];
	size_t len;
	bool ready, last_cr;
};

static struct monitor *monitors;

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
		hmp_run(m->vm, m->line, out);
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

static void type(struct monitor *m, const char *s)
{
	for (; *s && m->len < sizeof(m->line) - 1; s++) {
		m->line[m->len++] = *s;
		chardev_write(m->chr, s, 1);
	}
}

/* A name that is the only one to begin so is written out; of several a list is shown. */
static void complete(struct monitor *m)
{
	char names[1024], *last;
	unsigned int n;

	m->line[m->len] = 0;
	n = hmp_complete(m->line, names, sizeof(names));
	last = strrchr(m->line, ' ');
	last = last ? last + 1 : m->line;
	if (n == 1) {
		type(m, names + strlen(last));
		type(m, " ");
	} else if (n > 1) {
		say(m, "\r\n");
		say(m, names);
		say(m, "\r\n" PROMPT);
		chardev_write(m->chr, m->line, m->len);
	}
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
	case '\t':
		complete(m);
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

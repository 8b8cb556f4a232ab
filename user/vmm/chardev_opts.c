// SPDX-License-Identifier: GPL-2.0
/*
 * Character devices by name: -chardev, the words of -serial and -monitor, and the list of all.
 *
 * Context: main thread.
 */
#define _GNU_SOURCE
#include "chardev_priv.h"

#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "cmdline.h"
#include "monitor.h"

static const struct chardev_kind *const kinds[] = {
	&chardev_stdio, &chardev_pty, &chardev_socket, &chardev_file, &chardev_pipe, &chardev_null,
};

#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct chardev *chardevs;
static struct loop *the_loop;
static bool in_wait, arrived;

static const struct chardev_kind *kind_find(const char *name)
{
	size_t i;

	for (i = 0; i < NR_KINDS; i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

static struct chardev *find(const char *id)
{
	struct chardev *c;

	for (c = chardevs; c; c = c->next)
		if (!strcmp(c->id, id))
			return c;
	return NULL;
}

static void chardev_free(struct chardev *c)
{
	props_free(c->kind->props, &c->o);
	free(c->queue);
	free(c->id);
	free(c);
}

/* In command-line order: a mux gets its clients in the order people expect. */
static void list_add(struct chardev *c)
{
	struct chardev **p;

	for (p = &chardevs; *p; p = &(*p)->next)
		;
	*p = c;
}

/* @kvs is left to the caller. Return: a chardev that is not in the list yet; NULL after logging */
static struct chardev *make(const char *opt, const char *id, const struct chardev_kind *kind,
			    struct keyvals *kvs)
{
	struct chardev *c = calloc(1, sizeof(*c));

	if (!c) {
		log_err("%s: out of memory", opt);
		return NULL;
	}
	c->kind = kind;
	c->opt = opt;
	c->id = strdup(id);
	chardev_setup(c);
	if (!c->id) {
		log_err("%s: out of memory", opt);
		goto fail;
	}
	if (props_apply(kind->props, &c->o, opt, kvs))
		goto fail;
	if (kind->check && kind->check(opt, &c->o))
		goto fail;
	return c;

fail:
	chardev_free(c);
	return NULL;
}

int chardev_add(const char *arg)
{
	const struct chardev_kind *kind;
	const char *name, *id;
	struct keyvals kvs;
	struct chardev *c;
	int ret = -1;

	if (keyvals_parse(&kvs, "-chardev", "backend", arg))
		return -1;
	name = keyvals_take(&kvs, "backend");
	kind = name ? kind_find(name) : NULL;
	if (!kind) {
		log_err("-chardev %s: no such type; takes stdio, pty, socket, file, pipe or null",
			name ? name : "");
		goto out;
	}
	id = keyvals_take(&kvs, "id");
	if (cmdline_check_id("-chardev", id, true))
		goto out;
	if (find(id)) {
		log_err("-chardev: id %s given twice", id);
		goto out;
	}
	c = make("-chardev", id, kind, &kvs);
	if (c) {
		list_add(c);
		ret = 0;
	}
out:
	keyvals_free(&kvs);
	return ret;
}

void chardev_help(void)
{
	size_t i;

	printf("Available chardev backend types, besides id=<str>:\n");
	for (i = 0; i < NR_KINDS; i++) {
		printf("%s - %s\n", kinds[i]->name, kinds[i]->desc);
		props_help(kinds[i]->props);
	}
}

/* ---- the words of -serial and -monitor ---- */

/* Copies @s, commas doubled, as a value for keyvals_parse(). Return: 0, or -1 if too long */
static int quote(char *out, size_t len, const char *s, size_t n)
{
	while (n--) {
		if (len < 3)
			return -1;
		if (*s == ',') {
			*out++ = ',';
			len--;
		}
		*out++ = *s++;
		len--;
	}
	*out = 0;
	return 0;
}

/*
 * "unix:P,server=on" says what "-chardev socket,path=P,server=on" does: rewrite the short word and
 * let one parser see both. Return: 0; -1 if @spec is none of the words
 */
static int spec_rewrite(const char *spec, char *out, size_t len)
{
	const char *rest = strchrnul(spec, ','), *colon;
	char a[2048], b[64];
	int n;

	if (!strcmp(spec, "none"))
		spec = "null";
	if (!strcmp(spec, "stdio") || !strcmp(spec, "null") || !strcmp(spec, "pty")) {
		n = snprintf(out, len, "%s", spec);
	} else if (!strncmp(spec, "pty:", 4)) {
		if (quote(a, sizeof(a), spec + 4, strlen(spec + 4)))
			return -1;
		n = snprintf(out, len, "pty,path=%s", a);
	} else if (!strncmp(spec, "file:", 5) || !strncmp(spec, "pipe:", 5)) {
		if (quote(a, sizeof(a), spec + 5, strlen(spec + 5)))
			return -1;
		n = snprintf(out, len, "%.4s,path=%s", spec, a);
	} else if (!strncmp(spec, "unix:", 5)) {
		n = snprintf(out, len, "socket,path=%.*s%s", (int)(rest - spec - 5), spec + 5,
			     rest);
	} else if (!strncmp(spec, "tcp:", 4)) {
		spec += 4;
		/* the last colon before the options: IPv6 addresses hold more of them */
		colon = memrchr(spec, ':', (size_t)(rest - spec));
		if (!colon || quote(a, sizeof(a), spec, (size_t)(colon - spec)) ||
		    quote(b, sizeof(b), colon + 1, (size_t)(rest - colon - 1)))
			return -1;
		if (a[0] == '[' && a[strlen(a) - 1] == ']') {
			a[strlen(a) - 1] = 0;
			memmove(a, a + 1, strlen(a));
		}
		n = snprintf(out, len, "socket,host=%s,port=%s%s", a, b, rest);
	} else {
		return -1;
	}
	return n < 0 || (size_t)n >= len ? -1 : 0;
}

static bool is_mon(const char **spec)
{
	if (strncmp(*spec, "mon:", 4))
		return false;
	*spec += 4;
	return true;
}

static struct chardev *spec_make(const char *opt, const char *id, const char *spec, bool mux)
{
	struct chardev *c = NULL;
	struct keyvals kvs;
	char line[4200];

	if (spec_rewrite(spec, line, sizeof(line) - 8)) {
		log_err("%s %s: takes stdio, mon:stdio, pty, null, none, file:PATH, pipe:PATH, unix:PATH[,server=on][,wait=off], tcp:HOST:PORT[,server=on] or chardev:ID",
			opt, spec);
		return NULL;
	}
	if (mux)
		strcat(line, ",mux=on");
	if (keyvals_parse(&kvs, opt, "backend", line))
		return NULL;
	c = make(opt, id, kind_find(keyvals_take(&kvs, "backend")), &kvs);
	keyvals_free(&kvs);
	return c;
}

int chardev_check_spec(const char *opt, const char *spec)
{
	bool mon = is_mon(&spec);
	struct chardev *c;

	if (!strncmp(spec, "chardev:", 8)) {
		if (mon)
			return log_err("%s mon:%s: mon: takes no -chardev; use -monitor %s as well",
				       opt, spec, spec);
		if (find(spec + 8))
			return 0;
		return log_err("%s %s: no -chardev has this id", opt, spec);
	}
	c = spec_make(opt, "", spec, mon);
	if (!c)
		return -1;
	chardev_free(c);
	return 0;
}

struct chardev *chardev_find(const char *id)
{
	return find(id);
}

static int open_one(struct chardev *c, struct vm *vm)
{
	c->vm = vm;
	c->loop = the_loop;
	if (!c->kind->open(c))
		return 0;
	chardev_disconnect(c, true);
	return -1;
}

struct chardev *chardev_from_spec(struct vm *vm, const char *opt, const char *spec)
{
	bool mon = is_mon(&spec);
	unsigned int n = 0;
	struct chardev *c;
	char id[32];

	if (!strncmp(spec, "chardev:", 8)) {
		c = find(spec + 8);
		if (!c)
			log_err("%s %s: no -chardev has this id", opt, spec);
		return c;
	}
	/* QEMU's labels: serial0, serial1, … */
	do {
		snprintf(id, sizeof(id), "%s%u", opt + (*opt == '-'), n++);
	} while (find(id));
	c = spec_make(opt, id, spec, mon);
	if (!c)
		return NULL;
	if (open_one(c, vm))
		goto fail;
	list_add(c);
	/* before the caller, which so gets the input first */
	if (mon && monitor_add(vm, the_loop, c))
		return NULL;
	return c;

fail:
	chardev_free(c);
	return NULL;
}

/* ---- life ---- */

bool chardev_on_stdio(void)
{
	struct chardev *c;

	for (c = chardevs; c; c = c->next)
		if (c->kind == &chardev_stdio)
			return true;
	return false;
}

int chardev_open_all(struct vm *vm, struct loop *loop)
{
	struct chardev *c;

	the_loop = loop;
	for (c = chardevs; c; c = c->next) {
		c->vm = vm;
		c->loop = loop;
	}
	for (c = chardevs; c; c = c->next)
		if (open_one(c, vm))
			return -1;
	return 0;
}

void chardev_arrived(struct loop *loop)
{
	arrived = true;
	if (in_wait)
		loop_stop(loop);
}

bool chardev_wait(void)
{
	struct chardev *c;

	in_wait = true;
	for (;;) {
		for (c = chardevs; c && !c->waiting; c = c->next)
			;
		if (!c)
			break;
		log_info("%s %s: waiting for a %s", c->opt, c->id, c->o.server ? "client" : "server");
		arrived = false;
		/* stopped, but not by a client: the process shall end */
		if (loop_run(the_loop) || !arrived)
			break;
	}
	in_wait = false;
	return !c;
}

void chardev_close_all(void)
{
	struct chardev *c;

	while ((c = chardevs)) {
		chardevs = c->next;
		if (c->loop) {
			chardev_disconnect(c, true);
			loop_bh_cancel(c->loop, &c->bh);
		}
		chardev_free(c);
	}
}

void chardev_info(FILE *out)
{
	struct chardev *c;

	for (c = chardevs; c; c = c->next) {
		fprintf(out, "%s: %s", c->id, c->kind->name);
		if (c->kind->info)
			c->kind->info(c, out);
		if (c->lent)
			fprintf(out, ", opened by a process");
		if (c->dropped)
			fprintf(out, ", %llu bytes dropped", (unsigned long long)c->dropped);
		fprintf(out, "\n");
	}
}

// SPDX-License-Identifier: GPL-2.0
/* -object: guest RAM by its newer names, and where entropy comes from. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "cmdline.h"
#include "cmdline_priv.h"
#include "rng.h"

#define MIB (1ull << 20)
#define RNG_MAX	16

static const char *const only_on[] = { "on", NULL };

/* ---- guest RAM ---- */

struct ram_props {
	char *id, *mem_path;
	int share;
	uint64_t size, hugetlbsize;
	bool hugetlb, prealloc;
};

static const struct prop memfd_props[] = {
	PROP("size", PROP_SIZE, struct ram_props, size, .min = MIB, .max = 1ull << 46,
	     .required = true, .help = "of guest RAM"),
	PROP("share", PROP_ENUM, struct ram_props, share, .names = only_on,
	     .help = "guest RAM is always shared"),
	PROP("hugetlb", PROP_BOOL, struct ram_props, hugetlb, .def = "off",
	     .help = "use huge pages"),
	PROP("hugetlbsize", PROP_SIZE, struct ram_props, hugetlbsize,
	     .help = "size of a huge page"),
	PROP("prealloc", PROP_BOOL, struct ram_props, prealloc, .def = "off",
	     .help = "allocate before the start"),
	{ .type = PROP_END },
};

static const struct prop ramfile_props[] = {
	PROP("size", PROP_SIZE, struct ram_props, size, .min = MIB, .max = 1ull << 46,
	     .required = true, .help = "of guest RAM"),
	PROP("mem-path", PROP_STR, struct ram_props, mem_path, .required = true,
	     .help = "file, or folder"),
	PROP("share", PROP_ENUM, struct ram_props, share, .names = only_on,
	     .help = "guest RAM is always shared"),
	PROP("prealloc", PROP_BOOL, struct ram_props, prealloc, .def = "off",
	     .help = "allocate before the start"),
	{ .type = PROP_END },
};

static struct {
	bool set;
	struct ram_props p;
	const struct prop *table;
} ram;

static int ram_add(const struct prop *table, const char *opt, const char *id, struct keyvals *kvs)
{
	struct ram_props p = { 0 };

	if (ram.set)
		return log_err("%s: guest RAM is one object, and that is %s", opt, ram.p.id);
	if (props_apply(table, &p, opt, kvs))
		return -1;
	p.id = strdup(id);
	if (!p.id) {
		props_free(table, &p);
		return log_err("%s: out of memory", opt);
	}
	ram.set = true;
	ram.p = p;
	ram.table = table;
	return 0;
}

/* ---- entropy ---- */

struct rng_props {
	char *filename;
};

static const struct prop random_props[] = {
	PROP("filename", PROP_STR, struct rng_props, filename, .def = "/dev/urandom",
	     .help = "a character device of the host"),
	{ .type = PROP_END },
};

static const struct prop builtin_props[] = { { .type = PROP_END } };

static struct rng {
	char *id;
	const struct prop *table;
	struct rng_props p;
} rngs[RNG_MAX];
static unsigned int nr_rngs;

static int rng_add(const struct prop *table, const char *opt, const char *id, struct keyvals *kvs)
{
	struct rng *r = &rngs[nr_rngs];

	if (nr_rngs == RNG_MAX)
		return log_err("%s: more than %d", opt, RNG_MAX);
	*r = (struct rng){ .table = table };
	if (props_apply(table, &r->p, opt, kvs))
		return -1;
	r->id = strdup(id);
	if (!r->id) {
		props_free(table, &r->p);
		return log_err("%s: out of memory", opt);
	}
	nr_rngs++;
	return 0;
}

static const struct rng *rng_find(const char *id)
{
	unsigned int i;

	for (i = 0; i < nr_rngs; i++)
		if (!strcmp(rngs[i].id, id))
			return &rngs[i];
	return NULL;
}

int rng_source(const char *id, const char **source)
{
	const struct rng *r = rng_find(id);

	if (!r)
		return -1;
	*source = r->p.filename;
	return 0;
}

/* ---- the option ---- */

static const struct object_type {
	const char *name, *opt;
	const struct prop *props;
	int (*add)(const struct prop *table, const char *opt, const char *id, struct keyvals *kvs);
} types[] = {
	{ "memory-backend-memfd", "-object memory-backend-memfd", memfd_props, ram_add },
	{ "memory-backend-file", "-object memory-backend-file", ramfile_props, ram_add },
	{ "rng-builtin", "-object rng-builtin", builtin_props, rng_add },
	{ "rng-random", "-object rng-random", random_props, rng_add },
	{ 0 }
};

static int object_add(const struct object_type *t, const char *id, struct keyvals *kvs)
{
	if (cmdline_check_id(t->opt, id, true))
		return -1;
	if ((ram.set && !strcmp(ram.p.id, id)) || rng_find(id))
		return log_err("-object: id %s given twice", id);
	return t->add(t->props, t->opt, id, kvs);
}

static int object_help(void)
{
	const struct object_type *t;

	for (t = types; t->name; t++) {
		printf("%s options, besides id=<str>:\n", t->name);
		props_help(t->props);
	}
	return 1;
}

int opt_object(struct vm_config *cfg, const char *arg)
{
	const struct object_type *t;
	struct keyvals kvs;
	const char *type;
	int ret;

	(void)cfg;
	if (!strcmp(arg, "help") || !strcmp(arg, "?"))
		return object_help();
	if (keyvals_parse(&kvs, "-object", "qom-type", arg))
		return -1;
	type = keyvals_take(&kvs, "qom-type");
	for (t = types; t->name && (!type || strcmp(type, t->name)); t++)
		;
	if (t->name)
		ret = object_add(t, keyvals_take(&kvs, "id"), &kvs);
	else
		ret = log_err("-object %s: takes memory-backend-memfd, memory-backend-file, rng-builtin or rng-random",
			      type ? type : "");
	keyvals_free(&kvs);
	return ret;
}

int cmdline_object_finish(struct vm_config *cfg)
{
	const struct ram_props *p = &ram.p;

	if (cmdline.memory_backend && (!ram.set || strcmp(ram.p.id, cmdline.memory_backend)))
		return log_err("-machine memory-backend=%s: no -object has this id",
			       cmdline.memory_backend);
	if (!ram.set)
		return 0;
	if (!cmdline.memory_backend)
		return log_err("-object %s: nothing uses it; pass -machine memory-backend=%s",
			       p->id, p->id);
	if (cfg->mem_path || cfg->mem_prealloc)
		return log_err("-machine memory-backend=%s: excludes -mem-path and -mem-prealloc",
			       p->id);
	if (p->size % MIB)
		return log_err("-object %s: size=%llu: takes whole MiB", p->id,
			       (unsigned long long)p->size);
	if (cmdline.m_given && cfg->mem_size != p->size)
		return log_err("-m: %lluM is not the size of -object %s, %lluM",
			       (unsigned long long)(cfg->mem_size / MIB), p->id,
			       (unsigned long long)(p->size / MIB));
	if (p->hugetlbsize && !p->hugetlb)
		return log_err("-object %s: hugetlbsize= goes with hugetlb=on", p->id);
	if (p->hugetlbsize & (p->hugetlbsize - 1))
		return log_err("-object %s: hugetlbsize=%llu: takes a power of two", p->id,
			       (unsigned long long)p->hugetlbsize);
	cfg->mem_size = p->size;
	cfg->mem_path = p->mem_path;
	cfg->mem_prealloc = p->prealloc;
	if (p->hugetlb)
		cfg->hugetlb_size = p->hugetlbsize ? p->hugetlbsize : cmdline_meminfo("Hugepagesize");
	if (p->hugetlb && !cfg->hugetlb_size)
		return log_err("-object %s: hugetlb=on: this kernel has no huge pages", p->id);
	return 0;
}

void cmdline_object_free(void)
{
	while (nr_rngs--) {
		props_free(rngs[nr_rngs].table, &rngs[nr_rngs].p);
		free(rngs[nr_rngs].id);
	}
	nr_rngs = 0;
	if (!ram.set)
		return;
	props_free(ram.table, &ram.p);
	free(ram.p.id);
	memset(&ram, 0, sizeof(ram));
}

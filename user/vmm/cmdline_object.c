// SPDX-License-Identifier: GPL-2.0
/* -object: guest RAM by its newer names, and where entropy comes from. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "cmdline.h"
#include "cmdline_priv.h"
#include "dimm.h"
#include "rng.h"

#define MIB (1ull << 20)
#define RNG_MAX	16
#define RAM_MAX	16

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

static const struct prop anon_props[] = {
	PROP("size", PROP_SIZE, struct ram_props, size, .min = MIB, .max = 1ull << 46,
	     .required = true, .help = "of guest RAM"),
	PROP("share", PROP_ENUM, struct ram_props, share, .names = only_on,
	     .help = "guest RAM is always shared"),
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

static struct ram {
	struct ram_props p;
	const struct prop *table;
} rams[RAM_MAX];
static unsigned int nr_rams;

static struct ram *ram_find(const char *id)
{
	unsigned int i;

	for (i = 0; i < nr_rams; i++)
		if (!strcmp(rams[i].p.id, id))
			return &rams[i];
	return NULL;
}

/* What an option for itself cannot say. Return: 0, or -1 after one logged line */
static int ram_check(const struct ram_props *p, const char *id)
{
	if (p->size % MIB)
		return log_err("-object %s: size=%llu: takes whole MiB", id, (unsigned long long)p->size);
	if (p->hugetlbsize && !p->hugetlb)
		return log_err("-object %s: hugetlbsize= goes with hugetlb=on", id);
	if (p->hugetlbsize & (p->hugetlbsize - 1))
		return log_err("-object %s: hugetlbsize=%llu: takes a power of two", id, (unsigned long long)p->hugetlbsize);
	if (p->hugetlb && !p->hugetlbsize && !cmdline_meminfo("Hugepagesize"))
		return log_err("-object %s: hugetlb=on: this kernel has no huge pages", id);
	return 0;
}

static uint64_t huge_size(const struct ram_props *p)
{
	if (!p->hugetlb)
		return 0;
	return p->hugetlbsize ? p->hugetlbsize : cmdline_meminfo("Hugepagesize");
}

static int ram_add(const struct prop *table, const char *opt, const char *id, struct keyvals *kvs)
{
	struct ram_props p = { 0 };

	if (nr_rams == RAM_MAX)
		return log_err("%s: more than %d", opt, RAM_MAX);
	if (props_apply(table, &p, opt, kvs))
		return -1;
	p.id = ram_check(&p, id) ? NULL : strdup(id);
	if (!p.id) {
		props_free(table, &p);
		return -1;
	}
	rams[nr_rams++] = (struct ram){ p, table };
	return 0;
}

int memory_backend_find(const char *id, struct memory_backend *m)
{
	const struct ram *r = ram_find(id);

	if (!r || (cmdline.memory_backend && !strcmp(id, cmdline.memory_backend)))
		return -1;
	*m = (struct memory_backend){
		.id = r->p.id, .mem_path = r->p.mem_path, .size = r->p.size, .hugetlb_size = huge_size(&r->p),
		.prealloc = r->p.prealloc,
	};
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
	{ "memory-backend-ram", "-object memory-backend-ram", anon_props, ram_add },
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
	if (ram_find(id) || rng_find(id))
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
		ret = log_err("-object %s: takes memory-backend-memfd, -file or -ram, rng-builtin or rng-random",
			      type ? type : "");
	keyvals_free(&kvs);
	return ret;
}

int cmdline_object_add(const char *arg)
{
	if (!strcmp(arg, "help") || !strcmp(arg, "?"))
		return log_err("-object help lists the types");
	return opt_object(NULL, arg);
}

int cmdline_object_finish(struct vm_config *cfg)
{
	const struct ram *r = cmdline.memory_backend ? ram_find(cmdline.memory_backend) : NULL;
	const struct ram_props *p = r ? &r->p : NULL;

	if (cmdline.memory_backend && !r)
		return log_err("-machine memory-backend=%s: no -object has this id",
			       cmdline.memory_backend);
	if (nr_rams > !!r && !cfg->mem_slots)
		return log_err("-object %s: nothing uses it; pass -machine memory-backend=%s",
			       rams[r == rams].p.id, rams[r == rams].p.id);
	if (!r)
		return 0;
	if (cfg->mem_path || cfg->mem_prealloc)
		return log_err("-machine memory-backend=%s: excludes -mem-path and -mem-prealloc",
			       p->id);
	if (cmdline.m_given && cfg->mem_size != p->size)
		return log_err("-m: %lluM is not the size of -object %s, %lluM",
			       (unsigned long long)(cfg->mem_size / MIB), p->id,
			       (unsigned long long)(p->size / MIB));
	cfg->mem_size = p->size;
	cfg->mem_path = p->mem_path;
	cfg->mem_prealloc = p->prealloc;
	cfg->hugetlb_size = huge_size(p);
	return 0;
}

void cmdline_object_free(void)
{
	while (nr_rngs--) {
		props_free(rngs[nr_rngs].table, &rngs[nr_rngs].p);
		free(rngs[nr_rngs].id);
	}
	nr_rngs = 0;
	while (nr_rams--) {
		props_free(rams[nr_rams].table, &rams[nr_rams].p);
		free(rams[nr_rams].p.id);
	}
	nr_rams = 0;
}

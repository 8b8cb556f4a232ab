// SPDX-License-Identifier: GPL-2.0
/* Typed properties: a table turns key=value pairs into a struct, and into help. */
#include "prop.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"

int parse_u64(const char *s, uint64_t *out)
{
	unsigned long long v;
	char *end;
	int base = s[0] == '0' && (s[1] == 'x' || s[1] == 'X') ? 16 : 10;

	if (!isxdigit((unsigned char)*s))
		return -1;
	errno = 0;
	v = strtoull(s, &end, base);
	if (errno || end == s || *end)
		return -1;
	*out = v;
	return 0;
}

int parse_fd(const char *s, int *fd)
{
	uint64_t v;

	if (strspn(s, "0123456789") != strlen(s) || parse_u64(s, &v) || v > INT32_MAX)
		return -1;
	*fd = (int)v;
	return 0;
}

int parse_size(const char *s, uint64_t unit, uint64_t *out)
{
	unsigned long long v;
	unsigned int shift = 0;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -1;
	errno = 0;
	v = strtoull(s, &end, s[1] == 'x' ? 16 : 10);
	if (errno || end == s)
		return -1;
	switch (*end) {
	case 'T': case 't':
		shift += 10;
		/* fall through */
	case 'G': case 'g':
		shift += 10;
		/* fall through */
	case 'M': case 'm':
		shift += 10;
		/* fall through */
	case 'K': case 'k':
		shift += 10;
		/* fall through */
	case 'B': case 'b':
		unit = 1ull << shift;
		end++;
		break;
	default:
		break;
	}
	if (*end || __builtin_mul_overflow(v, unit, &v))
		return -1;
	*out = v;
	return 0;
}

static int parse_bool(const char *s, bool *out)
{
	static const char *const on[] = { "on", "yes", "true" };
	static const char *const off[] = { "off", "no", "false" };
	size_t i;

	for (i = 0; i < 3; i++) {
		if (!strcmp(s, on[i]) || !strcmp(s, off[i])) {
			*out = !strcmp(s, on[i]);
			return 0;
		}
	}
	return -1;
}

static int parse_mac(const char *s, struct prop_mac *mac)
{
	static const char digits[] = "0123456789abcdef";
	const char *hi, *lo;
	int i;

	for (i = 0; i < 6; i++, s += 3) {
		/* strchr() would find the terminating NUL too */
		if (!s[0] || !s[1])
			return -1;
		hi = strchr(digits, tolower((unsigned char)s[0]));
		lo = strchr(digits, tolower((unsigned char)s[1]));
		if (!hi || !lo || s[2] != (i < 5 ? ':' : 0))
			return -1;
		mac->b[i] = (uint8_t)((hi - digits) << 4 | (lo - digits));
	}
	mac->set = true;
	return 0;
}

static int parse_pciaddr(const char *s, struct prop_pciaddr *addr)
{
	unsigned long slot, fn = 0;
	char *end;

	if (!isxdigit((unsigned char)*s))
		return -1;
	slot = strtoul(s, &end, 16);
	if (*end == '.') {
		s = end + 1;
		if (!isdigit((unsigned char)*s))
			return -1;
		fn = strtoul(s, &end, 16);
	}
	if (*end || slot > 0x1f || fn > 7)
		return -1;
	*addr = (struct prop_pciaddr){ .slot = (uint8_t)slot, .fn = (uint8_t)fn, .set = true };
	return 0;
}

static int parse_enum(const char *const *names, const char *s)
{
	int i;

	for (i = 0; names[i]; i++)
		if (!strcmp(names[i], s))
			return i;
	return -1;
}

/* A size as one would type it. */
static void size_text(uint64_t v, char *buf, size_t len)
{
	static const char suffix[] = "\0KMGT";
	unsigned int i = 0;

	while (v && !(v & 1023) && i < 4) {
		v >>= 10;
		i++;
	}
	snprintf(buf, len, "%llu%s", (unsigned long long)v, (char[]){ suffix[i], 0 });
}

/* What @p takes, for people. */
static const char *takes(const struct prop *p, char *buf, size_t len)
{
	char lo[24], hi[24];
	const char *sep = "";
	size_t at = 0, i;

	switch (p->type) {
	case PROP_STR:
		return "a word";
	case PROP_BOOL:
		return "on or off";
	case PROP_ONOFFAUTO:
		return "on, off or auto";
	case PROP_U32:
	case PROP_U64:
		if (!p->min && !p->max)
			return "a number";
		snprintf(buf, len, "a number from %llu to %llu", (unsigned long long)p->min,
			 (unsigned long long)p->max);
		return buf;
	case PROP_SIZE:
		if (!p->min && !p->max)
			return "a size such as 512M or 4G";
		size_text(p->min, lo, sizeof(lo));
		size_text(p->max, hi, sizeof(hi));
		snprintf(buf, len, "a size from %s to %s", lo, hi);
		return buf;
	case PROP_MAC:
		return "a MAC address such as 52:54:00:12:34:56";
	case PROP_PCIADDR:
		return "slot[.function] in hexadecimal, 0 to 1f and 0 to 7";
	case PROP_ENUM:
		buf[0] = 0;
		for (i = 0; p->names[i] && at < len; i++) {
			if (i)
				sep = p->names[i + 1] ? ", " : " or ";
			at += (size_t)snprintf(buf + at, len - at, "%s%s", sep, p->names[i]);
		}
		return buf;
	case PROP_END:
		break;
	}
	return "nothing";
}

static bool in_range(const struct prop *p, uint64_t v)
{
	return (!p->min && !p->max) || (v >= p->min && v <= p->max);
}

/* Return: 0; -1 for a value that @p does not take; -2 without memory */
static int prop_set(const struct prop *p, void *obj, const char *val)
{
	void *field = (char *)obj + p->offset;
	uint64_t v;
	bool on;
	int i;

	switch (p->type) {
	case PROP_STR: {
		char *s = strdup(val);

		if (!s)
			return -2;
		free(*(char **)field);
		*(char **)field = s;
		return 0;
	}
	case PROP_BOOL:
		return parse_bool(val, field);
	case PROP_ONOFFAUTO:
		if (!strcmp(val, "auto")) {
			*(enum prop_onoffauto *)field = PROP_AUTO;
			return 0;
		}
		if (parse_bool(val, &on))
			return -1;
		*(enum prop_onoffauto *)field = on ? PROP_ON : PROP_OFF;
		return 0;
	case PROP_U32:
		if (parse_u64(val, &v) || v > UINT32_MAX || !in_range(p, v))
			return -1;
		*(uint32_t *)field = (uint32_t)v;
		return 0;
	case PROP_U64:
		if (parse_u64(val, &v) || !in_range(p, v))
			return -1;
		*(uint64_t *)field = v;
		return 0;
	case PROP_SIZE:
		if (parse_size(val, 1, &v) || !in_range(p, v))
			return -1;
		*(uint64_t *)field = v;
		return 0;
	case PROP_MAC:
		return parse_mac(val, field);
	case PROP_PCIADDR:
		return parse_pciaddr(val, field);
	case PROP_ENUM:
		i = parse_enum(p->names, val);
		if (i < 0)
			return -1;
		*(int *)field = i;
		return 0;
	case PROP_END:
		break;
	}
	return -1;
}

static size_t field_size(enum prop_type type)
{
	switch (type) {
	case PROP_STR:
		return sizeof(char *);
	case PROP_BOOL:
		return sizeof(bool);
	case PROP_ONOFFAUTO:
		return sizeof(enum prop_onoffauto);
	case PROP_U32:
		return sizeof(uint32_t);
	case PROP_U64:
	case PROP_SIZE:
		return sizeof(uint64_t);
	case PROP_MAC:
		return sizeof(struct prop_mac);
	case PROP_PCIADDR:
		return sizeof(struct prop_pciaddr);
	case PROP_ENUM:
		return sizeof(int);
	case PROP_END:
		break;
	}
	return 0;
}

static bool is_flag(const struct prop *p)
{
	return p->type == PROP_BOOL || p->type == PROP_ONOFFAUTO;
}

/*
 * The property that @kv means, and the text to parse for it; a bare "flag" or "noflag" becomes on
 * or off. *val is NULL for a bare key that needs a value.
 */
static const struct prop *prop_match(const struct prop *table, const struct keyval *kv,
				     const char **val)
{
	const struct prop *p;

	*val = kv->val;
	for (p = table; p->type != PROP_END; p++) {
		if (strcmp(p->name, kv->key))
			continue;
		if (!kv->val && is_flag(p))
			*val = "on";
		return p;
	}
	if (kv->val || strncmp(kv->key, "no", 2))
		return NULL;
	for (p = table; p->type != PROP_END; p++) {
		if (!is_flag(p) || strcmp(p->name, kv->key + 2))
			continue;
		*val = "off";
		return p;
	}
	return NULL;
}

static int no_such_key(const struct prop *table, const char *opt, const char *key)
{
	char names[512] = "nothing";
	const struct prop *p;
	size_t at = 0;

	for (p = table; p->type != PROP_END && at < sizeof(names); p++)
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", at ? ", " : "",
				       p->name);
	return log_err("%s: no property '%s'; takes %s", opt, key, names);
}

static int apply(const struct prop *table, void *obj, const char *opt, struct keyvals *kvs)
{
	const struct prop *p;
	const char *val;
	char buf[256];
	uint64_t seen[4] = { 0 };	/* a bit for each row of the table */
	unsigned int i;
	size_t row;
	int ret;

	for (p = table; p->type != PROP_END; p++)
		if (p->def && prop_set(p, obj, p->def))
			return log_err("%s: cannot set %s to its default %s", opt, p->name, p->def);

	for (i = 0; i < kvs->nr; i++) {
		struct keyval *kv = &kvs->kv[i];

		if (kv->used)
			continue;
		kv->used = true;
		p = prop_match(table, kv, &val);
		if (!p)
			return no_such_key(table, opt, kv->key);
		row = (size_t)(p - table);
		if (row < 256) {
			if (seen[row / 64] >> row % 64 & 1)
				return log_err("%s: %s given twice", opt, p->name);
			seen[row / 64] |= 1ull << row % 64;
		}
		if (!val)
			return log_err("%s: %s= takes %s", opt, p->name,
				       takes(p, buf, sizeof(buf)));
		ret = prop_set(p, obj, val);
		if (ret == -2)
			return log_err("%s: out of memory", opt);
		if (ret)
			return log_err("%s: %s=%s: takes %s", opt, p->name, val,
				       takes(p, buf, sizeof(buf)));
	}

	for (p = table, row = 0; p->type != PROP_END; p++, row++)
		if (p->required && row < 256 && !(seen[row / 64] >> row % 64 & 1))
			return log_err("%s: %s= is missing; takes %s", opt, p->name,
				       takes(p, buf, sizeof(buf)));
	return 0;
}

int props_apply(const struct prop *table, void *obj, const char *opt, struct keyvals *kvs)
{
	const struct prop *p;
	int ret;

	for (p = table; p->type != PROP_END; p++)
		memset((char *)obj + p->offset, 0, field_size(p->type));
	ret = apply(table, obj, opt, kvs);
	if (ret)
		props_free(table, obj);
	return ret;
}

void props_free(const struct prop *table, void *obj)
{
	const struct prop *p;

	for (p = table; p->type != PROP_END; p++) {
		char **s = (char **)(void *)((char *)obj + p->offset);

		if (p->type != PROP_STR)
			continue;
		free(*s);
		*s = NULL;
	}
}

static const char *type_name(const struct prop *p)
{
	switch (p->type) {
	case PROP_STR:
		return "str";
	case PROP_BOOL:
		return "on|off";
	case PROP_ONOFFAUTO:
		return "on|off|auto";
	case PROP_U32:
	case PROP_U64:
		return "number";
	case PROP_SIZE:
		return "size";
	case PROP_MAC:
		return "mac";
	case PROP_PCIADDR:
		return "slot[.function]";
	case PROP_ENUM:
	case PROP_END:
		break;
	}
	return "";
}

void props_help(const struct prop *table)
{
	const struct prop *p;
	char left[96];
	size_t at;
	int i;

	for (p = table; p->type != PROP_END; p++) {
		at = (size_t)snprintf(left, sizeof(left), "%s=<%s", p->name, type_name(p));
		for (i = 0; p->type == PROP_ENUM && p->names[i] && at < sizeof(left); i++)
			at += (size_t)snprintf(left + at, sizeof(left) - at, "%s%s", i ? "|" : "",
					       p->names[i]);
		if (at < sizeof(left))
			snprintf(left + at, sizeof(left) - at, ">");
		if (p->help)
			printf("  %-26s - %s", left, p->help);
		else
			printf("  %s", left);
		if (p->def)
			printf(" (default: %s)", p->def);
		if (p->required)
			printf(" (required)");
		printf("\n");
	}
}

// SPDX-License-Identifier: GPL-2.0
/* Splitting an option's argument into key=value pairs: QEMU's comma syntax, or a JSON object. */
#include "prop.h"

#include <jansson.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "log.h"

#define KEY_MAX		128
#define JSON_DEPTH	4

/* Takes over @key and @val, also on failure. */
static int kv_add(struct keyvals *kvs, const char *opt, char *key, char *val, bool bare)
{
	if (!key || (!val && !bare)) {
		log_err("%s: out of memory", opt);
		goto fail;
	}
	if (!*key) {
		log_err("%s: a key is empty", opt);
		goto fail;
	}
	if (kvs->nr == sizeof(kvs->kv) / sizeof(kvs->kv[0])) {
		log_err("%s: more than %u properties", opt, kvs->nr);
		goto fail;
	}
	kvs->kv[kvs->nr++] = (struct keyval){ .key = key, .val = val };
	return 0;

fail:
	free(key);
	free(val);
	return -1;
}

/* Up to the next lone comma, ",," undone. Return: what follows, or NULL at the end */
static const char *next_item(const char *s, char *out)
{
	for (; *s; s++) {
		if (*s == ',') {
			if (s[1] != ',') {
				*out = 0;
				return s + 1;
			}
			s++;
		}
		*out++ = *s;
	}
	*out = 0;
	return NULL;
}

void keyvals_put(FILE *out, const char *text, const char *val)
{
	if (!val)
		return;
	fputs(text, out);
	for (; *val; val++)
		fprintf(out, "%s%c", *val == ',' ? "," : "", *val);
}

static int parse_commas(struct keyvals *kvs, const char *opt, const char *implied_key,
			const char *arg)
{
	char *item = malloc(strlen(arg) + 1), *eq;
	bool first = true;
	int ret = 0;

	if (!item)
		return log_err("%s: out of memory", opt);
	while (arg && !ret) {
		arg = next_item(arg, item);
		eq = strchr(item, '=');
		if (!*item && !(first && implied_key)) {
			/* a trailing comma is harmless, as in QEMU */
			ret = arg ? log_err("%s: a key is empty", opt) : 0;
		} else if (first && implied_key && !eq) {
			ret = kv_add(kvs, opt, strdup(implied_key), strdup(item), false);
		} else if (eq) {
			*eq = 0;
			ret = kv_add(kvs, opt, strdup(item), strdup(eq + 1), false);
		} else {
			ret = kv_add(kvs, opt, strdup(item), NULL, true);
		}
		first = false;
	}
	free(item);
	return ret;
}

static int json_add(struct keyvals *kvs, const char *opt, const char *key, json_t *v, int depth);

/* {"a": {"b": 1}} is what a.b=1 says in the other syntax, ["x"] what key.0=x does. */
static int json_nested(struct keyvals *kvs, const char *opt, const char *key, json_t *v, int depth)
{
	char name[KEY_MAX];
	const char *k;
	json_t *sub;
	size_t i;

	if (depth == JSON_DEPTH)
		return log_err("%s: JSON nested too deeply", opt);
	json_object_foreach(v, k, sub) {
		if (snprintf(name, sizeof(name), "%s%s%s", key, *key ? "." : "", k) >=
		    (int)sizeof(name))
			return log_err("%s: a key is too long", opt);
		if (json_add(kvs, opt, name, sub, depth + 1))
			return -1;
	}
	json_array_foreach(v, i, sub) {
		if (snprintf(name, sizeof(name), "%s.%zu", key, i) >= (int)sizeof(name))
			return log_err("%s: a key is too long", opt);
		if (json_add(kvs, opt, name, sub, depth + 1))
			return -1;
	}
	return 0;
}

static int json_add(struct keyvals *kvs, const char *opt, const char *key, json_t *v, int depth)
{
	char num[32];

	switch (json_typeof(v)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		return json_nested(kvs, opt, key, v, depth);
	case JSON_STRING:
		return kv_add(kvs, opt, strdup(key), strdup(json_string_value(v)), false);
	case JSON_TRUE:
	case JSON_FALSE:
		return kv_add(kvs, opt, strdup(key), strdup(json_is_true(v) ? "on" : "off"), false);
	case JSON_INTEGER:
		snprintf(num, sizeof(num), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return kv_add(kvs, opt, strdup(key), strdup(num), false);
	case JSON_REAL:
	case JSON_NULL:
		break;
	}
	return log_err("%s: %s: takes a JSON string, whole number or boolean", opt, key);
}

static int parse_json(struct keyvals *kvs, const char *opt, const char *arg)
{
	json_error_t err;
	json_t *root = json_loads(arg, JSON_REJECT_DUPLICATES, &err);
	int ret;

	if (!root)
		return log_err("%s: JSON, column %d: %s", opt, err.column, err.text);
	if (json_is_object(root))
		ret = json_nested(kvs, opt, "", root, 0);
	else
		ret = log_err("%s: JSON: takes an object", opt);
	json_decref(root);
	return ret;
}

int keyvals_parse(struct keyvals *kvs, const char *opt, const char *implied_key, const char *arg)
{
	int ret;

	memset(kvs, 0, sizeof(*kvs));
	if (*arg == '{')
		ret = parse_json(kvs, opt, arg);
	else
		ret = parse_commas(kvs, opt, implied_key, arg);
	if (ret)
		keyvals_free(kvs);
	return ret;
}

const char *keyvals_take(struct keyvals *kvs, const char *key)
{
	unsigned int i;

	for (i = 0; i < kvs->nr; i++) {
		if (kvs->kv[i].used || strcmp(kvs->kv[i].key, key))
			continue;
		kvs->kv[i].used = true;
		return kvs->kv[i].val ? kvs->kv[i].val : "";
	}
	return NULL;
}

void keyvals_free(struct keyvals *kvs)
{
	unsigned int i;

	for (i = 0; i < kvs->nr; i++) {
		free(kvs->kv[i].key);
		free(kvs->kv[i].val);
	}
	kvs->nr = 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * QMP's schema (QEMU's docs, "Client JSON Protocol introspection"), made from the table of commands, of events, and of the types
 * that answers have.
 */
#include "command.h"

#include <stdlib.h>
#include <string.h>

#define END { 0 }

static const struct member version_triple[] = { { "major", "int", false }, { "minor", "int", false }, { "micro", "int", false }, END };
static const struct member version[] = { { "qemu", "VersionTriple", false }, { "package", "str", false }, END };
static const struct member status[] = { { "running", "bool", false }, { "status", "RunState", false }, END };
static const struct member name[] = { { "name", "str", true }, END };
static const struct member uuid[] = { { "UUID", "str", false }, END };
static const struct member kvm[] = { { "enabled", "bool", false }, { "present", "bool", false }, END };
static const struct member command_info[] = { { "name", "str", false }, END };
static const struct member cpu[] = { { "cpu-index", "int", false }, { "qom-path", "str", false }, { "thread-id", "int", false },
				     { "target", "SysEmuTarget", false }, END };
static const struct member image[] = { { "filename", "str", false }, { "format", "str", false }, { "virtual-size", "int", false }, END };
static const struct member inserted[] = { { "file", "str", false }, { "drv", "str", false }, { "ro", "bool", false },
					  { "image", "ImageInfo", false }, END };
static const struct member block[] = { { "device", "str", false }, { "qdev", "str", true }, { "type", "str", false },
				       { "removable", "bool", false },
				       { "inserted", "BlockDeviceInfo", true }, END };
static const struct member chardev[] = { { "label", "str", false }, { "filename", "str", false }, END };
static const struct member balloon[] = { { "actual", "int", false }, END };
static const struct member schema_info[] = { { "name", "str", false }, { "meta-type", "SchemaMetaType", false }, END };

static const struct object {
	const char *name;
	const struct member *members;
} objects[] = {
	{ "VersionTriple", version_triple }, { "VersionInfo", version }, { "StatusInfo", status }, { "NameInfo", name },
	{ "UuidInfo", uuid }, { "KvmInfo", kvm }, { "CommandInfo", command_info }, { "CpuInfoFast", cpu }, { "ImageInfo", image },
	{ "BlockDeviceInfo", inserted }, { "BlockInfo", block }, { "ChardevInfo", chardev }, { "BalloonInfo", balloon },
	{ "SchemaInfo", schema_info }, { NULL, NULL },
};

static const char *const run_states[] = { "running", "paused", "prelaunch", NULL };
static const char *const meta_types[] = { "builtin", "enum", "array", "object", "alternate", "command", "event", NULL };
static const char *const targets[] = { "x86_64", NULL };

static const struct choice {
	const char *name;
	const char *const *values;
} choices[] = { { "RunState", run_states }, { "SchemaMetaType", meta_types }, { "SysEmuTarget", targets }, { NULL, NULL } };

static const char *const builtins[][2] = {
	{ "str", "string" }, { "int", "int" }, { "bool", "boolean" }, { "number", "number" }, { "any", "value" }, { "null", "null" },
};

static void entry(json_t *to, const char *name, const char *meta, json_t *more)
{
	json_t *e = json_pack("{s:s, s:s}", "name", name, "meta-type", meta);

	if (e && more)
		json_object_update(e, more);
	json_decref(more);
	json_array_append_new(to, e);
}

static void put_array(json_t *to, const char *type)
{
	char of[64];
	size_t len = type ? strlen(type) : 0, i;

	if (!len || *type != '[' || len >= sizeof(of))
		return;
	for (i = 0; i < json_array_size(to); i++)
		if (!strcmp(json_string_value(json_object_get(json_array_get(to, i), "name")), type))
			return;
	memcpy(of, type + 1, len - 2);
	of[len - 2] = 0;
	entry(to, type, "array", json_pack("{s:s}", "element-type", of));
}

static void put_object(json_t *to, const char *name, const struct member *m)
{
	json_t *list = json_array(), *one;

	for (; m && m->name; m++) {
		one = json_pack("{s:s, s:s}", "name", m->name, "type", m->type);
		if (one && m->optional)
			json_object_set_new(one, "default", json_null());
		json_array_append_new(list, one);
		put_array(to, m->type);
	}
	entry(to, name, "object", json_pack("{s:o}", "members", list));
}

static void put_choice(json_t *to, const struct choice *c)
{
	json_t *values = json_array(), *members = json_array();
	unsigned int i;

	for (i = 0; c->values[i]; i++) {
		json_array_append_new(values, json_string(c->values[i]));
		json_array_append_new(members, json_pack("{s:s}", "name", c->values[i]));
	}
	entry(to, c->name, "enum", json_pack("{s:o, s:o}", "members", members, "values", values));
}

static void put_commands(json_t *to, const struct command *c)
{
	char arg[80];

	for (; c->name || c->qmp; c++) {
		if (!c->qmp)
			continue;
		snprintf(arg, sizeof(arg), "%s-arg", c->qmp);
		put_array(to, c->returns);
		if (c->members)
			put_object(to, arg, c->members);
		entry(to, c->qmp, "command", json_pack("{s:s, s:s, s:b}", "arg-type", c->members ? arg : "empty", "ret-type",
						       c->returns ? c->returns : "empty", "allow-oob", 0));
	}
}

json_t *qmp_schema(void)
{
	json_t *to = json_array();
	char arg[80];
	unsigned int i;

	if (!to)
		return NULL;
	for (i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++)
		entry(to, builtins[i][0], "builtin", json_pack("{s:s}", "json-type", builtins[i][1]));
	put_object(to, "empty", NULL);
	for (i = 0; objects[i].name; i++)
		put_object(to, objects[i].name, objects[i].members);
	for (i = 0; choices[i].name; i++)
		put_choice(to, &choices[i]);
	put_commands(to, commands);
	put_commands(to, infos);
	for (i = 0; i < QMP_EVENTS; i++) {
		snprintf(arg, sizeof(arg), "%s-arg", qmp_events[i].name);
		if (qmp_events[i].members)
			put_object(to, arg, qmp_events[i].members);
		entry(to, qmp_events[i].name, "event", json_pack("{s:s}", "arg-type", qmp_events[i].members ? arg : "empty"));
	}
	return to;
}

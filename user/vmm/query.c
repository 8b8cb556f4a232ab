// SPDX-License-Identifier: GPL-2.0
/* Commands as programs give them: arguments and answers are JSON, checked against the table before they come here. */
#define _GNU_SOURCE
#include "query.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "balloon.h"
#include "blockdev.h"
#include "chardev.h"
#include "cmdline.h"
#include "config.h"
#include "dimm.h"
#include "inspect.h"
#include "machine.h"

json_t *qmp_fail(struct qmp_error *e, const char *class, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->desc, sizeof(e->desc), fmt, ap);
	va_end(ap);
	e->class = class;
	return NULL;
}

/* ---- what answers people as well: anything said is an error ---- */

struct said {
	char *text;
	size_t size;
	FILE *f;
};

static FILE *said_begin(struct said *s, struct qmp_error *e)
{
	*s = (struct said){ 0 };
	s->f = open_memstream(&s->text, &s->size);
	if (!s->f)
		qmp_fail(e, "GenericError", "out of memory");
	return s->f;
}

static void said_end(struct said *s, struct qmp_error *e)
{
	const char *t;

	fclose(s->f);
	t = s->text ? s->text : "";
	if (!strncmp(t, "Error: ", 7))
		t += 7;
	if (*t)
		qmp_fail(e, "GenericError", "%.*s", (int)strcspn(t, "\n"), t);
	free(s->text);
}

json_t *qmp_text(const struct command *c, struct vm *vm, struct qmp_error *e)
{
	struct said s;

	if (said_begin(&s, e)) {
		c->text(vm, "", s.f);
		said_end(&s, e);
	}
	return NULL;
}

static const char *drive_of(json_t *args, struct qmp_error *e)
{
	const char *id = json_string_value(json_object_get(args, "device"));

	if (!id)
		id = json_string_value(json_object_get(args, "id"));
	if (!id)
		qmp_fail(e, "GenericError", "Parameter 'device' is missing");
	else if (!blockdev_find_tray(id))
		qmp_fail(e, "DeviceNotFound", "Device '%s' not found", id);
	return e->class ? NULL : id;
}

json_t *qmp_block_resize(struct vm *vm, json_t *args, struct qmp_error *e)
{
	json_int_t size = json_integer_value(json_object_get(args, "size"));
	const char *id = drive_of(args, e);
	struct said s;

	if (!id)
		return NULL;
	if (size < 0)
		return qmp_fail(e, "GenericError", "Parameter 'size' expects a size of 0 or more");
	if (said_begin(&s, e)) {
		blockdev_resize(vm, id, (uint64_t)size, s.f);
		said_end(&s, e);
	}
	return NULL;
}

static json_t *medium(json_t *args, const char *file, struct qmp_error *e)
{
	bool force = json_is_true(json_object_get(args, "force"));
	const char *id = drive_of(args, e);
	struct said s;

	if (id && said_begin(&s, e)) {
		blockdev_change(id, file, force, s.f);
		said_end(&s, e);
	}
	return NULL;
}

json_t *qmp_change(struct vm *vm, json_t *args, struct qmp_error *e)
{
	(void)vm;
	return medium(args, json_string_value(json_object_get(args, "filename")), e);
}

json_t *qmp_eject(struct vm *vm, json_t *args, struct qmp_error *e)
{
	(void)vm;
	return medium(args, NULL, e);
}

/* An object in JSON is what the option takes, too. */
static json_t *option(struct vm *vm, json_t *args, struct qmp_error *e, int (*fn)(struct vm *vm, const char *arg))
{
	char *text = json_dumps(args, JSON_COMPACT), why[256] = "";
	int err;

	if (!text)
		return qmp_fail(e, "GenericError", "out of memory");
	log_catch(why, sizeof(why));
	err = fn(vm, text);
	log_catch(NULL, 0);
	free(text);
	return err ? qmp_fail(e, "GenericError", "%s", why) : NULL;
}

static int object_add(struct vm *vm, const char *arg)
{
	(void)vm;
	return cmdline_object_add(arg);
}

json_t *qmp_object_add(struct vm *vm, json_t *args, struct qmp_error *e)
{
	return option(vm, args, e, object_add);
}

json_t *qmp_device_add(struct vm *vm, json_t *args, struct qmp_error *e)
{
	return option(vm, args, e, dimm_device_add);
}

json_t *qmp_balloon(struct vm *vm, json_t *args, struct qmp_error *e)
{
	json_int_t bytes = json_integer_value(json_object_get(args, "value"));

	(void)vm;
	if (bytes <= 0)
		return qmp_fail(e, "GenericError", "Parameter 'value' expects a size");
	if (balloon_set((uint64_t)bytes))
		return qmp_fail(e, "DeviceNotActive", "No balloon device has been activated");
	return NULL;
}

json_t *qmp_human(struct vm *vm, json_t *args, struct qmp_error *e)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	json_t *answer;

	if (!f)
		return qmp_fail(e, "GenericError", "out of memory");
	hmp_run(vm, json_string_value(json_object_get(args, "command-line")), f);
	fclose(f);
	answer = json_string(text ? text : "");
	free(text);
	return answer ? answer : qmp_fail(e, "GenericError", "the answer is not UTF-8");
}

static json_t *memory_save(struct vm *vm, json_t *args, bool physical, struct qmp_error *e)
{
	json_int_t addr = json_integer_value(json_object_get(args, "val")), size = json_integer_value(json_object_get(args, "size"));
	struct said s;

	if (size < 0)
		return qmp_fail(e, "GenericError", "Parameter 'size' expects a size of 0 or more");
	if (said_begin(&s, e)) {
		inspect_save(vm, (uint64_t)addr, (uint64_t)size, json_string_value(json_object_get(args, "filename")), physical, s.f);
		said_end(&s, e);
	}
	return NULL;
}

json_t *qmp_memsave(struct vm *vm, json_t *args, struct qmp_error *e)
{
	return memory_save(vm, args, false, e);
}

json_t *qmp_pmemsave(struct vm *vm, json_t *args, struct qmp_error *e)
{
	return memory_save(vm, args, true, e);
}

/* The first one is the session's own. */
json_t *qmp_capabilities(struct vm *vm, json_t *args, struct qmp_error *e)
{
	(void)vm;
	(void)args;
	return qmp_fail(e, "CommandNotFound", "Capabilities negotiation is already complete, command ignored");
}

/* ---- questions ---- */

json_t *query_balloon(struct vm *vm, json_t *args, struct qmp_error *e)
{
	uint64_t bytes;

	(void)vm;
	(void)args;
	if (balloon_get(&bytes))
		return qmp_fail(e, "DeviceNotActive", "No balloon device has been activated");
	return json_pack("{s:I}", "actual", (json_int_t)bytes);
}

json_t *query_block(struct vm *vm, json_t *args, struct qmp_error *e)
{
	json_t *list = json_array(), *one;
	const struct blockdev *bd;
	unsigned int n;

	(void)vm;
	(void)args;
	(void)e;
	for (n = 0; (bd = blockdev_nth(n)); n++) {
		one = json_pack("{s:s, s:s, s:b}", "device", bd->id, "type", "unknown", "removable", bd->user && bd->user->change);
		if (one && bd->user)
			json_object_set_new(one, "qdev", json_string(bd->user->name));
		if (one && bd->fd >= 0)
			json_object_set_new(one, "inserted", json_pack("{s:s, s:s, s:b, s:{s:s, s:s, s:I}}", "file", bd->file, "drv",
								       bd->format, "ro", bd->readonly, "image", "filename", bd->file,
								       "format", bd->format, "virtual-size",
								       (json_int_t)blockdev_size(bd)));
		json_array_append_new(list, one);
	}
	return list;
}

json_t *query_chardev(struct vm *vm, json_t *args, struct qmp_error *e)
{
	char *text = NULL, *line, *save = NULL, *colon;
	json_t *list = json_array();
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)args;
	(void)e;
	if (!f)
		return list;
	vm_lock(vm);
	chardev_info(f);
	vm_unlock(vm);
	fclose(f);
	for (line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		colon = strstr(line, ": ");
		if (!colon)
			continue;
		*colon = 0;
		json_array_append_new(list, json_pack("{s:s, s:s}", "label", line, "filename", colon + 2));
	}
	free(text);
	return list;
}

json_t *query_commands(struct vm *vm, json_t *args, struct qmp_error *e)
{
	const struct command *tables[] = { commands, infos }, *c;
	json_t *list = json_array();
	unsigned int i;

	(void)vm;
	(void)args;
	(void)e;
	for (i = 0; i < 2; i++)
		for (c = tables[i]; c->name || c->qmp; c++)
			if (c->qmp)
				json_array_append_new(list, json_pack("{s:s}", "name", c->qmp));
	return list;
}

json_t *query_cpus(struct vm *vm, json_t *args, struct qmp_error *e)
{
	json_t *list = json_array();
	char path[40];
	unsigned int i;

	(void)args;
	(void)e;
	for (i = 0; i < vm->nr_vcpus; i++) {
		snprintf(path, sizeof(path), "/machine/unattached/device[%u]", i);
		json_array_append_new(list, json_pack("{s:i, s:s, s:i, s:s}", "cpu-index", (int)i, "qom-path", path, "thread-id",
						      (int)vcpu_tid(&vm->vcpu[i]), "target", "x86_64"));
	}
	return list;
}

json_t *query_kvm(struct vm *vm, json_t *args, struct qmp_error *e)
{
	bool kvm = vm->vm_fd >= 0;

	(void)args;
	(void)e;
	return json_pack("{s:b, s:b}", "enabled", kvm, "present", kvm);
}

json_t *query_name(struct vm *vm, json_t *args, struct qmp_error *e)
{
	json_t *o = json_object();

	(void)args;
	(void)e;
	if (vm->cfg->name)
		json_object_set_new(o, "name", json_string(vm->cfg->name));
	return o;
}

json_t *query_schema(struct vm *vm, json_t *args, struct qmp_error *e)
{
	json_t *s = qmp_schema();

	(void)vm;
	(void)args;
	return s ? s : qmp_fail(e, "GenericError", "out of memory");
}

json_t *query_status(struct vm *vm, json_t *args, struct qmp_error *e)
{
	bool running = vm_running(vm);

	(void)args;
	(void)e;
	return json_pack("{s:b, s:s}", "running", running, "status", running ? "running" : vm_began(vm) ? "paused" : "prelaunch");
}

json_t *query_uuid(struct vm *vm, json_t *args, struct qmp_error *e)
{
	(void)args;
	(void)e;
	return json_pack("{s:s}", "UUID", vm->cfg->uuid ? vm->cfg->uuid : "00000000-0000-0000-0000-000000000000");
}

json_t *query_version(struct vm *vm, json_t *args, struct qmp_error *e)
{
	unsigned int major = 0, minor = 0, micro = 0;

	(void)vm;
	(void)args;
	(void)e;
	sscanf(SHUNT_VERSION, "%u.%u.%u", &major, &minor, &micro);
	return json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "major", (int)major, "minor", (int)minor, "micro", (int)micro,
			 "package", "shunt " SHUNT_VERSION);
}

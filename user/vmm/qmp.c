// SPDX-License-Identifier: GPL-2.0
/*
 * QMP sessions. Input is cut into objects as it comes, by counting brackets outside of strings: one object is parsed and
 * answered before the next is taken from the character device.
 */
#define _GNU_SOURCE
#include "qmp.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/log.h"
#include "../lib/loop.h"
#include "chardev.h"
#include "query.h"
#include "vm.h"

#define INPUT_MAX	(64 * 1024)
#define DEPTH_MAX	64

/**
 * struct session
 * @text: @len: of an object that has begun; @depth: brackets that are open; @string: @escape: within a string
 * @ready: it is whole, and waits for the bottom half
 * @skip: it is too long or too deep: what follows is thrown away up to a line's end
 * @on: capabilities were negotiated
 */
struct session {
	struct session *next;
	struct vm *vm;
	struct loop *loop;
	struct chardev *chr;
	struct loop_bh bh;
	char *text;
	size_t len;
	unsigned int depth;
	bool string, escape, ready, skip, on;
};

static struct session *sessions;

static const struct member shutdown_members[] = { { "guest", "bool", false }, { "reason", "str", false }, { 0 } };
static const struct member reset_members[] = { { "guest", "bool", false }, { 0 } };

const struct qmp_event_type qmp_events[QMP_EVENTS] = {
	[QMP_STOP] = { "STOP", NULL },
	[QMP_RESUME] = { "RESUME", NULL },
	[QMP_RESET] = { "RESET", reset_members },
	[QMP_SHUTDOWN] = { "SHUTDOWN", shutdown_members },
	[QMP_POWERDOWN] = { "POWERDOWN", NULL },
};

/* ---- output ---- */

/* Device lock held. Takes over @v. */
static void send_json(struct session *s, json_t *v)
{
	char *text = v ? json_dumps(v, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

	if (text) {
		chardev_write(s->chr, text, strlen(text));
		chardev_write(s->chr, "\r\n", 2);
	}
	free(text);
	json_decref(v);
}

static json_t *error_json(const char *class, const char *desc)
{
	/* a description may hold what the program sent, cut in the middle of a character */
	json_t *e = json_pack("{s:{s:s, s:s}}", "error", "class", class, "desc", desc);

	return e ? e : json_pack("{s:{s:s, s:s}}", "error", "class", class, "desc", "an argument is not what it should be");
}

void qmp_send_event(enum qmp_event event, json_t *data)
{
	struct session *s;
	struct timespec now;
	json_t *e;

	clock_gettime(CLOCK_REALTIME, &now);
	e = json_pack("{s:{s:I, s:I}, s:s}", "timestamp", "seconds", (json_int_t)now.tv_sec, "microseconds",
		      (json_int_t)(now.tv_nsec / 1000), "event", qmp_events[event].name);
	if (e && data)
		json_object_set(e, "data", data);
	for (s = sessions; s && e; s = s->next) {
		vm_lock(s->vm);
		if (s->on)
			send_json(s, json_incref(e));
		vm_unlock(s->vm);
	}
	json_decref(data);
	json_decref(e);
}

/* ---- a command ---- */

static bool type_fits(const json_t *v, const char *type)
{
	if (!strcmp(type, "str"))
		return json_is_string(v);
	if (!strcmp(type, "int"))
		return json_is_integer(v);
	if (!strcmp(type, "bool"))
		return json_is_boolean(v);
	return true;
}

static const struct member *member_find(const struct member *m, const char *name)
{
	for (; m && m->name; m++)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}

/* What the table says of arguments holds. Return: whether; else @e is filled in */
static bool args_check(const struct command *c, json_t *args, struct qmp_error *e)
{
	const struct member *m;
	const char *key;
	json_t *v;

	json_object_foreach(args, key, v) {
		m = member_find(c->members, key);
		if (!m && !c->any)
			qmp_fail(e, "GenericError", "Parameter '%s' is unexpected", key);
		else if (m && !type_fits(v, m->type))
			qmp_fail(e, "GenericError", "Invalid parameter type for '%s', expected: %s", key,
				 !strcmp(m->type, "str") ? "string" : !strcmp(m->type, "int") ? "integer" : "boolean");
		if (e->class)
			return false;
	}
	for (m = c->members; m && m->name; m++) {
		if (m->optional || json_object_get(args, m->name))
			continue;
		qmp_fail(e, "GenericError", "Parameter '%s' is missing", m->name);
		return false;
	}
	return true;
}

static json_t *run(struct session *s, const char *name, json_t *args, struct qmp_error *e)
{
	const struct command *c = qmp_command(name);
	json_t *none = NULL, *answer = NULL;

	if (!s->on && !strcmp(name, "qmp_capabilities")) {
		s->on = true;
		return NULL;
	}
	if (!s->on)
		return qmp_fail(e, "CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'");
	if (!c)
		return qmp_fail(e, "CommandNotFound", "The command %.200s has not been found", name);
	if (!args)
		args = none = json_object();
	if (args_check(c, args, e))
		answer = c->run ? c->run(s->vm, args, e) : qmp_text(c, s->vm, e);
	json_decref(none);
	return answer;
}

/* Return: what to answer */
static json_t *serve(struct session *s)
{
	json_error_t why;
	json_t *q = json_loadb(s->text, s->len, JSON_REJECT_DUPLICATES, &why), *id, *args, *answer, *value = NULL;
	struct qmp_error e = { 0 };
	const char *name, *key;
	json_t *v;

	if (!q) {
		char text[JSON_ERROR_TEXT_LENGTH + 40];

		snprintf(text, sizeof(text), "JSON parse error: %s", why.text);
		return error_json("GenericError", text);
	}
	id = json_incref(json_object_get(q, "id"));
	name = json_string_value(json_object_get(q, "execute"));
	args = json_object_get(q, "arguments");
	json_object_foreach(q, key, v)
		if (strcmp(key, "id") && strcmp(key, "execute") && strcmp(key, "arguments"))
			qmp_fail(&e, "GenericError", "QMP input member '%.100s' is unexpected", key);
	if (!json_is_object(q))
		qmp_fail(&e, "GenericError", "QMP input must be a JSON object");
	else if (!name)
		qmp_fail(&e, "GenericError", "QMP input lacks member 'execute'");
	else if (args && !json_is_object(args))
		qmp_fail(&e, "GenericError", "QMP input member 'arguments' must be an object");
	if (!e.class)
		value = run(s, name, args, &e);
	if (e.class)
		answer = error_json(e.class, e.desc);
	else
		answer = json_pack("{s:o}", "return", value ? value : json_object());
	if (answer && id)
		json_object_set(answer, "id", id);
	json_decref(id);
	json_decref(q);
	return answer;
}

static void serve_bh(struct loop_bh *bh)
{
	struct session *s = (struct session *)(void *)((char *)bh - offsetof(struct session, bh));
	json_t *answer = serve(s);

	vm_lock(s->vm);
	send_json(s, answer);
	s->len = 0;
	s->ready = false;
	chardev_kick(s->chr);
	vm_unlock(s->vm);
}

/* ---- input ---- */

static size_t session_room(void *arg)
{
	const struct session *s = arg;

	/* a byte at a time: what is behind an object stays with the character device; so does all, while answers are not read */
	return s->ready || chardev_pending(s->chr) ? 0 : 1;
}

static void refuse(struct session *s, const char *why)
{
	send_json(s, error_json("GenericError", why));
	s->len = 0;
	s->depth = 0;
	s->string = s->escape = false;
	s->skip = true;
}

static void bracket(struct session *s, char b)
{
	if (b == '{' || b == '[')
		s->depth++;
	else if ((b == '}' || b == ']') && s->depth)
		s->depth--;
	else if (b == '"')
		s->string = true;
}

static void session_byte(struct session *s, char b)
{
	if (s->skip) {
		s->skip = b != '\n';
		return;
	}
	if (!s->len && strchr(" \t\r\n", b) && b)
		return;
	if (!s->len && b != '{') {
		refuse(s, "JSON parse error, expecting an object");
		s->skip = b != '\n';
		return;
	}
	s->text[s->len++] = b;
	if (s->escape) {
		s->escape = false;
	} else if (s->string) {
		s->escape = b == '\\';
		s->string = b != '"';
	} else {
		bracket(s, b);
	}
	if (!s->depth) {
		s->ready = true;
		loop_bh_schedule(s->loop, &s->bh);
	} else if (s->depth > DEPTH_MAX) {
		refuse(s, "JSON parse error, nested too deeply");
	} else if (s->len == INPUT_MAX) {
		refuse(s, "JSON parse error, longer than 64 KiB");
	}
}

static void session_input(void *arg, const uint8_t *buf, size_t len)
{
	struct session *s = arg;

	while (len-- && !s->ready)
		session_byte(s, (char)*buf++);
}

/* A program has come: another one than before. */
static void session_opened(void *arg)
{
	struct session *s = arg;
	json_t *greeting = json_pack("{s:{s:o, s:[]}}", "QMP", "version", qmp_command("query-version")->run(s->vm, NULL, NULL),
				     "capabilities");

	s->on = s->string = s->escape = s->skip = false;
	s->depth = 0;
	/* what the last one asked is answered to nobody */
	if (!s->ready)
		s->len = 0;
	send_json(s, greeting);
}

int qmp_add(struct vm *vm, struct loop *loop, struct chardev *c)
{
	struct session *s = calloc(1, sizeof(*s));
	struct chardev_client client = {
		.room = session_room,
		.input = session_input,
		.opened = session_opened,
		.arg = s,
	};

	if (s)
		s->text = malloc(INPUT_MAX);
	if (!s || !s->text) {
		free(s);
		return log_err("-qmp: out of memory");
	}
	s->vm = vm;
	s->loop = loop;
	s->chr = c;
	s->bh.fn = serve_bh;
	if (chardev_attach(c, &client)) {
		free(s->text);
		free(s);
		return log_err("-qmp: something else reads this chardev");
	}
	s->next = sessions;
	sessions = s;
	return 0;
}

void qmp_free_all(void)
{
	struct session *s;

	while ((s = sessions)) {
		sessions = s->next;
		loop_bh_cancel(s->loop, &s->bh);
		free(s->text);
		free(s);
	}
}

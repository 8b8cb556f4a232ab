/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The monitor's commands: one table, for people (HMP) and for programs (QMP), which also makes help and schema.
 *
 * Context: main thread, without the device lock, so that commands can pause the machine.
 */
#ifndef VMM_COMMAND_H
#define VMM_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct vm;

/** struct qmp_error - why a command of QMP has no answer; @class: QMP's word, NULL where all is well */
struct qmp_error {
	const char *class;
	char desc[320];
};

/** qmp_fail() - fill @e in. Return: NULL */
json_t *qmp_fail(struct qmp_error *e, const char *class, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/**
 * struct member - one of an object, or an argument
 * @type: as QMP's schema names it: str, int, bool, number, any, an enumeration, or a name of types[] in qmp_schema.c;
 *	in brackets: a list of them
 */
struct member {
	const char *name, *type;
	bool optional;
};

/**
 * struct command
 * @name: @args: @help: for people; @name NULL: it is for programs only
 * @text: answers people; what begins with "Error: " is one
 * @qmp: for programs; NULL: there is none. Without @run, @text answers, without arguments, and nothing is said but errors
 * @members: arguments, up to one without a name; @any: others, too, of any type
 * @returns: type of the answer; NULL: an empty object
 * @run: Return: the answer, NULL for an empty object, or with @e filled in
 */
struct command {
	const char *name, *args, *help;
	void (*text)(struct vm *vm, const char *arg, FILE *out);
	const char *qmp;
	const struct member *members;
	bool any;
	const char *returns;
	json_t *(*run)(struct vm *vm, json_t *args, struct qmp_error *e);
};

/* Bytes of a line, its zero among them */
#define HMP_LINE	4096

/* Both end with a row without names. infos[] are what "info" takes; their @qmp is a command as those of commands[] are. */
extern const struct command commands[], infos[];

/** hmp_run() - a line that a person typed */
void hmp_run(struct vm *vm, const char *line, FILE *out);
/** hmp_complete() - names that begin with what @line, up to its end, ends with. Return: how many; @out gets them with blanks between */
unsigned int hmp_complete(const char *line, char *out, size_t size);

/** qmp_schema() - what query-qmp-schema answers. Return: NULL: out of memory */
json_t *qmp_schema(void);
/** qmp_command() - Return: the row that serves @name, or NULL */
const struct command *qmp_command(const char *name);

/** enum qmp_event - what programs are told unasked; names in qmp_events[] */
enum qmp_event { QMP_STOP, QMP_RESUME, QMP_RESET, QMP_SHUTDOWN, QMP_POWERDOWN, QMP_EVENTS };
extern const struct qmp_event_type {
	const char *name;
	const struct member *members;
} qmp_events[QMP_EVENTS];

#endif

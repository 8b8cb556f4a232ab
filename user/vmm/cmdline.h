/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The command line. Parsing looks at words (and at what -m and paths can be compared with); it
 * opens, starts and changes nothing.
 */
#ifndef VMM_CMDLINE_H
#define VMM_CMDLINE_H

#include <stdbool.h>
#include "config.h"

#define SHUNT_VERSION "0.1"

enum cmdline_verdict {
	CMDLINE_RUN,	/* @cfg is complete: start the machine */
	CMDLINE_DONE,	/* help or version was printed: exit with status 0 */
	CMDLINE_BAD,	/* one line was logged: exit with status 1 */
};

/** cmdline_parse() - @cfg is filled; cmdline_free() it in any case */
enum cmdline_verdict cmdline_parse(struct vm_config *cfg, int argc, char **argv);
void cmdline_free(struct vm_config *cfg);

/** cmdline_object_add() - -object, while the machine is there. Return: 0, or -1 after one logged line */
int cmdline_object_add(const char *arg);

/**
 * cmdline_check_id() - what QEMU takes as an id: a letter, then letters, digits, '-', '.', '_'
 * @required: absent (NULL) is an error
 * Return: 0, or -1 after one logged line beginning with @opt
 */
int cmdline_check_id(const char *opt, const char *id, bool required);

#endif

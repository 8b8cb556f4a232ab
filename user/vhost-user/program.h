/* SPDX-License-Identifier: GPL-2.0 */
/* The command line of a process: what all of them take, and where a device's own options come in. */
#ifndef VHOST_USER_PROGRAM_H
#define VHOST_USER_PROGRAM_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"

/* The lines of --help that are the same everywhere */
#define VU_HELP_SOCKET \
	"  --socket-path=PATH    listen at a unix socket\n" \
	"  --fd=N                use this socket, listening or connected\n"
#define VU_HELP_COMMON \
	"  --poll-us=0..10000    poll at most so many microseconds before sleeping, if that pays (0)\n" \
	"  --print-capabilities  print what this program can do, as JSON, and exit\n" \
	"  -h, --help            print this and exit\n"

/**
 * struct vu_program - a program's own part
 * @usage: the text of --help
 * @capabilities: that of --print-capabilities, JSON
 * @options: its own, as getopt_long() takes them; val: greater than 0, flag: NULL
 * @option: one was given: @val of it, with its @name and value @arg, or NULL. Return: 0; -1 after one
 *	logged line
 */
struct vu_program {
	const char *usage;
	const char *capabilities;
	const struct option *options;
	int (*option)(void *opts, int val, const char *name, char *arg);
};

/**
 * vu_program_parse() - read the command line
 * @opts: for @p->option
 * @end: filled
 * @poll_us: filled
 *
 * Return: 0 go on; 1 all is done; -1 after one logged line
 */
int vu_program_parse(const struct vu_program *p, void *opts, struct vu_endpoint *end, unsigned int *poll_us,
		     int argc, char **argv);

/** vu_option_bad() - log "--opt=arg: it takes ...". Return: -1 */
int vu_option_bad(const char *opt, const char *arg, const char *takes);
/** vu_option_uint() - a number in [@min, @max]. Return: 0; -1 after one logged line */
int vu_option_uint(const char *opt, const char *arg, unsigned int min, unsigned int max, unsigned int *out);
/** vu_option_size() - bytes, as "64k" or "1G", @min at least. Return: 0; -1 after one logged line */
int vu_option_size(const char *opt, const char *arg, uint64_t min, uint64_t *out);

#endif

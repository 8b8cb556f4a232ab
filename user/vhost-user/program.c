// SPDX-License-Identifier: GPL-2.0
/* Command lines of processes, see program.h. */
#define _GNU_SOURCE
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bits.h"
#include "lib/log.h"
#include "lib/prop.h"

#define POLL_US_MAX	10000
#define OPTIONS_MAX	48

/* Options that all have; those of a program are greater than 0. */
enum { OPT_SOCKET = -100, OPT_FD, OPT_POLL, OPT_CAPS, OPT_HELP };

static const struct option common[] = {
	{ "socket-path", required_argument, NULL, OPT_SOCKET },
	{ "fd", required_argument, NULL, OPT_FD },
	{ "poll-us", required_argument, NULL, OPT_POLL },
	{ "print-capabilities", no_argument, NULL, OPT_CAPS },
	{ "help", no_argument, NULL, OPT_HELP },
};

int vu_option_bad(const char *opt, const char *arg, const char *takes)
{
	return log_err("--%s=%s: it takes %s", opt, arg, takes);
}

int vu_option_uint(const char *opt, const char *arg, unsigned int min, unsigned int max, unsigned int *out)
{
	char takes[64];
	uint64_t n;

	if (!parse_u64(arg, &n) && n >= min && n <= max) {
		*out = (unsigned int)n;
		return 0;
	}
	snprintf(takes, sizeof(takes), "a number from %u to %u", min, max);
	return vu_option_bad(opt, arg, takes);
}

int vu_option_size(const char *opt, const char *arg, uint64_t min, uint64_t *out)
{
	char takes[64];
	uint64_t n;

	if (!parse_size(arg, 1, &n) && n >= min) {
		*out = n;
		return 0;
	}
	snprintf(takes, sizeof(takes), "a size of at least %llu bytes, such as 64k", (unsigned long long)min);
	return vu_option_bad(opt, arg, takes);
}

/* Return: as vu_program_parse() */
static int parse_one(const struct vu_program *p, void *opts, struct vu_endpoint *end, unsigned int *poll_us,
		     const struct option *o, char *arg)
{
	switch (o->val) {
	case OPT_SOCKET:
		end->path = arg;
		return 0;
	case OPT_FD:
		return parse_fd(arg, &end->fd) ? vu_option_bad("fd", arg, "the number of an open socket") : 0;
	case OPT_POLL:
		return vu_option_uint("poll-us", arg, 0, POLL_US_MAX, poll_us);
	case OPT_CAPS:
		fputs(p->capabilities, stdout);
		return 1;
	case OPT_HELP:
		fputs(p->usage, stdout);
		return 1;
	default:
		return p->option(opts, o->val, o->name, arg);
	}
}

/* The options of both, one after the other; with room for an end */
static void all_options(const struct vu_program *p, struct option *all)
{
	const struct option *o;
	unsigned int n = ARRAY_SIZE(common);

	memcpy(all, common, sizeof(common));
	for (o = p->options; o->name && n < OPTIONS_MAX; o++)
		all[n++] = *o;
	all[n] = (struct option){ 0 };
}

/* The one socket that systemd has made for us, or -1: sd_listen_fds(3) */
static int activated(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t n;

	if (!pid || parse_u64(pid, &n) || n != (uint64_t)getpid())
		return -1;
	return fds && !strcmp(fds, "1") ? 3 : -1;
}

int vu_program_parse(const struct vu_program *p, void *opts, struct vu_endpoint *end, unsigned int *poll_us,
		     int argc, char **argv)
{
	static const struct option help = { "help", no_argument, NULL, OPT_HELP };
	struct option all[OPTIONS_MAX + 1];
	int c, i, ret;

	all_options(p, all);
	opterr = 0;
	/* Whoever asks for capabilities gets them, whatever else the line says. */
	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--print-capabilities"))
			return parse_one(p, opts, end, poll_us, &common[3], NULL);
	while ((c = getopt_long(argc, argv, ":h", all, &i)) != -1) {
		if (c == ':')
			return log_err("%s: it takes a value; see --help", argv[optind - 1]);
		if (c == '?')
			return log_err("%s: unknown option; see --help", argv[optind - 1]);
		ret = parse_one(p, opts, end, poll_us, c == 'h' ? &help : &all[i], optarg);
		if (ret)
			return ret;
	}
	if (optind < argc)
		return log_err("%s: not an option; see --help", argv[optind]);
	if (!end->path && end->fd < 0)
		end->fd = activated();
	if (!end->path == (end->fd < 0))
		return log_err("one of --socket-path=PATH and --fd=N is needed; see --help");
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/* The simple kinds of character devices: pty, file, pipe, null. */
#define _GNU_SOURCE
#include "chardev_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "../lib/log.h"

/* ---- null ---- */

static const struct prop null_props[] = {
	PROP("mux", PROP_BOOL, struct chardev_opts, mux, .help = "several readers"),
	{ .type = PROP_END },
};

static int null_open(struct chardev *c)
{
	(void)c;
	return 0;
}

const struct chardev_kind chardev_null = {
	.name = "null",
	.desc = "output is dropped, there is no input",
	.props = null_props,
	.open = null_open,
};

/* ---- file ---- */

static const struct prop file_props[] = {
	PROP("path", PROP_STR, struct chardev_opts, path, .required = true,
	     .help = "file to write"),
	PROP("append", PROP_BOOL, struct chardev_opts, append, .help = "keep what it holds",
	     .def = "off"),
	PROP("mux", PROP_BOOL, struct chardev_opts, mux, .help = "several readers"),
	{ .type = PROP_END },
};

static int file_open(struct chardev *c)
{
	int fd = open(c->o.path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
		      (c->o.append ? O_APPEND : O_TRUNC), 0666);
	int ret;

	if (fd < 0)
		return log_err("%s: %s: %s", c->opt, c->o.path, strerror(errno));
	/* it is empty, if it is to be: processes, one after the other, add to it */
	if (c->lent) {
		close(fd);
		return 0;
	}
	ret = chardev_connect(c, -1, fd, false);
	return ret ? log_err("%s: %s: %s", c->opt, c->o.path, strerror(-ret)) : 0;
}

static void path_info(const struct chardev *c, FILE *out)
{
	fprintf(out, " %s", c->o.path);
}

const struct chardev_kind chardev_file = {
	.name = "file",
	.desc = "output goes to a file",
	.props = file_props,
	.open = file_open,
	.info = path_info,
};

/* ---- pipe: PATH.in and PATH.out if they are there, else PATH both ways ---- */

static const struct prop pipe_props[] = {
	PROP("path", PROP_STR, struct chardev_opts, path, .required = true,
	     .help = "FIFO; or PATH.in is read and PATH.out written"),
	PROP("mux", PROP_BOOL, struct chardev_opts, mux, .help = "several readers"),
	{ .type = PROP_END },
};

static int pipe_end(const struct chardev *c, const char *suffix)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s%s", c->o.path, suffix) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* read and write: opening waits for nobody, and no writer's end is the end of input */
	return open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
}

static int pipe_open(struct chardev *c)
{
	int in = pipe_end(c, ".in"), out = pipe_end(c, ".out"), ret;

	if (in < 0 || out < 0) {
		if (in >= 0)
			close(in);
		if (out >= 0)
			close(out);
		in = pipe_end(c, "");
		out = in;
	}
	if (in < 0)
		return log_err("%s: %s: %s", c->opt, c->o.path, strerror(errno));
	ret = chardev_connect(c, in, out, false);
	return ret ? log_err("%s: %s: %s", c->opt, c->o.path, strerror(-ret)) : 0;
}

const struct chardev_kind chardev_pipe = {
	.name = "pipe",
	.desc = "a FIFO, or a pair of them",
	.props = pipe_props,
	.open = pipe_open,
	.info = path_info,
};

/* ---- pty ---- */

static const struct prop pty_props[] = {
	PROP("path", PROP_STR, struct chardev_opts, path, .help = "symbolic link to make to it"),
	PROP("mux", PROP_BOOL, struct chardev_opts, mux,
	     .help = "several readers, Ctrl-A commands"),
	{ .type = PROP_END },
};

/** struct pty - @slave: held open, so that the master does not hang up between two users */
struct pty {
	char name[64];
	int slave;
	bool linked;
};

static void pty_closed(struct chardev *c, bool final)
{
	struct pty *p = c->priv;

	if (!final || !p)
		return;
	if (p->linked)
		unlink(c->o.path);
	close(p->slave);
	free(p);
	c->priv = NULL;
}

static int pty_open(struct chardev *c)
{
	struct termios t;
	struct pty *p;
	int fd, ret;

	if (c->lent)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return log_err("%s: out of memory", c->opt);
	fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || grantpt(fd) || unlockpt(fd) || ptsname_r(fd, p->name, sizeof(p->name)))
		goto fail;
	p->slave = open(p->name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->slave < 0)
		goto fail;
	if (!tcgetattr(p->slave, &t)) {
		cfmakeraw(&t);
		tcsetattr(p->slave, TCSANOW, &t);
	}
	if (c->o.path && symlink(p->name, c->o.path)) {
		log_err("%s: path=%s: %s", c->opt, c->o.path, strerror(errno));
		close(p->slave);
		goto fail_said;
	}
	p->linked = c->o.path;
	c->priv = p;
	ret = chardev_connect(c, fd, fd, false);
	if (ret)
		return log_err("%s: pty: %s", c->opt, strerror(-ret));
	/* scripts look for QEMU's words */
	printf("char device redirected to %s (label %s)\n", p->name, c->id);
	fflush(stdout);
	return 0;

fail:
	log_err("%s: pty: %s", c->opt, strerror(errno));
fail_said:
	if (fd >= 0)
		close(fd);
	free(p);
	return -1;
}

static void pty_info(const struct chardev *c, FILE *out)
{
	const struct pty *p = c->priv;

	if (p)
		fprintf(out, " %s", p->name);
}

const struct chardev_kind chardev_pty = {
	.name = "pty",
	.desc = "a new pseudo-terminal",
	.props = pty_props,
	.open = pty_open,
	.closed = pty_closed,
	.info = pty_info,
};

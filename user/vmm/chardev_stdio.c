// SPDX-License-Identifier: GPL-2.0
/*
 * Standard input and output as a character device. A terminal is put into raw mode, and back on
 * every way out, fatal signals included.
 */
#define _GNU_SOURCE
#include "chardev_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "../lib/log.h"

static const struct prop stdio_props[] = {
	PROP("signal", PROP_ONOFFAUTO, struct chardev_opts, signal,
	     .help = "Ctrl-C ends the VMM; auto: unless mux=on"),
	PROP("mux", PROP_BOOL, struct chardev_opts, mux,
	     .help = "several readers, Ctrl-A commands"),
	{ .type = PROP_END },
};

/* Written once by the main thread, before handlers that read it are installed. */
static struct termios tty_old, tty_raw;
static volatile sig_atomic_t tty_is_raw;
static int stdout_flags = -1;	/* to restore, if O_NONBLOCK had to be set */
static struct chardev *stdio_user;

void tty_restore(void)
{
	/* in the background it is the shell's, and changing it would stop us for good */
	if (tty_is_raw && tcgetpgrp(STDIN_FILENO) == getpgrp())
		tcsetattr(STDIN_FILENO, TCSANOW, &tty_old);
	tty_is_raw = 0;
	if (stdout_flags >= 0)
		fcntl(STDOUT_FILENO, F_SETFL, stdout_flags);
	stdout_flags = -1;
}

static void on_fatal(int sig)
{
	tty_restore();
	raise(sig);	/* SA_RESETHAND: ends the process */
}

static void tty_setup(bool isig)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT, SIGSYS };
	struct sigaction sa = { .sa_handler = on_fatal, .sa_flags = SA_RESETHAND };
	size_t i;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &tty_old))
		return;
	/* in the background, changing the terminal would stop us */
	if (tcgetpgrp(STDIN_FILENO) != getpgrp())
		return;
	tty_raw = tty_old;
	tty_raw.c_iflag &=
		~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	/* output stays processed: messages to people end in a plain newline */
	tty_raw.c_oflag |= OPOST;
	tty_raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
	if (!isig)
		tty_raw.c_lflag &= ~(tcflag_t)ISIG;
	tty_raw.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
	tty_raw.c_cflag |= CS8;
	tty_raw.c_cc[VMIN] = 1;
	tty_raw.c_cc[VTIME] = 0;
	atexit(tty_restore);
	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &sa, NULL);
	if (!tcsetattr(STDIN_FILENO, TCSANOW, &tty_raw))
		tty_is_raw = 1;
}

void chardev_resume(void)
{
	if (tty_is_raw && tcgetpgrp(STDIN_FILENO) == getpgrp())
		tcsetattr(STDIN_FILENO, TCSANOW, &tty_raw);
}

/*
 * A descriptor for output that does not block. O_NONBLOCK on standard output itself would hit every
 * process that shares it, the user's shell first: open it anew where that is possible.
 */
static int stdout_open(void)
{
	struct stat st;
	int fd, flags;

	if (fstat(STDOUT_FILENO, &st))
		return -errno;
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) {
		/* a socket cannot be opened anew */
		fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		flags = fcntl(STDOUT_FILENO, F_GETFL);
		if (flags >= 0 && !(flags & O_NONBLOCK)) {
			stdout_flags = flags;
			fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK);
			atexit(tty_restore);
		}
	}
	fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

static int stdio_open(struct chardev *c)
{
	int in, out, ret;

	if (stdio_user)
		return log_err("%s: standard input and output already serve %s", c->opt,
			       stdio_user->id);
	if (c->lent) {
		stdio_user = c;
		return 0;
	}
	out = stdout_open();
	if (out < 0)
		return log_err("%s: standard output: %s", c->opt, strerror(-out));
	/* a closed standard input is an empty one */
	in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	stdio_user = c;
	/* not as a socket, even if they are one: it would hang up at the end of input */
	ret = chardev_connect(c, in, out, false);
	if (ret)
		return log_err("%s: standard input and output: %s", c->opt, strerror(-ret));
	tty_setup(c->o.signal == PROP_AUTO ? !c->o.mux : c->o.signal == PROP_ON);
	return 0;
}

static void stdio_closed(struct chardev *c, bool final)
{
	if (!final || stdio_user != c)
		return;
	tty_restore();
	stdio_user = NULL;
}

const struct chardev_kind chardev_stdio = {
	.name = "stdio",
	.desc = "standard input and output",
	.props = stdio_props,
	.open = stdio_open,
	.closed = stdio_closed,
};

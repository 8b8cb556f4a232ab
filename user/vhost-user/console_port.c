// SPDX-License-Identifier: GPL-2.0
/* The host's side of ports, see console.h: options, and what they open. */
#define _GNU_SOURCE
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "endpoint.h"
#include "lib/log.h"
#include "lib/prop.h"

enum { STDIO, PTY, SOCKET, FILE_, NULL_ };

static const char *const backends[] = { "stdio", "pty", "socket", "file", "null", NULL };

struct port_opts {
	int backend;
	char *name;
	bool console;
	uint32_t nr;
	char *path;
	enum prop_onoffauto append;
	char *fd;
	enum prop_onoffauto server;
	enum prop_onoffauto signal;
};

static const struct prop props[] = {
	PROP("backend", PROP_ENUM, struct port_opts, backend, .names = backends, .required = true),
	PROP("name", PROP_STR, struct port_opts, name),
	PROP("console", PROP_BOOL, struct port_opts, console, .def = "off"),
	PROP("nr", PROP_U32, struct port_opts, nr, .min = 1, .max = CONSOLE_PORTS_MAX - 1),
	PROP("path", PROP_STR, struct port_opts, path),
	PROP("append", PROP_ONOFFAUTO, struct port_opts, append, .def = "auto"),
	PROP("fd", PROP_STR, struct port_opts, fd),
	PROP("server", PROP_ONOFFAUTO, struct port_opts, server, .def = "auto"),
	PROP("signal", PROP_ONOFFAUTO, struct port_opts, signal, .def = "auto"),
	{ 0 }
};

/* The terminal that is standard input: as it was, and whether its keys send signals */
static struct {
	bool used;
	bool signal;
	struct termios old;
	struct sigaction term, intr;
	struct console *c;
} tty;

/* --- back ends. Return: 0, or -1 after one logged line --- */

/*
 * A terminal or a pipe is opened once more, to be non-blocking here and not for whoever else has it. Of files
 * the position is shared, and sockets cannot be opened.
 */
static int open_again(int fd, int flags)
{
	struct stat st;
	char path[32];
	int new = -1;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!fstat(fd, &st) && (S_ISFIFO(st.st_mode) || isatty(fd)))
		new = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return new >= 0 ? new : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int open_stdio(struct console_port *p, const struct port_opts *o)
{
	if (tty.used)
		return log_err("--port=stdio: one port has it already");
	tty.used = true;
	tty.signal = o->signal != PROP_OFF;
	p->in = open_again(STDIN_FILENO, O_RDONLY);
	p->out = open_again(STDOUT_FILENO, O_WRONLY);
	if (p->in < 0 || p->out < 0)
		return log_err("--port=stdio: %s", strerror(errno));
	if (isatty(p->in))
		p->terminal = p->in;
	p->turns = 1;
	return 0;
}

static int open_pty(struct console_port *p, const struct port_opts *o)
{
	struct termios t;
	char name[64];

	p->pty = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (p->pty < 0 || grantpt(p->pty) || unlockpt(p->pty) || ptsname_r(p->pty, name, sizeof(name)) ||
	    tcgetattr(p->pty, &t))
		return log_err("--port=pty: %s", strerror(errno));
	cfmakeraw(&t);
	tcsetattr(p->pty, TCSANOW, &t);
	p->pty_opened = inotify_init1(IN_CLOEXEC);
	if (p->pty_opened < 0 || inotify_add_watch(p->pty_opened, name, IN_OPEN) < 0)
		return log_err("--port=pty: %s: %s", name, strerror(errno));
	p->terminal = p->pty;
	log_info("port %s: %s", o->name ?: "console", name);
	return 0;
}

static int open_connected(struct console_port *p, int fd)
{
	p->in = fd;
	p->out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	p->in_is_socket = true;
	p->turns = 1;
	return p->out < 0 ? log_err("--port=socket: %s", strerror(errno)) : 0;
}

static int open_client(struct console_port *p, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		return log_err("--port=socket,path=%s: %s", path, strerror(ENAMETOOLONG));
	strcpy(addr.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return log_err("--port=socket,path=%s: %s", path, strerror(errno));
	return open_connected(p, fd);
}

static int open_socket(struct console_port *p, struct port_opts *o)
{
	int fd, listening;

	if (!o->path == !o->fd)
		return log_err("--port=socket: it takes one of path=PATH and fd=N");
	if (o->path && o->server != PROP_ON)
		return open_client(p, o->path);
	if (o->path) {
		p->listener = vu_listen("--port=socket,path", o->path);
		/* Its name is used to the end. */
		o->path = NULL;
		return p->listener < 0 ? -1 : 0;
	}
	listening = parse_fd(o->fd, &fd) ? -EBADF : vu_is_listening(fd);
	if (listening < 0)
		return log_err("--port=socket,fd=%s: it takes the number of an open socket", o->fd);
	if (!listening)
		return open_connected(p, fd);
	p->listener = fd;
	return 0;
}

static int open_file(struct console_port *p, const struct port_opts *o)
{
	if (!o->path)
		return log_err("--port=file: it takes a path=PATH");
	p->out = open(o->path, O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC |
		      (o->append == PROP_ON ? O_APPEND : O_TRUNC), 0666);
	if (p->out < 0)
		return log_err("--port=file,path=%s: %s", o->path, strerror(errno));
	p->turns = 1;
	return 0;
}

static int open_backend(struct console_port *p, struct port_opts *o)
{
	switch (o->backend) {
	case STDIO:
		return open_stdio(p, o);
	case PTY:
		return open_pty(p, o);
	case SOCKET:
		return open_socket(p, o);
	case FILE_:
		return open_file(p, o);
	default:
		p->turns = 1;
		return 0;
	}
}

/* --- options --- */

static int opts_check(const struct console *c, const struct port_opts *o, const char *arg)
{
	unsigned int i;

	if (o->path && o->backend != SOCKET && o->backend != FILE_)
		return log_err("--port=%s: path is for a socket or a file", arg);
	if ((o->fd || o->server != PROP_AUTO) && o->backend != SOCKET)
		return log_err("--port=%s: fd and server are for a socket", arg);
	if (o->append != PROP_AUTO && o->backend != FILE_)
		return log_err("--port=%s: append is for a file", arg);
	if (o->signal != PROP_AUTO && o->backend != STDIO)
		return log_err("--port=%s: signal is for stdio", arg);
	if (o->name && (!*o->name || strlen(o->name) > CONSOLE_NAME_MAX))
		return log_err("--port=%s: a name has 1 to %u bytes", arg, CONSOLE_NAME_MAX);
	for (i = 0; i < c->nr && o->name; i++)
		if (c->port[i].name && !strcmp(c->port[i].name, o->name))
			return log_err("--port=%s: another port has this name", arg);
	return c->nr == CONSOLE_PORTS_MAX ? log_err("--port=%s: there are %u ports, no more", arg, c->nr) : 0;
}

static const struct console_port no_port = {
	.listener = -1,
	.pty = -1,
	.pty_opened = -1,
	.terminal = -1,
	.in = -1,
	.out = -1,
	.handed = HANDED_NOTHING,
};

int console_add(struct console *c, const char *arg)
{
	struct console_port *p = &c->port[c->nr];
	struct port_opts o = { 0 };
	struct keyvals kvs;
	int ret;

	if (keyvals_parse(&kvs, "--port", "backend", arg))
		return -1;
	ret = props_apply(props, &o, "--port", &kvs);
	keyvals_free(&kvs);
	if (!ret)
		ret = opts_check(c, &o, arg);
	if (!ret) {
		*p = no_port;
		ret = open_backend(p, &o);
	}
	if (!ret) {
		p->exists = true;
		p->console = o.console;
		p->number = o.nr;
		p->name = o.name;
		o.name = NULL;
		c->nr++;
	}
	props_free(props, &o);
	return ret;
}

/* Those that have a number first. Return: 0, or -1 after one logged line */
static int number_given(struct console *c, unsigned int nr, struct console_port **at)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		unsigned int n = c->port[i].number;

		if (n && at[n])
			return log_err("--port: nr=%u given twice", n);
		if (n)
			at[n] = &c->port[i];
	}
	return 0;
}

int console_number(struct console *c)
{
	struct console_port *at[CONSOLE_PORTS_MAX] = { NULL }, placed[CONSOLE_PORTS_MAX];
	unsigned int nr = c->nr, i, n = 1;

	if (!nr)
		return log_err("--port=BACKEND is needed; see --help");
	if (number_given(c, nr, at))
		return -1;
	for (i = 0; i < nr; i++) {
		if (c->port[i].number)
			continue;
		if (c->port[i].console && !at[0]) {
			at[0] = &c->port[i];
			continue;
		}
		while (n < CONSOLE_PORTS_MAX && at[n])
			n++;
		if (n == CONSOLE_PORTS_MAX)
			return log_err("--port: without a console there are at most %u ports", CONSOLE_PORTS_MAX - 1);
		at[n] = &c->port[i];
	}
	for (i = 0; i < CONSOLE_PORTS_MAX; i++) {
		placed[i] = at[i] ? *at[i] : no_port;
		if (at[i])
			c->nr = i + 1;
	}
	memcpy(c->port, placed, sizeof(placed));
	return 0;
}

/* --- terminals --- */

bool console_size(const struct console_port *p, uint16_t *cols, uint16_t *rows)
{
	struct winsize w;

	if (p->terminal < 0 || ioctl(p->terminal, TIOCGWINSZ, &w) || !w.ws_col || !w.ws_row)
		return false;
	*cols = w.ws_col;
	*rows = w.ws_row;
	return true;
}

void console_config(const struct console *c, struct virtio_console_config *config)
{
	uint16_t cols = 0, rows = 0;

	console_size(&c->port[0], &cols, &rows);
	*config = (struct virtio_console_config){
		.cols = htole16(cols),
		.rows = htole16(rows),
		.max_nr_ports = htole32(c->nr),
	};
}

static void restore(void)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &tty.old);
}

static void end(int sig)
{
	restore();
	(sig == SIGTERM ? &tty.term : &tty.intr)->sa_handler(sig);
}

static void resized(int sig)
{
	unsigned int i;

	(void)sig;
	for (i = 0; i < tty.c->nr; i++)
		if (tty.c->port[i].console && tty.c->d->queue[CONSOLE_Q_CONTROL_RX])
			console_tell(tty.c, &tty.c->port[i], 1U << TELL_SIZE);
}

void console_terminal(struct console *c)
{
	struct sigaction sa = { .sa_handler = end }, winch = { .sa_handler = resized, .sa_flags = SA_RESTART };
	struct termios t;

	tty.c = c;
	if (!tty.used || tcgetattr(STDIN_FILENO, &tty.old))
		return;
	t = tty.old;
	t.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	t.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN | (tty.signal ? 0 : ISIG));
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	atexit(restore);
	sigaction(SIGTERM, &sa, &tty.term);
	sigaction(SIGINT, &sa, &tty.intr);
	sigaction(SIGWINCH, &winch, NULL);
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

// SPDX-License-Identifier: GPL-2.0
/* Programs beside the VMM, see process.h. */
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/clock.h"
#include "../lib/log.h"

#define CHILD_STACK	(64 << 10)
#define PATIENCE_MS	3000
#define ANSWER_MS	5000

/* ---- arguments ---- */

unsigned int process_args(const struct process *p)
{
	unsigned int n = 0;

	while (p->argv[n])
		n++;
	return n;
}

/* In place of what is there. Return: 0; -ENOMEM, nothing has changed */
static int arg_set(char **arg, const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		return -ENOMEM;
	free(*arg);
	*arg = text;
	return 0;
}

int process_arg(struct process *p, const char *fmt, ...)
{
	unsigned int n = process_args(p);
	va_list ap;
	int err;

	if (n == PROCESS_ARGS - 1)
		return -E2BIG;
	va_start(ap, fmt);
	err = arg_set(&p->argv[n], fmt, ap);
	va_end(ap);
	return err;
}

int process_arg_again(struct process *p, const char *fmt, ...)
{
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = arg_set(&p->argv[process_args(p) - 1], fmt, ap);
	va_end(ap);
	return err;
}

FILE *process_arg_open(struct process *p)
{
	p->pieces = NULL;
	return open_memstream(&p->pieces, &p->pieces_len);
}

int process_arg_close(struct process *p, FILE *out)
{
	int err = fclose(out) ? -ENOMEM : process_arg(p, "%s", p->pieces);

	free(p->pieces);
	p->pieces = NULL;
	return err;
}

int process_init(struct process *p, const char *name)
{
	*p = (struct process){ .name = name, .from = "make user", .pidfd = -1 };
	return process_arg(p, "%s", name) || process_arg(p, "--fd=%d", PROCESS_SOCKET) ? -ENOMEM : 0;
}

int process_init_foreign(struct process *p, const char *name, const char *from)
{
	*p = (struct process){ .name = name, .from = from, .foreign = true, .pidfd = -1 };
	return process_arg(p, "%s", name);
}

void process_args_cut(struct process *p, unsigned int n)
{
	unsigned int i;

	for (i = n; p->argv[i]; i++) {
		free(p->argv[i]);
		p->argv[i] = NULL;
	}
}

void process_free(struct process *p)
{
	process_args_cut(p, 0);
}

int process_control(struct process *p)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv))
		return -errno;
	p->extra[p->nr_extra++] = sv[1];
	return sv[0];
}

/* ---- its control socket ---- */

/* They take room, and are none to the next question. */
static void answers_drop(int control)
{
	char buf[256];

	while (read(control, buf, sizeof(buf)) > 0)
		;
}

int process_tell(int control, const char *line, int fd)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} u = { .h = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { (char *)line, strlen(line) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = &u;
		m.msg_controllen = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&u.h), &fd, sizeof(fd));
	}
	answers_drop(control);
	return sendmsg(control, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

char *process_answer(int control, char *line, size_t size)
{
	uint64_t end = clock_ns() + ANSWER_MS * 1000000ull, now;
	struct pollfd p = { .fd = control, .events = POLLIN };
	size_t len = 0;
	ssize_t n;

	while (len < size && (now = clock_ns()) < end && poll(&p, 1, (int)((end - now) / 1000000) + 1) == 1 &&
	       (n = read(control, line + len, size - len)) > 0) {
		len += (size_t)n;
		if (line[len - 1] != '\n')
			continue;
		line[len - 1] = 0;
		return line;
	}
	return NULL;
}

/* ---- starting ---- */

/* Return: 0 and the program's path, that of the VMM's folder if it is there; else -errno */
static int find(const char *name, char *path)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	const char *dirs = getenv("PATH");
	const char *end;
	char *slash;

	path[n < 0 ? 0 : n] = 0;
	slash = strrchr(path, '/');
	if (slash) {
		snprintf(slash + 1, PATH_MAX - (size_t)(slash + 1 - path), "%s", name);
		if (!access(path, X_OK))
			return 0;
	}
	for (; dirs && *dirs; dirs = *end ? end + 1 : end) {
		end = strchrnul(dirs, ':');
		snprintf(path, PATH_MAX, "%.*s/%s", (int)(end - dirs), dirs, name);
		if (*dirs == '/' && !access(path, X_OK))
			return 0;
	}
	return -ENOENT;
}

/* struct child - what it needs between clone() and execve(), in memory that both see; @err: out */
struct child {
	const char *path;
	char *const *argv;
	int sock, null;
	int extra[PROCESS_EXTRAS];
	unsigned int nr_extra;
	bool stdio, quiet;
	pid_t parent;
	sigset_t mask;
	int err;
};

/*
 * In the child, which has the parent's memory and descriptors of its own; the parent sleeps. A session of
 * its own keeps it from the terminal's signals, and from being stopped for what it writes there.
 */
static int child_run(void *arg)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	struct child *c = arg;
	unsigned int i;

	setsid();
	sigaction(SIGPIPE, &dfl, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		goto out;
	/* it may have gone before it was asked for */
	if (getppid() != c->parent)
		_exit(1);
	if ((!c->stdio && (dup2(c->null, STDIN_FILENO) < 0 || dup2(c->null, STDOUT_FILENO) < 0)) ||
	    (c->quiet && dup2(c->null, STDERR_FILENO) < 0) || dup2(c->sock, PROCESS_SOCKET) < 0)
		goto out;
	for (i = 0; i < c->nr_extra; i++)
		if (dup2(c->extra[i], PROCESS_EXTRA + (int)i) < 0)
			goto out;
	if (syscall(SYS_close_range, PROCESS_EXTRA + c->nr_extra, UINT_MAX, 0))
		goto out;
	sigprocmask(SIG_SETMASK, &c->mask, NULL);
	execv(c->path, c->argv);
out:
	c->err = errno;
	_exit(1);
}

/* clone() instead of fork(): no page of a running guest's VMM becomes copy-on-write, and there is a pidfd */
static int child_start(struct process *p, struct child *c)
{
	sigset_t all, old;
	char *stack = malloc(CHILD_STACK);
	pid_t pid;

	if (!stack)
		return -ENOMEM;
	sigemptyset(&c->mask);
	sigfillset(&all);
	/* no handler of ours runs in the child */
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = clone(child_run, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, c, &p->pidfd);
	if (pid < 0)
		c->err = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	free(stack);
	if (pid < 0) {
		p->pidfd = -1;
		return -c->err;
	}
	p->pid = pid;
	if (c->err) {
		char how[64];

		process_reap(p, how, sizeof(how));
	}
	return -c->err;
}

/* A copy, out of the way of those that the child replaces. Return: it, or -errno */
static int copy_up(int fd)
{
	int new = fcntl(fd, F_DUPFD_CLOEXEC, PROCESS_EXTRA + PROCESS_EXTRAS);

	return new < 0 ? -errno : new;
}

/* Return: 0 or -errno */
static int move_up(int *fd)
{
	int new = copy_up(*fd);

	if (new < 0)
		return new;
	close(*fd);
	*fd = new;
	return 0;
}

/* The same for copies of those that are the caller's. */
static int extra_copy(const struct process *p, struct child *c)
{
	int fd;

	while (c->nr_extra < p->nr_extra) {
		fd = copy_up(p->extra[c->nr_extra]);
		if (fd < 0)
			return fd;
		c->extra[c->nr_extra++] = fd;
	}
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/*
 * A socket that listens, sv[1], and one that is connected to it. Its name is in a folder of ours and has gone when it
 * is handed on, so that we stay the only one.
 */
static int listening_pair(int sv[2])
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *tmp = getenv("TMPDIR");
	char dir[sizeof(addr.sun_path) - 2];
	int err = 0;

	if (!tmp || *tmp != '/' || strlen(tmp) > sizeof(dir) / 2)
		tmp = "/tmp";
	snprintf(dir, sizeof(dir), "%s/shunt-XXXXXX", tmp);
	if (!mkdtemp(dir))
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", dir);
	sv[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sv[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sv[0] < 0 || sv[1] < 0 || bind(sv[1], (struct sockaddr *)&addr, sizeof(addr)) || listen(sv[1], 1) ||
	    connect(sv[0], (struct sockaddr *)&addr, sizeof(addr)))
		err = -errno;
	unlink(addr.sun_path);
	rmdir(dir);
	return err;
}

static int socket_pair(const struct process *p, int sv[2])
{
	if (p->foreign)
		return listening_pair(sv);
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) ? -errno : 0;
}

int process_start(struct process *p, const char *opt)
{
	struct child c = { .argv = p->argv, .stdio = p->stdio, .quiet = p->quiet, .parent = getpid(), .null = -1 };
	char path[PATH_MAX];
	int sv[2] = { -1, -1 };
	int err;

	c.path = path;
	err = find(p->name, path);
	if (err)
		return log_err("%s: no %s beside shunt or in PATH (%s)", opt, p->name, p->from), err;
	c.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	err = c.null < 0 ? -errno : socket_pair(p, sv);
	c.sock = sv[1];
	if (!err)
		err = move_up(&c.null) ?: move_up(&c.sock) ?: extra_copy(p, &c) ?: child_start(p, &c);
	close_fd(c.null);
	close_fd(c.sock);
	while (c.nr_extra)
		close(c.extra[--c.nr_extra]);
	if (!err)
		return sv[0];
	close_fd(sv[0]);
	log_err("%s: starting %s: %s", opt, path, strerror(-err));
	return err;
}

/* ---- ending ---- */

static void send_signal(const struct process *p, int sig)
{
	if (p->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0);
}

void process_kill(const struct process *p)
{
	send_signal(p, SIGKILL);
}

bool process_wait(const struct process *p, int ms)
{
	struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };
	int n;

	if (p->pidfd < 0)
		return true;
	do {
		n = poll(&pfd, 1, ms);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

int process_reap(struct process *p, char *how, size_t len)
{
	siginfo_t si = { 0 };
	int ret = 1;

	snprintf(how, len, "does not end");
	if (p->pidfd < 0)
		return ret;
	/* What is stuck in the kernel for good is left to it. */
	if (process_wait(p, PATIENCE_MS) && !waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED)) {
		if (si.si_code == CLD_EXITED)
			snprintf(how, len, "ended with status %d", si.si_status);
		else
			snprintf(how, len, "was killed by signal %d", si.si_status);
		ret = si.si_code != CLD_EXITED || si.si_status != 1;
	}
	close(p->pidfd);
	p->pidfd = -1;
	p->pid = 0;
	return ret;
}

void process_end(struct process *p)
{
	char how[64];

	send_signal(p, SIGTERM);
	if (!process_wait(p, PATIENCE_MS))
		process_kill(p);
	process_reap(p, how, sizeof(how));
}

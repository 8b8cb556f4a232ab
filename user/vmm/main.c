// SPDX-License-Identifier: GPL-2.0
/*
 * shunt: from the command line to a running machine, and back to nothing.
 *
 * Everything is undone in reverse order on every way out; the process leaves no socket, pidfile,
 * interface or changed terminal behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <poll.h>

#include "../lib/log.h"
#include "../lib/loop.h"
#include "blockdev.h"
#include "chardev.h"
#include "cmdline.h"
#include "device.h"
#include "gdb.h"
#include "monitor.h"
#include "netdev.h"
#include "qmp.h"
#include "vhost_kernel.h"
#include "vhost_user.h"
#include "vm.h"

static struct vm_config cfg;
static struct vm vm;

/* ---- -daemonize: the parent stays until the machine is there ---- */

static int ready_fd = -1;

/* Parent: the exit status that the child reports, or 1 if it ended without a word. */
static int daemon_wait(int fd, pid_t child)
{
	char status = 1;
	ssize_t n;

	do {
		n = read(fd, &status, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return status;
	waitpid(child, NULL, 0);
	return 1;
}

/* Return: in the child -1; in the parent its exit status */
static int daemonize(void)
{
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC)) {
		log_err("-daemonize: %s", strerror(errno));
		return 1;
	}
	pid = fork();
	if (pid < 0) {
		log_err("-daemonize: %s", strerror(errno));
		return 1;
	}
	if (pid) {
		close(p[1]);
		return daemon_wait(p[0], pid);
	}
	close(p[0]);
	ready_fd = p[1];
	setsid();
	return -1;
}

static void daemon_ready(void)
{
	int null;

	if (ready_fd < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	/* a parent that was killed needs no answer */
	if (write(ready_fd, "", 1) != 1)
		null = -1;
	close(ready_fd);
	ready_fd = -1;
}

/* ---- -pidfile ---- */

static int pid_fd = -1;

static int pidfile_write(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK };
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", getpid());

	if (!path)
		return 0;
	pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (pid_fd < 0)
		return log_err("-pidfile %s: %s", path, strerror(errno));
	/* held as long as the process lives */
	if (fcntl(pid_fd, F_SETLK, &lock)) {
		log_err("-pidfile %s: %s", path, errno == EAGAIN || errno == EACCES ?
			"another process holds it" : strerror(errno));
		goto fail;
	}
	if (ftruncate(pid_fd, 0) || write(pid_fd, text, (size_t)len) != len) {
		log_err("-pidfile %s: %s", path, strerror(errno));
		goto fail;
	}
	return 0;

fail:
	close(pid_fd);
	pid_fd = -1;
	return -1;
}

static void pidfile_remove(const char *path)
{
	if (pid_fd < 0)
		return;
	unlink(path);
	close(pid_fd);
	pid_fd = -1;
}

/* ---- signals: on the loop, like everything else ---- */

static struct loop_fd sig_watch = { .fd = -1 };
static struct loop *the_loop;
static bool asked_to_end;

static void on_signal(struct loop_fd *w, short revents)
{
	struct signalfd_siginfo si;

	(void)revents;
	if (read(w->fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGCONT) {
		chardev_resume();
		return;
	}
	asked_to_end = true;
	qmp_send_event(QMP_SHUTDOWN, json_pack("{s:b, s:s}", "guest", 0, "reason", "host-signal"));
	loop_stop(the_loop);
}

/* Before the first thread, so that all inherit the mask. */
static int signals_block(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGCONT);
	signal(SIGPIPE, SIG_IGN);
	return sigprocmask(SIG_BLOCK, set, NULL);
}

static int signals_watch(struct loop *l, const sigset_t *set)
{
	int ret;

	sig_watch.fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sig_watch.fd < 0)
		return log_err("signalfd: %s", strerror(errno));
	sig_watch.events = POLLIN;
	sig_watch.fn = on_signal;
	ret = loop_fd_add(l, &sig_watch);
	if (ret) {
		close(sig_watch.fd);
		sig_watch.fd = -1;
		return log_err("signalfd: %s", strerror(-ret));
	}
	return 0;
}

static void signals_unwatch(struct loop *l)
{
	if (sig_watch.fd < 0)
		return;
	loop_fd_del(l, &sig_watch);
	close(sig_watch.fd);
}

/* ---- the machine ---- */

static int devices_create(void)
{
	unsigned int i;

	for (i = 0; i < cfg.nr_devices; i++) {
		const struct device_type *type = cfg.device[i].type;

		if (type->create && type->create(type, &vm, cfg.device[i].id, cfg.device[i].props))
			return -1;
	}
	return 0;
}

static int monitor_open(struct loop *l)
{
	const char *spec = cfg.monitor;
	struct chardev *c;
	unsigned int i;

	for (i = 0; i < cfg.nr_qmp; i++) {
		c = chardev_from_spec(&vm, "-qmp", cfg.qmp[i]);
		if (!c || qmp_add(&vm, l, c))
			return -1;
	}

	if (!spec)
		return 0;
	/* "mon:" would put a second one behind it */
	if (!strncmp(spec, "mon:", 4))
		spec += 4;
	c = chardev_from_spec(&vm, "-monitor", spec);
	return c ? monitor_add(&vm, l, c) : -1;
}

static int debugger_open(struct loop *l)
{
	struct chardev *c = cfg.gdb ? chardev_from_spec(&vm, "-gdb", cfg.gdb) : NULL;

	if (!cfg.gdb)
		return 0;
	return c ? gdb_add(&vm, l, c) : -1;
}

/* Return: the process's exit status */
static int run(struct loop *l)
{
	/* drives first: opening them changes nothing */
	if (blockdev_open_all() || netdev_open_all() || chardev_open_all(&vm, l) || monitor_open(l))
		return 1;
	if (vm_create(&vm, &cfg, l) || devices_create() || vm_ready(&vm) || debugger_open(l))
		return asked_to_end ? 0 : 1;
	blockdev_watch(&vm);
	/* a signal, or the monitor's quit */
	if (!chardev_wait() || asked_to_end)
		return asked_to_end ? 0 : vm_exit_status(&vm);
	if (!cfg.start_paused && vm_start(&vm))
		return 1;
	daemon_ready();
	if (loop_run(l))
		return 1;
	return asked_to_end ? 0 : vm_exit_status(&vm);
}

static int supervise(const sigset_t *set)
{
	struct loop *l;
	int status = 1;

	if (pidfile_write(cfg.pidfile))
		return 1;
	l = loop_new();
	if (!l)
		goto out;
	the_loop = l;
	if (!signals_watch(l, set))
		status = run(l);
	vhost_kernel_ending();
	vhost_user_ending();
	vm_destroy(&vm);
	gdb_free();
	netdev_close_all();
	blockdev_close_all();
	monitor_free_all();
	qmp_free_all();
	chardev_close_all();
	signals_unwatch(l);
	loop_free(l);
out:
	pidfile_remove(cfg.pidfile);
	return status;
}

int main(int argc, char **argv)
{
	sigset_t set;
	int status;

	log_init("shunt");
	/* one arena: an allocation in a vCPU thread must not cost a heap for each of them */
	mallopt(M_ARENA_MAX, 1);
	switch (cmdline_parse(&cfg, argc, argv)) {
	case CMDLINE_RUN:
		break;
	case CMDLINE_DONE:
		status = fflush(stdout) ? 1 : 0;
		goto out;
	default:
		status = 1;
		goto out;
	}
	if (cfg.process_name)
		prctl(PR_SET_NAME, cfg.process_name);
	if (cfg.daemonize) {
		status = daemonize();
		if (status >= 0)
			goto out;
	}
	signals_block(&set);
	status = supervise(&set);
out:
	/* a command line that was refused half-way left these */
	netdev_close_all();
	blockdev_close_all();
	chardev_close_all();
	cmdline_free(&cfg);
	return status;
}

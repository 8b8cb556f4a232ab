// SPDX-License-Identifier: GPL-2.0
/*
 * The process around the machine: terminal, signals, pidfile, background, monitor; what a user sees
 * and what is left when it has gone. Guests are payloads that wait (serial_in) or end at once
 * (exit).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define LIMIT_MS 20000

static char shunt[PATH_MAX], payload[PATH_MAX], dir[64];

/* ---- a child, its terminal or pipes ---- */

struct child {
	pid_t pid;
	int fd;			/* its terminal, or its standard output */
	char out[16384];
	size_t len;
};

static void make_args(char *argv[64], const char *fmt, va_list ap, char *line, size_t len)
{
	int n = 0;
	char *save, *w;

	vsnprintf(line, len, fmt, ap);
	argv[n++] = shunt;
	for (w = strtok_r(line, " ", &save); w && n < 63; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	argv[n] = NULL;
}

/* @tty: its controlling terminal is a new one */
static void start(struct child *c, bool tty, const char *fmt, ...)
{
	char line[4096], *argv[64], name[64];
	int fd, p[2];
	va_list ap;

	va_start(ap, fmt);
	make_args(argv, fmt, ap, line, sizeof(line));
	va_end(ap);
	memset(c, 0, sizeof(*c));
	if (tty) {
		c->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		assert_true(c->fd >= 0);
		assert_int_equal(grantpt(c->fd) || unlockpt(c->fd), 0);
		ptsname_r(c->fd, name, sizeof(name));
		p[1] = -1;
	} else {
		assert_int_equal(pipe2(p, O_CLOEXEC), 0);
		c->fd = p[0];
	}
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (!c->pid) {
		if (tty) {
			setsid();
			fd = open(name, O_RDWR);
			dup2(fd, 0);
			dup2(fd, 1);
			dup2(fd, 2);
			close(fd);
		} else {
			fd = open("/dev/null", O_RDONLY);
			dup2(fd, 0);
			dup2(p[1], 1);
			dup2(p[1], 2);
			close(fd);
		}
		execv(argv[0], argv);
		_exit(127);
	}
	if (p[1] >= 0)
		close(p[1]);
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Read until @word was seen; what follows it stays for the next call. */
static void expect_fd(int fd, struct child *c, const char *word)
{
	long end = now_ms() + LIMIT_MS;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char *at;
	ssize_t n;

	for (;;) {
		c->out[c->len] = 0;
		at = strstr(c->out, word);
		if (at) {
			at += strlen(word);
			c->len -= (size_t)(at - c->out);
			memmove(c->out, at, c->len + 1);
			return;
		}
		if (now_ms() > end || poll(&pfd, 1, 1000) < 0)
			break;
		if (!pfd.revents)
			continue;
		n = read(fd, c->out + c->len, sizeof(c->out) - 1 - c->len);
		if (n <= 0)
			break;
		c->len += (size_t)n;
	}
	fail_msg("no '%s' in: %s", word, c->out);
}

static void expect(struct child *c, const char *word)
{
	expect_fd(c->fd, c, word);
}

static void type(struct child *c, const char *s)
{
	assert_int_equal(write(c->fd, s, strlen(s)), strlen(s));
}

/* Return: what waitpid() gives */
static int end(struct child *c)
{
	long until = now_ms() + LIMIT_MS;
	int status = 0;
	pid_t pid;

	while (!(pid = waitpid(c->pid, &status, WNOHANG)) && now_ms() < until)
		usleep(2000);
	if (!pid) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, &status, 0);
		fail_msg("it does not end");
	}
	return status;
}

static void end_status(struct child *c, int want)
{
	int status = end(c);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), want);
	close(c->fd);
}

static bool tty_is_raw(int master)
{
	struct termios t;

	assert_int_equal(tcgetattr(master, &t), 0);
	return !(t.c_lflag & ICANON) && !(t.c_lflag & ECHO);
}

static int unix_connect(const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	long until = now_ms() + LIMIT_MS;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s", dir, name);
	while (connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
		if (now_ms() > until)
			fail_msg("%s: %s", sun.sun_path, strerror(errno));
		usleep(2000);
	}
	return fd;
}

static bool exists(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !lstat(path, &st);
}

static pid_t read_pid(const char *name)
{
	char path[128];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

#define WAITS "-m 32 -no-reboot -device isa-debug-exit -kernel %s/serial_in.elf "
#define ENDS "-m 32 -no-reboot -device isa-debug-exit -kernel %s/exit.elf "

/* ---- tests ---- */

static void test_terminal(void **state)
{
	struct child c;

	(void)state;
	/* the default: serial and monitor on the terminal */
	start(&c, true, WAITS, payload);
	expect(&c, "# ready");
	assert_true(tty_is_raw(c.fd));
	type(&c, "\001h");
	expect(&c, "Ctrl-A X");
	type(&c, "\001c");
	expect(&c, "(shunt) ");
	type(&c, "info versionx\177\r");
	expect(&c, "shunt 0.");
	expect(&c, "(shunt) ");
	type(&c, "info status\r");
	expect(&c, "VM status: running");
	type(&c, "info memory\r");
	expect(&c, "memory: 32 MiB");
	type(&c, "info chardev\r");
	expect(&c, "serial0: stdio");
	type(&c, "nonsense\r");
	expect(&c, "unknown command: 'nonsense'");
	type(&c, "quit\r");
	assert_int_equal(end(&c), 0);
	assert_false(tty_is_raw(c.fd));
	close(c.fd);
}

static void test_terminal_ctrl_a_x(void **state)
{
	struct child c;

	(void)state;
	start(&c, true, WAITS "-nographic", payload);
	expect(&c, "# ready");
	/* Ctrl-C is the guest's here */
	type(&c, "\003");
	type(&c, "\001x");
	assert_int_equal(end(&c), 0);
	assert_false(tty_is_raw(c.fd));
	close(c.fd);
}

static void test_terminal_ctrl_c(void **state)
{
	struct child c;

	(void)state;
	start(&c, true, WAITS "-serial stdio", payload);
	expect(&c, "# ready");
	assert_true(tty_is_raw(c.fd));
	type(&c, "\003");
	assert_int_equal(end(&c), 0);
	assert_false(tty_is_raw(c.fd));
	close(c.fd);
}

static void test_terminal_signals(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGSEGV, SIGABRT, SIGQUIT };
	struct child c;
	size_t i;
	int status;

	(void)state;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		start(&c, true, WAITS, payload);
		expect(&c, "# ready");
		assert_true(tty_is_raw(c.fd));
		kill(c.pid, signals[i]);
		status = end(&c);
		if (i < 3)
			assert_int_equal(status, 0);
		else
			assert_int_equal(WTERMSIG(status), signals[i]);
		assert_false(tty_is_raw(c.fd));
		close(c.fd);
	}
}

static void test_guest_exit_restores(void **state)
{
	struct child c;

	(void)state;
	start(&c, true, ENDS "-append code=3", payload);
	expect(&c, "leaving with 3");
	assert_int_equal(WEXITSTATUS(end(&c)), 7);
	assert_false(tty_is_raw(c.fd));
	close(c.fd);
}

static void test_stdin_ends(void **state)
{
	struct child c;

	(void)state;
	/* standard input is /dev/null: at its end, and the guest goes on */
	start(&c, false, ENDS "-append code=0", payload);
	expect(&c, "leaving with 0");
	end_status(&c, 1);
}

static void test_paused_monitor(void **state)
{
	struct child c, m = { 0 };
	int fd;

	(void)state;
	start(&c, false,
	      ENDS "-append code=5 -S -serial stdio -monitor unix:%s/mon,server=on,wait=off",
	      payload, dir);
	fd = unix_connect("mon");
	expect_fd(fd, &m, "(shunt) ");
	assert_int_equal(write(fd, "info status\n", 12), 12);
	expect_fd(fd, &m, "VM status: paused");
	assert_int_equal(write(fd, "info network\n", 13), 13);
	expect_fd(fd, &m, "no netdev");
	assert_int_equal(write(fd, "info uuid\n", 10), 10);
	expect_fd(fd, &m, "00000000-");
	assert_int_equal(write(fd, "help\n", 5), 5);
	expect_fd(fd, &m, "system_reset");
	expect_fd(fd, &m, "info memory");
	/* a second monitor user, after the first one has gone */
	close(fd);
	memset(&m, 0, sizeof(m));
	fd = unix_connect("mon");
	expect_fd(fd, &m, "(shunt) ");
	assert_int_equal(write(fd, "cont\n", 5), 5);
	expect(&c, "leaving with 5");
	end_status(&c, 11);
	close(fd);
	assert_false(exists("mon"));
}

static void test_monitor_stop_cont_reset(void **state)
{
	struct child c, m = { 0 };
	int fd;

	(void)state;
	start(&c, false, "-m 32 -device isa-debug-exit -kernel %s/serial_in.elf -serial stdio "
	      "-monitor unix:%s/mon,server=on,wait=off", payload, dir);
	expect(&c, "# ready");
	fd = unix_connect("mon");
	assert_int_equal(write(fd, "stop\ninfo status\n", 17), 17);
	expect_fd(fd, &m, "VM status: paused");
	assert_int_equal(write(fd, "cont\ninfo status\n", 17), 17);
	expect_fd(fd, &m, "VM status: running");
	assert_int_equal(write(fd, "system_reset\n", 13), 13);
	expect(&c, "# ready");
	assert_int_equal(write(fd, "quit\n", 5), 5);
	end_status(&c, 0);
	close(fd);
}

static void test_wait_for_client(void **state)
{
	struct child c;
	int fd;

	(void)state;
	start(&c, false, ENDS "-append code=0 -serial unix:%s/con,server=on", payload, dir);
	expect(&c, "waiting for a client");
	usleep(50000);
	assert_int_equal(waitpid(c.pid, NULL, WNOHANG), 0);
	fd = unix_connect("con");
	end_status(&c, 1);
	close(fd);
	assert_false(exists("con"));

	start(&c, false, ENDS "-serial unix:%s/con,server=on", payload, dir);
	expect(&c, "waiting for a client");
	kill(c.pid, SIGTERM);
	end_status(&c, 0);
	assert_false(exists("con"));

	start(&c, false, ENDS "-serial unix:%s/con,server=on -monitor unix:%s/mon,server=on,wait=off",
	      payload, dir, dir);
	expect(&c, "waiting for a client");
	fd = unix_connect("mon");
	assert_int_equal(write(fd, "quit\n", 5), 5);
	end_status(&c, 0);
	close(fd);
}

static void test_pidfile(void **state)
{
	struct child c, d;

	(void)state;
	start(&c, false, WAITS "-serial stdio -pidfile %s/pid", payload, dir);
	expect(&c, "# ready");
	assert_int_equal(read_pid("pid"), c.pid);
	start(&d, false, WAITS "-serial stdio -pidfile %s/pid", payload, dir);
	expect(&d, "another process holds it");
	end_status(&d, 1);
	assert_int_equal(read_pid("pid"), c.pid);
	kill(c.pid, SIGTERM);
	end_status(&c, 0);
	assert_false(exists("pid"));
}

static void test_daemonize(void **state)
{
	struct child c;
	long until = now_ms() + LIMIT_MS;
	pid_t pid;
	int fd;

	(void)state;
	start(&c, false, WAITS "-daemonize -pidfile %s/pid -monitor unix:%s/mon,server=on,wait=off",
	      payload, dir, dir);
	/* the parent ends when all is there, and not before */
	end_status(&c, 0);
	pid = read_pid("pid");
	assert_true(pid > 0 && pid != c.pid);
	assert_int_equal(kill(pid, 0), 0);
	assert_true(exists("mon"));
	fd = unix_connect("mon");
	assert_int_equal(write(fd, "quit\n", 5), 5);
	while (!kill(pid, 0) && now_ms() < until)
		usleep(2000);
	assert_false(exists("mon"));
	assert_false(exists("pid"));
	close(fd);
}

static void read_comm(pid_t pid, char *buf, int len)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(buf, len, f));
	fclose(f);
}

static void test_names(void **state)
{
	struct child c, m = { 0 };
	char comm[32];
	int fd;

	(void)state;
	start(&c, false, WAITS "-S -name one,,two,process=guest7 -rtc base=localtime -boot strict=on "
	      "-uuid 550e8400-e29b-41d4-a716-446655440000 -enable-kvm -cpu max -no-user-config "
	      "-serial null -monitor unix:%s/mon,server=on", payload, dir);
	fd = unix_connect("mon");
	assert_int_equal(write(fd, "info name\ninfo uuid\ninfo cpus\n", 30), 30);
	expect_fd(fd, &m, "one,two");
	expect_fd(fd, &m, "550e8400-e29b-41d4-a716-446655440000");
	expect_fd(fd, &m, "CPU #0: thread_id=");
	read_comm(c.pid, comm, sizeof(comm));
	assert_string_equal(comm, "guest7\n");
	assert_int_equal(write(fd, "q\n", 2), 2);
	end_status(&c, 0);
	close(fd);
}

static void test_memory_objects(void **state)
{
	struct child c;

	(void)state;
	/* also: a device in JSON, and its exit status */
	start(&c, false, "-kernel %s/exit.elf -append code=1 -serial stdio "
	      "-object memory-backend-memfd,id=r,size=64M,share=on,prealloc=on "
	      "-machine pc,accel=kvm,memory-backend=r,usb=off "
	      "-device {\"driver\":\"isa-debug-exit\",\"iobase\":1281,\"id\":\"e\"}", payload);
	expect(&c, "leaving with 1");
	end_status(&c, 3);
	start(&c, false, "-kernel %s/exit.elf -append code=2 -serial stdio -m 32 -device isa-debug-exit "
	      "-object {\"qom-type\":\"memory-backend-file\",\"id\":\"r\",\"size\":33554432,"
	      "\"mem-path\":\"%s\",\"share\":true} -M memory-backend=r", payload, dir);
	expect(&c, "leaving with 2");
	end_status(&c, 5);
}

static void test_reader_that_sleeps(void **state)
{
	struct child c;
	int p[2], status;

	(void)state;
	/* standard output is a full pipe: the guest goes on, and the process ends all the same */
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	while (write(p[1], dir, sizeof(dir)) > 0)
		;
	memset(&c, 0, sizeof(c));
	c.pid = fork();
	if (!c.pid) {
		char elf[PATH_MAX + 16];

		snprintf(elf, sizeof(elf), "%s/exit.elf", payload);
		fcntl(p[1], F_SETFL, 0);
		dup2(p[1], 1);
		close(0);
		execl(shunt, shunt, "-m", "32", "-serial", "stdio", "-device", "isa-debug-exit",
		      "-kernel", elf, "-append", "code=0", NULL);
		_exit(127);
	}
	status = end(&c);
	assert_int_equal(WEXITSTATUS(status), 1);
	/* nor was our end of it changed */
	assert_int_equal(fcntl(p[1], F_GETFL) & O_NONBLOCK, 0);
	close(p[0]);
	close(p[1]);
}

static void test_epoll(void **state)
{
	struct child c;

	(void)state;
	setenv("SHUNT_LOOP", "epoll", 1);
	start(&c, true, WAITS, payload);
	expect(&c, "# ready");
	type(&c, "\001cinfo loop\r");
	expect(&c, "event loop: epoll");
	type(&c, "shunt-\001c");
	type(&c, "\001x");
	assert_int_equal(end(&c), 0);
	close(c.fd);
	unsetenv("SHUNT_LOOP");
}

/* A sanitizer's memory is not ours. */
#ifndef __SANITIZE_ADDRESS__
static unsigned long rss_beyond_ram_kib(pid_t pid)
{
	unsigned long sum = 0, kib, from, to;
	char path[64], line[512];
	bool ram = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			ram = strstr(line, "guest-ram") != NULL;
		if (!ram && sscanf(line, "Rss: %lu", &kib) == 1)
			sum += kib;
	}
	fclose(f);
	return sum;
}

static void test_memory(void **state)
{
	unsigned long kib;
	struct child c;

	(void)state;
	start(&c, false, WAITS "-serial stdio -device shunt-testdev", payload);
	expect(&c, "# ready");
	kib = rss_beyond_ram_kib(c.pid);
	print_message("# %lu KiB beyond guest RAM\n", kib);
	assert_in_range(kib, 256, 4096);
	kill(c.pid, SIGTERM);
	end_status(&c, 0);
}
#endif

static int leftovers(void **state)
{
	(void)state;
	/* whatever a test made is gone */
	return rmdir(dir) || mkdir(dir, 0700);
}

#define T(_test) cmocka_unit_test_teardown(_test, leftovers)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_terminal),
		T(test_terminal_ctrl_a_x),
		T(test_terminal_ctrl_c),
		T(test_terminal_signals),
		T(test_guest_exit_restores),
		T(test_stdin_ends),
		T(test_paused_monitor),
		T(test_monitor_stop_cont_reset),
		T(test_wait_for_client),
		T(test_pidfile),
		T(test_daemonize),
		T(test_names),
		T(test_memory_objects),
		T(test_reader_that_sleeps),
		T(test_epoll),
#ifndef __SANITIZE_ADDRESS__
		T(test_memory),
#endif
	};
	char self[PATH_MAX / 2] = "", *slash;
	int ret;

	/* BUILD/tests/process, BUILD/bin/shunt; payloads are in build/ for every BUILD */
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	slash = strrchr(self, '/');
	*slash = 0;
	snprintf(shunt, sizeof(shunt), "%s/../bin/shunt", self);
	slash = strstr(self, "/build/");
	if (slash)
		slash[6] = 0;
	snprintf(payload, sizeof(payload), "%s/payload", self);
	if (access("/dev/kvm", W_OK)) {
		printf("1..0 # SKIP no /dev/kvm\n");
		return 0;
	}
	strcpy(dir, "/tmp/process-test-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return ret;
}

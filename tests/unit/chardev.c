// SPDX-License-Identifier: GPL-2.0
/* Character devices: output nobody reads, input nobody has room for, peers that come and go. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "vmm/chardev.h"
#include "vmm/vm.h"

static struct vm vm;
static struct loop *loop;
static char dir[64], path[96];

/* ---- a client ---- */

struct reader {
	uint8_t buf[1 << 16];
	size_t len, room, opened;
};

static struct reader rd;

static size_t rd_room(void *arg)
{
	return ((struct reader *)arg)->room;
}

static void rd_input(void *arg, const uint8_t *buf, size_t len)
{
	struct reader *r = arg;

	assert_true(len && len <= r->room);
	memcpy(r->buf + r->len, buf, len);
	r->len += len;
	r->room -= len;
}

static void rd_opened(void *arg)
{
	((struct reader *)arg)->opened++;
}

static void attach(struct chardev *c, struct reader *r, size_t room)
{
	const struct chardev_client client = { rd_room, rd_input, rd_opened, r };

	memset(r, 0, sizeof(*r));
	r->room = room;
	assert_int_equal(chardev_attach(c, &client), 0);
}

/* ---- the loop ---- */

static struct loop_timer timer;

static void timer_fn(struct loop_timer *t)
{
	(void)t;
	loop_stop(loop);
}

static void run_ms(unsigned int ms)
{
	timer.fn = timer_fn;
	loop_timer_set(loop, &timer, loop_now_ns() + ms * 1000000ull);
	assert_int_equal(loop_run(loop), 0);
}

/* Let the loop go round until @_cond holds; a slow machine takes its time. */
#define UNTIL(_cond) do { \
	bool _ok = false; \
	for (int _i = 0; _i < 5000 && !(_ok = (_cond)); _i++) \
		run_ms(2); \
	assert_true(_ok); \
} while (0)

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/chardev-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/x", dir);
	memset(&vm, 0, sizeof(vm));
	pthread_mutex_init(&vm.lock, NULL);
	loop = loop_new();
	vm.loop = loop;
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	chardev_close_all();
	loop_free(loop);
	unlink(path);
	/* sockets and links that were made are gone */
	return rmdir(dir);
}

static struct chardev *open_spec(const char *fmt, ...)
{
	struct chardev *c;
	char spec[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(spec, sizeof(spec), fmt, ap);
	va_end(ap);
	assert_int_equal(chardev_check_spec("-serial", spec), 0);
	assert_int_equal(chardev_open_all(&vm, loop), 0);
	c = chardev_from_spec(&vm, "-serial", spec);
	assert_non_null(c);
	return c;
}

static int connect_path(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sun.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static size_t read_all(int fd, char *buf, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t at = 0;
	ssize_t n;

	while (at < len && poll(&pfd, 1, 0) > 0) {
		n = read(fd, buf + at, len - at);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return at;
}

static void fill(char *buf, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (char)(i * 7 + i / 251);
}

/* ---- tests ---- */

static void test_socket_server(void **state)
{
	struct chardev *c = open_spec("unix:%s,server=on,wait=off", path);
	char buf[64];
	int fd, i;

	(void)state;
	attach(c, &rd, 1000);
	/* nobody there: dropped, not kept for the next one */
	chardev_write(c, "lost", 4);
	for (i = 0; i < 3; i++) {
		fd = connect_path();
		UNTIL(rd.opened == (size_t)i + 1);
		chardev_write(c, "hello", 5);
		assert_int_equal(write(fd, "abc", 3), 3);
		UNTIL(rd.len == 3 * ((size_t)i + 1));
		assert_int_equal(read_all(fd, buf, sizeof(buf)), 5);
		assert_memory_equal(buf, "hello", 5);
		close(fd);
		run_ms(20);
		chardev_write(c, "lost", 4);
	}
}

static void test_socket_slow_reader(void **state)
{
	enum { N = 40000 };
	struct chardev *c = open_spec("unix:%s,server=on,wait=off", path);
	static char out[N], in[N * 8];
	int fd, size = 4096, i;
	size_t got = 0;

	(void)state;
	fill(out, N);
	attach(c, &rd, 10);
	fd = connect_path();
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	UNTIL(rd.opened);
	/* a reader that is late gets all of it, in order */
	vm_lock(&vm);
	chardev_write(c, out, N);
	vm_unlock(&vm);
	UNTIL((got += read_all(fd, in + got, got + 3000 < N ? 3000 : N - got)) == N);
	assert_memory_equal(in, out, N);
	/* one that never reads blocks nobody: what is too much is dropped */
	for (i = 0; i < 100; i++) {
		vm_lock(&vm);
		chardev_write(c, out, N);
		vm_unlock(&vm);
	}
	run_ms(5);
	got = 0;
	for (i = 0; i < 400; i++) {
		got += read_all(fd, in, sizeof(in));
		run_ms(1);
	}
	assert_in_range(got, 65536, 100 * N - 1);
	/* and then it works again */
	chardev_write(c, "after", 5);
	UNTIL(read_all(fd, in, sizeof(in)) == 5);
	close(fd);
}

static void test_socket_input_room(void **state)
{
	enum { N = 5000 };
	struct chardev *c = open_spec("unix:%s,server=on,wait=off", path);
	static char out[N];
	int fd;

	(void)state;
	fill(out, N);
	attach(c, &rd, 0);
	fd = connect_path();
	assert_int_equal(write(fd, out, N), N);
	run_ms(5);
	assert_int_equal(rd.len, 0);
	while (rd.len < N) {
		rd.room = 16;
		chardev_kick(c);
		UNTIL(!rd.room || rd.len == N);
	}
	assert_int_equal(rd.len, N);
	assert_memory_equal(rd.buf, out, N);
	close(fd);
}

/* A peer that typed what nobody reads, and left, must not keep the next one out. */
static void test_socket_gone_unread(void **state)
{
	struct chardev *c = open_spec("unix:%s,server=on,wait=off", path);
	int fd, next;

	(void)state;
	attach(c, &rd, 0);
	fd = connect_path();
	UNTIL(rd.opened == 1);
	assert_int_equal(write(fd, "x", 1), 1);
	run_ms(5);
	close(fd);
	fd = connect_path();
	UNTIL(rd.opened == 2);
	/* one that is there keeps its place */
	assert_int_equal(write(fd, "x", 1), 1);
	next = connect_path();
	run_ms(1200);
	assert_int_equal(rd.opened, 2);
	close(fd);
	UNTIL(rd.opened == 3);
	close(next);
}

static void *kicker(void *arg)
{
	int i;

	for (i = 0; i < 2000; i++) {
		vm_lock(&vm);
		rd.room = 4;
		chardev_write(arg, "0123456789", 10);
		vm_unlock(&vm);
		chardev_kick(arg);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct chardev *c = open_spec("unix:%s,server=on,wait=off", path);
	static char in[1 << 16];
	pthread_t t[2];
	size_t got = 0;
	int fd, i;

	(void)state;
	attach(c, &rd, 0);
	fd = connect_path();
	UNTIL(rd.opened);
	for (i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, kicker, c);
	for (i = 0; i < 100; i++) {
		assert_true(write(fd, "abcdefgh", 8) > 0);
		run_ms(1);
		got += read_all(fd, in, sizeof(in));
	}
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	rd.room = 1000;
	chardev_kick(c);
	UNTIL(rd.len == 800);
	UNTIL((got += read_all(fd, in, sizeof(in))) == 40000);
	close(fd);
}

static void test_socket_wait(void **state)
{
	struct chardev *c = open_spec("unix:%s,server=on", path);
	int fd;

	(void)state;
	attach(c, &rd, 100);
	/* asked to stop before a client came */
	loop_stop(loop);
	assert_false(chardev_wait());
	fd = connect_path();
	assert_true(chardev_wait());
	/* the second client of a session is not waited for, and its coming stops nothing */
	close(fd);
	run_ms(20);
	assert_true(chardev_wait());
	fd = connect_path();
	UNTIL(rd.opened == 2);
	close(fd);
}

static void test_socket_stale(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int old = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	struct chardev *c;

	(void)state;
	/* left behind by a process that was killed */
	strcpy(sun.sun_path, path);
	assert_int_equal(bind(old, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(old);
	c = open_spec("unix:%s,server=on,wait=off", path);
	attach(c, &rd, 10);
	fd = connect_path();
	UNTIL(rd.opened == 1);
	close(fd);
}

static void test_socket_client(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int l = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	struct chardev *c;
	char buf[16];

	(void)state;
	strcpy(sun.sun_path, path);
	assert_int_equal(bind(l, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(l, 1), 0);
	c = open_spec("unix:%s,reconnect=1", path);
	attach(c, &rd, 10);
	fd = accept(l, NULL, NULL);
	chardev_write(c, "hi", 2);
	assert_int_equal(read_all(fd, buf, sizeof(buf)), 2);
	close(fd);
	/* comes back by itself */
	fcntl(l, F_SETFL, O_NONBLOCK);
	UNTIL((fd = accept(l, NULL, NULL)) >= 0);
	assert_int_equal(write(fd, "abc", 3), 3);
	UNTIL(rd.len == 3);
	close(fd);
	close(l);
}

static void test_tcp(void **state)
{
	struct chardev *c;
	int fd;
	char port[8], spec[64];
	struct sockaddr_in {
		sa_family_t family;
		uint16_t port;
		uint32_t addr;
		char zero[8];
	} sin = { .family = AF_INET };
	socklen_t len = sizeof(sin);

	(void)state;
	/* a port that is free */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (void *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (void *)&sin, &len), 0);
	close(fd);
	snprintf(port, sizeof(port), "%u", (unsigned int)(uint16_t)(sin.port << 8 | sin.port >> 8));
	snprintf(spec, sizeof(spec), "tcp:127.0.0.1:%s,server=on,wait=off,nodelay=on", port);
	c = open_spec("%s", spec);
	attach(c, &rd, 10);
	sin.addr = 0x0100007f;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (void *)&sin, sizeof(sin)), 0);
	assert_int_equal(write(fd, "abc", 3), 3);
	UNTIL(rd.len == 3);
	close(fd);
}

static void test_file(void **state)
{
	struct chardev *c = open_spec("file:%s", path);
	char buf[32] = "";
	FILE *f;

	(void)state;
	attach(c, &rd, 10);
	chardev_write(c, "to a file", 9);
	run_ms(5);
	f = fopen(path, "r");
	assert_int_equal(fread(buf, 1, sizeof(buf), f), 9);
	fclose(f);
	assert_string_equal(buf, "to a file");
	assert_int_equal(rd.len, 0);
}

static void test_file_comma(void **state)
{
	struct stat st;
	char name[128];

	(void)state;
	/* as it stands, no doubling in this syntax */
	snprintf(name, sizeof(name), "%s/a,b", dir);
	open_spec("file:%s", name);
	assert_int_equal(stat(name, &st), 0);
	unlink(name);
}

static void test_pipe(void **state)
{
	struct chardev *c;
	int fd, i;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	c = open_spec("pipe:%s", path);
	for (i = 0; i < 2; i++) {
		/* a writer that goes is not the end */
		fd = open(path, O_WRONLY);
		if (!i)
			attach(c, &rd, 100);
		assert_int_equal(write(fd, "abc", 3), 3);
		close(fd);
		UNTIL(rd.len == 3 * ((size_t)i + 1));
	}
}

static void test_pty(void **state)
{
	struct chardev *c;
	char name[64], buf[128];
	int fd, i;

	(void)state;
	assert_int_equal(chardev_add("pty,id=p"), 0);
	assert_int_equal(chardev_add("null,id=n"), 0);
	assert_int_equal(chardev_open_all(&vm, loop), 0);
	assert_null(chardev_find("q"));
	c = chardev_from_spec(&vm, "-serial", "pty:/dev/null/x");
	assert_null(c);
	snprintf(buf, sizeof(buf), "pty:%s", path);
	c = chardev_from_spec(&vm, "-serial", buf);
	assert_non_null(c);
	assert_true(readlink(path, name, sizeof(name)) > 0);
	attach(c, &rd, 100);
	run_ms(5);
	for (i = 0; i < 2; i++) {
		fd = open(path, O_RDWR | O_NOCTTY);
		assert_true(fd >= 0);
		chardev_write(c, "a\r\nb", 4);
		assert_int_equal(write(fd, "x\n", 2), 2);
		UNTIL(rd.len == 2 * ((size_t)i + 1));
		/* raw both ways */
		assert_int_equal(read_all(fd, buf, sizeof(buf)), 4);
		assert_memory_equal(buf, "a\r\nb", 4);
		assert_memory_equal(rd.buf + 2 * i, "x\n", 2);
		/* what the last user leaves does not end it */
		close(fd);
		run_ms(5);
	}
}

static void test_null(void **state)
{
	struct chardev *c = open_spec("none");

	(void)state;
	attach(c, &rd, 10);
	chardev_write(c, "x", 1);
	run_ms(2);
	assert_int_equal(rd.len, 0);
}

static void test_busy(void **state)
{
	struct chardev *c = open_spec("null");
	const struct chardev_client client = { rd_room, rd_input, NULL, &rd };

	(void)state;
	attach(c, &rd, 10);
	assert_int_equal(chardev_attach(c, &client), -EBUSY);
}

static void test_mux(void **state)
{
	static struct reader other;
	char buf[1024];
	struct chardev *c;
	int fd;

	(void)state;
	snprintf(buf, sizeof(buf), "socket,id=m,path=%s,server=on,wait=off,mux=on", path);
	assert_int_equal(chardev_add(buf), 0);
	assert_int_equal(chardev_open_all(&vm, loop), 0);
	c = chardev_from_spec(&vm, "-serial", "chardev:m");
	assert_non_null(c);
	attach(c, &other, 1000);
	attach(c, &rd, 1000);
	fd = connect_path();
	assert_int_equal(write(fd, "one\001ctwo\001cthree\001\001\001", 18), 18);
	UNTIL(rd.len == 9);
	/* the escape is split over two reads */
	assert_int_equal(write(fd, "ctwo", 4), 4);
	UNTIL(other.len == 6);
	assert_int_equal(rd.len, 9);
	assert_memory_equal(rd.buf, "onethree\001", 9);
	assert_int_equal(other.len, 6);
	assert_memory_equal(other.buf, "twotwo", 6);
	assert_int_equal(other.opened, 2);
	assert_int_equal(rd.opened, 1);
	/* a client without room: commands still work, and nothing typed is lost */
	other.room = 0;
	assert_int_equal(write(fd, "123\001c456\001h", 10), 10);
	UNTIL(rd.len == 12);
	assert_int_equal(other.len, 6);
	assert_memory_equal(rd.buf + 9, "456", 3);
	buf[read_all(fd, buf, sizeof(buf) - 1)] = 0;
	assert_non_null(strstr(buf, "Ctrl-A X"));
	other.room = 10;
	chardev_kick(c);
	UNTIL(other.len == 9);
	assert_memory_equal(other.buf + 6, "123", 3);
	close(fd);
	run_ms(2);
}

#define T(_test) cmocka_unit_test_setup_teardown(_test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_socket_server),
		T(test_socket_slow_reader),
		T(test_socket_input_room),
		T(test_socket_gone_unread),
		T(test_threads),
		T(test_socket_wait),
		T(test_socket_stale),
		T(test_socket_client),
		T(test_tcp),
		T(test_file),
		T(test_file_comma),
		T(test_pipe),
		T(test_pty),
		T(test_null),
		T(test_busy),
		T(test_mux),
	};

	log_init("chardev");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

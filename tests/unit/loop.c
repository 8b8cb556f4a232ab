// SPDX-License-Identifier: GPL-2.0
/* The event loop; every test runs on io_uring and on epoll. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/log.h"
#include "lib/loop.h"

#define MS 1000000ull

static struct loop *loop;

/* A callback that never comes would hang the test: this ends it. */
static struct loop_timer guard;
static bool guard_hit;

static void guard_fn(struct loop_timer *t)
{
	(void)t;
	guard_hit = true;
	loop_stop(loop);
}

static void run(void)
{
	guard_hit = false;
	assert_int_equal(loop_timer_set(loop, &guard, loop_now_ns() + 5000 * MS), 0);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_del(loop, &guard);
	assert_false(guard_hit);
}

/* Let the loop go round for @ms. */
static struct loop_timer idle;
static void idle_fn(struct loop_timer *t)
{
	(void)t;
	loop_stop(loop);
}

static void run_ms(unsigned int ms)
{
	idle.fn = idle_fn;
	assert_int_equal(loop_timer_set(loop, &idle, loop_now_ns() + ms * MS), 0);
	run();
	/* something else may have stopped it, and the next test has another loop */
	loop_timer_del(loop, &idle);
}

/* Until @_cond holds; a slow machine takes its time. */
#define UNTIL(_cond) do { \
	bool _ok = false; \
	for (int _i = 0; _i < 2000 && !(_ok = (_cond)); _i++) \
		run_ms(2); \
	assert_true(_ok); \
} while (0)

struct watch {
	struct loop_fd w;	/* first */
	unsigned int hits;
	short last;
	bool drain, del, stop;
	struct loop_fd *victim;
};

static void watch_fn(struct loop_fd *w, short revents)
{
	struct watch *t = (struct watch *)w;
	char buf[64];

	t->hits++;
	t->last = revents;
	if (t->drain)
		assert_true(read(w->fd, buf, sizeof(buf)) >= 0);
	if (t->victim)
		loop_fd_del(loop, t->victim);
	t->victim = NULL;
	if (t->del)
		loop_fd_del(loop, w);
	if (t->stop)
		loop_stop(loop);
}

static void watch(struct watch *t, int fd, short events)
{
	t->w.fd = fd;
	t->w.events = events;
	t->w.fn = watch_fn;
	assert_int_equal(loop_fd_add(loop, &t->w), 0);
}

static void test_backend(void **state)
{
	assert_string_equal(loop_backend(loop), *state);
}

static void test_fd_level(void **state)
{
	struct watch t = { .stop = true };
	int p[2], i;

	(void)state;
	assert_int_equal(pipe(p), 0);
	watch(&t, p[0], POLLIN);
	assert_int_equal(write(p[1], "x", 1), 1);
	/* not read: told again every round */
	for (i = 1; i <= 5; i++) {
		run();
		assert_int_equal(t.hits, i);
		assert_int_equal(t.last, POLLIN);
	}
	t.drain = true;
	run();
	t.stop = false;
	run_ms(20);
	assert_int_equal(t.hits, 6);
	/* and again after new data */
	assert_int_equal(write(p[1], "y", 1), 1);
	t.stop = true;
	run();
	assert_int_equal(t.hits, 7);
	loop_fd_del(loop, &t.w);
	close(p[0]);
	close(p[1]);
}

static void test_fd_many(void **state)
{
	enum { N = 150 };
	struct watch *t = calloc(N, sizeof(*t));
	int p[N][2], i;

	(void)state;
	/* more than the ring and a batch hold */
	for (i = 0; i < N; i++) {
		assert_int_equal(pipe(p[i]), 0);
		t[i].drain = true;
		watch(&t[i], p[i][0], POLLIN);
	}
	run_ms(5);
	for (i = 0; i < N; i++)
		assert_int_equal(write(p[i][1], "x", 1), 1);
	for (i = 0; i < N; i++)
		UNTIL(t[i].hits);
	run_ms(5);
	for (i = 0; i < N; i++) {
		assert_int_equal(t[i].hits, 1);
		loop_fd_del(loop, &t[i].w);
		close(p[i][0]);
		close(p[i][1]);
	}
	free(t);
}

static void test_fd_del_in_callback(void **state)
{
	struct watch *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	int p[2], q[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(q), 0);
	watch(a, p[0], POLLIN);
	watch(b, q[0], POLLIN);
	/* both ready in one round; whoever comes first deletes both */
	a->victim = &b->w;
	b->victim = &a->w;
	a->del = b->del = true;
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(write(q[1], "x", 1), 1);
	UNTIL(a->hits + b->hits);
	run_ms(5);
	assert_int_equal(a->hits + b->hits, 1);
	free(a);
	free(b);
	run_ms(10);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

static void test_fd_slot_reuse(void **state)
{
	struct watch a = { 0 }, b = { 0 };
	int p[2], q[2], i;

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(q), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	for (i = 0; i < 50; i++) {
		watch(&a, p[0], POLLIN);
		run_ms(1);
		loop_fd_del(loop, &a.w);
		a.hits = 0;
		/* takes the slot; the event of the old poll must not reach it */
		watch(&b, q[0], POLLIN);
		run_ms(1);
		loop_fd_del(loop, &b.w);
		assert_int_equal(b.hits, 0);
		assert_int_equal(a.hits, 0);
	}
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

static void test_fd_mod(void **state)
{
	struct watch t = { 0 };
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	watch(&t, s[0], POLLIN);
	run_ms(10);
	assert_int_equal(t.hits, 0);
	assert_int_equal(loop_fd_mod(loop, &t.w, POLLIN | POLLOUT), 0);
	t.stop = true;
	run();
	assert_int_equal(t.last, POLLOUT);
	t.stop = false;
	assert_int_equal(loop_fd_mod(loop, &t.w, 0), 0);
	t.hits = 0;
	run_ms(10);
	assert_int_equal(t.hits, 0);
	/* nothing is watched: not even that the peer has gone */
	close(s[1]);
	run_ms(10);
	assert_int_equal(t.hits, 0);
	assert_int_equal(loop_fd_mod(loop, &t.w, POLLIN), 0);
	t.stop = true;
	run();
	assert_true(t.last & POLLHUP);
	loop_fd_del(loop, &t.w);
	close(s[0]);
}

static void mod_fn(struct loop_fd *w, short revents)
{
	((struct watch *)w)->hits++;
	(void)revents;
	assert_int_equal(loop_fd_mod(loop, w, 0), 0);
}

static void test_fd_mod_in_callback(void **state)
{
	struct watch t = { 0 };
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	watch(&t, p[0], POLLIN);
	t.w.fn = mod_fn;
	close(p[1]);
	UNTIL(t.hits);
	run_ms(5);
	assert_int_equal(t.hits, 1);
	loop_fd_del(loop, &t.w);
	close(p[0]);
}

static void test_fd_del_releases_file(void **state)
{
	struct watch t = { 0 };
	struct pollfd pfd;
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	watch(&t, s[0], POLLIN);
	run_ms(5);
	loop_fd_del(loop, &t.w);
	close(s[0]);
	/* without another round of the loop */
	pfd = (struct pollfd){ .fd = s[1], .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	assert_true(pfd.revents & POLLHUP);
	close(s[1]);
}

static void test_fd_always_ready(void **state)
{
	struct watch t = { .stop = true }, u = { .stop = true };
	FILE *f = tmpfile();
	int fd = open("/dev/null", O_RDWR);

	(void)state;
	watch(&t, fd, POLLIN);
	run();
	run();
	assert_int_equal(t.hits, 2);
	assert_true(t.last & POLLIN);
	t.stop = false;
	assert_int_equal(loop_fd_mod(loop, &t.w, 0), 0);
	run_ms(10);
	assert_int_equal(t.hits, 2);
	loop_fd_del(loop, &t.w);
	close(fd);

	watch(&u, fileno(f), POLLIN);
	run();
	assert_int_equal(u.hits, 1);
	loop_fd_del(loop, &u.w);
	fclose(f);
}

static void test_fd_bad(void **state)
{
	struct watch t = { .w = { .fd = 9999, .events = POLLIN, .fn = watch_fn } };

	(void)state;
	assert_int_equal(loop_fd_add(loop, &t.w), -EBADF);
}

/* ---- timers ---- */

struct tick {
	struct loop_timer t;	/* first */
	uint64_t want, at;
	int *order, nr;
	unsigned int again;
};

static int next_nr;

static void tick_fn(struct loop_timer *t)
{
	struct tick *k = (struct tick *)t;

	k->at = loop_now_ns();
	k->nr = next_nr++;
	if (k->again) {
		k->again--;
		assert_int_equal(loop_timer_set(loop, t, k->at), 0);
	}
}

static void test_timer_order(void **state)
{
	enum { N = 100 };
	static struct tick k[N];
	uint64_t base = loop_now_ns() + 5 * MS;
	int i, j, alive = 0;

	(void)state;
	memset(k, 0, sizeof(k));
	next_nr = 0;
	for (i = 0; i < N; i++) {
		k[i].t.fn = tick_fn;
		k[i].want = base + (uint64_t)(i * 37 % N) * 100000;
		k[i].nr = -1;
		assert_int_equal(loop_timer_set(loop, &k[i].t, base - 5 * MS + (uint64_t)i), 0);
		/* moved */
		assert_int_equal(loop_timer_set(loop, &k[i].t, k[i].want), 0);
	}
	for (i = 0; i < N; i += 3) {
		loop_timer_del(loop, &k[i].t);
		loop_timer_del(loop, &k[i].t);
	}
	UNTIL(next_nr == N - (N + 2) / 3);
	run_ms(5);
	for (i = 0; i < N; i++) {
		if (i % 3 == 0) {
			assert_int_equal(k[i].nr, -1);
			continue;
		}
		alive++;
		assert_true(k[i].nr >= 0);
		assert_true(k[i].at >= k[i].want);
		for (j = 0; j < N; j++)
			if (j % 3 && k[j].want < k[i].want)
				assert_true(k[j].nr < k[i].nr);
	}
	assert_int_equal(next_nr, alive);
}

static void test_timer_again(void **state)
{
	struct tick k = { .t.fn = tick_fn, .again = 1000 };
	struct watch t = { .drain = true };
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	watch(&t, p[0], POLLIN);
	next_nr = 0;
	assert_int_equal(loop_timer_set(loop, &k.t, 0), 0);
	UNTIL(next_nr == 1001 && t.hits);
	/* a timer that is always due starves nobody */
	assert_int_equal(next_nr, 1001);
	assert_int_equal(t.hits, 1);
	loop_fd_del(loop, &t.w);
	close(p[0]);
	close(p[1]);
}

/* ---- bottom halves ---- */

struct half {
	struct loop_bh bh;	/* first */
	unsigned int hits, again;
	int nr;
	bool stop;
	struct loop_bh *victim;
};

static void half_fn(struct loop_bh *bh)
{
	struct half *h = (struct half *)bh;

	h->hits++;
	h->nr = next_nr++;
	if (h->victim)
		loop_bh_cancel(loop, h->victim);
	if (h->again) {
		h->again--;
		loop_bh_schedule(loop, bh);
	}
	if (h->stop)
		loop_stop(loop);
}

static void test_bh(void **state)
{
	struct half h[4] = { { .bh.fn = half_fn }, { .bh.fn = half_fn }, { .bh.fn = half_fn },
			     { .bh.fn = half_fn } };
	int i;

	(void)state;
	next_nr = 0;
	for (i = 0; i < 4; i++) {
		loop_bh_schedule(loop, &h[i].bh);
		loop_bh_schedule(loop, &h[i].bh);
	}
	loop_bh_cancel(loop, &h[3].bh);
	loop_bh_cancel(loop, &h[3].bh);
	h[0].victim = &h[1].bh;
	h[2].again = 10;
	UNTIL(h[2].hits == 11);
	assert_int_equal(h[0].hits, 1);
	assert_int_equal(h[1].hits, 0);
	assert_int_equal(h[2].hits, 11);
	assert_int_equal(h[3].hits, 0);
	assert_int_equal(h[0].nr, 0);
	/* cancelled ones can be scheduled again */
	loop_bh_schedule(loop, &h[3].bh);
	loop_bh_schedule(loop, &h[1].bh);
	UNTIL(h[1].hits);
	assert_int_equal(h[1].hits, 1);
	assert_int_equal(h[3].hits, 1);
	assert_true(h[3].nr < h[1].nr);
}

static struct half shared[3];
static unsigned int posted;

static void *poster(void *arg)
{
	unsigned int i;

	(void)arg;
	for (i = 0; i < 20000; i++) {
		__atomic_add_fetch(&posted, 1, __ATOMIC_RELAXED);
		loop_bh_schedule(loop, &shared[i % 3].bh);
		if (i % 1024 == 0)
			usleep(100);
	}
	return NULL;
}

static unsigned int seen_posts;

static void shared_fn(struct loop_bh *bh)
{
	((struct half *)bh)->hits++;
	seen_posts = __atomic_load_n(&posted, __ATOMIC_RELAXED);
	if (seen_posts == 4 * 20000)
		loop_stop(loop);
}

static void test_bh_threads(void **state)
{
	pthread_t t[4];
	int i;

	(void)state;
	posted = 0;
	memset(shared, 0, sizeof(shared));
	for (i = 0; i < 3; i++)
		shared[i].bh.fn = shared_fn;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, poster, NULL), 0);
	/* the last post is seen, or the guard ends this: no wake-up is lost */
	run();
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	run_ms(5);
	assert_int_equal(seen_posts, 4 * 20000);
	assert_true(shared[0].hits && shared[1].hits && shared[2].hits);
}

static void *one_post(void *arg)
{
	usleep(2000);
	loop_bh_schedule(loop, arg);
	return NULL;
}

static void test_bh_wakes(void **state)
{
	struct half h = { .bh.fn = half_fn, .stop = true };
	pthread_t t;
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		assert_int_equal(pthread_create(&t, NULL, one_post, &h.bh), 0);
		run();
		pthread_join(t, NULL);
	}
	assert_int_equal(h.hits, 20);
}

/* ---- stopping ---- */

static void on_alarm(int sig)
{
	(void)sig;
	loop_stop(loop);
}

static void test_stop_signal(void **state)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int i;

	(void)state;
	sigaction(SIGALRM, &sa, NULL);
	for (i = 0; i < 10; i++) {
		ualarm(1000, 0);
		run();
	}
	signal(SIGALRM, SIG_DFL);
}

static void test_stop_before_run(void **state)
{
	(void)state;
	loop_stop(loop);
	run();
	run_ms(1);
}

/* ---- offload ---- */

struct job {
	pthread_t where;
	unsigned int done;
	unsigned int *total;
};

static void job_work(void *arg)
{
	struct job *j = arg;

	j->where = pthread_self();
	usleep(500);
}

static void job_done(void *arg)
{
	struct job *j = arg;

	assert_false(pthread_equal(j->where, pthread_self()));
	j->done++;
	if (++*j->total == 40)
		loop_stop(loop);
}

static void test_offload(void **state)
{
	struct job j[40] = { 0 };
	unsigned int total = 0;
	int i;

	(void)state;
	for (i = 0; i < 40; i++) {
		j[i].total = &total;
		assert_int_equal(loop_offload(loop, job_work, job_done, &j[i]), 0);
	}
	run();
	for (i = 0; i < 40; i++)
		assert_int_equal(j[i].done, 1);
}

static void test_offload_free(void **state)
{
	struct job j[8] = { 0 };
	unsigned int total = 0;
	int i;

	for (i = 0; i < 8; i++) {
		j[i].total = &total;
		assert_int_equal(loop_offload(loop, job_work, job_done, &j[i]), 0);
	}
	/* work that was taken on is finished, and done() is told */
	loop_free(loop);
	assert_int_equal(total, 8);
	setenv("SHUNT_LOOP", *state, 1);
	loop = loop_new();
	assert_non_null(loop);
}

static int setup(void **state)
{
	guard.fn = guard_fn;
	setenv("SHUNT_LOOP", *state, 1);
	loop = loop_new();
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void test_env(void **state)
{
	(void)state;
	setenv("SHUNT_LOOP", "select", 1);
	assert_null(loop_new());
	assert_int_equal(errno, EINVAL);
}

/* A machine without io_uring, for this process. */
static int forbid_io_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static void test_disabled(void **state)
{
	char said[512];
	int p[2], status;
	struct loop *l;
	pid_t pid;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (!pid) {
		dup2(p[1], STDERR_FILENO);
		unsetenv("SHUNT_LOOP");
		if (forbid_io_uring())
			_exit(2);
		l = loop_new();
		status = !l || strcmp(loop_backend(l), "epoll");
		loop_free(l);
		_exit(status);
	}
	close(p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	n = read(p[0], said, sizeof(said) - 1);
	assert_true(n > 0);
	said[n] = 0;
	close(p[0]);
	/* one line, which names the switch */
	assert_non_null(strstr(said, "kernel.io_uring_disabled"));
	assert_ptr_equal(strchr(said, '\n'), said + n - 1);
}

static char io_uring[] = "io_uring", epoll[] = "epoll";

#define ON(_test, _backend) \
	{ #_test " (" #_backend ")", _test, setup, teardown, _backend }
#define BOTH(_test) ON(_test, io_uring), ON(_test, epoll)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_backend),
		BOTH(test_fd_level),
		BOTH(test_fd_many),
		BOTH(test_fd_del_in_callback),
		BOTH(test_fd_slot_reuse),
		BOTH(test_fd_mod),
		BOTH(test_fd_mod_in_callback),
		BOTH(test_fd_del_releases_file),
		BOTH(test_fd_always_ready),
		BOTH(test_fd_bad),
		BOTH(test_timer_order),
		BOTH(test_timer_again),
		BOTH(test_bh),
		BOTH(test_bh_threads),
		BOTH(test_bh_wakes),
		BOTH(test_stop_signal),
		BOTH(test_stop_before_run),
		BOTH(test_offload),
		BOTH(test_offload_free),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_disabled),
	};

	log_init("loop");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

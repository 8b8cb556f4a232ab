// SPDX-License-Identifier: GPL-2.0
/* Threads, see thread.h. */
#define _GNU_SOURCE
#include "thread.h"

#include <semaphore.h>
#include <signal.h>

struct start {
	const char *name;
	void *(*run)(void *arg);
	void *arg;
	sem_t begun;
};

static void *begin(void *arg)
{
	struct start *s = arg;
	void *(*run)(void *arg) = s->run;

	arg = s->arg;
	pthread_setname_np(pthread_self(), s->name);
	/* After that, it is gone. */
	sem_post(&s->begun);
	return run(arg);
}

int vu_thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg)
{
	struct start s = { .name = name, .run = run, .arg = arg };
	sigset_t most, old;
	int err;

	sem_init(&s.begun, 0, 0);
	/* That of a file which has become shorter is the thread's own, see guard.h. */
	sigfillset(&most);
	sigdelset(&most, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &most, &old);
	err = pthread_create(thread, NULL, begin, &s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	while (!err && sem_wait(&s.begun))
		;
	sem_destroy(&s.begun);
	return err;
}

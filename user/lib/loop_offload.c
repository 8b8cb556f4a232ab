// SPDX-License-Identifier: GPL-2.0
/*
 * Work that blocks, on helper threads. They are started when there is more work than idle helpers,
 * up to a few, and stay until the loop is freed.
 */
#include "loop_priv.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define OFFLOAD_STACK	(128 * 1024)

struct offload_item {
	struct offload_item *next;
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

static void *offload_thread(void *p)
{
	struct loop *l = p;
	struct offload *o = &l->off;
	struct offload_item *it;

	pthread_mutex_lock(&o->lock);
	for (;;) {
		while (!o->todo && !o->quit) {
			o->nr_idle++;
			pthread_cond_wait(&o->cond, &o->lock);
			o->nr_idle--;
		}
		it = o->todo;
		if (!it)
			break;
		o->todo = it->next;
		if (!o->todo)
			o->todo_tail = &o->todo;
		o->nr_todo--;
		pthread_mutex_unlock(&o->lock);

		it->work(it->arg);

		pthread_mutex_lock(&o->lock);
		it->next = NULL;
		*o->done_tail = it;
		o->done_tail = &it->next;
		loop_bh_schedule(l, &o->bh);
	}
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

static void offload_done(struct loop_bh *bh)
{
	struct offload *o = (struct offload *)((char *)bh - offsetof(struct offload, bh));
	struct offload_item *it, *next;

	pthread_mutex_lock(&o->lock);
	it = o->done;
	o->done = NULL;
	o->done_tail = &o->done;
	pthread_mutex_unlock(&o->lock);
	for (; it; it = next) {
		next = it->next;
		if (it->done)
			it->done(it->arg);
		free(it);
	}
}

/* Lock held. Return: 0 or -errno */
static int offload_spawn(struct loop *l)
{
	struct offload *o = &l->off;
	sigset_t all, old;
	pthread_attr_t attr;
	int ret;

	ret = pthread_attr_init(&attr);
	if (ret)
		return -ret;
	pthread_attr_setstacksize(&attr, OFFLOAD_STACK);
	/* signals are the main thread's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&o->thread[o->nr_threads], &attr, offload_thread, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (ret)
		return -ret;
	o->nr_threads++;
	return 0;
}

int loop_offload(struct loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	struct offload *o = &l->off;
	struct offload_item *it = malloc(sizeof(*it));
	int ret = 0;

	if (!it)
		return -ENOMEM;
	*it = (struct offload_item){ .work = work, .done = done, .arg = arg };
	pthread_mutex_lock(&o->lock);
	if (o->nr_idle <= o->nr_todo && o->nr_threads < sizeof(o->thread) / sizeof(o->thread[0]))
		ret = offload_spawn(l);
	/* one helper is enough to get everything done, if later */
	if (!o->nr_threads) {
		pthread_mutex_unlock(&o->lock);
		free(it);
		return ret;
	}
	*o->todo_tail = it;
	o->todo_tail = &it->next;
	o->nr_todo++;
	pthread_cond_signal(&o->cond);
	pthread_mutex_unlock(&o->lock);
	return 0;
}

int loop_offload_init(struct loop *l)
{
	struct offload *o = &l->off;

	o->todo_tail = &o->todo;
	o->done_tail = &o->done;
	o->bh.fn = offload_done;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->cond, NULL);
	return 0;
}

/* All work that was taken on is finished, and its done() called: it owns what @arg points to. */
void loop_offload_exit(struct loop *l)
{
	struct offload *o = &l->off;
	unsigned int i;

	do {
		pthread_mutex_lock(&o->lock);
		o->quit = true;
		pthread_cond_broadcast(&o->cond);
		pthread_mutex_unlock(&o->lock);
		for (i = 0; i < o->nr_threads; i++)
			pthread_join(o->thread[i], NULL);
		o->nr_threads = 0;
		o->quit = false;
		loop_bh_cancel(l, &o->bh);
		offload_done(&o->bh);
		/* a done() may have asked for more */
	} while (o->nr_threads);
	pthread_cond_destroy(&o->cond);
	pthread_mutex_destroy(&o->lock);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Timers of the event loop: a binary heap by deadline. timer->slot is its index, which starts at 1,
 * so that a zeroed timer is one that is not set.
 */
#include "clock.h"
#include "loop_priv.h"

#include <errno.h>
#include <stdlib.h>

uint64_t loop_now_ns(void)
{
	return clock_ns();
}

static void heap_put(struct loop *l, unsigned int i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->slot = (int)i;
}

static void heap_up(struct loop *l, unsigned int i)
{
	struct loop_timer *t = l->heap[i];

	for (; i > 1 && l->heap[i / 2]->deadline_ns > t->deadline_ns; i /= 2)
		heap_put(l, i, l->heap[i / 2]);
	heap_put(l, i, t);
}

static void heap_down(struct loop *l, unsigned int i)
{
	struct loop_timer *t = l->heap[i];
	unsigned int child;

	for (; (child = 2 * i) <= l->nr_timers; i = child) {
		if (child < l->nr_timers &&
		    l->heap[child + 1]->deadline_ns < l->heap[child]->deadline_ns)
			child++;
		if (l->heap[child]->deadline_ns >= t->deadline_ns)
			break;
		heap_put(l, i, l->heap[child]);
	}
	heap_put(l, i, t);
}

int loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t deadline_ns)
{
	struct loop_timer **heap;

	if (!t->slot) {
		if (l->nr_timers + 1 == l->cap_timers) {
			heap = realloc(l->heap, 2 * l->cap_timers * sizeof(*heap));
			if (!heap)
				return -ENOMEM;
			l->heap = heap;
			l->cap_timers *= 2;
		}
		heap_put(l, ++l->nr_timers, t);
	}
	t->deadline_ns = deadline_ns;
	heap_up(l, (unsigned int)t->slot);
	heap_down(l, (unsigned int)t->slot);
	return 0;
}

void loop_timer_del(struct loop *l, struct loop_timer *t)
{
	unsigned int i = (unsigned int)t->slot;
	struct loop_timer *last;

	if (!i)
		return;
	t->slot = 0;
	last = l->heap[l->nr_timers--];
	if (last == t)
		return;
	heap_put(l, i, last);
	heap_up(l, i);
	heap_down(l, (unsigned int)last->slot);
}

int64_t loop_timer_wait(struct loop *l)
{
	uint64_t now, first;

	if (!l->nr_timers)
		return -1;
	now = loop_now_ns();
	first = l->heap[1]->deadline_ns;
	if (first <= now)
		return 0;
	return first - now > INT64_MAX ? INT64_MAX : (int64_t)(first - now);
}

void loop_timer_run(struct loop *l)
{
	unsigned int n = l->nr_timers;
	struct loop_timer *t;
	uint64_t now;

	if (!n)
		return;
	now = loop_now_ns();
	/* at most as many as there were: a timer that sets itself to now must not hold us */
	while (n-- && l->nr_timers && l->heap[1]->deadline_ns <= now) {
		t = l->heap[1];
		loop_timer_del(l, t);
		t->fn(t);
	}
}

int loop_timer_init(struct loop *l)
{
	l->cap_timers = 16;
	l->heap = calloc(l->cap_timers, sizeof(*l->heap));
	return l->heap ? 0 : -ENOMEM;
}

void loop_timer_exit(struct loop *l)
{
	free(l->heap);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Holding signals back while the driver has more to ask for.
 *
 * A back end faster than its driver finishes each request before the next one comes. Told at once,
 * the driver is interrupted for each, and kicks for each, though it would have gone on by itself.
 * So when nothing is at work any more, or the back end was mostly idle when requests came, and the
 * driver was lately seen to have several out at a time, it is told of the finished ones a little
 * later: once there are as many as it had out, or when no other has come for some times as long as
 * it takes to ask for one. The worker polls meanwhile, so no kicks are wanted either. That may be
 * more than its processor's idle time: others have their share of it, but to sleep and be kicked
 * costs the guest more.
 *
 * A back end that is slower than its driver always has something left to do: each signal brings it
 * the next request, and none is held.
 *
 * How many is learnt. Several requests in one batch, or one that comes while others are at work or
 * their end is held back, say that the driver does not wait for each, and we aim at more. When none
 * comes in time we had waited for too many, aim at fewer, and are slow to aim at as many again. A
 * driver with one request at a time gives no such sign, and is told at once, always.
 */
#include <linux/module.h>
#include <linux/timekeeping.h>

#include "internal.h"

/* Told of so many, the share of the interrupt in each is small. */
#define HOLD_MOST 16

/* &vhc_hold.aim counts in these parts of one; by so many it grows, and beyond &vhc_hold.limit */
#define HOLD_ONE 64U
#define HOLD_STEP 16
#define HOLD_STEP_BEYOND 2

/* &vhc_hold.idle when the back end always was */
#define HOLD_IDLE 64

/* The time from one request to the next varies. */
#define HOLD_GAPS 8

static unsigned int hold_us = 1000;
module_param(hold_us, uint, 0644);
MODULE_PARM_DESC(hold_us,
		 "Ends of requests are held back so many microseconds at most while a driver has more, 0 off (default 1000)");

static u64 hold_limit_ns(void)
{
	return (u64)READ_ONCE(hold_us) * NSEC_PER_USEC;
}

/* Was the back end, when requests came? */
static bool hold_mostly_idle(const struct vhc_hold *h)
{
	return h->idle >= HOLD_IDLE * 3 / 4;
}

static void hold_aim_higher(struct vhc_hold *h)
{
	u32 aim = h->aim / HOLD_ONE;

	if (aim > h->limit)
		h->limit = 0;
	h->aim += !h->limit || aim < h->limit ? HOLD_STEP : HOLD_STEP_BEYOND;
	h->aim = min(h->aim, HOLD_ONE * HOLD_MOST);
}

/* Time is up. A little less than what was aimed at may be all that the driver has out. */
static void hold_aim_lower(struct vhc_hold *h)
{
	if (4 * h->published >= 3 * (h->aim / HOLD_ONE))
		h->limit = h->published;
	h->aim = max(HOLD_ONE * h->published, h->aim - max(h->aim / 8, HOLD_ONE));
}

/**
 * vhc_hold_arrived() - requests were popped
 * @vq: mutex held, worker context
 * @n: how many
 * @others: some were at work already
 */
void vhc_hold_arrived(struct vhc_vq *vq, u32 n, bool others)
{
	struct vhc_hold *h = &vq->hold;
	u64 now = ktime_get_ns();

	if (!READ_ONCE(hold_us)) {
		h->aim = 0;
	} else if (n > 1 || others || h->published) {
		u64 gap = min(div_u64(now - h->arrived, n), hold_limit_ns());

		h->gap_ns = h->gap_ns ? (7 * h->gap_ns + gap) / 8 : gap;
		h->several = true;
	}
	h->idle += (others ? 0 : HOLD_IDLE / 8) - h->idle / 8;
	h->arrived = now;
	h->batch = n;
}

/**
 * vhc_hold_keep() - requests were published: may the signal wait?
 * @vq: mutex held, worker context
 * @others: some are at work still
 */
bool vhc_hold_keep(struct vhc_vq *vq, bool others)
{
	struct vhc_hold *h = &vq->hold;

	if (others && !hold_mostly_idle(h))
		return false;
	if (h->published < h->aim / HOLD_ONE)
		return true;
	if (h->several)
		hold_aim_higher(h);
	h->several = false;
	return false;
}

/**
 * vhc_hold_wait() - the ring is empty: shall the worker wait for more, and not tell the driver?
 * @vq: mutex held, worker context
 * @ready: as for vhc_vq_poll()
 *
 * Return: as vhc_vq_poll()
 */
bool vhc_hold_wait(struct vhc_vq *vq, bool (*ready)(struct vhc_vq *vq))
{
	struct vhc_hold *h = &vq->hold;
	u64 until;

	/* A driver that asks for many at once is told of many. */
	if (h->aim < 2 * HOLD_ONE || h->batch >= HOLD_MOST / 2)
		return false;
	until = h->arrived + min(HOLD_GAPS * h->gap_ns, hold_limit_ns());
	if (ktime_get_ns() < until)
		return vhc_busy_hold(vq, ready, until);
	if (h->published)
		hold_aim_lower(h);
	return false;
}

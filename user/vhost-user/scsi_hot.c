// SPDX-License-Identifier: GPL-2.0
/*
 * Logical units that come and go while queues run. The list of them is never changed but replaced: queues read it
 * without a lock. By mail, queues of requests get a new unit's file before they can find it; and when one is not to be
 * found any more, they let go of its file after their last request to it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "scsi_cmd.h"

/* --- queues --- */

static bool is_served(const struct scsi *s)
{
	return s->queue[0];
}

static void post(struct scsi *s, unsigned int queue, void (*run)(struct vu_queue *q, struct vu_mail *mail),
		 const struct scsi_lun *lun, int slot, int fd)
{
	s->swap[queue] = (struct scsi_swap){
		.mail.run = run, .lun = lun, .slot = slot, .fd = fd, .res = 1, .done = &s->swapped,
	};
	vu_queue_post(s->queue[queue], &s->swap[queue].mail);
}

/* Return: 0, or -1: a queue has not taken the file */
static int wait_queues(struct scsi *s, unsigned int nr)
{
	unsigned int i, taken = 0;

	for (i = 0; i < nr; i++)
		while (sem_wait(&s->swapped))
			;
	for (i = 0; i < s->num_queues; i++)
		taken += s->swap[SCSI_QUEUE_REQ + i].res == 1;
	return taken == s->num_queues ? 0 : -1;
}

/* In all rings there is @fd from now on. Return: 0, or -1 */
static int set_file(struct scsi *s, int slot, int fd)
{
	unsigned int i;

	for (i = 0; i < s->num_queues; i++)
		post(s, SCSI_QUEUE_REQ + i, scsi_swap_run, NULL, slot, fd);
	return wait_queues(s, s->num_queues);
}

/* Nobody finds @l any more, if that is not NULL, nor any list of before: wait until nobody has them. */
static void let_go(struct scsi *s, const struct scsi_lun *l)
{
	unsigned int i;

	for (i = 0; i < s->num_queues; i++)
		post(s, SCSI_QUEUE_REQ + i, scsi_swap_run, l, l ? l->disk.file : -1, -1);
	post(s, SCSI_QUEUE_CTL, scsi_swap_ctl_run, l, -1, -1);
	wait_queues(s, s->num_queues + 1);
}

/* --- the list --- */

static struct scsi_luns *copy(const struct scsi *s)
{
	struct scsi_luns *new = malloc(sizeof(*new));

	return new ? memcpy(new, s->luns, sizeof(*new)) : NULL;
}

static int free_slot(const struct scsi *s)
{
	bool used[VU_FILES_MAX] = { false };
	unsigned int i;
	int slot = 0;

	for (i = 0; i < s->luns->nr; i++)
		used[s->luns->lun[i]->disk.file] = true;
	while (used[slot])
		slot++;
	return slot;
}

static unsigned int place_of(const struct scsi_luns *luns, const struct scsi_lun *l)
{
	unsigned int i;

	for (i = 0; i < luns->nr; i++) {
		const struct scsi_lun *at = luns->lun[i];

		if (at->target > l->target || (at->target == l->target && at->lun >= l->lun))
			break;
	}
	return i;
}

/* Of the other units, for drivers that hear of no events. Those of CD-ROMs take it for another medium. */
static void attend_others(struct scsi *s, const struct scsi_lun *l)
{
	unsigned int i;

	for (i = 0; i < s->luns->nr; i++)
		if (!s->luns->lun[i]->cd && s->luns->lun[i] != l)
			scsi_lun_attend(s->luns->lun[i], ATTENTION_LUNS);
}

static void tell(struct scsi *s, const struct scsi_lun *l, uint32_t reason)
{
	pthread_mutex_lock(&s->lock);
	scsi_event(s, l, VIRTIO_SCSI_T_TRANSPORT_RESET, reason);
	pthread_mutex_unlock(&s->lock);
}

/* In place of the list before; what only that one has, @gone or nothing, goes with it. @reason: of an event about @l, or 0 */
static void replace(struct scsi *s, struct scsi_luns *new, struct scsi_lun *gone, const struct scsi_lun *l, uint32_t reason)
{
	struct scsi_luns *old = s->luns;

	pthread_mutex_lock(&s->lock);
	__atomic_store_n(&s->luns, new, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&s->lock);
	if (is_served(s) && reason) {
		attend_others(s, l);
		tell(s, l, reason);
	}
	if (is_served(s))
		let_go(s, gone);
	if (gone)
		scsi_lun_free(gone);
	free(old);
}

/* Return: a copy of the list, for replace(), when all queues have the file of @l; or NULL after one logged line, and @l is gone */
static struct scsi_luns *prepare(struct scsi *s, struct scsi_lun *l)
{
	struct scsi_luns *new = copy(s);

	l->disk.file = free_slot(s);
	if (new && (!is_served(s) || !set_file(s, l->disk.file, l->disk.fd)))
		return new;
	if (new)
		set_file(s, l->disk.file, -1);
	free(new);
	scsi_lun_free(l);
	log_err("out of memory");
	return NULL;
}

/* --- units --- */

static bool is_refused(const struct scsi *s, const struct scsi_lun_opts *o)
{
	char why[80];

	if (s->luns->nr == SCSI_LUNS_MAX)
		return disk_refuse(&o->disk, "one more than there can be");
	snprintf(why, sizeof(why), "lun=%u: target %u has it already", o->lun, o->target);
	return scsi_find(s, o->target, o->lun) && disk_refuse(&o->disk, why);
}

int scsi_lun_add(struct scsi *s, const struct scsi_lun_opts *o)
{
	struct scsi_luns *new;
	struct scsi_lun *l;
	unsigned int at;

	l = scsi_lun_new(o);
	if (l && is_refused(s, o)) {
		scsi_lun_free(l);
		return -1;
	}
	new = l ? prepare(s, l) : NULL;
	if (!new)
		return -1;
	at = place_of(new, l);
	memmove(&new->lun[at + 1], &new->lun[at], (new->nr - at) * sizeof(new->lun[0]));
	new->lun[at] = l;
	new->nr++;
	replace(s, new, NULL, l, VIRTIO_SCSI_EVT_RESET_RESCAN);
	return 0;
}

int scsi_lun_remove(struct scsi *s, struct scsi_lun *l)
{
	struct scsi_luns *new = copy(s);
	unsigned int at = place_of(s->luns, l);

	if (!new)
		return log_err("out of memory");
	new->nr--;
	memmove(&new->lun[at], &new->lun[at + 1], (new->nr - at) * sizeof(new->lun[0]));
	replace(s, new, l, l, VIRTIO_SCSI_EVT_RESET_REMOVED);
	return 0;
}

/* It is another unit at the same address, and says to be the same. */
int scsi_lun_change(struct scsi *s, struct scsi_lun *l, const struct disk_opts *o)
{
	const struct scsi_lun_opts lo = {
		.disk = o ? *o : (struct disk_opts){ .option = "" }, .empty = !o, .target = l->target, .lun = l->lun, .cd = true,
		.product = l->product, .serial = l->serial,
	};
	struct scsi_lun *changed = scsi_lun_new(&lo);
	struct scsi_luns *new = changed ? prepare(s, changed) : NULL;

	if (!new)
		return -1;
	changed->locked = __atomic_load_n(&l->locked, __ATOMIC_RELAXED);
	changed->attention = 0;
	changed->ejected = !!o;
	scsi_medium(changed, o);
	new->lun[place_of(new, l)] = changed;
	replace(s, new, l, NULL, 0);
	return 0;
}

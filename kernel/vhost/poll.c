// SPDX-License-Identifier: GPL-2.0
/*
 * Wake-ups: an entry in the wait queue of an eventfd or a socket that queues a queue's work.
 */
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>

#include "internal.h"
#include "trace.h"

static void poll_enter(struct file *file, wait_queue_head_t *wqh, poll_table *pt)
{
	struct vhc_poll *poll = container_of(pt, struct vhc_poll, pt);

	poll->wqh = wqh;
	add_wait_queue(wqh, &poll->wait);
}

/* Wake-up context. */
static int poll_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct vhc_poll *poll = container_of(wait, struct vhc_poll, wait);

	if (!READ_ONCE(poll->armed) || !(key_to_poll(key) & poll->mask))
		return 0;
	if (poll == &poll->vq->kick) {
		vhc_count(&poll->vq->kicks, 1);
		trace_vhost_kick(poll->vq);
	}
	vhc_vq_queue(poll->vq);
	return 0;
}

void vhc_poll_init(struct vhc_poll *poll, struct vhc_vq *vq, __poll_t mask)
{
	init_waitqueue_func_entry(&poll->wait, poll_wake);
	init_poll_funcptr(&poll->pt, poll_enter);
	poll->mask = mask;
	poll->vq = vq;
	poll->wqh = NULL;
}
EXPORT_SYMBOL_GPL(vhc_poll_init);

int vhc_poll_start(struct vhc_poll *poll, struct file *file)
{
	__poll_t ready;

	if (poll->wqh)
		return 0;
	WRITE_ONCE(poll->armed, true);
	ready = vfs_poll(file, &poll->pt);
	if (ready & EPOLLERR) {
		vhc_poll_stop(poll);
		return -EINVAL;
	}
	if (ready & poll->mask)
		vhc_vq_queue(poll->vq);
	return 0;
}
EXPORT_SYMBOL_GPL(vhc_poll_start);

void vhc_poll_stop(struct vhc_poll *poll)
{
	if (!poll->wqh)
		return;
	remove_wait_queue(poll->wqh, &poll->wait);
	poll->wqh = NULL;
}
EXPORT_SYMBOL_GPL(vhc_poll_stop);

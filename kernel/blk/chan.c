// SPDX-License-Identifier: GPL-2.0
/*
 * A queue's tie to its back end: made, drained, cut.
 *
 * Cut while requests are in flight, it lives on as an orphan. It keeps the file, the pinned pages
 * and this module until the back end is done with the last one; the reaper then lets go of them.
 */
#include <linux/blkdev.h>
#include <linux/cgroup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "blk.h"

/* More are not in flight at a time, however large the ring. */
#define CHAN_MAX_REQ 1024U

static LLIST_HEAD(orphans);

static void chan_help(struct work_struct *work)
{
	struct blk_req *req = container_of(work, struct blk_req, work);
	struct blk_chan *chan = req->chan;
	struct mem_cgroup *old = set_active_memcg(chan->memcg);

	/* The chan lives until we have returned: whoever frees it stops its helpers first. */
	kthread_associate_blkcg(chan->blkcg);
	if (chan->bdev)
		blk_bdev_help(req);
	else
		blk_file_help(req);
	kthread_associate_blkcg(NULL);
	set_active_memcg(old);
}

/* Helpers work on the account of current, who is the owner. */
static void chan_get_cgroups(struct blk_chan *chan)
{
	chan->memcg = get_mem_cgroup_from_mm(current->mm);
#ifdef CONFIG_BLK_CGROUP
	chan->blkcg = task_get_css(current, io_cgrp_id);
#endif
}

static void chan_put_cgroups(struct blk_chan *chan)
{
	mem_cgroup_put(chan->memcg);
	if (chan->blkcg)
		css_put(chan->blkcg);
}

/* What suits the back end */
static void chan_limits(struct blk_chan *chan)
{
	struct file *file = chan->file;
	struct block_device *bdev = chan->bdev;

	chan->block_mask = blk_file_block_size(file) - 1;
	chan->direct = file->f_flags & O_DIRECT;
	if (!bdev && !chan->direct)
		return;
	if (!bdev)
		bdev = file_inode(file)->i_sb->s_bdev;
	chan->addr_mask = bdev ? bdev_dma_alignment(bdev) : SECTOR_SIZE - 1;
	chan->len_mask = chan->block_mask;
	chan->nowait = chan->bdev && bdev_nowait(bdev);
}

/**
 * blk_chan_open() - get ready for a back end
 * @file: passed blk_file_check(); referenced if all goes well
 * @rdonly: let no request change it
 * @nr_req: as many as the ring holds
 *
 * Return: a chan without a queue, or ERR_PTR(-ENOMEM)
 */
struct blk_chan *blk_chan_open(struct file *file, bool rdonly, u32 nr_req)
{
	struct blk_chan *chan = kzalloc(sizeof(*chan), GFP_KERNEL_ACCOUNT);
	u32 i;

	if (!chan)
		return ERR_PTR(-ENOMEM);
	chan->nr_req = min(nr_req, CHAN_MAX_REQ);
	chan->req = kvcalloc(chan->nr_req, sizeof(*chan->req), GFP_KERNEL_ACCOUNT);
	if (!chan->req)
		goto err_chan;
	chan->helpers = alloc_workqueue("vhost_blk", WQ_UNBOUND, BLK_HELPERS);
	if (!chan->helpers)
		goto err_req;
	INIT_LIST_HEAD(&chan->free);
	INIT_LIST_HEAD(&chan->popped);
	init_llist_head(&chan->done);
	init_waitqueue_head(&chan->wait);
	for (i = 0; i < chan->nr_req; i++) {
		struct blk_req *req = &chan->req[i];

		req->chan = chan;
		INIT_WORK(&req->work, chan_help);
		list_add_tail(&req->node, &chan->free);
	}
	chan->file = get_file(file);
	chan->bdev = blk_file_bdev(file);
	chan->rdonly = rdonly;
	chan_limits(chan);
	chan_get_cgroups(chan);
	__module_get(THIS_MODULE);
	return chan;

err_req:
	kvfree(chan->req);
err_chan:
	kfree(chan);
	return ERR_PTR(-ENOMEM);
}

/* Nobody else knows it. Helper threads may still be on their way out. */
static void chan_free(struct blk_chan *chan)
{
	destroy_workqueue(chan->helpers);
	chan_put_cgroups(chan);
	fput(chan->file);
	kvfree(chan->req);
	kfree(chan);
	module_put(THIS_MODULE);
}

static void reap_orphans(struct work_struct *work)
{
	struct llist_node *node = llist_del_all(&orphans);
	struct blk_req *req, *next;

	llist_for_each_entry_safe(req, next, node, done) {
		struct blk_chan *chan = req->chan;

		blk_data_put(req);
		kvfree(req->ranges);
		if (--chan->inflight)
			continue;
		/* Who ended the last one may still look at the chan. */
		synchronize_rcu();
		chan_free(chan);
	}
}

static DECLARE_WORK(reaper, reap_orphans);

/**
 * blk_chan_orphan() - the back end is done with a request that no queue waits for
 * @req: of an orphan. Any context.
 */
void blk_chan_orphan(struct blk_req *req)
{
	llist_add(&req->done, &orphans);
	queue_work(system_unbound_wq, &reaper);
}

/* The last orphan is gone, or there would be no exit; the reaper may be on its way out. */
void blk_chan_exit(void)
{
	flush_work(&reaper);
	synchronize_rcu();
}

/**
 * blk_chan_drain() - pop nothing more, and wait until all that was popped is completed
 * @bq: the queue, its mutex not held; the caller lives in the owner's address space
 * @chan: its back end
 *
 * The worker may be dead, so the caller completes as well.
 * Return: 0; or -EINTR, and the queue runs on
 */
int blk_chan_drain(struct blk_vq *bq, struct blk_chan *chan)
{
	u32 inflight;

	WRITE_ONCE(chan->draining, true);
	for (;;) {
		mutex_lock(&bq->vq.mutex);
		blk_reap(bq, chan);
		inflight = chan->inflight;
		mutex_unlock(&bq->vq.mutex);
		if (!inflight)
			return 0;
		if (wait_event_interruptible(chan->wait, !llist_empty(&chan->done) ||
					     !READ_ONCE(chan->inflight))) {
			blk_chan_resume(bq, chan);
			return -EINTR;
		}
	}
}

/* Pop again. */
void blk_chan_resume(struct blk_vq *bq, struct blk_chan *chan)
{
	WRITE_ONCE(chan->draining, false);
	vhc_vq_queue(&bq->vq);
}

/* Nobody but the back end refers to it. */
static void chan_leave(struct blk_chan *chan)
{
	struct blk_req *req, *next;

	if (!chan->orphaned) {
		chan_free(chan);
		return;
	}
	llist_for_each_entry_safe(req, next, llist_del_all(&chan->done), done)
		blk_chan_orphan(req);
}

/**
 * blk_chan_close() - cut back ends off
 * @chan: no queue has them as its back end any more, and the workers were flushed
 * @nr: how many
 *
 * Does not wait for them.
 */
void blk_chan_close(struct blk_chan **chan, u32 nr)
{
	u32 i;

	if (!nr)
		return;
	for (i = 0; i < nr; i++) {
		/* Before the reaper counts. */
		chan[i]->orphaned = chan[i]->inflight;
		RCU_INIT_POINTER(chan[i]->bq, NULL);
	}
	/* From here on requests go to the reaper; who saw a queue has left. */
	synchronize_rcu();
	for (i = 0; i < nr; i++)
		chan_leave(chan[i]);
}

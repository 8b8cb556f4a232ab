// SPDX-License-Identifier: GPL-2.0
/*
 * A queue's tie to its back end: made, drained, cut.
 *
 * Cut while requests are in flight, it lives on as an orphan. It keeps the file, the pinned pages
 * and this module until the back end is done with the last one; the reaper then lets go of them.
 */
#include <linux/blkdev.h>
#include <linux/cgroup.h>
#include <linux/cred.h>
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

/* Time for a back end to finish when its queue goes. */
#define CHAN_GRACE (1 * HZ)

static LLIST_HEAD(orphan_reqs);
static LIST_HEAD(orphans);
static DEFINE_MUTEX(orphan_mutex);	/* orphans, and the count of requests of each */
static DECLARE_WAIT_QUEUE_HEAD(orphan_wait);
static u32 orphans_gone;

/* Was the queue cut off? Any context. */
bool blk_chan_is_orphan(const struct blk_chan *chan)
{
	return !rcu_access_pointer(chan->async.vq);
}

/* What is left to do before the driver may know that a good request has ended. */
static void chan_settle_req(struct blk_req *req)
{
	int err = 0;

	if (req->settle & BLK_SETTLE_SYNC)
		err = vfs_fsync(req->chan->file, 1);
	if (req->settle & BLK_SETTLE_PAGES)
		blk_bdev_invalidate(req);
	blk_req_end(req, err);
}

static void chan_help(struct work_struct *work)
{
	struct blk_req *req = container_of(work, struct blk_req, work);
	struct blk_chan *chan = req->chan;
	struct mem_cgroup *memcg = set_active_memcg(chan->memcg);
	const struct cred *cred = override_creds(chan->cred);

	/* The chan lives until we have returned: whoever frees it stops its helpers first. */
	kthread_associate_blkcg(chan->blkcg);
	if (req->settle)
		chan_settle_req(req);
	else if (blk_chan_is_orphan(chan))
		/* Nobody waits for it, and who has the disk next must not meet it. */
		blk_req_end(req, -ECANCELED);
	else if (chan->bdev)
		blk_bdev_help(req);
	else
		blk_file_help(req);
	kthread_associate_blkcg(NULL);
	revert_creds(cred);
	set_active_memcg(memcg);
}

/* Helpers work in the name and on the account of current, who is the owner. */
static void chan_get_owner(struct blk_chan *chan)
{
	chan->cred = get_current_cred();
	chan->memcg = get_mem_cgroup_from_mm(current->mm);
#ifdef CONFIG_BLK_CGROUP
	chan->blkcg = task_get_css(current, io_cgrp_id);
#endif
}

static void chan_put_owner(struct blk_chan *chan)
{
	put_cred(chan->cred);
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
}

/**
 * blk_chan_open() - get ready for a back end
 * @file: passed blk_file_check(); referenced if all goes well
 * @flags: VHOST_BLK_BACKEND_*
 * @nr_req: as many as the ring holds
 *
 * Return: a chan without a queue, or ERR_PTR(-ENOMEM)
 */
struct blk_chan *blk_chan_open(struct file *file, u32 flags, u32 nr_req)
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
	INIT_LIST_HEAD(&chan->popped);
	vhc_async_init(&chan->async, &blk_async_ops);
	for (i = 0; i < chan->nr_req; i++) {
		struct blk_req *req = &chan->req[i];

		req->chan = chan;
		INIT_WORK(&req->work, chan_help);
		req->done.next = chan->free;
		chan->free = &req->done;
	}
	chan->file = get_file(file);
	chan->bdev = blk_file_bdev(file);
	chan->rdonly = flags & VHOST_BLK_BACKEND_RDONLY;
	chan->no_unmap = flags & VHOST_BLK_BACKEND_NO_UNMAP;
	chan_limits(chan);
	chan_get_owner(chan);
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
	chan_put_owner(chan);
	fput(chan->file);
	kvfree(chan->req);
	kfree(chan);
	module_put(THIS_MODULE);
}

/* The back end is done with it, and nobody waits for it. */
static void chan_forget(struct blk_req *req)
{
	vhc_data_put(&req->data);
	kvfree(req->ranges);
	req->chan->async.inflight--;
}

static void reap_orphans(struct work_struct *work)
{
	struct blk_req *req, *next;

	mutex_lock(&orphan_mutex);
	llist_for_each_entry_safe(req, next, llist_del_all(&orphan_reqs), done) {
		struct blk_chan *chan = req->chan;

		if (blk_req_unsettled(req, false)) {
			queue_work(chan->helpers, &req->work);
			continue;
		}
		chan_forget(req);
		if (chan->async.inflight)
			continue;
		list_del(&chan->orphan);
		/* Who ended the last one may still look at the chan. */
		synchronize_rcu();
		chan_free(chan);
		WRITE_ONCE(orphans_gone, orphans_gone + 1);
		wake_up_all(&orphan_wait);
	}
	mutex_unlock(&orphan_mutex);
}

static DECLARE_WORK(reaper, reap_orphans);

/* The back end is done with a request that no queue waits for. Any context. */
void blk_chan_orphan(struct vhc_async *a, struct llist_node *node)
{
	llist_add(node, &orphan_reqs);
	queue_work(system_unbound_wq, &reaper);
}

static bool orphan_uses(const struct address_space *mapping)
{
	struct blk_chan *chan;
	bool found = false;

	mutex_lock(&orphan_mutex);
	list_for_each_entry(chan, &orphans, orphan)
		found |= chan->file->f_mapping == mapping;
	mutex_unlock(&orphan_mutex);
	return found;
}

/**
 * blk_chan_wait_orphans() - let nothing that an earlier owner left behind meet what comes now
 * @file: of the back end
 *
 * Return: 0, -EINTR
 */
int blk_chan_wait_orphans(const struct file *file)
{
	for (;;) {
		u32 gone = READ_ONCE(orphans_gone);

		if (!orphan_uses(file->f_mapping))
			return 0;
		if (wait_event_interruptible(orphan_wait, READ_ONCE(orphans_gone) != gone))
			return -EINTR;
	}
}

/* The last orphan is gone, or there would be no exit; the reaper may be on its way out. */
void blk_chan_exit(void)
{
	flush_work(&reaper);
	synchronize_rcu();
}

/* Wait, until @deadline at most; publish nothing: this need not be the owner's address space. */
static void chan_settle(struct blk_chan *chan, unsigned long deadline)
{
	struct vhc_async *a = &chan->async;
	struct blk_req *req, *next;
	struct llist_node *list;

	/* IN_ORDER: finished, but held back */
	list_for_each_entry(req, &chan->popped, node)
		a->inflight -= req->published;
	while (a->inflight) {
		list = vhc_async_take(a, deadline);
		if (!list)
			return;
		llist_for_each_entry_safe(req, next, list, done) {
			if (blk_req_unsettled(req, false))
				blk_req_offload(req);
			else
				chan_forget(req);
		}
	}
}

/**
 * blk_chan_close() - cut back ends off
 * @chan: no queue has them as its back end any more
 * @nr: how many
 *
 * Gives requests in flight a second to end, so that normally nothing is written after an owner was
 * killed; but does not wait for a back end that hangs.
 */
void blk_chan_close(struct blk_chan **chan, u32 nr)
{
	unsigned long deadline = jiffies + CHAN_GRACE;
	struct llist_node *node, *next;
	u32 i;

	if (!nr)
		return;
	for (i = 0; i < nr; i++)
		chan_settle(chan[i], deadline);
	/* The reaper waits until all are sorted. */
	mutex_lock(&orphan_mutex);
	for (i = 0; i < nr; i++)
		vhc_async_cut(&chan[i]->async);
	/* From here on requests go to the reaper; who saw a queue has left. */
	synchronize_rcu();
	for (i = 0; i < nr; i++) {
		if (!chan[i]->async.inflight) {
			chan_free(chan[i]);
			continue;
		}
		list_add(&chan[i]->orphan, &orphans);
		llist_for_each_safe(node, next, llist_del_all(&chan[i]->async.done))
			blk_chan_orphan(&chan[i]->async, node);
	}
	mutex_unlock(&orphan_mutex);
}

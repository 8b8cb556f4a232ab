// SPDX-License-Identifier: GPL-2.0
/*
 * A queue's tie to its targets: made and cut. Its commands.
 *
 * Cut while commands are in flight, it lives on until LIO lets go of the last one. Meanwhile the
 * portal groups stay in use, so that no other device meets what is still being written.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <target/target_core_base.h>
#include <target/target_core_fabric.h>

#include "scsi.h"

/* Time for commands to end when their queue goes. */
#define CHAN_GRACE (1 * HZ)

static void chan_waker(struct work_struct *work)
{
	struct scsi_chan *chan = container_of(work, struct scsi_chan, waker);
	struct vhc_vq *vq;

	rcu_read_lock();
	vq = rcu_dereference(chan->async.vq);
	if (vq)
		vhc_vq_queue(vq);
	rcu_read_unlock();
}

/*
 * scsi_chan_wake() - a command has ended, and the worker may be asleep
 *
 * LIO ends commands in work items. Ours goes behind those that wait on this processor now, which
 * may well be of the same queue: the worker is woken once, and has all of them to complete.
 */
void scsi_chan_wake(struct vhc_async *a, struct vhc_vq *vq)
{
	if (READ_ONCE(a->inflight) == 1)
		vhc_vq_queue(vq);
	else
		queue_work(scsi_wq, &to_chan(a)->waker);
}

static struct scsi_cmd *chan_add_cmd(struct scsi_chan *chan)
{
	struct scsi_cmd *cmd = kmalloc(sizeof(*cmd), GFP_KERNEL_ACCOUNT);

	if (!cmd)
		return NULL;
	cmd->chan = chan;
	list_add(&cmd->node, &chan->free);
	return cmd;
}

/**
 * scsi_chan_open() - get a queue ready for targets
 * @ep: referenced if all goes well
 * @ops: what the queue is for
 * @num: size of its ring
 *
 * Return: it, or ERR_PTR(-ENOMEM)
 */
struct scsi_chan *scsi_chan_open(struct scsi_ep *ep, const struct vhc_async_ops *ops, u32 num)
{
	struct scsi_chan *chan = kzalloc(sizeof(*chan), GFP_KERNEL_ACCOUNT);

	if (!chan)
		return ERR_PTR(-ENOMEM);
	vhc_async_init(&chan->async, ops);
	INIT_LIST_HEAD(&chan->free);
	INIT_WORK(&chan->waker, chan_waker);
	chan->max_cmds = min(num, SCSI_MAX_CMDS);
	/* One there must be: whoever has none in flight waits for nobody. */
	if (!chan_add_cmd(chan)) {
		kfree(chan);
		return ERR_PTR(-ENOMEM);
	}
	refcount_inc(&ep->ref);
	chan->ep = ep;
	return chan;
}

/* No command is in flight, and who ended the last one has left. May sleep. */
static void chan_free(struct scsi_chan *chan)
{
	struct scsi_cmd *cmd, *next;

	cancel_work_sync(&chan->waker);
	list_for_each_entry_safe(cmd, next, &chan->free, node)
		kfree(cmd);
	scsi_ep_put(chan->ep);
	kfree(chan);
}

/* Commands that nobody is told of */
static u32 chan_forget(struct scsi_chan *chan, struct llist_node *list)
{
	struct scsi_cmd *cmd, *next;
	u32 n = 0;

	llist_for_each_entry_safe(cmd, next, list, done) {
		scsi_cmd_put_data(cmd);
		list_add(&cmd->node, &chan->free);
		n++;
	}
	return n;
}

static void orphan_work(struct work_struct *work)
{
	struct scsi_cmd *cmd = container_of(work, struct scsi_cmd, work);
	struct scsi_chan *chan = cmd->chan;

	scsi_cmd_put_data(cmd);
	kfree(cmd);
	if (atomic_dec_and_test(&chan->orphans))
		chan_free(chan);
}

/* LIO let go of a command whose queue has gone. Any context. */
void scsi_chan_orphan(struct vhc_async *a, struct llist_node *node)
{
	struct scsi_cmd *cmd = llist_entry(node, struct scsi_cmd, done);

	INIT_WORK(&cmd->work, orphan_work);
	queue_work(scsi_wq, &cmd->work);
}

/* Wait, until @deadline at most. */
static void chan_settle(struct scsi_chan *chan, unsigned long deadline)
{
	struct vhc_async *a = &chan->async;
	struct llist_node *list;

	while (a->inflight) {
		list = vhc_async_take(a, deadline);
		if (!list)
			return;
		a->inflight -= chan_forget(chan, list);
	}
}

/**
 * scsi_chan_close() - cut queues off
 * @chans: by scsi_chan.node_close; no queue has them as its back end any more
 *
 * Gives commands in flight a second to end, so that normally nothing is written after an owner was
 * killed; but does not wait for a device that hangs.
 */
void scsi_chan_close(struct list_head *chans)
{
	unsigned long deadline = jiffies + CHAN_GRACE;
	struct scsi_chan *chan, *next;

	list_for_each_entry(chan, chans, node_close)
		chan_settle(chan, deadline);
	list_for_each_entry(chan, chans, node_close) {
		/* One more than there are, until all are sorted. */
		atomic_set(&chan->orphans, chan->async.inflight + 1);
		vhc_async_cut(&chan->async);
	}
	/* Who saw a queue has left, and does not wake it any more. */
	synchronize_rcu();
	list_for_each_entry_safe(chan, next, chans, node_close) {
		u32 n = chan_forget(chan, llist_del_all(&chan->async.done));

		if (atomic_sub_and_test(n + 1, &chan->orphans))
			chan_free(chan);
	}
}

bool scsi_chan_full(const struct vhc_async *a)
{
	const struct scsi_chan *chan = container_of(a, struct scsi_chan, async);

	return a->inflight == chan->max_cmds || (a->inflight && chan->bytes > SCSI_BYTES_MAX);
}

/**
 * scsi_chan_get_cmd() - a command that is not in flight
 * @chan: the vq mutex is held
 *
 * Return: it; NULL when there is no memory for another, and some are in flight
 */
struct scsi_cmd *scsi_chan_get_cmd(struct scsi_chan *chan)
{
	struct scsi_cmd *cmd;

	if (unlikely(list_empty(&chan->free)) && !chan_add_cmd(chan))
		return NULL;
	cmd = list_first_entry(&chan->free, struct scsi_cmd, node);
	list_del(&cmd->node);
	return cmd;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vhost_scsi.ko: a virtio-scsi device whose targets are LIO's.
 *
 * LIO's configfs (target/vhost) makes target ports, each with portal groups;
 * VHOST_SCSI_SET_ENDPOINT gives a device all groups of one port, as its targets. The worker of a
 * queue pops commands, pins the pages of their data and submits them to LIO. When LIO lets go of a
 * command, in any context, it is put into a list without a lock, and the worker writes the response
 * and publishes.
 *
 * Queues and groups are tied by a struct scsi_ep, which outlives the device while LIO is at work on
 * a command: nobody but an owner who asks for a drain waits for a device that hangs.
 *
 * Lock order: configfs, scsi_tpg.mutex, what LIO locks.
 */
#ifndef VHOST_SCSI_SCSI_H
#define VHOST_SCSI_SCSI_H

#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/virtio_scsi.h>
#include <linux/workqueue.h>
#include <target/target_core_base.h>
#include <vhost/async.h>
#include <vhost/core.h>
#include <vhost/data.h>

/* The queues: control, events, requests */
enum {
	SCSI_VQ_CTL,
	SCSI_VQ_EVT,
	SCSI_VQ_REQ,
};

/* Numbers of targets, and so of portal groups, are below. */
#define SCSI_MAX_TARGETS 256

/* Commands popped, and completed, at once */
#define SCSI_BATCH 64

/* More are not in flight at a time in one queue, however large the ring. */
#define SCSI_MAX_CMDS 1024U

/* Data of a command, in bytes: what LIO takes in one piece, and tells initiators to heed */
#define SCSI_MAX_SG 2048
#define SCSI_LEN_MAX (SCSI_MAX_SG * PAGE_SIZE)

/* Data of all commands in flight in one queue; beyond, more wait in the ring. */
#define SCSI_BYTES_MAX SZ_64M

/* Segments that need no allocation */
#define SCSI_INLINE_SG 8
#define SCSI_INLINE_RESP 2

/* Events that wait for the worker */
#define SCSI_MAX_EVENTS 128

struct vhost_scsi;

/**
 * struct scsi_tport - a target port: /sys/kernel/config/target/vhost/NAME
 * @wwn: LIO's part
 * @ref: its own, until configfs drops it, and one of each group
 * @proto_id: SCSI_PROTOCOL_*
 * @name: "naa.", "fc." or "iqn." and what follows
 */
struct scsi_tport {
	struct se_wwn wwn;
	refcount_t ref;
	u8 proto_id;
	char name[TRANSPORT_IQN_LEN];
};

/**
 * struct scsi_tpg_lun - a LUN of a portal group
 * @node: place in scsi_tpg.luns
 * @lun: LIO's
 * @blocks: capacity, as last seen
 */
struct scsi_tpg_lun {
	struct list_head node;
	struct se_lun *lun;
	sector_t blocks;
};

/**
 * struct scsi_tpg - a portal group, which is a target of the device that has the port
 * @se_tpg: LIO's part
 * @tport: the port
 * @tpgt: number in it, and of the target
 * @prot_type: protection information that LIO emulates for back ends that have none
 * @node: place among all groups
 * @mutex: protects all that follows
 * @sess: the nexus; stays while @busy
 * @luns: its LUNs
 * @busy: an endpoint has it
 * @vs: whose guest hears of changes
 */
struct scsi_tpg {
	struct se_portal_group se_tpg;
	struct scsi_tport *tport;
	u16 tpgt;
	int prot_type;
	struct list_head node;
	struct mutex mutex; /* configfs against endpoints */
	struct se_session *sess;
	struct list_head luns;
	bool busy;
	struct vhost_scsi *vs;
};

/**
 * struct scsi_ep - the targets of a device
 * @wwpn: name of the port
 * @tpg: by number; configfs keeps them
 * @ref: the device's, and one of each &struct scsi_chan
 * @put: lets go of the groups
 */
struct scsi_ep {
	char wwpn[TRANSPORT_IQN_LEN];
	struct scsi_tpg *tpg[SCSI_MAX_TARGETS];
	refcount_t ref;
	struct work_struct put;
};

enum scsi_kind {
	SCSI_CMD,
	SCSI_TMF,
	SCSI_AN,
};

/**
 * struct scsi_cmd - one command, or one request of the control queue
 * @se: LIO's part
 * @chan: owns it
 * @done: place in vhc_async.done
 * @node: place in scsi_chan.free
 * @elem: the buffer, to be completed
 * @kind: what it is
 * @response: VIRTIO_SCSI_S_*
 * @answered: LIO has set a status
 * @mem_seq: vhc_vq.mem_seq at the time it was popped
 * @tmr: answer to a task management function, enum tcm_tmrsp_table
 * @resp: where the response goes, in @inline_resp if it fits
 * @nr_resp: how many segments
 * @len: bytes of data, protection information included
 * @data: the pages of the data
 * @prot: those of the protection information, allocated, NULL without
 * @sg: LIO's view of the pages, in @inline_sg if they fit
 * @inline_resp: room
 * @inline_sg: room
 * @cdb: the command
 * @sense: what LIO says of it
 * @work: lets go of an orphan
 */
struct scsi_cmd {
	struct se_cmd se;
	struct scsi_chan *chan;
	struct llist_node done;
	struct list_head node;
	struct vring_elem elem;
	u8 kind;
	u8 response;
	bool answered;
	u8 tmr;
	u32 mem_seq;
	u32 nr_resp;
	u32 len;
	struct iovec *resp;
	struct vhc_data data;
	struct vhc_data *prot;
	struct scatterlist *sg;
	struct iovec inline_resp[SCSI_INLINE_RESP];
	struct scatterlist inline_sg[SCSI_INLINE_SG];
	u8 cdb[VIRTIO_SCSI_CDB_DEFAULT_SIZE];
	u8 sense[VIRTIO_SCSI_SENSE_DEFAULT_SIZE];
	struct work_struct work;
};

/**
 * struct scsi_chan - a queue on its targets
 * @async: the queue's back end
 * @ep: the targets, referenced
 * @max_cmds: as many commands at a time
 * @bytes: data in flight
 * @free: commands that are not in flight. There are as many as were once needed.
 * @waker: wakes the queue's worker
 * @orphans: commands in flight when the queue went
 * @node_close: place among those that are being closed
 * @out: commands about to be completed
 */
struct scsi_chan {
	struct vhc_async async;
	struct scsi_ep *ep;
	u32 max_cmds;
	size_t bytes;
	struct list_head free;
	struct work_struct waker;
	atomic_t orphans;
	struct list_head node_close;
	struct vring_elem out[SCSI_BATCH];
};

/**
 * struct vhost_scsi - an open device
 * @dev: the core's part
 * @vqs: for it
 * @vq: queues
 * @ep: the targets, NULL without; dev.mutex
 * @events: that wait for the worker, latest first; any context
 * @nr_events: how many
 * @missed: some were lost: the driver is told with the next one
 * @watch: looks for LUNs whose capacity has changed
 */
struct vhost_scsi {
	struct vhc_dev dev;
	struct vhc_vq **vqs;
	struct vhc_vq *vq;
	struct scsi_ep *ep;
	struct llist_head events;
	atomic_t nr_events;
	bool missed;
	struct delayed_work watch;
};

static inline struct vhost_scsi *to_vs(const struct vhc_vq *vq)
{
	return container_of(vq->dev, struct vhost_scsi, dev);
}

static inline struct scsi_chan *to_chan(struct vhc_async *a)
{
	return container_of(a, struct scsi_chan, async);
}

static inline struct scsi_tpg *to_scsi_tpg(struct se_portal_group *se_tpg)
{
	return container_of(se_tpg, struct scsi_tpg, se_tpg);
}

static inline struct scsi_cmd *to_cmd(struct se_cmd *se)
{
	return container_of(se, struct scsi_cmd, se);
}

/* The target that a request names, NULL without. @lun: the driver's, first two bytes */
static inline struct scsi_tpg *scsi_ep_target(const struct scsi_ep *ep, const u8 *lun)
{
	return lun[0] == 1 ? ep->tpg[lun[1]] : NULL;
}

/* The LUN in there, of the forms that have a plain number */
static inline u64 scsi_lun_number(const u8 *lun)
{
	return (lun[2] << 8 | lun[3]) & 0x3fff;
}

/* scsi.c */
extern struct workqueue_struct *scsi_wq;

/* tpg.c: configfs */
int scsi_tpg_init(void);
void scsi_tpg_exit(void);
struct scsi_ep *scsi_ep_open(struct vhost_scsi *vs, const char *wwpn);
void scsi_ep_detach(struct scsi_ep *ep);
void scsi_ep_put(struct scsi_ep *ep);

/* chan.c: tie and untie; commands without a queue */
struct scsi_chan *scsi_chan_open(struct scsi_ep *ep, const struct vhc_async_ops *ops, u32 num);
void scsi_chan_close(struct list_head *chans);
void scsi_chan_wake(struct vhc_async *a, struct vhc_vq *vq);
void scsi_chan_orphan(struct vhc_async *a, struct llist_node *node);
struct scsi_cmd *scsi_chan_get_cmd(struct scsi_chan *chan);
bool scsi_chan_full(const struct vhc_async *a);

/* cmd.c, ctl.c: what the worker does with commands, and with the control queue */
extern const struct vhc_async_ops scsi_cmd_ops;
extern const struct vhc_async_ops scsi_ctl_ops;
int scsi_cmd_pop(struct vhc_async *a, struct vhc_vq *vq,
		 int (*start)(struct scsi_chan *chan, struct vhc_vq *vq,
			      const struct vring_elem *e));
void scsi_ctl_response(struct scsi_cmd *cmd, struct vhc_vq *vq);

/* done.c: completed by LIO, and to the driver */
void scsi_cmd_init(struct scsi_cmd *cmd, const struct vring_elem *e, const struct vhc_vq *vq,
		   enum scsi_kind kind);
int scsi_cmd_set_resp(struct scsi_cmd *cmd, struct vhc_segs *in, size_t len);
void scsi_cmd_end(struct scsi_cmd *cmd, u8 response);
void scsi_cmd_put_data(struct scsi_cmd *cmd);
void scsi_reap(struct vhc_async *a, struct vhc_vq *vq);

/* event.c */
extern const struct vhc_vq_ops scsi_evt_vq_ops;
void scsi_event_lun(struct scsi_tpg *tpg, const struct se_lun *lun, u32 event, u32 reason);
void scsi_event_drop(struct vhost_scsi *vs);
sector_t scsi_lun_blocks(const struct se_lun *lun);
void scsi_watch(struct work_struct *work);
void scsi_watch_start(struct vhost_scsi *vs);

#endif

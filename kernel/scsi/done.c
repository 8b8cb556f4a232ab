// SPDX-License-Identifier: GPL-2.0
/*
 * Commands: begun, ended, told to the driver.
 */
#include <linux/slab.h>

#include "scsi.h"

/**
 * scsi_cmd_init() - make a command of a buffer
 * @cmd: not in flight
 * @e: the buffer
 * @vq: its queue
 * @kind: what it is
 */
void scsi_cmd_init(struct scsi_cmd *cmd, const struct vring_elem *e, const struct vhc_vq *vq,
		   enum scsi_kind kind)
{
	memset(&cmd->se, 0, sizeof(cmd->se));
	/* LIO fills in some of it, and the driver gets all. */
	memset(cmd->sense, 0, sizeof(cmd->sense));
	cmd->elem = *e;
	cmd->kind = kind;
	cmd->answered = false;
	cmd->mem_seq = vq->mem_seq;
	cmd->nr_resp = 0;
	cmd->resp = cmd->inline_resp;
	cmd->len = 0;
	cmd->prot = NULL;
	cmd->sg = cmd->inline_sg;
	vhc_data_init(&cmd->data);
}

/**
 * scsi_cmd_set_resp() - take what the response is written to off the front
 * @cmd: initialized
 * @in: what the device writes
 * @len: of the response
 *
 * Return: 0, -ENOMEM
 */
int scsi_cmd_set_resp(struct scsi_cmd *cmd, struct vhc_segs *in, size_t len)
{
	if (unlikely(in->iov->iov_len < len && in->nr > SCSI_INLINE_RESP)) {
		cmd->resp = kmalloc_array(in->nr, sizeof(*cmd->resp), GFP_KERNEL_ACCOUNT);
		if (!cmd->resp) {
			cmd->resp = cmd->inline_resp;
			return -ENOMEM;
		}
	}
	cmd->nr_resp = vhc_segs_cut(in, cmd->resp, len);
	return 0;
}

/**
 * scsi_cmd_end() - LIO is done with a command, or never had it
 * @cmd: not touched afterwards
 * @response: VIRTIO_SCSI_S_*; of a TMF that LIO has answered, that counts
 *
 * Any context.
 */
void scsi_cmd_end(struct scsi_cmd *cmd, u8 response)
{
	cmd->response = response;
	vhc_async_end(&cmd->chan->async, &cmd->done);
}

/* Let go of all that a command holds. May sleep; any address space. */
void scsi_cmd_put_data(struct scsi_cmd *cmd)
{
	vhc_data_put(&cmd->data);
	if (unlikely(cmd->prot)) {
		vhc_data_put(cmd->prot);
		kfree(cmd->prot);
	}
	if (cmd->sg != cmd->inline_sg)
		kvfree(cmd->sg);
	if (unlikely(cmd->resp != cmd->inline_resp))
		kfree(cmd->resp);
}

static bool iov_is_guest(const struct vhc_vq *vq, const struct iovec *iov, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (!vhc_vq_is_guest(vq, iov[i].iov_base, iov[i].iov_len))
			return false;
	return true;
}

/* Does all that we are about to write still belong to the guest? */
static bool cmd_is_guest(const struct scsi_cmd *cmd, const struct vhc_vq *vq)
{
	if (likely(cmd->mem_seq == vq->mem_seq))
		return true;
	return iov_is_guest(vq, cmd->resp, cmd->nr_resp) &&
	       (!cmd->data.bounced || iov_is_guest(vq, cmd->data.iov, cmd->data.nr_iov)) &&
	       (!cmd->prot || iov_is_guest(vq, cmd->prot->iov, cmd->prot->nr_iov));
}

static u32 cmd_resid(const struct scsi_cmd *cmd)
{
	return cmd->se.se_cmd_flags & (SCF_OVERFLOW_BIT | SCF_UNDERFLOW_BIT) ?
		cmd->se.residual_count : 0;
}

/* Return: bytes written from the front of the buffer on */
static u32 cmd_response(struct scsi_cmd *cmd, struct vhc_vq *vq)
{
	struct virtio_scsi_cmd_resp resp = { .response = cmd->response };
	u32 written = sizeof(resp);
	u32 resid;

	if (likely(cmd->response == VIRTIO_SCSI_S_OK)) {
		u32 sense = min_t(u32, cmd->se.scsi_sense_length, sizeof(resp.sense));

		resid = cmd_resid(cmd);
		resp.status = cmd->se.scsi_status;
		resp.resid = (__force __virtio32)cpu_to_le32(resid);
		resp.sense_len = (__force __virtio32)cpu_to_le32(sense);
		if (unlikely(sense))
			memcpy(resp.sense, cmd->sense, sense);
		else if (cmd->data.write && resid <= cmd->len)
			written += cmd->len - resid;
	}
	if (vhc_vq_write(vq, cmd->resp, cmd->nr_resp, &resp, sizeof(resp)))
		return 0;
	return written;
}

static int cmd_copy_back(struct scsi_cmd *cmd)
{
	if (!cmd->data.write || cmd->response != VIRTIO_SCSI_S_OK)
		return 0;
	if (unlikely(cmd->prot) && vhc_data_copy_back(cmd->prot))
		return -EFAULT;
	return vhc_data_copy_back(&cmd->data);
}

static void data_log(const struct vhc_vq *vq, const struct vhc_data *d)
{
	if (d->write)
		vhc_vq_log_data(vq, d->iov, d->nr_iov, SIZE_MAX);
}

/*
 * The owner's address space. Afterwards the command holds nothing, and its elem is complete. A
 * response that cannot be written is the driver's loss; the buffer goes back in any case.
 */
static void cmd_finish(struct scsi_cmd *cmd, struct vhc_vq *vq)
{
	bool guest = cmd_is_guest(cmd, vq);

	if (!guest || cmd_copy_back(cmd))
		cmd->response = VIRTIO_SCSI_S_FAILURE;
	/* A command that failed may have written some. */
	data_log(vq, &cmd->data);
	if (unlikely(cmd->prot))
		data_log(vq, cmd->prot);
	if (likely(guest)) {
		if (likely(cmd->kind == SCSI_CMD))
			cmd->elem.len = cmd_response(cmd, vq);
		else
			scsi_ctl_response(cmd, vq);
	}
	scsi_cmd_put_data(cmd);
}

/* A broken ring is told nothing more. */
static void cmds_complete(struct scsi_chan *chan, struct vhc_vq *vq, u32 nr)
{
	if (likely(!vq->broken))
		vhc_vq_publish(vq, chan->out, nr);
}

/* scsi_reap() - see &vhc_async_ops.reap */
void scsi_reap(struct vhc_async *a, struct vhc_vq *vq)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&a->done));
	struct scsi_chan *chan = to_chan(a);
	struct scsi_cmd *cmd, *next;
	u32 nr = 0;

	llist_for_each_entry_safe(cmd, next, list, done) {
		cmd_finish(cmd, vq);
		vhc_vq_count(vq, 0, cmd->len);
		chan->bytes -= cmd->elem.out_len + cmd->elem.in_len;
		WRITE_ONCE(a->inflight, a->inflight - 1);
		list_add(&cmd->node, &chan->free);
		chan->out[nr++] = cmd->elem;
		if (nr == SCSI_BATCH) {
			cmds_complete(chan, vq, nr);
			nr = 0;
		}
	}
	cmds_complete(chan, vq, nr);
}

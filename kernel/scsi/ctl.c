// SPDX-License-Identifier: GPL-2.0
/*
 * The control queue: task management, and asynchronous notifications.
 */
#include <target/target_core_base.h>
#include <target/target_core_fabric.h>

#include "scsi.h"

/* --- answers --- */

static u8 tmf_response(const struct scsi_cmd *cmd)
{
	if (cmd->response != VIRTIO_SCSI_S_OK)
		return cmd->response;
	switch (cmd->tmr) {
	case TMR_FUNCTION_COMPLETE:
	case TMR_TASK_DOES_NOT_EXIST:
		/* A task that has ended need not be aborted (SAM-5, ABORT TASK). */
		return VIRTIO_SCSI_S_OK;
	case TMR_LUN_DOES_NOT_EXIST:
		return VIRTIO_SCSI_S_INCORRECT_LUN;
	case TMR_TASK_MGMT_FUNCTION_NOT_SUPPORTED:
	case TMR_FUNCTION_REJECTED:
		return VIRTIO_SCSI_S_FUNCTION_REJECTED;
	default:
		return VIRTIO_SCSI_S_FAILURE;
	}
}

/**
 * scsi_ctl_response() - write the answer to a control request
 * @cmd: ended
 * @vq: mutex held, the owner's address space
 */
void scsi_ctl_response(struct scsi_cmd *cmd, struct vhc_vq *vq)
{
	struct virtio_scsi_ctrl_tmf_resp tmf;
	struct virtio_scsi_ctrl_an_resp an = {};
	const void *resp = &tmf;
	size_t len = sizeof(tmf);

	if (cmd->kind == SCSI_AN) {
		/* None of the events is ever sent: event_actual stays empty. */
		an.response = cmd->response;
		resp = &an;
		len = sizeof(an);
	} else {
		tmf.response = tmf_response(cmd);
	}
	if (!vhc_vq_write(vq, cmd->resp, cmd->nr_resp, resp, len))
		cmd->elem.len = len;
}

/* --- requests --- */

/* Return: what LIO calls it, or 0: it does not know it */
static u8 tmf_type(u32 subtype)
{
	switch (subtype) {
	case VIRTIO_SCSI_T_TMF_ABORT_TASK:
		return TMR_ABORT_TASK;
	case VIRTIO_SCSI_T_TMF_ABORT_TASK_SET:
		return TMR_ABORT_TASK_SET;
	case VIRTIO_SCSI_T_TMF_CLEAR_ACA:
		return TMR_CLEAR_ACA;
	case VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET:
		return TMR_CLEAR_TASK_SET;
	case VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET:
		return TMR_LUN_RESET;
	default:
		return 0;
	}
}

/* LIO answers from a work item of its own. Return: 0; or VIRTIO_SCSI_S_*: how it ended */
static u8 tmf_run(struct scsi_cmd *cmd, const struct virtio_scsi_ctrl_tmf_req *req)
{
	struct scsi_tpg *tpg = scsi_ep_target(cmd->chan->ep, req->lun);
	u8 type = tmf_type(le32_to_cpu((__force __le32)req->subtype));

	if (!tpg)
		return VIRTIO_SCSI_S_BAD_TARGET;
	if (!type)
		return VIRTIO_SCSI_S_FUNCTION_REJECTED;
	if (target_submit_tmr(&cmd->se, tpg->sess, cmd->sense, scsi_lun_number(req->lun), NULL,
			      type, GFP_KERNEL, le64_to_cpu((__force __le64)req->tag), 0))
		return VIRTIO_SCSI_S_FAILURE;
	return 0;
}

/* struct ctl_type - a kind of request */
struct ctl_type {
	size_t req;
	size_t resp;
	enum scsi_kind kind;
};

static const struct ctl_type *ctl_type(u32 type)
{
	static const struct ctl_type tmf = {
		.req = sizeof(struct virtio_scsi_ctrl_tmf_req),
		.resp = sizeof(struct virtio_scsi_ctrl_tmf_resp),
		.kind = SCSI_TMF,
	}, an = {
		.req = sizeof(struct virtio_scsi_ctrl_an_req),
		.resp = sizeof(struct virtio_scsi_ctrl_an_resp),
		.kind = SCSI_AN,
	};

	switch (type) {
	case VIRTIO_SCSI_T_TMF:
		return &tmf;
	case VIRTIO_SCSI_T_AN_QUERY:
	case VIRTIO_SCSI_T_AN_SUBSCRIBE:
		return &an;
	default:
		return NULL;
	}
}

/* Return: as cmd_start(); -EINVAL also for types of which nobody knows how long the answer is */
static int ctl_start(struct scsi_chan *chan, struct vhc_vq *vq, const struct vring_elem *e)
{
	struct iovec *iov = &vq->batch.iov[e->iov];
	struct vhc_segs out = { .iov = iov, .nr = e->nr_out, .len = e->out_len };
	struct vhc_segs in = { .iov = iov + e->nr_out, .nr = e->nr_in, .len = e->in_len };
	union {
		__virtio32 type;
		struct virtio_scsi_ctrl_tmf_req tmf;
		struct virtio_scsi_ctrl_an_req an;
	} req;
	u8 *rest = (u8 *)&req + sizeof(req.type);
	const struct ctl_type *type;
	struct scsi_cmd *cmd;
	u8 response = VIRTIO_SCSI_S_FAILURE;

	if (out.len < sizeof(req.type) || vhc_segs_copy(&out, &req.type, sizeof(req.type)))
		return -EINVAL;
	type = ctl_type(le32_to_cpu((__force __le32)req.type));
	if (!type || out.len < type->req - sizeof(req.type) || in.len < type->resp)
		return -EINVAL;
	if (vhc_segs_copy(&out, rest, type->req - sizeof(req.type)))
		return -EINVAL;
	cmd = scsi_chan_get_cmd(chan);
	if (!cmd)
		return -ENOMEM;
	scsi_cmd_init(cmd, e, vq, type->kind);
	if (!scsi_cmd_set_resp(cmd, &in, type->resp)) {
		if (type->kind == SCSI_TMF)
			response = tmf_run(cmd, &req.tmf);
		else
			response = scsi_ep_target(chan->ep, req.an.lun) ? VIRTIO_SCSI_S_OK :
				VIRTIO_SCSI_S_BAD_TARGET;
	}
	if (response || type->kind == SCSI_AN)
		scsi_cmd_end(cmd, response);
	return 0;
}

static int ctl_pop(struct vhc_async *a, struct vhc_vq *vq)
{
	return scsi_cmd_pop(a, vq, ctl_start);
}

const struct vhc_async_ops scsi_ctl_ops = {
	.reap = scsi_reap,
	.pop = ctl_pop,
	.full = scsi_chan_full,
	.wake = scsi_chan_wake,
	.orphan = scsi_chan_orphan,
};

// SPDX-License-Identifier: GPL-2.0
/*
 * Request queues: commands, from the ring to LIO.
 */
#include <linux/blkdev.h>
#include <linux/slab.h>
#include <scsi/scsi_common.h>
#include <scsi/scsi_proto.h>
#include <target/target_core_base.h>
#include <target/target_core_fabric.h>

#include "scsi.h"

/* struct scsi_hdr - a command's header, of either form */
struct scsi_hdr {
	const u8 *lun;
	u64 tag;
	u8 task_attr;
	const u8 *cdb;
	u32 pi_out;
	u32 pi_in;
};

static int task_attr(u8 attr)
{
	switch (attr) {
	case VIRTIO_SCSI_S_ORDERED:
		return TCM_ORDERED_TAG;
	case VIRTIO_SCSI_S_HEAD:
		return TCM_HEAD_TAG;
	case VIRTIO_SCSI_S_ACA:
		return TCM_ACA_TAG;
	default:
		return TCM_SIMPLE_TAG;
	}
}

/*
 * Is it a READ or WRITE? The data of all others is copied into whole pages: LIO looks at it as a
 * whole, and is not prepared for every way in which it can be strewn.
 */
static bool is_rw(u8 opcode)
{
	switch (opcode) {
	case READ_6:
	case READ_10:
	case READ_12:
	case READ_16:
	case WRITE_6:
	case WRITE_10:
	case WRITE_12:
	case WRITE_16:
		return true;
	default:
		return false;
	}
}

/* May block devices be given these segments as they are? */
static bool segs_aligned(const struct vhc_segs *s)
{
	unsigned long all = 0;
	u32 i;

	for (i = 0; i < s->nr; i++)
		all |= (unsigned long)s->iov[i].iov_base | s->iov[i].iov_len;
	return !(all & (SECTOR_SIZE - 1));
}

/* A segment is a page at most: not all back ends know others. */
static u32 data_nr_sg(const struct vhc_data *d)
{
	u32 i, n = 0;

	for (i = 0; i < d->nr_bv; i++)
		n += DIV_ROUND_UP(d->bv[i].bv_offset + d->bv[i].bv_len, PAGE_SIZE);
	return n;
}

static void data_fill_sg(const struct vhc_data *d, struct scatterlist *sg, u32 nr)
{
	u32 i;

	sg_init_table(sg, nr);
	for (i = 0; i < d->nr_bv; i++) {
		struct page *page = d->bv[i].bv_page;
		u32 off = d->bv[i].bv_offset;
		u32 left = d->bv[i].bv_len;

		while (left) {
			u32 n = min_t(u32, left, PAGE_SIZE - off);

			sg_set_page(sg++, page++, n, off);
			left -= n;
			off = 0;
		}
	}
}

/* Protection information comes first; always in pages of our own, so that no tuple is split. */
static int cmd_get_prot(struct scsi_cmd *cmd, struct vhc_segs *s, u32 len, bool write)
{
	struct iovec *iov = kmalloc_array(s->nr, sizeof(*iov), GFP_KERNEL_ACCOUNT);
	struct vhc_segs prot = { .iov = iov, .len = len };
	int err = -ENOMEM;

	cmd->prot = kzalloc(sizeof(*cmd->prot), GFP_KERNEL_ACCOUNT);
	if (iov && cmd->prot) {
		prot.nr = vhc_segs_cut(s, iov, len);
		err = vhc_data_get(cmd->prot, &prot, write, true);
	}
	kfree(iov);
	return err;
}

/*
 * Get the pages of all data. Return: 0; or -ENOMEM, -EFAULT. @nr, @nr_prot: segments in cmd->sg,
 * those of the data first
 */
static int cmd_get_data(struct scsi_cmd *cmd, struct vhc_segs *s, u32 prot, bool write, u8 opcode,
			u32 *nr, u32 *nr_prot)
{
	int err;

	cmd->len = s->len;
	if (unlikely(prot)) {
		err = cmd_get_prot(cmd, s, prot, write);
		if (err)
			return err;
		*nr_prot = data_nr_sg(cmd->prot);
	}
	if (s->len) {
		err = vhc_data_get(&cmd->data, s, write, !is_rw(opcode) || !segs_aligned(s));
		if (err)
			return err;
		*nr = data_nr_sg(&cmd->data);
	}
	if (*nr + *nr_prot > SCSI_INLINE_SG) {
		cmd->sg = kvmalloc_array(*nr + *nr_prot, sizeof(*cmd->sg), GFP_KERNEL_ACCOUNT);
		if (!cmd->sg) {
			cmd->sg = cmd->inline_sg;
			return -ENOMEM;
		}
	}
	if (*nr)
		data_fill_sg(&cmd->data, cmd->sg, *nr);
	if (unlikely(*nr_prot))
		data_fill_sg(cmd->prot, cmd->sg + *nr, *nr_prot);
	return 0;
}

/*
 * Give it to LIO, with @prot bytes of protection information among cmd->len. Return: 0; or
 * VIRTIO_SCSI_S_*, when LIO does not have it
 */
static u8 cmd_submit(struct scsi_cmd *cmd, struct scsi_tpg *tpg, const struct scsi_hdr *hdr,
		     enum dma_data_direction dir, u32 prot, u32 nr, u32 nr_prot)
{
	u32 len = cmd->len - prot;
	struct se_cmd *se = &cmd->se;

	memcpy(cmd->cdb, hdr->cdb, sizeof(cmd->cdb));
	se->tag = hdr->tag;
	if (target_init_cmd(se, tpg->sess, cmd->sense, scsi_lun_number(hdr->lun), len,
			    task_attr(hdr->task_attr), dir, 0))
		return VIRTIO_SCSI_S_TRANSPORT_FAILURE;
	/* From here on it comes back by scsi_cmd_end(), also when this fails. */
	if (target_submit_prep(se, cmd->cdb, nr ? cmd->sg : NULL, nr, NULL, 0,
			       nr_prot ? cmd->sg + nr : NULL, nr_prot, GFP_KERNEL))
		return 0;
	/* LIO allocates what protection information did not come, and oopses if that is none. */
	if (unlikely(se->prot_op != TARGET_PROT_NORMAL && !se->prot_length))
		se->prot_op = TARGET_PROT_NORMAL;
	/* What LIO makes of the CDB must lie in the pages that it was given. */
	if (unlikely((nr && se->data_length > len) || (nr_prot && se->prot_length > prot)))
		transport_generic_request_failure(se, TCM_INVALID_CDB_FIELD);
	else
		target_submit(se);
	return 0;
}

/* Return: 0; or VIRTIO_SCSI_S_*: how it ended */
static u8 cmd_run(struct scsi_cmd *cmd, const struct scsi_hdr *hdr, struct vhc_segs *out,
		  struct vhc_segs *in)
{
	struct scsi_tpg *tpg = scsi_ep_target(cmd->chan->ep, hdr->lun);
	struct vhc_segs *data = out->len ? out : in;
	enum dma_data_direction dir = DMA_NONE;
	bool write = data == in;
	u32 prot = write ? hdr->pi_in : hdr->pi_out;
	u32 nr = 0, nr_prot = 0;

	if (!tpg)
		return VIRTIO_SCSI_S_BAD_TARGET;
	/* Without VIRTIO_SCSI_F_INOUT data goes one way. */
	if ((out->len && in->len) || (write ? hdr->pi_out : hdr->pi_in) || prot > data->len ||
	    data->len > SCSI_LEN_MAX || scsi_command_size(hdr->cdb) > sizeof(cmd->cdb))
		return VIRTIO_SCSI_S_FAILURE;
	if (data->len) {
		dir = write ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
		if (cmd_get_data(cmd, data, prot, write, hdr->cdb[0], &nr, &nr_prot))
			return VIRTIO_SCSI_S_FAILURE;
	}
	return cmd_submit(cmd, tpg, hdr, dir, data->len ? prot : 0, nr, nr_prot);
}

static int hdr_get(struct scsi_hdr *hdr, struct vhc_segs *out, void *buf, bool pi)
{
	struct virtio_scsi_cmd_req_pi *with = buf;
	struct virtio_scsi_cmd_req *req = buf;

	if (vhc_segs_copy(out, buf, pi ? sizeof(*with) : sizeof(*req)))
		return -EFAULT;
	/* Both forms begin alike. */
	hdr->lun = req->lun;
	hdr->tag = le64_to_cpu((__force __le64)req->tag);
	hdr->task_attr = req->task_attr;
	hdr->cdb = pi ? with->cdb : req->cdb;
	hdr->pi_out = pi ? le32_to_cpu((__force __le32)with->pi_bytesout) : 0;
	hdr->pi_in = pi ? le32_to_cpu((__force __le32)with->pi_bytesin) : 0;
	return 0;
}

/* Return: 0; -EINVAL, when it is no command at all; -ENOMEM, try again later */
static int cmd_start(struct scsi_chan *chan, struct vhc_vq *vq, const struct vring_elem *e)
{
	struct iovec *iov = &vq->batch.iov[e->iov];
	struct vhc_segs out = { .iov = iov, .nr = e->nr_out, .len = e->out_len };
	struct vhc_segs in = { .iov = iov + e->nr_out, .nr = e->nr_in, .len = e->in_len };
	bool pi = vhc_vq_has_feature(vq, VIRTIO_SCSI_F_T10_PI);
	struct virtio_scsi_cmd_req_pi buf;
	struct scsi_hdr hdr;
	struct scsi_cmd *cmd;
	u8 response = VIRTIO_SCSI_S_FAILURE;

	if (out.len < (pi ? sizeof(buf) : sizeof(struct virtio_scsi_cmd_req)) ||
	    in.len < sizeof(struct virtio_scsi_cmd_resp))
		return -EINVAL;
	cmd = scsi_chan_get_cmd(chan);
	if (!cmd)
		return -ENOMEM;
	scsi_cmd_init(cmd, e, vq, SCSI_CMD);
	if (!scsi_cmd_set_resp(cmd, &in, sizeof(struct virtio_scsi_cmd_resp)) &&
	    !hdr_get(&hdr, &out, &buf, pi))
		response = cmd_run(cmd, &hdr, &out, &in);
	if (unlikely(response))
		scsi_cmd_end(cmd, response);
	return 0;
}

/**
 * scsi_cmd_pop() - see &vhc_async_ops.pop
 * @a: the queue's back end
 * @vq: the queue
 * @start: makes a command of a buffer. Return: 0; -EINVAL, when it is none; -ENOMEM
 */
int scsi_cmd_pop(struct vhc_async *a, struct vhc_vq *vq,
		 int (*start)(struct scsi_chan *chan, struct vhc_vq *vq,
			      const struct vring_elem *e))
{
	struct scsi_chan *chan = to_chan(a);
	int i, n, err = 0;

	n = vhc_vq_pop(vq, min_t(u32, SCSI_BATCH, chan->max_cmds - a->inflight));
	for (i = 0; i < n; i++) {
		const struct vring_elem *e = &vq->batch.elem[i];

		/* Memory that others pay for: the rest when some of it is done. */
		if (unlikely(i && chan->bytes > SCSI_BYTES_MAX))
			err = -ENOMEM;
		else
			err = start(chan, vq, e);
		if (unlikely(err)) {
			vhc_vq_rewind(vq, e);
			break;
		}
		WRITE_ONCE(a->inflight, a->inflight + 1);
		chan->bytes += e->out_len + e->in_len;
	}
	if (unlikely(err == -EINVAL))
		vhc_vq_break(vq, "a request without header or response");
	return err ? err : n;
}

static int cmd_pop(struct vhc_async *a, struct vhc_vq *vq)
{
	return scsi_cmd_pop(a, vq, cmd_start);
}

const struct vhc_async_ops scsi_cmd_ops = {
	.reap = scsi_reap,
	.pop = cmd_pop,
	.full = scsi_chan_full,
	.wake = scsi_chan_wake,
	.orphan = scsi_chan_orphan,
};

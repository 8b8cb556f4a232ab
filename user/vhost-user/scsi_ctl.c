// SPDX-License-Identifier: GPL-2.0
/*
 * The control queue: task management functions, asynchronous notifications.
 *
 * A request that is under way is never taken back: a function that is to end requests waits until they have. It
 * asks the queues of requests which they have, by mail; they answer when none is left.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <string.h>

#include "scsi_cmd.h"

/**
 * struct scsi_ctl_req - a task management function
 * @r: the buffer
 * @next: that waits behind it
 * @resp: where its response goes
 * @subtype: which
 * @addr: @tag: what it is about
 * @found: there are such requests
 */
struct scsi_ctl_req {
	struct vu_req r;
	struct scsi_ctl_req *next;
	uint8_t *resp;
	uint32_t subtype;
	struct scsi_addr addr;
	uint64_t tag;
	bool found;
};

/* What a function is about: a request; those of a logical unit; those of a target */
enum scope { TASK, UNIT, TARGET };

/*
 * @waits: for requests to end
 * @attention: of its units, afterwards; and they are reset, then
 * Not in the table: ACA, which is not there.
 */
static const struct function {
	bool there;
	enum scope scope;
	bool waits;
	uint16_t attention;
} functions[] = {
	[VIRTIO_SCSI_T_TMF_ABORT_TASK] = { true, TASK, true, 0 },
	[VIRTIO_SCSI_T_TMF_ABORT_TASK_SET] = { true, UNIT, true, 0 },
	[VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET] = { true, UNIT, true, 0 },
	[VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET] = { true, TARGET, true, ATTENTION_NEXUS_LOSS },
	[VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET] = { true, UNIT, true, ATTENTION_RESET },
	[VIRTIO_SCSI_T_TMF_QUERY_TASK] = { true, TASK, false, 0 },
	[VIRTIO_SCSI_T_TMF_QUERY_TASK_SET] = { true, UNIT, false, 0 },
};

static const struct function *function_of(const struct scsi_ctl_req *req)
{
	return &functions[req->subtype];
}

bool scsi_tmf_waits(const struct scsi *s)
{
	return function_of(s->tmf.req)->waits;
}

bool scsi_tmf_concerns(const struct scsi *s, const struct scsi_lun *l, uint64_t tag)
{
	const struct scsi_ctl_req *req = s->tmf.req;
	enum scope scope = function_of(req)->scope;

	if (scope == TARGET)
		return (int)l->target == req->addr.target;
	return l == req->addr.lun && (scope == UNIT || tag == req->tag);
}

static void ctl_end(struct vu_queue *q, struct scsi_ctl_req *req, uint8_t response)
{
	*req->resp = response;
	vu_req_end(q, &req->r, sizeof(struct virtio_scsi_ctrl_tmf_resp));
}

/* --- functions, one at a time --- */

static void tmf_begin(struct scsi *s)
{
	struct scsi_tmf *t = &s->tmf;
	unsigned int i;

	t->req = t->next;
	if (!t->req)
		return;
	t->next = t->req->next;
	if (!t->next)
		t->last = &t->next;
	t->asked = s->num_queues;
	for (i = 0; i < s->num_queues; i++) {
		t->ask[i].mail.run = scsi_ask_run;
		t->ask[i].found = 0;
		t->ask[i].left = 0;
		vu_queue_post(s->queue[SCSI_QUEUE_REQ + i], &t->ask[i].mail);
	}
}

static bool tmf_is_about(const struct scsi_tmf *t, const struct scsi_lun *l)
{
	const struct scsi_ctl_req *req;

	for (req = t->next; req; req = req->next)
		if (req->addr.lun == l)
			return true;
	return t->req && t->req->addr.lun == l;
}

/* Those that come now do not find the unit any more. */
void scsi_swap_ctl_run(struct vu_queue *q, struct vu_mail *mail)
{
	struct scsi_swap *swap = (struct scsi_swap *)mail;
	struct scsi_tmf *t = &((struct scsi *)q->dev)->tmf;

	t->swap = swap;
	if (swap->lun && tmf_is_about(t, swap->lun))
		return;
	t->swap = NULL;
	sem_post(swap->done);
}

static void tmf_end(struct vu_queue *q)
{
	struct scsi *s = q->dev;
	const struct scsi_luns *luns = scsi_luns(s);
	struct scsi_ctl_req *req = s->tmf.req;
	const struct function *f = function_of(req);
	unsigned int i;

	for (i = 0; i < luns->nr && f->attention; i++) {
		struct scsi_lun *l = luns->lun[i];

		if (f->scope == TARGET ? (int)l->target == req->addr.target : l == req->addr.lun)
			scsi_lun_reset(l, f->attention);
	}
	ctl_end(q, req, !f->waits && req->found ? VIRTIO_SCSI_S_FUNCTION_SUCCEEDED : VIRTIO_SCSI_S_OK);
	tmf_begin(s);
	if (s->tmf.swap)
		scsi_swap_ctl_run(q, &s->tmf.swap->mail);
}

void scsi_ask_done(struct vu_queue *q, struct vu_mail *mail)
{
	struct scsi *s = q->dev;

	if (((struct scsi_ask *)mail)->found)
		s->tmf.req->found = true;
	if (!--s->tmf.asked)
		tmf_end(q);
}

static void tmf_request(struct vu_queue *q, struct scsi_ctl_req *req, const struct virtio_scsi_ctrl_tmf_req *h)
{
	struct scsi *s = q->dev;
	struct scsi_tmf *t = &s->tmf;

	req->subtype = le32toh(h->subtype);
	req->tag = le64toh(h->tag);
	req->found = false;
	req->next = NULL;
	if (!scsi_address(s, h->lun, &req->addr)) {
		ctl_end(q, req, VIRTIO_SCSI_S_BAD_TARGET);
	} else if (req->subtype >= ARRAY_SIZE(functions) || !function_of(req)->there) {
		ctl_end(q, req, VIRTIO_SCSI_S_FUNCTION_REJECTED);
	} else if (function_of(req)->scope == TARGET ? req->addr.target < 0 : !req->addr.lun) {
		ctl_end(q, req, VIRTIO_SCSI_S_INCORRECT_LUN);
	} else {
		*t->last = req;
		t->last = &req->next;
		if (!t->req)
			tmf_begin(s);
	}
}

/* --- the queue --- */

/* There are none of the events that can be asked for. */
static void an_request(struct vu_queue *q, struct vu_req *r, const struct segs *in, const uint8_t *lun)
{
	struct virtio_scsi_ctrl_an_resp resp = { .event_actual = 0 };
	struct scsi_addr a;

	resp.response = !scsi_address(q->dev, lun, &a) ? VIRTIO_SCSI_S_BAD_TARGET :
			a.lun ? VIRTIO_SCSI_S_OK : VIRTIO_SCSI_S_INCORRECT_LUN;
	iov_write(in->iov, in->nr, 0, &resp, sizeof(resp));
	vu_req_end(q, r, sizeof(resp));
}

static const char *ctl_request(struct vu_queue *q, struct vu_req *r, struct iovec *iov)
{
	struct scsi_ctl_req *req = (struct scsi_ctl_req *)r;
	struct segs out = { .iov = iov, .nr = r->elem.nr_out, .len = r->elem.out_len };
	struct segs in = { .iov = iov + r->elem.nr_out, .nr = r->elem.nr_in, .len = r->elem.in_len };
	union {
		__virtio32 type;
		struct virtio_scsi_ctrl_tmf_req tmf;
		struct virtio_scsi_ctrl_an_req an;
	} h = { .type = 0 };

	if (out.len < sizeof(h.type) || !in.len)
		return "a control request without type or response";
	iov_read(out.iov, out.nr, 0, &h, sizeof(h) < out.len ? sizeof(h) : out.len);
	switch (le32toh(h.type)) {
	case VIRTIO_SCSI_T_TMF:
		if (out.len < sizeof(h.tmf))
			return "a task management function that is too short";
		for (req->resp = NULL; !req->resp; in.iov++)
			req->resp = in.iov->iov_len ? in.iov->iov_base : NULL;
		tmf_request(q, req, &h.tmf);
		return NULL;
	case VIRTIO_SCSI_T_AN_QUERY:
	case VIRTIO_SCSI_T_AN_SUBSCRIBE:
		if (out.len < sizeof(h.an) || in.len < sizeof(struct virtio_scsi_ctrl_an_resp))
			return "an asynchronous notification request that is too short";
		an_request(q, r, &in, h.an.lun);
		return NULL;
	default:
		return "a control request of no known type";
	}
}

static const uint8_t opcodes[] = { IORING_OP_NOP };

const struct vu_queue_ops scsi_ctl_ops = {
	.req_size = sizeof(struct scsi_ctl_req),
	.opcodes = opcodes,
	.request = ctl_request,
};

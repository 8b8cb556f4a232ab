// SPDX-License-Identifier: GPL-2.0
/*
 * Queues of requests: a command is understood, what it leaves to do is done by io_uring, and its response written.
 *
 * Everything here runs on the queue's thread, but for scsi_queue_new().
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <linux/falloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "scsi_cmd.h"

/* Bytes of a request that are read or written over and over at a time */
#define CHUNK		(256U << 10)
#define CHUNK_ALIGN	4096U
/* Of the header and of the response, without CDB and sense data */
#define HDR_LEN		offsetof(struct virtio_scsi_cmd_req, cdb)
#define RESP_LEN	offsetof(struct virtio_scsi_cmd_resp, sense)

/**
 * struct chunks - VERIFY, WRITE SAME: a range that goes through memory of ours
 * @len: its bytes. @left: those that are not done
 * @want: what the driver has, to be compared; or NULL
 * @buf: a chunk
 */
struct chunks {
	uint64_t len;
	uint64_t left;
	char *want;
	char *buf;
};

/**
 * struct scsi_req - a request under way
 * @r: the buffer
 * @next: @prev: those of its queue
 * @lun: @tag: of it
 * @ask: the task management function that waits for it, or NULL
 * @resp: where its response goes, @nr_resp segments; in @inner, where one is all
 * @resp_len: its bytes
 * @in_len: @out_len: bytes that the driver has room for, and data of
 * @moved: of them, when all goes well
 * @op: under way
 * @sync: SCSI_RANGES: a flush follows. @hint: nothing is wrong if the file does not take it
 * @pending: SCSI_RANGES: operations under way
 * @sense: what went wrong with one
 * @io: data. @chunks: of those, or NULL
 */
struct scsi_req {
	struct vu_req r;
	struct scsi_req *next;
	struct scsi_req **prev;
	struct scsi_lun *lun;
	uint64_t tag;
	struct scsi_ask *ask;
	struct iovec *resp;
	uint32_t nr_resp;
	uint32_t resp_len;
	uint64_t in_len;
	uint64_t out_len;
	uint32_t moved;
	enum scsi_op op;
	bool sync;
	bool hint;
	uint32_t pending;
	uint32_t sense;
	struct disk_io io;
	struct chunks *chunks;
	struct iovec inner;
};

/**
 * struct scsi_queue - what a queue has
 * @busy: requests under way
 * @swap: a unit that comes or goes, or NULL
 * @room: for the command that is looked at
 */
struct scsi_queue {
	struct scsi_req *busy;
	struct scsi_swap *swap;
	struct scsi_room room;
};

struct scsi_queue *scsi_queue_new(void)
{
	return calloc(1, sizeof(struct scsi_queue));
}

static struct scsi_queue *queue_of(const struct vu_queue *q)
{
	return ((struct scsi *)q->dev)->reqs[q->index - SCSI_QUEUE_REQ];
}

/* --- the end --- */

/* What is said of it has been published by then. */
static void ask_answer(struct vu_queue *q, struct vu_mail *mail)
{
	const struct scsi *s = q->dev;

	mail->run = scsi_ask_done;
	vu_queue_post(s->queue[SCSI_QUEUE_CTL], mail);
}

static void respond(struct vu_queue *q, struct scsi_req *req, uint8_t response, uint8_t status, uint32_t sense)
{
	uint32_t moved = response == VIRTIO_SCSI_S_OK && status == SAM_GOOD ? req->moved : 0;
	uint32_t room = req->resp_len - (uint32_t)RESP_LEN;
	struct virtio_scsi_cmd_resp resp = {
		.resid = htole32((uint32_t)(req->in_len + req->out_len - moved)),
		.status = status,
		.response = response,
	};
	uint8_t whole[RESP_LEN + SCSI_SENSE_MAX] = { 0 };

	if (status == SAM_CHECK_CONDITION) {
		resp.sense_len = htole32(room < SCSI_SENSE_LEN ? room : SCSI_SENSE_LEN);
		scsi_sense(whole + RESP_LEN, sense);
	}
	memcpy(whole, &resp, RESP_LEN);
	iov_write(req->resp, req->nr_resp, 0, whole, req->resp_len);
	if (req->resp != &req->inner)
		free(req->resp);
	vu_req_end(q, &req->r, req->resp_len + (req->in_len ? moved : 0));
}

static void swap_file(struct vu_queue *q, struct scsi_swap *swap)
{
	struct io_uring_sqe *sqe;

	if (swap->slot < 0) {
		queue_of(q)->swap = NULL;
		sem_post(swap->done);
		return;
	}
	sqe = vu_queue_sqe(q);
	io_uring_prep_files_update(sqe, &swap->fd, 1, swap->slot);
	io_uring_sqe_set_data(sqe, swap);
	vu_queue_get(q);
}

/* One that was under way */
static void req_finish(struct vu_queue *q, struct scsi_req *req, uint8_t status, uint32_t sense)
{
	struct scsi_swap *swap = queue_of(q)->swap;
	struct scsi_ask *ask = req->ask;

	if (swap && swap->lun == req->lun && !--swap->left)
		swap_file(q, swap);
	if (req->chunks) {
		free(req->chunks->want);
		free(req->chunks->buf);
		free(req->chunks);
	}
	*req->prev = req->next;
	if (req->next)
		req->next->prev = req->prev;
	respond(q, req, VIRTIO_SCSI_S_OK, status, sense);
	if (ask && !--ask->left) {
		ask->mail.run = ask_answer;
		vu_queue_post(q, &ask->mail);
	}
}

/* @sense: what is wrong with it, or 0 */
static void req_end(struct vu_queue *q, struct scsi_req *req, uint32_t sense)
{
	req_finish(q, req, sense ? SAM_CHECK_CONDITION : SAM_GOOD, sense);
}

static uint32_t sense_of(int error, bool write)
{
	if (!write)
		return SENSE_READ_ERROR;
	return error == -ENOSPC || error == -EDQUOT ? SENSE_NO_SPACE : SENSE_WRITE_ERROR;
}

/* --- data, the driver's and ours --- */

static void io_init(struct scsi_req *req, uint64_t at, uint32_t len, bool write, bool sync)
{
	struct disk_io *io = &req->io;

	io->disk = &req->lun->disk;
	io->data = req;
	io->write = write;
	io->sync = sync;
	io->at = at;
	io->len = len;
}

static int start_rw(struct vu_queue *q, struct scsi_req *req, const struct scsi_cmd *c, const struct segs *data)
{
	io_init(req, c->at, c->len, c->op == SCSI_WRITE, c->sync);
	return disk_io_start(q, &req->io, data);
}

static int next_chunk(struct vu_queue *q, struct scsi_req *req)
{
	struct chunks *k = req->chunks;
	uint32_t len = k->left < CHUNK ? (uint32_t)k->left : CHUNK;
	struct iovec iov = { k->buf, len };
	struct segs s = { .iov = &iov, .nr = 1, .len = len };

	req->io.len = len;
	return disk_io_start(q, &req->io, &s);
}

/* What the driver has, and a chunk: of what is read, or of its block over and over */
static int start_chunks(struct vu_queue *q, struct scsi_req *req, const struct scsi_cmd *c, const struct segs *data)
{
	uint32_t block = req->lun->block, i;
	struct chunks *k = calloc(1, sizeof(*k));

	req->chunks = k;
	if (!k)
		return -ENOMEM;
	k->len = c->len;
	k->left = c->len;
	k->buf = aligned_alloc(CHUNK_ALIGN, CHUNK);
	if (c->op == SCSI_COMPARE)
		k->want = malloc(c->len);
	if (!k->buf || (c->op == SCSI_COMPARE && !k->want))
		return -ENOMEM;
	if (c->op == SCSI_COMPARE)
		iov_read(data->iov, data->nr, 0, k->want, c->len);
	if (c->op == SCSI_SAME) {
		memset(k->buf, 0, block);
		iov_read(data->iov, data->nr, 0, k->buf, c->out_len ? block : 0);
		for (i = block; i < CHUNK; i += block)
			memcpy(k->buf + i, k->buf, block);
	}
	io_init(req, c->at, 0, c->op == SCSI_SAME, c->sync);
	return next_chunk(q, req);
}

static void chunk_done(struct vu_queue *q, struct scsi_req *req)
{
	struct chunks *k = req->chunks;
	uint32_t len = req->io.len;
	bool same = true;

	disk_io_end(&req->io);
	if (k->want)
		same = !memcmp(k->want + (k->len - k->left), k->buf, len);
	k->left -= len;
	req->io.at += len;
	if (!same)
		req_end(q, req, SENSE_MISCOMPARE);
	else if (!k->left)
		req_end(q, req, 0);
	else if (next_chunk(q, req))
		req_finish(q, req, SAM_BUSY, 0);
}

/* --- ranges --- */

static bool is_zero(const struct segs *s, uint32_t block, uint8_t *buf)
{
	iov_read(s->iov, s->nr, 0, buf, block);
	return !buf[0] && !memcmp(buf, buf + 1, block - 1);
}

static int start_ranges(struct vu_queue *q, struct scsi_req *req, const struct scsi_cmd *c)
{
	uint32_t i;

	req->pending = c->nr_ranges;
	for (i = 0; i < c->nr_ranges; i++)
		disk_range(q, &req->lun->disk, c->mode, c->room->range[i].at, c->room->range[i].len, req);
	return 0;
}

/* Zeroes need not be written, where the file has something better. */
static int start_same(struct vu_queue *q, struct scsi_req *req, struct scsi_cmd *c, const struct segs *data)
{
	const struct disk *d = &req->lun->disk;
	bool hole = c->mode & FALLOC_FL_PUNCH_HOLE;

	if ((!hole && !d->zeroes) || (c->out_len && !is_zero(data, req->lun->block, c->room->in)))
		return start_chunks(q, req, c, data);
	req->op = SCSI_RANGES;
	req->hint = false;
	c->room->range[0] = (struct scsi_range){ c->at, c->len };
	c->nr_ranges = 1;
	return start_ranges(q, req, c);
}

/* Return: 0, or -ENOMEM with nothing under way */
static int req_start(struct vu_queue *q, struct scsi_req *req, struct scsi_cmd *c, const struct segs *data)
{
	switch (c->op) {
	case SCSI_READ:
	case SCSI_WRITE:
		return start_rw(q, req, c, data);
	case SCSI_VERIFY:
	case SCSI_COMPARE:
		return start_chunks(q, req, c, data);
	case SCSI_SAME:
		return start_same(q, req, c, data);
	case SCSI_RANGES:
		return start_ranges(q, req, c);
	default:
		disk_flush(q, &req->lun->disk, req);
		return 0;
	}
}

/* --- requests --- */

/* Keep where the response goes. Return: 0, or -ENOMEM */
static int cut_resp(struct scsi_req *req, struct segs *in)
{
	uint32_t left = req->resp_len, i;

	req->resp = &req->inner;
	if (in->iov->iov_len < left)
		req->resp = calloc(in->nr, sizeof(*req->resp));
	if (!req->resp)
		return -ENOMEM;
	for (i = 0; left; i++) {
		uint32_t n = in->iov->iov_len < left ? (uint32_t)in->iov->iov_len : left;

		req->resp[i] = (struct iovec){ in->iov->iov_base, n };
		in->iov->iov_base = (char *)in->iov->iov_base + n;
		in->iov->iov_len -= n;
		left -= n;
		if (!in->iov->iov_len) {
			in->iov++;
			in->nr--;
		}
	}
	req->nr_resp = i;
	in->len -= req->resp_len;
	return 0;
}

/* Bytes of the driver's that a command takes, or fills, when all goes well */
static uint32_t will_move(const struct scsi_cmd *c)
{
	switch (c->op) {
	case SCSI_NONE:
	case SCSI_READ:
	case SCSI_WRITE:
	case SCSI_COMPARE:
		return c->len + scsi_cmd_param(c);
	case SCSI_SAME:
		return c->out_len ? c->addr.lun->block : 0;
	default:
		return scsi_cmd_param(c);
	}
}

static void req_begin(struct vu_queue *q, struct scsi_req *req, struct scsi_cmd *c, const struct segs *data)
{
	struct scsi_queue *sq = queue_of(q);

	req->lun = c->addr.lun;
	req->ask = NULL;
	req->op = c->op;
	req->sync = c->sync;
	req->hint = c->op == SCSI_RANGES;
	req->sense = 0;
	req->chunks = NULL;
	req->next = sq->busy;
	req->prev = &sq->busy;
	if (req->next)
		req->next->prev = &req->next;
	sq->busy = req;
	if (req_start(q, req, c, data))
		req_finish(q, req, SAM_BUSY, 0);
}

static void execute(struct vu_queue *q, struct scsi_req *req, struct scsi_cmd *c, const struct segs *out,
		    const struct segs *in)
{
	uint32_t param = scsi_cmd_param(c);

	if (param)
		iov_read(out->iov, out->nr, 0, c->room->param, param < SCSI_PARAM_MAX ? param : SCSI_PARAM_MAX);
	scsi_cmd_run(c);
	if (c->overrun) {
		respond(q, req, VIRTIO_SCSI_S_OVERRUN, 0, 0);
	} else if (c->sense) {
		respond(q, req, VIRTIO_SCSI_S_OK, SAM_CHECK_CONDITION, c->sense);
	} else {
		req->moved = will_move(c);
		if (c->op != SCSI_NONE) {
			req_begin(q, req, c, in->len ? in : out);
			return;
		}
		iov_write(in->iov, in->nr, 0, c->room->in, c->len);
		respond(q, req, VIRTIO_SCSI_S_OK, SAM_GOOD, 0);
	}
}

static const char *scsi_request(struct vu_queue *q, struct vu_req *r, struct iovec *iov)
{
	struct scsi *s = q->dev;
	struct scsi_req *req = (struct scsi_req *)r;
	struct segs out = { .iov = iov, .nr = r->elem.nr_out, .len = r->elem.out_len };
	struct segs in = { .iov = iov + r->elem.nr_out, .nr = r->elem.nr_in, .len = r->elem.in_len };
	uint32_t cdb_len = __atomic_load_n(&s->cdb_size, __ATOMIC_RELAXED);
	struct virtio_scsi_cmd_req hdr;
	uint8_t cdb[SCSI_CDB_MAX];
	struct scsi_cmd c = { .s = s, .cdb = cdb, .cdb_len = cdb_len, .room = &queue_of(q)->room };

	req->resp_len = (uint32_t)RESP_LEN + __atomic_load_n(&s->sense_size, __ATOMIC_RELAXED);
	if (out.len < HDR_LEN + cdb_len || in.len < req->resp_len)
		return "a request without header or response";
	if (cut_resp(req, &in))
		return "no memory";
	memset(cdb, 0, SCSI_CDB_LEN);
	segs_take(&out, &hdr, HDR_LEN);
	segs_take(&out, cdb, cdb_len);
	req->tag = le64toh(hdr.tag);
	req->moved = 0;
	req->out_len = c.out_len = out.len;
	req->in_len = c.in_len = in.len;
	if (!scsi_address(s, hdr.lun, &c.addr))
		respond(q, req, VIRTIO_SCSI_S_BAD_TARGET, 0, 0);
	else if ((out.len && in.len) || out.len + in.len > DISK_LEN_MAX)
		respond(q, req, VIRTIO_SCSI_S_FAILURE, 0, 0);
	else
		execute(q, req, &c, &out, &in);
	return NULL;
}

/* --- completions --- */

static void rw_done(struct vu_queue *q, struct scsi_req *req, int res)
{
	int ret = disk_io_done(q, &req->io, res);

	if (ret > 0)
		return;
	if (!ret && req->chunks) {
		chunk_done(q, req);
		return;
	}
	disk_io_end(&req->io);
	req_end(q, req, ret ? sense_of(ret, req->io.write) : 0);
}

static void ranges_done(struct vu_queue *q, struct scsi_req *req, int res)
{
	if (res < 0 && !(req->hint && res == -EOPNOTSUPP))
		req->sense = sense_of(res, true);
	if (--req->pending)
		return;
	if (req->sense || !req->sync) {
		req_end(q, req, req->sense);
		return;
	}
	req->op = SCSI_FLUSH;
	disk_flush(q, &req->lun->disk, req);
}

static void swap_done(struct vu_queue *q, int res)
{
	struct scsi_queue *sq = queue_of(q);
	struct scsi_swap *swap = sq->swap;

	sq->swap = NULL;
	vu_queue_put(q);
	swap->res = res;
	sem_post(swap->done);
}

static void scsi_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe)
{
	struct scsi_req *req = data;

	if (data == queue_of(q)->swap)
		swap_done(q, cqe->res);
	else if (req->op == SCSI_FLUSH)
		req_end(q, req, cqe->res < 0 ? sense_of(cqe->res, true) : 0);
	else if (req->op == SCSI_RANGES)
		ranges_done(q, req, cqe->res);
	else
		rw_done(q, req, cqe->res);
}

/* --- task management --- */

void scsi_ask_run(struct vu_queue *q, struct vu_mail *mail)
{
	struct scsi_ask *ask = (struct scsi_ask *)mail;
	const struct scsi *s = q->dev;
	struct scsi_req *req;

	for (req = queue_of(q)->busy; req; req = req->next) {
		if (!scsi_tmf_concerns(s, req->lun, req->tag))
			continue;
		ask->found++;
		if (scsi_tmf_waits(s)) {
			ask->left++;
			req->ask = ask;
		}
	}
	if (!ask->left)
		ask_answer(q, mail);
}

/* --- units that come and go --- */

/* Whoever looks for units from now on does not find the one that goes. */
void scsi_swap_run(struct vu_queue *q, struct vu_mail *mail)
{
	struct scsi_swap *swap = (struct scsi_swap *)mail;
	struct scsi_queue *sq = queue_of(q);
	const struct scsi_req *req;

	sq->swap = swap;
	swap->left = 0;
	for (req = sq->busy; req; req = req->next)
		swap->left += req->lun == swap->lun;
	if (!swap->left)
		swap_file(q, swap);
}

static unsigned int files(void *dev, int *fds)
{
	const struct scsi_luns *luns = scsi_luns(dev);
	unsigned int i;

	for (i = 0; i < VU_FILES_MAX; i++)
		fds[i] = -1;
	for (i = 0; i < luns->nr; i++)
		fds[luns->lun[i]->disk.file] = luns->lun[i]->disk.fd;
	return VU_FILES_MAX;
}

static const uint8_t opcodes[] = {
	DISK_OPCODES, IORING_OP_FILES_UPDATE, IORING_OP_NOP,
};

const struct vu_queue_ops scsi_req_ops = {
	.req_size = sizeof(struct scsi_req),
	.opcodes = opcodes,
	.files = files,
	.request = scsi_request,
	.done = scsi_done,
};

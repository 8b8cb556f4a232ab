/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shunt-scsi: a virtio-scsi device with disks and CD-ROMs.
 *
 * scsi_lun.c makes logical units of files. scsi_cmd.c has the table of commands, and understands one at
 * a time, with scsi_inquiry.c, scsi_mode.c, scsi_block.c and scsi_cd.c: either it is answered by then,
 * or what is left to do is an operation on the disk. scsi_req.c takes requests from their queues and does
 * those operations, scsi_ctl.c has the control and the event queue.
 */
#ifndef VHOST_USER_SCSI_H
#define VHOST_USER_SCSI_H

#include <linux/virtio_scsi.h>

#include "disk.h"
#include "session.h"

#define SCSI_LUNS_MAX	VU_FILES_MAX
#define SCSI_LUN_MAX	16383
#define SCSI_QUEUE_CTL	0
#define SCSI_QUEUE_EVENT 1
#define SCSI_QUEUE_REQ	2
#define SCSI_QUEUES_MAX	(VU_QUEUES_MAX - SCSI_QUEUE_REQ)

/* What a driver may have CDBs and sense data be long */
#define SCSI_CDB_MAX	256
#define SCSI_SENSE_MAX	252
/* The commands' own, at most */
#define SCSI_CDB_LEN	16
#define SCSI_SENSE_LEN	18

/* Bytes that a command other than READ has to tell, or to be told in a parameter list */
#define SCSI_IN_MAX	4096
/* Bytes that VERIFY compares: they are held meanwhile */
#define SCSI_COMPARE_MAX	(1U << 20)
#define SCSI_PARAM_MAX	1024
/* Segments of data in a request, as many as fit beside header and response in 128 descriptors */
#define SCSI_SEG_MAX	126
/* Ranges in an UNMAP */
#define SCSI_RANGES_MAX	32

#define SCSI_PRODUCT_LEN	16
#define SCSI_SERIAL_LEN		36

/**
 * struct scsi_lun - a logical unit
 *
 * What changes while queues run is read and written as a whole, by any of them.
 *
 * @disk: its file
 * @target: @lun: its address
 * @cd: a CD-ROM; otherwise a disk
 * @rdonly: it cannot be written to
 * @block: bytes of a block
 * @blocks: so many of them
 * @product: @serial: what it says that it is; padded with blanks, and ended by 0
 * @naa: its identifier, a locally assigned NAA
 * @attention: a unit attention that the driver has not heard of, ASC << 8 | ASCQ; or 0
 * @wce: writes may stay in a cache
 * @locked: the medium may not be taken out
 * @ejected: it is out
 * @event: of the medium, which the driver has not heard of
 * @changed: its size has changed, which is an event for the event queue
 */
struct scsi_lun {
	struct disk disk;
	unsigned int target;
	unsigned int lun;
	bool cd;
	bool rdonly;
	uint32_t block;
	uint64_t blocks;
	char product[SCSI_PRODUCT_LEN + 1];
	char serial[SCSI_SERIAL_LEN + 1];
	uint64_t naa;

	uint16_t attention;
	bool wce;
	bool locked;
	bool ejected;
	uint8_t event;
	bool changed;
};

/**
 * struct scsi_lun_opts - a --lun of the command line
 * @disk: the file
 * @target: @lun: its address
 * @cd: @block: as in struct scsi_lun; no @block for the file's own
 * @keep: what the driver deallocates is kept
 * @product: @serial: or NULL
 */
struct scsi_lun_opts {
	struct disk_opts disk;
	uint32_t target;
	uint32_t lun;
	bool cd;
	bool keep;
	uint32_t block;
	const char *product;
	const char *serial;
};

struct scsi_queue;

/**
 * struct scsi_ask - what a task management function asks of a queue, by mail
 * @mail: there, and back
 * @found: it has such requests
 * @left: those that have not ended
 */
struct scsi_ask {
	struct vu_mail mail;
	unsigned int found;
	unsigned int left;
};

/**
 * struct scsi_tmf - the task management functions of a device, one at a time; the control queue's
 * @req: under way, or NULL. @next: those that wait, @last: the last of them
 * @asked: queues that have not answered
 * @ask: what they are asked
 */
struct scsi_tmf {
	struct scsi_ctl_req *req;
	struct scsi_ctl_req *next;
	struct scsi_ctl_req **last;
	unsigned int asked;
	struct scsi_ask ask[SCSI_QUEUES_MAX];
};

/**
 * struct scsi - the device
 * @lun: logical units, @nr_luns of them, in the order of their addresses
 * @num_queues: of requests
 * @cdb_size: @sense_size: bytes that requests have for them; written by control and read by queues
 * @tells_changes: the driver wants to hear of @changed; control's
 * @queue: all queues
 * @reqs: what those of requests have
 * @tmf: what that of control has
 */
struct scsi {
	struct scsi_lun lun[SCSI_LUNS_MAX];
	unsigned int nr_luns;
	unsigned int num_queues;
	uint32_t cdb_size;
	uint32_t sense_size;
	bool tells_changes;
	struct vu_queue *const *queue;
	struct scsi_queue *reqs[SCSI_QUEUES_MAX];
	struct scsi_tmf tmf;
};

/** scsi_lun_add() - Return: 0, or -1 after one logged line */
int scsi_lun_add(struct scsi *s, const struct scsi_lun_opts *o);
/** scsi_open() - when all logical units are there. Return: 0, or -1 after one logged line */
int scsi_open(struct scsi *s, unsigned int num_queues, struct vu_queue *const *queue);
/** scsi_close() - the opposite of both */
void scsi_close(struct scsi *s);
/** scsi_config() - its configuration space. Context: control */
void scsi_config(const struct scsi *s, struct virtio_scsi_config *c);
/** scsi_reset() - as after power on. Context: control, no queue runs */
void scsi_reset(struct scsi *s);
/** scsi_refresh() - files may have another size: look. Context: control */
void scsi_refresh(struct scsi *s);
/** scsi_blocks() - Return: how many a logical unit has */
static inline uint64_t scsi_blocks(const struct scsi_lun *l)
{
	return __atomic_load_n(&l->blocks, __ATOMIC_RELAXED);
}

/** scsi_lun_reset() - a logical unit as after power on, but for what it has to tell: @attention. Context: any */
void scsi_lun_reset(struct scsi_lun *l, uint16_t attention);

/**
 * struct scsi_addr - what the lun field of a request means
 * @lun: the logical unit; NULL when there is none
 * @target: its target; -1: all of the device's
 * @well_known: the logical unit that is there for REPORT LUNS
 */
struct scsi_addr {
	struct scsi_lun *lun;
	int target;
	bool well_known;
};

/** scsi_address() - Return: whether there is such a target */
bool scsi_address(struct scsi *s, const uint8_t lun[8], struct scsi_addr *a);
/** scsi_address_of() - the opposite: @lun: filled */
void scsi_address_of(const struct scsi_lun *l, uint8_t lun[8]);

/** scsi_queue_new() - what a queue of requests has, for free(). Return: NULL when there is no memory */
struct scsi_queue *scsi_queue_new(void);

/* The queues of the device; vu_queue.dev is a struct scsi */
extern const struct vu_queue_ops scsi_req_ops, scsi_ctl_ops, scsi_event_ops;

/** scsi_ask_run() - vu_mail.run of a struct scsi_ask, in a queue of requests */
void scsi_ask_run(struct vu_queue *q, struct vu_mail *mail);
/** scsi_ask_done() - the answer, in the control queue */
void scsi_ask_done(struct vu_queue *q, struct vu_mail *mail);
/** scsi_tmf_concerns() - is a request to @l with this @tag meant by the function that is under way? */
bool scsi_tmf_concerns(const struct scsi *s, const struct scsi_lun *l, uint64_t tag);
/** scsi_tmf_waits() - does it wait for what it concerns? */
bool scsi_tmf_waits(const struct scsi *s);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shunt-scsi: a virtio-scsi device with disks and CD-ROMs.
 *
 * scsi_lun.c makes logical units of files, and scsi_hot.c lets them come and go while queues run. scsi_cmd.c has the table of commands, and understands one at
 * a time, with scsi_inquiry.c, scsi_mode.c, scsi_block.c and scsi_cd.c: either it is answered by then,
 * or what is left to do is an operation on the disk. scsi_req.c takes requests from their queues and does
 * those operations, scsi_ctl.c has the control queue, scsi_event.c the event queue.
 */
#ifndef VHOST_USER_SCSI_H
#define VHOST_USER_SCSI_H

#include <linux/virtio_scsi.h>
#include <pthread.h>
#include <semaphore.h>

#include "disk.h"
#include "session.h"

#define SCSI_LUNS_MAX	(VU_FILES_MAX - 1)
#define SCSI_TARGET_MAX	255
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
/* Events that wait for a buffer */
#define SCSI_EVENTS_MAX	64

#define SCSI_PRODUCT_LEN	16
#define SCSI_SERIAL_LEN		36

/**
 * struct scsi_lun - a logical unit
 *
 * What changes while queues run is read and written as a whole, by any of them.
 *
 * @disk: its file; fd is -1 while there is no medium
 * @name: of the file, for people; owned
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
 */
struct scsi_lun {
	struct disk disk;
	char *name;
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
};

/** struct scsi_luns - those that there are, in the order of their addresses; never changed, but replaced */
struct scsi_luns {
	unsigned int nr;
	struct scsi_lun *lun[SCSI_LUNS_MAX];
};

/**
 * struct scsi_lun_opts - a --lun of the command line
 * @disk: the file
 * @empty: there is none: a CD-ROM without a medium
 * @target: @lun: its address
 * @cd: @block: as in struct scsi_lun; no @block for the file's own
 * @product: @serial: or NULL
 */
struct scsi_lun_opts {
	struct disk_opts disk;
	bool empty;
	uint32_t target;
	uint32_t lun;
	bool cd;
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
 * @swap: waits until none is about its unit, or NULL
 */
struct scsi_tmf {
	struct scsi_ctl_req *req;
	struct scsi_ctl_req *next;
	struct scsi_ctl_req **last;
	unsigned int asked;
	struct scsi_ask ask[SCSI_QUEUES_MAX];
	struct scsi_swap *swap;
};

/**
 * struct scsi_swap - what a unit that comes or goes asks of a queue, by mail; queues of requests change a file when
 * requests to the unit have ended
 * @lun: which goes; or NULL. @left: requests to it
 * @slot: of registered files, or -1: there is @fd from now on, or -1
 * @res: what came of that
 * @done: posted at the end, by the queue
 */
struct scsi_swap {
	struct vu_mail mail;
	const struct scsi_lun *lun;
	unsigned int left;
	int slot;
	int fd;
	int res;
	sem_t *done;
};

/**
 * struct scsi_events - what the event queue is to tell
 * @nr: of them, in @event
 * @missed: there were others before these, for which there was no room, or which another process had
 * @met: the queue has run
 */
struct scsi_events {
	unsigned int nr;
	struct virtio_scsi_event event[SCSI_EVENTS_MAX];
	bool missed;
	bool met;
};

/**
 * struct scsi - the device
 * @luns: logical units. Written by the control socket's thread; others read it by scsi_luns(), the session under @lock,
 *	queues of requests and of control as they like: what they have read stays until they are asked
 * @lock: what the threads of session, control socket and event queue have in common: @events, and what the session
 *	does with @luns
 * @hotplug: units come and go
 * @num_queues: of requests
 * @cdb_size: @sense_size: bytes that requests have for them; written by control and read by queues
 * @features: that were negotiated; the session's
 * @events: for the event queue; under @lock
 * @queue: all queues
 * @reqs: what those of requests have
 * @tmf: what that of control has
 * @swap: what queues are asked, one for each; @swapped: that they have done it
 */
struct scsi {
	struct scsi_luns *luns;
	pthread_mutex_t lock;
	bool hotplug;
	unsigned int num_queues;
	uint32_t cdb_size;
	uint32_t sense_size;
	uint64_t features;
	struct scsi_events events;
	struct vu_queue *const *queue;
	struct scsi_queue *reqs[SCSI_QUEUES_MAX];
	struct scsi_tmf tmf;
	struct scsi_swap swap[VU_QUEUES_MAX];
	sem_t swapped;
};

/** scsi_luns() - Return: the units that there are */
static inline const struct scsi_luns *scsi_luns(const struct scsi *s)
{
	return __atomic_load_n(&s->luns, __ATOMIC_ACQUIRE);
}

/** scsi_open() - without any logical unit. Return: 0, or -1 after one logged line */
int scsi_open(struct scsi *s, unsigned int num_queues, struct vu_queue *const *queue);
/** scsi_close() - the opposite, with all of them */
void scsi_close(struct scsi *s);
/** scsi_config() - its configuration space. Context: control */
void scsi_config(struct scsi *s, struct virtio_scsi_config *c);
/** scsi_reset() - as after power on. Context: control, no queue runs */
void scsi_reset(struct scsi *s);
/** scsi_refresh() - files may have another size: look. Context: control */
void scsi_refresh(struct scsi *s);
/** scsi_blocks() - Return: how many a logical unit has */
static inline uint64_t scsi_blocks(const struct scsi_lun *l)
{
	return __atomic_load_n(&l->blocks, __ATOMIC_RELAXED);
}

/** scsi_lun_new() - make one of a file, of which an open one is ours then. Return: it; or NULL after one logged line */
struct scsi_lun *scsi_lun_new(const struct scsi_lun_opts *o);
/** scsi_lun_free() - the opposite */
void scsi_lun_free(struct scsi_lun *l);
/** scsi_lun_refresh() - its file may have another size: look. Context: @s->lock */
void scsi_lun_refresh(struct scsi *s, struct scsi_lun *l);
/** scsi_lun_attend() - it has to tell @attention, unless there is something that it has not told */
void scsi_lun_attend(struct scsi_lun *l, uint16_t attention);
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
/** scsi_lun_code() - Return: the number of a unit within its target, as REPORT LUNS has it, and events */
static inline uint16_t scsi_lun_code(const struct scsi_lun *l)
{
	return (uint16_t)(l->lun < 256 ? l->lun : 0x4000 | l->lun);
}

/** scsi_address_of() - the opposite: @lun: filled */
void scsi_address_of(const struct scsi_lun *l, uint8_t lun[8]);

/** scsi_queue_new() - what a queue of requests has, for free(). Return: NULL when there is no memory */
struct scsi_queue *scsi_queue_new(void);

/*
 * Logical units that come and go. Before queues run, or, when @s->queue is served, on the thread of the control socket,
 * which waits until what is under way has ended.
 */

/** scsi_find() - Return: the unit of an address, or NULL */
struct scsi_lun *scsi_find(const struct scsi *s, unsigned int target, unsigned int lun);
/** scsi_lun_add() - Return: 0, or -1 after one logged line */
int scsi_lun_add(struct scsi *s, const struct scsi_lun_opts *o);
/** scsi_lun_remove() - @l, and its file with it. Return: 0, or -1 after one logged line */
int scsi_lun_remove(struct scsi *s, struct scsi_lun *l);
/** scsi_lun_change() - a CD-ROM gets another medium, or with NULL none. Return: 0, or -1 after one logged line */
int scsi_lun_change(struct scsi *s, struct scsi_lun *l, const struct disk_opts *o);
/** scsi_swap_run() - vu_mail.run of a struct scsi_swap, in a queue of requests */
void scsi_swap_run(struct vu_queue *q, struct vu_mail *mail);
/** scsi_swap_ctl_run() - likewise, in the control queue */
void scsi_swap_ctl_run(struct vu_queue *q, struct vu_mail *mail);

/* The features of the device that are about events */
#define SCSI_EVENT_FEATURES	(1ULL << VIRTIO_SCSI_F_HOTPLUG | 1ULL << VIRTIO_SCSI_F_CHANGE)

/** scsi_event() - tell the driver of a unit, if it wants to hear of such events. Context: @s->lock */
void scsi_event(struct scsi *s, const struct scsi_lun *l, uint32_t event, uint32_t reason);
/** scsi_medium() - a medium is there, or is not; only where that is news. Context: any */
void scsi_medium(struct scsi_lun *l, bool there);
/** scsi_medium_asked() - may it be taken out? If not, the driver is asked for it. Context: any */
bool scsi_medium_asked(struct scsi_lun *l);

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

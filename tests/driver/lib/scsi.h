/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio-scsi driver for /dev/vhost-scsi, or the vhost-user back end that listens at SCSI_SOCKET: commands, task management and events, in any shape over
 * descriptors, several queues, any depth. Queues are numbered as the device does: SCSI_CTRL, SCSI_EVENT,
 * those of requests from SCSI_REQUEST on.
 *
 * Functions return 0 or a negative errno, and then say in reqs.why what was wrong.
 */
#ifndef TESTS_DRIVER_LIB_SCSI_H
#define TESTS_DRIVER_LIB_SCSI_H

#include <linux/vhost.h>
#include <linux/virtio_scsi.h>

#include "tests/driver/lib/reqs.h"

#define SCSI_DEVICE	"/dev/vhost-scsi"
#define SCSI_BLOCK	512u
/* The module calls portal groups targets: number 1 is what shunt-target makes. */
#define SCSI_TARGET	1u
#define SCSI_QUEUES	128
/* As scsi.vq[] has them */
#define SCSI_CTRL	0u
#define SCSI_EVENT	1u
#define SCSI_REQUEST	2u
#define SCSI_HDR	((uint32_t)sizeof(struct virtio_scsi_cmd_req))
#define SCSI_HDR_PI	((uint32_t)sizeof(struct virtio_scsi_cmd_req_pi))
#define SCSI_RESP	((uint32_t)sizeof(struct virtio_scsi_cmd_resp))
#define SCSI_FEATURES	REQS_FEATURES

/* SAM status and what sense data say */
#define SAM_GOOD		0
#define SAM_CHECK_CONDITION	2
#define SAM_RESERVATION_CONFLICT 0x18
#define SENSE(key, asc, ascq)	((key) << 16 | (asc) << 8 | (ascq))

/* Header, data, response: each in a descriptor and on a page of its own */
extern const struct shape scsi_plain, scsi_plain_pi;

/**
 * struct scsi_req - whatever a queue takes, and what became of it
 * @hdr: the first of what the device reads
 * @hdr_len: its bytes
 * @out: data behind it
 * @out_len: bytes of @out
 * @resp: the first of what the device writes
 * @resp_len: its bytes
 * @in: data behind it
 * @in_len: bytes of @in
 * @shape: NULL for &scsi_plain
 * @done: completed
 * @used: length in the used ring
 */
struct scsi_req {
	const void *hdr;
	uint32_t hdr_len;
	const void *out;
	uint32_t out_len;
	void *resp;
	uint32_t resp_len;
	void *in;
	uint32_t in_len;
	const struct shape *shape;
	bool done;
	uint32_t used;
	/* inner */
	struct reqs_req r;
};

/**
 * struct scsi_cmd - a command of a request queue
 * @req: set by scsi_cmd(): data, shape
 * @hdr: set by scsi_cmd() too, unless the device has T10_PI: @hdr_pi
 * @resp: the device's
 */
struct scsi_cmd {
	struct scsi_req req;
	union {
		struct virtio_scsi_cmd_req hdr;
		struct virtio_scsi_cmd_req_pi hdr_pi;
	};
	struct virtio_scsi_cmd_resp resp;
};

/* The device: control, event, requests, see reqs.h */
struct scsi {
	struct reqs q;
};

/* Is it a vhost-user back end? Then there is no endpoint, and nothing to do for it. */
bool scsi_user(void);
/* All but the endpoint. @o: queues are those of requests, 0 for one; the size is 128 for 0 */
int scsi_open(struct scsi *s, const struct reqs_opt *o);
void scsi_close(struct scsi *s);
/* VHOST_SCSI_SET_ENDPOINT and CLEAR_ENDPOINT to portal group @tpgt of a target */
int scsi_endpoint(struct scsi *s, const char *wwpn, unsigned int tpgt);
int scsi_clear(struct scsi *s, const char *wwpn, unsigned int tpgt);
/* scsi_open() and scsi_endpoint() with portal group 1 */
int scsi_start(struct scsi *s, const struct reqs_opt *o, const char *wwpn);

/* As reqs_submit() and reqs_run() */
int scsi_submit(struct scsi *s, unsigned int q, struct scsi_req *r);
int scsi_run(struct scsi *s, unsigned int q, struct scsi_req *r);

/* Single level LUN structure (virtio 1.2, 5.6.6.1) */
void scsi_lun(uint8_t lun[8], unsigned int target, unsigned int n);
/*
 * Make a command to LUN @lun of SCSI_TARGET; @cdb is given as text in hexadecimal. What is in c->req of data
 * and shape counts.
 */
void scsi_cmd(struct scsi *s, struct scsi_cmd *c, unsigned int lun, const char *cdb, ...)
	__attribute__((format(printf, 4, 5)));
/* Make, and run in the first request queue */
int scsi_do(struct scsi *s, struct scsi_cmd *c, unsigned int lun, const char *cdb, ...)
	__attribute__((format(printf, 4, 5)));
/* READ(16) or WRITE(16) of the first request queue: 0, a negative errno, or what scsi_result() says */
int scsi_io(struct scsi *s, bool write, unsigned int lun, uint64_t lba, void *data, uint32_t len);
/* 0: all went well and the response is whole; else response << 8 | status; a negative errno */
int scsi_result(const struct scsi_cmd *c);
/* SENSE() of the response; 0 when it has none */
uint32_t scsi_sense(const struct scsi_cmd *c);
/* "good", "check condition 5/20/00", "response 3 status 0" */
const char *scsi_text(const struct scsi_cmd *c);

/* Take the unit attentions that LUNs have for a driver that is new, or was reset */
int scsi_settle(struct scsi *s, unsigned int lun);

/* A task management function: its response, or a negative errno. All that is pending is waited for, too. */
int scsi_tmf(struct scsi *s, uint32_t subtype, unsigned int target, unsigned int lun, uint64_t tag);
/* VIRTIO_SCSI_T_AN_QUERY or _SUBSCRIBE: the response, or a negative errno */
int scsi_an(struct scsi *s, uint32_t type, unsigned int lun, uint32_t events, uint32_t *actual);

#endif /* TESTS_DRIVER_LIB_SCSI_H */

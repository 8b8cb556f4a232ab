// SPDX-License-Identifier: GPL-2.0
/* A virtio-scsi driver in user space, see scsi.h. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/driver/lib/scsi.h"

const struct shape scsi_plain = { .name = "plain", .out = { SCSI_HDR }, .in = { SCSI_RESP } };
const struct shape scsi_plain_pi = { .name = "plain", .out = { SCSI_HDR_PI }, .in = { SCSI_RESP } };

static int complete(struct reqs *q, struct reqs_req *inner)
{
	struct scsi_req *r = container_of(inner, struct scsi_req, r);

	(void)q;
	r->done = true;
	r->used = inner->used;
	return 0;
}

int scsi_submit(struct scsi *s, unsigned int q, struct scsi_req *r)
{
	r->done = false;
	r->r = (struct reqs_req){
		.out = { { (void *)r->hdr, r->hdr_len }, { (void *)r->out, r->out_len } },
		.in = { { r->resp, r->resp_len }, { r->in, r->in_len } },
		.shape = r->shape ? r->shape : &scsi_plain,
	};
	return reqs_submit(&s->q, q, &r->r);
}

int scsi_run(struct scsi *s, unsigned int q, struct scsi_req *r)
{
	int ret = scsi_submit(s, q, r);

	if (!ret)
		ret = reqs_kick(&s->q, q);
	return ret ? ret : reqs_finish(&s->q, REQS_TIMEOUT_MS);
}

bool scsi_user(void)
{
	return getenv("SCSI_SOCKET");
}

int scsi_open(struct scsi *s, const struct reqs_opt *o)
{
	struct reqs_opt all = *o;
	int ret;

	all.queues = SCSI_REQUEST + (o->queues ? o->queues : 1);
	all.num = o->num ? o->num : 128;
	ret = reqs_open(&s->q, getenv("SCSI_SOCKET") ?: SCSI_DEVICE, &all);
	s->q.complete = complete;
	s->q.forever = 1 << SCSI_EVENT;
	return ret;
}

void scsi_close(struct scsi *s)
{
	reqs_close(&s->q);
}

static int endpoint(struct scsi *s, unsigned long request, const char *wwpn, unsigned int tpgt)
{
	struct vhost_scsi_target t = { .vhost_tpgt = tpgt };

	if (s->q.dev.user)
		return 0;
	snprintf(t.vhost_wwpn, sizeof(t.vhost_wwpn), "%s", wwpn);
	return ioctl(s->q.dev.fd, request, &t) ? reqs_bad(&s->q, "endpoint", -errno) : 0;
}

int scsi_endpoint(struct scsi *s, const char *wwpn, unsigned int tpgt)
{
	return endpoint(s, VHOST_SCSI_SET_ENDPOINT, wwpn, tpgt);
}

int scsi_clear(struct scsi *s, const char *wwpn, unsigned int tpgt)
{
	return endpoint(s, VHOST_SCSI_CLEAR_ENDPOINT, wwpn, tpgt);
}

int scsi_start(struct scsi *s, const struct reqs_opt *o, const char *wwpn)
{
	int ret = scsi_open(s, o);

	if (ret)
		return ret;
	ret = scsi_endpoint(s, wwpn, 1);
	if (ret)
		scsi_close(s);
	return ret;
}

void scsi_lun(uint8_t lun[8], unsigned int target, unsigned int n)
{
	memset(lun, 0, 8);
	lun[0] = 1;
	lun[1] = target;
	lun[2] = 0x40 | n >> 8;
	lun[3] = n;
}

static void cmd_cdb(struct scsi *s, struct scsi_cmd *c, unsigned int lun, const char *fmt, va_list ap)
{
	static uint64_t tag;
	bool pi = s->q.dev.features & VDRV_BIT(VIRTIO_SCSI_F_T10_PI);
	struct virtio_scsi_cmd_req_pi hdr = { .tag = htole64(++tag) };
	unsigned int i, n = 0;
	char text[200], *p = text;

	vsnprintf(text, sizeof(text), fmt, ap);
	for (n = 0; *p && n < sizeof(hdr.cdb);) {
		if (*p == ' ') {
			p++;
			continue;
		}
		if (sscanf(p, "%2x", &i) != 1)
			break;
		hdr.cdb[n++] = i;
		p += 2;
	}
	scsi_lun(hdr.lun, SCSI_TARGET, lun);
	memset(&c->resp, SHAPE_UNWRITTEN, sizeof(c->resp));
	if (pi) {
		c->hdr_pi = hdr;
	} else {
		c->hdr = (struct virtio_scsi_cmd_req){ .tag = hdr.tag };
		memcpy(c->hdr.lun, hdr.lun, sizeof(hdr.lun));
		memcpy(c->hdr.cdb, hdr.cdb, sizeof(hdr.cdb));
	}
	c->req.hdr = &c->hdr;
	c->req.hdr_len = pi ? SCSI_HDR_PI : SCSI_HDR;
	c->req.resp = &c->resp;
	c->req.resp_len = SCSI_RESP;
	if (!c->req.shape)
		c->req.shape = pi ? &scsi_plain_pi : &scsi_plain;
}

void scsi_cmd(struct scsi *s, struct scsi_cmd *c, unsigned int lun, const char *cdb, ...)
{
	va_list ap;

	va_start(ap, cdb);
	cmd_cdb(s, c, lun, cdb, ap);
	va_end(ap);
}

int scsi_do(struct scsi *s, struct scsi_cmd *c, unsigned int lun, const char *cdb, ...)
{
	va_list ap;
	int ret;

	va_start(ap, cdb);
	cmd_cdb(s, c, lun, cdb, ap);
	va_end(ap);
	ret = scsi_run(s, SCSI_REQUEST, &c->req);
	return ret ? ret : scsi_result(c);
}

int scsi_io(struct scsi *s, bool write, unsigned int lun, uint64_t lba, void *data, uint32_t len)
{
	struct scsi_cmd c = { 0 };

	if (write) {
		c.req.out = data;
		c.req.out_len = len;
	} else {
		c.req.in = data;
		c.req.in_len = len;
	}
	return scsi_do(s, &c, lun, "%02x 00 %016llx %08x 00 00", write ? 0x8a : 0x88,
		       (unsigned long long)lba, len / SCSI_BLOCK);
}

int scsi_result(const struct scsi_cmd *c)
{
	if (!c->req.done)
		return -EINPROGRESS;
	return c->resp.response << 8 | c->resp.status;
}

uint32_t scsi_sense(const struct scsi_cmd *c)
{
	const uint8_t *s = c->resp.sense;
	uint32_t len = le32toh(c->resp.sense_len);

	if (c->resp.response || len < 8 || len > sizeof(c->resp.sense))
		return 0;
	/* Descriptor and fixed format (SPC-4, 4.5) */
	if ((s[0] & 0x7e) == 0x72)
		return SENSE(s[1] & 15, s[2], s[3]);
	return (s[0] & 0x7e) == 0x70 && len >= 14 ? SENSE(s[2] & 15, s[12], s[13]) : 0;
}

const char *scsi_text(const struct scsi_cmd *c)
{
	static char text[4][80];
	static unsigned int i;
	uint32_t sense = scsi_sense(c);
	char *t = text[i++ % 4];

	if (!c->req.done)
		return "not done";
	if (!scsi_result(c))
		return "good";
	if (!c->resp.response && c->resp.status == SAM_CHECK_CONDITION && sense)
		snprintf(t, sizeof(text[0]), "check condition %x/%02x/%02x", sense >> 16,
			 sense >> 8 & 255, sense & 255);
	else
		snprintf(t, sizeof(text[0]), "response %u status %#x", c->resp.response, c->resp.status);
	return t;
}

int scsi_settle(struct scsi *s, unsigned int lun)
{
	struct scsi_cmd c;
	int ret, i = 0;

	do {
		c = (struct scsi_cmd){ 0 };
		ret = scsi_do(s, &c, lun, "00 00 00 00 00 00");
	} while (ret == SAM_CHECK_CONDITION && scsi_sense(&c) >> 16 == 6 && i++ < 8);
	return ret > 0 ? -EIO : ret;
}

int scsi_tmf(struct scsi *s, uint32_t subtype, unsigned int target, unsigned int lun, uint64_t tag)
{
	struct virtio_scsi_ctrl_tmf_req hdr = {
		.type = htole32(VIRTIO_SCSI_T_TMF), .subtype = htole32(subtype), .tag = htole64(tag),
	};
	struct virtio_scsi_ctrl_tmf_resp resp;
	struct scsi_req r = { .hdr = &hdr, .hdr_len = sizeof(hdr), .resp = &resp,
			      .resp_len = sizeof(resp) };
	int ret;

	scsi_lun(hdr.lun, target, lun);
	ret = scsi_run(s, SCSI_CTRL, &r);
	return ret ? ret : resp.response;
}

int scsi_an(struct scsi *s, uint32_t type, unsigned int lun, uint32_t events, uint32_t *actual)
{
	struct virtio_scsi_ctrl_an_req hdr = { .type = htole32(type), .event_requested = htole32(events) };
	struct virtio_scsi_ctrl_an_resp resp;
	struct scsi_req r = { .hdr = &hdr, .hdr_len = sizeof(hdr), .resp = &resp,
			      .resp_len = sizeof(resp) };
	int ret;

	scsi_lun(hdr.lun, SCSI_TARGET, lun);
	ret = scsi_run(s, SCSI_CTRL, &r);
	*actual = le32toh(resp.event_actual);
	return ret ? ret : resp.response;
}

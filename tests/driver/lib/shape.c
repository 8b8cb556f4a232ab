// SPDX-License-Identifier: GPL-2.0
/* Requests cut into descriptors, see shape.h. */
#include <errno.h>
#include <string.h>

#include "tests/driver/lib/shape.h"

#define FREE_BYTE	0xa5
/* Behind the last piece, to see who writes too far */
#define TAIL		64

static int cut_stream(const struct shape *s, const uint32_t *cuts, uint32_t len, bool device_writes,
		      uint64_t *at, struct placed *p)
{
	uint32_t align = s->align ? s->align : 4096, part;

	while (len) {
		part = *cuts ? *cuts++ : s->cut ? s->cut : len;
		part = part < len ? part : len;
		if (p->n == SHAPE_PIECES)
			return -E2BIG;
		*at = (*at + align - 1) / align * align + s->offset;
		p->piece[p->n++] = (struct vdrv_buf){ *at, part, device_writes };
		*at += part;
		len -= part;
	}
	return 0;
}

int shape_place(const struct shape *s, uint32_t out, uint32_t in, uint64_t gpa, uint32_t room,
		struct placed *p)
{
	static const uint32_t whole[1];
	uint32_t tail = s->tail < in ? s->tail : in;
	uint64_t at = gpa;

	p->n = 0;
	p->gpa = gpa;
	if (cut_stream(s, s->out, out, false, &at, p) || cut_stream(s, s->in, in - tail, true, &at, p) ||
	    cut_stream(s, whole, tail, true, &at, p) || at + TAIL > gpa + room)
		return -E2BIG;
	return 0;
}

/* What is in front of piece @i, or behind the last one */
static unsigned char *gap(const struct placed *p, const struct vdrv_mem *m, unsigned int i, size_t *len)
{
	uint64_t from = i ? p->piece[i - 1].gpa + p->piece[i - 1].len : p->gpa;

	*len = i < p->n ? p->piece[i].gpa - from : TAIL;
	return vdrv_mem_va(m, from);
}

/* Between a piece and the streams' parts, of which @done bytes of the first have been copied */
static void copy(unsigned char *piece, size_t len, const struct iovec **iov, size_t *done, bool in)
{
	unsigned char *part;
	size_t n;

	while (len) {
		n = (*iov)->iov_len - *done;
		if (!n) {
			(*iov)++;
			*done = 0;
			continue;
		}
		n = n < len ? n : len;
		part = (unsigned char *)(*iov)->iov_base + *done;
		memcpy(in ? part : piece, in ? piece : part, n);
		*done += n;
		piece += n;
		len -= n;
	}
}

void shape_write(const struct placed *p, const struct vdrv_mem *m, const struct iovec *out)
{
	size_t len, done = 0;
	unsigned char *va;
	unsigned int i;

	for (i = 0; i <= p->n; i++) {
		va = gap(p, m, i, &len);
		memset(va, FREE_BYTE, len);
	}
	for (i = 0; i < p->n; i++) {
		va = vdrv_mem_va(m, p->piece[i].gpa);
		if (p->piece[i].device_writes)
			memset(va, SHAPE_UNWRITTEN, p->piece[i].len);
		else
			copy(va, p->piece[i].len, &out, &done, false);
	}
}

int shape_read(const struct placed *p, const struct vdrv_mem *m, const struct iovec *in)
{
	size_t len, done = 0;
	unsigned char *va;
	unsigned int i;

	for (i = 0; i < p->n; i++)
		if (p->piece[i].device_writes)
			copy(vdrv_mem_va(m, p->piece[i].gpa), p->piece[i].len, &in, &done, true);
	for (i = 0; i <= p->n; i++) {
		va = gap(p, m, i, &len);
		while (len--)
			if (va[len] != FREE_BYTE)
				return -EBADMSG;
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/* SET_LOG_BASE: where a migrating front-end wants to hear what was written, see dirty.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/stat.h>

#include "guard.h"
#include "session_priv.h"

void vu_log_unmap(struct vu_session *s)
{
	vu_unmap(s->log_map, s->log_map_len);
	s->log_map = NULL;
	s->log = (struct vu_dirty){ 0 };
}

/* It may lie anywhere in its file. Front-ends wait for an answer, whatever was negotiated. */
int vu_set_log_base(struct vu_session *s, struct vhost_user_msg *m)
{
	uint64_t end = m->log.offset + m->log.size;
	struct stat st;
	void *map;

	if (!m->log.size || end < m->log.size || fstat(m->fds[0], &st) || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size < end)
		return -EINVAL;
	map = vu_map(m->fds[0], 0, end, (size_t)st.st_blksize);
	if (!map)
		return -errno;
	vu_stop_all(s);
	vu_log_unmap(s);
	s->log_map = map;
	s->log_map_len = end;
	s->log = (struct vu_dirty){ (unsigned char *)map + m->log.offset, m->log.size };
	return vu_start_all(s);
}

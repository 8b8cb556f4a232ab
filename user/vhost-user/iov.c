// SPDX-License-Identifier: GPL-2.0
/* Bytes in segments, see iov.h. */
#include "iov.h"

#include <stdbool.h>

static size_t iov_copy(const struct iovec *iov, unsigned int nr, size_t off, char *buf, size_t len, bool in)
{
	size_t done = 0, n;

	for (; nr && done < len; iov++, nr--) {
		if (off >= iov->iov_len) {
			off -= iov->iov_len;
			continue;
		}
		n = iov->iov_len - off < len - done ? iov->iov_len - off : len - done;
		if (in)
			memcpy((char *)iov->iov_base + off, buf + done, n);
		else
			memcpy(buf + done, (char *)iov->iov_base + off, n);
		done += n;
		off = 0;
	}
	return done;
}

size_t iov_write(const struct iovec *iov, unsigned int nr, size_t off, const void *from, size_t len)
{
	return iov_copy(iov, nr, off, (char *)from, len, true);
}

size_t iov_read(const struct iovec *iov, unsigned int nr, size_t off, void *to, size_t len)
{
	return iov_copy(iov, nr, off, to, len, false);
}

unsigned int iov_window(const struct iovec *iov, unsigned int nr, uint64_t skip, uint64_t max, struct iovec *out,
			unsigned int room)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr && max && n < room; i++) {
		struct iovec v = iov[i];
		size_t cut = v.iov_len < skip ? v.iov_len : (size_t)skip;

		skip -= cut;
		if (v.iov_len == cut)
			continue;
		v.iov_base = (char *)v.iov_base + cut;
		v.iov_len -= cut;
		if (v.iov_len > max)
			v.iov_len = (size_t)max;
		max -= v.iov_len;
		out[n++] = v;
	}
	return n;
}

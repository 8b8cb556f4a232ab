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

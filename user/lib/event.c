// SPDX-License-Identifier: GPL-2.0
/* Shared eventfds, see event.h. */
#define _GNU_SOURCE
#include "event.h"

#include <sys/uio.h>

ssize_t event_take(int fd, uint64_t *n)
{
	const struct iovec iov = { n, sizeof(*n) };

	return preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
}

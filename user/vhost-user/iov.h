/* SPDX-License-Identifier: GPL-2.0 */
/* Bytes in segments of guest memory. */
#ifndef VHOST_USER_IOV_H
#define VHOST_USER_IOV_H

#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

/* Both: at most @len bytes from byte @off of @nr segments on. Return: how many there were */
size_t iov_write(const struct iovec *iov, unsigned int nr, size_t off, const void *from, size_t len);
size_t iov_read(const struct iovec *iov, unsigned int nr, size_t off, void *to, size_t len);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Bytes in segments of guest memory. */
#ifndef VHOST_USER_IOV_H
#define VHOST_USER_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

/* Both: at most @len bytes from byte @off of @nr segments on. Return: how many there were */
size_t iov_write(const struct iovec *iov, unsigned int nr, size_t off, const void *from, size_t len);
size_t iov_read(const struct iovec *iov, unsigned int nr, size_t off, void *to, size_t len);

/**
 * iov_window() - a part of a buffer, for one operation
 * @iov: @nr: its segments
 * @skip: bytes before the part
 * @max: bytes of it, at most
 * @out: filled with segments that are not empty, up to @room; may be @iov
 *
 * Return: how many
 */
unsigned int iov_window(const struct iovec *iov, unsigned int nr, uint64_t skip, uint64_t max, struct iovec *out,
			unsigned int room);

#endif

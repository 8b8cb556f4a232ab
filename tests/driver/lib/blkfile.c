// SPDX-License-Identifier: GPL-2.0
/* Back ends seen from the host's side, see blk.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/driver/lib/blk.h"

int blk_file(const char *path, int flags, bool direct)
{
	int fd = open(path, flags | O_CLOEXEC | (direct ? O_DIRECT : 0));

	t_need(fd < 0 ? -errno : 0, path);
	return fd;
}

uint64_t blk_file_size(int fd)
{
	struct stat st;
	uint64_t size = 0;

	t_need(fstat(fd, &st) ? -errno : 0, "fstat");
	if (S_ISREG(st.st_mode))
		return st.st_size;
	t_need(ioctl(fd, BLKGETSIZE64, &size) ? -errno : 0, "BLKGETSIZE64");
	return size;
}

/* O_DIRECT where the file system knows it: tmpfs does not before 6.6, and has nothing to get past. */
static int open_direct(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_DIRECT);

	return fd >= 0 ? fd : open(path, flags | O_CLOEXEC);
}

int blk_file_read(const char *path, void *buf, size_t len, uint64_t at)
{
	int fd = open_direct(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : 1;
	size_t done = 0;

	for (; n > 0 && done < len; done += n > 0 ? n : 0)
		n = pread(fd, buf + done, len - done, at + done);
	n = n < 0 ? -errno : done < len ? -ENODATA : 0;
	if (fd >= 0)
		close(fd);
	return n;
}

int blk_file_write(const char *path, const void *buf, size_t len, uint64_t at)
{
	int fd = open_direct(path, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : 1;
	size_t done = 0;

	for (; n > 0 && done < len; done += n > 0 ? n : 0)
		n = pwrite(fd, buf + done, len - done, at + done);
	n = n < 0 ? -errno : done < len ? -ENOSPC : 0;
	if (fd >= 0)
		close(fd);
	return n;
}

void *blk_buf(size_t size)
{
	void *p = NULL;

	t_need(-posix_memalign(&p, 4096, size), "memory");
	memset(p, 0, size);
	return p;
}

void blk_fill(void *buf, size_t len, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1, *p = buf;
	size_t i;

	for (i = 0; i < len / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = x;
	}
	for (i *= 8; i < len; i++)
		((unsigned char *)buf)[i] = x >> i % 8;
}

int blk_sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	int ret;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	ret = system(cmd);
	if (ret)
		t_note("status %#x of: %s", ret, cmd);
	return ret ? -EIO : 0;
}

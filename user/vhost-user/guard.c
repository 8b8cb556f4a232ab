// SPDX-License-Identifier: GPL-2.0
/* Maps that may lose their file, see guard.h. */
#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_MIN	4096U

/* @start: 0 for a place that is free; written last, so that a handler sees the others */
static struct {
	uintptr_t start;
	size_t len;
	size_t page;
} maps[VU_MAPS_MAX];

__thread volatile bool vu_guard_hit;

/* Put a page of zeroes in the place of the one at @at, if it is in a map. */
static bool patch(uintptr_t at)
{
	uintptr_t end;
	unsigned int i;

	for (i = 0; i < VU_MAPS_MAX; i++) {
		uintptr_t start = __atomic_load_n(&maps[i].start, __ATOMIC_ACQUIRE);

		if (!start || at - start >= maps[i].len)
			continue;
		end = start + maps[i].len;
		at &= ~(maps[i].page - 1);
		/* Pages are those of memory, or larger ones of hugetlbfs; a file system may tell of others. */
		if (at < start)
			at = start;
		if (maps[i].page < end - at)
			end = at + maps[i].page;
		return mmap((void *)at, end - at, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
	}
	return false;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	static const char why[] = "SIGBUS that is not guest memory's\n";
	int saved = errno;

	(void)sig;
	(void)context;
	if (!patch((uintptr_t)info->si_addr))
		_exit(write(STDERR_FILENO, why, sizeof(why) - 1) < 0 ? 2 : 1);
	vu_guard_hit = true;
	errno = saved;
}

void vu_guard_signals(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &sa, NULL);
}

void *vu_map(int fd, uint64_t offset, size_t len, size_t page)
{
	unsigned int i;
	void *map;

	for (i = 0; i < VU_MAPS_MAX && maps[i].start; i++)
		;
	if (i == VU_MAPS_MAX) {
		errno = ENOSPC;
		return NULL;
	}
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
	if (map == MAP_FAILED)
		return NULL;
	/* A dump of guests' memory is of no use. */
	madvise(map, len, MADV_DONTDUMP);
	maps[i].len = len;
	/* A file system may have smaller blocks than memory has pages. */
	maps[i].page = page < PAGE_MIN ? PAGE_MIN : page;
	__atomic_store_n(&maps[i].start, (uintptr_t)map, __ATOMIC_RELEASE);
	return map;
}

void vu_unmap(void *map, size_t len)
{
	unsigned int i;

	if (!map)
		return;
	for (i = 0; i < VU_MAPS_MAX; i++)
		if (maps[i].start == (uintptr_t)map)
			__atomic_store_n(&maps[i].start, 0, __ATOMIC_RELEASE);
	munmap(map, len);
}

/* SPDX-License-Identifier: GPL-2.0 */
/* The clock that intervals and deadlines are measured by. Any thread. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>
#include <time.h>

/** clock_ns() - Return: nanoseconds since some time in the past, CLOCK_MONOTONIC */
static inline uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#endif

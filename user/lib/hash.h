/* SPDX-License-Identifier: GPL-2.0 */
/* A number made of a text, the same wherever it is made: FNV-1a. */
#ifndef LIB_HASH_H
#define LIB_HASH_H

#include <stdint.h>

#define HASH_BASIS	0xcbf29ce484222325

/** hash_text() - @h: HASH_BASIS, or what came of a text before */
static inline uint64_t hash_text(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* The monitor's balloon: how much memory the guest is left with. Main thread, without the device lock. */
#ifndef VMM_BALLOON_H
#define VMM_BALLOON_H

#include <stdint.h>

/**
 * balloon_set() - ask the guest to make do with @bytes of memory; all of it, if it has less
 * Return: 0; -1: there is no balloon
 */
int balloon_set(uint64_t bytes);
/** balloon_get() - what it is left with now. Return: 0; -1: there is no balloon */
int balloon_get(uint64_t *bytes);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* What tells a network where an address is: the question of a host that boots, as QEMU asks it, too. */
#ifndef LIB_RARP_H
#define LIB_RARP_H

#include <stdint.h>

#define RARP_BYTES	60

/** rarp_frame() - fill in such a frame, from @mac to everybody */
void rarp_frame(uint8_t frame[RARP_BYTES], const uint8_t *mac);

#endif

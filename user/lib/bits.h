/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LIB_BITS_H
#define LIB_BITS_H

/* Of 64 feature bits, the one with this number */
#define BIT64(n) (1ULL << (n))

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Sources of entropy: -object rng-random and rng-builtin. Main thread. */
#ifndef VMM_RNG_H
#define VMM_RNG_H

/**
 * rng_source() - what an -object is
 * @source: filled: path of a character device, kept until the process ends; NULL: the kernel's own generator
 *
 * Return: 0; -1: there is no such object, and nothing is logged
 */
int rng_source(const char *id, const char **source);

#endif

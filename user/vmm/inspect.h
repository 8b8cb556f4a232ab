/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Looking into the machine: memory, registers, what is on the bus.
 *
 * Context: main thread, device lock not held; CPUs stand still meanwhile, and go on if they did before. What cannot be done
 * is said in @out, "Error: " first.
 */
#ifndef VMM_INSPECT_H
#define VMM_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct vm;

/** inspect_dump() - x and xp: @arg is "/COUNT FORMAT SIZE ADDRESS", the first three together and optional; @physical: xp */
void inspect_dump(struct vm *vm, const char *arg, bool physical, FILE *out);
/** inspect_save() - @size bytes at @addr into a file */
void inspect_save(struct vm *vm, uint64_t addr, uint64_t size, const char *path, bool physical, FILE *out);
/** inspect_registers() - of every CPU */
void inspect_registers(struct vm *vm, FILE *out);
/** inspect_nmi() - one to every CPU */
void inspect_nmi(struct vm *vm, FILE *out);

#endif

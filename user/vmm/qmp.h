/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QMP: commands as JSON on a character device, answers and events (QEMU's docs/interop/qmp-spec.rst).
 *
 * Context: main thread; commands run from a bottom half without the device lock.
 */
#ifndef VMM_QMP_H
#define VMM_QMP_H

#include "command.h"

struct chardev;
struct loop;

/** qmp_add() - programs are served on @c. Return: 0, or -1 after one logged line */
int qmp_add(struct vm *vm, struct loop *loop, struct chardev *c);
void qmp_free_all(void);
/** qmp_send_event() - to every program that has said which capabilities it wants; device lock not held. Takes over @data */
void qmp_send_event(enum qmp_event event, json_t *data);

#endif

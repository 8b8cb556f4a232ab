/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The human monitor: a few commands, line by line, on a character device.
 *
 * Context: main thread. Commands run from a bottom half without the device lock, so that they can
 * pause the machine.
 */
#ifndef VMM_MONITOR_H
#define VMM_MONITOR_H

struct vm;
struct loop;
struct chardev;

/**
 * monitor_add() - put a monitor on @c; @vm is used by commands only. Return: 0, or -1 after logging
 */
int monitor_add(struct vm *vm, struct loop *loop, struct chardev *c);
/** monitor_free_all() - no command runs after this */
void monitor_free_all(void);

#endif

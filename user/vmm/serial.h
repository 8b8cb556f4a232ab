/* SPDX-License-Identifier: GPL-2.0 */
/* 16550A serial ports: -serial, -device isa-serial. */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include "vm.h"

struct chardev;

#define SERIAL_MAX	4

/** serial_port() - where a PC has COM @index + 1 */
void serial_port(unsigned int index, uint16_t *iobase, unsigned int *irq);

/**
 * serial_add() - plug a port; before vCPUs run
 * @opt: for messages, such as "-serial"
 * @chr: where it leads; NULL: nowhere
 * Return: 0, or -1 after logging
 */
int serial_add(struct vm *vm, const char *opt, uint16_t iobase, unsigned int irq,
	       struct chardev *chr);

/** serial_ports() - Return: bit n set when COM n + 1 is at its usual place, for ACPI */
unsigned int serial_ports(struct vm *vm);

#endif

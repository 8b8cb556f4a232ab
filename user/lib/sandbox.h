/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sandbox of a process that serves a device: no new privileges, no capabilities, and the system
 * calls that serving takes and no others. io_uring's operations are none of seccomp's: rings are made
 * before, each restricted to its own (IORING_REGISTER_RESTRICTIONS), and no ring can be made after.
 */
#ifndef LIB_SANDBOX_H
#define LIB_SANDBOX_H

#include <stdint.h>

/**
 * sandbox_files() - an empty root directory, in a mount namespace of our own; before sandbox_rights()
 *
 * Files that are open stay usable, and so do those below directories that are open. That takes the right to it, or user
 * namespaces: where there are neither, nothing changes, and others of the sandbox have to do.
 */
void sandbox_files(void);

/**
 * sandbox_rights() - give up capabilities and the way to new ones; before threads are made, which inherit that
 *
 * Return: 0, or -1 after one logged line
 */
int sandbox_rights(void);

/**
 * struct sandbox_call - a system call
 * @name: its name
 * @arg: number of an argument that is looked at
 * @mask: those of its bits, or 0: the call is allowed whatever its arguments are
 * @value: that they have to have
 */
struct sandbox_call {
	const char *name;
	unsigned int arg;
	uint64_t mask;
	uint64_t value;
};

/**
 * sandbox_calls() - restrict system calls, of all threads
 * @more: those that this process needs beside the common ones, up to one without a name; or NULL
 *
 * Files that are open stay usable; connections may be accepted, and memory mapped that cannot be executed.
 * Any other system call ends the process. In a build with a sanitizer, which makes calls of its own,
 * nothing is restricted.
 *
 * Return: 0, or -1 after one logged line
 */
int sandbox_calls(const struct sandbox_call *more);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Threads of a process: signals are left to the control thread, which starts them. */
#ifndef VHOST_USER_THREAD_H
#define VHOST_USER_THREAD_H

#include <pthread.h>

/**
 * vu_thread_start() - start a thread, and wait until it has begun: to begin, it makes system calls that it may not make
 *	once the process is restricted
 * @name: up to 15 characters
 *
 * Return: 0 or an errno
 */
int vu_thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg);

#endif

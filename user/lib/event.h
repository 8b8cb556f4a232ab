/* SPDX-License-Identifier: GPL-2.0 */
/* Eventfds that are shared with another process. */
#ifndef LIB_EVENT_H
#define LIB_EVENT_H

#include <stdint.h>
#include <sys/types.h>

/**
 * event_take() - read an eventfd, and never wait: whoever shares it can have made it block
 * @n: what it counted
 *
 * Return: as read()
 */
ssize_t event_take(int fd, uint64_t *n);

#endif

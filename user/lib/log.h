/* SPDX-License-Identifier: GPL-2.0 */
/* Messages to people: one line each on standard error, prefixed with the program's name. */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stddef.h>

/** log_init() - @name: prefix, kept by reference */
void log_init(const char *name);

/*
 * Any thread. No trailing newline in @fmt. log_err() returns -1 so that "return log_err(...)"
 * works.
 */
int log_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** log_catch() - from now on, errors of this thread go to @buf, the last one stays; NULL: they are said again */
void log_catch(char *buf, size_t len);

#endif

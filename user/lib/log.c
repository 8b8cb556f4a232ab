// SPDX-License-Identifier: GPL-2.0
/*
 * Messages to people: one line each on standard error, prefixed with the program's name.
 *
 * A line is formatted into one buffer and leaves in one write(), so that lines of several threads
 * do not mix. Control characters in it (a guest or a peer may have chosen a name) become '?'.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX	1024

static const char *log_name = "shunt";
static _Thread_local char *caught;
static _Thread_local size_t caught_len;

void log_init(const char *name)
{
	log_name = name;
}

static void log_line(const char *level, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];
	int saved = errno;
	size_t len, at, i;
	int n;

	n = snprintf(line, sizeof(line), "%s: %s", log_name, level);
	if (n < 0 || (size_t)n >= sizeof(line))
		return;
	at = len = (size_t)n;
	n = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	if (n > 0)
		len += (size_t)n;
	/* keep one byte for the newline; a longer line is cut */
	if (len > sizeof(line) - 1)
		len = sizeof(line) - 1;
	for (i = at; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	/* nobody is left to tell when standard error is gone */
	n = (int)write(STDERR_FILENO, line, len);
	(void)n;
	errno = saved;
}

int log_err(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (caught)
		vsnprintf(caught, caught_len, fmt, ap);
	else
		log_line("", fmt, ap);
	va_end(ap);
	return -1;
}

void log_catch(char *buf, size_t len)
{
	caught = buf;
	caught_len = len;
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line("warning: ", fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line("", fmt, ap);
	va_end(ap);
}

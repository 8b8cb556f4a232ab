/* SPDX-License-Identifier: GPL-2.0 */
/* What goes to standard error between listen_begin() and listen_end(): it is in said[] then. */
#ifndef TESTS_UNIT_SAID_H
#define TESTS_UNIT_SAID_H

#include <stdio.h>
#include <unistd.h>

static char said[4096];
static int saved_err;
static FILE *err_file;

static void listen_begin(void)
{
	err_file = tmpfile();
	saved_err = dup(STDERR_FILENO);
	dup2(fileno(err_file), STDERR_FILENO);
}

static void listen_end(void)
{
	size_t n;

	dup2(saved_err, STDERR_FILENO);
	close(saved_err);
	rewind(err_file);
	n = fread(said, 1, sizeof(said) - 1, err_file);
	said[n] = 0;
	fclose(err_file);
}

#endif /* TESTS_UNIT_SAID_H */

// SPDX-License-Identifier: GPL-2.0
/* Fault injection, see fault.h and the kernel's fault-injection.rst. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/driver/dtest.h"
#include "tests/driver/lib/fault.h"

#define DEBUGFS		"/sys/kernel/debug/"

static const char *const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };

static bool knob(const char *kind, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", kind, name);
	return !t_write_file(path, text);
}

bool fault_open(void)
{
	unsigned int i;

	if (access("/proc/thread-self/fail-nth", W_OK))
		return false;
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!knob(kinds[i], "probability", "0") || !knob(kinds[i], "times", "-1") ||
		    !knob(kinds[i], "verbose", "0") || !knob(kinds[i], "task-filter", "Y"))
			return false;
	/*
	 * Large pages only: where single ones fail, vmalloc() says so with a backtrace, which would
	 * be taken for a complaint.
	 */
	return knob("failslab", "ignore-gfp-wait", "N") &&
	       knob("fail_page_alloc", "ignore-gfp-wait", "N") &&
	       knob("fail_page_alloc", "min-order", "1");
}

void fault_rate(unsigned int percent)
{
	char text[16];
	unsigned int i;

	snprintf(text, sizeof(text), "%u", percent);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		knob(kinds[i], "probability", text);
}

void fault_me(bool on)
{
	/* This may fail as well. */
	while (t_write_file("/proc/thread-self/make-it-fail", on ? "1" : "0"))
		;
}

/* Opened early: opening may fail as well. */
static int nth_file(void)
{
	static __thread int fd = -1;

	while (fd < 0)
		fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return fd;
}

void fault_nth(unsigned int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	if (pwrite(nth_file(), text, strlen(text), 0) < 0)
		return;
}

/* The kernel counts down to 0; what is left has not been reached, nor if our own read fails. */
bool fault_nth_end(void)
{
	char text[16] = "";
	bool hit = pread(nth_file(), text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	while (pwrite(nth_file(), "0", 1, 0) != 1)
		;
	return hit;
}

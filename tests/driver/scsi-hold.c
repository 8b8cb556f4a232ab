// SPDX-License-Identifier: GPL-2.0
/*
 * Sets an endpoint as a VMM does, runs a command meanwhile, and ends with its status.
 *
 *	scsi-hold [-q QUEUES] WWPN COMMAND...	with one queue of requests, or several
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/scsi.h"

int main(int argc, char **argv)
{
	struct reqs_opt o = { 0 };
	static struct scsi s;
	int status = -1, opt;
	pid_t pid;

	while ((opt = getopt(argc, argv, "+q:")) != -1)
		o.queues = opt == 'q' ? atoi(optarg) : SCSI_QUEUES + 1;
	argv += optind - 1;
	t_need(argc > optind + 1 && o.queues <= SCSI_QUEUES ? 0 : -EINVAL,
	       "usage: scsi-hold [-q QUEUES] WWPN COMMAND...");
	t_need(scsi_start(&s, &o, argv[1]), argv[1]);
	pid = fork();
	if (!pid) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	scsi_close(&s);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

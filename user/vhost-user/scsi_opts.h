/* SPDX-License-Identifier: GPL-2.0 */
/* Logical units as people write them: key=value, on the command line and at the control socket. */
#ifndef VHOST_USER_SCSI_OPTS_H
#define VHOST_USER_SCSI_OPTS_H

#include <jansson.h>

#include "lib/prop.h"
#include "scsi.h"

/**
 * struct scsi_props - what is written
 * @opened: the file, open already; or -1
 * @number: room for a name of one that has none
 */
struct scsi_props {
	char *file, *fd;
	uint32_t lun, target;
	bool cd, rdonly, force;
	int cache, block, discard;
	char *serial, *product;
	int opened;
	char number[48];
};

/** scsi_props_lun() - a --lun. @before: the one before, or NULL. Return: 0, or -1 after one logged line */
int scsi_props_lun(struct scsi_props *p, const struct scsi_props *before, const char *arg);
/** scsi_props_command() - what is behind @command. Return: 0, or -1 after one logged line; scsi_props_free() is due */
int scsi_props_command(struct scsi_props *p, const char *command, const char *arg);
/** scsi_props_free() - its texts */
void scsi_props_free(struct scsi_props *p);
/** scsi_props_opts() - the same for scsi_lun_add(), by reference. @opt: for messages */
struct scsi_lun_opts scsi_props_opts(const struct scsi_props *p, const char *opt);

/** scsi_command() - of struct vu_control; @dev is a struct scsi */
json_t *scsi_command(void *dev, char *line, int *fd);
/* What that calls beside sandbox_calls() */
extern const struct sandbox_call scsi_calls[];

#endif

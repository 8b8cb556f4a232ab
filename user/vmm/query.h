/* SPDX-License-Identifier: GPL-2.0 */
/* What programs are answered: struct command.run of the table in command.c. */
#ifndef VMM_QUERY_H
#define VMM_QUERY_H

#include "command.h"

/** qmp_text() - @c by its @text, for what has no @run. Return: NULL; with @e filled in if anything was said */
json_t *qmp_text(const struct command *c, struct vm *vm, struct qmp_error *e);

typedef json_t *qmp_fn(struct vm *vm, json_t *args, struct qmp_error *e);

qmp_fn qmp_balloon, qmp_block_resize, qmp_capabilities, qmp_change, qmp_device_add, qmp_eject, qmp_human, qmp_memsave, qmp_object_add, qmp_pmemsave;
qmp_fn query_balloon, query_block, query_chardev, query_commands, query_cpus, query_kvm, query_name, query_schema, query_status,
	query_uuid, query_version;

#endif

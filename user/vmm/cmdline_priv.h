/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the command line share. Main thread. */
#ifndef VMM_CMDLINE_PRIV_H
#define VMM_CMDLINE_PRIV_H

#include <stdbool.h>
#include "config.h"

/** struct cmdline_state - what was seen, for defaults that depend on it */
struct cmdline_state {
	bool monitor, nographic, no_display;
	bool m_given;
	const char *memory_backend;	/* -machine memory-backend= */
};

extern struct cmdline_state cmdline;

/** cmdline_keep() - a copy that cmdline_free() frees. Return: NULL after logging */
const char *cmdline_keep(const char *s);

/* Handlers: 0; 1 when help was printed; -1 after one logged line */
typedef int cmdline_fn(struct vm_config *cfg, const char *arg);

cmdline_fn opt_accel, opt_append, opt_bios, opt_boot, opt_cpu, opt_device, opt_initrd, opt_kernel, opt_m, opt_machine,
	opt_mem_path, opt_mem_prealloc, opt_name, opt_net, opt_object, opt_parallel, opt_rtc, opt_smp,
	opt_uuid;

void cmdline_machine_defaults(struct vm_config *cfg);
/** cmdline_machine_finish() - what depends on several options. Return: 0 or -1 after logging */
int cmdline_machine_finish(struct vm_config *cfg);
/** cmdline_meminfo() - Return: a line of /proc/meminfo in bytes; 0: there is none */
uint64_t cmdline_meminfo(const char *key);
/** cmdline_object_finish() - as cmdline_machine_finish(), of -object */
int cmdline_object_finish(struct vm_config *cfg);
void cmdline_object_free(void);

/* -net options are looked at before all others */

/** cmdline_net_join() - vlan= in @kvs becomes netdev=. @device: for messages, kept. Return: 0; -1 after one logged line */
int cmdline_net_join(struct keyvals *kvs, const char *device);
/** cmdline_net_nics() - the devices of -net nic. Return: 0; -1 after one logged line */
int cmdline_net_nics(struct vm_config *cfg);
/** cmdline_net_finish() - warn of networks that nobody is on */
void cmdline_net_finish(void);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* What the command line said, checked and typed; filled by cmdline.c, read by everything else. */
#ifndef VMM_CONFIG_H
#define VMM_CONFIG_H

#include <stdint.h>
#include <stdbool.h>
#include "../lib/prop.h"

#define VM_MAX_QMP 16

/** struct device_spec - one -device, not yet created */
struct device_spec {
	const struct device_type *type;
	char *id;		/* NULL when absent; unique among devices */
	void *props;		/* device_type.props_size bytes, parsed by its table */
};

struct vm_config {
	const char *name;		/* -name */
	const char *process_name;	/* -name process= */
	const char *uuid;		/* -uuid */
	uint64_t mem_size;		/* -m, bytes */
	uint32_t mem_slots;		/* -m slots=: how many pc-dimms there may be */
	uint64_t mem_max;		/* -m maxmem=: with all of them; 0: there are no slots */
	const char *mem_path;		/* -mem-path */
	bool mem_prealloc;		/* -mem-prealloc */
	uint64_t hugetlb_size;		/* 0, or page size for MFD_HUGETLB */
	uint32_t cpus;			/* -smp: in all */
	uint32_t cores, threads;	/* of a socket, of a core */
	const char *cpu_model;		/* -cpu, as given */
	const char *kernel, *initrd, *append;
	const char *boot_order, *boot_once;	/* -boot: letters, for firmware; NULL: as it likes */
	bool boot_menu, boot_strict;
	const char *bios;		/* -bios, a file; NULL: the kernel is entered directly */
	bool no_reboot;			/* -no-reboot */
	bool start_paused;		/* -S */
	bool nodefaults;		/* -nodefaults */
	const char *pidfile;
	bool daemonize;
	bool rtc_localtime;
	int64_t rtc_base;		/* seconds since the epoch; -1: now */
	struct device_spec device[64];
	unsigned int nr_devices;
	const char *serial[4];		/* -serial specs, in order; "none" keeps a port out */
	unsigned int nr_serial;
	const char *monitor;		/* -monitor spec, NULL for none */
	const char *qmp[VM_MAX_QMP];	/* -qmp specs */
	unsigned int nr_qmp;
	const char *gdb;		/* -gdb spec; NULL: none */
};

#endif

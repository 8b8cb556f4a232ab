// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-serial-pci: a bus of consoles and ports (virtio 1.2, section 5.3), which a process of ours serves. Ports are
 * devices of their own on the command line, and arguments of the process: it opens what their chardevs lead to.
 */
#include <errno.h>
#include <string.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include "chardev.h"
#include "config.h"
#include "virtio_user.h"
#include "vm.h"
#include "../lib/log.h"

#define PORTS_MAX	31
#define NAME_MAX_BYTES	64

struct serial_props {
	struct user_props user;
	uint32_t max_ports;
};

struct port_props {
	char *chardev, *name, *bus;
	uint32_t nr;
};

extern const struct device_type virtconsole_type, virtserialport_type;

static bool is_port(const struct device_type *type)
{
	return type == &virtconsole_type || type == &virtserialport_type;
}

/* ---- whose port it is ---- */

static int port_owner(const struct vm_config *cfg, unsigned int n)
{
	const struct port_props *p = cfg->device[n].props;

	return device_bus(cfg, n, &virtio_serial_kind.type, p->bus);
}

static int port_check(const struct vm_config *cfg, unsigned int n)
{
	const struct device_spec *d = &cfg->device[n];
	const struct port_props *p = d->props;
	char opt[64];

	snprintf(opt, sizeof(opt), "-device %s", d->type->name);
	if (device_bus_check(cfg, n, &virtio_serial_kind.type, p->bus))
		return -1;
	if (p->name && (!*p->name || strlen(p->name) > NAME_MAX_BYTES))
		return log_err("%s: name=%s: takes 1 to %d bytes", opt, p->name, NAME_MAX_BYTES);
	return chardev_lend(opt, p->chardev);
}

/* ---- the bus ---- */

static int serial_check(const struct vm_config *cfg, unsigned int n)
{
	const struct serial_props *p = cfg->device[n].props;
	unsigned int i, ports = 0;

	for (i = n + 1; i < cfg->nr_devices; i++) {
		const struct port_props *port = cfg->device[i].props;

		if (!is_port(cfg->device[i].type) || port_owner(cfg, i) != (int)n)
			continue;
		if (port->nr >= p->max_ports)
			return log_err("-device %s: nr=%u: there are %u ports (max_ports)", cfg->device[i].type->name,
				       port->nr, p->max_ports);
		ports++;
	}
	if (ports > p->max_ports)
		return log_err("-device virtio-serial-pci: %u ports: max_ports is %u", ports, p->max_ports);
	return 0;
}

/* Return: 0 or -errno */
static int port_arg(struct process *proc, const struct port_props *p, bool console)
{
	FILE *out = process_arg_open(proc);

	if (!out)
		return -ENOMEM;
	fputs("--port=", out);
	proc->stdio |= chardev_lent(p->chardev, out);
	keyvals_put(out, ",name=", p->name);
	fputs(console ? ",console=on" : "", out);
	if (p->nr)
		fprintf(out, ",nr=%u", p->nr);
	return process_arg_close(proc, out);
}

static int serial_args(struct virtio_user *d, struct vm *vm)
{
	const struct vm_config *cfg = vm->cfg;
	unsigned int i, ports = 0;
	int err = 0;

	for (i = 0; i < cfg->nr_devices && !err; i++) {
		const struct device_spec *port = &cfg->device[i];

		if (!is_port(port->type) || cfg->device[port_owner(cfg, i)].props != d->p)
			continue;
		err = port_arg(&d->vu.proc, port->props, port->type == &virtconsole_type);
		ports++;
	}
	if (ports || err)
		return err;
	log_err("-device %s: no virtconsole or virtserialport belongs to it", d->name);
	return 1;
}

/* ---- the types ---- */

static const struct prop serial_props[] = {
	PROP("max_ports", PROP_U32, struct serial_props, max_ports, .def = "31", .min = 1, .max = PORTS_MAX,
	     .help = "so many at most, port 0 among them"),
	USER_COMMON
};

const struct user_kind virtio_serial_kind = {
	.type = {
		.name = "virtio-serial-pci", .alias = "virtio-serial", .bus = "PCI",
		.desc = "virtio consoles and ports: virtconsole, virtserialport",
		.props = serial_props, .props_size = sizeof(struct serial_props),
		.check = serial_check, .create = virtio_user_create,
	},
	.id = VIRTIO_ID_CONSOLE, .class = 0x078000, .queues = 2, .need = 2, .queue_size = 128,
	.config_len = sizeof(struct virtio_console_config),
	.program = "shunt-console", .args = serial_args,
};

#define PORT_PROPS(_nr_help) \
	PROP("chardev", PROP_STR, struct port_props, chardev, .required = true, \
	     .help = "id of a -chardev: socket, pty, file, null or stdio"), \
	PROP("name", PROP_STR, struct port_props, name, .help = "of the port, in the guest"), \
	PROP("bus", PROP_STR, struct port_props, bus, \
	     .help = "ID.0 of a virtio-serial-pci before it; without it the last one"), \
	PROP("nr", PROP_U32, struct port_props, nr, .min = 1, .max = PORTS_MAX - 1, .help = _nr_help), \
	{ 0 }

static const struct prop console_props[] = { PORT_PROPS("number; without it 0, or one that is free") };
static const struct prop port_props[] = { PORT_PROPS("number; without it one that is free") };

const struct device_type virtconsole_type = {
	.name = "virtconsole", .bus = "virtio-serial-bus", .desc = "a console, hvc0 and so on",
	.props = console_props, .props_size = sizeof(struct port_props), .check = port_check,
};

const struct device_type virtserialport_type = {
	.name = "virtserialport", .bus = "virtio-serial-bus", .desc = "a port that programs open by its name",
	.props = port_props, .props_size = sizeof(struct port_props), .check = port_check,
};

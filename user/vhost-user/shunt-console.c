// SPDX-License-Identifier: GPL-2.0
/* shunt-console: the command line. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "console.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "program.h"

static const char usage[] =
	"Usage: shunt-console (--socket-path=PATH | --fd=N) --port=BACKEND[,option...]... [option...]\n"
	"Serves a virtio-console device over vhost-user: a console, and ports that programs open.\n"
	"\n"
	VU_HELP_SOCKET
	"  --port=BACKEND[,name=NAME][,console=on][,nr=1..30]\n"
	"                        a port, up to 31 of them; the first console is port 0. BACKEND:\n"
	"                        stdio[,signal=off]\n"
	"                        pty\n"
	"                        socket,path=PATH[,server=on]\n"
	"                        socket,fd=N\n"
	"                        file,path=PATH[,append=on]\n"
	"                        null\n"
	VU_HELP_COMMON;

static const char capabilities[] =
	"{\n"
	"  \"type\": \"console\"\n"
	"}\n";

enum { OPT_PORT = 1 };

static const struct option options[] = {
	{ "port", required_argument, NULL, OPT_PORT },
	{ NULL, 0, NULL, 0 },
};

static int option(void *opts, int val, const char *name, char *arg)
{
	(void)val;
	(void)name;
	return console_add(opts, arg);
}

static const struct vu_program program = {
	.usage = usage,
	.capabilities = capabilities,
	.options = options,
	.option = option,
};

static void get_config(void *dev, void *config)
{
	console_config(dev, config);
}

static int set_config(void *dev, uint32_t offset, const uint8_t *data, uint32_t size)
{
	(void)dev;
	(void)offset;
	(void)data;
	(void)size;
	return -EINVAL;
}

/* Has port 0 another size? For a driver that knows of no ports, and gets no message of that */
static bool refresh(void *dev)
{
	struct console *c = dev;
	uint16_t cols = 0, rows = 0;
	bool changed;

	console_size(&c->port[0], &cols, &rows);
	changed = cols != c->cols || rows != c->rows;
	c->cols = cols;
	c->rows = rows;
	return changed;
}

static void set_features(void *dev, uint64_t features)
{
	struct console *c = dev;

	c->multiport = features & BIT64(VIRTIO_CONSOLE_F_MULTIPORT);
	c->size = features & BIT64(VIRTIO_CONSOLE_F_SIZE);
}

/* What the host's side is connected to stays. */
static void reset(void *dev)
{
	struct console *c = dev;
	unsigned int i;

	c->met = false;
	for (i = 0; i < c->nr; i++) {
		__atomic_store_n(&c->port[i].guest_open, false, __ATOMIC_SEQ_CST);
		__atomic_store_n(&c->port[i].tell, 0, __ATOMIC_SEQ_CST);
		c->port[i].ready = false;
		c->port[i].moved = 0;
	}
}

static const struct vu_queue_ops *queue_ops(void *dev, unsigned int index, int *file)
{
	(void)dev;
	(void)file;
	if (index == CONSOLE_Q_CONTROL_RX)
		return &console_control_rx_ops;
	if (index == CONSOLE_Q_CONTROL_TX)
		return &console_control_tx_ops;
	return index % 2 ? &console_tx_ops : &console_rx_ops;
}

/* The size of a terminal, and its modes put back */
static const struct sandbox_call calls[] = {
	{ .name = "dup" },
	{ .name = "shutdown" },
	{ .name = "ioctl", .arg = 1, .mask = UINT32_MAX, .value = TIOCGWINSZ },
	{ .name = "ioctl", .arg = 1, .mask = UINT32_MAX, .value = TCGETS },
	{ .name = "ioctl", .arg = 1, .mask = UINT32_MAX, .value = TCSETS },
	{ 0 }
};

static struct console console;

int main(int argc, char **argv)
{
	struct vu_endpoint end = { .fd = -1 };
	struct vu_device d = {
		.name = "shunt-console",
		.dev = &console,
		.queue_ops = queue_ops,
		.calls = calls,
		.no_files = true,
		.config_size = sizeof(struct virtio_console_config),
		.features = BIT64(VIRTIO_CONSOLE_F_MULTIPORT),
		.get_config = get_config,
		.set_config = set_config,
		.set_features = set_features,
		.reset = reset,
	};
	int ret;

	log_init(d.name);
	ret = vu_program_parse(&program, &console, &end, &d.poll_us, argc, argv);
	if (ret)
		return ret < 0;
	if (console_number(&console) || vu_endpoint_open(&end))
		return 1;
	console.d = &d;
	d.num_queues = 2 * (console.nr + 1);
	if (refresh(&console)) {
		d.features |= BIT64(VIRTIO_CONSOLE_F_SIZE);
		d.refresh = refresh;
	}
	console_terminal(&console);
	return vu_endpoint_serve(&end, &d) ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0
/* virtio-rng-pci: entropy for the guest (virtio 1.2, section 5.4), which a process of ours reads. */
#include <linux/virtio_ids.h>
#include "rng.h"
#include "virtio_user.h"
#include "../lib/log.h"

struct rng_props {
	struct user_props user;
	char *rng;
	uint64_t max_bytes;
	uint32_t period;
};

static int rng_args(struct virtio_user *d, struct vm *vm)
{
	const struct rng_props *p = (const void *)d->p;
	const char *source = NULL;
	int err = 0;

	(void)vm;
	if (p->rng && rng_source(p->rng, &source)) {
		log_err("-device %s: rng=%s: no such -object", d->name, p->rng);
		return 1;
	}
	if (source)
		err = process_arg(&d->vu.proc, "--source=%s", source);
	if (p->max_bytes)
		err = err ?: process_arg(&d->vu.proc, "--max-bytes=%llu", (unsigned long long)p->max_bytes);
	return err ?: process_arg(&d->vu.proc, "--period=%u", p->period);
}

static const struct prop rng_props[] = {
	PROP("rng", PROP_STR, struct rng_props, rng, .help = "id of an -object; without it rng-builtin"),
	PROP("max-bytes", PROP_U64, struct rng_props, max_bytes, .min = 1, .max = UINT64_MAX,
	     .help = "no more than these in a period; without it there is no limit"),
	PROP("period", PROP_U32, struct rng_props, period, .def = "65536", .min = 1, .max = UINT32_MAX,
	     .help = "in milliseconds"),
	USER_COMMON
};

const struct user_kind virtio_rng_kind = {
	USER_TYPE(struct rng_props, "virtio-rng-pci", "virtio-rng", rng_props, "virtio entropy source"),
	.id = VIRTIO_ID_RNG, .class = 0x00ff00, .queues = 1, .need = 1, .queue_size = 8,
	.program = "shunt-rng", .args = rng_args,
};

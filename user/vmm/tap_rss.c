// SPDX-License-Identifier: GPL-2.0
/* The program that steers packets to queues of a tap, see tap_rss.h. Built without libbpf or clang, there is none. */
#include "tap_rss.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#ifdef RSS_OBJECT
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#endif
#include "../lib/log.h"

/* The 32 bits of the key from bit @at on, the first one highest */
static uint32_t key_bits(const uint8_t *key, unsigned int at)
{
	uint64_t bits = 0;
	unsigned int i;

	for (i = 0; i < 5; i++)
		bits = bits << 8 | (at / 8 + i < VHOST_USER_NET_RSS_KEY ? key[at / 8 + i] : 0);
	return (uint32_t)(bits >> (8 - at % 8));
}

void tap_rss_map(const struct vhost_user_net_rss *c, struct rss_map *to)
{
	unsigned int half, value, bit;

	_Static_assert(RSS_TABLE == VHOST_USER_NET_RSS_TABLE, "as long here as there");
	*to = (struct rss_map){ .hash_types = c->hash_types, .mask = c->mask, .unclassified = c->unclassified };
	memcpy(to->queue, c->queue, sizeof(to->queue));
	for (half = 0; half < 2 * RSS_TUPLE; half++)
		for (value = 0; value < 16; value++)
			for (bit = 0; bit < 4; bit++)
				if (value & 8 >> bit)
					to->toeplitz[half][value] ^= key_bits(c->key, 4 * half + bit);
}

static int steer(int tap_fd, int prog_fd)
{
	return ioctl(tap_fd, TUNSETSTEERINGEBPF, &prog_fd) ? -errno : 0;
}

void tap_rss_off(int tap_fd)
{
	steer(tap_fd, -1);
}

#ifdef RSS_OBJECT

/* Loading libbpf, and what it needs, takes about as long as all else of a start: it is done where there is a use for it. */
#define LIBBPF		"libbpf.so.1"
#define FUNCTIONS(_f) \
	_f(libbpf_set_print) _f(bpf_object__open_mem) _f(bpf_object__load) _f(bpf_object__close) \
	_f(bpf_object__find_map_fd_by_name) _f(bpf_object__find_program_by_name) _f(bpf_program__fd) _f(bpf_map_update_elem)
#define MEMBER(_name)	__typeof__(_name) *_name;
#define FIND(_name)	&& (bpf._name = (__typeof__(_name) *)dlsym(lib, #_name))

static struct {
	FUNCTIONS(MEMBER)
} bpf;

static bool libbpf_load(void)
{
	void *lib = dlopen(LIBBPF, RTLD_NOW | RTLD_LOCAL);

	return lib FUNCTIONS(FIND);
}

struct tap_rss {
	struct bpf_object *obj;
	int prog_fd, map_fd;
};

extern const char rss_object[], rss_object_end[];
asm(".pushsection .rodata\n"
    ".balign 8\n"
    "rss_object: .incbin \"" RSS_OBJECT "\"\n"
    "rss_object_end:\n"
    ".popsection\n");

static int load(struct tap_rss *r)
{
	int err;

	if (!libbpf_load())
		return -ELIBACC;
	/* It is said in one line what is wrong, by us. */
	bpf.libbpf_set_print(NULL);
	r->obj = bpf.bpf_object__open_mem(rss_object, (size_t)(rss_object_end - rss_object), NULL);
	if (!r->obj)
		return -errno;
	err = bpf.bpf_object__load(r->obj);
	if (err)
		return err;
	r->map_fd = bpf.bpf_object__find_map_fd_by_name(r->obj, "config");
	r->prog_fd = bpf.bpf_program__fd(bpf.bpf_object__find_program_by_name(r->obj, "steer"));
	return r->map_fd < 0 || r->prog_fd < 0 ? -ENOENT : 0;
}

struct tap_rss *tap_rss_open(const char *name)
{
	struct tap_rss *r = calloc(1, sizeof(*r));
	int err = r ? load(r) : -ENOMEM;

	if (!err)
		return r;
	log_err("-device %s: rss=on: the program that steers packets: %s%s", name, strerror(-err),
		err == -EPERM ? ": takes CAP_BPF" : err == -ELIBACC ? ": " LIBBPF : "");
	tap_rss_close(r);
	return NULL;
}

void tap_rss_close(struct tap_rss *r)
{
	if (r && r->obj)
		bpf.bpf_object__close(r->obj);
	free(r);
}

int tap_rss_set(struct tap_rss *r, int tap_fd, const struct vhost_user_net_rss *c)
{
	struct rss_map map;
	uint32_t zero = 0;
	int err;

	tap_rss_map(c, &map);
	err = bpf.bpf_map_update_elem(r->map_fd, &zero, &map, BPF_ANY);
	return err ?: steer(tap_fd, r->prog_fd);
}

int tap_rss_program(const struct tap_rss *r)
{
	return r->prog_fd;
}

#else

struct tap_rss *tap_rss_open(const char *name)
{
	log_err("-device %s: rss=on: not in this build, which had no clang or no libbpf", name);
	return NULL;
}

void tap_rss_close(struct tap_rss *r)
{
	(void)r;
}

int tap_rss_set(struct tap_rss *r, int tap_fd, const struct vhost_user_net_rss *c)
{
	(void)r;
	(void)tap_fd;
	(void)c;
	return -EOPNOTSUPP;
}

int tap_rss_program(const struct tap_rss *r)
{
	(void)r;
	return -1;
}

#endif

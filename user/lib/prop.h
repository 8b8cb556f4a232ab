/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Properties: the "driver,key=value,flag=on" strings of a QEMU command line (or the JSON object
 * that libvirt sends instead), parsed into a struct by a table. The same table makes the help text.
 */
#ifndef LIB_PROP_H
#define LIB_PROP_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>

enum prop_type {
	PROP_END,
	PROP_STR,	/* char *, allocated; NULL when absent and without default */
	PROP_BOOL,	/* bool: on|off|yes|no|true|false; a bare "flag" means on, "noflag" off */
	PROP_ONOFFAUTO,	/* enum prop_onoffauto */
	PROP_U32,	/* uint32_t in [min, max]; decimal, 0x hex */
	PROP_U64,	/* uint64_t in [min, max] */
	PROP_SIZE,	/* uint64_t bytes in [min, max]; suffix K M G T (PROP default unit: bytes) */
	PROP_MAC,	/* struct prop_mac, xx:xx:xx:xx:xx:xx */
	PROP_PCIADDR,	/* struct prop_pciaddr, "slot[.fn]" in hex */
	PROP_ENUM,	/* int, index into .names */
};

enum prop_onoffauto { PROP_AUTO, PROP_OFF, PROP_ON };

struct prop_mac {
	uint8_t b[6];
	bool set;
};

struct prop_pciaddr {
	uint8_t slot, fn;
	bool set;
	int bus;	/* for a PROP_ENUM beside it */
};

/**
 * struct prop - one key
 * @name: key
 * @type: how to parse, and the type of the field at @offset
 * @offset: in the target struct
 * @def: default, in command-line syntax; NULL for zero
 * @min: @max: inclusive range for numbers and sizes (both 0: no bound)
 * @names: for PROP_ENUM, NULL-terminated
 * @help: a few words for help output
 * @required: absent is an error
 */
struct prop {
	const char *name;
	enum prop_type type;
	size_t offset;
	const char *def;
	uint64_t min, max;
	const char *const *names;
	const char *help;
	bool required;
};

#define PROP(_name, _type, _struct, _field, ...) \
	{ .name = (_name), .type = (_type), .offset = offsetof(_struct, _field), __VA_ARGS__ }

/**
 * struct keyvals - a split but not yet typed option string
 *
 * "tap,id=n0,fd=3": the first item without '=' is the implied key (say "type" or "driver"); ",,"
 * stands for a comma inside a value. JSON objects (leading '{') are accepted too.
 */
struct keyvals {
	unsigned int nr;
	struct keyval {
		char *key;
		char *val;	/* NULL for a bare flag */
		bool used;
	} kv[64];
};

/**
 * keyvals_parse() - Return: 0; or -1 after one logged line that begins with @opt, such as "-netdev"
 */
int keyvals_parse(struct keyvals *kvs, const char *opt, const char *implied_key, const char *arg);
/**
 * keyvals_take() - Return: the first unused value of @key ("" for a bare flag), now marked used;
 * NULL when there is none (left)
 */
const char *keyvals_take(struct keyvals *kvs, const char *key);
void keyvals_free(struct keyvals *kvs);
/** keyvals_put() - write @text and, for who splits it as keyvals_parse() does, @val; nothing if that is NULL */
void keyvals_put(FILE *out, const char *text, const char *val);

/**
 * props_apply() - fill @obj from @kvs by @table
 * @opt: option name for messages, such as "-device virtio-net-pci"
 *
 * Every key that is neither used already nor in the table is an error, as is a bad value: one line
 * that names the option, the key and what it takes. Defaults are applied first.
 * Return: 0, or -1 after logging
 */
int props_apply(const struct prop *table, void *obj, const char *opt, struct keyvals *kvs);
void props_free(const struct prop *table, void *obj);
/** props_help() - print "  name=<type>  - help (default: x)" lines to stdout */
void props_help(const struct prop *table);

/** parse_size() - "512", "4G", "64k"; @unit multiplies a number without suffix. Return: 0 or -1 */
int parse_size(const char *s, uint64_t unit, uint64_t *out);
int parse_u64(const char *s, uint64_t *out);
/** parse_fd() - a decimal number. Return: 0 or -1, nothing logged */
int parse_fd(const char *s, int *fd);

#endif

// SPDX-License-Identifier: GPL-2.0
/* Properties: both syntaxes, every type, and one line for every mistake. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/log.h"
#include "lib/prop.h"
#include "said.h"

static const char *const colours[] = { "red", "green", "blue", NULL };

struct all {
	char *str, *dstr;
	bool b;
	enum prop_onoffauto tri;
	uint32_t u32;
	uint64_t u64, size;
	struct prop_mac mac;
	struct prop_pciaddr addr;
	int colour;
};

static const struct prop table[] = {
	PROP("str", PROP_STR, struct all, str, .help = "a string"),
	PROP("dstr", PROP_STR, struct all, dstr, .def = "there"),
	PROP("b", PROP_BOOL, struct all, b),
	PROP("tri", PROP_ONOFFAUTO, struct all, tri),
	PROP("u32", PROP_U32, struct all, u32, .def = "7", .min = 1, .max = 100),
	PROP("u64", PROP_U64, struct all, u64),
	PROP("size", PROP_SIZE, struct all, size, .min = 1024, .max = 1ull << 40),
	PROP("mac", PROP_MAC, struct all, mac),
	PROP("addr", PROP_PCIADDR, struct all, addr),
	PROP("colour", PROP_ENUM, struct all, colour, .names = colours, .def = "green"),
	{ .type = PROP_END },
};

static int parse(struct all *a, const char *arg)
{
	struct keyvals kvs;
	int ret;

	listen_begin();
	ret = keyvals_parse(&kvs, "-opt", NULL, arg);
	if (!ret) {
		ret = props_apply(table, a, "-opt thing", &kvs);
		keyvals_free(&kvs);
	}
	listen_end();
	return ret;
}

static void good(struct all *a, const char *arg)
{
	int ret = parse(a, arg);

	if (ret)
		print_error("%s: %s", arg, said);
	assert_int_equal(ret, 0);
	assert_string_equal(said, "");
}

/* Refused in exactly one line that holds @word. */
static void bad(const char *arg, const char *word)
{
	struct all a = { 0 };

	assert_int_equal(parse(&a, arg), -1);
	if (strncmp(said, "prop: -opt", 10) || !strstr(said, word) ||
	    strchr(said, '\n') != said + strlen(said) - 1)
		fail_msg("%s: no %s in: %s", arg, word, said);
	assert_null(a.str);
	assert_null(a.dstr);
}

static void test_defaults(void **state)
{
	struct all a;

	(void)state;
	memset(&a, 0xff, sizeof(a));
	good(&a, "");
	assert_null(a.str);
	assert_string_equal(a.dstr, "there");
	assert_false(a.b);
	assert_int_equal(a.tri, PROP_AUTO);
	assert_int_equal(a.u32, 7);
	assert_int_equal(a.u64, 0);
	assert_false(a.mac.set);
	assert_false(a.addr.set);
	assert_int_equal(a.colour, 1);
	props_free(table, &a);
	assert_null(a.dstr);
}

static void check_all(const struct all *a)
{
	static const uint8_t mac[] = { 0x52, 0x54, 0, 0xab, 0xCD, 0xef };

	assert_string_equal(a->str, "x,y=z");
	assert_string_equal(a->dstr, "");
	assert_true(a->b);
	assert_int_equal(a->tri, PROP_OFF);
	assert_int_equal(a->u32, 100);
	assert_true(a->u64 == 18446744073709551615ull);
	assert_true(a->size == 4ull << 30);
	assert_memory_equal(a->mac.b, mac, 6);
	assert_true(a->mac.set && a->addr.set);
	assert_int_equal(a->addr.slot, 0x1f);
	assert_int_equal(a->addr.fn, 7);
	assert_int_equal(a->colour, 2);
}

static void test_commas(void **state)
{
	struct all a;

	(void)state;
	good(&a, "str=x,,y=z,dstr=,b,notri,u32=0x64,u64=18446744073709551615,size=4G,"
	     "mac=52:54:00:aB:Cd:ef,addr=1f.7,colour=blue");
	check_all(&a);
	props_free(table, &a);
	good(&a, "b=yes,tri=auto,addr=0x3,u64=0,");
	assert_true(a.b);
	assert_int_equal(a.tri, PROP_AUTO);
	assert_int_equal(a.addr.slot, 3);
	assert_int_equal(a.addr.fn, 0);
	props_free(table, &a);
}

static void test_json(void **state)
{
	struct all a;
	struct keyvals kvs;

	(void)state;
	good(&a, "{\"str\":\"x,y=z\",\"dstr\":\"\",\"b\":true,\"tri\":\"off\",\"u32\":100,"
	     "\"u64\":\"18446744073709551615\",\"size\":4294967296,\"mac\":\"52:54:00:ab:cd:ef\","
	     "\"addr\":\"0x1f.7\",\"colour\":\"blue\"}");
	check_all(&a);
	props_free(table, &a);

	assert_int_equal(keyvals_parse(&kvs, "-opt", "type",
				       "{\"addr\":{\"type\":\"unix\",\"n\":[1,2]},\"f\":false}"),
			 0);
	assert_string_equal(keyvals_take(&kvs, "addr.type"), "unix");
	assert_string_equal(keyvals_take(&kvs, "addr.n.0"), "1");
	assert_string_equal(keyvals_take(&kvs, "addr.n.1"), "2");
	assert_string_equal(keyvals_take(&kvs, "f"), "off");
	assert_null(keyvals_take(&kvs, "f"));
	keyvals_free(&kvs);

	bad("{", "JSON");
	bad("{\"b\":true,\"b\":true}", "JSON");
	bad("{\"b\":null}", "b: takes");
	bad("{\"u32\":1.5}", "u32: takes");
	bad("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}", "nested too deeply");
	bad("{\"\":1}", "key is empty");
}

static void test_implied(void **state)
{
	struct keyvals kvs;

	(void)state;
	assert_int_equal(keyvals_parse(&kvs, "-opt", "type", "tap,id=n0,flag,a=1,a=2"), 0);
	assert_string_equal(keyvals_take(&kvs, "type"), "tap");
	assert_null(keyvals_take(&kvs, "type"));
	assert_string_equal(keyvals_take(&kvs, "flag"), "");
	/* repeated keys come one by one */
	assert_string_equal(keyvals_take(&kvs, "a"), "1");
	assert_string_equal(keyvals_take(&kvs, "a"), "2");
	assert_null(keyvals_take(&kvs, "a"));
	keyvals_free(&kvs);
	assert_int_equal(keyvals_parse(&kvs, "-opt", "type", "type=tap"), 0);
	assert_string_equal(keyvals_take(&kvs, "type"), "tap");
	keyvals_free(&kvs);
}

static void test_used_keys(void **state)
{
	struct keyvals kvs;
	struct all a;

	(void)state;
	assert_int_equal(keyvals_parse(&kvs, "-opt", "type", "tap,id=n0,u32=3"), 0);
	keyvals_take(&kvs, "type");
	keyvals_take(&kvs, "id");
	assert_int_equal(props_apply(table, &a, "-opt", &kvs), 0);
	assert_int_equal(a.u32, 3);
	props_free(table, &a);
	keyvals_free(&kvs);
}

static void test_errors(void **state)
{
	char many[1024] = "";
	int i;

	(void)state;
	bad("nosuch=1", "no property 'nosuch'; takes str, dstr, b, tri,");
	bad("nosuch", "no property 'nosuch'");
	bad("nostr", "no property 'nostr'");
	bad("str", "str= takes a word");
	bad("b=maybe", "b=maybe: takes on or off");
	bad("b=", "takes on or off");
	bad("tri=1", "takes on, off or auto");
	bad("u32=0", "u32=0: takes a number from 1 to 100");
	bad("u32=101", "from 1 to 100");
	bad("u32=-1", "from 1 to 100");
	bad("u32=1x", "from 1 to 100");
	bad("u32= 1", "from 1 to 100");
	bad("u32=", "from 1 to 100");
	bad("u32=4294967297", "from 1 to 100");
	bad("u64=18446744073709551616", "takes a number");
	bad("size=1K,size=2K", "size given twice");
	bad("b,nob", "b given twice");
	bad("size=1023", "takes a size from 1K to 1T");
	bad("size=2T", "takes a size from 1K to 1T");
	bad("size=99999999T", "takes a size");
	bad("size=1KB", "takes a size");
	bad("size=-1", "takes a size");
	bad("mac=52:54:00:12:34", "takes a MAC");
	bad("mac=52:54:00:12:34:5", "takes a MAC");
	bad("mac=52:54:00:12:34:567", "takes a MAC");
	bad("mac=52:54:00:12:34:5g", "takes a MAC");
	bad("mac=", "takes a MAC");
	bad("addr=20", "takes slot");
	bad("addr=1.8", "takes slot");
	bad("addr=1.", "takes slot");
	bad("addr=", "takes slot");
	bad("addr=-1", "takes slot");
	bad("colour=pink", "colour=pink: takes red, green or blue");
	bad("=1", "key is empty");
	bad("u32=1,,=2", "takes a number");
	bad(",u32=1", "key is empty");
	/* control characters do not break the line */
	bad("str=a,u32=\n\x1b[31m", "takes a number");
	for (i = 0; i < 65; i++)
		strcat(many, "b=on,");
	bad(many, "more than 64");
}

static void test_required(void **state)
{
	static const struct prop need[] = {
		PROP("path", PROP_STR, struct all, str, .required = true),
		{ .type = PROP_END },
	};
	struct keyvals kvs;
	struct all a;

	(void)state;
	assert_int_equal(keyvals_parse(&kvs, "-opt", NULL, ""), 0);
	listen_begin();
	assert_int_equal(props_apply(need, &a, "-opt", &kvs), -1);
	listen_end();
	assert_string_equal(said, "prop: -opt: path= is missing; takes a word\n");
	keyvals_free(&kvs);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *s;
		uint64_t unit, v;
	} ok[] = {
		{ "0", 1, 0 },
		{ "512", 1 << 20, 512ull << 20 },
		{ "512", 1, 512 },
		{ "1k", 1 << 20, 1024 },
		{ "3M", 1, 3 << 20 },
		{ "2g", 1, 2ull << 30 },
		{ "16777215T", 1, 16777215ull << 40 },
		{ "0x10", 1, 16 },
		{ "010", 1, 10 },
		{ "7b", 1 << 20, 7 },
	};
	static const char *const no[] = { "",	 " 1",	"+1",	     "-1",   "k",
					  "1kk", "1 k", "16777216T", "1.5G", "0x" };
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ok) / sizeof(ok[0]); i++) {
		assert_int_equal(parse_size(ok[i].s, ok[i].unit, &v), 0);
		assert_true(v == ok[i].v);
	}
	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (!parse_size(no[i], 1, &v))
			fail_msg("'%s' is no size", no[i]);
}

static void test_log_line(void **state)
{
	char long_text[3000];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = 0;
	listen_begin();
	assert_int_equal(log_err("%s", long_text), -1);
	listen_end();
	assert_int_equal(strlen(said), 1024);
	assert_int_equal(said[1023], '\n');
}

static void test_parse_fd(void **state)
{
	static const char *const no[] = { "", "x", "3x", "-1", "+3", " 3", "0x3", "2147483648",
					  "99999999999999999999" };
	int fd = -1;
	size_t i;

	(void)state;
	assert_int_equal(parse_fd("17", &fd), 0);
	assert_int_equal(fd, 17);
	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_int_equal(parse_fd(no[i], &fd), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_commas),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_implied),
		cmocka_unit_test(test_used_keys),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_parse_fd),
		cmocka_unit_test(test_log_line),
	};

	log_init("prop");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

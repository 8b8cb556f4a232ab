// SPDX-License-Identifier: GPL-2.0
/* ACPI machine language writer; encodings from chapters 6.4 (resources) and 20 (AML) of ACPI 6. */
#include "aml.h"

#include <string.h>

#define OP_NAME		0x08
#define OP_BYTE		0x0a
#define OP_WORD		0x0b
#define OP_DWORD	0x0c
#define OP_STRING	0x0d
#define OP_QWORD	0x0e
#define OP_SCOPE	0x10
#define OP_BUFFER	0x11
#define OP_PACKAGE	0x12
#define OP_METHOD	0x14
#define OP_EXT		0x5b
#define OP_REGION	0x80		/* after OP_EXT, as the next two */
#define OP_FIELD	0x81
#define OP_DEVICE	0x82
#define OP_NOTIFY	0x86
#define OP_IF		0xa0
#define OP_RETURN	0xa4

#define SPACE_IO	1
#define FIELD_BYTES	1

#define RES_END		0x79
#define RES_IO		0x47
#define RES_IRQ		0x22
#define RES_DWORD	0x87
#define RES_WORD	0x88

void aml_raw(struct aml *a, const void *p, size_t n)
{
	if (a->full || n > a->cap - a->len) {
		a->full = true;
		return;
	}
	memcpy(a->buf + a->len, p, n);
	a->len += n;
}

void aml_byte(struct aml *a, uint8_t v)
{
	aml_raw(a, &v, 1);
}

static void aml_le(struct aml *a, uint64_t v, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		aml_byte(a, (uint8_t)(v >> 8 * i));
}

void aml_int(struct aml *a, uint64_t v)
{
	if (v <= 1) {
		aml_byte(a, (uint8_t)v);
	} else if (v <= UINT8_MAX) {
		aml_byte(a, OP_BYTE);
		aml_le(a, v, 1);
	} else if (v <= UINT16_MAX) {
		aml_byte(a, OP_WORD);
		aml_le(a, v, 2);
	} else if (v <= UINT32_MAX) {
		aml_byte(a, OP_DWORD);
		aml_le(a, v, 4);
	} else {
		aml_byte(a, OP_QWORD);
		aml_le(a, v, 8);
	}
}

static unsigned int hex_digit(char c)
{
	return c <= '9' ? (unsigned int)(c - '0') : (unsigned int)(c - 'A') + 10;
}

void aml_eisaid(struct aml *a, const char *id)
{
	uint32_t v = (uint32_t)(id[0] - 0x40) << 26 | (uint32_t)(id[1] - 0x40) << 21 |
		     (uint32_t)(id[2] - 0x40) << 16 | hex_digit(id[3]) << 12 |
		     hex_digit(id[4]) << 8 | hex_digit(id[5]) << 4 | hex_digit(id[6]);

	/* Stored with the letters first, whatever the byte order. */
	aml_byte(a, OP_DWORD);
	for (int shift = 24; shift >= 0; shift -= 8)
		aml_byte(a, (uint8_t)(v >> shift));
}

void aml_string(struct aml *a, const char *s)
{
	aml_byte(a, OP_STRING);
	aml_raw(a, s, strlen(s) + 1);
}

void aml_path(struct aml *a, const char *path)
{
	aml_raw(a, path, strlen(path));
}

void aml_name(struct aml *a, const char *name)
{
	aml_byte(a, OP_NAME);
	aml_path(a, name);
}

void aml_name_int(struct aml *a, const char *name, uint64_t v)
{
	aml_name(a, name);
	aml_int(a, v);
}

/*
 * Three bytes are left for the length while a package is open. Closing takes the shortest form there
 * is, since simple guests look for \_S5 by hand and expect what compilers make.
 */
#define PKG_ROOM	3

static size_t open_pkg(struct aml *a)
{
	static const uint8_t blank[PKG_ROOM];
	size_t mark = a->len;

	aml_raw(a, blank, sizeof(blank));
	return mark;
}

void aml_end(struct aml *a, size_t mark)
{
	size_t body = a->len - mark - PKG_ROOM, n, len;

	if (a->full)
		return;
	/* The length counts its own bytes: the first has six bits, or four and a count of others. */
	n = body + 1 < 1 << 6 ? 1 : body + 2 < 1 << 12 ? 2 : 3;
	len = body + n;
	memmove(a->buf + mark + n, a->buf + mark + PKG_ROOM, body);
	a->len = mark + len;
	if (n == 1) {
		a->buf[mark] = (uint8_t)len;
		return;
	}
	a->buf[mark] = (uint8_t)((n - 1) << 6 | (len & 0xf));
	for (size_t i = 1; i < n; i++)
		a->buf[mark + i] = (uint8_t)(len >> (4 + 8 * (i - 1)));
}

size_t aml_scope(struct aml *a, const char *path)
{
	size_t mark;

	aml_byte(a, OP_SCOPE);
	mark = open_pkg(a);
	aml_path(a, path);
	return mark;
}

size_t aml_device(struct aml *a, const char *name)
{
	size_t mark;

	aml_byte(a, OP_EXT);
	aml_byte(a, OP_DEVICE);
	mark = open_pkg(a);
	aml_path(a, name);
	return mark;
}

size_t aml_package(struct aml *a, uint8_t elements)
{
	size_t mark;

	aml_byte(a, OP_PACKAGE);
	mark = open_pkg(a);
	aml_byte(a, elements);
	return mark;
}

/* ---- methods and fields ---- */

size_t aml_method(struct aml *a, const char *name)
{
	size_t mark;

	aml_byte(a, OP_METHOD);
	mark = open_pkg(a);
	aml_path(a, name);
	aml_byte(a, 0);			/* no arguments */
	return mark;
}

size_t aml_if(struct aml *a, const char *name)
{
	size_t mark;

	aml_byte(a, OP_IF);
	mark = open_pkg(a);
	aml_path(a, name);
	return mark;
}

void aml_method_returns(struct aml *a, const char *name, const char *what)
{
	size_t mark = aml_method(a, name);

	aml_byte(a, OP_RETURN);
	aml_path(a, what);
	aml_end(a, mark);
}

void aml_notify(struct aml *a, const char *path, uint8_t value)
{
	aml_byte(a, OP_NOTIFY);
	aml_path(a, path);
	aml_int(a, value);
}

void aml_region_io(struct aml *a, const char *name, uint16_t base, uint16_t len)
{
	aml_byte(a, OP_EXT);
	aml_byte(a, OP_REGION);
	aml_path(a, name);
	aml_byte(a, SPACE_IO);
	aml_int(a, base);
	aml_int(a, len);
}

size_t aml_field(struct aml *a, const char *region)
{
	size_t mark;

	aml_byte(a, OP_EXT);
	aml_byte(a, OP_FIELD);
	mark = open_pkg(a);
	aml_path(a, region);
	aml_byte(a, FIELD_BYTES);
	return mark;
}

/* The number of bits is written as the length of a package is, and counts nothing but them. */
void aml_field_bits(struct aml *a, const char *name, unsigned int bits)
{
	if (name)
		aml_path(a, name);
	else
		aml_byte(a, 0);
	if (bits < 1 << 6) {
		aml_byte(a, (uint8_t)bits);
		return;
	}
	aml_byte(a, (uint8_t)(1 << 6 | (bits & 0xf)));
	aml_byte(a, (uint8_t)(bits >> 4));
}

/* ---- resources: a buffer whose size constant is patched at the end ---- */

size_t aml_res(struct aml *a)
{
	size_t mark;

	aml_name(a, "_CRS");
	aml_byte(a, OP_BUFFER);
	mark = open_pkg(a);
	aml_byte(a, OP_WORD);
	aml_le(a, 0, 2);
	return mark;
}

void aml_res_end(struct aml *a, size_t mark)
{
	size_t size;

	aml_byte(a, RES_END);
	aml_byte(a, 0);			/* no checksum */
	if (a->full)
		return;
	size = a->len - (mark + 6);	/* after length field and size constant */
	a->buf[mark + 4] = (uint8_t)size;
	a->buf[mark + 5] = (uint8_t)(size >> 8);
	aml_end(a, mark);
}

void aml_res_io(struct aml *a, uint16_t base, uint8_t len)
{
	aml_byte(a, RES_IO);
	aml_byte(a, 1);			/* 16-bit decode */
	aml_le(a, base, 2);
	aml_le(a, base, 2);
	aml_byte(a, 1);			/* alignment */
	aml_byte(a, len);
}

void aml_res_irq(struct aml *a, unsigned int irq)
{
	aml_byte(a, RES_IRQ);		/* edge, active high, exclusive */
	aml_le(a, 1u << irq, 2);
}

/* Word and double word address space descriptors: minimum and maximum fixed, positively decoded */
static void window(struct aml *a, uint8_t tag, uint8_t type, uint8_t flags, uint32_t first,
		   uint32_t last)
{
	unsigned int n = tag == RES_WORD ? 2 : 4;

	aml_byte(a, tag);
	aml_le(a, 3 + 5 * n, 2);
	aml_byte(a, type);
	aml_byte(a, 0x0c);
	aml_byte(a, flags);
	aml_le(a, 0, n);		/* granularity */
	aml_le(a, first, n);
	aml_le(a, last, n);
	aml_le(a, 0, n);		/* translation */
	aml_le(a, (uint64_t)last - first + 1, n);
}

void aml_res_bus(struct aml *a, uint16_t first, uint16_t last)
{
	window(a, RES_WORD, 2, 0, first, last);
}

void aml_res_io_window(struct aml *a, uint16_t first, uint16_t last)
{
	window(a, RES_WORD, 1, 3, first, last);		/* the whole range, ISA and not */
}

void aml_res_mem_window(struct aml *a, uint32_t first, uint32_t last)
{
	window(a, RES_DWORD, 0, 1, first, last);	/* not cacheable, read-write */
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small writer of ACPI machine language: append-only, into a fixed buffer. What does not fit sets
 * @full, checked once at the end.
 *
 * Packages (Scope, Device, Package, buffers) are opened and closed in pairs, inner before outer.
 */
#ifndef VMM_AML_H
#define VMM_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *buf;
	size_t len, cap;
	bool full;
};

/** aml_raw() - bytes as they are */
void aml_raw(struct aml *a, const void *p, size_t n);
void aml_byte(struct aml *a, uint8_t v);

/** aml_int() - an integer constant, as short as it goes */
void aml_int(struct aml *a, uint64_t v);
/** aml_eisaid() - "PNP0A03" as the compressed integer */
void aml_eisaid(struct aml *a, const char *id);
/** aml_string() - a string constant */
void aml_string(struct aml *a, const char *s);
/** aml_path() - "\\_SB_", "PCI0": one segment of four characters, perhaps with a root prefix */
void aml_path(struct aml *a, const char *path);

/** aml_name() - Name (NAME, …): the value follows */
void aml_name(struct aml *a, const char *name);
void aml_name_int(struct aml *a, const char *name, uint64_t v);

/** aml_scope() … aml_package() - open; pass what they return to aml_end() */
size_t aml_scope(struct aml *a, const char *path);
size_t aml_device(struct aml *a, const char *name);
size_t aml_package(struct aml *a, uint8_t elements);
/** aml_method() - without arguments; aml_if() - what @name holds is not 0 */
size_t aml_method(struct aml *a, const char *name);
size_t aml_if(struct aml *a, const char *name);
/** aml_field() - of region @region, by single bytes; aml_field_bits() follow, @name NULL: so many are left out */
size_t aml_field(struct aml *a, const char *region);
void aml_end(struct aml *a, size_t mark);

/** aml_region_io() - a range of ports */
void aml_region_io(struct aml *a, const char *name, uint16_t base, uint16_t len);
/** aml_field_bits() - read as a buffer where they are more than an integer has */
void aml_field_bits(struct aml *a, const char *name, unsigned int bits);
/** aml_method_returns() - a method that returns what @what holds */
void aml_method_returns(struct aml *a, const char *name, const char *what);
void aml_notify(struct aml *a, const char *path, uint8_t value);

/* Resource templates: one buffer a device. */

/** aml_res() - Name (_CRS, ResourceTemplate () { */
size_t aml_res(struct aml *a);
void aml_res_end(struct aml *a, size_t mark);
void aml_res_io(struct aml *a, uint16_t base, uint8_t len);
void aml_res_irq(struct aml *a, unsigned int irq);
void aml_res_bus(struct aml *a, uint16_t first, uint16_t last);
void aml_res_io_window(struct aml *a, uint16_t first, uint16_t last);
void aml_res_mem_window(struct aml *a, uint32_t first, uint32_t last);

#endif

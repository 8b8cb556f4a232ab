// SPDX-License-Identifier: GPL-2.0
/* Start-up, serial print, TAP reports, debug exit. */
#include "rt.h"

#define COM1	0x3f8

/* hvm_start_info, as the PVH boot protocol lays it out (version 1). */
struct start_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist, cmdline, rsdp, memmap;
	u32 memmap_entries, reserved;
};

#define START_MAGIC	0x336ec578

extern u32 start_info;
extern char __image_end[];

extern u64 rt_pd[];		/* start.S: page directory of the first 4 GiB, 2 MiB an entry */

char cmdline[512];
u64 rsdp_paddr;
struct rt_region rt_map[32];
u32 rt_map_n;
u64 rt_module, rt_module_size;
static u64 heap = (u64)__image_end;
static unsigned int nr_reports, nr_failed;

void *memcpy(void *d, const void *s, size_t n)
{
	void *ret = d;

	asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) :: "memory");
	return ret;
}

void *memset(void *d, int c, size_t n)
{
	void *ret = d;

	asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b)
			return (u8)*a - (u8)*b;
		if (!*a)
			break;
	}
	return 0;
}

static void serial_init(void)
{
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 0x83);
	outb(COM1 + 0, 1);
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 0x03);
	outb(COM1 + 2, 0x07);
	outb(COM1 + 4, 0x03);
}

/* One status read for each 16 characters: exits are what costs time. */
static void serial_write(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned int spin = 0;

		if (!(i & 15))
			while (!(inb(COM1 + 5) & 0x20) && ++spin < 100000)
				pause();
		outb(COM1, s[i]);
	}
}

struct out {
	char buf[256];
	size_t n;
};

static void put(struct out *o, char c)
{
	if (o->n == sizeof(o->buf)) {
		serial_write(o->buf, o->n);
		o->n = 0;
	}
	o->buf[o->n++] = c;
}

static void put_num(struct out *o, u64 v, unsigned int base, int width, char pad, bool neg)
{
	char tmp[24];
	int n = 0;

	do {
		tmp[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (neg)
		tmp[n++] = '-';
	for (; width > n; width--)
		put(o, pad);
	while (n)
		put(o, tmp[--n]);
}

static void format(struct out *o, const char *f, va_list ap)
{
	for (; *f; f++) {
		int width = 0, l = 0;
		char pad = ' ';
		const char *s;
		if (*f != '%') {
			put(o, *f);
			continue;
		}
		f++;
		if (*f == '0')
			pad = '0';
		for (; *f >= '0' && *f <= '9'; f++)
			width = width * 10 + *f - '0';
		for (; *f == 'l' || *f == 'z'; f++)
			l = 1;
		switch (*f) {
		case 'd': {
			int64_t v = l ? va_arg(ap, int64_t) : va_arg(ap, int);

			put_num(o, v < 0 ? -(u64)v : (u64)v, 10, width, pad, v < 0);
			break;
		}
		case 'u':
		case 'x':
			put_num(o, l ? va_arg(ap, u64) : va_arg(ap, u32), *f == 'x' ? 16 : 10,
				width, pad, false);
			break;
		case 's':
			for (s = va_arg(ap, const char *); *s; s++, width--)
				put(o, *s);
			for (; width > 0; width--)
				put(o, ' ');
			break;
		case 'c':
			put(o, va_arg(ap, int));
			break;
		default:
			put(o, *f);
		}
	}
}

static void vprint(const char *prefix, const char *fmt, va_list ap, const char *suffix)
{
	struct out o;

	o.n = 0;
	while (*prefix)
		put(&o, *prefix++);
	format(&o, fmt, ap);
	while (*suffix)
		put(&o, *suffix++);
	serial_write(o.buf, o.n);
}

void rt_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint("", fmt, ap, "");
	va_end(ap);
}

bool report(bool pass, const char *fmt, ...)
{
	va_list ap;

	nr_reports++;
	if (!pass)
		nr_failed++;
	rt_printf("%s %u - ", pass ? "ok" : "not ok", nr_reports);
	va_start(ap, fmt);
	vprint("", fmt, ap, "\n");
	va_end(ap);
	return pass;
}

void report_skip(const char *fmt, ...)
{
	va_list ap;

	rt_printf("ok %u - # SKIP ", ++nr_reports);
	va_start(ap, fmt);
	vprint("", fmt, ap, "\n");
	va_end(ap);
}

void rt_exit(u8 code)
{
	outl(DEBUG_EXIT_PORT, code);
	for (;;)
		asm volatile("cli; hlt");
}

void report_done(void)
{
	rt_printf("1..%u\n", nr_reports);
	rt_exit(nr_failed || !nr_reports);
}

void rt_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint("Bail out! ", fmt, ap, "\n");
	va_end(ap);
	rt_exit(0x7f);
}

void *alloc_pages(unsigned int n)
{
	u64 p = heap;

	heap += (u64)n << 12;
	return (void *)p;
}

void *alloc_zeroed(size_t bytes)
{
	unsigned int n = (bytes + 4095) >> 12;

	return memset(alloc_pages(n), 0, (size_t)n << 12);
}

#define WINDOW	0x7fe00000ull

void *rt_window(u64 phys)
{
	rt_pd[WINDOW >> 21] = (phys & ~0x1fffffull) | 0x83;
	asm volatile("invlpg (%0)" :: "r"(WINDOW) : "memory");
	return (void *)(WINDOW | (phys & 0x1fffff));
}

static const char *cmdline_find(const char *word)
{
	size_t n = strlen(word);
	const char *p;

	for (p = cmdline; *p; p++)
		if ((p == cmdline || p[-1] == ' ') && !strncmp(p, word, n))
			return p + n;
	return NULL;
}

u64 cmdline_num(const char *key, u64 dflt)
{
	const char *p = cmdline_find(key);
	u64 v = 0;

	if (!p || *p != '=')
		return dflt;
	for (p++; *p >= '0' && *p <= '9'; p++)
		v = v * 10 + *p - '0';
	return v;
}

bool cmdline_has(const char *word)
{
	const char *p = cmdline_find(word);

	return p && (!*p || *p == ' ');
}

/* The same sequence in every run: a failure can be repeated. */
u32 rt_random(void)
{
	static u32 x;

	if (!x)
		x = cmdline_num("seed", 2463534242u) | 1;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

void rt_start(void);
void rt_start(void)
{
	const struct start_info *si = (void *)(u64)start_info;

	serial_init();
	if (si->magic != START_MAGIC)
		rt_die("no hvm_start_info at 0x%x", start_info);
	if (si->cmdline) {
		const char *s = (const char *)si->cmdline;
		size_t n;

		for (n = 0; s[n] && n < sizeof(cmdline) - 1; n++)
			cmdline[n] = s[n];
	}
	rsdp_paddr = si->rsdp;
	if (si->version >= 1 && si->memmap) {
		rt_map_n = si->memmap_entries;
		if (rt_map_n > ARRAY_SIZE(rt_map))
			rt_die("%u entries in the memory map", rt_map_n);
		memcpy(rt_map, (void *)si->memmap, rt_map_n * sizeof(rt_map[0]));
	}
	if (si->nr_modules) {
		rt_module = mmio_r64(si->modlist);
		rt_module_size = mmio_r64(si->modlist + 8);
	}
	irq_init();
	main();
	report_done();
}

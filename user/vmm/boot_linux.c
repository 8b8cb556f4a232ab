// SPDX-License-Identifier: GPL-2.0
/*
 * Linux bzImage by the 64-bit boot protocol (Documentation/arch/x86/boot.rst): the kernel gets a page
 * of boot_params in RSI, identity page tables, and starts 0x200 bytes into its protected-mode part.
 */
#include "boot.h"

#include <asm/bootparam.h>
#include <string.h>
#include <sys/random.h>

#define HDR_OFFSET	0x1f1
#define HDR_JUMP	0x200		/* a two-byte jump; its target is where the header ends */
#define BOOT_FLAG	0xaa55
#define HDR_MAGIC	0x53726448	/* "HdrS" */
#define PROTO_MIN	0x020c		/* first with xloadflags: kernel 3.8 */
#define SECTOR		512
#define LOADER_OTHER	0xff
#ifndef SETUP_RNG_SEED
#define SETUP_RNG_SEED	9
#endif
#define SEED_SIZE	32

bool boot_is_linux(const uint8_t *head, size_t len)
{
	uint32_t magic;

	if (len < 0x206)
		return false;
	memcpy(&magic, head + 0x202, sizeof(magic));
	return magic == HDR_MAGIC;
}

/**
 * struct image - a checked bzImage
 * @body: where the protected-mode part begins in the file, @body_size bytes
 */
struct image {
	struct setup_header hdr;
	size_t hdr_size;
	uint64_t body, body_size;
};

static int check_payload(const struct boot_file *f, const struct image *im)
{
	static const struct {
		unsigned int len;
		const char *magic;
	} known[] = {
		{ 2, "\x1f\x8b" }, { 2, "\x1f\x9e" }, { 3, "BZh" }, { 3, "\x5d\x00\x00" },
		{ 5, "\xfd" "7zXZ" }, { 4, "\x89LZO" }, { 4, "\x02\x21\x4c\x18" },
		{ 4, "\x28\xb5\x2f\xfd" }, { 4, "\x7f" "ELF" },
	};
	uint64_t off = im->hdr.payload_offset, len = im->hdr.payload_length;
	char magic[8];

	if (!len)
		return 0;
	if (off > im->body_size || len > im->body_size - off || len < sizeof(magic))
		return boot_err(f, "corrupt: payload of %llu bytes at 0x%llx, the body has %llu",
				(unsigned long long)len, (unsigned long long)off,
				(unsigned long long)im->body_size);
	if (boot_pread(f, im->body + off, magic, sizeof(magic)))
		return boot_err(f, "truncated: no payload at byte %llu",
				(unsigned long long)(im->body + off));
	for (unsigned int i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!memcmp(magic, known[i].magic, known[i].len))
			return 0;
	return boot_err(f, "corrupt: the payload at byte %llu has no known compression",
			(unsigned long long)(im->body + off));
}

static int check_header(const struct boot_file *f, struct image *im)
{
	const struct setup_header *h = &im->hdr;
	unsigned int sects = h->setup_sects ? h->setup_sects : 4;

	if (h->boot_flag != BOOT_FLAG)
		return boot_err(f, "corrupt: boot flag 0x%04x at 0x1fe, expected 0xaa55",
				h->boot_flag);
	if (h->version < PROTO_MIN)
		return boot_err(f, "boot protocol %u.%02u is too old, the least is 2.12",
				h->version >> 8, h->version & 0xff);
	if (!(h->xloadflags & XLF_KERNEL_64))
		return boot_err(f, "a 32-bit kernel: it has no 64-bit entry");
	if (!(h->loadflags & LOADED_HIGH))
		return boot_err(f, "a zImage: only kernels that load above 1 MiB work");
	if (!h->kernel_alignment || h->kernel_alignment & (h->kernel_alignment - 1))
		return boot_err(f, "corrupt: kernel alignment 0x%x at 0x230", h->kernel_alignment);
	if (h->pref_address < BOOT_HIGH || h->pref_address & 0xfff)
		return boot_err(f, "corrupt: preferred address 0x%llx at 0x258",
				(unsigned long long)h->pref_address);
	im->body = (uint64_t)(sects + 1) * SECTOR;
	im->body_size = (uint64_t)h->syssize * 16;
	if (im->body_size < 0x400)
		return boot_err(f, "corrupt: body of %llu bytes by the size at 0x1f4",
				(unsigned long long)im->body_size);
	/* The size is rounded up to 16 bytes, the file need not be. */
	if (im->body + im->body_size > f->size + 15)
		return boot_err(f, "truncated: the header promises %llu bytes, the file has %llu",
				(unsigned long long)(im->body + im->body_size),
				(unsigned long long)f->size);
	if (im->body + im->body_size > f->size)
		im->body_size = f->size - im->body;
	if (h->init_size < im->body_size)
		return boot_err(f, "corrupt: init size 0x%x at 0x260 is less than the body's 0x%llx",
				h->init_size, (unsigned long long)im->body_size);
	return check_payload(f, im);
}

static int read_header(const struct boot_file *f, struct image *im)
{
	uint8_t jump[2];

	memset(im, 0, sizeof(*im));
	if (boot_pread(f, HDR_JUMP, jump, sizeof(jump)))
		return boot_err(f, "truncated: no setup header");
	/* Header fields this protocol version lacks stay zero. */
	im->hdr_size = 0x202 - HDR_OFFSET + jump[1];
	if (jump[0] != 0xeb || im->hdr_size < offsetof(struct setup_header, pref_address))
		return boot_err(f, "corrupt: setup header of %zu bytes by the jump at 0x200",
				im->hdr_size);
	if (im->hdr_size > sizeof(im->hdr))
		im->hdr_size = sizeof(im->hdr);
	if (boot_pread(f, HDR_OFFSET, &im->hdr, im->hdr_size))
		return boot_err(f, "truncated: no whole setup header");
	return check_header(f, im);
}

/* Two MiB pages for the first four GiB, as the protocol wants all of kernel and parameters mapped. */
static int write_pgtable(struct vm *vm)
{
	uint64_t *pml4 = vm_ram(vm, BOOT_PGTABLE, 6 * 0x1000), *pdpt, *pd;

	if (!pml4)
		return -1;
	pdpt = pml4 + 512;
	pd = pdpt + 512;
	memset(pml4, 0, 2 * 0x1000);
	pml4[0] = (BOOT_PGTABLE + 0x1000) | 3;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (BOOT_PGTABLE + 0x2000 + i * 0x1000) | 3;
	for (uint64_t i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | 0x83;
	return 0;
}

/* So that the guest's random numbers do not wait for entropy. */
static uint64_t write_seed(struct vm *vm)
{
	struct setup_data *sd = vm_ram(vm, BOOT_SETUP_DATA, sizeof(*sd) + SEED_SIZE);

	if (!sd)
		return 0;
	sd->next = 0;
	sd->type = SETUP_RNG_SEED;
	sd->len = SEED_SIZE;
	if (getrandom(sd->data, SEED_SIZE, GRND_NONBLOCK) != SEED_SIZE)
		return 0;
	return BOOT_SETUP_DATA;
}

static void write_e820(struct vm *vm, struct boot_params *bp)
{
	struct boot_range map[BOOT_RANGES_MAX];

	bp->e820_entries = (uint8_t)boot_memmap(vm, map);
	for (unsigned int i = 0; i < bp->e820_entries; i++) {
		bp->e820_table[i].addr = map[i].addr;
		bp->e820_table[i].size = map[i].size;
		bp->e820_table[i].type = map[i].type;
	}
}

int boot_linux(struct vm *vm, struct boot_file *f, uint64_t rsdp, struct boot_regs *regs)
{
	struct boot_params *bp = vm_ram(vm, BOOT_PARAMS, sizeof(*bp));
	struct boot_initrd initrd;
	uint64_t load, end;
	struct image im;
	int cmdline;

	if (!bp)
		return boot_err(f, "guest RAM is too small");
	if (read_header(f, &im))
		return -1;
	load = im.hdr.pref_address;
	end = load + im.hdr.init_size;
	if (end > vm->slot[0].size)
		return boot_err(f, "the kernel needs memory up to %llu MiB to start; give more with -m",
				(unsigned long long)((end + 0xfffff) >> 20));
	if (boot_copy(vm, f, im.body, load, im.body_size, "the kernel") ||
	    boot_initrd(vm, end, im.hdr.initrd_addr_max, &initrd))
		return -1;
	cmdline = boot_cmdline(vm, im.hdr.cmdline_size);
	if (cmdline < 0 || write_pgtable(vm))
		return -1;

	memset(bp, 0, sizeof(*bp));
	memcpy(&bp->hdr, &im.hdr, im.hdr_size);
	bp->hdr.type_of_loader = LOADER_OTHER;
	bp->hdr.code32_start = (uint32_t)load;
	bp->hdr.ramdisk_image = (uint32_t)initrd.addr;
	bp->hdr.ramdisk_size = (uint32_t)initrd.size;
	bp->hdr.cmd_line_ptr = BOOT_CMDLINE;
	bp->hdr.setup_data = write_seed(vm);
	bp->acpi_rsdp_addr = rsdp;
	write_e820(vm, bp);

	*regs = (struct boot_regs){
		.long64 = true,
		.cr3 = BOOT_PGTABLE,
		.rip = load + 0x200,
		.rsi = BOOT_PARAMS,
	};
	return 0;
}

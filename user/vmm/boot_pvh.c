// SPDX-License-Identifier: GPL-2.0
/*
 * ELF kernels by Xen's PVH protocol: a note names a 32-bit entry, which gets hvm_start_info in EBX,
 * flat segments and no paging. Both ELF classes; Linux's vmlinux and bare-metal payloads are such.
 */
#include "boot.h"

#include <elf.h>
#include <string.h>

#define XEN_ELFNOTE_PHYS32_ENTRY	18
#define START_MAGIC			0x336ec578
#define PHDRS_MAX			128

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
	uint32_t memmap_entries, reserved;
};

struct modlist_entry {
	uint64_t paddr, size, cmdline_paddr, reserved;
};

struct memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

struct start_page {
	struct start_info info;
	struct modlist_entry initrd;
	struct memmap_entry map[BOOT_RANGES_MAX];
};

/* What is common to both classes. */
struct phdr {
	uint32_t type;
	uint64_t offset, paddr, filesz, memsz, align;
};

struct elf {
	bool is64;
	uint64_t phoff;
	unsigned int phnum, phentsize;
	uint64_t end;		/* of the highest segment */
	uint32_t entry;
	bool has_entry;
};

bool boot_is_elf(const uint8_t *head, size_t len)
{
	return len >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG);
}

static int read_header(const struct boot_file *f, struct elf *elf)
{
	unsigned char ident[EI_NIDENT];
	Elf64_Ehdr h64;
	Elf32_Ehdr h32;

	if (boot_pread(f, 0, ident, sizeof(ident)))
		return boot_err(f, "truncated: no ELF header");
	if (ident[EI_DATA] != ELFDATA2LSB ||
	    (ident[EI_CLASS] != ELFCLASS64 && ident[EI_CLASS] != ELFCLASS32))
		return boot_err(f, "not a little-endian ELF file");
	elf->is64 = ident[EI_CLASS] == ELFCLASS64;
	if (elf->is64) {
		if (boot_pread(f, 0, &h64, sizeof(h64)))
			return boot_err(f, "truncated: no whole ELF header");
		if (h64.e_machine != EM_X86_64)
			return boot_err(f, "not an x86 program (machine %u)", h64.e_machine);
		elf->phoff = h64.e_phoff;
		elf->phnum = h64.e_phnum;
		elf->phentsize = sizeof(Elf64_Phdr);
		if (h64.e_phentsize != elf->phentsize)
			return boot_err(f, "corrupt: program headers of %u bytes", h64.e_phentsize);
	} else {
		if (boot_pread(f, 0, &h32, sizeof(h32)))
			return boot_err(f, "truncated: no whole ELF header");
		if (h32.e_machine != EM_386 && h32.e_machine != EM_X86_64)
			return boot_err(f, "not an x86 program (machine %u)", h32.e_machine);
		elf->phoff = h32.e_phoff;
		elf->phnum = h32.e_phnum;
		elf->phentsize = sizeof(Elf32_Phdr);
		if (h32.e_phentsize != elf->phentsize)
			return boot_err(f, "corrupt: program headers of %u bytes", h32.e_phentsize);
	}
	if (!elf->phnum || elf->phnum > PHDRS_MAX)
		return boot_err(f, "corrupt: %u program headers", elf->phnum);
	if (elf->phoff > f->size || elf->phnum * elf->phentsize > f->size - elf->phoff)
		return boot_err(f, "truncated: program headers at byte %llu, the file has %llu",
				(unsigned long long)elf->phoff, (unsigned long long)f->size);
	return 0;
}

static int read_phdr(const struct boot_file *f, const struct elf *elf, unsigned int i,
		     struct phdr *p)
{
	uint64_t off = elf->phoff + (uint64_t)i * elf->phentsize;
	Elf64_Phdr p64;
	Elf32_Phdr p32;

	if (elf->is64) {
		if (boot_pread(f, off, &p64, sizeof(p64)))
			return boot_err(f, "truncated: program header %u", i);
		*p = (struct phdr){ p64.p_type, p64.p_offset, p64.p_paddr, p64.p_filesz,
				    p64.p_memsz, p64.p_align };
	} else {
		if (boot_pread(f, off, &p32, sizeof(p32)))
			return boot_err(f, "truncated: program header %u", i);
		*p = (struct phdr){ p32.p_type, p32.p_offset, p32.p_paddr, p32.p_filesz,
				    p32.p_memsz, p32.p_align };
	}
	if ((p->type == PT_LOAD || p->type == PT_NOTE) &&
	    (p->offset > f->size || p->filesz > f->size - p->offset))
		return boot_err(f, "truncated: segment %u ends at byte %llu, the file has %llu", i,
				(unsigned long long)(p->offset + p->filesz),
				(unsigned long long)f->size);
	return 0;
}

static int load_segment(struct vm *vm, const struct boot_file *f, struct elf *elf, unsigned int i,
			const struct phdr *p)
{
	char what[32];
	uint8_t *dst;

	if (!p->memsz)
		return 0;
	if (p->filesz > p->memsz)
		return boot_err(f, "corrupt: segment %u has more bytes in the file than in memory",
				i);
	dst = vm_ram(vm, p->paddr, p->memsz);
	if (!dst)
		return boot_err(f, "segment %u, 0x%llx bytes at 0x%llx, lies outside RAM", i,
				(unsigned long long)p->memsz, (unsigned long long)p->paddr);
	if (p->paddr < BOOT_LOW_END ||
	    (p->paddr < BOOT_HIGH && p->paddr + p->memsz > BOOT_EBDA))
		return boot_err(f, "segment %u at 0x%llx lies on boot data or tables", i,
				(unsigned long long)p->paddr);
	snprintf(what, sizeof(what), "segment %u", i);
	if (p->filesz && boot_copy(vm, f, p->offset, p->paddr, p->filesz, what))
		return -1;
	memset(dst + p->filesz, 0, p->memsz - p->filesz);
	if (p->paddr + p->memsz > elf->end)
		elf->end = p->paddr + p->memsz;
	return 0;
}

static uint64_t note_pad(uint64_t len, uint64_t align)
{
	return (len + align - 1) & ~(align - 1);
}

static int find_entry(const struct boot_file *f, struct elf *elf, const struct phdr *p)
{
	uint64_t align = p->align == 8 ? 8 : 4, off = 0;
	uint8_t notes[4096];
	Elf32_Nhdr n;

	if (p->filesz > sizeof(notes))
		return boot_err(f, "corrupt: notes of %llu bytes", (unsigned long long)p->filesz);
	if (boot_pread(f, p->offset, notes, p->filesz))
		return boot_err(f, "truncated: notes at byte %llu", (unsigned long long)p->offset);
	while (off + sizeof(n) <= p->filesz) {
		uint64_t name = off + sizeof(n), desc;

		memcpy(&n, notes + off, sizeof(n));
		desc = name + note_pad(n.n_namesz, align);
		if (desc > p->filesz || n.n_descsz > p->filesz - desc)
			return boot_err(f, "corrupt: a note at byte %llu passes its segment's end",
					(unsigned long long)(p->offset + off));
		if (n.n_type == XEN_ELFNOTE_PHYS32_ENTRY && n.n_namesz == 4 &&
		    !memcmp(notes + name, "Xen", 4) && n.n_descsz >= 4) {
			memcpy(&elf->entry, notes + desc, 4);
			elf->has_entry = true;
		}
		off = desc + note_pad(n.n_descsz, align);
	}
	return 0;
}

static int load_elf(struct vm *vm, const struct boot_file *f, struct elf *elf)
{
	for (unsigned int i = 0; i < elf->phnum; i++) {
		struct phdr p;

		if (read_phdr(f, elf, i, &p))
			return -1;
		if (p.type == PT_LOAD && load_segment(vm, f, elf, i, &p))
			return -1;
		if (p.type == PT_NOTE && find_entry(f, elf, &p))
			return -1;
	}
	if (!elf->has_entry)
		return boot_err(f, "an ELF file without a PVH entry (Xen note 18)");
	if (!vm_ram(vm, elf->entry, 1))
		return boot_err(f, "corrupt: PVH entry 0x%x lies outside RAM", elf->entry);
	return 0;
}

int boot_pvh(struct vm *vm, struct boot_file *f, uint64_t rsdp, struct boot_regs *regs)
{
	struct start_page *page = vm_ram(vm, BOOT_START_INFO, sizeof(*page));
	struct boot_range map[BOOT_RANGES_MAX];
	struct boot_initrd initrd;
	struct elf elf = { 0 };
	unsigned int n;

	if (!page)
		return boot_err(f, "guest RAM is too small");
	if (read_header(f, &elf) || load_elf(vm, f, &elf) ||
	    boot_initrd(vm, (elf.end + 0xfff) & ~0xfffull, UINT32_MAX, &initrd) ||
	    boot_cmdline(vm, BOOT_CMDLINE_MAX) < 0)
		return -1;

	memset(page, 0, sizeof(*page));
	page->info.magic = START_MAGIC;
	page->info.version = 1;
	page->info.cmdline_paddr = BOOT_CMDLINE;
	page->info.rsdp_paddr = rsdp;
	if (initrd.size) {
		page->initrd.paddr = initrd.addr;
		page->initrd.size = initrd.size;
		page->info.nr_modules = 1;
		page->info.modlist_paddr = BOOT_START_INFO + offsetof(struct start_page, initrd);
	}
	n = boot_memmap(vm, map);
	for (unsigned int i = 0; i < n; i++) {
		page->map[i].addr = map[i].addr;
		page->map[i].size = map[i].size;
		page->map[i].type = map[i].type;
	}
	page->info.memmap_entries = n;
	page->info.memmap_paddr = BOOT_START_INFO + offsetof(struct start_page, map);

	*regs = (struct boot_regs){ .rip = elf.entry, .rbx = BOOT_START_INFO };
	return 0;
}

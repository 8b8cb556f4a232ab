// SPDX-License-Identifier: GPL-2.0
/* Loading a kernel: what all formats share, and the choice between them. */
#include "boot.h"
#include "smbios.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/log.h"

#define HEAD_SIZE	0x1000

int boot_err(const struct boot_file *f, const char *fmt, ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return log_err("%s %s: %s", f->opt, f->path, msg);
}

int boot_open(struct boot_file *f, const char *opt, const char *path)
{
	struct stat st;

	f->opt = opt;
	f->path = path;
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0 || fstat(f->fd, &st))
		return boot_err(f, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return boot_err(f, "not an ordinary file");
	f->size = (uint64_t)st.st_size;
	if (!f->size)
		return boot_err(f, "the file is empty");
	return 0;
}

void boot_close(struct boot_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int boot_pread(const struct boot_file *f, uint64_t off, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(f->fd, (char *)buf + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

int boot_copy(struct vm *vm, const struct boot_file *f, uint64_t off, uint64_t gpa, uint64_t len,
	      const char *what)
{
	int err;

	if (off > f->size || len > f->size - off)
		return boot_err(f, "truncated: %s ends at byte %llu, the file has %llu", what,
				(unsigned long long)(off + len), (unsigned long long)f->size);
	err = ram_load(vm, f->fd, off, gpa, len);
	if (err == -EFAULT)
		return boot_err(f, "%s at 0x%llx, %llu bytes, lies outside RAM; give more with -m",
				what, (unsigned long long)gpa, (unsigned long long)len);
	if (err == -ENODATA)
		return boot_err(f, "the file shrank while it was read");
	return err ? boot_err(f, "reading %s: %s", what, strerror(-err)) : 0;
}

int boot_initrd(struct vm *vm, uint64_t floor, uint64_t max, struct boot_initrd *out)
{
	uint64_t end = vm->slot[0].size, addr;
	struct boot_file f;
	int ret = -1;

	*out = (struct boot_initrd){ 0 };
	if (!vm->cfg->initrd)
		return 0;
	if (boot_open(&f, "-initrd", vm->cfg->initrd))
		goto out;
	if (end > max)
		end = max + 1;
	end &= ~0xfffull;
	addr = f.size < end ? (end - f.size) & ~0xfffull : 0;
	if (addr < floor) {
		boot_err(&f, "%llu bytes do not fit between the kernel's end at 0x%llx and 0x%llx; give more memory with -m",
			 (unsigned long long)f.size, (unsigned long long)floor,
			 (unsigned long long)end);
		goto out;
	}
	ret = boot_copy(vm, &f, 0, addr, f.size, "the initrd");
	out->addr = addr;
	out->size = f.size;
out:
	boot_close(&f);
	return ret;
}

int boot_cmdline(struct vm *vm, uint64_t max)
{
	const char *line = vm->cfg->append ? vm->cfg->append : "";
	size_t len = strlen(line);
	char *dst;

	if (max > BOOT_CMDLINE_MAX - 1)
		max = BOOT_CMDLINE_MAX - 1;
	if (len > max)
		return log_err("-append: %zu characters, this kernel takes up to %llu", len,
			       (unsigned long long)max);
	dst = vm_ram(vm, BOOT_CMDLINE, len + 1);
	if (!dst)
		return log_err("-append: guest RAM is too small");
	memcpy(dst, line, len + 1);
	return (int)len;
}

unsigned int boot_memmap(struct vm *vm, struct boot_range map[BOOT_RANGES_MAX])
{
	unsigned int n = 0;

	map[n++] = (struct boot_range){ 0, BOOT_EBDA, E820_RAM };
	map[n++] = (struct boot_range){ BOOT_EBDA, 0xa0000 - BOOT_EBDA, E820_RESERVED };
	map[n++] = (struct boot_range){ BOOT_ACPI, BOOT_HIGH - BOOT_ACPI, E820_RESERVED };
	map[n++] = (struct boot_range){ BOOT_HIGH, vm->slot[0].size - BOOT_HIGH, E820_RAM };
	map[n++] = (struct boot_range){ KVM_IDENTITY_MAP, 0x4000, E820_RESERVED };
	map[n++] = (struct boot_range){ ROM_PAGE, 0x1000, E820_RESERVED };
	if (vm->nr_slots > 1 && !vm->slot[1].hot)
		map[n++] = (struct boot_range){ VM_HIGH_RAM, vm->slot[1].size, E820_RAM };
	return n;
}

/* Flat segments, for those kernels that look at the table before they load their own. */
static void write_gdt(struct vm *vm, bool long64)
{
	uint64_t gdt[5] = {
		0, 0,
		long64 ? 0x00af9b000000ffffull : 0x00cf9b000000ffffull,
		0x00cf93000000ffffull,
		0x00008b0000000067ull,
	};
	void *p = vm_ram(vm, BOOT_GDT, sizeof(gdt));

	if (p)
		memcpy(p, gdt, sizeof(gdt));
}

int boot_load(struct vm *vm, struct boot_regs *regs)
{
	uint8_t head[HEAD_SIZE] = { 0 };
	struct boot_file f = { .fd = -1 };
	uint64_t rsdp;
	size_t len;
	int ret = -1;

	if (boot_open(&f, "-kernel", vm->cfg->kernel))
		goto out;
	len = f.size < sizeof(head) ? (size_t)f.size : sizeof(head);
	if (boot_pread(&f, 0, head, len)) {
		boot_err(&f, "cannot be read: %s", strerror(errno));
		goto out;
	}
	rsdp = acpi_build(vm);
	if (!rsdp || smbios_build(vm))
		goto out;
	if (boot_is_linux(head, len))
		ret = boot_linux(vm, &f, rsdp, regs);
	else if (boot_is_elf(head, len))
		ret = boot_pvh(vm, &f, rsdp, regs);
	else
		boot_err(&f, "neither a bzImage (no \"HdrS\" at 0x202) nor an ELF file");
	if (!ret)
		write_gdt(vm, regs->long64);
out:
	boot_close(&f);
	return ret;
}

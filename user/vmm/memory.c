// SPDX-License-Identifier: GPL-2.0
/*
 * Guest RAM: one shared file, mapped once, so that processes and kernel threads reach all of it.
 *
 * By default a sealed memfd: it can neither grow nor shrink under those who mapped it. -mem-path gives
 * a hugetlbfs folder, an ordinary folder (an unlinked file there) or an ordinary file, which is kept.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../lib/log.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define RAM_MIN		(2ull << 20)
#define MIB		(1ull << 20)
#define THP_SIZE	(2ull << 20)

/* Page size of what backs RAM, for alignment; and whether it is anonymous memory of this machine. */
struct backing {
	uint64_t page;
	bool memory, hugetlb;
};

static int open_memfd(const struct ram_area *a, struct backing *b)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	uint64_t huge = a->hugetlb_size;
	int fd;

	b->memory = true;
	if (huge) {
		if (huge & (huge - 1))
			return log_err("hugetlb page size %llu is not a power of two",
				       (unsigned long long)huge);
		flags |= MFD_HUGETLB | (unsigned int)__builtin_ctzll(huge) << MFD_HUGE_SHIFT;
		b->page = huge;
		b->hugetlb = true;
	}
	fd = memfd_create("guest-ram", flags);
	if (fd < 0)
		return log_err("cannot make guest RAM%s: %s", huge ? " of huge pages" : "",
			       strerror(errno));
	return fd;
}

static int open_in_dir(const char *dir, const struct statfs *fs, struct backing *b)
{
	char path[4096];
	int fd;

	if (fs->f_type == HUGETLBFS_MAGIC) {
		b->page = (uint64_t)fs->f_bsize;
		b->hugetlb = true;
		b->memory = true;
	} else if (fs->f_type == TMPFS_MAGIC) {
		b->memory = true;
	}
	if (snprintf(path, sizeof(path), "%s/shunt-ram.XXXXXX", dir) >= (int)sizeof(path))
		return log_err("-mem-path: path too long");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return log_err("-mem-path %s: %s", dir, strerror(errno));
	unlink(path);
	return fd;
}

static int open_path(const struct ram_area *a, struct backing *b)
{
	const char *path = a->path;
	struct statfs fs;
	struct stat st;
	int fd;

	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		if (statfs(path, &fs))
			return log_err("-mem-path %s: %s", path, strerror(errno));
		return open_in_dir(path, &fs, b);
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return log_err("-mem-path %s: %s", path, strerror(errno));
	if (fstat(fd, &st) || fstatfs(fd, &fs) || !S_ISREG(st.st_mode)) {
		close(fd);
		return log_err("-mem-path %s: neither a folder nor an ordinary file", path);
	}
	if (st.st_size && (uint64_t)st.st_size < a->size) {
		close(fd);
		return log_err("-mem-path %s: the file has %llu bytes, %s wants %llu", path,
			       (unsigned long long)st.st_size, a->opt, (unsigned long long)a->size);
	}
	if (fs.f_type == HUGETLBFS_MAGIC) {
		b->page = (uint64_t)fs.f_bsize;
		b->hugetlb = true;
		b->memory = true;
	}
	return fd;
}

static int size_check(const struct ram_area *a, const struct backing *b)
{
	struct sysinfo si;
	uint64_t total;

	if (a->size % b->page)
		return log_err("%s: %llu bytes are not a multiple of the page size %llu",
			       a->opt, (unsigned long long)a->size, (unsigned long long)b->page);
	if (!b->memory || sysinfo(&si))
		return 0;
	total = ((uint64_t)si.totalram + si.totalswap) * si.mem_unit;
	if (a->size > total)
		return log_err("%s %lluM: more than this machine has (%llu MiB with swap)", a->opt,
			       (unsigned long long)(a->size / MIB),
			       (unsigned long long)(total / MIB));
	return 0;
}

static int ram_file(struct ram_area *a, struct backing *b)
{
	int fd = a->path ? open_path(a, b) : open_memfd(a, b);
	struct stat st;

	if (fd < 0)
		return -1;
	a->fd = fd;
	if (size_check(a, b))
		return -1;
	if (fstat(fd, &st) || ((uint64_t)st.st_size < a->size &&
			       ftruncate(fd, (off_t)a->size)))
		return log_err("%s %lluM: cannot size guest RAM: %s", a->opt,
			       (unsigned long long)(a->size / MIB), strerror(errno));
	if (!a->path &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return log_err("cannot seal guest RAM: %s", strerror(errno));
	return 0;
}

/* ---- -mem-prealloc ---- */

#define PREALLOC_STEP (64 * MIB)

struct prealloc {
	pthread_t thread;
	uint8_t *start;
	uint64_t len;
	uint64_t step;
	int err;
};

/* A signal that ends the process, blocked until the main loop takes it */
static bool end_is_pending(void)
{
	sigset_t set;

	return !sigpending(&set) && (sigismember(&set, SIGTERM) == 1 ||
				     sigismember(&set, SIGINT) == 1 ||
				     sigismember(&set, SIGHUP) == 1);
}

/* Asked to end, it leaves the rest alone: the main loop is about to do so. */
static void *prealloc_thread(void *arg)
{
	struct prealloc *p = arg;
	uint64_t done, n;

	for (done = 0; done < p->len && !p->err && !end_is_pending(); done += n) {
		n = p->step < p->len - done ? p->step : p->len - done;
		p->err = madvise(p->start + done, n, MADV_POPULATE_WRITE) ? errno : 0;
	}
	return NULL;
}

/* The kernel would rather kill something than fail an allocation from a memfd: look first. */
static bool memory_is_short(uint64_t want, uint64_t *avail)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	fclose(f);
	*avail = kib << 10;
	return kib && want > *avail;
}

static int ram_prealloc(struct ram_area *a, const struct backing *b)
{
	uint64_t chunk, done = 0, avail = 0, align = b->page > THP_SIZE ? b->page : THP_SIZE;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct prealloc p[16];
	unsigned int nr = cpus < 1 ? 1 : cpus > 16 ? 16 : (unsigned int)cpus, started = 0;
	int err = 0;

	if (b->memory && !b->hugetlb && memory_is_short(a->size, &avail))
		return log_err("-mem-prealloc: %llu MiB wanted, %llu MiB available",
			       (unsigned long long)(a->size / MIB),
			       (unsigned long long)(avail / MIB));
	chunk = (a->size / nr + align - 1) / align * align;
	for (; started < nr && done < a->size; started++) {
		p[started].start = a->base + done;
		p[started].step = b->page > PREALLOC_STEP ? b->page : PREALLOC_STEP;
		p[started].err = 0;
		p[started].len = chunk < a->size - done ? chunk : a->size - done;
		done += p[started].len;
		if (pthread_create(&p[started].thread, NULL, prealloc_thread, &p[started])) {
			err = EAGAIN;
			break;
		}
	}
	for (unsigned int i = 0; i < started; i++) {
		pthread_join(p[i].thread, NULL);
		if (p[i].err)
			err = p[i].err;
	}
	/* Before Linux 5.14, and when no thread could be had. */
	if (err == EINVAL || err == EAGAIN)
		err = fallocate(a->fd, 0, 0, (off_t)a->size) ? errno : 0;
	if (err)
		return log_err("-mem-prealloc: cannot get %llu MiB: %s",
			       (unsigned long long)(a->size / MIB),
			       err == EFAULT ? "out of memory" : strerror(err));
	return 0;
}

/* ---- mapping ---- */

static int ram_map(struct ram_area *a, const struct backing *b)
{
	uint64_t align = b->page > THP_SIZE ? b->page : THP_SIZE, span = a->size + align;
	uint8_t *area = mmap(NULL, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			     -1, 0);
	uint8_t *base;

	if (area == MAP_FAILED)
		goto fail;
	/* Huge pages need the mapping and the file to be aligned alike. */
	base = (uint8_t *)(((uintptr_t)area + align - 1) & ~(align - 1));
	if (mmap(base, a->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, a->fd,
		 0) == MAP_FAILED) {
		int err = errno;

		munmap(area, span);
		errno = err;
		goto fail;
	}
	if (base > area)
		munmap(area, (size_t)(base - area));
	if (base + a->size < area + span)
		munmap(base + a->size, (size_t)(area + span - base - a->size));

	/* Advice only: kernels without THP answer EINVAL. */
	if (!b->hugetlb)
		madvise(base, a->size, MADV_HUGEPAGE);
	madvise(base, a->size, MADV_DONTDUMP);
	madvise(base, a->size, MADV_DONTFORK);
	a->base = base;
	return 0;
fail:
	return log_err("%s %lluM: cannot map guest RAM: %s%s", a->opt, (unsigned long long)(a->size / MIB), strerror(errno),
		       b->hugetlb && errno == ENOMEM ? " (too few free huge pages)" : "");
}

int ram_area_make(struct ram_area *a)
{
	struct backing b = { .page = (uint64_t)sysconf(_SC_PAGESIZE) };

	a->fd = -1;
	a->base = NULL;
	if (!ram_file(a, &b) && !ram_map(a, &b) && !(a->prealloc && ram_prealloc(a, &b)))
		return 0;
	ram_area_free(a);
	return -1;
}

void ram_area_free(struct ram_area *a)
{
	if (a->base)
		munmap(a->base, a->size);
	if (a->fd >= 0)
		close(a->fd);
	a->base = NULL;
	a->fd = -1;
}

int ram_slot_add(struct vm *vm, const struct vm_mem_slot *slot)
{
	struct kvm_userspace_memory_region region = {
		.slot = vm->nr_slots,
		.guest_phys_addr = slot->gpa,
		.memory_size = slot->size,
		.userspace_addr = (uintptr_t)slot->host,
	};

	if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		return log_err("KVM takes no memory at 0x%llx: %s", (unsigned long long)slot->gpa, strerror(errno));
	vm->slot[vm->nr_slots] = *slot;
	/* helper threads look without a lock */
	__atomic_store_n(&vm->nr_slots, vm->nr_slots + 1, __ATOMIC_RELEASE);
	return 0;
}

int ram_create(struct vm *vm)
{
	struct ram_area a = {
		.opt = "-m",
		.path = vm->cfg->mem_path,
		.size = vm->cfg->mem_size,
		.hugetlb_size = vm->cfg->hugetlb_size,
		.prealloc = vm->cfg->mem_prealloc,
	};
	uint64_t low = a.size < VM_LOW_RAM_END ? a.size : VM_LOW_RAM_END;
	struct vm_mem_slot slot = { .gpa = 0, .size = low };

	if (a.size < RAM_MIN)
		return log_err("-m: %llu bytes are too few for a machine, the least is %lluM",
			       (unsigned long long)a.size, RAM_MIN / MIB);
	if (ram_area_make(&a))
		return -1;
	vm->ram_size = a.size;
	vm->ram_fd = slot.fd = a.fd;
	vm->ram_base = slot.host = a.base;
	if (ram_slot_add(vm, &slot))
		return -1;
	if (a.size == low)
		return 0;
	slot = (struct vm_mem_slot){
		.gpa = VM_HIGH_RAM, .size = a.size - low, .host = a.base + low, .fd = a.fd, .fd_off = low,
	};
	return ram_slot_add(vm, &slot);
}

void ram_destroy(struct vm *vm)
{
	struct ram_area a = { .size = vm->ram_size, .fd = vm->ram_fd, .base = vm->ram_base };

	vm->nr_slots = 0;
	ram_area_free(&a);
	vm->ram_base = NULL;
	vm->ram_fd = -1;
}

uint64_t vm_mem_total(const struct vm *vm)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < vm->nr_slots; i++)
		total += vm->slot[i].size;
	return total;
}

static struct vm_mem_slot *slot_find(struct vm *vm, uint64_t gpa, uint64_t len)
{
	unsigned int nr = vm_slots(vm);

	for (unsigned int i = 0; i < nr; i++) {
		struct vm_mem_slot *s = &vm->slot[i];

		if (gpa >= s->gpa && len <= s->size && gpa - s->gpa <= s->size - len)
			return s;
	}
	return NULL;
}

void *vm_ram(struct vm *vm, uint64_t gpa, uint64_t len)
{
	struct vm_mem_slot *s = slot_find(vm, gpa, len);

	return s ? s->host + (gpa - s->gpa) : NULL;
}

/*
 * From page cache to page cache: the pages are neither mapped nor cleared first, which halves the time.
 * Return: bytes copied; what is missing (hugetlbfs cannot be written, a file may end) pread() does.
 */
static uint64_t load_fast(struct vm *vm, int fd, uint64_t off, uint64_t ram_off, uint64_t len)
{
	off_t from = (off_t)off;
	uint64_t done = 0;

	if (lseek(vm->ram_fd, (off_t)ram_off, SEEK_SET) < 0)
		return 0;
	while (done < len) {
		ssize_t n = sendfile(vm->ram_fd, fd, &from, len - done);

		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	return done;
}

int ram_load(struct vm *vm, int fd, uint64_t off, uint64_t gpa, uint64_t len)
{
	struct vm_mem_slot *s = slot_find(vm, gpa, len);
	uint64_t done;

	if (!s)
		return -EFAULT;
	done = load_fast(vm, fd, off, s->fd_off + (gpa - s->gpa), len);
	while (done < len) {
		ssize_t n = pread(fd, s->host + (gpa - s->gpa) + done, len - done,
				  (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -ENODATA;
		done += (uint64_t)n;
	}
	return 0;
}

/* ---- what was obtained ---- */

struct smaps_sum {
	unsigned long long rss, pmd, hugetlb, page;
};

/* Whether a mapping is part of the guest's memory */
static bool is_guest(const struct vm *vm, unsigned long long start, unsigned long long end)
{
	uintptr_t from = (uintptr_t)vm->ram_base;
	bool ours = start >= from && end <= from + vm->ram_size;

	for (unsigned int i = 0; i < vm->nr_slots && !ours; i++) {
		from = (uintptr_t)vm->slot[i].host;
		ours = start >= from && end <= from + vm->slot[i].size;
	}
	return ours;
}

static void smaps_read(const struct vm *vm, struct smaps_sum *sum)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long long v, start, end;
	bool ours = false;
	char line[512];

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx %*4s", &start, &end) == 2)
			ours = is_guest(vm, start, end);
		else if (!ours)
			continue;
		else if (sscanf(line, "Rss: %llu", &v) == 1)
			sum->rss += v;
		else if (sscanf(line, "ShmemPmdMapped: %llu", &v) == 1 ||
			 sscanf(line, "FilePmdMapped: %llu", &v) == 1)
			sum->pmd += v;
		else if (sscanf(line, "Shared_Hugetlb: %llu", &v) == 1 ||
			 sscanf(line, "Private_Hugetlb: %llu", &v) == 1)
			sum->hugetlb += v;
		else if (sscanf(line, "KernelPageSize: %llu", &v) == 1)
			sum->page = v;
	}
	fclose(f);
}

void vm_mem_info(struct vm *vm, FILE *out)
{
	struct smaps_sum sum = { 0 };
	const struct vm_config *cfg = vm->cfg;

	if (!vm->nr_slots)
		return;
	smaps_read(vm, &sum);
	fprintf(out, "memory: %llu MiB, %s%s%s\n", (unsigned long long)(vm_mem_total(vm) / MIB),
		cfg->mem_path ? "file " : "sealed memfd",
		cfg->mem_path ? cfg->mem_path : "",
		cfg->mem_prealloc ? ", preallocated" : "");
	for (unsigned int i = 0; i < vm->nr_slots; i++)
		fprintf(out, "  0x%09llx-0x%09llx\n", (unsigned long long)vm->slot[i].gpa,
			(unsigned long long)(vm->slot[i].gpa + vm->slot[i].size - 1));
	fprintf(out, "  page size %llu KiB, mapped %llu MiB, in transparent huge pages %llu MiB, "
		"in hugetlb pages %llu MiB\n", sum.page, (sum.rss + sum.hugetlb) >> 10,
		sum.pmd >> 10, sum.hugetlb >> 10);
}

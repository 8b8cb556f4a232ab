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

static int open_memfd(struct vm *vm, struct backing *b)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	uint64_t huge = vm->cfg->hugetlb_size;
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

static int open_path(struct vm *vm, struct backing *b)
{
	const char *path = vm->cfg->mem_path;
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
	if (st.st_size && (uint64_t)st.st_size < vm->ram_size) {
		close(fd);
		return log_err("-mem-path %s: the file has %llu bytes, -m wants %llu", path,
			       (unsigned long long)st.st_size, (unsigned long long)vm->ram_size);
	}
	if (fs.f_type == HUGETLBFS_MAGIC) {
		b->page = (uint64_t)fs.f_bsize;
		b->hugetlb = true;
		b->memory = true;
	}
	return fd;
}

static int size_check(const struct vm *vm, const struct backing *b)
{
	struct sysinfo si;
	uint64_t total;

	if (vm->ram_size % b->page)
		return log_err("-m: %llu bytes are not a multiple of the page size %llu",
			       (unsigned long long)vm->ram_size, (unsigned long long)b->page);
	if (!b->memory || sysinfo(&si))
		return 0;
	total = ((uint64_t)si.totalram + si.totalswap) * si.mem_unit;
	if (vm->ram_size > total)
		return log_err("-m %lluM: more than this machine has (%llu MiB with swap)",
			       (unsigned long long)(vm->ram_size / MIB),
			       (unsigned long long)(total / MIB));
	return 0;
}

static int ram_file(struct vm *vm, struct backing *b)
{
	int fd = vm->cfg->mem_path ? open_path(vm, b) : open_memfd(vm, b);
	struct stat st;

	if (fd < 0)
		return -1;
	vm->ram_fd = fd;
	if (size_check(vm, b))
		return -1;
	if (fstat(fd, &st) || ((uint64_t)st.st_size < vm->ram_size &&
			       ftruncate(fd, (off_t)vm->ram_size)))
		return log_err("-m %lluM: cannot size guest RAM: %s",
			       (unsigned long long)(vm->ram_size / MIB), strerror(errno));
	if (!vm->cfg->mem_path &&
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

static int ram_prealloc(struct vm *vm, uint8_t *base, const struct backing *b)
{
	uint64_t chunk, done = 0, avail = 0, align = b->page > THP_SIZE ? b->page : THP_SIZE;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct prealloc p[16];
	unsigned int nr = cpus < 1 ? 1 : cpus > 16 ? 16 : (unsigned int)cpus, started = 0;
	int err = 0;

	if (b->memory && !b->hugetlb && memory_is_short(vm->ram_size, &avail))
		return log_err("-mem-prealloc: %llu MiB wanted, %llu MiB available",
			       (unsigned long long)(vm->ram_size / MIB),
			       (unsigned long long)(avail / MIB));
	chunk = (vm->ram_size / nr + align - 1) / align * align;
	for (; started < nr && done < vm->ram_size; started++) {
		p[started].start = base + done;
		p[started].step = b->page > PREALLOC_STEP ? b->page : PREALLOC_STEP;
		p[started].err = 0;
		p[started].len = chunk < vm->ram_size - done ? chunk : vm->ram_size - done;
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
		err = fallocate(vm->ram_fd, 0, 0, (off_t)vm->ram_size) ? errno : 0;
	if (err)
		return log_err("-mem-prealloc: cannot get %llu MiB: %s",
			       (unsigned long long)(vm->ram_size / MIB),
			       err == EFAULT ? "out of memory" : strerror(err));
	return 0;
}

/* ---- mapping ---- */

static uint8_t *ram_map(struct vm *vm, const struct backing *b)
{
	uint64_t align = b->page > THP_SIZE ? b->page : THP_SIZE, span = vm->ram_size + align;
	uint8_t *area = mmap(NULL, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			     -1, 0);
	uint8_t *base;

	if (area == MAP_FAILED)
		goto fail;
	/* Huge pages need the mapping and the file to be aligned alike. */
	base = (uint8_t *)(((uintptr_t)area + align - 1) & ~(align - 1));
	if (mmap(base, vm->ram_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, vm->ram_fd,
		 0) == MAP_FAILED) {
		int err = errno;

		munmap(area, span);
		errno = err;
		goto fail;
	}
	if (base > area)
		munmap(area, (size_t)(base - area));
	if (base + vm->ram_size < area + span)
		munmap(base + vm->ram_size, (size_t)(area + span - base - vm->ram_size));

	/* Advice only: kernels without THP answer EINVAL. */
	if (!b->hugetlb)
		madvise(base, vm->ram_size, MADV_HUGEPAGE);
	madvise(base, vm->ram_size, MADV_DONTDUMP);
	madvise(base, vm->ram_size, MADV_DONTFORK);
	return base;
fail:
	log_err("-m %lluM: cannot map guest RAM: %s%s", (unsigned long long)(vm->ram_size / MIB),
		strerror(errno),
		b->hugetlb && errno == ENOMEM ? " (too few free huge pages)" : "");
	return NULL;
}

int ram_create(struct vm *vm)
{
	struct backing b = { .page = (uint64_t)sysconf(_SC_PAGESIZE) };
	uint64_t low;
	uint8_t *base;

	vm->ram_size = vm->cfg->mem_size;
	if (vm->ram_size < RAM_MIN)
		return log_err("-m: %llu bytes are too few for a machine, the least is %lluM",
			       (unsigned long long)vm->ram_size, RAM_MIN / MIB);
	if (ram_file(vm, &b))
		return -1;
	base = ram_map(vm, &b);
	if (!base)
		return -1;

	low = vm->ram_size < VM_LOW_RAM_END ? vm->ram_size : VM_LOW_RAM_END;
	vm->slot[0] = (struct vm_mem_slot){ .gpa = 0, .size = low, .host = base };
	vm->nr_slots = 1;
	if (vm->ram_size > low) {
		vm->slot[1] = (struct vm_mem_slot){
			.gpa = VM_HIGH_RAM,
			.size = vm->ram_size - low,
			.host = base + low,
			.fd_off = low,
		};
		vm->nr_slots = 2;
	}
	if (vm->cfg->mem_prealloc && ram_prealloc(vm, base, &b))
		return -1;
	for (unsigned int i = 0; i < vm->nr_slots; i++) {
		struct kvm_userspace_memory_region region = {
			.slot = i,
			.guest_phys_addr = vm->slot[i].gpa,
			.memory_size = vm->slot[i].size,
			.userspace_addr = (uintptr_t)vm->slot[i].host,
		};

		if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
			return log_err("KVM takes no memory at 0x%llx: %s",
				       (unsigned long long)vm->slot[i].gpa, strerror(errno));
	}
	return 0;
}

void ram_destroy(struct vm *vm)
{
	if (vm->nr_slots)
		munmap(vm->slot[0].host, vm->ram_size);
	vm->nr_slots = 0;
	if (vm->ram_fd >= 0)
		close(vm->ram_fd);
	vm->ram_fd = -1;
}

static struct vm_mem_slot *slot_find(struct vm *vm, uint64_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < vm->nr_slots; i++) {
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

static void smaps_read(const struct vm *vm, struct smaps_sum *sum)
{
	uintptr_t from = (uintptr_t)vm->slot[0].host, to = from + vm->ram_size;
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long long v, start, end;
	bool ours = false;
	char line[512];

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx %*4s", &start, &end) == 2)
			ours = start >= from && end <= to;
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
	fprintf(out, "memory: %llu MiB, %s%s%s\n", (unsigned long long)(vm->ram_size / MIB),
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

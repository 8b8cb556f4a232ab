/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzers in tests/driver share: a seeded generator, addresses of interest, guest memory
 * that may vanish below the device, and children that are killed or must come to their own end.
 *
 *	-s SEED		first seed, one more for each child (the clock's); it is printed
 *	-n CHILDREN	stop after so many (no limit): -s SEED -n 1 repeats the child of that seed
 *	-t SECONDS	stop after so long ($SECONDS_LONG, else 5)
 *	-d MILLIONS	but not before so many descriptors were written ($MILLIONS, else 0)
 *	-b BACKEND	instead of /dev/vhost-net /dev/vhost-blk on this, which is overwritten, or
 *			/dev/vhost-scsi with the target of this name (naa.…), whose LUN 0 is
 *	-f		some allocations and copies from and to user space fail (debug kernels)
 *
 * $SLOW multiplies the children's time: for kernels full of checks.
 */
#ifndef TESTS_DRIVER_LIB_FUZZ_H
#define TESTS_DRIVER_LIB_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/driver/dtest.h"

/* splitmix64: every seed is as good as any other */
static inline uint64_t fuzz_rnd(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline uint64_t fuzz_below(uint64_t *s, uint64_t n)
{
	return fuzz_rnd(s) % n;
}

static inline bool fuzz_one_in(uint64_t *s, unsigned int n)
{
	return fuzz_rnd(s) % n == 0;
}

/* A number of any magnitude, or one next to a limit */
uint64_t fuzz_number(uint64_t *s);

/**
 * struct fuzz_mem - guest memory, mapped twice
 * @va: for the device, at a low fixed address: nothing else gets mapped there when it is unmapped
 * @alias: for us; stays
 * @size: bytes; the last %FUZZ_CUT are backed by a file of their own, which may be truncated: keep
 *	away from these through @alias
 */
struct fuzz_mem {
	unsigned char *va;
	unsigned char *alias;
	size_t size;
	int fd;
	int cut_fd;
};

#define FUZZ_CUT	(512u << 10)

int fuzz_mem_open(struct fuzz_mem *m, size_t size);
/* All of it there, readable and writable */
int fuzz_mem_restore(struct fuzz_mem *m);
/* Take some of it away from the device, or give it back. */
void fuzz_mem_disturb(struct fuzz_mem *m, uint64_t *s);
/*
 * An address for the device to use: mostly in @m, else outside of user space, unmapped or at its
 * edge. Never one of our own, which the device might write to.
 */
uint64_t fuzz_uva(const struct fuzz_mem *m, uint64_t *s);

/**
 * struct fuzz_run - how the children fared
 * @slow: multiplier for times
 * @faults: as by -f; see fault.h for who is concerned
 * @backend: as by -b, or NULL
 * @shared: zeroed memory that the children share with the parent
 * @descs: in there: descriptors written; NULL where -d does not count
 * @children: started
 * @failed: ended with a status, or found something wrong
 * @crashed: ended by another signal than our SIGKILL
 * @stuck: neither came to their end nor could be killed
 * @slowest_ms: longest time from SIGKILL to the end
 * @enough: may be NULL: whether what the test asks for came about; a run is up to 20 times as
 *	long if not
 */
struct fuzz_run {
	unsigned int slow;
	bool faults;
	const char *backend;
	void *shared;
	const uint64_t *descs;
	unsigned int children;
	unsigned int failed;
	unsigned int crashed;
	unsigned int stuck;
	uint64_t slowest_ms;
	bool (*enough)(void);
	/* inner */
	uint64_t seed;
	unsigned int seconds;
	unsigned int max;
	uint64_t min_descs;
	char *why;
};

void fuzz_open(struct fuzz_run *f, int argc, char **argv, size_t shared_size);
/* In a child: something is wrong. Does not return. */
void fuzz_fail(struct fuzz_run *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
/*
 * Run @child, once for each seed, until time is over. It ends itself after about @life_ms; one in
 * three is killed before. Then checks that all of them were well.
 */
void fuzz_children(struct fuzz_run *f, void (*child)(struct fuzz_run *f, uint64_t seed),
		   unsigned int life_ms);
enum fuzz_device { FUZZ_NET, FUZZ_BLK, FUZZ_SCSI };

/* Of which kind is the device that @backend is for? */
enum fuzz_device fuzz_device(const char *backend);

/*
 * A new device with nothing odd about it carries @count frames each way, or, on @backend if that is
 * not NULL, blocks.
 */
void fuzz_honest(const char *backend, unsigned int count);
/*
 * The device at @fd, whose owner we are and whose back ends are off: set up anew by the book, does
 * it carry @count frames each way, or, if @backend is not NULL, blocks? 0, or a negative errno and what was wrong in @why.
 */
int fuzz_revive(int fd, const char *backend, uint64_t features, unsigned int count, const char **why);

#endif /* TESTS_DRIVER_LIB_FUZZ_H */

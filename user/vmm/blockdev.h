/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Host files and block devices behind disks: -drive. Opened when the command line has been checked and
 * the process has forked; closed at exit.
 *
 * Context: main thread.
 */
#ifndef VMM_BLOCKDEV_H
#define VMM_BLOCKDEV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct vm;
struct blockdev_user;

/**
 * struct blockdev - one -drive
 * @id: unique among drives
 * @file: its path
 * @format: of its contents; others than raw are not looked into here
 * @fd: open for reading, and for writing unless @readonly; locked. -1: a tray that is empty
 * @rdev: number of the block device; 0: a file
 * @direct: opened with O_DIRECT
 * @writeback: writes may rest in a volatile cache until the guest flushes it
 * @discard: the guest may deallocate
 * @boot: boot=on: its device is the first that firmware tries, if no bootindex= says otherwise
 * @user: the device that uses it; NULL until then
 */
struct blockdev {
	const char *id, *file, *format;
	int fd;
	dev_t rdev;
	bool readonly, direct, writeback, discard, boot;
	struct blockdev_user *user;
};

/**
 * struct blockdev_user - embedded in a device
 * @name: of the device
 * @resized: device lock held: the size of the file or device may have changed
 * @stats: add to a line that was begun: what was done so far
 * @change: @bd, a medium, becomes @new, or nothing if that is NULL; whatever the guest says if it is by @force. NULL: it has
 *	no media. Return: 0; or -1 after one line on @out
 */
struct blockdev_user {
	const char *name;
	void (*resized)(struct blockdev_user *user);
	void (*stats)(struct blockdev_user *user, FILE *out);
	int (*change)(struct blockdev_user *user, const struct blockdev *bd, const struct blockdev *new, bool force, FILE *out);
};

/** blockdev_find() - Return: an opened drive, or NULL */
struct blockdev *blockdev_find(const char *id);
/** blockdev_find_tray() - the same; also one of a CD-ROM without a medium */
struct blockdev *blockdev_find_tray(const char *id);
/** blockdev_nth() - Return: drive number @n; NULL past the last */
const struct blockdev *blockdev_nth(unsigned int n);
/** blockdev_is_cdrom() - Return: whether drive @id has media=cdrom */
bool blockdev_is_cdrom(const char *id);
/** blockdev_unlock() - somebody else is going to lock the file */
void blockdev_unlock(const struct blockdev *bd);

/**
 * blockdev_reopen() - the same file once more, whatever its name leads to by now: an open file description with
 * locks of its own
 *
 * Return: the descriptor; or -errno after one logged line
 */
int blockdev_reopen(const struct blockdev *bd);

/**
 * blockdev_settled() - whether nobody else has it locked for what it was locked for here; any thread
 *
 * A process locks the file until all that it has begun has ended. Readers share a lock, which tells nothing.
 */
bool blockdev_settled(const struct blockdev *bd);
/** blockdev_named() - Return: 0 if its name leads to the same file still; -errno after one logged line */
int blockdev_named(const struct blockdev *bd);
/** blockdev_is_raw() - Return: whether the file holds what the disk does */
bool blockdev_is_raw(const struct blockdev *bd);

/* ---- main.c, cmdline.c and monitor.c ---- */

/** blockdev_add() - one -drive argument, checked. Return: 0, or -1 after one logged line */
int blockdev_add(const char *arg);
/** blockdev_help() - what -drive takes, to stdout */
void blockdev_help(void);
/**
 * blockdev_device() - the -device that drive number @n brings with it, by if=virtio or if=ide
 * @arg: gets what -device takes; "" for none
 * Return: whether there is such a drive
 */
bool blockdev_device(unsigned int n, char *arg, size_t size);
/** blockdev_open_all() - open and lock. Return: 0 or -1 after logging */
int blockdev_open_all(void);
/** blockdev_watch() - notice from now on when a block device changes its size */
void blockdev_watch(struct vm *vm);
/** blockdev_close_all() - close, forget; also after a failed blockdev_open_all(). The loop exists still */
void blockdev_close_all(void);
/** blockdev_info() - a paragraph each, for the monitor */
void blockdev_info(FILE *out);
/** blockdev_stats() - a line each, for the monitor */
void blockdev_stats(FILE *out);
/**
 * blockdev_resize() - the monitor's block_resize: a file gets @bytes, a block device has them already
 *
 * Says on @out what went wrong. The device lock is not held.
 */
void blockdev_resize(struct vm *vm, const char *id, uint64_t bytes, FILE *out);

/**
 * blockdev_change() - the monitor's change and eject: @file is another medium; NULL: there is none
 *
 * Says on @out what went wrong. The device lock is not held.
 */
void blockdev_change(const char *id, const char *file, bool force, FILE *out);

/* ---- between blockdev.c and blockdev_resize.c ---- */

/** blockdev_size() - Return: bytes, or -errno */
int64_t blockdev_size(const struct blockdev *bd);
/** blockdev_resized() - those on block device @rdev, 0: all, may have another size now */
void blockdev_resized(struct vm *vm, dev_t rdev);
/** blockdev_uevents() - listen from now on; blockdev_unwatch() - no longer, if ever. Logs a failure */
void blockdev_uevents(struct vm *vm);
void blockdev_unwatch(void);

#endif

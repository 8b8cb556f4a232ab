// SPDX-License-Identifier: GPL-2.0
/* Rights given up, see sandbox.h. */
#define _GNU_SOURCE
#include "sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* Numbers with conditions come below. */
static const int allowed[] = {
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	SCMP_SYS(ppoll),
	SCMP_SYS(lseek),
	SCMP_SYS(accept4),
	SCMP_SYS(getsockopt),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(memfd_create),
	SCMP_SYS(ftruncate),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(sched_yield),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	/* The socket's name goes with the process. */
	SCMP_SYS(unlinkat),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static int allow(scmp_filter_ctx ctx, const struct sandbox_call *more)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !ret; i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (; more && more->name && !ret; more++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(more->name), !!more->mask,
				       SCMP_CMP(more->arg, SCMP_CMP_MASKED_EQ, more->mask, more->value));
	/* Not executable */
	ret = ret ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	ret = ret ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	ret = ret ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, F_ADD_SEALS, 0));
	return ret ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, F_GETFL, 0));
}

int sandbox_calls(const struct sandbox_call *more)
{
	scmp_filter_ctx ctx;
	int ret;

#ifdef SANITIZED
	(void)more;
	return 0;
#endif
	ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!ctx)
		return log_err("sandbox: no seccomp filter");
	ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	ret = ret ?: allow(ctx, more);
	ret = ret ?: seccomp_load(ctx);
	seccomp_release(ctx);
	return ret ? log_err("sandbox: seccomp: %s", strerror(-ret)) : 0;
}

/* Return: whether there is an empty directory at @at now, as the root */
static bool empty_root(const char *at)
{
	if (mount("none", at, "tmpfs", MS_NODEV | MS_NOEXEC | MS_NOSUID, "size=4k,mode=555"))
		return false;
	/* The new root lies on the old one, of which nothing is left then. */
	return !chdir(at) && !syscall(SYS_pivot_root, ".", ".") && !umount2(".", MNT_DETACH) && !chdir("/") &&
	       !mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NODEV | MS_NOEXEC | MS_NOSUID, NULL);
}

void sandbox_files(void)
{
	static const char *const at[] = { "/tmp", "/run", "/proc" };
	unsigned int i;

#ifdef SANITIZED
	return;
#endif
	if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return;
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return;
	for (i = 0; i < sizeof(at) / sizeof(at[0]) && !empty_root(at[i]); i++)
		;
}

int sandbox_rights(void)
{
	/* glibc looks into /proc before it makes the heap of a thread smaller; this is for those made after. */
	mallopt(M_ARENA_MAX, 1);
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return log_err("sandbox: capabilities cannot be dropped");
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? log_err("sandbox: %s", strerror(errno)) : 0;
}

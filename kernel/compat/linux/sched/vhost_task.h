/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COMPAT_LINUX_SCHED_VHOST_TASK_H
#define COMPAT_LINUX_SCHED_VHOST_TASK_H

#include <linux/kconfig.h>
#include <linux/types.h>
#include <linux/version.h>

/*
 * Threads of the owner exist since 6.4, with a call for the owner's SIGKILL since 6.10. Without
 * them none can be created, and the core takes a kernel thread.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0) && IS_ENABLED(CONFIG_VHOST_TASK)
#include_next <linux/sched/vhost_task.h>

static inline bool vhost_task_possible(void)
{
	return true;
}
#else
#include <linux/err.h>

struct vhost_task;

static inline bool vhost_task_possible(void)
{
	return false;
}

static inline struct vhost_task *vhost_task_create(bool (*fn)(void *data),
						   void (*handle_kill)(void *data), void *arg,
						   const char *name)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void vhost_task_start(struct vhost_task *task)
{
}

static inline void vhost_task_stop(struct vhost_task *task)
{
}

static inline void vhost_task_wake(struct vhost_task *task)
{
}
#endif

#endif

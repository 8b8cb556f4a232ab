/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COMPAT_LINUX_EVENTFD_H
#define COMPAT_LINUX_EVENTFD_H

#include <linux/version.h>
#include_next <linux/eventfd.h>

/* Since 6.8 a signal always adds one. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define eventfd_signal(ctx) eventfd_signal(ctx, 1)
#endif

#endif

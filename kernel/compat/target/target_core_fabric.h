/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COMPAT_TARGET_TARGET_CORE_FABRIC_H
#define COMPAT_TARGET_TARGET_CORE_FABRIC_H

#include <linux/version.h>
#include_next <target/target_core_fabric.h>

/*
 * Since 6.7 target_submit() leaves a command to LIO's workqueue, or runs it, as the fabric says,
 * and the attribute submit_type of the back end.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define target_submit(cmd) target_queue_submission(cmd)
#define TARGET_FABRIC_QUEUES
#else
#define TARGET_FABRIC_QUEUES \
	.direct_submit_supp = 1, .default_submit_type = TARGET_QUEUE_SUBMIT,
#endif

#endif

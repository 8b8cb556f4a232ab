/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault injection: kernels built with CONFIG_FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_USERCOPY
 * make allocations and copies from and to user space fail, in the threads that ask for it.
 */
#ifndef TESTS_DRIVER_LIB_FAULT_H
#define TESTS_DRIVER_LIB_FAULT_H

#include <stdbool.h>

/* Is there such a kernel? All that waits for memory may fail as well from then on. */
bool fault_open(void);
/* Let @percent of them fail in threads that fault_me() chose; 0 ends it, for everybody. */
void fault_rate(unsigned int percent);
/* This thread, and what it starts from now on: threads, processes, tasks of a device */
void fault_me(bool on);
/*
 * Only in this thread, whatever the rate: the @nth chance to fail from now on. Return of
 * fault_nth_end(): did it?
 */
void fault_nth(unsigned int nth);
bool fault_nth_end(void);

#endif /* TESTS_DRIVER_LIB_FAULT_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* What the monitor asks of NICs. Main thread, device lock not held. */
#ifndef VMM_NIC_H
#define VMM_NIC_H

#include <stdio.h>

struct vm;

/**
 * nic_announce_all() - have networks hear where the addresses of NICs are: by the guest, where its driver does that, else by
 *	their back ends; what cannot be done is said in @out
 */
void nic_announce_all(struct vm *vm, FILE *out);

#endif

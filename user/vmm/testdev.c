// SPDX-License-Identifier: GPL-2.0
/*
 * shunt-testdev: a PCI device for payload tests. Doorbell -> ioeventfd -> irqfd -> MSI-X, all of it
 * inside KVM and with no vhost behind it; the same eventfds become INTx when MSI-X is off.
 *
 *   -device shunt-testdev[,vectors=1..32 (default 4)][,addr=slot]
 *
 * Vendor 1af4, device 10f0 (experimental range), class ff0000, INTA.
 *
 * BAR 0, 4 KiB of memory. Registers are 32 bits wide; other widths read and write parts of them.
 *   0x000 RO  magic 0x44544853 ("SHTD")
 *   0x004 RO  number of doorbells = number of MSI-X vectors
 *   0x008 RW  INTx: bit 0 drives INTA (ORed with pending bits below)
 *   0x00c RW  doorbell writes that reached user space, should stay 0; any write clears it
 *   0x010 RC  pending: bit n = doorbell n rang while MSI-X was off. INTA is high while non-zero;
 *             reading returns the bits and clears them, which lowers INTA
 *   0x014 WO  n: user space raises MSI-X vector n (masked: its pending bit is set); nothing while
 *             MSI-X is off
 *   0x018 RW  scratch
 *   0x01c RW  doorbell signals that user space turned into pending bits; any write clears it
 *   0x100 + 4 * n  WO  doorbell n, any width and value: interrupt by vector n
 * BAR 1: MSI-X table at 0, PBA at 0x800.
 * BAR 2, 32 bytes of I/O ports.
 *   0x00 WO  doorbell 0, any width and value
 *   0x04 RW  scratch, the same as in BAR 0
 *
 * Reset clears every register, and what the doorbells had pending.
 */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A boot sector that has the firmware copy sectors 8..15 of its disk to 16..23, and says by QEMU's
 * isa-debug-exit at port 0xf4 how it went: 0x2a well, 0x13 not.
 */
	.code16
	.globl _start
_start:
	cli
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	sti
	mov $0x42, %ah		/* extended read */
	mov $0x80, %dl
	mov $packet, %si
	int $0x13
	jc failed
	addl $8, lba
	mov $0x4300, %ax	/* extended write */
	mov $0x80, %dl
	mov $packet, %si
	int $0x13
	jc failed
	mov $0x2a, %al
	out %al, $0xf4
failed:
	mov $0x13, %al
	out %al, $0xf4
	hlt

	.align 4
packet:	.byte 16, 0
	.word 8			/* sectors */
	.word 0x8000, 0		/* to and from */
lba:	.quad 8

	.org 510
	.word 0xaa55

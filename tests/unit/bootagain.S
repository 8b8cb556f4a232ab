/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A boot sector that notes in sector 8 of its disk that it was here and resets the machine; the second time it says so by
 * isa-debug-exit at port 0xf4: 0x2a. 0x13: the disk could not be read or written.
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
	cmpb $0x55, 0x8000
	je again
	movb $0x55, 0x8000
	mov $0x4300, %ax	/* extended write */
	mov $0x80, %dl
	mov $packet, %si
	int $0x13
	jc failed
	mov $0xcf9, %dx
	mov $6, %al
	out %al, %dx
	hlt
again:
	mov $0x2a, %al
	out %al, $0xf4
failed:
	mov $0x13, %al
	out %al, $0xf4
	hlt

	.align 4
packet:	.byte 16, 0
	.word 1			/* sectors */
	.word 0x8000, 0		/* to and from */
	.quad 8

	.org 510
	.word 0xaa55

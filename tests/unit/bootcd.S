/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What El Torito boots from a CD-ROM, without emulation of a disk: reads block 30 of the drive it came from, and says by QEMU's
 * isa-debug-exit at port 0xf4 whether "SHUNTCD!" is there: 0x2a; 0x13: it is not. With RESET defined it resets the machine
 * where all is well.
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
	mov $0x42, %ah		/* extended read, from the drive in %dl */
	mov $packet, %si
	int $0x13
	jc failed
	mov $0x8000, %si
	mov $magic, %di
	mov $8, %cx
	repe cmpsb
	jne failed
	.ifdef RESET
	mov $0xcf9, %dx
	mov $6, %al
	out %al, %dx
	hlt
	.endif
	mov $0x2a, %al
	out %al, $0xf4
failed:
	mov $0x13, %al
	out %al, $0xf4
	hlt

magic:	.ascii "SHUNTCD!"
	.align 4
packet:	.byte 16, 0
	.word 1			/* blocks of 2048 bytes */
	.word 0x8000, 0
	.quad 30

	.org 2048

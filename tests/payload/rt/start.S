/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Entry of every payload: PVH (32-bit protected mode, paging off, %ebx = hvm_start_info), up to
 * 64-bit long mode on static identity page tables of the first 4 GiB; the real-mode trampoline of
 * the other processors; the 256 interrupt stubs.
 */
#define CODE64	0x08
#define DATA	0x10
#define CODE32	0x18

	.section .note.Xen, "a", @note
	.balign	4
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	pvh_start

	.text
	.code32
	.globl	pvh_start
pvh_start:
	cld
	cli
	/* The loader should have cleared .bss; a second boot must not depend on it. */
	movl	$__bss_start, %edi
	movl	$__bss_end, %ecx
	subl	%edi, %ecx
	shrl	$2, %ecx
	xorl	%eax, %eax
	rep stosl
	movl	%ebx, start_info
	lgdt	gdt_ptr
	movl	$boot_stack_end, %esp
	movl	$long_mode, %ebp

	/* %ebp: where to continue in long mode */
enter_long:
	movl	%cr4, %eax
	orl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80010001, %eax	/* PG, WP, PE */
	andl	$0x9fffffff, %eax	/* caches on */
	movl	%eax, %cr0
	ljmp	$CODE64, $1f
	.code64
1:	movl	$DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%ebp, %ebp
	jmp	*%rbp

long_mode:
	call	rt_start
	hlt
	jmp	long_mode

/* An application processor: take the next number, and with it a stack. */
ap_long:
	movl	$1, %edi
	lock xaddl %edi, ap_next(%rip)
	movl	%edi, %eax
	shll	$12, %eax
	addq	ap_stacks(%rip), %rax
	leaq	4096(%rax), %rsp
	call	ap_start
1:	hlt
	jmp	1b

	.code32
ap_protected:
	movl	$DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$ap_long, %ebp
	jmp	enter_long

/* Copied to AP_TRAMPOLINE, where a start-up IPI lands with %cs = its page. */
	.code16
	.globl	ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	ap_gdt_ptr - ap_trampoline
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$CODE32, $ap_protected
	.balign	4
ap_gdt_ptr:
	.word	gdt_end - gdt - 1
	.long	gdt
ap_trampoline_end:

	.code64
	.balign	16
	.globl	isr_stubs
isr_stubs:
	.set	vec, 0
	.rept	256
	.balign	16
	.if (vec == 8) || (vec == 17) || (vec == 21) || ((vec >= 10) && (vec <= 14))
	.else
	pushq	$0
	.endif
	pushq	$vec
	jmp	isr_common
	.set	vec, vec + 1
	.endr

isr_common:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cld
	movq	%rsp, %rdi
	movq	%rsp, %rbp
	andq	$-16, %rsp
	call	irq_dispatch
	movq	%rbp, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rbp
	popq	%rbx
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq

	.data
	.balign	16
	.globl	gdt_ptr
gdt:	.quad	0
	.quad	0x00af9b000000ffff	/* 64-bit code */
	.quad	0x00cf93000000ffff	/* data */
	.quad	0x00cf9b000000ffff	/* 32-bit code */
gdt_end:
	.balign	4
	.word	0
gdt_ptr:
	.word	gdt_end - gdt - 1
	.quad	gdt

	/* Filled in by the assembler: building 2048 entries at run time costs more than loading them. */
	.balign	4096
pml4:	.quad	pdpt + 0x3
	.fill	511, 8, 0
pdpt:	.quad	pd + 0x0003, pd + 0x1003, pd + 0x2003, pd + 0x3003
	.fill	508, 8, 0
	.globl	rt_pd
rt_pd:
pd:	.set	pa, 0
	.rept	1536
	.quad	pa + 0x83
	.set	pa, pa + 0x200000
	.endr
	.rept	512			/* devices: not cached */
	.quad	pa + 0x9b
	.set	pa, pa + 0x200000
	.endr

	.bss
	.balign	16
boot_stack:
	.skip	8192
boot_stack_end:
	.globl	start_info, ap_next, ap_stacks
start_info:
	.skip	8
ap_stacks:
	.skip	8
ap_next:
	.skip	8
	.section .note.GNU-stack, "", @progbits

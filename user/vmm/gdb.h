/* SPDX-License-Identifier: GPL-2.0 */
/*
 * -gdb: a debugger at a character device, by GDB's remote serial protocol. gdb.c has the protocol, gdb_cpu.c what it is
 * about: registers, memory by the guest's addresses, breakpoints.
 *
 * Context: main thread, from a bottom half without the device lock; CPUs are looked at while the machine is paused.
 */
#ifndef VMM_GDB_H
#define VMM_GDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chardev;
struct loop;
struct vcpu;
struct vm;

/** gdb_add() - a debugger may come by @c. Return: 0, or -1 after one logged line */
int gdb_add(struct vm *vm, struct loop *loop, struct chardev *c);
void gdb_free(void);

/** gdb_debug_exit() - @v's thread: KVM_EXIT_DEBUG. It goes on, or the machine is about to pause and the debugger hears of it */
void gdb_debug_exit(struct vcpu *v);

/**
 * gdb_unknown_instruction() - @v's thread: KVM does not know an instruction. It may be one of the debugger's: where KVM
 *	interprets, it knows no breakpoint
 * Return: whether it is, and gdb_debug_exit() has been done
 */
bool gdb_unknown_instruction(struct vcpu *v);

/* ---- gdb_cpu.c ---- */

#define GDB_REGS	59
#define GDB_REG_MAX	16	/* bytes */

/** gdb_target_xml() - what registers there are. Return: for free(); NULL: out of memory */
char *gdb_target_xml(void);

/** gdb_regs_read() - all registers of @v, one behind the other. Return: bytes written to @buf, up to GDB_REGS * GDB_REG_MAX; 0: failed */
size_t gdb_regs_read(struct vcpu *v, uint8_t *buf);
/** gdb_regs_write() - Return: 0 or -1 */
int gdb_regs_write(struct vcpu *v, const uint8_t *buf, size_t len);
/** gdb_reg_place() - where register @n is among all. Return: its bytes; 0: there is none */
size_t gdb_reg_place(unsigned int n, size_t *at);

/** gdb_memory() - read to @buf, or write from there, at addresses as @v sees them. Return: bytes done, fewer than @len where it ends */
size_t gdb_memory(struct vcpu *v, uint64_t addr, uint8_t *buf, size_t len, bool write);

/** gdb_break() - set or clear: @type as in GDB's Z packets. Return: 0; -1: not possible; 1: there is no such type */
int gdb_break(struct vm *vm, struct vcpu *v, unsigned int type, uint64_t addr, unsigned int len, bool set);
void gdb_break_clear(struct vm *vm, struct vcpu *v);
/** gdb_break_at() - any thread while CPUs run. Return: whether a breakpoint in memory is at @addr */
bool gdb_break_at(uint64_t addr);
/** gdb_watched() - which watchpoint @dr6 is about. Return: its type, 2 to 4, with @addr; 0: none */
unsigned int gdb_watched(uint64_t dr6, uint64_t *addr);
/** gdb_arm() - what KVM is to stop for, on every CPU; @step: one that is to do one instruction, or NULL. Return: 0 or -1, logged */
int gdb_arm(struct vm *vm, const struct vcpu *step);
/** gdb_reinject() - @v's own breakpoint instruction: it gets its exception; @v's thread */
void gdb_reinject(struct vcpu *v);

#endif

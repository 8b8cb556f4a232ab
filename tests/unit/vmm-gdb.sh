#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# GDB at a guest of two CPUs: breakpoints of both kinds, a watchpoint, steps, registers, memory, threads, and
# that it goes on undisturbed afterwards. Needs /dev/kvm; with WATCH=1 one that has watchpoints, as the lab's,
# which has no breakpoints in memory: QEMU's emulation does not stop for the instruction.
set -u
. "$(dirname "$0")/vmm-env"
need_kvm
cd "$tmp" || exit 1
elf=$top/build/payload/smp.elf

start() { # ARGUMENTS...
	rm -f g
	: > out
	"$shunt" -m 32 -nodefaults -display none -serial file:out -device isa-debug-exit,iobase=0x501,iosize=0x4 -gdb unix:g "$@" \
		< /dev/null > /dev/null 2> err &
	pid=$!
	for ((i = 0; i < 200; i++)); do
		[ ! -S g ] || break
		sleep 0.05
	done
}

debug() { # COMMANDS...
	local args=() c

	for c; do
		args+=(-ex "$c")
	done
	timeout 60 gdb -q -nx -batch -ex "set pagination off" -ex "set architecture i386:x86-64" -ex "target remote g" "${args[@]}" \
		"$elf" 2>&1
}

kind=break watch=(continue)
[ -z "${WATCH-}" ] || kind=hbreak watch=("delete 2" "watch *(unsigned *)&shared" continue)
start -S -smp 2 -append cpus=2 -kernel "$elf"
said=$(debug "info threads" "hbreak main" "continue" "stepi" "stepi" 'printf "rip %lx\n", $rip' "$kind work" "continue" \
	'printf "shared %u\n", *(unsigned *)&shared' "x/1bx \$rip" "${watch[@]}" \
	'printf "shared %u\n", *(unsigned *)&shared' 'set $r15=0x1234567812345678' 'printf "r15 %lx\n", $r15' \
	'set $xmm3=77' 'p $xmm3' "set *(unsigned *)0x7f0000=0xabcd" "x/1wx 0x7f0000" "x/1wx 0xffffffff00000000" \
	'set $r15=0' "delete" "detach")
text=$(tr '\n' ' ' <<< "$said")
like "$text" "Thread 1 \(CPU#0\).*Thread 2 \(CPU#1\)" "CPUs are threads"
like "$text" "hit Breakpoint 1, 0x[0-9a-f]+ in main" "a breakpoint in a register"
main=$(nm "$elf" | sed -n 's/^0*\([0-9a-f]*\) T main$/\1/p')
rip=$(sed -n 's/^rip \([0-9a-f]*\)$/\1/p' <<< "$said")
check "two steps go on from there ($main, $rip)" test $((0x$rip - 0x$main)) -gt 0 -a $((0x$rip - 0x$main)) -lt 30
like "$text" "hit Breakpoint 2, 0x[0-9a-f]+ in work" "a breakpoint by $kind"
like "$text" "<work>:.0x[^c]" "which memory does not show"
[ -z "${WATCH-}" ] ||
	like "$text" "ardware watchpoint 3.*Old value = 0.*New value = [1-9]" "a watchpoint, and what was and is there"
like "$text" "r15 1234567812345678 .*= 77 .*0x7f0000:.*0x0000abcd" "registers and memory are written"
like "$text" "Cannot access memory at address 0xffffffff00000000" "memory that is not mapped"
timeout 30 tail --pid="$pid" -f /dev/null || kill -9 "$pid"
wait "$pid"
is "$? $(grep -c '^not ok' out)" "1 0" "the guest goes on, and is content"
is "$(cat err)" "" "nothing was said"

done_testing

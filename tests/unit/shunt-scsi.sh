#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-scsi, driven by the drivers of the tests, by shunt-bench, and by QEMU's firmware.
#
# SCSI=program	the process (build/san/bin/shunt-scsi, else build/bin/shunt-scsi)
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/tap.sh"
build=$top/build/san
[ -x "$build/bin/shunt-scsi" ] || build=$top/build
scsi=${SCSI:-$build/bin/shunt-scsi}
drivers=$top/build/tests/driver
bench=$top/build/bin/shunt-bench
dir=$(mktemp -d)
pid='' loop='' mounted=''

cleanup() {
	[ -z "$pid" ] || kill "$pid"
	[ -z "$loop" ] || losetup -d "$loop"
	[ -z "$mounted" ] || umount "$dir/mnt"
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

# start ARGUMENTS...: a process that listens at s
start() {
	"$scsi" --socket-path=s "$@" 2>err &
	pid=$!
	for _ in {1..100}; do
		[ ! -S s ] || return 0
		kill -0 $pid 2>/dev/null || return 1
		sleep 0.1
	done
}

# stop TEXT: it goes at once, and its socket with it
stop() {
	kill $pid
	wait $pid
	is "$?" 0 "$1: SIGTERM, status 0"
	pid=''
	check "$1: no socket is left" test ! -e s
}

# bad WORDS ARGUMENTS...: one line with WORDS, status 1, no socket
bad() {
	local want=$1 out

	shift
	out=$(timeout 10 "$scsi" --socket-path=s "$@" 2>&1 >/dev/null)
	is "$?.$(wc -l <<<"$out")" 1.1 "$*: status 1, one line"
	like "$out" "^shunt-scsi: .*$want" "$*: it says why"
	check "$*: no socket" test ! -e s
}

truncate -s 16M disk other cd
truncate -s 128M big
truncate -s 1000 small

# --- the command line ---
bad "--lun=FILE is needed"
bad "--lun: file= is missing" --lun=lun=1
bad "--lun=nothing: No such file" --lun=nothing
bad "neither a regular file nor a block device" --lun=/dev/null
bad "--lun: no property 'wat'" --lun=disk,wat=1
bad "lun=16384: takes" --lun=disk,lun=16384
bad "target=256: takes" --lun=disk,target=256
bad "cd=maybe: takes" --lun=disk,cd=maybe
bad "cache=unsafe: takes" --lun=disk,cache=unsafe
bad "discard=on: takes" --lun=disk,discard=on
bad "block-size=1024: takes" --lun=disk,block-size=1024
bad "block-size: a CD-ROM has blocks of 2048 bytes" --lun=disk,cd=on,block-size=512
bad "serial=.*: it takes 1 to 36 printable" --lun=disk,serial="$(printf '%037d' 0)"
bad "product=.*: it takes 1 to 16 printable" --lun=disk,product=
bad "--lun=other: lun=0: target 0 has it already" --lun=disk --lun=other,lun=0
bad "--lun=disk: it is locked" --lun=disk --lun=disk
bad "--lun=small: it has not one block" --lun=small,cd=on
bad "--num-queues=0: it takes a number from 1 to 62" --lun=disk --num-queues=0
bad "--num-queues=63: it takes" --lun=disk --num-queues=63
like "$("$scsi" --help)" "^Usage: shunt-scsi " "--help"
is "$("$scsi" --print-capabilities | python3 -c 'import json, sys; print(json.load(sys.stdin)["type"])')" scsi \
	"--print-capabilities is JSON"

# --- commands, requests, rings: the drivers ---
# units ARGUMENTS...: what scsi-cmd expects
units() {
	start --lun=disk,target=1,serial=one --lun=other,target=1,read-only=on --lun=cd,target=1,cd=on \
		--lun=big,target=1,lun=300,block-size=4096 --lun=other,target=3,lun=5,read-only=on --num-queues=2 "$@"
}
# drive TEXT PROGRAM ARGUMENTS...: with both layouts
drive() {
	local what=$1 layout

	shift
	for layout in "" packed; do
		check "$what${layout:+, $layout}" env SCSI_SOCKET=s DRIVER_LAYOUT=$layout timeout 120 "$drivers/$1" "${@:2}"
	done
}

units
drive "commands" scsi-cmd disk "$pid"
stop "commands"
is "$(cat err)" "" "nothing to complain of"
units --poll-us=50
drive "commands, polling" scsi-cmd disk "$pid"
stop "polling"
start --lun=disk,target=1 --lun=other,target=1 --num-queues=16
drive "requests" scsi-req - disk
drive "hostile rings" scsi-hostile -
stop "requests"
is "$(grep -cv "queue [023]: " err)" 0 "a line for each ring that is broken"

# --- alignment: block devices without the page cache ---
mkdir mnt
if mount -t tmpfs tmpfs mnt 2>/dev/null && mounted=1 && truncate -s 16M mnt/file &&
   loop=$(losetup -f --show -b 4096 mnt/file 2>/dev/null); then
	bad "--lun=$loop: block-size=512: its own blocks have 4096 bytes" --lun="$loop",cache=none,block-size=512
	bad "--lun=$loop: block-size=2048: its own" --lun="$loop",cd=on,cache=none
	losetup -d "$loop"
	loop=$(losetup -f --show mnt/file)
	start --lun="$loop",target=1,cache=none --lun=other,target=1 --num-queues=16
	drive "a loop device, O_DIRECT" scsi-req - "$loop"
	stop "a loop device"
else
	skip "a loop device" "no rights to make one"
fi

# --- shunt-bench ---
start --lun=disk,target=1 --num-queues=2
check "every block written" "$bench" scsi --device s --wait call --depth 4 --warmup 0 --rw write --count 4096 --indirect
is "$(tr -d 'Z' <disk | wc -c)" 0 "they are in the file"
for how in "" "--packed" "--queues 2" "--packed --queues 2 --indirect"; do
	# shellcheck disable=SC2086 # words
	check "random reads $how" "$bench" scsi --device s --wait call --depth 32 --count 2000 $how
done
stop "shunt-bench"

# --- configuration that makes no sense ---
start --lun=disk
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$top/tests/unit check "sizes of CDB and sense data, and features, have bounds" timeout 20 python3 -c '
import struct
from vhost_user import *

with Front("s") as f:
    f.tell(SET_PROTOCOL_FEATURES, u64(1 << REPLY_ACK | 1 << CONFIG))
    size = lambda offset, n, len=4: f.acked(SET_CONFIG, struct.pack("<IIII", offset, len, 0, n))
    sizes = lambda: struct.unpack("<II", f.config(20, 8))
    assert sizes() == (96, 32), sizes()
    assert size(24, 5) and size(24, 257) and size(20, 253) and size(0, 2)
    assert sizes() == (96, 32), sizes()
    assert not size(24, 256) and not size(20, 252) and sizes() == (252, 256)
    # Of the features of the device there is CHANGE.
    assert f.ask(GET_FEATURES) & 7 == 4
    assert f.acked(SET_FEATURES, u64(VERSION_1 | 1 << 1)) and f.acked(SET_FEATURES, u64(VERSION_1 | 1 << 2)) == 0
with Front("s") as f:
    f.tell(SET_PROTOCOL_FEATURES, u64(1 << REPLY_ACK | 1 << CONFIG))
    assert struct.unpack("<II", f.config(20, 8)) == (96, 32)
'
stop "configuration"

# --- QEMU, and its firmware's driver ---
as --32 "$top/tests/unit/bootdisk.S" -o boot.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o boot boot.o
head -c 4096 /dev/urandom >pattern
truncate -s 0 disk
truncate -s 16M disk
dd if=boot of=disk conv=notrunc status=none
dd if=pattern of=disk bs=512 seek=8 conv=notrunc status=none
start --lun=other,lun=2 --lun=disk,lun=0 --num-queues=2
timeout 120 qemu-system-x86_64 -M pc,memory-backend=m -accel kvm -accel tcg -m 64 -nodefaults -display none \
	-object memory-backend-memfd,id=m,size=64M,share=on -chardev socket,id=c,path=s \
	-device vhost-user-scsi-pci,chardev=c,num_queues=2,bootindex=0 -device isa-debug-exit,iobase=0xf4,iosize=4 \
	>qemu.out 2>&1
is $? 85 "QEMU's vhost-user-scsi-pci: the firmware boots from the disk, and writes to it"
check "what it read is what it wrote" cmp pattern <(dd if=disk bs=512 skip=16 count=8 status=none)
stop "QEMU"

# --- the sandbox, which a build with sanitizers has not all of ---
scsi=$top/build/bin/shunt-scsi
units
drive "in the sandbox: commands" scsi-cmd disk "$pid"
is "$(cat /proc/$pid/task/*/status | grep -E '^(CapPrm|CapEff|NoNewPrivs|Seccomp):' | sort -u | tr -s ' \t' ' ')" \
	"$(printf '%s\n' 'CapEff: 0000000000000000' 'CapPrm: 0000000000000000' 'NoNewPrivs: 1' 'Seccomp: 2')" \
	"all threads are in it"
# ticks: of processor time that it has used
ticks() { awk '{ print $14 + $15 }' /proc/$pid/stat; }
before=$(ticks)
sleep 1
check "idle, it does not spin" test $(($(ticks) - before)) -lt 10
stop "in the sandbox"
done_testing

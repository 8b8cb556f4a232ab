#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-blk, driven by the drivers of the tests, by shunt-bench, by QEMU's firmware, and by front-ends that
# do not keep to the protocol.
#
# BLK=program	the process (build/san/bin/shunt-blk, else build/bin/shunt-blk)
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/tap.sh"
build=$top/build/san
[ -x "$build/bin/shunt-blk" ] || build=$top/build
blk=${BLK:-$build/bin/shunt-blk}
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
	local old

	old=$(stat -c %i s 2>/dev/null)
	"$blk" --socket-path=s "$@" 2>err &
	pid=$!
	for _ in {1..100}; do
		[ "$(stat -c %i s 2>/dev/null)" = "$old" ] || return 0
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
	is "$(cat err)" "" "$1: nothing to complain of"
}

# bad WORDS ARGUMENTS...: one line with WORDS, status 1, no socket
bad() {
	local want=$1 out

	shift
	out=$(timeout 10 "$blk" "$@" 2>&1 >/dev/null)
	is "$?.$(wc -l <<<"$out")" 1.1 "$*: status 1, one line"
	like "$out" "^shunt-blk: .*$want" "$*: it says why"
	check "$*: no socket" test ! -e s
}

truncate -s 16M disk

# --- the command line ---
bad "one of --blk-file=FILE and --blk-fd=N is needed" --socket-path=s
bad "one of --blk-file=FILE and --blk-fd=N is needed" --socket-path=s --blk-file=disk --blk-fd=0
bad "--blk-fd=x: it takes the number of an open file" --socket-path=s --blk-fd=x
bad "--blk-fd=77: Bad file descriptor" --socket-path=s --blk-fd=77
bad "--blk-fd=5 .*/disk.: it is not open for writing, which takes --read-only" --socket-path=s --blk-fd=5 5<disk
bad "--blk-fd=5 .*/disk.: it is not open for reading" --socket-path=s --blk-fd=5 --read-only 5>>disk
bad "--blk-fd=5 ./dev/null.: neither a regular file nor a block device" --socket-path=s --blk-fd=5 5<>/dev/null
bad "one of --socket-path=PATH and --fd=N" --blk-file=disk
bad "one of --socket-path=PATH and --fd=N" --blk-file=disk --socket-path=s --fd=0
bad "--blk-file=nothing: No such file" --socket-path=s --blk-file=nothing
bad "neither a regular file nor a block device" --socket-path=s --blk-file=/dev/null
bad "--fd=77: Bad file descriptor" --fd=77 --blk-file=disk
bad "--discard=x: it takes unmap or ignore" --socket-path=s --blk-file=disk --discard=x
bad "--fd=x: it takes the number of an open socket" --fd=x --blk-file=disk
bad "--num-queues=0: it takes a number from 1 to 64" --socket-path=s --blk-file=disk --num-queues=0
bad "--num-queues=65: it takes" --socket-path=s --blk-file=disk --num-queues=65
bad "--poll-us=-1: it takes" --socket-path=s --blk-file=disk --poll-us=-1
bad "--cache=unsafe: it takes none or writeback" --socket-path=s --blk-file=disk --cache=unsafe
bad "--serial=.*: it takes at most 20 bytes" --socket-path=s --blk-file=disk --serial=123456789012345678901
bad "--wat: unknown option" --socket-path=s --blk-file=disk --wat
bad "--blk-file: it takes a value" --socket-path=s --blk-file
bad "more: not an option" --socket-path=s --blk-file=disk more
bad "File name too long" --socket-path="$(printf '%0200d' 0)" --blk-file=disk
like "$("$blk" --help)" "^Usage: shunt-blk " "--help"
is "$("$blk" --print-capabilities --nonsense | python3 -c 'import json, sys; print(json.load(sys.stdin)["type"])')" \
	block "--print-capabilities is JSON, and other options do not matter"

# --- sockets, locks ---
bad "disk: Address already in use" --socket-path=disk --blk-file=disk
start --blk-file=disk
check "it listens" test -S s
touch other
like "$("$blk" --socket-path=s --blk-file=other 2>&1)" "s: Address already in use" "a socket that is in use"
like "$("$blk" --socket-path=s2 --blk-file=disk 2>&1)" "disk: it is locked" "a disk that is in use"
like "$("$blk" --socket-path=s2 --blk-file=disk --read-only 2>&1)" "disk: it is locked" "not even to be read"
like "$(timeout 20 qemu-storage-daemon --blockdev driver=file,filename=disk,node-name=d,locking=on \
	--export type=vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=q,writable=on 2>&1)" "lock" \
	"QEMU sees the lock"
kill -9 $pid
wait $pid 2>/dev/null
check "killed, it leaves its socket" test -S s
start --blk-file=disk --read-only
check "the next one takes it away" "$bench" blk --device s --file disk --wait call --warmup 0 --count 10
"$blk" --socket-path=s2 --blk-file=disk --read-only &
second=$!
for _ in {1..50}; do [ ! -S s2 ] || break; sleep 0.1; done
check "readers share a disk" test -S s2
kill $second
wait $second
stop "read-only"

# --- a file that is open already ---
# flags NUMBER: of the disk's descriptor
flags() { echo $((0$(sed -n 's/^flags:\t//p' "/proc/$pid/fdinfo/5") & $1)); }
start --blk-fd=5 5<>disk
mv disk gone
check "--blk-fd: writes" "$bench" blk --device s --file gone --wait call --warmup 0 --rw write --count 100
mv gone disk
like "$("$blk" --socket-path=s2 --blk-file=disk 2>&1)" "disk: it is locked" "--blk-fd: it is locked"
stop "--blk-fd"
start --blk-fd=5 --read-only 5<disk
"$blk" --socket-path=s2 --blk-fd=6 --read-only 6<disk &
second=$!
for _ in {1..50}; do [ ! -S s2 ] || break; sleep 0.1; done
check "--blk-fd: readers share a disk" test -S s2
kill $second
wait $second
stop "--blk-fd --read-only"
exec 5>>disk 6<>disk
start --blk-fd=5 --read-only 5<&6
check "--blk-fd: one that could be written to, with --read-only" \
	"$bench" blk --device s --file disk --wait call --warmup 0 --count 10
exec 5>&- 6>&-
stop "--blk-fd, writable, --read-only"
if start --blk-fd=5 --cache=none 5<>disk; then
	check "--blk-fd --cache=none: O_DIRECT" test "$(flags 040000)" -gt 0
	check "--blk-fd --cache=none: reads" "$bench" blk --device s --file disk --wait call --warmup 0 --count 10
	stop "--blk-fd --cache=none"
else
	like "$(cat err)" "--blk-fd=5 .*: cache=none: its file system has no O_DIRECT" "--blk-fd --cache=none: refused"
	pid=''
fi

# --- requests: the drivers of /dev/vhost-blk's tests ---
# requests TEXT FILE OPTION ARGUMENTS...: OPTION is the drivers'
requests() {
	local what=$1 file=$2 opt=$3 p layout

	shift 3
	start --blk-file="$file" --serial="a serial of twenty.." --num-queues=4 "$@"
	for layout in "" packed; do
		for p in blk-req blk-data:-q; do
			check "$what${layout:+, $layout}: $p" env BLK_SOCKET=s DRIVER_LAYOUT=$layout timeout 120 \
				"$build/tests/driver/${p%:*}" $([[ $p != *:* ]] || echo "${p#*:}") $opt "$file"
		done
	done
	stop "$what"
}

requests "a file" disk ""
requests "a file, polling" disk "" --poll-us=50
mkdir mnt
if mount -t tmpfs tmpfs mnt 2>/dev/null && mounted=1 && truncate -s 16M mnt/file &&
   loop=$(losetup -f --show mnt/file 2>/dev/null); then
	requests "a loop device, O_DIRECT" "$loop" -d --cache=none
	losetup -d "$loop"
	loop=$(losetup -f --show -b 4096 mnt/file)
	requests "a loop device with blocks of 4096" "$loop" -d --cache=none
else
	skip "a loop device" "no rights to make one"
fi

# --- shunt-bench ---
start --blk-file=disk --num-queues=2
check "every block written" "$bench" blk --device s --file disk --wait call --depth 4 --warmup 0 --rw write --count 4096 \
	--indirect
is "$(tr -d 'Z' <disk | wc -c)" 0 "they are in the file"
for how in "" "--packed" "--queues 2" "--packed --queues 2 --indirect"; do
	# shellcheck disable=SC2086 # words
	check "random reads $how" "$bench" blk --device s --file disk --wait call --depth 32 --count 2000 $how
done
stop "shunt-bench"

# --- QEMU, and its firmware's driver ---
as --32 "$top/tests/unit/bootdisk.S" -o boot.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o boot boot.o
head -c 4096 /dev/urandom >pattern
truncate -s 0 disk
truncate -s 16M disk
dd if=boot of=disk conv=notrunc status=none
dd if=pattern of=disk bs=512 seek=8 conv=notrunc status=none
start --blk-file=disk --num-queues=2
timeout 120 qemu-system-x86_64 -M pc,memory-backend=m -accel kvm -accel tcg -m 64 -nodefaults -display none \
	-object memory-backend-memfd,id=m,size=64M,share=on -chardev socket,id=c,path=s \
	-device vhost-user-blk-pci,chardev=c,num-queues=2,bootindex=0 -device isa-debug-exit,iobase=0xf4,iosize=4 \
	>qemu.out 2>&1
is $? 85 "QEMU's vhost-user-blk-pci: the firmware boots from the disk, and writes to it"
check "what it read is what it wrote" cmp pattern <(dd if=disk bs=512 skip=16 count=8 status=none)
stop "QEMU"

# --- the sandbox, which a build with sanitizers has not all of ---
blk=$top/build/bin/shunt-blk
start --blk-file=disk --num-queues=4 --serial="a serial of twenty.."
check "in the sandbox: blk-req" env BLK_SOCKET=s timeout 120 "$top/build/tests/driver/blk-req" disk
for layout in "" packed; do
	check "in the sandbox${layout:+, $layout}: blk-data" env BLK_SOCKET=s DRIVER_LAYOUT=$layout timeout 120 \
		"$top/build/tests/driver/blk-data" disk
done
for depth in 1 128 2; do
	check "in the sandbox: reads, $depth at a time" \
		"$bench" blk --device s --file disk --wait call --depth $depth --count 20000 --queues 2
done
is "$(cat /proc/$pid/task/*/status | grep -E '^(CapPrm|CapEff|NoNewPrivs|Seccomp):' | sort -u | tr -s ' \t' ' ')" \
	"$(printf '%s\n' 'CapEff: 0000000000000000' 'CapPrm: 0000000000000000' 'NoNewPrivs: 1' 'Seccomp: 2')" \
	"all threads are in it"
if unshare -m true 2>/dev/null || unshare -Um true 2>/dev/null; then
	is "$(ls -A /proc/$pid/root)" "" "its root directory is empty"
else
	skip "its root directory is empty" "no mount namespaces here"
fi
# ticks: of processor time that it has used
ticks() { awk '{ print $14 + $15 }' /proc/$pid/stat; }
before=$(ticks)
sleep 1
check "idle, it does not spin" test $(($(ticks) - before)) -lt 10
stop "in the sandbox"

# --- guest memory as registered buffers ---
# pinned CODE: Python that has a front-end f, and pin() for KiB that the process has pinned
pinned() {
	PYTHONPATH=$top/tests/unit timeout 60 python3 -c "
import re, sys
from vhost_user import *
def pin():
    return int(re.search(r'VmPin:\s+(\d+)', open('/proc/%s/status' % sys.argv[1]).read())[1])
with Front('s') as f:
$1" "$pid"
}
start --blk-file=disk --fixed-buffers --cache=none --num-queues=4 --serial="a serial of twenty.."
check "--fixed-buffers: memory is pinned while a ring runs, and once for each" pinned "
    f.setup()
    f.get_id()
    assert pin() == f.size >> 10, pin()
    f.base()
    assert pin() == 0, pin()
    f.start()
    assert f.get_id() is not None and pin() == f.size >> 10
"
check "--fixed-buffers: blk-req" env BLK_SOCKET=s timeout 120 "$top/build/tests/driver/blk-req" disk
check "--fixed-buffers: blk-data" env BLK_SOCKET=s timeout 120 "$top/build/tests/driver/blk-data" disk
for rw in randread randwrite; do
	check "--fixed-buffers: $rw" "$bench" blk --device s --file disk --wait call --depth 32 --queues 2 --rw $rw --count 20000
done
kill $pid
wait $pid
pid=''
if setpriv --bounding-set=-sys_resource true 2>/dev/null; then
	# What may not be pinned is not; nor is it needed.
	setpriv --bounding-set=-sys_resource prlimit --memlock=4194304:4194304 "$blk" --socket-path=s --blk-file=disk \
		--fixed-buffers 2>err &
	pid=$!
	for _ in {1..50}; do [ ! -S s ] || break; sleep 0.1; done
	check "--fixed-buffers: without the right to, it goes without" pinned "
    f.size = 64 << 20
    os.ftruncate(f.fd, f.size)
    f.setup()
    f.get_id()
    assert pin() == 0, pin()
"
	kill $pid
	wait $pid
	pid=''
	like "$(cat err)" "guest memory cannot be registered.*RLIMIT_MEMLOCK" "--fixed-buffers: it says so"
else
	skip "--fixed-buffers: without the right to, it goes without" "no right to give rights up"
	skip "--fixed-buffers: it says so" "no right to give rights up"
fi
blk=${BLK:-$build/bin/shunt-blk}

# --- a socket from outside ---
# given CODE: Python that has the process's arguments for a socket, and a bench for another
given() {
	timeout 60 python3 -c "
import os, socket, subprocess, sys
blk, bench = sys.argv[1:]
def process(s):
    return subprocess.Popen([blk, '--fd=%d' % s.fileno(), '--blk-file=disk'], pass_fds=[s.fileno()])
$1" "$blk" "$bench"
}

check "--fd, listening; the socket is not its own, and stays" given "
s = socket.socket(socket.AF_UNIX)
s.bind('given')
s.listen()
p = process(s)
subprocess.run([bench, 'blk', '--device', 'given', '--file', 'disk', '--warmup', '0', '--count', '10'], check=True)
p.terminate()
assert p.wait(10) == 0 and os.path.exists('given')
"
rm -f given
check "the socket of systemd's activation; nobody else's" given "
s = socket.socket(socket.AF_UNIX)
s.bind('given')
s.listen()
def activated(pid):
    return subprocess.Popen(['sh', '-c', 'LISTEN_FDS=1 LISTEN_PID=%s exec \"\$0\" --blk-file=disk' % pid, blk], pass_fds=[3])
os.dup2(s.fileno(), 3, inheritable=True)
p = activated('\$\$')
subprocess.run([bench, 'blk', '--device', 'given', '--file', 'disk', '--warmup', '0', '--count', '10'], check=True)
p.terminate()
assert p.wait(10) == 0
assert activated(1).wait(10) == 1
"
check "--fd, connected: it ends with its front-end" given "
a, b = socket.socketpair()
p = process(b)
b.close()
a.close()
assert p.wait(10) == 0
"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Disks on processes: a guest that writes and compares, the processes it has meanwhile, and what is left of them.
# Needs /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
need_kvm
cd "$tmp" || exit 1
bin=${shunt%/*}
base=(-m 32 -nodefaults -display none -no-reboot -device isa-debug-exit,iobase=0x501,iosize=0x4
      -kernel "$top/build/payload/virtio_blk.elf")

# children PID: what runs below it, by name
children() { pgrep -l -P "$1" | cut -d' ' -f2- | sort | tr '\n' ' '; }

# start APPEND ARGUMENTS...: in the background
start() {
	: > out
	"${as[@]}" "$shunt" "${base[@]}" -serial file:out -append "$1" "${@:2}" < /dev/null > /dev/null 2> err &
	pid=$!
}

# gone PID TEXT: within a while
gone() {
	for ((i = 0; i < 100; i++)); do
		kill -0 "$1" 2> /dev/null || break
		sleep 0.05
	done
	check "$2" test ! -e "/proc/$1"
}

as=()
truncate -s 1M disk

start "blocks=64 seconds=1" -drive file=disk,if=virtio,format=raw
check "a guest writes" ready
is "$(children $pid)" "shunt-blk " "a drive without more is a process"
child=$(pgrep -P "$pid")
is "$(tr '\0' ' ' < "/proc/$child/cmdline")" "shunt-blk --fd=3 --blk-fd=4 --num-queues=1 --cache=writeback --discard=ignore " \
	"which is told of it"
is "$(readlink "/proc/$child/fd/0" "/proc/$child/fd/1" | tr '\n' ' ')" "/dev/null /dev/null " \
	"has nobody's input and output"
check "a session of its own" test "$(ps -o sid= -p "$child")" -eq "$child"
like "$("$bin/shunt-blk" --socket-path=s --blk-file=disk 2>&1)" "it is locked" "and the lock of the file"
verdict "what it wrote is there"
gone "$child" "the process ends with the guest"
is "$(cat err)" "" "nothing was said"
check "the file holds it" grep -qc . disk

for how in "packed indirect,packed=on" "event depth=16,ioeventfd=off,serial=s,queue-size=128,num-queues=4"; do
	start "blocks=64 ${how%%,*}" -drive file=disk,if=none,id=d,format=raw,cache=writethrough \
		-device "virtio-blk-pci,drive=d,${how#*,}"
	verdict "$how: a guest is content"
done

if [ "$(id -u)" = 0 ]; then
	chmod 755 . && chmod 666 disk && touch out err && chmod 666 out err
	as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	group=$(stat -c %g /dev/kvm)
	[ -n "$(setpriv --reuid=65534 --regid=65534 --clear-groups test -w /dev/kvm && echo 1)" ] ||
		as=(setpriv --reuid=65534 --regid=65534 --groups="$group")
	start "blocks=64" -drive file=disk,if=virtio,format=raw
	verdict "without root"
	is "$(cat err)" "" "nothing was said there"
	as=()
else
	skip "without root" "this is not root"
fi

# killed APPEND DEVICE-OPTIONS: the process, while the guest writes and compares
killed() {
	local n=0

	start "$1 seconds=2" -drive file=disk,if=none,id=d,format=raw -device "virtio-blk-pci,drive=d,id=b$2"
	ready
	while kill -0 "$pid" 2> /dev/null; do
		sleep "0.$((RANDOM % 3 + 2))"
		! kill -9 "$(pgrep -x -P "$pid" shunt-blk)" 2> /dev/null || n=$((n + 1))
	done
	verdict "${1:-split}: its process killed $n times, a guest is content"
	check "${1:-split}: it was killed" test $n -ge 3
	is "$(grep -vc 'warning: virtio-blk-pci.b: shunt-blk ([0-9]*) was killed by signal 9$' err)" 0 \
		"${1:-split}: a line each, and no other"
}
killed "" ""
killed "packed indirect event" ,packed=on

# What has the name by then is another file, or nothing at all.
truncate -s 1M other
for how in "mv other disk" "rm disk"; do
	exec 7< disk
	start "blocks=64 seconds=1" -drive file=disk,if=none,id=d,format=raw -device virtio-blk-pci,drive=d,id=b
	ready
	$how
	kill -9 "$(pgrep -x -P "$pid" shunt-blk)"
	verdict "$how, and its process killed: a guest is content"
	is "$(grep -c 'was killed by signal 9$' err).$(wc -l < err)" 1.1 "$how: a line"
	check "$how: the file has it" test "$(tr -d '\0' <&7 | wc -c)" -gt 0
	[ ! -e disk ] || check "$how: the other has not" cmp -n 1M disk /dev/zero
	exec 7<&-
done
truncate -s 1M disk

mkdir mine
cp "$shunt" "$bin/shunt-blk" mine
shunt=$tmp/mine/shunt
start "seconds=60" -drive file=disk,if=virtio,format=raw
ready
printf '#!/bin/sh\nexit 1\n' > mine/new
chmod +x mine/new
mv mine/new mine/shunt-blk
kill -9 "$(pgrep -x -P "$pid" shunt-blk)"
wait "$pid"
is $? 3 "one that cannot be started again: the guest hears of it"
like "$(cat err)" "its process ends as soon as it is started: the device needs a reset" "which is said"
like "$(cat out)" "not ok .*the device needs no reset" "by a device that needs a reset"
shunt=$bin/shunt

start "seconds=60" -drive file=disk,if=virtio,format=raw
ready
child=$(pgrep -P "$pid")
kill -INT -"$child" 2> /dev/null
kill "$pid"
wait "$pid"
is $? 0 "SIGTERM: a clean end"
gone "$child" "SIGTERM: no process is left"

start "seconds=60" -drive file=disk,if=virtio,format=raw
ready
child=$(pgrep -P "$pid")
kill -9 "$pid"
wait "$pid" 2> /dev/null
gone "$child" "killed: the process goes, too"

start "seconds=60" -drive file=disk,if=virtio,format=raw
ready
child=$(pgrep -P "$pid")
kill -STOP "$child"
kill "$pid"
wait "$pid"
is $? 0 "a process that does not answer: shunt ends"
gone "$child" "and so does it"

if [ ! -e /dev/vhost-blk ]; then
	start "blocks=64" -drive file=disk,if=none,id=d,format=raw -device virtio-blk-pci,drive=d,vhost=on,id=b
	verdict "vhost=on without the module: a process"
	is "$(wc -l < err)" 1 "one line"
	like "$(cat err)" "virtio-blk-pci.b: no /dev/vhost-blk: load the module vhost_blk .*; until then shunt-blk serves it" \
		"which says so"
	bad "no /dev/vhost-blk: load the module vhost_blk" "${base[@]}" -drive file=disk,if=none,id=d,format=raw \
		-device virtio-blk-pci,drive=d,vhostforce=on
else
	skip "vhost=on without the module" "/dev/vhost-blk is there"
fi
done_testing

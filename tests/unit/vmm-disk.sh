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
path=$PATH
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

for how in "legacy event indirect,disable-modern=on" "legacy depth=16,disable-legacy=off,ioeventfd=off,num-queues=2"; do
	start "blocks=64 ${how%%,*}" -drive file=disk,if=none,id=d,format=raw -device "virtio-blk-pci,drive=d,${how#*,}"
	verdict "$how: a guest is content"
done
base[-1]=$top/build/payload/virtio_legacy.elf
start legacy -drive file=disk,if=none,id=d,format=raw -device virtio-blk-pci,drive=d,num-queues=4,disable-legacy=off
verdict "the legacy interface, as old drivers use it, and as none should"
is "$(grep -cv "Bad address: the device needs a reset" err)" 0 "nothing else was said"
base[-1]=$top/build/payload/virtio_blk.elf

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

# --- images, which qemu-storage-daemon reads ---

if command -v qemu-storage-daemon qemu-img > /dev/null; then
	qemu-img create -q -f qcow2 base.qcow2 1M
	qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 ./a,b.qcow2
	base_sum=$(md5sum < base.qcow2)
	start "blocks=64 seconds=1" -smp 2 -drive file=a,,b.qcow2,if=virtio,format=qcow2,cache=none,discard=unmap
	ready
	is "$(children $pid)" "qemu-storage-da " "qcow2: the storage daemon of QEMU"
	child=$(pgrep -P "$pid")
	like "$(timeout 10 qemu-storage-daemon --blockdev qcow2,node-name=d,file.driver=file,file.filename=./a,,b.qcow2 2>&1)" \
		'Failed to get .* lock' "qcow2: it has the image's lock"
	verdict "qcow2 on another qcow2: a guest is content"
	gone "$child" "qcow2: the process ends with the guest"
	is "$(cat err)" "" "qcow2: nothing was said"
	is "$(md5sum < base.qcow2)" "$base_sum" "qcow2: what is below was only read"
	check "qcow2: it is in order" qemu-img check -q ./a,b.qcow2

	qemu-img create -q -f vmdk i.vmdk 1M
	qemu-img create -q -f vdi i.vdi 1M
	for f in vmdk vdi; do
		start "blocks=64 seconds=0" -drive file=i.$f,if=virtio,format=$f
		verdict "$f: a guest is content"
	done

	start "blocks=64 seconds=1 again" -drive file=base.qcow2,if=none,id=d,format=qcow2 -device virtio-blk-pci,drive=d,id=b
	ready
	kill -9 "$(pgrep -x -P "$pid" qemu-storage-da)"
	verdict "qcow2: killed, and the device reset: a guest is content"
	like "$(cat out)" "^# again" "qcow2: killed: it was reset"
	like "$(cat err)" "no INFLIGHT_SHMFD.: the device needs a reset" "qcow2: killed: it is said why"

	start "seconds=60 again" -drive file=base.qcow2,if=virtio,format=qcow2
	ready
	mv base.qcow2 moved
	kill -9 "$(pgrep -x -P "$pid" qemu-storage-da)"
	wait "$pid"
	is $? 3 "qcow2: another file of its name is not taken"
	like "$(cat err)" "-drive virtio0: base.qcow2 is another file by now, or none" "which is said"
	mv moved base.qcow2

	start "seconds=60" -drive file=base.qcow2,if=virtio,format=qcow2
	ready
	child=$(pgrep -P "$pid")
	kill -9 "$pid"
	wait "$pid" 2> /dev/null
	gone "$child" "qcow2: shunt killed: the process goes, too"

	q=(-drive file=base.qcow2,if=none,id=d,format=qcow2 -device)
	run "${base[@]}" -drive file=base.qcow2,if=virtio,format=vmdk
	is "$got.$(wc -l < err)" 1.1 "an image of another format: one line"
	like "$(cat err)" "qemu-storage-daemon: .*VMDK" "of the storage daemon"
	bad "format=qcow2: vhost_blk takes raw" "${base[@]}" "${q[@]}" virtio-blk-pci,drive=d,vhost=on
	bad "format=qcow2: vhost_blk takes raw" "${base[@]}" "${q[@]}" vhost-blk-pci,drive=d
	bad "serial=s: qemu-storage-daemon" "${base[@]}" "${q[@]}" virtio-blk-pci,drive=d,serial=s
	PATH=/none
	run=$(/usr/bin/timeout 20 "$shunt" "${base[@]}" "${q[@]}" virtio-blk-pci,drive=d 2>&1)
	PATH=$path
	like "$run" "no qemu-storage-daemon beside shunt or in PATH .Debian: package qemu-system-common." "without it: what to install"
	is "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'shunt-??????' | wc -l)" 0 "no folder of a socket is left"
else
	skip "images" "no qemu-storage-daemon or no qemu-img"
fi

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

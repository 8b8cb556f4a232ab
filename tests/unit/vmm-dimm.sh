#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pc-dimm: memory that is there, and that comes while a guest runs, and its disk with it: processes of ours, one that takes
# regions one by one, and one that takes tables only. Needs /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
. "$(dirname "$0")/vmm-devs-env"
need_kvm
cd "$tmp" || exit 1
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$tmp"' EXIT
truncate -s 1M disk
disk=(-drive file=disk,if=virtio,format=raw)
mem=(-m 32,slots=3,maxmem=1G)

# plug N: one of 128 MiB more
plug() { echo "$(monitor "object_add memory-backend-memfd,id=m$1,size=128M")$(monitor "device_add pc-dimm,id=d$1,memdev=m$1")"; }

for ring in split packed; do
	start dimm "dimms=2 $ring" "${mem[@]}" -drive file=disk,if=none,id=d,format=raw \
		-device virtio-blk-pci,drive=d,packed=$([ $ring = packed ] && echo on || echo off) -device virtio-rng-pci
	ready
	is "$(plug 0)" "" "$ring: memory is added"
	check "$ring: the guest takes it" guest_says "# plugged 0"
	is "$(plug 1)" "" "$ring: and more of it"
	verdict "$ring: the guest has all of it, and its disk"
	is "$(cat err)" "" "$ring: nothing was said"
done

start dimm "dimms=2 there=1" "${mem[@]}" "${disk[@]}" -object memory-backend-ram,id=m,size=256M -device pc-dimm,id=d,memdev=m \
	-object memory-backend-file,id=f,size=128M,mem-path="$tmp"
ready
is "$(monitor "info memory-devices" | tr -d '\r' | tr '\n' '|')" \
	'Memory device [dimm]: "d"|  addr: 0x100000000|  slot: 0|  memdev: m|  size: 268435456|  hotplugged: false|' \
	"one that is there from the start is told of"
is "$(monitor "device_add pc-dimm,memdev=f")" "" "the memory of a file"
check "comes" guest_says "# plugged 1"
like "$(monitor "info memory")" "memory: 416 MiB" "the monitor has the sum"
old=$(pgrep -x -P "$pid" shunt-blk)
kill -9 "$old"
new_process shunt-blk "$old"
is "$(plug 2)" "" "a process is killed, and more is added"
verdict "the next one has all of it"
is "$(grep -vc "was killed by signal 9$" err)" 0 "nothing else was said"

# A process that takes tables only, and is told of the device's memory before the guest is
if command -v qemu-storage-daemon > /dev/null; then
	truncate -s 1M disk2
	qemu-storage-daemon --blockdev file,filename=disk2,node-name=f --export vhost-user-blk,id=e,node-name=f,addr.type=unix,addr.path=q,writable=on &
	peer=$!
	for ((i = 0; i < 100; i++)); do [ ! -S q ] || break; sleep 0.05; done
	start dimm "dimms=1" "${mem[@]}" -chardev socket,id=c,path=q -device vhost-user-blk-pci,chardev=c
	ready
	is "$(plug 0)" "" "qemu-storage-daemon: memory is added"
	verdict "qemu-storage-daemon: the guest is content"
	kill "$peer"
	wait "$peer"
else
	skip "qemu-storage-daemon" "it is not installed"
fi

# --- what is refused ---

start exit "" "${mem[@]}" -S -device virtio-balloon-pci
for ((i = 0; i < 200; i++)); do [ ! -S mon ] || break; sleep 0.05; done
plug 0 > /dev/null
like "$(monitor "device_add pc-dimm,memdev=m0")" "^Error: .*memdev=m0 is in use" "memory is plugged once"
like "$(monitor "device_add pc-dimm,memdev=no")" "^Error: .*memdev=no: no such -object" "what there is not cannot be plugged"
like "$(monitor "device_add pc-dimm")" "^Error: .*memdev" "nor can nothing"
like "$(monitor "device_add virtio-rng-pci")" "^Error: .*only pc-dimm can be added" "nor can other devices"
like "$(monitor "object_add memory-backend-memfd,id=m0,size=128M")" "^Error: .*id m0 given twice" "an id is there once"
like "$(monitor "object_add memory-backend-memfd,id=x,size=1")" "^Error: .*size" "sizes are checked"
monitor "object_add memory-backend-memfd,id=small,size=64M" > /dev/null
like "$(monitor "device_add pc-dimm,memdev=small")" "^Error: .*not a multiple of 128M" "so are those of what is plugged"
monitor "object_add memory-backend-memfd,id=big,size=1G" > /dev/null
like "$(monitor "device_add pc-dimm,memdev=big")" "^Error: .*more than -m maxmem= leaves, 864M" "maxmem= is all there may be"
plug 1 > /dev/null
plug 2 > /dev/null
monitor "object_add memory-backend-memfd,id=m3,size=128M" > /dev/null
like "$(monitor "device_add pc-dimm,memdev=m3")" "^Error: .*no slot is free" "slots= is how many there may be"
like "$(monitor "info balloon")" "balloon: actual=416" "a balloon counts it"
kill "$pid"
wait "$pid"
exit=(-kernel "$top/build/payload/exit.elf")
bad "there are no slots for it" "${base[@]}" "${exit[@]}" -object memory-backend-ram,id=m,size=128M \
	-machine memory-backend=m -device pc-dimm,memdev=n
bad "slots= goes with maxmem=" -m 32,slots=2
bad "slots= goes with maxmem=" -m 32,slots=2,maxmem=32
bad "slots" -m 32,slots=7,maxmem=1G
bad "nothing uses it" "${base[@]}" "${exit[@]}" -object memory-backend-ram,id=m,size=128M
done_testing

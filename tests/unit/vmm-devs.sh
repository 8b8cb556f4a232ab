#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# virtio-rng-pci and virtio-balloon-pci on processes: options, sources, the monitor, and processes that are killed. Needs
# /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
. "$(dirname "$0")/vmm-devs-env"
need_kvm
cd "$tmp" || exit 1
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$tmp"' EXIT

# --- entropy ---

start virtio_rng "" -m 32 -device virtio-rng-pci
verdict "rng: entropy comes without a source being named"
is "$(cat err)" "" "rng: nothing is said"
start virtio_rng packed -m 32 -object rng-random,id=r,filename=/dev/random -device virtio-rng-pci,rng=r,packed=on
verdict "rng: from a source, packed rings"
start virtio_rng "rounds=12" -m 32 -object rng-builtin,id=r -device virtio-rng,rng=r,max-bytes=64,period=100
ready
is "$(tr '\0' ' ' < "/proc/$(pgrep -P "$pid")/cmdline")" "shunt-rng --fd=3 --max-bytes=64 --period=100 " "rng: its process"
from=${EPOCHREALTIME/./}
verdict "rng: a limit"
check "rng: which takes its time" test $((${EPOCHREALTIME/./} - from)) -gt 300000
start virtio_rng "rounds=40 pause=20" -m 32 -device virtio-rng-pci
ready
kill_often shunt-rng 0.2
verdict "rng: killed $n times, entropy comes still"
check "rng: it was killed" test $n -ge 2
bad "-device virtio-rng-pci: rng=r: no such -object" "${base[@]}" -kernel "$top/build/payload/exit.elf" -device virtio-rng-pci,rng=r
bad "-device virtio-rng-pci: max-bytes" "${base[@]}" -kernel x -device virtio-rng-pci,max-bytes=0
bad "-object: id r given twice" "${base[@]}" -kernel x -object rng-builtin,id=r -object rng-random,id=r
bad "-object rng-egd: takes memory-backend-memfd, -file or -ram, rng-builtin or rng-random" -object rng-egd,id=r
run "${base[@]}" -kernel "$top/build/payload/exit.elf" -object rng-random,id=r,filename=/etc/passwd -device virtio-rng-pci,rng=r
is "$got $(cat out err)" "1 shunt-rng: --source=/etc/passwd: it is not a character device" \
	"rng: what is no source is refused by the process, with its line only"

# --- the balloon ---

start virtio_balloon "oom reporting" -m 64 -device virtio-balloon-pci,deflate-on-oom=on,free-page-reporting=on
ready
is "$(monitor "info balloon")" "balloon: actual=64" "balloon: nothing is given at first"
is "$(monitor "balloon 48")" "" "balloon: the monitor has the guest give memory"
check "balloon: it does" guest_says "# actual 4096"
is "$(monitor "info balloon")" "balloon: actual=48" "balloon: which the monitor knows"
old=$(pgrep -x -P "$pid" shunt-balloon)
kill -9 "$old"
new_process shunt-balloon "$old"
result $? "balloon: its process is killed, and started again"
like "$(tr '\0' ' ' < "/proc/$new/cmdline")" "target=16777216 $" "balloon: with the target that it had"
is "$(monitor "info balloon")" "balloon: actual=48" "balloon: and what was given"
monitor "balloon 56M" > /dev/null
check "balloon: the guest takes some of it back" guest_says "# actual 2048"
like "$(monitor "balloon no")" "^Error: takes the memory" "balloon: the monitor refuses what is no size"
monitor "balloon 1G" > /dev/null
verdict "balloon: and all of it"
is "$(grep -vc "warning: virtio-balloon-pci: shunt-balloon ([0-9]*) was killed by signal 9$" err)" 0 \
	"balloon: nothing else was said"
start virtio_balloon "" -m 64 -device virtio-balloon,packed=on
ready
monitor "balloon 60" > /dev/null
check "balloon: packed rings" guest_says "# actual 1024"
monitor "balloon 64" > /dev/null
verdict "balloon: packed rings, and back"
start serial_in "" -m 32
ready
like "$(monitor "info balloon")$(monitor "balloon 16")" \
	"there is no -device virtio-balloon-pci.*there is no -device virtio-balloon-pci" "balloon: the monitor says that there is none"
kill "$pid"
wait "$pid"
bad "there is a balloon already, virtio-balloon-pci.a" "${base[@]}" -kernel "$top/build/payload/exit.elf" \
	-device virtio-balloon-pci,id=a -device virtio-balloon-pci,id=b
done_testing

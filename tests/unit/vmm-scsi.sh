#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# virtio-scsi-pci with disks and CD-ROMs on a process: addresses, what they are made of, and a process that is killed. Needs
# /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
. "$(dirname "$0")/vmm-devs-env"
need_kvm
cd "$tmp" || exit 1
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$tmp"' EXIT
truncate -s 1M a b c,d
truncate -s 2M e
drive() { echo "file=$1,if=none,id=$2,format=raw${3:-}"; }

start virtio_scsi "id=5 lun=2" -m 32 -device virtio-scsi-pci,id=s,num_queues=2 -drive "$(drive a a)" -device scsi-hd,drive=a \
	-drive "$(drive b b ,cache=none)" -device "scsi-hd,drive=b,bus=s.0,channel=0,scsi-id=5,lun=2,product=a,,b,serial=one" \
	-drive "$(drive c,,d c ,media=cdrom)" -device scsi-cd,drive=c -drive "$(drive e e ,discard=unmap)" -device scsi-hd,drive=e,scsi-id=5
ready
is "$(tr -d '\r' < out | sed -n 's/^# unit //p' | tr '\n' ';')" "0 0 disk DISK;1 0 cd CD-ROM;5 0 disk DISK;5 2 disk a,b;" \
	"units get addresses as QEMU gives them"
check "a disk has its size" guest_says "# 2048 blocks"
like "$(tr '\0' '\n' < "/proc/$(pgrep -P "$pid")/cmdline" | sed 1,2d | tr '\n' ' ')" "^--num-queues=2 \
--lun=lun=0,target=0,discard=ignore,serial=[0-9a-f]{16},file=a,fd=4 \
--lun=lun=2,target=5,cache=none,discard=ignore,serial=one,product=a,,b,file=b,fd=5 \
--lun=lun=0,target=1,cd=on,discard=ignore,serial=[0-9a-f]{16},file=c,,d,fd=6 --lun=lun=0,target=5,serial=[0-9a-f]{16},file=e,fd=7 \
--control-fd=8 $" "its process"
verdict "a guest writes, and reads it back"
is "$(cat err)" "" "nothing is said"
is "$(cmp a /dev/zero 2>&1 | grep -c differ) $(cmp b /dev/zero 2>&1 | grep -c differ)" "0 1" "to the disk that it means"

for how in "" packed; do
	start virtio_scsi "seconds=3 $how" -m 32 -drive "$(drive a a)" -device "virtio-scsi-pci,packed=$([ "$how" ] && echo on || echo off)" \
		-device scsi-hd,drive=a
	ready
	kill_often shunt-scsi 0.1
	verdict "${how:-split}: killed $n times, the disk goes on"
	check "${how:-split}: it was killed" test $n -ge 5
	is "$(grep -vc "warning: virtio-scsi-pci: shunt-scsi ([0-9]*) was killed by signal 9$" err)" 0 "${how:-split}: nothing else was said"
done
# What has the name by then is another file, or nothing at all.
truncate -s 1M other
for how in "mv other e" "rm e"; do
	exec 7< e
	start virtio_scsi "seconds=1" -m 32 -drive "$(drive e e)" -device virtio-scsi-pci -device scsi-hd,drive=e
	ready
	$how
	kill -9 "$(pgrep -x -P "$pid" shunt-scsi)"
	verdict "$how, and its process killed: the disk goes on"
	is "$(grep -c 'was killed by signal 9$' err).$(wc -l < err)" 1.1 "$how: a line"
	is "$(cmp /dev/fd/7 /dev/zero 2>&1 | grep -c differ) $(stat -c %b e 2> /dev/null)" "1 $([ ! -e e ] || echo 0)" \
		"$how: it is the same file"
	exec 7<&-
done
# now N: the guest sees a medium, or with 0 none, in time
now() { check "$2" guest_says "# now $1"; : > out; }
truncate -s 4M iso
truncate -s 6M "other iso"
start virtio_scsi "id=3 watch seconds=60" -m 32 -drive "$(drive a a)" -device virtio-scsi-pci -device scsi-hd,drive=a \
	-drive "$(drive iso cd ,media=cdrom)" -device scsi-cd,drive=cd,scsi-id=3
now 2048 "a guest has a CD-ROM"
is "$(monitor "eject cd")" "" "eject"
now 0 "it is out"
like "$(monitor "info block")" "cd: \[not inserted\]" "the monitor says so"
is "$(monitor "change cd other iso")" "" "change"
now 3072 "there is another one"
mv "other iso" renamed
kill -9 "$(pgrep -x -P "$pid" shunt-scsi)"
check "its process is killed" new_process shunt-scsi ""
is "$(monitor "eject cd")" "" "eject, of the next process"
now 0 "it is out again"
kill -9 "$(pgrep -x -P "$pid" shunt-scsi)"
check "killed without a medium" new_process shunt-scsi ""
is "$(monitor "change cd $tmp/iso")" "" "change, of the next process"
now 2048 "there is one again"
like "$(monitor "change cd nothing")" "Error: -drive cd: nothing: No such file" "no such file"
like "$(monitor "change cd a")" "Error: .*in use" "one that is a disk already"
like "$(monitor "change a renamed")" "Error: it is no scsi-cd" "a disk"
like "$(monitor "eject x")" "Error: no drive 'x' with a medium that can be changed" "no such drive"
like "$(monitor "change cd")" "Error: takes the id of a drive and a file" "no file"
kill "$pid"
wait "$pid"
start virtio_scsi "id=3 watch lock seconds=60" -m 32 -drive "$(drive a a)" -device virtio-scsi-pci -device scsi-hd,drive=a \
	-drive "$(drive iso cd ,media=cdrom)" -device scsi-cd,drive=cd,scsi-id=3
now 2048 "locked"
like "$(monitor "eject cd")" "Error: .*the guest has locked it" "eject: the guest is asked"
like "$(monitor "change cd renamed")" "Error: .*the guest has locked it" "change: likewise"
is "$(monitor "eject -f cd")" "" "by force"
now 0 "it is out though it is locked"
kill "$pid"
wait "$pid"
start virtio_scsi "watch seconds=60" -m 32 -drive "$(drive a a)" -device virtio-scsi-pci -device scsi-hd,drive=a
now 2048 "a disk"
is "$(monitor "block_resize a 3M")" "" "block_resize"
now 6144 "it is larger"
kill "$pid"
wait "$pid"
truncate -s 1M a
start virtio_scsi "seconds=60" -m 32 -drive "$(drive a a)" -device virtio-scsi -device scsi-hd,drive=a
ready
like "$(monitor "info block")" "Attached to: *virtio-scsi-pci" "the monitor says who has the drive"
like "$(monitor "info blockstats")" "a: shunt-scsi=[0-9]" "and which process"
kill "$pid"
wait "$pid"
is $? 0 "SIGTERM meanwhile"

k=("${base[@]}" -kernel "$top/build/payload/exit.elf" -drive "$(drive a a)")
hba=(-device virtio-scsi-pci)
hd=(-device scsi-hd,drive=a)
bad "-device scsi-hd: there is no -device virtio-scsi-pci before it" "${k[@]}" "${hd[@]}" "${hba[@]}"
bad "-device scsi-hd: bus=t.0: takes ID.0 of a -device virtio-scsi-pci,id=ID before it" "${k[@]}" "${hba[@]},id=s" "${hd[@]},bus=t.0"
bad "-device virtio-scsi-pci: no scsi-hd or scsi-cd belongs to it" "${k[@]}" "${hba[@]}"
bad "-device scsi-hd: drive=x: no such -drive" "${k[@]}" "${hba[@]}" -device scsi-hd,drive=x
bad "-device scsi-hd: drive=a: in use by virtio-scsi-pci" "${k[@]}" "${hba[@]}" "${hd[@]}" "${hd[@]}"
bad "scsi-id=3,lun=1: there is a unit already" "${k[@]}" -drive "$(drive b b)" "${hba[@]}" "${hd[@]},scsi-id=3,lun=1" \
	-device scsi-hd,drive=b,scsi-id=3,lun=1
bad "scsi-id=256: takes 0 to 255" "${k[@]}" "${hba[@]}" "${hd[@]},scsi-id=256"
bad "lun=16384: takes 0 to 16383" "${k[@]}" "${hba[@]}" "${hd[@]},lun=16384"
bad "serial=: takes 1 to 36 printable characters" "${k[@]}" "${hba[@]}" "${hd[@]},serial="
bad "product=0123456789abcdefg: takes 1 to 16 printable" "${k[@]}" "${hba[@]}" "${hd[@]},product=0123456789abcdefg"
bad "a SCSI disk takes cache=writeback, none or unsafe" "${k[@]}" -drive "$(drive b b ,cache=writethrough)" "${hba[@]}" \
	-device scsi-hd,drive=b
bad "format=qcow2: a SCSI disk takes raw; virtio-blk-pci takes others" "${k[@]}" \
	-drive file=b,if=none,id=b,format=qcow2 "${hba[@]}" -device scsi-hd,drive=b
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt on vhost_blk: a stock guest with two vCPUs, its root file system and four more disks, that reboots, and whose disks grow.
# check on: 6.12
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/tests/lab/guest-watch.sh"
series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
guest=$SHUNT_TOP/build/guest/$series
dir=$(mktemp -d)
vmm= loops=()
cleanup() {
	[ -z "$vmm" ] || kill -9 "$vmm" 2> /dev/null
	wait 2> /dev/null
	umount "$dir/ext4" 2> /dev/null
	[ ${#loops[@]} = 0 ] || losetup -d "${loops[@]}"
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

modprobe -q kvm_amd || modprobe -q kvm_intel
modprobe -q loop
modprobe -q ext4
"$SHUNT_TOP/scripts/load.sh" ours | sed 's/^/# /'
mkdir ext4
truncate -s 160M below
mkfs.ext4 -q -F below
loops+=("$(losetup -f --show below)")
mount "${loops[0]}" ext4
cp --sparse=always "$guest/root-blk.img" root
truncate -s 48M ext4/file block
# the least that an XFS takes
truncate -s 300M plain
dd if=/dev/urandom of=ro bs=1M count=4 2> /dev/null
loops+=("$(losetup -f --show -b 4096 block)")
sum=$(sha256sum < ro | cut -c 1-16)

: > serial
"$SHUNT_TOP/build/bin/shunt" -m 512 -smp 2 -nodefaults -display none -kernel "$guest/vmlinux" \
	-initrd "$guest/initramfs-root-blk" -append "console=ttyS0 quiet panic=-1" -serial file:serial \
	-monitor unix:monitor,server=on,wait=off \
	-drive file=root,if=none,id=root,format=raw \
	-device virtio-blk-pci,drive=root,vhostfd=9,vhost=on,serial=root,num-queues=64,queue-size=1024 \
	-drive file=ext4/file,if=none,id=file,format=raw,cache=none,discard=unmap \
	-device virtio-blk-pci,drive=file,vhost=on,id=vfile,serial=file,disable-modern=on \
	-drive "file=${loops[1]},if=none,id=block,format=raw,discard=on" \
	-device vhost-blk-pci,drive=block,serial=block-with-20-letter,packed=on,num-queues=2,queue-size=128 \
	-drive file=ro,if=none,id=ro,format=raw,readonly=on \
	-device virtio-blk-pci,drive=ro,vhost=on,serial=ro,num-queues=1,vectors=0 \
	-drive file=plain,if=virtio,format=raw,cache=writethrough < /dev/null 2> err 9<> /dev/vhost-blk &
vmm=$!

heard resize=now 400
is "$(pgrep -P "$vmm" -l | cut -d" " -f2)" shunt-blk "a process for the one without vhost=on"
check "one worker a queue, of each of the others" test "$({
	cat /proc/$vmm/task/*/comm; pgrep -x "vhost-$vmm" | sed "s/.*/vhost-$vmm/"
} | grep -cx "vhost-$vmm")" -ge 7
like "$(flock -n -x ext4/file true && python3 -c 'import fcntl
fcntl.lockf(open("ext4/file", "r+b"), fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>&1)" BlockingIOError "a file is locked"
truth=$(lsblk -bdnro SIZE,RO,PHY-SEC,LOG-SEC,MIN-IO,OPT-IO,DISC-GRAN "${loops[1]}" | tr ' ' ,)
held=$(($(stat -c %b ext4/file) * 512 / 1048576)) under=$(($(stat -c %b block) * 512 / 1048576))
"$SHUNT_TOP/tests/monitor.py" monitor "info block" "info blockstats" "block_resize nosuch 1M" "block_resize ro 1M" "block_resize file 1" \
	"block_resize file 64M" > said
truncate -s 64M block
losetup -c "${loops[1]}"
heard done=1 30
sed 's/^/# /' said err
sed -n 's/^GUEST/#/p' serial
for ((i = 0; i < 100; i++)); do
	kill -0 "$vmm" 2> /dev/null || break
	sleep 0.1
done
kill -9 "$vmm" 2> /dev/null && fail "the VMM ends with the guest"
wait "$vmm"
is $? 0 "the guest powered off and the VMM ended with status 0"
vmm=
is "$(cat err)" "" "and had nothing to say"

declare -A r=()
while IFS='=' read -r key value; do
	r[$key]=$value
done < <(tr -d '\r' < serial | sed -n 's/^GUEST //p' | tr ' ' '\n' | grep =)
# guest KEY WANT TEXT
guest() { is "${r[$1]:-}" "$2" "$3"; }
guest root ext4 "root file system: on a disk"
guest first-boot ok "a file: file system made, files written, reboot without unmounting"
guest file-survived 1 "a file: all there after the reboot"
guest file-fsck 1 "a file: the file system is clean"
guest file-sectors 98304 "a file: size"
guest file-block 512 "a file: its file system's device has blocks of 512 bytes"
guest file-queues 2 "a file: a queue for each CPU"
guest file-cache write-back "a file: cache=none is write back"
guest file-discard 1 "a file: discard=unmap offers discards"
guest file-zeroes 1 "a file: and zeroes"
guest block-sectors 98304 "a block device: size"
guest block-block 4096 "a block device: logical block size"
guest block-lsblk "$truth" "a block device: lsblk says what the host's says"
guest block-hdparm "0,98304," "a block device: hdparm"
guest block-queues 2 "a block device: queues as asked for"
guest block-packed 1 "a block device: packed rings as asked for"
guest block-discard 1 "a block device: discard=on offers discards"
guest block-intact 1 "a block device: read back what was written"
guest block-fsck 1 "a block device: the file system is clean"
guest block-trimmed 1 "a block device: fstrim"
guest block-fio 0 "a block device: fio finds what it wrote, 32 at a time, 4 KiB to 256 KiB"
guest plain-cache write-through "if=virtio: cache=writethrough"
guest plain-packed 0 "if=virtio: split rings"
guest plain-discard 0 "if=virtio: without discard=unmap no discards"
guest plain-intact 1 "if=virtio: read back what was written, by XFS"
guest plain-fsck 1 "if=virtio: which is clean"
guest plain-trimmed 0 "if=virtio: fstrim is not possible"
guest ro-ro 1 "readonly=on: the guest knows"
guest ro-hdparm "1,8192," "readonly=on: hdparm"
guest ro-queues 1 "readonly=on: one queue"
guest ro-write 0 "readonly=on: cannot be written"
guest ro-sum "$sum" "readonly=on: read, by INTx"
is "$(sha256sum < ro | cut -c 1-16)" "$sum" "readonly=on: nothing was written"
guest file-wce-off write-through "the guest turns the write cache off"
guest file-wce-on write-back "and on"
guest file-discarded 1 "a file: all of it discarded"
guest file-zero 1 "a file: and reads as zeroes"
guest block-discarded 1 "a block device: all of it discarded"
guest block-zero 1 "a block device: and reads as zeroes"
check "their space is free on the host ($held and $under MiB)" test "$held" -lt 4 -a "$under" -lt 4
guest file-resized 131072 "a file: block_resize reaches the guest"
guest file-end 1 "a file: what is new can be written"
guest block-resized 131072 "a block device: its new size reaches the guest"
is "$(stat -c %s ext4/file)" 67108864 "block_resize made the file larger"
said=$(cat said)
like "$said" "^file: ext4/file \(raw\)" "info block: a drive"
like "$said" "Attached to: +virtio-blk-pci.vfile" "info block: its device"
like "$said" "Cache mode: +writeback, direct" "info block: its cache mode"
like "$said" "^ro: ro \(raw, read-only\)" "info block: a read-only one"
like "$said" "^file: rd_bytes=[1-9][0-9]* wr_bytes=[1-9].* flush_operations=[1-9].* unmap_operations=[1-9]" \
	"info blockstats counts"
like "$said" "no drive 'nosuch'" "block_resize: no such drive"
like "$said" "the drive is read-only" "block_resize: a read-only drive"

refused() { # WORDS TEXT DRIVE [DEVICE-OPTIONS]
	local out rc

	out=$(timeout 20 "$SHUNT_TOP/build/bin/shunt" -nodefaults -display none -kernel "$guest/vmlinux" \
		-drive "if=none,id=d,format=raw,$3" -device "vhost-blk-pci,drive=d${4:-}" 2>&1 8<> /dev/vhost-net)
	rc=$?
	is "$rc $(wc -l <<< "$out")" "1 1" "$2: one line, status 1"
	like "$out" "$1" "$2: the line"
}
refused "vhostfd=8 is not a vhost-blk device" "a device for networks" file=plain ,vhostfd=8
refused "logical_block_size=512: the drive needs 4096" "smaller blocks than it has" "file=${loops[1]}" \
	,logical_block_size=512
blockdev --setro "${loops[1]}"
refused "it can be read; pass readonly=on" "a device that is read-only" "file=${loops[1]}"
# Who gets this loop device next finds it so.
blockdev --setrw "${loops[1]}"
if [ ! -d /sys/module/null_blk ] && modprobe -q null_blk nr_devices=1 gb=1 zoned=1; then
	refused "a zoned device" "a zoned device" file=/dev/nullb0
	rmmod null_blk
else
	skip "a zoned device" "no null_blk with zones"
fi
# More memory, of which the module hears while it serves
: > serial
"$SHUNT_TOP/build/bin/shunt" -m 32,slots=1,maxmem=1G -nodefaults -display none -no-reboot -device isa-debug-exit,iobase=0x501,iosize=0x4 \
	-kernel "$SHUNT_TOP/build/payload/dimm.elf" -serial file:serial -monitor unix:monitor,server=on,wait=off \
	-object memory-backend-ram,id=m,size=128M -drive file=plain,if=none,id=d,format=raw \
	-device virtio-blk-pci,drive=d,vhost=on < /dev/null 2> err &
vmm=$!
for ((i = 0; i < 100; i++)); do
	! grep -q "^# ready" serial || break
	sleep 0.1
done
is "$("$SHUNT_TOP/tests/monitor.py" monitor "device_add pc-dimm,memdev=m")" "" "a guest gets more memory"
wait $vmm
is "$? $(pgrep -P $vmm) $(cat err)" "1  " "the disk reads and writes it"
vmm=
grep "^not ok" serial | sed 's/^/# /'

check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
done_testing

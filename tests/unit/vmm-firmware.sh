#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# SeaBIOS in shunt: it boots from a virtio-blk and a virtio-scsi disk, each served by a process, and again after a reset.
# Needs /dev/kvm.
set -u
. "$(dirname "$0")/vmm-env"
need_kvm
cd "$tmp" || exit 1

run() { # arguments...
	timeout 90 "$shunt" -m 64 -nodefaults -display none -serial file:serial -chardev file,id=d,path=debug \
		-device isa-debugcon,iobase=0x402,chardev=d -device isa-debug-exit,iobase=0xf4,iosize=4 "$@" >out 2>err </dev/null
	got=$?
}

# disk FILE SOURCE: that boots what SOURCE is
disk() {
	as --32 "$top/tests/unit/$2.S" -o boot.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o boot boot.o
	rm -f "$1"
	truncate -s 16M "$1"
	dd if=boot of="$1" conv=notrunc status=none
}

# ended TEXT: the boot sector said that all is well
ended() {
	[ $got = 85 ] && ! [ -s err ]
	result $? "$1"
	[ $got = 85 ] || sed 's/^/# /' debug serial
}

disk blk bootdisk
head -c 4096 /dev/urandom >pattern
dd if=pattern of=blk bs=512 seek=8 conv=notrunc status=none
run -smp 2 -drive file=blk,if=virtio,format=raw
ended "boots from a virtio-blk disk"
check "what it wrote is there" cmp pattern <(dd if=blk bs=512 skip=16 count=8 status=none)
like "$(tr '\n' ' ' <serial)" "SeaBIOS .*Booting from Hard Disk" "the serial port has its words"
debug=$(tr '\n' ' ' <debug)
like "$debug" "Found 2 cpu\(s\)" "it found the other processor"
like "$debug" "table\(50434146\)=.*ACPI: parse DSDT at 0x[0-9a-f]+ \(len [1-9]" "and the ACPI tables"
is "$(grep -ci "error\|overrun" debug)" 0 "and nothing wrong in them"
check "memory ends where it should" grep -q "0000000000100000 - 0000000003f.*= 1 RAM" debug

disk blk bootdisk
dd if=pattern of=blk bs=512 seek=8 conv=notrunc status=none
run -smp 2 -drive file=blk,if=none,id=d,format=raw -device virtio-blk-pci,drive=d,disable-modern=on
ended "and from one that has the legacy interface only"
check "what it wrote is there, too" cmp pattern <(dd if=blk bs=512 skip=16 count=8 status=none)
like "$(tr '\n' ' ' <debug)" "id=1af4:1001 .*using legacy \(0\.9\.5\) virtio mode" "as the firmware saw"

disk scsi bootagain
run -drive file=scsi,if=none,id=s,format=raw -device virtio-scsi-pci,id=h -device scsi-hd,drive=s,bus=h.0
ended "boots from a virtio-scsi disk, resets the machine, and boots again"
is "$(grep -c "^Relocating init" debug)" 2 "firmware began twice"
disk scsi bootagain
run -drive file=scsi,if=none,id=s,format=raw -device virtio-scsi-pci,id=h,disable-modern=on -device scsi-hd,drive=s,bus=h.0
ended "and so from a legacy one"
# The first disk has nothing to boot; firmware tries one disk, and is told which.
truncate -s 1M other
disk blk bootdisk
dd if=pattern of=blk bs=512 seek=8 conv=notrunc status=none
two=(-drive file=other,if=none,id=o,format=raw -device virtio-blk-pci,drive=o -drive file=blk,if=none,id=b,format=raw)
run "${two[@]}" -device virtio-blk-pci,drive=b,bootindex=3 -boot strict=on
ended "bootindex=: the second disk boots"
run "${two[@]}" -device virtio-blk-pci,drive=b,bootindex=3 -device virtio-rng-pci -drive file=scsi,if=none,id=s,format=raw \
	-device virtio-scsi-pci -device scsi-hd,drive=s,bootindex=3
is "$got $(wc -l <err)" "1 1" "one index twice is refused"
like "$(cat err)" "scsi-pci: bootindex=3: another device has it" "and says so"
done_testing

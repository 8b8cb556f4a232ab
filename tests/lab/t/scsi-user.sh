#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-scsi on this kernel's io_uring: driven from user space, and by a stock guest under QEMU, with disks and a CD-ROM.
# check on: 6.1
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
guest=$SHUNT_TOP/build/guest/$series
dir=$(mktemp -d)
pid='' loop=''
cleanup() {
	[ -z "$pid" ] || kill "$pid"
	[ -z "$loop" ] || losetup -d "$loop"
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

# serve ARGUMENTS...: a process that listens at s
serve() {
	"$SHUNT_TOP/build/bin/shunt-scsi" --socket-path=s "$@" 2>err &
	pid=$!
	for _ in {1..100}; do [ ! -S s ] || return; sleep 0.1; done
}

# ended TEXT: SIGTERM, and nothing to complain of
ended() {
	kill "$pid"
	wait "$pid"
	is "$?.$(cat err)" 0. "$1: it ends with status 0, without a word"
	pid=''
}

modprobe -q loop
truncate -s 16M file other cd
truncate -s 128M big
serve --lun=file,target=1,serial=one --lun=other,target=1,read-only=on --lun=cd,target=1,cd=on \
	--lun=big,target=1,lun=300,block-size=4096 --lun=other,target=3,lun=5,read-only=on --num-queues=2
for layout in "" packed; do
	check "commands${layout:+, $layout}" env SCSI_SOCKET=s DRIVER_LAYOUT=$layout \
		timeout 100 "$SHUNT_TOP/build/tests/driver/scsi-cmd" file "$pid"
done
ended "commands"

modprobe -q kvm_amd || modprobe -q kvm_intel
truncate -s 48M file block
truncate -s 0 other
truncate -s 16M other
loop=$(losetup -f --show -b 4096 block)
head -c 1M /dev/urandom >cd
truncate -s 8M cd
cp cd far
truncate -s 16M far
serve --lun=file,serial="a serial" --lun="$loop,cache=none" --lun=other,read-only=on --lun=cd,cd=on \
	--lun=far,target=2,lun=300 --num-queues=2
timeout 200 qemu-system-x86_64 -accel kvm -cpu host -M pc,memory-backend=m -m 512 -smp 2 -display none -vga none \
	-nodefaults -object memory-backend-memfd,id=m,size=512M,share=on -chardev socket,id=c,path=s \
	-device vhost-user-scsi-pci,chardev=c,num_queues=2 -kernel "$guest/vmlinux" \
	-initrd "$guest/initramfs-scsi-user" -append "console=ttyS0 quiet panic=-1" -serial file:serial </dev/null >qemu.out 2>&1
got=$(tr -d '\r' <serial | sed -n 's/^GUEST //p' | tr ' ' '\n')
told() { sed -n "s/^$1=//p" <<<"$got"; }

is "$(told done)" 1 "the guest comes to its end"
is "$(told vendor) $(told model) $(told serial)" "SHUNT DISK 1" "who it is"
is "$(told file-sectors) $(told file-ro) $(told cache) $(told provisioning)" "98304 0 write-back unmap" "a file"
is "$(told block-sectors) $(told block-logical)" "98304 4096" "a block device of larger blocks"
is "$(told readonly-ro) $(told readonly-refused)" "1 1" "one that is read only"
is "$(told far-sectors)" 32768 "target 2, LUN 300"
is "$(told cd-sectors) $(told cd-logical) $(told cd-read)" "16384 2048 1" "a CD-ROM, and what is on it"
is "$(grep '^sg-' <<<"$got" | grep -vc '=1$').$(grep -c '^sg-' <<<"$got")" 0.18 "the commands of sg3-utils"
for key in write-same unmap reset after-reset fio file-intact file-fsck block-intact block-fsck; do
	is "$(told $key)" 1 "$key"
done
[ "$(told done)" = 1 ] || { tail -n 20 serial qemu.out; cat err; } | sed 's/^/# /'
ended "the guest's disks"
done_testing

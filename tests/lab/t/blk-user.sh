#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-blk on this kernel's io_uring: driven from user space, and by a stock guest under QEMU, which has three
# disks from it, its root file system among them, and its entropy from shunt-rng.
# check on: 6.1
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
guest=$SHUNT_TOP/build/guest/$series
bin=$SHUNT_TOP/build/bin
dir=$(mktemp -d)
loop=''
cleanup() {
	# shellcheck disable=SC2046 # numbers
	kill $(jobs -p) 2>/dev/null
	wait 2>/dev/null
	[ -z "$loop" ] || losetup -d "$loop"
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

# serve NAME FILE ARGUMENTS...: a process that listens at NAME.sock
serve() {
	local name=$1 file=$2

	shift 2
	"$bin/shunt-blk" --socket-path="$name.sock" --blk-file="$file" "$@" 2>"$name.err" &
	eval "$name=$!"
	appears "$name"
}

# appears NAME: its socket is there
appears() {
	for _ in {1..100}; do [ ! -S "$1.sock" ] || return; sleep 0.1; done
}

# ended NAME: SIGTERM, and nothing to complain of
ended() {
	local pid=${!1}

	kill "$pid"
	wait "$pid"
	is "$?.$(cat "$1.err")" 0. "$1: it ends with status 0, without a word"
}

modprobe -q loop
truncate -s 48M file block
loop=$(losetup -f --show -b 4096 block)

serve drivers file --serial="a serial of twenty.." --num-queues=4
for layout in "" packed; do
	for p in blk-req blk-data:-q; do
		check "a file${layout:+, $layout}: $p" env BLK_SOCKET=drivers.sock DRIVER_LAYOUT=$layout \
			"$SHUNT_TOP/build/tests/driver/${p%:*}" $([[ $p != *:* ]] || echo "${p#*:}") file
	done
done
ended drivers
serve drivers "$loop" --cache=none --serial="a serial of twenty.." --num-queues=4 --poll-us=30
for p in blk-req blk-data; do
	check "a block device: $p" env BLK_SOCKET=drivers.sock "$SHUNT_TOP/build/tests/driver/$p" -d "$loop"
done
ended drivers

modprobe -q kvm_amd || modprobe -q kvm_intel
cp --sparse=always "$guest/root-blk-user.img" image
serve root image --serial=root
serve disk file --serial=file
serve drive "$loop" --serial=block --cache=none --num-queues=2
"$bin/shunt-rng" --socket-path=rng.sock 2>rng.err &
rng=$!
appears rng
timeout 200 qemu-system-x86_64 -accel kvm -cpu host -M pc,memory-backend=m -m 384 -smp 2 -display none -vga none \
	-nodefaults -object memory-backend-memfd,id=m,size=384M,share=on \
	-chardev socket,id=root,path=root.sock -device vhost-user-blk-pci,chardev=root,num-queues=1 \
	-chardev socket,id=disk,path=disk.sock -device vhost-user-blk-pci,chardev=disk,num-queues=1 \
	-chardev socket,id=drive,path=drive.sock -device vhost-user-blk-pci,chardev=drive,num-queues=2,packed=on \
	-chardev socket,id=rng,path=rng.sock -device vhost-user-rng-pci,chardev=rng \
	-kernel "$guest/vmlinux" -initrd "$guest/initramfs-root-blk-user" -append "console=ttyS0 quiet panic=-1" \
	-serial file:serial </dev/null >qemu.out 2>&1
got=$(tr -d '\r' <serial | sed -n 's/^GUEST //p' | tr ' ' '\n')
told() { sed -n "s/^$1=//p" <<<"$got"; }

is "$(told done)" 1 "the guest comes to its end"
like "$(told root)" "ext[24]" "its root is a disk of ours"
is "$(told file-sectors) $(told file-logical) $(told file-queues)" "98304 512 1" "a file: size, blocks, queues"
is "$(told block-sectors) $(told block-logical) $(told block-queues) $(told block-packed)" "98304 4096 2 1" \
	"a block device: the same, and packed rings"
for d in file block; do
	is "$(told $d-intact) $(told $d-fsck) $(told $d-cache)" "1 1 write-back" "$d: a file system holds"
done
is "$(told file-trimmed)" 1 "a file: discarded blocks"
is "$(told block-fio)" 0 "fio reads what it wrote, 32 requests at a time"
is "$(told rng) $(told rng-bytes) $(told rng-differs)" "virtio_rng.0 4096 1" "entropy"
is "$(told file-wce-off)" write-through "the guest turns the cache off"
[ "$(told done)" = 1 ] || { tail -n 20 serial qemu.out; cat ./*.err; } | sed 's/^/# /'
for d in root disk drive rng; do ended $d; done
done_testing

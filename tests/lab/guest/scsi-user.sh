#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the guest of tests/lab/t/scsi-user.sh: a disk, one with blocks of 4096 bytes, one that is read only, a CD-ROM. What it
# finds goes to the console, a line each: GUEST key=value.
# guest: -M virtio_scsi -M sd_mod -M sr_mod -M sg -M ext4 -p fio -p mkfs.ext4 -p e2fsck
# guest: -p sg_inq -p sg_vpd -p sg_readcap -p sg_luns -p sg_turs -p sg_sync -p sg_modes -p sg_requests
# guest: -p sg_verify -p sg_compare_and_write -p sg_write_same -p sg_unmap -p sg_persist -p sg_reset
say() { echo "GUEST $*"; }
# ok KEY COMMAND...: whether it goes well
ok() {
	key=$1
	shift
	if "$@" >/tmp/out 2>&1; then say "$key=1"; else say "$key=$?"; fi
}
# disk LUN: its name, when it is there
disk() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		d=$(echo /sys/bus/scsi/devices/*:0:"$1"/block/*)
		[ ! -e "$d" ] || { echo "${d##*/}"; return; }
		sleep 0.3
	done
}

file=$(disk 0:0)
block=$(disk 0:1)
readonly=$(disk 0:2)
cd=$(disk 0:3)
# Linux has the way of addressing in the number: 0x4000 and 300
far=$(disk 2:16684)
say "file-sectors=$(cat "/sys/block/$file/size") file-ro=$(cat "/sys/block/$file/ro")"
say "block-sectors=$(cat "/sys/block/$block/size") block-logical=$(cat "/sys/block/$block/queue/logical_block_size")"
say "readonly-ro=$(cat "/sys/block/$readonly/ro")"
say "far-sectors=$(cat "/sys/block/$far/size")"
say "cd-sectors=$(cat "/sys/block/$cd/size") cd-logical=$(cat "/sys/block/$cd/queue/logical_block_size")"
say "cache=$(cat "/sys/block/$file/device/scsi_disk/"*/cache_type | tr ' ' -)"
say "vendor=$(tr -d ' ' <"/sys/block/$file/device/vendor") model=$(tr -d ' ' <"/sys/block/$file/device/model")"
say "provisioning=$(cat "/sys/block/$file/device/scsi_disk/"*/provisioning_mode)"

for t in "inq /dev/$file" "inq /dev/$cd" "vpd -p sv /dev/$file" "vpd -p sn /dev/$file" "vpd -p di /dev/$file" \
	"vpd -p bl /dev/$file" "vpd -p bdc /dev/$file" "vpd -p lbpv /dev/$file" "vpd -p ei /dev/$file" "luns /dev/$file" \
	"readcap /dev/$file" "readcap --long /dev/$file" "turs /dev/$file" "sync /dev/$file" "modes /dev/$file" \
	"modes /dev/$cd" "requests /dev/$file" "verify -c 64 /dev/$file"; do
	# shellcheck disable=SC2086 # words
	ok "sg-$(echo "${t%/dev/*}" | tr -d ' ')$([ "${t##*/}" != "$cd" ] || echo cd)" sg_$t
done
sg_vpd -p sn "/dev/$file" | grep -q "a serial" && say serial=1
ok write-same sg_write_same --10 --lba=4096 --num=64 --in=/dev/zero --xferlen=512 "/dev/$file"
ok unmap sg_unmap --lba=4096 --num=64 "/dev/$file"
ok reset sg_reset -d "/dev/$file"
ok after-reset sg_turs -n 3 "/dev/$file"

for d in "file $file" "block $block"; do
	dev=${d#* } d=${d% *}
	mkfs.ext4 -q -F "/dev/$dev" >/dev/null 2>&1
	mkdir -p /mnt
	mount -t ext4 "/dev/$dev" /mnt
	dd if=/dev/urandom of=/tmp/data bs=64k count=64 2>/dev/null
	cp /tmp/data /mnt/data
	umount /mnt
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext4 "/dev/$dev" /mnt
	ok "$d-intact" cmp /tmp/data /mnt/data
	umount /mnt
	ok "$d-fsck" e2fsck -fn "/dev/$dev"
done
ok fio fio --name=v --filename="/dev/$file" --rw=randwrite --bs=4k --size=4M --iodepth=32 --ioengine=libaio --direct=1 \
	--verify=crc32c --do_verify=1 --verify_fatal=1 --output=/tmp/fio
ok cd-read cmp -n 1048576 "/dev/$cd" "/dev/$far"
dd if=/dev/zero of="/dev/$readonly" bs=4096 count=1 oflag=direct 2>/dev/null || say "readonly-refused=1"
say "done=1"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs inside a stock Debian guest with SCSI disks whose unit serial numbers say what they are: a file, a
# block device, memory, and one with protection information on an adapter of its own. Speaks to whoever
# reads the serial port in lines "GUEST key=value". With guest.reboot=1 the first boot makes a file system and
# reboots without unmounting it.
# guest: -M virtio_scsi -M sd_mod -M sr_mod -M sg -M ext4 -p fio -p mkfs.ext4 -p e2fsck
# guest: -p sg_inq -p sg_vpd -p sg_readcap -p sg_luns -p sg_turs -p sg_sync -p sg_modes -p sg_requests
# guest: -p sg_verify -p sg_compare_and_write -p sg_write_same -p sg_unmap -p sg_persist -p sg_reset
say() { echo "GUEST $*"; }
# yes COMMAND...: 1 or 0, and then its words
yes() {
	"$@" >/tmp/out 2>&1 && { echo 1; return; }
	sed "s/^/GUEST # $1: /" /tmp/out >/dev/console
	echo 0
}

disk() { # disk SERIAL: sdX
	local d

	for d in /sys/block/sd*; do
		# four bytes come before it
		case $(cat "$d/device/vpd_pg80" 2>/dev/null) in *"$1") echo "${d##*/}" ;; esac
	done
}

# wait_disk SERIAL TENTHS: sdX; the adapter is scanned while we run
wait_disk() {
	local i=0 d

	while [ $i -lt "$2" ]; do
		d=$(disk "$1")
		[ -z "$d" ] || { echo "$d"; return; }
		i=$((i + 1))
		sleep 0.1
	done
}

facts() { # facts NAME SDX
	local s=/sys/block/$2

	say "$1-sectors=$(cat $s/size) $1-block=$(cat $s/queue/logical_block_size)" \
		"$1-queues=$(ls $s/mq | wc -l) $1-discard=$(($(cat $s/queue/discard_max_bytes) > 0))" \
		"$1-cache=$(cat $s/device/scsi_disk/*/cache_type | tr ' ' -)" "$1-address=$(basename "$(readlink -f $s/device)")"
}

fill() { # fill FOLDER: a large file and small ones
	local n

	dd if=/dev/urandom of="$1/large" bs=64k count=96 2>/dev/null
	for n in 1 511 512 513 4095 4096 4097; do
		dd if="$1/large" of="$1/$n" bs=$n count=1 skip=$n 2>/dev/null
	done
	(cd "$1" && sha256sum large [0-9]* >sums)
}

intact() { # intact FOLDER: read again from the disk, not from memory
	echo 3 >/proc/sys/vm/drop_caches
	(cd "$1" && sha256sum -c sums >/dev/null 2>&1)
}

magic() { dd if="/dev/$1" bs=2 skip=540 count=1 2>/dev/null | od -An -tx2 | tr -d ' '; }
# at SDX BLOCK COUNT: what is there
at() { dd if="/dev/$1" bs=512 skip="$2" count="$3" iflag=direct 2>/dev/null | sha256sum; }

verify() { # verify SDX...: what fio writes is what it reads, in all sizes, all disks at once
	local d jobs=

	for d; do jobs="$jobs --name=$d --filename=/dev/$d"; done
	# shellcheck disable=SC2086 # one word an option
	fio --direct=1 --rw=randwrite --bsrange=4k-512k --size=24m --iodepth=32 --ioengine=libaio --verify=crc32c \
		--verify_fatal=1 --do_verify=1 --randseed=7 $jobs
}

file=$(wait_disk file 100) block=$(wait_disk block 50) memory=$(wait_disk memory 50) pi=$(wait_disk pi 50)
say kernel="$(uname -r)" disks="$(echo "$file" "$block" "$memory" "$pi" | tr ' ' ,)"
mkdir -p /mnt
if grep -q guest.reboot=1 /proc/cmdline && [ "$(magic "$file")" != ef53 ]; then
	mkfs.ext4 -q -F "/dev/$file" && mount "/dev/$file" /mnt && fill /mnt && sync && say first-boot=ok
	reboot -f
	sleep 60
fi
facts file "$file"
facts block "$block"
facts memory "$memory"
facts pi "$pi"
host=$(readlink -f "/sys/block/$file/device") host=${host%/target*} host=/sys/class/scsi_host/${host##*/}
say seg-max="$(cat $host/sg_tablesize)" per-lun="$(cat $host/cmd_per_lun)" \
	max-sectors="$(cat "/sys/block/$file/queue/max_hw_sectors_kb")" \
	features="$(cat "$(readlink -f $host/device)/../features")"
host=$(readlink -f "/sys/block/$pi/device") host=${host%/target*} host=/sys/class/scsi_host/${host##*/}
say pi-prot="$(cat $host/prot_capabilities)" pi-features="$(cat "$(readlink -f $host/device)/../features")" \
	pi-format="$(cat "/sys/block/$pi/integrity/format")"

if grep -q guest.reboot=1 /proc/cmdline; then
	mount "/dev/$file" /mnt
	say file-survived="$(yes intact /mnt)"
	umount /mnt
	say file-fsck="$(yes e2fsck -fn "/dev/$file")"
fi
mkfs.ext4 -q -F "/dev/$block" && mount "/dev/$block" /mnt && fill /mnt
umount /mnt
mount "/dev/$block" /mnt
say block-intact="$(yes intact /mnt)"
umount /mnt
say block-fsck="$(yes e2fsck -fn "/dev/$block")"

# --- the commands of SPC and SBC
d=/dev/$file
say inq="$(sg_inq "$d" | sed -n 's/.*Vendor identification: *//p' | tr -d ' ')" \
	serial="$(sg_vpd -p sn "$d" | sed -n 's/.*Unit serial number: *//p')"
for p in sv di bl bdc lbpv; do
	say "vpd-$p=$(yes sg_vpd -p $p "$d")"
done
say readcap10="$(sg_readcap "$d" | sed -n 's/.*Number of logical blocks=\([0-9]*\).*/\1/p')" \
	readcap16="$(sg_readcap --16 "$d" | sed -n 's/.*Number of logical blocks=\([0-9]*\).*/\1/p')" \
	luns="$(sg_luns "$d" | sed -n 's/.*which imp[a-z]* \([0-9]*\) lun.*/\1/p')"
say turs="$(yes sg_turs "$d")" sync="$(yes sg_sync "$d")" modes="$(yes sg_modes -p 8 "$d")" \
	requests="$(yes sg_requests "$d")" verify="$(yes sg_verify --lba=0 --count=64 "$d")"
sg_verify --lba=0xfffffff0 --count=64 "$d" >/tmp/out 2>&1
say verify-beyond=$?
dd if=/dev/urandom of=/tmp/one bs=512 count=1 2>/dev/null
dd if=/dev/urandom of=/tmp/other bs=512 count=1 2>/dev/null
dd if=/tmp/one of="$d" bs=512 seek=64 count=1 oflag=direct 2>/dev/null
cat /tmp/one /tmp/other >/tmp/both
say caw="$(yes sg_compare_and_write --in=/tmp/both --lba=64 --num=1 "$d")" \
	caw-wrote="$([ "$(at "$file" 64 1)" = "$(sha256sum </tmp/other)" ] && echo 1)"
sg_compare_and_write --in=/tmp/both --lba=64 --num=1 "$d" >/tmp/out 2>&1
say caw-miscompare=$? caw-kept="$([ "$(at "$file" 64 1)" = "$(sha256sum </tmp/other)" ] && echo 1)"
for _ in 1 2 3 4 5 6 7 8; do cat /tmp/one; done >/tmp/eight
say write-same="$(yes sg_write_same --16 --in=/tmp/one --lba=128 --num=8 "$d")" \
	write-same-wrote="$([ "$(at "$file" 128 8)" = "$(sha256sum </tmp/eight)" ] && echo 1)"
say unmap="$(yes sg_unmap --force --lba=128 --num=8 "$d")" \
	unmap-zero="$([ "$(at "$file" 128 8)" = "$(head -c 4096 /dev/zero | sha256sum)" ] && echo 1)"
key=0x5001
persist() { yes sg_persist "$@" "$d"; }
say pr-register="$(persist --out --register --param-sark=$key)" \
	pr-reserve="$(persist --out --reserve --param-rk=$key --prout-type=5)" \
	pr-type="$(sg_persist --in --read-reservation "$d" | grep -c 'Write Exclusive, registrants only')" \
	pr-keys="$(sg_persist --in --read-keys "$d" | grep -c "^ *$key")"
sg_persist --out --reserve --param-rk=0xbad --prout-type=5 "$d" >/tmp/out 2>&1
say pr-conflict=$? pr-release="$(persist --out --release --param-rk=$key --prout-type=5)" \
	pr-clear="$(persist --out --clear --param-rk=$key)"
# a task management function, by the control queue
say lun-reset="$(yes sg_reset --device "$d")" after-reset="$(sg_turs "$d" >/tmp/out 2>&1; yes sg_turs "$d")"

verify "$file" "$block" "$memory" "$pi" >/tmp/fio 2>&1
say fio="$?"
grep -E "error|verify:" /tmp/fio | head -n 5 | sed 's/^/# /'

# --- LUNs come and go
hotplug=$(cut -c 2 "$(readlink -f /sys/class/scsi_host/${host##*/}/device)/../features")
say hotplug="$hotplug" add=now
new=
[ "$hotplug" = 0 ] || new=$(wait_disk new 100)
say added-event="$([ -n "$new" ] && echo 1 || echo 0)"
i=0
while [ -z "$new" ] && [ $i -lt 20 ]; do
	for h in /sys/class/scsi_host/host*/scan; do echo "- - -" >"$h"; done
	new=$(disk new)
	i=$((i + 1))
	sleep 0.3
done
say added="$new" added-sectors="$(cat "/sys/block/$new/size")"
verify "$new" >/tmp/fio 2>&1
say new-fio="$?"
fio --name=load --filename="/dev/$new" --direct=1 --rw=randrw --bs=16k --iodepth=16 --ioengine=libaio --size=24m \
	--time_based --runtime=30 --continue_on_error=none >/tmp/fio 2>&1 &
sleep 1
say remove=now
wait
say load-ended="$(grep -cE 'err=[1 ]*[1-9]|error=' /tmp/fio)"
i=0
while [ "$hotplug" = 1 ] && [ -d "/sys/block/$new" ] && [ $i -lt 100 ]; do
	i=$((i + 1))
	sleep 0.1
done
say removed-event="$([ -d "/sys/block/$new" ] && echo 0 || echo 1)"
# the others never noticed
verify "$file" "$memory" >/tmp/fio 2>&1
say fio-after="$?" done=1
poweroff -f

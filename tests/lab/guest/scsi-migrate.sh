#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs inside a stock Debian guest while it is migrated. Reads a disk from end to end into its memory, slowly
# and each block once: the pages that hold it are written by the device alone. Meanwhile fio writes and verifies another disk. When a third
# disk says so it adds up what it has read. Speaks in lines "GUEST key=value".
# guest: -M virtio_scsi -M sd_mod -p fio
say() { echo "GUEST $*"; }

disk() { # disk SERIAL: /dev/sdX
	local d i

	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		for d in /sys/block/sd*; do
			case $(cat "$d/device/vpd_pg80" 2>/dev/null) in *"$1") echo "/dev/${d##*/}"; return ;; esac
		done
		sleep 0.2
	done
}
data=$(disk data) load=$(disk load) word=$(disk word)
go_on() { [ "$(dd if="$word" bs=512 count=1 iflag=direct 2>/dev/null | head -c 4)" != stop ]; }

while go_on; do
	fio --name=load --filename="$load" --direct=1 --rw=randwrite --bsrange=4k-64k --size=4m --iodepth=8 \
		--ioengine=libaio --verify=crc32c --verify_fatal=1 --do_verify=1 >/tmp/fio 2>&1 ||
		{ say load-failed=1; grep -m 3 -E 'verify|error' /tmp/fio; break; }
	runs=$((${runs:-0} + 1))
	say load="$runs"
done &
load=$!
round=0
while go_on; do
	for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		dd if="$data" of=/dev/null bs=256k skip=$((round * 16 + n)) count=1 2>/dev/null
		sleep 0.03
	done
	round=$((round + 1))
	say round=$round
done
wait $load
n=$((round > 12 ? round - 12 : 0))
while [ $n -lt $round ]; do
	say sum="$(dd if="$data" bs=4M skip=$n count=1 2>/dev/null | sha256sum | cut -c 1-16)"
	n=$((n + 1))
done
say done=1
poweroff -f

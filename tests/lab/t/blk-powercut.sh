#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# This kernel writes to an ext4 on a disk of vhost_blk, by a driver in user space that is killed meanwhile:
# the journal is sound, and all is there that fsync() had promised to keep, from this round and those before.
#	LOOPS		kills (3; in make soak 100)
# check on: 6.12
. "$SHUNT_TOP/tests/driver/lab.sh"
. "$SHUNT_TOP/tests/driver/blk.sh"
[ "${SHUNT_SOAK:-}" != 1 ] || : "${LOOPS:=100}"
: "${LOOPS:=3}"
nbd=/dev/nbd0
driver= writers=()

stop() {
	[ ${#writers[@]} = 0 ] || { kill "${writers[@]}"; wait "${writers[@]}"; } 2>/dev/null
	writers=()
	[ -z "$driver" ] || { kill -9 "$driver"; wait "$driver"; } 2>/dev/null
	driver=
	umount "$blk/disk" 2>/dev/null
}
trap 'stop; blk_cleanup' EXIT

# The cache of this disk goes with its power.
power_cut() {
	local power=/sys/kernel/config/nullb/nullb0/power

	echo 0 >$power && echo 1 >$power
}

# wait_for SECONDS COMMAND...
wait_for() {
	local end=$((SECONDS + $1))

	shift
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# What fsync() has promised to keep goes to "sums"; others come and go.
writes() {
	local i

	for ((i = 0; ; i++)); do
		dd if=/dev/urandom "of=disk/$1-$i" bs=1500 count=$((i % 9 + 1)) conv=fsync status=none || return
		md5sum "disk/$1-$i" >>sums
	done 2>/dev/null
}
churns() {
	local i

	for ((i = 0; ; i = (i + 1) % 40)); do
		dd if=/dev/zero "of=disk/junk-$i" bs=8k count=$((i + 1)) status=none && mv "disk/junk-$i" disk/junk ||
			return
	done 2>/dev/null
}
kept() { [ "$(wc -l <sums)" -ge "$1" ]; }
gone() { [ ! -e /sys/block/nbd0/pid ]; }

# cut ROUND DISK POWER: written to until the driver is killed, and POWER
cut() {
	local round=$1 disk=$2 status

	"$programs/blk-nbd" $nbd "$disk" >err 2>&1 &
	driver=$!
	wait_for 10 [ -e /sys/block/nbd0/pid ] && echo 128 >/sys/block/nbd0/queue/max_sectors_kb &&
		mount $nbd disk || { sed 's/^/# /' err; return 1; }
	writes "$round" &
	writers+=($!)
	churns &
	writers+=($!)
	wait_for 60 kept $(($(wc -l <sums) + 10 + RANDOM % 20)) || return 1
	sleep 0.$((RANDOM % 1000))
	kill -9 $driver
	wait $driver 2>/dev/null
	status=$?
	driver=
	# The file system holds the device.
	stop
	[ $status = 137 ] && wait_for 30 gone && $3
}

# whole ROUND DISK: what is on it
whole() {
	local status

	e2fsck -p "$2" >fsck 2>&1
	status=$?
	check "$1: the journal makes it whole (e2fsck says $status)" [ $status -le 1 ]
	check "$1: the file system is clean" e2fsck -fn "$2"
	mount -o "ro${3:+,$3}" "$2" disk
	md5sum -c --quiet sums >bad 2>&1
	is "$?:$(cat bad)" "0:" "$1: each of $(wc -l <sums) files that were promised is there"
	umount disk
}

cd "$blk" || bail "no folder"
mkdir disk
[ -d /sys/module/nbd ] || { modprobe -q nbd nbds_max=1 && blk_undo+=("modprobe -r nbd"); } || bail "no nbd"
have ext4
driver_load ours
# In turn: a disk whose cache is lost with its power, a file, a disk that does not lose anything
kinds=("blk_null nullb0 size=64 cache_size=8" "blk_file ext4 64" "blk_loop 64") n=${#kinds[@]} disks=()
for ((i = 0; i < n; i++)); do
	${kinds[i]} && mkfs.ext4 -q -F "$backend" || bail "no back end: ${kinds[i]}"
	disks+=("$backend")
	: >"sums$i"
done
for ((round = 0; round < LOOPS; round++)); do
	i=$((round % n))
	ln -sf "sums$i" sums
	case ${kinds[i]} in
	blk_null*)	power=power_cut mount= ;;
	blk_file*)	power=: mount=loop ;;
	*)		power=: mount= ;;
	esac
	DRIVER_LAYOUT=$([ $((round % 2)) = 0 ] || echo packed) cut "$round" "${disks[i]}" $power
	is $? 0 "round $round: ${kinds[i]}: written to until the driver is killed"
	stop
	whole "round $round" "${disks[i]}" $mount
done
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/bench-guest-blk.sh [-k 6.1|6.12] [-n BOOTS] [-r ROUNDS] [-s SECONDS] [-S SIDES]
#
# fio, random reads of 4 KiB at depth 1 and 32, on two disks of the same stock guest, in one boot of the
# lab, side after side and then again:
#	shunt	shunt, vhost_blk
#	qemu	the installed QEMU: virtio-blk, an iothread, io_uring
#	qemu10	QEMU 10 from backports, where it is unpacked: two queues, each with an iothread of its own
#	scsi	the installed QEMU: the stock vhost-scsi
# Prints medians, and how the first does next to the better QEMU and to vhost-scsi. The disks are null_blk
# and loop on a file in tmpfs. On the host itself where it takes modules and has KVM, else in the lab.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

k=6.1 boots=2 rounds=2 secs=2 sides="shunt qemu qemu10 scsi" inside=''
[ "${1:-}" != --inside ] || { shift; inside=1; }
while getopts k:n:r:s:S: o; do
	case $o in
	k) k=$OPTARG ;; n) boots=$OPTARG ;; r) rounds=$OPTARG ;; s) secs=$OPTARG ;; S) sides=$OPTARG ;;
	*) sed -n '4,/^set/s/^#\t\{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
done
guest=$top/build/guest/$k
target=/sys/kernel/config/target wwn=naa.5001405000000b1c

if [ -z "$inside" ]; then
	make -C "$top" user >/dev/null
	where=$k
	kdir=$("$top/scripts/kernel.sh" kdir "$k")
	if "$top/tests/lab/run" --host-capable; then
		where=host
		kdir=/lib/modules/$(uname -r)/build
	fi
	make -C "$top" modules KDIR="$kdir" >/dev/null
	"$top/tests/lab/guest-initramfs" -k "$k" blkbench
	exec "$top/tests/lab/run" -k "$where" -t $((300 + boots * 4 * (150 + rounds * 4 * (secs + 5)))) -- \
		"$0" --inside -k "$k" -n "$boots" -r "$rounds" -s "$secs" -S "$sides"
fi

# --- where the modules are ---------------------------------------------------------------------------

# The stock vhost-scsi on both disks
scsi_target() {
	local i=0 disk

	modprobe vhost_scsi
	modprobe target_core_iblock
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
	mkdir -p "$target/vhost/$wwn/tpgt_1"
	for disk in "${!disks[@]}"; do
		mkdir -p "$target/core/iblock_$i/$disk"
		echo "udev_path=${disks[$disk]}" >"$target/core/iblock_$i/$disk/control"
		echo 1 >"$target/core/iblock_$i/$disk/enable"
		i=$((i + 1))
	done
	i=0
	for disk in null loop; do
		mkdir "$target/vhost/$wwn/tpgt_1/lun/lun_$i"
		ln -s "$target"/core/iblock_*/$disk "$target/vhost/$wwn/tpgt_1/lun/lun_$i/$disk"
		i=$((i + 1))
	done
	echo "$wwn" >"$target/vhost/$wwn/tpgt_1/nexus"
}

scsi_end() {
	[ -d "$target/vhost/$wwn" ] || return 0
	# The nexus stays while there are LUNs.
	rm -f "$target/vhost/$wwn"/tpgt_1/lun/lun_*/{null,loop}
	echo NULL >"$target/vhost/$wwn/tpgt_1/nexus"
	rmdir "$target/vhost/$wwn"/tpgt_1/lun/lun_* "$target/vhost/$wwn/tpgt_1" "$target/vhost/$wwn" "$target/vhost"
	rmdir "$target"/core/iblock_*/{null,loop} "$target"/core/iblock_* 2>/dev/null || true
	modprobe -r vhost_scsi target_core_iblock || true
}

# vmm SIDE: sets $cmd, and makes ready what it needs
vmm() {
	local drive=if=none,format=raw,cache=none disk
	local qemu=(-accel kvm -cpu host -M pc -display none -vga none -nodefaults)
	local root=(-drive "file=$tmp/root.img,if=none,id=root,format=raw")

	case $1 in
	shunt)
		"$top/scripts/load.sh" ours >/dev/null
		cmd=("$top/build/bin/shunt" -nodefaults -display none "${root[@]}" -device virtio-blk-pci,drive=root,vhost=on)
		;;
	qemu10)
		cmd=("$newest" "${qemu[@]}")
		;;
	*)
		cmd=(qemu-system-x86_64 "${qemu[@]}")
		;;
	esac
	[ "$1" = shunt ] || cmd+=("${root[@]}" -device virtio-blk-pci,drive=root)
	if [ "$1" = scsi ]; then
		scsi_target
		cmd+=(-device "vhost-scsi-pci,wwpn=$wwn")
		return
	fi
	for disk in null loop; do
		cmd+=(-drive "file=${disks[$disk]},id=$disk,$drive$([ "$1" = shunt ] || echo ,aio=io_uring)")
		case $1 in
		shunt)	cmd+=(-device "virtio-blk-pci,drive=$disk,vhost=on,serial=$disk") ;;
		qemu)	cmd+=(-object "iothread,id=$disk-t"
			      -device "virtio-blk-pci,drive=$disk,iothread=$disk-t,serial=$disk") ;;
		qemu10)	cmd+=(-object "iothread,id=$disk-t" -object "iothread,id=$disk-u"
			      -device '{"driver":"virtio-blk-pci","drive":"'$disk'","serial":"'$disk'","num-queues":2,
			      "iothread-vq-mapping":[{"iothread":"'$disk-t'"},{"iothread":"'$disk-u'"}]}') ;;
		esac
	done
}

# boot SIDE: lines "CASE SIDE IOPS MICROSECONDS"
boot() {
	vmm "$1"
	timeout 240 "${cmd[@]}" -m 384 -smp 2 -kernel "$guest/vmlinux" -initrd "$guest/initramfs-root-blkbench" \
		-append "console=ttyS0 quiet panic=-1 guest.secs=$secs guest.rounds=$rounds" -serial "file:$tmp/serial" \
		</dev/null >"$tmp/vmm" 2>&1 || true
	tr -d '\r' <"$tmp/serial" | sed -n "s/^GUEST case=\([^ ]*\) iops=\([^ ]*\) us=\(.*\)/\1 $1 \2 \3/p"
	grep -q 'GUEST.*done=1' "$tmp/serial" || { tail -n 30 "$tmp/vmm" "$tmp/serial" >&2; die "the guest failed on $1"; }
	[ "$1" != scsi ] || scsi_end
	"$top/scripts/load.sh" none >/dev/null
}

table() {
	awk -v sides="$*" "$median_awk"'
	function ratio(a, b) { return a && b ? sprintf("%.2f", a / b) : "-" }
	# of both QEMUs, the better one
	function most(a, b) { return a > b ? a : b }
	function least(a, b) { return !b || (a && a < b) ? a : b }
	{
		if (!($1 in seen)) { seen[$1] = 1; order[++keys] = $1 }
		rate[$1, $2] = rate[$1, $2] " " $3
		us[$1, $2] = us[$1, $2] " " $4
	}
	END {
		n = split(sides, side)
		for (i = 1; i <= keys; i++) {
			if (i == 1) {
				printf "  %-10s", "disk-depth"
				for (s = 1; s <= n; s++) printf " %9s", side[s]
				printf " %7s %7s", "/QEMU", "/scsi"
				for (s = 1; s <= n; s++) printf " %9s", "us:" side[s]
				printf " %7s\n", "/QEMU"
			}
			printf "  %-10s", order[i]
			for (s = 1; s <= n; s++)
				printf " %9.0f", r[side[s]] = median(rate[order[i], side[s]])
			printf " %7s %7s", ratio(r["shunt"], most(r["qemu"], r["qemu10"])), ratio(r["shunt"], r["scsi"])
			for (s = 1; s <= n; s++)
				printf " %9.0f", u[side[s]] = median(us[order[i], side[s]])
			printf " %7s\n", ratio(u["shunt"], least(u["qemu"], u["qemu10"]))
		}
		exit !keys
	}'
}

modprobe -q kvm_amd || modprobe -q kvm_intel || true
newest=$("$top/scripts/qemu.sh")
if ! "$newest" --version | grep -qE 'version (9|[1-9][0-9])\.' && [[ $sides = *qemu10* ]]; then
	say "bench-guest-blk: no QEMU 9 or newer is unpacked: nothing to compare iothread-vq-mapping with"
	sides=${sides/qemu10/}
fi
tmp=$(mktemp -d)
declare -A disks=([null]=/dev/nullb0)
modprobe null_blk nr_devices=1 gb=1
modprobe loop
dd if=/dev/zero of="$tmp/loop" bs=1M count=256 status=none
disks[loop]=$(losetup -f --show --direct-io=on "$tmp/loop" 2>/dev/null || losetup -f --show "$tmp/loop")
cp --sparse=always "$guest/root-blkbench.img" "$tmp/root.img"
cleanup() {
	scsi_end
	losetup -d "${disks[loop]}" || true
	modprobe -r null_blk || true
	rm -rf "$tmp"
	"$top/scripts/load.sh" none >/dev/null
}
trap cleanup EXIT
for ((i = 1; i <= boots; i++)); do
	for side in $sides; do
		say "  boot $i of $boots: $side"
		boot "$side" | tee -a "$tmp/results" | sed 's/^/    /' >&2
	done
done
echo "guest on $(uname -r), 4 KiB random reads, $boots boots of $rounds rounds of $secs s: requests a second, and"
echo "microseconds to the completion of half of them"
# shellcheck disable=SC2086 # words
table $sides <"$tmp/results"

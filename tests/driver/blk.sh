# SPDX-License-Identifier: GPL-2.0
# Back ends for tests/lab/t/driver-blk*.sh, after tests/driver/lab.sh. Each function sets $backend; what
# they made goes at the script's end.
blk=$(mktemp -d /tmp/blk.XXXXXX)
blk_undo=()
export DM_DISABLE_UDEV=1

blk_undo_all() {
	local i

	for ((i = ${#blk_undo[@]} - 1; i >= 0; i--)); do
		eval "${blk_undo[i]}" >/dev/null 2>&1 || echo "# failed: ${blk_undo[i]}"
	done
	blk_undo=()
}

blk_cleanup() {
	blk_undo_all
	"$load" none >/dev/null 2>&1
	rm -rf "$blk"
}
trap blk_cleanup EXIT

# have MODULE: as a module or built in
have() { [ -d "/sys/module/$1" ] || modprobe -q "$1"; }

# blk_ram: a disk of 16 MiB in memory
blk_ram() {
	[ -b /dev/ram0 ] || { modprobe -q brd rd_nr=1 rd_size=16384 && blk_undo+=("modprobe -r brd"); } ||
		return 1
	backend=/dev/ram0
}

# blk_loop [MIB [BLOCK]]: a loop device on a file in tmpfs
blk_loop() {
	local file

	have loop || return 1
	file=$(mktemp "$blk/loop.XXXXXX")
	truncate -s "${1:-16}M" "$file"
	backend=$(losetup -f --show ${2:+-b "$2"} "$file") || return 1
	blk_undo+=("losetup -d $backend")
}

# blk_null NAME [ATTRIBUTE=VALUE...]: null_blk with memory behind it
blk_null() {
	local name=$1 dir=/sys/kernel/config/nullb/$1 a

	shift
	[ -d /sys/module/null_blk ] || { modprobe -q null_blk nr_devices=0 && blk_undo+=("modprobe -r null_blk"); } ||
		return 1
	[ -d /sys/kernel/config/nullb ] || mount -t configfs configfs /sys/kernel/config || return 1
	mkdir "$dir" || return 1
	blk_undo+=("rmdir $dir")
	for a in memory_backed=1 size=16 irqmode=0 "$@" power=1; do
		echo "${a#*=}" >"$dir/${a%%=*}" || return 1
	done
	# Named by its number, or, in newer kernels, by us
	backend=/dev/$name
	[ -b "$backend" ] || backend=/dev/nullb$(cat "$dir/index")
}

# blk_dm NAME TABLE
blk_dm() {
	dmsetup create "$1" --table "$2" || return 1
	blk_undo+=("dmsetup remove $1")
	backend=/dev/mapper/$1
}

# blk_linear: halves of a loop device, swapped
blk_linear() {
	have dm_mod && blk_loop 16 && blk_dm vblk-linear "0 16384 linear $backend 16384
16384 16384 linear $backend 0"
}

# blk_fs FS MIB: a new file system, mounted
blk_fs() {
	local mnt=$blk/$1.$2

	mkdir "$mnt"
	if [ "$1" = tmpfs ]; then
		mount -t tmpfs -o "size=$2M" tmpfs "$mnt" || return 1
	else
		have "$1" && blk_loop "$2" && "mkfs.$1" -q "$backend" && mount "$backend" "$mnt" || return 1
	fi
	blk_undo+=("umount $mnt")
	backend=$mnt
}

# blk_dm_loop: a loop device for programs that put device-mapper targets onto it
blk_dm_loop() {
	have dm_mod && have dm_delay && have dm_flakey && blk_loop 16
}

# blk_full FS: the name of a file that can have but 8 MiB, less what the file system takes
blk_full() {
	blk_fs "$1" 8 && backend=$backend/full
}

# blk_file FS [MIB]: a file of 16 MiB, or that size, in a new file system of that kind
blk_file() {
	local file=${2:-16} size=$((${2:-16} + 32))

	# mkfs.xfs makes no smaller ones.
	[ "$1" != xfs ] || size=320
	blk_fs "$1" $size || return 1
	backend=$backend/file
	truncate -s "${file}M" "$backend"
}

# blk_programs "PROGRAM[:OPTION]..."...: run each with $backend
blk_programs() {
	local p start

	for p in $1; do
		start=${EPOCHREALTIME/./}
		driver_tap ours "${p//:/ } $backend"
		echo "# took $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
	done
}

# blk_on "MAKER [ARGUMENTS]" "PROGRAM[:OPTION]...": on a new back end, which only kernels of our own may
# lack
blk_on() {
	backend=
	if $1; then
		echo "# --- $1: $backend"
		blk_programs "$2"
	elif [ "${OURS_ONLY:-}" = 1 ]; then
		skip "$1" "this kernel has no such back end"
	else
		fail "no back end: $1"
	fi
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/load.sh ours|none
#	scripts/load.sh stock [MODULE...]
#
# Loads our modules, or the stock kernel's (vhost_net, unless others are named), or neither. Both own the same device nodes, so the other
# one goes first. Says in one line each what it did; what is already so is left alone.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

krel=$(uname -r)
built=$top/build/modules/$krel

# Ours in load order; drivers share their names with the stock ones, the core does not.
drivers=(vhost_net vhost_scsi vhost_blk)

loaded() { [ -d "/sys/module/$1" ] && [ -e "/sys/module/$1/initstate" ]; }

# Only our drivers hang on vhost_core.
is_ours() { [ -e "/sys/module/vhost_core/holders/$1" ]; }

# The processes that keep /dev/<module> open, by name.
users() {
	local dev=/dev/${1//_/-} pid list=

	for pid in $(fuser "$dev" 2>/dev/null); do
		list+=" $(cat "/proc/$pid/comm" 2>/dev/null) ($pid)"
	done
	echo "${list:-" $(ls -m "/sys/module/$1/holders" 2>/dev/null)"}"
}

unload_one() {
	local why tries

	loaded "$1" || return 0
	# A process that was just killed may still be closing: half a second of patience.
	for tries in 1 2 3 4 5; do
		why=$(as_root rmmod "$1" 2>&1) && { echo "unloaded $1"; return 0; }
		sleep 0.1
	done
	die "$1 is in use by$(users "$1"): ${why#rmmod: ERROR: }"
}

# unload ours|stock
unload() {
	local m

	for m in "${drivers[@]}"; do
		loaded "$m" || continue
		if is_ours "$m"; then
			[ "$1" != ours ] || unload_one "$m"
		else
			[ "$1" != stock ] || unload_one "$m"
			# Its core goes along unless someone else (vhost_vsock) sits on it.
			[ "$1" != stock ] || as_root rmmod vhost vhost_iotlb 2>/dev/null || true
		fi
	done
	[ "$1" != ours ] || unload_one vhost_core
}

# need MODULE: from the stock kernel, where its configuration has it as a module
need() {
	loaded "$1" || as_root modprobe -q "$1" || true
}

insert() {
	local why

	loaded "$1" && return 0
	why=$(as_root insmod "$built/$1.ko" 2>&1) ||
		die "cannot load $1: ${why##*: } (the kernel log says more: dmesg | tail)"
	echo "loaded $1 ($krel, ours)"
}

load_ours() {
	local m

	[ -f "$built/vhost_core.ko" ] ||
		die "no modules built for $krel; run: make modules KDIR=/lib/modules/$krel/build"
	unload stock
	need tun
	need tap
	insert vhost_core
	for m in "${drivers[@]}"; do
		[ -f "$built/$m.ko" ] || continue
		[ "$m" != vhost_scsi ] || need target_core_mod
		insert "$m"
	done
}

load_stock() {
	local m

	unload ours
	for m; do
		loaded "$m" && continue
		as_root modprobe "$m" || die "kernel $krel has no $m module of its own"
		echo "loaded $m ($krel, stock)"
	done
}

[ -e /proc/modules ] || die "kernel $krel takes no modules (try: make lab)"
case ${1:-} in
ours)	load_ours ;;
stock)	shift; load_stock "${@:-vhost_net}" ;;
none)	unload ours; unload stock ;;
*)	die "usage: $0 ours|none|stock [MODULE...]" ;;
esac

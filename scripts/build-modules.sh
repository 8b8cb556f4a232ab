#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/build-modules.sh KDIR [kbuild arguments]
#
# Builds the modules against the kernel at KDIR in build/kbuild/RELEASE, a tree of links to the
# sources, and puts them into build/modules/RELEASE. Only what changed is built again.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

[ $# -ge 1 ] || die "usage: $0 KDIR [kbuild arguments]"
kdir=$1
shift
[ -f "$kdir/Makefile" ] || die "$kdir is not a kernel build folder"
[ -f "$kdir/include/config/auto.conf" ] || die "$kdir is not configured (auto.conf is missing)"
release=$(kernel_release "$kdir") || true
[ -n "$release" ] || die "$kdir is not prepared (make modules_prepare)"
tree=$top/build/kbuild/$release
out=$top/build/modules/$release

config() { grep -qE "^CONFIG_$1=[ym]" "$kdir/include/config/auto.conf"; }

mkdir -p "$tree" "$out"
exec 8>"$tree/.lock"
flock 8

# The tree mirrors ring/ and kernel/; a link whose source has gone goes too.
cd "$tree"
find . -type l ! -exec test -e {} \; -delete
link() {
	[ "$(readlink "$1")" = "$2" ] || ln -sfn "$2" "$1"
}
while read -r file; do
	dir=${file%/*}
	[ "$dir" = "$file" ] && dir=. || mkdir -p "$dir"
	link "$file" "$(realpath -sm --relative-to="$tree/$dir" "$top/$file")"
done < <(cd "$top" && echo Kbuild && find ring kernel -name '*.[chS]' -o -name Kbuild)

# Leave out what this kernel cannot carry, by name.
set -- "$@"
if ! config EVENTFD || ! config NET; then
	say "modules: $release lacks EVENTFD or NET: vhost_core and vhost_net left out"
	exit 1
fi
if ! config TUN && ! config TAP; then
	say "modules: $release has neither CONFIG_TUN nor CONFIG_TAP: vhost_net left out"
	set -- "$@" SHUNT_NO_NET=1
else
	config TUN || say "modules: $release lacks CONFIG_TUN: vhost_net without tun/tap interfaces"
	config TAP || say "modules: $release lacks CONFIG_TAP: vhost_net without macvtap/ipvtap"
fi
if ! config BLOCK; then
	say "modules: $release lacks CONFIG_BLOCK: vhost_blk left out"
	set -- "$@" SHUNT_NO_BLK=1
fi
if [ -d "$top/kernel/scsi" ] && ! config TARGET_CORE; then
	say "modules: $release lacks CONFIG_TARGET_CORE: vhost_scsi left out"
	set -- "$@" SHUNT_NO_SCSI=1
fi

# Kbuild's own lines are kept short: the folder names are the same in all of them, and the BTF
# remark is not ours to mend (headers packages hold no vmlinux).
export KBUILD_VERBOSE=${V:-0}
# Its own jobs: the make that runs this, if any, does not share its job server.
MAKEFLAGS='' make -j"$(nproc)" -C "$kdir" M="$tree" "$@" modules 2>&1 |
	sed -u -e "s,$tree/,," -e "s,^make\[[0-9]*\]: \(Entering\|Leaving\).*,," -e '/^$/d' \
	    -e '/Skipping BTF generation/d' -e '/BTF \[M\]/d' -e "s,^  \([A-Z]* \[M\]\) *,  \1 $release ,"

shopt -s nullglob
for ko in "$out"/*.ko; do
	[ -e "$tree/${ko##*/}" ] || rm -f "$ko"
done
for ko in *.ko; do
	# -p: an unchanged module keeps its time, so that nothing downstream is redone
	cmp -s "$ko" "$out/$ko" || cp -p "$ko" "$out/$ko"
done

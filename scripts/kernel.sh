#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Debian's kernels, by series (6.1, 6.12): which release the headers metapackage stands for, where
# its headers are, and an image of just that release unpacked in the cache (nothing is installed).
#
#	scripts/kernel.sh release 6.1	release (uname -r) the installed headers belong to
#	scripts/kernel.sh kdir 6.1	build folder of these headers
#	scripts/kernel.sh path 6.1	folder with boot/vmlinuz-* and lib/modules/*; fetched if missing
#	scripts/kernel.sh vmlinuz 6.1	the kernel image in there
#	scripts/kernel.sh vmlinux 6.1	the same, unpacked: a guest that boots it (PVH) need not unpack it
#
# Everything goes through the metapackages: ABI numbers move.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

meta_headers() {
	case $1 in
	6.1)	echo linux-headers-amd64 ;;
	6.12)	echo linux-headers-6.12-amd64 ;;
	*)	die "kernel series '$1' is not one of 6.1, 6.12" ;;
	esac
}

release() {
	local meta rel

	meta=$(meta_headers "$1")
	rel=$(dpkg-query -W -f '${db:Status-Abbrev}${Depends}\n' "$meta" 2>/dev/null |
	      sed -n 's/^ii .*linux-headers-\([0-9][^ ,]*\).*/\1/p')
	[ -n "$rel" ] || die "package $meta is not installed (run: make setup)"
	echo "$rel"
}

kdir() {
	local rel dir

	rel=$(release "$1")
	dir=/lib/modules/$rel/build
	[ -d "$dir" ] || dir=/usr/src/linux-headers-$rel
	[ -d "$dir" ] || die "no headers for $rel (run: make setup)"
	echo "$dir"
}

# Package linux-image-REL into $SHUNT_CACHE/kernels/REL_VERSION, whole or not at all.
fetch() {
	local rel=$1 version=$2 dir=$3

	cache_lock "kernel-$rel"
	if [ ! -d "$dir" ]; then
		say "kernel: unpacking linux-image-$rel $version into the cache"
		cache_new "$SHUNT_CACHE/kernels"
		(cd "$tmp" && apt_quiet download "linux-image-$rel=$version") ||
			die "cannot download linux-image-$rel $version"
		dpkg -x "$tmp"/linux-image-*.deb "$tmp/root"
		# Kernels whose modules moved below /usr keep answering at /lib.
		[ -e "$tmp/root/lib/modules" ] || ln -s usr/lib "$tmp/root/lib"
		depmod -b "$tmp/root" "$rel"
		mv -T "$tmp/root" "$dir"
	fi
	cache_unlock
}

path() {
	local rel version dir

	rel=$(release "$1")
	if version=$(apt_candidate "linux-image-$rel"); then
		dir=$SHUNT_CACHE/kernels/${rel}_$version
		[ -d "$dir" ] || fetch "$rel" "$version" "$dir"
	else
		# No lists, or this ABI has left the archive: what was fetched earlier is still good.
		dir=$(ls -td "$SHUNT_CACHE/kernels/${rel}_"* 2>/dev/null | head -n 1) || true
		[ -n "$dir" ] || die "apt does not know linux-image-$rel (run: make setup)"
	fi
	echo "$dir"
}

# The image's header says where what it unpacks is; behind that is its size (Documentation/arch/x86/boot.rst).
vmlinux() {
	local zimage=$1 out=${1/vmlinuz/vmlinux} sects off len unpack

	if [ ! -f "$out" ]; then
		read -r sects <<<"$(od -An -tu1 -j 0x1f1 -N 1 "$zimage")"
		read -r off len <<<"$(od -An -tu4 -j 0x248 -N 8 "$zimage")"
		off=$(((sects + 1) * 512 + off))
		case $(od -An -tx1 -j $off -N 4 "$zimage") in
		" fd 37 7a 58")	unpack=xz ;;
		" 28 b5 2f fd")	unpack=zstd ;;
		*)		die "$zimage is packed in a way that this script does not know" ;;
		esac
		head -c $((off + len - 4)) "$zimage" | tail -c $((len - 4)) | $unpack -dc >"$out.$$"
		mv "$out.$$" "$out"
	fi
	echo "$out"
}

[ $# = 2 ] || die "usage: $0 release|kdir|path|vmlinuz|vmlinux SERIES"
case $1 in
release|kdir|path)	"$1" "$2" ;;
vmlinuz)		dir=$(path "$2"); ls "$dir"/boot/vmlinuz-* ;;
vmlinux)		dir=$(path "$2"); vmlinux "$(ls "$dir"/boot/vmlinuz-*)" ;;
*)			die "unknown request '$1'" ;;
esac

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/install.sh install KDIR...	the modules built for these kernels, and everything else
#	scripts/install.sh uninstall		what is listed in PREFIX/share/shunt/installed
#
# The modules go to /lib/modules/RELEASE/updates/shunt, where depmod prefers them to the kernel's own
# vhost_net; that one stays where it is and comes back with uninstall. The list names every file and
# every folder that was made, so that uninstall removes these and nothing else.
#
#	prefix			/usr/local: programs, man pages, udev rules
#	DESTDIR			put before every path; then no depmod, and udev is not told
#	SIGN_KEY, SIGN_CERT	sign the modules with these (Secure Boot: Documentation/install.md)
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"
export LC_ALL=C

prefix=${prefix:-/usr/local}
dest=${DESTDIR:-}
if [ -n "$dest" ]; then
	mkdir -p "$dest"
	dest=$(cd "$dest" && pwd)
elif [ "$(id -u)" != 0 ]; then
	as_root env prefix="$prefix" SIGN_KEY="${SIGN_KEY:-}" SIGN_CERT="${SIGN_CERT:-}" "$0" "$@"
	exit
fi
list=$dest$prefix/share/shunt/installed
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
done_list=()

# folder PATH: with those above it; the ones that were not there are ours
folder() {
	[ ! -d "$dest$1" ] || return 0
	folder "$(dirname "$1")"
	mkdir "$dest$1"
	done_list+=("$1/")
}

# put MODE FILE FOLDER
put() {
	folder "$3"
	install -m "$1" "$2" "$dest$3/"
	done_list+=("$3/${2##*/}")
}

# Installed kernels of the list, and no folders that only headers have made
depmod_all() {
	local release

	[ -z "$dest" ] || return 0
	for release in $(sed -n 's,^/lib/modules/\([^/]*\)/.*\.ko$,\1,p' | sort -u); do
		[ ! -e "/lib/modules/$release/modules.order" ] || depmod "$release"
	done
}

udev_reload() {
	[ -n "$dest" ] || ! [ -S /run/udev/control ] || udevadm control --reload || true
}

# check_kernel KDIR: before anything is written
check_kernel() {
	local release

	release=$(kernel_release "$1") || die "$1 is not a prepared kernel build folder"
	[ -e "$top/build/modules/$release/vhost_core.ko" ] ||
		die "nothing is built for $release (run: make modules KDIR=$1)"
	! compgen -G "$dest/lib/modules/$release/updates/dkms/vhost_core.ko*" >/dev/null ||
		die "DKMS has installed the modules for $release (run: make dkms-remove)"
	[ -z "${SIGN_KEY:-}" ] || [ -x "$1/scripts/sign-file" ] || die "$1 has no scripts/sign-file"
}

put_modules() { # KDIR
	local release ko copy

	release=$(kernel_release "$1")
	for ko in "$top/build/modules/$release"/*.ko; do
		copy=$tmp/${ko##*/}
		strip --strip-debug -o "$copy" "$ko"
		[ -z "${SIGN_KEY:-}" ] || "$1/scripts/sign-file" sha256 "$SIGN_KEY" "$SIGN_CERT" "$copy"
		put 644 "$copy" "/lib/modules/$release/updates/shunt"
	done
	say "installed the modules for $release"
}

# Whatever happened, what was put somewhere can be taken away again.
record() {
	# Kernels that are not among these may have been installed earlier.
	{ printf '%s\n' "${done_list[@]}"; [ ! -f "$list" ] || cat "$list"; } | sort -u >"$tmp/installed"
	cp "$tmp/installed" "$list"
	rm -rf "$tmp"
}

do_install() {
	local kdir file

	for kdir; do
		check_kernel "$kdir"
	done
	folder "$prefix/share/shunt"
	done_list+=("$prefix/share/shunt/installed")
	trap record EXIT
	for kdir; do
		put_modules "$kdir"
	done
	for file in "$top"/build/bin/*; do
		put 755 "$file" "$prefix/bin"
	done
	for file in "$top"/man/*.[1-9]; do
		put 644 "$file" "$prefix/share/man/man${file##*.}"
	done
	put 644 "$top/packaging/60-shunt.rules" "$prefix/lib/udev/rules.d"
	for file in "$top"/packaging/50-*.json; do
		sed "s,@prefix@,$prefix," "$file" >"$tmp/${file##*/}"
		put 644 "$tmp/${file##*/}" "$prefix/share/qemu/vhost-user"
	done
	depmod_all < <(printf '%s\n' "${done_list[@]}")
	udev_reload
	say "installed programs, man pages, vhost-user descriptors and udev rules below $dest$prefix"
}

do_uninstall() {
	local path all

	[ -f "$list" ] || { say "nothing is installed below $dest$prefix"; return; }
	# Backwards: what is in a folder comes after it in the list.
	all=$(sort -r "$list")
	while read -r path; do
		case $path in
		*/)	rmdir --ignore-fail-on-non-empty "$dest$path" 2>/dev/null || true ;;
		*)	rm -f "$dest$path" ;;
		esac
	done <<<"$all"
	depmod_all <<<"$all"
	udev_reload
	say "removed what was installed below $dest$prefix"
}

case ${1:-} in
install)	shift; do_install "$@" ;;
uninstall)	do_uninstall ;;
*)		die "usage: $0 install KDIR... | uninstall" ;;
esac

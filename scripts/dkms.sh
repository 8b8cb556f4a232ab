#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/dkms.sh add [RELEASE...]	gives the modules' sources to DKMS, which builds and installs
#						them, afresh if it has them, for these kernels, else
#						for all whose headers are there
#	scripts/dkms.sh remove			takes modules and sources away
#
# DKMS (package dkms) builds them again whenever a kernel is installed, and signs them with its own
# key: Documentation/install.md.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"
. "$top/packaging/dkms.conf"

module=$PACKAGE_NAME/$PACKAGE_VERSION
source=/usr/src/$PACKAGE_NAME-$PACKAGE_VERSION

command -v dkms >/dev/null || die "package dkms is not installed (run: make setup)"
if [ "$(id -u)" != 0 ]; then
	as_root "$0" "$@"
	exit
fi

remove() {
	[ -z "$(dkms status "$module")" ] || dkms remove "$module" --all
	rm -rf "$source"
}

# The modules' part of the tree
copy_sources() {
	mkdir "$source"
	(cd "$top" && find Kbuild COPYING ring kernel -type f -name '[A-Z]*' -o -type f -name '*.[chS]' |
		cpio -pdm --quiet "$source")
	install -m 644 "$top/packaging/dkms.conf" "$source/"
}

add() {
	local kdir release

	! compgen -G "/lib/modules/*/updates/shunt/vhost_core.ko" >/dev/null ||
		die "the modules were installed without DKMS (run: make uninstall)"
	remove
	copy_sources
	dkms add "$module"
	if [ $# = 0 ]; then
		for kdir in /lib/modules/*/build; do
			release=$(kernel_release "$kdir") || true
			[ -z "$release" ] || set -- "$@" "$release"
		done
	fi
	for release; do
		dkms install "$module" -k "$release"
	done
}

case ${1:-} in
add|remove)	"$@" ;;
*)		die "usage: $0 add [RELEASE...] | remove" ;;
esac

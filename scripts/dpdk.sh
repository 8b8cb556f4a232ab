#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/dpdk.sh		prints the command of DPDK's testpmd; fetched if missing
#
# Its virtio-user driver is a client of vhost-net that is not ours, its vhost driver a back end of vhost-user. The package
# that has testpmd asks for two hundred others (160 MB); the thirty-odd libraries that it really loads are unpacked in the
# cache (8 MB to fetch) and used from there.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

# unpack ROOT PACKAGE...
unpack() {
	local root=$1

	shift
	(cd "$root/.." && apt_quiet download "$@") || return 1
	for p in "$root"/../*.deb; do
		dpkg -x "$p" "$root" || return 1
		rm "$p"
	done
}

# package SONAME: the package that has it
package() {
	local name

	case $1 in
	librte_*)
		name=${1%.so.*}
		name=${name//_/-}
		case $name in *[0-9]) name+=- ;; esac
		echo "$name${1##*.}" ;;
	libmlx5.so.1)	echo ibverbs-providers ;;
	libpcap.so.0.8)	echo libpcap0.8 ;;
	lib*.so.*)
		name=${1%.so.*}
		case $name in *[0-9]) name+=- ;; esac
		echo "$name${1##*.so.}" ;;
	esac
}

# What the loader cannot find for a program or library below ROOT
missing() {
	LD_LIBRARY_PATH=$1/usr/lib/x86_64-linux-gnu:$1/lib/x86_64-linux-gnu \
		ldd "$1/usr/bin/dpdk-testpmd" "$1"/usr/lib/x86_64-linux-gnu/librte_*.so.* |
		sed -n 's/^\t\(.*\) => not found$/\1/p' | sort -u
}

fetch() {
	local root version libs todo

	version=$(apt_candidate dpdk-dev) || return 1
	cache_new "$SHUNT_CACHE/testpmd" || return 1
	root=$tmp/root
	mkdir "$root"
	say "dpdk: unpacking testpmd $version into the cache"
	libs=$(apt-cache depends dpdk-dev | sed -n 's/.*Depends: \(librte-eal\)/\1/p')
	unpack "$root" dpdk-dev "librte-net-virtio${libs#librte-eal}" \
		"librte-net-vhost${libs#librte-eal}" "librte-mempool-ring${libs#librte-eal}" || return 1
	while todo=$(missing "$root") && [ -n "$todo" ]; do
		# shellcheck disable=SC2046 # one word a package
		unpack "$root" $(for p in $todo; do package "$p"; done) || return 1
	done
	rm -rf "$root/usr/share"
	cat >"$root/run" <<-'END'
	#!/bin/sh
	d=${0%/*}
	l=$d/usr/lib/x86_64-linux-gnu
	LD_LIBRARY_PATH=$l:$d/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	export LD_LIBRARY_PATH
	for i in net_virtio net_vhost mempool_ring; do
		set -- -d "$(echo "$l/librte_$i".so.*.*)" "$@"
	done
	exec "$d/usr/bin/dpdk-testpmd" "$@"
	END
	chmod +x "$root/run"
	"$root/run" --help >/dev/null 2>&1 || { say "dpdk: testpmd does not start here"; return 1; }
	mv -T "$root" "$SHUNT_CACHE/testpmd/${version#*:}"
}

cache_program testpmd
[ -n "$run" ] || die "no testpmd (run: make setup)"
echo "$run"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/headers.sh [SUITE...]
#
# Builds the modules, warnings being errors, for amd64 and arm64 against the newest kernel headers that
# Debian's SUITEs offer (trixie, trixie-backports and sid), as TAP. What these headers name as their
# compiler, that compiler's cousin for arm64 and the tools of kbuild come from the same suite: they are
# unpacked into a folder of the cache which serves as root while the modules are built. Nothing is
# installed, apt's configuration stays as it is, and a second run downloads what has changed since.
#
#	SHUNT_CACHE	where that is kept, below headers/: 700 MB a suite
set -u -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. scripts/common.sh
. tests/lab/tap.sh

# What a tree without a login needs to run build-modules.sh
tools=(bash coreutils dash diffutils findutils grep make mawk sed util-linux)
bail() { echo "Bail out! $*"; exit 1; }

# apt as if nothing were installed, on the sources in $apt/sources
apt_options() {
	printf -- '-o\n%s\n' Dir::Etc::sourcelist="$apt/debian.sources" Dir::Etc::sourceparts=/dev/null \
		Dir::Etc::preferencesparts=/dev/null Dir::State::status=/dev/null \
		Dir::State::lists="$apt/lists" Dir::Cache="$apt/cache" Acquire::Languages=none \
		APT::Architectures::=amd64 APT::Architectures::=arm64
}

# The newest list of SUITE, from the mirror that this machine uses for its own release; sets $apt and $opts
use_suite() {
	local suite=$1 base=${1%-backports}

	apt=$SHUNT_CACHE/headers/$suite
	mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial
	# shellcheck disable=SC2046 # one word a suite
	apt_sources $(printf '%s\n' "$base" "$suite" | uniq) >"$apt/debian.sources" || return
	mapfile -t opts < <(apt_options)
	say "headers: fetching the package lists of $suite"
	apt_quiet "${opts[@]}" -o APT::Update::Error-Mode=any update
}

# newest ARCH: the release that the suite's metapackage for ARCH stands for
newest() {
	local version

	version=$(apt-cache "${opts[@]}" madison "linux-headers-$1:$1" |
		  awk -v s="$suite/main" '$6 == s { print $3; exit }')
	[ -n "$version" ] || return 1
	apt-cache "${opts[@]}" show "linux-headers-$1:$1=$version" |
		sed -n 's/^Depends:.*linux-headers-\([0-9][^ ,]*\).*/\1/p' | head -n 1
}

# The root in which RELEASES, one for amd64 and one for arm64, can be built; sets $root
make_root() {
	local rel debs=() gcc id

	for rel; do
		debs+=("linux-headers-$rel:${rel##*-}" "linux-headers-${rel%-*}-common" "linux-kbuild-${rel%-*}")
	done
	mapfile -t debs < <(printf '%s\n' "${debs[@]}" | sort -u)
	id=$(apt-cache "${opts[@]}" show "${debs[@]}" | grep '^SHA256' | sha256sum)
	root=$apt/root-${id:0:16}
	[ ! -d "$root" ] || return 0
	rm -rf "$apt"/root-* "$apt"/tmp
	mkdir "$apt/tmp"

	say "headers: unpacking $* into the cache"
	(cd "$apt/cache/archives" && apt_quiet "${opts[@]}" download "${debs[@]}") || return
	unpack || return
	# The compiler is the one that built the kernel.
	gcc=$(sed -n 's/^CC = .*\(gcc-[0-9]*\).*/\1/p' "$apt/tmp/usr/src/linux-headers-$1/.kernelvariables")
	[ -n "$gcc" ] || bail "the headers of $1 name no compiler"
	say "headers: and $gcc for both"
	apt_quiet "${opts[@]}" install --download-only --no-install-recommends -y \
		"linux-kbuild-${1%-*}" "$gcc" "$gcc-aarch64-linux-gnu" "${tools[@]}" || return
	unpack || return
	ln -sf mawk "$apt/tmp/usr/bin/awk"
	for dir in bin lib lib64 sbin; do
		[ -e "$apt/tmp/$dir" ] || ln -s "usr/$dir" "$apt/tmp/$dir"
	done
	mkdir -p "$apt/tmp"/{proc,dev,tmp}
	mv -T "$apt/tmp" "$root"
}

unpack() {
	local deb

	for deb in "$apt"/cache/archives/*.deb; do
		dpkg -x "$deb" "$apt/tmp" || return
		rm "$deb"
	done
}

# inside COMMAND...: in a mount namespace, with $root as root and the checkout where it is
inside() {
	local map=()

	[ "$(id -u)" = 0 ] || map=(-r)
	unshare -m "${map[@]}" sh -euc '
		root=$1 top=$2
		shift 2
		for dir in dev proc; do
			mount --rbind "/$dir" "$root/$dir"
		done
		mkdir -p "$root$top"
		mount --bind "$top" "$root$top"
		exec chroot "$root" env -i PATH=/usr/bin:/usr/sbin LC_ALL=C "$@"' sh "$root" "$top" "$@"
}

build() { # RELEASE
	local rel=$1 out rc=0 ko machine

	out=$(inside "$top/scripts/build-modules.sh" "/usr/src/linux-headers-$rel" KCFLAGS=-Werror 2>&1) || rc=$?
	is $rc 0 "$suite: $rel: builds"
	[ $rc = 0 ] || { note "$out"; return; }
	is "$(grep -iE 'warning|objtool' <<<"$out")" "" "$suite: $rel: without a warning"
	case $rel in
	*-arm64)	machine=AArch64 ;;
	*)		machine=X86-64 ;;
	esac
	for ko in vhost_core vhost_net vhost_blk vhost_scsi; do
		ko=build/modules/$rel/$ko.ko
		is "$(modinfo -F vermagic "$ko" | cut -d' ' -f1)" "$rel" "$suite: ${ko##*/} is for $rel"
		like "$(readelf -h "$ko")" "Machine:.*$machine" "$suite: ${ko##*/} is for $machine"
	done
}

[ $# -gt 0 ] || set -- trixie trixie-backports sid
for suite; do
	use_suite "$suite" || bail "the package lists of $suite cannot be had (apt's words above)"
	releases=()
	for arch in amd64 arm64; do
		release=$(newest $arch)
		if [ -n "$release" ]; then
			releases+=("$release")
		else
			fail "$suite has headers for $arch"
		fi
	done
	[ ${#releases[@]} -gt 0 ] || continue
	make_root "${releases[@]}" || bail "the packages cannot be had (apt's words above)"
	for release in "${releases[@]}"; do
		build "$release"
	done
done
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Brings in what building and testing need: Debian packages, and, into the cache, kernel images, a
# QEMU for the lab, DPDK's testpmd and checkpatch. Silent and instant when nothing is missing.
#
#	SHUNT_CACHE	where fetched things live (else $XDG_CACHE_HOME/shunt, ~/.cache/shunt)
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

packages=(
	# the programs and their libraries
	gcc libc6-dev make pkg-config liburing-dev libjansson-dev libseccomp-dev libcap-ng-dev libslirp-dev
	libxdp-dev libbpf-dev
	# the modules
	linux-headers-amd64 linux-headers-6.12-amd64 kmod xz-utils zstd dkms
	# the lab, the guest in it and what measures
	qemu-system-x86 qemu-system-common qemu-utils busybox-static cpio iproute2 iputils-ping iperf3 procps psmisc
	dmsetup seabios grub-pc-bin grub-common e2fsprogs xfsprogs fio hdparm sg3-utils
	# unit tests, fuzzers, static checks
	libcmocka-dev clang llvm libclang-rt-14-dev acpica-tools sparse git perl python3 gdb
	# the debug kernel
	bc bison flex libelf-dev
)

missing() {
	local p have

	# dpkg-query fails when it has never heard of one of them
	have=" $({ dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "${packages[@]}" 2>/dev/null ||
		   true; } | sed -n 's/^ii //p' | tr '\n' ' ')"
	for p in "${packages[@]}"; do
		[ "${have#* $p }" != "$have" ] || echo "$p"
	done
}

install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
		-o Acquire::Retries=3 install -y --no-install-recommends "$@"
}

refresh() {
	say "setup: refreshing the package lists"
	as_root apt-get -qq -o Acquire::Retries=3 update
}

# quietly CMD...: its words only if it fails
quietly() {
	local log rc=0

	log=$(mktemp)
	"$@" >"$log" 2>&1 || rc=$?
	[ $rc = 0 ] || cat "$log" >&2
	rm -f "$log"
	return $rc
}

[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || die "this needs Debian 12 on amd64"

mapfile -t todo < <(missing)
if [ ${#todo[@]} -gt 0 ]; then
	say "setup: installing ${todo[*]}"
	# Lists that are old name files the mirror has dropped: one refresh, then again.
	quietly install "${todo[@]}" 2>/dev/null || { refresh; quietly install "${todo[@]}"; } ||
		die "cannot install: ${todo[*]}"
fi

for series in 6.1 6.12; do
	if ! "$top/scripts/kernel.sh" path "$series" >/dev/null; then
		# No lists yet, or this ABI has left the archive: then the headers must follow it.
		refresh
		quietly install linux-headers-amd64 linux-headers-6.12-amd64
		"$top/scripts/kernel.sh" path "$series" >/dev/null
	fi
done
"$top/scripts/qemu.sh" >/dev/null
"$top/scripts/dpdk.sh" >/dev/null
"$top/scripts/checkpatch.sh" >/dev/null

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Kernels that lack what a driver needs, as TAP: what can be built is built, what was left out is named.
# The kernels are copies of the 6.1 headers with options taken out of their configuration.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. tests/lab/tap.sh

kdir=$(scripts/kernel.sh kdir 6.1) || { echo "Bail out! no headers"; exit 1; }
tmp=$(mktemp -d)
release=
cleanup() {
	rm -rf "$tmp"
	[ -z "$release" ] || rm -rf "build/kbuild/$release" "build/modules/$release"
}
trap cleanup EXIT

# without OPTION...: builds for a kernel without them; sets $out, $rc and $built
without() {
	local option

	rm -rf "$tmp/k"
	cp -rL "$kdir" "$tmp/k"
	release=0.0-without-$(tr 'A-Z ' 'a-z-' <<<"$*")
	for option; do
		sed -i "/^CONFIG_$option=/d" "$tmp/k/include/config/auto.conf"
		sed -i "/^#define CONFIG_$option\(_MODULE\)\? /d" "$tmp/k/include/generated/autoconf.h"
	done
	echo "#define UTS_RELEASE \"$release\"" >"$tmp/k/include/generated/utsrelease.h"
	rc=0
	out=$(scripts/build-modules.sh "$tmp/k" 2>&1) || rc=$?
	built=$(cd "build/modules/$release" && echo *.ko)
	[ $rc = 0 ] || note "$out"
	rm -rf "build/kbuild/$release" "build/modules/$release"
}

without TAP
is "$rc, $built" "0, vhost_blk.ko vhost_core.ko vhost_net.ko vhost_scsi.ko" "without TAP all modules are built"
like "$out" "lacks CONFIG_TAP: vhost_net without" "and what is missing is named"
without TUN TAP TARGET_CORE
is "$rc, $built" "0, vhost_blk.ko vhost_core.ko" "without TUN and TAP vhost_net is not built"
like "$out" "neither CONFIG_TUN nor CONFIG_TAP: vhost_net left out" "and vhost_net is named"

deny "a folder that is no kernel is refused" scripts/build-modules.sh "$tmp"
mkdir -p "$tmp/empty/include/config"
touch "$tmp/empty/Makefile"
like "$(scripts/build-modules.sh "$tmp/empty" 2>&1)" "is not configured" "and so is one without a configuration"
done_testing

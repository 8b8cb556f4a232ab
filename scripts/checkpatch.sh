#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/checkpatch.sh		prints where checkpatch.pl is; fetched if missing
#
# Headers packages come without it: it is taken out of linux-source-6.1, once, into the cache.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

dir=$SHUNT_CACHE/checkpatch
if [ ! -d "$dir" ]; then
	cache_lock checkpatch
	if [ ! -d "$dir" ]; then
		cache_new "$SHUNT_CACHE"
		tar=/usr/src/linux-source-6.1.tar.xz
		if [ ! -f "$tar" ]; then
			say "checkpatch: fetching linux-source-6.1 for it (once)"
			(cd "$tmp" && apt_quiet download linux-source-6.1) || die "cannot download linux-source-6.1"
			dpkg -x "$tmp"/linux-source-*.deb "$tmp/deb"
			tar=$(ls "$tmp"/deb/usr/src/linux-source-*.tar.xz)
		fi
		mkdir "$tmp/out"
		tar -C "$tmp/out" --strip-components=2 -xf "$tar" --wildcards \
			'*/scripts/checkpatch.pl' '*/scripts/const_structs.checkpatch' '*/scripts/spelling.txt'
		chmod 755 "$tmp/out"
		mv -T "$tmp/out" "$dir"
	fi
	cache_unlock
fi
echo "$dir/checkpatch.pl"

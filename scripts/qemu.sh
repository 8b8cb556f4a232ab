#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/qemu.sh		prints the command of a QEMU fit to carry the lab; fetched if missing
#
# bookworm's own QEMU 7.2 loses code patched by the kernel under multi-threaded TCG (boots of 6.12
# die with "Oops: int3" now and then). 10.0 from bookworm-backports does not; it is unpacked in the
# cache and runs from there, the installed one stays as it is. Without backports: the installed one.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

fetch() {
	local opts version p

	cache_new "$SHUNT_CACHE/qemu" || return 1
	mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial" "$tmp/root"
	apt_sources bookworm-backports >"$tmp/backports.sources" || return 1
	opts=(-o "Dir::Etc::sourcelist=$tmp/backports.sources" -o Dir::Etc::sourceparts=/dev/null
	      -o "Dir::State::lists=$tmp/lists" -o "Dir::Cache=$tmp/cache")
	apt_quiet "${opts[@]}" update || return 1
	version=$(apt-cache "${opts[@]}" madison qemu-system-x86 | awk 'NR == 1 { print $3 }')
	[ -n "$version" ] || { say "qemu: bookworm-backports has no qemu-system-x86"; return 1; }

	say "qemu: unpacking qemu-system-x86 $version into the cache"
	p=/bookworm-backports
	(cd "$tmp/cache" && apt_quiet "${opts[@]}" download \
		qemu-system-x86$p qemu-system-common$p qemu-system-data$p seabios$p) || return 1
	for p in "$tmp"/cache/*.deb; do
		dpkg -x "$p" "$tmp/root" || return 1
	done
	cat >"$tmp/root/run" <<-'END'
	#!/bin/sh
	d=${0%/*}
	LD_LIBRARY_PATH=$d/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	export LD_LIBRARY_PATH
	exec "$d/usr/bin/qemu-system-x86_64" -L "$d/usr/share/qemu" -L "$d/usr/share/seabios" "$@"
	END
	chmod +x "$tmp/root/run"
	"$tmp/root/run" --version >/dev/null || { say "qemu: $version does not start here"; return 1; }
	# Without the epoch: a colon would split LD_LIBRARY_PATH.
	mv -T "$tmp/root" "$SHUNT_CACHE/qemu/${version#*:}"
}

cache_program qemu
if [ -z "$run" ]; then
	run=$(command -v qemu-system-x86_64) || die "no QEMU (run: make setup)"
	say "qemu: no QEMU from backports, using $("$run" --version | head -n 1)"
fi
echo "$run"

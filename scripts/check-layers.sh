#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What may depend on what, as TAP. Includes are resolved to files of the tree; what an object really
# uses is read from its symbols (`make user` first).
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. tests/lab/tap.sh

sources() { git ls-files -co --exclude-standard -- "$@" | grep -E '\.[chS]$'; }

# includes DIR...: "file<TAB>what it includes", the latter as a path in the tree, or <header>
includes() {
	sources "$@" | while read -r file; do
		[ -f "$file" ] || continue
		sed -n 's/^[ \t]*#[ \t]*include\(_next\)\?[ \t]*[<"]\([^>"]*\)[>"].*/\2/p' "$file" |
		while read -r inc; do
			for base in "${file%/*}" . user kernel kernel/include/uapi; do
				if [ -e "$base/$inc" ]; then
					printf '%s\t%s\n' "$file" "$(realpath -m --relative-to=. "$base/$inc")"
					continue 2
				fi
			done
			printf '%s\t<%s>\n' "$file" "$inc"
		done
	done
}

# only TEXT ALLOWED DIR...: files below DIR include, of this tree, only what matches ALLOWED
only() {
	local text=$1 allowed=$2 bad

	shift 2
	bad=$(includes "$@" | awk -F'\t' -v ok="^($allowed)" '$2 !~ /^</ && $2 !~ ok')
	is "$bad" "" "$text"
}

# Shadow headers resolve to themselves and to the kernel's: they are looked at below.
only "ring/ includes nothing but ring/" 'ring/' ring
is "$(includes ring | awk -F'\t' '$1 !~ /^ring\/env/ && $2 ~ /^</')" "" \
	"ring/ reaches the outside only through its environment header"
only "kernel/ includes kernel/ and ring/ only" 'kernel/|ring/' kernel
only "kernel/include/uapi includes nothing of the tree but itself" 'kernel/include/uapi/' kernel/include/uapi
only "user/lib includes itself, ring/ and uapi only" 'user/lib/|ring/|kernel/include/uapi/' user/lib
only "user/vmm includes itself, user/lib and uapi only" \
	'user/vmm/|user/lib/|kernel/include/uapi/' user/vmm
only "user/vhost-user includes itself, user/lib, ring/ and uapi only" \
	'user/vhost-user/|user/lib/|ring/|kernel/include/uapi/' user/vhost-user
only "tools/ includes itself, user/lib and uapi only" \
	'tools/|user/lib/|kernel/include/uapi/' tools
only "tests/payload includes itself only" 'tests/payload/' tests/payload

is "$(git grep -nE 'LINUX_VERSION_CODE|KERNEL_VERSION' -- kernel ring ':!kernel/compat')" "" \
	"drivers hold no kernel version #if"
is "$(sources kernel/compat | grep -v '^kernel/compat/\(linux\|net\|asm\|target\|uapi\)/')" "" \
	"kernel/compat shadows kernel headers and nothing else"
bad=$(for file in $(sources kernel/compat); do
	grep -qE '#[ \t]*include_next' "$file" || echo "$file"
done)
is "$bad" "" "every shadow header goes on to the kernel's own"

# Symbols
defined() { nm --defined-only "$1" 2>/dev/null | awk 'NF == 3 && $2 ~ /[TDBR]/ { print $3 }' | sort -u; }
if [ -x build/bin/shunt ] && [ -f build/lib/libring.a ]; then
	engine=$(defined build/lib/libring.a)
	check "the ring engine's archive is not empty" [ -n "$engine" ]
	is "$(nm build/bin/shunt | awk 'NF == 3 { print $3 }' | sort -u | grep -Fxf <(echo "$engine"))" "" \
		"shunt links nothing of the ring engine"
	is "$(nm build/bin/shunt | awk '$2 ~ /[Tt]/ { print $3 }' | grep -E '^vring_')" "" \
		"shunt holds no function vring_*"
else
	fail "shunt and the ring engine are built (make user tests)"
fi
if [ -f build/lib/libshunt.a ]; then
	is "$(nm -A -u build/lib/libshunt.a 2>/dev/null |
	      grep -wE 'exit|_exit|_Exit|quick_exit|abort|__assert_fail|__assert|err|errx|verr|error')" "" \
		"user/lib does not exit, abort or assert"
else
	fail "user/lib is built (make user)"
fi
is "$(git grep -nE '\b(__builtin_trap|BUG_ON|BUG)\b *\(' -- user/lib ring kernel)" "" \
	"no trap and no BUG() on what others sent"
done_testing

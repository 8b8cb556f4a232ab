#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Drives that no disk uses, before a paused guest: what the monitor says of them and how it resizes
# them, what is locked, and what is warned of. Needs /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
need_kvm
cd "$tmp" || exit 1

# monitor COMMANDS ARGUMENTS...: what a paused machine answers, in said; what it warns of in err
monitor() {
	timeout 20 "$shunt" -S -m 32 -nodefaults -display none -monitor stdio \
		-kernel "$top/build/payload/exit.elf" "${@:2}" <<< "$1"$'\nquit' > out 2> err
	got=$?
	said=$(tr -d '\r' < out)
	is $got 0 "${*:2}"
}

truncate -s 1M a b
printf x > short
monitor "info block
info blockstats" -drive file=a,if=none,format=raw -drive file=b,if=none,format=raw,readonly=on,cache=writethrough \
	-drive file=short,if=none,id=s,format=raw
like "$said" '^none0: a \(raw\)$' "a drive without id has QEMU's"
like "$said" '^none1: b \(raw, read-only\)$' "and the next one the next"
like "$said" '^    Attached to:      none$' "nobody uses it"
like "$said" '^    Cache mode:       writeback$' "writeback is the default"
like "$said" '^    Cache mode:       writethrough$' "writethrough"
like "$said" '^    Size:             1048576 bytes$' "the size of one"
like "$said" '^    Size:             1 bytes$' "and of another, even if no disk can be made of it"
like "$said" '^none0:$' "no counters without a disk"
is "$(cat err)" "" "nothing is warned of"

monitor "block_resize a 2M
block_resize b 3145728B
block_resize r 4M
block_resize a 1000B
block_resize a 9999999999T
block_resize a
block_resize
block_resize c 1M" -drive file=a,if=none,id=a,format=raw -drive file=b,if=none,id=b -drive \
	file=short,if=none,id=r,format=raw,read-only=on
is "$(stat -c %s a b short | tr '\n' ' ')" "2097152 3145728 1 " "block_resize: two are larger, a read-only one is not"
like "$said" "Error: short: the drive is read-only" "which is said"
like "$said" "Error: a size is a multiple of 512 bytes" "a size that is none"
is "$(grep -c "Error: takes the id of a drive and a size" <<< "$said")" 3 "sizes that are none, or missing"
like "$said" "Error: no drive 'c'" "a drive that is not there"
is "$(wc -l < err)" 1 "one warning"
like "$(cat err)" "-drive b: format= is missing: b is taken as raw" "of a format that was not given"

monitor "block_resize a 5" -drive file=a,if=none,id=a,format=raw
is "$(stat -c %s a)" 5242880 "a number alone is MiB"
monitor "block_resize a 1M" -drive file=a,if=none,id=a,format=raw
is "$(stat -c %s a)" 1048576 "smaller, too"

monitor "" -drive file=a,if=none,id=x,format=raw,readonly=on -drive file=a,if=none,id=y,format=raw,readonly=on
monitor "info block" -drive '{"file":"a","if":"none","id":"j","format":"raw","readonly":true}'
like "$said" '^j: a \(raw, read-only\)' "JSON"
done_testing

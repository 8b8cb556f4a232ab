#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The event loop and the character devices under ThreadSanitizer: any thread may schedule a bottom half
# and write to a chardev. And a process of vhost-user, whose control thread and queue threads share nothing, or little.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
out=$top/build/tsan
mkdir -p "$out"
. "$top/tests/lab/tap.sh"
cd "$top" || exit 1

build() { # name sources...
	local name=$1

	shift
	${CC:-gcc} -std=gnu11 -g -O1 -fsanitize=thread -pthread -I. -Iuser -Ikernel/include/uapi \
		"tests/unit/$name.c" user/lib/*.c "$@" -luring -ljansson -lseccomp -lcap-ng -lcmocka -o "$out/$name"
}

run() { # name loop
	check "$1 on $2" env SHUNT_LOOP="$2" TSAN_OPTIONS=exitcode=66 timeout 100 "$out/$1"
}

mapfile -t vmm < <(ls user/vmm/*.c | grep -v /main.c)
if ! build loop > "$out/log" 2>&1 || ! build chardev "${vmm[@]}" > "$out/log" 2>&1; then
	sed 's/^/# /' "$out/log"
	echo "Bail out! does not build"
	exit 1
fi
# It warns of fences, which the ring engine has: guest memory is shared with who knows no sanitizer.
if make B="$out" CFLAGS='-fsanitize=thread -Wno-tsan' LDFLAGS=-fsanitize=thread \
	"$out/bin/shunt-blk" "$out/bin/shunt-console" "$out/bin/shunt-net" > "$out/log" 2>&1; then
	check "sessions and rings of shunt-blk" env BLK="$out/bin/shunt-blk" TSAN_OPTIONS=exitcode=66 tests/unit/vhost-user.sh
	check "threads of a port of shunt-console" env CONSOLE="$out/bin/shunt-console" TSAN_OPTIONS=exitcode=66 \
		tests/unit/shunt-console.sh
	for t in null ctrl user xdp; do
		check "queues of shunt-net: $t" env NET="$out/bin/shunt-net" TSAN_OPTIONS=exitcode=66 tests/unit/shunt-net-$t.sh
	done
else
	fail "they build"
	sed 's/^/# /' "$out/log"
fi
# scsi: commands in two queues, task management in a third. Guest memory is the driver's to synchronize.
scsi() {
	local bin=$top/build/tsan disks=$top/build/tsan/disks pid rc

	mkdir -p "$disks"
	printf 'race:iov_copy\nrace:ctl_end\n' >"$bin/guest-memory"
	rm -f "$disks"/*
	truncate -s 16M "$disks/"{disk,other,cd} && truncate -s 128M "$disks/big"
	TSAN_OPTIONS="exitcode=66 suppressions=$bin/guest-memory" "$bin/bin/shunt-scsi" --socket-path="$disks/s" \
		--num-queues=2 --lun="$disks/disk",target=1,serial=one --lun="$disks/other",target=1,read-only=on \
		--lun="$disks/cd",target=1,cd=on --lun="$disks/big",target=1,lun=300,block-size=4096 \
		--lun="$disks/other",target=3,lun=5,read-only=on &
	pid=$!
	for _ in {1..100}; do [ ! -S "$disks/s" ] || break; sleep 0.1; done
	SCSI_SOCKET=$disks/s timeout 100 build/tests/driver/scsi-cmd "$disks/disk" "$pid"
	rc=$?
	kill "$pid"
	wait "$pid" && return $rc
}
if make B="$out" CFLAGS='-fsanitize=thread -Wno-tsan' LDFLAGS=-fsanitize=thread "$out/bin/shunt-scsi" > "$out/log" 2>&1; then
	check "queues of shunt-scsi" scsi
	check "units of shunt-scsi that come and go" env SCSI="$out/bin/shunt-scsi" \
		TSAN_OPTIONS="exitcode=66 suppressions=$out/guest-memory" tests/unit/shunt-scsi-hot.sh
else
	fail "shunt-scsi builds"
	sed 's/^/# /' "$out/log"
fi
run loop io_uring	# and epoll, by itself
run chardev io_uring
run chardev epoll
done_testing

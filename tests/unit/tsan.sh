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
	"$out/bin/shunt-blk" "$out/bin/shunt-console" > "$out/log" 2>&1; then
	check "sessions and rings of shunt-blk" env BLK="$out/bin/shunt-blk" TSAN_OPTIONS=exitcode=66 tests/unit/vhost-user.sh
	check "threads of a port of shunt-console" env CONSOLE="$out/bin/shunt-console" TSAN_OPTIONS=exitcode=66 \
		tests/unit/shunt-console.sh
else
	fail "they build"
	sed 's/^/# /' "$out/log"
fi
run loop io_uring	# and epoll, by itself
run chardev io_uring
run chardev epoll
done_testing

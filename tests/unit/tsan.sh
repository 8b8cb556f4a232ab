#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The event loop and the character devices under ThreadSanitizer: any thread may schedule a bottom half
# and write to a chardev.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
out=$top/build/tsan
mkdir -p "$out"
cd "$top" || exit 1
n=0
failed=0

build() { # name sources...
	local name=$1

	shift
	${CC:-gcc} -std=gnu11 -g -O1 -fsanitize=thread -pthread -I. -Iuser -Ikernel/include/uapi \
		"tests/unit/$name.c" user/lib/*.c "$@" -luring -ljansson -lcmocka -o "$out/$name"
}

run() { # name loop
	n=$((n + 1))
	if SHUNT_LOOP=$2 TSAN_OPTIONS=exitcode=66 timeout 100 "$out/$1" > "$out/log" 2>&1; then
		echo "ok $n - $1 on $2"
	else
		echo "not ok $n - $1 on $2"
		failed=1
		sed 's/^/# /' "$out/log"
	fi
}

mapfile -t vmm < <(ls user/vmm/*.c | grep -v /main.c)
if ! build loop > "$out/log" 2>&1 || ! build chardev "${vmm[@]}" > "$out/log" 2>&1; then
	sed 's/^/# /' "$out/log"
	echo "Bail out! does not build"
	exit 1
fi
echo 1..3
run loop io_uring	# and epoll, by itself
run chardev io_uring
run chardev epoll
exit $failed

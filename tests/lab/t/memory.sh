#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What backs guest RAM: the sealed memfd, huge pages by folder, by memfd and transparent ones, files.
# check on: 6.12
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
shunt=$SHUNT_TOP/build/bin/shunt
elf=$SHUNT_TOP/build/payload/exit.elf
dir=$(mktemp -d)
huge=/proc/sys/vm/nr_hugepages
thp=/sys/kernel/mm/transparent_hugepage/shmem_enabled
had=$(cat $huge)
had_thp=$(sed 's/.*\[\(.*\)\].*/\1/' $thp)

leave() {
	umount "$dir/huge" 2>/dev/null
	echo "$had" >$huge
	echo "$had_thp" >$thp
	rm -rf "$dir"
}
trap leave EXIT
modprobe -q kvm_amd || modprobe -q kvm_intel

# Runs a payload that ends with status 1 and says nothing on standard error, where errors have one line.
run() {
	timeout 60 "$shunt" -nodefaults -display none -serial "file:$dir/serial" -no-reboot \
		-device isa-debug-exit,iobase=0x501,iosize=4 -kernel "$elf" "$@" </dev/null 2>"$dir/err" >"$dir/out"
	status=$?
}

runs() { # text arguments...
	local text=$1

	shift
	run "$@"
	is "$status $(cat "$dir/serial") $(cat "$dir/err")" "1 ok 1 - leaving with 0 " "$text"
}

refuses() { # text words arguments...
	local text=$1 words=$2

	shift 2
	: >"$dir/serial"
	run "$@"
	is "$status $(wc -l <"$dir/err") $(wc -c <"$dir/serial")" "1 1 0" "$text: one line, status 1"
	like "$(cat "$dir/err")" "$words" "$text: it says why"
}

info() { # arguments...: the monitor's account of memory while the guest is paused
	(echo "info memory"; sleep 1; echo quit) |
		timeout 60 "$shunt" -S -nodefaults -display none -monitor stdio -kernel "$elf" "$@" 2>&1 |
		tr -d '\r'
}

field() { sed -n "s/.*$1 \([0-9]*\) .*/\1/p"; }

# --- the default
runs "a memfd" -m 64
"$shunt" -S -nodefaults -display none -m 64 -kernel "$elf" -pidfile "$dir/pid" &
for _ in $(seq 50); do [ -s "$dir/pid" ] && break; sleep 0.1; done
sleep 1
seals=$(python3 - "$(cat "$dir/pid")" <<'END'
import fcntl, os, sys
base = "/proc/%s/fd/" % sys.argv[1]
for fd in os.listdir(base):
    if "guest-ram" in os.readlink(base + fd):
        print(fcntl.fcntl(os.open(base + fd, os.O_RDONLY), 1034))
END
)
kill "$(cat "$dir/pid")"
wait
is "$seals" 7 "it is sealed against growing, shrinking and other seals"
is "$(info -m 64 -mem-prealloc | field mapped)" 64 "-mem-prealloc: all of it is there"
avail=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
total=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
refuses "-mem-prealloc of more than is available" "[0-9]+ MiB available" \
	-m $(((avail + total + 1) / 2))M -mem-prealloc

# --- transparent huge pages
if echo advise >$thp 2>/dev/null; then
	pages=$(info -m 64 -mem-prealloc | field "transparent huge pages")
	check "transparent huge pages are asked for and shown ($pages MiB)" test "${pages:-0}" -gt 0
else
	skip "transparent huge pages are asked for and shown" "no shmem THP"
fi
echo never >$thp
is "$(info -m 64 -mem-prealloc | field "transparent huge pages")" 0 "and none where the kernel gives none"

# --- hugetlb
echo 40 >$huge
mkdir "$dir/huge"
mount -t hugetlbfs none "$dir/huge"
runs "-mem-path on hugetlbfs" -m 64 -mem-path "$dir/huge"
runs "-mem-path on hugetlbfs, preallocated" -m 64 -mem-path "$dir/huge" -mem-prealloc
out=$(info -m 64 -mem-path "$dir/huge" -mem-prealloc)
is "$(field "hugetlb pages" <<<"$out") $(field "page size" <<<"$out")" "64 2048" "all of it in huge pages"
is "$(ls -A "$dir/huge")" "" "no file is left in the folder"
memfd=(-object memory-backend-memfd,id=r,size=64M,hugetlb=on,hugetlbsize=2M -machine memory-backend=r)
runs "a memfd of huge pages" -m 64 "${memfd[@]}"
memfd[1]+=,prealloc=on
is "$(info -m 64 "${memfd[@]}" | field "hugetlb pages")" 64 "all of it in huge pages"
refuses "fewer huge pages than -m wants" "too few free huge pages" -m 128 -mem-path "$dir/huge"
refuses "-m that is no multiple of the page" "multiple of the page size 2097152" -m 63 \
	-mem-path "$dir/huge"
is "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" 40 "every huge page came back"
umount "$dir/huge"
echo "$had" >$huge

# --- files
runs "-mem-path FILE" -m 64 -mem-path "$dir/image"
is "$(stat -c %s "$dir/image")" $((64 << 20)) "the file is as large as RAM"
is "$(dd if="$dir/image" bs=1 skip=$((0xe0000)) count=8 status=none)" "RSD PTR " \
	"and holds what the guest saw"
runs "an existing file" -m 64 -mem-path "$dir/image"
mkdir "$dir/folder"
runs "-mem-path FOLDER" -m 64 -mem-path "$dir/folder"
is "$(ls -A "$dir/folder")" "" "no file is left in it"
truncate -s 32M "$dir/image"
refuses "a file smaller than -m" "the file has 33554432 bytes" -m 64 -mem-path "$dir/image"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vhost-user-*-pci: a disk on processes that shunt did not start, ours and qemu-storage-daemon's: as listener, as
# client, killed and come again; a keyboard and sockets on one in Python. Needs /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
. "$(dirname "$0")/vmm-devs-env"
need_kvm
cd "$tmp" || exit 1
blk=${shunt%/*}/shunt-blk
base+=(-m 32)
k=("${base[@]}" -kernel "$top/build/payload/virtio_blk.elf")
disk=(-device vhost-user-blk-pci,chardev=c,id=d)
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$tmp"' EXIT

guest() { start virtio_blk "$@"; }

# until TEXT: it is in err, or there is a socket of that name
until_() {
	for ((i = 0; i < 200; i++)); do
		grep -q -- "$1" err || test -S "$1" && return
		sleep 0.05
	done
	return 1
}

# serve: shunt-blk listens at the socket s; $peer is its PID
serve() {
	rm -f s
	"$blk" --socket-path=s --blk-file=disk --num-queues=2 "$@" 2> peer.err &
	peer=$!
	until_ s
}

truncate -s 1M disk
: > err
serve
for how in "" "packed indirect,packed=on,num-queues=2" "event depth=16,queue-size=64,config-wce=off,ioeventfd=off"; do
	opts=${how#*,}
	guest "blocks=64 ${how%%,*}" -chardev socket,id=c,path=s "${disk[@]}${opts:+,$opts}"
	verdict "${how:-split}: a guest is content"
	is "$(cat err)" "" "${how:-split}: nothing was said"
done
guest "blocks=64" -chardev socket,id=c,path=s -device vhost-user-device-pci,chardev=c,virtio-id=2,config_size=60
verdict "the same as a device of any kind"

bad "-device vhost-user-blk-pci.d: 3 request queues: the process has 2" "${k[@]}" -chardev socket,id=c,path=s \
	"${disk[@]},num-queues=3"
bad "vhost-user-blk-pci.d: its chardev is in use" "${k[@]}" -chardev socket,id=c,path=s -serial chardev:c "${disk[@]}"
bad "its chardev is no Unix socket, or has mux=on" "${k[@]}" -chardev null,id=c "${disk[@]}"
bad "chardev=c: no such -chardev" "${k[@]}" "${disk[@]}"
bad "nosuch: No such file or directory" "${k[@]}" -chardev socket,id=c,path=nosuch "${disk[@]}"
bad "queue size 100: takes a power of two" "${k[@]}" -chardev socket,id=c,path=s "${disk[@]},queue-size=100"
bad "tag=: takes 1 to 36 bytes" "${k[@]}" -chardev socket,id=c,path=s -device vhost-user-fs-pci,chardev=c,tag=

# --- killed ---

# comes_again APPEND OPTIONS: while the guest writes and compares; reconnect= is in seconds
comes_again() {
	guest "$1 seconds=2" -chardev socket,id=c,path=s,reconnect=1 "${disk[@]}$2"
	ready
	sleep 0.2
	kill -9 "$peer"
	wait "$peer" 2> /dev/null
	serve
	verdict "${1:-split}: killed and started anew, a guest is content"
	is "$(cat err)" "shunt: warning: vhost-user-blk-pci.d: the process has gone
shunt: vhost-user-blk-pci.d: a process is there again" "${1:-split}: which is said"
}
comes_again "" ""
comes_again "packed event" ,packed=on

guest "seconds=60" -chardev socket,id=c,path=s "${disk[@]}"
ready
kill -9 "$peer"
wait "$peer" 2> /dev/null
wait "$pid"
is $? 3 "without reconnect= the guest hears of it"
like "$(cat err)" "the process has gone .with reconnect= or server=on of its chardev another could come.: the device needs a reset" \
	"which is said"

# --- waited for ---

rm -f s
guest "blocks=64" -chardev socket,id=c,path=s,reconnect=1 "${disk[@]}"
check "a process that is not there yet is waited for" until_ "-chardev c: waiting for a server"
serve
verdict "and a guest is content"
kill "$peer"
wait "$peer"

rm -f s
guest "blocks=64" -chardev socket,id=c,path=s,reconnect=1 "${disk[@]}"
until_ "waiting for a server"
kill -INT "$pid"
wait "$pid"
is $? 0 "the wait ends with SIGINT"

# come: shunt-blk as a client
come() {
	python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("s")
os.set_inheritable(s.fileno(), True)
os.execv(sys.argv[1], ["shunt-blk", "--fd=%d" % s.fileno(), "--blk-file=disk"])' "$blk" &
	peer=$!
}
rm -f s
guest "seconds=1" -chardev socket,id=c,path=s,server=on "${disk[@]}"
until_ "-chardev c: waiting for a client"
come
ready
kill -9 "$peer"
wait "$peer" 2> /dev/null
come
verdict "server=on: a process comes, is killed, comes again"
check "and the socket goes" test ! -e s
wait "$peer"

# --- devices of other kinds ---

# peer KIND: one in Python, at the socket s, for a single guest
peer() {
	rm -f s
	"$top/tests/unit/vhost_user_peer.py" "$1" s > peer.err 2>&1 &
	peer=$!
	for ((i = 0; i < 100; i++)); do [ ! -S s ] || break; sleep 0.05; done
}
for kind in input vsock; do
	peer $kind
	start virtio_$kind "" -m 32 -chardev socket,id=c,path=s -device vhost-user-$kind-pci,chardev=c
	verdict "$kind: a guest is content"
	wait "$peer"
	is "$? $(cat peer.err err)" "0 " "$kind: and so is the process"
done

# --- one that is not ours ---

if command -v qemu-storage-daemon > /dev/null; then
	truncate -s 1M disk2
	qemu-storage-daemon --blockdev file,filename=disk2,node-name=f --export vhost-user-blk,id=e,node-name=f,addr.type=unix,addr.path=q,writable=on,num-queues=2 &
	peer=$!
	until_ q
	guest "blocks=64" -chardev socket,id=c,path=q "${disk[@]}"
	verdict "qemu-storage-daemon"
	kill "$peer"
	wait "$peer"
else
	skip "qemu-storage-daemon" "it is not installed"
fi
done_testing

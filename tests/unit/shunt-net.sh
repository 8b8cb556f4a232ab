#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-net: its command line.
#
# NET=program	the process (build/san/bin/shunt-net, else build/bin/shunt-net)
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/tap.sh"
net=${NET:-$top/build/san/bin/shunt-net}
[ -x "$net" ] || net=$top/build/bin/shunt-net
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

# bad WORDS ARGUMENTS...: one line with WORDS, status 1, no socket
bad() {
	local want=$1 out

	shift
	out=$(timeout 10 "$net" --socket-path=s "$@" 2>&1 >/dev/null)
	is "$?.$(wc -l <<<"$out")" 1.1 "$*: status 1, one line"
	like "$out" "^shunt-net: .*$want" "$*: it says why"
	check "$*: no socket" test ! -e s
}

bad "--backend=NAME is needed"
bad "--ifname=NAME is needed|built without libxdp" --backend=af-xdp
bad "--start-queue: --backend=tap has no such option" --backend=tap --start-queue=1
bad "--backend=vde: it takes null, tap" --backend=vde
bad "--wat: unknown option" --backend=null --wat
bad "--queue-pairs=32: it takes a number from 1 to 31" --backend=null --queue-pairs=32
bad "--mac=52:54:00:12:34: it takes a unicast address" --backend=null --mac=52:54:00:12:34
bad "--mac=01:.*: it takes a unicast address" --backend=null --mac=01:00:00:00:00:00
bad "--mtu=67: it takes a number from 68 to 65535" --backend=null --mtu=67
bad "--generate=13: it takes" --backend=null --generate=13
bad "--generate: --backend=user has no such option" --backend=user --generate=64
bad "--hostfwd: --backend=null has no such option" --backend=null --hostfwd=tcp::1-:1
bad "--ifname: --backend=null has no such option" --backend=null --ifname=t0
bad "one of --ifname=NAME and --tap-fd=N is needed" --backend=tap
bad "one of --ifname=NAME and --tap-fd=N is needed" --backend=tap --ifname=t0 --tap-fd=3
bad "--ifname=.*: it takes a name of at most 15 bytes" --backend=tap --ifname=0123456789abcdef
bad "--ifname=nothing: No such device" --backend=macvtap --ifname=nothing
bad "--tap-fd=77: Bad file descriptor" --backend=tap --tap-fd=77
bad "--tap-fd=x: it takes the number of an open tap" --backend=tap --tap-fd=x
bad "--tap-fd is needed as often" --backend=tap --tap-fd=0 --queue-pairs=2
bad "--queue-pairs=2: --backend=user has one" --backend=user --queue-pairs=2
bad "--ifname=NAME is needed" --backend=packet
bad "and not --tap-fd" --backend=packet --ifname=lo --tap-fd=0
bad "--ifname=nothing: No such device" --backend=packet --ifname=nothing
bad "--queue-pairs=2: --backend=packet has one" --backend=packet --ifname=lo --queue-pairs=2
bad "--net=10.0.2.1/24: it takes the first address" --backend=user --net=10.0.2.1/24
bad "--net=10.0.2.0: it takes a network" --backend=user --net=10.0.2.0
bad "--host=10.0.3.2: it takes an address in the network" --backend=user --host=10.0.3.2
bad "--dns=10.0.2.2: that is the host" --backend=user --dns=10.0.2.2
bad "--hostfwd=tcp:22: it takes tcp.udp:" --backend=user --hostfwd=tcp:22
bad "--hostfwd=tcp::0-:22: it takes" --backend=user --hostfwd=tcp::0-:22
like "$("$net" --help)" "^Usage: shunt-net " "--help"
is "$("$net" --print-capabilities --nonsense | python3 -c 'import json, sys; print(json.load(sys.stdin)["type"])')" \
	net "--print-capabilities is JSON, and other options do not matter"

done_testing

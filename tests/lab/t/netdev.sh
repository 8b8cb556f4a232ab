#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# -netdev tap against real modules: scripts, inherited descriptors, refusals, and nothing left behind.
# check on: 6.12
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
shunt=$SHUNT_TOP/build/bin/shunt
elf=$SHUNT_TOP/build/payload/exit.elf
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
modprobe -q kvm_amd || modprobe -q kvm_intel
"$SHUNT_TOP/scripts/load.sh" ours > /dev/null || { echo "Bail out! no modules"; exit 1; }
before=$(ls /sys/class/net)

base=(-m 32 -nodefaults -display none -kernel "$elf")
quit=(-device isa-debug-exit -append code=0 -serial null)
nic=(-device virtio-net-pci,netdev=n0)

# one line, exit status 1
refused() { # word what arguments...
	local word=$1 what=$2 err rc

	shift 2
	err=$(timeout 20 "$@" 2>&1 > /dev/null < /dev/null)
	rc=$?
	is $rc 1 "$what: exit status"
	is "$(wc -l <<<"$err")" 1 "$what: one line"
	like "$err" "$word" "$what: the line"
}

ended() { # status what arguments...
	local want=$1 what=$2

	shift 2
	timeout 60 "$@" > out 2> err < /dev/null
	is $? "$want" "$what"
	[ "$want" != "$?" ] || note "$(cat err)"
}

cat > up <<'END'
#!/bin/sh
echo "up $# $1 $(test -e /sys/class/net/"$1" && echo there)" >> log
ip link set "$1" mtu 1400 up
END
sed 's/^echo "up/echo "down/; /^ip/d' up > down
chmod +x up down

ended 1 "script and downscript: the guest ran" "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev "tap,id=n0,ifname=nt0,script=$tmp/up,downscript=$tmp/down,vhost=on" "${nic[@]}"
is "$(cat log)" "up 1 nt0 there
down 1 nt0 there" "script and downscript: each ran once, with the interface there"
is "$(ls /sys/class/net)" "$before" "a tap that shunt made vanishes with it"

printf '#!/bin/sh\nexit 7\n' > failing
chmod +x failing
refused "failing nt0: exit status 7" "a script that fails" "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev "tap,id=n0,ifname=nt0,script=$tmp/failing,vhost=on" "${nic[@]}"

ended 1 "no name: the kernel's" "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,script=no,vhost=on "${nic[@]}"

# --- in the background: the owner of the vhost device is the process that stays
"$shunt" "${base[@]}" -S -serial null -daemonize -pidfile pid -monitor unix:mon,server=on,wait=off \
	-netdev tap,id=n0,ifname=nt0,script=no,vhost=on "${nic[@]}"
is $? 0 "-daemonize with a NIC"
pid=$(cat pid)
check "its process lives" kill -0 "$pid"
check "the tap is there" test -e /sys/class/net/nt0
refused "nt0 is busy" "a busy tap" "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,ifname=nt0,script=no,vhost=on "${nic[@]}"
rss=$(awk '/^[0-9a-f]+-/ { ram = /guest-ram/ } /^Rss:/ && !ram { kib += $2 } END { print kib }' "/proc/$pid/smaps")
check "resident beyond guest RAM with one NIC: $rss KiB, 4096 at most" test "$rss" -le 4096
cpu_ms=$(awk '{ printf "%d", $1 / 1000000 }' "/proc/$pid/schedstat")
echo "# CPU time of the main thread until the machine stands: $cpu_ms ms (emulated)"
kill "$pid"
for _ in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.05; done
deny "SIGTERM ends it" kill -0 "$pid"
check "no pidfile or socket is left" test ! -e pid -a ! -e mon
is "$(ls /sys/class/net)" "$before" "nor the tap"

# --- a tap of somebody else
ip tuntap add nt1 mode tap user nobody
chmod 755 "$tmp"
chmod 666 /dev/vhost-net /dev/kvm /dev/net/tun
user=(setpriv --reuid nobody --regid nogroup --clear-groups)
ended 1 "a tap made for this user, without privileges" "${user[@]}" "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,ifname=nt1,script=no,downscript=no,vhost=on "${nic[@]}"
check "a persistent tap stays" test -e /sys/class/net/nt1
refused "not permitted" "a new tap without privileges" "${user[@]}" "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,ifname=nt2,script=no,vhost=on "${nic[@]}"
ip tuntap del nt1 mode tap
ip tuntap add nt1 mode tap multi_queue
refused "nt1" "a multi-queue tap" "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,ifname=nt1,script=no,vhost=on "${nic[@]}"
ip tuntap del nt1 mode tap multi_queue

# --- inherited descriptors
cat > withtap <<'END'
import fcntl, os, struct, sys
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH", b"nt3", int(sys.argv[1], 16)))
os.dup2(fd, 9)
for n in 7, 8:
    os.dup2(os.open("/dev/vhost-net", os.O_RDWR), n)
for name, n in ("nt3", 10), ("nt4", 11):
    more = os.open("/dev/net/tun", os.O_RDWR)
    if int(sys.argv[1], 16) & 0x100:
        fcntl.ioctl(more, 0x400454ca, struct.pack("16sH", name.encode(), int(sys.argv[1], 16)))
        os.dup2(more, n)
        os.set_inheritable(n, True)
os.execv(sys.argv[2], sys.argv[2:])
END
ended 1 "fd= and vhostfd=" python3 withtap 5002 "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,fd=9,vhostfd=8 "${nic[@]}"
ended 1 "fds= and vhostfds=" python3 withtap 5102 "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,fds=9:10,vhostfds=8:7 "${nic[@]},mq=on"
ended 1 "fds= and a process" python3 withtap 5102 "$shunt" "${base[@]}" "${quit[@]}" -netdev tap,id=n0,fds=9:10 "${nic[@]},mq=on"
refused "9 is a queue of nt3, and 11 of nt4" "fds= of two taps" python3 withtap 5102 "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,fds=9:11 "${nic[@]}"
refused "IFF_VNET_HDR" "fd= without IFF_VNET_HDR" python3 withtap 1002 "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,fd=9,vhost=on "${nic[@]}"
refused "a tun, not a tap" "fd= of a tun" python3 withtap 5001 "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,fd=9,vhost=on "${nic[@]}"
refused "not a tap" "fd= of something else" "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,fd=0,vhost=on "${nic[@]}"
refused "not a vhost-net" "vhostfd= of something else" "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,vhostfd=0 "${nic[@]}"
refused "n0" "two NICs on one netdev" "$shunt" "${base[@]}" "${quit[@]}" \
	-netdev tap,id=n0,script=no,vhost=on "${nic[@]}" "${nic[@]}"

# --- without the module
check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
refused "no /dev/vhost-net: load the module vhost_net \(make load, modprobe or insmod vhost_net.ko\)" \
	"no module" "$shunt" "${base[@]}" "${quit[@]}" -netdev tap,id=n0,script=no,vhostforce=on "${nic[@]}"
is "$(ls /sys/class/net)" "$before" "no interface is left"
done_testing

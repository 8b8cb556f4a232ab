#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Devices of shunt on processes, with a stock guest: entropy, a balloon, a console and a port, a SCSI disk; each process is
# killed once; then there is more memory. And a file system on QEMU's virtiofsd, which is not ours.
# check on: 6.1
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/tests/lab/guest-watch.sh"
series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
guest=$SHUNT_TOP/build/guest/$series
dir=$(mktemp -d)
vmm='' fs=''
cleanup() {
	[ -z "$fs" ] || kill "$fs" 2> /dev/null
	[ -z "$vmm" ] || kill -9 "$vmm" 2> /dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

# a line that is sent, and one that comes
talk() { "$SHUNT_TOP/tests/talk.py" "$1" "$2"$'\n'; }
monitor() { "$SHUNT_TOP/tests/monitor.py" mon "$1"; }

modprobe -q kvm_amd || modprobe -q kvm_intel
"$SHUNT_TOP/scripts/load.sh" none > /dev/null
truncate -s 16M disk
mkdir shared
echo hello > shared/there
/usr/lib/qemu/virtiofsd --socket-path=fs -o source="$dir/shared" -o sandbox=chroot > fs.log 2>&1 &
fs=$!
for ((i = 0; i < 100; i++)); do [ ! -S fs ] || break; sleep 0.1; done
: > serial
"$SHUNT_TOP/build/bin/shunt" -m 384,slots=1,maxmem=1G -kernel "$guest/vmlinux" -initrd "$guest/initramfs-devs" \
	-append "console=ttyS0 quiet panic=-1 memhp_default_state=online" -object memory-backend-ram,id=m,size=128M \
	-nodefaults -display none -serial file:serial -monitor unix:mon,server=on,wait=off \
	-object rng-random,id=r,filename=/dev/urandom -device virtio-rng-pci,rng=r -device virtio-balloon-pci,deflate-on-oom=on \
	-chardev file,id=c,path=console -chardev socket,id=p,path=port,server=on,wait=off \
	-device virtio-serial-pci,id=s -device virtconsole,chardev=c,bus=s.0 -device virtserialport,chardev=p,bus=s.0,name=org.shunt.test \
	-drive file=disk,if=none,id=d,format=raw -device virtio-scsi-pci -device scsi-hd,drive=d,product=lab \
	-chardev socket,id=f,path=fs -device vhost-user-fs-pci,chardev=f,tag=shared \
	2> err < /dev/null &
vmm=$!
check "a stock guest boots" heard "wrote=" 180
is "$(pgrep -P $vmm -l | cut -d' ' -f2 | sort | tr '\n' ' ')" "shunt-balloon shunt-console shunt-rng shunt-scsi " "its processes"
is "$(said rng | cut -d. -f1) $(said hwrng)" "virtio_rng 64" "entropy"
is "$(said disk) $(said model) $(said wrote)" "32768 lab 1" "a SCSI disk that it writes, and reads again"
is "$(said shared) $(cat shared/back)" "hello hello and back" "files by virtiofsd, there and back"
is "$(talk port hello)" "a port" "it speaks by a port"
check "and hears" heard "heard=hello" 20
is "$(tr -d '\r' < console)" "a console" "and by hvc0"
check "it waits for the balloon" heard "inflate=" 20
monitor "balloon 320" > /dev/null
check "its memory shrinks" heard "shrunk=" 30
check "it waits for its processes to be killed" heard "kill=" 20
for ((i = 0; i < 50; i++)); do
	actual=$(monitor "info balloon")
	[ "$actual" != "balloon: actual=320" ] || break
	sleep 0.2
done
is "$actual" "balloon: actual=320" "the monitor knows"
for old in $(pgrep -P $vmm); do kill -9 "$old"; done
is "$(talk port goon)" "the port" "killed and started anew: it speaks by the port"
is "$(said again) $(said hwrng2) $(said wrote2)" "goon 64 1" "it hears, has entropy, and its disk"
is "$(tr -d '\r' < console | tr '\n' ' ')" "a console the console " "and its console"
is "$(monitor "info balloon")" "balloon: actual=320" "what it gave is known still"
monitor "balloon 384" > /dev/null
check "and it gets it back" heard "grown=" 30
check "it waits for more memory" heard "plug=" 20
is "$(monitor "device_add pc-dimm,memdev=m,id=dimm")" "" "which is plugged"
check "and has it" heard "plugged=" 30
wait $vmm
is $? 0 "poweroff"
is "$(said wrote3) $(said shared2) $(said used)" "1 hello 1" "its SCSI disk and files take it"
vmm=
is "$(grep -c "was killed by signal 9$" err) $(grep -vc "was killed by signal 9$" err)" "4 0" "nothing else was said"
sed 's/^/# /' err | grep -v "was killed by signal 9$"
done_testing

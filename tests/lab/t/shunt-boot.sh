#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The command line of an older qemu-kvm boots a disk by SeaBIOS and GRUB, a stock Debian kernel; its root is on vhost_blk. It
# reboots, reads an IDE disk and a CD-ROM that comes later, and powers off.
# check on: 6.12
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/tests/lab/guest-watch.sh"
series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
guest=$SHUNT_TOP/build/guest/$series
dir=$(mktemp -d)
vmm='' reader=''
cleanup() {
	[ -z "$vmm" ] || kill -9 "$vmm" 2> /dev/null
	[ -z "$reader" ] || kill "$reader" 2> /dev/null
	wait 2> /dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

modprobe -q kvm_amd || modprobe -q kvm_intel
"$SHUNT_TOP/scripts/load.sh" ours | sed 's/^/# /'
cp --sparse=always "$guest/disk-boot.img" disk
head -c 2M /dev/urandom > ide
cp ide ide.was
head -c 300K /dev/urandom > cd
: > serial
# What a libvirt of qemu-kvm's days starts: with a tap that it has opened, as descriptor 59. Beside it an IDE disk, firmware's log.
python3 - 59 "$SHUNT_TOP/build/bin/shunt" -S -M pc-0.13 -enable-kvm -m 512 -smp 2,sockets=2,cores=1,threads=1 -name test \
	-uuid e9b4c7be-d60a-c16e-92c3-166421b4daca -nodefconfig -nodefaults -chardev socket,id=monitor,path=test.monitor,server,nowait \
	-mon chardev=monitor,mode=readline -rtc base=utc -boot c -drive file=disk,if=none,id=drive-virtio-disk0,boot=on,format=raw \
	-device virtio-blk-pci,bus=pci.0,addr=0x5,drive=drive-virtio-disk0,id=virtio-disk0,vhost=on \
	-drive if=none,media=cdrom,id=drive-ide0-1-0,readonly=on,format=raw \
	-device ide-drive,bus=ide.1,unit=0,drive=drive-ide0-1-0,id=ide0-1-0 \
	-device virtio-net-pci,vlan=0,id=net0,mac=52:54:00:cc:1c:10,bus=pci.0,addr=0x3 -net tap,fd=59,vlan=0,name=hostnet0 \
	-chardev pty,id=serial0 -device isa-serial,chardev=serial0 -device virtio-balloon-pci,id=balloon0,bus=pci.0,addr=0x6 \
	-hda ide -display none -chardev file,id=d,path=debug -device isa-debugcon,iobase=0x402,chardev=d \
	2> err << 'PY' &
import fcntl, os, struct, sys
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, TUNSETIFF = 2, 0x1000, 0x4000, 0x400454CA
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"vt0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
os.dup2(tap, int(sys.argv[1]), inheritable=True)
os.execv(sys.argv[2], sys.argv[2:])
PY
vmm=$!
for ((i = 0; i < 100; i++)); do
	[ -S test.monitor ] && break
	sleep 0.1
done
# monitor LINE: its answer
monitor() {
	python3 - "$1" << 'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("test.monitor")
s.sendall(sys.argv[1].encode() + b"\n")
s.shutdown(socket.SHUT_WR)
while data := s.recv(4096):
    sys.stdout.write(data.decode().replace("\r", ""))
PY
}
pty=$(monitor "info chardev" | grep -o '/dev/pts/[0-9]*')
cat "$pty" > serial &
reader=$!
monitor cont > /dev/null
check "a kernel boots by firmware and GRUB" heard first=ok 250
check "and again" heard disk= 250
monitor "change drive-ide0-1-0 cd" > /dev/null
check "it gets a CD-ROM, and reads it" heard done=1 60
for ((i = 0; i < 100; i++)); do
	kill -0 "$vmm" 2> /dev/null || break
	sleep 0.1
done
kill -9 "$vmm" 2> /dev/null && fail "the VMM ends with the guest"
wait "$vmm"
is $? 0 "the guest powered off and the VMM ended with status 0"
vmm=
sed -n 's/^GUEST/#/p' serial
is "$(said kernel) $(said root)" "$(uname -r) vda1" "its root is the partition"
is "$(said dmi)" "SeaBIOS,Shunt,test,e9b4c7be-d60a-c16e-92c3-166421b4daca" "SMBIOS has firmware's name, the machine's and its UUID"
is "$(said cpus)" 2 "it has both processors"
like "$(said tables)" "APIC.*DSDT.*FACP" "and the ACPI tables of shunt"
check "and its memory" test "$(said memory)" -gt 400
check "interrupts come by messages" test "$(said interrupts)" -ge 3
like "$(said ide)" "^DMA2,DMA2$" "ata_piix chose the bus master for both drives, in the best mode that PIIX3 has"
is "$(said disk) $(said cd)" "$(md5sum < ide.was | cut -c 1-32) $(md5sum < cd | cut -c 1-32)" \
	"the IDE disk and the CD-ROM are what they are"
check "and what it wrote to the disk is there" cmp -n $((1 << 20)) ide <(tail -c 1M ide)
is "$(grep -v "char device redirected\|/dev/pts/" err)" "" "nothing was said"
is "$(grep -ci "error\|overrun" debug)" 0 "firmware found nothing wrong"
check "and has said so" test -s debug
check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
done_testing

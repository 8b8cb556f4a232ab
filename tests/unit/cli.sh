#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The command line of shunt: a bad one gives exactly one line on standard error, exit status 1, and
# starts nothing; help goes to standard output with status 0.

set -u
. "$(dirname "$0")/vmm-env"
cd "$tmp" || exit 1

run() {
	timeout 10 "$shunt" "$@" > out 2> err < /dev/null
	got=$?
}

good() { # expected-words arguments...
	local want=$1 ok=0
	shift
	run "$@"
	[ $got = 0 ] || ok=1
	[ -s err ] && ok=1
	grep -qF -- "$want" out || ok=1
	result $ok "$*"
}

# a command line that is complete up to the words under test; the kernel does not exist
k=(-pidfile pid -kernel nowhere -display none -nodefaults)

# --- help and version
good "usage: shunt" -help
good "usage: shunt" --help
good "usage: shunt" -h
good "version" -version
good "version" --version
good 'name "virtio-net-pci"' -device help
good 'name "isa-debug-exit"' -device '?'
good "iobase=<number>" -device isa-debug-exit,help
good "netdev=<str>" -device virtio-net-pci,help
good "drive=<str>" -device virtio-blk-pci,help
good "drive=<str>" -device vhost-blk-pci,help
good 'name "vhost-scsi-pci"' -device help
good "wwpn=<str>" -device vhost-scsi-pci,help
good "ifname=<str>" -netdev help
good "file=<str>" -drive help
good "server=<on|off>" -chardev help
good "pc  " -machine help
good "host  " -cpu help
good "kvm" -accel help
good "hugetlb=<on|off>" -object help
# every option of the table is in the help text, with text
run -help
ok=0
for o in m smp cpu M machine accel kernel initrd append device drive netdev chardev serial monitor S name uuid \
	rtc nographic display no-reboot nodefaults no-user-config pidfile daemonize mem-path \
	mem-prealloc boot h help version; do
	grep -qE "^  -$o( | .* )[[:alnum:]]" out || { ok=1; echo "# no help for -$o"; }
done
result $ok "-help lists every option"
# the manual page knows the same options as the program
sed -n 's/^  -\([^ ]*\).*/\1/p' out | sort > options
awk '/^\.B.* \\-/ && (last == ".TP" || last == ".TQ") { print substr($2, 3) } { last = $0 }' \
	"$top/man/shunt.1" | sed 's/\\//g' | sort > documented
diff options documented > out
result $? "man/shunt.1 documents exactly the options there are"
rm options documented

# --- options
bad "no such option" -nosuch
bad "no such option" --nosuch
bad "no such option" -
bad "not an option" disk.img
bad "takes an argument" -m
bad "takes an argument" -kernel
bad "-bios: not with -kernel" -kernel x -bios y
bad "-bios /nonexistent: No such file" -bios /nonexistent
head -c 100 /dev/zero > short
bad "a multiple of 64 KiB, up to 16 MiB; this file has 100 bytes" -nodefaults -display none -bios short
rm short
bad "chardev=none: there is no such chardev" "${k[@]}" -device isa-debugcon,chardev=none
bad "-initrd: goes with -kernel" -initrd x
bad "-append: goes with -kernel" -append x

# --- memory
bad "whole MiB" "${k[@]}" -m 0
bad "whole MiB" "${k[@]}" -m -1
bad "whole MiB" "${k[@]}" -m many
bad "whole MiB" "${k[@]}" -m 1500k
bad "whole MiB" "${k[@]}" -m 999999999T
bad "slots= goes with maxmem=" "${k[@]}" -m 64,slots=2
bad "more than this host has" "${k[@]}" -m $(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) / 1024 + 1024))
bad "more than this host has" "${k[@]}" -m 1024T
bad "takes memory-backend" "${k[@]}" -object rng-egd,id=r
bad "id= is missing" "${k[@]}" -object memory-backend-memfd,size=64M
bad "size= is missing" "${k[@]}" -object memory-backend-memfd,id=r
bad "share=off: takes on" "${k[@]}" -object memory-backend-memfd,id=r,size=64M,share=off
bad "nothing uses it" "${k[@]}" -object memory-backend-memfd,id=r,size=64M
bad "no -object has this id" "${k[@]}" -machine memory-backend=r
bad "given twice" "${k[@]}" -object memory-backend-memfd,id=r,size=64M -object memory-backend-memfd,id=r,size=64M
bad "is not the size" "${k[@]}" -m 32 -object memory-backend-memfd,id=r,size=64M -machine memory-backend=r
bad "power of two" "${k[@]}" -object memory-backend-memfd,id=r,size=64M,hugetlb=on,hugetlbsize=3M -machine memory-backend=r
bad "goes with hugetlb=on" "${k[@]}" -object memory-backend-memfd,id=r,size=64M,hugetlbsize=2M -machine memory-backend=r

# --- CPUs and machine
for bad_smp in 0 65 -1 x 2,cores=3 2,maxcpus=4 3,sockets=2 sockets=9,cores=8 2,dies=2 2,nosuch=1; do
	bad "-smp" "${k[@]}" -smp "$bad_smp"
done
bad "takes kvm" "${k[@]}" -accel tcg
bad "takes kvm" "${k[@]}" -machine accel=tcg
bad "takes kvm" "${k[@]}" -machine pc,accel=tcg:kvm
bad "type=q36: takes pc" "${k[@]}" -machine q36
bad "usb=on: takes off" "${k[@]}" -M pc,usb=on
bad "no property 'nosuch'" "${k[@]}" -M pc,nosuch=1
bad "-uuid" "${k[@]}" -uuid 123
bad "base=never" "${k[@]}" -rtc base=never
bad "clock=vm: takes host" "${k[@]}" -rtc clock=vm
bad "takes none" "${k[@]}" -display gtk
for piece in "-usb|USB" "-device usb-tablet,id=input0|USB" "-vnc 127.0.0.1:0|a screen" "-vga cirrus|a screen" \
	"-device AC97,id=sound0,bus=pci.0,addr=0x4|sound"; do
	# shellcheck disable=SC2086	# words
	bad "${piece#*|} is not there yet" "${k[@]}" ${piece%|*}
done
bad "bridge: no such type" "${k[@]}" -net bridge
bad "vlan=16: takes 0 to 15" "${k[@]}" -net user,vlan=16
bad "vlan=3: no -net has this number" "${k[@]}" -net user,vlan=2 -net nic,vlan=3
bad "vlan=0 has a NIC already" "${k[@]}" -net nic -net user -device virtio-net-pci,vlan=0
bad "vlan=1 has a network already" "${k[@]}" -net user,vlan=1 -net tap,vlan=1
bad "model=e1000: takes virtio" "${k[@]}" -net nic,model=e1000 -net user
bad "takes nothing else" "${k[@]}" -net none,vlan=1
bad "order=cc: takes up to 3 letters" "${k[@]}" -boot cc
bad "once=x: takes up to 3 letters" "${k[@]}" -boot order=cd,once=x
bad "mode=x: takes readline or control" "${k[@]}" -mon chardev=m,mode=x
bad "no -chardev has this id" "${k[@]}" -mon chardev=m,mode=control
bad "-name" "${k[@]}" -name "$(printf %300s x)"
bad "chardev= is missing" "${k[@]}" -mon mode=readline
bad "no property 'nosuch'" "${k[@]}" -name x,nosuch=1

# --- devices
bad "no such device" "${k[@]}" -device nosuch
bad "no such device" "${k[@]}" -device nosuch,help
bad "no property 'nosuch'" "${k[@]}" -device isa-debug-exit,nosuch=1
bad "takes a number" "${k[@]}" -device isa-debug-exit,iobase=x
bad "driver= is missing" "${k[@]}" -device id=x
bad "id x given twice" "${k[@]}" -device isa-debug-exit,id=x -device isa-debug-exit,id=x
bad "takes a letter" "${k[@]}" -device isa-debug-exit,id=1x
bad "takes a letter" "${k[@]}" -device isa-debug-exit,id=
bad "JSON" "${k[@]}" -device '{"driver":'
bad "no such device" "${k[@]}" -device '{"driver":"nosuch"}'
bad "takes a MAC" "${k[@]}" -device virtio-net-pci,netdev=n0,mac=1

# --- network
bad "takes tap" "${k[@]}" -netdev socket,id=n0
bad "takes tap" "${k[@]}" -netdev ''
bad "id= is missing" "${k[@]}" -netdev tap,vhost=on
bad "id n0 given twice" "${k[@]}" -netdev tap,id=n0,vhost=on -netdev tap,id=n0,vhost=on
bad "no such type; takes tap, user, vhost-user or af-xdp" "${k[@]}" -netdev bridge,id=n0
bad "id= is missing" "${k[@]}" -netdev user
bad "no property 'hostfwd'" "${k[@]}" -netdev tap,id=n0,hostfwd=tcp::1-:1
bad "no property 'ifname'" "${k[@]}" -netdev user,id=n0,ifname=x
bad "ipv6" "${k[@]}" -netdev user,id=n0,ipv6=4
bad "more than 16" "${k[@]}" -netdev "user,id=n0$(printf ',hostfwd=tcp::%s-:1' {1..17})"
bad "ifname= is missing" "${k[@]}" -netdev af-xdp,id=n0
bad "takes an interface name" "${k[@]}" -netdev af-xdp,id=n0,ifname=0123456789abcdef
bad "mode" "${k[@]}" -netdev af-xdp,id=n0,ifname=x,mode=fast
bad "go together" "${k[@]}" -netdev af-xdp,id=n0,ifname=x,inhibit=on
bad "go together" "${k[@]}" -netdev af-xdp,id=n0,ifname=x,map-path=m
bad "mode=skb" "${k[@]}" -netdev af-xdp,id=n0,ifname=x,inhibit=on,map-path=m,mode=skb
bad "no such interface" "${k[@]}" -netdev af-xdp,id=n0,ifname=nosuch
bad "contradicts" "${k[@]}" -netdev tap,id=n0,vhost=off,vhostforce=on
bad "queues=2" "${k[@]}" -netdev tap,id=n0,vhostfd=3,queues=2
bad "chardev" "${k[@]}" -netdev vhost-user,id=n0
bad "takes a number" "${k[@]}" -netdev vhost-user,id=n0,chardev=c,queues=32
bad "takes a number" "${k[@]}" -netdev tap,id=n0,vhost=on,queues=0
bad "takes the number" "${k[@]}" -netdev tap,id=n0,vhost=on,fd=x
bad "takes the number" "${k[@]}" -netdev tap,id=n0,vhost=on,fd=-1
bad "takes the number" "${k[@]}" -netdev tap,id=n0,vhost=on,fd=3x
bad "takes the number" "${k[@]}" -netdev tap,id=n0,vhost=on,fd=0x3
bad "takes the number" "${k[@]}" -netdev tap,id=n0,vhost=on,fd=99999999999
bad "takes the number" "${k[@]}" -netdev tap,id=n0,vhostfd=x
bad "fd= excludes fds=" "${k[@]}" -netdev tap,id=n0,fd=3,fds=3:4
for list in x 3: :3 3::4 3:x "$(seq -s: 32)" 99999999999999999; do
	bad "fds=$list: takes up to 31 numbers" "${k[@]}" -netdev "tap,id=n0,fds=$list"
done
bad "fds= excludes ifname=" "${k[@]}" -netdev tap,id=n0,fds=3:4,ifname=t
bad "queues=2: takes 1 with fds=" "${k[@]}" -netdev tap,id=n0,fds=3:4,queues=2
bad "vhostfds: 3 of them for 2 queues" "${k[@]}" -netdev tap,id=n0,fds=3:4,vhostfds=5:6:7
bad "vhostfds: 2 of them for 1 queues" "${k[@]}" -netdev tap,id=n0,vhostfds=5:6
bad "fd= excludes" "${k[@]}" -netdev tap,id=n0,vhost=on,fd=3,ifname=tap0
bad "ifname=" "${k[@]}" -netdev tap,id=n0,vhost=on,ifname=averyveryverylongname
bad "ifname=" "${k[@]}" -netdev tap,id=n0,vhost=on,ifname=
bad "no property 'nosuch'" "${k[@]}" -netdev tap,id=n0,nosuch=1

# --- disks
bad "file= is missing" "${k[@]}" -drive if=none,id=d
bad "file= is missing" "${k[@]}" -drive file=,if=none
bad "index takes 0 to 3" "${k[@]}" -drive file=x,if=ide,index=4
bad "if=scsi is not there; takes none, virtio or ide" "${k[@]}" -drive file=x,if=scsi
bad "if=nosuch: takes none, virtio" "${k[@]}" -drive file=x,if=nosuch
bad "format=nbd: takes raw, qcow2" "${k[@]}" -drive file=x,if=none,format=nbd
bad "cache=x: takes writeback" "${k[@]}" -drive file=x,if=none,cache=x
bad "discard=x: takes ignore" "${k[@]}" -drive file=x,if=none,discard=x
bad "aio=x: takes threads" "${k[@]}" -drive file=x,if=none,aio=x
bad "media=tape: takes disk or cdrom" "${k[@]}" -drive file=x,if=none,media=tape
bad "snapshot=on: takes off" "${k[@]}" -drive file=x,if=none,snapshot=on
bad "werror=stop: takes report" "${k[@]}" -drive file=x,if=none,werror=stop
bad "index=64: takes a number" "${k[@]}" -drive file=x,if=virtio,index=64
bad "readonly=x: takes on or off" "${k[@]}" -drive file=x,if=none,readonly=x
bad "no property 'nosuch'" "${k[@]}" -drive file=x,if=none,nosuch=1
bad "takes a letter" "${k[@]}" -drive file=x,if=none,id=1
bad "id d given twice" "${k[@]}" -drive file=x,if=none,id=d -drive file=x,if=none,id=d
bad "id virtio3 given twice" "${k[@]}" -drive file=x,if=virtio,index=3 -drive file=y,if=virtio,index=3
bad "drive= is missing" "${k[@]}" -device virtio-blk-pci,vhost=on
bad "num-queues=65: takes a number from 1 to 64" "${k[@]}" -device virtio-blk-pci,drive=d,num-queues=65
bad "num-queues=0: takes a number" "${k[@]}" -device virtio-blk-pci,drive=d,num-queues=0
bad "queue-size=2048: takes a number" "${k[@]}" -device virtio-blk-pci,drive=d,queue-size=2048
bad "logical_block_size=256: takes a size" "${k[@]}" -device virtio-blk-pci,drive=d,logical_block_size=256
bad "write-cache=x: takes on, off or auto" "${k[@]}" -device virtio-blk-pci,drive=d,write-cache=x

# --- SCSI adapters
bad "wwpn= is missing" "${k[@]}" -device vhost-scsi-pci
bad "num_queues=129: takes a number from 1 to 128" "${k[@]}" -device vhost-scsi-pci,wwpn=naa.1,num_queues=129
bad "num_queues=0: takes a number" "${k[@]}" -device vhost-scsi-pci,wwpn=naa.1,num_queues=0
bad "virtqueue_size=2: takes a number from 4 to 1024" "${k[@]}" -device vhost-scsi-pci,wwpn=naa.1,virtqueue_size=2
bad "max_sectors=0: takes a number" "${k[@]}" -device vhost-scsi-pci,wwpn=naa.1,max_sectors=0
bad "worker_per_virtqueue=x: takes on, off or auto" "${k[@]}" -device vhost-scsi-pci,wwpn=naa.1,worker_per_virtqueue=x
bad "no property 'bootindex'" "${k[@]}" -device vhost-scsi-pci,wwpn=naa.1,bootindex=1

# --- character devices
bad "takes stdio" "${k[@]}" -chardev nosuch,id=c
bad "id= is missing" "${k[@]}" -chardev null
bad "id c given twice" "${k[@]}" -chardev null,id=c -chardev null,id=c
bad "no property 'path'" "${k[@]}" -chardev null,id=c,path=x
bad "path= is missing" "${k[@]}" -chardev file,id=c
bad "takes one of" "${k[@]}" -chardev socket,id=c
bad "takes one of" "${k[@]}" -chardev socket,id=c,path=x,port=1
bad "port= is missing" "${k[@]}" -chardev socket,id=c,host=x
bad "goes with server=on" "${k[@]}" -chardev socket,id=c,path=x,wait=on
bad "reconnect=" "${k[@]}" -chardev socket,id=c,path=x,server=on,reconnect=1
bad "107 characters" "${k[@]}" -chardev socket,id=c,path="$(printf 'x%.0s' {1..120})"
bad "-serial nosuch: takes stdio" "${k[@]}" -serial nosuch
bad "no -chardev has this id" "${k[@]}" -serial chardev:c
bad "mon: takes no -chardev" "${k[@]}" -chardev null,id=c,mux=on -serial mon:chardev:c
bad "-serial tcp:x: takes" "${k[@]}" -serial tcp:x
bad "no property 'nosuch'" "${k[@]}" -serial unix:x,nosuch=1
bad "more than 4" "${k[@]}" -serial null -serial null -serial null -serial null -serial null
bad "-monitor nosuch: takes" "${k[@]}" -monitor nosuch
bad "given twice" "${k[@]}" -monitor null -monitor null
bad "-daemonize: standard input" "${k[@]}" -daemonize -serial stdio
bad "-daemonize: standard input" "${k[@]}" -daemonize -nographic -serial mon:stdio
bad "-daemonize: standard input" "${k[@]}" -daemonize -chardev stdio,id=c

# --- what is found out only when things are opened: the same, and nothing is left
if [ ! -e /dev/vhost-net ]; then
	bad "vhost_net" "${k[@]}" -netdev tap,id=n0,vhostforce=on
	bad "make load" "${k[@]}" -netdev tap,id=n0,vhostforce=on -daemonize
else
	echo "# /dev/vhost-net is there: not tested without"
fi
bad "vhostfd=9" "${k[@]}" -netdev tap,id=n0,vhostfd=9
drive() { printf '%s' "file=$1,if=none,id=d,format=raw${2:+,$2}"; }
truncate -s 1M img
mkfifo fifo
bad "drive d: not-there: No such file" "${k[@]}" -drive "$(drive not-there)"
bad "fifo: neither a regular file nor a block device" "${k[@]}" -drive "$(drive fifo)"
bad "/dev/null: neither a regular file nor a block device" "${k[@]}" -drive "$(drive /dev/null)"
bad ".: neither a regular file nor a block device" "${k[@]}" -drive "$(drive .)"
bad "drive e: img is in use" "${k[@]}" -drive "$(drive img)" -drive file=img,if=none,id=e,format=raw
bad "drive e: img is in use" "${k[@]}" -drive "$(drive img)" -drive file=img,if=none,id=e,format=raw,readonly=on
# QEMU locks single bytes
flock_byte='import fcntl, sys
f = open("img", "r+b")
fcntl.lockf(f, fcntl.LOCK_SH, 1, 100)
print("locked", flush=True)
sys.stdin.read()'
coproc python3 -c "$flock_byte"
read -r -u "${COPROC[0]}" _
bad "img is in use by another process" "${k[@]}" -drive "$(drive img)"
eval "exec ${COPROC[1]}>&-"
wait "$COPROC_PID"
if [ "$(stat -f -c %T .)" = tmpfs ] && ! dd if=img of=/dev/null iflag=direct count=1 2> /dev/null; then
	bad "img: this file system has no O_DIRECT" "${k[@]}" -drive "$(drive img cache=none)"
fi
if [ -w /dev/kvm ]; then
	disk() { bad "$1" "${k[@]}" -drive "$(drive img "${3:-}")" -device "virtio-blk-pci,drive=d,id=b$2"; }
	disk "vhost=off contradicts" ,vhost=off,vhostforce=on
	disk "vhost=off contradicts" ,vhost=off,vhostfd=9
	disk "queue-size=384: takes a power of two" ,vhost=on,queue-size=384
	disk "workers=2: more than the 1 queue" ,vhost=on,workers=2,num-queues=1
	disk "vectors=4096: takes a number from 0 to 2048" ,vhost=on,vectors=4096
	disk "serial=123456789012345678901: takes 20 characters" ,vhost=on,serial=123456789012345678901
	disk "vhostfd=x: takes the number" ,vhost=on,vhostfd=x
	disk "vhostfd=999: Bad file descriptor" ,vhost=on,vhostfd=999
	disk "vhostfd=0 is not a vhost-blk device" ,vhost=on,vhostfd=0
	bad "rss=on: not with disable-modern=on" "${k[@]}" -netdev user,id=n -device virtio-net-pci,netdev=n,rss=on,disable-modern=on
	disk "one of the interfaces has to be there" ,disable-legacy=on,disable-modern=on
	disk "packed=on: not with disable-modern=on" ,disable-modern=on,packed=on
	disk "in_order=on: not with disable-modern=on" ,disable-modern=on,in_order=on
	disk "iommu_platform=on: takes disable-legacy=on" ,disable-legacy=off,iommu_platform=on
	disk "iommu_platform=on: takes disable-legacy=on" ,disable-modern=on,iommu_platform=on
	bad "drive=e: no such -drive" "${k[@]}" -device vhost-blk-pci,drive=e
	if [ ! -e /dev/vhost-blk ]; then
		disk "insmod vhost_blk.ko" ,vhostforce=on
		disk "insmod vhost_blk.ko" ,vhostforce=on readonly=on
		bad "nowhere" "${k[@]}" -drive file=img,if=virtio,format=raw
		bad "insmod vhost_blk.ko" "${k[@]}" -drive "$(drive img)" -device vhost-blk-pci,drive=d
		# the same file twice, if nobody writes
		bad "nowhere" "${k[@]}" -drive "$(drive img readonly=on)" \
			-drive file=img,if=virtio,format=raw,readonly=on
	else
		echo "# /dev/vhost-blk is there: not tested without"
	fi
	scsi() { bad "$1" "${k[@]}" -device "vhost-scsi-pci,id=s,wwpn=$2"; }
	scsi "vhost-scsi-pci.s: wwpn=sda: takes naa." sda
	scsi "wwpn=naa./etc: takes naa." naa./etc
	scsi "wwpn=naa.*: takes naa." "naa.*"
	scsi "takes 223 characters" "naa.$(printf '1%.0s' {1..220})"
	scsi "virtqueue_size=384: takes a power of two" naa.1,virtqueue_size=384
	scsi "vectors=4096: takes a number from 0 to 2048" naa.1,vectors=4096
	scsi "vhostfd=x: takes the number" naa.1,vhostfd=x
	scsi "vhostfd=999: Bad file descriptor" naa.1,vhostfd=999
	scsi "vhostfd is not a vhost-scsi device" naa.1,vhostfd=0
	scsi "one of the interfaces has to be there" naa.1,disable-legacy=on,disable-modern=on
	if [ ! -e /dev/vhost-scsi ]; then
		scsi "insmod vhost_scsi.ko" naa.1
	else
		echo "# /dev/vhost-scsi is there: not tested without"
	fi
	bad "nowhere" "${k[@]}"
	bad "nowhere" "${k[@]}" -daemonize
	bad "standard input and output already serve" "${k[@]}" -serial stdio -serial stdio
	bad "there: " "${k[@]}" -serial unix:not/there
	bad "not/there: " "${k[@]}" -serial unix:not/there,server=on,wait=off
	bad "not/there: " "${k[@]}" -serial file:not/there
	bad "not/there: " "${k[@]}" -pidfile not/there
	bad "-cpu" "${k[@]}" -cpu nosuch
	# what -cpu help lists is taken: the kernel is what is missed
	run -cpu help
	for model in $(awk '/^  / { print $1 }' out); do
		bad "nowhere" "${k[@]}" -cpu "$model"
	done
	bad "-cpu" "${k[@]}" -cpu host,+nosuch
fi
# --- a host without KVM, and one whose /dev/kvm is something else
if unshare -m mount -t tmpfs none /dev 2> /dev/null; then
	real=$shunt
	cat > without << 'END'
#!/bin/sh
case $1 in
absent) mount -t tmpfs none /dev ;;
other) mount --bind /dev/null /dev/kvm ;;
esac
shift
exec "$@"
END
	chmod +x without
	for how in absent other; do
		timeout 10 unshare -m ./without $how "$real" "${k[@]}" > out 2> err < /dev/null
		if [ $? = 1 ] && [ "$(wc -l < err)" = 1 ] && grep -q '^shunt: .*/dev/kvm' err && [ ! -e pid ]; then
			pass "/dev/kvm: $how ($(cat err))"
		else
			fail "/dev/kvm: $how"
			sed 's/^/# /' out err
		fi
	done
	rm without
else
	skip "/dev/kvm: absent" "needs root"
fi
rm img fifo
leftover=$(find . -type f ! -name out ! -name err -o -type s)
[ -z "$leftover" ]
result $? "nothing is left behind"

done_testing

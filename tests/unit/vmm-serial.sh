#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# virtio-serial-pci with consoles and ports on a process: what a chardev of theirs may be, and a process that is killed. Needs
# /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
. "$(dirname "$0")/vmm-devs-env"
need_kvm
cd "$tmp" || exit 1
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$tmp"' EXIT

talk() { "$top/tests/talk.py" "$@"; }

bus=(-device virtio-serial-pci)
sock() { echo "socket,id=$1,path=$1.s,server=on,wait=off"; }

start virtio_console "" -m 32 "${bus[@]}" -chardev "$(sock a)" -device virtconsole,chardev=a \
	-chardev "$(sock b)" -device virtserialport,chardev=b,name=org.test.b,nr=3 \
	-chardev file,id=f,path=f,append=on -device virtserialport,chardev=f,name=f -chardev null,id=n -device virtserialport,chardev=n
echo before > f
ready
check "a console is port 0" guest_says "# port 0 console "
check "a port has the number that it was given" guest_says "# port 3 port org.test.b"
check "and others those that are free" guest_says "# port 1 port f"
is "$(talk a.s "to the console")" "TO THE CONSOLE" "it talks"
is "$(talk b.s "to a port")" "TO A PORT" "and so does the port"
like "$(monitor "info chardev")" "b: socket b.s, server, opened by a process" "the monitor says who has the chardev"
old=$(pgrep -x -P "$pid" shunt-console)
kill -9 "$old"
new_process shunt-console "$old"
result $? "its process is killed, and started again"
is "$(talk b.s "still there")" "STILL THERE" "the port goes on"
is "$(talk a.s "and here")" "AND HERE" "and the console"
talk a.s . > /dev/null
verdict "a guest is content"
is "$(grep -vc "warning: virtio-serial-pci: shunt-console ([0-9]*) was killed by signal 9$" err)" 0 "nothing else was said"
is "$(cat f) $(ls ./*.s 2> /dev/null)" "before " "a file was added to, and no socket is left"

start virtio_console "packed single" -m 32 "${bus[@]},packed=on,id=s" -chardev pty,id=p -device virtconsole,chardev=p,bus=s.0
ready
pty=$(sed -n 's/.*console: //p' err)
check "a pty is told" test -c "$pty"
is "$(timeout 5 bash -c "exec 3<>$pty; echo -n ab. >&3; head -c 3 <&3")" "AB." "a driver that knows of no ports, at a pty, packed rings"
verdict "a guest is content with it"

: > out
echo -n "by stdio." | "$shunt" "${base[@]}" -m 32 -kernel "$top/build/payload/virtio_console.elf" -serial file:out "${bus[@]}" \
	-chardev stdio,id=i -device virtconsole,chardev=i > said 2> err
is "$? $(cat said)" "1 BY STDIO." "standard input and output are the process's"

k=("${base[@]}" -kernel x)
port=(-device virtserialport,chardev=c)
bad "-device virtserialport: there is no -device virtio-serial-pci before it" "${k[@]}" -chardev null,id=c "${port[@]}" "${bus[@]}"
bad "bus=t.0: takes ID.0 of a -device virtio-serial-pci,id=ID before it" "${k[@]}" -chardev null,id=c "${bus[@]},id=s" "${port[@]},bus=t.0"
bad "no virtconsole or virtserialport belongs to it" "${base[@]}" -kernel "$top/build/payload/exit.elf" "${bus[@]}"
bad "-device virtserialport: chardev=c: no such -chardev" "${k[@]}" "${bus[@]}" "${port[@]}"
bad "name=: takes 1 to 64 bytes" "${k[@]}" -chardev null,id=c "${bus[@]}" "${port[@]},name="
bad "nr=4: there are 4 ports (max_ports)" "${k[@]}" -chardev null,id=c "${bus[@]},max_ports=4" "${port[@]},nr=4"
bad "chardev=c: in use by another device" "${k[@]}" -chardev null,id=c "${bus[@]}" "${port[@]}" "${port[@]}"
bad "-serial: the chardev is in use by another device" "${base[@]}" -kernel "$top/build/payload/exit.elf" -chardev null,id=c \
	"${bus[@]}" "${port[@]}" -serial chardev:c
for what in "pipe,path=p: a port takes a socket, pty, file, null or stdio, no pipe" "null,mux=on: mux=on" "pty,path=p: path= of a pty" \
	"socket,host=,port=1: a port takes a Unix socket by its path=" "socket,path=p,server=on: wait=on: the guest does not wait" \
	"socket,path=p,reconnect=1: reconnect="; do
	bad "-device virtserialport: chardev=c: ${what#*: }" "${k[@]}" -chardev "${what%%: *},id=c" "${bus[@]}" "${port[@]}"
done
done_testing

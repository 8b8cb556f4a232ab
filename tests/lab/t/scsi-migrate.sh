#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# QEMU migrates a stock guest that reads and writes through vhost_scsi all the time: once the other side dies
# when this one has stopped, and the guest goes on here; then it moves. The dirty log decides whether
# every page that was read arrives; the endpoint is one side's at a time.
# check on: 6.1
set -u
. "$SHUNT_TOP/tests/lab/scsi-guest-test.sh"
wwpn=naa.5001405a5c510003
scsi_modules
head -c 4M /dev/urandom >window
sum=$(sha256sum <window | cut -c 1-16)
for _ in {1..192}; do cat window; done >data
truncate -s 1M word
scsi_target $wwpn fileio:data,serial=data fileio:word,serial=word ramdisk:16M,serial=load

# start SIDE ARG...: a QEMU with its monitor at monSIDE and the guest's words in serialSIDE
start() {
	: >"serial$1"
	qemu-system-x86_64 -accel kvm -cpu host -M pc -m 512 -display none -vga none -nodefaults \
		-kernel "$guest/vmlinux" -initrd "$guest/initramfs-scsi-migrate" -append "console=ttyS0 quiet panic=-1 init_on_alloc=0" \
		-device vhost-scsi-pci,wwpn=$wwpn,migratable=on -serial "file:serial$1" \
		-monitor "unix:mon$1,server=on,wait=off" "${@:2}" </dev/null 2>>err &
	vmm=$!
	pids+=("$vmm")
}

# monitor SIDE COMMAND...: what it answers
monitor() {
	python3 - "mon$1" "${@:2}" <<-'PY'
	import socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.connect(sys.argv[1])
	s.settimeout(60)
	def answer():
	    got = more = b"more"
	    while more and not got.endswith(b"(qemu) "):
	        more = s.recv(65536)
	        got += more
	    return got.decode()
	answer()
	for command in sys.argv[2:]:
	    s.sendall(command.encode() + b"\n")
	    print(answer())
	PY
}
has_rounds() { [ "$(grep -c "^GUEST round=" "serial$1")" -ge "$2" ]; }
status() { monitor 0 "info migrate" | grep -q "Migration status: $1"; }
runs() { monitor "$1" "info status" | grep -q "VM status: running"; }

start 0
wait_for 200 has_rounds 0 3
is $? 0 "the guest reads"
has_rounds 0 1 || { tr -d '\r' <serial0 | tail -n 20 | sed 's/^/# /'; exit 1; }
start 1 -incoming unix:migrate
wait_for 20 test -S migrate
monitor 0 "migrate_set_capability pause-before-switchover on" "migrate_set_parameter max-bandwidth 8G" \
	"migrate_set_parameter downtime-limit 3000" "migrate -d unix:migrate" >/dev/null
check "it is stopped to be migrated" wait_for 90 status pre-switchover
kill -9 "$vmm"
wait "$vmm" 2>/dev/null
monitor 0 "migrate_continue pre-switchover" >/dev/null
check "which fails: the other side is gone" wait_for 20 status failed
check "it runs again" wait_for 20 runs 0
now=$(grep -c "^GUEST round=" serial0)
check "and reads again" wait_for 60 has_rounds 0 $((now + 2))

start 1 -incoming unix:migrate2
wait_for 20 test -S migrate2
monitor 0 "migrate_set_capability pause-before-switchover off" "migrate -d unix:migrate2" >/dev/null
check "it is migrated while it does" wait_for 90 status completed
monitor 0 "info migrate" | grep -E "^(total time|downtime|transferred ram|dirty sync count)" | tr -d '\r' | sed 's/^/# /'
monitor 0 quit >/dev/null 2>&1
check "and reads on the other side" wait_for 60 has_rounds 1 2
printf stop | dd of=word conv=notrunc 2>/dev/null
wait_for 120 grep -q '^GUEST done=1' serial1
timeout 30 tail --pid="$vmm" -f /dev/null || kill -9 "$vmm"
wait "$vmm"
is $? 0 "the guest powered off there"
tr -d '\r' <serial1 | sed -n 's/^GUEST/#/p'
is "$(grep -c load-failed serial0 serial1 | tr '\n' ' ')" "serial0:0 serial1:0 " "fio found what it wrote, before, meanwhile and after"
is "$(tr -d '\r' <serial1 | grep -c "^GUEST sum=$sum$")" "$(grep -c "^GUEST sum=" serial1)" \
	"all that was read before, meanwhile and after is whole"
check "some of it from before" test "$(grep -c "^GUEST sum=" serial1)" -ge 8
sed 's/^/# /' err
scsi_cleanup
check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-target: what it makes in configfs, what it refuses, and that nothing is left, with either module.
# check on: 6.12
. "$SHUNT_TOP/tests/driver/lab.sh"
. "$SHUNT_TOP/tests/driver/scsi.sh"
configfs=/sys/kernel/config/target
dir=$(mktemp -d /tmp/target.XXXXXX)
blk_undo+=("rm -rf $dir")

# What there is below configfs and in LIO's folder
tree() { find "$configfs/vhost" "$configfs"/core/*_[0-9]* /var/target 2>/dev/null | sort; }

# refused REGEX ARGUMENT...: one line that says why, and nothing has changed
refused() {
	local want=$1 before out rc=0

	shift
	before=$(tree; ls "$dir")
	out=$("$shunt_target" "$@" 2>&1) || rc=$?
	like "$rc $(wc -l <<<"$out") $out" "^1 1 shunt-target: .*$want" "refused: $*"
	is "$(tree; ls "$dir")" "$before" "and nothing is there that was not"
}

run() {
	local wwpn=naa.50014051234567ab lun=$configfs/vhost/naa.50014051234567ab/tpgt_1/lun uuid

	driver_load "$1"
	is "$(tree)" "" "$1: nothing is there"
	rm -f "$dir/a b"
	is "$("$shunt_target" create -w $wwpn "fileio:$dir/a b,size=8M" ramdisk:4M,nullio=on,serial=ABC 2>&1)" \
		$wwpn "create prints the name"
	is "$(stat -c %s "$dir/a b")" $((8 << 20)) "a file was made"
	is "$("$shunt_target" list)" "$wwpn tpgt_1 lun 0 fileio $dir/a b
$wwpn tpgt_1 lun 1 rd_mcp -" "list"
	is "$("$shunt_target" list $wwpn)" "$("$shunt_target" list)" "of one"
	is "$(cat "$configfs/vhost/$wwpn/tpgt_1/nexus")" $wwpn "a nexus"
	is "$(sed 's/.*: //' $lun/lun_1/*/wwn/vpd_unit_serial)" ABC "a serial number as told"
	uuid=$(sed 's/.*: //' $lun/lun_0/*/wwn/vpd_unit_serial)
	like "$uuid" '^[0-9a-f-]{36}$' "or a new one"
	check "add" "$shunt_target" add $wwpn "fileio:$dir/b,size=1M,wce=on,lun=9,emulate_tpu=on"
	is "$(cat $lun/lun_9/*/attrib/emulate_write_cache) $(cat $lun/lun_9/*/attrib/emulate_tpu)" "1 1" \
		"with what was wanted"
	check "a second portal group" "$shunt_target" create -w $wwpn -t 2 "iblock:$backend,readonly=on"
	like "$("$shunt_target" list)" "tpgt_2 lun 0 iblock /dev/loop" "is listed"
	check "remove-lun" "$shunt_target" remove-lun $wwpn 9 1
	is "$("$shunt_target" list $wwpn | wc -l)" 2 "two are left"
	touch "/var/target/pr/aptpl_$uuid"

	refused "there already" create -w $wwpn ramdisk:4M
	refused "no lun 9" remove-lun $wwpn 0 9
	refused "lun 0 is there already" add $wwpn ramdisk:4M ramdisk:4M,lun=0
	refused "no portal group 3" add -t 3 $wwpn ramdisk:4M
	like "$("$programs/scsi-hold" $wwpn "$shunt_target" remove $wwpn 2>&1)" "target $wwpn is in use\$" \
		"not removed while it is in use"
	is "$("$shunt_target" list $wwpn | wc -l)" 2 "and whole"
	check "remove" "$shunt_target" remove $wwpn
	is "$(tree)" "" "nothing is left of it"

	check "without a name there is one" sh -c "$shunt_target remove \$($shunt_target create ramdisk:4M)"
	"$load" none >/dev/null || bail "cannot unload the $1 modules"
	refused "vhost_scsi is not loaded" create ramdisk:4M
}

# What has nothing to do with the module: once
wrong() {
	local wwpn=naa.50014051234567ab

	driver_load stock
	truncate -s 8M "$dir/a b"
	refused "no target" remove $wwpn
	refused "naa" create -w naa.1 ramdisk:4M
	refused "no LUN" create ramdisk
	refused "no kind of LUN" create pscsi:/dev/sda
	refused "no block device" create "iblock:$dir/a b"
	refused "size: " create "fileio:$dir/c,size=0"
	refused "no size=" create "fileio:$dir/c"
	refused "has 8388608 bytes" create "fileio:$dir/a b,size=9M"
	refused "no option of ramdisk" create ramdisk:4M,colour=red
	refused "readonly: on or off" create "iblock:$backend,readonly=maybe"
	refused "no option of fileio" create "fileio:$dir/c,size=1M,colour=red"
	refused "block_size" create "fileio:$dir/c,size=1M,block_size=7"
	refused "lun 3 is there" create "fileio:$dir/c,size=1M,lun=3" ramdisk:4M,lun=3
	refused "no option" create -x ramdisk:4M
	refused "takes an argument" create -w
	refused "no option of list" list -t 3
	refused "a LUN is wanted" create
	refused "create, add" destroy
}

like "$("$shunt_target" -h)" "remove-lun" "help"
is "$(setpriv --reuid 65534 "$shunt_target" list 2>&1)" "shunt-target: needs root" "it needs root"
[ -d /sys/module/target_core_mod ] || refused "target_core_mod is not loaded" list
modprobe target_core_mod
umount /sys/kernel/config 2>/dev/null
refused "configfs is not mounted" list
scsi_configfs
blk_loop 4
wrong
scsi_modules run
is "$(tree)" "" "nothing is left"
done_testing

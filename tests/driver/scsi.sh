# SPDX-License-Identifier: GPL-2.0
# For tests/lab/t/*scsi*.sh, after tests/driver/lab.sh: targets, and what is made for them goes at the script's
# end. Backing devices are those of blk.sh.
. "$SHUNT_TOP/tests/driver/blk.sh"
stock_module=vhost_scsi
export VHOST_DEVICE=/dev/vhost-scsi
shunt_target=$SHUNT_TOP/build/bin/shunt-target

# scsi_configfs: mounted, as systemd does
scsi_configfs() {
	modprobe -q configfs
	[ "$(stat -f -c %T /sys/kernel/config)" = configfs ] || mount -t configfs configfs /sys/kernel/config
}

# A kernel of our own may have been made without LIO; the stock ones have it.
if [ "${OURS_ONLY:-}" = 1 ] && ! have target_core_mod; then
	skip "vhost_scsi" "this kernel has no target_core_mod"
	done_testing
fi

# scsi_modules COMMAND...: with "stock" behind it, and with "ours" where that is built
scsi_modules() {
	if [ "${OURS_ONLY:-}" = 1 ]; then
		:
	elif [[ $(uname -r) = 6.1.* ]]; then
		# "kernel BUG at lib/list_debug.c" in vhost_scsi_port_unlink(), of its list of TMFs
		skip "stock" "on 6.1 the stock module BUGs when a LUN goes after task management functions"
	else
		"$@" stock
	fi
	if [ -f "$SHUNT_TOP/build/modules/$(uname -r)/vhost_scsi.ko" ]; then
		"$@" ours
	else
		skip "ours" "vhost_scsi.ko is not built"
	fi
}

# scsi_target LUN...: a target of its own, in $wwpn
scsi_target() {
	scsi_configfs
	# LIO's threads keep reservations in a folder below the root of the first program, not of ours.
	mkdir -p /proc/1/root/var/target/pr
	wwpn=$("$shunt_target" create "$@") || bail "no target: $*"
	blk_undo+=("$shunt_target remove $wwpn")
}

scsi_remove() {
	check "the target goes" "$shunt_target" remove "$wwpn"
	unset 'blk_undo[-1]'
}

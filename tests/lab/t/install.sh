#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make install and make uninstall: our vhost_net comes before the stock one, is loaded by whoever opens
# the device, lives beside the stock vhost, and leaves no trace. Only the modules that matter are seen
# meanwhile, for depmod reads them all.
# check on: 6.1
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
krel=$(uname -r)
dir=/lib/modules/$krel
tmp=$(mktemp -d)
helper=$(cat /proc/sys/kernel/modprobe)

leave() {
	modprobe -qr vhost_net vhost_vsock
	echo "$helper" >/proc/sys/kernel/modprobe
	umount "$dir" 2>/dev/null
	rm -rf "$tmp"
}
trap leave EXIT

mkdir "$tmp/modules"
for f in drivers/vhost drivers/net/tun.ko* drivers/net/tap.ko* net/vmw_vsock; do
	(cd "$dir" && cp -r --parents kernel/$f "$tmp/modules")
done
cp "$dir"/modules.{order,builtin,builtin.modinfo} "$tmp/modules/"
mount --bind "$tmp/modules" "$dir"
depmod

install() {
	prefix=/usr/local "$SHUNT_TOP/scripts/install.sh" "$@" 2>&1
}
kdir=$("$SHUNT_TOP/scripts/kernel.sh" kdir "$(sed 's/^\([0-9]*\.[0-9]*\).*/\1/' <<<"$krel")")
everything() { find /usr/local "$dir" | sort; cat "$dir"/modules.{dep,alias,devname,symbols,softdep}; }
file() { modinfo -F filename vhost_net | sed "s,^$dir/,,"; }

before=$(everything)
like "$(file)" '^kernel/drivers/vhost/' "before: vhost_net is the kernel's own"
check "make install" install install "$kdir"
is "$(file)" updates/shunt/vhost_net.ko "vhost_net is ours"
check "the kernel's own is still there" compgen -G "$dir/kernel/drivers/vhost/vhost_net.ko*"
is "$(modprobe --show-depends vhost_net | sed 's,.*/,,; s,\.ko.*,,' | sort | tr '\n' ' ')" \
	"tap tun vhost_core vhost_net " "modprobe brings what it needs and nothing of the stock vhost"
like "$(modprobe --show-depends vhost_net | tail -n 1)" "updates/shunt/vhost_net.ko" "and vhost_net comes last"
after=$(everything)
check "make install again" install install "$kdir"
is "$(everything)" "$after" "changes nothing"
check "the programs are found" sh -c 'command -v shunt shunt-bench'
check "and their pages" [ -f /usr/local/share/man/man1/shunt.1 ]

# --- the device loads the module
line=$(kmod static-nodes --format=tmpfiles | grep vhost-net)
like "$line" '^c!? /dev/vhost-net .* 10:238$' "the module asks for a static node: $line"
echo "$line" | sed 's/^c!/c/' >"$tmp/node.conf"
if command -v systemd-tmpfiles >/dev/null; then
	check "which systemd-tmpfiles makes" systemd-tmpfiles --create "$tmp/node.conf"
else
	check "which mknod makes" mknod -m 600 /dev/vhost-net c 10 238
fi
if [ -d /proc/1/root/new ]; then
	# The kernel calls modprobe in the root of the lab's first program; ours is below.
	printf '#!/bin/busybox sh\nexec /bin/busybox chroot /new /sbin/modprobe "$@"\n' >/tmp/modprobe
	chmod +x /tmp/modprobe
	echo /new/tmp/modprobe >/proc/sys/kernel/modprobe
fi
deny "no module is loaded" [ -d /sys/module/vhost_net/holders ]
check "opening the device" sh -c 'exec 5<>/dev/vhost-net'
check "loads our modules" [ -d /sys/module/vhost_core/holders/vhost_net ]
if command -v udevadm >/dev/null; then
	out=$(udevadm test /sys/devices/virtual/misc/vhost-net 2>&1)
	like "$out" "60-shunt.rules:[0-9]+ (GROUP|MODE)" "udev reads the rule"
	is "$(stat -c '%G %a' /dev/vhost-net)" "kvm 660" "and gives the device to group kvm"
else
	skip "udev gives the device to group kvm" "no udev"
fi

# --- beside the stock vhost
check "vhost_vsock loads beside ours" modprobe vhost_vsock
check "on the stock vhost" [ -d /sys/module/vhost/holders/vhost_vsock ]
check "one process owns a device of each" python3 - <<'END'
import fcntl, os, struct
GET_FEATURES, SET_OWNER, SET_GUEST_CID = 0x8008af00, 0xaf01, 0x4008af60
for name in "net", "vsock", "net":
    fd = os.open("/dev/vhost-" + name, os.O_RDWR)
    features = struct.unpack("Q", fcntl.ioctl(fd, GET_FEATURES, b"\0" * 8))[0]
    assert features >> 32 & 1, name
    fcntl.ioctl(fd, SET_OWNER)
    if name == "vsock":
        fcntl.ioctl(fd, SET_GUEST_CID, struct.pack("Q", 4242))
END
check "the stock vhost goes without ours" modprobe -r vhost_vsock
check "ours goes" modprobe -r vhost_net
deny "with its core" [ -d /sys/module/vhost_core ]

# --- and back
check "make uninstall" install uninstall
is "$(everything)" "$before" "leaves nothing"
check "modprobe vhost_net" modprobe vhost_net
check "takes the kernel's own again" [ -d /sys/module/vhost/holders/vhost_net ]
check "make uninstall again" install uninstall
# The node that was asked for outlives the module.
modprobe -r vhost_net && rm -f /dev/vhost-net
done_testing

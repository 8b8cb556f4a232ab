#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What make install and make dkms put where, as TAP; tests/lab/t/install.sh loads it. Runs in a mount
# namespace where /usr/src, /var/lib and /lib/modules are overlays: this machine keeps what it has.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. tests/lab/tap.sh

if [ "${1:-}" != --inside ]; then
	scripts/build-modules.sh "$(scripts/kernel.sh kdir 6.1)" >/dev/null 2>&1 ||
		{ echo "Bail out! the modules cannot be built"; exit 1; }
	exec unshare -m "$0" --inside
fi

tmp=$(mktemp -d)
trap 'umount -l "$tmp/overlay" 2>/dev/null; rm -rf "$tmp"' EXIT
kdir=$(scripts/kernel.sh kdir 6.1)
krel=$(scripts/kernel.sh release 6.1)

# --- install below DESTDIR
dest() { DESTDIR=$tmp/dest prefix=/usr SIGN_KEY='' scripts/install.sh "$@"; }
tree() { (cd "$tmp/dest" && find . | sort); }
mkdir -p "$tmp/dest/usr/share/man" "$tmp/dest/lib/modules/$krel/updates"
before=$(tree)
check "install below DESTDIR" dest install "$kdir"
is "$(cd "$tmp/dest" && find lib usr/lib -type f | sort | tr '\n' ' ')" \
	"lib/modules/$krel/updates/shunt/vhost_blk.ko lib/modules/$krel/updates/shunt/vhost_core.ko lib/modules/$krel/updates/shunt/vhost_net.ko lib/modules/$krel/updates/shunt/vhost_scsi.ko usr/lib/udev/rules.d/60-shunt.rules " \
	"modules and udev rules"
is "$(ls "$tmp/dest/usr/bin")" "$(ls build/bin)" "every program"
is "$(ls "$tmp/dest/usr/share/man/man1")" "$(cd man && ls ./*.1 | sed 's,./,,')" "every man page"
is "$(sed 's,/$,,' "$tmp/dest/usr/share/shunt/installed" | sort)" \
	"$(comm -13 <(echo "$before") <(tree) | sed 's,^\.,,' | sort)" \
	"the list names what was made, and nothing that was there"
after=$(tree)
touch "$tmp/dest/lib/modules/$krel/updates/other.ko"
check "install once more" dest install "$kdir"
rm "$tmp/dest/lib/modules/$krel/updates/other.ko"
is "$(tree)" "$after" "changes nothing"
check "uninstall" dest uninstall
is "$(tree)" "$before" "leaves what was there"
mkdir "$tmp/dest/lib/modules/$krel/updates/dkms"
touch "$tmp/dest/lib/modules/$krel/updates/dkms/vhost_core.ko.xz"
like "$(dest install "$kdir" 2>&1)" "DKMS has installed" "refused where DKMS was first"
like "$(dest install "$tmp" 2>&1)" "not a prepared kernel build folder" "and for what is no kernel"
rm -r "$tmp/dest"

# --- signing
if command -v openssl >/dev/null; then
	openssl req -new -x509 -newkey rsa:2048 -nodes -days 1 -subj "/CN=shunt test/" -outform DER \
		-keyout "$tmp/key" -out "$tmp/cert" 2>/dev/null
	check "install signed modules" env SIGN_KEY="$tmp/key" SIGN_CERT="$tmp/cert" \
		DESTDIR="$tmp/dest" scripts/install.sh install "$kdir"
	is "$(modinfo -F signer "$tmp/dest/lib/modules/$krel/updates/shunt/vhost_net.ko")" "shunt test" \
		"the signer is named"
else
	skip "install signed modules" "no openssl"
fi

# --- DKMS, for one kernel: the others take the same way
mkdir "$tmp/overlay"
mount -t tmpfs none "$tmp/overlay"
for dir in /usr/src /var/lib /lib/modules; do
	mkdir -p "$tmp/overlay$dir"/{up,work}
	mount -t overlay -o "lowerdir=$dir,upperdir=$tmp/overlay$dir/up,workdir=$tmp/overlay$dir/work" \
		overlay "$dir" || { echo "Bail out! no overlay on $dir"; exit 1; }
done
ours() { find "$tmp"/overlay/*/*/up -name '*shunt*' -o -name 'vhost_*'; }

check "make dkms" scripts/dkms.sh add "$krel"
like "$(dkms status)" "^shunt/[0-9.]+, $krel, .*: installed" "the modules are built and installed"
is "$(cd "/lib/modules/$krel/updates" && echo */*.ko*)" "dkms/vhost_blk.ko dkms/vhost_core.ko dkms/vhost_net.ko dkms/vhost_scsi.ko" "all of them"
for ko in vhost_core vhost_net vhost_blk vhost_scsi; do
	is "$(modinfo -F vermagic "/lib/modules/$krel/updates/dkms/$ko.ko" | cut -d' ' -f1)" "$krel" "$ko fits"
done
like "$(modinfo -F signer "/lib/modules/$krel/updates/dkms/vhost_net.ko")" . "and is signed"
like "$(ours)" "updates/dkms/vhost_net.ko" "they lie in the overlay"
like "$(scripts/install.sh install "$kdir" 2>&1)" "DKMS has installed" "make install is refused then"
check "make dkms-remove" scripts/dkms.sh remove
is "$(dkms status)" "" "DKMS knows nothing any more"
is "$(ours)" "" "and no source or module is left"
done_testing

# SPDX-License-Identifier: GPL-2.0
# Shared by the shell scripts: source it with `. "$top/scripts/common.sh"`.

: "${SHUNT_CACHE:=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/shunt}"

# Progress goes to stderr: stdout belongs to whoever reads the script's answer.
say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# as_root CMD...: packages and modules need root; a user with sudo need not think about it.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "needs root: $*"
	fi
}

# kernel_release KDIR: what uname -r says there. Not kernel.release: Debian's own says 6.1.192 where
# uname says 6.1.0-56-amd64.
kernel_release() {
	sed -n 's/.*UTS_RELEASE "\(.*\)".*/\1/p' "$1/include/generated/utsrelease.h" 2>/dev/null
}

# vhost_offers BIT...: the loaded vhost_net has all these features
vhost_offers() {
	python3 - "$@" <<-'END'
	import fcntl, struct, sys
	with open("/dev/vhost-net", "rb") as dev:
	    bits, = struct.unpack("Q", fcntl.ioctl(dev, 0x8008af00, bytes(8)))
	sys.exit(not all(bits >> int(n) & 1 for n in sys.argv[1:]))
	END
}

# cache_lock NAME: one process fetches NAME, the others wait for it and find it done.
cache_lock() {
	mkdir -p "$SHUNT_CACHE/lock" || die "cannot write to $SHUNT_CACHE (set SHUNT_CACHE)"
	exec 9>"$SHUNT_CACHE/lock/$1"
	flock 9
}
cache_unlock() { exec 9>&-; }

# apt_quiet ARGS...: apt-get without chatter, its words shown when it fails.
apt_quiet() {
	local log rc=0

	log=$(mktemp)
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root \
		-o Acquire::Retries=3 "$@" >"$log" 2>&1 || rc=$?
	[ $rc = 0 ] || cat "$log" >&2
	rm -f "$log"
	return $rc
}

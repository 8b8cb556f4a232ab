# SPDX-License-Identifier: GPL-2.0
# For lab scripts whose guest, the process $vmm, says "GUEST key=value" into the file serial; sourced.

# heard WORDS SECONDS: the guest says so, in time and while the VMM lives
heard() {
	local end=$((SECONDS + $2))

	until grep -q "GUEST.*$1" serial; do
		kill -0 "$vmm" 2> /dev/null && [ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

# said KEY: its value
said() { sed -n "s/.*GUEST.*\b$1=\([^ ]*\).*/\1/p" serial | tr -d '\r' | tail -n 1; }

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Requests and rings full of nonsense for a while; then what the kernel says, and what is left.
#	SECONDS_LONG	each fuzzer for so long (6, in make soak 600)
#	MILLIONS	of descriptors at least (0, in make soak 20)
. "$SHUNT_TOP/tests/driver/lab.sh"

[ "${SHUNT_SOAK:-}" != 1 ] || : "${SECONDS_LONG:=600}" "${MILLIONS:=20}"
export SECONDS_LONG=${SECONDS_LONG:-6} MILLIONS=${MILLIONS:-0}
# A million takes a minute or two.
DRIVER_LIMIT=$((200 + SECONDS_LONG + ${SLOW:-1} * (60 + MILLIONS * 300)))
mark="shunt-lab: fuzz $$"
driver_load ours
echo "$mark" >/dev/kmsg
timeout 60 "$programs/fuzz-ring" -n 2 >/dev/null
before=$(driver_free_kib)
driver_tap ours fuzz-ioctl fuzz-ring
driver_memory "$before"

# Hostile drivers may make us say that their ring is broken or their log is gone, at a limited rate, and
# no more; what the network stack says of their frames and interfaces is its own affair.
known='queue [0-9]+ broken: |a write is missing in the dirty log|callbacks suppressed'
said=$(dmesg | sed "1,/$mark/d" | grep -i vhost | grep -vE "$known" | head)
is "$said" "" "the kernel log has nothing else from us"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Housekeeping of the tree, as TAP.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. tests/lab/tap.sh

# Nothing of the machine it was written on, and no mirror: apt knows its own. The patterns are put
# together so that they do not find themselves.
is "$(git grep -nE "(^|[^A-Za-z0-9_.])/(wo""rk|ho""me|ro""ot)/" -- . ':!COPYING')" "" \
	"no path of somebody's machine"
is "$(git grep -nIE "[a-z0-9-]+\.debian\.(o""rg|n""et)|ftp\.[a-z.]*debian" -- . ':!COPYING')" "" \
	"no mirror's host name"

bad=$(git ls-files -- '*.c' '*.h' '*.S' '*.sh' '*.mk' '*.py' '*.ld' Makefile Kbuild |
      while read -r file; do
	[ ! -f "$file" ] || head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2\.0' || echo "$file"
done)
is "$bad" "" "every source names its licence"

# GPL-2.0 alone, or with the syscall note for uapi
is "$(git grep -hoE 'SPDX-License-Identifier: .*' -- ':!COPYING' |
      sed -e 's/SPDX-License-Identifier: //' -e 's/ *\*\/.*//' -e 's/ *-->.*//' | sort -u |
      grep -vxE 'GPL-2\.0|GPL-2\.0 WITH Linux-syscall-note|.*[\\'"'"'].*')" "" "and it is GPL-2.0"

is "$(git grep -nIE '[ 	]+$' -- '*.c' '*.h' '*.S' '*.sh' '*.mk' '*.py' Makefile Kbuild)" "" \
	"no blanks at the end of lines"

# make help names every target people may call
targets=$(cat Makefile tests/*/*.mk | sed -n 's/^\.PHONY: //p' | tr ' ' '\n' | grep -vx force | sort)
is "$(make help | awk '{ print $1 }' | sort)" "$targets" "make help lists every target"

bad=$(git ls-files -- 'scripts/*.sh' 'tests/*.sh' tests/run tests/lab/run tests/lab/suite .ci/run |
      while read -r file; do
	[ -f "$file" ] || continue
	# A file with #! is a program, one without is sourced.
	if head -c 2 "$file" | grep -q '#!'; then [ -x "$file" ]; else [ ! -x "$file" ]; fi || echo "$file"
	head -n 1 "$file" | grep -qE 'python' || bash -n "$file" 2>&1
done)
is "$bad" "" "shell scripts parse, and are executable if they are programs"
done_testing

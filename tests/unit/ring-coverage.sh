#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How many branches of ring/ the unit tests take, by clang's source-based coverage, which counts an
# inline function once however often it was inlined. TAP; fails below LIMIT percent.
#
#	CC_COV	the compiler (else clang); -v lists the branches not taken
set -eu -o pipefail
limit=95
top=$(cd "$(dirname "$0")/../.." && pwd)
cc=${CC_COV:-clang}
# The llvm tools must be those of the compiler: newer ones cannot read its profiles.
tools=$(dirname "$("$cc" -print-prog-name=llvm-cov)")
[ -x "$tools/llvm-cov" ] || tools=$(dirname "$(readlink -f "$(command -v "$cc")")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$top"

echo 1..1
objects=()
for src in tests/unit/ring*.c; do
	name=$(basename "$src" .c)
	"$cc" -std=gnu11 -O0 -g -fprofile-instr-generate -fcoverage-mapping -I. \
		-o "$work/$name" "$src" -lcmocka
	if ! LLVM_PROFILE_FILE="$work/$name.profraw" "$work/$name" >"$work/$name.out" 2>&1; then
		sed 's/^/# /' "$work/$name.out"
		echo "not ok 1 - $name fails"
		exit 1
	fi
	objects+=(-object "$work/$name")
done
"$tools/llvm-profdata" merge -o "$work/all" "$work"/*.profraw
"$tools/llvm-cov" export -instr-profile "$work/all" "${objects[@]}" >"$work/json"
# The same function in several tests is one function. A branch inside a macro such as unlikely()
# lies where the macro is defined, with a file number for each use of it.
python3 - "$work/json" "$limit" "${1-}" <<'PY'
import json, os, sys

ways = {}
for data in json.load(open(sys.argv[1]))["data"]:
	for f in data["functions"]:
		name = f["name"].split(":")[-1]
		where = f["filenames"][0]
		if os.path.basename(os.path.dirname(where)) != "ring":
			continue
		for b in f["branches"]:
			key = (os.path.basename(where), name, b[6], *b[:4])
			seen = ways.setdefault(key, [0, 0, os.path.basename(f["filenames"][b[6]])])
			seen[0] += b[4]
			seen[1] += b[5]
taken = sum(bool(n) for w in ways.values() for n in w[:2])
total = 2 * len(ways)
percent = 100 * taken / total
for (where, name, number, line, column, *_), w in sorted(ways.items()):
	for what, n in zip(("true", "false"), w):
		if not n and (sys.argv[3] == "-v" or percent < float(sys.argv[2])):
			print(f"# never {what}: ring/{where} {name}(): {w[2]}:{line}:{column}")
good = percent >= float(sys.argv[2])
print(f"{'ok' if good else 'not ok'} 1 - {percent:.1f} % of {total} branches in ring/ are taken")
sys.exit(not good)
PY

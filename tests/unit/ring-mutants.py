#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Breaks a copy of ring/ in one place at a time and expects a unit test to notice. TAP.
#
# A mutant is a file, the text that must occur in it exactly once, and what takes its place. One
# that no longer applies, or does not compile, is a failure: the list follows the engine.
#
#	ring-mutants.py [PATTERN]	only those whose description contains PATTERN
import os, shutil, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

MUTANTS = [
	# bounds
	("lone descriptor: head == num passes", "vring_split.c",
	 "if (unlikely(head >= num))", "if (unlikely(head > num))"),
	("chain: head == num passes", "vring_chain.c",
	 "if (unlikely(head >= vr->num))", "if (unlikely(head > vr->num))"),
	("chain: next == num passes", "vring_chain.c",
	 "if (unlikely(i >= vr->num))", "if (unlikely(i > vr->num))"),
	("chain: loops are followed", "vring_chain.c",
	 "!links-- || ", ""),
	("table: next == count passes", "vring_desc.h",
	 "if (unlikely(i >= count))", "if (unlikely(i > count))"),
	("table: loops are followed", "vring_desc.h",
	 "if (unlikely(!links--)) {", "if (0) {"),
	("table: chains of tables never end", "vring_desc.h",
	 "count - 1 < VRING_WORK_MAX - c->work ? count - 1 : VRING_WORK_MAX - c->work", "count - 1"),
	("table: nested ones are taken for buffers", "vring_desc.h",
	 "if (unlikely(d.flags & VRING_DESC_F_INDIRECT))", "if (0)"),
	("table: empty ones pass", "vring_desc.h", "!len || ", ""),
	("table: odd lengths pass", "vring_desc.h", " || len % sizeof(*table)", ""),
	("table: full length is too big", "vring_desc.h",
	 "count > VRING_TABLE_MAX", "count >= VRING_TABLE_MAX"),
	("table: any length is fine", "vring_desc.h", "count > VRING_TABLE_MAX", "0"),
	("table: read across the end of its region", "vring_desc.h",
	 "if (likely(len <= c->map.hit->size - off))", "if (1)"),
	("table: halves at odd addresses", "vring_desc.h",
	 "if (likely(!(off % sizeof(u64))))", "if (1)"),
	("table: next is ignored", "vring_desc.h", "i = d.next;", "i++;"),
	("chain: next is ignored", "vring_chain.c", "i = d.next;", "i++;"),
	("table: must be mapped only where it is used", "vring_desc.h",
	 "} else if (unlikely(!vring_map_readable(&c->map, addr, len))) {", "} else if (0) {"),
	("order is not checked", "vring_desc.h", "if (unlikely(c->in_len)) {", "if (0) {"),
	("empty writable buffers count for the order", "vring_desc.h",
	 "	u64 in_len;\n};", "	u64 in_len;\n	u32 seen_in;\n};",
	 "	if (unlikely(c->in_len)) {", "	if (c->seen_in) {",
	 "		c->in_len += d->len;", "		c->in_len += d->len;\n		c->seen_in++;"),
	("writable segments begin at an empty buffer", "vring_desc.h",
	 "		if (!c->in_len)\n			c->in = first;",
	 "		if (!c->in)\n			c->in = first;"),
	("writable segments begin at the last one", "vring_desc.h",
	 "		if (!c->in_len)\n			c->in = first;", "		c->in = first;"),
	("avail: a full ring is a jump", "vring_split.h", "> vr->num)", ">= vr->num)"),
	("avail: any jump is fine", "vring_split.h",
	 "if (unlikely((u16)(*idx - vr->pos.avail) > vr->num))", "if (0)"),
	("avail: a bad index is kept", "vring_split.c",
	 "		if (unlikely(code))\n\t\t\tgoto out;\n\t\tseen = idx;",
	 "		seen = idx;\n\t\tif (unlikely(code))\n\t\t\tgoto out;"),

	# translation
	("map: one byte past the region", "vring_mem.h",
	 "likely(*off < m->hit->size)", "likely(*off <= m->hit->size)"),
	("map: any access is fine", "vring_mem.h", " && likely(m->hit->perm & perm)", ""),
	("map: the access refused is always a read", "vring_mem.h",
	 "m->bad_write = perm & VRING_PERM_WRITE;", "m->bad_write = false;"),
	("map: writable buffers are only read", "vring_desc.h",
	 "flags & VRING_DESC_F_WRITE ? VRING_PERM_WRITE : VRING_PERM_READ", "VRING_PERM_READ"),
	("table: may be what the device writes", "vring_desc.h",
	 "if (unlikely(!vring_map_find(&c->map, addr, VRING_PERM_READ, &off)))\n\t\treturn VRING_E_ADDR;\n\tif (likely(len",
	 "if (unlikely(!vring_map_find(&c->map, addr, VRING_PERM_RW, &off)))\n\t\treturn VRING_E_ADDR;\n\tif (likely(len"),
	("table: read permission is asked for its beginning only", "vring_mem.h",
	 "if (!vring_map_find(m, addr, VRING_PERM_READ, &off))",
	 "if (!vring_map_find(m, addr, VRING_PERM_RW, &off))"),
	("error: a write is recorded for everything", "vring_err.c",
	 "vr->err.write = m->bad_write;", "vr->err.write = true;"),
	("error: an access is recorded after the first error", "vring_err.c",
	 "if (first && code == VRING_E_ADDR)", "if (code == VRING_E_ADDR)"),
	("pages: the offset is forgotten", "vring_split.h", "	off += a->offset;\n", ""),
	("pages: the fast path does not look", "vring_split.c",
	 "if (unlikely(vr->pages))\n\t\tgoto done;", ""),
	("pages: a used entry lies in one", "vring_split.c",
	 "len = vring_area_at(&vr->pages->used, SPLIT_USED_RING + at + sizeof(*id));",
	 "len = id + 1;"),
	("map: search misses first bytes", "vring_mem.h",
	 "r[half].gpa <= addr", "r[half].gpa < addr"),
	("map: what is found is not checked", "vring_mem.h",
	 "	if (likely(vring_map_hit(m, addr, perm, off)))\n\t\treturn true;\n\tm->bad = addr;",
	 "	*off = addr - m->hit->gpa;\n	return true;"),
	("map: second segment is the first", "vring_mem.h",
	 "			iov->iov_len = room;\n			addr += room;", "			iov->iov_len = room;"),
	("map: one segment too many", "vring_mem.h",
	 "if (unlikely(iov == m->end))", "if (unlikely(iov > m->end))"),
	("map: counts of 16 bits wrap", "vring_mem.h",
	 "b->max_iov < VRING_IOV_MAX ? b->max_iov : VRING_IOV_MAX", "b->max_iov"),
	("lone descriptor: may leave its region", "vring_split.c",
	 " || d.len > map.hit->size - off ||", " ||"),
	("lone descriptor: an empty one has a segment", "vring_split.c", "!d.len || ", ""),
	("lone descriptor: chains are cut", "vring_split.c",
	 "d.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)", "d.flags & VRING_DESC_F_INDIRECT"),
	("lone descriptor: writable ones are readable, too", "vring_split.c",
	 "e->nr_out = !write;", "e->nr_out = 1;"),
	("lone descriptor: out_len of a writable one", "vring_split.c",
	 "e->out_len = write ? 0 : d.len;", "e->out_len = d.len;"),

	# batches and cursor
	("batch: looks only when nothing is known", "vring_split.c",
	 "if ((u16)(seen - avail) < b->max_elem)", "if (seen == avail)"),
	("batch: always looks", "vring_split.c",
	 "if ((u16)(seen - avail) < b->max_elem)", "if (1)"),
	("batch: the entry is read twice", "vring_split.c",
	 "		head = env_index_nospec(head, num);",
	 "		env_get(raw, &vr->avail->ring[avail & (num - 1)], out);\n"
	 "		head = vring16_to_cpu(raw) & (num - 1);"),
	("lone descriptor: one segment too many", "vring_split.c", " || iov == map.end", ""),
	("batch: out of room means empty", "vring_split.c",
	 "if (n < b->max_elem && avail != seen)", "if (n < b->max_elem && avail != seen && iov != map.end)"),
	("chain: links are not counted as work", "vring_chain.c",
	 " || ++c->work > VRING_WORK_MAX", ""),
	("batch: work has no bound", "vring_chain.c", " && c.work < VRING_WORK_ENOUGH", ""),
	("batch: segments of a refused element stay", "vring_chain.c",
	 "b->nr_iov = first - b->iov;", "b->nr_iov = c.map.iov - b->iov;"),
	("batch: room of a refused element is lost", "vring_chain.c",
	 "e->iov = first - b->iov;", "e->iov = c.map.iov - b->iov;"),
	("batch: the cursor passes a fault", "vring_split.c",
	 "env_get(raw, &vr->avail->ring[avail & (num - 1)], out);",
	 "avail++;\n\t\tenv_get(raw, &vr->avail->ring[(u16)(avail - 1) & (num - 1)], out);\n\t\tavail--;"),
	("batch: the window stays open", "vring_split.c",
	 "code = VRING_OK;\nout:\n\tenv_access_end();", "code = VRING_OK;\n\tenv_access_end();\nout:"),
	("rewind takes completions back", "vring_split.c",
	 "vr->pos.avail = e->at.avail;", "vr->pos = e->at;"),
	("error: the last one stays", "vring_err.c", "if (vr->err.code == VRING_OK)", "if (1)"),

	# completion
	("complete: the index moves with each entry", "vring_split.c",
	 "		env_put(cpu_to_vring32(done[i].len), len, fault);",
	 "		env_put(cpu_to_vring32(done[i].len), len, fault);\n"
	 "		env_put(cpu_to_vring16(used + 1),\n"
	 "			(__virtio16 *)split_used_at(vr, SPLIT_USED_IDX), fault);"),
	("complete: the cursor moves before the index", "vring_split.c",
	 "	env_wmb();\n", "	env_wmb();\n	vr->pos.used = used;\n"),
	("complete: the used ring does not wrap", "vring_split.c",
	 "(used & mask) * sizeof", "(used & (2 * mask + 1)) * sizeof"),
	("complete: a lap without decision goes unnoticed", "vring_split.c",
	 "if (unlikely((u16)(used - vr->signalled) < n))", "if (0)"),
	("complete: every completion voids the decision", "vring_split.c",
	 "(u16)(used - vr->signalled) < n", "(u16)(used - vr->signalled) <= n"),

	# notifications
	("notify: the window ends one late", "vring_event.c",
	 "(u16)(now - word - 1)", "(u16)(now - word)"),
	("notify: the window begins one early", "vring_event.c",
	 "< (u16)(now - vr->signalled)", "<= (u16)(now - vr->signalled)"),
	("notify: the first answer is no", "vring_event.c",
	 "} else if (unlikely(!vr->signalled_valid)) {\n\t\tneed = 1;",
	 "} else if (unlikely(!vr->signalled_valid)) {\n\t\tneed = 0;"),
	("notify: decides before it knows", "vring_event.c",
	 "		ret = split_get(vr, split_used_event(vr), &word);",
	 "		u16 was = vr->signalled;\n\n\t\tvr->signalled = now;\n"
	 "\t\tret = split_get(vr, split_used_event(vr), &word);\n\t\tif (!ret)\n"
	 "\t\t\tvr->signalled = was;"),
	("notify: all flags mean no", "vring_event.c", "!(word & VRING_AVAIL_F_NO_INTERRUPT)", "!word"),
	("notify: used_event is avail_event", "vring_event.c",
	 "split_get(vr, split_used_event(vr), &word)", "split_get(vr, split_avail_event(vr), &word)"),
	("notify on empty: always", "vring_event.c",
	 "vr->notify_on_empty && vr->avail_seen == vr->pos.avail", "vr->notify_on_empty"),
	("kicks on: asks for the buffer it has", "vring_event.c",
	 "split_put(vr, split_avail_event(vr), vr->avail_seen)",
	 "split_put(vr, split_avail_event(vr), vr->pos.avail)"),
	("kicks on: old buffers are news", "vring_event.c",
	 "more = idx != vr->avail_seen;", "more = idx != vr->pos.avail;"),
	("kicks on: does not look again", "vring_event.c",
	 "	env_mb();\n\treturn split_look_again(vr);", "	env_mb();\n\treturn 0;"),
	("kicks off: believes before it told", "vring_event.c",
	 "	ret = split_put(vr, split_used_flags(vr), VRING_USED_F_NO_NOTIFY);",
	 "	vr->kicks_off = true;\n\tret = split_put(vr, split_used_flags(vr), VRING_USED_F_NO_NOTIFY);"),
	("start: the flags of another device stay", "vring_event.c",
	 "return split_put(vr, split_used_flags(vr), 0);\n}\nEXPORT_SYMBOL_GPL(vring_start);",
	 "return 0;\n}\nEXPORT_SYMBOL_GPL(vring_start);"),
]

TESTS = ["ring", "ring_batch", "ring_event", "ring_faults"]
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CC = os.environ.get("CC", "gcc")


def build(work, test):
	"""Compile one test against the ring/ in work; returns the program, or None."""
	out = os.path.join(work, test + ".run")
	r = subprocess.run([CC, "-std=gnu11", "-O0", "-w", "-I" + work, "-I" + TOP, "-o", out,
			    os.path.join(TOP, "tests/unit", test + ".c"), "-lcmocka"],
			   capture_output=True, text=True)
	if r.returncode:
		sys.stdout.write("".join("# " + line + "\n" for line in r.stderr.splitlines()[:10]))
		return None
	return out


def caught(work):
	"""The test that notices, "" when none does, None when the copy does not compile."""
	for test in TESTS:
		program = build(work, test)
		if not program:
			return None
		try:
			r = subprocess.run([program], stdout=subprocess.DEVNULL,
					   stderr=subprocess.DEVNULL, timeout=10)
		except subprocess.TimeoutExpired:
			return test + " (never ends)"
		if r.returncode:
			return test
	return ""


def mutate(work, file, *pairs):
	"""Apply one mutant; True when every text was there exactly once."""
	path = os.path.join(work, "ring", file)
	with open(path) as f:
		text = f.read()
	for old, new in zip(pairs[::2], pairs[1::2]):
		if text.count(old) != 1:
			print(f"# {text.count(old)} times in {file}: {old!r}")
			return False
		text = text.replace(old, new)
	with open(path, "w") as f:
		f.write(text)
	return True


def judge(mutant):
	"""Whether it went as it should, and the words for it."""
	name, *change = mutant
	with tempfile.TemporaryDirectory() as work:
		shutil.copytree(os.path.join(TOP, "ring"), os.path.join(work, "ring"))
		if not change:
			by = caught(work)
			return by == "", name + (f": fails {by}" if by else " passes")
		if not mutate(work, *change):
			return False, name + ": does not apply"
		by = caught(work)
		return bool(by), name + (f": caught by {by}" if by else
					 ": does not compile" if by is None else ": SURVIVES")


def main():
	chosen = [m for m in MUTANTS if len(sys.argv) < 2 or sys.argv[1] in m[0]]
	chosen.insert(0, ("the engine as it is",))
	failed = 0

	print(f"1..{len(chosen)}", flush=True)
	with ThreadPoolExecutor(2) as pool:
		for n, (good, text) in enumerate(pool.map(judge, chosen), 1):
			failed += not good
			print(f"{'ok' if good else 'not ok'} {n} - {text}", flush=True)
	return 1 if failed else 0


sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Breaks a copy of ring/ in one place at a time and expects a unit test to notice. TAP.
#
# A mutant is a file, the text that must occur in it exactly once, and what takes its place. One
# that no longer applies, or does not compile, is a failure: the list follows the engine.
#
#	ring-mutants.py [PATTERN]	only those whose description contains PATTERN
#
# Without, a quarter of them is compiled and run, which of the four the number of commits says; of the others it is
# seen that they apply. With SHUNT_SOAK=1 (make soak) it is all of them.
import os, shutil, signal, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

QUARTERS = 4

MUTANTS = [
	# bounds
	("lone descriptor: head == num passes", "vring_split.c",
	 "if (unlikely(head >= num))", "if (unlikely(head > num))"),
	("chain: head == num passes", "vring_split_chain.c",
	 "if (unlikely(head >= vr->num)) {", "if (unlikely(head > vr->num)) {"),
	("chain: next == num passes", "vring_split_chain.c",
	 "if (unlikely(i >= vr->num))", "if (unlikely(i > vr->num))"),
	("chain: loops are followed", "vring_split_chain.c",
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
	 "if (likely(len <= c->map.hit.size - off))", "if (1)"),
	("table: halves at odd addresses", "vring_desc.h",
	 "if (likely(!(off % sizeof(u64))))", "if (1)"),
	("table: next is ignored", "vring_desc.h", "i = packed ? i + 1 : d.next;", "i++;"),
	("chain: next is ignored", "vring_split_chain.c", "i = d.next;", "i++;"),
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
	 "likely(*off < m->hit.size)", "likely(*off <= m->hit.size)"),
	("map: any access is fine", "vring_mem.h", " && likely(m->hit.perm & perm)", ""),
	("lone descriptor: any region may be read", "vring_desc.h",
	 "if (unlikely(!(m->hit.perm & VRING_PERM_READ)))", "if (0)"),
	("lone descriptor: any region may be written", "vring_desc.h",
	 "if (unlikely(!(m->hit.perm & VRING_PERM_WRITE)))", "if (0)"),
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
	("pages: the offset is forgotten", "vring_engine.h", "	off += a->offset;\n", ""),
	("pages: the fast path does not look", "vring_split.c",
	 "if (unlikely(vr->pages || b->max_iov < max))", "if (unlikely(b->max_iov < max))"),
	("pages: a used entry lies in one", "vring_split.c",
	 "len = vring_area_at(&vr->pages->used, off + sizeof(*id));",
	 "len = id + 1;"),
	("map: search misses first bytes", "vring_mem.h",
	 "r[half].gpa <= addr", "r[half].gpa < addr"),
	("map: what is found is not checked", "vring_mem.h",
	 "	return vring_map_hit(m, addr, off);", "	*off = addr - m->hit.gpa;\n	return true;"),
	("map: second segment is the first", "vring_mem.h",
	 "			iov->iov_len = room;\n			addr += room;", "			iov->iov_len = room;"),
	("map: one segment too many", "vring_mem.h",
	 "if (unlikely(iov == m->end))", "if (unlikely(iov > m->end))"),
	("map: counts of 16 bits wrap", "vring_mem.h",
	 "b->max_iov < VRING_IOV_MAX ? b->max_iov : VRING_IOV_MAX", "b->max_iov"),
	("lone descriptor: may leave its region", "vring_desc.h",
	 "(u64)len - 1 >= m->hit.size - off", "!len"),
	("lone descriptor: an empty one has a segment", "vring_desc.h",
	 "(u64)len - 1 >= m->hit.size - off", "len > m->hit.size - off"),
	("lone descriptor: chains are cut", "vring_split.c",
	 "d.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)", "d.flags & VRING_DESC_F_INDIRECT"),
	("lone descriptor: tables are buffers", "vring_split.c",
	 "d.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)", "d.flags & VRING_DESC_F_NEXT"),
	("lone descriptor: writable ones are readable, too", "vring_desc.h",
	 "e->nr_out = 0;", "e->nr_out = 1;"),
	("lone descriptor: out_len of a writable one", "vring_desc.h",
	 "		e->out_len = 0;\n		e->in_len = len;", "		e->out_len = len;\n		e->in_len = len;"),
	("lone descriptor: the length used last stays", "vring_desc.h",
	 "	e->len = 0;\n	iov->", "	iov->"),
	("chain: the length used last stays", "vring_desc.h", "	e->len = 0;\n	e->nr_in", "	e->nr_in"),

	# batches and cursor
	("packed: what was taken back is work for ever", "vring.c",
	 "		vr->avail_seen = vr->pos.avail;\n", "		;\n"),
	("batch: looks only when nothing is known", "vring_split.c",
	 "if ((u16)(seen - avail) < b->max_elem)", "if (seen == avail)"),
	("batch: always looks", "vring_split.c",
	 "if ((u16)(seen - avail) < b->max_elem)", "if (1)"),
	("batch: the entry is read twice", "vring_split.c",
	 "		head = env_index_nospec(head, num);",
	 "		env_get(raw, &vr->avail->ring[avail & (num - 1)], out);\n"
	 "		head = vring16_to_cpu(raw) & (num - 1);"),
	("lone descriptor: one segment too many", "vring_split.c", "vr->pages || b->max_iov < max", "vr->pages"),
	("batch: out of room means empty", "vring_split.c",
	 "if (n < b->max_elem && avail != seen)", "if (n < b->max_elem && avail != seen && b->max_iov >= max)"),
	("chain: links are not counted as work", "vring_split_chain.c",
	 " || ++c->work > VRING_WORK_MAX", ""),
	("batch: work has no bound", "vring_split_chain.c", " && c.work < VRING_WORK_ENOUGH", ""),
	("batch: segments of a refused element stay", "vring_split_chain.c",
	 "b->nr_iov = first - b->iov;", "b->nr_iov = c.map.iov - b->iov;"),
	("batch: room of a refused element is lost", "vring_desc.h",
	 "e->iov = first - b->iov;", "e->iov = c->map.iov - b->iov;"),
	("batch: the cursor passes a fault", "vring_split.c",
	 "env_get(raw, &ring[at & (num - 1)], out);",
	 "avail++;\n\t\tenv_get(raw, &ring[at & (num - 1)], out);\n\t\tavail--;"),
	("batch: the window stays open", "vring_split.c",
	 "code = VRING_OK;\nout:\n\tenv_access_end();", "code = VRING_OK;\n\tenv_access_end();\nout:"),
	("rewind takes completions back", "vring.c",
	 "vr->pos.avail = e->at;", "vr->pos.avail = vr->pos.used = e->at;"),
	("error: the last one stays", "vring_err.c", "if (vr->err.code == VRING_OK)", "if (1)"),

	# completion
	("complete: the index moves with each entry", "vring_split.c",
	 "		at = used;\n",
	 "		at = used;\n"
	 "		env_put(cpu_to_vring16(used), (__virtio16 __user *)split_used_at(vr, SPLIT_USED_IDX), bad);\n"
	 "		if (0)\n"
	 "bad:			return VRING_E_FAULT_RING;\n"),
	("complete: the used ring does not wrap", "vring_split.c",
	 "split_put_entry(vr, at & mask, ", "split_put_entry(vr, at & (2 * mask + 1), "),
	("complete: a lap without decision goes unnoticed", "vring_split.c",
	 "if (unlikely((u16)(used - vr->signalled) < n))", "if (0)"),
	("complete: every completion voids the decision", "vring_split.c",
	 "(u16)(used - vr->signalled) < n", "(u16)(used - vr->signalled) <= n"),

	# notifications
	("notify: the window ends one late", "vring_split_event.c",
	 "(u16)(now - word - 1)", "(u16)(now - word)"),
	("notify: the window begins one early", "vring_split_event.c",
	 "< (u16)(now - vr->signalled)", "<= (u16)(now - vr->signalled)"),
	("notify: the first answer is no", "vring_split_event.c",
	 "	if (unlikely(!vr->signalled_valid))\n\t\treturn 1;",
	 "	if (unlikely(!vr->signalled_valid))\n\t\treturn 0;"),
	("notify: decides before it knows", "vring.c",
	 "	if (unlikely(need < 0))\n\t\treturn need;\n\tvr->signalled = now;",
	 "	vr->signalled = now;\n\tif (unlikely(need < 0))\n\t\treturn need;"),
	("notify: all flags mean no", "vring_split_event.c", "!(word & VRING_AVAIL_F_NO_INTERRUPT)", "!word"),
	("notify: used_event is avail_event", "vring_split_event.c",
	 "split_get(vr, split_used_event(vr), &word)", "split_get(vr, split_avail_event(vr), &word)"),
	("notify on empty: always", "vring_split_event.c",
	 "vr->notify_on_empty && vr->avail_seen == vr->pos.avail", "vr->notify_on_empty"),
	("kicks on: asks for the buffer it has", "vring_split_event.c",
	 "split_put(vr, split_avail_event(vr), vr->avail_seen)",
	 "split_put(vr, split_avail_event(vr), vr->pos.avail)"),
	("kicks on: old buffers are news", "vring_split_event.c",
	 "more = idx != vr->avail_seen;", "more = idx != vr->pos.avail;"),
	("kicks on: does not look again", "vring.c",
	 "	env_mb();\n\treturn vring_look_again(vr);", "	env_mb();\n\treturn 0;"),
	("kicks off: believes before it told", "vring.c",
	 "	ret = vring_tell_kicks(vr, false);",
	 "	vr->kicks_off = true;\n\tret = vring_tell_kicks(vr, false);"),
	("kicks off: told again and again", "vring.c",
	 "if (vr->event_idx || vr->kicks_off)\n\t\treturn 0;", "if (vr->event_idx)\n\t\treturn 0;"),
	("start: the flags of another device stay", "vring_split_event.c",
	 "return split_put(vr, split_used_flags(vr), 0);", "return 0;"),

	# packed: places
	("packed: the last place comes twice", "vring_packed.h",
	 "if (unlikely(next >= (pos & VRING_WRAP) + num))", "if (unlikely(next > (pos & VRING_WRAP) + num))"),
	("packed: laps look alike", "vring_packed.h", "next = (next - num) ^ VRING_WRAP;", "next = next - num;"),
	("packed: distance knows no laps", "vring_packed.h",
	 "	if ((from ^ to) & VRING_WRAP)\n\t\tway += vr->num;\n", ""),
	("packed: available is used", "vring_packed.h",
	 "pos & VRING_WRAP ? PACKED_AVAIL : PACKED_USED", "pos & VRING_WRAP ? PACKED_USED : PACKED_AVAIL"),
	("packed: the fast path does not wrap", "vring_packed.c",
	 "			turn ^= PACKED_TURN;\n", ""),
	("packed: the fast path keeps the wrap counter", "vring_packed.c",
	 "pos = turn & PACKED_AVAIL ? VRING_WRAP : 0;", "pos = pos & VRING_WRAP;"),
	("packed: the fast path runs past the end", "vring_packed.c",
	 "if (unlikely(half == ring_end)) {", "if (unlikely(half == ring_end + 2)) {"),
	("packed: one flag of the two is enough", "vring_packed.c",
	 "if (unlikely((d.flags & (PACKED_TURN | other_kind)) != turn)) {",
	 "if (!(d.flags & turn) || d.flags & other_kind) {"),
	("packed: chains: one flag of the two is enough", "vring_packed.c",
	 "if ((d.flags & PACKED_TURN) != packed_avail_turn(pos))",
	 "if (!(d.flags & packed_avail_turn(pos)))"),
	("packed: more than the ring is in flight", "vring_packed.c",
	 "max = packed_left(vr, pos), n = 0", "max = vr->num, n = 0"),
	("packed: chains: more than the ring is in flight", "vring_packed.c",
	 "for (; n < b->max_elem && left; n++, left -= count) {", "for (; n < b->max_elem; n++) {"),
	("packed: chains as long as the ring, whatever is in flight", "vring_packed.c",
	 "*count == left ||", "*count == vr->num ||"),
	("packed: chains: loops are followed", "vring_packed.c", "*count == left || ", ""),
	("packed: chains: links are not counted as work", "vring_packed.c",
	 " || ++c->work > VRING_WORK_MAX", ""),
	("packed: chains do not wrap", "vring_packed.c",
	 "		at = packed_forward(at, 1, vr->num);\n", "		at++;\n"),
	("packed: batch: work has no bound", "vring_packed.c",
	 "		if (c.work >= VRING_WORK_ENOUGH)\n\t\t\tbreak;\n", ""),
	("packed: the id is the head's", "vring_packed.c",
	 "	c->out_len = 0;\n	c->in_len = 0;\n	for (*count = 1;; ++*count) {",
	 "	u16 id = d->id;\n\n	c->out_len = 0;\n	c->in_len = 0;\n	for (*count = 1;; ++*count) {",
	 "		if (!(d->flags & VRING_DESC_F_NEXT))\n\t\t\treturn VRING_OK;\n\t\tat =",
	 "		if (!(d->flags & VRING_DESC_F_NEXT)) {\n\t\t\td->id = id;\n"
	 "\t\t\treturn VRING_OK;\n\t\t}\n\t\tat ="),
	("packed: an element counts as one descriptor", "vring_packed.c",
	 "		e->count = count;", "		e->count = 1;"),
	("packed: segments of a refused element stay", "vring_packed.c",
	 "b->nr_iov = first - b->iov;", "b->nr_iov = c.map.iov - b->iov;"),
	("packed: what stopped a batch was not seen", "vring_packed.c",
	 "		seen = packed_forward(pos, 1, vr->num);\n", ""),
	("packed: what is seen is forgotten", "vring_packed.c",
	 "if (packed_left(vr, pos) < packed_left(vr, vr->avail_seen))", "if (1)"),
	("packed: nothing popped is seen", "vring_packed.c",
	 "if (packed_left(vr, pos) < packed_left(vr, vr->avail_seen))", "if (0)"),
	("packed: pages: the fast path does not look", "vring_packed.c",
	 "if (unlikely(vr->pages || b->max_iov < max))", "if (unlikely(b->max_iov < max))"),
	("packed: one segment too many", "vring_packed.c",
	 "if (unlikely(vr->pages || b->max_iov < max))", "if (unlikely(vr->pages))"),
	("packed: lone descriptor: chains are cut", "vring_packed.c",
	 "other_kind = VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT", "other_kind = VRING_DESC_F_INDIRECT"),
	("packed: another kind means empty", "vring_packed.c",
	 "other = (d.flags & PACKED_TURN) == turn;", "other = false;"),
	("packed: pages: descriptors are in one piece", "vring_packed.h",
	 "	if (unlikely(vr->pages))\n\t\treturn vring_area_at(&vr->pages->desc, off);\n", ""),
	("packed: the window stays open", "vring_packed.c",
	 "		return unlikely(other) ? packed_pop_chains(vr, mem, b) : (int)n;",
	 "		return unlikely(other) ? (env_access_begin(vr, 1), packed_pop_chains(vr, mem, b)) : (int)n;"),
	("packed: tables: links are followed", "vring_desc.h",
	 "packed ? i + 1 == count : !(d.flags & VRING_DESC_F_NEXT)", "!(d.flags & VRING_DESC_F_NEXT)"),
	("packed: flags and id change places", "vring_desc.h",
	 "d->next = packed ? a : b;", "d->next = b;"),
	("packed: start: any avail position", "vring_packed_event.c",
	 "packed_index(pos.avail) >= vr->num || ", ""),
	("packed: start: any used position", "vring_packed_event.c",
	 "packed_index(pos.used) >= vr->num ||\n", ""),
	("packed: start: used may be ahead", "vring_packed_event.c",
	 "||\n\t    packed_distance(vr, pos.used, pos.avail) > vr->num)", ")"),

	# packed: completion
	("packed: complete: the first is written first", "vring_packed.c",
	 "	for (*first = packed_used(e, turn); ; ) {",
	 "	packed_put(vr, index, packed_used(e, turn), paged);\n	for (*first = packed_used(e, turn); ; ) {"),
	("packed: complete: the first is not written", "vring_packed.c",
	 "if (unlikely(!packed_put(vr, packed_index(was), first, vr->pages)))", "if (0)"),
	("packed: complete: a chain takes one place", "vring_packed.c", "index += e->count;", "index++;"),
	("packed: complete: the last place comes twice", "vring_packed.c",
	 "if (unlikely(index >= num)) {", "if (unlikely(index > num)) {"),
	("packed: complete: laps look alike", "vring_packed.c", "turn ^= (u64)PACKED_TURN << 48;", ";"),
	("packed: complete: the cursor forgets the lap", "vring_packed.c",
	 "*end = (turn >> 48 & VRING_WRAP) | index;", "*end = index;"),
	("packed: complete: one flag", "vring_packed.h", "pos & VRING_WRAP ? PACKED_TURN : 0",
	 "pos & VRING_WRAP ? PACKED_USED : 0"),
	("packed: complete: WRITE always", "vring_packed.c",
	 "return e->len ? used", "return 1 ? used"),
	("packed: complete: two laps without decision go unnoticed", "vring_packed.c",
	 "		vr->signalled_valid = false;\n", "		;\n"),
	("packed: complete: every completion voids the decision", "vring_packed.c",
	 "if (unlikely(packed_distance(vr, vr->signalled, pos) <\n", "if (unlikely(0 * pos <=\n"),

	# packed: notifications
	("packed: notify: disabled is enabled", "vring_packed_event.c",
	 "	case VRING_PACKED_EVENT_FLAG_DISABLE:\n\t\treturn 0;", "	case VRING_PACKED_EVENT_FLAG_DISABLE:\n\t\treturn 1;"),
	("packed: notify: reserved bits count", "vring_packed_event.c", "event >> 16 & 3", "event >> 16"),
	("packed: notify: a place without EVENT_IDX", "vring_packed_event.c",
	 "if (!vr->event_idx || !vr->signalled_valid)", "if (!vr->signalled_valid)"),
	("packed: notify: a guess at the first", "vring_packed_event.c",
	 "if (!vr->event_idx || !vr->signalled_valid)", "if (!vr->event_idx)"),
	("packed: notify: the window ends one late", "vring_packed_event.c",
	 "return ahead < packed", "return ahead <= packed"),
	("packed: kicks on: asks for the buffer it has", "vring_packed_event.c",
	 "packed_put_event(vr, vr->avail_seen,", "packed_put_event(vr, vr->pos.avail,"),
	("packed: kicks: off is on", "vring_packed_event.c",
	 "wanted ? VRING_PACKED_EVENT_FLAG_ENABLE", "!wanted ? VRING_PACKED_EVENT_FLAG_ENABLE"),
	("packed: kicks on: looks at one descriptor", "vring_packed_event.c",
	 " && flags & VRING_DESC_F_NEXT);", " && 0);"),
	("packed: kicks on: walks for ever", "vring_packed_event.c", "++n < left && flags", "++n && flags"),
	("packed: kicks on: looks where a lap ends", "vring_packed_event.c",
	 "	if (!left)\n\t\treturn 0;\n", ""),
	("packed: the event structures change places", "vring_packed_event.c",
	 "(const __le32 __user *)vr->avail;", "(const __le32 __user *)vr->used;"),

	# in order
	("in order: split: any order", "vring_split.c", "if (in_order && unlikely(e->at != used))", "if (0)"),
	("in order: split: only the first counts", "vring_split.c",
	 "if (in_order && unlikely(e->at != used))", "if (in_order && used == vr->pos.used && e->at != used)"),
	("in order: split: written buffers are skipped", "vring_split.c",
	 "if (in_order && !e->nr_in && e + 1 != end)", "if (in_order && e + 1 != end)"),
	("in order: split: nothing is skipped", "vring_split.c",
	 "if (in_order && !e->nr_in && e + 1 != end)", "if (0)"),
	("in order: split: the entry stands where the run ends", "vring_split.c",
	 "split_put_entry(vr, at & mask, ", "split_put_entry(vr, (used - 1) & mask, "),
	("in order: packed: any order", "vring_packed.c", "if (unlikely(e->at != pos))", "if (0)"),
	("in order: packed: only the first counts", "vring_packed.c",
	 "if (unlikely(e->at != pos))", "if (pos == vr->pos.used && e->at != pos)"),
	("in order: packed: a chain takes one place", "vring_packed.c",
	 "		pos += e->count;\n", "		pos++;\n"),
	("in order: packed: written buffers are skipped", "vring_packed.c",
	 "if (!e->nr_in && e != last)", "if (e != last)"),
	("in order: packed: nothing is skipped", "vring_packed.c", "if (!e->nr_in && e != last)", "if (0)"),
	("in order: packed: the descriptor stands where the run ends", "vring_packed.c",
	 "		used = packed_used(e, turn);",
	 "		if (e->at != vr->pos.used)\n\t\t\tat = e->at;\n\t\tused = packed_used(e, turn);"),
	("in order: packed: a run keeps the first lap", "vring_packed.c", "		turn = next;\n", ""),
	("in order: packed: the last place comes twice", "vring_packed.c",
	 "if (unlikely(pos >= limit)) {", "if (unlikely(pos > limit)) {"),
	("in order: packed: the end of a lap stays", "vring_packed.c",
	 "			limit = (pos & VRING_WRAP) + num;\n", ""),
	("in order: packed: the first is written first", "vring_packed.c",
	 "		else if (unlikely(!packed_put(vr, packed_index(at), used, paged)))",
	 "		if (unlikely(!packed_put(vr, packed_index(at), used, paged)))"),
	# buffers that are popped again
	("again: head == num passes", "vring_split_chain.c",
	 "if (unlikely(head >= vr->num))\n", "if (unlikely(head > vr->num))\n"),
	("again: any number fits", "vring_split_chain.c", "if (unlikely(taken >= vr->num))", "if (0)"),
	("again: what was seen is behind", "vring_split_chain.c",
	 "		vr->avail_seen = vr->pos.avail;\n	b->nr_elem = 1;", "		;\n	b->nr_elem = 1;"),
	("again: what was seen comes back", "vring_split_chain.c",
	 "if ((u16)(vr->avail_seen - vr->pos.used) <= taken)", "if (1)"),
	("again: packed: any number fits", "vring_packed.c", " || count > packed_left(vr, vr->pos.avail)", ""),
	("again: packed: none is one", "vring_packed.c", "!count || ", ""),
	("again: packed: the cursor stays", "vring_packed.c",
	 "	vr->pos.avail = packed_forward(e->at, count, vr->num);\n", ""),
	("again: packed: what was seen is behind", "vring_packed.c", "	packed_saw(vr, vr->pos.avail);\n", ""),
]

# Those that catch most per second come first.
TESTS = ["ring_packed", "ring", "ring_traffic", "ring_event", "ring_batch", "ring_faults",
	 "ring_again"]
CPU_SECONDS = 5		# of a run that takes half of one when it ends
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
		r = subprocess.run(["prlimit", f"--cpu={CPU_SECONDS}", program], stdout=subprocess.DEVNULL,
				   stderr=subprocess.DEVNULL, timeout=300,
				   env=dict(os.environ, CMOCKA_TEST_ABORT="1"))
		if r.returncode:
			return test + (" (never ends)" if r.returncode == -signal.SIGKILL else "")
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


def phase():
	r = subprocess.run(["git", "-C", TOP, "rev-list", "--count", "HEAD"], stdout=subprocess.PIPE, text=True)
	return int(r.stdout or 0) % QUARTERS


def judge(mutant, run=True):
	"""Whether it went as it should, and the words for it."""
	name, *change = mutant
	with tempfile.TemporaryDirectory() as work:
		shutil.copytree(os.path.join(TOP, "ring"), os.path.join(work, "ring"))
		if not change:
			by = caught(work)
			return by == "", name + (f": fails {by}" if by else " passes")
		if not mutate(work, *change):
			return False, name + ": does not apply"
		if not run:
			return True, name + ": applies"
		by = caught(work)
		return bool(by), name + (f": caught by {by}" if by else
					 ": does not compile" if by is None else ": SURVIVES")


def main():
	chosen = [m for m in MUTANTS if len(sys.argv) < 2 or sys.argv[1] in m[0]]
	every = len(sys.argv) > 1 or os.environ.get("SHUNT_SOAK") == "1"
	first = 0 if every else phase()
	run = [every or i % QUARTERS == first for i in range(len(chosen))]
	chosen.insert(0, ("the engine as it is",))
	run.insert(0, True)
	failed = 0

	print(f"1..{len(chosen)}", flush=True)
	with ThreadPoolExecutor(2) as pool:
		for n, (good, text) in enumerate(pool.map(judge, chosen, run), 1):
			failed += not good
			print(f"{'ok' if good else 'not ok'} {n} - {text}", flush=True)
	return 1 if failed else 0


sys.exit(main())

// SPDX-License-Identifier: GPL-2.0
/* CMOS clock: the host's time in binary and BCD, UIP, SET, update interrupts, CMOS memory. */
#include "rt/rt.h"

#define VEC	0x48
#define RTC_SEC	0
#define RTC_MIN	2
#define RTC_HOUR 4
#define RTC_WDAY 6
#define RTC_DAY	7
#define RTC_MON	8
#define RTC_YEAR 9
#define RTC_A	10
#define RTC_B	11
#define RTC_C	12
#define RTC_D	13
#define B_SET	0x80
#define B_PIE	0x40
#define B_AIE	0x20
#define B_UIE	0x10
#define B_BIN	0x04
#define B_24	0x02

struct tm { u32 sec, min, hour, day, mon, year, wday; };

static volatile u32 irqs;
static volatile u8 flags;

static u8 rd(u8 r) { outb(0x70, r); return inb(0x71); }
static void wr(u8 r, u8 v) { outb(0x70, r); outb(0x71, v); }
static bool is_bcd(u8 v) { return (v & 15) < 10 && v >> 4 < 10; }

static bool bad_bcd;

static u32 field(u8 r, u8 b)
{
	u8 v = rd(r);

	if (b & B_BIN)
		return v;
	if (!is_bcd(v))
		bad_bcd = true;
	return (v >> 4) * 10 + (v & 15);
}

static struct tm read_tm(void)
{
	struct tm t, u;
	u8 b = rd(RTC_B);
	int tries = 0;

	do {
		u64 end = rdtsc() + 20 * tsc_per_ms();

		while ((rd(RTC_A) & 0x80) && rdtsc() < end)
			pause();
		t.sec = field(RTC_SEC, b);
		t.min = field(RTC_MIN, b);
		t.hour = field(RTC_HOUR, b);
		t.day = field(RTC_DAY, b);
		t.mon = field(RTC_MON, b);
		t.year = field(RTC_YEAR, b);
		t.wday = field(RTC_WDAY, b);
		u.sec = field(RTC_SEC, b);
	} while (u.sec != t.sec && ++tries < 5);
	t.year += 100 * field(0x32, b);
	return t;
}

/* Days from civil date, March-based years. */
static u64 to_epoch(struct tm t)
{
	u32 y = t.year - (t.mon <= 2), era = y / 400, yoe = y % 400;
	u32 doy = (153 * (t.mon + (t.mon > 2 ? -3 : 9)) + 2) / 5 + t.day - 1;
	u64 days = (u64)era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;

	return days * 86400 + t.hour * 3600 + t.min * 60 + t.sec;
}

static void on_irq(struct regs *r)
{
	(void)r;
	flags |= rd(RTC_C);
	irqs++;
}

static bool valid(struct tm t)
{
	return t.sec < 60 && t.min < 60 && t.hour < 24 && t.day >= 1 && t.day <= 31 && t.mon >= 1 &&
	       t.mon <= 12 && t.wday >= 1 && t.wday <= 7;
}

int main(void)
{
	u64 now = cmdline_num("now", 0), e1, e2;
	struct tm t, u;
	u8 b, h, seen;
	bool uip, came, alarm;

	report(rd(RTC_D) & 0x80, "the battery is good (register D)");
	report((rd(RTC_A) & 0x70) == 0x20, "the divider runs at 32768 Hz");
	b = rd(RTC_B);
	report(b & B_24, "24-hour mode after power-on");

	wr(RTC_B, (b & ~B_BIN) | B_24);
	t = read_tm();
	report(valid(t) && !bad_bcd, "BCD time is valid: %u-%02u-%02u %02u:%02u:%02u", t.year, t.mon,
	       t.day, t.hour, t.min, t.sec);
	e1 = to_epoch(t);
	report(e1 + 5 >= now && e1 <= now + 15, "it is the host's time (%ld s off)", (int64_t)(e1 - now));
	report(t.wday == (e1 / 86400 + 4) % 7 + 1, "the day of the week fits the date");

	wr(RTC_B, b | B_BIN | B_24);
	u = read_tm();
	e2 = to_epoch(u);
	report(valid(u) && e2 >= e1 && e2 <= e1 + 2, "binary mode tells the same time");

	wr(RTC_B, (b | B_BIN) & ~B_24);
	h = rd(RTC_HOUR);
	wr(RTC_B, b | B_BIN | B_24);
	u = read_tm();
	report((h & 0x7f) >= 1 && (h & 0x7f) <= 12 && (h & 0x7fu) % 12 + (h & 0x80 ? 12 : 0) == u.hour,
	       "12-hour mode: %u %s for %u", h & 0x7f, h & 0x80 ? "pm" : "am", u.hour);

	/* Set the clock to the last second of a leap day and let it roll over. */
	irq_set(VEC, on_irq);
	ioapic_route(8, VEC, false, false, false);
	rd(RTC_C);
	wr(RTC_B, B_SET | B_BIN | B_24);
	wr(RTC_SEC, 59);
	wr(RTC_MIN, 59);
	wr(RTC_HOUR, 23);
	wr(RTC_DAY, 28);
	wr(RTC_MON, 2);
	wr(RTC_YEAR, 28);
	wr(0x32, 20);
	delay_us(1000);
	report(rd(RTC_SEC) == 59 && rd(RTC_DAY) == 28 && !(rd(RTC_A) & 0x80),
	       "SET stops the update and keeps what is written");
	irqs = 0;
	flags = 0;
	wr(RTC_B, B_BIN | B_24 | B_UIE);
	came = wait_until(irqs, 2500);
	wr(RTC_B, B_BIN | B_24);
	u = read_tm();

	/* A second has just begun: the alarm can be set for the next without missing it. */
	seen = flags;
	flags = 0;
	irqs = 0;
	wr(1, (u.sec + 1) % 60);
	wr(3, 0xff);
	wr(5, 0xff);
	rd(RTC_C);
	wr(RTC_B, B_BIN | B_24 | B_AIE);
	uip = false;
	alarm = wait_until((uip |= rd(RTC_A) & 0x80, irqs), 2500);
	wr(RTC_B, B_BIN | B_24);
	report(came && (seen & 0x90) == 0x90, "the update-ended interrupt comes (C %02x)", seen);
	report(u.day == 29 && u.mon == 2 && u.hour == 0 && u.min == 0 && u.sec <= 2,
	       "it rolled over into the leap day: %u-%02u-%02u %02u:%02u:%02u", u.year, u.mon, u.day,
	       u.hour, u.min, u.sec);
	seen = flags;
	report(alarm && (seen & 0xa0) == 0xa0, "the alarm comes (C %02x)", seen);
	rd(RTC_C);
	/* A second may just have ended. */
	report(rd(RTC_C) == 0 || rd(RTC_C) == 0, "reading C clears it");
	if (uip)
		report(wait_until(!(rd(RTC_A) & 0x80), 20), "UIP was seen and ends");
	else
		report_skip("UIP is never seen: updates are atomic");

	irqs = 0;
	flags = 0;
	wr(RTC_A, 0x26);
	wr(RTC_B, B_BIN | B_24 | B_PIE);
	came = wait_until(irqs >= 20, 1000);
	wr(RTC_B, B_BIN | B_24);
	seen = flags;
	report(came && (seen & 0xc0) == 0xc0, "the periodic interrupt comes (%u, C %02x)", irqs, seen);
	rd(RTC_C);

	wr(0x70, 0x5a);
	wr(0x71, 0xa5);
	report(rd(0x70) == 0x5a && rd(0x71) == 0xa5, "CMOS memory keeps what is written");
	outb(0x70, 0x80 | 0x70);
	report(inb(0x71) == 0x5a, "the NMI mask bit is not part of the address");
	wr(RTC_B, b);
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}

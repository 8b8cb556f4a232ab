// SPDX-License-Identifier: GPL-2.0
/*
 * MC146818 clock with its 128 bytes of CMOS memory. The time is the host's plus an offset that a guest
 * changes by setting the clock. Interrupts come from a timer on the main loop, and only while the guest
 * has one enabled; flags that it polls for are worked out when it looks.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/log.h"
#include "../lib/loop.h"

#define RTC_IRQ		8
#define NSEC		1000000000ll
#define UIP_NS		244000		/* "update in progress" shows this long before a second ends */

#define REG_SEC		0
#define REG_SEC_ALARM	1
#define REG_MIN		2
#define REG_MIN_ALARM	3
#define REG_HOUR	4
#define REG_HOUR_ALARM	5
#define REG_WDAY	6
#define REG_MDAY	7
#define REG_MON		8
#define REG_YEAR	9
#define REG_A		10
#define REG_B		11
#define REG_C		12
#define REG_D		13
#define REG_CENTURY	0x32

#define A_UIP		0x80
#define A_DIV_RESET	0x60		/* both high divider bits: counting is stopped */
#define B_24H		0x02
#define B_BINARY	0x04
#define B_UIE		0x10
#define B_AIE		0x20
#define B_PIE		0x40
#define B_SET		0x80
#define C_UF		0x10
#define C_AF		0x20
#define C_PF		0x40
#define C_IRQF		0x80
#define D_VALID		0x80
#define ALARM_ANY	0xc0

struct rtc {
	struct vm *vm;
	struct bus_range range;
	struct vm_hook hook;
	struct loop_timer timer;
	struct loop_bh bh;
	uint8_t index, cmos[128];
	int64_t offset_s;		/* guest time minus CLOCK_REALTIME, whole seconds */
	int64_t seen_ns;		/* CLOCK_REALTIME up to which flags were worked out */
	bool stopped;
};

/*
 * Nanoseconds are the host's: a guest may set years that 64 bits of them cannot hold. Its seconds begin
 * when the host's do.
 */
static int64_t host_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

/* ---- registers and calendar ---- */

static uint8_t to_reg(const struct rtc *r, int v)
{
	return (uint8_t)(r->cmos[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static int from_reg(const struct rtc *r, uint8_t v)
{
	return r->cmos[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t hour_to_reg(const struct rtc *r, int hour)
{
	if (r->cmos[REG_B] & B_24H)
		return to_reg(r, hour);
	return (uint8_t)(to_reg(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0));
}

static int hour_from_reg(const struct rtc *r, uint8_t v)
{
	if (r->cmos[REG_B] & B_24H)
		return from_reg(r, v);
	return from_reg(r, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

/* The running clock into the registers */
static void latch(struct rtc *r)
{
	time_t secs = (time_t)(host_ns() / NSEC + r->offset_s);
	struct tm tm;
	int year;

	if (r->stopped || !gmtime_r(&secs, &tm))
		return;
	year = tm.tm_year + 1900 > 0 ? tm.tm_year + 1900 : 0;
	r->cmos[REG_SEC] = to_reg(r, tm.tm_sec);
	r->cmos[REG_MIN] = to_reg(r, tm.tm_min);
	r->cmos[REG_HOUR] = hour_to_reg(r, tm.tm_hour);
	r->cmos[REG_WDAY] = to_reg(r, tm.tm_wday + 1);
	r->cmos[REG_MDAY] = to_reg(r, tm.tm_mday);
	r->cmos[REG_MON] = to_reg(r, tm.tm_mon + 1);
	r->cmos[REG_YEAR] = to_reg(r, year % 100);
	r->cmos[REG_CENTURY] = to_reg(r, year / 100);
}

/* The registers into the running clock; nonsense is normalised as the calendar has it. */
static void unlatch(struct rtc *r)
{
	struct tm tm = {
		.tm_sec = from_reg(r, r->cmos[REG_SEC]),
		.tm_min = from_reg(r, r->cmos[REG_MIN]),
		.tm_hour = hour_from_reg(r, r->cmos[REG_HOUR]),
		.tm_mday = from_reg(r, r->cmos[REG_MDAY]),
		.tm_mon = from_reg(r, r->cmos[REG_MON]) - 1,
		.tm_year = from_reg(r, r->cmos[REG_YEAR]) - 1900 +
			   from_reg(r, r->cmos[REG_CENTURY]) * 100,
	};

	r->seen_ns = host_ns();
	r->offset_s = timegm(&tm) - r->seen_ns / NSEC;
}

static bool is_time(uint8_t index)
{
	return index <= REG_YEAR ? index != REG_SEC_ALARM && index != REG_MIN_ALARM &&
				   index != REG_HOUR_ALARM
				 : index == REG_CENTURY;
}

/* ---- flags and the interrupt ---- */

static bool alarm_field(uint8_t reg, uint8_t want)
{
	return reg >= ALARM_ANY || reg == want;
}

static int clock_field(int64_t sec, int64_t unit, int64_t wrap)
{
	int64_t v = (sec - (sec % unit + unit) % unit) / unit % wrap;

	return (int)(v < 0 ? v + wrap : v);	/* before 1970 */
}

/* 12-hour alarms use bit 7 for the afternoon, which leaves 0xc0..0xff for "any" all the same. */
static bool alarm_minute(const struct rtc *r, int64_t sec)
{
	return alarm_field(r->cmos[REG_MIN_ALARM], to_reg(r, clock_field(sec, 60, 60))) &&
	       alarm_field(r->cmos[REG_HOUR_ALARM], hour_to_reg(r, clock_field(sec, 3600, 24)));
}

static bool alarm_at(const struct rtc *r, int64_t sec)
{
	return alarm_field(r->cmos[REG_SEC_ALARM], to_reg(r, clock_field(sec, 1, 60))) &&
	       alarm_minute(r, sec);
}

/* Nanoseconds between periodic interrupts; 0: off */
static int64_t period(const struct rtc *r)
{
	unsigned int rate = r->cmos[REG_A] & 15;

	if (!rate)
		return 0;
	if (rate < 3)
		rate += 7;
	return NSEC * (1ll << (rate - 1)) / 32768;
}

static void update_irq(struct rtc *r)
{
	uint8_t on = r->cmos[REG_B] & r->cmos[REG_C] & (C_UF | C_AF | C_PF);

	r->cmos[REG_C] = (uint8_t)((r->cmos[REG_C] & ~C_IRQF) | (on ? C_IRQF : 0));
	vm_irq_line(r->vm, RTC_IRQ, !!on);
}

static void update_flags(struct rtc *r)
{
	int64_t now = host_ns(), p = period(r), from, to = now / NSEC;

	if (r->stopped || now < r->seen_ns) {
		r->seen_ns = now;
		return;
	}
	if (p && now / p > r->seen_ns / p)
		r->cmos[REG_C] |= C_PF;
	from = r->seen_ns / NSEC;
	if (to > from) {
		r->cmos[REG_C] |= C_UF;
		if (to - from > 86400)
			from = to - 86400;
		while (++from <= to && !(r->cmos[REG_C] & C_AF))
			if (alarm_at(r, from + r->offset_s))
				r->cmos[REG_C] |= C_AF;
	}
	r->seen_ns = now;
	update_irq(r);
}

/* CLOCK_REALTIME of the next enabled interrupt whose flag is not up yet; 0: none */
static int64_t next_event(const struct rtc *r)
{
	uint8_t want = r->cmos[REG_B] & ~r->cmos[REG_C];
	int64_t now = r->seen_ns, sec = now / NSEC + 1, p = period(r), t = 0;

	if (r->stopped)
		return 0;
	if (want & B_PIE && p)
		t = (now / p + 1) * p;
	if (want & B_UIE && (!t || sec * NSEC < t))
		t = sec * NSEC;
	if (want & B_AIE) {
		/* Every second of a minute that matches, else the next minute */
		if (!alarm_minute(r, sec + r->offset_s))
			sec += 60 - clock_field(sec + r->offset_s, 1, 60);
		if (!t || sec * NSEC < t)
			t = sec * NSEC;
	}
	return t;
}

/* Main thread, device lock held: timers belong to the loop's thread. */
static void rearm(struct rtc *r)
{
	int64_t t = next_event(r), now = host_ns();

	if (t)
		loop_timer_set(r->vm->loop, &r->timer,
			       loop_now_ns() + (t > now ? (uint64_t)(t - now) : 0));
	else
		loop_timer_del(r->vm->loop, &r->timer);
}

static void on_timer(struct loop_timer *t)
{
	struct rtc *r = (struct rtc *)((char *)t - offsetof(struct rtc, timer));

	vm_lock(r->vm);
	update_flags(r);
	rearm(r);
	vm_unlock(r->vm);
}

static void on_bh(struct loop_bh *bh)
{
	struct rtc *r = (struct rtc *)((char *)bh - offsetof(struct rtc, bh));

	vm_lock(r->vm);
	rearm(r);
	vm_unlock(r->vm);
}

static void events_changed(struct rtc *r)
{
	update_irq(r);
	if (r->cmos[REG_B] & (B_PIE | B_AIE | B_UIE))
		loop_bh_schedule(r->vm->loop, &r->bh);
}

/* ---- ports ---- */

static uint8_t read_reg(struct rtc *r)
{
	uint8_t v;

	if (is_time(r->index))
		latch(r);
	switch (r->index) {
	case REG_A:
		v = r->cmos[REG_A] & (uint8_t)~A_UIP;
		if (!r->stopped && host_ns() % NSEC >= NSEC - UIP_NS)
			v |= A_UIP;
		return v;
	case REG_C:
		update_flags(r);
		v = r->cmos[REG_C];
		r->cmos[REG_C] = 0;
		events_changed(r);
		return v;
	default:
		return r->cmos[r->index];
	}
}

static void stop_or_go(struct rtc *r)
{
	bool stop = r->cmos[REG_B] & B_SET || (r->cmos[REG_A] & A_DIV_RESET) == A_DIV_RESET;

	if (stop == r->stopped)
		return;
	if (stop)
		latch(r);
	else
		unlatch(r);
	r->stopped = stop;
}

static void write_reg(struct rtc *r, uint8_t v)
{
	switch (r->index) {
	case REG_A:
		update_flags(r);
		r->cmos[REG_A] = v & (uint8_t)~A_UIP;
		stop_or_go(r);
		break;
	case REG_B:
		update_flags(r);
		/* Freeze before the format may change, thaw in the new one. */
		if (v & B_SET) {
			v &= (uint8_t)~B_UIE;
			r->cmos[REG_B] |= B_SET;
			stop_or_go(r);
		}
		r->cmos[REG_B] = v;
		stop_or_go(r);
		break;
	case REG_C:
	case REG_D:
		return;
	default:
		if (is_time(r->index) && !r->stopped) {
			latch(r);
			r->cmos[r->index] = v;
			unlatch(r);
		} else {
			r->cmos[r->index] = v;
		}
	}
	if (r->index <= REG_D)
		events_changed(r);
}

static uint64_t rtc_read(void *dev, uint64_t off, unsigned int len)
{
	struct rtc *r = dev;
	uint64_t v = off ? read_reg(r) : 0xff;

	return len > 1 ? v | 0xff00 : v;
}

static void rtc_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct rtc *r = dev;

	if (!off) {
		r->index = val & 0x7f;		/* bit 7 masks NMI: there is none to mask */
		if (len > 1)
			write_reg(r, (uint8_t)(val >> 8));
	} else {
		write_reg(r, (uint8_t)val);
	}
}

static const struct bus_ops rtc_ops = { .read = rtc_read, .write = rtc_write };

/* ---- power-on ---- */

static void put16(struct rtc *r, unsigned int at, uint64_t v)
{
	if (v > 0xffff)
		v = 0xffff;
	r->cmos[at] = (uint8_t)v;
	r->cmos[at + 1] = (uint8_t)(v >> 8);
}

static void memory_bytes(struct rtc *r)
{
	uint64_t low = r->vm->slot[0].size;
	uint64_t high = r->vm->nr_slots > 1 && !r->vm->slot[1].hot ? r->vm->slot[1].size : 0;
	uint64_t ext = low > 1 << 20 ? (low - (1 << 20)) >> 10 : 0;
	uint64_t above16 = low > 16 << 20 ? (low - (16 << 20)) >> 16 : 0;

	put16(r, 0x15, 640);
	put16(r, 0x17, ext);
	put16(r, 0x30, ext);
	put16(r, 0x34, above16);
	put16(r, 0x5b, high >> 16);
	r->cmos[0x5d] = (uint8_t)(high >> 32);
	r->cmos[0x5f] = (uint8_t)(r->vm->cfg->cpus - 1);
}

/* -boot order= for SeaBIOS: its first three kinds of devices, a digit each */
static void order_bytes(struct rtc *r, const char *letters)
{
	static const char kinds[] = "acdn";
	uint8_t n[3] = { 0 };
	unsigned int i;

	for (i = 0; letters && letters[i] && i < 3; i++)
		n[i] = (uint8_t)(strchr(kinds, letters[i]) - kinds + 1);
	r->cmos[0x3d] = (uint8_t)(n[1] << 4 | n[0]);
	r->cmos[0x38] = (uint8_t)(n[2] << 4);
}

/* The battery keeps time and memory; interrupts and flags go. */
static void rtc_reset(void *dev)
{
	struct rtc *r = dev;

	r->cmos[REG_B] &= (uint8_t)~(B_PIE | B_AIE | B_UIE);
	r->cmos[REG_C] = 0;
	r->index = 0;
	order_bytes(r, r->vm->cfg->boot_order);
	update_irq(r);
}

static void rtc_destroy(void *dev)
{
	struct rtc *r = dev;

	loop_timer_del(r->vm->loop, &r->timer);
	loop_bh_cancel(r->vm->loop, &r->bh);
	free(r);
}

int rtc_create(struct vm *vm)
{
	struct rtc *r = calloc(1, sizeof(*r));
	time_t now = time(NULL);
	struct tm tm;

	if (!r)
		return log_err("out of memory");
	r->vm = vm;
	r->timer.fn = on_timer;
	r->bh.fn = on_bh;
	r->range = (struct bus_range){ 0x70, 2, &rtc_ops, r, "rtc" };
	r->hook = (struct vm_hook){ .reset = rtc_reset, .destroy = rtc_destroy, .dev = r };
	if (vm->cfg->rtc_base >= 0)
		r->offset_s = vm->cfg->rtc_base - (int64_t)now;
	else if (vm->cfg->rtc_localtime && localtime_r(&now, &tm))
		r->offset_s = tm.tm_gmtoff;
	r->cmos[REG_A] = 0x26;
	r->cmos[REG_B] = B_24H;
	r->cmos[REG_D] = D_VALID;
	r->seen_ns = host_ns();
	memory_bytes(r);
	order_bytes(r, vm->cfg->boot_once ?: vm->cfg->boot_order);
	vm_hook(vm, &r->hook);
	if (bus_add(&vm->pio, &r->range))
		return log_err("ports 0x70 and 0x71 are taken");
	return 0;
}

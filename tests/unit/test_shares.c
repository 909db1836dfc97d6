// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sharing out what guests leave: ten seconds of guests that send more than they may, at
 * a clock of our own. The numbers are those that users are promised.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "unit.h"
#include "../common/fixture.h"
#include "controller/admit.h"
#include "controller/domains.h"

#define MBIT 1000000ULL
#define STEP_NS 50000ULL
#define SECOND 1000000000ULL
#define SIZE 100U

static uint64_t clock_ns;

int __wrap_clock_gettime(clockid_t id, struct timespec *t);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id;
	t->tv_sec = (time_t)(clock_ns / SECOND);
	t->tv_nsec = (long)(clock_ns % SECOND);
	return 0;
}

static struct jt_controller c;
static struct jt_options options;
static uint64_t offers[JT_GUESTS_MAX]; /* bits a second that each would send; 0: nothing */
static double owed[JT_GUESTS_MAX];

static int begin(void **state)
{
	(void)state;
	memset(&c, 0, sizeof(c));
	memset(&options, 0, sizeof(options));
	memset(offers, 0, sizeof(offers));
	memset(owed, 0, sizeof(owed));
	clock_ns = 1000 * SECOND;
	options.cycle.latency_ns = 2000000;
	c.options = &options;
	c.datapath.guests = test_alloc(sizeof(struct jt_guest) * JT_GUESTS_MAX);
	c.datapath.shares = test_alloc(sizeof(struct jt_share) * JT_GUESTS_MAX);
	return 0;
}

static int end(void **state)
{
	(void)state;
	jt_watch_close(&c, &c.shares_watch);
	close(c.epoll);
	free(c.datapath.guests);
	free(c.datapath.shares);
	return 0;
}

static void uplink(uint64_t rate)
{
	options.uplink_rate = rate;
	c.epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(jt_shares_start(&c), 0);
}

/* Return: its id. It is offered @offer bits a second. */
static uint32_t guest(uint64_t rate, bool borrows, uint32_t weight, uint64_t offer)
{
	struct jt_share_settings s = { .rate = rate, .borrows = borrows, .weight = weight };
	uint32_t id = c.guest_limit++;
	const char *wrong;

	c.guests[id].used = true;
	assert_int_equal(jt_shares_set(&c, id, &s, &wrong), 0);
	offers[id] = offer;
	return id;
}

/* As the program on a vif does it; what is not admitted is lost. */
static void packet(uint32_t id)
{
	struct jt_share *s = &c.datapath.shares[id];
	enum jt_share_payer payer = JT_SHARE_NOBODY;

	if (!(c.datapath.guests[id].flags & JT_GUEST_LIMITED)) {
		s->used += SIZE;
		return;
	}
	s->offered_ns = clock_ns;
	payer = jt_share_payer(s, clock_ns);
	if (payer)
		jt_share_charge(s, payer, SIZE, 1);
	else
		s->refused++;
	if (s->settings.borrows && !s->asked &&
	    (!payer || (payer == JT_SHARE_BORROWED && jt_share_grant(s) < (int64_t)s->low))) {
		s->asked = 1;
		jt_shares_asked(&c);
	}
}

/* The timer, if it is due: as one that has expired once. */
static void timer(void)
{
	int fd = c.shares_watch.fd;

	if (!c.shares.due_ns || c.shares.due_ns > clock_ns)
		return;
	c.shares_watch.fd = eventfd(1, EFD_CLOEXEC);
	c.shares_watch.ready(&c, &c.shares_watch, 0);
	close(c.shares_watch.fd);
	c.shares_watch.fd = fd;
}

static void run(uint64_t ns)
{
	uint64_t until = clock_ns + ns;
	uint32_t i;

	for (; clock_ns < until; clock_ns += STEP_NS) {
		timer();
		for (i = 0; i < c.guest_limit; i++)
			for (owed[i] += (double)offers[i] / 8e9 * STEP_NS; owed[i] >= SIZE;
			     owed[i] -= SIZE)
				packet(i);
	}
}

static uint64_t before[JT_GUESTS_MAX];

static void measured(void)
{
	uint32_t i;

	for (i = 0; i < c.guest_limit; i++)
		before[i] = c.datapath.shares[i].used;
}

/* Bits a second, since measured(). */
static double rate_of(uint32_t id, uint64_t ns)
{
	return (double)(c.datapath.shares[id].used - before[id]) * 8e9 / (double)ns;
}

static void near(double got, double want, double percent)
{
	if (fabs(got - want) > want * percent / 100)
		print_error("%.0f, not %.0f\n", got, want);
	assert_true(fabs(got - want) <= want * percent / 100);
}

static void ten_seconds(void)
{
	run(SECOND / 10);
	measured();
	run(10 * SECOND);
}
#define TEN (10 * SECOND)

/* 30 % are 30 %, whatever three others do. */
static void test_guarantee(void **state)
{
	uint32_t owner, i;

	(void)state;
	uplink(100 * MBIT);
	owner = guest(30 * MBIT, false, 0, 100 * MBIT);
	for (i = 0; i < 3; i++)
		guest(0, true, 0, 300 * MBIT);
	ten_seconds();
	near(rate_of(owner, TEN), 30 * MBIT, 1);
	for (i = 1; i < 4; i++)
		near(rate_of(i, TEN), 70e6 / 3, 1);
}

/* All of an idle link; and not more than it. */
static void test_alone(void **state)
{
	uint32_t id, i;

	(void)state;
	uplink(100 * MBIT);
	id = guest(10 * MBIT, true, 0, 500 * MBIT);
	for (i = 0; i < 50; i++)
		guest(i & 1 ? MBIT : 0, true, 0, 0);
	ten_seconds();
	near(rate_of(id, TEN), 100 * MBIT, 1);
	assert_true(c.datapath.shares[id].borrowed > 0);
}

static void test_red(void **state)
{
	uint32_t id;

	(void)state;
	uplink(100 * MBIT);
	id = guest(10 * MBIT, false, 0, 500 * MBIT);
	ten_seconds();
	near(rate_of(id, TEN), 10 * MBIT, 0.5);
	assert_int_equal(c.datapath.shares[id].borrowed, 0);
	/* Nothing ticks for it. */
	assert_int_equal(c.shares.due_ns, 0);
}

/* What is left, in proportion to the rates, or to weights where there are some. */
static void test_proportion(void **state)
{
	(void)state;
	uplink(100 * MBIT);
	guest(5 * MBIT, true, 0, 200 * MBIT);
	guest(10 * MBIT, true, 0, 200 * MBIT);
	guest(25 * MBIT, true, 0, 200 * MBIT);
	guest(0, true, 20000, 200 * MBIT);
	ten_seconds();
	near(rate_of(0, TEN), 5e6 + 60e6 * 5 / 60, 2);
	near(rate_of(1, TEN), 10e6 + 60e6 * 10 / 60, 2);
	near(rate_of(2, TEN), 25e6 + 60e6 * 25 / 60, 2);
	near(rate_of(3, TEN), 60e6 * 20 / 60, 2);
}

/* What one does not want of its part is the others'. */
static void test_unused_part(void **state)
{
	(void)state;
	uplink(100 * MBIT);
	guest(0, true, 0, 200 * MBIT);
	guest(0, true, 0, 200 * MBIT);
	guest(0, true, 0, 10 * MBIT);
	guest(0, true, 0, 2 * MBIT);
	ten_seconds();
	near(rate_of(0, TEN), 44 * MBIT, 2);
	near(rate_of(1, TEN), 44 * MBIT, 2);
	near(rate_of(2, TEN), 10 * MBIT, 0.1);
	near(rate_of(3, TEN), 2 * MBIT, 0.1);
	assert_int_equal(c.datapath.shares[3].refused, 0);
}

/* Who has been lending has all of its own at once, and the others are out soon. */
static void test_release(void **state)
{
	uint32_t owner, other;

	(void)state;
	uplink(100 * MBIT);
	owner = guest(60 * MBIT, false, 0, 0);
	other = guest(0, true, 0, 300 * MBIT);
	run(SECOND);
	measured();
	run(SECOND);
	near(rate_of(other, SECOND), 100 * MBIT, 1);
	offers[owner] = 60 * MBIT;
	measured();
	run(SECOND / 50);
	near(rate_of(owner, SECOND / 50), 60 * MBIT, 2);
	assert_int_equal(c.datapath.shares[owner].refused, 0);
	/* From here on nobody has more than is there. */
	measured();
	run(SECOND);
	near(rate_of(other, SECOND), 40 * MBIT, 2);
}

static void test_hundred(void **state)
{
	double sum = 0, squares = 0, r;
	uint32_t i;

	(void)state;
	uplink(1000 * MBIT);
	for (i = 0; i < 100; i++)
		guest(0, true, 0, (20 + i) * MBIT);
	run(SECOND / 10);
	measured();
	run(2 * SECOND);
	for (i = 0; i < 100; i++) {
		r = rate_of(i, 2 * SECOND);
		sum += r;
		squares += r * r;
	}
	assert_true(sum * sum / (100 * squares) >= 0.99);
	near(sum, 1000 * MBIT, 2);
}

/* A late tick costs nothing, as long as less is saved up than can be. */
static void test_late_ticks(void **state)
{
	uint32_t id, i;

	(void)state;
	uplink(100 * MBIT);
	id = guest(0, true, 0, 400 * MBIT);
	run(SECOND / 10);
	measured();
	for (i = 0; i < 500; i++) {
		c.shares.due_ns += c.shares.due_ns ? 4000000 : 0;
		run(SECOND / 100);
	}
	near(rate_of(id, 5 * SECOND), 100 * MBIT, 2);
}

/* Without --uplink-rate and a known speed nothing limits who borrows. */
static void test_unknown_link(void **state)
{
	uint32_t id;

	(void)state;
	uplink(0);
	id = guest(10 * MBIT, true, 0, 500 * MBIT);
	guest(0, true, 0, 500 * MBIT);
	ten_seconds();
	near(rate_of(id, TEN), 500 * MBIT, 0.1);
	near(rate_of(1, TEN), 500 * MBIT, 0.1);
	assert_false(c.datapath.guests[1].flags & JT_GUEST_LIMITED);
	assert_int_equal(c.shares.due_ns, 0);
}

/* Settings change at once; what is not given is filled in. */
static void test_settings(void **state)
{
	struct jt_share_settings s = { .rate = 20 * MBIT };
	struct jt_share_view v;
	const char *wrong;
	uint32_t id;

	(void)state;
	uplink(100 * MBIT);
	id = guest(10 * MBIT, false, 0, 500 * MBIT);
	assert_int_equal(jt_shares_set(&c, id, &s, &wrong), 0);
	ten_seconds();
	near(rate_of(id, TEN), 20 * MBIT, 0.5);
	packet(id);
	packet(id);
	jt_shares_view(&c, id, &v);
	assert_true(v.limited && v.state == JT_SHARE_RED && v.refused && !v.borrowed);
	assert_int_equal(v.settings.burst, 25000);
	assert_int_equal(v.settings.weight, 20000);
	s.rate = 7999;
	assert_int_equal(jt_shares_set(&c, id, &s, &wrong), -EINVAL);
	assert_non_null(wrong);
	s = (struct jt_share_settings){ 0 };
	assert_int_equal(jt_shares_set(&c, id, &s, &wrong), 0);
	ten_seconds();
	near(rate_of(id, TEN), 100 * MBIT, 1);
	jt_shares_view(&c, id, &v);
	assert_int_equal(v.state, JT_SHARE_YELLOW);
	clock_ns += SECOND;
	jt_shares_view(&c, id, &v);
	assert_int_equal(v.state, JT_SHARE_BLACK);
	jt_shares_forget(&c, id);
	assert_int_equal(c.shares.limited, 0);
}

/* A bucket that takes longer to fill than the machine has been up is as full as can be. */
static void test_long_burst(void **state)
{
	struct jt_share_settings s = { .rate = MBIT, .burst = 32 << 20 };
	const char *wrong;
	uint32_t id;

	(void)state;
	clock_ns = 30 * SECOND;
	uplink(0);
	id = guest(MBIT, false, 0, 100 * MBIT);
	assert_int_equal(jt_shares_set(&c, id, &s, &wrong), 0);
	measured();
	run(SECOND);
	near(rate_of(id, SECOND), 31 * MBIT, 1);
	s = (struct jt_share_settings){ .rate = JT_SHARE_RATE_MIN, .burst = JT_SHARE_BURST_MAX };
	assert_int_equal(jt_shares_set(&c, id, &s, &wrong), 0);
	assert_int_equal(jt_share_payer(&c.datapath.shares[id], clock_ns), JT_SHARE_OWN);
}

/* Who sends little, but all at once, does not have others given what it takes. */
static void test_bursts_are_owed(void **state)
{
	struct jt_share_settings s = { .rate = 50 * MBIT, .burst = 1000000 };
	uint32_t owner, other, i, k;
	const char *wrong;

	(void)state;
	uplink(100 * MBIT);
	owner = guest(50 * MBIT, false, 0, 0);
	assert_int_equal(jt_shares_set(&c, owner, &s, &wrong), 0);
	other = guest(0, true, 0, 300 * MBIT);
	run(SECOND);
	measured();
	for (i = 0; i < 50; i++, run(SECOND / 5))
		for (k = 0; k < 10000; k++)
			packet(owner);
	near(rate_of(owner, TEN), 40 * MBIT, 1);
	near(rate_of(other, TEN), 60 * MBIT, 3);
}

/* The same of what the controller itself takes: no more than is paid for, in bytes or messages. */
static void test_allowance(void **state)
{
	struct jt_share_settings s = { .rate = 8 * MBIT, .burst = 1000, .message_rate = 10000 };
	struct jt_allowance a;
	const char *wrong;

	(void)state;
	uplink(0);
	c.guest_limit = 2;
	jt_allow(&c, 0, &a);
	assert_true(jt_allowed(&a) && !a.share);
	jt_allow_charge(&a, 1000, 10);
	assert_int_equal(jt_shares_set(&c, 0, &s, &wrong), 0);
	jt_allow(&c, 0, &a);
	assert_in_range(a.bytes, 1000, 1001);
	assert_in_range(a.messages, 10, 11);
	jt_allow_charge(&a, 400, 5);
	assert_in_range(a.bytes, 600, 601);
	assert_in_range(a.messages, 5, 6);
	jt_allow_charge(&a, 100, 7);
	assert_false(jt_allowed(&a));
	jt_allow_wait(&c, &a, true);
	/* Messages are paid in 0.2 ms. */
	assert_in_range(c.shares.due_ns, clock_ns + 200000, clock_ns + 300000);
	clock_ns = c.shares.due_ns + 100000;
	jt_allow(&c, 0, &a);
	assert_true(jt_allowed(&a));
	assert_int_equal(c.datapath.shares[0].refused, 1);
	c.datapath.shares[0].bytes_paid = JT_SHARE_NEVER;
	c.datapath.shares[0].granted = 70;
	jt_allow(&c, 0, &a);
	assert_int_equal(a.bytes, 70);
	jt_allow_charge(&a, 100, 1);
	assert_false(jt_allowed(&a));
	assert_int_equal(c.datapath.shares[0].borrowed, 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_guarantee),  TEST(test_alone),       TEST(test_red),
		TEST(test_proportion), TEST(test_unused_part), TEST(test_release),
		TEST(test_hundred),    TEST(test_late_ticks),  TEST(test_unknown_link),
		TEST(test_settings),   TEST(test_long_burst),  TEST(test_bursts_are_owed),
		TEST(test_allowance),
	};

	return RUN(tests);
}

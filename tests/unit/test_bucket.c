// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A guest's bucket, at times of our own: how much passes, and who pays. */
#include "unit.h"
#include <stdlib.h>
#include <jitney/bucket.h>

#define SECOND 1000000000ULL
#define MOST 10000000U
#define START (90ULL * 24 * 3600 * SECOND) /* the machine has been up for a while */

struct flood {
	__u64 rate, burst, message_rate, step_ns;
	__u32 size;
};

static struct jt_share share_of(const struct flood *f, __u64 now)
{
	struct jt_share s = { 0 };

	s.byte_cost = f->rate ? jt_share_byte_cost(f->rate) : 0;
	s.message_cost = f->message_rate ? SECOND * JT_SHARE_NS / f->message_rate : 0;
	s.burst = f->rate ? f->burst * s.byte_cost >> JT_SHARE_FRACTION :
			    JT_SHARE_BURST_NS * JT_SHARE_NS;
	s.bytes_paid = s.messages_paid = now * JT_SHARE_NS - s.burst;
	return s;
}

/* Offer more than can pass, a little each step. Return: messages that did. */
static __u64 flood(struct jt_share *s, const struct flood *f, __u64 from, __u64 ns)
{
	__u64 now, sent = 0;
	unsigned int i;

	for (now = from; now < from + ns; now += f->step_ns) {
		for (i = 0; i < MOST && jt_share_payer(s, now) == JT_SHARE_OWN; i++) {
			jt_share_charge(s, JT_SHARE_OWN, f->size, 1);
			sent++;
		}
		assert_true(i < MOST);
	}
	return sent;
}

/* No more than the rate and one burst, and no less than the rate. */
static void test_rates(void **state)
{
	static const struct flood floods[] = {
		{ JT_SHARE_RATE_MIN, 2000, 0, 1000000, 68 },
		{ 100000, 10000, 0, 1000000, 1500 },
		{ 50000000, 32768, 0, 100000, 68 },
		{ 50000000, 32768, 0, 100000, 65000 },
		{ 1000000000, 1250000, 0, 1000000, 68 },
		{ 100000000000, 12500000, 0, 50000, 68 },
		{ 100000000000, 12500000, 0, 50000, 40 },
		{ 400000000000, 50000000, 0, 100000, 1514 },
	};
	const struct flood *f;
	double sent, most, least, ns;
	struct jt_share s;
	unsigned int i;

	(void)state;
	for (i = 0; i < JT_ARRAY_SIZE(floods); i++) {
		f = &floods[i];
		s = share_of(f, START);
		ns = f->rate < 1000000 ? 100e9 : f->rate < 10000000000 ? 10e9 : 1e8;
		sent = (double)flood(&s, f, START, (__u64)ns) * f->size;
		least = (double)f->rate / 8e9 * (ns - (double)f->step_ns);
		most = (double)f->rate / 8e9 * ns + (double)f->burst + f->size;
		if (sent < least || sent > most * 1.005)
			print_error("%u: %.0f, not %.0f to %.0f\n", i, sent, least, most);
		assert_true(sent >= least && sent <= most * 1.005);
		assert_true((double)s.used == sent);
	}
}

static void test_message_rate(void **state)
{
	const struct flood f = { 0, 0, 10000, 100000, 68 };
	struct jt_share s = share_of(&f, START);
	__u64 sent = flood(&s, &f, START, 10 * SECOND);

	(void)state;
	assert_in_range(sent, 100000, 100000 + 102);
}

/* The lower of two rates counts. */
static void test_both_rates(void **state)
{
	const struct flood bytes = { 8000000, 10000, 100000, 100000, 100 };
	const struct flood messages = { 80000000, 100000, 1000, 100000, 100 };
	struct jt_share s = share_of(&bytes, START);

	(void)state;
	assert_in_range(flood(&s, &bytes, START, 10 * SECOND), 100000, 100101);
	s = share_of(&messages, START);
	assert_in_range(flood(&s, &messages, START, 10 * SECOND), 10000, 10012);
}

/* Who was silent has saved up one burst, and no more. */
static void test_burst(void **state)
{
	const struct flood f = { 1000000, 10000, 0, 1000, 100 };
	struct jt_share s = share_of(&f, START);
	unsigned int i;

	(void)state;
	for (i = 1; i < 20; i++)
		assert_in_range(flood(&s, &f, START + i * 3600 * SECOND, 1000), 100, 101);
}

/* One message too many, however long, comes off the next ones. */
static void test_debt(void **state)
{
	const struct flood f = { 8000000, 1000, 0, 1000, 0 };
	struct jt_share s = share_of(&f, START);

	(void)state;
	assert_int_equal(jt_share_payer(&s, START), JT_SHARE_OWN);
	jt_share_charge(&s, JT_SHARE_OWN, 101000, 1);
	assert_int_equal(jt_share_payer(&s, START + SECOND / 10 - 1000), JT_SHARE_NOBODY);
	assert_int_equal(jt_share_payer(&s, START + SECOND / 10 + 1000), JT_SHARE_OWN);
}

/* The largest cost there is, nine years after the machine was started. */
static void test_extremes(void **state)
{
	const __u64 late = 9ULL * 365 * 24 * 3600 * SECOND;
	const struct flood f = { JT_SHARE_RATE_MIN, 1000, 0, 1000, 0 };
	struct jt_share s = share_of(&f, late);
	__u64 seconds = JT_SHARE_BYTES_MAX / (JT_SHARE_RATE_MIN / 8);

	(void)state;
	jt_share_charge(&s, JT_SHARE_OWN, ~0ULL, 1);
	assert_int_equal(s.used, JT_SHARE_BYTES_MAX);
	assert_int_equal(jt_share_payer(&s, late + (seconds - 2) * SECOND), JT_SHARE_NOBODY);
	assert_int_equal(jt_share_payer(&s, late + (seconds + 1) * SECOND), JT_SHARE_OWN);
	s.bytes_paid = JT_SHARE_NEVER;
	assert_int_equal(jt_share_payer(&s, late), JT_SHARE_NOBODY);
}

/* A clock that is late by some ms gives no more, in the long run. */
static void test_late_clock(void **state)
{
	const struct flood f = { 10000000, 5000, 0, 100000, 68 };
	struct jt_share s = share_of(&f, START);
	__u64 now, sent = 0;

	(void)state;
	for (now = START; now < START + 10 * SECOND; now += f.step_ns)
		while (jt_share_payer(&s, now - now % 4000000) == JT_SHARE_OWN ||
		       jt_share_payer(&s, now) == JT_SHARE_OWN) {
			jt_share_charge(&s, JT_SHARE_OWN, f.size, 1);
			sent += f.size;
		}
	assert_in_range(sent, 12500000 - 200, 12500000 + 5000 + 5000 + 68);
}

static void test_borrowing(void **state)
{
	const struct flood f = { 8000000, 1000, 0, 1000, 100 };
	struct jt_share s = share_of(&f, START);

	(void)state;
	s.granted = 150;
	assert_int_equal(flood(&s, &f, START, 1), 10);
	assert_int_equal(jt_share_payer(&s, START), JT_SHARE_BORROWED);
	jt_share_charge(&s, JT_SHARE_BORROWED, 100, 1);
	assert_int_equal(jt_share_payer(&s, START), JT_SHARE_BORROWED);
	jt_share_charge(&s, JT_SHARE_BORROWED, 100, 1);
	assert_int_equal(jt_share_grant(&s), -50);
	assert_int_equal(jt_share_payer(&s, START), JT_SHARE_NOBODY);
	assert_int_equal(s.borrowed, 200);
	assert_int_equal(s.used, 1200);
	/* What is borrowed takes nothing from its own. */
	assert_int_equal(jt_share_payer(&s, START + 1000), JT_SHARE_OWN);
	s.granted = s.borrowed + JT_SHARE_UNLIMITED;
	s.bytes_paid = JT_SHARE_NEVER;
	assert_int_equal(jt_share_payer(&s, START), JT_SHARE_BORROWED);
}

static void test_states(void **state)
{
	const struct flood f = { 8000000, 1000, 0, 1000, 100 };
	struct jt_share s = share_of(&f, START);
	int borrows, waits, tokens;

	(void)state;
	for (borrows = 0; borrows < 2; borrows++)
		for (waits = 0; waits < 2; waits++)
			for (tokens = 0; tokens < 2; tokens++) {
				s.settings.borrows = (__u32)borrows;
				s.bytes_paid = START * JT_SHARE_NS + (tokens ? -10 : 10);
				assert_int_equal(jt_share_state(&s, START, waits),
						 !waits	 ? JT_SHARE_BLACK :
						 tokens	 ? JT_SHARE_GREEN :
						 borrows ? JT_SHARE_YELLOW :
							   JT_SHARE_RED);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),	   cmocka_unit_test(test_message_rate),
		cmocka_unit_test(test_both_rates), cmocka_unit_test(test_burst),
		cmocka_unit_test(test_debt),	   cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_late_clock), cmocka_unit_test(test_borrowing),
		cmocka_unit_test(test_states),
	};

	return RUN(tests);
}

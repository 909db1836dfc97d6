// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* T = a * mean(T_i) + b * mean(D_i), clamped. */
#include "unit.h"
#include <jitney/cycle.h>

static const struct jt_cycle_settings defaults = {
	.weight_interval = 1,
	.weight_write = 1,
	.min_ns = 1000,
	.max_ns = 1000000000,
	.latency_ns = 500000000,
};

static void test_mean_over_guests(void **state)
{
	struct jt_cycle_sums s = {};

	(void)state;
	/* 100 messages in 1 s: 10 ms; 50 messages in 1 s: 20 ms */
	assert_int_equal(jt_cycle_add(&s, 1000000000, 100, 200), 10000000);
	assert_int_equal(jt_cycle_add(&s, 1000000000, 50, 400), 20000000);
	assert_int_equal(jt_cycle_compute(&defaults, &s), 15000000 + 300);
}

static void test_weights(void **state)
{
	struct jt_cycle_settings c = defaults;
	struct jt_cycle_sums s = {};

	(void)state;
	jt_cycle_add(&s, 1000000, 100, 500);
	c.weight_interval = 2.5;
	c.weight_write = 4;
	assert_int_equal(jt_cycle_compute(&c, &s), 25000 + 2000);
	c.weight_interval = 0;
	assert_int_equal(jt_cycle_compute(&c, &s), 2000);
	c.weight_write = 0;
	assert_int_equal(jt_cycle_compute(&c, &s), c.min_ns);
}

static void test_silent_guests_do_not_count(void **state)
{
	struct jt_cycle_sums s = {};

	(void)state;
	assert_int_equal(jt_cycle_add(&s, 1000000000, 0, 777), 0);
	assert_int_equal(s.intervals, 0);
	assert_int_equal(s.writes, 0);
	jt_cycle_add(&s, 1000000, 10, 0);
	assert_int_equal(jt_cycle_compute(&defaults, &s), 100000);
	/* D's mean is over those that have one. */
	jt_cycle_add(&s, 1000000, 10, 600);
	assert_int_equal(jt_cycle_compute(&defaults, &s), 100600);
}

static void test_nobody_sends(void **state)
{
	struct jt_cycle_settings c = defaults;
	struct jt_cycle_sums s = {};

	(void)state;
	assert_int_equal(jt_cycle_compute(&c, &s), c.latency_ns);
	c.latency_ns = ~0ULL;
	assert_int_equal(jt_cycle_compute(&c, &s), c.max_ns);
}

static void test_clamps(void **state)
{
	struct jt_cycle_settings c = defaults;

	(void)state;
	assert_int_equal(jt_cycle_clamp(&c, 0), c.min_ns);
	assert_int_equal(jt_cycle_clamp(&c, 999), 1000);
	assert_int_equal(jt_cycle_clamp(&c, 1001), 1001);
	assert_int_equal(jt_cycle_clamp(&c, 1e9), c.latency_ns);
	assert_int_equal(jt_cycle_clamp(&c, 1e300), c.latency_ns);
	c.latency_ns = 2000000000;
	assert_int_equal(jt_cycle_clamp(&c, 1e300), c.max_ns);
	/* --latency wins over --cycle-min. */
	c.latency_ns = 10;
	assert_int_equal(jt_cycle_clamp(&c, 0), 10);
}

static void test_static_cycle(void **state)
{
	struct jt_cycle_settings c = defaults;
	struct jt_cycle_sums s = {};

	(void)state;
	c.fixed_ns = 123456;
	assert_int_equal(jt_cycle_compute(&c, &s), 123456);
	jt_cycle_add(&s, 1000, 1, 1);
	assert_int_equal(jt_cycle_compute(&c, &s), 123456);
	c.fixed_ns = 600000000;
	assert_int_equal(jt_cycle_compute(&c, &s), c.latency_ns);
	/* A static cycle is not bound by the limits of the computed one. */
	c.fixed_ns = 10;
	assert_int_equal(jt_cycle_compute(&c, &s), 10);
}

static void test_never_zero(void **state)
{
	struct jt_cycle_sums s = {};

	(void)state;
	jt_cycle_add(&s, 0, ~0ULL, 0);
	assert_int_equal(jt_cycle_compute(&defaults, &s), defaults.min_ns);
}

static void test_extremes_do_not_overflow(void **state)
{
	struct jt_cycle_sums s = {};
	int i;

	(void)state;
	for (i = 0; i < 1024; i++)
		jt_cycle_add(&s, ~0ULL, 1, ~0ULL);
	assert_int_equal(jt_cycle_compute(&defaults, &s), defaults.latency_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mean_over_guests),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_silent_guests_do_not_count),
		cmocka_unit_test(test_nobody_sends),
		cmocka_unit_test(test_clamps),
		cmocka_unit_test(test_static_cycle),
		cmocka_unit_test(test_never_zero),
		cmocka_unit_test(test_extremes_do_not_overflow),
	};

	return RUN(tests);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sharing out, against a model: water that rises until all is used. */
#include <math.h>
#include <stdlib.h>
#include "unit.h"
#include "controller/shares.h"

/* What all get if the water stands at @level, a unit of weight. */
static double filled(const struct jt_want *w, unsigned int n, double level)
{
	double sum = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		sum += fmin((double)w[i].want, level * (double)w[i].weight);
	return sum;
}

static double level_of(const struct jt_want *w, unsigned int n, double left)
{
	double low = 0, high = 1e18;
	int i;

	for (i = 0; i < 200; i++) {
		double middle = (low + high) / 2;

		*(filled(w, n, middle) > left ? &high : &low) = middle;
	}
	return low;
}

static void fill_once(unsigned int n)
{
	static struct jt_want w[64];
	uint64_t left = (uint64_t)rand() % 2000000, rest, sum = 0;
	double level, want;
	unsigned int i;

	for (i = 0; i < n; i++)
		w[i] = (struct jt_want){ .weight =
						 1 + (uint64_t)rand() % (rand() % 2 ? 10 : 100000),
					 .want = rand() % 3 ? (uint64_t)rand() % 100000 :
						 rand() % 2 ? 0 :
							      1ULL << 62 };
	rest = jt_shares_fill(w, n, left);
	level = level_of(w, n, (double)left);
	for (i = 0; i < n; i++) {
		want = fmin((double)w[i].want, level * (double)w[i].weight);
		assert_true(w[i].get <= w[i].want);
		assert_true(fabs((double)w[i].get - want) <= 1 + n + want * 1e-6);
		sum += w[i].get;
	}
	assert_int_equal(sum + rest, left);
}

static void test_fill(void **state)
{
	int i;

	(void)state;
	srand(1);
	for (i = 0; i < 20000; i++)
		fill_once(1 + (unsigned int)rand() % 64);
	assert_int_equal(jt_shares_fill(NULL, 0, 77), 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill),
	};

	return RUN(tests);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli.h"

#define STEPS 32U /* to the double */

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int shift;

	if (ns < STEPS)
		return (unsigned int)ns;
	shift = 63U - (unsigned int)__builtin_clzll(ns) - 5;
	return (shift + 1) * STEPS + (unsigned int)(ns >> shift) - STEPS;
}

/* The middle of a bucket. */
static uint64_t bucket_value(unsigned int bucket)
{
	unsigned int shift = bucket / STEPS;

	if (!shift)
		return bucket;
	return ((uint64_t)(STEPS + bucket % STEPS) << (shift - 1)) + (1ULL << (shift - 1)) / 2;
}

void jt_times_add(struct jt_times *t, uint64_t ns)
{
	t->buckets[bucket_of(ns)]++;
	if (!t->count++ || ns < t->least)
		t->least = ns;
	if (ns > t->most)
		t->most = ns;
}

static uint64_t quantile(const struct jt_times *t, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)(t->count - 1)), seen = 0, value;
	unsigned int i;

	for (i = 0; i < JT_COUNT_OF(t->buckets); i++) {
		seen += t->buckets[i];
		if (seen > wanted)
			break;
	}
	value = bucket_value(i);
	return value < t->least ? t->least : value > t->most ? t->most : value;
}

void jt_times_tell(const struct jt_times *t, json_t *result)
{
	static const struct {
		const char *name;
		double share;
	} wanted[] = {
		{ "p50_ns", 0.5 }, { "p90_ns", 0.9 }, { "p99_ns", 0.99 }, { "p999_ns", 0.999 }
	};
	unsigned int i;

	if (!t->count)
		return;
	json_object_set_new(result, "min_ns", json_integer((json_int_t)t->least));
	for (i = 0; i < JT_COUNT_OF(wanted); i++)
		json_object_set_new(result, wanted[i].name,
				    json_integer((json_int_t)quantile(t, wanted[i].share)));
	json_object_set_new(result, "max_ns", json_integer((json_int_t)t->most));
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A histogram of latencies: 64 steps for each power of two, so that a
 * percentile is off by at most 1.6 %.
 */
#ifndef TRAFFIC_LATENCY_H
#define TRAFFIC_LATENCY_H

#include <stdint.h>

#define LATENCY_STEPS 64U
#define LATENCY_BUCKETS (LATENCY_STEPS * 60)

struct latency {
	uint64_t counts[LATENCY_BUCKETS];
	uint64_t total;
	uint64_t sum_ns;
	uint64_t max_ns;
	uint64_t min_ns;
};

static inline uint32_t latency_bucket(uint64_t ns)
{
	uint32_t shift = 0;

	while (ns >> shift >= 2 * LATENCY_STEPS)
		shift++;
	return shift * LATENCY_STEPS + (uint32_t)(ns >> shift);
}

/* Return: the upper end of a bucket. */
static inline uint64_t latency_value(uint32_t bucket)
{
	uint32_t shift = bucket < 2 * LATENCY_STEPS ? 0 : bucket / LATENCY_STEPS - 1;

	return ((uint64_t)(bucket - shift * LATENCY_STEPS + 1) << shift) - 1;
}

static inline void latency_add(struct latency *l, uint64_t ns)
{
	uint32_t bucket = latency_bucket(ns);

	l->counts[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
	l->sum_ns += ns;
	if (ns > l->max_ns)
		l->max_ns = ns;
	if (!l->total++ || ns < l->min_ns)
		l->min_ns = ns;
}

/* Return: ns that @share (0 to 1) of all were not above; 0 if there are none. */
static inline uint64_t latency_percentile(const struct latency *l, double share)
{
	uint64_t seen = 0, rank = (uint64_t)(share * (double)l->total);
	uint32_t i;

	for (i = 0; i < LATENCY_BUCKETS; i++) {
		seen += l->counts[i];
		if (seen > rank || (seen && seen == l->total))
			return latency_value(i) < l->max_ns ? latency_value(i) : l->max_ns;
	}
	return 0;
}

#endif

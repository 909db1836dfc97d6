/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters of two moments made into rates. */
#ifndef JITNEY_RATES_H
#define JITNEY_RATES_H

#include "client.h"

/* What the controller said at one moment. Owns its answers. */
struct jt_sample {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	json_t *status;
	json_t *guests;
	json_t *peers;
};

/* Return: true; or false with @wrong filled and nothing to free. */
bool jt_sample_take(const struct jt_line *cli, struct jt_sample *s, char wrong[JT_WRONG_SIZE]);
void jt_sample_free(struct jt_sample *s);

/*
 * What docs call `jitney --json top`'s object: rates of the time between two
 * samples. A counter that fell (the controller was started anew) has rate 0.
 * Return: a new reference.
 */
json_t *jt_rates(const struct jt_sample *before, const struct jt_sample *now);

/* Two digits behind the point are what a rate is worth. */
json_t *jt_rounded(double rate);

/* The object of this name in an array, or NULL. */
const json_t *jt_named(const json_t *list, const char *name);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Guests' shares of the uplink, as text. */
#ifndef JITNEY_CLI_SHARES_H
#define JITNEY_CLI_SHARES_H

#include "text.h"

/* Bits a second, as "50 Mbit/s". */
#define JT_RATE(n) jt_text_rate((char[JT_TEXT_SIZE]){ 0 }, n)
const char *jt_text_rate(char out[JT_TEXT_SIZE], double bits);

/* Append the member that a column's key names, or "-" if it is null. */
void jt_table_rate(struct jt_table *t, const json_t *object, const char *key);

/*
 * jt_share_rates() - What became of a share's counters in some time
 * @to:	gets `state', `rate', `used_bits_per_s', `borrowed_bits_per_s', `refused_per_s' and
 *	`waiting'; all null if the guest is not limited
 */
void jt_share_rates(json_t *to, const json_t *before, const json_t *now, double seconds);

/* A table of those guests of an answer that are limited; nothing if none is. */
void jt_shares_print(const json_t *before, const json_t *now, double seconds);

/* One guest's settings, as a line. */
void jt_share_print(const char *name, const json_t *share);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages that `send' makes and `recv' checks: a header, then bytes that follow
 * from the sequence number. What is shorter than the header is not checked.
 */
#ifndef JITNEY_GUEST_MESSAGE_H
#define JITNEY_GUEST_MESSAGE_H

#include "cli.h"

#define JT_MESSAGE_MIN 24U

/* Write message number @sequence of a run. @to: room for @size bytes */
void jt_message_make(uint8_t *to, size_t size, uint32_t run, uint32_t sequence);

struct jt_senders; /* told apart by address, port and run */

struct jt_tally {
	uint64_t received, bytes;
	uint64_t checked; /* made by `send'; the following are of these only */
	uint64_t lost, reordered, duplicated, altered;
	uint64_t senders;
};

/* Return: NULL without memory. */
struct jt_senders *jt_senders_new(void);
void jt_senders_free(struct jt_senders *s);
/* @times: how long each was on its way, of senders of this machine */
void jt_message_check(struct jt_senders *s, const struct jitney_message *m, uint64_t now,
		      struct jt_times *times);
void jt_senders_tell(const struct jt_senders *s, struct jt_tally *out);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Calls of helpers: what they queue and ask is executed. See <jitney/call.h>. */
#ifndef JITNEY_CALLS_H
#define JITNEY_CALLS_H

#include <jitney/call.h>
#include <stdint.h>

struct jt_controller;
struct jt_helper;

#define JT_BATCH_SIZES 7 /* 1, up to 3, up to 7, .. up to 63, more */

/* What a guest's helpers called for. */
struct jt_guest_calls {
	struct {
		uint64_t deferred, immediate;
		uint64_t failed; /* of both */
	} routines[JT_ROUTINE_COUNT];
	uint64_t unknown; /* that name no routine */
	uint64_t dropped; /* queued by who was gone before they were executed */
	uint64_t results_lost;
	uint64_t batches, batch_sizes[JT_BATCH_SIZES], deepest;
	uint64_t batches_ns; /* what those took us */
	/* Round trips over the connection, as helpers say that are gone. */
	uint64_t asked, asked_ns;
	uint64_t cycle_ns; /* start of the cycle in which costs were last counted, and */
	uint32_t spent;	   /* their sum */
};

/* A helper's rings, as far as it can't write to them. */
struct jt_helper_calls {
	uint64_t tail, result_head, results_lost;
	uint64_t executed;
	uint64_t flushes;   /* requests for one among them */
	uint64_t questions; /* over the connection, of all kinds */
	uint64_t cycle_ns;  /* as its guest's, and its own part of that sum */
	uint32_t spent;
};

/*
 * jt_calls_precede() - Execute what was queued before messages that are to be taken
 * @head:	out: behind the last message that may be taken now
 *
 * Return: false: no message may; what is queued must wait for the next cycle, or
 * the helper was cut off.
 */
bool jt_calls_precede(struct jt_controller *c, struct jt_helper *h, uint64_t *head);
/* True if there are requests that were not executed. */
bool jt_calls_pending(const struct jt_helper *h);
/* How many, as far as that makes sense. */
uint64_t jt_calls_waiting(const struct jt_helper *h);
/* The question at hand is JT_ATTACH_CALL. */
void jt_calls_ask(struct jt_controller *c, struct jt_helper *h);
/* The helper goes: count what it leaves. */
void jt_calls_close(struct jt_controller *c, struct jt_helper *h);
/* Add round trips over the connection, and what they took, as the helper says. */
void jt_calls_asked(const struct jt_helper *h, uint64_t *asked, uint64_t *ns);
/* True, once, if a flush was asked for since the last swap. */
bool jt_calls_flush(struct jt_controller *c);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Calls to the controller: <jitney/call.h>. */
#ifndef JITNEY_GUEST_CALL_H
#define JITNEY_GUEST_CALL_H

#include <jitney/call.h>
#include <stdint.h>

struct jitney;

/* Calls that are queued: positions. */
struct jt_queue {
	uint64_t head;
	uint64_t reaped; /* results */
	uint64_t rung;	 /* head when the doorbell was rung last */
};

/* Behind the mapping of a slice; behind attaching; before the slice is left. */
void jt_calls_begin(struct jitney *j);
void jt_calls_again(struct jitney *j);
void jt_calls_end(struct jitney *j);
/* Look at the results that have come. */
void jt_calls_reap(struct jitney *j);
/*
 * jt_call() queues the call if it can wait and there is room; jt_call_now() waits for
 * its @result, which may be NULL. Return: 0 or a negative errno.
 */
int jt_call(struct jitney *j, const struct jt_request *request);
int jt_call_now(struct jitney *j, const struct jt_request *request, struct jt_result *result);
int jt_call_flush(struct jitney *j);

#endif

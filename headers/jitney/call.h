/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Theory of operation: calls of a helper to the controller
 *
 * What a helper wants of the controller besides sending is a request: a routine's
 * number and arguments. Two rings in its slice carry them and what became of them:
 * requests from the helper, results the other way. Most requests can wait; the
 * others travel over the connection (JT_ATTACH_CALL, <jitney/attach.h>).
 *
 *  1. Positions count requests since the start. The helper alone writes
 *     `call_head' and `result_tail', the controller alone `call_tail' and
 *     `result_head'; each behind what it did (release), and reads the other's
 *     before (acquire).
 *  2. Order. Requests are executed in the order in which they were queued. The
 *     controller reads `send_head' first and `call_head' then, executes all
 *     requests before that, and only then takes messages before `send_head': so
 *     a message finds every request executed that was queued before it. It may
 *     also find later ones executed: who gives a template's number anew waits
 *     until the messages that name it were taken. A request that travels over the
 *     connection is executed behind all that are queued.
 *  3. One request, one result, in the same order. Who does not take results loses
 *     those that find the ring full (`results_lost'); requests are executed all
 *     the same. Who keeps no more than JT_REQUESTS on their way loses none.
 *  4. The controller copies a request once and checks the copy. One that makes no
 *     sense is answered with an error; a `call_head' that makes none ends the
 *     connection.
 *  5. In a cycle requests of a guest are executed up to a budget, by their costs;
 *     the others, and messages behind them, wait for the next.
 *  6. Waking: as with messages (slice.h, 5). See enum jt_urgency.
 */
#ifndef JITNEY_CALL_H
#define JITNEY_CALL_H

#include "abi.h"

#define JT_REQUESTS 64U	    /* entries of each of the two rings; a power of two */
#define JT_ARGUMENTS 9U	    /* 64-bit words of a request */
#define JT_RESULT_VALUES 7U /* of a result */

/* How long a request may wait in the ring. */
enum jt_urgency {
	JT_URGENCY_LAZY, /* until the controller looks at this guest, if it sleeps, too */
	JT_URGENCY_SOON, /* until the cycle ends; a controller that sleeps is rung for */
	JT_URGENCY_RING, /* the doorbell is rung at once */
	JT_URGENCY_ASK,	 /* its caller waits for what it says: over the connection */
};

/* What executing a request takes, in units of some 0.1 us. */
enum jt_cost { JT_COST_LIGHT = 1, JT_COST_MIDDLE = 2, JT_COST_HEAVY = 8 };

/*
 * The routines: name, arguments, how urgent it is, what it costs, and what it does.
 *
 *	template	number, struct jt_template: as a JT_SLICE_TEMPLATE record
 *	claim, release	port (host order)
 *	report		T_i and D_i, ns, as the guest expects them: they hold until they
 *			are measured. 0: not known
 *	flush		(nothing): what was sent before leaves now
 *	give_back	a position of the receive ring: all before it was read. As
 *			writing `receive_tail', but in order with other requests
 *	counters	(nothing): sent, refused, received, lost, requests executed, results
 *			lost, bytes waiting in the send ring
 *	cycle		(nothing): length of the running cycle or 0, of the next, and the
 *			bound of latency, ns
 *	weight		of this guest where what others leave is shared out, from 1 to what
 *			its share says; 0: that
 */
#define JT_ROUTINES(X)               \
	X(template, 9, LAZY, MIDDLE) \
	X(claim, 1, SOON, HEAVY)     \
	X(release, 1, SOON, HEAVY)   \
	X(report, 2, LAZY, LIGHT)    \
	X(flush, 0, RING, LIGHT)     \
	X(give_back, 1, LAZY, LIGHT) \
	X(counters, 0, ASK, LIGHT)   \
	X(cycle, 0, ASK, LIGHT)      \
	X(weight, 1, LAZY, LIGHT)

#define JT_ROUTINE_ENUM(name, arguments, urgency, cost) JT_ROUTINE_##name,
enum jt_routine { JT_ROUTINE_NONE, JT_ROUTINES(JT_ROUTINE_ENUM) JT_ROUTINE_COUNT };
#undef JT_ROUTINE_ENUM

struct jt_request {
	__u32 routine; /* enum jt_routine */
	__u32 tag;     /* any: comes back with the result */
	union {
		__u64 arguments[JT_ARGUMENTS]; /* what the routine does not take is zero */
		struct {
			__u64 number;
			struct jt_template template;
			__u32 zero;
		} template;
	} u;
};

struct jt_result {
	__u32 tag;
	__s32 error; /* 0 or a negative errno */
	__u64 values[JT_RESULT_VALUES];
};

/* As it lies in the ring. */
struct jt_request_slot {
	struct jt_request request;
	__u8 unused[48];
};

JT_ASSERT(sizeof(struct jt_request) == 80, "shared memory");
JT_ASSERT(sizeof(struct jt_request_slot) == 128, "two lines");
JT_ASSERT(sizeof(struct jt_result) == 64, "a line");
JT_ASSERT(!(JT_REQUESTS & (JT_REQUESTS - 1)), "positions wrap");

struct jt_routine_traits {
	const char *name;
	__u8 arguments;
	__u8 urgency; /* enum jt_urgency */
	__u8 cost;    /* enum jt_cost */
};

#ifndef __bpf__
#define JT_ROUTINE_TRAITS(name, arguments, urgency, cost) \
	[JT_ROUTINE_##name] = { #name, arguments, JT_URGENCY_##urgency, JT_COST_##cost },
static const struct jt_routine_traits jt_routines[]
	__attribute__((unused)) = { JT_ROUTINES(JT_ROUTINE_TRAITS) };
#undef JT_ROUTINE_TRAITS
JT_ASSERT(JT_ARRAY_SIZE(jt_routines) == JT_ROUTINE_COUNT, "all of them");
#endif

#endif

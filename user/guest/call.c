// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Calls to the controller, and which way each goes: <jitney/call.h>.
 *
 * No more than JT_REQUESTS are on their way at a time, so each has room for its
 * result. Those are looked at only where one may be needed: when the ring seems
 * full, and when somebody asks for the counters.
 */
#include <errno.h>
#include <unistd.h>

#include "guest.h"

#define TRIES 100 /* of a call that can't wait, while what is queued before it has to */
#define TRY_US 2000

JT_ASSERT((int)JITNEY_REPORT == JT_ROUTINE_report && (int)JITNEY_FLUSH == JT_ROUTINE_flush &&
		  (int)JITNEY_GIVE_BACK == JT_ROUTINE_give_back &&
		  (int)JITNEY_COUNTERS == JT_ROUTINE_counters &&
		  (int)JITNEY_CYCLE == JT_ROUTINE_cycle && (int)JITNEY_WEIGHT == JT_ROUTINE_weight,
	  "one number for each");
JT_ASSERT(JITNEY_VALUES == JT_RESULT_VALUES, "all of them");

const char *jitney_routine_name(enum jitney_routine routine)
{
	return (size_t)routine < JT_ROUTINE_COUNT && routine ? jt_routines[routine].name :
							       "unknown";
}

void jt_calls_begin(struct jitney *j)
{
	const struct jt_slice *slice = j->view.slice;

	j->calls = (struct jt_queue){ .head = JT_READ(slice->call_head),
				      .rung = JT_READ(slice->call_tail),
				      .reaped = JT_READ(slice->result_head) };
}

/* What a controller that has just come does not know. */
void jt_calls_again(struct jitney *j)
{
	struct jt_request weight = { .routine = JT_ROUTINE_weight, .u.arguments = { j->weight } };
	struct jt_port *p;

	for (p = j->ports; p; p = p->next)
		jt_port_claim(j, p);
	if (j->weight)
		jt_call(j, &weight);
}

/* What became of those that were executed. */
void jt_calls_reap(struct jitney *j)
{
	struct jt_slice *slice = j->view.slice;
	uint64_t end = slice ? JT_READ(slice->result_head) : 0;
	uint64_t at = j->calls.reaped;

	if (!slice || end == at || end - at > JT_REQUESTS)
		return;
	for (; at != end; at++)
		j->statistics.calls_failed += jt_slice_result(slice, at)->error != 0;
	j->calls.reaped = end;
	JT_WRITE(slice->result_tail, end);
}

/* The controller is gone: what it did not answer, nobody knows of. */
void jt_calls_end(struct jitney *j)
{
	jt_calls_reap(j);
	j->statistics.calls_lost += j->calls.head - j->calls.reaped;
	j->calls = (struct jt_queue){ 0 };
}

/*
 * One ring a sleep, as in doorbell.c: while the controller has not come as far as
 * when it was rung for last, it has not slept since.
 */
static void ring_for(struct jitney *j, enum jt_urgency urgency)
{
	struct jt_slice *slice = j->view.slice;
	uint64_t tail;

	if (urgency == JT_URGENCY_LAZY)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	tail = JT_READ(slice->call_tail);
	if (tail < j->calls.rung || tail == j->calls.head ||
	    (urgency != JT_URGENCY_RING && JT_READ(j->notice->asleep) != 1))
		return;
	j->calls.rung = j->calls.head;
	jt_doorbell(j);
}

/* Return: false: there is no room. */
static bool queue(struct jitney *j, const struct jt_request *request)
{
	struct jt_queue *q = &j->calls;

	if (q->head - q->reaped >= JT_REQUESTS)
		jt_calls_reap(j);
	if (q->head - q->reaped >= JT_REQUESTS)
		return false;
	jt_slice_request(j->view.slice, q->head)->request = *request;
	q->head++;
	JT_WRITE(j->view.slice->call_head, q->head);
	j->statistics.calls_deferred++;
	ring_for(j, jt_routines[request->routine].urgency);
	return true;
}

static int ask_once(struct jitney *j, const struct jt_request *request, struct jt_result *result)
{
	struct jt_attach_message m = { .u.request = *request };
	int err = jt_attach_ask(j, JT_ATTACH_CALL, &m);

	if (!err && result)
		*result = m.u.result;
	return err;
}

/* What is queued before it may have to wait for a cycle, or some. */
static int ask(struct jitney *j, const struct jt_request *request, struct jt_result *result,
	       int tries)
{
	int i, err = -EAGAIN;

	for (i = 0; i < tries && err == -EAGAIN; i++) {
		if (i)
			usleep(TRY_US);
		err = ask_once(j, request, result);
	}
	j->statistics.calls_immediate++;
	j->statistics.calls_failed += err != 0;
	return err;
}

static int tries_of(const struct jitney *j)
{
	return j->flags & JITNEY_NONBLOCK ? 1 : TRIES;
}

int jt_call_now(struct jitney *j, const struct jt_request *request, struct jt_result *result)
{
	return ask(j, request, result, TRIES);
}

/* Return: true if it is queued. */
static bool defer(struct jitney *j, const struct jt_request *request)
{
	return j->view.slice && jt_routines[request->routine].urgency != JT_URGENCY_ASK &&
	       queue(j, request);
}

int jt_call(struct jitney *j, const struct jt_request *request)
{
	if (defer(j, request))
		return 0;
	return j->view.slice ? ask(j, request, NULL, tries_of(j)) : -ENOTCONN;
}

int jt_call_flush(struct jitney *j)
{
	j->call->publish(j);
	return jt_call(j, &(struct jt_request){ .routine = JT_ROUTINE_flush });
}

int jitney_control(struct jitney *j, enum jitney_routine routine, const uint64_t *arguments,
		   uint64_t *values)
{
	struct jt_request request = { .routine = routine };
	struct jt_result result;
	uint64_t now = jt_now_coarse(), weight = j->weight;
	unsigned int i;
	int err;

	if (routine < JITNEY_REPORT || routine > JITNEY_WEIGHT ||
	    (jt_routines[routine].arguments && !arguments))
		return -EINVAL;
	if (now >= j->upkeep_ns)
		jt_upkeep(j, now);
	if (routine == JITNEY_WEIGHT)
		j->weight = arguments[0];
	for (i = 0; i < jt_routines[routine].arguments; i++)
		request.u.arguments[i] = arguments[i];
	/* What was sent before must lie where the controller sees it. */
	if (jt_routines[routine].urgency >= JT_URGENCY_RING && j->call->publish)
		j->call->publish(j);
	if (!values && defer(j, &request))
		return 0;
	if (!j->view.slice)
		return -ENOTCONN;
	err = ask(j, &request, &result, tries_of(j));
	if (err && routine == JITNEY_WEIGHT)
		j->weight = weight;
	if (!err && values)
		memcpy(values, result.values, sizeof(result.values));
	return err;
}

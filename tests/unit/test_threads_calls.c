// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A helper that calls and sends without a pause, and the controller that executes
 * and takes, in threads of their own: a message always finds the template that the
 * call before it has given, and nobody is left asleep with something queued.
 */
#include <pthread.h>
#include "calls.h"

#define CALLS_MADE 200000U
#define NUMBERS 8U

static bool done;
static unsigned int seen;

/* The next record's place: what the controller has taken says the slice, as to any helper. */
static bool message_put(uint16_t number, uint16_t stamp)
{
	struct jt_slice *s = helper.slice.header;
	uint8_t *ring = helper.slice.memory + jt_slice_send_offset();
	struct jt_slice_record r = { JT_SLICE_MESSAGE, sizeof(stamp), number, 0 };

	if (RING - (head - JT_READ(s->send_tail)) < jt_slice_span(sizeof(stamp)))
		return false;
	memcpy(ring + (head & (RING - 1)), &r, sizeof(r));
	memcpy(ring + (head & (RING - 1)) + sizeof(r), &stamp, sizeof(stamp));
	head += jt_slice_span(sizeof(stamp));
	JT_WRITE(s->send_head, head);
	return true;
}

static bool template_call(uint16_t number, uint16_t stamp)
{
	struct jt_request r = { .routine = JT_ROUTINE_template, .tag = stamp };

	r.u.template.number = number;
	r.u.template.template = template_good();
	r.u.template.template.u.udp4.dest_port = stamp;
	return queue(&guest, &r);
}

static void *helper_run(void *arg)
{
	uint64_t used[NUMBERS] = { 0 };
	uint32_t i;
	uint16_t number, stamp;

	(void)arg;
	for (i = 0; i < CALLS_MADE; i++) {
		number = i % NUMBERS;
		stamp = (uint16_t)(i % 65535 + 1);
		while (JT_READ(helper.slice.header->send_tail) < used[number])
			sched_yield();
		while (!template_call(number, stamp))
			sched_yield();
		while (!message_put(number, stamp))
			sched_yield();
		used[number] = head;
	}
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void test_messages_find_their_templates(void **state)
{
	pthread_t thread;
	bool last = false;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, helper_run, NULL), 0);
	while (!last) {
		last = __atomic_load_n(&done, __ATOMIC_ACQUIRE);
		jt_slice_collect(&c, &helper);
		seen += messages_check();
		cycle_next();
	}
	pthread_join(thread, NULL);
	assert_false(helper.cut);
	assert_int_equal(seen, CALLS_MADE);
	assert_int_equal(helper.calls.executed, CALLS_MADE);
	jt_calls_reap(&guest);
	assert_int_equal(guest.statistics.calls_failed, 0);
}

/* --- sleep ------------------------------------------------------------------------------ */

#define NIGHTS 50000U
#define PATIENCE_NS 10000000000ULL

/* Calls for something that can't wait for long, and waits until it was done. */
static void *caller_run(void *arg)
{
	unsigned int i;

	(void)arg;
	for (i = 0; i < NIGHTS; i++) {
		call(i % 2 ? JT_ROUTINE_release : JT_ROUTINE_claim, 7, 0);
		while (JT_READ(helper.slice.header->call_tail) != guest.calls.head)
			sched_yield();
	}
	return NULL;
}

/* Return: false: it was not rung for in all that time. */
static bool sleep_until_rung_for(unsigned int before)
{
	uint64_t end = jt_env_now() + PATIENCE_NS;

	while (__atomic_load_n(&rings, __ATOMIC_ACQUIRE) == before) {
		if (jt_env_now() > end)
			return false;
		sched_yield();
	}
	return true;
}

static void test_nobody_sleeps_over_a_call(void **state)
{
	unsigned int before = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, caller_run, NULL), 0);
	while (helper.calls.tail != NIGHTS) {
		__atomic_store_n(&c.board.notice->asleep, 1, __ATOMIC_SEQ_CST);
		if (!jt_slices_pending(&c))
			assert_true(sleep_until_rung_for(before));
		before = __atomic_load_n(&rings, __ATOMIC_ACQUIRE);
		__atomic_store_n(&c.board.notice->asleep, 0, __ATOMIC_SEQ_CST);
		cycle_next();
		jt_slice_collect(&c, &helper);
	}
	pthread_join(thread, NULL);
	jt_calls_reap(&guest);
	assert_int_equal(guest.statistics.calls_failed, 0);
	assert_int_equal(questions, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALLS(test_messages_find_their_templates),
		CALLS(test_nobody_sleeps_over_a_call),
	};

	return RUN(tests);
}

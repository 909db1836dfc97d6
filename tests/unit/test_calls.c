// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Calls: what each routine does, what is refused, who waits, who is rung for. */
#include "calls.h"

/* Execute what is queued. Return: the error of the last one. */
static int served(void)
{
	assert_true(jt_slice_collect(&c, &helper));
	assert_int_equal(helper.slice.header->call_tail, guest.calls.head);
	return result(guest.calls.head - 1)->error;
}

static void test_claims_and_releases(void **state)
{
	(void)state;
	assert_int_equal(call(JT_ROUTINE_claim, 7000, 0), 0);
	assert_false(claimed(7000));
	assert_true(jt_slices_pending(&c));
	assert_int_equal(served(), 0);
	assert_false(jt_slices_pending(&c));
	assert_true(claimed(7000));
	call(JT_ROUTINE_claim, 7000, 0);
	assert_int_equal(served(), -EADDRINUSE);
	call(JT_ROUTINE_release, 7000, 0);
	assert_int_equal(served(), 0);
	assert_false(claimed(7000));
	call(JT_ROUTINE_release, 7000, 0);
	assert_int_equal(served(), -ENOENT);
	call(JT_ROUTINE_claim, 0, 0);
	assert_int_equal(served(), -EINVAL);
	call(JT_ROUTINE_release, 65536, 0);
	assert_int_equal(served(), -EINVAL);
	assert_int_equal(questions, 0);
	assert_int_equal(c.guests[GUEST].calls.routines[JT_ROUTINE_claim].deferred, 3);
	assert_int_equal(c.guests[GUEST].calls.routines[JT_ROUTINE_claim].failed, 2);
}

static void test_reports_what_can_be(void **state)
{
	struct jt_guest *slot = &c.datapath.guests[GUEST];

	(void)state;
	call(JT_ROUTINE_report, 50000, 200);
	assert_int_equal(served(), 0);
	assert_int_equal(slot->interval_ns, 50000);
	assert_int_equal(slot->write_ns, 200);
	assert_int_equal(c.guests[GUEST].expected_ns, 50000);
	call(JT_ROUTINE_report, 0, 300);
	assert_int_equal(served(), 0);
	assert_int_equal(slot->interval_ns, 50000);
	assert_int_equal(slot->write_ns, 300);
	call(JT_ROUTINE_report, 999, 0);
	assert_int_equal(served(), -ERANGE);
	call(JT_ROUTINE_report, UINT64_MAX, 0);
	assert_int_equal(served(), -ERANGE);
	call(JT_ROUTINE_report, 0, 1000000);
	assert_int_equal(served(), -ERANGE);
	assert_int_equal(slot->interval_ns, 50000);
	assert_int_equal(slot->write_ns, 300);
}

static void test_flushes_not_too_often(void **state)
{
	(void)state;
	call(JT_ROUTINE_flush, 0, 0);
	assert_int_equal(rings, 1);
	assert_int_equal(served(), 0);
	assert_true(jt_calls_flush(&c));
	assert_false(jt_calls_flush(&c));
	call(JT_ROUTINE_flush, 0, 0);
	assert_int_equal(served(), 0);
	assert_false(jt_calls_flush(&c));
}

/* What was sent before a flush is taken with it, also if the head was read before. */
static void test_flush_finds_what_was_sent_before(void **state)
{
	struct jt_template t = template_good();
	uint64_t until;

	(void)state;
	put_template(0, &t);
	put(JT_SLICE_MESSAGE, 0, "x", 1);
	call(JT_ROUTINE_flush, 0, 0);
	assert_true(jt_calls_precede(&c, &helper, &until));
	assert_int_equal(until, head);
}

static void test_receive_ring_is_given_back(void **state)
{
	uint8_t payload[200] = { 0 }, wire[JT_TEMPLATE_MAX];
	struct jt_template t = template_good();
	struct jt_slice_arrival like;
	uint64_t full;
	unsigned int i;

	(void)state;
	jt_template_store(wire, &t, jt_template_size(t.kind, t.flags));
	like = jt_slice_arrival(wire, jt_template_size(t.kind, t.flags));
	for (i = 0; i < 100; i++)
		jt_slice_put(&c, &helper, &like, payload, sizeof(payload));
	full = helper.slice.received;
	assert_true(full < 100);
	call(JT_ROUTINE_give_back, helper.slice.receive_head + 8, 0);
	assert_int_equal(served(), -EINVAL);
	jt_slice_put(&c, &helper, &like, payload, sizeof(payload));
	assert_int_equal(helper.slice.received, full);
	call(JT_ROUTINE_give_back, helper.slice.receive_head, 0);
	assert_int_equal(served(), 0);
	jt_slice_put(&c, &helper, &like, payload, sizeof(payload));
	assert_int_equal(helper.slice.received, full + 1);
	jt_slices_flush(&c);
}

static void test_values_come_back(void **state)
{
	struct jt_template t = template_good();
	uint64_t values[JITNEY_VALUES];

	(void)state;
	put_template(0, &t);
	put(JT_SLICE_MESSAGE, 0, "x", 1);
	assert_true(jt_slice_collect(&c, &helper));
	put(JT_SLICE_MESSAGE, 0, "x", 1);
	assert_int_equal(jitney_control(&guest, JITNEY_COUNTERS, NULL, values), 0);
	assert_int_equal(values[0], 1);
	assert_int_equal(values[4], 1);
	assert_int_equal(values[6], 16);
	c.scheduler.length_ns = 1234;
	c.board.notice->cycle_ns = 567;
	assert_int_equal(jitney_control(&guest, JITNEY_CYCLE, NULL, values), 0);
	assert_int_equal(values[0], 567);
	assert_int_equal(values[1], 1234);
	assert_int_equal(values[2], 2000000);
	assert_int_equal(guest.statistics.calls_immediate, 2);
	assert_int_equal(guest.statistics.calls_deferred, 0);
	assert_int_equal(jitney_control(&guest, JITNEY_REPORT, NULL, NULL), -EINVAL);
	assert_int_equal(jitney_control(&guest, JITNEY_WEIGHT + 1, values, NULL), -EINVAL);
	assert_int_equal(jitney_control(&guest, JITNEY_REPORT - 1, values, NULL), -EINVAL);
	guest.view.slice = NULL;
	assert_int_equal(jitney_control(&guest, JITNEY_FLUSH, NULL, NULL), -ENOTCONN);
	assert_int_equal(jitney_control(&guest, JITNEY_CYCLE, NULL, values), -ENOTCONN);
}

/* Less than it was given, and back; but not more. And its bucket stays as empty as it is. */
static void test_weight_within_what_was_given(void **state)
{
	struct jt_share *share = &c.datapath.shares[GUEST];

	(void)state;
	c.guests[GUEST].spec.share = (struct jt_share_settings){ .rate = 8000000, .weight = 50 };
	share->settings = c.guests[GUEST].spec.share;
	share->bytes_paid = 12345;
	call(JT_ROUTINE_weight, 10, 0);
	assert_int_equal(served(), 0);
	assert_int_equal(share->settings.weight, 10);
	call(JT_ROUTINE_weight, 51, 0);
	assert_int_equal(served(), -EPERM);
	call(JT_ROUTINE_weight, UINT64_MAX, 0);
	assert_int_equal(served(), -EPERM);
	assert_int_equal(share->settings.weight, 10);
	call(JT_ROUTINE_weight, 0, 0);
	assert_int_equal(served(), 0);
	assert_int_equal(share->settings.weight, 50);
	assert_int_equal(share->bytes_paid, 12345);
	c.guests[GUEST].spec.share.weight = 0; /* its rate is, then */
	call(JT_ROUTINE_weight, 8000, 0);
	assert_int_equal(served(), 0);
	call(JT_ROUTINE_weight, 8001, 0);
	assert_int_equal(served(), -EPERM);
}

/* --- what makes no sense ----------------------------------------------------------------- */

static int raw(struct jt_request r)
{
	jt_slice_request(helper.slice.memory, guest.calls.head)->request = r;
	JT_WRITE(helper.slice.header->call_head, ++guest.calls.head);
	return served();
}

static void test_nonsense_is_answered(void **state)
{
	struct jt_template t = template_good();
	struct jt_request r = { .routine = JT_ROUTINE_template, .u.template = { 1, t, 0 } };
	unsigned int i;

	(void)state;
	assert_int_equal(raw(r), 0);
	r.u.template.zero = 1;
	assert_int_equal(raw(r), -EINVAL);
	r.u.template.zero = 0;
	r.u.template.number = JT_SLICE_TEMPLATES;
	assert_int_equal(raw(r), -EINVAL);
	r.u.template.number = UINT64_MAX;
	assert_int_equal(raw(r), -EINVAL);
	r.u.template.number = 1;
	r.u.template.template.kind = JT_TEMPLATE_ETHERNET;
	assert_int_equal(raw(r), -EINVAL);
	r.u.template.template = t;
	r.u.template.template.dest_mac[0] |= 1;
	assert_int_equal(raw(r), -EINVAL);
	for (i = JT_ROUTINE_claim; i < JT_ROUTINE_COUNT; i++) {
		r = (struct jt_request){ .routine = i, .u.arguments[JT_ARGUMENTS - 1] = 1 };
		assert_int_equal(raw(r), -EINVAL);
	}
	assert_int_equal(raw((struct jt_request){ .routine = JT_ROUTINE_NONE }), -EOPNOTSUPP);
	assert_int_equal(raw((struct jt_request){ .routine = JT_ROUTINE_COUNT }), -EOPNOTSUPP);
	assert_int_equal(raw((struct jt_request){ .routine = UINT32_MAX }), -EOPNOTSUPP);
	assert_int_equal(c.guests[GUEST].calls.unknown, 3);
	assert_false(helper.cut);
	assert_true(helper.slice.templates[1].given);
}

static void cut_off(uint64_t call_head)
{
	JT_WRITE(helper.slice.header->call_head, call_head);
	assert_false(jt_slice_collect(&c, &helper));
	assert_true(helper.cut);
	assert_int_equal(c.guests[GUEST].calls.batches, 0);
	jt_calls_close(&c, &helper);
	assert_int_equal(c.guests[GUEST].calls.dropped, 0); /* nobody knows how many */
}

static void test_head_beyond_the_ring(void **state)
{
	(void)state;
	cut_off(JT_REQUESTS + 1);
}

static void test_head_behind_the_tail(void **state)
{
	(void)state;
	cut_off(UINT64_MAX);
}

/* --- who waits ------------------------------------------------------------------------------ */

/* Another helper of the same controller, as the first was when it began. */
static void neighbour_open(struct jt_helper *n)
{
	*n = helper;
	n->guest = GUEST + 1;
	memcpy(&c.datapath.guests[n->guest].mac, own_mac, 6);
	assert_int_equal(jt_slice_open(&n->slice, RING, RING, 0), 0);
	helper.next = n;
}

static void test_flood_is_bounded(void **state)
{
	static struct jt_helper neighbour;
	struct jt_template t = template_good();
	unsigned int i, cycles;

	(void)state;
	neighbour_open(&neighbour);
	for (i = 1; i <= JT_REQUESTS; i++)
		assert_int_equal(call(JT_ROUTINE_claim, i, 0), 0);
	put_template(0, &t);
	put(JT_SLICE_MESSAGE, 0, "x", 1);
	jt_slice_request(neighbour.slice.memory, 0)->request = request_of(JT_ROUTINE_claim, 1, 0);
	JT_WRITE(neighbour.slice.header->call_head, 1);
	for (cycles = 1; helper.calls.tail != JT_REQUESTS; cycles++) {
		assert_int_equal(helper.slice.sent, 0);
		assert_true(jt_slices_pending(&c));
		jt_slices_collect(&c);
		assert_int_equal(helper.calls.tail, cycles * 32);
		assert_int_equal(neighbour.calls.tail, 1);
		jt_slices_collect(&c); /* as often as one likes */
		assert_int_equal(helper.calls.tail, cycles * 32);
		cycle_next();
	}
	jt_slices_collect(&c);
	assert_int_equal(helper.slice.sent, 1);
	assert_int_equal(c.guests[GUEST].calls.deepest, JT_REQUESTS);
	assert_int_equal(c.guests[GUEST].calls.batches, 2);
	assert_int_equal(c.guests[GUEST].calls.batch_sizes[5], 2);
	jt_slice_close(&neighbour.slice);
}

/* A helper of the same guest that uses all of its budget up leaves the others something. */
static void test_flood_leaves_others_some(void **state)
{
	unsigned int i;

	(void)state;
	c.guests[GUEST].calls.cycle_ns = c.scheduler.start_ns;
	c.guests[GUEST].calls.spent = UINT32_MAX / 2;
	for (i = 1; i <= 4; i++)
		assert_int_equal(call(JT_ROUTINE_claim, i, 0), 0);
	jt_slices_collect(&c);
	assert_int_equal(helper.calls.tail, 2);
}

/* Else nobody would begin the next one, and the helper would wait for ever. */
static void test_flood_of_a_sleeper_begins_a_cycle(void **state)
{
	struct jt_request r = request_of(JT_ROUTINE_cycle, 0, 0);
	unsigned int i;

	(void)state;
	c.scheduler.start_ns = 0;
	for (i = 1; i <= JT_REQUESTS; i++)
		call(JT_ROUTINE_claim, i, 0);
	assert_int_equal(ask_once(&guest, &r, NULL), -EAGAIN);
	assert_true(c.scheduler.start_ns);
}

static void test_full_queue_goes_at_once(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 1; i <= JT_REQUESTS; i++)
		call(JT_ROUTINE_report, 1000 + i, 0);
	assert_int_equal(questions, 0);
	assert_int_equal(call(JT_ROUTINE_report, 9000, 0), 0);
	assert_int_equal(questions, 1);
	assert_int_equal(helper.calls.tail, JT_REQUESTS);
	assert_int_equal(c.datapath.guests[GUEST].interval_ns, 9000);
	assert_int_equal(guest.statistics.calls_deferred, JT_REQUESTS);
	assert_int_equal(guest.statistics.calls_immediate, 1);
}

/* Without the library, which would take results. */
static void report_raw(uint64_t interval)
{
	jt_slice_request(helper.slice.memory, guest.calls.head)->request =
		request_of(JT_ROUTINE_report, interval, 0);
	JT_WRITE(helper.slice.header->call_head, ++guest.calls.head);
	assert_true(jt_slice_collect(&c, &helper));
	cycle_next();
}

/* More than a cycle's budget is queued: who may wait does, for the cycles that it takes. */
static void test_costly_queue_is_waited_for(void **state)
{
	static const uint64_t arguments[] = { 9000, 100 };
	unsigned int i;

	(void)state;
	for (i = 1; i <= JT_REQUESTS; i++)
		call(JT_ROUTINE_claim, i, 0);
	guest.flags = JITNEY_NONBLOCK;
	assert_int_equal(jitney_control(&guest, JITNEY_REPORT, arguments, NULL), -EAGAIN);
	assert_int_equal(questions, 1);
	for (i = 0; i < JT_REQUESTS / 2; i++) /* half of the queue was executed */
		call(JT_ROUTINE_claim, 100 + i, 0);
	guest.flags = 0;
	assert_int_equal(jitney_control(&guest, JITNEY_REPORT, arguments, NULL), 0);
	assert_in_range(questions, 3, 4);
	assert_false(jt_calls_pending(&helper));
	assert_int_equal(c.datapath.guests[GUEST].interval_ns, 9000);
}

/* Who does not take results loses some, and nothing else. */
static void test_results_not_taken(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 1; i <= 3 * JT_REQUESTS; i++)
		report_raw(1000 + i);
	assert_int_equal(helper.calls.tail, 3 * JT_REQUESTS);
	assert_int_equal(helper.slice.header->result_head, JT_REQUESTS);
	assert_int_equal(helper.slice.header->results_lost, 2 * JT_REQUESTS);
	helper.slice.header->result_tail = UINT64_MAX; /* a lie: full, and no more than that */
	report_raw(5000);
	assert_int_equal(helper.slice.header->result_head, JT_REQUESTS);
	helper.slice.header->result_tail = JT_REQUESTS;
	report_raw(6000);
	assert_int_equal(helper.slice.header->result_head, JT_REQUESTS + 1);
	assert_int_equal(c.datapath.guests[GUEST].interval_ns, 6000);
}

/* --- who is rung for ---------------------------------------------------------------------- */

static void test_rings_once_for_a_sleeper(void **state)
{
	(void)state;
	call(JT_ROUTINE_claim, 1, 0);
	assert_int_equal(rings, 0); /* awake: it looks when the cycle ends */
	c.board.notice->asleep = 1;
	call(JT_ROUTINE_report, 5000, 0);
	assert_int_equal(rings, 0); /* that can wait */
	call(JT_ROUTINE_claim, 2, 0);
	assert_int_equal(rings, 1);
	call(JT_ROUTINE_claim, 3, 0);
	assert_int_equal(rings, 1); /* it can't have slept since */
	assert_int_equal(served(), 0);
	call(JT_ROUTINE_claim, 4, 0);
	assert_int_equal(rings, 2);
}

/* --- one of the two goes -------------------------------------------------------------------- */

static void test_controller_that_is_gone(void **state)
{
	(void)state;
	call(JT_ROUTINE_claim, 0, 0);
	served();
	call(JT_ROUTINE_claim, 2, 0);
	call(JT_ROUTINE_claim, 3, 0);
	jt_calls_end(&guest);
	assert_int_equal(guest.statistics.calls_failed, 1);
	assert_int_equal(guest.statistics.calls_lost, 2);
	assert_int_equal(guest.calls.head, 0);
}

/* Ports and weight are called for again. */
static void test_controller_that_comes_back(void **state)
{
	struct jt_port second = { .number = 7001 }, first = { .next = &second, .number = 7000 };
	static const uint64_t five = 5;

	(void)state;
	c.guests[GUEST].spec.share = (struct jt_share_settings){ .weight = 50 };
	guest.ports = &first;
	assert_int_equal(jitney_control(&guest, JITNEY_WEIGHT, &five, NULL), 0);
	served();
	c.datapath.shares[GUEST].settings.weight = 50;
	jt_calls_again(&guest);
	assert_int_equal(served(), 0);
	assert_true(claimed(7000));
	assert_true(claimed(7001));
	assert_int_equal(c.datapath.shares[GUEST].settings.weight, 5);
}

static void test_helper_that_is_gone(void **state)
{
	struct jt_guest_calls *calls = &c.guests[GUEST].calls;

	(void)state;
	call(JT_ROUTINE_claim, 2, 0);
	call(JT_ROUTINE_claim, 3, 0);
	helper.calls.questions = 2;
	helper.slice.header->asked = 2;
	helper.slice.header->asked_ns = 20000;
	jt_calls_close(&c, &helper);
	assert_int_equal(calls->dropped, 2);
	assert_int_equal(calls->asked, 2);
	assert_int_equal(calls->asked_ns, 20000);
	helper.slice.header->asked = 3; /* of two */
	jt_calls_close(&c, &helper);
	assert_int_equal(calls->asked, 2);
	helper.slice.header->asked = 2;
	helper.slice.header->asked_ns = UINT64_MAX;
	jt_calls_close(&c, &helper);
	assert_int_equal(calls->asked_ns, 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALLS(test_claims_and_releases),
		CALLS(test_reports_what_can_be),
		CALLS(test_flushes_not_too_often),
		CALLS(test_flush_finds_what_was_sent_before),
		CALLS(test_receive_ring_is_given_back),
		CALLS(test_values_come_back),
		CALLS(test_weight_within_what_was_given),
		CALLS(test_nonsense_is_answered),
		CALLS(test_head_beyond_the_ring),
		CALLS(test_head_behind_the_tail),
		CALLS(test_flood_is_bounded),
		CALLS(test_flood_leaves_others_some),
		CALLS(test_flood_of_a_sleeper_begins_a_cycle),
		CALLS(test_full_queue_goes_at_once),
		CALLS(test_costly_queue_is_waited_for),
		CALLS(test_results_not_taken),
		CALLS(test_rings_once_for_a_sleeper),
		CALLS(test_controller_that_is_gone),
		CALLS(test_controller_that_comes_back),
		CALLS(test_helper_that_is_gone),
	};

	return RUN(tests);
}

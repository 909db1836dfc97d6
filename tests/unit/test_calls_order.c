// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The order of calls, queued and not, and of messages, in random mixes, against a
 * model that has no queue at all: there everything is done when it is said.
 */
#include "calls.h"

#define ORDER_CALLS 1000000U
#define PORTS 5U
#define NUMBERS 4U

/* What is so when everything is executed as it is said. */
static struct {
	uint64_t seed;
	bool claimed[PORTS];
	uint32_t failed;
	uint16_t stamp;		       /* of the last template: its destination port */
	uint16_t stamps[NUMBERS];      /* of each number; 0: none */
	uint64_t used[NUMBERS];	       /* position behind the last message that names it */
	int expected[2 * JT_REQUESTS]; /* errors of what is queued, by position */
	uint64_t checked;	       /* results */
	unsigned int aboard;	       /* messages */
} model;

static uint32_t draw(uint32_t below)
{
	model.seed ^= model.seed << 13;
	model.seed ^= model.seed >> 7;
	model.seed ^= model.seed << 17;
	return (uint32_t)(model.seed >> 20) % below;
}

static int model_claim(uint64_t port, bool taken)
{
	bool *now = &model.claimed[port - 1];

	if (*now == taken)
		return taken ? -EADDRINUSE : -ENOENT;
	*now = taken;
	return 0;
}

/* A number is given anew when all messages that name it were taken. */
static bool model_template(struct jt_request *r)
{
	uint32_t number = draw(NUMBERS);

	if (helper.slice.header->send_tail < model.used[number])
		return false;
	if (!++model.stamp)
		model.stamp++;
	r->routine = JT_ROUTINE_template;
	r->u.template.number = number;
	r->u.template.template = template_good();
	r->u.template.template.u.udp4.dest_port = model.stamp;
	model.stamps[number] = model.stamp;
	return true;
}

/* Return: what will become of it. */
static int request_draw(struct jt_request *r)
{
	uint64_t port = 1 + draw(PORTS);

	memset(r, 0, sizeof(*r));
	switch (draw(8)) {
	case 0:
		*r = request_of(JT_ROUTINE_COUNT + draw(100), 0, 0);
		return -EOPNOTSUPP;
	case 1:
		*r = request_of(JT_ROUTINE_report, draw(2000) + 1, 0);
		return r->u.arguments[0] < 1000 ? -ERANGE : 0;
	case 2:
	case 3:
		if (model_template(r))
			return 0;
		/* fall through */
	case 4:
	case 5:
		*r = request_of(JT_ROUTINE_claim, port, 0);
		return model_claim(port, true);
	default:
		*r = request_of(JT_ROUTINE_release, port, 0);
		return model_claim(port, false);
	}
}

static void results_check(void)
{
	const struct jt_result *r;

	for (; model.checked != helper.slice.header->result_head; model.checked++) {
		r = result(model.checked);
		assert_int_equal(r->tag, (uint32_t)model.checked);
		assert_int_equal(r->error, model.expected[model.checked % (2 * JT_REQUESTS)]);
	}
}

static void serve(void)
{
	jt_slice_collect(&c, &helper);
	results_check();
	model.aboard += messages_check();
	assert_false(helper.cut);
	if (draw(2))
		cycle_next();
}

static void issue_message(void)
{
	uint32_t number = draw(NUMBERS);

	if (!model.stamps[number] ||
	    RING - (head - helper.slice.header->send_tail) < 2 * jt_slice_span(2))
		return;
	put(JT_SLICE_MESSAGE, (uint16_t)number, &model.stamps[number], 2);
	model.used[number] = head;
}

/* As the library does it, if the library knows it. Return: false: there is no room. */
static bool queue_any(const struct jt_request *r)
{
	if (r->routine < JT_ROUTINE_COUNT)
		return queue(&guest, r);
	jt_calls_reap(&guest);
	if (guest.calls.head - guest.calls.reaped == JT_REQUESTS)
		return false;
	jt_slice_request(helper.slice.memory, guest.calls.head)->request = *r;
	JT_WRITE(helper.slice.header->call_head, ++guest.calls.head);
	guest.statistics.calls_deferred++;
	return true;
}

static void issue_queued(void)
{
	struct jt_request r;
	uint64_t at = guest.calls.head;
	int error;

	if (at - helper.calls.tail == JT_REQUESTS && draw(4))
		return;
	error = request_draw(&r);
	r.tag = (uint32_t)at;
	model.expected[at % (2 * JT_REQUESTS)] = error;
	model.failed += error != 0;
	if (queue_any(&r))
		return;
	assert_int_equal(jt_call_now(&guest, &r, NULL), error);
	results_check();
}

static void issue_now(void)
{
	struct jt_request r;
	int error = request_draw(&r);
	unsigned int i;

	model.failed += error != 0;
	assert_int_equal(jt_call_now(&guest, &r, NULL), error);
	results_check();
	for (i = 0; i < PORTS; i++)
		assert_int_equal(claimed((uint16_t)(i + 1)), model.claimed[i]);
}

static void test_order_is_kept(void **state)
{
	uint64_t calls = 0;
	unsigned int what;

	(void)state;
	memset(&model, 0, sizeof(model));
	model.seed = 88172645463325252ULL;
	while (calls < ORDER_CALLS) {
		what = draw(16);
		if (what < 8)
			issue_queued();
		else if (what < 13)
			issue_message();
		else if (what < 15)
			serve();
		else
			issue_now();
		calls = guest.statistics.calls_deferred + guest.statistics.calls_immediate;
	}
	while (jt_slices_pending(&c)) {
		cycle_next();
		serve();
	}
	jt_calls_reap(&guest);
	assert_int_equal(model.checked, guest.statistics.calls_deferred);
	assert_int_equal(guest.statistics.calls_failed, model.failed);
	assert_int_equal(helper.calls.executed, calls);
	assert_int_equal(helper.slice.sent, model.aboard);
	print_message("# %llu deferred, %llu immediate, %u messages\n",
		      (unsigned long long)guest.statistics.calls_deferred,
		      (unsigned long long)guest.statistics.calls_immediate, model.aboard);
	assert_true(guest.statistics.calls_immediate > ORDER_CALLS / 10);
	assert_true(model.aboard > ORDER_CALLS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALLS(test_order_is_kept),
	};

	return RUN(tests);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Order into a virtual machine: what is shown of a helper's ring, and when. See backend/fence.c. */
#include "fake_machine.h"

#define LENGTH 100

static const uint8_t payload[LENGTH];

static struct jt_slice_arrival from_port(uint16_t port)
{
	struct jt_template t = template_good();
	uint8_t wire[JT_TEMPLATE_MAX];

	t.u.udp4.source_port = htons(port);
	jt_template_store(wire, &t, jt_template_size(t.kind, t.flags));
	return jt_slice_arrival(wire, jt_template_size(t.kind, t.flags));
}

/* A frame with @n messages of a flow has come for the helper of slot 0. */
static void arrive(uint16_t port, unsigned int n)
{
	struct jt_slice_arrival like = from_port(port);

	jt_fence_look(machine->helpers[0], &like, jt_env_now());
	while (n--)
		jt_slice_put(&c, machine->helpers[0], &like, payload, LENGTH);
	jt_slices_flush(&c);
}

/* Messages that the helper sees. */
static uint64_t shown(void)
{
	return ((struct jt_slice *)fake.memory[0])->receive_head / jt_arrival_span(LENGTH);
}

/* The agent has seen all fences that were sent, and rings. */
static void pass(void)
{
	page->fenced = machine->fence;
	jt_link_rung(machine);
}

static void test_a_new_flow_waits(void **state)
{
	(void)state;
	assert_int_equal(hello(0), 0);
	arrive(1, 3);
	assert_int_equal(machine->fence, 1);
	assert_int_equal(shown(), 0);
	jt_link_rung(machine); /* for something else */
	assert_int_equal(shown(), 0);
	pass();
	assert_int_equal(shown(), 3);
	/* It goes on, and no more is asked. */
	arrive(1, 4);
	assert_int_equal(shown(), 7);
	assert_int_equal(machine->fence, 1);
}

/* What came while one was on its way waits for the next, if it is new. */
static void test_another_one_meanwhile(void **state)
{
	(void)state;
	assert_int_equal(hello(0), 0);
	arrive(1, 1);
	arrive(1, 1);
	assert_int_equal(machine->fence, 1);
	arrive(2, 1);
	assert_int_equal(machine->fence, 1);
	pass();
	assert_int_equal(shown(), 1);
	assert_int_equal(machine->fence, 2);
	pass();
	assert_int_equal(shown(), 3);
	assert_false(machine->fencing);
}

static void test_a_flow_that_rested(void **state)
{
	struct jt_fence *f;
	unsigned int i;

	(void)state;
	assert_int_equal(hello(0), 0);
	arrive(1, 1);
	pass();
	f = &machine->helpers[0]->fence;
	for (i = 0; i < JT_FENCE_FLOWS; i++)
		f->flows[i].last_ns -= 60000000;
	arrive(1, 1);
	assert_int_equal(machine->fence, 2);
	assert_int_equal(shown(), 1);
}

/* Order is a courtesy: who does not answer is not waited for. */
static void test_no_answer(void **state)
{
	uint64_t now;

	(void)state;
	assert_int_equal(hello(0), 0);
	arrive(1, 2);
	now = jt_env_now();
	assert_true(jt_links_tick(&c, now));
	assert_int_equal(shown(), 0);
	machine->helpers[0]->fence.since_ns -= 30000000;
	jt_links_tick(&c, now);
	assert_int_equal(shown(), 2);
	/* A number that is a lie: its own order alone is lost. */
	page->fenced = UINT32_MAX / 2;
	arrive(3, 1);
	jt_links_tick(&c, now);
	assert_int_equal(shown(), 3);
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_new_flow_waits),
		TEST(test_another_one_meanwhile),
		TEST(test_a_flow_that_rested),
		TEST(test_no_answer),
	};

	return RUN(tests);
}

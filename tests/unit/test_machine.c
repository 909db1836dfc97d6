// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Helpers in a virtual machine as an enemy in its agent's place has them: the
 * controller's own code, a page that the test writes to, and a hypervisor of the test's.
 */
#include <pthread.h>
#include <stdatomic.h>
#include "fake_machine.h"

#define ROUNDS 30000 /* of an enemy */

static struct jt_slice *slice(unsigned int slot)
{
	return (struct jt_slice *)fake.memory[slot];
}

static const struct jt_notice *notice(unsigned int slot)
{
	return (const struct jt_notice *)(fake.memory[slot] +
					  page->slots[slot].message.u.hello.slice_size);
}

static void test_attach_and_leave(void **state)
{
	const struct jt_attach_hello *h = &page->slots[5].message.u.hello;
	unsigned int rings = fake.rings;

	(void)state;
	assert_int_equal(hello(5), 0);
	assert_true(fake.rings > rings);
	assert_int_equal(mapped(), 1);
	assert_int_equal(h->slice_offset, 4096);
	assert_int_equal(h->notice_offset, 4096 + h->slice_size);
	assert_int_equal(slice(5)->send_size, RING);
	assert_int_equal(notice(5)->version, JT_SLICE_VERSION);
	JT_NOTICE_SET(&c.board, generation, 77);
	assert_int_equal(notice(5)->generation, 77);
	assert_int_equal(bye(5), 0);
	turn_ends();
	assert_int_equal(mapped(), 0);
	JT_NOTICE_SET(&c.board, generation, 78); /* into nothing that was given back */
}

static void test_as_many_as_there_are_slots(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < JT_MACHINE_SLOTS; i++)
		say_hello(i, JT_CALL_SLICE, JT_RECEIVE_SLICE);
	for (i = 0; i < JT_MACHINE_SLOTS; i++)
		assert_int_equal(answer(i), 0);
	assert_int_equal(mapped(), JT_MACHINE_SLOTS);
	for (i = 0; i < JT_MACHINE_SLOTS; i++)
		assert_int_equal(hello(i), -EISCONN);
	assert_int_equal(fake.maps, JT_MACHINE_SLOTS);
	assert_int_equal(bye(3), 0);
	turn_ends();
	assert_int_equal(hello(3), 0);
}

static void test_questions_of_nobody(void **state)
{
	(void)state;
	assert_int_equal(bye(0), 0); /* nobody goes */
	assert_int_equal(bye(0), 0);
	say(1, JT_ATTACH_ROUTE);
	assert_int_equal(answer(1), -ENOTCONN);
	say(1, JT_ATTACH_BARRIER);
	assert_int_equal(answer(1), -ENOTCONN);
	say(1, 0);
	assert_int_equal(answer(1), -EOPNOTSUPP);
	say(1, UINT32_MAX);
	assert_int_equal(answer(1), -EOPNOTSUPP);
	say(1, JT_ATTACH_HELLO)->magic = 0;
	assert_int_equal(answer(1), -EPROTO);
	say(1, JT_ATTACH_HELLO)->size = 7;
	assert_int_equal(answer(1), -EPROTO);
	say_hello(1, JT_CALL_MAP, JT_RECEIVE_SLICE);
	assert_int_equal(answer(1), -EPERM);
	say_hello(1, JT_CALL_SLICE, JT_RECEIVE_SLICE);
	page->slots[1].message.u.hello.send_size = 3U << 30;
	assert_int_equal(answer(1), -EINVAL);
	assert_int_equal(mapped(), 0);
	assert_int_equal(hello(1), 0);
}

/* Counters of questions that jump are questions, one for each look. */
static void test_counters_that_jump(void **state)
{
	static const uint32_t jumps[] = { 7, UINT32_MAX, 0, 1U << 31, 5, 4 };
	unsigned int i;

	(void)state;
	assert_int_equal(hello(2), 0);
	for (i = 0; i < JT_ARRAY_SIZE(jumps); i++) {
		say(2, JT_ATTACH_BARRIER);
		page->slots[2].asked = jumps[i];
		assert_int_equal(answer(2), 0);
	}
	/* What stands in its counter of answers is not looked at. */
	page->slots[2].message.error = 99;
	page->slots[2].answered = 12345;
	jt_link_rung(machine);
	assert_int_equal(page->slots[2].message.error, 99);
	assert_int_equal(mapped(), 1);
}

static void test_another_boot_in_the_middle(void **state)
{
	(void)state;
	assert_int_equal(hello(0), 0);
	assert_int_equal(hello(9), 0);
	memset(page->slots, 0, sizeof(page->slots));
	page->boot = 2;
	say_hello(9, JT_CALL_SLICE, JT_RECEIVE_SLICE);
	assert_int_equal(answer(9), 0); /* of the new one */
	turn_ends();
	assert_int_equal(mapped(), 1);
	assert_int_equal(attached(), 1);
	page->boot = 0;
	jt_link_rung(machine);
	turn_ends();
	assert_int_equal(mapped(), 0);
}

static void test_no_memory(void **state)
{
	unsigned int i;

	(void)state;
	fake.error = -ENOSPC;
	for (i = 0; i < 3; i++)
		assert_int_equal(hello(4), -ENOSPC);
	assert_int_equal(attached(), 0);
	assert_null(c.board.copies);
	assert_int_equal(bye(4), 0);
	fake.error = 0;
	assert_int_equal(hello(4), 0);
}

/* The times of notices are by its clock, whatever that says. */
static void test_clocks(void **state)
{
	static const uint64_t clocks[] = { 1, UINT64_MAX, 1ULL << 63, 1000000000 };
	uint64_t now, shown;
	unsigned int i;

	(void)state;
	assert_int_equal(hello(0), 0);
	JT_NOTICE_TIME(&c.board, alive_until_ns, JT_NEVER_STALE);
	for (i = 0; i < JT_ARRAY_SIZE(clocks); i++) {
		page->boot++; /* or it would be believed only later */
		page->clock_ns = clocks[i];
		say_hello(0, JT_CALL_SLICE, JT_RECEIVE_SLICE);
		assert_int_equal(answer(0), 0);
		now = jt_env_now();
		JT_NOTICE_TIME(&c.board, cycle_start_ns, now);
		shown = notice(0)->cycle_start_ns - clocks[i];
		assert_in_range(shown, 0, 1000000000);
		assert_true(notice(0)->alive_until_ns == JT_NEVER_STALE);
		JT_NOTICE_TIME(&c.board, cycle_start_ns, 0);
		assert_int_equal(notice(0)->cycle_start_ns, 0);
	}
}

static void test_who_breaks_the_rules_is_cut(void **state)
{
	(void)state;
	assert_int_equal(hello(0), 0);
	assert_int_equal(hello(1), 0);
	slice(0)->send_head = 3;
	say(1, JT_ATTACH_BARRIER);
	assert_int_equal(answer(1), 0);
	assert_true(page->wakes & JT_WAKES_GONE(0));
	assert_false(page->wakes & JT_WAKES_GONE(1));
	turn_ends();
	assert_int_equal(mapped(), 1);
	assert_int_equal(c.datapath.guests[GUEST].reasons[JT_REASON_SLICE_BAD], 1);
	assert_int_equal(hello(0), -EAGAIN);
	assert_int_equal(bye(0), 0);
	say(1, JT_ATTACH_BARRIER);
	assert_int_equal(answer(1), 0);
}

/* An agent that takes nothing is not rung for ever. */
static void test_rings_have_an_end(void **state)
{
	uint64_t now = jt_env_now();
	unsigned int i;

	(void)state;
	assert_int_equal(hello(0), 0);
	page->wakes = 0;
	slice(0)->send_waiting = 1;
	jt_slices_wake(&c);
	assert_int_equal(page->wakes, JT_WAKES_CYCLE(0));
	fake.rings = 0;
	for (i = 1; i < 1000 && jt_links_tick(&c, now + i * 10000000ULL); i++)
		;
	assert_in_range(i, 2, 100);
	assert_in_range(fake.rings, 1, 100);
	page->wakes = 0;
	assert_false(jt_links_tick(&c, now + 1000 * 10000000ULL));
}

static void test_link_down_and_up(void **state)
{
	(void)state;
	assert_int_equal(hello(0), 0);
	jt_link_down(&c, GUEST);
	turn_ends();
	assert_int_equal(mapped(), 0);
	assert_true((page->wakes & JT_WAKES_ALL_GONE) == JT_WAKES_ALL_GONE);
	assert_int_equal(bye(0), 0);
	assert_int_equal(hello(0), 0);
}

/* Who comes and goes all the time costs mappings: it may some times, and then so often. */
static void test_attaching_has_a_rate(void **state)
{
	unsigned int i, n = 0;

	(void)state;
	for (i = 0; i < 100; i++) {
		n += hello(0) == 0;
		assert_int_equal(bye(0), 0);
		turn_ends();
	}
	assert_in_range(n, 32, 50);
}

static void test_one_receives_by_xdp(void **state)
{
	(void)state;
	say_hello(0, JT_CALL_SLICE, JT_RECEIVE_XDP);
	assert_int_equal(answer(0), 0);
	say_hello(1, JT_CALL_SLICE, JT_RECEIVE_XDP);
	assert_int_equal(answer(1), -EBUSY);
	assert_int_equal(hello(1), 0);
}

/* A frame that rings is heard at the end of the turn, and once. */
static void test_bells_of_a_turn(void **state)
{
	uint64_t rung = machine->rung;

	(void)state;
	c.datapath.guests[GUEST].rung = 1;
	jt_link_bell(&c, GUEST);
	jt_link_bell(&c, GUEST);
	jt_link_bell(&c, JT_GUESTS_MAX);
	assert_int_equal(machine->rung, rung);
	assert_int_equal(c.datapath.guests[GUEST].rung, 1);
	turn_ends();
	assert_int_equal(machine->rung, rung + 1);
	assert_int_equal(c.datapath.guests[GUEST].rung, 0);
}

/* Who attaches by a ring of this turn has been heard, and stays. */
static void test_bell_that_attaches(void **state)
{
	(void)state;
	say_hello(0, JT_CALL_SLICE, JT_RECEIVE_SLICE);
	jt_link_bell(&c, GUEST);
	turn_ends();
	assert_int_equal(page->slots[0].message.error, 0);
	assert_int_equal(mapped(), 1);
	assert_false(page->wakes & JT_WAKES_GONE(0));
}

/* A machine that was reset says nothing any more. */
static void test_silence(void **state)
{
	(void)state;
	assert_int_equal(hello(4), 0);
	turn_ends();
	assert_int_equal(mapped(), 1);
	machine->heard_ns -= 60000000000ULL;
	c.links_looked_ns = 0;
	turn_ends();
	assert_int_equal(mapped(), 0);
	assert_true(page->wakes & JT_WAKES_GONE(4));
}

/* --- an enemy ------------------------------------------------------------------------------ */

static atomic_bool stop;

static void scribble(uint64_t r)
{
	volatile uint8_t *bytes = (volatile uint8_t *)page;
	unsigned int slot = (unsigned int)(r >> 8) % JT_MACHINE_SLOTS;

	if (r % 8)
		bytes[(size_t)((const uint8_t *)&page->slots[slot] - (const uint8_t *)page) +
		      (r >> 16) % sizeof(page->slots[slot])] = (uint8_t)(r >> 40);
	else
		bytes[(r >> 16) % sizeof(*page)] = (uint8_t)(r >> 40);
}

static JT_UNORDERED void *scribbler(void *arg)
{
	const struct timespec rest = { .tv_nsec = 20000 };
	uint64_t seed = 88172645463325252ULL;

	(void)arg;
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		scribble(draw(&seed));
		if (seed % 1024 == 0)
			nanosleep(&rest, NULL);
	}
	return NULL;
}

static void enemy_asks(uint64_t r)
{
	unsigned int slot = (unsigned int)(r >> 8) % JT_MACHINE_SLOTS;
	struct jt_attach_message *m;

	if (r % 3 == 0) {
		say_hello(slot, (r >> 16) % (JT_CALL_COUNT + 1), (r >> 20) % 4);
		return;
	}
	m = say(slot, (r >> 16) % 8 == 7 ? JT_ATTACH_BYE : (r >> 16) % 8);
	if (m->op == JT_ATTACH_CALL)
		m->u.request = (struct jt_request){ .routine = (r >> 24) % (JT_ROUTINE_COUNT + 1),
						    .u.arguments = { r >> 30, r >> 40 } };
	if (m->op == JT_ATTACH_ROUTE)
		m->u.route.family = r >> 63 ? JT_FAMILY_IPV4 : JT_FAMILY_IPV6;
}

static void enemy_writes(uint64_t r)
{
	unsigned int slot = (unsigned int)(r >> 4) % JT_MACHINE_SLOTS;

	if (fake.memory[slot])
		fake.memory[slot][(r >> 16) %
				  (r % 3 ? sizeof(struct jt_slice) : JT_SLICE_HEADER + 2 * RING)] =
			(uint8_t)(r >> 50);
}

static void fight(bool thread)
{
	uint64_t seed = 2463534242ULL, now = jt_env_now();
	unsigned int i, hellos, most = 0;
	pthread_t id;

	stop = false;
	if (thread)
		assert_int_equal(pthread_create(&id, NULL, scribbler, NULL), 0);
	for (i = 0; i < ROUNDS; i++, now += 3000000) {
		enemy_asks(draw(&seed));
		enemy_writes(draw(&seed));
		if (draw(&seed) % 4 == 0)
			scribble(draw(&seed));
		if (seed % 64 == 0)
			page->boot = draw(&seed) % 3;
		fake.error = draw(&seed) % 8 ? 0 : -ENOMEM;
		jt_link_rung(machine);
		jt_links_tick(&c, now);
		turn_ends();
		leave();
		c.guests[GUEST].barred_until_ns = c.guests[GUEST].attach_ns = 0;
		hellos = attached();
		assert_int_equal(hellos, mapped());
		most = hellos > most ? hellos : most;
	}
	stop = true;
	if (thread)
		pthread_join(id, NULL);
	print_message("# %u mappings, up to %u helpers at a time, %llu cut off\n", fake.maps, most,
		      (unsigned long long)c.datapath.guests[GUEST].reasons[JT_REASON_SLICE_BAD]);
	assert_true(fake.maps > 100);
	assert_true(c.datapath.guests[GUEST].reasons[JT_REASON_SLICE_BAD] > 10);
}

static void test_enemy(void **state)
{
	(void)state;
	fight(false);
}

static void test_enemy_that_writes_meanwhile(void **state)
{
	(void)state;
	fight(true);
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_attach_and_leave),
		TEST(test_as_many_as_there_are_slots),
		TEST(test_questions_of_nobody),
		TEST(test_counters_that_jump),
		TEST(test_another_boot_in_the_middle),
		TEST(test_no_memory),
		TEST(test_clocks),
		TEST(test_who_breaks_the_rules_is_cut),
		TEST(test_rings_have_an_end),
		TEST(test_link_down_and_up),
		TEST(test_attaching_has_a_rate),
		TEST(test_one_receives_by_xdp),
		TEST(test_bells_of_a_turn),
		TEST(test_bell_that_attaches),
		TEST(test_silence),
		TEST(test_enemy),
		TEST(test_enemy_that_writes_meanwhile),
	};

	return RUN(tests);
}

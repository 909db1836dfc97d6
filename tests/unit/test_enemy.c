// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An enemy in a helper's place writes what it likes into its slice, before and
 * while the controller reads it. No forged header gets out, no memory is reached
 * that is not his, nobody else is stopped.
 */
#include <pthread.h>
#include "slices.h"

#define SECONDS 3

static bool stop;
static uint64_t call_head;

static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Writes anything anywhere in its slice, at any time. */
static JT_UNORDERED void *enemy(void *arg)
{
	uint64_t seed = 88172645463325252ULL;
	volatile uint8_t *memory = helper.slice.memory;
	const struct timespec rest = { .tv_nsec = 20000 };

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint64_t r = draw(&seed);

		/* Mostly in the rings, and mostly in one place that is about to be read. */
		if ((r & 15) == 8)
			memory[JT_SLICE_REQUESTS +
			       (r >> 8) % (JT_SLICE_RESULTS - JT_SLICE_REQUESTS)] =
				(uint8_t)(r >> 40);
		else if (r & 7)
			memory[jt_slice_send_offset() + (r >> 8) % RING] = (uint8_t)(r >> 40);
		else if ((r >> 3) % 512 == 0)
			memory[(r >> 16) % helper.slice.size] = (uint8_t)(r >> 48);
		/* Without a pause nothing would ever get as far as where it matters. */
		if ((r >> 20) % 4096 == 0)
			nanosleep(&rest, NULL);
	}
	return NULL;
}

/* Sound records, and each with some probability something unsound in it. */
static void enemy_record(uint64_t *seed)
{
	uint64_t r = draw(seed);
	struct jt_template t = template_good();
	uint8_t payload[512];
	unsigned int i;

	for (i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(r >> i % 57);
	if (r % 16 == 0)
		((uint8_t *)&t)[(r >> 8) % sizeof(t)] ^= (uint8_t)(1 << (r >> 16) % 8);
	if (r % 8 == 0)
		put_template((uint16_t)((r >> 20) % 4), &t);
	else
		put(JT_SLICE_MESSAGE, (uint16_t)((r >> 20) % 4), payload,
		    (uint16_t)((r >> 32) % sizeof(payload)));
}

/* Routines that there are and some that there are not, arguments that can be and others. */
static void enemy_call(uint64_t *seed)
{
	uint64_t r = draw(seed);
	struct jt_request request = { .routine = (uint32_t)(r % (JT_ROUTINE_COUNT + 1)),
				      .u.arguments = { (r >> 8) % 70000, (r >> 32) % 2000 } };

	if (request.routine == JT_ROUTINE_template)
		request.u.template.template = template_good();
	if (r >> 60 == 0)
		((uint8_t *)&request)[(r >> 40) % sizeof(request)] ^= (uint8_t)(1 << (r >> 50) % 8);
	if (call_head - helper.calls.tail >= JT_REQUESTS && r >> 58)
		return;
	jt_slice_request(helper.slice.memory, call_head)->request = request;
	JT_WRITE(helper.slice.header->call_head, ++call_head);
	JT_WRITE(helper.slice.header->result_tail, r >> 57 ? helper.calls.result_head : r);
}

/* What it asked for and got is its own: no port twice, no more than there may be. */
static void calls_are_sound(void)
{
	unsigned int i, claimed = 0;

	for (i = 0; i < JT_ARRAY_SIZE(helper.ports); i++)
		claimed += (unsigned int)__builtin_popcountll(helper.ports[i]);
	assert_int_equal(claimed, helper.claimed);
	assert_in_range(claimed, 0, JT_PORTS_OF_HELPER);
	assert_true(helper.slice.receive_head - helper.slice.given_back <= RING);
}

static void forgive(void)
{
	struct jt_slice_template *t = helper.slice.templates;
	int i;

	helper.cut = false;
	call_head = helper.calls.tail;
	JT_WRITE(helper.slice.header->call_head, call_head);
	for (i = 0; i < 4; i++)
		t[i].given = t[i].known = false;
}

static void fight(pthread_t *thread)
{
	uint64_t seed = 2463534242ULL, end = jt_env_now() + SECONDS * 1000000000ULL;
	unsigned int n, taken = 0, cut = 0;
	struct jt_template t;

	call_head = 0;
	c.guests[GUEST].helpers = &helper;
	while (jt_env_now() < end) {
		c.scheduler.start_ns++;
		t = template_good();
		head = helper.slice.send_tail;
		put_template((uint16_t)(draw(&seed) % 4), &t);
		for (n = 0; n < 12; n++) {
			enemy_record(&seed);
			if (n % 4 == 0)
				enemy_call(&seed);
		}
		jt_slice_collect(&c, &helper);
		taken += aboard();
		leave();
		if (helper.cut) {
			cut++;
			forgive();
		}
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	if (thread)
		pthread_join(*thread, NULL);
	print_message("# %u messages got through, %u times cut off, %llu calls executed\n", taken,
		      cut, (unsigned long long)helper.calls.executed);
	assert_true(taken > 1000);
	assert_true(cut > 10);
	assert_true(helper.calls.executed > 1000);
	calls_are_sound();
}

static void test_enemy_that_writes_nonsense(void **state)
{
	(void)state;
	fight(NULL);
}

static void test_enemy_that_writes_while_it_is_read(void **state)
{
	pthread_t thread;

	(void)state;
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, enemy, NULL), 0);
	fight(&thread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_enemy_that_writes_nonsense),
		TEST(test_enemy_that_writes_while_it_is_read),
	};

	return RUN(tests);
}

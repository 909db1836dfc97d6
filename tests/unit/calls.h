/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Both ends of a helper's calls in one place: libjitney's own code on one side of
 * the slice, the controller's on the other, and between them a connection on which
 * questions are answered at once.
 */
#ifndef TESTS_UNIT_CALLS_H
#define TESTS_UNIT_CALLS_H

#include <errno.h>
#include "slices.h"
#include "controller/scheduler.h"

/* Names that both ends have; and nobody sleeps here. */
#define jt_detach jt_guest_detach
#define jt_map jt_guest_map
#define usleep(us) (void)(us)
#include "guest/guest.h"
#include "guest/call.c"
#undef jt_detach
#undef jt_map
#undef usleep

static struct jitney guest;
static int guest_end; /* of the connection */
static unsigned int rings, questions;

static const struct jt_call call_none;

void jt_doorbell(struct jitney *j)
{
	(void)j;
	__atomic_add_fetch(&rings, 1, __ATOMIC_RELEASE);
}

void jt_port_claim(struct jitney *j, const struct jt_port *port)
{
	struct jt_request r = { .routine = JT_ROUTINE_claim, .u.arguments = { port->number } };

	jt_call(j, &r);
}

void jt_upkeep(struct jitney *j, uint64_t now)
{
	(void)j, (void)now;
}

static TEST_UNUSED void cycle_next(void)
{
	c.scheduler.start_ns++;
}

/* Where it has to wait, a cycle goes by: whoever waited would come back behind one. */
int jt_attach_ask(struct jitney *j, uint32_t op, struct jt_attach_message *m)
{
	(void)j;
	questions++;
	m->op = op;
	helper.question = *m;
	jt_calls_ask(&c, &helper);
	assert_int_equal(recv(guest_end, m, sizeof(*m), 0), sizeof(*m));
	if (m->error == -EAGAIN)
		cycle_next();
	return m->error;
}

static TEST_UNUSED int calls_set_up(void **state)
{
	int pair[2];

	set_up(state);
	options.cycle.latency_ns = 2000000;
	c.timer_watch.fd = -1;
	c.scheduler.start_ns = 1;
	c.guests[GUEST].helpers = &helper;
	close(helper.watch.fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	helper.watch.fd = pair[0];
	guest_end = pair[1];
	rings = questions = 0;
	memset(&guest, 0, sizeof(guest));
	guest.call = &call_none;
	guest.notice = c.board.notice;
	guest.upkeep_ns = UINT64_MAX;
	guest.view.slice = helper.slice.header;
	jt_calls_begin(&guest);
	return 0;
}

static TEST_UNUSED int calls_tear_down(void **state)
{
	close(guest_end);
	return tear_down(state);
}

static TEST_UNUSED struct jt_request request_of(enum jt_routine routine, uint64_t first,
						uint64_t second)
{
	return (struct jt_request){ .routine = routine, .u.arguments = { first, second } };
}

static TEST_UNUSED int call(enum jt_routine routine, uint64_t first, uint64_t second)
{
	struct jt_request r = request_of(routine, first, second);

	return jt_call(&guest, &r);
}

static TEST_UNUSED bool claimed(uint16_t port)
{
	return helper.ports[port / 64] & 1ULL << port % 64;
}

static TEST_UNUSED const struct jt_result *result(uint64_t position)
{
	assert_true(position < helper.slice.header->result_head);
	return jt_slice_result(helper.slice.memory, position);
}

#define CALLS(f) cmocka_unit_test_setup_teardown(f, calls_set_up, calls_tear_down)

/*
 * Each message in the page has the template that was the last to be given before it: its
 * payload is the two bytes behind the addresses of that. Return: how many; they leave.
 */
static TEST_UNUSED unsigned int messages_check(void)
{
	struct jt_page *page = &c.datapath.page;
	uint32_t i, all = page->geometry.banks * page->geometry.extents;
	unsigned int n = 0;
	struct jt_found m;
	struct jt_walk w;

	for (i = 0; i < all; i++) {
		if (!page->extents[i].committed)
			continue;
		jt_walk_init(&w, jt_page_frame(page, i) + FIXTURE_HEAD,
			     JT_EXTENT_OFFSET(page->extents[i].word) - FIXTURE_HEAD);
		while (jt_walk_next(&w, &m) > 0) {
			assert_int_equal(m.length, 2);
			assert_memory_equal(m.payload, m.bytes + 18, 2);
			n++;
		}
	}
	leave();
	return n;
}

#endif

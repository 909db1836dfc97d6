/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The other side of a virtual machine's page, as its agent or as an enemy in its place
 * writes to it. Who includes this sets `machine' and `page'.
 */
#ifndef TESTS_UNIT_MACHINE_H
#define TESTS_UNIT_MACHINE_H

#include <errno.h>
#include "slices.h"
#include "backend/backend.h"

static struct jt_link *machine;
static struct jt_machine *page;

static TEST_UNUSED void guest_there(void)
{
	c.guest_limit = GUEST + 1;
	snprintf(c.guests[GUEST].spec.name, JT_NAME_SIZE, "g");
	c.datapath.guests[GUEST].ifindex = 1;
	options.geometry = c.datapath.page.geometry;
	c.helpers.first = NULL; /* only those that come here */
}

/* The next question in a slot, of those that are sound in themselves. */
static TEST_UNUSED struct jt_attach_message *say(unsigned int slot, uint32_t op)
{
	struct jt_attach_message *m = &page->slots[slot].message;

	*m = (struct jt_attach_message){
		.magic = JT_ATTACH_MAGIC, .version = JT_ATTACH_VERSION, .size = sizeof(*m), .op = op
	};
	page->slots[slot].asked++;
	return m;
}

static TEST_UNUSED void say_hello(unsigned int slot, enum jt_attach_call call,
				  enum jt_attach_receive receive)
{
	struct jt_attach_hello *h = &say(slot, JT_ATTACH_HELLO)->u.hello;

	h->call = call;
	h->receive = receive;
	h->send_size = h->receive_size = RING;
}

/* Return: the error that it was answered with. */
static TEST_UNUSED int answer(unsigned int slot)
{
	page->rung++;
	jt_link_rung(machine);
	assert_int_equal(page->slots[slot].answered, page->slots[slot].asked);
	assert_int_equal(page->heard, page->rung);
	return page->slots[slot].message.error;
}

static TEST_UNUSED int hello(unsigned int slot)
{
	say_hello(slot, JT_CALL_SLICE, JT_RECEIVE_SLICE);
	return answer(slot);
}

static TEST_UNUSED int bye(unsigned int slot)
{
	say(slot, JT_ATTACH_BYE);
	return answer(slot);
}

/* As the loop does at the end of a turn. */
static TEST_UNUSED void turn_ends(void)
{
	jt_links_turn(&c, jt_env_now());
	jt_helpers_reap(&c);
}

static TEST_UNUSED unsigned int attached(void)
{
	const struct jt_helper *h;
	unsigned int n = 0;

	for (h = c.guests[GUEST].helpers; h; h = h->next_here)
		n++;
	return n;
}

static TEST_UNUSED uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#endif

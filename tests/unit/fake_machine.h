/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A hypervisor whose memory is the test's: each helper's an allocation of its exact size. */
#ifndef TESTS_UNIT_FAKE_MACHINE_H
#define TESTS_UNIT_FAKE_MACHINE_H

#include "machine.h"

static struct {
	uint8_t *memory[JT_MACHINE_SLOTS];
	unsigned int rings, maps;
	int error; /* of the next mapping; 0: none */
} fake;

static int fake_map(struct jt_link *link, unsigned int slot, struct jt_slice_state *s,
		    uint8_t **behind, uint64_t *offset)
{
	void *memory = NULL;

	(void)link;
	assert_in_range(slot, 0, JT_MACHINE_SLOTS - 1);
	assert_null(fake.memory[slot]);
	if (fake.error)
		return fake.error;
	assert_int_equal(posix_memalign(&memory, 4096, s->size + JT_MACHINE_BEHIND), 0);
	fake.maps++;
	fake.memory[slot] = s->memory = memory;
	s->send = s->memory + jt_slice_send_offset();
	s->receive = s->memory + jt_slice_receive_offset(s->send_size);
	*behind = s->memory + s->size;
	*offset = 4096;
	return 0;
}

static void fake_unmap(struct jt_link *link, unsigned int slot, struct jt_slice_state *s)
{
	(void)link;
	assert_ptr_equal(s->memory, fake.memory[slot]);
	free(fake.memory[slot]);
	fake.memory[slot] = NULL;
}

static void fake_ring(struct jt_controller *controller, struct jt_link *link)
{
	(void)controller, (void)link;
	fake.rings++;
}

static const struct jt_hypervisor hypervisor = { .name = "fake",
						 .map = fake_map,
						 .unmap = fake_unmap,
						 .ring = fake_ring };

static TEST_UNUSED unsigned int mapped(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < JT_MACHINE_SLOTS; i++)
		n += !!fake.memory[i];
	return n;
}

static TEST_UNUSED int begin(void **state)
{
	set_up(state);
	guest_there();
	memset(&fake, 0, sizeof(fake));
	page = test_alloc(JT_MACHINE_PAGE);
	machine = test_alloc(sizeof(*machine));
	*machine = (struct jt_link){
		.hypervisor = &hypervisor, .c = &c, .guest = GUEST, .page = page
	};
	c.links = machine;
	c.guests[GUEST].machine = machine;
	jt_link_begin(machine);
	assert_int_equal(page->magic, JT_MACHINE_MAGIC);
	page->boot = 1;
	return 0;
}

static TEST_UNUSED int end(void **state)
{
	jt_link_end(machine);
	turn_ends();
	assert_int_equal(mapped(), 0);
	assert_int_equal(attached(), 0);
	assert_int_equal(c.helpers.count, 0);
	assert_null(c.board.copies);
	free(machine);
	free(page);
	return tear_down(state);
}

#endif

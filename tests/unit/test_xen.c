// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Guests of Xen: set-up over xenstore, grants and event channels of a guest that may
 * lie, and what the hypervisor is asked to copy, compared with a model.
 */
#include "fake_store.h"

#define FRONT "/local/domain/7/device/jitney/0"
#define BACK "/local/domain/0/backend/jitney/7/0"
#define SLICE_PAGES ((JT_SLICE_HEADER + 2 * RING) / PAGE)
#define ALL_PAGES (SLICE_PAGES + (uint32_t)(JT_MACHINE_BEHIND / PAGE))
#define ENDS (JT_SLICE_HEADER / PAGE + (uint32_t)(JT_MACHINE_BEHIND / PAGE))
#define REF(i) (200 + 3 * (i))		 /* of a slice's page, */
#define PLACE(i) (100 + (7 * (i)) % 101) /* and where it lies in the guest's memory */

static struct jt_controller *const controller = &c;

static const char *key(const char *path)
{
	int i = key_find(path);

	return i < 0 ? "" : store.keys[i].value;
}

static void front(const char *name, const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), FRONT "/%s", name);
	__wrap_xs_write(NULL, 0, path, value, (unsigned int)strlen(value));
}

/* Turns of the loop until nothing has happened for longer than it puts looks off. */
static void turns(void)
{
	struct epoll_event e;
	struct jt_watch *w;

	while (epoll_wait(c.epoll, &e, 1, 50) == 1) {
		w = e.data.ptr;
		w->ready(controller, w, e.events);
		turn_ends();
	}
	page = machine->page;
}

static void ring_dom0(void)
{
	uint64_t one = 1;

	assert_int_equal(write(xen.events, &one, sizeof(one)), sizeof(one));
	turns();
}

static int begin(void **state)
{
	const char *wrong;

	set_up(state);
	guest_there();
	memset(&xen, 0, sizeof(xen));
	memset(&store, 0, sizeof(store));
	xen.file = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(ftruncate(xen.file, (off_t)PAGES * PAGE), 0);
	xen.memory =
		mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, xen.file, 0);
	assert_true(xen.memory != MAP_FAILED);
	c.epoll = epoll_create1(0);
	options.xen_copy = JT_XEN_MAP;
	snprintf(c.guests[GUEST].spec.interface, IFNAMSIZ, "vif7.0");
	assert_int_equal(jt_link_open(&c, GUEST, &wrong), 0);
	machine = c.guests[GUEST].machine;
	assert_non_null(machine);
	turns();
	return 0;
}

/* Nothing is left of it. */
static int end(void **state)
{
	jt_link_close(&c, GUEST);
	turn_ends();
	assert_int_equal(xen.mapped, 0);
	assert_int_equal(xen.bound, 0);
	assert_int_equal(xen.open + store.open, 0);
	assert_int_equal(store.key_count, 0);
	assert_int_equal(c.helpers.count, 0);
	close(c.epoll);
	munmap(xen.memory, (size_t)PAGES * PAGE);
	close(xen.file);
	return tear_down(state);
}

static void agent_there(void)
{
	grant(8, 0, true);
	guest_page(0)[JT_MACHINE_ALIVE] = 1;
	xen.unbound_there = true;
	front("page-ref", "8");
	front("event-channel", "33");
	front("state", "3");
	turns();
	assert_string_equal(key(BACK "/state"), "4");
	assert_non_null(page);
	page->boot = 1;
}

/* --- set-up ------------------------------------------------------------------------------- */

static void test_states(void **state)
{
	(void)state;
	assert_string_equal(key(FRONT "/state"), "1");
	assert_string_equal(key(FRONT "/backend"), BACK);
	assert_string_equal(key(BACK "/frontend"), FRONT);
	assert_string_equal(key(BACK "/state"), "2");
	assert_int_equal(store.keys[key_find(FRONT)].owner, DOMAIN);
	assert_int_equal(store.keys[key_find(FRONT)].reader, 0);
	assert_int_equal(store.keys[key_find(BACK)].owner, 0);
	assert_int_equal(store.keys[key_find(BACK)].reader, DOMAIN);
	agent_there();
	assert_int_equal(xen.mapped, 1);
	assert_int_equal(page->magic, JT_MACHINE_MAGIC);
	assert_true(xen.rung > 0);
	front("state", "4");
	turns();
	assert_int_equal(xen.mapped, 1);
	front("state", "5");
	turns();
	assert_string_equal(key(BACK "/state"), "6");
	assert_null(page);
	assert_int_equal(xen.mapped, 0);
	assert_int_equal(xen.bound, 0);
	front("state", "1");
	turns();
	assert_string_equal(key(BACK "/state"), "2");
	agent_there();
}

/* A number, a grant or a port that is none. */
static void test_lies_in_xenstore(void **state)
{
	static const struct {
		const char *page, *port;
	} lies[] = {
		{ "", "33" },	     { "-8", "33" }, { "8 ", "33" },	    { "99999999999", "33" },
		{ "9", "33" },	     { "10", "33" }, { "8", "" },	    { "8", "0" },
		{ "8", "-33" },	     { "8", "34" },  { "8", "4294967295" }, { "8", "0x21" },
		{ "../../0", "33" },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < JT_ARRAY_SIZE(lies); i++) {
		grant(8, 0, true);
		grant(10, 2, false); /* only to read */
		xen.unbound_there = true;
		front("page-ref", lies[i].page);
		front("event-channel", lies[i].port);
		front("state", "3");
		turns();
		assert_string_equal(key(BACK "/state"), "5");
		assert_true(strlen(key(BACK "/error")) > 10);
		assert_int_equal(xen.mapped, 0);
		assert_int_equal(xen.bound, 0);
		front("state", "4"); /* it is not */
		turns();
		assert_null(page);
		front("state", i % 2 ? "nonsense" : "7");
		turns();
		assert_string_equal(key(BACK "/state"), "6");
		front("state", "1");
		turns();
	}
	agent_there();
}

static void test_its_state_is_looked_at_in_moderation(void **state)
{
	uint64_t begun = jt_env_now(), end_ns = begun + 300000000;
	struct jt_xen_link *x = machine->own;
	unsigned int looks = 0;
	struct epoll_event e;
	struct jt_watch *w;
	uint64_t looked;

	(void)state;
	while (jt_env_now() < end_ns) {
		front("state", looks % 2 ? "1" : "3");
		if (epoll_wait(c.epoll, &e, 1, 0) != 1)
			continue;
		looked = x->looked_ns;
		w = e.data.ptr;
		w->ready(controller, w, e.events);
		looks += looked != x->looked_ns;
	}
	assert_in_range(looks, 3, 16);
	turns();
}

static void test_agent_ends_without_a_word(void **state)
{
	(void)state;
	agent_there();
	ring_dom0();
	assert_int_equal(machine->rung, 1);
	guest_page(0)[JT_MACHINE_ALIVE] = 0;
	ring_dom0();
	assert_null(page);
	assert_int_equal(xen.mapped, 0);
	assert_string_equal(key(BACK "/state"), "6");
}

static void test_domain_vanishes(void **state)
{
	(void)state;
	agent_there();
	xen.gone = true;
	changed("@releaseDomain");
	turns();
	assert_int_equal(xen.mapped, 0);
	assert_int_equal(key_find(BACK), -1);
	__wrap_xs_rm(NULL, 0, FRONT); /* as the toolstack does */
	changed("@releaseDomain");
	turns();
}

/* --- memory ------------------------------------------------------------------------------- */

/* Pages of a slice, in no order, and their list in page 1. */
static void memory_grant(void)
{
	uint32_t *list = (uint32_t *)guest_page(1), i;

	grant(50, 1, false);
	for (i = 0; i < ALL_PAGES; i++) {
		list[i] = REF(i);
		grant(REF(i), PLACE(i), true);
	}
}

static int hello_with(unsigned int slot, uint32_t list)
{
	c.guests[GUEST].barred_until_ns = 0;
	page->slots[slot].lists[0] = list;
	return hello(slot);
}

static struct jt_helper *helper_there(enum jt_xen_copy how)
{
	options.xen_copy = how;
	agent_there();
	memory_grant();
	assert_int_equal(hello_with(2, 50), 0);
	assert_int_equal(machine->maps, 1);
	return machine->helpers[2];
}

/* The guest's bytes of its slice. */
static uint8_t *guest_byte(uint64_t offset)
{
	return guest_page(PLACE(offset / PAGE)) + offset % PAGE;
}

static void test_map(void **state)
{
	struct jt_helper *h = helper_there(JT_XEN_MAP);
	const struct jt_attach_hello *a = &page->slots[2].message.u.hello;

	(void)state;
	assert_int_equal(xen.mapped, ALL_PAGES + 1);
	assert_int_equal(machine->granted, ALL_PAGES + 1);
	assert_null(h->slice.copy);
	assert_int_equal(a->slice_offset, 0);
	assert_int_equal(a->slice_size, SLICE_PAGES * PAGE);
	assert_int_equal(((struct jt_slice *)guest_byte(0))->magic, JT_SLICE_MAGIC);
	*guest_byte(JT_SLICE_HEADER + RING + 5000) = 77;
	assert_int_equal(h->slice.receive[5000], 77);
	assert_int_equal(((struct jt_notice *)guest_byte(a->notice_offset))->version,
			 JT_SLICE_VERSION);
	h->backend->port(h, 70, true);
	assert_int_equal(*guest_byte(a->slice_size + JT_MACHINE_NOTICE + 8), 1 << 6);
	assert_int_equal(bye(2), 0);
	turn_ends();
	assert_int_equal(xen.mapped, 1);
	assert_int_equal(machine->granted, 1);
}

static void test_lies_about_memory(void **state)
{
	enum jt_xen_copy how;

	(void)state;
	agent_there();
	memory_grant();
	for (how = JT_XEN_MAP; how <= JT_XEN_GRANT_COPY; how++) {
		options.xen_copy = how;
		assert_true(hello_with(0, 0) < 0);
		assert_true(hello_with(0, GRANTS + 5) < 0);
		assert_int_equal(hello(0), -EAGAIN); /* that has cost time */
		xen.grants[REF(0)].there = false;
		assert_true(hello_with(0, 50) < 0);
		grant(REF(0), PLACE(0), false);
		assert_true(hello_with(0, 50) < 0);
		grant(REF(0), PLACE(0), true);
		((uint32_t *)guest_page(1))[ALL_PAGES - 1] = UINT32_MAX;
		assert_true(hello_with(0, 50) < 0);
		memory_grant();
		assert_int_equal(xen.mapped, 1);
		assert_int_equal(hello_with(0, 50), 0);
		assert_int_equal(bye(0), 0);
		turn_ends();
	}
	assert_true(c.datapath.guests[GUEST].reasons[JT_REASON_SLICE_BAD] >= 8);
}

static void test_no_more_memory_than_there_may_be(void **state)
{
	(void)state;
	agent_there();
	say_hello(0, JT_CALL_SLICE, JT_RECEIVE_SLICE);
	page->slots[0].message.u.hello.send_size = JT_SLICE_RING_MAX;
	page->slots[0].message.u.hello.receive_size = JT_SLICE_RING_MAX;
	((struct jt_xen_link *)machine->own)->pages = JT_XEN_PAGES_MAX - 100;
	assert_int_equal(answer(0), -ENOSPC);
	((struct jt_xen_link *)machine->own)->pages = 0;
	assert_int_equal(xen.copies, 0);
}

/* --- copies ------------------------------------------------------------------------------- */

static unsigned int pages_of(uint64_t from, uint64_t to)
{
	return to == from ? 0 : (unsigned int)((to - 1) / PAGE - from / PAGE + 1);
}

static void test_pull_at_random_positions(void **state)
{
	struct jt_helper *h = helper_there(JT_XEN_GRANT_COPY);
	struct jt_slice_state *s = &h->slice;
	uint64_t seed = 88172645463325252ULL, written = 0, at, copies = 0, segments = 0;
	unsigned int i, before = xen.copies, before_segments = xen.segments;

	(void)state;
	assert_int_equal(xen.mapped, ENDS + 1);
	for (i = 0; i < 20000; i++) {
		uint64_t size = draw(&seed) % (i % 7 ? 300 : RING) / 8 * 8, from = written;

		if (size > RING - (written - s->send_tail))
			size = RING - (written - s->send_tail);
		for (; written < from + size; written++)
			*guest_byte(JT_SLICE_HEADER + written % RING) =
				(uint8_t)(written * 7 + written / RING);
		assert_int_equal(s->copy->pull(s, written), 0);
		assert_int_equal(s->copy->pull(s, written - draw(&seed) % 100), 0); /* back again */
		copies += from != written;
		segments += pages_of(from, written);
		for (at = s->send_tail; at < written; at++)
			if (s->send[at % RING] != (uint8_t)(at * 7 + at / RING))
				fail_msg("position %llu", (unsigned long long)at);
		s->send_tail += draw(&seed) % (written - s->send_tail + 8) / 8 * 8;
	}
	assert_int_equal(xen.copies - before, copies);
	assert_int_equal(xen.segments - before_segments, segments);
	JT_WRITE(s->header->send_head, written);
	JT_WRITE(s->header->send_tail, s->send_tail);
}

static void test_push_at_random_positions(void **state)
{
	struct jt_helper *h = helper_there(JT_XEN_GRANT_COPY);
	struct jt_slice_state *s = &h->slice;
	uint64_t seed = 2463534242ULL, from, at;
	unsigned int i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		from = s->receive_head;
		s->receive_head += draw(&seed) % (i % 7 ? 300 : RING) / 8 * 8;
		for (at = from; at < s->receive_head; at++)
			s->receive[at % RING] = (uint8_t)(at * 5 + at / RING);
		*guest_byte(JT_SLICE_HEADER + RING + s->receive_head % RING) = 0xee;
		assert_int_equal(s->copy->push(s), 0);
		for (at = from; at < s->receive_head; at++)
			if (*guest_byte(JT_SLICE_HEADER + RING + at % RING) !=
			    (uint8_t)(at * 5 + at / RING))
				fail_msg("position %llu", (unsigned long long)at);
		if (s->receive_head - from < RING) /* not a byte too many */
			assert_int_equal(
				*guest_byte(JT_SLICE_HEADER + RING + s->receive_head % RING), 0xee);
	}
}

/* A copy that fails is none; the next one takes all. */
static void test_copies_fail(void **state)
{
	struct jt_helper *h = helper_there(JT_XEN_GRANT_COPY);
	struct jt_slice_state *s = &h->slice;

	(void)state;
	*guest_byte(JT_SLICE_HEADER + 8) = 42;
	xen.copy_fails = 1;
	assert_int_equal(s->copy->pull(s, 16), -ENOMEM);
	xen.segment_fails = true;
	xen.copy_fails = 1;
	assert_int_equal(s->copy->pull(s, 16), -EFAULT);
	xen.segment_fails = false;
	assert_int_equal(s->copy->pull(s, 16), 0);
	assert_int_equal(s->send[8], 42);
	xen.grants[REF(JT_SLICE_HEADER / PAGE + RING / PAGE)].writable = false;
	s->receive_head = 800;
	assert_int_equal(s->copy->push(s), -EFAULT);
	xen.grants[REF(JT_SLICE_HEADER / PAGE + RING / PAGE)].writable = true;
	s->receive[799] = 43;
	assert_int_equal(s->copy->push(s), 0);
	assert_int_equal(*guest_byte(JT_SLICE_HEADER + RING + 799), 43);
}

/* A record of the guest's, at @at of its ring. Return: where the next one goes. */
static uint64_t guest_puts(uint64_t at, uint16_t kind, const void *body, uint16_t length)
{
	struct jt_slice_record r = { kind, length, 0, 0 };
	const uint8_t *bytes = (const uint8_t *)&r;
	uint16_t i;

	for (i = 0; i < sizeof(r); i++)
		*guest_byte(JT_SLICE_HEADER + (at + i) % RING) = bytes[i];
	for (bytes = body, i = 0; i < length; i++)
		*guest_byte(JT_SLICE_HEADER + (at + sizeof(r) + i) % RING) = bytes[i];
	return at + jt_slice_span(length);
}

static void test_messages_by_copies(void **state)
{
	struct jt_helper *h = helper_there(JT_XEN_GRANT_COPY);
	struct jt_slice *slice = (struct jt_slice *)guest_byte(0);
	struct jt_template t = template_good();
	uint64_t at = guest_puts(0, JT_SLICE_TEMPLATE, &t, sizeof(t));
	unsigned int copies = xen.copies, i;

	(void)state;
	for (i = 0; i < 30; i++)
		at = guest_puts(at, JT_SLICE_MESSAGE, "what is sent", 12);
	JT_WRITE(slice->send_head, at);
	assert_true(jt_slice_collect(&c, h));
	assert_int_equal(aboard(), 30);
	assert_int_equal(slice->send_tail, at);
	assert_int_equal(xen.copies - copies, 1); /* for all of them */
	leave();
	JT_WRITE(slice->send_head, guest_puts(at, JT_SLICE_MESSAGE, "lost", 4));
	xen.copy_fails = 1;
	assert_false(jt_slice_collect(&c, h));
	assert_true(h->cut);
	turn_ends();
	assert_int_equal(xen.mapped, 1);
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_states),
		TEST(test_lies_in_xenstore),
		TEST(test_its_state_is_looked_at_in_moderation),
		TEST(test_agent_ends_without_a_word),
		TEST(test_domain_vanishes),
		TEST(test_map),
		TEST(test_lies_about_memory),
		TEST(test_no_more_memory_than_there_may_be),
		TEST(test_pull_at_random_positions),
		TEST(test_push_at_random_positions),
		TEST(test_copies_fail),
		TEST(test_messages_by_copies),
	};

	return RUN(tests);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The controller's side of slices, its own code on a page in plain memory: what
 * a helper writes is organized, what breaks the rules is cut off.
 */
#include "slices.h"

static void test_messages_go_aboard(void **state)
{
	struct jt_template t = template_good();
	char text[32];
	int i;

	(void)state;
	put_template(7, &t);
	for (i = 0; i < 50; i++)
		put(JT_SLICE_MESSAGE, 7, text, (uint16_t)snprintf(text, sizeof(text), "%d", i));
	put(JT_SLICE_MESSAGE, 7, NULL, 0);
	assert_true(jt_slices_pending(&c));
	assert_true(jt_slice_collect(&c, &helper));
	assert_false(jt_slices_pending(&c));
	assert_true(helper.slice.header->taken_ns && helper.slice.header->taken_ns <= jt_env_now());
	assert_int_equal(aboard(), 51);
	assert_int_equal(c.datapath.guests[GUEST].messages, 51);
	assert_int_equal(helper.slice.header->sent, 51);
	assert_int_equal(helper.slice.header->send_tail, helper.slice.header->send_head);
}

static void test_ring_wraps(void **state)
{
	struct jt_template t = template_good();
	uint8_t payload[500] = { 0 };
	unsigned int i, n, total = 0;

	(void)state;
	put_template(0, &t);
	for (i = 0; i < 100; i++) {
		for (n = 0; n < 7; n++)
			put(JT_SLICE_MESSAGE, 0, payload, (uint16_t)(500 - i - n));
		assert_true(jt_slice_collect(&c, &helper));
		total += aboard();
		leave();
	}
	assert_int_equal(total, 700);
	assert_false(helper.cut);
}

/* Whoever waits for room keeps what is not aboard. */
static void test_full_page_leaves_messages_in_the_slice(void **state)
{
	struct jt_template t = template_good();
	uint8_t payload[480] = { 0 };
	unsigned int n = 0;

	(void)state;
	/* Nothing comes back: as if the uplink had taken no frame. */
	c.transmit.wipe_epoch = ~0ULL;
	c.transmit.send_epoch = ~0ULL;
	put_template(0, &t);
	for (;;) {
		for (; helper.slice.header->send_head - helper.slice.header->send_tail < RING / 2;
		     n++)
			put(JT_SLICE_MESSAGE, 0, payload, sizeof(payload));
		if (!jt_slice_collect(&c, &helper))
			break;
	}
	assert_true(jt_slices_pending(&c));
	assert_false(helper.cut);
	assert_int_equal(aboard(), helper.slice.sent);
	assert_true(helper.slice.sent < n);
	assert_int_equal(jt_slice_left(&helper.slice), n - helper.slice.sent);
}

/* Bytes on the uplink that all frames in the page will be. */
static uint64_t frames_bytes(void)
{
	struct jt_page *page = &c.datapath.page;
	uint32_t i, offset;
	uint64_t sum = 0;

	for (i = 0; i < page->geometry.banks * page->geometry.extents; i++) {
		offset = JT_EXTENT_OFFSET(page->extents[i].word);
		sum += offset ? offset - JT_FRAME_START : 0;
	}
	return sum;
}

/* The guest is limited, and has tokens for about @bytes. */
static struct jt_share *limited(uint64_t bytes)
{
	struct jt_share *s = &c.datapath.shares[GUEST];

	c.datapath.guests[GUEST].flags |= JT_GUEST_LIMITED;
	c.shares.limited = 1;
	s->byte_cost = jt_share_byte_cost(JT_SHARE_RATE_MIN);
	s->burst = ~0ULL >> 1;
	s->bytes_paid = jt_env_now() * JT_SHARE_NS - (bytes * s->byte_cost >> JT_SHARE_FRACTION);
	return s;
}

/* What nobody pays for stays in the slice, and nothing is busy with it. */
static void test_messages_wait_for_tokens(void **state)
{
	static const char payload[64] = "payload";
	struct jt_template t = template_good();
	struct jt_share *s = limited(32 + 100 * 68);
	unsigned int i;

	(void)state;
	put_template(0, &t);
	for (i = 0; i < 200; i++)
		put(JT_SLICE_MESSAGE, 0, payload, sizeof(payload));
	jt_slices_collect(&c);
	assert_in_range(aboard(), 97, 101);
	assert_int_equal(s->used, frames_bytes());
	assert_true(helper.slice.held && c.shares.waiting && c.shares.due_ns);
	assert_false(jt_slices_pending(&c));
	assert_false(c.helpers.more);
	assert_int_equal(s->refused, 1);
	assert_false(jt_slice_collect(&c, &helper));
	assert_int_equal(s->refused, 1);
	/* Borrowed, a part of it. */
	s->settings.borrows = 1;
	s->granted = 10 * 68;
	i = aboard();
	jt_slices_collect(&c);
	assert_in_range(aboard(), i + 10, i + 11);
	assert_int_equal(s->used, frames_bytes());
	assert_true(helper.slice.held && s->borrowed >= 10 * 68);
	limited(100000);
	assert_true(jt_slice_collect(&c, &helper));
	assert_int_equal(aboard(), 200);
	assert_int_equal(s->used, frames_bytes());
	assert_false(helper.slice.held);
}

static void test_messages_a_second(void **state)
{
	struct jt_template t = template_good();
	struct jt_share *s = limited(100000);
	unsigned int i;

	(void)state;
	s->message_cost = 1000000000 * JT_SHARE_NS;
	s->messages_paid = jt_env_now() * JT_SHARE_NS - 10 * s->message_cost + 1;
	put_template(0, &t);
	for (i = 0; i < 50; i++)
		put(JT_SLICE_MESSAGE, 0, "x", 1);
	jt_slices_collect(&c);
	assert_in_range(aboard(), 10, 11);
	assert_true(helper.slice.held);
}

/* What an enemy has left is counted as far as it makes sense, and no further. */
static void test_left_by_an_enemy(void **state)
{
	struct jt_template t = template_good();
	__u64 sense;

	(void)state;
	put_template(0, &t);
	put(JT_SLICE_MESSAGE, 0, "1", 1);
	put(JT_SLICE_MESSAGE, 0, "2", 1);
	sense = head;
	assert_int_equal(jt_slice_left(&helper.slice), 2);
	put(JT_SLICE_MESSAGE, 0, "12345678", 8);
	JT_WRITE(helper.slice.header->send_head, sense + 8);
	assert_int_equal(jt_slice_left(&helper.slice), 2);
	JT_WRITE(helper.slice.header->send_head, sense + 1);
	assert_int_equal(jt_slice_left(&helper.slice), 0);
	JT_WRITE(helper.slice.header->send_head, RING + 8);
	assert_int_equal(jt_slice_left(&helper.slice), 0);
	JT_WRITE(helper.slice.header->send_head, (__u64)-8);
	assert_int_equal(jt_slice_left(&helper.slice), 0);
}

/* --- one message of its template, and what becomes of it ------------------------------ */

static void refused(const struct jt_template *t, int reason)
{
	put_template(1, t);
	put(JT_SLICE_MESSAGE, 1, "x", 1);
	assert_true(jt_slice_collect(&c, &helper));
	assert_int_equal(aboard(), 0);
	assert_int_equal(c.datapath.guests[GUEST].reasons[reason], 1);
	assert_int_equal(helper.slice.header->refused, 1);
}

static void test_foreign_mac(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	t.source_mac[5] ^= 1;
	refused(&t, JT_REASON_SPOOFED_MAC);
}

static void test_foreign_address(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	c.datapath.guests[GUEST].flags |= JT_GUEST_STRICT;
	t.u.udp4.source ^= htonl(1);
	refused(&t, JT_REASON_SPOOFED_IP);
}

static void test_destination_behind_no_peer(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	t.dest_mac[5] ^= 64;
	refused(&t, JT_REASON_SLICE_NO_PEER);
}

static void test_address_taken_away_later(void **state)
{
	struct jt_template t = template_good();
	size_t i;

	(void)state;
	put_template(1, &t);
	put(JT_SLICE_MESSAGE, 1, "x", 1);
	assert_true(jt_slice_collect(&c, &helper));
	assert_int_equal(aboard(), 1);
	for (i = 0; i < 3; i++)
		if (places[i].address.family == JT_FAMILY_IPV4)
			places[i].place.id = GUEST + 1;
	c.datapath.page.control->generation++;
	put(JT_SLICE_MESSAGE, 1, "x", 1);
	assert_true(jt_slice_collect(&c, &helper));
	assert_int_equal(c.datapath.guests[GUEST].reasons[JT_REASON_SPOOFED_IP], 1);
	assert_int_equal(aboard(), 1);
}

/* --- breaking the rules ----------------------------------------------------------------- */

static void cut_off(void)
{
	assert_false(jt_slice_collect(&c, &helper));
	assert_true(helper.cut);
	assert_int_equal(c.datapath.guests[GUEST].reasons[JT_REASON_SLICE_BAD], 1);
	assert_int_equal(aboard(), 0);
	assert_true(jt_slice_collect(&c, &helper)); /* nothing more is taken from it */
}

static void test_template_of_no_kind(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	t.kind = JT_TEMPLATE_ETHERNET;
	put_template(1, &t);
	cut_off();
}

static void test_template_not_canonical(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	t.dest_mac[0] |= 1;
	put_template(1, &t);
	cut_off();
}

static void test_message_without_template(void **state)
{
	(void)state;
	put(JT_SLICE_MESSAGE, 9, "x", 1);
	cut_off();
}

static void test_number_too_large(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	put_template(0, &t);
	assert_true(jt_slice_collect(&c, &helper));
	put(JT_SLICE_MESSAGE, JT_SLICE_TEMPLATES, "x", 1);
	cut_off();
}

static void test_head_out_of_the_ring(void **state)
{
	(void)state;
	helper.slice.header->send_head = RING + 8;
	cut_off();
}

static void test_head_behind_the_tail(void **state)
{
	(void)state;
	helper.slice.header->send_head = (__u64)-8;
	cut_off();
}

static void test_record_longer_than_what_was_written(void **state)
{
	(void)state;
	put(JT_SLICE_MESSAGE, 0, "12345678", 8);
	JT_WRITE(helper.slice.header->send_head, 8);
	cut_off();
}

static void test_arrivals(void **state)
{
	uint8_t payload[700] = { 1, 2, 3 }, wire[JT_TEMPLATE_MAX];
	struct jt_template t = template_good();
	struct jt_slice *s = helper.slice.header;
	struct jt_slice_arrival like, *got;
	unsigned int i, put_in = 0;

	(void)state;
	jt_template_store(wire, &t, jt_template_size(t.kind, t.flags));
	like = jt_slice_arrival(wire, jt_template_size(t.kind, t.flags));
	for (i = 0; i < 100; i++)
		jt_slice_put(&c, &helper, &like, payload, 200);
	jt_slices_flush(&c);
	put_in = (unsigned int)helper.slice.received;
	assert_int_equal(put_in, RING / jt_arrival_span(200));
	assert_int_equal(s->receive_lost, 100 - put_in);
	assert_int_equal(s->received, put_in);
	got = (struct jt_slice_arrival *)(helper.slice.memory + jt_slice_receive_offset(RING));
	assert_int_equal(got->length, 200);
	assert_int_equal(ntohs(got->dest_port), 2000);
	assert_memory_equal(got->source, own_ip, 4);
	assert_memory_equal(got + 1, payload, 200);
	/* A tail that is a lie: full, and no more than that. */
	s->receive_tail = s->receive_head + 8;
	jt_slice_put(&c, &helper, &like, payload, 200);
	assert_int_equal(helper.slice.received, put_in);
	s->receive_tail = 1;
	jt_slice_put(&c, &helper, &like, payload, 200);
	assert_int_equal(helper.slice.received, put_in);
	/* All read: it goes on, over the ring's end. */
	s->receive_tail = s->receive_head;
	for (i = 0; i < 20; i++)
		jt_slice_put(&c, &helper, &like, payload, 700);
	jt_slices_flush(&c);
	assert_int_equal(helper.slice.received, put_in + 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_messages_go_aboard),
		TEST(test_ring_wraps),
		TEST(test_full_page_leaves_messages_in_the_slice),
		TEST(test_messages_wait_for_tokens),
		TEST(test_messages_a_second),
		TEST(test_left_by_an_enemy),
		TEST(test_foreign_mac),
		TEST(test_foreign_address),
		TEST(test_destination_behind_no_peer),
		TEST(test_address_taken_away_later),
		TEST(test_template_of_no_kind),
		TEST(test_template_not_canonical),
		TEST(test_message_without_template),
		TEST(test_number_too_large),
		TEST(test_head_out_of_the_ring),
		TEST(test_head_behind_the_tail),
		TEST(test_record_longer_than_what_was_written),
		TEST(test_arrivals),
	};

	return RUN(tests);
}

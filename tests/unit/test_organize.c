// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The way of a message: packet, parse, organize, walk, build, and the same
 * packet again. And how templates are shared, found, and not trusted.
 */
#include "unit.h"
#include "../common/fixture.h"
#include "../common/frame.h"
#include "../common/vectors.h"

#define START 30ULL

static __u8 *records(struct fixture *f, __u32 extent)
{
	return jt_page_frame(&f->page, extent) + FIXTURE_HEAD;
}

static __u32 records_length(struct fixture *f, __u32 extent)
{
	return JT_EXTENT_OFFSET(f->page.extents[extent].word) - FIXTURE_HEAD;
}

static int board(struct fixture *f, const struct packet_spec *s, struct jt_flow *flow)
{
	struct packet p;
	__u8 *copy;
	int reason;

	packet_make(&p, s);
	copy = exact_copy(p.bytes, p.length);
	reason = page_board(&f->page, copy, p.length, flow, &f->peers[1], 1);
	free(copy);
	return reason;
}

/* Send @s and compare what arrives; the page may hold more already. */
static void round_trip(const struct packet_spec *s)
{
	struct packet want, got;
	struct jt_flow flow = {};
	struct fixture f;
	struct jt_found m;
	struct jt_walk w;

	fixture_init(&f, 2, 2, START);
	assert_int_equal(board(&f, s, &flow), JT_ABOARD);
	jt_walk_init(&w, records(&f, 0), records_length(&f, 0));
	assert_int_equal(jt_walk_next(&w, &m), 1);
	packet_expect(&want, s);
	packet_rebuild(&got, &m, s->id);
	assert_int_equal(got.length, want.length);
	assert_memory_equal(got.bytes, want.bytes, want.length);
	assert_int_equal(jt_walk_next(&w, &m), 0);
	fixture_free(&f);
}

static void test_round_trip(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < VECTORS; i++)
		if (!vectors[i].reason)
			round_trip(&vectors[i].spec);
}

static void test_round_trip_at_every_length(void **state)
{
	struct packet_spec s;
	int family, check, n;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (check = CHECK_FULL; check <= CHECK_PARTIAL; check++) {
			for (n = 0; n < 1420; n += n < 70 ? 1 : 37) {
				s = (struct packet_spec){ .family = family,
							  .length = (__u16)n,
							  .check = check,
							  .seed = (__u8)(n * 3),
							  .vlan = n & 1,
							  .tci = (__u16)(n * 31) };
				round_trip(&s);
			}
		}
	}
}

/* The longest that fits a frame, and one byte more. */
static void test_longest(void **state)
{
	struct packet_spec s = { .family = 4, .length = 1500 - 12 - 32 - 4 };
	struct jt_flow flow = {};
	struct fixture f;

	(void)state;
	round_trip(&s);
	fixture_init(&f, 2, 2, START);
	s.length++;
	assert_int_equal(board(&f, &s, &flow), JT_REASON_TOO_LARGE);
	f.peers[1].limit = 4096;
	s.length = JT_RECORD_MAX - 3;
	assert_true(jt_message_fits(&(struct jt_parsed){ .length = s.length, .template_size = 28 },
				    &f.peers[1]));
	assert_false(jt_message_fits(
		&(struct jt_parsed){ .length = s.length + 1U, .template_size = 28 }, &f.peers[1]));
	fixture_free(&f);
}

/* Every value of a completed checksum, zero among them: then 0xffff is sent. */
static void test_partial_checksums(void **state)
{
	struct packet_spec s = { .family = 4, .length = 2, .check = CHECK_PARTIAL };
	struct jt_page page = {};
	struct jt_parsed parsed;
	struct packet p, want;
	__u32 value, zeros = 0;
	__u8 payload[4] = {};
	__u16 check;

	(void)state;
	packet_make(&p, &s);
	packet_parse(p.bytes, p.length, &parsed);
	want = p;
	for (value = 0; value < 0x10000; value++) {
		put16(payload, value);
		put16(want.bytes + 42, value);
		packet_udp_check(want.bytes + 14, want.bytes + 34, 10, CHECK_FULL);
		check = jt_message_check(&page, &parsed, payload);
		assert_memory_equal(&check, want.bytes + 40, 2);
		zeros += check == 0xffff;
	}
	assert_true(zeros >= 1);
}

/* A frame for 1,514 bytes on the wire takes one template and 21 messages of 64 bytes. */
static void test_messages_per_frame(void **state)
{
	const struct packet_spec s = { .family = 4, .length = 64 };
	struct jt_flow flow = {};
	struct fixture f;
	int i;

	(void)state;
	fixture_init(&f, 2, 4, START);
	for (i = 0; i < 22; i++)
		assert_int_equal(board(&f, &s, &flow), JT_ABOARD);
	assert_int_equal(JT_COMMITTED_MESSAGES(f.page.extents[0].committed), 21);
	assert_int_equal(records_length(&f, 0), 32 + 21 * 68);
	assert_true(f.page.extents[0].word & JT_EXTENT_CLOSED);
	assert_int_equal(JT_COMMITTED_MESSAGES(f.page.extents[1].committed), 1);
	assert_int_equal(JT_EXTENT_TEMPLATES(f.page.extents[1].word), 1);
	fixture_free(&f);
}

/* Every template of its own: thirty in a frame, the next goes into another. */
static void test_thirty_flows(void **state)
{
	struct packet_spec s = { .family = 4, .length = 1 };
	struct jt_flow flows[40] = {};
	struct fixture f;
	int i, round;

	(void)state;
	fixture_init(&f, 2, 4, START);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 31; i++) {
			s.source_port = (__u16)(1000 + i);
			assert_int_equal(board(&f, &s, &flows[i]), JT_ABOARD);
		}
	}
	assert_int_equal(JT_EXTENT_TEMPLATES(f.page.extents[0].word), JT_TEMPLATES_MAX);
	assert_int_equal(JT_COMMITTED_MESSAGES(f.page.extents[0].committed), JT_TEMPLATES_MAX);
	assert_int_equal(JT_EXTENT_TEMPLATES(f.page.extents[1].word), JT_TEMPLATES_MAX);
	fixture_free(&f);
}

/* Headers that differ in one field only must not share a template. */
static void test_templates_differ_in_every_field(void **state)
{
	static const struct packet_spec variants[] = {
		{ .family = 4 },
		{ .family = 4, .tos = 1 },
		{ .family = 4, .ttl = 63 },
		{ .family = 4, .frag = 0x4000 },
		{ .family = 4, .source_port = 4001 },
		{ .family = 4, .dest_port = 5001 },
		{ .family = 4, .from = 3 },
		{ .family = 4, .to = 3 },
		{ .family = 4, .vlan = true },
		{ .family = 4, .vlan = true, .tci = 1 },
		{ .family = 6 },
		{ .family = 6, .flow_label = 1 },
		{ .family = 6, .to = 9 },
		{ .family = 6, .vlan = true },
		{ .family = 6, .vlan = true, .tci = 0x100 },
		{ .family = 4, .protocol = 1 },
		{ .family = 4, .protocol = 1, .vlan = true, .tci = 1 },
		{ .family = 4, .protocol = 1, .vlan = true, .tci = 2 },
		{ .family = 6, .protocol = 50 },
	};
	const int n = sizeof(variants) / sizeof(variants[0]);
	struct jt_flow flow = {}; /* one for all: every hint but the first is wrong */
	struct packet want, got;
	struct fixture f;
	struct jt_found m;
	struct jt_walk w;
	int i;

	(void)state;
	fixture_init(&f, 2, 4, START);
	for (i = 0; i < n; i++)
		assert_int_equal(board(&f, &variants[i], &flow), JT_ABOARD);
	assert_int_equal(JT_EXTENT_TEMPLATES(f.page.extents[0].word), n);
	jt_walk_init(&w, records(&f, 0), records_length(&f, 0));
	for (i = 0; i < n; i++) {
		assert_int_equal(jt_walk_next(&w, &m), 1);
		packet_rebuild(&got, &m, 0);
		packet_expect(&want, &variants[i]);
		assert_int_equal(got.length, want.length);
		assert_memory_equal(got.bytes, want.bytes, want.length);
	}
	fixture_free(&f);
}

/* A hint that does not point to a template of the flow is found out. */
static void test_wrong_hints(void **state)
{
	const struct packet_spec v4 = { .family = 4, .length = 8 },
				 v6 = { .family = 6, .length = 8 };
	struct packet want[2], got;
	struct jt_flow flow = {};
	__u32 i, found, seed = 4;
	struct fixture f;
	struct jt_found m;
	struct jt_walk w;

	(void)state;
	packet_expect(&want[0], &v4);
	packet_expect(&want[1], &v6);
	for (i = 0; i < 4096; i++) {
		fixture_init(&f, 2, 2, START);
		assert_int_equal(board(&f, &v4, &flow), JT_ABOARD);
		assert_int_equal(board(&f, &v6, &flow), JT_ABOARD);
		flow.hint = JT_HINT(START, 0, i * 4);
		assert_int_equal(board(&f, &v4, &flow), JT_ABOARD);
		flow.hint = JT_HINT(START, 0, test_random(&seed) % 0x4000);
		assert_int_equal(board(&f, &v6, &flow), JT_ABOARD);
		jt_walk_init(&w, records(&f, 0), records_length(&f, 0));
		for (found = 0; jt_walk_next(&w, &m) > 0; found++) {
			packet_rebuild(&got, &m, 0);
			assert_memory_equal(got.bytes, want[found & 1].bytes, got.length);
		}
		assert_int_equal(found, 4);
		fixture_free(&f);
	}
}

static void test_flow_and_peer_state(void **state)
{
	const struct packet_spec s = { .family = 6, .length = 700 };
	struct jt_flow flow = {};
	struct fixture f;

	(void)state;
	fixture_init(&f, 2, 1, START);
	assert_int_equal(board(&f, &s, &flow), JT_ABOARD);
	assert_int_equal(JT_EPOCH(flow.hint), START);
	assert_int_equal(JT_HINT_OFFSET(flow.hint), FIXTURE_HEAD);
	assert_true(f.peers[1].open == START << 32);
	assert_int_equal(board(&f, &s, &flow), JT_ABOARD);
	assert_int_equal(board(&f, &s, &flow), JT_ABOARD); /* the next bank */
	assert_int_equal(JT_HINT_EXTENT(flow.hint), 1);
	assert_int_equal(board(&f, &s, &flow), JT_ABOARD);
	assert_int_equal(board(&f, &s, &flow), JT_REASON_PAGE_FULL);
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_round_trip_at_every_length),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_partial_checksums),
		cmocka_unit_test(test_messages_per_frame),
		cmocka_unit_test(test_thirty_flows),
		cmocka_unit_test(test_templates_differ_in_every_field),
		cmocka_unit_test(test_wrong_hints),
		cmocka_unit_test(test_flow_and_peer_state),
	};

	return RUN(tests);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Guest frames at the vif: what is sound goes aboard as one block, byte by byte;
 * of the rest nothing does, each message is counted, and the extent stays one
 * that can be walked. Every test runs through the XDP and the tcx entry point.
 */
#include "frames.h"

/* The records as they must stand behind @base templates of the extent. */
static void renumber(struct frame *to, __u32 base)
{
	__u32 at, head;

	*to = records;
	for (at = 0; at < to->length; at += 4 + ((head & 0x7ff) + 3) / 4 * 4) {
		head = get16(to->bytes + at);
		if (head >> 11 != 31)
			put16(to->bytes + at, head + (base << 11));
		else if (to->bytes[at + 2] != 255)
			to->bytes[at + 2] += base;
	}
}

static void good(__u32 n, __u32 kinds, bool half_full)
{
	struct jt_extent *x = &h.extents[0];
	struct frame want;
	__u32 i, from, base;

	harness_reset(&h);
	known_both();
	if (half_full) {
		offer(&v4, DROP, JT_ABOARD);
		offer(&v6, DROP, JT_ABOARD);
	}
	from = half_full ? JT_EXTENT_OFFSET(x->word) : FIXTURE_HEAD;
	base = half_full ? 2 : 0;
	begin();
	for (i = 0; i < n; i++) {
		if (i < kinds)
			add_kind(i);
		add_message(1 + i % templates, 7 + i);
	}
	if (n & 1)
		frame_padding(&records, n);
	end();
	offer_frame(JT_ABOARD, 0);
	renumber(&want, base);
	CHECK(JT_EXTENT_OFFSET(x->word) == from + want.length);
	CHECK(JT_EXTENT_TEMPLATES(x->word) == base + templates);
	CHECK(!memcmp(extent_frame(0) + from, want.bytes, want.length));
}

static void test_good(void)
{
	__u32 n, kinds;

	for (n = 1; n <= 20; n++)
		for (kinds = 1; kinds <= 3 && kinds <= n; kinds++) {
			good(n, kinds, false);
			good(n, kinds, true);
		}
}

static void sound(void)
{
	begin();
	add_kind(0);
	add_message(1, 30);
	add_kind(1);
	add_message(2, 31);
	add_message(1, 0);
	end();
}

static void test_counted(void)
{
	struct packet_spec s = v4;
	const struct jt_flow *flow;
	struct packet p;

	known_both();
	h.control->asleep = 1;
	sound();
	offer_frame(JT_ABOARD, 0);
	CHECK(h.guests[GUEST_ONE].bytes == 61);
	CHECK(h.guests[GUEST_ONE].writes == 3 && h.guests[GUEST_ONE].writes_ns > 0);
	CHECK(events_count(&h, JT_EVENT_ABOARD) == 1 && !h.control->asleep);
	packet_make(&p, &s);
	flow = flow_at(&h, &p, GUEST_ONE);
	CHECK(flow && flow->aboard_ns);
	CHECK(JT_ROUTE_KIND(flow->route) == JT_PLACE_PEER && JT_ROUTE_ID(flow->route) == PEER_ONE);
	offer(&v4, DROP, JT_ABOARD); /* the stack's messages go behind */
	extents_check();
}

/* Does not fit: the extent is closed, another opened. */
static void test_next_extent(void)
{
	int i;

	known_both();
	begin();
	add_kind(0);
	for (i = 0; i < 10; i++)
		add_message(1, 64);
	end();
	for (i = 0; i < 5; i++)
		offer_frame(JT_ABOARD, 0);
	CHECK(h.extents[0].word & h.extents[1].word & JT_EXTENT_CLOSED);
	CHECK(JT_COMMITTED_MESSAGES(h.extents[0].committed) == 20);
	CHECK(JT_COMMITTED_MESSAGES(h.extents[2].committed) == 10);
	CHECK(h.peers[PEER_ONE].open == ((__u64)HARNESS_EPOCH << 32 | 2));
}

/* Templates run out before the bytes do. */
static void test_many_templates(void)
{
	int i;

	known_both();
	begin();
	for (i = 0; i < 20; i++)
		add_template(JT_TEMPLATE_UDP4, 0, 1, 2);
	add_message(20, 1);
	end();
	offer_frame(JT_ABOARD, 0);
	offer_frame(JT_ABOARD, 0);
	CHECK(JT_EXTENT_TEMPLATES(h.extents[1].word) == 20);
	begin();
	for (i = 0; i < 31; i++)
		add_template(JT_TEMPLATE_UDP4, 0, 1, 2);
	add_message(30, 1);
	refused(JT_REASON_FRAME_COUNTS);
}

static void test_too_large(void)
{
	known_both();
	begin();
	add_kind(0);
	add_message(1, FIXTURE_LIMIT - FIXTURE_HEAD - 32 - 4);
	end();
	offer_frame(JT_ABOARD, 0);
	begin();
	add_kind(0);
	add_message(1, FIXTURE_LIMIT - FIXTURE_HEAD - 32 - 4 + 1);
	refused(JT_REASON_FRAME_LARGE);
}

/* Each single thing that may be wrong. */
static void test_header(void)
{
	known_both();
	sound();
	frame.bytes[14] = 0x23;
	offer_frame(JT_REASON_FRAME_VERSION, 3);
	frame.bytes[14] = 0x11;
	offer_frame(JT_REASON_FRAME_VERSION, 3);
	sound();
	frame.bytes[15] = 1;
	offer_frame(JT_REASON_FRAME_VERSION, 3);
	sound();
	frame.bytes[25] = 1;
	offer_frame(JT_REASON_FRAME_VERSION, 3);
	sound();
	put16(frame.bytes + 16, records.length + 4);
	offer_frame(JT_REASON_FRAME_LENGTH, 3);
	put16(frame.bytes + 16, records.length - 4);
	offer_frame(JT_REASON_FRAME_LENGTH, 3);
	sound();
	frame_bytes(&frame, "\0\0\0\0", 4);
	offer_frame(JT_REASON_FRAME_LENGTH, 3);
	put16(frame.bytes + 16, records.length + 4); /* a blank record */
	offer_frame(JT_REASON_RECORD_BLANK, 3);
	CHECK(h.guests[GUEST_ONE].messages == 0);
}

static void test_counts(void)
{
	static const __u32 counts[] = { 2, 4, 40 };
	size_t i;

	known_both();
	for (i = 0; i < 3; i++) {
		sound();
		put32(frame.bytes + 18, counts[i]);
		offer_frame(JT_REASON_FRAME_COUNTS, counts[i]);
	}
	sound();
	put32(frame.bytes + 18, 0);
	offer_frame(JT_REASON_FRAME_COUNTS, 0);
	put32(frame.bytes + 18, 1000000); /* more than there can be: not believed */
	offer_frame(JT_REASON_FRAME_COUNTS, 1);
	for (i = 0; i < 32; i++) {
		sound();
		put16(frame.bytes + 22, (__u32)i);
		if (i != 2)
			offer_frame(JT_REASON_FRAME_COUNTS, 3);
	}
	offer_frame(JT_REASON_FRAME_COUNTS, 3);
}

static void test_records(void)
{
	__u8 zeros[4] = {};

	known_both();
	begin();
	add_kind(0);
	add_message(2, 5);
	refused(JT_REASON_TEMPLATE_UNKNOWN);
	begin();
	add_message(1, 5); /* before its template */
	add_kind(0);
	refused(JT_REASON_TEMPLATE_BAD);
	begin();
	add_kind(0);
	add_message(1, 5);
	templates = 0;
	add_kind(0); /* twice */
	templates = 2;
	refused(JT_REASON_TEMPLATE_TWICE);
	begin();
	add_kind(0);
	add_message(1, 5);
	templates++; /* a number left out */
	add_kind(0);
	templates = 2;
	refused(JT_REASON_TEMPLATE_BAD);
	begin();
	add_kind(0);
	add_message(1, 5);
	frame_bytes(&records, zeros, 4);
	refused(JT_REASON_RECORD_BLANK);
	begin();
	add_kind(0);
	add_message(1, 5);
	records.length -= 4;
	refused(JT_REASON_RECORD_SHORT);
	begin();
	add_kind(0);
	messages = 1; /* no room for it */
	refused(JT_REASON_FRAME_COUNTS);
}

static void bend(__u32 at, __u8 bits, int reason)
{
	sound();
	frame.bytes[at] ^= bits;
	offer_frame(reason, 3);
}

/* Templates whose form is not the canonical one: the first, and one behind it. */
static void test_templates(void)
{
	const __u32 first = 26, second = 26 + 32 + 36;

	known_both();
	bend(first + 3, 1, JT_REASON_TEMPLATE_BAD);
	bend(first + 4, 7, JT_REASON_TEMPLATE_BAD); /* kind */
	bend(first + 5, 4, JT_REASON_TEMPLATE_BAD); /* flag */
	bend(first + 5, 1, JT_REASON_TEMPLATE_BAD); /* no tail */
	bend(first + 8, 1, JT_REASON_TEMPLATE_BAD); /* multicast */
	bend(second + 3, 1, JT_REASON_TEMPLATE_BAD);
	bend(second + 4, 7, JT_REASON_TEMPLATE_BAD);
	bend(second + 5, 2, JT_REASON_TEMPLATE_BAD); /* DF over IPv6 */
	bend(second + 14, 1, JT_REASON_TEMPLATE_BAD);
	bend(second + 24, 0x80, JT_REASON_TEMPLATE_BAD); /* flow label */
	begin();
	add_template(JT_TEMPLATE_UDP4, JT_TEMPLATE_VLAN, 1, 2);
	records.bytes[records.length - 1] = 1;
	add_message(1, 1);
	refused(JT_REASON_TEMPLATE_BAD);
	begin();
	add_template(JT_TEMPLATE_ETHERNET, 0, 1, 2);
	add_message(1, 1);
	refused(JT_REASON_TEMPLATE_BAD);
	begin();
	add_kind(0);
	add_template(JT_TEMPLATE_ETHERNET, 0, 1, 2);
	add_message(1, 1);
	refused(JT_REASON_TEMPLATE_BAD);
}

static void test_sources(void)
{
	const __u32 first = 26, second = 26 + 32 + 36;

	known_both();
	bend(first + 19, 1, JT_REASON_SPOOFED_MAC);
	bend(first + 27, 1, JT_REASON_SPOOFED_IP);
	CHECK(!h.extents[0].word); /* found out before anything was reserved */
	bend(second + 19, 1, JT_REASON_SPOOFED_MAC);
	bend(second + 43, 1, JT_REASON_SPOOFED_IP);
	CHECK(JT_COMMITTED_MESSAGES(h.extents[0].committed) == 0);
	CHECK(JT_COMMITTED_BYTES(h.extents[0].committed) > 0);
	sound();
	frame.bytes[5] = frame.bytes[11] = 9; /* in another guest's name */
	offer_frame(JT_REASON_SPOOFED_MAC, 1);
	sound();
	frame.bytes[5]++; /* to another machine, in its own name: not ours to judge */
	CHECK(show_frame() == PASS);
}

static void test_routes(void)
{
	struct packet_spec other = { .family = 4, .to = 9 };

	known_both();
	addresses_of(&h, &other, GUEST_ONE, JT_PLACE_PEER, PEER_OTHER);
	begin();
	add_template(JT_TEMPLATE_UDP4, 0, 1, 2);
	add_message(1, 4);
	add_template(JT_TEMPLATE_UDP4, 0, 1, 9);
	add_message(2, 4);
	refused(JT_REASON_FRAME_PEERS);
	CHECK(!h.peers[PEER_OTHER].open);
	begin();
	add_template(JT_TEMPLATE_UDP4, 0, 1, 9);
	add_message(1, 4);
	end();
	offer_frame(JT_ABOARD, 0);
	CHECK(h.peers[PEER_OTHER].open);
	addresses_of(&h, &other, GUEST_ONE, JT_PLACE_GUEST, GUEST_OTHER);
	h.control->generation++;
	refused(JT_REASON_LOST_NO_PEER);
	addresses_of(&h, &other, GUEST_ONE, JT_PLACE_PEER, JT_PEERS_MAX);
	h.control->generation++;
	refused(JT_REASON_LOST_NO_PEER);
}

static void test_detours_are_losses(void)
{
	__u32 i;

	known_both();
	h.control->alive_until_ns = now_ns() - 20000000;
	sound();
	offer_frame(JT_REASON_LOST_STALE, 3);
	h.control->alive_until_ns = JT_NEVER_STALE;
	h.peers[PEER_ONE].alive_until_ns = 1;
	offer_frame(JT_REASON_LOST_PEER_DOWN, 3);
	CHECK(events_count(&h, JT_EVENT_PROBE) == 1);
	h.peers[PEER_ONE].alive_until_ns = JT_NEVER_STALE;
	begin();
	add_kind(0);
	add_message(1, 1000);
	end();
	for (i = 0; i < h.geometry.banks * h.geometry.extents; i++)
		CHECK(show_frame() == DROP);
	CHECK(h.guests[GUEST_ONE].messages == i);
	offer_frame(JT_REASON_LOST_PAGE_FULL, 1);
	harness_reset_banks(&h);
	offer_frame(JT_ABOARD, 0);
}

/* Cut at every length, with a header that says so and with one that does not. */
static void test_cut(void)
{
	struct frame whole;
	__u32 n, length;

	known_both();
	sound();
	whole = frame;
	for (n = 15; n < whole.length; n++) {
		frame = whole;
		frame.length = n;
		length = n - 26;
		offer_frame(n < 26 ? JT_REASON_FRAME_SHORT : JT_REASON_FRAME_LENGTH,
			    n < 26 || length < 12 ? 1 : 3);
		if (n < 26)
			continue;
		put16(frame.bytes + 16, length);
		CHECK(show_frame() == DROP);
		extents_check();
	}
	CHECK(h.guests[GUEST_ONE].messages == 0);
}

/* A refused block leaves nothing behind but zeros under padding. */
static void test_wiped(void)
{
	__u32 i, used;

	known_both();
	begin();
	add_kind(0);
	for (i = 0; i < 8; i++)
		add_message(1, 160);
	add_message(2, 8);
	refused(JT_REASON_TEMPLATE_UNKNOWN);
	used = JT_EXTENT_OFFSET(h.extents[0].word);
	CHECK(used == FIXTURE_HEAD + records.length);
	CHECK(get16(extent_frame(0) + FIXTURE_HEAD) >> 11 == 31);
	CHECK(extent_frame(0)[FIXTURE_HEAD + 2] == 255);
	for (i = FIXTURE_HEAD + 4; i < h.geometry.extent_size; i++)
		CHECK(!extent_frame(0)[i]);
	sound();
	offer_frame(JT_ABOARD, 0);
}

static const struct vif_test tests[] = {
	{ "good frames", test_good },
	{ "counted", test_counted },
	{ "next extent", test_next_extent },
	{ "many templates", test_many_templates },
	{ "too large", test_too_large },
	{ "header", test_header },
	{ "counts", test_counts },
	{ "records", test_records },
	{ "templates", test_templates },
	{ "sources", test_sources },
	{ "routes", test_routes },
	{ "detours are losses", test_detours_are_losses },
	{ "cut", test_cut },
	{ "wiped", test_wiped },
};

int main(int argc, char **argv)
{
	return vif_tests_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}

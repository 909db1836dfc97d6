// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Shares at the vif: who is admitted, what each message is charged, and what becomes
 * of those that nobody pays for. Every test runs through the XDP and the tcx entry
 * point. The rates are so low that no tokens come while a test runs.
 */
#include "frames.h"

#define RATE JT_SHARE_RATE_MIN
#define HEADER (FIXTURE_HEAD - JT_FRAME_START) /* of the outer frame */
#define TEMPLATE 32			       /* a record with a UDP4 template */

static struct jt_share *share;

static __u64 now_units(void)
{
	return now_ns() * JT_SHARE_NS;
}

static __u64 cost(__u64 bytes)
{
	return bytes * share->byte_cost >> JT_SHARE_FRACTION;
}

/* Guest one is limited, and has tokens for @bytes at hand. */
static void limited(__u64 bytes)
{
	share = &h.shares[GUEST_ONE];
	h.guests[GUEST_ONE].flags |= JT_GUEST_LIMITED;
	share->byte_cost = jt_share_byte_cost(RATE);
	share->burst = cost(1000000);
	share->bytes_paid = now_units() - cost(bytes);
	known(&v4);
}

static void borrows(__u64 granted)
{
	share->settings.borrows = 1;
	share->granted = granted;
}

/* What was charged to the guest's own tokens since the last call. */
static __u64 charged(void)
{
	static __u64 paid;
	__u64 before = paid;

	paid = share->bytes_paid;
	return paid - before;
}

static void test_charged(void)
{
	limited(10000);
	charged();
	offer(&v4, DROP, JT_ABOARD);
	CHECK(charged() == cost(HEADER + TEMPLATE + 4 + 64) && share->used == 126);
	offer(&v4, DROP, JT_ABOARD);
	CHECK(charged() == cost(4 + 64) && share->used == 126 + 68);
	CHECK(share->used == JT_EXTENT_OFFSET(h.extents[0].word) - JT_FRAME_START);
	CHECK(!share->borrowed && !share->refused && !share->messages_paid);
	CHECK(now_ns() - share->offered_ns < 100000000);
}

/* What goes the kernel's way to a peer's guests is charged as it is. */
static void test_passing_charged(void)
{
	const struct packet_spec elsewhere = { .family = 4, .length = 64, .to = 9 };
	struct packet p;

	limited(10000);
	packet_make(&p, &large);
	charged();
	offer(&large, PASS, JT_REASON_TOO_LARGE);
	CHECK(charged() == cost(p.length) && share->used == p.length);
	offer(&elsewhere, PASS, JT_REASON_NO_PEER);
	CHECK(!charged());
}

static void test_red(void)
{
	limited(1);
	offer(&v4, DROP, JT_ABOARD);
	offer(&v4, DROP, JT_REASON_OVER_RATE);
	offer(&large, DROP, JT_REASON_OVER_RATE);
	CHECK(share->refused == 2 && share->used == 126);
	CHECK(events_count(&h, JT_EVENT_BORROW) == 0);
	CHECK(jt_share_state(share, now_ns(), true) == JT_SHARE_RED);
	share->bytes_paid = now_units() - cost(1);
	CHECK(jt_share_state(share, now_ns(), true) == JT_SHARE_GREEN);
	offer(&v4, DROP, JT_ABOARD);
	offer(&v4, DROP, JT_REASON_OVER_RATE);
	h.guests[GUEST_ONE].flags &= ~(__u32)JT_GUEST_LIMITED;
	offer(&v4, DROP, JT_ABOARD);
}

/* Tokens beyond the burst are lost. */
static void test_burst(void)
{
	int i;

	limited(0);
	share->bytes_paid = 1;
	share->burst = cost(126 + 9 * 68 - 30); /* the clock may be some ms late: a byte each */
	for (i = 0; i < 10; i++)
		offer(&v4, DROP, JT_ABOARD);
	offer(&v4, DROP, JT_REASON_OVER_RATE);
}

static void test_yellow(void)
{
	limited(0);
	share->bytes_paid = JT_SHARE_NEVER;
	borrows(127);
	charged();
	offer(&v4, DROP, JT_ABOARD);
	CHECK(share->borrowed == 126 && share->used == 126 && !charged());
	offer(&v4, DROP, JT_ABOARD);
	CHECK(share->borrowed == 126 + 68);
	offer(&v4, DROP, JT_REASON_OVER_RATE);
	CHECK(jt_share_state(share, now_ns(), true) == JT_SHARE_YELLOW);
	share->granted = 126 + 69;
	offer(&v4, DROP, JT_ABOARD);
	share->granted = share->borrowed + JT_SHARE_UNLIMITED;
	offer(&v4, DROP, JT_ABOARD);
	/* Its own come first. */
	share->bytes_paid = now_units() - cost(1);
	charged();
	offer(&v4, DROP, JT_ABOARD);
	CHECK(charged() == cost(68) && share->borrowed == 126 + 3 * 68);
}

/* The controller is told once, before all is used up. */
static void test_asks(void)
{
	limited(0);
	share->bytes_paid = JT_SHARE_NEVER;
	borrows(300);
	share->low = 150;
	offer(&v4, DROP, JT_ABOARD);
	CHECK(events_count(&h, JT_EVENT_BORROW) == 0 && !share->asked);
	offer(&v4, DROP, JT_ABOARD);
	CHECK(events_count(&h, JT_EVENT_BORROW) == 1 && share->asked);
	offer(&v4, DROP, JT_ABOARD);
	offer(&v4, DROP, JT_ABOARD);
	offer(&v4, DROP, JT_REASON_OVER_RATE);
	CHECK(events_count(&h, JT_EVENT_BORROW) == 0);
	share->asked = 0;
	offer(&v4, DROP, JT_REASON_OVER_RATE);
	CHECK(events_count(&h, JT_EVENT_BORROW) == 1);
}

static void test_messages(void)
{
	limited(10000);
	share->byte_cost = 0;
	share->message_cost = 1000000000 * JT_SHARE_NS;
	share->burst = 10 * share->message_cost;
	share->messages_paid = now_units() - share->message_cost * 3 / 2;
	offer(&v4, DROP, JT_ABOARD);
	offer(&large, DROP, JT_ABOARD);
	offer(&v4, DROP, JT_REASON_OVER_RATE);
	borrows(1);
	offer(&v4, DROP, JT_ABOARD);
	CHECK(share->borrowed == 68);
}

/* Both must have tokens. */
static void test_both(void)
{
	limited(10000);
	share->message_cost = 1000000000 * JT_SHARE_NS;
	share->messages_paid = now_units() + 1000000000 * JT_SHARE_NS;
	offer(&v4, DROP, JT_REASON_OVER_RATE);
	share->messages_paid = now_units() - 1000000000 * JT_SHARE_NS;
	offer(&v4, DROP, JT_ABOARD);
	share->messages_paid = now_units() - 1000000000 * JT_SHARE_NS;
	share->bytes_paid = now_units() + 1000000000 * JT_SHARE_NS;
	offer(&v4, DROP, JT_REASON_OVER_RATE);
}

/* Tokens that have come since the last tick of the coarse clock count. */
static void test_clock(void)
{
	int i;

	limited(0);
	for (i = 0; i < 50; i++) {
		share->bytes_paid = now_units() - 100 * JT_SHARE_NS;
		offer(&v4, DROP, JT_ABOARD);
	}
}

static void two_messages(void)
{
	begin();
	add_kind(0);
	add_message(1, 30);
	add_message(1, 31);
	end();
}

static void test_guest_frames(void)
{
	known_both();
	limited(1);
	two_messages();
	charged();
	offer_frame(JT_ABOARD, 0);
	CHECK(share->used == HEADER + records.length && charged() == cost(share->used));
	refused(JT_REASON_OVER_RATE);
	CHECK(share->refused == 2 && share->used == HEADER + records.length);
	borrows(1);
	two_messages();
	offer_frame(JT_ABOARD, 0);
	CHECK(share->borrowed == records.length);
	CHECK(share->used == JT_EXTENT_OFFSET(h.extents[0].word) - JT_FRAME_START);
}

static const struct vif_test tests[] = {
	{ "charged", test_charged },
	{ "passing is charged", test_passing_charged },
	{ "red", test_red },
	{ "burst", test_burst },
	{ "yellow", test_yellow },
	{ "asks for more", test_asks },
	{ "messages a second", test_messages },
	{ "both rates", test_both },
	{ "clock", test_clock },
	{ "guest frames", test_guest_frames },
};

int main(int argc, char **argv)
{
	return vif_tests_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}

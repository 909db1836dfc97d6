// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The vif's worker: what becomes of a packet, which counter says so, and what
 * the maps hold then. Every test runs through the XDP and the tcx entry point.
 */
#include "vif.h"

static void test_aboard(void)
{
	const struct jt_flow *flow;
	struct packet p;

	known(&v4);
	known(&v6);
	offer(&v4, DROP, JT_ABOARD);
	offer(&v4, DROP, JT_ABOARD);
	offer(&v6, DROP, JT_ABOARD);
	offer(&icmp, DROP, JT_ABOARD);
	packet_make(&p, &v4);
	flow = flow_at(&h, &p, GUEST_ONE);
	CHECK(flow && flow->messages == 2 && flow->aboard_ns);
	CHECK(JT_ROUTE_KIND(flow->route) == JT_PLACE_PEER && JT_ROUTE_ID(flow->route) == PEER_ONE);
	CHECK(h.guests[GUEST_ONE].writes == 1 && h.guests[GUEST_ONE].writes_ns > 0);
	CHECK(JT_COMMITTED_MESSAGES(h.extents[0].committed) == 4);
	CHECK(JT_EXTENT_TEMPLATES(h.extents[0].word) == 3);
	CHECK(JT_EXTENT_PEER(h.extents[0].word) == PEER_ONE);
}

static void test_two_peers(void)
{
	const struct packet_spec other = { .family = 4, .length = 20, .to = 9 };

	known(&v4);
	addresses_of(&h, &other, GUEST_ONE, JT_PLACE_PEER, PEER_OTHER);
	offer(&v4, DROP, JT_ABOARD);
	offer(&other, DROP, JT_ABOARD);
	offer(&v4, DROP, JT_ABOARD);
	CHECK(JT_EXTENT_PEER(h.extents[0].word) == PEER_ONE);
	CHECK(JT_EXTENT_PEER(h.extents[1].word) == PEER_OTHER);
	CHECK(JT_COMMITTED_MESSAGES(h.extents[0].committed) == 2);
}

static void test_not_ours(void)
{
	struct jt_guest before = h.guests[GUEST_ONE];
	__u32 ifindex = HARNESS_VIF;
	struct packet p;

	known(&v4);
	packet_make(&p, &v4);
	h.control->magic = 0;
	CHECK(show(&p) == PASS);
	h.control->magic = JT_MAGIC;
	bpf_map_delete_elem(h.vifs, &ifindex);
	slot_set(&h, ifindex, 0);
	CHECK(show(&p) == PASS);
	CHECK(!memcmp(&before, &h.guests[GUEST_ONE], sizeof(before)));
	CHECK(h.control->banks[0].word == jt_bank_blank(HARNESS_EPOCH));
}

/* Two vifs have one entry in `slots`: it is a guess, and no guest gets another's packets. */
static void test_lost_slot(void)
{
	known(&v4);
	slot_set(&h, HARNESS_VIF, GUEST_OTHER + 1);
	offer(&v4, DROP, JT_ABOARD);
	CHECK(!h.guests[GUEST_OTHER].messages);
	slot_set(&h, HARNESS_VIF, JT_GUESTS_MAX + 1);
	offer(&v4, DROP, JT_ABOARD);
	slot_set(&h, HARNESS_VIF, 0);
	offer(&v4, DROP, JT_ABOARD);
	CHECK(h.guests[GUEST_ONE].messages == 3);
}

static void test_no_peer(void)
{
	addresses_of(&h, &v4, GUEST_ONE, JT_PLACE_PEER, JT_PEERS_MAX);
	offer(&v4, PASS, JT_REASON_NO_PEER);
	offer(&v6, PASS, JT_REASON_NO_PEER);
	known(&v6);
	offer(&v6, PASS, JT_REASON_NO_PEER); /* as remembered */
	h.control->generation++;
	offer(&v6, DROP, JT_ABOARD);
}

static void test_peer_down(void)
{
	known(&v4);
	h.peers[PEER_ONE].alive_until_ns = 1;
	offer(&v4, PASS, JT_REASON_PEER_DOWN);
	offer(&v4, PASS, JT_REASON_PEER_DOWN);
	CHECK(events_count(&h, JT_EVENT_PROBE) == 1);
	h.peers[PEER_ONE].probed_ns -= 60000000;
	offer(&v4, PASS, JT_REASON_PEER_DOWN);
	CHECK(events_count(&h, JT_EVENT_PROBE) == 1);
	h.peers[PEER_ONE].alive_until_ns = now_ns() + 1000000000;
	offer(&v4, DROP, JT_ABOARD);
}

static void test_stale(void)
{
	known(&v4);
	h.control->alive_until_ns = now_ns() - 20000000;
	offer(&v4, PASS, JT_REASON_STALE);
	h.control->alive_until_ns = now_ns() + 1000000000;
	offer(&v4, DROP, JT_ABOARD);
}

static void test_too_large(void)
{
	struct packet_spec s = v4;

	known(&v4);
	s.length = JT_SMALL_DEFAULT;
	offer(&s, DROP, JT_ABOARD);
	quiet(&s);
	s.length = JT_SMALL_DEFAULT + 1;
	offer(&s, PASS, JT_REASON_TOO_LARGE);
	offer(&large, PASS, JT_REASON_TOO_LARGE);
	known(&v6);
	h.control->small = 63;
	offer(&v6, PASS, JT_REASON_TOO_LARGE);
}

/* Too small a frame for a message that --small allows. */
static void test_does_not_fit(void)
{
	known(&v4);
	h.peers[PEER_ONE].limit = FIXTURE_HEAD + 100;
	offer(&v4, DROP, JT_ABOARD);
	h.peers[PEER_ONE].limit = FIXTURE_HEAD + 99;
	offer(&v4, PASS, JT_REASON_TOO_LARGE);
}

/* A large one must not pass others of its flow that are aboard. */
static void test_large_behind_small(void)
{
	struct packet_spec s = large;

	known(&v4);
	offer(&v4, DROP, JT_ABOARD);
	offer(&large, DROP, JT_ABOARD);
	offer(&v4, DROP, JT_ABOARD);
	s.length = 1500; /* fits no frame */
	offer(&s, PASS, JT_REASON_OVERTOOK);
	offer(&v4, DROP, JT_ABOARD);
}

/* Several datagrams in one packet never go aboard; nor do they pass others of their flow. */
static void test_segmented(void)
{
	__u64 *reasons = h.guests[GUEST_ONE].reasons;
	struct packet p;

	if (!tc)
		return; /* no such thing in XDP */
	known(&v4);
	packet_make(&p, &v4);
	CHECK(run_tc_gso(h.vif_tcx, p.bytes, p.length, 1, 16).verdict == -1);
	CHECK(reasons[JT_REASON_SEGMENTED] == 1);
	offer(&v4, PASS, JT_REASON_MIXED_FLOW);
	known(&v6);
	offer(&v6, DROP, JT_ABOARD);
	packet_make(&p, &v6);
	CHECK(run_tc_gso(h.vif_tcx, p.bytes, p.length, 1, 16).verdict == -1);
	CHECK(reasons[JT_REASON_OVERTOOK] == 1);
}

/* Once nothing of the flow is aboard, it goes the kernel's way for a while. */
static void test_small_behind_large(void)
{
	struct jt_flow *flow;
	struct packet p;

	known(&v4);
	offer(&v4, DROP, JT_ABOARD);
	quiet(&v4);
	offer(&large, PASS, JT_REASON_TOO_LARGE);
	offer(&v4, PASS, JT_REASON_MIXED_FLOW);
	offer(&v4, PASS, JT_REASON_MIXED_FLOW);
	packet_make(&p, &v4);
	flow = flow_at(&h, &p, GUEST_ONE);
	CHECK(flow && flow->legacy_until_ns > now_ns());
	CHECK(flow->legacy_until_ns < now_ns() + 1100000000ULL);
	flow->legacy_until_ns = 0;
	offer(&v4, DROP, JT_ABOARD);
}

/* Messages that come alone, one after the other, do not wait for company. */
static void test_cut_through(void)
{
	int i, aboard = 0, cut = 0;

	known(&v4);
	h.control->latency_ns = 10000000;
	for (i = 0; i < 20; i++) {
		__u64 before = h.guests[GUEST_ONE].messages;
		struct packet p;

		harness_reset_banks(&h);
		h.peers[PEER_ONE].first_ns -= 1000000000; /* the last was a second ago */
		if (i)
			quiet(&v4);
		packet_make(&p, &v4);
		if (show(&p) == DROP && h.guests[GUEST_ONE].messages == before + 1)
			aboard++;
	}
	cut = (int)h.guests[GUEST_ONE].reasons[JT_REASON_CUT_THROUGH];
	CHECK(aboard + cut == 20);
	CHECK(aboard <= 2); /* the first few can't know */
	/* Others come: soon they wait for each other again. */
	for (i = 0; i < 10; i++) {
		struct packet p;

		harness_reset_banks(&h);
		quiet(&v4);
		packet_make(&p, &v4);
		show(&p);
	}
	harness_reset_banks(&h);
	quiet(&v4);
	offer(&v4, DROP, JT_ABOARD);
}

/* A flow's last message came aboard so long ago, in another bank. */
static void was_aboard(const struct packet_spec *s, __u64 ns)
{
	struct packet p;

	packet_make(&p, s);
	flow_at(&h, &p, GUEST_ONE)->aboard_ns = now_ns() - ns;
	h.peers[PEER_ONE].gap_ns = ~0ULL >> 8;
	h.peers[PEER_ONE].open = 0;
}

/* No cut-through past messages of the same flow that are still aboard. */
static void test_cut_through_keeps_order(void)
{
	known(&v4);
	offer(&v4, DROP, JT_ABOARD);
	h.peers[PEER_ONE].gap_ns = ~0ULL >> 8;
	h.peers[PEER_ONE].open = 0; /* as if another bank were active */
	offer(&v4, DROP, JT_ABOARD);
	/* However long ago that was, until its peer has confirmed it; but not for ever. */
	h.control->latency_ns = 10000000;
	was_aboard(&v4, 500000000);
	offer(&v4, DROP, JT_ABOARD);
	was_aboard(&v4, 500000000);
	h.peers[PEER_ONE].settled_ns = now_ns();
	offer(&v4, PASS, JT_REASON_CUT_THROUGH);
	h.peers[PEER_ONE].settled_ns = 0;
	was_aboard(&v4, 500000000);
	offer(&v4, DROP, JT_ABOARD);
	was_aboard(&v4, 1100000000);
	offer(&v4, PASS, JT_REASON_CUT_THROUGH);
}

static void test_page_full(void)
{
	const struct packet_spec s = { .family = 4, .length = 512 };
	__u32 i, n = h.geometry.banks * h.geometry.extents * 2;
	struct packet p;

	known(&s);
	packet_make(&p, &s);
	for (i = 0; i < n; i++)
		CHECK(show(&p) == DROP);
	CHECK(h.guests[GUEST_ONE].messages == n);
	CHECK(h.control->epoch == HARNESS_EPOCH + h.geometry.banks - 1);
	offer(&s, PASS, JT_REASON_PAGE_FULL);
	offer(&s, PASS, JT_REASON_PAGE_FULL);
	harness_reset_banks(&h);
	offer(&s, DROP, JT_ABOARD);
}

static void test_wakes_the_controller(void)
{
	known(&v4);
	offer(&v4, DROP, JT_ABOARD);
	CHECK(events_count(&h, JT_EVENT_ABOARD) == 0);
	h.control->asleep = 1;
	offer(&v4, DROP, JT_ABOARD);
	offer(&v4, DROP, JT_ABOARD);
	CHECK(h.control->asleep == 0);
	CHECK(events_count(&h, JT_EVENT_ABOARD) == 1);
	/* From here on it must show that it lives. */
	CHECK(h.control->alive_until_ns > now_ns());
	CHECK(h.control->alive_until_ns <= now_ns() + JT_WAKE_NS);
}

static void test_tells_the_threshold(void)
{
	const struct packet_spec s = { .family = 4, .length = 512 };
	int i;

	known(&s);
	h.control->threshold = 3;
	for (i = 0; i < 4; i++)
		offer(&s, DROP, JT_ABOARD);
	CHECK(events_count(&h, JT_EVENT_FULL) == 0);
	for (i = 0; i < 6; i++)
		offer(&s, DROP, JT_ABOARD);
	CHECK(events_count(&h, JT_EVENT_FULL) == 1);
	CHECK(h.control->rung_epoch == HARNESS_EPOCH);
}

/* Packets of more than one buffer. */
static void test_fragments_of_memory(void)
{
	struct packet_spec s = { .family = 4, .length = 4040 };

	known(&s);
	if (tc)
		return; /* BPF_PROG_TEST_RUN builds linear skbs */
	offer(&v4, DROP, JT_ABOARD);
	offer(&s, PASS, JT_REASON_OVERTOOK);
	s.family = 6;
	known(&s);
	offer(&s, PASS, JT_REASON_TOO_LARGE);
}

static const struct vif_test tests[] = {
	{ "aboard", test_aboard },
	{ "two peers", test_two_peers },
	{ "not ours", test_not_ours },
	{ "lost slot", test_lost_slot },
	{ "no peer", test_no_peer },
	{ "peer down", test_peer_down },
	{ "stale", test_stale },
	{ "too large", test_too_large },
	{ "does not fit", test_does_not_fit },
	{ "large behind small", test_large_behind_small },
	{ "small behind large", test_small_behind_large },
	{ "cut-through", test_cut_through },
	{ "segmented", test_segmented },
	{ "cut-through keeps order", test_cut_through_keeps_order },
	{ "page full", test_page_full },
	{ "wakes the controller", test_wakes_the_controller },
	{ "tells the threshold", test_tells_the_threshold },
	{ "fragments of memory", test_fragments_of_memory },
};

int main(int argc, char **argv)
{
	return vif_tests_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}

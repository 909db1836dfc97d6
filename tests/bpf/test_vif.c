// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The vif's worker: what becomes of a packet, which counter says so, and what
 * the maps hold then. Every test runs through the XDP and the tcx entry point.
 */
#include <time.h>
#include "harness.h"

enum outcome { PASS, DROP, SWITCH };

static struct harness h;
static bool tc;
static const struct packet_spec v4 = { .family = 4, .length = 64 };
static const struct packet_spec v6 = { .family = 6, .length = 64 };
static const struct packet_spec icmp = { .family = 4, .protocol = 1, .length = 64, .first = 8 };
static const struct packet_spec large = { .family = 4, .length = 900 };

static enum outcome show(const struct packet *p)
{
	struct run r = tc ? run_tc(h.vif_tcx, p->bytes, p->length, 1) :
			    run_xdp(h.vif, p->bytes, p->length, 1);

	CHECK(!r.changed);
	if (r.verdict == (tc ? -1 : 2))
		return PASS;
	if (r.verdict == (tc ? 7 : 4))
		return SWITCH;
	CHECK(r.verdict == (tc ? 2 : 1));
	return DROP;
}

/* Send a packet; @reason is counted once (JT_ABOARD: it is in the page), no other is. */
static void offer(const struct packet_spec *s, enum outcome outcome, int reason)
{
	struct jt_guest before = h.guests[GUEST_ONE], *guest = &h.guests[GUEST_ONE];
	struct jt_parsed parsed;
	enum outcome got;
	struct packet p;
	int i;

	packet_make(&p, s);
	got = show(&p);
	for (i = 1; i < JT_REASON_COUNT; i++) {
		if (guest->reasons[i] == before.reasons[i] + (i == reason))
			continue;
		fprintf(stderr, "expected %s; %s was counted %llu times\n", jt_reasons[reason].name,
			jt_reasons[i].name, guest->reasons[i] - before.reasons[i]);
		exit(1);
	}
	CHECK(got == outcome);
	CHECK(guest->messages == before.messages + !reason);
	packet_parse(p.bytes, p.length, &parsed);
	CHECK(guest->bytes == before.bytes + (reason ? 0 : parsed.length));
}

/* Source is the guest's, destination is behind peer one. */
static void known(const struct packet_spec *s)
{
	addresses_of(&h, s, GUEST_ONE, JT_PLACE_PEER, PEER_ONE);
}

/* As if the flow had been quiet for long. */
static void quiet(const struct packet_spec *s)
{
	struct jt_flow flow;
	struct packet p;

	packet_make(&p, s);
	CHECK(flow_get(&h, &p, GUEST_ONE, &flow));
	flow.aboard_ns = 0;
	flow_set(&h, &p, GUEST_ONE, &flow);
}

static __u64 now_ns(void)
{
	return jt_env_now();
}

static void test_aboard(void)
{
	struct packet p;
	struct jt_flow flow;

	known(&v4);
	known(&v6);
	offer(&v4, DROP, JT_ABOARD);
	offer(&v4, DROP, JT_ABOARD);
	offer(&v6, DROP, JT_ABOARD);
	offer(&icmp, DROP, JT_ABOARD);
	packet_make(&p, &v4);
	CHECK(flow_get(&h, &p, GUEST_ONE, &flow));
	CHECK(flow.messages == 2 && flow.aboard_ns);
	CHECK(JT_ROUTE_KIND(flow.route) == JT_PLACE_PEER && JT_ROUTE_ID(flow.route) == PEER_ONE);
	CHECK(h.guests[GUEST_ONE].offered == 4);
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
	CHECK(show(&p) == PASS);
	CHECK(!memcmp(&before, &h.guests[GUEST_ONE], sizeof(before)));
	CHECK(h.control->banks[0].word == jt_bank_blank(HARNESS_EPOCH));
}

static void test_addresses_are_learned(void)
{
	const struct packet_spec next = { .family = 4, .length = 1, .from = 9 };
	__u8 mac[6], ip[16];
	struct jt_place place;

	addresses_of(&h, &v4, 0, JT_PLACE_PEER, PEER_ONE);
	offer(&v4, DROP, JT_ABOARD);
	packet_mac(mac, 1, 1);
	packet_address(ip, 4, 1, 1);
	CHECK(!memcmp(&h.guests[GUEST_ONE].mac, mac, 6));
	CHECK(address_known(&h, JT_FAMILY_MAC, mac, &place));
	CHECK(address_known(&h, JT_FAMILY_IPV4, ip, &place));
	CHECK(place.kind == JT_PLACE_GUEST && place.id == GUEST_ONE);
	CHECK(place.flags == JT_PLACE_LEARNED);
	CHECK(events_count(&h, JT_EVENT_LEARNED) == 2);
	/* One MAC a guest, once it has one. */
	offer(&next, DROP, JT_REASON_SPOOFED_MAC);
}

/* What a strict guest's MAC is may be learned, as long as no other is configured. */
static void test_strict_guest(void)
{
	__u8 mac[8] = {};

	h.guests[GUEST_ONE].flags = JT_GUEST_STRICT;
	addresses_of(&h, &v4, 0, JT_PLACE_PEER, PEER_ONE);
	offer(&v4, DROP, JT_REASON_SPOOFED_IP);
	offer(&icmp, DROP, JT_REASON_SPOOFED_IP);
	packet_mac(mac, 1, 1);
	CHECK(!memcmp(&h.guests[GUEST_ONE].mac, mac, 8));
	CHECK(events_count(&h, JT_EVENT_LEARNED) == 1);
	known(&v4);
	offer(&v4, DROP, JT_ABOARD);
	CHECK(events_count(&h, JT_EVENT_LEARNED) == 0);
}

/* The first packet tells the MAC, whatever it is. */
static void test_mac_of_the_first_packet(void)
{
	struct packet_spec other = { .family = 4, .from = 7, .length = 3 };
	struct packet p;

	known(&v4);
	packet_make(&p, &other);
	put16(p.bytes + 12, 0x0806);
	CHECK(show(&p) == PASS);
	CHECK(!memcmp(&h.guests[GUEST_ONE].mac, p.bytes + 6, 6));
	offer(&v4, DROP, JT_REASON_SPOOFED_MAC);
	addresses_of(&h, &other, 0, JT_PLACE_PEER, PEER_ONE);
	offer(&other, DROP, JT_ABOARD);
}

static void test_spoofed_mac(void)
{
	__u8 mac[8] = {};

	known(&v4);
	packet_mac(mac, 1, 1);
	address_add(&h, JT_FAMILY_MAC, JT_SCOPE_GUEST, mac, JT_PLACE_GUEST, GUEST_OTHER);
	offer(&v4, DROP, JT_REASON_SPOOFED_MAC);
	address_add(&h, JT_FAMILY_MAC, JT_SCOPE_GUEST, mac, JT_PLACE_PEER, PEER_ONE);
	offer(&v4, DROP, JT_REASON_SPOOFED_MAC);
	mac[5]++;
	memcpy(&h.guests[GUEST_ONE].mac, mac, 8);
	offer(&v4, DROP, JT_REASON_SPOOFED_MAC);
	CHECK(h.guests[GUEST_ONE].offered == 0);
}

static void spoofed(const struct packet_spec *s)
{
	addresses_of(&h, s, GUEST_OTHER, JT_PLACE_PEER, PEER_ONE);
	offer(s, DROP, JT_REASON_SPOOFED_IP);
	addresses_of(&h, s, GUEST_ONE, JT_PLACE_PEER, PEER_ONE);
	offer(s, DROP, JT_ABOARD);
	/* Moved: seen when the generation steps, or at once without a template for it. */
	addresses_of(&h, s, GUEST_OTHER, JT_PLACE_PEER, PEER_ONE);
	h.control->generation++;
	offer(s, DROP, JT_REASON_SPOOFED_IP);
}

static void test_spoofed_ip(void)
{
	const struct packet_spec echo6 = { .family = 6, .protocol = 58, .first = 128, .length = 9,
					   .vlan = true };
	__u8 ip[16];

	spoofed(&v4);
	spoofed(&v6);
	spoofed(&icmp);
	spoofed(&echo6);
	packet_address(ip, 4, 1, 1);
	address_add(&h, JT_FAMILY_IPV4, JT_SCOPE_GUEST, ip, JT_PLACE_PEER, PEER_ONE);
	offer(&icmp, DROP, JT_REASON_SPOOFED_IP);
}

/* One Ethernet template serves many addresses: each packet's is looked at. */
static void test_every_echo_is_checked(void)
{
	struct packet_spec s = icmp;
	struct packet p;
	__u8 ip[16];

	known(&icmp);
	offer(&icmp, DROP, JT_ABOARD);
	packet_make(&p, &s);
	packet_address(ip, 4, 1, 50);
	address_add(&h, JT_FAMILY_IPV4, JT_SCOPE_GUEST, ip, JT_PLACE_GUEST, GUEST_OTHER);
	memcpy(p.bytes + 26, ip, 4);
	CHECK(show(&p) == DROP);
	CHECK(h.guests[GUEST_ONE].reasons[JT_REASON_SPOOFED_IP] == 1);
	CHECK(h.guests[GUEST_ONE].messages == 1);
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

/* Once nothing of the flow is aboard, it goes the kernel's way for a while. */
static void test_small_behind_large(void)
{
	struct jt_flow flow;
	struct packet p;

	known(&v4);
	offer(&v4, DROP, JT_ABOARD);
	quiet(&v4);
	offer(&large, PASS, JT_REASON_TOO_LARGE);
	offer(&v4, PASS, JT_REASON_MIXED_FLOW);
	offer(&v4, PASS, JT_REASON_MIXED_FLOW);
	packet_make(&p, &v4);
	CHECK(flow_get(&h, &p, GUEST_ONE, &flow));
	CHECK(flow.legacy_until_ns > now_ns() && flow.legacy_until_ns < now_ns() + 1100000000ULL);
	flow.legacy_until_ns = 0;
	flow_set(&h, &p, GUEST_ONE, &flow);
	offer(&v4, DROP, JT_ABOARD);
}

/* Messages that come alone, one after the other, do not wait for company. */
static void test_cut_through(void)
{
	int i, aboard = 0, cut = 0;

	known(&v4);
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
	CHECK(h.guests[GUEST_ONE].offered == 20);
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

/* No cut-through past messages of the same flow that are still aboard. */
static void test_cut_through_keeps_order(void)
{
	known(&v4);
	offer(&v4, DROP, JT_ABOARD);
	h.peers[PEER_ONE].gap_ns = ~0ULL >> 8;
	h.peers[PEER_ONE].open = 0; /* as if another bank were active */
	offer(&v4, DROP, JT_ABOARD);
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

static void test_local(void)
{
	addresses_of(&h, &v4, GUEST_ONE, JT_PLACE_GUEST, GUEST_OTHER);
	addresses_of(&h, &v6, GUEST_ONE, JT_PLACE_GUEST, GUEST_OTHER);
	offer(&v4, PASS, JT_REASON_NO_PEER);
	h.guests[GUEST_OTHER].flags = JT_GUEST_SWITCH;
	offer(&v4, SWITCH, JT_REASON_LOCAL);
	offer(&v6, SWITCH, JT_REASON_LOCAL);
	offer(&icmp, SWITCH, JT_REASON_LOCAL);
	offer(&large, PASS, JT_REASON_NO_PEER);
	h.guests[GUEST_OTHER].ifindex = 0;
	offer(&v4, PASS, JT_REASON_NO_PEER);
}

static void test_no_room(void)
{
	struct jt_address a = { .family = JT_FAMILY_IPV6, .scope = JT_SCOPE_GUEST };
	struct jt_place place = { .kind = JT_PLACE_PEER, .id = PEER_ONE };
	__u32 i;

	addresses_of(&h, &v4, 0, JT_PLACE_PEER, PEER_ONE);
	memcpy(&h.guests[GUEST_ONE].mac, "\x02\x4a\x54\0\x01\x01\0", 8);
	for (i = 0; i < JT_ADDRESSES_MAX; i++) {
		put32(a.bytes + 4, i + 1);
		if (bpf_map_update_elem(h.addresses, &a, &place, BPF_ANY))
			break;
	}
	CHECK(i < JT_ADDRESSES_MAX);
	offer(&v4, PASS, JT_REASON_NO_ROOM);
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
	offer(&s, PASS, JT_REASON_TOO_LARGE);
	offer(&v4, DROP, JT_ABOARD);
	offer(&s, PASS, JT_REASON_OVERTOOK);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "aboard", test_aboard }, { "two peers", test_two_peers },
	{ "not ours", test_not_ours },
	{ "addresses are learned", test_addresses_are_learned },
	{ "strict guest", test_strict_guest },
	{ "MAC of the first packet", test_mac_of_the_first_packet },
	{ "spoofed MAC", test_spoofed_mac }, { "spoofed IP", test_spoofed_ip },
	{ "every echo is checked", test_every_echo_is_checked }, { "no peer", test_no_peer },
	{ "peer down", test_peer_down }, { "stale", test_stale },
	{ "too large", test_too_large }, { "does not fit", test_does_not_fit },
	{ "large behind small", test_large_behind_small },
	{ "small behind large", test_small_behind_large },
	{ "cut-through", test_cut_through },
	{ "cut-through keeps order", test_cut_through_keeps_order },
	{ "page full", test_page_full }, { "local", test_local },
	{ "no room", test_no_room }, { "wakes the controller", test_wakes_the_controller },
	{ "tells the threshold", test_tells_the_threshold },
	{ "fragments of memory", test_fragments_of_memory },
};

int main(int argc, char **argv)
{
	size_t i;

	harness_open(&h, argc > 1 ? argv[1] : HARNESS_OBJECT);
	for (i = 0; i < 2 * sizeof(tests) / sizeof(tests[0]); i++) {
		tc = i & 1;
		harness_reset(&h);
		tests[i / 2].run();
		printf("ok - %s: %s\n", tc ? "jitney_vif_tcx" : "jitney_vif", tests[i / 2].name);
	}
	harness_close(&h);
	return 0;
}

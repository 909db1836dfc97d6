// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The vif's worker: whose addresses a packet bears, and where it may go.
 * Every test runs through the XDP and the tcx entry point.
 */
#include "vif.h"

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
}

/* What a peer had announced has moved here, perhaps: not carried, not dropped either. */
static void test_address_taken(void)
{
	__u8 mac[8] = {}, ip[16];

	known(&v4);
	packet_mac(mac, 1, 1);
	address_learned(&h, JT_FAMILY_MAC, mac, JT_PLACE_PEER, PEER_ONE);
	offer(&v4, PASS, JT_REASON_ADDRESS_TAKEN);
	known(&v4);
	packet_address(ip, 4, 1, 1);
	address_learned(&h, JT_FAMILY_IPV4, ip, JT_PLACE_PEER, PEER_ONE);
	address_learned(&h, JT_FAMILY_MAC, mac, JT_PLACE_GUEST, GUEST_ONE);
	memcpy(&h.guests[GUEST_ONE].mac, mac, 8);
	offer(&v4, PASS, JT_REASON_ADDRESS_TAKEN);
}

/* One guest can't fill the table of all. */
static void test_learned_limit(void)
{
	h.guests[GUEST_ONE].learned = JT_LEARNED_MAX - 1;
	addresses_of(&h, &v4, 0, JT_PLACE_PEER, PEER_ONE);
	/* The MAC is the last that it may teach. */
	offer(&v4, PASS, JT_REASON_NO_ROOM);
	CHECK(h.guests[GUEST_ONE].learned == JT_LEARNED_MAX);
}

/* Frames of Jitney's own that a guest makes up in another machine's name. */
static void test_forged_frame(void)
{
	struct packet p;

	known(&v4);
	packet_make(&p, &v4);
	put16(p.bytes + 12, ntohs(h.control->ethertype));
	CHECK(show(&p) == PASS); /* in its own name */
	p.bytes[11]++;
	CHECK(show(&p) == DROP);
	CHECK(h.guests[GUEST_ONE].reasons[JT_REASON_SPOOFED_MAC] == 1);
	p.bytes[0] |= 1; /* to all machines */
	CHECK(show(&p) == DROP);
	CHECK(h.guests[GUEST_ONE].reasons[JT_REASON_SPOOFED_MAC] == 2);
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
	const struct packet_spec echo6 = {
		.family = 6, .protocol = 58, .first = 128, .length = 9, .vlan = true
	};
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

static const struct vif_test tests[] = {
	{ "addresses are learned", test_addresses_are_learned },
	{ "strict guest", test_strict_guest },
	{ "MAC of the first packet", test_mac_of_the_first_packet },
	{ "spoofed MAC", test_spoofed_mac },
	{ "address taken", test_address_taken },
	{ "learned limit", test_learned_limit },
	{ "forged frame", test_forged_frame },
	{ "spoofed IP", test_spoofed_ip },
	{ "every echo is checked", test_every_echo_is_checked },
	{ "local", test_local },
	{ "no room", test_no_room },
};

int main(int argc, char **argv)
{
	return vif_tests_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}

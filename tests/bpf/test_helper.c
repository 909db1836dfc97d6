// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Frames at the uplink that are for one guest with a helper go to its vif, and
 * no other frame does: the controller takes those.
 */
#include "harness.h"

static struct harness h;
static bool tc;
static struct frame records;
static __u32 templates;

static void begin(void)
{
	memset(&records, 0, sizeof(records));
	templates = 0;
}

static void add(__u8 kind, __u8 flags, __u8 to)
{
	__u8 bytes[JT_TEMPLATE_MAX];
	__u32 size = template_bytes(bytes, kind, flags, 0, 64);

	packet_mac(bytes + 4, 2, to);
	if (kind == JT_TEMPLATE_UDP4)
		packet_address(bytes + 24, 4, 2, to);
	else if (kind == JT_TEMPLATE_UDP6)
		packet_address(bytes + 40, 6, 2, to);
	frame_template(&records, ++templates, bytes, size);
	frame_record(&records, templates, 5, 0x1234, "hello");
}

/* From peer one. @vif: it goes there; else to the controller. */
static void expect(bool vif)
{
	struct frame f;
	struct run r;

	h.peers[PEER_ONE].mixed_ns = 0;
	frame_guest(&f, &records, 0, 7);
	packet_mac(f.bytes, 9, 9);
	packet_mac(f.bytes + 6, 1, 5);
	f.bytes[14] = 0x11;
	put16(f.bytes + 22, JT_GUEST_MANY);
	put16(f.bytes + 24, 1);
	r = tc ? run_tc(h.uplink_tcx, f.bytes, f.length, 1) :
		 run_xdp(h.uplink, f.bytes, f.length, 1);
	CHECK(!r.changed);
	CHECK(r.verdict == (vif ? (tc ? 7 : 4) : (tc ? 2 : 1)));
	CHECK(frames_count(NULL) == !vif);
}

static void claim(__u32 guest, bool on)
{
	struct jt_claim c = { .guest = guest, .port = htons(5000) };
	__u32 one = 1;

	if (on)
		CHECK(!bpf_map_update_elem(h.claims, &c, &one, BPF_ANY));
	else
		bpf_map_delete_elem(h.claims, &c);
}

static void setup(void)
{
	const struct packet_spec other4 = { .family = 4, .to = 3 };
	const struct packet_spec v4 = { .family = 4 }, v6 = { .family = 6 };
	__u8 mac[6];

	harness_reset(&h);
	h.control->flags = JT_CONTROL_HELPERS;
	claim(GUEST_ONE, true);
	claim(GUEST_OTHER, true);
	h.guests[GUEST_ONE].flags = h.guests[GUEST_OTHER].flags = JT_GUEST_HELPER;
	addresses_of(&h, &v4, 0, JT_PLACE_GUEST, GUEST_ONE);
	addresses_of(&h, &v6, 0, JT_PLACE_GUEST, GUEST_ONE);
	addresses_of(&h, &other4, 0, JT_PLACE_GUEST, GUEST_OTHER);
	packet_mac(mac, 1, 5);
	address_add(&h, JT_FAMILY_MAC, JT_SCOPE_PEER, mac, JT_PLACE_PEER, PEER_ONE);
	begin();
}

static void test_one_guest(void)
{
	add(JT_TEMPLATE_UDP4, 0, 2);
	expect(true);
	add(JT_TEMPLATE_UDP6, 0, 2);
	expect(true);
	add(JT_TEMPLATE_UDP4, JT_TEMPLATE_VLAN, 2);
	frame_padding(&records, 9);
	expect(true);
	h.control->flags = 0;
	expect(false);
	h.control->flags = JT_CONTROL_HELPERS;
	h.guests[GUEST_ONE].flags = JT_GUEST_SWITCH;
	expect(false);
	h.guests[GUEST_ONE].flags = JT_GUEST_HELPER;
	h.guests[GUEST_ONE].ifindex = 0;
	expect(false);
}

/* A port that nobody has claimed, or only another guest's helper. */
static void test_claims(void)
{
	add(JT_TEMPLATE_UDP4, 0, 2);
	expect(true);
	claim(GUEST_ONE, false);
	expect(false);
	claim(GUEST_ONE, true);
	expect(true);
}

/* No frame overtakes one that has gone to the controller lately. */
static void test_order(void)
{
	struct jt_peer *peer = &h.peers[PEER_ONE];
	struct frame f;

	add(JT_TEMPLATE_UDP4, 0, 4); /* nobody's */
	expect(false);
	CHECK(peer->mixed_ns);
	begin();
	add(JT_TEMPLATE_UDP4, 0, 2);
	frame_guest(&f, &records, 0, 7);
	packet_mac(f.bytes, 9, 9);
	packet_mac(f.bytes + 6, 1, 5);
	f.bytes[14] = 0x11;
	put16(f.bytes + 24, 1);
	CHECK((tc ? run_tc(h.uplink_tcx, f.bytes, f.length, 1) :
		    run_xdp(h.uplink, f.bytes, f.length, 1))
		      .verdict == (tc ? 2 : 1));
	/* Nor one that the controller has not handed over yet, however long ago that was. */
	peer->mixed_ns -= 100000001;
	CHECK((tc ? run_tc(h.uplink_tcx, f.bytes, f.length, 1) :
		    run_xdp(h.uplink, f.bytes, f.length, 1))
		      .verdict == (tc ? 2 : 1));
	CHECK(frames_count(NULL) == 2);
	CHECK((tc ? run_tc(h.uplink_tcx, f.bytes, f.length, 1) :
		    run_xdp(h.uplink, f.bytes, f.length, 1))
		      .verdict == (tc ? 7 : 4));
	/* The same with frames that went to its AF_XDP socket. */
	h.control->sockets_given++;
	CHECK((tc ? run_tc(h.uplink_tcx, f.bytes, f.length, 1) :
		    run_xdp(h.uplink, f.bytes, f.length, 1))
		      .verdict == (tc ? 2 : 1));
	CHECK(frames_count(NULL) == 1);
	h.control->sockets_handed = h.control->sockets_given;
	CHECK((tc ? run_tc(h.uplink_tcx, f.bytes, f.length, 1) :
		    run_xdp(h.uplink, f.bytes, f.length, 1))
		      .verdict == (tc ? 7 : 4));
}

/* A frame for a helper that comes past its controller could say anything. */
static void test_astray(void)
{
	struct jt_control *c = h.control;
	struct frame f;
	struct run r;
	__u64 own = 0;

	packet_mac((__u8 *)&own, 9, 9);
	c->mac = own;
	add(JT_TEMPLATE_UDP4, 0, 2);
	frame_guest(&f, &records, 0, 7);
	packet_mac(f.bytes, 2, 2); /* guest one's */
	packet_mac(f.bytes + 6, 1, 5);
	f.bytes[14] = 0x11;
	put16(f.bytes + 24, 1);
	r = tc ? run_tc(h.uplink_tcx, f.bytes, f.length, 1) :
		 run_xdp(h.uplink, f.bytes, f.length, 1);
	CHECK(r.verdict == (tc ? 2 : 1));
	CHECK(c->reasons[JT_REASON_FRAME_ASTRAY] == 1);
	h.guests[GUEST_ONE].flags = JT_GUEST_SWITCH;
	r = tc ? run_tc(h.uplink_tcx, f.bytes, f.length, 1) :
		 run_xdp(h.uplink, f.bytes, f.length, 1);
	CHECK(r.verdict == (tc ? -1 : 2));
	c->mac = 0;
}

static void test_each_kind_alone(void)
{
	add(JT_TEMPLATE_UDP6, 0, 2);
	expect(true);
	begin();
	add(JT_TEMPLATE_UDP4, JT_TEMPLATE_VLAN, 2);
	expect(true);
	begin();
	add(JT_TEMPLATE_ETHERNET, 0, 2);
	expect(false);
}

static void test_two_guests(void)
{
	add(JT_TEMPLATE_UDP4, 0, 3);
	expect(true);
	add(JT_TEMPLATE_UDP4, 0, 2);
	expect(false);
	begin();
	add(JT_TEMPLATE_UDP4, 0, 2);
	add(JT_TEMPLATE_UDP4, 0, 4); /* nobody's */
	expect(false);
	begin();
	add(JT_TEMPLATE_UDP4, 0, 4);
	expect(false);
}

static void test_sources(void)
{
	__u8 mac[6], ip[16];

	add(JT_TEMPLATE_UDP4, 0, 2);
	packet_mac(mac, 1, 1);
	packet_address(ip, 4, 1, 1);
	address_add(&h, JT_FAMILY_MAC, JT_SCOPE_GUEST, mac, JT_PLACE_PEER, PEER_OTHER);
	expect(false);
	address_add(&h, JT_FAMILY_MAC, JT_SCOPE_GUEST, mac, JT_PLACE_PEER, PEER_ONE);
	expect(true);
	address_add(&h, JT_FAMILY_IPV4, JT_SCOPE_GUEST, ip, JT_PLACE_PEER, PEER_OTHER);
	expect(false);
	address_add(&h, JT_FAMILY_IPV4, JT_SCOPE_GUEST, ip, JT_PLACE_GUEST, GUEST_OTHER);
	expect(false);
	address_add(&h, JT_FAMILY_IPV4, JT_SCOPE_GUEST, ip, JT_PLACE_PEER, PEER_ONE);
	expect(true);
}

/* By IP address where the MAC is nobody's, but not if it was merely learned. */
static void test_by_ip(void)
{
	__u8 ip[16];

	add(JT_TEMPLATE_UDP4, 0, 8);
	packet_address(ip, 4, 2, 8);
	address_learned(&h, JT_FAMILY_IPV4, ip, JT_PLACE_GUEST, GUEST_ONE);
	expect(false);
	address_add(&h, JT_FAMILY_IPV4, JT_SCOPE_GUEST, ip, JT_PLACE_GUEST, GUEST_ONE);
	expect(true);
}

/* What is not sound is the controller's, who says why. */
static void test_malformed(void)
{
	struct frame whole;
	__u32 n;

	add(JT_TEMPLATE_UDP4, 0, 2);
	add(JT_TEMPLATE_UDP6, 0, 2);
	whole = records;
	for (n = 0; n < whole.length; n++) {
		records.length = n;
		if (n != 44) /* the first message's end */
			expect(false);
	}
	records = whole;
	records.bytes[2] = 2; /* its message's template is unknown, and 2 is there twice */
	expect(false);
	records = whole;
	records.bytes[44 + 2] = 1; /* twice, and all messages use it */
	put16(records.bytes + 44 + 60, 1 << 11 | 5);
	expect(false);
	records = whole;
	frame_bytes(&records, "\0\0\0\0", 4);
	expect(false);
	records = whole;
	records.bytes[5] = 4;
	expect(false);
	records = whole;
	expect(true);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "one guest", test_one_guest },   { "each kind alone", test_each_kind_alone },
	{ "two guests", test_two_guests }, { "sources", test_sources },
	{ "by IP", test_by_ip },	   { "malformed", test_malformed },
	{ "astray", test_astray },	   { "claims", test_claims },
	{ "order", test_order },
};

int main(int argc, char **argv)
{
	size_t i;

	harness_open(&h, argc > 1 ? argv[1] : HARNESS_OBJECT);
	for (i = 0; i < 2 * sizeof(tests) / sizeof(tests[0]); i++) {
		tc = i & 1;
		setup();
		tests[i / 2].run();
		printf("ok - %s, helper: %s\n", tc ? "jitney_uplink_tcx" : "jitney_uplink",
		       tests[i / 2].name);
	}
	harness_close(&h);
	return 0;
}

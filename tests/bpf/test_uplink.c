// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The uplink's program: which frames are Jitney's, whose, whether they are
 * sound, where they go, and what is counted of them.
 */
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>
#include "harness.h"

/* TAKEN: handed to the controller, by socket or ring buffer. */
enum outcome { PASS, DROP, TAKEN, SWITCH };

/* Ways to run a test: XDP with a socket on the queue, without one, and tcx. */
enum way { SOCKET, RING, TCX, WAYS };
static enum way way;

/* An outer header and a Jitney header; the records do not matter here. */
struct outer {
	int family; /* 0: Ethernet alone */
	__u8 peer;
	__u8 version, type, flags;
	__u16 length; /* of the records */
	int declared; /* what the header says of it, if not 0 */
	__u32 sequence;
	__u16 guest, session;
	__u8 protocol; /* of IP; 0: UDP */
	__u16 port;    /* 0: Jitney's */
	__u16 frag;
	__u16 ethertype;
};

static struct harness h;
static int socket_fd = -1;

static __u32 outer_make(__u8 *at, const struct outer *o)
{
	struct packet_spec ip = { .family = o->family,
				  .length = 12U + o->length,
				  .from = o->peer,
				  .dest_port = o->port ? o->port : JT_UDP_PORT_DEFAULT,
				  .protocol = o->protocol,
				  .frag = o->frag };
	struct packet p;
	__u8 *start = at;

	if (o->family) {
		packet_make(&p, &ip);
		memcpy(at, p.bytes, p.length);
		at += p.length - ip.length;
	} else {
		packet_mac(at, 2, 2);
		packet_mac(at + 6, 1, o->peer);
		put16(at + 12, o->ethertype ? o->ethertype : JT_ETHERTYPE_DEFAULT);
		at += 14;
	}
	at[0] = (__u8)((o->version ? o->version : 1) << 4 | (o->type ? o->type : JT_FRAME_DATA));
	at[1] = o->flags;
	put16(at + 2, o->declared ? (__u32)o->declared : o->length);
	put32(at + 4, o->sequence);
	put16(at + 8, o->guest ? o->guest : JT_GUEST_MANY);
	put16(at + 10, o->session ? o->session : 0x1234);
	at += 12;
	memset(at, 0x5a, o->length);
	return (__u32)(at - start) + o->length;
}

static void show(const __u8 *bytes, __u32 length, enum outcome outcome)
{
	static const int verdicts[WAYS][4] = {
		[SOCKET] = { 2, 1, 4, 4 }, /* XDP_PASS, _DROP, _REDIRECT */
		[RING] = { 2, 1, 1, 4 },
		[TCX] = { -1, 2, 2, 7 }, /* TC_ACT_UNSPEC, _SHOT, _REDIRECT */
	};
	struct run r = way == TCX ? run_tc(h.uplink_tcx, bytes, length, 1) :
				    run_xdp(h.uplink, bytes, length, 1);
	/* What is longer than a socket's chunk goes another way. */
	int by = way == SOCKET && length > h.control->geometry.extent_size - 256 ? RING : way;
	bool ring = outcome == TAKEN && by != SOCKET;
	struct frame frame;

	CHECK(!r.changed);
	if (r.verdict != verdicts[by][outcome])
		fprintf(stderr, "verdict %d instead of %d\n", r.verdict, verdicts[by][outcome]);
	CHECK(r.verdict == verdicts[by][outcome]);
	CHECK(frames_count(&frame) == ring);
	if (ring)
		CHECK(frame.length == length && !memcmp(frame.bytes, bytes, length));
}

static void expect_reasons(const __u64 *reasons, const __u64 *before, int reason)
{
	int i;

	for (i = 1; i < JT_REASON_COUNT; i++) {
		if (reasons[i] == before[i] + (i == reason))
			continue;
		fprintf(stderr, "expected %s; %s was counted %llu times\n", jt_reasons[reason].name,
			jt_reasons[i].name, reasons[i] - before[i]);
		exit(1);
	}
}

/* Counted for the peer: @reason, and the frame if it is a sound one with data. */
static void from_peer(const struct outer *o, enum outcome outcome, int reason)
{
	struct jt_peer before = h.peers[PEER_ONE], *peer = &h.peers[PEER_ONE];
	__u64 reasons[JT_REASON_COUNT];
	__u8 bytes[4096];
	__u32 length = outer_make(bytes, o);
	bool data = !reason && o->type != JT_FRAME_HELLO;

	memcpy(reasons, h.control->reasons, sizeof(reasons));
	show(bytes, length, outcome);
	expect_reasons(peer->reasons, before.reasons, reason);
	expect_reasons(h.control->reasons, reasons, 0);
	CHECK(peer->received_frames == before.received_frames + data);
	CHECK(peer->received_bytes == before.received_bytes + (data ? length : 0));
}

/* From no peer: counted for the machine, or not at all. */
static void from_stranger(const struct outer *o, enum outcome outcome, int reason)
{
	struct jt_peer before = h.peers[PEER_ONE];
	__u64 reasons[JT_REASON_COUNT];
	__u8 bytes[4096];
	__u32 length = outer_make(bytes, o);

	memcpy(reasons, h.control->reasons, sizeof(reasons));
	show(bytes, length, outcome);
	expect_reasons(h.control->reasons, reasons, reason);
	CHECK(!memcmp(&before, &h.peers[PEER_ONE], sizeof(before)));
}

static void peer_is(const struct outer *o)
{
	__u8 bytes[16];

	if (!o->family) {
		packet_mac(bytes, 1, o->peer);
		address_add(&h, JT_FAMILY_MAC, JT_SCOPE_PEER, bytes, JT_PLACE_PEER, PEER_ONE);
		return;
	}
	packet_address(bytes, o->family, 1, o->peer);
	address_add(&h, o->family == 4 ? JT_FAMILY_IPV4 : JT_FAMILY_IPV6, JT_SCOPE_PEER, bytes,
		    JT_PLACE_PEER, PEER_ONE);
}

static void socket_open(void)
{
	__u32 queue = 0, entries = 64;

	socket_fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	CHECK(socket_fd >= 0);
	CHECK(!setsockopt(socket_fd, SOL_XDP, XDP_RX_RING, &entries, sizeof(entries)));
	CHECK(!bpf_map_update_elem(h.xsks, &queue, &socket_fd, BPF_ANY));
}

static void socket_close(void)
{
	__u32 queue = 0;

	bpf_map_delete_elem(h.xsks, &queue);
	close(socket_fd);
}

static void test_known_peer(void)
{
	const struct outer o = { .peer = 5, .length = 100, .sequence = 1 };
	const struct outer empty = { .peer = 5, .length = 0, .sequence = 2 };

	peer_is(&o);
	h.control->sockets_given = 0;
	from_peer(&o, TAKEN, 0);
	from_peer(&empty, TAKEN, 0);
	CHECK(h.control->sockets_given == (way == SOCKET ? 2 : 0));
}

/* The frame's end may be behind its own: Ethernet pads. */
static void test_padded(void)
{
	struct outer o = { .peer = 5, .length = 46, .declared = 3 };

	peer_is(&o);
	from_peer(&o, TAKEN, 0);
}

/* Nobody takes the frames out of the ring buffer: data leaves room for words. */
static void test_ring_full(void)
{
	const struct outer o = { .peer = 5, .length = 10 };
	const struct outer word = { .peer = 5, .type = JT_FRAME_HELLO, .length = 10 };
	struct jt_peer *peer = &h.peers[PEER_ONE];
	__u32 i, n = JT_FRAMES_SIZE / JT_EXTENT_SIZE_MIN + 10, length;
	__u64 full;
	__u8 bytes[4096];

	peer_is(&o);
	if (way == SOCKET) {
		from_peer(&o, TAKEN, 0); /* a socket's rings are not the program's */
		return;
	}
	length = outer_make(bytes, &o);
	for (i = 0; i < n; i++)
		CHECK(run_xdp(h.uplink, bytes, length, 1).verdict == 1);
	CHECK(peer->reasons[JT_REASON_RING_FULL] > 0);
	CHECK(peer->received_frames == n);
	full = peer->reasons[JT_REASON_RING_FULL];
	length = outer_make(bytes, &word);
	CHECK(run_xdp(h.uplink, bytes, length, 1).verdict == 1);
	CHECK(peer->reasons[JT_REASON_RING_FULL] == full);
	CHECK(frames_count(NULL) + full == n + 1);
	from_peer(&o, TAKEN, 0);
}

/* Frames of all lengths, on both sides of the two sizes of ring records. */
static void test_lengths(void)
{
	static const __u16 lengths[] = { 0, 1, 1474, 2021, 2022, 2023, 3400 };
	struct outer o = { .peer = 5 };
	size_t i;

	peer_is(&o);
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		o.length = lengths[i];
		from_peer(&o, TAKEN, 0);
	}
}

static void test_unknown_peer(void)
{
	struct outer o = { .peer = 9, .length = 10 };
	const struct outer peer = { .peer = 5 };
	__u8 mac[6];

	peer_is(&peer);
	from_stranger(&o, PASS, JT_REASON_UNKNOWN_PEER);
	o.version = 7; /* nor is it looked at any further */
	from_stranger(&o, PASS, JT_REASON_UNKNOWN_PEER);
	/* A guest's address is none of a machine. */
	packet_mac(mac, 1, 9);
	address_add(&h, JT_FAMILY_MAC, JT_SCOPE_GUEST, mac, JT_PLACE_PEER, PEER_ONE);
	from_stranger(&o, PASS, JT_REASON_UNKNOWN_PEER);
	address_add(&h, JT_FAMILY_MAC, JT_SCOPE_PEER, mac, JT_PLACE_PEER, JT_PEERS_MAX);
	from_stranger(&o, PASS, JT_REASON_UNKNOWN_PEER);
	address_add(&h, JT_FAMILY_MAC, JT_SCOPE_PEER, mac, JT_PLACE_GUEST, PEER_ONE);
	from_stranger(&o, PASS, JT_REASON_UNKNOWN_PEER);
}

static void test_discover(void)
{
	struct outer o = { .peer = 9, .length = 24, .type = JT_FRAME_HELLO };

	from_stranger(&o, PASS, JT_REASON_UNKNOWN_PEER);
	h.control->flags = JT_CONTROL_DISCOVER;
	from_stranger(&o, TAKEN, 0);
	o.declared = 25; /* only sound ones */
	from_stranger(&o, PASS, JT_REASON_UNKNOWN_PEER);
	o.declared = 0;
	o.type = JT_FRAME_DATA;
	from_stranger(&o, PASS, JT_REASON_UNKNOWN_PEER);
	o.type = JT_FRAME_HELLO;
}

static void test_legacy(void)
{
	const struct outer other_type = { .peer = 5, .length = 40, .ethertype = 0x88b6 };
	const struct packet_spec udp = { .family = 4, .length = 30, .from = 5 };
	const struct outer peer = { .peer = 5 };
	struct packet p;

	peer_is(&peer);
	from_stranger(&other_type, PASS, 0);
	packet_make(&p, &udp);
	show(p.bytes, p.length, PASS);
	h.control->magic = 0;
	from_stranger(&(struct outer){ .peer = 5, .length = 9 }, PASS, 0);
	h.control->magic = JT_MAGIC;
	h.control->ethertype = htons(0x88b6);
	from_peer(&other_type, TAKEN, 0);
}

static void test_bad_headers(void)
{
	struct outer o = { .peer = 5, .length = 20 };

	peer_is(&o);
	for (o.version = 2; o.version < 16; o.version++)
		from_peer(&o, DROP, JT_REASON_FRAME_VERSION);
	o.version = 1;
	o.flags = 0x80;
	from_peer(&o, DROP, JT_REASON_FRAME_VERSION);
	o.flags = 0;
	for (o.type = 3; o.type < 16; o.type++)
		from_peer(&o, DROP, JT_REASON_FRAME_TYPE);
	o.type = JT_FRAME_DATA;
	o.declared = 21;
	from_peer(&o, DROP, JT_REASON_FRAME_LENGTH);
	o.declared = 65535;
	from_peer(&o, DROP, JT_REASON_FRAME_LENGTH);
	o.type = JT_FRAME_HELLO;
	from_peer(&o, DROP, JT_REASON_FRAME_LENGTH);
}

/* Cut at every length: too short for its header, then for what that says. */
static void test_cut(void)
{
	struct outer o = { .peer = 5, .length = 60 };
	struct jt_peer *peer = &h.peers[PEER_ONE];
	__u32 length, n;
	__u8 bytes[4096];

	peer_is(&o);
	length = outer_make(bytes, &o);
	for (n = length - 1; n >= 15; n--)
		show(bytes, n, DROP);
	CHECK(peer->reasons[JT_REASON_FRAME_LENGTH] == 60);
	CHECK(peer->reasons[JT_REASON_FRAME_SHORT] == 11);
	CHECK(peer->received_frames == 0);
}

static void sequence(__u32 number, __u16 session, __u64 lost, __u64 late)
{
	struct outer o = { .peer = 5, .length = 8, .sequence = number, .session = session };

	from_peer(&o, TAKEN, 0);
	if (h.peers[PEER_ONE].received_lost != lost || h.peers[PEER_ONE].received_late != late)
		fprintf(stderr, "sequence %x: lost %llu, late %llu\n", number,
			h.peers[PEER_ONE].received_lost, h.peers[PEER_ONE].received_late);
	CHECK(h.peers[PEER_ONE].received_lost == lost);
	CHECK(h.peers[PEER_ONE].received_late == late);
}

static void test_sequence(void)
{
	peer_is(&(struct outer){ .peer = 5 });
	sequence(1000, 1, 0, 0); /* the first: nothing was expected */
	sequence(1001, 1, 0, 0);
	sequence(1005, 1, 3, 0);
	sequence(1003, 1, 3, 1);
	sequence(1005, 1, 3, 2); /* twice */
	sequence(1006, 1, 3, 2);
	sequence(7, 2, 3, 2); /* the peer started again */
	sequence(9, 2, 4, 2);
	sequence(0xffffffff, 3, 4, 2);
	sequence(0, 3, 4, 2); /* the wrap */
	sequence(2, 3, 5, 2);
	sequence(0xffffffff, 3, 5, 3);
	/* Hellos have no number. */
	from_peer(&(struct outer){ .peer = 5, .length = 24, .type = JT_FRAME_HELLO }, TAKEN, 0);
	sequence(3, 3, 5, 3);
}

static void test_udp(int family)
{
	struct outer o = { .family = family, .peer = 5, .length = 40 };

	peer_is(&o);
	from_stranger(&o, PASS, 0); /* not asked for */
	h.control->udp_port = htons(JT_UDP_PORT_DEFAULT);
	from_peer(&o, TAKEN, 0);
	o.declared = 41;
	from_peer(&o, DROP, JT_REASON_FRAME_LENGTH);
	o.declared = 0;
	o.peer = 6;
	from_stranger(&o, PASS, JT_REASON_UNKNOWN_PEER);
	o.peer = 5;
	o.port = 9;
	from_stranger(&o, PASS, 0);
	o.port = 0;
	o.protocol = 6;
	from_stranger(&o, PASS, 0);
	o.protocol = 0;
	if (family == 6)
		return;
	o.frag = 0x2000;
	from_stranger(&o, PASS, 0);
	o.frag = 0x4000;
	from_peer(&o, TAKEN, 0);
}

static void test_udp4(void)
{
	test_udp(4);
}

static void test_udp6(void)
{
	test_udp(6);
}

static void test_udp_cut(void)
{
	const struct outer o = { .family = 6, .peer = 5, .length = 30 };
	struct jt_peer *peer = &h.peers[PEER_ONE];
	__u32 n, length;
	__u8 bytes[4096];

	peer_is(&o);
	h.control->udp_port = htons(JT_UDP_PORT_DEFAULT);
	length = outer_make(bytes, &o);
	/* BPF_PROG_TEST_RUN takes no skb without its whole IP header. */
	for (n = length - 1; n >= (way == TCX ? 54 : 15); n--)
		show(bytes, n, n >= 14 + 40 + 8 ? DROP : PASS);
	CHECK(peer->reasons[JT_REASON_FRAME_LENGTH] == 30);
	CHECK(peer->reasons[JT_REASON_FRAME_SHORT] == 12);
}

/* What a sender says of this machine's guests in the header counts for nothing. */
static void test_hint(void)
{
	const struct outer o = { .peer = 5, .length = 40, .guest = GUEST_OTHER };
	const struct outer hello = {
		.peer = 5, .length = 24, .type = JT_FRAME_HELLO, .guest = GUEST_OTHER
	};

	peer_is(&o);
	h.guests[GUEST_OTHER].flags = JT_GUEST_HELPER;
	from_peer(&o, TAKEN, 0);
	h.control->flags = JT_CONTROL_HELPERS;
	from_peer(&o, TAKEN, 0);
	from_peer(&hello, TAKEN, 0);
}

/* Random bytes behind the addresses: some verdict, and every frame counted once. */
static void test_random_frames(void)
{
	struct outer o = { .peer = 5, .length = 60 };
	struct jt_peer *peer = &h.peers[PEER_ONE];
	__u64 counted = 0;
	__u32 i, j, seed = 6, n = 5000, length;
	__u8 bytes[4096];

	peer_is(&o);
	for (i = 0; i < n; i++) {
		length = outer_make(bytes, &o) - test_random(&seed) % 60;
		for (j = 14; j < length; j++)
			bytes[j] = (__u8)test_random(&seed);
		if (i & 1)
			bytes[14] = 0x11;
		(way == TCX ? run_tc : run_xdp)(way == TCX ? h.uplink_tcx : h.uplink, bytes, length,
						1);
		frames_count(NULL);
	}
	for (i = 1; i < JT_REASON_COUNT; i++)
		counted += peer->reasons[i];
	CHECK(counted + peer->received_frames == n);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "known peer", test_known_peer },
	{ "padded", test_padded },
	{ "ring full", test_ring_full },
	{ "lengths", test_lengths },
	{ "unknown peer", test_unknown_peer },
	{ "discover", test_discover },
	{ "legacy", test_legacy },
	{ "bad headers", test_bad_headers },
	{ "cut", test_cut },
	{ "sequence", test_sequence },
	{ "UDP over IPv4", test_udp4 },
	{ "UDP over IPv6", test_udp6 },
	{ "UDP, cut", test_udp_cut },
	{ "hint", test_hint },
	{ "random frames", test_random_frames },
};

int main(int argc, char **argv)
{
	static const char *const ways[] = { "socket", "ring buffer", "tcx" };
	size_t i;

	harness_open(&h, argc > 1 ? argv[1] : HARNESS_OBJECT);
	for (way = 0; way < WAYS; way++) {
		if (way == SOCKET)
			socket_open();
		for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
			harness_reset(&h);
			tests[i].run();
			printf("ok - jitney_uplink, %s: %s\n", ways[way], tests[i].name);
		}
		if (way == SOCKET)
			socket_close();
	}
	harness_close(&h);
	return 0;
}

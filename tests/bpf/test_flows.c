// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The table of flows: sets that are full, places that are given away, and that a
 * place never lends one flow's route to another, also while two CPUs give away
 * the same ones. Every test runs through the XDP and the tcx entry point.
 */
#include <linux/bpf.h>
#include <pthread.h>
#include <sys/random.h>
#include "vif.h"

#define RIVALS (2 * JT_FLOW_WAYS)
#define ROUNDS 20000
#define LONG_NS 1000000000000ULL /* than any machine may take for what follows */

/* Packets of one set's flows, from one guest to one destination. */
struct side {
	__u32 ifindex;
	struct packet packets[RIVALS];
};

static __u32 set_of(const struct packet *p, __u32 guest)
{
	struct jt_parsed parsed;

	if (packet_parse(p->bytes, p->length, &parsed))
		return ~0U; /* a tunnel's port */
	parsed.key.guest = guest;
	return jt_flow_set(jt_flow_hash(&parsed.key, h.control->seed));
}

/* As the first one found: by their ports. */
static void side_make(struct side *side, struct packet_spec s, __u32 guest, __u32 ifindex)
{
	__u32 n = 0, port;

	side->ifindex = ifindex;
	for (port = 1; n < RIVALS; port++) {
		CHECK(port < 65536);
		s.source_port = (__u16)port;
		packet_make(&side->packets[n], &s);
		n += set_of(&side->packets[n], guest) == set_of(&side->packets[0], guest);
	}
}

static __u32 crowd_count(void)
{
	struct jt_flow_key key, *before = NULL;
	__u32 n = 0;

	for (; !bpf_map_get_next_key(h.crowded, before, &key); before = &key)
		n++;
	return n;
}

static void aboard(const struct packet *p)
{
	__u64 messages = h.guests[GUEST_ONE].messages;

	CHECK(show(p) == DROP && h.guests[GUEST_ONE].messages == messages + 1);
}

/* Also on a machine that has just started. */
static __u64 long_ago(void)
{
	return now_ns() - 2 * LONG_NS;
}

/* An unknown seed, places that were free for long, and flows that stay aboard. */
static void begin(void)
{
	__u32 i;

	for (i = 0; i < JT_FLOW_SETS * JT_FLOW_WAYS; i++)
		h.flows[i].flow.aboard_ns = long_ago();
	CHECK(getrandom(h.control->seed, sizeof(h.control->seed), 0) == sizeof(h.control->seed));
	h.control->latency_ns = LONG_NS;
}

/* Who is aboard keeps its place; who finds none is carried all the same. */
static void test_crowded(void)
{
	struct side side;
	__u32 i;

	begin();
	known(&v4);
	side_make(&side, v4, GUEST_ONE, HARNESS_VIF);
	for (i = 0; i < 3 * RIVALS; i++)
		aboard(&side.packets[i % RIVALS]);
	for (i = 0; i < RIVALS; i++)
		CHECK(!flow_at(&h, &side.packets[i], GUEST_ONE) == (i >= JT_FLOW_WAYS));
	CHECK(crowd_count() == RIVALS - JT_FLOW_WAYS);
	for (i = 0; i < JT_FLOW_WAYS; i++)
		CHECK(flow_at(&h, &side.packets[i], GUEST_ONE)->messages == 3);
	CHECK(JT_EXTENT_PEER(h.extents[0].word) == PEER_ONE);
}

/* A quiet one's place is given away, and it gets another one. */
static void test_quiet(void)
{
	struct jt_flow *flow;
	struct side side;
	__u32 i;

	begin();
	known(&v4);
	side_make(&side, v4, GUEST_ONE, HARNESS_VIF);
	for (i = 0; i < JT_FLOW_WAYS; i++)
		aboard(&side.packets[i]);
	flow = flow_at(&h, &side.packets[2], GUEST_ONE);
	flow->aboard_ns = long_ago();
	flow->legacy_until_ns = now_ns() + LONG_NS; /* not as good as new */
	aboard(&side.packets[JT_FLOW_WAYS]);
	CHECK(crowd_count() == 1 && flow == flow_at(&h, &side.packets[2], GUEST_ONE));
	flow->legacy_until_ns = 0;
	aboard(&side.packets[JT_FLOW_WAYS + 1]);
	CHECK(flow == flow_at(&h, &side.packets[JT_FLOW_WAYS + 1], GUEST_ONE));
	CHECK(flow->messages == 1 && crowd_count() == 1);
	aboard(&side.packets[2]);
	CHECK(crowd_count() == 2);
}

/* Out of date by a generation: the flow keeps its place, and what is known of it. */
static void test_generation(void)
{
	struct jt_flow *flow;
	struct packet p;

	begin();
	known(&v4);
	packet_make(&p, &v4);
	aboard(&p);
	flow = flow_at(&h, &p, GUEST_ONE);
	h.control->generation++;
	addresses_of(&h, &v4, GUEST_ONE, JT_PLACE_PEER, PEER_OTHER);
	aboard(&p);
	CHECK(flow == flow_at(&h, &p, GUEST_ONE) && flow->messages == 2);
	CHECK(JT_ROUTE_ID(flow->route) == PEER_OTHER);
}

static void *rival(void *arg)
{
	const struct side *side = arg;
	struct __sk_buff skb = { .ingress_ifindex = side->ifindex };
	__u32 i;

	for (i = 0; i < ROUNDS; i++) {
		const struct packet *p = &side->packets[i % RIVALS];
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->bytes, .data_size_in = p->length,
			    .repeat = 1, .ctx_in = &skb, .ctx_size_in = sizeof(skb));

		CHECK(!bpf_prog_test_run_opts(h.vif_tcx, &opts) && (int)opts.retval == -1);
	}
	return NULL;
}

/*
 * Two guests whose flows take each other's places all the time, since none comes
 * aboard: one's lead to a peer that is down, the other's nowhere.
 */
static void test_rivals(void)
{
	static struct side one, other;
	struct packet_spec s = v4;
	pthread_t thread;
	__u32 i, seed;

	if (!tc)
		return; /* all packets of an XDP test run come from one interface */
	known(&v4);
	h.peers[PEER_ONE].alive_until_ns = 1;
	s.from = 3;
	s.to = 4;
	for (seed = 0; seed < 10; seed++) {
		begin();
		h.control->latency_ns = 0;
		side_make(&one, v4, GUEST_ONE, HARNESS_VIF);
		s.dest_port = 1;
		do {
			packet_make(&other.packets[0], &s);
		} while (set_of(&other.packets[0], GUEST_OTHER) !=
				 set_of(&one.packets[0], GUEST_ONE) &&
			 ++s.dest_port);
		side_make(&other, s, GUEST_OTHER, HARNESS_OTHER_VIF);
		CHECK(!pthread_create(&thread, NULL, rival, &other));
		rival(&one);
		CHECK(!pthread_join(thread, NULL));
	}
	for (i = 1; i < JT_REASON_COUNT; i++) {
		CHECK(h.guests[GUEST_ONE].reasons[i] == 10 * ROUNDS * (i == JT_REASON_PEER_DOWN));
		CHECK(h.guests[GUEST_OTHER].reasons[i] == 10 * ROUNDS * (i == JT_REASON_NO_PEER));
	}
	CHECK(!h.guests[GUEST_ONE].messages && !h.guests[GUEST_OTHER].messages);
}

static const struct vif_test tests[] = {
	{ "crowded", test_crowded },
	{ "quiet", test_quiet },
	{ "generation", test_generation },
	{ "rivals", test_rivals },
};

int main(int argc, char **argv)
{
	return vif_tests_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The organizer built for the host and run as BPF does the same: every vector,
 * and every vector cut at every length, is shown to both; bank memory and
 * extents must be equal to the byte, and so must the reasons.
 */
#include "harness.h"

static struct harness h;
static struct fixture f;

/* The host's map of flows. */
static struct {
	struct jt_flow_key key;
	struct jt_flow flow;
} flows[VECTORS];
static size_t flow_count;

static struct jt_flow *flow_find(const struct packet *p)
{
	struct jt_parsed parsed;
	size_t i;

	packet_parse(p->bytes, p->length, &parsed);
	for (i = 0; i < flow_count; i++)
		if (!memcmp(&flows[i].key, &parsed.key, sizeof(parsed.key)))
			return &flows[i].flow;
	CHECK(flow_count < VECTORS);
	flows[i].key = parsed.key;
	flow_count++;
	return &flows[i].flow;
}

static void host_reset(void)
{
	const struct jt_geometry *g = &f.page.geometry;

	control_init(f.page.control, g, HARNESS_EPOCH);
	memset(f.page.memory, 0, (size_t)g->banks * jt_bank_stride(g));
	memset(f.page.extents, 0, sizeof(struct jt_extent) * g->banks * g->extents);
	memset(flows, 0, sizeof(flows));
	flow_count = 0;
	peer_init(&f.peers[PEER_ONE], "one");
}

static void compare(const char *name, __u32 length)
{
	const struct jt_geometry *g = &f.page.geometry;
	size_t size = (size_t)g->banks * jt_bank_stride(g);
	__u32 i;

	for (i = 0; i < g->banks * g->extents; i++) {
		if (h.extents[i].word == f.page.extents[i].word &&
		    h.extents[i].committed == f.page.extents[i].committed)
			continue;
		fprintf(stderr, "\"%s\", %u bytes: extent %u: %llx %llx in BPF, %llx %llx here\n",
			name, length, i, h.extents[i].word, h.extents[i].committed,
			f.page.extents[i].word, f.page.extents[i].committed);
		exit(1);
	}
	for (i = 0; i < g->banks; i++)
		CHECK(h.control->banks[i].word == f.page.control->banks[i].word);
	CHECK(h.control->epoch == f.page.control->epoch);
	CHECK(h.peers[PEER_ONE].open == f.peers[PEER_ONE].open);
	if (!memcmp(h.page, f.page.memory, size))
		return;
	for (i = 0; h.page[i] == f.page.memory[i]; i++)
		;
	fprintf(stderr, "\"%s\", %u bytes: bank memory differs from byte %u on\n", name, length, i);
	exit(1);
}

/* Show both sides one packet. Return: the reason. */
static int show(const struct packet *p, bool tc)
{
	__u64 *reasons = h.guests[GUEST_ONE].reasons, before[JT_REASON_COUNT];
	__u64 messages = h.guests[GUEST_ONE].messages;
	struct jt_parsed parsed;
	struct run r;
	int reason = packet_parse(p->bytes, p->length, &parsed);

	memcpy(before, reasons, sizeof(before));
	r = tc ? run_tc(h.vif_tcx, p->bytes, p->length, 1) : run_xdp(h.vif, p->bytes, p->length, 1);
	if (!reason)
		reason = page_board(&f.page, p->bytes, p->length, flow_find(p), &f.peers[PEER_ONE],
				    PEER_ONE);
	CHECK(!r.changed);
	if (reason == JT_ABOARD) {
		CHECK(r.verdict == (tc ? 2 : 1)); /* TC_ACT_SHOT, XDP_DROP */
		CHECK(h.guests[GUEST_ONE].messages == messages + 1);
		CHECK(!memcmp(before, reasons, sizeof(before)));
	} else {
		CHECK(r.verdict == (tc ? -1 : 2)); /* TC_ACT_UNSPEC, XDP_PASS */
		CHECK(h.guests[GUEST_ONE].messages == messages);
		if (reasons[reason] != before[reason] + 1) {
			fprintf(stderr, "reason %s is not counted\n", jt_reasons[reason].name);
			exit(1);
		}
	}
	return reason;
}

/* BPF_PROG_TEST_RUN takes no frame without an Ethernet header, no skb without an IP header. */
static bool can_show(const struct packet *p, bool tc)
{
	__u32 type;

	if (p->length < 15)
		return false;
	type = get16(p->bytes + 12);
	return !tc || !((type == 0x0800 && p->length < 34) || (type == 0x86dd && p->length < 54));
}

static void both_reset(void)
{
	static const struct packet_spec v4 = { .family = 4 }, v6 = { .family = 6 };

	harness_reset(&h);
	h.control->small = 1500;
	addresses_of(&h, &v4, GUEST_ONE, JT_PLACE_PEER, PEER_ONE);
	addresses_of(&h, &v6, GUEST_ONE, JT_PLACE_PEER, PEER_ONE);
	host_reset();
}

/* All vectors, three times over: new templates, then known ones, then new frames. */
static void test_vectors(bool tc)
{
	struct packet p;
	int round, reason;
	size_t i;

	both_reset();
	for (round = 0; round < 3; round++) {
		for (i = 0; i < VECTORS; i++) {
			vector_make(&p, &vectors[i]);
			if (!can_show(&p, tc))
				continue;
			reason = show(&p, tc);
			compare(vectors[i].name, p.length);
			CHECK(reason == vectors[i].reason);
		}
	}
	printf("ok - %s: %zu vectors, 3 rounds: same bytes, %llu messages in %u extents\n",
	       tc ? "jitney_vif_tcx" : "jitney_vif", VECTORS, h.guests[GUEST_ONE].messages,
	       JT_BANK_NEXT(h.control->banks[HARNESS_EPOCH % JT_BANKS_DEFAULT].word));
}

/* Payloads are copied in other ways as they grow. */
static void test_lengths(bool tc)
{
	struct packet_spec s = { .family = 4 };
	struct packet p;
	__u32 n;

	both_reset();
	for (n = 0; n < 2 * 600; n++) {
		s.family = n & 1 ? 6 : 4;
		s.length = (__u16)(n / 2);
		packet_make(&p, &s);
		CHECK(show(&p, tc) == JT_ABOARD);
		compare("a length", p.length);
	}
	printf("ok - %s: payloads of 0 to %u bytes: same bytes\n",
	       tc ? "jitney_vif_tcx" : "jitney_vif", s.length);
}

static void test_cut(bool tc)
{
	__u32 n, shown = 0;
	struct packet p;
	size_t i;

	both_reset();
	for (i = 0; i < VECTORS; i++) {
		vector_make(&p, &vectors[i]);
		for (n = p.length - 1; n >= 15; n--) {
			p.length = n;
			if (!can_show(&p, tc))
				break;
			show(&p, tc);
			shown++;
		}
		compare(vectors[i].name, 0);
	}
	printf("ok - %s: %u cut packets: same bytes, same reasons\n",
	       tc ? "jitney_vif_tcx" : "jitney_vif", shown);
}

/* The addresses of a bent packet become the guest's and the peer's. */
static void adopt_addresses(const struct packet *p)
{
	struct jt_parsed parsed;
	const __u8 *ip = p->bytes + 14;

	address_add(&h, JT_FAMILY_MAC, JT_SCOPE_GUEST, p->bytes, JT_PLACE_PEER, PEER_ONE);
	if (packet_parse(p->bytes, p->length, &parsed))
		return;
	if (parsed.key.header.flags & JT_TEMPLATE_VLAN)
		ip += 4;
	if (ip[0] >> 4 == 4)
		address_add(&h, JT_FAMILY_IPV4, JT_SCOPE_GUEST, ip + 12, JT_PLACE_GUEST, GUEST_ONE);
	else
		address_add(&h, JT_FAMILY_IPV6, JT_SCOPE_GUEST, ip + 8, JT_PLACE_GUEST, GUEST_ONE);
}

static void test_flipped(bool tc)
{
	__u32 i, flips, seed = 5, aboard = 0;
	struct packet p;

	for (i = 0; i < VECTORS * 40; i++) {
		vector_make(&p, &vectors[i / 40]);
		both_reset();
		for (flips = 1 + test_random(&seed) % 3; flips; flips--)
			p.bytes[test_random(&seed) % (p.length < 70 ? p.length : 70)] ^=
				(__u8)(1 << test_random(&seed) % 8);
		if (!can_show(&p, tc))
			continue;
		adopt_addresses(&p);
		aboard += !show(&p, tc);
		compare(vectors[i / 40].name, p.length);
	}
	printf("ok - %s: %u packets with flipped bits: same bytes, %u of them aboard\n",
	       tc ? "jitney_vif_tcx" : "jitney_vif", i, aboard);
}

int main(int argc, char **argv)
{
	int tc;

	harness_open(&h, argc > 1 ? argv[1] : HARNESS_OBJECT);
	fixture_init(&f, h.geometry.banks, h.geometry.extents, HARNESS_EPOCH);
	for (tc = 0; tc < 2; tc++) {
		test_vectors(tc);
		test_lengths(tc);
		test_cut(tc);
		test_flipped(tc);
	}
	fixture_free(&f);
	harness_close(&h);
	return 0;
}

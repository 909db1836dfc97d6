// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Guest frames, random and bent: the host's build and BPF make the same of them. */
#include "frames.h"
#include <jitney/merge.h>

#define ROUNDS 4000

static struct fixture f; /* the host's page */

/* As learn.h, for a strict guest: whose template is it, and where does it lead? */
int jt_env_flow(struct jt_page *page, const struct jt_flow_key *key)
{
	const struct jt_template *t = &key->header;
	__u16 family = t->kind == JT_TEMPLATE_UDP4 ? JT_FAMILY_IPV4 : JT_FAMILY_IPV6;
	bool v4 = family == JT_FAMILY_IPV4;
	struct jt_place place;

	(void)page;
	if (memcmp(t->source_mac, &h.guests[GUEST_ONE].mac, 6))
		return -JT_REASON_SPOOFED_MAC;
	if (!address_known(&h, family, v4 ? (void *)&t->u.udp4.source : t->u.udp6.source, &place) ||
	    place.kind != JT_PLACE_GUEST || place.id != key->guest)
		return -JT_REASON_SPOOFED_IP;
	if (!address_known(&h, JT_FAMILY_MAC, t->dest_mac, &place) &&
	    !address_known(&h, family, v4 ? (void *)&t->u.udp4.dest : t->u.udp6.dest, &place))
		return -JT_REASON_NO_PEER;
	return place.kind == JT_PLACE_PEER ? (int)place.id : -JT_REASON_NO_PEER;
}

/* What the host's build makes of the frame. Return: a reason, or -1: not even a guest frame. */
static int host_frame(void)
{
	struct jt_block b = { .guest = GUEST_ONE };
	struct jt_frame_header header;
	int opened = 0, lead, reason;

	if (memcmp(frame.bytes + 6, &h.guests[GUEST_ONE].mac, 6) ||
	    get16(frame.bytes + 12) != 0x88b5 || memcmp(frame.bytes, frame.bytes + 6, 6))
		return -1;
	memcpy(&header, frame.bytes + 14, sizeof(header));
	reason = jt_block_open(&header, frame.length - 26, &b);
	if (reason)
		return reason;
	f.page.packet = frame.bytes;
	lead = jt_block_lead(&f.page, b.size, b.guest);
	if (lead < 0)
		return -lead;
	b.peer_id = JT_LEAD_PEER(lead);
	b.head = jt_record_template(1, JT_LEAD_SIZE(lead));
	return jt_block_organize(&f.page, &b, &f.peers[b.peer_id], &opened);
}

static void same_bytes(void)
{
	__u32 i, extents = h.geometry.banks * h.geometry.extents;

	for (i = 0; i < extents; i++) {
		CHECK(h.extents[i].word == f.page.extents[i].word);
		CHECK(h.extents[i].committed == f.page.extents[i].committed);
	}
	CHECK(h.peers[PEER_ONE].open == f.peers[PEER_ONE].open);
	CHECK(!memcmp(h.page, f.page.memory,
		      (size_t)h.geometry.banks * jt_bank_stride(&h.geometry)));
}

static void random_frame(__u32 *seed)
{
	__u32 n = 1 + test_random(seed) % 20;

	begin();
	do {
		if (!templates || (templates < 4 && test_random(seed) % 4 == 0))
			add_kind(test_random(seed));
		if (test_random(seed) % 8 == 0)
			frame_padding(&records, test_random(seed) % 40);
		add_message(1 + test_random(seed) % templates, test_random(seed) % 60);
	} while (--n);
	end();
}

/*
 * Random frames, of which most have bits flipped: the host's build of block.h
 * writes the same bytes, and says the same, as BPF does; and what is in the page
 * is sound whatever was shown.
 */
static void test_random_frames(void)
{
	__u32 i, flips, seed = 11 + tc, aboard = 0, round;
	__u64 *reasons = h.guests[GUEST_ONE].reasons, before;
	int reason;

	for (round = 0; round < ROUNDS; round++) {
		if (round % 250 == 0) {
			if (round)
				fixture_free(&f);
			harness_reset(&h);
			known_both();
			fixture_init(&f, h.geometry.banks, h.geometry.extents, HARNESS_EPOCH);
		}
		random_frame(&seed);
		for (flips = test_random(&seed) % 4; flips; flips--) {
			i = 14 + test_random(&seed) % (frame.length - 14);
			/* Mostly where it matters: headers and heads. */
			if (test_random(&seed) % 2)
				i = 14 + test_random(&seed) % 60;
			frame.bytes[i] ^= (__u8)(1 << test_random(&seed) % 8);
		}
		reason = host_frame();
		CHECK(reason >= 0);
		if (reason == JT_REASON_NO_PEER)
			reason = JT_REASON_LOST_NO_PEER;
		before = reasons[reason];
		CHECK(show_frame() == DROP);
		CHECK(!reason || reasons[reason] > before || !get16(frame.bytes + 20));
		aboard += !reason;
		same_bytes();
	}
	extents_check();
	CHECK(aboard > ROUNDS / 5 && aboard < ROUNDS);
	fixture_free(&f);
}

static const struct vif_test tests[] = {
	{ "random frames, same bytes", test_random_frames },
};

int main(int argc, char **argv)
{
	return vif_tests_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}

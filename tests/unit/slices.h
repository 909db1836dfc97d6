/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A controller with one guest, one peer and a page in plain memory, and a helper
 * of which the test has the other side: what the tests of slices share.
 */
#ifndef TESTS_UNIT_SLICES_H
#define TESTS_UNIT_SLICES_H

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "unit.h"
#include "../common/fixture.h"
#include "controller/helpers.h"
#include "controller/transmit.h"

#define GUEST 3
#define PEER 1
#define RING 16384U

static struct jt_controller c;
static struct jt_options options;
static struct jt_helper helper;
static struct fixture fixture;
static struct jt_index_entry places[3];
static __u64 head; /* of the send ring: what stands in the slice may be an enemy's */

static const uint8_t own_mac[6] = { 2, 0, 0, 0, 0, 1 }, far_mac[6] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t own_ip[4] = { 10, 0, 0, 1 }, far_ip[4] = { 10, 0, 0, 2 };

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct jt_address));
}

static void place(size_t i, uint16_t family, const uint8_t *bytes, uint32_t kind, uint32_t id)
{
	places[i].address = jt_address_make(family, JT_SCOPE_GUEST, bytes);
	places[i].place = (struct jt_place){ .kind = kind, .id = id, .until_ns = JT_NEVER_STALE };
}

static TEST_UNUSED int set_up(void **state)
{
	int pair[2];

	(void)state;
	memset(&c, 0, sizeof(c));
	memset(&helper, 0, sizeof(helper));
	head = 0;
	fixture_init(&fixture, 4, 8, 4);
	jt_datapath_init(&c.datapath);
	c.options = &options;
	c.capture.watch.fd = -1;
	c.datapath.page = fixture.page;
	c.datapath.peers = test_alloc(sizeof(struct jt_peer) * JT_PEERS_MAX);
	c.datapath.guests = test_alloc(sizeof(struct jt_guest) * JT_GUESTS_MAX);
	c.datapath.shares = test_alloc(sizeof(struct jt_share) * JT_GUESTS_MAX);
	c.shares_watch.fd = -1;
	memcpy(&c.datapath.guests[GUEST].mac, own_mac, 6);
	c.guests[GUEST].used = true;
	peer_init(&c.datapath.peers[PEER], "b");
	c.peers[PEER] = (struct jt_peer_state){ .used = true, .reachable = true };
	place(0, JT_FAMILY_MAC, far_mac, JT_PLACE_PEER, PEER);
	place(1, JT_FAMILY_MAC, own_mac, JT_PLACE_GUEST, GUEST);
	place(2, JT_FAMILY_IPV4, own_ip, JT_PLACE_GUEST, GUEST);
	qsort(places, 3, sizeof(*places), compare);
	c.index = (struct jt_index){ .entries = places, .count = 3 };
	assert_int_equal(jt_notice_open(&c.board), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	assert_int_equal(jt_slice_open(&helper.slice, RING, RING, 0), 0);
	helper.watch.fd = pair[0];
	helper.guest = GUEST;
	helper.receive_event = helper.cycle = helper.doorbell.fd = -1;
	helper.backend = &jt_backend_netns;
	c.helpers.first = &helper;
	jt_transmit_start(&c);
	return 0;
}

static TEST_UNUSED int tear_down(void **state)
{
	(void)state;
	close(helper.watch.fd);
	jt_slice_close(&helper.slice);
	jt_notice_close(&c.board);
	free(c.datapath.peers);
	free(c.datapath.guests);
	free(c.datapath.shares);
	fixture_free(&fixture);
	return 0;
}

/* --- a helper, as it should be -------------------------------------------------------- */

static TEST_UNUSED struct jt_template template_good(void)
{
	struct jt_template t = { .kind = JT_TEMPLATE_UDP4, .flags = JT_TEMPLATE_DF, .ttl = 64 };

	memcpy(t.dest_mac, far_mac, 6);
	memcpy(t.source_mac, own_mac, 6);
	memcpy(&t.u.udp4.source, own_ip, 4);
	memcpy(&t.u.udp4.dest, far_ip, 4);
	t.u.udp4.source_port = htons(1000);
	t.u.udp4.dest_port = htons(2000);
	return t;
}

static TEST_UNUSED void put(uint16_t kind, uint16_t number, const void *body, uint16_t length)
{
	struct jt_slice *s = helper.slice.header;
	uint8_t *ring = helper.slice.memory + jt_slice_send_offset();
	struct jt_slice_record r = { kind, length, number, 0 }, over = { .kind = JT_SLICE_SKIP };
	__u64 skip;

	assert_true(jt_ring_room(head, helper.slice.send_tail, RING, jt_slice_span(length), &skip));
	if (skip)
		memcpy(ring + (head & (RING - 1)), &over, sizeof(over));
	head += skip;
	memcpy(ring + (head & (RING - 1)), &r, sizeof(r));
	if (length)
		memcpy(ring + (head & (RING - 1)) + sizeof(r), body, length);
	head += jt_slice_span(length);
	JT_WRITE(s->send_head, head);
}

static TEST_UNUSED void put_template(uint16_t number, const struct jt_template *t)
{
	put(JT_SLICE_TEMPLATE, number, t, sizeof(*t));
}

/*
 * All messages that are in the page now. Each must come from the guest's own
 * addresses and go to where the peer is: the rest is what an enemy wants.
 */
static TEST_UNUSED unsigned int aboard(void)
{
	struct jt_page *page = &c.datapath.page;
	unsigned int n = 0;
	uint32_t i, all = page->geometry.banks * page->geometry.extents;
	struct jt_found m;
	struct jt_walk w;
	int found;

	for (i = 0; i < all; i++) {
		uint64_t word = page->extents[i].word;
		uint8_t *frame = jt_page_frame(page, i);

		if (!page->extents[i].committed) /* wiped, or never written to */
			continue;
		assert_int_equal(JT_EXTENT_PEER(word), PEER);
		jt_walk_init(&w, frame + FIXTURE_HEAD, JT_EXTENT_OFFSET(word) - FIXTURE_HEAD);
		while ((found = jt_walk_next(&w, &m)) > 0) {
			assert_memory_equal(m.bytes + 4, far_mac, 6);
			assert_memory_equal(m.bytes + 10, own_mac, 6);
			assert_memory_equal(m.bytes + 20, own_ip, 4);
			n++;
		}
		assert_int_equal(found, 0);
	}
	return n;
}

/* Everything leaves (here: is counted as lost, there is no uplink); all banks are blank. */
static TEST_UNUSED void leave(void)
{
	jt_page_step(&c.datapath.page, JT_READ(c.datapath.page.control->epoch));
	jt_transmit_run(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The controller's side of slices, its own code on a page in plain memory: what
 * a helper writes is organized, and an enemy in its place gets no forged header
 * out, reaches no memory that is not his and stops nobody else.
 */
#include <pthread.h>
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
#define SECONDS 3

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

static int set_up(void **state)
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
	c.helpers.first = &helper;
	jt_transmit_start(&c);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(helper.watch.fd);
	jt_slice_close(&helper.slice);
	jt_notice_close(&c.board);
	free(c.datapath.peers);
	free(c.datapath.guests);
	fixture_free(&fixture);
	return 0;
}

/* --- a helper, as it should be -------------------------------------------------------- */

static struct jt_template template_good(void)
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

static void put(uint16_t kind, uint16_t number, const void *body, uint16_t length)
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

static void put_template(uint16_t number, const struct jt_template *t)
{
	put(JT_SLICE_TEMPLATE, number, t, sizeof(*t));
}

/*
 * All messages that are in the page now. Each must come from the guest's own
 * addresses and go to where the peer is: the rest is what an enemy wants.
 */
static unsigned int aboard(void)
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
static void leave(void)
{
	jt_page_step(&c.datapath.page, JT_READ(c.datapath.page.control->epoch));
	jt_transmit_run(&c);
}

static void test_messages_go_aboard(void **state)
{
	struct jt_template t = template_good();
	char text[32];
	int i;

	(void)state;
	put_template(7, &t);
	for (i = 0; i < 50; i++)
		put(JT_SLICE_MESSAGE, 7, text, (uint16_t)snprintf(text, sizeof(text), "%d", i));
	put(JT_SLICE_MESSAGE, 7, NULL, 0);
	assert_true(jt_slices_pending(&c));
	assert_true(jt_slice_collect(&c, &helper));
	assert_false(jt_slices_pending(&c));
	assert_int_equal(aboard(), 51);
	assert_int_equal(c.datapath.guests[GUEST].messages, 51);
	assert_int_equal(helper.slice.header->sent, 51);
	assert_int_equal(helper.slice.header->send_tail, helper.slice.header->send_head);
}

static void test_ring_wraps(void **state)
{
	struct jt_template t = template_good();
	uint8_t payload[500] = { 0 };
	unsigned int i, n, total = 0;

	(void)state;
	put_template(0, &t);
	for (i = 0; i < 100; i++) {
		for (n = 0; n < 7; n++)
			put(JT_SLICE_MESSAGE, 0, payload, (uint16_t)(500 - i - n));
		assert_true(jt_slice_collect(&c, &helper));
		total += aboard();
		leave();
	}
	assert_int_equal(total, 700);
	assert_false(helper.cut);
}

/* Whoever waits for room keeps what is not aboard. */
static void test_full_page_leaves_messages_in_the_slice(void **state)
{
	struct jt_template t = template_good();
	uint8_t payload[480] = { 0 };
	unsigned int n = 0;

	(void)state;
	/* Nothing comes back: as if the uplink had taken no frame. */
	c.transmit.wipe_epoch = ~0ULL;
	c.transmit.send_epoch = ~0ULL;
	put_template(0, &t);
	for (;;) {
		for (; helper.slice.header->send_head - helper.slice.header->send_tail < RING / 2;
		     n++)
			put(JT_SLICE_MESSAGE, 0, payload, sizeof(payload));
		if (!jt_slice_collect(&c, &helper))
			break;
	}
	assert_true(jt_slices_pending(&c));
	assert_false(helper.cut);
	assert_int_equal(aboard(), helper.slice.sent);
	assert_true(helper.slice.sent < n);
}

/* --- one message of its template, and what becomes of it ------------------------------ */

static void refused(const struct jt_template *t, int reason)
{
	put_template(1, t);
	put(JT_SLICE_MESSAGE, 1, "x", 1);
	assert_true(jt_slice_collect(&c, &helper));
	assert_int_equal(aboard(), 0);
	assert_int_equal(c.datapath.guests[GUEST].reasons[reason], 1);
	assert_int_equal(helper.slice.header->refused, 1);
}

static void test_foreign_mac(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	t.source_mac[5] ^= 1;
	refused(&t, JT_REASON_SPOOFED_MAC);
}

static void test_foreign_address(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	c.datapath.guests[GUEST].flags |= JT_GUEST_STRICT;
	t.u.udp4.source ^= htonl(1);
	refused(&t, JT_REASON_SPOOFED_IP);
}

static void test_destination_behind_no_peer(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	t.dest_mac[5] ^= 64;
	refused(&t, JT_REASON_SLICE_NO_PEER);
}

static void test_address_taken_away_later(void **state)
{
	struct jt_template t = template_good();
	size_t i;

	(void)state;
	put_template(1, &t);
	put(JT_SLICE_MESSAGE, 1, "x", 1);
	assert_true(jt_slice_collect(&c, &helper));
	assert_int_equal(aboard(), 1);
	for (i = 0; i < 3; i++)
		if (places[i].address.family == JT_FAMILY_IPV4)
			places[i].place.id = GUEST + 1;
	c.datapath.page.control->generation++;
	put(JT_SLICE_MESSAGE, 1, "x", 1);
	assert_true(jt_slice_collect(&c, &helper));
	assert_int_equal(c.datapath.guests[GUEST].reasons[JT_REASON_SPOOFED_IP], 1);
	assert_int_equal(aboard(), 1);
}

/* --- breaking the rules ----------------------------------------------------------------- */

static void cut_off(void)
{
	assert_false(jt_slice_collect(&c, &helper));
	assert_true(helper.cut);
	assert_int_equal(c.datapath.guests[GUEST].reasons[JT_REASON_SLICE_BAD], 1);
	assert_int_equal(aboard(), 0);
	assert_true(jt_slice_collect(&c, &helper)); /* nothing more is taken from it */
}

static void test_template_of_no_kind(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	t.kind = JT_TEMPLATE_ETHERNET;
	put_template(1, &t);
	cut_off();
}

static void test_template_not_canonical(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	t.dest_mac[0] |= 1;
	put_template(1, &t);
	cut_off();
}

static void test_message_without_template(void **state)
{
	(void)state;
	put(JT_SLICE_MESSAGE, 9, "x", 1);
	cut_off();
}

static void test_number_too_large(void **state)
{
	struct jt_template t = template_good();

	(void)state;
	put_template(0, &t);
	assert_true(jt_slice_collect(&c, &helper));
	put(JT_SLICE_MESSAGE, JT_SLICE_TEMPLATES, "x", 1);
	cut_off();
}

static void test_head_out_of_the_ring(void **state)
{
	(void)state;
	helper.slice.header->send_head = RING + 8;
	cut_off();
}

static void test_head_behind_the_tail(void **state)
{
	(void)state;
	helper.slice.header->send_head = (__u64)-8;
	cut_off();
}

static void test_record_longer_than_what_was_written(void **state)
{
	(void)state;
	put(JT_SLICE_MESSAGE, 0, "12345678", 8);
	JT_WRITE(helper.slice.header->send_head, 8);
	cut_off();
}

/* --- an enemy at work ----------------------------------------------------------------------- */

static bool stop;

static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Writes anything anywhere in its slice, at any time. */
static JT_UNORDERED void *enemy(void *arg)
{
	uint64_t seed = 88172645463325252ULL;
	volatile uint8_t *memory = helper.slice.memory;

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint64_t r = draw(&seed);

		/* Mostly in the ring, and mostly in one place that is about to be read. */
		if (r & 7)
			memory[jt_slice_send_offset() + (r >> 8) % RING] = (uint8_t)(r >> 40);
		else if ((r >> 3) % 512 == 0)
			memory[(r >> 16) % helper.slice.size] = (uint8_t)(r >> 48);
	}
	return NULL;
}

/* Sound records, and each with some probability something unsound in it. */
static void enemy_record(uint64_t *seed)
{
	uint64_t r = draw(seed);
	struct jt_template t = template_good();
	uint8_t payload[512];
	unsigned int i;

	for (i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(r >> i % 57);
	if (r % 16 == 0)
		((uint8_t *)&t)[(r >> 8) % sizeof(t)] ^= (uint8_t)(1 << (r >> 16) % 8);
	if (r % 8 == 0)
		put_template((uint16_t)((r >> 20) % 4), &t);
	else
		put(JT_SLICE_MESSAGE, (uint16_t)((r >> 20) % 4), payload,
		    (uint16_t)((r >> 32) % sizeof(payload)));
}

static void forgive(void)
{
	struct jt_slice_template *t = helper.slice.templates;
	int i;

	helper.cut = false;
	for (i = 0; i < 4; i++)
		t[i].given = t[i].known = false;
}

static void fight(pthread_t *thread)
{
	uint64_t seed = 2463534242ULL, end = jt_env_now() + SECONDS * 1000000000ULL;
	unsigned int n, taken = 0, cut = 0;
	struct jt_template t;

	while (jt_env_now() < end) {
		t = template_good();
		head = helper.slice.send_tail;
		put_template((uint16_t)(draw(&seed) % 4), &t);
		for (n = 0; n < 12; n++)
			enemy_record(&seed);
		jt_slice_collect(&c, &helper);
		taken += aboard();
		leave();
		if (helper.cut) {
			cut++;
			forgive();
		}
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	if (thread)
		pthread_join(*thread, NULL);
	print_message("# %u messages got through, %u times cut off\n", taken, cut);
	assert_true(taken > 1000);
	assert_true(cut > 10);
}

static void test_enemy_that_writes_nonsense(void **state)
{
	(void)state;
	fight(NULL);
}

static void test_arrivals(void **state)
{
	uint8_t payload[700] = { 1, 2, 3 }, wire[JT_TEMPLATE_MAX];
	struct jt_template t = template_good();
	struct jt_slice *s = helper.slice.header;
	struct jt_slice_arrival like, *got;
	unsigned int i, put_in = 0;

	(void)state;
	jt_template_store(wire, &t, jt_template_size(t.kind, t.flags));
	like = jt_slice_arrival(wire, jt_template_size(t.kind, t.flags));
	for (i = 0; i < 100; i++)
		jt_slice_put(&c, &helper, &like, payload, 200);
	jt_slices_flush(&c);
	put_in = (unsigned int)helper.slice.received;
	assert_int_equal(put_in, RING / jt_arrival_span(200));
	assert_int_equal(s->receive_lost, 100 - put_in);
	assert_int_equal(s->received, put_in);
	got = (struct jt_slice_arrival *)(helper.slice.memory + jt_slice_receive_offset(RING));
	assert_int_equal(got->length, 200);
	assert_int_equal(ntohs(got->dest_port), 2000);
	assert_memory_equal(got->source, own_ip, 4);
	assert_memory_equal(got + 1, payload, 200);
	/* A tail that is a lie: full, and no more than that. */
	s->receive_tail = s->receive_head + 8;
	jt_slice_put(&c, &helper, &like, payload, 200);
	assert_int_equal(helper.slice.received, put_in);
	s->receive_tail = 1;
	jt_slice_put(&c, &helper, &like, payload, 200);
	assert_int_equal(helper.slice.received, put_in);
	/* All read: it goes on, over the ring's end. */
	s->receive_tail = s->receive_head;
	for (i = 0; i < 20; i++)
		jt_slice_put(&c, &helper, &like, payload, 700);
	jt_slices_flush(&c);
	assert_int_equal(helper.slice.received, put_in + 20);
}

static void test_enemy_that_writes_while_it_is_read(void **state)
{
	pthread_t thread;

	(void)state;
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, enemy, NULL), 0);
	fight(&thread);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_messages_go_aboard),
		TEST(test_ring_wraps),
		TEST(test_full_page_leaves_messages_in_the_slice),
		TEST(test_foreign_mac),
		TEST(test_foreign_address),
		TEST(test_destination_behind_no_peer),
		TEST(test_address_taken_away_later),
		TEST(test_template_of_no_kind),
		TEST(test_template_not_canonical),
		TEST(test_message_without_template),
		TEST(test_number_too_large),
		TEST(test_head_out_of_the_ring),
		TEST(test_head_behind_the_tail),
		TEST(test_record_longer_than_what_was_written),
		TEST(test_arrivals),
		TEST(test_enemy_that_writes_nonsense),
		TEST(test_enemy_that_writes_while_it_is_read),
	};

	return RUN(tests);
}

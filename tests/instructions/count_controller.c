// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The controller's instructions for a message of 64 bytes: organizer, cycle, and
 * the way of what arrives. Its own code, on a page in plain memory.
 */
#include "../unit/slices.h"
#include "common/checksum.h"
#include "count.h"

#define MESSAGES 20U /* of one frame */
#define FRAMES 100U
#define SIZE 64U

static uint8_t payload[SIZE];
static uint8_t frame[2048]; /* records of a whole one */
static uint32_t frame_length;

static struct jt_message message_good(struct jt_parsed *parsed, struct jt_flow *flow)
{
	static uint8_t wire[JT_TEMPLATE_MAX];
	struct jt_template t = template_good();

	memset(parsed, 0, sizeof(*parsed));
	parsed->template_size = jt_template_size(t.kind, t.flags);
	jt_template_store(wire, &t, (uint32_t)parsed->template_size);
	jt_template_load(&parsed->key.header, wire, (uint32_t)parsed->template_size);
	parsed->length = SIZE;
	parsed->check = 1;
	return (struct jt_message){ parsed, flow, &c.datapath.peers[PEER], PEER };
}

static void organize(void)
{
	struct jt_flow flow = { 0 };
	struct jt_parsed parsed;
	struct jt_message m = message_good(&parsed, &flow);
	unsigned int f, i;
	int opened = 0;

	c.datapath.page.packet = payload;
	for (f = 0; f < FRAMES; f++) {
		counting();
		for (i = 0; i < MESSAGES; i++)
			jt_organize(&c.datapath.page, &m, &opened);
		CALLGRIND_TOGGLE_COLLECT;
		leave();
	}
	counting();
	counted("organizer, one at a time", FRAMES * MESSAGES);
}

static void organize_run(void)
{
	struct jt_run_message run[MESSAGES];
	struct jt_flow flow = { 0 };
	struct jt_parsed parsed;
	struct jt_message m = message_good(&parsed, &flow);
	unsigned int f, i;
	int opened;

	for (i = 0; i < MESSAGES; i++)
		run[i] = (struct jt_run_message){ 0, SIZE, 1 };
	c.datapath.page.packet = payload;
	for (f = 0; f < FRAMES; f++) {
		counting();
		jt_organize_run(&c.datapath.page, &m, run, MESSAGES, &opened);
		CALLGRIND_TOGGLE_COLLECT;
		leave();
	}
	counting();
	counted("organizer, 20 at a time", FRAMES * MESSAGES);
}

static void collect(void)
{
	struct jt_template t = template_good();
	unsigned int f, i;

	put_template(0, &t);
	for (f = 0; f < FRAMES; f++) {
		for (i = 0; i < MESSAGES; i++)
			put(JT_SLICE_MESSAGE, 0, payload, SIZE);
		counting();
		jt_slice_collect(&c, &helper);
		CALLGRIND_TOGGLE_COLLECT;
		leave();
	}
	counting();
	counted("a slice into the page", FRAMES * MESSAGES);
}

/* Seal, headers, and back to blank; there is no uplink, so nothing is sent. */
static void swap(void)
{
	struct jt_flow flow = { 0 };
	struct jt_parsed parsed;
	struct jt_message m = message_good(&parsed, &flow);
	unsigned int f, i;
	int opened = 0;

	c.datapath.page.packet = payload;
	for (f = 0; f < FRAMES; f++) {
		for (i = 0; i < MESSAGES; i++)
			jt_organize(&c.datapath.page, &m, &opened);
		counting();
		leave();
		CALLGRIND_TOGGLE_COLLECT;
	}
	counting();
	counted("a swap of one frame", FRAMES);
}

static void cycle(void)
{
	struct jt_cycle_settings settings = { .weight_interval = 1,
					      .weight_write = 1,
					      .min_ns = 1000000,
					      .max_ns = 100000000,
					      .latency_ns = 2000000 };
	struct jt_cycle_sums sums = { 0 };
	volatile uint64_t messages = 1000, length; /* not to be known before */
	unsigned int i;

	counting();
	for (i = 0; i < FRAMES; i++)
		jt_cycle_add(&sums, 100000000, messages, 100);
	length = jt_cycle_compute(&settings, &sums);
	(void)length;
	counted("the cycle's length, a guest", FRAMES);
}

/* --- what arrives --------------------------------------------------------------------- */

/* The records of a frame, as the organizer leaves them. */
static void frame_make(void)
{
	struct jt_flow flow = { 0 };
	struct jt_parsed parsed;
	struct jt_message m = message_good(&parsed, &flow);
	struct jt_page *page = &c.datapath.page;
	uint64_t number;
	unsigned int i;
	int opened = 0;

	page->packet = payload;
	for (i = 0; i < MESSAGES; i++)
		jt_organize(page, &m, &opened);
	number = (uint32_t)m.peer->open;
	frame_length = JT_EXTENT_OFFSET(page->extents[number].word) - FIXTURE_HEAD;
	memcpy(frame, jt_page_frame(page, number) + FIXTURE_HEAD, frame_length);
	leave();
}

static void walk(void)
{
	struct jt_found m;
	struct jt_walk w;
	unsigned int f, n = 0;

	counting();
	for (f = 0; f < FRAMES; f++) {
		jt_walk_init(&w, frame, frame_length);
		while (jt_walk_next(&w, &m) > 0)
			n++;
	}
	counted("taking a frame apart", n);
}

static void rebuild(void)
{
	uint8_t head[JT_PACKET_HEAD_MAX];
	struct jt_found m;
	struct jt_walk w;
	unsigned int i;

	jt_walk_init(&w, frame, frame_length);
	jt_walk_next(&w, &m);
	counting();
	for (i = 0; i < FRAMES; i++)
		jt_packet_build(&m, (uint16_t)i, head);
	counted("a packet's headers", FRAMES);
}

/* Gathered in runs: all but the system call. */
static void deliver(void)
{
	static struct jt_deliver d;
	struct jt_guest *guest = &c.datapath.guests[GUEST];
	struct jt_template t = template_good();
	uint8_t wire[JT_TEMPLATE_MAX];
	struct jt_found m = { .bytes = wire,
			      .template_size = jt_template_size(t.kind, t.flags),
			      .length = SIZE,
			      .payload = payload };
	uint64_t sum = (uint64_t)t.u.udp4.source + t.u.udp4.dest + t.u.udp4.source_port +
		       t.u.udp4.dest_port + htons(JT_IPPROTO_UDP);
	unsigned int i;

	jt_template_store(wire, &t, m.template_size);
	m.check = jt_udp_check(sum, 0, SIZE);
	guest->mtu = 1500;
	if (jt_deliver_open(&d))
		abort();
	counting();
	for (i = 0; i < JT_RUN_SEGMENTS; i++)
		jt_deliver_add(&d, &m, guest, NULL);
	counted("gathering a datagram for a guest", JT_RUN_SEGMENTS);
	assert_int_equal(d.count, 1);
	jt_deliver_close(&d);
}

static void arrive(void)
{
	struct jt_template t = template_good();
	uint8_t wire[JT_TEMPLATE_MAX];
	struct jt_slice_arrival like;
	unsigned int i;

	jt_template_store(wire, &t, jt_template_size(t.kind, t.flags));
	like = jt_slice_arrival(wire, jt_template_size(t.kind, t.flags));
	counting();
	for (i = 0; i < FRAMES; i++)
		jt_slice_put(&c, &helper, &like, payload, SIZE);
	counted("a message into a slice", FRAMES);
	jt_slices_flush(&c);
}

static void calls(void)
{
	struct jt_request r = { .routine = JT_ROUTINE_report, .u.arguments = { 100000, 100 } };
	unsigned int i;

	for (i = 0; i < JT_REQUESTS; i++)
		jt_slice_request(helper.slice.memory, i)->request = r;
	JT_WRITE(helper.slice.header->call_head, JT_REQUESTS);
	counting();
	jt_slice_collect(&c, &helper);
	counted("a call, 64 at a time", JT_REQUESTS);
}

int main(void)
{
	static void (*const parts[])(void) = { organize, organize_run, collect, swap,	cycle,
					       walk,	 rebuild,      deliver, arrive, calls };
	size_t i;

	for (i = 0; i < JT_ARRAY_SIZE(parts); i++) {
		set_up(NULL);
		frame_make();
		parts[i]();
		tear_down(NULL);
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The controller's own transmitter, scheduler and domains, without a kernel:
 * the uplink is a wire in memory, the main page is plain memory, the memfds of
 * two trust domains lie behind it, and guard pages around all.
 */
#ifndef TESTS_CONTROLLER_H
#define TESTS_CONTROLLER_H

#include <sched.h>
#include <sys/mman.h>
#include "fixture.h"

#include "common/address.c"
#include "controller/domains.c"
#include "controller/outer.c"
#include "controller/scheduler.c"
#include "controller/transmit.c"
#include "controller/trust.c"
#include "controller/values.c"

#define BANKS 3U
#define EXTENTS 8U
#define PEERS 4U
#define MEMBERS 4U
#define FLOWS 3U
#define MESSAGES 20000U
#define WIRE 16U /* frames that the uplink takes at a time */

/* What a message says of itself, as its payload. */
struct mark {
	__u32 writer, flow, sequence, check;
};
#define MAIN_WRITER 99U

static struct jt_controller *c;
static struct jt_options options;

static struct {
	const uint8_t *taken[WIRE], *done[WIRE];
	unsigned int takes, dones;
	bool hold; /* frames are not given back */
	__u32 next[MEMBERS][FLOWS];
	uint64_t messages, main_messages, garbled;
} wire;

/* --- what the controller's parts want of others -------------------------------------- */

void jt_log(const char *format, ...)
{
	(void)format;
}

void jt_log_limited(struct jt_log_limit *limit, const char *format, ...)
{
	(void)limit, (void)format;
}

void jt_capture_frame(struct jt_controller *controller, int direction, const uint8_t *frame,
		      uint32_t length)
{
	(void)controller, (void)direction, (void)frame, (void)length;
}

/* There are no slices here. */
void jt_slices_collect(struct jt_controller *controller)
{
}

bool jt_slices_pending(struct jt_controller *controller)
{
	return false;
}

bool jt_slices_held(const struct jt_controller *controller, uint32_t guest)
{
	return false;
}

void jt_slices_wake(struct jt_controller *controller)
{
}

uint32_t jt_netdev_speed(const char *name)
{
	(void)name;
	return 0;
}

bool jt_calls_flush(struct jt_controller *controller)
{
	return false;
}

bool jt_links_tick(struct jt_controller *controller, uint64_t now)
{
	return false;
}

bool jt_peers_tick(struct jt_controller *controller, uint64_t now)
{
	return false;
}

int jt_watch_add(struct jt_controller *controller, struct jt_watch *w, uint32_t events)
{
	(void)controller, (void)w, (void)events;
	return 0;
}

static TEST_UNUSED uint32_t mark_check(const struct mark *m)
{
	return (m->writer * 31 + m->flow * 7 + m->sequence) ^ 0x5a5a5a5a;
}

static TEST_UNUSED void message_arrives(const struct jt_found *found, bool hostile)
{
	struct mark m = { 0 };

	if (found->length == sizeof(m))
		memcpy(&m, found->payload, sizeof(m));
	if (found->length != sizeof(m) || m.check != mark_check(&m)) {
		assert_true(hostile);
		wire.garbled++;
		return;
	}
	wire.messages++;
	wire.main_messages += m.writer == MAIN_WRITER;
	if (m.writer >= MEMBERS || m.flow >= FLOWS || hostile)
		return;
	assert_int_equal(m.sequence, wire.next[m.writer][m.flow]);
	wire.next[m.writer][m.flow]++;
}

/* Its page, and whether a member may be changing it under our eyes. */
static TEST_UNUSED bool frame_is_hostile(const uint8_t *frame, uint32_t length)
{
	struct jt_transmit *t = page_of(c, frame);
	size_t at = (size_t)(frame - t->page->memory) % jt_bank_stride(&t->page->geometry);

	assert_true(frame >= t->page->memory);
	assert_true((size_t)(frame - t->page->memory) <
		    (size_t)BANKS * jt_bank_stride(&t->page->geometry));
	assert_true(at < (size_t)EXTENTS * 2048);
	assert_int_equal(at % 2048, JT_FRAME_START);
	assert_in_range(length, sizeof(struct jt_eth) + sizeof(struct jt_frame_header),
			FIXTURE_LIMIT - JT_FRAME_START);
	return t->domain && t->domain == &c->domains[0] && c->domains[0].resets;
}

bool jt_xsk_send(struct jt_xsk *x, unsigned int queue, const uint8_t *frame, uint32_t length)
{
	struct jt_frame_header h;
	bool hostile = frame_is_hostile(frame, length);
	struct jt_found found;
	struct jt_walk walk;
	int err;

	(void)x;
	(void)queue;
	if (wire.takes + wire.dones == WIRE)
		return false;
	memcpy(&h, frame + sizeof(struct jt_eth), sizeof(h));
	if (!hostile) {
		assert_true(frame[5] < PEERS);
		assert_int_equal(ntohl(h.sequence), c->peers[frame[5]].sequence);
	}
	jt_walk_init(&walk, frame + sizeof(struct jt_eth) + sizeof(h),
		     length - (uint32_t)(sizeof(struct jt_eth) + sizeof(h)));
	while ((err = jt_walk_next(&walk, &found)) > 0)
		message_arrives(&found, hostile);
	assert_true(!err || hostile);
	wire.taken[wire.takes++] = frame;
	return true;
}

int jt_xsk_kick(struct jt_xsk *x)
{
	(void)x;
	while (wire.takes)
		wire.done[wire.dones++] = wire.taken[--wire.takes];
	return 0;
}

bool jt_xsk_pending(const struct jt_xsk *x)
{
	(void)x;
	return wire.takes;
}

bool jt_xsk_completed(struct jt_xsk *x, const uint8_t **frame)
{
	(void)x;
	if (!wire.dones || wire.hold)
		return false;
	*frame = wire.done[--wire.dones];
	return true;
}

/* --- a controller ------------------------------------------------------------------- */

static TEST_UNUSED void range_reserve(struct jt_datapath *d)
{
	uint8_t *range;
	size_t guard = 1 << 20;

	range = mmap(NULL, d->umem_size + 2 * guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(range != MAP_FAILED);
	d->page.memory = range + guard;
	assert_false(mprotect(d->page.memory, d->page_bytes, PROT_READ | PROT_WRITE));
}

static TEST_UNUSED void datapath_make(struct jt_datapath *d)
{
	const struct jt_geometry *g = &options.geometry;

	d->page.geometry = *g;
	d->page_bytes = (size_t)(BANKS + 1) * jt_bank_stride(g);
	d->domain_bytes = jt_domain_size(g);
	d->umem_size = d->page_bytes + options.trust_count * d->domain_bytes;
	range_reserve(d);
	d->page.extents = test_alloc(sizeof(struct jt_extent) * BANKS * EXTENTS);
	d->page.control = test_alloc(sizeof(struct jt_control));
	d->peers = test_alloc(sizeof(struct jt_peer) * JT_PEERS_MAX);
	d->guests = test_alloc(sizeof(struct jt_guest) * JT_GUESTS_MAX);
	d->shares = test_alloc(sizeof(struct jt_share) * JT_GUESTS_MAX);
	control_init(d->page.control, g, 1);
	d->page.control->threshold = EXTENTS - 1;
}

static TEST_UNUSED void peers_make(void)
{
	uint32_t i;

	for (i = 0; i < PEERS; i++) {
		peer_init(&c->datapath.peers[i], "peer");
		c->datapath.peers[i].mac[5] = (__u8)i;
		c->peers[i] = (struct jt_peer_state){ .used = true, .reachable = true };
		c->peers[i].address.family = JT_FAMILY_MAC;
		jt_domains_peer(c, i);
	}
}

static TEST_UNUSED int begin_test(void **state)
{
	(void)state;
	memset(&wire, 0, sizeof(wire));
	options = (struct jt_options){ .geometry = JT_GEOMETRY(EXTENTS * 2048, BANKS, 2048),
				       .cycle = { .fixed_ns = 1000000, .latency_ns = 1000000 } };
	assert_null(jt_trust_parse(&options, "one=g0,g1,g2"));
	assert_null(jt_trust_parse(&options, "two=g3"));
	c = test_alloc(sizeof(*c));
	c->board.notice = test_alloc(JT_NOTICE_SIZE);
	c->options = &options;
	c->capture.watch.fd = c->timer_watch.fd = c->shares_watch.fd = -1;
	c->uplink.up = true;
	c->xsk.count = 1; /* never looked into */
	c->guest_limit = 5;
	for (uint32_t i = 0; i < c->guest_limit; i++) {
		c->guests[i].used = true;
		snprintf(c->guests[i].spec.name, JT_NAME_SIZE, "g%u", i);
	}
	datapath_make(&c->datapath);
	jt_transmit_start(c);
	assert_int_equal(jt_domains_start(c), 0);
	peers_make();
	c->scheduler.settings = options.cycle;
	c->scheduler.length_ns = 1000000;
	sleep_until_rung(c);
	c->started_ns = jt_env_now();
	jt_domains_ready(c);
	return 0;
}

static TEST_UNUSED int end_test(void **state)
{
	unsigned int i;

	(void)state;
	jt_domains_close(c);
	munmap(c->datapath.page.memory - (1 << 20), c->datapath.umem_size + (2 << 20));
	free(c->datapath.page.extents);
	free(c->datapath.page.control);
	free(c->datapath.peers);
	free(c->datapath.guests);
	free(c->datapath.shares);
	free(c->board.notice);
	free(c);
	for (i = 0; i < options.trust_count; i++)
		free(options.trusts[i].guests);
	free(options.trusts);
	return 0;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "controller/capture.h"
#include "controller/helpers.h"
#include "controller/outer.h"
#include "controller/peers.h"
#include "controller/receive.h"

#define BATCH 64
#define BATCHES_MAX 16 /* then other work gets its turn */
#define LOST_NS 100000000ULL /* so long no frame is between the program and its socket */

/*
 * Where the messages of one template go; found once per template and frame, but for
 * Ethernet ones.
 */
struct route {
	struct jt_guest *guest;
	const uint8_t *mac;		 /* to put into the packet, or NULL */
	int reason;			 /* why nowhere, if guest is NULL */
	struct jt_helper *helper;	 /* who has claimed the port, or NULL */
	struct jt_slice_arrival arrival; /* if so */
};

/* Behind an Ethernet template each message brings an IP header of its own. */
static struct jt_address payload_address(const struct jt_found *m, const struct jt_template *t,
					 bool source)
{
	if (t->u.ethernet.ethertype == htons(JT_ETH_IPV4))
		return jt_address_make(JT_FAMILY_IPV4, JT_SCOPE_GUEST,
				       m->payload + (source ? offsetof(struct jt_ipv4, source) :
							      offsetof(struct jt_ipv4, dest)));
	return jt_address_make(JT_FAMILY_IPV6, JT_SCOPE_GUEST,
			       m->payload + (source ? offsetof(struct jt_ipv6, source) :
						      offsetof(struct jt_ipv6, dest)));
}

static struct jt_address ip_address(const struct jt_found *m, const struct jt_template *t,
				    bool source)
{
	if (t->kind == JT_TEMPLATE_UDP4)
		return jt_address_make(JT_FAMILY_IPV4, JT_SCOPE_GUEST,
				       source ? &t->u.udp4.source : &t->u.udp4.dest);
	if (t->kind == JT_TEMPLATE_UDP6)
		return jt_address_make(JT_FAMILY_IPV6, JT_SCOPE_GUEST,
				       source ? t->u.udp6.source : t->u.udp6.dest);
	return payload_address(m, t, source);
}

/* A source must not be a guest of ours, nor known to be behind another peer. */
static bool source_sound(struct jt_controller *c, const struct jt_found *m,
			 const struct jt_template *t, uint32_t peer)
{
	struct jt_address mac = jt_address_make(JT_FAMILY_MAC, JT_SCOPE_GUEST, t->source_mac);
	struct jt_address ip = ip_address(m, t, true);
	const struct jt_place *places[2] = { jt_index_find(&c->index, &mac),
					     jt_index_find(&c->index, &ip) };
	int i;

	for (i = 0; i < 2; i++)
		if (places[i] && (places[i]->kind != JT_PLACE_PEER || places[i]->id != peer))
			return false;
	return true;
}

static struct route route_find(struct jt_controller *c, const struct jt_found *m, uint32_t peer)
{
	struct route r = { .reason = JT_REASON_NO_GUEST };
	const struct jt_place *place;
	struct jt_address a;
	struct jt_template t;

	jt_template_load(&t, m->bytes, m->template_size);
	if (!source_sound(c, m, &t, peer)) {
		r.reason = JT_REASON_SOURCE_BAD;
		return r;
	}
	a = jt_address_make(JT_FAMILY_MAC, JT_SCOPE_GUEST, t.dest_mac);
	place = jt_index_find(&c->index, &a);
	if (!place) {
		a = ip_address(m, &t, false);
		place = jt_index_find(&c->index, &a);
		/* What a guest merely said of itself draws nobody's packets to it. */
		if (place && place->flags & JT_PLACE_LEARNED && !c->options->udp_port)
			return r;
		if (place && place->kind == JT_PLACE_GUEST)
			r.mac = (const uint8_t *)&c->datapath.guests[place->id].mac;
	}
	if (!place || place->kind != JT_PLACE_GUEST)
		return r;
	r.guest = &c->datapath.guests[place->id];
	if (!c->guests[place->id].up || (r.mac && !r.guest->mac)) {
		r.reason = JT_REASON_GUEST_DOWN;
		r.guest = NULL;
	} else if (c->guests[place->id].helpers && t.kind != JT_TEMPLATE_ETHERNET) {
		r.helper = jt_helper_of(c, place->id, t.u.udp4.dest_port);
		/* Through an AF_XDP socket: the program in the guest sees to it. */
		if (r.helper && r.helper->receive == JT_RECEIVE_XDP)
			r.helper = NULL;
		if (r.helper)
			r.arrival = jt_slice_arrival(m->bytes, m->template_size);
		if (r.helper && r.helper->machine)
			jt_fence_look(r.helper, &r.arrival, jt_env_now());
	}
	return r;
}

/* The record's own number says which of its frame's templates it uses. */
static uint32_t number_of(const struct jt_found *m)
{
	return (m->payload - JT_RECORD_HEAD)[0] >> 3;
}

static void take_apart(struct jt_controller *c, uint32_t peer, const uint8_t *records,
		       uint32_t length)
{
	struct route routes[JT_TEMPLATES_MAX + 1], *r;
	uint32_t known = 0, number; /* bit i: routes[i] is filled in */
	__u64 *reasons = c->datapath.peers[peer].reasons;
	struct jt_found m;
	struct jt_walk w;
	int found;

	jt_walk_init(&w, records, length);
	while ((found = jt_walk_next(&w, &m)) > 0) {
		c->datapath.peers[peer].received_messages++;
		number = number_of(&m);
		r = &routes[number];
		if (!(known & 1U << number) || m.bytes[0] == JT_TEMPLATE_ETHERNET)
			*r = route_find(c, &m, peer);
		known |= 1U << number;
		if (r->helper)
			jt_slice_put(c, r->helper, &r->arrival, m.payload, m.length);
		else if (r->guest)
			jt_deliver_add(&c->deliver, &m, r->guest, r->mac);
		else
			__sync_fetch_and_add(&reasons[r->reason], 1);
	}
	if (found < 0)
		__sync_fetch_and_add(&reasons[-found], 1);
}

void jt_receive_frame(struct jt_controller *c, const uint8_t *frame, uint32_t length)
{
	struct jt_address from;
	struct jt_frame_header h;
	const uint8_t *body = jt_outer_read(c, frame, length, &from, &h);
	const struct jt_place *place;
	uint32_t room;

	if (!body || jt_index_refresh(&c->index, c->datapath.maps[JT_MAP_addresses]))
		return;
	room = length - (uint32_t)(body - frame);
	if (ntohs(h.length) > room)
		return; /* the uplink program has let none such through */
	if (c->capture.watch.fd >= 0)
		jt_capture_frame(c, JT_CAPTURE_RECEIVED, frame, length);
	place = jt_index_find(&c->index, &from);
	if ((h.version_type & 0xf) == JT_FRAME_HELLO)
		jt_peers_hello(c, place && place->kind == JT_PLACE_PEER ? (int)place->id : -1,
			       &from, &h, body);
	else if (place && place->kind == JT_PLACE_PEER)
		take_apart(c, place->id, body, ntohs(h.length));
}

void jt_receive_count(struct jt_controller *c)
{
	uint64_t missed = jt_xsk_missed(&c->xsk);

	if (missed > c->xsk.counted)
		__sync_fetch_and_add(&c->datapath.page.control->reasons[JT_REASON_SOCKET_FULL],
				     missed - c->xsk.counted);
	c->xsk.counted = missed;
}

void jt_receive_hand_over(struct jt_controller *c)
{
	jt_deliver_flush(&c->deliver);
	jt_slices_flush(c);
}

int jt_receive_record(void *controller, void *data, size_t size)
{
	const struct jt_frame_large *record = data; /* or a small one: they begin alike */
	struct jt_controller *c = controller;

	if (size < sizeof(record->length) || record->length > size - sizeof(record->length))
		return 0;
	jt_receive_frame(c, record->bytes, record->length);
	return --c->record_budget ? 0 : -1;
}

/*
 * The program counts what it gives to the sockets, the sockets and the kernel's own
 * counters say what has become of it. Those are asked for, by calls, only where
 * something is missing. What stays away is lost in a way that nobody counts, such as
 * of frames that somebody has tried the program with.
 */
void jt_receive_turn(struct jt_controller *c)
{
	struct jt_control *control = c->datapath.page.control;
	uint64_t given, missing;

	if (!(control->flags & JT_CONTROL_HELPERS) || jt_xsk_readable(&c->xsk))
		return;
	given = JT_READ(control->sockets_given);
	if (given != jt_xsk_given(&c->xsk))
		jt_receive_count(c);
	missing = given - jt_xsk_given(&c->xsk);
	if (missing != c->xsk.missing) {
		c->xsk.missing = missing;
		c->xsk.missing_ns = jt_env_now();
	} else if (missing && jt_env_now() - c->xsk.missing_ns > LOST_NS) {
		c->xsk.before += missing;
	}
	JT_WRITE(control->sockets_handed, jt_xsk_given(&c->xsk));
}

void jt_receive_run(struct jt_controller *c, unsigned int queue)
{
	uint32_t first, length;
	unsigned int n, i, batch;
	const uint8_t *frame;

	for (batch = 0; batch < BATCHES_MAX && c->xsk.count; batch++) {
		n = jt_xsk_receive(&c->xsk, queue, BATCH, &first);
		if (!n)
			break;
		for (i = 0; i < n; i++) {
			frame = jt_xsk_frame(&c->xsk, queue, first + i, &length);
			jt_receive_frame(c, frame, length);
		}
		jt_xsk_release(&c->xsk, queue, first, n);
	}
	jt_receive_hand_over(c);
}

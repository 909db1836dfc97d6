// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <jitney/hello.h>
#include "common/log.h"
#include "controller/domains.h"
#include "controller/outer.h"
#include "controller/peers.h"
#include "controller/places.h"
#include "controller/receive.h"

#define GONE_NS 3000000000ULL	     /* silent for so long: what is unconfirmed is lost */
#define XDP_HEADROOM 256U	     /* XDP_PACKET_HEADROOM of the kernel */
#define HELLO_ADDRESSES 64	     /* in one frame */
#define COARSE_NS 20000000ULL	     /* more than clocks of programs and helpers are behind */
#define EVERYBODY (JT_PEERS_MAX - 1) /* a slot without a peer, for broadcasts */

bool jt_peer_alive(const struct jt_controller *c, uint32_t id, uint64_t now)
{
	return c->peers[id].used && now <= c->datapath.peers[id].alive_until_ns;
}

/* Frames may be as large as the uplink and an extent allow. */
static void set_limits(struct jt_controller *c, uint32_t id)
{
	struct jt_peer *slot = &c->datapath.peers[id];
	uint16_t family = c->peers[id].address.family;
	uint32_t limit = JT_FRAME_START + (uint32_t)sizeof(struct jt_eth) + c->uplink.mtu;

	/* The receiver's AF_XDP socket keeps a headroom in each of its chunks. */
	if (limit > c->datapath.page.geometry.extent_size - XDP_HEADROOM)
		limit = c->datapath.page.geometry.extent_size - XDP_HEADROOM;
	slot->head = (uint16_t)jt_outer_head(family);
	slot->limit = limit;
	slot->flags = family == JT_FAMILY_IPV4 ? JT_PEER_IPV4 :
		      family == JT_FAMILY_IPV6 ? JT_PEER_IPV6 :
						 0;
	memcpy(slot->address, c->peers[id].address.bytes, sizeof(slot->address));
	JT_NOTICE_SET(&c->board, peer_room[id], (uint16_t)(limit - slot->head));
	jt_domains_peer(c, id);
}

/* Programs and helpers send to it until then. */
static void set_alive(struct jt_controller *c, uint32_t id, uint64_t until)
{
	JT_WRITE(c->datapath.peers[id].alive_until_ns, until);
	JT_NOTICE_TIME(&c->board, peer_alive_until_ns[id], until);
	jt_domains_peer(c, id);
}

/* Find the next hop of a peer behind a router; a datagram makes the kernel ask. */
static void resolve(struct jt_controller *c, uint32_t id)
{
	struct jt_peer_state *p = &c->peers[id];
	uint8_t *mac = c->datapath.peers[id].mac;
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(9) };
	bool v4 = p->address.family == JT_FAMILY_IPV4;
	struct jt_address own; /* is no guest's */
	int fd, err;

	if (p->address.family == JT_FAMILY_MAC)
		return;
	err = jt_netdev_route(c->uplink.ifindex, &p->address, &p->source, mac);
	p->reachable = !err;
	if (!err) {
		own = jt_address_make(p->source.family, JT_SCOPE_GUEST, p->source.bytes);
		jt_place_set(c, &own, &(struct jt_place){ .until_ns = JT_NEVER_STALE });
	}
	if (err != -EAGAIN)
		return;
	memcpy(&to4.sin_addr, p->address.bytes, 4);
	memcpy(&to6.sin6_addr, p->address.bytes, 16);
	fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, "", 0, MSG_DONTWAIT, v4 ? (void *)&to4 : (void *)&to6,
	       v4 ? sizeof(to4) : sizeof(to6));
	close(fd);
}

static int slot_find(struct jt_controller *c)
{
	uint32_t i;

	for (i = 0; i < EVERYBODY; i++)
		if (!c->peers[i].used)
			return (int)i;
	return -ENOSPC;
}

static int peer_add(struct jt_controller *c, const struct jt_peer_spec *spec, bool discovered)
{
	struct jt_place place = { .kind = JT_PLACE_PEER, .until_ns = JT_NEVER_STALE };
	int id = slot_find(c);
	struct jt_peer *slot;

	if (id < 0)
		return id;
	slot = &c->datapath.peers[id];
	memset(slot, 0, sizeof(*slot));
	c->peers[id] = (struct jt_peer_state){ .used = true,
					       .discovered = discovered,
					       .address = spec->address };
	if (spec->address.family == JT_FAMILY_MAC) {
		memcpy(slot->mac, spec->address.bytes, 6);
		c->peers[id].reachable = true;
	}
	set_limits(c, (uint32_t)id);
	resolve(c, (uint32_t)id);
	memcpy(slot->name, spec->name, sizeof(slot->name));
	place.id = (uint32_t)id;
	if (jt_place_set(c, &spec->address, &place)) {
		memset(slot, 0, sizeof(*slot));
		c->peers[id].used = false;
		return -ENOSPC;
	}
	if ((uint32_t)id >= c->peer_limit)
		c->peer_limit = (uint32_t)id + 1;
	return id;
}

static void peer_forget(struct jt_controller *c, uint32_t id)
{
	set_alive(c, id, 0);
	jt_places_forget(c, JT_PLACE_PEER, id);
	memset(c->datapath.peers[id].name, 0, JT_NAME_SIZE);
	c->peers[id].used = false;
}

static int peer_by_name(const struct jt_controller *c, const char *name)
{
	uint32_t i;

	for (i = 0; i < c->peer_limit; i++)
		if (c->peers[i].used && !strcmp(c->datapath.peers[i].name, name))
			return (int)i;
	return -ENOENT;
}

/* Guest addresses of ours, from index entry *at on. Return: how many were written. */
static uint32_t write_addresses(struct jt_controller *c, size_t *at, struct jt_hello_address *out)
{
	const struct jt_index_entry *e;
	uint32_t n = 0;

	for (; *at < c->index.count && n < HELLO_ADDRESSES; (*at)++) {
		e = &c->index.entries[*at];
		if (e->place.kind != JT_PLACE_GUEST)
			continue;
		out[n] = (struct jt_hello_address){ .family = htons(e->address.family) };
		memcpy(out[n++].bytes, e->address.bytes, sizeof(out->bytes));
	}
	return n;
}

/* @broadcast: to everybody on the uplink's network instead of to the peer. */
static size_t hello_send(struct jt_controller *c, uint32_t id, enum jt_hello_op op, size_t at,
			 bool broadcast)
{
	struct jt_peer_state *p = &c->peers[id];
	uint32_t head = jt_outer_head(p->address.family), end, n = 0;
	struct jt_hello hello = { .op = op };
	struct jt_hello_address list[HELLO_ADDRESSES];
	uint8_t frame[2048] = { 0 };

	if (op == JT_HELLO_ANNOUNCE)
		n = write_addresses(c, &at, list);
	if (!broadcast)
		hello.received = htonl(
			(uint32_t)(c->datapath.peers[id].received_frames - p->session_frames));
	hello.addresses = htons((uint16_t)n);
	memcpy(hello.name, c->options->name, sizeof(hello.name));
	end = head + (uint32_t)sizeof(hello) + n * (uint32_t)sizeof(*list);
	memcpy(frame + head, &hello, sizeof(hello));
	memcpy(frame + head + sizeof(hello), list, n * sizeof(*list));
	p->hello_number = op == JT_HELLO_PROBE ? p->probe_number :
			  op == JT_HELLO_REPLY ? p->asked_number :
						 0;
	jt_outer_write(c, id, JT_FRAME_HELLO, frame, end);
	if (broadcast)
		memset(frame + JT_FRAME_START, 0xff, 6);
	if (broadcast || p->reachable)
		jt_deliver_frame(&c->deliver, c->uplink.ifindex, frame + JT_FRAME_START,
				 end - JT_FRAME_START);
	return at;
}

static void announce_to(struct jt_controller *c, uint32_t id, bool broadcast)
{
	size_t at = 0;

	if (c->stop || jt_index_refresh(&c->index, c->datapath.maps[JT_MAP_addresses]))
		return;
	do
		at = hello_send(c, id, JT_HELLO_ANNOUNCE, at, broadcast);
	while (at < c->index.count);
}

/*
 * What the answer will confirm. Of several that are not answered yet the first is noted:
 * probes and answers stay in order, so who answers a later one has got it, too.
 */
static void probe_note(struct jt_controller *c, uint32_t id)
{
	struct jt_peer_state *p = &c->peers[id];

	p->probe_number += 1 + (p->probe_number == UINT32_MAX); /* 0 is none */
	if (p->probing)
		return;
	p->probing = true;
	p->noted = p->probe_number;
	p->probe_messages = c->datapath.peers[id].sent_messages;
	p->probe_drained = c->scheduler.drained_ns;
}

void jt_peers_probe(struct jt_controller *c, uint32_t id)
{
	struct jt_peer_state *p = &c->peers[id];

	/* It would say "I am here" after the good-bye. */
	if (id >= c->peer_limit || !p->used || c->stop)
		return;
	/* One that is silent may have got another next hop. */
	if (!p->reachable || !jt_peer_alive(c, id, jt_env_now()))
		resolve(c, id);
	p->probed_ns = jt_env_now();
	probe_note(c, id);
	hello_send(c, id, JT_HELLO_PROBE, 0, false);
}

void jt_peers_announce(struct jt_controller *c)
{
	uint32_t i;

	if (!c->options->discover || !c->uplink.up)
		return;
	jt_places_expire(c, jt_env_now());
	if (!c->options->udp_port)
		announce_to(c, EVERYBODY, true);
	for (i = 0; i < c->peer_limit; i++) {
		if (!c->peers[i].used)
			continue;
		if (c->peers[i].discovered && jt_env_now() > c->peers[i].expires_ns)
			peer_forget(c, i);
		else if (c->options->udp_port)
			announce_to(c, i, false);
	}
}

/* What came aboard before the page was @drained has been handed over there. */
static void settle(struct jt_controller *c, uint32_t id, uint64_t drained)
{
	struct jt_peer *slot = &c->datapath.peers[id];

	/* If nothing was sent since, there is nothing to be said. */
	if (drained < slot->settled_ns + COARSE_NS || slot->settled_ns >= c->peers[id].sent_ns)
		return;
	JT_WRITE(slot->settled_ns, drained - COARSE_NS);
	JT_NOTICE_TIME(&c->board, peer_settled_ns[id], drained - COARSE_NS);
}

/* @number: of the probe that is answered; 0: who answers does not say */
static void answered(struct jt_controller *c, uint32_t id, uint32_t number)
{
	struct jt_peer_state *p = &c->peers[id];

	if (!p->probing || (number && (int32_t)(number - p->noted) < 0))
		return;
	p->probing = false;
	if (p->probe_messages > p->confirmed)
		p->confirmed = p->probe_messages;
	settle(c, id, p->probe_drained);
}

static void count_gone(struct jt_controller *c, uint32_t id)
{
	struct jt_peer_state *p = &c->peers[id];
	struct jt_peer *slot = &c->datapath.peers[id];

	__sync_fetch_and_add(&slot->reasons[JT_REASON_PEER_GONE],
			     slot->sent_messages - p->confirmed);
	p->confirmed = slot->sent_messages;
	p->silent = true;
}

bool jt_peers_tick(struct jt_controller *c, uint64_t now)
{
	struct jt_peer_state *p;
	bool waiting = false;
	uint64_t sent;
	uint32_t i;

	for (i = 0; i < c->peer_limit; i++) {
		p = &c->peers[i];
		sent = c->datapath.peers[i].sent_messages;
		if (sent != p->seen_messages) {
			p->seen_messages = sent;
			p->sent_ns = jt_env_now();
		}
		/* Settled is what was aboard some time before: one more probe may be due. */
		if (!p->used ||
		    (sent == p->confirmed && (c->datapath.peers[i].settled_ns >= p->sent_ns ||
					      now > p->sent_ns + JT_SETTLE_NS)))
			continue;
		if (now - p->probed_ns > JT_PEER_PROBE_NS)
			jt_peers_probe(c, i);
		if (sent != p->confirmed && now - p->heard_ns > GONE_NS)
			count_gone(c, i);
		else
			waiting = true;
	}
	return waiting;
}

static void learn(struct jt_controller *c, uint32_t id, const struct jt_hello *hello,
		  const uint8_t *body)
{
	struct jt_place place = { .kind = JT_PLACE_PEER,
				  .id = id,
				  .flags = JT_PLACE_LEARNED,
				  .until_ns = jt_env_now() + JT_PLACE_EXPIRES_NS };
	struct jt_place known;
	bool taken;
	struct jt_hello_address entry;
	struct jt_address a;
	uint32_t i;

	for (i = 0; i < ntohs(hello->addresses); i++) {
		entry = jt_hello_address(body, i);
		a = jt_address_make(ntohs(entry.family), JT_SCOPE_GUEST, entry.bytes);
		/* The map itself: a guest may have spoken a moment ago. */
		taken = !bpf_map_lookup_elem(c->datapath.maps[JT_MAP_addresses], &a, &known);
		/* What is configured, or ours, is not for others to say. */
		if (!taken || (known.kind == JT_PLACE_PEER && known.flags & JT_PLACE_LEARNED))
			jt_place_set(c, &a, &place);
	}
}

/* A machine that nobody named says hello. Return: its id or negative errno. */
static int discovered(struct jt_controller *c, const struct jt_address *from,
		      const struct jt_hello *hello)
{
	struct jt_peer_spec spec = { .address = *from };
	char text[JT_ADDRESS_TEXT];
	int id;

	if (!c->options->discover || from->family != JT_FAMILY_MAC ||
	    hello->op != JT_HELLO_ANNOUNCE || !memcmp(from->bytes, c->uplink.mac, 6))
		return -EPERM;
	memcpy(spec.name, hello->name, sizeof(spec.name));
	if (peer_by_name(c, spec.name) >= 0)
		snprintf(spec.name, sizeof(spec.name), "p-%02x%02x%02x", from->bytes[3],
			 from->bytes[4], from->bytes[5]);
	id = peer_add(c, &spec, true);
	if (id < 0)
		return id;
	jt_log("discovered peer %s at %s", spec.name, jt_address_print(from, text));
	announce_to(c, (uint32_t)id, false);
	return id;
}

static void heard(struct jt_controller *c, uint32_t id, const struct jt_frame_header *h,
		  const struct jt_hello *hello)
{
	struct jt_peer_state *p = &c->peers[id];
	struct jt_peer *slot = &c->datapath.peers[id];
	uint64_t now = jt_env_now();

	if (p->session != ntohs(h->session)) {
		if (p->session && !p->silent)
			count_gone(c, id); /* its predecessor did not confirm that */
		p->session = ntohs(h->session);
		p->session_frames = slot->received_frames;
	}
	p->heard_ns = now;
	p->expires_ns = now + JT_PLACE_EXPIRES_NS;
	p->silent = false;
	/* Nothing comes aboard for who is heard and can't be answered yet. */
	if (!p->reachable)
		resolve(c, id);
	set_alive(c, id,
		  hello->op == JT_HELLO_BYE || !p->reachable || !c->uplink.up ?
			  0 :
			  now + JT_PEER_ALIVE_NS);
	if (hello->op != JT_HELLO_REPLY)
		return;
	answered(c, id, ntohl(h->sequence));
	p->acknowledged = ntohl(hello->received);
}

void jt_peers_hello(struct jt_controller *c, int id, const struct jt_address *from,
		    const struct jt_frame_header *h, const uint8_t *body)
{
	__u64 *reasons = c->datapath.page.control->reasons;
	struct jt_hello hello;

	if (id >= 0)
		reasons = c->datapath.peers[id].reasons;
	if (!jt_hello_read(h, body, &hello)) {
		__sync_fetch_and_add(&reasons[JT_REASON_HELLO_BAD], 1);
		return;
	}
	if (id < 0)
		id = discovered(c, from, &hello);
	if (id < 0)
		return;
	heard(c, (uint32_t)id, h, &hello);
	if (hello.op == JT_HELLO_PROBE && !c->stop) {
		jt_receive_hand_over(c); /* it confirms what came before */
		c->peers[id].asked_number = ntohl(h->sequence);
		hello_send(c, (uint32_t)id, JT_HELLO_REPLY, 0, false);
	}
	if (hello.op == JT_HELLO_ANNOUNCE && c->options->discover)
		learn(c, (uint32_t)id, &hello, body);
}

void jt_peers_uplink(struct jt_controller *c)
{
	uint32_t i;

	for (i = 0; i < c->peer_limit; i++) {
		if (!c->peers[i].used)
			continue;
		set_limits(c, i); /* the MTU may be another */
		if (!c->uplink.up)
			set_alive(c, i, 0);
		else
			resolve(c, i);
	}
}

static int remote_add(struct jt_controller *c, const struct jt_remote_spec *r)
{
	struct jt_place place = { .kind = JT_PLACE_PEER, .until_ns = JT_NEVER_STALE };
	int id = peer_by_name(c, r->peer);

	if (id < 0) {
		jt_log("--remote names peer %s, which no --peer names", r->peer);
		return id;
	}
	place.id = (uint32_t)id;
	id = jt_place_set(c, &r->address, &place);
	if (id)
		jt_log("failed to add --remote of peer %s: %s", r->peer, strerror(-id));
	return id;
}

int jt_peers_start(struct jt_controller *c)
{
	const struct jt_options *o = c->options;
	unsigned int i;
	int err = 0;

	for (i = 0; i < o->peer_count && err >= 0; i++) {
		err = peer_add(c, &o->peers[i], false);
		if (err < 0)
			jt_log("failed to add peer %s: there is no room for it", o->peers[i].name);
	}
	for (i = 0; i < o->remote_count && err >= 0; i++)
		err = remote_add(c, &o->remotes[i]);
	return err < 0 ? err : 0;
}

void jt_peers_stop(struct jt_controller *c)
{
	uint32_t i;

	for (i = 0; i < c->peer_limit && c->uplink.up; i++)
		if (c->peers[i].used)
			hello_send(c, i, JT_HELLO_BYE, 0, false);
}

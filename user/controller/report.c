// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>
#include <unistd.h>

#include "controller/domains.h"
#include "controller/helpers.h"
#include "controller/outer.h"
#include "controller/peers.h"
#include "controller/report.h"
#include "controller/report_share.h"
#include "controller/scheduler.h"

static void set_text(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, text ? json_string(text) : json_null());
}

static void set_number(json_t *o, const char *key, uint64_t n)
{
	json_object_set_new(o, key, json_integer((json_int_t)n));
}

static void set_bool(json_t *o, const char *key, bool yes)
{
	json_object_set_new(o, key, json_boolean(yes));
}

static void set_mac(json_t *o, const char *key, const void *mac)
{
	static const uint8_t none[6];
	struct jt_address a = jt_address_make(JT_FAMILY_MAC, JT_SCOPE_GUEST, mac);
	char text[JT_ADDRESS_TEXT];

	set_text(o, key, memcmp(mac, none, 6) ? jt_address_print(&a, text) : NULL);
}

/* Addresses at a place, of guests; MACs of guests stand on their own. */
static json_t *addresses_of(struct jt_controller *c, enum jt_place_kind kind, uint32_t id)
{
	json_t *list = json_array();
	const struct jt_index_entry *e;
	char text[JT_ADDRESS_TEXT];
	size_t i;

	for (i = 0; i < c->index.count; i++) {
		e = &c->index.entries[i];
		if (e->place.kind == kind && e->place.id == id &&
		    e->address.scope == JT_SCOPE_GUEST &&
		    (kind == JT_PLACE_PEER || e->address.family != JT_FAMILY_MAC))
			json_array_append_new(list,
					      json_string(jt_address_print(&e->address, text)));
	}
	return list;
}

static uint64_t sum_kind(const __u64 *reasons, enum jt_reason_kind kind)
{
	uint64_t sum = 0;
	int i;

	for (i = 1; i < JT_REASON_COUNT; i++)
		if (jt_reasons[i].kind == kind)
			sum += reasons[i];
	return sum;
}

static json_t *reasons_of(const __u64 *reasons)
{
	json_t *o = json_object();
	int i;

	for (i = 1; i < JT_REASON_COUNT; i++)
		if (reasons[i])
			set_number(o, jt_reasons[i].name, reasons[i]);
	return o;
}

static void set_reasons(json_t *o, const __u64 *reasons)
{
	set_number(o, "passed", sum_kind(reasons, JT_KIND_pass));
	set_number(o, "dropped", sum_kind(reasons, JT_KIND_drop));
	json_object_set_new(o, "reasons", reasons_of(reasons));
}

static json_t *queues(const struct jt_xsk *x)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < x->count; i++)
		json_array_append_new(list,
				      json_pack("{s:I,s:I}", "sent", (json_int_t)x->queues[i].sent,
						"received", (json_int_t)x->queues[i].received));
	return list;
}

static json_t *uplink(struct jt_controller *c)
{
	json_t *o = json_object();

	set_text(o, "interface", c->options->uplink);
	set_number(o, "ifindex", c->uplink.ifindex);
	set_mac(o, "mac", c->uplink.mac);
	set_number(o, "mtu", c->uplink.mtu);
	set_number(o, "rate", c->shares.rate * 8);
	set_bool(o, "up", c->uplink.up);
	set_text(o, "attach", jt_mode_names[c->uplink_attachment.mode]);
	set_bool(o, "zerocopy", c->xsk.zerocopy);
	json_object_set_new(o, "queues", queues(&c->xsk));
	return o;
}

static json_t *geometry(struct jt_controller *c)
{
	const struct jt_geometry *g = &c->datapath.page.geometry;
	json_t *o = json_object();

	set_number(o, "page_size", g->page_size);
	set_number(o, "banks", g->banks);
	set_number(o, "extent_size", g->extent_size);
	set_number(o, "extents", g->extents);
	set_number(o, "small", c->options->small);
	set_number(o, "threshold", c->options->threshold);
	set_number(o, "memory", c->datapath.page_bytes);
	return o;
}

static uint64_t swaps_total(const struct jt_scheduler *s)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < JT_SWAP_COUNT; i++)
		sum += s->swaps[i];
	return sum;
}

struct sums {
	uint64_t messages, bytes, delivered, passed, dropped;
	uint64_t sent_frames, sent_bytes, sent_messages;
	uint64_t received_frames, received_bytes, received_messages, received_lost;
};

static void add_reasons(struct sums *s, const __u64 *reasons)
{
	s->passed += sum_kind(reasons, JT_KIND_pass);
	s->dropped += sum_kind(reasons, JT_KIND_drop);
}

static void add_guests(struct jt_controller *c, struct sums *s)
{
	const struct jt_guest *g;
	uint32_t i;

	s->messages = c->retired.messages;
	s->bytes = c->retired.bytes;
	s->delivered = c->retired.delivered;
	add_reasons(s, c->retired.reasons);
	for (i = 0; i < c->guest_limit; i++) {
		g = &c->datapath.guests[i];
		if (!c->guests[i].used)
			continue;
		s->messages += g->messages;
		s->bytes += g->bytes;
		s->delivered += g->delivered;
		add_reasons(s, g->reasons);
	}
}

static void add_peers(struct jt_controller *c, struct sums *s)
{
	const struct jt_peer *p;
	uint32_t i;

	for (i = 0; i < c->peer_limit; i++) {
		p = &c->datapath.peers[i];
		s->sent_frames += p->sent_frames;
		s->sent_bytes += p->sent_bytes;
		s->sent_messages += p->sent_messages;
		s->received_frames += p->received_frames;
		s->received_bytes += p->received_bytes;
		s->received_messages += p->received_messages;
		s->received_lost += p->received_lost;
		add_reasons(s, p->reasons);
	}
}

static json_t *totals(struct jt_controller *c)
{
	json_t *o = json_object();
	struct sums s = { 0 };

	add_guests(c, &s);
	add_peers(c, &s);
	add_reasons(&s, c->datapath.page.control->reasons);
	set_number(o, "messages", s.messages);
	set_number(o, "bytes", s.bytes);
	set_number(o, "sent_frames", s.sent_frames);
	set_number(o, "sent_bytes", s.sent_bytes);
	set_number(o, "sent_messages", s.sent_messages);
	set_number(o, "received_frames", s.received_frames);
	set_number(o, "received_bytes", s.received_bytes);
	set_number(o, "received_messages", s.received_messages);
	set_number(o, "received_lost", s.received_lost);
	set_number(o, "delivered", s.delivered);
	set_number(o, "passed", s.passed);
	set_number(o, "dropped", s.dropped);
	set_number(o, "swaps", swaps_total(&c->scheduler));
	return o;
}

static json_t *cycle(struct jt_controller *c)
{
	const struct jt_scheduler *s = &c->scheduler;
	const struct jt_control *control = c->datapath.page.control;
	json_t *o = json_object(), *swaps = json_object();
	int i;

	for (i = 0; i < JT_SWAP_COUNT; i++)
		set_number(swaps, jt_swap_names[i], s->swaps[i]);
	set_text(o, "mode", s->settings.fixed_ns ? "static" : "auto");
	set_number(o, "length_ns", s->length_ns);
	set_number(o, "latency_ns", s->settings.latency_ns);
	set_number(o, "min_ns", s->settings.min_ns);
	set_number(o, "max_ns", s->settings.max_ns);
	json_object_set_new(o, "weights",
			    json_pack("[f,f]", s->settings.weight_interval,
				      s->settings.weight_write));
	set_number(o, "mean_interval_ns", s->mean_interval_ns);
	set_number(o, "mean_write_ns", s->mean_write_ns);
	set_number(o, "cycles", control->cycles);
	set_number(o, "empty_cycles", s->empty);
	set_number(o, "recomputed", s->recomputed);
	set_bool(o, "asleep", control->asleep);
	set_number(o, "wakeups", s->wakeups);
	set_number(o, "epoch", control->epoch);
	json_object_set_new(o, "swaps", swaps);
	return o;
}

json_t *jt_report_cycle(struct jt_controller *c)
{
	return json_pack("{s:o}", "cycle", cycle(c));
}

static json_t *domain(const struct jt_domain *d, size_t memory)
{
	json_t *o = json_object(), *guests = json_array();
	const struct jt_member *m;
	uint64_t members = 0;
	unsigned int i;

	for (i = 0; i < d->spec->count; i++)
		json_array_append_new(guests, json_string(d->spec->guests[i]));
	for (m = d->members; m; m = m->next)
		members++;
	set_text(o, "name", d->spec->name);
	json_object_set_new(o, "guests", guests);
	set_number(o, "members", members);
	set_number(o, "epoch", d->transmit.epoch);
	set_number(o, "swaps", d->transmit.swaps);
	set_number(o, "frames", d->transmit.frames);
	set_number(o, "messages", d->transmit.messages);
	set_number(o, "resets", d->resets);
	set_number(o, "memory", memory);
	return o;
}

static json_t *domains(struct jt_controller *c)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < c->domain_count; i++)
		json_array_append_new(list, domain(&c->domains[i], c->datapath.domain_bytes));
	return list;
}

json_t *jt_report_status(struct jt_controller *c)
{
	json_t *o = json_object();
	char ethertype[8];

	snprintf(ethertype, sizeof(ethertype), "0x%04x", c->options->ethertype);
	set_text(o, "name", c->options->name);
	set_text(o, "version", JT_VERSION);
	set_number(o, "pid", (uint64_t)getpid());
	set_number(o, "uptime_ns", jt_env_now() - c->started_ns);
	json_object_set_new(o, "uplink", uplink(c));
	json_object_set_new(o, "page", geometry(c));
	json_object_set_new(o, "cycle", cycle(c));
	json_object_set_new(o, "totals", totals(c));
	json_object_set_new(o, "domains", domains(c));
	set_text(o, "pin", c->options->pin ? c->options->pin : c->options->adopt);
	set_text(o, "ethertype", ethertype);
	set_number(o, "udp_port", c->options->udp_port);
	return o;
}

static json_t *helper(const struct jt_helper *h)
{
	json_t *o = json_object(), *ports = json_array();
	uint32_t port;

	for (port = 0; port < 65536; port++)
		if (h->ports[port / 64] & 1ULL << port % 64)
			json_array_append_new(ports, json_integer(port));
	set_number(o, "pid", (uint64_t)h->pid);
	set_number(o, "uid", h->uid);
	set_text(o, "call", jt_attach_call_names[h->call]);
	set_text(o, "receive", h->receive == JT_RECEIVE_XDP ? "xdp" : "slice");
	json_object_set_new(o, "ports", ports);
	set_number(o, "memory", h->slice.size);
	set_number(o, "sent", h->slice.sent);
	set_number(o, "refused", h->slice.refused);
	set_number(o, "waiting", JT_READ(h->slice.header->send_head) - h->slice.send_tail);
	set_number(o, "postponed", JT_READ(h->slice.header->postponed));
	set_number(o, "received", h->slice.received);
	set_number(o, "lost", h->slice.lost);
	return o;
}

static json_t *helpers_of(const struct jt_guest_state *g)
{
	json_t *list = json_array();
	const struct jt_helper *h;

	for (h = g->helpers; h; h = h->next_here)
		json_array_append_new(list, helper(h));
	return list;
}

static json_t *guest(struct jt_controller *c, uint32_t id)
{
	const struct jt_guest *g = &c->datapath.guests[id];
	const struct jt_guest_state *state = &c->guests[id];
	json_t *o = json_object();

	set_number(o, "id", id);
	set_text(o, "name", state->spec.name);
	set_text(o, "interface", state->spec.interface);
	set_number(o, "ifindex", g->ifindex);
	set_text(o, "attach", jt_mode_names[state->attachment.mode]);
	set_bool(o, "up", state->up);
	set_mac(o, "mac", &g->mac);
	json_object_set_new(o, "addresses", addresses_of(c, JT_PLACE_GUEST, id));
	set_bool(o, "strict", g->flags & JT_GUEST_STRICT);
	set_number(o, "messages", g->messages);
	set_number(o, "bytes", g->bytes);
	set_number(o, "offered", jt_guest_offered(g));
	set_number(o, "delivered", g->delivered);
	set_number(o, "delivered_bytes", g->delivered_bytes);
	set_number(o, "interval_ns", g->interval_ns);
	set_number(o, "write_ns", g->write_ns);
	set_reasons(o, g->reasons);
	json_object_set_new(o, "share", jt_report_share(c, id));
	json_object_set_new(o, "helpers", helpers_of(state));
	json_object_set_new(o, "machine", jt_report_machine(c, id));
	return o;
}

json_t *jt_report_guests(struct jt_controller *c)
{
	json_t *list = json_array();
	uint32_t i;

	jt_index_refresh(&c->index, c->datapath.maps[JT_MAP_addresses]);
	for (i = 0; i < c->guest_limit; i++)
		if (c->guests[i].used)
			json_array_append_new(list, guest(c, i));
	return json_pack("{s:o}", "guests", list);
}

static json_t *peer(struct jt_controller *c, uint32_t id)
{
	const struct jt_peer *p = &c->datapath.peers[id];
	const struct jt_peer_state *state = &c->peers[id];
	char text[JT_ADDRESS_TEXT];
	json_t *o = json_object();
	bool ip = state->address.family != JT_FAMILY_MAC;

	set_number(o, "id", id);
	set_text(o, "name", p->name);
	set_mac(o, "mac", p->mac);
	set_text(o, "address", ip ? jt_address_print(&state->address, text) : NULL);
	set_text(o, "state",
		 jt_peer_alive(c, id, jt_env_now()) ? "up" :
		 state->silent			    ? "down" :
						      "unknown");
	set_bool(o, "discovered", state->discovered);
	json_object_set_new(o, "addresses", addresses_of(c, JT_PLACE_PEER, id));
	set_number(o, "sent_frames", p->sent_frames);
	set_number(o, "sent_bytes", p->sent_bytes);
	set_number(o, "sent_messages", p->sent_messages);
	set_number(o, "acknowledged_frames", state->acknowledged);
	set_number(o, "received_frames", p->received_frames);
	set_number(o, "received_bytes", p->received_bytes);
	set_number(o, "received_messages", p->received_messages);
	set_number(o, "received_lost", p->received_lost);
	set_number(o, "received_late", p->received_late);
	set_reasons(o, p->reasons);
	return o;
}

json_t *jt_report_peers(struct jt_controller *c)
{
	json_t *list = json_array();
	uint32_t i;

	jt_index_refresh(&c->index, c->datapath.maps[JT_MAP_addresses]);
	for (i = 0; i < c->peer_limit; i++)
		if (c->peers[i].used)
			json_array_append_new(list, peer(c, i));
	return json_pack("{s:o}", "peers", list);
}

static json_t *extent(struct jt_controller *c, uint64_t number, uint32_t epoch)
{
	struct jt_extent *x = jt_page_extent(&c->datapath.page, number);
	uint64_t word = JT_READ(x->word), committed = JT_READ(x->committed);
	const struct jt_peer *p = &c->datapath.peers[JT_EXTENT_PEER(word) % JT_PEERS_MAX];
	bool used = JT_EPOCH(word) == epoch && JT_EXTENT_OFFSET(word);
	json_t *o = json_object();

	set_number(o, "extent", number % c->datapath.page.geometry.extents);
	set_text(o, "state", !used ? "empty" : word & JT_EXTENT_CLOSED ? "closed" : "open");
	set_text(o, "peer", used ? p->name : NULL);
	set_number(o, "bytes", used ? JT_EXTENT_OFFSET(word) - JT_FRAME_START : 0);
	set_number(o, "messages", used ? JT_COMMITTED_MESSAGES(committed) : 0);
	set_number(o, "templates", used ? JT_EXTENT_TEMPLATES(word) : 0);
	return o;
}

static json_t *bank(struct jt_controller *c, uint32_t i)
{
	const struct jt_geometry *g = &c->datapath.page.geometry;
	uint64_t word = JT_READ(c->datapath.page.control->banks[i].word);
	uint32_t epoch = (uint32_t)JT_READ(c->datapath.page.control->epoch), taken, k;
	json_t *o = json_object(), *list = json_array();

	taken = JT_BANK_NEXT(word) < g->extents ? JT_BANK_NEXT(word) : g->extents;
	set_number(o, "bank", i);
	set_number(o, "epoch", JT_EPOCH(word));
	set_text(o, "state",
		 JT_EPOCH(word) == epoch	       ? "active" :
		 (int32_t)(JT_EPOCH(word) - epoch) > 0 ? "blank" :
							 "draining");
	set_number(o, "taken", taken);
	for (k = 0; k < taken; k++)
		json_array_append_new(list,
				      extent(c, (uint64_t)i * g->extents + k, JT_EPOCH(word)));
	json_object_set_new(o, "extents", list);
	return o;
}

json_t *jt_report_page(struct jt_controller *c)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < c->datapath.page.geometry.banks; i++)
		json_array_append_new(list, bank(c, i));
	return json_pack("{s:{s:o}}", "page", "banks", list);
}

static void add_drops(json_t *list, const char *scope, const char *name, const __u64 *reasons)
{
	json_t *o;
	int i;

	for (i = 1; i < JT_REASON_COUNT; i++) {
		if (!reasons[i])
			continue;
		o = json_object();
		set_text(o, "scope", scope);
		set_text(o, "name", name);
		set_text(o, "reason", jt_reasons[i].name);
		set_text(o, "kind", jt_reasons[i].kind == JT_KIND_pass ? "pass" : "drop");
		set_number(o, "count", reasons[i]);
		set_text(o, "text", jt_reasons[i].text);
		json_array_append_new(list, o);
	}
}

json_t *jt_report_drops(struct jt_controller *c)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++)
		if (c->guests[i].used)
			add_drops(list, "guest", c->guests[i].spec.name,
				  c->datapath.guests[i].reasons);
	for (i = 0; i < c->peer_limit; i++)
		if (c->peers[i].used)
			add_drops(list, "peer", c->datapath.peers[i].name,
				  c->datapath.peers[i].reasons);
	add_drops(list, "uplink", NULL, c->datapath.page.control->reasons);
	return json_pack("{s:o}", "drops", list);
}

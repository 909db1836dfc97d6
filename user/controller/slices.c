// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation: slices as an enemy fills them
 *
 * A helper may write anything into its slice at any time. So nothing is taken
 * from there twice: a record's eight bytes are read at once, a template is
 * copied and then checked, positions are compared with our own. A payload goes
 * straight into the page, whatever it is by then. Headers come from our copies.
 *
 * Who breaks the rules of the rings is cut off: its connection is shut down,
 * which the loop then sees as if the helper had gone.
 */

#include "controller/domains.h"
#include "controller/helpers.h"
#include "controller/places.h"
#include "controller/slices.h"
#include "controller/transmit.h"

/* A ring can hold two million records: what is more waits until others had their turn. */
#define RECORDS_TURN 256
#define RECORDS_MAX 16384
#define COLLECT_NS 500000ULL

static struct jt_address address_of(const struct jt_template *t, bool source)
{
	if (t->kind == JT_TEMPLATE_UDP4)
		return jt_address_make(JT_FAMILY_IPV4, JT_SCOPE_GUEST,
				       source ? &t->u.udp4.source : &t->u.udp4.dest);
	return jt_address_make(JT_FAMILY_IPV6, JT_SCOPE_GUEST,
			       source ? t->u.udp6.source : t->u.udp6.dest);
}

/* As the vif program does it: an unknown address becomes the guest's, unless it is strict. */
static int source_check(struct jt_controller *c, uint32_t guest, const struct jt_template *t)
{
	struct jt_address ip = address_of(t, true);
	const struct jt_place *place = jt_index_find(&c->index, &ip);
	struct jt_place mine = { .kind = JT_PLACE_GUEST,
				 .id = guest,
				 .flags = JT_PLACE_LEARNED,
				 .until_ns = JT_NEVER_STALE };
	struct jt_guest *slot = &c->datapath.guests[guest];

	if (memcmp(t->source_mac, &slot->mac, 6) != 0)
		return JT_REASON_SPOOFED_MAC;
	if (place)
		return place->kind == JT_PLACE_GUEST && place->id == guest ? JT_ABOARD :
									     JT_REASON_SPOOFED_IP;
	if (slot->flags & JT_GUEST_STRICT)
		return JT_REASON_SPOOFED_IP;
	if (JT_READ(slot->learned) >= JT_LEARNED_MAX || jt_place_set(c, &ip, &mine))
		return JT_REASON_NO_ROOM;
	__sync_fetch_and_add(&slot->learned, 1);
	return JT_ABOARD;
}

static void template_resolve(struct jt_controller *c, uint32_t guest, struct jt_slice_template *t)
{
	const struct jt_template *header = &t->parsed.key.header;
	struct jt_place to;

	t->reason = JT_REASON_SLICE_NO_PEER;
	if (jt_index_refresh(&c->index, c->datapath.maps[JT_MAP_addresses]))
		return;
	t->reason = source_check(c, guest, header);
	t->generation = JT_READ(c->datapath.page.control->generation);
	t->known = true;
	if (t->reason)
		return;
	to = jt_place_of(c, header->dest_mac, address_of(header, false));
	t->peer = to.id;
	if (to.kind != JT_PLACE_PEER || !jt_message_fits(&t->parsed, &c->datapath.peers[to.id]))
		t->reason = JT_REASON_SLICE_NO_PEER;
}

bool jt_slice_template(struct jt_helper *h, uint64_t number, const struct jt_template *header)
{
	uint32_t size = jt_template_size(header->kind, header->flags);
	struct jt_slice_template *t;
	uint8_t wire[JT_TEMPLATE_MAX];

	if (number >= JT_SLICE_TEMPLATES || !size || header->kind == JT_TEMPLATE_ETHERNET)
		return false;
	jt_template_store(wire, header, size);
	if (!jt_template_sound(wire, size))
		return false;
	t = &h->slice.templates[number];
	memset(t, 0, sizeof(*t));
	jt_template_load(&t->parsed.key.header, wire, size);
	t->parsed.key.guest = h->guest;
	t->parsed.template_size = size;
	t->given = true;
	return true;
}

/* Return: false if the helper breaks the rules. */
static bool template_take(struct jt_helper *h, const struct jt_slice_record *r, const uint8_t *body)
{
	struct jt_template header;

	if (r->length != sizeof(header))
		return false;
	memcpy(&header, body, sizeof(header));
	return jt_slice_template(h, r->template, &header);
}

/* Where a helper's messages go. Nobody else can write to a page of its guest's own. */
static struct jt_page *page_for(struct jt_controller *c, const struct jt_helper *h)
{
	return h->own ? &h->own->page : &c->datapath.page;
}

static struct jt_peer *peer_for(struct jt_controller *c, const struct jt_helper *h, uint32_t id)
{
	return h->own ? &h->own->peers[id] : &c->datapath.peers[id];
}

/* What became of a message in the ring. */
enum outcome { TAKEN, REFUSED, STAYS, BROKEN };

/* Charge what a template's messages cost on the uplink. @bytes: their records */
static void charge(struct jt_controller *c, struct jt_helper *h, const struct jt_slice_template *t,
		   uint64_t hint, bool opened, uint64_t bytes, unsigned int messages)
{
	if (t->flow.hint != hint)
		bytes += JT_RECORD_HEAD + t->parsed.template_size;
	if (opened)
		bytes += c->datapath.peers[t->peer].head - JT_FRAME_START;
	jt_allow_charge(&h->slice.allowed, bytes, messages);
}

static int organize(struct jt_controller *c, struct jt_helper *h, struct jt_slice_template *t)
{
	struct jt_message m = { .parsed = &t->parsed,
				.flow = &t->flow,
				.peer = peer_for(c, h, t->peer),
				.peer_id = t->peer };
	uint64_t hint = t->flow.hint;
	int reason, opened = 0;

	do
		reason = jt_organize(page_for(c, h), &m, &opened);
	while (reason == JT_REASON_CONTENDED);
	if (!reason)
		charge(c, h, t, hint, opened, JT_RECORD_HEAD + JT_ALIGN4(t->parsed.length), 1);
	return reason;
}

static enum outcome message_take(struct jt_controller *c, struct jt_helper *h,
				 const struct jt_slice_record *r, uint64_t payload)
{
	struct jt_slice_template *t = &h->slice.templates[r->template & (JT_SLICE_TEMPLATES - 1)];
	int reason;

	if (r->template >= JT_SLICE_TEMPLATES || !t->given)
		return BROKEN;
	t->parsed.payload = payload;
	t->parsed.length = r->length;
	t->parsed.check = r->check;
	if (!t->known || t->generation != JT_READ(c->datapath.page.control->generation))
		template_resolve(c, h->guest, t);
	reason = t->reason;
	if (!reason && !jt_message_fits(&t->parsed, &c->datapath.peers[t->peer]))
		reason = JT_REASON_SLICE_NO_PEER;
	if (!reason)
		reason = organize(c, h, t);
	if (reason == JT_REASON_PAGE_FULL) {
		jt_transmit_run(c); /* perhaps a bank comes back */
		reason = organize(c, h, t);
	}
	if (reason == JT_REASON_PAGE_FULL)
		return STAYS;
	if (!reason)
		return TAKEN;
	__sync_fetch_and_add(&c->datapath.guests[h->guest].reasons[reason], 1);
	return REFUSED;
}

/* The record at @at, read at once: it may change at any time. */
static struct jt_slice_record record_read(const struct jt_slice_state *s, uint64_t at)
{
	const uint8_t *from = s->send + at;
	uint64_t raw = __atomic_load_n((const uint64_t *)from, __ATOMIC_RELAXED);
	struct jt_slice_record r;

	memcpy(&r, &raw, sizeof(r));
	return r;
}

/* Messages of one template at the tail, up to @left bytes. Return: how many. */
static unsigned int run_find(struct jt_slice_state *s, uint64_t left, const struct jt_peer *peer,
			     uint16_t number, struct jt_run_message *run)
{
	struct jt_slice_template *t = &s->templates[number];
	uint64_t at = s->send_tail & (s->send_size - 1);
	struct jt_slice_record r;
	unsigned int n;

	for (n = 0; n < JT_RUN_MAX && n < s->allowed.messages && left >= sizeof(r); n++) {
		r = record_read(s, at);
		t->parsed.length = r.length;
		if (r.kind != JT_SLICE_MESSAGE || r.template != number ||
		    jt_slice_span(r.length) > left || !jt_message_fits(&t->parsed, peer))
			break;
		run[n] = (struct jt_run_message){ at + sizeof(r), r.length, r.check };
		at += jt_slice_span(r.length);
		left -= jt_slice_span(r.length);
	}
	return n;
}

/* Take a run aboard, if one is there and all is known. Return: messages; bytes go to @total. */
static unsigned int run_take(struct jt_controller *c, struct jt_helper *h, uint64_t pending,
			     uint64_t *total)
{
	struct jt_slice_state *s = &h->slice;
	uint64_t at = s->send_tail & (s->send_size - 1), left = s->send_size - at;
	struct jt_run_message run[JT_RUN_MAX];
	struct jt_slice_template *t;
	struct jt_slice_record r;
	uint64_t bytes = 0, hint;
	struct jt_message m;
	unsigned int n, i;
	int opened = 0;

	if (left > pending)
		left = pending;
	if (left > s->allowed.bytes)
		left = s->allowed.bytes;
	if (left < sizeof(r))
		return 0;
	r = record_read(s, at);
	if (r.template >= JT_SLICE_TEMPLATES)
		return 0;
	t = &s->templates[r.template];
	if (!t->known || t->reason ||
	    t->generation != JT_READ(c->datapath.page.control->generation))
		return 0;
	m = (struct jt_message){ &t->parsed, &t->flow, peer_for(c, h, t->peer), t->peer };
	n = run_find(s, left, m.peer, r.template, run);
	hint = t->flow.hint;
	n = n > 1 ? jt_organize_run(page_for(c, h), &m, run, n, &opened) : 0;
	for (i = 0; i < n; i++) {
		s->send_tail += jt_slice_span(run[i].length);
		*total += run[i].length;
		bytes += JT_RECORD_HEAD + JT_ALIGN4(run[i].length);
	}
	if (n || opened)
		charge(c, h, t, hint, opened, bytes, n);
	return n;
}

/* The record at the tail. @span, @out: its bytes, and what it was. */
static enum outcome record_take(struct jt_controller *c, struct jt_helper *h, uint64_t pending,
				uint64_t *span, struct jt_slice_record *out)
{
	struct jt_slice_state *s = &h->slice;
	uint64_t at = s->send_tail & (s->send_size - 1), left = s->send_size - at;
	const uint8_t *ring = s->send;
	struct jt_slice_record r;

	if (left > pending)
		left = pending;
	if (left < sizeof(r))
		return BROKEN;
	*out = r = record_read(s, at);
	*span = r.kind == JT_SLICE_SKIP ? s->send_size - at : jt_slice_span(r.length);
	if (*span > left)
		return BROKEN;
	switch (r.kind) {
	case JT_SLICE_SKIP:
		return TAKEN;
	case JT_SLICE_TEMPLATE:
		return template_take(h, &r, ring + at + sizeof(r)) ? TAKEN : BROKEN;
	case JT_SLICE_MESSAGE:
		return message_take(c, h, &r, at + sizeof(r));
	}
	return BROKEN;
}

/* Counters of the guest, as the vif program keeps them. */
static void count(struct jt_controller *c, struct jt_helper *h, uint64_t messages, uint64_t bytes)
{
	struct jt_guest *slot = &c->datapath.guests[h->guest];
	uint64_t writes = JT_READ(h->slice.header->writes);
	uint64_t ns = JT_READ(h->slice.header->writes_ns);
	uint64_t more = writes - h->slice.writes, took = ns - h->slice.writes_ns;

	__sync_fetch_and_add(&slot->messages, messages);
	__sync_fetch_and_add(&slot->bytes, bytes);
	/* What it says of itself is believed if it could be so. */
	if (more && more <= messages + JT_SLICE_TEMPLATES && took / more < 1000000) {
		__sync_fetch_and_add(&slot->writes, more);
		__sync_fetch_and_add(&slot->writes_ns, took);
	}
	h->slice.writes = writes;
	h->slice.writes_ns = ns;
}

/*
 * Take at most @budget records. @more: set if there were more; as it was otherwise.
 * Return: false if what is left has to wait for a bank, behind calls, or until
 * somebody pays for it.
 */
static bool collect(struct jt_controller *c, struct jt_helper *h, unsigned int budget, bool *more)
{
	struct jt_slice_state *s = &h->slice;
	uint64_t head, span, messages = 0, total = 0;
	enum outcome outcome = TAKEN;
	struct jt_slice_record r = { 0 };
	unsigned int run;
	bool message;

	if (h->cut)
		return true;
	if (!jt_calls_precede(c, h, &head))
		return false;
	if (head == s->send_tail)
		return true;
	jt_allow(c, h->guest, &s->allowed);
	if (head - s->send_tail > s->send_size || head % JT_SLICE_ALIGN ||
	    (s->copy && s->copy->pull(s, head)))
		outcome = BROKEN;
	page_for(c, h)->packet = s->send;
	while (s->send_tail != head && outcome <= REFUSED && budget && jt_allowed(&s->allowed)) {
		run = run_take(c, h, head - s->send_tail, &total);
		messages += run;
		budget -= run < budget ? run : budget;
		if (run)
			continue;
		budget--;
		outcome = record_take(c, h, head - s->send_tail, &span, &r);
		if (outcome > REFUSED)
			break;
		s->send_tail += span;
		message = outcome == TAKEN && r.kind == JT_SLICE_MESSAGE;
		messages += message;
		total += message ? r.length : 0;
		s->refused += outcome == REFUSED;
	}
	s->sent += messages;
	count(c, h, messages, total);
	JT_WRITE(s->header->sent, s->sent);
	JT_WRITE(s->header->refused, s->refused);
	/* When a page of its guest's own has left is not looked at. */
	JT_WRITE(s->header->taken_ns,
		 h->own ? JT_NEVER_STALE : jt_notice_time(jt_env_now(), h->notice.ahead_ns));
	JT_WRITE(s->header->send_tail, s->send_tail);
	if (outcome == BROKEN)
		jt_helper_cut(c, h, "its send ring makes no sense");
	if (!jt_allowed(&s->allowed) && s->send_tail != head)
		jt_allow_wait(c, &s->allowed, !s->held);
	s->held = !jt_allowed(&s->allowed) && s->send_tail != head;
	*more |= outcome <= REFUSED && s->send_tail != head && !s->held;
	return outcome <= REFUSED && !s->held;
}

bool jt_slice_collect(struct jt_controller *c, struct jt_helper *h)
{
	bool more = false;

	return collect(c, h, RECORDS_MAX, &more) && !more;
}

/* What a member of a trust domain says to have put aboard itself. */
static void count_mapped(struct jt_controller *c, struct jt_helper *h)
{
	struct jt_slice_state *s = &h->slice;
	uint64_t messages = JT_READ(s->header->mapped), bytes = JT_READ(s->header->mapped_bytes);
	uint64_t more = messages - s->mapped, more_bytes = bytes - s->mapped_bytes;

	s->mapped = messages;
	s->mapped_bytes = bytes;
	/* As much as can be is believed. */
	if (more > UINT32_MAX || more_bytes > more * JT_RECORD_MAX)
		return;
	s->sent += more;
	count(c, h, more, more_bytes);
}

/* Some of each: nobody's records wait for all of another one's. Return: are there more? */
static bool collect_some(struct jt_controller *c)
{
	struct jt_helper *h;
	bool more = false;

	for (h = c->helpers.first; h; h = h->next)
		if (h->slice.header)
			collect(c, h, RECORDS_TURN, &more);
	return more;
}

void jt_slices_collect(struct jt_controller *c)
{
	uint64_t end = jt_env_now() + COLLECT_NS;
	struct jt_helper *h;

	do
		c->helpers.more = collect_some(c);
	while (c->helpers.more && jt_env_now() < end);
	for (h = c->helpers.first; h; h = h->next)
		if (h->member.domain)
			count_mapped(c, h);
}

bool jt_slices_pending(struct jt_controller *c)
{
	const struct jt_helper *h;

	for (h = c->helpers.first; h; h = h->next)
		if (h->slice.header && !h->cut &&
		    ((!h->slice.held && JT_READ(h->slice.header->send_head) != h->slice.send_tail) ||
		     jt_calls_pending(h)))
			return true;
	return false;
}

uint64_t jt_slice_left(struct jt_slice_state *s)
{
	uint64_t tail = s->send_tail, left = JT_READ(s->header->send_head) - tail, n = 0, at, span;
	struct jt_slice_record r;

	if (left > s->send_size || left % JT_SLICE_ALIGN ||
	    (s->copy && s->copy->pull(s, tail + left)))
		return 0;
	for (; left; tail += span, left -= span) {
		at = tail & (s->send_size - 1);
		r = record_read(s, at);
		span = r.kind == JT_SLICE_SKIP ? s->send_size - at : jt_slice_span(r.length);
		if (span > left || span > s->send_size - at)
			break;
		n += r.kind == JT_SLICE_MESSAGE;
	}
	return n;
}

bool jt_slices_held(const struct jt_controller *c, uint32_t guest)
{
	const struct jt_helper *h;

	for (h = c->guests[guest].helpers; h; h = h->next_here)
		if (h->slice.held || (h->member.domain && h->member.domain->transmit.held))
			return true;
	return false;
}

/* True while nobody pays for what a helper has written, and there is no room for more. */
static bool no_room(const struct jt_helper *h)
{
	const struct jt_slice_state *s = &h->slice;
	const struct jt_transmit *t = h->member.domain ? &h->member.domain->transmit : NULL;

	if (t && t->held && t->epoch + 1 - t->wipe_epoch >= t->page->geometry.banks)
		return true;
	return s->held && JT_READ(s->header->send_head) - s->send_tail > s->send_size / 2;
}

void jt_slices_wake(struct jt_controller *c)
{
	struct jt_helper *h;

	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* between the tail, and the look at who waits */
	for (h = c->helpers.first; h; h = h->next)
		if (h->slice.header && JT_READ(h->slice.header->send_waiting) && !no_room(h) &&
		    jt_cas(&h->slice.header->send_waiting, 1, 0) == 1)
			h->backend->wake(h, JT_WAKE_CYCLE);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What arrives for helpers, into their rings. Only our own words decide where is
 * written: see slices.c.
 */
#include "controller/helpers.h"
#include "controller/slices.h"

struct jt_slice_arrival jt_slice_arrival(const uint8_t *bytes, uint32_t size)
{
	struct jt_slice_arrival a = { .kind = JT_SLICE_MESSAGE };
	struct jt_template t;

	jt_template_load(&t, bytes, size);
	a.tos = t.tos;
	a.ttl = t.ttl;
	a.source_port = t.u.udp4.source_port;
	a.dest_port = t.u.udp4.dest_port;
	if (t.kind == JT_TEMPLATE_UDP4) {
		a.family = JT_FAMILY_IPV4;
		memcpy(a.source, &t.u.udp4.source, 4);
		memcpy(a.dest, &t.u.udp4.dest, 4);
	} else {
		a.family = JT_FAMILY_IPV6;
		memcpy(a.source, t.u.udp6.source, 16);
		memcpy(a.dest, t.u.udp6.dest, 16);
	}
	return a;
}

/* Only our own words decide where is written. */
static uint8_t *receive_room(struct jt_slice_state *s, uint64_t span)
{
	uint8_t *ring = s->receive;
	uint64_t tail = JT_READ(s->header->receive_tail), given = s->given_back, at;
	__u64 skip;
	struct jt_slice_arrival over = { .kind = JT_SLICE_SKIP };

	if (!jt_ring_room(s->receive_head, tail, s->receive_size, span, &skip) &&
	    !jt_ring_room(s->receive_head, given, s->receive_size, span, &skip))
		return NULL;
	at = s->receive_head & (s->receive_size - 1);
	if (skip) {
		memcpy(ring + at, &over, sizeof(over.kind));
		s->receive_head += skip;
		at = 0;
	}
	s->receive_head += span;
	return ring + at;
}

void jt_slice_dirty(struct jt_controller *c, struct jt_helper *h)
{
	if (h->dirty)
		return;
	h->dirty = true;
	h->next_dirty = c->helpers.dirty;
	c->helpers.dirty = h;
}

void jt_slice_put(struct jt_controller *c, struct jt_helper *h, const struct jt_slice_arrival *like,
		  const uint8_t *payload, uint32_t length)
{
	struct jt_slice_state *s = &h->slice;
	struct jt_guest *slot = &c->datapath.guests[h->guest];
	uint8_t *at = receive_room(s, jt_arrival_span(length));
	uint16_t length16 = (uint16_t)length;

	if (!at) {
		s->lost++;
		__sync_fetch_and_add(&slot->reasons[JT_REASON_SLICE_FULL], 1);
		return;
	}
	memcpy(at, like, sizeof(*like));
	memcpy(at + offsetof(struct jt_slice_arrival, length), &length16, sizeof(length16));
	memcpy(at + sizeof(*like), payload, length);
	s->received++;
	slot->delivered++;
	slot->delivered_bytes += length;
	jt_slice_dirty(c, h);
}

void jt_slices_flush(struct jt_controller *c)
{
	struct jt_helper *h;
	struct jt_slice *header;

	for (h = c->helpers.dirty; h; h = h->next_dirty) {
		header = h->slice.header;
		if (h->slice.copy && h->slice.copy->push(&h->slice)) {
			h->dirty = false;
			jt_helper_cut(c, h, "its receive ring can't be written to");
			continue;
		}
		JT_WRITE(header->received, h->slice.received);
		JT_WRITE(header->receive_lost, h->slice.lost);
		JT_WRITE(header->receive_head,
			 h->machine ? jt_fence_head(h, jt_env_now()) : h->slice.receive_head);
		h->dirty = false;
		/* Adding nothing: a look that no CPU moves before the store. */
		if (jt_fetch_add(&header->receive_waiting, 0) &&
		    jt_cas(&header->receive_waiting, 1, 0) == 1)
			h->backend->wake(h, JT_WAKE_RECEIVE);
	}
	c->helpers.dirty = NULL;
}

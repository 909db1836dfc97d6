/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is a frame for one guest that takes its frames itself? Its header's hint is
 * the sender's guess at this machine's numbers; the templates tell the truth,
 * by the rules of the controller (user/controller/receive.c). A frame that is
 * not sound from end to end is the controller's, who counts what is wrong.
 */
#ifndef JITNEY_HELPER_BPF_H
#define JITNEY_HELPER_BPF_H

#include "address.h"
#include "outer.h"
#include <jitney/record.h>

struct jt_frame_walk {
	void *ctx;
	__u64 pos;
	__u64 end;
	__u32 peer;
	__u32 guest; /* its id and one; 0: none yet */
	__u32 known; /* templates, a bit each */
	__u32 messages;
};

/* A source must not be a guest of ours, nor known to be behind another peer. */
JT_INLINE bool jt_source_sound(const struct jt_address *a, __u32 peer)
{
	struct jt_place *place = bpf_map_lookup_elem(&addresses, a);

	return !place || (place->kind == JT_PLACE_PEER && place->id == peer);
}

/* The guest that an address leads to, by its id and one; 0: none. */
JT_INLINE __u32 jt_dest_guest(const struct jt_template *t)
{
	bool v4 = t->kind == JT_TEMPLATE_UDP4;
	struct jt_control *c = jt_control();
	struct jt_place *place;
	struct jt_address a;

	jt_address_set(&a, t->dest_mac, 6, JT_FAMILY_MAC);
	place = bpf_map_lookup_elem(&addresses, &a);
	if (!place) {
		if (v4)
			jt_address_set(&a, &t->u.udp4.dest, 4, JT_FAMILY_IPV4);
		else
			jt_address_set(&a, t->u.udp6.dest, 16, JT_FAMILY_IPV6);
		place = bpf_map_lookup_elem(&addresses, &a);
		/* What a guest merely said of itself draws nobody's packets to it. */
		if (!c || (place && place->flags & JT_PLACE_LEARNED && !c->udp_port))
			return 0;
	}
	return place && place->kind == JT_PLACE_GUEST ? place->id + 1 : 0;
}

/* Of all that a guest gets, its helper takes what is for the ports that it has claimed. */
JT_INLINE bool jt_claimed(__u32 guest, __u16 port)
{
	struct jt_claim claim = { .guest = guest, .port = port };

	return bpf_map_lookup_elem(&claims, &claim);
}

/* Global: see frame.h. Return: the guest that a template of @length is for, or 0. */
__attribute__((noinline)) int jt_template_guest(const __u32 (*record)[16], __u32 length, __u32 peer)
{
	struct jt_flow_key key;
	struct jt_address a;
	__u32 guest;

	if (!record)
		return 0;
	__builtin_memcpy(&key, *record, sizeof(key));
	if (!length || jt_key_settle(&key, 0) != length)
		return 0;
	jt_address_set(&a, key.header.source_mac, 6, JT_FAMILY_MAC);
	if (!jt_source_sound(&a, peer))
		return 0;
	if (key.header.kind == JT_TEMPLATE_UDP4)
		jt_address_set(&a, &key.header.u.udp4.source, 4, JT_FAMILY_IPV4);
	else
		jt_address_set(&a, key.header.u.udp6.source, 16, JT_FAMILY_IPV6);
	if (!jt_source_sound(&a, peer))
		return 0;
	guest = jt_dest_guest(&key.header);
	return guest && jt_claimed(guest - 1, key.header.u.udp4.dest_port) ? (int)guest : 0;
}

JT_INLINE long jt_packet_load(void *ctx, bool skb, __u64 from, void *to, __u32 length)
{
	return skb ? bpf_skb_load_bytes(ctx, from, to, length) :
		     bpf_xdp_load_bytes(ctx, from, to, length);
}

/* Look at the template record at hand. Return: false if it is none for the guest. */
JT_INLINE bool jt_frame_template(struct jt_frame_walk *w, bool skb, const struct jt_record_parts *r)
{
	__u32 record[16] = {}, guest;
	long err;

	/* Two lengths, known to verifiers. Behind IPv6 templates there is more, if a message. */
	if (w->end - w->pos >= sizeof(record))
		err = jt_packet_load(w->ctx, skb, w->pos, record, sizeof(record));
	else if (w->end - w->pos >= JT_RECORD_HEAD + JT_TEMPLATE_BASE + 12)
		err = jt_packet_load(w->ctx, skb, w->pos, record,
				     JT_RECORD_HEAD + JT_TEMPLATE_BASE + 12);
	else
		return false;
	if (w->end - w->pos < sizeof(record) &&
	    ((const struct jt_flow_key *)record)->header.kind != JT_TEMPLATE_UDP4)
		return false;
	if (err || !r->number || r->number > JT_TEMPLATES_MAX || w->known >> r->number & 1)
		return false;
	w->known |= 1U << r->number;
	guest = jt_template_guest(&record, r->length, w->peer);
	if (!guest || (w->guest && w->guest != guest))
		return false;
	w->guest = guest;
	return true;
}

/* One record of the frame. Return: 1 to stop; at the frame's end if all are sound. */
JT_INLINE long jt_frame_step(struct jt_frame_walk *w, bool skb)
{
	struct jt_record_parts r;
	__u32 word;

	w->pos &= 0xffff; /* as it is; so that verifiers come to an end */
	if (w->pos + JT_RECORD_HEAD > w->end ||
	    jt_packet_load(w->ctx, skb, w->pos, &word, sizeof(word)) ||
	    jt_record_open(word, (__u32)(w->end - w->pos), &r))
		return 1;
	if (r.template) {
		if (!jt_frame_template(w, skb, &r))
			return 1;
	} else if (r.number != JT_RECORD_PADDING) {
		if (!(w->known >> (r.number & 31) & 1))
			return 1;
		w->messages++;
	}
	w->pos += r.span;
	return w->pos == w->end;
}

JT_NOINLINE long jt_frame_step_xdp(__u32 index, void *walk)
{
	return jt_frame_step(walk, false);
}

JT_NOINLINE long jt_frame_step_tcx(__u32 index, void *walk)
{
	return jt_frame_step(walk, true);
}

/* A data frame for one guest that takes them itself. Return: its vif, or 0. */
JT_INLINE __u32 jt_helper_vif(struct jt_uplink *u, bool skb, const struct jt_frame_header *h,
			      __u32 peer)
{
	/*
	 * Verifiers before 6.7 look at one turn of the loop and take what it can't do,
	 * such as to find a template and a message, for what none can; they must not
	 * know what it begins with. This word is always zero.
	 */
	__u32 id, zero = JT_READ(u->control->unused_settings);
	struct jt_frame_walk w = { .ctx = u->ctx,
				   .pos = u->cursor.offset + zero,
				   .peer = peer,
				   .guest = zero,
				   .known = zero,
				   .messages = zero };
	struct jt_guest *guest;

	/* Guests know frames by their EtherType. */
	if (!(u->control->flags & JT_CONTROL_HELPERS) || u->from.family != JT_FAMILY_MAC)
		return 0;
	w.end = w.pos + jt_ntohs(h->length);
	if (skb)
		bpf_loop(JT_EXTENT_SIZE_MAX / JT_RECORD_HEAD, jt_frame_step_tcx, &w, 0);
	else
		bpf_loop(JT_EXTENT_SIZE_MAX / JT_RECORD_HEAD, jt_frame_step_xdp, &w, 0);
	if (w.pos != w.end || !w.messages || !w.guest)
		return 0;
	id = w.guest - 1;
	guest = bpf_map_lookup_elem(&guests, &id);
	if (!guest || !(guest->flags & JT_GUEST_HELPER))
		return 0;
	u->mac = JT_READ(guest->mac);
	return guest->ifindex;
}

#define JT_MIXED_NS 100000000ULL

/*
 * Has the controller handed over the messages of all frames that it was given? What it
 * has handed over of the sockets' never gets ahead, so it is read first.
 */
JT_INLINE bool jt_handed_over(struct jt_control *c)
{
	__u64 handed = JT_READ(c->sockets_handed);

	return handed == JT_READ(c->sockets_given) &&
	       bpf_ringbuf_query(&frames, BPF_RB_PROD_POS) == JT_READ(c->frames_handed);
}

/*
 * The way to a helper is shorter than that through the controller, and a frame
 * must not overtake an earlier one of its flow: all of a peer's go there for a
 * while after one had to, and as long as the controller is behind with them.
 */
JT_INLINE __u32 jt_helper(struct jt_uplink *u, bool skb, const struct jt_frame_header *h,
			  struct jt_peer *peer, __u32 id)
{
	__u32 vif = jt_helper_vif(u, skb, h, id);
	__u64 now;

	if (!(u->control->flags & JT_CONTROL_HELPERS))
		return 0;
	now = jt_clock(u->control);
	if (!vif)
		JT_WRITE(peer->mixed_ns, now);
	/* Signed: another CPU may have written a moment later. */
	if ((__s64)(now - JT_READ(peer->mixed_ns)) < (__s64)JT_MIXED_NS)
		return 0;
	return jt_handed_over(u->control) ? vif : 0;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet at a vif, and how it goes aboard: the organizer is called, what it
 * did is counted, and the controller is woken if need be.
 */
#ifndef JITNEY_BOARD_H
#define JITNEY_BOARD_H

#include "env_bpf.h"
#include "share.h"
#include <jitney/organize.h>

#define JT_SAMPLE 64 /* one write in so many is timed */
#define JT_PROBE_NS 50000000ULL

enum jt_verdict { JT_PASS, JT_DROP, JT_TAKEN, JT_SWITCH };

struct jt_vif {
	struct jt_page page;
	const __u8 *data;
	const __u8 *end;
	__u64 total;
	struct jt_guest *guest;
	__u64 now;     /* coarse: a few ms old */
	__u32 ifindex; /* in: the vif; out, for JT_SWITCH: where to */
	bool tagged;
	bool segmented; /* several datagrams in one packet */
	__u16 vlan;
};

/* A guest by its id, if its vif is this one. */
JT_INLINE struct jt_guest *jt_guest_at(__u32 id, __u32 ifindex)
{
	struct jt_guest *guest = bpf_map_lookup_elem(&guests, &id);

	return guest && JT_READ(guest->ifindex) == ifindex ? guest : NULL;
}

/*
 * The guest behind a vif, NULL: none. An entry of `slots` is a guess: the guest knows
 * its vif. Hashing costs a call or two, and is left to those who lost their entry.
 */
JT_INLINE struct jt_guest *jt_guest_of(__u32 ifindex, __u32 *id)
{
	__u32 entry = ifindex % JT_GUESTS_MAX, *found = bpf_map_lookup_elem(&slots, &entry);
	struct jt_guest *guest = NULL;

	if (found) {
		*id = JT_READ(*found) - 1;
		guest = jt_guest_at(*id, ifindex);
	}
	if (guest)
		return guest;
	found = bpf_map_lookup_elem(&vifs, &ifindex);
	if (!found)
		return NULL;
	*id = *found;
	return jt_guest_at(*id, ifindex);
}

JT_INLINE int jt_pass(struct jt_vif *v, int reason)
{
	jt_count_reason(v->guest->reasons, reason);
	return JT_PASS;
}

/* Wake the controller if it sleeps, or if the bank is full enough to leave. */
JT_INLINE void jt_wake(struct jt_control *c, __u32 id, bool opened)
{
	struct jt_bank *bank;
	__u64 epoch, now;
	__u32 rung;

	if (JT_READ(c->asleep) && jt_cas(&c->asleep, 1, 0) == 1) {
		now = bpf_ktime_get_ns();
		jt_cas(&c->alive_until_ns, JT_NEVER_STALE, now + JT_WAKE_NS);
		jt_tell(JT_EVENT_ABOARD, id, now);
	}
	if (!opened)
		return;
	epoch = JT_READ(c->epoch);
	bank = jt_page_bank(&(struct jt_page){ .control = c }, epoch);
	if (!bank || JT_BANK_NEXT(JT_READ(bank->word)) < c->threshold)
		return;
	rung = JT_READ(c->rung_epoch);
	if (rung != (__u32)epoch && jt_cas(&c->rung_epoch, rung, (__u32)epoch) == rung)
		jt_tell(JT_EVENT_FULL, id, bpf_ktime_get_ns());
}

JT_INLINE void jt_probe(struct jt_peer *peer, __u32 id, __u64 now)
{
	if (now - JT_READ(peer->probed_ns) < JT_PROBE_NS)
		return;
	JT_WRITE(peer->probed_ns, now);
	jt_tell(JT_EVENT_PROBE, id, now);
}

/* When a write of @n messages began, if one of them is to be timed; else 0. */
JT_INLINE __u64 jt_sample_start(struct jt_guest *guest, __u32 n)
{
	return JT_READ(guest->messages) % JT_SAMPLE < n ? bpf_ktime_get_ns() : 0;
}

/* @start: of a write that was timed, or 0. */
JT_INLINE void jt_count_aboard(struct jt_guest *guest, __u64 start, __u32 messages, __u64 bytes)
{
	if (start) {
		jt_count(&guest->writes_ns, bpf_ktime_get_ns() - start);
		jt_count(&guest->writes, messages);
	}
	jt_count(&guest->messages, messages);
	jt_count(&guest->bytes, bytes);
}

/* With a reason: */
#define JT_OPENED 0x100 /* an extent was opened */
#define JT_REASON_OF(result) ((result)&0xff)

JT_ASSERT(JT_REASON_COUNT <= 0x100, "a reason leaves room for flags");

JT_INLINE int jt_board(struct jt_page *page, struct jt_parsed *parsed, struct jt_flow *flow,
		       struct jt_peer *peer, __u32 id)
{
	struct jt_message m = { .parsed = parsed, .flow = flow, .peer = peer, .peer_id = id };
	int opened = 0, reason;

	page->control = jt_control();
	if (!page->control || !parsed || !flow || !peer)
		return JT_REASON_STALE;
	reason = jt_organize(page, &m, &opened);
	return opened ? reason | JT_OPENED : reason;
}

/*
 * The organizer as global functions: the verifier looks at them once, and not
 * again for every way that a packet can have come.
 */
__attribute__((noinline)) int jt_board_xdp(struct xdp_md *ctx, struct jt_parsed *parsed,
					   struct jt_flow *flow, struct jt_peer *peer, __u32 id)
{
	struct jt_page page = { .ctx = ctx };

	return jt_board(&page, parsed, flow, peer, id);
}

__attribute__((noinline)) int jt_board_tcx(struct __sk_buff *ctx, struct jt_parsed *parsed,
					   struct jt_flow *flow, struct jt_peer *peer, __u32 id)
{
	struct jt_page page = { .ctx = ctx, .skb = true };

	return jt_board(&page, parsed, flow, peer, id);
}

/* Another one, next to always, once a template of the flow goes aboard. */
JT_INLINE __u32 jt_hint_mark(const struct jt_flow *flow)
{
	__u64 hint = JT_READ(flow->hint);

	return (__u32)(hint ^ hint >> 32);
}

/* Charge what a message that went aboard costs on the uplink. */
JT_INLINE void jt_pay_aboard(const struct jt_message *m, int result)
{
	__u64 cost = JT_RECORD_HEAD + JT_ALIGN4(m->parsed->length);

	if (jt_hint_mark(m->flow) != m->parsed->mark)
		cost += JT_RECORD_HEAD + m->parsed->template_size;
	if (result & JT_OPENED)
		cost += m->peer->head - JT_FRAME_START;
	jt_share_pay(m->parsed->key.guest, m->parsed->payer, cost, 1);
}

JT_INLINE int jt_take_aboard(struct jt_vif *v, struct jt_message *m, struct jt_parsed *parsed)
{
	__u64 length = parsed->length, start = jt_sample_start(v->guest, 1);
	int reason;

	if (parsed->payer)
		parsed->mark = jt_hint_mark(m->flow);
	if (v->page.skb)
		reason = jt_board_tcx(v->page.ctx, parsed, m->flow, m->peer, m->peer_id);
	else
		reason = jt_board_xdp(v->page.ctx, parsed, m->flow, m->peer, m->peer_id);
	if (JT_REASON_OF(reason)) {
		jt_count_reason(v->guest->reasons, JT_REASON_OF(reason));
		return JT_REASON_OF(reason) == JT_REASON_COPY_FAILED ? JT_DROP : JT_PASS;
	}
	if (parsed->payer)
		jt_pay_aboard(m, reason);
	jt_count_aboard(v->guest, start, 1, length);
	JT_WRITE(m->flow->messages, JT_READ(m->flow->messages) + 1);
	JT_WRITE(m->flow->aboard_ns, v->now);
	jt_wake(v->page.control, parsed->key.guest, reason & JT_OPENED);
	return JT_TAKEN;
}

#endif

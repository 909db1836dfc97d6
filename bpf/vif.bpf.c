// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * vif: what a guest sends. Small messages for guests behind a peer go into the
 * page, those for guests of this machine to their vif; all else passes.
 *
 * One worker, an XDP and a tcx entry point. What it does not understand, or
 * can't take now, goes the kernel's way: only a forged source is dropped.
 */
#include "frame.h"

#define JT_HEADERS_MAX 66 /* Ethernet, VLAN, IPv6, UDP */
#define JT_GAP_LIMIT 8	  /* in units of the latency bound */
#define JT_LEGACY_NS 1000000000ULL

/*
 * Is company to be expected for the first message to a peer in this cycle? If
 * such messages are further apart than any may wait, it would wait alone.
 */
JT_INLINE bool jt_company(struct jt_vif *v, struct jt_peer *peer)
{
	__u64 bound = JT_READ(v->page.control->latency_ns), now, gap, mean;

	if (JT_EPOCH(JT_READ(peer->open)) == (__u32)JT_READ(v->page.control->epoch))
		return true;
	now = bpf_ktime_get_ns();
	gap = now - JT_READ(peer->first_ns);
	if (gap > bound * JT_GAP_LIMIT)
		gap = bound * JT_GAP_LIMIT;
	mean = (JT_READ(peer->gap_ns) + gap) / 2;
	JT_WRITE(peer->first_ns, now);
	JT_WRITE(peer->gap_ns, mean);
	return mean <= 2 * bound;
}

/*
 * A packet too large to wait for company goes on its own, and its flow for a
 * while with it; but it must not pass others of its flow.
 */
JT_INLINE int jt_large(struct jt_vif *v, const struct jt_message *m)
{
	JT_WRITE(m->flow->legacy_until_ns, v->now + JT_LEGACY_NS);
	if (!jt_flow_aboard(m->flow, m->peer, v->now, JT_READ(v->page.control->latency_ns)))
		return v->segmented ? JT_REASON_SEGMENTED : JT_REASON_TOO_LARGE;
	return !v->segmented && jt_message_fits(m->parsed, m->peer) ? JT_ABOARD :
								      JT_REASON_OVERTOOK;
}

JT_INLINE int jt_small(struct jt_vif *v, const struct jt_message *m)
{
	bool aboard =
		jt_flow_aboard(m->flow, m->peer, v->now, JT_READ(v->page.control->latency_ns));

	if (!jt_message_fits(m->parsed, m->peer))
		return JT_REASON_TOO_LARGE;
	if (!aboard && v->now < JT_READ(m->flow->legacy_until_ns))
		return JT_REASON_MIXED_FLOW;
	return jt_company(v, m->peer) || aboard ? JT_ABOARD : JT_REASON_CUT_THROUGH;
}

JT_INLINE int jt_to_peer(struct jt_vif *v, struct jt_message *m, struct jt_parsed *parsed)
{
	int reason;

	m->peer = bpf_map_lookup_elem(&peers, &m->peer_id);
	if (!m->peer)
		return jt_pass(v, JT_REASON_NO_PEER);
	if (v->segmented || m->parsed->length > v->page.control->small)
		reason = jt_large(v, m);
	else
		reason = jt_small(v, m);
	if (reason)
		return jt_pass(v, reason);
	if (v->now > JT_READ(m->peer->alive_until_ns)) {
		jt_probe(m->peer, m->peer_id, v->now);
		return jt_pass(v, JT_REASON_PEER_DOWN);
	}
	return jt_take_aboard(v, m, parsed);
}

/* What a guest sends to those behind a peer, whichever way it goes, is its share's. */
JT_INLINE int jt_share_take(struct jt_vif *v, struct jt_message *m, struct jt_parsed *parsed)
{
	int verdict;

	parsed->payer = (__u16)jt_share_nobody(v->page.control);
	if (JT_READ(v->guest->flags) & JT_GUEST_LIMITED) {
		parsed->payer = (__u16)jt_share_admit(parsed->key.guest, v->now, 1);
		if (!parsed->payer) {
			jt_count_reason(v->guest->reasons, JT_REASON_OVER_RATE);
			return JT_DROP;
		}
	}
	verdict = jt_to_peer(v, m, parsed);
	if (parsed->payer && verdict == JT_PASS)
		jt_share_pay(parsed->key.guest, parsed->payer, jt_page_length(&v->page), 1);
	return verdict;
}

JT_INLINE int jt_to_guest(struct jt_vif *v, __u32 id)
{
	struct jt_guest *guest = bpf_map_lookup_elem(&guests, &id);

	if (!guest || !(guest->flags & JT_GUEST_SWITCH) || !guest->ifindex)
		return jt_pass(v, JT_REASON_NO_PEER);
	v->ifindex = guest->ifindex;
	jt_count_reason(v->guest->reasons, JT_REASON_LOCAL);
	return JT_SWITCH;
}

/* The IP header of a packet without a template of its own. */
JT_INLINE const __u8 *jt_ip(struct jt_vif *v, const struct jt_parsed *p)
{
	bool tag = p->payload == sizeof(struct jt_eth) + sizeof(struct jt_vlan);

	return v->data + sizeof(struct jt_eth) + (tag ? sizeof(struct jt_vlan) : 0);
}

/*
 * In XDP the bytes at hand are nearly always all there are: how many there are in
 * other buffers is asked for, by a call, if the packet says that it is longer.
 */
JT_INLINE int jt_vif_parse(struct jt_vif *v, struct jt_parsed *parsed)
{
	int reason, i;

#pragma clang loop unroll(disable)
	for (i = 0; i < 2; i++) {
		reason = jt_parse(v->data, v->end, v->total, v->tagged, v->vlan, parsed);
		if (reason != JT_REASON_BAD_LENGTH || i || v->page.skb)
			break;
		v->total = bpf_xdp_get_buff_len(v->page.ctx);
		parsed->key.header = (struct jt_template){};
	}
	return reason;
}

JT_INLINE int jt_vif_work(struct jt_vif *v)
{
	struct jt_parsed parsed = {};
	struct jt_message m = { .parsed = &parsed };
	__u64 route = 0;
	__u32 id = 0;
	int reason;

	v->guest = jt_guest_of(v->ifindex, &id);
	v->page.control = jt_control();
	if (!v->guest || !v->page.control || JT_READ(v->page.control->magic) != JT_MAGIC)
		return JT_PASS;
	if (!JT_READ(v->guest->mac))
		jt_mac_learn(v->data, v->end, v->guest, id);
	parsed.key.guest = id;
	reason = jt_vif_parse(v, &parsed);
	if (reason)
		return jt_pass(v, reason);
	v->now = jt_clock(v->page.control);
	if (v->now > JT_READ(v->page.control->alive_until_ns))
		return jt_pass(v, JT_REASON_STALE);
	m.flow = jt_flow_known(v->page.control, &parsed.key, &route);
	reason = jt_flow_get(v->page.control, jt_ip(v, &parsed), v->end, &parsed.key, v->guest,
			     v->now, &m.flow, &route);
	if (reason) {
		jt_count_reason(v->guest->reasons, reason);
		return reason == JT_REASON_SPOOFED_MAC || reason == JT_REASON_SPOOFED_IP ? JT_DROP :
											   JT_PASS;
	}
	m.peer_id = JT_ROUTE_ID(route);
	if (JT_ROUTE_KIND(route) == JT_PLACE_PEER)
		return jt_share_take(v, &m, &parsed);
	if (JT_ROUTE_KIND(route) == JT_PLACE_GUEST && !v->segmented &&
	    parsed.length <= v->page.control->small)
		return jt_to_guest(v, m.peer_id);
	return jt_pass(v, JT_REASON_NO_PEER);
}

/*
 * The workers are functions of their own, and the entry points next to empty:
 * the stack that one way takes is not there for the other.
 */
JT_NOINLINE int jt_vif_xdp(struct xdp_md *ctx)
{
	struct jt_vif v = {
		.page.ctx = ctx,
		.data = (const __u8 *)(long)ctx->data,
		.end = (const __u8 *)(long)ctx->data_end,
		.ifindex = ctx->ingress_ifindex,
		.total = ctx->data_end - ctx->data,
	};

	switch (jt_vif_work(&v)) {
	case JT_PASS:
		return XDP_PASS;
	case JT_SWITCH:
		return bpf_redirect(v.ifindex, 0);
	}
	return XDP_DROP;
}

JT_NOINLINE int jt_vif_tcx(struct __sk_buff *skb)
{
	struct jt_vif v = {
		.page = { .ctx = skb, .skb = true },
		.data = (const __u8 *)(long)skb->data,
		.end = (const __u8 *)(long)skb->data_end,
		.ifindex = skb->ingress_ifindex,
		.tagged = skb->vlan_present,
		.vlan = jt_htons((__u16)skb->vlan_tci),
		.total = skb->len,
		.segmented = skb->gso_size,
	};

	switch (jt_vif_work(&v)) {
	case JT_PASS:
		return TC_ACT_UNSPEC;
	case JT_SWITCH:
		return bpf_redirect(v.ifindex, 0);
	}
	return TC_ACT_SHOT;
}

SEC("xdp.frags")
int jitney_vif(struct xdp_md *ctx)
{
	if (jt_frame_is((const __u8 *)(long)ctx->data, (const __u8 *)(long)ctx->data_end) &&
	    jt_frame_xdp(ctx) == JT_DROP)
		return XDP_DROP;
	return jt_vif_xdp(ctx);
}

SEC("tc")
int jitney_vif_tcx(struct __sk_buff *skb)
{
	/* An outer tag of 802.1ad: templates only know 802.1Q. */
	if (skb->vlan_present && skb->vlan_proto != jt_htons(JT_ETH_VLAN))
		return TC_ACT_UNSPEC;
	if (skb->data_end - skb->data < JT_HEADERS_MAX && skb->len > skb->data_end - skb->data)
		bpf_skb_pull_data(skb, skb->len < JT_HEADERS_MAX ? skb->len : JT_HEADERS_MAX);
	if (jt_frame_is((const __u8 *)(long)skb->data, (const __u8 *)(long)skb->data_end) &&
	    jt_frame_tcx(skb) == JT_DROP)
		return TC_ACT_SHOT;
	return jt_vif_tcx(skb);
}

char _license[] SEC("license") = "Dual BSD/GPL";

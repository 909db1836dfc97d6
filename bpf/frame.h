/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Guest frames at a vif: the method call `xdp`. A helper in the guest sends them
 * to itself, full of records; <jitney/merge.h> puts them into the page. Nothing
 * else can be done with one, so what can't go aboard is dropped, and counted.
 */
#ifndef JITNEY_FRAME_BPF_H
#define JITNEY_FRAME_BPF_H

#include "board.h"
#include "learn.h"

/*
 * Global functions, so that the verifier looks at each once, and not for every
 * way to it; and so that the stack of one is gone before the next is called.
 */
int jt_template_lead_any(const __u32 (*record)[16], __u32 head, __u32 guest, __u32 number);
int jt_block_lead_xdp(struct xdp_md *ctx, __u32 size, __u32 guest);
int jt_block_lead_tcx(struct __sk_buff *ctx, __u32 size, __u32 guest);
__u64 jt_block_reserve_any(__u32 id, __u32 size, __u32 templates);
int jt_block_wipe_any(__u64 number, __u64 start, __u64 size);
__u64 jt_block_run_any(__u64 number, __u64 pos, __u64 end, __u32 base, __u32 last);

#define jt_env_block_reserve(page, peer, id, size, templates) \
	jt_block_reserve_any(id, size, templates)
#define jt_env_block_wipe(page, number, start, size) jt_block_wipe_any(number, start, size)
#define jt_env_block_run(page, number, pos, end, base, last) \
	jt_block_run_any(number, pos, end, base, last)
#define jt_env_template_lead(page, record, head, guest, number) \
	jt_template_lead_any((const __u32(*)[16])(record), head, guest, number)
/* A page whose address goes nowhere needs no memory, and clang knows whether it has an skb. */
#define jt_env_block_page(page) NULL
#define jt_env_block_lead(page, size, guest)                         \
	((page)->skb ? jt_block_lead_tcx((page)->ctx, size, guest) : \
		       jt_block_lead_xdp((page)->ctx, size, guest))

/* Whose flow it is, and which peer it leads to. */
JT_INLINE int jt_env_flow(struct jt_page *page, const struct jt_flow_key *key)
{
	struct jt_guest *guest = bpf_map_lookup_elem(&guests, &key->guest);
	struct jt_control *c = jt_control();
	struct jt_flow *flow;
	__u64 route = 0;
	int reason;

	if (!guest || !c)
		return -JT_REASON_LOST_STALE;
	flow = jt_flow_known_slim(c, key, &route);
	reason = jt_flow_get(c, NULL, NULL, key, guest, jt_clock(c), &flow, &route);
	if (reason)
		return -reason;
	if (JT_ROUTE_KIND(route) != JT_PLACE_PEER || JT_ROUTE_ID(route) >= JT_PEERS_MAX)
		return -JT_REASON_NO_PEER;
	JT_WRITE(flow->messages, JT_READ(flow->messages) + 1);
	JT_WRITE(flow->aboard_ns, jt_clock(c));
	return (int)JT_ROUTE_ID(route);
}

#include <jitney/merge.h>

__attribute__((noinline)) int jt_template_lead_any(const __u32 (*record)[16], __u32 head,
						   __u32 guest, __u32 number)
{
	return record ? jt_template_lead(NULL, *record, head, guest, number) :
			-JT_REASON_TEMPLATE_BAD;
}

__attribute__((noinline)) int jt_block_lead_xdp(struct xdp_md *ctx, __u32 size, __u32 guest)
{
	return jt_block_lead(&(struct jt_page){ .ctx = ctx }, size, guest);
}

__attribute__((noinline)) int jt_block_lead_tcx(struct __sk_buff *ctx, __u32 size, __u32 guest)
{
	return jt_block_lead(&(struct jt_page){ .ctx = ctx, .skb = true }, size, guest);
}

__attribute__((noinline)) __u64 jt_block_reserve_any(__u32 id, __u32 size, __u32 templates)
{
	struct jt_peer *peer = bpf_map_lookup_elem(&peers, &id);
	struct jt_page page = { .control = jt_control() };

	if (!peer || !page.control)
		return JT_SPOT_NONE | JT_REASON_NO_PEER;
	return jt_block_reserve(&page, peer, id, size, templates);
}

__attribute__((noinline)) int jt_block_wipe_any(__u64 number, __u64 start, __u64 size)
{
	jt_block_wipe(NULL, number, start, size);
	return 0;
}

__attribute__((noinline)) __u64 jt_block_run_any(__u64 number, __u64 pos, __u64 end, __u32 base,
						 __u32 last)
{
	return jt_block_run(NULL, number, pos, end, base, last);
}

/* A detour of a packet is a loss of a guest frame. */
JT_INLINE int jt_frame_reason(int reason)
{
	if (reason == JT_REASON_NO_PEER)
		return JT_REASON_LOST_NO_PEER;
	if (reason == JT_REASON_PEER_DOWN)
		return JT_REASON_LOST_PEER_DOWN;
	if (reason == JT_REASON_PAGE_FULL)
		return JT_REASON_LOST_PAGE_FULL;
	if (reason == JT_REASON_CONTENDED)
		return JT_REASON_LOST_CONTENDED;
	if (reason == JT_REASON_STALE)
		return JT_REASON_LOST_STALE;
	if (reason == JT_REASON_NO_ROOM)
		return JT_REASON_LOST_NO_ROOM;
	return reason == JT_REASON_ADDRESS_TAKEN ? JT_REASON_LOST_TAKEN : reason;
}

/* Put the block aboard. Return: a reason, and JT_OPENED. */
JT_INLINE int jt_frame_board(struct jt_page *page, struct jt_block *b, __u64 now)
{
	struct jt_peer *peer;
	int opened = 0, reason, lead;

	if (now > JT_READ(page->control->alive_until_ns))
		return JT_REASON_STALE;
	lead = jt_env_block_lead(page, b->size, b->guest);
	if (lead < 0)
		return -lead;
	b->peer_id = JT_LEAD_PEER(lead);
	b->head = jt_record_template(1, JT_LEAD_SIZE(lead));
	peer = bpf_map_lookup_elem(&peers, &b->peer_id);
	if (!peer)
		return JT_REASON_NO_PEER;
	if (now > JT_READ(peer->alive_until_ns)) {
		jt_probe(peer, b->peer_id, now);
		return JT_REASON_PEER_DOWN;
	}
	reason = jt_block_organize(page, b, peer, &opened);
	return opened ? reason | JT_OPENED : reason;
}

/* What a block costs on the uplink. */
JT_INLINE __u64 jt_frame_cost(const struct jt_block *b, int result)
{
	struct jt_peer *peer = bpf_map_lookup_elem(&peers, &b->peer_id);

	return b->size + (peer && result & JT_OPENED ? peer->head - JT_FRAME_START : 0);
}

JT_INLINE void jt_frame_work(struct jt_page *page, struct jt_guest *guest, struct jt_block *b,
			     const struct jt_frame_header *h, __u64 room)
{
	struct jt_control *c = page->control;
	int reason = jt_block_open(h, room, b), payer = jt_share_nobody(c);
	__u64 start = jt_sample_start(guest, b->messages), now = jt_clock(c);

	if (!reason && JT_READ(guest->flags) & JT_GUEST_LIMITED) {
		payer = jt_share_admit(b->guest, now, b->messages);
		if (!payer)
			reason = JT_REASON_OVER_RATE;
	}
	if (!reason)
		reason = jt_frame_board(page, b, now);
	if (JT_REASON_OF(reason))
		jt_count_reasons(guest->reasons, jt_frame_reason(JT_REASON_OF(reason)),
				 b->messages);
	else
		jt_count_aboard(guest, start, b->messages, b->payload);
	if (payer && !JT_REASON_OF(reason))
		jt_share_pay(b->guest, payer, jt_frame_cost(b, reason), b->messages);
	if (reason & JT_OPENED || !reason)
		jt_wake(c, b->guest, reason & JT_OPENED);
}

/* Is it Jitney's? The question for all packets: it must not cost anything. */
JT_INLINE bool jt_frame_is(const __u8 *data, const __u8 *end)
{
	const struct jt_eth *eth = (const struct jt_eth *)data;
	struct jt_control *c;

	if (data + sizeof(*eth) > end || eth->type == jt_htons(JT_ETH_IPV4) ||
	    eth->type == jt_htons(JT_ETH_IPV6))
		return false;
	c = jt_control();
	return c && eth->type == c->ethertype && JT_READ(c->magic) == JT_MAGIC;
}

/* However often it rings, there is one event until the controller has taken it. */
JT_INLINE void jt_bell(struct jt_guest *guest, __u32 id)
{
	if (!JT_READ(guest->rung) && jt_cas(&guest->rung, 0, 1) == 0 &&
	    jt_tell(JT_EVENT_BELL, id, bpf_ktime_get_ns()))
		JT_WRITE(guest->rung, 0);
}

/*
 * A Jitney frame of a guest. Return: JT_DROP, or JT_PASS for one in its own name
 * to another machine.
 */
JT_INLINE int jt_frame_take(struct jt_page *page, const __u8 *data, const __u8 *end, __u64 total,
			    __u32 ifindex)
{
	const struct jt_eth *eth = (const struct jt_eth *)data;
	__u32 id = 0;
	struct jt_guest *guest = jt_guest_of(ifindex, &id);
	struct jt_frame_header h;
	struct jt_block b = {};
	__u64 source = 0, dest = 0;

	page->control = jt_control();
	if (!guest || !page->control || data + sizeof(*eth) > end)
		return JT_PASS;
	if (!JT_READ(guest->mac))
		jt_mac_learn(data, end, guest, id);
	__builtin_memcpy(&source, eth->source, 6);
	__builtin_memcpy(&dest, eth->dest, 6);
	if (source != JT_READ(guest->mac)) {
		jt_count_reason(guest->reasons, JT_REASON_SPOOFED_MAC);
		return JT_DROP;
	}
	if (dest != source && jt_mac_of_helper(&dest)) {
		jt_count_reason(guest->reasons, JT_REASON_SPOOFED_MAC);
		return JT_DROP;
	}
	if (dest != source)
		return JT_PASS;
	if (data + JT_BLOCK_START > end) {
		jt_count_reason(guest->reasons, JT_REASON_FRAME_SHORT);
		return JT_DROP;
	}
	__builtin_memcpy(&h, data + sizeof(*eth), sizeof(h));
	if (h.version_type == (JT_WIRE_VERSION << 4 | JT_FRAME_BELL)) {
		jt_bell(guest, id);
		return JT_DROP;
	}
	b.guest = id;
	jt_frame_work(page, guest, &b, &h, total - JT_BLOCK_START);
	return JT_DROP;
}

__attribute__((noinline)) int jt_frame_xdp(struct xdp_md *ctx)
{
	struct jt_page page = { .ctx = ctx };

	return jt_frame_take(&page, (const __u8 *)(long)ctx->data,
			     (const __u8 *)(long)ctx->data_end, bpf_xdp_get_buff_len(ctx),
			     ctx->ingress_ifindex);
}

__attribute__((noinline)) int jt_frame_tcx(struct __sk_buff *ctx)
{
	struct jt_page page = { .ctx = ctx, .skb = true };

	return jt_frame_take(&page, (const __u8 *)(long)ctx->data,
			     (const __u8 *)(long)ctx->data_end, ctx->len, ctx->ingress_ifindex);
}

#endif

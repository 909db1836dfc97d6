// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * uplink: what comes from outside. Frames of known peers go to the controller
 * (or to the one guest that takes its frames itself); all else passes.
 */
#include "count.h"
#include <jitney/parse.h>

struct jt_uplink {
	struct jt_control *control;
	struct jt_cursor cursor;
	struct jt_address from; /* outer source */
	__u64 total;		/* bytes of the whole frame */
};

/* Read a UDP header that may carry a frame. True: the cursor is behind it. */
JT_INLINE bool jt_outer_udp(struct jt_uplink *u)
{
	const struct jt_udp *udp = jt_take(&u->cursor, sizeof(*udp));

	return udp && udp->dest == u->control->udp_port;
}

JT_INLINE bool jt_outer_ipv4(struct jt_uplink *u)
{
	const struct jt_ipv4 *ip = jt_take(&u->cursor, sizeof(*ip));

	if (!ip || ip->version_ihl != 0x45 || ip->protocol != JT_IPPROTO_UDP ||
	    ip->frag & jt_htons(JT_IPV4_FRAGMENT))
		return false;
	u->from.family = JT_FAMILY_IPV4;
	__builtin_memcpy(u->from.bytes, &ip->source, 4);
	return jt_outer_udp(u);
}

JT_INLINE bool jt_outer_ipv6(struct jt_uplink *u)
{
	const struct jt_ipv6 *ip = jt_take(&u->cursor, sizeof(*ip));

	if (!ip || ip->next != JT_IPPROTO_UDP)
		return false;
	u->from.family = JT_FAMILY_IPV6;
	__builtin_memcpy(u->from.bytes, ip->source, 16);
	return jt_outer_udp(u);
}

/* True if this is a Jitney frame; the cursor is at its Jitney header then. */
JT_INLINE bool jt_outer(struct jt_uplink *u)
{
	const struct jt_eth *eth = jt_take(&u->cursor, sizeof(*eth));

	if (!eth)
		return false;
	u->from.scope = JT_SCOPE_PEER;
	if (eth->type == u->control->ethertype) {
		u->from.family = JT_FAMILY_MAC;
		__builtin_memcpy(u->from.bytes, eth->source, 6);
		return true;
	}
	if (!u->control->udp_port)
		return false;
	if (eth->type == jt_htons(JT_ETH_IPV4))
		return jt_outer_ipv4(u);
	return eth->type == jt_htons(JT_ETH_IPV6) && jt_outer_ipv6(u);
}

/* Compare with the sequence number expected; count what is missing or late. */
JT_INLINE void jt_sequence(struct jt_peer *peer, const struct jt_frame_header *h)
{
	__u64 session = JT_SEQUENCE_KNOWN | (__u64)jt_ntohs(h->session) << 32;
	__u64 old = JT_READ(peer->received_next), now;
	__u32 sequence = jt_ntohl(h->sequence);
	__s32 ahead;
	int i;

	for (i = 0; i < 4; i++) {
		ahead = old >> 32 == session >> 32 ? (__s32)(sequence - (__u32)old) : 0;
		if (ahead < 0) {
			jt_count(&peer->received_late, 1);
			return;
		}
		now = jt_cas(&peer->received_next, old, session | (__u32)(sequence + 1));
		if (now == old) {
			if (ahead)
				jt_count(&peer->received_lost, ahead);
			return;
		}
		old = now;
	}
}

/* Check a frame's header. Return: JT_ABOARD if it is sound, else a reason. */
JT_INLINE int jt_frame_check(struct jt_uplink *u, const struct jt_frame_header *h, int *type)
{
	if (!h)
		return JT_REASON_FRAME_SHORT;
	if (h->version_type >> 4 != JT_WIRE_VERSION || h->flags)
		return JT_REASON_FRAME_VERSION;
	*type = h->version_type & 0xf;
	if (*type != JT_FRAME_DATA && *type != JT_FRAME_HELLO)
		return JT_REASON_FRAME_TYPE;
	if (jt_ntohs(h->length) > u->total - u->cursor.offset)
		return JT_REASON_FRAME_LENGTH;
	return JT_ABOARD;
}

/* A data frame for one guest that takes them itself. Return: its vif, or 0. */
JT_INLINE __u32 jt_helper(const struct jt_frame_header *h)
{
	__u32 id = jt_ntohs(h->guest);
	struct jt_guest *guest = bpf_map_lookup_elem(&guests, &id);

	return guest && guest->flags & JT_GUEST_HELPER ? guest->ifindex : 0;
}

JT_INLINE int jt_redirect(struct xdp_md *ctx, __u64 *reasons)
{
	__u32 queue = ctx->rx_queue_index;

	/* The look-up is the test: a socket that is closed leaves the map. */
	if (!bpf_map_lookup_elem(&xsks, &queue)) {
		jt_count_reason(reasons, JT_REASON_NO_SOCKET);
		return XDP_DROP;
	}
	return bpf_redirect_map(&xsks, queue, XDP_DROP);
}

JT_INLINE int jt_stranger(struct jt_uplink *u, struct xdp_md *ctx, int type)
{
	if (type == JT_FRAME_HELLO && u->control->flags & JT_CONTROL_DISCOVER)
		return jt_redirect(ctx, u->control->reasons);
	jt_count_reason(u->control->reasons, JT_REASON_UNKNOWN_PEER);
	return XDP_PASS;
}

JT_INLINE int jt_frame(struct jt_uplink *u, struct xdp_md *ctx)
{
	struct jt_place *place = bpf_map_lookup_elem(&addresses, &u->from);
	const struct jt_frame_header *h = jt_take(&u->cursor, sizeof(*h));
	struct jt_peer *peer = NULL;
	int type = 0, reason = jt_frame_check(u, h, &type);
	__u32 vif;

	if (place && place->kind == JT_PLACE_PEER)
		peer = bpf_map_lookup_elem(&peers, &place->id);
	if (!peer)
		return jt_stranger(u, ctx, reason ? 0 : type);
	if (reason || !h) {
		jt_count_reason(peer->reasons, reason);
		return XDP_DROP;
	}
	if (type == JT_FRAME_HELLO)
		return jt_redirect(ctx, peer->reasons);
	jt_sequence(peer, h);
	jt_count(&peer->received_frames, 1);
	jt_count(&peer->received_bytes, u->total);
	vif = jt_helper(h);
	return vif ? bpf_redirect(vif, 0) : jt_redirect(ctx, peer->reasons);
}

SEC("xdp.frags")
int jitney_uplink(struct xdp_md *ctx)
{
	struct jt_uplink u = {
		.control = jt_control(),
		.cursor = { .pos = (const __u8 *)(long)ctx->data,
			    .end = (const __u8 *)(long)ctx->data_end },
	};

	if (!u.control || JT_READ(u.control->magic) != JT_MAGIC || !jt_outer(&u))
		return XDP_PASS;
	u.total = bpf_xdp_get_buff_len(ctx);
	return jt_frame(&u, ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";

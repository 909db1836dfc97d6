/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Theory of operation: the table of flows
 *
 * A flow's key is hashed to a set of four places, one of which may be its own. What
 * finds none there goes to a hash map of the kernel's (`crowded`), as slow as ever.
 *
 *  1. A route is right if its tag is. The tag is a hash over the whole key, made with
 *     numbers that no guest knows, and the generation of what the route was made from;
 *     route and tag are one word. A place that becomes another flow's between two
 *     looks at it lends nobody a route; that the key is compared, too, makes it
 *     certain for all places that stay as they are.
 *  2. Only a quiet flow loses its place: it is not kept from the page, and nothing of it
 *     is under way, if no controller was held up for so long. All that is lost with it,
 *     whoever else may crowd the set, is that its peer has not confirmed that yet.
 *  3. One at a time gives a place away (`busy`); who comes second goes to `crowded`.
 *  4. Who still holds a place that was given away may write to it. Its hint is
 *     compared with what it points to; its time aboard makes the other stay aboard;
 *     that it passes by makes the other, which has nothing aboard, pass by. None of
 *     that breaks an order.
 *  5. Two CPUs with the first packets of a flow may find it two places. The first in
 *     the set counts from then on, the other becomes quiet.
 */
#ifndef JITNEY_FLOW_H
#define JITNEY_FLOW_H

#include "abi.h"

JT_INLINE __u64 jt_hash_pair(const jt_half *half, const __u32 *seed)
{
	return (__u64)(half[0] + seed[0]) * (half[1] + seed[1]);
}

/*
 * jt_flow_hash() - A key's hash (NH, as in UMAC, RFC 4418)
 *
 * For any two keys, of 2^32 seeds one makes the sums equal. What a UDP4 template does
 * not use is zero. The factor brings what lies low to the upper half, too.
 */
JT_INLINE __u64 jt_flow_hash(const struct jt_flow_key *key, const __u32 *seed)
{
	const jt_half *half = (const jt_half *)key; /* as they were written: see parse.h */
	__u64 sum = jt_hash_pair(half, seed) + jt_hash_pair(half + 2, seed + 2) +
		    jt_hash_pair(half + 4, seed + 4) + jt_hash_pair(half + 6, seed + 6) +
		    jt_hash_pair(half + 14, seed + 14);

	if (key->header.kind != JT_TEMPLATE_UDP4)
		sum += jt_hash_pair(half + 8, seed + 8) + jt_hash_pair(half + 10, seed + 10) +
		       jt_hash_pair(half + 12, seed + 12);
	return sum * 0x9e3779b97f4a7c15ULL;
}

JT_INLINE __u32 jt_flow_set(__u64 hash)
{
	return (__u32)(hash >> 20) & (JT_FLOW_SETS - 1);
}

/* Binds a route to its flow and to the state that it was made from. */
JT_INLINE __u32 jt_route_tag(__u64 hash, __u32 generation)
{
	return (__u32)(hash >> 32) ^ generation;
}

JT_INLINE bool jt_key_same(const struct jt_flow_key *a, const struct jt_flow_key *b)
{
	const jt_word *x = (const jt_word *)a, *y = (const jt_word *)b;
	__u64 bits = (x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[7] ^ y[7]);

	if (a->header.kind != JT_TEMPLATE_UDP4)
		bits |= (x[4] ^ y[4]) | (x[5] ^ y[5]) | (x[6] ^ y[6]);
	return !bits;
}

/* True for a while behind a message that came aboard. */
JT_INLINE bool jt_flow_recent(const struct jt_flow *flow, __u64 now, __u64 ns)
{
	/* Signed: another CPU may have written a moment later. */
	return (__s64)(now - JT_READ(flow->aboard_ns)) < (__s64)ns;
}

/*
 * True while messages of the flow may still be on their way: in the page, on
 * the wire, or with the controller of the other side. One that went the
 * kernel's way now would overtake them. That is so until the peer has confirmed
 * what was aboard then; a peer that does not answer is not waited for.
 */
JT_INLINE bool jt_flow_aboard(const struct jt_flow *flow, const struct jt_peer *peer, __u64 now,
			      __u64 latency_ns)
{
	return jt_flow_recent(flow, now, JT_ORDER_NS + latency_ns) ||
	       (jt_flow_recent(flow, now, JT_SETTLE_NS) &&
		JT_READ(flow->aboard_ns) > JT_READ(peer->settled_ns));
}

/* A flow that is as good as new. */
JT_INLINE bool jt_flow_quiet(const struct jt_flow *flow, __u64 now, __u64 latency_ns)
{
	return !jt_flow_recent(flow, now, JT_ORDER_NS + latency_ns) &&
	       now >= JT_READ(flow->legacy_until_ns);
}

#endif

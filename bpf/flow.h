/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a flow has its place. The invariants: <jitney/flow.h>. */
#ifndef JITNEY_FLOW_BPF_H
#define JITNEY_FLOW_BPF_H

#include <jitney/flow.h>
#include "count.h"

JT_INLINE struct jt_flow_slot *jt_flow_slot(__u32 set, __u32 way)
{
	__u32 index = set * JT_FLOW_WAYS + way;

	return bpf_map_lookup_elem(&flows, &index);
}

/* The flow if its route is as good as new, which is read once; else NULL. */
JT_INLINE struct jt_flow *jt_flow_find(const struct jt_flow_key *key, __u32 set, __u32 tag,
				       __u64 *route)
{
	__u32 index = set * JT_FLOW_WAYS, way; /* one word of the stack, not four */
	struct jt_flow_slot *slot;

	for (way = 0; way < JT_FLOW_WAYS; way++, index++) {
		slot = bpf_map_lookup_elem(&flows, &index);
		if (!slot)
			break;
		*route = JT_READ(slot->flow.route);
		if (JT_ROUTE_TAG(*route) == tag && jt_key_same(key, &slot->key))
			return &slot->flow;
	}
	return NULL;
}

/* The place of a flow whose route has gone out of date. */
JT_INLINE struct jt_flow *jt_flow_old(const struct jt_flow_key *key, __u32 set)
{
	struct jt_flow_slot *slot;
	__u32 way;

	for (way = 0; way < JT_FLOW_WAYS; way++) {
		slot = jt_flow_slot(set, way);
		if (slot && jt_key_same(key, &slot->key))
			return &slot->flow;
	}
	return NULL;
}

/* Of the quiet ones in a set the one that was so for longest, or NULL. */
JT_INLINE struct jt_flow_slot *jt_flow_quietest(struct jt_control *c, __u32 set, __u64 now)
{
	struct jt_flow_slot *slot, *oldest = NULL;
	__u64 last, least = ~0ULL;
	__u32 way;

	for (way = 0; way < JT_FLOW_WAYS; way++) {
		slot = jt_flow_slot(set, way);
		if (!slot || JT_READ(slot->busy) ||
		    !jt_flow_quiet(&slot->flow, now, JT_READ(c->latency_ns)))
			continue;
		last = JT_READ(slot->flow.aboard_ns);
		if (last < JT_READ(slot->made_ns))
			last = JT_READ(slot->made_ns);
		if (last < least) {
			least = last;
			oldest = slot;
		}
	}
	return oldest;
}

/* Give a place to a new flow, or NULL: it was taken, or its flow is not quiet any more. */
JT_INLINE struct jt_flow *jt_flow_take(struct jt_control *c, struct jt_flow_slot *slot,
				       const struct jt_flow_key *key, __u64 now)
{
	if (!slot || jt_cas(&slot->busy, 0, 1))
		return NULL;
	if (!jt_flow_quiet(&slot->flow, now, JT_READ(c->latency_ns))) {
		JT_WRITE(slot->busy, 0);
		return NULL;
	}
	JT_WRITE(slot->flow.route, 0);
	slot->key = *key;
	JT_WRITE(slot->flow.hint, 0);
	JT_WRITE(slot->flow.aboard_ns, 0);
	JT_WRITE(slot->flow.legacy_until_ns, 0);
	JT_WRITE(slot->flow.messages, 0);
	JT_WRITE(slot->made_ns, now);
	JT_WRITE(slot->busy, 0);
	return &slot->flow;
}

/* Not on the stack, which is small. */
const volatile struct jt_flow jt_flow_fresh __attribute__((weak)) = {};

JT_INLINE struct jt_flow *jt_flow_crowded(const struct jt_flow_key *key)
{
	bpf_map_update_elem(&crowded, key, (const void *)&jt_flow_fresh, BPF_ANY);
	return bpf_map_lookup_elem(&crowded, key);
}

/*
 * A flow that jt_flow_find() does not find: where it is, or may be from now on.
 * Called, not inlined: the stack is small.
 */
JT_NOINLINE struct jt_flow *jt_flow_place(struct jt_control *c, const struct jt_flow_key *key,
					  __u64 now)
{
	__u32 set = jt_flow_set(jt_flow_hash(key, c->seed));
	struct jt_flow *flow = jt_flow_old(key, set), *crowd;

	if (flow)
		return flow;
	crowd = bpf_map_lookup_elem(&crowded, key);
	if (crowd && !jt_flow_quiet(crowd, now, JT_READ(c->latency_ns)))
		return crowd;
	flow = jt_flow_take(c, jt_flow_quietest(c, set, now), key, now);
	if (!flow)
		return crowd ? crowd : jt_flow_crowded(key);
	if (crowd) {
		JT_WRITE(flow->aboard_ns, JT_READ(crowd->aboard_ns));
		bpf_map_delete_elem(&crowded, key);
	}
	return flow;
}

#endif

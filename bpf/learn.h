/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The slow part of a flow: whose addresses are these, and where does it lead?
 * Done for the first packet of a flow, again after each change of guests,
 * peers or addresses, and for every packet that has no template of its own.
 */
#ifndef JITNEY_LEARN_H
#define JITNEY_LEARN_H

#include <jitney/parse.h>
#include "address.h"
#include "flow.h"

/* Source and destination of a flow; @ip is looked at if the template has none. */
JT_INLINE int jt_addresses_read(const __u8 *ip, const __u8 *end, const struct jt_template *t,
				struct jt_address *source, struct jt_address *dest)
{
	if (t->kind == JT_TEMPLATE_UDP4) {
		jt_address_set(source, &t->u.udp4.source, 4, JT_FAMILY_IPV4);
		jt_address_set(dest, &t->u.udp4.dest, 4, JT_FAMILY_IPV4);
		return JT_ABOARD;
	}
	if (t->kind == JT_TEMPLATE_UDP6) {
		jt_address_set(source, t->u.udp6.source, 16, JT_FAMILY_IPV6);
		jt_address_set(dest, t->u.udp6.dest, 16, JT_FAMILY_IPV6);
		return JT_ABOARD;
	}
	if (!ip)
		return JT_REASON_TRUNCATED;
	if (t->u.ethernet.ethertype == jt_htons(JT_ETH_IPV4)) {
		if (ip + sizeof(struct jt_ipv4) > end)
			return JT_REASON_TRUNCATED;
		jt_address_set(source, &((const struct jt_ipv4 *)ip)->source, 4, JT_FAMILY_IPV4);
		jt_address_set(dest, &((const struct jt_ipv4 *)ip)->dest, 4, JT_FAMILY_IPV4);
	} else {
		if (ip + sizeof(struct jt_ipv6) > end)
			return JT_REASON_TRUNCATED;
		jt_address_set(source, ((const struct jt_ipv6 *)ip)->source, 16, JT_FAMILY_IPV6);
		jt_address_set(dest, ((const struct jt_ipv6 *)ip)->dest, 16, JT_FAMILY_IPV6);
	}
	return JT_ABOARD;
}

/* Is the address this guest's? An unknown one becomes it, unless it is strict. */
JT_INLINE int jt_address_own(const struct jt_address *a, struct jt_guest *guest, __u32 id)
{
	struct jt_place *place = bpf_map_lookup_elem(&addresses, a);
	struct jt_place learned = {
		.kind = JT_PLACE_GUEST,
		.id = id,
		.flags = JT_PLACE_LEARNED,
		.until_ns = JT_NEVER_STALE,
	};

	if (place && place->kind == JT_PLACE_GUEST && place->id == id)
		return JT_ABOARD;
	/* Perhaps it has moved here; the peer will stop announcing it. */
	if (place && place->kind == JT_PLACE_PEER && place->flags & JT_PLACE_LEARNED)
		return JT_REASON_ADDRESS_TAKEN;
	if (place)
		return JT_REASON_SPOOFED_IP;
	if (guest->flags & JT_GUEST_STRICT && a->family != JT_FAMILY_MAC)
		return JT_REASON_SPOOFED_IP;
	if (JT_READ(guest->learned) >= JT_LEARNED_MAX ||
	    bpf_map_update_elem(&addresses, a, &learned, BPF_NOEXIST))
		return JT_REASON_NO_ROOM;
	jt_fetch_add(&guest->learned, 1);
	jt_tell(JT_EVENT_LEARNED, id, bpf_ktime_get_ns());
	return JT_ABOARD;
}

/*
 * jt_mac_learn() - The first packet of a guest, whatever it is, tells its MAC
 *
 * Return: true if the guest has this MAC now. False: another one came first, or
 * it is another guest's.
 */
JT_NOINLINE bool jt_mac_learn(const __u8 *data, const __u8 *end, struct jt_guest *guest, __u32 id)
{
	const struct jt_eth *eth = (const struct jt_eth *)data;
	struct jt_address a;
	__u64 mac = 0, old;

	if (data + sizeof(*eth) > end || eth->source[0] & 1)
		return false;
	jt_address_set(&a, eth->source, 6, JT_FAMILY_MAC);
	__builtin_memcpy(&mac, a.bytes, 6);
	if (!mac || jt_address_own(&a, guest, id))
		return false;
	old = jt_cas(&guest->mac, 0, mac);
	return !old || old == mac;
}

/* The guest's MAC is configured, or that of its first packet. */
JT_INLINE int jt_mac_own(const struct jt_template *t, struct jt_guest *guest, struct jt_address *a)
{
	struct jt_place *place;
	__u64 mac = 0;

	__builtin_memcpy(&mac, t->source_mac, 6);
	if (JT_READ(guest->mac) == mac)
		return JT_ABOARD;
	jt_address_set(a, t->source_mac, 6, JT_FAMILY_MAC);
	place = bpf_map_lookup_elem(&addresses, a);
	return !JT_READ(guest->mac) && place && place->kind == JT_PLACE_PEER &&
			       place->flags & JT_PLACE_LEARNED ?
		       JT_REASON_ADDRESS_TAKEN :
		       JT_REASON_SPOOFED_MAC;
}

/* Where an address leads: kind and id of a route, 0 if nowhere that is known. */
JT_INLINE __u64 jt_address_route(const struct jt_address *a)
{
	struct jt_place *place = bpf_map_lookup_elem(&addresses, a);

	return place ? JT_ROUTE(0, place->kind, place->id) : 0;
}

/*
 * By IP address only to peers. What was merely learned counts where machines are
 * a router apart; on one network the MAC decides, as it does in a bridge.
 */
JT_INLINE __u64 jt_ip_route(const struct jt_address *a)
{
	struct jt_place *place = bpf_map_lookup_elem(&addresses, a);
	struct jt_control *c = jt_control();

	if (!place || !c || place->kind != JT_PLACE_PEER ||
	    (place->flags & JT_PLACE_LEARNED && !c->udp_port))
		return 0;
	return JT_ROUTE(0, place->kind, place->id);
}

/*
 * jt_flow_resolve() - Check a flow's sources and find its way
 * @ip, @end:	the packet from its IP header on, or NULL if the template says all
 * @route:	out: kind and id of a route
 *
 * A function of its own, called and not inlined: the stack is small.
 *
 * Return: JT_ABOARD, or why the packet must not or can not be carried.
 */
JT_NOINLINE int jt_flow_resolve(const __u8 *ip, const __u8 *end, const struct jt_flow_key *key,
				struct jt_guest *guest, __u64 *route)
{
	const struct jt_template *t = &key->header;
	struct jt_address source, dest;
	int reason;

	reason = jt_mac_own(t, guest, &source);
	if (reason)
		return reason;
	reason = jt_addresses_read(ip, end, t, &source, &dest);
	if (reason)
		return reason;
	reason = jt_address_own(&source, guest, key->guest);
	if (reason)
		return reason;
	jt_address_set(&source, t->dest_mac, 6, JT_FAMILY_MAC);
	*route = jt_address_route(&source);
	if (!*route)
		*route = jt_ip_route(&dest);
	return JT_ABOARD;
}

JT_INLINE __u32 jt_flow_tag(const struct jt_control *c, __u64 hash)
{
	return jt_route_tag(hash, JT_READ(c->generation));
}

/* The flow's place and its route, if that is as good as new; else NULL. */
JT_INLINE struct jt_flow *jt_flow_known(struct jt_control *c, const struct jt_flow_key *key,
					__u64 *route)
{
	__u64 hash = jt_flow_hash(key, c->seed);

	return jt_flow_find(key, jt_flow_set(hash), jt_flow_tag(c, hash), route);
}

/* The same, called. */
JT_NOINLINE struct jt_flow *jt_flow_known_slim(struct jt_control *c, const struct jt_flow_key *key,
					       __u64 *route)
{
	return c && key && route ? jt_flow_known(c, key, route) : NULL;
}

JT_NOINLINE int jt_flow_route(struct jt_control *c, const struct jt_flow_key *key,
			      struct jt_flow *flow, __u64 route)
{
	__u32 tag = jt_flow_tag(c, jt_flow_hash(key, c->seed));

	JT_WRITE(flow->route, route | (__u64)tag << 32);
	return JT_ABOARD;
}

/*
 * jt_flow_get() - The flow's place and its route; finds both if need be
 * @flow, @route:	in: what jt_flow_known() said
 */
JT_INLINE int jt_flow_get(struct jt_control *c, const __u8 *ip, const __u8 *end,
			  const struct jt_flow_key *key, struct jt_guest *guest, __u64 now,
			  struct jt_flow **flow, __u64 *route)
{
	__u64 found = 0;
	int reason;

	if (*flow && key->header.kind != JT_TEMPLATE_ETHERNET)
		return JT_ABOARD;
	reason = jt_flow_resolve(ip, end, key, guest, &found);
	if (reason)
		return reason;
	*route = found;
	if (!*flow)
		*flow = jt_flow_place(c, key, now);
	if (!*flow)
		return JT_REASON_NO_ROOM;
	return jt_flow_route(c, key, *flow, found);
}

#endif

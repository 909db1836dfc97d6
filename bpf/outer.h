/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A frame at the uplink, and the outer headers that it may have. */
#ifndef JITNEY_OUTER_BPF_H
#define JITNEY_OUTER_BPF_H

#include "address.h"
#include <jitney/parse.h>

#define JT_OUTER_MAX 74 /* Ethernet, IPv6, UDP, Jitney header */

enum jt_verdict { JT_PASS, JT_DROP, JT_SOCKET, JT_SWITCH };

struct jt_uplink {
	struct jt_control *control;
	void *ctx;
	__u32 queue;
	__u32 vif;   /* out, for JT_SWITCH */
	bool astray; /* out: a frame for a guest's helper, past us */
	struct jt_cursor cursor;
	struct jt_address from; /* outer source */
	__u64 total;		/* bytes of the whole frame */
	__u64 linear;		/* bytes of it in the first buffer (XDP) */
	__u64 mac;		/* out, for JT_SWITCH: the guest's; 0: not known */
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

/* Frames for other machines only come by: a bridge floods them. */
JT_INLINE bool jt_outer_mine(struct jt_uplink *u, const struct jt_eth *eth)
{
	__u64 mac = 0, mine = JT_READ(u->control->mac);

	__builtin_memcpy(&mac, eth->dest, 6);
	return !mine || mac == mine || eth->dest[0] & 1;
}

/* True if this is a Jitney frame; the cursor is at its Jitney header then. */
JT_INLINE bool jt_outer(struct jt_uplink *u)
{
	const struct jt_eth *eth = jt_take(&u->cursor, sizeof(*eth));

	if (!eth)
		return false;
	u->from.scope = JT_SCOPE_PEER;
	if (!jt_outer_mine(u, eth)) {
		u->astray = eth->type == u->control->ethertype &&
			    u->control->flags & JT_CONTROL_HELPERS && jt_mac_of_helper(eth->dest);
		return false;
	}
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

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "outer.h"

static bool skip_udp(const struct jt_outer *outer, struct jt_cursor *c)
{
	const struct jt_udp *udp = jt_take(c, sizeof(*udp));

	return udp && outer->udp_port && jt_ntohs(udp->dest) == outer->udp_port;
}

static bool skip_ipv4(const struct jt_outer *outer, struct jt_cursor *c)
{
	const struct jt_ipv4 *ip = jt_take(c, sizeof(*ip));
	unsigned int options;

	if (!ip || ip->protocol != JT_IPPROTO_UDP || ip->version_ihl < 0x45 ||
	    ip->version_ihl > 0x4f)
		return false;
	options = (ip->version_ihl - 0x45U) * 4;
	return jt_take(c, options) && skip_udp(outer, c);
}

static bool skip_ipv6(const struct jt_outer *outer, struct jt_cursor *c)
{
	const struct jt_ipv6 *ip = jt_take(c, sizeof(*ip));

	return ip && ip->next == JT_IPPROTO_UDP && skip_udp(outer, c);
}

static bool skip_ethernet(const struct jt_outer *outer, struct jt_cursor *c)
{
	const struct jt_eth *eth = jt_take(c, sizeof(*eth));
	const struct jt_vlan *tag;
	__u16 type;

	if (!eth)
		return false;
	type = jt_ntohs(eth->type);
	if (type == JT_ETH_VLAN) {
		tag = jt_take(c, sizeof(*tag));
		if (!tag)
			return false;
		type = jt_ntohs(tag->type);
	}
	if (type == outer->ethertype)
		return true;
	if (type == JT_ETH_IPV4)
		return skip_ipv4(outer, c);
	return type == JT_ETH_IPV6 && skip_ipv6(outer, c);
}

bool jt_outer_skip(const struct jt_outer *outer, const void *frame, size_t length,
		   const __u8 **records, size_t *size)
{
	struct jt_cursor c = { .pos = frame, .end = (const __u8 *)frame + length };
	struct jt_frame_header head;
	const void *bytes;

	bytes = skip_ethernet(outer, &c) ? jt_take(&c, sizeof(head)) : NULL;
	if (!bytes)
		return false;
	memcpy(&head, bytes, sizeof(head));
	if (head.version_type != (JT_WIRE_VERSION << 4 | JT_FRAME_DATA))
		return false;
	*size = jt_ntohs(head.length);
	*records = jt_take(&c, *size);
	return *records;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A guest's packet, read once: its header in canonical form (the template) and
 * where its payload is. Parsers take a cursor and leave it alone on failure.
 */
#ifndef JITNEY_PARSE_H
#define JITNEY_PARSE_H

#include "wire.h"

#define JT_ETH_IPV4 0x0800
#define JT_ETH_IPV6 0x86dd
#define JT_ETH_VLAN 0x8100
#define JT_IPPROTO_ICMP 1
#define JT_IPPROTO_UDP 17
#define JT_IPPROTO_ESP 50
#define JT_IPPROTO_ICMPV6 58
#define JT_ICMPV6_ECHO_REQUEST 128
#define JT_ICMPV6_ECHO_REPLY 129
#define JT_IPV4_DF 0x4000
#define JT_IPV4_RESERVED 0x8000 /* a flag that templates have no place for */
#define JT_IPV4_FRAGMENT 0x3fff /* more fragments, or an offset */

struct jt_eth {
	__u8 dest[6];
	__u8 source[6];
	__u16 type; /* be */
} __attribute__((packed));

struct jt_vlan {
	__u16 tci;  /* be */
	__u16 type; /* be */
};

struct jt_ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__u16 length; /* be */
	__u16 id;     /* be */
	__u16 frag;   /* be */
	__u8 ttl;
	__u8 protocol;
	__u16 check;
	__u32 source; /* be */
	__u32 dest;   /* be */
} __attribute__((packed, aligned(2)));

struct jt_ipv6 {
	__u32 version_class_label; /* be */
	__u16 length;		   /* be: behind this header */
	__u8 next;
	__u8 hops;
	__u8 source[16];
	__u8 dest[16];
} __attribute__((packed, aligned(2)));

struct jt_udp {
	__u16 source; /* be */
	__u16 dest;   /* be */
	__u16 length; /* be */
	__u16 check;
};

/* What jt_parse() found; the key's guest is the caller's to fill in. */
struct jt_parsed {
	struct jt_flow_key key;
	__u64 template_size; /* bytes of key.header on the wire */
	__u64 payload;	     /* offset of the payload in the packet */
	__u64 length;	     /* of the payload */
	__u64 pseudo;	     /* folded sum of the UDP pseudo header, 0: no UDP */
	__u16 check;	     /* UDP checksum as it stood in the packet */
	__u16 payer;	     /* the caller's: enum jt_share_payer, if its guest is limited */
	__u32 mark;	     /* the caller's: to see whether its template went aboard */
};

struct jt_cursor {
	const __u8 *pos;
	const __u8 *end;
	__u64 offset; /* of pos in the packet */
};

/* Return: the n bytes at the cursor, which moves behind them; NULL: too short. */
JT_INLINE const void *jt_take(struct jt_cursor *c, __u64 n)
{
	const __u8 *p = c->pos;

	if (JT_SHORT(p, n, c->end))
		return NULL;
	c->pos = p + n;
	c->offset += n;
	return p;
}

/* Ports of tunnels whose inner checksums may still be the device's to fill in. */
JT_INLINE bool jt_port_is_tunnel(__u16 port)
{
	return port == jt_htons(4789) || port == jt_htons(8472) || port == jt_htons(6081) ||
	       port == jt_htons(4790);
}

/*
 * Words are written as words and read as words: what is read soon after it was
 * written in parts waits until all of them have left the CPU.
 */
JT_INLINE void jt_template_begin(struct jt_template *t, __u32 kind, __u32 flags, __u32 tos,
				 __u32 ttl)
{
	__u32 word = jt_htonl(kind << 24 | flags << 16 | tos << 8 | ttl);

	jt_memcpy(t, &word, sizeof(word));
}

JT_INLINE int jt_parse_udp(struct jt_cursor *c, __u64 room, struct jt_parsed *out, __u64 addresses)
{
	struct jt_template *t = &out->key.header;
	const struct jt_udp *udp = jt_take(c, sizeof(*udp));
	__u64 length;

	if (!udp)
		return JT_REASON_TRUNCATED;
	length = jt_ntohs(udp->length);
	if (length < sizeof(*udp) || length != room)
		return JT_REASON_BAD_LENGTH;
	if (jt_port_is_tunnel(udp->dest))
		return JT_REASON_PROTOCOL;
	t->u.words[0] = jt_load32(udp); /* both kinds begin with the ports */
	out->check = udp->check;
	out->payload = c->offset;
	out->length = length - sizeof(*udp);
	out->pseudo = jt_sum_fold(addresses + jt_htons((__u16)length) + jt_htons(JT_IPPROTO_UDP));
	return JT_ABOARD;
}

JT_INLINE int jt_parse_ethernet(__u64 offset, __u64 length, __u16 type, __u32 flags,
				struct jt_parsed *out)
{
	struct jt_template *t = &out->key.header;

	jt_memcpy(&t->u, &(struct jt_template_ethernet){ .ethertype = type },
		  sizeof(struct jt_template_ethernet));
	jt_template_begin(t, JT_TEMPLATE_ETHERNET, flags, 0, 0);
	out->payload = offset;
	out->length = length;
	out->pseudo = 0;
	out->check = 0;
	return JT_ABOARD;
}

JT_INLINE int jt_parse_ipv4(struct jt_cursor *c, __u64 total, __u32 flags, struct jt_parsed *out)
{
	struct jt_template *t = &out->key.header;
	__u64 offset = c->offset, length, sum;
	const struct jt_ipv4 *ip = jt_take(c, sizeof(*ip));
	__u32 source, dest;

	if (!ip)
		return JT_REASON_TRUNCATED;
	if (ip->version_ihl != 0x45)
		return JT_REASON_PROTOCOL;
	length = jt_ntohs(ip->length);
	if (length < sizeof(*ip) || length > total - offset)
		return JT_REASON_BAD_LENGTH;
	if (ip->frag & jt_htons(JT_IPV4_FRAGMENT))
		return JT_REASON_FRAGMENT;
	if (ip->frag & jt_htons(JT_IPV4_RESERVED))
		return JT_REASON_PROTOCOL;
	if (ip->protocol == JT_IPPROTO_ICMP || ip->protocol == JT_IPPROTO_ESP)
		return jt_parse_ethernet(offset, length, jt_htons(JT_ETH_IPV4), flags, out);
	if (ip->protocol != JT_IPPROTO_UDP)
		return JT_REASON_PROTOCOL;
	if (ip->frag & jt_htons(JT_IPV4_DF))
		flags |= JT_TEMPLATE_DF;
	jt_template_begin(t, JT_TEMPLATE_UDP4, flags, ip->tos, ip->ttl);
	source = jt_load32(&ip->source);
	dest = jt_load32(&ip->dest);
	t->u.udp4.source = source;
	t->u.udp4.dest = dest;
	sum = (__u64)source + dest;
	return jt_parse_udp(c, length - sizeof(*ip), out, sum);
}

JT_INLINE __u64 jt_sum_ipv6(const __u32 *source, const __u32 *dest)
{
	return (__u64)source[0] + source[1] + source[2] + source[3] + dest[0] + dest[1] + dest[2] +
	       dest[3];
}

JT_INLINE int jt_parse_ipv6(struct jt_cursor *c, __u64 total, __u32 flags, struct jt_parsed *out)
{
	struct jt_template *t = &out->key.header;
	__u64 offset = c->offset, length, sum;
	const struct jt_ipv6 *ip = jt_take(c, sizeof(*ip));
	const __u8 *type;
	__u32 vcl, i;

	if (!ip)
		return JT_REASON_TRUNCATED;
	vcl = jt_ntohl(ip->version_class_label);
	if (vcl >> 28 != 6)
		return JT_REASON_PROTOCOL;
	length = jt_ntohs(ip->length);
	if (length > total - offset - sizeof(*ip))
		return JT_REASON_BAD_LENGTH;
	if (ip->next == 44)
		return JT_REASON_FRAGMENT;
	if (ip->next == JT_IPPROTO_ICMPV6) {
		type = jt_take(c, 1);
		if (!type)
			return JT_REASON_TRUNCATED;
		if (!length)
			return JT_REASON_BAD_LENGTH; /* that was Ethernet's padding */
		if (*type != JT_ICMPV6_ECHO_REQUEST && *type != JT_ICMPV6_ECHO_REPLY)
			return JT_REASON_PROTOCOL;
	}
	if (ip->next == JT_IPPROTO_ICMPV6 || ip->next == JT_IPPROTO_ESP)
		return jt_parse_ethernet(offset, sizeof(*ip) + length, jt_htons(JT_ETH_IPV6), flags,
					 out);
	if (ip->next != JT_IPPROTO_UDP)
		return JT_REASON_PROTOCOL;
	jt_template_begin(t, JT_TEMPLATE_UDP6, flags, (__u8)(vcl >> 20), ip->hops);
	t->u.udp6.flow_label = jt_htonl(vcl & 0xfffff);
	/* source and dest stand at words 2 and 6 of the union */
	for (i = 0; i < 4; i++) {
		t->u.words[2 + i] = jt_load32(ip->source + 4 * i);
		t->u.words[6 + i] = jt_load32(ip->dest + 4 * i);
	}
	sum = jt_sum_ipv6(&t->u.words[2], &t->u.words[6]);
	return jt_parse_udp(c, length, out, sum);
}

/*
 * jt_parse() - Read a packet from its Ethernet header on
 * @data, @end:	what of it can be read directly, at least its headers
 * @total:	bytes of the whole packet
 * @vlan:	TCI that the kernel keeps beside the packet (be), or 0 with
 *		@tagged false
 * @out:	result; all zero on entry
 *
 * Return: JT_ABOARD, or the reason why the packet is not for the page.
 */
JT_INLINE int jt_parse(const void *data, const void *end, __u64 total, bool tagged, __u16 vlan,
		       struct jt_parsed *out)
{
	struct jt_cursor c = { .pos = (const __u8 *)data, .end = (const __u8 *)end };
	const struct jt_eth *eth = jt_take(&c, sizeof(*eth));
	struct jt_template *t = &out->key.header;
	const struct jt_vlan *tag;
	__u32 rest, flags;
	__u64 macs;
	__u16 type;
	int reason;

	if (!eth)
		return JT_REASON_TRUNCATED;
	if ((eth->dest[0] | eth->source[0]) & 1)
		return JT_REASON_NOT_UNICAST; /* no receiver takes such a template */
	macs = jt_load64(eth);		      /* dest, and two bytes of source */
	rest = jt_load32(eth->source + 2);
	jt_memcpy(t->dest_mac, &macs, sizeof(macs));
	jt_memcpy(t->source_mac + 2, &rest, sizeof(rest));
	type = eth->type;
	if (type == jt_htons(JT_ETH_VLAN) && !tagged) {
		tag = jt_take(&c, sizeof(*tag));
		if (!tag)
			return JT_REASON_TRUNCATED;
		tagged = true;
		vlan = tag->tci;
		type = tag->type;
	}
	flags = tagged ? JT_TEMPLATE_VLAN : 0;
	if (tagged)
		jt_memcpy(&t->vlan, &vlan, sizeof(vlan));
	if (type == jt_htons(JT_ETH_IPV4))
		reason = jt_parse_ipv4(&c, total, flags, out);
	else if (type == jt_htons(JT_ETH_IPV6))
		reason = jt_parse_ipv6(&c, total, flags, out);
	else
		reason = JT_REASON_NOT_IP;
	if (reason)
		return reason;
	out->template_size = jt_template_size(t->kind, t->flags);
	return JT_ABOARD;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The receiving side of the wire format: take a frame's records apart, check
 * each, and build the packet again that the sender's guest had sent.
 *
 * Everything here may come from an enemy. No function reads outside of what it
 * is given, and what it accepts has the one canonical form.
 */
#ifndef JITNEY_WALK_H
#define JITNEY_WALK_H

#include "record.h"

/* A frame being walked. Set up by jt_walk_init(); points into the frame. */
struct jt_walk {
	const __u8 *pos;
	const __u8 *end;
	struct {
		const __u8 *bytes;
		__u32 size;
	} templates[JT_TEMPLATES_MAX + 1]; /* by number; bytes NULL: not seen */
};

/* A message found. Pointers are into the frame and live as long as it does. */
struct jt_found {
	const __u8 *bytes;   /* its template */
	__u32 template_size; /* bytes of it */
	__u32 length;	     /* of the payload */
	const __u8 *payload;
	__u16 check; /* as in the packet */
};

/* Largest header that jt_packet_build() puts in front of a payload. */
#define JT_PACKET_HEAD_MAX 66U

JT_INLINE void jt_walk_init(struct jt_walk *w, const void *records, size_t length)
{
	memset(w, 0, sizeof(*w));
	w->pos = (const __u8 *)records;
	w->end = w->pos + length;
}

/* A template in aligned memory, from its bytes. @size was checked. */
JT_INLINE void jt_template_load(struct jt_template *t, const __u8 *bytes, __u32 size)
{
	__u32 vlan = bytes[1] & JT_TEMPLATE_VLAN ? 4 : 0;

	memset(t, 0, sizeof(*t));
	memcpy(t, bytes, size - vlan);
	if (vlan)
		memcpy(&t->vlan, bytes + size - vlan, vlan);
}

/* The other way round. @size: jt_template_size() of it. */
JT_INLINE void jt_template_store(__u8 *bytes, const struct jt_template *t, __u32 size)
{
	__u32 vlan = t->flags & JT_TEMPLATE_VLAN ? 4 : 0;

	memcpy(bytes, t, size - vlan);
	memcpy(bytes + size - vlan, &t->vlan, vlan);
}

/* True if the template is in canonical form. */
JT_INLINE bool jt_template_sound(const __u8 *bytes, __u32 size)
{
	struct jt_template t;

	if (size < JT_TEMPLATE_BASE || jt_template_size(bytes[0], bytes[1]) != size)
		return false;
	jt_template_load(&t, bytes, size);
	return jt_template_canonical(&t);
}

/* True if a payload without a template for it is one whole IP packet. */
JT_INLINE bool jt_payload_is_ip(const struct jt_found *m)
{
	struct jt_ipv4 ip4;
	struct jt_ipv6 ip6;

	if (m->bytes[JT_TEMPLATE_BASE] == JT_ETH_IPV4 >> 8) {
		if (m->length < sizeof(ip4))
			return false;
		memcpy(&ip4, m->payload, sizeof(ip4));
		return ip4.version_ihl == 0x45 && jt_ntohs(ip4.length) == m->length &&
		       !(ip4.frag & jt_htons(JT_IPV4_FRAGMENT | JT_IPV4_RESERVED)) &&
		       (ip4.protocol == JT_IPPROTO_ICMP || ip4.protocol == JT_IPPROTO_ESP);
	}
	if (m->length < sizeof(ip6))
		return false;
	memcpy(&ip6, m->payload, sizeof(ip6));
	if (jt_ntohl(ip6.version_class_label) >> 28 != 6 ||
	    jt_ntohs(ip6.length) + sizeof(ip6) != m->length)
		return false;
	/* Of ICMPv6 only echoes: no neighbour or router speaks from behind a peer. */
	return ip6.next == JT_IPPROTO_ESP ||
	       (ip6.next == JT_IPPROTO_ICMPV6 && m->length > sizeof(ip6) &&
		(m->payload[sizeof(ip6)] == JT_ICMPV6_ECHO_REQUEST ||
		 m->payload[sizeof(ip6)] == JT_ICMPV6_ECHO_REPLY));
}

JT_INLINE int jt_walk_template(struct jt_walk *w, const __u8 *bytes, __u32 size, __u32 number)
{
	if (!number || number > JT_TEMPLATES_MAX || !jt_template_sound(bytes, size))
		return JT_REASON_TEMPLATE_BAD;
	if (w->templates[number].bytes)
		return JT_REASON_TEMPLATE_TWICE;
	w->templates[number].bytes = bytes;
	w->templates[number].size = size;
	return JT_ABOARD;
}

/*
 * jt_walk_next() - Go to the next message
 *
 * Return: 1 with @out set; 0 at the frame's end; a negative enum jt_reason if
 * the record at hand is malformed: nothing behind it can be trusted, and the
 * walk is at its end.
 */
JT_INLINE int jt_walk_next(struct jt_walk *w, struct jt_found *out)
{
	struct jt_record_parts r;
	__u32 word;
	int reason;

	for (; w->pos != w->end; w->pos += r.span) {
		reason = JT_REASON_RECORD_SHORT;
		if (w->end - w->pos < (ptrdiff_t)sizeof(word))
			goto bad;
		memcpy(&word, w->pos, sizeof(word));
		reason = jt_record_open(word, (__u32)(w->end - w->pos), &r);
		if (reason)
			goto bad;
		if (r.number == JT_RECORD_PADDING)
			continue;
		if (r.template) {
			reason = jt_walk_template(w, w->pos + JT_RECORD_HEAD, r.length, r.number);
			if (reason)
				goto bad;
			continue;
		}
		reason = JT_REASON_TEMPLATE_UNKNOWN;
		if (!w->templates[r.number].bytes)
			goto bad;
		*out = (struct jt_found){ .bytes = w->templates[r.number].bytes,
					  .template_size = w->templates[r.number].size,
					  .length = r.length,
					  .payload = w->pos + JT_RECORD_HEAD,
					  .check = r.check };
		reason = JT_REASON_MESSAGE_BAD;
		if (out->bytes[0] == JT_TEMPLATE_ETHERNET && (r.check || !jt_payload_is_ip(out)))
			goto bad;
		w->pos += r.span;
		return 1;
	}
	return 0;
bad:
	w->pos = w->end;
	return -reason;
}

JT_INLINE __u8 *jt_build_ipv4(__u8 *at, const struct jt_template *t, const struct jt_found *m,
			      __u16 id)
{
	struct jt_ipv4 ip = {
		.version_ihl = 0x45,
		.tos = t->tos,
		.length = jt_htons((__u16)(sizeof(ip) + sizeof(struct jt_udp) + m->length)),
		.id = jt_htons(id),
		.frag = t->flags & JT_TEMPLATE_DF ? jt_htons(JT_IPV4_DF) : 0,
		.ttl = t->ttl,
		.protocol = JT_IPPROTO_UDP,
		.source = t->u.udp4.source,
		.dest = t->u.udp4.dest,
	};
	__u16 words[10];
	__u64 sum = 0;
	int i;

	memcpy(words, &ip, sizeof(words));
	for (i = 0; i < 10; i++)
		sum += words[i];
	ip.check = (__u16)~jt_sum_fold(sum);
	memcpy(at, &ip, sizeof(ip));
	return at + sizeof(ip);
}

JT_INLINE __u8 *jt_build_ipv6(__u8 *at, const struct jt_template *t, const struct jt_found *m)
{
	struct jt_ipv6 ip = {
		.version_class_label =
			jt_htonl(6U << 28 | (__u32)t->tos << 20) | t->u.udp6.flow_label,
		.length = jt_htons((__u16)(sizeof(struct jt_udp) + m->length)),
		.next = JT_IPPROTO_UDP,
		.hops = t->ttl,
	};

	memcpy(ip.source, t->u.udp6.source, 16);
	memcpy(ip.dest, t->u.udp6.dest, 16);
	memcpy(at, &ip, sizeof(ip));
	return at + sizeof(ip);
}

JT_INLINE __u8 *jt_build_udp(__u8 *at, const struct jt_template *t, const struct jt_found *m)
{
	struct jt_udp udp = {
		.source = t->u.udp4.source_port,
		.dest = t->u.udp4.dest_port,
		.length = jt_htons((__u16)(sizeof(udp) + m->length)),
		.check = m->check,
	};

	memcpy(at, &udp, sizeof(udp));
	return at + sizeof(udp);
}

/*
 * jt_packet_build() - The headers of the packet that the guest had sent
 * @m:	a message from jt_walk_next()
 * @id:	IPv4 identification, the one field that is not carried
 * @at:	room for JT_PACKET_HEAD_MAX bytes
 *
 * The packet is these bytes and the payload behind them.
 *
 * Return: bytes written.
 */
JT_INLINE __u32 jt_packet_build(const struct jt_found *m, __u16 id, __u8 *at)
{
	struct jt_template t;
	__u16 type = 0;
	__u8 *start = at;

	jt_template_load(&t, m->bytes, m->template_size);
	memcpy(at, t.dest_mac, 6);
	memcpy(at + 6, t.source_mac, 6);
	at += 12;
	if (t.flags & JT_TEMPLATE_VLAN) {
		type = jt_htons(JT_ETH_VLAN);
		memcpy(at, &type, sizeof(type));
		memcpy(at + 2, &t.vlan, 2);
		at += 4;
	}
	if (t.kind == JT_TEMPLATE_ETHERNET)
		type = t.u.ethernet.ethertype;
	else
		type = jt_htons(t.kind == JT_TEMPLATE_UDP4 ? JT_ETH_IPV4 : JT_ETH_IPV6);
	memcpy(at, &type, sizeof(type));
	at += sizeof(type);
	if (t.kind == JT_TEMPLATE_UDP4)
		at = jt_build_udp(jt_build_ipv4(at, &t, m, id), &t, m);
	else if (t.kind == JT_TEMPLATE_UDP6)
		at = jt_build_udp(jt_build_ipv6(at, &t, m), &t, m);
	return (__u32)(at - start);
}

#endif
